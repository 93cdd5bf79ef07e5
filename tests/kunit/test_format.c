// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The format table: the bytes that a program writes are those that the host
 * shows.
 */
#include <linux/iosys-map.h>

#include <kunit/test.h>

#include <drm/drm_fourcc.h>

#include "virtgpu_kunit.h"

/* DRM names the bits of a little-endian word, the highest first. */
static const struct {
	u32 fourcc;
	const char *word;
} formats[] = {
	{ DRM_FORMAT_XRGB8888, "XRGB" },
	{ DRM_FORMAT_ARGB8888, "ARGB" },
	{ DRM_FORMAT_XBGR8888, "XBGR" },
	{ DRM_FORMAT_ABGR8888, "ABGR" },
	{ DRM_FORMAT_RGBX8888, "RGBX" },
	{ DRM_FORMAT_RGBA8888, "RGBA" },
	{ DRM_FORMAT_BGRX8888, "BGRX" },
	{ DRM_FORMAT_BGRA8888, "BGRA" },
};

/* 5.7.6.8 of the specification: the bytes in memory, from the lowest address on. */
static const struct {
	u32 format;
	const char *bytes;
} resources[] = {
	{ 1, "BGRA" },
	{ 2, "BGRX" },
	{ 3, "ARGB" },
	{ 4, "XRGB" },
	{ 67, "RGBA" },
	{ 68, "XBGR" },
	{ 121, "ABGR" },
	{ 134, "RGBX" },
};

static const char *resource_bytes(u32 format)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(resources); i++)
		if (resources[i].format == format)
			return resources[i].bytes;
	return "none";
}

static void format_bytes(struct kunit *test)
{
	const struct virtgpu_format *format;
	unsigned int i, n;
	char bytes[5] = "";

	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		format = virtgpu_format_lookup(formats[i].fourcc);
		KUNIT_ASSERT_NOT_NULL_MSG(test, format, "%s", formats[i].word);
		KUNIT_EXPECT_EQ(test, format->fourcc, formats[i].fourcc);
		KUNIT_EXPECT_EQ(test, format->cpp, 4);
		KUNIT_EXPECT_FALSE(test, format->convert);
		/* The alpha of a primary plane means nothing. */
		for (n = 0; n < 4; n++) {
			char c = formats[i].word[3 - n];

			bytes[n] = c == 'A' ? 'X' : c;
		}
		KUNIT_EXPECT_STREQ(test, resource_bytes(format->resource), bytes);
	}
}

static void format_converted(struct kunit *test)
{
	const struct virtgpu_format *format = virtgpu_format_lookup(DRM_FORMAT_RGB565);

	KUNIT_ASSERT_NOT_NULL(test, format);
	KUNIT_EXPECT_EQ(test, format->cpp, 2);
	KUNIT_EXPECT_TRUE(test, format->convert);
	KUNIT_EXPECT_STREQ(test, resource_bytes(format->resource), "BGRX");
}

/* What a plane offers is what a framebuffer can be made of, each once. */
static void format_offered(struct kunit *test)
{
	const struct virtgpu_format *format;
	unsigned int i, j;

	KUNIT_EXPECT_EQ(test, virtgpu_num_primary_formats, ARRAY_SIZE(formats) + 1);
	for (i = 0; i < virtgpu_num_primary_formats; i++) {
		format = virtgpu_format_lookup(virtgpu_primary_formats[i]);
		KUNIT_ASSERT_NOT_NULL(test, format);
		KUNIT_EXPECT_EQ(test, format->cpp, drm_format_info(format->fourcc)->cpp[0]);
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, virtgpu_primary_formats[i],
					virtgpu_primary_formats[j]);
	}
}

static void format_unknown(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, virtgpu_format_lookup(0));
	KUNIT_EXPECT_NULL(test, virtgpu_format_lookup(DRM_FORMAT_NV12));
	KUNIT_EXPECT_NULL(test, virtgpu_format_lookup(DRM_FORMAT_XRGB2101010));
	KUNIT_EXPECT_NULL(test, virtgpu_format_lookup(DRM_FORMAT_XRGB8888 |
						      DRM_FORMAT_BIG_ENDIAN));
}

#define WIDTH	5
#define HEIGHT	4
#define PITCH	16		/* not that of five pixels */
#define OFFSET	6
#define NOTHING	0xa5a5a5a5

struct shadowed {
	struct virtgpu_framebuffer vgfb;
	struct virtgpu_object shadow;
	u8 src[OFFSET + PITCH * HEIGHT];
	u32 dst[WIDTH * HEIGHT];
};

static struct shadowed *new_shadowed(struct kunit *test)
{
	struct shadowed *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->vgfb.base.width = WIDTH;
	s->vgfb.base.height = HEIGHT;
	s->vgfb.base.pitches[0] = PITCH;
	s->vgfb.base.offsets[0] = OFFSET;
	iosys_map_set_vaddr(&s->vgfb.map, s->src);
	s->shadow.base.vaddr = s->dst;
	s->vgfb.shadow = &s->shadow;
	memset(s->dst, NOTHING & 0xff, sizeof(s->dst));
	return s;
}

static void format_565(struct kunit *test)
{
	static const struct {
		u16 from;
		u32 to;
	} pixels[] = {
		{ 0xffff, 0xffffff }, { 0xf800, 0xff0000 }, { 0x07e0, 0x00ff00 },
		{ 0x001f, 0x0000ff }, { 0x0000, 0x000000 }, { 0x8410, 0x848284 },
		{ 0x0821, 0x080408 },
	};
	static const struct drm_rect rect = DRM_RECT_INIT(1, 2, 1, 1);
	struct shadowed *s = new_shadowed(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pixels); i++) {
		memcpy(s->src + OFFSET + 2 * PITCH + 1 * 2, &pixels[i].from, 2);
		virtgpu_fb_convert(&s->vgfb, &rect);
		KUNIT_EXPECT_EQ_MSG(test, s->dst[2 * WIDTH + 1], pixels[i].to, "0x%04x",
				    pixels[i].from);
	}
}

/* What is outside of the rectangle stays as it is. */
static void format_565_rect(struct kunit *test)
{
	static const struct drm_rect rect = { 1, 1, 4, 3 };
	struct shadowed *s = new_shadowed(test);
	int x, y;

	for (y = 0; y < HEIGHT; y++) {
		for (x = 0; x < WIDTH; x++) {
			u16 blue = y * WIDTH + x;

			memcpy(s->src + OFFSET + y * PITCH + x * 2, &blue, 2);
		}
	}
	virtgpu_fb_convert(&s->vgfb, &rect);
	for (y = 0; y < HEIGHT; y++) {
		for (x = 0; x < WIDTH; x++) {
			u32 blue = y * WIDTH + x;
			bool inside = x >= 1 && x < 4 && y >= 1 && y < 3;

			KUNIT_EXPECT_EQ_MSG(test, s->dst[y * WIDTH + x],
					    inside ? blue << 3 | blue >> 2 : NOTHING,
					    "pixel %d, %d", x, y);
		}
	}
}

static struct kunit_case format_cases[] = {
	KUNIT_CASE(format_bytes),
	KUNIT_CASE(format_converted),
	KUNIT_CASE(format_offered),
	KUNIT_CASE(format_unknown),
	KUNIT_CASE(format_565),
	KUNIT_CASE(format_565_rect),
	{}
};

static struct kunit_suite format_suite = {
	.name = "virtgpu_format",
	.test_cases = format_cases,
};

kunit_test_suite(format_suite);
