// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "display.h"
#include "edid.h"
#include "fuzz.h"
#include "gpu.h"
#include "resource.h"
#include "vhost_user.h"

const char control_help[] =
"Requests on the control socket, each answered by 'ok ...' or 'error ...':\n"
"  mark                    forget counts\n"
"  count TYPE              commands of a type since the mark: ok N\n"
"  stats                   since the mark: ok kicks=N commands=N entries=N bytes=N\n"
"  violations              rules broken since the start: ok N TEXT-OF-THE-LAST\n"
"  resources, backing      resources alive; pages behind them: ok N\n"
"  fault TYPE NTH ACTION [ARG]\n"
"                          do ACTION to the NTH next command of the type (0: to\n"
"                          every one; TYPE any: of all types)\n"
"                            error CODE    refuse it\n"
"                            late MS       answer it after that time\n"
"                            never         answer it at 'release'\n"
"                            swap          answer it after the next one\n"
"                            twice         answer it two times\n"
"                            short BYTES   use that many bytes of the answer\n"
"                            long          use more bytes than there is room for\n"
"                            type CODE     answer with another type\n"
"                            fence         answer with another fence\n"
"                            garbage SEED  answer with random bytes; the header is\n"
"                                          right where more follows it\n"
"                          CODE is a name (out_of_memory, ok_edid) or hexadecimal\n"
"                            disconnect    close the connection instead\n"
"                            die           end this process instead\n"
"  clear                   forget all faults\n"
"  faults                  ok waiting=N and how many of each kind were done since\n"
"                          the mark\n"
"  fuzz SEED RATE          faults and changes at random, to RATE of 1000 commands,\n"
"                          the same ones for the same seed; 0 ends it\n"
"  release                 answer what is held back\n"
"  display HEAD W H [X Y]  an output's size and place (0 0: not connected); event\n"
"  event                   an event without a change\n"
"  edid HEAD KIND          what is wrong with its EDID from now on: none, half,\n"
"                          checksum, empty, huge, extensions, extension, clock,\n"
"                          zeroes, ones or random\n"
"  answer QUEUE ID BYTES   an answer to nothing\n"
"  config FIELD [VALUE]    nonsense in the configuration space; none: the truth\n"
"  features LIST           offered from the next connection on\n"
"  map_info N              what resource_map_blob answers from now on\n"
"  disconnect              close the connection to the front end\n"
"  log on|off              off: nothing but violations\n"
"  shot HEAD FILE          what an output shows, as PPM\n"
"  cursor HEAD FILE        its cursor's 0xAARRGGBB words: ok W H HOTX HOTY X Y\n";

#define MAX_WORDS	8
#define LINE		1024

struct client {
	int fd;
	char line[LINE];
	size_t len;
};

static int listener = -1;
static struct client clients[CONTROL_CLIENTS];

/**
 * struct answer - what follows 'ok' or 'error'
 */
struct answer {
	char text[512];
};

/* ---- requests ------------------------------------------------------------ */

static int number(const char *word, uint32_t *to)
{
	char *end;
	unsigned long n = strtoul(word, &end, 0);

	*to = n;
	return *word && !*end && n <= UINT32_MAX ? 0 : -EINVAL;
}

#define SAY(a, ...) snprintf((a)->text, sizeof((a)->text), __VA_ARGS__)

static int do_mark(char **w, struct answer *a)
{
	(void)w;
	(void)a;
	gpu_mark();
	return 0;
}

static int do_count(char **w, struct answer *a)
{
	const struct command_type *type = gpu_command_type(w[0]);

	if (!type)
		return -EINVAL;
	SAY(a, "%u", gpu_count(type));
	return 0;
}

static int do_stats(char **w, struct answer *a)
{
	const struct gpu_stats *s = gpu_stats();

	(void)w;
	SAY(a, "kicks=%llu commands=%llu entries=%llu bytes=%llu",
	    (unsigned long long)s->kicks, (unsigned long long)s->commands,
	    (unsigned long long)s->entries, (unsigned long long)s->bytes);
	return 0;
}

static int do_violations(char **w, struct answer *a)
{
	const char *last;
	unsigned int n = violations(&last);

	(void)w;
	SAY(a, "%u %s", n, last);
	return 0;
}

static int do_resources(char **w, struct answer *a)
{
	(void)w;
	SAY(a, "%u", resource_count());
	return 0;
}

static int do_backing(char **w, struct answer *a)
{
	(void)w;
	SAY(a, "%llu", (unsigned long long)resource_backing_pages());
	return 0;
}

static int do_fault(char **w, struct answer *a)
{
	uint32_t nth;

	(void)a;
	return number(w[1], &nth) ? -EINVAL : fault_add(w[0], nth, w[2], w[3] ? w[3] : "");
}

static int do_clear(char **w, struct answer *a)
{
	(void)w;
	(void)a;
	fault_clear();
	return 0;
}

static int do_release(char **w, struct answer *a)
{
	(void)w;
	(void)a;
	gpu_release();
	return 0;
}

static int do_display(char **w, struct answer *a)
{
	uint32_t head, width, height, x = 0, y = 0;

	(void)a;
	if (number(w[0], &head) || number(w[1], &width) || number(w[2], &height) ||
	    (w[3] && (!w[4] || number(w[3], &x) || number(w[4], &y))))
		return -EINVAL;
	return display_set(head, width, height, x, y);
}

static int do_event(char **w, struct answer *a)
{
	(void)w;
	(void)a;
	config_event();
	return 0;
}

static int do_config(char **w, struct answer *a)
{
	uint32_t value;

	(void)a;
	if (w[1] && number(w[1], &value))
		return -EINVAL;
	return config_set(w[0], w[1] ? &value : NULL);
}

static int do_faults(char **w, struct answer *a)
{
	struct text t = {};

	(void)w;
	fault_report(&t);
	fuzz_report(&t);
	SAY(a, "%.*s", (int)sizeof(a->text) - 1, t.s);
	return 0;
}

static int do_fuzz(char **w, struct answer *a)
{
	uint32_t seed, rate;

	(void)a;
	if (number(w[0], &seed) || number(w[1], &rate))
		return -EINVAL;
	fuzz_start(seed, rate);
	return 0;
}

static int do_edid(char **w, struct answer *a)
{
	uint32_t head;
	int fault = edid_fault(w[1]);

	(void)a;
	return number(w[0], &head) || fault < 0 ? -EINVAL : display_set_edid(head, fault);
}

static int do_answer(char **w, struct answer *a)
{
	uint32_t queue, id, bytes;

	(void)a;
	if (number(w[0], &queue) || number(w[1], &id) || number(w[2], &bytes) ||
	    queue >= NUM_QUEUES)
		return -EINVAL;
	queue_push(&vhost_queues[queue], id, bytes, 1);
	queue_notify(&vhost_queues[queue]);
	return 0;
}

static int do_log(char **w, struct answer *a)
{
	(void)a;
	log_quiet(!strcmp(w[0], "off"));
	return 0;
}

static int do_features(char **w, struct answer *a)
{
	(void)a;
	return config_parse_features(w[0]);
}

static int do_map_info(char **w, struct answer *a)
{
	(void)a;
	return number(w[0], &gpu_options.map_info);
}

static int do_disconnect(char **w, struct answer *a)
{
	(void)w;
	(void)a;
	vhost_disconnect();
	return 0;
}

static int do_shot(char **w, struct answer *a)
{
	uint32_t head;

	(void)a;
	return number(w[0], &head) ? -EINVAL : display_shot(head, w[1]);
}

static int do_cursor(char **w, struct answer *a)
{
	uint32_t head;

	return number(w[0], &head) ? -EINVAL :
	       display_cursor(head, w[1], a->text, sizeof(a->text));
}

static const struct request {
	const char *name;
	unsigned int words;		/* at least */
	int (*run)(char **words, struct answer *a);
} requests[] = {
	{ "mark", 0, do_mark },
	{ "count", 1, do_count },
	{ "stats", 0, do_stats },
	{ "violations", 0, do_violations },
	{ "resources", 0, do_resources },
	{ "backing", 0, do_backing },
	{ "fault", 3, do_fault },
	{ "clear", 0, do_clear },
	{ "faults", 0, do_faults },
	{ "fuzz", 2, do_fuzz },
	{ "edid", 2, do_edid },
	{ "answer", 3, do_answer },
	{ "log", 1, do_log },
	{ "release", 0, do_release },
	{ "display", 3, do_display },
	{ "event", 0, do_event },
	{ "config", 1, do_config },
	{ "features", 1, do_features },
	{ "map_info", 1, do_map_info },
	{ "disconnect", 0, do_disconnect },
	{ "shot", 2, do_shot },
	{ "cursor", 2, do_cursor },
};

/* Does what a line asks; says in @a what comes of it. */
static int run(char *line, struct answer *a)
{
	char *words[MAX_WORDS + 1] = {}, *save;
	unsigned int n = 0;

	a->text[0] = 0;
	for (char *w = strtok_r(line, " \t\r", &save); w && n < MAX_WORDS;
	     w = strtok_r(NULL, " \t\r", &save))
		words[n++] = w;
	for (size_t i = 0; n && i < sizeof(requests) / sizeof(requests[0]); i++)
		if (!strcmp(requests[i].name, words[0]) && n > requests[i].words)
			return requests[i].run(words + 1, a);
	return -EINVAL;
}

/* ---- the socket ---------------------------------------------------------- */

int control_listen(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	unlink(path);
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		clients[i].fd = -1;
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (void *)&addr, sizeof(addr)) || listen(listener, 4))
		return -errno;
	return 0;
}

/* Fills in what is to be polled, CONTROL_CLIENTS + 1 at the most. */
unsigned int control_poll(struct pollfd *p)
{
	p[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		p[i + 1] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
	return CONTROL_CLIENTS + 1;
}

static void accept_client(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (unsigned int i = 0; fd >= 0 && i < CONTROL_CLIENTS; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i] = (struct client){ .fd = fd };
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void answer_line(struct client *c, char *line)
{
	struct answer a;
	int ret = run(line, &a);

	log_flush();
	if (ret)
		dprintf(c->fd, "error %s\n", strerror(-ret));
	else
		dprintf(c->fd, "ok%s%s\n", a.text[0] ? " " : "", a.text);
}

static void serve_client(struct client *c)
{
	ssize_t n = read(c->fd, c->line + c->len, sizeof(c->line) - c->len);
	char *end;

	if (n <= 0 || c->len + n == sizeof(c->line)) {
		close(c->fd);
		c->fd = -1;
		return;
	}
	c->len += n;
	while ((end = memchr(c->line, '\n', c->len))) {
		size_t used = end + 1 - c->line;

		*end = 0;
		answer_line(c, c->line);
		memmove(c->line, c->line + used, c->len - used);
		c->len -= used;
	}
}

void control_serve(const struct pollfd *p, unsigned int count)
{
	for (unsigned int i = 1; i < count; i++)
		if (p[i].revents && clients[i - 1].fd >= 0)
			serve_client(&clients[i - 1]);
	if (p[0].revents)
		accept_client();
}

/* Runs the lines of a file; returns the number of the first bad one, or 0. */
int control_script(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[LINE];
	struct answer a;
	int n = 0;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		n++;
		line[strcspn(line, "#\n")] = 0;
		if (line[strspn(line, " \t\r")] && run(line, &a)) {
			fclose(f);
			return n;
		}
	}
	fclose(f);
	return 0;
}
