// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The ioctls of drm/virtgpu_drm.h: arguments are checked here, the work is
 * done elsewhere.
 */

#include <linux/dma-resv.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>

#include "virtgpu_drv.h"

/* How long VIRTGPU_WAIT waits, in seconds. */
#define VIRTGPU_WAIT_SECONDS 15

static int virtgpu_getparam_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_virtgpu_getparam *param = data;
	int value;

	switch (param->param) {
	case VIRTGPU_PARAM_3D_FEATURES:
	case VIRTGPU_PARAM_RESOURCE_BLOB:
	case VIRTGPU_PARAM_HOST_VISIBLE:
	case VIRTGPU_PARAM_CROSS_DEVICE:
	case VIRTGPU_PARAM_CONTEXT_INIT:
	case VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs:
	case VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME:
		value = 0;
		break;
	case VIRTGPU_PARAM_CAPSET_QUERY_FIX:
		value = 1;
		break;
	default:
		return -EINVAL;
	}

	return copy_to_user(u64_to_user_ptr(param->value), &value, sizeof(value)) ? -EFAULT : 0;
}

static int virtgpu_map_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_virtgpu_map *map = data;

	return drm_gem_dumb_map_offset(file, drm, map->handle, &map->offset);
}

static int virtgpu_wait_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_virtgpu_3d_wait *wait = data;
	struct drm_gem_object *gem;
	long left;

	if (wait->flags & ~VIRTGPU_WAIT_NOWAIT)
		return -EINVAL;
	gem = drm_gem_object_lookup(file, wait->handle);
	if (!gem)
		return -ENOENT;

	if (wait->flags & VIRTGPU_WAIT_NOWAIT)
		left = dma_resv_test_signaled(gem->resv, DMA_RESV_USAGE_READ);
	else
		left = dma_resv_wait_timeout(gem->resv, DMA_RESV_USAGE_READ, true,
					     VIRTGPU_WAIT_SECONDS * HZ);
	drm_gem_object_put(gem);
	if (left < 0)
		return left;
	return left ? 0 : -EBUSY;
}

#define VIRTGPU_IOCTL(_name, _func) \
	DRM_IOCTL_DEF_DRV(VIRTGPU_##_name, _func, DRM_RENDER_ALLOW)

const struct drm_ioctl_desc virtgpu_ioctls[DRM_VIRTGPU_CONTEXT_INIT + 1] = {
	VIRTGPU_IOCTL(MAP, virtgpu_map_ioctl),
	VIRTGPU_IOCTL(GETPARAM, virtgpu_getparam_ioctl),
	VIRTGPU_IOCTL(WAIT, virtgpu_wait_ioctl),
};
