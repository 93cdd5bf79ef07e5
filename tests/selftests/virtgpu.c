// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The virtgpu ioctls (drm/virtgpu_drm.h) on a host without 3D: what Mesa and
 * libdrm ask first must answer that there is none, what is for 2D works, and
 * the rest is refused.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <limits.h>

#include <drm/virtgpu_drm.h>

#include "host.h"
#include "kms.h"

#ifndef VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME
#define VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME	8
#endif

#define TARGET_2D	2	/* Gallium's PIPE_TEXTURE_2D */
#define FORMAT_BGRA	1	/* VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM */
#define BAD_POINTER	8	/* in the page that nobody can map */

FIXTURE(virtgpu) {
	struct kms k;
	int fd;
	int handles;
};

static int getparam(int fd, uint64_t param, uint64_t value)
{
	struct drm_virtgpu_getparam arg = { .param = param, .value = value };

	return kms_ioctl(fd, DRM_IOCTL_VIRTGPU_GETPARAM, &arg);
}

FIXTURE_SETUP(virtgpu)
{
	int value = -1;

	ASSERT_EQ(0, kms_open(&self->k));
	self->fd = self->k.fd;
	self->handles = kms_handles(&self->k);
	ASSERT_EQ(0, getparam(self->fd, VIRTGPU_PARAM_3D_FEATURES,
			      (uintptr_t)&value));
	if (value)
		SKIP(return, "the host has 3D");
}

FIXTURE_TEARDOWN(virtgpu)
{
	EXPECT_EQ(self->handles, kms_handles(&self->k));
	EXPECT_EQ(0, kms_close(&self->k));
}

static struct drm_virtgpu_resource_create good_resource(void)
{
	return (struct drm_virtgpu_resource_create) {
		.target = TARGET_2D, .format = FORMAT_BGRA, .width = 64,
		.height = 32, .depth = 1, .array_size = 1, .size = 64 * 32 * 4,
	};
}

static int create(int fd, uint32_t *handle)
{
	struct drm_virtgpu_resource_create arg = good_resource();
	int ret = kms_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &arg);

	*handle = arg.bo_handle;
	return ret;
}

static int gem_close(int fd, uint32_t handle)
{
	struct drm_gem_close arg = { .handle = handle };

	return kms_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &arg);
}

static int wait_for(int fd, uint32_t handle, uint32_t flags)
{
	struct drm_virtgpu_3d_wait arg = { .handle = handle, .flags = flags };

	return kms_ioctl(fd, DRM_IOCTL_VIRTGPU_WAIT, &arg);
}

/* --- what there is --- */

TEST_F(virtgpu, parameters)
{
	static const struct {
		uint64_t param;
		int value;
	} want[] = {
		{ VIRTGPU_PARAM_3D_FEATURES, 0 },
		{ VIRTGPU_PARAM_CAPSET_QUERY_FIX, 1 },
		{ VIRTGPU_PARAM_RESOURCE_BLOB, 0 },
		{ VIRTGPU_PARAM_HOST_VISIBLE, 0 },
		{ VIRTGPU_PARAM_CROSS_DEVICE, 0 },
		{ VIRTGPU_PARAM_CONTEXT_INIT, 0 },
		{ VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		int value = -1;

		EXPECT_EQ(0, getparam(self->fd, want[i].param,
				      (uintptr_t)&value));
		EXPECT_EQ(want[i].value, value)
			TH_LOG("parameter %d", (int)want[i].param);
	}
}

TEST_F(virtgpu, bad_parameters)
{
	int value = -1;

	EXPECT_EQ(-EINVAL, getparam(self->fd, 0, (uintptr_t)&value));
	EXPECT_EQ(-EINVAL, getparam(self->fd, 1000, (uintptr_t)&value));
	EXPECT_EQ(-EINVAL, getparam(self->fd, ULLONG_MAX, (uintptr_t)&value));
	EXPECT_EQ(-EINVAL, getparam(self->fd, 0x100000001, (uintptr_t)&value));
	EXPECT_EQ(-1, value);
	EXPECT_EQ(-EFAULT, getparam(self->fd, VIRTGPU_PARAM_3D_FEATURES, 0));
	EXPECT_EQ(-EFAULT, getparam(self->fd, VIRTGPU_PARAM_3D_FEATURES,
				    BAD_POINTER));
}

/* The value is four bytes: no more are written. */
TEST_F(virtgpu, parameter_is_an_int)
{
	uint64_t value = ~0ull;

	EXPECT_EQ(0, getparam(self->fd, VIRTGPU_PARAM_3D_FEATURES,
			      (uintptr_t)&value));
	EXPECT_EQ(0xffffffff00000000, value);
}

/* --- 2D resources --- */

TEST_F(virtgpu, resource)
{
	struct drm_virtgpu_resource_create arg = good_resource();
	struct drm_virtgpu_resource_info info = {};
	struct drm_virtgpu_map map = {};
	struct drm_virtgpu_3d_transfer_to_host to = {};
	uint32_t *p;

	ASSERT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE,
			       &arg));
	EXPECT_NE(0, arg.bo_handle);
	EXPECT_NE(0, arg.res_handle);

	info.bo_handle = arg.bo_handle;
	EXPECT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO,
			       &info));
	EXPECT_EQ(arg.res_handle, info.res_handle);
	EXPECT_LE(arg.size, info.size);

	map.handle = arg.bo_handle;
	ASSERT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_MAP, &map));
	p = mmap(NULL, arg.size, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd,
		 map.offset);
	ASSERT_NE(MAP_FAILED, p);
	p[64] = 0x12345678;
	EXPECT_EQ(0x12345678, p[64]);
	munmap(p, arg.size);

	to.bo_handle = arg.bo_handle;
	to.box = (struct drm_virtgpu_3d_box){ .w = 64, .h = 32, .d = 1 };
	EXPECT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST,
			       &to));
	EXPECT_EQ(0, wait_for(self->fd, arg.bo_handle, 0));
	EXPECT_EQ(0, wait_for(self->fd, arg.bo_handle, VIRTGPU_WAIT_NOWAIT));
	EXPECT_EQ(0, gem_close(self->fd, arg.bo_handle));
}

/* Waiting shows what the device wrote, which is nothing here: also by a bounce buffer. */
TEST_F(virtgpu, wait_keeps_what_was_written)
{
	struct drm_virtgpu_resource_create arg = good_resource();
	struct drm_virtgpu_3d_transfer_to_host to = {};
	struct drm_virtgpu_map map = {};
	uint32_t *p;

	ASSERT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &arg));
	map.handle = arg.bo_handle;
	ASSERT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_MAP, &map));
	p = mmap(NULL, arg.size, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, map.offset);
	ASSERT_NE(MAP_FAILED, p);
	p[64] = 1;
	to.bo_handle = arg.bo_handle;
	to.box = (struct drm_virtgpu_3d_box){ .w = 64, .h = 32, .d = 1 };
	EXPECT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, &to));
	p[64] = 2;
	EXPECT_EQ(0, wait_for(self->fd, arg.bo_handle, 0));
	EXPECT_EQ(2, p[64]);
	EXPECT_EQ(0, wait_for(self->fd, arg.bo_handle, VIRTGPU_WAIT_NOWAIT));
	EXPECT_EQ(2, p[64]);
	munmap(p, arg.size);
	EXPECT_EQ(0, gem_close(self->fd, arg.bo_handle));
}

#define BAD_RESOURCE(name, change)					\
TEST_F(virtgpu, name)							\
{									\
	struct drm_virtgpu_resource_create arg = good_resource();	\
									\
	change;								\
	EXPECT_EQ(-EINVAL, kms_ioctl(self->fd,				\
				     DRM_IOCTL_VIRTGPU_RESOURCE_CREATE,	\
				     &arg));				\
}

BAD_RESOURCE(resource_depth, arg.depth = 2)
BAD_RESOURCE(resource_samples, arg.nr_samples = 4)
BAD_RESOURCE(resource_levels, arg.last_level = 5)
BAD_RESOURCE(resource_target, arg.target = 4)

/*
 * What the host refuses is an error of the call, or of the next one on the
 * object; it is never taken for good.
 */
static void check_host_refuses(struct __test_metadata *_metadata,
			       FIXTURE_DATA(virtgpu) *self,
			       struct drm_virtgpu_resource_create arg)
{
	struct drm_virtgpu_3d_transfer_to_host to = {};
	int ret;

	ret = kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &arg);
	if (ret) {
		EXPECT_TRUE(ret == -EINVAL || ret == -ENOMEM)
			TH_LOG("%d", ret);
		return;
	}
	wait_for(self->fd, arg.bo_handle, 0);
	to.bo_handle = arg.bo_handle;
	to.box = (struct drm_virtgpu_3d_box){ .w = 1, .h = 1, .d = 1 };
	EXPECT_NE(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST,
			       &to));
	EXPECT_EQ(0, gem_close(self->fd, arg.bo_handle));
}

TEST_F(virtgpu, resource_of_unknown_format)
{
	struct drm_virtgpu_resource_create arg = good_resource();

	arg.format = 0xdead;
	check_host_refuses(_metadata, self, arg);
}

TEST_F(virtgpu, resource_bigger_than_the_host_gives)
{
	struct drm_virtgpu_resource_create arg = good_resource();

	arg.width = 16384;
	arg.height = 16384;
	check_host_refuses(_metadata, self, arg);
}

TEST_F(virtgpu, resource_of_all_ones)
{
	struct drm_virtgpu_resource_create arg;

	memset(&arg, 0xff, sizeof(arg));
	EXPECT_EQ(-EINVAL, kms_ioctl(self->fd,
				     DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &arg));
}

static int transfer(int fd, uint32_t handle, uint32_t offset,
		    struct drm_virtgpu_3d_box box)
{
	struct drm_virtgpu_3d_transfer_to_host arg = {
		.bo_handle = handle, .box = box, .offset = offset,
	};

	return kms_ioctl(fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, &arg);
}

/* Outside of the resource: refused, or nothing comes of it at the host. */
TEST_F(virtgpu, transfer_outside)
{
	static const struct drm_virtgpu_3d_box boxes[] = {
		{ .x = 64, .w = 1, .h = 1, .d = 1 },
		{ .y = 32, .w = 1, .h = 1, .d = 1 },
		{ .w = 65, .h = 1, .d = 1 },
		{ .w = 1, .h = 33, .d = 1 },
		{ .x = UINT_MAX, .w = 2, .h = 1, .d = 1 },
		{ .y = UINT_MAX, .w = 1, .h = UINT_MAX, .d = 1 },
		{ .w = UINT_MAX, .h = UINT_MAX, .d = UINT_MAX },
	};
	uint32_t handle;

	ASSERT_EQ(0, create(self->fd, &handle));
	for (size_t i = 0; i < ARRAY_SIZE(boxes); i++) {
		EXPECT_EQ(-EINVAL, transfer(self->fd, handle, 0, boxes[i]))
			TH_LOG("box %zu", i);
	}
	/* good after bad still works */
	EXPECT_EQ(0, transfer(self->fd, handle, 0,
			      (struct drm_virtgpu_3d_box){ .w = 64, .h = 32,
							   .d = 1 }));
	EXPECT_EQ(0, wait_for(self->fd, handle, 0));
	EXPECT_EQ(0, gem_close(self->fd, handle));
}

TEST_F(virtgpu, bad_handles)
{
	static const uint32_t bad[] = { 0, 0xdead, UINT_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct drm_virtgpu_map map = { .handle = bad[i] };
		struct drm_virtgpu_resource_info info = {
			.bo_handle = bad[i],
		};

		EXPECT_EQ(-ENOENT, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_MAP,
					     &map));
		EXPECT_EQ(-ENOENT, kms_ioctl(self->fd,
					     DRM_IOCTL_VIRTGPU_RESOURCE_INFO,
					     &info));
		EXPECT_EQ(-ENOENT, wait_for(self->fd, bad[i], 0));
		EXPECT_EQ(-ENOENT, transfer(self->fd, bad[i], 0,
					    (struct drm_virtgpu_3d_box){
						.w = 1, .h = 1, .d = 1 }));
	}
}

TEST_F(virtgpu, wait_flags)
{
	uint32_t handle;

	ASSERT_EQ(0, create(self->fd, &handle));
	EXPECT_EQ(-EINVAL, wait_for(self->fd, handle, 0x80));
	EXPECT_EQ(0, gem_close(self->fd, handle));
}

/* --- what there is not --- */

TEST_F(virtgpu, no_commands)
{
	uint32_t words[4] = {};
	struct drm_virtgpu_execbuffer arg = {
		.command = (uintptr_t)words, .size = sizeof(words),
		.fence_fd = -1,
	};

	EXPECT_EQ(-ENOSYS, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_EXECBUFFER,
				     &arg));
	arg.flags = VIRTGPU_EXECBUF_FENCE_FD_OUT;
	EXPECT_EQ(-ENOSYS, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_EXECBUFFER,
				     &arg));
	EXPECT_EQ(-1, arg.fence_fd);
}

TEST_F(virtgpu, no_capsets)
{
	char caps[256];
	struct drm_virtgpu_get_caps arg = {
		.cap_set_id = 1, .cap_set_ver = 1, .addr = (uintptr_t)caps,
		.size = sizeof(caps),
	};

	EXPECT_EQ(-ENOSYS, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_GET_CAPS,
				     &arg));
}

TEST_F(virtgpu, no_transfer_back)
{
	struct drm_virtgpu_3d_transfer_from_host arg = {};

	ASSERT_EQ(0, create(self->fd, &arg.bo_handle));
	arg.box = (struct drm_virtgpu_3d_box){ .w = 1, .h = 1, .d = 1 };
	EXPECT_EQ(-ENOSYS, kms_ioctl(self->fd,
				     DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST,
				     &arg));
	EXPECT_EQ(0, gem_close(self->fd, arg.bo_handle));
}

TEST_F(virtgpu, no_blobs)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_GUEST, .size = 4096,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
	};

	EXPECT_EQ(-EINVAL, kms_ioctl(self->fd,
				     DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB,
				     &arg));
}

TEST_F(virtgpu, no_contexts)
{
	struct drm_virtgpu_context_set_param param = {
		.param = VIRTGPU_CONTEXT_PARAM_CAPSET_ID, .value = 2,
	};
	struct drm_virtgpu_context_init arg = {
		.num_params = 1, .ctx_set_params = (uintptr_t)&param,
	};

	EXPECT_EQ(-EINVAL, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT,
				     &arg));
}

/* --- all of them, with bad pointers and nonsense --- */

static const unsigned long all[] = {
	DRM_IOCTL_VIRTGPU_MAP, DRM_IOCTL_VIRTGPU_EXECBUFFER,
	DRM_IOCTL_VIRTGPU_GETPARAM, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE,
	DRM_IOCTL_VIRTGPU_RESOURCE_INFO, DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST,
	DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, DRM_IOCTL_VIRTGPU_WAIT,
	DRM_IOCTL_VIRTGPU_GET_CAPS, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB,
	DRM_IOCTL_VIRTGPU_CONTEXT_INIT,
};

TEST_F(virtgpu, bad_pointers)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		EXPECT_EQ(-EFAULT, kms_ioctl(self->fd, all[i], NULL));
		EXPECT_EQ(-EFAULT, kms_ioctl(self->fd, all[i],
					     (void *)BAD_POINTER));
	}
}

TEST_F(virtgpu, nonsense)
{
	static const uint8_t fill[] = { 0x00, 0xff, 0x7f, 0x80, 0x01 };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (size_t f = 0; f < ARRAY_SIZE(fill); f++) {
			uint8_t arg[256];

			memset(arg, fill[f], sizeof(arg));
			EXPECT_NE(0, kms_ioctl(self->fd, all[i], arg))
				TH_LOG("ioctl %lx of %02x", all[i] & 0xff,
				       fill[f]);
		}
	}
}

TEST_F(virtgpu, unknown_number)
{
	uint8_t arg[64] = {};

	EXPECT_EQ(-EINVAL, kms_ioctl(self->fd, DRM_IOWR(DRM_COMMAND_BASE + 0x0c,
							arg), arg));
	EXPECT_EQ(-EINVAL, kms_ioctl(self->fd, DRM_IOWR(DRM_COMMAND_BASE + 0x5f,
							arg), arg));
}

/* Programs of older and newer headers: shorter and longer arguments. */
TEST_F(virtgpu, other_sizes)
{
	struct {
		struct drm_virtgpu_resource_create arg;
		uint64_t more[4];
	} longer = { .arg = good_resource() };
	uint64_t value = 0;
	struct {
		uint64_t param;
	} shorter = { VIRTGPU_PARAM_3D_FEATURES };

	EXPECT_EQ(0, kms_ioctl(self->fd, DRM_IOWR(DRM_COMMAND_BASE +
					DRM_VIRTGPU_RESOURCE_CREATE, longer),
			       &longer));
	EXPECT_EQ(0, gem_close(self->fd, longer.arg.bo_handle));
	/* the missing half is zero: a bad pointer */
	EXPECT_EQ(-EFAULT, kms_ioctl(self->fd, DRM_IOWR(DRM_COMMAND_BASE +
					DRM_VIRTGPU_GETPARAM, shorter),
				     &shorter));
	EXPECT_EQ(0, value);
}

/* A render node has the same ioctls and nothing of the display. */
TEST_F(virtgpu, render_node)
{
	int fd = kms_open_node(DRM_NODE_RENDER, NULL), value = -1;
	struct drm_mode_create_dumb dumb = {
		.width = 64, .height = 64, .bpp = 32,
	};
	uint32_t handle;

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, getparam(fd, VIRTGPU_PARAM_3D_FEATURES,
			      (uintptr_t)&value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(0, create(fd, &handle));
	EXPECT_EQ(0, gem_close(fd, handle));
	EXPECT_EQ(-EACCES, kms_ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb));
	EXPECT_NULL(drmModeGetResources(fd));
	EXPECT_EQ(EACCES, errno);
	close(fd);
}

TEST_HARNESS_MAIN
