/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * /dev/virtgpu_test: the other side of a shared buffer, for tests alone.
 *
 * It is an exporter whose buffers move when they are told to, whose calls fail
 * or take their time when they are told to, and which counts what importers do.
 * It is an importer that shows what it was given. And it is another virtio
 * driver that asks for the UUID of a buffer. It also breaks the queues of a GPU.
 *
 * Numbers that name a buffer of this exporter are file descriptors of its
 * dma-buf. Errors come as errno; -EINVAL for a dma-buf of another exporter.
 */
#ifndef VIRTGPU_TEST_H
#define VIRTGPU_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VIRTGPU_TEST_DEVICE	"/dev/virtgpu_test"

/* Pages that have been left are filled with this before they are freed. */
#define VIRTGPU_TEST_POISON	0xdeadc0deu

/* A fence that is left alone signals by itself then, with -ETIMEDOUT. */
#define VIRTGPU_TEST_FENCE_MS	20000

/* --- exporter --- */

/*
 * Older kernels pin for every importer that maps. These pins do not keep the
 * buffer where it is: it moves as it does with kernels that are built to allow it.
 */
#define VIRTGPU_TEST_MOVE_MAPPED	(1 << 0)

/**
 * struct virtgpu_test_export - make a buffer
 * @size: in bytes, rounded up to whole pages
 * @run: so many pages are neighbours, then there is a gap; 0: as they come.
 *	 At most 1023.
 * @flags: VIRTGPU_TEST_MOVE_MAPPED
 * @fd: out: the dma-buf
 */
struct virtgpu_test_export {
	__u64 size;
	__u32 run;
	__u32 flags;
	__s32 fd;
	__u32 pad;
};

/**
 * struct virtgpu_test_faults - how calls of importers go from now on
 * @fd: the buffer
 * @attach: errno of attach(), 0: it works
 * @map: ... of map_dma_buf()
 * @pin: ... of pin()
 * @map_ms: map_dma_buf() takes so long
 */
struct virtgpu_test_faults {
	__s32 fd;
	__u32 attach;
	__u32 map;
	__u32 pin;
	__u32 map_ms;
};

/**
 * struct virtgpu_test_move - move the buffer to other pages
 * @fd: the buffer
 * @timeout_ms: for the fences of those who use it
 *
 * Importers are told, and the fences waited for, under the reservation lock;
 * then the content is copied and the old pages are poisoned. They are freed when
 * nobody has them mapped any more. -EBUSY for a buffer that is pinned or vmapped,
 * -ETIMEDOUT when the fences have not signalled in time: it has not moved then.
 */
struct virtgpu_test_move {
	__s32 fd;
	__u32 timeout_ms;
};

/* Of whom a fence is seen; see enum dma_resv_usage */
#define VIRTGPU_TEST_FENCE_KERNEL	0
#define VIRTGPU_TEST_FENCE_WRITE	1
#define VIRTGPU_TEST_FENCE_READ		2

/**
 * struct virtgpu_test_fence - put a fence on the buffer, or signal all of them
 * @fd: the buffer
 * @usage: VIRTGPU_TEST_FENCE_*
 * @error: errno that it signals with, 0: none
 */
struct virtgpu_test_fence {
	__s32 fd;
	__u32 usage;
	__u32 error;
};

/**
 * struct virtgpu_test_stats - what was counted
 * @fd: the buffer, or -1: only @buffers is told
 * @buffers: that the module has made and not freed yet
 * @attached: importers that it has now
 * @mapped: mappings that there are now
 * @stale: ... of them, those of pages that the buffer has left
 * @pinned: pins that there are now
 * @maps: calls of map_dma_buf() that worked
 * @unmaps: calls of unmap_dma_buf()
 * @moves: moves that were done
 * @moved_mapped: ... of them, those of a buffer that was mapped
 * @unmapped_busy: the only mapping ended while fences of others were pending
 * @overdue: fences that did not signal in time for a move
 * @written_late: pages that were written to after the buffer had left them
 */
struct virtgpu_test_stats {
	__s32 fd;
	__u32 buffers;
	__u32 attached;
	__u32 mapped;
	__u32 stale;
	__u32 pinned;
	__u32 maps;
	__u32 unmaps;
	__u32 moves;
	__u32 moved_mapped;
	__u32 unmapped_busy;
	__u32 overdue;
	__u32 written_late;
};

/* --- importer --- */

#define VIRTGPU_TEST_IMPORT_DYNAMIC	(1 << 0)
/* A bad one, which keeps its mapping when the exporter moves */
#define VIRTGPU_TEST_IMPORT_KEEP	(1 << 1)

/**
 * struct virtgpu_test_import - attach to anybody's dma-buf
 * @fd: the dma-buf
 * @flags: VIRTGPU_TEST_IMPORT_DYNAMIC: tells the exporter that it may move;
 *	   VIRTGPU_TEST_IMPORT_KEEP goes with it
 * @id: out: names the import in this open file, which ends it when it is closed
 */
struct virtgpu_test_import {
	__s32 fd;
	__u32 flags;
	__u32 id;
};

/**
 * struct virtgpu_test_map - map an import, or say how it is mapped
 * @id: the import
 * @count: in: room at @lengths; out: number of pieces
 * @lengths: address of an array of __u32: bytes of each piece
 * @moved: out: how often the exporter said that it moves
 *
 * A mapping that was invalidated by a move is made anew.
 */
struct virtgpu_test_map {
	__u32 id;
	__u32 count;
	__u64 lengths;
	__u32 moved;
	__u32 pad;
};

#define VIRTGPU_TEST_ACCESS_WRITE	(1 << 0)
/* By vmap(), not as the device sees it */
#define VIRTGPU_TEST_ACCESS_VMAP	(1 << 1)

/**
 * struct virtgpu_test_access - read or write an import
 * @id: the import, mapped unless by vmap()
 * @flags: VIRTGPU_TEST_ACCESS_*
 * @offset: of the first byte
 * @size: in bytes
 * @data: address of the bytes
 */
struct virtgpu_test_access {
	__u32 id;
	__u32 flags;
	__u64 offset;
	__u64 size;
	__u64 data;
};

/* --- virtio consumer --- */

/**
 * struct virtgpu_test_uuid - what a virtio driver is told of a dma-buf
 * @fd: anybody's dma-buf
 * @error: out: errno of virtio_dma_buf_get_uuid(), 0: none
 * @is_virtio: out: is_virtio_dma_buf()
 * @uuid: out: when there is no @error
 */
struct virtgpu_test_uuid {
	__s32 fd;
	__u32 error;
	__u32 is_virtio;
	__u8 uuid[16];
};

/* --- broken devices --- */

/*
 * The device finds more in the queue than fits. It asks for a reset, or answers
 * what nobody asked, by which the kernel knows that the queue is broken.
 */
#define VIRTGPU_TEST_BREAK_DEVICE	0
/* There is an answer that no device can give: the kernel takes the queue for broken. */
#define VIRTGPU_TEST_BREAK_QUEUE	1

/**
 * struct virtgpu_test_break - break a queue of the first virtio GPU
 * @queue: 0 is that of the commands, 1 that of the cursor
 * @how: VIRTGPU_TEST_BREAK_*
 *
 * -ENODEV when no driver is bound, -EAGAIN when the device has noticed nothing:
 * the driver used the queue at the same time, or the device never looks.
 */
struct virtgpu_test_break {
	__u32 queue;
	__u32 how;
};

#define VIRTGPU_TEST_EXPORT	_IOWR('V', 0x00, struct virtgpu_test_export)
#define VIRTGPU_TEST_FAULTS	_IOW('V', 0x01, struct virtgpu_test_faults)
#define VIRTGPU_TEST_MOVE	_IOW('V', 0x02, struct virtgpu_test_move)
#define VIRTGPU_TEST_FENCE_ADD	_IOW('V', 0x03, struct virtgpu_test_fence)
#define VIRTGPU_TEST_FENCE_SIGNAL _IOW('V', 0x04, struct virtgpu_test_fence)
#define VIRTGPU_TEST_STATS	_IOWR('V', 0x05, struct virtgpu_test_stats)
#define VIRTGPU_TEST_IMPORT	_IOWR('V', 0x06, struct virtgpu_test_import)
#define VIRTGPU_TEST_MAP	_IOWR('V', 0x07, struct virtgpu_test_map)
#define VIRTGPU_TEST_UNMAP	_IOW('V', 0x08, __u32)
#define VIRTGPU_TEST_DETACH	_IOW('V', 0x09, __u32)
#define VIRTGPU_TEST_ACCESS	_IOW('V', 0x0a, struct virtgpu_test_access)
#define VIRTGPU_TEST_UUID	_IOWR('V', 0x0b, struct virtgpu_test_uuid)
#define VIRTGPU_TEST_BREAK	_IOW('V', 0x0c, struct virtgpu_test_break)

/* The kernel panics when it restarts, after its devices were shut down. */
#define VIRTGPU_TEST_PANIC	_IO('V', 0x0d)

#endif
