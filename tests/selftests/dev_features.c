// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Each subset of features that a host may have: the driver takes what is
 * there, uses no command of what is not, and shows pictures with all of them.
 */
#include <kselftest_harness.h>

#include "dev.h"

TEST(each_subset)
{
	static const char * const subsets[] = {
		"none", "edid", "edid,blob", "all",
	};

	NEED_DEVICE();
	for (size_t i = 0; i < ARRAY_SIZE(subsets); i++) {
		EXPECT_EQ(0, dev_replug(subsets[i])) TH_LOG("%s", subsets[i]);
	}
}

TEST_HARNESS_MAIN
