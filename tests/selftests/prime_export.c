// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Export: what an importer in the kernel is given of this device's buffers.
 */
#include "display.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "gpu.h"
#include "share.h"

#define DYNAMIC	VIRTGPU_TEST_IMPORT_DYNAMIC
#define VMAP	VIRTGPU_TEST_ACCESS_VMAP
#define SMALL	65536

static uint64_t sum(const uint32_t *lengths, int n)
{
	uint64_t bytes = 0;

	for (int i = 0; i < n; i++)
		bytes += lengths[i];
	return bytes;
}

/* Nobody copies what an importer writes back from a bounce buffer. */
static bool bounced(void)
{
	char line[4096] = "";
	FILE *f = fopen("/proc/cmdline", "r");

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	return strstr(line, "swiotlb=force");
}

/* The buffer's content as an importer sees it, and what the importer writes. */
static void check_content(struct __test_metadata *_metadata, int fd,
			  uint32_t *map, uint64_t size, unsigned int flags)
{
	uint32_t *data = malloc(size), *lengths = calloc(size / 4096, 4), id;
	int n;

	ASSERT_TRUE(data && lengths);
	gpu_pattern(map, size, 5);
	ASSERT_EQ(0, module_import(fd, flags, &id));
	n = module_map(id, lengths, size / 4096, NULL);
	ASSERT_LT(0, n);
	EXPECT_EQ(size, sum(lengths, n));
	EXPECT_EQ(0, module_read(id, 0, data, size, 0));
	EXPECT_EQ(0, memcmp(data, map, size));
	data[0] = ~data[0];
	EXPECT_EQ(0, module_write(id, size / 2, data, 4, 0));
	if (!bounced()) {
		EXPECT_EQ(data[0], map[size / 8]);
	}
	EXPECT_EQ(0, module_detach(id));
	free(lengths);
	free(data);
}

TEST_F(display, pages)
{
	int fd;

	NEED_MODULE();
	ASSERT_EQ(0, dmabuf_export(self->k.fd, self->fb.handle, &fd));
	check_content(_metadata, fd, self->fb.map, self->fb.size, DYNAMIC);
	check_content(_metadata, fd, self->fb.map, self->fb.size, 0);
	close(fd);
}

TEST_F(display, vmap)
{
	uint32_t data[64], id;
	int fd;

	NEED_MODULE();
	ASSERT_EQ(0, dmabuf_export(self->k.fd, self->fb.handle, &fd));
	ASSERT_EQ(0, module_import(fd, DYNAMIC, &id));
	ASSERT_EQ(0, module_read(id, 4096, data, sizeof(data), VMAP));
	EXPECT_EQ(0, memcmp(data, (char *)self->fb.map + 4096, sizeof(data)));
	data[0] = 0xfeed;
	ASSERT_EQ(0, module_write(id, 8192, data, 4, VMAP));
	EXPECT_EQ(0xfeed, ((uint32_t *)self->fb.map)[2048]);
	EXPECT_EQ(0, module_detach(id));
	close(fd);
}

/* The importer keeps the memory when all else is gone. */
TEST_F(display, importer_outlives_the_buffer)
{
	uint32_t data[64], id;
	struct kms_fb b;
	int fd;

	NEED_MODULE();
	ASSERT_EQ(0, kms_fb_create(&self->k, 64, 64, DRM_FORMAT_XRGB8888, &b));
	kms_fb_fill(&b, 0xabcdef);
	ASSERT_EQ(0, dmabuf_export(self->k.fd, b.handle, &fd));
	ASSERT_EQ(0, module_import(fd, DYNAMIC, &id));
	ASSERT_LT(0, module_map(id, NULL, 0, NULL));
	close(fd);
	kms_fb_destroy(&b);
	EXPECT_EQ(0, module_read(id, 4096, data, sizeof(data), 0));
	EXPECT_EQ(0xffabcdef, data[63]);
	EXPECT_EQ(0, module_detach(id));
}

/* A file that is not for writing cannot be written by. */
TEST_F(display, read_only)
{
	struct drm_prime_handle arg = {
		.handle = self->fb.handle, .flags = DRM_CLOEXEC,
	};
	void *map;

	ASSERT_EQ(0, kms_ioctl(self->k.fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &arg));
	map = mmap(NULL, self->fb.size, PROT_WRITE, MAP_SHARED, arg.fd, 0);
	EXPECT_EQ(MAP_FAILED, map);
	EXPECT_EQ(EACCES, errno);
	map = mmap(NULL, self->fb.size, PROT_READ, MAP_SHARED, arg.fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, memcmp(map, self->fb.map, self->fb.size));
	munmap(map, self->fb.size);
	close(arg.fd);
}

/* --- blobs --- */

static int blob(int fd, uint32_t mem, uint32_t flags, struct gpu_bo *bo)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = mem, .blob_flags = flags, .size = SMALL,
	};

	return gpu_create_blob(fd, &arg, bo);
}

TEST_F(display, guest_blob)
{
	int card = gpu_open(), fd;
	struct gpu_bo bo;

	NEED_MODULE();
	ASSERT_LE(0, card);
	if (!gpu_has(card, VIRTGPU_PARAM_RESOURCE_BLOB)) {
		close(card);
		SKIP(return, "the host has no blobs");
	}
	ASSERT_EQ(0, blob(card, VIRTGPU_BLOB_MEM_GUEST,
			  VIRTGPU_BLOB_FLAG_USE_MAPPABLE |
			  VIRTGPU_BLOB_FLAG_USE_SHAREABLE, &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	ASSERT_EQ(0, dmabuf_export(card, bo.handle, &fd));
	check_content(_metadata, fd, bo.map, SMALL, DYNAMIC);
	close(fd);
	EXPECT_EQ(0, gpu_close(&bo));
	close(card);
}

/* Memory of the host: the importer is given its place in the window. */
TEST_F(display, host_blob)
{
	uint32_t lengths[2], id, data[SMALL / 4];
	int card = gpu_open(), fd;
	struct gpu_bo bo;

	NEED_MODULE();
	ASSERT_LE(0, card);
	if (!gpu_has(card, VIRTGPU_PARAM_HOST_VISIBLE) ||
	    !gpu_has_capset(card, CAPSET_VENUS)) {
		close(card);
		SKIP(return, "the host shows no memory of its own");
	}
	ASSERT_EQ(0, gpu_context(card, CAPSET_VENUS, 1, 0));
	ASSERT_EQ(0, blob(card, VIRTGPU_BLOB_MEM_HOST3D,
			  VIRTGPU_BLOB_FLAG_USE_MAPPABLE |
			  VIRTGPU_BLOB_FLAG_USE_SHAREABLE, &bo));
	if (gpu_map(&bo) == -EREMOTEIO) {
		close(card);
		SKIP(return, "the host makes such memory for Vulkan only");
	}
	ASSERT_TRUE(bo.map);
	gpu_pattern(bo.map, SMALL, 7);
	ASSERT_EQ(0, dmabuf_export(card, bo.handle, &fd));
	ASSERT_EQ(0, module_import(fd, DYNAMIC, &id));
	ASSERT_EQ(1, module_map(id, lengths, 2, NULL));
	EXPECT_EQ(SMALL, lengths[0]);
	ASSERT_EQ(0, module_read(id, 0, data, SMALL, 0));
	EXPECT_EQ(0, memcmp(data, bo.map, SMALL));
	EXPECT_EQ(0, module_detach(id));
	close(fd);
	EXPECT_EQ(0, gpu_close(&bo));
	close(card);
}

TEST_HARNESS_MAIN
