// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What the driver makes of the features and the configuration of a device.
 */
#include <linux/sizes.h>
#include <linux/virtio_config.h>

#include <drm/drm_drv.h>

#include "host.h"

#define VIRGL		BIT_ULL(0)
#define EDID		BIT_ULL(1)
#define UUID		BIT_ULL(2)
#define BLOB		BIT_ULL(3)
#define CONTEXT_INIT	BIT_ULL(4)
#define ALIGNMENT	BIT_ULL(5)

/* The driver's device for one with these features */
static struct virtgpu_device *device(struct kunit *test, u64 features)
{
	struct host *host = host_alloc(test, features);

	host_make_device(host);
	return host->vgdev;
}

static void feature_bits(struct kunit *test)
{
	static const u64 some[] = {
		0, VIRGL, EDID, UUID, BLOB, CONTEXT_INIT,
		VIRGL | EDID | UUID | BLOB | CONTEXT_INIT,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(some); i++) {
		struct virtgpu_device *vgdev = device(test, some[i]);
		u64 bits = some[i];

		KUNIT_EXPECT_EQ(test, vgdev->has_virgl, !!(bits & VIRGL));
		KUNIT_EXPECT_EQ(test, vgdev->has_edid, !!(bits & EDID));
		KUNIT_EXPECT_EQ(test, vgdev->has_uuid, !!(bits & UUID));
		KUNIT_EXPECT_EQ(test, vgdev->has_blob, !!(bits & BLOB));
		KUNIT_EXPECT_EQ(test, vgdev->has_context_init, !!(bits & CONTEXT_INIT));
		KUNIT_EXPECT_EQ(test, vgdev->blob_alignment, 0);
		KUNIT_EXPECT_FALSE(test, vgdev->has_host_visible);
		host_free(test->priv);
	}
}

/* VIRTIO_F_ACCESS_PLATFORM: addresses are those of the DMA API. */
static void feature_platform(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, device(test, 0)->use_dma_api);
	host_free(test->priv);
	KUNIT_EXPECT_TRUE(test, device(test, BIT_ULL(33))->use_dma_api);
}

static void feature_version_1(struct kunit *test)
{
	struct host *host = host_alloc(test, 0);

	KUNIT_EXPECT_EQ(test, virtgpu_validate(&host->vdev), 0);
	host->vdev.features = VIRGL | EDID;
	KUNIT_EXPECT_EQ(test, virtgpu_validate(&host->vdev), -ENODEV);
}

static void feature_scanouts(struct kunit *test)
{
	static const struct {
		u32 claimed;
		u32 used;
	} rows[] = { { 0, 0 }, { 1, 1 }, { 16, 16 }, { 17, 16 }, { U32_MAX, 16 } };
	struct host *host;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		host = host_alloc(test, 0);
		host->config.num_scanouts = cpu_to_le32(rows[i].claimed);
		host_make_device(host);
		KUNIT_EXPECT_EQ(test, host->vgdev->num_scanouts, rows[i].used);
		/* Without an output it is a render device. */
		KUNIT_EXPECT_EQ(test, drm_core_check_feature(&host->vgdev->drm, DRIVER_MODESET),
				rows[i].used > 0);
		KUNIT_EXPECT_TRUE(test, drm_core_check_feature(&host->vgdev->drm, DRIVER_RENDER));
		host_free(host);
	}
}

static void feature_alignment(struct kunit *test)
{
	static const struct {
		u64 features;
		u32 claimed;
		u32 used;
		bool blobs;
	} rows[] = {
		{ BLOB | ALIGNMENT, SZ_4K, SZ_4K, true },
		{ BLOB | ALIGNMENT, 1, 1, true },
		{ BLOB | ALIGNMENT, BIT(31), BIT(31), true },
		/* No alignment at all */
		{ BLOB | ALIGNMENT, 0, 0, false },
		{ BLOB | ALIGNMENT, SZ_4K + 1, 0, false },
		{ BLOB | ALIGNMENT, 3 * SZ_4K, 0, false },
		{ BLOB | ALIGNMENT, U32_MAX, 0, false },
		/* Not there to be read */
		{ BLOB, SZ_64K, 0, true },
		{ BLOB, 3, 0, true },
		{ ALIGNMENT, SZ_4K, SZ_4K, false },
	};
	struct host *host;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		host = host_alloc(test, rows[i].features);
		host->config.blob_alignment = cpu_to_le32(rows[i].claimed);
		host_make_device(host);
		KUNIT_EXPECT_EQ_MSG(test, host->vgdev->blob_alignment, rows[i].used, "%u",
				    rows[i].claimed);
		KUNIT_EXPECT_EQ_MSG(test, host->vgdev->has_blob, rows[i].blobs, "%u",
				    rows[i].claimed);
		host_free(host);
	}
}

#define GUEST		VIRTGPU_BLOB_MEM_GUEST
#define HOST3D		VIRTGPU_BLOB_MEM_HOST3D
#define HOST3D_GUEST	VIRTGPU_BLOB_MEM_HOST3D_GUEST
#define CROSS_DEVICE	VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE

static void feature_blobs(struct kunit *test)
{
	static const struct {
		u64 features;
		struct drm_virtgpu_resource_create_blob args;
		bool valid;
	} rows[] = {
		{ BLOB, { .blob_mem = GUEST, .size = 1 }, true },
		{ BLOB, { .blob_mem = GUEST, .size = 1, .blob_flags = 3 }, true },
		{ BLOB | VIRGL, { .blob_mem = HOST3D, .size = 1, .cmd_size = 8, .blob_id = 5 },
		  true },
		{ BLOB | VIRGL, { .blob_mem = HOST3D_GUEST, .size = 1, .blob_id = 5 }, true },
		{ BLOB | UUID, { .blob_mem = GUEST, .size = 1, .blob_flags = CROSS_DEVICE },
		  true },
		/* without the feature */
		{ VIRGL, { .blob_mem = GUEST, .size = 1 } },
		{ BLOB, { .blob_mem = HOST3D, .size = 1 } },
		{ BLOB, { .blob_mem = HOST3D_GUEST, .size = 1 } },
		{ BLOB, { .blob_mem = GUEST, .size = 1, .blob_flags = CROSS_DEVICE } },
		/* what there is not */
		{ BLOB | VIRGL, { .blob_mem = 0, .size = 1 } },
		{ BLOB | VIRGL, { .blob_mem = 4, .size = 1 } },
		{ BLOB | VIRGL | UUID, { .blob_mem = GUEST, .size = 1, .blob_flags = 8 } },
		{ BLOB | VIRGL, { .blob_mem = GUEST, .size = 1, .pad = 1 } },
		{ BLOB | VIRGL, { .blob_mem = GUEST, .size = 0 } },
		/* The memory of the guest is made by no command, ... */
		{ BLOB | VIRGL, { .blob_mem = GUEST, .size = 1, .blob_id = 5 } },
		{ BLOB | VIRGL, { .blob_mem = GUEST, .size = 1, .cmd_size = 4 } },
		/* ... and commands are words. */
		{ BLOB | VIRGL, { .blob_mem = HOST3D, .size = 1, .cmd_size = 6 } },
	};
	struct virtgpu_device *vgdev = device(test, 0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		vgdev->has_blob = rows[i].features & BLOB;
		vgdev->has_virgl = rows[i].features & VIRGL;
		vgdev->has_uuid = rows[i].features & UUID;
		KUNIT_EXPECT_EQ_MSG(test, virtgpu_check_blob(vgdev, &rows[i].args),
				    rows[i].valid ? 0 : -EINVAL, "row %u", i);
	}
}

static struct kunit_case feature_cases[] = {
	KUNIT_CASE(feature_bits),
	KUNIT_CASE(feature_platform),
	KUNIT_CASE(feature_version_1),
	KUNIT_CASE(feature_scanouts),
	KUNIT_CASE(feature_alignment),
	KUNIT_CASE(feature_blobs),
	{}
};

static struct kunit_suite feature_suite = {
	.name = "virtgpu_features",
	.exit = host_exit,
	.test_cases = feature_cases,
};

kunit_test_suite(feature_suite);
