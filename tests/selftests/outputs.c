// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Several outputs: any connector by any CRTC, each head with its own picture
 * and mode. The device must have more than one scan-out (max_outputs).
 */
#include <kselftest_harness.h>

#include <errno.h>

#include "host.h"
#include "kms.h"
#include "reset.h"
#include "share.h"

#define LONG_TEST	300

/* A size for each head, so that a mix-up cannot go unseen. */
static const uint32_t sizes[][2] = {
	{ 800, 600 }, { 1024, 768 }, { 640, 480 }, { 1000, 700 },
};

#define MAX_HEADS	ARRAY_SIZE(sizes)

FIXTURE(outputs) {
	struct kms k;
	unsigned int n;
	struct kms_fb fb[MAX_HEADS];
};

static bool has_size(const struct kms_output *o, uint32_t w, uint32_t h)
{
	return o->connected && o->mode.hdisplay == w && o->mode.vdisplay == h;
}

/* Asks the host to connect the heads; waits until the guest sees them all. */
static int connect_all(struct kms *k, unsigned int n)
{
	int ret;

	for (unsigned int i = 0; i < n; i++) {
		ret = host_resize(i, sizes[i][0], sizes[i][1]);
		if (ret)
			return ret;
	}
	for (int tries = 0; tries < 100; tries++) {
		unsigned int ready = 0;

		ret = kms_scan(k);
		if (ret)
			return ret;
		for (unsigned int i = 0; i < n; i++)
			ready += has_size(&k->outputs[i], sizes[i][0],
					  sizes[i][1]);
		if (ready == n)
			return 0;
		usleep(100000);
	}
	return -ETIME;
}

FIXTURE_SETUP(outputs)
{
	ASSERT_EQ(0, kms_open(&self->k));
	if (self->k.num_outputs < 2)
		SKIP(return, "the device has one scan-out only");
	NEED_HOST();
	self->n = self->k.num_outputs < MAX_HEADS ? self->k.num_outputs :
						    MAX_HEADS;
}

FIXTURE_TEARDOWN(outputs)
{
	for (unsigned int i = 0; i < MAX_HEADS; i++)
		kms_fb_destroy(&self->fb[i]);
	EXPECT_EQ(0, kms_close(&self->k));
}

static void connect_and_draw(struct __test_metadata *_metadata,
			     FIXTURE_DATA(outputs) *self)
{
	ASSERT_EQ(0, connect_all(&self->k, self->n));
	for (unsigned int i = 0; i < self->n; i++) {
		ASSERT_EQ(0, kms_fb_create(&self->k, sizes[i][0], sizes[i][1],
					   DRM_FORMAT_XRGB8888, &self->fb[i]));
		kms_fb_draw(&self->fb[i], i + 1);
	}
}

/* The output of connector @head when CRTC @pipe drives it. */
static struct kms_output pair(struct kms *k, unsigned int head,
			      unsigned int pipe)
{
	struct kms_output o = k->outputs[head];

	o.pipe = pipe;
	o.crtc = k->outputs[pipe].crtc;
	o.primary = k->outputs[pipe].primary;
	o.cursor = k->outputs[pipe].cursor;
	return o;
}

static int all_off(struct kms *k)
{
	struct kms_req r;

	kms_req_init(&r, k);
	for (unsigned int i = 0; i < k->num_outputs; i++) {
		kms_req_output(&r, &k->outputs[i], NULL);
		kms_req_plane(&r, k->outputs[i].primary, 0, NULL, 0, 0, 0, 0);
	}
	return kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET, 0);
}

/* First of the program: later tests connect the heads for good. */
TEST_F(outputs, disconnected_heads)
{
	struct kms_output *o = &self->k.outputs[self->n - 1];
	drmModeConnector *c;

	if (o->connected)
		SKIP(return, "the last head is connected already");
	c = drmModeGetConnector(self->k.fd, o->connector);
	ASSERT_TRUE(c);
	EXPECT_EQ(DRM_MODE_DISCONNECTED, c->connection);
	EXPECT_EQ(0, c->count_modes);
	drmModeFreeConnector(c);
	EXPECT_TRUE(self->k.outputs[0].connected);
}

TEST_F(outputs, any_encoder_takes_any_crtc)
{
	uint32_t all = (1u << self->k.num_outputs) - 1;

	for (unsigned int i = 0; i < self->k.num_outputs; i++) {
		drmModeConnector *c;

		c = drmModeGetConnectorCurrent(self->k.fd,
					       self->k.outputs[i].connector);
		ASSERT_TRUE(c);
		ASSERT_LE(1, c->count_encoders);
		for (int e = 0; e < c->count_encoders; e++) {
			drmModeEncoder *enc =
				drmModeGetEncoder(self->k.fd, c->encoders[e]);

			ASSERT_TRUE(enc);
			EXPECT_EQ(all, enc->possible_crtcs & all);
			drmModeFreeEncoder(enc);
		}
		drmModeFreeConnector(c);
	}
}

TEST_F_TIMEOUT(outputs, one_connector_by_each_crtc, LONG_TEST)
{
	connect_and_draw(_metadata, self);
	for (unsigned int head = 0; head < self->n; head++) {
		for (unsigned int pipe = 0; pipe < self->n; pipe++) {
			struct kms_output o = pair(&self->k, head, pipe);

			ASSERT_EQ(0, all_off(&self->k));
			ASSERT_EQ(0, kms_show(&self->k, &o, &self->fb[head]))
				TH_LOG("head %u by CRTC %u", head, pipe);
			EXPECT_EQ(0, host_diff_fb(head, &self->fb[head]))
				TH_LOG("head %u by CRTC %u", head, pipe);
		}
	}
}

/* All at once, turned by one CRTC each time, in one commit. */
TEST_F_TIMEOUT(outputs, all_connectors_turned_round, LONG_TEST)
{
	connect_and_draw(_metadata, self);
	for (unsigned int turn = 0; turn < self->n; turn++) {
		struct kms_req r;

		kms_req_init(&r, &self->k);
		for (unsigned int head = 0; head < self->n; head++) {
			struct kms_output o = pair(&self->k, head,
						   (head + turn) % self->n);

			kms_req_output(&r, &o, &o.mode);
			kms_req_plane(&r, o.primary, o.crtc, &self->fb[head],
				      0, 0, o.mode.hdisplay, o.mode.vdisplay);
		}
		ASSERT_EQ(0, kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET,
					    0));
		for (unsigned int head = 0; head < self->n; head++) {
			EXPECT_EQ(0, host_diff_fb(head, &self->fb[head]))
				TH_LOG("turn %u head %u", turn, head);
		}
	}
}

/* A flip on one head leaves the others as they are. */
TEST_F_TIMEOUT(outputs, flips_stay_on_their_head, LONG_TEST)
{
	connect_and_draw(_metadata, self);
	for (unsigned int i = 0; i < self->n; i++) {
		ASSERT_EQ(0, kms_show(&self->k, &self->k.outputs[i],
				      &self->fb[i]));
	}
	for (unsigned int i = 0; i < self->n; i++) {
		struct kms_event ev;

		kms_fb_draw(&self->fb[i], 10 + i);
		ASSERT_EQ(0, kms_flip(&self->k, &self->k.outputs[i],
				      &self->fb[i],
				      DRM_MODE_ATOMIC_NONBLOCK |
				      DRM_MODE_PAGE_FLIP_EVENT, i));
		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		EXPECT_EQ(self->k.outputs[i].crtc, ev.crtc);
		EXPECT_EQ(i, ev.user_data);
	}
	for (unsigned int i = 0; i < self->n; i++) {
		EXPECT_EQ(0, host_diff_fb(i, &self->fb[i]));
	}
}

/* One commit for all heads: one event a CRTC. */
TEST_F_TIMEOUT(outputs, one_commit_for_all, LONG_TEST)
{
	struct kms_req r;
	uint32_t seen = 0;

	connect_and_draw(_metadata, self);
	for (unsigned int i = 0; i < self->n; i++) {
		ASSERT_EQ(0, kms_show(&self->k, &self->k.outputs[i],
				      &self->fb[i]));
	}
	kms_req_init(&r, &self->k);
	for (unsigned int i = 0; i < self->n; i++)
		kms_req_add(&r, self->k.outputs[i].primary, "FB_ID",
			    self->fb[i].id);
	ASSERT_EQ(0, kms_req_commit(&r, DRM_MODE_ATOMIC_NONBLOCK |
				    DRM_MODE_PAGE_FLIP_EVENT, 7));
	for (unsigned int i = 0; i < self->n; i++) {
		struct kms_event ev;

		ASSERT_EQ(0, kms_event(&self->k, &ev, KMS_WAIT_MS));
		EXPECT_EQ(7, ev.user_data);
		for (unsigned int j = 0; j < self->n; j++)
			if (self->k.outputs[j].crtc == ev.crtc)
				seen |= 1u << j;
	}
	EXPECT_EQ((1u << self->n) - 1, seen);
}

/* The same framebuffer on two heads, a mode each. */
TEST_F_TIMEOUT(outputs, one_framebuffer_on_two_heads, LONG_TEST)
{
	struct picture want;
	struct kms_fb fb;

	ASSERT_EQ(0, connect_all(&self->k, self->n));
	ASSERT_EQ(0, kms_fb_create(&self->k, 1024, 768, DRM_FORMAT_XRGB8888,
				   &fb));
	kms_fb_draw(&fb, 1);
	for (unsigned int i = 0; i < 2; i++) {
		ASSERT_EQ(0, kms_show(&self->k, &self->k.outputs[i], &fb));
	}
	for (int seed = 1; seed < 3; seed++) {
		kms_fb_draw(&fb, seed);
		ASSERT_EQ(0, drmModeDirtyFB(self->k.fd, fb.id, NULL, 0));
		for (unsigned int i = 0; i < 2; i++) {
			ASSERT_EQ(0, picture_crop(&want, &fb, 0, 0, sizes[i][0],
						  sizes[i][1]));
			EXPECT_EQ(0, host_diff(i, &want));
			picture_free(&want);
		}
	}
	kms_fb_destroy(&fb);
}

/* A reset that loses the picture of one head: the others come back. */
TEST_F_TIMEOUT(outputs, one_picture_is_lost, LONG_TEST)
{
	struct virtgpu_test_faults faults = { .map = EIO };
	struct kms_output *lost = &self->k.outputs[1];
	struct kms_fb fb;

	NEED_MODULE();
	connect_and_draw(_metadata, self);
	for (unsigned int i = 0; i < self->n; i++)
		ASSERT_EQ(0, kms_show(&self->k, &self->k.outputs[i], &self->fb[i]));
	ASSERT_EQ(0, module_export(sizes[1][0] * sizes[1][1] * 4, 1, VIRTGPU_TEST_MOVE_MAPPED,
				   &faults.fd));
	ASSERT_EQ(0, share_fb(&self->k, faults.fd, sizes[1][0], sizes[1][1], &fb));
	ASSERT_EQ(0, kms_flip(&self->k, lost, &fb, 0, 0));

	ASSERT_EQ(0, module_faults(faults));
	ASSERT_EQ(0, module_move(faults.fd, KMS_WAIT_MS));
	ASSERT_EQ(0, reset_device(&self->k));
	for (unsigned int i = 0; i < self->n; i++) {
		if (i == 1)
			continue;
		EXPECT_EQ(0, host_diff_fb_soon(i, &self->fb[i], KMS_WAIT_MS))
			TH_LOG("head %u", i);
	}
	EXPECT_EQ(0, kms_flip(&self->k, lost, &self->fb[1], 0, 0));
	EXPECT_EQ(0, host_diff_fb_soon(1, &self->fb[1], KMS_WAIT_MS));
	EXPECT_EQ(-EIO, kms_flip(&self->k, lost, &fb, 0, 0));

	/* what could not be mapped can be, later */
	kms_fb_destroy(&fb);
	faults.map = 0;
	ASSERT_EQ(0, module_faults(faults));
	ASSERT_EQ(0, share_fb(&self->k, faults.fd, sizes[1][0], sizes[1][1], &fb));
	ASSERT_EQ(0, share_draw(faults.fd, &fb, 5));
	EXPECT_EQ(0, kms_flip(&self->k, lost, &fb, 0, 0));
	EXPECT_EQ(0, host_diff_fb_soon(1, &fb, KMS_WAIT_MS));
	EXPECT_EQ(0, kms_flip(&self->k, lost, &self->fb[1], 0, 0));
	kms_fb_destroy(&fb);
	close(faults.fd);
}

/* Cursors are per head as well. */
TEST_F_TIMEOUT(outputs, cursor_on_its_head, LONG_TEST)
{
	struct kms_fb cursor;
	char pattern[80];

	connect_and_draw(_metadata, self);
	ASSERT_EQ(0, kms_fb_create(&self->k, 64, 64, DRM_FORMAT_ARGB8888,
				   &cursor));
	kms_fb_fill(&cursor, 0x123456);
	for (unsigned int head = 0; head < self->n; head++) {
		struct kms_output o = pair(&self->k, head,
					   (head + 1) % self->n);
		int n = 0;

		ASSERT_EQ(0, all_off(&self->k));
		ASSERT_EQ(0, kms_show(&self->k, &o, &self->fb[head]));
		ASSERT_EQ(0, host_mark());
		ASSERT_EQ(0, drmModeSetCursor(self->k.fd, o.crtc, cursor.handle,
					      64, 64));
		ASSERT_EQ(0, drmModeMoveCursor(self->k.fd, o.crtc, 33, 44));
		snprintf(pattern, sizeof(pattern),
			 "update_cursor scanout %u, x 33, y 44", head);
		for (int i = 0; i < 40 && !n; i++) {
			n = host_trace(pattern, NULL);
			usleep(50000);
		}
		EXPECT_LE(1, n) TH_LOG("head %u", head);
		ASSERT_EQ(0, drmModeSetCursor(self->k.fd, o.crtc, 0, 0, 0));
	}
	kms_fb_destroy(&cursor);
}

/* A CRTC has one connector, a connector one CRTC: no clones. */
TEST_F_TIMEOUT(outputs, clones_are_refused, LONG_TEST)
{
	struct kms_req r;
	struct kms_output o;

	connect_and_draw(_metadata, self);
	o = pair(&self->k, 1, 0);
	kms_req_init(&r, &self->k);
	kms_req_output(&r, &self->k.outputs[0], &self->k.outputs[0].mode);
	kms_req_add(&r, o.connector, "CRTC_ID", o.crtc);
	kms_req_plane(&r, o.primary, o.crtc, &self->fb[0], 0, 0, sizes[0][0],
		      sizes[0][1]);
	EXPECT_EQ(-EINVAL, kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET |
					  DRM_MODE_ATOMIC_TEST_ONLY, 0));
}

TEST_HARNESS_MAIN
