/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Hibernation, for tests in the lab: the image is on the disk with the serial
 * number "swap", and the machine, emulated, starts by itself again.
 */
#ifndef TESTS_POWER_H
#define TESTS_POWER_H

#include <stdlib.h>
#include <unistd.h>

#include "host.h"
#include "reset.h"

#define SWAP_DISK	"/dev/disk/by-id/virtio-swap"

/* Writing and reading an image takes an emulated processor long. */
#define POWER_TEST	400

static inline const char *hibernation_missing(void)
{
	if (access(SWAP_DISK, F_OK))
		return "no disk with the serial number 'swap'";
	if (system("grep -q partition /proc/swaps ||"
		   "{ mkswap -q " SWAP_DISK " && swapon " SWAP_DISK "; }"))
		return "the disk to hibernate to is not taken";
	return NULL;
}

/* What a restart of the machine does; a guest's restart is its end otherwise. */
static inline int on_restart(const char *what)
{
	char request[100];

	snprintf(request, sizeof(request),
		 "{\"execute\": \"set-action\", \"arguments\": {\"reboot\": \"%s\"}}", what);
	return host_qmp(request);
}

/*
 * hibernate - write the image, restart, and go on from the image
 *
 * The smallest image, of what cannot be read again from disks.
 */
static inline int hibernate(void)
{
	int ret = on_restart("reset") ?:
		  write_file("/sys/power/image_size", "0\n") ?:
		  write_file("/sys/power/disk", "reboot\n") ?:
		  write_file("/sys/power/state", "disk\n");

	return on_restart("shutdown") ?: ret;
}

#endif
