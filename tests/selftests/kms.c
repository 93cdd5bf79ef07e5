// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "kms.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/netlink.h>

int kms_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, request, arg);
	} while (ret < 0 && errno == EINTR);

	return ret < 0 ? -errno : 0;
}

uint64_t kms_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

uint64_t kms_period_ns(const drmModeModeInfo *mode)
{
	return (uint64_t)mode->htotal * mode->vtotal * 1000000ULL / mode->clock;
}

/* A plain progressive mode; its clock gives exactly @hz within 1 kHz. */
void kms_mode(drmModeModeInfo *mode, unsigned int width, unsigned int height,
	      unsigned int hz)
{
	memset(mode, 0, sizeof(*mode));
	mode->hdisplay = width;
	mode->hsync_start = width + 16;
	mode->hsync_end = width + 48;
	mode->htotal = width + 160;
	mode->vdisplay = height;
	mode->vsync_start = height + 3;
	mode->vsync_end = height + 9;
	mode->vtotal = height + 30;
	mode->clock = ((uint64_t)mode->htotal * mode->vtotal * hz + 999) / 1000;
	mode->vrefresh = hz;
	mode->type = DRM_MODE_TYPE_USERDEF;
	snprintf(mode->name, sizeof(mode->name), "%ux%u", width, height);
}

/* --- the card --- */

static bool is_driver(int fd, const char *name)
{
	drmVersion *version = drmGetVersion(fd);
	bool yes = version && !strcmp(version->name, name);

	drmFreeVersion(version);
	return yes;
}

/*
 * kms_open_driver - open a node of a driver
 * @driver: its DRM name
 * @type: DRM_NODE_PRIMARY or DRM_NODE_RENDER
 * @index: of the driver's devices, from 0
 * @minor: set to the minor number, when not NULL
 */
int kms_open_driver(const char *driver, int type, unsigned int index, int *minor)
{
	const char *name = type == DRM_NODE_RENDER ? "renderD" : "card";
	int first = type == DRM_NODE_RENDER ? 128 : 0;

	for (int i = first; i < first + 64; i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/%s%d", name, i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (is_driver(fd, driver) && !index--) {
			if (minor)
				*minor = i;
			return fd;
		}
		close(fd);
	}
	return -ENODEV;
}

/*
 * kms_open_node - open the first node of a type that virtio_gpu drives
 * @type: DRM_NODE_PRIMARY or DRM_NODE_RENDER
 * @minor: set to the minor number, when not NULL
 */
int kms_open_node(int type, int *minor)
{
	int fd = kms_open_driver("virtio_gpu", type, 0, minor);

	if (fd < 0)
		fprintf(stderr, "# no node is driven by virtio_gpu\n");
	return fd;
}

static uint32_t find_plane(struct kms *k, drmModePlaneRes *planes,
			   unsigned int pipe, uint64_t type)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < planes->count_planes && !found; i++) {
		drmModePlane *p = drmModeGetPlane(k->fd, planes->planes[i]);
		uint64_t value;

		if (!p)
			continue;
		if ((p->possible_crtcs & (1u << pipe)) &&
		    !kms_prop_get(k, p->plane_id, "type", &value) &&
		    value == type)
			found = p->plane_id;
		drmModeFreePlane(p);
	}

	return found;
}

static int scan_output(struct kms *k, drmModeRes *res, drmModePlaneRes *planes,
		       unsigned int i)
{
	struct kms_output *o = &k->outputs[i];
	drmModeConnector *c = drmModeGetConnector(k->fd, res->connectors[i]);

	if (!c)
		return -errno;

	memset(o, 0, sizeof(*o));
	o->head = i;
	o->pipe = i;
	o->connector = c->connector_id;
	o->crtc = res->crtcs[i];
	o->primary = find_plane(k, planes, i, DRM_PLANE_TYPE_PRIMARY);
	o->cursor = find_plane(k, planes, i, DRM_PLANE_TYPE_CURSOR);
	o->connected = c->connection == DRM_MODE_CONNECTED;
	if (c->count_modes)
		o->mode = c->modes[0];
	for (int m = 0; m < c->count_modes; m++) {
		if (c->modes[m].type & DRM_MODE_TYPE_PREFERRED) {
			o->mode = c->modes[m];
			break;
		}
	}
	drmModeFreeConnector(c);
	return 0;
}

/*
 * kms_scan - read the outputs again
 *
 * Connector i goes with CRTC i until a test pairs them otherwise.
 */
int kms_scan(struct kms *k)
{
	drmModeRes *res = drmModeGetResources(k->fd);
	drmModePlaneRes *planes = drmModeGetPlaneResources(k->fd);
	int ret = -EIO;

	if (!res || !planes)
		goto out;

	k->num_outputs = 0;
	for (int i = 0; i < res->count_connectors && i < res->count_crtcs &&
	     i < KMS_MAX_OUTPUTS; i++) {
		ret = scan_output(k, res, planes, i);
		if (ret)
			goto out;
		k->num_outputs++;
	}
	ret = k->num_outputs ? 0 : -ENODEV;
out:
	drmModeFreePlaneResources(planes);
	drmModeFreeResources(res);
	return ret;
}

/* The first connected output, or NULL. */
struct kms_output *kms_connected(struct kms *k)
{
	for (unsigned int i = 0; i < k->num_outputs; i++) {
		if (k->outputs[i].connected)
			return &k->outputs[i];
	}
	return NULL;
}

static int become_master(int fd)
{
	/* A test before this one may still be on its way out. */
	for (int i = 0; i < 200; i++) {
		if (!drmSetMaster(fd))
			return 0;
		usleep(10000);
	}
	return -errno;
}

/*
 * kms_open - open the card as its master, with all client capabilities
 */
int kms_open(struct kms *k)
{
	int ret;

	memset(k, 0, sizeof(*k));
	k->klog = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (k->klog >= 0)
		lseek(k->klog, 0, SEEK_END);

	k->fd = kms_open_node(DRM_NODE_PRIMARY, &k->minor);
	if (k->fd < 0)
		return k->fd;

	ret = become_master(k->fd);
	if (!ret)
		ret = drmSetClientCap(k->fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES,
				      1);
	if (!ret)
		ret = drmSetClientCap(k->fd, DRM_CLIENT_CAP_ATOMIC, 1);
	if (ret)
		return ret;
	k->hotspot = !drmSetClientCap(k->fd,
				      DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT, 1);

	return kms_scan(k);
}

static bool bad_line(const char *line)
{
	static const char * const bad[] = {
		"WARNING:", "BUG:", "Oops", "general protection fault",
		"possible circular locking", "suspicious RCU", "*ERROR*",
		"blocked for more than", "vblank wait timed out",
		"rcu_preempt detected stalls",
	};

	/* races in which the driver has no part */
	if (strstr(line, "KCSAN: data-race in") && !strstr(line, "[virtio_gpu]"))
		return false;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (strstr(line, bad[i]))
			return true;
	}
	return false;
}

/* The next line of the log; false when there is none yet. */
static bool klog_line(int fd, char *line, size_t size)
{
	ssize_t len;

	do {
		len = read(fd, line, size - 1);
	} while (len < 0 && errno == EPIPE);
	line[len > 0 ? len : 0] = 0;
	return len > 0;
}

/* Number of kernel log lines since kms_open() that tell of a fault. */
static int klog_faults(int fd)
{
	char line[8192];
	int bad = 0;

	while (klog_line(fd, line, sizeof(line))) {
		if (bad_line(line)) {
			fprintf(stderr, "# kernel log: %s", line);
			bad++;
		}
	}
	return bad;
}

/*
 * kms_logged - look for a text in the kernel's log
 *
 * Returns: the number of lines with it since kms_open() or the last call.
 */
int kms_logged(struct kms *k, const char *text)
{
	char line[8192];
	int n = 0;

	while (klog_line(k->klog, line, sizeof(line)))
		n += !!strstr(line, text);
	return n;
}

/*
 * kms_close - close the card
 *
 * Returns: the number of faults in the kernel log since kms_open().
 */
int kms_close(struct kms *k)
{
	int bad = 0;

	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
	if (k->klog >= 0) {
		bad = klog_faults(k->klog);
		close(k->klog);
	}
	k->klog = -1;
	return bad;
}

/*
 * kms_handles - number of the next free GEM handle
 *
 * Handles are given out lowest first, so a handle that leaks shows itself as
 * a bigger number.
 */
int kms_handles(struct kms *k)
{
	struct kms_fb fb;
	int ret = kms_dumb_create(k->fd, 16, 16, 32, &fb);

	if (ret)
		return ret;
	kms_dumb_destroy(k->fd, fb.handle);
	return fb.handle;
}

/* --- framebuffers --- */

struct layout {
	uint32_t format;
	uint8_t bpp;
	uint8_t depth[3];
	uint8_t shift[3];
	int8_t alpha;
};

static const struct layout layouts[] = {
	{ DRM_FORMAT_XRGB8888, 32, { 8, 8, 8 }, { 16, 8, 0 }, 24 },
	{ DRM_FORMAT_ARGB8888, 32, { 8, 8, 8 }, { 16, 8, 0 }, 24 },
	{ DRM_FORMAT_XBGR8888, 32, { 8, 8, 8 }, { 0, 8, 16 }, 24 },
	{ DRM_FORMAT_ABGR8888, 32, { 8, 8, 8 }, { 0, 8, 16 }, 24 },
	{ DRM_FORMAT_RGBX8888, 32, { 8, 8, 8 }, { 24, 16, 8 }, 0 },
	{ DRM_FORMAT_RGBA8888, 32, { 8, 8, 8 }, { 24, 16, 8 }, 0 },
	{ DRM_FORMAT_BGRX8888, 32, { 8, 8, 8 }, { 8, 16, 24 }, 0 },
	{ DRM_FORMAT_BGRA8888, 32, { 8, 8, 8 }, { 8, 16, 24 }, 0 },
	{ DRM_FORMAT_RGB565, 16, { 5, 6, 5 }, { 11, 5, 0 }, -1 },
};

static const struct layout *layout(uint32_t format)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (layouts[i].format == format)
			return &layouts[i];
	}
	return NULL;
}

int kms_dumb_destroy(int fd, uint32_t handle)
{
	struct drm_mode_destroy_dumb arg = { .handle = handle };

	return kms_ioctl(fd, DRM_IOCTL_MODE_DESTROY_DUMB, &arg);
}

/* Creates without mapping; fills handle, pitch and size of @fb. */
int kms_dumb_create(int fd, uint32_t width, uint32_t height, uint32_t bpp,
		    struct kms_fb *fb)
{
	struct drm_mode_create_dumb arg = {
		.width = width, .height = height, .bpp = bpp,
	};
	int ret = kms_ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &arg);

	memset(fb, 0, sizeof(*fb));
	if (ret)
		return ret;

	fb->fd = fd;
	fb->handle = arg.handle;
	fb->width = width;
	fb->height = height;
	fb->pitch = arg.pitch;
	fb->size = arg.size;
	return 0;
}

int kms_dumb_map(struct kms_fb *fb)
{
	struct drm_mode_map_dumb arg = { .handle = fb->handle };
	int ret = kms_ioctl(fb->fd, DRM_IOCTL_MODE_MAP_DUMB, &arg);

	if (ret)
		return ret;

	fb->map = mmap(NULL, fb->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       fb->fd, arg.offset);
	if (fb->map == MAP_FAILED) {
		fb->map = NULL;
		return -errno;
	}
	return 0;
}

int kms_fb_create(struct kms *k, uint32_t width, uint32_t height,
		  uint32_t format, struct kms_fb *fb)
{
	const struct layout *l = layout(format);
	uint32_t handles[4] = {}, pitches[4] = {}, offsets[4] = {};
	int ret;

	ret = kms_dumb_create(k->fd, width, height, l->bpp, fb);
	if (ret)
		return ret;
	fb->format = format;
	ret = kms_dumb_map(fb);
	if (ret)
		goto fail;

	handles[0] = fb->handle;
	pitches[0] = fb->pitch;
	ret = drmModeAddFB2(k->fd, width, height, format, handles, pitches,
			    offsets, &fb->id, 0);
	if (!ret)
		return 0;
fail:
	kms_fb_destroy(fb);
	return ret;
}

void kms_fb_destroy(struct kms_fb *fb)
{
	if (fb->id)
		drmModeRmFB(fb->fd, fb->id);
	if (fb->map)
		munmap(fb->map, fb->size);
	if (fb->handle)
		kms_dumb_destroy(fb->fd, fb->handle);
	memset(fb, 0, sizeof(*fb));
}

static void *pixel(const struct kms_fb *fb, const struct layout *l, uint32_t x,
		   uint32_t y)
{
	return (char *)fb->map + (size_t)y * fb->pitch + x * l->bpp / 8;
}

static uint32_t pack(const struct layout *l, uint32_t argb)
{
	uint32_t value = 0;

	for (int i = 0; i < 3; i++) {
		uint32_t c = (argb >> (16 - 8 * i)) & 0xff;

		value |= (c >> (8 - l->depth[i])) << l->shift[i];
	}
	if (l->alpha >= 0)
		value |= (argb >> 24) << l->alpha;
	return value;
}

/* 8 bits a colour: missing low bits repeat the high ones, as DRM does. */
static uint32_t unpack(const struct layout *l, uint32_t value)
{
	uint32_t rgb = 0;

	for (int i = 0; i < 3; i++) {
		uint32_t c = value >> l->shift[i];

		c &= (1 << l->depth[i]) - 1;
		c <<= 8 - l->depth[i];
		rgb = rgb << 8 | c | c >> l->depth[i];
	}
	return rgb;
}

void kms_fb_set(struct kms_fb *fb, uint32_t x, uint32_t y, uint32_t argb)
{
	const struct layout *l = layout(fb->format);

	if (l->bpp == 32)
		*(uint32_t *)pixel(fb, l, x, y) = pack(l, argb);
	else
		*(uint16_t *)pixel(fb, l, x, y) = pack(l, argb);
}

/* The pixel as the screen shows it, 0xRRGGBB. */
uint32_t kms_fb_get(const struct kms_fb *fb, uint32_t x, uint32_t y)
{
	const struct layout *l = layout(fb->format);

	if (l->bpp == 32)
		return unpack(l, *(uint32_t *)pixel(fb, l, x, y));
	return unpack(l, *(uint16_t *)pixel(fb, l, x, y));
}

/* Formats in which a pixel is 0xAARRGGBB: by far the most, in the fast way. */
static bool is_argb(const struct kms_fb *fb)
{
	return fb->format == DRM_FORMAT_XRGB8888 || fb->format == DRM_FORMAT_ARGB8888;
}

static uint32_t *row(const struct kms_fb *fb, uint32_t y)
{
	return (uint32_t *)((char *)fb->map + (size_t)y * fb->pitch);
}

/* As kms_fb_get(), @width pixels from @x on. */
void kms_fb_get_row(const struct kms_fb *fb, uint32_t x, uint32_t y, uint32_t width,
		    uint32_t *rgb)
{
	const uint32_t *from = row(fb, y);

	for (uint32_t i = 0; i < width; i++)
		rgb[i] = is_argb(fb) ? from[x + i] & 0xffffff : kms_fb_get(fb, x + i, y);
}

/*
 * kms_fb_draw - draw a picture in which no two rows or columns are alike
 *
 * Colours and alpha change with place and @seed, so that a shift, a swapped
 * colour, a stale part or a blended alpha shows.
 */
void kms_fb_draw(struct kms_fb *fb, unsigned int seed)
{
	for (uint32_t y = 0; y < fb->height; y++) {
		uint32_t *to = row(fb, y);

		for (uint32_t x = 0; x < fb->width; x++) {
			uint32_t r = x + seed * 61;
			uint32_t g = y + seed * 37;
			uint32_t b = (x / 8 ^ y / 8) * 8 + seed * 101;
			uint32_t a = x + y;

			uint32_t argb = (a & 0xff) << 24 | (r & 0xff) << 16 |
					(g & 0xff) << 8 | (b & 0xff);

			if (is_argb(fb))
				to[x] = argb;
			else
				kms_fb_set(fb, x, y, argb);
		}
	}
}

void kms_fb_fill(struct kms_fb *fb, uint32_t rgb)
{
	for (uint32_t y = 0; y < fb->height; y++) {
		uint32_t *to = row(fb, y);

		for (uint32_t x = 0; x < fb->width; x++) {
			if (is_argb(fb))
				to[x] = 0xff000000 | rgb;
			else
				kms_fb_set(fb, x, y, 0xff000000 | rgb);
		}
	}
}

/* --- properties and atomic requests --- */

static int find_prop(struct kms *k, uint32_t object, const char *name,
		     uint32_t *id, uint64_t *value)
{
	drmModeObjectProperties *props;
	int ret = -ENOENT;

	props = drmModeObjectGetProperties(k->fd, object, DRM_MODE_OBJECT_ANY);
	if (!props)
		return -errno;

	for (uint32_t i = 0; i < props->count_props && ret; i++) {
		drmModePropertyRes *p = drmModeGetProperty(k->fd,
							   props->props[i]);

		if (p && !strcmp(p->name, name)) {
			*id = p->prop_id;
			*value = props->prop_values[i];
			ret = 0;
		}
		drmModeFreeProperty(p);
	}
	drmModeFreeObjectProperties(props);
	return ret;
}

/* The property's id on that object, 0 when it has none of the name. */
uint32_t kms_prop_id(struct kms *k, uint32_t object, const char *name)
{
	uint32_t id = 0;
	uint64_t value;

	find_prop(k, object, name, &id, &value);
	return id;
}

int kms_prop_get(struct kms *k, uint32_t object, const char *name,
		 uint64_t *value)
{
	uint32_t id;

	return find_prop(k, object, name, &id, value);
}

void kms_req_init(struct kms_req *r, struct kms *k)
{
	r->k = k;
	r->req = drmModeAtomicAlloc();
	r->err = r->req ? 0 : -ENOMEM;
}

void kms_req_add(struct kms_req *r, uint32_t object, const char *prop,
		 uint64_t value)
{
	uint32_t id = kms_prop_id(r->k, object, prop);
	int ret;

	if (!id) {
		fprintf(stderr, "# object %u has no property %s\n", object,
			prop);
		r->err = r->err ?: -ENOENT;
		return;
	}
	ret = drmModeAtomicAddProperty(r->req, object, id, value);
	if (ret < 0)
		r->err = r->err ?: ret;
}

/* Shows the top left @w x @h pixels of @fb at @x, @y; NULL turns it off. */
void kms_req_plane(struct kms_req *r, uint32_t plane, uint32_t crtc,
		   const struct kms_fb *fb, int x, int y, uint32_t w,
		   uint32_t h)
{
	kms_req_add(r, plane, "FB_ID", fb ? fb->id : 0);
	kms_req_add(r, plane, "CRTC_ID", fb ? crtc : 0);
	if (!fb)
		return;
	kms_req_add(r, plane, "SRC_X", 0);
	kms_req_add(r, plane, "SRC_Y", 0);
	kms_req_add(r, plane, "SRC_W", (uint64_t)w << 16);
	kms_req_add(r, plane, "SRC_H", (uint64_t)h << 16);
	kms_req_add(r, plane, "CRTC_X", (uint64_t)(int64_t)x);
	kms_req_add(r, plane, "CRTC_Y", (uint64_t)(int64_t)y);
	kms_req_add(r, plane, "CRTC_W", w);
	kms_req_add(r, plane, "CRTC_H", h);
}

/* Turns the output on with @mode, or off with NULL. */
void kms_req_output(struct kms_req *r, const struct kms_output *o,
		    const drmModeModeInfo *mode)
{
	uint32_t blob = 0;
	int ret;

	if (mode) {
		ret = drmModeCreatePropertyBlob(r->k->fd, mode, sizeof(*mode),
						&blob);
		if (ret)
			r->err = r->err ?: ret;
	}
	kms_req_add(r, o->connector, "CRTC_ID", mode ? o->crtc : 0);
	kms_req_add(r, o->crtc, "MODE_ID", blob);
	kms_req_add(r, o->crtc, "ACTIVE", !!mode);
}

/* Commits and frees the request. */
int kms_req_commit(struct kms_req *r, uint32_t flags, uint64_t user_data)
{
	int ret = r->err;

	if (!ret)
		ret = drmModeAtomicCommit(r->k->fd, r->req, flags,
					  (void *)(uintptr_t)user_data);
	drmModeAtomicFree(r->req);
	r->req = NULL;
	return ret;
}

int kms_show_mode(struct kms *k, const struct kms_output *o,
		  const drmModeModeInfo *mode, const struct kms_fb *fb)
{
	struct kms_req r;

	kms_req_init(&r, k);
	kms_req_output(&r, o, mode);
	kms_req_plane(&r, o->primary, o->crtc, fb, 0, 0, mode->hdisplay,
		      mode->vdisplay);
	return kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET, 0);
}

int kms_show(struct kms *k, const struct kms_output *o,
	     const struct kms_fb *fb)
{
	return kms_show_mode(k, o, &o->mode, fb);
}

int kms_flip(struct kms *k, const struct kms_output *o,
	     const struct kms_fb *fb, uint32_t flags, uint64_t user_data)
{
	struct kms_req r;

	kms_req_init(&r, k);
	kms_req_add(&r, o->primary, "FB_ID", fb->id);
	return kms_req_commit(&r, flags, user_data);
}

int kms_off(struct kms *k, const struct kms_output *o)
{
	struct kms_req r;

	kms_req_init(&r, k);
	kms_req_output(&r, o, NULL);
	kms_req_plane(&r, o->primary, 0, NULL, 0, 0, 0, 0);
	if (o->cursor)
		kms_req_plane(&r, o->cursor, 0, NULL, 0, 0, 0, 0);
	return kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET, 0);
}

/* --- events --- */

static void decode_event(const struct drm_event *e, struct kms_event *ev)
{
	const struct drm_event_vblank *vbl = (const void *)e;
	const struct drm_event_crtc_sequence *seq = (const void *)e;

	memset(ev, 0, sizeof(*ev));
	ev->type = e->type;
	if (e->type == DRM_EVENT_CRTC_SEQUENCE) {
		ev->sequence = seq->sequence;
		ev->time_ns = seq->time_ns;
		ev->user_data = seq->user_data;
		return;
	}
	ev->crtc = vbl->crtc_id;
	ev->sequence = vbl->sequence;
	ev->time_ns = vbl->tv_sec * 1000000000ULL + vbl->tv_usec * 1000ULL;
	ev->user_data = vbl->user_data;
}

/*
 * kms_event - take the next event of the card
 *
 * Returns: 0, -ETIME when none came within @timeout_ms, or another error.
 */
int kms_event(struct kms *k, struct kms_event *ev, int timeout_ms)
{
	struct pollfd p = { .fd = k->fd, .events = POLLIN };
	struct drm_event *e = (void *)k->events;
	ssize_t len;
	int ret;

	if (!k->events_len) {
		ret = poll(&p, 1, timeout_ms);
		if (ret < 0)
			return -errno;
		if (!ret)
			return -ETIME;
		len = read(k->fd, k->events, sizeof(k->events));
		if (len < 0)
			return -errno;
		k->events_len = len;
	}
	if (k->events_len < sizeof(*e) || e->length < sizeof(*e) ||
	    e->length > k->events_len)
		return -EPROTO;

	decode_event(e, ev);
	k->events_len -= e->length;
	memmove(k->events, k->events + e->length, k->events_len);
	return 0;
}

/* Waits until one page flip is done. */
int kms_wait_flip(struct kms *k)
{
	struct kms_event ev;
	int ret = kms_event(k, &ev, KMS_WAIT_MS);

	if (!ret && ev.type != DRM_EVENT_FLIP_COMPLETE)
		ret = -EPROTO;
	return ret;
}

/* --- uevents --- */

int kms_uevent_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -errno;
	}
	return fd;
}

static bool uevent_has(const char *buf, size_t len, const char *key)
{
	for (size_t i = 0; i < len; i += strlen(buf + i) + 1) {
		if (!strcmp(buf + i, key))
			return true;
	}
	return false;
}

/* Waits for an event of the drm subsystem with the line @key ("HOTPLUG=1"). */
bool kms_uevent_wait(int fd, const char *key, int timeout_ms)
{
	uint64_t end = kms_now_ns() + timeout_ms * 1000000ULL;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[8192];

	for (;;) {
		uint64_t now = kms_now_ns();
		ssize_t len;

		if (now >= end || poll(&p, 1, (end - now) / 1000000 + 1) <= 0)
			return false;
		len = recv(fd, buf, sizeof(buf) - 1, 0);
		if (len <= 0)
			continue;
		buf[len] = 0;
		if (uevent_has(buf, len, "SUBSYSTEM=drm") &&
		    uevent_has(buf, len, key))
			return true;
	}
}
