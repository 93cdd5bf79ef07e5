// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "memory.h"

#include <errno.h>
#include <sys/mman.h>

#define MAX_REGIONS 32

static struct region regions[MAX_REGIONS];
static unsigned int num_regions;

/* The descriptor stays the caller's. */
int memory_add(uint64_t guest, uint64_t user, uint64_t size, uint64_t offset, int fd)
{
	struct region *r = &regions[num_regions];

	if (num_regions == MAX_REGIONS)
		return -ENOSPC;
	/* huge pages want the file's beginning */
	r->mapping_size = size + offset;
	r->mapping = mmap(NULL, r->mapping_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r->mapping == MAP_FAILED)
		return -errno;
	r->map = (uint8_t *)r->mapping + offset;
	r->guest = guest;
	r->user = user;
	r->size = size;
	num_regions++;
	return 0;
}

void memory_clear(void)
{
	while (num_regions) {
		struct region *r = &regions[--num_regions];

		munmap(r->mapping, r->mapping_size);
	}
}

/*
 * memory_at - guest memory at a guest address
 * @guest: the address
 * @len: bytes wanted; set to what is there in one piece, at most as many
 *
 * Returns: where it is here, or NULL when the guest has no memory there.
 */
void *memory_at(uint64_t guest, size_t *len)
{
	for (unsigned int i = 0; i < num_regions; i++) {
		struct region *r = &regions[i];
		uint64_t offset = guest - r->guest;

		if (guest < r->guest || offset >= r->size)
			continue;
		if (*len > r->size - offset)
			*len = r->size - offset;
		return r->map + offset;
	}
	return NULL;
}

/* @len bytes of guest memory at the front end's address, or NULL. */
void *memory_at_user(uint64_t user, size_t len)
{
	for (unsigned int i = 0; i < num_regions; i++) {
		struct region *r = &regions[i];
		uint64_t offset = user - r->user;

		if (user >= r->user && offset < r->size && len <= r->size - offset)
			return r->map + offset;
	}
	return NULL;
}
