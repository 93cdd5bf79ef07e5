/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef _VIRTGPU_DRV_H_
#define _VIRTGPU_DRV_H_

#include <linux/completion.h>
#include <linux/dma-fence.h>
#include <linux/idr.h>
#include <linux/kref.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/uuid.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_gpu.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <drm/drm_connector.h>
#include <drm/drm_crtc.h>
#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_encoder.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_mm.h>
#include <drm/drm_plane.h>
#include <drm/drm_rect.h>
#include <drm/virtgpu_drm.h>

#include "virtgpu_compat.h"

#define DRIVER_NAME "virtio_gpu"
#define DRIVER_DESC "virtio GPU"
#define DRIVER_MAJOR 0
#define DRIVER_MINOR 1
#define DRIVER_PATCHLEVEL 0

/**
 * DOC: overview
 *
 * The driver is a translator: DRM ioctls and atomic commits come in on one
 * side, virtio GPU commands go out on the other, and a command's answer is
 * the only thing that ever comes back::
 *
 *	ioctl | kms | prime -> context, gem, object -> cmd -> vq -> host
 *	fence, object state, waiter                 <- completion <-
 *
 * A &struct virtgpu_cmd is allocated where sleeping is allowed, encoded by
 * virtgpu_cmd.c and handed to virtgpu_vq.c, which consumes it on every path:
 * it is answered by the host or it fails with an errno, and in both cases its
 * @done callback runs once and its fence signals. Nothing else in the driver
 * looks at the virtqueues.
 *
 * What user space holds is a &struct virtgpu_object, a GEM object with guest
 * pages. What the host holds is a &struct virtgpu_resource, which names those
 * pages by a resource id. An object has one resource of its own and may have
 * further ones, made by framebuffers that look at the same pages with another
 * geometry or format. Pages outlive every resource that points at them: they
 * are given back when the host has answered the last RESOURCE_UNREF. Pages of a
 * foreign dma-buf may also move: see virtgpu_prime.c.
 *
 * Lock order, outermost first: modeset locks, framebuffer lock, dma_resv, context
 * lock, window lock, job lock, lock of those who wait for the ring, import lock, queue
 * lock, timeline lock.
 */

struct dma_buf;
struct dma_buf_attachment;
struct drm_edid;
struct virtgpu_cmd;
struct virtgpu_context;
struct virtgpu_device;
struct virtgpu_import;
struct virtgpu_mapping;
struct virtgpu_object;
struct virtgpu_resource;

/* ---- virtgpu_fence.c ---------------------------------------------------- */

struct virtgpu_device;
struct virtgpu_queue;

/**
 * struct virtgpu_timeline - fences that signal in the order of submission
 * @vgdev: the device
 * @lock: protects @seqno and @pending
 * @context: the dma_fence context
 * @seqno: number of the last fence emitted
 * @pending: fences emitted and not yet signalled, oldest first
 */
struct virtgpu_timeline {
	const struct virtgpu_device *vgdev;
	spinlock_t lock;
	u64 context;
	u64 seqno;
	struct list_head pending;
};

/**
 * struct virtgpu_fence - the dma_fence of a command
 * @base: the dma_fence; first, so that freeing it frees this struct
 * @lock: the lock of @base on kernels whose fences have none of their own
 * @vgdev: the device, only compared
 * @timeline: where the fence signals; not to be used after it signalled
 * @link: entry in &virtgpu_timeline.pending
 * @queue: where its command is, or was, in the order of all others; only compared
 * @order: number among the fences of all timelines
 * @oldest: that of the first fence which its timeline had not signalled then
 * @signaled: called when it has signalled, with &virtgpu_timeline.lock, or NULL
 * @data: for @signaled
 * @emitted: it is a dma_fence and on the timeline
 * @completed: the command has ended; protected by &virtgpu_timeline.lock
 */
struct virtgpu_fence {
	struct dma_fence base;
	spinlock_t lock;
	const struct virtgpu_device *vgdev;
	struct virtgpu_timeline *timeline;
	struct list_head link;
	const struct virtgpu_queue *queue;
	u64 order;
	u64 oldest;
	void (*signaled)(struct virtgpu_fence *fence);
	void *data;
	bool emitted;
	bool completed;
};

void virtgpu_timeline_init(struct virtgpu_timeline *timeline, const struct virtgpu_device *vgdev);
struct virtgpu_fence *virtgpu_fence_alloc(struct virtgpu_timeline *timeline);
void virtgpu_fence_emit(struct virtgpu_fence *fence);
void virtgpu_fence_put(struct virtgpu_fence *fence);
bool virtgpu_fence_is_before(const struct dma_fence *fence, const struct virtgpu_fence *than);
bool virtgpu_fence_is_queued(const struct dma_fence *fence, const struct virtgpu_queue *queue);
void virtgpu_fence_complete(struct virtgpu_fence *fence, int error);

/* ---- virtgpu_cmd.c ------------------------------------------------------ */

/**
 * enum virtgpu_cmd_id - index of a command in the command table
 */
enum virtgpu_cmd_id {
	VIRTGPU_GET_DISPLAY_INFO,
	VIRTGPU_GET_EDID,
	VIRTGPU_RESOURCE_CREATE_2D,
	VIRTGPU_RESOURCE_UNREF,
	VIRTGPU_RESOURCE_ATTACH_BACKING,
	VIRTGPU_RESOURCE_DETACH_BACKING,
	VIRTGPU_SET_SCANOUT,
	VIRTGPU_RESOURCE_FLUSH,
	VIRTGPU_TRANSFER_TO_HOST_2D,
	VIRTGPU_RESOURCE_ASSIGN_UUID,
	VIRTGPU_GET_CAPSET_INFO,
	VIRTGPU_GET_CAPSET,
	VIRTGPU_CTX_CREATE,
	VIRTGPU_CTX_DESTROY,
	VIRTGPU_CTX_ATTACH_RESOURCE,
	VIRTGPU_CTX_DETACH_RESOURCE,
	VIRTGPU_RESOURCE_CREATE_3D,
	VIRTGPU_RESOURCE_CREATE_BLOB,
	VIRTGPU_SET_SCANOUT_BLOB,
	VIRTGPU_TRANSFER_TO_HOST_3D,
	VIRTGPU_TRANSFER_FROM_HOST_3D,
	VIRTGPU_SUBMIT_3D,
	VIRTGPU_RESOURCE_MAP_BLOB,
	VIRTGPU_RESOURCE_UNMAP_BLOB,
	VIRTGPU_UPDATE_CURSOR,
	VIRTGPU_MOVE_CURSOR,
	VIRTGPU_NUM_CMDS
};

/**
 * struct virtgpu_cmd_info - one row of the command table
 * @name: for traces and messages
 * @type: the VIRTIO_GPU_CMD_* number
 * @req_size: bytes of the fixed part of the request
 * @resp_type: the VIRTIO_GPU_RESP_OK_* that means success
 * @resp_size: bytes of the response; a shorter answer is an error. 0 when the
 *	       command has no response
 * @cursor: goes to the cursor queue
 */
struct virtgpu_cmd_info {
	const char *name;
	u32 type;
	u16 req_size;
	u32 resp_type;
	u16 resp_size;
	bool cursor;
};

/**
 * struct virtgpu_payload - the variable part of a request
 * @size: bytes in all
 * @num_chunks: entries of @sg
 * @chunk_size: bytes of each chunk but the last
 * @sg: physically contiguous chunks, so that each takes one descriptor
 */
struct virtgpu_payload {
	size_t size;
	unsigned int num_chunks;
	size_t chunk_size;
	struct scatterlist sg[];
};

#define VIRTGPU_CMD_REQ_INLINE		96
#define VIRTGPU_CMD_RESP_INLINE		40

/**
 * struct virtgpu_cmd - one command, from its allocation to its end
 * @link: entry in a caller's list or in the queue's backlog
 * @refs: the queue's reference and that of a waiter
 * @vgdev: the device
 * @info: row of the command table
 * @error: 0 or a negative errno, valid from @done and @completion on
 * @used: bytes that the device says it wrote
 * @fenced: the host is to answer only when the work is done
 * @reported: an error reaches the program that caused it, so that the log need
 *	      not tell it
 * @lasting: its part of &virtgpu_queue.lasting
 * @fence: signals when the command ends, or NULL
 * @payload: variable part of the request, owned by the command, or NULL
 * @done: called once when the command ended, from any context, interrupts
 *	  included; must not sleep
 * @res: the resource that the command is about, for @done; holds a reference
 * @ctx: the context that it is about, or NULL; holds a reference
 * @data: for @done
 * @completion: for virtgpu_cmd_run()
 * @resp: where the host answers
 * @resp_size: bytes of @resp, at least those of the table
 * @req: the fixed part of the request
 * @resp_inline: @resp of all commands with a short answer
 */
struct virtgpu_cmd {
	struct list_head link;
	refcount_t refs;
	struct virtgpu_device *vgdev;
	const struct virtgpu_cmd_info *info;
	int error;
	u32 used;
	bool fenced;
	bool reported;
	unsigned int lasting;
	struct virtgpu_fence *fence;
	struct virtgpu_payload *payload;
	void (*done)(struct virtgpu_cmd *cmd);
	struct virtgpu_resource *res;
	struct virtgpu_context *ctx;
	void *data;
	struct completion completion;
	void *resp;
	u32 resp_size;
	union {
		struct virtio_gpu_ctrl_hdr hdr;
		u8 bytes[VIRTGPU_CMD_REQ_INLINE];
	} req __aligned(ARCH_DMA_MINALIGN);
	union {
		struct virtio_gpu_ctrl_hdr hdr;
		u8 bytes[VIRTGPU_CMD_RESP_INLINE];
	} resp_inline __aligned(ARCH_DMA_MINALIGN);
};

int virtgpu_cmd_cache_init(void);
void virtgpu_cmd_cache_fini(void);
struct virtgpu_cmd *virtgpu_cmd_alloc(struct virtgpu_device *vgdev,
				      enum virtgpu_cmd_id id);
int virtgpu_cmd_reserve(struct list_head *cmds, unsigned int count);
struct virtgpu_cmd *virtgpu_cmd_take(struct virtgpu_device *vgdev,
				     struct list_head *cmds,
				     enum virtgpu_cmd_id id);
void virtgpu_cmd_unreserve(struct list_head *cmds);
void virtgpu_cmd_put(struct virtgpu_cmd *cmd);
bool virtgpu_cmd_busy(const struct virtgpu_cmd *cmd);
int virtgpu_cmd_set_resp_size(struct virtgpu_cmd *cmd, u32 size);
void virtgpu_cmd_set_context(struct virtgpu_cmd *cmd, struct virtgpu_context *ctx);
void virtgpu_cmd_set_resource(struct virtgpu_cmd *cmd, struct virtgpu_resource *res);
void virtgpu_cmd_complete(struct virtgpu_cmd *cmd);
void virtgpu_cmd_fail(struct virtgpu_cmd *cmd, int error);

struct virtgpu_payload *virtgpu_payload_alloc(struct virtgpu_device *vgdev,
					      size_t size);
struct virtgpu_payload *virtgpu_payload_from_user(struct virtgpu_device *vgdev,
						  const void __user *from, size_t size);
void virtgpu_payload_free(struct virtgpu_payload *payload);
void *virtgpu_payload_at(struct virtgpu_payload *payload, size_t offset);

void virtgpu_encode_get_edid(struct virtgpu_cmd *cmd, u32 scanout);
void virtgpu_encode_create_2d(struct virtgpu_cmd *cmd, u32 id, u32 format,
			      u32 width, u32 height);
void virtgpu_encode_resource(struct virtgpu_cmd *cmd, u32 id);
void virtgpu_encode_attach_backing(struct virtgpu_cmd *cmd, u32 id,
				   struct virtgpu_payload *entries);
void virtgpu_encode_set_scanout(struct virtgpu_cmd *cmd, u32 scanout, u32 id,
				const struct drm_rect *rect);
void virtgpu_encode_flush(struct virtgpu_cmd *cmd, u32 id,
			  const struct drm_rect *rect);
void virtgpu_encode_transfer_2d(struct virtgpu_cmd *cmd, u32 id, u64 offset,
				const struct drm_rect *rect);
void virtgpu_encode_get_capset_info(struct virtgpu_cmd *cmd, u32 index);
void virtgpu_encode_get_capset(struct virtgpu_cmd *cmd, u32 id, u32 version);
void virtgpu_encode_ctx_create(struct virtgpu_cmd *cmd, u32 init, const char *name);
void virtgpu_encode_ctx_resource(struct virtgpu_cmd *cmd, u32 id);
void virtgpu_encode_create_3d(struct virtgpu_cmd *cmd, u32 id,
			      const struct drm_virtgpu_resource_create *args);
void virtgpu_encode_create_blob(struct virtgpu_cmd *cmd, u32 id,
				const struct drm_virtgpu_resource_create_blob *args,
				u64 size, struct virtgpu_payload *entries);
void virtgpu_encode_set_scanout_blob(struct virtgpu_cmd *cmd, u32 scanout, u32 id,
				     const struct drm_framebuffer *fb, u32 format,
				     const struct drm_rect *rect);
void virtgpu_encode_transfer_3d(struct virtgpu_cmd *cmd, u32 id,
				const struct drm_virtgpu_3d_transfer_to_host *args);
void virtgpu_encode_submit(struct virtgpu_cmd *cmd, u32 size, struct virtgpu_payload *payload);
void virtgpu_encode_ring(struct virtgpu_cmd *cmd, u32 ring);
void virtgpu_encode_map_blob(struct virtgpu_cmd *cmd, u32 id, u64 offset);
void virtgpu_encode_cursor(struct virtgpu_cmd *cmd, u32 scanout, u32 id,
			   int x, int y, u32 hot_x, u32 hot_y);

/* ---- virtgpu_vq.c ------------------------------------------------------- */

/**
 * struct virtgpu_queue - a virtqueue with a software backlog
 * @vq: the virtqueue, or NULL while the device is reset
 * @size: its descriptors
 * @lock: protects all in here and the virtqueue
 * @backlog: commands that wait for room in the ring, in order
 * @backlog_len: length of @backlog
 * @in_ring: commands that the device owns
 * @fence_id: last fence id given to the device
 * @stopped: the device is about to be reset: commands wait in @backlog
 * @dead: errno with which further commands fail, or 0
 * @kicks: notifications sent, a statistic
 * @commands: commands accepted, a statistic
 * @answered: commands that the device gave back
 * @watch: runs while the device owns commands
 * @watched: @answered, when @watch last looked
 * @indirect: a chain takes one descriptor
 * @lasting: descriptors of commands that the host may answer when it likes
 * @waiters_lock: protects @waiters and &virtgpu_context.ring_link
 * @waiters: contexts with jobs that wait for there being fewer, in turn
 * @prods: notifications that @watch repeated, a statistic
 * @space: waiters for a shorter backlog
 */
struct virtgpu_queue {
	struct virtqueue *vq;
	unsigned int size;
	spinlock_t lock;
	struct list_head backlog;
	unsigned int backlog_len;
	unsigned int in_ring;
	u64 fence_id;
	bool stopped;
	int dead;
	u64 kicks;
	u64 commands;
	u64 answered;
	struct timer_list watch;
	u64 watched;
	u64 prods;
	bool indirect;
	atomic_t lasting;
	spinlock_t waiters_lock;
	struct list_head waiters;
	wait_queue_head_t space;
};

void virtgpu_queues_early_init(struct virtgpu_device *vgdev);
int virtgpu_queues_find(struct virtgpu_device *vgdev);
void virtgpu_queues_start(struct virtgpu_device *vgdev, struct list_head *first);
void virtgpu_queues_abort(struct virtgpu_device *vgdev, int error);
void virtgpu_queues_fini(struct virtgpu_device *vgdev);
bool virtgpu_queues_idle(struct virtgpu_device *vgdev);
void virtgpu_queue_submit(struct virtgpu_cmd *cmd);
void virtgpu_queue_submit_list(struct virtgpu_queue *queue,
			       struct list_head *cmds);
int virtgpu_queue_throttle(struct virtgpu_queue *queue);
bool virtgpu_queue_reserve(struct virtgpu_cmd *cmd, struct virtgpu_context *ctx);
void virtgpu_queue_unreserve(struct virtgpu_cmd *cmd);
void virtgpu_queue_leave(struct virtgpu_queue *queue, struct virtgpu_context *ctx);
void virtgpu_cmd_start(struct virtgpu_cmd *cmd);
int virtgpu_cmd_wait(struct virtgpu_cmd *cmd);
int virtgpu_cmd_run(struct virtgpu_cmd *cmd);
void virtgpu_queue_submit_panic(struct virtgpu_cmd **cmds, unsigned int count);

/* ---- virtgpu_object.c --------------------------------------------------- */

/**
 * enum virtgpu_resource_kind - how the host made a resource
 * @VIRTGPU_RES_2D: RESOURCE_CREATE_2D; shows what was transferred to it
 * @VIRTGPU_RES_3D: RESOURCE_CREATE_3D; the host draws into it
 * @VIRTGPU_RES_BLOB: RESOURCE_CREATE_BLOB; memory without a geometry
 */
enum virtgpu_resource_kind {
	VIRTGPU_RES_2D,
	VIRTGPU_RES_3D,
	VIRTGPU_RES_BLOB,
};

/**
 * struct virtgpu_resource_desc - a resource to be made
 * @kind: how
 * @format: VIRTIO_GPU_FORMAT_* of a 2D one, or what a program says
 * @width: in pixels, not for blobs
 * @height: in pixels, not for blobs
 * @offset: of the first pixel in the pages, in bytes, of a 2D one
 * @create_3d: the parameters of a 3D one
 * @create_blob: the parameters of a blob
 * @ctx: the context that makes the blob, or NULL
 * @command: what the context does before that, or NULL; taken when it goes out
 */
struct virtgpu_resource_desc {
	enum virtgpu_resource_kind kind;
	u32 format;
	u32 width;
	u32 height;
	u32 offset;
	const struct drm_virtgpu_resource_create *create_3d;
	const struct drm_virtgpu_resource_create_blob *create_blob;
	struct virtgpu_context *ctx;
	struct virtgpu_payload *command;
};

/**
 * enum virtgpu_resource_state - what the host knows of a resource
 * @VIRTGPU_RES_CREATING: the commands that make it are under way
 * @VIRTGPU_RES_LIVE: it exists and has its backing
 * @VIRTGPU_RES_FAILED: the host refused one of them; it is not used
 */
enum virtgpu_resource_state {
	VIRTGPU_RES_CREATING,
	VIRTGPU_RES_LIVE,
	VIRTGPU_RES_FAILED,
};

/**
 * enum virtgpu_uuid_state - what is known of a resource's UUID
 * @VIRTGPU_UUID_NONE: the host was not asked
 * @VIRTGPU_UUID_ASKED: its answer is still to come
 * @VIRTGPU_UUID_VALID: there is one
 * @VIRTGPU_UUID_REFUSED: the host gave none
 */
enum virtgpu_uuid_state {
	VIRTGPU_UUID_NONE,
	VIRTGPU_UUID_ASKED,
	VIRTGPU_UUID_VALID,
	VIRTGPU_UUID_REFUSED,
};

/* Whoever sets the second of these bits sends RESOURCE_UNREF. */
#define VIRTGPU_RES_SETTLED	BIT(0)
#define VIRTGPU_RES_UNOWNED	BIT(1)

/**
 * struct virtgpu_resource - a resource at the host
 * @refs: the owners together, and each command that reports into the resource
 * @users: owners: object, framebuffer, cursor
 * @vgdev: the device
 * @obj: whose pages are its backing; holds &virtgpu_object.refs
 * @id: resource id, never 0
 * @serial: as @id, but never given to another resource
 * @generation: &virtgpu_device.generation of the device that it is known to
 * @kind: how the host made it
 * @blob_mem: VIRTGPU_BLOB_MEM_* of a blob, else 0
 * @blob_flags: VIRTGPU_BLOB_FLAG_* of a blob
 * @format: VIRTIO_GPU_FORMAT_*, not of a blob
 * @width: in pixels, of a whole line of the backing, not of a blob
 * @height: in pixels, not of a blob
 * @offset: of the first pixel in the pages, in bytes
 * @created: the host answered the create command with success
 * @state: see &enum virtgpu_resource_state; written by completions only
 * @error: the errno that a failed resource gives to whoever uses it
 * @steps: commands that make the resource and are not answered yet
 * @fate: VIRTGPU_RES_SETTLED and VIRTGPU_RES_UNOWNED
 * @unref: the RESOURCE_UNREF, set aside so that freeing cannot fail
 * @settled: completed when @state is no longer CREATING
 * @backing: of an imported object, where its pages are as the host knows it, or
 *	     NULL; protected by &virtgpu_import.lock, as are the next three
 * @detach: the DETACH_BACKING of @backing, set aside so that a move cannot fail
 * @stale: commits in &virtgpu_import.deferred need the backing
 * @import_link: entry in &virtgpu_import.resources
 * @uuid_state: see &enum virtgpu_uuid_state
 * @uuid: valid in the state VALID
 * @uuid_answered: completed when @uuid_state is no longer ASKED
 */
struct virtgpu_resource {
	struct kref refs;
	struct kref users;
	struct virtgpu_device *vgdev;
	struct virtgpu_object *obj;
	u32 id;
	unsigned long serial;
	unsigned int generation;
	enum virtgpu_resource_kind kind;
	u32 blob_mem;
	u32 blob_flags;
	u32 format;
	u32 width;
	u32 height;
	u32 offset;
	bool created;
	enum virtgpu_resource_state state;
	int error;
	atomic_t steps;
	atomic_t fate;
	struct virtgpu_cmd *unref;
	struct completion settled;
	struct virtgpu_mapping *backing;
	struct virtgpu_cmd *detach;
	bool stale;
	struct list_head import_link;
	enum virtgpu_uuid_state uuid_state;
	uuid_t uuid;
	struct completion uuid_answered;
};

/**
 * struct virtgpu_object - a GEM object
 * @base: the shmem object; first, as the shmem helpers require
 * @refs: the GEM object and each resource that has its pages; the pages and
 *	  this struct are freed with the last one
 * @free_work: frees where sleeping is allowed
 * @res: the resource of the object itself, or NULL; set once, with dma_resv
 * @vram: when the memory is the host's, else NULL
 * @import: when the memory is another device's, else NULL
 * @shareable: not a blob that was made without VIRTGPU_BLOB_FLAG_USE_SHAREABLE
 * @sgt: the pages as the device sees them behind an IOMMU or bounce buffer,
 *	 or NULL; set with dma_resv and &virtgpu_device.mapped_lock
 * @mapped_link: entry in &virtgpu_device.mapped_objects when there is @sgt
 * @pages_pinned: the object holds a pin on its pages; protected by dma_resv
 * @writes: commands so far by which the device may write to the pages
 * @shown: those of which the CPU has been shown what they wrote
 * @width: of a dumb buffer in pixels, else 0
 * @height: of a dumb buffer in pixels, else 0
 */
struct virtgpu_object {
	struct drm_gem_shmem_object base;
	struct kref refs;
	struct work_struct free_work;
	struct virtgpu_resource *res;
	struct virtgpu_vram *vram;
	struct virtgpu_import *import;
	bool shareable;
	struct sg_table *sgt;
	struct list_head mapped_link;
	bool pages_pinned;
	atomic_t writes;
	int shown;
	u32 width;
	u32 height;
};

static inline struct virtgpu_object *to_virtgpu_object(struct drm_gem_object *gem)
{
	return container_of(to_drm_gem_shmem_obj(gem), struct virtgpu_object, base);
}

struct virtgpu_object *virtgpu_object_create(struct virtgpu_device *vgdev, size_t size);
struct drm_gem_object *virtgpu_object_alloc(struct drm_device *drm, size_t size);
void virtgpu_object_free(struct drm_gem_object *gem);
void virtgpu_objects_unmap_all(struct virtgpu_device *vgdev);
struct virtgpu_resource *virtgpu_object_get_resource(struct virtgpu_object *obj,
						     struct virtgpu_resource_desc *desc);
int virtgpu_object_init_resource(struct virtgpu_object *obj,
				 struct virtgpu_resource_desc *desc);
struct virtgpu_resource *virtgpu_object_resource(struct virtgpu_object *obj);
int virtgpu_object_use(struct virtgpu_object *obj);
int virtgpu_resource_attach_locked(struct virtgpu_resource *res);
void virtgpu_object_sync_for_cpu(struct virtgpu_object *obj, int writes);
bool virtgpu_object_needs_sync(const struct virtgpu_object *obj);
void virtgpu_object_sync_for_device(struct virtgpu_object *obj, size_t offset, size_t len);
int virtgpu_resource_wait(struct virtgpu_resource *res);
bool virtgpu_resource_is_lost(const struct virtgpu_resource *res);
bool virtgpu_resource_has_failed(const struct virtgpu_resource *res);
bool virtgpu_resource_is_refused(const struct virtgpu_resource *res);
int virtgpu_resources_rebuild(struct virtgpu_device *vgdev, struct list_head *cmds);
int virtgpu_imports_rebuild(struct virtgpu_device *vgdev);
void virtgpu_resources_wait_rebuilt(struct virtgpu_device *vgdev);
void virtgpu_resources_unmap_lost(struct virtgpu_device *vgdev);
void virtgpu_resource_put(struct virtgpu_resource *res);
static inline struct virtgpu_resource *virtgpu_resource_get(struct virtgpu_resource *res)
{
	kref_get(&res->users);
	return res;
}

/**
 * virtgpu_resource_read_state() - what the host has made of a resource
 * @res: the resource
 *
 * Return: its state. What was written before it, as &virtgpu_resource.error, is
 * known to the caller, too.
 */
static inline enum virtgpu_resource_state
virtgpu_resource_read_state(const struct virtgpu_resource *res)
{
	/* Pairs with virtgpu_resource_set_state(). */
	return smp_load_acquire(&res->state);
}

/**
 * virtgpu_object_peek_resource() - the resource of an object, if there is one
 * @obj: the object
 *
 * Return: &virtgpu_object.res, once it is set up, or NULL.
 */
static inline struct virtgpu_resource *
virtgpu_object_peek_resource(const struct virtgpu_object *obj)
{
	/* Pairs with virtgpu_object_set_resource(). */
	return smp_load_acquire(&obj->res);
}

/* for completions and virtgpu_prime.c */
void virtgpu_object_put_ref(struct virtgpu_object *obj);
void virtgpu_resource_release_ref(struct virtgpu_resource *res);

/* ---- virtgpu_gem.c ------------------------------------------------------ */

extern const struct drm_gem_object_funcs virtgpu_gem_funcs;

int virtgpu_gem_open(struct drm_gem_object *gem, struct drm_file *file);
void virtgpu_gem_close(struct drm_gem_object *gem, struct drm_file *file);
int virtgpu_dumb_create(struct drm_file *file, struct drm_device *drm,
			struct drm_mode_create_dumb *args);

/* ---- virtgpu_vram.c ----------------------------------------------------- */

/**
 * struct virtgpu_vram - memory of the host, and its place in the window
 * @obj: the object
 * @flags: VIRTGPU_BLOB_FLAG_*
 * @deferred: mapped with the first access, not by mmap()
 * @node: the range, counted from the start of the window; protected by
 *	  &virtgpu_device.window_lock, as is all below
 * @lru: entry in &virtgpu_device.window_lru when @mapped
 * @mapped: the host has mapped it
 * @error: what went wrong for good, or 0
 * @cache: VIRTIO_GPU_MAP_CACHE_*
 * @vaddr: the kernel's mapping
 * @vmap_count: users of @vaddr, and devices that use the range
 * @unmap: RESOURCE_UNMAP_BLOB, set aside so that freeing cannot fail
 * @coming: RESOURCE_MAP_BLOB that is on its way, or NULL
 * @leaving: RESOURCE_UNMAP_BLOB that is on its way, to make room, or NULL
 */
struct virtgpu_vram {
	struct virtgpu_object *obj;
	u32 flags;
	bool deferred;
	struct drm_mm_node node;
	struct list_head lru;
	bool mapped;
	int error;
	u32 cache;
	void *vaddr;
	unsigned int vmap_count;
	struct virtgpu_cmd *unmap;
	struct virtgpu_cmd *coming;
	struct virtgpu_cmd *leaving;
};

int virtgpu_window_init(struct virtgpu_device *vgdev);
struct virtgpu_object *virtgpu_vram_create(struct virtgpu_device *vgdev, u64 size, u32 flags,
					   bool deferred);
void virtgpu_vram_unmap(struct virtgpu_object *obj);
void virtgpu_vram_lose(struct virtgpu_object *obj);
void virtgpu_vram_free(struct virtgpu_object *obj);
struct sg_table *virtgpu_vram_map_dma_buf(struct virtgpu_object *obj, struct device *dev,
					  enum dma_data_direction dir);
void virtgpu_vram_unmap_dma_buf(struct virtgpu_object *obj, struct device *dev,
				struct sg_table *sgt, enum dma_data_direction dir);

/* ---- virtgpu_context.c -------------------------------------------------- */

/**
 * struct virtgpu_capset - a capability set of the host
 * @id: its id
 * @max_version: newest version
 * @max_size: bytes of the largest version
 * @version: of @data
 * @data: what the host said, or NULL
 */
struct virtgpu_capset {
	u32 id;
	u32 max_version;
	u32 max_size;
	u32 version;
	void *data;
};

/* Whoever sets the second of these bits sends CTX_DESTROY. */
#define VIRTGPU_CTX_SETTLED	BIT(0)
#define VIRTGPU_CTX_CLOSED	BIT(1)

#define VIRTGPU_MAX_RINGS 64
#define VIRTGPU_CONTEXT_NAME 64

/**
 * struct virtgpu_context - a file, and what it is at the host
 * @refs: the file and each command of the context
 * @vgdev: the device
 * @link: entry in &virtgpu_device.contexts
 * @lock: protects the making of the context, the order of its submissions, and
 *	  changes of @attached
 * @id: context id, or 0 while there is none
 * @generation: &virtgpu_device.generation of the device that it is known to
 * @created: CTX_CREATE is on its way: the context can be used
 * @error: errno with which the host refused the context, VIRTGPU_LOST when it was
 *	   reset, or 0
 * @init: capset id, or 0
 * @poll_mask: rings whose fences the program is told of, one bit each
 * @name: given by the program, or empty
 * @attached: serial numbers, by id, of the resources that the host knows to be in
 *	      use here
 * @fate: VIRTGPU_CTX_SETTLED and VIRTGPU_CTX_CLOSED
 * @destroy: CTX_DESTROY, set aside so that closing cannot fail
 * @timeline: fences of submissions to no ring
 * @timelines: fences of each ring
 * @num_rings: how many rings
 * @job_lock: protects @jobs, @num_jobs and @queued_jobs
 * @jobs: submissions that wait for fences, or for room in the ring, in order
 * @num_jobs: how many
 * @had_jobs: there was one
 * @job_work: queues those that need not wait any more
 * @queued_jobs: those, to be freed
 * @free_work: frees them
 * @job_space: waiters for a shorter list
 * @ring_link: entry in &virtgpu_queue.waiters
 */
struct virtgpu_context {
	struct kref refs;
	struct virtgpu_device *vgdev;
	struct list_head link;
	struct mutex lock;
	u32 id;
	unsigned int generation;
	bool created;
	int error;
	u32 init;
	u64 poll_mask;
	char name[VIRTGPU_CONTEXT_NAME];
	struct xarray attached;
	atomic_t fate;
	struct virtgpu_cmd *destroy;
	struct virtgpu_timeline timeline;
	struct virtgpu_timeline *timelines;
	u32 num_rings;
	spinlock_t job_lock;
	struct list_head jobs;
	unsigned int num_jobs;
	bool had_jobs;
	struct work_struct job_work;
	struct list_head queued_jobs;
	struct work_struct free_work;
	wait_queue_head_t job_space;
	struct list_head ring_link;
};

/**
 * virtgpu_context_is_created() - is a context known to the host?
 * @ctx: the context
 *
 * Return: true when commands of the context may be queued.
 */
static inline bool virtgpu_context_is_created(const struct virtgpu_context *ctx)
{
	/* Pairs with virtgpu_context_create_locked(). */
	return smp_load_acquire(&ctx->created);
}

/**
 * struct virtgpu_context_params - what CONTEXT_INIT sets
 * @capset_id: capability set of the context, or 0
 * @num_rings: rings, 0 to VIRTGPU_MAX_RINGS
 * @poll_mask: rings to be polled, one bit each
 * @name: for whoever debugs the host, or empty
 */
struct virtgpu_context_params {
	u32 capset_id;
	u32 num_rings;
	u64 poll_mask;
	char name[VIRTGPU_CONTEXT_NAME];
};

int virtgpu_open(struct drm_device *drm, struct drm_file *file);
void virtgpu_postclose(struct drm_device *drm, struct drm_file *file);
void virtgpu_contexts_lose(struct virtgpu_device *vgdev, int error);
struct virtgpu_context *virtgpu_context_get(struct drm_file *file);
int virtgpu_context_init(struct drm_file *file, const struct virtgpu_context_params *params);
void virtgpu_context_put(struct virtgpu_context *ctx);
int virtgpu_context_attach_locked(struct virtgpu_context *ctx, struct virtgpu_resource *res);
int virtgpu_context_attach(struct virtgpu_context *ctx, struct virtgpu_resource *res);
void virtgpu_context_detach(struct virtgpu_context *ctx, struct virtgpu_resource *res);
int virtgpu_capset_mask(struct virtgpu_device *vgdev, u64 *mask);
int virtgpu_capset_copy(struct virtgpu_device *vgdev, u32 id, u32 version,
			void __user *dst, u32 size);
void virtgpu_capsets_free(struct virtgpu_device *vgdev);

/* ---- virtgpu_submit.c --------------------------------------------------- */

void virtgpu_submit_init_context(struct virtgpu_context *ctx);
void virtgpu_submit_drain(struct virtgpu_context *ctx);
void virtgpu_submit_cancel(struct virtgpu_context *ctx);
int virtgpu_submit_flush(struct virtgpu_context *ctx);
int virtgpu_submit_for_object(struct virtgpu_context *ctx, struct virtgpu_cmd *cmd,
			      struct drm_gem_object *gem);
int virtgpu_execbuffer(struct drm_file *file, struct drm_virtgpu_execbuffer *args);

/* ---- virtgpu_framebuffer.c ---------------------------------------------- */

/**
 * struct virtgpu_format - a framebuffer format
 * @fourcc: as DRM names it
 * @resource: VIRTIO_GPU_FORMAT_* of the host's resource
 * @cpp: bytes a pixel in the framebuffer
 * @convert: the host has no such format: a shadow in @resource is sent
 */
struct virtgpu_format {
	u32 fourcc;
	u32 resource;
	u8 cpp;
	bool convert;
};

extern const u32 virtgpu_primary_formats[];
extern const unsigned int virtgpu_num_primary_formats;
const struct virtgpu_format *virtgpu_format_lookup(u32 fourcc);

/**
 * struct virtgpu_framebuffer - a framebuffer
 * @base: the DRM framebuffer
 * @res: the resource that shows it, or NULL for what is a cursor as yet; set
 *	 before it is shown, with &virtgpu_device.fb_lock
 * @format: its format
 * @shadow: the object with the converted pixels, or NULL
 * @map: the unconverted pixels, mapped when there is a @shadow
 */
struct virtgpu_framebuffer {
	struct drm_framebuffer base;
	struct virtgpu_resource *res;
	const struct virtgpu_format *format;
	struct virtgpu_object *shadow;
	struct iosys_map map;
};

/**
 * enum virtgpu_answer - to a question that only a try can answer
 * @VIRTGPU_UNKNOWN: not tried
 * @VIRTGPU_NO: the host refused
 * @VIRTGPU_YES: it can
 */
enum virtgpu_answer {
	VIRTGPU_UNKNOWN,
	VIRTGPU_NO,
	VIRTGPU_YES,
};

#define to_virtgpu_framebuffer(fb) container_of(fb, struct virtgpu_framebuffer, base)

struct drm_framebuffer *virtgpu_fb_create(struct drm_device *drm, struct drm_file *file,
					  const struct drm_format_info *info,
					  const struct drm_mode_fb_cmd2 *mode_cmd);
int virtgpu_fb_prepare(struct virtgpu_framebuffer *vgfb, int scanout,
		       const struct drm_rect *rect, struct virtgpu_resource **res, bool *tried);
void virtgpu_fb_convert(struct virtgpu_framebuffer *vgfb, const struct drm_rect *rect);

/* ---- virtgpu_display.c, virtgpu_plane.c --------------------------------- */

#define VIRTGPU_CURSOR_SIZE 64
#define VIRTGPU_MAX_DAMAGE 16

/**
 * struct virtgpu_damage - what a commit transfers
 * @count: how many rectangles
 * @rects: they, in pixels of the framebuffer
 */
struct virtgpu_damage {
	unsigned int count;
	struct drm_rect rects[VIRTGPU_MAX_DAMAGE];
};

/**
 * struct virtgpu_cursor - the cursor of a CRTC as the host shows it
 * @lock: protects all below but @moves, which only falls without it; taken in
 *	  completions
 * @transfer: the transfer of the newest image while it is under way, else
 *	      NULL; only compared with, never dereferenced
 * @pending: commands reserved for UPDATE_CURSOR when @transfer has ended
 * @scanouts: where that shows the cursor
 * @moves: MOVE_CURSOR commands that have not ended
 * @moved: the position is newer than what they tell
 * @later: commands reserved for MOVE_CURSOR when they have
 * @move_scanouts: where these move it
 * @x: position on the CRTC in pixels, may be negative
 * @y: position on the CRTC in pixels, may be negative
 * @hot_x: hotspot in the image, in pixels
 * @hot_y: hotspot in the image, in pixels
 * @obj: the padded image that is transferred, made with the first cursor;
 *	 protected by the lock of the plane
 * @res: its resource
 * @image: the resource of the newest image: @res, or what the host drew
 */
struct virtgpu_cursor {
	spinlock_t lock;
	struct virtgpu_cmd *transfer;
	struct list_head pending;
	unsigned long scanouts;
	atomic_t moves;
	bool moved;
	struct list_head later;
	unsigned long move_scanouts;
	int x;
	int y;
	u32 hot_x;
	u32 hot_y;
	struct virtgpu_object *obj;
	struct virtgpu_resource *res;
	struct virtgpu_resource *image;
};

/**
 * struct virtgpu_output - one scan-out, with the KMS objects made for it
 * @crtc: the CRTC; any CRTC may feed any connector
 * @encoder: the encoder of the connector
 * @connector: stands for the scan-out with number @index
 * @primary: the CRTC's primary plane
 * @cursor_plane: the CRTC's cursor plane
 * @index: scan-out number of the connector
 * @scanouts: scan-outs that the CRTC feeds, one bit each; changed by commits
 * @cursor: the CRTC's cursor at the host
 * @vblank_timer: paces the CRTC where the kernel has no timer for that
 * @batch: control commands of the commit that is being put together
 * @panic_cmds: set aside for the panic screen: transfer, flush
 * @flip: event of the flip that the host has not shown yet, or NULL; protected
 *	  by &drm_device.event_lock, as are the other @flip members
 * @flip_cmd: its last command while that is under way; only compared with
 * @flip_async: the event goes out without waiting for a vblank
 * @flip_timer: gives up on it
 * @flip_overdue: the last one was given up on, and the host has ended none since
 * @info: position, size and state that the host wishes; protected by
 *	  &virtgpu_device.display_lock
 * @edid: what the host said of the monitor, or NULL; protected by
 *	  &virtgpu_device.display_lock
 */
struct virtgpu_output {
	struct drm_crtc crtc;
	struct drm_encoder encoder;
	struct drm_connector connector;
	struct drm_plane *primary;
	struct drm_plane *cursor_plane;
	unsigned int index;
	u32 scanouts;
	struct virtgpu_cursor cursor;
	struct virtgpu_vblank_timer vblank_timer;
	struct list_head batch;
	struct virtgpu_cmd *panic_cmds[2];
	struct drm_pending_vblank_event *flip;
	struct virtgpu_cmd *flip_cmd;
	bool flip_async;
	struct timer_list flip_timer;
	bool flip_overdue;
	struct {
		struct drm_rect rect;
		bool enabled;
	} info;
	const struct drm_edid *edid;
};

#define crtc_to_output(c) container_of(c, struct virtgpu_output, crtc)
#define connector_to_output(c) container_of(c, struct virtgpu_output, connector)

void virtgpu_display_early_init(struct virtgpu_device *vgdev);
int virtgpu_display_init(struct virtgpu_device *vgdev);
bool virtgpu_display_refresh(struct virtgpu_device *vgdev);
void virtgpu_display_stop(struct virtgpu_device *vgdev);
void virtgpu_display_pause(struct virtgpu_device *vgdev);
void virtgpu_display_resume(struct virtgpu_device *vgdev);
void virtgpu_display_shutdown(struct virtgpu_device *vgdev);
void virtgpu_display_changed(struct virtgpu_device *vgdev);
struct drm_plane *virtgpu_plane_create(struct virtgpu_device *vgdev,
				       struct virtgpu_output *output,
				       enum drm_plane_type type);
int virtgpu_cursor_init(struct virtgpu_device *vgdev, struct virtgpu_output *output);
void virtgpu_cursor_hide(struct virtgpu_output *output, struct list_head *cmds);

/* ---- virtgpu_prime.c ---------------------------------------------------- */

/**
 * struct virtgpu_mapping - where the pages of a dma-buf are, until it moves
 * @users: the import, as long as the dma-buf has not moved, and each resource
 *	   whose backing this is
 * @obj: the object; holds &virtgpu_object.refs
 * @sgt: the pages as the device sees them, or NULL; changed with dma_resv
 * @link: entry in &virtgpu_import.mappings when there is @sgt
 * @fence: signals when the host has let go of the pages
 * @holds: submissions that wait for fences and count on the pages; protected by
 *	   &virtgpu_import.lock, as is @leaving
 * @leaving: the dma-buf has moved; the resources are detached when @holds is 0
 * @unmap_work: ends the mapping
 * @unmap_cb: queues that when the host is done with something
 */
struct virtgpu_mapping {
	struct kref users;
	struct virtgpu_object *obj;
	struct sg_table *sgt;
	struct list_head link;
	struct virtgpu_fence *fence;
	unsigned int holds;
	bool leaving;
	struct work_struct unmap_work;
	struct dma_fence_cb unmap_cb;
};

/**
 * struct virtgpu_import - the part of an object that is a foreign dma-buf
 * @obj: the object
 * @attach: the attachment; holds a reference to its dma-buf and its device
 * @link: entry in &virtgpu_device.imports
 * @timeline: of the fences of the mappings
 * @mapping: where the pages are now, or NULL; changed with dma_resv and @lock
 * @mappings: that one, and those whose pages are still mapped; protected by dma_resv
 * @closed: nobody has a handle any more, so that there is no new @mapping; dma_resv
 * @lock: protects all below and the backing of each resource; commands that need
 *	  the backing are queued under it
 * @resources: resources over the pages, that of the object and those of
 *	       framebuffers
 * @num_leaving: mappings that wait for &virtgpu_mapping.holds
 * @detached: waiters for @num_leaving to be 0
 * @deferred: commands of commits that wait for the pages to be known again
 * @work: ends the waiting of @deferred
 */
struct virtgpu_import {
	struct virtgpu_object *obj;
	struct dma_buf_attachment *attach;
	struct list_head link;
	struct virtgpu_timeline timeline;
	struct virtgpu_mapping *mapping;
	struct list_head mappings;
	bool closed;
	spinlock_t lock;
	struct list_head resources;
	unsigned int num_leaving;
	wait_queue_head_t detached;
	struct list_head deferred;
	struct work_struct work;
};

int virtgpu_prime_handle_to_fd(struct drm_device *drm, struct drm_file *file, u32 handle,
			       u32 flags, int *prime_fd);
int virtgpu_prime_fd_to_handle(struct drm_device *drm, struct drm_file *file, int prime_fd,
			       u32 *handle);
struct dma_buf *virtgpu_gem_prime_export(struct drm_gem_object *gem, int flags);
struct drm_gem_object *virtgpu_gem_prime_import(struct drm_device *drm, struct dma_buf *buf);
int virtio_gpu_resource_assign_uuid(struct virtgpu_device *vgdev, struct virtgpu_resource *res);

int virtgpu_imports_init(struct virtgpu_device *vgdev);
void virtgpu_imports_unmap_all(struct virtgpu_device *vgdev);
int virtgpu_dma_buf_import_sgt(struct virtgpu_object *obj);
void virtgpu_import_release(struct virtgpu_object *obj);
int virtgpu_import_pin(struct virtgpu_object *obj);
void virtgpu_import_unpin(struct virtgpu_object *obj);
int virtgpu_import_wait(struct virtgpu_object *obj);
struct virtgpu_mapping *virtgpu_import_hold(struct virtgpu_object *obj);
void virtgpu_import_unhold(struct virtgpu_mapping *mapping);
struct virtgpu_mapping *virtgpu_import_current(struct virtgpu_object *obj);
void virtgpu_mapping_put(struct virtgpu_mapping *mapping);
void virtgpu_import_submit(struct virtgpu_resource *res, struct list_head *cmds);
void virtgpu_backing_set(struct virtgpu_resource *res, struct list_head *cmds);
void virtgpu_backing_disown(struct virtgpu_resource *res);
void virtgpu_backing_put(struct virtgpu_resource *res);

/* ---- virtgpu_ioctl.c, virtgpu_debugfs.c --------------------------------- */

extern const struct drm_ioctl_desc virtgpu_ioctls[DRM_VIRTGPU_CONTEXT_INIT + 1];

#ifdef CONFIG_DEBUG_FS
void virtgpu_debugfs_init(struct virtgpu_device *vgdev);
#else
static inline void virtgpu_debugfs_init(struct virtgpu_device *vgdev) { }
#endif

/* ---- virtgpu_reset.c ---------------------------------------------------- */

/* What programs get for contexts and memory that were the host's when it was reset. */
#define VIRTGPU_LOST (-ECANCELED)

void virtgpu_reset_init(struct virtgpu_device *vgdev);
void virtgpu_reset_stop(struct virtgpu_device *vgdev);
void virtgpu_reset_fini(struct virtgpu_device *vgdev);
void virtgpu_config_changed(struct virtio_device *vdev);
void virtgpu_reset_request(struct virtgpu_device *vgdev, const char *reason);
void virtgpu_report_slow(struct virtgpu_device *vgdev, const char *what);
bool virtgpu_reset_is_last(const struct virtgpu_device *vgdev);
void virtgpu_report_dark(struct virtgpu_device *vgdev, int error);
int virtgpu_freeze(struct virtio_device *vdev);
int virtgpu_restore(struct virtio_device *vdev);

/* ---- virtgpu_drv.c ------------------------------------------------------ */

/**
 * struct virtgpu_device - a virtio GPU
 * @drm: the DRM device
 * @vdev: the virtio device, as long as the driver is bound
 * @index: number of the virtio device, for traces
 * @devres: what the driver's reference to @drm belongs to
 * @dma_dev: the device that does DMA, when @use_dma_api
 * @import_dev: whose addresses of a foreign buffer are those that the device
 *		uses: @dma_dev, or the virtio device itself, which has no IOMMU
 * @dma_parms: of the virtio device, when that is @import_dev
 * @use_dma_api: addresses given to the device must come from the DMA API
 * @max_dma_size: longest piece of memory that the device can be given, in bytes
 * @has_edid: VIRTIO_GPU_F_EDID was negotiated
 * @has_virgl: VIRTIO_GPU_F_VIRGL was negotiated: contexts and submissions
 * @has_blob: VIRTIO_GPU_F_RESOURCE_BLOB was negotiated
 * @has_context_init: VIRTIO_GPU_F_CONTEXT_INIT was negotiated
 * @has_uuid: VIRTIO_GPU_F_RESOURCE_UUID was negotiated
 * @has_host_visible: there is a window for memory of the host
 * @blob_alignment: of blob sizes and places in the window, in bytes, or 0
 * @num_scanouts: outputs, 0 to 16
 * @num_capsets: capability sets of the host
 * @capset_lock: protects @capsets, @capset_mask and, once set, @num_capsets
 * @capsets: the capability sets, or NULL as long as the host was not asked
 * @capset_mask: a bit for each id below 64
 * @context_ids: context ids in use, from 1
 * @contexts_lock: protects @contexts
 * @contexts: of all open files
 * @window_region: the window in the guest's physical address space
 * @window_lock: protects @window, @window_lru and the places of all blobs
 * @window: ranges in use
 * @window_lru: blobs in the window, the least recently used first
 * @ctrl: the control queue
 * @cursorq: the cursor queue
 * @mapped_lock: protects @mapped_objects, @imports and @unmapped
 * @mapped_objects: objects with a &virtgpu_object.sgt
 * @imports: objects over other devices' memory
 * @unmapped: the device has gone: nothing is mapped any more
 * @sync_lock: protects &virtgpu_object.shown while it is made true
 * @timeline: fences of commands that belong to no context ring
 * @resources: those that the host knows or is about to, by id, from 1
 * @last_serial: of the resource made last
 * @num_resources: resources at the host, a statistic
 * @num_errors: error answers of the host, a statistic
 * @wq: for what completions cannot do themselves
 * @job_wq: for submissions that fences have let go; nothing there waits
 * @config_work: finds out what the device has to say
 * @reset_work: resets a device that asks for it
 * @redraw_work: shows all pictures once more after that
 * @reset_reason: why, for the log
 * @reset_time: of the last one, in jiffies
 * @reset_tries: those in a row that found no memory
 * @reset_starved: the one under way did not
 * @rebuilding: commands that make resources again and are not answered
 * @num_resets: how many there were
 * @generation: another number each time that the device begins with nothing
 * @resetting: freezing and restoring is for @reset_work
 * @restoring: the outputs are being set again, written with all modeset locks or
 *	       without anybody who could show something
 * @slow: a host that does not answer was reported
 * @display_lock: protects &virtgpu_output.info and &virtgpu_output.edid
 * @display_work: asks the host for display info and EDIDs
 * @display_retry: delay of the next try after an unanswered question, jiffies
 * @hotplug_mode_update: the property of that name
 * @fb_lock: protects the late making of &virtgpu_framebuffer.res
 * @blob_scanout: can the host show blobs of the guest's memory? Written with
 *		  @fb_lock
 * @outputs: the first @num_scanouts are in use
 */
struct virtgpu_device {
	struct drm_device drm;
	struct virtio_device *vdev;
	int index;
	void *devres;
	struct device *dma_dev;
	struct device *import_dev;
	struct device_dma_parameters dma_parms;
	bool use_dma_api;
	size_t max_dma_size;
	bool has_edid;
	bool has_virgl;
	bool has_blob;
	bool has_context_init;
	bool has_uuid;
	bool has_host_visible;
	u32 blob_alignment;
	u32 num_scanouts;
	u32 num_capsets;

	struct mutex capset_lock;
	struct virtgpu_capset *capsets;
	u64 capset_mask;
	struct ida context_ids;
	struct mutex contexts_lock;
	struct list_head contexts;

	struct virtio_shm_region window_region;
	struct mutex window_lock;
	struct drm_mm window;
	struct list_head window_lru;

	struct virtgpu_queue ctrl;
	struct virtgpu_queue cursorq;
	struct mutex mapped_lock;
	struct list_head mapped_objects;
	struct list_head imports;
	bool unmapped;
	struct mutex sync_lock;
	struct virtgpu_timeline timeline;
	struct xarray resources;
	atomic_long_t last_serial;
	atomic_t num_resources;
	atomic_t num_errors;
	struct workqueue_struct *wq;
	struct workqueue_struct *job_wq;
	struct work_struct config_work;
	struct delayed_work reset_work;
	struct delayed_work redraw_work;
	const char *reset_reason;
	unsigned long reset_time;
	unsigned int reset_tries;
	bool reset_starved;
	atomic_t rebuilding;
	unsigned int num_resets;
	unsigned int generation;
	bool resetting;
	bool restoring;
	bool slow;

	struct mutex display_lock;
	struct delayed_work display_work;
	unsigned long display_retry;
	struct drm_property *hotplug_mode_update;
	struct mutex fb_lock;
	enum virtgpu_answer blob_scanout;
	struct virtgpu_output outputs[VIRTIO_GPU_MAX_SCANOUTS];
};

static inline struct virtgpu_device *to_virtgpu_device(struct drm_device *drm)
{
	return container_of(drm, struct virtgpu_device, drm);
}

extern unsigned int virtgpu_timeout_ms;

/**
 * virtgpu_timeout() - the time that the driver waits for the host's answer
 *
 * Return: the bound in jiffies.
 */
static inline unsigned long virtgpu_timeout(void)
{
	return msecs_to_jiffies(max(READ_ONCE(virtgpu_timeout_ms), 100U));
}

#endif
