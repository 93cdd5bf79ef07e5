// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The device file: ioctls are copied in, handed on, and copied out.
 */

#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "test_compat.h"
#include "test_module.h"

/* Who maps imports: a device that is in no bus, so that its addresses are the CPU's. */
struct device *test_device;

struct test_ioctl {
	unsigned int cmd;
	int (*func)(struct test_file *file, void *arg);
};

#define TEST_IOCTL(name, handler) \
	[_IOC_NR(VIRTGPU_TEST_##name)] = { .cmd = VIRTGPU_TEST_##name, .func = handler }

static const struct test_ioctl test_ioctls[] = {
	TEST_IOCTL(EXPORT, test_export),
	TEST_IOCTL(FAULTS, test_faults),
	TEST_IOCTL(MOVE, test_move),
	TEST_IOCTL(FENCE_ADD, test_fence_add),
	TEST_IOCTL(FENCE_SIGNAL, test_fence_signal),
	TEST_IOCTL(STATS, test_stats),
	TEST_IOCTL(IMPORT, test_import),
	TEST_IOCTL(MAP, test_map),
	TEST_IOCTL(UNMAP, test_unmap),
	TEST_IOCTL(DETACH, test_detach),
	TEST_IOCTL(ACCESS, test_access),
	TEST_IOCTL(UUID, test_uuid),
	TEST_IOCTL(BREAK, test_break),
	TEST_IOCTL(PANIC, test_panic),
};

union test_arg {
	struct virtgpu_test_export export;
	struct virtgpu_test_faults faults;
	struct virtgpu_test_move move;
	struct virtgpu_test_fence fence;
	struct virtgpu_test_stats stats;
	struct virtgpu_test_import import;
	struct virtgpu_test_map map;
	struct virtgpu_test_access access;
	struct virtgpu_test_uuid uuid;
	struct virtgpu_test_break broken;
};

static long test_file_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	unsigned int nr = _IOC_NR(cmd);
	union test_arg arg = {};
	int ret;

	if (nr >= ARRAY_SIZE(test_ioctls) || test_ioctls[nr].cmd != cmd)
		return -ENOTTY;
	if (copy_from_user(&arg, (void __user *)user, _IOC_SIZE(cmd)))
		return -EFAULT;
	ret = test_ioctls[nr].func(file->private_data, &arg);
	if (!ret && (_IOC_DIR(cmd) & _IOC_READ) &&
	    copy_to_user((void __user *)user, &arg, _IOC_SIZE(cmd)))
		ret = -EFAULT;
	return ret;
}

static int test_file_open(struct inode *inode, struct file *file)
{
	struct test_file *test = kzalloc(sizeof(*test), GFP_KERNEL);

	if (!test)
		return -ENOMEM;
	mutex_init(&test->lock);
	xa_init_flags(&test->imports, XA_FLAGS_ALLOC1);
	file->private_data = test;
	return 0;
}

static int test_file_release(struct inode *inode, struct file *file)
{
	struct test_file *test = file->private_data;

	test_imports_release(test);
	mutex_destroy(&test->lock);
	kfree(test);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_file_open,
	.release = test_file_release,
	.unlocked_ioctl = test_file_ioctl,
};

static struct miscdevice test_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "virtgpu_test",
	.fops = &test_fops,
};

static int __init test_init(void)
{
	struct platform_device *device;
	int ret;

	device = platform_device_register_simple(KBUILD_MODNAME, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	test_device = &device->dev;
	dma_set_max_seg_size(test_device, UINT_MAX);
	ret = dma_coerce_mask_and_coherent(test_device, DMA_BIT_MASK(64));
	if (!ret)
		ret = misc_register(&test_misc);
	if (ret)
		platform_device_unregister(device);
	return ret;
}

static void __exit test_exit(void)
{
	misc_deregister(&test_misc);
	platform_device_unregister(to_platform_device(test_device));
}

module_init(test_init);
module_exit(test_exit);

TEST_IMPORT_NS(DMA_BUF);
MODULE_DESCRIPTION("The other side of a shared buffer, and broken devices, for tests");
MODULE_LICENSE("Dual MIT/GPL");
