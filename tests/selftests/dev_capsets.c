// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Capability sets of any id, also above 31, from hosts that are slow, or wrong.
 * What sets there are says the set-up 'dev' (tests/guest/setups.py).
 */
#include <kselftest_harness.h>

#include <errno.h>

#include "dev.h"

#define ROOM	256

static const struct {
	uint32_t id;
	uint32_t version;
	uint32_t size;
} sets[] = {
	{ 2, 2, 64 }, { 4, 0, 160 }, { 31, 1, 32 }, { 32, 1, 48 }, { 63, 3, 16 },
};

static int get_caps(int fd, uint32_t id, uint32_t version, uint8_t *to)
{
	struct drm_virtgpu_get_caps arg = {
		.cap_set_id = id, .cap_set_ver = version,
		.addr = (uintptr_t)to, .size = ROOM,
	};

	memset(to, 0, ROOM);
	return kms_ioctl(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &arg);
}

/* The content that the scripted GPU gives, and nothing behind it. */
static bool is_set(const uint8_t *data, uint32_t id, uint32_t size)
{
	for (uint32_t i = 0; i < ROOM; i++)
		if (data[i] != (i < size ? (uint8_t)(7 * id + i) : 0))
			return false;
	return true;
}

/* A device just found: no set was asked for yet. */
FIXTURE(capsets) {
	int fd;
	uint8_t data[ROOM];
};

FIXTURE_SETUP(capsets)
{
	self->fd = -1;
	NEED_DEVICE();
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, dev_replug("all"));
	ASSERT_EQ(0, host_mark());
	self->fd = gpu_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(capsets)
{
	if (self->fd < 0)
		return;
	EXPECT_EQ(0, dev_clear());
	close(self->fd);
}

TEST_F(capsets, ids)
{
	uint64_t mask = 0, want = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		want |= 1ull << sets[i].id;
	ASSERT_EQ(0, gpu_getparam(self->fd, VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs,
				  &mask));
	EXPECT_EQ(want, mask);
}

TEST_F(capsets, contents)
{
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
			ASSERT_EQ(0, get_caps(self->fd, sets[i].id,
					      sets[i].version, self->data));
			EXPECT_TRUE(is_set(self->data, sets[i].id, sets[i].size))
				TH_LOG("set %u", sets[i].id);
		}
	}
	/* each was asked for once */
	EXPECT_EQ(ARRAY_SIZE(sets), dev_count("get_capset"));
}

TEST_F(capsets, versions)
{
	EXPECT_EQ(0, get_caps(self->fd, 63, 0, self->data));
	EXPECT_EQ(0, get_caps(self->fd, 63, 3, self->data));
	EXPECT_EQ(-EINVAL, get_caps(self->fd, 63, 4, self->data));
	EXPECT_EQ(-EINVAL, get_caps(self->fd, 62, 0, self->data));
	EXPECT_EQ(-EINVAL, get_caps(self->fd, 64, 0, self->data));
	EXPECT_EQ(-EINVAL, get_caps(self->fd, 32 + 31, 4, self->data));
	EXPECT_EQ(-EINVAL, get_caps(self->fd, UINT32_MAX, 0, self->data));
}

/* A context of each kind: the host is told which. */
TEST_F(capsets, contexts)
{
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		struct drm_virtgpu_execbuffer exec = gpu_nop();
		char pattern[64];
		int fd = gpu_open();

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, gpu_context(fd, sets[i].id, 0, 0));
		EXPECT_EQ(0, gpu_exec(fd, &exec));
		EXPECT_EQ(0, gpu_finish(fd));
		snprintf(pattern, sizeof(pattern),
			 "ctx_create.*\"context_init\":%u,.*ok_nodata",
			 sets[i].id);
		EXPECT_EQ(1, host_device_log(pattern, NULL)) TH_LOG("%s", pattern);
		close(fd);
	}
	EXPECT_EQ(-EINVAL, gpu_context(self->fd, 62, 0, 0));
	EXPECT_EQ(-EINVAL, gpu_context(self->fd, 64, 0, 0));
}

/* What went wrong once is not kept: the next time it is asked for again. */
TEST_F(capsets, errors_are_not_kept)
{
	static const struct {
		const char *action;
		int error;
	} faults[] = {
		{ "error out_of_memory", -ENOMEM },
		{ "error invalid_parameter", -EINVAL },
		{ "error unspec", -EREMOTEIO },
		{ "short 0", -EPROTO },
		{ "short 23", -EPROTO },
		{ "type ok_nodata", -EPROTO },
		{ "type 0", -EPROTO },
		{ "type ffffffff", -EPROTO },
	};

	dev_expect("GET_CAPSET refused");
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		int ret;

		ASSERT_EQ(0, dev_fault("get_capset", faults[i].action));
		ret = get_caps(self->fd, 32, 1, self->data);
		EXPECT_EQ(faults[i].error, ret) TH_LOG("%s", faults[i].action);
	}
	EXPECT_EQ(0, get_caps(self->fd, 32, 1, self->data));
	EXPECT_TRUE(is_set(self->data, 32, 48));
	EXPECT_EQ(ARRAY_SIZE(faults) + 1, dev_count("get_capset"));
}

/* Behind an answer that is cut there is nothing. */
TEST_F(capsets, cut_short)
{
	ASSERT_EQ(0, dev_fault("get_capset", "short 40"));
	if (!get_caps(self->fd, 32, 1, self->data))
		EXPECT_TRUE(is_set(self->data, 32, 16));
}

/* A slow answer is no failure; a host that is slower than that is not waited for. */
TEST_F_TIMEOUT(capsets, late, 60)
{
	ASSERT_EQ(0, dev_fault("get_capset", "late 3000"));
	EXPECT_EQ(0, get_caps(self->fd, 4, 0, self->data));
	EXPECT_TRUE(is_set(self->data, 4, 160));

	ASSERT_EQ(0, dev_timeout(500));
	ASSERT_EQ(0, dev_fault("get_capset", "never"));
	EXPECT_EQ(-ETIMEDOUT, get_caps(self->fd, 31, 1, self->data));
	ASSERT_EQ(0, dev_timeout(0));
	ASSERT_EQ(0, dev_clear());
	EXPECT_EQ(0, get_caps(self->fd, 31, 1, self->data));
	EXPECT_TRUE(is_set(self->data, 31, 32));
}

/* Sets that could not be listed at first are there when they are asked for. */
TEST_F_TIMEOUT(capsets, late_list, 60)
{
	uint64_t mask = 0;
	int fd;

	ASSERT_EQ(0, host_unplug());
	ASSERT_EQ(0, dev_fault("get_capset_info", "late 6000"));
	ASSERT_EQ(0, host_device(NULL, 0, "fault get_capset_info 3 error unspec"));
	dev_expect("GET_CAPSET_INFO refused");
	ASSERT_EQ(0, host_plug("all"));
	ASSERT_LE(0, close(dev_card()));
	fd = gpu_open();
	ASSERT_LE(0, fd);
	for (int i = 0; i < 3 && __builtin_popcountll(mask) < 5; i++)
		gpu_getparam(fd, VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs, &mask);
	EXPECT_EQ(5, __builtin_popcountll(mask));
	EXPECT_EQ(0, get_caps(fd, 63, 3, self->data));
	EXPECT_TRUE(is_set(self->data, 63, 16));
	close(fd);
}

TEST_HARNESS_MAIN
