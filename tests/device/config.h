/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Features and the configuration space.
 */
#ifndef DEVICE_CONFIG_H
#define DEVICE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

int config_parse_features(const char *list);
uint64_t config_features(void);
void config_accept(uint64_t features);
uint64_t config_accepted_features(void);

size_t config_read(uint8_t *to, size_t size);
void config_write(size_t offset, const uint8_t *from, size_t size);
void config_tell_truth(void);
int config_set(const char *field, const uint32_t *value);

void config_event(void);

#endif
