/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A fence that the test signals itself. It comes from another device (vgem),
 * which signals it with an error after ten seconds by itself.
 */
#ifndef TESTS_GATE_H
#define TESTS_GATE_H

#include <stdint.h>

/**
 * struct gate - a fence that is pending until gate_open()
 * @sync_file: the fence, for others to wait for
 */
struct gate {
	int vgem;
	int sync_file;
	uint32_t fence;
};

int gate_make(struct gate *gate);
int gate_open(struct gate *gate);
void gate_free(struct gate *gate);

int vgem_open(void);

#endif
