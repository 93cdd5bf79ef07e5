// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "refused.h"

#include <stddef.h>
#include <stdlib.h>

static struct {
	uint32_t *ids;
	size_t count;
} refused[NUM_REFUSED_KINDS];

void refused_add(enum refused_kind kind, uint32_t id)
{
	size_t n = refused[kind].count;
	uint32_t *ids;

	if (refused_has(kind, id))
		return;
	ids = realloc(refused[kind].ids, (n + 1) * sizeof(*ids));
	if (!ids)
		return;
	ids[n] = id;
	refused[kind].ids = ids;
	refused[kind].count = n + 1;
}

bool refused_has(enum refused_kind kind, uint32_t id)
{
	for (size_t i = 0; i < refused[kind].count; i++)
		if (refused[kind].ids[i] == id)
			return true;
	return false;
}

void refused_remove(enum refused_kind kind, uint32_t id)
{
	for (size_t i = refused[kind].count; i--;)
		if (refused[kind].ids[i] == id)
			refused[kind].ids[i] = refused[kind].ids[--refused[kind].count];
}

void refused_clear(void)
{
	for (int kind = 0; kind < NUM_REFUSED_KINDS; kind++)
		refused[kind].count = 0;
}
