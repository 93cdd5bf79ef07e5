// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Prime: buffers shared with other devices.
 *
 * Ours are exported as virtio dma-bufs, so that other virtio drivers know them
 * for what they are and can name them to the host by their UUID.
 *
 * Foreign ones become objects whose pages are the exporter's. As the exporter may
 * move them, an object has them only for a while: &struct virtgpu_mapping is
 * where they are now. Resources are told of it with ATTACH_BACKING by whoever
 * uses them next, under the reservation lock. When the exporter moves the pages
 * it calls virtgpu_dma_buf_move_notify(), with the lock held, too: a
 * DETACH_BACKING goes out for each resource, and a fence in the reservation tells
 * the exporter when the host has let go. Commands that the host runs before the
 * detachment still find the old pages.
 */

#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio_dma_buf.h>

#include <drm/drm_gem.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>

#include "virtgpu_drv.h"

/* ---- UUIDs -------------------------------------------------------------- */

static void virtgpu_uuid_done(struct virtgpu_cmd *cmd)
{
	const struct virtio_gpu_resp_resource_uuid *resp = cmd->resp;
	struct virtgpu_resource *res = cmd->res;
	enum virtgpu_uuid_state state = VIRTGPU_UUID_REFUSED;

	if (!cmd->error) {
		import_uuid(&res->uuid, resp->uuid);
		state = VIRTGPU_UUID_VALID;
	}
	/* Pairs with virtgpu_virtio_get_uuid(). */
	smp_store_release(&res->uuid_state, state);
	complete_all(&res->uuid_answered);
}

/**
 * virtio_gpu_resource_assign_uuid() - ask the host for the UUID of a resource
 * @vgdev: the device, with VIRTIO_GPU_F_RESOURCE_UUID
 * @res: the resource, with an owner
 *
 * A resource is asked for once; the answer is not waited for. Process context.
 * See RESOURCE_ASSIGN_UUID in section 5.7.6.8 of the virtio specification.
 *
 * Return: 0 or -ENOMEM.
 */
int virtio_gpu_resource_assign_uuid(struct virtgpu_device *vgdev, struct virtgpu_resource *res)
{
	struct virtgpu_cmd *cmd;

	if (READ_ONCE(res->uuid_state) != VIRTGPU_UUID_NONE)
		return 0;
	cmd = virtgpu_cmd_alloc(vgdev, VIRTGPU_RESOURCE_ASSIGN_UUID);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	if (cmpxchg(&res->uuid_state, VIRTGPU_UUID_NONE, VIRTGPU_UUID_ASKED) !=
	    VIRTGPU_UUID_NONE) {
		virtgpu_cmd_put(cmd);
		return 0;
	}

	virtgpu_encode_resource(cmd, res->id);
	virtgpu_cmd_set_resource(cmd, res);
	cmd->done = virtgpu_uuid_done;
	cmd->reported = true;
	virtgpu_queue_submit(cmd);
	return 0;
}

/**
 * virtgpu_virtio_get_uuid() - &virtio_dma_buf_ops.get_uuid
 * @buf: a dma-buf of ours
 * @uuid: set to the UUID
 *
 * Waits for the host's answer. Process context.
 *
 * Return: 0, -ENODEV when the buffer has no UUID or the host gave none,
 * -ETIMEDOUT when there was no answer within virtgpu_timeout(), or -ERESTARTSYS
 * when the task is being killed.
 */
static int virtgpu_virtio_get_uuid(struct dma_buf *buf, uuid_t *uuid)
{
	struct virtgpu_object *obj = to_virtgpu_object(buf->priv);
	struct virtgpu_resource *res = virtgpu_object_peek_resource(obj);
	long left;

	if (!res || READ_ONCE(res->uuid_state) == VIRTGPU_UUID_NONE)
		return -ENODEV;
	left = wait_for_completion_killable_timeout(&res->uuid_answered, virtgpu_timeout());
	if (!left)
		virtgpu_report_slow(res->vgdev, "the request of a UUID");
	if (left <= 0)
		return left ?: -ETIMEDOUT;
	/* Pairs with virtgpu_uuid_done(). */
	if (smp_load_acquire(&res->uuid_state) != VIRTGPU_UUID_VALID)
		return -ENODEV;
	uuid_copy(uuid, &res->uuid);
	return 0;
}

/* ---- export ------------------------------------------------------------- */

static int virtgpu_gem_attach(struct dma_buf *buf, struct dma_buf_attachment *attach)
{
	const struct virtgpu_object *obj = to_virtgpu_object(buf->priv);

	return obj->vram ? 0 : drm_gem_map_attach(buf, attach);
}

static void virtgpu_gem_detach(struct dma_buf *buf, struct dma_buf_attachment *attach)
{
	const struct virtgpu_object *obj = to_virtgpu_object(buf->priv);

	if (!obj->vram)
		drm_gem_map_detach(buf, attach);
}

/**
 * virtgpu_gem_map_dma_buf() - &dma_buf_ops.map_dma_buf
 * @attach: who is to use the buffer
 * @dir: what for
 *
 * Guest memory by its pages, memory of the host by its place in the window, which
 * takes an importer that needs no pages.
 *
 * Return: the addresses, or an ERR_PTR().
 */
static struct sg_table *virtgpu_gem_map_dma_buf(struct dma_buf_attachment *attach,
						enum dma_data_direction dir)
{
	struct virtgpu_object *obj = to_virtgpu_object(attach->dmabuf->priv);

	if (!obj->vram)
		return drm_gem_map_dma_buf(attach, dir);
	if (!attach->peer2peer && !is_virtio_device(attach->dev))
		return ERR_PTR(-EOPNOTSUPP);
	return virtgpu_vram_map_dma_buf(obj, attach->dev, dir);
}

/**
 * virtgpu_gem_unmap_dma_buf() - &dma_buf_ops.unmap_dma_buf
 * @attach: who used the buffer
 * @sgt: what virtgpu_gem_map_dma_buf() gave
 * @dir: as then
 */
static void virtgpu_gem_unmap_dma_buf(struct dma_buf_attachment *attach, struct sg_table *sgt,
				      enum dma_data_direction dir)
{
	struct virtgpu_object *obj = to_virtgpu_object(attach->dmabuf->priv);

	if (obj->vram)
		virtgpu_vram_unmap_dma_buf(obj, attach->dev, sgt, dir);
	else
		drm_gem_unmap_dma_buf(attach, sgt, dir);
}

static int virtgpu_gem_begin_cpu_access(struct dma_buf *buf, enum dma_data_direction dir)
{
	struct virtgpu_object *obj = to_virtgpu_object(buf->priv);
	int writes = atomic_read(&obj->writes);
	long left;

	/* The core waits, too, but only after this. */
	left = dma_resv_wait_timeout(buf->resv, dma_resv_usage_rw(dir != DMA_FROM_DEVICE), true,
				     MAX_SCHEDULE_TIMEOUT);
	if (left < 0)
		return left;
	virtgpu_object_sync_for_cpu(obj, writes);
	return 0;
}

static int virtgpu_gem_end_cpu_access(struct dma_buf *buf, enum dma_data_direction dir)
{
	if (dir != DMA_FROM_DEVICE)
		virtgpu_object_sync_for_device(to_virtgpu_object(buf->priv), 0, buf->size);
	return 0;
}

static const struct virtio_dma_buf_ops virtgpu_dma_buf_ops = {
	.ops = {
		.attach = virtio_dma_buf_attach,
		.detach = virtgpu_gem_detach,
		.map_dma_buf = virtgpu_gem_map_dma_buf,
		.unmap_dma_buf = virtgpu_gem_unmap_dma_buf,
		.begin_cpu_access = virtgpu_gem_begin_cpu_access,
		.end_cpu_access = virtgpu_gem_end_cpu_access,
		.release = drm_gem_dmabuf_release,
		.mmap = drm_gem_dmabuf_mmap,
		.vmap = drm_gem_dmabuf_vmap,
		.vunmap = drm_gem_dmabuf_vunmap,
	},
	.device_attach = virtgpu_gem_attach,
	.get_uuid = virtgpu_virtio_get_uuid,
};

/* Blobs have asked when they were made, if they are for other devices at all. */
static int virtgpu_export_uuid(struct virtgpu_object *obj)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(obj->base.base.dev);
	struct virtgpu_resource *res;

	if (!vgdev->has_uuid)
		return 0;
	res = virtgpu_object_resource(obj);
	if (IS_ERR(res))
		return PTR_ERR(res);
	return res->kind == VIRTGPU_RES_BLOB ? 0 : virtio_gpu_resource_assign_uuid(vgdev, res);
}

/**
 * virtgpu_gem_prime_export() - &drm_gem_object_funcs.export
 * @gem: the GEM object
 * @flags: O_CLOEXEC and O_RDWR, as for open()
 *
 * Return: the dma-buf, which holds a reference to the object; ERR_PTR(-EINVAL)
 * for a blob that was not made to be shared, or another ERR_PTR().
 */
struct dma_buf *virtgpu_gem_prime_export(struct drm_gem_object *gem, int flags)
{
	struct virtgpu_object *obj = to_virtgpu_object(gem);
	struct dma_buf_export_info info = {
		.exp_name = DRIVER_NAME,
		.owner = THIS_MODULE,
		.ops = &virtgpu_dma_buf_ops.ops,
		.size = gem->size,
		.flags = flags,
		.resv = gem->resv,
		.priv = gem,
	};
	struct dma_buf *buf;
	int ret;

	if (!obj->shareable)
		return ERR_PTR(-EINVAL);
	ret = virtgpu_export_uuid(obj);
	if (ret)
		return ERR_PTR(ret);

	buf = virtio_dma_buf_export(&info);
	if (IS_ERR(buf))
		return buf;
	drm_dev_get(gem->dev);
	drm_gem_object_get(gem);
	/* As drm_gem_dmabuf_export(): its mappings go when those of the GEM object go. */
	buf->file->f_mapping = gem->dev->anon_inode->i_mapping;
	return buf;
}

/**
 * virtgpu_prime_handle_to_fd() - &drm_driver.prime_handle_to_fd
 * @drm: the DRM device
 * @file: who exports
 * @handle: the buffer
 * @flags: as for virtgpu_gem_prime_export()
 * @prime_fd: gets the file descriptor
 *
 * The core exports with the lock of all names and handles: who has to wait for the
 * host does so here. Process context.
 *
 * Return: 0, or the errno of virtgpu_queue_throttle() or of the export.
 */
int virtgpu_prime_handle_to_fd(struct drm_device *drm, struct drm_file *file, u32 handle,
			       u32 flags, int *prime_fd)
{
	return virtgpu_queue_throttle(&to_virtgpu_device(drm)->ctrl) ?:
	       drm_gem_prime_handle_to_fd(drm, file, handle, flags, prime_fd);
}

/* ---- mappings of foreign buffers ---------------------------------------- */

static struct dma_resv *virtgpu_import_resv(const struct virtgpu_import *import)
{
	return import->attach->dmabuf->resv;
}

static struct virtgpu_device *virtgpu_import_dev(const struct virtgpu_import *import)
{
	return to_virtgpu_device(import->obj->base.base.dev);
}

/*
 * What the host does with the pages outside of the queue's order, too, ends.
 *
 * Return: what is left of the time, in jiffies, 0 when it was not enough.
 */
static long virtgpu_mapping_wait(struct virtgpu_mapping *mapping, long left)
{
	struct virtgpu_import *import = mapping->obj->import;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_iter_begin(&cursor, virtgpu_import_resv(import), DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		if (virtgpu_fence_is_before(fence, mapping->fence))
			left = dma_fence_wait_timeout(fence, false, left);
		if (!left)
			break;
	}
	dma_resv_iter_end(&cursor);
	return left;
}

/* With the reservation lock. */
static void virtgpu_mapping_forget_locked(struct virtgpu_mapping *mapping)
{
	mapping->sgt = NULL;
	list_del_init(&mapping->link);
}

static void virtgpu_mapping_unmap_locked(struct virtgpu_mapping *mapping)
{
	if (mapping->sgt)
		dma_buf_unmap_attachment(mapping->obj->import->attach, mapping->sgt,
					 DMA_BIDIRECTIONAL);
	virtgpu_mapping_forget_locked(mapping);
}

static void virtgpu_mapping_fence_signaled(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct virtgpu_mapping *mapping = container_of(cb, struct virtgpu_mapping, unmap_cb);

	queue_work(virtgpu_import_dev(mapping->obj->import)->wq, &mapping->unmap_work);
}

/*
 * As virtgpu_mapping_wait(), without keeping a worker from others meanwhile: programs
 * have it in their hands when such a fence signals.
 *
 * Return: whether unmap_work is queued again when there is less to wait for.
 */
static bool virtgpu_mapping_comes_back(struct virtgpu_mapping *mapping)
{
	struct virtgpu_import *import = mapping->obj->import;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	bool added = false;

	/* virtgpu_imports_unmap_all() has taken the pages. */
	if (READ_ONCE(virtgpu_import_dev(import)->unmapped))
		return false;
	dma_resv_iter_begin(&cursor, virtgpu_import_resv(import), DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		added = virtgpu_fence_is_before(fence, mapping->fence) &&
			!dma_fence_add_callback(fence, &mapping->unmap_cb,
						virtgpu_mapping_fence_signaled);
		if (added)
			break;
	}
	dma_resv_iter_end(&cursor);
	return added;
}

/**
 * virtgpu_dma_buf_unmap() - give the pages of a mapping back to the exporter
 * @work: &virtgpu_mapping.unmap_work of a mapping without users
 */
static void virtgpu_dma_buf_unmap(struct work_struct *work)
{
	struct virtgpu_mapping *mapping = container_of(work, struct virtgpu_mapping, unmap_work);
	struct virtgpu_import *import = mapping->obj->import;

	if (virtgpu_mapping_comes_back(mapping))
		return;
	dma_resv_lock(virtgpu_import_resv(import), NULL);
	virtgpu_mapping_unmap_locked(mapping);
	dma_resv_unlock(virtgpu_import_resv(import));

	virtgpu_fence_put(mapping->fence);
	virtgpu_object_put_ref(mapping->obj);
	kfree(mapping);
}

static void virtgpu_mapping_release(struct kref *users)
{
	struct virtgpu_mapping *mapping = container_of(users, struct virtgpu_mapping, users);

	if (mapping->fence->emitted)
		virtgpu_fence_complete(mapping->fence, 0);
	queue_work(virtgpu_import_dev(mapping->obj->import)->wq, &mapping->unmap_work);
}

/**
 * virtgpu_mapping_put() - drop a user of a mapping
 * @mapping: the mapping or NULL
 *
 * With the last one the exporter may have its pages back. Any context.
 */
void virtgpu_mapping_put(struct virtgpu_mapping *mapping)
{
	if (mapping)
		kref_put(&mapping->users, virtgpu_mapping_release);
}

/**
 * virtgpu_dma_buf_import_sgt() - find out where the pages of an import are
 * @obj: the imported object
 *
 * Nothing to do when that is known. Process context, with the reservation lock.
 *
 * Return: 0, -ENODEV when the device or the last handle has gone, or the exporter's errno.
 */
int virtgpu_dma_buf_import_sgt(struct virtgpu_object *obj)
{
	struct virtgpu_import *import = obj->import;
	struct virtgpu_device *vgdev = virtgpu_import_dev(import);
	struct virtgpu_mapping *mapping;
	struct sg_table *sgt;

	dma_resv_assert_held(virtgpu_import_resv(import));

	if (import->mapping)
		return 0;
	if (import->closed)
		return -ENODEV;
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return -ENOMEM;
	mapping->fence = virtgpu_fence_alloc(&import->timeline);
	if (!mapping->fence) {
		kfree(mapping);
		return -ENOMEM;
	}

	sgt = READ_ONCE(vgdev->unmapped) ? ERR_PTR(-ENODEV) :
	      dma_buf_map_attachment(import->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt)) {
		virtgpu_fence_put(mapping->fence);
		kfree(mapping);
		return PTR_ERR(sgt);
	}
	mapping->sgt = sgt;
	kref_init(&mapping->users);
	kref_get(&obj->refs);
	mapping->obj = obj;
	INIT_WORK(&mapping->unmap_work, virtgpu_dma_buf_unmap);
	list_add_tail(&mapping->link, &import->mappings);

	spin_lock_irq(&import->lock);
	import->mapping = mapping;
	spin_unlock_irq(&import->lock);
	return 0;
}

/**
 * virtgpu_import_current() - where the pages of an import are now
 * @obj: the imported object
 *
 * Return: the mapping, to be put with virtgpu_mapping_put(), or NULL.
 */
struct virtgpu_mapping *virtgpu_import_current(struct virtgpu_object *obj)
{
	struct virtgpu_import *import = obj->import;
	struct virtgpu_mapping *mapping;
	unsigned long flags;

	spin_lock_irqsave(&import->lock, flags);
	mapping = import->mapping;
	if (mapping)
		kref_get(&mapping->users);
	spin_unlock_irqrestore(&import->lock, flags);
	return mapping;
}

/* ---- the backing of resources ------------------------------------------- */

/**
 * virtgpu_backing_set() - queue the commands that give a resource its backing
 * @res: a resource of an imported object with a mapping
 * @cmds: the commands, consumed; afterwards the host knows the pages
 *
 * &virtgpu_resource.detach is there. With the reservation lock.
 */
void virtgpu_backing_set(struct virtgpu_resource *res, struct list_head *cmds)
{
	struct virtgpu_import *import = res->obj->import;

	dma_resv_assert_held(virtgpu_import_resv(import));

	spin_lock_irq(&import->lock);
	kref_get(&import->mapping->users);
	res->backing = import->mapping;
	if (list_empty(&res->import_link))
		list_add_tail(&res->import_link, &import->resources);
	virtgpu_queue_submit_list(&res->vgdev->ctrl, cmds);
	spin_unlock_irq(&import->lock);
}

/**
 * virtgpu_backing_disown() - a resource of an import is about to be destroyed
 * @res: the resource
 *
 * RESOURCE_UNREF ends the backing, too. Any context.
 */
void virtgpu_backing_disown(struct virtgpu_resource *res)
{
	struct virtgpu_import *import = res->obj->import;
	struct virtgpu_cmd *detach;
	unsigned long flags;

	spin_lock_irqsave(&import->lock, flags);
	list_del_init(&res->import_link);
	detach = res->detach;
	res->detach = NULL;
	spin_unlock_irqrestore(&import->lock, flags);
	if (detach)
		virtgpu_cmd_put(detach);
}

/**
 * virtgpu_backing_put() - the host has destroyed a resource of an import
 * @res: the resource
 */
void virtgpu_backing_put(struct virtgpu_resource *res)
{
	virtgpu_mapping_put(res->backing);
}

static void virtgpu_detach_done(struct virtgpu_cmd *cmd)
{
	virtgpu_mapping_put(cmd->data);
}

/* The host lets go of the pages, after all that was queued before. */
static void virtgpu_mapping_detach_locked(struct virtgpu_import *import,
					  struct virtgpu_mapping *mapping)
{
	struct virtgpu_device *vgdev = virtgpu_import_dev(import);
	struct virtgpu_resource *res;
	struct virtgpu_cmd *cmd;

	LIST_HEAD(cmds);

	lockdep_assert_held(&import->lock);

	list_for_each_entry(res, &import->resources, import_link) {
		if (res->backing != mapping)
			continue;
		cmd = res->detach;
		cmd->data = mapping;
		cmd->done = virtgpu_detach_done;
		/*
		 * A host that was reset does not have the pages any more. One that has
		 * made the resource may have them, whatever it said of them.
		 */
		if (READ_ONCE(res->generation) != READ_ONCE(vgdev->generation))
			virtgpu_cmd_fail(cmd, VIRTGPU_LOST);
		else if (virtgpu_resource_is_refused(res))
			virtgpu_cmd_fail(cmd, res->error);
		else
			list_add_tail(&cmd->link, &cmds);
		res->detach = NULL;
		res->backing = NULL;
	}
	mapping->leaving = false;
	import->num_leaving--;
	virtgpu_queue_submit_list(&vgdev->ctrl, &cmds);
	wake_up_all(&import->detached);
}

/* @force: for a device that is not there any more */
static void virtgpu_import_leave(struct virtgpu_import *import, bool force)
{
	struct virtgpu_mapping *mapping = import->mapping;

	spin_lock_irq(&import->lock);
	import->mapping = NULL;
	mapping->leaving = true;
	import->num_leaving++;
	if (!mapping->holds || force)
		virtgpu_mapping_detach_locked(import, mapping);
	spin_unlock_irq(&import->lock);
}

/* More than any exporter adds between its reserving them and the end of a move. */
#define VIRTGPU_EXPORTER_FENCES 8

/*
 * Tell the exporter when the host has let go of the pages, by a fence.
 *
 * Return: 0, or -ENOMEM when that was not possible.
 */
static int virtgpu_mapping_announce(struct dma_resv *resv, struct virtgpu_mapping *mapping)
{
	/* One is ours. Others were reserved by the exporter for what comes next. */
	int ret = dma_resv_reserve_fences(resv, 1 + VIRTGPU_EXPORTER_FENCES);

	virtgpu_fence_emit(mapping->fence);
	if (!ret)
		dma_resv_add_fence(resv, &mapping->fence->base, DMA_RESV_USAGE_BOOKKEEP);
	return ret;
}

static void virtgpu_import_unmap_locked(struct virtgpu_import *import, bool force)
{
	struct virtgpu_mapping *mapping = import->mapping;
	struct dma_resv *resv = virtgpu_import_resv(import);
	struct dma_fence *fence;
	int ret;

	dma_resv_assert_held(resv);

	if (!mapping)
		return;
	ret = virtgpu_mapping_announce(resv, mapping);
	fence = dma_fence_get(&mapping->fence->base);
	virtgpu_import_leave(import, force);
	virtgpu_mapping_put(mapping);

	/* Without memory for telling the exporter it has to wait here, or at the copy. */
	if (ret && !virtgpu_object_needs_sync(import->obj) &&
	    !dma_fence_wait_timeout(fence, false, virtgpu_timeout()))
		drm_err_ratelimited(&virtgpu_import_dev(import)->drm,
				    "a buffer that moves is still in use\n");
	dma_fence_put(fence);
}

/*
 * Unmapping copies a bounce buffer into the pages, which are somebody else's as
 * soon as the exporter sees that the host is done: it is done before that, or not
 * at all. The reservation lock keeps the mappings.
 */
static void virtgpu_import_copy_back_locked(struct virtgpu_import *import)
{
	struct virtgpu_mapping *mapping, *next;
	long left = virtgpu_timeout();

	dma_resv_assert_held(virtgpu_import_resv(import));

	if (!virtgpu_object_needs_sync(import->obj))
		return;
	list_for_each_entry_safe(mapping, next, &import->mappings, link) {
		left = dma_fence_wait_timeout(&mapping->fence->base, false, left);
		if (left)
			left = virtgpu_mapping_wait(mapping, left);
		if (left) {
			virtgpu_mapping_unmap_locked(mapping);
			continue;
		}
		drm_err_ratelimited(&virtgpu_import_dev(import)->drm,
				    "a buffer that moves is still in use, its bounce buffer is lost\n");
		virtgpu_mapping_forget_locked(mapping);
	}
}

/**
 * virtgpu_dma_buf_move_notify() - the exporter moves a buffer
 * @attach: our attachment
 *
 * Called with the reservation lock.
 */
static void virtgpu_dma_buf_move_notify(struct dma_buf_attachment *attach)
{
	struct virtgpu_object *obj = attach->importer_priv;
	struct virtgpu_import *import = obj->import;

	/* While it is being attached there is nothing that could be mapped. */
	if (!import->attach)
		return;
	virtgpu_import_unmap_locked(import, false);
	virtgpu_import_copy_back_locked(import);
}

/**
 * virtgpu_import_hold() - count on the pages of an import
 * @obj: the imported object, with a mapping
 *
 * For a submission that is queued later. With the reservation lock.
 *
 * Return: the mapping, whose pages the host has until virtgpu_import_unhold().
 */
struct virtgpu_mapping *virtgpu_import_hold(struct virtgpu_object *obj)
{
	struct virtgpu_import *import = obj->import;
	struct virtgpu_mapping *mapping = import->mapping;

	dma_resv_assert_held(virtgpu_import_resv(import));

	spin_lock_irq(&import->lock);
	kref_get(&mapping->users);
	mapping->holds++;
	spin_unlock_irq(&import->lock);
	return mapping;
}

/**
 * virtgpu_import_unhold() - a submission has been queued, or is given up
 * @mapping: from virtgpu_import_hold()
 *
 * Any context.
 */
void virtgpu_import_unhold(struct virtgpu_mapping *mapping)
{
	struct virtgpu_import *import = mapping->obj->import;
	unsigned long flags;

	spin_lock_irqsave(&import->lock, flags);
	if (!--mapping->holds && mapping->leaving)
		virtgpu_mapping_detach_locked(import, mapping);
	spin_unlock_irqrestore(&import->lock, flags);
	virtgpu_mapping_put(mapping);
}

/**
 * virtgpu_import_wait() - wait for submissions that count on pages which moved
 * @obj: the imported object
 *
 * Process context, without the reservation lock.
 *
 * Return: 0, -ETIMEDOUT, or -ERESTARTSYS when the task is being killed.
 */
int virtgpu_import_wait(struct virtgpu_object *obj)
{
	struct virtgpu_import *import = obj->import;
	long left;

	if (likely(!READ_ONCE(import->num_leaving)))
		return 0;
	left = wait_event_killable_timeout(import->detached, !READ_ONCE(import->num_leaving),
					   virtgpu_timeout());
	return left < 0 ? left : left ? 0 : -ETIMEDOUT;
}

/**
 * virtgpu_import_pin() - keep a buffer where it is, for the host to show it
 * @obj: the imported object
 *
 * Process context.
 *
 * Return: 0 or the exporter's errno.
 */
int virtgpu_import_pin(struct virtgpu_object *obj)
{
	struct virtgpu_import *import = obj->import;
	int ret;

	ret = dma_resv_lock_interruptible(virtgpu_import_resv(import), NULL);
	if (ret)
		return ret;
	ret = dma_buf_pin(import->attach);
	dma_resv_unlock(virtgpu_import_resv(import));
	return ret;
}

/**
 * virtgpu_import_unpin() - the host does not show a buffer any more
 * @obj: the imported object
 *
 * Process context.
 */
void virtgpu_import_unpin(struct virtgpu_object *obj)
{
	struct virtgpu_import *import = obj->import;

	dma_resv_lock(virtgpu_import_resv(import), NULL);
	dma_buf_unpin(import->attach);
	dma_resv_unlock(virtgpu_import_resv(import));
}

/* ---- commits while the pages move --------------------------------------- */

static struct virtgpu_resource *virtgpu_import_next_stale(struct virtgpu_import *import)
{
	struct virtgpu_resource *res, *stale = NULL;

	spin_lock_irq(&import->lock);
	list_for_each_entry(res, &import->resources, import_link) {
		if (res->stale && kref_get_unless_zero(&res->users)) {
			res->stale = false;
			stale = res;
			break;
		}
	}
	spin_unlock_irq(&import->lock);
	return stale;
}

/* The resources that commits wait for get their backing, and all their fences end. */
static int virtgpu_import_settle_locked(struct virtgpu_import *import)
{
	struct virtgpu_resource *res;
	int ret = 0;

	while (!ret && (res = virtgpu_import_next_stale(import))) {
		ret = virtgpu_resource_attach_locked(res);
		if (ret)
			WRITE_ONCE(res->stale, true);
		virtgpu_resource_put(res);
	}
	if (ret)
		return ret;
	if (dma_resv_wait_timeout(virtgpu_import_resv(import), DMA_RESV_USAGE_KERNEL, false,
				  virtgpu_timeout()) <= 0)
		return -ETIMEDOUT;
	virtgpu_object_sync_for_device(import->obj, 0, import->obj->base.base.size);
	return 0;
}

/* With the reservation lock, so that nothing moves in between. */
static void virtgpu_import_end_deferred(struct virtgpu_import *import, int error)
{
	struct virtgpu_device *vgdev = virtgpu_import_dev(import);
	struct virtgpu_cmd *cmd, *next;

	LIST_HEAD(cmds);

	spin_lock_irq(&import->lock);
	list_splice_init(&import->deferred, &cmds);
	if (!error)
		virtgpu_queue_submit_list(&vgdev->ctrl, &cmds);
	spin_unlock_irq(&import->lock);

	list_for_each_entry_safe(cmd, next, &cmds, link)
		virtgpu_cmd_fail(cmd, error);
}

static void virtgpu_import_work(struct work_struct *work)
{
	struct virtgpu_import *import = container_of(work, struct virtgpu_import, work);
	struct dma_resv *resv = virtgpu_import_resv(import);
	unsigned long end = jiffies + virtgpu_timeout();
	struct virtgpu_object *obj = import->obj;
	bool again;
	int ret;

	do {
		ret = virtgpu_import_wait(obj);
		dma_resv_lock(resv, NULL);
		ret = ret ?: virtgpu_import_settle_locked(import);
		again = ret == -EAGAIN || (ret == -ENOMEM && time_before(jiffies, end));
		if (!again)
			virtgpu_import_end_deferred(import, ret);
		dma_resv_unlock(resv);
		/* A commit is not to be lost for memory that comes back. */
		if (again && ret == -ENOMEM)
			fsleep(10000);
	} while (again);
	if (ret)
		drm_dbg_prime(obj->base.base.dev, "moved buffer not shown: %d\n", ret);
	virtgpu_object_put_ref(obj);
}

/**
 * virtgpu_import_submit() - queue the commands of a commit
 * @res: the resource that the commit shows, of an imported object
 * @cmds: the commands, consumed
 *
 * A commit must not take the reservation lock. When the pages are on the move, its
 * commands wait until the host knows where they are. Any context.
 */
void virtgpu_import_submit(struct virtgpu_resource *res, struct list_head *cmds)
{
	struct virtgpu_import *import = res->obj->import;
	unsigned long flags;

	spin_lock_irqsave(&import->lock, flags);
	if (list_empty(&import->deferred) && res->backing && !res->backing->leaving) {
		virtgpu_queue_submit_list(&res->vgdev->ctrl, cmds);
	} else {
		res->stale = true;
		list_splice_tail_init(cmds, &import->deferred);
		kref_get(&import->obj->refs);
		if (!queue_work(res->vgdev->wq, &import->work))
			virtgpu_object_put_ref(import->obj);
	}
	spin_unlock_irqrestore(&import->lock, flags);
}

/* ---- import ------------------------------------------------------------- */

static int virtgpu_import_mmap(struct drm_gem_object *gem, struct vm_area_struct *vma)
{
	int ret;

	/* The mapping is the exporter's, and keeps the dma-buf, not our object. */
	vma->vm_private_data = NULL;
	vma->vm_ops = NULL;
	ret = dma_buf_mmap(gem->import_attach->dmabuf, vma, 0);
	if (ret)
		return ret;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	drm_gem_object_put(gem);
	return 0;
}

static int virtgpu_import_vmap(struct drm_gem_object *gem, struct iosys_map *map)
{
	return dma_buf_vmap(gem->import_attach->dmabuf, map);
}

static void virtgpu_import_vunmap(struct drm_gem_object *gem, struct iosys_map *map)
{
	dma_buf_vunmap(gem->import_attach->dmabuf, map);
}

/**
 * virtgpu_dma_buf_free_obj() - &drm_gem_object_funcs.free of an import
 * @gem: the GEM object
 *
 * The dma-buf is detached from when the host has let go of its pages.
 */
static void virtgpu_dma_buf_free_obj(struct drm_gem_object *gem)
{
	struct virtgpu_object *obj = to_virtgpu_object(gem);
	struct virtgpu_import *import = obj->import;
	struct virtgpu_mapping *mapping;

	dma_resv_lock(gem->resv, NULL);
	import->closed = true;
	/* Without memory for that, only bounce buffers are safe from a move. */
	if (import->mapping)
		virtgpu_mapping_announce(gem->resv, import->mapping);
	spin_lock_irq(&import->lock);
	mapping = import->mapping;
	import->mapping = NULL;
	spin_unlock_irq(&import->lock);
	dma_resv_unlock(gem->resv);

	virtgpu_resource_put(obj->res);
	virtgpu_mapping_put(mapping);
	virtgpu_object_put_ref(obj);
}

static const struct drm_gem_object_funcs virtgpu_import_funcs = {
	.free = virtgpu_dma_buf_free_obj,
	.open = virtgpu_gem_open,
	.close = virtgpu_gem_close,
	.vmap = virtgpu_import_vmap,
	.vunmap = virtgpu_import_vunmap,
	.mmap = virtgpu_import_mmap,
};

/**
 * virtgpu_import_release() - end an import that the host does not use any more
 * @obj: the object, without references; freed
 *
 * Process context.
 */
void virtgpu_import_release(struct virtgpu_object *obj)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(obj->base.base.dev);
	struct virtgpu_import *import = obj->import;
	struct dma_buf *buf = import->attach->dmabuf;
	struct device *dev = import->attach->dev;

	mutex_lock(&vgdev->mapped_lock);
	list_del(&import->link);
	mutex_unlock(&vgdev->mapped_lock);

	dma_buf_detach(buf, import->attach);
	drm_gem_object_release(&obj->base.base);
	dma_buf_put(buf);
	put_device(dev);
	kfree(import);
	kfree(obj);
}

/**
 * virtgpu_dma_buf_init_obj() - make an object of an attachment
 * @vgdev: the device
 * @obj: the object, with an import
 * @attach: the attachment
 */
static void virtgpu_dma_buf_init_obj(struct virtgpu_device *vgdev, struct virtgpu_object *obj,
				     struct dma_buf_attachment *attach)
{
	struct drm_gem_object *gem = &obj->base.base;
	struct virtgpu_import *import = obj->import;

	get_dma_buf(attach->dmabuf);
	get_device(attach->dev);
	gem->funcs = &virtgpu_import_funcs;
	gem->import_attach = attach;
	gem->resv = attach->dmabuf->resv;
	drm_gem_private_object_init(&vgdev->drm, gem, attach->dmabuf->size);

	dma_resv_lock(gem->resv, NULL);
	import->attach = attach;
	dma_resv_unlock(gem->resv);
	mutex_lock(&vgdev->mapped_lock);
	list_add(&import->link, &vgdev->imports);
	mutex_unlock(&vgdev->mapped_lock);
}

static struct virtgpu_import *virtgpu_import_alloc(struct virtgpu_device *vgdev,
						   struct virtgpu_object *obj)
{
	struct virtgpu_import *import = kzalloc(sizeof(*import), GFP_KERNEL);

	if (!import)
		return NULL;
	import->obj = obj;
	virtgpu_timeline_init(&import->timeline, vgdev);
	spin_lock_init(&import->lock);
	INIT_LIST_HEAD(&import->resources);
	INIT_LIST_HEAD(&import->mappings);
	init_waitqueue_head(&import->detached);
	INIT_LIST_HEAD(&import->deferred);
	INIT_WORK(&import->work, virtgpu_import_work);
	return import;
}

static const struct dma_buf_attach_ops virtgpu_dma_buf_attach_ops = {
	.allow_peer2peer = true,
	.VIRTGPU_MOVE_NOTIFY = virtgpu_dma_buf_move_notify,
};

/*
 * The core knows one dma-buf of an object, and forgets it with the last handle. One
 * that got a handle again by its framebuffer may have been exported anew since: of
 * its dma-bufs, the core takes the one that it is asked about.
 */
static struct drm_gem_object *virtgpu_import_own(struct drm_gem_object *gem, struct dma_buf *buf)
{
	lockdep_assert_held(&gem->dev->object_name_lock);

	if (gem->dma_buf && gem->dma_buf != buf) {
		dma_buf_put(gem->dma_buf);
		get_dma_buf(buf);
		gem->dma_buf = buf;
	}
	drm_gem_object_get(gem);
	return gem;
}

/**
 * virtgpu_prime_fd_to_handle() - &drm_driver.prime_fd_to_handle
 * @drm: the DRM device
 * @file: who imports
 * @prime_fd: the dma-buf
 * @handle: gets the handle
 *
 * As virtgpu_prime_handle_to_fd(). Process context.
 *
 * Return: 0, or the errno of virtgpu_queue_throttle() or of the import.
 */
int virtgpu_prime_fd_to_handle(struct drm_device *drm, struct drm_file *file, int prime_fd,
			       u32 *handle)
{
	return virtgpu_queue_throttle(&to_virtgpu_device(drm)->ctrl) ?:
	       drm_gem_prime_fd_to_handle(drm, file, prime_fd, handle);
}

/**
 * virtgpu_gem_prime_import() - &drm_driver.gem_prime_import
 * @drm: the DRM device
 * @buf: the dma-buf
 *
 * A buffer that this device exported comes back as the object it was made of.
 * That of another device is attached to; its pages are asked for with the first
 * use.
 *
 * Return: the GEM object with a reference, or an ERR_PTR().
 */
struct drm_gem_object *virtgpu_gem_prime_import(struct drm_device *drm, struct dma_buf *buf)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(drm);
	struct drm_gem_object *gem = buf->priv;
	struct dma_buf_attachment *attach;
	struct virtgpu_object *obj;

	if (buf->ops == &virtgpu_dma_buf_ops.ops && gem->dev == drm)
		return virtgpu_import_own(gem, buf);
	if (!buf->size || !PAGE_ALIGNED(buf->size))
		return ERR_PTR(-EINVAL);
	if (READ_ONCE(vgdev->unmapped))
		return ERR_PTR(-ENODEV);

	gem = virtgpu_object_alloc(drm, buf->size);
	if (IS_ERR(gem))
		return gem;
	obj = to_virtgpu_object(gem);
	obj->import = virtgpu_import_alloc(vgdev, obj);
	if (!obj->import) {
		kfree(obj);
		return ERR_PTR(-ENOMEM);
	}
	attach = dma_buf_dynamic_attach(buf, vgdev->import_dev, &virtgpu_dma_buf_attach_ops, obj);
	if (IS_ERR(attach)) {
		kfree(obj->import);
		kfree(obj);
		return ERR_CAST(attach);
	}
	virtgpu_dma_buf_init_obj(vgdev, obj, attach);
	return gem;
}

static struct virtgpu_import *virtgpu_imports_take(struct virtgpu_device *vgdev)
{
	struct virtgpu_import *import;

	guard(mutex)(&vgdev->mapped_lock);
	vgdev->unmapped = true;
	list_for_each_entry(import, &vgdev->imports, link) {
		if (!kref_get_unless_zero(&import->obj->refs))
			continue;
		list_del_init(&import->link);
		return import;
	}
	return NULL;
}

/**
 * virtgpu_imports_unmap_all() - let go of all foreign pages
 * @vgdev: the device, reset and with its queues dead
 *
 * Process context.
 */
void virtgpu_imports_unmap_all(struct virtgpu_device *vgdev)
{
	struct virtgpu_mapping *mapping, *next;
	struct virtgpu_import *import;

	while ((import = virtgpu_imports_take(vgdev))) {
		dma_resv_lock(virtgpu_import_resv(import), NULL);
		virtgpu_import_unmap_locked(import, true);
		virtgpu_import_copy_back_locked(import);
		/* Whatever still counts on them: nothing reaches the device any more. */
		list_for_each_entry_safe(mapping, next, &import->mappings, link)
			virtgpu_mapping_unmap_locked(mapping);
		dma_resv_unlock(virtgpu_import_resv(import));
		virtgpu_object_put_ref(import->obj);
	}
	flush_workqueue(vgdev->wq);
}

static void virtgpu_import_dev_reset(void *data)
{
	struct device *dev = data;

	dev->dma_mask = NULL;
	dev->dma_parms = NULL;
}

/**
 * virtgpu_imports_init() - choose the device that foreign buffers are mapped for
 * @vgdev: the device
 *
 * Without VIRTIO_F_ACCESS_PLATFORM a virtio device goes by physical addresses,
 * even where its parent on the bus is behind an IOMMU. Those are what the DMA API
 * gives for a device that has none: the virtio device.
 *
 * Return: 0 or a negative errno.
 */
int virtgpu_imports_init(struct virtgpu_device *vgdev)
{
	struct device *dev = &vgdev->vdev->dev;
	int ret;

	INIT_LIST_HEAD(&vgdev->imports);
	vgdev->import_dev = vgdev->use_dma_api ? vgdev->dma_dev : dev;
	if (vgdev->use_dma_api) {
		/* An entry can be as long as its pieces are; the bus has no limit of its own. */
		if (vgdev->dma_dev->dma_parms)
			dma_set_max_seg_size(vgdev->dma_dev, UINT_MAX);
		return 0;
	}

	dev->dma_parms = &vgdev->dma_parms;
	ret = devm_add_action_or_reset(dev, virtgpu_import_dev_reset, dev);
	if (ret)
		return ret;
	dma_set_max_seg_size(dev, UINT_MAX);
	return dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
}
