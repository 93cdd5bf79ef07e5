// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "resource.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "context.h"
#include "display.h"
#include "gpu.h"
#include "memory.h"
#include "refused.h"
#include "vhost_user.h"

#define BUCKETS		1024
#define PAGE		4096
#define MAX_SIDE	16384
#define MAX_LEFT	4096

/* Gallium's, which classic 3D resources are described with */
#define TARGET_BUFFER	0
#define TARGET_2D	2

static LIST_HEAD(, resource) buckets[BUCKETS];

/* Host memory of all resources */
static uint64_t memory_used;

/* Mappings of resources that are no more */
static struct {
	uint64_t offset;
	uint64_t size;
} left[MAX_LEFT];
static unsigned int num_left;

/* ---- pixels -------------------------------------------------------------- */

static const struct format formats[] = {
	{ VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 2, 1, 0, 3 },
	{ VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 2, 1, 0, -1 },
	{ VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, 1, 2, 3, 0 },
	{ VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, 1, 2, 3, -1 },
	{ VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, 0, 1, 2, 3 },
	{ VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, 3, 2, 1, -1 },
	{ VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, 3, 2, 1, 0 },
	{ VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, 0, 1, 2, -1 },
};

const struct format *format_find(uint32_t number)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (formats[i].number == number)
			return &formats[i];
	return NULL;
}

uint32_t format_argb(const struct format *f, const uint8_t *pixel)
{
	uint32_t a = f->a < 0 ? 0xff : pixel[(int)f->a];

	return a << 24 | pixel[f->r] << 16 | pixel[f->g] << 8 | pixel[f->b];
}

/* ---- all resources ------------------------------------------------------- */

struct resource *resource_find(uint32_t id)
{
	struct resource *r;

	LIST_FOREACH(r, &buckets[id % BUCKETS], link)
		if (r->id == id)
			return r;
	return NULL;
}

/* It was not made; one whose end was refused before is no more. */
void resource_refused(uint32_t id)
{
	struct resource *r = resource_find(id);

	if (r && !r->doubtful)
		return;
	if (r)
		resource_free(r);
	refused_add(REFUSED_RESOURCE, id);
}

/* Its end was refused, or the guest thinks so. */
void resource_refused_end(uint32_t id)
{
	struct resource *r = resource_find(id);

	if (r)
		r->doubtful = true;
	else
		refused_add(REFUSED_RESOURCE, id);
}

void resource_refused_map(uint32_t id)
{
	struct resource *r = resource_find(id);

	if (r)
		r->refused_map = true;
}

void resource_refused_backing(uint32_t id)
{
	struct resource *r = resource_find(id);

	if (r)
		r->refused_backing = true;
}

/* It has none, which the guest cannot know yet that was refused one. */
uint32_t resource_no_backing(const struct command *c, const struct resource *r)
{
	if (!r->refused_backing)
		violation("%s: resource %u has no backing", c->type->name, r->id);
	return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
}

uint32_t resource_missing(const struct command *c, uint32_t id)
{
	if (!refused_has(REFUSED_RESOURCE, id))
		violation("%s: no resource %u", c->type->name, id);
	return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
}

/*
 * A mapping outlives its resource until the next driver comes: QEMU 11.1 does
 * not survive to be asked for its end while the device is being unplugged.
 */
static void window_leave(uint64_t offset, uint64_t size)
{
	if (num_left == MAX_LEFT) {
		log_line("\"error\":\"too many mappings were left behind\"");
		return;
	}
	left[num_left].offset = offset;
	left[num_left++].size = size;
}

void window_clear(void)
{
	for (unsigned int i = 0; i < num_left; i++)
		vhost_unmap(left[i].offset, left[i].size);
	num_left = 0;
}

void window_forget(void)
{
	num_left = 0;
}

static void free_host(struct resource *r)
{
	if (!r->host)
		return;
	memory_used -= r->size;
	if (r->memfd >= 0) {
		munmap(r->host, r->size);
		close(r->memfd);
	} else {
		free(r->host);
	}
}

void resource_free(struct resource *r)
{
	display_forget(r);
	context_forget(r->id);
	if (r->mapped)
		window_leave(r->map_offset, r->size);
	LIST_REMOVE(r, link);
	free_host(r);
	free(r->entries);
	free(r);
}

void resource_free_all(void)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		while (!LIST_EMPTY(&buckets[i]))
			resource_free(LIST_FIRST(&buckets[i]));
}

/* Those that the guest knows of: not the ones whose end was refused. */
unsigned int resource_count(void)
{
	unsigned int n = 0;
	struct resource *r;

	for (unsigned int i = 0; i < BUCKETS; i++)
		LIST_FOREACH(r, &buckets[i], link)
			n += !r->doubtful;
	return n;
}

uint64_t resource_backing_pages(void)
{
	uint64_t n = 0;
	struct resource *r;

	for (unsigned int i = 0; i < BUCKETS; i++)
		LIST_FOREACH(r, &buckets[i], link)
			n += (r->backing_size + PAGE - 1) / PAGE;
	return n;
}

/* ---- the backing --------------------------------------------------------- */

/* The entry in which a byte of the backing stands. */
static const struct entry *entry_at(const struct resource *r, uint64_t offset)
{
	uint32_t low = 0, high = r->num_entries;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (r->entries[middle].start <= offset)
			low = middle;
		else
			high = middle;
	}
	return &r->entries[low];
}

/* Guest memory at an offset of the backing, up to @len bytes in one piece. */
static uint8_t *backing_at(const struct resource *r, uint64_t offset, size_t *len)
{
	const struct entry *e = entry_at(r, offset);
	uint64_t inside = offset - e->start;
	void *at;

	if (*len > e->length - inside)
		*len = e->length - inside;
	at = memory_at(e->addr + inside, len);
	if (!at)
		violation("resource %u: entry 0x%llx of %u bytes is not guest memory", r->id,
			  (unsigned long long)e->addr, e->length);
	return at;
}

/* Copies between the backing and @data; the caller has checked the bounds. */
static bool backing_copy(const struct resource *r, uint64_t offset, uint8_t *data, size_t size,
			 bool to_guest)
{
	while (size) {
		size_t len = size;
		uint8_t *at = backing_at(r, offset, &len);

		if (!at)
			return false;
		if (to_guest)
			memcpy(at, data, len);
		else
			memcpy(data, at, len);
		offset += len;
		data += len;
		size -= len;
	}
	return true;
}

/*
 * resource_read - what an output shows of a resource
 * @offset: in the host's memory, or in the pages of a guest blob
 *
 * Returns: false when it is not there.
 */
bool resource_read(struct resource *r, uint64_t offset, void *to, size_t size)
{
	if (offset > r->size || size > r->size - offset)
		return false;
	if (r->host) {
		memcpy(to, r->host + offset, size);
		return true;
	}
	if (!r->entries) {
		if (!r->refused_backing)
			violation("resource %u is shown without a backing", r->id);
		return false;
	}
	return backing_copy(r, offset, to, size, false);
}

/* The entries of a request, checked; false when they cannot be used. */
static bool take_entries(struct command *c, struct resource *r, size_t header, uint32_t count)
{
	const struct virtio_gpu_mem_entry *from = (void *)(c->req + header);
	uint64_t end = 0;

	r->entries = calloc(count ? count : 1, sizeof(*r->entries));
	if (!r->entries)
		return false;
	r->refused_backing = false;
	for (uint32_t i = 0; i < count; i++) {
		struct entry *e = &r->entries[i];
		size_t len;

		e->addr = le64toh(from[i].addr);
		e->length = le32toh(from[i].length);
		e->start = r->backing_size;
		r->backing_size += e->length;
		r->num_entries++;
		len = e->length;
		if (from[i].padding)
			violation("%s: padding of entry %u is not zero", c->type->name, i);
		if (!len || !memory_at(e->addr, &len) || len < e->length) {
			violation("%s: entry %u, 0x%llx of %u bytes, is not guest memory",
				  c->type->name, i, (unsigned long long)e->addr, e->length);
			return false;
		}
		c->ranges += e->addr != end || !i;
		end = e->addr + e->length;
	}
	c->entries = count;
	return true;
}

static void drop_entries(struct resource *r)
{
	free(r->entries);
	r->entries = NULL;
	r->num_entries = 0;
	r->backing_size = 0;
}

/* Reads the @count entries behind the structure; returns a response. */
static uint32_t attach(struct command *c, struct resource *r, uint32_t count)
{
	uint64_t there = (c->size - c->type->size) / sizeof(struct virtio_gpu_mem_entry);
	uint32_t bad = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;

	if ((c->size - c->type->size) % sizeof(struct virtio_gpu_mem_entry) || there != count)
		return command_broken(bad, "%s: %u entries, %zu bytes of them", c->type->name,
				      count, c->size - c->type->size);
	if (count > MAX_ENTRIES)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	if (!take_entries(c, r, c->type->size, count)) {
		drop_entries(r);
		return bad;
	}
	if (r->kind == RESOURCE_BLOB && count && r->backing_size < r->size) {
		drop_entries(r);
		return command_broken(bad, "%s: entries of less than the blob's %llu bytes",
				      c->type->name, (unsigned long long)r->size);
	}
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* ---- creation ------------------------------------------------------------ */

static uint32_t no_resource(const struct command *c, uint32_t id)
{
	return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, "%s: no resource %u",
			      c->type->name, id);
}

/* A new resource in @to, or a response that says why there is none. */
static uint32_t create(const struct command *c, uint32_t id, enum resource_kind kind,
		       struct resource **to)
{
	struct resource *r = resource_find(id);

	if (!id)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				      "%s: resource id 0", c->type->name);
	if (r && !r->doubtful)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				      "%s: resource %u exists", c->type->name, id);
	if (r)
		resource_free(r);
	r = calloc(1, sizeof(*r));
	if (!r)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	r->id = id;
	r->kind = kind;
	r->memfd = -1;
	LIST_INSERT_HEAD(&buckets[id % BUCKETS], r, link);
	refused_remove(REFUSED_RESOURCE, id);
	*to = r;
	return 0;
}

/* Memory of the host's own, which may be none. */
static uint32_t give_host_memory(struct resource *r, uint64_t size)
{
	r->size = size;
	if (!size)
		return VIRTIO_GPU_RESP_OK_NODATA;
	if (size <= gpu_options.memory - memory_used)
		r->host = calloc(1, size);
	if (!r->host) {
		resource_free(r);
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	}
	memory_used += size;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t run_resource_create_2d(struct command *c)
{
	const struct virtio_gpu_resource_create_2d *req = (void *)c->req;
	uint32_t width = le32toh(req->width), height = le32toh(req->height), ret;
	struct resource *r;

	if (!format_find(le32toh(req->format)))
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				      "resource_create_2d: format %u", le32toh(req->format));
	if (!width || !height)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				      "resource_create_2d: %ux%u", width, height);
	if (width > MAX_SIDE || height > MAX_SIDE)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	ret = create(c, le32toh(req->resource_id), RESOURCE_2D, &r);
	if (ret)
		return ret;
	r->format = le32toh(req->format);
	r->width = width;
	r->height = height;
	return give_host_memory(r, 4ULL * width * height);
}

/* Of what a program asks for the simple things have content: the rest is taken. */
uint32_t run_resource_create_3d(struct command *c)
{
	const struct virtio_gpu_resource_create_3d *req = (void *)c->req;
	uint32_t width = le32toh(req->width), height = le32toh(req->height), ret;
	uint32_t target = le32toh(req->target);
	struct resource *r;

	if (width > 1U << 30 || (target == TARGET_2D && (width > MAX_SIDE || height > MAX_SIDE)))
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	ret = create(c, le32toh(req->resource_id), RESOURCE_3D, &r);
	if (ret)
		return ret;
	r->format = le32toh(req->format);
	r->width = width;
	r->height = height;
	if (target == TARGET_BUFFER)
		return give_host_memory(r, width);
	if (target == TARGET_2D && format_find(r->format))
		return give_host_memory(r, 4ULL * width * height);
	return give_host_memory(r, 0);
}

/* Rules for the arguments of a blob; returns a response if one is broken. */
static uint32_t check_blob(const struct command *c,
			   const struct virtio_gpu_resource_create_blob *req)
{
	uint32_t mem = le32toh(req->blob_mem), flags = le32toh(req->blob_flags);
	uint32_t bad = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	uint64_t size = le64toh(req->size);
	bool host = mem != VIRTIO_GPU_BLOB_MEM_GUEST;

	if (!mem || mem > VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST)
		return command_broken(bad, "resource_create_blob: blob_mem %u", mem);
	if (flags > (VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE | VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE |
		     VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE))
		return command_broken(bad, "resource_create_blob: blob_flags 0x%x", flags);
	if (!size)
		return command_broken(bad, "resource_create_blob: size 0");
	if (config_accepted_features() & 1ULL << VIRTIO_GPU_F_BLOB_ALIGNMENT &&
	    size % gpu_options.blob_alignment)
		return command_broken(bad, "resource_create_blob: size %llu is not aligned",
				      (unsigned long long)size);
	if (mem == VIRTIO_GPU_BLOB_MEM_HOST3D && req->nr_entries)
		return command_broken(bad, "resource_create_blob: entries of a host blob");
	if (mem != VIRTIO_GPU_BLOB_MEM_HOST3D && !req->nr_entries)
		return command_broken(bad, "resource_create_blob: no entries");
	if (host && !(config_accepted_features() & 1ULL << VIRTIO_GPU_F_VIRGL))
		return command_broken(bad, "resource_create_blob: blob_mem %u without 3D", mem);
	if (host && !context_exists(le32toh(command_header(c)->ctx_id)))
		return context_missing(c);
	return 0;
}

static bool make_memfd(struct resource *r)
{
	uint64_t size = r->size;
	void *map;

	if (size > gpu_options.memory - memory_used)
		return false;
	r->memfd = memfd_create("blob", MFD_CLOEXEC);
	if (r->memfd < 0)
		return false;
	map = MAP_FAILED;
	if (!ftruncate(r->memfd, size))
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->memfd, 0);
	if (map == MAP_FAILED) {
		close(r->memfd);
		r->memfd = -1;
		return false;
	}
	memory_used += size;
	r->host = map;
	return true;
}

uint32_t run_resource_create_blob(struct command *c)
{
	const struct virtio_gpu_resource_create_blob *req = (void *)c->req;
	uint32_t ret = check_blob(c, req);
	struct resource *r;

	if (!ret)
		ret = create(c, le32toh(req->resource_id), RESOURCE_BLOB, &r);
	if (ret)
		return ret;
	r->blob_mem = le32toh(req->blob_mem);
	r->blob_flags = le32toh(req->blob_flags);
	r->size = le64toh(req->size);
	ret = attach(c, r, le32toh(req->nr_entries));
	if (ret == VIRTIO_GPU_RESP_OK_NODATA && r->blob_mem != VIRTIO_GPU_BLOB_MEM_GUEST &&
	    !make_memfd(r))
		ret = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	if (ret != VIRTIO_GPU_RESP_OK_NODATA)
		resource_free(r);
	return ret;
}

uint32_t run_resource_unref(struct command *c)
{
	const struct virtio_gpu_resource_unref *req = (void *)c->req;
	struct resource *r = resource_find(le32toh(req->resource_id));

	if (!r)
		return no_resource(c, le32toh(req->resource_id));
	if (r->mapped)
		violation("resource_unref: resource %u is mapped", r->id);
	resource_free(r);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t run_attach_backing(struct command *c)
{
	const struct virtio_gpu_resource_attach_backing *req = (void *)c->req;
	uint32_t id = le32toh(req->resource_id);
	struct resource *r = resource_find(id);

	if (!r)
		return resource_missing(c, id);
	if (r->blob_mem == VIRTIO_GPU_BLOB_MEM_HOST3D)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				      "resource_attach_backing: resource %u is the host's", id);
	if (r->entries)
		return command_broken(VIRTIO_GPU_RESP_ERR_UNSPEC,
				      "resource_attach_backing: resource %u has one", id);
	if (!req->nr_entries)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				      "resource_attach_backing: no entries");
	return attach(c, r, le32toh(req->nr_entries));
}

/* Guest blobs have one from the start; it is changed as any other. */
uint32_t run_detach_backing(struct command *c)
{
	const struct virtio_gpu_resource_detach_backing *req = (void *)c->req;
	struct resource *r = resource_find(le32toh(req->resource_id));

	if (!r)
		return no_resource(c, le32toh(req->resource_id));
	if (!r->entries)
		return command_broken(VIRTIO_GPU_RESP_ERR_UNSPEC,
				      "resource_detach_backing: resource %u has none", r->id);
	if (r->kind == RESOURCE_BLOB && display_shows(r))
		violation("resource_detach_backing: blob %u is on a screen", r->id);
	drop_entries(r);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* ---- transfers ----------------------------------------------------------- */

struct area {
	uint32_t x, y, width, height;
	uint64_t offset;
	uint64_t stride;
};

static void note_filled(struct resource *r, const struct area *a)
{
	if (r->width != CURSOR_SIZE || r->height != CURSOR_SIZE)
		return;
	for (uint32_t y = a->y; y < a->y + a->height; y++)
		r->filled[y] |= (a->width == CURSOR_SIZE ? ~0ULL : (1ULL << a->width) - 1) << a->x;
}

/* Copies pixels of 4 bytes; the area lies inside the resource and the backing. */
static bool copy_area(struct command *c, struct resource *r, const struct area *a, bool to_guest)
{
	uint64_t row = 4ULL * r->width;

	for (uint32_t y = 0; y < a->height; y++) {
		uint8_t *host = r->host + (a->y + y) * row + 4ULL * a->x;

		if (!backing_copy(r, a->offset + y * a->stride, host, 4ULL * a->width, to_guest))
			return false;
		c->moved += 4ULL * a->width;
	}
	return true;
}

static bool area_in_resource(const struct resource *r, const struct area *a)
{
	return a->width && a->height && a->x <= r->width && a->width <= r->width - a->x &&
	       a->y <= r->height && a->height <= r->height - a->y;
}

static bool area_in_backing(const struct resource *r, const struct area *a)
{
	return a->offset <= r->backing_size &&
	       a->stride * (a->height - 1) + 4ULL * a->width <= r->backing_size - a->offset;
}

/* The content counts when the guest knows that it is there. */
static void note_transfer(struct command *c, struct resource *r)
{
	r->transfers++;
	c->transfer_id = r->id;
}

uint32_t run_transfer_to_host_2d(struct command *c)
{
	const struct virtio_gpu_transfer_to_host_2d *req = (void *)c->req;
	struct resource *r = resource_find(le32toh(req->resource_id));
	struct area a = {
		le32toh(req->r.x), le32toh(req->r.y), le32toh(req->r.width),
		le32toh(req->r.height), le64toh(req->offset), 0,
	};
	uint32_t bad = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;

	if (!r)
		return no_resource(c, le32toh(req->resource_id));
	if (r->kind == RESOURCE_BLOB)
		return command_broken(bad, "%s: resource %u is a blob", c->type->name, r->id);
	if (!r->entries)
		return resource_no_backing(c, r);
	if (!area_in_resource(r, &a))
		return command_broken(bad, "%s: %ux%u at %u,%u of resource %u, %ux%u",
				      c->type->name, a.width, a.height, a.x, a.y, r->id,
				      r->width, r->height);
	a.stride = 4ULL * r->width;
	if (!area_in_backing(r, &a))
		return command_broken(bad, "%s: more than the backing of resource %u",
				      c->type->name, r->id);
	if (r->size != a.stride * r->height)
		return bad;
	note_transfer(c, r);
	note_filled(r, &a);
	return copy_area(c, r, &a, false) ? VIRTIO_GPU_RESP_OK_NODATA :
					    VIRTIO_GPU_RESP_ERR_UNSPEC;
}

static uint32_t transfer_buffer(struct command *c, struct resource *r,
				const struct virtio_gpu_transfer_host_3d *req, bool to_guest)
{
	uint64_t at = le32toh(req->box.x), size = le32toh(req->box.w), offset = le64toh(req->offset);

	if (req->box.y || le32toh(req->box.h) != 1 || at > r->size || size > r->size - at || offset > r->backing_size ||
	    size > r->backing_size - offset)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	if (!backing_copy(r, offset, r->host + at, size, to_guest))
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	c->moved = size;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/*
 * Boxes, offsets and strides are what a program gave: wrong ones are refused,
 * and no fault of the driver.
 */
static uint32_t transfer_3d(struct command *c, bool to_guest)
{
	const struct virtio_gpu_transfer_host_3d *req = (void *)c->req;
	struct resource *r = resource_find(le32toh(req->resource_id));
	uint32_t ctx = le32toh(req->hdr.ctx_id);
	struct area a = {
		le32toh(req->box.x), le32toh(req->box.y), le32toh(req->box.w),
		le32toh(req->box.h), le64toh(req->offset), le32toh(req->stride),
	};

	if (!r)
		return resource_missing(c, le32toh(req->resource_id));
	if (ctx && !context_exists(ctx))
		return context_missing(c);
	if (ctx && !context_has(ctx, r->id))
		return context_not_attached(c, r->id);
	if (!r->entries)
		return resource_no_backing(c, r);
	if (!r->host || r->kind == RESOURCE_BLOB || req->level)
		return VIRTIO_GPU_RESP_OK_NODATA;
	if (req->box.z || le32toh(req->box.d) != 1)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	if (r->size == r->width)
		return transfer_buffer(c, r, req, to_guest);
	if (!a.stride)
		a.stride = 4ULL * r->width;
	if (!area_in_resource(r, &a) || !area_in_backing(r, &a))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	if (!to_guest)
		note_transfer(c, r);
	return copy_area(c, r, &a, to_guest) ? VIRTIO_GPU_RESP_OK_NODATA :
					       VIRTIO_GPU_RESP_ERR_UNSPEC;
}

uint32_t run_transfer_to_host_3d(struct command *c)
{
	return transfer_3d(c, false);
}

uint32_t run_transfer_from_host_3d(struct command *c)
{
	return transfer_3d(c, true);
}

/* ---- UUIDs --------------------------------------------------------------- */

/* Version 4: random, but for the id, by which tests know it. */
uint32_t run_assign_uuid(struct command *c)
{
	const struct virtio_gpu_resource_assign_uuid *req = (void *)c->req;
	struct resource *r = resource_find(le32toh(req->resource_id));
	struct virtio_gpu_resp_resource_uuid *answer;
	uint32_t id;

	if (!r)
		return resource_missing(c, le32toh(req->resource_id));
	if (r->has_uuid)
		violation("resource_assign_uuid: resource %u has one", r->id);
	r->has_uuid = true;
	answer = command_answer(c, sizeof(*answer));
	fault_garbage(now_us(), answer->uuid, sizeof(answer->uuid));
	id = htobe32(r->id);
	memcpy(answer->uuid + 12, &id, sizeof(id));
	answer->uuid[6] = (answer->uuid[6] & 0x0f) | 0x40;
	answer->uuid[8] = (answer->uuid[8] & 0x3f) | 0x80;
	text_add(&c->notes, ",\"uuid\":\"");
	for (unsigned int i = 0; i < sizeof(answer->uuid); i++)
		text_add(&c->notes, "%02x%s", answer->uuid[i],
			 i == 3 || i == 5 || i == 7 || i == 9 ? "-" : "");
	text_add(&c->notes, "\"");
	return VIRTIO_GPU_RESP_OK_RESOURCE_UUID;
}

/* ---- the host-visible window --------------------------------------------- */

static bool window_is_free(uint64_t offset, uint64_t size)
{
	struct resource *r;

	for (unsigned int i = 0; i < BUCKETS; i++)
		LIST_FOREACH(r, &buckets[i], link)
			if (r->mapped && offset < r->map_offset + r->size &&
			    r->map_offset < offset + size)
				return false;
	return true;
}

uint32_t run_map_blob(struct command *c)
{
	const struct virtio_gpu_resource_map_blob *req = (void *)c->req;
	struct resource *r = resource_find(le32toh(req->resource_id));
	uint32_t bad = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	uint64_t offset = le64toh(req->offset);

	if (!r)
		return no_resource(c, le32toh(req->resource_id));
	if (r->memfd < 0 || !(r->blob_flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE))
		return command_broken(bad, "resource_map_blob: resource %u is not mappable", r->id);
	if (r->mapped)
		return command_broken(bad, "resource_map_blob: resource %u is mapped", r->id);
	if (offset % (gpu_options.blob_alignment ? gpu_options.blob_alignment : PAGE))
		return command_broken(bad, "resource_map_blob: offset 0x%llx is not aligned",
				      (unsigned long long)offset);
	if (offset > gpu_options.window || r->size > gpu_options.window - offset)
		return command_broken(bad, "resource_map_blob: outside of the window");
	if (!window_is_free(offset, r->size))
		return command_broken(bad, "resource_map_blob: the window is in use there");
	c->awaited = vhost_map(offset, r->size, r->memfd);
	if (!c->awaited)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	r->mapped = true;
	r->map_offset = offset;
	return ANSWER_LATER;
}

uint32_t run_unmap_blob(struct command *c)
{
	const struct virtio_gpu_resource_unmap_blob *req = (void *)c->req;
	struct resource *r = resource_find(le32toh(req->resource_id));

	if (!r)
		return no_resource(c, le32toh(req->resource_id));
	if (!r->mapped) {
		if (!r->refused_map)
			violation("resource_unmap_blob: resource %u is not mapped", r->id);
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	c->awaited = vhost_unmap(r->map_offset, r->size);
	if (!c->awaited)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	r->mapped = false;
	return ANSWER_LATER;
}

/* The front end has changed the window, or could not; returns a response. */
uint32_t map_done(struct command *c, bool done)
{
	const struct virtio_gpu_resource_map_blob *req = (void *)c->req;
	struct resource *r = resource_find(le32toh(req->resource_id));
	struct virtio_gpu_resp_map_info *answer;

	if (c->type->type != VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB)
		return done ? VIRTIO_GPU_RESP_OK_NODATA : VIRTIO_GPU_RESP_ERR_UNSPEC;
	if (!done) {
		if (r)
			r->mapped = false;
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	}
	answer = command_answer(c, sizeof(*answer));
	answer->map_info = htole32(gpu_options.map_info);
	return VIRTIO_GPU_RESP_OK_MAP_INFO;
}
