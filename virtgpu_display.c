// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Outputs: what the host wishes to see, and the KMS pipeline made for it.
 *
 * A scan-out of the device is a connector. CRTCs are ours: each may feed any
 * scan-out, or several at once.
 */

#include <linux/slab.h>
#include <linux/virtio_config.h>

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_edid.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>
#include <drm/drm_probe_helper.h>
#include <drm/drm_vblank.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"

#define VIRTGPU_MAX_SIZE	16384

/* QEMU refuses scan-outs that are narrower or lower, for good: they would stay dark. */
#define VIRTGPU_MODE_MIN	16

/* Refresh of modes that the host gives no timings for, in Hz. */
#define VIRTGPU_REFRESH		60

/* The vblank timer keeps neither shorter nor longer frames. */
#define VIRTGPU_FRAME_MIN_NS	(50 * NSEC_PER_USEC)
#define VIRTGPU_FRAME_MAX_NS	NSEC_PER_SEC

/* Delay before the host is asked again that did not answer, in jiffies. */
#define VIRTGPU_RETRY_MIN	HZ
#define VIRTGPU_RETRY_MAX	(60 * HZ)

/* Jiffies that a flip may take: commits complain of one that takes 10 seconds. */
#define VIRTGPU_FLIP_MAX	(9 * HZ)

/* ---- what the host says ------------------------------------------------- */

/* Return: whether the host wishes something new; what no mode can have is cut. */
VISIBLE_IF_KUNIT bool virtgpu_output_set_info(struct virtgpu_output *output,
					      const struct virtio_gpu_display_one *one)
{
	u32 w = min_t(u32, le32_to_cpu(one->r.width), VIRTGPU_MAX_SIZE);
	u32 h = min_t(u32, le32_to_cpu(one->r.height), VIRTGPU_MAX_SIZE);
	u32 x = min_t(u32, le32_to_cpu(one->r.x), INT_MAX - VIRTGPU_MAX_SIZE);
	u32 y = min_t(u32, le32_to_cpu(one->r.y), INT_MAX - VIRTGPU_MAX_SIZE);
	struct drm_rect rect = DRM_RECT_INIT(x, y, w, h);
	bool enabled = le32_to_cpu(one->enabled) && w && h;
	bool changed = output->info.enabled != enabled ||
		       !drm_rect_equals(&output->info.rect, &rect);

	output->info.enabled = enabled;
	output->info.rect = rect;
	return changed;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_output_set_info);

static int virtgpu_read_display_info(struct virtgpu_device *vgdev, bool *changed)
{
	const struct virtio_gpu_resp_display_info *resp;
	struct virtgpu_cmd *cmd;
	unsigned int i;
	int ret;

	cmd = virtgpu_cmd_alloc(vgdev, VIRTGPU_GET_DISPLAY_INFO);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	ret = virtgpu_cmd_run(cmd);
	if (ret)
		goto out_put;

	resp = cmd->resp;
	mutex_lock(&vgdev->display_lock);
	for (i = 0; i < vgdev->num_scanouts; i++)
		*changed |= virtgpu_output_set_info(&vgdev->outputs[i], &resp->pmodes[i]);
	mutex_unlock(&vgdev->display_lock);

out_put:
	virtgpu_cmd_put(cmd);
	return ret;
}

/*
 * Hosts give the size of their buffer: what counts is the number of blocks that
 * the EDID itself tells. NULL for anything that is not an EDID.
 */
VISIBLE_IF_KUNIT const struct drm_edid *
virtgpu_parse_edid(struct virtgpu_device *vgdev, const struct virtio_gpu_resp_edid *resp)
{
	u32 size = le32_to_cpu(resp->size);
	const struct drm_edid *edid;
	u32 blocks;

	if (size < EDID_LENGTH || size > sizeof(resp->edid)) {
		drm_dbg_kms(&vgdev->drm, "EDID of %u bytes ignored\n", size);
		return NULL;
	}
	blocks = 1 + ((const struct edid *)resp->edid)->extensions;
	if (size < EDID_LENGTH * blocks) {
		drm_dbg_kms(&vgdev->drm, "EDID of %u blocks in %u bytes ignored\n", blocks, size);
		return NULL;
	}
	edid = drm_edid_alloc(resp->edid, EDID_LENGTH * blocks);
	if (!edid || drm_edid_valid(edid))
		return edid;

	drm_dbg_kms(&vgdev->drm, "invalid EDID ignored\n");
	drm_edid_free(edid);
	return NULL;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_parse_edid);

VISIBLE_IF_KUNIT bool virtgpu_edid_equal(const struct drm_edid *a, const struct drm_edid *b)
{
	const struct edid *raw_a = drm_edid_raw(a), *raw_b = drm_edid_raw(b);

	if (!raw_a || !raw_b)
		return raw_a == raw_b;
	return raw_a->extensions == raw_b->extensions &&
	       !memcmp(raw_a, raw_b, EDID_LENGTH * (1 + raw_a->extensions));
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_edid_equal);

static int virtgpu_read_edid(struct virtgpu_device *vgdev, struct virtgpu_output *output,
			     bool *changed)
{
	const struct drm_edid *edid;
	struct virtgpu_cmd *cmd;
	int ret;

	cmd = virtgpu_cmd_alloc(vgdev, VIRTGPU_GET_EDID);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	virtgpu_encode_get_edid(cmd, output->index);
	ret = virtgpu_cmd_run(cmd);
	if (ret)
		goto out_put;

	edid = virtgpu_parse_edid(vgdev, cmd->resp);
	mutex_lock(&vgdev->display_lock);
	if (!virtgpu_edid_equal(edid, output->edid)) {
		swap(edid, output->edid);
		*changed = true;
	}
	mutex_unlock(&vgdev->display_lock);
	drm_edid_free(edid);

out_put:
	virtgpu_cmd_put(cmd);
	return ret;
}

/* A refusal is final; silence, a signal and a lack of memory are not. */
static bool virtgpu_worth_asking_again(int error)
{
	return error == -ETIMEDOUT || error == -ERESTARTSYS || error == -ENOMEM;
}

/* Ask for everything, so that a program sees all of a change or nothing. */
static int virtgpu_display_query(struct virtgpu_device *vgdev, bool *changed)
{
	unsigned int i;
	int ret;

	ret = virtgpu_read_display_info(vgdev, changed);
	for (i = 0; i < vgdev->num_scanouts; i++) {
		if (virtgpu_worth_asking_again(ret) || !vgdev->has_edid)
			break;
		if (!vgdev->outputs[i].info.enabled)
			continue;
		ret = virtgpu_read_edid(vgdev, &vgdev->outputs[i], changed);
	}
	return virtgpu_worth_asking_again(ret) ? ret : 0;
}

/* Tell the device that its news have been seen, 5.7.4. */
static void virtgpu_ack_events(struct virtgpu_device *vgdev)
{
	u32 events;

	virtio_cread_le(vgdev->vdev, struct virtio_gpu_config, events_read, &events);
	events &= VIRTIO_GPU_EVENT_DISPLAY;
	if (events)
		virtio_cwrite_le(vgdev->vdev, struct virtio_gpu_config, events_clear, &events);
}

static void virtgpu_update_suggestions(struct virtgpu_device *vgdev)
{
	struct drm_mode_config *config = &vgdev->drm.mode_config;
	unsigned int i;

	for (i = 0; i < vgdev->num_scanouts; i++) {
		struct virtgpu_output *output = &vgdev->outputs[i];
		struct drm_mode_object *obj = &output->connector.base;

		drm_object_property_set_value(obj, config->suggested_x_property,
					      output->info.rect.x1);
		drm_object_property_set_value(obj, config->suggested_y_property,
					      output->info.rect.y1);
	}
}

/**
 * virtgpu_display_refresh() - ask the host for its outputs
 * @vgdev: the device, ready for commands
 *
 * Takes no longer than virtgpu_timeout() for a host that does not answer; it
 * is asked again later and its outputs are hotplugged then. Process context,
 * one caller at a time.
 *
 * Return: whether something changed.
 */
bool virtgpu_display_refresh(struct virtgpu_device *vgdev)
{
	bool changed = false;

	virtgpu_ack_events(vgdev);
	if (!virtgpu_display_query(vgdev, &changed)) {
		vgdev->display_retry = VIRTGPU_RETRY_MIN;
	} else {
		drm_warn(&vgdev->drm, "host does not tell its outputs, asking again in %lu s\n",
			 vgdev->display_retry / HZ);
		queue_delayed_work(vgdev->wq, &vgdev->display_work, vgdev->display_retry);
		vgdev->display_retry = min(vgdev->display_retry * 2, VIRTGPU_RETRY_MAX);
	}
	virtgpu_update_suggestions(vgdev);
	return changed;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_display_refresh);

static void virtgpu_display_work(struct work_struct *work)
{
	struct virtgpu_device *vgdev =
		container_of(to_delayed_work(work), struct virtgpu_device, display_work);

	if (virtgpu_display_refresh(vgdev))
		drm_kms_helper_hotplug_event(&vgdev->drm);
}

/**
 * virtgpu_display_changed() - the device announced a configuration change
 * @vgdev: the device
 *
 * Any context.
 */
void virtgpu_display_changed(struct virtgpu_device *vgdev)
{
	if (vgdev->num_scanouts)
		mod_delayed_work(vgdev->wq, &vgdev->display_work, 0);
}

/* ---- connectors --------------------------------------------------------- */

static enum drm_connector_status virtgpu_connector_detect(struct drm_connector *connector,
							  bool force)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(connector->dev);

	guard(mutex)(&vgdev->display_lock);
	return connector_to_output(connector)->info.enabled ? connector_status_connected :
							      connector_status_disconnected;
}

static enum drm_mode_status virtgpu_mode_status(const struct drm_display_mode *mode)
{
	u64 frame, frame_ns;

	if (mode->hdisplay < VIRTGPU_MODE_MIN)
		return MODE_H_ILLEGAL;
	if (mode->vdisplay < VIRTGPU_MODE_MIN)
		return MODE_V_ILLEGAL;
	if (mode->vscan > 1)
		return MODE_NO_VSCAN;
	if (mode->flags & DRM_MODE_FLAG_INTERLACE)
		return MODE_NO_INTERLACE;
	if (mode->flags & DRM_MODE_FLAG_DBLSCAN)
		return MODE_NO_DBLESCAN;
	if (mode->clock <= 0)
		return MODE_CLOCK_LOW;

	/* The core counts the pixels of a frame in an int. */
	frame = (u64)mode->htotal * mode->vtotal;
	if (frame > INT_MAX)
		return MODE_BAD;
	/* clock is in kHz: pixels a millisecond */
	frame_ns = div_u64(frame * NSEC_PER_MSEC, mode->clock);
	if (frame_ns < VIRTGPU_FRAME_MIN_NS)
		return MODE_CLOCK_HIGH;
	if (frame_ns > VIRTGPU_FRAME_MAX_NS)
		return MODE_CLOCK_LOW;
	return MODE_OK;
}

/*
 * The size that the host wishes is the preferred mode, whatever the EDID says. Its
 * timings are used if they can be.
 */
VISIBLE_IF_KUNIT int virtgpu_add_preferred_mode(struct drm_connector *connector,
						int width, int height)
{
	struct drm_display_mode *mode, *preferred = NULL;

	list_for_each_entry(mode, &connector->probed_modes, head) {
		mode->type &= ~DRM_MODE_TYPE_PREFERRED;
		if (!preferred && mode->hdisplay == width && mode->vdisplay == height &&
		    virtgpu_mode_status(mode) == MODE_OK &&
		    drm_mode_validate_driver(connector->dev, mode) == MODE_OK)
			preferred = mode;
	}
	if (preferred) {
		preferred->type |= DRM_MODE_TYPE_PREFERRED;
		return 0;
	}

	mode = drm_cvt_mode(connector->dev, width, height, VIRTGPU_REFRESH, true, false, false);
	if (!mode)
		return 0;
	/* CVT rounds the width down to its cell of 8 pixels. */
	mode->hdisplay = width;
	mode->vdisplay = height;
	mode->type |= DRM_MODE_TYPE_PREFERRED;
	drm_mode_set_name(mode);
	drm_mode_probed_add(connector, mode);
	return 1;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_add_preferred_mode);

static int virtgpu_connector_get_modes(struct drm_connector *connector)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(connector->dev);
	struct virtgpu_output *output = connector_to_output(connector);
	int count;

	guard(mutex)(&vgdev->display_lock);
	drm_edid_connector_update(connector, output->edid);
	count = drm_edid_connector_add_modes(connector);
	if (!count)
		count = drm_add_modes_noedid(connector, VIRTGPU_MAX_SIZE, VIRTGPU_MAX_SIZE);
	if (output->info.enabled)
		count += virtgpu_add_preferred_mode(connector,
						    drm_rect_width(&output->info.rect),
						    drm_rect_height(&output->info.rect));
	return count;
}

static const struct drm_connector_helper_funcs virtgpu_connector_helper_funcs = {
	.get_modes = virtgpu_connector_get_modes,
};

static const struct drm_connector_funcs virtgpu_connector_funcs = {
	.detect = virtgpu_connector_detect,
	.fill_modes = drm_helper_probe_single_connector_modes,
	.reset = drm_atomic_helper_connector_reset,
	.atomic_duplicate_state = drm_atomic_helper_connector_duplicate_state,
	.atomic_destroy_state = drm_atomic_helper_connector_destroy_state,
};

/* ---- CRTCs -------------------------------------------------------------- */

/**
 * struct virtgpu_crtc_state - state of a CRTC
 * @base: the DRM state
 * @cmds: commands set aside for switching scan-outs and cursors off
 */
struct virtgpu_crtc_state {
	struct drm_crtc_state base;
	struct list_head cmds;
};

static struct virtgpu_crtc_state *to_virtgpu_crtc_state(struct drm_crtc_state *state)
{
	return container_of(state, struct virtgpu_crtc_state, base);
}

static void virtgpu_crtc_destroy_state(struct drm_crtc *crtc, struct drm_crtc_state *state)
{
	struct virtgpu_crtc_state *vgcs = to_virtgpu_crtc_state(state);

	virtgpu_cmd_unreserve(&vgcs->cmds);
	__drm_atomic_helper_crtc_destroy_state(state);
	kfree(vgcs);
}

static void virtgpu_crtc_reset(struct drm_crtc *crtc)
{
	struct virtgpu_crtc_state *vgcs;

	if (crtc->state)
		virtgpu_crtc_destroy_state(crtc, crtc->state);
	crtc->state = NULL;

	vgcs = kzalloc(sizeof(*vgcs), GFP_KERNEL);
	if (!vgcs)
		return;
	INIT_LIST_HEAD(&vgcs->cmds);
	__drm_atomic_helper_crtc_reset(crtc, &vgcs->base);
}

static struct drm_crtc_state *virtgpu_crtc_duplicate_state(struct drm_crtc *crtc)
{
	struct virtgpu_crtc_state *vgcs = kzalloc(sizeof(*vgcs), GFP_KERNEL);

	if (!vgcs)
		return NULL;
	INIT_LIST_HEAD(&vgcs->cmds);
	__drm_atomic_helper_crtc_duplicate_state(crtc, &vgcs->base);
	return &vgcs->base;
}

VISIBLE_IF_KUNIT enum drm_mode_status
virtgpu_crtc_mode_valid(struct drm_crtc *crtc, const struct drm_display_mode *mode)
{
	return virtgpu_mode_status(mode);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_crtc_mode_valid);

static int virtgpu_crtc_check(struct drm_crtc *crtc, struct drm_atomic_commit *commit)
{
	struct drm_crtc_state *state = drm_atomic_get_new_crtc_state(commit, crtc);
	struct virtgpu_crtc_state *vgcs = to_virtgpu_crtc_state(state);

	if (!drm_atomic_crtc_needs_modeset(state) || !list_empty(&vgcs->cmds))
		return 0;

	/* SET_SCANOUT and UPDATE_CURSOR for each scan-out. */
	return virtgpu_cmd_reserve(&vgcs->cmds,
				   2 * to_virtgpu_device(crtc->dev)->num_scanouts);
}

static void virtgpu_crtc_enable(struct drm_crtc *crtc, struct drm_atomic_commit *commit)
{
	struct drm_crtc_state *state = drm_atomic_get_new_crtc_state(commit, crtc);

	crtc_to_output(crtc)->scanouts = state->connector_mask;
	drm_crtc_vblank_on(crtc);
}

/* Scan-outs that some CRTC feeds after this commit: no need to blank them. */
static u32 virtgpu_scanouts_in_use(struct drm_atomic_commit *commit)
{
	struct drm_crtc_state *state;
	struct drm_crtc *crtc;
	u32 scanouts = 0;
	int i;

	for_each_new_crtc_in_state(commit, crtc, state, i)
		if (state->active && state->plane_mask & drm_plane_mask(crtc->primary))
			scanouts |= state->connector_mask;
	return scanouts;
}

static void virtgpu_send_event(struct drm_crtc *crtc, struct drm_pending_vblank_event **event)
{
	spin_lock_irq(&crtc->dev->event_lock);
	if (*event)
		drm_crtc_send_vblank_event(crtc, *event);
	*event = NULL;
	spin_unlock_irq(&crtc->dev->event_lock);
}

static void virtgpu_crtc_disable(struct drm_crtc *crtc, struct drm_atomic_commit *commit)
{
	struct drm_crtc_state *state = drm_atomic_get_new_crtc_state(commit, crtc);
	struct list_head *cmds = &to_virtgpu_crtc_state(state)->cmds;
	struct virtgpu_device *vgdev = to_virtgpu_device(crtc->dev);
	struct virtgpu_output *output = crtc_to_output(crtc);
	unsigned long off = output->scanouts & ~virtgpu_scanouts_in_use(commit);
	struct virtgpu_cmd *cmd;
	LIST_HEAD(batch);
	unsigned int i;

	drm_crtc_vblank_off(crtc);

	virtgpu_cursor_hide(output, cmds);
	for_each_set_bit(i, &off, VIRTIO_GPU_MAX_SCANOUTS) {
		cmd = virtgpu_cmd_take(vgdev, cmds, VIRTGPU_SET_SCANOUT);
		if (!cmd)
			break;
		virtgpu_encode_set_scanout(cmd, i, 0, NULL);
		list_add_tail(&cmd->link, &batch);
	}
	virtgpu_queue_submit_list(&vgdev->ctrl, &batch);
	output->scanouts = 0;

	/* A flip that was given up on, and the end of this commit. */
	virtgpu_send_event(crtc, &output->flip);
	if (!state->active)
		virtgpu_send_event(crtc, &state->event);
}

/* The event goes out with the next vblank, or at once. */
static void virtgpu_flip_end_locked(struct virtgpu_output *output)
{
	struct drm_pending_vblank_event *event = output->flip;
	struct drm_crtc *crtc = &output->crtc;
	bool counted;

	lockdep_assert_held(&crtc->dev->event_lock);

	output->flip = NULL;
	output->flip_cmd = NULL;
	/* This also brings count and time up to date, for an event that goes out at once. */
	counted = !drm_crtc_vblank_get(crtc);
	if (counted && !output->flip_async) {
		drm_crtc_arm_vblank_event(crtc, event);
		return;
	}
	drm_crtc_send_vblank_event(crtc, event);
	if (counted)
		drm_crtc_vblank_put(crtc);
}

/* The host has shown the flip, or never will. */
static void virtgpu_flip_end(struct virtgpu_output *output, const struct virtgpu_cmd *cmd)
{
	spinlock_t *event_lock = &output->crtc.dev->event_lock;
	unsigned long flags;

	spin_lock_irqsave(event_lock, flags);
	output->flip_overdue = false;
	/* The late end of a flip that was given up on is nobody's. */
	if (output->flip && output->flip_cmd == cmd) {
		timer_delete(&output->flip_timer);
		virtgpu_flip_end_locked(output);
	}
	spin_unlock_irqrestore(event_lock, flags);
}

static void virtgpu_flip_flushed(struct virtgpu_cmd *cmd)
{
	virtgpu_flip_end(cmd->data, cmd);
}

/*
 * Commits wait for flips, in a way that cannot be interrupted: the flip of a host
 * that does not answer is given up on.
 */
static void virtgpu_flip_expired(struct timer_list *timer)
{
	struct virtgpu_output *output = container_of(timer, struct virtgpu_output, flip_timer);
	spinlock_t *event_lock = &output->crtc.dev->event_lock;
	unsigned long flags;
	bool overdue;

	spin_lock_irqsave(event_lock, flags);
	/* Not when it is the next one's already. */
	overdue = output->flip && !timer_pending(timer);
	if (overdue) {
		output->flip_overdue = true;
		virtgpu_flip_end_locked(output);
	}
	spin_unlock_irqrestore(event_lock, flags);

	if (overdue)
		virtgpu_report_slow(to_virtgpu_device(output->crtc.dev), "a flip");
}

static void virtgpu_flip_begin(struct virtgpu_output *output, struct drm_crtc_state *state,
			       struct virtgpu_cmd *last)
{
	struct drm_crtc *crtc = &output->crtc;

	/* One that was given up on. */
	virtgpu_send_event(crtc, &output->flip);

	spin_lock_irq(&crtc->dev->event_lock);
	output->flip = state->event;
	output->flip_cmd = last;
	output->flip_async = state->async_flip;
	state->event = NULL;
	/* Those after one that is overdue have no time of their own. */
	mod_timer(&output->flip_timer, jiffies + (output->flip_overdue ? 0 :
		  min_t(unsigned long, virtgpu_timeout(), VIRTGPU_FLIP_MAX)));
	spin_unlock_irq(&crtc->dev->event_lock);

	if (last) {
		last->fenced = true;
		last->done = virtgpu_flip_flushed;
		last->data = output;
	}
}

/*
 * Send what the planes put together. The last command is the one whose answer
 * ends the flip: the vblank after it sends the event, or it does so itself
 * when the flip is an asynchronous one.
 */
static void virtgpu_output_submit(struct virtgpu_output *output)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(output->crtc.dev);
	const struct drm_plane_state *state = output->primary->state;
	struct virtgpu_resource *res = NULL;

	if (state->fb && state->visible)
		res = to_virtgpu_framebuffer(state->fb)->res;
	if (res && res->obj->import && !virtgpu_resource_is_lost(res))
		virtgpu_import_submit(res, &output->batch);
	else
		virtgpu_queue_submit_list(&vgdev->ctrl, &output->batch);
}

static void virtgpu_crtc_flush(struct drm_crtc *crtc, struct drm_atomic_commit *commit)
{
	struct drm_crtc_state *state = drm_atomic_get_new_crtc_state(commit, crtc);
	struct virtgpu_output *output = crtc_to_output(crtc);
	bool shown = list_empty(&output->batch);
	bool flip = state->event;
	struct virtgpu_cmd *last;

	if (flip) {
		last = shown ? NULL : list_last_entry(&output->batch, struct virtgpu_cmd, link);
		virtgpu_flip_begin(output, state, last);
	}
	virtgpu_output_submit(output);
	if (flip && shown)
		virtgpu_flip_end(output, NULL);
}

static const struct drm_crtc_helper_funcs virtgpu_crtc_helper_funcs = {
	.mode_valid = virtgpu_crtc_mode_valid,
	.atomic_check = virtgpu_crtc_check,
	.atomic_enable = virtgpu_crtc_enable,
	.atomic_disable = virtgpu_crtc_disable,
	.atomic_flush = virtgpu_crtc_flush,
};

static const struct drm_crtc_funcs virtgpu_crtc_funcs = {
	.reset = virtgpu_crtc_reset,
	.atomic_duplicate_state = virtgpu_crtc_duplicate_state,
	.atomic_destroy_state = virtgpu_crtc_destroy_state,
	.set_config = drm_atomic_helper_set_config,
	.page_flip = drm_atomic_helper_page_flip,
	VIRTGPU_VBLANK_TIMER_FUNCS,
};

/* ---- the pipeline ------------------------------------------------------- */

/*
 * Waits for the end of the flip, which always comes, and not for a vblank,
 * which does not when the next commit turns the CRTC off.
 */
static void virtgpu_commit_tail(struct drm_atomic_commit *commit)
{
	struct drm_device *drm = commit->dev;

	drm_atomic_helper_commit_modeset_disables(drm, commit);
	drm_atomic_helper_commit_modeset_enables(drm, commit);
	drm_atomic_helper_commit_planes(drm, commit, DRM_PLANE_COMMIT_ACTIVE_ONLY);
	drm_atomic_helper_commit_hw_done(commit);
	drm_atomic_helper_wait_for_flip_done(drm, commit);
	drm_atomic_helper_cleanup_planes(drm, commit);
}

static const struct drm_mode_config_helper_funcs virtgpu_mode_config_helper_funcs = {
	.atomic_commit_tail = virtgpu_commit_tail,
};

static const struct drm_mode_config_funcs virtgpu_mode_config_funcs = {
	.fb_create = virtgpu_compat_fb_create,
	.atomic_check = drm_atomic_helper_check,
	.atomic_commit = drm_atomic_helper_commit,
};

static int virtgpu_mode_config_init(struct virtgpu_device *vgdev)
{
	struct drm_device *drm = &vgdev->drm;
	struct drm_mode_config *config = &drm->mode_config;
	int ret;

	ret = drmm_mode_config_init(drm);
	if (ret)
		return ret;

	config->funcs = &virtgpu_mode_config_funcs;
	config->helper_private = &virtgpu_mode_config_helper_funcs;
	config->min_width = 1;
	config->min_height = 1;
	config->max_width = VIRTGPU_MAX_SIZE;
	config->max_height = VIRTGPU_MAX_SIZE;
	config->cursor_width = VIRTGPU_CURSOR_SIZE;
	config->cursor_height = VIRTGPU_CURSOR_SIZE;
	config->preferred_depth = 24;
	config->async_page_flip = true;
	config->fb_modifiers_not_supported = true;

	vgdev->hotplug_mode_update = drm_property_create_range(drm, DRM_MODE_PROP_IMMUTABLE,
							       "hotplug_mode_update", 0, 1);
	if (!vgdev->hotplug_mode_update)
		return -ENOMEM;
	return drm_mode_create_suggested_offset_properties(drm);
}

static int virtgpu_panic_init(struct virtgpu_device *vgdev, struct virtgpu_output *output)
{
	static const enum virtgpu_cmd_id ids[] = {
		VIRTGPU_TRANSFER_TO_HOST_2D, VIRTGPU_RESOURCE_FLUSH,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		struct virtgpu_cmd *cmd = virtgpu_cmd_alloc(vgdev, ids[i]);

		if (IS_ERR(cmd))
			return PTR_ERR(cmd);
		output->panic_cmds[i] = cmd;
	}
	return 0;
}

static int virtgpu_output_init(struct virtgpu_device *vgdev, unsigned int index)
{
	struct virtgpu_output *output = &vgdev->outputs[index];
	struct drm_connector *connector = &output->connector;
	struct drm_mode_config *config = &vgdev->drm.mode_config;
	struct drm_device *drm = &vgdev->drm;
	int ret;

	output->index = index;
	INIT_LIST_HEAD(&output->batch);
	INIT_LIST_HEAD(&output->cursor.pending);
	INIT_LIST_HEAD(&output->cursor.later);

	output->primary = virtgpu_plane_create(vgdev, output, DRM_PLANE_TYPE_PRIMARY);
	if (IS_ERR(output->primary))
		return PTR_ERR(output->primary);
	output->cursor_plane = virtgpu_plane_create(vgdev, output, DRM_PLANE_TYPE_CURSOR);
	if (IS_ERR(output->cursor_plane))
		return PTR_ERR(output->cursor_plane);
	ret = virtgpu_cursor_init(vgdev, output) ?: virtgpu_panic_init(vgdev, output);
	if (ret)
		return ret;

	ret = drmm_crtc_init_with_planes(drm, &output->crtc, output->primary,
					 output->cursor_plane, &virtgpu_crtc_funcs, NULL);
	if (ret)
		return ret;
	drm_crtc_helper_add(&output->crtc, &virtgpu_crtc_helper_funcs);
	virtgpu_vblank_timer_init(&output->vblank_timer, &output->crtc);

	ret = drmm_encoder_init(drm, &output->encoder, NULL, DRM_MODE_ENCODER_VIRTUAL, NULL);
	if (ret)
		return ret;
	output->encoder.possible_crtcs = GENMASK(vgdev->num_scanouts - 1, 0);
	output->encoder.possible_clones = GENMASK(vgdev->num_scanouts - 1, 0);

	connector->polled = DRM_CONNECTOR_POLL_HPD;
	ret = drmm_connector_init(drm, connector, &virtgpu_connector_funcs,
				  DRM_MODE_CONNECTOR_VIRTUAL, NULL);
	if (ret)
		return ret;
	drm_connector_helper_add(connector, &virtgpu_connector_helper_funcs);
	if (vgdev->has_edid)
		drm_connector_attach_edid_property(connector);
	drm_object_attach_property(&connector->base, vgdev->hotplug_mode_update, 1);
	drm_object_attach_property(&connector->base, config->suggested_x_property, 0);
	drm_object_attach_property(&connector->base, config->suggested_y_property, 0);
	return drm_connector_attach_encoder(connector, &output->encoder);
}

static void virtgpu_display_release(struct drm_device *drm, void *data)
{
	struct virtgpu_device *vgdev = data;
	unsigned int i;

	for (i = 0; i < vgdev->num_scanouts; i++) {
		struct virtgpu_output *output = &vgdev->outputs[i];

		timer_shutdown_sync(&output->flip_timer);
		if (output->panic_cmds[0])
			virtgpu_cmd_put(output->panic_cmds[0]);
		if (output->panic_cmds[1])
			virtgpu_cmd_put(output->panic_cmds[1]);
		drm_edid_free(output->edid);
	}
}

/* What resets a state does not tell when there is no memory for it. */
static int virtgpu_states_init(struct virtgpu_device *vgdev)
{
	struct drm_plane *plane;
	unsigned int i;

	drm_mode_config_reset(&vgdev->drm);
	drm_for_each_plane(plane, &vgdev->drm)
		if (!plane->state)
			return -ENOMEM;
	for (i = 0; i < vgdev->num_scanouts; i++)
		if (!vgdev->outputs[i].crtc.state || !vgdev->outputs[i].connector.state)
			return -ENOMEM;
	return 0;
}

/**
 * virtgpu_display_init() - make the KMS pipeline
 * @vgdev: the device, with @num_scanouts above 0
 *
 * The device is not asked for anything yet. All is freed with the DRM device.
 *
 * Return: 0 or a negative errno.
 */
int virtgpu_display_init(struct virtgpu_device *vgdev)
{
	unsigned int i;
	int ret;

	ret = virtgpu_mode_config_init(vgdev);
	if (ret)
		return ret;
	ret = drmm_add_action_or_reset(&vgdev->drm, virtgpu_display_release, vgdev);
	if (ret)
		return ret;
	for (i = 0; i < vgdev->num_scanouts; i++) {
		ret = virtgpu_output_init(vgdev, i);
		if (ret)
			return ret;
	}

	ret = drm_vblank_init(&vgdev->drm, vgdev->num_scanouts);
	if (ret)
		return ret;
	return virtgpu_states_init(vgdev);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_display_init);

/**
 * virtgpu_display_stop() - ask nothing more
 * @vgdev: the device
 */
void virtgpu_display_stop(struct virtgpu_device *vgdev)
{
	cancel_delayed_work_sync(&vgdev->display_work);
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_display_stop);

/**
 * virtgpu_display_pause() - ask nothing until virtgpu_display_resume()
 * @vgdev: the device
 *
 * Without the locks of the outputs, which a hotplug event takes.
 */
void virtgpu_display_pause(struct virtgpu_device *vgdev)
{
	disable_delayed_work_sync(&vgdev->display_work);
}

/**
 * virtgpu_display_resume() - ask again, and what may have changed at once
 * @vgdev: the device
 */
void virtgpu_display_resume(struct virtgpu_device *vgdev)
{
	enable_delayed_work(&vgdev->display_work);
	virtgpu_display_changed(vgdev);
}

/**
 * virtgpu_display_shutdown() - turn all outputs off, for good
 * @vgdev: the device
 *
 * Process context. Where there is no memory for a commit vblanks end all the same:
 * nobody may wait for one of a device that goes.
 */
void virtgpu_display_shutdown(struct virtgpu_device *vgdev)
{
	struct drm_crtc *crtc;

	if (!vgdev->num_scanouts)
		return;
	drm_atomic_helper_shutdown(&vgdev->drm);
	drm_for_each_crtc(crtc, &vgdev->drm) {
		drm_crtc_vblank_off(crtc);
		virtgpu_vblank_timer_fini(&crtc_to_output(crtc)->vblank_timer);
	}
}

/**
 * virtgpu_display_early_init() - what must exist before events can come in
 * @vgdev: the device
 */
void virtgpu_display_early_init(struct virtgpu_device *vgdev)
{
	unsigned int i;

	mutex_init(&vgdev->display_lock);
	mutex_init(&vgdev->fb_lock);
	INIT_DELAYED_WORK(&vgdev->display_work, virtgpu_display_work);
	for (i = 0; i < ARRAY_SIZE(vgdev->outputs); i++)
		timer_setup(&vgdev->outputs[i].flip_timer, virtgpu_flip_expired, 0);
	vgdev->display_retry = VIRTGPU_RETRY_MIN;
}
