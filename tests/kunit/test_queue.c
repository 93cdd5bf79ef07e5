// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The queues: what goes to the ring, what waits, what the host is notified of, and
 * that every command ends, once.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "host.h"

#define OK_NODATA 0x1100

/* The ends of commands, in order. */
struct log {
	unsigned int count;
	struct {
		u32 id;
		int error;
	} ends[64];
};

/* As long as the host, which ends what the test has left */
static struct log *new_log(struct kunit *test)
{
	struct log *log = kunit_kzalloc(test, sizeof(*log), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, log);
	return log;
}

static void logged(struct virtgpu_cmd *cmd)
{
	struct log *log = cmd->data;
	u32 id = le32_to_cpu(*(__le32 *)(cmd->req.bytes + sizeof(cmd->req.hdr)));

	if (log->count < ARRAY_SIZE(log->ends)) {
		log->ends[log->count].id = id;
		log->ends[log->count].error = cmd->error;
	}
	log->count++;
}

/* A command that can be told from others, two descriptors long */
static struct virtgpu_cmd *new_cmd(struct kunit *test, struct log *log, u32 id)
{
	struct host *host = test->priv;
	struct virtgpu_cmd *cmd = virtgpu_cmd_alloc(host->vgdev, VIRTGPU_RESOURCE_UNREF);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cmd);
	virtgpu_encode_resource(cmd, id);
	cmd->done = logged;
	cmd->data = log;
	cmd->reported = true;
	return cmd;
}

static void submit(struct kunit *test, struct log *log, u32 first, u32 last)
{
	while (first <= last)
		virtgpu_queue_submit(new_cmd(test, log, first++));
}

/* The next request at the host is that of command @id. */
static void expect_next(struct kunit *test, struct host_request *req, u32 id)
{
	KUNIT_ASSERT_TRUE_MSG(test, host_take(test->priv, HOST_CTRL, req), "command %u", id);
	KUNIT_EXPECT_EQ(test, host_word(req, 6), id);
}

static void expect_nothing(struct kunit *test, enum host_queue_id queue)
{
	struct host_request req;

	KUNIT_EXPECT_FALSE(test, host_take(test->priv, queue, &req));
}

static void expect_lengths(struct kunit *test, unsigned int in_ring, unsigned int backlog)
{
	struct host *host = test->priv;

	KUNIT_EXPECT_EQ(test, host->vgdev->ctrl.in_ring, in_ring);
	KUNIT_EXPECT_EQ(test, host->vgdev->ctrl.backlog_len, backlog);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&host->vgdev->ctrl.backlog), backlog);
}

static void expect_end(struct kunit *test, const struct log *log, unsigned int i, u32 id,
		       int error)
{
	KUNIT_ASSERT_GT(test, log->count, i);
	KUNIT_EXPECT_EQ(test, log->ends[i].id, id);
	KUNIT_EXPECT_EQ(test, log->ends[i].error, error);
}

/* The next request is that of @id, whose end is the one with number @i. */
static void answer_next(struct kunit *test, const struct log *log, unsigned int i, u32 id)
{
	struct host_request req;

	expect_next(test, &req, id);
	KUNIT_EXPECT_EQ(test, log->count, i);
	host_answer(test->priv, &req, OK_NODATA);
	expect_end(test, log, i, id, 0);
}

/* A device with a ring of four, and no indirect descriptors: two commands fit. */
static int queue_init(struct kunit *test)
{
	struct host *host = host_alloc(test, 0);

	host->ring_size = 4;
	host_make_device(host);
	host_start(host);
	return 0;
}

static void queue_chain(struct kunit *test)
{
	struct host *host = test->priv;
	struct virtgpu_payload *payload = virtgpu_payload_alloc(host->vgdev, 100);
	struct virtgpu_cmd *cmd = virtgpu_cmd_alloc(host->vgdev, VIRTGPU_SUBMIT_3D);
	struct host_request req;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, payload);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cmd);
	memset(virtgpu_payload_at(payload, 0), 0x5a, 100);
	virtgpu_encode_submit(cmd, 100, payload);
	virtgpu_queue_submit(cmd);

	KUNIT_ASSERT_TRUE(test, host_take(host, HOST_CTRL, &req));
	KUNIT_EXPECT_EQ(test, req.descs, 3);
	KUNIT_EXPECT_EQ(test, req.len, 32 + 100);
	KUNIT_EXPECT_EQ(test, req.room, 24);
	KUNIT_EXPECT_EQ(test, host_word(&req, 0), 0x207);
	KUNIT_EXPECT_EQ(test, host_word(&req, 1), 0);
	KUNIT_EXPECT_EQ(test, host_word(&req, 6), 100);
	KUNIT_EXPECT_EQ(test, host_word(&req, 8), 0x5a5a5a5a);
	KUNIT_EXPECT_EQ(test, host_word(&req, 32), 0x5a5a5a5a);
	host_answer(host, &req, OK_NODATA);
	expect_nothing(test, HOST_CTRL);
}

static void queue_order(struct kunit *test)
{
	struct host *host = test->priv;
	struct log *log = new_log(test);
	u32 id;

	submit(test, log, 1, 6);
	expect_lengths(test, 2, 4);
	KUNIT_EXPECT_EQ(test, host->vgdev->ctrl.commands, 6);

	for (id = 1; id <= 6; id++) {
		answer_next(test, log, id - 1, id);
		expect_lengths(test, min(6 - id, 2), id < 4 ? 4 - id : 0);
	}
	expect_nothing(test, HOST_CTRL);
	KUNIT_EXPECT_EQ(test, log->count, 6);
	KUNIT_EXPECT_TRUE(test, virtgpu_queues_idle(host->vgdev));
}

/* A context that counts how often its jobs are to be queued */
struct waiter {
	struct virtgpu_context ctx;
	unsigned int woken;
};

static void wake_waiter(struct work_struct *work)
{
	container_of(work, struct waiter, ctx.job_work)->woken++;
}

static struct waiter *new_waiter(struct kunit *test)
{
	struct host *host = test->priv;
	struct waiter *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->ctx.vgdev = host->vgdev;
	INIT_LIST_HEAD(&w->ctx.ring_link);
	INIT_WORK(&w->ctx.job_work, wake_waiter);
	return w;
}

static unsigned int woken(struct kunit *test, struct waiter *w)
{
	struct host *host = test->priv;
	unsigned int n;

	flush_workqueue(host->vgdev->job_wq);
	n = w->woken;
	w->woken = 0;
	return n;
}

/* Of four descriptors three are for what may last: one command of two. */
static void queue_reserve(struct kunit *test)
{
	struct host *host = test->priv;
	struct virtgpu_queue *ctrl = &host->vgdev->ctrl;
	struct waiter *a = new_waiter(test), *b = new_waiter(test);
	struct log *log = new_log(test);
	struct virtgpu_cmd *cmds[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		cmds[i] = new_cmd(test, log, i + 1);
	KUNIT_EXPECT_TRUE(test, virtgpu_queue_reserve(cmds[0], &a->ctx));
	KUNIT_EXPECT_FALSE(test, virtgpu_queue_reserve(cmds[1], &a->ctx));
	KUNIT_EXPECT_FALSE(test, virtgpu_queue_reserve(cmds[2], &b->ctx));
	KUNIT_EXPECT_FALSE(test, virtgpu_queue_reserve(cmds[2], &b->ctx));
	KUNIT_EXPECT_EQ(test, list_count_nodes(&ctrl->waiters), 2);

	/* there is room, and it is the other one's turn */
	virtgpu_cmd_put(cmds[0]);
	KUNIT_EXPECT_EQ(test, woken(test, a), 1);
	KUNIT_EXPECT_EQ(test, woken(test, b), 0);
	KUNIT_EXPECT_FALSE(test, virtgpu_queue_reserve(cmds[2], &b->ctx));
	KUNIT_EXPECT_TRUE(test, virtgpu_queue_reserve(cmds[1], &a->ctx));
	/* who had his turn is the last again */
	KUNIT_EXPECT_FALSE(test, virtgpu_queue_reserve(cmds[3], &a->ctx));
	virtgpu_cmd_put(cmds[1]);
	KUNIT_EXPECT_LE(test, 1, woken(test, b));
	KUNIT_EXPECT_FALSE(test, virtgpu_queue_reserve(cmds[3], &a->ctx));

	/* a turn that is given away */
	woken(test, a);
	virtgpu_queue_leave(ctrl, &b->ctx);
	KUNIT_EXPECT_EQ(test, woken(test, a), 1);
	virtgpu_queue_leave(ctrl, &b->ctx);
	KUNIT_EXPECT_EQ(test, woken(test, a), 0);
	KUNIT_EXPECT_TRUE(test, virtgpu_queue_reserve(cmds[3], &a->ctx));
	KUNIT_EXPECT_TRUE(test, list_empty(&ctrl->waiters));
	KUNIT_EXPECT_EQ(test, atomic_read(&ctrl->lasting), 2);
	virtgpu_cmd_put(cmds[2]);
	virtgpu_cmd_put(cmds[3]);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctrl->lasting), 0);
}

/* A chain that is longer than the part for it has the ring's own turn. */
static void queue_reserve_all(struct kunit *test)
{
	struct host *host = test->priv;
	struct virtgpu_queue *ctrl = &host->vgdev->ctrl;
	struct waiter *a = new_waiter(test), *b = new_waiter(test);
	struct log *log = new_log(test);
	struct virtgpu_cmd *small = new_cmd(test, log, 1), *next = new_cmd(test, log, 2);
	struct virtgpu_cmd *large = virtgpu_cmd_alloc(host->vgdev, VIRTGPU_SUBMIT_3D);
	struct virtgpu_payload *payload;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, large);
	payload = virtgpu_payload_alloc(host->vgdev, SZ_64K + 4);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, payload);
	KUNIT_ASSERT_EQ(test, payload->num_chunks, 2);
	virtgpu_encode_submit(large, SZ_64K + 4, payload);

	KUNIT_EXPECT_TRUE(test, virtgpu_queue_reserve(small, &a->ctx));
	KUNIT_EXPECT_FALSE(test, virtgpu_queue_reserve(large, &b->ctx));
	KUNIT_EXPECT_FALSE(test, virtgpu_queue_reserve(next, &a->ctx));
	virtgpu_cmd_put(small);
	KUNIT_EXPECT_EQ(test, woken(test, b), 1);
	KUNIT_EXPECT_TRUE(test, virtgpu_queue_reserve(large, &b->ctx));
	KUNIT_EXPECT_EQ(test, atomic_read(&ctrl->lasting), 4);
	KUNIT_EXPECT_FALSE(test, virtgpu_queue_reserve(next, &a->ctx));
	virtgpu_cmd_put(large);
	KUNIT_EXPECT_TRUE(test, virtgpu_queue_reserve(next, &a->ctx));
	virtgpu_cmd_put(next);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctrl->lasting), 0);
}

/* A list is queued in one go, and the host is told once; before that, of nothing. */
static void queue_list(struct kunit *test)
{
	struct host *host = test->priv;
	struct log *log = new_log(test);
	LIST_HEAD(cmds);
	u32 id;

	for (id = 1; id <= 5; id++)
		list_add_tail(&new_cmd(test, log, id)->link, &cmds);
	virtgpu_queue_submit_list(&host->vgdev->ctrl, &cmds);
	KUNIT_EXPECT_TRUE(test, list_empty(&cmds));
	KUNIT_EXPECT_EQ(test, host->kicks, 1);
	KUNIT_EXPECT_EQ(test, host->vgdev->ctrl.kicks, 1);
	expect_lengths(test, 2, 3);

	answer_next(test, log, 0, 1);
	KUNIT_EXPECT_EQ(test, host->kicks, 2);
	for (id = 2; id <= 5; id++)
		answer_next(test, log, id - 1, id);

	virtgpu_queue_submit_list(&host->vgdev->ctrl, &cmds);
	KUNIT_EXPECT_EQ(test, host->vgdev->ctrl.commands, 5);
}

/* A host that is busy anyway does not want to be notified. */
static void queue_no_notify(struct kunit *test)
{
	struct host *host = test->priv;
	const struct vring *vring = virtqueue_get_vring(host->queues[HOST_CTRL].vq);
	struct log *log = new_log(test);

	vring->used->flags = (__force __virtio16)cpu_to_le16(VRING_USED_F_NO_NOTIFY);
	submit(test, log, 1, 1);
	KUNIT_EXPECT_EQ(test, host->kicks, 0);
	KUNIT_EXPECT_EQ(test, host->vgdev->ctrl.kicks, 0);
	answer_next(test, log, 0, 1);
}

/* Flags and ids of fences are those of the order in which commands go out. */
static void queue_fence_ids(struct kunit *test)
{
	struct host *host = test->priv;
	struct virtgpu_cmd *plain, *fenced, *with_fence;
	struct virtgpu_fence *fence = virtgpu_fence_alloc(&host->vgdev->timeline);
	struct host_request req;
	struct log *log = new_log(test);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	plain = new_cmd(test, log, 1);
	fenced = new_cmd(test, log, 2);
	with_fence = new_cmd(test, log, 3);
	fenced->fenced = true;
	with_fence->fence = fence;

	virtgpu_queue_submit(plain);
	expect_next(test, &req, 1);
	KUNIT_EXPECT_EQ(test, host_word(&req, 1), 0);
	KUNIT_EXPECT_EQ(test, host_word(&req, 2), 0);
	host_answer(host, &req, OK_NODATA);

	virtgpu_queue_submit(with_fence);
	expect_next(test, &req, 3);
	KUNIT_EXPECT_EQ(test, host_word(&req, 1), 1);
	KUNIT_EXPECT_EQ(test, host_word(&req, 2), 1);
	KUNIT_EXPECT_EQ(test, host_word(&req, 3), 0);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(&fence->base));
	host_answer(host, &req, OK_NODATA);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(&fence->base), 1);
	virtgpu_fence_put(fence);

	host->vgdev->ctrl.fence_id = U32_MAX;
	virtgpu_queue_submit(fenced);
	expect_next(test, &req, 2);
	KUNIT_EXPECT_EQ(test, host_word(&req, 1), 1);
	KUNIT_EXPECT_EQ(test, host_word(&req, 2), 0);
	KUNIT_EXPECT_EQ(test, host_word(&req, 3), 1);
	host_answer(host, &req, OK_NODATA);
	KUNIT_EXPECT_EQ(test, log->count, 3);
}

/* The host may answer the second first; its fence waits for the first then. */
static void queue_swapped(struct kunit *test)
{
	struct host *host = test->priv;
	struct virtgpu_fence *fences[2];
	struct host_request reqs[2];
	struct virtgpu_cmd *cmd;
	struct log *log = new_log(test);
	unsigned int i;

	for (i = 0; i < 2; i++) {
		cmd = new_cmd(test, log, i + 1);
		fences[i] = virtgpu_fence_alloc(&host->vgdev->timeline);
		KUNIT_ASSERT_NOT_NULL(test, fences[i]);
		cmd->fence = fences[i];
		virtgpu_queue_submit(cmd);
		expect_next(test, &reqs[i], i + 1);
	}
	host_answer(host, &reqs[1], OK_NODATA);
	expect_end(test, log, 0, 2, 0);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(&fences[1]->base));
	host_answer(host, &reqs[0], 0x1200);
	expect_end(test, log, 1, 1, -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(&fences[0]->base), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(&fences[1]->base), 1);
	virtgpu_fence_put(fences[0]);
	virtgpu_fence_put(fences[1]);
}

/* A host whose ring is full knows already that there is work. */
static void queue_full(struct kunit *test)
{
	struct host *host = test->priv;
	struct log *log = new_log(test);

	submit(test, log, 1, 2);
	KUNIT_EXPECT_EQ(test, host->kicks, 2);
	submit(test, log, 3, 20);
	expect_lengths(test, 2, 18);
	KUNIT_EXPECT_EQ(test, host->kicks, 2);
	KUNIT_EXPECT_EQ(test, host->vgdev->ctrl.kicks, 2);
	answer_next(test, log, 0, 1);
	expect_lengths(test, 2, 17);
	KUNIT_EXPECT_EQ(test, host->kicks, 3);
}

/* What no ring of this size can carry ends, and lets others pass. */
static void queue_too_long(struct kunit *test)
{
	struct host *host = test->priv;
	struct virtgpu_payload *payload;
	struct log *log = new_log(test);
	struct virtgpu_cmd *cmd = new_cmd(test, log, 2);

	host->vgdev->ctrl.size = 64;
	payload = virtgpu_payload_alloc(host->vgdev, 3 * SZ_64K);
	host->vgdev->ctrl.size = 4;
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, payload);
	KUNIT_ASSERT_EQ(test, payload->num_chunks, 3);
	cmd->payload = payload;

	submit(test, log, 1, 1);
	virtgpu_queue_submit(cmd);
	expect_end(test, log, 0, 2, -E2BIG);
	submit(test, log, 3, 3);
	expect_lengths(test, 2, 0);
	answer_next(test, log, 1, 1);
	answer_next(test, log, 2, 3);
	expect_lengths(test, 0, 0);
	KUNIT_EXPECT_EQ(test, log->count, 3);
}

/* Commands of the cursor queue have no answer, only an end. */
static void queue_cursor(struct kunit *test)
{
	struct host *host = test->priv;
	struct virtgpu_cmd *cmd = virtgpu_cmd_alloc(host->vgdev, VIRTGPU_MOVE_CURSOR);
	struct host_request req;
	struct log *log = new_log(test);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cmd);
	virtgpu_encode_cursor(cmd, 3, 0, 0, 0, 0, 0);
	cmd->done = logged;
	cmd->data = log;
	virtgpu_queue_submit(cmd);
	expect_nothing(test, HOST_CTRL);
	KUNIT_ASSERT_TRUE(test, host_take(host, HOST_CURSOR, &req));
	KUNIT_EXPECT_EQ(test, req.descs, 1);
	KUNIT_EXPECT_EQ(test, req.len, 56);
	KUNIT_EXPECT_EQ(test, req.room, 0);
	KUNIT_EXPECT_EQ(test, host->vgdev->cursorq.in_ring, 1);
	KUNIT_EXPECT_EQ(test, host->vgdev->ctrl.in_ring, 0);
	host_answer(host, &req, 0);
	expect_end(test, log, 0, 3, 0);
	KUNIT_EXPECT_EQ(test, host->vgdev->cursorq.in_ring, 0);
}

/* All that is under way ends with the errno, and what comes later, too. */
static void queue_abort(struct kunit *test)
{
	struct host *host = test->priv;
	struct virtgpu_fence *fence = virtgpu_fence_alloc(&host->vgdev->timeline);
	struct virtgpu_cmd *cmd;
	struct log *log = new_log(test);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, fence);
	submit(test, log, 1, 4);
	cmd = new_cmd(test, log, 5);
	cmd->fence = fence;
	virtgpu_queue_submit(cmd);
	KUNIT_EXPECT_EQ(test, log->count, 0);
	KUNIT_EXPECT_EQ(test, virtgpu_queue_throttle(&host->vgdev->ctrl), 0);

	virtgpu_queues_abort(host->vgdev, -ENODEV);
	KUNIT_EXPECT_EQ(test, host->status, 0);
	KUNIT_ASSERT_EQ(test, log->count, 5);
	for (i = 0; i < 5; i++)
		expect_end(test, log, i, i + 1, -ENODEV);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(&fence->base), -ENODEV);
	virtgpu_fence_put(fence);
	expect_lengths(test, 0, 0);

	submit(test, log, 6, 6);
	expect_end(test, log, 5, 6, -ENODEV);
	expect_lengths(test, 0, 0);
	KUNIT_EXPECT_EQ(test, virtgpu_queue_throttle(&host->vgdev->ctrl), -ENODEV);
}

/* After a reset, some commands go before those that have come in between. */
static void queue_restart(struct kunit *test)
{
	struct host *host = test->priv;
	struct log *log = new_log(test);
	LIST_HEAD(first);
	u32 id;

	virtgpu_queues_abort(host->vgdev, VIRTGPU_LOST);
	/* The device comes back: programs are not told that it has gone. */
	KUNIT_EXPECT_EQ(test, virtgpu_queue_throttle(&host->vgdev->ctrl), 0);
	virtgpu_queues_fini(host->vgdev);
	KUNIT_ASSERT_EQ(test, virtgpu_queues_find(host->vgdev), 0);
	virtio_device_ready(&host->vdev);

	host->kicks = 0;
	submit(test, log, 2, 3);
	expect_lengths(test, 0, 2);
	KUNIT_EXPECT_EQ(test, host->kicks, 0);
	expect_nothing(test, HOST_CTRL);

	list_add_tail(&new_cmd(test, log, 1)->link, &first);
	virtgpu_queues_start(host->vgdev, &first);
	KUNIT_EXPECT_EQ(test, host->kicks, 1);
	expect_lengths(test, 2, 1);
	for (id = 1; id <= 3; id++)
		answer_next(test, log, id - 1, id);
	expect_lengths(test, 0, 0);
}

/* What a context from before the reset still wants is not for the new device. */
static void queue_generation(struct kunit *test)
{
	struct host *host = test->priv;
	struct virtgpu_context *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	struct log *log = new_log(test);
	struct virtgpu_cmd *cmds[2];
	LIST_HEAD(none);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	kref_init(&ctx->refs);
	ctx->id = 1;
	ctx->generation = host->vgdev->generation;
	for (i = 0; i < 2; i++) {
		cmds[i] = new_cmd(test, log, i + 1);
		virtgpu_cmd_set_context(cmds[i], ctx);
	}
	virtgpu_queue_submit(cmds[0]);
	answer_next(test, log, 0, 1);

	virtgpu_queues_abort(host->vgdev, VIRTGPU_LOST);
	virtgpu_queues_fini(host->vgdev);
	KUNIT_ASSERT_EQ(test, virtgpu_queues_find(host->vgdev), 0);
	virtio_device_ready(&host->vdev);
	virtgpu_queues_start(host->vgdev, &none);
	virtgpu_queue_submit(cmds[1]);
	expect_end(test, log, 1, 2, VIRTGPU_LOST);
	expect_nothing(test, HOST_CTRL);
	KUNIT_EXPECT_EQ(test, kref_read(&ctx->refs), 1);
	submit(test, log, 3, 3);
	answer_next(test, log, 2, 3);
}

/* A request, a payload and an answer need three descriptors. */
static void queue_short(struct kunit *test)
{
	static const struct {
		unsigned int size;
		int error;
	} rows[] = { { 1, -EINVAL }, { 2, -EINVAL }, { 4, 0 } };
	struct host *host = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		virtgpu_queues_abort(host->vgdev, VIRTGPU_LOST);
		if (host->vgdev->ctrl.vq)
			virtgpu_queues_fini(host->vgdev);
		host->ring_size = rows[i].size;
		KUNIT_EXPECT_EQ(test, virtgpu_queues_find(host->vgdev), rows[i].error);
		KUNIT_EXPECT_EQ(test, list_empty(&host->vdev.vqs), rows[i].error != 0);
	}
}

/* With 1024 commands waiting, programs wait, too, but not for ever. */
static void queue_throttle(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned int before = virtgpu_timeout_ms;
	struct log *log = new_log(test);
	unsigned long start;

	submit(test, log, 1, 2 + 1023);
	expect_lengths(test, 2, 1023);
	KUNIT_EXPECT_EQ(test, virtgpu_queue_throttle(&host->vgdev->ctrl), 0);
	submit(test, log, 1026, 1026);
	expect_lengths(test, 2, 1024);

	virtgpu_timeout_ms = 100;
	start = jiffies;
	KUNIT_EXPECT_EQ(test, virtgpu_queue_throttle(&host->vgdev->ctrl), -ETIMEDOUT);
	KUNIT_EXPECT_GE(test, jiffies - start, msecs_to_jiffies(100));
	KUNIT_EXPECT_FALSE(test, virtgpu_queues_idle(host->vgdev));
	virtgpu_timeout_ms = before;

	virtgpu_queues_abort(host->vgdev, -ENODEV);
	KUNIT_EXPECT_EQ(test, log->count, 1026);
}

static void answer_edid(struct host *host, struct host_request *req)
{
	memcpy(req->answer + 24, "\x80\0\0\0", 4);
	host_answer(host, req, 0x1104);
}

static void answer_well(struct host *host, struct host_request *req)
{
	host_answer(host, req, OK_NODATA);
}

static void refuse(struct host *host, struct host_request *req)
{
	host_answer(host, req, 0x1201);
}

static int run(struct kunit *test, enum virtgpu_cmd_id id)
{
	struct host *host = test->priv;
	struct virtgpu_cmd *cmd = virtgpu_cmd_alloc(host->vgdev, id);
	int ret;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cmd);
	cmd->reported = true;
	ret = virtgpu_cmd_run(cmd);
	/* What the device may still write to stays. */
	KUNIT_EXPECT_EQ(test, virtgpu_cmd_busy(cmd), ret == -ETIMEDOUT);
	virtgpu_cmd_put(cmd);
	return ret;
}

/* Without a word of it, on either side, the command ends a little later. */
static void queue_lost_words(struct kunit *test)
{
	struct host *host = test->priv;

	host->serve = answer_well;
	host->lost_kicks = 1;
	KUNIT_EXPECT_EQ(test, run(test, VIRTGPU_RESOURCE_UNREF), 0);
	KUNIT_EXPECT_EQ(test, host->vgdev->ctrl.prods, 1);
	host->lost_interrupts = 1;
	KUNIT_EXPECT_EQ(test, run(test, VIRTGPU_RESOURCE_UNREF), 0);
	KUNIT_EXPECT_EQ(test, host->vgdev->ctrl.prods, 2);
	KUNIT_EXPECT_EQ(test, run(test, VIRTGPU_RESOURCE_UNREF), 0);
	KUNIT_EXPECT_EQ(test, host->vgdev->ctrl.prods, 2);
}

static void queue_run(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned int before = virtgpu_timeout_ms;
	struct host_request req;

	host->serve = answer_well;
	KUNIT_EXPECT_EQ(test, run(test, VIRTGPU_RESOURCE_UNREF), 0);
	host->serve = refuse;
	KUNIT_EXPECT_EQ(test, run(test, VIRTGPU_RESOURCE_UNREF), -ENOMEM);
	/* No more than a header, but a good one */
	host->serve = answer_edid;
	KUNIT_EXPECT_EQ(test, run(test, VIRTGPU_GET_EDID), -EPROTO);

	host->serve = NULL;
	host->vgdev->slow = true;		/* so that the log does not tell it */
	virtgpu_timeout_ms = 100;
	KUNIT_EXPECT_EQ(test, run(test, VIRTGPU_RESOURCE_UNREF), -ETIMEDOUT);
	virtgpu_timeout_ms = before;
	KUNIT_ASSERT_TRUE(test, host_take(host, HOST_CTRL, &req));
	host_answer(host, &req, OK_NODATA);
	expect_lengths(test, 0, 0);
}

/* An indirect table takes one descriptor: twice as many commands fit, and more. */
static void queue_indirect(struct kunit *test)
{
	struct log *log = new_log(test);
	struct host_request req;
	struct host *host;
	u32 id;

	host_free(test->priv);
	host = host_alloc(test, BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC));
	host->ring_size = 4;
	host_make_device(host);
	host_start(host);
	submit(test, log, 1, 6);
	expect_lengths(test, 4, 2);
	for (id = 1; id <= 6; id++) {
		expect_next(test, &req, id);
		KUNIT_EXPECT_EQ(test, req.descs, 2);
		host_answer(host, &req, OK_NODATA);
		expect_end(test, log, id - 1, id, 0);
	}
}

static struct kunit_case queue_cases[] = {
	KUNIT_CASE(queue_chain),
	KUNIT_CASE(queue_order),
	KUNIT_CASE(queue_reserve),
	KUNIT_CASE(queue_reserve_all),
	KUNIT_CASE(queue_list),
	KUNIT_CASE(queue_no_notify),
	KUNIT_CASE(queue_fence_ids),
	KUNIT_CASE(queue_swapped),
	KUNIT_CASE(queue_full),
	KUNIT_CASE(queue_too_long),
	KUNIT_CASE(queue_cursor),
	KUNIT_CASE(queue_abort),
	KUNIT_CASE(queue_restart),
	KUNIT_CASE(queue_generation),
	KUNIT_CASE(queue_lost_words),
	KUNIT_CASE(queue_short),
	KUNIT_CASE(queue_throttle),
	KUNIT_CASE(queue_run),
	KUNIT_CASE(queue_indirect),
	{}
};

static struct kunit_suite queue_suite = {
	.name = "virtgpu_queue",
	.init = queue_init,
	.exit = host_exit,
	.test_cases = queue_cases,
};

kunit_test_suite(queue_suite);
