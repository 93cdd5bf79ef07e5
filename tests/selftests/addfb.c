// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Framebuffer creation: every limit of ADDFB2 with the errno that DRM gives,
 * and that what is accepted is also shown right.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <limits.h>

#include "host.h"
#include "kms.h"

#define LONG_TEST	120

#define W	1024
#define H	768

FIXTURE(addfb) {
	struct kms k;
	struct kms_output *o;
	struct kms_fb bo;
	struct drm_mode_fb_cmd2 cmd;
};

FIXTURE_SETUP(addfb)
{
	ASSERT_EQ(0, kms_open(&self->k));
	self->o = kms_connected(&self->k);
	ASSERT_TRUE(self->o);
	ASSERT_EQ(0, kms_fb_create(&self->k, W, H, DRM_FORMAT_XRGB8888,
				   &self->bo));
	self->cmd.width = W;
	self->cmd.height = H;
	self->cmd.pixel_format = DRM_FORMAT_XRGB8888;
	self->cmd.handles[0] = self->bo.handle;
	self->cmd.pitches[0] = self->bo.pitch;
}

FIXTURE_TEARDOWN(addfb)
{
	kms_fb_destroy(&self->bo);
	EXPECT_EQ(0, kms_close(&self->k));
}

static int addfb(FIXTURE_DATA(addfb) *self)
{
	struct drm_mode_fb_cmd2 cmd = self->cmd;
	int ret = kms_ioctl(self->k.fd, DRM_IOCTL_MODE_ADDFB2, &cmd);

	if (!ret)
		drmModeRmFB(self->k.fd, cmd.fb_id);
	return ret;
}

/* One change each to a framebuffer that is right. */
#define REFUSED(name, error, change)					\
TEST_F(addfb, name)							\
{									\
	ASSERT_EQ(0, addfb(self));					\
	change;								\
	EXPECT_EQ(error, addfb(self));					\
}

/* An overflow is -ERANGE where it is found as such, else a bad value. */
#define REFUSED_RANGE(name, change)					\
TEST_F(addfb, name)							\
{									\
	int ret;							\
									\
	ASSERT_EQ(0, addfb(self));					\
	change;								\
	ret = addfb(self);						\
	EXPECT_TRUE(ret == -ERANGE || ret == -EINVAL)			\
		TH_LOG("got %d", ret);					\
}

REFUSED(width_zero, -EINVAL, self->cmd.width = 0)
REFUSED(height_zero, -EINVAL, self->cmd.height = 0)
REFUSED(width_max, -EINVAL, self->cmd.width = UINT_MAX)
REFUSED(height_max, -EINVAL, self->cmd.height = UINT_MAX)
REFUSED(width_16_bits, -EINVAL, self->cmd.width = 65537)
REFUSED(too_wide, -EINVAL, self->cmd.width = W + 1)
REFUSED(too_high, -EINVAL, self->cmd.height = H + 1)
REFUSED(pitch_zero, -EINVAL, self->cmd.pitches[0] = 0)
REFUSED(pitch_too_small, -EINVAL, self->cmd.pitches[0] = W * 4 - 4)
REFUSED(pitch_one_less, -EINVAL, self->cmd.pitches[0] = W * 4 - 1)
REFUSED(pitch_not_of_pixels, -EINVAL, ({ self->cmd.pitches[0] = W * 4 + 1;
					 self->cmd.height = 16; }))
REFUSED(pitch_65536, -EINVAL, self->cmd.pitches[0] = 65536)
REFUSED_RANGE(pitch_max, self->cmd.pitches[0] = UINT_MAX)
REFUSED_RANGE(pitch_999999, self->cmd.pitches[0] = 999999999)
REFUSED(offset_beyond, -EINVAL, self->cmd.offsets[0] = 4)
REFUSED(offset_of_the_size, -EINVAL, self->cmd.offsets[0] = W * H * 4)
REFUSED_RANGE(offset_overflows, self->cmd.offsets[0] = UINT_MAX - W * H * 4 + 5)
REFUSED_RANGE(offset_max, self->cmd.offsets[0] = UINT_MAX)
REFUSED_RANGE(size_wraps_32_bits, ({ self->cmd.pitches[0] = 0x100000;
				     self->cmd.height = 4096; }))
REFUSED(format_zero, -EINVAL, self->cmd.pixel_format = 0)
REFUSED(format_unknown, -EINVAL, self->cmd.pixel_format = UINT_MAX)
REFUSED(format_30_bits, -EINVAL,
	self->cmd.pixel_format = DRM_FORMAT_XRGB2101010)
REFUSED(format_24_bits, -EINVAL, self->cmd.pixel_format = DRM_FORMAT_RGB888)
REFUSED(format_8_bits, -EINVAL, self->cmd.pixel_format = DRM_FORMAT_C8)
REFUSED(format_yuv, -EINVAL, ({ self->cmd.pixel_format = DRM_FORMAT_NV12;
				self->cmd.handles[1] = self->bo.handle;
				self->cmd.pitches[1] = self->bo.pitch;
				self->cmd.height = 64; }))
REFUSED(flags_unknown, -EINVAL, self->cmd.flags = 0x80)
REFUSED(handle_zero, -EINVAL, self->cmd.handles[0] = 0)
REFUSED(handle_unknown, -ENOENT, self->cmd.handles[0] = 0xdead)
REFUSED(handle_max, -ENOENT, self->cmd.handles[0] = UINT_MAX)
REFUSED(modifier_without_flag, -EINVAL,
	self->cmd.modifier[0] = DRM_FORMAT_MOD_INVALID)
REFUSED(modifier_tiled, -EINVAL, ({
	self->cmd.flags = DRM_MODE_FB_MODIFIERS;
	self->cmd.modifier[0] = I915_FORMAT_MOD_X_TILED; }))
REFUSED(modifier_invalid, -EINVAL, ({
	self->cmd.flags = DRM_MODE_FB_MODIFIERS;
	self->cmd.modifier[0] = DRM_FORMAT_MOD_INVALID; }))

TEST_F(addfb, modifier_linear)
{
	uint64_t cap = 0;

	drmGetCap(self->k.fd, DRM_CAP_ADDFB2_MODIFIERS, &cap);
	self->cmd.flags = DRM_MODE_FB_MODIFIERS;
	self->cmd.modifier[0] = DRM_FORMAT_MOD_LINEAR;
	EXPECT_EQ(cap ? 0 : -EINVAL, addfb(self));
}

/* Old programs leave rubbish in the planes that the format has not. */
TEST_F(addfb, unused_planes_are_ignored)
{
	self->cmd.handles[2] = 0xdead;
	self->cmd.pitches[1] = 17;
	self->cmd.offsets[3] = UINT_MAX;
	EXPECT_EQ(0, addfb(self));
}

TEST_F(addfb, small_ones)
{
	static const uint32_t sizes[][2] = {
		{ 1, 1 }, { 16, 1 }, { 1, 16 }, { 24, 24 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		self->cmd.width = sizes[i][0];
		self->cmd.height = sizes[i][1];
		EXPECT_EQ(0, addfb(self))
			TH_LOG("%ux%u", sizes[i][0], sizes[i][1]);
	}
}

TEST_F(addfb, limits_are_accepted)
{
	drmModeRes *res = drmModeGetResources(self->k.fd);
	struct kms_fb fb;

	ASSERT_TRUE(res);
	EXPECT_LE(8192, res->max_width);
	EXPECT_LE(8192, res->max_height);
	ASSERT_EQ(0, kms_dumb_create(self->k.fd, res->max_width, 16, 32, &fb));
	self->cmd.handles[0] = fb.handle;
	self->cmd.pitches[0] = fb.pitch;
	self->cmd.width = res->max_width;
	self->cmd.height = 16;
	EXPECT_EQ(0, addfb(self));
	self->cmd.width++;
	EXPECT_EQ(-EINVAL, addfb(self));
	kms_dumb_destroy(self->k.fd, fb.handle);
	drmModeFreeResources(res);
}

/* A buffer that holds the pixels of one format may be too small for another. */
TEST_F(addfb, buffer_of_16_bits_for_32)
{
	struct kms_fb fb;

	ASSERT_EQ(0, kms_dumb_create(self->k.fd, W, H, 16, &fb));
	self->cmd.handles[0] = fb.handle;
	EXPECT_EQ(-EINVAL, addfb(self));
	kms_dumb_destroy(self->k.fd, fb.handle);
}

TEST_F(addfb, handle_of_another_file)
{
	int fd = kms_open_node(DRM_NODE_PRIMARY, NULL);
	struct kms_fb fb;

	ASSERT_LE(0, fd);
	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, kms_dumb_create(fd, W, H, 32, &fb));
	}
	self->cmd.handles[0] = fb.handle;
	EXPECT_EQ(-ENOENT, addfb(self));
	close(fd);
}

/*
 * A framebuffer is part of a bigger buffer: smaller than it, other pitch, not
 * at its beginning. The driver may refuse what the host cannot show; what it
 * takes it shows right.
 */
static void check_part(struct __test_metadata *_metadata,
		       FIXTURE_DATA(addfb) *self, uint32_t width,
		       uint32_t height, uint32_t pitch, uint32_t offset,
		       bool required)
{
	struct kms_fb part = self->bo;
	drmModeModeInfo mode;
	int ret;

	NEED_HOST();
	self->cmd.width = width;
	self->cmd.height = height;
	self->cmd.pitches[0] = pitch;
	self->cmd.offsets[0] = offset;
	ret = kms_ioctl(self->k.fd, DRM_IOCTL_MODE_ADDFB2, &self->cmd);
	if (!required && ret == -EINVAL)
		SKIP(return, "the driver refuses such a framebuffer");
	ASSERT_EQ(0, ret);

	kms_fb_draw(&self->bo, 1);
	part.id = self->cmd.fb_id;
	part.width = width;
	part.height = height;
	part.pitch = pitch;
	part.map = (char *)self->bo.map + offset;
	kms_mode(&mode, width, height, 60);
	ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &mode, &part));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &part));
	EXPECT_EQ(0, drmModeRmFB(self->k.fd, part.id));
}

TEST_F_TIMEOUT(addfb, smaller_than_its_buffer, LONG_TEST)
{
	check_part(_metadata, self, 640, 480, W * 4, 0, true);
}

TEST_F_TIMEOUT(addfb, other_pitch, LONG_TEST)
{
	check_part(_metadata, self, 640, 480, 800 * 4, 0, false);
}

TEST_F_TIMEOUT(addfb, offset_of_whole_rows, LONG_TEST)
{
	check_part(_metadata, self, 640, 480, W * 4, 100 * W * 4, false);
}

TEST_F_TIMEOUT(addfb, offset_within_a_row, LONG_TEST)
{
	check_part(_metadata, self, 640, 480, W * 4, 100 * W * 4 + 128, false);
}

TEST_F(addfb, remove_twice)
{
	uint32_t id;

	ASSERT_EQ(0, kms_ioctl(self->k.fd, DRM_IOCTL_MODE_ADDFB2, &self->cmd));
	id = self->cmd.fb_id;
	EXPECT_EQ(0, drmModeRmFB(self->k.fd, id));
	EXPECT_EQ(-ENOENT, drmModeRmFB(self->k.fd, id));
	EXPECT_EQ(-ENOENT, drmModeRmFB(self->k.fd, 0));
}

/* The framebuffer keeps its buffer when the handle is closed. */
TEST_F_TIMEOUT(addfb, handle_closed_before_use, LONG_TEST)
{
	drmModeModeInfo mode;
	uint32_t handle = self->bo.handle;

	NEED_HOST();
	kms_fb_draw(&self->bo, 6);
	ASSERT_EQ(0, kms_dumb_destroy(self->k.fd, handle));
	self->bo.handle = 0;
	kms_mode(&mode, W, H, 60);
	ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &mode, &self->bo));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->bo));
}

/* Nothing of what was refused above stays behind. */
TEST_F(addfb, no_handle_leaks)
{
	int before = kms_handles(&self->k);

	for (int i = 0; i < 100; i++) {
		self->cmd.height = i % 2 ? H : H + 1;
		ASSERT_EQ(i % 2 ? 0 : -EINVAL, addfb(self));
	}
	EXPECT_EQ(before, kms_handles(&self->k));
}

TEST_HARNESS_MAIN
