// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The cursor plane: the picture, hotspot and place that the host gets, sizes,
 * and that cursor changes never wait for a pending page flip.
 */
#include "display.h"
#include "gpu.h"

#include <errno.h>
#include <poll.h>

#define SIZE	64

/* Opaque, clear and coloured areas, no symmetry; outside w x h is clear. */
static uint32_t cursor_pixel(uint32_t x, uint32_t y, uint32_t w, uint32_t h,
			     unsigned int seed)
{
	if (x >= w || y >= h || x + y > w + h - 8)
		return 0;
	return 0xff000000 | ((x * 3 + seed * 50) & 0xff) << 16 |
	       ((y * 3) & 0xff) << 8 | ((x ^ y) & 0xff);
}

static int make_cursor(struct kms *k, uint32_t w, uint32_t h,
		       unsigned int seed, struct kms_fb *fb)
{
	int ret = kms_fb_create(k, w, h, DRM_FORMAT_ARGB8888, fb);

	for (uint32_t y = 0; !ret && y < h; y++)
		for (uint32_t x = 0; x < w; x++)
			kms_fb_set(fb, x, y, cursor_pixel(x, y, w, h, seed));
	return ret;
}

static int set_legacy(FIXTURE_DATA(display) *self, const struct kms_fb *fb,
		      int hot_x, int hot_y)
{
	return drmModeSetCursor2(self->k.fd, self->o->crtc,
				 fb ? fb->handle : 0, fb ? fb->width : 0,
				 fb ? fb->height : 0, hot_x, hot_y);
}

static int move(FIXTURE_DATA(display) *self, int x, int y)
{
	return drmModeMoveCursor(self->k.fd, self->o->crtc, x, y);
}

static int set_atomic(FIXTURE_DATA(display) *self, const struct kms_fb *fb,
		      int x, int y, int hot_x, int hot_y)
{
	struct kms_req r;

	kms_req_init(&r, &self->k);
	kms_req_plane(&r, self->o->cursor, self->o->crtc, fb, x, y,
		      fb ? fb->width : 0, fb ? fb->height : 0);
	if (fb) {
		kms_req_add(&r, self->o->cursor, "HOTSPOT_X", hot_x);
		kms_req_add(&r, self->o->cursor, "HOTSPOT_Y", hot_y);
	}
	return kms_req_commit(&r, 0, 0);
}

/* The cursor queue has no answer to wait for: look until the host saw it. */
static int trace_soon(const char *pattern)
{
	int n = 0;

	for (int i = 0; i < 40 && !n; i++) {
		n = host_trace(pattern, NULL);
		if (!n)
			usleep(50000);
	}
	return n;
}

/* What the viewer got: 64x64, the picture in the corner, the rest clear. */
static bool viewer_has(unsigned int head, uint32_t w, uint32_t h,
		       unsigned int seed, uint32_t hot_x, uint32_t hot_y)
{
	struct host_cursor c = {};
	long bad = -1;

	for (int i = 0; i < 40 && bad; i++) {
		if (i)
			usleep(50000);
		free(c.argb);
		if (host_get_cursor(head, &c))
			return false;
		if (c.width != SIZE || c.height != SIZE || c.hot_x != hot_x ||
		    c.hot_y != hot_y)
			continue;
		bad = 0;
		for (uint32_t p = 0; p < SIZE * SIZE; p++)
			bad += c.argb[p] != cursor_pixel(p % SIZE, p / SIZE, w,
							 h, seed);
	}
	if (bad)
		fprintf(stderr, "# viewer's cursor: %ux%u hot %u,%u, %ld bad\n",
			c.width, c.height, c.hot_x, c.hot_y, bad);
	free(c.argb);
	return !bad;
}

static bool viewer_hidden(unsigned int head)
{
	struct host_cursor c;

	for (int i = 0; i < 40; i++) {
		if (host_get_cursor(head, &c))
			return false;
		free(c.argb);
		if (!c.width)
			return true;
		usleep(50000);
	}
	return false;
}

TEST_F(display, capabilities)
{
	uint64_t w = 0, h = 0;

	EXPECT_TRUE(self->o->cursor);
	EXPECT_EQ(0, drmGetCap(self->k.fd, DRM_CAP_CURSOR_WIDTH, &w));
	EXPECT_EQ(0, drmGetCap(self->k.fd, DRM_CAP_CURSOR_HEIGHT, &h));
	EXPECT_EQ(SIZE, w);
	EXPECT_EQ(SIZE, h);
	EXPECT_TRUE(self->k.hotspot);
	EXPECT_NE(0, kms_prop_id(&self->k, self->o->cursor, "HOTSPOT_X"));
	EXPECT_NE(0, kms_prop_id(&self->k, self->o->cursor, "HOTSPOT_Y"));
}

/* An atomic client that knows nothing of hotspots does not see the plane. */
TEST_F(display, hidden_without_hotspot_cap)
{
	bool seen = false;
	drmModePlaneRes *planes;

	ASSERT_EQ(0, drmSetClientCap(self->k.fd,
				     DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT, 0));
	planes = drmModeGetPlaneResources(self->k.fd);
	ASSERT_TRUE(planes);
	for (uint32_t i = 0; i < planes->count_planes; i++)
		seen |= planes->planes[i] == self->o->cursor;
	EXPECT_FALSE(seen);
	drmModeFreePlaneResources(planes);
}

TEST_F_TIMEOUT(display, legacy_picture_and_hotspot, LONG_TEST)
{
	struct kms_fb a, b;

	NEED_HOST();
	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 1, &a));
	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 2, &b));
	ASSERT_EQ(0, set_legacy(self, &a, 5, 7));
	ASSERT_EQ(0, move(self, 100, 100));
	EXPECT_TRUE(viewer_has(self->o->head, SIZE, SIZE, 1, 5, 7));
	ASSERT_EQ(0, set_legacy(self, &b, 63, 0));
	EXPECT_TRUE(viewer_has(self->o->head, SIZE, SIZE, 2, 63, 0));
	ASSERT_EQ(0, set_legacy(self, NULL, 0, 0));
	EXPECT_TRUE(viewer_hidden(self->o->head));
	kms_fb_destroy(&a);
	kms_fb_destroy(&b);
}

TEST_F_TIMEOUT(display, atomic_picture_and_hotspot, LONG_TEST)
{
	struct kms_fb fb;

	NEED_HOST();
	if (!self->k.hotspot)
		SKIP(return, "the kernel has no CURSOR_PLANE_HOTSPOT");
	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 3, &fb));
	ASSERT_EQ(0, set_atomic(self, &fb, 10, 20, 1, 2));
	EXPECT_TRUE(viewer_has(self->o->head, SIZE, SIZE, 3, 1, 2));
	/* the hotspot alone is a change, too */
	ASSERT_EQ(0, set_atomic(self, &fb, 10, 20, 30, 40));
	EXPECT_TRUE(viewer_has(self->o->head, SIZE, SIZE, 3, 30, 40));
	/* outside of the picture: the nearest place of it */
	ASSERT_EQ(0, set_atomic(self, &fb, 10, 20, -5, 1000));
	EXPECT_TRUE(viewer_has(self->o->head, SIZE, SIZE, 3, 0, SIZE - 1));
	ASSERT_EQ(0, set_atomic(self, NULL, 0, 0, 0, 0));
	EXPECT_TRUE(viewer_hidden(self->o->head));
	kms_fb_destroy(&fb);
}

/* New pixels in the buffer that is already shown, set again. */
TEST_F_TIMEOUT(display, same_buffer_redrawn, LONG_TEST)
{
	struct kms_fb fb;

	NEED_HOST();
	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 1, &fb));
	ASSERT_EQ(0, set_legacy(self, &fb, 0, 0));
	EXPECT_TRUE(viewer_has(self->o->head, SIZE, SIZE, 1, 0, 0));
	for (uint32_t y = 0; y < SIZE; y++)
		for (uint32_t x = 0; x < SIZE; x++)
			kms_fb_set(&fb, x, y,
				   cursor_pixel(x, y, SIZE, SIZE, 4));
	ASSERT_EQ(0, set_legacy(self, &fb, 0, 0));
	EXPECT_TRUE(viewer_has(self->o->head, SIZE, SIZE, 4, 0, 0));
	kms_fb_destroy(&fb);
}

TEST_F_TIMEOUT(display, small_ones_are_padded, LONG_TEST)
{
	static const uint32_t sizes[][2] = {
		{ 24, 24 }, { 32, 32 }, { 48, 16 }, { 1, 1 }, { 63, 64 },
	};

	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint32_t w = sizes[i][0], h = sizes[i][1];
		struct kms_fb fb;

		ASSERT_EQ(0, make_cursor(&self->k, w, h, i, &fb));
		ASSERT_EQ(0, set_legacy(self, &fb, i, 0));
		EXPECT_TRUE(viewer_has(self->o->head, w, h, i, i, 0))
			TH_LOG("size %ux%u", w, h);
		ASSERT_EQ(0, set_legacy(self, NULL, 0, 0));
		kms_fb_destroy(&fb);
	}
}

TEST_F_TIMEOUT(display, padding_holds_nothing_of_the_last, LONG_TEST)
{
	struct kms_fb big, small;

	NEED_HOST();
	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 1, &big));
	ASSERT_EQ(0, make_cursor(&self->k, 16, 16, 2, &small));
	ASSERT_EQ(0, set_legacy(self, &big, 0, 0));
	ASSERT_EQ(0, set_legacy(self, &small, 0, 0));
	EXPECT_TRUE(viewer_has(self->o->head, 16, 16, 2, 0, 0));
	kms_fb_destroy(&big);
	kms_fb_destroy(&small);
}

TEST_F(display, too_big_is_refused)
{
	static const uint32_t sizes[][2] = {
		{ 65, 64 }, { 64, 65 }, { 128, 128 }, { 256, 256 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct kms_fb fb;

		ASSERT_EQ(0, make_cursor(&self->k, sizes[i][0], sizes[i][1], 0,
					 &fb));
		EXPECT_EQ(-EINVAL, set_legacy(self, &fb, 0, 0));
		if (self->k.hotspot) {
			EXPECT_EQ(-EINVAL, set_atomic(self, &fb, 0, 0, 0, 0));
		}
		kms_fb_destroy(&fb);
	}
}

/* The host would take all of the picture that it drew. */
TEST_F(display, part_of_a_picture_of_the_host_is_refused)
{
	uint32_t handles[4] = {}, pitches[4] = { 64 * 4 }, offsets[4] = {}, id;
	struct gpu_bo bo;
	struct kms_req r;

	if (!gpu_has(self->k.fd, VIRTGPU_PARAM_3D_FEATURES))
		SKIP(return, "the host has no 3D");
	ASSERT_EQ(0, gpu_texture(self->k.fd, 64, 66, &bo));
	handles[0] = bo.handle;
	ASSERT_EQ(0, drmModeAddFB2(self->k.fd, 64, 64, DRM_FORMAT_ARGB8888, handles, pitches,
				   offsets, &id, 0));
	kms_req_init(&r, &self->k);
	kms_req_plane(&r, self->o->cursor, self->o->crtc,
		      &(struct kms_fb) { .id = id }, 0, 0, 64, 64);
	EXPECT_EQ(-EINVAL, kms_req_commit(&r, 0, 0));
	ASSERT_EQ(0, drmModeRmFB(self->k.fd, id));
	ASSERT_EQ(0, gpu_close(&bo));
}

TEST_F(display, scaling_is_refused)
{
	struct kms_fb fb;
	struct kms_req r;

	if (!self->k.hotspot)
		SKIP(return, "the kernel has no CURSOR_PLANE_HOTSPOT");
	ASSERT_EQ(0, make_cursor(&self->k, 32, 32, 0, &fb));
	kms_req_init(&r, &self->k);
	kms_req_plane(&r, self->o->cursor, self->o->crtc, &fb, 0, 0, 32, 32);
	kms_req_add(&r, self->o->cursor, "CRTC_W", 64);
	kms_req_add(&r, self->o->cursor, "CRTC_H", 64);
	EXPECT_NE(0, kms_req_commit(&r, DRM_MODE_ATOMIC_TEST_ONLY, 0));
	kms_fb_destroy(&fb);
}

static void check_place(struct __test_metadata *_metadata,
			FIXTURE_DATA(display) *self, bool atomic,
			const struct kms_fb *fb, int x, int y)
{
	char pattern[128];

	snprintf(pattern, sizeof(pattern),
		 "update_cursor scanout %u, x %d, y %d, move", self->o->head, x,
		 y);
	ASSERT_EQ(0, host_mark());
	if (atomic) {
		ASSERT_EQ(0, set_atomic(self, fb, x, y, 0, 0));
	} else {
		ASSERT_EQ(0, move(self, x, y));
	}
	EXPECT_EQ(1, trace_soon(pattern))
		TH_LOG("place %d,%d, atomic %d", x, y, atomic);
	/* a move is a move: no new picture, no transfer */
	EXPECT_EQ(0, host_trace("update_cursor.*update", NULL));
	EXPECT_EQ(0, host_trace("xfer_toh_2d", NULL));
}

TEST_F_TIMEOUT(display, moves, LONG_TEST)
{
	int w = self->fb.width, h = self->fb.height;
	int places[][2] = {
		{ 1, 1 }, { w / 2, h / 2 }, { w - 32, 10 }, { 10, h - 32 },
		{ w - 1, h - 1 }, { -32, 10 }, { 10, -32 }, { -63, -63 },
	};
	struct kms_fb fb;

	NEED_HOST();
	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 1, &fb));
	ASSERT_EQ(0, set_legacy(self, &fb, 0, 0));
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		check_place(_metadata, self, false, &fb, places[i][0],
			    places[i][1]);
	if (!self->k.hotspot)
		SKIP(return, "the kernel has no CURSOR_PLANE_HOTSPOT");
	/* the legacy calls made a framebuffer of their own: change to ours */
	ASSERT_EQ(0, set_atomic(self, &fb, 0, 0, 0, 0));
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		check_place(_metadata, self, true, &fb, places[i][0],
			    places[i][1]);
	kms_fb_destroy(&fb);
}

/* The resource that an update names was filled before, and is 64x64. */
TEST_F_TIMEOUT(display, filled_before_the_update, LONG_TEST)
{
	char *lines, *line, *save;
	unsigned int res = 0, n;
	struct kms_fb fb;
	int filled = 0, updates = 0;

	NEED_HOST();
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, make_cursor(&self->k, 32, 32, 1, &fb));
	ASSERT_EQ(0, set_legacy(self, &fb, 0, 0));
	ASSERT_EQ(1, trace_soon("update_cursor.*update, res 0x[1-9a-f]"));
	ASSERT_LT(0, host_trace("xfer_toh_2d|update_cursor.*update", &lines));
	line = strstr(lines, "update, res 0x");
	ASSERT_TRUE(line);
	ASSERT_EQ(1, sscanf(line, "update, res 0x%x", &res));
	for (line = strtok_r(lines, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *at = strstr(line, "res 0x");

		if (!at || sscanf(at, "res 0x%x", &n) != 1 || n != res)
			continue;
		if (strstr(line, "update_cursor")) {
			EXPECT_LT(0, filled);
			updates++;
		} else {
			filled++;
		}
	}
	EXPECT_EQ(1, updates);
	free(lines);
	kms_fb_destroy(&fb);
}

TEST_F_TIMEOUT(display, destroyed_buffer_leaves_no_cursor, LONG_TEST)
{
	struct kms_fb fb;

	NEED_HOST();
	if (!self->k.hotspot)
		SKIP(return, "the kernel has no CURSOR_PLANE_HOTSPOT");
	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 1, &fb));
	ASSERT_EQ(0, set_atomic(self, &fb, 10, 10, 0, 0));
	EXPECT_TRUE(viewer_has(self->o->head, SIZE, SIZE, 1, 0, 0));
	kms_fb_destroy(&fb);
	EXPECT_TRUE(viewer_hidden(self->o->head));
}

TEST_F_TIMEOUT(display, survives_dpms, LONG_TEST)
{
	struct kms_fb fb;
	struct kms_req r;

	NEED_HOST();
	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 6, &fb));
	ASSERT_EQ(0, set_legacy(self, &fb, 2, 3));
	EXPECT_TRUE(viewer_has(self->o->head, SIZE, SIZE, 6, 2, 3));
	for (int active = 0; active < 2; active++) {
		kms_req_init(&r, &self->k);
		kms_req_add(&r, self->o->crtc, "ACTIVE", active);
		ASSERT_EQ(0, kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET,
					    0));
		if (!active) {
			EXPECT_TRUE(viewer_hidden(self->o->head));
		}
	}
	EXPECT_TRUE(viewer_has(self->o->head, SIZE, SIZE, 6, 2, 3));
	kms_fb_destroy(&fb);
}

/* --- never behind a page flip --- */

#define ROUNDS	20

/*
 * Right after a flip event the next flip is a whole frame away. A cursor
 * change that waits for it comes back when its event is there already.
 */
static int rounds_not_waited(FIXTURE_DATA(display) *self,
			     const struct kms_fb *cursors, bool change)
{
	struct pollfd p = { .fd = self->k.fd, .events = POLLIN };
	int early = 0;

	for (int i = 0; i < ROUNDS; i++) {
		if (kms_flip(&self->k, self->o, &self->fb,
			     DRM_MODE_PAGE_FLIP_EVENT |
			     DRM_MODE_ATOMIC_NONBLOCK, i))
			return -1;
		if (change ? set_legacy(self, &cursors[i % 2], 0, 0) :
			     move(self, i, i))
			return -1;
		early += !poll(&p, 1, 0);
		if (kms_wait_flip(&self->k))
			return -1;
	}
	return early;
}

TEST_F_TIMEOUT(display, move_does_not_wait_for_flip, LONG_TEST)
{
	struct kms_fb fb;

	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 1, &fb));
	ASSERT_EQ(0, set_legacy(self, &fb, 0, 0));
	EXPECT_LE(ROUNDS * 3 / 4 / slow(), rounds_not_waited(self, &fb, false));
	kms_fb_destroy(&fb);
}

TEST_F_TIMEOUT(display, change_does_not_wait_for_flip, LONG_TEST)
{
	struct kms_fb fb[2];

	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 1, &fb[0]));
	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 2, &fb[1]));
	ASSERT_EQ(0, set_legacy(self, &fb[0], 0, 0));
	EXPECT_LE(ROUNDS * 3 / 4 / slow(), rounds_not_waited(self, fb, true));
	kms_fb_destroy(&fb[0]);
	kms_fb_destroy(&fb[1]);
}

/* Many updates with flips between them: the last one is what stays. */
TEST_F_TIMEOUT(display, storm_with_flips, LONG_TEST)
{
	struct kms_fb fb[2];

	NEED_HOST();
	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 1, &fb[0]));
	ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, 2, &fb[1]));
	for (int i = 0; i < 200; i++) {
		if (i % 10 == 0) {
			ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb,
					      DRM_MODE_PAGE_FLIP_EVENT |
					      DRM_MODE_ATOMIC_NONBLOCK, i));
		}
		ASSERT_EQ(0, set_legacy(self, &fb[i % 2], i % 64, 0));
		ASSERT_EQ(0, move(self, i, i));
		if (i % 10 == 9) {
			ASSERT_EQ(0, kms_wait_flip(&self->k));
		}
	}
	EXPECT_TRUE(viewer_has(self->o->head, SIZE, SIZE, 2, 199 % 64, 0));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	kms_fb_destroy(&fb[0]);
	kms_fb_destroy(&fb[1]);
}

/* The sprite may go while it is being changed: no stale resource is used. */
TEST_F_TIMEOUT(display, show_hide_storm, LONG_TEST)
{
	NEED_HOST();
	for (int i = 0; i < 50; i++) {
		struct kms_fb fb;

		ASSERT_EQ(0, make_cursor(&self->k, SIZE, SIZE, i, &fb));
		ASSERT_EQ(0, set_legacy(self, &fb, 0, 0));
		if (i % 2) {
			ASSERT_EQ(0, set_legacy(self, NULL, 0, 0));
		}
		kms_fb_destroy(&fb);
	}
	ASSERT_EQ(0, set_legacy(self, NULL, 0, 0));
	EXPECT_TRUE(viewer_hidden(self->o->head));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
}

TEST_HARNESS_MAIN
