// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "queue.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "memory.h"

/* Pieces of memory in a chain: one that no region ends in has one a descriptor. */
#define MAX_PIECES	2048

void queue_init(struct queue *q, unsigned int index)
{
	memset(q, 0, sizeof(*q));
	q->index = index;
	q->kick = q->call = q->err = -1;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void queue_close(struct queue *q)
{
	queue_stop(q);
	close_fd(&q->call);
	close_fd(&q->err);
}

/* The rings are known; what the guest made available before is taken, too. */
void queue_start(struct queue *q)
{
	q->used_idx = q->signalled = __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);
	q->broken = false;
	q->running = true;
}

void queue_stop(struct queue *q)
{
	close_fd(&q->kick);
	q->running = false;
}

/* ---- taking a chain ----------------------------------------------------- */

static bool fail(struct queue *q, const char *what, uint64_t value)
{
	violation("queue %u: %s (%llu)", q->index, what, (unsigned long long)value);
	q->broken = true;
	return false;
}

/* A buffer of the guest's, in more than one piece when regions meet in it. */
static bool add_buffer(struct queue *q, struct chain *c, const struct vring_desc *d)
{
	bool in = d->flags & VRING_DESC_F_WRITE;
	uint64_t addr = d->addr, left = d->len;

	if (!left)
		return fail(q, "a descriptor of no bytes", addr);
	if (!in && c->num_in)
		return fail(q, "a readable descriptor behind a writable one", addr);

	while (left) {
		size_t len = left;
		void *at = memory_at(addr, &len);
		unsigned int n = c->num_out + c->num_in;

		if (!at)
			return fail(q, "a descriptor outside of guest memory", addr);
		if (n == MAX_PIECES)
			return fail(q, "a chain in too many pieces", n);
		c->iov[n] = (struct iovec){ at, len };
		if (in) {
			c->num_in++;
			c->in_size += len;
		} else {
			c->num_out++;
			c->out_size += len;
		}
		addr += len;
		left -= len;
	}
	return true;
}

/* Walks a table of @count descriptors from @i on. */
static bool walk(struct queue *q, struct chain *c, const struct vring_desc *table,
		 unsigned int count, unsigned int i, bool indirect);

static bool walk_indirect(struct queue *q, struct chain *c, const struct vring_desc *d)
{
	struct vring_desc *table;
	size_t len = d->len;
	void *at;

	if (d->flags & (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE))
		return fail(q, "flags of an indirect descriptor", d->flags);
	if (!len || len % sizeof(*table))
		return fail(q, "length of an indirect table", len);
	if (len / sizeof(*table) > q->size)
		return fail(q, "an indirect table longer than the queue", len / sizeof(*table));
	at = memory_at(d->addr, &len);
	if (!at || len < d->len)
		return fail(q, "an indirect table outside of guest memory", d->addr);
	return walk(q, c, at, len / sizeof(*table), 0, true);
}

static bool walk(struct queue *q, struct chain *c, const struct vring_desc *table,
		 unsigned int count, unsigned int i, bool indirect)
{
	for (;;) {
		struct vring_desc d;

		if (i >= count)
			return fail(q, "a descriptor number out of range", i);
		d = *(volatile const struct vring_desc *)&table[i];

		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (indirect || c->descriptors)
				return fail(q, "an indirect table in a chain", i);
			return walk_indirect(q, c, &d);
		}
		if (++c->descriptors > q->size)
			return fail(q, "a chain longer than the queue", c->descriptors);
		if (!add_buffer(q, c, &d))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		i = d.next;
	}
}

/* Asks to be told of what comes; says whether something has come meanwhile. */
static bool more_available(struct queue *q)
{
	uint16_t *event = (uint16_t *)&q->used->ring[q->size];

	if (q->event_idx) {
		__atomic_store_n(event, q->next, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	return __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE) != q->next;
}

/*
 * queue_pop - take the next chain
 * @chain: set to it; chain_free() when done
 *
 * Returns: false when there is none, or none that can be used.
 */
bool queue_pop(struct queue *q, struct chain *chain)
{
	uint16_t ahead;

	if (!q->running || !q->enabled || q->broken || !more_available(q))
		return false;

	ahead = __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE) - q->next;
	if (ahead > q->size)
		return fail(q, "the available ring runs ahead", ahead);

	memset(chain, 0, sizeof(*chain));
	chain->head = q->avail->ring[q->next % q->size];
	chain->iov = malloc(MAX_PIECES * sizeof(*chain->iov));
	if (!chain->iov || !walk(q, chain, q->desc, q->size, chain->head, false)) {
		chain_free(chain);
		return false;
	}
	q->next++;
	return true;
}

/* ---- giving it back ------------------------------------------------------ */

/* More than once is wrong: the guest sees them all at the same time then. */
void queue_push(struct queue *q, uint16_t head, uint32_t used, unsigned int times)
{
	struct vring_used_elem *elem;

	if (!q->running)
		return;
	while (times--) {
		elem = &q->used->ring[q->used_idx++ % q->size];
		elem->id = head;
		elem->len = used;
	}
	__atomic_store_n(&q->used->idx, q->used_idx, __ATOMIC_RELEASE);
}

/* Does the guest want to know of what was used since it was told last? */
static bool wanted(struct queue *q)
{
	uint16_t event, old = q->signalled, new = q->used_idx;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_idx)
		return !(q->avail->flags & VRING_AVAIL_F_NO_INTERRUPT);

	event = __atomic_load_n(&q->avail->ring[q->size], __ATOMIC_RELAXED);
	return vring_need_event(event, new, old);
}

void queue_notify(struct queue *q)
{
	uint64_t one = 1;

	if (!q->running || q->signalled == q->used_idx)
		return;
	if (wanted(q) && q->call >= 0 && write(q->call, &one, sizeof(one)) < 0)
		log_line("\"error\":\"the guest cannot be interrupted\"");
	q->signalled = q->used_idx;
}

/* ---- the bytes of a chain ------------------------------------------------ */

/* Copies up to @size bytes that the guest wrote. */
size_t chain_read(const struct chain *c, void *to, size_t size)
{
	size_t done = 0;

	for (unsigned int i = 0; i < c->num_out && done < size; i++) {
		size_t n = c->iov[i].iov_len < size - done ? c->iov[i].iov_len : size - done;

		memcpy((uint8_t *)to + done, c->iov[i].iov_base, n);
		done += n;
	}
	return done;
}

/* Copies as much of the answer as there is room for. */
size_t chain_write(const struct chain *c, const void *from, size_t size)
{
	size_t done = 0;

	for (unsigned int i = c->num_out; i < c->num_out + c->num_in && done < size; i++) {
		size_t n = c->iov[i].iov_len < size - done ? c->iov[i].iov_len : size - done;

		memcpy(c->iov[i].iov_base, (const uint8_t *)from + done, n);
		done += n;
	}
	return done;
}

void chain_free(struct chain *c)
{
	free(c->iov);
	c->iov = NULL;
}
