// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <kunit/device.h>

#include "host.h"

/* ---- the device, as the virtio core sees it ----------------------------- */

static struct host *to_host(struct virtio_device *vdev)
{
	return container_of(vdev, struct host, vdev);
}

static void host_get(struct virtio_device *vdev, unsigned int offset, void *buf,
		     unsigned int len)
{
	struct host *host = to_host(vdev);

	if (offset + len <= sizeof(host->config))
		memcpy(buf, (u8 *)&host->config + offset, len);
	else
		host_complain(host, "it reads what is not in the configuration");
}

static void host_set(struct virtio_device *vdev, unsigned int offset, const void *buf,
		     unsigned int len)
{
	struct host *host = to_host(vdev);

	if (offset != offsetof(struct virtgpu_config, events_clear))
		host_complain(host, "what it writes to is to be read");
}

static u8 host_get_status(struct virtio_device *vdev)
{
	return to_host(vdev)->status;
}

static void host_set_status(struct virtio_device *vdev, u8 status)
{
	to_host(vdev)->status = status;
}

static void host_reset(struct virtio_device *vdev)
{
	to_host(vdev)->status = 0;
}

static bool host_notified(struct virtqueue *vq)
{
	struct host *host = to_host(vq->vdev);
	struct host_request req;

	host->kicks++;
	if (host->lost_kicks) {
		host->lost_kicks--;
		return true;
	}
	/* An answer may bring the next notification. */
	if (host->serving || !host->serve)
		return true;
	host->serving = true;
	while (host_take(host, vq->index, &req))
		host->serve(host, &req);
	host->serving = false;
	return true;
}

static void host_del_vqs(struct virtio_device *vdev)
{
	struct virtqueue *vq, *next;

	list_for_each_entry_safe(vq, next, &vdev->vqs, list)
		vring_del_virtqueue(vq);
}

static int host_find_vqs(struct virtio_device *vdev, unsigned int count,
			 struct virtqueue *vqs[], struct virtqueue_info info[],
			 struct irq_affinity *desc)
{
	struct host *host = to_host(vdev);
	unsigned int i;

	if (count != HOST_NUM_QUEUES)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		vqs[i] = vring_create_virtqueue(i, host->ring_size, PAGE_SIZE, vdev, true, false,
						false, host_notified, info[i].callback,
						info[i].name);
		if (!vqs[i]) {
			host_del_vqs(vdev);
			return -ENOMEM;
		}
		host->queues[i].vq = vqs[i];
		host->queues[i].seen = 0;
		host->queues[i].used = 0;
	}
	return 0;
}

static bool host_get_shm_region(struct virtio_device *vdev, struct virtio_shm_region *region,
				u8 id)
{
	*region = to_host(vdev)->window;
	return region->len && id == VIRTIO_GPU_SHM_ID_HOST_VISIBLE;
}

static const struct virtio_config_ops host_ops = {
	.get = host_get,
	.set = host_set,
	.get_status = host_get_status,
	.set_status = host_set_status,
	.reset = host_reset,
	.find_vqs = host_find_vqs,
	.del_vqs = host_del_vqs,
	.get_shm_region = host_get_shm_region,
};

/* virtio_has_feature() wants to know what the driver asked for. */
static const unsigned int host_features[] = {
	VIRTIO_GPU_F_VIRGL, VIRTIO_GPU_F_EDID, VIRTIO_GPU_F_RESOURCE_UUID,
	VIRTIO_GPU_F_RESOURCE_BLOB, VIRTIO_GPU_F_CONTEXT_INIT, VIRTIO_GPU_F_BLOB_ALIGNMENT,
};

static struct virtio_driver host_virtio_driver = {
	.driver.name = "virtgpu_kunit",
	.feature_table = host_features,
	.feature_table_size = ARRAY_SIZE(host_features),
};

/* ---- its life ----------------------------------------------------------- */

static void host_release(struct device *dev)
{
	kfree(to_host(dev_to_virtio(dev)));
}

/**
 * host_alloc() - a device that the driver does not know yet
 * @test: the test
 * @features: feature bits, besides VIRTIO_F_VERSION_1
 *
 * Return: the device, whose fields the test may change now; it has one output,
 * no capability sets and no window. It is also in @test's priv, for host_exit().
 */
struct host *host_alloc(struct kunit *test, u64 features)
{
	struct device *parent = kunit_device_register(test, "virtgpu_kunit");
	struct host *host = kzalloc(sizeof(*host), GFP_KERNEL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	KUNIT_ASSERT_NOT_NULL(test, host);
	test->priv = host;
	host->test = test;
	host->ring_size = 64;
	host->config.num_scanouts = cpu_to_le32(1);

	host->vdev.config = &host_ops;
	host->vdev.features = BIT_ULL(VIRTIO_F_VERSION_1) | features;
	INIT_LIST_HEAD(&host->vdev.vqs);
	spin_lock_init(&host->vdev.vqs_list_lock);
	device_initialize(&host->vdev.dev);
	host->vdev.dev.parent = parent;
	host->vdev.dev.driver = &host_virtio_driver.driver;
	host->vdev.dev.init_name = "virtgpu_kunit";
	host->vdev.dev.release = host_release;
	return host;
}

/**
 * host_make_device() - the first half of the driver's probe
 * @host: the device
 */
void host_make_device(struct host *host)
{
	struct virtgpu_device *vgdev = virtgpu_alloc(&host->vdev);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(host->test, vgdev);
	host->vgdev = vgdev;
	virtgpu_read_config(vgdev);
	KUNIT_ASSERT_EQ(host->test, virtgpu_init_software(vgdev), 0);
}

/**
 * host_start() - the second half: the queues work
 * @host: the device
 */
void host_start(struct host *host)
{
	LIST_HEAD(none);

	KUNIT_ASSERT_EQ(host->test, virtgpu_queues_find(host->vgdev), 0);
	virtio_device_ready(&host->vdev);
	virtgpu_queues_start(host->vgdev, &none);
}

/**
 * host_create() - all of it
 * @test: the test
 * @features: feature bits
 *
 * Return: the device, as host_alloc().
 */
struct host *host_create(struct kunit *test, u64 features)
{
	struct host *host = host_alloc(test, features);

	host_make_device(host);
	host_start(host);
	return host;
}

/**
 * host_free() - the end of the device, as by the driver's remove
 * @host: the device or NULL
 */
void host_free(struct host *host)
{
	struct virtgpu_device *vgdev;

	if (!host)
		return;
	host->test->priv = NULL;
	KUNIT_EXPECT_NULL_MSG(host->test, host->complaint, "%s", host->complaint);
	vgdev = host->vgdev;
	if (vgdev) {
		virtgpu_reset_stop(vgdev);
		if (vgdev->ctrl.vq) {
			virtgpu_queues_abort(vgdev, -ENODEV);
			virtgpu_queues_fini(vgdev);
		}
		virtgpu_display_stop(vgdev);
		virtgpu_free(&host->vdev, vgdev->devres);
	}
	kunit_device_unregister(host->test, host->vdev.dev.parent);
	put_device(&host->vdev.dev);
}

/**
 * host_init() - &kunit_suite.init: a device without a feature
 * @test: the test
 *
 * Return: 0.
 */
int host_init(struct kunit *test)
{
	host_create(test, 0);
	return 0;
}

/**
 * host_exit() - &kunit_suite.exit
 * @test: the test
 */
void host_exit(struct kunit *test)
{
	host_free(test->priv);
}

/* ---- requests and answers ----------------------------------------------- */

/**
 * host_complain() - the driver does something wrong
 * @host: the device; the test fails in host_free()
 * @complaint: what
 *
 * Any context.
 */
void host_complain(struct host *host, const char *complaint)
{
	if (!host->complaint)
		host->complaint = complaint;
}

static void host_add_segment(struct host *host, struct host_request *req,
			     const struct vring_desc *desc)
{
	void *data = phys_to_virt(le64_to_cpu((__force __le64)desc->addr));
	u32 len = le32_to_cpu((__force __le32)desc->len);

	req->descs++;
	if (le16_to_cpu((__force __le16)desc->flags) & VRING_DESC_F_WRITE) {
		if (!req->room)
			req->answer = data;
		req->room += len;
		return;
	}
	if (req->room)
		host_complain(host, "what is to be read comes after what is to be written");
	if (req->len < sizeof(req->bytes))
		memcpy(req->bytes + req->len, data, min(len, sizeof(req->bytes) - req->len));
	req->len += len;
}

static void host_walk(struct host *host, struct host_request *req,
		      const struct vring_desc *table, u16 index)
{
	const struct vring_desc *desc;
	u16 flags;

	do {
		desc = &table[index];
		flags = le16_to_cpu((__force __le16)desc->flags);
		if (flags & VRING_DESC_F_INDIRECT)
			host_walk(host, req, phys_to_virt(le64_to_cpu((__force __le64)desc->addr)),
				  0);
		else
			host_add_segment(host, req, desc);
		index = le16_to_cpu((__force __le16)desc->next);
	} while (flags & VRING_DESC_F_NEXT);
}

/**
 * host_take() - take the next request from a queue
 * @host: the device
 * @queue: which queue
 * @req: set to the request
 *
 * Return: whether there was one.
 */
bool host_take(struct host *host, enum host_queue_id queue, struct host_request *req)
{
	const struct vring *vring = virtqueue_get_vring(host->queues[queue].vq);
	u16 end = le16_to_cpu((__force __le16)READ_ONCE(vring->avail->idx));
	u16 *seen = &host->queues[queue].seen;

	if (*seen == end)
		return false;
	memset(req, 0, sizeof(*req));
	req->queue = queue;
	req->head = le16_to_cpu((__force __le16)vring->avail->ring[*seen % vring->num]);
	(*seen)++;
	host_walk(host, req, vring->desc, req->head);
	return true;
}

/**
 * host_complete() - give a request back, and interrupt
 * @host: the device
 * @req: the request, with the answer in its place
 * @used: bytes that the device claims to have written
 */
void host_complete(struct host *host, const struct host_request *req, u32 used)
{
	struct virtqueue *vq = host->queues[req->queue].vq;
	const struct vring *vring = virtqueue_get_vring(vq);
	u16 *index = &host->queues[req->queue].used;
	struct vring_used_elem *elem = &vring->used->ring[*index % vring->num];

	elem->id = (__force __virtio32)cpu_to_le32(req->head);
	elem->len = (__force __virtio32)cpu_to_le32(used);
	/* The answer first, then the word that there is one */
	smp_store_release(&vring->used->idx, (__force __virtio16)cpu_to_le16(++*index));
	if (host->lost_interrupts)
		host->lost_interrupts--;
	else
		vring_interrupt(0, vq);
}

/**
 * host_answer() - answer a request by a type alone
 * @host: the device
 * @req: the request
 * @type: VIRTIO_GPU_RESP_*
 */
void host_answer(struct host *host, const struct host_request *req, u32 type)
{
	struct virtio_gpu_ctrl_hdr hdr = { .type = cpu_to_le32(type) };
	u32 size = min(req->room, sizeof(hdr));

	if (size)
		memcpy(req->answer, &hdr, size);
	host_complete(host, req, size);
}

/**
 * host_word() - a field of a request
 * @req: the request
 * @index: of the 32-bit word, counted from the start of the header
 *
 * Return: its value.
 */
u32 host_word(const struct host_request *req, unsigned int index)
{
	return get_unaligned_le32(req->bytes + index * 4);
}
