// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What the host says of its outputs: sizes, EDIDs, and the modes made of them.
 */
#include <drm/drm_edid.h>
#include <drm/drm_modes.h>

#include "host.h"

/* ---- display info ------------------------------------------------------- */

static struct virtio_gpu_display_one one(u32 enabled, u32 x, u32 y, u32 w, u32 h)
{
	return (struct virtio_gpu_display_one) {
		.r = { cpu_to_le32(x), cpu_to_le32(y), cpu_to_le32(w), cpu_to_le32(h) },
		.enabled = cpu_to_le32(enabled),
	};
}

/* Whether the driver takes it for news, and what it is then */
static void expect_info(struct kunit *test, struct virtgpu_output *output,
			struct virtio_gpu_display_one said, bool changed, bool enabled,
			const struct drm_rect *rect)
{
	KUNIT_EXPECT_EQ(test, virtgpu_output_set_info(output, &said), changed);
	KUNIT_EXPECT_EQ(test, output->info.enabled, enabled);
	KUNIT_EXPECT_TRUE_MSG(test, drm_rect_equals(&output->info.rect, rect), DRM_RECT_FMT,
			      DRM_RECT_ARG(&output->info.rect));
}

static struct virtgpu_output *new_output(struct kunit *test)
{
	struct virtgpu_output *output = kunit_kzalloc(test, sizeof(*output), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, output);
	return output;
}

static void info_changes(struct kunit *test)
{
	static const struct drm_rect a = DRM_RECT_INIT(0, 0, 1280, 800);
	static const struct drm_rect b = DRM_RECT_INIT(5, 0, 1280, 800);
	static const struct drm_rect c = DRM_RECT_INIT(5, 6, 1280, 801);
	struct virtgpu_output *output = new_output(test);

	expect_info(test, output, one(1, 0, 0, 1280, 800), true, true, &a);
	expect_info(test, output, one(1, 0, 0, 1280, 800), false, true, &a);
	expect_info(test, output, one(2, 0, 0, 1280, 800), false, true, &a);
	expect_info(test, output, one(1, 5, 0, 1280, 800), true, true, &b);
	expect_info(test, output, one(1, 5, 6, 1280, 801), true, true, &c);
	expect_info(test, output, one(0, 5, 6, 1280, 801), true, false, &c);
	expect_info(test, output, one(0, 5, 6, 1280, 801), false, false, &c);
}

/* An output without a size shows nothing, and none is larger than a mode can be. */
static void info_odd(struct kunit *test)
{
	static const struct drm_rect flat = DRM_RECT_INIT(0, 0, 1280, 0);
	static const struct drm_rect thin = DRM_RECT_INIT(0, 0, 0, 800);
	static const struct drm_rect most = DRM_RECT_INIT(0, 0, 16384, 16384);
	static const struct drm_rect far = {
		INT_MAX - 16384, INT_MAX - 16384, INT_MAX, INT_MAX,
	};
	struct virtgpu_output *output = new_output(test);

	expect_info(test, output, one(1, 0, 0, 1280, 0), true, false, &flat);
	expect_info(test, output, one(1, 0, 0, 0, 800), true, false, &thin);
	expect_info(test, output, one(1, 0, 0, 16385, 0x80000000), true, true, &most);
	expect_info(test, output, one(1, U32_MAX, 0x80000000, U32_MAX, U32_MAX), true, true,
		    &far);
}

/* ---- EDID --------------------------------------------------------------- */

static void set_checksum(u8 *block)
{
	u8 sum = 0;
	unsigned int i;

	for (i = 0; i < EDID_LENGTH - 1; i++)
		sum += block[i];
	block[EDID_LENGTH - 1] = -sum;
}

/* A base block, and a CTA-861 one for each extension; the rest is 0. */
static struct virtio_gpu_resp_edid *new_edid(struct kunit *test, u32 size,
					     unsigned int extensions)
{
	static const u8 header[] = { 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0 };
	struct virtio_gpu_resp_edid *resp = kunit_kzalloc(test, sizeof(*resp), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, resp);
	resp->size = cpu_to_le32(size);
	memcpy(resp->edid, header, sizeof(header));
	resp->edid[18] = 1;		/* version 1.4 */
	resp->edid[19] = 4;
	resp->edid[126] = extensions;
	set_checksum(resp->edid);
	for (i = 1; i <= extensions && i < 8; i++) {
		resp->edid[i * EDID_LENGTH] = 2;
		resp->edid[i * EDID_LENGTH + 1] = 3;
		set_checksum(resp->edid + i * EDID_LENGTH);
	}
	return resp;
}

static const struct drm_edid *parse(struct kunit *test, const struct virtio_gpu_resp_edid *resp)
{
	struct host *host = test->priv;

	return virtgpu_parse_edid(host->vgdev, resp);
}

static void expect_edid(struct kunit *test, const struct virtio_gpu_resp_edid *resp,
			unsigned int extensions)
{
	const struct drm_edid *edid = parse(test, resp);
	const struct edid *raw = drm_edid_raw(edid);

	KUNIT_ASSERT_NOT_NULL(test, edid);
	KUNIT_ASSERT_NOT_NULL(test, raw);
	KUNIT_EXPECT_EQ(test, raw->extensions, extensions);
	KUNIT_EXPECT_MEMEQ(test, raw, resp->edid, EDID_LENGTH * (1 + extensions));
	drm_edid_free(edid);
}

static void edid_sizes(struct kunit *test)
{
	unsigned int i;

	expect_edid(test, new_edid(test, 128, 0), 0);
	/* Hosts give the size of their buffer. */
	expect_edid(test, new_edid(test, 1024, 0), 0);
	expect_edid(test, new_edid(test, 200, 0), 0);
	for (i = 1; i < 8; i++) {
		expect_edid(test, new_edid(test, 1024, i), i);
		expect_edid(test, new_edid(test, 128 * (i + 1), i), i);
		KUNIT_EXPECT_NULL(test, parse(test, new_edid(test, 128 * i, i)));
		KUNIT_EXPECT_NULL(test, parse(test, new_edid(test, 128 * (i + 1) - 1, i)));
	}
	/* There is no room for so many blocks. */
	KUNIT_EXPECT_NULL(test, parse(test, new_edid(test, 1024, 8)));
	KUNIT_EXPECT_NULL(test, parse(test, new_edid(test, 1024, 255)));

	KUNIT_EXPECT_NULL(test, parse(test, new_edid(test, 0, 0)));
	KUNIT_EXPECT_NULL(test, parse(test, new_edid(test, 127, 0)));
	KUNIT_EXPECT_NULL(test, parse(test, new_edid(test, 1025, 0)));
	KUNIT_EXPECT_NULL(test, parse(test, new_edid(test, U32_MAX, 0)));
}

/*
 * The base block claims eight extensions, the first of them, by the override of
 * HDMI 2.1, that there is one: DRM takes the word of either.
 */
static void edid_override(struct kunit *test)
{
	struct virtio_gpu_resp_edid *resp = new_edid(test, 256, 8);
	u8 *cta = resp->edid + EDID_LENGTH;

	cta[2] = 7;		/* where the data blocks end */
	cta[4] = 7 << 5 | 2;	/* an extended one of two bytes */
	cta[5] = 0x78;		/* HF-EEODB */
	cta[6] = 1;
	set_checksum(cta);
	KUNIT_EXPECT_NULL(test, parse(test, resp));
}

static void edid_invalid(struct kunit *test)
{
	struct virtio_gpu_resp_edid *resp = new_edid(test, 256, 1);

	resp->edid[20]++;
	KUNIT_EXPECT_NULL(test, parse(test, resp));
	set_checksum(resp->edid);
	expect_edid(test, resp, 1);
	/* An extension that DRM does not take with a wrong sum: VTB-EXT */
	resp->edid[EDID_LENGTH] = 0x10;
	set_checksum(resp->edid + EDID_LENGTH);
	expect_edid(test, resp, 1);
	resp->edid[EDID_LENGTH + 20]++;
	KUNIT_EXPECT_NULL(test, parse(test, resp));

	memset(resp->edid, 0, sizeof(resp->edid));
	KUNIT_EXPECT_NULL(test, parse(test, resp));
	memset(resp->edid, 0xff, sizeof(resp->edid));
	KUNIT_EXPECT_NULL(test, parse(test, resp));
}

static void edid_equal(struct kunit *test)
{
	struct virtio_gpu_resp_edid *resp = new_edid(test, 256, 1);
	const struct drm_edid *a = parse(test, resp), *b = parse(test, resp), *c, *d;

	/* Bytes 12 to 15 are a serial number. */
	resp->edid[12]++;
	set_checksum(resp->edid);
	c = parse(test, resp);
	resp->edid[12]--;
	set_checksum(resp->edid);
	resp->edid[EDID_LENGTH + 100]++;
	set_checksum(resp->edid + EDID_LENGTH);
	d = parse(test, resp);

	KUNIT_EXPECT_TRUE(test, virtgpu_edid_equal(NULL, NULL));
	KUNIT_EXPECT_TRUE(test, virtgpu_edid_equal(a, a));
	KUNIT_EXPECT_TRUE(test, virtgpu_edid_equal(a, b));
	KUNIT_EXPECT_FALSE(test, virtgpu_edid_equal(a, NULL));
	KUNIT_EXPECT_FALSE(test, virtgpu_edid_equal(NULL, a));
	KUNIT_EXPECT_FALSE(test, virtgpu_edid_equal(a, c));
	KUNIT_EXPECT_FALSE(test, virtgpu_edid_equal(a, d));
	drm_edid_free(a);
	drm_edid_free(b);
	drm_edid_free(c);
	drm_edid_free(d);
}

/* ---- modes -------------------------------------------------------------- */

static void mode_valid(struct kunit *test)
{
	static const struct {
		int clock;
		u16 htotal;
		u16 vtotal;
		u16 vscan;
		u32 flags;
		enum drm_mode_status status;
	} rows[] = {
		{ 148500, 2200, 1125, 0, 0, MODE_OK },
		{ 148500, 2200, 1125, 1, 0, MODE_OK },
		{ 148500, 2200, 1125, 2, 0, MODE_NO_VSCAN },
		{ 148500, 2200, 1125, 0, DRM_MODE_FLAG_INTERLACE, MODE_NO_INTERLACE },
		{ 148500, 2200, 1125, 0, DRM_MODE_FLAG_DBLSCAN, MODE_NO_DBLESCAN },
		{ 148500, 2200, 1125, 0, DRM_MODE_FLAG_PHSYNC, MODE_OK },
		{ 0, 2200, 1125, 0, 0, MODE_CLOCK_LOW },
		{ -1, 2200, 1125, 0, 0, MODE_CLOCK_LOW },
		/* a frame of 50 us, and one a little shorter */
		{ 2000, 10, 10, 0, 0, MODE_OK },
		{ 2001, 10, 10, 0, 0, MODE_CLOCK_HIGH },
		{ INT_MAX, 2200, 1125, 0, 0, MODE_CLOCK_HIGH },
		/* a frame of 1 s, and one a little longer */
		{ 1000, 1000, 1000, 0, 0, MODE_OK },
		{ 1000, 1000, 1001, 0, 0, MODE_CLOCK_LOW },
		/* as many pixels as the core can count, and more */
		{ 2147483, 46340, 46340, 0, 0, MODE_OK },
		{ 2147483, 46341, 46341, 0, 0, MODE_BAD },
		{ 1, U16_MAX, U16_MAX, 0, 0, MODE_BAD },
		{ INT_MAX, U16_MAX, U16_MAX, 0, 0, MODE_BAD },
		{ 1000, 0, 0, 0, 0, MODE_CLOCK_HIGH },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct drm_display_mode mode = {
			.hdisplay = 640, .vdisplay = 480,
			.clock = rows[i].clock, .htotal = rows[i].htotal,
			.vtotal = rows[i].vtotal, .vscan = rows[i].vscan,
			.flags = rows[i].flags,
		};

		KUNIT_EXPECT_EQ_MSG(test, virtgpu_crtc_mode_valid(NULL, &mode), rows[i].status,
				    "row %u", i);
	}
}

static void mode_size(struct kunit *test)
{
	static const struct {
		u16 width;
		u16 height;
		enum drm_mode_status status;
	} rows[] = {
		{ 16, 16, MODE_OK },
		{ 15, 16, MODE_H_ILLEGAL },
		{ 16, 15, MODE_V_ILLEGAL },
		{ 0, 0, MODE_H_ILLEGAL },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct drm_display_mode mode = {
			.hdisplay = rows[i].width, .vdisplay = rows[i].height,
			.clock = 148500, .htotal = 2200, .vtotal = 1125,
		};

		KUNIT_EXPECT_EQ_MSG(test, virtgpu_crtc_mode_valid(NULL, &mode), rows[i].status,
				    "row %u", i);
	}
}

/* The one mode that is preferred, or NULL when it is not exactly one */
static const struct drm_display_mode *preferred(struct drm_connector *connector)
{
	const struct drm_display_mode *mode, *found = NULL;

	list_for_each_entry(mode, &connector->probed_modes, head) {
		if (!(mode->type & DRM_MODE_TYPE_PREFERRED))
			continue;
		if (found)
			return NULL;
		found = mode;
	}
	return found;
}

static void expect_preferred(struct kunit *test, struct drm_connector *connector,
			     int width, int height, int added)
{
	const struct drm_display_mode *mode;
	size_t before = list_count_nodes(&connector->probed_modes);

	KUNIT_EXPECT_EQ(test, virtgpu_add_preferred_mode(connector, width, height), added);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&connector->probed_modes), before + added);
	mode = preferred(connector);
	KUNIT_ASSERT_NOT_NULL(test, mode);
	KUNIT_EXPECT_EQ(test, mode->hdisplay, width);
	KUNIT_EXPECT_EQ(test, mode->vdisplay, height);
	KUNIT_EXPECT_EQ(test, virtgpu_crtc_mode_valid(NULL, mode), MODE_OK);
}

static void mode_preferred(struct kunit *test)
{
	static const u16 sizes[][2] = {
		{ 640, 480 }, { 1366, 768 }, { 16, 16 }, { 16384, 16384 }, { 1281, 801 },
	};
	struct host *host = test->priv;
	struct drm_connector *connector = &host->vgdev->outputs[0].connector;
	struct drm_display_mode *mode, *next;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, virtgpu_display_init(host->vgdev), 0);
	mutex_lock(&host->vgdev->drm.mode_config.mutex);
	for (i = 0; i < 2; i++) {
		mode = drm_cvt_mode(&host->vgdev->drm, 1024 + i * 256, 768, 60, false, false,
				    false);
		KUNIT_ASSERT_NOT_NULL(test, mode);
		mode->type |= DRM_MODE_TYPE_PREFERRED;
		drm_mode_probed_add(connector, mode);
	}
	/* One of those that are there already, unless its timings are nonsense; others */
	expect_preferred(test, connector, 1280, 768, 0);
	list_last_entry(&connector->probed_modes, struct drm_display_mode, head)->clock = 0;
	expect_preferred(test, connector, 1280, 768, 1);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		expect_preferred(test, connector, sizes[i][0], sizes[i][1], 1);
	list_for_each_entry_safe(mode, next, &connector->probed_modes, head) {
		list_del(&mode->head);
		drm_mode_destroy(&host->vgdev->drm, mode);
	}
	mutex_unlock(&host->vgdev->drm.mode_config.mutex);
}

/* ---- all of it ---------------------------------------------------------- */

/* A host with an EDID for the first output, and how often it was asked. */
struct display {
	struct virtio_gpu_resp_display_info info;
	struct virtio_gpu_resp_edid *edid;
	unsigned int infos;
	unsigned int edids[VIRTIO_GPU_MAX_SCANOUTS];
};

static void serve(struct host *host, struct host_request *req)
{
	struct display *display = host->data;

	switch (host_word(req, 0)) {
	case 0x100:		/* GET_DISPLAY_INFO */
		display->infos++;
		memcpy(req->answer, &display->info, sizeof(display->info));
		host_complete(host, req, sizeof(display->info));
		break;
	case 0x10a:		/* GET_EDID */
		display->edids[host_word(req, 6) % VIRTIO_GPU_MAX_SCANOUTS]++;
		memcpy(req->answer, display->edid, sizeof(*display->edid));
		host_complete(host, req, sizeof(*display->edid));
		break;
	default:
		host_answer(host, req, 0x1200);
		break;
	}
}

static void display_refresh(struct kunit *test)
{
	struct display *display = kunit_kzalloc(test, sizeof(*display), GFP_KERNEL);
	struct virtgpu_device *vgdev;
	struct host *host;

	host_free(test->priv);
	KUNIT_ASSERT_NOT_NULL(test, display);
	host = host_alloc(test, BIT_ULL(VIRTIO_GPU_F_EDID));
	host->config.num_scanouts = cpu_to_le32(3);
	host->serve = serve;
	host->data = display;
	display->info.hdr.type = cpu_to_le32(0x1101);
	display->info.pmodes[0] = one(1, 0, 0, 800, 600);
	display->info.pmodes[2] = one(1, 800, 0, 640, 480);
	display->edid = new_edid(test, 1024, 1);
	display->edid->hdr.type = cpu_to_le32(0x1104);
	host_make_device(host);
	vgdev = host->vgdev;
	KUNIT_ASSERT_EQ(test, virtgpu_display_init(vgdev), 0);
	host_start(host);

	KUNIT_EXPECT_TRUE(test, virtgpu_display_refresh(vgdev));
	KUNIT_EXPECT_EQ(test, display->infos, 1);
	KUNIT_EXPECT_TRUE(test, vgdev->outputs[0].info.enabled);
	KUNIT_EXPECT_FALSE(test, vgdev->outputs[1].info.enabled);
	KUNIT_EXPECT_EQ(test, vgdev->outputs[2].info.rect.x1, 800);
	KUNIT_EXPECT_NOT_NULL(test, vgdev->outputs[0].edid);
	KUNIT_EXPECT_NULL(test, vgdev->outputs[1].edid);
	/* Where nothing is shown there is no monitor to ask for. */
	KUNIT_EXPECT_EQ(test, display->edids[0], 1);
	KUNIT_EXPECT_EQ(test, display->edids[1], 0);
	KUNIT_EXPECT_EQ(test, display->edids[2], 1);

	KUNIT_EXPECT_FALSE(test, virtgpu_display_refresh(vgdev));
	/* Another monitor, of the same size */
	display->edid->edid[12]++;
	set_checksum(display->edid->edid);
	KUNIT_EXPECT_TRUE(test, virtgpu_display_refresh(vgdev));
	KUNIT_EXPECT_FALSE(test, virtgpu_display_refresh(vgdev));
	/* One that tells nonsense is as good as none. */
	display->edid->edid[12]++;
	KUNIT_EXPECT_TRUE(test, virtgpu_display_refresh(vgdev));
	KUNIT_EXPECT_NULL(test, vgdev->outputs[0].edid);
}

static struct kunit_case display_cases[] = {
	KUNIT_CASE(info_changes),
	KUNIT_CASE(info_odd),
	KUNIT_CASE(edid_sizes),
	KUNIT_CASE(edid_override),
	KUNIT_CASE(edid_invalid),
	KUNIT_CASE(edid_equal),
	KUNIT_CASE(mode_valid),
	KUNIT_CASE(mode_size),
	KUNIT_CASE(mode_preferred),
	KUNIT_CASE(display_refresh),
	{}
};

static struct kunit_suite display_suite = {
	.name = "virtgpu_display",
	.init = host_init,
	.exit = host_exit,
	.test_cases = display_cases,
};

kunit_test_suite(display_suite);
