// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include <drm/vgem_drm.h>

#include "kms.h"

/*
 * vgem_open - another device, of memory alone, to share buffers and fences with
 *
 * It stays loaded: buffers keep fences that have signalled, and those of vgem
 * do not keep vgem.
 *
 * Returns: a file descriptor, or -ENODEV when there is no such module.
 */
int vgem_open(void)
{
	if (system("modprobe -q vgem"))
		return -ENODEV;
	return kms_open_driver("vgem", DRM_NODE_PRIMARY, 0, NULL);
}

/* The buffer that vgem's fence is attached to gives it out as a sync file. */
static int make_fence(struct gate *gate, uint32_t handle)
{
	struct drm_vgem_fence_attach attach = {
		.handle = handle, .flags = VGEM_FENCE_WRITE,
	};
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_RW };
	int dmabuf, ret;

	if (drmPrimeHandleToFD(gate->vgem, handle, DRM_CLOEXEC, &dmabuf))
		return -errno;
	ret = kms_ioctl(gate->vgem, DRM_IOCTL_VGEM_FENCE_ATTACH, &attach);
	if (!ret)
		ret = kms_ioctl(dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export);
	close(dmabuf);
	gate->fence = attach.out_fence;
	gate->sync_file = export.fd;
	return ret;
}

/*
 * gate_make - make a fence that is pending
 *
 * Returns: 0, -ENODEV when there is no vgem to make it, or another error.
 */
int gate_make(struct gate *gate)
{
	struct kms_fb bo;
	int ret;

	gate->vgem = vgem_open();
	if (gate->vgem < 0)
		return gate->vgem;
	ret = kms_dumb_create(gate->vgem, 64, 64, 32, &bo);
	if (!ret)
		ret = make_fence(gate, bo.handle);
	if (ret)
		close(gate->vgem);
	return ret;
}

/* What waits for the fence may go on. */
int gate_open(struct gate *gate)
{
	struct drm_vgem_fence_signal arg = { .fence = gate->fence };

	return kms_ioctl(gate->vgem, DRM_IOCTL_VGEM_FENCE_SIGNAL, &arg);
}

void gate_free(struct gate *gate)
{
	close(gate->sync_file);
	close(gate->vgem);
}
