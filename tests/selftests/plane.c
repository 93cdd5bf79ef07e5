// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Planes and properties: what a plane may do, what it refuses, power states,
 * and how long framebuffers and blobs live.
 */
#include "display.h"

#include <errno.h>
#include <limits.h>

static int test_primary(FIXTURE_DATA(display) *self, const char *prop,
			uint64_t value)
{
	struct kms_req r;

	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->primary, prop, value);
	return kms_req_commit(&r, DRM_MODE_ATOMIC_TEST_ONLY, 0);
}

/* --- the primary plane fills the screen, and nothing is scaled --- */

static bool refused(int ret)
{
	return ret == -EINVAL || ret == -ERANGE;
}

TEST_F(display, primary_must_cover)
{
	EXPECT_EQ(0, test_primary(self, "CRTC_X", 0));
	EXPECT_EQ(-EINVAL, test_primary(self, "CRTC_X", 1));
	EXPECT_EQ(-EINVAL, test_primary(self, "CRTC_X", -1));
	EXPECT_EQ(-EINVAL, test_primary(self, "CRTC_Y", 1));
	EXPECT_TRUE(refused(test_primary(self, "CRTC_W", self->fb.width - 1)));
	EXPECT_TRUE(refused(test_primary(self, "CRTC_H", self->fb.height - 1)));
}

/* What of the picture is not on the screen is not shown; the host is not asked to. */
TEST_F(display, primary_outside_of_the_screen)
{
	struct kms_req r;

	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->primary, "CRTC_X", self->fb.width);
	ASSERT_EQ(0, kms_req_commit(&r, 0, 0));
	ASSERT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	}
}

TEST_F(display, primary_does_not_scale)
{
	uint64_t w = self->fb.width, h = self->fb.height;

	EXPECT_TRUE(refused(test_primary(self, "SRC_W", (w / 2) << 16)));
	EXPECT_TRUE(refused(test_primary(self, "SRC_H", (h - 1) << 16)));
}

TEST_F(display, source_inside_the_framebuffer)
{
	EXPECT_EQ(-ENOSPC, test_primary(self, "SRC_X", 1 << 16));
	EXPECT_EQ(-ENOSPC, test_primary(self, "SRC_Y", UINT_MAX));
	EXPECT_EQ(-ENOSPC, test_primary(self, "SRC_W",
					(uint64_t)(self->fb.width + 1) << 16));
}

TEST_F(display, primary_on_another_crtc)
{
	struct kms_req r;

	if (self->k.num_outputs < 2)
		SKIP(return, "the device has one CRTC only");
	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->primary, "CRTC_ID", self->k.outputs[1].crtc);
	EXPECT_EQ(-EINVAL, kms_req_commit(&r, DRM_MODE_ATOMIC_TEST_ONLY, 0));
}

/* An active CRTC may have no primary plane, or may not; not a stale picture. */
TEST_F(display, crtc_without_primary)
{
	struct kms_req r;
	int ret;

	NEED_HOST();
	kms_req_init(&r, &self->k);
	kms_req_plane(&r, self->o->primary, 0, NULL, 0, 0, 0, 0);
	ret = kms_req_commit(&r, 0, 0);
	EXPECT_TRUE(ret == 0 || ret == -EINVAL);
	if (!ret) {
		EXPECT_NE(0, host_diff_fb(self->o->head, &self->fb));
	}
	EXPECT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
}

TEST_F(display, cursor_goes_anywhere)
{
	int w = self->fb.width, h = self->fb.height;
	int places[][2] = {
		{ 0, 0 }, { -32, 0 }, { 0, -32 }, { w - 32, h - 32 },
		{ w, h }, { -64, -64 }, { 5000, 5000 }, { -5000, -5000 },
	};
	struct kms_fb fb;

	if (!self->k.hotspot)
		SKIP(return, "the kernel has no CURSOR_PLANE_HOTSPOT");
	ASSERT_EQ(0, kms_fb_create(&self->k, 64, 64, DRM_FORMAT_ARGB8888, &fb));
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct kms_req r;

		kms_req_init(&r, &self->k);
		kms_req_plane(&r, self->o->cursor, self->o->crtc, &fb,
			      places[i][0], places[i][1], 64, 64);
		EXPECT_EQ(0, kms_req_commit(&r, 0, 0))
			TH_LOG("at %d,%d", places[i][0], places[i][1]);
	}
	kms_fb_destroy(&fb);
}

TEST_F(display, legacy_setplane)
{
	uint32_t w = self->fb.width, h = self->fb.height;

	EXPECT_EQ(0, drmModeSetPlane(self->k.fd, self->o->primary,
				     self->o->crtc, self->fb.id, 0, 0, 0, w, h,
				     0, 0, w << 16, h << 16));
	EXPECT_EQ(-EINVAL, drmModeSetPlane(self->k.fd, self->o->primary,
					   self->o->crtc, self->fb.id, 0, 10,
					   10, w, h, 0, 0, w << 16, h << 16));
	EXPECT_EQ(-ERANGE, drmModeSetPlane(self->k.fd, self->o->primary,
					   self->o->crtc, self->fb.id, 0,
					   INT_MAX, 0, w, h, 0, 0, w << 16,
					   h << 16));
	EXPECT_EQ(-ENOSPC, drmModeSetPlane(self->k.fd, self->o->primary,
					   self->o->crtc, self->fb.id, 0, 0, 0,
					   w, h, 1 << 16, 0, w << 16, h << 16));
}

/* --- properties --- */

TEST_F(display, only_properties_that_work)
{
	static const char * const absent[] = {
		"rotation", "alpha", "zpos", "scaling mode",
		"GAMMA_LUT", "CTM", "COLOR_ENCODING",
	};
	static const char * const present[] = {
		"type", "FB_ID", "IN_FENCE_FD", "CRTC_ID", "CRTC_X", "CRTC_Y",
		"CRTC_W", "CRTC_H", "SRC_X", "SRC_Y", "SRC_W", "SRC_H",
		"FB_DAMAGE_CLIPS",
	};

	for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
		EXPECT_EQ(0, kms_prop_id(&self->k, self->o->primary, absent[i]))
			TH_LOG("%s", absent[i]);
		EXPECT_EQ(0, kms_prop_id(&self->k, self->o->crtc, absent[i]))
			TH_LOG("%s", absent[i]);
		EXPECT_EQ(0, kms_prop_id(&self->k, self->o->connector,
					 absent[i]))
			TH_LOG("%s", absent[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(present); i++) {
		EXPECT_NE(0, kms_prop_id(&self->k, self->o->primary,
					 present[i]))
			TH_LOG("%s", present[i]);
	}
}

TEST_F(display, immutable_and_bad_values)
{
	uint32_t id = kms_prop_id(&self->k, self->o->primary, "type");
	struct kms_req r;

	ASSERT_NE(0, id);
	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->primary, "type", DRM_PLANE_TYPE_CURSOR);
	EXPECT_EQ(-EINVAL, kms_req_commit(&r, 0, 0));
	EXPECT_EQ(-EINVAL, test_primary(self, "FB_ID", 0xdead));
	EXPECT_EQ(-EINVAL, test_primary(self, "FB_ID", self->o->crtc));
	EXPECT_EQ(-EINVAL, test_primary(self, "FB_DAMAGE_CLIPS", 0xdead));
	EXPECT_EQ(-EINVAL, test_primary(self, "CRTC_ID", 0xdead));
}

/* --- power --- */

static int set_dpms(FIXTURE_DATA(display) *self, int value)
{
	return drmModeConnectorSetProperty(self->k.fd, self->o->connector,
					   kms_prop_id(&self->k,
						       self->o->connector,
						       "DPMS"), value);
}

TEST_F_TIMEOUT(display, dpms, LONG_TEST)
{
	static const int states[] = {
		DRM_MODE_DPMS_OFF, DRM_MODE_DPMS_ON, DRM_MODE_DPMS_STANDBY,
		DRM_MODE_DPMS_SUSPEND, DRM_MODE_DPMS_ON,
	};
	uint64_t value;

	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		int want = states[i] ? DRM_MODE_DPMS_OFF : DRM_MODE_DPMS_ON;

		ASSERT_EQ(0, set_dpms(self, states[i]));
		ASSERT_EQ(0, kms_prop_get(&self->k, self->o->crtc, "ACTIVE",
					  &value));
		EXPECT_EQ(want == DRM_MODE_DPMS_ON, value);
		if (want == DRM_MODE_DPMS_ON) {
			EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
		} else {
			EXPECT_NE(0, host_diff_fb(self->o->head, &self->fb));
		}
	}
}

/* What is drawn while the screen is off is there when it goes on. */
TEST_F_TIMEOUT(display, drawn_while_off, LONG_TEST)
{
	NEED_HOST();
	ASSERT_EQ(0, set_dpms(self, DRM_MODE_DPMS_OFF));
	kms_fb_draw(&self->fb, 8);
	drmModeDirtyFB(self->k.fd, self->fb.id, NULL, 0);
	ASSERT_EQ(0, set_dpms(self, DRM_MODE_DPMS_ON));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
}

TEST_F_TIMEOUT(display, off_and_on_again, LONG_TEST)
{
	NEED_HOST();
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, kms_off(&self->k, self->o));
		EXPECT_NE(0, host_diff_fb(self->o->head, &self->fb));
		ASSERT_EQ(0, kms_show(&self->k, self->o, &self->fb));
		EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	}
}

/* --- framebuffers --- */

TEST_F(display, getfb)
{
	drmModeFB *fb = drmModeGetFB(self->k.fd, self->fb.id);
	struct drm_gem_close close_arg = {};

	ASSERT_TRUE(fb);
	EXPECT_EQ(self->fb.width, fb->width);
	EXPECT_EQ(self->fb.height, fb->height);
	EXPECT_EQ(self->fb.pitch, fb->pitch);
	EXPECT_EQ(32, fb->bpp);
	EXPECT_EQ(24, fb->depth);
	EXPECT_NE(0, fb->handle);
	if (fb->handle != self->fb.handle) {
		close_arg.handle = fb->handle;
		kms_ioctl(self->k.fd, DRM_IOCTL_GEM_CLOSE, &close_arg);
	}
	drmModeFreeFB(fb);
	EXPECT_NULL(drmModeGetFB(self->k.fd, 0xdead));
	EXPECT_EQ(ENOENT, errno);
}

TEST_F(display, getfb2)
{
	drmModeFB2 *fb = drmModeGetFB2(self->k.fd, self->fb.id);
	struct drm_gem_close close_arg = {};

	ASSERT_TRUE(fb);
	EXPECT_EQ(self->fb.width, fb->width);
	EXPECT_EQ(self->fb.height, fb->height);
	EXPECT_EQ(DRM_FORMAT_XRGB8888, fb->pixel_format);
	EXPECT_EQ(self->fb.pitch, fb->pitches[0]);
	EXPECT_EQ(0, fb->offsets[0]);
	EXPECT_NE(0, fb->handles[0]);
	EXPECT_EQ(0, fb->handles[1]);
	if (fb->handles[0] != self->fb.handle) {
		close_arg.handle = fb->handles[0];
		kms_ioctl(self->k.fd, DRM_IOCTL_GEM_CLOSE, &close_arg);
	}
	drmModeFreeFB2(fb);
}

/* RMFB of a framebuffer that is shown turns its output off. */
TEST_F_TIMEOUT(display, rmfb_turns_off, LONG_TEST)
{
	drmModeCrtc *crtc;

	NEED_HOST();
	ASSERT_EQ(0, drmModeRmFB(self->k.fd, self->fb.id));
	self->fb.id = 0;
	crtc = drmModeGetCrtc(self->k.fd, self->o->crtc);
	ASSERT_TRUE(crtc);
	EXPECT_EQ(0, crtc->buffer_id);
	drmModeFreeCrtc(crtc);
	EXPECT_NE(0, host_diff_fb(self->o->head, &self->fb));
}

/* CLOSEFB leaves it on the screen. */
TEST_F_TIMEOUT(display, closefb_keeps_the_picture, LONG_TEST)
{
	struct drm_mode_closefb arg = { .fb_id = self->fb.id };
	int ret;

	NEED_HOST();
	ret = kms_ioctl(self->k.fd, DRM_IOCTL_MODE_CLOSEFB, &arg);
	if (ret == -ENOTTY)
		SKIP(return, "the kernel has no CLOSEFB");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	EXPECT_EQ(-ENOENT, drmModeRmFB(self->k.fd, self->fb.id));
	self->fb.id = 0;
}

/* --- blobs --- */

TEST_F(display, blob_lifetime)
{
	drmModePropertyBlobRes *blob;
	uint64_t before, after;
	struct kms_req r;
	uint32_t id;

	ASSERT_EQ(0, drmModeCreatePropertyBlob(self->k.fd, &self->o->mode,
					       sizeof(self->o->mode), &id));
	ASSERT_EQ(0, kms_prop_get(&self->k, self->o->crtc, "MODE_ID", &before));
	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->crtc, "MODE_ID", id);
	ASSERT_EQ(0, kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET, 0));
	ASSERT_EQ(0, drmModeDestroyPropertyBlob(self->k.fd, id));

	/* still in use by the CRTC, so still there */
	ASSERT_EQ(0, kms_prop_get(&self->k, self->o->crtc, "MODE_ID", &after));
	blob = drmModeGetPropertyBlob(self->k.fd, after);
	ASSERT_TRUE(blob);
	EXPECT_EQ(sizeof(self->o->mode), blob->length);
	drmModeFreePropertyBlob(blob);
	EXPECT_NE(0, drmModeDestroyPropertyBlob(self->k.fd, id));
	EXPECT_NULL(drmModeGetPropertyBlob(self->k.fd, 0xdead));
}

TEST_HARNESS_MAIN
