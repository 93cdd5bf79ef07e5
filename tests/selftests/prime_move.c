// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A buffer moves while the card uses it: what it leaves is poisoned at once, so
 * that a picture of old pages shows, and a write to them is counted.
 */
#include "gate.h"
#include "imported.h"

#include <sys/prctl.h>
#include <sys/wait.h>

/* Of a small buffer, within a time */
#define MANY_MOVES	10000
#define MANY_S		40
#define MANY_WIDTH	320
#define MANY_HEIGHT	240

FIXTURE_VARIANT_ADD(import, module) { .from = EXPORT_MODULE };

/* Does this kernel pin for every importer? */
static bool kernel_pins(void)
{
	uint32_t id;
	bool pins;
	int fd;

	if (module_export(4096, 0, 0, &fd))
		return false;
	if (module_import(fd, VIRTGPU_TEST_IMPORT_DYNAMIC, &id))
		return false;
	module_map(id, NULL, 0, NULL);
	pins = module_stats(fd).pinned;
	module_detach(id);
	close(fd);
	return pins;
}

/* The buffer of the fixture, made anew as one that moves. */
static int make_moving(FIXTURE_DATA(import) *self, unsigned int run)
{
	close(self->share.fd);
	return module_export(SIZE, run, VIRTGPU_TEST_MOVE_MAPPED,
			     &self->share.fd);
}

/*
 * A host that shows the buffer itself, and not what was transferred of it, needs
 * it where it is: then it is pinned as long as it is shown.
 */
static int move_shown(FIXTURE_DATA(import) *self, struct kms_fb *fb)
{
	int ret = module_move(self->share.fd, KMS_WAIT_MS);

	if (ret != -EBUSY || !module_stats(self->share.fd).pinned)
		return ret;
	ret = kms_flip(&self->k, self->o, &self->fb, 0, 0);
	if (!ret)
		ret = module_move(self->share.fd, KMS_WAIT_MS);
	return ret ? ret : kms_flip(&self->k, self->o, fb, 0, 0);
}

static void stats_are_good(struct __test_metadata *_metadata, int fd)
{
	struct virtgpu_test_stats stats;

	EXPECT_EQ(0, module_wait_idle(fd, &stats));
	EXPECT_EQ(0, stats.stale);
	EXPECT_EQ(0, stats.pinned);
	EXPECT_EQ(stats.maps, stats.unmaps);
	EXPECT_EQ(0, stats.unmapped_busy);
	EXPECT_EQ(0, stats.overdue);
	EXPECT_EQ(0, stats.written_late);
}

TEST_F_TIMEOUT(import, before_it_is_used, LONG_TEST)
{
	struct kms_fb fb;
	uint32_t handle;

	ASSERT_EQ(0, make_moving(self, 1));
	ASSERT_EQ(0, dmabuf_import(self->k.fd, self->share.fd, &handle));
	ASSERT_EQ(0, module_move(self->share.fd, KMS_WAIT_MS));
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, module_move(self->share.fd, KMS_WAIT_MS));
	ASSERT_EQ(0, share_draw(self->share.fd, &fb, 2));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	}
	kms_fb_destroy(&fb);
	stats_are_good(_metadata, self->share.fd);
}

/* On the screen, off it, and back; whole and in part. */
TEST_F_TIMEOUT(import, between_uses, LONG_TEST)
{
	drmModeClip clip = { .x1 = 8, .y1 = 9, .x2 = 400, .y2 = 300 };
	struct kms_fb fb;

	NEED_HOST();
	ASSERT_EQ(0, make_moving(self, 1));
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	for (unsigned int i = 0; i < 4; i++) {
		ASSERT_EQ(0, share_draw(self->share.fd, &fb, 10 + i));
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
		ASSERT_EQ(0, host_diff_fb(self->o->head, &fb));
		ASSERT_EQ(0, move_shown(self, &fb));

		for (uint32_t y = clip.y1; y < clip.y2; y++)
			for (uint32_t x = clip.x1; x < clip.x2; x++)
				kms_fb_set(&fb, x, y, 0xff000000 | x * y);
		ASSERT_EQ(0, drmModeDirtyFB(self->k.fd, fb.id, &clip, 1));
		ASSERT_EQ(0, host_diff_fb(self->o->head, &fb));
		ASSERT_EQ(0, move_shown(self, &fb));
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
		ASSERT_EQ(0, module_move(self->share.fd, KMS_WAIT_MS));
	}
	EXPECT_LE(4, module_stats(self->share.fd).moved_mapped);
	kms_fb_destroy(&fb);
	stats_are_good(_metadata, self->share.fd);
}

/* A flip waits for its fence while the buffer moves. */
TEST_F_TIMEOUT(import, while_a_flip_waits, LONG_TEST)
{
	struct virtgpu_test_stats stats;
	struct kms_fb fb;
	int ret;

	ASSERT_EQ(0, make_moving(self, 1));
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	for (unsigned int i = 0; i < 5; i++) {
		ASSERT_EQ(0, share_draw(self->share.fd, &fb, 20 + i));
		ASSERT_EQ(0, module_fence_add(self->share.fd,
					      VIRTGPU_TEST_FENCE_WRITE));
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, NONBLOCK_EVENT,
				      0));
		ret = module_move(self->share.fd, 50);
		ASSERT_TRUE(ret == -ETIMEDOUT || ret == -EBUSY);
		ASSERT_EQ(0, module_fence_signal(self->share.fd, 0));
		if (ret == -ETIMEDOUT) {
			EXPECT_EQ(0, module_move(self->share.fd, KMS_WAIT_MS));
		}
		ASSERT_EQ(0, kms_wait_flip(&self->k));
		if (!host_missing()) {
			EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
		}
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	}
	kms_fb_destroy(&fb);
	EXPECT_EQ(0, module_wait_idle(self->share.fd, &stats));
	EXPECT_EQ(0, stats.unmapped_busy);
	EXPECT_EQ(0, stats.written_late);
}

/* The other side: moves until there were enough, or time is over. */
static void mover(int fd, int moves, int seconds)
{
	uint64_t end = kms_now_ns() + seconds * 1000000000ULL;
	int ret = prctl(PR_SET_PDEATHSIG, SIGKILL);

	while (moves && !ret && kms_now_ns() < end) {
		ret = module_move(fd, KMS_WAIT_MS);
		if (!ret)
			moves--;
		if (ret == -EBUSY)	/* shown */
			ret = usleep(1000);
	}
	if (ret)
		fprintf(stderr, "# a move failed: %s\n", strerror(-ret));
	_exit(ret ? 1 : 0);
}

static bool is_over(pid_t child, int *status)
{
	return waitpid(child, status, WNOHANG) == child;
}

TEST_F_TIMEOUT(import, many_while_flipping, LONG_TEST + MANY_S)
{
	struct virtgpu_test_stats stats;
	unsigned int flips = 0, shots = 0;
	drmModeModeInfo mode;
	int status = 0;
	struct kms_fb fb;
	pid_t child;

	close(self->share.fd);
	ASSERT_EQ(0, module_export(MANY_WIDTH * MANY_HEIGHT * 4, 1,
				   VIRTGPU_TEST_MOVE_MAPPED, &self->share.fd));
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, MANY_WIDTH,
			      MANY_HEIGHT, &fb));
	kms_mode(&mode, MANY_WIDTH, MANY_HEIGHT, 60);
	ASSERT_EQ(0, kms_show_mode(&self->k, self->o, &mode, &self->fb));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		mover(self->share.fd, MANY_MOVES, MANY_S);

	while (!is_over(child, &status)) {
		if (flips % 100 == 0)
			kms_fb_draw(&fb, 100 + flips / 100);
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, NONBLOCK_EVENT,
				      0));
		ASSERT_EQ(0, kms_wait_flip(&self->k));
		if (flips % 100 == 0 && !host_missing()) {
			ASSERT_EQ(0, host_diff_fb(self->o->head, &fb));
			shots++;
		}
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb,
				      NONBLOCK_EVENT, 0));
		ASSERT_EQ(0, kms_wait_flip(&self->k));
		flips += 2;
	}
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	stats = module_stats(self->share.fd);
	TH_LOG("%u moves, %u of them mapped, %u flips, %u pictures",
	       stats.moves, stats.moved_mapped, flips, shots);
	EXPECT_LE(MANY_MOVES / 20 / slow(), stats.moves);
	EXPECT_LT(100 / slow(), stats.moved_mapped);
	kms_fb_destroy(&fb);
	stats_are_good(_metadata, self->share.fd);
}

/* --- 3D --- */

/* A submission that names a buffer which has moved. */
TEST_F_TIMEOUT(import, submissions, LONG_TEST)
{
	struct gpu_bo bo = { .size = SIZE };

	bo.fd = gpu_open();
	ASSERT_LE(0, bo.fd);
	if (!gpu_has(bo.fd, VIRTGPU_PARAM_3D_FEATURES)) {
		close(bo.fd);
		SKIP(return, "the host has no 3D");
	}
	ASSERT_EQ(0, make_moving(self, 8));
	ASSERT_EQ(0, gpu_finish(bo.fd));
	ASSERT_EQ(0, dmabuf_import(bo.fd, self->share.fd, &bo.handle));
	for (int i = 0; i < 50; i++) {
		struct drm_virtgpu_execbuffer exec = gpu_nop();
		int fence;

		exec.bo_handles = (uintptr_t)&bo.handle;
		exec.num_bo_handles = 1;
		ASSERT_EQ(0, gpu_exec_fence(bo.fd, &exec, &fence));
		ASSERT_EQ(0, module_move(self->share.fd, KMS_WAIT_MS));
		EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
		close(fence);
	}
	EXPECT_EQ(0, gpu_close(&bo));
	close(bo.fd);
	stats_are_good(_metadata, self->share.fd);
}

/*
 * A submission that waits for a fence counts on the pages where they are. Who wants
 * them where they have moved to comes after it, unless it is killed.
 */
TEST_F_TIMEOUT(import, held_by_a_waiting_submission, LONG_TEST)
{
	struct drm_virtgpu_execbuffer exec = gpu_nop();
	struct gpu_bo bo = { .size = SIZE };
	struct virtgpu_test_stats stats;
	struct gate gate;
	struct kms_fb fb;
	int fence, status;
	pid_t child;

	/* a move waits for those */
	if (!access("/sys/kernel/debug/dma-api", F_OK))
		SKIP(return, "this kernel takes each mapping for a bounce buffer");
	bo.fd = gpu_open();
	ASSERT_LE(0, bo.fd);
	if (!gpu_has(bo.fd, VIRTGPU_PARAM_3D_FEATURES)) {
		close(bo.fd);
		SKIP(return, "the host has no 3D");
	}
	ASSERT_EQ(0, make_moving(self, 1));
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, share_draw(self->share.fd, &fb, 9));
	ASSERT_EQ(0, gpu_finish(bo.fd));
	ASSERT_EQ(0, dmabuf_import(bo.fd, self->share.fd, &bo.handle));
	if (gate_make(&gate))
		SKIP(return, "no vgem module to make a fence with");
	exec.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
	exec.fence_fd = gate.sync_file;
	exec.bo_handles = (uintptr_t)&bo.handle;
	exec.num_bo_handles = 1;
	ASSERT_EQ(0, gpu_exec_fence(bo.fd, &exec, &fence));
	EXPECT_EQ(-ETIMEDOUT, module_move(self->share.fd, 100));

	for (int killed = 1; killed >= 0; killed--) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			_exit(kms_flip(&self->k, self->o, &fb, 0, 0) ? 1 : 0);
		usleep(500000);
		EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
		if (killed) {
			ASSERT_EQ(0, kill(child, SIGKILL));
		} else {
			ASSERT_EQ(0, gate_open(&gate));
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(killed ? SIGKILL : 0, status);
	}
	EXPECT_EQ(0, gpu_fence_wait(fence, KMS_WAIT_MS));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb(self->o->head, &fb));
	}
	EXPECT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	EXPECT_EQ(0, module_move(self->share.fd, KMS_WAIT_MS));
	close(fence);
	gate_free(&gate);
	EXPECT_EQ(0, gpu_close(&bo));
	close(bo.fd);
	kms_fb_destroy(&fb);
	EXPECT_EQ(0, module_wait_idle(self->share.fd, &stats));
	EXPECT_EQ(stats.maps, stats.unmaps);
	EXPECT_EQ(0, stats.unmapped_busy);
	EXPECT_EQ(0, stats.written_late);
}

/* --- kernels that pin --- */

TEST_F_TIMEOUT(import, pinned_while_it_is_mapped, LONG_TEST)
{
	struct virtgpu_test_stats stats;
	struct kms_fb fb;

	if (!kernel_pins())
		SKIP(return, "this kernel lets mapped buffers move");
	ASSERT_EQ(0, share_fb(&self->k, self->share.fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	EXPECT_EQ(-EBUSY, module_move(self->share.fd, KMS_WAIT_MS));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	kms_fb_destroy(&fb);
	EXPECT_EQ(0, module_wait_idle(self->share.fd, &stats));
	EXPECT_EQ(0, module_move(self->share.fd, KMS_WAIT_MS));
}

TEST_HARNESS_MAIN
