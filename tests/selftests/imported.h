/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The fixture of the tests of import: the card shows a picture of its own in
 * its smallest mode, and there is a buffer of each exporter in turn that is
 * large enough for another. After each test nothing is left of it.
 */
#ifndef TESTS_IMPORTED_H
#define TESTS_IMPORTED_H

#include <kselftest_harness.h>

#include <errno.h>

#include "gpu.h"
#include "host.h"
#include "share.h"

/* Without KVM, pictures take their time. */
#define LONG_TEST	120

#define WIDTH	640
#define HEIGHT	480
#define SIZE	(WIDTH * HEIGHT * 4)

#define NONBLOCK_EVENT	(DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT)

FIXTURE(import) {
	struct kms k;
	struct kms_output *o;
	struct kms_fb fb;
	struct share share;
	int resources;
};

FIXTURE_VARIANT(import) {
	enum exporter from;
};

/*
 * QEMU's OpenGL window shows all of a resource, whatever part of it is to be
 * shown: pictures of a part are compared on other machines.
 */
static inline bool shows_parts(void)
{
	int fd = gpu_open();
	bool gl = fd >= 0 && gpu_has(fd, VIRTGPU_PARAM_3D_FEATURES);

	close(fd);
	return !host_missing() && (host_scripted() || !gl);
}

/* The card has a resource for its cursor from the first one on. */
static inline int cursor_once(struct kms *k, const struct kms_output *o)
{
	struct kms_fb bo;
	int ret = kms_dumb_create(k->fd, 64, 64, 32, &bo);

	if (ret)
		return ret;
	if (drmModeSetCursor(k->fd, o->crtc, bo.handle, 64, 64) ||
	    drmModeSetCursor(k->fd, o->crtc, 0, 0, 0))
		ret = -errno;
	kms_dumb_destroy(k->fd, bo.handle);
	return ret;
}

FIXTURE_SETUP(import)
{
	drmModeModeInfo mode;
	const char *why;

	if (variant->from == EXPORT_MODULE)
		NEED_MODULE();
	why = share_missing(variant->from);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, kms_open(&self->k));
	self->o = kms_connected(&self->k);
	ASSERT_TRUE(self->o);
	ASSERT_EQ(0, kms_fb_create(&self->k, WIDTH, HEIGHT, DRM_FORMAT_XRGB8888,
				   &self->fb));
	kms_fb_draw(&self->fb, 1);
	kms_mode(&mode, WIDTH, HEIGHT, 60);
	ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &mode, &self->fb));
	ASSERT_EQ(0, cursor_once(&self->k, self->o));
	/* the framebuffer is one */
	self->resources = gpu_stat("resources") - 1;
	ASSERT_EQ(0, share_make(variant->from, SIZE, &self->share));
}

FIXTURE_TEARDOWN(import)
{
	share_free(&self->share);
	kms_fb_destroy(&self->fb);
	EXPECT_EQ(self->resources,
		  gpu_stat_wait("resources", self->resources));
	EXPECT_EQ(0, kms_close(&self->k));
}

#endif
