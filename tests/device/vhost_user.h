/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The vhost-user protocol's back end: one connection of a front end (QEMU),
 * which shares the guest's memory and two virtqueues. What the device itself
 * is, it is told by struct vhost_device.
 */
#ifndef DEVICE_VHOST_USER_H
#define DEVICE_VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue.h"

#define NUM_QUEUES	2

/**
 * struct vhost_device - what the protocol asks the device
 * @features: what is offered, without those of the transport
 * @accepted: the guest has taken these
 * @config: copies of the configuration space, which @config_write() changes
 * @reset: the guest's driver has let go of the device, or the front end of us
 * @window_size: bytes of shared memory region @window_id, 0 for none
 * @mapped: the front end's answer to a request by vhost_map() or vhost_unmap()
 */
struct vhost_device {
	uint64_t (*features)(void);
	void (*accepted)(uint64_t features);
	size_t (*config)(uint8_t *to, size_t size);
	void (*config_write)(size_t offset, const uint8_t *from, size_t size);
	void (*reset)(bool connected);
	unsigned int window_id;
	uint64_t window_size;
	void (*mapped)(unsigned int request, bool done);
};

extern struct queue vhost_queues[NUM_QUEUES];

int vhost_listen(const char *path, const struct vhost_device *device);
int vhost_listener(void);
int vhost_connection(void);
int vhost_backend_channel(void);

void vhost_accept(void);
void vhost_disconnect(void);
void vhost_serve(void);
void vhost_serve_backend(void);

bool vhost_config_changed(void);
unsigned int vhost_map(uint64_t offset, uint64_t size, int fd);
unsigned int vhost_unmap(uint64_t offset, uint64_t size);

#endif
