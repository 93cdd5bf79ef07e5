/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The kernel's harness, with time limits that suit the machine.
 */
#include_next <kselftest_harness.h>

#include "../slow.h"

#undef TEST_HARNESS_MAIN
#define TEST_HARNESS_MAIN \
	int main(int argc, char **argv) \
	{ \
		test_harness_stretch(slow()); \
		return test_harness_run(argc, argv); \
	}

static void test_harness_stretch(int times)
{
	struct __fixture_metadata *f;
	struct __test_metadata *t;

	for (f = __fixture_list; f; f = f->next)
		for (t = f->tests; t; t = t->next)
			t->timeout *= times;
}
