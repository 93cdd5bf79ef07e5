// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Each command that the driver sends goes wrong in each way, once: the program
 * gets an error or goes on, nobody waits longer than the bound, and afterwards
 * the GPU works and nothing is left behind, here or at the host.
 *
 * On the kernel's command line, 'hostile.bound=MS' is how long a call may take,
 * and 'hostile.all=1' tries more of each kind of fault.
 */
#include <kselftest_harness.h>

#include <errno.h>

#include "dev.h"
#include "dev_load.h"
#include "figure.h"
#include "share.h"

#define LONG_TEST	280
#define BOUND_MS	10000
#define TIMEOUT_MS	400	/* how long the driver waits for an answer */

/* The first ones are tried each time, all with hostile.all=1. */
static const char * const faults[] = {
	"error unspec", "error out_of_memory", "type 0", "short 23", "long", "fence",
	"garbage 1", "swap", "late 150", "never", "twice",
	/* and more of the same kinds */
	"error invalid_scanout_id", "error invalid_resource_id", "error invalid_context_id",
	"error invalid_parameter", "error 1299", "type 11ff", "type ffffffff", "short 0",
	"short 24", "garbage 2",
};

#define EACH_KIND	11

/* What a program may be told. */
static const int errors[] = {
	0, -EREMOTEIO, -ENOMEM, -EINVAL, -ENOENT, -EPROTO, -ETIMEDOUT, -ECANCELED,
	/* memory that could not be mapped, by a system call; our own limit */
	-EFAULT, -ETIME, -EIO,
};

/* ---- what makes the driver send a command -------------------------------- */

static int ask_outputs(struct desktop *d)
{
	(void)d;
	return host_device(NULL, 0, "event");
}

static int ask_capsets(struct desktop *d)
{
	uint64_t mask;
	int fd = gpu_open();

	(void)d;
	if (fd < 0)
		return fd;
	gpu_getparam(fd, VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs, &mask);
	close(fd);
	return 0;
}

static int client(struct desktop *d)
{
	(void)d;
	return load_client();
}

/* A client that does one thing. */
static int with_file(int (*load)(int fd))
{
	int fd = gpu_open(), ret;

	if (fd < 0)
		return fd;
	ret = load(fd);
	close(fd);
	return ret;
}

static int host_memory(struct desktop *d)
{
	(void)d;
	return with_file(load_host_memory);
}

static int share(struct desktop *d)
{
	(void)d;
	return with_file(load_share);
}

static int caps(struct desktop *d)
{
	(void)d;
	return with_file(load_caps);
}

FIXTURE(hostile) {
	struct desktop d;
	unsigned int tried;
	unsigned int refused;
	uint64_t slowest_ms;
	int resources;
	int alive;
	bool ready;
};

/*
 * @fresh: the driver sends it only once to a device
 */
FIXTURE_VARIANT(hostile) {
	const char *type;
	int (*load)(struct desktop *d);
	bool fresh;
};

#define COMMAND(_name, ...) \
	FIXTURE_VARIANT_ADD(hostile, _name) { #_name, __VA_ARGS__ }

COMMAND(get_display_info, ask_outputs);
COMMAND(get_edid, ask_outputs);
COMMAND(resource_create_2d, desktop_window);
COMMAND(resource_attach_backing, desktop_window);
COMMAND(resource_detach_backing, desktop_import);
COMMAND(resource_unref, desktop_window);
COMMAND(set_scanout, desktop_window);
COMMAND(transfer_to_host_2d, desktop_flip);
COMMAND(resource_flush, desktop_flip);
COMMAND(resource_create_blob, desktop_blob);
COMMAND(set_scanout_blob, desktop_blob);
COMMAND(update_cursor, desktop_cursor);
COMMAND(move_cursor, desktop_move);
COMMAND(ctx_create, client);
COMMAND(ctx_destroy, client);
COMMAND(ctx_attach_resource, client);
COMMAND(ctx_detach_resource, client);
COMMAND(resource_create_3d, client);
COMMAND(transfer_to_host_3d, client);
COMMAND(transfer_from_host_3d, client);
COMMAND(submit_3d, client);
COMMAND(resource_map_blob, host_memory);
COMMAND(resource_unmap_blob, host_memory);
COMMAND(resource_assign_uuid, share);
COMMAND(get_capset, caps);
COMMAND(get_capset_info, ask_capsets, .fresh = true);

/* ---- the sweep ----------------------------------------------------------- */

static void begin(struct __test_metadata *_metadata, FIXTURE_DATA(hostile) *self)
{
	ASSERT_EQ(0, desktop_open(&self->d));
	ASSERT_EQ(0, desktop_show(&self->d));
	ASSERT_EQ(0, desktop_cursor(&self->d));
	ASSERT_EQ(0, with_file(load_exec));
	self->resources = gpu_stat("resources");
	self->alive = dev_resources();
}

FIXTURE_SETUP(hostile)
{
	self->d.k.fd = -1;
	NEED_DEVICE();
	if (variant->load == desktop_import)
		NEED_MODULE();
	dev_expect("refused: response|is not a head|host has not answered");
	ASSERT_EQ(0, dev_clear());
	ASSERT_EQ(0, dev_timeout(TIMEOUT_MS));
	self->ready = true;
	begin(_metadata, self);
}

FIXTURE_TEARDOWN(hostile)
{
	if (!self->ready)
		return;
	EXPECT_EQ(0, dev_clear());
	EXPECT_EQ(0, dev_timeout(0));
	desktop_close(&self->d);
	EXPECT_EQ(0, dev_works());
}

static bool is_proper(int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i] == error)
			return true;
	return false;
}

static int wait_resources(int alive)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;
	int n = dev_resources();

	while (n != alive && kms_now_ns() < end) {
		usleep(10000);
		n = dev_resources();
	}
	return n;
}

/* The driver finds the queue broken, and resets the device: not at once. */
static int wait_reset(int before)
{
	uint64_t end = kms_now_ns() + KMS_WAIT_MS * 1000000ULL;

	while (gpu_stat("resets") == before) {
		if (kms_now_ns() > end)
			return -ETIME;
		usleep(20000);
	}
	return 0;
}

static void try(struct __test_metadata *_metadata, FIXTURE_DATA(hostile) *self,
		const FIXTURE_VARIANT(hostile) *variant, const char *fault)
{
	const char *type = variant->type;
	uint64_t start, ms;
	int ret, resets;

	if (variant->fresh) {
		desktop_close(&self->d);
		ASSERT_EQ(0, dev_replug("all"));
		begin(_metadata, self);
	}
	resets = gpu_stat("resets");
	ASSERT_EQ(0, dev_fault(type, fault));
	start = kms_now_ns();
	ret = variant->load(&self->d);
	ms = (kms_now_ns() - start) / 1000000;
	if (ms > self->slowest_ms)
		self->slowest_ms = ms;
	self->tried++;
	self->refused += ret != 0;
	EXPECT_TRUE(is_proper(ret)) TH_LOG("%s, %s: %s", type, fault, strerror(-ret));
	EXPECT_GT(dev_parameter("hostile.bound", BOUND_MS), ms)
		TH_LOG("%s, %s", type, fault);
	/* what is sent when something is closed may come later */
	EXPECT_EQ(0, dev_wait_faults()) TH_LOG("%s is not sent", type);

	ASSERT_EQ(0, dev_clear());
	if (!strcmp(fault, "twice"))
		EXPECT_EQ(0, wait_reset(resets)) TH_LOG("%s: no reset", type);
	EXPECT_EQ(0, with_file(load_exec)) TH_LOG("after %s, %s", type, fault);
	EXPECT_EQ(0, desktop_flip(&self->d)) TH_LOG("after %s, %s", type, fault);
	EXPECT_EQ(0, host_diff_fb(self->d.o->head, &self->d.fb[self->d.front]))
		TH_LOG("after %s, %s", type, fault);
	EXPECT_EQ(self->resources, gpu_stat_wait("resources", self->resources))
		TH_LOG("after %s, %s", type, fault);
	EXPECT_EQ(self->alive, wait_resources(self->alive))
		TH_LOG("after %s, %s", type, fault);
}

TEST_F_TIMEOUT(hostile, each_fault, LONG_TEST)
{
	size_t n = dev_parameter("hostile.all", 0) ? ARRAY_SIZE(faults) : EACH_KIND;

	for (size_t i = 0; i < n; i++)
		try(_metadata, self, variant, faults[i]);
	printf("%s: %u faults, %u calls failed, the slowest took %llu ms\n", variant->type, self->tried,
	       self->refused, (unsigned long long)self->slowest_ms);
	figure("faults of a host tried one by one", self->tried);
	figure_most("ms of the slowest call beside such a fault", self->slowest_ms);
}

TEST_HARNESS_MAIN
