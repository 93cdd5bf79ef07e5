// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A vblank timer for kernels whose DRM core has none; empty on others.
 */

#include <drm/drm_vblank.h>

#include "virtgpu_drv.h"

#ifdef VIRTGPU_OWN_VBLANK_TIMER

static struct drm_vblank_crtc *virtgpu_vblank_of(struct drm_crtc *crtc)
{
	return &crtc->dev->vblank[drm_crtc_index(crtc)];
}

/*
 * Before the vblank is handled: its timestamp is derived from this. Not when the
 * timer was stopped, or stopped and started again, since it expired.
 */
static bool virtgpu_vblank_forward(struct virtgpu_vblank_timer *timer)
{
	unsigned long flags;
	bool runs;

	spin_lock_irqsave(&timer->lock, flags);
	runs = timer->period && !hrtimer_is_queued(&timer->timer);
	if (runs)
		hrtimer_forward_now(&timer->timer, timer->period);
	spin_unlock_irqrestore(&timer->lock, flags);
	return runs;
}

static enum hrtimer_restart virtgpu_vblank_tick(struct hrtimer *hrtimer)
{
	struct virtgpu_vblank_timer *timer =
		container_of(hrtimer, struct virtgpu_vblank_timer, timer);

	if (!virtgpu_vblank_forward(timer))
		return HRTIMER_NORESTART;
	return drm_crtc_handle_vblank(timer->crtc) ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

/**
 * virtgpu_vblank_timer_init() - set up the timer of a CRTC
 * @timer: the timer
 * @crtc: the CRTC
 */
void virtgpu_vblank_timer_init(struct virtgpu_vblank_timer *timer, struct drm_crtc *crtc)
{
	timer->crtc = crtc;
	spin_lock_init(&timer->lock);
	hrtimer_setup(&timer->timer, virtgpu_vblank_tick, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
}

/**
 * virtgpu_vblank_timer_enable() - &drm_crtc_funcs.enable_vblank
 * @crtc: the CRTC
 *
 * Return: 0.
 */
int virtgpu_vblank_timer_enable(struct drm_crtc *crtc)
{
	struct virtgpu_vblank_timer *timer = &crtc_to_output(crtc)->vblank_timer;
	unsigned long flags;

	drm_calc_timestamping_constants(crtc, &crtc->mode);
	spin_lock_irqsave(&timer->lock, flags);
	WRITE_ONCE(timer->period, ns_to_ktime(virtgpu_vblank_of(crtc)->framedur_ns));
	hrtimer_start(&timer->timer, timer->period, HRTIMER_MODE_REL);
	spin_unlock_irqrestore(&timer->lock, flags);
	return 0;
}

/**
 * virtgpu_vblank_timer_disable() - &drm_crtc_funcs.disable_vblank
 * @crtc: the CRTC
 *
 * The tick takes locks that are held here, so that it cannot be waited for: it
 * sees the period of 0 and ends.
 */
void virtgpu_vblank_timer_disable(struct drm_crtc *crtc)
{
	struct virtgpu_vblank_timer *timer = &crtc_to_output(crtc)->vblank_timer;
	unsigned long flags;

	spin_lock_irqsave(&timer->lock, flags);
	WRITE_ONCE(timer->period, 0);
	hrtimer_try_to_cancel(&timer->timer);
	spin_unlock_irqrestore(&timer->lock, flags);
}

/**
 * virtgpu_vblank_timer_fini() - wait for the last tick
 * @timer: the timer of a CRTC whose vblanks are off for good
 *
 * Process context, without the locks of vblanks.
 */
void virtgpu_vblank_timer_fini(struct virtgpu_vblank_timer *timer)
{
	hrtimer_cancel(&timer->timer);
}

/**
 * virtgpu_vblank_timer_timestamp() - &drm_crtc_funcs.get_vblank_timestamp
 * @crtc: the CRTC
 * @max_error: not changed, the time is exact
 * @time: when the last vblank was
 * @in_vblank_irq: not used
 *
 * Return: true.
 */
bool virtgpu_vblank_timer_timestamp(struct drm_crtc *crtc, int *max_error, ktime_t *time,
				    bool in_vblank_irq)
{
	struct virtgpu_vblank_timer *timer = &crtc_to_output(crtc)->vblank_timer;
	ktime_t period = READ_ONCE(timer->period);

	if (!READ_ONCE(virtgpu_vblank_of(crtc)->enabled) || !period)
		*time = ktime_get();
	else
		*time = ktime_sub(READ_ONCE(timer->timer.node.expires), period);
	return true;
}

#endif
