// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Host memory: blobs whose pages are the host's, seen by programs through a
 * window in the device's address space.
 *
 * A blob gets its place in the window when it is mapped, or with the first access
 * when the program wants it so, and may lose it to another one when the window is
 * full; the next access brings it back. A range is used again only after the
 * host has answered the unmapping.
 */

#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"

/* Pages entered into the page table with one fault. */
#define VIRTGPU_FAULT_AROUND 64

/* From this size on a blob starts on a huge page. */
#define VIRTGPU_HUGE SZ_2M

static struct virtgpu_device *virtgpu_vram_dev(const struct virtgpu_object *obj)
{
	return to_virtgpu_device(obj->base.base.dev);
}

/* Where it is in the guest's physical address space, when it is in the window. */
static phys_addr_t virtgpu_vram_addr(const struct virtgpu_vram *vram)
{
	return virtgpu_vram_dev(vram->obj)->window_region.addr + vram->node.start;
}

/* ---- the window --------------------------------------------------------- */

static void virtgpu_vram_unmap_kernel(struct virtgpu_vram *vram)
{
	if (vram->vaddr && vram->cache == VIRTIO_GPU_MAP_CACHE_CACHED)
		memunmap(vram->vaddr);
	else if (vram->vaddr)
		iounmap((void __iomem __force *)vram->vaddr);
	vram->vaddr = NULL;
}

/*
 * The kernel's own mapping also makes the cache type known to the architecture,
 * which else takes device memory for uncached.
 */
static int virtgpu_vram_map_kernel(struct virtgpu_vram *vram)
{
	resource_size_t start = virtgpu_vram_addr(vram);
	size_t size = vram->node.size;

	switch (vram->cache) {
	case VIRTIO_GPU_MAP_CACHE_CACHED:
		vram->vaddr = memremap(start, size, MEMREMAP_WB);
		break;
	case VIRTIO_GPU_MAP_CACHE_WC:
		vram->vaddr = (void __force *)ioremap_wc(start, size);
		break;
	default:
		vram->vaddr = (void __force *)ioremap(start, size);
		break;
	}
	return vram->vaddr ? 0 : -ENOMEM;
}

static void virtgpu_vram_release_node_locked(struct virtgpu_device *vgdev,
					     struct virtgpu_vram *vram)
{
	lockdep_assert_held(&vgdev->window_lock);

	list_del_init(&vram->lru);
	virtgpu_vram_unmap_kernel(vram);
	if (drm_mm_node_allocated(&vram->node))
		drm_mm_remove_node(&vram->node);
	vram->mapped = false;
}

static int virtgpu_vram_begin_evict_locked(struct virtgpu_device *vgdev,
					   struct virtgpu_object *obj)
{
	struct drm_device *drm = &vgdev->drm;
	struct virtgpu_cmd *cmd;

	lockdep_assert_held(&vgdev->window_lock);

	cmd = virtgpu_cmd_alloc(vgdev, VIRTGPU_RESOURCE_UNMAP_BLOB);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	drm_vma_node_unmap(&obj->base.base.vma_node, drm->anon_inode->i_mapping);
	virtgpu_encode_resource(cmd, obj->res->id);
	virtgpu_cmd_set_resource(cmd, obj->res);
	virtgpu_cmd_start(cmd);
	obj->vram->leaving = cmd;
	return 0;
}

/*
 * The host's answer is waited for: the range is somebody else's after that. Who is
 * killed, or has waited for long, leaves the rest to whoever comes next.
 */
static int virtgpu_vram_evict_locked(struct virtgpu_device *vgdev, struct virtgpu_object *obj)
{
	struct virtgpu_vram *vram = obj->vram;
	int ret;

	lockdep_assert_held(&vgdev->window_lock);

	ret = vram->leaving ? 0 : virtgpu_vram_begin_evict_locked(vgdev, obj);
	if (ret)
		return ret;
	ret = virtgpu_cmd_wait(vram->leaving);
	if (!completion_done(&vram->leaving->completion))
		return ret;

	ret = vram->leaving->error;
	virtgpu_cmd_put(vram->leaving);
	vram->leaving = NULL;
	if (ret)
		vram->error = ret;
	else
		virtgpu_vram_release_node_locked(vgdev, vram);
	return ret;
}

/* The one that was used least lately, and is not on its way out already if possible. */
static struct virtgpu_vram *virtgpu_vram_victim_locked(struct virtgpu_device *vgdev)
{
	struct virtgpu_vram *vram, *leaving = NULL;

	lockdep_assert_held(&vgdev->window_lock);

	list_for_each_entry(vram, &vgdev->window_lru, lru) {
		if (vram->vmap_count || vram->error)
			continue;
		if (!vram->leaving)
			return vram;
		leaving = leaving ?: vram;
	}
	return leaving;
}

static int virtgpu_vram_make_room_locked(struct virtgpu_device *vgdev)
{
	struct virtgpu_vram *vram = virtgpu_vram_victim_locked(vgdev);

	return vram ? virtgpu_vram_evict_locked(vgdev, vram->obj) : -ENOSPC;
}

static int virtgpu_vram_insert_node_locked(struct virtgpu_device *vgdev,
					   struct virtgpu_vram *vram, u64 size)
{
	u64 align = max_t(u64, PAGE_SIZE, vgdev->blob_alignment);
	int ret;

	lockdep_assert_held(&vgdev->window_lock);

	size = ALIGN(size, align);
	if (size > vgdev->window_region.len)
		return -ENOSPC;
	if (size >= VIRTGPU_HUGE &&
	    !drm_mm_insert_node_generic(&vgdev->window, &vram->node, size,
					max_t(u64, align, VIRTGPU_HUGE), 0, DRM_MM_INSERT_BEST))
		return 0;
	for (;;) {
		ret = drm_mm_insert_node_generic(&vgdev->window, &vram->node, size, align, 0,
						 DRM_MM_INSERT_BEST);
		if (ret != -ENOSPC)
			return ret;
		ret = virtgpu_vram_make_room_locked(vgdev);
		if (ret)
			return ret;
	}
}

static int virtgpu_vram_begin_map_locked(struct virtgpu_device *vgdev, struct virtgpu_object *obj)
{
	struct virtgpu_vram *vram = obj->vram;
	struct virtgpu_cmd *cmd;

	lockdep_assert_held(&vgdev->window_lock);

	if (!vram->unmap) {
		cmd = virtgpu_cmd_alloc(vgdev, VIRTGPU_RESOURCE_UNMAP_BLOB);
		if (IS_ERR(cmd))
			return PTR_ERR(cmd);
		virtgpu_encode_resource(cmd, obj->res->id);
		vram->unmap = cmd;
	}

	cmd = virtgpu_cmd_alloc(vgdev, VIRTGPU_RESOURCE_MAP_BLOB);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	virtgpu_encode_map_blob(cmd, obj->res->id, vram->node.start);
	cmd->reported = true;
	virtgpu_cmd_set_resource(cmd, obj->res);
	virtgpu_cmd_start(cmd);
	vram->coming = cmd;
	return 0;
}

/* Who is killed, or has waited for long, leaves the host's answer to whoever comes next. */
static int virtgpu_vram_map_host_locked(struct virtgpu_device *vgdev, struct virtgpu_object *obj)
{
	const struct virtio_gpu_resp_map_info *resp;
	struct virtgpu_vram *vram = obj->vram;
	int ret;

	lockdep_assert_held(&vgdev->window_lock);

	ret = vram->coming ? 0 : virtgpu_vram_begin_map_locked(vgdev, obj);
	if (ret)
		return ret;
	ret = virtgpu_cmd_wait(vram->coming);
	if (!completion_done(&vram->coming->completion))
		return ret;

	ret = vram->coming->error;
	if (!ret) {
		resp = vram->coming->resp;
		vram->cache = le32_to_cpu((__force __le32)resp->map_info) &
			      VIRTIO_GPU_MAP_CACHE_MASK;
	}
	virtgpu_cmd_put(vram->coming);
	vram->coming = NULL;
	return ret;
}

static int virtgpu_vram_map_locked(struct virtgpu_device *vgdev, struct virtgpu_object *obj)
{
	struct virtgpu_vram *vram = obj->vram;
	int ret;

	lockdep_assert_held(&vgdev->window_lock);

	if (vram->error)
		return vram->error;
	if (vram->leaving) {
		ret = virtgpu_vram_evict_locked(vgdev, obj);
		if (ret)
			return ret;
	}
	if (vram->mapped) {
		list_move_tail(&vram->lru, &vgdev->window_lru);
		return vram->vaddr ? 0 : virtgpu_vram_map_kernel(vram);
	}

	if (!vram->coming) {
		ret = virtgpu_resource_wait(obj->res) ?:
		      virtgpu_vram_insert_node_locked(vgdev, vram, obj->base.base.size);
		if (ret)
			return ret;
	}
	ret = virtgpu_vram_map_host_locked(vgdev, obj);
	/* The host may still map it: the range stays taken. */
	if (vram->coming)
		return ret;
	if (ret) {
		drm_mm_remove_node(&vram->node);
		return ret;
	}

	vram->mapped = true;
	list_add_tail(&vram->lru, &vgdev->window_lru);
	ret = virtgpu_vram_map_kernel(vram);
	if (ret)
		virtgpu_vram_evict_locked(vgdev, obj);
	return ret;
}

/* ---- GEM ---------------------------------------------------------------- */

static pgprot_t virtgpu_vram_prot(const struct virtgpu_vram *vram, pgprot_t prot)
{
	switch (vram->cache) {
	case VIRTIO_GPU_MAP_CACHE_CACHED:
		return prot;
	case VIRTIO_GPU_MAP_CACHE_WC:
		return pgprot_writecombine(prot);
	default:
		return pgprot_noncached(prot);
	}
}

static vm_fault_t virtgpu_vram_insert(struct vm_fault *vmf, struct virtgpu_object *obj)
{
	struct vm_area_struct *vma = vmf->vma;
	struct virtgpu_vram *vram = obj->vram;
	unsigned long first = vmf->pgoff - drm_vma_node_start(&obj->base.base.vma_node);
	unsigned long pages = obj->base.base.size >> PAGE_SHIFT;
	pgprot_t prot = virtgpu_vram_prot(vram, vm_get_page_prot(vma->vm_flags));
	vm_fault_t ret = VM_FAULT_SIGBUS;
	unsigned long i;

	for (i = 0; i < VIRTGPU_FAULT_AROUND; i++) {
		unsigned long addr = vmf->address + i * PAGE_SIZE;

		if (first + i >= pages || addr >= vma->vm_end)
			break;
		ret = vmf_insert_pfn_prot(vma, addr, PHYS_PFN(virtgpu_vram_addr(vram)) + first + i,
					  prot);
		if (ret != VM_FAULT_NOPAGE)
			break;
	}
	return i ? VM_FAULT_NOPAGE : ret;
}

/* A huge entry where address, place in the window and cache type allow it. */
static vm_fault_t virtgpu_vram_insert_huge(struct vm_fault *vmf, struct virtgpu_object *obj)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	struct vm_area_struct *vma = vmf->vma;
	struct virtgpu_vram *vram = obj->vram;
	unsigned long addr = vmf->address & PMD_MASK;
	unsigned long skipped = (vmf->address - addr) >> PAGE_SHIFT;
	unsigned long first = vmf->pgoff - drm_vma_node_start(&obj->base.base.vma_node);
	unsigned long pages = obj->base.base.size >> PAGE_SHIFT;
	unsigned long pfn = PHYS_PFN(virtgpu_vram_addr(vram)) + first - skipped;
	pgprot_t prot = virtgpu_vram_prot(vram, vm_get_page_prot(vma->vm_flags));

	if (addr < vma->vm_start || vma->vm_end - addr < PMD_SIZE || first < skipped ||
	    pages - (first - skipped) < PTRS_PER_PMD || !IS_ALIGNED(pfn, PTRS_PER_PMD) ||
	    pgprot_val(prot) != pgprot_val(vma->vm_page_prot))
		return VM_FAULT_FALLBACK;
	return virtgpu_vmf_insert_pmd(vmf, pfn);
#else
	return VM_FAULT_FALLBACK;
#endif
}

static vm_fault_t virtgpu_vram_fault_order(struct vm_fault *vmf, unsigned int order)
{
	struct drm_gem_object *gem = vmf->vma->vm_private_data;
	struct virtgpu_object *obj = to_virtgpu_object(gem);
	struct virtgpu_device *vgdev = virtgpu_vram_dev(obj);
	vm_fault_t ret;
	int idx, err;

	if (!drm_dev_enter(&vgdev->drm, &idx))
		return VM_FAULT_SIGBUS;

	if (mutex_lock_killable(&vgdev->window_lock)) {
		ret = VM_FAULT_NOPAGE;
		goto out_exit;
	}
	err = virtgpu_vram_map_locked(vgdev, obj);
	if (err == -ERESTARTSYS)
		ret = VM_FAULT_NOPAGE;
	else if (err)
		ret = vmf_error(err);
	else
		ret = order ? virtgpu_vram_insert_huge(vmf, obj) : virtgpu_vram_insert(vmf, obj);
	mutex_unlock(&vgdev->window_lock);

out_exit:
	drm_dev_exit(idx);
	return ret;
}

static vm_fault_t virtgpu_vram_fault(struct vm_fault *vmf)
{
	return virtgpu_vram_fault_order(vmf, 0);
}

static vm_fault_t virtgpu_vram_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	return order == PMD_ORDER ? virtgpu_vram_fault_order(vmf, order) : VM_FAULT_FALLBACK;
}

static const struct vm_operations_struct virtgpu_vram_vm_ops = {
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
	.fault = virtgpu_vram_fault,
	.huge_fault = virtgpu_vram_huge_fault,
};

/*
 * Venus tells the host of a new buffer through memory that both share, not by a
 * command, as soon as mmap() has returned: the host must know the buffer then.
 * Its answer to the mapping says so, unless the program wants that deferred.
 */
static int virtgpu_vram_mmap(struct drm_gem_object *gem, struct vm_area_struct *vma)
{
	struct virtgpu_object *obj = to_virtgpu_object(gem);
	struct virtgpu_device *vgdev = virtgpu_vram_dev(obj);
	int ret;

	if (!(obj->vram->flags & VIRTGPU_BLOB_FLAG_USE_MAPPABLE) || !vgdev->has_host_visible)
		return -EINVAL;
	/* There are no pages behind it that could be copied on write. */
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE)
		return -EINVAL;

	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags);
	if (obj->vram->deferred)
		return 0;

	ret = mutex_lock_killable(&vgdev->window_lock);
	if (ret)
		return ret;
	ret = virtgpu_vram_map_locked(vgdev, obj);
	if (!ret)
		vma->vm_page_prot = virtgpu_vram_prot(obj->vram, vma->vm_page_prot);
	mutex_unlock(&vgdev->window_lock);
	return ret;
}

static int virtgpu_vram_vmap(struct drm_gem_object *gem, struct iosys_map *map)
{
	struct virtgpu_object *obj = to_virtgpu_object(gem);
	struct virtgpu_device *vgdev = virtgpu_vram_dev(obj);
	int ret;

	if (!(obj->vram->flags & VIRTGPU_BLOB_FLAG_USE_MAPPABLE) || !vgdev->has_host_visible)
		return -EINVAL;

	if (mutex_lock_killable(&vgdev->window_lock))
		return -ERESTARTSYS;
	ret = virtgpu_vram_map_locked(vgdev, obj);
	if (!ret) {
		obj->vram->vmap_count++;
		iosys_map_set_vaddr_iomem(map, (void __iomem __force *)obj->vram->vaddr);
	}
	mutex_unlock(&vgdev->window_lock);
	return ret;
}

static void virtgpu_vram_vunmap(struct drm_gem_object *gem, struct iosys_map *map)
{
	struct virtgpu_object *obj = to_virtgpu_object(gem);

	guard(mutex)(&virtgpu_vram_dev(obj)->window_lock);
	obj->vram->vmap_count--;
}

static const struct drm_gem_object_funcs virtgpu_vram_funcs = {
	.free = virtgpu_object_free,
	.export = virtgpu_gem_prime_export,
	.open = virtgpu_gem_open,
	.close = virtgpu_gem_close,
	.vmap = virtgpu_vram_vmap,
	.vunmap = virtgpu_vram_vunmap,
	.mmap = virtgpu_vram_mmap,
	.vm_ops = &virtgpu_vram_vm_ops,
};

/**
 * virtgpu_vram_create() - make an object for memory of the host
 * @vgdev: the device
 * @size: in bytes, whole pages
 * @flags: VIRTGPU_BLOB_FLAG_*
 * @deferred: not to be mapped before the first access
 *
 * Return: the object or an ERR_PTR().
 */
struct virtgpu_object *virtgpu_vram_create(struct virtgpu_device *vgdev, u64 size, u32 flags,
					   bool deferred)
{
	struct drm_gem_object *gem = virtgpu_object_alloc(&vgdev->drm, size);
	struct virtgpu_object *obj;
	struct virtgpu_vram *vram;
	int ret;

	if (IS_ERR(gem))
		return ERR_CAST(gem);
	obj = to_virtgpu_object(gem);
	vram = kzalloc(sizeof(*vram), GFP_KERNEL);
	if (!vram) {
		kfree(obj);
		return ERR_PTR(-ENOMEM);
	}
	vram->obj = obj;
	vram->flags = flags;
	vram->deferred = deferred;
	INIT_LIST_HEAD(&vram->lru);
	obj->vram = vram;

	gem->funcs = &virtgpu_vram_funcs;
	drm_gem_private_object_init(&vgdev->drm, gem, size);
	ret = drm_gem_create_mmap_offset(gem);
	if (ret) {
		drm_gem_object_put(gem);
		return ERR_PTR(ret);
	}
	return obj;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_vram_create);

/* Has the host mapped it, or will it perhaps? */
static bool virtgpu_vram_may_come(struct virtgpu_cmd *coming)
{
	return coming && !(completion_done(&coming->completion) && coming->error);
}

/**
 * virtgpu_vram_unmap() - a program has let go of an object
 * @obj: the object, before its RESOURCE_UNREF
 *
 * Process context. The range stays taken until virtgpu_vram_free().
 */
void virtgpu_vram_unmap(struct virtgpu_object *obj)
{
	struct virtgpu_vram *vram = obj->vram;
	struct virtgpu_device *vgdev = virtgpu_vram_dev(obj);
	struct virtgpu_cmd *unmap, *coming, *leaving;

	mutex_lock(&vgdev->window_lock);
	list_del_init(&vram->lru);
	unmap = vram->unmap;
	vram->unmap = NULL;
	coming = vram->coming;
	vram->coming = NULL;
	leaving = vram->leaving;
	vram->leaving = NULL;
	if (unmap && (leaving || !(vram->mapped || virtgpu_vram_may_come(coming)))) {
		virtgpu_cmd_put(unmap);
		unmap = NULL;
	}
	mutex_unlock(&vgdev->window_lock);

	/* They keep the resource, and so the object. */
	if (coming)
		virtgpu_cmd_put(coming);
	if (leaving)
		virtgpu_cmd_put(leaving);
	if (unmap) {
		virtgpu_cmd_set_resource(unmap, obj->res);
		virtgpu_queue_submit(unmap);
	}
}

/**
 * virtgpu_vram_lose() - the host has lost an object in a reset
 * @obj: the object
 *
 * Programs that touch it get SIGBUS from now on. Process context.
 */
void virtgpu_vram_lose(struct virtgpu_object *obj)
{
	struct virtgpu_vram *vram = obj->vram;
	struct virtgpu_device *vgdev = virtgpu_vram_dev(obj);
	struct virtgpu_cmd *unmap;

	mutex_lock(&vgdev->window_lock);
	vram->error = VIRTGPU_LOST;
	unmap = vram->unmap;
	vram->unmap = NULL;
	if (vram->mapped)
		drm_vma_node_unmap(&obj->base.base.vma_node,
				   vgdev->drm.anon_inode->i_mapping);
	mutex_unlock(&vgdev->window_lock);
	if (unmap)
		virtgpu_cmd_put(unmap);
}

/**
 * virtgpu_vram_free() - the host has let go of an object
 * @obj: the object
 *
 * Process context.
 */
void virtgpu_vram_free(struct virtgpu_object *obj)
{
	struct virtgpu_device *vgdev = virtgpu_vram_dev(obj);

	mutex_lock(&vgdev->window_lock);
	virtgpu_vram_release_node_locked(vgdev, obj->vram);
	mutex_unlock(&vgdev->window_lock);
	kfree(obj->vram);
	drm_gem_object_release(&obj->base.base);
	kfree(obj);
}

/* An address for each GiB: the length of an entry is 32 bits wide. */
VISIBLE_IF_KUNIT struct sg_table *virtgpu_vram_sgt(dma_addr_t addr, size_t size)
{
	struct sg_table *sgt = kmalloc(sizeof(*sgt), GFP_KERNEL);
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = sg_alloc_table(sgt, DIV_ROUND_UP(size, SZ_1G), GFP_KERNEL);
	if (ret) {
		kfree(sgt);
		return ERR_PTR(ret);
	}
	for_each_sgtable_dma_sg(sgt, sg, i) {
		sg_dma_address(sg) = addr + (u64)i * SZ_1G;
		sg_dma_len(sg) = min_t(size_t, size - (size_t)i * SZ_1G, SZ_1G);
	}
	return sgt;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_vram_sgt);

/* What the CPU cannot map has no addresses, only a UUID, for virtio devices. */
static struct sg_table *virtgpu_vram_no_addresses(struct virtgpu_object *obj, struct device *dev)
{
	struct sg_table *sgt;

	if (!is_virtio_device(dev) || obj->res->uuid_state == VIRTGPU_UUID_NONE)
		return ERR_PTR(-EINVAL);
	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	return sgt ?: ERR_PTR(-ENOMEM);
}

static struct sg_table *virtgpu_vram_map_addresses_locked(struct virtgpu_object *obj,
							  struct device *dev,
							  enum dma_data_direction dir)
{
	struct virtgpu_device *vgdev = virtgpu_vram_dev(obj);
	size_t size = obj->base.base.size;
	struct sg_table *sgt;
	dma_addr_t addr;
	int ret;

	lockdep_assert_held(&vgdev->window_lock);

	ret = virtgpu_vram_map_locked(vgdev, obj);
	if (ret)
		return ERR_PTR(ret);
	addr = dma_map_resource(dev, virtgpu_vram_addr(obj->vram), size, dir,
				DMA_ATTR_SKIP_CPU_SYNC);
	if (dma_mapping_error(dev, addr))
		return ERR_PTR(-EIO);
	sgt = virtgpu_vram_sgt(addr, size);
	if (IS_ERR(sgt))
		dma_unmap_resource(dev, addr, size, dir, DMA_ATTR_SKIP_CPU_SYNC);
	else
		obj->vram->vmap_count++;
	return sgt;
}

/**
 * virtgpu_vram_map_dma_buf() - let a device use memory of the host
 * @obj: the object
 * @dev: the device
 * @dir: what it does
 *
 * Its place in the window is kept until virtgpu_vram_unmap_dma_buf(). Process
 * context.
 *
 * Return: the addresses, without pages; none for a virtio device that goes by the
 * UUID of memory which cannot be mapped; or an ERR_PTR().
 */
struct sg_table *virtgpu_vram_map_dma_buf(struct virtgpu_object *obj, struct device *dev,
					  enum dma_data_direction dir)
{
	struct virtgpu_device *vgdev = virtgpu_vram_dev(obj);
	struct sg_table *sgt;

	if (!(obj->vram->flags & VIRTGPU_BLOB_FLAG_USE_MAPPABLE) || !vgdev->has_host_visible)
		return virtgpu_vram_no_addresses(obj, dev);

	if (mutex_lock_killable(&vgdev->window_lock))
		return ERR_PTR(-ERESTARTSYS);
	sgt = virtgpu_vram_map_addresses_locked(obj, dev, dir);
	mutex_unlock(&vgdev->window_lock);
	return sgt;
}

/**
 * virtgpu_vram_unmap_dma_buf() - a device does not use memory of the host any more
 * @obj: the object
 * @dev: the device
 * @sgt: from virtgpu_vram_map_dma_buf()
 * @dir: as then
 */
void virtgpu_vram_unmap_dma_buf(struct virtgpu_object *obj, struct device *dev,
				struct sg_table *sgt, enum dma_data_direction dir)
{
	if (sgt->nents) {
		guard(mutex)(&virtgpu_vram_dev(obj)->window_lock);
		dma_unmap_resource(dev, sg_dma_address(sgt->sgl), obj->base.base.size, dir,
				   DMA_ATTR_SKIP_CPU_SYNC);
		obj->vram->vmap_count--;
	}
	sg_free_table(sgt);
	kfree(sgt);
}

static void virtgpu_window_release(struct drm_device *drm, void *data)
{
	struct virtgpu_device *vgdev = data;

	drm_mm_takedown(&vgdev->window);
}

/**
 * virtgpu_window_init() - find the host-visible window
 * @vgdev: the device
 *
 * Return: 0, also when the device has no window, or a negative errno.
 */
int virtgpu_window_init(struct virtgpu_device *vgdev)
{
	struct virtio_shm_region *region = &vgdev->window_region;
	int ret;

	mutex_init(&vgdev->window_lock);
	INIT_LIST_HEAD(&vgdev->window_lru);
	if (!virtio_get_shm_region(vgdev->vdev, region, VIRTIO_GPU_SHM_ID_HOST_VISIBLE) ||
	    !region->len)
		return 0;

	if (!devm_request_mem_region(&vgdev->vdev->dev, region->addr, region->len, DRIVER_NAME)) {
		dev_err(&vgdev->vdev->dev, "host-visible window at 0x%llx is taken\n",
			region->addr);
		return -EBUSY;
	}
	drm_mm_init(&vgdev->window, 0, region->len);
	ret = drmm_add_action_or_reset(&vgdev->drm, virtgpu_window_release, vgdev);
	if (ret)
		return ret;
	vgdev->has_host_visible = true;
	return 0;
}
