// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The cache of capability sets: the host is asked once for each, and again only
 * after it gave no answer.
 */
#include <linux/sizes.h>

#include "host.h"

struct set {
	u32 id;
	u32 version;
	u32 size;
};

/* What the host has, and what it was asked. */
struct sets {
	struct set sets[70];
	unsigned int infos;
	unsigned int gets;
	unsigned int refuse_info;	/* the one with this number, from 1 */
	bool refuse_get;
	u32 get_bytes;			/* of an answer, if not all */
	u32 room;			/* for the last answer */
	u32 id;				/* asked for last */
	u32 version;
};

static void answer_info(struct host *host, struct host_request *req)
{
	struct sets *sets = host->data;
	u32 index = host_word(req, 6);
	struct virtio_gpu_resp_capset_info resp = {
		.hdr.type = cpu_to_le32(0x1102),
	};

	if (++sets->infos == sets->refuse_info || index >= ARRAY_SIZE(sets->sets)) {
		host_answer(host, req, 0x1200);
		return;
	}
	resp.capset_id = cpu_to_le32(sets->sets[index].id);
	resp.capset_max_version = cpu_to_le32(sets->sets[index].version);
	resp.capset_max_size = cpu_to_le32(sets->sets[index].size);
	memcpy(req->answer, &resp, sizeof(resp));
	host_complete(host, req, sizeof(resp));
}

/* The data: each byte is the id and the version */
static u8 content(u32 id, u32 version)
{
	return id * 16 + version;
}

static void answer_get(struct host *host, struct host_request *req)
{
	struct sets *sets = host->data;
	__le32 type = cpu_to_le32(0x1103);
	u32 bytes;

	sets->gets++;
	sets->room = req->room;
	sets->id = host_word(req, 6);
	sets->version = host_word(req, 7);
	if (sets->refuse_get) {
		host_answer(host, req, 0x1201);
		return;
	}
	bytes = min(sets->get_bytes, req->room - 24);
	memset(req->answer, 0, 24);
	memcpy(req->answer, &type, sizeof(type));
	memset(req->answer + 24, content(sets->id, sets->version), bytes);
	host_complete(host, req, 24 + bytes);
}

static void serve(struct host *host, struct host_request *req)
{
	if (host_word(req, 0) == 0x108)
		answer_info(host, req);
	else if (host_word(req, 0) == 0x109)
		answer_get(host, req);
	else
		host_answer(host, req, 0x1200);
}

/* A host with @count sets, which claims to have @claimed */
static struct sets *start(struct kunit *test, const struct set *sets, u32 count, u32 claimed)
{
	struct sets *all = kunit_kzalloc(test, sizeof(*all), GFP_KERNEL);
	struct host *host = host_alloc(test, 0);

	KUNIT_ASSERT_NOT_NULL(test, all);
	memcpy(all->sets, sets, count * sizeof(*sets));
	all->get_bytes = U32_MAX;
	host->serve = serve;
	host->data = all;
	host->config.num_capsets = cpu_to_le32(claimed);
	host_make_device(host);
	host_start(host);
	return all;
}

static u64 mask(struct kunit *test)
{
	struct host *host = test->priv;
	u64 mask = 0;

	KUNIT_EXPECT_EQ(test, virtgpu_capset_mask(host->vgdev, &mask), 0);
	return mask;
}

static const struct virtgpu_capset *get(struct kunit *test, u32 id, u32 version)
{
	struct host *host = test->priv;

	guard(mutex)(&host->vgdev->capset_lock);
	return virtgpu_capset_get_locked(host->vgdev, id, version);
}

/* The set is there and has @bytes bytes of that content, and zeros behind. */
static void expect_set(struct kunit *test, u32 id, u32 version, u32 size, u32 bytes)
{
	const struct virtgpu_capset *capset = get(test, id, version);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, capset);
	KUNIT_EXPECT_EQ(test, capset->id, id);
	KUNIT_EXPECT_EQ(test, capset->version, version);
	KUNIT_ASSERT_EQ(test, capset->max_size, size);
	KUNIT_EXPECT_NULL(test, memchr_inv(capset->data, content(id, version), bytes));
	KUNIT_EXPECT_NULL(test, memchr_inv(capset->data + bytes, 0, size - bytes));
}

static const struct set three[] = { { 1, 1, 308 }, { 2, 2, 1384 }, { 4, 3, 160 } };

static void capset_mask(struct kunit *test)
{
	static const struct set many[] = {
		{ 1, 1, 8 }, { 31, 1, 8 }, { 32, 1, 8 }, { 63, 1, 8 }, { 64, 1, 8 },
		{ U32_MAX, 1, 8 },
	};
	struct sets *sets = start(test, many, ARRAY_SIZE(many), ARRAY_SIZE(many));

	KUNIT_EXPECT_EQ(test, sets->infos, 0);
	KUNIT_EXPECT_EQ(test, mask(test), BIT_ULL(1) | BIT_ULL(31) | BIT_ULL(32) | BIT_ULL(63));
	KUNIT_EXPECT_EQ(test, sets->infos, ARRAY_SIZE(many));
	mask(test);
	KUNIT_EXPECT_EQ(test, sets->infos, ARRAY_SIZE(many));
	KUNIT_EXPECT_EQ(test, sets->gets, 0);
}

static void capset_none(struct kunit *test)
{
	struct sets *sets = start(test, three, 3, 0);

	KUNIT_EXPECT_EQ(test, mask(test), 0);
	KUNIT_EXPECT_PTR_EQ(test, get(test, 1, 1), ERR_PTR(-EINVAL));
	KUNIT_EXPECT_EQ(test, sets->infos, 0);
}

/* More sets than anybody has are not asked for. */
static void capset_too_many(struct kunit *test)
{
	struct sets *sets = start(test, three, 3, U32_MAX);

	KUNIT_EXPECT_EQ(test, mask(test), BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2) | BIT_ULL(4));
	KUNIT_EXPECT_EQ(test, sets->infos, 64);
}

static void capset_cached(struct kunit *test)
{
	struct sets *sets = start(test, three, 3, 3);

	expect_set(test, 2, 1, 1384, 1384);
	KUNIT_EXPECT_EQ(test, sets->gets, 1);
	KUNIT_EXPECT_EQ(test, sets->id, 2);
	KUNIT_EXPECT_EQ(test, sets->version, 1);
	KUNIT_EXPECT_EQ(test, sets->room, 24 + 1384);
	expect_set(test, 4, 3, 160, 160);
	KUNIT_EXPECT_EQ(test, sets->gets, 2);
	expect_set(test, 2, 1, 1384, 1384);
	KUNIT_EXPECT_EQ(test, sets->gets, 2);
	/* One version of each set is kept. */
	expect_set(test, 2, 2, 1384, 1384);
	KUNIT_EXPECT_EQ(test, sets->gets, 3);
	expect_set(test, 2, 2, 1384, 1384);
	KUNIT_EXPECT_EQ(test, sets->gets, 3);
	KUNIT_EXPECT_EQ(test, sets->infos, 3);
}

static void capset_unknown(struct kunit *test)
{
	struct sets *sets = start(test, three, 3, 3);

	KUNIT_EXPECT_PTR_EQ(test, get(test, 3, 1), ERR_PTR(-EINVAL));
	KUNIT_EXPECT_PTR_EQ(test, get(test, 1, 2), ERR_PTR(-EINVAL));
	KUNIT_EXPECT_PTR_EQ(test, get(test, 0, 0), ERR_PTR(-EINVAL));
	KUNIT_EXPECT_EQ(test, sets->gets, 0);
	expect_set(test, 1, 0, 308, 308);
}

/* An error is not kept, nor is anything that came before it. */
static void capset_info_refused(struct kunit *test)
{
	struct sets *sets = start(test, three, 3, 3);
	struct host *host = test->priv;
	u64 unused;

	sets->refuse_info = 3;
	KUNIT_EXPECT_EQ(test, virtgpu_capset_mask(host->vgdev, &unused), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, sets->infos, 3);
	sets->sets[1].id = 5;
	KUNIT_EXPECT_EQ(test, mask(test), BIT_ULL(1) | BIT_ULL(5) | BIT_ULL(4));
	KUNIT_EXPECT_EQ(test, sets->infos, 6);
	KUNIT_EXPECT_PTR_EQ(test, get(test, 2, 1), ERR_PTR(-EINVAL));
}

static void capset_get_refused(struct kunit *test)
{
	struct sets *sets = start(test, three, 3, 3);

	sets->refuse_get = true;
	KUNIT_EXPECT_PTR_EQ(test, get(test, 1, 1), ERR_PTR(-ENOMEM));
	sets->refuse_get = false;
	expect_set(test, 1, 1, 308, 308);
	KUNIT_EXPECT_EQ(test, sets->gets, 2);

	/* What is there stays when another version is refused. */
	expect_set(test, 2, 1, 1384, 1384);
	sets->refuse_get = true;
	KUNIT_EXPECT_PTR_EQ(test, get(test, 2, 2), ERR_PTR(-ENOMEM));
	expect_set(test, 2, 1, 1384, 1384);
	KUNIT_EXPECT_EQ(test, sets->gets, 4);
}

static void capset_short(struct kunit *test)
{
	struct sets *sets = start(test, three, 3, 3);

	sets->get_bytes = 0;
	KUNIT_EXPECT_PTR_EQ(test, get(test, 1, 1), ERR_PTR(-EPROTO));
	sets->get_bytes = 100;
	expect_set(test, 1, 1, 308, 100);
}

static void capset_sizes(struct kunit *test)
{
	static const struct set odd[] = { { 1, 1, 0 }, { 2, 1, U32_MAX } };
	struct sets *sets = start(test, odd, 2, 2);

	expect_set(test, 1, 1, 0, 0);
	KUNIT_EXPECT_EQ(test, sets->room, 24);
	sets->get_bytes = 1;
	expect_set(test, 2, 1, SZ_1M, 1);
	KUNIT_EXPECT_EQ(test, sets->room, 24 + SZ_1M);
}

static struct kunit_case capset_cases[] = {
	KUNIT_CASE(capset_mask),
	KUNIT_CASE(capset_none),
	KUNIT_CASE(capset_too_many),
	KUNIT_CASE(capset_cached),
	KUNIT_CASE(capset_unknown),
	KUNIT_CASE(capset_info_refused),
	KUNIT_CASE(capset_get_refused),
	KUNIT_CASE(capset_short),
	KUNIT_CASE(capset_sizes),
	{}
};

static struct kunit_suite capset_suite = {
	.name = "virtgpu_capset",
	.exit = host_exit,
	.test_cases = capset_cases,
};

kunit_test_suite(capset_suite);
