// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Fences that a test signals, or that signal themselves when it does not.
 */

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/timer.h>

#include "test_compat.h"
#include "test_module.h"

/**
 * struct test_fence - a fence of a timeline of its own
 * @base: the fence; first, since dma_fence_free() frees it as one
 * @lock: where fences have none of their own
 * @timer: ends it; holds a reference while it is armed
 */
struct test_fence {
	struct dma_fence base;
	spinlock_t lock;
	struct timer_list timer;
};

static const char *test_fence_name(struct dma_fence *fence)
{
	return KBUILD_MODNAME;
}

static void test_fence_release(struct dma_fence *fence)
{
	dma_fence_free(fence);
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops test_fence_ops = {
	.get_driver_name = test_fence_name,
	.get_timeline_name = test_fence_name,
	.release = test_fence_release,
};

static void test_fence_set(struct dma_fence *fence, int error)
{
	if (error)
		dma_fence_set_error(fence, error);
	dma_fence_signal(fence);
	dma_fence_put(fence);
}

static void test_fence_expire(struct timer_list *timer)
{
	struct test_fence *fence = container_of(timer, struct test_fence, timer);

	test_fence_set(&fence->base, -ETIMEDOUT);
}

/**
 * test_fence_create() - make a fence that is pending
 *
 * Return: the fence, to be given to test_fence_end(), or NULL.
 */
struct dma_fence *test_fence_create(void)
{
	struct test_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	if (!fence)
		return NULL;
	__module_get(THIS_MODULE);
	spin_lock_init(&fence->lock);
	test_dma_fence_init(&fence->base, &test_fence_ops, &fence->lock,
			    dma_fence_context_alloc(1), 1);
	dma_fence_get(&fence->base);
	timer_setup(&fence->timer, test_fence_expire, 0);
	mod_timer(&fence->timer, jiffies + msecs_to_jiffies(VIRTGPU_TEST_FENCE_MS));
	return &fence->base;
}

/**
 * test_fence_end() - signal a fence, unless its time was over before
 * @base: the fence; the reference that it was made with is dropped
 * @error: negative errno to signal with, or 0
 *
 * Process context.
 */
void test_fence_end(struct dma_fence *base, int error)
{
	struct test_fence *fence = container_of(base, struct test_fence, base);

	if (timer_delete_sync(&fence->timer))
		test_fence_set(base, error);
	dma_fence_put(base);
}
