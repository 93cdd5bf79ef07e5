// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The host refuses each command in turn, or answers with nonsense: the program
 * gets an error where it can get one, the next time all is well, and nothing
 * is left behind, here or at the host.
 */
#include <kselftest_harness.h>

#include <errno.h>

#include "dev.h"

#define LONG_TEST	110
#define SIZE		65536

FIXTURE(errors) {
	int fd;
	int resources;
	int alive;
};

FIXTURE_SETUP(errors)
{
	self->fd = -1;
	NEED_DEVICE();
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, dev_replug("all"));
	dev_expect("refused: response");
	self->resources = gpu_stat("resources");
	self->alive = dev_resources();
	self->fd = gpu_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, host_mark());
}

FIXTURE_TEARDOWN(errors)
{
	if (self->fd < 0)
		return;
	EXPECT_EQ(0, dev_clear());
	close(self->fd);
	EXPECT_EQ(self->resources,
		  gpu_stat_wait("resources", self->resources));
	EXPECT_EQ(self->alive, dev_resources());
}

/* What a host can say, and what a program is told then. */
static const struct {
	const char *action;
	int error;
} answers[] = {
	{ "error unspec", -EREMOTEIO },
	{ "error out_of_memory", -ENOMEM },
	{ "error invalid_scanout_id", -EINVAL },
	{ "error invalid_resource_id", -ENOENT },
	{ "error invalid_context_id", -ENOENT },
	{ "error invalid_parameter", -EINVAL },
	{ "error 1299", -EPROTO },
	{ "type ok_display_info", -EPROTO },
	{ "type 0", -EPROTO },
	{ "short 0", -EPROTO },
	{ "short 23", -EPROTO },
};

static int submit(int fd)
{
	struct drm_virtgpu_execbuffer exec = gpu_nop();
	int fence, ret = gpu_exec_fence(fd, &exec, &fence);

	if (ret)
		return ret;
	ret = gpu_fence_wait(fence, KMS_WAIT_MS);
	close(fence);
	return ret;
}

TEST_F(errors, submissions)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		ASSERT_EQ(0, dev_fault("submit_3d", answers[i].action));
		EXPECT_EQ(answers[i].error, submit(self->fd))
			TH_LOG("%s", answers[i].action);
		EXPECT_EQ(0, submit(self->fd));
	}
}

TEST_F(errors, contexts)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		int fd = gpu_open(), ret;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, dev_fault("ctx_create", answers[i].action));
		ret = gpu_context(fd, 2, 0, 0);
		if (!ret)
			ret = submit(fd);
		EXPECT_GT(0, ret) TH_LOG("%s", answers[i].action);
		EXPECT_GT(0, submit(fd));
		close(fd);
	}
	EXPECT_EQ(0, dev_count("ctx_destroy"));
	EXPECT_EQ(0, submit(self->fd));
}

/* The error comes from the creation, or from the next use at the latest. */
static int use(struct gpu_bo *bo)
{
	int ret = gpu_wait(bo, 0);

	return ret ? ret : gpu_transfer(bo, true, 0, 0, 16, 1, 0);
}

static void check_resources(struct __test_metadata *_metadata,
			    FIXTURE_DATA(errors) *self, const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct gpu_bo bo;
		int ret;

		ASSERT_EQ(0, dev_fault(type, answers[i].action));
		ret = gpu_buffer(self->fd, SIZE, &bo);
		if (!ret) {
			ret = use(&bo);
			EXPECT_EQ(0, gpu_close(&bo));
		}
		EXPECT_EQ(answers[i].error, ret)
			TH_LOG("%s %s", type, answers[i].action);

		ASSERT_EQ(0, gpu_buffer(self->fd, SIZE, &bo));
		EXPECT_EQ(0, use(&bo));
		EXPECT_EQ(0, gpu_close(&bo));
	}
}

TEST_F(errors, resources)
{
	check_resources(_metadata, self, "resource_create_3d");
}

TEST_F(errors, backing)
{
	check_resources(_metadata, self, "resource_attach_backing");
}

TEST_F(errors, guest_blobs)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct drm_virtgpu_resource_create_blob arg = {
			.blob_mem = VIRTGPU_BLOB_MEM_GUEST,
			.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
			.size = SIZE,
		};
		struct gpu_bo bo;
		int ret;

		ASSERT_EQ(0, dev_fault("resource_create_blob", answers[i].action));
		ret = gpu_create_blob(self->fd, &arg, &bo);
		if (!ret) {
			ret = gpu_wait(&bo, 0);
			if (!ret)
				ret = gpu_map(&bo);
			/* pages of the guest's own can always be mapped */
			if (!ret) {
				gpu_pattern(bo.map, bo.size, i);
				ret = gpu_transfer(&bo, true, 0, 0, 16, 1, 0);
			}
			EXPECT_EQ(0, gpu_close(&bo));
		}
		EXPECT_EQ(answers[i].error, ret) TH_LOG("%s", answers[i].action);
	}
}

static int host_blob(int fd, struct gpu_bo *bo)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D, .blob_id = 1,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE, .size = SIZE,
	};

	return gpu_create_blob(fd, &arg, bo);
}

TEST_F(errors, host_memory)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct gpu_bo bo;

		ASSERT_EQ(0, host_blob(self->fd, &bo));
		ASSERT_EQ(0, dev_fault("resource_map_blob", answers[i].action));
		EXPECT_EQ(answers[i].error, gpu_map(&bo))
			TH_LOG("%s", answers[i].action);
		EXPECT_EQ(0, gpu_close(&bo));
	}
	for (uint32_t info = 0; info < 4; info++) {
		struct gpu_bo bo;

		ASSERT_EQ(0, host_device(NULL, 0, "map_info %u", info));
		ASSERT_EQ(0, host_blob(self->fd, &bo));
		EXPECT_EQ(0, gpu_map(&bo)) TH_LOG("map_info %u", info);
		if (bo.map) {
			gpu_pattern(bo.map, bo.size, info);
			EXPECT_EQ(0, memcmp(bo.map, bo.map, bo.size));
		}
		EXPECT_EQ(0, gpu_close(&bo));
	}
	EXPECT_EQ(0, host_device(NULL, 0, "map_info 1"));
}

/* Framebuffers: AddFB tells. */
TEST_F(errors, framebuffers)
{
	static const char * const types[] = {
		"resource_create_2d", "resource_attach_backing",
	};
	struct kms k;

	ASSERT_EQ(0, kms_open(&k));
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
			struct kms_fb fb;
			int ret;

			ASSERT_EQ(0, dev_fault(types[t], answers[i].action));
			ret = kms_fb_create(&k, 640, 480, DRM_FORMAT_XRGB8888,
					    &fb);
			EXPECT_EQ(answers[i].error, ret)
				TH_LOG("%s %s", types[t], answers[i].action);
			if (!ret)
				kms_fb_destroy(&fb);
		}
	}
	kms_close(&k);
}

/* In a commit nobody can be told: the next one shows the picture all the same. */
TEST_F_TIMEOUT(errors, commits, LONG_TEST)
{
	static const char * const types[] = {
		"transfer_to_host_2d", "set_scanout", "resource_flush",
		"update_cursor", "move_cursor",
	};
	struct kms_output *o;
	struct kms_fb fb[2];
	struct kms k;
	int n = 0;

	ASSERT_EQ(0, kms_open(&k));
	o = kms_connected(&k);
	ASSERT_TRUE(o);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, kms_fb_create(&k, o->mode.hdisplay,
					   o->mode.vdisplay,
					   DRM_FORMAT_XRGB8888, &fb[i]));
	ASSERT_EQ(0, kms_show(&k, o, &fb[0]));
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (size_t i = 0; i < ARRAY_SIZE(answers); i += 3) {
			ASSERT_EQ(0, dev_fault(types[t], answers[i].action));
			n++;
			kms_fb_draw(&fb[n % 2], n);
			EXPECT_EQ(0, kms_flip(&k, o, &fb[n % 2],
					      DRM_MODE_PAGE_FLIP_EVENT, n));
			EXPECT_EQ(0, kms_wait_flip(&k));
			ASSERT_EQ(0, dev_clear());
			n++;
			kms_fb_draw(&fb[n % 2], n);
			EXPECT_EQ(0, kms_flip(&k, o, &fb[n % 2],
					      DRM_MODE_PAGE_FLIP_EVENT, n));
			EXPECT_EQ(0, kms_wait_flip(&k));
			EXPECT_EQ(0, host_diff_fb(o->head, &fb[n % 2]))
				TH_LOG("%s %s", types[t], answers[i].action);
		}
	}
	kms_fb_destroy(&fb[0]);
	kms_fb_destroy(&fb[1]);
	kms_close(&k);
}

/* An event about which the host then says nothing of use: all stays as it was. */
TEST_F_TIMEOUT(errors, display_information, LONG_TEST)
{
	static const char * const types[] = { "get_display_info", "get_edid" };
	struct kms_output *o;
	struct kms k;

	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
			ASSERT_EQ(0, host_mark());
			ASSERT_EQ(0, dev_fault(types[t], answers[i].action));
			ASSERT_EQ(0, host_device(NULL, 0, "event"));
			EXPECT_LE(1, dev_wait(types[t], 1));
		}
		ASSERT_EQ(0, kms_open(&k));
		o = kms_connected(&k);
		ASSERT_TRUE(o);
		EXPECT_EQ(1280, o->mode.hdisplay);
		EXPECT_EQ(800, o->mode.vdisplay);
		kms_close(&k);
	}
	/* what it says is right in form and wrong in content */
	for (int seed = 1; seed <= 10; seed++) {
		char action[32];

		snprintf(action, sizeof(action), "garbage %d", seed);
		for (size_t t = 0; t < ARRAY_SIZE(types); t++)
			ASSERT_EQ(0, dev_fault(types[t], action));
		ASSERT_EQ(0, host_mark());
		ASSERT_EQ(0, host_device(NULL, 0, "event"));
		EXPECT_LE(1, dev_wait("get_display_info", 1));
		usleep(100000);
	}
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, host_device(NULL, 0, "event"));
	EXPECT_LE(1, dev_wait("get_edid", 1));
	usleep(200000);
	ASSERT_EQ(0, kms_open(&k));
	o = kms_connected(&k);
	ASSERT_TRUE(o);
	EXPECT_EQ(1280, o->mode.hdisplay);
	kms_close(&k);
}

/* Answers that come late, in another order, with another fence. */
TEST_F_TIMEOUT(errors, order, LONG_TEST)
{
	static const char * const actions[] = { "late 300", "swap", "fence", "long" };
	static const char * const types[] = {
		"submit_3d", "resource_create_3d", "resource_attach_backing",
		"ctx_attach_resource", "transfer_to_host_3d", "resource_unref",
	};

	for (size_t a = 0; a < ARRAY_SIZE(actions); a++) {
		for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
			struct gpu_bo bo;

			ASSERT_EQ(0, dev_fault(types[t], actions[a]));
			ASSERT_EQ(0, gpu_buffer(self->fd, SIZE, &bo));
			EXPECT_EQ(0, gpu_transfer(&bo, true, 0, 0, 16, 1, 0));
			EXPECT_EQ(0, submit(self->fd));
			EXPECT_EQ(0, gpu_wait(&bo, 0))
				TH_LOG("%s %s", types[t], actions[a]);
			EXPECT_EQ(0, gpu_close(&bo));
			EXPECT_EQ(0, submit(self->fd));
			ASSERT_EQ(0, dev_clear());
		}
	}
}

TEST_HARNESS_MAIN
