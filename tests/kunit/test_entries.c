// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Memory entries: neighbouring pages are one entry, and none is longer than the
 * host can take.
 */
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/unaligned.h>

#include "host.h"

/* struct virtio_gpu_mem_entry: le64 addr, le32 length, le32 padding */
static void expect_entry(struct kunit *test, struct virtgpu_payload *entries, unsigned int i,
			 u64 addr, u32 length)
{
	const u8 *entry = virtgpu_payload_at(entries, i * 16);

	KUNIT_EXPECT_EQ_MSG(test, get_unaligned_le64(entry), addr, "entry %u", i);
	KUNIT_EXPECT_EQ_MSG(test, get_unaligned_le32(entry + 8), length, "entry %u", i);
	KUNIT_EXPECT_EQ_MSG(test, get_unaligned_le32(entry + 12), 0, "entry %u", i);
}

static struct virtgpu_object *new_object(struct kunit *test)
{
	struct virtgpu_object *obj = kunit_kzalloc(test, sizeof(*obj), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, obj);
	return obj;
}

static struct virtgpu_payload *entries_of(struct kunit *test, struct virtgpu_object *obj,
					  unsigned int count)
{
	struct host *host = test->priv;
	struct virtgpu_payload *entries = virtgpu_object_entries(host->vgdev, obj);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, entries);
	KUNIT_ASSERT_EQ(test, entries->size, count * 16);
	return entries;
}

/* Pages of one block of eight, in a given order. */
static void entries_pages(struct kunit *test)
{
	static const u8 order[] = { 0, 1, 2, 5, 4, 6, 7, 3 };
	struct virtgpu_object *obj = new_object(test);
	struct page *block = alloc_pages(GFP_KERNEL, 3), *pages[ARRAY_SIZE(order)];
	struct virtgpu_payload *entries;
	phys_addr_t base;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, block);
	base = page_to_phys(block);
	for (i = 0; i < ARRAY_SIZE(order); i++)
		pages[i] = block + order[i];
	obj->base.pages = pages;
	obj->base.base.size = sizeof(order) * PAGE_SIZE;

	entries = entries_of(test, obj, 5);
	expect_entry(test, entries, 0, base, 3 * PAGE_SIZE);
	expect_entry(test, entries, 1, base + 5 * PAGE_SIZE, PAGE_SIZE);
	expect_entry(test, entries, 2, base + 4 * PAGE_SIZE, PAGE_SIZE);
	expect_entry(test, entries, 3, base + 6 * PAGE_SIZE, 2 * PAGE_SIZE);
	expect_entry(test, entries, 4, base + 3 * PAGE_SIZE, PAGE_SIZE);
	virtgpu_payload_free(entries);
	__free_pages(block, 3);
}

struct piece {
	u64 addr;
	u32 len;
};

static void set_pieces(struct kunit *test, struct sg_table *sgt, const struct piece *pieces,
		       unsigned int count)
{
	struct scatterlist *sg = kunit_kcalloc(test, count, sizeof(*sg), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, sg);
	sg_init_table(sg, count);
	for (i = 0; i < count; i++) {
		sg_dma_address(&sg[i]) = pieces[i].addr;
		sg_dma_len(&sg[i]) = pieces[i].len;
	}
	sgt->sgl = sg;
	sgt->nents = count;
	sgt->orig_nents = count;
}

/* As the DMA API gives them, of any length and with gaps */
static void entries_mapped(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0x100001000, 0x1000 }, { 0x100002000, 0x3000 },
		{ 0x100006000, 0x1000 },
		{ 0x100005000, 0x1000 },
		{ 0xfffff000, 0x1000 }, { 0x100000000, 0x1000 },
	};
	struct virtgpu_object *obj = new_object(test);
	struct virtgpu_payload *entries;
	struct sg_table sgt;

	set_pieces(test, &sgt, pieces, ARRAY_SIZE(pieces));
	obj->sgt = &sgt;
	obj->base.base.size = 0x8000;
	entries = entries_of(test, obj, 4);
	expect_entry(test, entries, 0, 0x100001000, 0x4000);
	expect_entry(test, entries, 1, 0x100006000, 0x1000);
	expect_entry(test, entries, 2, 0x100005000, 0x1000);
	expect_entry(test, entries, 3, 0xfffff000, 0x2000);
	virtgpu_payload_free(entries);
}

/* The length of an entry is 32 bits wide: what is longer is several of them. */
static void entries_huge(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0x100000000, SZ_1G }, { 0x140000000, SZ_1G },
		{ 0x180000000, SZ_1G }, { 0x1c0000000, SZ_1G },
		{ 0x200000000, SZ_2G + SZ_1G }, { 0x2c0000000, SZ_1G },
	};
	struct virtgpu_object *obj = new_object(test);
	struct virtgpu_payload *entries;
	struct sg_table sgt;

	set_pieces(test, &sgt, pieces, ARRAY_SIZE(pieces));
	obj->sgt = &sgt;
	entries = entries_of(test, obj, 4);
	expect_entry(test, entries, 0, 0x100000000, SZ_2G);
	expect_entry(test, entries, 1, 0x180000000, SZ_2G);
	expect_entry(test, entries, 2, 0x200000000, (u32)SZ_2G + SZ_1G);
	expect_entry(test, entries, 3, 0x2c0000000, SZ_1G);
	virtgpu_payload_free(entries);
}

/* The pages of a foreign buffer are where its exporter says. */
static void entries_imported(struct kunit *test)
{
	static const struct piece pieces[] = { { 0x1000, 0x1000 }, { 0x2000, 0x1000 } };
	struct virtgpu_object *obj = new_object(test);
	struct virtgpu_import import = {};
	struct virtgpu_mapping mapping = {};
	struct virtgpu_payload *entries;
	struct sg_table sgt;

	set_pieces(test, &sgt, pieces, ARRAY_SIZE(pieces));
	mapping.sgt = &sgt;
	import.mapping = &mapping;
	obj->import = &import;
	entries = entries_of(test, obj, 1);
	expect_entry(test, entries, 0, 0x1000, 0x2000);
	virtgpu_payload_free(entries);
}

/* Memory of another host has no addresses, only a UUID. */
static void entries_none(struct kunit *test)
{
	struct virtgpu_object *obj = new_object(test);
	struct host *host = test->priv;
	struct sg_table sgt = {};

	obj->sgt = &sgt;
	KUNIT_EXPECT_EQ(test, PTR_ERR(virtgpu_object_entries(host->vgdev, obj)), -EOPNOTSUPP);
}

/* More entries than a chunk of the payload takes */
static void entries_many(struct kunit *test)
{
	const unsigned int count = 3 * SZ_64K / 16;
	struct virtgpu_object *obj = new_object(test);
	struct virtgpu_payload *entries;
	struct piece *pieces;
	struct sg_table sgt;
	unsigned int i;

	pieces = kunit_kcalloc(test, count, sizeof(*pieces), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pieces);
	for (i = 0; i < count; i++)
		pieces[i] = (struct piece) { i * 0x2000ULL, 0x1000 };
	set_pieces(test, &sgt, pieces, count);
	obj->sgt = &sgt;
	entries = entries_of(test, obj, count);
	KUNIT_EXPECT_EQ(test, entries->num_chunks, 3);
	for (i = 0; i < count; i += 1000)
		expect_entry(test, entries, i, i * 0x2000ULL, 0x1000);
	expect_entry(test, entries, count - 1, (count - 1) * 0x2000ULL, 0x1000);
	virtgpu_payload_free(entries);
}

static struct kunit_case entries_cases[] = {
	KUNIT_CASE(entries_pages),
	KUNIT_CASE(entries_mapped),
	KUNIT_CASE(entries_huge),
	KUNIT_CASE(entries_imported),
	KUNIT_CASE(entries_none),
	KUNIT_CASE(entries_many),
	{}
};

static struct kunit_suite entries_suite = {
	.name = "virtgpu_entries",
	.init = host_init,
	.exit = host_exit,
	.test_cases = entries_cases,
};

kunit_test_suite(entries_suite);
