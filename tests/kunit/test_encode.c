// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Requests, byte by byte. What is expected is written down from section 5.7.6 of
 * the virtio specification, as little-endian 32-bit words: a le64 is two of
 * them, the lower one first, and ring_idx with its padding is one.
 */
#include <linux/unaligned.h>

#include "host.h"

/* One whose memory was used before: the padding of a request is zero all the same. */
static struct virtgpu_cmd *new_cmd(struct kunit *test, enum virtgpu_cmd_id id)
{
	struct host *host = test->priv;
	struct virtgpu_cmd *cmd;
	LIST_HEAD(cmds);

	KUNIT_ASSERT_EQ(test, virtgpu_cmd_reserve(&cmds, 1), 0);
	cmd = list_first_entry(&cmds, struct virtgpu_cmd, link);
	memset(&cmd->req, 0xff, sizeof(cmd->req));
	cmd = virtgpu_cmd_take(host->vgdev, &cmds, id);
	KUNIT_ASSERT_NOT_NULL(test, cmd);
	return cmd;
}

/* Consumes the command. */
#define EXPECT_REQUEST(_test, _cmd, ...) do {					\
	const u32 words[] = { __VA_ARGS__ };					\
										\
	expect_words(_test, _cmd, words, ARRAY_SIZE(words));			\
} while (0)

static void expect_words(struct kunit *test, struct virtgpu_cmd *cmd, const u32 *words,
			 unsigned int count)
{
	unsigned int i;

	KUNIT_EXPECT_EQ(test, cmd->info->req_size, count * 4);
	for (i = 0; i < count; i++)
		KUNIT_EXPECT_EQ_MSG(test, get_unaligned_le32(cmd->req.bytes + i * 4), words[i],
				    "%s: word %u", cmd->info->name, i);
	virtgpu_cmd_put(cmd);
}

/* 0x202 pixels wide, 0x303 high */
static const struct drm_rect rect = { 0x101, 0x204, 0x303, 0x507 };

/* Commands of a header alone: the types of all commands are in test_cmd.c. */
static void encode_header(struct kunit *test)
{
	EXPECT_REQUEST(test, new_cmd(test, VIRTGPU_GET_DISPLAY_INFO), 0x100, 0, 0, 0, 0, 0);
	EXPECT_REQUEST(test, new_cmd(test, VIRTGPU_CTX_DESTROY), 0x201, 0, 0, 0, 0, 0);
}

static void encode_context(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_CTX_DESTROY);
	struct virtgpu_context ctx = { .id = 0x11223344 };

	kref_init(&ctx.refs);
	virtgpu_cmd_set_context(cmd, &ctx);
	KUNIT_EXPECT_EQ(test, kref_read(&ctx.refs), 2);
	EXPECT_REQUEST(test, cmd, 0x201, 0, 0, 0, 0x11223344, 0);
	KUNIT_EXPECT_EQ(test, kref_read(&ctx.refs), 1);
}

/* VIRTIO_GPU_FLAG_INFO_RING_IDX is bit 1, ring_idx a byte. */
static void encode_ring(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_SUBMIT_3D);

	virtgpu_encode_ring(cmd, 0x3f);
	EXPECT_REQUEST(test, cmd, 0x207, 2, 0, 0, 0, 0x3f, 0, 0);
}

static void encode_get_edid(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_GET_EDID);

	virtgpu_encode_get_edid(cmd, 0x0a0b0c0d);
	EXPECT_REQUEST(test, cmd, 0x10a, 0, 0, 0, 0, 0, 0x0a0b0c0d, 0);
}

static void encode_create_2d(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_RESOURCE_CREATE_2D);

	virtgpu_encode_create_2d(cmd, 0x11223344, 134, 0x500, 0x400);
	EXPECT_REQUEST(test, cmd, 0x101, 0, 0, 0, 0, 0, 0x11223344, 134, 0x500, 0x400);
}

static void encode_resource(struct kunit *test)
{
	static const struct {
		enum virtgpu_cmd_id id;
		u32 type;
	} cmds[] = {
		{ VIRTGPU_RESOURCE_UNREF, 0x102 },
		{ VIRTGPU_RESOURCE_DETACH_BACKING, 0x107 },
		{ VIRTGPU_RESOURCE_ASSIGN_UUID, 0x10b },
		{ VIRTGPU_RESOURCE_UNMAP_BLOB, 0x209 },
	};
	struct virtgpu_cmd *cmd;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		cmd = new_cmd(test, cmds[i].id);
		virtgpu_encode_resource(cmd, 0x11223344);
		EXPECT_REQUEST(test, cmd, cmds[i].type, 0, 0, 0, 0, 0, 0x11223344, 0);
	}
}

static void encode_attach_backing(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_RESOURCE_ATTACH_BACKING);
	struct virtgpu_payload *entries = virtgpu_payload_alloc(cmd->vgdev, 5 * 16);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, entries);
	virtgpu_encode_attach_backing(cmd, 0x11223344, entries);
	KUNIT_EXPECT_PTR_EQ(test, cmd->payload, entries);
	EXPECT_REQUEST(test, cmd, 0x106, 0, 0, 0, 0, 0, 0x11223344, 5);
}

static void encode_set_scanout(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_SET_SCANOUT);

	virtgpu_encode_set_scanout(cmd, 7, 0x11223344, &rect);
	EXPECT_REQUEST(test, cmd, 0x103, 0, 0, 0, 0, 0, 0x101, 0x204, 0x202, 0x303,
		       7, 0x11223344);

	cmd = new_cmd(test, VIRTGPU_SET_SCANOUT);
	virtgpu_encode_set_scanout(cmd, 7, 0, NULL);
	EXPECT_REQUEST(test, cmd, 0x103, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0);
}

static void encode_flush(struct kunit *test)
{
	static const struct drm_rect flat = DRM_RECT_INIT(1, 2, 0x300, 4);
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_RESOURCE_FLUSH);

	virtgpu_encode_flush(cmd, 0x11223344, &flat);
	EXPECT_REQUEST(test, cmd, 0x104, 0, 0, 0, 0, 0, 1, 2, 0x300, 4, 0x11223344, 0);
}

static void encode_transfer_2d(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_TRANSFER_TO_HOST_2D);

	virtgpu_encode_transfer_2d(cmd, 0x11223344, 0x8877665544332211, &rect);
	EXPECT_REQUEST(test, cmd, 0x105, 0, 0, 0, 0, 0, 0x101, 0x204, 0x202, 0x303,
		       0x44332211, 0x88776655, 0x11223344, 0);
}

static void encode_capsets(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_GET_CAPSET_INFO);

	virtgpu_encode_get_capset_info(cmd, 0x0a0b0c0d);
	EXPECT_REQUEST(test, cmd, 0x108, 0, 0, 0, 0, 0, 0x0a0b0c0d, 0);

	cmd = new_cmd(test, VIRTGPU_GET_CAPSET);
	virtgpu_encode_get_capset(cmd, 0x0a0b0c0d, 0x01020304);
	EXPECT_REQUEST(test, cmd, 0x109, 0, 0, 0, 0, 0, 0x0a0b0c0d, 0x01020304);
}

static void encode_ctx_create(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_CTX_CREATE);
	char name[64] = "abcdefgh";

	/* nlen, context_init, 64 bytes of name */
	virtgpu_encode_ctx_create(cmd, 4, name);
	EXPECT_REQUEST(test, cmd, 0x200, 0, 0, 0, 0, 0, 8, 4, 0x64636261, 0x68676665,
		       0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

	/* The name ends with a zero that does not count. */
	memset(name, 'x', sizeof(name) - 1);
	cmd = new_cmd(test, VIRTGPU_CTX_CREATE);
	virtgpu_encode_ctx_create(cmd, 0, name);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(cmd->req.bytes + 24), 63);
	KUNIT_EXPECT_MEMEQ(test, cmd->req.bytes + 32, name, sizeof(name));
	virtgpu_cmd_put(cmd);
}

static void encode_ctx_resource(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_CTX_ATTACH_RESOURCE);

	virtgpu_encode_ctx_resource(cmd, 0x11223344);
	EXPECT_REQUEST(test, cmd, 0x202, 0, 0, 0, 0, 0, 0x11223344, 0);

	cmd = new_cmd(test, VIRTGPU_CTX_DETACH_RESOURCE);
	virtgpu_encode_ctx_resource(cmd, 0x11223344);
	EXPECT_REQUEST(test, cmd, 0x203, 0, 0, 0, 0, 0, 0x11223344, 0);
}

static void encode_create_3d(struct kunit *test)
{
	static const struct drm_virtgpu_resource_create args = {
		.target = 1, .format = 2, .bind = 3, .width = 4, .height = 5, .depth = 6,
		.array_size = 7, .last_level = 8, .nr_samples = 9, .flags = 10,
		.bo_handle = 11, .res_handle = 12, .size = 13, .stride = 14,
	};
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_RESOURCE_CREATE_3D);

	virtgpu_encode_create_3d(cmd, 0x11223344, &args);
	EXPECT_REQUEST(test, cmd, 0x204, 0, 0, 0, 0, 0, 0x11223344,
		       1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0);
}

static void encode_create_blob(struct kunit *test)
{
	static const struct drm_virtgpu_resource_create_blob args = {
		.blob_mem = 3, .blob_flags = 5, .bo_handle = 11, .res_handle = 12, .size = 13,
		.cmd_size = 14, .cmd = 15, .blob_id = 0x1122334455667788,
	};
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_RESOURCE_CREATE_BLOB);
	struct virtgpu_payload *entries;

	/* resource_id, blob_mem, blob_flags, nr_entries, blob_id, size */
	virtgpu_encode_create_blob(cmd, 0x0a0b0c0d, &args, 0x0102030405060000, NULL);
	EXPECT_REQUEST(test, cmd, 0x10c, 0, 0, 0, 0, 0, 0x0a0b0c0d, 3, 5, 0,
		       0x55667788, 0x11223344, 0x05060000, 0x01020304);

	cmd = new_cmd(test, VIRTGPU_RESOURCE_CREATE_BLOB);
	entries = virtgpu_payload_alloc(cmd->vgdev, 3 * 16);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, entries);
	virtgpu_encode_create_blob(cmd, 0x0a0b0c0d, &args, 0x3000, entries);
	KUNIT_EXPECT_PTR_EQ(test, cmd->payload, entries);
	EXPECT_REQUEST(test, cmd, 0x10c, 0, 0, 0, 0, 0, 0x0a0b0c0d, 3, 5, 3,
		       0x55667788, 0x11223344, 0x3000, 0);
}

static void encode_set_scanout_blob(struct kunit *test)
{
	const struct drm_framebuffer fb = {
		.width = 0x500, .height = 0x400, .pitches = { 0x2000, 1, 2, 3 },
		.offsets = { 0x10000, 4, 5, 6 },
	};
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_SET_SCANOUT_BLOB);

	/* r, scanout_id, resource_id, width, height, format, padding, strides, offsets */
	virtgpu_encode_set_scanout_blob(cmd, 7, 0x11223344, &fb, 134, &rect);
	EXPECT_REQUEST(test, cmd, 0x10d, 0, 0, 0, 0, 0, 0x101, 0x204, 0x202, 0x303,
		       7, 0x11223344, 0x500, 0x400, 134, 0, 0x2000, 0, 0, 0, 0x10000, 0, 0, 0);
}

static void encode_transfer_3d(struct kunit *test)
{
	static const struct drm_virtgpu_3d_transfer_to_host args = {
		.bo_handle = 20, .box = { 1, 2, 3, 4, 5, 6 }, .level = 7,
		.offset = 8, .stride = 9, .layer_stride = 10,
	};
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_TRANSFER_TO_HOST_3D);

	/* box, offset, resource_id, level, stride, layer_stride */
	virtgpu_encode_transfer_3d(cmd, 0x11223344, &args);
	EXPECT_REQUEST(test, cmd, 0x205, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 8, 0,
		       0x11223344, 7, 9, 10);

	cmd = new_cmd(test, VIRTGPU_TRANSFER_FROM_HOST_3D);
	virtgpu_encode_transfer_3d(cmd, 0x11223344, &args);
	EXPECT_REQUEST(test, cmd, 0x206, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 8, 0,
		       0x11223344, 7, 9, 10);
}

static void encode_submit(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_SUBMIT_3D);
	struct virtgpu_payload *payload = virtgpu_payload_alloc(cmd->vgdev, 0x1234);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, payload);
	virtgpu_encode_submit(cmd, 0x1234, payload);
	KUNIT_EXPECT_PTR_EQ(test, cmd->payload, payload);
	EXPECT_REQUEST(test, cmd, 0x207, 0, 0, 0, 0, 0, 0x1234, 0);
}

static void encode_map_blob(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_RESOURCE_MAP_BLOB);

	virtgpu_encode_map_blob(cmd, 0x0a0b0c0d, 0x1122334455667788);
	EXPECT_REQUEST(test, cmd, 0x208, 0, 0, 0, 0, 0, 0x0a0b0c0d, 0, 0x55667788, 0x11223344);
}

static void encode_cursor(struct kunit *test)
{
	struct virtgpu_cmd *cmd = new_cmd(test, VIRTGPU_UPDATE_CURSOR);

	/* pos (scanout_id, x, y, padding), resource_id, hot_x, hot_y, padding */
	virtgpu_encode_cursor(cmd, 7, 0x11223344, -1, -0x100, 3, 4);
	EXPECT_REQUEST(test, cmd, 0x300, 0, 0, 0, 0, 0, 7, 0xffffffff, 0xffffff00, 0,
		       0x11223344, 3, 4, 0);

	cmd = new_cmd(test, VIRTGPU_MOVE_CURSOR);
	virtgpu_encode_cursor(cmd, 7, 0x11223344, 0x500, 0x400, 0, 0);
	EXPECT_REQUEST(test, cmd, 0x301, 0, 0, 0, 0, 0, 7, 0x500, 0x400, 0, 0x11223344, 0, 0, 0);
}

static struct kunit_case encode_cases[] = {
	KUNIT_CASE(encode_header),
	KUNIT_CASE(encode_context),
	KUNIT_CASE(encode_ring),
	KUNIT_CASE(encode_get_edid),
	KUNIT_CASE(encode_create_2d),
	KUNIT_CASE(encode_resource),
	KUNIT_CASE(encode_attach_backing),
	KUNIT_CASE(encode_set_scanout),
	KUNIT_CASE(encode_flush),
	KUNIT_CASE(encode_transfer_2d),
	KUNIT_CASE(encode_capsets),
	KUNIT_CASE(encode_ctx_create),
	KUNIT_CASE(encode_ctx_resource),
	KUNIT_CASE(encode_create_3d),
	KUNIT_CASE(encode_create_blob),
	KUNIT_CASE(encode_set_scanout_blob),
	KUNIT_CASE(encode_transfer_3d),
	KUNIT_CASE(encode_submit),
	KUNIT_CASE(encode_map_blob),
	KUNIT_CASE(encode_cursor),
	{}
};

static struct kunit_suite encode_suite = {
	.name = "virtgpu_encode",
	.init = host_init,
	.exit = host_exit,
	.test_cases = encode_cases,
};

kunit_test_suite(encode_suite);
