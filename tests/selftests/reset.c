// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The device loses everything: resets that an engineer asks for by debugfs, and
 * sleep. Pictures, cursor and outputs are there again afterwards.
 */
#include "display.h"

#include <errno.h>

#include "figure.h"
#include "reset.h"

TEST_F_TIMEOUT(display, picture_comes_back, LONG_TEST)
{
	NEED_HOST();
	ASSERT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, reset_device(&self->k));
	EXPECT_LT(0, host_trace("res_create_2d", NULL));
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
}

TEST_F_TIMEOUT(display, cursor_comes_back, LONG_TEST)
{
	struct kms_fb cursor;

	NEED_HOST();
	ASSERT_EQ(0, reset_show_cursor(&self->k, self->o, &cursor));
	ASSERT_TRUE(reset_cursor_shown(self->o->head, &cursor));
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, reset_device(&self->k));
	EXPECT_LT(0, host_trace("update_cursor.*update, res 0x[1-9a-f]", NULL));
	EXPECT_TRUE(reset_cursor_shown(self->o->head, &cursor));
	drmModeSetCursor(self->k.fd, self->o->crtc, 0, 0, 0);
	kms_fb_destroy(&cursor);
}

/* What was drawn before, but not shown at the time, is not lost either. */
TEST_F_TIMEOUT(display, hidden_buffers_are_kept, LONG_TEST)
{
	struct kms_fb other;

	NEED_HOST();
	ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width, self->fb.height,
				   DRM_FORMAT_XRGB8888, &other));
	kms_fb_draw(&other, 7);
	ASSERT_EQ(0, reset_device(&self->k));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &other, DRM_MODE_PAGE_FLIP_EVENT,
			      0));
	ASSERT_EQ(0, kms_wait_flip(&self->k));
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &other, KMS_WAIT_MS));
	EXPECT_EQ(0, kms_flip(&self->k, self->o, &self->fb, DRM_MODE_PAGE_FLIP_EVENT, 0));
	EXPECT_EQ(0, kms_wait_flip(&self->k));
	kms_fb_destroy(&other);
}

/* An output that is off stays off. */
TEST_F_TIMEOUT(display, off_stays_off, LONG_TEST)
{
	ASSERT_EQ(0, kms_off(&self->k, self->o));
	ASSERT_EQ(0, reset_device(&self->k));
	EXPECT_EQ(-EINVAL, kms_flip(&self->k, self->o, &self->fb, DRM_MODE_PAGE_FLIP_EVENT, 0));
	EXPECT_EQ(0, kms_show(&self->k, self->o, &self->fb));
}

/* No flip is lost: each has its event, and all but the ones caught succeed. */
TEST_F_TIMEOUT(display, flips_go_on, LONG_TEST)
{
	struct kms_fb fbs[2];
	uint64_t end;
	int flips = 0, resets = 0;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width, self->fb.height,
					   DRM_FORMAT_XRGB8888, &fbs[i]));
		kms_fb_draw(&fbs[i], i + 2);
	}
	end = kms_now_ns() + 8 * 1000000000ULL;
	while (kms_now_ns() < end) {
		if (flips % 60 == 10) {
			ASSERT_EQ(0, reset_request(&self->k));
			resets++;
		}
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &fbs[flips % 2],
				      DRM_MODE_PAGE_FLIP_EVENT, 0));
		ASSERT_EQ(0, kms_wait_flip(&self->k));
		flips++;
	}
	TH_LOG("%d flips, %d resets", flips, resets);
	figure("resets under flips", resets);
	EXPECT_LT(1, resets);
	ASSERT_EQ(0, reset_wait(&self->k));
	if (!host_missing()) {
		kms_flip(&self->k, self->o, &self->fb, DRM_MODE_PAGE_FLIP_EVENT, 0);
		kms_wait_flip(&self->k);
		EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	}
	kms_fb_destroy(&fbs[0]);
	kms_fb_destroy(&fbs[1]);
}

/* A picture of RGB565 is shown by a buffer of the driver's own. */
TEST_F_TIMEOUT(display, converted_picture_comes_back, LONG_TEST)
{
	struct kms_fb fb;

	NEED_HOST();
	ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width, self->fb.height,
				   DRM_FORMAT_RGB565, &fb));
	kms_fb_draw(&fb, 3);
	ASSERT_EQ(0, kms_show(&self->k, self->o, &fb));
	ASSERT_EQ(0, reset_device(&self->k));
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &fb, KMS_WAIT_MS));
	ASSERT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	kms_fb_destroy(&fb);
}

TEST_F_TIMEOUT(display, picture_after_sleep, LONG_TEST)
{
	struct kms_fb cursor;
	const char *why = sleep_missing();

	if (why)
		SKIP(return, "%s", why);
	NEED_HOST();
	ASSERT_EQ(0, reset_show_cursor(&self->k, self->o, &cursor));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, host_mark());
		ASSERT_EQ(0, sleep_a_while());
		EXPECT_LT(0, host_trace("res_create_2d", NULL));
		EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
		EXPECT_TRUE(reset_cursor_shown(self->o->head, &cursor));
	}
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, DRM_MODE_PAGE_FLIP_EVENT, 0));
	EXPECT_EQ(0, kms_wait_flip(&self->k));
	drmModeSetCursor(self->k.fd, self->o->crtc, 0, 0, 0);
	kms_fb_destroy(&cursor);
}

TEST_HARNESS_MAIN
