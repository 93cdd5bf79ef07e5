/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A device for unit tests: queues in memory, whose other end is the test. It
 * sees what a real device would see, byte by byte, and answers when and what it
 * likes. The driver's device is set up as by its probe, but registered nowhere.
 */
#ifndef _HOST_H_
#define _HOST_H_

#include <kunit/test.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"

/* Bytes of a request that the host looks at. */
#define HOST_REQUEST_MAX 256

enum host_queue_id {
	HOST_CTRL,
	HOST_CURSOR,
	HOST_NUM_QUEUES
};

/**
 * struct host_request - a command as the device gets it
 * @queue: where it was found
 * @head: its first descriptor
 * @descs: descriptors of the chain, not counting an indirect one
 * @len: bytes that the device may read
 * @bytes: the first of them
 * @room: bytes that the device may write
 * @answer: where, the first descriptor's
 */
struct host_request {
	enum host_queue_id queue;
	u16 head;
	unsigned int descs;
	size_t len;
	u8 bytes[HOST_REQUEST_MAX];
	size_t room;
	u8 *answer;
};

/**
 * struct host - the device
 * @test: the test that it is for
 * @vgdev: the driver's side
 * @vdev: the virtio device
 * @status: its status
 * @config: what the driver reads
 * @window: the host-visible window, or of length 0
 * @ring_size: descriptors of each queue
 * @queues: the queues, and how far the device has read and answered
 * @kicks: notifications that came, to both queues
 * @lost_kicks: how many of the next ones @serve is not called for
 * @lost_interrupts: how many of the next answers are not told the driver
 * @complaint: what the driver does wrong, or NULL
 * @serve: called for each request when the driver has notified the device, or
 *	   NULL: the test takes them itself
 * @serving: it is being called
 * @data: for @serve
 */
struct host {
	struct kunit *test;
	struct virtgpu_device *vgdev;
	struct virtio_device vdev;
	u8 status;
	struct virtgpu_config config;
	struct virtio_shm_region window;
	unsigned int ring_size;
	struct {
		struct virtqueue *vq;
		u16 seen;
		u16 used;
	} queues[HOST_NUM_QUEUES];
	unsigned int kicks;
	unsigned int lost_kicks;
	unsigned int lost_interrupts;
	const char *complaint;
	void (*serve)(struct host *host, struct host_request *req);
	bool serving;
	void *data;
};

struct host *host_alloc(struct kunit *test, u64 features);
void host_make_device(struct host *host);
void host_start(struct host *host);
struct host *host_create(struct kunit *test, u64 features);
void host_free(struct host *host);
int host_init(struct kunit *test);
void host_exit(struct kunit *test);

void host_complain(struct host *host, const char *complaint);
bool host_take(struct host *host, enum host_queue_id queue, struct host_request *req);
void host_complete(struct host *host, const struct host_request *req, u32 used);
void host_answer(struct host *host, const struct host_request *req, u32 type);
u32 host_word(const struct host_request *req, unsigned int index);

#endif
