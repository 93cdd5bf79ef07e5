// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "load.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu.h"
#include "kms.h"
#include "share.h"

/* Clients start, and end when the device has gone, within this time. */
#define LOAD_MS		30000

#define FENCES		8
#define SIZE		65536

static int wrong(struct load_client *c, const char *what, int ret)
{
	snprintf(c->why, sizeof(c->why), "%s: %d (%s)", what, ret, strerror(abs(ret)));
	return 1;
}

/* ---- what is left when the device has gone ------------------------------- */

static int dumb_buffer(int fd)
{
	struct kms_fb fb;
	int ret = kms_dumb_create(fd, 64, 64, 32, &fb);

	if (!ret)
		kms_dumb_destroy(fd, fb.handle);
	return ret;
}

/* Nothing new can be had of it; commands end a little earlier than all else. */
static int check_gone(struct load_client *c, int fd)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;
	int ret = dumb_buffer(fd);

	while (ret != -ENODEV && kms_now_ns() < end) {
		usleep(10000);
		ret = dumb_buffer(fd);
	}
	if (ret != -ENODEV)
		return wrong(c, "dumb buffer of a device that has gone", ret);
	ret = gpu_context(fd, CAPSET_VIRGL2, 0, 0);
	return ret == -ENODEV ? 0 : wrong(c, "context of a device that has gone", ret);
}

static sigjmp_buf bus_error;

static void on_bus_error(int signal)
{
	siglongjmp(bus_error, signal);
}

/* Returns: -ENODEV when the memory, the host's, is not there any more: SIGBUS. */
static int write_pattern(void *map, size_t size, uint32_t seed)
{
	signal(SIGBUS, on_bus_error);
	if (sigsetjmp(bus_error, 1))
		return -ENODEV;
	gpu_pattern(map, size, seed);
	return 0;
}

/* The memory of the guest is that of its programs, with what they have drawn. */
static int check_content(struct load_client *c, const uint32_t *map, uint32_t seed)
{
	uint32_t want[16];

	gpu_pattern(want, sizeof(want), seed);
	if (memcmp(want, map, sizeof(want)))
		return wrong(c, "content of the guest's memory", 0);
	return 0;
}

/* The card for who does not want to be its master, as who opens it first is. */
static int open_card(void)
{
	int fd = kms_open_node(DRM_NODE_PRIMARY, NULL);

	if (fd >= 0)
		drmDropMaster(fd);
	return fd;
}

/* ---- the clients --------------------------------------------------------- */

static int flip(struct kms *k, struct kms_output *o, struct kms_fb *fb)
{
	return drmModePageFlip(k->fd, o->crtc, fb->id, DRM_MODE_PAGE_FLIP_EVENT, NULL) ?:
	       kms_wait_flip(k);
}

static int run_flips(struct load_client *c)
{
	struct kms_output *o;
	struct kms_fb fbs[2];
	struct kms k;
	int ret = kms_open(&k);

	if (ret)
		return wrong(c, "open", ret);
	o = kms_connected(&k);
	for (int i = 0; i < 2 && !ret; i++)
		ret = o ? kms_fb_create(&k, o->mode.hdisplay, o->mode.vdisplay,
					DRM_FORMAT_XRGB8888, &fbs[i]) : -ENXIO;
	ret = ret ?: kms_show(&k, o, &fbs[0]);
	while (!ret) {
		ret = flip(&k, o, &fbs[c->work % 2]);
		c->work++;
	}
	if (ret != -ENODEV)
		return wrong(c, "flip", ret);
	kms_fb_fill(&fbs[0], 0xffffff);
	if (kms_fb_get(&fbs[0], 5, 5) != 0xffffff)
		return wrong(c, "drawing", 0);
	return check_gone(c, k.fd);
}

/* A fence of a device that has gone signals, with an error or without. */
static int check_fence(struct load_client *c, int fence)
{
	int ret = gpu_fence_wait(fence, KMS_WAIT_MS);

	close(fence);
	return !ret || ret == -ENODEV ? 0 : wrong(c, "fence", ret);
}

static int run_submits(struct load_client *c)
{
	struct drm_virtgpu_execbuffer nop = gpu_nop();
	int fences[FENCES], fd = gpu_open(), bad = 0, ret;

	if (fd < 0)
		return wrong(c, "open", fd);
	if (!gpu_has(fd, VIRTGPU_PARAM_3D_FEATURES)) {
		c->idle = true;
		return 0;
	}
	for (;; c->work++) {
		int *fence = &fences[c->work % FENCES];

		if (c->work >= FENCES && check_fence(c, *fence))
			return 1;
		ret = gpu_exec_fence(fd, &nop, fence);
		if (ret)
			break;
	}
	/* that of the last turn has been looked at */
	for (uint64_t i = c->work < FENCES ? 0 : c->work - FENCES + 1; i < c->work; i++)
		bad |= check_fence(c, fences[i % FENCES]);
	if (ret != -ENODEV)
		return wrong(c, "EXECBUFFER", ret);
	return bad ?: check_gone(c, fd);
}

static int run_maps(struct load_client *c)
{
	struct kms_fb last = {}, fb;
	int fd = open_card(), ret;

	if (fd < 0)
		return wrong(c, "open", fd);
	for (;;) {
		ret = kms_dumb_create(fd, 256, 64, 32, &fb) ?: kms_dumb_map(&fb);
		if (ret)
			break;
		gpu_pattern(fb.map, fb.size, c->work);
		if (last.map) {
			munmap(last.map, last.size);
			kms_dumb_destroy(fd, last.handle);
		}
		last = fb;
		c->work++;
	}
	if (ret != -ENODEV)
		return wrong(c, "mapping", ret);
	return check_content(c, last.map, c->work - 1) ?: check_gone(c, fd);
}

static int share_once(int fd, uint32_t seed, int *dmabuf, uint32_t **map)
{
	uint32_t handle;
	struct kms_fb fb;
	int ret = kms_dumb_create(fd, 256, 64, 32, &fb);

	if (ret)
		return ret;
	ret = dmabuf_export(fd, fb.handle, dmabuf);
	if (!ret) {
		*map = dmabuf_map(*dmabuf, fb.size);
		ret = *map ? dmabuf_import(fd, *dmabuf, &handle) : -errno;
	}
	if (*map)
		gpu_pattern(*map, fb.size, seed);
	kms_dumb_destroy(fd, fb.handle);
	return ret;
}

static int run_shares(struct load_client *c)
{
	int fd = open_card(), ret = 0;

	if (fd < 0)
		return wrong(c, "open", fd);
	while (!ret) {
		uint32_t *map = NULL;
		int dmabuf = -1;

		ret = share_once(fd, c->work, &dmabuf, &map);
		if (map && check_content(c, map, c->work))
			return 1;
		if (map)
			munmap(map, 256 * 64 * 4);
		close(dmabuf);
		c->work += !ret;
	}
	return ret == -ENODEV ? check_gone(c, fd) : wrong(c, "sharing", ret);
}

static int run_window(struct load_client *c)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE, .size = SIZE,
	};
	struct gpu_bo bo, last = {};
	int fd = gpu_open(), ret;
	uint64_t end;

	if (fd < 0)
		return wrong(c, "open", fd);
	if (!gpu_has(fd, VIRTGPU_PARAM_HOST_VISIBLE) || !gpu_has_capset(fd, CAPSET_VENUS)) {
		c->idle = true;
		return 0;
	}
	ret = gpu_context(fd, CAPSET_VENUS, 0, 0);
	while (!ret) {
		ret = gpu_create_blob(fd, &arg, &bo) ?: gpu_map(&bo) ?:
		      write_pattern(bo.map, SIZE, c->work);
		if (ret)
			break;
		if (last.map)
			gpu_close(&last);
		last = bo;
		c->work++;
	}
	if (ret != -ENODEV)
		return wrong(c, "host memory", ret);
	/* ENODEV comes a little earlier than that */
	end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;
	while (last.map && !write_pattern(last.map, sizeof(uint32_t), 0)) {
		if (kms_now_ns() > end)
			return wrong(c, "no SIGBUS", 0);
		usleep(10000);
	}
	return check_gone(c, fd);
}

/* Files, handles, mappings, dma-bufs and fences, kept until somebody says so. */
static int run_keeps(struct load_client *c, int release)
{
	struct drm_virtgpu_execbuffer nop = gpu_nop();
	int fd = open_card(), gpu = gpu_open();
	int dmabuf = -1, fence = -1, ret;
	uint32_t *map = NULL;
	char end;

	ret = fd < 0 ? fd : gpu < 0 ? gpu : share_once(fd, 77, &dmabuf, &map);
	if (!ret && gpu_has(gpu, VIRTGPU_PARAM_3D_FEATURES))
		ret = gpu_exec_fence(gpu, &nop, &fence);
	if (ret)
		return wrong(c, "what is to be kept", ret);
	c->work = 1;
	if (read(release, &end, 1) < 0)
		return wrong(c, "pipe", -errno);
	if (fence >= 0 && check_fence(c, fence))
		return 1;
	return check_content(c, map, 77) ?: check_gone(c, fd) ?: check_gone(c, gpu);
}

/* ---- the test's side ----------------------------------------------------- */

static const char * const names[LOAD_KINDS] = {
	"flips", "submissions", "buffers", "shares", "host blobs", "kept",
};

static int run(struct load *load, enum load_kind kind)
{
	struct load_client *c = &load->clients[kind];

	switch (kind) {
	case LOAD_FLIPS:
		return run_flips(c);
	case LOAD_SUBMITS:
		return run_submits(c);
	case LOAD_MAPS:
		return run_maps(c);
	case LOAD_SHARES:
		return run_shares(c);
	case LOAD_WINDOW:
		return run_window(c);
	default:
		close(load->release[1]);
		return run_keeps(c, load->release[0]);
	}
}

int load_init(struct load *load)
{
	memset(load, 0, sizeof(*load));
	load->clients = mmap(NULL, LOAD_KINDS * sizeof(*load->clients), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	load->release[0] = load->release[1] = -1;
	return load->clients == MAP_FAILED ? -errno : 0;
}

/* Ends what a test that failed has left. */
void load_fini(struct load *load)
{
	for (int i = 0; i < LOAD_KINDS; i++) {
		if (!load->pids[i])
			continue;
		kill(load->pids[i], SIGKILL);
		waitpid(load->pids[i], NULL, 0);
		load->pids[i] = 0;
	}
	load_release(load);
	munmap(load->clients, LOAD_KINDS * sizeof(*load->clients));
}

static int complain(struct load *load, int kind, const char *what)
{
	char command[64];

	fprintf(stderr, "# %s: %s\n", names[kind], what);
	if (load->pids[kind]) {
		snprintf(command, sizeof(command), "sed 's/^/#   /' /proc/%d/stack >&2",
			 load->pids[kind]);
		if (system(command))
			fprintf(stderr, "# no stack\n");
	}
	return -EIO;
}

/*
 * load_start - start a client of each of the kinds, and let them get to work
 * @kinds: 1 << enum load_kind
 */
int load_start(struct load *load, unsigned int kinds)
{
	uint64_t end = kms_now_ns() + LOAD_MS * 1000000ULL;

	if (pipe(load->release))
		return -errno;
	for (int i = 0; i < LOAD_KINDS; i++) {
		struct load_client *c = &load->clients[i];

		if (!(kinds & (1u << i)))
			continue;
		memset(c, 0, sizeof(*c));
		load->pids[i] = fork();
		if (load->pids[i] < 0)
			return -errno;
		if (!load->pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(run(load, i));
		}
	}
	for (int i = 0; i < LOAD_KINDS; i++) {
		volatile struct load_client *c = &load->clients[i];

		while ((kinds & (1u << i)) && !c->work && !c->idle) {
			if (c->why[0])
				return complain(load, i, load->clients[i].why);
			if (kms_now_ns() > end)
				return complain(load, i, "does not start");
			usleep(10000);
		}
	}
	return 0;
}

static int wait_one(struct load *load, int kind, uint64_t end)
{
	struct load_client *c = &load->clients[kind];
	int status;

	while (waitpid(load->pids[kind], &status, WNOHANG) != load->pids[kind]) {
		if (kms_now_ns() > end)
			return complain(load, kind, "has not noticed that the device has gone");
		usleep(10000);
	}
	load->pids[kind] = 0;
	load->total[kind] += c->work;
	if (WIFSIGNALED(status)) {
		snprintf(c->why, sizeof(c->why), "killed by signal %d", WTERMSIG(status));
		return complain(load, kind, c->why);
	}
	return status ? complain(load, kind, c->why) : 0;
}

/*
 * load_wait - wait until clients have ended, as they do when the device has gone
 *
 * Returns: 0 when all that they looked at was as it should be.
 */
int load_wait(struct load *load, unsigned int kinds)
{
	uint64_t end = kms_now_ns() + LOAD_MS * 1000000ULL;
	int ret = 0, err;

	for (int i = 0; i < LOAD_KINDS; i++) {
		if (!(kinds & (1u << i)) || !load->pids[i])
			continue;
		err = wait_one(load, i, end);
		ret = ret ?: err;
	}
	return ret;
}

/* The client that keeps things lets go of them, and ends. */
int load_release(struct load *load)
{
	for (int i = 0; i < 2; i++) {
		if (load->release[i] >= 0)
			close(load->release[i]);
		load->release[i] = -1;
	}
	return load_wait(load, 1u << LOAD_KEEPS);
}

/* How much was done, for the log. */
const char *load_text(const struct load *load)
{
	static char text[200];
	size_t len = 0;

	for (int i = 0; i < LOAD_KEEPS; i++)
		len += snprintf(text + len, sizeof(text) - len, "%s%llu %s", i ? ", " : "",
				(unsigned long long)load->total[i], names[i]);
	return text;
}

/* How many rounds: UNPLUG_CYCLES of the environment, or few. */
int load_cycles(int few)
{
	const char *text = getenv("UNPLUG_CYCLES");

	return text && atoi(text) > 0 ? atoi(text) : few;
}
