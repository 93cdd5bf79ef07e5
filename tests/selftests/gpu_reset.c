// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * 3D clients and a device that is reset: what they had is lost, they are told,
 * and those that come later work.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "gpu_test.h"
#include "reset.h"
#include "share.h"

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

#define LOSSES	3

/* One client after the other, until so many have lost their context. */
static int submit_until_lost(int *lost, int *hung)
{
	uint64_t end = kms_now_ns() + 60 * 1000000000ULL;
	struct drm_virtgpu_execbuffer nop = gpu_nop();
	int fd = gpu_open(), fence, count = 0;

	while (fd >= 0 && *lost < LOSSES && kms_now_ns() < end) {
		int ret = gpu_exec_fence(fd, &nop, &fence);

		if (!ret) {
			ret = gpu_fence_wait(fence, KMS_WAIT_MS);
			close(fence);
			count++;
		}
		*hung += ret == -ETIME;
		if (ret != -ECANCELED)
			continue;
		*lost += count > 0;
		close(fd);
		fd = gpu_open();
	}
	close(fd);
	return count;
}

/* Soon, when the last of several resets was done. */
static bool new_clients_work(void)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;
	int ret;

	do {
		int fd = gpu_open();

		ret = gpu_finish(fd);
		close(fd);
		usleep(20000);
	} while (ret == -ECANCELED && kms_now_ns() < end);
	return !ret;
}

/* The device asks for resets while clients submit: every fence signals. */
TEST_F_TIMEOUT(gpu, device_asks, LONG_TEST)
{
	int lost = 0, hung = 0, count;
	pid_t child;

	NEED_MODULE();
	child = fork();
	ASSERT_LE(0, child);
	while (!child) {
		usleep(500000);
		module_break(0, VIRTGPU_TEST_BREAK_DEVICE);
	}
	count = submit_until_lost(&lost, &hung);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	module_close();
	TH_LOG("%d submissions, %d contexts lost", count, lost);
	EXPECT_EQ(LOSSES, lost);
	EXPECT_EQ(0, hung);
	EXPECT_TRUE(new_clients_work());
}

/* Memory that only the host had is gone: who touches it gets a signal. */
TEST_F_TIMEOUT(gpu, host_memory, LONG_TEST)
{
	struct drm_virtgpu_resource_create_blob host = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
		.size = 65536,
	};
	struct gpu_bo blob;

	if (!gpu_has(self->fd, VIRTGPU_PARAM_HOST_VISIBLE))
		SKIP(return, "the host shows no memory");
	if (!gpu_has_capset(self->fd, CAPSET_VENUS))
		SKIP(return, "the host has no Venus");
	ASSERT_EQ(0, gpu_context(self->fd, CAPSET_VENUS, 0, 0));
	ASSERT_EQ(0, gpu_create_blob(self->fd, &host, &blob));
	ASSERT_EQ(0, gpu_map(&blob));
	gpu_pattern(blob.map, 65536, 5);
	ASSERT_EQ(0, reset_gpu());
	EXPECT_TRUE(is_gone(blob.map));
	EXPECT_EQ(0, gpu_close(&blob));
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

/* A picture that only the host had: who shows it again is told. */
TEST_F_TIMEOUT(gpu, shown_texture, LONG_TEST)
{
	uint32_t handles[4] = {}, pitches[4] = {}, offsets[4] = {};
	struct gpu_bo texture;
	struct kms_output *o;
	struct kms_fb lost, own;
	struct kms_req req;
	struct kms k;

	ASSERT_EQ(0, kms_open(&k));
	o = kms_connected(&k);
	ASSERT_TRUE(o);
	memset(&lost, 0, sizeof(lost));
	lost.fd = k.fd;
	lost.width = o->mode.hdisplay;
	lost.height = o->mode.vdisplay;
	ASSERT_EQ(0, gpu_texture(k.fd, lost.width, lost.height, &texture));
	handles[0] = texture.handle;
	pitches[0] = lost.width * 4;
	ASSERT_EQ(0, drmModeAddFB2(k.fd, lost.width, lost.height, DRM_FORMAT_XRGB8888, handles,
				   pitches, offsets, &lost.id, 0));
	ASSERT_EQ(0, kms_show(&k, o, &lost));
	ASSERT_EQ(0, reset_gpu());

	/* who draws into it, or turns it off, is not disturbed: the console does so */
	EXPECT_EQ(0, drmModeDirtyFB(k.fd, lost.id, NULL, 0));
	kms_req_init(&req, &k);
	kms_req_add(&req, o->crtc, "ACTIVE", 0);
	EXPECT_EQ(0, kms_req_commit(&req, DRM_MODE_ATOMIC_ALLOW_MODESET, 0));
	ASSERT_EQ(0, kms_fb_create(&k, lost.width, lost.height, DRM_FORMAT_XRGB8888, &own));
	EXPECT_EQ(0, kms_show(&k, o, &own));
	EXPECT_EQ(-ECANCELED, kms_flip(&k, o, &lost, 0, 0));
	EXPECT_EQ(-ECANCELED, kms_show(&k, o, &lost));
	EXPECT_EQ(0, kms_flip(&k, o, &own, 0, 0));
	EXPECT_EQ(0, kms_off(&k, o));
	kms_fb_destroy(&own);
	kms_fb_destroy(&lost);
	EXPECT_EQ(0, gpu_close(&texture));
	EXPECT_EQ(0, kms_close(&k));
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
