// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What an engineer sees at run time, in /sys/kernel/debug/dri.
 */

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/string_choices.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>

#include "virtgpu_drv.h"

static struct virtgpu_device *virtgpu_of_seq(struct seq_file *m)
{
	struct drm_debugfs_entry *entry = m->private;

	return to_virtgpu_device(entry->dev);
}

static int virtgpu_features_show(struct seq_file *m, void *data)
{
	struct virtgpu_device *vgdev = virtgpu_of_seq(m);
	struct resource window = DEFINE_RES_MEM(vgdev->window_region.addr,
						vgdev->window_region.len);

	seq_printf(m, "edid: %s\n", str_yes_no(vgdev->has_edid));
	seq_printf(m, "virgl: %s\n", str_yes_no(vgdev->has_virgl));
	seq_printf(m, "blob: %s\n", str_yes_no(vgdev->has_blob));
	seq_printf(m, "uuid: %s\n", str_yes_no(vgdev->has_uuid));
	seq_printf(m, "context init: %s\n", str_yes_no(vgdev->has_context_init));
	seq_printf(m, "blob alignment: %u\n", vgdev->blob_alignment);
	seq_printf(m, "host visible: %pR\n", &window);
	seq_printf(m, "dma api: %s\n", str_yes_no(vgdev->use_dma_api));
	seq_printf(m, "scan-outs: %u\n", vgdev->num_scanouts);
	seq_printf(m, "capability sets: %u\n", vgdev->num_capsets);
	return 0;
}

static void virtgpu_queue_show(struct seq_file *m, const char *name, struct virtgpu_queue *queue)
{
	spin_lock_irq(&queue->lock);
	seq_printf(m, "%s: size %u, in ring %u, lasting %d, backlog %u, ", name, queue->size,
		   queue->in_ring, atomic_read(&queue->lasting), queue->backlog_len);
	seq_printf(m, "commands %llu, kicks %llu, repeated %llu%s\n", queue->commands,
		   queue->kicks, queue->prods, queue->dead ? ", dead" : "");
	spin_unlock_irq(&queue->lock);
}

static int virtgpu_queues_show(struct seq_file *m, void *data)
{
	struct virtgpu_device *vgdev = virtgpu_of_seq(m);

	virtgpu_queue_show(m, "control", &vgdev->ctrl);
	virtgpu_queue_show(m, "cursor", &vgdev->cursorq);
	seq_printf(m, "resources: %d\n", atomic_read(&vgdev->num_resources));
	seq_printf(m, "errors: %d\n", atomic_read(&vgdev->num_errors));
	seq_printf(m, "resets: %u%s\n", READ_ONCE(vgdev->num_resets),
		   work_busy(&vgdev->reset_work.work) ? ", another is under way" : "");
	return 0;
}

static int virtgpu_outputs_show(struct seq_file *m, void *data)
{
	struct virtgpu_device *vgdev = virtgpu_of_seq(m);
	unsigned int i;

	guard(mutex)(&vgdev->display_lock);
	for (i = 0; i < vgdev->num_scanouts; i++) {
		struct virtgpu_output *output = &vgdev->outputs[i];

		seq_printf(m, "%s: %s " DRM_RECT_FMT ", EDID %s\n", output->connector.name,
			   output->info.enabled ? "enabled" : "disabled",
			   DRM_RECT_ARG(&output->info.rect), str_yes_no(output->edid));
	}
	return 0;
}

static ssize_t virtgpu_reset_write(struct file *file, const char __user *buf, size_t size,
				   loff_t *pos)
{
	virtgpu_reset_request(file->private_data, "somebody wrote to virtgpu_reset");
	return size;
}

static const struct file_operations virtgpu_reset_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = virtgpu_reset_write,
};

static const struct drm_debugfs_info virtgpu_debugfs_list[] = {
	{ "virtgpu_features", virtgpu_features_show },
	{ "virtgpu_queues", virtgpu_queues_show },
	{ "virtgpu_outputs", virtgpu_outputs_show },
};

/**
 * virtgpu_debugfs_init() - add the files of this driver
 * @vgdev: the device, before it is registered
 */
void virtgpu_debugfs_init(struct virtgpu_device *vgdev)
{
	drm_debugfs_add_files(&vgdev->drm, virtgpu_debugfs_list,
			      ARRAY_SIZE(virtgpu_debugfs_list));
	debugfs_create_file("virtgpu_reset", 0200, vgdev->drm.debugfs_root, vgdev,
			    &virtgpu_reset_fops);
}
