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

/* Where a function is, of the kernel or of a module: up to the symbol that follows. */
static int function_text(const char *function, unsigned long *start, unsigned long *end)
{
	unsigned long address, found = 0;
	char name[128];
	FILE *f = fopen("/proc/kallsyms", "r");

	if (!f)
		return -errno;
	while (!found && fscanf(f, "%lx %*c %127s%*[^\n]", &address, name) == 2)
		if (!strcmp(name, function))
			found = address;
	*start = found;
	*end = -1UL;
	/* a module's symbols are not in order */
	rewind(f);
	while (found && fscanf(f, "%lx %*c %127s%*[^\n]", &address, name) == 2)
		if (address > found && address < *end)
			*end = address;
	fclose(f);
	return found ? 0 : -ENOENT;
}

struct text {
	unsigned long start;
	unsigned long end;
};

static int set_fault(const char *attr, const char *setting, const char *format,
		     unsigned long value)
{
	char path[80], text[32];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", attr, setting);
	snprintf(text, sizeof(text), format, value);
	return write_file(path, text);
}

static int set_range(const char *attr, const struct text *in, const struct text *out)
{
	return set_fault(attr, "reject-start", "%#lx", out->start) ?:
	       set_fault(attr, "reject-end", "%#lx", out->end) ?:
	       set_fault(attr, "require-start", "%#lx", in->start) ?:
	       set_fault(attr, "require-end", "%#lx", in->end);
}

/*
 * @times allocations in @in, and not in @out, fail with a probability of @percent.
 * Those of pages only by fail-nth.
 */
static int set_faults(const struct text *in, const struct text *out, unsigned int percent,
		      int times)
{
	return set_fault("failslab", "probability", "%lu", 0) ?:
	       set_range("failslab", in, out) ?:
	       set_range("fail_page_alloc", in, out) ?:
	       set_fault("failslab", "times", "%ld", times) ?:
	       set_fault("failslab", "probability", "%lu", percent);
}

static const struct text everything = { .end = -1UL };
static const struct text nothing;

/*
 * One allocation of the driver's fails, in whatever thread: each is the one with a
 * probability of @percent. 0 takes it back.
 *
 * Those for an interrupt's files in /proc are spared, as in virtgpu_spare: its
 * pause is one of fail-nth, which a probability does not heed.
 */
int faults_of_driver(unsigned int percent)
{
	static struct text spared;
	struct text driver;
	int ret;

	if (!percent)
		return set_faults(&everything, &nothing, 0, 1);
	ret = driver_text(&driver.start, &driver.end);
	if (!ret && !spared.start)
		ret = function_text("register_irq_proc", &spared.start, &spared.end);
	return ret ?: set_faults(&driver, &spared, percent, 1);
}

/*
 * @times allocations in a function, and in all that it calls, fail in whatever
 * thread: each is one of them with a probability of @percent; -1 times: no end. With
 * 0 percent, only those fail that faults_arm() names, which count in it alone. NULL
 * takes it back.
 */
int faults_in(const char *function, unsigned int percent, int times)
{
	struct text text;
	int ret;

	if (!function)
		return set_faults(&everything, &nothing, 0, 1);
	ret = function_text(function, &text.start, &text.end);
	return ret ?: set_faults(&text, &nothing, percent, times);
}

/* How many allocations of those that were to fail have not failed, or -1 */
int faults_left(void)
{
	FILE *f = fopen("/sys/kernel/debug/failslab/times", "r");
	int left = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &left) != 1)
		left = -1;
	fclose(f);
	return left;
}

/* Has the one of faults_of_driver() failed? */
bool faults_met(void)
{
	return !faults_left();
}
