// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The two virtqueues. This file knows commands and nothing of what they mean.
 *
 * A command that is submitted ends: it is answered, or it fails. It goes to the
 * ring at once when there is room and nothing waits before it, else to the
 * backlog, which the completion of earlier commands drains. A chain never needs
 * more descriptors than the ring has, so a ring that is empty takes any chain,
 * even when no indirect table can be allocated.
 */

#include <linux/delay.h>
#include <linux/sched/signal.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"
#include "virtgpu_trace.h"

/* Request, payload and answer: in fewer no buffer can be made known to the host. */
#define VIRTGPU_CTRL_MIN 3

/* A device that owns commands and gives none back for so long is notified again. */
#define VIRTGPU_WATCH_INTERVAL HZ

/* Commands that may wait in the backlog before programs have to. */
#define VIRTGPU_BACKLOG_MAX 1024

static struct virtgpu_queue *virtgpu_queue_of(const struct virtgpu_cmd *cmd)
{
	return cmd->info->cursor ? &cmd->vgdev->cursorq : &cmd->vgdev->ctrl;
}

/* Descriptors of a command, when there is no indirect table. */
static unsigned int virtgpu_chain_length(const struct virtgpu_cmd *cmd)
{
	return 1 + (cmd->payload ? cmd->payload->num_chunks : 0) + !!cmd->info->resp_size;
}

/*
 * The errno with which a command ends that must not go to the device. One of a
 * context or a resource from before a reset may have been on its way here since.
 */
static int virtgpu_queue_error(const struct virtgpu_queue *queue, const struct virtgpu_cmd *cmd)
{
	unsigned int generation = cmd->vgdev->generation;

	if (queue->dead)
		return queue->dead;
	/* One without an id is no context of the host's. */
	if ((cmd->ctx && cmd->ctx->id && cmd->ctx->generation != generation) ||
	    (cmd->res && READ_ONCE(cmd->res->generation) != generation))
		return VIRTGPU_LOST;
	return 0;
}

static int virtgpu_ring_add_locked(struct virtgpu_queue *queue, struct virtgpu_cmd *cmd)
{
	struct scatterlist req, resp, *sgs[3];
	unsigned int out = 0, in = 0, length = virtgpu_chain_length(cmd);

	lockdep_assert_held(&queue->lock);

	/* The ring may have been larger when the command was made. */
	if (length > queue->size)
		return -E2BIG;
	/* Asked in vain, virtqueue_add_sgs() notifies the device each time. */
	if (queue->vq->num_free < (queue->indirect ? 1 : length) && !virtqueue_is_broken(queue->vq))
		return -ENOSPC;

	sg_init_one(&req, &cmd->req, cmd->info->req_size);
	sgs[out++] = &req;
	if (cmd->payload)
		sgs[out++] = cmd->payload->sg;
	if (cmd->info->resp_size) {
		sg_init_one(&resp, cmd->resp, cmd->resp_size);
		sgs[out + in++] = &resp;
	}

	return virtqueue_add_sgs(queue->vq, sgs, out, in, cmd, GFP_ATOMIC);
}

/* Notify the device of what was added, if it wants to know. */
static bool virtgpu_queue_kick_locked(struct virtgpu_queue *queue)
{
	lockdep_assert_held(&queue->lock);

	if (queue->stopped || queue->dead || !virtqueue_kick_prepare(queue->vq))
		return false;
	queue->kicks++;
	return true;
}

static void virtgpu_queue_watch_locked(struct virtgpu_queue *queue)
{
	lockdep_assert_held(&queue->lock);

	if (timer_pending(&queue->watch))
		return;
	queue->watched = queue->answered;
	mod_timer(&queue->watch, jiffies + VIRTGPU_WATCH_INTERVAL);
}

/*
 * Move what fits from the backlog to the ring; what can never be queued goes
 * to @failed with its errno in @error. Return: whether the device is to be notified.
 */
static bool virtgpu_queue_push_locked(struct virtgpu_queue *queue, struct list_head *failed)
{
	struct virtgpu_cmd *cmd, *next;
	bool added = false;

	lockdep_assert_held(&queue->lock);

	if (queue->stopped)
		return false;

	list_for_each_entry_safe(cmd, next, &queue->backlog, link) {
		int ret = virtgpu_queue_error(queue, cmd) ?: virtgpu_ring_add_locked(queue, cmd);

		/* Room or memory comes back with the next answer. */
		if ((ret == -ENOSPC || ret == -ENOMEM) && queue->in_ring)
			break;

		queue->backlog_len--;
		if (ret == -EIO)
			virtgpu_reset_request(cmd->vgdev, "a queue is broken");
		if (ret) {
			cmd->error = ret;
			list_move_tail(&cmd->link, failed);
		} else {
			list_del_init(&cmd->link);
			queue->in_ring++;
			added = true;
		}
	}
	if (!added)
		return false;
	virtgpu_queue_watch_locked(queue);
	return virtgpu_queue_kick_locked(queue);
}

static void virtgpu_fail_list(struct list_head *failed)
{
	struct virtgpu_cmd *cmd, *next;

	list_for_each_entry_safe(cmd, next, failed, link) {
		list_del_init(&cmd->link);
		virtgpu_cmd_fail(cmd, cmd->error);
	}
}

/* The point from which on the order of commands and of fences is fixed. */
static void virtgpu_queue_accept_locked(struct virtgpu_queue *queue, struct virtgpu_cmd *cmd)
{
	lockdep_assert_held(&queue->lock);

	if (cmd->fence && !cmd->fence->emitted)
		virtgpu_fence_emit(cmd->fence);
	if (cmd->fence)
		WRITE_ONCE(cmd->fence->queue, queue);
	if (cmd->fence || cmd->fenced) {
		cmd->req.hdr.flags |= cpu_to_le32(VIRTIO_GPU_FLAG_FENCE);
		cmd->req.hdr.fence_id = cpu_to_le64(++queue->fence_id);
	}
	queue->commands++;
	queue->backlog_len++;
	trace_virtgpu_cmd_queue(cmd, queue->backlog_len, queue->in_ring);
}

/**
 * virtgpu_queue_submit_list() - queue commands without another in between
 * @queue: the queue that they all go to
 * @cmds: list of commands; empty afterwards
 *
 * Consumes the commands in any case: one that cannot be queued ends with an
 * error before this returns. One notification for all. Any context; callers
 * in process context throttle themselves with virtgpu_queue_throttle().
 */
void virtgpu_queue_submit_list(struct virtgpu_queue *queue, struct list_head *cmds)
{
	struct virtgpu_cmd *cmd;
	LIST_HEAD(failed);
	unsigned long flags;
	bool notify;

	if (list_empty(cmds))
		return;

	/* virtgpu_queue_stop() waits for those who are in here. */
	rcu_read_lock();
	spin_lock_irqsave(&queue->lock, flags);
	list_for_each_entry(cmd, cmds, link)
		virtgpu_queue_accept_locked(queue, cmd);
	list_splice_tail_init(cmds, &queue->backlog);
	notify = virtgpu_queue_push_locked(queue, &failed);
	spin_unlock_irqrestore(&queue->lock, flags);

	if (notify)
		virtqueue_notify(queue->vq);
	rcu_read_unlock();
	virtgpu_fail_list(&failed);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_queue_submit_list);

/**
 * virtgpu_queue_submit() - queue a command
 * @cmd: the command, consumed; see virtgpu_queue_submit_list()
 */
void virtgpu_queue_submit(struct virtgpu_cmd *cmd)
{
	LIST_HEAD(cmds);

	list_add(&cmd->link, &cmds);
	virtgpu_queue_submit_list(virtgpu_queue_of(cmd), &cmds);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_queue_submit);

/**
 * virtgpu_cmd_start() - queue a command whose end somebody will wait for
 * @cmd: the command; the caller keeps its reference
 *
 * Process context.
 */
void virtgpu_cmd_start(struct virtgpu_cmd *cmd)
{
	refcount_inc(&cmd->refs);
	virtgpu_queue_submit(cmd);
}

/**
 * virtgpu_cmd_wait() - wait for the end of a command
 * @cmd: the command, after virtgpu_cmd_start()
 *
 * Process context. A waiter that gives up leaves the command to the queue, and may
 * come back.
 *
 * Return: 0, the errno of the command, -ETIMEDOUT after virtgpu_timeout(), or
 * -ERESTARTSYS when the task is being killed.
 */
int virtgpu_cmd_wait(struct virtgpu_cmd *cmd)
{
	long left;

	left = wait_for_completion_killable_timeout(&cmd->completion, virtgpu_timeout());
	if (left < 0)
		return left;
	if (!left)
		virtgpu_report_slow(cmd->vgdev, cmd->info->name);
	return left ? cmd->error : -ETIMEDOUT;
}

/**
 * virtgpu_cmd_run() - queue a command and wait for its end
 * @cmd: the command; the caller keeps its reference and may read the response
 *	 after success
 *
 * Process context.
 *
 * Return: as virtgpu_cmd_wait().
 */
int virtgpu_cmd_run(struct virtgpu_cmd *cmd)
{
	virtgpu_cmd_start(cmd);
	return virtgpu_cmd_wait(cmd);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_cmd_run);

/* A device that is being reset comes back: commands fail, callers need not. */
static int virtgpu_queue_gone(const struct virtgpu_queue *queue)
{
	return READ_ONCE(queue->dead) == -ENODEV ? -ENODEV : 0;
}

/**
 * virtgpu_queue_throttle() - let a program wait while the backlog is long
 * @queue: the queue
 *
 * Process context, before anything was allocated for the command to come.
 *
 * Return: 0, -ENODEV when the device has gone, -ETIMEDOUT when the host made
 * no room within virtgpu_timeout(), or -ERESTARTSYS when the task is being
 * killed.
 */
int virtgpu_queue_throttle(struct virtgpu_queue *queue)
{
	long left;

	if (likely(READ_ONCE(queue->backlog_len) < VIRTGPU_BACKLOG_MAX))
		return virtgpu_queue_gone(queue);

	left = wait_event_killable_timeout(queue->space,
					   READ_ONCE(queue->dead) ||
					   READ_ONCE(queue->backlog_len) < VIRTGPU_BACKLOG_MAX / 2,
					   virtgpu_timeout());
	if (left < 0)
		return left;
	return left ? virtgpu_queue_gone(queue) : -ETIMEDOUT;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_queue_throttle);

/* For what is answered at once: the outputs, and the end of what programs have. */
static unsigned int virtgpu_lasting_max(const struct virtgpu_queue *queue)
{
	unsigned int size = READ_ONCE(queue->size);

	return size - DIV_ROUND_UP(size, 4);
}

static bool virtgpu_queue_try_reserve(struct virtgpu_queue *queue, struct virtgpu_cmd *cmd)
{
	int need = queue->indirect ? 1 : virtgpu_chain_length(cmd);
	int lasting = atomic_read(&queue->lasting);

	do {
		if (lasting && lasting + need > virtgpu_lasting_max(queue))
			return false;
	} while (!atomic_try_cmpxchg(&queue->lasting, &lasting, lasting + need));
	cmd->lasting = need;
	return true;
}

/* Contexts get room in turn; the one whose turn it is stays on the list until it has it. */
static void virtgpu_queue_wake_waiter_locked(struct virtgpu_queue *queue)
{
	struct virtgpu_context *ctx;

	lockdep_assert_held(&queue->waiters_lock);

	ctx = list_first_entry_or_null(&queue->waiters, struct virtgpu_context, ring_link);
	if (ctx)
		queue_work(ctx->vgdev->job_wq, &ctx->job_work);
}

static bool virtgpu_queue_reserve_locked(struct virtgpu_queue *queue, struct virtgpu_cmd *cmd,
					 struct virtgpu_context *ctx)
{
	lockdep_assert_held(&queue->waiters_lock);

	if (list_empty(&ctx->ring_link))
		list_add_tail(&ctx->ring_link, &queue->waiters);
	/* Pairs with virtgpu_queue_unreserve(): one of us sees the other. */
	smp_mb();
	if (!list_is_first(&ctx->ring_link, &queue->waiters) ||
	    !virtgpu_queue_try_reserve(queue, cmd))
		return false;
	list_del_init(&ctx->ring_link);
	virtgpu_queue_wake_waiter_locked(queue);
	return true;
}

/**
 * virtgpu_queue_reserve() - may a command take room in the ring for long?
 * @cmd: a command that the host may answer when it likes
 * @ctx: the context that it is of
 *
 * A part of the ring is for all others: what a program has the host wait for can stop
 * neither the outputs nor the end of that program. Any context.
 *
 * Return: true: the room is the command's as long as that lives; or false: then
 * &virtgpu_context.job_work is queued when it is the context's turn. One that has
 * nothing to queue any more gives its turn away with virtgpu_queue_leave().
 */
bool virtgpu_queue_reserve(struct virtgpu_cmd *cmd, struct virtgpu_context *ctx)
{
	struct virtgpu_queue *queue = virtgpu_queue_of(cmd);
	unsigned long flags;
	bool reserved;

	if (likely(list_empty_careful(&queue->waiters) && virtgpu_queue_try_reserve(queue, cmd)))
		return true;
	spin_lock_irqsave(&queue->waiters_lock, flags);
	reserved = virtgpu_queue_reserve_locked(queue, cmd, ctx);
	spin_unlock_irqrestore(&queue->waiters_lock, flags);
	return reserved;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_queue_reserve);

/**
 * virtgpu_queue_unreserve() - a command that took room for long has ended
 * @cmd: the command, with or without
 *
 * Any context.
 */
void virtgpu_queue_unreserve(struct virtgpu_cmd *cmd)
{
	struct virtgpu_queue *queue = virtgpu_queue_of(cmd);
	unsigned long flags;

	if (!cmd->lasting)
		return;
	atomic_sub_return(cmd->lasting, &queue->lasting);
	if (likely(list_empty_careful(&queue->waiters)))
		return;
	spin_lock_irqsave(&queue->waiters_lock, flags);
	virtgpu_queue_wake_waiter_locked(queue);
	spin_unlock_irqrestore(&queue->waiters_lock, flags);
}

/**
 * virtgpu_queue_leave() - a context does not wait for room any more
 * @queue: the queue
 * @ctx: the context, with nothing that is ready to be queued
 *
 * Process context.
 */
void virtgpu_queue_leave(struct virtgpu_queue *queue, struct virtgpu_context *ctx)
{
	spin_lock_irq(&queue->waiters_lock);
	if (!list_empty(&ctx->ring_link)) {
		list_del_init(&ctx->ring_link);
		virtgpu_queue_wake_waiter_locked(queue);
	}
	spin_unlock_irq(&queue->waiters_lock);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_queue_leave);

static void virtgpu_queue_complete(struct virtgpu_queue *queue, struct virtqueue *vq)
{
	struct virtgpu_cmd *cmd, *next;
	unsigned int cmd_used;
	LIST_HEAD(done);
	LIST_HEAD(failed);
	unsigned long flags;
	bool notify;

	spin_lock_irqsave(&queue->lock, flags);
	if (queue->vq != vq) {
		spin_unlock_irqrestore(&queue->lock, flags);
		return;
	}
	do {
		virtqueue_disable_cb(vq);
		while ((cmd = virtqueue_get_buf(vq, &cmd_used))) {
			cmd->used = cmd_used;
			list_add_tail(&cmd->link, &done);
			queue->in_ring--;
			queue->answered++;
		}
	} while (!virtqueue_enable_cb(vq));

	notify = virtgpu_queue_push_locked(queue, &failed);
	if (queue->backlog_len < VIRTGPU_BACKLOG_MAX / 2 && wq_has_sleeper(&queue->space))
		wake_up_all(&queue->space);
	spin_unlock_irqrestore(&queue->lock, flags);

	if (notify)
		virtqueue_notify(vq);
	if (unlikely(virtqueue_is_broken(vq)))
		virtgpu_reset_request(vq->vdev->priv, "the device broke a queue");

	list_for_each_entry_safe(cmd, next, &done, link) {
		list_del_init(&cmd->link);
		virtgpu_cmd_complete(cmd);
	}
	virtgpu_fail_list(&failed);
}

/* Has the device given nothing back since the last time? */
static bool virtgpu_queue_stands_still(struct virtgpu_queue *queue)
{
	unsigned long flags;
	bool still = false;

	spin_lock_irqsave(&queue->lock, flags);
	if (queue->vq && !queue->stopped && !queue->dead && queue->in_ring) {
		still = queue->answered == queue->watched;
		queue->prods += still;
		virtgpu_queue_watch_locked(queue);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	return still;
}

/*
 * A device that has lost a notification waits for another one, which the ring does
 * not ask us for, and an interrupt may be lost, too: QEMU with 3D drops a
 * notification when it is still ending the mappings of before a reset.
 */
static void virtgpu_queue_watch(struct timer_list *timer)
{
	struct virtgpu_queue *queue = container_of(timer, struct virtgpu_queue, watch);

	/* virtgpu_queue_stop() waits for us. */
	rcu_read_lock();
	if (virtgpu_queue_stands_still(queue)) {
		virtqueue_notify(queue->vq);
		virtgpu_queue_complete(queue, queue->vq);
	}
	rcu_read_unlock();
}

static struct virtgpu_device *virtgpu_of_vq(struct virtqueue *vq)
{
	return vq->vdev->priv;
}

static void virtgpu_ctrl_callback(struct virtqueue *vq)
{
	virtgpu_queue_complete(&virtgpu_of_vq(vq)->ctrl, vq);
}

static void virtgpu_cursor_callback(struct virtqueue *vq)
{
	virtgpu_queue_complete(&virtgpu_of_vq(vq)->cursorq, vq);
}

/**
 * virtgpu_queues_early_init() - set up queues without a virtqueue
 * @vgdev: the device
 */
void virtgpu_queues_early_init(struct virtgpu_device *vgdev)
{
	struct virtgpu_queue *queues[] = { &vgdev->ctrl, &vgdev->cursorq };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		spin_lock_init(&queues[i]->lock);
		INIT_LIST_HEAD(&queues[i]->backlog);
		timer_setup(&queues[i]->watch, virtgpu_queue_watch, 0);
		init_waitqueue_head(&queues[i]->space);
		spin_lock_init(&queues[i]->waiters_lock);
		INIT_LIST_HEAD(&queues[i]->waiters);
	}
}

static void virtgpu_queue_bind(struct virtgpu_queue *queue, struct virtqueue *vq)
{
	spin_lock_irq(&queue->lock);
	queue->vq = vq;
	queue->size = virtqueue_get_vring_size(vq);
	queue->indirect = virtio_has_feature(vq->vdev, VIRTIO_RING_F_INDIRECT_DESC);
	queue->stopped = true;
	WRITE_ONCE(queue->dead, 0);
	spin_unlock_irq(&queue->lock);
}

/**
 * virtgpu_queues_find() - find the virtqueues of a device that was reset
 * @vgdev: the device, with &virtio_device.priv pointing back at it
 *
 * Commands gather in the backlog until virtgpu_queues_start().
 *
 * Return: 0, -EINVAL for a queue that is too short, or another negative errno.
 */
int virtgpu_queues_find(struct virtgpu_device *vgdev)
{
	struct virtqueue_info info[] = {
		{ "control", virtgpu_ctrl_callback },
		{ "cursor", virtgpu_cursor_callback },
	};
	struct virtqueue *vqs[ARRAY_SIZE(info)];
	int ret;

	ret = virtio_find_vqs(vgdev->vdev, ARRAY_SIZE(info), vqs, info, NULL);
	if (ret)
		return ret;
	if (virtqueue_get_vring_size(vqs[0]) < VIRTGPU_CTRL_MIN) {
		dev_err(&vgdev->vdev->dev, "control queue of %u entries is too short\n",
			virtqueue_get_vring_size(vqs[0]));
		vgdev->vdev->config->del_vqs(vgdev->vdev);
		return -EINVAL;
	}

	WRITE_ONCE(vgdev->generation, vgdev->generation + 1);
	virtgpu_queue_bind(&vgdev->ctrl, vqs[0]);
	virtgpu_queue_bind(&vgdev->cursorq, vqs[1]);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_queues_find);

static void virtgpu_queue_start(struct virtgpu_queue *queue, struct list_head *first)
{
	struct virtgpu_cmd *cmd;
	LIST_HEAD(failed);
	bool notify;

	rcu_read_lock();
	spin_lock_irq(&queue->lock);
	queue->stopped = false;
	list_for_each_entry(cmd, first, link)
		virtgpu_queue_accept_locked(queue, cmd);
	list_splice_init(first, &queue->backlog);
	notify = virtgpu_queue_push_locked(queue, &failed);
	spin_unlock_irq(&queue->lock);
	if (notify)
		virtqueue_notify(queue->vq);
	rcu_read_unlock();
	virtgpu_fail_list(&failed);
}

/**
 * virtgpu_queues_start() - let the commands go to the device
 * @vgdev: the device, ready
 * @first: commands of the control queue that go before those in the backlog;
 *	   consumed
 */
void virtgpu_queues_start(struct virtgpu_device *vgdev, struct list_head *first)
{
	LIST_HEAD(none);

	virtgpu_queue_start(&vgdev->ctrl, first);
	virtgpu_queue_start(&vgdev->cursorq, &none);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_queues_start);

/*
 * From here on commands only gather in the backlog: to end them now would give
 * pages back that the device, not reset yet, may still use.
 */
static void virtgpu_queue_stop(struct virtgpu_queue *queue)
{
	spin_lock_irq(&queue->lock);
	queue->stopped = true;
	spin_unlock_irq(&queue->lock);
}

/* The device is reset: what it owned is ours again, and ends. */
static void virtgpu_queue_drain(struct virtgpu_queue *queue, int error)
{
	struct virtgpu_cmd *cmd;
	LIST_HEAD(failed);

	spin_lock_irq(&queue->lock);
	WRITE_ONCE(queue->dead, error);
	queue->stopped = false;
	while (queue->vq && (cmd = virtqueue_detach_unused_buf(queue->vq))) {
		cmd->error = error;
		list_add_tail(&cmd->link, &failed);
		queue->in_ring--;
	}
	virtgpu_queue_push_locked(queue, &failed);
	spin_unlock_irq(&queue->lock);

	wake_up_all(&queue->space);
	virtgpu_fail_list(&failed);
}

/**
 * virtgpu_queues_abort() - reset the device and end every command
 * @vgdev: the device
 * @error: negative errno with which commands fail, now and later
 *
 * Process context.
 */
void virtgpu_queues_abort(struct virtgpu_device *vgdev, int error)
{
	virtgpu_queue_stop(&vgdev->ctrl);
	virtgpu_queue_stop(&vgdev->cursorq);
	synchronize_rcu();
	virtio_reset_device(vgdev->vdev);
	virtgpu_queue_drain(&vgdev->ctrl, error);
	virtgpu_queue_drain(&vgdev->cursorq, error);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_queues_abort);

static void virtgpu_queue_unbind(struct virtgpu_queue *queue)
{
	spin_lock_irq(&queue->lock);
	queue->vq = NULL;
	spin_unlock_irq(&queue->lock);
	timer_delete_sync(&queue->watch);
}

/**
 * virtgpu_queues_fini() - give back the virtqueues
 * @vgdev: the device, after virtgpu_queues_abort()
 */
void virtgpu_queues_fini(struct virtgpu_device *vgdev)
{
	/* Those that were not found in the last reset are not there. */
	if (!vgdev->ctrl.vq)
		return;
	virtgpu_queue_unbind(&vgdev->ctrl);
	virtgpu_queue_unbind(&vgdev->cursorq);
	vgdev->vdev->config->del_vqs(vgdev->vdev);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_queues_fini);

/**
 * virtgpu_queues_idle() - wait until the device has answered everything
 * @vgdev: the device
 *
 * Process context.
 *
 * Return: false when it did not within virtgpu_timeout().
 */
bool virtgpu_queues_idle(struct virtgpu_device *vgdev)
{
	unsigned long end = jiffies + virtgpu_timeout();

	while (READ_ONCE(vgdev->ctrl.in_ring) || READ_ONCE(vgdev->cursorq.in_ring) ||
	       READ_ONCE(vgdev->ctrl.backlog_len) || READ_ONCE(vgdev->cursorq.backlog_len)) {
		if (time_after(jiffies, end))
			return false;
		fsleep(1000);
	}
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_queues_idle);

/**
 * virtgpu_queue_submit_panic() - send commands from a kernel that panics
 * @cmds: encoded commands of the control queue, none of them busy; they stay
 *	  the caller's
 * @count: how many
 *
 * Takes no lock that may be held for ever, allocates nothing but an indirect
 * table, waits for nothing, and gives up when the ring has no room.
 */
void virtgpu_queue_submit_panic(struct virtgpu_cmd **cmds, unsigned int count)
{
	struct virtgpu_queue *queue = &cmds[0]->vgdev->ctrl;
	unsigned long flags;
	unsigned int i;
	bool notify;

	if (!spin_trylock_irqsave(&queue->lock, flags))
		return;

	for (i = 0; !queue->stopped && !queue->dead && i < count; i++) {
		if (virtgpu_ring_add_locked(queue, cmds[i]))
			break;
		refcount_inc(&cmds[i]->refs);
		queue->in_ring++;
	}
	notify = virtgpu_queue_kick_locked(queue);
	spin_unlock_irqrestore(&queue->lock, flags);

	if (notify)
		virtqueue_notify(queue->vq);
}
