// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The importer, which looks at what it was given, and the virtio driver, which
 * asks for a UUID.
 */

#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/io.h>
#include <linux/iosys-map.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/virtio_dma_buf.h>

#include "test_compat.h"
#include "test_module.h"

/**
 * struct test_import - an attachment to somebody's buffer
 * @attach: the attachment
 * @sgt: how it is mapped, or NULL; protected by the reservation lock
 * @moved: how often the exporter said that it moves; likewise
 * @keep: does not end its mapping then
 */
struct test_import {
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	u32 moved;
	bool keep;
};

/* ---- attaching and mapping ---------------------------------------------- */

static void test_import_unmap_locked(struct test_import *import)
{
	dma_resv_assert_held(import->attach->dmabuf->resv);
	if (import->sgt)
		dma_buf_unmap_attachment(import->attach, import->sgt, DMA_BIDIRECTIONAL);
	import->sgt = NULL;
}

/* Nothing of ours is under way at any time: the mapping can end here. */
static void test_import_invalidate(struct dma_buf_attachment *attach)
{
	struct test_import *import = attach->importer_priv;

	import->moved++;
	if (!import->keep)
		test_import_unmap_locked(import);
}

static const struct dma_buf_attach_ops test_import_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = test_import_invalidate,
};

static void test_import_free(struct test_import *import)
{
	struct dma_buf *dmabuf = import->attach->dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	test_import_unmap_locked(import);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, import->attach);
	dma_buf_put(dmabuf);
	kfree(import);
}

/* Takes over the reference to the dma-buf, when it succeeds. */
static struct test_import *test_import_create(struct dma_buf *dmabuf, u32 flags)
{
	struct test_import *import = kzalloc(sizeof(*import), GFP_KERNEL);
	struct dma_buf_attachment *attach;

	if (!import)
		return ERR_PTR(-ENOMEM);
	import->keep = flags & VIRTGPU_TEST_IMPORT_KEEP;
	if (flags & VIRTGPU_TEST_IMPORT_DYNAMIC)
		attach = dma_buf_dynamic_attach(dmabuf, test_device, &test_import_ops, import);
	else
		attach = dma_buf_attach(dmabuf, test_device);
	if (IS_ERR(attach)) {
		kfree(import);
		return ERR_CAST(attach);
	}
	import->attach = attach;
	return import;
}

int test_import(struct test_file *file, void *data)
{
	struct virtgpu_test_import *arg = data;
	struct test_import *import;
	struct dma_buf *dmabuf;
	int ret;

	if (arg->flags & ~(VIRTGPU_TEST_IMPORT_DYNAMIC | VIRTGPU_TEST_IMPORT_KEEP))
		return -EINVAL;
	dmabuf = dma_buf_get(arg->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	import = test_import_create(dmabuf, arg->flags);
	if (IS_ERR(import)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(import);
	}
	ret = xa_alloc(&file->imports, &arg->id, import, xa_limit_31b, GFP_KERNEL);
	if (ret)
		test_import_free(import);
	return ret;
}

static int test_import_map_locked(struct test_import *import)
{
	struct sg_table *sgt;

	dma_resv_assert_held(import->attach->dmabuf->resv);
	if (import->sgt)
		return 0;
	sgt = dma_buf_map_attachment(import->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	import->sgt = sgt;
	return 0;
}

/* Writes the lengths of the pieces to @lengths; returns how many there are. */
static unsigned int test_import_lengths_locked(struct test_import *import, u32 *lengths,
					       unsigned int room)
{
	struct scatterlist *sg;
	unsigned int i, count = 0;

	for_each_sgtable_dma_sg(import->sgt, sg, i) {
		if (count < room)
			lengths[count] = sg_dma_len(sg);
		count++;
	}
	return count;
}

static int test_import_map(struct test_import *import, struct virtgpu_test_map *arg, u32 *lengths)
{
	struct dma_resv *resv = import->attach->dmabuf->resv;
	int ret = dma_resv_lock_interruptible(resv, NULL);

	if (ret)
		return ret;
	ret = test_import_map_locked(import);
	if (!ret) {
		arg->count = test_import_lengths_locked(import, lengths, arg->count);
		arg->moved = import->moved;
	}
	dma_resv_unlock(resv);
	return ret;
}

int test_map(struct test_file *file, void *data)
{
	struct virtgpu_test_map *arg = data;
	unsigned int room = arg->count;
	struct test_import *import;
	u32 *lengths;
	int ret = -ENOENT;

	if (room > SZ_1M || arg->pad)
		return -EINVAL;
	lengths = kvcalloc(room ?: 1, sizeof(*lengths), GFP_KERNEL);
	if (!lengths)
		return -ENOMEM;

	mutex_lock(&file->lock);
	import = xa_load(&file->imports, arg->id);
	if (import)
		ret = test_import_map(import, arg, lengths);
	mutex_unlock(&file->lock);
	if (!ret && copy_to_user(u64_to_user_ptr(arg->lengths), lengths,
				 min(room, arg->count) * sizeof(*lengths)))
		ret = -EFAULT;
	kvfree(lengths);
	return ret;
}

int test_unmap(struct test_file *file, void *data)
{
	struct test_import *import;
	u32 *id = data;
	int ret = -ENOENT;

	mutex_lock(&file->lock);
	import = xa_load(&file->imports, *id);
	if (import)
		ret = dma_resv_lock_interruptible(import->attach->dmabuf->resv, NULL);
	if (!ret) {
		test_import_unmap_locked(import);
		dma_resv_unlock(import->attach->dmabuf->resv);
	}
	mutex_unlock(&file->lock);
	return ret;
}

int test_detach(struct test_file *file, void *data)
{
	struct test_import *import;
	u32 *id = data;

	mutex_lock(&file->lock);
	import = xa_erase(&file->imports, *id);
	mutex_unlock(&file->lock);
	if (!import)
		return -ENOENT;
	test_import_free(import);
	return 0;
}

void test_imports_release(struct test_file *file)
{
	struct test_import *import;
	unsigned long id;

	xa_for_each(&file->imports, id, import)
		test_import_free(import);
	xa_destroy(&file->imports);
}

/* ---- content ------------------------------------------------------------ */

static void test_copy(void *mem, void *data, size_t size, bool write)
{
	if (write)
		memcpy(mem, data, size);
	else
		memcpy(data, mem, size);
}

/* By the addresses that a device would use: ours are those of the CPU. */
static int test_copy_dma_locked(struct test_import *import, u64 offset, void *data, size_t size,
				bool write)
{
	struct scatterlist *sg;
	unsigned int i;

	if (!import->sgt)
		return -ENXIO;
	for_each_sgtable_dma_sg(import->sgt, sg, i) {
		size_t part;
		void *mem;

		if (offset >= sg_dma_len(sg)) {
			offset -= sg_dma_len(sg);
			continue;
		}
		part = min(size, sg_dma_len(sg) - offset);
		mem = memremap(sg_dma_address(sg) + offset, part, MEMREMAP_WB);
		if (!mem)
			return -EFAULT;
		test_copy(mem, data, part, write);
		memunmap(mem);
		data += part;
		size -= part;
		offset = 0;
		if (!size)
			return 0;
	}
	return -EINVAL;
}

static int test_copy_vmap_locked(struct test_import *import, u64 offset, void *data, size_t size,
				 bool write)
{
	struct iosys_map map;
	int ret = dma_buf_vmap(import->attach->dmabuf, &map);

	if (ret)
		return ret;
	if (write)
		iosys_map_memcpy_to(&map, offset, data, size);
	else
		iosys_map_memcpy_from(data, &map, offset, size);
	dma_buf_vunmap(import->attach->dmabuf, &map);
	return 0;
}

static int test_import_access(struct test_import *import, const struct virtgpu_test_access *arg,
			      void *data)
{
	struct dma_buf *dmabuf = import->attach->dmabuf;
	bool write = arg->flags & VIRTGPU_TEST_ACCESS_WRITE;
	int ret;

	if (arg->offset > dmabuf->size || arg->size > dmabuf->size - arg->offset)
		return -EINVAL;
	ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
	if (ret)
		return ret;
	if (arg->flags & VIRTGPU_TEST_ACCESS_VMAP)
		ret = test_copy_vmap_locked(import, arg->offset, data, arg->size, write);
	else
		ret = test_copy_dma_locked(import, arg->offset, data, arg->size, write);
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

int test_access(struct test_file *file, void *arg_data)
{
	struct virtgpu_test_access *arg = arg_data;
	bool write = arg->flags & VIRTGPU_TEST_ACCESS_WRITE;
	struct test_import *import;
	int ret = -ENOENT;
	void *data;

	if (!arg->size || arg->size > SZ_64M ||
	    arg->flags & ~(VIRTGPU_TEST_ACCESS_WRITE | VIRTGPU_TEST_ACCESS_VMAP))
		return -EINVAL;
	/* User memory is not touched under the reservation lock. */
	data = write ? vmemdup_user(u64_to_user_ptr(arg->data), arg->size) :
	       kvmalloc(arg->size, GFP_KERNEL);
	if (IS_ERR_OR_NULL(data))
		return data ? PTR_ERR(data) : -ENOMEM;

	mutex_lock(&file->lock);
	import = xa_load(&file->imports, arg->id);
	if (import)
		ret = test_import_access(import, arg, data);
	mutex_unlock(&file->lock);
	if (!ret && !write && copy_to_user(u64_to_user_ptr(arg->data), data, arg->size))
		ret = -EFAULT;
	kvfree(data);
	return ret;
}

/* ---- UUID --------------------------------------------------------------- */

int test_uuid(struct test_file *file, void *data)
{
	struct virtgpu_test_uuid *arg = data;
	struct dma_buf *dmabuf = dma_buf_get(arg->fd);
	uuid_t uuid = {};

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	arg->is_virtio = is_virtio_dma_buf(dmabuf);
	arg->error = -virtio_dma_buf_get_uuid(dmabuf, &uuid);
	export_uuid(arg->uuid, &uuid);
	dma_buf_put(dmabuf);
	return 0;
}
