/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the parts of virtgpu_test.ko know of each other.
 *
 * Functions that serve an ioctl get its argument in kernel memory, and return 0
 * or a negative errno. They sleep, and take the reservation lock of the buffer
 * that they are about.
 */
#ifndef TEST_MODULE_H
#define TEST_MODULE_H

#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "virtgpu_test.h"

/**
 * struct test_file - an open file
 * @lock: protects @imports and what they point to
 * @imports: struct test_import by id
 */
struct test_file {
	struct mutex lock;
	struct xarray imports;
};

extern struct device *test_device;

int test_export(struct test_file *file, void *arg);
int test_faults(struct test_file *file, void *arg);
int test_move(struct test_file *file, void *arg);
int test_fence_add(struct test_file *file, void *arg);
int test_fence_signal(struct test_file *file, void *arg);
int test_stats(struct test_file *file, void *arg);

int test_import(struct test_file *file, void *arg);
int test_map(struct test_file *file, void *arg);
int test_unmap(struct test_file *file, void *arg);
int test_detach(struct test_file *file, void *arg);
int test_access(struct test_file *file, void *arg);
int test_uuid(struct test_file *file, void *arg);
int test_break(struct test_file *file, void *arg);
int test_panic(struct test_file *file, void *arg);
void test_imports_release(struct test_file *file);

struct dma_fence *test_fence_create(void);
void test_fence_end(struct dma_fence *fence, int error);

#endif
