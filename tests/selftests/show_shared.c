// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * show_shared EXPORTER [SECONDS]: draws into a buffer of another device and shows
 * that very buffer on the virtio GPU, without a copy by this program.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "share.h"

static const char * const names[NUM_EXPORTERS] = {
	[EXPORT_SECOND] = "virtio_gpu", [EXPORT_VGEM] = "vgem",
	[EXPORT_UDMABUF] = "udmabuf", [EXPORT_HEAP] = "heap",
};

static int usage(void)
{
	fprintf(stderr, "usage: show_shared EXPORTER [SECONDS]\nexporters:");
	for (int i = 0; i < NUM_EXPORTERS; i++) {
		if (names[i])
			fprintf(stderr, " %s%s", names[i],
				share_missing(i) ? " (not on this machine)" : "");
	}
	fprintf(stderr, "\n");
	return 2;
}

static int find_exporter(const char *name)
{
	for (int i = 0; i < NUM_EXPORTERS; i++) {
		if (names[i] && !strcmp(names[i], name))
			return i;
	}
	return -1;
}

static int failed(const char *what, int error)
{
	fprintf(stderr, "show_shared: %s: %s\n", what, strerror(-error));
	return 1;
}

int main(int argc, char **argv)
{
	int exporter = argc > 1 ? find_exporter(argv[1]) : -1, ret;
	struct kms_output *o;
	struct share share;
	struct kms_fb fb;
	struct kms k;

	if (exporter < 0 || argc > 3)
		return usage();
	ret = kms_open(&k);
	if (ret)
		return failed("no virtio GPU, or another program has its display", ret);
	o = kms_connected(&k);
	if (!o)
		return failed("no output is connected", -ENODEV);
	if (share_missing(exporter))
		return failed(share_missing(exporter), -ENODEV);

	ret = share_make(exporter, (uint64_t)o->mode.hdisplay * o->mode.vdisplay * 4, &share);
	if (ret)
		return failed("the exporter gives no buffer", ret);
	ret = share_fb(&k, share.fd, o->mode.hdisplay, o->mode.vdisplay, &fb);
	if (ret)
		return failed("the buffer cannot be imported", ret);
	ret = share_draw(share.fd, &fb, 1);
	if (!ret)
		ret = kms_show(&k, o, &fb);
	if (ret)
		return failed("the buffer cannot be shown", ret);
	printf("a buffer of %s, %ux%u, is on the screen\n", argv[1], fb.width, fb.height);
	fflush(stdout);
	sleep(argc > 2 ? atoi(argv[2]) : 10);
	return 0;
}
