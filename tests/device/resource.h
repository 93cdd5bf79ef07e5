/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Resources: what the host keeps of them, and the guest pages behind them.
 */
#ifndef DEVICE_RESOURCE_H
#define DEVICE_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct command;

#define CURSOR_SIZE	64

enum resource_kind {
	RESOURCE_2D,
	RESOURCE_3D,
	RESOURCE_BLOB,
};

/**
 * struct entry - guest pages behind a resource
 * @start: where they stand in the backing
 */
struct entry {
	uint64_t addr;
	uint64_t start;
	uint32_t length;
};

/**
 * struct resource - one that the guest has made
 * @size: bytes of the host's copy, or of the blob
 * @host: the host's own memory, NULL when it has none
 * @memfd: @host as a file, for blobs of the host
 * @backing_size: all entries together; 0 without a backing
 * @transfers: to the host, not answered yet
 * @filled: pixels of a cursor image that were transferred, a word a row
 * @doubtful: the guest was told something wrong about it (a fault), so that it
 *	      may create or destroy it again
 * @refused_backing: the guest was refused a backing, and may not know yet
 * @refused_map: ... or a place in the window
 */
struct resource {
	LIST_ENTRY(resource) link;
	uint32_t id;
	enum resource_kind kind;
	uint32_t format;
	uint32_t width;
	uint32_t height;
	uint32_t blob_mem;
	uint32_t blob_flags;
	uint64_t size;
	uint8_t *host;
	int memfd;
	struct entry *entries;
	uint32_t num_entries;
	uint64_t backing_size;
	bool mapped;
	uint64_t map_offset;
	bool has_uuid;
	unsigned int transfers;
	uint64_t filled[CURSOR_SIZE];
	bool doubtful;
	bool refused_backing;
	bool refused_map;
};

/**
 * struct format - where in its four bytes a pixel has each colour
 */
struct format {
	uint32_t number;
	uint8_t r, g, b;
	int8_t a;
};

const struct format *format_find(uint32_t number);
uint32_t format_argb(const struct format *f, const uint8_t *pixel);

struct resource *resource_find(uint32_t id);
void resource_free(struct resource *r);
void resource_free_all(void);
unsigned int resource_count(void);
uint64_t resource_backing_pages(void);
void window_clear(void);
void window_forget(void);
bool resource_read(struct resource *r, uint64_t offset, void *to, size_t size);

/* The guest was refused one with this id, or told nonsense about it. */
void resource_refused(uint32_t id);
void resource_refused_end(uint32_t id);
void resource_refused_map(uint32_t id);
void resource_refused_backing(uint32_t id);

/* The answer to a command that may be sent before the guest knows of a refusal. */
uint32_t resource_no_backing(const struct command *c, const struct resource *r);
uint32_t resource_missing(const struct command *c, uint32_t id);

#endif
