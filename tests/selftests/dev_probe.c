// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What the host tells of itself is nonsense, its queues are too short, it goes
 * away in the middle of being found, it answers what nobody asked: the driver
 * makes the best of it or leaves the device alone, and a host that comes
 * afterwards works.
 */
#include <kselftest_harness.h>

#include <errno.h>

#include "dev.h"
#include "dev_load.h"
#include "figure.h"
#include "share.h"

#define LONG_TEST	200
#define TIMEOUT_MS	300	/* how long the driver waits for an answer */
#define BOUND_MS	10000
#define COMMANDS	12	/* until a new device shows the console */
#define WIDTH		1280	/* of the first output */
#define HEIGHT		800

FIXTURE(host) {
	bool there;
};

FIXTURE_SETUP(host)
{
	NEED_DEVICE();
	dev_expect("refused|has not answered|does not tell|is not a head|out of range|"
		   "probe with driver|too short|[Bb]ad virtqueue length|"
		   "fbdev.*: Failed to setup emulation");
	ASSERT_EQ(0, dev_clear());
	self->there = true;
}

/* Whatever happened: one that is plugged in now works. */
FIXTURE_TEARDOWN(host)
{
	if (!self->there)
		return;
	EXPECT_EQ(0, dev_clear());
	EXPECT_EQ(0, dev_timeout(0));
	EXPECT_EQ(0, dev_replug("all"));
	EXPECT_EQ(0, dev_works());
}

/* The host has something new to tell; waits until it was asked about it. */
static int news(const char *type)
{
	int ret = host_mark() ?: host_device(NULL, 0, "event");

	if (!ret && dev_wait(type, 1) < 1)
		ret = -ETIME;
	/* and the driver has looked at the answer */
	usleep(100000);
	return ret;
}

/* Does the first output have an EDID? */
static int has_edid(struct kms *k)
{
	uint64_t blob;
	int ret = kms_prop_get(k, k->outputs[0].connector, "EDID", &blob);

	return ret ?: blob != 0;
}

/* Each mode that a program is offered can be taken for one. */
static bool modes_make_sense(struct kms *k, unsigned int head)
{
	drmModeConnector *c = drmModeGetConnector(k->fd, k->outputs[head].connector);
	bool good = c;

	for (int i = 0; c && i < c->count_modes; i++) {
		const drmModeModeInfo *m = &c->modes[i];

		good &= m->hdisplay && m->vdisplay && m->clock &&
			m->hdisplay <= m->hsync_start && m->hsync_start <= m->hsync_end &&
			m->hsync_end <= m->htotal && m->vdisplay <= m->vsync_start &&
			m->vsync_start <= m->vsync_end && m->vsync_end <= m->vtotal;
	}
	drmModeFreeConnector(c);
	return good;
}

TEST_F_TIMEOUT(host, wrong_edids, LONG_TEST)
{
	static const struct {
		const char *kind;
		int edid;	/* it is shown to programs: 1, not: 0, may be: -1 */
	} edids[] = {
		{ "none", 1 }, { "half", 0 }, { "checksum", 0 }, { "empty", 0 }, { "huge", 0 },
		{ "extensions", 0 }, { "extension", 0 }, { "clock", 1 }, { "zeroes", 0 }, { "ones", 0 },
		{ "random", -1 }, { "random", -1 }, { "random", -1 }, { "random", -1 },
		{ "random", -1 }, { "random", -1 }, { "random", -1 }, { "random", -1 },
	};
	struct kms k;

	for (size_t i = 0; i < ARRAY_SIZE(edids); i++) {
		const char *kind = edids[i].kind;

		ASSERT_EQ(0, host_device(NULL, 0, "edid 0 %s", kind));
		ASSERT_EQ(0, news("get_edid"));
		ASSERT_EQ(0, kms_open(&k));
		EXPECT_TRUE(k.outputs[0].connected);
		EXPECT_TRUE(modes_make_sense(&k, 0)) TH_LOG("%s", kind);
		EXPECT_EQ(WIDTH, k.outputs[0].mode.hdisplay) TH_LOG("%s", kind);
		EXPECT_EQ(HEIGHT, k.outputs[0].mode.vdisplay) TH_LOG("%s", kind);
		if (edids[i].edid >= 0)
			EXPECT_EQ(edids[i].edid, has_edid(&k)) TH_LOG("%s", kind);
		EXPECT_EQ(0, kms_close(&k)) TH_LOG("%s", kind);
	}
	EXPECT_EQ(0, dev_works());
	ASSERT_EQ(0, host_device(NULL, 0, "edid 0 none"));
}

TEST_F_TIMEOUT(host, wrong_sizes, LONG_TEST)
{
	static const uint32_t sizes[][4] = {
		{ UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX }, { 1, 1, 0, 0 },
		{ 16384, 16384, 0, 0 }, { 16385, 1, 1u << 31, 1u << 31 },
		{ 0, 800, 0, 0 }, { 1280, 0, 0, 0 }, { 0x80000000, 0x80000000, 0, 0 },
		{ 65536, 65536, 65536, 65536 }, { 1, 16384, 0x7fffffff, 0x7fffffff },
	};
	struct kms k;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const uint32_t *s = sizes[i];

		ASSERT_EQ(0, host_device(NULL, 0, "display 0 %u %u %u %u", s[0], s[1], s[2],
					 s[3]));
		ASSERT_EQ(0, news("get_display_info"));
		ASSERT_EQ(0, kms_open(&k));
		EXPECT_EQ(s[0] && s[1], k.outputs[0].connected) TH_LOG("%ux%u", s[0], s[1]);
		EXPECT_TRUE(modes_make_sense(&k, 0)) TH_LOG("%ux%u", s[0], s[1]);
		EXPECT_EQ(0, kms_close(&k)) TH_LOG("%ux%u", s[0], s[1]);
		EXPECT_EQ(0, dev_works()) TH_LOG("%ux%u", s[0], s[1]);
	}
	ASSERT_EQ(0, host_device(NULL, 0, "display 0 %u %u", WIDTH, HEIGHT));
}

/* Absurd, but powers of two: what the host would not take is not asked of it. */
TEST_F_TIMEOUT(host, large_alignments, LONG_TEST)
{
	static const uint32_t alignments[] = { 1, 65536, 1 << 20, 1u << 31 };

	for (size_t i = 0; i < ARRAY_SIZE(alignments); i++) {
		int fd;

		ASSERT_EQ(0, host_unplug());
		ASSERT_EQ(0, host_device(NULL, 0, "config blob_alignment %u", alignments[i]));
		ASSERT_EQ(0, dev_plug("all"));
		fd = gpu_open();
		ASSERT_LE(0, fd);
		EXPECT_EQ(alignments[i] <= 1 << 20 ? 0 : -ENOMEM, load_guest_blob(fd))
			TH_LOG("%u", alignments[i]);
		EXPECT_EQ(alignments[i] <= 1 << 20 ? 0 : -ENOMEM, load_host_memory(fd))
			TH_LOG("%u", alignments[i]);
		close(fd);
		EXPECT_EQ(0, dev_works()) TH_LOG("%u", alignments[i]);
	}
	ASSERT_EQ(0, host_device(NULL, 0, "config blob_alignment"));
}

/* A queue in which not even a buffer can be made known is of no use. */
TEST_F_TIMEOUT(host, short_queues, LONG_TEST)
{
	static const struct {
		unsigned int size;
		bool works;
	} queues[] = {
		{ 1, false }, { 2, false }, { 3, false }, { 4, true }, { 8, true }, { 1024, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
		char how[32];
		int fd;

		snprintf(how, sizeof(how), "all vq_size=%u", queues[i].size);
		ASSERT_EQ(0, host_unplug());
		if (queues[i].works) {
			ASSERT_EQ(0, dev_plug(how)) TH_LOG("%s", how);
			EXPECT_EQ(0, dev_works()) TH_LOG("%s", how);
			continue;
		}
		ASSERT_EQ(0, host_plug(how));
		sleep(1);
		fd = kms_open_node(DRM_NODE_PRIMARY, NULL);
		EXPECT_GT(0, fd) TH_LOG("%s", how);
		close(fd);
	}
}

/*
 * Gone with the n-th command from the first one on, until the console is shown.
 * The driver is told nothing, nothing is answered any more.
 */
static void gone(struct __test_metadata *_metadata, const char *how)
{
	uint64_t start;

	ASSERT_EQ(0, dev_timeout(TIMEOUT_MS));
	ASSERT_EQ(0, host_unplug());
	for (int n = 1; n <= COMMANDS; n++) {
		ASSERT_EQ(0, host_device(NULL, 0, "fault any %d %s", n, how));
		ASSERT_EQ(0, host_plug("all"));
		usleep(2 * TIMEOUT_MS * 1000);
		start = kms_now_ns();
		ASSERT_EQ(0, host_unplug());
		EXPECT_GT(BOUND_MS, (kms_now_ns() - start) / 1000000) TH_LOG("command %d", n);
	}
	ASSERT_EQ(0, host_plug("all"));
	figure("probes that lost their device half way", COMMANDS);
}

TEST_F_TIMEOUT(host, disconnects_while_it_is_found, LONG_TEST)
{
	gone(_metadata, "disconnect");
}

TEST_F_TIMEOUT(host, dies_while_it_is_found, LONG_TEST)
{
	gone(_metadata, "die");
}

/* Of descriptors that there are not, that nobody uses, and after a reset. */
TEST_F_TIMEOUT(host, answers_to_nothing, LONG_TEST)
{
	static const struct {
		unsigned int queue;
		uint32_t id;
		uint32_t bytes;
	} answers[] = {
		{ 0, 250, 24 }, { 0, 256, 24 }, { 0, 65535, UINT32_MAX }, { 0, UINT16_MAX, 0 },
		{ 1, 250, 0 }, { 1, 256, UINT32_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		int resets = gpu_stat("resets");

		ASSERT_EQ(0, host_device(NULL, 0, "answer %u %u %u", answers[i].queue,
					 answers[i].id, answers[i].bytes));
		EXPECT_EQ(resets + 1, gpu_stat_wait("resets", resets + 1));
		EXPECT_EQ(0, dev_works()) TH_LOG("queue %u, id %u", answers[i].queue,
						 answers[i].id);
		/* as if it were one to what was asked before the reset */
		ASSERT_EQ(0, host_device(NULL, 0, "answer %u %u %u", answers[i].queue,
					 answers[i].id - 1, answers[i].bytes));
		EXPECT_EQ(resets + 2, gpu_stat_wait("resets", resets + 2));
		EXPECT_EQ(0, dev_works());
	}
}

/* Pages that had moved when the device was reset are found by the next use. */
TEST_F_TIMEOUT(host, reset_while_nothing_is_attached, LONG_TEST)
{
	static const char * const hosts[] = { "all", "virgl,edid", "edid" };

	NEED_MODULE();
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		struct desktop d;
		struct kms_fb fb;
		int fd, resets;

		ASSERT_EQ(0, dev_replug(hosts[i]));
		ASSERT_EQ(0, desktop_open(&d));
		ASSERT_EQ(0, desktop_show(&d));
		ASSERT_EQ(0, module_export(LOAD_WIDTH * LOAD_HEIGHT * 4, 1,
					   VIRTGPU_TEST_MOVE_MAPPED, &fd));
		ASSERT_EQ(0, share_fb(&d.k, fd, LOAD_WIDTH, LOAD_HEIGHT, &fb));
		ASSERT_EQ(0, share_draw(fd, &fb, i));
		EXPECT_EQ(0, kms_flip(&d.k, d.o, &fb, 0, 0));
		EXPECT_EQ(0, desktop_show(&d));
		ASSERT_EQ(0, module_move(fd, KMS_WAIT_MS));

		resets = gpu_stat("resets");
		ASSERT_EQ(0, host_device(NULL, 0, "answer 0 65535 0"));
		EXPECT_EQ(resets + 1, gpu_stat_wait("resets", resets + 1));
		EXPECT_EQ(0, kms_flip(&d.k, d.o, &fb, 0, 0)) TH_LOG("%s", hosts[i]);
		EXPECT_EQ(0, host_diff_fb(d.o->head, &fb)) TH_LOG("%s", hosts[i]);
		kms_fb_destroy(&fb);
		close(fd);
		desktop_close(&d);
	}
}

TEST_HARNESS_MAIN
