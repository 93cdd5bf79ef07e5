#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# virtgpu_probe.sh OUT CC FLAGS...: write OUT, a header that tells what the
# kernel has that is being built against. Each probe is a few lines of C that
# compile where the answer is yes. Called by Kbuild.

set -eu

out=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# compiles BODY: 0 when BODY compiles in the kernel's environment
compiles()
{
	printf '%s\n' "$1" > "$dir/probe.c"
	shift
	"$@" -DMODULE -DKBUILD_BASENAME='"probe"' -DKBUILD_MODNAME='"probe"' \
		-Werror -Wno-unused -Wno-missing-prototypes -Wno-missing-declarations \
		-c -o "$dir/probe.o" "$dir/probe.c" > "$dir/log" 2>&1
}

# Controls: probes that tell nothing would give a driver that fails elsewhere.
if ! compiles '#include <drm/drm_gem.h>
int probe(void) { return sizeof(struct drm_gem_object); }' "$@"; then
	echo "virtgpu_probe.sh: a probe that must compile does not:" >&2
	cat "$dir/log" >&2
	exit 1
fi
if compiles '#include <drm/drm_gem.h>
int probe(void) { return sizeof(struct drm_no_such_object); }' "$@"; then
	echo "virtgpu_probe.sh: a probe that must not compile does" >&2
	exit 1
fi

{
	echo "/* Made by virtgpu_probe.sh. */"
	probe()
	{
		name=$1 body=$2
		shift 2
		if compiles "$body" "$@"; then
			echo "#define VIRTGPU_HAVE_$name 1"
		fi
	}

	probe IMPORT_NS_BARE '#include <linux/module.h>
MODULE_IMPORT_NS(DMA_BUF);' "$@"
	probe ATOMIC_COMMIT '#include <drm/drm_atomic.h>
int probe(void) { return sizeof(struct drm_atomic_commit); }' "$@"
	probe FENCE_INLINE_LOCK '#include <linux/dma-fence.h>
int probe(struct dma_fence *f) { return sizeof(f->inline_lock) + DMA_FENCE_FLAG_INLINE_LOCK_BIT; }' "$@"
	probe FENCE_INIT64 '#include <linux/dma-fence.h>
void *probe(void) { return dma_fence_init64; }' "$@"
	probe FB_CREATE_INFO '#include <drm/drm_mode_config.h>
struct drm_framebuffer *probe(const struct drm_mode_config_funcs *f)
{ return f->fb_create(NULL, NULL, (const struct drm_format_info *)NULL, NULL); }' "$@"
	probe GEM_VMAP_UNLOCKED '#include <drm/drm_gem.h>
void *probe(void) { return drm_gem_vmap_unlocked; }' "$@"
	probe ASYNC_CHECK_FLIP '#include <drm/drm_modeset_helper_vtables.h>
int probe(const struct drm_plane_helper_funcs *f) { return f->atomic_async_check(NULL, NULL, true); }' "$@"
	probe INVALIDATE_MAPPINGS '#include <linux/dma-buf.h>
int probe(const struct dma_buf_attach_ops *o) { return sizeof(o->invalidate_mappings); }' "$@"
	probe WEDGED '#include <drm/drm_drv.h>
int probe(struct drm_device *d) { return drm_dev_wedged_event(d, DRM_WEDGE_RECOVERY_NONE); }' "$@"
	probe WEDGED_INFO '#include <drm/drm_drv.h>
int probe(struct drm_device *d) { return drm_dev_wedged_event(d, DRM_WEDGE_RECOVERY_NONE, NULL); }' "$@"
	probe PANIC_PAGES '#include <drm/drm_panic.h>
int probe(struct drm_scanout_buffer *sb) { return sizeof(sb->pages); }' "$@"
	probe DRIVER_DATE '#include <drm/drm_drv.h>
int probe(struct drm_driver *d) { return sizeof(d->date); }' "$@"
	probe HUGE_MNT '#include <drm/drm_gem.h>
int probe(void) { return drm_gem_huge_mnt_create(NULL, "x"); }' "$@"
	probe HRTIMER_SETUP '#include <linux/hrtimer.h>
void *probe(void) { return hrtimer_setup; }' "$@"
	probe PFN_T '#include <linux/mm.h>
#include <linux/pfn_t.h>
vm_fault_t probe(struct vm_fault *v) { return vmf_insert_pfn_pmd(v, __pfn_to_pfn_t(0, PFN_DEV), true); }' "$@"
	probe VIRTIO_SHUTDOWN '#include <linux/virtio.h>
void *probe(struct virtio_driver *d) { return d->shutdown; }' "$@"
	probe WRPROTECT_RANGE '#include <linux/rmap.h>
void *probe(void) { return mapping_wrprotect_range; }' "$@"
	probe VBLANK_TIMER '#include <drm/drm_vblank_helper.h>
void *probe(void) { return drm_crtc_vblank_helper_enable_vblank_timer; }' "$@"
	probe CLIENTS_DIR '#include <drm/clients/drm_client_setup.h>
void *probe(void) { return drm_client_setup; }' "$@"
} > "$dir/config.h"

cmp -s "$dir/config.h" "$out" || cp "$dir/config.h" "$out"
