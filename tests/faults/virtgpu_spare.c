// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Where no allocation fails: functions of the kernel that do not bear it, and that
 * are not ours to mend. While one of them runs, the task's fail-nth waits (see
 * Documentation/fault-injection/fault-injection.rst); it counts on afterwards.
 */

#include <linux/array_size.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

static int pause_faults(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	unsigned int *nth = (unsigned int *)instance->data;

	*nth = current->fail_nth;
	WRITE_ONCE(current->fail_nth, 0);
	return 0;
}

static int resume_faults(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	WRITE_ONCE(current->fail_nth, *(unsigned int *)instance->data);
	return 0;
}

#define SPARED(function) {				\
	.kp.symbol_name = #function,			\
	.entry_handler = pause_faults,			\
	.handler = resume_faults,			\
	.data_size = sizeof(unsigned int),		\
}

static struct kretprobe spared[] = {
	/* takes an error for a pointer */
	SPARED(drm_minor_alloc),
	/* a CRTC without memory for its checksums stays in the list; nothing can destroy it */
	SPARED(drmm_crtc_init_with_planes),
	/* the mount for huge pages loses its context when this fails */
	SPARED(vfs_parse_fs_qstr),
	/* leaves the device marked as registered, which warns when it is freed */
	SPARED(drm_modeset_register_all),
	/* fbdev emulation loses its buffer when this fails */
	SPARED(register_framebuffer),
	/* files that could not be made are removed all the same, which warns */
	SPARED(register_irq_proc),
};

static struct kretprobe *probes[ARRAY_SIZE(spared)];

static int __init spare_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(spared); i++)
		probes[i] = &spared[i];
	return register_kretprobes(probes, ARRAY_SIZE(probes));
}

static void __exit spare_exit(void)
{
	unregister_kretprobes(probes, ARRAY_SIZE(probes));
}

module_init(spare_init);
module_exit(spare_exit);
MODULE_DESCRIPTION("Functions in which no allocation fails");
MODULE_LICENSE("Dual MIT/GPL");
