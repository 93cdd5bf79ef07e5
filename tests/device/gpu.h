/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The device: a virtio GPU that does what the specification says, tells when
 * the guest does not, and answers wrongly when it is told to (fault.h).
 */
#ifndef DEVICE_GPU_H
#define DEVICE_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <linux/virtio_gpu.h>

#include "fault.h"
#include "log.h"
#include "queue.h"

/* Newer than the headers of some systems */
#ifndef VIRTIO_GPU_F_BLOB_ALIGNMENT
#define VIRTIO_GPU_F_BLOB_ALIGNMENT	5
#endif

#define MAX_CAPSETS	64
#define MAX_RINGS	64

/* What QEMU takes of memory entries, too */
#define MAX_ENTRIES	16384

/* An answer that comes later, by gpu_resume() */
#define ANSWER_LATER	0

struct capset {
	uint32_t id;
	uint32_t version;
	uint32_t size;
};

/**
 * struct gpu_options - what kind of device this is
 * @features: offered, bits 1 << VIRTIO_GPU_F_*
 * @memory: bytes that the host spends on all resources together
 * @window: size of the host-visible memory
 * @map_info: what RESOURCE_MAP_BLOB answers
 */
struct gpu_options {
	uint64_t features;
	uint32_t outputs;
	uint32_t num_capsets;
	struct capset capsets[MAX_CAPSETS];
	uint32_t blob_alignment;
	uint64_t memory;
	uint64_t window;
	uint32_t map_info;
};

extern struct gpu_options gpu_options;

/* ---- commands ------------------------------------------------------------ */

struct command;

/**
 * struct field - an argument: as the specification calls it, and where it is
 *
 * Those without a name are padding, which must be zero.
 */
struct field {
	const char *name;
	uint16_t offset;
	uint16_t size;
};

#define FLAG_CONTEXT	1	/* of a context */
#define FLAG_NO_CONTEXT	2	/* never of a context */
#define FLAG_PAYLOAD	4	/* more bytes follow the structure */
#define FLAG_CURSOR	8	/* of the cursor queue */
#define FLAG_MAKES	16	/* what it makes is there only if the answer says so */
#define FLAG_ENDS	32	/* what it ends is over whatever the answer says */

/**
 * struct command_type - a command of the specification
 * @answer: the structure that is the answer
 * @features: what must have been negotiated
 * @run: does it; returns the type of the response
 */
struct command_type {
	uint32_t type;
	const char *name;
	uint16_t size;
	uint16_t answer;
	uint32_t flags;
	uint64_t features;
	uint32_t (*run)(struct command *c);
	struct field fields[24];
};

/**
 * struct command - one that the guest has made available
 * @req: all bytes that the guest wrote, at least a header
 * @answer: as large as the guest left room for, and at least a header
 * @answer_size: used so far
 * @used: bytes that the guest is told of
 * @entries: memory entries in it
 * @ranges: ... when neighbours are merged: entries that would have been enough
 * @moved: bytes that were copied
 * @transfer_id: resource that it fills
 * @notes: more for the log, as JSON members
 * @awaited: request to the front end that must be answered first
 * @due_us: when a command that is held back is answered
 */
struct command {
	TAILQ_ENTRY(command) link;
	struct queue *queue;
	struct chain chain;
	const struct command_type *type;
	uint8_t *req;
	size_t size;
	uint8_t *answer;
	size_t answer_room;
	size_t answer_size;
	uint32_t used;
	uint32_t entries;
	uint32_t ranges;
	uint64_t moved;
	uint32_t transfer_id;
	struct text notes;
	struct fault fault;
	unsigned int awaited;
	uint64_t due_us;
};

TAILQ_HEAD(command_list, command);

/* Room for the answer beyond what is there, zeroed; never NULL. */
void *command_answer(struct command *c, size_t size);
const struct virtio_gpu_ctrl_hdr *command_header(const struct command *c);
uint32_t command_broken(uint32_t response, const char *fmt, ...) PRINTF(2, 3);

/* ---- what the event loop calls -------------------------------------------- */

void gpu_kick(struct queue *q);
void gpu_timers(void);
int gpu_timeout_ms(void);
void gpu_release(void);
void gpu_reset(bool connected);
void gpu_resume(unsigned int request, bool done);

const struct command_type *gpu_command_type(const char *name);
unsigned int gpu_type_index(const struct command_type *type);
const char *gpu_response_name(uint32_t type);
int64_t gpu_response_number(const char *name);

struct gpu_stats {
	uint64_t kicks;
	uint64_t commands;
	uint64_t entries;
	uint64_t bytes;
};

const struct gpu_stats *gpu_stats(void);
unsigned int gpu_count(const struct command_type *type);
void gpu_mark(void);

/* Commands of other files, in gpu.c's table */
uint32_t run_get_display_info(struct command *c);
uint32_t run_get_edid(struct command *c);
uint32_t run_set_scanout(struct command *c);
uint32_t run_set_scanout_blob(struct command *c);
uint32_t run_resource_flush(struct command *c);
uint32_t run_update_cursor(struct command *c);
uint32_t run_move_cursor(struct command *c);

uint32_t run_resource_create_2d(struct command *c);
uint32_t run_resource_create_3d(struct command *c);
uint32_t run_resource_create_blob(struct command *c);
uint32_t run_resource_unref(struct command *c);
uint32_t run_attach_backing(struct command *c);
uint32_t run_detach_backing(struct command *c);
uint32_t run_transfer_to_host_2d(struct command *c);
uint32_t run_transfer_to_host_3d(struct command *c);
uint32_t run_transfer_from_host_3d(struct command *c);
uint32_t run_assign_uuid(struct command *c);
uint32_t run_map_blob(struct command *c);
uint32_t run_unmap_blob(struct command *c);
uint32_t map_done(struct command *c, bool done);

uint32_t run_ctx_create(struct command *c);
uint32_t run_ctx_destroy(struct command *c);
uint32_t run_ctx_attach_resource(struct command *c);
uint32_t run_ctx_detach_resource(struct command *c);
uint32_t run_submit_3d(struct command *c);
uint32_t run_get_capset_info(struct command *c);
uint32_t run_get_capset(struct command *c);

#endif
