// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Queues that break under the driver of a virtio GPU, and a panic without it.
 */

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/panic.h>
#include <linux/pci.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "test_module.h"

/* Of a virtio device of version 1 */
#define TEST_PCI_DEVICE (0x1040 + VIRTIO_ID_GPU)

/* The device has so many milliseconds to notice. */
#define TEST_NOTICE_MS 500

static int test_take_virtio(struct device *dev, void *found)
{
	if (!strstarts(dev_name(dev), "virtio"))
		return 0;
	*(struct device **)found = get_device(dev);
	return 1;
}

/* The virtio device of the first GPU, with a reference, or NULL. */
static struct device *test_find_gpu(void)
{
	struct device *dev = NULL;
	struct pci_dev *pdev;

	pdev = pci_get_device(PCI_VENDOR_ID_REDHAT_QUMRANET, TEST_PCI_DEVICE, NULL);
	if (pdev)
		device_for_each_child(&pdev->dev, &dev, test_take_virtio);
	pci_dev_put(pdev);
	return dev;
}

static struct virtqueue *test_find_queue(struct virtio_device *vdev, u32 index)
{
	struct virtqueue *vq;

	virtio_device_for_each_vq(vdev, vq)
		if (vq->index == index)
			return vq;
	return NULL;
}

static bool test_needs_reset(struct virtio_device *vdev)
{
	return vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/*
 * The driver makes a descriptor available that is not there. The device sees that
 * before it uses any, so that it does not write where old ones point.
 *
 * The driver writes the index with each command, and its entry in the place of this
 * one: what is lost before the device looks is added again.
 */
static int test_break_device(struct virtio_device *vdev, struct virtqueue *vq)
{
	const struct vring *vring = virtqueue_get_vring(vq);
	struct vring_avail *avail = vring->avail;
	int i;

	for (i = 0; i < TEST_NOTICE_MS; i++) {
		if (i % 10 == 0) {
			u16 index = virtio16_to_cpu(vdev, READ_ONCE(avail->idx));

			avail->ring[index % vring->num] = cpu_to_virtio16(vdev, vring->num);
			/* the index comes last, as the device expects it */
			virt_store_release(&avail->idx, cpu_to_virtio16(vdev, index + 1));
			virtqueue_notify(vq);
		}
		if (test_needs_reset(vdev) || virtqueue_is_broken(vq))
			return 0;
		fsleep(1000);
	}
	return -EAGAIN;
}

/* An answer that names a descriptor beyond the last; the interrupt is ours. */
static int test_break_queue(struct virtio_device *vdev, struct virtqueue *vq)
{
	const struct vring *vring = virtqueue_get_vring(vq);
	struct vring_used *used = vring->used;
	u16 index = virtio16_to_cpu(vdev, READ_ONCE(used->idx));

	used->ring[index % vring->num].id = cpu_to_virtio32(vdev, vring->num);
	/* the index comes last, as the device has it */
	smp_store_release(&used->idx, cpu_to_virtio16(vdev, index + 1));
	vring_interrupt(0, vq);
	return virtqueue_is_broken(vq) ? 0 : -EAGAIN;
}

/* The lock of the device keeps its driver bound, and from resetting it meanwhile. */
static int test_break_locked(struct virtio_device *vdev, const struct virtgpu_test_break *arg)
{
	struct virtqueue *vq = test_find_queue(vdev, arg->queue);

	device_lock_assert(&vdev->dev);

	if (!vdev->dev.driver || !vq)
		return -ENODEV;
	if (arg->how == VIRTGPU_TEST_BREAK_DEVICE)
		return test_break_device(vdev, vq);
	return test_break_queue(vdev, vq);
}

int test_break(struct test_file *file, void *data)
{
	const struct virtgpu_test_break *arg = data;
	struct device *dev;
	int ret;

	if (arg->how > VIRTGPU_TEST_BREAK_QUEUE)
		return -EINVAL;
	dev = test_find_gpu();
	if (!dev)
		return -ENODEV;
	device_lock(dev);
	ret = test_break_locked(dev_to_virtio(dev), arg);
	device_unlock(dev);
	put_device(dev);
	return ret;
}

static int test_panic_now(struct sys_off_data *data)
{
	panic("virtgpu_test: after the devices were shut down");
	return NOTIFY_DONE;
}

int test_panic(struct test_file *file, void *arg)
{
	struct sys_off_handler *handler;

	handler = register_sys_off_handler(SYS_OFF_MODE_RESTART_PREPARE, SYS_OFF_PRIO_DEFAULT,
					   test_panic_now, NULL);
	if (IS_ERR(handler))
		return PTR_ERR(handler);
	/* for good: the machine restarts */
	__module_get(THIS_MODULE);
	return 0;
}
