// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Fences: a timeline signals its fences in the order in which their commands
 * were queued, whatever the order in which the host answers, because that is
 * what a dma_fence context promises.
 */

#include <linux/slab.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"

static const char *virtgpu_fence_driver_name(struct dma_fence *fence)
{
	return DRIVER_NAME;
}

static const char *virtgpu_fence_timeline_name(struct dma_fence *fence)
{
	return "control";
}

/*
 * No .release and no .wait, so that the fence lets go of this module once it
 * has signalled; where the kernel cannot do that it keeps the module.
 */
static const struct dma_fence_ops virtgpu_fence_ops = {
	.get_driver_name = virtgpu_fence_driver_name,
	.get_timeline_name = virtgpu_fence_timeline_name,
	VIRTGPU_FENCE_COMPAT_OPS
};

/* Of all timelines: what was emitted earlier has a lower number. */
static atomic64_t virtgpu_fences_emitted;

/**
 * virtgpu_timeline_init() - set up an empty timeline
 * @timeline: the timeline
 * @vgdev: the device, not used yet
 */
void virtgpu_timeline_init(struct virtgpu_timeline *timeline, const struct virtgpu_device *vgdev)
{
	timeline->vgdev = vgdev;
	spin_lock_init(&timeline->lock);
	timeline->context = dma_fence_context_alloc(1);
	timeline->seqno = 0;
	INIT_LIST_HEAD(&timeline->pending);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_timeline_init);

/**
 * virtgpu_fence_alloc() - allocate a fence
 * @timeline: where it will signal
 *
 * The fence is a dma_fence only after virtgpu_fence_emit(); until then
 * kfree() gets rid of it. May sleep.
 *
 * Return: the fence, or NULL when there is no memory.
 */
struct virtgpu_fence *virtgpu_fence_alloc(struct virtgpu_timeline *timeline)
{
	struct virtgpu_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	if (!fence)
		return NULL;

	spin_lock_init(&fence->lock);
	fence->vgdev = timeline->vgdev;
	fence->timeline = timeline;
	return fence;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_fence_alloc);

/**
 * virtgpu_fence_emit() - put a fence on its timeline
 * @fence: the fence
 *
 * Called with a lock held under which the command is queued, too, so that the
 * order of the timeline is that of the queue. The fence gets two references: the
 * caller's and one that virtgpu_fence_complete() drops.
 */
void virtgpu_fence_emit(struct virtgpu_fence *fence)
{
	struct virtgpu_timeline *timeline = fence->timeline;
	unsigned long flags;

	spin_lock_irqsave(&timeline->lock, flags);
	virtgpu_dma_fence_init(&fence->base, &virtgpu_fence_ops, &fence->lock,
			       timeline->context, ++timeline->seqno);
	dma_fence_get(&fence->base);
	list_add_tail(&fence->link, &timeline->pending);
	fence->emitted = true;
	fence->order = atomic64_inc_return(&virtgpu_fences_emitted);
	fence->oldest = list_first_entry(&timeline->pending, struct virtgpu_fence, link)->order;
	spin_unlock_irqrestore(&timeline->lock, flags);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_fence_emit);

/**
 * virtgpu_fence_put() - drop the caller's reference
 * @fence: a fence, emitted or not, or NULL
 */
void virtgpu_fence_put(struct virtgpu_fence *fence)
{
	if (fence && fence->emitted)
		dma_fence_put(&fence->base);
	else
		kfree(fence);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_fence_put);

static const struct virtgpu_fence *to_virtgpu_fence(const struct dma_fence *fence)
{
	if (virtgpu_dma_fence_ops(fence) != &virtgpu_fence_ops)
		return NULL;
	return container_of(fence, struct virtgpu_fence, base);
}

/**
 * virtgpu_fence_is_before() - does a fence stand for what the device did earlier?
 * @fence: any fence
 * @than: a fence of the device that is emitted
 *
 * In a reservation, a fence takes the place of earlier ones of its timeline.
 *
 * Return: true for a fence that does not signal before one that was emitted before @than.
 */
bool virtgpu_fence_is_before(const struct dma_fence *fence, const struct virtgpu_fence *than)
{
	const struct virtgpu_fence *ours = to_virtgpu_fence(fence);

	return ours && ours->vgdev == than->vgdev && ours->oldest < than->order;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_fence_is_before);

/**
 * virtgpu_fence_is_queued() - will a fence's command go before what is queued now?
 * @fence: any fence
 * @queue: a queue
 *
 * Return: true for a fence of a command that is in the queue, or was.
 */
bool virtgpu_fence_is_queued(const struct dma_fence *fence, const struct virtgpu_queue *queue)
{
	const struct virtgpu_fence *ours = to_virtgpu_fence(fence);

	return ours && READ_ONCE(ours->queue) == queue;
}

/**
 * virtgpu_fence_complete() - the command of a fence has ended
 * @fence: the fence; the command's reference is consumed
 * @error: 0 or the negative errno with which the command failed
 *
 * Signals the fence and those behind it that were complete already, or leaves
 * that to an older fence. Any context.
 */
void virtgpu_fence_complete(struct virtgpu_fence *fence, int error)
{
	struct virtgpu_timeline *timeline = fence->timeline;
	struct virtgpu_fence *next;
	unsigned long flags;

	if (error)
		dma_fence_set_error(&fence->base, error);

	spin_lock_irqsave(&timeline->lock, flags);
	fence->completed = true;
	list_for_each_entry_safe(fence, next, &timeline->pending, link) {
		if (!fence->completed)
			break;
		list_del(&fence->link);
		dma_fence_signal(&fence->base);
		if (fence->signaled)
			fence->signaled(fence);
		dma_fence_put(&fence->base);
	}
	spin_unlock_irqrestore(&timeline->lock, flags);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_fence_complete);
