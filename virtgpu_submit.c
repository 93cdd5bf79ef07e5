// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Submissions: EXECBUFFER and its dependencies.
 *
 * The fence of a submission exists when the ioctl returns; the commands may
 * have to wait for foreign fences first, or for room in the ring. They then wait in
 * the context's list of jobs, which keeps the buffers, and everything that the
 * context submits later waits behind them.
 */

#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>

#include <drm/drm_exec.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>
#include <drm/drm_syncobj.h>

#include "virtgpu_drv.h"

/* Submissions of a context that may wait for fences. */
#define VIRTGPU_MAX_JOBS 1024

/* Fences that a submission may wait for, of as many contexts. */
#define VIRTGPU_MAX_DEPS 1024

/* Syncobjs and buffers in one submission. */
#define VIRTGPU_MAX_SYNCOBJS 4096
#define VIRTGPU_MAX_BOS 65536

/* Smallest stride that holds the handle and flags of a syncobj. */
#define VIRTGPU_SYNCOBJ_MIN_STRIDE offsetofend(struct drm_virtgpu_execbuffer_syncobj, flags)

/* How long the end of a program may take for what it has submitted. */
#define VIRTGPU_DRAIN_MAX HZ

/* ---- jobs --------------------------------------------------------------- */

/**
 * struct virtgpu_job - commands that wait for fences
 * @link: entry in &virtgpu_context.jobs
 * @ctx: the context
 * @cmd: the submission
 * @deps: the fences, with references
 * @num_deps: how many
 * @bos: objects that the submission uses, with references
 * @num_bos: how many
 * @held: pages of foreign buffers that the submission counts on
 * @num_held: how many
 * @pending: fences not signalled yet, and one for the job's being set up
 * @cbs: a callback for each fence
 */
struct virtgpu_job {
	struct list_head link;
	struct virtgpu_context *ctx;
	struct virtgpu_cmd *cmd;
	struct dma_fence **deps;
	unsigned int num_deps;
	struct drm_gem_object **bos;
	u32 num_bos;
	struct virtgpu_mapping **held;
	unsigned int num_held;
	atomic_t pending;
	struct virtgpu_job_cb {
		struct dma_fence_cb base;
		struct virtgpu_job *job;
	} cbs[];
};

static void virtgpu_fences_put(struct dma_fence **fences, unsigned int count)
{
	while (count--)
		dma_fence_put(fences[count]);
	kfree(fences);
}

static void virtgpu_bos_put(struct drm_gem_object **bos, u32 count)
{
	while (count--)
		drm_gem_object_put(bos[count]);
	kvfree(bos);
}

/* Any context. */
static void virtgpu_job_unhold(struct virtgpu_job *job)
{
	while (job->num_held)
		virtgpu_import_unhold(job->held[--job->num_held]);
}

/* Without locks: buffers may go with it. */
static void virtgpu_job_free(struct virtgpu_job *job)
{
	virtgpu_job_unhold(job);
	virtgpu_fences_put(job->deps, job->num_deps);
	virtgpu_bos_put(job->bos, job->num_bos);
	kvfree(job->held);
	kfree(job);
}

static void virtgpu_job_dep_signaled(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct virtgpu_job *job = container_of(cb, struct virtgpu_job_cb, base)->job;
	struct virtgpu_context *ctx = job->ctx;

	/* The fence may be one of ours: no queue lock below its lock. */
	if (atomic_dec_and_test(&job->pending))
		queue_work(ctx->vgdev->job_wq, &ctx->job_work);
}

/* Without a fence the host answers at once. */
static bool virtgpu_submit_has_room(struct virtgpu_context *ctx, struct virtgpu_cmd *cmd)
{
	return !cmd->fence || virtgpu_queue_reserve(cmd, ctx);
}

static struct virtgpu_job *virtgpu_job_ready_locked(struct virtgpu_context *ctx)
{
	struct virtgpu_job *job;

	lockdep_assert_held(&ctx->job_lock);

	job = list_first_entry_or_null(&ctx->jobs, struct virtgpu_job, link);
	return job && !atomic_read(&job->pending) ? job : NULL;
}

/*
 * Others wait for the fences of these submissions, with locks that freeing a buffer
 * takes, or for memory: this takes no such lock, and allocates nothing.
 */
static void virtgpu_job_work(struct work_struct *work)
{
	struct virtgpu_context *ctx = container_of(work, struct virtgpu_context, job_work);
	struct virtgpu_job *job;

	/* Off the list only when queued: a submission that finds it empty goes out. */
	spin_lock_irq(&ctx->job_lock);
	while ((job = virtgpu_job_ready_locked(ctx)) && virtgpu_submit_has_room(ctx, job->cmd)) {
		virtgpu_queue_submit(job->cmd);
		virtgpu_job_unhold(job);
		list_move_tail(&job->link, &ctx->queued_jobs);
		ctx->num_jobs--;
	}
	spin_unlock_irq(&ctx->job_lock);

	/* Whoever makes the next one ready queues this work again. */
	if (!job)
		virtgpu_queue_leave(&ctx->vgdev->ctrl, ctx);
	queue_work(ctx->vgdev->wq, &ctx->free_work);
	wake_up_all(&ctx->job_space);
}

static void virtgpu_job_free_work(struct work_struct *work)
{
	struct virtgpu_context *ctx = container_of(work, struct virtgpu_context, free_work);
	struct virtgpu_job *job, *next;
	LIST_HEAD(jobs);

	spin_lock_irq(&ctx->job_lock);
	list_splice_init(&ctx->queued_jobs, &jobs);
	spin_unlock_irq(&ctx->job_lock);

	list_for_each_entry_safe(job, next, &jobs, link)
		virtgpu_job_free(job);
}

/**
 * virtgpu_submit_init_context() - set up the jobs of a context
 * @ctx: the context
 */
void virtgpu_submit_init_context(struct virtgpu_context *ctx)
{
	spin_lock_init(&ctx->job_lock);
	INIT_LIST_HEAD(&ctx->jobs);
	INIT_WORK(&ctx->job_work, virtgpu_job_work);
	INIT_LIST_HEAD(&ctx->queued_jobs);
	INIT_WORK(&ctx->free_work, virtgpu_job_free_work);
	init_waitqueue_head(&ctx->job_space);
	INIT_LIST_HEAD(&ctx->ring_link);
}

/**
 * virtgpu_submit_drain() - let the jobs of a context that is closed be queued
 * @ctx: the context
 *
 * A program that ends by itself loses nothing that it has submitted, as long as that
 * does not wait for more than VIRTGPU_DRAIN_MAX. One that is killed is not waited for,
 * nor is a file whose end comes by a kernel thread. Process context.
 */
void virtgpu_submit_drain(struct virtgpu_context *ctx)
{
	if (list_empty_careful(&ctx->jobs) || current->flags & PF_KTHREAD ||
	    (current->exit_code & 0x7f) == SIGKILL)
		return;
	wait_event_killable_timeout(ctx->job_space, list_empty_careful(&ctx->jobs),
				    VIRTGPU_DRAIN_MAX);
}

/**
 * virtgpu_submit_cancel() - end the jobs of a context that is closed
 * @ctx: the context
 *
 * Their fences signal with -ECANCELED. Process context.
 */
void virtgpu_submit_cancel(struct virtgpu_context *ctx)
{
	struct virtgpu_job *job, *next;
	unsigned int i;
	LIST_HEAD(jobs);

	/* No job is being set up. */
	mutex_lock(&ctx->lock);
	spin_lock_irq(&ctx->job_lock);
	list_splice_init(&ctx->jobs, &jobs);
	ctx->num_jobs = 0;
	spin_unlock_irq(&ctx->job_lock);
	/* After this no callback runs, and none queues the work for these. */
	list_for_each_entry(job, &jobs, link)
		for (i = 0; i < job->num_deps; i++)
			dma_fence_remove_callback(job->deps[i], &job->cbs[i].base);
	virtgpu_queue_leave(&ctx->vgdev->ctrl, ctx);
	mutex_unlock(&ctx->lock);

	list_for_each_entry_safe(job, next, &jobs, link) {
		virtgpu_cmd_fail(job->cmd, -ECANCELED);
		virtgpu_job_free(job);
	}
	wake_up_all(&ctx->job_space);
	/* A callback of a job that went its way may not have queued its work yet. */
	if (ctx->had_jobs)
		synchronize_rcu();
	flush_work(&ctx->job_work);
	flush_work(&ctx->free_work);
}

static int virtgpu_jobs_throttle(struct virtgpu_context *ctx)
{
	long left;

	if (likely(READ_ONCE(ctx->num_jobs) < VIRTGPU_MAX_JOBS))
		return 0;
	left = wait_event_killable_timeout(ctx->job_space,
					   READ_ONCE(ctx->num_jobs) < VIRTGPU_MAX_JOBS,
					   virtgpu_timeout());
	return left < 0 ? left : left ? 0 : -ETIMEDOUT;
}

/**
 * virtgpu_submit_flush() - wait until all that a context has submitted is queued
 * @ctx: the context
 *
 * Commands that count on it and are queued then come after it. Process context.
 *
 * Return: 0, -ETIMEDOUT, or -ERESTARTSYS when the task is being killed.
 */
int virtgpu_submit_flush(struct virtgpu_context *ctx)
{
	long left;

	if (likely(list_empty_careful(&ctx->jobs)))
		return 0;
	left = wait_event_killable_timeout(ctx->job_space, list_empty_careful(&ctx->jobs),
					   virtgpu_timeout());
	return left < 0 ? left : left ? 0 : -ETIMEDOUT;
}

/* ---- what a submission is made of --------------------------------------- */

/**
 * struct virtgpu_syncobj - a syncobj that a submission signals or resets
 * @syncobj: the syncobj, with a reference
 * @chain: the link of a timeline point, or NULL
 * @point: the point
 * @reset: reset it
 */
struct virtgpu_syncobj {
	struct drm_syncobj *syncobj;
	struct dma_fence_chain *chain;
	u64 point;
	bool reset;
};

/**
 * struct virtgpu_ring_event - tells a program that polls that a fence signalled
 * @base: the DRM event
 * @event: what is read from the file
 * @drm: the device of the file
 */
struct virtgpu_ring_event {
	struct drm_pending_event base;
	struct drm_event event;
	struct drm_device *drm;
};

/**
 * struct virtgpu_submit - an EXECBUFFER ioctl on its way
 * @file: who submits
 * @ctx: its context
 * @args: arguments
 * @timeline: where the fence signals
 * @cmd: the command
 * @fence: its fence or NULL when nobody needs one
 * @event: for the program that polls the ring, or NULL
 * @bos: objects, with references
 * @num_bos: how many
 * @exec: their reservations
 * @deps: fences to wait for, with references
 * @num_deps: how many
 * @max_deps: room in @deps
 * @in: syncobjs to be reset
 * @out: syncobjs to be signalled
 * @out_fd: file descriptor reserved for the fence, or -1
 * @sync_file: what it will stand for, or NULL
 * @job: room for waiting, or NULL when there is nothing to wait for
 */
struct virtgpu_submit {
	struct drm_file *file;
	struct virtgpu_context *ctx;
	struct drm_virtgpu_execbuffer *args;
	struct virtgpu_timeline *timeline;
	struct virtgpu_cmd *cmd;
	struct virtgpu_fence *fence;
	struct virtgpu_ring_event *event;
	struct drm_gem_object **bos;
	u32 num_bos;
	struct drm_exec exec;
	struct dma_fence **deps;
	unsigned int num_deps;
	unsigned int max_deps;
	struct virtgpu_syncobj *in;
	struct virtgpu_syncobj *out;
	int out_fd;
	struct sync_file *sync_file;
	struct virtgpu_job *job;
};

/* Of the fences of one context, the last one is enough. */
static bool virtgpu_submit_has_dep(struct virtgpu_submit *submit, struct dma_fence *fence)
{
	unsigned int i;

	for (i = 0; i < submit->num_deps; i++) {
		if (submit->deps[i]->context != fence->context)
			continue;
		if (dma_fence_is_later(fence, submit->deps[i])) {
			dma_fence_put(submit->deps[i]);
			submit->deps[i] = dma_fence_get(fence);
		}
		return true;
	}
	return false;
}

static int virtgpu_submit_add_one_dep(struct virtgpu_submit *submit, struct dma_fence *fence)
{
	struct dma_fence **deps;
	unsigned int max;

	/* What this ring did before is done before, anyway. */
	if (dma_fence_is_signaled(fence) || fence->context == submit->timeline->context ||
	    virtgpu_submit_has_dep(submit, fence))
		return 0;
	if (submit->num_deps == VIRTGPU_MAX_DEPS)
		return -E2BIG;
	if (submit->num_deps == submit->max_deps) {
		max = submit->max_deps ? submit->max_deps * 2 : 8;
		deps = krealloc_array(submit->deps, max, sizeof(*deps), GFP_KERNEL_ACCOUNT);
		if (!deps)
			return -ENOMEM;
		submit->deps = deps;
		submit->max_deps = max;
	}
	submit->deps[submit->num_deps++] = dma_fence_get(fence);
	return 0;
}

/* Takes one fence, or the fences that it contains: a program says how many. */
static int virtgpu_submit_add_dep(struct virtgpu_submit *submit, struct dma_fence *fence)
{
	struct dma_fence_unwrap iter;
	struct dma_fence *f;
	int ret = 0;

	dma_fence_unwrap_for_each(f, &iter, fence) {
		ret = signal_pending(current) ? -ERESTARTSYS :
						virtgpu_submit_add_one_dep(submit, f);
		if (ret)
			break;
		cond_resched();
	}
	dma_fence_put(iter.chain);
	return ret;
}

static int virtgpu_submit_in_fence(struct virtgpu_submit *submit)
{
	struct dma_fence *fence;
	int ret;

	if (!(submit->args->flags & VIRTGPU_EXECBUF_FENCE_FD_IN))
		return 0;
	fence = sync_file_get_fence(submit->args->fence_fd);
	if (!fence)
		return -EINVAL;
	ret = virtgpu_submit_add_dep(submit, fence);
	dma_fence_put(fence);
	return ret;
}

static int virtgpu_read_syncobj(struct virtgpu_submit *submit, u64 array, u32 index,
				struct drm_virtgpu_execbuffer_syncobj *desc)
{
	u32 stride = submit->args->syncobj_stride;
	void __user *from = u64_to_user_ptr(array) + (size_t)index * stride;

	memset(desc, 0, sizeof(*desc));
	if (copy_from_user(desc, from, min_t(size_t, stride, sizeof(*desc))))
		return -EFAULT;
	return desc->flags & ~VIRTGPU_EXECBUF_SYNCOBJ_FLAGS ? -EINVAL : 0;
}

static int virtgpu_submit_in_syncobj(struct virtgpu_submit *submit, u32 index)
{
	struct drm_virtgpu_execbuffer_syncobj desc;
	struct dma_fence *fence;
	int ret;

	ret = virtgpu_read_syncobj(submit, submit->args->in_syncobjs, index, &desc);
	if (ret)
		return ret;
	ret = drm_syncobj_find_fence(submit->file, desc.handle, desc.point, 0, &fence);
	if (ret)
		return ret;
	ret = virtgpu_submit_add_dep(submit, fence);
	dma_fence_put(fence);
	if (ret || !(desc.flags & VIRTGPU_EXECBUF_SYNCOBJ_RESET))
		return ret;

	submit->in[index].syncobj = drm_syncobj_find(submit->file, desc.handle);
	if (!submit->in[index].syncobj)
		return -ENOENT;
	submit->in[index].reset = true;
	return 0;
}

static int virtgpu_submit_out_syncobj(struct virtgpu_submit *submit, u32 index)
{
	struct drm_virtgpu_execbuffer_syncobj desc;
	struct virtgpu_syncobj *out = &submit->out[index];
	int ret;

	ret = virtgpu_read_syncobj(submit, submit->args->out_syncobjs, index, &desc);
	if (ret)
		return ret;
	if (desc.flags)
		return -EINVAL;
	out->syncobj = drm_syncobj_find(submit->file, desc.handle);
	if (!out->syncobj)
		return -ENOENT;
	out->point = desc.point;
	if (!desc.point)
		return 0;
	out->chain = dma_fence_chain_alloc();
	return out->chain ? 0 : -ENOMEM;
}

static int virtgpu_submit_syncobjs(struct virtgpu_submit *submit)
{
	struct drm_virtgpu_execbuffer *args = submit->args;
	u32 i;
	int ret;

	if (!args->num_in_syncobjs && !args->num_out_syncobjs)
		return 0;
	if (args->num_in_syncobjs > VIRTGPU_MAX_SYNCOBJS ||
	    args->num_out_syncobjs > VIRTGPU_MAX_SYNCOBJS ||
	    args->syncobj_stride < VIRTGPU_SYNCOBJ_MIN_STRIDE)
		return -EINVAL;

	submit->in = kcalloc(args->num_in_syncobjs, sizeof(*submit->in), GFP_KERNEL);
	submit->out = kcalloc(args->num_out_syncobjs, sizeof(*submit->out), GFP_KERNEL);
	if (!submit->in || !submit->out)
		return -ENOMEM;

	for (i = 0; i < args->num_in_syncobjs; i++) {
		ret = virtgpu_submit_in_syncobj(submit, i);
		if (ret)
			return ret;
	}
	for (i = 0; i < args->num_out_syncobjs; i++) {
		ret = virtgpu_submit_out_syncobj(submit, i);
		if (ret)
			return ret;
	}
	return 0;
}

static int virtgpu_submit_bos(struct virtgpu_submit *submit)
{
	struct drm_virtgpu_execbuffer *args = submit->args;
	u32 *handles, i;
	int ret = 0;

	if (!args->num_bo_handles)
		return 0;
	if (args->num_bo_handles > VIRTGPU_MAX_BOS)
		return -EINVAL;
	handles = vmemdup_array_user(u64_to_user_ptr(args->bo_handles), args->num_bo_handles,
				     sizeof(*handles));
	if (IS_ERR(handles))
		return PTR_ERR(handles);
	submit->bos = kvmalloc_array(args->num_bo_handles, sizeof(*submit->bos),
				     GFP_KERNEL_ACCOUNT);
	if (!submit->bos)
		ret = -ENOMEM;

	for (i = 0; !ret && i < args->num_bo_handles; i++) {
		struct drm_gem_object *gem = drm_gem_object_lookup(submit->file, handles[i]);

		if (!gem) {
			ret = -ENOENT;
			break;
		}
		submit->bos[submit->num_bos++] = gem;
		ret = virtgpu_object_use(to_virtgpu_object(gem));
	}
	kvfree(handles);
	return ret;
}

/* The host runs what is queued in order: nothing waits for that, but for all others. */
static int virtgpu_submit_implicit_deps(struct virtgpu_submit *submit,
					struct drm_gem_object *gem)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	int ret = 0;

	/* Others do not get at the buffer, and one context's submissions are in order. */
	if (!gem->dma_buf && !gem->import_attach && !READ_ONCE(gem->name) &&
	    READ_ONCE(gem->handle_count) <= 1)
		return 0;
	dma_resv_for_each_fence(&cursor, gem->resv, DMA_RESV_USAGE_READ, fence) {
		if (virtgpu_fence_is_queued(fence, &submit->ctx->vgdev->ctrl))
			continue;
		ret = virtgpu_submit_add_dep(submit, fence);
		if (ret)
			break;
	}
	return ret;
}

/* An exporter that moves its buffer here takes the place of our fence for its own. */
static int virtgpu_submit_prepare_bo(struct drm_gem_object *gem)
{
	struct virtgpu_object *obj = to_virtgpu_object(gem);

	if (likely(!obj->import))
		return 0;
	return virtgpu_resource_attach_locked(obj->res) ?: dma_resv_reserve_fences(gem->resv, 1);
}

static int virtgpu_submit_lock_bos(struct virtgpu_submit *submit)
{
	u32 i;
	int ret = 0;

	drm_exec_init(&submit->exec, DRM_EXEC_INTERRUPTIBLE_WAIT | DRM_EXEC_IGNORE_DUPLICATES,
		      submit->num_bos);
	drm_exec_until_all_locked(&submit->exec) {
		ret = drm_exec_prepare_array(&submit->exec, submit->bos, submit->num_bos, 1);
		drm_exec_retry_on_contention(&submit->exec);
		if (ret)
			return ret;
	}
	for (i = 0; i < submit->num_bos; i++) {
		ret = virtgpu_submit_prepare_bo(submit->bos[i]) ?:
		      virtgpu_submit_implicit_deps(submit, submit->bos[i]);
		if (ret)
			return ret;
	}
	return 0;
}

static void virtgpu_submit_ring_event(struct virtgpu_fence *fence)
{
	struct virtgpu_ring_event *event = fence->data;

	drm_send_event(event->drm, &event->base);
}

static int virtgpu_submit_event(struct virtgpu_submit *submit)
{
	struct virtgpu_ring_event *event;
	int ret;

	if (!(submit->args->flags & VIRTGPU_EXECBUF_RING_IDX) ||
	    !(submit->ctx->poll_mask & BIT_ULL(submit->args->ring_idx)))
		return 0;

	event = kzalloc(sizeof(*event), GFP_KERNEL);
	if (!event)
		return -ENOMEM;
	event->drm = &submit->ctx->vgdev->drm;
	event->event.type = VIRTGPU_EVENT_FENCE_SIGNALED;
	event->event.length = sizeof(event->event);
	ret = drm_event_reserve_init(event->drm, submit->file, &event->base, &event->event);
	if (ret) {
		kfree(event);
		return ret;
	}
	submit->event = event;
	return 0;
}

static int virtgpu_submit_command(struct virtgpu_submit *submit)
{
	struct drm_virtgpu_execbuffer *args = submit->args;
	struct virtgpu_payload *payload = NULL;
	struct virtgpu_cmd *cmd;

	if (args->size) {
		payload = virtgpu_payload_from_user(submit->ctx->vgdev,
						    u64_to_user_ptr(args->command), args->size);
		if (IS_ERR(payload))
			return PTR_ERR(payload);
	}
	cmd = virtgpu_cmd_alloc(submit->ctx->vgdev, VIRTGPU_SUBMIT_3D);
	if (IS_ERR(cmd)) {
		virtgpu_payload_free(payload);
		return PTR_ERR(cmd);
	}
	submit->cmd = cmd;
	virtgpu_cmd_set_context(cmd, submit->ctx);
	virtgpu_encode_submit(cmd, args->size, payload);
	cmd->reported = true;
	return 0;
}

/* A fence only where somebody gets to see it. */
static bool virtgpu_submit_wants_fence(const struct virtgpu_submit *submit)
{
	return submit->num_bos || submit->args->num_out_syncobjs || submit->event ||
	       submit->args->flags & (VIRTGPU_EXECBUF_FENCE_FD_OUT | VIRTGPU_EXECBUF_RING_IDX);
}

static int virtgpu_submit_fence(struct virtgpu_submit *submit)
{
	bool ring = submit->args->flags & VIRTGPU_EXECBUF_RING_IDX;

	if (!virtgpu_submit_wants_fence(submit))
		return 0;

	submit->fence = virtgpu_fence_alloc(submit->timeline);
	if (!submit->fence)
		return -ENOMEM;
	if (submit->event) {
		submit->fence->signaled = virtgpu_submit_ring_event;
		submit->fence->data = submit->event;
	}
	if (ring)
		virtgpu_encode_ring(submit->cmd, submit->args->ring_idx);

	if (submit->args->flags & VIRTGPU_EXECBUF_FENCE_FD_OUT) {
		submit->out_fd = get_unused_fd_flags(O_CLOEXEC);
		if (submit->out_fd < 0)
			return submit->out_fd;
	}
	return 0;
}

/* The pages must not move away before the submission is queued. */
static int virtgpu_job_hold(struct virtgpu_job *job)
{
	unsigned int imports = 0;
	u32 i;

	for (i = 0; i < job->num_bos; i++)
		imports += !!to_virtgpu_object(job->bos[i])->import;
	if (!imports)
		return 0;
	job->held = kvmalloc_array(imports, sizeof(*job->held), GFP_KERNEL_ACCOUNT);
	if (!job->held)
		return -ENOMEM;
	for (i = 0; i < job->num_bos; i++) {
		struct virtgpu_object *obj = to_virtgpu_object(job->bos[i]);

		if (obj->import)
			job->held[job->num_held++] = virtgpu_import_hold(obj);
	}
	return 0;
}

/* The submission keeps its own references as long as it has the buffers' locks. */
static int virtgpu_job_take_bos(struct virtgpu_job *job, struct virtgpu_submit *submit)
{
	if (!submit->num_bos)
		return 0;
	job->bos = kvmalloc_array(submit->num_bos, sizeof(*job->bos), GFP_KERNEL_ACCOUNT);
	if (!job->bos)
		return -ENOMEM;
	for (; job->num_bos < submit->num_bos; job->num_bos++) {
		job->bos[job->num_bos] = submit->bos[job->num_bos];
		drm_gem_object_get(job->bos[job->num_bos]);
	}
	return virtgpu_job_hold(job);
}

static int virtgpu_submit_job(struct virtgpu_submit *submit)
{
	struct virtgpu_job *job;

	lockdep_assert_held(&submit->ctx->lock);

	/* Also for one that waits for nothing itself but for those before it. */
	if (!submit->num_deps && list_empty_careful(&submit->ctx->jobs) &&
	    (!submit->fence || virtgpu_queue_reserve(submit->cmd, submit->ctx)))
		return 0;

	job = kzalloc(struct_size(job, cbs, submit->num_deps), GFP_KERNEL_ACCOUNT);
	if (!job)
		return -ENOMEM;
	job->ctx = submit->ctx;
	submit->job = job;
	return virtgpu_job_take_bos(job, submit);
}

/* ---- the point of no return --------------------------------------------- */

static void virtgpu_submit_publish_syncobjs(struct virtgpu_submit *submit,
					    struct dma_fence *fence)
{
	struct drm_virtgpu_execbuffer *args = submit->args;
	u32 i;

	for (i = 0; i < args->num_in_syncobjs; i++)
		if (submit->in[i].reset)
			drm_syncobj_replace_fence(submit->in[i].syncobj, NULL);

	for (i = 0; i < args->num_out_syncobjs; i++) {
		struct virtgpu_syncobj *out = &submit->out[i];

		if (out->chain) {
			drm_syncobj_add_point(out->syncobj, out->chain, fence, out->point);
			out->chain = NULL;
		} else {
			drm_syncobj_replace_fence(out->syncobj, fence);
		}
	}
}

static bool virtgpu_cmd_may_write(const struct virtgpu_cmd *cmd)
{
	return cmd->info->type != VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D &&
	       cmd->info->type != VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D;
}

/* Everybody sees the fence before the command can end. */
static void virtgpu_submit_publish(struct virtgpu_submit *submit)
{
	struct dma_fence *fence = submit->fence ? &submit->fence->base : NULL;
	u32 i;

	for (i = 0; i < submit->num_bos; i++) {
		if (virtgpu_cmd_may_write(submit->cmd))
			atomic_inc(&to_virtgpu_object(submit->bos[i])->writes);
		dma_resv_add_fence(submit->bos[i]->resv, fence, DMA_RESV_USAGE_WRITE);
	}
	virtgpu_submit_publish_syncobjs(submit, fence);
	if (submit->sync_file) {
		fd_install(submit->out_fd, submit->sync_file->file);
		submit->args->fence_fd = submit->out_fd;
	}
}

static void virtgpu_submit_wait(struct virtgpu_submit *submit)
{
	struct virtgpu_context *ctx = submit->ctx;
	struct virtgpu_job *job = submit->job;
	unsigned int i;

	lockdep_assert_held(&ctx->lock);

	job->cmd = submit->cmd;
	job->deps = submit->deps;
	job->num_deps = submit->num_deps;
	submit->job = NULL;
	submit->deps = NULL;
	submit->num_deps = 0;

	atomic_set(&job->pending, job->num_deps + 1);
	spin_lock_irq(&ctx->job_lock);
	list_add_tail(&job->link, &ctx->jobs);
	ctx->num_jobs++;
	ctx->had_jobs = true;
	spin_unlock_irq(&ctx->job_lock);
	for (i = 0; i < job->num_deps; i++) {
		job->cbs[i].job = job;
		if (dma_fence_add_callback(job->deps[i], &job->cbs[i].base,
					   virtgpu_job_dep_signaled))
			atomic_dec(&job->pending);
	}
	if (atomic_dec_and_test(&job->pending))
		queue_work(ctx->vgdev->job_wq, &ctx->job_work);
}

/* Another thread may have closed a handle since; no detach comes in between now. */
static int virtgpu_submit_attach(struct virtgpu_submit *submit)
{
	u32 i;
	int ret = 0;

	for (i = 0; !ret && i < submit->num_bos; i++)
		ret = virtgpu_context_attach_locked(submit->ctx,
						    to_virtgpu_object(submit->bos[i])->res);
	return ret;
}

/* Only the sync file can still fail, and then the fence just signals. */
static int virtgpu_submit_emit(struct virtgpu_submit *submit)
{
	lockdep_assert_held(&submit->ctx->lock);

	if (!submit->fence)
		return 0;

	virtgpu_fence_emit(submit->fence);
	if (submit->out_fd >= 0) {
		submit->sync_file = sync_file_create(&submit->fence->base);
		if (!submit->sync_file) {
			/* The event is still the submission's, which frees it. */
			submit->fence->signaled = NULL;
			virtgpu_fence_complete(submit->fence, -ENOMEM);
			return -ENOMEM;
		}
	}
	submit->cmd->fence = submit->fence;
	return 0;
}

/* The context lock makes the order of the fences that of the commands. */
static int virtgpu_submit_commit(struct virtgpu_submit *submit)
{
	struct virtgpu_context *ctx = submit->ctx;
	int ret;

	mutex_lock(&ctx->lock);
	/* What is lost has its jobs cancelled: no other may follow. */
	ret = READ_ONCE(ctx->error) ?: virtgpu_submit_job(submit) ?:
	      virtgpu_submit_attach(submit) ?: virtgpu_submit_emit(submit);
	if (!ret) {
		submit->event = NULL;
		virtgpu_submit_publish(submit);
		if (submit->job)
			virtgpu_submit_wait(submit);
		else
			virtgpu_queue_submit(submit->cmd);
		submit->cmd = NULL;
	} else {
		/* It may have asked for room, and has nothing to queue. */
		queue_work(ctx->vgdev->job_wq, &ctx->job_work);
	}
	mutex_unlock(&ctx->lock);
	return ret;
}

static void virtgpu_syncobjs_free(struct virtgpu_syncobj *syncobjs, u32 count)
{
	u32 i;

	for (i = 0; syncobjs && i < count; i++) {
		if (syncobjs[i].syncobj)
			drm_syncobj_put(syncobjs[i].syncobj);
		dma_fence_chain_free(syncobjs[i].chain);
	}
	kfree(syncobjs);
}

static void virtgpu_submit_cleanup(struct virtgpu_submit *submit, int error)
{
	struct virtgpu_device *vgdev = submit->ctx->vgdev;

	if (submit->cmd)
		virtgpu_cmd_put(submit->cmd);
	if (submit->event)
		drm_event_cancel_free(&vgdev->drm, &submit->event->base);
	if (error && submit->out_fd >= 0)
		put_unused_fd(submit->out_fd);
	virtgpu_fence_put(submit->fence);
	virtgpu_bos_put(submit->bos, submit->num_bos);
	virtgpu_fences_put(submit->deps, submit->num_deps);
	virtgpu_syncobjs_free(submit->in, submit->args->num_in_syncobjs);
	virtgpu_syncobjs_free(submit->out, submit->args->num_out_syncobjs);
	if (submit->job)
		virtgpu_job_free(submit->job);
}

static int virtgpu_submit_prepare(struct virtgpu_submit *submit)
{
	return virtgpu_submit_command(submit) ?:
	       virtgpu_submit_in_fence(submit) ?:
	       virtgpu_submit_syncobjs(submit) ?:
	       virtgpu_submit_bos(submit) ?:
	       virtgpu_submit_event(submit) ?:
	       virtgpu_submit_fence(submit);
}

static int virtgpu_submit_finish(struct virtgpu_submit *submit)
{
	int ret;

	ret = virtgpu_jobs_throttle(submit->ctx);
	if (ret)
		return ret;
	if (!submit->num_bos)
		return virtgpu_submit_commit(submit);

	ret = virtgpu_submit_lock_bos(submit) ?: virtgpu_submit_commit(submit);
	drm_exec_fini(&submit->exec);
	return ret;
}

/**
 * virtgpu_submit_for_object() - submit a command about one object
 * @ctx: the context
 * @cmd: the command, consumed
 * @gem: the object, which gets the command's fence
 *
 * After everything that the context submitted before. Process context.
 *
 * Return: 0 or a negative errno.
 */
int virtgpu_submit_for_object(struct virtgpu_context *ctx, struct virtgpu_cmd *cmd,
			      struct drm_gem_object *gem)
{
	struct drm_virtgpu_execbuffer args = {};
	struct virtgpu_submit submit = {
		.ctx = ctx, .args = &args, .cmd = cmd, .timeline = &ctx->timeline, .out_fd = -1,
	};
	int ret = -ENOMEM;

	submit.fence = virtgpu_fence_alloc(submit.timeline);
	submit.bos = kvmalloc_array(1, sizeof(*submit.bos), GFP_KERNEL);
	if (submit.fence && submit.bos) {
		drm_gem_object_get(gem);
		submit.bos[submit.num_bos++] = gem;
		ret = virtgpu_submit_finish(&submit);
	}
	virtgpu_submit_cleanup(&submit, ret);
	return ret;
}

/**
 * virtgpu_execbuffer() - submit commands to the file's context
 * @file: the file
 * @args: the arguments, with flags and ring index checked
 *
 * Does not wait for in-fences. On failure nothing that the program owns has
 * changed.
 *
 * Return: 0, -E2BIG for more commands than a chain can carry, -EINVAL,
 * -ENOENT, -EFAULT, -ENOMEM, the error of a buffer or the context that the
 * host refused, or -ERESTARTSYS.
 */
int virtgpu_execbuffer(struct drm_file *file, struct drm_virtgpu_execbuffer *args)
{
	struct virtgpu_submit submit = { .file = file, .args = args, .out_fd = -1 };
	int ret;

	submit.ctx = virtgpu_context_get(file);
	if (IS_ERR(submit.ctx))
		return PTR_ERR(submit.ctx);

	submit.timeline = &submit.ctx->timeline;
	if (args->flags & VIRTGPU_EXECBUF_RING_IDX) {
		if (args->ring_idx >= submit.ctx->num_rings)
			return -EINVAL;
		submit.timeline = &submit.ctx->timelines[args->ring_idx];
	}

	ret = virtgpu_submit_prepare(&submit) ?: virtgpu_submit_finish(&submit);
	virtgpu_submit_cleanup(&submit, ret);
	return ret;
}
