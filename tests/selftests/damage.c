// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Damage: only what FB_DAMAGE_CLIPS or DIRTYFB names goes to the host, each
 * rectangle by itself, with one flush a commit; the rest of the host's screen
 * keeps its old pixels.
 */
#include "display.h"

#include <errno.h>
#include <limits.h>

#define TRANSFER	"cmd_res_xfer_toh_2d"
#define FLUSH		"cmd_res_flush"

static int commit_clips(struct kms *k, const struct kms_output *o,
			const struct kms_fb *fb,
			const struct drm_mode_rect *clips, unsigned int n)
{
	struct kms_req r;
	uint32_t blob;
	int ret;

	ret = drmModeCreatePropertyBlob(k->fd, clips, n * sizeof(*clips),
					&blob);
	if (ret)
		return ret;

	kms_req_init(&r, k);
	kms_req_add(&r, o->primary, "FB_ID", fb->id);
	kms_req_add(&r, o->primary, "FB_DAMAGE_CLIPS", blob);
	ret = kms_req_commit(&r, 0, 0);
	drmModeDestroyPropertyBlob(k->fd, blob);
	return ret;
}

/* Is there one flush since the mark, of exactly this rectangle? */
static bool flushed(int x, int y, int w, int h)
{
	char want[64], *lines = NULL;
	bool ok;

	snprintf(want, sizeof(want), "w %d, h %d, x %d, y %d", w, h, x, y);
	ok = host_trace(FLUSH, &lines) == 1 && strstr(lines, want);
	if (!ok)
		fprintf(stderr, "# want a flush of %s; trace: %s\n", want,
			lines);
	free(lines);
	return ok;
}

/* Draws a new picture of which only the clips may show. */
static void check_clips(struct __test_metadata *_metadata,
			FIXTURE_DATA(display) *self,
			const struct drm_mode_rect *clips, unsigned int n)
{
	struct picture want;

	ASSERT_EQ(0, picture_of_fb(&want, &self->fb));
	ASSERT_EQ(0, host_diff(self->o->head, &want));
	kms_fb_draw(&self->fb, 7);
	for (unsigned int i = 0; i < n; i++)
		picture_blit(&want, &self->fb, clips[i].x1, clips[i].y1,
			     clips[i].x2 - clips[i].x1,
			     clips[i].y2 - clips[i].y1);

	ASSERT_EQ(0, host_mark());
	EXPECT_EQ(0, commit_clips(&self->k, self->o, &self->fb, clips, n));
	EXPECT_EQ(0, host_diff(self->o->head, &want));
	EXPECT_EQ(n, host_trace(TRANSFER, NULL));
	EXPECT_EQ(1, host_trace(FLUSH, NULL));
	picture_free(&want);
}

TEST_F_TIMEOUT(display, one_clip, LONG_TEST)
{
	struct drm_mode_rect clip = { 100, 60, 333, 211 };

	NEED_HOST();
	check_clips(_metadata, self, &clip, 1);
	EXPECT_TRUE(flushed(100, 60, 233, 151));
}

TEST_F_TIMEOUT(display, one_pixel, LONG_TEST)
{
	struct drm_mode_rect clip = { 37, 41, 38, 42 };

	NEED_HOST();
	check_clips(_metadata, self, &clip, 1);
	EXPECT_TRUE(flushed(37, 41, 1, 1));
}

TEST_F_TIMEOUT(display, several_clips, LONG_TEST)
{
	int w = self->fb.width, h = self->fb.height;
	struct drm_mode_rect clips[] = {
		{ 0, 0, 16, 16 },
		{ w - 16, 0, w, 16 },
		{ 0, h - 16, 16, h },
		{ w - 16, h - 16, w, h },
		{ w / 2, h / 2, w / 2 + 31, h / 2 + 17 },
	};

	NEED_HOST();
	check_clips(_metadata, self, clips, ARRAY_SIZE(clips));
	EXPECT_TRUE(flushed(0, 0, w, h));
}

/* Clips must lie inside the framebuffer: else nothing of the commit is done. */
static void check_refused(struct __test_metadata *_metadata,
			  FIXTURE_DATA(display) *self,
			  struct drm_mode_rect clip)
{
	struct drm_mode_rect clips[] = { { 0, 0, 16, 16 }, clip };

	EXPECT_EQ(-EINVAL, commit_clips(&self->k, self->o, &self->fb, clips, 2))
		TH_LOG("clip %d,%d-%d,%d", clip.x1, clip.y1, clip.x2, clip.y2);
}

TEST_F_TIMEOUT(display, bad_clips_are_refused, LONG_TEST)
{
	struct drm_mode_rect bad[] = {
		{ -1, 0, 10, 10 },
		{ 0, -1, 10, 10 },
		{ 10, 10, 10, 20 },
		{ 10, 10, 20, 10 },
		{ 300, 300, 200, 200 },
		{ INT_MIN, INT_MIN, INT_MAX, INT_MAX },
		{ INT_MAX, INT_MAX, INT_MIN, INT_MIN },
	};
	struct picture want;

	NEED_HOST();
	ASSERT_EQ(0, picture_of_fb(&want, &self->fb));
	kms_fb_draw(&self->fb, 7);
	ASSERT_EQ(0, host_mark());
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check_refused(_metadata, self, bad[i]);
	EXPECT_EQ(0, host_trace(TRANSFER "|" FLUSH, NULL));
	EXPECT_EQ(0, host_diff(self->o->head, &want));
	picture_free(&want);
}

/* Kernels let clips run over the right and lower edge: cut there. */
TEST_F_TIMEOUT(display, clips_over_the_edge, LONG_TEST)
{
	int w = self->fb.width, h = self->fb.height;
	struct drm_mode_rect clips[] = {
		{ w - 20, h - 20, w + 5000, h + 5000 },
		{ w, 0, w + 10, 10 },
		{ 0, h + 100, 10, h + 110 },
	};
	struct picture want;
	int ret;

	NEED_HOST();
	ASSERT_EQ(0, picture_of_fb(&want, &self->fb));
	kms_fb_draw(&self->fb, 7);
	ASSERT_EQ(0, host_mark());
	ret = commit_clips(&self->k, self->o, &self->fb, clips,
			   ARRAY_SIZE(clips));
	if (ret == -EINVAL)
		SKIP(return, "this kernel refuses clips over the edge");
	ASSERT_EQ(0, ret);
	picture_blit(&want, &self->fb, w - 20, h - 20, 20, 20);
	EXPECT_EQ(0, host_diff(self->o->head, &want));
	EXPECT_EQ(1, host_trace(TRANSFER, NULL));
	EXPECT_TRUE(flushed(w - 20, h - 20, 20, 20));
	picture_free(&want);
}

/* One other framebuffer shown must not spoil damage for ever. */
TEST_F_TIMEOUT(display, clips_count_again_after_a_flip, LONG_TEST)
{
	struct drm_mode_rect clip = { 100, 60, 333, 211 };
	struct kms_fb other;

	NEED_HOST();
	ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width, self->fb.height,
				   DRM_FORMAT_XRGB8888, &other));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &other, 0, 0));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	check_clips(_metadata, self, &clip, 1);
	EXPECT_TRUE(flushed(100, 60, 233, 151));
	kms_fb_destroy(&other);
}

/* A commit without clips shows all of the framebuffer. */
TEST_F_TIMEOUT(display, no_clips, LONG_TEST)
{
	NEED_HOST();
	kms_fb_draw(&self->fb, 5);
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	EXPECT_EQ(1, host_trace(FLUSH, NULL));
}

/* Clips say what changed on the screen, not what is old in another buffer. */
TEST_F_TIMEOUT(display, clips_with_another_framebuffer, LONG_TEST)
{
	struct drm_mode_rect clip = { 8, 8, 72, 40 };
	struct kms_fb other;

	NEED_HOST();
	ASSERT_EQ(0, kms_fb_create(&self->k, self->fb.width, self->fb.height,
				   DRM_FORMAT_XRGB8888, &other));
	kms_fb_draw(&other, 9);
	ASSERT_EQ(0, commit_clips(&self->k, self->o, &other, &clip, 1));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &other));

	/* and back, after this one changed where no clip says so */
	kms_fb_draw(&self->fb, 11);
	ASSERT_EQ(0, commit_clips(&self->k, self->o, &self->fb, &clip, 1));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	kms_fb_destroy(&other);
}

/* Damage of a part that is not on screen must not be lost for later. */
TEST_F_TIMEOUT(display, panning_a_big_framebuffer, LONG_TEST)
{
	uint32_t w = self->o->mode.hdisplay, h = self->o->mode.vdisplay;
	struct drm_mode_rect hidden, shown = { 70, 40, 134, 72 };
	struct picture want;
	struct kms_fb big;
	struct kms_req r;

	NEED_HOST();
	hidden = (struct drm_mode_rect){ w, h, w + 64, h + 32 };
	ASSERT_EQ(0, kms_fb_create(&self->k, w + 64, h + 32,
				   DRM_FORMAT_XRGB8888, &big));
	kms_fb_draw(&big, 1);
	ASSERT_EQ(0, kms_show(&self->k, self->o, &big));
	ASSERT_EQ(0, picture_crop(&want, &big, 0, 0, w, h));
	EXPECT_EQ(0, host_diff(self->o->head, &want));

	kms_fb_draw(&big, 2);
	ASSERT_EQ(0, commit_clips(&self->k, self->o, &big, &hidden, 1));
	EXPECT_EQ(0, host_diff(self->o->head, &want));
	picture_free(&want);

	kms_req_init(&r, &self->k);
	kms_req_add(&r, self->o->primary, "SRC_X", 64 << 16);
	kms_req_add(&r, self->o->primary, "SRC_Y", 32 << 16);
	ASSERT_EQ(0, kms_req_commit(&r, 0, 0));
	ASSERT_EQ(0, picture_crop(&want, &big, 64, 32, w, h));
	EXPECT_EQ(0, host_diff(self->o->head, &want));

	/* now clips count from the framebuffer's corner, not the screen's */
	kms_fb_draw(&big, 3);
	ASSERT_EQ(0, commit_clips(&self->k, self->o, &big, &shown, 1));
	for (int y = shown.y1; y < shown.y2; y++)
		for (int x = shown.x1; x < shown.x2; x++)
			want.rgb[(y - 32) * w + x - 64] =
				kms_fb_get(&big, x, y);
	EXPECT_EQ(0, host_diff(self->o->head, &want));
	picture_free(&want);
	kms_fb_destroy(&big);
}

/* --- DIRTYFB --- */

TEST_F_TIMEOUT(display, dirtyfb_clips, LONG_TEST)
{
	drmModeClip clips[] = {
		{ 0, 0, 16, 16 },
		{ 200, 100, 264, 132 },
	};
	struct picture want;

	NEED_HOST();
	ASSERT_EQ(0, picture_of_fb(&want, &self->fb));
	kms_fb_draw(&self->fb, 4);
	picture_blit(&want, &self->fb, 0, 0, 16, 16);
	picture_blit(&want, &self->fb, 200, 100, 64, 32);
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, drmModeDirtyFB(self->k.fd, self->fb.id, clips,
				    ARRAY_SIZE(clips)));
	EXPECT_EQ(0, host_diff(self->o->head, &want));
	EXPECT_EQ(2, host_trace(TRANSFER, NULL));
	EXPECT_EQ(1, host_trace(FLUSH, NULL));
	picture_free(&want);
}

TEST_F_TIMEOUT(display, dirtyfb_all, LONG_TEST)
{
	NEED_HOST();
	kms_fb_draw(&self->fb, 4);
	ASSERT_EQ(0, drmModeDirtyFB(self->k.fd, self->fb.id, NULL, 0));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
}

TEST_F_TIMEOUT(display, dirtyfb_beyond_the_edges, LONG_TEST)
{
	drmModeClip clip = { 10, 10, 65535, 65535 };
	struct picture want;

	NEED_HOST();
	ASSERT_EQ(0, picture_of_fb(&want, &self->fb));
	kms_fb_draw(&self->fb, 4);
	picture_blit(&want, &self->fb, 10, 10, self->fb.width - 10,
		     self->fb.height - 10);
	ASSERT_EQ(0, drmModeDirtyFB(self->k.fd, self->fb.id, &clip, 1));
	EXPECT_EQ(0, host_diff(self->o->head, &want));
	picture_free(&want);
}

/* A framebuffer that nothing shows has nobody to tell. */
TEST_F_TIMEOUT(display, dirtyfb_not_shown, LONG_TEST)
{
	drmModeClip clip = { 0, 0, 64, 64 };
	struct kms_fb other;

	NEED_HOST();
	ASSERT_EQ(0, kms_fb_create(&self->k, 640, 480, DRM_FORMAT_XRGB8888,
				   &other));
	kms_fb_draw(&other, 4);
	ASSERT_EQ(0, host_mark());
	EXPECT_EQ(0, drmModeDirtyFB(self->k.fd, other.id, &clip, 1));
	EXPECT_EQ(0, host_trace(TRANSFER "|" FLUSH, NULL));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	kms_fb_destroy(&other);
}

TEST_HARNESS_MAIN
