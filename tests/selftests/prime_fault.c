// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Exporters that refuse, fail or take their time: the error reaches the
 * program, nothing is left behind, and what works later works then.
 */
#include "imported.h"

FIXTURE_VARIANT_ADD(import, module) { .from = EXPORT_MODULE };

static int set_faults(FIXTURE_DATA(import) *self,
		      struct virtgpu_test_faults faults)
{
	faults.fd = self->share.fd;
	return module_faults(faults);
}

/* Nobody is attached any more and all that was mapped is unmapped. */
static void nothing_is_left(struct __test_metadata *_metadata,
			    FIXTURE_DATA(import) *self)
{
	struct virtgpu_test_stats stats;

	EXPECT_EQ(0, module_wait_idle(self->share.fd, &stats));
	EXPECT_EQ(0, stats.pinned);
	EXPECT_EQ(stats.maps, stats.unmaps);
	EXPECT_EQ(0, stats.unmapped_busy);
	EXPECT_EQ(0, stats.written_late);
}

/* The way from a descriptor to the screen; the first error of it. */
static int show(FIXTURE_DATA(import) *self, struct kms_fb *fb)
{
	int ret = share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, fb);

	if (ret)
		return ret;
	ret = share_draw(self->share.fd, fb, 6);
	if (!ret)
		ret = kms_flip(&self->k, self->o, fb, 0, 0);
	if (ret)
		kms_fb_destroy(fb);
	return ret;
}

static void shows(struct __test_metadata *_metadata,
		  FIXTURE_DATA(import) *self)
{
	struct kms_fb fb;

	ASSERT_EQ(0, set_faults(self, (struct virtgpu_test_faults) {}));
	ASSERT_EQ(0, show(self, &fb));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	}
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	kms_fb_destroy(&fb);
	nothing_is_left(_metadata, self);
}

TEST_F_TIMEOUT(import, attach_refused, LONG_TEST)
{
	int before = kms_handles(&self->k);
	uint32_t handle;

	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, set_faults(self, (struct virtgpu_test_faults) {
				.attach = EACCES }));
		EXPECT_EQ(-EACCES, dmabuf_import(self->k.fd, self->share.fd,
						 &handle));
	}
	EXPECT_EQ(before, kms_handles(&self->k));
	nothing_is_left(_metadata, self);
	shows(_metadata, self);
}

TEST_F_TIMEOUT(import, map_fails, LONG_TEST)
{
	int before = kms_handles(&self->k);
	struct kms_fb fb;

	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, set_faults(self, (struct virtgpu_test_faults) {
				.map = ENOMEM }));
		EXPECT_EQ(-ENOMEM, show(self, &fb));
	}
	EXPECT_EQ(before, kms_handles(&self->k));
	nothing_is_left(_metadata, self);
	shows(_metadata, self);
}

/* Mapped before, and not again after a move: until it can be. */
TEST_F_TIMEOUT(import, map_fails_after_a_move, LONG_TEST)
{
	struct kms_fb fb;
	int fd, ret;

	ASSERT_EQ(0, module_export(SIZE, 1, VIRTGPU_TEST_MOVE_MAPPED, &fd));
	close(self->share.fd);
	self->share.fd = fd;
	ASSERT_EQ(0, show(self, &fb));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	ASSERT_EQ(0, module_move(fd, KMS_WAIT_MS));
	ASSERT_EQ(0, set_faults(self, (struct virtgpu_test_faults) {
			.map = EIO }));
	ret = kms_flip(&self->k, self->o, &fb, 0, 0);
	EXPECT_EQ(-EIO, ret);
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	}
	ASSERT_EQ(0, set_faults(self, (struct virtgpu_test_faults) {}));
	ASSERT_EQ(0, share_draw(fd, &fb, 8));
	EXPECT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	}
	kms_fb_destroy(&fb);
	nothing_is_left(_metadata, self);
}

/* Older kernels pin for every importer: the answer is the exporter's. */
TEST_F_TIMEOUT(import, pin_refused, LONG_TEST)
{
	struct kms_fb fb;
	int ret;

	ASSERT_EQ(0, set_faults(self, (struct virtgpu_test_faults) {
			.pin = ENOSPC }));
	ret = show(self, &fb);
	EXPECT_TRUE(ret == 0 || ret == -ENOSPC)
		TH_LOG("errno %d", -ret);
	if (!ret) {
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
		kms_fb_destroy(&fb);
	}
	nothing_is_left(_metadata, self);
	shows(_metadata, self);
}

TEST_F_TIMEOUT(import, map_takes_its_time, LONG_TEST)
{
	struct kms_fb fb;

	ASSERT_EQ(0, set_faults(self, (struct virtgpu_test_faults) {
			.map_ms = 700 }));
	ASSERT_EQ(0, show(self, &fb));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	}
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	kms_fb_destroy(&fb);
	nothing_is_left(_metadata, self);
}

TEST_HARNESS_MAIN
