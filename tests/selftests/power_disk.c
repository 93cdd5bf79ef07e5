// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Hibernation: the memory is written to a disk, the machine restarts, and what was
 * shown is shown again, by a device that knows nothing of it.
 */
#include "display.h"

#include "power.h"

TEST_F_TIMEOUT(display, comes_back_from_disk, POWER_TEST)
{
	const char *why = hibernation_missing();
	struct kms_fb cursor, hidden;

	NEED_HOST();
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, reset_show_cursor(&self->k, self->o, &cursor));
	ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width, self->fb.height,
				   DRM_FORMAT_XRGB8888, &hidden));
	kms_fb_draw(&hidden, 9);
	ASSERT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	ASSERT_EQ(0, host_mark());

	ASSERT_EQ(0, hibernate());
	EXPECT_LT(0, host_trace("res_create_2d", NULL));
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	EXPECT_TRUE(reset_cursor_shown(self->o->head, &cursor));

	EXPECT_EQ(0, kms_flip(&self->k, self->o, &hidden, DRM_MODE_PAGE_FLIP_EVENT, 0));
	EXPECT_EQ(0, kms_wait_flip(&self->k));
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &hidden, KMS_WAIT_MS));
	EXPECT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	drmModeSetCursor(self->k.fd, self->o->crtc, 0, 0, 0);
	kms_fb_destroy(&cursor);
	kms_fb_destroy(&hidden);
}

TEST_HARNESS_MAIN
