/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The control socket: one line a request, one line in answer. control_help
 * says which there are.
 */
#ifndef DEVICE_CONTROL_H
#define DEVICE_CONTROL_H

#include <poll.h>

#define CONTROL_CLIENTS	8

extern const char control_help[];

int control_listen(const char *path);
unsigned int control_poll(struct pollfd *p);
void control_serve(const struct pollfd *p, unsigned int count);
int control_script(const char *path);

#endif
