// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Large buffers in many pieces: a piece is one memory entry for the host, which
 * takes so many of them and no more.
 */
#include "imported.h"

/* 82 MB, as a desktop of three large screens has */
#define BIG_WIDTH	5120
#define BIG_HEIGHT	4198
#define BIG_SIZE	((uint64_t)BIG_WIDTH * BIG_HEIGHT * 4)
#define PAGES(size)	(((size) + 4095) / 4096)

/* QEMU takes 16,384 entries. */
#define RUN		4

#define TRACING	"/sys/kernel/tracing/"
#define ENTRY	16

FIXTURE_VARIANT_ADD(import, module) { .from = EXPORT_MODULE };

static int put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	int ret = 0;

	if (!f)
		return -errno;
	if (fputs(text, f) < 0 || fflush(f))
		ret = -errno;
	fclose(f);
	return ret;
}

static int trace_start(void)
{
	int ret = put(TRACING "trace", "");

	return ret ?: put(TRACING "events/virtio_gpu/virtgpu_cmd_queue/enable",
			  "1");
}

/* The most entries of any command since trace_start(). */
static int trace_entries(void)
{
	char line[512], *at;
	int most = 0;
	FILE *f;

	put(TRACING "events/virtio_gpu/virtgpu_cmd_queue/enable", "0");
	f = fopen(TRACING "trace", "r");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, "payload=");
		if (at && atoi(at + 8) / ENTRY > most)
			most = atoi(at + 8) / ENTRY;
	}
	fclose(f);
	return most;
}

TEST_F_TIMEOUT(import, pieces_are_entries, LONG_TEST)
{
	unsigned int pieces = (PAGES(BIG_SIZE) + RUN - 1) / RUN;
	struct kms_fb fb, part;
	struct picture want;
	int fd;

	ASSERT_EQ(0, module_export(BIG_SIZE, RUN, 0, &fd));
	ASSERT_EQ(0, trace_start());
	ASSERT_EQ(0, share_fb(&self->k, fd, BIG_WIDTH, BIG_HEIGHT, &fb));
	part = fb;
	part.width = WIDTH;
	part.height = HEIGHT;
	ASSERT_EQ(0, share_draw(fd, &part, 3));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	EXPECT_EQ(pieces, trace_entries());
	if (shows_parts()) {
		ASSERT_EQ(0, picture_crop(&want, &fb, 0, 0, WIDTH, HEIGHT));
		EXPECT_EQ(0, host_diff(self->o->head, &want));
		picture_free(&want);
	}
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	kms_fb_destroy(&fb);
	close(fd);
}

/* One piece of neighbours is one entry, whatever its length. */
TEST_F_TIMEOUT(import, neighbours_are_one_entry, LONG_TEST)
{
	struct kms_fb fb;
	int fd;

	ASSERT_EQ(0, module_export(SIZE, SIZE / 4096, 0, &fd));
	ASSERT_EQ(0, trace_start());
	ASSERT_EQ(0, share_fb(&self->k, fd, WIDTH, HEIGHT, &fb));
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &fb, 0, 0));
	EXPECT_EQ(1, trace_entries());
	ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
	kms_fb_destroy(&fb);
	close(fd);
}

/* More entries than the host takes: an error that is told, and nothing left. */
TEST_F_TIMEOUT(import, too_many_pieces, LONG_TEST)
{
	struct virtgpu_test_stats stats;
	struct kms_fb fb;
	int fd, ret;

	ASSERT_EQ(0, module_export(BIG_SIZE, 1, 0, &fd));
	ret = share_fb(&self->k, fd, BIG_WIDTH, BIG_HEIGHT, &fb);
	if (!ret)
		ret = kms_flip(&self->k, self->o, &fb, 0, 0);
	EXPECT_TRUE(ret == 0 || ret == -ENOMEM || ret == -EREMOTEIO)
		TH_LOG("errno %d", -ret);
	if (!host_missing()) {
		EXPECT_EQ(ret ? 0 : 1, !!host_diff_fb(self->o->head,
						      &self->fb));
	}
	if (!ret) {
		ASSERT_EQ(0, kms_flip(&self->k, self->o, &self->fb, 0, 0));
		kms_fb_destroy(&fb);
	}
	EXPECT_EQ(0, module_wait_idle(fd, &stats));
	EXPECT_EQ(stats.maps, stats.unmaps);
	close(fd);
}

TEST_HARNESS_MAIN
