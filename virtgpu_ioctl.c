// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The ioctls of drm/virtgpu_drm.h: arguments are checked here, the work is
 * done elsewhere.
 */

#include <linux/dma-resv.h>
#include <linux/uaccess.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"

/* How long VIRTGPU_WAIT waits, in seconds. */
#define VIRTGPU_WAIT_SECONDS 15

/* PIPE_TEXTURE_* of the Gallium headers that the protocol comes from. */
#define VIRTGPU_TARGET_2D 2
#define VIRTGPU_TARGET_RECT 5

static int virtgpu_getparam_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(drm);
	struct drm_virtgpu_getparam *param = data;
	u64 value = 0;
	int ret;

	switch (param->param) {
	case VIRTGPU_PARAM_3D_FEATURES:
		value = vgdev->has_virgl;
		break;
	case VIRTGPU_PARAM_CAPSET_QUERY_FIX:
		value = 1;
		break;
	case VIRTGPU_PARAM_RESOURCE_BLOB:
		value = vgdev->has_blob;
		break;
	case VIRTGPU_PARAM_HOST_VISIBLE:
		value = vgdev->has_host_visible;
		break;
	case VIRTGPU_PARAM_CROSS_DEVICE:
		value = vgdev->has_uuid;
		break;
	case VIRTGPU_PARAM_CONTEXT_INIT:
		value = vgdev->has_context_init;
		break;
	case VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs:
		ret = virtgpu_capset_mask(vgdev, &value);
		if (ret)
			return ret;
		break;
	case VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME:
		value = vgdev->has_context_init;
		break;
	case VIRTGPU_PARAM_BLOB_ALIGNMENT:
		if (!vgdev->blob_alignment)
			return -ENOENT;
		value = vgdev->blob_alignment;
		break;
	default:
		return -EINVAL;
	}

	/* Programs give an int, and more only where more can come. */
	return copy_to_user(u64_to_user_ptr(param->value), &value,
			    value >> 32 ? sizeof(u64) : sizeof(u32)) ? -EFAULT : 0;
}

static int virtgpu_map_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_virtgpu_map *map = data;
	struct drm_gem_object *gem = drm_gem_object_lookup(file, map->handle);
	int ret;

	if (!gem)
		return -ENOENT;
	ret = drm_gem_create_mmap_offset(gem);
	if (!ret)
		map->offset = drm_vma_node_offset_addr(&gem->vma_node);
	drm_gem_object_put(gem);
	return ret;
}

/* The host is done with the object; was it done well? */
static int virtgpu_wait_result(struct virtgpu_object *obj, int writes)
{
	const struct virtgpu_resource *res = virtgpu_object_peek_resource(obj);

	virtgpu_object_sync_for_cpu(obj, writes);
	return res && virtgpu_resource_read_state(res) == VIRTGPU_RES_FAILED ? res->error : 0;
}

static int virtgpu_wait_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_virtgpu_3d_wait *wait = data;
	struct drm_gem_object *gem;
	int writes;
	long left;

	if (wait->flags & ~VIRTGPU_WAIT_NOWAIT)
		return -EINVAL;
	gem = drm_gem_object_lookup(file, wait->handle);
	if (!gem)
		return -ENOENT;

	writes = atomic_read(&to_virtgpu_object(gem)->writes);
	if (wait->flags & VIRTGPU_WAIT_NOWAIT)
		left = dma_resv_test_signaled(gem->resv, DMA_RESV_USAGE_READ);
	else
		left = dma_resv_wait_timeout(gem->resv, DMA_RESV_USAGE_READ, true,
					     VIRTGPU_WAIT_SECONDS * HZ);
	if (left > 0)
		left = virtgpu_wait_result(to_virtgpu_object(gem), writes);
	else if (!left)
		left = -EBUSY;
	drm_gem_object_put(gem);
	return left;
}

static int virtgpu_resource_info_ioctl(struct drm_device *drm, void *data,
				       struct drm_file *file)
{
	struct drm_virtgpu_resource_info *info = data;
	struct virtgpu_context *ctx = file->driver_priv;
	struct virtgpu_resource *res;
	struct drm_gem_object *gem;
	int ret = 0;

	gem = drm_gem_object_lookup(file, info->bo_handle);
	if (!gem)
		return -ENOENT;

	/* Only the first question is one to the host. */
	if (!virtgpu_object_peek_resource(to_virtgpu_object(gem)))
		ret = virtgpu_queue_throttle(&to_virtgpu_device(drm)->ctrl);
	if (ret)
		goto out_put;
	res = virtgpu_object_resource(to_virtgpu_object(gem));
	if (IS_ERR(res)) {
		ret = PTR_ERR(res);
		goto out_put;
	}
	/* The program is about to use the id in its commands. */
	if (virtgpu_context_is_created(ctx))
		ret = virtgpu_context_attach(ctx, res);
	info->res_handle = res->id;
	info->size = gem->size;
	info->blob_mem = res->blob_mem;

out_put:
	drm_gem_object_put(gem);
	return ret;
}

/* Puts the creator's reference in any case. */
static int virtgpu_publish_object(struct virtgpu_object *obj, struct drm_file *file,
				  u32 *bo_handle, u32 *res_handle)
{
	int ret = drm_gem_handle_create(file, &obj->base.base, bo_handle);

	*res_handle = obj->res->id;
	drm_gem_object_put(&obj->base.base);
	return ret;
}

/* What can be shown; others have no width and height for us. */
static bool virtgpu_target_is_picture(u32 target)
{
	return target == VIRTGPU_TARGET_2D || target == VIRTGPU_TARGET_RECT;
}

static int virtgpu_resource_create_ioctl(struct drm_device *drm, void *data,
					 struct drm_file *file)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(drm);
	struct drm_virtgpu_resource_create *args = data;
	bool picture = virtgpu_target_is_picture(args->target);
	struct virtgpu_resource_desc desc = {
		.kind = VIRTGPU_RES_3D, .format = args->format,
		.width = picture ? args->width : 0, .height = picture ? args->height : 0,
		.create_3d = args,
	};
	struct virtgpu_context *ctx;
	struct virtgpu_object *obj;
	int ret;

	ret = virtgpu_queue_throttle(&vgdev->ctrl);
	if (ret)
		return ret;
	if (vgdev->has_virgl) {
		ctx = virtgpu_context_get(file);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	} else {
		if (args->depth > 1 || args->nr_samples > 1 || args->last_level > 1 ||
		    args->target != VIRTGPU_TARGET_2D || args->array_size > 1)
			return -EINVAL;
		desc.kind = VIRTGPU_RES_2D;
	}

	obj = virtgpu_object_create(vgdev, args->size ?: PAGE_SIZE);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	ret = virtgpu_object_init_resource(obj, &desc);
	if (ret) {
		drm_gem_object_put(&obj->base.base);
		return ret;
	}
	return virtgpu_publish_object(obj, file, &args->bo_handle, &args->res_handle);
}

#define VIRTGPU_BLOB_FLAGS (VIRTGPU_BLOB_FLAG_USE_MAPPABLE | VIRTGPU_BLOB_FLAG_USE_SHAREABLE | \
			    VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE)

VISIBLE_IF_KUNIT int virtgpu_check_blob(struct virtgpu_device *vgdev,
					const struct drm_virtgpu_resource_create_blob *args)
{
	if (!vgdev->has_blob || args->blob_flags & ~VIRTGPU_BLOB_FLAGS ||
	    args->pad || !args->size || !virtgpu_blob_hints_valid(args))
		return -EINVAL;
	/* A UUID is what names a buffer across devices. */
	if (args->blob_flags & VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE && !vgdev->has_uuid)
		return -EINVAL;

	switch (args->blob_mem) {
	case VIRTGPU_BLOB_MEM_GUEST:
		return args->blob_id || args->cmd_size ? -EINVAL : 0;
	case VIRTGPU_BLOB_MEM_HOST3D:
	case VIRTGPU_BLOB_MEM_HOST3D_GUEST:
		if (!vgdev->has_virgl || args->cmd_size % 4)
			return -EINVAL;
		return 0;
	default:
		return -EINVAL;
	}
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_check_blob);

static struct virtgpu_object *
virtgpu_blob_object(struct virtgpu_device *vgdev,
		    const struct drm_virtgpu_resource_create_blob *args)
{
	u64 align = max_t(u64, PAGE_SIZE, vgdev->blob_alignment);
	u64 size = ALIGN(args->size, align);

	if (size < args->size || size > SIZE_MAX)
		return ERR_PTR(-EINVAL);
	if (args->blob_mem == VIRTGPU_BLOB_MEM_HOST3D)
		return virtgpu_vram_create(vgdev, size, args->blob_flags,
					   virtgpu_blob_deferred(args));
	return virtgpu_object_create(vgdev, size);
}

static int virtgpu_resource_create_blob_ioctl(struct drm_device *drm, void *data,
					      struct drm_file *file)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(drm);
	struct drm_virtgpu_resource_create_blob *args = data;
	struct virtgpu_resource_desc desc = { .kind = VIRTGPU_RES_BLOB, .create_blob = args };
	struct virtgpu_object *obj;
	int ret;

	ret = virtgpu_check_blob(vgdev, args) ?: virtgpu_queue_throttle(&vgdev->ctrl);
	if (ret)
		return ret;

	if (vgdev->has_virgl) {
		struct virtgpu_context *ctx = virtgpu_context_get(file);

		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
		if (args->blob_mem != VIRTGPU_BLOB_MEM_GUEST)
			desc.ctx = ctx;
	}
	/* What it is a blob of is made by a submission. */
	if (desc.ctx)
		ret = virtgpu_submit_flush(desc.ctx);
	if (ret)
		return ret;
	if (args->cmd_size) {
		desc.command = virtgpu_payload_from_user(vgdev, u64_to_user_ptr(args->cmd),
							 args->cmd_size);
		if (IS_ERR(desc.command))
			return PTR_ERR(desc.command);
	}

	obj = virtgpu_blob_object(vgdev, args);
	if (IS_ERR(obj)) {
		ret = PTR_ERR(obj);
		goto out_free;
	}
	obj->shareable = args->blob_flags & VIRTGPU_BLOB_FLAG_USE_SHAREABLE;
	ret = virtgpu_object_init_resource(obj, &desc);
	if (!ret && args->blob_flags & VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE)
		ret = virtio_gpu_resource_assign_uuid(vgdev, obj->res);
	if (ret) {
		drm_gem_object_put(&obj->base.base);
		goto out_free;
	}
	ret = virtgpu_publish_object(obj, file, &args->bo_handle, &args->res_handle);

out_free:
	virtgpu_payload_free(desc.command);
	return ret;
}

static int virtgpu_transfer(struct virtgpu_device *vgdev, struct virtgpu_context *ctx,
			    struct drm_gem_object *gem, enum virtgpu_cmd_id id,
			    const struct drm_virtgpu_3d_transfer_to_host *args)
{
	struct virtgpu_object *obj = to_virtgpu_object(gem);
	struct virtgpu_resource *res = virtgpu_object_resource(obj);
	struct virtgpu_cmd *cmd;

	if (IS_ERR(res))
		return PTR_ERR(res);
	/* The host's memory has no guest pages to transfer from or to. */
	if (obj->vram)
		return -EINVAL;

	cmd = virtgpu_cmd_alloc(vgdev, id);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	if (id == VIRTGPU_TRANSFER_TO_HOST_2D) {
		struct drm_rect rect = DRM_RECT_INIT(args->box.x, args->box.y,
						     args->box.w, args->box.h);

		virtgpu_encode_transfer_2d(cmd, res->id, args->offset, &rect);
	} else {
		virtgpu_encode_transfer_3d(cmd, res->id, args);
	}
	/* Its fence is on the timeline of the context, with 3D or without. */
	virtgpu_cmd_set_context(cmd, ctx);
	cmd->reported = true;
	return virtgpu_submit_for_object(ctx, cmd, gem);
}

/* A box that a 2D transfer can carry, inside what the host knows. */
static int virtgpu_check_transfer_2d(const struct drm_virtgpu_3d_transfer_to_host *args,
				     struct virtgpu_object *obj)
{
	struct virtgpu_resource *res = virtgpu_object_resource(obj);

	if (IS_ERR(res))
		return PTR_ERR(res);
	if (args->level || args->box.z || args->box.d != 1 || args->stride ||
	    args->layer_stride)
		return -EINVAL;
	if (args->box.x > res->width || args->box.w > res->width - args->box.x ||
	    args->box.y > res->height || args->box.h > res->height - args->box.y)
		return -EINVAL;
	if (args->offset > obj->base.base.size)
		return -EINVAL;
	return virtgpu_resource_wait(res);
}

static int virtgpu_transfer_ioctl(struct drm_device *drm, void *data, struct drm_file *file,
				  enum virtgpu_cmd_id id)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(drm);
	struct drm_virtgpu_3d_transfer_to_host *args = data;
	struct virtgpu_context *ctx = file->driver_priv;
	struct drm_gem_object *gem;
	int ret;

	if (!vgdev->has_virgl && id == VIRTGPU_TRANSFER_FROM_HOST_3D)
		return -ENOSYS;
	ret = virtgpu_queue_throttle(&vgdev->ctrl);
	if (ret)
		return ret;
	gem = drm_gem_object_lookup(file, args->bo_handle);
	if (!gem)
		return -ENOENT;

	if (vgdev->has_virgl) {
		ctx = virtgpu_context_get(file);
		ret = IS_ERR(ctx) ? PTR_ERR(ctx) :
				    virtgpu_object_use(to_virtgpu_object(gem));
	} else {
		id = VIRTGPU_TRANSFER_TO_HOST_2D;
		ret = virtgpu_check_transfer_2d(args, to_virtgpu_object(gem));
		virtgpu_object_sync_for_device(to_virtgpu_object(gem), 0, gem->size);
	}
	if (!ret)
		ret = virtgpu_transfer(vgdev, ctx, gem, id, args);
	drm_gem_object_put(gem);
	return ret;
}

static_assert(sizeof(struct drm_virtgpu_3d_transfer_from_host) ==
	      sizeof(struct drm_virtgpu_3d_transfer_to_host));

static int virtgpu_transfer_to_host_ioctl(struct drm_device *drm, void *data,
					  struct drm_file *file)
{
	return virtgpu_transfer_ioctl(drm, data, file, VIRTGPU_TRANSFER_TO_HOST_3D);
}

static int virtgpu_transfer_from_host_ioctl(struct drm_device *drm, void *data,
					    struct drm_file *file)
{
	return virtgpu_transfer_ioctl(drm, data, file, VIRTGPU_TRANSFER_FROM_HOST_3D);
}

static int virtgpu_get_caps_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(drm);
	struct drm_virtgpu_get_caps *args = data;

	if (!vgdev->num_capsets)
		return -ENOSYS;
	if (!args->size)
		return -EINVAL;
	return virtgpu_capset_copy(vgdev, args->cap_set_id, args->cap_set_ver,
				   u64_to_user_ptr(args->addr), args->size);
}

static int virtgpu_execbuffer_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(drm);
	struct drm_virtgpu_execbuffer *args = data;
	int ret;

	if (!vgdev->has_virgl)
		return -ENOSYS;
	if (args->flags & ~VIRTGPU_EXECBUF_FLAGS)
		return -EINVAL;
	if (args->flags & VIRTGPU_EXECBUF_RING_IDX && !vgdev->has_context_init)
		return -EINVAL;
	ret = virtgpu_queue_throttle(&vgdev->ctrl);
	return ret ?: virtgpu_execbuffer(file, args);
}

static int virtgpu_context_param(struct virtgpu_device *vgdev,
				 const struct drm_virtgpu_context_set_param *param,
				 struct virtgpu_context_params *params)
{
	u64 mask;
	long len;
	int ret;

	switch (param->param) {
	case VIRTGPU_CONTEXT_PARAM_CAPSET_ID:
		ret = virtgpu_capset_mask(vgdev, &mask);
		if (ret)
			return ret;
		if (params->capset_id || !param->value || param->value > 63 ||
		    !(mask & BIT_ULL(param->value)))
			return -EINVAL;
		params->capset_id = param->value;
		return 0;
	case VIRTGPU_CONTEXT_PARAM_NUM_RINGS:
		if (params->num_rings || !param->value || param->value > VIRTGPU_MAX_RINGS)
			return -EINVAL;
		params->num_rings = param->value;
		return 0;
	case VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK:
		if (params->poll_mask)
			return -EINVAL;
		params->poll_mask = param->value;
		return 0;
	case VIRTGPU_CONTEXT_PARAM_DEBUG_NAME:
		if (params->name[0])
			return -EINVAL;
		len = strncpy_from_user(params->name, u64_to_user_ptr(param->value),
					sizeof(params->name));
		if (len < 0)
			return -EFAULT;
		params->name[sizeof(params->name) - 1] = 0;
		return 0;
	default:
		return -EINVAL;
	}
}

/* Parameters of a context that exist; each may be given once. */
#define VIRTGPU_MAX_CONTEXT_PARAMS 4

static int virtgpu_context_init_ioctl(struct drm_device *drm, void *data,
				      struct drm_file *file)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(drm);
	struct drm_virtgpu_context_init *args = data;
	struct drm_virtgpu_context_set_param list[VIRTGPU_MAX_CONTEXT_PARAMS];
	struct virtgpu_context_params params = {};
	u32 i;
	int ret;

	if (!vgdev->has_context_init || !vgdev->has_virgl || args->pad ||
	    args->num_params > ARRAY_SIZE(list))
		return -EINVAL;
	if (copy_from_user(list, u64_to_user_ptr(args->ctx_set_params),
			   args->num_params * sizeof(*list)))
		return -EFAULT;

	for (i = 0; i < args->num_params; i++) {
		ret = virtgpu_context_param(vgdev, &list[i], &params);
		if (ret)
			return ret;
	}
	/* Only rings that the context has can be polled. */
	if (params.poll_mask &&
	    (!params.num_rings || params.poll_mask & ~GENMASK_ULL(params.num_rings - 1, 0)))
		return -EINVAL;
	return virtgpu_queue_throttle(&vgdev->ctrl) ?: virtgpu_context_init(file, &params);
}

#define VIRTGPU_IOCTL(_name, _func) \
	DRM_IOCTL_DEF_DRV(VIRTGPU_##_name, _func, DRM_RENDER_ALLOW)

const struct drm_ioctl_desc virtgpu_ioctls[DRM_VIRTGPU_CONTEXT_INIT + 1] = {
	VIRTGPU_IOCTL(MAP, virtgpu_map_ioctl),
	VIRTGPU_IOCTL(EXECBUFFER, virtgpu_execbuffer_ioctl),
	VIRTGPU_IOCTL(GETPARAM, virtgpu_getparam_ioctl),
	VIRTGPU_IOCTL(RESOURCE_CREATE, virtgpu_resource_create_ioctl),
	VIRTGPU_IOCTL(RESOURCE_INFO, virtgpu_resource_info_ioctl),
	VIRTGPU_IOCTL(TRANSFER_FROM_HOST, virtgpu_transfer_from_host_ioctl),
	VIRTGPU_IOCTL(TRANSFER_TO_HOST, virtgpu_transfer_to_host_ioctl),
	VIRTGPU_IOCTL(WAIT, virtgpu_wait_ioctl),
	VIRTGPU_IOCTL(GET_CAPS, virtgpu_get_caps_ioctl),
	VIRTGPU_IOCTL(RESOURCE_CREATE_BLOB, virtgpu_resource_create_blob_ioctl),
	VIRTGPU_IOCTL(CONTEXT_INIT, virtgpu_context_init_ioctl),
};
