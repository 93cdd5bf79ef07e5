// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Prime: buffers shared with other devices. They are exported as virtio
 * dma-bufs, so that other virtio drivers know them for what they are.
 */

#include <linux/module.h>
#include <linux/virtio_dma_buf.h>

#include <drm/drm_gem.h>
#include <drm/drm_prime.h>

#include "virtgpu_drv.h"

/*
 * A UUID names a resource across the devices of a host. It takes
 * VIRTIO_GPU_F_RESOURCE_UUID, which this driver does not negotiate: importers
 * go by the pages.
 */
static int virtgpu_virtio_get_uuid(struct dma_buf *buf, uuid_t *uuid)
{
	return -ENODEV;
}

static struct sg_table *virtgpu_gem_map_dma_buf(struct dma_buf_attachment *attach,
						enum dma_data_direction dir)
{
	return drm_gem_map_dma_buf(attach, dir);
}

static void virtgpu_gem_unmap_dma_buf(struct dma_buf_attachment *attach, struct sg_table *sgt,
				      enum dma_data_direction dir)
{
	drm_gem_unmap_dma_buf(attach, sgt, dir);
}

static const struct virtio_dma_buf_ops virtgpu_dma_buf_ops = {
	.ops = {
		.attach = virtio_dma_buf_attach,
		.detach = drm_gem_map_detach,
		.map_dma_buf = virtgpu_gem_map_dma_buf,
		.unmap_dma_buf = virtgpu_gem_unmap_dma_buf,
		.release = drm_gem_dmabuf_release,
		.mmap = drm_gem_dmabuf_mmap,
		.vmap = drm_gem_dmabuf_vmap,
		.vunmap = drm_gem_dmabuf_vunmap,
	},
	.device_attach = drm_gem_map_attach,
	.get_uuid = virtgpu_virtio_get_uuid,
};

/**
 * virtgpu_gem_prime_export() - &drm_gem_object_funcs.export
 * @gem: the GEM object
 * @flags: O_CLOEXEC and O_RDWR, as for open()
 *
 * Return: the dma-buf, which holds a reference to the object, or an ERR_PTR().
 */
struct dma_buf *virtgpu_gem_prime_export(struct drm_gem_object *gem, int flags)
{
	struct dma_buf_export_info info = {
		.exp_name = DRIVER_NAME,
		.owner = THIS_MODULE,
		.ops = &virtgpu_dma_buf_ops.ops,
		.size = gem->size,
		.flags = flags,
		.resv = gem->resv,
		.priv = gem,
	};
	struct dma_buf *buf = virtio_dma_buf_export(&info);

	if (IS_ERR(buf))
		return buf;
	drm_dev_get(gem->dev);
	drm_gem_object_get(gem);
	return buf;
}

/**
 * virtgpu_gem_prime_import() - &drm_driver.gem_prime_import
 * @drm: the DRM device
 * @buf: the dma-buf
 *
 * A buffer that this device exported comes back as the object it was made of.
 *
 * Return: the GEM object with a reference, or ERR_PTR(-EOPNOTSUPP) for the
 * buffer of another device.
 */
struct drm_gem_object *virtgpu_gem_prime_import(struct drm_device *drm, struct dma_buf *buf)
{
	struct drm_gem_object *gem = buf->priv;

	if (buf->ops != &virtgpu_dma_buf_ops.ops || gem->dev != drm)
		return ERR_PTR(-EOPNOTSUPP);
	drm_gem_object_get(gem);
	return gem;
}
