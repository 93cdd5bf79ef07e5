/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Outputs: what the guest is told of them, and what they show.
 */
#ifndef DEVICE_DISPLAY_H
#define DEVICE_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edid.h"

struct resource;

void display_init(void);
void display_reset(void);
void display_forget(struct resource *r);
bool display_shows(const struct resource *r);
void display_refused(uint32_t head);
int display_set_edid(uint32_t head, enum edid_fault fault);
int display_set(uint32_t head, uint32_t width, uint32_t height, uint32_t x, uint32_t y);

int display_shot(uint32_t head, const char *path);
int display_cursor(uint32_t head, const char *path, char *answer, size_t size);

#endif
