// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Wrong values to each ioctl of DRM that a program may call on the card. Each
 * is refused with the errno that DRM documents; afterwards picture, handles
 * and kernel log are as before.
 */
#include "display.h"

#include <errno.h>
#include <limits.h>
#include <sys/ioctl.h>

#define BAD_POINTER	((void *)8)	/* in the page that nobody can map */
#define BAD_ID		0xdead

/* One ioctl with one argument: EXPECT_IOCTL(errno, ioctl, type, fields ...) */
#define EXPECT_IOCTL(error, request, type, ...) do {			\
	struct type __arg = { __VA_ARGS__ };				\
	int __ret = kms_ioctl(self->k.fd, request, &__arg);		\
									\
	EXPECT_EQ(error, __ret)						\
		TH_LOG("%s", #type);					\
} while (0)

/* Called at the end of each test. */
static void unchanged(struct __test_metadata *_metadata,
		      FIXTURE_DATA(display) *self)
{
	drmModeCrtc *crtc = drmModeGetCrtc(self->k.fd, self->o->crtc);

	ASSERT_TRUE(crtc);
	EXPECT_EQ(self->fb.id, crtc->buffer_id);
	EXPECT_EQ(1, crtc->mode_valid);
	EXPECT_EQ(self->fb.width, crtc->width);
	drmModeFreeCrtc(crtc);
	EXPECT_EQ(self->fb.handle + 1, kms_handles(&self->k));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &self->fb));
	}
}

/* --- by ioctl --- */

TEST_F(display, objects_that_are_not)
{
	struct drm_mode_modeinfo mode;

	memcpy(&mode, &self->o->mode, sizeof(mode));
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_GETCRTC, drm_mode_crtc,
		     .crtc_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_GETCRTC, drm_mode_crtc,
		     .crtc_id = self->o->connector);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_GETCONNECTOR,
		     drm_mode_get_connector, .connector_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_GETENCODER, drm_mode_get_encoder,
		     .encoder_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_GETPLANE, drm_mode_get_plane,
		     .plane_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_GETPROPERTY,
		     drm_mode_get_property, .prop_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_GETPROPBLOB, drm_mode_get_blob,
		     .blob_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_DESTROYPROPBLOB,
		     drm_mode_destroy_blob, .blob_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_OBJ_GETPROPERTIES,
		     drm_mode_obj_get_properties, .obj_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_OBJ_SETPROPERTY,
		     drm_mode_obj_set_property, .obj_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_GETFB, drm_mode_fb_cmd,
		     .fb_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_GETFB2, drm_mode_fb_cmd2,
		     .fb_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_DIRTYFB, drm_mode_fb_dirty_cmd,
		     .fb_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_CURSOR2, drm_mode_cursor2,
		     .flags = DRM_MODE_CURSOR_MOVE, .crtc_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_SETPLANE, drm_mode_set_plane,
		     .plane_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_GETGAMMA, drm_mode_crtc_lut,
		     .crtc_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_CRTC_GET_SEQUENCE,
		     drm_crtc_get_sequence, .crtc_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_GEM_FLINK, drm_gem_flink,
		     .handle = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_GEM_OPEN, drm_gem_open,
		     .name = BAD_ID);
	unchanged(_metadata, self);
}

TEST_F(display, setcrtc)
{
	uint32_t crtc = self->o->crtc, fb = self->fb.id;
	uint32_t connector = self->o->connector, bad = BAD_ID;
	struct drm_mode_modeinfo mode;

	memcpy(&mode, &self->o->mode, sizeof(mode));
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_SETCRTC, drm_mode_crtc,
		     .crtc_id = BAD_ID);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_SETCRTC, drm_mode_crtc,
		     .crtc_id = crtc, .fb_id = BAD_ID, .mode = mode,
		     .mode_valid = 1, .count_connectors = 1,
		     .set_connectors_ptr = (uintptr_t)&connector);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_SETCRTC, drm_mode_crtc,
		     .crtc_id = crtc, .fb_id = fb, .mode = mode,
		     .mode_valid = 1, .count_connectors = 1,
		     .set_connectors_ptr = (uintptr_t)&bad);
	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_MODE_SETCRTC, drm_mode_crtc,
		     .crtc_id = crtc, .fb_id = fb, .mode = mode,
		     .mode_valid = 1, .count_connectors = 1,
		     .set_connectors_ptr = (uintptr_t)BAD_POINTER);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_SETCRTC, drm_mode_crtc,
		     .crtc_id = crtc, .fb_id = fb, .mode = mode,
		     .mode_valid = 1, .count_connectors = UINT_MAX,
		     .set_connectors_ptr = (uintptr_t)&connector);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_SETCRTC, drm_mode_crtc,
		     .crtc_id = crtc, .fb_id = fb, .mode = mode,
		     .mode_valid = 1, .count_connectors = 0);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_SETCRTC, drm_mode_crtc,
		     .crtc_id = crtc, .fb_id = fb, .count_connectors = 1,
		     .set_connectors_ptr = (uintptr_t)&connector);
	EXPECT_IOCTL(-ENOSPC, DRM_IOCTL_MODE_SETCRTC, drm_mode_crtc,
		     .crtc_id = crtc, .fb_id = fb, .mode = mode, .x = 1,
		     .mode_valid = 1, .count_connectors = 1,
		     .set_connectors_ptr = (uintptr_t)&connector);
	EXPECT_IOCTL(-ERANGE, DRM_IOCTL_MODE_SETCRTC, drm_mode_crtc,
		     .crtc_id = crtc, .fb_id = fb, .mode = mode, .x = UINT_MAX,
		     .mode_valid = 1, .count_connectors = 1,
		     .set_connectors_ptr = (uintptr_t)&connector);
	unchanged(_metadata, self);
}

TEST_F(display, atomic)
{
	uint32_t obj = self->o->primary, one = 1, two = 2, bad = BAD_ID;
	uint32_t prop = kms_prop_id(&self->k, obj, "FB_ID");
	uint64_t value = self->fb.id, wrong = BAD_ID;
	uint64_t p_obj = (uintptr_t)&obj, p_one = (uintptr_t)&one;
	uint64_t p_prop = (uintptr_t)&prop, p_value = (uintptr_t)&value;

	EXPECT_IOCTL(0, DRM_IOCTL_MODE_ATOMIC, drm_mode_atomic,
		     .count_objs = 1, .objs_ptr = p_obj,
		     .count_props_ptr = p_one, .props_ptr = p_prop,
		     .prop_values_ptr = p_value);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_ATOMIC, drm_mode_atomic,
		     .flags = 0x80000000);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_ATOMIC, drm_mode_atomic,
		     .reserved = 1);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_ATOMIC, drm_mode_atomic,
		     .count_objs = 1, .objs_ptr = (uintptr_t)&bad,
		     .count_props_ptr = p_one, .props_ptr = p_prop,
		     .prop_values_ptr = p_value);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_ATOMIC, drm_mode_atomic,
		     .count_objs = 1, .objs_ptr = p_obj,
		     .count_props_ptr = p_one, .props_ptr = (uintptr_t)&bad,
		     .prop_values_ptr = p_value);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_ATOMIC, drm_mode_atomic,
		     .count_objs = 1, .objs_ptr = p_obj,
		     .count_props_ptr = p_one, .props_ptr = p_prop,
		     .prop_values_ptr = (uintptr_t)&wrong);
	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_MODE_ATOMIC, drm_mode_atomic,
		     .count_objs = UINT_MAX);
	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_MODE_ATOMIC, drm_mode_atomic,
		     .count_objs = 1, .objs_ptr = p_obj,
		     .count_props_ptr = (uintptr_t)&two,
		     .props_ptr = (uintptr_t)BAD_POINTER,
		     .prop_values_ptr = p_value);
	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_MODE_ATOMIC, drm_mode_atomic,
		     .count_objs = 1, .objs_ptr = p_obj,
		     .count_props_ptr = p_one, .props_ptr = p_prop);
	unchanged(_metadata, self);
}

/* A fence to wait for, before nothing is shown. */
TEST_F(display, fence_without_picture)
{
	const uint32_t planes[] = { self->o->primary, self->o->cursor };
	uint32_t syncobj;
	int fence;

	ASSERT_EQ(0, drmSyncobjCreate(self->k.fd, DRM_SYNCOBJ_CREATE_SIGNALED, &syncobj));
	ASSERT_EQ(0, drmSyncobjExportSyncFile(self->k.fd, syncobj, &fence));
	for (size_t i = 0; i < ARRAY_SIZE(planes); i++) {
		struct kms_req r;

		kms_req_init(&r, &self->k);
		kms_req_plane(&r, planes[i], 0, NULL, 0, 0, 0, 0);
		kms_req_add(&r, planes[i], "IN_FENCE_FD", fence);
		EXPECT_EQ(-EINVAL, kms_req_commit(&r, 0, 0));
	}
	close(fence);
	ASSERT_EQ(0, drmSyncobjDestroy(self->k.fd, syncobj));
	unchanged(_metadata, self);
}

TEST_F(display, dirtyfb)
{
	struct drm_clip_rect clips[257] = {};
	uint32_t fb = self->fb.id;

	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_DIRTYFB, drm_mode_fb_dirty_cmd,
		     .fb_id = fb, .num_clips = 1);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_DIRTYFB, drm_mode_fb_dirty_cmd,
		     .fb_id = fb, .clips_ptr = (uintptr_t)clips);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_DIRTYFB, drm_mode_fb_dirty_cmd,
		     .fb_id = fb, .num_clips = 257,
		     .clips_ptr = (uintptr_t)clips);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_DIRTYFB, drm_mode_fb_dirty_cmd,
		     .fb_id = fb, .num_clips = UINT_MAX,
		     .clips_ptr = (uintptr_t)clips);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_DIRTYFB, drm_mode_fb_dirty_cmd,
		     .fb_id = fb, .num_clips = 3,
		     .flags = DRM_MODE_FB_DIRTY_ANNOTATE_COPY,
		     .clips_ptr = (uintptr_t)clips);
	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_MODE_DIRTYFB, drm_mode_fb_dirty_cmd,
		     .fb_id = fb, .num_clips = 1,
		     .clips_ptr = (uintptr_t)BAD_POINTER);
	unchanged(_metadata, self);
}

/* Rectangles without an area, or inside out: nothing to show, no fault. */
TEST_F(display, dirtyfb_nonsense_clips)
{
	drmModeClip clips[] = {
		{ 10, 10, 10, 10 },
		{ 500, 500, 20, 20 },
		{ 65535, 65535, 65535, 65535 },
		{ 65535, 0, 0, 65535 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(clips); i++) {
		int ret = drmModeDirtyFB(self->k.fd, self->fb.id, &clips[i], 1);

		EXPECT_TRUE(ret == 0 || ret == -EINVAL) TH_LOG("%d", ret);
	}
	unchanged(_metadata, self);
}

TEST_F(display, cursor)
{
	uint32_t crtc = self->o->crtc;

	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_CURSOR2, drm_mode_cursor2,
		     .crtc_id = crtc);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_CURSOR2, drm_mode_cursor2,
		     .crtc_id = crtc, .flags = 0x80);
	EXPECT_IOCTL(-ENOENT, DRM_IOCTL_MODE_CURSOR2, drm_mode_cursor2,
		     .crtc_id = crtc, .flags = DRM_MODE_CURSOR_BO,
		     .handle = BAD_ID, .width = 64, .height = 64);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_CURSOR2, drm_mode_cursor2,
		     .crtc_id = crtc, .flags = DRM_MODE_CURSOR_BO,
		     .handle = self->fb.handle, .width = 0, .height = 0);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_CURSOR2, drm_mode_cursor2,
		     .crtc_id = crtc, .flags = DRM_MODE_CURSOR_BO,
		     .handle = self->fb.handle, .width = UINT_MAX,
		     .height = UINT_MAX);
	/* a hotspot far away is odd, and harmless */
	EXPECT_EQ(0, drmModeMoveCursor(self->k.fd, crtc, INT_MIN, INT_MIN));
	EXPECT_EQ(0, drmModeSetCursor2(self->k.fd, crtc, 0, 0, 0, INT_MAX,
				       INT_MIN));
	unchanged(_metadata, self);
}

/* A place at the limit overflows with the size: the core says -ERANGE. */
TEST_F(display, cursor_at_the_integer_limit)
{
	struct kms_fb fb;
	int ret;

	ASSERT_EQ(0, kms_fb_create(&self->k, 64, 64, DRM_FORMAT_ARGB8888, &fb));
	ASSERT_EQ(0, drmModeSetCursor(self->k.fd, self->o->crtc, fb.handle, 64,
				      64));
	ret = drmModeMoveCursor(self->k.fd, self->o->crtc, INT_MAX, INT_MAX);
	EXPECT_EQ(-ERANGE, ret);
	EXPECT_EQ(0, drmModeMoveCursor(self->k.fd, self->o->crtc, INT_MIN,
				       INT_MIN));
	ASSERT_EQ(0, drmModeSetCursor(self->k.fd, self->o->crtc, 0, 0, 0));
	kms_fb_destroy(&fb);
	unchanged(_metadata, self);
}

TEST_F(display, blobs)
{
	char data[16] = {};

	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_CREATEPROPBLOB,
		     drm_mode_create_blob, .data = (uintptr_t)data);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_CREATEPROPBLOB,
		     drm_mode_create_blob, .data = (uintptr_t)data,
		     .length = UINT_MAX);
	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_MODE_CREATEPROPBLOB,
		     drm_mode_create_blob, .data = (uintptr_t)BAD_POINTER,
		     .length = 16);
	unchanged(_metadata, self);
}

TEST_F(display, capabilities)
{
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_GET_CAP, drm_get_cap,
		     .capability = BAD_ID);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_SET_CLIENT_CAP, drm_set_client_cap,
		     .capability = BAD_ID);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_SET_CLIENT_CAP, drm_set_client_cap,
		     .capability = DRM_CLIENT_CAP_ATOMIC, .value = 77);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_SET_CLIENT_CAP, drm_set_client_cap,
		     .capability = DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT,
		     .value = 77);
	unchanged(_metadata, self);
}

/* Lists with room for many and a bad address to put them. */
TEST_F(display, lists_to_bad_addresses)
{
	uint64_t bad = (uintptr_t)BAD_POINTER;

	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_MODE_GETRESOURCES, drm_mode_card_res,
		     .count_crtcs = 16, .crtc_id_ptr = bad);
	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_MODE_GETPLANERESOURCES,
		     drm_mode_get_plane_res, .count_planes = 16,
		     .plane_id_ptr = bad);
	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_MODE_GETPLANE, drm_mode_get_plane,
		     .plane_id = self->o->primary, .count_format_types = 64,
		     .format_type_ptr = bad);
	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_MODE_GETCONNECTOR,
		     drm_mode_get_connector,
		     .connector_id = self->o->connector, .count_modes = 200,
		     .modes_ptr = bad);
	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_MODE_OBJ_GETPROPERTIES,
		     drm_mode_obj_get_properties, .obj_id = self->o->crtc,
		     .obj_type = DRM_MODE_OBJECT_CRTC, .count_props = 64,
		     .props_ptr = bad, .prop_values_ptr = bad);
	EXPECT_IOCTL(-EFAULT, DRM_IOCTL_VERSION, drm_version, .name_len = 64,
		     .name = (void *)(uintptr_t)bad);
	unchanged(_metadata, self);
}

TEST_F(display, properties)
{
	uint32_t fb = kms_prop_id(&self->k, self->o->primary, "FB_ID");
	uint32_t type = kms_prop_id(&self->k, self->o->primary, "type");

	/* not of this object; not to be changed */
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_OBJ_SETPROPERTY,
		     drm_mode_obj_set_property, .obj_id = self->o->crtc,
		     .obj_type = DRM_MODE_OBJECT_CRTC, .prop_id = fb);
	EXPECT_IOCTL(-EINVAL, DRM_IOCTL_MODE_OBJ_SETPROPERTY,
		     drm_mode_obj_set_property, .obj_id = self->o->primary,
		     .obj_type = DRM_MODE_OBJECT_PLANE, .prop_id = type,
		     .value = DRM_PLANE_TYPE_CURSOR);
	unchanged(_metadata, self);
}

/* --- who may --- */

TEST_F(display, who_is_not_the_master)
{
	int fd = kms_open_node(DRM_NODE_PRIMARY, NULL);
	struct drm_mode_fb_dirty_cmd dirty = { .fb_id = self->fb.id };
	uint32_t connector = self->o->connector;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, drmModeSetCrtc(fd, self->o->crtc, self->fb.id, 0, 0,
					  &connector, 1, &self->o->mode));
	EXPECT_EQ(-EACCES, drmModePageFlip(fd, self->o->crtc, self->fb.id, 0,
					   NULL));
	EXPECT_EQ(-EACCES, drmModeMoveCursor(fd, self->o->crtc, 1, 1));
	EXPECT_EQ(-EACCES, kms_ioctl(fd, DRM_IOCTL_MODE_DIRTYFB, &dirty));
	/* nor may it take framebuffers away that are not its own */
	EXPECT_EQ(-ENOENT, drmModeRmFB(fd, self->fb.id));
	close(fd);
	unchanged(_metadata, self);
}

/* --- all of them --- */

/* SET_MASTER and DROP_MASTER take no argument and do what they say. */
static bool takes_argument(unsigned int nr)
{
	return nr != 0x1e && nr != 0x1f;
}

/* CREATEPROPBLOB allocates what it is asked for: gigabytes, if need be. */
static bool takes_nonsense(unsigned int nr)
{
	return takes_argument(nr) && nr != _IOC_NR(DRM_IOCTL_MODE_CREATEPROPBLOB);
}

TEST_F_TIMEOUT(display, every_number_with_bad_pointers, LONG_TEST)
{
	for (unsigned int nr = 0; nr < 0x100; nr++) {
		unsigned long request = DRM_IOWR(nr, uint8_t[64]);

		if (!takes_argument(nr))
			continue;
		EXPECT_GT(0, kms_ioctl(self->k.fd, request, NULL))
			TH_LOG("ioctl %02x", nr);
		EXPECT_GT(0, kms_ioctl(self->k.fd, request, BAD_POINTER))
			TH_LOG("ioctl %02x", nr);
		EXPECT_GT(0, kms_ioctl(self->k.fd, request, (void *)-1l))
			TH_LOG("ioctl %02x", nr);
	}
	unchanged(_metadata, self);
}

/*
 * Arguments of all ones, of a pattern, and of all sizes, to every number. Some
 * are right by chance (a size that is asked for, a wait that is over); what
 * counts is the state afterwards.
 */
TEST_F_TIMEOUT(display, every_number_with_nonsense, LONG_TEST)
{
	static const uint8_t fill[] = { 0xff, 0x7f, 0x80, 0x41 };
	static const unsigned int sizes[] = { 0, 4, 8, 24, 64, 128, 1024 };
	uint8_t arg[1024];

	for (unsigned int nr = 0; nr < 0x100; nr++) {
		if (!takes_nonsense(nr))
			continue;
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			for (size_t f = 0; f < ARRAY_SIZE(fill); f++) {
				memset(arg, fill[f], sizeof(arg));
				kms_ioctl(self->k.fd,
					  _IOC(_IOC_READ | _IOC_WRITE,
					       DRM_IOCTL_BASE, nr, sizes[s]),
					  arg);
			}
		}
	}
	unchanged(_metadata, self);
}

/* Good structs with one word after the other made wrong. */
TEST_F_TIMEOUT(display, every_word_of_an_atomic_commit, LONG_TEST)
{
	static const uint32_t wrong[] = { 0xffffffff, 0x80000000, 0x7fffffff };
	uint32_t obj = self->o->primary, one = 1;
	uint32_t prop = kms_prop_id(&self->k, obj, "FB_ID");
	uint64_t value = self->fb.id;
	struct drm_mode_atomic good = {
		.count_objs = 1, .objs_ptr = (uintptr_t)&obj,
		.count_props_ptr = (uintptr_t)&one,
		.props_ptr = (uintptr_t)&prop,
		.prop_values_ptr = (uintptr_t)&value,
	};

	for (size_t word = 0; word < sizeof(good) / 4; word++) {
		for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
			struct drm_mode_atomic bad = good;

			/* user_data means nothing without an event */
			if (word >= offsetof(struct drm_mode_atomic,
					     user_data) / 4)
				continue;
			((uint32_t *)&bad)[word] = wrong[i];
			EXPECT_GT(0, kms_ioctl(self->k.fd,
					       DRM_IOCTL_MODE_ATOMIC, &bad))
				TH_LOG("word %zu is %08x", word, wrong[i]);
		}
	}
	unchanged(_metadata, self);
}

TEST_HARNESS_MAIN
