// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Written from QEMU's docs/interop/vhost-user.rst. Sockets block: the front end
 * sends whole messages.
 */
#include "vhost_user.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "log.h"
#include "memory.h"

#define F_PROTOCOL_FEATURES	30

#define PROTOCOL_MQ		0
#define PROTOCOL_REPLY_ACK	3
#define PROTOCOL_BACKEND_REQ	5
#define PROTOCOL_CONFIG		9
#define PROTOCOL_BACKEND_FD	10
#define PROTOCOL_SHMEM		22

#define VERSION			1
#define VERSION_MASK		3
#define FLAG_REPLY		(1 << 2)
#define FLAG_NEED_REPLY		(1 << 3)

#define VRING_INDEX_MASK	0xff
#define VRING_NO_FD		(1 << 8)

#define MAX_FDS			32
#define MAX_WINDOWS		256

enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	RESET_OWNER = 4,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	GET_QUEUE_NUM = 17,
	SET_VRING_ENABLE = 18,
	SET_BACKEND_REQ_FD = 21,
	GET_CONFIG = 24,
	SET_CONFIG = 25,
	GET_SHMEM_CONFIG = 44,
};

enum backend_request {
	BACKEND_CONFIG_CHANGE = 2,
	BACKEND_SHMEM_MAP = 9,
	BACKEND_SHMEM_UNMAP = 10,
};

struct header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

struct mem_region {
	uint64_t guest;
	uint64_t size;
	uint64_t user;
	uint64_t offset;
};

struct mem_table {
	uint32_t count;
	uint32_t padding;
	struct mem_region regions[MAX_FDS];
};

struct vring_state {
	uint32_t index;
	uint32_t value;
};

struct vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[256];
};

struct window_config {
	uint32_t count;
	uint32_t padding;
	uint64_t sizes[MAX_WINDOWS];
};

struct window_map {
	uint8_t id;
	uint8_t padding[7];
	uint64_t fd_offset;
	uint64_t offset;
	uint64_t size;
	uint64_t flags;
};

struct message {
	struct header header;
	union {
		uint64_t value;
		struct mem_table memory;
		struct vring_state state;
		struct vring_addr addr;
		struct config config;
		struct window_config windows;
		struct window_map map;
		uint8_t bytes[4096];
	};
	int fds[MAX_FDS];
	unsigned int num_fds;
};

struct queue vhost_queues[NUM_QUEUES];

static const struct vhost_device *device;
static int listener = -1;
static int connection = -1;
static int backend = -1;
static uint64_t protocol;
static unsigned int asked;		/* requests about the window */
static unsigned int answered;

int vhost_listener(void)
{
	return listener;
}

int vhost_connection(void)
{
	return connection;
}

int vhost_backend_channel(void)
{
	return backend;
}

int vhost_listen(const char *path, const struct vhost_device *dev)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	unlink(path);

	device = dev;
	for (unsigned int i = 0; i < NUM_QUEUES; i++)
		queue_init(&vhost_queues[i], i);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (void *)&addr, sizeof(addr)) || listen(listener, 1))
		return -errno;
	return 0;
}

/* ---- messages ------------------------------------------------------------ */

static bool read_all(int fd, void *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, (uint8_t *)to + done, size - done);

		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

static void take_fds(struct message *m, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		m->num_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(m->fds, CMSG_DATA(c), m->num_fds * sizeof(int));
	}
}

static bool receive(int fd, struct message *m)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { &m->header, sizeof(m->header) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.room, .msg_controllen = sizeof(control.room),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

	m->num_fds = 0;
	if (n <= 0)
		return false;
	take_fds(m, &msg);
	if ((size_t)n < sizeof(m->header) &&
	    !read_all(fd, (uint8_t *)&m->header + n, sizeof(m->header) - n))
		return false;
	if (m->header.size > sizeof(m->bytes)) {
		log_line("\"error\":\"front-end message %u of %u bytes\"", m->header.request,
			 m->header.size);
		return false;
	}
	memset(m->bytes, 0, sizeof(m->bytes));
	return read_all(fd, m->bytes, m->header.size);
}

static bool transmit(int to, const struct message *m, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec iov[] = {
		{ (void *)&m->header, sizeof(m->header) },
		{ (void *)m->bytes, m->header.size },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(to, &msg, MSG_NOSIGNAL) ==
	       (ssize_t)(sizeof(m->header) + m->header.size);
}

static void reply(struct message *m, size_t size)
{
	m->header.flags = VERSION | FLAG_REPLY;
	m->header.size = size;
	if (!transmit(connection, m, -1))
		vhost_disconnect();
}

static void reply_value(struct message *m, uint64_t value)
{
	m->value = value;
	reply(m, sizeof(m->value));
}

/* ---- what the front end wants ------------------------------------------- */

/* The first descriptor of a message becomes @to's. */
static void keep_fd(struct message *m, int *to)
{
	if (*to >= 0)
		close(*to);
	*to = -1;
	if (m->num_fds) {
		*to = m->fds[0];
		m->fds[0] = -1;
	}
}

static bool set_memory(const struct message *m)
{
	unsigned int n = m->memory.count;

	memory_clear();
	if (n > MAX_FDS || n > m->num_fds)
		return false;
	for (unsigned int i = 0; i < n; i++) {
		const struct mem_region *r = &m->memory.regions[i];

		if (memory_add(r->guest, r->user, r->size, r->offset, m->fds[i]))
			return false;
	}
	return true;
}

static bool set_addresses(struct queue *q, const struct vring_addr *a)
{
	q->desc = memory_at_user(a->desc, q->size * sizeof(*q->desc));
	q->avail = memory_at_user(a->avail, sizeof(*q->avail) + (q->size + 1) * sizeof(uint16_t));
	q->used = memory_at_user(a->used, sizeof(*q->used) +
				 q->size * sizeof(struct vring_used_elem) + sizeof(uint16_t));
	return q->desc && q->avail && q->used;
}

/* All rings stopped: a driver has reset the device. */
static void stop_queue(struct queue *q)
{
	bool running = false;

	queue_stop(q);
	for (unsigned int i = 0; i < NUM_QUEUES; i++)
		running |= vhost_queues[i].running;
	if (!running)
		device->reset(true);
}

static uint64_t protocol_features(void)
{
	uint64_t features = 1ULL << PROTOCOL_MQ | 1ULL << PROTOCOL_REPLY_ACK |
			    1ULL << PROTOCOL_BACKEND_REQ | 1ULL << PROTOCOL_CONFIG |
			    1ULL << PROTOCOL_BACKEND_FD;

	if (device->window_size)
		features |= 1ULL << PROTOCOL_SHMEM;
	return features;
}

static void get_config(struct message *m)
{
	uint8_t all[sizeof(m->config.data)] = {};

	device->config(all, sizeof(all));
	if (m->config.offset + (uint64_t)m->config.size > sizeof(all)) {
		m->header.size = 0;
		reply(m, 0);
		return;
	}
	memcpy(m->config.data, all + m->config.offset, m->config.size);
	reply(m, offsetof(struct config, data) + m->config.size);
}

static bool set_config(const struct message *m)
{
	if (m->config.size > sizeof(m->config.data))
		return false;
	device->config_write(m->config.offset, m->config.data, m->config.size);
	return true;
}

static void get_windows(struct message *m)
{
	memset(&m->windows, 0, sizeof(m->windows));
	if (device->window_size) {
		m->windows.count = 1;
		m->windows.sizes[device->window_id] = device->window_size;
	}
	reply(m, sizeof(m->windows));
}

static uint64_t features(void)
{
	return device->features() | 1ULL << VIRTIO_F_VERSION_1 |
	       1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1ULL << VIRTIO_RING_F_EVENT_IDX |
	       1ULL << F_PROTOCOL_FEATURES;
}

static void set_features(uint64_t accepted)
{
	for (unsigned int i = 0; i < NUM_QUEUES; i++) {
		vhost_queues[i].event_idx = accepted & (1ULL << VIRTIO_RING_F_EVENT_IDX);
		if (!(accepted & (1ULL << F_PROTOCOL_FEATURES)))
			vhost_queues[i].enabled = true;
	}
	device->accepted(accepted);
}

/* Requests that have an answer of their own; false for all others. */
static bool answer(struct message *m)
{
	switch (m->header.request) {
	case GET_FEATURES:
		reply_value(m, features());
		return true;
	case GET_PROTOCOL_FEATURES:
		reply_value(m, protocol_features());
		return true;
	case GET_QUEUE_NUM:
		reply_value(m, NUM_QUEUES);
		return true;
	case GET_CONFIG:
		get_config(m);
		return true;
	case GET_SHMEM_CONFIG:
		get_windows(m);
		return true;
	default:
		return false;
	}
}

static bool queue_request(struct message *m, struct queue *q)
{
	switch (m->header.request) {
	case SET_VRING_NUM:
		q->size = m->state.value;
		return q->size && q->size <= 32768;
	case SET_VRING_ADDR:
		return set_addresses(q, &m->addr);
	case SET_VRING_BASE:
		q->next = m->state.value;
		return true;
	case GET_VRING_BASE:
		stop_queue(q);
		m->state.value = q->next;
		reply(m, sizeof(m->state));
		return true;
	case SET_VRING_KICK:
		keep_fd(m, &q->kick);
		if (!q->used)
			return false;
		queue_start(q);
		return true;
	case SET_VRING_CALL:
		keep_fd(m, &q->call);
		return true;
	case SET_VRING_ERR:
		keep_fd(m, &q->err);
		return true;
	case SET_VRING_ENABLE:
		q->enabled = m->state.value;
		return true;
	default:
		return false;
	}
}

static bool request(struct message *m)
{
	unsigned int index = m->value & VRING_INDEX_MASK;

	switch (m->header.request) {
	case SET_OWNER:
		return true;
	case SET_FEATURES:
		set_features(m->value);
		return true;
	case SET_PROTOCOL_FEATURES:
		protocol = m->value;
		return true;
	case SET_MEM_TABLE:
		return set_memory(m);
	case SET_BACKEND_REQ_FD:
		keep_fd(m, &backend);
		return true;
	case SET_CONFIG:
		return set_config(m);
	default:
		return index < NUM_QUEUES && queue_request(m, &vhost_queues[index]);
	}
}

/* Serves one message of the front end. */
void vhost_serve(void)
{
	static struct message m;
	bool need_reply, done;

	if (!receive(connection, &m)) {
		vhost_disconnect();
		return;
	}
	need_reply = m.header.flags & FLAG_NEED_REPLY && protocol & (1ULL << PROTOCOL_REPLY_ACK);
	if (!answer(&m)) {
		uint32_t number = m.header.request;

		done = request(&m);
		if (!done)
			log_line("\"error\":\"front-end message %u is not understood\"", number);
		if (need_reply && number != GET_VRING_BASE)
			reply_value(&m, !done);
	}
	for (unsigned int i = 0; i < m.num_fds; i++)
		if (m.fds[i] >= 0)
			close(m.fds[i]);
}

/* ---- what we want of the front end --------------------------------------- */

static bool ask(enum backend_request request, struct message *m, size_t size, int fd)
{
	m->header.request = request;
	m->header.size = size;
	return backend >= 0 && transmit(backend, m, fd);
}

bool vhost_config_changed(void)
{
	static struct message m = { .header.flags = VERSION };

	return ask(BACKEND_CONFIG_CHANGE, &m, 0, -1);
}

/* Returns the number by which the answer comes to vhost_device.mapped(), or 0. */
static unsigned int ask_window(enum backend_request request, struct window_map map, int fd)
{
	static struct message m = { .header.flags = VERSION | FLAG_NEED_REPLY };

	map.id = device->window_id;
	m.map = map;
	if (!(protocol & (1ULL << PROTOCOL_SHMEM)) || !ask(request, &m, sizeof(m.map), fd))
		return 0;
	return ++asked;
}

unsigned int vhost_map(uint64_t offset, uint64_t size, int fd)
{
	return ask_window(BACKEND_SHMEM_MAP, (struct window_map){
		.offset = offset, .size = size, .flags = 1 }, fd);
}

unsigned int vhost_unmap(uint64_t offset, uint64_t size)
{
	return ask_window(BACKEND_SHMEM_UNMAP, (struct window_map){
		.offset = offset, .size = size }, -1);
}

/* An answer of the front end's; they come in order. */
void vhost_serve_backend(void)
{
	static struct message m;

	if (!receive(backend, &m)) {
		close(backend);
		backend = -1;
		return;
	}
	if (m.header.request == BACKEND_SHMEM_MAP || m.header.request == BACKEND_SHMEM_UNMAP)
		device->mapped(++answered, !m.value);
}

/* ---- the connection ------------------------------------------------------ */

void vhost_accept(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (connection >= 0) {
		close(fd);
		return;
	}
	connection = fd;
	log_line("\"front_end\":\"connected\"");
}

void vhost_disconnect(void)
{
	if (connection < 0)
		return;
	close(connection);
	connection = -1;
	if (backend >= 0)
		close(backend);
	backend = -1;
	asked = answered = 0;
	for (unsigned int i = 0; i < NUM_QUEUES; i++) {
		queue_close(&vhost_queues[i]);
		queue_init(&vhost_queues[i], i);
	}
	device->reset(false);
	memory_clear();
	log_line("\"front_end\":\"disconnected\"");
}
