/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Ids that the guest was refused. A driver need not wait for the answer before
 * it sends what builds on a new resource or context: such a command fails, but
 * breaks no rule.
 */
#ifndef DEVICE_REFUSED_H
#define DEVICE_REFUSED_H

#include <stdbool.h>
#include <stdint.h>

enum refused_kind {
	REFUSED_RESOURCE,
	REFUSED_CONTEXT,
	NUM_REFUSED_KINDS
};

void refused_add(enum refused_kind kind, uint32_t id);
bool refused_has(enum refused_kind kind, uint32_t id);
void refused_remove(enum refused_kind kind, uint32_t id);
void refused_clear(void);

#endif
