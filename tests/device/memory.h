/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The guest's memory: regions that the front end shares, each a file that is
 * mapped here.
 */
#ifndef DEVICE_MEMORY_H
#define DEVICE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct region - a piece of the guest's memory
 * @guest: where the guest sees it
 * @user: where the front end sees it, which is how it names the rings
 * @size: in bytes
 * @map: where we see it
 */
struct region {
	uint64_t guest;
	uint64_t user;
	uint64_t size;
	uint8_t *map;
	void *mapping;
	size_t mapping_size;
};

int memory_add(uint64_t guest, uint64_t user, uint64_t size, uint64_t offset, int fd);
void memory_clear(void);

void *memory_at(uint64_t guest, size_t *len);
void *memory_at_user(uint64_t user, size_t len);

#endif
