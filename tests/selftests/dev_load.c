// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "dev_load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "share.h"

#define BUFFER	65536

/* ---- the desktop --------------------------------------------------------- */

static int make_cursor(struct desktop *d)
{
	int ret = kms_dumb_create(d->k.fd, 64, 64, 32, &d->cursor);

	if (ret)
		return ret;
	d->cursor.fd = d->k.fd;
	return 0;
}

/* Opens the card and makes the framebuffers; nothing is shown yet. */
int desktop_open(struct desktop *d)
{
	int ret;

	memset(d, 0, sizeof(*d));
	ret = kms_open(&d->k);
	if (ret)
		return ret;
	if (!d->k.num_outputs)
		return -ENODEV;
	d->o = &d->k.outputs[0];
	kms_mode(&d->mode, LOAD_WIDTH, LOAD_HEIGHT, 60);
	for (int i = 0; i < 2 && !ret; i++)
		ret = kms_fb_create(&d->k, LOAD_WIDTH, LOAD_HEIGHT, DRM_FORMAT_XRGB8888,
				    &d->fb[i]);
	return ret ?: make_cursor(d);
}

int desktop_close(struct desktop *d)
{
	for (int i = 0; i < 2; i++)
		if (d->fb[i].handle)
			kms_fb_destroy(&d->fb[i]);
	if (d->cursor.handle)
		kms_dumb_destroy(d->k.fd, d->cursor.handle);
	return kms_close(&d->k);
}

/* Some other lines each time: a whole picture takes its time to draw. */
static void draw(struct desktop *d, struct kms_fb *fb)
{
	uint32_t rgb = ++d->drawn * 0x9e3779b1;

	for (uint32_t y = d->drawn % 16; y < fb->height; y += 16)
		memset((char *)fb->map + y * fb->pitch, rgb >> 24 ^ y, fb->width * 4);
}

static int show(struct desktop *d, const struct kms_fb *fb)
{
	return kms_show_mode(&d->k, d->o, &d->mode, fb);
}

int desktop_show(struct desktop *d)
{
	draw(d, &d->fb[d->front]);
	return show(d, &d->fb[d->front]);
}

/* Events of flips that are over. */
static int take_events(struct desktop *d)
{
	struct kms_event ev;

	while (d->flips) {
		int ret = kms_event(&d->k, &ev, LOAD_WAIT_MS);

		if (ret)
			return ret;
		d->flips--;
	}
	return 0;
}

int desktop_flip(struct desktop *d)
{
	unsigned int back = !d->front;
	int ret = take_events(d);

	if (ret)
		return ret;
	draw(d, &d->fb[back]);
	ret = kms_flip(&d->k, d->o, &d->fb[back],
		       DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT, 0);
	if (ret)
		return ret;
	d->front = back;
	d->flips++;
	return take_events(d);
}

int desktop_damage(struct desktop *d)
{
	struct drm_clip_rect clips[] = { { 0, 0, 64, 64 }, { 200, 200, 300, 210 } };
	struct kms_fb *fb = &d->fb[d->front];

	draw(d, fb);
	return drmModeDirtyFB(d->k.fd, fb->id, clips, 2);
}

/* Shows @fb, and then what was there before, in any case. */
static int show_for_a_while(struct desktop *d, const struct kms_fb *fb)
{
	int ret = show(d, fb), back = show(d, &d->fb[d->front]);

	return ret ?: back;
}

/* A framebuffer that comes, is shown, and goes. */
int desktop_window(struct desktop *d)
{
	struct kms_fb fb;
	int ret = kms_fb_create(&d->k, LOAD_WIDTH, LOAD_HEIGHT, DRM_FORMAT_XRGB8888, &fb);

	if (ret)
		return ret;
	draw(d, &fb);
	ret = show_for_a_while(d, &fb);
	kms_fb_destroy(&fb);
	return ret;
}

int desktop_blob(struct desktop *d)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_GUEST,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
		.size = LOAD_WIDTH * LOAD_HEIGHT * 4,
	};
	uint32_t handles[4] = {}, pitches[4] = { LOAD_WIDTH * 4 }, offsets[4] = {}, id;
	struct gpu_bo bo;
	int ret = gpu_create_blob(d->k.fd, &arg, &bo);

	if (ret)
		return ret;
	handles[0] = bo.handle;
	ret = drmModeAddFB2(d->k.fd, LOAD_WIDTH, LOAD_HEIGHT, DRM_FORMAT_XRGB8888, handles,
			    pitches, offsets, &id, 0);
	if (!ret) {
		struct kms_fb fb = { .id = id };

		ret = show_for_a_while(d, &fb);
		drmModeRmFB(d->k.fd, id);
	}
	gpu_close(&bo);
	return ret;
}

/* A buffer of another driver, which moves between two uses. */
int desktop_import(struct desktop *d)
{
	struct kms_fb fb = {};
	int fd, ret;

	ret = module_export(LOAD_WIDTH * LOAD_HEIGHT * 4, 1, VIRTGPU_TEST_MOVE_MAPPED, &fd);
	if (ret)
		return ret;
	ret = share_fb(&d->k, fd, LOAD_WIDTH, LOAD_HEIGHT, &fb);
	if (!ret) {
		/* one that is shown as it is cannot move */
		ret = show_for_a_while(d, &fb) ?: module_move(fd, LOAD_WAIT_MS) ?:
		      show_for_a_while(d, &fb);
		kms_fb_destroy(&fb);
	}
	close(fd);
	return ret;
}

int desktop_cursor(struct desktop *d)
{
	int n = d->drawn++ % 32;

	return drmModeSetCursor2(d->k.fd, d->o->crtc, d->cursor.handle, 64, 64, n, n);
}

int desktop_move(struct desktop *d)
{
	int n = d->drawn++;

	return drmModeMoveCursor(d->k.fd, d->o->crtc, n % LOAD_WIDTH, n % LOAD_HEIGHT);
}

/* Off and on again. */
int desktop_off(struct desktop *d)
{
	int ret = take_events(d);

	return ret ?: kms_off(&d->k, d->o) ?: desktop_show(d);
}

int desktop_probe(struct desktop *d)
{
	for (unsigned int i = 0; i < d->k.num_outputs; i++) {
		drmModeConnector *c = drmModeGetConnector(d->k.fd, d->k.outputs[i].connector);

		if (!c)
			return -errno;
		drmModeFreeConnector(c);
	}
	return 0;
}

/* ---- programs that render ------------------------------------------------ */

int load_exec(int fd)
{
	struct drm_virtgpu_execbuffer exec = gpu_nop();
	int fence, ret = gpu_exec_fence(fd, &exec, &fence);

	if (ret)
		return ret;
	ret = gpu_fence_wait(fence, LOAD_WAIT_MS);
	close(fence);
	return ret;
}

static int wait_bo(const struct gpu_bo *bo)
{
	uint64_t end = kms_now_ns() + LOAD_WAIT_MS * 1000000ULL;
	int ret;

	while ((ret = gpu_wait(bo, VIRTGPU_WAIT_NOWAIT)) == -EBUSY) {
		if (kms_now_ns() > end)
			return -ETIME;
		usleep(1000);
	}
	return ret;
}

/* A buffer, there and back, and a submission with it behind another one. */
int load_render(int fd)
{
	struct drm_virtgpu_execbuffer first = gpu_nop(), then = gpu_nop();
	struct gpu_bo bo;
	int fence = -1, last = -1, ret;

	ret = gpu_buffer(fd, BUFFER, &bo);
	if (ret)
		return ret;
	ret = gpu_map(&bo);
	if (!ret) {
		gpu_pattern(bo.map, 256, fd);
		ret = gpu_transfer(&bo, true, 0, 0, 256, 1, 0) ?:
		      gpu_exec_fence(fd, &first, &fence);
	}
	if (!ret) {
		then.bo_handles = (uintptr_t)&bo.handle;
		then.num_bo_handles = 1;
		then.flags = VIRTGPU_EXECBUF_FENCE_FD_IN;
		then.fence_fd = fence;
		ret = gpu_exec_fence(fd, &then, &last) ?:
		      gpu_fence_wait(last, LOAD_WAIT_MS) ?:
		      gpu_transfer(&bo, false, 0, 0, 256, 1, 0) ?: wait_bo(&bo);
	}
	if (last >= 0)
		close(last);
	if (fence >= 0)
		close(fence);
	gpu_close(&bo);
	return ret;
}

/* One that comes, renders, and goes. */
int load_client(void)
{
	int fd = gpu_open(), ret;

	if (fd < 0)
		return fd;
	ret = load_render(fd);
	close(fd);
	return ret;
}

/* Touches memory by a system call: what is lost is an error and no signal. */
static int touch(const void *at)
{
	int pipes[2], ret = 0;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	if (write(pipes[1], at, 1) != 1)
		ret = -errno;
	close(pipes[0]);
	close(pipes[1]);
	return ret;
}

static int blob(int fd, struct drm_virtgpu_resource_create_blob *arg)
{
	struct gpu_bo bo;
	int ret = gpu_create_blob(fd, arg, &bo);

	if (ret)
		return ret;
	ret = gpu_map(&bo) ?: touch(bo.map) ?: wait_bo(&bo);
	gpu_close(&bo);
	return ret;
}

int load_host_memory(int fd)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D, .blob_id = 1,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE, .size = BUFFER,
	};

	return blob(fd, &arg);
}

int load_guest_blob(int fd)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_GUEST,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE, .size = BUFFER,
	};

	return blob(fd, &arg);
}

/* A buffer goes to another file of the same device, by a dma-buf with a UUID. */
int load_share(int fd)
{
	uint32_t handle;
	struct gpu_bo bo;
	int dmabuf, other = gpu_open(), ret;

	if (other < 0)
		return other;
	ret = gpu_buffer(fd, BUFFER, &bo);
	if (ret)
		goto out;
	ret = dmabuf_export(fd, bo.handle, &dmabuf);
	if (!ret) {
		ret = dmabuf_import(other, dmabuf, &handle);
		if (!ret)
			gem_close(other, handle);
		close(dmabuf);
	}
	gpu_close(&bo);
out:
	close(other);
	return ret;
}

/* Another version each time, which the driver has to ask for. */
int load_caps(int fd)
{
	static unsigned int version;
	uint8_t data[256];
	struct drm_virtgpu_get_caps arg = {
		.cap_set_id = 63, .cap_set_ver = ++version % 4,
		.addr = (uintptr_t)data, .size = sizeof(data),
	};

	return kms_ioctl(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &arg);
}
