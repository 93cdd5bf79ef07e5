// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Objects and resources: the pages that a program draws into, and what the
 * host knows of them.
 *
 * The host writes to and reads from pages that it was given until it has
 * answered the RESOURCE_UNREF (or the device is reset), so a resource keeps a
 * reference to its object until then, and the object its pages.
 */

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include <drm/drm_drv.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"

/*
 * How long the outputs wait, after a reset, for what they show to be made again: longer
 * than a notification that is lost takes to be repeated.
 */
#define VIRTGPU_REBUILD_MAX (2 * HZ)

/* ---- memory entries ----------------------------------------------------- */

/* Runs of neighbours: where one ends the next entry begins. */
struct virtgpu_entry_writer {
	struct virtgpu_payload *payload;
	unsigned int count;
	u64 addr;
	u64 len;
};

static void virtgpu_entry_emit(struct virtgpu_entry_writer *w)
{
	struct virtio_gpu_mem_entry *entry;

	if (!w->len)
		return;
	if (w->payload) {
		entry = virtgpu_payload_at(w->payload, w->count * sizeof(*entry));
		entry->addr = cpu_to_le64(w->addr);
		entry->length = cpu_to_le32(w->len);
		entry->padding = 0;
	}
	w->count++;
	w->len = 0;
}

static void virtgpu_entry_add(struct virtgpu_entry_writer *w, u64 addr, u64 len)
{
	/* The length of an entry is 32 bits wide. */
	if (w->len && w->addr + w->len == addr && w->len + len <= SZ_2G) {
		w->len += len;
		return;
	}
	virtgpu_entry_emit(w);
	w->addr = addr;
	w->len = len;
}

static unsigned int virtgpu_entries_walk(struct virtgpu_object *obj,
					 struct virtgpu_payload *payload)
{
	struct sg_table *sgt = obj->import ? obj->import->mapping->sgt : obj->sgt;
	struct virtgpu_entry_writer w = { .payload = payload };
	struct scatterlist *sg;
	unsigned long i;

	if (sgt) {
		unsigned int n;

		for_each_sgtable_dma_sg(sgt, sg, n)
			virtgpu_entry_add(&w, sg_dma_address(sg), sg_dma_len(sg));
	} else {
		for (i = 0; i < obj->base.base.size >> PAGE_SHIFT; i++)
			virtgpu_entry_add(&w, page_to_phys(obj->base.pages[i]), PAGE_SIZE);
	}
	virtgpu_entry_emit(&w);
	return w.count;
}

/* The object's pages as the device sees them, neighbours merged. */
VISIBLE_IF_KUNIT struct virtgpu_payload *
virtgpu_object_entries(struct virtgpu_device *vgdev, struct virtgpu_object *obj)
{
	unsigned int count = virtgpu_entries_walk(obj, NULL);
	struct virtgpu_payload *payload;

	/* Memory of another virtio device's host has no addresses here. */
	if (!count)
		return ERR_PTR(-EOPNOTSUPP);
	payload = virtgpu_payload_alloc(vgdev, count * sizeof(struct virtio_gpu_mem_entry));
	if (!IS_ERR(payload))
		virtgpu_entries_walk(obj, payload);
	return payload;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_object_entries);

/* ---- objects ------------------------------------------------------------ */

static void virtgpu_object_unmap_locked(struct virtgpu_device *vgdev,
					struct virtgpu_object *obj)
{
	unsigned long attrs = 0;

	lockdep_assert_held(&vgdev->mapped_lock);

	/* Without writes of the device, its copy is older than what the CPU sees. */
	if (atomic_read(&obj->writes) == obj->shown)
		attrs |= DMA_ATTR_SKIP_CPU_SYNC;
	list_del(&obj->mapped_link);
	dma_unmap_sgtable(vgdev->dma_dev, obj->sgt, DMA_BIDIRECTIONAL, attrs);
	sg_free_table(obj->sgt);
	kfree(obj->sgt);
	obj->sgt = NULL;
}

static void virtgpu_object_unmap(struct virtgpu_object *obj)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(obj->base.base.dev);

	if (!vgdev->use_dma_api)
		return;
	guard(mutex)(&vgdev->mapped_lock);
	if (obj->sgt)
		virtgpu_object_unmap_locked(vgdev, obj);
}

static int virtgpu_object_map(struct virtgpu_device *vgdev, struct virtgpu_object *obj)
{
	struct drm_gem_object *gem = &obj->base.base;
	struct sg_table *sgt;
	int ret;

	guard(mutex)(&vgdev->mapped_lock);
	if (vgdev->unmapped)
		return -ENODEV;

	sgt = drm_prime_pages_to_sg(gem->dev, obj->base.pages, gem->size >> PAGE_SHIFT);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	ret = dma_map_sgtable(vgdev->dma_dev, sgt, DMA_BIDIRECTIONAL, 0);
	if (ret) {
		sg_free_table(sgt);
		kfree(sgt);
		return ret;
	}
	/* Pairs with virtgpu_object_get_addresses(). */
	smp_store_release(&obj->sgt, sgt);
	list_add(&obj->mapped_link, &vgdev->mapped_objects);
	return 0;
}

/**
 * virtgpu_objects_unmap_all() - take all objects from a device that goes
 * @vgdev: the device, reset, and with all outputs off
 *
 * Objects outlive the device; their addresses in its address space must not.
 */
void virtgpu_objects_unmap_all(struct virtgpu_device *vgdev)
{
	struct virtgpu_object *obj, *next;

	guard(mutex)(&vgdev->mapped_lock);
	vgdev->unmapped = true;
	list_for_each_entry_safe(obj, next, &vgdev->mapped_objects, mapped_link)
		virtgpu_object_unmap_locked(vgdev, obj);
}

static void virtgpu_object_free_work(struct work_struct *work)
{
	struct virtgpu_object *obj = container_of(work, struct virtgpu_object, free_work);
	struct drm_gem_object *gem = &obj->base.base;

	if (obj->vram) {
		virtgpu_vram_free(obj);
		return;
	}
	if (obj->import) {
		virtgpu_import_release(obj);
		return;
	}
	/* Nobody will read the pages again. */
	obj->base.pages_mark_dirty_on_put = false;
	dma_resv_lock(gem->resv, NULL);
	virtgpu_object_unmap(obj);
	if (obj->pages_pinned) {
		virtgpu_take_pages_back(&obj->base);
		drm_gem_shmem_unpin_locked(&obj->base);
	}
	dma_resv_unlock(gem->resv);
	drm_gem_shmem_free(&obj->base);
}

static void virtgpu_object_release(struct kref *kref)
{
	struct virtgpu_object *obj = container_of(kref, struct virtgpu_object, refs);

	queue_work(to_virtgpu_device(obj->base.base.dev)->wq, &obj->free_work);
}

/**
 * virtgpu_object_put_ref() - drop one of &virtgpu_object.refs
 * @obj: the object
 *
 * Any context.
 */
void virtgpu_object_put_ref(struct virtgpu_object *obj)
{
	kref_put(&obj->refs, virtgpu_object_release);
}

/**
 * virtgpu_object_alloc() - &drm_driver.gem_create_object
 * @drm: the DRM device
 * @size: in bytes
 *
 * Return: the GEM object for the shmem helpers to initialise, or an ERR_PTR().
 */
struct drm_gem_object *virtgpu_object_alloc(struct drm_device *drm, size_t size)
{
	struct virtgpu_object *obj = kzalloc(sizeof(*obj), GFP_KERNEL);

	if (!obj)
		return ERR_PTR(-ENOMEM);

	kref_init(&obj->refs);
	obj->shareable = true;
	INIT_WORK(&obj->free_work, virtgpu_object_free_work);
	obj->base.base.funcs = &virtgpu_gem_funcs;
	return &obj->base.base;
}

/**
 * virtgpu_object_create() - make an object with guest pages
 * @vgdev: the device
 * @size: in bytes, more than 0; rounded up to whole pages
 *
 * Pages come with the first use, and so does the host's resource. May sleep.
 *
 * Return: the object, ERR_PTR(-ENOMEM) also for more than the guest's memory, or
 * another ERR_PTR().
 */
struct virtgpu_object *virtgpu_object_create(struct virtgpu_device *vgdev, size_t size)
{
	struct drm_gem_shmem_object *shmem;

	/* Pages are pinned when they are used: more than there are can never be. */
	if (size >> PAGE_SHIFT > totalram_pages())
		return ERR_PTR(-ENOMEM);

	shmem = drm_gem_shmem_create(&vgdev->drm, size);
	if (IS_ERR(shmem))
		return ERR_CAST(shmem);
	/* Neither what programs map nor what the host writes is dirty by itself. */
	shmem->pages_mark_dirty_on_put = true;
	return container_of(shmem, struct virtgpu_object, base);
}

/**
 * virtgpu_object_free() - &drm_gem_object_funcs.free
 * @gem: the GEM object
 *
 * The memory goes when the host has let go of it, too.
 */
void virtgpu_object_free(struct drm_gem_object *gem)
{
	struct virtgpu_object *obj = to_virtgpu_object(gem);

	if (obj->vram)
		virtgpu_vram_unmap(obj);
	virtgpu_resource_put(obj->res);
	/* The common case of an object that the host never saw. */
	if (kref_read(&obj->refs) == 1)
		virtgpu_object_free_work(&obj->free_work);
	else
		virtgpu_object_put_ref(obj);
}

static int virtgpu_object_pin_locked(struct virtgpu_object *obj)
{
	struct drm_gem_object *gem = &obj->base.base;
	struct virtgpu_device *vgdev = to_virtgpu_device(gem->dev);
	int ret;

	dma_resv_assert_held(gem->resv);

	if (obj->vram)
		return 0;
	if (obj->import)
		return virtgpu_dma_buf_import_sgt(obj);
	if (!obj->pages_pinned) {
		ret = drm_gem_shmem_pin_locked(&obj->base);
		if (ret)
			return ret;
		obj->pages_pinned = true;
	}
	if (!vgdev->use_dma_api || obj->sgt)
		return 0;

	return virtgpu_object_map(vgdev, obj);
}

/**
 * virtgpu_object_needs_sync() - may the device see a copy of the pages?
 * @obj: the object
 *
 * Return: whether it is told of writes of the processor, and the other way round.
 */
bool virtgpu_object_needs_sync(const struct virtgpu_object *obj)
{
	const struct virtgpu_device *vgdev = to_virtgpu_device(obj->base.base.dev);

	return (obj->import || vgdev->use_dma_api) && dma_dev_need_sync(vgdev->import_dev);
}

/* Of an import only as long as it has @mapping, of others until the device goes. */
static struct sg_table *virtgpu_object_get_addresses(struct virtgpu_object *obj,
						     struct virtgpu_mapping **mapping)
{
	*mapping = obj->import ? virtgpu_import_current(obj) : NULL;
	if (obj->import)
		return *mapping ? (*mapping)->sgt : NULL;
	/* Pairs with virtgpu_object_map(). */
	return smp_load_acquire(&obj->sgt);
}

typedef void (*virtgpu_sync_range)(struct device *dev, dma_addr_t addr, unsigned long offset,
				   size_t len, enum dma_data_direction dir);

static void virtgpu_sgt_sync_range(struct device *dev, struct sg_table *sgt, size_t offset,
				   size_t len, virtgpu_sync_range sync)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		size_t part, size = sg_dma_len(sg);

		if (offset >= size) {
			offset -= size;
			continue;
		}
		part = min(len, size - offset);
		sync(dev, sg_dma_address(sg), offset, part, DMA_BIDIRECTIONAL);
		len -= part;
		if (!len)
			break;
		offset = 0;
	}
}

/*
 * With CONFIG_DMABUF_DEBUG importers are shown a table without the lengths of the
 * pages, by which dma_sync_sgtable_for_device() goes.
 */
static bool virtgpu_sgt_has_addresses_only(const struct sg_table *sgt)
{
	return !sgt->sgl->length;
}

static void virtgpu_sgt_sync_for_device(struct device *dev, struct sg_table *sgt,
					size_t offset, size_t len, size_t size)
{
	if (len == size && !virtgpu_sgt_has_addresses_only(sgt))
		dma_sync_sgtable_for_device(dev, sgt, DMA_BIDIRECTIONAL);
	else
		virtgpu_sgt_sync_range(dev, sgt, offset, len, dma_sync_single_range_for_device);
}

static void virtgpu_sgt_sync_for_cpu(struct device *dev, struct sg_table *sgt, size_t size)
{
	if (!virtgpu_sgt_has_addresses_only(sgt))
		dma_sync_sgtable_for_cpu(dev, sgt, DMA_BIDIRECTIONAL);
	else
		virtgpu_sgt_sync_range(dev, sgt, 0, size, dma_sync_single_range_for_cpu);
}

/**
 * virtgpu_object_sync_for_device() - show the device what the CPU wrote
 * @obj: the object
 * @offset: of the first byte
 * @len: in bytes
 *
 * Only the part that changed, since a bounce buffer is copied here. Nothing to
 * do where the device uses the pages themselves, nor for one that has gone.
 */
void virtgpu_object_sync_for_device(struct virtgpu_object *obj, size_t offset, size_t len)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(obj->base.base.dev);
	struct virtgpu_mapping *mapping;
	struct sg_table *sgt;
	int idx;

	if (!virtgpu_object_needs_sync(obj) || !drm_dev_enter(&vgdev->drm, &idx))
		return;
	sgt = virtgpu_object_get_addresses(obj, &mapping);
	if (sgt)
		virtgpu_sgt_sync_for_device(vgdev->import_dev, sgt, offset, len,
					    obj->base.base.size);
	virtgpu_mapping_put(mapping);
	drm_dev_exit(idx);
}

/* ---- resources ---------------------------------------------------------- */

static void virtgpu_resource_forget(struct virtgpu_resource *res)
{
	unsigned long flags;

	xa_lock_irqsave(&res->vgdev->resources, flags);
	__xa_erase(&res->vgdev->resources, res->id);
	xa_unlock_irqrestore(&res->vgdev->resources, flags);
}

static void virtgpu_resource_destroy(struct kref *kref)
{
	struct virtgpu_resource *res = container_of(kref, struct virtgpu_resource, refs);

	virtgpu_resource_forget(res);
	virtgpu_backing_put(res);
	virtgpu_object_put_ref(res->obj);
	kfree(res);
}

/**
 * virtgpu_resource_release_ref() - drop a reference that is not an owner's
 * @res: the resource
 *
 * Any context.
 */
void virtgpu_resource_release_ref(struct virtgpu_resource *res)
{
	kref_put(&res->refs, virtgpu_resource_destroy);
}

/*
 * A resource that nobody owns any more and whose creation is settled. Failing
 * is not possible any more: the command was set aside when it was made.
 */
static void virtgpu_resource_unref(struct virtgpu_resource *res)
{
	struct virtgpu_cmd *cmd = res->unref;

	res->unref = NULL;
	if (res->created)
		virtgpu_queue_submit(cmd);
	else if (cmd)
		virtgpu_cmd_put(cmd);
	virtgpu_resource_release_ref(res);
}

static void virtgpu_resource_unref_done(struct virtgpu_cmd *cmd)
{
	atomic_dec(&cmd->res->vgdev->num_resources);
}

static void virtgpu_resource_set_state(struct virtgpu_resource *res,
				       enum virtgpu_resource_state state)
{
	/* Pairs with virtgpu_resource_read_state(). */
	smp_store_release(&res->state, state);
}

static void virtgpu_resource_fail(struct virtgpu_resource *res, int error)
{
	cmpxchg(&res->error, 0, error);
	virtgpu_resource_set_state(res, VIRTGPU_RES_FAILED);
}

static void virtgpu_object_set_resource(struct virtgpu_object *obj,
					struct virtgpu_resource *res)
{
	/* Pairs with virtgpu_object_peek_resource(). */
	smp_store_release(&obj->res, res);
}

static bool virtgpu_cmd_creates(const struct virtgpu_cmd *cmd)
{
	switch (cmd->info->type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		return true;
	default:
		return false;
	}
}

/* The answer to one of the commands that make a resource. */
static void virtgpu_resource_step_done(struct virtgpu_cmd *cmd)
{
	struct virtgpu_resource *res = cmd->res;

	if (cmd->error) {
		cmpxchg(&res->error, 0, cmd->error);
	} else if (virtgpu_cmd_creates(cmd)) {
		res->created = true;
		atomic_inc(&res->vgdev->num_resources);
	}
	if (!atomic_dec_and_test(&res->steps))
		return;

	virtgpu_resource_set_state(res, res->error ? VIRTGPU_RES_FAILED : VIRTGPU_RES_LIVE);
	complete_all(&res->settled);
	if (atomic_fetch_or(VIRTGPU_RES_SETTLED, &res->fate) & VIRTGPU_RES_UNOWNED)
		virtgpu_resource_unref(res);
}

static void virtgpu_resource_disown(struct kref *kref)
{
	struct virtgpu_resource *res = container_of(kref, struct virtgpu_resource, users);

	if (res->obj->import)
		virtgpu_backing_disown(res);
	if (atomic_fetch_or(VIRTGPU_RES_UNOWNED, &res->fate) & VIRTGPU_RES_SETTLED)
		virtgpu_resource_unref(res);
}

/**
 * virtgpu_resource_put() - an owner lets go of a resource
 * @res: the resource or NULL
 *
 * With the last owner RESOURCE_UNREF goes out, after the answer to the
 * commands that make the resource. Any context.
 */
void virtgpu_resource_put(struct virtgpu_resource *res)
{
	if (res)
		kref_put(&res->users, virtgpu_resource_disown);
}

/**
 * virtgpu_resource_wait() - wait until the host has taken or refused a resource
 * @res: the resource
 *
 * Process context.
 *
 * Return: 0 when it can be used, the errno of the host's refusal, -ETIMEDOUT
 * when there was no answer within virtgpu_timeout(), or -ERESTARTSYS when the
 * task is being killed.
 */
int virtgpu_resource_wait(struct virtgpu_resource *res)
{
	long left;

	if (virtgpu_resource_read_state(res) == VIRTGPU_RES_LIVE)
		return 0;

	left = wait_for_completion_killable_timeout(&res->settled, virtgpu_timeout());
	if (left < 0)
		return left;
	if (!left)
		virtgpu_report_slow(res->vgdev, "the creation of a resource");
	return left ? res->error : -ETIMEDOUT;
}

static struct virtgpu_cmd *virtgpu_resource_cmd(struct virtgpu_resource *res,
						enum virtgpu_cmd_id id,
						void (*done)(struct virtgpu_cmd *cmd),
						struct list_head *cmds)
{
	struct virtgpu_cmd *cmd = virtgpu_cmd_alloc(res->vgdev, id);

	if (IS_ERR(cmd))
		return cmd;

	virtgpu_cmd_set_resource(cmd, res);
	cmd->done = done;
	cmd->reported = done == virtgpu_resource_step_done;
	list_add_tail(&cmd->link, cmds);
	return cmd;
}

static int virtgpu_resource_build_attach(struct virtgpu_resource *res,
					 void (*done)(struct virtgpu_cmd *cmd),
					 struct list_head *cmds)
{
	struct virtgpu_payload *entries;
	struct virtgpu_cmd *cmd;

	cmd = virtgpu_resource_cmd(res, VIRTGPU_RESOURCE_ATTACH_BACKING, done, cmds);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	entries = virtgpu_object_entries(res->vgdev, res->obj);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	virtgpu_encode_attach_backing(cmd, res->id, entries);
	return 0;
}

static int virtgpu_resource_build_2d(struct virtgpu_resource *res, struct list_head *cmds)
{
	struct virtgpu_cmd *cmd;

	cmd = virtgpu_resource_cmd(res, VIRTGPU_RESOURCE_CREATE_2D,
				   virtgpu_resource_step_done, cmds);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	virtgpu_encode_create_2d(cmd, res->id, res->format, res->width, res->height);
	return virtgpu_resource_build_attach(res, virtgpu_resource_step_done, cmds);
}

static int virtgpu_resource_build_3d(struct virtgpu_resource *res,
				     const struct drm_virtgpu_resource_create *args,
				     struct list_head *cmds)
{
	struct virtgpu_cmd *cmd = virtgpu_resource_cmd(res, VIRTGPU_RESOURCE_CREATE_3D,
						       virtgpu_resource_step_done, cmds);

	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	virtgpu_encode_create_3d(cmd, res->id, args);
	return virtgpu_resource_build_attach(res, virtgpu_resource_step_done, cmds);
}

/* The embedded command makes what the blob id then names, in one go. */
static int virtgpu_resource_build_blob(struct virtgpu_resource *res,
				       struct virtgpu_resource_desc *desc,
				       struct list_head *cmds)
{
	const struct drm_virtgpu_resource_create_blob *args = desc->create_blob;
	struct virtgpu_payload *entries = NULL;
	struct virtgpu_cmd *cmd;

	if (desc->command) {
		cmd = virtgpu_resource_cmd(res, VIRTGPU_SUBMIT_3D, virtgpu_resource_step_done,
					   cmds);
		if (IS_ERR(cmd))
			return PTR_ERR(cmd);
		virtgpu_cmd_set_context(cmd, desc->ctx);
		virtgpu_encode_submit(cmd, args->cmd_size, desc->command);
		desc->command = NULL;
	}

	cmd = virtgpu_resource_cmd(res, VIRTGPU_RESOURCE_CREATE_BLOB,
				   virtgpu_resource_step_done, cmds);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	if (desc->ctx)
		virtgpu_cmd_set_context(cmd, desc->ctx);
	if (!res->obj->vram) {
		entries = virtgpu_object_entries(res->vgdev, res->obj);
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	virtgpu_encode_create_blob(cmd, res->id, args, res->obj->base.base.size, entries);
	return 0;
}

/* For pages that may move: see virtgpu_prime.c. */
static int virtgpu_resource_build_detach(struct virtgpu_resource *res)
{
	struct virtgpu_cmd *cmd;
	LIST_HEAD(cmds);

	cmd = virtgpu_resource_cmd(res, VIRTGPU_RESOURCE_DETACH_BACKING, NULL, &cmds);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	virtgpu_encode_resource(cmd, res->id);
	cmd->fenced = true;
	res->detach = cmd;
	return 0;
}

static int virtgpu_resource_build_unref(struct virtgpu_resource *res)
{
	struct virtgpu_cmd *cmd;
	LIST_HEAD(cmds);

	cmd = virtgpu_resource_cmd(res, VIRTGPU_RESOURCE_UNREF,
				   virtgpu_resource_unref_done, &cmds);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	virtgpu_encode_resource(cmd, res->id);
	cmd->fenced = true;
	res->unref = cmd;
	return 0;
}

static struct virtgpu_resource *virtgpu_resource_alloc(struct virtgpu_device *vgdev,
						       struct virtgpu_object *obj)
{
	struct virtgpu_resource *res = kzalloc(sizeof(*res), GFP_KERNEL);
	int ret;

	if (!res)
		return ERR_PTR(-ENOMEM);
	res->vgdev = vgdev;
	/* As much of it as an xarray takes for a value. */
	res->serial = atomic_long_inc_return(&vgdev->last_serial) & LONG_MAX;
	res->generation = READ_ONCE(vgdev->generation);
	kref_get(&obj->refs);
	res->obj = obj;
	kref_init(&res->refs);
	kref_init(&res->users);
	init_completion(&res->settled);
	init_completion(&res->uuid_answered);
	INIT_LIST_HEAD(&res->import_link);

	/* From here on virtgpu_resources_rebuild() may find it. */
	ret = xa_alloc_irq(&vgdev->resources, &res->id, res, xa_limit_31b, GFP_KERNEL);
	if (ret) {
		kref_put(&obj->refs, virtgpu_object_release);
		kfree(res);
		return ERR_PTR(ret);
	}
	return res;
}

/* The commands that make a resource of @desc, in order. */
static int virtgpu_resource_build(struct virtgpu_resource *res,
				  struct virtgpu_resource_desc *desc,
				  struct list_head *cmds)
{
	switch (res->kind) {
	case VIRTGPU_RES_3D:
		return virtgpu_resource_build_3d(res, desc->create_3d, cmds);
	case VIRTGPU_RES_BLOB:
		return virtgpu_resource_build_blob(res, desc, cmds);
	default:
		return virtgpu_resource_build_2d(res, cmds);
	}
}

/* Programs wait for a new buffer by its fences. */
static int virtgpu_resource_add_fence(struct virtgpu_resource *res, struct virtgpu_cmd *cmd)
{
	struct dma_resv *resv = res->obj->base.base.resv;
	int ret = dma_resv_reserve_fences(resv, 1);

	if (ret)
		return ret;
	cmd->fence = virtgpu_fence_alloc(&res->vgdev->timeline);
	return cmd->fence ? 0 : -ENOMEM;
}

static struct virtgpu_resource *
virtgpu_resource_create_entered(struct virtgpu_object *obj,
				struct virtgpu_resource_desc *desc)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(obj->base.base.dev);
	struct virtgpu_resource *res;
	struct virtgpu_fence *fence = NULL;
	struct virtgpu_cmd *cmd, *next;
	LIST_HEAD(cmds);
	int ret;

	dma_resv_assert_held(obj->base.base.resv);

	ret = virtgpu_object_pin_locked(obj);
	if (ret)
		return ERR_PTR(ret);

	res = virtgpu_resource_alloc(vgdev, obj);
	if (IS_ERR(res))
		return res;
	res->kind = desc->kind;
	res->blob_mem = desc->create_blob ? desc->create_blob->blob_mem : 0;
	res->blob_flags = desc->create_blob ? desc->create_blob->blob_flags : 0;
	res->format = desc->format;
	res->width = desc->width;
	res->height = desc->height;
	res->offset = desc->offset;

	ret = virtgpu_resource_build_unref(res) ?: virtgpu_resource_build(res, desc, &cmds);
	if (!ret && obj->import)
		ret = virtgpu_resource_build_detach(res);
	if (ret)
		goto err_free;
	if (res->kind != VIRTGPU_RES_2D) {
		cmd = list_last_entry(&cmds, struct virtgpu_cmd, link);
		ret = virtgpu_resource_add_fence(res, cmd);
		if (ret)
			goto err_free;
		fence = cmd->fence;
	}

	atomic_set(&res->steps, list_count_nodes(&cmds));
	if (obj->import)
		virtgpu_backing_set(res, &cmds);
	else
		virtgpu_queue_submit_list(&vgdev->ctrl, &cmds);
	if (fence) {
		dma_resv_add_fence(obj->base.base.resv, &fence->base, DMA_RESV_USAGE_WRITE);
		virtgpu_fence_put(fence);
	}
	return res;

err_free:
	list_for_each_entry_safe(cmd, next, &cmds, link)
		virtgpu_cmd_put(cmd);
	/* Not at once: virtgpu_resources_rebuild() may have found it. */
	atomic_set(&res->fate, VIRTGPU_RES_SETTLED);
	virtgpu_resource_put(res);
	return ERR_PTR(ret);
}

/* Its addresses, where it has such, are there as long as the device. */
static struct virtgpu_resource *
virtgpu_resource_create_locked(struct virtgpu_object *obj,
			       struct virtgpu_resource_desc *desc)
{
	struct virtgpu_resource *res;
	int idx;

	if (!drm_dev_enter(obj->base.base.dev, &idx))
		return ERR_PTR(-ENODEV);
	res = virtgpu_resource_create_entered(obj, desc);
	drm_dev_exit(idx);
	return res;
}

static bool virtgpu_resource_fits(const struct virtgpu_resource *res,
				  const struct virtgpu_resource_desc *desc)
{
	return res->kind == desc->kind && res->format == desc->format &&
	       res->width == desc->width && res->height == desc->height &&
	       res->offset == desc->offset &&
	       virtgpu_resource_read_state(res) != VIRTGPU_RES_FAILED;
}

static void virtgpu_resource_attach_done(struct virtgpu_cmd *cmd)
{
	if (cmd->error)
		virtgpu_resource_fail(cmd->res, cmd->error);
}

/* Of a resource without backing. */
static void virtgpu_resource_drop_detach(struct virtgpu_resource *res)
{
	if (res->detach)
		virtgpu_cmd_put(res->detach);
	res->detach = NULL;
}

/**
 * virtgpu_resource_attach_locked() - give a resource its backing again
 * @res: the resource, with an owner
 *
 * The pages of a foreign buffer may have moved since they were last used.
 * Process context, with the reservation lock.
 *
 * Return: 0, -EAGAIN when submissions count on the old pages still:
 * virtgpu_import_wait() waits for them, the errno of a resource that has failed,
 * or another one.
 */
int virtgpu_resource_attach_locked(struct virtgpu_resource *res)
{
	struct virtgpu_import *import = res->obj->import;
	const struct virtgpu_mapping *backing;
	struct virtgpu_cmd *cmd, *next;
	LIST_HEAD(cmds);
	int ret;

	if (!import)
		return 0;
	if (virtgpu_resource_read_state(res) == VIRTGPU_RES_FAILED)
		return res->error;
	/* After a reset, the rebuild alone tells the host where its pages are. */
	if (READ_ONCE(res->generation) != READ_ONCE(res->vgdev->generation))
		return VIRTGPU_LOST;
	ret = virtgpu_dma_buf_import_sgt(res->obj);
	if (ret)
		return ret;
	backing = READ_ONCE(res->backing);
	if (backing)
		return backing == import->mapping ? 0 : -EAGAIN;

	ret = virtgpu_resource_build_detach(res) ?:
	      virtgpu_resource_build_attach(res, virtgpu_resource_attach_done, &cmds);
	if (!ret) {
		virtgpu_backing_set(res, &cmds);
		return 0;
	}
	list_for_each_entry_safe(cmd, next, &cmds, link)
		virtgpu_cmd_put(cmd);
	virtgpu_resource_drop_detach(res);
	return ret;
}

/**
 * virtgpu_resource_is_refused() - is there no such resource at the host?
 * @res: the resource
 *
 * Return: true when the host has answered that it did not make it, or lost it.
 */
bool virtgpu_resource_is_refused(const struct virtgpu_resource *res)
{
	return virtgpu_resource_read_state(res) == VIRTGPU_RES_FAILED && !res->created;
}

/**
 * virtgpu_resource_has_failed() - is a resource not to be used?
 * @res: the resource
 *
 * Return: true when the host has refused it, or lost it.
 */
bool virtgpu_resource_has_failed(const struct virtgpu_resource *res)
{
	return virtgpu_resource_read_state(res) == VIRTGPU_RES_FAILED;
}

/**
 * virtgpu_resource_is_lost() - does the host not have a resource?
 * @res: the resource
 *
 * Any context.
 *
 * Return: whether it has failed, or a reset has not made it again.
 */
bool virtgpu_resource_is_lost(const struct virtgpu_resource *res)
{
	return virtgpu_resource_has_failed(res) ||
	       READ_ONCE(res->generation) != READ_ONCE(res->vgdev->generation);
}

/* ---- after a reset ------------------------------------------------------ */

/* The host has forgotten it, so that there is no RESOURCE_UNREF to be sent. */
static void virtgpu_resource_uncreate(struct virtgpu_resource *res)
{
	if (res->created)
		atomic_dec(&res->vgdev->num_resources);
	res->created = false;
}

static void virtgpu_resource_lose(struct virtgpu_resource *res, int error)
{
	virtgpu_resource_uncreate(res);
	virtgpu_resource_fail(res, error);
}

static void virtgpu_resource_rebuilt(struct virtgpu_cmd *cmd)
{
	struct virtgpu_device *vgdev = cmd->vgdev;

	if (cmd->error && virtgpu_cmd_creates(cmd))
		virtgpu_resource_uncreate(cmd->res);
	if (cmd->error)
		virtgpu_resource_fail(cmd->res, cmd->error);
	if (atomic_dec_and_test(&vgdev->rebuilding))
		wake_up_var(&vgdev->rebuilding);
}

/* Are the pages of a resource where the host was told, with the reservation lock? */
static bool virtgpu_resource_has_pages(const struct virtgpu_resource *res)
{
	const struct virtgpu_import *import = res->obj->import;

	return !import || (!import->closed && (!res->backing || res->backing == import->mapping));
}

static int virtgpu_resource_rebuild_locked(struct virtgpu_resource *res, struct list_head *cmds)
{
	const struct drm_virtgpu_resource_create_blob blob = {
		.blob_mem = res->blob_mem, .blob_flags = res->blob_flags,
	};
	struct virtgpu_resource_desc desc = { .create_blob = &blob };
	struct virtgpu_cmd *cmd, *next;
	bool moved = res->obj->import && !res->backing;
	struct virtgpu_device *vgdev = res->vgdev;
	LIST_HEAD(own);
	int ret = 0;

	if (!virtgpu_resource_has_pages(res))
		return VIRTGPU_LOST;
	/* An import that has moved and was not used since has no backing. */
	if (moved)
		ret = virtgpu_dma_buf_import_sgt(res->obj) ?: virtgpu_resource_build_detach(res);
	ret = ret ?: virtgpu_resource_build(res, &desc, &own);
	list_for_each_entry_safe(cmd, next, &own, link) {
		cmd->done = virtgpu_resource_rebuilt;
		if (ret)
			virtgpu_cmd_put(cmd);
		else
			atomic_inc(&vgdev->rebuilding);
	}
	if (ret && moved)
		virtgpu_resource_drop_detach(res);
	if (ret)
		return ret;
	WRITE_ONCE(res->generation, vgdev->generation);
	if (moved)
		virtgpu_backing_set(res, &own);
	else if (res->obj->import)
		virtgpu_queue_submit_list(&vgdev->ctrl, &own);
	else
		list_splice_tail(&own, cmds);
	return 0;
}

/* Those who waited for the old answer have had an error. */
static void virtgpu_resource_ask_uuid_again(struct virtgpu_resource *res)
{
	if (res->uuid_state == VIRTGPU_UUID_NONE)
		return;
	reinit_completion(&res->uuid_answered);
	WRITE_ONCE(res->uuid_state, VIRTGPU_UUID_NONE);
	if (virtio_gpu_resource_assign_uuid(res->vgdev, res)) {
		WRITE_ONCE(res->uuid_state, VIRTGPU_UUID_REFUSED);
		complete_all(&res->uuid_answered);
	}
}

/*
 * What is in guest memory can be made again. What only the host had is gone, as
 * is what was being made when the device was reset.
 *
 * Return: 0, or -ENOMEM for a resource that the next reset can still make again.
 */
static int virtgpu_resource_rebuild(struct virtgpu_resource *res, struct list_head *cmds)
{
	bool guest = res->kind == VIRTGPU_RES_2D ||
		     (res->kind == VIRTGPU_RES_BLOB && res->blob_mem == VIRTGPU_BLOB_MEM_GUEST);
	int ret = VIRTGPU_LOST;

	switch (virtgpu_resource_read_state(res)) {
	case VIRTGPU_RES_CREATING:
		/* by whoever came after the reset */
		return 0;
	case VIRTGPU_RES_FAILED:
		virtgpu_resource_uncreate(res);
		return 0;
	default:
		break;
	}
	if (guest) {
		dma_resv_lock(res->obj->base.base.resv, NULL);
		ret = virtgpu_resource_rebuild_locked(res, cmds);
		dma_resv_unlock(res->obj->base.base.resv);
	}
	if (ret == -ENOMEM && !virtgpu_reset_is_last(res->vgdev))
		return ret;
	if (ret) {
		virtgpu_resource_lose(res, ret);
		return 0;
	}
	virtgpu_resource_ask_uuid_again(res);
	return 0;
}

static int virtgpu_resource_rebuild_own(struct virtgpu_resource *res, struct list_head *cmds)
{
	return res->obj->import ? 0 : virtgpu_resource_rebuild(res, cmds);
}

static int virtgpu_resource_rebuild_import(struct virtgpu_resource *res, struct list_head *unused)
{
	return res->obj->import ? virtgpu_resource_rebuild(res, unused) : 0;
}

/* Return: the last error of @func, which is called for each resource all the same. */
static int virtgpu_resources_each(struct virtgpu_device *vgdev,
				  int (*func)(struct virtgpu_resource *res,
					      struct list_head *cmds),
				  struct list_head *cmds)
{
	struct virtgpu_resource *res;
	unsigned long id;
	int ret = 0;

	xa_lock_irq(&vgdev->resources);
	xa_for_each(&vgdev->resources, id, res) {
		if (!kref_get_unless_zero(&res->users))
			continue;
		xa_unlock_irq(&vgdev->resources);
		ret = func(res, cmds) ?: ret;
		virtgpu_resource_put(res);
		xa_lock_irq(&vgdev->resources);
	}
	xa_unlock_irq(&vgdev->resources);
	return ret;
}

/**
 * virtgpu_resources_rebuild() - make resources again, after a reset
 * @vgdev: the device, with queues that are not started
 * @cmds: gets the commands for that, which come before all others
 *
 * All but those over foreign pages. Process context.
 *
 * Return: 0, or -ENOMEM when some are to be made again by another reset.
 */
int virtgpu_resources_rebuild(struct virtgpu_device *vgdev, struct list_head *cmds)
{
	return virtgpu_resources_each(vgdev, virtgpu_resource_rebuild_own, cmds);
}

/**
 * virtgpu_imports_rebuild() - make resources over foreign pages again, after a reset
 * @vgdev: the device, with queues that are started
 *
 * Their exporter may move one of them to make room for another, and waits until the
 * host has let go of its pages: the queue has to go on meanwhile. Process context.
 *
 * Return: 0, or -ENOMEM when some are to be made again by another reset.
 */
int virtgpu_imports_rebuild(struct virtgpu_device *vgdev)
{
	return virtgpu_resources_each(vgdev, virtgpu_resource_rebuild_import, NULL);
}

/**
 * virtgpu_resources_wait_rebuilt() - wait for what the host says of what was made again
 * @vgdev: the device, with queues that are started
 *
 * What it refuses is not to be used, by the outputs first of all. Process context; a
 * host that is slow is waited for no longer than VIRTGPU_REBUILD_MAX.
 */
void virtgpu_resources_wait_rebuilt(struct virtgpu_device *vgdev)
{
	wait_var_event_timeout(&vgdev->rebuilding, !atomic_read(&vgdev->rebuilding),
			       min_t(unsigned long, virtgpu_timeout(), VIRTGPU_REBUILD_MAX));
}

static int virtgpu_resource_unmap_lost(struct virtgpu_resource *res, struct list_head *unused)
{
	if (res->obj->vram && res->generation != res->vgdev->generation)
		virtgpu_vram_lose(res->obj);
	return 0;
}

/**
 * virtgpu_resources_unmap_lost() - take host memory from programs that a reset took
 * @vgdev: the device, with queues that are started
 *
 * Whoever maps a blob meanwhile has the lock of the window and waits for the host.
 * Process context.
 */
void virtgpu_resources_unmap_lost(struct virtgpu_device *vgdev)
{
	virtgpu_resources_each(vgdev, virtgpu_resource_unmap_lost, NULL);
}

/* A blob over foreign pages, where the host takes its size. */
static bool virtgpu_object_wants_blob(const struct virtgpu_object *obj)
{
	const struct virtgpu_device *vgdev = to_virtgpu_device(obj->base.base.dev);

	return obj->import && vgdev->has_blob &&
	       (!vgdev->blob_alignment || IS_ALIGNED(obj->base.base.size, vgdev->blob_alignment));
}

/**
 * virtgpu_object_get_resource() - a resource over an object's pages
 * @obj: the object, large enough
 * @desc: format, size and offset of a 2D one, or the blob of an imported object
 *
 * The object's own resource where that is what is wanted, else one more. Its
 * creation is under way when this returns; virtgpu_resource_wait() tells how it
 * ended. Process context; takes the object's reservation lock.
 *
 * Return: the resource, to be put with virtgpu_resource_put(), or an ERR_PTR().
 */
struct virtgpu_resource *virtgpu_object_get_resource(struct virtgpu_object *obj,
						     struct virtgpu_resource_desc *desc)
{
	struct drm_gem_object *gem = &obj->base.base;
	struct virtgpu_resource *res;
	int ret;

	ret = dma_resv_lock_interruptible(gem->resv, NULL);
	if (ret)
		return ERR_PTR(ret);

	if (obj->res && virtgpu_resource_fits(obj->res, desc)) {
		res = virtgpu_resource_get(obj->res);
	} else {
		res = virtgpu_resource_create_locked(obj, desc);
		/* Programs know an import by its blob, if there can be one. */
		if (!IS_ERR(res) && !obj->res &&
		    (desc->kind == VIRTGPU_RES_BLOB || !virtgpu_object_wants_blob(obj)))
			virtgpu_object_set_resource(obj, virtgpu_resource_get(res));
	}
	dma_resv_unlock(gem->resv);
	return res;
}

/**
 * virtgpu_object_init_resource() - give a new object the resource it stands for
 * @obj: the object, not known to anybody else yet
 * @desc: what the resource is; its command is the caller's when it is still
 *	  there afterwards
 *
 * Process context. The host's answer is not waited for.
 *
 * Return: 0 or a negative errno.
 */
int virtgpu_object_init_resource(struct virtgpu_object *obj,
				 struct virtgpu_resource_desc *desc)
{
	struct virtgpu_resource *res;

	dma_resv_lock(obj->base.base.resv, NULL);
	res = virtgpu_resource_create_locked(obj, desc);
	dma_resv_unlock(obj->base.base.resv);
	if (IS_ERR(res))
		return PTR_ERR(res);
	virtgpu_object_set_resource(obj, res);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_object_init_resource);

static struct virtgpu_resource *virtgpu_object_make_resource(struct virtgpu_object *obj)
{
	const struct drm_virtgpu_resource_create_blob blob = {
		.blob_mem = VIRTGPU_BLOB_MEM_GUEST,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_SHAREABLE,
	};
	struct virtgpu_resource_desc desc = {
		.kind = VIRTGPU_RES_2D, .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
		.width = obj->width, .height = obj->height,
	};
	struct virtgpu_resource *res;

	if (virtgpu_object_wants_blob(obj))
		desc = (struct virtgpu_resource_desc) {
			.kind = VIRTGPU_RES_BLOB, .create_blob = &blob,
		};
	else if (obj->import)
		return ERR_PTR(-EOPNOTSUPP);

	res = virtgpu_object_get_resource(obj, &desc);
	if (IS_ERR(res))
		return res;
	virtgpu_resource_put(res);
	return virtgpu_object_peek_resource(obj);
}

/**
 * virtgpu_object_resource() - the resource that programs know an object by
 * @obj: the object
 *
 * A dumb buffer gets one here that has its size, an imported one a blob. Process
 * context.
 *
 * Return: the resource, as long as the object, the error with which the host
 * refused it, or ERR_PTR(-EOPNOTSUPP) for an imported buffer that no framebuffer
 * has given a geometry, where the host has no blobs.
 */
struct virtgpu_resource *virtgpu_object_resource(struct virtgpu_object *obj)
{
	struct virtgpu_resource *res = virtgpu_object_peek_resource(obj);

	if (unlikely(!res))
		res = virtgpu_object_make_resource(obj);
	if (IS_ERR(res))
		return res;
	return virtgpu_resource_read_state(res) == VIRTGPU_RES_FAILED ? ERR_PTR(res->error) : res;
}

/**
 * virtgpu_object_use() - make an object ready for commands of a context
 * @obj: the object
 *
 * Process context, without the object's reservation.
 *
 * Return: 0 or a negative errno, that of a resource which the host refused
 * among them.
 */
int virtgpu_object_use(struct virtgpu_object *obj)
{
	struct virtgpu_resource *res = virtgpu_object_resource(obj);
	int ret;

	if (IS_ERR(res))
		return PTR_ERR(res);
	if (unlikely(obj->import)) {
		ret = virtgpu_import_wait(obj);
		if (ret)
			return ret;
	}
	virtgpu_object_sync_for_device(obj, 0, obj->base.base.size);
	return 0;
}

static bool virtgpu_object_is_shown(const struct virtgpu_object *obj, int writes)
{
	/* Pairs with the end of virtgpu_object_sync_for_cpu(). */
	unsigned int shown = smp_load_acquire(&obj->shown);

	return (int)(shown - (unsigned int)writes) >= 0;
}

/**
 * virtgpu_object_sync_for_cpu() - show the CPU what the device wrote
 * @obj: the object
 * @writes: &virtgpu_object.writes before their fences were waited for
 *
 * Nothing to do when the device has not written since the last time: what the CPU
 * wrote meanwhile, and the device is yet to be shown, would be lost.
 */
void virtgpu_object_sync_for_cpu(struct virtgpu_object *obj, int writes)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(obj->base.base.dev);
	struct virtgpu_mapping *mapping;
	struct sg_table *sgt;
	int idx;

	if (virtgpu_object_is_shown(obj, writes) || !virtgpu_object_needs_sync(obj) ||
	    !drm_dev_enter(&vgdev->drm, &idx))
		return;
	mutex_lock(&vgdev->sync_lock);
	/* Somebody else may have waited for the same, and written since. */
	if (!virtgpu_object_is_shown(obj, writes)) {
		sgt = virtgpu_object_get_addresses(obj, &mapping);
		if (sgt)
			virtgpu_sgt_sync_for_cpu(vgdev->import_dev, sgt, obj->base.base.size);
		virtgpu_mapping_put(mapping);
		/* Whoever else waited for these writes may read from now on. */
		smp_store_release(&obj->shown, writes);
	}
	mutex_unlock(&vgdev->sync_lock);
	drm_dev_exit(idx);
}
