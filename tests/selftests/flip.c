// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Page flips: events, their order and data, refusals, fences, and commits
 * close after one another that turn outputs on and off.
 */
#include "display.h"
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <linux/sync_file.h>

#define NONBLOCK_EVENT	(DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT)

static int second_fb(FIXTURE_DATA(display) *self, unsigned int seed,
		     struct kms_fb *fb)
{
	int ret = kms_fb_create(&self->k, self->fb.width, self->fb.height,
				DRM_FORMAT_XRGB8888, fb);

	if (!ret)
		kms_fb_draw(fb, seed);
	return ret;
}

static int legacy_flip(FIXTURE_DATA(display) *self, uint32_t fb,
		       uint32_t flags, uint64_t data)
{
	return drmModePageFlip(self->k.fd, self->o->crtc, fb, flags,
			       (void *)(uintptr_t)data);
}

/* --- events --- */

TEST_F_TIMEOUT(display, legacy_events_in_order, LONG_TEST)
{
	struct kms_event ev, last = {};
	struct kms_fb fb;

	ASSERT_EQ(0, second_fb(self, 2, &fb));
	for (uint64_t i = 0; i < 20; i++) {
		ASSERT_EQ(0, legacy_flip(self, i % 2 ? self->fb.id : fb.id,
					 DRM_MODE_PAGE_FLIP_EVENT, 1000 + i));
		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		EXPECT_EQ(DRM_EVENT_FLIP_COMPLETE, ev.type);
		EXPECT_EQ(1000 + i, ev.user_data);
		EXPECT_EQ(self->o->crtc, ev.crtc);
		if (i) {
			EXPECT_LT(last.sequence, ev.sequence);
			EXPECT_LT(last.time_ns, ev.time_ns);
		}
		last = ev;
	}
	kms_fb_destroy(&fb);
}

TEST_F_TIMEOUT(display, atomic_events_in_order, LONG_TEST)
{
	struct kms_event ev, last = {};
	struct kms_fb fb;

	ASSERT_EQ(0, second_fb(self, 2, &fb));
	for (uint64_t i = 0; i < 20; i++) {
		ASSERT_EQ(0, kms_flip(&self->k, self->o,
				      i % 2 ? &self->fb : &fb, NONBLOCK_EVENT,
				      ~i));
		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		EXPECT_EQ(~i, ev.user_data);
		EXPECT_LT(i ? last.sequence : 0, ev.sequence);
		last = ev;
	}
	kms_fb_destroy(&fb);
}

/* A commit that blocks is done, with its event there, when it comes back. */
TEST_F(display, blocking_commit_with_event)
{
	struct kms_event ev;

	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb,
			      DRM_MODE_PAGE_FLIP_EVENT, 5));
	EXPECT_EQ(0, kms_event(&self->k, &ev, 0));
	EXPECT_EQ(5, ev.user_data);
}

/* The time of an event is that of its vblank: never ahead, not long past. */
TEST_F(display, event_time_is_now)
{
	uint64_t period = kms_period_ns(&self->o->mode), before, after;
	struct kms_event ev;

	before = kms_now_ns();
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, NONBLOCK_EVENT, 0));
	ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
	after = kms_now_ns();
	EXPECT_LE(ev.time_ns, after + period);
	EXPECT_LE(before, ev.time_ns + period);
}

TEST_F_TIMEOUT(display, shows_the_new_picture, LONG_TEST)
{
	struct kms_fb fb;

	NEED_HOST();
	ASSERT_EQ(0, second_fb(self, 2, &fb));
	ASSERT_EQ(0, legacy_flip(self, fb.id, DRM_MODE_PAGE_FLIP_EVENT, 0));
	ASSERT_EQ(0, kms_wait_flip(&self->k));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, NONBLOCK_EVENT, 0));
	ASSERT_EQ(0, kms_wait_flip(&self->k));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	kms_fb_destroy(&fb);
}

/* Drawn anew before each flip: what was there at the flip is shown. */
TEST_F_TIMEOUT(display, each_flip_shows_its_drawing, LONG_TEST)
{
	struct kms_fb fb;

	NEED_HOST();
	ASSERT_EQ(0, second_fb(self, 2, &fb));
	for (int i = 0; i < 6; i++) {
		struct kms_fb *next = i % 2 ? &self->fb : &fb;

		kms_fb_draw(next, 30 + i);
		ASSERT_EQ(0, legacy_flip(self, next->id,
					 DRM_MODE_PAGE_FLIP_EVENT, 0));
		ASSERT_EQ(0, kms_wait_flip(&self->k));
		EXPECT_EQ(0, host_diff_fb(self->o->head, next));
	}
	kms_fb_destroy(&fb);
}

/* --- refusals --- */

TEST_F(display, second_flip_is_busy)
{
	int busy = 0;

	for (int i = 0; i < 10; i++) {
		int ret;

		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb,
				      NONBLOCK_EVENT, 0));
		ret = kms_flip(&self->k, self->o, &self->fb, NONBLOCK_EVENT, 0);
		ASSERT_TRUE(ret == 0 || ret == -EBUSY);
		busy += ret == -EBUSY;
		ASSERT_EQ(0, kms_wait_flip(&self->k));
		if (!ret) {
			ASSERT_EQ(0, kms_wait_flip(&self->k));
		}
	}
	/* the first flip may be over now and then, not every time */
	EXPECT_LE(5, busy);
}

TEST_F(display, second_legacy_flip_is_busy)
{
	int busy = 0;

	for (int i = 0; i < 10; i++) {
		int ret;

		ASSERT_EQ(0, legacy_flip(self, self->fb.id,
					 DRM_MODE_PAGE_FLIP_EVENT, 0));
		ret = legacy_flip(self, self->fb.id, DRM_MODE_PAGE_FLIP_EVENT,
				  0);
		ASSERT_TRUE(ret == 0 || ret == -EBUSY);
		busy += ret == -EBUSY;
		ASSERT_EQ(0, kms_wait_flip(&self->k));
		if (!ret) {
			ASSERT_EQ(0, kms_wait_flip(&self->k));
		}
	}
	EXPECT_LE(5, busy);
}

TEST_F_TIMEOUT(display, flip_rules, LONG_TEST)
{
	struct drm_mode_crtc_page_flip flip = {
		.crtc_id = self->o->crtc, .fb_id = self->fb.id,
	};
	struct kms_fb small, other;

	/* too small for the mode; another format in a plain flip */
	ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width - 1,
				   self->fb.height, DRM_FORMAT_XRGB8888,
				   &small));
	EXPECT_EQ(-ENOSPC, legacy_flip(self, small.id, 0, 0));
	ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width, self->fb.height,
				   DRM_FORMAT_BGRX8888, &other));
	EXPECT_EQ(-EINVAL, legacy_flip(self, other.id, 0, 0));

	EXPECT_EQ(-ENOENT, legacy_flip(self, 0xdead, 0, 0));
	EXPECT_EQ(-EINVAL, legacy_flip(self, self->fb.id, 0x80, 0));
	flip.reserved = 1;
	EXPECT_EQ(-EINVAL, kms_ioctl(self->k.fd, DRM_IOCTL_MODE_PAGE_FLIP,
				     &flip));
	flip.reserved = 0;
	flip.crtc_id = self->o->connector;
	EXPECT_EQ(-ENOENT, kms_ioctl(self->k.fd, DRM_IOCTL_MODE_PAGE_FLIP,
				     &flip));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	}
	kms_fb_destroy(&small);
	kms_fb_destroy(&other);
}

TEST_F(display, flip_of_an_output_that_is_off)
{
	ASSERT_EQ(0, kms_off(&self->k, self->o));
	EXPECT_EQ(-EBUSY, legacy_flip(self, self->fb.id,
				      DRM_MODE_PAGE_FLIP_EVENT, 0));
}

TEST_F_TIMEOUT(display, test_only_changes_nothing, LONG_TEST)
{
	struct kms_event ev;
	drmModeCrtc *crtc;
	struct kms_fb fb;
	struct kms_req r;

	NEED_HOST();
	ASSERT_EQ(0, second_fb(self, 2, &fb));
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, DRM_MODE_ATOMIC_TEST_ONLY,
			      0));
	kms_req_init(&r, &self->k);
	kms_req_output(&r, self->o, NULL);
	kms_req_plane(&r, self->o->primary, 0, NULL, 0, 0, 0, 0);
	ASSERT_EQ(0, kms_req_commit(&r, DRM_MODE_ATOMIC_TEST_ONLY |
				    DRM_MODE_ATOMIC_ALLOW_MODESET, 0));

	EXPECT_EQ(-ETIME, kms_event(&self->k, &ev, 100));
	crtc = drmModeGetCrtc(self->k.fd, self->o->crtc);
	ASSERT_TRUE(crtc);
	EXPECT_EQ(self->fb.id, crtc->buffer_id);
	EXPECT_EQ(1, crtc->mode_valid);
	drmModeFreeCrtc(crtc);
	EXPECT_EQ(0, host_trace("set_scanout|res_flush|xfer_toh", NULL));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	kms_fb_destroy(&fb);
}

/* TEST_ONLY with an event makes no sense and is refused. */
TEST_F(display, atomic_flags)
{
	EXPECT_EQ(-EINVAL, kms_flip(&self->k, self->o, &self->fb,
				    DRM_MODE_ATOMIC_TEST_ONLY |
				    DRM_MODE_PAGE_FLIP_EVENT, 0));
	EXPECT_EQ(-EINVAL, kms_flip(&self->k, self->o, &self->fb, 0x8000, 0));
}

/* --- asynchronous flips --- */

static bool has_cap(struct kms *k, uint64_t cap)
{
	uint64_t value = 0;

	return !drmGetCap(k->fd, cap, &value) && value;
}

TEST_F(display, async_capability)
{
	EXPECT_TRUE(has_cap(&self->k, DRM_CAP_ASYNC_PAGE_FLIP));
	EXPECT_TRUE(has_cap(&self->k, DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP));
}

TEST_F_TIMEOUT(display, async_events_and_picture, LONG_TEST)
{
	struct kms_event ev;
	struct kms_fb fb;

	ASSERT_EQ(0, second_fb(self, 2, &fb));
	for (uint64_t i = 0; i < 21; i++) {
		ASSERT_EQ(0, legacy_flip(self, i % 2 ? self->fb.id : fb.id,
					 DRM_MODE_PAGE_FLIP_ASYNC |
					 DRM_MODE_PAGE_FLIP_EVENT, i));
		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		EXPECT_EQ(DRM_EVENT_FLIP_COMPLETE, ev.type);
		EXPECT_EQ(i, ev.user_data);
	}
	NEED_HOST();
	EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	kms_fb_destroy(&fb);
}

/*
 * The event comes when the host took the picture, not with the next vblank:
 * more flips than the refresh rate allows.
 */
static uint64_t flips_ns(FIXTURE_DATA(display) *self, struct kms_fb *fb,
			 uint32_t flags, int n)
{
	uint64_t start = kms_now_ns();

	for (int i = 0; i < n; i++) {
		if (legacy_flip(self, i % 2 ? self->fb.id : fb->id,
				flags | DRM_MODE_PAGE_FLIP_EVENT, 0) ||
		    kms_wait_flip(&self->k))
			return 0;
	}
	return kms_now_ns() - start;
}

TEST_F_TIMEOUT(display, async_is_faster_than_refresh, LONG_TEST)
{
	uint64_t period, async, paced;
	drmModeModeInfo mode;
	struct kms_fb fb;

	/* A slow mode: no machine is slower */
	kms_mode(&mode, self->fb.width, self->fb.height, 5);
	period = kms_period_ns(&mode);
	ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &mode, &self->fb));
	ASSERT_EQ(0, second_fb(self, 2, &fb));
	paced = flips_ns(self, &fb, 0, 10);
	async = flips_ns(self, &fb, DRM_MODE_PAGE_FLIP_ASYNC, 10);
	ASSERT_LT(0, paced);
	ASSERT_LT(0, async);
	TH_LOG("10 flips: paced %llu us, async %llu us",
	       (unsigned long long)paced / 1000,
	       (unsigned long long)async / 1000);
	EXPECT_LE(9 * period * 9 / 10, paced);
	EXPECT_LT(async, 10 * period * 3 / 4);
	ASSERT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	kms_fb_destroy(&fb);
}

/* Some time after the last vblank that somebody wanted the core stops to count. */
TEST_F_TIMEOUT(display, async_events_tell_the_time, LONG_TEST)
{
	struct kms_event first, ev;
	struct kms_fb fb;
	uint64_t end;

	ASSERT_EQ(0, second_fb(self, 2, &fb));
	ASSERT_EQ(0, legacy_flip(self, fb.id, DRM_MODE_PAGE_FLIP_EVENT, 0));
	ASSERT_EQ(0, kms_event(&self->k, &first, KMS_WAIT_MS));
	/* five seconds, and as long as it takes */
	end = kms_now_ns() + 7000000000ULL;
	for (int i = 0; kms_now_ns() < end; i++) {
		ASSERT_EQ(0, legacy_flip(self, i % 2 ? fb.id : self->fb.id,
					 DRM_MODE_PAGE_FLIP_ASYNC | DRM_MODE_PAGE_FLIP_EVENT, i));
		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		usleep(20000);
	}
	EXPECT_LT(first.sequence + 6 * self->o->mode.vrefresh, ev.sequence);
	EXPECT_LT(first.time_ns + 6000000000ULL, ev.time_ns);
	ASSERT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	kms_fb_destroy(&fb);
}

TEST_F_TIMEOUT(display, async_atomic, LONG_TEST)
{
	struct kms_fb fb;

	ASSERT_EQ(0, second_fb(self, 2, &fb));
	for (int i = 0; i < 11; i++) {
		ASSERT_EQ(0, kms_flip(&self->k, self->o,
				      i % 2 ? &self->fb : &fb,
				      NONBLOCK_EVENT | DRM_MODE_PAGE_FLIP_ASYNC,
				      i));
		ASSERT_EQ(0, kms_wait_flip(&self->k));
	}
	NEED_HOST();
	EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	kms_fb_destroy(&fb);
}

/* --- fences --- */

static int fence_signalled(int fence)
{
	struct sync_file_info info = {};

	if (ioctl(fence, SYNC_IOC_FILE_INFO, &info))
		return -errno;
	return info.status;
}

TEST_F(display, out_fence)
{
	struct pollfd p = { .events = POLLIN };
	int32_t fence = -1;
	struct kms_req r;

	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->primary, "FB_ID", self->fb.id);
	kms_req_add(&r, self->o->crtc, "OUT_FENCE_PTR", (uintptr_t)&fence);
	ASSERT_EQ(0, kms_req_commit(&r, DRM_MODE_ATOMIC_NONBLOCK, 0));
	ASSERT_LE(0, fence);
	p.fd = fence;
	EXPECT_EQ(1, poll(&p, 1, KMS_WAIT_MS));
	EXPECT_EQ(1, fence_signalled(fence));
	close(fence);
}

TEST_F(display, out_fence_of_a_refused_commit)
{
	int32_t fence = 12345;
	struct kms_req r;

	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->primary, "FB_ID", self->fb.id);
	kms_req_add(&r, self->o->primary, "CRTC_W", 1);
	kms_req_add(&r, self->o->crtc, "OUT_FENCE_PTR", (uintptr_t)&fence);
	EXPECT_NE(0, kms_req_commit(&r, DRM_MODE_ATOMIC_NONBLOCK, 0));
	EXPECT_EQ(-1, fence);
}

TEST_F(display, bad_in_fence)
{
	struct kms_req r;

	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->primary, "FB_ID", self->fb.id);
	kms_req_add(&r, self->o->primary, "IN_FENCE_FD", self->k.fd);
	EXPECT_EQ(-EINVAL, kms_req_commit(&r, 0, 0));
}

TEST_F_TIMEOUT(display, in_fence_holds_the_flip_back, LONG_TEST)
{
	struct gate gate;
	struct kms_event ev;
	struct kms_fb fb;
	struct kms_req r;
	uint64_t start;
	int ret;

	ret = gate_make(&gate);
	if (ret == -ENODEV) {
		SKIP(return, "no vgem module to make a fence with");
	}
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, second_fb(self, 2, &fb));

	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->primary, "FB_ID", fb.id);
	kms_req_add(&r, self->o->primary, "IN_FENCE_FD", gate.sync_file);
	start = kms_now_ns();
	ASSERT_EQ(0, kms_req_commit(&r, NONBLOCK_EVENT, 0));
	EXPECT_LT(kms_now_ns() - start, 2000000000ULL);
	EXPECT_EQ(-ETIME, kms_event(&self->k, &ev, 300));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	}

	/* drawn before the fence signals: it must be in the picture */
	kms_fb_draw(&fb, 3);
	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, kms_wait_flip(&self->k));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	}
	gate_free(&gate);
	kms_fb_destroy(&fb);
}

/* The cursor does not wait for somebody else's fence on the primary. */
TEST_F_TIMEOUT(display, cursor_moves_while_a_fence_is_open, LONG_TEST)
{
	struct gate gate;
	struct kms_fb cursor;
	struct kms_req r;
	uint64_t start;
	int ret;

	ret = gate_make(&gate);
	if (ret == -ENODEV) {
		SKIP(return, "no vgem module to make a fence with");
	}
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, kms_fb_create(&self->k, 64, 64, DRM_FORMAT_ARGB8888,
				   &cursor));
	ASSERT_EQ(0, drmModeSetCursor(self->k.fd, self->o->crtc, cursor.handle,
				      64, 64));
	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->primary, "FB_ID", self->fb.id);
	kms_req_add(&r, self->o->primary, "IN_FENCE_FD", gate.sync_file);
	ASSERT_EQ(0, kms_req_commit(&r, NONBLOCK_EVENT, 0));

	start = kms_now_ns();
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(0, drmModeMoveCursor(self->k.fd, self->o->crtc, i,
					       i));
	}
	EXPECT_LT(kms_now_ns() - start, 1000000000ULL);
	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, kms_wait_flip(&self->k));
	gate_free(&gate);
	kms_fb_destroy(&cursor);
}

/* --- on and off, close together --- */

static int set_active(FIXTURE_DATA(display) *self, int active, uint32_t flags,
		      uint64_t data)
{
	struct kms_req r;

	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->crtc, "ACTIVE", active);
	return kms_req_commit(&r, flags | DRM_MODE_ATOMIC_ALLOW_MODESET, data);
}

static int retry_active(FIXTURE_DATA(display) *self, int active)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;
	int ret;

	while ((ret = set_active(self, active, DRM_MODE_ATOMIC_NONBLOCK, 0)) ==
	       -EBUSY && kms_now_ns() < end)
		usleep(500);
	return ret;
}

TEST_F_TIMEOUT(display, enable_then_disable_at_once, LONG_TEST)
{
	for (int i = 0; i < 30; i++) {
		ASSERT_EQ(0, set_active(self, 0, 0, 0));
		ASSERT_EQ(0, set_active(self, 1, 0, 0));
	}
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	}
}

TEST_F_TIMEOUT(display, nonblocking_modesets_in_a_row, LONG_TEST)
{
	for (int i = 0; i < 60; i++) {
		ASSERT_EQ(0, retry_active(self, i % 2));
	}
	/* a blocking one last, so that all of them are over */
	ASSERT_EQ(0, set_active(self, 1, 0, 0));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	}
}

/* A flip under way when the output goes off still has its event. */
TEST_F_TIMEOUT(display, off_during_a_flip, LONG_TEST)
{
	struct kms_event ev;

	for (uint64_t i = 0; i < 10; i++) {
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb,
				      NONBLOCK_EVENT, i));
		ASSERT_EQ(0, set_active(self, 0, 0, 0));
		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		EXPECT_EQ(i, ev.user_data);
		ASSERT_EQ(0, set_active(self, 1, 0, 0));
	}
}

/* Events of the modesets themselves. */
TEST_F_TIMEOUT(display, modeset_events, LONG_TEST)
{
	struct kms_event ev;

	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, set_active(self, i % 2, DRM_MODE_PAGE_FLIP_EVENT,
					i));
		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		EXPECT_EQ(i, ev.user_data);
	}
}

TEST_F_TIMEOUT(display, mode_changes_in_a_row, LONG_TEST)
{
	static const uint32_t sizes[][2] = {
		{ 640, 480 }, { 800, 600 }, { 1024, 768 },
	};

	for (int i = 0; i < 15; i++) {
		drmModeModeInfo mode;

		kms_mode(&mode, sizes[i % 3][0], sizes[i % 3][1], 60);
		ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &mode,
					   &self->fb));
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb,
				      NONBLOCK_EVENT, i));
		ASSERT_EQ(0, kms_wait_flip(&self->k));
	}
}

/* The framebuffer goes while its flip is under way. */
TEST_F_TIMEOUT(display, framebuffer_removed_during_its_flip, LONG_TEST)
{
	struct kms_event ev;

	for (int i = 0; i < 10; i++) {
		struct kms_fb fb;

		ASSERT_EQ(0, second_fb(self, i, &fb));
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, NONBLOCK_EVENT,
				      i));
		kms_fb_destroy(&fb);
		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		EXPECT_EQ(i, ev.user_data);
		ASSERT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	}
}

TEST_HARNESS_MAIN
