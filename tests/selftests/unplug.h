/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The GPU goes under load and comes back, again and again.
 */
#ifndef TESTS_UNPLUG_H
#define TESTS_UNPLUG_H

#include <kselftest_harness.h>

#include <errno.h>
#include <unistd.h>

#include "dev.h"
#include "load.h"

/* Ten rounds take so many seconds at most, on a processor that is emulated. */
#define UNPLUG_TEST	(load_cycles(0) ? 3000 : 400)

/* Clients are at work for this time before the device goes. */
#define UNPLUG_LOAD_MS	200

/* Until no card of the driver is there; what holds the old one does not matter. */
static inline int unplug_wait_gone(void)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;

	for (;;) {
		int fd = kms_open_node(DRM_NODE_PRIMARY, NULL);

		if (fd < 0)
			return 0;
		close(fd);
		if (kms_now_ns() > end)
			return -EBUSY;
		usleep(10000);
	}
}

static inline int unplug_wait_card(void)
{
	int fd = dev_card();

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/*
 * unplug_round - clients are at work, the device goes, all end, it comes back
 * @kinds: of the clients
 * @unplug: takes the device away
 * @plug: brings it back
 */
static inline int unplug_round(struct load *load, unsigned int kinds, int (*unplug)(void),
			       int (*plug)(void))
{
	int ret = load_start(load, kinds);

	usleep(UNPLUG_LOAD_MS * 1000);
	ret = ret ?: unplug() ?: load_wait(load, LOAD_BUSY) ?: unplug_wait_gone();
	ret = ret ?: plug() ?: unplug_wait_card();
	/* now the last of the old device goes, beside the new one */
	return ret ?: load_release(load);
}

#endif
