// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * OpenGL ES by Mesa and the host's GPU: what is uploaded, drawn and read back
 * is exactly what it should be.
 */
#include <kselftest_harness.h>

#include <errno.h>

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <gbm.h>

#include "gpu.h"

#define SIZE	64	/* of what is drawn on, in pixels */

FIXTURE(gles) {
	int fd;
	int resources;
	struct gbm_device *gbm;
	EGLDisplay display;
	EGLContext context;
};

static EGLContext make_context(EGLDisplay display)
{
	static const EGLint config_attribs[] = {
		EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT,
		EGL_SURFACE_TYPE, EGL_DONT_CARE, EGL_NONE,
	};
	static const EGLint attribs[] = { EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE };
	EGLConfig config;
	EGLint n = 0;

	if (!eglBindAPI(EGL_OPENGL_ES_API) ||
	    !eglChooseConfig(display, config_attribs, &config, 1, &n) || !n)
		return EGL_NO_CONTEXT;
	return eglCreateContext(display, config, EGL_NO_CONTEXT, attribs);
}

FIXTURE_SETUP(gles)
{
	self->fd = gpu_open();
	ASSERT_LE(0, self->fd);
	if (!gpu_has(self->fd, VIRTGPU_PARAM_3D_FEATURES))
		SKIP(return, "the host has no 3D");
	self->resources = gpu_stat("resources");
	self->gbm = gbm_create_device(self->fd);
	ASSERT_TRUE(self->gbm);
	self->display = eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, self->gbm,
					      NULL);
	ASSERT_NE(EGL_NO_DISPLAY, self->display);
	ASSERT_TRUE(eglInitialize(self->display, NULL, NULL));
	self->context = make_context(self->display);
	ASSERT_NE(EGL_NO_CONTEXT, self->context);
	ASSERT_TRUE(eglMakeCurrent(self->display, EGL_NO_SURFACE,
				   EGL_NO_SURFACE, self->context));
}

FIXTURE_TEARDOWN(gles)
{
	eglMakeCurrent(self->display, EGL_NO_SURFACE, EGL_NO_SURFACE,
		       EGL_NO_CONTEXT);
	eglDestroyContext(self->display, self->context);
	eglTerminate(self->display);
	gbm_device_destroy(self->gbm);
	close(self->fd);
	EXPECT_EQ(self->resources,
		  gpu_stat_wait("resources", self->resources));
}

/* --- drawing --- */

static GLuint texture(const void *pixels)
{
	GLuint tex;

	glGenTextures(1, &tex);
	glBindTexture(GL_TEXTURE_2D, tex);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
	glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, SIZE, SIZE, 0, GL_RGBA,
		     GL_UNSIGNED_BYTE, pixels);
	return tex;
}

/* Draws on a texture from now on. */
static GLenum target(void)
{
	GLuint fbo, tex = texture(NULL);

	glGenFramebuffers(1, &fbo);
	glBindFramebuffer(GL_FRAMEBUFFER, fbo);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0,
			       GL_TEXTURE_2D, tex, 0);
	glViewport(0, 0, SIZE, SIZE);
	return glCheckFramebufferStatus(GL_FRAMEBUFFER);
}

static GLuint shader(GLenum type, const char *text)
{
	GLuint shader = glCreateShader(type);
	GLint ok = 0;

	glShaderSource(shader, 1, &text, NULL);
	glCompileShader(shader);
	glGetShaderiv(shader, GL_COMPILE_STATUS, &ok);
	return ok ? shader : 0;
}

/* A program that takes its colour from @fragment; position is 0. */
static GLuint program(const char *fragment)
{
	GLuint program = glCreateProgram();
	GLint ok = 0;

	glAttachShader(program, shader(GL_VERTEX_SHADER,
		"attribute vec2 position;\n"
		"varying vec2 at;\n"
		"void main() {\n"
		"	gl_Position = vec4(position, 0.0, 1.0);\n"
		"	at = position * 0.5 + 0.5;\n"
		"}\n"));
	glAttachShader(program, shader(GL_FRAGMENT_SHADER, fragment));
	glBindAttribLocation(program, 0, "position");
	glLinkProgram(program);
	glGetProgramiv(program, GL_LINK_STATUS, &ok);
	return ok ? program : 0;
}

/* A rectangle in coordinates from -1 to 1. */
static void rectangle(float x0, float y0, float x1, float y1)
{
	const float corners[] = { x0, y0, x1, y0, x0, y1, x1, y1 };

	glVertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 0, corners);
	glEnableVertexAttribArray(0);
	glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
}

static void read_pixels(uint32_t *pixels)
{
	memset(pixels, 0xee, SIZE * SIZE * 4);
	glReadPixels(0, 0, SIZE, SIZE, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
}

/* --- tests --- */

TEST_F(gles, renderer)
{
	const char *name = (const char *)glGetString(GL_RENDERER);

	ASSERT_TRUE(name);
	EXPECT_TRUE(strstr(name, "virgl")) TH_LOG("renderer %s", name);
}

TEST_F(gles, clear)
{
	uint32_t pixels[SIZE * SIZE];

	ASSERT_EQ(GL_FRAMEBUFFER_COMPLETE, target());
	glClearColor(1, 0.2, 0, 1);
	glClear(GL_COLOR_BUFFER_BIT);
	read_pixels(pixels);
	for (int i = 0; i < SIZE * SIZE; i++) {
		ASSERT_EQ(0xff0033ff, pixels[i]) TH_LOG("pixel %d", i);
	}
	EXPECT_EQ(GL_NO_ERROR, glGetError());
}

/* A quarter of the picture in one colour, the rest in another. */
TEST_F(gles, draw)
{
	uint32_t pixels[SIZE * SIZE];
	GLuint prog;

	ASSERT_EQ(GL_FRAMEBUFFER_COMPLETE, target());
	prog = program("void main() { gl_FragColor = vec4(0.0, 1.0, 0.4, 1.0); }");
	ASSERT_NE(0, prog);
	glUseProgram(prog);
	glClearColor(0, 0, 1, 1);
	glClear(GL_COLOR_BUFFER_BIT);
	rectangle(-1, -1, 0, 0);
	read_pixels(pixels);
	for (int i = 0; i < SIZE * SIZE; i++) {
		bool inside = i % SIZE < SIZE / 2 && i / SIZE < SIZE / 2;

		ASSERT_EQ(inside ? 0xff66ff00 : 0xffff0000, pixels[i])
			TH_LOG("pixel %d", i);
	}
	EXPECT_EQ(GL_NO_ERROR, glGetError());
}

/* A picture goes up as a texture, is drawn, and comes back. */
TEST_F(gles, textured)
{
	uint32_t picture[SIZE * SIZE], pixels[SIZE * SIZE];
	GLuint prog;

	gpu_pattern(picture, sizeof(picture), 12);
	ASSERT_EQ(GL_FRAMEBUFFER_COMPLETE, target());
	texture(picture);
	prog = program("precision mediump float;\n"
		       "uniform sampler2D picture;\n"
		       "varying vec2 at;\n"
		       "void main() { gl_FragColor = texture2D(picture, at); }");
	ASSERT_NE(0, prog);
	glUseProgram(prog);
	rectangle(-1, -1, 1, 1);
	read_pixels(pixels);
	EXPECT_EQ(0, memcmp(picture, pixels, sizeof(picture)));
	EXPECT_EQ(GL_NO_ERROR, glGetError());
}

/* A part of a texture is changed between drawings. */
TEST_F(gles, updates)
{
	uint32_t picture[SIZE * SIZE], pixels[SIZE * SIZE], part[16 * 16];
	GLuint prog;

	gpu_pattern(picture, sizeof(picture), 13);
	ASSERT_EQ(GL_FRAMEBUFFER_COMPLETE, target());
	texture(picture);
	prog = program("precision mediump float;\n"
		       "uniform sampler2D picture;\n"
		       "varying vec2 at;\n"
		       "void main() { gl_FragColor = texture2D(picture, at); }");
	ASSERT_NE(0, prog);
	glUseProgram(prog);
	for (int frame = 0; frame < 30; frame++) {
		int x = frame, y = 40 - frame;

		gpu_pattern(part, sizeof(part), 100 + frame);
		glTexSubImage2D(GL_TEXTURE_2D, 0, x, y, 16, 16, GL_RGBA,
				GL_UNSIGNED_BYTE, part);
		for (int row = 0; row < 16; row++)
			memcpy(picture + (y + row) * SIZE + x, part + row * 16,
			       16 * 4);
		rectangle(-1, -1, 1, 1);
		read_pixels(pixels);
		ASSERT_EQ(0, memcmp(picture, pixels, sizeof(picture)))
			TH_LOG("frame %d", frame);
	}
}

TEST_HARNESS_MAIN
