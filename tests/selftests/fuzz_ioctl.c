// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs that do anything: several processes of several threads each, which
 * share and pass their descriptors, make all the calls of fuzz_calls.c with
 * arguments that are mostly right, are interrupted by signals, fork, and are
 * killed. Afterwards the device works, and nothing of them is left.
 *
 * FUZZ_SEED and FUZZ_SECONDS say which calls and how long. The same seed makes
 * the same calls; what they find depends on who was first.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <kselftest_harness.h>

#include "dev.h"
#include "figure.h"
#include "fuzz.h"
#include "host.h"
#include "param.h"

#define PROCESSES	4

/* Seconds in which processes that are to end have ended. */
#define END_LIMIT	60

/* Time between two deaths. */
#define LIFE_US		1500000

/* Seconds more on a slow machine, until each call has worked once. */
#define PATIENCE	240

/* --- a process --- */

static void *run_thread(void *data)
{
	struct fuzz_worker *w = data;

	while (!w->process->shared->stop)
		fuzz_step(w);
	return NULL;
}

static void interrupted(int signal)
{
	(void)signal;
}

/* Signals interrupt what waits: no handler restarts it. */
static void interrupt_often(void)
{
	struct sigaction action = { .sa_handler = interrupted };
	struct itimerval timer = { { 0, 7000 }, { 0, 7000 } };

	sigaction(SIGALRM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static int run_process(struct fuzz_shared *shared, unsigned int number)
{
	static struct fuzz_worker workers[FUZZ_THREADS];
	static struct fuzz_process process;
	pthread_t threads[FUZZ_THREADS];
	int ret = fuzz_process_init(&process, shared);

	for (int i = 0; !ret && i < FUZZ_THREADS; i++)
		ret = fuzz_worker_init(&workers[i], &process, number * FUZZ_THREADS + i);
	if (ret)
		return ret;
	interrupt_often();
	for (int i = 1; i < FUZZ_THREADS; i++) {
		if (pthread_create(&threads[i], NULL, run_thread, &workers[i]))
			return -EAGAIN;
	}
	run_thread(&workers[0]);
	for (int i = 1; i < FUZZ_THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static pid_t start(struct fuzz_shared *shared, unsigned int number)
{
	pid_t child = fork();

	if (!child)
		_exit(run_process(shared, number) ? 1 : 0);
	return child;
}

/* --- what they know of the device --- */

static void add_id(struct fuzz_shared *shared, enum fuzz_kind kind, uint32_t id)
{
	struct fuzz_ids *ids = &shared->ids[kind];

	if (ids->count < FUZZ_IDS)
		ids->ids[ids->count++] = id;
	if (kind >= FUZZ_CRTC && kind < FUZZ_OBJECT)
		add_id(shared, FUZZ_OBJECT, id);
}

/* With what they are now: a commit of it changes nothing. */
static void add_props(struct fuzz_shared *shared, struct kms *k, uint32_t object)
{
	drmModeObjectProperties *props =
		drmModeObjectGetProperties(k->fd, object, DRM_MODE_OBJECT_ANY);

	for (uint32_t i = 0; props && i < props->count_props; i++) {
		add_id(shared, FUZZ_PROP, props->props[i]);
		if (shared->num_props < FUZZ_IDS)
			shared->props[shared->num_props++] = (struct fuzz_prop) {
				object, props->props[i], props->prop_values[i],
			};
	}
	drmModeFreeObjectProperties(props);
}

static void learn_device(struct fuzz_shared *shared, struct kms *k)
{
	const struct kms_output *o = kms_connected(k);
	drmModeRes *res = drmModeGetResources(k->fd);
	drmModePlaneRes *planes = drmModeGetPlaneResources(k->fd);

	for (int i = 0; res && i < res->count_crtcs; i++)
		add_id(shared, FUZZ_CRTC, res->crtcs[i]);
	for (int i = 0; res && i < res->count_connectors; i++)
		add_id(shared, FUZZ_CONNECTOR, res->connectors[i]);
	for (int i = 0; res && i < res->count_encoders; i++)
		add_id(shared, FUZZ_ENCODER, res->encoders[i]);
	for (uint32_t i = 0; planes && i < planes->count_planes; i++)
		add_id(shared, FUZZ_PLANE, planes->planes[i]);
	drmModeFreeResources(res);
	drmModeFreePlaneResources(planes);
	shared->output = *o;
	add_props(shared, k, o->crtc);
	add_props(shared, k, o->connector);
	add_props(shared, k, o->primary);
	add_props(shared, k, o->cursor);
}

static unsigned int features(int fd)
{
	return (gpu_has(fd, VIRTGPU_PARAM_3D_FEATURES) ? FUZZ_3D : 0) |
	       (gpu_has(fd, VIRTGPU_PARAM_RESOURCE_BLOB) ? FUZZ_BLOBS : 0) |
	       (gpu_has(fd, VIRTGPU_PARAM_CONTEXT_INIT) ? FUZZ_CONTEXTS : 0);
}

/* --- counts --- */

/* One line a call: how often it was made, how often it worked, and how not. */
static void print_count(const struct fuzz_call *call, const struct fuzz_count *count)
{
	char line[400];
	int len = snprintf(line, sizeof(line), "# %-34s %8u %8u", call->name, count->tried,
			   count->errnos[0]);

	for (int i = 1; i < FUZZ_ERRNOS && len < (int)sizeof(line) - 40; i++) {
		if (count->errnos[i])
			len += snprintf(line + len, sizeof(line) - len, " %s:%u",
					strerrorname_np(i) ?: "?", count->errnos[i]);
	}
	fprintf(stderr, "%s\n", line);
}

static uint64_t print_counts(const struct fuzz_shared *shared)
{
	uint64_t all = 0;

	fprintf(stderr, "# %-34s %8s %8s\n", "call", "made", "worked");
	for (unsigned int i = 0; i < fuzz_num_calls; i++) {
		print_count(&fuzz_calls[i], &shared->counts[i]);
		all += shared->counts[i].tried;
	}
	return all;
}

/* --- the end --- */

static void show_stack(pid_t pid)
{
	char command[160];

	snprintf(command, sizeof(command),
		 "for t in /proc/%d/task/*; do echo \"# $t $(cat $t/wchan $t/syscall)\";"
		 " sed 's/^/#   /' $t/stack; done >&2", pid);
	if (system(command))
		fprintf(stderr, "# no stack of %d\n", pid);
}

/* All of them have ended, those that they left behind as well. */
static int wait_for_all(pid_t *children)
{
	uint64_t end = kms_now_ns() + END_LIMIT * 1000000000ULL;
	int status, failed = 0;
	pid_t pid;

	while (kms_now_ns() < end) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return failed;
		if (pid <= 0)
			usleep(20000);
		for (int i = 0; pid > 0 && i < PROCESSES; i++)
			failed |= pid == children[i] && status;
	}
	for (int i = 0; i < PROCESSES; i++) {
		if (!kill(children[i], 0))
			show_stack(children[i]);
	}
	if (system("sed 's/^/# /' /sys/kernel/debug/dri/*/virtgpu_queues"
		   " /sys/kernel/debug/dma_buf/bufinfo >&2"))
		fprintf(stderr, "# the kernel does not tell what they wait for\n");
	return -ETIME;
}

/* Framebuffers of all files, or -errno. */
static int framebuffers(int minor)
{
	char line[256];
	int n = 0;
	FILE *f;

	snprintf(line, sizeof(line), "/sys/kernel/debug/dri/%d/framebuffer", minor);
	f = fopen(line, "r");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		n += !strncmp(line, "framebuffer[", 12);
	fclose(f);
	return n;
}

/* A picture goes to the host and comes back. */
static int round_trip(int fd)
{
	const size_t size = 64 * 64 * 4;
	uint32_t want[64 * 64];
	struct gpu_bo bo;
	int ret = gpu_texture(fd, 64, 64, &bo) ?: gpu_map(&bo);

	if (ret)
		return ret;
	gpu_pattern(want, size, 1);
	memcpy(bo.map, want, size);
	ret = gpu_transfer(&bo, true, 0, 0, 64, 64, 0) ?: gpu_wait(&bo, 0);
	memset(bo.map, 0, size);
	ret = ret ?: gpu_transfer(&bo, false, 0, 0, 64, 64, 0) ?: gpu_wait(&bo, 0);
	if (!ret && memcmp(bo.map, want, size))
		ret = -EIO;
	gpu_close(&bo);
	return ret;
}

/*
 * Each CRTC makes a buffer for its cursor with the first one, and keeps it: it
 * is not left over.
 */
static int use_cursors(struct kms *k, const struct kms_output *connected, struct kms_fb *fb)
{
	struct kms_fb image;
	int ret = kms_dumb_create(k->fd, 64, 64, 32, &image);

	for (unsigned int i = 0; !ret && i < k->num_outputs; i++) {
		struct kms_output o = k->outputs[i];

		o.connector = connected->connector;
		o.mode = connected->mode;
		ret = kms_show(k, &o, fb) ?:
		      drmModeSetCursor(k->fd, o.crtc, image.handle, 64, 64) ?:
		      kms_off(k, &o);
	}
	kms_dumb_destroy(k->fd, image.handle);
	return ret;
}

FIXTURE(fuzz) {
	struct kms k;
	struct kms_fb fb;
	struct fuzz_shared *shared;
	int framebuffers;
	int resources;
};

FIXTURE_SETUP(fuzz)
{
	int render, minor;

	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, self->shared->sockets));
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, kms_open(&self->k));
	ASSERT_TRUE(kms_connected(&self->k));
	learn_device(self->shared, &self->k);
	render = kms_open_node(DRM_NODE_RENDER, &minor);
	ASSERT_LE(0, render);
	self->shared->features = features(render);
	close(render);
	snprintf(self->shared->nodes[0], sizeof(self->shared->nodes[0]), "/dev/dri/card%d",
		 self->k.minor);
	snprintf(self->shared->nodes[1], sizeof(self->shared->nodes[1]), "/dev/dri/renderD%d",
		 minor);
	ASSERT_EQ(0, kms_fb_create(&self->k, self->shared->output.mode.hdisplay,
				   self->shared->output.mode.vdisplay, DRM_FORMAT_XRGB8888,
				   &self->fb));
	ASSERT_EQ(0, use_cursors(&self->k, &self->shared->output, &self->fb));
	ASSERT_EQ(0, kms_show(&self->k, &self->shared->output, &self->fb));
	ASSERT_EQ(0, drmDropMaster(self->k.fd));
	self->framebuffers = framebuffers(self->k.minor);
	self->resources = gpu_stat("resources");
}

FIXTURE_TEARDOWN(fuzz)
{
	kms_fb_destroy(&self->fb);
	/* what it finds in the log may be what was announced */
	kms_close(&self->k);
	munmap(self->shared, sizeof(*self->shared));
}

/* In one commit: who knows which output each CRTC feeds. Closed framebuffers go, too. */
static int all_off(struct kms *k)
{
	struct kms_req r;

	kms_req_init(&r, k);
	for (unsigned int i = 0; i < k->num_outputs; i++) {
		const struct kms_output *o = &k->outputs[i];

		kms_req_output(&r, o, NULL);
		kms_req_plane(&r, o->primary, 0, NULL, 0, 0, 0, 0);
		kms_req_plane(&r, o->cursor, 0, NULL, 0, 0, 0, 0);
	}
	return kms_req_commit(&r, DRM_MODE_ATOMIC_ALLOW_MODESET, 0);
}

/* Who has the device open, as DRM knows it */
static void show_clients(int minor)
{
	char command[100];

	snprintf(command, sizeof(command),
		 "sed 's/^/# /' /sys/kernel/debug/dri/%d/clients >&2", minor);
	if (system(command))
		fprintf(stderr, "# DRM does not tell its clients\n");
}

/* What closes the last of the files that were passed may still be under way. */
static int become_master(int fd)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;

	while (drmSetMaster(fd)) {
		if (kms_now_ns() > end)
			return -errno;
		usleep(10000);
	}
	return 0;
}

/* What the device shows and draws afterwards is right. */
static void still_works(struct __test_metadata *_metadata, FIXTURE_DATA(fuzz) *self)
{
	int fd, ret;

	ret = become_master(self->k.fd);
	if (ret)
		show_clients(self->k.minor);
	ASSERT_EQ(0, ret);
	EXPECT_EQ(0, all_off(&self->k));
	kms_fb_draw(&self->fb, 3);
	ASSERT_EQ(0, kms_show(&self->k, &self->shared->output, &self->fb));
	if (!host_missing() && (host_scripted() || !(self->shared->features & FUZZ_3D))) {
		EXPECT_EQ(0, host_diff_fb_soon(self->shared->output.head, &self->fb,
					       KMS_WAIT_MS));
	}
	ASSERT_EQ(0, drmDropMaster(self->k.fd));
	if (!(self->shared->features & FUZZ_3D))
		return;
	fd = gpu_open();
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, gpu_finish(fd));
	if (!host_scripted()) {
		EXPECT_EQ(0, round_trip(fd));
	}
	close(fd);
}

/* What is tested works often enough to be tested: NULL, or the call that did not. */
static const char *never_worked(const struct fuzz_shared *shared)
{
	for (unsigned int i = 0; i < fuzz_num_calls; i++) {
		bool can = !(fuzz_calls[i].needs & ~shared->features);

		if (!shared->counts[i].tried || (can && !shared->counts[i].errnos[0]))
			return fuzz_calls[i].name;
	}
	return NULL;
}

/* One with which the first process is the master; it lives as long as its users. */
static int new_card(struct fuzz_shared *shared)
{
	if (shared->card > 0)
		close(shared->card);
	shared->card = open(shared->nodes[0], O_RDWR | O_CLOEXEC);
	return fuzz_result(shared->card);
}

/* The oldest of the processes is killed and another started, all the time. */
TEST_F_TIMEOUT(fuzz, ioctls, PARAM_NO_LIMIT)
{
	unsigned long seconds = param("FUZZ_SECONDS", 60);
	uint64_t begin = kms_now_ns(), end = begin + seconds * 1000000000ULL;
	uint64_t last = end + PATIENCE * 1000000000ULL;
	pid_t children[PROCESSES] = {};
	unsigned int started = 0;
	uint64_t calls;

	/* A host with 3D says only then that there is no such texture. */
	if (self->shared->features & FUZZ_3D)
		dev_expect("SET_SCANOUT refused|RESOURCE_FLUSH refused");
	self->shared->seed = param("FUZZ_SEED", 1);
	fprintf(stderr, "# FUZZ_SEED=%lu FUZZ_SECONDS=%lu\n",
		(unsigned long)self->shared->seed, seconds);
	while (kms_now_ns() < end || (never_worked(self->shared) && kms_now_ns() < last)) {
		pid_t *child = &children[started % PROCESSES];

		if (started >= PROCESSES) {
			usleep(LIFE_US);
			EXPECT_EQ(0, kill(*child, SIGKILL));
			EXPECT_EQ(*child, waitpid(*child, NULL, 0));
		}
		if (started % (2 * PROCESSES) == 0)
			ASSERT_EQ(0, new_card(self->shared));
		*child = start(self->shared, started++);
		ASSERT_LT(0, *child);
	}
	close(self->shared->card);
	self->shared->stop = true;
	ASSERT_EQ(0, wait_for_all(children));
	close(self->shared->sockets[0]);
	close(self->shared->sockets[1]);

	calls = print_counts(self->shared);
	fprintf(stderr, "# %lu calls of %u programs in %lu s\n", (unsigned long)calls, started,
		(unsigned long)((kms_now_ns() - begin) / 1000000000));
	figure("random system calls", calls);
	EXPECT_STREQ("", never_worked(self->shared) ?: "");
	still_works(_metadata, self);
	EXPECT_EQ(self->framebuffers, framebuffers(self->k.minor));
	if (gpu_stat_wait("resources", self->resources) != self->resources)
		show_clients(self->k.minor);
	EXPECT_EQ(self->resources, gpu_stat("resources"));
}

TEST_HARNESS_MAIN
