// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The host keeps a running guest and puts it back later: what was shown then is
 * shown, and the display goes on.
 */
#include "display.h"

#define SNAPSHOT_TEST	400

TEST_F_TIMEOUT(display, goes_on_after_a_restore, SNAPSHOT_TEST)
{
	bool restored = false;
	struct kms_fb other;

	NEED_HOST();
	ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width, self->fb.height,
				   DRM_FORMAT_XRGB8888, &other));
	kms_fb_draw(&other, 2);
	ASSERT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	ASSERT_EQ(0, host_snapshot(&restored));

	/* The first time only: all of this has not happened afterwards. */
	if (!restored) {
		kms_fb_fill(&self->fb, 0x123456);
		ASSERT_EQ(0, kms_show(&self->k, self->o, &other));
		ASSERT_EQ(0, host_diff_fb_soon(self->o->head, &other, KMS_WAIT_MS));
		ASSERT_EQ(0, host_restore());
	}
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, kms_flip(&self->k, self->o, i % 2 ? &self->fb : &other,
				      DRM_MODE_PAGE_FLIP_EVENT, 0));
		ASSERT_EQ(0, kms_wait_flip(&self->k));
	}
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	kms_fb_destroy(&other);
}

TEST_HARNESS_MAIN
