// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Submissions of which the program closes the buffers at once, as the scripted
 * GPU sees them: a buffer is there, and in its context, until it was used.
 */
#include <kselftest_harness.h>

#include <errno.h>

#include "dev.h"
#include "gate.h"

#define LONG_TEST	60

FIXTURE(exec) {
	int fd;
	struct gpu_bo bo;
	uint32_t handles[1];
	struct drm_virtgpu_execbuffer arg;
};

FIXTURE_SETUP(exec)
{
	self->fd = -1;
	NEED_DEVICE();
	ASSERT_EQ(0, dev_clear());
	self->fd = gpu_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, gpu_finish(self->fd));
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &self->bo));
	ASSERT_EQ(0, gpu_wait(&self->bo, 0));
	self->handles[0] = self->bo.handle;
	self->arg = gpu_nop();
	self->arg.bo_handles = (uintptr_t)self->handles;
	self->arg.num_bo_handles = 1;
	ASSERT_EQ(0, host_mark());
}

FIXTURE_TEARDOWN(exec)
{
	if (self->fd >= 0)
		close(self->fd);
}

/* The submission waits in the guest, and its only buffer has no handle any more. */
TEST_F_TIMEOUT(exec, closed_behind_a_fence, LONG_TEST)
{
	struct gate gate;
	int fence;

	ASSERT_EQ(0, gate_make(&gate));
	self->arg.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
	self->arg.fence_fd = gate.sync_file;
	ASSERT_EQ(0, gpu_exec_fence(self->fd, &self->arg, &fence));
	ASSERT_EQ(0, gpu_close(&self->bo));
	/* whatever goes to the host by then goes before this */
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &self->bo));
	ASSERT_EQ(0, gpu_wait(&self->bo, 0));
	EXPECT_EQ(0, dev_count("submit_3d"));
	EXPECT_EQ(0, dev_count("ctx_detach_resource"));
	EXPECT_EQ(0, dev_count("resource_unref"));

	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
	EXPECT_EQ(1, dev_wait("resource_unref", 1));
	close(fence);
	gate_free(&gate);
	EXPECT_EQ(0, gpu_close(&self->bo));
}

/* A second handle of the same buffer goes, the first is still used. */
TEST_F_TIMEOUT(exec, another_handle_is_closed, LONG_TEST)
{
	struct drm_gem_flink flink = { .handle = self->bo.handle };
	struct drm_gem_open open = {};
	struct drm_gem_close closed = {};
	int card = kms_open_node(DRM_NODE_PRIMARY, NULL);

	ASSERT_LE(0, card);
	ASSERT_EQ(0, gpu_finish(card));
	ASSERT_EQ(0, gpu_buffer(card, 4096, &self->bo));
	flink.handle = self->bo.handle;
	ASSERT_EQ(0, kms_ioctl(card, DRM_IOCTL_GEM_FLINK, &flink));
	open.name = flink.name;
	ASSERT_EQ(0, kms_ioctl(card, DRM_IOCTL_GEM_OPEN, &open));
	ASSERT_NE(open.handle, self->bo.handle);
	closed.handle = open.handle;
	ASSERT_EQ(0, kms_ioctl(card, DRM_IOCTL_GEM_CLOSE, &closed));
	/* the device notices what is not attached */
	EXPECT_EQ(0, gpu_transfer(&self->bo, true, 0, 0, 64, 1, 0));
	EXPECT_EQ(0, gpu_wait(&self->bo, 0));
	EXPECT_EQ(0, gpu_close(&self->bo));
	close(card);
}

FIXTURE(file) {
	int fd;
};

FIXTURE_SETUP(file)
{
}

FIXTURE_TEARDOWN(file)
{
}

/* Without 3D nothing but the file holds what its fences are on, and it is closed here. */
TEST_F_TIMEOUT(file, closed_behind_a_transfer, LONG_TEST)
{
	struct drm_virtgpu_resource_create arg = {
		.target = 2, .format = 2, .width = 64, .height = 32, .depth = 1,
		.array_size = 1, .size = 64 * 32 * 4,
	};
	struct drm_virtgpu_3d_transfer_to_host to = {
		.box = { .w = 64, .h = 32, .d = 1 },
	};

	NEED_DEVICE();
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, dev_replug("edid"));
	for (int i = 0; i < 5; i++) {
		self->fd = gpu_open();
		ASSERT_LE(0, self->fd);
		ASSERT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &arg));
		to.bo_handle = arg.bo_handle;
		ASSERT_EQ(0, dev_fault("transfer_to_host_2d", "late 200"));
		ASSERT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, &to));
		close(self->fd);
		usleep(300000);
		ASSERT_EQ(0, dev_clear());
	}
	EXPECT_EQ(0, dev_works());
	ASSERT_EQ(0, dev_replug("all"));
	EXPECT_EQ(0, dev_works());
}

TEST_HARNESS_MAIN
