// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "gpu.h"
#include "resource.h"
#include "vhost_user.h"

struct config_space {
	uint32_t events_read;
	uint32_t events_clear;
	uint32_t num_scanouts;
	uint32_t num_capsets;
	uint32_t blob_alignment;
};

static const struct {
	const char *name;
	unsigned int bit;
} feature_names[] = {
	{ "virgl", VIRTIO_GPU_F_VIRGL },
	{ "edid", VIRTIO_GPU_F_EDID },
	{ "uuid", VIRTIO_GPU_F_RESOURCE_UUID },
	{ "blob", VIRTIO_GPU_F_RESOURCE_BLOB },
	{ "context_init", VIRTIO_GPU_F_CONTEXT_INIT },
	{ "blob_alignment", VIRTIO_GPU_F_BLOB_ALIGNMENT },
};

static const char * const field_names[] = {
	"events_read", "events_clear", "num_scanouts", "num_capsets", "blob_alignment",
};

#define NUM_FIELDS	(sizeof(field_names) / sizeof(field_names[0]))
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static uint32_t events;
static uint64_t accepted;
static bool overridden[NUM_FIELDS];
static uint32_t override[NUM_FIELDS];

static int feature_bit(const char *name, size_t len)
{
	for (size_t i = 0; i < COUNT(feature_names); i++)
		if (strlen(feature_names[i].name) == len &&
		    !memcmp(feature_names[i].name, name, len))
			return feature_names[i].bit;
	return -EINVAL;
}

/* "virgl,edid", "all" or "none"; offered from the next connection on. */
int config_parse_features(const char *list)
{
	uint64_t features = 0;

	if (!strcmp(list, "all")) {
		gpu_options.features = (1 << COUNT(feature_names)) - 1;
		return 0;
	}
	while (*list && strcmp(list, "none")) {
		size_t len = strcspn(list, ",");
		int bit = feature_bit(list, len);

		if (bit < 0)
			return bit;
		features |= 1ULL << bit;
		list += len + (list[len] == ',');
	}
	gpu_options.features = features;
	return 0;
}

uint64_t config_features(void)
{
	return gpu_options.features;
}

void config_accept(uint64_t features)
{
	accepted = features;
	window_clear();
	log_line("\"features\":%llu", (unsigned long long)features);
}

uint64_t config_accepted_features(void)
{
	return accepted;
}

size_t config_read(uint8_t *to, size_t size)
{
	uint32_t space[NUM_FIELDS] = {
		events, 0, gpu_options.outputs, gpu_options.num_capsets,
		gpu_options.blob_alignment,
	};

	for (size_t i = 0; i < NUM_FIELDS; i++)
		space[i] = htole32(overridden[i] ? override[i] : space[i]);
	if (size > sizeof(space))
		size = sizeof(space);
	memcpy(to, space, size);
	return size;
}

/*
 * The only field that a driver writes is the one that clears events. QEMU passes
 * on the whole space, whatever was written.
 */
void config_write(size_t offset, const uint8_t *from, size_t size)
{
	const size_t at = offsetof(struct config_space, events_clear);
	uint32_t clear;

	if (offset + size > sizeof(struct config_space) || offset > at ||
	    offset + size < at + sizeof(clear)) {
		violation("write of %zu bytes at %zu of the configuration space", size, offset);
		return;
	}
	memcpy(&clear, from + at - offset, sizeof(clear));
	events &= ~le32toh(clear);
}

/* Nonsense in a field from now on, the truth with @value NULL. */
int config_set(const char *field, const uint32_t *value)
{
	for (size_t i = 0; i < NUM_FIELDS; i++) {
		if (strcmp(field_names[i], field))
			continue;
		overridden[i] = value;
		override[i] = value ? *value : 0;
		return 0;
	}
	return -EINVAL;
}

/* No nonsense any more. */
void config_tell_truth(void)
{
	memset(overridden, 0, sizeof(overridden));
}

void config_event(void)
{
	events |= VIRTIO_GPU_EVENT_DISPLAY;
	vhost_config_changed();
}
