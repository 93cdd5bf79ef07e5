// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A host that does whatever comes to its mind, under a desktop: flips, cursors,
 * submissions, memory of the host, shared buffers. Calls fail or work, none takes
 * longer than the bound, and when the host has come to its senses all works again,
 * nothing is left, and the module can be removed.
 *
 * On the kernel's command line: 'fuzz.seed=N' makes the host do the same to the
 * same commands, 'fuzz.seconds=N' is how long (45), 'fuzz.rate=N' how many of 1000
 * commands go wrong (30), and 'fuzz.bound=MS' how long a call may take.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "dev.h"
#include "dev_load.h"
#include "figure.h"
#include "share.h"

#define LONG_TEST	(7 * 24 * 3600)	/* the runner has a limit, too */
#define RENDERERS	3
#define TIMEOUT_MS	1000		/* how long the driver waits for an answer */
#define BOUND_MS	10000
#define SECONDS		45
#define RATE		30
#define SEED		20240917

/**
 * struct actor - a process that uses the GPU
 * @fd: render node, -1 when it has to be opened
 * @shown: the desktop is there
 */
struct actor {
	struct desktop d;
	bool shown;
	int fd;
	uint64_t random;
};

struct deed {
	const char *name;
	unsigned int weight;
	int (*desktop)(struct desktop *d);
	int (*file)(int fd);
};

static int client(int fd)
{
	(void)fd;
	return load_client();
}

static const struct deed desktop_deeds[] = {
	{ "flip", 16, .desktop = desktop_flip },
	{ "damage", 8, .desktop = desktop_damage },
	{ "window", 2, .desktop = desktop_window },
	{ "blob window", 2, .desktop = desktop_blob },
	{ "foreign window", 2, .desktop = desktop_import },
	{ "cursor", 6, .desktop = desktop_cursor },
	{ "cursor move", 16, .desktop = desktop_move },
	{ "show", 2, .desktop = desktop_show },
	{ "off and on", 1, .desktop = desktop_off },
	{ "probe", 4, .desktop = desktop_probe },
};

static const struct deed render_deeds[] = {
	{ "submission", 12, .file = load_exec },
	{ "render", 8, .file = load_render },
	{ "host memory", 4, .file = load_host_memory },
	{ "guest blob", 4, .file = load_guest_blob },
	{ "share", 4, .file = load_share },
	{ "capability set", 2, .file = load_caps },
	{ "client", 4, .file = client },
};

#define NUM_DEEDS	(ARRAY_SIZE(desktop_deeds) + ARRAY_SIZE(render_deeds))

/**
 * struct tally - what became of a deed, of all processes
 */
struct tally {
	atomic_ulong done;
	atomic_ulong failed;
	atomic_ulong slowest_ms;
};

static struct shared {
	atomic_bool stop;
	struct tally deeds[NUM_DEEDS];
} *shared;

/* xorshift */
static uint32_t below(struct actor *a, uint32_t n)
{
	a->random ^= a->random << 13;
	a->random ^= a->random >> 7;
	a->random ^= a->random << 17;
	return (a->random >> 32) * n >> 32;
}

static unsigned int choose(struct actor *a, const struct deed *deeds, unsigned int count)
{
	unsigned int sum = 0, i, x;

	for (i = 0; i < count; i++)
		sum += deeds[i].weight;
	x = below(a, sum);
	for (i = 0; x >= deeds[i].weight; i++)
		x -= deeds[i].weight;
	return i;
}

static void count(struct tally *t, int error, uint64_t ms)
{
	unsigned long slowest = t->slowest_ms;

	t->done++;
	t->failed += error != 0;
	while (ms > slowest && !atomic_compare_exchange_weak(&t->slowest_ms, &slowest, ms))
		;
}

/* Does one deed; what is lost is opened anew by the next one. */
static void act_desktop(struct actor *a)
{
	unsigned int n = choose(a, desktop_deeds, ARRAY_SIZE(desktop_deeds));
	uint64_t start = kms_now_ns();
	int ret;

	if (!a->shown) {
		if (desktop_open(&a->d) || desktop_show(&a->d)) {
			desktop_close(&a->d);
			usleep(10000);
			return;
		}
		a->shown = true;
	}
	ret = desktop_deeds[n].desktop(&a->d);
	count(&shared->deeds[n], ret, (kms_now_ns() - start) / 1000000);
	if (ret == -ENODEV || !below(a, 500)) {
		desktop_close(&a->d);
		a->shown = false;
	}
}

static void act_renderer(struct actor *a)
{
	unsigned int n = choose(a, render_deeds, ARRAY_SIZE(render_deeds));
	uint64_t start = kms_now_ns();
	int ret;

	if (a->fd < 0)
		a->fd = gpu_open();
	ret = a->fd < 0 ? a->fd : render_deeds[n].file(a->fd);
	count(&shared->deeds[ARRAY_SIZE(desktop_deeds) + n], ret,
	      (kms_now_ns() - start) / 1000000);
	/* a context that was refused, or lost, stays so */
	if (a->fd >= 0 && ((ret && !below(a, 4)) || !below(a, 100))) {
		close(a->fd);
		a->fd = -1;
	}
}

static void run(unsigned int number, uint64_t seed)
{
	struct actor a = { .fd = -1, .random = seed * 0x9e3779b97f4a7c15 + number + 1 };

	while (!shared->stop) {
		if (number)
			act_renderer(&a);
		else
			act_desktop(&a);
	}
	if (a.shown)
		desktop_close(&a.d);
	if (a.fd >= 0)
		close(a.fd);
}

/* ---- what is left afterwards --------------------------------------------- */

static void print_stack(pid_t pid)
{
	char path[64], line[200];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		printf("process %d: %s", pid, line);
	if (f)
		fclose(f);
}

/* All end soon, by themselves; returns how many do not. */
static int wait_all(pid_t *pids, unsigned int n, uint64_t ms)
{
	uint64_t end = kms_now_ns() + ms * 1000000;
	int left, status;

	do {
		left = 0;
		for (unsigned int i = 0; i < n; i++) {
			if (pids[i] && waitpid(pids[i], &status, WNOHANG) == pids[i])
				pids[i] = WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -1;
			left += pids[i] > 0;
		}
		usleep(10000);
	} while (left && kms_now_ns() < end);
	for (unsigned int i = 0; i < n; i++) {
		if (pids[i] > 0)
			print_stack(pids[i]);
		left += pids[i] < 0;
	}
	return left;
}

static unsigned long slowest_ms(void)
{
	unsigned long slowest = 0;

	for (unsigned int i = 0; i < NUM_DEEDS; i++)
		if (shared->deeds[i].slowest_ms > slowest)
			slowest = shared->deeds[i].slowest_ms;
	return slowest;
}

static void print_tally(unsigned int n, const struct deed *deed)
{
	struct tally *t = &shared->deeds[n];

	printf("%-16s %8lu done %8lu failed %6lu ms at most\n", deed->name, t->done, t->failed,
	       t->slowest_ms);
}

static void print_all(uint64_t seed)
{
	char answer[512];

	printf("fuzz.seed=%llu\n", (unsigned long long)seed);
	for (unsigned int i = 0; i < ARRAY_SIZE(desktop_deeds); i++)
		print_tally(i, &desktop_deeds[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(render_deeds); i++)
		print_tally(ARRAY_SIZE(desktop_deeds) + i, &render_deeds[i]);
	if (!host_device(answer, sizeof(answer), "stats"))
		printf("host: %s\n", answer);
	if (!host_device(answer, sizeof(answer), "faults"))
		printf("host: %s\n", answer);
	printf("driver: %d errors, %d resets\n", gpu_stat("errors"), gpu_stat("resets"));
}

/* The sum of all numbers in "name=number ...", or of the one of a name. */
static unsigned long sum(const char *answer, const char *name)
{
	unsigned long total = 0;

	for (const char *p = strchr(answer, '='); p; p = strchr(p + 1, '=')) {
		size_t len = name ? strlen(name) : 0;

		if (!name || (p >= answer + len && !strncmp(p - len, name, len)))
			total += strtoul(p + 1, NULL, 10);
	}
	return total;
}

static void print_figures(void)
{
	char answer[512];

	if (!host_device(answer, sizeof(answer), "stats"))
		figure("commands to a host that makes faults at random",
		       sum(answer, "commands"));
	if (!host_device(answer, sizeof(answer), "faults"))
		figure("faults of a host at random", sum(answer, NULL) - sum(answer, "none"));
	figure_most("ms of the slowest call beside random faults", slowest_ms());
}

/* The last reset may be still to come. */
static int works_soon(void)
{
	int ret = 0;

	for (int i = 0; i < 5; i++) {
		ret = dev_works();
		if (!ret)
			break;
		sleep(1);
	}
	return ret;
}

static int at_most(int (*count)(void), int most)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;
	int n = count();

	while (n > most && kms_now_ns() < end) {
		usleep(10000);
		n = count();
	}
	return n;
}

static int driver_resources(void)
{
	return gpu_stat("resources");
}

FIXTURE(fuzz) {
	int resources;
	int alive;
	bool ready;
};

FIXTURE_SETUP(fuzz)
{
	NEED_DEVICE();
	NEED_MODULE();
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, dev_replug("all"));
	ASSERT_EQ(0, dev_works());
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	/* the cursor's is made once */
	self->resources = gpu_stat("resources") + 1;
	self->alive = dev_resources() + 1;
	dev_expect("refused|is not a head|out of range|has not answered|does not tell");
	self->ready = true;
}

FIXTURE_TEARDOWN(fuzz)
{
	if (!self->ready)
		return;
	host_device(NULL, 0, "fuzz 0 0");
	host_device(NULL, 0, "log on");
	dev_clear();
	dev_timeout(0);
}

TEST_F_TIMEOUT(fuzz, desktop, LONG_TEST)
{
	unsigned long seed = dev_parameter("fuzz.seed", SEED);
	unsigned long seconds = dev_parameter("fuzz.seconds", SECONDS);
	unsigned long bound = dev_parameter("fuzz.bound", BOUND_MS);
	pid_t pids[1 + RENDERERS];

	/* of a long run the log would be too long */
	if (seconds > 10 * SECONDS)
		ASSERT_EQ(0, host_device(NULL, 0, "log off"));
	ASSERT_EQ(0, dev_timeout(TIMEOUT_MS));
	ASSERT_EQ(0, host_mark());
	ASSERT_EQ(0, host_device(NULL, 0, "fuzz %lu %lu", seed, dev_parameter("fuzz.rate", RATE)));
	for (unsigned int i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i]) {
			run(i, seed);
			_exit(0);
		}
	}
	sleep(seconds);
	shared->stop = true;
	EXPECT_EQ(0, wait_all(pids, ARRAY_SIZE(pids), 3 * bound));
	print_all(seed);
	print_figures();
	EXPECT_GT(bound, slowest_ms());

	ASSERT_EQ(0, host_device(NULL, 0, "fuzz 0 0"));
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, dev_timeout(0));
	EXPECT_EQ(0, works_soon());
	EXPECT_GE(self->resources, at_most(driver_resources, self->resources));
	EXPECT_GE(self->alive, at_most(dev_resources, self->alive));

	ASSERT_EQ(0, host_unplug());
	EXPECT_EQ(0, system("rmmod virtio_gpu"));
	EXPECT_EQ(0, system("modprobe virtio_gpu"));
	ASSERT_EQ(0, dev_plug("all"));
	EXPECT_EQ(0, works_soon());
}

TEST_HARNESS_MAIN
