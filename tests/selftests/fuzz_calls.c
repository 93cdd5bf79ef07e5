// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The calls of the fuzzer: each ioctl of DRM that the driver serves, each of its
 * own, and what else programs do with its descriptors and memory.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/sync_file.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Newer than the headers of some systems */
struct client_name {
	uint64_t len;
	uint64_t name;
};

#define IOCTL_SET_CLIENT_NAME	DRM_IOWR(0xd1, struct client_name)

/* --- what is no ioctl of a node --- */

void fuzz_dispose(struct fuzz_file *file, enum fuzz_kind kind, uint32_t value)
{
	struct drm_gem_close bo = { .handle = value };
	struct drm_syncobj_destroy syncobj = { .handle = value };
	struct drm_mode_destroy_blob blob = { .blob_id = value };
	struct drm_mode_revoke_lease lease = { .lessee_id = value };

	switch (kind) {
	case FUZZ_BO:
		ioctl(file->fd, DRM_IOCTL_GEM_CLOSE, &bo);
		break;
	case FUZZ_FB:
		ioctl(file->fd, DRM_IOCTL_MODE_RMFB, &value);
		break;
	case FUZZ_SYNCOBJ:
		ioctl(file->fd, DRM_IOCTL_SYNCOBJ_DESTROY, &syncobj);
		break;
	case FUZZ_PROPBLOB:
		ioctl(file->fd, DRM_IOCTL_MODE_DESTROYPROPBLOB, &blob);
		break;
	case FUZZ_LESSEE:
		ioctl(file->fd, DRM_IOCTL_MODE_REVOKE_LEASE, &lease);
		break;
	case FUZZ_NAME:
		break;
	default:
		close(value);
		break;
	}
}

static int unreserve(uint8_t *slot)
{
	mmap(slot, FUZZ_SLOT, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	return 0;
}

/* A place of its own for each mapping: nothing else of the process is ever there. */
static int map_at_slot(struct fuzz_worker *w, int fd, uint64_t offset)
{
	int prot = fuzz_pick(w, 4) ? PROT_READ | PROT_WRITE : PROT_READ;
	size_t size = 4096 << fuzz_pick(w, 9);
	uint8_t *slot = fuzz_slot(w);
	int ret = 0;

	if (mmap(slot, size, prot, MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED) {
		ret = -errno;
		unreserve(slot);
	}
	return ret;
}

static int act_mmap(struct fuzz_worker *w)
{
	struct drm_mode_map_dumb dumb = { .handle = fuzz_value(w, FUZZ_BO) };
	struct drm_virtgpu_map map = { .handle = dumb.handle };
	int ret;

	if (fuzz_one_in(w, 2)) {
		ret = fuzz_result(ioctl(w->file->fd, DRM_IOCTL_MODE_MAP_DUMB, &dumb));
		map.offset = dumb.offset;
	} else {
		ret = fuzz_result(ioctl(w->file->fd, DRM_IOCTL_VIRTGPU_MAP, &map));
	}
	if (w->wrong)
		map.offset += 4096;
	return ret ? ret : map_at_slot(w, w->file->fd, map.offset);
}

static int act_mmap_dmabuf(struct fuzz_worker *w)
{
	return map_at_slot(w, fuzz_value(w, FUZZ_DMABUF), w->wrong ? 4096 : 0);
}

static int act_munmap(struct fuzz_worker *w)
{
	return unreserve(fuzz_slot(w));
}

/* Reads or writes mapped memory, by the kernel's hand. */
static int act_touch(struct fuzz_worker *w)
{
	uint8_t *at = fuzz_slot(w) + fuzz_pick(w, 16) * 4096;

	if (fuzz_one_in(w, 2))
		return fuzz_result(pread(w->process->scratch, at, 64, 0));
	return fuzz_result(pwrite(w->process->scratch, at, 64, 0));
}

static int act_open(struct fuzz_worker *w)
{
	return fuzz_open_node(w);
}

static int act_dup(struct fuzz_worker *w)
{
	int fd = dup(w->file->fd);

	fuzz_keep(w, FUZZ_NODE, fd < 0 ? 0 : fd);
	return fuzz_result(fd);
}

static int act_read(struct fuzz_worker *w)
{
	struct pollfd p = { .fd = w->file->fd, .events = POLLIN };
	int ret = poll(&p, 1, 1);

	if (ret <= 0)
		return ret < 0 ? -errno : -ETIME;
	return fuzz_result(read(p.fd, fuzz_memory(w, 256), fuzz_pick(w, 256)));
}

static int act_eventfd(struct fuzz_worker *w)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	fuzz_keep(w, FUZZ_EVENT_FD, fd < 0 ? 0 : fd);
	return fuzz_result(fd);
}

static int act_close(struct fuzz_worker *w)
{
	enum fuzz_kind kind = FUZZ_NUM_HANDLES + fuzz_pick(w, FUZZ_NUM_LOCAL - FUZZ_NUM_HANDLES);
	uint32_t fd = fuzz_value(w, kind);

	if (fd < FUZZ_FIRST_FD)
		return -EBADF;
	return fuzz_result(close(fd));
}

static int act_merge(struct fuzz_worker *w)
{
	struct sync_merge_data merge = { .fd2 = fuzz_value(w, FUZZ_SYNC_FILE) };
	int ret = fuzz_result(ioctl(fuzz_value(w, FUZZ_SYNC_FILE), SYNC_IOC_MERGE, &merge));

	if (!ret)
		fuzz_keep(w, FUZZ_SYNC_FILE, merge.fence);
	return ret;
}

static int act_dmabuf_sync(struct fuzz_worker *w)
{
	struct dma_buf_sync sync = { .flags = fuzz_pick(w, 8) };

	return fuzz_result(ioctl(fuzz_value(w, FUZZ_DMABUF), DMA_BUF_IOCTL_SYNC, &sync));
}

static int act_dmabuf_fence(struct fuzz_worker *w)
{
	struct dma_buf_export_sync_file arg = { .flags = 1 + fuzz_pick(w, 3), .fd = -1 };
	struct dma_buf_import_sync_file import = {
		.flags = arg.flags, .fd = fuzz_value(w, FUZZ_SYNC_FILE),
	};
	int dmabuf = fuzz_value(w, FUZZ_DMABUF), ret;

	if (fuzz_one_in(w, 2))
		return fuzz_result(ioctl(dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import));
	ret = fuzz_result(ioctl(dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg));
	if (!ret)
		fuzz_keep(w, FUZZ_SYNC_FILE, arg.fd);
	return ret;
}

/*
 * With a file of its own, which never becomes a master: DRM forgets to forget the
 * magic number of a file that got a master of its own after it, and a later
 * AUTH_MAGIC writes to where that file was (drm_new_set_master(), Linux 7.3).
 */
static int act_magic(struct fuzz_worker *w)
{
	int fd = open(w->process->shared->nodes[0], O_RDWR | O_CLOEXEC), ret;
	struct drm_auth auth = {};

	if (fd < 0)
		return -errno;
	ret = fuzz_result(ioctl(fd, DRM_IOCTL_GET_MAGIC, &auth));
	if (w->wrong)
		auth.magic |= 0x40000000;
	if (!ret)
		ret = fuzz_result(ioctl(w->file->fd, DRM_IOCTL_AUTH_MAGIC, &auth));
	close(fd);
	return ret;
}

/* The descriptor and its kind go to whichever process takes them. */
static struct msghdr passing(struct fuzz_worker *w, struct iovec *kind)
{
	*kind = (struct iovec) { fuzz_memory(w, 1), 1 };
	return (struct msghdr) {
		.msg_iov = kind, .msg_iovlen = 1,
		.msg_control = fuzz_memory(w, CMSG_SPACE(sizeof(int))),
		.msg_controllen = CMSG_SPACE(sizeof(int)),
	};
}

static int act_send(struct fuzz_worker *w)
{
	enum fuzz_kind kind = FUZZ_NUM_HANDLES +
			      fuzz_pick(w, FUZZ_NUM_LOCAL - FUZZ_NUM_HANDLES + 1);
	struct iovec iov;
	struct msghdr msg = passing(w, &iov);
	struct cmsghdr *fds = CMSG_FIRSTHDR(&msg);
	int fd;

	if (kind == FUZZ_NUM_LOCAL) {
		kind = FUZZ_NODE;
		fd = w->file->fd;
	} else {
		fd = fuzz_value(w, kind);
	}
	*(uint8_t *)iov.iov_base = kind;
	fds->cmsg_level = SOL_SOCKET;
	fds->cmsg_type = SCM_RIGHTS;
	fds->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(fds), &fd, sizeof(fd));
	return fuzz_result(sendmsg(w->process->shared->sockets[0], &msg, MSG_DONTWAIT));
}

static int act_receive(struct fuzz_worker *w)
{
	struct iovec iov;
	struct msghdr msg = passing(w, &iov);
	int ret = fuzz_result(recvmsg(w->process->shared->sockets[1], &msg,
				      MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
	struct cmsghdr *fds = CMSG_FIRSTHDR(&msg);
	int fd;

	if (ret || !fds || fds->cmsg_type != SCM_RIGHTS)
		return ret ? ret : -EBADF;
	memcpy(&fd, CMSG_DATA(fds), sizeof(fd));
	fuzz_keep(w, *(uint8_t *)iov.iov_base, fd);
	return 0;
}

/* The child works on with all that it inherited, and goes. */
static int act_fork(struct fuzz_worker *w)
{
	struct itimerval timer = { { 0, 20000 }, { 0, 20000 } };
	pid_t child = fork();

	if (child)
		return fuzz_result(child);
	setitimer(ITIMER_REAL, &timer, NULL);
	w->stream += 0x10000;
	for (int i = 0; i < 20 && !w->process->shared->stop; i++)
		fuzz_step(w);
	_exit(0);
}

/* --- shapes: what must fit together --- */

static const uint32_t widths[] = { 64, 64, 320, 640 };
static const uint32_t heights[] = { 64, 64, 200, 480 };
static const uint32_t formats[] = {
	DRM_FORMAT_XRGB8888, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_RGB565,
};

static const drmModeModeInfo *some_mode(struct fuzz_worker *w, drmModeModeInfo *mode)
{
	unsigned int i = fuzz_pick(w, ARRAY_SIZE(widths));

	if (fuzz_one_in(w, 4))
		return &w->process->shared->output.mode;
	kms_mode(mode, widths[i], heights[i], 60);
	return mode;
}

static void shape_dumb(struct fuzz_worker *w, void *arg)
{
	struct drm_mode_create_dumb *dumb = arg;
	unsigned int i = fuzz_pick(w, ARRAY_SIZE(widths));

	dumb->width = widths[i];
	dumb->height = heights[i];
	dumb->bpp = fuzz_pick(w, 8) ? 32 : 16;
	if (fuzz_one_in(w, 32)) {
		dumb->width = w->process->shared->output.mode.hdisplay;
		dumb->height = w->process->shared->output.mode.vdisplay;
	}
}

static void shape_addfb(struct fuzz_worker *w, void *arg)
{
	struct drm_mode_fb_cmd *fb = arg;
	unsigned int i = fuzz_pick(w, ARRAY_SIZE(widths));

	fb->width = widths[i];
	fb->height = heights[i];
	fb->bpp = 32;
	fb->depth = 24;
	fb->pitch = fb->width * 4;
}

static void shape_addfb2(struct fuzz_worker *w, void *arg)
{
	struct drm_mode_fb_cmd2 *fb = arg;
	unsigned int i = fuzz_pick(w, ARRAY_SIZE(widths));

	fb->width = widths[i];
	fb->height = heights[i];
	fb->pixel_format = formats[fuzz_pick(w, ARRAY_SIZE(formats))];
	fb->pitches[0] = fb->width * (fb->pixel_format == DRM_FORMAT_RGB565 ? 2 : 4);
	if (fuzz_one_in(w, 4))
		fb->pitches[0] += 64;
	if (fuzz_one_in(w, 8))
		fb->offsets[0] = fuzz_pick(w, 32) * 4;
}

static void shape_setcrtc(struct fuzz_worker *w, void *arg)
{
	struct drm_mode_crtc *crtc = arg;
	drmModeModeInfo mode;

	crtc->count_connectors = 1;
	crtc->mode_valid = 1;
	if (fuzz_one_in(w, 32)) {
		crtc->fb_id = 0;
		crtc->count_connectors = 0;
		crtc->mode_valid = 0;
	}
	memcpy(&crtc->mode, some_mode(w, &mode), sizeof(crtc->mode));
}

static void shape_setplane(struct fuzz_worker *w, void *arg)
{
	struct drm_mode_set_plane *plane = arg;
	unsigned int i = fuzz_pick(w, ARRAY_SIZE(widths));

	plane->crtc_w = widths[i];
	plane->crtc_h = heights[i];
	plane->src_w = plane->crtc_w << 16;
	plane->src_h = plane->crtc_h << 16;
	if (fuzz_one_in(w, 4))
		plane->fb_id = plane->crtc_id = 0;
}

static void shape_cursor(struct fuzz_worker *w, void *arg)
{
	struct drm_mode_cursor2 *cursor = arg;

	cursor->width = cursor->height = 64;
	cursor->x = fuzz_pick(w, 1000) - 100;
	cursor->y = fuzz_pick(w, 1000) - 100;
	if (fuzz_one_in(w, 4))
		cursor->handle = 0;
}

static void shape_propblob(struct fuzz_worker *w, void *arg)
{
	struct drm_mode_create_blob *blob = arg;
	drmModeModeInfo mode;

	if (fuzz_one_in(w, 2)) {
		blob->length = sizeof(struct drm_mode_modeinfo);
		memcpy((void *)(uintptr_t)blob->data, some_mode(w, &mode), blob->length);
	} else {
		blob->length = 1 + fuzz_pick(w, 4096);
	}
}

/* The properties of the first output, some with what they have, some without. */
static void shape_atomic(struct fuzz_worker *w, void *arg)
{
	const struct fuzz_shared *shared = w->process->shared;
	struct drm_mode_atomic *atomic = arg;
	uint32_t *objects = fuzz_memory(w, FUZZ_IDS * 4);
	uint32_t *counts = fuzz_memory(w, FUZZ_IDS * 4);
	uint32_t *props = fuzz_memory(w, FUZZ_IDS * 4);
	uint64_t *values = fuzz_memory(w, FUZZ_IDS * 8);
	unsigned int n = 1 + fuzz_pick(w, fuzz_one_in(w, 4) ? 12 : 2);

	for (unsigned int i = 0; i < n && shared->num_props; i++) {
		const struct fuzz_prop *p = &shared->props[fuzz_pick(w, shared->num_props)];

		objects[i] = p->object;
		counts[i] = 1;
		props[i] = p->id;
		values[i] = p->value;
		if (fuzz_one_in(w, 4))
			values[i] = fuzz_value(w, fuzz_pick(w, FUZZ_NUM_LOCAL));
	}
	atomic->count_objs = n;
	atomic->objs_ptr = (uintptr_t)objects;
	atomic->count_props_ptr = (uintptr_t)counts;
	atomic->props_ptr = (uintptr_t)props;
	atomic->prop_values_ptr = (uintptr_t)values;
}

static void shape_setprop(struct fuzz_worker *w, void *arg)
{
	const struct fuzz_shared *shared = w->process->shared;
	struct drm_mode_obj_set_property *set = arg;
	const struct fuzz_prop *p;

	if (!shared->num_props)
		return;
	p = &shared->props[fuzz_pick(w, shared->num_props)];
	set->obj_id = p->object;
	set->prop_id = p->id;
	set->value = p->value;
}

static void shape_connector_prop(struct fuzz_worker *w, void *arg)
{
	struct drm_mode_connector_set_property *set = arg;
	struct drm_mode_obj_set_property any = {};

	for (int i = 0; i < 8 && any.obj_id != w->process->shared->output.connector; i++)
		shape_setprop(w, &any);
	set->connector_id = any.obj_id;
	set->prop_id = any.prop_id;
	set->value = any.value;
}

static void shape_dirty(struct fuzz_worker *w, void *arg)
{
	struct drm_mode_fb_dirty_cmd *dirty = arg;
	struct drm_clip_rect *clips = (void *)(uintptr_t)dirty->clips_ptr;

	for (uint32_t i = 0; i < dirty->num_clips; i++) {
		clips[i].x1 = fuzz_pick(w, 60);
		clips[i].y1 = fuzz_pick(w, 60);
		clips[i].x2 = clips[i].x1 + 1 + fuzz_pick(w, 100);
		clips[i].y2 = clips[i].y1 + 1 + fuzz_pick(w, 100);
	}
	if (!dirty->num_clips)
		dirty->clips_ptr = 0;
}

/* What an output is made of, in any case not twice. */
static void shape_lease(struct fuzz_worker *w, void *arg)
{
	const struct kms_output *output = &w->process->shared->output;
	const uint32_t objects[] = {
		output->crtc, output->connector, output->primary, output->cursor,
	};
	struct drm_mode_create_lease *lease = arg;

	lease->object_count = 3 + fuzz_pick(w, 2);
	memcpy((void *)(uintptr_t)lease->object_ids, objects, sizeof(objects));
}

static int64_t soon(struct fuzz_worker *w)
{
	return kms_now_ns() + fuzz_pick(w, 4) * 500000;
}

static void shape_wait(struct fuzz_worker *w, void *arg)
{
	((struct drm_syncobj_wait *)arg)->timeout_nsec = soon(w);
}

static void shape_timeline_wait(struct fuzz_worker *w, void *arg)
{
	struct drm_syncobj_timeline_wait *wait = arg;

	wait->timeout_nsec = soon(w);
	wait->points = (uintptr_t)fuzz_memory(w, 64 * 8);
}

static void shape_points(struct fuzz_worker *w, void *arg)
{
	struct drm_syncobj_timeline_array *array = arg;
	uint64_t *points = fuzz_memory(w, 64 * 8);

	for (unsigned int i = 0; i < 64; i++)
		points[i] = 1 + fuzz_pick(w, 1000);
	array->points = (uintptr_t)points;
}

static void shape_vblank(struct fuzz_worker *w, void *arg)
{
	static const uint32_t types[] = {
		_DRM_VBLANK_RELATIVE, _DRM_VBLANK_RELATIVE | _DRM_VBLANK_EVENT,
		_DRM_VBLANK_RELATIVE | _DRM_VBLANK_EVENT | _DRM_VBLANK_NEXTONMISS,
		_DRM_VBLANK_ABSOLUTE | _DRM_VBLANK_EVENT,
	};
	union drm_wait_vblank *wait = arg;

	wait->request.type = types[fuzz_pick(w, ARRAY_SIZE(types))];
	wait->request.sequence = fuzz_pick(w, 3);
}

/* Textures, of which transfers below are parts, and buffers. */
static void shape_resource(struct fuzz_worker *w, void *arg)
{
	struct drm_virtgpu_resource_create *res = arg;
	bool buffer = fuzz_one_in(w, 2) && w->process->shared->features & FUZZ_3D;

	res->target = buffer ? TARGET_BUFFER : TARGET_TEXTURE_2D;
	res->format = buffer ? FORMAT_R8 : FORMAT_BGRA;
	res->bind = buffer ? BIND_VERTEX_BUFFER : BIND_SAMPLER_VIEW | BIND_RENDER_TARGET;
	res->width = buffer ? 4096 << fuzz_pick(w, 5) : 64;
	res->height = buffer ? 1 : 64;
	res->depth = res->array_size = 1;
	res->size = buffer ? res->width : 64 * 64 * 4;
}

static void shape_transfer(struct fuzz_worker *w, void *arg)
{
	struct drm_virtgpu_3d_transfer_to_host *transfer = arg;

	transfer->box = (struct drm_virtgpu_3d_box) {
		.x = fuzz_pick(w, 32), .w = 1 + fuzz_pick(w, 32), .h = 1, .d = 1,
	};
}

static void shape_blob(struct fuzz_worker *w, void *arg)
{
	struct drm_virtgpu_resource_create_blob *blob = arg;

	blob->blob_mem = VIRTGPU_BLOB_MEM_GUEST;
	blob->size = 4096 << fuzz_pick(w, 6);
	if (!(w->process->shared->features & FUZZ_3D) || fuzz_pick(w, 4))
		return;
	blob->blob_mem = 1 + fuzz_pick(w, 3);
	blob->blob_id = fuzz_pick(w, 4);
	blob->cmd_size = fuzz_pick(w, 4) * 8;
	blob->cmd = (uintptr_t)fuzz_memory(w, 64);
}

static void shape_context(struct fuzz_worker *w, void *arg)
{
	static const uint32_t capsets[] = { CAPSET_VIRGL, CAPSET_VIRGL2, CAPSET_VENUS };
	struct drm_virtgpu_context_init *init = arg;
	struct drm_virtgpu_context_set_param *params = fuzz_memory(w, 4 * sizeof(*params));
	uint32_t rings = 1 + fuzz_pick(w, 8);

	params[0].param = VIRTGPU_CONTEXT_PARAM_CAPSET_ID;
	params[0].value = capsets[fuzz_pick(w, ARRAY_SIZE(capsets))];
	params[1].param = VIRTGPU_CONTEXT_PARAM_NUM_RINGS;
	params[1].value = rings;
	params[2].param = VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK;
	params[2].value = 1ull << fuzz_pick(w, rings);
	params[3].param = VIRTGPU_CONTEXT_PARAM_DEBUG_NAME;
	params[3].value = (uintptr_t)fuzz_memory(w, 16);
	init->num_params = fuzz_pick(w, 4);
	init->ctx_set_params = (uintptr_t)params;
	if (w->wrong)
		params[fuzz_pick(w, 4)] = (struct drm_virtgpu_context_set_param) {
			fuzz_pick(w, 6), fuzz_pick(w, 80),
		};
}

static uint64_t some_syncobjs(struct fuzz_worker *w, uint32_t *count, uint32_t flags)
{
	struct drm_virtgpu_execbuffer_syncobj *list;

	*count = fuzz_one_in(w, 4) ? 1 + fuzz_pick(w, 3) : 0;
	list = fuzz_memory(w, 4 * sizeof(*list));
	for (uint32_t i = 0; i < *count; i++) {
		list[i].handle = fuzz_value(w, FUZZ_SYNCOBJ);
		list[i].flags = fuzz_pick(w, 2) & flags;
		list[i].point = fuzz_pick(w, 3);
	}
	return (uintptr_t)list;
}

/* The commands are all zero: nothing to do, in each protocol. */
static void shape_exec(struct fuzz_worker *w, void *arg)
{
	struct drm_virtgpu_execbuffer *exec = arg;

	exec->size = 4 * (1 + fuzz_pick(w, fuzz_one_in(w, 8) ? 1000 : 4));
	exec->command = (uintptr_t)fuzz_memory(w, exec->size);
	if (fuzz_one_in(w, 2))
		exec->num_bo_handles = 0;
	exec->in_syncobjs = some_syncobjs(w, &exec->num_in_syncobjs,
					  VIRTGPU_EXECBUF_SYNCOBJ_RESET);
	exec->out_syncobjs = some_syncobjs(w, &exec->num_out_syncobjs, 0);
	exec->syncobj_stride = sizeof(struct drm_virtgpu_execbuffer_syncobj);
	exec->ring_idx = 0;
}

static void shape_caps(struct fuzz_worker *w, void *arg)
{
	struct drm_virtgpu_get_caps *caps = arg;

	caps->cap_set_id = 1 + fuzz_pick(w, 4);
	caps->cap_set_ver = fuzz_pick(w, 3);
	caps->size = 1 + fuzz_pick(w, 2000);
	caps->addr = (uintptr_t)fuzz_memory(w, caps->size);
}

static void shape_client_name(struct fuzz_worker *w, void *arg)
{
	struct client_name *name = arg;

	name->len = fuzz_pick(w, 32);
	memset((void *)(uintptr_t)name->name, 'a', name->len);
}

/* --- the table --- */

#define PLACE(type, member) \
	.offset = offsetof(struct type, member), \
	.size = sizeof(((struct type *)NULL)->member)
#define IS(type, member, what, ...) { PLACE(type, member), .kind = FUZZ_##what, __VA_ARGS__ }
#define GIVES .flags = FUZZ_GIVES
#define TAKES .flags = FUZZ_TAKES
#define TAME .flags = FUZZ_TAME
#define TO(n) .arg = (n)
#define COUNT(type, member) .count = offsetof(struct type, member)
#define OF(what) .element = FUZZ_##what
#define CHOICE(list) .choices = list, .arg = ARRAY_SIZE(list)

#define DRM(_name, ...) { .name = #_name, .request = DRM_IOCTL_##_name, __VA_ARGS__ }
#define DRM_AS(_label, _name, ...) \
	{ .name = #_name ", " _label, .request = DRM_IOCTL_##_name, __VA_ARGS__ }
#define MODE(_name, ...) DRM(MODE_##_name, .node = FUZZ_CARD, __VA_ARGS__)
#define VGPU(_name, ...) DRM(VIRTGPU_##_name, __VA_ARGS__)
#define ACT(_name, _act, ...) { .name = _name, .act = _act, __VA_ARGS__ }
#define FIELDS(...) .fields = { __VA_ARGS__ }

static const uint32_t caps[] = {
	DRM_CAP_DUMB_BUFFER, DRM_CAP_VBLANK_HIGH_CRTC, DRM_CAP_PRIME, DRM_CAP_CURSOR_WIDTH,
	DRM_CAP_SYNCOBJ, DRM_CAP_SYNCOBJ_TIMELINE, DRM_CAP_ADDFB2_MODIFIERS,
};
static const uint32_t client_caps[] = {
	DRM_CLIENT_CAP_STEREO_3D, DRM_CLIENT_CAP_UNIVERSAL_PLANES, DRM_CLIENT_CAP_ATOMIC,
	DRM_CLIENT_CAP_ASPECT_RATIO, DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT,
};
static const uint32_t object_types[] = { DRM_MODE_OBJECT_ANY };
static const uint32_t as_sync_file[] = { DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE };

_Static_assert(DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE ==
	       DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE, "the same flag both ways");

#define RW (DRM_RDWR | DRM_CLOEXEC)
#define ATOMIC_FLAGS (DRM_MODE_PAGE_FLIP_EVENT | DRM_MODE_PAGE_FLIP_ASYNC | \
		      DRM_MODE_ATOMIC_TEST_ONLY | DRM_MODE_ATOMIC_NONBLOCK | \
		      DRM_MODE_ATOMIC_ALLOW_MODESET)
#define WAIT_FLAGS (DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL | DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT)

const struct fuzz_call fuzz_calls[] = {
	ACT("open", act_open, .weight = 1),
	ACT("dup", act_dup, .weight = 1),
	ACT("close a descriptor", act_close, .weight = 2),
	ACT("send a descriptor", act_send, .weight = 2),
	ACT("receive a descriptor", act_receive, .weight = 2),
	ACT("fork", act_fork, .weight = 1),
	ACT("GET_MAGIC and AUTH_MAGIC", act_magic, .node = FUZZ_CARD),
	ACT("read events", act_read, .node = FUZZ_CARD),
	ACT("eventfd", act_eventfd, .weight = 2),
	ACT("mmap", act_mmap),
	ACT("mmap of a dma-buf", act_mmap_dmabuf, .weight = 4),
	ACT("munmap", act_munmap, .weight = 4),
	ACT("touch memory", act_touch),
	ACT("SYNC_IOC_MERGE", act_merge, .weight = 4),
	ACT("DMA_BUF_IOCTL_SYNC", act_dmabuf_sync, .weight = 4),
	ACT("DMA_BUF_IOCTL sync files", act_dmabuf_fence, .weight = 4),

	DRM(VERSION, FIELDS(
		IS(drm_version, name, ROOM, COUNT(drm_version, name_len)),
		IS(drm_version, date, ROOM, COUNT(drm_version, date_len)),
		IS(drm_version, desc, ROOM, COUNT(drm_version, desc_len))), .weight = 2),
	DRM(GET_UNIQUE, .weight = 2, .node = FUZZ_CARD, FIELDS(
		IS(drm_unique, unique, ROOM, COUNT(drm_unique, unique_len)))),
	DRM(GET_CLIENT, .weight = 2, .node = FUZZ_CARD, FIELDS(
		IS(drm_client, idx, BELOW, TO(2)))),
	DRM(GET_STATS, .weight = 1, .node = FUZZ_CARD),
	DRM(GET_CAP, FIELDS(IS(drm_get_cap, capability, ONE_OF, CHOICE(caps)))),
	DRM(SET_CLIENT_CAP, .node = FUZZ_CARD, FIELDS(
		IS(drm_set_client_cap, capability, ONE_OF, CHOICE(client_caps)),
		IS(drm_set_client_cap, value, BELOW, TO(3)))),
	DRM(SET_VERSION, .weight = 1, .node = FUZZ_CARD, FIELDS(
		IS(drm_set_version, drm_di_major, BELOW, TO(2)),
		IS(drm_set_version, drm_di_minor, BELOW, TO(5)))),
	/*
	 * Most of what a master may do is tried with the common card. It stays one as
	 * long as it is open: the lessee of a master that is dropped in the middle of
	 * CREATE_LEASE becomes the device's master for good, also when it is closed
	 * (drm_mode_create_lease_ioctl(), Linux 7.3).
	 */
	DRM(SET_MASTER, .node = FUZZ_COMMON),
	DRM(WAIT_VBLANK, .node = FUZZ_CARD, .shape = shape_vblank, FIELDS(
		{ .size = 4, .kind = FUZZ_ZERO }, { .offset = 4, .size = 4, .kind = FUZZ_ZERO })),
	DRM(CRTC_GET_SEQUENCE, .node = FUZZ_CARD, FIELDS(
		IS(drm_crtc_get_sequence, crtc_id, CRTC))),
	DRM(CRTC_QUEUE_SEQUENCE, .node = FUZZ_CARD, FIELDS(
		IS(drm_crtc_queue_sequence, crtc_id, CRTC),
		IS(drm_crtc_queue_sequence, flags, FLAGS, TO(3)),
		IS(drm_crtc_queue_sequence, sequence, BELOW, TO(4)))),
	{ .name = "SET_CLIENT_NAME", .request = IOCTL_SET_CLIENT_NAME, .weight = 2,
	  .needs = FUZZ_MAYBE, .shape = shape_client_name, FIELDS(
		IS(client_name, len, ZERO), IS(client_name, name, ROOM)) },

	DRM(GEM_CLOSE, .weight = 4, FIELDS(IS(drm_gem_close, handle, BO, TAKES),
					  IS(drm_gem_close, pad, ZERO))),
	DRM(GEM_FLINK, .node = FUZZ_CARD, FIELDS(
		IS(drm_gem_flink, handle, BO), IS(drm_gem_flink, name, NAME, GIVES))),
	DRM(GEM_OPEN, .node = FUZZ_CARD, FIELDS(
		IS(drm_gem_open, name, NAME), IS(drm_gem_open, handle, BO, GIVES))),
	DRM(PRIME_HANDLE_TO_FD, FIELDS(
		IS(drm_prime_handle, handle, BO), IS(drm_prime_handle, flags, FLAGS, TO(RW)),
		IS(drm_prime_handle, fd, DMABUF, GIVES))),
	DRM(PRIME_FD_TO_HANDLE, FIELDS(
		IS(drm_prime_handle, fd, DMABUF), IS(drm_prime_handle, handle, BO, GIVES),
		IS(drm_prime_handle, flags, ZERO))),

	DRM(SYNCOBJ_CREATE, FIELDS(
		IS(drm_syncobj_create, handle, SYNCOBJ, GIVES),
		IS(drm_syncobj_create, flags, FLAGS, TO(1)))),
	DRM(SYNCOBJ_DESTROY, .weight = 4, FIELDS(
		IS(drm_syncobj_destroy, handle, SYNCOBJ, TAKES),
		IS(drm_syncobj_destroy, pad, ZERO))),
	DRM(SYNCOBJ_HANDLE_TO_FD, FIELDS(
		IS(drm_syncobj_handle, handle, SYNCOBJ),
		IS(drm_syncobj_handle, flags, ZERO),
		IS(drm_syncobj_handle, fd, SYNCOBJ_FD, GIVES))),
	DRM_AS("sync file", SYNCOBJ_HANDLE_TO_FD, FIELDS(
		IS(drm_syncobj_handle, handle, SYNCOBJ),
		IS(drm_syncobj_handle, flags, ONE_OF, CHOICE(as_sync_file)),
		IS(drm_syncobj_handle, fd, SYNC_FILE, GIVES))),
	DRM(SYNCOBJ_FD_TO_HANDLE, FIELDS(
		IS(drm_syncobj_handle, fd, SYNCOBJ_FD), IS(drm_syncobj_handle, flags, ZERO),
		IS(drm_syncobj_handle, handle, SYNCOBJ, GIVES))),
	DRM_AS("sync file", SYNCOBJ_FD_TO_HANDLE, FIELDS(
		IS(drm_syncobj_handle, fd, SYNC_FILE),
		IS(drm_syncobj_handle, flags, ONE_OF, CHOICE(as_sync_file)),
		IS(drm_syncobj_handle, handle, SYNCOBJ))),
	DRM(SYNCOBJ_WAIT, .shape = shape_wait, FIELDS(
		IS(drm_syncobj_wait, handles, LIST, OF(SYNCOBJ),
		   COUNT(drm_syncobj_wait, count_handles), TAME),
		IS(drm_syncobj_wait, flags, FLAGS, TO(WAIT_FLAGS)),
		IS(drm_syncobj_wait, timeout_nsec, ZERO))),
	DRM(SYNCOBJ_RESET, FIELDS(
		IS(drm_syncobj_array, handles, LIST, OF(SYNCOBJ),
		   COUNT(drm_syncobj_array, count_handles), TAME),
		IS(drm_syncobj_array, pad, ZERO))),
	DRM(SYNCOBJ_SIGNAL, FIELDS(
		IS(drm_syncobj_array, handles, LIST, OF(SYNCOBJ),
		   COUNT(drm_syncobj_array, count_handles), TAME),
		IS(drm_syncobj_array, pad, ZERO))),
	DRM(SYNCOBJ_TIMELINE_WAIT, .shape = shape_timeline_wait, FIELDS(
		IS(drm_syncobj_timeline_wait, handles, LIST, OF(SYNCOBJ),
		   COUNT(drm_syncobj_timeline_wait, count_handles), TAME),
		IS(drm_syncobj_timeline_wait, flags, FLAGS, TO(WAIT_FLAGS | 4)),
		IS(drm_syncobj_timeline_wait, points, ZERO))),
	DRM(SYNCOBJ_QUERY, .shape = shape_points, FIELDS(
		IS(drm_syncobj_timeline_array, handles, LIST, OF(SYNCOBJ),
		   COUNT(drm_syncobj_timeline_array, count_handles), TAME),
		IS(drm_syncobj_timeline_array, flags, FLAGS, TO(1)))),
	DRM(SYNCOBJ_TIMELINE_SIGNAL, .shape = shape_points, FIELDS(
		IS(drm_syncobj_timeline_array, handles, LIST, OF(SYNCOBJ),
		   COUNT(drm_syncobj_timeline_array, count_handles), TAME),
		IS(drm_syncobj_timeline_array, flags, ZERO))),
	DRM(SYNCOBJ_TRANSFER, FIELDS(
		IS(drm_syncobj_transfer, src_handle, SYNCOBJ),
		IS(drm_syncobj_transfer, dst_handle, SYNCOBJ),
		IS(drm_syncobj_transfer, src_point, BELOW, TO(3)),
		IS(drm_syncobj_transfer, dst_point, BELOW, TO(1000)),
		IS(drm_syncobj_transfer, flags, ZERO))),
	DRM(SYNCOBJ_EVENTFD, FIELDS(
		IS(drm_syncobj_eventfd, handle, SYNCOBJ),
		IS(drm_syncobj_eventfd, flags, FLAGS, TO(4)),
		IS(drm_syncobj_eventfd, point, BELOW, TO(3)),
		IS(drm_syncobj_eventfd, fd, EVENT_FD), IS(drm_syncobj_eventfd, pad, ZERO))),

	MODE(GETRESOURCES, .weight = 2, FIELDS(
		IS(drm_mode_card_res, crtc_id_ptr, ROOM, COUNT(drm_mode_card_res, count_crtcs)),
		IS(drm_mode_card_res, fb_id_ptr, ROOM, COUNT(drm_mode_card_res, count_fbs)),
		IS(drm_mode_card_res, connector_id_ptr, ROOM,
		   COUNT(drm_mode_card_res, count_connectors)),
		IS(drm_mode_card_res, encoder_id_ptr, ROOM,
		   COUNT(drm_mode_card_res, count_encoders)))),
	MODE(GETPLANERESOURCES, .weight = 2, FIELDS(
		IS(drm_mode_get_plane_res, plane_id_ptr, ROOM,
		   COUNT(drm_mode_get_plane_res, count_planes)))),
	MODE(GETCRTC, .weight = 4, FIELDS(IS(drm_mode_crtc, crtc_id, CRTC))),
	MODE(SETCRTC, .shape = shape_setcrtc, FIELDS(
		IS(drm_mode_crtc, crtc_id, CRTC), IS(drm_mode_crtc, fb_id, FB),
		IS(drm_mode_crtc, set_connectors_ptr, LIST, OF(CONNECTOR),
		   COUNT(drm_mode_crtc, count_connectors)),
		IS(drm_mode_crtc, x, BELOW, TO(2)), IS(drm_mode_crtc, y, BELOW, TO(2)),
		IS(drm_mode_crtc, mode.clock, ZERO), IS(drm_mode_crtc, mode.hdisplay, ZERO),
		IS(drm_mode_crtc, mode.vtotal, ZERO), IS(drm_mode_crtc, mode.flags, ZERO))),
	MODE(GETPLANE, .weight = 4, FIELDS(
		IS(drm_mode_get_plane, plane_id, PLANE),
		IS(drm_mode_get_plane, format_type_ptr, ROOM,
		   COUNT(drm_mode_get_plane, count_format_types)))),
	MODE(SETPLANE, .shape = shape_setplane, FIELDS(
		IS(drm_mode_set_plane, plane_id, PLANE), IS(drm_mode_set_plane, crtc_id, CRTC),
		IS(drm_mode_set_plane, fb_id, FB), IS(drm_mode_set_plane, flags, FLAGS, TO(3)),
		IS(drm_mode_set_plane, crtc_x, BELOW, TO(2)),
		IS(drm_mode_set_plane, src_x, BELOW, TO(2)),
		IS(drm_mode_set_plane, src_w, ZERO), IS(drm_mode_set_plane, crtc_h, ZERO))),
	MODE(CURSOR, FIELDS(
		IS(drm_mode_cursor, crtc_id, CRTC), IS(drm_mode_cursor, flags, FLAGS, TO(3)),
		IS(drm_mode_cursor, x, BELOW, TO(600)), IS(drm_mode_cursor, y, BELOW, TO(600)))),
	MODE(CURSOR2, .shape = shape_cursor, FIELDS(
		IS(drm_mode_cursor2, crtc_id, CRTC), IS(drm_mode_cursor2, flags, FLAGS, TO(3)),
		IS(drm_mode_cursor2, handle, BO), IS(drm_mode_cursor2, x, ZERO),
		IS(drm_mode_cursor2, width, ZERO), IS(drm_mode_cursor2, height, ZERO),
		IS(drm_mode_cursor2, hot_x, BELOW, TO(64)),
		IS(drm_mode_cursor2, hot_y, BELOW, TO(64)))),
	MODE(GETGAMMA, .weight = 1, .needs = FUZZ_NEVER, FIELDS(
		IS(drm_mode_crtc_lut, crtc_id, CRTC), IS(drm_mode_crtc_lut, gamma_size, BELOW, TO(3)),
		IS(drm_mode_crtc_lut, red, ROOM))),
	MODE(SETGAMMA, .weight = 1, .needs = FUZZ_NEVER, FIELDS(
		IS(drm_mode_crtc_lut, crtc_id, CRTC), IS(drm_mode_crtc_lut, gamma_size, BELOW, TO(3)),
		IS(drm_mode_crtc_lut, red, ROOM))),
	MODE(GETENCODER, .weight = 2, FIELDS(IS(drm_mode_get_encoder, encoder_id, ENCODER))),
	MODE(GETCONNECTOR, .weight = 2, FIELDS(
		IS(drm_mode_get_connector, connector_id, CONNECTOR),
		IS(drm_mode_get_connector, modes_ptr, ROOM,
		   COUNT(drm_mode_get_connector, count_modes)),
		IS(drm_mode_get_connector, encoders_ptr, ROOM,
		   COUNT(drm_mode_get_connector, count_encoders)),
		IS(drm_mode_get_connector, props_ptr, ROOM),
		IS(drm_mode_get_connector, prop_values_ptr, ROOM,
		   COUNT(drm_mode_get_connector, count_props)))),
	MODE(GETPROPERTY, .weight = 4, FIELDS(
		IS(drm_mode_get_property, prop_id, PROP),
		IS(drm_mode_get_property, values_ptr, ROOM,
		   COUNT(drm_mode_get_property, count_values)),
		IS(drm_mode_get_property, enum_blob_ptr, ROOM,
		   COUNT(drm_mode_get_property, count_enum_blobs)))),
	MODE(SETPROPERTY, .shape = shape_connector_prop, FIELDS(
		IS(drm_mode_connector_set_property, value, ZERO),
		IS(drm_mode_connector_set_property, prop_id, ZERO),
		IS(drm_mode_connector_set_property, connector_id, ZERO))),
	MODE(OBJ_GETPROPERTIES, .weight = 4, FIELDS(
		IS(drm_mode_obj_get_properties, obj_id, OBJECT),
		IS(drm_mode_obj_get_properties, obj_type, ONE_OF, CHOICE(object_types)),
		IS(drm_mode_obj_get_properties, props_ptr, ROOM),
		IS(drm_mode_obj_get_properties, prop_values_ptr, ROOM,
		   COUNT(drm_mode_obj_get_properties, count_props)))),
	MODE(OBJ_SETPROPERTY, .shape = shape_setprop, FIELDS(
		IS(drm_mode_obj_set_property, obj_id, ZERO),
		IS(drm_mode_obj_set_property, obj_type, ONE_OF, CHOICE(object_types)),
		IS(drm_mode_obj_set_property, prop_id, ZERO),
		IS(drm_mode_obj_set_property, value, ZERO))),
	MODE(CREATEPROPBLOB, .shape = shape_propblob, FIELDS(
		IS(drm_mode_create_blob, data, ROOM),
		IS(drm_mode_create_blob, length, ZERO, TAME),
		IS(drm_mode_create_blob, blob_id, PROPBLOB, GIVES))),
	MODE(GETPROPBLOB, .weight = 4, FIELDS(
		IS(drm_mode_get_blob, blob_id, PROPBLOB),
		IS(drm_mode_get_blob, data, ROOM, COUNT(drm_mode_get_blob, length)))),
	MODE(DESTROYPROPBLOB, .weight = 4, FIELDS(
		IS(drm_mode_destroy_blob, blob_id, PROPBLOB, TAKES))),
	MODE(CREATE_DUMB, .shape = shape_dumb, FIELDS(
		IS(drm_mode_create_dumb, width, ZERO, TAME),
		IS(drm_mode_create_dumb, height, ZERO, TAME),
		IS(drm_mode_create_dumb, bpp, ZERO), IS(drm_mode_create_dumb, flags, ZERO),
		IS(drm_mode_create_dumb, handle, BO, GIVES))),
	MODE(MAP_DUMB, .weight = 4, FIELDS(IS(drm_mode_map_dumb, handle, BO))),
	MODE(DESTROY_DUMB, .weight = 4, FIELDS(IS(drm_mode_destroy_dumb, handle, BO, TAKES))),
	MODE(ADDFB, .shape = shape_addfb, FIELDS(
		IS(drm_mode_fb_cmd, width, ZERO), IS(drm_mode_fb_cmd, height, ZERO),
		IS(drm_mode_fb_cmd, pitch, ZERO), IS(drm_mode_fb_cmd, bpp, ZERO),
		IS(drm_mode_fb_cmd, depth, ZERO), IS(drm_mode_fb_cmd, handle, BO),
		IS(drm_mode_fb_cmd, fb_id, FB, GIVES))),
	MODE(ADDFB2, .shape = shape_addfb2, FIELDS(
		IS(drm_mode_fb_cmd2, width, ZERO), IS(drm_mode_fb_cmd2, height, ZERO),
		IS(drm_mode_fb_cmd2, pixel_format, ZERO), IS(drm_mode_fb_cmd2, flags, ZERO),
		IS(drm_mode_fb_cmd2, handles[0], BO), IS(drm_mode_fb_cmd2, handles[1], ZERO),
		IS(drm_mode_fb_cmd2, pitches[0], ZERO), IS(drm_mode_fb_cmd2, offsets[0], ZERO),
		IS(drm_mode_fb_cmd2, modifier[0], ZERO),
		IS(drm_mode_fb_cmd2, fb_id, FB, GIVES))),
	MODE(GETFB, .weight = 4, FIELDS(
		IS(drm_mode_fb_cmd, fb_id, FB), IS(drm_mode_fb_cmd, handle, BO, GIVES))),
	MODE(GETFB2, .weight = 4, FIELDS(
		IS(drm_mode_fb_cmd2, fb_id, FB), IS(drm_mode_fb_cmd2, handles[0], BO, GIVES))),
	MODE(RMFB, .weight = 3, FIELDS({ .size = 4, .kind = FUZZ_FB, TAKES })),
	MODE(CLOSEFB, .weight = 3, FIELDS(
		IS(drm_mode_closefb, fb_id, FB, TAKES), IS(drm_mode_closefb, pad, ZERO))),
	MODE(PAGE_FLIP, FIELDS(
		IS(drm_mode_crtc_page_flip, crtc_id, CRTC),
		IS(drm_mode_crtc_page_flip, fb_id, FB),
		IS(drm_mode_crtc_page_flip, flags, FLAGS, TO(3)),
		IS(drm_mode_crtc_page_flip, user_data, ANY))),
	MODE(DIRTYFB, .shape = shape_dirty, FIELDS(
		IS(drm_mode_fb_dirty_cmd, fb_id, FB), IS(drm_mode_fb_dirty_cmd, flags, ZERO),
		IS(drm_mode_fb_dirty_cmd, clips_ptr, ROOM,
		   COUNT(drm_mode_fb_dirty_cmd, num_clips)))),
	MODE(ATOMIC, .shape = shape_atomic, FIELDS(
		IS(drm_mode_atomic, flags, FLAGS, TO(ATOMIC_FLAGS)),
		IS(drm_mode_atomic, objs_ptr, LIST, OF(OBJECT), COUNT(drm_mode_atomic, count_objs)),
		IS(drm_mode_atomic, count_props_ptr, LIST, OF(ANY)),
		IS(drm_mode_atomic, props_ptr, LIST, OF(PROP)),
		IS(drm_mode_atomic, prop_values_ptr, LIST, OF(ANY)),
		IS(drm_mode_atomic, reserved, ZERO), IS(drm_mode_atomic, user_data, ANY))),
	MODE(CREATE_LEASE, .weight = 1, .shape = shape_lease, FIELDS(
		IS(drm_mode_create_lease, object_ids, LIST, OF(OBJECT),
		   COUNT(drm_mode_create_lease, object_count)),
		IS(drm_mode_create_lease, flags, ZERO),
		IS(drm_mode_create_lease, lessee_id, LESSEE, GIVES),
		IS(drm_mode_create_lease, fd, NODE, GIVES))),
	MODE(LIST_LESSEES, .weight = 2, FIELDS(
		IS(drm_mode_list_lessees, lessees_ptr, ROOM,
		   COUNT(drm_mode_list_lessees, count_lessees)))),
	MODE(GET_LEASE, .weight = 2, FIELDS(
		IS(drm_mode_get_lease, objects_ptr, ROOM,
		   COUNT(drm_mode_get_lease, count_objects)))),
	MODE(REVOKE_LEASE, .weight = 4, FIELDS(IS(drm_mode_revoke_lease, lessee_id, LESSEE, TAKES))),

	VGPU(MAP, FIELDS(IS(drm_virtgpu_map, handle, BO), IS(drm_virtgpu_map, pad, ZERO))),
	VGPU(EXECBUFFER, .needs = FUZZ_3D, .shape = shape_exec, FIELDS(
		IS(drm_virtgpu_execbuffer, flags, FLAGS, TO(VIRTGPU_EXECBUF_FLAGS)),
		IS(drm_virtgpu_execbuffer, size, ZERO, TAME),
		IS(drm_virtgpu_execbuffer, command, ROOM),
		IS(drm_virtgpu_execbuffer, bo_handles, LIST, OF(BO),
		   COUNT(drm_virtgpu_execbuffer, num_bo_handles)),
		IS(drm_virtgpu_execbuffer, fence_fd, SYNC_FILE, .flags = FUZZ_ALSO_GIVES),
		IS(drm_virtgpu_execbuffer, ring_idx, ZERO),
		IS(drm_virtgpu_execbuffer, syncobj_stride, ZERO),
		IS(drm_virtgpu_execbuffer, in_syncobjs, ROOM,
		   COUNT(drm_virtgpu_execbuffer, num_in_syncobjs)),
		IS(drm_virtgpu_execbuffer, out_syncobjs, ROOM,
		   COUNT(drm_virtgpu_execbuffer, num_out_syncobjs)))),
	VGPU(GETPARAM, FIELDS(
		IS(drm_virtgpu_getparam, param, BELOW, TO(11)),
		IS(drm_virtgpu_getparam, value, ROOM))),
	VGPU(RESOURCE_CREATE, .shape = shape_resource, FIELDS(
		IS(drm_virtgpu_resource_create, size, ZERO, TAME),
		IS(drm_virtgpu_resource_create, height, ZERO, TAME),
		IS(drm_virtgpu_resource_create, depth, ZERO, TAME),
		IS(drm_virtgpu_resource_create, array_size, ZERO, TAME),
		IS(drm_virtgpu_resource_create, last_level, ZERO, TAME),
		IS(drm_virtgpu_resource_create, bo_handle, BO, GIVES))),
	VGPU(RESOURCE_INFO, FIELDS(IS(drm_virtgpu_resource_info, bo_handle, BO))),
	VGPU(TRANSFER_FROM_HOST, .needs = FUZZ_3D, .shape = shape_transfer, FIELDS(
		IS(drm_virtgpu_3d_transfer_from_host, bo_handle, BO),
		IS(drm_virtgpu_3d_transfer_from_host, box.w, ZERO, TAME),
		IS(drm_virtgpu_3d_transfer_from_host, level, ZERO, TAME),
		IS(drm_virtgpu_3d_transfer_from_host, offset, BELOW, TO(16)))),
	VGPU(TRANSFER_TO_HOST, .shape = shape_transfer, FIELDS(
		IS(drm_virtgpu_3d_transfer_to_host, bo_handle, BO),
		IS(drm_virtgpu_3d_transfer_to_host, box.w, ZERO, TAME),
		IS(drm_virtgpu_3d_transfer_to_host, level, ZERO, TAME),
		IS(drm_virtgpu_3d_transfer_to_host, offset, BELOW, TO(16)))),
	VGPU(WAIT, FIELDS(
		IS(drm_virtgpu_3d_wait, handle, BO),
		IS(drm_virtgpu_3d_wait, flags, FLAGS, TO(VIRTGPU_WAIT_NOWAIT)))),
	VGPU(GET_CAPS, .needs = FUZZ_3D, .shape = shape_caps, FIELDS(
		IS(drm_virtgpu_get_caps, addr, ROOM), IS(drm_virtgpu_get_caps, size, ZERO, TAME),
		IS(drm_virtgpu_get_caps, cap_set_id, ZERO),
		IS(drm_virtgpu_get_caps, cap_set_ver, ZERO))),
	VGPU(RESOURCE_CREATE_BLOB, .needs = FUZZ_BLOBS, .shape = shape_blob, FIELDS(
		IS(drm_virtgpu_resource_create_blob, blob_mem, ZERO),
		IS(drm_virtgpu_resource_create_blob, blob_flags, FLAGS, TO(3)),
		IS(drm_virtgpu_resource_create_blob, size, ZERO, TAME),
		IS(drm_virtgpu_resource_create_blob, cmd_size, ZERO, TAME),
		IS(drm_virtgpu_resource_create_blob, cmd, ZERO),
		IS(drm_virtgpu_resource_create_blob, blob_id, ZERO),
		IS(drm_virtgpu_resource_create_blob, bo_handle, BO, GIVES))),
	VGPU(CONTEXT_INIT, .weight = 4, .needs = FUZZ_CONTEXTS, .shape = shape_context, FIELDS(
		IS(drm_virtgpu_context_init, num_params, ZERO),
		IS(drm_virtgpu_context_init, pad, ZERO),
		IS(drm_virtgpu_context_init, ctx_set_params, ROOM))),
};

const unsigned int fuzz_num_calls = ARRAY_SIZE(fuzz_calls);
_Static_assert(ARRAY_SIZE(fuzz_calls) <= FUZZ_CALLS, "room for the counts");
