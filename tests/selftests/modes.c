// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Modes: the EDID and what the connector offers, odd sizes that must work, and
 * modes that no vblank timer could keep, which must be refused.
 */
#include "display.h"

#include <errno.h>
#include <limits.h>

static drmModeConnector *connector(FIXTURE_DATA(display) *self)
{
	return drmModeGetConnector(self->k.fd, self->o->connector);
}

TEST_F(display, edid)
{
	drmModePropertyBlobRes *blob;
	const uint8_t *edid;
	uint64_t id = 0;

	ASSERT_EQ(0, kms_prop_get(&self->k, self->o->connector, "EDID", &id));
	ASSERT_NE(0, id);
	blob = drmModeGetPropertyBlob(self->k.fd, id);
	ASSERT_TRUE(blob);
	ASSERT_LE(128, blob->length);
	EXPECT_EQ(0, blob->length % 128);
	edid = blob->data;
	EXPECT_EQ(0, memcmp(edid, "\0\xff\xff\xff\xff\xff\xff\0", 8));
	EXPECT_EQ((edid[126] + 1u) * 128, blob->length);
	for (uint32_t b = 0; b < blob->length; b += 128) {
		uint8_t sum = 0;

		for (uint32_t i = 0; i < 128; i++)
			sum += edid[b + i];
		EXPECT_EQ(0, sum);
	}
	drmModeFreePropertyBlob(blob);
}

/* The EDID was read, not only shown: its physical size is the connector's. */
TEST_F(display, edid_is_used)
{
	drmModeConnector *c = connector(self);

	ASSERT_TRUE(c);
	EXPECT_LT(0, c->mmWidth);
	EXPECT_LT(0, c->mmHeight);
	EXPECT_LT(1, c->count_modes);
	drmModeFreeConnector(c);
}

TEST_F(display, one_preferred_mode)
{
	drmModeConnector *c = connector(self);
	int preferred = 0;

	ASSERT_TRUE(c);
	for (int i = 0; i < c->count_modes; i++)
		preferred += !!(c->modes[i].type & DRM_MODE_TYPE_PREFERRED);
	EXPECT_EQ(1, preferred);
	EXPECT_TRUE(c->modes[0].type & DRM_MODE_TYPE_PREFERRED);
	drmModeFreeConnector(c);
}

static int test_mode(FIXTURE_DATA(display) *self, const drmModeModeInfo *mode)
{
	struct kms_req r;

	kms_req_init(&r, &self->k);
	kms_req_output(&r, self->o, mode);
	kms_req_plane(&r, self->o->primary, self->o->crtc, &self->fb, 0, 0,
		      mode->hdisplay, mode->vdisplay);
	return kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET |
			      DRM_MODE_ATOMIC_TEST_ONLY, 0);
}

/* Whatever the connector offers, it can do. */
TEST_F(display, every_mode_of_the_list)
{
	drmModeConnector *c = connector(self);

	ASSERT_TRUE(c);
	for (int i = 0; i < c->count_modes; i++) {
		drmModeModeInfo *m = &c->modes[i];
		struct kms_fb fb;
		struct kms_req r;

		ASSERT_EQ(0, kms_fb_create(&self->k, m->hdisplay, m->vdisplay,
					   DRM_FORMAT_XRGB8888, &fb));
		kms_req_init(&r, &self->k);
		kms_req_output(&r, self->o, m);
		kms_req_plane(&r, self->o->primary, self->o->crtc, &fb, 0, 0,
			      m->hdisplay, m->vdisplay);
		EXPECT_EQ(0, kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET |
					    DRM_MODE_ATOMIC_TEST_ONLY, 0))
			TH_LOG("mode %s", m->name);
		kms_fb_destroy(&fb);
	}
	drmModeFreeConnector(c);
}

/* --- sizes that work --- */

TEST_F_TIMEOUT(display, odd_sizes_show_right, LONG_TEST)
{
	static const uint32_t sizes[][2] = {
		{ 641, 481 }, { 1367, 769 }, { 333, 777 }, { 1920, 1080 },
		{ 64, 64 }, { 16, 16 },
	};

	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		drmModeModeInfo mode;
		struct kms_fb fb;

		kms_mode(&mode, sizes[i][0], sizes[i][1], 60);
		ASSERT_EQ(0, kms_fb_create(&self->k, sizes[i][0], sizes[i][1],
					   DRM_FORMAT_XRGB8888, &fb));
		kms_fb_draw(&fb, 40 + i);
		EXPECT_EQ(0, kms_show_mode(&self->k, self->o, &mode, &fb))
			TH_LOG("size %ux%u", sizes[i][0], sizes[i][1]);
		EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
		kms_fb_destroy(&fb);
	}
}

TEST_F(display, usual_rates_are_accepted)
{
	static const unsigned int rates[] = { 24, 30, 50, 60, 75, 120, 144, 240 };

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		drmModeModeInfo mode;

		kms_mode(&mode, 1024, 768, rates[i]);
		EXPECT_EQ(0, test_mode(self, &mode))
			TH_LOG("%u Hz", rates[i]);
	}
}

/* --- what is refused --- */

/* By each way a mode can come in; the screen stays as it is. */
static void check_refused(struct __test_metadata *_metadata,
			  FIXTURE_DATA(display) *self,
			  const drmModeModeInfo *mode, const char *what)
{
	int ret = test_mode(self, mode);

	EXPECT_TRUE(ret == -EINVAL || ret == -ERANGE || ret == -ENOSPC)
		TH_LOG("%s, atomic: %d", what, ret);
	ret = drmModeSetCrtc(self->k.fd, self->o->crtc, self->fb.id, 0, 0,
			     &self->o->connector, 1, (drmModeModeInfo *)mode);
	EXPECT_TRUE(ret == -EINVAL || ret == -ERANGE || ret == -ENOSPC)
		TH_LOG("%s, SETCRTC: %d", what, ret);
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	}
}

#define REFUSED(name, change)						\
TEST_F(display, name)							\
{									\
	drmModeModeInfo mode;						\
									\
	kms_mode(&mode, 640, 480, 60);					\
	ASSERT_EQ(0, test_mode(self, &mode));				\
	change;								\
	check_refused(_metadata, self, &mode, #name);			\
}

REFUSED(clock_zero, mode.clock = 0)
REFUSED(clock_int_max, mode.clock = INT_MAX)
REFUSED(clock_uint_max, mode.clock = UINT_MAX)
REFUSED(vrefresh_over_int, mode.vrefresh = UINT_MAX)
REFUSED(frame_over_a_second, mode.clock = mode.htotal * mode.vtotal / 2000)
REFUSED(frame_of_a_microsecond,
	mode.clock = mode.htotal * mode.vtotal * 1000)
REFUSED(frame_period_overflows,
	({ mode.htotal = 65535; mode.vtotal = 65535; mode.clock = 1; }))
REFUSED(frame_pixels_overflow,
	({ mode.htotal = 65535; mode.vtotal = 65535; mode.clock = INT_MAX; }))
REFUSED(vscan_2, mode.vscan = 2)
REFUSED(vscan_65535, mode.vscan = 65535)
REFUSED(htotal_zero, mode.htotal = 0)
REFUSED(vtotal_zero, mode.vtotal = 0)
REFUSED(hdisplay_zero, mode.hdisplay = 0)
REFUSED(too_narrow, kms_mode(&mode, 15, 600, 60))
REFUSED(too_low, kms_mode(&mode, 800, 15, 60))
REFUSED(vdisplay_zero, mode.vdisplay = 0)
REFUSED(hsync_before_display, mode.hsync_start = mode.hdisplay - 1)
REFUSED(vsync_reversed, mode.vsync_end = mode.vsync_start - 1)
REFUSED(htotal_before_sync, mode.htotal = mode.hsync_end - 1)
REFUSED(unknown_flags, mode.flags = 0x80000000)

TEST_F(display, over_the_limits)
{
	drmModeRes *res = drmModeGetResources(self->k.fd);
	drmModeModeInfo mode;

	ASSERT_TRUE(res);
	kms_mode(&mode, res->max_width + 8, 480, 60);
	check_refused(_metadata, self, &mode, "too wide");
	kms_mode(&mode, 640, res->max_height + 8, 60);
	check_refused(_metadata, self, &mode, "too high");
	drmModeFreeResources(res);
}

TEST_F(display, blob_of_wrong_size)
{
	uint32_t blob;
	struct kms_req r;

	ASSERT_EQ(0, drmModeCreatePropertyBlob(self->k.fd, &self->o->mode,
					       sizeof(self->o->mode) - 4,
					       &blob));
	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->crtc, "MODE_ID", blob);
	EXPECT_EQ(-EINVAL, kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET,
					  0));
	drmModeDestroyPropertyBlob(self->k.fd, blob);
}

TEST_HARNESS_MAIN
