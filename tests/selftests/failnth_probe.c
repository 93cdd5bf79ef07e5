// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * No memory while the driver takes a device, resets it, and lets go of it: see
 * failnth.c.
 *
 * FAILNTH_PROBES says how many allocations of the driver's probe fail, of the
 * thousands that there are; FAILNTH_SEED says which.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "dev.h"
#include "faults.h"
#include "figure.h"
#include "param.h"
#include "reset.h"

#define DRIVER	"/sys/bus/virtio/drivers/virtio_gpu/"

/* Name of the device on the virtio bus */
static int device_name(char *name, size_t size)
{
	glob_t found;

	if (glob(DRIVER "virtio*", 0, NULL, &found))
		return -ENODEV;
	snprintf(name, size, "%s", strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	return 0;
}

FIXTURE(probe) {
	int file;
	int control;
	char device[32];
};

FIXTURE_SETUP(probe)
{
	if (faults_missing())
		SKIP(return, "%s", faults_missing());
	dev_expect("probe .*-12|probe with driver virtio_gpu failed|kobject_add|sysfs: cannot|"
		   "during unload failed with -12|fbdev: Failed to setup emulation|"
		   "Failed to register client: -12|driver_sysfs_add failed|drm_dev_init|"
		   "workqueue: Failed");
	ASSERT_EQ(0, faults_setup());
	ASSERT_EQ(0, system("modprobe virtgpu_spare"))
		TH_LOG("the test module for functions without faults does not load");
	self->file = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, device_name(self->device, sizeof(self->device)));
}

FIXTURE_TEARDOWN(probe)
{
	close(self->file);
	EXPECT_EQ(0, system("modprobe -r virtgpu_spare"));
}

static bool has_card(void)
{
	int fd = kms_open_driver("virtio_gpu", DRM_NODE_PRIMARY, 0, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Returns: whether the fault was met. */
static bool write_with_fault(int file, const char *path, const char *text, unsigned int nth,
			     int *ret)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool met;

	*ret = faults_arm(file, nth);
	if (!*ret && write(fd, text, strlen(text)) < 0)
		*ret = -errno;
	met = faults_disarm(file);
	close(fd);
	return met;
}

/*
 * A driver that got no memory in its probe, or did not need it, and one that
 * has all it wants afterwards.
 */
TEST_F_TIMEOUT(probe, probes, PARAM_NO_LIMIT)
{
	unsigned long probes = param("FAILNTH_PROBES", 30), refused = 0, i;
	unsigned int nth = 1, last = 0;
	bool met = true;
	int ret;

	srandom(param("FAILNTH_SEED", 1));
	for (i = 0; i < probes && met; i++) {
		ASSERT_EQ(0, write_file(DRIVER "unbind", self->device));
		met = write_with_fault(self->file, DRIVER "bind", self->device, nth, &ret);
		if (met && ret) {
			refused++;
			EXPECT_FALSE(has_card());
			ASSERT_EQ(0, write_file(DRIVER "bind", self->device))
				TH_LOG("after fault %u", nth);
		} else if (met && !has_card()) {
			/* there was no memory for the node, which nobody is told */
			ASSERT_EQ(0, write_file(DRIVER "unbind", self->device));
			ASSERT_EQ(0, write_file(DRIVER "bind", self->device));
		}
		ASSERT_TRUE(has_card())
			TH_LOG("after fault %u", nth);
		if (!met)
			EXPECT_EQ(0, ret);
		last = nth;
		nth += probes >= FAULTS_MOST ? 1 : 1 + random() % 80;
	}
	TH_LOG("probes that failed: %lu, the last fault: %u", refused, last);
	figure("allocations that failed in a probe", i);
	EXPECT_LT(0, refused);
}

/* Unbinding gives all back, whatever memory there is. */
TEST_F_TIMEOUT(probe, unbinds, PARAM_NO_LIMIT)
{
	bool met = true;
	int ret;

	for (unsigned int nth = 1; met && nth < 200; nth += 1 + nth / 2) {
		met = write_with_fault(self->file, DRIVER "unbind", self->device, nth, &ret);
		if (ret) {
			EXPECT_EQ(-ENOMEM, ret);
			ASSERT_EQ(0, write_file(DRIVER "unbind", self->device));
		}
		EXPECT_FALSE(has_card());
		ASSERT_EQ(0, write_file(DRIVER "bind", self->device));
		ASSERT_TRUE(has_card());
	}
}

/* An allocation fails while the device is reset: it is reset again by itself. */
TEST_F_TIMEOUT(probe, resets, PARAM_NO_LIMIT)
{
	unsigned long resets = param("FAILNTH_RESETS", 20), met = 0;
	struct kms_output *o;
	struct kms_fb fb;
	struct kms k;

	NEED_HOST();
	dev_expect("device cannot be reset: -12");
	ASSERT_EQ(0, kms_open(&k));
	o = kms_connected(&k);
	ASSERT_TRUE(o);
	ASSERT_EQ(0, kms_fb_create(&k, o->mode.hdisplay, o->mode.vdisplay, DRM_FORMAT_XRGB8888,
				   &fb));
	kms_fb_draw(&fb, 3);
	for (unsigned long i = 0; i < resets; i++) {
		ASSERT_EQ(0, kms_show(&k, o, &fb));
		ASSERT_EQ(0, faults_of_driver(1 + 40 * i / resets));
		EXPECT_EQ(0, reset_device(&k));
		met += faults_met();
		ASSERT_EQ(0, faults_of_driver(0));
		EXPECT_EQ(0, host_diff_fb_soon(o->head, &fb, KMS_WAIT_MS))
			TH_LOG("after reset %lu", i);
	}
	figure("allocations that failed in a reset", met);
	EXPECT_LT(0, met);
	kms_fb_destroy(&fb);
	/* what it finds in the log is what was announced above */
	kms_close(&k);
}

TEST_HARNESS_MAIN
