// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * No memory, at each place of each call: the first allocation that a call makes
 * fails, then the second, and so on, until none is left to fail. The call tells
 * of it, nothing is lost, and the same call made again works. See
 * Documentation/fault-injection/fault-injection.rst, fail-nth.
 *
 * FAILNTH_PROBES says how many allocations of the driver's probe fail, of the
 * thousands that there are; FAILNTH_SEED says which.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dev.h"
#include "display.h"
#include "figure.h"
#include "gate.h"
#include "gpu.h"
#include "param.h"
#include "reset.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"

/* More allocations than any call makes */
#define MOST	3000

/* --- faults --- */

static const char *faults_missing(void)
{
	return access(FAIL_NTH, W_OK) ? "the kernel has no " FAIL_NTH : NULL;
}

/*
 * Each allocation counts, also those that may wait; nothing is logged. Copies do
 * not: an ioctl whose last step fails, copying its answer, has done its work.
 */
static int faults_setup(void)
{
	static const struct {
		const char *file;
		const char *value;
		bool optional;
	} settings[] = {
		{ "failslab/ignore-gfp-wait", "N", false },
		{ "failslab/verbose", "0", false },
		{ "fail_page_alloc/ignore-gfp-wait", "N", false },
		{ "fail_page_alloc/ignore-gfp-highmem", "N", false },
		{ "fail_page_alloc/min-order", "0", false },
		{ "fail_page_alloc/verbose", "0", false },
		{ "fail_usercopy/require-start", "1", true },
		{ "fail_usercopy/require-end", "2", true },
	};
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(settings) && !ret; i++) {
		char path[80];

		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i].file);
		if (!settings[i].optional || !access(path, W_OK))
			ret = write_file(path, settings[i].value);
	}
	return ret;
}

/* The @nth allocation of this thread from now on fails. */
static int arm(int file, unsigned int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	return pwrite(file, text, strlen(text), 0) < 0 ? -errno : 0;
}

/*
 * Returns: whether the fault was met. Asking copies data, which is a place for
 * a fault as well: then it was not met before.
 */
static bool disarm(int file)
{
	char text[16] = "";
	ssize_t len = pread(file, text, sizeof(text) - 1, 0);
	bool met = len > 0 && !atoi(text);

	if (pwrite(file, "0", 1, 0) < 0 && pwrite(file, "0", 1, 0) < 0)
		return false;
	return met;
}

/* --- the calls --- */

/**
 * struct state - what the calls are made with
 * @file: the thread's FAIL_NTH
 * @fd: card, or render node
 * @request: an atomic request that is ready
 * @fb: a framebuffer, or a dumb buffer alone
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
		ret = arm(s->file, nth);
	if (ret)
		return ret;
	ret = c->call(s);
	met = nth && disarm(s->file);
	if (c->after)
		c->after(s, !ret);
	if (met && is_allowed(ret))
		return 1;
	if (ret)
		fprintf(stderr, "# %s, fault %u: %s\n", c->name, nth, strerror(-ret));
	return ret;
}

/* Each fault, and after each the same without. */
static int sweep(struct state *s, const struct call *c)
{
	unsigned int nth = 0;
	int ret = with_fault(s, c, 0);

	if (ret)
		return ret;
	do {
		ret = with_fault(s, c, ++nth);
		if (ret == 1 && with_fault(s, c, 0))
			ret = -EIO;
	} while (ret == 1 && nth < MOST);
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
	EXPECT_EQ(0, gpu_finish(s.fd));
	EXPECT_EQ(resources, gpu_stat_wait("resources", resources));
	EXPECT_EQ(fds, gpu_open_fds());
	close(s.fd);
	close(s.file);
}

/* --- probe --- */

#define DRIVER	"/sys/bus/virtio/drivers/virtio_gpu/"

/* Name of the device on the virtio bus */
static int device_name(char *name, size_t size)
{
	glob_t found;

	if (glob(DRIVER "virtio*", 0, NULL, &found))
		return -ENODEV;
	snprintf(name, size, "%s", strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	return 0;
}

FIXTURE(probe) {
	int file;
	int control;
	char device[32];
};

FIXTURE_SETUP(probe)
{
	if (faults_missing())
		SKIP(return, "%s", faults_missing());
	dev_expect("probe .*-12|probe with driver virtio_gpu failed|kobject_add|sysfs: cannot|"
		   "during unload failed with -12|fbdev: Failed to setup emulation|"
		   "Failed to register client: -12|driver_sysfs_add failed|drm_dev_init|"
		   "workqueue: Failed");
	ASSERT_EQ(0, faults_setup());
	ASSERT_EQ(0, system("modprobe virtgpu_spare"))
		TH_LOG("the test module for functions without faults does not load");
	self->file = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, device_name(self->device, sizeof(self->device)));
}

FIXTURE_TEARDOWN(probe)
{
	close(self->file);
	EXPECT_EQ(0, system("modprobe -r virtgpu_spare"));
}

static bool has_card(void)
{
	int fd = kms_open_driver("virtio_gpu", DRM_NODE_PRIMARY, 0, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Returns: whether the fault was met. */
static bool write_with_fault(int file, const char *path, const char *text, unsigned int nth,
			     int *ret)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool met;

	*ret = arm(file, nth);
	if (!*ret && write(fd, text, strlen(text)) < 0)
		*ret = -errno;
	met = disarm(file);
	close(fd);
	return met;
}

/*
 * A driver that got no memory in its probe, or did not need it, and one that
 * has all it wants afterwards.
 */
TEST_F_TIMEOUT(probe, probes, PARAM_NO_LIMIT)
{
	unsigned long probes = param("FAILNTH_PROBES", 30), refused = 0, i;
	unsigned int nth = 1, last = 0;
	bool met = true;
	int ret;

	srandom(param("FAILNTH_SEED", 1));
	for (i = 0; i < probes && met; i++) {
		ASSERT_EQ(0, write_file(DRIVER "unbind", self->device));
		met = write_with_fault(self->file, DRIVER "bind", self->device, nth, &ret);
		if (met && ret) {
			refused++;
			EXPECT_FALSE(has_card());
			ASSERT_EQ(0, write_file(DRIVER "bind", self->device))
				TH_LOG("after fault %u", nth);
		} else if (met && !has_card()) {
			/* there was no memory for the node, which nobody is told */
			ASSERT_EQ(0, write_file(DRIVER "unbind", self->device));
			ASSERT_EQ(0, write_file(DRIVER "bind", self->device));
		}
		ASSERT_TRUE(has_card())
			TH_LOG("after fault %u", nth);
		if (!met)
			EXPECT_EQ(0, ret);
		last = nth;
		nth += probes >= MOST ? 1 : 1 + random() % 80;
	}
	TH_LOG("probes that failed: %lu, the last fault: %u", refused, last);
	figure("allocations that failed in a probe", i);
	EXPECT_LT(0, refused);
}

/* Unbinding gives all back, whatever memory there is. */
TEST_F_TIMEOUT(probe, unbinds, PARAM_NO_LIMIT)
{
	bool met = true;
	int ret;

	for (unsigned int nth = 1; met && nth < 200; nth += 1 + nth / 2) {
		met = write_with_fault(self->file, DRIVER "unbind", self->device, nth, &ret);
		if (ret) {
			EXPECT_EQ(-ENOMEM, ret);
			ASSERT_EQ(0, write_file(DRIVER "unbind", self->device));
		}
		EXPECT_FALSE(has_card());
		ASSERT_EQ(0, write_file(DRIVER "bind", self->device));
		ASSERT_TRUE(has_card());
	}
}

TEST_HARNESS_MAIN
