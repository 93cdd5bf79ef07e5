/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Faults: what the device is told to do wrong.
 */
#ifndef DEVICE_FAULT_H
#define DEVICE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct command_type;
struct text;

enum fault_action {
	FAULT_NONE,
	FAULT_ERROR,		/* refused, with a response type */
	FAULT_LATE,		/* answered after some milliseconds */
	FAULT_NEVER,		/* answered at 'release' */
	FAULT_SHORT,		/* with that many bytes used */
	FAULT_LONG,		/* with more bytes used than there is room for */
	FAULT_TYPE,		/* with another response type */
	FAULT_FENCE,		/* with another fence */
	FAULT_TWICE,		/* two times */
	FAULT_SWAP,		/* after the next command */
	FAULT_GARBAGE,		/* with random bytes */
	FAULT_DISCONNECT,	/* not at all: the connection is closed */
	FAULT_DIE,		/* not at all: the process ends */
	NUM_FAULT_ACTIONS
};

/**
 * struct fault - what to do to one command
 * @delay_ms: the answer, whatever becomes of it, comes so much later
 */
struct fault {
	enum fault_action action;
	uint32_t arg;
	uint32_t delay_ms;
};

int fault_add(const char *type, unsigned int nth, const char *action, const char *arg);
void fault_clear(void);
struct fault fault_take(const struct command_type *type);
const char *fault_name(enum fault_action action);
void fault_mark(void);
void fault_report(struct text *t);
void fault_garbage(uint32_t seed, uint8_t *to, size_t size);

#endif
