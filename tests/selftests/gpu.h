/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests of the 3D ioctls share: contexts, submissions, buffers,
 * fences with time limits, and the driver's own counts.
 *
 * Every function that can fail returns 0 or a negative errno.
 */
#ifndef TESTS_GPU_H
#define TESTS_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <drm/virtgpu_drm.h>

#include "kms.h"

/* Newer than the headers of some systems. */
#ifndef VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME
#define VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME	8
#endif
#ifndef VIRTGPU_PARAM_BLOB_ALIGNMENT
#define VIRTGPU_PARAM_BLOB_ALIGNMENT		9
#endif
#ifndef VIRTGPU_CONTEXT_PARAM_DEBUG_NAME
#define VIRTGPU_CONTEXT_PARAM_DEBUG_NAME	4
#endif

#define CAPSET_VIRGL	1
#define CAPSET_VIRGL2	2
#define CAPSET_VENUS	4

/* Gallium's, which the virgl protocol uses */
#define TARGET_BUFFER		0
#define TARGET_TEXTURE_2D	2
#define FORMAT_BGRA		1
#define FORMAT_R8		64
#define BIND_RENDER_TARGET	(1 << 1)
#define BIND_SAMPLER_VIEW	(1 << 3)
#define BIND_VERTEX_BUFFER	(1 << 4)

#define BAD_POINTER	8	/* in the page that nobody can map */

int gpu_open(void);
int gpu_getparam(int fd, uint64_t param, uint64_t *value);
bool gpu_has(int fd, uint64_t param);
bool gpu_has_capset(int fd, unsigned int id);
int gpu_context_init(int fd, const struct drm_virtgpu_context_set_param *params,
		     uint32_t count);
int gpu_context(int fd, uint64_t capset, uint64_t rings, uint64_t poll_mask);

struct drm_virtgpu_execbuffer gpu_nop(void);
int gpu_exec(int fd, struct drm_virtgpu_execbuffer *arg);
int gpu_exec_fence(int fd, struct drm_virtgpu_execbuffer *arg, int *fence);
int gpu_finish(int fd);

int gpu_fence_wait(int fence, int timeout_ms);
int gpu_fence_status(int fence);
bool gpu_syncobj_has_fence(int fd, uint32_t syncobj);

/**
 * struct gpu_bo - a buffer object; @map is NULL until gpu_map()
 */
struct gpu_bo {
	int fd;
	uint32_t handle;
	uint32_t res;
	uint64_t size;
	void *map;
};

int gpu_create(int fd, struct drm_virtgpu_resource_create *arg,
	       struct gpu_bo *bo);
int gpu_create_blob(int fd, struct drm_virtgpu_resource_create_blob *arg,
		    struct gpu_bo *bo);
int gpu_buffer(int fd, uint32_t size, struct gpu_bo *bo);
int gpu_texture(int fd, uint32_t width, uint32_t height, struct gpu_bo *bo);
int gpu_map(struct gpu_bo *bo);
void gpu_unmap(struct gpu_bo *bo);
int gpu_close(struct gpu_bo *bo);
int gpu_wait(const struct gpu_bo *bo, uint32_t flags);
int gpu_transfer(const struct gpu_bo *bo, bool to_host, uint32_t x, uint32_t y,
		 uint32_t width, uint32_t height, uint32_t offset);

void gpu_pattern(void *to, size_t size, uint32_t seed);

size_t gpu_inline_write(uint32_t *to, const struct gpu_bo *bo, uint32_t offset,
			const void *data, uint32_t size);

/* Words of gpu_inline_write() before the data. */
#define GPU_INLINE_HEADER	12

int gpu_stat(const char *name);
int gpu_stat_wait(const char *name, int want);
int gpu_open_fds(void);
bool gpu_slab_is_exact(void);
long gpu_slab_objects(void);

#endif
