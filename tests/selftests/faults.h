/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Allocations that fail when a test says so: the kernel's fault injection, see
 * Documentation/fault-injection/fault-injection.rst.
 */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <stdbool.h>

#define FAIL_NTH	"/proc/thread-self/fail-nth"

/* More allocations than any call makes */
#define FAULTS_MOST	3000

const char *faults_missing(void);
int faults_setup(void);
int faults_arm(int file, unsigned int nth);
bool faults_disarm(int file);
int faults_of_driver(unsigned int percent);
int faults_in(const char *function, unsigned int percent, int times);
int faults_left(void);
bool faults_met(void);

#endif
