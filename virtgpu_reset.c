// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The device loses everything: suspend, hibernation, and a device that has got
 * into a state that only a reset ends.
 *
 * All of them go the same way: the device is reset and every command ends, the
 * queues are made anew, the resources over guest memory, too, and the outputs are
 * set again. What only the host had is lost: contexts, and pictures and memory
 * of theirs, give VIRTGPU_LOST to the programs.
 */

#include <linux/dma-resv.h>
#include <linux/pci.h>
#include <linux/virtio_config.h>

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_drv.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_modeset_helper.h>
#include <drm/drm_modeset_lock.h>
#include <drm/drm_plane.h>
#include <drm/drm_print.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"

/* A device that breaks again and again is reset once in a while only. */
#define VIRTGPU_RESET_INTERVAL HZ

/* One that found no memory is done again so often. */
#define VIRTGPU_RESET_TRIES 4

/* When a host that draws by OpenGL gets the pictures again. */
#define VIRTGPU_REDRAW_DELAY (HZ / 4)

/**
 * virtgpu_report_slow() - say once that the host does not answer
 * @vgdev: the device
 * @what: what it was asked
 *
 * It is left alone: a host that is slow answers in the end. Any context.
 */
void virtgpu_report_slow(struct virtgpu_device *vgdev, const char *what)
{
	if (!xchg(&vgdev->slow, true))
		drm_warn(&vgdev->drm, "host has not answered %s within %u ms\n", what,
			 jiffies_to_msecs(virtgpu_timeout()));
}

/* In jiffies, until the next reset may begin. */
static unsigned long virtgpu_reset_delay(const struct virtgpu_device *vgdev)
{
	unsigned long next = READ_ONCE(vgdev->reset_time) + VIRTGPU_RESET_INTERVAL;

	return time_before(jiffies, next) ? next - jiffies : 0;
}

/**
 * virtgpu_reset_request() - have the device reset
 * @vgdev: the device
 * @reason: for the log, a constant
 *
 * Any context.
 */
void virtgpu_reset_request(struct virtgpu_device *vgdev, const char *reason)
{
	if (virtgpu_shutdown_is_silent())
		return;
	WRITE_ONCE(vgdev->reset_reason, reason);
	queue_delayed_work(system_freezable_wq, &vgdev->reset_work, virtgpu_reset_delay(vgdev));
}

/**
 * virtgpu_report_dark() - say that a picture could not be restored
 * @vgdev: the device
 * @error: why
 *
 * Any context.
 */
void virtgpu_report_dark(struct virtgpu_device *vgdev, int error)
{
	drm_warn(&vgdev->drm, "output stays dark until something else is shown: %pe\n",
		 ERR_PTR(error));
}

/**
 * virtgpu_reset_is_last() - is there no reset to come when this one finds no memory?
 * @vgdev: the device
 *
 * Return: whether what cannot be made again now is lost.
 */
bool virtgpu_reset_is_last(const struct virtgpu_device *vgdev)
{
	return vgdev->reset_tries >= VIRTGPU_RESET_TRIES;
}

static void virtgpu_reset_note(struct virtgpu_device *vgdev, int error)
{
	if (error == -ENOMEM)
		vgdev->reset_starved = true;
}

/* What there was no memory for may work in a while. */
static void virtgpu_reset_again(struct virtgpu_device *vgdev)
{
	bool again = vgdev->reset_starved && !virtgpu_reset_is_last(vgdev);

	vgdev->reset_starved = false;
	vgdev->reset_tries = again ? vgdev->reset_tries + 1 : 0;
	if (again)
		virtgpu_reset_request(vgdev, "there was no memory for the last reset");
}

/* ---- pictures that a window lost ---------------------------------------- */

static struct drm_framebuffer *virtgpu_shown_fb(struct drm_plane *plane)
{
	struct drm_framebuffer *fb;

	drm_modeset_lock(&plane->mutex, NULL);
	fb = plane->state ? plane->state->fb : NULL;
	if (fb)
		drm_framebuffer_get(fb);
	drm_modeset_unlock(&plane->mutex);
	return fb;
}

/*
 * With OpenGL, QEMU's window is set up anew in a reset, and may stay black though all
 * that it was to show was sent: what comes later is shown. A picture that is being
 * drawn comes later by itself.
 */
static void virtgpu_redraw_work(struct work_struct *work)
{
	struct virtgpu_device *vgdev = container_of(work, struct virtgpu_device,
						    redraw_work.work);
	struct drm_framebuffer *fb;
	struct drm_plane *plane;

	drm_for_each_plane(plane, &vgdev->drm) {
		fb = plane->type == DRM_PLANE_TYPE_PRIMARY ? virtgpu_shown_fb(plane) : NULL;
		if (!fb)
			continue;
		if (dma_resv_test_signaled(fb->obj[0]->resv, DMA_RESV_USAGE_WRITE))
			fb->funcs->dirty(fb, NULL, 0, 0, NULL, 0);
		drm_framebuffer_put(fb);
	}
}

static void virtgpu_redraw_later(struct virtgpu_device *vgdev)
{
	if (vgdev->has_virgl && vgdev->num_scanouts)
		queue_delayed_work(system_freezable_wq, &vgdev->redraw_work,
				   VIRTGPU_REDRAW_DELAY);
}

/* ---- down and up -------------------------------------------------------- */

/**
 * virtgpu_freeze() - &virtio_driver.freeze: the device is about to be reset
 * @vdev: the virtio device
 *
 * Return: 0 or a negative errno.
 */
int virtgpu_freeze(struct virtio_device *vdev)
{
	struct virtgpu_device *vgdev = vdev->priv;
	int ret;

	if (!vgdev->resetting && vgdev->num_scanouts) {
		ret = drm_mode_config_helper_suspend(&vgdev->drm);
		if (ret)
			return ret;
	}
	if (!vgdev->resetting)
		virtgpu_display_stop(vgdev);
	if (!vgdev->resetting && !virtgpu_queues_idle(vgdev))
		virtgpu_report_slow(vgdev, "what it was asked before the suspend");

	virtgpu_queues_abort(vgdev, VIRTGPU_LOST);
	virtgpu_queues_fini(vgdev);
	virtgpu_contexts_lose(vgdev, VIRTGPU_LOST);
	return 0;
}

/**
 * virtgpu_restore() - &virtio_driver.restore: the device was reset
 * @vdev: the virtio device
 *
 * Return: 0 or a negative errno.
 */
int virtgpu_restore(struct virtio_device *vdev)
{
	struct virtgpu_device *vgdev = vdev->priv;
	LIST_HEAD(cmds);
	int ret;

	ret = virtgpu_queues_find(vgdev);
	if (ret)
		return ret;
	virtio_device_ready(vdev);
	/* What was asked for before the suspend is done by now. */
	if (!vgdev->resetting)
		cancel_delayed_work(&vgdev->reset_work);
	virtgpu_reset_note(vgdev, virtgpu_resources_rebuild(vgdev, &cmds));
	virtgpu_queues_start(vgdev, &cmds);
	virtgpu_reset_note(vgdev, virtgpu_imports_rebuild(vgdev));
	virtgpu_resources_unmap_lost(vgdev);
	virtgpu_resources_wait_rebuilt(vgdev);

	if (vgdev->resetting)
		return 0;
	virtgpu_reset_again(vgdev);
	if (!vgdev->num_scanouts)
		return 0;
	virtgpu_display_changed(vgdev);
	/* A picture that is lost is no reason to give the device up. */
	vgdev->restoring = true;
	ret = drm_mode_config_helper_resume(&vgdev->drm);
	vgdev->restoring = false;
	if (ret)
		virtgpu_report_dark(vgdev, ret);
	virtgpu_redraw_later(vgdev);
	return 0;
}

/* ---- a device that needs a reset ---------------------------------------- */

#ifdef CONFIG_PM_SLEEP
static int virtgpu_reset_device(struct virtgpu_device *vgdev)
{
	return virtio_device_freeze(vgdev->vdev) ?: virtio_device_restore(vgdev->vdev);
}
#else
static int virtgpu_reset_device(struct virtgpu_device *vgdev)
{
	return -EOPNOTSUPP;
}
#endif

static void virtgpu_force_modesets(struct drm_atomic_commit *state)
{
	struct drm_crtc_state *crtc_state;
	struct drm_crtc *crtc;
	int i;

	for_each_new_crtc_in_state(state, crtc, crtc_state, i)
		if (crtc_state->active)
			crtc_state->mode_changed = true;
}

/* A picture that was lost, or that the host refuses now, is no reason to fail. */
static void virtgpu_show_again(struct virtgpu_device *vgdev, struct drm_atomic_commit *state,
			       struct drm_modeset_acquire_ctx *ctx)
{
	int ret;

	virtgpu_force_modesets(state);
	vgdev->restoring = true;
	ret = drm_atomic_helper_commit_duplicated_state(state, ctx);
	vgdev->restoring = false;
	if (ret)
		virtgpu_report_dark(vgdev, ret);
	virtgpu_reset_note(vgdev, ret);
}

/* Nobody changes the outputs between the reset and their being set again. */
static int virtgpu_reset_with_outputs(struct virtgpu_device *vgdev)
{
	struct drm_modeset_acquire_ctx ctx;
	struct drm_atomic_commit *state;
	int ret;

	DRM_MODESET_LOCK_ALL_BEGIN((&vgdev->drm), ctx, 0, ret);
	state = drm_atomic_helper_duplicate_state(&vgdev->drm, &ctx);
	if (IS_ERR(state)) {
		ret = PTR_ERR(state);
	} else {
		ret = virtgpu_reset_device(vgdev);
		if (!ret)
			virtgpu_show_again(vgdev, state, &ctx);
		drm_atomic_commit_put(state);
	}
	DRM_MODESET_LOCK_ALL_END((&vgdev->drm), ctx, ret);
	return ret;
}

static bool virtgpu_is_present(const struct virtgpu_device *vgdev)
{
	struct device *parent = vgdev->vdev->dev.parent;

	return !dev_is_pci(parent) || pci_device_is_present(to_pci_dev(parent));
}

static void virtgpu_reset_work(struct work_struct *work)
{
	struct virtgpu_device *vgdev = container_of(work, struct virtgpu_device, reset_work.work);
	unsigned long delay = virtgpu_reset_delay(vgdev);
	struct device *dev = &vgdev->vdev->dev;
	int ret;

	/* The lock keeps the driver bound; who holds it may wait for us. */
	if (delay || !device_trylock(dev)) {
		queue_delayed_work(system_freezable_wq, &vgdev->reset_work, delay ?: HZ / 50);
		return;
	}
	if (!virtgpu_is_present(vgdev))
		goto out_unlock;

	drm_warn(&vgdev->drm, "resetting the device: %s\n", READ_ONCE(vgdev->reset_reason));
	vgdev->resetting = true;
	/* Who holds the outputs' locks may wait for a command or job, the work for them. */
	virtgpu_queues_abort(vgdev, VIRTGPU_LOST);
	virtgpu_contexts_lose(vgdev, VIRTGPU_LOST);
	virtgpu_display_pause(vgdev);
	/* What was asked for since this began is done by now. */
	cancel_work_sync(&vgdev->config_work);
	cancel_delayed_work(&vgdev->reset_work);
	ret = vgdev->num_scanouts ? virtgpu_reset_with_outputs(vgdev) :
				    virtgpu_reset_device(vgdev);
	vgdev->resetting = false;
	virtgpu_display_resume(vgdev);
	virtgpu_redraw_later(vgdev);
	WRITE_ONCE(vgdev->reset_time, jiffies);
	WRITE_ONCE(vgdev->num_resets, vgdev->num_resets + 1);
	if (ret)
		drm_err(&vgdev->drm, "device cannot be reset: %pe\n", ERR_PTR(ret));
	else
		drm_info(&vgdev->drm, "device was reset; 3D contexts are lost\n");
	virtgpu_reset_note(vgdev, ret);
	virtgpu_reset_again(vgdev);
	virtgpu_wedged_event(&vgdev->drm);

out_unlock:
	device_unlock(dev);
}

/* On some buses the status is read in a way that sleeps. */
static void virtgpu_config_work(struct work_struct *work)
{
	struct virtgpu_device *vgdev = container_of(work, struct virtgpu_device, config_work);
	struct virtio_device *vdev = vgdev->vdev;

	if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET)
		virtgpu_reset_request(vgdev, "the device asks for it");
	else
		virtgpu_display_changed(vgdev);
}

/**
 * virtgpu_config_changed() - &virtio_driver.config_changed
 * @vdev: the virtio device
 *
 * Interrupt. A device that needs a reset says so in this way, too (2.1.2).
 */
void virtgpu_config_changed(struct virtio_device *vdev)
{
	struct virtgpu_device *vgdev = vdev->priv;

	queue_work(system_freezable_wq, &vgdev->config_work);
}

/**
 * virtgpu_reset_init() - set up what requests a reset
 * @vgdev: the device
 */
void virtgpu_reset_init(struct virtgpu_device *vgdev)
{
	INIT_WORK(&vgdev->config_work, virtgpu_config_work);
	INIT_DELAYED_WORK(&vgdev->reset_work, virtgpu_reset_work);
	INIT_DELAYED_WORK(&vgdev->redraw_work, virtgpu_redraw_work);
	vgdev->reset_time = jiffies - VIRTGPU_RESET_INTERVAL;
}

/**
 * virtgpu_reset_stop() - no reset any more, and nothing that the device has to say
 * @vgdev: the device, which goes
 *
 * Process context; waits for a reset that is under way. What draws may wait for commands:
 * virtgpu_reset_fini() is for when they have ended.
 */
void virtgpu_reset_stop(struct virtgpu_device *vgdev)
{
	disable_work_sync(&vgdev->config_work);
	disable_delayed_work_sync(&vgdev->reset_work);
	disable_delayed_work(&vgdev->redraw_work);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_reset_stop);

/**
 * virtgpu_reset_fini() - nothing is drawn again any more
 * @vgdev: the device, after virtgpu_reset_stop() and virtgpu_queues_abort()
 *
 * Process context.
 */
void virtgpu_reset_fini(struct virtgpu_device *vgdev)
{
	disable_delayed_work_sync(&vgdev->redraw_work);
}
