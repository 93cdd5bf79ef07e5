// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Commands: what each one looks like on the wire. One row of the table and one
 * encoder a command; encoders take no lock and do not sleep. Section numbers
 * are those of the virtio 1.3 specification, "GPU Device".
 */

#include <linux/slab.h>

#include <drm/drm_print.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"
#include "virtgpu_trace.h"

#define CMD(_id, _type, _req, _resp_type, _resp)			\
	[VIRTGPU_##_id] = {						\
		.name = #_id,						\
		.type = VIRTIO_GPU_CMD_##_type,				\
		.req_size = sizeof(struct _req),			\
		.resp_type = VIRTIO_GPU_RESP_OK_##_resp_type,		\
		.resp_size = sizeof(struct _resp),			\
	}

#define CMD_NODATA(_id, _req) CMD(_id, _id, _req, NODATA, virtio_gpu_ctrl_hdr)

/* 5.7.6.10: the device answers nothing on the cursor queue. */
#define CMD_CURSOR(_id)							\
	[VIRTGPU_##_id] = {						\
		.name = #_id,						\
		.type = VIRTIO_GPU_CMD_##_id,				\
		.req_size = sizeof(struct virtio_gpu_update_cursor),	\
		.cursor = true,						\
	}

static const struct virtgpu_cmd_info virtgpu_cmd_table[VIRTGPU_NUM_CMDS] = {
	CMD(GET_DISPLAY_INFO, GET_DISPLAY_INFO, virtio_gpu_ctrl_hdr,
	    DISPLAY_INFO, virtio_gpu_resp_display_info),
	CMD(GET_EDID, GET_EDID, virtio_gpu_cmd_get_edid,
	    EDID, virtio_gpu_resp_edid),
	CMD_NODATA(RESOURCE_CREATE_2D, virtio_gpu_resource_create_2d),
	CMD_NODATA(RESOURCE_UNREF, virtio_gpu_resource_unref),
	CMD_NODATA(RESOURCE_ATTACH_BACKING, virtio_gpu_resource_attach_backing),
	CMD_NODATA(RESOURCE_DETACH_BACKING, virtio_gpu_resource_detach_backing),
	CMD_NODATA(SET_SCANOUT, virtio_gpu_set_scanout),
	CMD_NODATA(RESOURCE_FLUSH, virtio_gpu_resource_flush),
	CMD_NODATA(TRANSFER_TO_HOST_2D, virtio_gpu_transfer_to_host_2d),
	CMD(RESOURCE_ASSIGN_UUID, RESOURCE_ASSIGN_UUID, virtio_gpu_resource_assign_uuid,
	    RESOURCE_UUID, virtio_gpu_resp_resource_uuid),
	CMD(GET_CAPSET_INFO, GET_CAPSET_INFO, virtio_gpu_get_capset_info,
	    CAPSET_INFO, virtio_gpu_resp_capset_info),
	CMD(GET_CAPSET, GET_CAPSET, virtio_gpu_get_capset,
	    CAPSET, virtio_gpu_resp_capset),
	CMD_NODATA(CTX_CREATE, virtio_gpu_ctx_create),
	CMD_NODATA(CTX_DESTROY, virtio_gpu_ctx_destroy),
	CMD_NODATA(CTX_ATTACH_RESOURCE, virtio_gpu_ctx_resource),
	CMD_NODATA(CTX_DETACH_RESOURCE, virtio_gpu_ctx_resource),
	CMD_NODATA(RESOURCE_CREATE_3D, virtio_gpu_resource_create_3d),
	CMD_NODATA(RESOURCE_CREATE_BLOB, virtio_gpu_resource_create_blob),
	CMD_NODATA(SET_SCANOUT_BLOB, virtio_gpu_set_scanout_blob),
	CMD_NODATA(TRANSFER_TO_HOST_3D, virtio_gpu_transfer_host_3d),
	CMD_NODATA(TRANSFER_FROM_HOST_3D, virtio_gpu_transfer_host_3d),
	CMD_NODATA(SUBMIT_3D, virtio_gpu_cmd_submit),
	CMD(RESOURCE_MAP_BLOB, RESOURCE_MAP_BLOB, virtio_gpu_resource_map_blob,
	    MAP_INFO, virtio_gpu_resp_map_info),
	CMD_NODATA(RESOURCE_UNMAP_BLOB, virtio_gpu_resource_unmap_blob),
	CMD_CURSOR(UPDATE_CURSOR),
	CMD_CURSOR(MOVE_CURSOR),
};

/* 5.7.6.7: the layouts that the encoders below rely on. */
static_assert(sizeof(struct virtio_gpu_ctrl_hdr) == 24);
static_assert(sizeof(struct virtio_gpu_resource_create_2d) == 40);
static_assert(sizeof(struct virtio_gpu_resource_unref) == 32);
static_assert(sizeof(struct virtio_gpu_resource_attach_backing) == 32);
static_assert(sizeof(struct virtio_gpu_mem_entry) == 16);
static_assert(sizeof(struct virtio_gpu_set_scanout) == 48);
static_assert(sizeof(struct virtio_gpu_resource_flush) == 48);
static_assert(sizeof(struct virtio_gpu_transfer_to_host_2d) == 56);
static_assert(offsetof(struct virtio_gpu_transfer_to_host_2d, offset) == 40);
static_assert(sizeof(struct virtio_gpu_update_cursor) == 56);
static_assert(sizeof(struct virtio_gpu_ctx_create) == VIRTGPU_CMD_REQ_INLINE);
static_assert(sizeof(struct virtio_gpu_resource_create_3d) == 72);
static_assert(sizeof(struct virtio_gpu_resource_create_blob) == 56);
static_assert(offsetof(struct virtio_gpu_resource_create_blob, blob_id) == 40);
static_assert(sizeof(struct virtio_gpu_set_scanout_blob) == VIRTGPU_CMD_REQ_INLINE);
static_assert(sizeof(struct virtio_gpu_transfer_host_3d) == 72);
static_assert(sizeof(struct virtio_gpu_cmd_submit) == 32);
static_assert(sizeof(struct virtio_gpu_resource_map_blob) == 40);
static_assert(sizeof(struct virtio_gpu_resp_map_info) == 32);
static_assert(sizeof(struct virtio_gpu_resp_display_info) == 408);
static_assert(sizeof(struct virtio_gpu_resp_edid) == 1056);
static_assert(sizeof(struct virtio_gpu_resp_resource_uuid) == VIRTGPU_CMD_RESP_INLINE);

static struct kmem_cache *virtgpu_cmd_cache;

/**
 * virtgpu_cmd_cache_init() - make the cache that commands come from
 *
 * Return: 0 or -ENOMEM.
 */
int virtgpu_cmd_cache_init(void)
{
	virtgpu_cmd_cache = KMEM_CACHE(virtgpu_cmd, SLAB_HWCACHE_ALIGN);
	return virtgpu_cmd_cache ? 0 : -ENOMEM;
}

/**
 * virtgpu_cmd_cache_fini() - free the cache; no command may be left
 */
void virtgpu_cmd_cache_fini(void)
{
	kmem_cache_destroy(virtgpu_cmd_cache);
}

static struct virtgpu_cmd *virtgpu_cmd_alloc_raw(void)
{
	struct virtgpu_cmd *cmd = kmem_cache_alloc(virtgpu_cmd_cache, GFP_KERNEL);

	if (cmd)
		memset(cmd, 0, offsetof(struct virtgpu_cmd, req));
	return cmd;
}

static void virtgpu_cmd_prepare(struct virtgpu_cmd *cmd, struct virtgpu_device *vgdev,
				enum virtgpu_cmd_id id)
{
	cmd->info = &virtgpu_cmd_table[id];
	cmd->vgdev = vgdev;
	cmd->resp = &cmd->resp_inline;
	cmd->resp_size = cmd->info->resp_size;
	/* A bounce buffer shows the host what was there before. */
	memset(&cmd->resp_inline, 0, sizeof(cmd->resp_inline));
	refcount_set(&cmd->refs, 1);
	init_completion(&cmd->completion);
	memset(&cmd->req, 0, cmd->info->req_size);
	cmd->req.hdr.type = cpu_to_le32(cmd->info->type);
}

/**
 * virtgpu_cmd_set_resp_size() - make room for a longer response
 * @cmd: a command that is not queued yet
 * @size: in bytes; the host may use less of it
 *
 * Return: 0 or -ENOMEM.
 */
int virtgpu_cmd_set_resp_size(struct virtgpu_cmd *cmd, u32 size)
{
	void *resp = kzalloc(size, GFP_KERNEL);

	if (!resp)
		return -ENOMEM;
	cmd->resp = resp;
	cmd->resp_size = size;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_cmd_set_resp_size);

/**
 * virtgpu_cmd_set_context() - make a command one of a context
 * @cmd: the command; takes a reference to the context
 * @ctx: the context, made at the host before
 */
void virtgpu_cmd_set_context(struct virtgpu_cmd *cmd, struct virtgpu_context *ctx)
{
	kref_get(&ctx->refs);
	cmd->ctx = ctx;
	cmd->req.hdr.ctx_id = cpu_to_le32(ctx->id);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_cmd_set_context);

/**
 * virtgpu_cmd_set_resource() - make a command one of a resource
 * @cmd: the command; takes a reference to the resource
 * @res: the resource
 *
 * It does not reach a device that was reset since and does not know the resource.
 */
void virtgpu_cmd_set_resource(struct virtgpu_cmd *cmd, struct virtgpu_resource *res)
{
	kref_get(&res->refs);
	cmd->res = res;
}

/**
 * virtgpu_cmd_alloc() - allocate a command
 * @vgdev: the device
 * @id: which command
 *
 * The request is zeroed but for its type. May sleep.
 *
 * Return: the command, to be queued or put, or ERR_PTR(-ENOMEM).
 */
struct virtgpu_cmd *virtgpu_cmd_alloc(struct virtgpu_device *vgdev, enum virtgpu_cmd_id id)
{
	struct virtgpu_cmd *cmd = virtgpu_cmd_alloc_raw();

	if (!cmd)
		return ERR_PTR(-ENOMEM);

	virtgpu_cmd_prepare(cmd, vgdev, id);
	if (cmd->info->resp_size > sizeof(cmd->resp_inline) &&
	    virtgpu_cmd_set_resp_size(cmd, cmd->info->resp_size)) {
		kmem_cache_free(virtgpu_cmd_cache, cmd);
		return ERR_PTR(-ENOMEM);
	}
	return cmd;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_cmd_alloc);

/**
 * virtgpu_cmd_reserve() - set commands aside for a path that must not fail
 * @cmds: list that they are added to
 * @count: how many
 *
 * Return: 0, or -ENOMEM, with @cmds as it was or longer; the owner of the list
 * gives it back by virtgpu_cmd_unreserve() in either case.
 */
int virtgpu_cmd_reserve(struct list_head *cmds, unsigned int count)
{
	while (count--) {
		struct virtgpu_cmd *cmd = virtgpu_cmd_alloc_raw();

		if (!cmd)
			return -ENOMEM;
		list_add(&cmd->link, cmds);
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_cmd_reserve);

/**
 * virtgpu_cmd_take() - take a command that was set aside
 * @vgdev: the device
 * @cmds: list filled by virtgpu_cmd_reserve()
 * @id: which command it becomes; one with an inline response
 *
 * Return: the command, or NULL when more are taken than were reserved, which
 * is a bug of the caller and is warned about.
 */
struct virtgpu_cmd *virtgpu_cmd_take(struct virtgpu_device *vgdev, struct list_head *cmds,
				     enum virtgpu_cmd_id id)
{
	struct virtgpu_cmd *cmd = list_first_entry_or_null(cmds, struct virtgpu_cmd, link);

	if (drm_WARN_ON_ONCE(&vgdev->drm, !cmd))
		return NULL;

	list_del(&cmd->link);
	virtgpu_cmd_prepare(cmd, vgdev, id);
	return cmd;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_cmd_take);

/**
 * virtgpu_cmd_unreserve() - free what is left of a reservation
 * @cmds: list filled by virtgpu_cmd_reserve()
 */
void virtgpu_cmd_unreserve(struct list_head *cmds)
{
	struct virtgpu_cmd *cmd, *next;

	list_for_each_entry_safe(cmd, next, cmds, link) {
		list_del(&cmd->link);
		kmem_cache_free(virtgpu_cmd_cache, cmd);
	}
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_cmd_unreserve);

/**
 * virtgpu_cmd_put() - drop a reference of a command
 * @cmd: the command
 *
 * Frees a command that was never queued, too. Any context.
 */
void virtgpu_cmd_put(struct virtgpu_cmd *cmd)
{
	if (!refcount_dec_and_test(&cmd->refs))
		return;

	virtgpu_queue_unreserve(cmd);
	if (cmd->res)
		virtgpu_resource_release_ref(cmd->res);
	virtgpu_context_put(cmd->ctx);
	if (cmd->resp != &cmd->resp_inline)
		kfree(cmd->resp);
	virtgpu_payload_free(cmd->payload);
	kmem_cache_free(virtgpu_cmd_cache, cmd);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_cmd_put);

/**
 * virtgpu_cmd_busy() - does the device own a command?
 * @cmd: a command that its owner sends again and again
 *
 * Return: true as long as there is no answer.
 */
bool virtgpu_cmd_busy(const struct virtgpu_cmd *cmd)
{
	return refcount_read(&cmd->refs) != 1;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_cmd_busy);

/* 5.7.6.7: the errors that a device can answer, as a program knows them. */
static int virtgpu_resp_to_errno(u32 type)
{
	switch (type) {
	case VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY:
		return -ENOMEM;
	case VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID:
	case VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER:
		return -EINVAL;
	case VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID:
	case VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID:
		return -ENOENT;
	case VIRTIO_GPU_RESP_ERR_UNSPEC:
		return -EREMOTEIO;
	default:
		return -EPROTO;
	}
}

/* The answer may be any bytes at all. */
VISIBLE_IF_KUNIT int virtgpu_cmd_check(const struct virtgpu_cmd *cmd)
{
	const struct virtio_gpu_ctrl_hdr *hdr = cmd->resp;
	u32 type;

	if (!cmd->info->resp_size)
		return 0;
	if (cmd->used < sizeof(*hdr))
		return -EPROTO;

	type = le32_to_cpu(READ_ONCE(hdr->type));
	if (type != cmd->info->resp_type)
		return virtgpu_resp_to_errno(type);

	return cmd->used < cmd->info->resp_size ? -EPROTO : 0;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_cmd_check);

static void virtgpu_cmd_end(struct virtgpu_cmd *cmd, int error)
{
	cmd->error = error;
	trace_virtgpu_cmd_done(cmd);
	if (cmd->done)
		cmd->done(cmd);
	if (cmd->fence)
		virtgpu_fence_complete(cmd->fence, error);
	complete_all(&cmd->completion);
	virtgpu_cmd_put(cmd);
}

static void virtgpu_cmd_log(const struct virtgpu_cmd *cmd, int error)
{
	const struct virtio_gpu_ctrl_hdr *hdr = cmd->resp;
	struct virtgpu_device *vgdev = cmd->vgdev;

	atomic_inc(&vgdev->num_errors);
	if (cmd->reported)
		drm_dbg_driver(&vgdev->drm, "%s refused: response 0x%04x of %u bytes (%pe)\n",
			       cmd->info->name, le32_to_cpu(hdr->type), cmd->used,
			       ERR_PTR(error));
	else
		drm_err_ratelimited(&vgdev->drm, "%s refused: response 0x%04x of %u bytes (%pe)\n",
				    cmd->info->name, le32_to_cpu(hdr->type), cmd->used,
				    ERR_PTR(error));
}

/**
 * virtgpu_cmd_complete() - the device gave a command back
 * @cmd: the command; the queue's reference is consumed
 *
 * Interrupt context, no lock held.
 */
void virtgpu_cmd_complete(struct virtgpu_cmd *cmd)
{
	int error = virtgpu_cmd_check(cmd);

	if (unlikely(error))
		virtgpu_cmd_log(cmd, error);
	virtgpu_cmd_end(cmd, error);
}

/**
 * virtgpu_cmd_fail() - end a command that the device does not own
 * @cmd: the command; the queue's reference is consumed
 * @error: negative errno for its waiter, fence and object
 *
 * Any context, no lock held.
 */
void virtgpu_cmd_fail(struct virtgpu_cmd *cmd, int error)
{
	virtgpu_cmd_end(cmd, error);
}

/* ---- payloads ----------------------------------------------------------- */

/* Descriptors of a chain that are not the payload's: request and response. */
#define VIRTGPU_CHAIN_FIXED 2

/* The largest chunk worth asking the page allocator for. */
#define VIRTGPU_CHUNK_MAX SZ_64K

/**
 * virtgpu_payload_alloc() - memory for the variable part of a request
 * @vgdev: the device, whose control queue bounds the number of chunks
 * @size: bytes, more than 0
 *
 * Chunks are as large as they must be for the chain to fit in the queue, and
 * not larger than that when memory is fragmented. May sleep.
 *
 * Return: the payload, ERR_PTR(-E2BIG) when no chain can carry it, or
 * ERR_PTR(-ENOMEM).
 */
struct virtgpu_payload *virtgpu_payload_alloc(struct virtgpu_device *vgdev, size_t size)
{
	unsigned int max_chunks = vgdev->ctrl.size;
	struct virtgpu_payload *payload;
	size_t chunk, need;
	unsigned int i, n;

	if (max_chunks <= VIRTGPU_CHAIN_FIXED)
		return ERR_PTR(-E2BIG);
	max_chunks -= VIRTGPU_CHAIN_FIXED;

	need = DIV_ROUND_UP(size, max_chunks);
	chunk = VIRTGPU_CHUNK_MAX;
	if (need > chunk) {
		/* A bounce buffer has a limit of its own. */
		size_t most = min_t(size_t, KMALLOC_MAX_SIZE, vgdev->max_dma_size);

		/* No memory entry is in two chunks. */
		most = round_down(most, sizeof(struct virtio_gpu_mem_entry));
		if (need > most)
			return ERR_PTR(-E2BIG);
		chunk = min_t(size_t, most, roundup_pow_of_two(need));
	}
	chunk = min(size, chunk);

	n = DIV_ROUND_UP(size, chunk);
	payload = kmalloc(struct_size(payload, sg, n), GFP_KERNEL_ACCOUNT);
	if (!payload)
		return ERR_PTR(-ENOMEM);

	payload->size = size;
	payload->chunk_size = chunk;
	payload->num_chunks = n;
	sg_init_table(payload->sg, n);
	for (i = 0; i < n; i++) {
		size_t len = min(chunk, size - i * chunk);
		void *mem = kmalloc(len, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);

		if (!mem) {
			payload->num_chunks = i;
			virtgpu_payload_free(payload);
			return ERR_PTR(-ENOMEM);
		}
		sg_set_buf(&payload->sg[i], mem, len);
	}
	return payload;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_payload_alloc);

/**
 * virtgpu_payload_free() - free a payload
 * @payload: the payload or NULL
 */
void virtgpu_payload_free(struct virtgpu_payload *payload)
{
	unsigned int i;

	if (!payload)
		return;
	for (i = 0; i < payload->num_chunks; i++)
		kfree(sg_virt(&payload->sg[i]));
	kfree(payload);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_payload_free);

/**
 * virtgpu_payload_at() - where a byte of the payload stands
 * @payload: the payload
 * @offset: in bytes, below the size
 *
 * Items whose size is a power of two never straddle two chunks.
 *
 * Return: the address.
 */
void *virtgpu_payload_at(struct virtgpu_payload *payload, size_t offset)
{
	return sg_virt(&payload->sg[offset / payload->chunk_size]) +
	       offset % payload->chunk_size;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_payload_at);

/**
 * virtgpu_payload_from_user() - a payload with what a program wrote
 * @vgdev: the device
 * @from: where to copy from
 * @size: in bytes, more than 0
 *
 * Return: the payload or an ERR_PTR(), see virtgpu_payload_alloc(), -EFAULT
 * among them.
 */
struct virtgpu_payload *virtgpu_payload_from_user(struct virtgpu_device *vgdev,
						  const void __user *from, size_t size)
{
	struct virtgpu_payload *payload = virtgpu_payload_alloc(vgdev, size);
	unsigned int i;

	if (IS_ERR(payload))
		return payload;
	for (i = 0; i < payload->num_chunks; i++) {
		if (copy_from_user(sg_virt(&payload->sg[i]), from, payload->sg[i].length)) {
			virtgpu_payload_free(payload);
			return ERR_PTR(-EFAULT);
		}
		from += payload->sg[i].length;
	}
	return payload;
}

/* ---- encoders ----------------------------------------------------------- */

static void virtgpu_put_rect(struct virtio_gpu_rect *wire, const struct drm_rect *rect)
{
	wire->x = cpu_to_le32(rect->x1);
	wire->y = cpu_to_le32(rect->y1);
	wire->width = cpu_to_le32(drm_rect_width(rect));
	wire->height = cpu_to_le32(drm_rect_height(rect));
}

/* The request as its own type; the table proves that it fits. */
#define REQ(_cmd, _type) ({						\
	static_assert(sizeof(struct _type) <= VIRTGPU_CMD_REQ_INLINE);	\
	(struct _type *)(_cmd)->req.bytes;				\
})

/**
 * virtgpu_encode_get_edid() - GET_EDID, 5.7.6.8
 * @cmd: the command
 * @scanout: scan-out number
 */
void virtgpu_encode_get_edid(struct virtgpu_cmd *cmd, u32 scanout)
{
	REQ(cmd, virtio_gpu_cmd_get_edid)->scanout = cpu_to_le32(scanout);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_get_edid);

/**
 * virtgpu_encode_create_2d() - RESOURCE_CREATE_2D, 5.7.6.8
 * @cmd: the command
 * @id: resource id
 * @format: VIRTIO_GPU_FORMAT_*
 * @width: in pixels
 * @height: in pixels
 */
void virtgpu_encode_create_2d(struct virtgpu_cmd *cmd, u32 id, u32 format,
			      u32 width, u32 height)
{
	struct virtio_gpu_resource_create_2d *req = REQ(cmd, virtio_gpu_resource_create_2d);

	req->resource_id = cpu_to_le32(id);
	req->format = cpu_to_le32(format);
	req->width = cpu_to_le32(width);
	req->height = cpu_to_le32(height);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_create_2d);

/**
 * virtgpu_encode_resource() - the commands whose only argument is a resource
 * @cmd: RESOURCE_UNREF, RESOURCE_DETACH_BACKING, RESOURCE_ASSIGN_UUID or
 *	 RESOURCE_UNMAP_BLOB
 * @id: resource id
 */
void virtgpu_encode_resource(struct virtgpu_cmd *cmd, u32 id)
{
	static_assert(offsetof(struct virtio_gpu_resource_detach_backing, resource_id) ==
		      offsetof(struct virtio_gpu_resource_unref, resource_id));
	static_assert(offsetof(struct virtio_gpu_resource_assign_uuid, resource_id) ==
		      offsetof(struct virtio_gpu_resource_unref, resource_id));
	static_assert(offsetof(struct virtio_gpu_resource_unmap_blob, resource_id) ==
		      offsetof(struct virtio_gpu_resource_unref, resource_id));

	REQ(cmd, virtio_gpu_resource_unref)->resource_id = cpu_to_le32(id);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_resource);

/**
 * virtgpu_encode_attach_backing() - RESOURCE_ATTACH_BACKING, 5.7.6.8
 * @cmd: the command
 * @id: resource id
 * @entries: struct virtio_gpu_mem_entry, owned by the command from here on
 */
void virtgpu_encode_attach_backing(struct virtgpu_cmd *cmd, u32 id,
				   struct virtgpu_payload *entries)
{
	struct virtio_gpu_resource_attach_backing *req =
		REQ(cmd, virtio_gpu_resource_attach_backing);

	req->resource_id = cpu_to_le32(id);
	req->nr_entries = cpu_to_le32(entries->size / sizeof(struct virtio_gpu_mem_entry));
	cmd->payload = entries;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_attach_backing);

/**
 * virtgpu_encode_set_scanout() - SET_SCANOUT, 5.7.6.8
 * @cmd: the command
 * @scanout: scan-out number
 * @id: resource id, or 0 to switch the scan-out off
 * @rect: part of the resource that is shown, in pixels, or NULL with id 0
 */
void virtgpu_encode_set_scanout(struct virtgpu_cmd *cmd, u32 scanout, u32 id,
				const struct drm_rect *rect)
{
	struct virtio_gpu_set_scanout *req = REQ(cmd, virtio_gpu_set_scanout);

	req->scanout_id = cpu_to_le32(scanout);
	req->resource_id = cpu_to_le32(id);
	if (rect)
		virtgpu_put_rect(&req->r, rect);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_set_scanout);

/**
 * virtgpu_encode_flush() - RESOURCE_FLUSH, 5.7.6.8
 * @cmd: the command
 * @id: resource id
 * @rect: what changed, in pixels of the resource
 */
void virtgpu_encode_flush(struct virtgpu_cmd *cmd, u32 id, const struct drm_rect *rect)
{
	struct virtio_gpu_resource_flush *req = REQ(cmd, virtio_gpu_resource_flush);

	req->resource_id = cpu_to_le32(id);
	virtgpu_put_rect(&req->r, rect);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_flush);

/**
 * virtgpu_encode_transfer_2d() - TRANSFER_TO_HOST_2D, 5.7.6.8
 * @cmd: the command
 * @id: resource id
 * @offset: of the first pixel of @rect in the backing, in bytes
 * @rect: what is copied, in pixels of the resource
 */
void virtgpu_encode_transfer_2d(struct virtgpu_cmd *cmd, u32 id, u64 offset,
				const struct drm_rect *rect)
{
	struct virtio_gpu_transfer_to_host_2d *req = REQ(cmd, virtio_gpu_transfer_to_host_2d);

	req->resource_id = cpu_to_le32(id);
	req->offset = cpu_to_le64(offset);
	virtgpu_put_rect(&req->r, rect);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_transfer_2d);

/**
 * virtgpu_encode_get_capset_info() - GET_CAPSET_INFO, 5.7.6.8
 * @cmd: the command
 * @index: of the set, below the number of sets
 */
void virtgpu_encode_get_capset_info(struct virtgpu_cmd *cmd, u32 index)
{
	REQ(cmd, virtio_gpu_get_capset_info)->capset_index = cpu_to_le32(index);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_get_capset_info);

/**
 * virtgpu_encode_get_capset() - GET_CAPSET, 5.7.6.8
 * @cmd: the command
 * @id: of the set
 * @version: of the set
 */
void virtgpu_encode_get_capset(struct virtgpu_cmd *cmd, u32 id, u32 version)
{
	struct virtio_gpu_get_capset *req = REQ(cmd, virtio_gpu_get_capset);

	req->capset_id = cpu_to_le32(id);
	req->capset_version = cpu_to_le32(version);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_get_capset);

/**
 * virtgpu_encode_ctx_create() - CTX_CREATE, 5.7.6.9
 * @cmd: the command, of the context
 * @init: capset id, or 0
 * @name: 64 bytes, for whoever debugs the host
 */
void virtgpu_encode_ctx_create(struct virtgpu_cmd *cmd, u32 init, const char *name)
{
	struct virtio_gpu_ctx_create *req = REQ(cmd, virtio_gpu_ctx_create);

	req->context_init = cpu_to_le32(init);
	req->nlen = cpu_to_le32(strnlen(name, sizeof(req->debug_name) - 1));
	memcpy(req->debug_name, name, sizeof(req->debug_name));
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_ctx_create);

/**
 * virtgpu_encode_ctx_resource() - CTX_ATTACH_RESOURCE, CTX_DETACH_RESOURCE, 5.7.6.9
 * @cmd: the command, of the context
 * @id: resource id
 */
void virtgpu_encode_ctx_resource(struct virtgpu_cmd *cmd, u32 id)
{
	REQ(cmd, virtio_gpu_ctx_resource)->resource_id = cpu_to_le32(id);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_ctx_resource);

/**
 * virtgpu_encode_create_3d() - RESOURCE_CREATE_3D, 5.7.6.9
 * @cmd: the command
 * @id: resource id
 * @args: the parameters, as a program gave them
 */
void virtgpu_encode_create_3d(struct virtgpu_cmd *cmd, u32 id,
			      const struct drm_virtgpu_resource_create *args)
{
	struct virtio_gpu_resource_create_3d *req = REQ(cmd, virtio_gpu_resource_create_3d);

	req->resource_id = cpu_to_le32(id);
	req->target = cpu_to_le32(args->target);
	req->format = cpu_to_le32(args->format);
	req->bind = cpu_to_le32(args->bind);
	req->width = cpu_to_le32(args->width);
	req->height = cpu_to_le32(args->height);
	req->depth = cpu_to_le32(args->depth);
	req->array_size = cpu_to_le32(args->array_size);
	req->last_level = cpu_to_le32(args->last_level);
	req->nr_samples = cpu_to_le32(args->nr_samples);
	req->flags = cpu_to_le32(args->flags);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_create_3d);

/**
 * virtgpu_encode_create_blob() - RESOURCE_CREATE_BLOB, 5.7.6.8
 * @cmd: the command, of the context unless the memory is the guest's
 * @id: resource id
 * @args: the parameters, as a program gave them
 * @size: in bytes
 * @entries: struct virtio_gpu_mem_entry, owned by the command from here on, or
 *	     NULL
 */
void virtgpu_encode_create_blob(struct virtgpu_cmd *cmd, u32 id,
				const struct drm_virtgpu_resource_create_blob *args,
				u64 size, struct virtgpu_payload *entries)
{
	struct virtio_gpu_resource_create_blob *req = REQ(cmd, virtio_gpu_resource_create_blob);

	req->resource_id = cpu_to_le32(id);
	req->blob_mem = cpu_to_le32(args->blob_mem);
	req->blob_flags = cpu_to_le32(args->blob_flags);
	req->blob_id = cpu_to_le64(args->blob_id);
	req->size = cpu_to_le64(size);
	if (entries)
		req->nr_entries = cpu_to_le32(entries->size /
					      sizeof(struct virtio_gpu_mem_entry));
	cmd->payload = entries;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_create_blob);

/**
 * virtgpu_encode_set_scanout_blob() - SET_SCANOUT_BLOB, 5.7.6.8
 * @cmd: the command
 * @scanout: scan-out number
 * @id: resource id
 * @fb: size, pitch and offset of the framebuffer
 * @format: VIRTIO_GPU_FORMAT_*
 * @rect: part of the framebuffer that is shown, in pixels
 */
void virtgpu_encode_set_scanout_blob(struct virtgpu_cmd *cmd, u32 scanout, u32 id,
				     const struct drm_framebuffer *fb, u32 format,
				     const struct drm_rect *rect)
{
	struct virtio_gpu_set_scanout_blob *req = REQ(cmd, virtio_gpu_set_scanout_blob);

	req->scanout_id = cpu_to_le32(scanout);
	req->resource_id = cpu_to_le32(id);
	req->width = cpu_to_le32(fb->width);
	req->height = cpu_to_le32(fb->height);
	req->format = cpu_to_le32(format);
	req->strides[0] = cpu_to_le32(fb->pitches[0]);
	req->offsets[0] = cpu_to_le32(fb->offsets[0]);
	virtgpu_put_rect(&req->r, rect);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_set_scanout_blob);

/**
 * virtgpu_encode_transfer_3d() - TRANSFER_TO_HOST_3D, TRANSFER_FROM_HOST_3D, 5.7.6.9
 * @cmd: the command, of the context
 * @id: resource id
 * @args: box, level, offset and strides, as a program gave them; those of the
 *	  other direction have the same layout
 */
void virtgpu_encode_transfer_3d(struct virtgpu_cmd *cmd, u32 id,
				const struct drm_virtgpu_3d_transfer_to_host *args)
{
	struct virtio_gpu_transfer_host_3d *req = REQ(cmd, virtio_gpu_transfer_host_3d);

	req->resource_id = cpu_to_le32(id);
	req->box.x = cpu_to_le32(args->box.x);
	req->box.y = cpu_to_le32(args->box.y);
	req->box.z = cpu_to_le32(args->box.z);
	req->box.w = cpu_to_le32(args->box.w);
	req->box.h = cpu_to_le32(args->box.h);
	req->box.d = cpu_to_le32(args->box.d);
	req->offset = cpu_to_le64(args->offset);
	req->level = cpu_to_le32(args->level);
	req->stride = cpu_to_le32(args->stride);
	req->layer_stride = cpu_to_le32(args->layer_stride);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_transfer_3d);

/**
 * virtgpu_encode_submit() - SUBMIT_3D, 5.7.6.9
 * @cmd: the command, of the context
 * @size: in bytes
 * @payload: the commands, owned by @cmd from here on, or NULL with @size 0
 */
void virtgpu_encode_submit(struct virtgpu_cmd *cmd, u32 size, struct virtgpu_payload *payload)
{
	REQ(cmd, virtio_gpu_cmd_submit)->size = cpu_to_le32(size);
	cmd->payload = payload;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_submit);

/**
 * virtgpu_encode_ring() - the fence of a command is one of a context's rings
 * @cmd: the command, of the context
 * @ring: index of the ring
 */
void virtgpu_encode_ring(struct virtgpu_cmd *cmd, u32 ring)
{
	cmd->req.hdr.flags |= cpu_to_le32(VIRTIO_GPU_FLAG_INFO_RING_IDX);
	cmd->req.hdr.ring_idx = ring;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_ring);

/**
 * virtgpu_encode_map_blob() - RESOURCE_MAP_BLOB, 5.7.6.9
 * @cmd: the command
 * @id: resource id
 * @offset: in the host-visible window, in bytes
 */
void virtgpu_encode_map_blob(struct virtgpu_cmd *cmd, u32 id, u64 offset)
{
	struct virtio_gpu_resource_map_blob *req = REQ(cmd, virtio_gpu_resource_map_blob);

	req->resource_id = cpu_to_le32(id);
	req->offset = cpu_to_le64(offset);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_map_blob);

/**
 * virtgpu_encode_cursor() - UPDATE_CURSOR and MOVE_CURSOR, 5.7.6.10
 * @cmd: the command
 * @scanout: scan-out number
 * @id: resource id of a 64x64 image, or 0 for no cursor
 * @x: left edge on the scan-out in pixels, may be negative
 * @y: top edge on the scan-out in pixels, may be negative
 * @hot_x: hotspot in the image, in pixels
 * @hot_y: hotspot in the image, in pixels
 */
void virtgpu_encode_cursor(struct virtgpu_cmd *cmd, u32 scanout, u32 id,
			   int x, int y, u32 hot_x, u32 hot_y)
{
	struct virtio_gpu_update_cursor *req = REQ(cmd, virtio_gpu_update_cursor);

	req->pos.scanout_id = cpu_to_le32(scanout);
	req->pos.x = cpu_to_le32(x);
	req->pos.y = cpu_to_le32(y);
	req->resource_id = cpu_to_le32(id);
	req->hot_x = cpu_to_le32(hot_x);
	req->hot_y = cpu_to_le32(hot_y);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_encode_cursor);
