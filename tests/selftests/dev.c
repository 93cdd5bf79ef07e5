// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "dev.h"
#include "dev_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/*
 * dev_fault - something goes wrong at the host with the next command of a type
 * @type: of the command; "any" for all
 * @action: what is done to it, "late 100"
 */
int dev_fault(const char *type, const char *action)
{
	return host_device(NULL, 0, "fault %s 1 %s", type, action);
}

/* As dev_fault(), with every command of the type from now on. */
int dev_faults(const char *type, const char *action)
{
	return host_device(NULL, 0, "fault %s 0 %s", type, action);
}

/* Until so many commands of the type came since the mark; returns how many. */
int dev_wait(const char *type, int count)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;
	int n = dev_count(type);

	while (n >= 0 && n < count && kms_now_ns() < end) {
		usleep(10000);
		n = dev_count(type);
	}
	return n;
}

/* Until all that was to go wrong did; returns how many faults still wait. */
int dev_wait_faults(void)
{
	uint64_t end = kms_now_ns() + LOAD_WAIT_MS * 1000000ULL;
	char answer[256];
	int ret, left;

	for (;;) {
		ret = host_device(answer, sizeof(answer), "faults");
		if (ret)
			return ret;
		if (sscanf(answer, "waiting=%d", &left) != 1)
			return -EPROTO;
		if (!left || kms_now_ns() > end)
			return left;
		usleep(10000);
	}
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

/* The card's primary node, as soon as there is one. */
int dev_card(void)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;
	int fd;

	do {
		fd = kms_open_node(DRM_NODE_PRIMARY, NULL);
		if (fd >= 0)
			return fd;
		usleep(50000);
	} while (kms_now_ns() < end);
	return -ETIME;
}

/*
 * dev_plug - the GPU comes
 * @features: as host_plug() takes them
 *
 * Returns: 0 when it is there and the console is shown on it, or a negative errno.
 */
int dev_plug(const char *features)
{
	int ret = host_mark() ?: host_plug(features);

	if (!ret)
		ret = dev_card();
	if (ret < 0)
		return ret;
	close(ret);
	return dev_wait("resource_flush", 1) < 1 ? -ETIME : 0;
}

/* As dev_plug(), after the GPU has gone. */
int dev_replug(const char *features)
{
	return host_unplug() ?: dev_plug(features);
}

/* How long the driver waits for the host, from now on; 0: as at the start. */
int dev_timeout(unsigned int ms)
{
	FILE *f = fopen("/sys/module/virtio_gpu/parameters/timeout_ms", "we");

	if (!f)
		return -errno;
	fprintf(f, "%u", ms ? ms : 10000);
	return fclose(f) ? -errno : 0;
}

static int check_picture(void)
{
	struct desktop d;
	int ret = desktop_open(&d);

	if (!ret)
		ret = desktop_show(&d);
	if (!ret && host_diff_fb(d.o->head, &d.fb[d.front]))
		ret = -EILSEQ;
	return desktop_close(&d) ? -EUCLEAN : ret;
}

static int check_exec(void)
{
	int fd = gpu_open(), ret;

	if (fd < 0)
		return fd;
	ret = gpu_has(fd, VIRTGPU_PARAM_3D_FEATURES) ? load_exec(fd) : 0;
	close(fd);
	return ret;
}

/*
 * dev_works - does the GPU work again?
 *
 * Returns: 0 when a picture is shown, and is right, and a submission is executed
 * where there is 3D; -EILSEQ for a wrong picture, -EUCLEAN for a kernel log with
 * a warning, or another negative errno.
 */
int dev_works(void)
{
	return check_picture() ?: check_exec();
}

/*
 * dev_parameter - a number that a long run is told on the kernel's command line
 * @name: of the parameter, which is a word of it: NAME=VALUE
 * @value: when it is not there
 */
unsigned long dev_parameter(const char *name, unsigned long value)
{
	char line[4096] = "", *word, *save;
	FILE *f = fopen("/proc/cmdline", "re");

	if (!f)
		return value;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	for (word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		size_t len = strlen(name);

		if (!strncmp(word, name, len) && word[len] == '=')
			value = strtoul(word + len + 1, NULL, 0);
	}
	return value;
}
