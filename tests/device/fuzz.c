// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "fuzz.h"

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "display.h"
#include "edid.h"
#include "gpu.h"
#include "vhost_user.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* Of so many faults one is a change of the device itself. */
#define FAULTS_A_CHANGE	8

/* Milliseconds: those of the last row are longer than a driver under test waits. */
static const struct {
	unsigned int weight;
	uint32_t from, to;
} delays[] = {
	{ 800, 0, 0 },
	{ 190, 1, 60 },
	{ 10, 1500, 4000 },
};

static const struct {
	unsigned int weight;
	enum fault_action action;
} actions[] = {
	{ 300, FAULT_ERROR },
	{ 200, FAULT_LATE },
	{ 150, FAULT_SWAP },
	{ 120, FAULT_GARBAGE },
	{ 80, FAULT_TYPE },
	{ 70, FAULT_SHORT },
	{ 50, FAULT_LONG },
	{ 29, FAULT_FENCE },
	{ 1, FAULT_TWICE },
};

static const uint32_t codes[] = {
	VIRTIO_GPU_RESP_ERR_UNSPEC, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
	VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
	VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
	0x12ff,
};

/* None is the right one of any command but of those that are answered by it. */
static const uint32_t types[] = {
	0, VIRTIO_GPU_RESP_OK_DISPLAY_INFO, VIRTIO_GPU_RESP_OK_CAPSET_INFO, 0x11ff,
	VIRTIO_GPU_CMD_SUBMIT_3D, 0xffffffff,
};

static const struct {
	uint32_t width, height;
} sizes[] = {
	{ 640, 480 }, { 800, 600 }, { 1024, 768 }, { 1280, 800 }, { 0, 0 }, { 1, 1 },
	{ 1920, 1 }, { 16385, 16385 }, { UINT32_MAX, UINT32_MAX }, { 333, 77 },
};

enum change { CHANGE_DISPLAY, CHANGE_EDID, CHANGE_EVENT, CHANGE_CONFIG, CHANGE_STRAY, NUM_CHANGES };

static const char * const change_names[NUM_CHANGES] = {
	"display", "edid", "event", "config", "stray",
};

static const unsigned int change_weights[NUM_CHANGES] = { 400, 300, 200, 97, 3 };

static uint64_t seed;
static uint32_t rate;		/* faults in 1000 commands, 0: off */
static uint64_t commands;
static uint64_t state;		/* of the numbers for this command */
static unsigned int changes[NUM_CHANGES];

/* splitmix64 */
static uint64_t next(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint32_t below(uint32_t n)
{
	return (next() >> 32) * n >> 32;
}

/* The index of one of @n weights, which are @stride bytes apart. */
static unsigned int draw(const void *weights, size_t stride, unsigned int n)
{
	unsigned int sum = 0, i, x;

	for (i = 0; i < n; i++)
		sum += *(const unsigned int *)((const char *)weights + i * stride);
	x = below(sum);
	for (i = 0; i < n - 1; i++) {
		unsigned int weight = *(const unsigned int *)((const char *)weights + i * stride);

		if (x < weight)
			break;
		x -= weight;
	}
	return i;
}

#define DRAW(a)	draw(a, sizeof((a)[0]), COUNT(a))

static uint32_t delay(unsigned int row)
{
	return delays[row].from + below(delays[row].to - delays[row].from + 1);
}

/* @new_rate: of 1000 commands; 0 ends it, and the truth is told again. */
void fuzz_start(uint32_t new_seed, uint32_t new_rate)
{
	seed = new_seed;
	rate = new_rate;
	commands = 0;
	for (unsigned int i = 0; i < NUM_CHANGES; i++)
		changes[i] = 0;
	if (rate) {
		log_lies();
		return;
	}
	config_tell_truth();
	display_init();
	config_event();
}

static uint32_t argument(enum fault_action action, const struct command_type *type)
{
	switch (action) {
	case FAULT_ERROR:
		return codes[below(COUNT(codes))];
	case FAULT_TYPE:
		return types[below(COUNT(types))];
	case FAULT_SHORT:
		return below(type->answer);
	case FAULT_LATE:
		/* the first row is no delay */
		return delay(1 + !below(20));
	case FAULT_GARBAGE:
		return next();
	default:
		return 0;
	}
}

/* What is to be done to the next command. */
struct fault fuzz_fault(const struct command_type *type)
{
	struct fault f = {};

	if (!rate)
		return f;
	state = seed * 0xd1342543de82ef95 + ++commands;
	if (below(1000) >= rate)
		return f;
	f.action = actions[DRAW(actions)].action;
	f.arg = argument(f.action, type);
	f.delay_ms = delay(DRAW(delays));
	return f;
}

static void change_config(void)
{
	static const char * const fields[] = {
		"events_read", "num_scanouts", "num_capsets", "blob_alignment",
	};
	uint32_t value = next();

	config_set(fields[below(COUNT(fields))], &value);
	config_event();
}

/* Maybe something changes, after a command. */
void fuzz_change(void)
{
	uint32_t head = below(gpu_options.outputs), size = below(COUNT(sizes));
	unsigned int change;

	if (!rate || below(1000 * FAULTS_A_CHANGE) >= rate)
		return;
	change = DRAW(change_weights);
	changes[change]++;
	switch (change) {
	case CHANGE_DISPLAY:
		display_set(head, sizes[size].width, sizes[size].height, below(2) * next(),
			    below(2) * next());
		break;
	case CHANGE_EDID:
		display_set_edid(head, below(NUM_EDID_FAULTS));
		config_event();
		break;
	case CHANGE_EVENT:
		config_event();
		break;
	case CHANGE_CONFIG:
		change_config();
		break;
	case CHANGE_STRAY:
		/* of no descriptor that there is: to a right one the guest would not know */
		queue_push(&vhost_queues[below(NUM_QUEUES)], 32768 + below(32768), next(), 1);
		break;
	}
}

/* How often what was changed since the start. */
void fuzz_report(struct text *t)
{
	for (unsigned int i = 0; i < NUM_CHANGES; i++)
		text_add(t, " %s=%u", change_names[i], changes[i]);
}
