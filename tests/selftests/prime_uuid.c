// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * UUIDs, by which other virtio drivers name a buffer to the host: asked once,
 * whatever becomes of the answer.
 */
#include "display.h"

#include <errno.h>
#include <sys/wait.h>

#include "dev.h"
#include "gpu.h"
#include "reset.h"
#include "share.h"

#define ASSIGN	"resource_assign_uuid"
#define SIZE	65536

/* A dumb buffer, exported. */
static int shared(struct kms *k, struct kms_fb *bo, int *fd)
{
	int ret = kms_dumb_create(k->fd, 128, 128, 32, bo);

	return ret ? ret : dmabuf_export(k->fd, bo->handle, fd);
}

static void unshare(struct kms_fb *bo, int fd)
{
	close(fd);
	kms_dumb_destroy(bo->fd, bo->handle);
}

static int get_uuid(int fd, uint8_t uuid[16])
{
	bool is_virtio = false;
	int ret = module_uuid(fd, uuid, &is_virtio);

	return is_virtio ? ret : -ENOTTY;
}

/* --- a host that gives none --- */

TEST_F(display, none)
{
	struct kms_fb bo;
	uint8_t uuid[16];
	int fd;

	NEED_MODULE();
	NEED_HOST();
	if (host_scripted())
		SKIP(return, "this host gives UUIDs");
	ASSERT_EQ(0, shared(&self->k, &bo, &fd));
	EXPECT_EQ(-ENODEV, get_uuid(fd, uuid));
	unshare(&bo, fd);
}

/* --- a host that gives them --- */

/* As the device said that it is, from its log */
static bool device_gave(const uint8_t uuid[16])
{
	char text[64], *to = text;

	for (int i = 0; i < 16; i++)
		to += sprintf(to, "%s%02x", i > 3 && i < 11 && !(i % 2) ? "-" :
			      "", uuid[i]);
	return host_device_log(text, NULL) == 1;
}

TEST_F(display, given)
{
	uint8_t first[16], second[16];
	struct kms_fb a, b;
	int fd_a, fd_b;

	NEED_MODULE();
	NEED_DEVICE();
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, shared(&self->k, &a, &fd_a));
	ASSERT_EQ(0, shared(&self->k, &b, &fd_b));
	ASSERT_EQ(0, get_uuid(fd_a, first));
	ASSERT_EQ(0, get_uuid(fd_b, second));
	EXPECT_EQ(2, dev_count(ASSIGN));
	EXPECT_NE(0, memcmp(first, second, 16));
	EXPECT_TRUE(device_gave(first));
	EXPECT_TRUE(device_gave(second));
	unshare(&a, fd_a);
	unshare(&b, fd_b);
}

/* Exported twice, at a time and after another: the same, and asked once. */
TEST_F(display, exported_again)
{
	uint8_t first[16], again[16];
	struct kms_fb bo;
	int fd, other;

	NEED_MODULE();
	NEED_DEVICE();
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, shared(&self->k, &bo, &fd));
	ASSERT_EQ(0, get_uuid(fd, first));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, dmabuf_export(self->k.fd, bo.handle, &other));
		EXPECT_EQ(0, get_uuid(other, again));
		EXPECT_EQ(0, memcmp(first, again, 16));
		close(other);
		close(fd);
		ASSERT_EQ(0, dmabuf_export(self->k.fd, bo.handle, &fd));
		EXPECT_EQ(0, get_uuid(fd, again));
		EXPECT_EQ(0, memcmp(first, again, 16));
	}
	EXPECT_EQ(1, dev_count(ASSIGN));
	unshare(&bo, fd);
}

/* A wrong answer is as good as none; the buffer itself is shared all the same. */
TEST_F_TIMEOUT(display, wrong_answers, LONG_TEST)
{
	static const char * const actions[] = {
		"error unspec", "error out_of_memory",
		"error invalid_resource_id", "short 24", "type 1100",
	};
	uint32_t data[4], id;
	struct kms_fb bo;
	uint8_t uuid[16];
	int fd;

	NEED_MODULE();
	NEED_DEVICE();
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		ASSERT_EQ(0, host_mark());
		ASSERT_EQ(0, dev_fault(ASSIGN, actions[i]));
		ASSERT_EQ(0, shared(&self->k, &bo, &fd));
		EXPECT_EQ(-ENODEV, get_uuid(fd, uuid))
			TH_LOG("after '%s'", actions[i]);
		EXPECT_EQ(-ENODEV, get_uuid(fd, uuid));
		EXPECT_EQ(1, dev_count(ASSIGN));
		ASSERT_EQ(0, module_import(fd, 0, &id));
		EXPECT_LT(0, module_map(id, NULL, 0, NULL));
		EXPECT_EQ(0, module_read(id, 0, data, sizeof(data), 0));
		EXPECT_EQ(0, module_detach(id));
		unshare(&bo, fd);
	}
	EXPECT_EQ(0, dev_clear());
}

TEST_F_TIMEOUT(display, late, LONG_TEST)
{
	struct kms_fb bo;
	uint8_t uuid[16];
	uint64_t start;
	int fd;

	NEED_MODULE();
	NEED_DEVICE();
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, dev_fault(ASSIGN, "late 1000"));
	start = kms_now_ns();
	ASSERT_EQ(0, shared(&self->k, &bo, &fd));
	/* whoever exports does not wait */
	EXPECT_GT(800000000ULL, kms_now_ns() - start);
	EXPECT_EQ(0, get_uuid(fd, uuid));
	EXPECT_LT(800000000ULL, kms_now_ns() - start);
	EXPECT_TRUE(device_gave(uuid));
	unshare(&bo, fd);
}

/* No answer: the wait ends by itself, and at once when the program is killed. */
TEST_F_TIMEOUT(display, never, LONG_TEST)
{
	struct kms_fb bo;
	uint8_t uuid[16];
	uint64_t start;
	int fd, status;
	pid_t child;

	NEED_MODULE();
	NEED_DEVICE();
	dev_expect("RESOURCE_ASSIGN_UUID|resource_assign_uuid");
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, dev_fault(ASSIGN, "never"));
	ASSERT_EQ(0, shared(&self->k, &bo, &fd));

	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(get_uuid(fd, uuid) ? 1 : 0);
	usleep(500000);
	start = kms_now_ns();
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_GT(2000000000ULL, kms_now_ns() - start);

	EXPECT_EQ(-ETIMEDOUT, get_uuid(fd, uuid));
	EXPECT_GT(60000000000ULL, kms_now_ns() - start);
	EXPECT_EQ(0, dev_clear());
	/* it comes in the end */
	EXPECT_EQ(0, get_uuid(fd, uuid));
	EXPECT_EQ(1, dev_count(ASSIGN));
	unshare(&bo, fd);
}

/* What the host knows after a reset has other names. */
TEST_F_TIMEOUT(display, asked_again_after_a_reset, LONG_TEST)
{
	uint8_t before[16], after[16];
	struct kms_fb bo;
	int fd;

	NEED_MODULE();
	NEED_DEVICE();
	ASSERT_EQ(0, shared(&self->k, &bo, &fd));
	EXPECT_EQ(0, get_uuid(fd, before));
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, reset_device(&self->k));
	EXPECT_EQ(0, get_uuid(fd, after));
	EXPECT_NE(0, memcmp(before, after, sizeof(after)));
	EXPECT_TRUE(device_gave(after));
	unshare(&bo, fd);
}

/* --- blobs say when they are made whether they are for other devices --- */

static int blob(int fd, uint32_t flags, struct gpu_bo *bo)
{
	struct drm_virtgpu_resource_create_blob arg = {
		.blob_mem = VIRTGPU_BLOB_MEM_GUEST, .size = SIZE,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE |
			      VIRTGPU_BLOB_FLAG_USE_SHAREABLE | flags,
	};

	return gpu_create_blob(fd, &arg, bo);
}

TEST_F(display, blobs)
{
	struct gpu_bo shared, own;
	int card = gpu_open(), fd;
	uint8_t uuid[16];

	NEED_MODULE();
	NEED_DEVICE();
	ASSERT_LE(0, card);
	ASSERT_TRUE(gpu_has(card, VIRTGPU_PARAM_CROSS_DEVICE));
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, blob(card, VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE, &shared));
	EXPECT_EQ(1, dev_count(ASSIGN));
	ASSERT_EQ(0, dmabuf_export(card, shared.handle, &fd));
	EXPECT_EQ(0, get_uuid(fd, uuid));
	EXPECT_TRUE(device_gave(uuid));
	close(fd);

	ASSERT_EQ(0, blob(card, 0, &own));
	ASSERT_EQ(0, dmabuf_export(card, own.handle, &fd));
	EXPECT_EQ(-ENODEV, get_uuid(fd, uuid));
	close(fd);
	EXPECT_EQ(1, dev_count(ASSIGN));
	EXPECT_EQ(0, gpu_close(&shared));
	EXPECT_EQ(0, gpu_close(&own));
	close(card);
}

TEST_HARNESS_MAIN
