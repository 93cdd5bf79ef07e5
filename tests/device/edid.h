/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef DEVICE_EDID_H
#define DEVICE_EDID_H

#include <stddef.h>
#include <stdint.h>

/**
 * enum edid_fault - what is wrong with an EDID
 */
enum edid_fault {
	EDID_RIGHT,
	EDID_HALF,		/* half a block, so says its size, too */
	EDID_CHECKSUM,
	EDID_EMPTY,		/* no bytes at all */
	EDID_HUGE,		/* more bytes than there is room for */
	EDID_EXTENSIONS,	/* it tells of more blocks than there are */
	EDID_EXTENSION,		/* the second block is nonsense */
	EDID_CLOCK,		/* its mode takes a minute for each frame */
	EDID_ZEROES,
	EDID_ONES,
	EDID_RANDOM,		/* as EDID_RIGHT but for some random bytes; the sum is right */
	NUM_EDID_FAULTS
};

int edid_fault(const char *name);
size_t edid_spoil(enum edid_fault fault, uint8_t *edid, size_t room);
size_t edid_make(uint8_t *edid, uint32_t width, uint32_t height);

#endif
