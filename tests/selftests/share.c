// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "gate.h"

/* --- dma-bufs --- */

int dmabuf_export(int card, uint32_t handle, int *fd)
{
	return drmPrimeHandleToFD(card, handle, DRM_CLOEXEC | DRM_RDWR, fd) ?
		-errno : 0;
}

int dmabuf_import(int card, int fd, uint32_t *handle)
{
	return drmPrimeFDToHandle(card, fd, handle) ? -errno : 0;
}

/* @flags: DMA_BUF_SYNC_*; to be called before and after the CPU's access. */
int dmabuf_sync(int fd, uint64_t flags)
{
	struct dma_buf_sync arg = { .flags = flags };

	return kms_ioctl(fd, DMA_BUF_IOCTL_SYNC, &arg);
}

/* Returns: the mapping, or NULL. */
void *dmabuf_map(int fd, uint64_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return map == MAP_FAILED ? NULL : map;
}

int gem_close(int card, uint32_t handle)
{
	struct drm_gem_close arg = { .handle = handle };

	return kms_ioctl(card, DRM_IOCTL_GEM_CLOSE, &arg);
}

/* --- exporters --- */

#define HEAP	"/dev/dma_heap/system"
#define UDMABUF	"/dev/udmabuf"

static int open_self(void)
{
	return kms_open_node(DRM_NODE_PRIMARY, NULL);
}

static int open_second(void)
{
	return kms_open_driver("virtio_gpu", DRM_NODE_PRIMARY, 1, NULL);
}

static int open_udmabuf(void)
{
	int fd = open(UDMABUF, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_heap(void)
{
	int fd = open(HEAP, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_module(void)
{
	return module_missing() ? -ENODEV : 0;
}

/* The object goes with the card's file: the dma-buf alone keeps it. */
static int make_dumb(struct share *s)
{
	struct kms_fb bo;
	int ret = kms_dumb_create(s->device, 1024, s->size / 4096, 32, &bo);

	if (ret)
		return ret;
	ret = dmabuf_export(s->device, bo.handle, &s->fd);
	gem_close(s->device, bo.handle);
	return ret;
}

/*
 * No neighbours: udmabuf maps its pages for a device of its own that has no limit
 * for pieces, and where DMA is checked those over 64 KiB are reported.
 */
static int fill_scattered(int mem, uint64_t size)
{
	char *between = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	int ret = between == MAP_FAILED ? -errno : 0;

	for (uint64_t at = 0; !ret && at < size; at += 4096) {
		between[at] = 1;
		if (pwrite(mem, "", 1, at) != 1)
			ret = -errno;
	}
	if (between != MAP_FAILED)
		munmap(between, size);
	return ret;
}

static int make_udmabuf(struct share *s)
{
	struct udmabuf_create arg = {
		.flags = UDMABUF_FLAGS_CLOEXEC, .size = s->size,
	};
	int mem = memfd_create("share", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int ret = 0;

	if (mem < 0)
		return -errno;
	arg.memfd = mem;
	if (ftruncate(mem, s->size) || fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK))
		ret = -errno;
	ret = ret ?: fill_scattered(mem, s->size);
	if (!ret) {
		s->fd = ioctl(s->device, UDMABUF_CREATE, &arg);
		ret = s->fd < 0 ? -errno : 0;
	}
	close(mem);
	return ret;
}

static int make_heap(struct share *s)
{
	struct dma_heap_allocation_data arg = {
		.len = s->size, .fd_flags = O_RDWR | O_CLOEXEC,
	};
	int ret = kms_ioctl(s->device, DMA_HEAP_IOCTL_ALLOC, &arg);

	s->fd = arg.fd;
	return ret;
}

static int make_module(struct share *s)
{
	return module_export(s->size, 1, 0, &s->fd);
}

static void close_device(int fd)
{
	close(fd);
}

static void close_nothing(int fd)
{
	(void)fd;
}

static const struct {
	const char *missing;
	int (*open)(void);
	int (*make)(struct share *s);
	void (*close)(int device);
} exporters[NUM_EXPORTERS] = {
	[EXPORT_SELF] = { "no virtio-gpu", open_self, make_dumb, close_device },
	[EXPORT_SECOND] = {
		"no second virtio-gpu", open_second, make_dumb, close_device,
	},
	[EXPORT_VGEM] = { "no vgem module", vgem_open, make_dumb, close_device },
	[EXPORT_UDMABUF] = {
		"no " UDMABUF, open_udmabuf, make_udmabuf, close_device,
	},
	[EXPORT_HEAP] = { "no " HEAP, open_heap, make_heap, close_device },
	[EXPORT_MODULE] = {
		"no virtgpu_test module", open_module, make_module,
		close_nothing,
	},
};

/*
 * The heap's pieces are too large for bounce buffers: if all have to go by them,
 * no device can use what it makes.
 */
static bool is_mapped_by_others(enum exporter from)
{
	struct share s;
	uint32_t id;
	int ret;

	if (from != EXPORT_HEAP || module_missing())
		return true;
	if (share_make(from, 1 << 20, &s))
		return false;
	ret = module_import(s.fd, VIRTGPU_TEST_IMPORT_DYNAMIC, &id);
	if (!ret) {
		ret = module_map(id, NULL, 0, NULL);
		module_detach(id);
	}
	share_free(&s);
	return ret >= 0;
}

/* Does everything go by bounce buffers, which take 256 KiB in one piece? */
static bool everything_bounces(void)
{
	char line[4096] = "";
	FILE *f = fopen("/proc/cmdline", "r");

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	return strstr(line, "swiotlb=force");
}

/*
 * share_missing - does this machine lack an exporter?
 *
 * Returns: the reason for a SKIP, or NULL when it is there.
 */
const char *share_missing(enum exporter from)
{
	int device = exporters[from].open();

	if (device < 0)
		return exporters[from].missing;
	exporters[from].close(device);
	/* neighbours among its pages are one piece, however large */
	if (from == EXPORT_UDMABUF && everything_bounces())
		return "pieces of memory may be too large for bounce buffers";
	return is_mapped_by_others(from) ? NULL :
	       "no device can map what the exporter makes";
}

/* @size: in bytes, whole pages; the content is zero */
int share_make(enum exporter from, uint64_t size, struct share *s)
{
	int ret;

	*s = (struct share) { .from = from, .fd = -1, .size = size };
	s->device = exporters[from].open();
	if (s->device < 0)
		return s->device;
	ret = exporters[from].make(s);
	if (ret)
		exporters[from].close(s->device);
	return ret;
}

/* A descriptor that the test has closed is -1. */
void share_free(struct share *s)
{
	if (s->fd >= 0)
		close(s->fd);
	exporters[s->from].close(s->device);
}

/* --- framebuffers on imported buffers --- */

/*
 * share_fb - import a dma-buf and put a framebuffer of XRGB8888 on it
 *
 * It is drawn into through a mapping of the dma-buf itself. Freed by
 * kms_fb_destroy().
 */
int share_fb(struct kms *k, int fd, uint32_t width, uint32_t height,
	     struct kms_fb *fb)
{
	uint32_t handles[4] = {}, pitches[4] = {}, offsets[4] = {};
	int ret;

	*fb = (struct kms_fb) {
		.fd = k->fd, .width = width, .height = height,
		.pitch = width * 4, .format = DRM_FORMAT_XRGB8888,
		.size = (uint64_t)width * 4 * height,
	};
	ret = dmabuf_import(k->fd, fd, &fb->handle);
	if (ret)
		return ret;
	fb->map = dmabuf_map(fd, fb->size);
	handles[0] = fb->handle;
	pitches[0] = fb->pitch;
	ret = fb->map ? drmModeAddFB2(k->fd, width, height, fb->format, handles,
				      pitches, offsets, &fb->id, 0) : -ENXIO;
	if (ret)
		kms_fb_destroy(fb);
	return ret;
}

/* Draws as a program has to that does not know who else uses the buffer. */
int share_draw(int fd, struct kms_fb *fb, unsigned int seed)
{
	int ret = dmabuf_sync(fd, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START);

	if (ret)
		return ret;
	kms_fb_draw(fb, seed);
	return dmabuf_sync(fd, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END);
}

/* --- the test module --- */

static int module = -1;

/*
 * module_missing - is there no test module?
 *
 * Returns: the reason for a SKIP, or NULL when it answers.
 */
const char *module_missing(void)
{
	if (module >= 0)
		return NULL;
	if (system("modprobe -q virtgpu_test"))
		return "no virtgpu_test module";
	module = open(VIRTGPU_TEST_DEVICE, O_RDWR | O_CLOEXEC);
	return module < 0 ? VIRTGPU_TEST_DEVICE " does not open" : NULL;
}

void module_close(void)
{
	close(module);
	module = -1;
}

int module_ioctl(unsigned long request, void *arg)
{
	return kms_ioctl(module, request, arg);
}

/* @run: neighbours before each gap, 0: as they come */
int module_export(uint64_t size, unsigned int run, unsigned int flags, int *fd)
{
	struct virtgpu_test_export arg = {
		.size = size, .run = run, .flags = flags,
	};
	int ret = module_ioctl(VIRTGPU_TEST_EXPORT, &arg);

	*fd = arg.fd;
	return ret;
}

int module_move(int fd, unsigned int timeout_ms)
{
	struct virtgpu_test_move arg = { .fd = fd, .timeout_ms = timeout_ms };

	return module_ioctl(VIRTGPU_TEST_MOVE, &arg);
}

int module_faults(struct virtgpu_test_faults faults)
{
	return module_ioctl(VIRTGPU_TEST_FAULTS, &faults);
}

int module_fence_add(int fd, unsigned int usage)
{
	struct virtgpu_test_fence arg = { .fd = fd, .usage = usage };

	return module_ioctl(VIRTGPU_TEST_FENCE_ADD, &arg);
}

int module_fence_signal(int fd, unsigned int error)
{
	struct virtgpu_test_fence arg = { .fd = fd, .error = error };

	return module_ioctl(VIRTGPU_TEST_FENCE_SIGNAL, &arg);
}

/* All counts are ~0 when they cannot be read. */
struct virtgpu_test_stats module_stats(int fd)
{
	struct virtgpu_test_stats stats = { .fd = fd };

	if (module_ioctl(VIRTGPU_TEST_STATS, &stats))
		memset(&stats, 0xff, sizeof(stats));
	return stats;
}

/*
 * module_wait_idle - wait until nobody is attached to the buffer
 *
 * What is closed goes when the host has answered.
 */
int module_wait_idle(int fd, struct virtgpu_test_stats *stats)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;

	for (;;) {
		*stats = module_stats(fd);
		if (!stats->attached && !stats->mapped)
			return 0;
		if (kms_now_ns() >= end)
			return -ETIME;
		usleep(10000);
	}
}

int module_import(int fd, unsigned int flags, uint32_t *id)
{
	struct virtgpu_test_import arg = { .fd = fd, .flags = flags };
	int ret = module_ioctl(VIRTGPU_TEST_IMPORT, &arg);

	*id = arg.id;
	return ret;
}

/*
 * module_map - map an import
 * @lengths: set to the bytes of each piece, as far as there is @room
 * @moved: set to how often the exporter has said that it moves, if not NULL
 *
 * Returns: the number of pieces.
 */
int module_map(uint32_t id, uint32_t *lengths, uint32_t room, uint32_t *moved)
{
	struct virtgpu_test_map arg = {
		.id = id, .count = room, .lengths = (uintptr_t)lengths,
	};
	int ret = module_ioctl(VIRTGPU_TEST_MAP, &arg);

	if (moved)
		*moved = arg.moved;
	return ret ?: (int)arg.count;
}

int module_unmap(uint32_t id)
{
	return module_ioctl(VIRTGPU_TEST_UNMAP, &id);
}

int module_detach(uint32_t id)
{
	return module_ioctl(VIRTGPU_TEST_DETACH, &id);
}

/* @flags: VIRTGPU_TEST_ACCESS_VMAP or 0 */
int module_read(uint32_t id, uint64_t offset, void *data, uint64_t size,
		unsigned int flags)
{
	struct virtgpu_test_access arg = {
		.id = id, .flags = flags, .offset = offset, .size = size,
		.data = (uintptr_t)data,
	};

	return module_ioctl(VIRTGPU_TEST_ACCESS, &arg);
}

int module_write(uint32_t id, uint64_t offset, const void *data, uint64_t size,
		 unsigned int flags)
{
	return module_read(id, offset, (void *)data, size,
			   flags | VIRTGPU_TEST_ACCESS_WRITE);
}

/* Breaks a queue of the first virtio GPU: VIRTGPU_TEST_BREAK_*. */
int module_break(unsigned int queue, unsigned int how)
{
	struct virtgpu_test_break arg = { .queue = queue, .how = how };

	return module_ioctl(VIRTGPU_TEST_BREAK, &arg);
}

/* Returns: 0 or what virtio_dma_buf_get_uuid() gave. */
int module_uuid(int fd, uint8_t uuid[16], bool *is_virtio)
{
	struct virtgpu_test_uuid arg = { .fd = fd };
	int ret = module_ioctl(VIRTGPU_TEST_UUID, &arg);

	if (ret)
		return ret;
	memcpy(uuid, arg.uuid, 16);
	if (is_virtio)
		*is_virtio = arg.is_virtio;
	return -(int)arg.error;
}
