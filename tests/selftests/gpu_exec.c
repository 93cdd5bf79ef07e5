// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * EXECBUFFER: what it takes and refuses, that a refused one changes nothing,
 * command buffers of every size, buffer lists, and a great many of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>

#include "gpu_test.h"

/* What an ioctl that waits for nothing takes at most, on a slow machine. */
#define AT_ONCE_NS	2000000000ULL

/* --- what is refused --- */

/* A syncobj with a fence that has signalled, and one without a fence. */
struct sync_pair {
	uint32_t full;
	uint32_t empty;
};

static int sync_pair_make(int fd, struct sync_pair *s)
{
	if (drmSyncobjCreate(fd, DRM_SYNCOBJ_CREATE_SIGNALED, &s->full) ||
	    drmSyncobjCreate(fd, 0, &s->empty))
		return -errno;
	return 0;
}

#define NO_FD	4321	/* a number that no descriptor has */

/**
 * struct bad_exec - a submission that is good but for one thing
 */
struct bad_exec {
	int fd;
	struct sync_pair sync;
	struct drm_virtgpu_execbuffer_syncobj in;
	struct drm_virtgpu_execbuffer_syncobj out;
	struct gpu_bo bo;
	struct drm_virtgpu_execbuffer arg;
};

static void bad_exec_reset(struct bad_exec *b)
{
	b->in = (struct drm_virtgpu_execbuffer_syncobj) {
		b->sync.full, VIRTGPU_EXECBUF_SYNCOBJ_RESET, 0 };
	b->out = (struct drm_virtgpu_execbuffer_syncobj) { b->sync.empty, 0, 0 };
	b->arg = gpu_nop();
	b->arg.flags = VIRTGPU_EXECBUF_FENCE_FD_OUT;
	b->arg.fence_fd = NO_FD;
	b->arg.bo_handles = (uintptr_t)&b->bo.handle;
	b->arg.num_bo_handles = 1;
	b->arg.in_syncobjs = (uintptr_t)&b->in;
	b->arg.num_in_syncobjs = 1;
	b->arg.out_syncobjs = (uintptr_t)&b->out;
	b->arg.num_out_syncobjs = 1;
	b->arg.syncobj_stride = sizeof(b->in);
}

/* Returns: the ioctl's error, or -EUCLEAN when it left something changed. */
static int bad_exec(struct bad_exec *b)
{
	int fds = gpu_open_fds(), ret = gpu_exec(b->fd, &b->arg);
	bool changed = !gpu_syncobj_has_fence(b->fd, b->sync.full) ||
		       gpu_syncobj_has_fence(b->fd, b->sync.empty) ||
		       gpu_open_fds() != fds ||
		       gpu_wait(&b->bo, VIRTGPU_WAIT_NOWAIT) != 0;

	if (!ret)
		close(b->arg.fence_fd);
	bad_exec_reset(b);
	return changed ? -EUCLEAN : ret;
}

TEST_F(gpu, bad_submissions)
{
	struct bad_exec b = { .fd = self->fd };
	uint32_t handles[2];

	ASSERT_EQ(0, sync_pair_make(self->fd, &b.sync));
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &b.bo));
	ASSERT_EQ(0, gpu_wait(&b.bo, 0));
	bad_exec_reset(&b);

	b.arg.flags |= 0x08;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
	b.arg.flags |= 0x80000000;
	EXPECT_EQ(-EINVAL, bad_exec(&b));

	b.arg.command = BAD_POINTER;
	EXPECT_EQ(-EFAULT, bad_exec(&b));
	b.arg.command = 0;
	EXPECT_EQ(-EFAULT, bad_exec(&b));
	b.arg.command = ~0ull - 3;
	EXPECT_EQ(-EFAULT, bad_exec(&b));

	b.arg.bo_handles = BAD_POINTER;
	EXPECT_EQ(-EFAULT, bad_exec(&b));
	handles[0] = b.bo.handle;
	handles[1] = 0xdead;
	b.arg.bo_handles = (uintptr_t)handles;
	b.arg.num_bo_handles = 2;
	EXPECT_EQ(-ENOENT, bad_exec(&b));
	handles[1] = 0;
	b.arg.bo_handles = (uintptr_t)handles;
	b.arg.num_bo_handles = 2;
	EXPECT_EQ(-ENOENT, bad_exec(&b));

	b.arg.flags |= VIRTGPU_EXECBUF_RING_IDX;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
	b.arg.flags |= VIRTGPU_EXECBUF_RING_IDX;
	b.arg.ring_idx = UINT_MAX;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
}

TEST_F(gpu, bad_in_fences)
{
	struct bad_exec b = { .fd = self->fd };
	int null = open("/dev/null", O_RDWR);

	ASSERT_EQ(0, sync_pair_make(self->fd, &b.sync));
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &b.bo));
	ASSERT_EQ(0, gpu_wait(&b.bo, 0));
	bad_exec_reset(&b);

	b.arg.flags |= VIRTGPU_EXECBUF_FENCE_FD_IN;
	b.arg.fence_fd = -1;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
	b.arg.flags |= VIRTGPU_EXECBUF_FENCE_FD_IN;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
	b.arg.flags |= VIRTGPU_EXECBUF_FENCE_FD_IN;
	b.arg.fence_fd = null;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
	b.arg.flags |= VIRTGPU_EXECBUF_FENCE_FD_IN;
	b.arg.fence_fd = self->fd;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
	close(null);
}

TEST_F(gpu, bad_syncobjs)
{
	struct bad_exec b = { .fd = self->fd };

	ASSERT_EQ(0, sync_pair_make(self->fd, &b.sync));
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &b.bo));
	ASSERT_EQ(0, gpu_wait(&b.bo, 0));
	bad_exec_reset(&b);

	b.in.handle = 0xdead;
	EXPECT_EQ(-ENOENT, bad_exec(&b));
	b.in.handle = 0;
	EXPECT_EQ(-ENOENT, bad_exec(&b));
	b.out.handle = 0xdead;
	EXPECT_EQ(-ENOENT, bad_exec(&b));
	/* nothing to wait for */
	b.in.handle = b.sync.empty;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
	b.in.point = 7;
	EXPECT_EQ(-EINVAL, bad_exec(&b));

	b.in.flags = 2;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
	b.in.flags = ~0u;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
	b.out.flags = VIRTGPU_EXECBUF_SYNCOBJ_RESET;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
	b.out.flags = 0x80000000;
	EXPECT_EQ(-EINVAL, bad_exec(&b));

	b.arg.in_syncobjs = BAD_POINTER;
	EXPECT_EQ(-EFAULT, bad_exec(&b));
	b.arg.out_syncobjs = BAD_POINTER;
	EXPECT_EQ(-EFAULT, bad_exec(&b));
	b.arg.syncobj_stride = 0;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
	b.arg.syncobj_stride = 4;
	EXPECT_EQ(-EINVAL, bad_exec(&b));
}

/* Counts that no memory could hold are an error, and a quick one. */
TEST_F(gpu, absurd_counts)
{
	struct bad_exec b = { .fd = self->fd };
	uint64_t start = kms_now_ns();

	ASSERT_EQ(0, sync_pair_make(self->fd, &b.sync));
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &b.bo));
	ASSERT_EQ(0, gpu_wait(&b.bo, 0));
	bad_exec_reset(&b);

	for (uint32_t n = UINT_MAX; n > 0x10000000; n /= 2) {
		int ret;

		b.arg.num_bo_handles = n;
		ret = bad_exec(&b);
		EXPECT_TRUE(ret == -EINVAL || ret == -EFAULT || ret == -ENOMEM)
			TH_LOG("%u buffers: %d", n, ret);
		b.arg.num_in_syncobjs = n;
		ret = bad_exec(&b);
		EXPECT_TRUE(ret == -EINVAL || ret == -EFAULT || ret == -ENOMEM)
			TH_LOG("%u syncobjs in: %d", n, ret);
		b.arg.num_out_syncobjs = n;
		ret = bad_exec(&b);
		EXPECT_TRUE(ret == -EINVAL || ret == -EFAULT || ret == -ENOMEM)
			TH_LOG("%u syncobjs out: %d", n, ret);
		b.arg.size = n;
		ret = bad_exec(&b);
		EXPECT_TRUE(ret == -E2BIG || ret == -EFAULT || ret == -EINVAL)
			TH_LOG("%u bytes: %d", n, ret);
	}
	EXPECT_GT(10 * AT_ONCE_NS, kms_now_ns() - start);
}

/* --- sizes --- */

/*
 * Fills a command buffer with writes to all of @bo, whose content is @data.
 * What is left of the command buffer is zeroes, which do nothing.
 */
static void write_stream(uint32_t *stream, size_t size,
			 const struct gpu_bo *bo, const char *data)
{
	const size_t chunk = 4096;
	uint32_t *to = stream;

	memset(stream, 0, size);
	for (size_t at = 0; at < bo->size; at += chunk)
		to += gpu_inline_write(to, bo, at, data + at, chunk);
}

/* The buffer that a stream of @size bytes fills, or the least there is. */
static size_t data_size(size_t size)
{
	const size_t one = 4096 + GPU_INLINE_HEADER * 4;

	return size / one ? size / one * 4096 : 4096;
}

/* What a buffer has at the host is @data, or zeroes when that is NULL. */
static int compare(struct gpu_bo *bo, const char *data)
{
	int ret = gpu_transfer(bo, false, 0, 0, bo->size, 1, 0) ?:
		  gpu_wait(bo, 0);
	const char *p = bo->map;

	if (ret)
		return ret;
	if (data)
		return memcmp(p, data, bo->size) ? -EBADMSG : 0;
	return *p || memcmp(p, p + 1, bo->size - 1) ? -EBADMSG : 0;
}

/*
 * The whole of a command buffer reaches the host, in order. What is too big
 * for the queue is an error of the ioctl, what is too big for the host one of
 * the fence, and then none of it has been done.
 */
TEST_F_TIMEOUT(gpu, sizes, LONG_TEST)
{
	static const size_t sizes[] = {
		4200, 8192, 65536, 70000, 1 << 20, (1 << 20) + 4, 4 << 20,
		8 << 20,
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct drm_virtgpu_execbuffer arg = gpu_nop();
		uint32_t *stream = malloc(sizes[i]);
		char *data = malloc(data_size(sizes[i]));
		struct gpu_bo bo;
		int fence, ret;

		ASSERT_TRUE(stream && data);
		ASSERT_EQ(0, gpu_buffer(self->fd, data_size(sizes[i]), &bo));
		ASSERT_EQ(0, gpu_map(&bo));
		ASSERT_EQ(0, gpu_transfer(&bo, true, 0, 0, bo.size, 1, 0));
		gpu_pattern(data, bo.size, i);
		write_stream(stream, sizes[i], &bo, data);
		arg.command = (uintptr_t)stream;
		arg.size = sizes[i];
		arg.bo_handles = (uintptr_t)&bo.handle;
		arg.num_bo_handles = 1;

		ret = gpu_exec_fence(self->fd, &arg, &fence);
		EXPECT_TRUE(!ret || ret == -E2BIG)
			TH_LOG("%zu bytes: %d", sizes[i], ret);
		if (!ret) {
			ret = gpu_fence_wait(fence, KMS_WAIT_MS);
			EXPECT_TRUE(!ret || ret == -EINVAL)
				TH_LOG("%zu bytes: %d", sizes[i], ret);
			close(fence);
		}
		if (ret) {
			TH_LOG("%zu bytes are too many: %d", sizes[i], ret);
			EXPECT_LT(4 << 20, sizes[i]);
		}
		EXPECT_EQ(0, compare(&bo, ret ? NULL : data))
			TH_LOG("%zu bytes", sizes[i]);
		EXPECT_EQ(0, gpu_close(&bo));
		free(stream);
		free(data);
	}
}

/* Nothing, one word, and more than there can be. */
TEST_F_TIMEOUT(gpu, smallest_and_biggest, LONG_TEST)
{
	static const size_t sizes[] = { 0, 4, 64 << 20, 1 << 30 };
	uint32_t *zeroes = mmap(NULL, 1 << 30, PROT_READ,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, zeroes);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct drm_virtgpu_execbuffer arg = gpu_nop();
		int fence, ret;

		arg.command = (uintptr_t)zeroes;
		arg.size = sizes[i];
		ret = gpu_exec_fence(self->fd, &arg, &fence);
		if (!ret) {
			ret = gpu_fence_wait(fence, 30000);
			close(fence);
		} else {
			EXPECT_EQ(-E2BIG, ret);
		}
		EXPECT_TRUE(!ret || ((ret == -E2BIG || ret == -EINVAL) && i > 1))
			TH_LOG("%zu bytes: %d", sizes[i], ret);
	}
	munmap(zeroes, 1 << 30);
	EXPECT_EQ(0, gpu_finish(self->fd));
}

/* --- buffer lists --- */

/* A buffer may be named twice, and a list may be long. */
TEST_F_TIMEOUT(gpu, buffer_lists, LONG_TEST)
{
	enum { COUNT = 500 };
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	struct gpu_bo *bos = calloc(COUNT, sizeof(*bos));
	uint32_t *handles = calloc(2 * COUNT, sizeof(*handles));
	int fence;

	ASSERT_TRUE(bos && handles);
	for (int i = 0; i < COUNT; i++) {
		ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &bos[i]));
		handles[i] = bos[i].handle;
		handles[2 * COUNT - 1 - i] = bos[i].handle;
	}
	arg.bo_handles = (uintptr_t)handles;
	arg.num_bo_handles = 2 * COUNT;
	EXPECT_EQ(0, gpu_exec_fence(self->fd, &arg, &fence));
	EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
	close(fence);
	for (int i = 0; i < COUNT; i++) {
		EXPECT_EQ(0, gpu_wait(&bos[i], VIRTGPU_WAIT_NOWAIT));
		EXPECT_EQ(0, gpu_close(&bos[i]));
	}
	free(handles);
	free(bos);
}

/* --- as much as there is time for --- */

#define ROUNDS		100000
#define ROUNDS_NS	60000000000ULL

static int rounds(int fd, const struct gpu_bo *bo)
{
	struct drm_virtgpu_execbuffer arg;
	int ret;

	for (int i = 0; i < 100; i++) {
		arg = gpu_nop();
		arg.bo_handles = (uintptr_t)&bo->handle;
		arg.num_bo_handles = i % 2;
		ret = gpu_exec(fd, &arg);
		if (ret)
			return ret;
	}
	return gpu_finish(fd);
}

/* What waits for a grace period is freed after a while, caches are filled. */
static long slab_settled(int fd, const struct gpu_bo *bo)
{
	if (rounds(fd, bo))
		return -EIO;
	sleep(1);
	return gpu_slab_objects();
}

TEST_F_TIMEOUT(gpu, again_and_again, LONG_TEST)
{
	long before, after, n;
	struct gpu_bo bo;
	uint64_t end;

	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &bo));
	before = slab_settled(self->fd, &bo);
	if (before == -ENOENT) {
		gpu_close(&bo);
		SKIP(return, "the kernel counts no objects (SLUB_DEBUG)");
	}
	ASSERT_LT(0, before);
	end = kms_now_ns() + ROUNDS_NS;
	for (n = 0; n < ROUNDS && kms_now_ns() < end; n += 100) {
		ASSERT_EQ(0, rounds(self->fd, &bo));
	}
	after = slab_settled(self->fd, &bo);
	TH_LOG("%ld submissions: %ld objects before, %ld after", n, before,
	       after);
	EXPECT_LT(1000, n);
	if (gpu_slab_is_exact())
		EXPECT_GT(n / 2, after - before);
	EXPECT_EQ(0, gpu_close(&bo));
}

TEST_HARNESS_MAIN
