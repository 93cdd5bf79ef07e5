// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Contexts: what CONTEXT_INIT takes and refuses, contexts that are made
 * without it, each file its own, and that none of them leaves anything.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <limits.h>

#include "gpu.h"
#include "host.h"

#define LONG_TEST	110
#define CYCLES		1000
#define MAX_RINGS	64

FIXTURE(gpu_context) {
	int fd;
	int resources;
};

FIXTURE_SETUP(gpu_context)
{
	self->fd = gpu_open();
	ASSERT_LE(0, self->fd);
	if (!gpu_has(self->fd, VIRTGPU_PARAM_CONTEXT_INIT))
		SKIP(return, "the host has no CONTEXT_INIT");
	self->resources = gpu_stat("resources");
}

FIXTURE_TEARDOWN(gpu_context)
{
	close(self->fd);
	EXPECT_EQ(self->resources,
		  gpu_stat_wait("resources", self->resources));
}

static int init_one(int fd, uint64_t param, uint64_t value)
{
	struct drm_virtgpu_context_set_param p = { param, value };

	return gpu_context_init(fd, &p, 1);
}

static int init_two(int fd, uint64_t param, uint64_t value, uint64_t param2,
		    uint64_t value2)
{
	struct drm_virtgpu_context_set_param p[] = {
		{ param, value }, { param2, value2 },
	};

	return gpu_context_init(fd, p, 2);
}

/* --- what is refused --- */

TEST_F(gpu_context, bad_values)
{
	static const struct {
		uint64_t param;
		uint64_t value;
	} bad[] = {
		{ 0, 0 },
		{ 0, 1 },
		{ 5, 1 },
		{ ULLONG_MAX, 1 },
		{ 0x100000001, CAPSET_VIRGL2 },
		{ VIRTGPU_CONTEXT_PARAM_CAPSET_ID, 0 },
		{ VIRTGPU_CONTEXT_PARAM_CAPSET_ID, 64 },
		{ VIRTGPU_CONTEXT_PARAM_CAPSET_ID, ULLONG_MAX },
		{ VIRTGPU_CONTEXT_PARAM_CAPSET_ID, 0x100000000 | CAPSET_VIRGL2 },
		{ VIRTGPU_CONTEXT_PARAM_CAPSET_ID, 64 + CAPSET_VIRGL2 },
		{ VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 0 },
		{ VIRTGPU_CONTEXT_PARAM_NUM_RINGS, MAX_RINGS + 1 },
		{ VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 0x100000001 },
		{ VIRTGPU_CONTEXT_PARAM_NUM_RINGS, ULLONG_MAX },
		{ VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, 1 },
		{ VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, ULLONG_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, init_one(self->fd, bad[i].param,
					    bad[i].value))
			TH_LOG("parameter %llu, value %llu",
			       (unsigned long long)bad[i].param,
			       (unsigned long long)bad[i].value);
	}
	for (unsigned int id = 1; id < 64; id++) {
		if (gpu_has_capset(self->fd, id))
			continue;
		EXPECT_EQ(-EINVAL, init_one(self->fd,
					    VIRTGPU_CONTEXT_PARAM_CAPSET_ID,
					    id)) TH_LOG("set %u", id);
	}
	/* none of that has made a context */
	EXPECT_EQ(0, gpu_context(self->fd, CAPSET_VIRGL2, 2, 3));
}

TEST_F(gpu_context, bad_requests)
{
	struct drm_virtgpu_context_set_param many[64] = {};
	struct drm_virtgpu_context_init arg = {
		.num_params = 1, .ctx_set_params = BAD_POINTER,
	};

	EXPECT_EQ(-EFAULT, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT,
				     &arg));
	arg.ctx_set_params = 0;
	EXPECT_EQ(-EFAULT, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT,
				     &arg));
	EXPECT_EQ(-EINVAL, gpu_context_init(self->fd, many, ARRAY_SIZE(many)));
	EXPECT_EQ(-EINVAL, gpu_context_init(self->fd, many, UINT_MAX));
	EXPECT_EQ(-EINVAL, gpu_context_init(self->fd, many, UINT_MAX / 16 + 2));
	EXPECT_EQ(0, gpu_context(self->fd, CAPSET_VIRGL2, 0, 0));
}

/* A good parameter before a bad one leaves nothing behind either. */
TEST_F(gpu_context, all_or_nothing)
{
	EXPECT_EQ(-EINVAL, init_two(self->fd, VIRTGPU_CONTEXT_PARAM_NUM_RINGS,
				    8, 77, 1));
	EXPECT_EQ(-EINVAL, init_two(self->fd, VIRTGPU_CONTEXT_PARAM_CAPSET_ID,
				    CAPSET_VIRGL2,
				    VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 0));
	EXPECT_EQ(0, gpu_context(self->fd, CAPSET_VIRGL2, 1, 0));
}

TEST_F(gpu_context, repeated_parameters)
{
	static const char name[] = "twice";

	EXPECT_EQ(-EINVAL, init_two(self->fd, VIRTGPU_CONTEXT_PARAM_CAPSET_ID,
				    CAPSET_VIRGL2,
				    VIRTGPU_CONTEXT_PARAM_CAPSET_ID,
				    CAPSET_VIRGL2));
	EXPECT_EQ(-EINVAL, init_two(self->fd, VIRTGPU_CONTEXT_PARAM_NUM_RINGS,
				    2, VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 2));
	EXPECT_EQ(-EINVAL, init_two(self->fd,
				    VIRTGPU_CONTEXT_PARAM_DEBUG_NAME,
				    (uintptr_t)name,
				    VIRTGPU_CONTEXT_PARAM_DEBUG_NAME,
				    (uintptr_t)name));
}

/* The mask names rings of the context, whichever is said first. */
TEST_F(gpu_context, poll_mask)
{
	EXPECT_EQ(-EINVAL, gpu_context(self->fd, CAPSET_VIRGL2, 0, 1));
	EXPECT_EQ(-EINVAL, gpu_context(self->fd, CAPSET_VIRGL2, 1, 2));
	EXPECT_EQ(-EINVAL, gpu_context(self->fd, CAPSET_VIRGL2, 2, 4));
	EXPECT_EQ(-EINVAL, gpu_context(self->fd, CAPSET_VIRGL2, 63, 1ull << 63));
	EXPECT_EQ(-EINVAL, init_two(self->fd,
				    VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, 6,
				    VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 2));
	EXPECT_EQ(0, init_two(self->fd, VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK,
			      3, VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 2));
}

/* --- what is taken --- */

TEST_F(gpu_context, each_set_and_its_rings)
{
	static const int rings[] = { 1, 2, MAX_RINGS };

	for (unsigned int id = 1; id < 64; id++) {
		if (!gpu_has_capset(self->fd, id))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
			int fd = gpu_open();

			EXPECT_EQ(0, gpu_context(fd, id, rings[i],
						 1ull << (rings[i] - 1)))
				TH_LOG("set %u, %d rings", id, rings[i]);
			close(fd);
		}
	}
}

TEST_F(gpu_context, only_one)
{
	EXPECT_EQ(0, gpu_context(self->fd, CAPSET_VIRGL2, 1, 0));
	EXPECT_EQ(-EEXIST, gpu_context(self->fd, CAPSET_VIRGL2, 1, 0));
	EXPECT_EQ(-EEXIST, gpu_context(self->fd, CAPSET_VENUS, 64, 0));
	EXPECT_EQ(0, gpu_finish(self->fd));
}

TEST_F(gpu_context, no_parameters)
{
	EXPECT_EQ(0, gpu_context_init(self->fd, NULL, 0));
	EXPECT_EQ(-EEXIST, gpu_context_init(self->fd, NULL, 0));
	EXPECT_EQ(0, gpu_finish(self->fd));
}

/* A file that does not ask gets a context with the first thing it does. */
TEST_F(gpu_context, made_when_needed)
{
	struct gpu_bo bo;
	int fd;

	EXPECT_EQ(0, gpu_finish(self->fd));
	EXPECT_EQ(-EEXIST, gpu_context(self->fd, CAPSET_VIRGL2, 1, 0));

	fd = gpu_open();
	EXPECT_EQ(0, gpu_buffer(fd, 4096, &bo));
	EXPECT_EQ(-EEXIST, gpu_context(fd, CAPSET_VIRGL2, 1, 0));
	EXPECT_EQ(0, gpu_close(&bo));
	close(fd);
}

/* Rings are the file's own. */
TEST_F(gpu_context, files_do_not_share)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	int other = gpu_open(), fence;

	ASSERT_EQ(0, gpu_context(self->fd, CAPSET_VIRGL2, 2, 0));
	ASSERT_EQ(0, gpu_context(other, CAPSET_VIRGL2, 1, 0));
	arg.flags = VIRTGPU_EXECBUF_RING_IDX;
	arg.ring_idx = 1;
	EXPECT_EQ(-EINVAL, gpu_exec_fence(other, &arg, &fence));
	close(other);
	EXPECT_EQ(0, gpu_finish(self->fd));
}

/* --- the name --- */

TEST_F(gpu_context, debug_name)
{
	static const char name[] = "selftest name";
	char *lines;

	NEED_HOST();
	ASSERT_EQ(0, host_mark());
	EXPECT_EQ(0, init_one(self->fd, VIRTGPU_CONTEXT_PARAM_DEBUG_NAME,
			      (uintptr_t)name));
	EXPECT_EQ(0, gpu_finish(self->fd));
	EXPECT_EQ(1, host_trace("ctx_create .*name selftest name", &lines))
		TH_LOG("%s", lines);
	free(lines);
}

TEST_F(gpu_context, debug_name_limits)
{
	char *name = malloc(1 << 20);
	int fd;

	ASSERT_TRUE(name);
	memset(name, 'x', 1 << 20);
	name[(1 << 20) - 1] = 0;
	EXPECT_EQ(-EFAULT, init_one(self->fd, VIRTGPU_CONTEXT_PARAM_DEBUG_NAME,
				    BAD_POINTER));
	EXPECT_EQ(0, init_one(self->fd, VIRTGPU_CONTEXT_PARAM_DEBUG_NAME,
			      (uintptr_t)name));
	EXPECT_EQ(0, gpu_finish(self->fd));

	fd = gpu_open();
	EXPECT_EQ(0, init_one(fd, VIRTGPU_CONTEXT_PARAM_DEBUG_NAME,
			      (uintptr_t)""));
	EXPECT_EQ(0, gpu_finish(fd));
	close(fd);
	free(name);
}

/* --- nothing stays --- */

static int cycle(void)
{
	int fd = gpu_open(), ret;

	if (fd < 0)
		return fd;
	ret = gpu_finish(fd);
	close(fd);
	return ret;
}

/* What waits for a grace period is freed after a while, caches are filled. */
static long slab_settled(void)
{
	for (int i = 0; i < 20; i++) {
		if (cycle())
			return -EIO;
	}
	sleep(1);
	return gpu_slab_objects();
}

TEST_F_TIMEOUT(gpu_context, come_and_go, LONG_TEST)
{
	long before, after = slab_settled(), growth = CYCLES;
	bool host = !host_missing();
	char *lines;
	long made;

	if (after == -ENOENT)
		SKIP(return, "the kernel counts no objects (SLUB_DEBUG)");
	ASSERT_LT(0, after);
	if (host)
		ASSERT_EQ(0, host_mark());
	/*
	 * A leak of one object a cycle shows each time; what the kernel keeps for
	 * later, and others allocate meanwhile, does not.
	 */
	for (int round = 0; round < (gpu_slab_is_exact() ? 3 : 1) && growth >= CYCLES / 2;
	     round++) {
		before = after;
		for (int i = 0; i < CYCLES; i++) {
			ASSERT_EQ(0, cycle()) TH_LOG("cycle %d", i);
		}
		after = slab_settled();
		growth = after - before;
		TH_LOG("%ld objects before, %ld after", before, after);
	}
	if (gpu_slab_is_exact())
		EXPECT_GT(CYCLES / 2, growth);

	if (host) {
		made = host_trace("virtio_gpu_cmd_ctx_create\\b", &lines);
		free(lines);
		EXPECT_LE(CYCLES, made);
		EXPECT_EQ(made, host_trace("virtio_gpu_cmd_ctx_destroy\\b",
					   &lines));
		free(lines);
	}
}

/* Many at once. */
TEST_F_TIMEOUT(gpu_context, at_the_same_time, LONG_TEST)
{
	int fds[100];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = gpu_open();
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(0, gpu_context(fds[i], CAPSET_VIRGL2, 1, 0));
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		EXPECT_EQ(0, gpu_finish(fds[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

TEST_HARNESS_MAIN
