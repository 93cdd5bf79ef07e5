/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Every difference between the kernels that the test module builds on; Kbuild
 * finds out what they have.
 */
#ifndef TEST_COMPAT_H
#define TEST_COMPAT_H

#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/version.h>

/* The name of a namespace is a string since 6.13. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define TEST_IMPORT_NS(ns) MODULE_IMPORT_NS(ns)
#else
#define TEST_IMPORT_NS(ns) MODULE_IMPORT_NS(#ns)
#endif

/* Importers were told that the buffer moves, not that their mappings end. */
#ifndef TEST_HAVE_INVALIDATE_MAPPINGS
#define dma_buf_invalidate_mappings dma_buf_move_notify
#define invalidate_mappings move_notify
#endif

/* Mappings for importers that can be told of moves used to pin, too. */
#if defined(TEST_HAVE_INVALIDATE_MAPPINGS) || defined(CONFIG_DMABUF_MOVE_NOTIFY)
#define TEST_MAPPINGS_PIN false
#else
#define TEST_MAPPINGS_PIN true
#endif

/* Fences have a lock of their own. */
static inline void test_dma_fence_init(struct dma_fence *fence, const struct dma_fence_ops *ops,
				       spinlock_t *lock, u64 context, u64 seqno)
{
#ifdef TEST_HAVE_FENCE_INLINE_LOCK
	lock = NULL;
#endif
	dma_fence_init(fence, ops, lock, context, seqno);
}

#endif
