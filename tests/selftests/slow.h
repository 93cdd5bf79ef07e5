/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Time limits are meant for a kernel of ordinary speed. One with checks built in
 * takes several times as long: VIRTGPU_SLOW says how many times.
 */
#ifndef TESTS_SLOW_H
#define TESTS_SLOW_H

#include <stdlib.h>

static inline int slow(void)
{
	const char *times = getenv("VIRTGPU_SLOW");

	return times ? atoi(times) : 1;
}

#endif
