// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Fences and syncobjs into a submission and out of it, the order of what
 * waits, programs that are killed while it does, and rings with events.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/dma-buf.h>

#include "gate.h"
#include "gpu_test.h"

/* What an ioctl that waits for nothing takes at most, on a slow machine. */
#define AT_ONCE_NS	2000000000ULL

/* Long enough for the host to have done what it was not to do. */
#define A_WHILE_US	300000

/* --- fences out --- */

TEST_F(gpu, out_fence)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	int fence;

	EXPECT_EQ(0, gpu_exec(self->fd, &arg));
	EXPECT_EQ(-1, arg.fence_fd);

	arg = gpu_nop();
	ASSERT_EQ(0, gpu_exec_fence(self->fd, &arg, &fence));
	ASSERT_LE(0, fence);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fence, F_GETFD));
	EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
	EXPECT_EQ(1, gpu_fence_status(fence));
	close(fence);
}

/* No descriptor to be had: the error, and nothing submitted or leaked. */
TEST_F(gpu, no_descriptor_left)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	int fds[1024], n = 0;

	while (n < 1024 && (fds[n] = dup(self->fd)) >= 0)
		n++;
	EXPECT_EQ(EMFILE, errno);
	arg.flags = VIRTGPU_EXECBUF_FENCE_FD_OUT;
	EXPECT_EQ(-EMFILE, gpu_exec(self->fd, &arg));
	while (n)
		close(fds[--n]);
	EXPECT_EQ(0, gpu_finish(self->fd));
}

/* --- fences in --- */

/* A value that is written by the host when a submission is done. */
struct step {
	uint32_t stream[GPU_INLINE_HEADER + 1];
	struct drm_virtgpu_execbuffer arg;
	int fence;
};

static struct step step(const struct gpu_bo *bo, uint32_t value)
{
	struct step s = { .arg = gpu_nop(), .fence = -1 };

	gpu_inline_write(s.stream, bo, 0, &value, sizeof(value));
	s.arg.size = sizeof(s.stream);
	return s;
}

/* Submits after @in, or at once when that is -1; takes the fence. */
static int step_exec(int fd, struct step *s, int in)
{
	s->arg.command = (uintptr_t)s->stream;
	if (in >= 0) {
		s->arg.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
		s->arg.fence_fd = in;
	}
	return gpu_exec_fence(fd, &s->arg, &s->fence);
}

/* What the host has at the beginning of a buffer now. */
static int read_back(struct gpu_bo *bo, uint32_t *value)
{
	int ret = gpu_transfer(bo, false, 0, 0, 4, 1, 0);

	if (!ret)
		ret = gpu_wait(bo, 0);
	*value = *(volatile uint32_t *)bo->map;
	return ret;
}

TEST_F(gpu, in_fence_that_has_signalled)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	int first, second;

	ASSERT_EQ(0, gpu_exec_fence(self->fd, &arg, &first));
	EXPECT_EQ(0, gpu_fence_wait(first, KMS_WAIT_MS));
	arg = gpu_nop();
	arg.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
	arg.fence_fd = first;
	ASSERT_EQ(0, gpu_exec_fence(self->fd, &arg, &second));
	EXPECT_EQ(0, gpu_fence_wait(second, KMS_WAIT_MS));
	close(first);
	close(second);
}

/*
 * The ioctl returns at once, what it submitted waits, and so does what the
 * context submits after it.
 */
TEST_F(gpu, in_fence_does_not_block)
{
	struct gate gate;
	struct gpu_bo bo;
	struct step a, b;
	uint32_t value;
	uint64_t start;
	int other;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	a = step(&bo, 0x11111111);
	b = step(&bo, 0x22222222);

	start = kms_now_ns();
	EXPECT_EQ(0, step_exec(self->fd, &a, gate.sync_file));
	EXPECT_EQ(0, step_exec(self->fd, &b, -1));
	EXPECT_GT(AT_ONCE_NS, kms_now_ns() - start);

	/* another file does not wait */
	other = gpu_open();
	EXPECT_EQ(0, gpu_finish(other));
	close(other);
	usleep(A_WHILE_US);
	EXPECT_EQ(0, gpu_fence_status(a.fence));
	EXPECT_EQ(0, gpu_fence_status(b.fence));

	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, gpu_fence_wait(b.fence, KMS_WAIT_MS));
	EXPECT_EQ(1, gpu_fence_status(a.fence));
	EXPECT_EQ(0, read_back(&bo, &value));
	EXPECT_EQ(0x22222222, value);

	close(a.fence);
	close(b.fence);
	gpu_close(&bo);
	gate_free(&gate);
}

/* Transfers keep their place among the submissions that wait. */
TEST_F(gpu, transfers_keep_the_order)
{
	struct gate gate;
	struct gpu_bo bo;
	struct step a;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	a = step(&bo, 0x33333333);
	ASSERT_EQ(0, step_exec(self->fd, &a, gate.sync_file));
	ASSERT_EQ(0, gpu_transfer(&bo, false, 0, 0, 4, 1, 0));
	usleep(A_WHILE_US);
	EXPECT_EQ(-EBUSY, gpu_wait(&bo, VIRTGPU_WAIT_NOWAIT));
	EXPECT_EQ(0, *(uint32_t *)bo.map);

	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, gpu_wait(&bo, 0));
	EXPECT_EQ(0x33333333, *(uint32_t *)bo.map);
	close(a.fence);
	gpu_close(&bo);
	gate_free(&gate);
}

/* Many that wait for one fence all go out, in order. */
TEST_F_TIMEOUT(gpu, a_queue_of_waiters, LONG_TEST)
{
	enum { COUNT = 200 };
	struct gate gate;
	struct gpu_bo bo;
	struct step s;
	uint32_t value;
	int last = -1;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	for (int i = 1; i <= COUNT; i++) {
		s = step(&bo, i);
		/* every other one also waits for its predecessor */
		ASSERT_EQ(0, step_exec(self->fd, &s,
				       i % 2 ? gate.sync_file : last));
		close(last);
		last = s.fence;
	}
	EXPECT_EQ(0, gpu_fence_status(last));
	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, gpu_fence_wait(last, KMS_WAIT_MS));
	EXPECT_EQ(0, read_back(&bo, &value));
	EXPECT_EQ(COUNT, value);
	close(last);
	gpu_close(&bo);
	gate_free(&gate);
}

/* A gate is shut for so long at least. */
#define GATE_NS		8000000000ULL

/* More than a context may have waiting */
#define FLOOD	1100

static void flood(int fd, int in_fence, volatile unsigned int *count)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();

	arg.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
	arg.fence_fd = in_fence;
	for (int i = 0; i < FLOOD; i++) {
		if (gpu_exec(fd, &arg))
			_exit(1);
		(*count)++;
	}
	_exit(0);
}

/* Does a count stay what it is, if not from the beginning? */
static unsigned int settled(const volatile unsigned int *count)
{
	unsigned int seen;

	do {
		seen = *count;
		usleep(A_WHILE_US);
	} while (seen != *count || !seen);
	return seen;
}

/* A program with too many that wait waits itself: until there is room, or it is killed. */
TEST_F_TIMEOUT(gpu, too_many_waiters, LONG_TEST)
{
	volatile unsigned int *count;
	bool late = false;
	struct gate gate;
	uint64_t start;
	pid_t child;
	int status;

	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)count);
	ASSERT_EQ(0, gpu_finish(self->fd));
	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	start = kms_now_ns();
	for (int killed = 1; killed >= 0 && !late; killed--) {
		unsigned int seen;

		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			flood(self->fd, gate.sync_file, count);
		seen = settled(count);
		late = kms_now_ns() - start > GATE_NS;
		if (late) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			break;
		}
		EXPECT_GT(FLOOD, seen);
		EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
		if (killed) {
			ASSERT_EQ(0, kill(child, SIGKILL));
		} else {
			ASSERT_EQ(0, gate_open(&gate));
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(killed ? SIGKILL : 0, status);
	}
	if (!late)
		EXPECT_LT(FLOOD, *count);
	EXPECT_EQ(0, gpu_finish(self->fd));
	gate_free(&gate);
	munmap((void *)count, sizeof(*count));
	if (late)
		SKIP(return, "the machine is slow, and a gate opens after ten seconds by itself");
}

/* @second comes after @first, which comes after the gate; both are closed. */
static void waits_for(struct __test_metadata *_metadata, struct gate *gate, int first, int second)
{
	usleep(A_WHILE_US);
	EXPECT_EQ(0, gpu_fence_status(second));
	ASSERT_EQ(0, gate_open(gate));
	EXPECT_EQ(0, gpu_fence_wait(second, KMS_WAIT_MS));
	EXPECT_EQ(1, gpu_fence_status(first));
	close(first);
	close(second);
}

/* A submission of another file that waits for ours, and it for a gate. */
TEST_F(gpu, fences_between_files)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	int other = gpu_open(), first, second;
	struct gate gate;

	if (gate_make(&gate)) {
		close(other);
		SKIP(return, "no vgem module to make a fence with");
	}
	arg.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
	arg.fence_fd = gate.sync_file;
	ASSERT_EQ(0, gpu_exec_fence(self->fd, &arg, &first));
	arg = gpu_nop();
	arg.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
	arg.fence_fd = first;
	ASSERT_EQ(0, gpu_exec_fence(other, &arg, &second));
	waits_for(_metadata, &gate, first, second);
	close(other);
	gate_free(&gate);
}

/* --- fences that belong to a buffer --- */

static int share_by_dma_buf(const struct gpu_bo *bo, int other, uint32_t *handle)
{
	int prime, ret;

	if (drmPrimeHandleToFD(bo->fd, bo->handle, DRM_CLOEXEC, &prime))
		return -errno;
	ret = drmPrimeFDToHandle(other, prime, handle) ? -errno : 0;
	close(prime);
	return ret;
}

static int share_by_name(const struct gpu_bo *bo, int other, uint32_t *handle)
{
	struct drm_gem_flink name = { .handle = bo->handle };
	struct drm_gem_open opened = {};
	int ret = kms_ioctl(bo->fd, DRM_IOCTL_GEM_FLINK, &name);

	opened.name = name.name;
	ret = ret ?: kms_ioctl(other, DRM_IOCTL_GEM_OPEN, &opened);
	*handle = opened.handle;
	return ret;
}

/* Who uses a buffer waits for others whose own turn has not come yet. */
static void check_order(struct __test_metadata *_metadata, int one, int other,
			int (*share)(const struct gpu_bo *bo, int other, uint32_t *handle))
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	int first, second;
	uint32_t handle;
	struct gate gate;
	struct gpu_bo bo;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, gpu_buffer(one, 4096, &bo));
	ASSERT_EQ(0, share(&bo, other, &handle));
	arg.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
	arg.fence_fd = gate.sync_file;
	arg.bo_handles = (uintptr_t)&bo.handle;
	arg.num_bo_handles = 1;
	ASSERT_EQ(0, gpu_exec_fence(one, &arg, &first));
	arg = gpu_nop();
	arg.bo_handles = (uintptr_t)&handle;
	arg.num_bo_handles = 1;
	ASSERT_EQ(0, gpu_exec_fence(other, &arg, &second));
	waits_for(_metadata, &gate, first, second);
	gpu_close(&bo);
	gate_free(&gate);
}

TEST_F(gpu, a_shared_buffer_keeps_the_order)
{
	int other = gpu_open();

	ASSERT_LE(0, other);
	check_order(_metadata, self->fd, other, share_by_dma_buf);
	close(other);
}

/* Names are for the primary node. */
TEST_F(gpu, a_named_buffer_keeps_the_order)
{
	int one = kms_open_node(DRM_NODE_PRIMARY, NULL);
	int other = kms_open_node(DRM_NODE_PRIMARY, NULL);

	ASSERT_LE(0, one);
	ASSERT_LE(0, other);
	check_order(_metadata, one, other, share_by_name);
	close(one);
	close(other);
}

/* Whatever uses the buffer through a dma-buf sees what is to be waited for. */
TEST_F(gpu, a_buffer_shows_its_fences)
{
	struct dma_buf_export_sync_file shown = { .flags = DMA_BUF_SYNC_READ };
	struct gate gate;
	struct gpu_bo bo;
	struct step a;
	int prime;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &bo));
	ASSERT_EQ(0, gpu_wait(&bo, 0));
	ASSERT_EQ(0, drmPrimeHandleToFD(self->fd, bo.handle, DRM_CLOEXEC,
					&prime));
	a = step(&bo, 1);
	a.arg.bo_handles = (uintptr_t)&bo.handle;
	a.arg.num_bo_handles = 1;
	ASSERT_EQ(0, step_exec(self->fd, &a, gate.sync_file));
	EXPECT_EQ(-EBUSY, gpu_wait(&bo, VIRTGPU_WAIT_NOWAIT));
	ASSERT_EQ(0, kms_ioctl(prime, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &shown));
	EXPECT_EQ(0, gpu_fence_status(shown.fd));

	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, gpu_fence_wait(shown.fd, KMS_WAIT_MS));
	EXPECT_EQ(1, gpu_fence_status(a.fence));
	EXPECT_EQ(0, gpu_wait(&bo, 0));
	close(shown.fd);
	close(a.fence);
	close(prime);
	gpu_close(&bo);
	gate_free(&gate);
}

/* What another device does with the buffer is waited for, but not here. */
TEST_F(gpu, a_fence_of_another_device)
{
	struct dma_buf_import_sync_file in = { .flags = DMA_BUF_SYNC_WRITE };
	struct gate gate;
	struct gpu_bo bo;
	uint64_t start;
	uint32_t value;
	struct step a;
	int prime;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	ASSERT_EQ(0, drmPrimeHandleToFD(self->fd, bo.handle, DRM_CLOEXEC,
					&prime));
	in.fd = gate.sync_file;
	ASSERT_EQ(0, kms_ioctl(prime, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in));
	a = step(&bo, 0x5a5a5a5a);
	a.arg.bo_handles = (uintptr_t)&bo.handle;
	a.arg.num_bo_handles = 1;
	start = kms_now_ns();
	ASSERT_EQ(0, step_exec(self->fd, &a, -1));
	EXPECT_GT(AT_ONCE_NS, kms_now_ns() - start);
	usleep(A_WHILE_US);
	EXPECT_EQ(0, gpu_fence_status(a.fence));

	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, gpu_fence_wait(a.fence, KMS_WAIT_MS));
	EXPECT_EQ(0, read_back(&bo, &value));
	EXPECT_EQ(0x5a5a5a5a, value);
	close(a.fence);
	close(prime);
	gpu_close(&bo);
	gate_free(&gate);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* A signal ends VIRTGPU_WAIT, and the wait can be begun again. */
TEST_F(gpu, a_wait_can_be_interrupted)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct drm_virtgpu_3d_wait wait = {};
	struct gate gate;
	struct gpu_bo bo;
	struct step a;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, gpu_buffer(self->fd, 4096, &bo));
	a = step(&bo, 1);
	a.arg.bo_handles = (uintptr_t)&bo.handle;
	a.arg.num_bo_handles = 1;
	ASSERT_EQ(0, step_exec(self->fd, &a, gate.sync_file));

	wait.handle = bo.handle;
	sigaction(SIGALRM, &action, NULL);
	ualarm(200000, 200000);
	EXPECT_EQ(-1, ioctl(self->fd, DRM_IOCTL_VIRTGPU_WAIT, &wait));
	EXPECT_EQ(EINTR, errno);
	ualarm(0, 0);
	EXPECT_EQ(0, gpu_fence_status(a.fence));

	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, gpu_wait(&bo, 0));
	close(a.fence);
	gpu_close(&bo);
	gate_free(&gate);
}

/* --- a program that is killed --- */

/* Submits behind the gate, says the fence's number, and waits to be killed. */
static void doomed(struct gate *gate, int say)
{
	int fd = gpu_open(), fence = -1;
	struct gpu_bo bo;
	struct step s;

	if (fd < 0 || gpu_buffer(fd, 1 << 20, &bo) || gpu_map(&bo))
		_exit(1);
	memset(bo.map, 1, bo.size);
	for (int i = 0; i < 20; i++) {
		close(fence);
		s = step(&bo, i);
		if (step_exec(fd, &s, gate->sync_file) ||
		    gpu_transfer(&bo, true, 0, 0, bo.size, 1, 0))
			_exit(1);
		fence = s.fence;
	}
	if (write(say, &fence, sizeof(fence)) != sizeof(fence))
		_exit(1);
	pause();
	_exit(1);
}

TEST_F(gpu, killed_while_it_waits)
{
	int say[2], fence, copy, pidfd;
	struct gate gate;
	pid_t child;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, pipe(say));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		doomed(&gate, say[1]);
	close(say[1]);
	ASSERT_EQ(sizeof(fence), read(say[0], &fence, sizeof(fence)));
	close(say[0]);

	/* the fence outlives the program that it belongs to */
	pidfd = syscall(SYS_pidfd_open, child, 0);
	ASSERT_LE(0, pidfd);
	copy = syscall(SYS_pidfd_getfd, pidfd, fence, 0);
	ASSERT_LE(0, copy);
	close(pidfd);
	EXPECT_EQ(0, gpu_fence_status(copy));

	EXPECT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(child, waitpid(child, NULL, 0));
	/* it ends with an error, though what it waits for has not signalled */
	EXPECT_EQ(-ECANCELED, gpu_fence_wait(copy, KMS_WAIT_MS));
	EXPECT_EQ(self->resources,
		  gpu_stat_wait("resources", self->resources));
	close(copy);
	EXPECT_EQ(0, gate_open(&gate));
	gate_free(&gate);
	EXPECT_EQ(0, gpu_finish(self->fd));
}

/* Without a word, and while the host works on it. */
TEST_F_TIMEOUT(gpu, killed_while_it_works, LONG_TEST)
{
	for (int i = 0; i < 10; i++) {
		pid_t child = fork();

		ASSERT_LE(0, child);
		if (!child) {
			int fd = gpu_open();
			struct gpu_bo bo;

			for (;;) {
				struct step s;

				if (gpu_buffer(fd, 65536, &bo))
					_exit(1);
				s = step(&bo, 1);
				s.arg.command = (uintptr_t)s.stream;
				if (gpu_exec(fd, &s.arg) ||
				    gpu_transfer(&bo, true, 0, 0, bo.size, 1,
						 0))
					_exit(1);
			}
		}
		usleep(50000 + i * 7000);
		EXPECT_EQ(0, waitpid(child, NULL, WNOHANG));
		EXPECT_EQ(0, kill(child, SIGKILL));
		EXPECT_EQ(child, waitpid(child, NULL, 0));
	}
	EXPECT_EQ(self->resources,
		  gpu_stat_wait("resources", self->resources));
	EXPECT_EQ(0, gpu_finish(self->fd));
}

/* --- syncobjs --- */

static int exec_syncobjs(int fd, struct drm_virtgpu_execbuffer_syncobj *in,
			 uint32_t num_in,
			 struct drm_virtgpu_execbuffer_syncobj *out,
			 uint32_t num_out)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();

	arg.in_syncobjs = (uintptr_t)in;
	arg.num_in_syncobjs = num_in;
	arg.out_syncobjs = (uintptr_t)out;
	arg.num_out_syncobjs = num_out;
	arg.syncobj_stride = sizeof(*in);
	return gpu_exec(fd, &arg);
}

static int64_t deadline(void)
{
	return kms_now_ns() + KMS_WAIT_MS * 1000000LL;
}

static int wait_syncobj(int fd, uint32_t syncobj)
{
	return drmSyncobjWait(fd, &syncobj, 1, deadline(), 0, NULL);
}

static int wait_point(int fd, uint32_t syncobj, uint64_t point)
{
	return drmSyncobjTimelineWait(fd, &syncobj, &point, 1, deadline(), 0,
				      NULL);
}

TEST_F(gpu, out_syncobjs)
{
	struct drm_virtgpu_execbuffer_syncobj out[3] = {};
	uint64_t point;

	for (size_t i = 0; i < ARRAY_SIZE(out); i++) {
		ASSERT_EQ(0, drmSyncobjCreate(self->fd, 0, &out[i].handle));
	}
	out[1].point = 5;
	out[2].point = ~0ull / 2;
	ASSERT_EQ(0, exec_syncobjs(self->fd, NULL, 0, out, 3));
	EXPECT_EQ(0, wait_syncobj(self->fd, out[0].handle));
	EXPECT_EQ(0, wait_point(self->fd, out[1].handle, 5));
	EXPECT_EQ(0, wait_point(self->fd, out[2].handle, ~0ull / 2));
	EXPECT_EQ(0, drmSyncobjQuery(self->fd, &out[1].handle, &point, 1));
	EXPECT_EQ(5, point);

	/* the next point of the same timeline */
	out[1].point = 6;
	ASSERT_EQ(0, exec_syncobjs(self->fd, NULL, 0, &out[1], 1));
	EXPECT_EQ(0, wait_point(self->fd, out[1].handle, 6));
	EXPECT_EQ(0, drmSyncobjQuery(self->fd, &out[1].handle, &point, 1));
	EXPECT_EQ(6, point);
	for (size_t i = 0; i < ARRAY_SIZE(out); i++)
		drmSyncobjDestroy(self->fd, out[i].handle);
}

TEST_F(gpu, in_syncobjs)
{
	struct drm_virtgpu_execbuffer_syncobj in[2] = {};
	uint64_t point = 9;

	ASSERT_EQ(0, drmSyncobjCreate(self->fd, DRM_SYNCOBJ_CREATE_SIGNALED,
				      &in[0].handle));
	ASSERT_EQ(0, drmSyncobjCreate(self->fd, 0, &in[1].handle));
	ASSERT_EQ(0, drmSyncobjTimelineSignal(self->fd, &in[1].handle, &point,
					      1));
	in[1].point = 9;
	EXPECT_EQ(0, exec_syncobjs(self->fd, in, 2, NULL, 0));
	in[1].point = 3;
	EXPECT_EQ(0, exec_syncobjs(self->fd, in, 2, NULL, 0));
	/* a point that nobody has submitted yet */
	in[1].point = 10;
	EXPECT_EQ(-EINVAL, exec_syncobjs(self->fd, in, 2, NULL, 0));
	EXPECT_TRUE(gpu_syncobj_has_fence(self->fd, in[0].handle));

	in[0].flags = VIRTGPU_EXECBUF_SYNCOBJ_RESET;
	in[1].point = 9;
	EXPECT_EQ(0, exec_syncobjs(self->fd, in, 2, NULL, 0));
	EXPECT_FALSE(gpu_syncobj_has_fence(self->fd, in[0].handle));
	EXPECT_TRUE(gpu_syncobj_has_fence(self->fd, in[1].handle));
	drmSyncobjDestroy(self->fd, in[0].handle);
	drmSyncobjDestroy(self->fd, in[1].handle);
}

/* Old programs have no point in the structure, newer ones have more. */
TEST_F(gpu, strides)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	uint32_t raw[2][16];

	for (uint32_t stride = 8; stride <= 64; stride += 8) {
		char *list = (char *)raw;
		uint32_t handles[2];

		memset(raw, 0, sizeof(raw));
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, drmSyncobjCreate(self->fd, 0,
						      &handles[i]));
			memcpy(list + i * stride, &handles[i], 4);
		}
		arg = gpu_nop();
		arg.syncobj_stride = stride;
		arg.out_syncobjs = (uintptr_t)raw;
		arg.num_out_syncobjs = 2;
		EXPECT_EQ(0, gpu_exec(self->fd, &arg))
			TH_LOG("stride %u", stride);
		for (int i = 0; i < 2; i++) {
			EXPECT_EQ(0, wait_syncobj(self->fd, handles[i]));
			drmSyncobjDestroy(self->fd, handles[i]);
		}
	}
}

/* In and out of the same syncobj, behind a gate. */
TEST_F(gpu, syncobjs_do_not_block)
{
	struct drm_virtgpu_execbuffer_syncobj in = {}, out = {};
	struct gate gate;
	uint64_t start, point = 2;

	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	ASSERT_EQ(0, drmSyncobjCreate(self->fd, 0, &in.handle));
	ASSERT_EQ(0, drmSyncobjCreate(self->fd, 0, &out.handle));
	ASSERT_EQ(0, drmSyncobjImportSyncFile(self->fd, in.handle,
					      gate.sync_file));
	in.flags = VIRTGPU_EXECBUF_SYNCOBJ_RESET;
	out.point = 1;
	start = kms_now_ns();
	ASSERT_EQ(0, exec_syncobjs(self->fd, &in, 1, &out, 1));
	EXPECT_GT(AT_ONCE_NS, kms_now_ns() - start);
	EXPECT_FALSE(gpu_syncobj_has_fence(self->fd, in.handle));

	/* and a second submission behind the first one's point */
	in = out;
	out.point = 2;
	ASSERT_EQ(0, exec_syncobjs(self->fd, &in, 1, &out, 1));
	usleep(A_WHILE_US);
	EXPECT_EQ(-ETIME, drmSyncobjTimelineWait(self->fd, &out.handle,
						 &point, 1, 0, 0, NULL));
	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, wait_point(self->fd, out.handle, 2));
	gate_free(&gate);
}

/* What a blob shows is made by a submission: it is not asked for before that. */
TEST_F(gpu, a_blob_waits_for_its_maker)
{
	struct drm_virtgpu_resource_create_blob blob = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE, .size = 4096,
	};
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	int fd = gpu_open(), maker, status;
	struct gate gate;
	struct gpu_bo bo;
	pid_t child;

	if (!gpu_has(fd, VIRTGPU_PARAM_RESOURCE_BLOB) || !gpu_has_capset(fd, CAPSET_VENUS)) {
		close(fd);
		SKIP(return, "the host has no Venus");
	}
	if (gate_make(&gate)) {
		close(fd);
		SKIP(return, "no vgem module to make a fence with");
	}
	ASSERT_EQ(0, gpu_context(fd, CAPSET_VENUS, 0, 0));
	arg.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
	arg.fence_fd = gate.sync_file;
	ASSERT_EQ(0, gpu_exec_fence(fd, &arg, &maker));
	child = fork();
	if (!child)
		_exit(gpu_create_blob(fd, &blob, &bo) || gpu_fence_status(maker) < 0);
	ASSERT_LT(0, child);
	usleep(A_WHILE_US);
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	close(maker);
	close(fd);
	gate_free(&gate);
}

/* However often a program names a fence, it is one to wait for. */
TEST_F_TIMEOUT(gpu, the_same_fence_many_times, LONG_TEST)
{
	enum { LINKS = 34, SYNCOBJS = 4096 };
	struct drm_virtgpu_execbuffer_syncobj *in = calloc(SYNCOBJS, sizeof(*in)), out = {};
	uint32_t binary, timeline;
	struct gate gate;

	ASSERT_TRUE(in);
	if (gate_make(&gate)) {
		free(in);
		SKIP(return, "no vgem module to make a fence with");
	}
	ASSERT_EQ(0, drmSyncobjCreate(self->fd, 0, &binary));
	ASSERT_EQ(0, drmSyncobjCreate(self->fd, 0, &timeline));
	ASSERT_EQ(0, drmSyncobjCreate(self->fd, 0, &out.handle));
	ASSERT_EQ(0, drmSyncobjImportSyncFile(self->fd, binary, gate.sync_file));
	for (uint64_t point = 1; point <= LINKS; point++)
		ASSERT_EQ(0, drmSyncobjTransfer(self->fd, timeline, point, binary, 0, 0));
	for (size_t i = 0; i < SYNCOBJS; i++) {
		in[i].handle = timeline;
		in[i].point = LINKS;
	}
	EXPECT_EQ(0, exec_syncobjs(self->fd, in, SYNCOBJS, &out, 1));
	usleep(A_WHILE_US);
	EXPECT_EQ(-ETIME, drmSyncobjWait(self->fd, &out.handle, 1, 0, 0, NULL));
	ASSERT_EQ(0, gate_open(&gate));
	EXPECT_EQ(0, wait_syncobj(self->fd, out.handle));
	drmSyncobjDestroy(self->fd, binary);
	drmSyncobjDestroy(self->fd, timeline);
	drmSyncobjDestroy(self->fd, out.handle);
	gate_free(&gate);
	free(in);
}

/* --- rings and events --- */

/* Returns: events in the file, or a negative errno. */
static int events(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct drm_event ev[16];
	ssize_t len;

	if (poll(&p, 1, timeout_ms) < 0)
		return -errno;
	if (!(p.revents & POLLIN))
		return 0;
	len = read(fd, ev, sizeof(ev));
	if (len < 0)
		return -errno;
	for (size_t i = 0; i < len / sizeof(ev[0]); i++) {
		if (ev[i].type != VIRTGPU_EVENT_FENCE_SIGNALED ||
		    ev[i].length != sizeof(ev[0]))
			return -EBADMSG;
	}
	return len % sizeof(ev[0]) ? -EBADMSG : (int)(len / sizeof(ev[0]));
}

static int exec_ring(int fd, uint32_t ring, int *fence)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();

	arg.size = 0;
	arg.flags = VIRTGPU_EXECBUF_RING_IDX;
	arg.ring_idx = ring;
	return gpu_exec_fence(fd, &arg, fence);
}

/* Each submission to a polled ring is one event. */
TEST_F(gpu, ring_events)
{
	int fence;

	if (!gpu_has_capset(self->fd, CAPSET_VENUS))
		SKIP(return, "the host has no venus, which has rings");
	ASSERT_EQ(0, gpu_context(self->fd, CAPSET_VENUS, 64, 1));
	EXPECT_EQ(0, events(self->fd, 0));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, exec_ring(self->fd, 0, &fence));
		EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
		close(fence);
		EXPECT_EQ(1, events(self->fd, KMS_WAIT_MS));
	}
	EXPECT_EQ(0, events(self->fd, 0));
}

/* Without a ring index, or from a ring that is not polled, there is none. */
TEST_F(gpu, no_ring_no_event)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	int fence;

	if (!gpu_has_capset(self->fd, CAPSET_VENUS))
		SKIP(return, "the host has no venus, which has rings");
	ASSERT_EQ(0, gpu_context(self->fd, CAPSET_VENUS, 2, 2));
	ASSERT_EQ(0, exec_ring(self->fd, 0, &fence));
	EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
	close(fence);
	arg.size = 0;
	ASSERT_EQ(0, gpu_exec_fence(self->fd, &arg, &fence));
	EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
	close(fence);
	EXPECT_EQ(0, events(self->fd, 200));

	EXPECT_EQ(-EINVAL, exec_ring(self->fd, 2, &fence));
	EXPECT_EQ(-EINVAL, exec_ring(self->fd, 63, &fence));
	EXPECT_EQ(-EINVAL, exec_ring(self->fd, 64, &fence));
	EXPECT_EQ(-EINVAL, exec_ring(self->fd, UINT_MAX, &fence));
	EXPECT_EQ(0, events(self->fd, 0));
}

/* Events that nobody reads do not pile up without an end. */
TEST_F_TIMEOUT(gpu, events_are_bounded, LONG_TEST)
{
	int ret = 0, n, fence;

	if (!gpu_has_capset(self->fd, CAPSET_VENUS))
		SKIP(return, "the host has no venus, which has rings");
	ASSERT_EQ(0, gpu_context(self->fd, CAPSET_VENUS, 1, 1));
	for (n = 0; n < 10000 && !ret; n++) {
		ret = exec_ring(self->fd, 0, &fence);
		if (!ret)
			close(fence);
	}
	EXPECT_EQ(-ENOMEM, ret);
	TH_LOG("%d events fit", n - 1);
	/* reading makes room again */
	EXPECT_LT(0, events(self->fd, KMS_WAIT_MS));
	EXPECT_EQ(0, exec_ring(self->fd, 0, &fence));
	EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
	close(fence);
}

TEST_HARNESS_MAIN
