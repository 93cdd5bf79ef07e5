// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <linux/module.h>

#include "virtgpu_drv.h"

MODULE_DESCRIPTION("Unit tests of the virtio GPU driver");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The virtio_gpu authors");
VIRTGPU_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
