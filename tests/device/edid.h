/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef DEVICE_EDID_H
#define DEVICE_EDID_H

#include <stddef.h>
#include <stdint.h>

size_t edid_make(uint8_t *edid, uint32_t width, uint32_t height);

#endif
