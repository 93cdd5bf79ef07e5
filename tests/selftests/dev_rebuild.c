// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * After a reset all is made known to the host again, which may refuse it then: what
 * was refused is not shown, and what comes later is.
 */
#include <kselftest_harness.h>

#include "dev.h"
#include "reset.h"
#include "share.h"

#define LONG_TEST	110
#define WIDTH		640
#define HEIGHT		480

FIXTURE(rebuild) {
	struct kms k;
	struct kms_output *o;
	drmModeModeInfo mode;
};

FIXTURE_SETUP(rebuild)
{
	NEED_DEVICE();
	NEED_MODULE();
	dev_expect("refused|output stays dark");
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, dev_replug("edid"));
	ASSERT_EQ(0, kms_open(&self->k));
	self->o = kms_connected(&self->k);
	ASSERT_TRUE(self->o);
	kms_mode(&self->mode, WIDTH, HEIGHT, 60);
}

FIXTURE_TEARDOWN(rebuild)
{
	EXPECT_EQ(0, dev_clear());
	kms_close(&self->k);
	/* as other programs expect it */
	EXPECT_EQ(0, dev_replug("all"));
}

FIXTURE_VARIANT(rebuild) {
	const char *command;
};

FIXTURE_VARIANT_ADD(rebuild, creation) { .command = "resource_create_2d" };

FIXTURE_VARIANT_ADD(rebuild, pages) { .command = "resource_attach_backing" };

TEST_F_TIMEOUT(rebuild, refused, LONG_TEST)
{
	struct kms_fb old, new;

	ASSERT_EQ(0, kms_fb_create(&self->k, WIDTH, HEIGHT, DRM_FORMAT_XRGB8888, &old));
	kms_fb_draw(&old, 1);
	ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &self->mode, &old));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &old));

	ASSERT_EQ(0, dev_faults(variant->command, "error 0x1201"));
	ASSERT_EQ(0, reset_device(&self->k));
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, kms_fb_create(&self->k, WIDTH, HEIGHT, DRM_FORMAT_XRGB8888, &new));
	kms_fb_draw(&new, 2);
	ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &self->mode, &new));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &new));
	kms_fb_destroy(&old);
	kms_fb_destroy(&new);
}

/* A foreign buffer that was refused, too, and one that has moved since it was used. */
TEST_F_TIMEOUT(rebuild, imports, LONG_TEST)
{
	struct virtgpu_test_stats stats;
	struct kms_fb fbs[2], own;
	int fds[2];

	if (!strcmp(variant->command, "resource_attach_backing"))
		SKIP(return, "a host that has the resource is told to let go, refused or not");
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, module_export(WIDTH * HEIGHT * 4, 1, VIRTGPU_TEST_MOVE_MAPPED,
					   &fds[i]));
		ASSERT_EQ(0, share_fb(&self->k, fds[i], WIDTH, HEIGHT, &fbs[i]));
		ASSERT_EQ(0, share_draw(fds[i], &fbs[i], i + 1));
		ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &self->mode, &fbs[i]));
		EXPECT_EQ(0, host_diff_fb(self->o->head, &fbs[i]));
	}
	ASSERT_EQ(0, kms_fb_create(&self->k, WIDTH, HEIGHT, DRM_FORMAT_XRGB8888, &own));
	kms_fb_draw(&own, 3);
	ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &self->mode, &own));
	EXPECT_EQ(0, module_move(fds[0], KMS_WAIT_MS));

	ASSERT_EQ(0, reset_device(&self->k));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, kms_flip(&self->k, self->o, &fbs[i], 0, 0));
		EXPECT_EQ(0, host_diff_fb(self->o->head, &fbs[i]));
	}
	EXPECT_EQ(0, kms_flip(&self->k, self->o, &own, 0, 0));

	ASSERT_EQ(0, dev_faults(variant->command, "error 0x1201"));
	ASSERT_EQ(0, reset_device(&self->k));
	ASSERT_EQ(0, dev_clear());
	/* the exporter has its pages back all the same */
	EXPECT_EQ(0, module_move(fds[1], KMS_WAIT_MS));
	for (int i = 0; i < 2; i++) {
		kms_fb_destroy(&fbs[i]);
		EXPECT_EQ(0, module_wait_idle(fds[i], &stats));
		EXPECT_EQ(stats.maps, stats.unmaps);
		EXPECT_EQ(0, stats.unmapped_busy);
		EXPECT_EQ(0, stats.written_late);
		close(fds[i]);
	}
	kms_fb_destroy(&own);
}

TEST_HARNESS_MAIN
