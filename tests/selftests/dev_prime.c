// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Shared buffers on each kind of host: with and without UUIDs and blobs, and on
 * one that is unplugged while it shows another device's memory.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "dev.h"
#include "gate.h"
#include "reset.h"
#include "share.h"

#define LONG_TEST	110
#define WIDTH		640
#define HEIGHT		480

FIXTURE(host) {
	struct kms k;
	struct kms_output *o;
};

FIXTURE_SETUP(host)
{
	NEED_DEVICE();
	NEED_MODULE();
	ASSERT_EQ(0, dev_clear());
}

FIXTURE_TEARDOWN(host)
{
	EXPECT_EQ(0, dev_clear());
}

static int show(struct kms *k, const struct kms_output *o, struct kms_fb *fb)
{
	drmModeModeInfo mode;

	kms_mode(&mode, fb->width, fb->height, 60);
	return kms_show_mode(k, o, &mode, fb);
}

/* A buffer of @from is shown; part of it is drawn again and shown again. */
static void check_import(struct __test_metadata *_metadata, struct kms *k,
			 struct kms_output *o, enum exporter from, unsigned int seed)
{
	struct drm_clip_rect clip = { 16, 16, 80, 60 };
	struct share share;
	struct kms_fb fb;

	ASSERT_EQ(0, share_make(from, WIDTH * HEIGHT * 4, &share));
	ASSERT_EQ(0, share_fb(k, share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, share_draw(share.fd, &fb, seed));
	ASSERT_EQ(0, show(k, o, &fb));
	EXPECT_EQ(0, host_diff_fb(o->head, &fb));

	ASSERT_EQ(0, dmabuf_sync(share.fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE));
	for (uint32_t y = clip.y1; y < clip.y2; y++) {
		for (uint32_t x = clip.x1; x < clip.x2; x++)
			kms_fb_set(&fb, x, y, 0xff000000 | seed << 16 | x << 8 | y);
	}
	ASSERT_EQ(0, dmabuf_sync(share.fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(0, drmModeDirtyFB(k->fd, fb.id, &clip, 1));
	EXPECT_EQ(0, host_diff_fb(o->head, &fb));
	kms_fb_destroy(&fb);
	share_free(&share);
}

/* What a virtio driver gets that imports a dumb buffer of ours. */
static int uuid_of_dumb(struct kms *k)
{
	uint8_t uuid[16];
	bool is_virtio;
	struct kms_fb bo;
	int fd, ret;

	ret = kms_dumb_create(k->fd, 64, 64, 32, &bo);
	if (ret)
		return ret;
	ret = dmabuf_export(k->fd, bo.handle, &fd);
	if (!ret) {
		ret = module_uuid(fd, uuid, &is_virtio);
		close(fd);
	}
	kms_dumb_destroy(k->fd, bo.handle);
	return ret;
}

TEST_F_TIMEOUT(host, each_subset, LONG_TEST)
{
	static const char * const hosts[] = {
		"edid", "edid,uuid", "edid,blob", "edid,uuid,blob", "virgl,edid",
		"virgl,edid,uuid", "virgl,edid,blob", "all",
	};

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		bool uuid = strstr(hosts[i], "uuid") || !strcmp(hosts[i], "all");

		ASSERT_EQ(0, dev_replug(hosts[i])) TH_LOG("%s", hosts[i]);
		ASSERT_EQ(0, kms_open(&self->k));
		self->o = kms_connected(&self->k);
		ASSERT_TRUE(self->o);
		check_import(_metadata, &self->k, self->o, EXPORT_UDMABUF, i + 1);
		check_import(_metadata, &self->k, self->o, EXPORT_MODULE, i + 11);
		EXPECT_EQ(uuid ? 0 : -ENODEV, uuid_of_dumb(&self->k))
			TH_LOG("%s", hosts[i]);
		EXPECT_EQ(0, kms_close(&self->k));
	}
}

static int add_fb(int card, const struct kms_fb *b, uint32_t *id)
{
	uint32_t handles[4] = { b->handle }, pitches[4] = { b->pitch }, offsets[4] = {};

	return drmModeAddFB2(card, b->width, b->height, DRM_FORMAT_XRGB8888, handles, pitches,
			     offsets, id, 0) ? -errno : 0;
}

/*
 * A framebuffer whose only handle is closed while the host makes it gives a new
 * handle. What is exported by that is another dma-buf of the same buffer: both of
 * them are known when they come back.
 */
TEST_F_TIMEOUT(host, exported_by_a_new_handle, LONG_TEST)
{
	int fds[2], card, created, status;
	uint32_t handle, *id;
	struct kms_fb b = {};
	drmModeFB *info;
	pid_t child;

	ASSERT_EQ(0, dev_replug("edid"));
	ASSERT_EQ(0, kms_open(&self->k));
	card = dev_card();
	ASSERT_LE(0, card);
	id = mmap(NULL, sizeof(*id), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)id);
	ASSERT_EQ(0, kms_dumb_create(self->k.fd, WIDTH, HEIGHT, 32, &b));
	ASSERT_EQ(0, dmabuf_export(self->k.fd, b.handle, &fds[0]));
	created = dev_count("resource_create_2d");
	ASSERT_EQ(0, dev_fault("resource_create_2d", "late 1000"));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(-add_fb(self->k.fd, &b, id));
	EXPECT_EQ(created + 1, dev_wait("resource_create_2d", created + 1));
	EXPECT_EQ(0, gem_close(self->k.fd, b.handle));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_EQ(0, status);

	info = drmModeGetFB(self->k.fd, *id);
	ASSERT_TRUE(info);
	b.handle = info->handle;
	drmModeFreeFB(info);
	ASSERT_EQ(0, dmabuf_export(self->k.fd, b.handle, &fds[1]));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, dmabuf_import(card, fds[i], &handle));
		EXPECT_EQ(0, dmabuf_import(self->k.fd, fds[i], &handle));
		close(fds[i]);
	}
	EXPECT_EQ(0, drmModeRmFB(self->k.fd, *id));
	munmap(id, sizeof(*id));
	close(card);
	EXPECT_EQ(0, kms_close(&self->k));
}

/* A buffer that moves, which @exec names on the card. */
static int make_moving(int card, int *fd, uint32_t *handle, struct drm_virtgpu_execbuffer *exec)
{
	int ret = module_export(WIDTH * HEIGHT * 4, 1, VIRTGPU_TEST_MOVE_MAPPED, fd);

	exec->bo_handles = (uintptr_t)handle;
	exec->num_bo_handles = 1;
	return ret ?: dmabuf_import(card, *fd, handle);
}

static void all_is_given_back(struct __test_metadata *_metadata, int fd)
{
	struct virtgpu_test_stats stats;

	EXPECT_EQ(0, module_wait_idle(fd, &stats));
	EXPECT_EQ(stats.maps, stats.unmaps);
	EXPECT_EQ(0, stats.unmapped_busy);
	EXPECT_EQ(0, stats.written_late);
}

/*
 * The host may work on pages longer than it takes it to let go of them: commands end
 * in any order. The exporter has them back when all is done.
 */
TEST_F_TIMEOUT(host, moved_while_the_host_works, LONG_TEST)
{
	struct drm_virtgpu_execbuffer exec = gpu_nop();
	int fd, card, fence, ret;
	uint32_t handle;

	ASSERT_EQ(0, dev_replug("all"));
	card = gpu_open();
	ASSERT_LE(0, card);
	ASSERT_EQ(0, make_moving(card, &fd, &handle, &exec));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, dev_fault("submit_3d", "late 700"));
		ASSERT_EQ(0, gpu_exec_fence(card, &exec, &fence));
		EXPECT_EQ(0, gpu_fence_status(fence));
		EXPECT_EQ(0, module_move(fd, KMS_WAIT_MS));
		EXPECT_EQ(1, gpu_fence_status(fence));
		close(fence);

		/* an exporter that does not wait: with bounce buffers we do */
		ASSERT_EQ(0, dev_fault("submit_3d", "late 700"));
		ASSERT_EQ(0, gpu_exec_fence(card, &exec, &fence));
		ret = module_move(fd, 100);
		EXPECT_TRUE(!ret || ret == -ETIMEDOUT) TH_LOG("%d", ret);
		EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
		close(fence);
	}
	EXPECT_EQ(0, gem_close(card, handle));
	close(card);
	all_is_given_back(_metadata, fd);
	close(fd);
}

static pid_t submit_in_child(int card, const struct drm_virtgpu_execbuffer *with)
{
	struct drm_virtgpu_execbuffer exec = *with;
	pid_t child = fork();
	int fence;

	if (!child)
		_exit(-gpu_exec_fence(card, &exec, &fence));
	return child;
}

static pid_t open_in_child(struct gate *gate, unsigned int us)
{
	pid_t child = fork();

	if (!child) {
		usleep(us);
		_exit(-gate_open(gate));
	}
	return child;
}

/*
 * A submission that waits for a fence counts on the pages: the host has them until it
 * was queued. Who uses the buffer meanwhile waits for that, too, and can be killed.
 */
TEST_F_TIMEOUT(host, moved_while_a_submission_waits, LONG_TEST)
{
	struct drm_virtgpu_execbuffer exec = gpu_nop(), waits;
	int fd, card, fence, status, ret;
	pid_t child, opener;
	struct gate gate;
	uint32_t handle;

	ASSERT_EQ(0, dev_replug("all"));
	card = gpu_open();
	ASSERT_LE(0, card);
	ASSERT_EQ(0, make_moving(card, &fd, &handle, &exec));
	waits = exec;
	waits.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
	ASSERT_EQ(0, gate_make(&gate));
	waits.fence_fd = gate.sync_file;
	ASSERT_EQ(0, gpu_exec_fence(card, &waits, &fence));
	opener = open_in_child(&gate, 3000000);
	ASSERT_LE(0, opener);

	/* with bounce buffers, as on a kernel that checks DMA, it waits itself */
	ret = module_move(fd, 100);
	EXPECT_TRUE(!ret || ret == -ETIMEDOUT)
		TH_LOG("%d", ret);
	if (ret) {
		child = submit_in_child(card, &exec);
		ASSERT_LE(0, child);
		usleep(500000);
		EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
		EXPECT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(SIGKILL, status);
		EXPECT_EQ(0, gpu_fence_status(fence));
	}
	child = submit_in_child(card, &exec);
	ASSERT_LE(0, child);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(opener, waitpid(opener, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
	EXPECT_EQ(0, module_move(fd, KMS_WAIT_MS));
	close(fence);
	gate_free(&gate);
	EXPECT_EQ(0, gem_close(card, handle));
	close(card);
	all_is_given_back(_metadata, fd);
	close(fd);
}

/* The exporter gets all of its pages back when the importer is pulled out. */
TEST_F_TIMEOUT(host, unplugged_while_it_shows, LONG_TEST)
{
	struct virtgpu_test_stats stats;
	struct kms_fb fb;
	int fd;

	for (int blob = 0; blob < 2; blob++) {
		ASSERT_EQ(0, dev_replug(blob ? "all" : "edid"));
		ASSERT_EQ(0, kms_open(&self->k));
		self->o = kms_connected(&self->k);
		ASSERT_TRUE(self->o);
		ASSERT_EQ(0, module_export(WIDTH * HEIGHT * 4, 1, 0, &fd));
		ASSERT_EQ(0, share_fb(&self->k, fd, WIDTH, HEIGHT, &fb));
		ASSERT_EQ(0, show(&self->k, self->o, &fb));
		EXPECT_LT(0, module_stats(fd).mapped);
		ASSERT_EQ(0, host_unplug());
		/* the program still has the card open, and the buffer's handle */
		EXPECT_EQ(0, module_stats(fd).mapped);
		kms_fb_destroy(&fb);
		kms_close(&self->k);
		EXPECT_EQ(0, module_wait_idle(fd, &stats));
		EXPECT_EQ(stats.maps, stats.unmaps);
		EXPECT_EQ(0, stats.pinned);
		EXPECT_EQ(0, stats.written_late);
		close(fd);
		/* who is unplugged before the kernel has seen it may never come back */
		ASSERT_EQ(0, dev_plug("all"));
	}
}

/* Memory that only the host had, and lost, is gone by way of the dma-buf, too. */
TEST_F_TIMEOUT(host, lost_while_mapped, LONG_TEST)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D, .blob_id = 1, .size = 65536,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE |
			      VIRTGPU_BLOB_FLAG_USE_SHAREABLE,
	};
	struct gpu_bo bo;
	char *shared;
	int fd, card;

	ASSERT_EQ(0, dev_replug("all"));
	ASSERT_EQ(0, kms_open(&self->k));
	card = gpu_open();
	ASSERT_LE(0, card);
	ASSERT_EQ(0, gpu_finish(card));
	ASSERT_EQ(0, gpu_create_blob(card, &arg, &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	gpu_pattern(bo.map, arg.size, 7);
	ASSERT_EQ(0, dmabuf_export(card, bo.handle, &fd));
	shared = dmabuf_map(fd, arg.size);
	ASSERT_TRUE(shared);
	EXPECT_EQ(0, memcmp(shared, bo.map, arg.size));
	ASSERT_EQ(0, reset_device(&self->k));
	EXPECT_TRUE(is_gone(bo.map));
	EXPECT_TRUE(is_gone(shared));
	munmap(shared, arg.size);
	close(fd);
	EXPECT_EQ(0, gpu_close(&bo));
	close(card);
	EXPECT_EQ(0, kms_close(&self->k));
	EXPECT_EQ(0, dev_works());
}

TEST_HARNESS_MAIN
