// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "gpu.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/sync_file.h>

/* Of the virgl protocol: a header word is command, object << 8, words << 16 */
#define VIRGL_INLINE_WRITE	9

/* A render node of the driver, as programs open it. */
int gpu_open(void)
{
	return kms_open_node(DRM_NODE_RENDER, NULL);
}

/* The kernel writes an int, or eight bytes where the value needs them. */
int gpu_getparam(int fd, uint64_t param, uint64_t *value)
{
	struct drm_virtgpu_getparam arg = {
		.param = param, .value = (uintptr_t)value,
	};

	*value = 0;
	return kms_ioctl(fd, DRM_IOCTL_VIRTGPU_GETPARAM, &arg);
}

bool gpu_has(int fd, uint64_t param)
{
	uint64_t value;

	return !gpu_getparam(fd, param, &value) && value;
}

bool gpu_has_capset(int fd, unsigned int id)
{
	uint64_t mask;

	return !gpu_getparam(fd, VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs, &mask) &&
	       mask >> id & 1;
}

/* --- contexts --- */

int gpu_context_init(int fd, const struct drm_virtgpu_context_set_param *params,
		     uint32_t count)
{
	struct drm_virtgpu_context_init arg = {
		.num_params = count, .ctx_set_params = (uintptr_t)params,
	};

	return kms_ioctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &arg);
}

/*
 * gpu_context - make the file's context
 * @rings: how many, or 0 not to say
 * @poll_mask: rings whose fences are events, or 0 not to say
 */
int gpu_context(int fd, uint64_t capset, uint64_t rings, uint64_t poll_mask)
{
	struct drm_virtgpu_context_set_param params[3] = {
		{ VIRTGPU_CONTEXT_PARAM_CAPSET_ID, capset },
	};
	uint32_t n = 1;

	if (rings)
		params[n++] = (struct drm_virtgpu_context_set_param) {
			VIRTGPU_CONTEXT_PARAM_NUM_RINGS, rings };
	if (poll_mask)
		params[n++] = (struct drm_virtgpu_context_set_param) {
			VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, poll_mask };
	return gpu_context_init(fd, params, n);
}

/* --- submissions --- */

static const uint32_t nop;

/* A submission to a virgl context that does nothing. */
struct drm_virtgpu_execbuffer gpu_nop(void)
{
	return (struct drm_virtgpu_execbuffer) {
		.command = (uintptr_t)&nop, .size = sizeof(nop), .fence_fd = -1,
	};
}

int gpu_exec(int fd, struct drm_virtgpu_execbuffer *arg)
{
	return kms_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, arg);
}

/* Submits, and takes the fence that it ends with. */
int gpu_exec_fence(int fd, struct drm_virtgpu_execbuffer *arg, int *fence)
{
	int ret;

	arg->flags |= VIRTGPU_EXECBUF_FENCE_FD_OUT;
	ret = gpu_exec(fd, arg);
	*fence = ret ? -1 : arg->fence_fd;
	return ret;
}

/* All that a file's virgl context was given has been done by the host. */
int gpu_finish(int fd)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	int fence, ret = gpu_exec_fence(fd, &arg, &fence);

	if (ret)
		return ret;
	ret = gpu_fence_wait(fence, KMS_WAIT_MS);
	close(fence);
	return ret;
}

/* --- fences --- */

/* Returns: 0, -ETIME, or the error that the fence signalled with. */
int gpu_fence_wait(int fence, int timeout_ms)
{
	struct pollfd p = { .fd = fence, .events = POLLIN };
	int ret = poll(&p, 1, timeout_ms);

	if (ret < 0)
		return -errno;
	if (!ret)
		return -ETIME;
	ret = gpu_fence_status(fence);
	return ret < 0 ? ret : 0;
}

/* Returns: 1 when signalled, 0 when not, or the error it signalled with. */
int gpu_fence_status(int fence)
{
	struct sync_file_info info = {};
	int ret = kms_ioctl(fence, SYNC_IOC_FILE_INFO, &info);

	return ret ?: info.status;
}

bool gpu_syncobj_has_fence(int fd, uint32_t syncobj)
{
	int sync_file;

	if (drmSyncobjExportSyncFile(fd, syncobj, &sync_file))
		return false;
	close(sync_file);
	return true;
}

/* --- buffer objects --- */

int gpu_create(int fd, struct drm_virtgpu_resource_create *arg,
	       struct gpu_bo *bo)
{
	int ret = kms_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, arg);

	*bo = (struct gpu_bo) {
		.fd = fd, .handle = arg->bo_handle, .res = arg->res_handle,
		.size = arg->size,
	};
	return ret;
}

int gpu_create_blob(int fd, struct drm_virtgpu_resource_create_blob *arg,
		    struct gpu_bo *bo)
{
	int ret = kms_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, arg);

	*bo = (struct gpu_bo) {
		.fd = fd, .handle = arg->bo_handle, .res = arg->res_handle,
		.size = arg->size,
	};
	return ret;
}

int gpu_buffer(int fd, uint32_t size, struct gpu_bo *bo)
{
	struct drm_virtgpu_resource_create arg = {
		.target = TARGET_BUFFER, .format = FORMAT_R8,
		.bind = BIND_VERTEX_BUFFER, .width = size, .height = 1,
		.depth = 1, .array_size = 1, .size = size,
	};

	return gpu_create(fd, &arg, bo);
}

/* Four bytes a pixel, rows without gaps. */
int gpu_texture(int fd, uint32_t width, uint32_t height, struct gpu_bo *bo)
{
	struct drm_virtgpu_resource_create arg = {
		.target = TARGET_TEXTURE_2D, .format = FORMAT_BGRA,
		.bind = BIND_SAMPLER_VIEW | BIND_RENDER_TARGET, .width = width,
		.height = height, .depth = 1, .array_size = 1,
		.size = width * height * 4,
	};

	return gpu_create(fd, &arg, bo);
}

int gpu_map(struct gpu_bo *bo)
{
	struct drm_virtgpu_map arg = { .handle = bo->handle };
	int ret = kms_ioctl(bo->fd, DRM_IOCTL_VIRTGPU_MAP, &arg);
	void *map;

	if (ret)
		return ret;
	map = mmap(NULL, bo->size, PROT_READ | PROT_WRITE, MAP_SHARED, bo->fd,
		   arg.offset);
	if (map == MAP_FAILED)
		return -errno;
	bo->map = map;
	return 0;
}

void gpu_unmap(struct gpu_bo *bo)
{
	if (bo->map)
		munmap(bo->map, bo->size);
	bo->map = NULL;
}

int gpu_close(struct gpu_bo *bo)
{
	struct drm_gem_close arg = { .handle = bo->handle };

	gpu_unmap(bo);
	return kms_ioctl(bo->fd, DRM_IOCTL_GEM_CLOSE, &arg);
}

int gpu_wait(const struct gpu_bo *bo, uint32_t flags)
{
	struct drm_virtgpu_3d_wait arg = {
		.handle = bo->handle, .flags = flags,
	};

	return kms_ioctl(bo->fd, DRM_IOCTL_VIRTGPU_WAIT, &arg);
}

/* Between the object's pages, from @offset on, and a box of the resource. */
int gpu_transfer(const struct gpu_bo *bo, bool to_host, uint32_t x, uint32_t y,
		 uint32_t width, uint32_t height, uint32_t offset)
{
	struct drm_virtgpu_3d_transfer_to_host to = {
		.bo_handle = bo->handle, .offset = offset,
		.box = { .x = x, .y = y, .w = width, .h = height, .d = 1 },
	};
	struct drm_virtgpu_3d_transfer_from_host from = {
		.bo_handle = bo->handle, .offset = offset, .box = to.box,
	};

	if (to_host)
		return kms_ioctl(bo->fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST,
				 &to);
	return kms_ioctl(bo->fd, DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST, &from);
}

/* Words of which no two runs are alike; @size is a multiple of four. */
void gpu_pattern(void *to, size_t size, uint32_t seed)
{
	uint32_t *p = to, x = seed * 2654435761u + 1;

	for (size_t i = 0; i < size / 4; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = x;
	}
}

/*
 * gpu_inline_write - a command that carries its data with it
 * @to: room for GPU_INLINE_HEADER words and the data
 * @offset: in the buffer @bo, in bytes
 * @size: of the data in bytes, a multiple of four
 *
 * Returns: words written.
 */
size_t gpu_inline_write(uint32_t *to, const struct gpu_bo *bo, uint32_t offset,
			const void *data, uint32_t size)
{
	uint32_t words = GPU_INLINE_HEADER + size / 4;
	const uint32_t head[GPU_INLINE_HEADER] = {
		VIRGL_INLINE_WRITE | (words - 1) << 16, bo->res,
		0, 0, 0, 0,	/* level, usage, stride, layer stride */
		offset, 0, 0, size, 1, 1,
	};

	memcpy(to, head, sizeof(head));
	memcpy(to + GPU_INLINE_HEADER, data, size);
	return words;
}

/* --- what the driver and the kernel count --- */

/*
 * gpu_stat - a number of the driver's file in debugfs: "resources", "errors"
 *
 * Returns: the number, or -ENOENT when the driver has no such file.
 */
int gpu_stat(const char *name)
{
	char line[256];
	int value = -ENOENT;
	size_t len = strlen(name);
	glob_t found;
	FILE *f = NULL;

	if (!glob("/sys/kernel/debug/dri/*/virtgpu_queues", 0, NULL, &found)) {
		f = fopen(found.gl_pathv[0], "r");
		globfree(&found);
	}
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, len) && line[len] == ':')
			value = atoi(line + len + 1);
	}
	if (f)
		fclose(f);
	return value;
}

/*
 * gpu_stat_wait - a count is what it should be, soon
 *
 * What is closed goes when the host has answered.
 *
 * Returns: the number at the end, to be compared with @want.
 */
int gpu_stat_wait(const char *name, int want)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;
	int value = gpu_stat(name);

	while (value != want && kms_now_ns() < end) {
		usleep(10000);
		value = gpu_stat(name);
	}
	return value;
}

/* Number of file descriptors of this process. */
int gpu_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (!dir)
		return -errno;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* KASAN keeps for a while what is freed; such a kernel has kmemleak, which tells more. */
bool gpu_slab_is_exact(void)
{
	return slow() == 1;
}

/* Objects of the driver's own caches and of kmalloc, all sizes together. */
long gpu_slab_objects(void)
{
	char line[512], name[64];
	long sum = 0, active;
	FILE *f = fopen("/proc/slabinfo", "r");

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %ld", name, &active) != 2)
			continue;
		if (!strncmp(name, "virtgpu", 7) ||
		    !strncmp(name, "kmalloc-", 8))
			sum += active;
	}
	fclose(f);
	return sum;
}
