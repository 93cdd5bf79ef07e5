/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Split virtqueues: chains are taken from the available ring, checked, and
 * given back through the used ring.
 */
#ifndef DEVICE_QUEUE_H
#define DEVICE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_ring.h>

/**
 * struct queue - a virtqueue
 * @size: entries of the ring
 * @event_idx: VIRTIO_RING_F_EVENT_IDX was negotiated
 * @next: what is taken next from the available ring
 * @used_idx: where the next used element goes
 * @signalled: @used_idx when the guest was told last
 * @running: the front end has set it up and started it
 * @broken: the guest put nonsense in the ring: nothing more is taken from it
 */
struct queue {
	unsigned int index;
	unsigned int size;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	bool event_idx;
	uint16_t next;
	uint16_t used_idx;
	uint16_t signalled;
	bool enabled;
	bool running;
	bool broken;
	int kick;
	int call;
	int err;
};

/**
 * struct chain - a chain of descriptors, as memory of ours
 * @head: what the guest knows it by
 * @descriptors: how many the guest used, those of an indirect table included
 * @iov: @num_out pieces that the guest wrote, then @num_in for the answer
 */
struct chain {
	uint16_t head;
	unsigned int descriptors;
	unsigned int num_out;
	unsigned int num_in;
	size_t out_size;
	size_t in_size;
	struct iovec *iov;
};

void queue_init(struct queue *q, unsigned int index);
void queue_start(struct queue *q);
void queue_stop(struct queue *q);
void queue_close(struct queue *q);

bool queue_pop(struct queue *q, struct chain *chain);
void queue_push(struct queue *q, uint16_t head, uint32_t used, unsigned int times);
void queue_notify(struct queue *q);

size_t chain_read(const struct chain *chain, void *to, size_t size);
size_t chain_write(const struct chain *chain, const void *from, size_t size);
void chain_free(struct chain *chain);

#endif
