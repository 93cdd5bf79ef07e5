// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs that have little: little memory (a memory cgroup, with swap where the
 * kernel has it), few descriptors, or all the handles, contexts and
 * framebuffers that they can get. They are told so, what they have stays
 * right, and nobody else notices.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "display.h"
#include "gpu.h"
#include "param.h"
#include "reset.h"

/* Seconds: emulated machines that swap are slow. */
#define SWAP_TEST	240

#define MIB		(1 << 20)

/* --- a little memory --- */

#define CGROUPS		"/tmp/memory-cgroups"
#define CGROUP		CGROUPS "/test"
#define SWAP_FILE	"/var/tmp/memory-swap"
#define LIMIT_MIB	24

/* Returns: why there is none, or NULL. */
static const char *cgroup_make(void)
{
	char limit[16];

	mkdir(CGROUPS, 0700);
	if (mount("cgroup2", CGROUPS, "cgroup2", 0, NULL))
		return "no cgroup2 to mount";
	if (write_file(CGROUPS "/cgroup.subtree_control", "+memory"))
		return "no memory controller";
	if (mkdir(CGROUP, 0700) && errno != EEXIST)
		return "no cgroup can be made";
	snprintf(limit, sizeof(limit), "%dM", LIMIT_MIB);
	return write_file(CGROUP "/memory.max", limit) ? "no memory.max" : NULL;
}

static void cgroup_free(void)
{
	rmdir(CGROUP);
	umount(CGROUPS);
	rmdir(CGROUPS);
}

/* Returns: why there is none, or NULL. */
static const char *swap_make(unsigned int mib)
{
	int fd = open(SWAP_FILE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const char *why = NULL;

	if (fd < 0 || fallocate(fd, 0, 0, (off_t)mib * MIB) || fsync(fd))
		why = "no file to swap to";
	if (fd >= 0)
		close(fd);
	if (!why && system("mkswap -q " SWAP_FILE " > /dev/null 2>&1"))
		why = "no mkswap";
	if (!why && swapon(SWAP_FILE, 0))
		why = "the kernel does not swap to a file";
	return why;
}

static void swap_free(void)
{
	swapoff(SWAP_FILE);
	unlink(SWAP_FILE);
}

/* A number of the cgroup, or of the kernel; -1 without. */
static long read_number(const char *file, const char *key)
{
	char line[128];
	long value = -1;
	FILE *f = fopen(file, "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, strlen(key)))
			value = atol(line + strlen(key));
	}
	if (f)
		fclose(f);
	return value;
}

/* --- buffers --- */

#define SIDE		512		/* of a buffer, in pixels: 1 MiB */
#define BUFFERS		48		/* twice what the cgroup may have */

static int map_one(int fd, struct kms_fb *fb)
{
	struct drm_mode_map_dumb arg = { .handle = fb->handle };
	int ret = kms_ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &arg);

	if (ret)
		return ret;
	fb->map = mmap(NULL, fb->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, arg.offset);
	return fb->map == MAP_FAILED ? -errno : 0;
}

/* Mapped only while it is drawn: else no page of it can be swapped. */
static int fill(int fd, struct kms_fb *fb, uint32_t seed)
{
	int ret = kms_dumb_create(fd, SIDE, SIDE, 32, fb) ?: map_one(fd, fb);

	if (ret)
		return ret;
	gpu_pattern(fb->map, fb->size, seed);
	munmap(fb->map, fb->size);
	return 0;
}

static uint32_t want[SIDE * SIDE];

/* Returns: 0, -EIO when something else is in it, or another error. */
static int check(int fd, struct kms_fb *fb, uint32_t seed)
{
	int ret = map_one(fd, fb);

	if (ret)
		return ret;
	gpu_pattern(want, sizeof(want), seed);
	ret = memcmp(want, fb->map, sizeof(want)) ? -EIO : 0;
	munmap(fb->map, fb->size);
	return ret;
}

/*
 * More than the cgroup may have. With swap all of it works; without, the error
 * is -ENOMEM, and what was there before is as it was.
 */
static int fill_and_check(int fd, bool swap)
{
	struct kms_fb fbs[BUFFERS];
	int n, ret = 0, bad = 0;

	for (n = 0; n < BUFFERS && !ret; n++)
		ret = fill(fd, &fbs[n], n);
	if (ret)
		n--;
	fprintf(stderr, "# %d of %d MiB drawn, %s\n", n, BUFFERS, strerror(-ret));
	if (swap ? ret : ret != -ENOMEM)
		return ret ? ret : -ENODATA;
	/* room for what else the program needs */
	while (ret && n > LIMIT_MIB - 4)
		kms_dumb_destroy(fd, fbs[--n].handle);
	for (int i = 0; i < n && !bad; i++)
		bad = check(fd, &fbs[i], i);
	return bad;
}

/* The host has the pages of a framebuffer: more of them than there may be are refused. */
static int framebuffers_until_full(int fd)
{
	uint32_t id, handles[4] = {}, pitches[4] = {}, offsets[4] = {};
	struct kms_fb fb;
	int n, ret = 0;

	for (n = 0; n < BUFFERS && !ret; n++) {
		ret = kms_dumb_create(fd, SIDE, SIDE, 32, &fb);
		handles[0] = fb.handle;
		pitches[0] = fb.pitch;
		ret = ret ?: drmModeAddFB2(fd, SIDE, SIDE, DRM_FORMAT_XRGB8888, handles,
					   pitches, offsets, &id, 0);
	}
	fprintf(stderr, "# %d framebuffers of 1 MiB, %s\n", n, strerror(-ret));
	if (n < LIMIT_MIB / 2 || ret != -ENOMEM)
		return ret ? ret : -ENODATA;
	return 0;
}

/* --- in a child, which is in the cgroup --- */

enum what { DRAW, DRAW_SWAP, FRAMEBUFFERS };

/* The program's own memory comes before: for want of that it would be killed. */
static int join_cgroup(void)
{
	memset(want, 1, sizeof(want));
	if (mlockall(MCL_CURRENT))
		return -errno;
	return write_file(CGROUP "/cgroup.procs", "0\n");
}

static int work(enum what what)
{
	int fd = kms_open_node(DRM_NODE_PRIMARY, NULL), ret;

	if (fd < 0)
		return fd;
	ret = join_cgroup();
	if (ret)
		return ret;
	if (what == FRAMEBUFFERS)
		return framebuffers_until_full(fd);
	return fill_and_check(fd, what == DRAW_SWAP);
}

/* Returns: what the child found, or -EINTR when it was killed. */
static int in_cgroup(enum what what)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(-work(what));
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -errno;
	if (!WIFEXITED(status))
		return -EINTR;
	return -WEXITSTATUS(status);
}

/* After each: nothing is left of the child, and the screen is what it was. */
static void unharmed(struct __test_metadata *_metadata, FIXTURE_DATA(display) *self,
		     int resources)
{
	EXPECT_EQ(resources, gpu_stat_wait("resources", resources));
	kms_fb_draw(&self->fb, 7);
	EXPECT_EQ(0, drmModeDirtyFB(self->k.fd, self->fb.id, NULL, 0));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	}
}

TEST_F_TIMEOUT(display, small_cgroup, SWAP_TEST)
{
	int resources = gpu_stat("resources");
	const char *why = cgroup_make();

	if (!why) {
		EXPECT_EQ(0, in_cgroup(DRAW));
		EXPECT_EQ(0, read_number(CGROUP "/memory.events", "oom_kill "));
		unharmed(_metadata, self, resources);
	}
	cgroup_free();
	if (why)
		SKIP(return, "%s", why);
}

TEST_F_TIMEOUT(display, small_cgroup_with_swap, SWAP_TEST)
{
	int resources = gpu_stat("resources");
	const char *why = cgroup_make() ?: swap_make(2 * BUFFERS);
	long swapped = read_number("/proc/vmstat", "pswpout ");

	if (!why) {
		EXPECT_EQ(0, in_cgroup(DRAW_SWAP));
		EXPECT_LT(swapped, read_number("/proc/vmstat", "pswpout "));
		unharmed(_metadata, self, resources);
	}
	cgroup_free();
	swap_free();
	if (why)
		SKIP(return, "%s", why);
}

TEST_F_TIMEOUT(display, framebuffers_in_a_small_cgroup, SWAP_TEST)
{
	int resources = gpu_stat("resources");
	const char *why = cgroup_make();

	if (!why) {
		EXPECT_EQ(0, in_cgroup(FRAMEBUFFERS));
		unharmed(_metadata, self, resources);
	}
	cgroup_free();
	if (why)
		SKIP(return, "%s", why);
}

/* --- few descriptors --- */

/* Room for no more than @more descriptors. */
static int limit_fds(int more, struct rlimit *old)
{
	int next = dup(0);
	struct rlimit limit;

	if (next < 0 || getrlimit(RLIMIT_NOFILE, old))
		return -errno;
	close(next);
	limit = *old;
	limit.rlim_cur = next + more;
	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}

TEST_F(display, no_descriptors)
{
	struct drm_mode_create_lease lease = {};
	uint32_t objects[] = { self->o->crtc, self->o->connector, self->o->primary };
	uint32_t syncobj;
	struct rlimit old;
	int fd;

	ASSERT_EQ(0, drmSyncobjCreate(self->k.fd, DRM_SYNCOBJ_CREATE_SIGNALED, &syncobj));
	ASSERT_EQ(0, limit_fds(0, &old));
	EXPECT_EQ(-1, drmPrimeHandleToFD(self->k.fd, self->fb.handle, DRM_CLOEXEC, &fd));
	EXPECT_EQ(EMFILE, errno);
	EXPECT_EQ(-1, drmSyncobjExportSyncFile(self->k.fd, syncobj, &fd));
	EXPECT_EQ(EMFILE, errno);
	EXPECT_EQ(-1, drmSyncobjHandleToFD(self->k.fd, syncobj, &fd));
	EXPECT_EQ(EMFILE, errno);
	lease.object_ids = (uintptr_t)objects;
	lease.object_count = 3;
	EXPECT_EQ(-EMFILE, kms_ioctl(self->k.fd, DRM_IOCTL_MODE_CREATE_LEASE, &lease));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	/* nothing of it has happened */
	EXPECT_EQ(0, drmPrimeHandleToFD(self->k.fd, self->fb.handle, DRM_CLOEXEC, &fd));
	close(fd);
	EXPECT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	EXPECT_EQ(self->fb.handle + 1, kms_handles(&self->k));
}

/* A submission without a descriptor for its fence does not take place. */
TEST_F(display, no_descriptor_for_a_fence)
{
	struct drm_virtgpu_execbuffer nop = gpu_nop();
	struct rlimit old;
	int fd = gpu_open(), fence;

	ASSERT_LE(0, fd);
	if (!gpu_has(fd, VIRTGPU_PARAM_3D_FEATURES))
		SKIP(return, "the host has no 3D");
	ASSERT_EQ(0, limit_fds(0, &old));
	for (int i = 0; i < 1000; i++)
		ASSERT_EQ(-EMFILE, gpu_exec_fence(fd, &nop, &fence));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	EXPECT_EQ(0, gpu_finish(fd));
	close(fd);
}

/* --- all the handles --- */

#define MANY	5000

/* Each makes something of the file until it is told not to, or there are many. */
static int many_dumb(int fd)
{
	struct kms_fb fb;

	return kms_dumb_create(fd, 16, 16, 32, &fb);
}

static int many_syncobjs(int fd)
{
	uint32_t handle;

	return drmSyncobjCreate(fd, 0, &handle);
}

static int many_blobs(int fd)
{
	uint32_t id;

	return drmModeCreatePropertyBlob(fd, "data", 4, &id);
}

static int many_resources(int fd)
{
	struct gpu_bo bo;

	return gpu_texture(fd, 16, 16, &bo);
}

static int many_contexts(int fd)
{
	int more = gpu_open();

	(void)fd;
	if (more < 0)
		return more;
	return gpu_has(more, VIRTGPU_PARAM_3D_FEATURES) ? gpu_finish(more) : 0;
}

static const struct {
	const char *name;
	int (*make)(int fd);
	unsigned int count;
} things[] = {
	{ "dumb buffers", many_dumb, MANY },
	{ "syncobjs", many_syncobjs, MANY },
	{ "property blobs", many_blobs, MANY },
	{ "resources", many_resources, MANY },
	{ "open files", many_contexts, 300 },
};

static int make_many(void)
{
	int fd = kms_open_node(DRM_NODE_PRIMARY, NULL), ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(things) && !ret; i++) {
		uint64_t begin = kms_now_ns();
		unsigned int n;

		for (n = 0; n < things[i].count && !ret; n++)
			ret = things[i].make(fd);
		fprintf(stderr, "# %u %s in %lu ms\n", n, things[i].name,
			(unsigned long)((kms_now_ns() - begin) / 1000000));
	}
	return ret;
}

/* A program that has thousands of all things goes, and takes them with it. */
TEST_F_TIMEOUT(display, thousands, SWAP_TEST)
{
	int resources = gpu_stat("resources"), status;
	pid_t child = fork();

	if (!child)
		_exit(-make_many());
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	unharmed(_metadata, self, resources);
}

/* Ids are given again: to run out of them takes as many at a time. */
TEST_F_TIMEOUT(display, ids_are_given_again, SWAP_TEST)
{
	int fd = gpu_open(), resources = gpu_stat("resources");
	uint32_t highest = 0;
	struct gpu_bo bo;

	ASSERT_LE(0, fd);
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(0, gpu_texture(fd, 16, 16, &bo));
		if (bo.res > highest)
			highest = bo.res;
		ASSERT_EQ(0, gpu_close(&bo));
	}
	close(fd);
	EXPECT_GT(MANY / 2, highest);
	unharmed(_metadata, self, resources);
}

TEST_HARNESS_MAIN
