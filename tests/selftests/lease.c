// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Leases: one output handed to another program, which flips on it, and taken
 * back.
 */
#include "display.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

static int lease_output(FIXTURE_DATA(display) *self, uint32_t *id)
{
	uint32_t objects[] = {
		self->o->connector, self->o->crtc, self->o->primary,
		self->o->cursor,
	};

	return drmModeCreateLease(self->k.fd, objects, ARRAY_SIZE(objects),
				  O_CLOEXEC, id);
}

/* The lessee's view of the card, with the output at the same index. */
static int lessee_open(FIXTURE_DATA(display) *self, int fd, struct kms *l)
{
	int ret;

	memset(l, 0, sizeof(*l));
	l->fd = fd;
	l->klog = -1;
	ret = drmSetClientCap(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1);
	if (!ret)
		ret = drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, 1);
	l->outputs[0] = *self->o;
	l->num_outputs = 1;
	return ret;
}

TEST_F(display, lessee_sees_its_objects_only)
{
	struct kms lessee;
	drmModeRes *res;
	uint32_t id;
	int fd;

	fd = lease_output(self, &id);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lessee_open(self, fd, &lessee));
	res = drmModeGetResources(fd);
	ASSERT_TRUE(res);
	EXPECT_EQ(1, res->count_crtcs);
	EXPECT_EQ(self->o->crtc, res->crtcs[0]);
	EXPECT_EQ(1, res->count_connectors);
	EXPECT_EQ(self->o->connector, res->connectors[0]);
	drmModeFreeResources(res);
	close(fd);
}

TEST_F(display, list_and_get)
{
	drmModeLesseeListRes *list;
	drmModeObjectListRes *objects;
	uint32_t id;
	int fd;

	fd = lease_output(self, &id);
	ASSERT_LE(0, fd);
	list = drmModeListLessees(self->k.fd);
	ASSERT_TRUE(list);
	ASSERT_EQ(1, list->count);
	EXPECT_EQ(id, list->lessees[0]);
	drmFree(list);
	objects = drmModeGetLease(fd);
	ASSERT_TRUE(objects);
	EXPECT_EQ(4, objects->count);
	drmFree(objects);
	close(fd);
}

TEST_F_TIMEOUT(display, lessee_flips, LONG_TEST)
{
	struct kms lessee;
	struct kms_fb fb;
	uint32_t id;
	int fd;

	fd = lease_output(self, &id);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lessee_open(self, fd, &lessee));
	ASSERT_EQ(0, kms_fb_create(&lessee, self->fb.width, self->fb.height,
				   DRM_FORMAT_XRGB8888, &fb));
	for (int i = 0; i < 5; i++) {
		kms_fb_draw(&fb, 50 + i);
		ASSERT_EQ(0, kms_flip(&lessee, &lessee.outputs[0], &fb,
				      DRM_MODE_ATOMIC_NONBLOCK |
				      DRM_MODE_PAGE_FLIP_EVENT, i));
		ASSERT_EQ(0, kms_wait_flip(&lessee));
	}
	NEED_HOST();
	EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	kms_fb_destroy(&fb);
	close(fd);
}

TEST_F_TIMEOUT(display, revoked, LONG_TEST)
{
	struct kms lessee;
	struct kms_fb fb;
	uint32_t id;
	int fd;

	fd = lease_output(self, &id);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lessee_open(self, fd, &lessee));
	ASSERT_EQ(0, kms_fb_create(&lessee, self->fb.width, self->fb.height,
				   DRM_FORMAT_XRGB8888, &fb));
	ASSERT_EQ(0, drmModeRevokeLease(self->k.fd, id));
	EXPECT_NE(0, drmModePageFlip(fd, self->o->crtc, fb.id, 0, NULL));
	EXPECT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	EXPECT_EQ(-ENOENT, drmModeRevokeLease(self->k.fd, 0xdead));
	kms_fb_destroy(&fb);
	close(fd);
}

/* A lease that ends is told to whoever listens (LEASE=1). */
TEST_F_TIMEOUT(display, uevent, LONG_TEST)
{
	uint32_t id;
	int fd, ue;

	ue = kms_uevent_open();
	ASSERT_LE(0, ue);
	fd = lease_output(self, &id);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_TRUE(kms_uevent_wait(ue, "LEASE=1", 5000));
	close(ue);
}

TEST_F(display, wrong_leases)
{
	uint32_t objects[] = {
		self->o->crtc, 0xdead, self->o->primary, self->o->connector,
	};
	uint32_t id, other;
	int fd;

	EXPECT_EQ(-ENOENT, drmModeCreateLease(self->k.fd, objects, 4, 0, &id));
	objects[1] = self->o->crtc;
	EXPECT_EQ(-ENOSPC, drmModeCreateLease(self->k.fd, objects, 4, 0, &id));
	/* a CRTC alone shows nothing */
	EXPECT_EQ(-EINVAL, drmModeCreateLease(self->k.fd, objects, 1, 0, &id));
	fd = lease_output(self, &id);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, lease_output(self, &other));
	close(fd);
}

TEST_HARNESS_MAIN
