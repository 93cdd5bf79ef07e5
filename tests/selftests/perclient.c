// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs come and go, also in the middle of things: nothing of them stays
 * in the kernel or at the host.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <signal.h>

#include "host.h"
#include "kms.h"

#define LONG_TEST	300

/**
 * struct left - what could be left over
 * @framebuffers: that the kernel knows; -1 when debugfs does not say
 * @clients: that have the card open; -1 when debugfs does not say
 */
struct left {
	int framebuffers;
	int clients;
};

FIXTURE(perclient) {
	struct left before;
	bool host;
};

static int count_lines(int minor, const char *name, const char *with)
{
	char path[128], line[512];
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%d/%s", minor,
		 name);
	f = fopen(path, "r");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += !!strstr(line, with);
	fclose(f);
	return n;
}

static void count_left(struct left *left)
{
	int minor = -1, fd = kms_open_node(DRM_NODE_PRIMARY, &minor);

	close(fd);
	left->framebuffers = count_lines(minor, "framebuffer", "framebuffer[");
	left->clients = count_lines(minor, "clients", "");
}

/* One program: shows a picture, and does not clean up. */
static int draw(struct kms *k, struct kms_fb *fb)
{
	struct kms_output *o;
	int ret = kms_open(k);

	if (ret)
		return ret;
	o = kms_connected(k);
	if (!o)
		return -ENODEV;
	ret = kms_fb_create(k, o->mode.hdisplay, o->mode.vdisplay,
			    DRM_FORMAT_XRGB8888, fb);
	if (ret)
		return ret;
	kms_fb_fill(fb, 0x335577);
	return kms_show(k, o, fb);
}

/* Resources made at the host since the mark, less those given back */
static int host_balance(void)
{
	return host_trace("res_create_2d", NULL) -
	       host_trace("res_unref", NULL);
}

FIXTURE_SETUP(perclient)
{
	struct kms_fb fb;
	struct kms k;

	/* once without counting, for what is made at the first use */
	ASSERT_EQ(0, draw(&k, &fb));
	munmap(fb.map, fb.size);
	ASSERT_EQ(0, kms_close(&k));
	usleep(300000);
	count_left(&self->before);
	self->host = !host_missing();
	if (self->host) {
		ASSERT_EQ(0, host_mark());
	}
}

/* Everything is as it was before, at once or a little later. */
FIXTURE_TEARDOWN(perclient)
{
	struct left now;
	int balance = 0;

	for (int i = 0; i < 50; i++) {
		count_left(&now);
		balance = self->host ? host_balance() : 0;
		if (now.framebuffers == self->before.framebuffers && !balance)
			break;
		usleep(100000);
	}
	TH_LOG("%d framebuffers, %d clients, %d host resources more",
	       now.framebuffers, now.clients, balance);
	EXPECT_EQ(self->before.framebuffers, now.framebuffers);
	EXPECT_EQ(self->before.clients, now.clients);
	EXPECT_EQ(0, balance);
}

TEST_F_TIMEOUT(perclient, a_hundred_come_and_go, LONG_TEST)
{
	for (int i = 0; i < 100; i++) {
		struct kms_fb fb;
		struct kms k;

		ASSERT_EQ(0, draw(&k, &fb));
		munmap(fb.map, fb.size);
		ASSERT_EQ(0, kms_close(&k));
	}
}

static void flip_for_ever(void)
{
	struct kms_fb fb;
	struct kms k;

	if (draw(&k, &fb))
		_exit(1);
	for (;;) {
		if (kms_flip(&k, kms_connected(&k), &fb,
			     DRM_MODE_ATOMIC_NONBLOCK |
			     DRM_MODE_PAGE_FLIP_EVENT, 0) ||
		    kms_wait_flip(&k))
			_exit(2);
	}
}

/* Killed at different places of a flip. */
TEST_F_TIMEOUT(perclient, killed_while_flipping, LONG_TEST)
{
	for (int i = 0; i < 20; i++) {
		int status = 0;
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid)
			flip_for_ever();
		usleep(250000 + i * 1700);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status))
			TH_LOG("it ended by itself with %d",
			       WEXITSTATUS(status));
	}
}

static void modeset_for_ever(void)
{
	struct kms_fb fb;
	struct kms k;

	if (draw(&k, &fb))
		_exit(1);
	for (;;) {
		if (kms_off(&k, kms_connected(&k)) ||
		    kms_show(&k, kms_connected(&k), &fb))
			_exit(2);
	}
}

TEST_F_TIMEOUT(perclient, killed_while_modesetting, LONG_TEST)
{
	for (int i = 0; i < 10; i++) {
		int status = 0;
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid)
			modeset_for_ever();
		usleep(200000 + i * 3100);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
}

/* Many at once make buffers; only one of them has the display. */
TEST_F_TIMEOUT(perclient, many_at_once, LONG_TEST)
{
	pid_t pids[8];

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (pids[i])
			continue;
		for (int n = 0; n < 20; n++) {
			struct kms k = { .klog = -1 };
			struct kms_fb fb;

			k.fd = kms_open_node(DRM_NODE_PRIMARY, NULL);
			if (k.fd < 0 ||
			    kms_fb_create(&k, 300, 200, DRM_FORMAT_XRGB8888,
					  &fb))
				_exit(1);
			kms_fb_fill(&fb, n);
			munmap(fb.map, fb.size);
			close(k.fd);
		}
		_exit(0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_TRUE(WIFEXITED(status) && !WEXITSTATUS(status));
	}
}

TEST_HARNESS_MAIN
