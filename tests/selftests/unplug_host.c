// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The host takes the GPU out of its slot under load, and puts it in again.
 *
 * UNPLUG_CYCLES in the environment is how often, as in unplug.c.
 */
#include "figure.h"
#include "slow.h"
#include "unplug.h"

/* Where the host has mapped memory for the device QEMU does not survive this. */
#define KINDS	(LOAD_ALL & ~(1u << LOAD_WINDOW))

static int plug(void)
{
	return host_plug("all");
}

FIXTURE(host) {
	struct load load;
};

FIXTURE_SETUP(host)
{
	ASSERT_EQ(0, load_init(&self->load));
}

FIXTURE_TEARDOWN(host)
{
	load_fini(&self->load);
}

TEST_F_TIMEOUT(host, unplugs_under_load, UNPLUG_TEST)
{
	int cycles = load_cycles(slow() > 1 ? 5 : 50), ret = 0, i;

	NEED_DEVICE();
	for (i = 0; i < cycles && !ret; i++)
		ret = unplug_round(&self->load, KINDS, host_unplug, plug);
	EXPECT_EQ(0, ret);
	TH_LOG("%d rounds: %s", i, load_text(&self->load));
	figure("times that the GPU went under load and came back", i);
}

TEST_HARNESS_MAIN
