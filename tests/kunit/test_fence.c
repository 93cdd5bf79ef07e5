// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Timelines: fences signal in the order in which they were emitted.
 */
#include <kunit/test.h>

#include "virtgpu_kunit.h"

#define COUNT 4

static struct virtgpu_timeline *new_timeline(struct kunit *test)
{
	struct virtgpu_timeline *timeline = kunit_kzalloc(test, sizeof(*timeline), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, timeline);
	virtgpu_timeline_init(timeline, NULL);
	return timeline;
}

static void emit(struct kunit *test, struct virtgpu_timeline *timeline,
		 struct virtgpu_fence **fences, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		fences[i] = virtgpu_fence_alloc(timeline);
		KUNIT_ASSERT_NOT_NULL(test, fences[i]);
		virtgpu_fence_emit(fences[i]);
	}
}

static unsigned int signalled(struct virtgpu_fence **fences, unsigned int count)
{
	unsigned int i, mask = 0;

	for (i = 0; i < count; i++)
		if (dma_fence_is_signaled(&fences[i]->base))
			mask |= BIT(i);
	return mask;
}

static void put(struct virtgpu_fence **fences, unsigned int count)
{
	while (count--)
		virtgpu_fence_put(fences[count]);
}

static void fence_order(struct kunit *test)
{
	struct virtgpu_timeline *timeline = new_timeline(test);
	struct virtgpu_fence *fences[COUNT];

	emit(test, timeline, fences, COUNT);
	KUNIT_EXPECT_EQ(test, signalled(fences, COUNT), 0);
	virtgpu_fence_complete(fences[0], 0);
	KUNIT_EXPECT_EQ(test, signalled(fences, COUNT), 0x1);
	virtgpu_fence_complete(fences[2], 0);
	KUNIT_EXPECT_EQ(test, signalled(fences, COUNT), 0x1);
	virtgpu_fence_complete(fences[1], 0);
	KUNIT_EXPECT_EQ(test, signalled(fences, COUNT), 0x7);
	virtgpu_fence_complete(fences[3], 0);
	KUNIT_EXPECT_EQ(test, signalled(fences, COUNT), 0xf);
	KUNIT_EXPECT_TRUE(test, list_empty(&timeline->pending));
	put(fences, COUNT);
}

static void fence_seqno(struct kunit *test)
{
	struct virtgpu_timeline *a = new_timeline(test), *b = new_timeline(test);
	struct virtgpu_fence *fences[COUNT], *other;
	unsigned int i;

	emit(test, a, fences, COUNT);
	emit(test, b, &other, 1);
	for (i = 0; i < COUNT; i++) {
		KUNIT_EXPECT_EQ(test, fences[i]->base.seqno, i + 1);
		KUNIT_EXPECT_EQ(test, fences[i]->base.context, fences[0]->base.context);
	}
	KUNIT_EXPECT_EQ(test, other->base.seqno, 1);
	KUNIT_EXPECT_NE(test, other->base.context, fences[0]->base.context);

	/* One timeline does not wait for another. */
	virtgpu_fence_complete(other, 0);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(&other->base));
	for (i = 0; i < COUNT; i++)
		virtgpu_fence_complete(fences[i], 0);
	put(fences, COUNT);
	virtgpu_fence_put(other);
}

/* Each fence has the error of its own command. */
static void fence_error(struct kunit *test)
{
	struct virtgpu_timeline *timeline = new_timeline(test);
	struct virtgpu_fence *fences[3];

	emit(test, timeline, fences, ARRAY_SIZE(fences));
	virtgpu_fence_complete(fences[2], -ENOMEM);
	virtgpu_fence_complete(fences[1], 0);
	virtgpu_fence_complete(fences[0], -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(&fences[0]->base), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(&fences[1]->base), 1);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(&fences[2]->base), -ENOMEM);
	put(fences, ARRAY_SIZE(fences));
}

/* The timeline has a reference of its own until the fence signals. */
static void fence_references(struct kunit *test)
{
	struct virtgpu_timeline *timeline = new_timeline(test);
	struct virtgpu_fence *fences[2];

	emit(test, timeline, fences, ARRAY_SIZE(fences));
	KUNIT_EXPECT_EQ(test, kref_read(&fences[0]->base.refcount), 2);
	virtgpu_fence_complete(fences[1], 0);
	KUNIT_EXPECT_EQ(test, kref_read(&fences[1]->base.refcount), 2);
	virtgpu_fence_complete(fences[0], 0);
	KUNIT_EXPECT_EQ(test, kref_read(&fences[0]->base.refcount), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&fences[1]->base.refcount), 1);
	put(fences, ARRAY_SIZE(fences));

	virtgpu_fence_put(virtgpu_fence_alloc(timeline));
	virtgpu_fence_put(NULL);
}

static void fence_before(struct kunit *test)
{
	struct virtgpu_timeline *one = new_timeline(test), *two = new_timeline(test);
	struct virtgpu_timeline *others = new_timeline(test);
	struct virtgpu_fence *first, *second, *third, *fourth, *foreign;
	struct dma_fence *stub = dma_fence_get_stub();

	others->vgdev = (const struct virtgpu_device *)test;
	emit(test, one, &first, 1);
	emit(test, others, &foreign, 1);
	emit(test, two, &second, 1);
	KUNIT_EXPECT_TRUE(test, virtgpu_fence_is_before(&first->base, second));
	KUNIT_EXPECT_FALSE(test, virtgpu_fence_is_before(&second->base, first));
	KUNIT_EXPECT_FALSE(test, virtgpu_fence_is_before(&second->base, second));
	KUNIT_EXPECT_FALSE(test, virtgpu_fence_is_before(&foreign->base, second));
	KUNIT_EXPECT_FALSE(test, virtgpu_fence_is_before(stub, second));

	/* a later one does not signal before the first of its timeline, ... */
	emit(test, one, &third, 1);
	KUNIT_EXPECT_TRUE(test, virtgpu_fence_is_before(&third->base, second));
	/* ... which is nothing to one that comes when that has signalled */
	virtgpu_fence_complete(first, 0);
	virtgpu_fence_complete(third, 0);
	emit(test, one, &fourth, 1);
	KUNIT_EXPECT_FALSE(test, virtgpu_fence_is_before(&fourth->base, second));

	virtgpu_fence_complete(second, 0);
	virtgpu_fence_complete(foreign, 0);
	virtgpu_fence_complete(fourth, 0);
	virtgpu_fence_put(first);
	virtgpu_fence_put(second);
	virtgpu_fence_put(third);
	virtgpu_fence_put(fourth);
	virtgpu_fence_put(foreign);
	dma_fence_put(stub);
}

static struct kunit_case fence_cases[] = {
	KUNIT_CASE(fence_order),
	KUNIT_CASE(fence_seqno),
	KUNIT_CASE(fence_error),
	KUNIT_CASE(fence_references),
	KUNIT_CASE(fence_before),
	{}
};

static struct kunit_suite fence_suite = {
	.name = "virtgpu_fence",
	.test_cases = fence_cases,
};

kunit_test_suite(fence_suite);
