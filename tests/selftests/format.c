// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Pixel formats of the primary plane: the eight of the virtio specification
 * and RGB565, each compared with the host's screen. The drawn alpha differs
 * from pixel to pixel, so a host or driver that blends it is found.
 */
#include "display.h"

static bool plane_lists(struct kms *k, uint32_t plane, uint32_t format)
{
	drmModePlane *p = drmModeGetPlane(k->fd, plane);
	bool found = false;

	for (uint32_t i = 0; p && i < p->count_formats; i++)
		found |= p->formats[i] == format;
	drmModeFreePlane(p);
	return found;
}

static void check_format(struct __test_metadata *_metadata,
			 FIXTURE_DATA(display) *self, uint32_t format)
{
	struct kms_fb fb;

	EXPECT_TRUE(plane_lists(&self->k, self->o->primary, format));
	ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width, self->fb.height,
				   format, &fb));
	kms_fb_draw(&fb, 2);
	ASSERT_EQ(0, kms_show(&self->k, self->o, &fb));
	NEED_HOST();
	EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	kms_fb_destroy(&fb);
}

#define FORMAT_TEST(name)						\
TEST_F_TIMEOUT(display, name, LONG_TEST)				\
{									\
	check_format(_metadata, self, DRM_FORMAT_##name);		\
}

FORMAT_TEST(XRGB8888)
FORMAT_TEST(ARGB8888)
FORMAT_TEST(XBGR8888)
FORMAT_TEST(ABGR8888)
FORMAT_TEST(RGBX8888)
FORMAT_TEST(RGBA8888)
FORMAT_TEST(BGRX8888)
FORMAT_TEST(BGRA8888)
FORMAT_TEST(RGB565)

/* One buffer, several framebuffers: each shows the bytes its own way. */
TEST_F_TIMEOUT(display, one_buffer_two_formats, LONG_TEST)
{
	uint32_t handles[4] = { self->fb.handle };
	uint32_t pitches[4] = { self->fb.pitch }, offsets[4] = {};
	struct kms_fb other = self->fb;

	NEED_HOST();
	other.format = DRM_FORMAT_BGRX8888;
	ASSERT_EQ(0, drmModeAddFB2(self->k.fd, other.width, other.height,
				   other.format, handles, pitches, offsets,
				   &other.id, 0));
	ASSERT_EQ(0, kms_show(&self->k, self->o, &other));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &other));
	ASSERT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	EXPECT_EQ(0, drmModeRmFB(self->k.fd, other.id));
}

static void check_legacy(struct __test_metadata *_metadata,
			 FIXTURE_DATA(display) *self, uint32_t format,
			 uint8_t depth, uint8_t bpp)
{
	struct kms_fb fb;
	uint32_t id;

	ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width, self->fb.height,
				   format, &fb));
	kms_fb_draw(&fb, 3);
	ASSERT_EQ(0, drmModeAddFB(self->k.fd, fb.width, fb.height, depth, bpp,
				  fb.pitch, fb.handle, &id));
	ASSERT_EQ(0, drmModeSetCrtc(self->k.fd, self->o->crtc, id, 0, 0,
				    &self->o->connector, 1, &self->o->mode));
	NEED_HOST();
	EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	drmModeRmFB(self->k.fd, id);
	kms_fb_destroy(&fb);
}

TEST_F_TIMEOUT(display, legacy_depth_24, LONG_TEST)
{
	check_legacy(_metadata, self, DRM_FORMAT_XRGB8888, 24, 32);
}

TEST_F_TIMEOUT(display, legacy_depth_32, LONG_TEST)
{
	check_legacy(_metadata, self, DRM_FORMAT_ARGB8888, 32, 32);
}

TEST_F_TIMEOUT(display, legacy_depth_16, LONG_TEST)
{
	check_legacy(_metadata, self, DRM_FORMAT_RGB565, 16, 16);
}

/* The cursor plane blends, so it takes ARGB8888 and nothing without alpha. */
TEST_F(display, cursor_formats)
{
	ASSERT_TRUE(self->o->cursor);
	EXPECT_TRUE(plane_lists(&self->k, self->o->cursor,
				DRM_FORMAT_ARGB8888));
	EXPECT_FALSE(plane_lists(&self->k, self->o->cursor,
				 DRM_FORMAT_RGB565));
}

TEST_HARNESS_MAIN
