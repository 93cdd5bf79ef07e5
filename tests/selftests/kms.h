/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the display tests share: finding the card, its outputs, framebuffers
 * with a known picture, atomic requests and events with time limits.
 *
 * Every function that can fail returns 0 or a negative errno.
 */
#ifndef TESTS_KMS_H
#define TESTS_KMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <drm_fourcc.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "slow.h"

#define KMS_MAX_OUTPUTS	16

/* A wait for something that the device does ends after this time. */
#define KMS_WAIT_MS	(10000 * slow())

/**
 * struct kms_output - a connector with a CRTC and the CRTC's planes
 * @head: index of the connector: the device's scan-out
 * @pipe: index of the CRTC, for vblank ioctls and possible_crtcs
 */
struct kms_output {
	unsigned int head;
	unsigned int pipe;
	uint32_t connector;
	uint32_t crtc;
	uint32_t primary;
	uint32_t cursor;
	bool connected;
	drmModeModeInfo mode;
};

/**
 * struct kms - an opened card
 * @minor: number of the primary node
 * @klog: /dev/kmsg, at the place where the test began; -1 when not readable
 * @hotspot: the kernel accepted DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT
 */
struct kms {
	int fd;
	int minor;
	int klog;
	bool hotspot;
	unsigned int num_outputs;
	struct kms_output outputs[KMS_MAX_OUTPUTS];
	char events[1024];
	size_t events_len;
};

int kms_open(struct kms *k);
int kms_close(struct kms *k);
int kms_logged(struct kms *k, const char *text);
int kms_open_node(int type, int *minor);
int kms_open_driver(const char *driver, int type, unsigned int index, int *minor);
int kms_scan(struct kms *k);
struct kms_output *kms_connected(struct kms *k);

int kms_ioctl(int fd, unsigned long request, void *arg);

/**
 * struct kms_fb - a dumb buffer, mapped, with a framebuffer on it
 */
struct kms_fb {
	int fd;
	uint32_t id;
	uint32_t handle;
	uint32_t width;
	uint32_t height;
	uint32_t pitch;
	uint32_t format;
	uint64_t size;
	void *map;
};

int kms_dumb_create(int fd, uint32_t width, uint32_t height, uint32_t bpp,
		    struct kms_fb *fb);
int kms_dumb_map(struct kms_fb *fb);
int kms_dumb_destroy(int fd, uint32_t handle);
int kms_fb_create(struct kms *k, uint32_t width, uint32_t height,
		  uint32_t format, struct kms_fb *fb);
void kms_fb_destroy(struct kms_fb *fb);
void kms_fb_draw(struct kms_fb *fb, unsigned int seed);
void kms_fb_fill(struct kms_fb *fb, uint32_t rgb);
void kms_fb_set(struct kms_fb *fb, uint32_t x, uint32_t y, uint32_t argb);
void kms_fb_get_row(const struct kms_fb *fb, uint32_t x, uint32_t y, uint32_t width,
		    uint32_t *rgb);
uint32_t kms_fb_get(const struct kms_fb *fb, uint32_t x, uint32_t y);

uint32_t kms_prop_id(struct kms *k, uint32_t object, const char *name);
int kms_prop_get(struct kms *k, uint32_t object, const char *name,
		 uint64_t *value);

/**
 * struct kms_req - an atomic request; @err keeps the first error of adding
 */
struct kms_req {
	struct kms *k;
	drmModeAtomicReq *req;
	int err;
};

void kms_req_init(struct kms_req *r, struct kms *k);
void kms_req_add(struct kms_req *r, uint32_t object, const char *prop,
		 uint64_t value);
void kms_req_plane(struct kms_req *r, uint32_t plane, uint32_t crtc,
		   const struct kms_fb *fb, int x, int y, uint32_t w,
		   uint32_t h);
void kms_req_output(struct kms_req *r, const struct kms_output *o,
		    const drmModeModeInfo *mode);
int kms_req_commit(struct kms_req *r, uint32_t flags, uint64_t user_data);

int kms_show(struct kms *k, const struct kms_output *o,
	     const struct kms_fb *fb);
int kms_show_mode(struct kms *k, const struct kms_output *o,
		  const drmModeModeInfo *mode, const struct kms_fb *fb);
int kms_flip(struct kms *k, const struct kms_output *o,
	     const struct kms_fb *fb, uint32_t flags, uint64_t user_data);
int kms_off(struct kms *k, const struct kms_output *o);

/**
 * struct kms_event - a flip, vblank or sequence event
 */
struct kms_event {
	uint32_t type;
	uint32_t crtc;
	uint32_t sequence;
	uint64_t time_ns;
	uint64_t user_data;
};

int kms_event(struct kms *k, struct kms_event *ev, int timeout_ms);
int kms_wait_flip(struct kms *k);

int kms_uevent_open(void);
bool kms_uevent_wait(int fd, const char *key, int timeout_ms);

uint64_t kms_now_ns(void);
uint64_t kms_period_ns(const drmModeModeInfo *mode);
void kms_mode(drmModeModeInfo *mode, unsigned int width, unsigned int height,
	      unsigned int hz);

int kms_handles(struct kms *k);

#endif
