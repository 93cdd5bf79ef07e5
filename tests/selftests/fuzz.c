// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- random numbers --- */

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint64_t next(struct fuzz_worker *w)
{
	return w->random = mix(w->random);
}

uint32_t fuzz_pick(struct fuzz_worker *w, uint32_t below)
{
	return (next(w) >> 20) % below;
}

bool fuzz_one_in(struct fuzz_worker *w, uint32_t n)
{
	return !fuzz_pick(w, n);
}

/* --- what was given --- */

int fuzz_result(long ret)
{
	return ret < 0 ? -errno : 0;
}

static struct fuzz_pool *pool_of(struct fuzz_worker *w, enum fuzz_kind kind)
{
	if (kind < FUZZ_NUM_HANDLES)
		return &w->file->pools[kind];
	if (kind < FUZZ_NUM_LOCAL)
		return &w->process->fds[kind];
	return &w->process->shared->names[kind - FUZZ_NUM_LOCAL];
}

/* One of a kind, perhaps one that is no more; 0 when there never was one. */
uint32_t fuzz_value(struct fuzz_worker *w, enum fuzz_kind kind)
{
	const struct fuzz_ids *ids = &w->process->shared->ids[kind];
	uint32_t at = fuzz_pick(w, FUZZ_POOL), value = 0;

	if (kind >= FUZZ_NUM_POOLS)
		return ids->count ? ids->ids[fuzz_pick(w, ids->count)] : 0;
	for (int i = 0; i < FUZZ_POOL && !value; i++)
		value = pool_of(w, kind)->slots[(at + i) % FUZZ_POOL];
	return value;
}

static void forget(struct fuzz_worker *w, enum fuzz_kind kind, uint32_t value)
{
	struct fuzz_pool *pool;

	if (kind >= FUZZ_NUM_POOLS)
		return;
	pool = pool_of(w, kind);
	for (int i = 0; i < FUZZ_POOL; i++) {
		uint32_t old = value;

		atomic_compare_exchange_strong(&pool->slots[i], &old, 0);
	}
}

/* An open node takes the place of another, but for the first; its handles are unknown. */
static void adopt(struct fuzz_worker *w, int fd)
{
	struct fuzz_file *file = &w->process->files[1 + fuzz_pick(w, FUZZ_FILES - 1)];
	int old = atomic_exchange(&file->fd, fd);

	memset(file->pools, 0, sizeof(file->pools));
	if (old >= FUZZ_FIRST_FD)
		close(old);
}

/* Remembers what a call gave; what has no place any more is given back. */
void fuzz_keep(struct fuzz_worker *w, enum fuzz_kind kind, uint32_t value)
{
	bool fd = (kind >= FUZZ_NUM_HANDLES && kind < FUZZ_NUM_LOCAL) || kind == FUZZ_NODE;
	uint32_t old;

	if (!value || (fd && (int)value < FUZZ_FIRST_FD))
		return;
	if (kind == FUZZ_NODE) {
		adopt(w, value);
		return;
	}
	old = atomic_exchange(&pool_of(w, kind)->slots[fuzz_pick(w, FUZZ_POOL)], value);
	if (old && old != value)
		fuzz_dispose(w->file, kind, old);
}

int fuzz_open_node(struct fuzz_worker *w)
{
	int fd = open(w->process->shared->nodes[fuzz_pick(w, 2)], O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		adopt(w, fd);
	return fuzz_result(fd);
}

/* Something else has the number of a node that was closed meanwhile. */
static void replace_node(struct fuzz_worker *w)
{
	struct fuzz_shared *shared = w->process->shared;
	int fd = open(shared->nodes[w->file >= &w->process->files[FUZZ_FILES / 2]],
		      O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	w->file->fd = fd;
	memset(w->file->pools, 0, sizeof(w->file->pools));
}

/* --- memory --- */

/* Zeroed; never NULL: at worst it overlaps with what came before. */
void *fuzz_memory(struct fuzz_worker *w, size_t size)
{
	void *memory;

	size = (size + 15) & ~15ul;
	if (w->used + size > FUZZ_ARENA)
		w->used = 0;
	memory = w->arena + w->used;
	w->used += size;
	memset(memory, 0, size);
	return memory;
}

uint8_t *fuzz_slot(struct fuzz_worker *w)
{
	return w->process->window + (size_t)fuzz_pick(w, FUZZ_SLOTS) * FUZZ_SLOT;
}

/* Where nothing is, whatever comes. */
static uint64_t no_pointer(struct fuzz_worker *w)
{
	static const uint64_t nowhere[] = {
		0, BAD_POINTER, 0xffff888000000000, 0x8000000000000000,
	};

	return nowhere[fuzz_pick(w, sizeof(nowhere) / sizeof(nowhere[0]))];
}

static uint64_t wrong_pointer(struct fuzz_worker *w, uint64_t right)
{
	switch (fuzz_pick(w, 6)) {
	case 0:
		/* ends too early */
		return (uintptr_t)w->arena + FUZZ_ARENA - fuzz_pick(w, 64);
	case 1:
		/* in a buffer object, which the call may be about */
		return (uintptr_t)fuzz_slot(w) + fuzz_pick(w, 64) * 8;
	case 2:
		return right + 1;
	default:
		return no_pointer(w);
	}
}

/* --- arguments --- */

static uint64_t get(const void *arg, unsigned int offset, unsigned int size)
{
	uint64_t value = 0;

	memcpy(&value, (const uint8_t *)arg + offset, size);
	return value;
}

static void put(void *arg, unsigned int offset, unsigned int size, uint64_t value)
{
	memcpy((uint8_t *)arg + offset, &value, size);
}

static uint64_t fill_list(struct fuzz_worker *w, const struct fuzz_field *f, void *arg)
{
	unsigned int count = 1 + fuzz_pick(w, fuzz_one_in(w, 8) ? 64 : 4);
	uint32_t *list = fuzz_memory(w, count * 8);

	for (unsigned int i = 0; i < count; i++) {
		if (f->element < FUZZ_NUM_KINDS)
			list[i] = fuzz_value(w, f->element);
		else
			((uint64_t *)list)[i] = fuzz_pick(w, 4);
	}
	if (f->count)
		put(arg, f->count, 4, count);
	return (uintptr_t)list;
}

static uint64_t right_value(struct fuzz_worker *w, const struct fuzz_field *f, void *arg)
{
	switch (f->kind) {
	case FUZZ_ZERO:
		return 0;
	case FUZZ_ANY:
		return next(w);
	case FUZZ_BELOW:
		return fuzz_pick(w, f->arg);
	case FUZZ_FLAGS:
		return next(w) & next(w) & f->arg;
	case FUZZ_ONE_OF:
		return f->choices[fuzz_pick(w, f->arg)];
	case FUZZ_ROOM:
		if (f->count)
			put(arg, f->count, 4, fuzz_pick(w, 32));
		return (uintptr_t)fuzz_memory(w, 4096);
	case FUZZ_LIST:
		return fill_list(w, f, arg);
	default:
		return fuzz_value(w, f->kind);
	}
}

static uint64_t wrong_number(struct fuzz_worker *w, uint64_t right, bool tame)
{
	static const uint64_t edges[] = {
		0, 1, ~0ull, 2, 0x7fffffff, 0x80000000, 0xfffffffe, 0x100000000, 1ull << 63,
	};

	switch (fuzz_pick(w, tame ? 2 : 5)) {
	case 0:
		return edges[fuzz_pick(w, tame ? 3 : sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return right + 1;
	case 2:
		return right - 1;
	case 3:
		return right ^ 1ull << fuzz_pick(w, 64);
	default:
		return next(w);
	}
}

static void spoil(struct fuzz_worker *w, const struct fuzz_call *call, void *arg)
{
	const struct fuzz_field *f;
	unsigned int n = 0;
	uint64_t value;

	while (n < sizeof(call->fields) / sizeof(call->fields[0]) && call->fields[n].size)
		n++;
	if (!n)
		return;
	f = &call->fields[fuzz_pick(w, n)];
	value = get(arg, f->offset, f->size);
	if (f->kind < FUZZ_ROOM)
		put(arg, f->offset, f->size, wrong_number(w, value, f->flags & FUZZ_TAME));
	else if (f->count && fuzz_one_in(w, 2))
		put(arg, f->count, 4, f->flags & FUZZ_TAME ? fuzz_pick(w, 5000) :
				      wrong_number(w, get(arg, f->count, 4), false));
	else
		put(arg, f->offset, f->size, wrong_pointer(w, value));
}

/* The size of an argument is part of the number of an ioctl. */
static unsigned long wrong_request(struct fuzz_worker *w, unsigned long request)
{
	unsigned int size = fuzz_pick(w, 4) ? _IOC_SIZE(request) + 8 * fuzz_pick(w, 4) - 16 :
			    fuzz_pick(w, 1 << _IOC_SIZEBITS);

	return _IOC(_IOC_DIR(request), DRM_IOCTL_BASE, _IOC_NR(request),
		    size & ((1 << _IOC_SIZEBITS) - 1));
}

/* --- calls --- */

static void learn(struct fuzz_worker *w, const struct fuzz_call *call, const void *arg)
{
	for (const struct fuzz_field *f = call->fields; f->size; f++) {
		uint32_t value = get(arg, f->offset, f->size);

		if (f->flags & (FUZZ_GIVES | FUZZ_ALSO_GIVES))
			fuzz_keep(w, f->kind, value);
		if (f->flags & FUZZ_TAKES)
			forget(w, f->kind, value);
	}
}

static int call_ioctl(struct fuzz_worker *w, const struct fuzz_call *call)
{
	void *arg = fuzz_memory(w, _IOC_SIZE(call->request));
	unsigned long request = call->request;
	void *given = arg;
	int ret;

	for (const struct fuzz_field *f = call->fields; f->size; f++) {
		if (!(f->flags & FUZZ_GIVES))
			put(arg, f->offset, f->size, right_value(w, f, arg));
	}
	if (call->shape)
		call->shape(w, arg);
	if (w->wrong) {
		spoil(w, call, arg);
		if (fuzz_one_in(w, 4))
			spoil(w, call, arg);
		if (fuzz_one_in(w, 16))
			request = wrong_request(w, request);
		if (fuzz_one_in(w, 32))
			given = (void *)(uintptr_t)no_pointer(w);
	}
	ret = fuzz_result(ioctl(w->file->fd, request, given));
	if (!ret && given == arg)
		learn(w, call, arg);
	if ((ret == -ENOTTY || ret == -EBADF) && w->file != w->process->files && fuzz_one_in(w, 4))
		replace_node(w);
	return ret;
}

static const struct fuzz_call *pick_call(struct fuzz_worker *w)
{
	const struct fuzz_call *call;

	do {
		call = &fuzz_calls[fuzz_pick(w, fuzz_num_calls)];
	} while (call->weight && fuzz_pick(w, 8) >= call->weight);
	return call;
}

/*
 * The first file is a card that all processes have in common. The second is a
 * card and the others are render nodes at first; what they become, who knows.
 */
static struct fuzz_file *pick_file(struct fuzz_worker *w, enum fuzz_node node)
{
	struct fuzz_file *files = w->process->files;

	if (fuzz_one_in(w, 16))
		node = FUZZ_EITHER;
	switch (node) {
	case FUZZ_COMMON:
		return files;
	case FUZZ_CARD:
		return &files[fuzz_pick(w, FUZZ_FILES / 2)];
	default:
		return &files[fuzz_pick(w, FUZZ_FILES)];
	}
}

/*
 * fuzz_step - one call
 *
 * What it is depends on the seed and its number only, but for the handles and
 * descriptors that it finds.
 */
void fuzz_step(struct fuzz_worker *w)
{
	struct fuzz_shared *shared = w->process->shared;
	const struct fuzz_call *call;
	struct fuzz_count *count;
	int ret;

	w->random = mix(shared->seed ^ mix(w->stream << 32 ^ w->step++));
	w->used = 0;
	w->wrong = fuzz_one_in(w, 3);
	call = pick_call(w);
	w->file = pick_file(w, call->node);
	ret = call->act ? call->act(w) : call_ioctl(w, call);

	count = &shared->counts[call - fuzz_calls];
	count->tried++;
	count->errnos[-ret < FUZZ_ERRNOS ? -ret : FUZZ_ERRNOS - 1]++;
}

/* --- processes and threads --- */

int fuzz_process_init(struct fuzz_process *p, struct fuzz_shared *shared)
{
	memset(p, 0, sizeof(*p));
	p->shared = shared;
	p->scratch = memfd_create("scratch", 0);
	/* Descriptors from here on are the kernel's answers. */
	for (int i = 0; i < FUZZ_FIRST_FD && dup(p->scratch) < FUZZ_FIRST_FD - 1; i++)
		;
	p->window = mmap(NULL, FUZZ_SLOTS * FUZZ_SLOT, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->scratch < 0 || p->window == MAP_FAILED || ftruncate(p->scratch, 4096))
		return -errno;
	p->files[0].fd = shared->card;
	for (int i = 1; i < FUZZ_FILES; i++) {
		const char *node = shared->nodes[i * 2 / FUZZ_FILES];

		p->files[i].fd = open(node, O_RDWR | O_CLOEXEC);
		if (p->files[i].fd < 0)
			return -errno;
	}
	return 0;
}

int fuzz_worker_init(struct fuzz_worker *w, struct fuzz_process *p, uint64_t stream)
{
	void *arena = mmap(NULL, FUZZ_ARENA + 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (arena == MAP_FAILED || mprotect((char *)arena + FUZZ_ARENA, 4096, PROT_NONE))
		return -errno;
	*w = (struct fuzz_worker) { .process = p, .stream = stream, .arena = arena };
	return 0;
}
