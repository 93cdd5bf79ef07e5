// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Framebuffers: a format and a geometry given to an object's pages.
 */

#include <linux/dma-resv.h>
#include <linux/slab.h>

#include <drm/drm_damage_helper.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_gem_framebuffer_helper.h>
#include <drm/drm_modeset_helper.h>
#include <drm/drm_print.h>

#include "virtgpu_drv.h"
#include "virtgpu_kunit.h"

/*
 * The names of virtio list the bytes in memory order, those of DRM the bits of
 * a little-endian word. Alpha means nothing on a primary plane, so that the
 * host is given the format without it.
 */
static const struct virtgpu_format virtgpu_formats[] = {
	{ DRM_FORMAT_XRGB8888, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 4 },
	{ DRM_FORMAT_ARGB8888, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 4 },
	{ DRM_FORMAT_XBGR8888, VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, 4 },
	{ DRM_FORMAT_ABGR8888, VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, 4 },
	{ DRM_FORMAT_BGRX8888, VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, 4 },
	{ DRM_FORMAT_BGRA8888, VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, 4 },
	{ DRM_FORMAT_RGBX8888, VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, 4 },
	{ DRM_FORMAT_RGBA8888, VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, 4 },
	{ DRM_FORMAT_RGB565, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 2, true },
};

const u32 virtgpu_primary_formats[] = {
	DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888, DRM_FORMAT_ABGR8888,
	DRM_FORMAT_BGRX8888, DRM_FORMAT_BGRA8888, DRM_FORMAT_RGBX8888, DRM_FORMAT_RGBA8888,
	DRM_FORMAT_RGB565,
};
EXPORT_SYMBOL_IF_KUNIT(virtgpu_primary_formats);

const unsigned int virtgpu_num_primary_formats = ARRAY_SIZE(virtgpu_primary_formats);
EXPORT_SYMBOL_IF_KUNIT(virtgpu_num_primary_formats);

static_assert(ARRAY_SIZE(virtgpu_primary_formats) == ARRAY_SIZE(virtgpu_formats));

/**
 * virtgpu_format_lookup() - find a format
 * @fourcc: DRM_FORMAT_*
 *
 * Return: the format or NULL.
 */
const struct virtgpu_format *virtgpu_format_lookup(u32 fourcc)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(virtgpu_formats); i++)
		if (virtgpu_formats[i].fourcc == fourcc)
			return &virtgpu_formats[i];
	return NULL;
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_format_lookup);

static void virtgpu_fb_free_shadow(struct virtgpu_framebuffer *vgfb)
{
	struct iosys_map map;

	if (!vgfb->shadow)
		return;
	iosys_map_set_vaddr(&map, vgfb->shadow->base.vaddr);
	drm_gem_vunmap(&vgfb->shadow->base.base, &map);
	drm_gem_object_put(&vgfb->shadow->base.base);
	drm_gem_vunmap(vgfb->base.obj[0], &vgfb->map);
}

/* Mapped for good: a panic screen must be able to convert, too. */
static int virtgpu_fb_make_shadow(struct virtgpu_framebuffer *vgfb)
{
	struct drm_framebuffer *fb = &vgfb->base;
	struct virtgpu_object *shadow;
	struct iosys_map map;
	int ret;

	ret = drm_gem_vmap(fb->obj[0], &vgfb->map);
	if (ret)
		return ret;
	shadow = virtgpu_object_create(to_virtgpu_device(fb->dev),
				       (size_t)fb->width * fb->height * 4);
	if (IS_ERR(shadow)) {
		ret = PTR_ERR(shadow);
		goto err_vunmap;
	}
	ret = drm_gem_vmap(&shadow->base.base, &map);
	if (ret)
		goto err_put;
	vgfb->shadow = shadow;
	return 0;

err_put:
	drm_gem_object_put(&shadow->base.base);
err_vunmap:
	drm_gem_vunmap(fb->obj[0], &vgfb->map);
	return ret;
}

static void virtgpu_fb_free(struct virtgpu_framebuffer *vgfb)
{
	virtgpu_resource_put(vgfb->res);
	virtgpu_fb_free_shadow(vgfb);
	drm_gem_object_put(vgfb->base.obj[0]);
	kfree(vgfb);
}

static void virtgpu_fb_destroy(struct drm_framebuffer *fb)
{
	drm_framebuffer_cleanup(fb);
	virtgpu_fb_free(to_virtgpu_framebuffer(fb));
}

static const struct drm_framebuffer_funcs virtgpu_fb_funcs = {
	.create_handle = drm_gem_fb_create_handle,
	.destroy = virtgpu_fb_destroy,
	.dirty = drm_atomic_helper_dirtyfb,
};

/* What the host draws into is shown as it is. */
static int virtgpu_fb_use_resource(struct virtgpu_framebuffer *vgfb,
				   struct virtgpu_resource *res)
{
	struct drm_framebuffer *fb = &vgfb->base;

	if (vgfb->format->convert)
		return -EINVAL;
	if (res->kind == VIRTGPU_RES_3D && (fb->width > res->width || fb->height > res->height))
		return -EINVAL;
	vgfb->res = virtgpu_resource_get(res);
	return virtgpu_resource_wait(res);
}

/*
 * What is of the size of a cursor and has alpha is a cursor, most likely, and
 * those have no resource of their own at the host. The first primary plane that
 * shows it gives it one.
 */
static bool virtgpu_fb_may_be_cursor(const struct virtgpu_framebuffer *vgfb)
{
	const struct virtgpu_object *obj = to_virtgpu_object(vgfb->base.obj[0]);

	return !obj->res && vgfb->format->fourcc == DRM_FORMAT_ARGB8888 &&
	       vgfb->base.width <= VIRTGPU_CURSOR_SIZE &&
	       vgfb->base.height <= VIRTGPU_CURSOR_SIZE;
}

/* The object, when the framebuffer fits in. The core has ruled out overflows. */
static struct drm_gem_object *virtgpu_fb_lookup(struct drm_device *drm, struct drm_file *file,
						const struct drm_format_info *info,
						const struct drm_mode_fb_cmd2 *mode_cmd)
{
	struct drm_gem_object *gem = drm_gem_object_lookup(file, mode_cmd->handles[0]);
	u64 size = (u64)(mode_cmd->height - 1) * mode_cmd->pitches[0] +
		   drm_format_info_min_pitch(info, 0, mode_cmd->width) + mode_cmd->offsets[0];

	if (!gem)
		return ERR_PTR(-ENOENT);
	if (gem->size >= size)
		return gem;

	drm_dbg_kms(drm, "object of %zu bytes, framebuffer of %llu\n", gem->size, size);
	drm_gem_object_put(gem);
	return ERR_PTR(-EINVAL);
}

/* Blobs over guest memory: the host may be able to show them, or not. */
static bool virtgpu_fb_is_guest_blob(const struct virtgpu_resource *res)
{
	return res && res->kind == VIRTGPU_RES_BLOB && res->blob_mem == VIRTGPU_BLOB_MEM_GUEST;
}

/* Return: 1 when the framebuffer now shows the memory itself, without a copy. */
static int virtgpu_fb_use_memory(struct virtgpu_framebuffer *vgfb)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(vgfb->base.dev);
	struct virtgpu_object *obj = to_virtgpu_object(vgfb->base.obj[0]);
	struct virtgpu_resource *res = virtgpu_object_peek_resource(obj);
	int ret;

	if (res && res->kind != VIRTGPU_RES_2D && !virtgpu_fb_is_guest_blob(res))
		return virtgpu_fb_use_resource(vgfb, res) ?: 1;
	if (vgfb->format->convert || READ_ONCE(vgdev->blob_scanout) == VIRTGPU_NO)
		return 0;

	if (obj->import && vgdev->has_blob)
		res = virtgpu_object_resource(obj);
	if (IS_ERR(res) || !virtgpu_fb_is_guest_blob(res))
		return 0;
	ret = virtgpu_resource_wait(res);
	if (!ret)
		vgfb->res = virtgpu_resource_get(res);
	else if (ret == -ERESTARTSYS || ret == -ETIMEDOUT)
		return ret;
	return !ret;
}

/* Give the host a resource that shows the framebuffer, and hear its answer. */
static int virtgpu_fb_attach(struct virtgpu_framebuffer *vgfb)
{
	struct drm_framebuffer *fb = &vgfb->base;
	struct virtgpu_object *obj = to_virtgpu_object(fb->obj[0]);
	struct virtgpu_resource_desc desc = {
		.kind = VIRTGPU_RES_2D, .format = vgfb->format->resource,
		.width = fb->pitches[0] / 4, .height = fb->height, .offset = fb->offsets[0],
	};
	struct virtgpu_resource *res;
	int ret;

	ret = virtgpu_fb_use_memory(vgfb);
	if (ret)
		return ret < 0 ? ret : 0;

	if (vgfb->format->convert) {
		ret = virtgpu_fb_make_shadow(vgfb);
		if (ret)
			return ret;
		obj = vgfb->shadow;
		desc.width = fb->width;
		desc.offset = 0;
	}

	res = virtgpu_object_get_resource(obj, &desc);
	if (IS_ERR(res))
		return PTR_ERR(res);
	ret = virtgpu_resource_wait(res);
	/* One that was refused is asked for again the next time. */
	if (ret && virtgpu_resource_has_failed(res))
		virtgpu_resource_put(res);
	else
		vgfb->res = res;
	return ret;
}

/* The pages of a foreign buffer may have moved. */
static int virtgpu_fb_attach_backing(struct virtgpu_framebuffer *vgfb)
{
	struct virtgpu_resource *res = vgfb->res;
	int ret;

	if (!res->obj->import)
		return 0;
	do {
		ret = virtgpu_import_wait(res->obj) ?:
		      dma_resv_lock_interruptible(res->obj->base.base.resv, NULL);
		if (ret)
			return ret;
		ret = virtgpu_resource_attach_locked(res);
		dma_resv_unlock(res->obj->base.base.resv);
	} while (ret == -EAGAIN);
	return ret;
}

/*
 * Some hosts take blobs over guest memory but cannot show them, and no feature
 * bit tells. The first one that is to be shown is the question.
 */
static int virtgpu_fb_try_blob(struct virtgpu_framebuffer *vgfb, int scanout,
			       const struct drm_rect *rect, bool *tried)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(vgfb->base.dev);
	struct virtgpu_object *obj = vgfb->res->obj;
	struct virtgpu_cmd *cmd;
	bool answered = false;
	int ret;

	lockdep_assert_held(&vgdev->fb_lock);

	cmd = virtgpu_cmd_alloc(vgdev, VIRTGPU_SET_SCANOUT_BLOB);
	if (IS_ERR(cmd))
		return PTR_ERR(cmd);
	virtgpu_encode_set_scanout_blob(cmd, scanout, vgfb->res->id, &vgfb->base,
					vgfb->format->resource, rect);
	virtgpu_cmd_set_resource(cmd, vgfb->res);
	cmd->reported = true;

	/* What is shown stays where it is. */
	ret = obj->import ? virtgpu_import_pin(obj) : 0;
	if (ret)
		goto out_put;
	ret = virtgpu_fb_attach_backing(vgfb);
	if (!ret) {
		ret = virtgpu_cmd_run(cmd);
		/* One that is not answered yet may still be done. */
		*tried = !ret || ret == -ERESTARTSYS || ret == -ETIMEDOUT;
		answered = ret != -ERESTARTSYS && ret != -ETIMEDOUT && ret != -ENODEV &&
			   ret != VIRTGPU_LOST;
	}
	if (obj->import)
		virtgpu_import_unpin(obj);
	if (!answered)
		goto out_put;
	WRITE_ONCE(vgdev->blob_scanout, ret ? VIRTGPU_NO : VIRTGPU_YES);
	drm_dbg_kms(&vgdev->drm, "host can%s show blobs of guest memory\n", ret ? "not" : "");
	ret = 0;

out_put:
	virtgpu_cmd_put(cmd);
	return ret;
}

/**
 * virtgpu_fb_prepare() - make a framebuffer ready for a primary plane
 * @vgfb: the framebuffer
 * @scanout: where it is to be shown, or -1 when nowhere
 * @rect: the part that is to be shown, in pixels
 * @res: gets the resource, with a reference, or NULL
 * @tried: gets true when the host was made to show the framebuffer, for an answer
 *
 * Process context.
 *
 * Return: 0 or the error of the host.
 */
int virtgpu_fb_prepare(struct virtgpu_framebuffer *vgfb, int scanout,
		       const struct drm_rect *rect, struct virtgpu_resource **res, bool *tried)
{
	struct virtgpu_device *vgdev = to_virtgpu_device(vgfb->base.dev);
	int ret = 0;

	guard(mutex)(&vgdev->fb_lock);
	if (virtgpu_fb_is_guest_blob(vgfb->res)) {
		if (vgdev->blob_scanout == VIRTGPU_UNKNOWN && scanout >= 0 &&
		    !virtgpu_resource_is_lost(vgfb->res))
			ret = virtgpu_fb_try_blob(vgfb, scanout, rect, tried);
		if (!ret && vgdev->blob_scanout == VIRTGPU_NO) {
			virtgpu_resource_put(vgfb->res);
			vgfb->res = NULL;
		}
	}
	if (!ret && !vgfb->res)
		ret = virtgpu_fb_attach(vgfb);
	ret = ret ?: virtgpu_fb_attach_backing(vgfb);
	*res = vgfb->res ? virtgpu_resource_get(vgfb->res) : NULL;
	return ret;
}

/**
 * virtgpu_fb_create() - &drm_mode_config_funcs.fb_create
 * @drm: the DRM device
 * @file: who asks
 * @info: the format
 * @mode_cmd: size, pitch, offset and handle, checked by the core to be free of
 *	      overflow
 *
 * Return: the framebuffer; ERR_PTR(-EINVAL) for a format, size or pitch that
 * does not go with the object, ERR_PTR(-ENOENT) for a handle that does not
 * exist, ERR_PTR(-ENOMEM) also when the host has no memory for it, and other
 * errors of the host.
 */
struct drm_framebuffer *virtgpu_fb_create(struct drm_device *drm, struct drm_file *file,
					  const struct drm_format_info *info,
					  const struct drm_mode_fb_cmd2 *mode_cmd)
{
	const struct virtgpu_format *format = virtgpu_format_lookup(mode_cmd->pixel_format);
	struct virtgpu_framebuffer *vgfb;
	struct drm_gem_object *gem;
	int ret;

	if (!format || mode_cmd->pitches[0] % format->cpp || mode_cmd->offsets[0] % format->cpp) {
		drm_dbg_kms(drm, "no framebuffer of format %p4cc, pitch %u, offset %u\n",
			    &mode_cmd->pixel_format, mode_cmd->pitches[0], mode_cmd->offsets[0]);
		return ERR_PTR(-EINVAL);
	}

	ret = virtgpu_queue_throttle(&to_virtgpu_device(drm)->ctrl);
	if (ret)
		return ERR_PTR(ret);

	gem = virtgpu_fb_lookup(drm, file, info, mode_cmd);
	if (IS_ERR(gem))
		return ERR_CAST(gem);

	vgfb = kzalloc(sizeof(*vgfb), GFP_KERNEL);
	if (!vgfb) {
		drm_gem_object_put(gem);
		return ERR_PTR(-ENOMEM);
	}
	vgfb->format = format;
	drm_helper_mode_fill_fb_struct(drm, &vgfb->base, info, mode_cmd);
	vgfb->base.obj[0] = gem;

	/* Programs may use it as soon as it has an id: that comes last. */
	ret = virtgpu_fb_may_be_cursor(vgfb) ? 0 : virtgpu_fb_attach(vgfb);
	if (!ret)
		ret = drm_framebuffer_init(drm, &vgfb->base, &virtgpu_fb_funcs);
	if (ret) {
		virtgpu_fb_free(vgfb);
		return ERR_PTR(ret);
	}
	return &vgfb->base;
}

static void virtgpu_line_565_to_8888(u32 *dst, const u16 *src, unsigned int pixels)
{
	while (pixels--) {
		u32 p = *src++;
		u32 r = p >> 11, g = p >> 5 & 0x3f, b = p & 0x1f;

		*dst++ = (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
	}
}

/**
 * virtgpu_fb_convert() - bring the shadow of a framebuffer up to date
 * @vgfb: a framebuffer with a shadow, both mapped
 * @rect: what changed, in pixels
 */
void virtgpu_fb_convert(struct virtgpu_framebuffer *vgfb, const struct drm_rect *rect)
{
	struct drm_framebuffer *fb = &vgfb->base;
	const u8 *src = vgfb->map.vaddr;
	u8 *dst = vgfb->shadow->base.vaddr;
	int y;

	src += fb->offsets[0] + rect->y1 * fb->pitches[0] + rect->x1 * 2;
	dst += (rect->y1 * fb->width + rect->x1) * 4;
	for (y = rect->y1; y < rect->y2; y++) {
		virtgpu_line_565_to_8888((u32 *)dst, (const u16 *)src, drm_rect_width(rect));
		src += fb->pitches[0];
		dst += fb->width * 4;
	}
}
EXPORT_SYMBOL_IF_KUNIT(virtgpu_fb_convert);
