/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The fixture of most tests: the card is open, its first connected output
 * shows a known picture in the preferred mode. After each test the kernel log
 * is looked at.
 */
#ifndef TESTS_DISPLAY_H
#define TESTS_DISPLAY_H

#include <kselftest_harness.h>

#include "host.h"
#include "kms.h"

/* Tests that ask the host for many pictures take their time without KVM. */
#define LONG_TEST	120

FIXTURE(display) {
	struct kms k;
	struct kms_output *o;
	struct kms_fb fb;
};

FIXTURE_SETUP(display)
{
	ASSERT_EQ(0, kms_open(&self->k));
	self->o = kms_connected(&self->k);
	ASSERT_TRUE(self->o);
	ASSERT_EQ(0, kms_fb_create(&self->k, self->o->mode.hdisplay,
				   self->o->mode.vdisplay, DRM_FORMAT_XRGB8888,
				   &self->fb));
	kms_fb_draw(&self->fb, 1);
	ASSERT_EQ(0, kms_show(&self->k, self->o, &self->fb));
}

FIXTURE_TEARDOWN(display)
{
	kms_fb_destroy(&self->fb);
	EXPECT_EQ(0, kms_close(&self->k));
}

#endif
