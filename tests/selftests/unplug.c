// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The GPU goes under load and comes back, again and again: as a PCI device that
 * is removed and found again, as one that the driver is taken from and given, and
 * with the whole module.
 *
 * UNPLUG_CYCLES in the environment is how often (the kernel's command line sets it,
 * too); without it 50 for each way, and fewer on a slow kernel.
 */
#include "unplug.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "figure.h"
#include "reset.h"
#include "slow.h"

#define DRIVER	"/sys/bus/virtio/drivers/virtio_gpu"
#define MODULE	"virtio_gpu"

/* The virtio device, "virtio2", and the PCI device that it is */
static char virtio[32];
static char pci[PATH_MAX];

static int find_device(void)
{
	char link[128];
	glob_t found;
	int ret = glob(DRIVER "/virtio*", 0, NULL, &found);

	if (ret)
		return -ENODEV;
	snprintf(virtio, sizeof(virtio), "%s", strrchr(found.gl_pathv[0], '/') + 1);
	snprintf(link, sizeof(link), "%s/..", found.gl_pathv[0]);
	globfree(&found);
	return realpath(link, pci) ? 0 : -errno;
}

/* ---- ways to go and to come ---------------------------------------------- */

static int pci_remove(void)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/remove", pci);
	return write_file(path, "1\n");
}

static int pci_rescan(void)
{
	return write_file("/sys/bus/pci/rescan", "1\n") ?: unplug_wait_card() ?: find_device();
}

static int unbind(void)
{
	return write_file(DRIVER "/unbind", virtio);
}

static int bind(void)
{
	return write_file(DRIVER "/bind", virtio);
}

static int module_remove(void)
{
	return syscall(SYS_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

/* Commands end a moment later than the programs that they were for. */
static int module_remove_soon(void)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;
	int ret;

	do {
		ret = module_remove();
		if (ret != -EAGAIN && ret != -EBUSY)
			return ret;
		usleep(20000);
	} while (kms_now_ns() < end);
	return ret;
}

static int module_load(void)
{
	return system("modprobe " MODULE) ? -ENODEV : unplug_wait_card();
}

/* ---- tests --------------------------------------------------------------- */

FIXTURE(unplug) {
	struct load load;
};

FIXTURE_SETUP(unplug)
{
	ASSERT_EQ(0, find_device());
	ASSERT_EQ(0, load_init(&self->load));
}

/* Nothing holds the module, and it has freed all that it had of its own. */
FIXTURE_TEARDOWN(unplug)
{
	load_fini(&self->load);
	EXPECT_EQ(0, module_remove_soon());
	write_file("/sys/bus/pci/rescan", "1\n");
	EXPECT_EQ(0, module_load());
}

FIXTURE(fence) {
	int fence;
};

FIXTURE_SETUP(fence)
{
	ASSERT_EQ(0, find_device());
}

FIXTURE_TEARDOWN(fence)
{
	EXPECT_EQ(0, module_remove_soon());
	EXPECT_EQ(0, module_load());
}

/* What a program keeps of a fence does not need the module, or else keeps it. */
TEST_F_TIMEOUT(fence, outlives_the_module, UNPLUG_TEST)
{
	struct drm_virtgpu_execbuffer nop = gpu_nop();
	int fd = gpu_open(), ret;

	ASSERT_LE(0, fd);
	if (!gpu_has(fd, VIRTGPU_PARAM_3D_FEATURES)) {
		close(fd);
		SKIP(return, "the host has no 3D");
	}
	ASSERT_EQ(0, gpu_exec_fence(fd, &nop, &self->fence));
	ASSERT_EQ(0, gpu_fence_wait(self->fence, KMS_WAIT_MS));
	close(fd);
	ret = module_remove();
	EXPECT_TRUE(!ret || ret == -EAGAIN);
	EXPECT_EQ(1, gpu_fence_status(self->fence));
	close(self->fence);
	if (!ret)
		EXPECT_EQ(0, module_load());
}

FIXTURE_VARIANT(unplug) {
	int (*unplug)(void);
	int (*plug)(void);
};

FIXTURE_VARIANT_ADD(unplug, pci) {
	.unplug = pci_remove, .plug = pci_rescan,
};

FIXTURE_VARIANT_ADD(unplug, driver) {
	.unplug = unbind, .plug = bind,
};

TEST_F_TIMEOUT(unplug, under_load, UNPLUG_TEST)
{
	int cycles = load_cycles(slow() > 1 ? 10 : 50), ret = 0, i;

	for (i = 0; i < cycles && !ret; i++)
		ret = unplug_round(&self->load, LOAD_ALL, variant->unplug, variant->plug);
	EXPECT_EQ(0, ret);
	TH_LOG("%d rounds: %s", i, load_text(&self->load));
	figure("times that the GPU went under load and came back", i);
}

/* With clients there is no rmmod; without the device and them there is. */
TEST_F_TIMEOUT(unplug, module_in_use, UNPLUG_TEST)
{
	int cycles = load_cycles(slow() > 1 ? 2 : 25), i;

	for (i = 0; i < cycles; i++) {
		ASSERT_EQ(0, load_start(&self->load, LOAD_ALL));
		EXPECT_EQ(-EAGAIN, module_remove());
		ASSERT_EQ(0, variant->unplug());
		ASSERT_EQ(0, load_wait(&self->load, LOAD_BUSY));
		EXPECT_EQ(-EAGAIN, module_remove());
		ASSERT_EQ(0, load_release(&self->load));
		ASSERT_EQ(0, module_remove_soon());
		ASSERT_EQ(0, variant->plug == bind ? 0 : write_file("/sys/bus/pci/rescan", "1\n"));
		ASSERT_EQ(0, module_load());
		ASSERT_EQ(0, find_device());
	}
	TH_LOG("%d rounds: %s", i, load_text(&self->load));
	figure("times that the GPU went under load and came back", i);
}

TEST_HARNESS_MAIN
