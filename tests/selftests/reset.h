/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Resets of the device and sleep, for the tests of both.
 */
#ifndef TESTS_RESET_H
#define TESTS_RESET_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "kms.h"

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/*
 * Resets so far, from the driver's debugfs file, or a negative errno. @busy gets
 * whether another one is under way, or asked for.
 */
static inline int resets_so_far(int minor, bool *busy)
{
	char path[80], line[200];
	int n = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%d/virtgpu_queues", minor);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "resets: %d", &n) == 1)
			*busy = strstr(line, "under way");
	fclose(f);
	return n;
}

static inline int resets_done(int minor)
{
	bool busy;

	return resets_so_far(minor, &busy);
}

static inline int reset_request_minor(int minor)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%d/virtgpu_reset", minor);
	return write_file(path, "1\n");
}

/* Until the device was reset once more than @before times. */
static inline int reset_wait_after(int minor, int before)
{
	uint64_t end = kms_now_ns() + 2 * KMS_WAIT_MS * 1000000ULL;

	while (resets_done(minor) == before) {
		if (kms_now_ns() > end)
			return -ETIME;
		usleep(20000);
	}
	return 0;
}

/* Until none is under way. */
static inline int reset_wait_minor(int minor)
{
	uint64_t end = kms_now_ns() + 2 * KMS_WAIT_MS * 1000000ULL;
	bool busy;

	while (resets_so_far(minor, &busy) >= 0 && busy) {
		if (kms_now_ns() > end)
			return -ETIME;
		usleep(20000);
	}
	return 0;
}

static inline int reset_minor(int minor)
{
	int before = resets_done(minor);

	if (before < 0)
		return before;
	return reset_request_minor(minor) ?: reset_wait_after(minor, before) ?:
	       reset_wait_minor(minor);
}

static inline int reset_request(struct kms *k)
{
	return reset_request_minor(k->minor);
}

/* Returns when the device was reset. */
static inline int reset_device(struct kms *k)
{
	return reset_minor(k->minor);
}

/* Returns when no reset is under way: the last one asked for was done. */
static inline int reset_wait(struct kms *k)
{
	return reset_wait_minor(k->minor);
}

/* Is memory that was mapped a bus error for who touches it? */
static inline bool is_gone(const volatile char *memory)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(*memory & 0);
	return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGBUS;
}

#define CURSOR_SIZE	64

static inline int reset_show_cursor(struct kms *k, struct kms_output *o, struct kms_fb *fb)
{
	int ret = kms_fb_create(k, CURSOR_SIZE, CURSOR_SIZE, DRM_FORMAT_ARGB8888, fb);

	if (ret)
		return ret;
	for (int i = 0; i < CURSOR_SIZE * CURSOR_SIZE; i++)
		kms_fb_set(fb, i % CURSOR_SIZE, i / CURSOR_SIZE,
			   0xff000000 | (i * 2654435761u) >> 8);
	return -drmModeSetCursor(k->fd, o->crtc, fb->handle, CURSOR_SIZE, CURSOR_SIZE);
}

/* Does the host show this cursor, perhaps after a while? */
static inline bool reset_cursor_shown(unsigned int head, const struct kms_fb *fb)
{
	for (int i = 0; i < 50; i++, usleep(100000)) {
		struct host_cursor c;
		bool same = true;

		if (host_get_cursor(head, &c))
			return false;
		if (c.width != CURSOR_SIZE || c.height != CURSOR_SIZE)
			same = false;
		for (int p = 0; same && p < CURSOR_SIZE * CURSOR_SIZE; p++)
			same = c.argb[p] == (0xff000000 | kms_fb_get(fb, p % CURSOR_SIZE,
								     p / CURSOR_SIZE));
		free(c.argb);
		if (same)
			return true;
	}
	return false;
}

#define WAKE_SECONDS	4

static inline const char *sleep_missing(void)
{
	char states[80] = "";
	FILE *f = fopen("/sys/power/mem_sleep", "r");

	if (f) {
		if (!fgets(states, sizeof(states), f))
			states[0] = 0;
		fclose(f);
	}
	return strstr(states, "deep") ? NULL : "the machine has no suspend to memory";
}

/* Suspends to memory; the clock wakes the machine. */
static inline int sleep_a_while(void)
{
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "+%d\n", WAKE_SECONDS);
	return write_file("/sys/class/rtc/rtc0/wakealarm", "0\n") ?:
	       write_file("/sys/class/rtc/rtc0/wakealarm", seconds) ?:
	       write_file("/sys/power/mem_sleep", "deep\n") ?:
	       write_file("/sys/power/state", "mem\n");
}

#endif
