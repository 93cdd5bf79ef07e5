// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A host that is only slow is no reason for a reset: programs get ETIMEDOUT, the
 * log tells it once, and what was slow is there in the end.
 */
#include <kselftest_harness.h>

#include <errno.h>

#include "dev.h"
#include "reset.h"

#define SLOW_TEST	180
#define TIMEOUT_MS	200
#define LATE		"late 1500"

FIXTURE(slow) {
	struct kms k;
	struct kms_output *o;
	struct kms_fb fb;
};

FIXTURE_SETUP(slow)
{
	NEED_DEVICE();
	dev_expect("has not answered");
	ASSERT_EQ(0, dev_replug("all"));
	ASSERT_EQ(0, kms_open(&self->k));
	self->o = kms_connected(&self->k);
	ASSERT_TRUE(self->o);
	ASSERT_EQ(0, kms_fb_create(&self->k, self->o->mode.hdisplay, self->o->mode.vdisplay,
				   DRM_FORMAT_XRGB8888, &self->fb));
	kms_fb_draw(&self->fb, 1);
	ASSERT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	ASSERT_EQ(0, dev_timeout(TIMEOUT_MS));
}

FIXTURE_TEARDOWN(slow)
{
	EXPECT_EQ(0, dev_clear());
	EXPECT_EQ(0, dev_timeout(0));
	kms_fb_destroy(&self->fb);
	kms_close(&self->k);
}

TEST_F_TIMEOUT(slow, is_told_once_and_not_reset, SLOW_TEST)
{
	struct kms_fb fb;

	ASSERT_EQ(0, dev_faults("resource_create_2d", LATE));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(-ETIMEDOUT, kms_fb_create(&self->k, 640, 480, DRM_FORMAT_XRGB8888,
						    &fb));
	ASSERT_EQ(0, dev_clear());
	EXPECT_EQ(0, kms_fb_create(&self->k, 640, 480, DRM_FORMAT_XRGB8888, &fb));
	kms_fb_destroy(&fb);
	EXPECT_EQ(0, resets_done(self->k.minor));
	EXPECT_EQ(1, kms_logged(&self->k, "host has not answered"));
}

/* Flips wait for such a host, longer than programs would, and none is lost. */
TEST_F_TIMEOUT(slow, flips_wait, SLOW_TEST)
{
	ASSERT_EQ(0, dev_faults("resource_flush", "late 400"));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, DRM_MODE_PAGE_FLIP_EVENT, 0));
		EXPECT_EQ(0, kms_wait_flip(&self->k));
	}
	ASSERT_EQ(0, dev_clear());
	EXPECT_EQ(0, resets_done(self->k.minor));
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
}

TEST_HARNESS_MAIN
