/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What a test asks of the host: the screen as the device shows it, the cursor
 * as a remote viewer got it, a new display size, the device's trace.
 *
 * The lab's runner answers on the second serial port, one line a request;
 * bulk data comes on a raw disk with the serial number "scratch". Outside the
 * lab nobody answers, and the tests that need it are skipped.
 */
#ifndef TESTS_HOST_H
#define TESTS_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "kms.h"

/**
 * struct picture - 0xRRGGBB words, rows without gaps
 */
struct picture {
	uint32_t width;
	uint32_t height;
	uint32_t *rgb;
};

/**
 * struct host_cursor - the cursor of a remote viewer, 0xAARRGGBB words
 *
 * All zero when the cursor is hidden.
 */
struct host_cursor {
	uint32_t width;
	uint32_t height;
	uint32_t hot_x;
	uint32_t hot_y;
	uint32_t *argb;
};

const char *host_missing(void);
bool host_expected(void);

int host_shot(unsigned int head, struct picture *pic);
int host_resize(unsigned int head, unsigned int width, unsigned int height);
int host_get_cursor(unsigned int head, struct host_cursor *cursor);
int host_mark(void);
int host_trace(const char *pattern, char **lines);
int host_qmp(const char *json);
int host_snapshot(bool *restored);
int host_restore(void);

bool host_scripted(void);
int host_device(char *answer, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int host_device_log(const char *pattern, char **lines);
int host_unplug(void);
int host_plug(const char *features);

int picture_of_fb(struct picture *pic, const struct kms_fb *fb);
int picture_crop(struct picture *pic, const struct kms_fb *fb, uint32_t x,
		 uint32_t y, uint32_t width, uint32_t height);
void picture_blit(struct picture *pic, const struct kms_fb *fb, uint32_t x,
		  uint32_t y, uint32_t width, uint32_t height);
long picture_diff(const struct picture *want, const struct picture *seen);
void picture_free(struct picture *pic);

long host_diff(unsigned int head, const struct picture *want);
long host_diff_fb(unsigned int head, const struct kms_fb *fb);
long host_diff_fb_soon(unsigned int head, const struct kms_fb *fb,
		       int timeout_ms);

/*
 * Leaves the test as skipped where the GPU is not the scripted one.
 */
#define NEED_DEVICE() do {						\
	NEED_HOST();							\
	if (!host_scripted())						\
		SKIP(return, "the GPU is not the scripted one");	\
} while (0)

/*
 * Leaves the test as skipped where there is no host to ask. In the lab, which
 * is known by its disk, a host that does not answer is a failure.
 */
#define NEED_HOST() do {						\
	const char *__why = host_missing();				\
									\
	if (__why && host_expected()) {					\
		ASSERT_STREQ("", __why);				\
	}								\
	if (__why)							\
		SKIP(return, "%s", __why);				\
} while (0)

#endif
