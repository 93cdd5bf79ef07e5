// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sharing by dma-buf: export, mapping of the file, import into the same and
 * into another device, and the sync files of a dma-buf.
 */
#include "display.h"
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <linux/dma-buf.h>

static int export(struct kms *k, uint32_t handle, int *fd)
{
	return drmPrimeHandleToFD(k->fd, handle, DRM_CLOEXEC | DRM_RDWR, fd) ?
		-errno : 0;
}

static int import(int card, int fd, uint32_t *handle)
{
	return drmPrimeFDToHandle(card, fd, handle) ? -errno : 0;
}

static int gem_close(int card, uint32_t handle)
{
	struct drm_gem_close arg = { .handle = handle };

	return kms_ioctl(card, DRM_IOCTL_GEM_CLOSE, &arg);
}

TEST_F(display, capabilities)
{
	uint64_t cap = 0;

	ASSERT_EQ(0, drmGetCap(self->k.fd, DRM_CAP_PRIME, &cap));
	EXPECT_EQ(DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT, cap);
}

TEST_F(display, export_and_map)
{
	struct dma_buf_sync sync = {};
	uint32_t *p;
	int fd;

	ASSERT_EQ(0, export(&self->k, self->fb.handle, &fd));
	EXPECT_EQ(self->fb.size, lseek(fd, 0, SEEK_END));
	p = mmap(NULL, self->fb.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 0);
	ASSERT_NE(MAP_FAILED, p);
	sync.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START;
	EXPECT_EQ(0, kms_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync));
	EXPECT_EQ(0, memcmp(p, self->fb.map, self->fb.size));
	p[7] = 0x77777777;
	sync.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;
	EXPECT_EQ(0, kms_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync));
	EXPECT_EQ(0x77777777, ((uint32_t *)self->fb.map)[7]);
	munmap(p, self->fb.size);
	close(fd);
}

TEST_F(display, same_file_same_handle)
{
	uint32_t handle;
	int fd, fd2;

	ASSERT_EQ(0, export(&self->k, self->fb.handle, &fd));
	ASSERT_EQ(0, export(&self->k, self->fb.handle, &fd2));
	ASSERT_EQ(0, import(self->k.fd, fd, &handle));
	EXPECT_EQ(self->fb.handle, handle);
	ASSERT_EQ(0, import(self->k.fd, fd2, &handle));
	EXPECT_EQ(self->fb.handle, handle);
	close(fd);
	close(fd2);
}

/* Another open file of the same device: one handle, the same memory. */
TEST_F(display, other_file_same_memory)
{
	int card = kms_open_node(DRM_NODE_PRIMARY, NULL), fd;
	struct drm_mode_map_dumb arg = {};
	uint32_t a, b, *p;

	ASSERT_LE(0, card);
	ASSERT_EQ(0, export(&self->k, self->fb.handle, &fd));
	ASSERT_EQ(0, import(card, fd, &a));
	ASSERT_EQ(0, import(card, fd, &b));
	EXPECT_EQ(a, b);
	arg.handle = a;
	ASSERT_EQ(0, kms_ioctl(card, DRM_IOCTL_MODE_MAP_DUMB, &arg));
	p = mmap(NULL, self->fb.size, PROT_READ, MAP_SHARED, card, arg.offset);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, memcmp(p, self->fb.map, self->fb.size));
	munmap(p, self->fb.size);
	EXPECT_EQ(0, gem_close(card, a));
	EXPECT_EQ(-EINVAL, gem_close(card, a));
	close(fd);
	close(card);
}

/* Exported again after the first file is gone. */
TEST_F(display, export_twice_in_a_row)
{
	for (int i = 0; i < 10; i++) {
		int fd;

		ASSERT_EQ(0, export(&self->k, self->fb.handle, &fd));
		close(fd);
	}
}

/* The file keeps the memory when everything else is gone. */
TEST_F(display, file_outlives_the_buffer)
{
	struct kms_fb b;
	uint32_t *p;
	int fd;

	ASSERT_EQ(0, kms_fb_create(&self->k, 64, 64, DRM_FORMAT_XRGB8888, &b));
	kms_fb_fill(&b, 0xabcdef);
	ASSERT_EQ(0, export(&self->k, b.handle, &fd));
	kms_fb_destroy(&b);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0xffabcdef, p[100]);
	munmap(p, 4096);
	close(fd);
}

/* A framebuffer on what came in by import is shown. */
TEST_F_TIMEOUT(display, imported_is_shown, LONG_TEST)
{
	int card = kms_open_node(DRM_NODE_PRIMARY, NULL), fd;
	struct kms_fb other, mine;
	uint32_t handles[4] = {}, pitches[4] = {}, offsets[4] = {};
	struct kms k = { .fd = card, .klog = -1 };

	ASSERT_LE(0, card);
	NEED_HOST();
	ASSERT_EQ(0, kms_fb_create(&k, self->fb.width, self->fb.height,
				   DRM_FORMAT_XRGB8888, &other));
	kms_fb_draw(&other, 12);
	ASSERT_EQ(0, export(&k, other.handle, &fd));
	mine = other;
	ASSERT_EQ(0, import(self->k.fd, fd, &mine.handle));
	handles[0] = mine.handle;
	pitches[0] = mine.pitch;
	ASSERT_EQ(0, drmModeAddFB2(self->k.fd, mine.width, mine.height,
				   mine.format, handles, pitches, offsets,
				   &mine.id, 0));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &mine, 0, 0));
	EXPECT_EQ(0, host_diff_fb(self->o->head, &mine));
	drmModeRmFB(self->k.fd, mine.id);
	gem_close(self->k.fd, mine.handle);
	close(fd);
	kms_fb_destroy(&other);
	close(card);
}

/* --- another device --- */

TEST_F(display, into_vgem)
{
	struct drm_mode_map_dumb arg = {};
	int vgem = vgem_open(), fd;
	uint32_t *p;

	if (vgem < 0)
		SKIP(return, "no vgem module");
	ASSERT_EQ(0, export(&self->k, self->fb.handle, &fd));
	ASSERT_EQ(0, import(vgem, fd, &arg.handle));
	if (!kms_ioctl(vgem, DRM_IOCTL_MODE_MAP_DUMB, &arg)) {
		p = mmap(NULL, self->fb.size, PROT_READ, MAP_SHARED, vgem,
			 arg.offset);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(0, memcmp(p, self->fb.map, self->fb.size));
		munmap(p, self->fb.size);
	}
	EXPECT_EQ(0, gem_close(vgem, arg.handle));
	close(fd);
	close(vgem);
}

/* --- sync files --- */

TEST_F(display, sync_files)
{
	struct dma_buf_export_sync_file exported = { .flags = DMA_BUF_SYNC_RW };
	struct dma_buf_import_sync_file imported = { .flags = DMA_BUF_SYNC_RW };
	struct pollfd p = { .events = POLLIN };
	int fd;

	ASSERT_EQ(0, export(&self->k, self->fb.handle, &fd));
	ASSERT_EQ(0, kms_ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &exported));
	p.fd = exported.fd;
	EXPECT_EQ(1, poll(&p, 1, KMS_WAIT_MS));
	imported.fd = exported.fd;
	EXPECT_EQ(0, kms_ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &imported));
	imported.fd = self->k.fd;
	EXPECT_EQ(-EINVAL, kms_ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
				     &imported));
	imported.fd = exported.fd;
	imported.flags = 0x80;
	EXPECT_EQ(-EINVAL, kms_ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
				     &imported));
	/* nothing is under way: the buffer itself is ready, too */
	p.fd = fd;
	p.events = POLLIN | POLLOUT;
	EXPECT_EQ(1, poll(&p, 1, KMS_WAIT_MS));
	close(exported.fd);
	close(fd);
}

/* --- wrong values --- */

TEST_F(display, bad_requests)
{
	struct drm_prime_handle arg = { .handle = 0xdead };
	uint32_t handle;
	int fd;

	EXPECT_EQ(-ENOENT, export(&self->k, 0xdead, &fd));
	EXPECT_EQ(-ENOENT, export(&self->k, 0, &fd));
	arg.handle = self->fb.handle;
	arg.flags = 0x80;
	EXPECT_EQ(-EINVAL, kms_ioctl(self->k.fd, DRM_IOCTL_PRIME_HANDLE_TO_FD,
				     &arg));
	EXPECT_EQ(-EBADF, import(self->k.fd, -1, &handle));
	fd = open("/dev/null", O_RDWR);
	EXPECT_EQ(-EINVAL, import(self->k.fd, fd, &handle));
	close(fd);
}

TEST_F(display, no_handle_leaks)
{
	int before = kms_handles(&self->k);

	for (int i = 0; i < 50; i++) {
		uint32_t handle;
		int fd;

		ASSERT_EQ(0, export(&self->k, self->fb.handle, &fd));
		ASSERT_EQ(0, import(self->k.fd, fd, &handle));
		close(fd);
	}
	EXPECT_EQ(before, kms_handles(&self->k));
}

TEST_HARNESS_MAIN
