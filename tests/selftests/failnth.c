// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * No memory, at each place of each call: the first allocation that a call makes
 * fails, then the second, and so on, until none is left to fail. The call tells
 * of it, nothing is lost, and the same call made again works. See
 * Documentation/fault-injection/fault-injection.rst, fail-nth.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "display.h"
#include "faults.h"
#include "figure.h"
#include "gate.h"
#include "gpu.h"
#include "param.h"
#include "share.h"

/* Width and height of what is quickly drawn */
#define SMALL	64

/* --- the calls --- */

/**
 * struct state - what the calls are made with
 * @file: the thread's FAIL_NTH
 * @fd: card, or render node
 * @request: an atomic request that is ready
 * @fb: a framebuffer, or a dumb buffer alone
 * @other: another framebuffer
 * @bo: a buffer object
 * @made: what the call made: a handle or id
 * @made_fd: what the call made, or -1
 */
struct state {
	int file;
	struct kms *k;
	struct kms_output *o;
	int fd;
	struct kms_req request;
	struct kms_fb fb;
	struct kms_fb other;
	struct gpu_bo bo;
	struct gate gate;
	uint32_t syncobj;
	int fence;
	uint32_t made;
	int made_fd;
};

/**
 * struct call - a call that is made with faults
 * @before: makes what it needs, or NULL
 * @call: returns 0 or a negative errno, and then has changed nothing
 * @after: takes back what it did, when it worked, and what @before made; or NULL
 */
struct call {
	const char *name;
	int (*before)(struct state *s);
	int (*call)(struct state *s);
	void (*after)(struct state *s, bool worked);
};

static void close_bo(struct state *s, bool worked)
{
	struct drm_gem_close arg = { .handle = s->made };

	if (worked)
		kms_ioctl(s->fd, DRM_IOCTL_GEM_CLOSE, &arg);
}

static void close_made_fd(struct state *s, bool worked)
{
	if (worked && s->made_fd >= 0)
		close(s->made_fd);
	s->made_fd = -1;
}

static int make_dumb(struct state *s)
{
	return kms_dumb_create(s->fd, 64, 64, 32, &s->fb);
}

static void drop_dumb(struct state *s, bool worked)
{
	(void)worked;
	kms_dumb_destroy(s->fd, s->fb.handle);
}

static int call_create_dumb(struct state *s)
{
	struct kms_fb fb;
	int ret = kms_dumb_create(s->fd, 64, 64, 32, &fb);

	s->made = fb.handle;
	return ret;
}

/* Memory is touched by the kernel's hand, so that a fault is an errno. */
static int touch(void *at)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), ret = 0;

	if (zero < 0)
		return -errno;
	if (read(zero, at, 64) < 0)
		ret = -errno;
	close(zero);
	return ret;
}

static int call_map_dumb(struct state *s)
{
	struct drm_mode_map_dumb arg = { .handle = s->fb.handle };
	int ret = kms_ioctl(s->fd, DRM_IOCTL_MODE_MAP_DUMB, &arg);
	void *map;

	if (ret)
		return ret;
	map = mmap(NULL, s->fb.size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, arg.offset);
	if (map == MAP_FAILED)
		return -errno;
	ret = touch(map);
	munmap(map, s->fb.size);
	return ret;
}

static int call_addfb(struct state *s)
{
	uint32_t handles[4] = { s->fb.handle }, pitches[4] = { s->fb.pitch }, offsets[4] = {};

	return drmModeAddFB2(s->fd, 64, 64, DRM_FORMAT_XRGB8888, handles, pitches, offsets,
			     &s->made, 0);
}

static void drop_fb_and_dumb(struct state *s, bool worked)
{
	if (worked)
		drmModeRmFB(s->fd, s->made);
	drop_dumb(s, worked);
}

/* As large as the screen, so that it can be shown */
static int make_fb(struct state *s)
{
	return kms_fb_create(s->k, s->o->mode.hdisplay, s->o->mode.vdisplay,
			     DRM_FORMAT_XRGB8888, &s->fb);
}

static void drop_fb(struct state *s, bool worked)
{
	(void)worked;
	kms_fb_destroy(&s->fb);
}

static int make_shown_fb(struct state *s)
{
	return make_fb(s) ?: kms_show(s->k, s->o, &s->fb);
}

/* Requests are built before: that takes many ioctls. */
static int make_request_on(struct state *s)
{
	int ret = kms_off(s->k, s->o) ?: make_fb(s);

	kms_req_init(&s->request, s->k);
	kms_req_output(&s->request, s->o, &s->o->mode);
	kms_req_plane(&s->request, s->o->primary, s->o->crtc, &s->fb, 0, 0, s->fb.width,
		      s->fb.height);
	return ret ?: s->request.err;
}

static int make_request_off(struct state *s)
{
	int ret = make_shown_fb(s);

	kms_req_init(&s->request, s->k);
	kms_req_output(&s->request, s->o, NULL);
	kms_req_plane(&s->request, s->o->primary, 0, NULL, 0, 0, 0, 0);
	return ret ?: s->request.err;
}

static int make_request_flip(struct state *s)
{
	int ret = make_shown_fb(s);

	kms_req_init(&s->request, s->k);
	kms_req_add(&s->request, s->o->primary, "FB_ID", s->fb.id);
	return ret ?: s->request.err;
}

static int call_modeset(struct state *s)
{
	return kms_req_commit(&s->request, DRM_MODE_ATOMIC_ALLOW_MODESET, 0);
}

static int call_flip(struct state *s)
{
	return drmModePageFlip(s->fd, s->o->crtc, s->fb.id, DRM_MODE_PAGE_FLIP_EVENT, NULL);
}

static int call_atomic_flip(struct state *s)
{
	return kms_req_commit(&s->request, DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT,
			      0);
}

static void end_flip(struct state *s, bool worked)
{
	if (worked)
		kms_wait_flip(s->k);
	drop_fb(s, worked);
}

static int call_dirty(struct state *s)
{
	drmModeClip clip = { 1, 2, 30, 40 };

	return drmModeDirtyFB(s->fd, s->fb.id, &clip, 1);
}

static int call_cursor(struct state *s)
{
	return drmModeSetCursor2(s->fd, s->o->crtc, s->fb.handle, 64, 64, 1, 1);
}

static void drop_cursor(struct state *s, bool worked)
{
	drmModeSetCursor(s->fd, s->o->crtc, 0, 0, 0);
	drop_dumb(s, worked);
}

static int make_cursor(struct state *s)
{
	return make_dumb(s) ?: call_cursor(s);
}

static int call_move_cursor(struct state *s)
{
	return drmModeMoveCursor(s->fd, s->o->crtc, 10, 10);
}

static int call_export(struct state *s)
{
	return drmPrimeHandleToFD(s->fd, s->fb.handle, DRM_CLOEXEC | DRM_RDWR, &s->made_fd) ?
	       -errno : 0;
}

static void drop_export(struct state *s, bool worked)
{
	close_made_fd(s, worked);
	drop_dumb(s, worked);
}

/* A buffer of another device: self-import makes nothing new */
static int make_foreign(struct state *s)
{
	int vgem = vgem_open(), ret;

	if (vgem < 0)
		return vgem;
	ret = kms_dumb_create(vgem, 64, 64, 32, &s->fb);
	if (!ret && drmPrimeHandleToFD(vgem, s->fb.handle, DRM_CLOEXEC | DRM_RDWR, &s->made_fd))
		ret = -errno;
	close(vgem);
	return ret;
}

static int call_import(struct state *s)
{
	return drmPrimeFDToHandle(s->fd, s->made_fd, &s->made) ? -errno : 0;
}

static void drop_import(struct state *s, bool worked)
{
	close_bo(s, worked);
	close_made_fd(s, true);
}

/* A picture of an exporter that moves, and has moved since it was last seen */
static int make_moved_fb(struct state *s)
{
	drmModeModeInfo mode;

	kms_mode(&mode, SMALL, SMALL, 60);
	return module_export(SMALL * SMALL * 4, 1, VIRTGPU_TEST_MOVE_MAPPED, &s->made_fd) ?:
	       share_fb(s->k, s->made_fd, SMALL, SMALL, &s->fb) ?:
	       kms_fb_create(s->k, SMALL, SMALL, DRM_FORMAT_XRGB8888, &s->other) ?:
	       kms_show_mode(s->k, s->o, &mode, &s->fb) ?:
	       kms_flip(s->k, s->o, &s->other, 0, 0) ?:
	       module_move(s->made_fd, KMS_WAIT_MS);
}

static int call_move(struct state *s)
{
	return module_move(s->made_fd, KMS_WAIT_MS);
}

static void end_moved_flip(struct state *s, bool worked)
{
	end_flip(s, worked);
	kms_fb_destroy(&s->other);
	close_made_fd(s, true);
}

static int call_open(struct state *s)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/dri/card%d", s->k->minor);
	s->made_fd = open(path, O_RDWR | O_CLOEXEC);
	return s->made_fd < 0 ? -errno : 0;
}

/* Closing gives back, also without memory. */
static int make_file(struct state *s)
{
	struct kms_fb fb;

	return call_open(s) ?: kms_dumb_create(s->made_fd, 64, 64, 32, &fb);
}

static int call_close(struct state *s)
{
	int ret = close(s->made_fd) ? -errno : 0;

	s->made_fd = -1;
	return ret;
}

static int call_resource_info(struct state *s)
{
	struct drm_virtgpu_resource_info arg = { .bo_handle = s->fb.handle };

	return kms_ioctl(s->fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO, &arg);
}

static const struct call calls_of_displays[] = {
	{ "open", NULL, call_open, close_made_fd },
	{ "close", make_file, call_close, NULL },
	{ "CREATE_DUMB", NULL, call_create_dumb, close_bo },
	{ "MAP_DUMB, mmap and a fault", make_dumb, call_map_dumb, drop_dumb },
	{ "ADDFB2", make_dumb, call_addfb, drop_fb_and_dumb },
	{ "RESOURCE_INFO", make_dumb, call_resource_info, drop_dumb },
	{ "PRIME_HANDLE_TO_FD", make_dumb, call_export, drop_export },
	{ "PRIME_FD_TO_HANDLE", make_foreign, call_import, drop_import },
	{ "ATOMIC, on", make_request_on, call_modeset, drop_fb },
	{ "ATOMIC, off", make_request_off, call_modeset, drop_fb },
	{ "PAGE_FLIP", make_shown_fb, call_flip, end_flip },
	{ "ATOMIC, flip", make_request_flip, call_atomic_flip, end_flip },
	{ "DIRTYFB", make_shown_fb, call_dirty, drop_fb },
	{ "CURSOR2", make_dumb, call_cursor, drop_cursor },
	{ "CURSOR, move", make_cursor, call_move_cursor, drop_cursor },
};

static const struct call calls_of_exporters[] = {
	{ "PAGE_FLIP, to what has moved", make_moved_fb, call_flip, end_moved_flip },
};

/* --- of the 3D clients --- */

static int make_node(struct state *s)
{
	s->made_fd = gpu_open();
	return s->made_fd < 0 ? s->made_fd : 0;
}

static int call_context(struct state *s)
{
	return gpu_context(s->made_fd, CAPSET_VIRGL2, 4, 1);
}

static int call_first_exec(struct state *s)
{
	struct drm_virtgpu_execbuffer nop = gpu_nop();

	return gpu_exec(s->made_fd, &nop);
}

static void drop_node(struct state *s, bool worked)
{
	(void)worked;
	close_made_fd(s, true);
}

/* A context with a buffer, which go with the file */
static int make_client(struct state *s)
{
	return make_node(s) ?: gpu_texture(s->made_fd, 64, 64, &s->bo) ?: gpu_wait(&s->bo, 0);
}

static int make_bo(struct state *s)
{
	return gpu_texture(s->fd, 64, 64, &s->bo) ?: gpu_wait(&s->bo, 0);
}

static void drop_bo(struct state *s, bool worked)
{
	(void)worked;
	gpu_close(&s->bo);
}

static int call_resource(struct state *s)
{
	int ret = gpu_texture(s->fd, 64, 64, &s->bo);

	s->made = s->bo.handle;
	return ret;
}

static int call_blob(struct state *s)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_GUEST, .size = 16384,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE | VIRTGPU_BLOB_FLAG_USE_SHAREABLE,
	};
	int ret = gpu_create_blob(s->fd, &arg, &s->bo);

	s->made = s->bo.handle;
	return ret;
}

static int call_map(struct state *s)
{
	int ret = gpu_map(&s->bo);

	if (ret)
		return ret;
	ret = touch(s->bo.map);
	gpu_unmap(&s->bo);
	return ret;
}

static int call_to_host(struct state *s)
{
	return gpu_transfer(&s->bo, true, 0, 0, 64, 64, 0);
}

static int call_from_host(struct state *s)
{
	return gpu_transfer(&s->bo, false, 0, 0, 64, 64, 0);
}

static int call_wait(struct state *s)
{
	return gpu_wait(&s->bo, 0);
}

static int call_caps(struct state *s)
{
	uint8_t data[2000];
	struct drm_virtgpu_get_caps arg = {
		.cap_set_id = CAPSET_VIRGL2, .size = sizeof(data), .addr = (uintptr_t)data,
	};

	return kms_ioctl(s->fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &arg);
}

static int make_fences(struct state *s)
{
	return make_bo(s) ?: gate_make(&s->gate) ?: drmSyncobjCreate(s->fd, 0, &s->syncobj);
}

/* With a buffer, a fence to wait for, one to give, and a syncobj */
static int call_exec(struct state *s)
{
	struct drm_virtgpu_execbuffer_syncobj out[] = {
		{ .handle = s->syncobj }, { .handle = s->syncobj, .point = 7 },
	};
	uint32_t handles[] = { s->bo.handle };
	struct drm_virtgpu_execbuffer arg = gpu_nop();

	arg.flags = VIRTGPU_EXECBUF_FENCE_FD_IN | VIRTGPU_EXECBUF_FENCE_FD_OUT;
	arg.fence_fd = s->gate.sync_file;
	arg.bo_handles = (uintptr_t)handles;
	arg.num_bo_handles = 1;
	arg.out_syncobjs = (uintptr_t)out;
	arg.num_out_syncobjs = ARRAY_SIZE(out);
	arg.syncobj_stride = sizeof(out[0]);
	s->made_fd = -1;
	return gpu_exec_fence(s->fd, &arg, &s->made_fd);
}

static void drop_fences(struct state *s, bool worked)
{
	gate_open(&s->gate);
	if (worked)
		gpu_fence_wait(s->made_fd, KMS_WAIT_MS);
	close_made_fd(s, worked);
	gate_free(&s->gate);
	drmSyncobjDestroy(s->fd, s->syncobj);
	drop_bo(s, worked);
}

static const struct call calls_of_clients[] = {
	{ "CONTEXT_INIT", make_node, call_context, drop_node },
	{ "EXECBUFFER, the first", make_node, call_first_exec, drop_node },
	{ "close of a client", make_client, call_close, NULL },
	{ "RESOURCE_CREATE", NULL, call_resource, close_bo },
	{ "RESOURCE_CREATE_BLOB", NULL, call_blob, close_bo },
	{ "MAP, mmap and a fault", make_bo, call_map, drop_bo },
	{ "TRANSFER_TO_HOST", make_bo, call_to_host, drop_bo },
	{ "TRANSFER_FROM_HOST", make_bo, call_from_host, drop_bo },
	{ "WAIT", make_bo, call_wait, drop_bo },
	{ "GET_CAPS", NULL, call_caps, NULL },
	{ "EXECBUFFER, all that it takes", make_fences, call_exec, drop_fences },
};

/* --- of what moves, and of host memory --- */

static int make_used_import(struct state *s)
{
	s->bo = (struct gpu_bo) { .fd = s->fd, .size = 65536 };
	return module_export(s->bo.size, 4, VIRTGPU_TEST_MOVE_MAPPED, &s->made_fd) ?:
	       dmabuf_import(s->fd, s->made_fd, &s->bo.handle);
}

static int call_exec_bo(struct state *s)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	uint32_t handles[] = { s->bo.handle };

	arg.bo_handles = (uintptr_t)handles;
	arg.num_bo_handles = 1;
	return gpu_exec(s->fd, &arg);
}

static int make_moved_import(struct state *s)
{
	return make_used_import(s) ?: call_exec_bo(s) ?: gpu_finish(s->fd) ?: call_move(s);
}

static int make_busy_import(struct state *s)
{
	return make_used_import(s) ?: call_exec_bo(s);
}

static void drop_used_import(struct state *s, bool worked)
{
	(void)worked;
	gpu_finish(s->fd);
	gpu_close(&s->bo);
	close_made_fd(s, true);
}

static const struct call calls_of_importers[] = {
	{ "MAP, mmap and a fault, of an import", make_used_import, call_map, drop_used_import },
	{ "EXECBUFFER, an import", make_used_import, call_exec_bo, drop_used_import },
	{ "EXECBUFFER, an import that has moved", make_moved_import, call_exec_bo,
	  drop_used_import },
	{ "a move of an import", make_busy_import, call_move, drop_used_import },
};

static int make_host_blob(struct state *s)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D, .blob_id = 1,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE, .size = 65536,
	};
	int ret = gpu_create_blob(s->fd, &arg, &s->bo);

	s->made = s->bo.handle;
	return ret;
}

static int make_rings(struct state *s)
{
	return make_node(s) ?: gpu_context(s->made_fd, CAPSET_VENUS, 1, 1);
}

static int call_ring(struct state *s)
{
	struct drm_virtgpu_execbuffer arg = gpu_nop();
	int fence, ret;

	arg.flags = VIRTGPU_EXECBUF_RING_IDX;
	ret = gpu_exec_fence(s->made_fd, &arg, &fence);
	if (!ret)
		close(fence);
	return ret;
}

/* As the scripted GPU has them */
static const struct call calls_of_scripted[] = {
	{ "RESOURCE_CREATE_BLOB, of the host", NULL, make_host_blob, close_bo },
	{ "MAP, mmap and a fault, of host memory", make_host_blob, call_map, drop_bo },
	{ "EXECBUFFER, on a ring with events", make_rings, call_ring, drop_node },
};

/* --- sweeps --- */

/* What a call may answer that found no memory; shmem has no space, a page fault no page */
static bool is_allowed(int ret)
{
	return !ret || ret == -ENOMEM || ret == -ENOSPC || ret == -EFAULT;
}

/* Returns: 0 when there is no @nth allocation, 1 when it failed well, else an errno. */
static int with_fault(struct state *s, const struct call *c, unsigned int nth)
{
	int ret = c->before ? c->before(s) : 0;
	bool met;

	if (ret) {
		fprintf(stderr, "# before %s: %s\n", c->name, strerror(-ret));
		return ret;
	}
	if (nth)
		ret = faults_arm(s->file, nth);
	if (ret)
		return ret;
	ret = c->call(s);
	met = nth && faults_disarm(s->file);
	if (c->after)
		c->after(s, !ret);
	if (met && is_allowed(ret))
		return 1;
	if (ret)
		fprintf(stderr, "# %s, fault %u: %s\n", c->name, nth, strerror(-ret));
	return ret;
}

/* Each fault, and every few of them the same call without. */
static int sweep(struct state *s, const struct call *c)
{
	unsigned int nth = 0;
	int ret = with_fault(s, c, 0);

	if (ret)
		return ret;
	do {
		ret = with_fault(s, c, ++nth);
		if (ret == 1 && nth % 4 == 1 && with_fault(s, c, 0))
			ret = -EIO;
	} while (ret == 1 && nth < FAULTS_MOST);
	fprintf(stderr, "# %-34s %5u faults\n", c->name, nth - 1);
	figure("allocations that failed in a call", nth - 1);
	return ret;
}

static int sweep_all(struct state *s, const struct call *calls, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++) {
		if (sweep(s, &calls[i]))
			failed++;
	}
	return failed;
}

static int state_init(struct state *s)
{
	memset(s, 0, sizeof(*s));
	s->made_fd = -1;
	s->file = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	return s->file < 0 ? -errno : faults_setup();
}

TEST_F_TIMEOUT(display, calls, PARAM_NO_LIMIT)
{
	struct state s;
	int fds, resources;

	if (faults_missing())
		SKIP(return, "%s", faults_missing());
	ASSERT_EQ(0, state_init(&s));
	s.k = &self->k;
	s.o = self->o;
	s.fd = self->k.fd;
	/* the cursor's own buffer comes with the first cursor, and stays */
	ASSERT_EQ(0, make_cursor(&s));
	drop_cursor(&s, true);
	fds = gpu_open_fds();
	resources = gpu_stat("resources");

	EXPECT_EQ(0, sweep_all(&s, calls_of_displays, ARRAY_SIZE(calls_of_displays)));
	if (!module_missing()) {
		EXPECT_EQ(0, sweep_all(&s, calls_of_exporters, ARRAY_SIZE(calls_of_exporters)));
	}
	module_close();
	EXPECT_EQ(0, kms_show(&self->k, self->o, &self->fb));
	EXPECT_EQ(resources, gpu_stat_wait("resources", resources));
	EXPECT_EQ(fds, gpu_open_fds());
	EXPECT_EQ(self->fb.handle + 1, kms_handles(&self->k));
	if (!host_missing()) {
		EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	}
	close(s.file);
}

TEST_F_TIMEOUT(display, clients, PARAM_NO_LIMIT)
{
	struct state s;
	int fds, resources;

	if (faults_missing())
		SKIP(return, "%s", faults_missing());
	ASSERT_EQ(0, state_init(&s));
	s.fd = gpu_open();
	ASSERT_LE(0, s.fd);
	if (!gpu_has(s.fd, VIRTGPU_PARAM_3D_FEATURES))
		SKIP(return, "the host has no 3D");
	fds = gpu_open_fds();
	resources = gpu_stat("resources");

	EXPECT_EQ(0, sweep_all(&s, calls_of_clients, ARRAY_SIZE(calls_of_clients)));
	if (!module_missing()) {
		EXPECT_EQ(0, sweep_all(&s, calls_of_importers, ARRAY_SIZE(calls_of_importers)));
	}
	if (host_scripted()) {
		EXPECT_EQ(0, sweep_all(&s, calls_of_scripted, ARRAY_SIZE(calls_of_scripted)));
	}
	module_close();
	EXPECT_EQ(0, gpu_finish(s.fd));
	EXPECT_EQ(resources, gpu_stat_wait("resources", resources));
	EXPECT_EQ(fds, gpu_open_fds());
	close(s.fd);
	close(s.file);
}

TEST_HARNESS_MAIN
