/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The fixture of the 3D tests: a render node is open. After each test nothing
 * is left of it: no descriptor in this process, no resource in the driver.
 */
#ifndef TESTS_GPU_TEST_H
#define TESTS_GPU_TEST_H

#include <kselftest_harness.h>

#include "gpu.h"

/* Emulated processors are slow. */
#define LONG_TEST	110

FIXTURE(gpu) {
	int fd;
	int fds;
	int resources;
};

FIXTURE_SETUP(gpu)
{
	self->fd = gpu_open();
	ASSERT_LE(0, self->fd);
	if (!gpu_has(self->fd, VIRTGPU_PARAM_3D_FEATURES))
		SKIP(return, "the host has no 3D");
	self->fds = gpu_open_fds();
	self->resources = gpu_stat("resources");
}

/* Tests close what they open: a descriptor more is a leak of the driver's. */
FIXTURE_TEARDOWN(gpu)
{
	EXPECT_EQ(self->fds, gpu_open_fds());
	close(self->fd);
	EXPECT_EQ(self->resources,
		  gpu_stat_wait("resources", self->resources));
}

#endif
