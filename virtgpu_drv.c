// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The module, and the life of a device.
 */

#include <linux/aperture.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vgaarb.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include <drm/drm_atomic_helper.h>
#include <drm/drm_debugfs.h>
#include <drm/drm_file.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"

static int virtgpu_modeset = -1;
module_param_named(modeset, virtgpu_modeset, int, 0400);
MODULE_PARM_DESC(modeset, "Drive the device: 0 = no, 1 = yes, -1 = unless nomodeset [default]");

unsigned int virtgpu_timeout_ms = 10000;
EXPORT_SYMBOL_IF_KUNIT(virtgpu_timeout_ms);
module_param_named(timeout_ms, virtgpu_timeout_ms, uint, 0600);
MODULE_PARM_DESC(timeout_ms, "Milliseconds that the host has for an answer, at least 100 [default: 10000]");

static const struct file_operations virtgpu_fops = {
	.owner = THIS_MODULE,
	DRM_GEM_FOPS,
	.show_fdinfo = drm_show_fdinfo,
};

static const struct drm_driver virtgpu_driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER | DRIVER_MODESET | DRIVER_ATOMIC |
			   DRIVER_SYNCOBJ | DRIVER_SYNCOBJ_TIMELINE | DRIVER_CURSOR_HOTSPOT,
	.open = virtgpu_open,
	.postclose = virtgpu_postclose,
	.dumb_create = virtgpu_dumb_create,
	.gem_create_object = virtgpu_object_alloc,
	.prime_handle_to_fd = virtgpu_prime_handle_to_fd,
	.prime_fd_to_handle = virtgpu_prime_fd_to_handle,
	.gem_prime_import = virtgpu_gem_prime_import,
	.ioctls = virtgpu_ioctls,
	.num_ioctls = ARRAY_SIZE(virtgpu_ioctls),
	.fops = &virtgpu_fops,
	.show_fdinfo = drm_show_memory_stats,
	.name = DRIVER_NAME,
	.desc = DRIVER_DESC,
	.major = DRIVER_MAJOR,
	.minor = DRIVER_MINOR,
	.patchlevel = DRIVER_PATCHLEVEL,
	VIRTGPU_FBDEV_OPS
	VIRTGPU_DATE_OPS
};

static void virtgpu_release_software(struct drm_device *drm, void *data)
{
	struct virtgpu_device *vgdev = data;

	if (vgdev->job_wq)
		destroy_workqueue(vgdev->job_wq);
	destroy_workqueue(vgdev->wq);
	virtgpu_capsets_free(vgdev);
	ida_destroy(&vgdev->context_ids);
	xa_destroy(&vgdev->resources);
}

/*
 * What objects need that outlive the device: their last memory is given back
 * by the workqueue.
 */
VISIBLE_IF_KUNIT int virtgpu_init_software(struct virtgpu_device *vgdev)
{
	int ret;

	INIT_LIST_HEAD(&vgdev->mapped_objects);
	mutex_init(&vgdev->mapped_lock);
	mutex_init(&vgdev->sync_lock);
	xa_init_flags(&vgdev->resources, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ);
	ida_init(&vgdev->context_ids);
	mutex_init(&vgdev->contexts_lock);
	INIT_LIST_HEAD(&vgdev->contexts);
	virtgpu_queues_early_init(vgdev);
	virtgpu_reset_init(vgdev);
	mutex_init(&vgdev->capset_lock);
	virtgpu_timeline_init(&vgdev->timeline, vgdev);
	virtgpu_display_early_init(vgdev);

	ret = virtgpu_huge_pages_init(&vgdev->drm);
	if (ret)
		return ret;

	/* Before the workqueue, whose last work gives ranges of it back. */
	ret = virtgpu_window_init(vgdev);
	if (ret)
		return ret;

	vgdev->wq = alloc_workqueue("%s", WQ_HIGHPRI | WQ_UNBOUND, 0, DRIVER_NAME);
	if (!vgdev->wq)
		return -ENOMEM;
	ret = drmm_add_action_or_reset(&vgdev->drm, virtgpu_release_software, vgdev);
	if (ret)
		return ret;
	vgdev->job_wq = alloc_workqueue("%s-jobs", WQ_HIGHPRI | WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
					DRIVER_NAME);
	if (!vgdev->job_wq)
		return -ENOMEM;
	return virtgpu_imports_init(vgdev);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_init_software);

/* One that is no power of two is no alignment: the blobs are not to be used. */
static void virtgpu_read_blob_alignment(struct virtgpu_device *vgdev)
{
	u32 align;

	if (!virtio_has_feature(vgdev->vdev, VIRTIO_GPU_F_BLOB_ALIGNMENT))
		return;
	virtio_cread_le(vgdev->vdev, struct virtgpu_config, blob_alignment, &align);
	if (is_power_of_2(align)) {
		vgdev->blob_alignment = align;
	} else {
		dev_warn(&vgdev->vdev->dev, "blob alignment of %u bytes: no blobs\n", align);
		vgdev->has_blob = false;
	}
}

VISIBLE_IF_KUNIT void virtgpu_read_config(struct virtgpu_device *vgdev)
{
	struct virtio_device *vdev = vgdev->vdev;

	vgdev->dma_dev = vdev->dev.parent;
	vgdev->use_dma_api = !virtio_has_dma_quirk(vdev);
	vgdev->has_edid = virtio_has_feature(vdev, VIRTIO_GPU_F_EDID);
	vgdev->has_virgl = virtio_has_feature(vdev, VIRTIO_GPU_F_VIRGL);
	vgdev->has_blob = virtio_has_feature(vdev, VIRTIO_GPU_F_RESOURCE_BLOB);
	vgdev->has_context_init = virtio_has_feature(vdev, VIRTIO_GPU_F_CONTEXT_INIT);
	vgdev->has_uuid = virtio_has_feature(vdev, VIRTIO_GPU_F_RESOURCE_UUID);
	virtgpu_read_blob_alignment(vgdev);
	vgdev->max_dma_size = virtio_max_dma_size(vdev);

	virtio_cread_le(vdev, struct virtio_gpu_config, num_scanouts, &vgdev->num_scanouts);
	virtio_cread_le(vdev, struct virtio_gpu_config, num_capsets, &vgdev->num_capsets);
	if (vgdev->num_scanouts > VIRTIO_GPU_MAX_SCANOUTS) {
		dev_warn(&vdev->dev, "host claims %u scan-outs, using %u\n",
			 vgdev->num_scanouts, VIRTIO_GPU_MAX_SCANOUTS);
		vgdev->num_scanouts = VIRTIO_GPU_MAX_SCANOUTS;
	}
	if (!vgdev->num_scanouts)
		vgdev->drm.driver_features &=
			~(DRIVER_MODESET | DRIVER_ATOMIC | DRIVER_CURSOR_HOTSPOT);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_read_config);

static unsigned int virtgpu_vga_set_decode(struct pci_dev *pdev, bool decode)
{
	unsigned int normal = VGA_RSRC_NORMAL_IO | VGA_RSRC_NORMAL_MEM;

	return decode ? normal | VGA_RSRC_LEGACY_IO | VGA_RSRC_LEGACY_MEM : normal;
}

static void virtgpu_vga_unregister(void *pdev)
{
	vga_client_unregister(pdev);
}

/* A VGA device is taken over from the firmware's framebuffer driver. */
static int virtgpu_init_vga(struct virtgpu_device *vgdev)
{
	struct pci_dev *pdev;
	int ret;

	if (!dev_is_pci(vgdev->vdev->dev.parent))
		return 0;
	pdev = to_pci_dev(vgdev->vdev->dev.parent);
	if (!pci_is_vga(pdev))
		return 0;

	ret = aperture_remove_conflicting_pci_devices(pdev, DRIVER_NAME);
	if (ret)
		return ret;
	ret = vga_client_register(pdev, virtgpu_vga_set_decode);
	if (ret)
		return ret == -ENODEV ? 0 : ret;
	return devm_add_action_or_reset(&vgdev->vdev->dev, virtgpu_vga_unregister, pdev);
}

/*
 * Programs find the DRM device below the device on the bus, which lives longer
 * than this driver is bound: what is allocated for it is put in a group.
 */
VISIBLE_IF_KUNIT struct virtgpu_device *virtgpu_alloc(struct virtio_device *vdev)
{
	struct device *parent = vdev->dev.parent;
	struct virtgpu_device *vgdev;
	void *devres = devres_open_group(parent, NULL, GFP_KERNEL);

	if (!devres)
		return ERR_PTR(-ENOMEM);
	vgdev = devm_drm_dev_alloc(parent, &virtgpu_driver, struct virtgpu_device, drm);
	devres_close_group(parent, devres);
	if (IS_ERR(vgdev)) {
		devres_release_group(parent, devres);
		return vgdev;
	}
	vgdev->devres = devres;
	vgdev->vdev = vdev;
	vgdev->index = vdev->index;
	vgdev->drm.driver_features = virtgpu_driver.driver_features;
	vdev->priv = vgdev;
	return vgdev;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_alloc);

/* Drops the driver's reference to the DRM device; open files have their own. */
VISIBLE_IF_KUNIT void virtgpu_free(struct virtio_device *vdev, void *devres)
{
	devres_release_group(vdev->dev.parent, devres);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_free);

static int virtgpu_probe(struct virtio_device *vdev)
{
	struct virtgpu_device *vgdev;
	LIST_HEAD(none);
	int ret;

	vgdev = virtgpu_alloc(vdev);
	if (IS_ERR(vgdev))
		return PTR_ERR(vgdev);
	virtgpu_read_config(vgdev);

	ret = virtgpu_init_vga(vgdev) ?: virtgpu_init_software(vgdev);
	if (!ret && vgdev->num_scanouts)
		ret = virtgpu_display_init(vgdev);
	if (!ret)
		ret = virtgpu_queues_find(vgdev);
	if (ret)
		goto err_free;
	virtio_device_ready(vdev);
	virtgpu_queues_start(vgdev, &none);

	if (vgdev->num_scanouts)
		virtgpu_display_refresh(vgdev);
	virtgpu_debugfs_init(vgdev);
	ret = drm_dev_register(&vgdev->drm, 0);
	if (ret)
		goto err_queues;

	drm_info(&vgdev->drm, "%u scan-outs, %u capability sets%s%s%s%s%s%s%s\n",
		 vgdev->num_scanouts, vgdev->num_capsets, vgdev->has_edid ? ", EDID" : "",
		 vgdev->has_virgl ? ", 3D" : "", vgdev->has_blob ? ", blobs" : "",
		 vgdev->has_uuid ? ", UUIDs" : "",
		 vgdev->has_context_init ? ", context types" : "",
		 vgdev->has_host_visible ? ", host-visible memory" : "",
		 vgdev->use_dma_api ? ", DMA API" : "");
	if (vgdev->num_scanouts)
		virtgpu_client_setup(&vgdev->drm);
	return 0;

err_queues:
	virtgpu_reset_stop(vgdev);
	virtgpu_queues_abort(vgdev, -ENODEV);
	virtgpu_queues_fini(vgdev);
	virtgpu_reset_fini(vgdev);
	virtgpu_display_stop(vgdev);
err_free:
	virtgpu_free(vdev, vgdev->devres);
	return ret;
}

static void virtgpu_remove(struct virtio_device *vdev)
{
	struct virtgpu_device *vgdev = vdev->priv;

	/* First of all the commands end, and with them all that waits for one. */
	virtgpu_reset_stop(vgdev);
	virtgpu_queues_abort(vgdev, -ENODEV);
	drm_dev_unplug(&vgdev->drm);
	virtgpu_queues_fini(vgdev);
	virtgpu_contexts_lose(vgdev, -ENODEV);
	virtgpu_reset_fini(vgdev);
	virtgpu_display_stop(vgdev);
	virtgpu_display_shutdown(vgdev);
	virtgpu_imports_unmap_all(vgdev);
	virtgpu_objects_unmap_all(vgdev);
	virtgpu_free(vdev, vgdev->devres);
}

/*
 * The machine stops or starts anew: every command ends, and none follows. Without
 * this the core would break the queues, which would look like a device to be reset.
 */
static void __maybe_unused virtgpu_shutdown(struct virtio_device *vdev)
{
	struct virtgpu_device *vgdev = vdev->priv;

	virtgpu_reset_stop(vgdev);
	virtgpu_queues_abort(vgdev, -ENODEV);
	virtgpu_reset_fini(vgdev);
	virtgpu_display_stop(vgdev);
}

VISIBLE_IF_KUNIT int virtgpu_validate(struct virtio_device *vdev)
{
	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
		dev_err(&vdev->dev, "device is not a virtio 1.0 device\n");
		return -ENODEV;
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_validate);

static const unsigned int virtgpu_features[] = {
	VIRTIO_GPU_F_VIRGL,
	VIRTIO_GPU_F_EDID,
	VIRTIO_GPU_F_RESOURCE_UUID,
	VIRTIO_GPU_F_RESOURCE_BLOB,
	VIRTIO_GPU_F_CONTEXT_INIT,
	VIRTIO_GPU_F_BLOB_ALIGNMENT,
};

static const struct virtio_device_id virtgpu_id_table[] = {
	{ VIRTIO_ID_GPU, VIRTIO_DEV_ANY_ID },
	{ }
};
MODULE_DEVICE_TABLE(virtio, virtgpu_id_table);

static struct virtio_driver virtgpu_virtio_driver = {
	.driver.name = DRIVER_NAME,
	.id_table = virtgpu_id_table,
	.feature_table = virtgpu_features,
	.feature_table_size = ARRAY_SIZE(virtgpu_features),
	.validate = virtgpu_validate,
	.probe = virtgpu_probe,
	.remove = virtgpu_remove,
	.config_changed = virtgpu_config_changed,
	VIRTGPU_SHUTDOWN_OP(virtgpu_shutdown)
#ifdef CONFIG_PM_SLEEP
	.freeze = virtgpu_freeze,
	.restore = virtgpu_restore,
#endif
};

static int __init virtgpu_init(void)
{
	int ret;

	if (!virtgpu_modeset || (virtgpu_modeset < 0 && drm_firmware_drivers_only()))
		return -ENODEV;

	ret = virtgpu_cmd_cache_init();
	if (ret)
		return ret;
	ret = register_virtio_driver(&virtgpu_virtio_driver);
	if (ret)
		virtgpu_cmd_cache_fini();
	return ret;
}
module_init(virtgpu_init);

static void __exit virtgpu_exit(void)
{
	unregister_virtio_driver(&virtgpu_virtio_driver);
	virtgpu_cmd_cache_fini();
}
module_exit(virtgpu_exit);

MODULE_DESCRIPTION("Virtio GPU driver");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The virtio_gpu authors");
VIRTGPU_IMPORT_NS(DMA_BUF);
