// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "display.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "edid.h"
#include "gpu.h"
#include "resource.h"

struct rect {
	uint32_t x, y, width, height;
};

/**
 * struct scanout - which bytes of a resource an output shows
 * @r: NULL for none
 * @width: of the picture in the resource, of which @rect is shown
 * @stride: bytes from row to row
 * @offset: of the picture's first byte
 */
struct scanout {
	struct resource *r;
	const struct format *format;
	uint32_t width, height;
	uint32_t stride, offset;
	struct rect rect;
};

/**
 * struct cursor - the cursor of an output
 * @resource: 0 when there is none
 */
struct cursor {
	uint32_t resource;
	int32_t x, y;
	uint32_t hot_x, hot_y;
	uint32_t argb[CURSOR_SIZE * CURSOR_SIZE];
};

/**
 * struct output - one of the device's
 * @place: what the guest is told of its size and place; no size: not connected
 * @edid: what is wrong with its EDID
 * @doubtful: the guest was told something wrong about what it shows (a fault)
 * @screen: 0xAARRGGBB words of the scan-out's rectangle, as last flushed
 */
struct output {
	struct rect place;
	enum edid_fault edid;
	struct scanout scanout;
	bool doubtful;
	uint32_t *screen;
	struct cursor cursor;
};

static struct output outputs[VIRTIO_GPU_MAX_SCANOUTS];

/* What the guest is told at the start: the first output is connected. */
void display_init(void)
{
	for (unsigned int i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
		outputs[i].place = (struct rect){};
		outputs[i].edid = EDID_RIGHT;
	}
	outputs[0].place = (struct rect){ 0, 0, 1280, 800 };
}

static void blank(struct output *o)
{
	o->doubtful = false;
	free(o->screen);
	o->screen = NULL;
	memset(&o->scanout, 0, sizeof(o->scanout));
}

void display_reset(void)
{
	for (unsigned int i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
		blank(&outputs[i]);
		memset(&outputs[i].cursor, 0, sizeof(outputs[i].cursor));
	}
}

/* The resource goes: allowed while it is shown, and worth a line in the log. */
void display_forget(struct resource *r)
{
	for (unsigned int i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
		if (outputs[i].scanout.r != r)
			continue;
		log_line("\"note\":\"resource %u goes while output %u shows it\"", r->id, i);
		blank(&outputs[i]);
	}
}

bool display_shows(const struct resource *r)
{
	for (unsigned int i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
		if (outputs[i].scanout.r == r && !outputs[i].doubtful)
			return true;
	}
	return false;
}

/* The guest cannot know what the output shows. */
void display_refused(uint32_t head)
{
	if (head < gpu_options.outputs)
		outputs[head].doubtful = true;
}

/* A new size, 0x0 for not connected; the guest is told. */
int display_set(uint32_t head, uint32_t width, uint32_t height, uint32_t x, uint32_t y)
{
	if (head >= gpu_options.outputs)
		return -EINVAL;
	outputs[head].place = (struct rect){ x, y, width, height };
	config_event();
	return 0;
}

/* Something is wrong with its EDID from now on; the guest is not told. */
int display_set_edid(uint32_t head, enum edid_fault fault)
{
	if (head >= gpu_options.outputs)
		return -EINVAL;
	outputs[head].edid = fault;
	return 0;
}

/* ---- what is shown ------------------------------------------------------- */

static bool inside(const struct rect *r, uint32_t width, uint32_t height)
{
	return r->width && r->height && r->x <= width && r->width <= width - r->x &&
	       r->y <= height && r->height <= height - r->y;
}

/* The part of @r that lies in @in; false when there is none. */
static bool clip(struct rect *r, const struct rect *in)
{
	uint32_t right = r->x + r->width, bottom = r->y + r->height;

	if (right > in->x + in->width)
		right = in->x + in->width;
	if (bottom > in->y + in->height)
		bottom = in->y + in->height;
	if (r->x < in->x)
		r->x = in->x;
	if (r->y < in->y)
		r->y = in->y;
	if (r->x >= right || r->y >= bottom)
		return false;
	r->width = right - r->x;
	r->height = bottom - r->y;
	return true;
}

/* Copies a rectangle of the picture to the screen; false when it is not there. */
static bool refresh(struct output *o, struct rect r)
{
	struct scanout *s = &o->scanout;
	uint8_t row[4 * 16384];

	if (!clip(&r, &s->rect))
		return true;
	for (uint32_t y = r.y; y < r.y + r.height; y++) {
		uint32_t *to = o->screen + (uint64_t)(y - s->rect.y) * s->rect.width +
			       r.x - s->rect.x;

		if (!resource_read(s->r, s->offset + (uint64_t)y * s->stride + 4ULL * r.x, row,
				   4ULL * r.width))
			return false;
		for (uint32_t x = 0; x < r.width; x++)
			to[x] = format_argb(s->format, row + 4 * x);
	}
	return true;
}

/* The output shows @s from now on: all of what is in the resource. */
static uint32_t show(struct output *o, const struct scanout *s)
{
	if (s->rect.width > 16384 || s->rect.height > 16384)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	blank(o);
	o->screen = calloc((size_t)s->rect.width * s->rect.height, sizeof(*o->screen));
	if (!o->screen)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	o->scanout = *s;
	return refresh(o, s->rect) ? VIRTIO_GPU_RESP_OK_NODATA : VIRTIO_GPU_RESP_ERR_UNSPEC;
}

static struct output *find_output(const struct command *c, uint32_t head)
{
	if (head < gpu_options.outputs)
		return &outputs[head];
	violation("%s: scan-out %u", c->type->name, head);
	return NULL;
}

static struct rect take_rect(const struct virtio_gpu_rect *r)
{
	return (struct rect){ le32toh(r->x), le32toh(r->y), le32toh(r->width),
			      le32toh(r->height) };
}

static uint32_t bad_rect(const struct command *c, const struct rect *r, uint32_t width,
			 uint32_t height)
{
	return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			      "%s: %ux%u at %u,%u of %ux%u", c->type->name, r->width, r->height,
			      r->x, r->y, width, height);
}

uint32_t run_set_scanout(struct command *c)
{
	const struct virtio_gpu_set_scanout *req = (void *)c->req;
	struct output *o = find_output(c, le32toh(req->scanout_id));
	struct scanout s = {
		.r = resource_find(le32toh(req->resource_id)), .rect = take_rect(&req->r),
	};

	if (!o)
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	if (!req->resource_id) {
		blank(o);
		return VIRTIO_GPU_RESP_OK_NODATA;
	}
	if (!s.r)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				      "set_scanout: no resource %u", le32toh(req->resource_id));
	s.format = format_find(s.r->format);
	s.width = s.r->width;
	s.height = s.r->height;
	s.stride = 4 * s.width;
	/* Which of what a program has made are pictures, the host alone knows. */
	if (s.r->kind == RESOURCE_3D && !s.format)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	if (s.r->kind == RESOURCE_BLOB || !s.format || s.r->size < (uint64_t)s.stride * s.height)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				      "set_scanout: resource %u is no picture", s.r->id);
	if (s.r->kind == RESOURCE_2D && !s.r->entries)
		return resource_no_backing(c, s.r);
	if (!inside(&s.rect, s.width, s.height))
		return bad_rect(c, &s.rect, s.width, s.height);
	return show(o, &s);
}

uint32_t run_set_scanout_blob(struct command *c)
{
	const struct virtio_gpu_set_scanout_blob *req = (void *)c->req;
	struct output *o = find_output(c, le32toh(req->scanout_id));
	uint32_t bad = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	struct scanout s = {
		.r = resource_find(le32toh(req->resource_id)), .rect = take_rect(&req->r),
		.format = format_find(le32toh(req->format)),
		.width = le32toh(req->width), .height = le32toh(req->height),
		.stride = le32toh(req->strides[0]), .offset = le32toh(req->offsets[0]),
	};

	if (!o)
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	if (!req->resource_id) {
		blank(o);
		return VIRTIO_GPU_RESP_OK_NODATA;
	}
	if (!s.r || s.r->kind != RESOURCE_BLOB)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				      "set_scanout_blob: no blob %u", le32toh(req->resource_id));
	if (s.r->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST && !s.r->entries)
		return resource_no_backing(c, s.r);
	for (unsigned int i = 1; i < 4; i++)
		if (req->strides[i] || req->offsets[i])
			return command_broken(bad, "set_scanout_blob: plane %u is not zero", i);
	if (!s.format)
		return command_broken(bad, "set_scanout_blob: format %u", le32toh(req->format));
	if (!inside(&s.rect, s.width, s.height))
		return bad_rect(c, &s.rect, s.width, s.height);
	if (s.stride < 4ULL * s.width ||
	    s.offset + (uint64_t)s.stride * (s.height - 1) + 4ULL * s.width > s.r->size)
		return command_broken(bad, "set_scanout_blob: %ux%u, stride %u, offset %u, in a blob of %"
				      PRIu64, s.width, s.height, s.stride, s.offset, s.r->size);
	return show(o, &s);
}

/* The size of what outputs show of a resource; a blob has none of its own. */
static void picture_size(const struct resource *r, uint32_t *width, uint32_t *height)
{
	*width = r->width;
	*height = r->height;
	if (r->kind != RESOURCE_BLOB)
		return;
	*width = *height = UINT32_MAX;
	for (unsigned int i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
		if (outputs[i].scanout.r != r)
			continue;
		*width = outputs[i].scanout.width;
		*height = outputs[i].scanout.height;
	}
}

uint32_t run_resource_flush(struct command *c)
{
	const struct virtio_gpu_resource_flush *req = (void *)c->req;
	struct resource *r = resource_find(le32toh(req->resource_id));
	struct rect rect = take_rect(&req->r);
	uint32_t width, height;

	if (!r)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				      "resource_flush: no resource %u", le32toh(req->resource_id));
	picture_size(r, &width, &height);
	if (!inside(&rect, width, height))
		return bad_rect(c, &rect, width, height);
	for (unsigned int i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++)
		if (outputs[i].scanout.r == r && !refresh(&outputs[i], rect))
			return VIRTIO_GPU_RESP_ERR_UNSPEC;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* ---- what the guest is told ---------------------------------------------- */

uint32_t run_get_display_info(struct command *c)
{
	struct virtio_gpu_resp_display_info *answer = command_answer(c, sizeof(*answer));

	for (unsigned int i = 0; i < gpu_options.outputs; i++) {
		const struct rect *place = &outputs[i].place;

		answer->pmodes[i].r.x = htole32(place->x);
		answer->pmodes[i].r.y = htole32(place->y);
		answer->pmodes[i].r.width = htole32(place->width);
		answer->pmodes[i].r.height = htole32(place->height);
		answer->pmodes[i].enabled = htole32(place->width && place->height);
	}
	return VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
}

uint32_t run_get_edid(struct command *c)
{
	const struct virtio_gpu_cmd_get_edid *req = (void *)c->req;
	struct virtio_gpu_resp_edid *answer;
	struct output *o = find_output(c, le32toh(req->scanout));

	if (!o)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	answer = command_answer(c, sizeof(*answer));
	edid_make(answer->edid, o->place.width, o->place.height);
	answer->size = htole32(edid_spoil(o->edid, answer->edid, sizeof(answer->edid)));
	return VIRTIO_GPU_RESP_OK_EDID;
}

/* ---- cursors ------------------------------------------------------------- */

static bool is_filled(const struct resource *r)
{
	for (unsigned int y = 0; y < CURSOR_SIZE; y++)
		if (~r->filled[y])
			return false;
	return true;
}

/* Takes the picture of a resource; false when it is none. */
static bool take_picture(struct cursor *cursor, struct resource *r)
{
	const struct format *f = format_find(r->format);
	uint8_t bytes[4 * CURSOR_SIZE * CURSOR_SIZE];

	if (r->kind == RESOURCE_BLOB) {
		/* it says nothing of its format: the usual one */
		f = format_find(VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM);
		if (r->size < sizeof(bytes)) {
			violation("update_cursor: blob %u is too small", r->id);
			return false;
		}
	} else if (r->width != CURSOR_SIZE || r->height != CURSOR_SIZE || !f) {
		violation("update_cursor: resource %u is %ux%u", r->id, r->width, r->height);
		return false;
	} else if (r->kind == RESOURCE_2D && !is_filled(r)) {
		/* what is in a 3D one is the program's business */
		violation("update_cursor: resource %u was not filled", r->id);
		return false;
	}
	if (r->transfers)
		violation("update_cursor: a transfer to resource %u is not answered", r->id);
	if (!resource_read(r, 0, bytes, sizeof(bytes)))
		return false;
	for (unsigned int i = 0; i < CURSOR_SIZE * CURSOR_SIZE; i++)
		cursor->argb[i] = format_argb(f, bytes + 4 * i);
	return true;
}

/* The queue of cursors has no answers: what is wrong is only a violation. */
uint32_t run_update_cursor(struct command *c)
{
	const struct virtio_gpu_update_cursor *req = (void *)c->req;
	struct output *o = find_output(c, le32toh(req->pos.scanout_id));
	uint32_t id = le32toh(req->resource_id);
	struct resource *r = resource_find(id);

	if (!o)
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	o->cursor.x = le32toh(req->pos.x);
	o->cursor.y = le32toh(req->pos.y);
	if (!id) {
		o->cursor.resource = 0;
		return VIRTIO_GPU_RESP_OK_NODATA;
	}
	if (!r)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				      "update_cursor: no resource %u", id);
	o->cursor.hot_x = le32toh(req->hot_x);
	o->cursor.hot_y = le32toh(req->hot_y);
	if (o->cursor.hot_x >= CURSOR_SIZE || o->cursor.hot_y >= CURSOR_SIZE)
		violation("update_cursor: hot spot %u,%u", o->cursor.hot_x, o->cursor.hot_y);
	if (!take_picture(&o->cursor, r))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	o->cursor.resource = id;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t run_move_cursor(struct command *c)
{
	const struct virtio_gpu_update_cursor *req = (void *)c->req;
	struct output *o = find_output(c, le32toh(req->pos.scanout_id));

	if (!o)
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	o->cursor.x = le32toh(req->pos.x);
	o->cursor.y = le32toh(req->pos.y);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* ---- what the host is told ----------------------------------------------- */

/* Writes what an output shows as a PPM; -ENODATA when it shows nothing. */
int display_shot(uint32_t head, const char *path)
{
	const struct output *o = &outputs[head];
	uint64_t pixels;
	FILE *f;

	if (head >= gpu_options.outputs)
		return -EINVAL;
	if (!o->screen)
		return -ENODATA;
	f = fopen(path, "we");
	if (!f)
		return -errno;
	fprintf(f, "P6\n%u %u\n255\n", o->scanout.rect.width, o->scanout.rect.height);
	pixels = (uint64_t)o->scanout.rect.width * o->scanout.rect.height;
	for (uint64_t i = 0; i < pixels; i++) {
		uint8_t rgb[3] = { o->screen[i] >> 16, o->screen[i] >> 8, o->screen[i] };

		fwrite(rgb, sizeof(rgb), 1, f);
	}
	return fclose(f) ? -EIO : 0;
}

/* Writes the cursor's words to a file; says in @answer what and where it is. */
int display_cursor(uint32_t head, const char *path, char *answer, size_t size)
{
	const struct cursor *cursor = &outputs[head].cursor;
	FILE *f;

	if (head >= gpu_options.outputs)
		return -EINVAL;
	f = fopen(path, "we");
	if (!f)
		return -errno;
	if (!cursor->resource) {
		snprintf(answer, size, "0 0 0 0 0 0");
		return fclose(f) ? -EIO : 0;
	}
	fwrite(cursor->argb, sizeof(cursor->argb), 1, f);
	snprintf(answer, size, "%u %u %u %u %d %d", CURSOR_SIZE, CURSOR_SIZE, cursor->hot_x,
		 cursor->hot_y, cursor->x, cursor->y);
	return fclose(f) ? -EIO : 0;
}
