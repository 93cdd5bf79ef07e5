// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Dumb buffers: creation, mapping, contents, and wrong values.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <limits.h>

#include "host.h"
#include "kms.h"

FIXTURE(dumb) {
	struct kms k;
	int handles;
};

FIXTURE_SETUP(dumb)
{
	ASSERT_EQ(0, kms_open(&self->k));
	self->handles = kms_handles(&self->k);
	ASSERT_LT(0, self->handles);
}

FIXTURE_TEARDOWN(dumb)
{
	EXPECT_EQ(self->handles, kms_handles(&self->k));
	EXPECT_EQ(0, kms_close(&self->k));
}

static void *map(int fd, uint32_t handle, uint64_t size)
{
	struct drm_mode_map_dumb arg = { .handle = handle };
	void *p;

	if (kms_ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &arg))
		return NULL;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 arg.offset);
	return p == MAP_FAILED ? NULL : p;
}

TEST_F(dumb, sizes_and_pitches)
{
	static const struct {
		uint32_t w, h, bpp;
	} cases[] = {
		{ 1, 1, 32 }, { 1, 1, 16 }, { 641, 479, 32 }, { 333, 7, 16 },
		{ 1920, 1080, 32 }, { 4096, 16, 16 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kms_fb b;

		ASSERT_EQ(0, kms_dumb_create(self->k.fd, cases[i].w, cases[i].h,
					     cases[i].bpp, &b));
		EXPECT_LE(cases[i].w * cases[i].bpp / 8, b.pitch);
		EXPECT_EQ(0, b.pitch % (cases[i].bpp / 8));
		EXPECT_LE((uint64_t)b.pitch * cases[i].h, b.size);
		EXPECT_EQ(0, b.size % getpagesize());
		EXPECT_EQ(0, kms_dumb_destroy(self->k.fd, b.handle));
	}
}

TEST_F(dumb, is_zeroed)
{
	struct kms_fb b;
	const uint8_t *p;

	ASSERT_EQ(0, kms_dumb_create(self->k.fd, 640, 480, 32, &b));
	p = map(self->k.fd, b.handle, b.size);
	ASSERT_TRUE(p);
	for (uint64_t i = 0; i < b.size; i++) {
		ASSERT_EQ(0, p[i]);
	}
	munmap((void *)p, b.size);
	EXPECT_EQ(0, kms_dumb_destroy(self->k.fd, b.handle));
}

/* Through another mapping, after the first one is gone. */
TEST_F(dumb, contents_survive)
{
	struct kms_fb b;
	uint32_t *p;

	ASSERT_EQ(0, kms_dumb_create(self->k.fd, 640, 480, 32, &b));
	p = map(self->k.fd, b.handle, b.size);
	ASSERT_TRUE(p);
	for (uint64_t i = 0; i < b.size / 4; i++)
		p[i] = i * 2654435761u;
	munmap(p, b.size);
	p = map(self->k.fd, b.handle, b.size);
	ASSERT_TRUE(p);
	for (uint64_t i = 0; i < b.size / 4; i++) {
		ASSERT_EQ((uint32_t)(i * 2654435761u), p[i]);
	}
	munmap(p, b.size);
	EXPECT_EQ(0, kms_dumb_destroy(self->k.fd, b.handle));
}

/* A mapping keeps the memory when the handle goes. */
TEST_F(dumb, mapping_outlives_the_handle)
{
	struct kms_fb b;
	uint32_t *p;

	ASSERT_EQ(0, kms_dumb_create(self->k.fd, 64, 64, 32, &b));
	p = map(self->k.fd, b.handle, b.size);
	ASSERT_TRUE(p);
	p[17] = 0xc0ffee;
	EXPECT_EQ(0, kms_dumb_destroy(self->k.fd, b.handle));
	EXPECT_EQ(0xc0ffee, p[17]);
	p[b.size / 4 - 1] = 1;
	munmap(p, b.size);
}

/* A part from the beginning may be mapped, nothing beyond the end. */
TEST_F(dumb, parts_can_be_mapped)
{
	struct drm_mode_map_dumb arg = {};
	long page = getpagesize();
	uint32_t *whole, *part;
	struct kms_fb b;

	ASSERT_EQ(0, kms_dumb_create(self->k.fd, 256, 256, 32, &b));
	whole = map(self->k.fd, b.handle, b.size);
	ASSERT_TRUE(whole);
	part = map(self->k.fd, b.handle, page);
	ASSERT_TRUE(part);
	whole[5] = 55;
	EXPECT_EQ(55, part[5]);
	munmap(part, page);
	munmap(whole, b.size);

	arg.handle = b.handle;
	ASSERT_EQ(0, kms_ioctl(self->k.fd, DRM_IOCTL_MODE_MAP_DUMB, &arg));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, b.size + page, PROT_READ, MAP_SHARED,
				   self->k.fd, arg.offset));
	EXPECT_EQ(0, kms_dumb_destroy(self->k.fd, b.handle));
}

/* A private copy of device memory is not what anybody wants. */
TEST_F(dumb, private_mapping)
{
	struct drm_mode_map_dumb arg = {};
	struct kms_fb b;

	ASSERT_EQ(0, kms_dumb_create(self->k.fd, 64, 64, 32, &b));
	arg.handle = b.handle;
	ASSERT_EQ(0, kms_ioctl(self->k.fd, DRM_IOCTL_MODE_MAP_DUMB, &arg));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, b.size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE, self->k.fd, arg.offset));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, kms_dumb_destroy(self->k.fd, b.handle));
}

TEST_F(dumb, mapping_is_inherited_by_fork)
{
	struct kms_fb b;
	volatile uint32_t *p;
	int status;
	pid_t pid;

	ASSERT_EQ(0, kms_dumb_create(self->k.fd, 64, 64, 32, &b));
	p = map(self->k.fd, b.handle, b.size);
	ASSERT_TRUE(p);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		p[3] = 33;
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(33, p[3]);
	munmap((void *)p, b.size);
	EXPECT_EQ(0, kms_dumb_destroy(self->k.fd, b.handle));
}

/* The kernel writes to and from it as with any memory (get_user_pages). */
TEST_F(dumb, system_calls_on_the_mapping)
{
	struct kms_fb b;
	int pipes[2];
	char *p;

	ASSERT_EQ(0, kms_dumb_create(self->k.fd, 64, 64, 32, &b));
	p = map(self->k.fd, b.handle, b.size);
	ASSERT_TRUE(p);
	ASSERT_EQ(0, pipe(pipes));
	strcpy(p, "hello");
	ASSERT_EQ(6, write(pipes[1], p, 6));
	ASSERT_EQ(6, read(pipes[0], p + 4096, 6));
	EXPECT_STREQ("hello", p + 4096);
	munmap(p, b.size);
	EXPECT_EQ(0, kms_dumb_destroy(self->k.fd, b.handle));
}

/* --- wrong values --- */

TEST_F(dumb, bad_sizes)
{
	static const struct {
		uint32_t w, h, bpp;
	} bad[] = {
		{ 0, 64, 32 }, { 64, 0, 32 }, { 64, 64, 0 },
		{ UINT_MAX, 64, 32 }, { 64, UINT_MAX, 32 },
		{ UINT_MAX, UINT_MAX, UINT_MAX }, { 64, 64, UINT_MAX },
		{ 0x10000, 0x10000, 32 }, { 0x8000, 0x8001, 32 },
		{ 0x40000000, 1, 32 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kms_fb b;

		EXPECT_EQ(-EINVAL, kms_dumb_create(self->k.fd, bad[i].w,
						   bad[i].h, bad[i].bpp, &b))
			TH_LOG("%ux%u, %u bits", bad[i].w, bad[i].h,
			       bad[i].bpp);
	}
}

static int add_fb(int fd, const struct kms_fb *b, uint32_t *id)
{
	uint32_t handles[4] = { b->handle }, pitches[4] = { b->pitch };
	uint32_t offsets[4] = {};

	return drmModeAddFB2(fd, b->width, b->height, DRM_FORMAT_XRGB8888,
			     handles, pitches, offsets, id, 0);
}

/*
 * The host has a limit for what a guest may make it allocate (QEMU: 256 MiB).
 * Who goes over it is told so by CREATE_DUMB or, at the latest, by ADDFB.
 */
TEST_F_TIMEOUT(dumb, more_than_the_host_gives, 60)
{
	struct kms_fb b[4];
	uint32_t id[4];
	int n = 0, ret = 0;

	while (n < 4 && !ret) {
		ret = kms_dumb_create(self->k.fd, 8192, 8192, 32, &b[n]);
		if (ret)
			break;
		ret = add_fb(self->k.fd, &b[n], &id[n]);
		if (ret)
			kms_dumb_destroy(self->k.fd, b[n].handle);
		else
			n++;
	}
	for (int i = 0; i < n; i++) {
		drmModeRmFB(self->k.fd, id[i]);
		kms_dumb_destroy(self->k.fd, b[i].handle);
	}
	if (!ret && host_missing())
		SKIP(return, "this host gives 1 GiB and more");
	EXPECT_EQ(-ENOMEM, ret);

	/* and it is no lasting harm */
	ASSERT_EQ(0, kms_dumb_create(self->k.fd, 640, 480, 32, &b[0]));
	EXPECT_EQ(0, add_fb(self->k.fd, &b[0], &id[0]));
	drmModeRmFB(self->k.fd, id[0]);
	EXPECT_EQ(0, kms_dumb_destroy(self->k.fd, b[0].handle));
}

TEST_F(dumb, bad_handles)
{
	static const uint32_t bad[] = { 0, 0xdead, UINT_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct drm_mode_map_dumb arg = { .handle = bad[i] };
		struct drm_gem_close gem = { .handle = bad[i] };

		EXPECT_EQ(-ENOENT, kms_ioctl(self->k.fd,
					     DRM_IOCTL_MODE_MAP_DUMB, &arg));
		EXPECT_EQ(0, arg.offset);
		EXPECT_EQ(-EINVAL, kms_dumb_destroy(self->k.fd, bad[i]));
		EXPECT_EQ(-EINVAL, kms_ioctl(self->k.fd, DRM_IOCTL_GEM_CLOSE,
					     &gem));
	}
}

TEST_F(dumb, destroyed_twice)
{
	struct kms_fb b;

	ASSERT_EQ(0, kms_dumb_create(self->k.fd, 64, 64, 32, &b));
	EXPECT_EQ(0, kms_dumb_destroy(self->k.fd, b.handle));
	EXPECT_EQ(-EINVAL, kms_dumb_destroy(self->k.fd, b.handle));
}

/* Another file cannot map it, neither by handle nor by a guessed offset. */
TEST_F(dumb, foreign_file)
{
	int fd = kms_open_node(DRM_NODE_PRIMARY, NULL);
	struct drm_mode_map_dumb arg = {};
	struct kms_fb b;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, kms_dumb_create(self->k.fd, 64, 64, 32, &b));
	arg.handle = b.handle;
	EXPECT_EQ(-ENOENT, kms_ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &arg));
	ASSERT_EQ(0, kms_ioctl(self->k.fd, DRM_IOCTL_MODE_MAP_DUMB, &arg));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, b.size, PROT_READ, MAP_SHARED, fd,
				   arg.offset));
	EXPECT_EQ(EACCES, errno);
	close(fd);
	EXPECT_EQ(0, kms_dumb_destroy(self->k.fd, b.handle));
}

TEST_F(dumb, unknown_offset)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED,
				   self->k.fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED,
				   self->k.fd, 0x7ffffffff000));
}

static long memory_kb(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long kb = -1;

	while (f && kb < 0 && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, strlen(name)))
			sscanf(line + strlen(name), ": %ld", &kb);
	}
	if (f)
		fclose(f);
	return kb;
}

/* What is destroyed is free again: 100 buffers of 4 MiB, touched. */
TEST_F_TIMEOUT(dumb, memory_comes_back, 120)
{
	long before = memory_kb("Shmem"), after;

	for (int i = 0; i < 100; i++) {
		struct kms_fb b;
		char *p;

		ASSERT_EQ(0, kms_dumb_create(self->k.fd, 1024, 1024, 32, &b));
		p = map(self->k.fd, b.handle, b.size);
		ASSERT_TRUE(p);
		for (uint64_t j = 0; j < b.size; j += 4096)
			p[j] = 1;
		munmap(p, b.size);
		ASSERT_EQ(0, kms_dumb_destroy(self->k.fd, b.handle));
	}
	/* freeing may end a little later than the call */
	for (int i = 0; i < 50; i++) {
		after = memory_kb("Shmem");
		if (after < before + 8192)
			break;
		usleep(100000);
	}
	EXPECT_LT(after, before + 8192);
}

/* Handles without end: all of one file's go with the file. */
TEST_F_TIMEOUT(dumb, closing_the_file_frees_all, 120)
{
	long before = memory_kb("Shmem"), after;
	int fd = kms_open_node(DRM_NODE_PRIMARY, NULL);
	struct kms_fb b;

	ASSERT_LE(0, fd);
	for (int i = 0; i < 300; i++) {
		ASSERT_EQ(0, kms_dumb_create(fd, 256, 256, 32, &b));
	}
	close(fd);
	for (int i = 0; i < 50; i++) {
		after = memory_kb("Shmem");
		if (after < before + 8192)
			break;
		usleep(100000);
	}
	EXPECT_LT(after, before + 8192);
}

TEST_HARNESS_MAIN
