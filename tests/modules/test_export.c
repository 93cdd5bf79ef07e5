// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The exporter: buffers that move, fail and wait when they are told to.
 *
 * All of a buffer, but what is said otherwise below, is protected by the
 * reservation lock of its dma-buf.
 */

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "test_compat.h"
#include "test_module.h"

#define TEST_MAX_SIZE	SZ_1G
#define TEST_MAX_RUN	1023
#define TEST_MAX_MS	60000

/**
 * struct test_pages - the pages that a buffer is in, or was
 * @refs: of the buffer while it is in them, and of each mapping of them
 * @buf: the buffer
 * @left: the buffer has moved: they are full of poison
 * @count: how many
 * @page: the pages, in the order of the buffer
 */
struct test_pages {
	struct kref refs;
	struct test_buffer *buf;
	bool left;
	unsigned int count;
	struct page *page[] __counted_by(count);
};

/**
 * struct test_mapping - what an importer has mapped
 * @sgt: what the importer gets
 * @pages: the pages, with a reference
 * @link: in &test_buffer.mappings
 * @attach: of the importer
 */
struct test_mapping {
	struct sg_table sgt;
	struct test_pages *pages;
	struct list_head link;
	struct dma_buf_attachment *attach;
};

/**
 * struct test_buffer - a buffer, as long as its dma-buf
 * @dmabuf: the dma-buf
 * @pages: where it is
 * @run: neighbours before each gap
 * @flags: of struct virtgpu_test_export
 * @faults: what goes wrong
 * @stats: counts; what can be counted when it is asked for is not kept up to date
 * @mappings: struct test_mapping
 * @vmapped: the kernel has it mapped
 * @fences_lock: protects @fences and @num_fences; taken inside of the reservation
 *		 lock, and without it to signal what the holder may wait for
 * @fences: pending fences of the test
 * @num_fences: of them
 */
struct test_buffer {
	struct dma_buf *dmabuf;
	struct test_pages *pages;
	unsigned int run;
	u32 flags;
	struct virtgpu_test_faults faults;
	struct virtgpu_test_stats stats;
	struct list_head mappings;
	bool vmapped;
	struct mutex fences_lock;
	struct dma_fence *fences[16];
	unsigned int num_fences;
};

static atomic_t test_num_buffers;

/* ---- pages -------------------------------------------------------------- */

static void test_pages_free(struct test_pages *pages)
{
	unsigned int i;

	for (i = 0; i < pages->count && pages->page[i]; i++)
		__free_page(pages->page[i]);
	kvfree(pages);
}

/* Frees all but the first @keep pages of a block. */
static void test_block_trim(struct page *block, unsigned int keep, unsigned int order)
{
	unsigned int i;

	for (i = keep; i < 1u << order; i++)
		__free_page(block + i);
}

/*
 * A run is the beginning of a block that is larger, so that there is a gap after
 * it. The rest of the blocks is freed when all of them are there.
 */
static int test_pages_fill_runs(struct test_pages *pages, unsigned int run)
{
	unsigned int order = get_order((run + 1) * PAGE_SIZE);
	unsigned int done, i, n;

	for (done = 0; done < pages->count; done += n) {
		struct page *block = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN, order);

		if (!block)
			break;
		split_page(block, order);
		n = min(run, pages->count - done);
		for (i = 0; i < n; i++)
			pages->page[done + i] = block + i;
	}
	for (i = 0; i < done; i += run)
		test_block_trim(pages->page[i], min(run, pages->count - i), order);
	return done == pages->count ? 0 : -ENOMEM;
}

static int test_pages_fill(struct test_pages *pages)
{
	unsigned int i;

	for (i = 0; i < pages->count; i++) {
		pages->page[i] = alloc_page(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
		if (!pages->page[i])
			return -ENOMEM;
	}
	return 0;
}

static struct test_pages *test_pages_alloc(struct test_buffer *buf, unsigned int count)
{
	struct test_pages *pages = kvzalloc(struct_size(pages, page, count), GFP_KERNEL);
	int ret;

	if (!pages)
		return ERR_PTR(-ENOMEM);
	kref_init(&pages->refs);
	pages->buf = buf;
	pages->count = count;
	ret = buf->run ? test_pages_fill_runs(pages, buf->run) : test_pages_fill(pages);
	if (ret) {
		test_pages_free(pages);
		return ERR_PTR(ret);
	}
	return pages;
}

static bool test_page_is_poison(struct page *page)
{
	const u32 *word = page_address(page);
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*word); i++) {
		if (word[i] != VIRTGPU_TEST_POISON)
			return false;
	}
	return true;
}

static void test_pages_release(struct kref *refs)
{
	struct test_pages *pages = container_of(refs, struct test_pages, refs);
	unsigned int i;

	for (i = 0; pages->left && i < pages->count; i++)
		pages->buf->stats.written_late += !test_page_is_poison(pages->page[i]);
	test_pages_free(pages);
}

static void test_pages_put(struct test_pages *pages)
{
	kref_put(&pages->refs, test_pages_release);
}

/* The buffer has left them. Mappings that are still there keep them. */
static void test_pages_leave(struct test_pages *pages)
{
	unsigned int i;

	for (i = 0; i < pages->count; i++)
		memset32(page_address(pages->page[i]), VIRTGPU_TEST_POISON,
			 PAGE_SIZE / sizeof(u32));
	pages->left = true;
	test_pages_put(pages);
}

/* ---- what importers call ------------------------------------------------ */

static int test_buffer_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct test_buffer *buf = dmabuf->priv;
	int ret;

	dma_resv_lock(dmabuf->resv, NULL);
	ret = -(int)buf->faults.attach;
	if (!ret)
		buf->stats.attached++;
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static void test_buffer_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct test_buffer *buf = dmabuf->priv;

	dma_resv_lock(dmabuf->resv, NULL);
	buf->stats.attached--;
	dma_resv_unlock(dmabuf->resv);
}

static int test_buffer_pin(struct dma_buf_attachment *attach)
{
	struct test_buffer *buf = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (buf->faults.pin)
		return -(int)buf->faults.pin;
	buf->stats.pinned++;
	return 0;
}

static void test_buffer_unpin(struct dma_buf_attachment *attach)
{
	struct test_buffer *buf = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	buf->stats.pinned--;
}

static int test_mapping_init(struct test_mapping *mapping, struct test_pages *pages,
			     struct device *dev, enum dma_data_direction dir)
{
	int ret;

	ret = sg_alloc_table_from_pages_segment(&mapping->sgt, pages->page, pages->count, 0,
						(size_t)pages->count << PAGE_SHIFT,
						dma_get_max_seg_size(dev), GFP_KERNEL);
	if (ret)
		return ret;
	ret = dma_map_sgtable(dev, &mapping->sgt, dir, 0);
	if (ret)
		sg_free_table(&mapping->sgt);
	return ret;
}

static struct sg_table *test_buffer_map(struct dma_buf_attachment *attach,
					enum dma_data_direction dir)
{
	struct test_buffer *buf = attach->dmabuf->priv;
	struct test_mapping *mapping;
	int ret;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (buf->faults.map_ms)
		msleep(buf->faults.map_ms);
	if (buf->faults.map)
		return ERR_PTR(-(int)buf->faults.map);

	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	ret = test_mapping_init(mapping, buf->pages, attach->dev, dir);
	if (ret) {
		kfree(mapping);
		return ERR_PTR(ret);
	}
	mapping->attach = attach;
	mapping->pages = buf->pages;
	kref_get(&mapping->pages->refs);
	list_add(&mapping->link, &buf->mappings);
	buf->stats.maps++;
	return &mapping->sgt;
}

static bool test_buffer_has_fence(struct test_buffer *buf, struct dma_fence *fence)
{
	unsigned int i;

	guard(mutex)(&buf->fences_lock);
	for (i = 0; i < buf->num_fences; i++) {
		if (buf->fences[i] == fence)
			return true;
	}
	return false;
}

/* Are there pending fences that are not the test's own? */
static bool test_buffer_is_busy(struct test_buffer *buf)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_for_each_fence(&cursor, buf->dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP, fence) {
		/* Its own are signaled before they are forgotten. */
		if (!test_buffer_has_fence(buf, fence) && !dma_fence_is_signaled(fence))
			return true;
	}
	return false;
}

static void test_buffer_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			      enum dma_data_direction dir)
{
	struct test_mapping *mapping = container_of(sgt, struct test_mapping, sgt);
	struct test_buffer *buf = attach->dmabuf->priv;
	bool left = mapping->pages->left;

	dma_resv_assert_held(attach->dmabuf->resv);
	buf->stats.unmaps++;
	if (list_is_singular(&buf->mappings) && test_buffer_is_busy(buf))
		buf->stats.unmapped_busy++;
	/* A bounce buffer is not to be copied over the poison. */
	dma_unmap_sgtable(attach->dev, sgt, dir, left ? DMA_ATTR_SKIP_CPU_SYNC : 0);
	sg_free_table(sgt);
	list_del(&mapping->link);
	test_pages_put(mapping->pages);
	kfree(mapping);
}

static int test_buffer_begin_cpu(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct test_buffer *buf = dmabuf->priv;
	struct test_mapping *mapping;

	dma_resv_lock(dmabuf->resv, NULL);
	list_for_each_entry(mapping, &buf->mappings, link)
		dma_sync_sgtable_for_cpu(mapping->attach->dev, &mapping->sgt, dir);
	dma_resv_unlock(dmabuf->resv);
	return 0;
}

static int test_buffer_end_cpu(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct test_buffer *buf = dmabuf->priv;
	struct test_mapping *mapping;

	dma_resv_lock(dmabuf->resv, NULL);
	list_for_each_entry(mapping, &buf->mappings, link)
		dma_sync_sgtable_for_device(mapping->attach->dev, &mapping->sgt, dir);
	dma_resv_unlock(dmabuf->resv);
	return 0;
}

static vm_fault_t test_buffer_fault(struct vm_fault *vmf)
{
	struct test_buffer *buf = vmf->vma->vm_private_data;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	dma_resv_lock(buf->dmabuf->resv, NULL);
	if (vmf->pgoff < buf->pages->count)
		ret = vmf_insert_pfn(vmf->vma, vmf->address,
				     page_to_pfn(buf->pages->page[vmf->pgoff]));
	dma_resv_unlock(buf->dmabuf->resv);
	return ret;
}

static const struct vm_operations_struct test_buffer_vm_ops = {
	.fault = test_buffer_fault,
};

static int test_buffer_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vma->vm_ops = &test_buffer_vm_ops;
	vma->vm_private_data = dmabuf->priv;
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

static int test_buffer_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct test_buffer *buf = dmabuf->priv;
	void *address = vmap(buf->pages->page, buf->pages->count, VM_MAP, PAGE_KERNEL);

	if (!address)
		return -ENOMEM;
	buf->vmapped = true;
	iosys_map_set_vaddr(map, address);
	return 0;
}

static void test_buffer_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct test_buffer *buf = dmabuf->priv;

	vunmap(map->vaddr);
	buf->vmapped = false;
}

static void test_buffer_end_fences(struct test_buffer *buf, int error)
{
	guard(mutex)(&buf->fences_lock);
	while (buf->num_fences)
		test_fence_end(buf->fences[--buf->num_fences], error);
}

static void test_buffer_release(struct dma_buf *dmabuf)
{
	struct test_buffer *buf = dmabuf->priv;

	WARN(!list_empty(&buf->mappings), "%s: a buffer goes while it is mapped\n", KBUILD_MODNAME);
	test_buffer_end_fences(buf, -ECANCELED);
	test_pages_put(buf->pages);
	kfree(buf);
	atomic_dec(&test_num_buffers);
}

static const struct dma_buf_ops test_buffer_ops = {
	.attach = test_buffer_attach,
	.detach = test_buffer_detach,
	.pin = test_buffer_pin,
	.unpin = test_buffer_unpin,
	.map_dma_buf = test_buffer_map,
	.unmap_dma_buf = test_buffer_unmap,
	.begin_cpu_access = test_buffer_begin_cpu,
	.end_cpu_access = test_buffer_end_cpu,
	.mmap = test_buffer_mmap,
	.vmap = test_buffer_vmap,
	.vunmap = test_buffer_vunmap,
	.release = test_buffer_release,
};

/* ---- what the test calls ------------------------------------------------ */

static struct test_buffer *test_buffer_create(const struct virtgpu_test_export *arg)
{
	struct test_buffer *buf = kzalloc(sizeof(*buf), GFP_KERNEL);
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&buf->mappings);
	mutex_init(&buf->fences_lock);
	buf->run = arg->run;
	buf->flags = arg->flags;
	buf->pages = test_pages_alloc(buf, DIV_ROUND_UP(arg->size, PAGE_SIZE));
	if (IS_ERR(buf->pages)) {
		dmabuf = ERR_CAST(buf->pages);
		goto free;
	}

	info.ops = &test_buffer_ops;
	info.size = (size_t)buf->pages->count << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = buf;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		goto free_pages;
	buf->dmabuf = dmabuf;
	atomic_inc(&test_num_buffers);
	return buf;

free_pages:
	test_pages_put(buf->pages);
free:
	kfree(buf);
	return ERR_CAST(dmabuf);
}

int test_export(struct test_file *file, void *data)
{
	struct virtgpu_test_export *arg = data;
	struct test_buffer *buf;

	if (!arg->size || arg->size > TEST_MAX_SIZE || arg->run > TEST_MAX_RUN || arg->pad ||
	    arg->flags & ~VIRTGPU_TEST_MOVE_MAPPED)
		return -EINVAL;
	buf = test_buffer_create(arg);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	arg->fd = dma_buf_fd(buf->dmabuf, O_CLOEXEC);
	if (arg->fd >= 0)
		return 0;
	dma_buf_put(buf->dmabuf);
	return arg->fd;
}

static struct test_buffer *test_buffer_get(int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);

	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	if (dmabuf->ops == &test_buffer_ops)
		return dmabuf->priv;
	dma_buf_put(dmabuf);
	return ERR_PTR(-EINVAL);
}

/* The buffer of a file descriptor, locked; to be given to test_buffer_unlock(). */
static struct test_buffer *test_buffer_lock(int fd)
{
	struct test_buffer *buf = test_buffer_get(fd);
	int ret;

	if (IS_ERR(buf))
		return buf;
	ret = dma_resv_lock_interruptible(buf->dmabuf->resv, NULL);
	if (!ret)
		return buf;
	dma_buf_put(buf->dmabuf);
	return ERR_PTR(ret);
}

static void test_buffer_unlock(struct test_buffer *buf)
{
	struct dma_buf *dmabuf = buf->dmabuf;

	dma_resv_unlock(dmabuf->resv);
	dma_buf_put(dmabuf);
}

int test_faults(struct test_file *file, void *data)
{
	struct virtgpu_test_faults *arg = data;
	struct test_buffer *buf;

	if (arg->attach > MAX_ERRNO || arg->map > MAX_ERRNO || arg->pin > MAX_ERRNO ||
	    arg->map_ms > TEST_MAX_MS)
		return -EINVAL;
	buf = test_buffer_lock(arg->fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	buf->faults = *arg;
	test_buffer_unlock(buf);
	return 0;
}

/* May it move? */
static bool test_buffer_is_fixed(struct test_buffer *buf)
{
	unsigned int pins = buf->stats.pinned;
	struct test_mapping *mapping;

	if (TEST_MAPPINGS_PIN && (buf->flags & VIRTGPU_TEST_MOVE_MAPPED)) {
		list_for_each_entry(mapping, &buf->mappings, link)
			pins -= !!mapping->attach->importer_ops;
	}
	return pins || buf->vmapped;
}

/* Does what an exporter has to, so that nobody uses the pages any more. */
static int test_buffer_evict_locked(struct test_buffer *buf, unsigned int timeout_ms)
{
	struct dma_buf *dmabuf = buf->dmabuf;
	long left;

	dma_resv_assert_held(dmabuf->resv);
	if (test_buffer_is_fixed(buf))
		return -EBUSY;

	unmap_mapping_range(dmabuf->file->f_mapping, 0, 0, 1);
	dma_buf_invalidate_mappings(dmabuf);
	left = dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP, true,
				     msecs_to_jiffies(timeout_ms));
	if (left < 0)
		return left;
	if (!left) {
		buf->stats.overdue++;
		return -ETIMEDOUT;
	}
	return 0;
}

static int test_buffer_move_locked(struct test_buffer *buf, struct test_pages *pages,
				   unsigned int timeout_ms)
{
	bool mapped = !list_empty(&buf->mappings);
	struct test_pages *old = buf->pages;
	unsigned int i;
	int ret;

	ret = test_buffer_evict_locked(buf, timeout_ms);
	if (ret)
		return ret;
	for (i = 0; i < pages->count; i++)
		copy_page(page_address(pages->page[i]), page_address(old->page[i]));
	buf->pages = pages;
	buf->stats.moves++;
	buf->stats.moved_mapped += mapped;
	test_pages_leave(old);
	return 0;
}

int test_move(struct test_file *file, void *data)
{
	struct virtgpu_test_move *arg = data;
	struct test_pages *pages;
	struct test_buffer *buf;
	int ret;

	if (arg->timeout_ms > TEST_MAX_MS)
		return -EINVAL;
	buf = test_buffer_lock(arg->fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	pages = test_pages_alloc(buf, buf->pages->count);
	ret = PTR_ERR_OR_ZERO(pages);
	if (!ret) {
		ret = test_buffer_move_locked(buf, pages, arg->timeout_ms);
		if (ret)
			test_pages_put(pages);
	}
	test_buffer_unlock(buf);
	return ret;
}

static enum dma_resv_usage test_usage(u32 usage)
{
	switch (usage) {
	case VIRTGPU_TEST_FENCE_KERNEL:
		return DMA_RESV_USAGE_KERNEL;
	case VIRTGPU_TEST_FENCE_WRITE:
		return DMA_RESV_USAGE_WRITE;
	default:
		return DMA_RESV_USAGE_READ;
	}
}

static int test_buffer_add_fence_locked(struct test_buffer *buf, enum dma_resv_usage usage)
{
	struct dma_resv *resv = buf->dmabuf->resv;
	struct dma_fence *fence;
	int ret;

	dma_resv_assert_held(resv);
	guard(mutex)(&buf->fences_lock);
	if (buf->num_fences == ARRAY_SIZE(buf->fences))
		return -ENOSPC;
	ret = dma_resv_reserve_fences(resv, 1);
	if (ret)
		return ret;
	fence = test_fence_create();
	if (!fence)
		return -ENOMEM;
	dma_resv_add_fence(resv, fence, usage);
	buf->fences[buf->num_fences++] = fence;
	return 0;
}

int test_fence_add(struct test_file *file, void *data)
{
	struct virtgpu_test_fence *arg = data;
	struct test_buffer *buf;
	int ret;

	if (arg->usage > VIRTGPU_TEST_FENCE_READ || arg->error)
		return -EINVAL;
	buf = test_buffer_lock(arg->fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = test_buffer_add_fence_locked(buf, test_usage(arg->usage));
	test_buffer_unlock(buf);
	return ret;
}

int test_fence_signal(struct test_file *file, void *data)
{
	struct virtgpu_test_fence *arg = data;
	struct test_buffer *buf;

	if (arg->error > MAX_ERRNO || arg->usage)
		return -EINVAL;
	buf = test_buffer_get(arg->fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	test_buffer_end_fences(buf, -(int)arg->error);
	dma_buf_put(buf->dmabuf);
	return 0;
}

static void test_buffer_stats_locked(struct test_buffer *buf, struct virtgpu_test_stats *arg)
{
	struct test_mapping *mapping;
	int fd = arg->fd;

	dma_resv_assert_held(buf->dmabuf->resv);
	*arg = buf->stats;
	arg->fd = fd;
	list_for_each_entry(mapping, &buf->mappings, link) {
		arg->mapped++;
		arg->stale += mapping->pages->left;
	}
}

int test_stats(struct test_file *file, void *data)
{
	struct virtgpu_test_stats *arg = data;
	struct test_buffer *buf;

	if (arg->fd != -1) {
		buf = test_buffer_lock(arg->fd);
		if (IS_ERR(buf))
			return PTR_ERR(buf);
		test_buffer_stats_locked(buf, arg);
		test_buffer_unlock(buf);
	}
	arg->buffers = atomic_read(&test_num_buffers);
	return 0;
}
