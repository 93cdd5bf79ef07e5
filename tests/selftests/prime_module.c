// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The test module itself: what the other tests of sharing conclude from its
 * answers is right only when these are.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>

#include "share.h"

#define PAGE	4096
#define SIZE	(24 * PAGE)
#define DYNAMIC	VIRTGPU_TEST_IMPORT_DYNAMIC
#define VMAP	VIRTGPU_TEST_ACCESS_VMAP

FIXTURE(buffer) {
	int fd;
	uint32_t *map;
};

FIXTURE_SETUP(buffer)
{
	NEED_MODULE();
	ASSERT_EQ(0, module_export(SIZE, 1, 0, &self->fd));
	self->map = dmabuf_map(self->fd, SIZE);
	ASSERT_TRUE(self->map);
}

/* Each test ends what it began: the buffer goes with its last descriptor. */
FIXTURE_TEARDOWN(buffer)
{
	struct virtgpu_test_stats stats = module_stats(self->fd);
	unsigned int buffers = stats.buffers;

	EXPECT_EQ(0, stats.attached);
	EXPECT_EQ(0, stats.mapped);
	EXPECT_EQ(0, stats.pinned);
	EXPECT_EQ(stats.maps, stats.unmaps);
	munmap(self->map, SIZE);
	close(self->fd);
	EXPECT_EQ(buffers - 1, module_stats(-1).buffers);
}

static void draw(uint32_t *map, uint32_t seed)
{
	for (uint32_t i = 0; i < SIZE / 4; i++)
		map[i] = i * 2654435761u + seed;
}

TEST_F(buffer, runs_and_gaps)
{
	static const struct {
		uint32_t run, pieces, length, last;
	} cases[] = {
		{ 1, 24, 1, 1 }, { 2, 12, 2, 2 }, { 5, 5, 5, 4 },
		{ 24, 1, 24, 24 },
	};
	uint32_t lengths[32], id;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int n, fd;

		ASSERT_EQ(0, module_export(SIZE, cases[i].run, 0, &fd));
		ASSERT_EQ(0, module_import(fd, DYNAMIC, &id));
		n = module_map(id, lengths, 32, NULL);
		EXPECT_EQ(cases[i].pieces, n);
		EXPECT_EQ(cases[i].length * PAGE, lengths[0]);
		EXPECT_EQ(cases[i].last * PAGE, lengths[n - 1]);
		EXPECT_EQ(0, module_detach(id));
		close(fd);
	}
}

/* Four ways to the same bytes: mmap, addresses for devices, vmap, and pages. */
TEST_F(buffer, content)
{
	uint32_t data[SIZE / 4], id;

	draw(self->map, 1);
	ASSERT_EQ(0, module_import(self->fd, DYNAMIC, &id));
	EXPECT_EQ(-ENXIO, module_read(id, 0, data, SIZE, 0));
	ASSERT_LT(0, module_map(id, NULL, 0, NULL));
	EXPECT_EQ(0, module_read(id, 0, data, SIZE, 0));
	EXPECT_EQ(0, memcmp(data, self->map, SIZE));
	memset(data, 0, SIZE);
	EXPECT_EQ(0, module_read(id, 0, data, SIZE, VMAP));
	EXPECT_EQ(0, memcmp(data, self->map, SIZE));
	data[0] = 0x1234;
	EXPECT_EQ(0, module_write(id, 5 * PAGE + 8, data, 4, 0));
	EXPECT_EQ(0x1234, self->map[(5 * PAGE + 8) / 4]);
	EXPECT_EQ(0, module_write(id, PAGE - 4, data, 8, VMAP));
	EXPECT_EQ(0x1234, self->map[PAGE / 4 - 1]);
	EXPECT_EQ(data[1], self->map[PAGE / 4]);
	EXPECT_EQ(-EINVAL, module_read(id, SIZE - 4, data, 8, 0));
	EXPECT_EQ(0, module_detach(id));
}

/* A move keeps the content, for the CPU and for who imports dynamically. */
TEST_F(buffer, moves)
{
	uint32_t data[SIZE / 4], id, moved;
	struct virtgpu_test_stats stats;

	draw(self->map, 2);
	memcpy(data, self->map, SIZE);
	ASSERT_EQ(0, module_move(self->fd, 1000));
	EXPECT_EQ(0, memcmp(data, self->map, SIZE));
	EXPECT_EQ(0, module_stats(self->fd).moved_mapped);

	ASSERT_EQ(0, module_import(self->fd, DYNAMIC, &id));
	for (unsigned int i = 1; i <= 20; i++) {
		ASSERT_EQ(24, module_map(id, NULL, 0, &moved));
		EXPECT_EQ(i - 1, moved);
		ASSERT_EQ(0, module_read(id, 0, data, SIZE, 0));
		ASSERT_EQ(0, memcmp(data, self->map, SIZE));
		self->map[i * 100] = i;
		/* 6.12 pins for every importer, unless it is built otherwise */
		if (module_stats(self->fd).pinned) {
			ASSERT_EQ(-EBUSY, module_move(self->fd, 1000));
			ASSERT_EQ(0, module_unmap(id));
			break;
		}
		ASSERT_EQ(0, module_move(self->fd, 1000));
		EXPECT_EQ(-ENXIO, module_read(id, 0, data, SIZE, 0));
	}
	stats = module_stats(self->fd);
	EXPECT_EQ(0, stats.stale);
	EXPECT_EQ(0, stats.written_late);
	EXPECT_EQ(0, stats.unmapped_busy);
	EXPECT_EQ(stats.moves - 1, stats.moved_mapped);
	EXPECT_EQ(0, module_detach(id));
}

/* Asked to, it moves on every kernel. */
TEST_F(buffer, moves_while_it_is_mapped)
{
	uint32_t id, moved, value = 0;
	int fd;

	ASSERT_EQ(0, module_export(SIZE, 1, VIRTGPU_TEST_MOVE_MAPPED, &fd));
	ASSERT_EQ(0, module_import(fd, DYNAMIC, &id));
	ASSERT_EQ(24, module_map(id, NULL, 0, NULL));
	ASSERT_EQ(0, module_write(id, 8, &fd, 4, 0));
	ASSERT_EQ(0, module_move(fd, 1000));
	ASSERT_EQ(24, module_map(id, NULL, 0, &moved));
	EXPECT_EQ(1, moved);
	EXPECT_EQ(1, module_stats(fd).moved_mapped);
	EXPECT_EQ(0, module_read(id, 8, &value, 4, 0));
	EXPECT_EQ(fd, value);
	EXPECT_EQ(0, module_detach(id));
	close(fd);
}

/* Somebody who knows nothing of moves keeps the buffer where it is. */
TEST_F(buffer, static_importers_pin)
{
	uint32_t id;

	ASSERT_EQ(0, module_import(self->fd, 0, &id));
	ASSERT_EQ(24, module_map(id, NULL, 0, NULL));
	EXPECT_EQ(1, module_stats(self->fd).pinned);
	EXPECT_EQ(-EBUSY, module_move(self->fd, 1000));
	EXPECT_EQ(0, module_detach(id));
	EXPECT_EQ(0, module_move(self->fd, 1000));
}

/* What stays mapped is seen, and so is who writes to what was left. */
TEST_F(buffer, late_writers_are_seen)
{
	struct virtgpu_test_stats stats;
	uint32_t id;
	int fd;

	ASSERT_EQ(0, module_export(SIZE, 1, VIRTGPU_TEST_MOVE_MAPPED, &fd));
	ASSERT_EQ(0, module_import(fd, DYNAMIC | VIRTGPU_TEST_IMPORT_KEEP,
				   &id));
	ASSERT_EQ(24, module_map(id, NULL, 0, NULL));
	ASSERT_EQ(0, module_move(fd, 1000));
	EXPECT_EQ(1, module_stats(fd).stale);
	EXPECT_EQ(0, module_write(id, 3 * PAGE, &id, 4, 0));
	EXPECT_EQ(0, module_detach(id));
	stats = module_stats(fd);
	EXPECT_EQ(1, stats.written_late);
	EXPECT_EQ(0, stats.mapped);
	close(fd);
}

TEST_F(buffer, faults)
{
	uint32_t id;

	ASSERT_EQ(0, module_faults((struct virtgpu_test_faults) {
			.fd = self->fd, .attach = EACCES }));
	EXPECT_EQ(-EACCES, module_import(self->fd, DYNAMIC, &id));
	ASSERT_EQ(0, module_faults((struct virtgpu_test_faults) {
			.fd = self->fd, .map = EIO }));
	ASSERT_EQ(0, module_import(self->fd, DYNAMIC, &id));
	EXPECT_EQ(-EIO, module_map(id, NULL, 0, NULL));
	ASSERT_EQ(0, module_faults((struct virtgpu_test_faults) {
			.fd = self->fd, .map_ms = 200 }));
	EXPECT_EQ(24, module_map(id, NULL, 0, NULL));
	EXPECT_EQ(0, module_detach(id));
}

static int readable(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, timeout_ms);
}

/* A fence holds a move back, and who polls the buffer. */
TEST_F(buffer, fences)
{
	EXPECT_EQ(1, readable(self->fd, POLLIN, 0));
	ASSERT_EQ(0, module_fence_add(self->fd, VIRTGPU_TEST_FENCE_WRITE));
	EXPECT_EQ(0, readable(self->fd, POLLIN, 50));
	EXPECT_EQ(-ETIMEDOUT, module_move(self->fd, 50));
	EXPECT_EQ(1, module_stats(self->fd).overdue);
	ASSERT_EQ(0, module_fence_signal(self->fd, EIO));
	EXPECT_EQ(1, readable(self->fd, POLLIN, 1000));
	EXPECT_EQ(0, module_move(self->fd, 50));

	/* a read does not keep readers away, but writers */
	ASSERT_EQ(0, module_fence_add(self->fd, VIRTGPU_TEST_FENCE_READ));
	EXPECT_EQ(1, readable(self->fd, POLLIN, 1000));
	EXPECT_EQ(0, readable(self->fd, POLLOUT, 50));
	/* poll() keeps the buffer until then */
	ASSERT_EQ(0, module_fence_signal(self->fd, 0));
}

TEST_F(buffer, bad_requests)
{
	struct virtgpu_test_export export = { .size = PAGE, .flags = 0x80 };
	struct virtgpu_test_stats stats = { .fd = 0 };
	uint32_t id;
	int fd;

	EXPECT_EQ(-ENOTTY, module_ioctl(_IO('V', 0), NULL));
	EXPECT_EQ(-ENOTTY, module_ioctl(_IO('V', 99), NULL));
	EXPECT_EQ(-EFAULT, module_ioctl(VIRTGPU_TEST_STATS, NULL));
	EXPECT_EQ(-EINVAL, module_ioctl(VIRTGPU_TEST_EXPORT, &export));
	EXPECT_EQ(-EINVAL, module_export(0, 0, 0, &fd));
	EXPECT_EQ(-EINVAL, module_export(PAGE, 1024, 0, &fd));
	EXPECT_EQ(-EINVAL, module_ioctl(VIRTGPU_TEST_STATS, &stats));
	EXPECT_EQ(-EINVAL, module_import(0, DYNAMIC, &id));
	EXPECT_EQ(-EBADF, module_import(-1, DYNAMIC, &id));
	EXPECT_EQ(-ENOENT, module_map(77, NULL, 0, NULL));
	EXPECT_EQ(-ENOENT, module_unmap(77));
	EXPECT_EQ(-ENOENT, module_detach(77));
}

/* --- a virtio driver's view of what is not of virtio --- */

TEST_F(buffer, no_uuid)
{
	bool is_virtio = true;
	uint8_t uuid[16];

	EXPECT_EQ(-EINVAL, module_uuid(self->fd, uuid, &is_virtio));
	EXPECT_FALSE(is_virtio);
}

/* --- other exporters --- */

FIXTURE(exporter) {
	struct share share;
};

FIXTURE_VARIANT(exporter) {
	enum exporter from;
};

FIXTURE_VARIANT_ADD(exporter, vgem) { .from = EXPORT_VGEM };
FIXTURE_VARIANT_ADD(exporter, udmabuf) { .from = EXPORT_UDMABUF };
FIXTURE_VARIANT_ADD(exporter, heap) { .from = EXPORT_HEAP };

FIXTURE_SETUP(exporter)
{
	NEED_MODULE();
	ASSERT_EQ(NULL, share_missing(variant->from));
	ASSERT_EQ(0, share_make(variant->from, SIZE, &self->share));
}

FIXTURE_TEARDOWN(exporter)
{
	share_free(&self->share);
}

TEST_F(exporter, content)
{
	uint32_t data[SIZE / 4], id, *map = dmabuf_map(self->share.fd, SIZE);

	ASSERT_TRUE(map);
	ASSERT_EQ(0, dmabuf_sync(self->share.fd, DMA_BUF_SYNC_RW |
				 DMA_BUF_SYNC_START));
	draw(map, 3);
	ASSERT_EQ(0, module_import(self->share.fd, DYNAMIC, &id));
	ASSERT_LT(0, module_map(id, NULL, 0, NULL));
	ASSERT_EQ(0, dmabuf_sync(self->share.fd, DMA_BUF_SYNC_RW |
				 DMA_BUF_SYNC_END));
	EXPECT_EQ(0, module_read(id, 0, data, SIZE, 0));
	EXPECT_EQ(0, memcmp(data, map, SIZE));
	EXPECT_EQ(0, module_read(id, 0, data, SIZE, VMAP));
	EXPECT_EQ(0, memcmp(data, map, SIZE));
	EXPECT_EQ(0, module_detach(id));
	munmap(map, SIZE);
}

/* The last test: nothing keeps the module. */
TEST(unload)
{
	NEED_MODULE();
	EXPECT_EQ(0, module_stats(-1).buffers);
	module_close();
	EXPECT_EQ(0, system("modprobe -r virtgpu_test"));
	NEED_MODULE();
}

TEST_HARNESS_MAIN
