/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests of shared buffers share: dma-bufs of every exporter that the
 * machine has, framebuffers on imported ones, and the test module
 * (tests/modules), which is an exporter and an importer that can be asked.
 *
 * Every function that can fail returns 0 or a negative errno.
 */
#ifndef TESTS_SHARE_H
#define TESTS_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/dma-buf.h>
#include <virtgpu_test.h>

#include "host.h"
#include "kms.h"

/* --- dma-bufs --- */

int dmabuf_export(int card, uint32_t handle, int *fd);
int dmabuf_import(int card, int fd, uint32_t *handle);
int dmabuf_sync(int fd, uint64_t flags);
void *dmabuf_map(int fd, uint64_t size);
int gem_close(int card, uint32_t handle);

/* --- exporters --- */

enum exporter {
	EXPORT_SELF,	/* this device, by another open file */
	EXPORT_SECOND,	/* the second virtio-gpu of the machine */
	EXPORT_VGEM,
	EXPORT_UDMABUF,
	EXPORT_HEAP,	/* /dev/dma_heap/system */
	EXPORT_MODULE,	/* the test module, each page by itself */
	NUM_EXPORTERS
};

/**
 * struct share - a buffer of some exporter
 * @fd: its dma-buf
 * @device: of the exporter: keep it open as long as the buffer is made by it
 */
struct share {
	enum exporter from;
	int fd;
	int device;
	uint64_t size;
};

const char *share_missing(enum exporter from);
int share_make(enum exporter from, uint64_t size, struct share *s);
void share_free(struct share *s);

/* --- framebuffers on imported buffers --- */

int share_fb(struct kms *k, int fd, uint32_t width, uint32_t height,
	     struct kms_fb *fb);
int share_draw(int fd, struct kms_fb *fb, unsigned int seed);

/* --- the test module --- */

const char *module_missing(void);
void module_close(void);
int module_ioctl(unsigned long request, void *arg);
int module_export(uint64_t size, unsigned int run, unsigned int flags, int *fd);
int module_move(int fd, unsigned int timeout_ms);
int module_faults(struct virtgpu_test_faults faults);
int module_fence_add(int fd, unsigned int usage);
int module_fence_signal(int fd, unsigned int error);
struct virtgpu_test_stats module_stats(int fd);
int module_wait_idle(int fd, struct virtgpu_test_stats *stats);

int module_import(int fd, unsigned int flags, uint32_t *id);
int module_map(uint32_t id, uint32_t *lengths, uint32_t room,
	       uint32_t *moved);
int module_unmap(uint32_t id);
int module_detach(uint32_t id);
int module_read(uint32_t id, uint64_t offset, void *data, uint64_t size,
		unsigned int flags);
int module_write(uint32_t id, uint64_t offset, const void *data, uint64_t size,
		 unsigned int flags);
int module_break(unsigned int queue, unsigned int how);
int module_uuid(int fd, uint8_t uuid[16], bool *is_virtio);

/*
 * Leaves the test as skipped without the module; in the lab, where it is
 * built, that is a failure.
 */
#define NEED_MODULE() do {						\
	const char *__why = module_missing();				\
									\
	if (__why && host_expected()) {					\
		ASSERT_STREQ("", __why);				\
	}								\
	if (__why)							\
		SKIP(return, "%s", __why);				\
} while (0)

#endif
