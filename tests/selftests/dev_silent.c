// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Hosts that stop answering, answer two times, die, or are unplugged in the
 * middle: programs get errors or can be killed, fences end, and a host that is
 * plugged in afterwards works.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "dev.h"
#include "reset.h"

#define LONG_TEST	180

FIXTURE(silent) {
	int fd;
};

FIXTURE_SETUP(silent)
{
	self->fd = -1;
	NEED_DEVICE();
	dev_expect("refused|timed out|id [0-9]+ is not a head");
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, dev_replug("all"));
	ASSERT_EQ(0, dev_timeout(1000));
	self->fd = gpu_open();
	ASSERT_LE(0, self->fd);
}

/* After all of this a new host shows pictures. */
FIXTURE_TEARDOWN(silent)
{
	struct kms_output *o;
	struct kms_fb fb;
	struct kms k;

	if (self->fd < 0)
		return;
	close(self->fd);
	EXPECT_EQ(0, dev_clear());
	EXPECT_EQ(0, dev_timeout(0));
	ASSERT_EQ(0, dev_replug("all"));
	ASSERT_EQ(0, kms_open(&k));
	o = kms_connected(&k);
	ASSERT_TRUE(o);
	ASSERT_EQ(0, kms_fb_create(&k, o->mode.hdisplay, o->mode.vdisplay,
				   DRM_FORMAT_XRGB8888, &fb));
	kms_fb_draw(&fb, 1);
	EXPECT_EQ(0, kms_show(&k, o, &fb));
	EXPECT_EQ(0, host_diff_fb(o->head, &fb));
	kms_fb_destroy(&fb);
	EXPECT_EQ(0, kms_close(&k));
}

static int submit(int fd, int *fence)
{
	struct drm_virtgpu_execbuffer exec = gpu_nop();

	return gpu_exec_fence(fd, &exec, fence);
}

static int host_blob(int fd, struct gpu_bo *bo)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D, .blob_id = 1,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE, .size = 65536,
	};

	return gpu_create_blob(fd, &arg, bo);
}

/* That a child of the test counts with, or MAP_FAILED */
static volatile unsigned int *shared_count(void)
{
	return mmap(NULL, sizeof(unsigned int), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* How far a child has come when it comes no further */
static unsigned int at_a_standstill(volatile unsigned int *count)
{
	unsigned int seen;

	do {
		seen = *count;
		usleep(500000);
	} while (seen != *count || !seen);
	return seen;
}

/* A wait ends with an error, and what was made of it can be closed. */
TEST_F_TIMEOUT(silent, waits_end, LONG_TEST)
{
	uint64_t start = kms_now_ns();
	struct kms_fb fb;
	struct kms k;

	ASSERT_EQ(0, kms_open(&k));
	ASSERT_EQ(0, dev_fault("resource_create_2d", "never"));
	EXPECT_EQ(-ETIMEDOUT, kms_fb_create(&k, 640, 480, DRM_FORMAT_XRGB8888,
					    &fb));
	EXPECT_GT(8000000000ull, kms_now_ns() - start);
	ASSERT_EQ(0, dev_clear());
	EXPECT_EQ(0, kms_fb_create(&k, 640, 480, DRM_FORMAT_XRGB8888, &fb));
	kms_fb_destroy(&fb);
	kms_close(&k);
}

static int wait_for_map(struct kms *k, struct gpu_bo *bo)
{
	(void)k;
	return gpu_map(bo);
}

static int wait_for_framebuffer(struct kms *k, struct gpu_bo *bo)
{
	struct kms_fb fb;

	(void)bo;
	return kms_fb_create(k, 640, 480, DRM_FORMAT_XRGB8888, &fb);
}

/* Nobody waits in a way that cannot be ended. */
TEST_F_TIMEOUT(silent, waiters_can_be_killed, LONG_TEST)
{
	int (* const waits[])(struct kms *k, struct gpu_bo *bo) = {
		wait_for_map, wait_for_framebuffer,
	};
	struct kms k;

	ASSERT_EQ(0, kms_open(&k));
	for (size_t n = 0; n < ARRAY_SIZE(waits); n++) {
		struct gpu_bo bo;
		int status = 0;
		pid_t child;

		ASSERT_EQ(0, host_blob(self->fd, &bo));
		ASSERT_EQ(0, gpu_finish(self->fd));
		ASSERT_EQ(0, dev_timeout(60000));
		ASSERT_EQ(0, dev_faults("any", "never"));
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			_exit(waits[n](&k, &bo) ? 7 : 8);
		sleep(2);
		EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
		EXPECT_EQ(0, kill(child, SIGKILL));
		for (int i = 0; i < 100 && !waitpid(child, &status, WNOHANG); i++)
			usleep(50000);
		EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("status %#x", status);
		ASSERT_EQ(0, dev_clear());
		/* what one was killed over, the next one gets */
		ASSERT_EQ(0, gpu_map(&bo));
		gpu_pattern(bo.map, bo.size, n);
		EXPECT_EQ(0, gpu_close(&bo));
	}
	kms_close(&k);
}

/* More than the driver keeps for a device that takes nothing */
#define FLOOD	2000

static void flood(const struct gpu_bo *bo, volatile unsigned int *count)
{
	for (int i = 0; i < FLOOD; i++) {
		if (gpu_transfer(bo, true, 0, 0, 16, 1, 0))
			_exit(1);
		(*count)++;
	}
	_exit(0);
}

/* What has a long way to go waits at the door: until there is room, or it is killed. */
TEST_F_TIMEOUT(silent, a_long_backlog, LONG_TEST)
{
	volatile unsigned int *count;
	struct gpu_bo bo;
	pid_t child;
	int status;

	count = shared_count();
	ASSERT_NE(MAP_FAILED, (void *)count);
	ASSERT_EQ(0, gpu_buffer(self->fd, 65536, &bo));
	ASSERT_EQ(0, gpu_finish(self->fd));
	ASSERT_EQ(0, dev_timeout(60000));
	ASSERT_EQ(0, dev_faults("any", "never"));
	for (int killed = 1; killed >= 0; killed--) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			flood(&bo, count);
		EXPECT_GT(FLOOD, at_a_standstill(count));
		EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
		if (killed) {
			ASSERT_EQ(0, kill(child, SIGKILL));
		} else {
			ASSERT_EQ(0, dev_clear());
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(killed ? SIGKILL : 0, status);
	}
	EXPECT_LT(FLOOD, *count);
	EXPECT_EQ(0, gpu_finish(self->fd));
	EXPECT_EQ(0, gpu_close(&bo));
	munmap((void *)count, sizeof(*count));
}

/* Each buffer that is exported is made known to the host, with its UUID. */
static void export_many(volatile unsigned int *count)
{
	int card = dev_card(), fd;
	struct kms_fb b;

	while (*count < FLOOD && !kms_dumb_create(card, 64, 64, 32, &b) &&
	       !drmPrimeHandleToFD(card, b.handle, DRM_CLOEXEC, &fd)) {
		close(fd);
		kms_dumb_destroy(card, b.handle);
		(*count)++;
	}
	_exit(1);
}

/* Who exports waits, too, but without a lock that others need for their handles. */
TEST_F_TIMEOUT(silent, exports_wait_alone, LONG_TEST)
{
	volatile unsigned int *count;
	uint64_t start;
	struct kms_fb b;
	int card, status;
	pid_t child;

	count = shared_count();
	ASSERT_NE(MAP_FAILED, (void *)count);
	card = dev_card();
	ASSERT_LE(0, card);
	ASSERT_EQ(0, dev_timeout(60000));
	ASSERT_EQ(0, dev_faults("any", "never"));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		export_many(count);
	EXPECT_GT(FLOOD, at_a_standstill(count));
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG));

	start = kms_now_ns();
	EXPECT_EQ(0, kms_dumb_create(card, 64, 64, 32, &b));
	kms_dumb_destroy(card, b.handle);
	EXPECT_GT(5000000000ull, kms_now_ns() - start);

	EXPECT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(SIGKILL, status);
	ASSERT_EQ(0, dev_clear());
	EXPECT_EQ(0, gpu_finish(self->fd));
	close(card);
	munmap((void *)count, sizeof(*count));
}

/* More than the ring holds */
#define RING_FULL	600

static void submit_all(volatile unsigned int *count)
{
	int fd = gpu_open(), fence;

	while (*count < RING_FULL && !submit(fd, &fence)) {
		close(fence);
		(*count)++;
	}
}

static void submit_many(volatile unsigned int *count)
{
	submit_all(count);
	pause();
	_exit(1);
}

/*
 * What a program has the host wait for, for ever, leaves room in the ring: for the
 * outputs, for other programs, and for the end of that one.
 */
TEST_F_TIMEOUT(silent, nobody_owns_the_ring, LONG_TEST)
{
	volatile unsigned int *count;
	struct kms_fb fbs[2];
	struct kms_output *o;
	struct gpu_bo bo;
	int destroyed;
	struct kms k;
	pid_t child;

	count = shared_count();
	ASSERT_NE(MAP_FAILED, (void *)count);
	ASSERT_EQ(0, kms_open(&k));
	o = kms_connected(&k);
	ASSERT_TRUE(o);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, kms_fb_create(&k, o->mode.hdisplay, o->mode.vdisplay,
					   DRM_FORMAT_XRGB8888, &fbs[i]));
		kms_fb_draw(&fbs[i], i + 1);
	}
	ASSERT_EQ(0, kms_show(&k, o, &fbs[0]));
	destroyed = dev_count("ctx_destroy");
	ASSERT_EQ(0, dev_faults("submit_3d", "never"));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		submit_many(count);
	for (int i = 0; i < 600 && *count < RING_FULL; i++)
		usleep(50000);
	ASSERT_EQ(RING_FULL, *count);

	for (int i = 1; i < 4; i++) {
		ASSERT_EQ(0, kms_flip(&k, o, &fbs[i % 2], DRM_MODE_PAGE_FLIP_EVENT, 0));
		EXPECT_EQ(0, kms_wait_flip(&k));
		EXPECT_EQ(0, host_diff_fb(o->head, &fbs[i % 2]));
	}
	EXPECT_EQ(0, gpu_buffer(self->fd, 65536, &bo));
	EXPECT_EQ(0, gpu_map(&bo));
	EXPECT_EQ(0, gpu_close(&bo));
	EXPECT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(destroyed + 1, dev_wait("ctx_destroy", destroyed + 1));
	ASSERT_EQ(0, dev_clear());
	EXPECT_EQ(0, gpu_finish(self->fd));
	for (int i = 0; i < 2; i++)
		kms_fb_destroy(&fbs[i]);
	EXPECT_EQ(0, kms_close(&k));
	munmap((void *)count, sizeof(*count));
}

/* A program that has submitted more than the ring holds, and ends: all of it goes. */
TEST_F_TIMEOUT(silent, nothing_is_lost_at_the_end, LONG_TEST)
{
	volatile unsigned int *count;
	int status, submitted;
	pid_t child;

	count = shared_count();
	ASSERT_NE(MAP_FAILED, (void *)count);
	submitted = dev_count("submit_3d");
	ASSERT_EQ(0, dev_faults("submit_3d", "late 100"));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		submit_all(count);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(RING_FULL, *count);
	EXPECT_EQ(submitted + RING_FULL, dev_wait("submit_3d", submitted + RING_FULL));
	munmap((void *)count, sizeof(*count));
}

/* Unplugged: what was under way ends with an error, at once. */
TEST_F_TIMEOUT(silent, unplugged_in_flight, LONG_TEST)
{
	struct gpu_bo bo;
	int fences[8];

	ASSERT_EQ(0, gpu_buffer(self->fd, 65536, &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	ASSERT_EQ(0, gpu_finish(self->fd));
	ASSERT_EQ(0, dev_faults("submit_3d", "never"));
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, submit(self->fd, &fences[i]));
	EXPECT_EQ(0, gpu_fence_status(fences[0]));
	ASSERT_EQ(0, host_unplug());
	for (int i = 0; i < 8; i++) {
		EXPECT_GT(0, gpu_fence_wait(fences[i], 5000));
		close(fences[i]);
	}
	/* the pages are still ours */
	gpu_pattern(bo.map, bo.size, 3);
	EXPECT_NE(0, submit(self->fd, &fences[0]));
	gpu_unmap(&bo);
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, host_plug("all"));
}

/* Window mappings outlive the device: they are there, or a signal says not. */
TEST_F_TIMEOUT(silent, unplugged_with_host_memory_mapped, LONG_TEST)
{
	struct gpu_bo bo;
	int status;
	pid_t child;

	ASSERT_EQ(0, host_blob(self->fd, &bo));
	ASSERT_EQ(0, gpu_map(&bo));
	gpu_pattern(bo.map, bo.size, 1);
	ASSERT_EQ(0, host_unplug());
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		((volatile char *)bo.map)[0] = 1;
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFEXITED(status) ||
		    (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS));
	gpu_unmap(&bo);
	ASSERT_EQ(0, host_plug("all"));
}

/* A page flip that the host never ends. */
TEST_F_TIMEOUT(silent, unplugged_during_a_flip, LONG_TEST)
{
	struct kms_output *o;
	struct kms_fb fb;
	struct kms k;

	ASSERT_EQ(0, kms_open(&k));
	o = kms_connected(&k);
	ASSERT_TRUE(o);
	ASSERT_EQ(0, kms_fb_create(&k, o->mode.hdisplay, o->mode.vdisplay,
				   DRM_FORMAT_XRGB8888, &fb));
	ASSERT_EQ(0, kms_show(&k, o, &fb));
	ASSERT_EQ(0, dev_faults("resource_flush", "never"));
	EXPECT_EQ(0, kms_flip(&k, o, &fb, DRM_MODE_ATOMIC_NONBLOCK |
			      DRM_MODE_PAGE_FLIP_EVENT, 1));
	ASSERT_EQ(0, host_unplug());
	EXPECT_EQ(0, kms_wait_flip(&k));
	EXPECT_NE(0, kms_flip(&k, o, &fb, 0, 0));
	kms_fb_destroy(&fb);
	kms_close(&k);
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, host_plug("all"));
}

/*
 * Commits cannot be interrupted while they wait for a flip. All of what a program
 * leaves behind waits once, and who comes after that does not wait at all.
 */
TEST_F_TIMEOUT(silent, flips_are_given_up_on, LONG_TEST)
{
	struct kms_output *o;
	struct kms_fb fb[2];
	uint64_t start;
	struct kms k;

	ASSERT_EQ(0, dev_timeout(3000));
	ASSERT_EQ(0, kms_open(&k));
	o = kms_connected(&k);
	ASSERT_TRUE(o);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, kms_fb_create(&k, o->mode.hdisplay,
					   o->mode.vdisplay,
					   DRM_FORMAT_XRGB8888, &fb[i]));
	ASSERT_EQ(0, kms_show(&k, o, &fb[0]));
	ASSERT_EQ(0, dev_faults("resource_flush", "never"));

	start = kms_now_ns();
	EXPECT_EQ(0, kms_flip(&k, o, &fb[1], 0, 0));
	EXPECT_GT(6000000000ull, kms_now_ns() - start);
	start = kms_now_ns();
	EXPECT_EQ(0, kms_flip(&k, o, &fb[0], 0, 0));
	EXPECT_EQ(0, kms_flip(&k, o, &fb[1], 0, 0));
	kms_fb_destroy(&fb[0]);
	kms_fb_destroy(&fb[1]);
	kms_close(&k);
	EXPECT_GT(2500000000ull, kms_now_ns() - start);

	/* A host that is back is waited for again. */
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, kms_open(&k));
	ASSERT_EQ(0, kms_fb_create(&k, o->mode.hdisplay, o->mode.vdisplay,
				   DRM_FORMAT_XRGB8888, &fb[0]));
	ASSERT_EQ(0, kms_show(&k, o, &fb[0]));
	ASSERT_EQ(0, dev_faults("resource_flush", "late 1500"));
	start = kms_now_ns();
	EXPECT_EQ(0, kms_flip(&k, o, &fb[0], 0, 0));
	EXPECT_LT(1400000000ull, kms_now_ns() - start);
	ASSERT_EQ(0, dev_clear());
	kms_fb_destroy(&fb[0]);
	EXPECT_EQ(0, kms_close(&k));
}

/* Where the host has the cursor; waits until it is there */
static bool cursor_is_at(const struct kms_output *o, int x, int y)
{
	int at_x = -1, at_y = -1;

	for (int i = 0; i < 300 && (at_x != x || at_y != y); i++) {
		char answer[64];

		if (i)
			usleep(10000);
		if (host_device(answer, sizeof(answer), "cursor %u /dev/null", o->head) ||
		    sscanf(answer, "%*u %*u %*u %*u %d %d", &at_x, &at_y) != 2)
			return false;
	}
	if (at_x != x || at_y != y)
		fprintf(stderr, "# cursor at %d,%d, not %d,%d\n", at_x, at_y, x, y);
	return at_x == x && at_y == y;
}

static int move_to(struct kms *k, const struct kms_output *o, int from, int to)
{
	int ret = 0;

	for (int i = from; i <= to && !ret; i++)
		ret = drmModeMoveCursor(k->fd, o->crtc, i, 2 * i);
	return ret;
}

/* A host that is slow with the cursor gets its last position, not each in turn. */
TEST_F_TIMEOUT(silent, positions_are_skipped, LONG_TEST)
{
	struct kms_fb fb, image;
	struct kms_output *o;
	struct kms k;

	ASSERT_EQ(0, kms_open(&k));
	o = kms_connected(&k);
	ASSERT_TRUE(o);
	ASSERT_EQ(0, kms_fb_create(&k, o->mode.hdisplay, o->mode.vdisplay,
				   DRM_FORMAT_XRGB8888, &fb));
	ASSERT_EQ(0, kms_show(&k, o, &fb));
	ASSERT_EQ(0, kms_fb_create(&k, 64, 64, DRM_FORMAT_ARGB8888, &image));
	ASSERT_EQ(0, drmModeSetCursor2(k.fd, o->crtc, image.handle, 64, 64, 0, 0));
	ASSERT_EQ(0, move_to(&k, o, 1, 1));
	EXPECT_TRUE(cursor_is_at(o, 1, 2));

	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, dev_fault("move_cursor", "late 1000"));
	ASSERT_EQ(0, move_to(&k, o, 2, 101));
	EXPECT_TRUE(cursor_is_at(o, 101, 202));
	EXPECT_EQ(2, dev_count("move_cursor"));
	ASSERT_EQ(0, move_to(&k, o, 102, 102));
	EXPECT_TRUE(cursor_is_at(o, 102, 204));

	/* one that is never answered ends with a reset, which shows the newest */
	ASSERT_EQ(0, dev_fault("move_cursor", "never"));
	ASSERT_EQ(0, move_to(&k, o, 103, 110));
	ASSERT_EQ(0, reset_device(&k));
	EXPECT_TRUE(cursor_is_at(o, 110, 220));
	ASSERT_EQ(0, move_to(&k, o, 111, 111));
	EXPECT_TRUE(cursor_is_at(o, 111, 222));

	/* one that is hidden meanwhile stays hidden, and where it was */
	ASSERT_EQ(0, dev_fault("move_cursor", "late 500"));
	ASSERT_EQ(0, move_to(&k, o, 112, 120));
	ASSERT_EQ(0, drmModeSetCursor2(k.fd, o->crtc, 0, 0, 0, 0, 0));
	EXPECT_EQ(0, dev_wait_faults());
	EXPECT_TRUE(cursor_is_at(o, 0, 0));
	kms_fb_destroy(&image);
	kms_fb_destroy(&fb);
	EXPECT_EQ(0, kms_close(&k));
}

/* The same answer two times breaks the ring; the driver can still go. */
TEST_F_TIMEOUT(silent, answered_twice, LONG_TEST)
{
	int fence;

	ASSERT_EQ(0, dev_fault("submit_3d", "twice"));
	if (!submit(self->fd, &fence)) {
		gpu_fence_wait(fence, 5000);
		close(fence);
	}
	if (!submit(self->fd, &fence)) {
		gpu_fence_wait(fence, 5000);
		close(fence);
	}
}

/* The host's process goes away: no answer will ever come. */
TEST_F_TIMEOUT(silent, disconnected, LONG_TEST)
{
	int fence = -1;

	ASSERT_EQ(0, dev_faults("submit_3d", "never"));
	ASSERT_EQ(0, submit(self->fd, &fence));
	ASSERT_EQ(0, host_device(NULL, 0, "disconnect"));
	EXPECT_EQ(-ETIME, gpu_fence_wait(fence, 500));
	ASSERT_EQ(0, host_unplug());
	EXPECT_GT(0, gpu_fence_wait(fence, 5000));
	close(fence);
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, host_plug("all"));
}

TEST_HARNESS_MAIN
