/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Contexts of 3D, and capability sets. Submissions are taken, and do nothing.
 */
#ifndef DEVICE_CONTEXT_H
#define DEVICE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

struct command;

bool context_exists(uint32_t id);
bool context_has(uint32_t id, uint32_t resource);
void context_forget(uint32_t resource);
void context_refused(uint32_t id);
void context_refused_attach(uint32_t id);
uint32_t context_not_attached(const struct command *c, uint32_t resource);
uint32_t context_missing(const struct command *c);
void context_free_all(void);

#endif
