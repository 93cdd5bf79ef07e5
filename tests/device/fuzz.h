/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The device does whatever comes to its mind: faults, and changes of what it
 * tells of itself, all of which follow from a seed and the number of the command.
 */
#ifndef DEVICE_FUZZ_H
#define DEVICE_FUZZ_H

#include <stdint.h>

struct command_type;
struct fault;
struct text;

void fuzz_start(uint32_t seed, uint32_t rate);
struct fault fuzz_fault(const struct command_type *type);
void fuzz_change(void);
void fuzz_report(struct text *t);

#endif
