// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The window for memory of the host: ranges do not overlap, are aligned, and go
 * from the blob that was used the longest time ago to the one that needs room.
 */
#include <linux/delay.h>
#include <linux/iosys-map.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include <drm/drm_gem.h>

#include "host.h"

/* Far from the memory of any guest that runs this */
#define WINDOW_ADDR	BIT_ULL(38)
#define WINDOW_SIZE	(16 * PAGE_SIZE)

#define MAX_BLOBS 32

/* What the host has mapped where, by resource id. */
struct blobs {
	struct {
		u64 size;
		u64 offset;
		bool mapped;
	} blobs[MAX_BLOBS];
	u64 window;
	u64 align;
	u32 map_info;
	unsigned int maps;
	unsigned int unmaps;
	u32 last_unmapped;
	bool refuse_map;
	bool refuse_unmap;
	bool hold_unmap;
	struct host_request held;
};

static bool overlaps(const struct blobs *all, u32 id, u64 offset, u64 size)
{
	unsigned int i;

	for (i = 0; i < MAX_BLOBS; i++)
		if (i != id && all->blobs[i].mapped &&
		    offset < all->blobs[i].offset + all->blobs[i].size &&
		    all->blobs[i].offset < offset + size)
			return true;
	return false;
}

static void map_blob(struct host *host, struct host_request *req, u32 id)
{
	struct virtio_gpu_resp_map_info resp = { .hdr.type = cpu_to_le32(0x1106) };
	u64 offset = host_word(req, 8) | (u64)host_word(req, 9) << 32;
	struct blobs *all = host->data;
	u64 size = all->blobs[id].size;

	all->maps++;
	if (all->refuse_map) {
		host_answer(host, req, 0x1201);
		return;
	}
	if (all->blobs[id].mapped)
		host_complain(host, "a blob is mapped twice");
	if (!IS_ALIGNED(offset, all->align))
		host_complain(host, "a blob is not aligned");
	if (offset + size > all->window)
		host_complain(host, "a blob is not in the window");
	if (overlaps(all, id, offset, size))
		host_complain(host, "two blobs overlap");
	all->blobs[id].offset = offset;
	all->blobs[id].mapped = true;
	resp.map_info = (__force u32)cpu_to_le32(all->map_info);
	memcpy(req->answer, &resp, sizeof(resp));
	host_complete(host, req, sizeof(resp));
}

static void unmap_blob(struct host *host, struct host_request *req, u32 id)
{
	struct blobs *all = host->data;

	if (!all->blobs[id].mapped)
		host_complain(host, "a blob is unmapped that is not mapped");
	all->unmaps++;
	all->last_unmapped = id;
	if (all->refuse_unmap) {
		host_answer(host, req, 0x1205);
		return;
	}
	if (all->hold_unmap) {
		all->held = *req;
		return;
	}
	all->blobs[id].mapped = false;
	host_answer(host, req, 0x1100);
}

static void serve(struct host *host, struct host_request *req)
{
	struct blobs *all = host->data;
	u32 id = host_word(req, 6);

	if (id >= MAX_BLOBS) {
		host_complain(host, "there is no such resource");
		host_answer(host, req, 0x1203);
		return;
	}
	switch (host_word(req, 0)) {
	case 0x10c:		/* RESOURCE_CREATE_BLOB */
		all->blobs[id].size = host_word(req, 12);
		host_answer(host, req, 0x1100);
		break;
	case 0x208:		/* RESOURCE_MAP_BLOB */
		map_blob(host, req, id);
		break;
	case 0x209:		/* RESOURCE_UNMAP_BLOB */
		unmap_blob(host, req, id);
		break;
	default:
		host_answer(host, req, 0x1100);
		break;
	}
}

static struct blobs *start(struct kunit *test, u64 addr, u64 size, u32 align)
{
	struct blobs *all = kunit_kzalloc(test, sizeof(*all), GFP_KERNEL);
	struct host *host = host_alloc(test, align ? BIT_ULL(VIRTIO_GPU_F_BLOB_ALIGNMENT) : 0);

	KUNIT_ASSERT_NOT_NULL(test, all);
	all->window = size;
	all->align = align ?: PAGE_SIZE;
	all->map_info = VIRTIO_GPU_MAP_CACHE_WC;
	host->serve = serve;
	host->data = all;
	host->window.addr = addr;
	host->window.len = size;
	host->config.blob_alignment = cpu_to_le32(align);
	host_make_device(host);
	host_start(host);
	KUNIT_ASSERT_TRUE(test, host->vgdev->has_host_visible);
	return all;
}

static struct virtgpu_object *new_blob(struct kunit *test, u64 size)
{
	static const struct drm_virtgpu_resource_create_blob blob = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
	};
	struct virtgpu_resource_desc desc = { .kind = VIRTGPU_RES_BLOB, .create_blob = &blob };
	struct host *host = test->priv;
	struct virtgpu_object *obj;

	obj = virtgpu_vram_create(host->vgdev, size, blob.blob_flags, true);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	KUNIT_ASSERT_EQ(test, virtgpu_object_init_resource(obj, &desc), 0);
	KUNIT_ASSERT_LT(test, obj->res->id, MAX_BLOBS);
	return obj;
}

static void put_blobs(struct virtgpu_object **objs, unsigned int count)
{
	while (count--)
		drm_gem_object_put(&objs[count]->base.base);
}

static int use(struct virtgpu_object *obj)
{
	struct iosys_map map;

	return drm_gem_vmap(&obj->base.base, &map);
}

static void unuse(struct virtgpu_object *obj)
{
	struct iosys_map map;

	iosys_map_set_vaddr(&map, obj->vram->vaddr);
	drm_gem_vunmap(&obj->base.base, &map);
}

/* Use it, and no more. */
static int touch(struct virtgpu_object *obj)
{
	int ret = use(obj);

	if (!ret)
		unuse(obj);
	return ret;
}

/* Four blobs that fill the window */
static void fill(struct kunit *test, struct virtgpu_object **objs)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		objs[i] = new_blob(test, WINDOW_SIZE / 4);
		KUNIT_EXPECT_EQ(test, touch(objs[i]), 0);
	}
}

static void window_full(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, WINDOW_SIZE, 0);
	struct virtgpu_object *objs[5];

	fill(test, objs);
	KUNIT_EXPECT_EQ(test, all->maps, 4);
	KUNIT_EXPECT_EQ(test, all->unmaps, 0);
	/* It is there already. */
	KUNIT_EXPECT_EQ(test, touch(objs[0]), 0);
	KUNIT_EXPECT_EQ(test, all->maps, 4);

	objs[4] = new_blob(test, WINDOW_SIZE / 4);
	KUNIT_EXPECT_EQ(test, touch(objs[4]), 0);
	KUNIT_EXPECT_EQ(test, all->unmaps, 1);
	KUNIT_EXPECT_EQ(test, all->last_unmapped, objs[1]->res->id);
	KUNIT_EXPECT_EQ(test, touch(objs[1]), 0);
	KUNIT_EXPECT_EQ(test, all->last_unmapped, objs[2]->res->id);
	KUNIT_EXPECT_EQ(test, all->maps, 6);
	put_blobs(objs, 5);
}

static void window_in_use(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, WINDOW_SIZE, 0);
	struct virtgpu_object *objs[5];
	unsigned int i;

	fill(test, objs);
	objs[4] = new_blob(test, WINDOW_SIZE / 4);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, use(objs[i]), 0);
	KUNIT_EXPECT_EQ(test, touch(objs[4]), -ENOSPC);
	KUNIT_EXPECT_EQ(test, all->unmaps, 0);
	unuse(objs[2]);
	KUNIT_EXPECT_EQ(test, touch(objs[4]), 0);
	KUNIT_EXPECT_EQ(test, all->last_unmapped, objs[2]->res->id);
	unuse(objs[0]);
	unuse(objs[1]);
	unuse(objs[3]);
	put_blobs(objs, 5);
}

static void window_too_large(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, WINDOW_SIZE, 0);
	struct virtgpu_object *objs[2];

	objs[0] = new_blob(test, WINDOW_SIZE + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, touch(objs[0]), -ENOSPC);
	KUNIT_EXPECT_EQ(test, all->maps, 0);
	objs[1] = new_blob(test, WINDOW_SIZE);
	KUNIT_EXPECT_EQ(test, touch(objs[1]), 0);
	put_blobs(objs, 2);
}

/* A range that the host did not map is free again. */
static void window_refused(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, WINDOW_SIZE, 0);
	struct virtgpu_object *objs[2];

	objs[0] = new_blob(test, WINDOW_SIZE);
	objs[1] = new_blob(test, WINDOW_SIZE);
	all->refuse_map = true;
	KUNIT_EXPECT_EQ(test, touch(objs[0]), -ENOMEM);
	all->refuse_map = false;
	KUNIT_EXPECT_EQ(test, touch(objs[1]), 0);
	KUNIT_EXPECT_EQ(test, all->unmaps, 0);
	KUNIT_EXPECT_EQ(test, touch(objs[0]), 0);
	KUNIT_EXPECT_EQ(test, all->unmaps, 1);
	put_blobs(objs, 2);
}

/* What the host does not unmap is nobody else's. */
static void window_unmap_refused(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, WINDOW_SIZE, 0);
	struct virtgpu_object *objs[5];

	fill(test, objs);
	objs[4] = new_blob(test, WINDOW_SIZE / 4);
	all->refuse_unmap = true;
	KUNIT_EXPECT_EQ(test, touch(objs[4]), -EINVAL);
	KUNIT_EXPECT_EQ(test, all->last_unmapped, objs[0]->res->id);
	all->refuse_unmap = false;
	KUNIT_EXPECT_EQ(test, touch(objs[4]), 0);
	KUNIT_EXPECT_EQ(test, all->last_unmapped, objs[1]->res->id);
	KUNIT_EXPECT_EQ(test, touch(objs[0]), -EINVAL);
	put_blobs(objs, 5);
}

/* Who makes room may be killed, or give up: that is no fault of the blob that goes. */
static void window_unmap_late(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, WINDOW_SIZE, 0);
	unsigned int timeout = virtgpu_timeout_ms;
	struct host *host = test->priv;
	struct virtgpu_object *objs[5];

	fill(test, objs);
	objs[4] = new_blob(test, WINDOW_SIZE / 4);
	virtgpu_timeout_ms = 100;
	all->hold_unmap = true;
	KUNIT_EXPECT_EQ(test, touch(objs[4]), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, touch(objs[0]), -ETIMEDOUT);
	virtgpu_timeout_ms = timeout;
	KUNIT_EXPECT_EQ(test, all->unmaps, 1);
	all->hold_unmap = false;
	all->blobs[objs[0]->res->id].mapped = false;
	host_answer(host, &all->held, 0x1100);

	KUNIT_EXPECT_EQ(test, touch(objs[0]), 0);
	KUNIT_EXPECT_EQ(test, all->unmaps, 1);
	KUNIT_EXPECT_EQ(test, touch(objs[4]), 0);
	KUNIT_EXPECT_EQ(test, all->last_unmapped, objs[1]->res->id);
	put_blobs(objs, 5);
}

/* One that is closed before the host has answered is gone when it has. */
static void window_closed_while_leaving(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, WINDOW_SIZE, 0);
	unsigned int timeout = virtgpu_timeout_ms;
	struct host *host = test->priv;
	struct virtgpu_object *objs[5];
	u32 id;

	fill(test, objs);
	objs[4] = new_blob(test, WINDOW_SIZE / 4);
	id = objs[0]->res->id;
	virtgpu_timeout_ms = 100;
	all->hold_unmap = true;
	KUNIT_EXPECT_EQ(test, touch(objs[4]), -ETIMEDOUT);
	virtgpu_timeout_ms = timeout;
	drm_gem_object_put(&objs[0]->base.base);
	all->hold_unmap = false;
	all->blobs[id].mapped = false;
	host_answer(host, &all->held, 0x1100);
	flush_workqueue(host->vgdev->wq);

	/* Its place is free. */
	KUNIT_EXPECT_EQ(test, all->unmaps, 1);
	KUNIT_EXPECT_EQ(test, touch(objs[4]), 0);
	KUNIT_EXPECT_EQ(test, all->unmaps, 1);
	put_blobs(objs + 1, 4);
}

/* Blobs of many sizes that come and go: the host checks each range. */
static void window_mixed(struct kunit *test)
{
	struct virtgpu_object *objs[12];
	unsigned int i, n;

	start(test, WINDOW_ADDR, WINDOW_SIZE, 0);
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		objs[i] = new_blob(test, (i % 5 + 1) * PAGE_SIZE);
	for (n = 0; n < 300; n++)
		KUNIT_ASSERT_EQ(test, touch(objs[n * 7 % 11 + (n & 1)]), 0);
	put_blobs(objs, ARRAY_SIZE(objs));
}

static void window_aligned(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, SZ_1M, SZ_64K);
	struct virtgpu_object *objs[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(objs); i++) {
		objs[i] = new_blob(test, SZ_64K);
		KUNIT_EXPECT_EQ(test, touch(objs[i]), 0);
	}
	KUNIT_EXPECT_EQ(test, all->maps, ARRAY_SIZE(objs));
	put_blobs(objs, ARRAY_SIZE(objs));
}

/* What counts is the offset in the window, wherever that is. */
static void window_aligned_elsewhere(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR + PAGE_SIZE, SZ_1M, SZ_64K);
	struct virtgpu_object *objs[16];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(objs); i++) {
		objs[i] = new_blob(test, SZ_64K);
		KUNIT_EXPECT_EQ(test, touch(objs[i]), 0);
	}
	KUNIT_EXPECT_EQ(test, all->unmaps, 0);
	put_blobs(objs, ARRAY_SIZE(objs));
}

/* Large ones start on a huge page, as long as there is room for that. */
static void window_huge(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, SZ_4M + SZ_2M, 0);
	struct virtgpu_object *objs[4];
	unsigned int i;

	objs[0] = new_blob(test, PAGE_SIZE);
	objs[1] = new_blob(test, SZ_2M);
	objs[2] = new_blob(test, SZ_2M - PAGE_SIZE);
	objs[3] = new_blob(test, SZ_2M);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, touch(objs[i]), 0);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(all->blobs[objs[1]->res->id].offset, SZ_2M));
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(all->blobs[objs[3]->res->id].offset, SZ_2M));
	KUNIT_EXPECT_EQ(test, all->unmaps, 0);
	put_blobs(objs, 4);
}

/* ... and elsewhere rather than not at all. */
static void window_not_huge(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, SZ_2M + PAGE_SIZE, 0);
	struct virtgpu_object *objs[2];

	objs[0] = new_blob(test, PAGE_SIZE);
	objs[1] = new_blob(test, SZ_2M);
	KUNIT_EXPECT_EQ(test, touch(objs[0]), 0);
	KUNIT_EXPECT_EQ(test, touch(objs[1]), 0);
	KUNIT_EXPECT_EQ(test, all->unmaps, 0);
	put_blobs(objs, 2);
}

/* Only the bits of the cache type count. */
static void window_cache(struct kunit *test)
{
	static const struct {
		u32 map_info;
		u32 cache;
	} infos[] = {
		{ 0, VIRTIO_GPU_MAP_CACHE_NONE },
		{ 1, VIRTIO_GPU_MAP_CACHE_CACHED },
		{ 2, VIRTIO_GPU_MAP_CACHE_UNCACHED },
		{ 3, VIRTIO_GPU_MAP_CACHE_WC },
		{ 0xfffffff3, VIRTIO_GPU_MAP_CACHE_WC },
	};
	struct blobs *all = start(test, WINDOW_ADDR, WINDOW_SIZE, 0);
	struct virtgpu_object *obj;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(infos); i++) {
		all->map_info = infos[i].map_info;
		obj = new_blob(test, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, touch(obj), 0);
		KUNIT_EXPECT_EQ(test, obj->vram->cache, infos[i].cache);
		drm_gem_object_put(&obj->base.base);
	}
}

/* Somebody who holds a lock for a while */
struct holder {
	struct work_struct work;
	struct mutex *lock;		/* which */
	struct completion locked;
};

static void hold(struct work_struct *work)
{
	struct holder *holder = container_of(work, struct holder, work);

	guard(mutex)(holder->lock);
	complete(&holder->locked);
	msleep(200);
}

/*
 * The last object may be freed when the device itself is. A window that were gone
 * before it would be a warning of DRM's: it is not empty.
 */
static void window_last(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, WINDOW_SIZE, 0);
	struct host *host = test->priv;
	struct virtgpu_object *obj = new_blob(test, PAGE_SIZE);
	struct holder holder = { .lock = &host->vgdev->window_lock };

	KUNIT_EXPECT_EQ(test, touch(obj), 0);
	KUNIT_EXPECT_EQ(test, all->maps, 1);
	/* No answer to RESOURCE_UNREF before the end, and no lock to free it with */
	host->serve = NULL;
	drm_gem_object_put(&obj->base.base);
	init_completion(&holder.locked);
	INIT_WORK_ONSTACK(&holder.work, hold);
	schedule_work(&holder.work);
	wait_for_completion(&holder.locked);
	host_free(host);
	flush_work(&holder.work);
	destroy_work_on_stack(&holder.work);
}

/*
 * After a reset the device has mapped nothing, and knows no resource until it is
 * told of it: what is closed, or makes room, before that is no business of its.
 */
static void window_reset(struct kunit *test)
{
	struct blobs *all = start(test, WINDOW_ADDR, WINDOW_SIZE, 0);
	struct host *host = test->priv;
	struct virtgpu_object *objs[5];
	LIST_HEAD(none);
	unsigned int i;

	fill(test, objs);
	objs[4] = new_blob(test, WINDOW_SIZE / 4);
	virtgpu_queues_abort(host->vgdev, VIRTGPU_LOST);
	virtgpu_queues_fini(host->vgdev);
	for (i = 0; i < MAX_BLOBS; i++)
		all->blobs[i].mapped = false;
	KUNIT_ASSERT_EQ(test, virtgpu_queues_find(host->vgdev), 0);
	virtio_device_ready(&host->vdev);
	virtgpu_queues_start(host->vgdev, &none);

	KUNIT_EXPECT_EQ(test, touch(objs[4]), VIRTGPU_LOST);
	put_blobs(objs, 5);
	KUNIT_EXPECT_EQ(test, all->unmaps, 0);
}

static void window_none(struct kunit *test)
{
	host_create(test, 0);
	KUNIT_EXPECT_FALSE(test, ((struct host *)test->priv)->vgdev->has_host_visible);
}

/* Addresses for other devices: no piece is longer than its length can tell. */
static void window_sgt(struct kunit *test)
{
	static const struct {
		u64 size;
		unsigned int count;
		u32 last;
	} rows[] = {
		{ SZ_4K, 1, SZ_4K },
		{ SZ_1G, 1, SZ_1G },
		{ SZ_1G + (u64)SZ_4K, 2, SZ_4K },
		{ 5ULL * SZ_1G, 5, SZ_1G },
	};
	struct scatterlist *sg;
	struct sg_table *sgt;
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		sgt = virtgpu_vram_sgt(WINDOW_ADDR, rows[i].size);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
		KUNIT_EXPECT_EQ(test, sgt->nents, rows[i].count);
		for_each_sgtable_dma_sg(sgt, sg, n) {
			KUNIT_EXPECT_EQ(test, sg_dma_address(sg), WINDOW_ADDR + (u64)n * SZ_1G);
			KUNIT_EXPECT_EQ(test, sg_dma_len(sg),
					n + 1 < rows[i].count ? SZ_1G : rows[i].last);
		}
		sg_free_table(sgt);
		kfree(sgt);
	}
}

static struct kunit_case window_cases[] = {
	KUNIT_CASE(window_full),
	KUNIT_CASE(window_in_use),
	KUNIT_CASE(window_too_large),
	KUNIT_CASE(window_refused),
	KUNIT_CASE(window_unmap_refused),
	KUNIT_CASE(window_unmap_late),
	KUNIT_CASE(window_closed_while_leaving),
	KUNIT_CASE(window_mixed),
	KUNIT_CASE(window_aligned),
	KUNIT_CASE(window_aligned_elsewhere),
	KUNIT_CASE(window_huge),
	KUNIT_CASE(window_not_huge),
	KUNIT_CASE(window_cache),
	KUNIT_CASE(window_last),
	KUNIT_CASE(window_reset),
	KUNIT_CASE(window_none),
	KUNIT_CASE(window_sgt),
	{}
};

static struct kunit_suite window_suite = {
	.name = "virtgpu_window",
	.exit = host_exit,
	.test_cases = window_cases,
};

kunit_test_suite(window_suite);
