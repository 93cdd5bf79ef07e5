/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What a desktop does, in small pieces: pictures, cursors, rendering, memory of
 * the host, shared buffers. For tests in which any of it may fail at any time.
 *
 * Each piece leaves nothing behind but what is on the screen, and returns 0 or
 * the first negative errno that it met, -ETIME for a fence or an event that did
 * not come within LOAD_WAIT_MS.
 */
#ifndef TESTS_DEV_LOAD_H
#define TESTS_DEV_LOAD_H

#include <stdbool.h>

#include "gpu.h"
#include "kms.h"

#define LOAD_WIDTH	320
#define LOAD_HEIGHT	240
#define LOAD_WAIT_MS	2000

/**
 * struct desktop - the card, an output of it, and two framebuffers for that
 * @front: which of the two was shown last
 * @flips: events that have not come yet
 * @drawn: so many pictures
 */
struct desktop {
	struct kms k;
	struct kms_output *o;
	drmModeModeInfo mode;
	struct kms_fb fb[2];
	struct kms_fb cursor;
	unsigned int front;
	unsigned int flips;
	unsigned int drawn;
};

int desktop_open(struct desktop *d);
int desktop_close(struct desktop *d);

int desktop_show(struct desktop *d);
int desktop_flip(struct desktop *d);
int desktop_damage(struct desktop *d);
int desktop_window(struct desktop *d);
int desktop_blob(struct desktop *d);
int desktop_import(struct desktop *d);
int desktop_cursor(struct desktop *d);
int desktop_move(struct desktop *d);
int desktop_off(struct desktop *d);
int desktop_probe(struct desktop *d);

int load_exec(int fd);
int load_render(int fd);
int load_client(void);
int load_host_memory(int fd);
int load_guest_blob(int fd);
int load_share(int fd);
int load_caps(int fd);

#endif
