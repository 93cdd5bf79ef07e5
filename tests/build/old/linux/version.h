/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A kernel older than the driver's floor */
#define LINUX_VERSION_CODE ((6 << 16) + (11 << 8))
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
