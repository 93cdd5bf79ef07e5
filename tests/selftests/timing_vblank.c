// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Vblank counters and timestamps. The periods are measured, so run this where
 * time is steady: under load only with a guest clock that counts instructions.
 */
#include "display.h"

#include <errno.h>

#define SAMPLES		60
#define TOLERANCE	50	/* a period may be off by 1/50 */

static int get_sequence(FIXTURE_DATA(display) *self, uint64_t *seq,
			uint64_t *ns)
{
	return drmCrtcGetSequence(self->k.fd, self->o->crtc, seq, ns) ?
		-errno : 0;
}

static int queue_sequence(FIXTURE_DATA(display) *self, uint32_t flags,
			  uint64_t seq, uint64_t *queued, uint64_t data)
{
	return drmCrtcQueueSequence(self->k.fd, self->o->crtc, flags, seq,
				    queued, data) ? -errno : 0;
}

static drmVBlank vblank_request(FIXTURE_DATA(display) *self, unsigned int type,
				unsigned int sequence, unsigned long data)
{
	drmVBlank v = {};

	v.request.type = type | self->o->pipe << DRM_VBLANK_HIGH_CRTC_SHIFT;
	v.request.sequence = sequence;
	v.request.signal = data;
	return v;
}

static int wait_vblank(FIXTURE_DATA(display) *self, unsigned int type,
		       unsigned int sequence, drmVBlank *v)
{
	*v = vblank_request(self, type, sequence, 0);
	return drmWaitVBlank(self->k.fd, v) ? -errno : 0;
}

static uint64_t reply_ns(const drmVBlank *v)
{
	return v->reply.tval_sec * 1000000000ULL + v->reply.tval_usec * 1000ULL;
}

static int set_active(FIXTURE_DATA(display) *self, int active)
{
	struct kms_req r;

	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->crtc, "ACTIVE", active);
	return kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET, 0);
}

TEST_F(display, capabilities)
{
	uint64_t v = 0;

	EXPECT_EQ(0, drmGetCap(self->k.fd, DRM_CAP_TIMESTAMP_MONOTONIC, &v));
	EXPECT_EQ(1, v);
	EXPECT_EQ(0, drmGetCap(self->k.fd, DRM_CAP_CRTC_IN_VBLANK_EVENT, &v));
	EXPECT_EQ(1, v);
}

/* Each next vblank: counter one up, time one period up. */
static void check_period(struct __test_metadata *_metadata,
			 FIXTURE_DATA(display) *self, uint64_t period)
{
	uint64_t first_ns = 0, last_ns = 0;
	uint32_t first = 0, last = 0;
	drmVBlank v;

	for (int i = 0; i < SAMPLES; i++) {
		ASSERT_EQ(0, wait_vblank(self, DRM_VBLANK_RELATIVE, 1, &v));
		if (!i) {
			first = v.reply.sequence;
			first_ns = reply_ns(&v);
		} else {
			uint64_t n = v.reply.sequence - last;
			uint64_t d = reply_ns(&v) - last_ns;

			ASSERT_LT(0, n);
			EXPECT_LE(n * period - period / TOLERANCE, d + 1000);
			EXPECT_LE(d, n * period + period / TOLERANCE + 1000);
		}
		last = v.reply.sequence;
		last_ns = reply_ns(&v);
	}
	/* over all of them the small errors must not add up */
	first_ns = (last_ns - first_ns) / (last - first);
	EXPECT_LE(period - period / 200, first_ns);
	EXPECT_LE(first_ns, period + period / 200);
}

TEST_F(display, period_of_the_mode)
{
	check_period(_metadata, self, kms_period_ns(&self->o->mode));
}

TEST_F_TIMEOUT(display, period_of_other_modes, LONG_TEST)
{
	static const unsigned int rates[] = { 30, 50, 75, 120 };

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		drmModeModeInfo mode;

		kms_mode(&mode, 640, 480, rates[i]);
		ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &mode,
					   &self->fb));
		check_period(_metadata, self, kms_period_ns(&mode));
	}
}

/* Counter and time go together, whenever and however one asks. */
TEST_F(display, counters_agree)
{
	uint64_t period = kms_period_ns(&self->o->mode);
	uint64_t seq, ns, last_seq = 0, last_ns = 0;
	drmVBlank v;

	for (int i = 0; i < 200; i++) {
		ASSERT_EQ(0, get_sequence(self, &seq, &ns));
		ASSERT_LE(last_seq, seq);
		ASSERT_LE(last_ns, ns);
		if (last_seq) {
			uint64_t want = (seq - last_seq) * period;

			EXPECT_LE(want, ns - last_ns + period / 4);
			EXPECT_LE(ns - last_ns, want + period / 4);
		}
		last_seq = seq;
		last_ns = ns;
		usleep(i * 100);
	}
	ASSERT_EQ(0, wait_vblank(self, DRM_VBLANK_RELATIVE, 0, &v));
	EXPECT_LE((uint32_t)last_seq, v.reply.sequence);
	EXPECT_LE(v.reply.sequence, (uint32_t)last_seq + 5);
}

/* A vblank is never in the future, and not more than a period ago. */
TEST_F(display, time_is_now)
{
	uint64_t period = kms_period_ns(&self->o->mode), seq, ns, now;

	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(0, get_sequence(self, &seq, &ns));
		now = kms_now_ns();
		EXPECT_LE(ns, now + period / TOLERANCE);
		EXPECT_LE(now, ns + 3 * period);
		usleep(3000);
	}
}

TEST_F(display, vblank_events)
{
	struct kms_event ev;
	drmVBlank v;
	uint32_t start;

	ASSERT_EQ(0, wait_vblank(self, DRM_VBLANK_RELATIVE, 1, &v));
	start = v.reply.sequence;
	for (int i = 1; i <= 5; i++) {
		v = vblank_request(self, DRM_VBLANK_ABSOLUTE | DRM_VBLANK_EVENT,
				   start + i * 2, i);
		ASSERT_EQ(0, drmWaitVBlank(self->k.fd, &v));
	}
	for (int i = 1; i <= 5; i++) {
		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		EXPECT_EQ(DRM_EVENT_VBLANK, ev.type);
		EXPECT_EQ(i, ev.user_data);
		EXPECT_EQ(start + i * 2, ev.sequence);
		EXPECT_EQ(self->o->crtc, ev.crtc);
	}
}

TEST_F(display, sequence_events)
{
	uint64_t seq, ns, queued;
	struct kms_event ev;

	ASSERT_EQ(0, get_sequence(self, &seq, &ns));
	ASSERT_EQ(0, queue_sequence(self, 0, seq + 10, &queued, 10));
	EXPECT_EQ(seq + 10, queued);
	ASSERT_EQ(0, queue_sequence(self, DRM_CRTC_SEQUENCE_RELATIVE, 2,
				    &queued, 2));
	ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
	EXPECT_EQ(DRM_EVENT_CRTC_SEQUENCE, ev.type);
	EXPECT_EQ(2, ev.user_data);
	ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
	EXPECT_EQ(10, ev.user_data);
	EXPECT_EQ((uint32_t)(seq + 10), ev.sequence);
}

/* Long ago: the event comes at once, or with the next vblank. */
TEST_F(display, sequence_in_the_past)
{
	uint64_t seq, ns, queued;
	struct kms_event ev;

	ASSERT_EQ(0, get_sequence(self, &seq, &ns));
	ASSERT_EQ(0, queue_sequence(self, 0, seq ? seq - 1 : 0, &queued, 1));
	EXPECT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));

	ASSERT_EQ(0, get_sequence(self, &seq, &ns));
	ASSERT_EQ(0, queue_sequence(self, DRM_CRTC_SEQUENCE_NEXT_ON_MISS,
				    seq ? seq - 1 : 0, &queued, 2));
	EXPECT_LE(seq, queued);
	EXPECT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
	EXPECT_LE(seq, ev.sequence);
}

/* Flip events carry the counter and the time of the vblanks. */
TEST_F(display, flips_are_at_vblanks)
{
	uint64_t period = kms_period_ns(&self->o->mode), seq, ns;

	for (int i = 0; i < 20; i++) {
		struct kms_event ev;
		int64_t want, diff;

		ASSERT_EQ(0, get_sequence(self, &seq, &ns));
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb,
				      DRM_MODE_ATOMIC_NONBLOCK |
				      DRM_MODE_PAGE_FLIP_EVENT, 0));
		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		ASSERT_LT((uint32_t)seq, ev.sequence);
		want = ns + (ev.sequence - (uint32_t)seq) * period;
		diff = ev.time_ns - want;
		EXPECT_LE(-(int64_t)(period / 10), diff);
		EXPECT_LE(diff, (int64_t)(period / 10));
	}
}

/* One flip a vblank, none left out, when the program keeps up. */
TEST_F(display, flips_keep_the_pace)
{
	struct kms_event ev;
	uint32_t first = 0;

	for (int i = 0; i < SAMPLES; i++) {
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb,
				      DRM_MODE_ATOMIC_NONBLOCK |
				      DRM_MODE_PAGE_FLIP_EVENT, i));
		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		if (!i)
			first = ev.sequence;
	}
	TH_LOG("%d flips in %u vblanks", SAMPLES - 1, ev.sequence - first);
	EXPECT_LE(SAMPLES - 1, ev.sequence - first);
	EXPECT_LE(ev.sequence - first, (SAMPLES - 1) * 3 / 2);
}

/* --- across modesets --- */

TEST_F_TIMEOUT(display, monotonic_over_dpms, LONG_TEST)
{
	uint64_t period = kms_period_ns(&self->o->mode);
	uint64_t seq, ns, last_seq, last_ns;

	ASSERT_EQ(0, get_sequence(self, &last_seq, &last_ns));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, set_active(self, 0));
		usleep(50000);
		ASSERT_EQ(0, set_active(self, 1));
		ASSERT_EQ(0, get_sequence(self, &seq, &ns));
		EXPECT_LE(last_seq, seq);
		EXPECT_LE(last_ns, ns);
		EXPECT_LE(ns, kms_now_ns() + period / TOLERANCE);
		last_seq = seq;
		last_ns = ns;
	}
	check_period(_metadata, self, period);
}

TEST_F_TIMEOUT(display, monotonic_over_modesets, LONG_TEST)
{
	uint64_t seq, ns, last_seq, last_ns;

	ASSERT_EQ(0, get_sequence(self, &last_seq, &last_ns));
	for (int i = 0; i < 10; i++) {
		drmModeModeInfo mode;

		kms_mode(&mode, 640, 480, i % 2 ? 60 : 50);
		ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &mode,
					   &self->fb));
		usleep(30000);
		ASSERT_EQ(0, get_sequence(self, &seq, &ns));
		EXPECT_LE(last_seq, seq);
		EXPECT_LE(last_ns, ns);
		last_seq = seq;
		last_ns = ns;
	}
}

/* After a rest with nobody waiting, the counter has counted on. */
TEST_F(display, counts_while_nobody_waits)
{
	uint64_t period = kms_period_ns(&self->o->mode), seq[2], ns[2], n;

	ASSERT_EQ(0, get_sequence(self, &seq[0], &ns[0]));
	sleep(7);
	ASSERT_EQ(0, get_sequence(self, &seq[1], &ns[1]));
	n = (ns[1] - ns[0] + period / 2) / period;
	EXPECT_LE(n, seq[1] - seq[0] + 1);
	EXPECT_LE(seq[1] - seq[0], n + 1);
}

/* --- refusals --- */

TEST_F(display, nothing_when_off)
{
	uint64_t seq, ns, queued;
	drmVBlank v;

	ASSERT_EQ(0, set_active(self, 0));
	EXPECT_EQ(-EINVAL, wait_vblank(self, DRM_VBLANK_RELATIVE, 1, &v));
	EXPECT_EQ(-EINVAL, queue_sequence(self, DRM_CRTC_SEQUENCE_RELATIVE, 1,
					  &queued, 0));
	/* asking what it was is no wait; the answer may only not go back */
	get_sequence(self, &seq, &ns);
	ASSERT_EQ(0, set_active(self, 1));
	EXPECT_EQ(0, wait_vblank(self, DRM_VBLANK_RELATIVE, 1, &v));
}

/* An event that is asked for does not come to nothing when it goes off. */
TEST_F(display, off_while_an_event_is_due)
{
	struct kms_event ev;
	drmVBlank v;

	v = vblank_request(self, DRM_VBLANK_RELATIVE | DRM_VBLANK_EVENT, 600,
			   77);
	ASSERT_EQ(0, drmWaitVBlank(self->k.fd, &v));
	ASSERT_EQ(0, set_active(self, 0));
	EXPECT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
	EXPECT_EQ(77, ev.user_data);
	ASSERT_EQ(0, set_active(self, 1));
}

TEST_F(display, bad_requests)
{
	uint64_t seq, ns, queued;
	drmVBlank v = {};

	v.request.type = DRM_VBLANK_RELATIVE |
			 (31 << DRM_VBLANK_HIGH_CRTC_SHIFT);
	EXPECT_NE(0, drmWaitVBlank(self->k.fd, &v));
	EXPECT_EQ(EINVAL, errno);
	v = vblank_request(self, DRM_VBLANK_RELATIVE | DRM_VBLANK_SIGNAL, 1, 0);
	EXPECT_NE(0, drmWaitVBlank(self->k.fd, &v));
	v = vblank_request(self, DRM_VBLANK_RELATIVE | 0x00ff0000, 1, 0);
	EXPECT_NE(0, drmWaitVBlank(self->k.fd, &v));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_NE(0, drmCrtcGetSequence(self->k.fd, self->o->connector, &seq,
					&ns));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(-EINVAL, queue_sequence(self, 0x80, 1, &queued, 0));
}

TEST_HARNESS_MAIN
