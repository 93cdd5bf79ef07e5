// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "dev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int number(const char *request)
{
	char answer[64];
	int ret = host_device(answer, sizeof(answer), "%s", request);

	return ret ? ret : atoi(answer);
}

/* Commands of a type since the mark. */
int dev_count(const char *type)
{
	char request[64];

	snprintf(request, sizeof(request), "count %s", type);
	return number(request);
}

/* Resources that are alive at the host. */
int dev_resources(void)
{
	return number("resources");
}

/* @action: what is to be done to the next command of the type, "late 100". */
int dev_fault(const char *type, const char *action)
{
	return host_device(NULL, 0, "fault %s 1 %s", type, action);
}

/* No faults from now on; what was held back is answered. */
int dev_clear(void)
{
	int ret = host_device(NULL, 0, "clear");

	return ret ? ret : host_device(NULL, 0, "release");
}

/*
 * dev_expect - lines that the kernel may log in this program
 * @pattern: regular expression; see tests/guest/tap.py
 */
void dev_expect(const char *pattern)
{
	FILE *f = fopen("/dev/kmsg", "we");

	if (!f)
		return;
	fprintf(f, "expect: %s\n", pattern);
	fclose(f);
}

/* The GPU goes, and comes back with other features; returns when it is there. */
int dev_replug(const char *features)
{
	int fd, ret = host_unplug() ?: host_plug(features);
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;

	if (ret)
		return ret;
	do {
		fd = kms_open_node(DRM_NODE_PRIMARY, NULL);
		if (fd >= 0)
			return close(fd);
		usleep(20000);
	} while (kms_now_ns() < end);
	return -ETIME;
}
