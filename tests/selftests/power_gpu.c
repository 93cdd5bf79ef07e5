// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Hibernation with a 3D client at work: its context is lost and it is told so, the
 * picture is back, and who comes later works.
 */
#include "display.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "gpu.h"
#include "power.h"

/* Submits until that fails; returns the errno. */
static int submit_until_error(void)
{
	int fd = gpu_open(), ret;

	do {
		ret = fd < 0 ? fd : gpu_finish(fd);
	} while (!ret);
	return -ret;
}

TEST_F_TIMEOUT(display, client_at_work, POWER_TEST)
{
	const char *why = hibernation_missing();
	int fd = gpu_open(), status = 0;
	pid_t child;

	NEED_HOST();
	ASSERT_LE(0, fd);
	if (why)
		SKIP(return, "%s", why);
	if (!gpu_has(fd, VIRTGPU_PARAM_3D_FEATURES))
		SKIP(return, "the host has no 3D");
	ASSERT_EQ(0, gpu_finish(fd));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(submit_until_error());
	ASSERT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));

	EXPECT_EQ(0, hibernate());
	EXPECT_EQ(0, host_diff_fb_soon(self->o->head, &self->fb, KMS_WAIT_MS));
	for (int i = 0; i < 100 && waitpid(child, &status, WNOHANG) != child; i++)
		usleep(100000);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == ECANCELED) {
		TH_LOG("status %x", status);
		kill(child, SIGKILL);
	}
	EXPECT_EQ(-ECANCELED, gpu_finish(fd));
	close(fd);
	fd = gpu_open();
	EXPECT_EQ(0, gpu_finish(fd));
	close(fd);
}

TEST_HARNESS_MAIN
