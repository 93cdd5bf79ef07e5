// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What a 3D device says of itself: GETPARAM and GET_CAPS.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <limits.h>

#include "gpu.h"

#define FILL		0xa5
#define ROOM		(256 << 10)	/* no capability set is as big */

FIXTURE(gpu_caps) {
	int fd;
	uint64_t capsets;
	uint8_t *caps;
};

FIXTURE_SETUP(gpu_caps)
{
	self->fd = gpu_open();
	ASSERT_LE(0, self->fd);
	if (!gpu_has(self->fd, VIRTGPU_PARAM_3D_FEATURES))
		SKIP(return, "the host has no 3D");
	ASSERT_EQ(0, gpu_getparam(self->fd, VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs,
				  &self->capsets));
	self->caps = malloc(ROOM);
	ASSERT_TRUE(self->caps);
}

FIXTURE_TEARDOWN(gpu_caps)
{
	free(self->caps);
	close(self->fd);
}

static int getparam(int fd, uint64_t param, uint64_t value)
{
	struct drm_virtgpu_getparam arg = { .param = param, .value = value };

	return kms_ioctl(fd, DRM_IOCTL_VIRTGPU_GETPARAM, &arg);
}

static int get_caps(int fd, uint32_t id, uint32_t version, void *to,
		    uint32_t size)
{
	struct drm_virtgpu_get_caps arg = {
		.cap_set_id = id, .cap_set_ver = version,
		.addr = (uintptr_t)to, .size = size,
	};

	return kms_ioctl(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &arg);
}

/* Bytes up to the last that is not FILL. */
static size_t written(const uint8_t *caps)
{
	size_t len = ROOM;

	while (len && caps[len - 1] == FILL)
		len--;
	return len;
}

/* --- parameters --- */

TEST_F(gpu_caps, parameters)
{
	static const struct {
		uint64_t param;
		uint64_t max;
	} flags[] = {
		{ VIRTGPU_PARAM_3D_FEATURES, 1 },
		{ VIRTGPU_PARAM_CAPSET_QUERY_FIX, 1 },
		{ VIRTGPU_PARAM_RESOURCE_BLOB, 1 },
		{ VIRTGPU_PARAM_HOST_VISIBLE, 1 },
		{ VIRTGPU_PARAM_CROSS_DEVICE, 1 },
		{ VIRTGPU_PARAM_CONTEXT_INIT, 1 },
		{ VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		uint64_t value;

		EXPECT_EQ(0, gpu_getparam(self->fd, flags[i].param, &value));
		EXPECT_LE(value, flags[i].max)
			TH_LOG("parameter %d", (int)flags[i].param);
	}
	EXPECT_TRUE(gpu_has(self->fd, VIRTGPU_PARAM_CAPSET_QUERY_FIX));
	/* a context's name comes with CONTEXT_INIT */
	EXPECT_EQ(gpu_has(self->fd, VIRTGPU_PARAM_CONTEXT_INIT),
		  gpu_has(self->fd, VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME));
	TH_LOG("capability sets 0x%llx", (unsigned long long)self->capsets);
}

/* An alignment, or -ENOENT from a host that has none. */
TEST_F(gpu_caps, blob_alignment)
{
	uint64_t value;
	int ret = gpu_getparam(self->fd, VIRTGPU_PARAM_BLOB_ALIGNMENT, &value);

	if (ret == -ENOENT) {
		EXPECT_EQ(0, value);
		return;
	}
	EXPECT_EQ(0, ret);
	EXPECT_NE(0, value);
	EXPECT_EQ(0, value & (value - 1));
}

TEST_F(gpu_caps, bad_parameters)
{
	uint64_t value = ~0ull;

	EXPECT_EQ(-EINVAL, getparam(self->fd, 0, (uintptr_t)&value));
	EXPECT_EQ(-EINVAL, getparam(self->fd, 1000, (uintptr_t)&value));
	EXPECT_EQ(-EINVAL, getparam(self->fd, ULLONG_MAX, (uintptr_t)&value));
	EXPECT_EQ(-EINVAL, getparam(self->fd, 0x100000001, (uintptr_t)&value));
	EXPECT_EQ(~0ull, value);
	for (int param = VIRTGPU_PARAM_3D_FEATURES;
	     param <= VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME; param++) {
		EXPECT_EQ(-EFAULT, getparam(self->fd, param, BAD_POINTER));
		EXPECT_EQ(-EFAULT, getparam(self->fd, param, 0));
	}
}

/* Programs give an int: no more than that is written. */
TEST_F(gpu_caps, a_parameter_is_an_int)
{
	for (int param = VIRTGPU_PARAM_3D_FEATURES;
	     param <= VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME; param++) {
		uint64_t value = ~0ull;

		if (param == VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs &&
		    self->capsets >> 32)
			continue;
		EXPECT_EQ(0, getparam(self->fd, param, (uintptr_t)&value));
		EXPECT_EQ(0xffffffff, value >> 32) TH_LOG("parameter %d", param);
	}
}

/* --- capability sets --- */

/* Every set in the mask can be read, is not empty, and stays the same. */
TEST_F(gpu_caps, each_set)
{
	uint8_t *again = malloc(ROOM);

	ASSERT_TRUE(again);
	EXPECT_NE(0, self->capsets);
	for (unsigned int id = 0; id < 64; id++) {
		size_t len, zeroes = 0;

		if (!(self->capsets >> id & 1))
			continue;
		memset(self->caps, FILL, ROOM);
		memset(again, FILL, ROOM);
		ASSERT_EQ(0, get_caps(self->fd, id, 0, self->caps, ROOM))
			TH_LOG("set %u", id);
		ASSERT_EQ(0, get_caps(self->fd, id, 0, again, ROOM));
		EXPECT_EQ(0, memcmp(self->caps, again, ROOM));

		len = written(self->caps);
		for (size_t i = 0; i < len; i++)
			zeroes += !self->caps[i];
		EXPECT_LT(0, len);
		EXPECT_LT(zeroes, len);
		TH_LOG("set %u: %zu bytes", id, len);
	}
	free(again);
}

/* A short buffer gets the beginning, and nothing is written behind it. */
TEST_F(gpu_caps, sizes)
{
	uint8_t *cut = malloc(ROOM);

	ASSERT_TRUE(cut);
	for (unsigned int id = 0; id < 64; id++) {
		size_t len;

		if (!(self->capsets >> id & 1))
			continue;
		memset(self->caps, FILL, ROOM);
		ASSERT_EQ(0, get_caps(self->fd, id, 0, self->caps, ROOM));
		len = written(self->caps);

		for (size_t size = 1; size <= len; size = size * 3 + 1) {
			memset(cut, FILL, ROOM);
			ASSERT_EQ(0, get_caps(self->fd, id, 0, cut, size));
			EXPECT_EQ(0, memcmp(self->caps, cut, size));
			EXPECT_GE(size, written(cut));
		}
		EXPECT_EQ(-EINVAL, get_caps(self->fd, id, 0, cut, 0));
		/* no size makes the kernel allocate what the program says */
		EXPECT_EQ(0, get_caps(self->fd, id, 0, cut, UINT_MAX));
		EXPECT_EQ(-EFAULT, get_caps(self->fd, id, 0,
					    (void *)BAD_POINTER, len));
		EXPECT_EQ(-EFAULT, get_caps(self->fd, id, 0, NULL, len));
	}
	free(cut);
}

TEST_F(gpu_caps, unknown_sets)
{
	memset(self->caps, FILL, ROOM);
	for (unsigned int id = 0; id < 64; id++) {
		if (self->capsets >> id & 1)
			continue;
		EXPECT_EQ(-EINVAL, get_caps(self->fd, id, 0, self->caps, 64))
			TH_LOG("set %u", id);
	}
	/* ids over 63 are in no mask, and do not wrap into it */
	for (unsigned int id = 0; id < 64; id++) {
		EXPECT_EQ(-EINVAL, get_caps(self->fd, id + 64, 0, self->caps,
					    64));
	}
	EXPECT_EQ(-EINVAL, get_caps(self->fd, UINT_MAX, 0, self->caps, 64));
	EXPECT_EQ(0, written(self->caps));
}

TEST_F(gpu_caps, versions)
{
	for (unsigned int id = 0; id < 64; id++) {
		unsigned int version = 0;

		if (!(self->capsets >> id & 1))
			continue;
		/* each version up to the host's, and none after it */
		while (version < 16 &&
		       !get_caps(self->fd, id, version, self->caps, 64))
			version++;
		EXPECT_LT(0, version);
		EXPECT_GT(16, version);
		memset(self->caps, FILL, ROOM);
		EXPECT_EQ(-EINVAL, get_caps(self->fd, id, version, self->caps,
					    64));
		EXPECT_EQ(-EINVAL, get_caps(self->fd, id, UINT_MAX, self->caps,
					    64));
		EXPECT_EQ(0, written(self->caps));
	}
}

TEST_HARNESS_MAIN
