// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Payloads: in as many contiguous chunks as the chain of the command has room for.
 */
#include <linux/sizes.h>

#include "host.h"

/* The payload of a command whose queue has so many descriptors, or an ERR_PTR() */
static struct virtgpu_payload *payload(struct kunit *test, unsigned int ring, size_t size)
{
	struct host *host = test->priv;
	unsigned int before = host->vgdev->ctrl.size;
	struct virtgpu_payload *payload;

	host->vgdev->ctrl.size = ring;
	payload = virtgpu_payload_alloc(host->vgdev, size);
	host->vgdev->ctrl.size = before;
	return payload;
}

static void expect_chunks(struct kunit *test, unsigned int ring, size_t size,
			  unsigned int chunks)
{
	struct virtgpu_payload *p = payload(test, ring, size);
	size_t sum = 0;
	unsigned int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, p);
	KUNIT_EXPECT_EQ(test, p->size, size);
	KUNIT_EXPECT_EQ_MSG(test, p->num_chunks, chunks, "%zu bytes, %u descriptors", size, ring);
	for (i = 0; i < p->num_chunks; i++) {
		KUNIT_EXPECT_PTR_EQ(test, virtgpu_payload_at(p, sum), sg_virt(&p->sg[i]));
		if (i)
			KUNIT_EXPECT_PTR_EQ(test, virtgpu_payload_at(p, sum - 1),
					    sg_virt(&p->sg[i - 1]) + p->sg[i - 1].length - 1);
		sum += p->sg[i].length;
	}
	KUNIT_EXPECT_EQ(test, sum, size);
	KUNIT_EXPECT_TRUE(test, sg_is_last(&p->sg[chunks - 1]));
	virtgpu_payload_free(p);
}

/* Two descriptors are those of the request and the response. */
static void payload_chunks(struct kunit *test)
{
	expect_chunks(test, 64, 1, 1);
	expect_chunks(test, 64, SZ_64K, 1);
	expect_chunks(test, 64, SZ_64K + 1, 2);
	expect_chunks(test, 64, 62 * SZ_64K, 62);
	/* No more fit, so that they are larger. */
	expect_chunks(test, 64, 62 * SZ_64K + 1, 32);
	expect_chunks(test, 3, 3 * SZ_64K, 1);
	expect_chunks(test, 4, 3 * SZ_64K, 2);
}

/* No chunk is longer than a piece of memory that the device can be given. */
static void payload_bounced(struct kunit *test)
{
	struct host *host = test->priv;

	host->vgdev->max_dma_size = SZ_128K + 8;
	expect_chunks(test, 4, 2 * SZ_64K, 2);
	expect_chunks(test, 4, 2 * SZ_128K, 2);
	KUNIT_EXPECT_PTR_EQ(test, payload(test, 4, 2 * SZ_128K + 1), ERR_PTR(-E2BIG));
	expect_chunks(test, 5, 2 * SZ_128K + 1, 3);
}

static void payload_too_large(struct kunit *test)
{
	unsigned int ring;

	for (ring = 0; ring <= 2; ring++)
		KUNIT_EXPECT_PTR_EQ(test, payload(test, ring, 1),
				    ERR_PTR(-E2BIG));
	for (ring = 3; ring <= 64; ring++)
		KUNIT_EXPECT_PTR_EQ(test, payload(test, ring, (ring - 2) * KMALLOC_MAX_SIZE + 1),
				    ERR_PTR(-E2BIG));
}

/* A memory entry, of 16 bytes, stands in one chunk. */
static void payload_entries(struct kunit *test)
{
	static const unsigned int rings[] = { 3, 4, 5, 7, 16, 64, 256 };
	struct virtgpu_payload *p;
	unsigned int i, count;
	size_t offset;

	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		for (count = 1; count < 30000; count = count * 3 + 1) {
			p = payload(test, rings[i], count * 16);
			KUNIT_ASSERT_NOT_ERR_OR_NULL(test, p);
			KUNIT_EXPECT_LE(test, p->num_chunks, rings[i] - 2);
			for (offset = 0; offset < p->size; offset += 16)
				KUNIT_ASSERT_PTR_EQ(test, virtgpu_payload_at(p, offset) + 15,
						    virtgpu_payload_at(p, offset + 15));
			virtgpu_payload_free(p);
		}
	}
}

static struct kunit_case payload_cases[] = {
	KUNIT_CASE(payload_chunks),
	KUNIT_CASE(payload_bounced),
	KUNIT_CASE(payload_too_large),
	KUNIT_CASE(payload_entries),
	{}
};

static struct kunit_suite payload_suite = {
	.name = "virtgpu_payload",
	.init = host_init,
	.exit = host_exit,
	.test_cases = payload_cases,
};

kunit_test_suite(payload_suite);
