/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Parameters of tests that also run longer, by hand. They are environment
 * variables; the kernel gives NAME=VALUE of its command line to the first
 * process, so that 'tests/guest/run --append NAME=VALUE' sets them in a guest.
 */
#ifndef TESTS_PARAM_H
#define TESTS_PARAM_H

#include <stdlib.h>

/* For the harness: such tests end by themselves. */
#define PARAM_NO_LIMIT	(7 * 24 * 3600)

static inline unsigned long param(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

#endif
