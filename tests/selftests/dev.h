/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests with the scripted GPU (tests/device) share: its faults and
 * counts, and taking the driver off and on it.
 *
 * Every function that can fail returns 0 or a negative errno.
 */
#ifndef TESTS_DEV_H
#define TESTS_DEV_H

#include <stdbool.h>

#include "gpu.h"
#include "host.h"

int dev_count(const char *type);
int dev_resources(void);
int dev_fault(const char *type, const char *action);
int dev_faults(const char *type, const char *action);
int dev_clear(void);
int dev_wait(const char *type, int count);
int dev_wait_faults(void);

void dev_expect(const char *pattern);

int dev_card(void);
int dev_plug(const char *features);
int dev_replug(const char *features);
int dev_timeout(unsigned int ms);
int dev_works(void);

unsigned long dev_parameter(const char *name, unsigned long value);

#endif
