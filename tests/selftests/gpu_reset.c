// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * 3D clients and a device that is reset: what they had is lost, they are told,
 * and those that come later work.
 */
#include <errno.h>
#include <string.h>

#include "gpu_test.h"
#include "reset.h"

static int reset_gpu(void)
{
	int fd, minor, ret;

	fd = kms_open_node(DRM_NODE_PRIMARY, &minor);
	if (fd < 0)
		return fd;
	ret = reset_minor(minor);
	close(fd);
	return ret;
}

TEST_F_TIMEOUT(gpu, contexts_are_lost, LONG_TEST)
{
	struct drm_virtgpu_execbuffer nop = gpu_nop();
	struct gpu_bo texture;
	int fd;

	ASSERT_EQ(0, gpu_exec(self->fd, &nop));
	ASSERT_EQ(0, gpu_texture(self->fd, 64, 64, &texture));
	ASSERT_EQ(0, gpu_wait(&texture, 0));
	ASSERT_EQ(0, reset_gpu());
	EXPECT_EQ(-ECANCELED, gpu_exec(self->fd, &nop));
	EXPECT_EQ(-ECANCELED, gpu_transfer(&texture, true, 0, 0, 64, 64, 0));
	EXPECT_EQ(0, gpu_close(&texture));

	fd = gpu_open();
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, gpu_exec(fd, &nop));
	EXPECT_EQ(0, gpu_texture(fd, 64, 64, &texture));
	EXPECT_EQ(0, gpu_wait(&texture, 0));
	EXPECT_EQ(0, gpu_finish(fd));
	EXPECT_EQ(0, gpu_close(&texture));
	close(fd);
}

/* Fences end, with the error that says why. */
TEST_F_TIMEOUT(gpu, fences_signal, LONG_TEST)
{
	int fence, status;

	for (int i = 0; i < 20; i++) {
		struct drm_virtgpu_execbuffer nop = gpu_nop();
		int fd = gpu_open();

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, gpu_exec_fence(fd, &nop, &fence));
		if (i % 5 == 0)
			ASSERT_EQ(0, reset_gpu());
		EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
		status = gpu_fence_status(fence);
		EXPECT_TRUE(status == 1 || status == -ECANCELED) {
			TH_LOG("status %d", status);
		}
		close(fence);
		close(fd);
	}
}

/* A blob over the program's memory keeps what is in it. */
TEST_F_TIMEOUT(gpu, memory, LONG_TEST)
{
	struct drm_virtgpu_resource_create_blob guest = {
		.blob_mem = VIRTGPU_BLOB_MEM_GUEST,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
		.size = 65536,
	};
	static uint8_t want[65536];
	struct gpu_bo blob;

	if (!gpu_has(self->fd, VIRTGPU_PARAM_RESOURCE_BLOB))
		SKIP(return, "the host has no blobs");
	ASSERT_EQ(0, gpu_create_blob(self->fd, &guest, &blob));
	ASSERT_EQ(0, gpu_map(&blob));
	gpu_pattern(blob.map, 65536, 5);
	ASSERT_EQ(0, gpu_wait(&blob, 0));
	ASSERT_EQ(0, reset_gpu());
	EXPECT_EQ(0, gpu_wait(&blob, 0));
	gpu_pattern(want, sizeof(want), 5);
	EXPECT_EQ(0, memcmp(want, blob.map, sizeof(want)));
	EXPECT_EQ(0, gpu_close(&blob));
}

TEST_F_TIMEOUT(gpu, after_sleep, LONG_TEST)
{
	struct drm_virtgpu_execbuffer nop = gpu_nop();
	const char *why = sleep_missing();
	int fd;

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, gpu_exec(self->fd, &nop));
	ASSERT_EQ(0, sleep_a_while());
	EXPECT_EQ(-ECANCELED, gpu_exec(self->fd, &nop));
	fd = gpu_open();
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, gpu_exec(fd, &nop));
	EXPECT_EQ(0, gpu_finish(fd));
	close(fd);
}

TEST_HARNESS_MAIN
