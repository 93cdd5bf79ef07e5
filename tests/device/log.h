/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the device tells: a log of JSON objects, one a line, in which each has a
 * number ("n") and the time in microseconds ("t_us"), and the violations, the
 * rules of the virtio specification that the guest broke.
 */
#ifndef DEVICE_LOG_H
#define DEVICE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/**
 * struct text - a string that grows up to its room, and is cut there
 */
struct text {
	char s[1536];
	size_t len;
};

void text_add(struct text *t, const char *fmt, ...) PRINTF(2, 3);
void text_string(struct text *t, const char *key, const char *value, size_t size);

uint64_t now_us(void);
int log_open(const char *path);
void log_line(const char *fmt, ...) PRINTF(1, 2);
void log_flush(void);
void log_quiet(bool quiet);

void log_lies(void);

void violation(const char *fmt, ...) PRINTF(1, 2);
unsigned int violations(const char **last);

#endif
