// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A device that asks for a reset, and queues that are broken: the driver notices,
 * says so, and all that was shown is shown again.
 */
#include "display.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "dev.h"
#include "figure.h"
#include "reset.h"
#include "share.h"

#define CONTROL	0
#define CURSOR	1

#define DEVICE	VIRTGPU_TEST_BREAK_DEVICE
#define QUEUE	VIRTGPU_TEST_BREAK_QUEUE

/* Each way in which a queue breaks, with what the driver says of it */
FIXTURE_VARIANT(display) {
	unsigned int queue;
	unsigned int how;
	const char *why;
};

FIXTURE_VARIANT_ADD(display, queue_asks) {
	.queue = CONTROL, .how = DEVICE, .why = "the device asks for it",
};

FIXTURE_VARIANT_ADD(display, cursor_queue_asks) {
	.queue = CURSOR, .how = DEVICE, .why = "the device asks for it",
};

FIXTURE_VARIANT_ADD(display, queue_is_broken) {
	.queue = CONTROL, .how = QUEUE, .why = "the device broke a queue",
};

FIXTURE_VARIANT_ADD(display, cursor_queue_is_broken) {
	.queue = CURSOR, .how = QUEUE, .why = "the device broke a queue",
};

/* Another flip, and the pointer moves. */
static int use(FIXTURE_DATA(display) *self)
{
	int ret = kms_flip(&self->k, self->o, &self->fb, DRM_MODE_PAGE_FLIP_EVENT, 0);

	return ret ?: kms_wait_flip(&self->k) ?:
	       -drmModeMoveCursor(self->k.fd, self->o->crtc, 7, 7);
}

static bool kernel_has_wedged_event(void)
{
	return !system("grep -qw drm_dev_wedged_event /proc/kallsyms");
}

/* The pointer of a screen that is drawn by OpenGL cannot be looked at. */
static bool cursor_is_back(FIXTURE_DATA(display) *self, const struct kms_fb *cursor)
{
	struct host_cursor c;

	if (host_get_cursor(self->o->head, &c))
		return host_trace("update_cursor.*update, res 0x[1-9a-f]", NULL) > 0;
	free(c.argb);
	return reset_cursor_shown(self->o->head, cursor);
}

TEST_F_TIMEOUT(display, everything_comes_back, LONG_TEST)
{
	int before = resets_done(self->k.minor), uevents = kms_uevent_open();
	struct kms_fb cursor;
	char reset[100];

	NEED_HOST();
	NEED_MODULE();
	dev_expect("id [0-9]+ (is not a head|out of range)");
	ASSERT_EQ(0, reset_show_cursor(&self->k, self->o, &cursor));
	ASSERT_EQ(0, use(self));
	ASSERT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	ASSERT_EQ(0, host_mark());

	ASSERT_EQ(0, module_break(variant->queue, variant->how));
	ASSERT_EQ(0, reset_wait_after(self->k.minor, before));
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	EXPECT_TRUE(cursor_is_back(self, &cursor));
	EXPECT_EQ(0, use(self));
	EXPECT_EQ(before + 1, resets_done(self->k.minor));

	snprintf(reset, sizeof(reset), "resetting the device: %s", variant->why);
	EXPECT_EQ(1, kms_logged(&self->k, reset));
	if (kernel_has_wedged_event())
		EXPECT_TRUE(kms_uevent_wait(uevents, "WEDGED=none", KMS_WAIT_MS));
	close(uevents);
	drmModeSetCursor(self->k.fd, self->o->crtc, 0, 0, 0);
	kms_fb_destroy(&cursor);
}

/* A process that breaks the queue again and again; returns its id. */
static pid_t start_breaking(const FIXTURE_VARIANT(display) *variant)
{
	pid_t child = fork();

	while (!child) {
		usleep(300000 + rand() % 300000);
		module_break(variant->queue, variant->how);
	}
	return child;
}

/* Each flip has its event, whatever happens meanwhile, and the last is shown. */
TEST_F_TIMEOUT(display, flips_go_on, LONG_TEST)
{
	int before = resets_done(self->k.minor), flips, failed = 0;
	struct kms_fb fbs[2];
	uint64_t end;
	pid_t child;

	NEED_HOST();
	NEED_MODULE();
	dev_expect("id [0-9]+ (is not a head|out of range)");
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width, self->fb.height,
					   DRM_FORMAT_XRGB8888, &fbs[i]));
		kms_fb_draw(&fbs[i], i + 2);
	}
	child = start_breaking(variant);
	ASSERT_LE(0, child);
	end = kms_now_ns() + 60 * 1000000000ULL;
	for (flips = 0; kms_now_ns() < end && resets_done(self->k.minor) < before + 3; flips++) {
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &fbs[flips % 2],
				      DRM_MODE_PAGE_FLIP_EVENT, 0));
		ASSERT_EQ(0, kms_wait_flip(&self->k));
		failed += !!drmModeMoveCursor(self->k.fd, self->o->crtc, flips % 50, 5);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	TH_LOG("%d flips, %d resets", flips, resets_done(self->k.minor) - before);
	figure("resets under flips", resets_done(self->k.minor) - before);
	EXPECT_LE(before + 3, resets_done(self->k.minor));
	EXPECT_EQ(0, failed);

	ASSERT_EQ(0, reset_device(&self->k));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, DRM_MODE_PAGE_FLIP_EVENT, 0));
	ASSERT_EQ(0, kms_wait_flip(&self->k));
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	kms_fb_destroy(&fbs[0]);
	kms_fb_destroy(&fbs[1]);
}

TEST_HARNESS_MAIN
