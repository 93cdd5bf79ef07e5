// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The console: fbdev's device, and that text is there again when no program
 * has the display.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include <linux/fb.h>
#include <linux/kd.h>

#include "host.h"
#include "kms.h"

#define LONG_TEST	120
#define SOON_MS		(8000 * slow())

/**
 * FIXTURE(console) - fbdev's buffer seen as a framebuffer, with the text
 * console not drawing on it
 */
FIXTURE(console) {
	int fb;
	int tty;
	struct fb_var_screeninfo var;
	struct kms_fb view;
};

/* The frame buffer device that DRM made for virtio_gpu */
static int open_fbdev(struct fb_fix_screeninfo *fix)
{
	for (int i = 0; i < 8; i++) {
		char path[32];
		int fd;

		snprintf(path, sizeof(path), "/dev/fb%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!ioctl(fd, FBIOGET_FSCREENINFO, fix) &&
		    !strncmp(fix->id, "virtio_gpu", 10))
			return fd;
		close(fd);
	}
	return -1;
}

FIXTURE_SETUP(console)
{
	struct fb_fix_screeninfo fix;

	self->fb = open_fbdev(&fix);
	ASSERT_LE(0, self->fb);
	self->tty = open("/dev/tty0", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->tty);
	ASSERT_EQ(0, ioctl(self->tty, KDSETMODE, KD_TEXT));
	ASSERT_EQ(0, ioctl(self->fb, FBIOGET_VSCREENINFO, &self->var));
	ASSERT_EQ(32, self->var.bits_per_pixel);

	self->view.width = self->var.xres;
	self->view.height = self->var.yres;
	self->view.pitch = fix.line_length;
	self->view.format = DRM_FORMAT_XRGB8888;
	self->view.size = (uint64_t)fix.line_length * self->var.yres;
	self->view.map = mmap(NULL, self->view.size, PROT_READ | PROT_WRITE,
			      MAP_SHARED, self->fb, 0);
	ASSERT_NE(MAP_FAILED, self->view.map);
}

FIXTURE_TEARDOWN(console)
{
	munmap(self->view.map, self->view.size);
	ioctl(self->tty, KDSETMODE, KD_TEXT);
	close(self->tty);
	close(self->fb);
}

static int graphics(FIXTURE_DATA(console) *self)
{
	return ioctl(self->tty, KDSETMODE, KD_GRAPHICS);
}

/* Fills the text screen with one of the console's colours. */
static int clear_text(FIXTURE_DATA(console) *self, int colour)
{
	char seq[64];
	int len = snprintf(seq, sizeof(seq), "\033[?25l\033[4%dm\033[2J\033[H",
			   colour);

	return write(self->tty, seq, len) == len ? 0 : -errno;
}

/* Is nine tenths of the screen of this colour, soon? */
static bool screen_is(uint32_t rgb)
{
	uint64_t end = kms_now_ns() + SOON_MS * 1000000ULL;
	uint32_t n, seen = 0, all = 0;

	do {
		struct picture pic;

		if (host_shot(0, &pic))
			return false;
		all = pic.width * pic.height;
		for (n = 0, seen = 0; n < all; n++)
			seen += pic.rgb[n] == rgb;
		picture_free(&pic);
		if (seen >= all / 10 * 9)
			return true;
		usleep(100000);
	} while (kms_now_ns() < end);

	fprintf(stderr, "# %u of %u pixels are %06x\n", seen, all, rgb);
	return false;
}

#define BLUE	0x0000aa
#define GREEN	0x00aa00

TEST_F(console, screen_info)
{
	EXPECT_LE(640, self->var.xres);
	EXPECT_LE(480, self->var.yres);
	EXPECT_LE(self->var.xres, self->var.xres_virtual);
	EXPECT_LE(self->var.yres, self->var.yres_virtual);
	EXPECT_LE(self->var.xres * 4, self->view.pitch);
}

TEST_F_TIMEOUT(console, drawing_by_mmap, LONG_TEST)
{
	NEED_HOST();
	ASSERT_EQ(0, graphics(self));
	for (int seed = 1; seed < 3; seed++) {
		kms_fb_draw(&self->view, seed);
		EXPECT_EQ(0, host_diff_fb_soon(0, &self->view, SOON_MS));
	}
}

TEST_F_TIMEOUT(console, drawing_by_write, LONG_TEST)
{
	uint32_t *rows;

	NEED_HOST();
	ASSERT_EQ(0, graphics(self));
	kms_fb_draw(&self->view, 4);
	rows = malloc(self->view.pitch * 50);
	ASSERT_TRUE(rows);
	for (uint32_t i = 0; i < self->view.pitch * 50 / 4; i++)
		rows[i] = i * 77;
	ASSERT_EQ(self->view.pitch * 100,
		  lseek(self->fb, self->view.pitch * 100, SEEK_SET));
	EXPECT_EQ(self->view.pitch * 50,
		  write(self->fb, rows, self->view.pitch * 50));
	free(rows);
	EXPECT_EQ(77, kms_fb_get(&self->view, 1, 100));
	EXPECT_EQ(0, host_diff_fb_soon(0, &self->view, SOON_MS));
}

TEST_F(console, ioctls)
{
	struct fb_var_screeninfo var = self->var;

	var.xoffset = 0;
	var.yoffset = 0;
	EXPECT_EQ(0, ioctl(self->fb, FBIOPAN_DISPLAY, &var));
	var.yoffset = var.yres_virtual;
	EXPECT_NE(0, ioctl(self->fb, FBIOPAN_DISPLAY, &var));
	EXPECT_EQ(EINVAL, errno);
	var = self->var;
	var.xres = 0x7fffffff;
	EXPECT_NE(0, ioctl(self->fb, FBIOPUT_VSCREENINFO, &var));
	var = self->var;
	EXPECT_EQ(0, ioctl(self->fb, FBIOPUT_VSCREENINFO, &var));
	EXPECT_NE(0, ioctl(self->fb, FBIOGET_VSCREENINFO, (void *)8));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F_TIMEOUT(console, blanking, LONG_TEST)
{
	NEED_HOST();
	ASSERT_EQ(0, graphics(self));
	kms_fb_draw(&self->view, 5);
	EXPECT_EQ(0, host_diff_fb_soon(0, &self->view, SOON_MS));
	ASSERT_EQ(0, ioctl(self->fb, FBIOBLANK, FB_BLANK_POWERDOWN));
	EXPECT_NE(0, host_diff_fb(0, &self->view));
	ASSERT_EQ(0, ioctl(self->fb, FBIOBLANK, FB_BLANK_UNBLANK));
	EXPECT_EQ(0, host_diff_fb_soon(0, &self->view, SOON_MS));
}

TEST_F_TIMEOUT(console, text_is_visible, LONG_TEST)
{
	NEED_HOST();
	ASSERT_EQ(0, clear_text(self, 4));
	EXPECT_TRUE(screen_is(BLUE));
	ASSERT_EQ(0, clear_text(self, 2));
	EXPECT_TRUE(screen_is(GREEN));
}

/* One program after another has the display, in between the text is back. */
TEST_F_TIMEOUT(console, back_and_forth, LONG_TEST)
{
	NEED_HOST();
	for (int i = 0; i < 5; i++) {
		struct kms_output *o;
		struct kms_fb fb;
		struct kms k;

		ASSERT_EQ(0, clear_text(self, i % 2 ? 2 : 4));
		ASSERT_EQ(0, kms_open(&k));
		o = kms_connected(&k);
		ASSERT_TRUE(o);
		ASSERT_EQ(0, kms_fb_create(&k, o->mode.hdisplay,
					   o->mode.vdisplay,
					   DRM_FORMAT_XRGB8888, &fb));
		kms_fb_draw(&fb, i);
		ASSERT_EQ(0, kms_show(&k, o, &fb));
		EXPECT_EQ(0, host_diff_fb(0, &fb));
		/* the console is drawn on, and not seen */
		ASSERT_EQ(0, clear_text(self, i % 2 ? 4 : 2));
		usleep(200000);
		EXPECT_EQ(0, host_diff_fb(0, &fb));
		munmap(fb.map, fb.size);
		EXPECT_EQ(0, kms_close(&k));
		EXPECT_TRUE(screen_is(i % 2 ? BLUE : GREEN));
	}
}

/* Dropping the master while the file stays open is not the end of it. */
TEST_F_TIMEOUT(console, master_taken_and_dropped, LONG_TEST)
{
	struct kms k;

	NEED_HOST();
	ASSERT_EQ(0, clear_text(self, 4));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, kms_open(&k));
		EXPECT_EQ(0, drmDropMaster(k.fd));
		EXPECT_EQ(0, kms_close(&k));
	}
	EXPECT_TRUE(screen_is(BLUE));
}

TEST_HARNESS_MAIN
