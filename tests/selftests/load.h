/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Clients that keep a device busy until it goes, each a process: they flip, submit,
 * map and share, notice that the device has gone, and look whether what they have
 * left of it is as it should be.
 *
 * Every function that can fail returns 0 or a negative errno.
 */
#ifndef TESTS_LOAD_H
#define TESTS_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum load_kind {
	LOAD_FLIPS,	/* page flips, one after the other */
	LOAD_SUBMITS,	/* EXECBUFFER with fences, eight under way */
	LOAD_MAPS,	/* dumb buffers are made, drawn into, and closed */
	LOAD_SHARES,	/* dma-bufs are exported, imported, mapped */
	LOAD_WINDOW,	/* the host's memory is mapped */
	LOAD_KEEPS,	/* does nothing but keep what it has until load_release() */
	LOAD_KINDS
};

/**
 * struct load_client - what a client tells the test
 * @work: flips, submissions, buffers
 * @idle: the device has nothing for it to do
 * @why: what is wrong, empty when nothing is
 */
struct load_client {
	uint64_t work;
	bool idle;
	char why[160];
};

/**
 * struct load - the clients of one device
 * @clients: in memory that is shared with them
 * @pids: their processes, 0 where there is none
 * @release: pipe that ends what LOAD_KEEPS waits for
 * @total: work of the clients of all rounds
 */
struct load {
	struct load_client *clients;
	pid_t pids[LOAD_KINDS];
	int release[2];
	uint64_t total[LOAD_KINDS];
};

int load_init(struct load *load);
void load_fini(struct load *load);

int load_start(struct load *load, unsigned int kinds);
int load_wait(struct load *load, unsigned int kinds);
int load_release(struct load *load);
const char *load_text(const struct load *load);

#define LOAD_ALL	((1u << LOAD_KINDS) - 1)
#define LOAD_BUSY	(LOAD_ALL & ~(1u << LOAD_KEEPS))

int load_cycles(int few);

#endif
