// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * GEM: what programs do with objects, besides showing them.
 */

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_mode.h>

#include "virtgpu_drv.h"

static enum drm_gem_object_status virtgpu_gem_status(struct drm_gem_object *gem)
{
	return to_drm_gem_shmem_obj(gem)->pages ? DRM_GEM_OBJECT_RESIDENT : 0;
}

/**
 * virtgpu_gem_open() - &drm_gem_object_funcs.open: a file gets a handle
 * @gem: the GEM object
 * @file: the file
 *
 * Return: 0 or a negative errno.
 */
int virtgpu_gem_open(struct drm_gem_object *gem, struct drm_file *file)
{
	struct virtgpu_resource *res = virtgpu_object_peek_resource(to_virtgpu_object(gem));
	struct virtgpu_context *ctx = file->driver_priv;

	/* Whoever uses it later attaches it then. */
	if (!res || !virtgpu_context_is_created(ctx))
		return 0;
	return virtgpu_context_attach(ctx, res);
}

/**
 * virtgpu_gem_close() - &drm_gem_object_funcs.close: a file's handle goes
 * @gem: the GEM object
 * @file: the file
 */
void virtgpu_gem_close(struct drm_gem_object *gem, struct drm_file *file)
{
	struct virtgpu_resource *res = virtgpu_object_peek_resource(to_virtgpu_object(gem));

	if (res)
		virtgpu_context_detach(file->driver_priv, res);
}

const struct drm_gem_object_funcs virtgpu_gem_funcs = {
	.free = virtgpu_object_free,
	.open = virtgpu_gem_open,
	.close = virtgpu_gem_close,
	.export = virtgpu_gem_prime_export,
	.print_info = drm_gem_shmem_object_print_info,
	.pin = drm_gem_shmem_object_pin,
	.unpin = drm_gem_shmem_object_unpin,
	.get_sg_table = drm_gem_shmem_object_get_sg_table,
	.vmap = drm_gem_shmem_object_vmap,
	.vunmap = drm_gem_shmem_object_vunmap,
	.mmap = drm_gem_shmem_object_mmap,
	.status = virtgpu_gem_status,
	.vm_ops = &drm_gem_shmem_vm_ops,
};

/**
 * virtgpu_dumb_create() - &drm_driver.dumb_create
 * @file: who asks
 * @drm: the DRM device
 * @args: width and height in pixels, bits a pixel; handle, pitch and size out
 *
 * No page is allocated and the host hears nothing of the buffer before it is
 * mapped or becomes a framebuffer, which also says what its format is.
 *
 * Return: 0, -EINVAL for a size or depth that no framebuffer here can have,
 * or -ENOMEM.
 */
int virtgpu_dumb_create(struct drm_file *file, struct drm_device *drm,
			struct drm_mode_create_dumb *args)
{
	struct virtgpu_object *obj;
	u32 pitch;
	u64 size;
	int ret;

	if (args->flags || args->bpp % 8 || args->bpp < 8 || args->bpp > 32)
		return -EINVAL;
	if (check_mul_overflow(args->width, args->bpp / 8, &pitch) || pitch > U32_MAX - 3)
		return -EINVAL;
	pitch = ALIGN(pitch, 4);
	size = PAGE_ALIGN((u64)pitch * args->height);
	if (!size || size > U32_MAX)
		return -EINVAL;

	obj = virtgpu_object_create(to_virtgpu_device(drm), size);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	obj->width = args->width;
	obj->height = args->height;

	ret = drm_gem_handle_create(file, &obj->base.base, &args->handle);
	drm_gem_object_put(&obj->base.base);
	if (ret)
		return ret;

	args->pitch = pitch;
	args->size = size;
	return 0;
}
