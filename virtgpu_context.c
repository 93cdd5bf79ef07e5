// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Contexts: what a file is at the host, and the host's capability sets.
 *
 * A file's context is made by CONTEXT_INIT, or when the file does the first
 * thing that needs one. The host is told of each resource that the file has a
 * handle of, once.
 */

#include <linux/sched.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/drm_print.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"

/* ---- capability sets ---------------------------------------------------- */

/* More sets than anybody has defined: what a host claims beyond is ignored. */
#define VIRTGPU_MAX_CAPSETS 64

/* No capability set is anywhere near this size, in bytes. */
#define VIRTGPU_MAX_CAPSET_SIZE SZ_1M

static int virtgpu_capset_query(struct virtgpu_device *vgdev, u32 index,
				struct virtgpu_capset *capset)
{
	const struct virtio_gpu_resp_capset_info *resp;
	struct virtgpu_cmd *cmd;
	int ret;

	cmd = virtgpu_cmd_alloc(vgdev, VIRTGPU_GET_CAPSET_INFO);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	virtgpu_encode_get_capset_info(cmd, index);
	ret = virtgpu_cmd_run(cmd);
	if (!ret) {
		resp = cmd->resp;
		capset->id = le32_to_cpu(resp->capset_id);
		capset->max_version = le32_to_cpu(resp->capset_max_version);
		capset->max_size = min_t(u32, le32_to_cpu(resp->capset_max_size),
					 VIRTGPU_MAX_CAPSET_SIZE);
	}
	virtgpu_cmd_put(cmd);
	return ret;
}

/* Ask for the list when it is first wanted, and again if that failed. */
static int virtgpu_capsets_load_locked(struct virtgpu_device *vgdev)
{
	u32 i, count = min_t(u32, vgdev->num_capsets, VIRTGPU_MAX_CAPSETS);
	struct virtgpu_capset *capsets;
	u64 mask = 0;
	int ret;

	lockdep_assert_held(&vgdev->capset_lock);

	if (vgdev->capsets || !count)
		return 0;

	capsets = kcalloc(count, sizeof(*capsets), GFP_KERNEL);
	if (!capsets)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		ret = virtgpu_capset_query(vgdev, i, &capsets[i]);
		if (ret) {
			kfree(capsets);
			return ret;
		}
		if (capsets[i].id < 64)
			mask |= BIT_ULL(capsets[i].id);
	}
	vgdev->capsets = capsets;
	vgdev->capset_mask = mask;
	vgdev->num_capsets = count;
	return 0;
}

/**
 * virtgpu_capset_mask() - which capability sets the host has
 * @vgdev: the device
 * @mask: set to a bit for each id below 64
 *
 * Process context; asks the host the first time.
 *
 * Return: 0 or a negative errno.
 */
int virtgpu_capset_mask(struct virtgpu_device *vgdev, u64 *mask)
{
	int ret;

	if (mutex_lock_killable(&vgdev->capset_lock))
		return -ERESTARTSYS;
	ret = virtgpu_capsets_load_locked(vgdev);
	*mask = vgdev->capset_mask;
	mutex_unlock(&vgdev->capset_lock);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_capset_mask);

/* The answer is kept only when there was one: an error is asked again. */
static int virtgpu_capset_fetch_locked(struct virtgpu_device *vgdev,
				       struct virtgpu_capset *capset, u32 version)
{
	struct virtgpu_cmd *cmd;
	void *data;
	int ret;

	lockdep_assert_held(&vgdev->capset_lock);

	if (capset->data && capset->version == version)
		return 0;

	data = kvzalloc(capset->max_size ?: 1, GFP_KERNEL);
	if (!data)
		return -ENOMEM;
	cmd = virtgpu_cmd_alloc(vgdev, VIRTGPU_GET_CAPSET);
	if (IS_ERR(cmd)) {
		kvfree(data);
		return PTR_ERR(cmd);
	}
	virtgpu_encode_get_capset(cmd, capset->id, version);
	ret = virtgpu_cmd_set_resp_size(cmd, sizeof(struct virtio_gpu_resp_capset) +
					     capset->max_size) ?:
	      virtgpu_cmd_run(cmd);
	/* A set that is shorter than the longest is filled up, one without a byte is none. */
	if (!ret && capset->max_size && cmd->used <= sizeof(struct virtio_gpu_resp_capset))
		ret = -EPROTO;
	if (!ret) {
		const struct virtio_gpu_resp_capset *resp = cmd->resp;

		memcpy(data, resp->capset_data, capset->max_size);
		swap(capset->data, data);
		capset->version = version;
	}
	virtgpu_cmd_put(cmd);
	kvfree(data);
	return ret;
}

/* The capability set, with its data in that version. */
VISIBLE_IF_KUNIT struct virtgpu_capset *
virtgpu_capset_get_locked(struct virtgpu_device *vgdev, u32 id, u32 version)
{
	struct virtgpu_capset *capset = NULL;
	u32 i;
	int ret;

	lockdep_assert_held(&vgdev->capset_lock);

	ret = virtgpu_capsets_load_locked(vgdev);
	if (ret)
		return ERR_PTR(ret);

	for (i = 0; i < vgdev->num_capsets; i++)
		if (vgdev->capsets[i].id == id && vgdev->capsets[i].max_version >= version)
			capset = &vgdev->capsets[i];
	if (!capset)
		return ERR_PTR(-EINVAL);

	ret = virtgpu_capset_fetch_locked(vgdev, capset, version);
	return ret ? ERR_PTR(ret) : capset;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_capset_get_locked);

/**
 * virtgpu_capset_copy() - give a program a capability set
 * @vgdev: the device
 * @id: capability set id
 * @version: wanted, at most the host's
 * @dst: where to
 * @size: of @dst in bytes; a longer set is cut, a shorter one leaves the rest
 *
 * Process context.
 *
 * Return: 0, -EINVAL for an id or version that the host does not have,
 * -EFAULT, or the error of the host.
 */
int virtgpu_capset_copy(struct virtgpu_device *vgdev, u32 id, u32 version,
			void __user *dst, u32 size)
{
	struct virtgpu_capset *capset;
	void *data = NULL;
	int ret = 0;

	if (mutex_lock_killable(&vgdev->capset_lock))
		return -ERESTARTSYS;
	capset = virtgpu_capset_get_locked(vgdev, id, version);
	if (IS_ERR(capset)) {
		ret = PTR_ERR(capset);
	} else {
		size = min(size, capset->max_size);
		data = kvmemdup(capset->data, size, GFP_KERNEL);
		if (size && !data)
			ret = -ENOMEM;
	}
	mutex_unlock(&vgdev->capset_lock);

	/* The program's memory may be of a kind that takes for ever to appear. */
	if (!ret && copy_to_user(dst, data, size))
		ret = -EFAULT;
	kvfree(data);
	return ret;
}

/**
 * virtgpu_capsets_free() - forget the host's capability sets
 * @vgdev: the device
 */
void virtgpu_capsets_free(struct virtgpu_device *vgdev)
{
	u32 i;

	for (i = 0; vgdev->capsets && i < vgdev->num_capsets; i++)
		kvfree(vgdev->capsets[i].data);
	kfree(vgdev->capsets);
}

/* ---- contexts ----------------------------------------------------------- */

static void virtgpu_context_free(struct kref *kref)
{
	struct virtgpu_context *ctx = container_of(kref, struct virtgpu_context, refs);

	if (ctx->id)
		ida_free(&ctx->vgdev->context_ids, ctx->id);
	kfree(ctx->timelines);
	kfree(ctx);
}

/**
 * virtgpu_context_put() - drop a reference to a context
 * @ctx: the context or NULL
 *
 * Any context.
 */
void virtgpu_context_put(struct virtgpu_context *ctx)
{
	if (ctx)
		kref_put(&ctx->refs, virtgpu_context_free);
}

/**
 * virtgpu_open() - &drm_driver.open
 * @drm: the DRM device
 * @file: the file
 *
 * Return: 0 or -ENOMEM.
 */
int virtgpu_open(struct drm_device *drm, struct drm_file *file)
{
	struct virtgpu_context *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);

	if (!ctx)
		return -ENOMEM;
	kref_init(&ctx->refs);
	ctx->vgdev = to_virtgpu_device(drm);
	mutex_init(&ctx->lock);
	xa_init(&ctx->attached);
	virtgpu_submit_init_context(ctx);
	virtgpu_timeline_init(&ctx->timeline, ctx->vgdev);
	file->driver_priv = ctx;

	guard(mutex)(&ctx->vgdev->contexts_lock);
	list_add(&ctx->link, &ctx->vgdev->contexts);
	return 0;
}

/* What the host refused, or has lost, is not there to be destroyed. */
static void virtgpu_context_destroy(struct virtgpu_context *ctx)
{
	struct virtgpu_cmd *cmd = xchg(&ctx->destroy, NULL);

	if (!cmd)
		return;
	if (READ_ONCE(ctx->error))
		virtgpu_cmd_put(cmd);
	else
		virtgpu_queue_submit(cmd);
}

/**
 * virtgpu_postclose() - &drm_driver.postclose
 * @drm: the DRM device
 * @file: the file
 *
 * Submissions that still wait for a fence, or for room in the ring, have a moment;
 * then they are cancelled. What the host has is left to the host.
 */
void virtgpu_postclose(struct drm_device *drm, struct drm_file *file)
{
	struct virtgpu_context *ctx = file->driver_priv;

	virtgpu_submit_drain(ctx);
	mutex_lock(&ctx->vgdev->contexts_lock);
	list_del(&ctx->link);
	mutex_unlock(&ctx->vgdev->contexts_lock);

	virtgpu_submit_cancel(ctx);
	if (atomic_fetch_or(VIRTGPU_CTX_CLOSED, &ctx->fate) & VIRTGPU_CTX_SETTLED)
		virtgpu_context_destroy(ctx);
	xa_destroy(&ctx->attached);
	virtgpu_context_put(ctx);
}

static void virtgpu_context_lose(struct virtgpu_context *ctx, int error)
{
	mutex_lock(&ctx->lock);
	/* Of a device that has gone, no context is made any more. */
	if (ctx->created || error == -ENODEV)
		WRITE_ONCE(ctx->error, error);
	if (ctx->created)
		virtgpu_context_destroy(ctx);
	mutex_unlock(&ctx->lock);
	virtgpu_submit_cancel(ctx);
}

/**
 * virtgpu_contexts_lose() - the host has no context any more
 * @vgdev: the device, reset
 * @error: negative errno for whoever uses them
 *
 * Process context.
 */
void virtgpu_contexts_lose(struct virtgpu_device *vgdev, int error)
{
	struct virtgpu_context *ctx;

	guard(mutex)(&vgdev->contexts_lock);
	list_for_each_entry(ctx, &vgdev->contexts, link)
		virtgpu_context_lose(ctx, error);
}

static void virtgpu_context_created(struct virtgpu_cmd *cmd)
{
	struct virtgpu_context *ctx = cmd->ctx;

	if (cmd->error)
		WRITE_ONCE(ctx->error, cmd->error);
	if (atomic_fetch_or(VIRTGPU_CTX_SETTLED, &ctx->fate) & VIRTGPU_CTX_CLOSED)
		virtgpu_context_destroy(ctx);
}

static struct virtgpu_cmd *virtgpu_context_cmd(struct virtgpu_context *ctx,
					       enum virtgpu_cmd_id id)
{
	struct virtgpu_cmd *cmd = virtgpu_cmd_alloc(ctx->vgdev, id);

	if (!IS_ERR(cmd))
		virtgpu_cmd_set_context(cmd, ctx);
	return cmd;
}

/* Both commands are made first, so that the end of a context cannot fail. */
static int virtgpu_context_create_locked(struct virtgpu_context *ctx)
{
	char name[sizeof(ctx->name)];
	struct virtgpu_cmd *create, *destroy;
	int id;

	lockdep_assert_held(&ctx->lock);

	id = ida_alloc_min(&ctx->vgdev->context_ids, 1, GFP_KERNEL);
	if (id < 0)
		return id;
	ctx->id = id;
	ctx->generation = READ_ONCE(ctx->vgdev->generation);

	create = virtgpu_context_cmd(ctx, VIRTGPU_CTX_CREATE);
	destroy = virtgpu_context_cmd(ctx, VIRTGPU_CTX_DESTROY);
	if (IS_ERR(create) || IS_ERR(destroy)) {
		if (!IS_ERR(create))
			virtgpu_cmd_put(create);
		if (!IS_ERR(destroy))
			virtgpu_cmd_put(destroy);
		ida_free(&ctx->vgdev->context_ids, id);
		ctx->id = 0;
		return -ENOMEM;
	}

	strscpy_pad(name, ctx->name[0] ? ctx->name : current->comm);
	virtgpu_encode_ctx_create(create, ctx->init, name);
	create->done = virtgpu_context_created;
	create->reported = true;
	destroy->fenced = true;
	ctx->destroy = destroy;
	virtgpu_queue_submit(create);
	/* Pairs with virtgpu_context_is_created(): no command goes before this one. */
	smp_store_release(&ctx->created, true);
	return 0;
}

/**
 * virtgpu_context_get() - the context of a file, made if it is not there yet
 * @file: the file
 *
 * Process context; takes the context lock.
 *
 * Return: the context, valid as long as the file, ERR_PTR(-ENOSYS) when the
 * host has no 3D, or the error with which the host refused the context.
 */
struct virtgpu_context *virtgpu_context_get(struct drm_file *file)
{
	struct virtgpu_context *ctx = file->driver_priv;
	int ret = 0;

	if (!ctx->vgdev->has_virgl)
		return ERR_PTR(-ENOSYS);
	if (likely(virtgpu_context_is_created(ctx)))
		return READ_ONCE(ctx->error) ? ERR_PTR(ctx->error) : ctx;

	mutex_lock(&ctx->lock);
	if (!ctx->created)
		ret = virtgpu_context_create_locked(ctx);
	mutex_unlock(&ctx->lock);
	return ret ? ERR_PTR(ret) : ctx;
}

/**
 * virtgpu_context_init() - make a context as the program wants it
 * @file: the file
 * @params: what CONTEXT_INIT was given
 *
 * Return: 0, -EEXIST when the file has one already, or -ENOMEM.
 */
int virtgpu_context_init(struct drm_file *file, const struct virtgpu_context_params *params)
{
	struct virtgpu_context *ctx = file->driver_priv;
	struct virtgpu_timeline *timelines = NULL;
	u32 i;
	int ret;

	if (params->num_rings) {
		timelines = kcalloc(params->num_rings, sizeof(*timelines), GFP_KERNEL);
		if (!timelines)
			return -ENOMEM;
		for (i = 0; i < params->num_rings; i++)
			virtgpu_timeline_init(&timelines[i], ctx->vgdev);
	}

	mutex_lock(&ctx->lock);
	if (ctx->created) {
		ret = -EEXIST;
		goto out_unlock;
	}
	ctx->init = params->capset_id;
	ctx->poll_mask = params->poll_mask;
	strscpy(ctx->name, params->name);
	swap(ctx->timelines, timelines);
	ctx->num_rings = params->num_rings;
	ret = virtgpu_context_create_locked(ctx);
	if (ret) {
		swap(ctx->timelines, timelines);
		ctx->num_rings = 0;
		ctx->init = 0;
		ctx->poll_mask = 0;
		ctx->name[0] = '\0';
	}

out_unlock:
	mutex_unlock(&ctx->lock);
	kfree(timelines);
	return ret;
}

/*
 * The id of a resource that has gone is given to another, and what the context
 * had attached of it, the host has detached by itself.
 */
static bool virtgpu_context_has(struct virtgpu_context *ctx, const struct virtgpu_resource *res)
{
	return xa_load(&ctx->attached, res->id) == xa_mk_value(res->serial);
}

/* Fails without effect. */
static int virtgpu_context_insert_locked(struct virtgpu_context *ctx,
					 const struct virtgpu_resource *res)
{
	struct virtgpu_cmd *cmd;
	int ret;

	lockdep_assert_held(&ctx->lock);

	ret = xa_err(xa_store(&ctx->attached, res->id, xa_mk_value(res->serial), GFP_KERNEL));
	if (ret)
		return ret;
	cmd = virtgpu_context_cmd(ctx, VIRTGPU_CTX_ATTACH_RESOURCE);
	if (IS_ERR(cmd)) {
		xa_erase(&ctx->attached, res->id);
		return PTR_ERR(cmd);
	}
	/* Whoever uses a resource that the host refused is told so. */
	cmd->reported = true;
	virtgpu_encode_ctx_resource(cmd, res->id);
	virtgpu_queue_submit(cmd);
	return 0;
}

/**
 * virtgpu_context_attach_locked() - let a context use a resource
 * @ctx: the context, with its lock
 * @res: the resource
 *
 * Does nothing the second time, nor without 3D. Process context.
 *
 * Return: 0 or a negative errno.
 */
int virtgpu_context_attach_locked(struct virtgpu_context *ctx, struct virtgpu_resource *res)
{
	lockdep_assert_held(&ctx->lock);

	/* A context that is lost uses nothing any more. */
	if (likely(virtgpu_context_has(ctx, res)) || !ctx->created || ctx->error)
		return 0;
	return virtgpu_context_insert_locked(ctx, res);
}

/**
 * virtgpu_context_attach() - let a context use a resource
 * @ctx: the context
 * @res: the resource
 *
 * As virtgpu_context_attach_locked(); takes the context lock.
 *
 * Return: 0 or a negative errno.
 */
int virtgpu_context_attach(struct virtgpu_context *ctx, struct virtgpu_resource *res)
{
	if (likely(virtgpu_context_has(ctx, res)))
		return 0;
	guard(mutex)(&ctx->lock);
	return virtgpu_context_attach_locked(ctx, res);
}

/**
 * virtgpu_context_detach() - a context is done with a resource
 * @ctx: the context
 * @res: the resource
 *
 * Process context; takes the context lock. While submissions wait for fences,
 * which may use the resource, and without memory, it stays attached at the host
 * until it or the context goes. So does a resource that the host has not taken
 * yet, since it may still refuse it.
 */
void virtgpu_context_detach(struct virtgpu_context *ctx, struct virtgpu_resource *res)
{
	struct virtgpu_cmd *cmd;

	guard(mutex)(&ctx->lock);
	if (!virtgpu_context_has(ctx, res))
		return;
	xa_erase(&ctx->attached, res->id);
	if (ctx->error || virtgpu_resource_read_state(res) != VIRTGPU_RES_LIVE ||
	    !list_empty_careful(&ctx->jobs))
		return;
	cmd = virtgpu_context_cmd(ctx, VIRTGPU_CTX_DETACH_RESOURCE);
	if (IS_ERR(cmd))
		return;
	virtgpu_encode_ctx_resource(cmd, res->id);
	virtgpu_queue_submit(cmd);
}
