// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "fuzz.h"
#include "gpu.h"

/**
 * struct rule - a fault to come
 * @type: of which commands, NULL for all
 * @left: commands until it is due: 1 for the next one
 * @every: every command; never done with
 */
struct rule {
	TAILQ_ENTRY(rule) link;
	const struct command_type *type;
	unsigned int left;
	bool every;
	struct fault fault;
};

static TAILQ_HEAD(, rule) rules = TAILQ_HEAD_INITIALIZER(rules);

static const char * const names[NUM_FAULT_ACTIONS] = {
	"none", "error", "late", "never", "short", "long", "type", "fence", "twice", "swap",
	"garbage", "disconnect", "die",
};

static unsigned int done[NUM_FAULT_ACTIONS];

const char *fault_name(enum fault_action action)
{
	return names[action];
}

static int parse_arg(struct fault *f, const char *arg)
{
	char *end;
	int64_t n;

	switch (f->action) {
	case FAULT_ERROR:
	case FAULT_TYPE:
		n = gpu_response_number(arg);
		break;
	case FAULT_LATE:
	case FAULT_SHORT:
	case FAULT_GARBAGE:
		n = strtol(arg, &end, 10);
		if (*end)
			n = -1;
		break;
	default:
		n = *arg ? -1 : 0;
		break;
	}
	f->arg = n;
	return n < 0 ? -EINVAL : 0;
}

/* @nth: 1 is the next one, 0 every one. Returns 0 or a negative errno. */
int fault_add(const char *type, unsigned int nth, const char *action, const char *arg)
{
	struct rule *rule, r = { .left = nth, .every = !nth };

	for (unsigned int i = 1; i < NUM_FAULT_ACTIONS; i++)
		if (!strcmp(names[i], action))
			r.fault.action = i;
	if (strcmp(type, "any")) {
		r.type = gpu_command_type(type);
		if (!r.type)
			return -EINVAL;
	}
	if (!r.fault.action || parse_arg(&r.fault, arg))
		return -EINVAL;

	rule = malloc(sizeof(*rule));
	if (!rule)
		return -ENOMEM;
	*rule = r;
	TAILQ_INSERT_TAIL(&rules, rule, link);
	return 0;
}

void fault_clear(void)
{
	struct rule *rule;

	while ((rule = TAILQ_FIRST(&rules))) {
		TAILQ_REMOVE(&rules, rule, link);
		free(rule);
	}
}

/* The first rule that wants something of this command has its way. */
static struct fault take_rule(const struct command_type *type)
{
	struct fault f = {};
	struct rule *rule, *next;

	for (rule = TAILQ_FIRST(&rules); rule; rule = next) {
		next = TAILQ_NEXT(rule, link);
		if (rule->type && rule->type != type)
			continue;
		if (!rule->every && --rule->left)
			continue;
		if (!f.action)
			f = rule->fault;
		if (!rule->every) {
			TAILQ_REMOVE(&rules, rule, link);
			free(rule);
		}
	}
	return f;
}

/* What is to be done to this command. */
struct fault fault_take(const struct command_type *type)
{
	struct fault f = take_rule(type);

	if (!f.action)
		f = fuzz_fault(type);
	done[f.action]++;
	return f;
}

/* Forgets how many faults there were. */
void fault_mark(void)
{
	memset(done, 0, sizeof(done));
}

/* Rules that wait for their command, and faults since the mark. */
void fault_report(struct text *t)
{
	unsigned int waiting = 0;
	struct rule *rule;

	TAILQ_FOREACH(rule, &rules, link)
		waiting += !rule->every;
	text_add(t, "waiting=%u", waiting);
	for (unsigned int i = 0; i < NUM_FAULT_ACTIONS; i++)
		text_add(t, " %s=%u", names[i], done[i]);
}

/* Bytes that depend on @seed alone (xorshift). */
void fault_garbage(uint32_t seed, uint8_t *to, size_t size)
{
	uint32_t x = seed * 2654435761u + 1;

	while (size--) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		*to++ = x;
	}
}
