// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Has one fault, on purpose: a build with C=2 that says nothing of it has not
 * run sparse.
 */
#include <linux/module.h>
#include <linux/uaccess.h>

int *virtgpu_sparse_control(int __user *p);

int *virtgpu_sparse_control(int __user *p)
{
	return p;
}

MODULE_DESCRIPTION("control for the use of sparse");
MODULE_LICENSE("Dual MIT/GPL");
