// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "faults.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reset.h"

/* Returns: why there are no faults, or NULL. */
const char *faults_missing(void)
{
	return access(FAIL_NTH, W_OK) ? "the kernel has no " FAIL_NTH : NULL;
}

/*
 * Each allocation counts, also those that may wait; nothing is logged. Copies do
 * not: an ioctl whose last step fails, copying its answer, has done its work.
 */
int faults_setup(void)
{
	static const struct {
		const char *file;
		const char *value;
		bool optional;
	} settings[] = {
		{ "failslab/ignore-gfp-wait", "N", false },
		{ "failslab/verbose", "0", false },
		{ "fail_page_alloc/ignore-gfp-wait", "N", false },
		{ "fail_page_alloc/ignore-gfp-highmem", "N", false },
		{ "fail_page_alloc/min-order", "0", false },
		{ "fail_page_alloc/verbose", "0", false },
		{ "fail_usercopy/require-start", "1", true },
		{ "fail_usercopy/require-end", "2", true },
	};
	int ret = 0;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && !ret; i++) {
		char path[80];

		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i].file);
		if (!settings[i].optional || !access(path, W_OK))
			ret = write_file(path, settings[i].value);
	}
	return ret;
}

/* The @nth allocation of this thread from now on fails; @file is its FAIL_NTH. */
int faults_arm(int file, unsigned int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	return pwrite(file, text, strlen(text), 0) < 0 ? -errno : 0;
}

/*
 * Returns: whether the fault was met. Asking copies data, which is a place for
 * a fault as well: then it was not met before.
 */
bool faults_disarm(int file)
{
	char text[16] = "";
	ssize_t len = pread(file, text, sizeof(text) - 1, 0);
	bool met = len > 0 && !atoi(text);

	if (pwrite(file, "0", 1, 0) < 0 && pwrite(file, "0", 1, 0) < 0)
		return false;
	return met;
}

/* Where the driver's code is: from /proc/modules, which root may read. */
static int driver_text(unsigned long *start, unsigned long *end)
{
	unsigned long size;
	char line[256];
	int ret = -ENOENT;
	FILE *f = fopen("/proc/modules", "r");

	if (!f)
		return -errno;
	while (ret && fgets(line, sizeof(line), f))
		if (sscanf(line, "virtio_gpu %lu %*s %*s %*s %lx", &size, start) == 2)
			ret = 0;
	fclose(f);
	*end = *start + size;
	return ret;
}

/* Where a function of the kernel's own is: up to the symbol that follows. */
static int kernel_text(const char *function, unsigned long *start, unsigned long *end)
{
	unsigned long address;
	char name[128];
	FILE *f = fopen("/proc/kallsyms", "r");

	if (!f)
		return -errno;
	*start = 0;
	*end = 0;
	while (!*end && fscanf(f, "%lx %*c %127s%*[^\n]", &address, name) == 2) {
		if (!strcmp(name, function))
			*start = address;
		else if (*start && address > *start)
			*end = address;
	}
	fclose(f);
	return *end ? 0 : -ENOENT;
}

static int set_failslab(const char *setting, const char *format, unsigned long value)
{
	char path[80], text[32];

	snprintf(path, sizeof(path), "/sys/kernel/debug/failslab/%s", setting);
	snprintf(text, sizeof(text), format, value);
	return write_file(path, text);
}

/*
 * One allocation of the driver's fails, in whatever thread: each is the one with a
 * probability of @percent. 0 takes it back.
 *
 * Those for an interrupt's files in /proc are spared, as in virtgpu_spare: its
 * pause is one of fail-nth, which a probability does not heed.
 */
int faults_of_driver(unsigned int percent)
{
	unsigned long start = 0, end = -1UL, spared = 0, spared_end = 0;
	int ret = percent ? driver_text(&start, &end) ?:
			    kernel_text("register_irq_proc", &spared, &spared_end) : 0;

	return ret ?: set_failslab("probability", "%lu", 0) ?:
	       set_failslab("reject-start", "%#lx", spared) ?:
	       set_failslab("reject-end", "%#lx", spared_end) ?:
	       set_failslab("require-start", "%#lx", start) ?:
	       set_failslab("require-end", "%#lx", end) ?:
	       set_failslab("times", "%lu", 1) ?:
	       set_failslab("probability", "%lu", percent);
}

/* Has the one of faults_of_driver() failed? */
bool faults_met(void)
{
	FILE *f = fopen("/sys/kernel/debug/failslab/times", "r");
	int left = 1;

	if (!f)
		return false;
	if (fscanf(f, "%d", &left) != 1)
		left = 1;
	fclose(f);
	return !left;
}
