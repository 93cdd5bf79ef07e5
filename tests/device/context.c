// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "context.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "gpu.h"
#include "refused.h"
#include "resource.h"

/**
 * struct context - one that the guest has made
 * @resources: ids of those attached
 * @doubtful: the guest was told something wrong about it (a fault)
 * @unsure: ... or about what is attached to it
 */
struct context {
	LIST_ENTRY(context) link;
	uint32_t id;
	uint32_t *resources;
	unsigned int num_resources;
	bool doubtful;
	bool unsure;
};

static LIST_HEAD(, context) contexts = LIST_HEAD_INITIALIZER(contexts);

static struct context *find(uint32_t id)
{
	struct context *ctx;

	LIST_FOREACH(ctx, &contexts, link)
		if (ctx->id == id)
			return ctx;
	return NULL;
}

bool context_exists(uint32_t id)
{
	return find(id);
}

static uint32_t *attached(struct context *ctx, uint32_t resource)
{
	for (unsigned int i = 0; i < ctx->num_resources; i++)
		if (ctx->resources[i] == resource)
			return &ctx->resources[i];
	return NULL;
}

bool context_has(uint32_t id, uint32_t resource)
{
	struct context *ctx = find(id);

	return ctx && attached(ctx, resource);
}

static void detach(struct context *ctx, uint32_t *resource)
{
	*resource = ctx->resources[--ctx->num_resources];
}

/* The resource is no more. */
void context_forget(uint32_t resource)
{
	struct context *ctx;

	LIST_FOREACH(ctx, &contexts, link) {
		uint32_t *at = attached(ctx, resource);

		if (at)
			detach(ctx, at);
	}
}

void context_refused(uint32_t id)
{
	struct context *ctx = find(id);

	if (ctx)
		ctx->doubtful = true;
	else
		refused_add(REFUSED_CONTEXT, id);
}

void context_refused_attach(uint32_t id)
{
	struct context *ctx = find(id);

	if (ctx)
		ctx->unsure = true;
}

/* A resource is not attached: who was refused that may not know yet. */
uint32_t context_not_attached(const struct command *c, uint32_t resource)
{
	uint32_t id = le32toh(command_header(c)->ctx_id);
	struct context *ctx = find(id);

	if (!ctx || !ctx->unsure)
		violation("%s: resource %u is not attached to context %u", c->type->name,
			  resource, id);
	return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
}

uint32_t context_missing(const struct command *c)
{
	uint32_t id = le32toh(command_header(c)->ctx_id);

	if (!refused_has(REFUSED_CONTEXT, id))
		violation("%s: no context %u", c->type->name, id);
	return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
}

static void destroy(struct context *ctx)
{
	LIST_REMOVE(ctx, link);
	free(ctx->resources);
	free(ctx);
}

void context_free_all(void)
{
	while (!LIST_EMPTY(&contexts))
		destroy(LIST_FIRST(&contexts));
}

/* ---- commands ------------------------------------------------------------ */

static const struct capset *find_capset(uint32_t id)
{
	for (uint32_t i = 0; i < gpu_options.num_capsets; i++)
		if (gpu_options.capsets[i].id == id)
			return &gpu_options.capsets[i];
	return NULL;
}

static uint32_t no_context(const struct command *c)
{
	return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, "%s: no context %u",
			      c->type->name, le32toh(command_header(c)->ctx_id));
}

uint32_t run_ctx_create(struct command *c)
{
	const struct virtio_gpu_ctx_create *req = (void *)c->req;
	uint32_t id = le32toh(req->hdr.ctx_id), init = le32toh(req->context_init);
	struct context *ctx = find(id);

	text_string(&c->notes, "debug_name", req->debug_name, sizeof(req->debug_name));
	if (ctx && !ctx->doubtful)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
				      "ctx_create: context %u exists", id);
	if (le32toh(req->nlen) > sizeof(req->debug_name))
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				      "ctx_create: a name of %u bytes", le32toh(req->nlen));
	if (init && !(config_accepted_features() & 1ULL << VIRTIO_GPU_F_CONTEXT_INIT))
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				      "ctx_create: context_init without the feature");
	if (init && (init & ~VIRTIO_GPU_CONTEXT_INIT_CAPSET_ID_MASK || !find_capset(init)))
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				      "ctx_create: context_init 0x%x", init);
	if (ctx)
		destroy(ctx);
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	ctx->id = id;
	LIST_INSERT_HEAD(&contexts, ctx, link);
	refused_remove(REFUSED_CONTEXT, id);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t run_ctx_destroy(struct command *c)
{
	struct context *ctx = find(le32toh(command_header(c)->ctx_id));

	if (!ctx)
		return no_context(c);
	destroy(ctx);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t run_ctx_attach_resource(struct command *c)
{
	const struct virtio_gpu_ctx_resource *req = (void *)c->req;
	struct context *ctx = find(le32toh(req->hdr.ctx_id));
	uint32_t id = le32toh(req->resource_id), *more;

	if (!ctx)
		return context_missing(c);
	if (!resource_find(id))
		return resource_missing(c, id);
	if (attached(ctx, id))
		return VIRTIO_GPU_RESP_OK_NODATA;
	more = realloc(ctx->resources, (ctx->num_resources + 1) * sizeof(*more));
	if (!more)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	ctx->resources = more;
	more[ctx->num_resources++] = id;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t run_ctx_detach_resource(struct command *c)
{
	const struct virtio_gpu_ctx_resource *req = (void *)c->req;
	struct context *ctx = find(le32toh(req->hdr.ctx_id));
	uint32_t id = le32toh(req->resource_id), *at;

	if (!ctx)
		return context_missing(c);
	at = attached(ctx, id);
	if (!at)
		return context_not_attached(c, id);
	detach(ctx, at);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t run_submit_3d(struct command *c)
{
	const struct virtio_gpu_cmd_submit *req = (void *)c->req;
	uint32_t size = le32toh(req->size);

	if (!find(le32toh(req->hdr.ctx_id)))
		return context_missing(c);
	if (c->size - sizeof(*req) != size)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				      "submit_3d: %u bytes, %zu are there", size,
				      c->size - sizeof(*req));
	c->moved = size;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t run_get_capset_info(struct command *c)
{
	const struct virtio_gpu_get_capset_info *req = (void *)c->req;
	struct virtio_gpu_resp_capset_info *answer;
	uint32_t index = le32toh(req->capset_index);
	const struct capset *set = &gpu_options.capsets[index];

	if (index >= gpu_options.num_capsets)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				      "get_capset_info: index %u", index);
	answer = command_answer(c, sizeof(*answer));
	answer->capset_id = htole32(set->id);
	answer->capset_max_version = htole32(set->version);
	answer->capset_max_size = htole32(set->size);
	return VIRTIO_GPU_RESP_OK_CAPSET_INFO;
}

/* Byte i of capability set n is 7 * n + i. */
uint32_t run_get_capset(struct command *c)
{
	const struct virtio_gpu_get_capset *req = (void *)c->req;
	const struct capset *set = find_capset(le32toh(req->capset_id));
	struct virtio_gpu_resp_capset *answer;

	if (!set || le32toh(req->capset_version) > set->version)
		return command_broken(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				      "get_capset: id %u, version %u",
				      le32toh(req->capset_id), le32toh(req->capset_version));
	answer = command_answer(c, sizeof(*answer) + set->size);
	for (size_t i = 0; i < set->size && sizeof(*answer) + i < c->answer_size; i++)
		answer->capset_data[i] = 7 * set->id + i;
	return VIRTIO_GPU_RESP_OK_CAPSET;
}
