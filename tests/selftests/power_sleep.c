// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Suspend to memory with a device that says that it is not reset in it (PCI's
 * No_Soft_Reset): what it shows stays.
 */
#include "display.h"

#include "reset.h"

TEST_F_TIMEOUT(display, nothing_is_lost, LONG_TEST)
{
	const char *why = sleep_missing();
	struct kms_fb cursor;

	NEED_HOST();
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, reset_show_cursor(&self->k, self->o, &cursor));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, host_mark());
		ASSERT_EQ(0, sleep_a_while());
		EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
		EXPECT_TRUE(reset_cursor_shown(self->o->head, &cursor));
		/* else this is the other way, which reset.c is about */
		EXPECT_EQ(0, host_trace("res_create_2d", NULL));

		kms_fb_fill(&self->fb, 0x102030 * (i + 1));
		EXPECT_EQ(0, kms_flip(&self->k, self->o, &self->fb,
				      DRM_MODE_PAGE_FLIP_EVENT, 0));
		EXPECT_EQ(0, kms_wait_flip(&self->k));
		EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	}
	drmModeSetCursor(self->k.fd, self->o->crtc, 0, 0, 0);
	kms_fb_destroy(&cursor);
}

TEST_HARNESS_MAIN
