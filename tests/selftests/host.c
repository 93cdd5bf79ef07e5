// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "slow.h"

#define AGENT_PORT	"/dev/ttyS1"
#define ANSWER_MS	(30000 * slow())
#define BLOCK		4096

static int agent = -1;
static int scratch = -1;

/* --- the two channels --- */

static int open_port(void)
{
	struct termios tio;
	int fd = open(AGENT_PORT, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &tio)) {
		close(fd);
		return -ENOTTY;
	}
	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	tio.c_cflag |= CLOCAL;
	tcsetattr(fd, TCSANOW, &tio);
	tcflush(fd, TCIOFLUSH);
	return fd;
}

static int open_scratch(void)
{
	int found = -ENODEV;
	glob_t g;

	if (glob("/sys/block/*/serial", 0, NULL, &g))
		return -ENODEV;

	for (size_t i = 0; i < g.gl_pathc && found < 0; i++) {
		char serial[32] = "", name[64], path[80];
		FILE *f = fopen(g.gl_pathv[i], "r");

		if (!f)
			continue;
		if (fgets(serial, sizeof(serial), f) &&
		    !strncmp(serial, "scratch", 7) &&
		    sscanf(g.gl_pathv[i], "/sys/block/%63[^/]", name) == 1) {
			snprintf(path, sizeof(path), "/dev/%s", name);
			found = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
		}
		fclose(f);
	}
	globfree(&g);
	return found;
}

static int read_line(char *line, size_t size, int timeout_ms)
{
	uint64_t end = kms_now_ns() + timeout_ms * 1000000ULL;
	struct pollfd p = { .fd = agent, .events = POLLIN };
	size_t len = 0;

	for (;;) {
		uint64_t now = kms_now_ns();

		if (now >= end || poll(&p, 1, (end - now) / 1000000 + 1) <= 0)
			return -ETIME;
		if (read(agent, line + len, 1) != 1)
			return -EIO;
		if (line[len] == '\n')
			break;
		if (line[len] != '\r' && len < size - 2)
			len++;
	}
	line[len] = 0;
	return 0;
}

/* Sends one request; what follows "ok" is left in @answer. */
static int ask(const char *request, char *answer, size_t size, int timeout_ms)
{
	char line[4096];
	size_t len = snprintf(line, sizeof(line), "%s\n", request);
	int ret;

	if (write(agent, line, len) != (ssize_t)len)
		return -EIO;
	ret = read_line(line, sizeof(line), timeout_ms);
	if (ret)
		return ret;
	if (strncmp(line, "ok", 2)) {
		fprintf(stderr, "# host: %s: %s\n", request, line);
		return -EREMOTEIO;
	}
	if (answer)
		snprintf(answer, size, "%.*s", (int)size - 1, line + 2);
	return 0;
}

/* Is this the lab, where somebody should answer? */
bool host_expected(void)
{
	if (scratch < 0)
		scratch = open_scratch();
	return scratch >= 0;
}

/*
 * host_missing - is there nobody to ask?
 *
 * Returns: the reason for a SKIP, or NULL when the host answers.
 */
const char *host_missing(void)
{
	if (!host_expected())
		return "no disk with the serial number 'scratch'";
	if (agent >= 0)
		return NULL;

	agent = open_port();
	if (agent < 0)
		return "no host agent: " AGENT_PORT " does not open";
	if (ask("mark", NULL, 0, ANSWER_MS)) {
		close(agent);
		agent = -1;
		return "no host agent answers on " AGENT_PORT;
	}
	return NULL;
}

/* Reads @len bytes at @offset of the scratch disk; the caller frees them. */
static void *fetch(uint64_t offset, uint64_t len)
{
	uint64_t first = offset / BLOCK * BLOCK;
	uint64_t size = (offset + len - first + BLOCK - 1) / BLOCK * BLOCK;
	char *data = NULL;
	void *buf;

	if (posix_memalign(&buf, BLOCK, size ?: BLOCK))
		return NULL;

	for (uint64_t done = 0; done < size;) {
		ssize_t n = pread(scratch, (char *)buf + done, size - done,
				  first + done);

		if (n <= 0) {
			/* the last block of the data may be a short one */
			if (first + done >= offset + len)
				break;
			goto out;
		}
		done += n;
	}
	data = malloc(len + 1);
	if (data) {
		memcpy(data, (char *)buf + (offset - first), len);
		data[len] = 0;
	}
out:
	free(buf);
	return data;
}

/* --- requests --- */

int host_qmp(const char *json)
{
	char request[2048];

	snprintf(request, sizeof(request), "qmp %s", json);
	return ask(request, NULL, 0, ANSWER_MS);
}

#define SNAPSHOT_MS	150000

/*
 * host_snapshot - the host keeps the guest as it is now
 * @restored: set when this is the guest after host_restore(), which goes on from
 *	      here
 */
int host_snapshot(bool *restored)
{
	char answer[32];
	int ret = ask("snapshot", answer, sizeof(answer), SNAPSHOT_MS);

	*restored = !ret && strstr(answer, "restored");
	return ret;
}

/* Does not return, unless it fails: host_snapshot() does, again. */
int host_restore(void)
{
	return ask("restore", NULL, 0, SNAPSHOT_MS) ?: -EIO;
}

int host_mark(void)
{
	return ask("mark", NULL, 0, ANSWER_MS);
}

int host_resize(unsigned int head, unsigned int width, unsigned int height)
{
	char request[64];

	snprintf(request, sizeof(request), "resize %u %u %u", head, width,
		 height);
	return ask(request, NULL, 0, ANSWER_MS);
}

/* A request whose answer is a number of lines; they are fetched to @lines. */
static int ask_lines(const char *request, char **lines)
{
	uint64_t offset, len;
	char answer[128];
	int n, ret;

	ret = ask(request, answer, sizeof(answer), ANSWER_MS);
	if (ret)
		return ret;
	if (sscanf(answer, "%d %" SCNu64 " %" SCNu64, &n, &offset, &len) != 3)
		return -EPROTO;
	if (lines) {
		*lines = fetch(offset, len);
		if (!*lines)
			return -EIO;
	}
	return n;
}

/*
 * host_trace - lines of the device's trace since the mark
 * @pattern: regular expression
 * @lines: when not NULL, set to the lines, which the caller frees
 *
 * Returns: the number of lines that match, or a negative errno.
 */
int host_trace(const char *pattern, char **lines)
{
	char request[256];

	snprintf(request, sizeof(request), "trace %s", pattern);
	return ask_lines(request, lines);
}

/* Is the GPU the scripted one (tests/device)? */
bool host_scripted(void)
{
	static int scripted = -1;

	if (scripted < 0)
		scripted = !ask("dev stats", NULL, 0, ANSWER_MS);
	return scripted;
}

/*
 * host_device - a request of the scripted GPU: see 'virtgpu-device --help'
 * @answer: when not NULL, what follows "ok" and a space
 *
 * Returns: 0, -EREMOTEIO when the device refused it, or another negative errno.
 */
int host_device(char *answer, size_t size, const char *fmt, ...)
{
	char request[512] = "dev ", said[512] = "";
	va_list args;
	int ret;

	va_start(args, fmt);
	vsnprintf(request + 4, sizeof(request) - 4, fmt, args);
	va_end(args);
	ret = ask(request, said, sizeof(said), ANSWER_MS);
	if (answer)
		snprintf(answer, size, "%s", said[0] ? said + 1 : said);
	return ret;
}

/* Takes the scripted GPU out of its slot. */
int host_unplug(void)
{
	return ask("unplug", NULL, 0, 3 * ANSWER_MS);
}

/* Puts it in again: @features as in 'virtgpu-device --help', then PROPERTY=VALUE ... */
int host_plug(const char *features)
{
	char request[128];

	snprintf(request, sizeof(request), "plug %s", features);
	return ask(request, NULL, 0, ANSWER_MS);
}

/* As host_trace(), of the scripted GPU's own log of JSON objects. */
int host_device_log(const char *pattern, char **lines)
{
	char request[512];

	snprintf(request, sizeof(request), "devlog %s", pattern);
	return ask_lines(request, lines);
}

int host_shot(unsigned int head, struct picture *pic)
{
	char request[32], answer[128];
	uint64_t offset, len;
	int ret;

	memset(pic, 0, sizeof(*pic));
	snprintf(request, sizeof(request), "shot %u", head);
	ret = ask(request, answer, sizeof(answer), ANSWER_MS);
	if (ret)
		return ret;
	if (sscanf(answer, "%u %u %" SCNu64 " %" SCNu64, &pic->width,
		   &pic->height, &offset, &len) != 4 ||
	    len != (uint64_t)pic->width * pic->height * 4)
		return -EPROTO;

	pic->rgb = fetch(offset, len);
	return pic->rgb ? 0 : -EIO;
}

int host_get_cursor(unsigned int head, struct host_cursor *c)
{
	char request[32], answer[128];
	uint64_t offset, len;
	int ret;

	memset(c, 0, sizeof(*c));
	snprintf(request, sizeof(request), "cursor %u", head);
	ret = ask(request, answer, sizeof(answer), ANSWER_MS);
	if (ret)
		return ret;
	if (sscanf(answer, "%u %u %u %u %" SCNu64 " %" SCNu64, &c->width,
		   &c->height, &c->hot_x, &c->hot_y, &offset, &len) != 6 ||
	    len != (uint64_t)c->width * c->height * 4)
		return -EPROTO;

	c->argb = fetch(offset, len);
	return c->argb ? 0 : -EIO;
}

/* --- pictures --- */

void picture_free(struct picture *pic)
{
	free(pic->rgb);
	memset(pic, 0, sizeof(*pic));
}

/* Copies a rectangle of the framebuffer to the same place of the picture. */
void picture_blit(struct picture *pic, const struct kms_fb *fb, uint32_t x,
		  uint32_t y, uint32_t width, uint32_t height)
{
	for (uint32_t j = y; j < y + height; j++)
		kms_fb_get_row(fb, x, j, width, pic->rgb + j * pic->width + x);
}

/* A picture of one rectangle of the framebuffer. */
int picture_crop(struct picture *pic, const struct kms_fb *fb, uint32_t x,
		 uint32_t y, uint32_t width, uint32_t height)
{
	pic->width = width;
	pic->height = height;
	pic->rgb = malloc((size_t)width * height * 4);
	if (!pic->rgb)
		return -ENOMEM;

	for (uint32_t j = 0; j < height; j++)
		kms_fb_get_row(fb, x, y + j, width, pic->rgb + j * width);
	return 0;
}

int picture_of_fb(struct picture *pic, const struct kms_fb *fb)
{
	return picture_crop(pic, fb, 0, 0, fb->width, fb->height);
}

/*
 * picture_diff - compare pixel by pixel
 *
 * Returns: the number of pixels that differ, -ERANGE when the sizes do.
 */
long picture_diff(const struct picture *want, const struct picture *seen)
{
	long bad = 0;

	if (want->width != seen->width || want->height != seen->height) {
		fprintf(stderr, "# picture: want %ux%u, host shows %ux%u\n",
			want->width, want->height, seen->width, seen->height);
		return -ERANGE;
	}
	for (uint32_t i = 0; i < want->width * want->height; i++) {
		if (want->rgb[i] == seen->rgb[i])
			continue;
		if (!bad++)
			fprintf(stderr,
				"# picture: first at %u,%u: want %06x, host shows %06x\n",
				i % want->width, i / want->width, want->rgb[i],
				seen->rgb[i]);
	}
	return bad;
}

/* Differences between the host's screen and @want, or a negative errno. */
long host_diff(unsigned int head, const struct picture *want)
{
	struct picture seen;
	long bad = host_shot(head, &seen);

	if (!bad)
		bad = picture_diff(want, &seen);
	picture_free(&seen);
	return bad;
}

long host_diff_fb(unsigned int head, const struct kms_fb *fb)
{
	struct picture want;
	long bad = picture_of_fb(&want, fb);

	if (!bad)
		bad = host_diff(head, &want);
	picture_free(&want);
	return bad;
}

/* For what is shown in the background: looks until it is there. */
long host_diff_fb_soon(unsigned int head, const struct kms_fb *fb,
		       int timeout_ms)
{
	uint64_t end = kms_now_ns() + timeout_ms * 1000000ULL;
	long bad;

	while ((bad = host_diff_fb(head, fb)) && kms_now_ns() < end)
		usleep(100000);
	return bad;
}
