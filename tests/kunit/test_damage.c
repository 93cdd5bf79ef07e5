// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Damage: every pixel that changed is transferred, and rectangles are merged
 * where that costs fewer than 1024 pixels, or when there are too many.
 */
#include <linux/prandom.h>

#include <kunit/test.h>

#include "virtgpu_kunit.h"

#define SLACK 1024

static struct virtgpu_damage *new_damage(struct kunit *test)
{
	struct virtgpu_damage *damage = kunit_kzalloc(test, sizeof(*damage), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, damage);
	return damage;
}

static void add(struct virtgpu_damage *damage, int x1, int y1, int x2, int y2)
{
	virtgpu_damage_add(damage, (struct drm_rect) { x1, y1, x2, y2 });
}

static bool covers(const struct drm_rect *a, const struct drm_rect *b)
{
	return a->x1 <= b->x1 && a->y1 <= b->y1 && a->x2 >= b->x2 && a->y2 >= b->y2;
}

/* Whether it is, wholly, in one of the rectangles. */
static bool covered(const struct virtgpu_damage *damage, const struct drm_rect *rect)
{
	unsigned int i;

	for (i = 0; i < damage->count; i++)
		if (covers(&damage->rects[i], rect))
			return true;
	return false;
}

static void expect_one(struct kunit *test, const struct virtgpu_damage *damage,
		       int x1, int y1, int x2, int y2)
{
	struct drm_rect rect = { x1, y1, x2, y2 };

	KUNIT_EXPECT_EQ(test, damage->count, 1);
	KUNIT_EXPECT_TRUE_MSG(test, drm_rect_equals(&damage->rects[0], &rect), DRM_RECT_FMT,
			      DRM_RECT_ARG(&damage->rects[0]));
}

static void damage_one(struct kunit *test)
{
	struct virtgpu_damage *damage = new_damage(test);

	add(damage, 5, 6, 70, 80);
	expect_one(test, damage, 5, 6, 70, 80);
}

static void damage_apart(struct kunit *test)
{
	static const struct drm_rect a = DRM_RECT_INIT(0, 0, 100, 100);
	static const struct drm_rect b = DRM_RECT_INIT(1000, 500, 100, 100);
	struct virtgpu_damage *damage = new_damage(test);

	virtgpu_damage_add(damage, a);
	virtgpu_damage_add(damage, b);
	KUNIT_ASSERT_EQ(test, damage->count, 2);
	KUNIT_EXPECT_TRUE(test, drm_rect_equals(&damage->rects[0], &a));
	KUNIT_EXPECT_TRUE(test, drm_rect_equals(&damage->rects[1], &b));
}

static void damage_neighbours(struct kunit *test)
{
	struct virtgpu_damage *damage = new_damage(test);

	add(damage, 0, 0, 100, 100);
	add(damage, 100, 0, 200, 100);
	expect_one(test, damage, 0, 0, 200, 100);
	add(damage, 20, 30, 40, 50);
	expect_one(test, damage, 0, 0, 200, 100);
	add(damage, 0, 0, 500, 500);
	expect_one(test, damage, 0, 0, 500, 500);
}

/* The exact limit: two pixels with 1024 between them, and with 1025. */
static void damage_slack(struct kunit *test)
{
	struct virtgpu_damage *damage = new_damage(test);

	add(damage, 0, 0, 1, 1);
	add(damage, SLACK + 1, 0, SLACK + 2, 1);
	expect_one(test, damage, 0, 0, SLACK + 2, 1);

	damage->count = 0;
	add(damage, 0, 0, 1, 1);
	add(damage, SLACK + 2, 0, SLACK + 3, 1);
	KUNIT_EXPECT_EQ(test, damage->count, 2);
}

/* What is merged may be near to a third one then. */
static void damage_chain(struct kunit *test)
{
	struct virtgpu_damage *damage = new_damage(test);

	add(damage, 0, 0, 100, 100);
	add(damage, 200, 0, 300, 100);
	KUNIT_EXPECT_EQ(test, damage->count, 2);
	add(damage, 100, 0, 200, 100);
	expect_one(test, damage, 0, 0, 300, 100);
}

/* The area of all between the two does not fit in 32 bits. */
static void damage_large(struct kunit *test)
{
	struct virtgpu_damage *damage = new_damage(test);

	add(damage, 0, 0, 65535, 1);
	add(damage, 0, 65534, 65535, 65535);
	KUNIT_EXPECT_EQ(test, damage->count, 2);
}

/* One more than there is room for goes to where it costs least. */
static void damage_full(struct kunit *test)
{
	struct virtgpu_damage *damage = new_damage(test);
	struct drm_rect rect, last = DRM_RECT_INIT(5240, 5000, 10, 10);
	unsigned int i;

	for (i = 0; i < VIRTGPU_MAX_DAMAGE; i++)
		add(damage, i * 1000, i * 1000, i * 1000 + 10, i * 1000 + 10);
	KUNIT_EXPECT_EQ(test, damage->count, VIRTGPU_MAX_DAMAGE);
	virtgpu_damage_add(damage, last);

	KUNIT_EXPECT_EQ(test, damage->count, VIRTGPU_MAX_DAMAGE);
	KUNIT_EXPECT_TRUE(test, covered(damage, &last));
	rect = (struct drm_rect) { 5000, 5000, 5250, 5010 };
	for (i = 0; i < damage->count && !drm_rect_equals(&damage->rects[i], &rect); i++)
		;
	KUNIT_EXPECT_LT_MSG(test, i, damage->count, "not merged with its neighbour");
}

static s64 area(const struct drm_rect *r)
{
	return (s64)drm_rect_width(r) * drm_rect_height(r);
}

static void expect_sound(struct kunit *test, const struct virtgpu_damage *damage)
{
	const struct drm_rect *a, *b;
	unsigned int i, j;

	KUNIT_ASSERT_LE(test, damage->count, VIRTGPU_MAX_DAMAGE);
	for (i = 0; i < damage->count; i++) {
		for (j = 0; j < i; j++) {
			struct drm_rect all;

			a = &damage->rects[i];
			b = &damage->rects[j];
			all = (struct drm_rect) { min(a->x1, b->x1), min(a->y1, b->y1),
						  max(a->x2, b->x2), max(a->y2, b->y2) };
			KUNIT_ASSERT_GT_MSG(test, area(&all) - area(a) - area(b), SLACK,
					    DRM_RECT_FMT " and " DRM_RECT_FMT " are two",
					    DRM_RECT_ARG(a), DRM_RECT_ARG(b));
		}
	}
}

static void damage_random(struct kunit *test)
{
	struct virtgpu_damage *damage = new_damage(test);
	struct drm_rect rects[40], bounds;
	struct rnd_state random;
	unsigned int round, i, n;

	prandom_seed_state(&random, 1);
	for (round = 0; round < 200; round++) {
		damage->count = 0;
		for (n = 0; n < ARRAY_SIZE(rects); n++) {
			int size = round & 1 ? 20 : 400;
			int x = prandom_u32_state(&random) % 4000;
			int y = prandom_u32_state(&random) % 4000;
			int w = prandom_u32_state(&random) % size + 1;
			int h = prandom_u32_state(&random) % size + 1;

			rects[n] = DRM_RECT_INIT(x, y, w, h);
			virtgpu_damage_add(damage, rects[n]);
			expect_sound(test, damage);
			for (i = 0; i <= n; i++)
				KUNIT_ASSERT_TRUE(test, covered(damage, &rects[i]));
		}
		bounds = virtgpu_damage_bounds(damage);
		for (i = 0; i < n; i++)
			KUNIT_ASSERT_TRUE(test, covers(&bounds, &rects[i]));
	}
}

static void damage_bounds(struct kunit *test)
{
	static const struct drm_rect all = { 10, 5, 900, 800 };
	struct virtgpu_damage *damage = new_damage(test);
	struct drm_rect bounds;

	add(damage, 300, 5, 310, 15);
	add(damage, 10, 400, 20, 410);
	add(damage, 890, 500, 900, 510);
	add(damage, 600, 790, 610, 800);
	KUNIT_EXPECT_EQ(test, damage->count, 4);
	bounds = virtgpu_damage_bounds(damage);
	KUNIT_EXPECT_TRUE_MSG(test, drm_rect_equals(&bounds, &all), DRM_RECT_FMT,
			      DRM_RECT_ARG(&bounds));
}

static struct kunit_case damage_cases[] = {
	KUNIT_CASE(damage_one),
	KUNIT_CASE(damage_apart),
	KUNIT_CASE(damage_neighbours),
	KUNIT_CASE(damage_slack),
	KUNIT_CASE(damage_chain),
	KUNIT_CASE(damage_large),
	KUNIT_CASE(damage_full),
	KUNIT_CASE(damage_random),
	KUNIT_CASE(damage_bounds),
	{}
};

static struct kunit_suite damage_suite = {
	.name = "virtgpu_damage",
	.test_cases = damage_cases,
};

kunit_test_suite(damage_suite);
