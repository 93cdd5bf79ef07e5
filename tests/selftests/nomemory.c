// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * No memory for the driver where no call of a program's is: while a buffer moves,
 * and while all is made again after a reset. And no room in the bounce buffers.
 * Allocations in calls of programs are failnth.c's.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "dev.h"
#include "faults.h"
#include "figure.h"
#include "reset.h"
#include "share.h"

#define LONG_TEST	300
#define WIDTH		640
#define HEIGHT		480
#define SIZE		(WIDTH * HEIGHT * 4)

/* Faults in a sweep: pages that a call needs are among them, some of which it can spare */
#define SWEEP		60

FIXTURE(starved) {
	struct kms k;
	struct kms_output *o;
	struct kms_fb own;
	struct kms_fb foreign;
	drmModeModeInfo mode;
	int fd;
	int file;
};

/* The card shows a buffer of its own, and has shown one that is not and may move. */
FIXTURE_SETUP(starved)
{
	if (faults_missing())
		SKIP(return, "%s", faults_missing());
	NEED_HOST();
	NEED_MODULE();
	dev_expect("output stays dark|cannot be reset: -12");
	ASSERT_EQ(0, faults_setup());
	self->file = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, kms_open(&self->k));
	self->o = kms_connected(&self->k);
	ASSERT_TRUE(self->o);
	kms_mode(&self->mode, WIDTH, HEIGHT, 60);
	ASSERT_EQ(0, module_export(SIZE, 1, VIRTGPU_TEST_MOVE_MAPPED, &self->fd));
	ASSERT_EQ(0, share_fb(&self->k, self->fd, WIDTH, HEIGHT, &self->foreign));
	ASSERT_EQ(0, share_draw(self->fd, &self->foreign, 2));
	ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &self->mode, &self->foreign));
	ASSERT_EQ(0, kms_fb_create(&self->k, WIDTH, HEIGHT, DRM_FORMAT_XRGB8888, &self->own));
	kms_fb_draw(&self->own, 1);
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->own, 0, 0));
}

FIXTURE_TEARDOWN(starved)
{
	struct virtgpu_test_stats stats;

	EXPECT_EQ(0, faults_in(NULL, 0, 0));
	close(self->file);
	kms_fb_destroy(&self->foreign);
	EXPECT_EQ(0, module_wait_idle(self->fd, &stats));
	EXPECT_EQ(stats.maps, stats.unmaps);
	EXPECT_EQ(0, stats.unmapped_busy);
	EXPECT_EQ(0, stats.written_late);
	close(self->fd);
	kms_fb_destroy(&self->own);
	kms_close(&self->k);
}

static void both_are_shown(struct __test_metadata *_metadata, FIXTURE_DATA(starved) *self,
			   const char *after)
{
	struct kms_fb *fbs[] = { &self->foreign, &self->own };

	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, kms_flip(&self->k, self->o, fbs[i], 0, 0))
			TH_LOG("after %s", after);
		EXPECT_EQ(0, host_diff_fb_soon(self->o->head, fbs[i], KMS_WAIT_MS))
			TH_LOG("after %s", after);
	}
}

/* The exporter cannot be told by a fence when the host is done: it waits instead. */
TEST_F_TIMEOUT(starved, moved_without_a_fence, LONG_TEST)
{
	ASSERT_EQ(0, faults_in("virtgpu_mapping_announce", 100, 1));
	ASSERT_EQ(0, module_move(self->fd, KMS_WAIT_MS));
	EXPECT_EQ(0, faults_left());
	ASSERT_EQ(0, faults_in(NULL, 0, 0));
	both_are_shown(_metadata, self, "a move");
}

/* What has moved is to be shown, and each allocation for that fails once. */
TEST_F_TIMEOUT(starved, used_after_a_move, LONG_TEST)
{
	unsigned int nth = 0, refused = 0;
	bool met;
	int ret;

	do {
		ASSERT_EQ(0, module_move(self->fd, KMS_WAIT_MS));
		ASSERT_EQ(0, faults_in("virtgpu_resource_attach_locked", 0, -1));
		ASSERT_EQ(0, faults_arm(self->file, ++nth));
		ret = kms_flip(&self->k, self->o, &self->foreign, 0, 0);
		met = faults_disarm(self->file);
		EXPECT_EQ(ret ? -ENOMEM : 0, ret)
			TH_LOG("fault %u", nth);
		refused += !!ret;
		ASSERT_EQ(0, faults_in(NULL, 0, 0));
		if (nth % 8 == 1)
			both_are_shown(_metadata, self, "a move");
		/* what is shown may be pinned */
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->own, 0, 0));
	} while (met && nth < SWEEP);
	EXPECT_LT(0, refused);
	figure("allocations that failed in a move", refused);
}

/*
 * It moves while its flip waits for a fence, and the host cannot be told where to: it
 * is told when there is memory, and the flip ends then.
 */
TEST_F_TIMEOUT(starved, moved_under_a_flip, LONG_TEST)
{
	struct kms_event ev;
	int ret;

	ASSERT_EQ(0, module_fence_add(self->fd, VIRTGPU_TEST_FENCE_WRITE));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->foreign,
			      DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT, 0));
	ret = module_move(self->fd, 50);
	ASSERT_EQ(0, faults_in("virtgpu_import_work", 100, -1));
	ASSERT_EQ(0, module_fence_signal(self->fd, 0));
	if (ret == -ETIMEDOUT) {
		EXPECT_EQ(-ETIME, kms_event(&self->k, &ev, 300));
	}
	ASSERT_EQ(0, faults_in(NULL, 0, 0));
	EXPECT_EQ(0, kms_wait_flip(&self->k));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->foreign));
	both_are_shown(_metadata, self, "a flip");
	if (ret == -EBUSY)
		SKIP(return, "the host shows the pages themselves, which are pinned for it");
	EXPECT_EQ(-ETIMEDOUT, ret);
}

/* Each allocation for the host's resource of a framebuffer fails once. */
TEST_F_TIMEOUT(starved, made, LONG_TEST)
{
	unsigned int nth = 0, refused = 0;
	struct kms_fb fb;
	bool met;
	int ret;

	do {
		ASSERT_EQ(0, faults_in("virtgpu_object_get_resource", 0, -1));
		ASSERT_EQ(0, faults_arm(self->file, ++nth));
		ret = kms_fb_create(&self->k, WIDTH, HEIGHT, DRM_FORMAT_XRGB8888, &fb);
		met = faults_disarm(self->file);
		ASSERT_EQ(0, faults_in(NULL, 0, 0));
		EXPECT_EQ(ret ? -ENOMEM : 0, ret)
			TH_LOG("fault %u", nth);
		if (ret) {
			refused++;
			continue;
		}
		if (nth % 8 == 1) {
			kms_fb_draw(&fb, nth);
			EXPECT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
			EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &fb, KMS_WAIT_MS));
			EXPECT_EQ(0, kms_flip(&self->k, self->o, &self->own, 0, 0));
		}
		kms_fb_destroy(&fb);
	} while (met && nth < SWEEP);
	EXPECT_LT(0, refused);
	figure("allocations that failed in a call", refused);
}

/* A UUID that a reset had no memory to ask for again is none. */
TEST_F_TIMEOUT(starved, uuid_not_asked_for_again, LONG_TEST)
{
	uint8_t uuid[16];
	bool is_virtio;
	int fd, ret;

	ASSERT_EQ(0, dmabuf_export(self->k.fd, self->own.handle, &fd));
	ret = module_uuid(fd, uuid, &is_virtio);
	if (ret) {
		close(fd);
		SKIP(return, "the host gives no UUIDs: %s", strerror(-ret));
	}
	ASSERT_EQ(0, faults_in("virtio_gpu_resource_assign_uuid", 100, 1));
	EXPECT_EQ(0, reset_device(&self->k));
	EXPECT_EQ(0, faults_left());
	ASSERT_EQ(0, faults_in(NULL, 0, 0));
	EXPECT_GT(0, module_uuid(fd, uuid, &is_virtio));
	close(fd);
	both_are_shown(_metadata, self, "a reset");
}

/* Each of them is made again by a later reset, which comes by itself. */
TEST_F_TIMEOUT(starved, rebuilt_later, LONG_TEST)
{
	static const struct {
		const char *function;
		unsigned int percent;
	} faults[] = {
		{ "virtgpu_resources_rebuild", 100 },
		{ "virtgpu_resources_rebuild", 50 },
		{ "virtgpu_resources_rebuild", 25 },
		{ "virtgpu_imports_rebuild", 100 },
		{ "virtgpu_imports_rebuild", 50 },
		{ "virtgpu_imports_rebuild", 25 },
		{ "virtgpu_dma_buf_import_sgt", 100 },
		{ "virtgpu_dma_buf_import_sgt", 50 },
		{ "virtgpu_resource_build_detach", 100 },
	};
	unsigned int met = 0;

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		ASSERT_EQ(0, module_move(self->fd, KMS_WAIT_MS));
		ASSERT_EQ(0, faults_in(faults[i].function, faults[i].percent, 1));
		EXPECT_EQ(0, reset_device(&self->k));
		met += faults_met();
		ASSERT_EQ(0, faults_in(NULL, 0, 0));
		EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->own, KMS_WAIT_MS));
		both_are_shown(_metadata, self, faults[i].function);
	}
	EXPECT_LE(4, met);
	figure("allocations that failed in a reset", met);
}

/* There is none at all: what is lost has an error, its exporter has its pages back. */
TEST_F_TIMEOUT(starved, never_rebuilt, LONG_TEST)
{
	static const char * const functions[] = {
		"virtgpu_imports_rebuild", "virtgpu_resources_rebuild",
	};
	struct kms_fb *fbs[] = { &self->foreign, &self->own };
	struct kms_fb new;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, module_move(self->fd, KMS_WAIT_MS));
		ASSERT_EQ(0, faults_in(functions[i], 100, -1));
		EXPECT_EQ(0, reset_device(&self->k));
		ASSERT_EQ(0, faults_in(NULL, 0, 0));
		EXPECT_EQ(0, module_move(self->fd, KMS_WAIT_MS));
	}
	ASSERT_EQ(0, kms_fb_create(&self->k, WIDTH, HEIGHT, DRM_FORMAT_XRGB8888, &new));
	kms_fb_draw(&new, 4);
	EXPECT_EQ(0, kms_flip(&self->k, self->o, &new, 0, 0));
	for (int i = 0; i < 2; i++) {
		EXPECT_GT(0, kms_flip(&self->k, self->o, fbs[i], 0, 0))
			TH_LOG("after %s", functions[i]);
	}
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &new, KMS_WAIT_MS));
	EXPECT_EQ(0, kms_off(&self->k, self->o));
	kms_fb_destroy(&new);
}

/* Is all memory that devices use copied? */
static bool has_bounce_buffers(void)
{
	char line[4096] = "";
	FILE *f = fopen("/proc/cmdline", "r");
	bool forced;

	if (!f)
		return false;
	forced = fgets(line, sizeof(line), f) && strstr(line, "swiotlb=force");
	fclose(f);
	return forced;
}

/* More buffers than bounce buffers: an error, and room again for what comes later. */
TEST(bounce_buffers)
{
	struct kms_fb fbs[200], fb;
	struct kms_output *o;
	drmModeModeInfo mode;
	unsigned int n = 0;
	struct kms k;
	int ret;

	if (!has_bounce_buffers())
		SKIP(return, "the machine has no bounce buffers");
	dev_expect("swiotlb buffer is full");
	ASSERT_EQ(0, kms_open(&k));
	o = kms_connected(&k);
	ASSERT_TRUE(o);
	do {
		ret = kms_fb_create(&k, WIDTH, HEIGHT, DRM_FORMAT_XRGB8888, &fbs[n]);
		n += !ret;
	} while (!ret && n < ARRAY_SIZE(fbs));
	EXPECT_TRUE(ret == -ENOMEM || ret == -EIO)
		TH_LOG("after %u framebuffers: %s", n, strerror(-ret));
	EXPECT_LT(10, n);
	for (unsigned int i = 0; i < n; i++)
		kms_fb_destroy(&fbs[i]);

	/* when the host has let go of them, which nobody waits for */
	for (int i = 0; i < 100; i++) {
		ret = kms_fb_create(&k, WIDTH, HEIGHT, DRM_FORMAT_XRGB8888, &fb);
		if (!ret)
			break;
		usleep(50000);
	}
	ASSERT_EQ(0, ret);
	kms_fb_draw(&fb, 1);
	kms_mode(&mode, WIDTH, HEIGHT, 60);
	ASSERT_EQ(0, kms_show_mode(&k, o, &mode, &fb));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb_soon(o->head, &fb, KMS_WAIT_MS));
	}
	kms_fb_destroy(&fb);
	kms_close(&k);
}

TEST_HARNESS_MAIN
