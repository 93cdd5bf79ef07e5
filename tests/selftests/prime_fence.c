// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Implicit fences: who shows a buffer waits for those who draw into it, on
 * whatever device, and the fences of a dma-buf come and go as sync files.
 */
#include "imported.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <linux/sync_file.h>
#include <drm/vgem_drm.h>

#include "gate.h"

#define A_WHILE_MS	300

FIXTURE_VARIANT_ADD(import, module) { .from = EXPORT_MODULE };

static int readable(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, timeout_ms);
}

/* Nothing happens, and then, when the fence signals, what was drawn is shown. */
static void flip_waits(struct __test_metadata *_metadata,
		       FIXTURE_DATA(import) *self, struct kms_fb *fb)
{
	struct kms_event ev;
	uint64_t start = kms_now_ns();

	ASSERT_EQ(0, kms_flip(&self->k, self->o, fb, NONBLOCK_EVENT, 0));
	EXPECT_GT(2000000000ULL, kms_now_ns() - start);
	EXPECT_EQ(-ETIME, kms_event(&self->k, &ev, A_WHILE_MS));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	}
	kms_fb_draw(fb, 9);
}

static void flip_is_done(struct __test_metadata *_metadata,
			 FIXTURE_DATA(import) *self, struct kms_fb *fb)
{
	EXPECT_EQ(0, kms_wait_flip(&self->k));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, fb));
	}
}

static void check_flip_waits(struct __test_metadata *_metadata,
			     FIXTURE_DATA(import) *self, unsigned int usage,
			     unsigned int error)
{
	struct kms_fb fb;

	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, module_fence_add(self->share.fd, usage));
	flip_waits(_metadata, self, &fb);
	ASSERT_EQ(0, module_fence_signal(self->share.fd, error));
	flip_is_done(_metadata, self, &fb);
	kms_fb_destroy(&fb);
}

TEST_F_TIMEOUT(import, writer_holds_the_flip_back, LONG_TEST)
{
	check_flip_waits(_metadata, self, VIRTGPU_TEST_FENCE_WRITE, 0);
}

TEST_F_TIMEOUT(import, kernel_holds_the_flip_back, LONG_TEST)
{
	check_flip_waits(_metadata, self, VIRTGPU_TEST_FENCE_KERNEL, 0);
}

/* The picture may be wrong then, but the screen goes on. */
TEST_F_TIMEOUT(import, writer_fails, LONG_TEST)
{
	check_flip_waits(_metadata, self, VIRTGPU_TEST_FENCE_WRITE, EIO);
}

/* Who reads does not disturb others that do. */
TEST_F_TIMEOUT(import, reader_does_not, LONG_TEST)
{
	struct kms_fb fb;

	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, share_draw(self->share.fd, &fb, 4));
	ASSERT_EQ(0, module_fence_add(self->share.fd,
				      VIRTGPU_TEST_FENCE_READ));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, NONBLOCK_EVENT, 0));
	flip_is_done(_metadata, self, &fb);
	ASSERT_EQ(0, module_fence_signal(self->share.fd, 0));
	kms_fb_destroy(&fb);
}

TEST_F_TIMEOUT(import, legacy_flip_waits, LONG_TEST)
{
	struct kms_event ev;
	struct kms_fb fb;

	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, module_fence_add(self->share.fd,
				      VIRTGPU_TEST_FENCE_WRITE));
	ASSERT_EQ(0, drmModePageFlip(self->k.fd, self->o->crtc, fb.id,
				     DRM_MODE_PAGE_FLIP_EVENT, NULL));
	EXPECT_EQ(-ETIME, kms_event(&self->k, &ev, A_WHILE_MS));
	kms_fb_draw(&fb, 5);
	ASSERT_EQ(0, module_fence_signal(self->share.fd, 0));
	flip_is_done(_metadata, self, &fb);
	kms_fb_destroy(&fb);
}

/* The buffer goes while a flip to it waits. */
TEST_F_TIMEOUT(import, freed_while_a_flip_waits, LONG_TEST)
{
	struct virtgpu_test_stats stats;
	struct kms_fb fb;

	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, module_fence_add(self->share.fd,
				      VIRTGPU_TEST_FENCE_WRITE));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, NONBLOCK_EVENT, 0));
	EXPECT_EQ(0, gem_close(self->k.fd, fb.handle));
	fb.handle = 0;
	ASSERT_EQ(0, module_fence_signal(self->share.fd, 0));
	EXPECT_EQ(0, kms_wait_flip(&self->k));
	kms_fb_destroy(&fb);
	EXPECT_EQ(0, module_wait_idle(self->share.fd, &stats));
	EXPECT_EQ(0, stats.unmapped_busy);
}

/* --- sync files --- */

/* A sync file that is put into the dma-buf holds the flip back, too. */
TEST_F_TIMEOUT(import, imported_sync_file, LONG_TEST)
{
	struct dma_buf_import_sync_file arg = { .flags = DMA_BUF_SYNC_WRITE };
	struct gate gate;
	struct kms_fb fb;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	arg.fd = gate.sync_file;
	ASSERT_EQ(0, kms_ioctl(self->share.fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
			       &arg));
	flip_waits(_metadata, self, &fb);
	ASSERT_EQ(0, gate_open(&gate));
	flip_is_done(_metadata, self, &fb);
	kms_fb_destroy(&fb);
	gate_free(&gate);
}

/* ... also that of a buffer of our own. */
TEST_F_TIMEOUT(import, imported_sync_file_of_our_own, LONG_TEST)
{
	struct dma_buf_import_sync_file arg = { .flags = DMA_BUF_SYNC_WRITE };
	struct gate gate;
	struct kms_fb fb;
	int fd;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, kms_fb_create(&self->k, WIDTH, HEIGHT,
				   DRM_FORMAT_XRGB8888, &fb));
	ASSERT_EQ(0, dmabuf_export(self->k.fd, fb.handle, &fd));
	arg.fd = gate.sync_file;
	ASSERT_EQ(0, kms_ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg));
	close(fd);
	flip_waits(_metadata, self, &fb);
	ASSERT_EQ(0, gate_open(&gate));
	flip_is_done(_metadata, self, &fb);
	kms_fb_destroy(&fb);
	gate_free(&gate);
}

static void interrupted(int signal)
{
	(void)signal;
}

/* Who waits for the fences of our buffer before touching it can be interrupted. */
TEST_F_TIMEOUT(import, access_is_interrupted, LONG_TEST)
{
	struct sigaction action = { .sa_handler = interrupted };
	struct dma_buf_sync begin = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ };
	struct dma_buf_import_sync_file in = { .flags = DMA_BUF_SYNC_WRITE };
	struct gate gate;
	int fd;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, dmabuf_export(self->k.fd, self->fb.handle, &fd));
	in.fd = gate.sync_file;
	ASSERT_EQ(0, kms_ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	alarm(1);
	EXPECT_EQ(-1, ioctl(fd, DMA_BUF_IOCTL_SYNC, &begin));
	EXPECT_EQ(EINTR, errno);
	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, ioctl(fd, DMA_BUF_IOCTL_SYNC, &begin));
	begin.flags |= DMA_BUF_SYNC_END;
	EXPECT_EQ(0, ioctl(fd, DMA_BUF_IOCTL_SYNC, &begin));
	gate_free(&gate);
	close(fd);
}

/* The exporter's fence comes out of the buffer as a sync file. */
TEST_F(import, exported_sync_file)
{
	struct dma_buf_export_sync_file arg = { .flags = DMA_BUF_SYNC_READ };
	uint32_t handle;

	ASSERT_EQ(0, dmabuf_import(self->k.fd, self->share.fd, &handle));
	ASSERT_EQ(0, module_fence_add(self->share.fd,
				      VIRTGPU_TEST_FENCE_WRITE));
	ASSERT_EQ(0, kms_ioctl(self->share.fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
			       &arg));
	EXPECT_EQ(0, readable(arg.fd, POLLIN, A_WHILE_MS));
	ASSERT_EQ(0, module_fence_signal(self->share.fd, 0));
	EXPECT_EQ(1, readable(arg.fd, POLLIN, KMS_WAIT_MS));
	close(arg.fd);
	EXPECT_EQ(0, gem_close(self->k.fd, handle));
}

/* What the card does with the buffer ends, as far as others can see. */
TEST_F_TIMEOUT(import, idle_after_a_flip, LONG_TEST)
{
	struct dma_buf_export_sync_file arg = { .flags = DMA_BUF_SYNC_RW };
	struct kms_fb fb;

	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	ASSERT_EQ(0, kms_ioctl(self->share.fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
			       &arg));
	EXPECT_EQ(1, readable(arg.fd, POLLIN, KMS_WAIT_MS));
	EXPECT_EQ(1, readable(self->share.fd, POLLOUT, KMS_WAIT_MS));
	close(arg.fd);
	kms_fb_destroy(&fb);
}

/* --- 3D --- */

/* A submission that names the buffer waits for it, and others for that. */
TEST_F_TIMEOUT(import, submission, LONG_TEST)
{
	struct drm_virtgpu_execbuffer exec = gpu_nop();
	struct gpu_bo bo = { .size = SIZE };
	int fence;

	bo.fd = gpu_open();
	ASSERT_LE(0, bo.fd);
	if (!gpu_has(bo.fd, VIRTGPU_PARAM_3D_FEATURES)) {
		close(bo.fd);
		SKIP(return, "the host has no 3D");
	}
	ASSERT_EQ(0, gpu_finish(bo.fd));
	ASSERT_EQ(0, dmabuf_import(bo.fd, self->share.fd, &bo.handle));
	ASSERT_EQ(0, module_fence_add(self->share.fd,
				      VIRTGPU_TEST_FENCE_WRITE));
	exec.bo_handles = (uintptr_t)&bo.handle;
	exec.num_bo_handles = 1;
	ASSERT_EQ(0, gpu_exec_fence(bo.fd, &exec, &fence));
	EXPECT_EQ(-ETIME, gpu_fence_wait(fence, A_WHILE_MS));
	EXPECT_EQ(0, readable(self->share.fd, POLLOUT, 0));
	ASSERT_EQ(0, module_fence_signal(self->share.fd, 0));
	EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
	EXPECT_EQ(1, readable(self->share.fd, POLLOUT, KMS_WAIT_MS));
	close(fence);
	EXPECT_EQ(0, gpu_close(&bo));
	close(bo.fd);
}

TEST_HARNESS_MAIN
