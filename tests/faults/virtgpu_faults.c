// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Bugs on purpose, one for each checker of the debug kernel: a checker that does
 * not report its bug would not report the driver's either. The name of a bug,
 * written to /sys/module/virtgpu_faults/parameters/run, commits it.
 */

#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/ww_mutex.h>

struct fault {
	const char *name;
	int (*commit)(void);
};

static struct kmem_cache *fault_cache;

/* A value that the compiler cannot know. */
static int hidden(int value)
{
	OPTIMIZER_HIDE_VAR(value);
	return value;
}

static int use_after_free(void)
{
	char *p = kmalloc(64, GFP_KERNEL);
	char *stale = p;

	if (!p)
		return -ENOMEM;
	OPTIMIZER_HIDE_VAR(stale);
	kfree(p);
	return READ_ONCE(*stale) & 0;
}

static int past_the_end(void)
{
	char *p = kmalloc(60, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	WRITE_ONCE(p[hidden(60)], 1);
	kfree(p);
	return 0;
}

/* None of them is pointed to by anything; one may be, by chance. */
static int leak(void)
{
	int i;

	for (i = 0; i < 16; i++) {
		char *p = kmalloc(200, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(p);
		if (!p)
			return -ENOMEM;
	}
	return 0;
}

static int cache_not_empty(void)
{
	struct kmem_cache *cache = kmem_cache_create("virtgpu_not_empty", 64, 0, 0, NULL);
	void *p;

	if (!cache)
		return -ENOMEM;
	p = kmem_cache_alloc(cache, GFP_KERNEL);
	kmem_cache_destroy(cache);
	return p ? 0 : -ENOMEM;
}

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static int lock_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}

static int sleep_in_atomic(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
	return 0;
}

static int rcu_unlocked(void)
{
	static int __rcu *pointer;

	return rcu_dereference(pointer) ? -EINVAL : 0;
}

/* The debug kernel lets a lock in a context fail now and then: not a report. */
static int ww_backoff(void)
{
	static DEFINE_WW_CLASS(class);
	struct ww_mutex one, other;
	struct ww_acquire_ctx ctx;
	int i, ret = 0;

	ww_mutex_init(&one, &class);
	ww_mutex_init(&other, &class);
	ww_acquire_init(&ctx, &class);
	ww_mutex_lock(&one, &ctx);
	for (i = 0; i < 32 && !ret; i++) {
		ret = ww_mutex_lock(&other, &ctx);
		if (!ret)
			ww_mutex_unlock(&other);
	}
	ww_mutex_unlock(&one);
	ww_acquire_fini(&ctx);
	return ret;
}

static int blocked(void)
{
	schedule_timeout_uninterruptible(12 * HZ);
	return 0;
}

static int dma_size(void)
{
	struct platform_device *device;
	dma_addr_t addr;
	void *p;
	int ret;

	device = platform_device_register_simple("virtgpu_faults", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	ret = dma_coerce_mask_and_coherent(&device->dev, DMA_BIT_MASK(64));
	p = kzalloc(PAGE_SIZE, GFP_KERNEL);
	if (!ret && p) {
		addr = dma_map_single(&device->dev, p, PAGE_SIZE, DMA_TO_DEVICE);
		ret = dma_mapping_error(&device->dev, addr);
		if (!ret)
			dma_unmap_single(&device->dev, addr, PAGE_SIZE / 2, DMA_TO_DEVICE);
	}
	kfree(p);
	platform_device_unregister(device);
	return ret;
}

static void ring(struct timer_list *timer)
{
}

static int free_timer(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return -ENOMEM;
	timer_setup(timer, ring, 0);
	mod_timer(timer, jiffies + 600 * HZ);
	kfree(timer);
	return 0;
}

static int list_twice(void)
{
	LIST_HEAD(head);
	struct list_head entry;

	list_add(&entry, &head);
	list_del(&entry);
	list_del(&entry);
	return 0;
}

static int shift(void)
{
	return (1 << hidden(40)) & 0;
}

static int bounds(void)
{
	static int numbers[4];

	return READ_ONCE(numbers[hidden(5)]) & 0;
}

static int raced;

static int racer(void *unused)
{
	while (!kthread_should_stop()) {
		raced++;
		/* each time, in memory */
		barrier();
		cond_resched();
	}
	return 0;
}

static int race(void)
{
	struct task_struct *other = kthread_run(racer, NULL, "racer");
	unsigned long end = jiffies + 3 * HZ;

	if (IS_ERR(other))
		return PTR_ERR(other);
	while (time_before(jiffies, end)) {
		raced++;
		/* each time, in memory */
		barrier();
		cond_resched();
	}
	return kthread_stop(other);
}

/* No bugs: these fail when the kernel is told so. */
static int slab(void)
{
	void *p = kmem_cache_alloc(fault_cache, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	kmem_cache_free(fault_cache, p);
	return 0;
}

static int pages(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 4);

	if (!page)
		return -ENOMEM;
	__free_pages(page, 4);
	return 0;
}

#define FAULT(function) { .name = #function, .commit = function }

static const struct fault faults[] = {
	FAULT(use_after_free),
	FAULT(past_the_end),
	FAULT(leak),
	FAULT(cache_not_empty),
	FAULT(lock_order),
	FAULT(sleep_in_atomic),
	FAULT(rcu_unlocked),
	FAULT(ww_backoff),
	FAULT(blocked),
	FAULT(dma_size),
	FAULT(free_timer),
	FAULT(list_twice),
	FAULT(shift),
	FAULT(bounds),
	FAULT(race),
	FAULT(slab),
	FAULT(pages),
};

static int run_set(const char *name, const struct kernel_param *kp)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (sysfs_streq(name, faults[i].name))
			return faults[i].commit();
	}
	return -ENOENT;
}

static const struct kernel_param_ops run_ops = {
	.set = run_set,
};
module_param_cb(run, &run_ops, NULL, 0200);

static int __init faults_init(void)
{
	fault_cache = kmem_cache_create("virtgpu_faults", 64, 0, SLAB_NO_MERGE, NULL);
	return fault_cache ? 0 : -ENOMEM;
}

static void __exit faults_exit(void)
{
	kmem_cache_destroy(fault_cache);
}

module_init(faults_init);
module_exit(faults_exit);

MODULE_DESCRIPTION("Bugs on purpose, for the checkers of the debug kernel");
MODULE_LICENSE("Dual MIT/GPL");
