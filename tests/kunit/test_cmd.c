// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The command table against 5.7.6.7 of the virtio specification, and answers of
 * all kinds.
 */
#include "host.h"

/* Sizes of the answers, in bytes. */
#define NODATA		24
#define DISPLAY_INFO	(24 + 16 * 24)
#define EDID		(24 + 8 + 1024)
#define UUID		(24 + 16)
#define CAPSET_INFO	(24 + 16)
#define CAPSET		24
#define MAP_INFO	(24 + 8)

static const struct {
	enum virtgpu_cmd_id id;
	u32 type;
	u32 req;
	u32 ok;
	u32 resp;
} commands[] = {
	{ VIRTGPU_GET_DISPLAY_INFO,		0x100, 24, 0x1101, DISPLAY_INFO },
	{ VIRTGPU_RESOURCE_CREATE_2D,		0x101, 40, 0x1100, NODATA },
	{ VIRTGPU_RESOURCE_UNREF,		0x102, 32, 0x1100, NODATA },
	{ VIRTGPU_SET_SCANOUT,			0x103, 48, 0x1100, NODATA },
	{ VIRTGPU_RESOURCE_FLUSH,		0x104, 48, 0x1100, NODATA },
	{ VIRTGPU_TRANSFER_TO_HOST_2D,		0x105, 56, 0x1100, NODATA },
	{ VIRTGPU_RESOURCE_ATTACH_BACKING,	0x106, 32, 0x1100, NODATA },
	{ VIRTGPU_RESOURCE_DETACH_BACKING,	0x107, 32, 0x1100, NODATA },
	{ VIRTGPU_GET_CAPSET_INFO,		0x108, 32, 0x1102, CAPSET_INFO },
	{ VIRTGPU_GET_CAPSET,			0x109, 32, 0x1103, CAPSET },
	{ VIRTGPU_GET_EDID,			0x10a, 32, 0x1104, EDID },
	{ VIRTGPU_RESOURCE_ASSIGN_UUID,		0x10b, 32, 0x1105, UUID },
	{ VIRTGPU_RESOURCE_CREATE_BLOB,		0x10c, 56, 0x1100, NODATA },
	{ VIRTGPU_SET_SCANOUT_BLOB,		0x10d, 96, 0x1100, NODATA },
	{ VIRTGPU_CTX_CREATE,			0x200, 96, 0x1100, NODATA },
	{ VIRTGPU_CTX_DESTROY,			0x201, 24, 0x1100, NODATA },
	{ VIRTGPU_CTX_ATTACH_RESOURCE,		0x202, 32, 0x1100, NODATA },
	{ VIRTGPU_CTX_DETACH_RESOURCE,		0x203, 32, 0x1100, NODATA },
	{ VIRTGPU_RESOURCE_CREATE_3D,		0x204, 72, 0x1100, NODATA },
	{ VIRTGPU_TRANSFER_TO_HOST_3D,		0x205, 72, 0x1100, NODATA },
	{ VIRTGPU_TRANSFER_FROM_HOST_3D,	0x206, 72, 0x1100, NODATA },
	{ VIRTGPU_SUBMIT_3D,			0x207, 32, 0x1100, NODATA },
	{ VIRTGPU_RESOURCE_MAP_BLOB,		0x208, 40, 0x1106, MAP_INFO },
	{ VIRTGPU_RESOURCE_UNMAP_BLOB,		0x209, 32, 0x1100, NODATA },
	/* The cursor queue has no answers. */
	{ VIRTGPU_UPDATE_CURSOR,		0x300, 56, 0, 0 },
	{ VIRTGPU_MOVE_CURSOR,			0x301, 56, 0, 0 },
};

static void cmd_table(struct kunit *test)
{
	struct host *host = test->priv;
	struct virtgpu_cmd *cmd;
	unsigned int i;

	static_assert(ARRAY_SIZE(commands) == VIRTGPU_NUM_CMDS);

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		cmd = virtgpu_cmd_alloc(host->vgdev, commands[i].id);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cmd);
		KUNIT_EXPECT_EQ_MSG(test, cmd->info->type, commands[i].type, "%s",
				    cmd->info->name);
		KUNIT_EXPECT_EQ_MSG(test, cmd->info->req_size, commands[i].req, "%s",
				    cmd->info->name);
		KUNIT_EXPECT_EQ_MSG(test, cmd->info->resp_type, commands[i].ok, "%s",
				    cmd->info->name);
		KUNIT_EXPECT_EQ_MSG(test, cmd->resp_size, commands[i].resp, "%s",
				    cmd->info->name);
		KUNIT_EXPECT_EQ_MSG(test, cmd->info->cursor, commands[i].type >= 0x300, "%s",
				    cmd->info->name);
		KUNIT_EXPECT_EQ(test, cmd->info->resp_size, commands[i].resp);
		virtgpu_cmd_put(cmd);
	}
}

/* What the driver makes of an answer of @used bytes and of that type. */
static int check(struct kunit *test, enum virtgpu_cmd_id id, u32 used, u32 type)
{
	struct host *host = test->priv;
	struct virtgpu_cmd *cmd = virtgpu_cmd_alloc(host->vgdev, id);
	int ret;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cmd);
	*(__le32 *)cmd->resp = cpu_to_le32(type);
	cmd->used = used;
	ret = virtgpu_cmd_check(cmd);
	virtgpu_cmd_put(cmd);
	return ret;
}

static void cmd_success(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		enum virtgpu_cmd_id id = commands[i].id;
		u32 size = commands[i].resp, ok = commands[i].ok;

		KUNIT_EXPECT_EQ(test, check(test, id, size, ok), 0);
		KUNIT_EXPECT_EQ(test, check(test, id, U32_MAX, ok), 0);
		if (!size)
			continue;
		/* Too short, and the success of another command */
		KUNIT_EXPECT_EQ(test, check(test, id, size - 1, ok), -EPROTO);
		KUNIT_EXPECT_EQ(test, check(test, id, 0, ok), -EPROTO);
		KUNIT_EXPECT_EQ(test, check(test, id, U32_MAX, ok ^ 1), -EPROTO);
	}
	/* There is nothing to be wrong about no answer. */
	KUNIT_EXPECT_EQ(test, check(test, VIRTGPU_MOVE_CURSOR, 0, 0x1200), 0);
}

static void cmd_errors(struct kunit *test)
{
	static const struct {
		u32 type;
		int error;
	} errors[] = {
		{ 0x1200, -EREMOTEIO },		/* unspecified */
		{ 0x1201, -ENOMEM },		/* out of memory */
		{ 0x1202, -EINVAL },		/* invalid scan-out id */
		{ 0x1203, -ENOENT },		/* invalid resource id */
		{ 0x1204, -ENOENT },		/* invalid context id */
		{ 0x1205, -EINVAL },		/* invalid parameter */
		{ 0x1206, -EPROTO },		/* no such error */
		{ 0x11ff, -EPROTO },
		{ 0, -EPROTO },
		{ U32_MAX, -EPROTO },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		KUNIT_EXPECT_EQ_MSG(test, check(test, VIRTGPU_SET_SCANOUT, 24, errors[i].type),
				    errors[i].error, "answer 0x%x", errors[i].type);
		/* An error is a header, however long the answer would have been. */
		KUNIT_EXPECT_EQ(test, check(test, VIRTGPU_GET_EDID, 24, errors[i].type),
				errors[i].error);
		KUNIT_EXPECT_EQ(test, check(test, VIRTGPU_GET_EDID, 23, errors[i].type),
				-EPROTO);
	}
}

/* Commands that are set aside become what is wanted, and none is left over. */
static void cmd_reserve(struct kunit *test)
{
	struct host *host = test->priv;
	struct virtgpu_cmd *cmd;
	LIST_HEAD(cmds);

	KUNIT_ASSERT_EQ(test, virtgpu_cmd_reserve(&cmds, 3), 0);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&cmds), 3);
	cmd = virtgpu_cmd_take(host->vgdev, &cmds, VIRTGPU_RESOURCE_FLUSH);
	KUNIT_ASSERT_NOT_NULL(test, cmd);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&cmds), 2);
	KUNIT_EXPECT_EQ(test, cmd->info->type, 0x104);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(cmd->req.hdr.type), 0x104);
	KUNIT_EXPECT_FALSE(test, virtgpu_cmd_busy(cmd));
	virtgpu_cmd_put(cmd);
	virtgpu_cmd_unreserve(&cmds);
	KUNIT_EXPECT_TRUE(test, list_empty(&cmds));
}

static struct kunit_case cmd_cases[] = {
	KUNIT_CASE(cmd_table),
	KUNIT_CASE(cmd_success),
	KUNIT_CASE(cmd_errors),
	KUNIT_CASE(cmd_reserve),
	{}
};

static struct kunit_suite cmd_suite = {
	.name = "virtgpu_cmd",
	.init = host_init,
	.exit = host_exit,
	.test_cases = cmd_cases,
};

kunit_test_suite(cmd_suite);
