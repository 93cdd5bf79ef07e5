// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Eight programs at a time that submit, map, transfer, wait and close, some
 * of them killed in the middle. Afterwards nothing of them is left.
 */
#include <errno.h>
#include <signal.h>

#include "gpu_test.h"

#define PROGRAMS	8
#define SECONDS		60
#define BOS		16

/**
 * struct worker - one program: a file, its objects, its own random numbers
 */
struct worker {
	int fd;
	uint32_t random;
	int shared;		/* sync file of the last submission, or -1 */
	struct gpu_bo bos[BOS];
};

static uint32_t pick(struct worker *w, uint32_t n)
{
	w->random = w->random * 1664525 + 1013904223;
	return (w->random >> 8) % n;
}

static struct gpu_bo *some_bo(struct worker *w)
{
	return &w->bos[pick(w, BOS)];
}

static int make(struct worker *w, struct gpu_bo *bo)
{
	struct drm_virtgpu_resource_create_blob blob = {
		.blob_mem = VIRTGPU_BLOB_MEM_GUEST,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
		.size = 4096 << pick(w, 6),
	};
	int ret;

	switch (pick(w, 3)) {
	case 0:
		ret = gpu_texture(w->fd, 16 + pick(w, 200), 16 + pick(w, 200),
				  bo);
		break;
	case 1:
		if (gpu_has(w->fd, VIRTGPU_PARAM_RESOURCE_BLOB)) {
			ret = gpu_create_blob(w->fd, &blob, bo);
			break;
		}
		/* fall through */
	default:
		ret = gpu_buffer(w->fd, 4096 << pick(w, 8), bo);
		break;
	}
	if (ret)
		bo->handle = 0;
	return ret;
}

static int replace(struct worker *w, struct gpu_bo *bo)
{
	int ret = bo->handle ? gpu_close(bo) : 0;

	return ret ?: make(w, bo);
}

/* Writes and reads the memory, perhaps while the host works on it. */
static int touch(struct worker *w, struct gpu_bo *bo)
{
	int ret = bo->map ? 0 : gpu_map(bo);

	if (ret)
		return ret;
	gpu_pattern(bo->map, 4096, pick(w, 1000));
	if (!pick(w, 4))
		gpu_unmap(bo);
	return 0;
}

/* With some of the objects, after the last submission, with a fence. */
static int submit(struct worker *w)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	uint32_t handles[BOS], n = 0;
	int fence, ret;

	for (int i = 0; i < BOS; i++) {
		if (w->bos[i].handle && pick(w, 2))
			handles[n++] = w->bos[i].handle;
	}
	arg.bo_handles = (uintptr_t)handles;
	arg.num_bo_handles = n;
	if (w->shared >= 0 && pick(w, 2)) {
		arg.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
		arg.fence_fd = w->shared;
	}
	ret = gpu_exec_fence(w->fd, &arg, &fence);
	if (ret)
		return ret;
	if (w->shared >= 0)
		close(w->shared);
	w->shared = fence;
	return 0;
}

static int act(struct worker *w)
{
	struct gpu_bo *bo = some_bo(w);

	switch (bo->handle ? pick(w, 8) : 0) {
	case 0:
		return replace(w, bo);
	case 1:
	case 2:
		return touch(w, bo);
	case 3:
		return gpu_transfer(bo, true, 0, 0, 16, 1, 0);
	case 4:
		return gpu_transfer(bo, false, 0, 0, 16, 1, 0);
	case 5:
		return pick(w, 8) ? 0 : gpu_wait(bo, 0);
	default:
		return submit(w);
	}
}

/* Returns: 0, or the first error that anything had. */
static int work(uint32_t seed, uint64_t end)
{
	struct worker w = { .random = seed, .shared = -1 };
	int ret = 0;

	while (!ret && kms_now_ns() < end) {
		w.fd = gpu_open();
		if (w.fd < 0)
			return w.fd;
		for (int i = 0; i < 400 && !ret && kms_now_ns() < end; i++)
			ret = act(&w);
		for (int i = 0; i < BOS; i++)
			gpu_unmap(&w.bos[i]);
		memset(w.bos, 0, sizeof(w.bos));
		close(w.fd);
	}
	if (ret)
		fprintf(stderr, "# program %u: %s\n", seed, strerror(-ret));
	return ret;
}

static pid_t start(uint32_t seed, uint64_t end)
{
	pid_t child = fork();

	if (!child)
		_exit(work(seed, end) ? 1 : 0);
	return child;
}

/* The last two programs are killed and started again, all the time. */
TEST_F_TIMEOUT(gpu, stress, LONG_TEST)
{
	uint64_t end = kms_now_ns() + SECONDS * 1000000000ULL;
	pid_t children[PROGRAMS];
	int status, killed = 0;

	for (int i = 0; i < PROGRAMS; i++) {
		children[i] = start(i, end);
		ASSERT_LE(0, children[i]);
	}
	while (kms_now_ns() + 500000000 < end) {
		pid_t *child = &children[PROGRAMS - 1 - killed % 2];

		usleep(300000);
		EXPECT_EQ(0, kill(*child, SIGKILL));
		EXPECT_EQ(*child, waitpid(*child, NULL, 0));
		*child = start(PROGRAMS + killed++, end);
		ASSERT_LE(0, *child);
	}
	for (int i = 0; i < PROGRAMS; i++) {
		EXPECT_EQ(children[i], waitpid(children[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	TH_LOG("%d programs killed", killed);
	EXPECT_EQ(self->resources,
		  gpu_stat_wait("resources", self->resources));
	EXPECT_EQ(0, gpu_finish(self->fd));
}

TEST_HARNESS_MAIN
