// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A new display size at the host: the event, what is known when it comes, and
 * the picture in the new size.
 */
#include "display.h"

#define EVENT_MS	(15000 * slow())

static bool prefers(const drmModeConnector *c, uint32_t w, uint32_t h)
{
	for (int i = 0; i < c->count_modes; i++) {
		if (c->modes[i].type & DRM_MODE_TYPE_PREFERRED)
			return c->modes[i].hdisplay == w &&
			       c->modes[i].vdisplay == h;
	}
	return false;
}

/* The size in the first detailed timing of the connector's EDID. */
static int edid_size(struct kms *k, uint32_t connector, uint32_t *w,
		     uint32_t *h)
{
	drmModePropertyBlobRes *blob;
	const uint8_t *d;
	uint64_t id;
	int ret = kms_prop_get(k, connector, "EDID", &id);

	if (ret)
		return ret;
	blob = drmModeGetPropertyBlob(k->fd, id);
	if (!blob || blob->length < 128) {
		drmModeFreePropertyBlob(blob);
		return -ENODATA;
	}
	d = (const uint8_t *)blob->data + 54;
	*w = d[2] | (d[4] & 0xf0) << 4;
	*h = d[5] | (d[7] & 0xf0) << 4;
	drmModeFreePropertyBlob(blob);
	return 0;
}

/* Asks for a size other than the shown one; waits for the guest's event. */
static void resize(struct __test_metadata *_metadata,
		   FIXTURE_DATA(display) *self, uint32_t w, uint32_t h)
{
	int fd = kms_uevent_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, host_resize(self->o->head, w, h));
	EXPECT_TRUE(kms_uevent_wait(fd, "HOTPLUG=1", EVENT_MS));
	close(fd);
}

TEST_F(display, properties)
{
	uint64_t value = 0;

	EXPECT_EQ(0, kms_prop_get(&self->k, self->o->connector,
				  "hotplug_mode_update", &value));
	EXPECT_EQ(1, value);
	EXPECT_EQ(0, kms_prop_get(&self->k, self->o->connector, "suggested X",
				  &value));
	EXPECT_EQ(0, kms_prop_get(&self->k, self->o->connector, "suggested Y",
				  &value));
}

/*
 * Whoever looks when the event comes sees the new state at the first look:
 * the preferred mode from the display information and the new EDID.
 */
TEST_F_TIMEOUT(display, all_is_known_at_the_event, LONG_TEST)
{
	static const uint32_t sizes[][2] = {
		{ 1000, 700 }, { 640, 480 }, { 1280, 800 },
	};

	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint32_t w = sizes[i][0], h = sizes[i][1], ew = 0, eh = 0;
		drmModeConnector *c;

		resize(_metadata, self, w, h);
		c = drmModeGetConnector(self->k.fd, self->o->connector);
		ASSERT_TRUE(c);
		EXPECT_EQ(DRM_MODE_CONNECTED, c->connection);
		EXPECT_TRUE(prefers(c, w, h)) TH_LOG("size %ux%u", w, h);
		drmModeFreeConnector(c);
		EXPECT_EQ(0, edid_size(&self->k, self->o->connector, &ew, &eh));
		EXPECT_EQ(w, ew);
		EXPECT_EQ(h, eh);
	}
}

TEST_F_TIMEOUT(display, picture_in_the_new_size, LONG_TEST)
{
	/* the last one is the size that the other tests began with */
	static const uint32_t sizes[][2] = {
		{ 1000, 700 }, { 801, 603 }, { 1280, 800 },
	};

	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct kms_fb fb;

		resize(_metadata, self, sizes[i][0], sizes[i][1]);
		ASSERT_EQ(0, kms_scan(&self->k));
		ASSERT_EQ(sizes[i][0], self->o->mode.hdisplay);
		ASSERT_EQ(sizes[i][1], self->o->mode.vdisplay);
		ASSERT_EQ(0, kms_fb_create(&self->k, sizes[i][0], sizes[i][1],
					   DRM_FORMAT_XRGB8888, &fb));
		kms_fb_draw(&fb, 20 + i);
		ASSERT_EQ(0, kms_show(&self->k, self->o, &fb));
		EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
		kms_fb_destroy(&fb);
	}
}

/* The picture that is shown stays until somebody sets another mode. */
TEST_F_TIMEOUT(display, event_changes_no_picture, LONG_TEST)
{
	NEED_HOST();
	resize(_metadata, self, 900, 600);
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	resize(_metadata, self, self->fb.width, self->fb.height);
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
}

/* Flips go on while sizes change. */
TEST_F_TIMEOUT(display, resizes_during_flips, LONG_TEST)
{
	NEED_HOST();
	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, host_resize(self->o->head, 700 + i * 32, 500));
		for (int f = 0; f < 10; f++) {
			ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb,
					      DRM_MODE_ATOMIC_NONBLOCK |
					      DRM_MODE_PAGE_FLIP_EVENT, f));
			ASSERT_EQ(0, kms_wait_flip(&self->k));
		}
	}
	EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	resize(_metadata, self, 1280, 800);
}

TEST_HARNESS_MAIN
