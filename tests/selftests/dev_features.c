// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Each kind of host: the driver takes what is there, uses no command of what
 * is not (the device would say so), and shows pictures on all of them. Hosts
 * that come, go, and say nonsense of themselves.
 */
#include <kselftest_harness.h>

#include <errno.h>

#include "dev.h"

#define LONG_TEST	110

FIXTURE(host) {
	bool there;
};

FIXTURE_SETUP(host)
{
	NEED_DEVICE();
	ASSERT_EQ(0, dev_clear());
	self->there = true;
}

FIXTURE_TEARDOWN(host)
{
	if (!self->there)
		return;
	EXPECT_EQ(0, dev_clear());
	EXPECT_EQ(0, dev_timeout(0));
}

/* A picture is shown, and is right. */
static void check_picture(struct __test_metadata *_metadata, unsigned int seed)
{
	struct kms_output *o;
	struct kms_fb fb;
	struct kms k;

	ASSERT_EQ(0, kms_open(&k));
	o = kms_connected(&k);
	ASSERT_TRUE(o);
	ASSERT_EQ(0, kms_fb_create(&k, o->mode.hdisplay, o->mode.vdisplay,
				   DRM_FORMAT_XRGB8888, &fb));
	kms_fb_draw(&fb, seed);
	EXPECT_EQ(0, kms_show(&k, o, &fb));
	EXPECT_EQ(0, host_diff_fb(o->head, &fb));
	kms_fb_destroy(&fb);
	EXPECT_EQ(0, kms_close(&k));
}

TEST_F_TIMEOUT(host, each_subset, LONG_TEST)
{
	static const char * const hosts[] = {
		"none", "edid", "edid,uuid", "edid,blob",
		"edid,uuid,blob,blob_alignment", "virgl,edid",
		"virgl,edid,uuid,context_init", "virgl,edid,blob", "all",
	};

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		const char *host = hosts[i];
		bool all = !strcmp(host, "all");
		int fd;

		ASSERT_EQ(0, dev_replug(host)) TH_LOG("%s", host);
		fd = gpu_open();
		ASSERT_LE(0, fd);
		EXPECT_EQ(all || strstr(host, "virgl"),
			  gpu_has(fd, VIRTGPU_PARAM_3D_FEATURES));
		EXPECT_EQ(all || strstr(host, "blob"),
			  gpu_has(fd, VIRTGPU_PARAM_RESOURCE_BLOB));
		EXPECT_EQ(all || strstr(host, "context_init"),
			  gpu_has(fd, VIRTGPU_PARAM_CONTEXT_INIT));
		close(fd);
		check_picture(_metadata, i);
	}
}

/* Nonsense in the configuration space: the driver takes what can be. */
TEST_F_TIMEOUT(host, nonsense, LONG_TEST)
{
	static const struct {
		const char *field;
		uint32_t values[4];
	} fields[] = {
		{ "num_scanouts", { 3, 17, 0x80000000, 0xffffffff } },
		{ "num_capsets", { 6, 64, 0x10000000, 0xffffffff } },
		{ "blob_alignment", { 0, 3, 0x80000001, 0xffffffff } },
		{ "events_read", { 2, 0x80000000, 0xfffffffe, 0xffffffff } },
	};

	dev_expect("refused");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		for (int v = 0; v < 4; v++) {
			uint32_t value = fields[i].values[v];

			ASSERT_EQ(0, host_unplug());
			ASSERT_EQ(0, host_device(NULL, 0, "config %s %u",
						 fields[i].field, value));
			ASSERT_EQ(0, host_plug("all"));
			EXPECT_LE(0, close(dev_card()))
				TH_LOG("%s %u", fields[i].field, value);
			ASSERT_EQ(0, host_device(NULL, 0, "config %s",
						 fields[i].field));
		}
	}
	ASSERT_EQ(0, dev_replug("all"));
	check_picture(_metadata, 1);
}

/* A host without outputs is there for rendering. */
TEST_F(host, no_outputs)
{
	struct drm_mode_card_res res = {};
	int fd;

	ASSERT_EQ(0, host_unplug());
	ASSERT_EQ(0, host_device(NULL, 0, "config num_scanouts 0"));
	ASSERT_EQ(0, host_plug("all"));
	fd = dev_card();
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, kms_ioctl(fd, DRM_IOCTL_MODE_GETRESOURCES, &res));
	close(fd);
	ASSERT_EQ(0, host_device(NULL, 0, "config num_scanouts"));
	ASSERT_EQ(0, dev_replug("all"));
}

/* A host that does not answer when it is found. */
TEST_F_TIMEOUT(host, silent, LONG_TEST)
{
	ASSERT_EQ(0, dev_timeout(500));
	ASSERT_EQ(0, host_unplug());
	ASSERT_EQ(0, dev_faults("any", "never"));
	ASSERT_EQ(0, host_plug("all"));
	sleep(3);
	/* the driver is there or it is not: it can be taken off in any case */
	ASSERT_EQ(0, host_unplug());
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, dev_timeout(0));
	ASSERT_EQ(0, host_plug("all"));
	ASSERT_LE(0, close(dev_card()));
	check_picture(_metadata, 2);
}

TEST_HARNESS_MAIN
