/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What a test has counted. The runner adds up the figures of the same name of a
 * guest and shows them in a table at its end (tests/guest/tally.py).
 */
#ifndef TESTS_FIGURE_H
#define TESTS_FIGURE_H

#include <stdio.h>

static inline void figure(const char *name, unsigned long count)
{
	fprintf(stderr, "# figure %lu %s\n", count, name);
}

/* Of these the largest counts. */
static inline void figure_most(const char *name, unsigned long value)
{
	fprintf(stderr, "# most %lu %s\n", value, name);
}

#endif
