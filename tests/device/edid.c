// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A monitor's EDID 1.4 with one mode, 60 times a second.
 */
#include "edid.h"

#include <errno.h>
#include <string.h>

#include "fault.h"

#define EDID_SIZE	128
#define FIRST_TIMING	54
#define SECOND_BLOCK	72
#define THIRD_BLOCK	90
#define FOURTH_BLOCK	108
#define EXTENSIONS	126

#define MAX_SIDE	4095	/* 12 bits */
#define H_BLANK		160
#define V_BLANK		30
#define RATE		60

static void detailed_timing(uint8_t *d, uint32_t width, uint32_t height)
{
	uint32_t clock = (width + H_BLANK) * (height + V_BLANK) / 10000 * RATE;

	d[0] = clock;
	d[1] = clock >> 8;
	d[2] = width;
	d[3] = H_BLANK;
	d[4] = (width >> 8) << 4 | H_BLANK >> 8;
	d[5] = height;
	d[6] = V_BLANK;
	d[7] = (height >> 8) << 4 | V_BLANK >> 8;
	d[8] = 48;			/* sync offset and width */
	d[9] = 32;
	d[10] = 3 << 4 | 5;
	d[12] = width / 4;		/* millimetres: 4 pixels each */
	d[13] = height / 4;
	d[14] = ((width / 4) >> 8) << 4 | (height / 4) >> 8;
	d[17] = 0x1e;			/* digital, both syncs positive */
}

static void text_block(uint8_t *d, uint8_t tag, const char *text)
{
	d[3] = tag;
	memset(d + 5, ' ', 13);
	memcpy(d + 5, text, strlen(text));
	d[5 + strlen(text)] = '\n';
}

static void set_sum(uint8_t *edid)
{
	uint8_t sum = 0;

	for (unsigned int i = 0; i < EDID_SIZE - 1; i++)
		sum += edid[i];
	edid[EDID_SIZE - 1] = -sum;
}

/* Returns the size; a picture too large for it has no mode in it. */
size_t edid_make(uint8_t *edid, uint32_t width, uint32_t height)
{
	static const uint8_t header[] = {
		0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,
		'V' - '@', 0, 0x34, 0x12, 1, 0, 0, 0,	/* maker and product, below */
		1, 36, 1, 4,				/* made in 2026, EDID 1.4 */
		0xa5, 0, 0, 120, 0x06,			/* digital, 8 bits, gamma 2.2 */
		0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54,
	};
	uint16_t maker = ('V' - '@') << 10 | ('G' - '@') << 5 | ('D' - '@');

	memset(edid, 0, EDID_SIZE);
	memcpy(edid, header, sizeof(header));
	edid[8] = maker >> 8;
	edid[9] = maker & 0xff;
	memset(edid + 38, 1, 16);		/* no standard timings */
	if (width && height && width <= MAX_SIDE && height <= MAX_SIDE)
		detailed_timing(edid + FIRST_TIMING, width, height);
	else
		text_block(edid + FIRST_TIMING, 0xfe, "no mode");
	text_block(edid + SECOND_BLOCK, 0xfc, "scripted");
	text_block(edid + THIRD_BLOCK, 0xff, "1");
	text_block(edid + FOURTH_BLOCK, 0xfe, "virtgpu");
	set_sum(edid);
	return EDID_SIZE;
}

/* ---- wrong ones ---------------------------------------------------------- */

static const char * const faults[NUM_EDID_FAULTS] = {
	"none", "half", "checksum", "empty", "huge", "extensions", "extension", "clock", "zeroes", "ones",
	"random",
};

int edid_fault(const char *name)
{
	for (int i = 0; i < NUM_EDID_FAULTS; i++)
		if (!strcmp(faults[i], name))
			return i;
	return -EINVAL;
}

static void randomize(uint8_t *edid)
{
	static uint32_t seed;
	uint8_t bytes[16];

	fault_garbage(++seed, bytes, sizeof(bytes));
	/* behind the header, which is how an EDID is known */
	for (unsigned int i = 0; i < sizeof(bytes); i += 2)
		edid[8 + bytes[i] % (EDID_SIZE - 9)] = bytes[i + 1];
	set_sum(edid);
}

/* Spoils what edid_make() made, in @room bytes; returns the size to be told. */
size_t edid_spoil(enum edid_fault fault, uint8_t *edid, size_t room)
{
	switch (fault) {
	case EDID_HALF:
		return EDID_SIZE / 2;
	case EDID_CHECKSUM:
		edid[EDID_SIZE - 1]++;
		return EDID_SIZE;
	case EDID_EMPTY:
		return 0;
	case EDID_HUGE:
		return UINT32_MAX;
	case EDID_EXTENSIONS:
		edid[EXTENSIONS] = 255;
		set_sum(edid);
		return room;
	case EDID_EXTENSION:
		edid[EXTENSIONS] = 1;
		set_sum(edid);
		fault_garbage(1, edid + EDID_SIZE, EDID_SIZE);
		return 2 * EDID_SIZE;
	case EDID_CLOCK:
		edid[FIRST_TIMING] = 2;
		edid[FIRST_TIMING + 1] = 0;
		set_sum(edid);
		return EDID_SIZE;
	case EDID_ZEROES:
		memset(edid, 0, room);
		return EDID_SIZE;
	case EDID_ONES:
		memset(edid, 0xff, room);
		return room;
	case EDID_RANDOM:
		randomize(edid);
		return EDID_SIZE;
	default:
		return EDID_SIZE;
	}
}
