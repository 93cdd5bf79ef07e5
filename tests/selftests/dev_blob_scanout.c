// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Guest blobs as framebuffers: shown without a transfer, by SET_SCANOUT_BLOB,
 * with pitches and offsets of all kinds.
 */
#include <kselftest_harness.h>

#include <errno.h>

#include "dev.h"

#define WIDTH	1280
#define HEIGHT	800

FIXTURE(blob) {
	struct kms k;
	struct kms_output *o;
	struct gpu_bo bo;
	struct kms_fb fb;
};

FIXTURE_SETUP(blob)
{
	self->k.fd = self->k.klog = -1;
	NEED_DEVICE();
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, dev_replug("edid,blob"));
	ASSERT_EQ(0, kms_open(&self->k));
	self->o = kms_connected(&self->k);
	ASSERT_TRUE(self->o);
	ASSERT_EQ(WIDTH, self->o->mode.hdisplay);
	ASSERT_EQ(HEIGHT, self->o->mode.vdisplay);
}

FIXTURE_TEARDOWN(blob)
{
	if (self->k.fd < 0)
		return;
	if (self->fb.id)
		drmModeRmFB(self->k.fd, self->fb.id);
	if (self->bo.handle)
		EXPECT_EQ(0, gpu_close(&self->bo));
	EXPECT_EQ(0, kms_close(&self->k));
}

/* A framebuffer over a blob; its pixels are found as those of a dumb buffer. */
static int make(FIXTURE_DATA(blob) *self, uint32_t width, uint32_t height,
		uint32_t pitch, uint32_t offset, uint32_t format)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_GUEST,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
		.size = (offset + pitch * height + 4095) / 4096 * 4096,
	};
	uint32_t handles[4] = {}, pitches[4] = { pitch }, offsets[4] = { offset };
	int ret = gpu_create_blob(self->k.fd, &arg, &self->bo) ?: gpu_map(&self->bo);

	if (ret)
		return ret;
	handles[0] = self->bo.handle;
	self->fb = (struct kms_fb) {
		.fd = self->k.fd, .width = width, .height = height,
		.pitch = pitch, .format = format, .size = pitch * height,
		.map = self->bo.map + offset,
	};
	return drmModeAddFB2(self->k.fd, width, height, format, handles,
			     pitches, offsets, &self->fb.id, 0);
}

/* Transfers to the blob since the mark; the console may have some of its own. */
static int transfers(FIXTURE_DATA(blob) *self)
{
	char pattern[64];

	snprintf(pattern, sizeof(pattern),
		 "transfer_to_host_2d.*\"resource_id\":%u,", self->bo.res);
	return host_device_log(pattern, NULL);
}

static void check_shown(struct __test_metadata *_metadata,
			FIXTURE_DATA(blob) *self, uint32_t pitch,
			uint32_t offset, uint32_t format)
{
	char pattern[96];

	ASSERT_EQ(0, make(self, WIDTH, HEIGHT, pitch, offset, format));
	kms_fb_draw(&self->fb, pitch + offset);
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	snprintf(pattern, sizeof(pattern),
		 "set_scanout_blob.*\"strides.0.\":%u,.*\"offsets.0.\":%u,",
		 pitch, offset);
	EXPECT_LE(1, host_device_log(pattern, NULL)) TH_LOG("%s", pattern);
	EXPECT_EQ(0, transfers(self));
	EXPECT_LE(1, dev_count("resource_flush"));
}

TEST_F(blob, tight)
{
	check_shown(_metadata, self, WIDTH * 4, 0, DRM_FORMAT_XRGB8888);
}

TEST_F(blob, wide_pitch)
{
	check_shown(_metadata, self, WIDTH * 4 + 64, 0, DRM_FORMAT_XRGB8888);
}

TEST_F(blob, odd_pitch)
{
	check_shown(_metadata, self, WIDTH * 4 + 4, 0, DRM_FORMAT_XRGB8888);
}

TEST_F(blob, offset_of_a_page)
{
	check_shown(_metadata, self, WIDTH * 4, 4096, DRM_FORMAT_XRGB8888);
}

TEST_F(blob, offset_of_some_pixels)
{
	check_shown(_metadata, self, WIDTH * 4 + 256, 100, DRM_FORMAT_XRGB8888);
}

TEST_F(blob, other_byte_order)
{
	check_shown(_metadata, self, WIDTH * 4, 0, DRM_FORMAT_XBGR8888);
}

/* What is drawn is seen after a flush, without one not. */
TEST_F(blob, redrawn)
{
	struct picture old;

	check_shown(_metadata, self, WIDTH * 4, 0, DRM_FORMAT_XRGB8888);
	ASSERT_EQ(0, picture_of_fb(&old, &self->fb));
	kms_fb_draw(&self->fb, 99);
	EXPECT_EQ(0, host_diff(self->o->head, &old));
	picture_free(&old);
	ASSERT_EQ(0, drmModeDirtyFB(self->k.fd, self->fb.id, NULL, 0));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	EXPECT_EQ(0, transfers(self));
}

/* A part of a large framebuffer: the rectangle moves, the blob stays. */
TEST_F(blob, panning)
{
	static const int at[][2] = { { 0, 0 }, { 16, 8 }, { 33, 57 }, { 720, 200 } };

	ASSERT_EQ(0, make(self, 2000, 1000, 2000 * 4, 0, DRM_FORMAT_XRGB8888));
	kms_fb_draw(&self->fb, 5);
	ASSERT_EQ(0, host_mark());
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		struct picture want;

		ASSERT_EQ(0, drmModeSetCrtc(self->k.fd, self->o->crtc, self->fb.id,
					    at[i][0], at[i][1],
					    &self->o->connector, 1,
					    &self->o->mode));
		ASSERT_EQ(0, picture_crop(&want, &self->fb, at[i][0], at[i][1],
					  WIDTH, HEIGHT));
		EXPECT_EQ(0, host_diff(self->o->head, &want));
		picture_free(&want);
	}
	EXPECT_EQ(0, transfers(self));
}

/* What does not lie in the blob is no framebuffer. */
TEST_F(blob, outside)
{
	uint32_t handles[4] = {}, pitches[4] = { WIDTH * 4 }, offsets[4] = {}, id;

	ASSERT_EQ(0, make(self, WIDTH, HEIGHT, WIDTH * 4, 0,
			  DRM_FORMAT_XRGB8888));
	handles[0] = self->bo.handle;
	EXPECT_EQ(-EINVAL, drmModeAddFB2(self->k.fd, WIDTH, HEIGHT + 1,
					 DRM_FORMAT_XRGB8888, handles, pitches,
					 offsets, &id, 0));
	offsets[0] = 4;
	EXPECT_EQ(-EINVAL, drmModeAddFB2(self->k.fd, WIDTH, HEIGHT,
					 DRM_FORMAT_XRGB8888, handles, pitches,
					 offsets, &id, 0));
}

/* Whether the host can show blobs is not asked on an output that stays dark. */
TEST_F(blob, dark)
{
	struct kms_req r;

	ASSERT_EQ(0, make(self, WIDTH, HEIGHT, WIDTH * 4, 0, DRM_FORMAT_XRGB8888));
	kms_fb_draw(&self->fb, 5);
	ASSERT_EQ(0, host_mark());
	kms_req_init(&r, &self->k);
	kms_req_output(&r, self->o, &self->o->mode);
	kms_req_plane(&r, self->o->primary, self->o->crtc, &self->fb, 0, 0, WIDTH, HEIGHT);
	kms_req_add(&r, self->o->crtc, "ACTIVE", 0);
	ASSERT_EQ(0, kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET, 0));
	EXPECT_EQ(0, dev_count("set_scanout_blob"));

	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->crtc, "ACTIVE", 1);
	ASSERT_EQ(0, kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET, 0));
	EXPECT_LE(1, dev_count("set_scanout_blob"));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
}

/* A host that refuses the blob is given its pages as a classic resource. */
TEST_F(blob, refused)
{
	ASSERT_EQ(0, dev_fault("resource_create_blob", "error out_of_memory"));
	ASSERT_EQ(0, make(self, WIDTH, HEIGHT, WIDTH * 4, 0,
			  DRM_FORMAT_XRGB8888));
	kms_fb_draw(&self->fb, 3);
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	EXPECT_EQ(0, dev_count("set_scanout_blob"));
	EXPECT_LE(1, dev_count("transfer_to_host_2d"));
}

TEST_HARNESS_MAIN
