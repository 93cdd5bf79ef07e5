// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Planes: what a commit shows. All that may fail is done in the check and
 * prepare steps, commands included, so that the commit itself only encodes
 * and queues.
 */

#include <linux/dma-resv.h>
#include <linux/iosys-map.h>
#include <linux/slab.h>

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_blend.h>
#include <drm/drm_damage_helper.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_gem_atomic_helper.h>
#include <drm/drm_managed.h>
#include <drm/drm_panic.h>
#include <drm/drm_print.h>
#include <drm/drm_vblank.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"

/* ---- damage ------------------------------------------------------------- */

/* Pixels that are cheaper to copy than to send a command of their own for. */
#define VIRTGPU_MERGE_SLACK 1024

static s64 virtgpu_rect_area(const struct drm_rect *r)
{
	return (s64)drm_rect_width(r) * drm_rect_height(r);
}

static struct drm_rect virtgpu_rect_union(const struct drm_rect *a, const struct drm_rect *b)
{
	return (struct drm_rect) {
		.x1 = min(a->x1, b->x1), .y1 = min(a->y1, b->y1),
		.x2 = max(a->x2, b->x2), .y2 = max(a->y2, b->y2),
	};
}

/* Pixels copied for nothing when the two become one. */
static s64 virtgpu_merge_waste(const struct drm_rect *a, const struct drm_rect *b)
{
	struct drm_rect both = virtgpu_rect_union(a, b);

	return virtgpu_rect_area(&both) - virtgpu_rect_area(a) - virtgpu_rect_area(b);
}

/* Add a rectangle; it is merged where that costs less or no room is left. */
VISIBLE_IF_KUNIT void virtgpu_damage_add(struct virtgpu_damage *damage, struct drm_rect rect)
{
	unsigned int i, best;
	s64 waste, least;

	while (damage->count) {
		least = S64_MAX;
		for (i = 0; i < damage->count; i++) {
			waste = virtgpu_merge_waste(&damage->rects[i], &rect);
			if (waste < least) {
				least = waste;
				best = i;
			}
		}
		if (least > VIRTGPU_MERGE_SLACK && damage->count < VIRTGPU_MAX_DAMAGE)
			break;
		rect = virtgpu_rect_union(&damage->rects[best], &rect);
		damage->rects[best] = damage->rects[--damage->count];
	}
	damage->rects[damage->count++] = rect;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_damage_add);

VISIBLE_IF_KUNIT struct drm_rect virtgpu_damage_bounds(const struct virtgpu_damage *damage)
{
	struct drm_rect bounds = damage->rects[0];
	unsigned int i;

	for (i = 1; i < damage->count; i++)
		bounds = virtgpu_rect_union(&bounds, &damage->rects[i]);
	return bounds;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_damage_bounds);

/* ---- plane state -------------------------------------------------------- */

/**
 * struct virtgpu_plane_state - state of a plane
 * @base: the DRM state
 * @cmds: commands set aside for the commit
 * @damage: what the commit transfers
 * @new_image: the cursor's image changes, not only its position
 * @pinned: the imported object that the host shows without a copy, holds a
 *	    reference, or NULL
 * @mapped: the object that @map is of, holds a reference, or NULL
 * @map: the cursor's pixels
 */
struct virtgpu_plane_state {
	struct drm_plane_state base;
	struct list_head cmds;
	struct virtgpu_damage damage;
	bool new_image;
	struct drm_gem_object *pinned;
	struct drm_gem_object *mapped;
	struct iosys_map map;
};

static struct virtgpu_plane_state *to_virtgpu_plane_state(struct drm_plane_state *state)
{
	return container_of(state, struct virtgpu_plane_state, base);
}

static void virtgpu_plane_cleanup_fb(struct drm_plane *plane, struct drm_plane_state *state)
{
	struct virtgpu_plane_state *vgps = to_virtgpu_plane_state(state);

	virtgpu_cmd_unreserve(&vgps->cmds);
	if (vgps->pinned) {
		virtgpu_import_unpin(to_virtgpu_object(vgps->pinned));
		drm_gem_object_put(vgps->pinned);
		vgps->pinned = NULL;
	}
	if (vgps->mapped) {
		drm_gem_vunmap(vgps->mapped, &vgps->map);
		drm_gem_object_put(vgps->mapped);
		vgps->mapped = NULL;
	}
}

static void virtgpu_plane_reset(struct drm_plane *plane)
{
	struct virtgpu_plane_state *vgps;

	if (plane->state)
		plane->funcs->atomic_destroy_state(plane, plane->state);
	plane->state = NULL;

	vgps = kzalloc(sizeof(*vgps), GFP_KERNEL);
	if (!vgps)
		return;
	INIT_LIST_HEAD(&vgps->cmds);
	__drm_atomic_helper_plane_reset(plane, &vgps->base);
}

static struct drm_plane_state *virtgpu_plane_duplicate_state(struct drm_plane *plane)
{
	struct virtgpu_plane_state *vgps = kzalloc(sizeof(*vgps), GFP_KERNEL);

	if (!vgps)
		return NULL;
	INIT_LIST_HEAD(&vgps->cmds);
	__drm_atomic_helper_plane_duplicate_state(plane, &vgps->base);
	return &vgps->base;
}

static void virtgpu_plane_destroy_state(struct drm_plane *plane, struct drm_plane_state *state)
{
	/* The last state of all is never cleaned up by a commit. */
	virtgpu_plane_cleanup_fb(plane, state);
	__drm_atomic_helper_plane_destroy_state(state);
	kfree(to_virtgpu_plane_state(state));
}

static const struct drm_plane_funcs virtgpu_plane_funcs = {
	.update_plane = drm_atomic_helper_update_plane,
	.disable_plane = drm_atomic_helper_disable_plane,
	.reset = virtgpu_plane_reset,
	.atomic_duplicate_state = virtgpu_plane_duplicate_state,
	.atomic_destroy_state = virtgpu_plane_destroy_state,
};

static struct drm_crtc_state *virtgpu_plane_crtc_state(const struct drm_plane_state *state)
{
	return state->crtc && state->state ?
	       drm_atomic_get_new_crtc_state(state->state, state->crtc) : NULL;
}

/* At most so many scan-outs show the plane, before or after the commit. */
static unsigned int virtgpu_plane_scanouts(struct drm_plane *plane,
					   const struct drm_plane_state *new)
{
	const struct drm_crtc_state *crtc_state = virtgpu_plane_crtc_state(new);
	struct drm_crtc *crtc = new->crtc ?: plane->state->crtc;
	u32 scanouts;

	if (!crtc)
		return 0;
	scanouts = READ_ONCE(crtc_to_output(crtc)->scanouts) | crtc->state->connector_mask;
	if (crtc_state)
		scanouts |= crtc_state->connector_mask;
	return hweight32(scanouts);
}

/* Return: one of the scan-outs that the plane is to be seen on, or -1. */
static int virtgpu_plane_first_scanout(const struct drm_plane_state *new)
{
	const struct drm_crtc_state *crtc_state = virtgpu_plane_crtc_state(new);

	if (!new->crtc || !new->visible)
		return -1;
	if (!crtc_state)
		crtc_state = new->crtc->state;
	/* One that is dark now has its planes in the commit that lights it, too. */
	return crtc_state->active ? ffs(crtc_state->connector_mask) - 1 : -1;
}

/* ---- primary plane ------------------------------------------------------ */

/* The helpers warn of a fence that there is no picture for. */
static int virtgpu_plane_check_off(const struct drm_plane_state *new)
{
	return new->fence ? -EINVAL : 0;
}

static int virtgpu_primary_check(struct drm_plane *plane, struct drm_atomic_commit *commit)
{
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(commit, plane);
	struct drm_plane_state *old = drm_atomic_get_old_plane_state(commit, plane);
	struct drm_crtc_state *crtc_state;
	int ret;

	/* Clips tell what changed on the screen, not in another buffer. */
	new->ignore_damage_clips = new->fb != old->fb;

	if (!new->crtc) {
		new->visible = false;
		return virtgpu_plane_check_off(new);
	}
	crtc_state = drm_atomic_get_new_crtc_state(commit, new->crtc);
	ret = drm_atomic_helper_check_plane_state(new, crtc_state, DRM_PLANE_NO_SCALING,
						  DRM_PLANE_NO_SCALING, false, true);
	if (ret || !new->visible)
		return ret;

	/* A scan-out starts on a whole pixel. */
	return (new->src_x | new->src_y) & 0xffff ? -EINVAL : 0;
}

static void virtgpu_collect_damage(struct virtgpu_plane_state *vgps,
				   const struct drm_plane_state *old, bool full)
{
	struct drm_plane_state *new = &vgps->base;
	struct drm_atomic_helper_damage_iter iter;
	struct drm_rect rect;

	vgps->damage.count = 0;
	if (!new->visible)
		return;

	if (full) {
		drm_rect_fp_to_int(&rect, &new->src);
		virtgpu_damage_add(&vgps->damage, rect);
		return;
	}
	drm_atomic_helper_damage_iter_init(&iter, old, new);
	drm_atomic_for_each_plane_damage(&iter, &rect)
		virtgpu_damage_add(&vgps->damage, rect);
}

/*
 * Programs are told of a device that has gone by their ioctls. A commit of the
 * console, which takes no error, may still come after that.
 */
static int virtgpu_plane_unless_gone(int ret)
{
	return ret == -ENODEV ? 0 : ret;
}

/* What the host shows without a copy must stay where it is. */
static int virtgpu_plane_pin(struct virtgpu_plane_state *vgps, struct virtgpu_resource *res)
{
	int ret;

	if (!res->obj->import || res->kind != VIRTGPU_RES_BLOB)
		return 0;
	ret = virtgpu_import_pin(res->obj);
	if (ret)
		return ret;
	vgps->pinned = &res->obj->base.base;
	drm_gem_object_get(vgps->pinned);
	return 0;
}

/*
 * Whoever shows a picture that is lost is told, but not who turns it off, or draws
 * into what is shown. Outputs that come back after a reset do so without it.
 */
static int virtgpu_primary_lost(struct drm_plane *plane, const struct drm_plane_state *new,
				struct virtgpu_resource *res)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(plane->dev);
	int error = virtgpu_resource_wait(res);

	if (virtgpu_plane_first_scanout(new) < 0)
		return 0;
	if (!vgdev->restoring)
		return new->fb == plane->state->fb ? 0 : virtgpu_plane_unless_gone(error);
	virtgpu_report_dark(vgdev, error ?: VIRTGPU_LOST);
	return 0;
}

static void virtgpu_encode_scanout(struct virtgpu_device *vgdev, struct virtgpu_cmd *cmd,
				   u32 scanout, const struct drm_framebuffer *fb,
				   const struct drm_rect *rect)
{
	const struct virtgpu_framebuffer *vgfb;

	if (!fb) {
		virtgpu_encode_set_scanout(cmd, scanout, 0, NULL);
		return;
	}
	vgfb = to_virtgpu_framebuffer(fb);
	if (vgfb->res->kind == VIRTGPU_RES_BLOB)
		virtgpu_encode_set_scanout_blob(cmd, scanout, vgfb->res->id, fb,
						vgfb->format->resource, rect);
	else
		virtgpu_encode_set_scanout(cmd, scanout, vgfb->res->id, rect);
}

static enum virtgpu_cmd_id virtgpu_scanout_cmd(const struct drm_framebuffer *fb)
{
	return fb && to_virtgpu_framebuffer(fb)->res->kind == VIRTGPU_RES_BLOB ?
	       VIRTGPU_SET_SCANOUT_BLOB : VIRTGPU_SET_SCANOUT;
}

/*
 * The host was asked whether it shows blobs, by showing one, which is not to be seen
 * before its fences have ended, or at all when the commit fails.
 */
static void virtgpu_primary_take_back(struct virtgpu_device *vgdev, int scanout)
{
	struct drm_crtc *crtc = vgdev->outputs[scanout].connector.state->crtc;
	const struct drm_plane_state *old = crtc ? crtc->primary->state : NULL;
	struct drm_framebuffer *fb = NULL;
	struct drm_rect rect = {};
	struct virtgpu_cmd *cmd;
	LIST_HEAD(reserved);
	LIST_HEAD(cmds);

	if (old && old->visible && crtc->state->active &&
	    !virtgpu_resource_is_lost(to_virtgpu_framebuffer(old->fb)->res)) {
		drm_rect_fp_to_int(&rect, &old->src);
		fb = old->fb;
	}
	/* Without memory it is seen a moment too early. */
	if (virtgpu_cmd_reserve(&reserved, 2))
		goto out_unreserve;
	cmd = virtgpu_cmd_take(vgdev, &reserved, virtgpu_scanout_cmd(fb));
	virtgpu_encode_scanout(vgdev, cmd, scanout, fb, &rect);
	list_add_tail(&cmd->link, &cmds);
	if (fb) {
		cmd = virtgpu_cmd_take(vgdev, &reserved, VIRTGPU_RESOURCE_FLUSH);
		virtgpu_encode_flush(cmd, to_virtgpu_framebuffer(fb)->res->id, &rect);
		list_add_tail(&cmd->link, &cmds);
	}
	virtgpu_queue_submit_list(&vgdev->ctrl, &cmds);

out_unreserve:
	virtgpu_cmd_unreserve(&reserved);
}

static int virtgpu_primary_prepare_image(struct drm_plane *plane, struct virtgpu_plane_state *vgps)
{
	struct virtgpu_framebuffer *vgfb = to_virtgpu_framebuffer(vgps->base.fb);
	int ret, scanout = virtgpu_plane_first_scanout(&vgps->base);
	struct virtgpu_resource *res;
	struct drm_rect rect;
	bool tried = false;

	drm_rect_fp_to_int(&rect, &vgps->base.src);
	ret = virtgpu_fb_prepare(vgfb, scanout, &rect, &res, &tried);
	if (tried)
		virtgpu_primary_take_back(to_virtgpu_device(plane->dev), scanout);
	if (res && virtgpu_resource_is_lost(res))
		ret = virtgpu_primary_lost(plane, &vgps->base, res);
	else if (!ret)
		ret = virtgpu_plane_pin(vgps, res);
	virtgpu_resource_put(res);
	return ret;
}

static int virtgpu_primary_prepare_fb(struct drm_plane *plane, struct drm_plane_state *new)
{
	struct virtgpu_plane_state *vgps = to_virtgpu_plane_state(new);
	struct virtgpu_device *vgdev = to_virtgpu_device(plane->dev);
	struct drm_crtc_state *crtc_state = virtgpu_plane_crtc_state(new);
	int ret;

	/* Turning off never fails for a device that does not answer, or has gone. */
	if (new->fb) {
		ret = virtgpu_plane_unless_gone(virtgpu_queue_throttle(&vgdev->ctrl)) ?:
		      virtgpu_primary_prepare_image(plane, vgps);
		/* The fences of a move come with the pages. */
		ret = ret ?: drm_gem_plane_helper_prepare_fb(plane, new);
		if (ret) {
			virtgpu_plane_cleanup_fb(plane, new);
			return ret;
		}
	}

	virtgpu_collect_damage(vgps, plane->state,
			       crtc_state && drm_atomic_crtc_needs_modeset(crtc_state));

	/* The transfers, one flush, and SET_SCANOUT for each scan-out. */
	ret = virtgpu_cmd_reserve(&vgps->cmds, vgps->damage.count + 1 +
					       virtgpu_plane_scanouts(plane, new));
	if (ret)
		virtgpu_plane_cleanup_fb(plane, new);
	return ret;
}

static void virtgpu_set_scanouts(struct virtgpu_output *output, struct list_head *cmds,
				 const struct drm_framebuffer *fb, const struct drm_rect *rect)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(output->crtc.dev);
	unsigned long scanouts = output->scanouts;
	struct virtgpu_cmd *cmd;
	unsigned int i;

	for_each_set_bit(i, &scanouts, VIRTIO_GPU_MAX_SCANOUTS) {
		cmd = virtgpu_cmd_take(vgdev, cmds, virtgpu_scanout_cmd(fb));
		if (!cmd)
			return;
		virtgpu_encode_scanout(vgdev, cmd, i, fb, rect);
		list_add_tail(&cmd->link, &output->batch);
	}
}

static void virtgpu_primary_transfer(struct virtgpu_output *output,
				     struct virtgpu_plane_state *vgps,
				     const struct drm_rect *rect)
{
	struct virtgpu_framebuffer *vgfb = to_virtgpu_framebuffer(vgps->base.fb);
	struct virtgpu_resource *res = vgfb->res;
	struct virtgpu_cmd *cmd;
	u32 pitch = res->width * 4;
	u64 offset;

	if (vgfb->shadow)
		virtgpu_fb_convert(vgfb, rect);

	offset = res->offset + (u64)rect->y1 * pitch + rect->x1 * 4;
	virtgpu_object_sync_for_device(res->obj, offset,
				       (size_t)(drm_rect_height(rect) - 1) * pitch +
				       drm_rect_width(rect) * 4);

	cmd = virtgpu_cmd_take(res->vgdev, &vgps->cmds, VIRTGPU_TRANSFER_TO_HOST_2D);
	if (!cmd)
		return;
	virtgpu_encode_transfer_2d(cmd, res->id, offset, rect);
	list_add_tail(&cmd->link, &output->batch);
}

static bool virtgpu_scanout_changed(const struct drm_plane_state *old,
				    const struct drm_plane_state *new,
				    const struct drm_crtc_state *crtc_state)
{
	return drm_atomic_crtc_needs_modeset(crtc_state) || !old->visible || old->fb != new->fb ||
	       !drm_rect_equals(&old->src, &new->src);
}

static void virtgpu_primary_update(struct drm_plane *plane, struct drm_atomic_commit *commit)
{
	struct drm_plane_state *old = drm_atomic_get_old_plane_state(commit, plane);
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(commit, plane);
	struct virtgpu_plane_state *vgps = to_virtgpu_plane_state(new);
	struct virtgpu_device *vgdev = to_virtgpu_device(plane->dev);
	struct virtgpu_output *output = crtc_to_output(new->crtc);
	struct virtgpu_framebuffer *vgfb = to_virtgpu_framebuffer(new->fb);
	struct drm_rect rect;
	struct virtgpu_cmd *cmd;
	unsigned int i;

	/* There is nothing to be seen of it, or not any more. */
	if (!new->visible || virtgpu_resource_is_lost(vgfb->res)) {
		virtgpu_set_scanouts(output, &vgps->cmds, NULL, NULL);
		return;
	}

	for (i = 0; vgfb->res->kind == VIRTGPU_RES_2D && i < vgps->damage.count; i++)
		virtgpu_primary_transfer(output, vgps, &vgps->damage.rects[i]);

	if (virtgpu_scanout_changed(old, new, drm_atomic_get_new_crtc_state(commit, new->crtc))) {
		drm_rect_fp_to_int(&rect, &new->src);
		virtgpu_set_scanouts(output, &vgps->cmds, new->fb, &rect);
	}

	if (!vgps->damage.count)
		return;
	cmd = virtgpu_cmd_take(vgdev, &vgps->cmds, VIRTGPU_RESOURCE_FLUSH);
	if (!cmd)
		return;
	rect = virtgpu_damage_bounds(&vgps->damage);
	virtgpu_encode_flush(cmd, vgfb->res->id, &rect);
	list_add_tail(&cmd->link, &output->batch);
}

static void virtgpu_primary_disable(struct drm_plane *plane, struct drm_atomic_commit *commit)
{
	struct drm_plane_state *old = drm_atomic_get_old_plane_state(commit, plane);
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(commit, plane);

	if (old->crtc)
		virtgpu_set_scanouts(crtc_to_output(old->crtc),
				     &to_virtgpu_plane_state(new)->cmds, NULL, NULL);
}

/* ---- panic screen ------------------------------------------------------- */

static int virtgpu_panic_get_buffer(struct drm_plane *plane, struct drm_scanout_buffer *sb)
{
	struct drm_plane_state *state = plane->state;
	struct drm_framebuffer *fb;
	struct drm_gem_shmem_object *shmem;

	if (!state || !state->fb || !state->visible)
		return -ENODEV;

	fb = state->fb;
	if (to_virtgpu_framebuffer(fb)->res->kind != VIRTGPU_RES_2D ||
	    to_virtgpu_object(fb->obj[0])->import)
		return -ENODEV;
	shmem = to_drm_gem_shmem_obj(fb->obj[0]);
	if (shmem->vaddr)
		iosys_map_set_vaddr(&sb->map[0], shmem->vaddr + fb->offsets[0]);
	else if (fb->offsets[0] || !virtgpu_panic_set_pages(sb, shmem->pages))
		return -ENODEV;

	sb->format = fb->format;
	sb->pitch[0] = fb->pitches[0];
	sb->width = fb->width;
	sb->height = fb->height;
	/* Stay on the visible part where it starts with the buffer. */
	if (!state->src.x1 && !state->src.y1) {
		sb->width = drm_rect_width(&state->src) >> 16;
		sb->height = drm_rect_height(&state->src) >> 16;
	}
	return 0;
}

static void virtgpu_panic_flush(struct drm_plane *plane)
{
	struct virtgpu_framebuffer *vgfb = to_virtgpu_framebuffer(plane->state->fb);
	struct drm_rect rect = DRM_RECT_INIT(0, 0, vgfb->base.width, vgfb->base.height);
	struct virtgpu_cmd **cmds = crtc_to_output(plane->state->crtc)->panic_cmds;
	struct virtgpu_resource *res = vgfb->res;

	/* The device has those of the last time still. */
	if (virtgpu_cmd_busy(cmds[0]) || virtgpu_cmd_busy(cmds[1]))
		return;

	if (vgfb->shadow)
		virtgpu_fb_convert(vgfb, &rect);
	virtgpu_object_sync_for_device(res->obj, res->offset, (size_t)rect.y2 * res->width * 4);

	virtgpu_encode_transfer_2d(cmds[0], res->id, res->offset, &rect);
	virtgpu_encode_flush(cmds[1], res->id, &rect);
	virtgpu_queue_submit_panic(cmds, 2);
}

static const struct drm_plane_helper_funcs virtgpu_primary_helper_funcs = {
	.prepare_fb = virtgpu_primary_prepare_fb,
	.cleanup_fb = virtgpu_plane_cleanup_fb,
	.atomic_check = virtgpu_primary_check,
	.atomic_update = virtgpu_primary_update,
	.atomic_disable = virtgpu_primary_disable,
	.get_scanout_buffer = virtgpu_panic_get_buffer,
	.panic_flush = virtgpu_panic_flush,
};

/* ---- cursor plane ------------------------------------------------------- */

/*
 * The host takes the image of a cursor from a 64x64 resource at the moment of
 * UPDATE_CURSOR. The program's image is padded into a buffer of the CRTC's, the
 * buffer is transferred on the control queue, and only the answer to that
 * sends UPDATE_CURSOR on the other queue, with the position of that moment.
 *
 * An image that the host drew itself must be of the right size already. Instead
 * of the transfer there is a flush of it, which the host answers when what was
 * drawn before is there.
 */

static const u32 virtgpu_cursor_formats[] = { DRM_FORMAT_ARGB8888 };

static void virtgpu_cursor_drop_buffer(struct virtgpu_cursor *cursor)
{
	struct iosys_map map = IOSYS_MAP_INIT_VADDR(cursor->obj->base.vaddr);

	virtgpu_resource_put(cursor->res);
	drm_gem_vunmap(&cursor->obj->base.base, &map);
	drm_gem_object_put(&cursor->obj->base.base);
	cursor->res = NULL;
	cursor->obj = NULL;
}

static void virtgpu_cursor_fini_action(struct drm_device *drm, void *data)
{
	struct virtgpu_cursor *cursor = data;

	virtgpu_cmd_unreserve(&cursor->later);
	virtgpu_resource_put(cursor->image);
	if (cursor->obj)
		virtgpu_cursor_drop_buffer(cursor);
}

/**
 * virtgpu_cursor_init() - set up the cursor of an output's CRTC
 * @vgdev: the device
 * @output: the output
 *
 * Return: 0 or a negative errno.
 */
int virtgpu_cursor_init(struct virtgpu_device *vgdev, struct virtgpu_output *output)
{
	spin_lock_init(&output->cursor.lock);
	return drmm_add_action_or_reset(&vgdev->drm, virtgpu_cursor_fini_action,
					&output->cursor);
}

/*
 * The buffer comes with the first cursor; most outputs have it for good then. One
 * that a reset could not make again is replaced.
 */
static int virtgpu_cursor_get_buffer(struct drm_plane *plane, struct virtgpu_cursor *cursor)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(plane->dev);
	struct virtgpu_resource_desc desc = {
		.kind = VIRTGPU_RES_2D, .format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM,
		.width = VIRTGPU_CURSOR_SIZE, .height = VIRTGPU_CURSOR_SIZE,
	};
	struct virtgpu_resource *res;
	struct virtgpu_object *obj;
	struct iosys_map map;
	int ret;

	if (cursor->obj && !virtgpu_resource_has_failed(cursor->res))
		return 0;
	if (cursor->obj) {
		/* The last commit may be drawing into it. */
		if (plane->state->commit)
			drm_crtc_commit_wait(plane->state->commit);
		virtgpu_cursor_drop_buffer(cursor);
	}

	obj = virtgpu_object_create(vgdev, VIRTGPU_CURSOR_SIZE * VIRTGPU_CURSOR_SIZE * 4);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	ret = drm_gem_vmap(&obj->base.base, &map);
	if (ret)
		goto err_put;

	res = virtgpu_object_get_resource(obj, &desc);
	if (IS_ERR(res)) {
		ret = PTR_ERR(res);
		goto err_vunmap;
	}
	ret = virtgpu_resource_wait(res);
	if (ret)
		goto err_resource;

	cursor->res = res;
	cursor->obj = obj;
	return 0;

err_resource:
	virtgpu_resource_put(res);
err_vunmap:
	drm_gem_vunmap(&obj->base.base, &map);
err_put:
	drm_gem_object_put(&obj->base.base);
	return ret;
}

/* The resource of an image that the host drew, or NULL. */
static struct virtgpu_resource *virtgpu_host_image(const struct drm_framebuffer *fb)
{
	struct virtgpu_resource *res = to_virtgpu_framebuffer(fb)->res;

	return res && res->kind == VIRTGPU_RES_3D && !virtgpu_resource_has_failed(res) ? res : NULL;
}

/* The host takes all of its own resource, whatever part of it the framebuffer is. */
static bool virtgpu_host_image_fits(const struct drm_framebuffer *fb)
{
	const struct virtgpu_resource *image = virtgpu_host_image(fb);

	return !image ||
	       (fb->width == VIRTGPU_CURSOR_SIZE && fb->height == VIRTGPU_CURSOR_SIZE &&
		image->width == VIRTGPU_CURSOR_SIZE && image->height == VIRTGPU_CURSOR_SIZE);
}

static int virtgpu_cursor_check_state(struct drm_plane_state *new,
				      const struct drm_crtc_state *crtc_state)
{
	int ret;

	ret = drm_atomic_helper_check_plane_state(new, crtc_state, DRM_PLANE_NO_SCALING,
						  DRM_PLANE_NO_SCALING, true, true);
	if (ret || !new->fb)
		return ret;
	/* 5.7.6.10: a cursor is 64 pixels wide and high. */
	if (new->crtc_w > VIRTGPU_CURSOR_SIZE || new->crtc_h > VIRTGPU_CURSOR_SIZE)
		return -EINVAL;
	return virtgpu_host_image_fits(new->fb) ? 0 : -EINVAL;
}

static int virtgpu_cursor_check(struct drm_plane *plane, struct drm_atomic_commit *commit)
{
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(commit, plane);

	if (!new->crtc)
		return virtgpu_plane_check_off(new);
	return virtgpu_cursor_check_state(new, drm_atomic_get_new_crtc_state(commit, new->crtc));
}

static bool virtgpu_cursor_image_changed(const struct drm_plane_state *old,
					 const struct drm_plane_state *new)
{
	struct drm_crtc_state *crtc_state = virtgpu_plane_crtc_state(new);

	return old->fb != new->fb || old->crtc != new->crtc ||
	       old->src_x != new->src_x || old->src_y != new->src_y ||
	       old->src_w != new->src_w || old->src_h != new->src_h ||
	       old->hotspot_x != new->hotspot_x || old->hotspot_y != new->hotspot_y ||
	       (crtc_state && drm_atomic_crtc_needs_modeset(crtc_state));
}

static int virtgpu_cursor_prepare_image(struct drm_plane *plane,
					struct virtgpu_plane_state *vgps)
{
	struct drm_plane_state *new = &vgps->base;
	struct drm_gem_object *gem = new->fb->obj[0];
	int ret;

	ret = drm_gem_plane_helper_prepare_fb(plane, new);
	if (ret || virtgpu_host_image(new->fb))
		return ret;
	ret = virtgpu_cursor_get_buffer(plane, &crtc_to_output(new->crtc)->cursor);
	if (ret)
		return ret;
	ret = drm_gem_vmap(gem, &vgps->map);
	/* What was lost in a reset is hidden. */
	if (ret)
		return to_virtgpu_device(plane->dev)->restoring ? 0 : ret;
	drm_gem_object_get(gem);
	vgps->mapped = gem;
	return 0;
}

static int virtgpu_cursor_prepare_fb(struct drm_plane *plane, struct drm_plane_state *new)
{
	struct virtgpu_plane_state *vgps = to_virtgpu_plane_state(new);
	struct virtgpu_device *vgdev = to_virtgpu_device(plane->dev);
	int ret;

	ret = new->fb ? virtgpu_plane_unless_gone(virtgpu_queue_throttle(&vgdev->cursorq)) : 0;
	if (ret)
		return ret;
	vgps->new_image = new->fb && virtgpu_cursor_image_changed(plane->state, new);
	if (vgps->new_image) {
		ret = virtgpu_cursor_prepare_image(plane, vgps);
		if (ret)
			return ret;
	}

	/* One for each scan-out, and the transfer. */
	ret = virtgpu_cmd_reserve(&vgps->cmds, virtgpu_plane_scanouts(plane, new) + 1);
	if (ret)
		virtgpu_plane_cleanup_fb(plane, new);
	return ret;
}

static void virtgpu_cursor_copy(struct virtgpu_cursor *cursor, struct virtgpu_plane_state *vgps)
{
	const struct drm_plane_state *state = &vgps->base;
	const struct drm_framebuffer *fb = state->fb;
	size_t src = fb->offsets[0] + (state->src_y >> 16) * fb->pitches[0] +
		     (state->src_x >> 16) * 4;
	size_t line = min_t(u32, state->src_w >> 16, VIRTGPU_CURSOR_SIZE) * 4;
	u32 lines = min_t(u32, state->src_h >> 16, VIRTGPU_CURSOR_SIZE);
	u8 *dst = cursor->obj->base.vaddr;
	u32 y;

	if (line < VIRTGPU_CURSOR_SIZE * 4 || lines < VIRTGPU_CURSOR_SIZE)
		memset(dst, 0, cursor->obj->base.base.size);
	for (y = 0; y < lines; y++)
		iosys_map_memcpy_from(dst + y * VIRTGPU_CURSOR_SIZE * 4, &vgps->map,
				      src + y * fb->pitches[0], line);
	virtgpu_object_sync_for_device(cursor->obj, 0, cursor->obj->base.base.size);
}

static void virtgpu_cursor_forget_image_locked(struct virtgpu_cursor *cursor)
{
	lockdep_assert_held(&cursor->lock);

	cursor->transfer = NULL;
	virtgpu_cmd_unreserve(&cursor->pending);
}

static void virtgpu_cursor_forget_position_locked(struct virtgpu_cursor *cursor)
{
	lockdep_assert_held(&cursor->lock);

	cursor->moved = false;
	virtgpu_cmd_unreserve(&cursor->later);
}

/* What is still on its way is out of date. */
static void virtgpu_cursor_cancel_locked(struct virtgpu_cursor *cursor)
{
	virtgpu_cursor_forget_image_locked(cursor);
	virtgpu_cursor_forget_position_locked(cursor);
}

/* The image is at the host, or an image that is out of date by now. */
static void virtgpu_cursor_transferred(struct virtgpu_cmd *transfer)
{
	struct virtgpu_output *output = transfer->data;
	struct virtgpu_cursor *cursor = &output->cursor;
	struct virtgpu_device *vgdev = transfer->vgdev;
	unsigned long flags, scanouts;
	struct virtgpu_cmd *cmd;
	LIST_HEAD(cmds);
	unsigned int i;

	spin_lock_irqsave(&cursor->lock, flags);
	if (cursor->transfer != transfer) {
		spin_unlock_irqrestore(&cursor->lock, flags);
		return;
	}
	scanouts = transfer->error ? 0 : cursor->scanouts;
	for_each_set_bit(i, &scanouts, VIRTIO_GPU_MAX_SCANOUTS) {
		cmd = virtgpu_cmd_take(vgdev, &cursor->pending, VIRTGPU_UPDATE_CURSOR);
		if (!cmd)
			break;
		virtgpu_encode_cursor(cmd, i, cursor->image->id, cursor->x, cursor->y,
				      cursor->hot_x, cursor->hot_y);
		list_add_tail(&cmd->link, &cmds);
	}
	virtgpu_cursor_forget_image_locked(cursor);
	/* An image comes with its position. */
	if (scanouts)
		virtgpu_cursor_forget_position_locked(cursor);
	virtgpu_queue_submit_list(&vgdev->cursorq, &cmds);
	spin_unlock_irqrestore(&cursor->lock, flags);
}

static void virtgpu_cursor_set_image(struct virtgpu_output *output,
				     struct virtgpu_plane_state *vgps)
{
	static const struct drm_rect all =
		DRM_RECT_INIT(0, 0, VIRTGPU_CURSOR_SIZE, VIRTGPU_CURSOR_SIZE);
	struct virtgpu_device *vgdev = to_virtgpu_device(output->crtc.dev);
	struct virtgpu_resource *old, *image = virtgpu_host_image(vgps->base.fb);
	struct virtgpu_cursor *cursor = &output->cursor;
	struct virtgpu_cmd *cmd;

	/* The image was lost in a reset, or since the commit was prepared. */
	if (!image && !vgps->mapped) {
		virtgpu_cursor_hide(output, &vgps->cmds);
		return;
	}

	cmd = virtgpu_cmd_take(vgdev, &vgps->cmds, image ? VIRTGPU_RESOURCE_FLUSH :
							   VIRTGPU_TRANSFER_TO_HOST_2D);
	if (!cmd)
		return;
	if (image) {
		virtgpu_encode_flush(cmd, image->id, &all);
	} else {
		image = cursor->res;
		virtgpu_cursor_copy(cursor, vgps);
		virtgpu_encode_transfer_2d(cmd, image->id, 0, &all);
	}
	cmd->fenced = true;
	cmd->done = virtgpu_cursor_transferred;
	cmd->data = output;

	spin_lock_irq(&cursor->lock);
	virtgpu_cursor_cancel_locked(cursor);
	old = cursor->image;
	cursor->image = virtgpu_resource_get(image);
	cursor->transfer = cmd;
	cursor->scanouts = output->scanouts;
	cursor->x = vgps->base.crtc_x;
	cursor->y = vgps->base.crtc_y;
	/* Programs may say any place; the host is told one of the image. */
	cursor->hot_x = clamp(vgps->base.hotspot_x, 0, VIRTGPU_CURSOR_SIZE - 1);
	cursor->hot_y = clamp(vgps->base.hotspot_y, 0, VIRTGPU_CURSOR_SIZE - 1);
	list_splice_init(&vgps->cmds, &cursor->pending);
	spin_unlock_irq(&cursor->lock);
	virtgpu_resource_put(old);

	virtgpu_queue_submit(cmd);
}

static void virtgpu_cursor_moved(struct virtgpu_cmd *move);

static void virtgpu_cursor_send_move_locked(struct virtgpu_output *output,
					    struct list_head *reserved)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(output->crtc.dev);
	struct virtgpu_cursor *cursor = &output->cursor;
	struct virtgpu_cmd *cmd;
	LIST_HEAD(cmds);
	unsigned int i;

	lockdep_assert_held(&cursor->lock);

	cursor->moved = false;
	for_each_set_bit(i, &cursor->move_scanouts, VIRTIO_GPU_MAX_SCANOUTS) {
		cmd = virtgpu_cmd_take(vgdev, reserved, VIRTGPU_MOVE_CURSOR);
		if (!cmd)
			break;
		virtgpu_encode_cursor(cmd, i, cursor->image->id, cursor->x, cursor->y, 0, 0);
		cmd->done = virtgpu_cursor_moved;
		cmd->data = output;
		atomic_inc(&cursor->moves);
		list_add_tail(&cmd->link, &cmds);
	}
	virtgpu_queue_submit_list(&vgdev->cursorq, &cmds);
}

/*
 * The host has the position, or one that is out of date by now. A command may fail
 * while it is submitted, with the lock held: nothing follows one that has failed. In a
 * reset all is shown again, and without memory with the next move.
 */
static void virtgpu_cursor_moved(struct virtgpu_cmd *move)
{
	struct virtgpu_output *output = move->data;
	struct virtgpu_cursor *cursor = &output->cursor;
	unsigned long flags;

	if (move->error) {
		atomic_dec(&cursor->moves);
		return;
	}
	spin_lock_irqsave(&cursor->lock, flags);
	if (atomic_dec_and_test(&cursor->moves) && cursor->moved) {
		virtgpu_cursor_send_move_locked(output, &cursor->later);
		virtgpu_cmd_unreserve(&cursor->later);
	}
	spin_unlock_irqrestore(&cursor->lock, flags);
}

/* Positions that the host has no time for are skipped: it is told the last one. */
static void virtgpu_cursor_move(struct virtgpu_output *output, struct virtgpu_plane_state *vgps)
{
	struct virtgpu_cursor *cursor = &output->cursor;

	/* An image that was lost in a reset was hidden. */
	if (!cursor->image)
		return;

	spin_lock_irq(&cursor->lock);
	cursor->x = vgps->base.crtc_x;
	cursor->y = vgps->base.crtc_y;
	cursor->move_scanouts = output->scanouts;
	if (atomic_read(&cursor->moves)) {
		cursor->moved = true;
		virtgpu_cmd_unreserve(&cursor->later);
		list_splice_init(&vgps->cmds, &cursor->later);
	} else {
		virtgpu_cursor_send_move_locked(output, &vgps->cmds);
	}
	spin_unlock_irq(&cursor->lock);
}

/**
 * virtgpu_cursor_hide() - no cursor on the scan-outs of a CRTC
 * @output: the CRTC's output
 * @cmds: reserved commands, one for each scan-out
 *
 * Process context.
 */
void virtgpu_cursor_hide(struct virtgpu_output *output, struct list_head *cmds)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(output->crtc.dev);
	struct virtgpu_resource *image = output->cursor.image;
	unsigned long scanouts = output->scanouts;
	struct virtgpu_cmd *cmd;
	LIST_HEAD(hide);
	unsigned int i;

	/* One without an image is not there to be hidden. */
	if (!image)
		return;

	spin_lock_irq(&output->cursor.lock);
	virtgpu_cursor_cancel_locked(&output->cursor);
	output->cursor.image = NULL;
	for_each_set_bit(i, &scanouts, VIRTIO_GPU_MAX_SCANOUTS) {
		cmd = virtgpu_cmd_take(vgdev, cmds, VIRTGPU_UPDATE_CURSOR);
		if (!cmd)
			break;
		virtgpu_encode_cursor(cmd, i, 0, 0, 0, 0, 0);
		list_add_tail(&cmd->link, &hide);
	}
	virtgpu_queue_submit_list(&vgdev->cursorq, &hide);
	spin_unlock_irq(&output->cursor.lock);
	virtgpu_resource_put(image);
}

static void virtgpu_cursor_show(struct virtgpu_output *output, struct virtgpu_plane_state *vgps)
{
	if (vgps->new_image)
		virtgpu_cursor_set_image(output, vgps);
	else
		virtgpu_cursor_move(output, vgps);
}

static void virtgpu_cursor_update(struct drm_plane *plane, struct drm_atomic_commit *commit)
{
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(commit, plane);

	virtgpu_cursor_show(crtc_to_output(new->crtc), to_virtgpu_plane_state(new));
}

static void virtgpu_cursor_disable(struct drm_plane *plane, struct drm_atomic_commit *commit)
{
	struct drm_plane_state *old = drm_atomic_get_old_plane_state(commit, plane);
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(commit, plane);

	if (old->crtc)
		virtgpu_cursor_hide(crtc_to_output(old->crtc),
				    &to_virtgpu_plane_state(new)->cmds);
}

static int virtgpu_cursor_async_check(struct drm_plane *plane, struct drm_atomic_commit *commit)
{
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(commit, plane);
	struct drm_crtc_state *crtc_state;

	if (!new->crtc || !new->fb || !plane->state->fb)
		return -EINVAL;
	/* Only the ordinary way waits for who is still drawing what we are to copy. */
	if (new->fb != plane->state->fb && !virtgpu_host_image(new->fb) &&
	    !dma_resv_test_signaled(new->fb->obj[0]->resv, DMA_RESV_USAGE_WRITE))
		return -EINVAL;
	crtc_state = drm_atomic_get_new_crtc_state(commit, new->crtc);
	if (!crtc_state)
		crtc_state = new->crtc->state;
	return crtc_state->active ? virtgpu_cursor_check_state(new, crtc_state) : -EINVAL;
}

VIRTGPU_ASYNC_CHECK(virtgpu_cursor_async_check)

static void virtgpu_cursor_async_update(struct drm_plane *plane, struct drm_atomic_commit *commit)
{
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(commit, plane);
	struct drm_plane_state *cur = plane->state;

	virtgpu_cursor_show(crtc_to_output(new->crtc), to_virtgpu_plane_state(new));

	cur->crtc_x = new->crtc_x;
	cur->crtc_y = new->crtc_y;
	cur->crtc_w = new->crtc_w;
	cur->crtc_h = new->crtc_h;
	cur->src_x = new->src_x;
	cur->src_y = new->src_y;
	cur->src_w = new->src_w;
	cur->src_h = new->src_h;
	cur->hotspot_x = new->hotspot_x;
	cur->hotspot_y = new->hotspot_y;
	cur->src = new->src;
	cur->dst = new->dst;
	cur->visible = new->visible;
	swap(cur->fb, new->fb);
}

static const struct drm_plane_helper_funcs virtgpu_cursor_helper_funcs = {
	.prepare_fb = virtgpu_cursor_prepare_fb,
	.cleanup_fb = virtgpu_plane_cleanup_fb,
	.atomic_check = virtgpu_cursor_check,
	.atomic_update = virtgpu_cursor_update,
	.atomic_disable = virtgpu_cursor_disable,
	.atomic_async_check = virtgpu_async_check(virtgpu_cursor_async_check),
	.atomic_async_update = virtgpu_cursor_async_update,
};

/* ---- creation ----------------------------------------------------------- */

/**
 * virtgpu_plane_create() - make a plane
 * @vgdev: the device
 * @output: whose CRTC it is for
 * @type: primary or cursor
 *
 * Return: the plane, freed with the DRM device, or an ERR_PTR().
 */
struct drm_plane *virtgpu_plane_create(struct virtgpu_device *vgdev,
				       struct virtgpu_output *output,
				       enum drm_plane_type type)
{
	bool primary = type == DRM_PLANE_TYPE_PRIMARY;
	struct drm_plane *plane;
	int ret;

	plane = __drmm_universal_plane_alloc(&vgdev->drm, sizeof(*plane), 0, BIT(output->index),
					     &virtgpu_plane_funcs,
					     primary ? virtgpu_primary_formats :
						       virtgpu_cursor_formats,
					     primary ? virtgpu_num_primary_formats :
						       ARRAY_SIZE(virtgpu_cursor_formats),
					     NULL, type, NULL);
	if (IS_ERR(plane))
		return plane;

	/* Over nothing, a premultiplied pixel is its colour: alpha is ignored. */
	ret = drm_plane_create_blend_mode_property(plane, BIT(DRM_MODE_BLEND_PREMULTI));
	if (ret)
		return ERR_PTR(ret);

	if (primary) {
		drm_plane_helper_add(plane, &virtgpu_primary_helper_funcs);
		drm_plane_enable_fb_damage_clips(plane);
	} else {
		drm_plane_helper_add(plane, &virtgpu_cursor_helper_funcs);
	}
	return plane;
}
