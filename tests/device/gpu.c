// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Commands: taken from the queues, checked, done, answered. What each one does
 * stands in display.c, resource.c and context.c.
 */
#include "gpu.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "context.h"
#include "display.h"
#include "fuzz.h"
#include "refused.h"
#include "resource.h"
#include "vhost_user.h"

#define CONTROL_QUEUE	0
#define CURSOR_QUEUE	1

/* Larger requests are cut: no driver sends them. */
#define MAX_REQUEST	(256U << 20)

/* A command that no other follows is answered after that time, swapped or not. */
#define SWAP_US		200000

#define F(bit)		(1ULL << VIRTIO_GPU_F_##bit)
#define A(type, name)	{ #name, offsetof(struct type, name), sizeof(((struct type *)0)->name) }
#define PAD(type, name)	{ NULL, offsetof(struct type, name), sizeof(((struct type *)0)->name) }
#define RECT(type)	A(type, r.x), A(type, r.y), A(type, r.width), A(type, r.height)
#define BOX(type)	A(type, box.x), A(type, box.y), A(type, box.z), \
			A(type, box.w), A(type, box.h), A(type, box.d)
#define FOUR(type, name) A(type, name[0]), A(type, name[1]), A(type, name[2]), A(type, name[3])
#define NODATA		sizeof(struct virtio_gpu_ctrl_hdr)

#define RESOURCE_ONLY(type)						\
	.size = sizeof(struct type),					\
	.fields = { A(type, resource_id), PAD(type, padding) }
#define TRANSFER_3D							\
	.size = sizeof(struct virtio_gpu_transfer_host_3d), .answer = NODATA,	\
	.features = F(VIRGL),						\
	.fields = { BOX(virtio_gpu_transfer_host_3d),			\
		    A(virtio_gpu_transfer_host_3d, offset),		\
		    A(virtio_gpu_transfer_host_3d, resource_id),	\
		    A(virtio_gpu_transfer_host_3d, level),		\
		    A(virtio_gpu_transfer_host_3d, stride),		\
		    A(virtio_gpu_transfer_host_3d, layer_stride) }
#define CURSOR								\
	.size = sizeof(struct virtio_gpu_update_cursor),		\
	.flags = FLAG_CURSOR | FLAG_NO_CONTEXT,				\
	.fields = { A(virtio_gpu_update_cursor, pos.scanout_id),	\
		    A(virtio_gpu_update_cursor, pos.x),			\
		    A(virtio_gpu_update_cursor, pos.y),			\
		    PAD(virtio_gpu_update_cursor, pos.padding),		\
		    A(virtio_gpu_update_cursor, resource_id),		\
		    A(virtio_gpu_update_cursor, hot_x),			\
		    A(virtio_gpu_update_cursor, hot_y),			\
		    PAD(virtio_gpu_update_cursor, padding) }

static const struct command_type types[] = {
	{
		VIRTIO_GPU_CMD_GET_DISPLAY_INFO, "get_display_info", NODATA,
		.answer = sizeof(struct virtio_gpu_resp_display_info),
		.flags = FLAG_NO_CONTEXT, .run = run_get_display_info,
	}, {
		VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, "resource_create_2d",
		sizeof(struct virtio_gpu_resource_create_2d), .answer = NODATA,
		.flags = FLAG_NO_CONTEXT | FLAG_MAKES, .run = run_resource_create_2d,
		.fields = { A(virtio_gpu_resource_create_2d, resource_id),
			    A(virtio_gpu_resource_create_2d, format),
			    A(virtio_gpu_resource_create_2d, width),
			    A(virtio_gpu_resource_create_2d, height) },
	}, {
		VIRTIO_GPU_CMD_RESOURCE_UNREF, "resource_unref",
		RESOURCE_ONLY(virtio_gpu_resource_unref), .answer = NODATA,
		.flags = FLAG_NO_CONTEXT, .run = run_resource_unref,
	}, {
		VIRTIO_GPU_CMD_SET_SCANOUT, "set_scanout",
		sizeof(struct virtio_gpu_set_scanout), .answer = NODATA,
		.flags = FLAG_NO_CONTEXT, .run = run_set_scanout,
		.fields = { RECT(virtio_gpu_set_scanout),
			    A(virtio_gpu_set_scanout, scanout_id),
			    A(virtio_gpu_set_scanout, resource_id) },
	}, {
		VIRTIO_GPU_CMD_RESOURCE_FLUSH, "resource_flush",
		sizeof(struct virtio_gpu_resource_flush), .answer = NODATA,
		.flags = FLAG_NO_CONTEXT, .run = run_resource_flush,
		.fields = { RECT(virtio_gpu_resource_flush),
			    A(virtio_gpu_resource_flush, resource_id),
			    PAD(virtio_gpu_resource_flush, padding) },
	}, {
		VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, "transfer_to_host_2d",
		sizeof(struct virtio_gpu_transfer_to_host_2d), .answer = NODATA,
		.flags = FLAG_NO_CONTEXT, .run = run_transfer_to_host_2d,
		.fields = { RECT(virtio_gpu_transfer_to_host_2d),
			    A(virtio_gpu_transfer_to_host_2d, offset),
			    A(virtio_gpu_transfer_to_host_2d, resource_id),
			    PAD(virtio_gpu_transfer_to_host_2d, padding) },
	}, {
		VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, "resource_attach_backing",
		sizeof(struct virtio_gpu_resource_attach_backing), .answer = NODATA,
		.flags = FLAG_NO_CONTEXT | FLAG_PAYLOAD | FLAG_MAKES, .run = run_attach_backing,
		.fields = { A(virtio_gpu_resource_attach_backing, resource_id),
			    A(virtio_gpu_resource_attach_backing, nr_entries) },
	}, {
		VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, "resource_detach_backing",
		RESOURCE_ONLY(virtio_gpu_resource_detach_backing), .answer = NODATA,
		.flags = FLAG_NO_CONTEXT | FLAG_ENDS, .run = run_detach_backing,
	}, {
		VIRTIO_GPU_CMD_GET_CAPSET_INFO, "get_capset_info",
		sizeof(struct virtio_gpu_get_capset_info),
		.answer = sizeof(struct virtio_gpu_resp_capset_info),
		.flags = FLAG_NO_CONTEXT, .features = F(VIRGL), .run = run_get_capset_info,
		.fields = { A(virtio_gpu_get_capset_info, capset_index),
			    PAD(virtio_gpu_get_capset_info, padding) },
	}, {
		VIRTIO_GPU_CMD_GET_CAPSET, "get_capset",
		sizeof(struct virtio_gpu_get_capset),
		.answer = sizeof(struct virtio_gpu_resp_capset),
		.flags = FLAG_NO_CONTEXT, .features = F(VIRGL), .run = run_get_capset,
		.fields = { A(virtio_gpu_get_capset, capset_id),
			    A(virtio_gpu_get_capset, capset_version) },
	}, {
		VIRTIO_GPU_CMD_GET_EDID, "get_edid", sizeof(struct virtio_gpu_cmd_get_edid),
		.answer = sizeof(struct virtio_gpu_resp_edid),
		.flags = FLAG_NO_CONTEXT, .features = F(EDID), .run = run_get_edid,
		.fields = { A(virtio_gpu_cmd_get_edid, scanout),
			    PAD(virtio_gpu_cmd_get_edid, padding) },
	}, {
		VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, "resource_assign_uuid",
		RESOURCE_ONLY(virtio_gpu_resource_assign_uuid),
		.answer = sizeof(struct virtio_gpu_resp_resource_uuid),
		.flags = FLAG_NO_CONTEXT | FLAG_MAKES, .features = F(RESOURCE_UUID),
		.run = run_assign_uuid,
	}, {
		VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, "resource_create_blob",
		sizeof(struct virtio_gpu_resource_create_blob), .answer = NODATA,
		.flags = FLAG_PAYLOAD | FLAG_MAKES, .features = F(RESOURCE_BLOB),
		.run = run_resource_create_blob,
		.fields = { A(virtio_gpu_resource_create_blob, resource_id),
			    A(virtio_gpu_resource_create_blob, blob_mem),
			    A(virtio_gpu_resource_create_blob, blob_flags),
			    A(virtio_gpu_resource_create_blob, nr_entries),
			    A(virtio_gpu_resource_create_blob, blob_id),
			    A(virtio_gpu_resource_create_blob, size) },
	}, {
		VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, "set_scanout_blob",
		sizeof(struct virtio_gpu_set_scanout_blob), .answer = NODATA,
		.flags = FLAG_NO_CONTEXT, .features = F(RESOURCE_BLOB),
		.run = run_set_scanout_blob,
		.fields = { RECT(virtio_gpu_set_scanout_blob),
			    A(virtio_gpu_set_scanout_blob, scanout_id),
			    A(virtio_gpu_set_scanout_blob, resource_id),
			    A(virtio_gpu_set_scanout_blob, width),
			    A(virtio_gpu_set_scanout_blob, height),
			    A(virtio_gpu_set_scanout_blob, format),
			    PAD(virtio_gpu_set_scanout_blob, padding),
			    FOUR(virtio_gpu_set_scanout_blob, strides),
			    FOUR(virtio_gpu_set_scanout_blob, offsets) },
	}, {
		VIRTIO_GPU_CMD_CTX_CREATE, "ctx_create", sizeof(struct virtio_gpu_ctx_create),
		.answer = NODATA, .flags = FLAG_CONTEXT | FLAG_MAKES, .features = F(VIRGL),
		.run = run_ctx_create,
		.fields = { A(virtio_gpu_ctx_create, nlen),
			    A(virtio_gpu_ctx_create, context_init) },
	}, {
		VIRTIO_GPU_CMD_CTX_DESTROY, "ctx_destroy", sizeof(struct virtio_gpu_ctx_destroy),
		.answer = NODATA, .flags = FLAG_CONTEXT, .features = F(VIRGL),
		.run = run_ctx_destroy,
	}, {
		VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, "ctx_attach_resource",
		RESOURCE_ONLY(virtio_gpu_ctx_resource), .answer = NODATA,
		.flags = FLAG_CONTEXT | FLAG_MAKES, .features = F(VIRGL), .run = run_ctx_attach_resource,
	}, {
		VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, "ctx_detach_resource",
		RESOURCE_ONLY(virtio_gpu_ctx_resource), .answer = NODATA,
		.flags = FLAG_CONTEXT | FLAG_ENDS, .features = F(VIRGL),
		.run = run_ctx_detach_resource,
	}, {
		VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, "resource_create_3d",
		sizeof(struct virtio_gpu_resource_create_3d), .answer = NODATA,
		.features = F(VIRGL), .flags = FLAG_MAKES,
		.run = run_resource_create_3d,
		.fields = { A(virtio_gpu_resource_create_3d, resource_id),
			    A(virtio_gpu_resource_create_3d, target),
			    A(virtio_gpu_resource_create_3d, format),
			    A(virtio_gpu_resource_create_3d, bind),
			    A(virtio_gpu_resource_create_3d, width),
			    A(virtio_gpu_resource_create_3d, height),
			    A(virtio_gpu_resource_create_3d, depth),
			    A(virtio_gpu_resource_create_3d, array_size),
			    A(virtio_gpu_resource_create_3d, last_level),
			    A(virtio_gpu_resource_create_3d, nr_samples),
			    A(virtio_gpu_resource_create_3d, flags),
			    PAD(virtio_gpu_resource_create_3d, padding) },
	}, {
		VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, "transfer_to_host_3d", TRANSFER_3D,
		.run = run_transfer_to_host_3d,
	}, {
		VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, "transfer_from_host_3d", TRANSFER_3D,
		.run = run_transfer_from_host_3d,
	}, {
		VIRTIO_GPU_CMD_SUBMIT_3D, "submit_3d", sizeof(struct virtio_gpu_cmd_submit),
		.answer = NODATA, .flags = FLAG_CONTEXT | FLAG_PAYLOAD, .features = F(VIRGL),
		.run = run_submit_3d,
		.fields = { A(virtio_gpu_cmd_submit, size), PAD(virtio_gpu_cmd_submit, padding) },
	}, {
		VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, "resource_map_blob",
		sizeof(struct virtio_gpu_resource_map_blob),
		.answer = sizeof(struct virtio_gpu_resp_map_info),
		.features = F(RESOURCE_BLOB), .flags = FLAG_MAKES,
		.run = run_map_blob,
		.fields = { A(virtio_gpu_resource_map_blob, resource_id),
			    PAD(virtio_gpu_resource_map_blob, padding),
			    A(virtio_gpu_resource_map_blob, offset) },
	}, {
		VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, "resource_unmap_blob",
		RESOURCE_ONLY(virtio_gpu_resource_unmap_blob), .answer = NODATA,
		.features = F(RESOURCE_BLOB), .flags = FLAG_ENDS, .run = run_unmap_blob,
	}, {
		VIRTIO_GPU_CMD_UPDATE_CURSOR, "update_cursor", CURSOR, .run = run_update_cursor,
	}, {
		VIRTIO_GPU_CMD_MOVE_CURSOR, "move_cursor", CURSOR, .run = run_move_cursor,
	},
};

#define NUM_TYPES (sizeof(types) / sizeof(types[0]))

static const char * const responses_ok[] = {
	"ok_nodata", "ok_display_info", "ok_capset_info", "ok_capset", "ok_edid",
	"ok_resource_uuid", "ok_map_info",
};

static const char * const responses_error[] = {
	"unspec", "out_of_memory", "invalid_scanout_id", "invalid_resource_id",
	"invalid_context_id", "invalid_parameter",
};

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static struct gpu_stats stats;
static unsigned int counts[NUM_TYPES];
static struct command_list held = TAILQ_HEAD_INITIALIZER(held);
static struct command *waiting;		/* for the front end to map a blob */

const struct gpu_stats *gpu_stats(void)
{
	return &stats;
}

unsigned int gpu_type_index(const struct command_type *type)
{
	return type - types;
}

unsigned int gpu_count(const struct command_type *type)
{
	return counts[gpu_type_index(type)];
}

void gpu_mark(void)
{
	memset(&stats, 0, sizeof(stats));
	memset(counts, 0, sizeof(counts));
	fault_mark();
}

const struct command_type *gpu_command_type(const char *name)
{
	for (size_t i = 0; i < NUM_TYPES; i++)
		if (!strcmp(types[i].name, name))
			return &types[i];
	return NULL;
}

const char *gpu_response_name(uint32_t type)
{
	static char number[16];

	if (type - VIRTIO_GPU_RESP_OK_NODATA < COUNT(responses_ok))
		return responses_ok[type - VIRTIO_GPU_RESP_OK_NODATA];
	if (type - VIRTIO_GPU_RESP_ERR_UNSPEC < COUNT(responses_error))
		return responses_error[type - VIRTIO_GPU_RESP_ERR_UNSPEC];
	snprintf(number, sizeof(number), "0x%x", type);
	return number;
}

/* The number of a response by its name or in hexadecimal, or -1. */
int64_t gpu_response_number(const char *name)
{
	char *end;
	unsigned long n;

	for (size_t i = 0; i < COUNT(responses_ok); i++)
		if (!strcmp(responses_ok[i], name))
			return VIRTIO_GPU_RESP_OK_NODATA + i;
	for (size_t i = 0; i < COUNT(responses_error); i++)
		if (!strcmp(responses_error[i], name))
			return VIRTIO_GPU_RESP_ERR_UNSPEC + i;
	n = strtoul(name, &end, 16);
	return *name && !*end && n <= UINT32_MAX ? (int64_t)n : -1;
}

/* ---- what the files with the commands use --------------------------------- */

const struct virtio_gpu_ctrl_hdr *command_header(const struct command *c)
{
	return (const struct virtio_gpu_ctrl_hdr *)c->req;
}

void *command_answer(struct command *c, size_t size)
{
	if (size > c->answer_room) {
		violation("%s: room for %zu bytes of answer, %zu are needed", c->type->name,
			  c->answer_room, size);
		size = c->answer_room;
	}
	c->answer_size = size;
	return c->answer;
}

/* A rule was broken: says so, and passes the response on. */
uint32_t command_broken(uint32_t response, const char *fmt, ...)
{
	char text[200];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	violation("%s", text);
	return response;
}

/* ---- the life of a command ------------------------------------------------ */

static void command_free(struct command *c)
{
	chain_free(&c->chain);
	free(c->req);
	free(c->answer);
	free(c);
}

/* All structures fit behind a shorter request and a shorter answer, too. */
#define MIN_ROOM	4096

static struct command *command_take(struct queue *q)
{
	struct command *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	if (!queue_pop(q, &c->chain)) {
		free(c);
		return NULL;
	}
	c->queue = q;
	c->size = c->chain.out_size < MAX_REQUEST ? c->chain.out_size : MAX_REQUEST;
	c->answer_room = c->chain.in_size < MAX_REQUEST ? c->chain.in_size : MAX_REQUEST;
	c->req = calloc(1, c->size + MIN_ROOM);
	c->answer = calloc(1, c->answer_room + MIN_ROOM);
	if (!c->req || !c->answer) {
		command_free(c);
		return NULL;
	}
	chain_read(&c->chain, c->req, c->size);
	return c;
}

static uint64_t field_value(const struct command *c, const struct field *f)
{
	uint64_t value = 0;

	memcpy(&value, c->req + f->offset, f->size);
	return le64toh(value);
}

static void log_command(const struct command *c, uint32_t response)
{
	const struct virtio_gpu_ctrl_hdr *hdr = command_header(c);
	struct text t = {};

	for (const struct field *f = c->type->fields; f->size; f++)
		if (f->name)
			text_add(&t, ",\"%s\":%llu", f->name,
				 (unsigned long long)field_value(c, f));
	if (c->type->flags & FLAG_PAYLOAD)
		text_add(&t, ",\"entries\":%u,\"ranges\":%u", c->entries, c->ranges);
	if (c->fault.action != FAULT_NONE)
		text_add(&t, ",\"fault\":\"%s\"", fault_name(c->fault.action));
	log_line("\"queue\":%u,\"type\":\"%s\",\"chain\":%u,\"flags\":%u,\"fence\":%llu,"
		 "\"ctx\":%u,\"ring\":%u%s%s,\"bytes\":%llu,\"answer\":\"%s\"",
		 c->queue->index, c->type->name, c->chain.descriptors, le32toh(hdr->flags),
		 (unsigned long long)le64toh(hdr->fence_id), le32toh(hdr->ctx_id),
		 hdr->ring_idx, t.s, c->notes.s, (unsigned long long)c->moved,
		 gpu_response_name(response));
}

/* ---- rules that all commands have in common ------------------------------- */

static void check_flags(const struct command *c)
{
	const struct virtio_gpu_ctrl_hdr *hdr = command_header(c);
	uint32_t flags = le32toh(hdr->flags);
	const char *name = c->type->name;
	bool ring = flags & VIRTIO_GPU_FLAG_INFO_RING_IDX;

	if (flags & ~(VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX))
		violation("%s: unknown flags 0x%x", name, flags);
	if (!(flags & VIRTIO_GPU_FLAG_FENCE) && hdr->fence_id)
		violation("%s: a fence id without the flag", name);
	if (ring && !(config_accepted_features() & F(CONTEXT_INIT)))
		violation("%s: a ring index without the feature", name);
	if (ring && !hdr->ctx_id)
		violation("%s: a ring index without a context", name);
	if (ring && hdr->ring_idx >= MAX_RINGS)
		violation("%s: ring index %u", name, hdr->ring_idx);
	if (!ring && hdr->ring_idx)
		violation("%s: ring index %u without the flag", name, hdr->ring_idx);
	if (hdr->padding[0] || hdr->padding[1] || hdr->padding[2])
		violation("%s: padding of the header is not zero", name);
}

static void check_fields(const struct command *c)
{
	for (const struct field *f = c->type->fields; f->size; f++)
		if (!f->name && field_value(c, f))
			violation("%s: padding at byte %u is not zero", c->type->name, f->offset);
}

/* Returns a response type if the command cannot be done at all, else 0. */
static uint32_t check_command(const struct command *c)
{
	const struct command_type *type = c->type;
	bool cursor = c->queue->index == CURSOR_QUEUE;
	uint32_t ctx = le32toh(command_header(c)->ctx_id);

	check_flags(c);
	check_fields(c);
	if (cursor != !!(type->flags & FLAG_CURSOR))
		return command_broken(VIRTIO_GPU_RESP_ERR_UNSPEC, "%s on queue %u", type->name,
				      c->queue->index);
	if (c->size < type->size || (c->size > type->size && !(type->flags & FLAG_PAYLOAD)))
		return command_broken(VIRTIO_GPU_RESP_ERR_UNSPEC,
				      "%s of %zu bytes, it has %u", type->name, c->size,
				      type->size);
	if (c->answer_room < type->answer)
		return command_broken(VIRTIO_GPU_RESP_ERR_UNSPEC,
				      "%s: room for %zu bytes of answer, it has %u", type->name,
				      c->answer_room, type->answer);
	if (type->features & ~config_accepted_features())
		return command_broken(VIRTIO_GPU_RESP_ERR_UNSPEC,
				      "%s: its feature was not negotiated", type->name);
	if (type->flags & FLAG_CONTEXT && !ctx)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
				      "%s without a context", type->name);
	if (type->flags & FLAG_NO_CONTEXT && ctx)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
				      "%s of context %u", type->name, ctx);
	return 0;
}

/* ---- answers ------------------------------------------------------------- */

/* Ends a command: what it was answered is in @c->answer. */
static void command_push(struct command *c)
{
	struct resource *r;

	chain_write(&c->chain, c->answer, c->used);
	queue_push(c->queue, c->chain.head, c->used, c->fault.action == FAULT_TWICE ? 2 : 1);
	if (c->transfer_id) {
		r = resource_find(c->transfer_id);
		if (r && r->transfers)
			r->transfers--;
	}
	command_free(c);
}

static void push_swapped(void)
{
	struct command *c, *next;

	for (c = TAILQ_FIRST(&held); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->fault.action != FAULT_SWAP)
			continue;
		TAILQ_REMOVE(&held, c, link);
		command_push(c);
	}
}

static void hold(struct command *c, uint64_t us)
{
	c->due_us = us ? now_us() + us : UINT64_MAX;
	TAILQ_INSERT_TAIL(&held, c, link);
}

/* Spoils the answer as the fault wants it; returns the bytes used. */
static uint32_t spoil(struct command *c)
{
	struct virtio_gpu_ctrl_hdr *hdr = (void *)c->answer;
	struct fault f = c->fault;
	uint32_t used = c->answer_size;

	switch (f.action) {
	case FAULT_SHORT:
		return f.arg < used ? f.arg : used;
	case FAULT_LONG:
		return c->answer_room + 4096;
	case FAULT_TYPE:
		hdr->type = htole32(f.arg);
		return used;
	case FAULT_FENCE:
		hdr->flags ^= htole32(VIRTIO_GPU_FLAG_FENCE);
		hdr->fence_id = htole64(le64toh(hdr->fence_id) + 1000);
		return used;
	case FAULT_GARBAGE:
		/* a body is believed when its header is right */
		if (used > sizeof(*hdr))
			fault_garbage(f.arg, c->answer + sizeof(*hdr), used - sizeof(*hdr));
		else
			fault_garbage(f.arg, c->answer, used);
		return used;
	default:
		return used;
	}
}

/* Answers, or keeps the answer for later. */
static void command_deliver(struct command *c)
{
	c->used = spoil(c);
	switch (c->fault.action) {
	case FAULT_LATE:
		hold(c, c->fault.arg * 1000ULL + 1);
		break;
	case FAULT_NEVER:
		hold(c, 0);
		break;
	case FAULT_SWAP:
		hold(c, SWAP_US);
		break;
	default:
		if (c->fault.delay_ms)
			hold(c, c->fault.delay_ms * 1000ULL);
		else
			command_push(c);
		push_swapped();
	}
}

static void command_finish(struct command *c, uint32_t response)
{
	const struct virtio_gpu_ctrl_hdr *asked = command_header(c);
	struct virtio_gpu_ctrl_hdr *hdr = (void *)c->answer;

	if (c->fault.action == FAULT_ERROR)
		response = c->fault.arg;
	stats.entries += c->entries;
	stats.bytes += c->moved;
	log_command(c, response);

	hdr->type = htole32(response);
	if (asked->flags & htole32(VIRTIO_GPU_FLAG_FENCE)) {
		hdr->flags = asked->flags;
		hdr->fence_id = asked->fence_id;
		hdr->ctx_id = asked->ctx_id;
		hdr->ring_idx = asked->ring_idx;
	}
	if (c->answer_size < sizeof(*hdr) || response >= VIRTIO_GPU_RESP_ERR_UNSPEC)
		c->answer_size = sizeof(*hdr);
	if (c->answer_size > c->answer_room)
		c->answer_size = c->answer_room;
	command_deliver(c);
}

/* The answer will be one that nobody can take for a success. */
static bool will_be_spoiled(const struct command *c)
{
	switch (c->fault.action) {
	case FAULT_SHORT:
		return c->fault.arg < c->type->answer;
	case FAULT_TYPE:
		return true;
	case FAULT_GARBAGE:
		return c->type->answer == NODATA;
	default:
		return false;
	}
}

/* Does it, unless the guest is going to think that it was not done. */
static uint32_t do_command(struct command *c)
{
	if (c->fault.action == FAULT_ERROR && !(c->type->flags & FLAG_ENDS))
		return c->fault.arg;
	if (!(c->type->flags & FLAG_MAKES) || !will_be_spoiled(c))
		return c->type->run(c);
	command_answer(c, c->type->answer);
	switch (c->type->type) {
	case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
		return VIRTIO_GPU_RESP_OK_MAP_INFO;
	case VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID:
		return VIRTIO_GPU_RESP_OK_RESOURCE_UUID;
	default:
		return VIRTIO_GPU_RESP_OK_NODATA;
	}
}

/* The resource of a command that has its id first of all. */
static uint32_t first_id(const struct command *c)
{
	uint32_t id;

	memcpy(&id, c->req + sizeof(struct virtio_gpu_ctrl_hdr), sizeof(id));
	return le32toh(id);
}

/*
 * What was refused is not there, though the guest may already count on it. What
 * could not be destroyed may be made again.
 */
static void note_doubt(const struct command *c, uint32_t response)
{
	const struct virtio_gpu_set_scanout *scanout = (void *)c->req;
	const struct virtio_gpu_set_scanout_blob *blob = (void *)c->req;
	uint32_t ctx = le32toh(command_header(c)->ctx_id);

	if (response < VIRTIO_GPU_RESP_ERR_UNSPEC && !will_be_spoiled(c))
		return;
	switch (c->type->type) {
	case VIRTIO_GPU_CMD_CTX_CREATE:
	case VIRTIO_GPU_CMD_CTX_DESTROY:
		context_refused(ctx);
		break;
	case VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE:
		context_refused_attach(ctx);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		resource_refused(first_id(c));
		break;
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
		resource_refused_end(first_id(c));
		break;
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		resource_refused_backing(first_id(c));
		break;
	case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
		resource_refused_map(first_id(c));
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		display_refused(le32toh(scanout->scanout_id));
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		display_refused(le32toh(blob->scanout_id));
		break;
	}
}

/* Goes away with the command in the hand. */
static void leave(struct command *c)
{
	log_command(c, 0);
	log_flush();
	if (c->fault.action == FAULT_DIE)
		_exit(0);
	command_free(c);
	vhost_disconnect();
}

static void command_run(struct command *c)
{
	uint32_t response = check_command(c);

	counts[gpu_type_index(c->type)]++;
	c->fault = fault_take(c->type);
	if (c->fault.action == FAULT_DISCONNECT || c->fault.action == FAULT_DIE) {
		leave(c);
		return;
	}
	if (!response)
		response = do_command(c);
	note_doubt(c, response);
	if (response == ANSWER_LATER)
		waiting = c;
	else
		command_finish(c, response);
	fuzz_change();
}

/* A request of a type that the specification does not have. */
static void command_unknown(struct command *c)
{
	static const struct command_type unknown = { .name = "unknown" };

	c->type = &unknown;
	violation("command 0x%x of %zu bytes on queue %u", le32toh(command_header(c)->type),
		  c->size, c->queue->index);
	command_finish(c, VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static bool run_next(struct queue *q)
{
	struct command *c = command_take(q);

	if (!c)
		return false;
	stats.commands++;
	for (size_t i = 0; i < NUM_TYPES && !c->type; i++)
		if (types[i].type == le32toh(command_header(c)->type))
			c->type = &types[i];
	if (c->size >= sizeof(struct virtio_gpu_ctrl_hdr) && c->type)
		command_run(c);
	else
		command_unknown(c);
	return true;
}

/* The cursor's queue first: its commands rely on nothing that is not done yet. */
static void run_all(void)
{
	while (run_next(&vhost_queues[CURSOR_QUEUE]) ||
	       (!waiting && run_next(&vhost_queues[CONTROL_QUEUE])))
		;
	for (unsigned int i = 0; i < NUM_QUEUES; i++)
		queue_notify(&vhost_queues[i]);
}

/* The guest has rung: something is available. */
void gpu_kick(struct queue *q)
{
	uint64_t times;

	if (read(q->kick, &times, sizeof(times)) == sizeof(times)) {
		stats.kicks += times;
		while (times--)
			log_line("\"kick\":%u", q->index);
	}
	run_all();
}

/* The front end has done, or not, what a command asked of it. */
void gpu_resume(unsigned int request, bool done)
{
	struct command *c = waiting;

	if (!c || c->awaited != request)
		return;
	waiting = NULL;
	command_finish(c, map_done(c, done));
	run_all();
}

/* ---- time ---------------------------------------------------------------- */

/* Answers what is due. */
void gpu_timers(void)
{
	uint64_t now = now_us();
	struct command *c, *next;

	for (c = TAILQ_FIRST(&held); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->due_us > now)
			continue;
		TAILQ_REMOVE(&held, c, link);
		command_push(c);
	}
	run_all();
}

/* Milliseconds until the next answer is due, -1 when none is. */
int gpu_timeout_ms(void)
{
	uint64_t first = UINT64_MAX, now = now_us();
	struct command *c;

	TAILQ_FOREACH(c, &held, link)
		if (c->due_us < first)
			first = c->due_us;
	if (first == UINT64_MAX)
		return -1;
	return first <= now ? 0 : (first - now) / 1000 + 1;
}

/* Answers all that were held back. */
void gpu_release(void)
{
	struct command *c;

	TAILQ_FOREACH(c, &held, link)
		c->due_us = 0;
	gpu_timers();
}

/*
 * The driver has reset the device: nothing is left of what it made. Without a
 * connection nothing is left of the window either.
 */
void gpu_reset(bool connected)
{
	struct command *c;

	while ((c = TAILQ_FIRST(&held))) {
		TAILQ_REMOVE(&held, c, link);
		command_free(c);
	}
	if (waiting)
		command_free(waiting);
	waiting = NULL;
	display_reset();
	context_free_all();
	resource_free_all();
	refused_clear();
	if (!connected)
		window_forget();
	log_line("\"reset\":true");
}
