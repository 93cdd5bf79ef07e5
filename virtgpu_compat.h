/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Every difference between the kernels that the driver builds on. The sources
 * are written for the newest; what an older one lacks is supplied here, found
 * by macro or by a compile probe (virtgpu_probe.sh makes virtgpu_config.h), not
 * by version, since distributions backport.
 */
#ifndef _VIRTGPU_COMPAT_H_
#define _VIRTGPU_COMPAT_H_

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "virtio_gpu needs Linux 6.12 or newer"
#endif

#include <linux/dma-fence.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>

#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_fbdev_shmem.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_mode_config.h>
#include <drm/drm_panic.h>
#include <drm/virtgpu_drm.h>

#include "virtgpu_config.h"

#ifdef VIRTGPU_HAVE_PFN_T
#include <linux/pfn_t.h>
#endif

/* MODULE_IMPORT_NS() takes a string since 6.13. */
#ifdef VIRTGPU_HAVE_IMPORT_NS_BARE
#define VIRTGPU_IMPORT_NS(ns) MODULE_IMPORT_NS(ns)
#else
#define VIRTGPU_IMPORT_NS(ns) MODULE_IMPORT_NS(#ns)
#endif

/* struct drm_atomic_state got the name that says what it is. */
#ifndef VIRTGPU_HAVE_ATOMIC_COMMIT
#define drm_atomic_commit drm_atomic_state
#define drm_atomic_commit_put drm_atomic_state_put
#endif

/* Fences have a lock of their own and 64-bit numbers now. */
#ifndef VIRTGPU_HAVE_FENCE_INIT64
#define dma_fence_init64 dma_fence_init
#endif

static inline void virtgpu_dma_fence_init(struct dma_fence *fence,
					  const struct dma_fence_ops *ops, spinlock_t *lock,
					  u64 context, u64 seqno)
{
#ifdef VIRTGPU_HAVE_FENCE_INLINE_LOCK
	lock = NULL;
#else
	__module_get(THIS_MODULE);
#endif
	dma_fence_init64(fence, ops, lock, context, seqno);
}

/* A fence that does not let go of its driver's functions keeps the module. */
#ifdef VIRTGPU_HAVE_FENCE_INLINE_LOCK
#define VIRTGPU_FENCE_COMPAT_OPS
#else
static inline void virtgpu_dma_fence_release(struct dma_fence *fence)
{
	dma_fence_free(fence);
	module_put(THIS_MODULE);
}

#define VIRTGPU_FENCE_COMPAT_OPS .release = virtgpu_dma_fence_release,
#endif

/* A fence lets go of its driver's functions when it has signalled. */
static inline const struct dma_fence_ops *virtgpu_dma_fence_ops(const struct dma_fence *fence)
{
#ifdef VIRTGPU_HAVE_FENCE_INLINE_LOCK
	return rcu_access_pointer(fence->ops);
#else
	return fence->ops;
#endif
}

/* fb_create() is given the format that the core has looked up. */
struct drm_framebuffer *virtgpu_fb_create(struct drm_device *drm, struct drm_file *file,
					  const struct drm_format_info *info,
					  const struct drm_mode_fb_cmd2 *mode_cmd);

#ifdef VIRTGPU_HAVE_FB_CREATE_INFO
#define virtgpu_compat_fb_create virtgpu_fb_create
#else
#define drm_helper_mode_fill_fb_struct(drm, fb, info, cmd) \
	((void)(info), drm_helper_mode_fill_fb_struct(drm, fb, cmd))

static inline struct drm_framebuffer *
virtgpu_compat_fb_create(struct drm_device *drm, struct drm_file *file,
			 const struct drm_mode_fb_cmd2 *mode_cmd)
{
	return virtgpu_fb_create(drm, file, drm_get_format_info(drm, mode_cmd), mode_cmd);
}
#endif

/* vmap with the reservation lock taken inside. */
#ifdef VIRTGPU_HAVE_GEM_VMAP_UNLOCKED
#define drm_gem_vmap drm_gem_vmap_unlocked
#define drm_gem_vunmap drm_gem_vunmap_unlocked
#endif

/* atomic_async_check() is told whether it is about a page flip. */
#ifdef VIRTGPU_HAVE_ASYNC_CHECK_FLIP
#define VIRTGPU_ASYNC_CHECK(func)						\
static int func##_compat(struct drm_plane *plane,				\
			 struct drm_atomic_commit *commit, bool flip)		\
{										\
	return func(plane, commit);						\
}

#define virtgpu_async_check(func) func##_compat
#else
#define VIRTGPU_ASYNC_CHECK(func)
#define virtgpu_async_check(func) func
#endif

/* What an importer is called with when an exporter moves a buffer. */
#ifdef VIRTGPU_HAVE_INVALIDATE_MAPPINGS
#define VIRTGPU_MOVE_NOTIFY invalidate_mappings
#else
#define VIRTGPU_MOVE_NOTIFY move_notify
#endif

/* Programs that watch can be told of a reset. */
static inline void virtgpu_wedged_event(struct drm_device *drm)
{
#if defined(VIRTGPU_HAVE_WEDGED_INFO)
	drm_dev_wedged_event(drm, DRM_WEDGE_RECOVERY_NONE, NULL);
#elif defined(VIRTGPU_HAVE_WEDGED)
	drm_dev_wedged_event(drm, DRM_WEDGE_RECOVERY_NONE);
#endif
}

/* The panic screen can draw into pages that are not mapped. */
static inline bool virtgpu_panic_set_pages(struct drm_scanout_buffer *sb, struct page **pages)
{
#ifdef VIRTGPU_HAVE_PANIC_PAGES
	sb->pages = pages;
	return pages;
#else
	return false;
#endif
}

/* Blob alignment and hints came with 7.1, in headers of their own. */
#ifdef VIRTIO_GPU_F_BLOB_ALIGNMENT
#define virtgpu_config virtio_gpu_config
#else
#define VIRTIO_GPU_F_BLOB_ALIGNMENT 5
struct virtgpu_config {
	__le32 events_read;
	__le32 events_clear;
	__le32 num_scanouts;
	__le32 num_capsets;
	__le32 blob_alignment;
};
#endif

#ifndef VIRTGPU_PARAM_BLOB_ALIGNMENT
#define VIRTGPU_PARAM_BLOB_ALIGNMENT 9
#endif

#ifdef DRM_VIRTGPU_BLOB_FLAG_HINT_DEFER_MAPPING
static inline bool
virtgpu_blob_hints_valid(const struct drm_virtgpu_resource_create_blob *args)
{
	return !(args->blob_hints & ~DRM_VIRTGPU_BLOB_FLAG_HINT_DEFER_MAPPING) && !args->pad2;
}

static inline bool
virtgpu_blob_deferred(const struct drm_virtgpu_resource_create_blob *args)
{
	return args->blob_hints & DRM_VIRTGPU_BLOB_FLAG_HINT_DEFER_MAPPING;
}
#else
static inline bool
virtgpu_blob_hints_valid(const struct drm_virtgpu_resource_create_blob *args)
{
	return true;
}

static inline bool
virtgpu_blob_deferred(const struct drm_virtgpu_resource_create_blob *args)
{
	return false;
}
#endif

/* A page frame number is a plain number again. */
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
static inline vm_fault_t virtgpu_vmf_insert_pmd(struct vm_fault *vmf, unsigned long pfn)
{
	bool write = vmf->flags & FAULT_FLAG_WRITE;

#ifdef VIRTGPU_HAVE_PFN_T
	return vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV), write);
#else
	return vmf_insert_pfn_pmd(vmf, pfn, write);
#endif
}
#endif

/* The core has a vblank timer; virtgpu_vblank.c stands in for it. */
#ifdef VIRTGPU_HAVE_VBLANK_TIMER
#include <drm/drm_vblank_helper.h>
struct virtgpu_vblank_timer { };
static inline void virtgpu_vblank_timer_init(struct virtgpu_vblank_timer *timer,
					     struct drm_crtc *crtc)
{
}

static inline void virtgpu_vblank_timer_fini(struct virtgpu_vblank_timer *timer)
{
}

#define VIRTGPU_VBLANK_TIMER_FUNCS DRM_CRTC_VBLANK_TIMER_FUNCS
#else
#define VIRTGPU_OWN_VBLANK_TIMER
#ifndef VIRTGPU_HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock_id, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock_id, mode);
	timer->function = function;
}
#endif

/* @lock: protects @period, and starting, stopping and forwarding of @timer */
struct virtgpu_vblank_timer {
	struct drm_crtc *crtc;
	spinlock_t lock;
	struct hrtimer timer;
	ktime_t period;
};

void virtgpu_vblank_timer_init(struct virtgpu_vblank_timer *timer, struct drm_crtc *crtc);
void virtgpu_vblank_timer_fini(struct virtgpu_vblank_timer *timer);
int virtgpu_vblank_timer_enable(struct drm_crtc *crtc);
void virtgpu_vblank_timer_disable(struct drm_crtc *crtc);
bool virtgpu_vblank_timer_timestamp(struct drm_crtc *crtc, int *max_error, ktime_t *time,
				    bool in_vblank_irq);
#define VIRTGPU_VBLANK_TIMER_FUNCS				\
	.enable_vblank = virtgpu_vblank_timer_enable,		\
	.disable_vblank = virtgpu_vblank_timer_disable,		\
	.get_vblank_timestamp = virtgpu_vblank_timer_timestamp
#endif

/* The console is set up by the client library. */
#ifdef VIRTGPU_HAVE_CLIENTS_DIR
#include <drm/clients/drm_client_setup.h>
#elif defined(DRM_FBDEV_SHMEM_DRIVER_OPS)
#include <drm/drm_client_setup.h>
#endif

static inline void virtgpu_client_setup(struct drm_device *drm)
{
#ifdef DRM_FBDEV_SHMEM_DRIVER_OPS
	drm_client_setup(drm, drm_format_info(DRM_FORMAT_XRGB8888));
#else
	drm_fbdev_shmem_setup(drm, 32);
#endif
}

#ifdef DRM_FBDEV_SHMEM_DRIVER_OPS
#define VIRTGPU_FBDEV_OPS DRM_FBDEV_SHMEM_DRIVER_OPS,
#else
#define VIRTGPU_FBDEV_OPS
#endif

/* DRM_IOCTL_VERSION used to tell a date, too. */
#ifdef VIRTGPU_HAVE_DRIVER_DATE
#define VIRTGPU_DATE_OPS .date = "0",
#else
#define VIRTGPU_DATE_OPS
#endif

/* The machine's shutdown resets virtio devices; drivers may do that themselves. */
#ifdef VIRTGPU_HAVE_VIRTIO_SHUTDOWN
#define VIRTGPU_SHUTDOWN_OP(func) .shutdown = func,
#else
#define VIRTGPU_SHUTDOWN_OP(func)
#endif

/* Is the device reset because the machine ends, without the driver being told? */
static inline bool virtgpu_shutdown_is_silent(void)
{
#ifdef VIRTGPU_HAVE_VIRTIO_SHUTDOWN
	return false;
#else
	return system_state >= SYSTEM_HALT && system_state <= SYSTEM_RESTART;
#endif
}

/*
 * A console that is mapped makes its pages belong to the file of the console and, in
 * the end, to none. The object's own file would look for them for ever when it goes.
 */
static inline void virtgpu_take_pages_back(struct drm_gem_shmem_object *shmem)
{
#ifndef VIRTGPU_HAVE_WRPROTECT_RANGE
	struct address_space *mapping = shmem->base.filp->f_mapping;
	size_t i;

	for (i = 0; i < shmem->base.size >> PAGE_SHIFT; i++)
		if (shmem->pages[i]->mapping != mapping)
			shmem->pages[i]->mapping = mapping;
#endif
}

/*
 * Huge pages for GEM objects, where the kernel has them. DRM keeps and uses a mount
 * that could not be made, or was taken back at once for want of memory: that is an error.
 */
static inline int virtgpu_huge_pages_init(struct drm_device *drm)
{
#ifdef VIRTGPU_HAVE_HUGE_MNT
	int ret = drm_gem_huge_mnt_create(drm, "within_size");
	struct vfsmount *mount = drm_gem_get_huge_mnt(drm);

	if (!mount)
		return 0;
	return ret ?: PTR_ERR_OR_ZERO(mount);
#else
	return 0;
#endif
}

#endif
