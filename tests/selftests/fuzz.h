/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the ioctl fuzzer is made of: a table of calls (fuzz_calls.c), pools of
 * what they gave and what they need, arguments that are mostly right (fuzz.c),
 * and the processes that use them (fuzz_ioctl.c).
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu.h"

#define FUZZ_POOL	16	/* things of a kind that are remembered */
#define FUZZ_FILES	4	/* open nodes of a process */
#define FUZZ_THREADS	3	/* of a process */
#define FUZZ_SLOTS	32	/* mappings of a process ... */
#define FUZZ_SLOT	(1 << 20)	/* ... each at a place of this size */
#define FUZZ_ARENA	(1 << 16)	/* memory for the arguments of a call */
#define FUZZ_IDS	64
#define FUZZ_CALLS	128
#define FUZZ_ERRNOS	134
#define FUZZ_FIRST_FD	32	/* those below are the fuzzer's own */

/**
 * enum fuzz_kind - what a field of an argument is
 */
enum fuzz_kind {
	/* handles of an open file */
	FUZZ_BO,
	FUZZ_FB,
	FUZZ_SYNCOBJ,
	FUZZ_PROPBLOB,
	FUZZ_LESSEE,
	FUZZ_NUM_HANDLES,
	/* descriptors of a process */
	FUZZ_DMABUF = FUZZ_NUM_HANDLES,
	FUZZ_SYNC_FILE,
	FUZZ_SYNCOBJ_FD,
	FUZZ_EVENT_FD,
	FUZZ_NUM_LOCAL,
	/* what all processes know */
	FUZZ_NAME = FUZZ_NUM_LOCAL,
	FUZZ_NUM_POOLS,
	/* a descriptor of a node: becomes one of the process's files */
	FUZZ_NODE = FUZZ_NUM_POOLS,
	/* ids of the device */
	FUZZ_CRTC,
	FUZZ_CONNECTOR,
	FUZZ_ENCODER,
	FUZZ_PLANE,
	FUZZ_OBJECT,
	FUZZ_PROP,
	FUZZ_NUM_KINDS,
	/* numbers */
	FUZZ_ZERO = FUZZ_NUM_KINDS,
	FUZZ_ANY,
	FUZZ_BELOW,	/* @arg */
	FUZZ_FLAGS,	/* bits of @arg */
	FUZZ_ONE_OF,	/* @choices, @arg of them */
	/* memory */
	FUZZ_ROOM,	/* for what comes back */
	FUZZ_LIST,	/* of @element */
};

/* Flags of a field */
#define FUZZ_GIVES	1	/* the kernel writes it */
#define FUZZ_ALSO_GIVES	2	/* as well, perhaps */
#define FUZZ_TAKES	4	/* it is no more after the call */
#define FUZZ_TAME	8	/* large values would only use memory up */

/**
 * struct fuzz_field - a field of an argument
 * @count: of a list or room: offset of the 32 bits that tell how many
 */
struct fuzz_field {
	uint16_t offset;
	uint8_t size;
	uint8_t kind;
	uint8_t flags;
	uint8_t element;
	uint16_t count;
	uint64_t arg;
	const uint32_t *choices;
};

/* What a call needs so that it can succeed */
#define FUZZ_3D		1
#define FUZZ_BLOBS	2
#define FUZZ_CONTEXTS	4
#define FUZZ_NEVER	8	/* never does here, but must be refused well */
#define FUZZ_MAYBE	16	/* not on each kernel or host */

/* The file of a call: any, a card, or the card of all processes */
enum fuzz_node { FUZZ_EITHER, FUZZ_CARD, FUZZ_COMMON };

struct fuzz_worker;

/**
 * struct fuzz_call - one row of the table
 * @act: what is no ioctl of a node; else @request and the rest
 * @shape: makes fields right that depend on each other, or NULL
 * @weight: how often, 1 to 8; 0 is 8
 */
struct fuzz_call {
	const char *name;
	int (*act)(struct fuzz_worker *w);
	unsigned long request;
	void (*shape)(struct fuzz_worker *w, void *arg);
	uint8_t weight;
	uint8_t needs;
	uint8_t node;
	struct fuzz_field fields[14];
};

extern const struct fuzz_call fuzz_calls[];
extern const unsigned int fuzz_num_calls;

struct fuzz_pool {
	_Atomic uint32_t slots[FUZZ_POOL];
};

/**
 * struct fuzz_file - an open node
 */
struct fuzz_file {
	_Atomic int fd;
	struct fuzz_pool pools[FUZZ_NUM_HANDLES];
};

struct fuzz_count {
	_Atomic uint32_t tried;
	_Atomic uint32_t errnos[FUZZ_ERRNOS];	/* [0]: successes */
};

/**
 * struct fuzz_ids - ids of one kind
 */
struct fuzz_ids {
	uint32_t count;
	uint32_t ids[FUZZ_IDS];
};

/**
 * struct fuzz_prop - a property of an object, and a value that is right
 */
struct fuzz_prop {
	uint32_t object;
	uint32_t id;
	uint64_t value;
};

/**
 * struct fuzz_shared - what all processes see
 * @features: FUZZ_3D and so on, as the device has them
 * @nodes: paths of the card and the render node
 * @card: a descriptor of the card that all processes inherit
 * @sockets: where descriptors are passed
 * @stop: no more calls
 * @output: the first one, of which @props are
 * @names: FUZZ_NAME
 */
struct fuzz_shared {
	uint64_t seed;
	unsigned int features;
	char nodes[2][32];
	int card;
	int sockets[2];
	_Atomic bool stop;
	struct kms_output output;
	struct fuzz_ids ids[FUZZ_NUM_KINDS];
	struct fuzz_prop props[FUZZ_IDS];
	unsigned int num_props;
	struct fuzz_pool names[FUZZ_NUM_POOLS - FUZZ_NUM_LOCAL];
	struct fuzz_count counts[FUZZ_CALLS];
};

/**
 * struct fuzz_process - what the threads of a process share
 * @window: FUZZ_SLOTS places for mappings
 * @scratch: a memory file, by which mappings are touched: a place that is not
 *	     there is an errno then, and no signal
 */
struct fuzz_process {
	struct fuzz_shared *shared;
	struct fuzz_file files[FUZZ_FILES];
	struct fuzz_pool fds[FUZZ_NUM_LOCAL];
	uint8_t *window;
	int scratch;
};

/**
 * struct fuzz_worker - one thread
 * @stream: which of all random streams is its own
 * @step: number of the call; with @seed and @stream it makes the call
 * @wrong: the call is to have something wrong
 * @arena: memory for arguments; the page behind it is not there
 * @used: bytes of it
 * @file: of the call
 */
struct fuzz_worker {
	struct fuzz_process *process;
	uint64_t stream;
	uint64_t step;
	uint64_t random;
	bool wrong;
	uint8_t *arena;
	size_t used;
	struct fuzz_file *file;
};

/* fuzz.c */
int fuzz_process_init(struct fuzz_process *p, struct fuzz_shared *shared);
void fuzz_process_fini(struct fuzz_process *p);
int fuzz_worker_init(struct fuzz_worker *w, struct fuzz_process *p, uint64_t stream);
void fuzz_step(struct fuzz_worker *w);

uint32_t fuzz_pick(struct fuzz_worker *w, uint32_t below);
bool fuzz_one_in(struct fuzz_worker *w, uint32_t n);
uint32_t fuzz_value(struct fuzz_worker *w, enum fuzz_kind kind);
void fuzz_keep(struct fuzz_worker *w, enum fuzz_kind kind, uint32_t value);
void *fuzz_memory(struct fuzz_worker *w, size_t size);
uint8_t *fuzz_slot(struct fuzz_worker *w);
int fuzz_result(long ret);
int fuzz_open_node(struct fuzz_worker *w);

/* fuzz_calls.c */
void fuzz_dispose(struct fuzz_file *file, enum fuzz_kind kind, uint32_t value);

#endif
