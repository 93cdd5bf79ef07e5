// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Import: buffers of every exporter that there is are imported, shown, drawn
 * into, and freed in every order.
 */
#include "imported.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

FIXTURE_VARIANT_ADD(import, self) { .from = EXPORT_SELF };
FIXTURE_VARIANT_ADD(import, second) { .from = EXPORT_SECOND };
FIXTURE_VARIANT_ADD(import, vgem) { .from = EXPORT_VGEM };
FIXTURE_VARIANT_ADD(import, udmabuf) { .from = EXPORT_UDMABUF };
FIXTURE_VARIANT_ADD(import, heap) { .from = EXPORT_HEAP };
FIXTURE_VARIANT_ADD(import, module) { .from = EXPORT_MODULE };

/* One handle for one buffer, however often and by whatever descriptor. */
TEST_F(import, one_handle)
{
	uint32_t handle, again;
	int before = kms_handles(&self->k), other = dup(self->share.fd);

	ASSERT_EQ(0, dmabuf_import(self->k.fd, self->share.fd, &handle));
	ASSERT_EQ(0, dmabuf_import(self->k.fd, self->share.fd, &again));
	EXPECT_EQ(handle, again);
	ASSERT_EQ(0, dmabuf_import(self->k.fd, other, &again));
	EXPECT_EQ(handle, again);
	close(other);
	EXPECT_EQ(0, gem_close(self->k.fd, handle));
	EXPECT_EQ(-EINVAL, gem_close(self->k.fd, handle));
	ASSERT_EQ(0, dmabuf_import(self->k.fd, self->share.fd, &handle));
	EXPECT_EQ(0, gem_close(self->k.fd, handle));
	EXPECT_EQ(before, kms_handles(&self->k));
}

/* What was imported is exported as the same buffer. */
TEST_F(import, exported_again)
{
	uint32_t handle, *a, *b;
	int fd;

	ASSERT_EQ(0, dmabuf_import(self->k.fd, self->share.fd, &handle));
	ASSERT_EQ(0, dmabuf_export(self->k.fd, handle, &fd));
	a = dmabuf_map(self->share.fd, SIZE);
	b = dmabuf_map(fd, SIZE);
	ASSERT_TRUE(a && b);
	a[SIZE / 8] = 0x600d;
	EXPECT_EQ(0x600d, b[SIZE / 8]);
	munmap(a, SIZE);
	munmap(b, SIZE);
	close(fd);
	EXPECT_EQ(0, gem_close(self->k.fd, handle));
}

static int map_dumb(int card, uint32_t handle)
{
	struct drm_mode_map_dumb arg = { .handle = handle };

	return kms_ioctl(card, DRM_IOCTL_MODE_MAP_DUMB, &arg);
}

/* The card's mapping of the handle is the exporter's memory. */
TEST_F(import, mapped_by_the_card)
{
	struct gpu_bo bo = { .fd = self->k.fd, .size = SIZE };
	uint32_t *theirs, *ours;

	theirs = dmabuf_map(self->share.fd, SIZE);
	ASSERT_TRUE(theirs);
	gpu_pattern(theirs, SIZE, 3);
	ASSERT_EQ(0, dmabuf_import(self->k.fd, self->share.fd, &bo.handle));
	ASSERT_EQ(0, gpu_map(&bo));
	ours = bo.map;
	EXPECT_EQ(0, memcmp(ours, theirs, SIZE));
	ours[1] = 1;
	theirs[SIZE / 4 - 1] = 2;
	EXPECT_EQ(1, theirs[1]);
	EXPECT_EQ(2, ours[SIZE / 4 - 1]);
	/* DRM keeps what is not the card's own to this one way */
	EXPECT_EQ(self->share.from == EXPORT_SELF ? 0 : -EINVAL,
		  map_dumb(self->k.fd, bo.handle));
	/* the mapping stays when the handle goes */
	EXPECT_EQ(0, gem_close(self->k.fd, bo.handle));
	EXPECT_EQ(2, ours[SIZE / 4 - 1]);
	munmap(ours, SIZE);
	munmap(theirs, SIZE);
}

TEST_F_TIMEOUT(import, shown, LONG_TEST)
{
	struct kms_fb fb;

	NEED_HOST();
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, share_draw(self->share.fd, &fb, 2));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));

	/* drawn anew, and back and forth */
	for (unsigned int seed = 3; seed < 6; seed++) {
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
		ASSERT_EQ(0, share_draw(self->share.fd, &fb, seed));
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, NONBLOCK_EVENT,
				      0));
		ASSERT_EQ(0, kms_wait_flip(&self->k));
		EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	}
	kms_fb_destroy(&fb);
}

/* A part is drawn, and named as damage: it is what changes on the screen. */
TEST_F_TIMEOUT(import, damage, LONG_TEST)
{
	drmModeClip clip = { .x1 = 100, .y1 = 60, .x2 = 333, .y2 = 211 };
	struct kms_fb fb;

	NEED_HOST();
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, share_draw(self->share.fd, &fb, 2));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));

	ASSERT_EQ(0, dmabuf_sync(self->share.fd,
				 DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START));
	for (uint32_t y = clip.y1; y < clip.y2; y++)
		for (uint32_t x = clip.x1; x < clip.x2; x++)
			kms_fb_set(&fb, x, y, 0xff102030 + x * y);
	ASSERT_EQ(0, dmabuf_sync(self->share.fd,
				 DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END));
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, drmModeDirtyFB(self->k.fd, fb.id, &clip, 1));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	if (host_trace("cmd_res_flush", NULL)) {
		EXPECT_EQ(1, host_trace("cmd_res_flush .*w 233, h 151, x 100, y 60",
					NULL));
	}
	kms_fb_destroy(&fb);
}

/* Smaller framebuffers, and such that begin further on. */
TEST_F_TIMEOUT(import, offset, LONG_TEST)
{
	uint32_t handles[4] = {}, pitches[4] = { WIDTH * 4 }, id;
	uint32_t offsets[4] = { 16 * WIDTH * 4 + 32 * 4 };
	struct kms_fb fb;
	struct picture want;
	struct kms_req r;
	drmModeModeInfo mode;

	NEED_HOST();
	if (!shows_parts())
		SKIP(return, "the host shows whole resources only");
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, share_draw(self->share.fd, &fb, 4));
	handles[0] = fb.handle;
	ASSERT_EQ(0, drmModeAddFB2(self->k.fd, 320, 240, DRM_FORMAT_XRGB8888,
				   handles, pitches, offsets, &id, 0));
	ASSERT_EQ(0, picture_crop(&want, &fb, 32, 16, 320, 240));

	kms_mode(&mode, 320, 240, 60);
	kms_req_init(&r, &self->k);
	kms_req_output(&r, self->o, &mode);
	kms_req_plane(&r, self->o->primary, self->o->crtc,
		      &(struct kms_fb) { .id = id }, 0, 0, 320, 240);
	ASSERT_EQ(0, kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET, 0));
	EXPECT_EQ(0, host_diff(self->o->head, &want));
	picture_free(&want);
	drmModeRmFB(self->k.fd, id);
	kms_fb_destroy(&fb);
}

TEST_F_TIMEOUT(import, cursor, LONG_TEST)
{
	struct host_cursor seen = {};
	struct kms_fb fb;

	NEED_HOST();
	if (host_get_cursor(self->o->head, &seen) == -EREMOTEIO)
		SKIP(return, "the host does not tell what its cursor is");
	free(seen.argb);
	seen = (struct host_cursor) {};
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, 64, 64, &fb));
	fb.format = DRM_FORMAT_ARGB8888;
	ASSERT_EQ(0, dmabuf_sync(self->share.fd,
				 DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START));
	for (uint32_t i = 0; i < 64 * 64; i++)
		((uint32_t *)fb.map)[i] = 0xff000000 | i * 3;
	ASSERT_EQ(0, dmabuf_sync(self->share.fd,
				 DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END));
	ASSERT_EQ(0, drmModeSetCursor(self->k.fd, self->o->crtc, fb.handle, 64,
				      64));
	for (int i = 0; i < 50 && !seen.width; i++) {
		usleep(20000);
		ASSERT_EQ(0, host_get_cursor(self->o->head, &seen));
	}
	ASSERT_EQ(64, seen.width);
	ASSERT_EQ(64, seen.height);
	EXPECT_EQ(0, memcmp(seen.argb, fb.map, 64 * 64 * 4));
	free(seen.argb);
	ASSERT_EQ(0, drmModeSetCursor(self->k.fd, self->o->crtc, 0, 0, 0));
	kms_fb_destroy(&fb);
}

/* --- sizes --- */

TEST_F(import, framebuffers_have_to_fit)
{
	uint32_t handles[4] = {}, pitches[4] = { WIDTH * 4 }, offsets[4] = {};
	uint32_t id;

	ASSERT_EQ(0, dmabuf_import(self->k.fd, self->share.fd, &handles[0]));
	EXPECT_NE(0, drmModeAddFB2(self->k.fd, WIDTH, HEIGHT + 1,
				   DRM_FORMAT_XRGB8888, handles, pitches,
				   offsets, &id, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_NE(0, drmModeAddFB2(self->k.fd, WIDTH + 1, HEIGHT,
				   DRM_FORMAT_XRGB8888, handles, pitches,
				   offsets, &id, 0));
	EXPECT_EQ(EINVAL, errno);
	offsets[0] = 4;
	EXPECT_NE(0, drmModeAddFB2(self->k.fd, WIDTH, HEIGHT,
				   DRM_FORMAT_XRGB8888, handles, pitches,
				   offsets, &id, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, gem_close(self->k.fd, handles[0]));
}

/* --- orders of freeing --- */

/* The picture stays until something else is shown, whatever is closed. */
static void still_shown(struct __test_metadata *_metadata,
			FIXTURE_DATA(import) *self, const struct picture *want)
{
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff(self->o->head, want));
	}
}

TEST_F_TIMEOUT(import, dmabuf_closed_first, LONG_TEST)
{
	struct picture want;
	struct kms_fb fb;

	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, share_draw(self->share.fd, &fb, 2));
	ASSERT_EQ(0, picture_of_fb(&want, &fb));
	close(self->share.fd);
	self->share.fd = -1;
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	still_shown(_metadata, self, &want);
	/* the exporter's memory is still there */
	kms_fb_fill(&fb, 0x336699);
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	picture_free(&want);
	kms_fb_destroy(&fb);
}

TEST_F_TIMEOUT(import, handle_closed_first, LONG_TEST)
{
	struct picture want;
	struct kms_fb fb;

	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, share_draw(self->share.fd, &fb, 2));
	ASSERT_EQ(0, picture_of_fb(&want, &fb));
	EXPECT_EQ(0, gem_close(self->k.fd, fb.handle));
	fb.handle = 0;
	munmap(fb.map, fb.size);
	fb.map = NULL;
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	still_shown(_metadata, self, &want);
	close(self->share.fd);
	self->share.fd = -1;
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	still_shown(_metadata, self, &want);
	picture_free(&want);
	kms_fb_destroy(&fb);
}

static int show_own(FIXTURE_DATA(import) *self)
{
	drmModeModeInfo mode;

	kms_mode(&mode, WIDTH, HEIGHT, 60);
	return kms_show_mode(&self->k, self->o, &mode, &self->fb);
}

/* The framebuffer is shown while everything of it is closed. */
TEST_F_TIMEOUT(import, closed_while_it_is_shown, LONG_TEST)
{
	struct kms_fb fb;

	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT,
				      &fb));
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, NONBLOCK_EVENT,
				      0));
		kms_fb_destroy(&fb);
		ASSERT_EQ(0, kms_wait_flip(&self->k));
		ASSERT_EQ(0, show_own(self));
	}
}

/* Who made it is killed: what others imported lives on. */
TEST_F_TIMEOUT(import, exporter_killed, LONG_TEST)
{
	struct picture want;
	struct kms_fb fb;
	int ready[2], status;
	pid_t child;

	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		uint32_t *map = dmabuf_map(self->share.fd, SIZE);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (map)
			memset(map, 0x55, SIZE);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	ASSERT_EQ(1, read(ready[0], &status, 1));
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	close(self->share.fd);
	self->share.fd = -1;
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	close(ready[0]);
	close(ready[1]);

	EXPECT_EQ(0x55555555, ((uint32_t *)fb.map)[SIZE / 4 - 1]);
	ASSERT_EQ(0, picture_of_fb(&want, &fb));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	still_shown(_metadata, self, &want);
	picture_free(&want);
	kms_fb_destroy(&fb);
}

/* Nobody is left in the way of the exporter. */
TEST_F_TIMEOUT(import, many_times, LONG_TEST)
{
	int before = kms_handles(&self->k);

	for (int i = 0; i < 50; i++) {
		struct kms_fb fb;

		ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT,
				      &fb));
		if (i % 10 == 0) {
			ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
			ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0,
					      0));
		}
		kms_fb_destroy(&fb);
	}
	EXPECT_EQ(before, kms_handles(&self->k));
	if (self->share.from == EXPORT_MODULE) {
		struct virtgpu_test_stats stats;

		EXPECT_EQ(0, module_wait_idle(self->share.fd, &stats));
		EXPECT_EQ(0, stats.pinned);
		EXPECT_EQ(0, stats.unmapped_busy);
		EXPECT_EQ(stats.maps, stats.unmaps);
	}
}

/* Not a dma-buf at all. */
TEST_F(import, bad_descriptors)
{
	uint32_t handle;

	EXPECT_EQ(-EBADF, dmabuf_import(self->k.fd, -1, &handle));
	EXPECT_EQ(-EINVAL, dmabuf_import(self->k.fd, self->k.fd, &handle));
	EXPECT_EQ(-EINVAL, dmabuf_import(self->k.fd, self->k.klog, &handle));
}

TEST_HARNESS_MAIN
