// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static FILE *file;
static bool quiet;
static bool lies;
static unsigned long lines;
static unsigned int broken;
static char last_broken[256];

static void text_vadd(struct text *t, const char *fmt, va_list args)
{
	size_t room = sizeof(t->s) - t->len;
	int n = vsnprintf(t->s + t->len, room, fmt, args);

	if (n < 0)
		return;
	t->len += (size_t)n < room ? (size_t)n : room - 1;
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	text_vadd(t, fmt, args);
	va_end(args);
}

/* ,"key":"value" as JSON wants it; @value ends at a zero or after @size bytes. */
void text_string(struct text *t, const char *key, const char *value, size_t size)
{
	text_add(t, ",\"%s\":\"", key);
	for (size_t i = 0; i < size && value[i]; i++) {
		unsigned char c = value[i];

		if (c < ' ' || c == '"' || c == '\\' || c > '~')
			text_add(t, "\\u%04x", c);
		else
			text_add(t, "%c", c);
	}
	text_add(t, "\"");
}

uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

int log_open(const char *path)
{
	file = fopen(path, "ae");
	return file ? 0 : -errno;
}

static void log_vline(const char *fmt, va_list args)
{
	fprintf(file, "{\"n\":%lu,\"t_us\":%" PRIu64 ",", ++lines, now_us());
	vfprintf(file, fmt, args);
	fputs("}\n", file);
}

/* Members of an object, without its braces; buffered until log_flush(). */
void log_line(const char *fmt, ...)
{
	va_list args;

	if (!file || quiet)
		return;
	va_start(args, fmt);
	log_vline(fmt, args);
	va_end(args);
}

/* Nothing but violations from now on: a long run is too long for a log. */
void log_quiet(bool on)
{
	quiet = on;
}

void log_flush(void)
{
	if (file)
		fflush(file);
}

/* From now on the guest does not know what there is: it cannot keep the rules. */
void log_lies(void)
{
	lies = true;
}

void violation(const char *fmt, ...)
{
	struct text t = {};
	va_list args;

	broken += !lies;
	va_start(args, fmt);
	vsnprintf(last_broken, sizeof(last_broken), fmt, args);
	va_end(args);

	text_string(&t, "violation", last_broken, sizeof(last_broken));
	if (file)
		fprintf(file, "{\"n\":%lu,\"t_us\":%" PRIu64 ",%s}\n", ++lines, now_us(), t.s + 1);
	fprintf(stderr, "%s: %s\n", lies ? "after a lie" : "violation", last_broken);
}

unsigned int violations(const char **last)
{
	*last = last_broken;
	return broken;
}
