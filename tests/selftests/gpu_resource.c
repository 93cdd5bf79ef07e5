// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Objects of a 3D host: buffers and textures with transfers, blobs in guest
 * and host memory, what they refuse, and very many of them.
 */
#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "gpu_test.h"

/* What takes no time takes at most, on a slow machine. */
#define AT_ONCE_NS	2000000000ULL

/* Of the virgl protocol */
#define VIRGL_RESOURCE_COPY_REGION	17
#define VIRGL_PIPE_RESOURCE_CREATE	48
#define VIRGL_MAP_PERSISTENT		(1 << 1)
#define VIRGL_MAP_COHERENT		(1 << 2)

/* --- buffers --- */

TEST_F(gpu, info)
{
	struct drm_virtgpu_resource_info info = {};
	struct gpu_bo a, b;

	ASSERT_EQ(0, gpu_buffer(self->fd, 5000, &a));
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &b));
	EXPECT_NE(0, a.handle);
	EXPECT_NE(0, a.res);
	EXPECT_NE(a.res, b.res);
	EXPECT_NE(a.handle, b.handle);
	info.bo_handle = a.handle;
	EXPECT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO,
			       &info));
	EXPECT_EQ(a.res, info.res_handle);
	EXPECT_EQ(8192, info.size);
	EXPECT_EQ(0, info.blob_mem);
	info.bo_handle = 0xdead;
	EXPECT_EQ(-ENOENT, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO,
				     &info));
	EXPECT_EQ(0, gpu_close(&a));
	EXPECT_EQ(0, gpu_close(&b));
	EXPECT_EQ(-EINVAL, gpu_close(&b));
}

/* What goes to the host comes back, byte for byte. */
TEST_F(gpu, buffer_round_trip)
{
	static const uint32_t sizes[] = { 4, 4096, 5000, 1 << 20, 9 << 20 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *data = malloc(sizes[i]);
		struct gpu_bo bo;

		ASSERT_TRUE(data);
		ASSERT_EQ(0, gpu_buffer(self->fd, sizes[i], &bo));
		ASSERT_EQ(0, gpu_map(&bo));
		gpu_pattern(data, sizes[i], i);
		memcpy(bo.map, data, sizes[i]);
		EXPECT_EQ(0, gpu_transfer(&bo, true, 0, 0, sizes[i], 1, 0));
		EXPECT_EQ(0, gpu_wait(&bo, 0));
		memset(bo.map, 0xee, sizes[i]);
		EXPECT_EQ(0, gpu_transfer(&bo, false, 0, 0, sizes[i], 1, 0));
		EXPECT_EQ(0, gpu_wait(&bo, 0));
		EXPECT_EQ(0, memcmp(bo.map, data, sizes[i]))
			TH_LOG("%u bytes", sizes[i]);
		EXPECT_EQ(0, gpu_close(&bo));
		free(data);
	}
}

/* A part only: the rest stays, at the host and here. */
TEST_F(gpu, part_of_a_buffer)
{
	char data[8192], want[8192];
	struct gpu_bo bo;

	ASSERT_EQ(0, gpu_buffer(self->fd, sizeof(data), &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	memset(bo.map, 0x11, sizeof(data));
	ASSERT_EQ(0, gpu_transfer(&bo, true, 0, 0, sizeof(data), 1, 0));
	ASSERT_EQ(0, gpu_wait(&bo, 0));
	gpu_pattern(data, sizeof(data), 3);
	memcpy(bo.map, data, sizeof(data));
	ASSERT_EQ(0, gpu_transfer(&bo, true, 1000, 0, 3000, 1, 1000));
	ASSERT_EQ(0, gpu_wait(&bo, 0));

	memset(bo.map, 0xee, sizeof(data));
	ASSERT_EQ(0, gpu_transfer(&bo, false, 500, 0, 7000, 1, 500));
	ASSERT_EQ(0, gpu_wait(&bo, 0));
	memset(want, 0xee, sizeof(want));
	memset(want + 500, 0x11, 7000);
	memcpy(want + 1000, data + 1000, 3000);
	EXPECT_EQ(0, memcmp(bo.map, want, sizeof(want)));
	EXPECT_EQ(0, gpu_close(&bo));
}

/* --- textures --- */

TEST_F(gpu, texture_round_trip)
{
	static const uint32_t sizes[][2] = {
		{ 1, 1 }, { 64, 32 }, { 333, 77 }, { 1024, 768 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const uint32_t w = sizes[i][0], h = sizes[i][1];
		uint32_t *data = malloc(w * h * 4);
		struct gpu_bo bo;

		ASSERT_TRUE(data);
		ASSERT_EQ(0, gpu_texture(self->fd, w, h, &bo));
		ASSERT_EQ(0, gpu_map(&bo));
		gpu_pattern(data, bo.size, i);
		memcpy(bo.map, data, bo.size);
		EXPECT_EQ(0, gpu_transfer(&bo, true, 0, 0, w, h, 0));
		EXPECT_EQ(0, gpu_wait(&bo, 0));
		memset(bo.map, 0xee, bo.size);
		EXPECT_EQ(0, gpu_transfer(&bo, false, 0, 0, w, h, 0));
		EXPECT_EQ(0, gpu_wait(&bo, 0));
		EXPECT_EQ(0, memcmp(bo.map, data, bo.size))
			TH_LOG("%ux%u", w, h);
		EXPECT_EQ(0, gpu_close(&bo));
		free(data);
	}
}

/* A rectangle within a texture, with rows as long as said. */
TEST_F(gpu, part_of_a_texture)
{
	const uint32_t w = 64, h = 32, x = 8, y = 4, cw = 16, ch = 8;
	struct drm_virtgpu_3d_transfer_to_host to = {
		.box = { x, y, 0, cw, ch, 1 },
		.offset = (y * w + x) * 4, .stride = w * 4,
	};
	uint32_t data[64 * 32], want[64 * 32], *map;
	struct gpu_bo bo;

	ASSERT_EQ(0, gpu_texture(self->fd, w, h, &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	map = bo.map;
	memset(map, 0x44, bo.size);
	ASSERT_EQ(0, gpu_transfer(&bo, true, 0, 0, w, h, 0));
	ASSERT_EQ(0, gpu_wait(&bo, 0));
	gpu_pattern(data, sizeof(data), 9);
	memcpy(map, data, sizeof(data));
	to.bo_handle = bo.handle;
	ASSERT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST,
			       &to));
	ASSERT_EQ(0, gpu_wait(&bo, 0));

	memset(map, 0xee, bo.size);
	ASSERT_EQ(0, gpu_transfer(&bo, false, 0, 0, w, h, 0));
	ASSERT_EQ(0, gpu_wait(&bo, 0));
	memset(want, 0x44, sizeof(want));
	for (uint32_t row = y; row < y + ch; row++)
		memcpy(want + row * w + x, data + row * w + x, cw * 4);
	EXPECT_EQ(0, memcmp(map, want, sizeof(want)));
	EXPECT_EQ(0, gpu_close(&bo));
}

/* --- waiting --- */

TEST_F(gpu, waiting)
{
	struct gpu_bo bo;
	int busy = 0;

	ASSERT_EQ(0, gpu_buffer(self->fd, 16 << 20, &bo));
	EXPECT_EQ(-EINVAL, gpu_wait(&bo, 2));
	EXPECT_EQ(-EINVAL, gpu_wait(&bo, 0x80000001));
	ASSERT_EQ(0, gpu_map(&bo));
	memset(bo.map, 1, bo.size);
	for (int i = 0; i < 10; i++) {
		int ret;

		ASSERT_EQ(0, gpu_transfer(&bo, true, 0, 0, bo.size, 1, 0));
		ret = gpu_wait(&bo, VIRTGPU_WAIT_NOWAIT);
		EXPECT_TRUE(!ret || ret == -EBUSY);
		busy += ret == -EBUSY;
	}
	EXPECT_EQ(0, gpu_wait(&bo, 0));
	EXPECT_EQ(0, gpu_wait(&bo, VIRTGPU_WAIT_NOWAIT));
	TH_LOG("busy %d times of 10", busy);
	EXPECT_LT(0, busy);
	EXPECT_EQ(0, gpu_close(&bo));
	EXPECT_EQ(-ENOENT, gpu_wait(&bo, 0));
	EXPECT_EQ(-ENOENT, gpu_wait(&bo, VIRTGPU_WAIT_NOWAIT));
}

/* --- wrong transfers --- */

/*
 * Boxes that are not in the buffer. The host looks at them: whether it says
 * so or not, no wait is longer than for a good one, nothing is written where
 * it should not be, and other programs do not notice.
 */
TEST_F_TIMEOUT(gpu, bad_boxes, LONG_TEST)
{
	static const struct {
		struct drm_virtgpu_3d_box box;
		uint32_t level;
		uint32_t offset;
	} bad[] = {
		{ { 0, 0, 0, 8192, 1, 1 }, 0, 0 },
		{ { 4096, 0, 0, 1, 1, 1 }, 0, 0 },
		{ { UINT_MAX, 0, 0, 2, 1, 1 }, 0, 0 },
		{ { 0, 0, 0, UINT_MAX, 1, 1 }, 0, 0 },
		{ { 0, 1, 0, 16, 1, 1 }, 0, 0 },
		{ { 0, 0, 1, 16, 1, 1 }, 0, 0 },
		{ { 0, 0, 0, 16, 2, 1 }, 0, 0 },
		{ { 0, 0, 0, 16, UINT_MAX, UINT_MAX }, 0, 0 },
		{ { 0, 0, 0, 0, 0, 0 }, 0, 0 },
		{ { 0, 0, 0, 16, 1, 1 }, 1, 0 },
		{ { 0, 0, 0, 16, 1, 1 }, UINT_MAX, 0 },
		{ { 0, 0, 0, 16, 1, 1 }, 0, 4096 },
		{ { 0, 0, 0, 16, 1, 1 }, 0, UINT_MAX },
	};
	int other = gpu_open();

	for (size_t i = 0; i < 2 * ARRAY_SIZE(bad); i++) {
		struct drm_virtgpu_3d_transfer_to_host to = {
			.box = bad[i / 2].box, .level = bad[i / 2].level,
			.offset = bad[i / 2].offset,
		};
		unsigned long request = i % 2 ?
			DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST :
			DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST;
		struct gpu_bo bo, guard;
		char want[4096];
		int fd = gpu_open();

		ASSERT_EQ(0, gpu_buffer(fd, 4096, &bo));
		ASSERT_EQ(0, gpu_buffer(fd, 4096, &guard));
		ASSERT_EQ(0, gpu_map(&bo));
		ASSERT_EQ(0, gpu_map(&guard));
		memset(want, 0x77, sizeof(want));
		memcpy(bo.map, want, sizeof(want));
		memcpy(guard.map, want, sizeof(want));
		to.bo_handle = bo.handle;
		kms_ioctl(fd, request, &to);
		EXPECT_NE(-EBUSY, gpu_wait(&bo, 0)) TH_LOG("box %zu", i / 2);
		EXPECT_EQ(0, memcmp(bo.map, want, sizeof(want)))
			TH_LOG("box %zu", i / 2);
		EXPECT_EQ(0, memcmp(guard.map, want, sizeof(want)));
		gpu_close(&guard);
		gpu_close(&bo);
		close(fd);
		EXPECT_EQ(0, gpu_finish(other)) TH_LOG("box %zu", i / 2);
	}
	close(other);
}

TEST_F(gpu, bad_handles)
{
	struct gpu_bo none = { .fd = self->fd, .handle = 0xdead, .size = 4096 };

	EXPECT_EQ(-ENOENT, gpu_transfer(&none, true, 0, 0, 16, 1, 0));
	EXPECT_EQ(-ENOENT, gpu_transfer(&none, false, 0, 0, 16, 1, 0));
	EXPECT_EQ(-ENOENT, gpu_map(&none));
	EXPECT_EQ(-ENOENT, gpu_wait(&none, 0));
}

/*
 * What the host cannot make: whether it says so or not, every wait ends, and
 * the program goes on.
 */
TEST_F(gpu, refused_resources)
{
	struct drm_virtgpu_resource_create bad[] = {
		{ .target = 99, .format = FORMAT_BGRA, .width = 64,
		  .height = 64, .depth = 1, .array_size = 1, .size = 16384 },
		{ .target = TARGET_TEXTURE_2D, .format = 60000, .width = 64,
		  .height = 64, .depth = 1, .array_size = 1, .size = 16384 },
		{ .target = TARGET_TEXTURE_2D, .format = FORMAT_BGRA,
		  .bind = BIND_SAMPLER_VIEW, .width = 1 << 20,
		  .height = 1 << 20, .depth = 1, .array_size = 1,
		  .size = 4096 },
		{ .target = TARGET_TEXTURE_2D, .format = FORMAT_BGRA,
		  .bind = BIND_SAMPLER_VIEW, .width = UINT_MAX,
		  .height = UINT_MAX, .depth = UINT_MAX,
		  .array_size = UINT_MAX, .last_level = UINT_MAX,
		  .nr_samples = UINT_MAX, .size = 4096 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct gpu_bo bo;
		int ret = gpu_create(self->fd, &bad[i], &bo);

		if (ret)
			continue;
		gpu_transfer(&bo, true, 0, 0, 4, 1, 0);
		EXPECT_NE(-EBUSY, gpu_wait(&bo, 0)) TH_LOG("resource %zu", i);
		EXPECT_EQ(0, gpu_close(&bo));
	}
	EXPECT_EQ(0, gpu_finish(self->fd));
}

/* --- guest blobs --- */

static struct drm_virtgpu_resource_create_blob guest_blob(uint64_t size)
{
	return (struct drm_virtgpu_resource_create_blob) {
		.blob_mem = VIRTGPU_BLOB_MEM_GUEST,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE, .size = size,
	};
}

#define NEED(what, param) do {						\
	if (!gpu_has(self->fd, param))					\
		SKIP(return, "the host has no " what);			\
} while (0)

TEST_F(gpu, guest_blob)
{
	struct drm_virtgpu_resource_create_blob arg = guest_blob(100000);
	struct drm_virtgpu_resource_info info = {};
	struct gpu_bo bo;
	char *p;

	NEED("blobs", VIRTGPU_PARAM_RESOURCE_BLOB);
	ASSERT_EQ(0, gpu_create_blob(self->fd, &arg, &bo));
	info.bo_handle = bo.handle;
	EXPECT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO,
			       &info));
	EXPECT_EQ(bo.res, info.res_handle);
	EXPECT_EQ(102400, info.size);
	EXPECT_EQ(VIRTGPU_BLOB_MEM_GUEST, info.blob_mem);

	ASSERT_EQ(0, gpu_map(&bo));
	p = bo.map;
	for (size_t i = 0; i < bo.size; i++) {
		EXPECT_EQ(0, p[i]);
	}
	gpu_pattern(p, bo.size, 1);
	gpu_unmap(&bo);
	ASSERT_EQ(0, gpu_map(&bo));
	p = malloc(bo.size);
	ASSERT_TRUE(p);
	gpu_pattern(p, bo.size, 1);
	EXPECT_EQ(0, memcmp(p, bo.map, bo.size));
	EXPECT_EQ(0, gpu_wait(&bo, 0));
	EXPECT_EQ(0, gpu_close(&bo));
	free(p);
}

TEST_F(gpu, bad_blobs)
{
	struct drm_virtgpu_resource_create_blob arg;
	struct gpu_bo bo;
	uint32_t nop = 0;

	NEED("blobs", VIRTGPU_PARAM_RESOURCE_BLOB);
#define REFUSED(error, field, value) do {				\
	arg = guest_blob(4096);						\
	arg.field = (value);						\
	EXPECT_EQ(error, gpu_create_blob(self->fd, &arg, &bo)) {	\
		TH_LOG("%s = %s", #field, #value);			\
	}								\
} while (0)

	REFUSED(-EINVAL, size, 0);
	REFUSED(-EINVAL, size, ~0ull);
	REFUSED(-EINVAL, size, ~0ull - 4094);
	REFUSED(-EINVAL, blob_mem, 0);
	REFUSED(-EINVAL, blob_mem, 4);
	REFUSED(-EINVAL, blob_mem, UINT_MAX);
	REFUSED(-EINVAL, blob_flags, 8);
	REFUSED(-EINVAL, blob_flags, 0x80000001);
	REFUSED(-EINVAL, pad, 1);
	/* what only the host's memory has */
	REFUSED(-EINVAL, blob_id, 1);
	REFUSED(-EINVAL, cmd_size, 4);
	if (!gpu_has(self->fd, VIRTGPU_PARAM_CROSS_DEVICE))
		REFUSED(-EINVAL, blob_flags, VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE);
#undef REFUSED

	arg = guest_blob(4096);
	arg.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
	arg.cmd = (uintptr_t)&nop;
	arg.cmd_size = 3;
	EXPECT_EQ(-EINVAL, gpu_create_blob(self->fd, &arg, &bo));
	arg.cmd_size = 4;
	arg.cmd = BAD_POINTER;
	EXPECT_EQ(-EFAULT, gpu_create_blob(self->fd, &arg, &bo));
	EXPECT_EQ(0, gpu_finish(self->fd));
}

/* More than there is: an error, and at once, without trying to find so much. */
TEST_F(gpu, giant_blobs)
{
	uint64_t size = sysconf(_SC_PHYS_PAGES) * 4096ull, start;

	NEED("blobs", VIRTGPU_PARAM_RESOURCE_BLOB);
	while (size *= 4) {
		struct drm_virtgpu_resource_create_blob arg = guest_blob(size);
		struct gpu_bo bo;
		int ret;

		start = kms_now_ns();
		ret = gpu_create_blob(self->fd, &arg, &bo);
		EXPECT_TRUE(ret == -ENOMEM || ret == -EINVAL ||
			    ret == -EFBIG || ret == -ENOSPC || ret == -E2BIG)
			TH_LOG("%llu bytes: %d", (unsigned long long)size, ret);
		EXPECT_GT(AT_ONCE_NS, kms_now_ns() - start)
			TH_LOG("%llu bytes", (unsigned long long)size);
		if (!ret)
			gpu_close(&bo);
	}
	EXPECT_EQ(0, gpu_finish(self->fd));
}

/* --- host blobs --- */

/* Memory of the host by itself, which a venus context can have. */
static int host_memory(int fd, uint64_t size, struct gpu_bo *bo)
{
	struct drm_virtgpu_resource_create_blob arg = guest_blob(size);

	arg.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
	return gpu_create_blob(fd, &arg, bo);
}

#define NEED_VENUS() do {						\
	NEED("window to host memory", VIRTGPU_PARAM_HOST_VISIBLE);	\
	if (!gpu_has_capset(self->fd, CAPSET_VENUS))			\
		SKIP(return, "the host has no venus");			\
	ASSERT_EQ(0, gpu_context(self->fd, CAPSET_VENUS, 1, 0));	\
} while (0)

TEST_F(gpu, host_blob)
{
	struct drm_virtgpu_resource_info info = {};
	const size_t size = 3 << 20;
	char *data = malloc(size);
	struct gpu_bo bo;

	NEED_VENUS();
	ASSERT_EQ(0, host_memory(self->fd, size, &bo));
	info.bo_handle = bo.handle;
	EXPECT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO,
			       &info));
	EXPECT_EQ(VIRTGPU_BLOB_MEM_HOST3D, info.blob_mem);
	EXPECT_EQ(size, info.size);

	ASSERT_EQ(0, gpu_map(&bo));
	gpu_pattern(data, size, 4);
	memcpy(bo.map, data, size);
	EXPECT_EQ(0, memcmp(bo.map, data, size));
	gpu_unmap(&bo);
	ASSERT_EQ(0, gpu_map(&bo));
	EXPECT_EQ(0, memcmp(bo.map, data, size));
	/* there are no pages here to transfer */
	EXPECT_EQ(-EINVAL, gpu_transfer(&bo, true, 0, 0, 16, 1, 0));
	EXPECT_EQ(0, gpu_close(&bo));
	free(data);
}

/* Its beginning may be mapped alone, and mappings outlive the handle. */
TEST_F(gpu, host_blob_mappings)
{
	struct drm_virtgpu_map map = {};
	struct drm_gem_close close_arg = {};
	struct gpu_bo bo;
	char *part;

	NEED_VENUS();
	ASSERT_EQ(0, host_memory(self->fd, 1 << 20, &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	gpu_pattern(bo.map, bo.size, 5);
	map.handle = bo.handle;
	ASSERT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_MAP, &map));
	part = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd,
		    map.offset);
	ASSERT_NE(MAP_FAILED, part);
	EXPECT_EQ(0, memcmp(part, bo.map, 8192));

	close_arg.handle = bo.handle;
	EXPECT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_GEM_CLOSE, &close_arg));
	part[5] = 42;
	EXPECT_EQ(42, ((char *)bo.map)[5]);
	munmap(part, 8192);
	gpu_unmap(&bo);
}

/* It has no pages that could be copied on write. */
TEST_F(gpu, host_blob_is_not_private)
{
	struct drm_virtgpu_map map = {};
	struct gpu_bo bo;

	NEED_VENUS();
	ASSERT_EQ(0, host_memory(self->fd, 1 << 20, &bo));
	map.handle = bo.handle;
	ASSERT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_MAP, &map));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd,
				   map.offset));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, gpu_map(&bo));
	EXPECT_EQ(0, gpu_close(&bo));
}

/* Two huge pages of the guest's are two faults where the address allows it. */
TEST_F(gpu, host_blob_huge_pages)
{
	const size_t huge = 2 << 20, size = 2 * huge;
	struct drm_virtgpu_map map = {};
	struct rusage before, after;
	struct gpu_bo bo;
	uintptr_t room;
	char *data;

	NEED_VENUS();
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		SKIP(return, "the kernel has no huge pages");
	ASSERT_EQ(0, host_memory(self->fd, size, &bo));
	map.handle = bo.handle;
	ASSERT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_MAP, &map));

	room = (uintptr_t)mmap(NULL, size + huge, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE((uintptr_t)MAP_FAILED, room);
	data = mmap((void *)((room + huge - 1) & ~(huge - 1)), size,
		    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, self->fd,
		    map.offset);
	ASSERT_NE(MAP_FAILED, data);

	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < size; i += 4096)
		data[i] = i >> 12;
	getrusage(RUSAGE_SELF, &after);
	for (size_t i = 0; i < size; i += 4096)
		ASSERT_EQ((char)(i >> 12), data[i]);
	TH_LOG("%ld faults", after.ru_minflt - before.ru_minflt);
	EXPECT_GE(4, after.ru_minflt - before.ru_minflt);
	munmap((void *)room, size + huge);
	EXPECT_EQ(0, gpu_close(&bo));
}

/* One that is not mappable says so. */
TEST_F(gpu, host_blob_without_mapping)
{
	struct drm_virtgpu_resource_create_blob arg = guest_blob(1 << 20);
	struct gpu_bo bo;
	int ret;

	NEED_VENUS();
	arg.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
	arg.blob_flags = VIRTGPU_BLOB_FLAG_USE_SHAREABLE;
	if (gpu_create_blob(self->fd, &arg, &bo))
		return;		/* the host may not have such memory */
	ret = gpu_map(&bo);
	EXPECT_TRUE(ret == -EINVAL || ret == -EPERM || ret == -EACCES)
		TH_LOG("%d", ret);
	EXPECT_EQ(0, gpu_close(&bo));
}

/* More than fits the window: what was written stays, whichever is in it. */
TEST_F_TIMEOUT(gpu, more_than_the_window, LONG_TEST)
{
	enum { COUNT = 12 };
	const size_t size = 64 << 20;
	struct gpu_bo bos[COUNT];

	NEED_VENUS();
	for (int i = 0; i < COUNT; i++) {
		ASSERT_EQ(0, host_memory(self->fd, size, &bos[i]));
		ASSERT_EQ(0, gpu_map(&bos[i]));
		*(volatile uint32_t *)bos[i].map = 100 + i;
		*(volatile uint32_t *)(bos[i].map + size - 4) = 200 + i;
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < COUNT; i++) {
			void *p = bos[i].map;

			EXPECT_EQ(100 + i, *(volatile uint32_t *)p);
			EXPECT_EQ(200 + i, *(volatile uint32_t *)(p + size - 4));
		}
	}
	for (int i = 0; i < COUNT; i++) {
		EXPECT_EQ(0, gpu_close(&bos[i]));
	}
}

/* A virgl buffer as a blob: made by the command that comes with it. */
static int virgl_blob(int fd, uint32_t size, uint32_t id, struct gpu_bo *bo)
{
	const uint32_t command[] = {
		VIRGL_PIPE_RESOURCE_CREATE | 11 << 16,
		TARGET_BUFFER, FORMAT_R8, BIND_VERTEX_BUFFER, size, 1, 1, 1,
		0, 0, VIRGL_MAP_PERSISTENT | VIRGL_MAP_COHERENT, id,
	};
	struct drm_virtgpu_resource_create_blob arg = guest_blob(size);

	arg.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
	arg.blob_id = id;
	arg.cmd = (uintptr_t)command;
	arg.cmd_size = sizeof(command);
	return gpu_create_blob(fd, &arg, bo);
}

/* From the beginning of one buffer into another. */
static void copy_region(uint32_t *to, const struct gpu_bo *dst, uint32_t offset,
			const struct gpu_bo *src, uint32_t size)
{
	const uint32_t command[] = {
		VIRGL_RESOURCE_COPY_REGION | 13 << 16,
		dst->res, 0, offset, 0, 0,
		src->res, 0, 0, 0, 0, size, 1, 1,
	};

	memcpy(to, command, sizeof(command));
}

/* The memory that the program sees is the one that commands write. */
TEST_F(gpu, virgl_blob)
{
	uint32_t stream[GPU_INLINE_HEADER + 64 + 14], data[64];
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	struct gpu_bo bo, from;
	int fence;

	NEED("window to host memory", VIRTGPU_PARAM_HOST_VISIBLE);
	ASSERT_EQ(0, virgl_blob(self->fd, 1 << 20, 1, &bo));
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &from));
	ASSERT_EQ(0, gpu_map(&bo));
	memset(bo.map, 0x55, bo.size);
	gpu_pattern(data, sizeof(data), 6);
	copy_region(stream + gpu_inline_write(stream, &from, 0, data,
					      sizeof(data)),
		    &bo, 8192, &from, sizeof(data));
	arg.command = (uintptr_t)stream;
	arg.size = sizeof(stream);
	arg.bo_handles = (uintptr_t)&bo.handle;
	arg.num_bo_handles = 1;
	ASSERT_EQ(0, gpu_exec_fence(self->fd, &arg, &fence));
	EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
	close(fence);
	EXPECT_EQ(0, memcmp(bo.map + 8192, data, sizeof(data)));
	EXPECT_EQ(0x55, *(uint8_t *)(bo.map + 8191));
	EXPECT_EQ(0x55, *(uint8_t *)(bo.map + 8192 + sizeof(data)));
	EXPECT_EQ(0, gpu_close(&bo));
	EXPECT_EQ(0, gpu_close(&from));
}

/*
 * The host's object with pages here, which the program maps. What transfers do
 * with it is the host's to say: virglrenderer wants to be told a type first.
 */
TEST_F(gpu, virgl_blob_with_guest_pages)
{
	const uint32_t size = 64 << 10;
	const uint32_t command[] = {
		VIRGL_PIPE_RESOURCE_CREATE | 11 << 16,
		TARGET_BUFFER, FORMAT_R8, BIND_VERTEX_BUFFER, size, 1, 1, 1,
		0, 0, 0, 5,
	};
	struct drm_virtgpu_resource_create_blob arg = guest_blob(size);
	struct drm_virtgpu_resource_info info = {};
	char *data = malloc(size);
	struct gpu_bo bo;

	NEED("blobs", VIRTGPU_PARAM_RESOURCE_BLOB);
	ASSERT_TRUE(data);
	arg.blob_mem = VIRTGPU_BLOB_MEM_HOST3D_GUEST;
	arg.blob_id = 5;
	arg.cmd = (uintptr_t)command;
	arg.cmd_size = sizeof(command);
	ASSERT_EQ(0, gpu_create_blob(self->fd, &arg, &bo));
	ASSERT_EQ(0, gpu_finish(self->fd));
	/* would be the host's refusal, if it had refused it */
	info.bo_handle = bo.handle;
	EXPECT_EQ(0, kms_ioctl(self->fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO,
			       &info));
	EXPECT_EQ(VIRTGPU_BLOB_MEM_HOST3D_GUEST, info.blob_mem);

	ASSERT_EQ(0, gpu_map(&bo));
	gpu_pattern(data, size, 8);
	memcpy(bo.map, data, size);
	EXPECT_EQ(0, gpu_transfer(&bo, true, 0, 0, size, 1, 0));
	EXPECT_EQ(0, gpu_wait(&bo, 0));
	EXPECT_EQ(0, memcmp(bo.map, data, size));
	EXPECT_EQ(0, gpu_close(&bo));
	free(data);
}

/* The structure as newer kernels have it; older ones read the first part. */
struct hinted_blob {
	struct drm_virtgpu_resource_create_blob blob;
	uint32_t hints;
	uint32_t pad;
};

#define DEFER_MAPPING	1

static int deferred_memory(int fd, uint64_t size, struct gpu_bo *bo)
{
	struct hinted_blob arg = {
		.blob = guest_blob(size), .hints = DEFER_MAPPING,
	};
	int ret;

	arg.blob.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
	ret = kms_ioctl(fd, DRM_IOWR(DRM_COMMAND_BASE +
				     DRM_VIRTGPU_RESOURCE_CREATE_BLOB,
				     struct hinted_blob), &arg);
	*bo = (struct gpu_bo) {
		.fd = fd, .handle = arg.blob.bo_handle,
		.res = arg.blob.res_handle, .size = size,
	};
	return ret;
}

/* Memory whose mapping may come late is the same memory. */
TEST_F(gpu, deferred_mapping)
{
	struct gpu_bo bo;
	uint32_t *p;

	NEED_VENUS();
	ASSERT_EQ(0, deferred_memory(self->fd, 1 << 20, &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	p = bo.map;
	p[1000] = 77;
	gpu_unmap(&bo);
	ASSERT_EQ(0, gpu_map(&bo));
	p = bo.map;
	EXPECT_EQ(77, p[1000]);
	EXPECT_EQ(0, gpu_close(&bo));
}

/* A blob id that the context does not know: an error that the program sees. */
TEST_F(gpu, unknown_blob_id)
{
	struct drm_virtgpu_resource_create_blob arg = guest_blob(4096);
	struct gpu_bo bo;
	int ret;

	NEED("window to host memory", VIRTGPU_PARAM_HOST_VISIBLE);
	arg.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
	arg.blob_id = 0xdeadbeef;
	ret = gpu_create_blob(self->fd, &arg, &bo);
	if (!ret) {
		struct drm_virtgpu_execbuffer exec = gpu_nop();

		/* The answer is there when what follows has been done. */
		EXPECT_EQ(0, gpu_finish(self->fd));
		exec.bo_handles = (uintptr_t)&bo.handle;
		exec.num_bo_handles = 1;
		ret = gpu_exec(self->fd, &exec);
		EXPECT_EQ(0, gpu_close(&bo));
	}
	EXPECT_GT(0, ret);
	EXPECT_EQ(0, gpu_finish(self->fd));
}

/* --- very many --- */

TEST_F_TIMEOUT(gpu, thousands, LONG_TEST)
{
	enum { COUNT = 3000 };
	struct gpu_bo *bos = calloc(COUNT, sizeof(*bos));

	ASSERT_TRUE(bos);
	for (int i = 0; i < COUNT; i++) {
		ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &bos[i]));
	}
	EXPECT_EQ(0, gpu_wait(&bos[COUNT - 1], 0));
	/* every other one by the program, the rest by the end of the file */
	for (int i = 0; i < COUNT; i += 2) {
		EXPECT_EQ(0, gpu_close(&bos[i]));
	}
	free(bos);
}

/* Handles come back: more in a row than there are at a time. */
TEST_F_TIMEOUT(gpu, one_after_the_other, LONG_TEST)
{
	struct gpu_bo bo;
	uint32_t first = 0, highest = 0;

	for (int i = 0; i < 3000; i++) {
		ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &bo));
		first = first ?: bo.handle;
		highest = bo.handle > highest ? bo.handle : highest;
		ASSERT_EQ(0, gpu_close(&bo));
	}
	EXPECT_EQ(first, highest);
}

/* A file that is closed with all of that under way leaves nothing. */
TEST_F_TIMEOUT(gpu, closed_in_flight, LONG_TEST)
{
	for (int i = 0; i < 20; i++) {
		int fd = gpu_open();

		ASSERT_LE(0, fd);
		for (int n = 0; n < 20; n++) {
			struct drm_virtgpu_execbuffer arg = gpu_nop();
			struct gpu_bo bo;

			ASSERT_EQ(0, gpu_buffer(fd, 256 << 10, &bo));
			ASSERT_EQ(0, gpu_transfer(&bo, true, 0, 0, bo.size, 1,
						  0));
			arg.bo_handles = (uintptr_t)&bo.handle;
			arg.num_bo_handles = 1;
			ASSERT_EQ(0, gpu_exec(fd, &arg));
			ASSERT_EQ(0, gpu_transfer(&bo, false, 0, 0, bo.size, 1,
						  0));
		}
		close(fd);
	}
	EXPECT_EQ(self->resources,
		  gpu_stat_wait("resources", self->resources));
}

TEST_HARNESS_MAIN
