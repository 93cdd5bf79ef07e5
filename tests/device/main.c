// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A virtio GPU for tests, as a vhost-user back end: see --help.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "control.h"
#include "display.h"
#include "gpu.h"
#include "vhost_user.h"

struct gpu_options gpu_options = {
	.outputs = 1,
	.num_capsets = 2,
	.capsets = { { 1, 1, 308 }, { 2, 2, 1384 } },
	.blob_alignment = 4096,
	.memory = 256 << 20,
	.map_info = VIRTIO_GPU_MAP_CACHE_CACHED,
};

static const char usage[] =
"usage: virtgpu-device --socket PATH [OPTIONS]\n"
"\n"
"A virtio GPU for tests. It checks what the driver sends against the virtio\n"
"specification, logs it, and answers wrongly when told to. QEMU connects it:\n"
"\n"
"  -object memory-backend-memfd,id=mem,size=2G,share=on -machine memory-backend=mem\n"
"  -chardev socket,id=gpu,path=PATH\n"
"  -device vhost-user-test-device-pci,chardev=gpu,virtio-id=16,num_vqs=2,\n"
"          vq_size=256,config_size=20\n"
"\n"
"  --socket PATH          where the front end connects\n"
"  --control PATH         socket for requests, below\n"
"  --log FILE             each command as a JSON object on a line\n"
"  --features LIST        of virgl,edid,uuid,blob,context_init,blob_alignment, or\n"
"                         all, or none (default: all)\n"
"  --outputs N            1 to 16 (default: 1); the first one is connected\n"
"  --capsets LIST         ID:VERSION:SIZE,... (default: 1:1:308,2:2:1384); byte i\n"
"                         of set n is 7 * n + i\n"
"  --blob-alignment BYTES (default: 4096)\n"
"  --memory BYTES         for all resources together (default: 256M)\n"
"  --window BYTES         host-visible memory (default: none); QEMU 11 or newer\n"
"  --map-info N           what RESOURCE_MAP_BLOB answers (default: 1, cached)\n"
"  --script FILE          requests to run at the start, one a line\n"
"  --help                 print this\n"
"\n";

static const struct vhost_device vhost_ops = {
	.features = config_features,
	.accepted = config_accept,
	.config = config_read,
	.config_write = config_write,
	.reset = gpu_reset,
	.mapped = gpu_resume,
};

static volatile sig_atomic_t ended;

static void end(int sig)
{
	(void)sig;
	ended = 1;
}

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "virtgpu-device: ");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(2);
}

/* ---- options ------------------------------------------------------------- */

static uint64_t parse_size(const char *name, const char *arg)
{
	char *end;
	uint64_t n = strtoull(arg, &end, 0);

	switch (*end) {
	case 'K':
		n <<= 10;
		end++;
		break;
	case 'M':
		n <<= 20;
		end++;
		break;
	case 'G':
		n <<= 30;
		end++;
		break;
	}
	if (!*arg || *end)
		die("--%s: '%s' is not a number", name, arg);
	return n;
}

static void parse_capsets(const char *arg)
{
	gpu_options.num_capsets = 0;
	while (*arg) {
		struct capset *set = &gpu_options.capsets[gpu_options.num_capsets];
		int len = 0;

		if (gpu_options.num_capsets == MAX_CAPSETS ||
		    sscanf(arg, "%u:%u:%u%n", &set->id, &set->version, &set->size, &len) != 3 ||
		    (arg[len] && arg[len] != ','))
			die("--capsets: '%s' is not ID:VERSION:SIZE", arg);
		gpu_options.num_capsets++;
		arg += len + !!arg[len];
	}
}

enum { SOCKET, CONTROL, LOG, FEATURES, OUTPUTS, CAPSETS, BLOB_ALIGNMENT, MEMORY, WINDOW, MAP_INFO,
       SCRIPT, HELP };

static const struct option options[] = {
	{ "socket", required_argument, NULL, SOCKET },
	{ "control", required_argument, NULL, CONTROL },
	{ "log", required_argument, NULL, LOG },
	{ "features", required_argument, NULL, FEATURES },
	{ "outputs", required_argument, NULL, OUTPUTS },
	{ "capsets", required_argument, NULL, CAPSETS },
	{ "blob-alignment", required_argument, NULL, BLOB_ALIGNMENT },
	{ "memory", required_argument, NULL, MEMORY },
	{ "window", required_argument, NULL, WINDOW },
	{ "map-info", required_argument, NULL, MAP_INFO },
	{ "script", required_argument, NULL, SCRIPT },
	{ "help", no_argument, NULL, HELP },
	{ }
};

/* Sets gpu_options and the paths in @paths. */
static void parse(int argc, char **argv, const char **paths)
{
	int opt;

	config_parse_features("all");
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case SOCKET:
		case CONTROL:
		case LOG:
		case SCRIPT:
			paths[opt] = optarg;
			break;
		case FEATURES:
			if (config_parse_features(optarg))
				die("--features: '%s'", optarg);
			break;
		case OUTPUTS:
			gpu_options.outputs = parse_size("outputs", optarg);
			break;
		case CAPSETS:
			parse_capsets(optarg);
			break;
		case BLOB_ALIGNMENT:
			gpu_options.blob_alignment = parse_size("blob-alignment", optarg);
			break;
		case MEMORY:
			gpu_options.memory = parse_size("memory", optarg);
			break;
		case WINDOW:
			gpu_options.window = parse_size("window", optarg);
			break;
		case MAP_INFO:
			gpu_options.map_info = parse_size("map-info", optarg);
			break;
		case HELP:
			fputs(usage, stdout);
			fputs(control_help, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind < argc)
		die("'%s' is not an option", argv[optind]);
	if (gpu_options.outputs > VIRTIO_GPU_MAX_SCANOUTS)
		die("--outputs: at most %u", VIRTIO_GPU_MAX_SCANOUTS);
	if (!paths[SOCKET])
		die("--socket is needed; --help tells more");
}

/* ---- the loop ------------------------------------------------------------ */

enum { LISTENER, CONNECTION, BACKEND, KICKS, CONTROLS = KICKS + NUM_QUEUES };

static void serve(const struct pollfd *p, unsigned int controls)
{
	/* Each may change what the others are about: they look at it anew. */
	if (p[CONNECTION].revents && p[CONNECTION].fd == vhost_connection())
		vhost_serve();
	if (p[BACKEND].revents && p[BACKEND].fd == vhost_backend_channel())
		vhost_serve_backend();
	for (unsigned int i = 0; i < NUM_QUEUES; i++)
		if (p[KICKS + i].revents && p[KICKS + i].fd == vhost_queues[i].kick)
			gpu_kick(&vhost_queues[i]);
	if (p[LISTENER].revents)
		vhost_accept();
	control_serve(p + CONTROLS, controls);
	gpu_timers();
}

static void loop(void)
{
	struct pollfd p[CONTROLS + CONTROL_CLIENTS + 1];

	while (!ended) {
		unsigned int controls = control_poll(p + CONTROLS);

		p[LISTENER].fd = vhost_listener();
		p[CONNECTION].fd = vhost_connection();
		p[BACKEND].fd = vhost_backend_channel();
		for (unsigned int i = 0; i < NUM_QUEUES; i++)
			p[KICKS + i].fd = vhost_queues[i].running ? vhost_queues[i].kick : -1;
		for (unsigned int i = 0; i < CONTROLS; i++) {
			p[i].events = POLLIN;
			p[i].revents = 0;
		}
		log_flush();
		if (poll(p, CONTROLS + controls, gpu_timeout_ms()) >= 0)
			serve(p, controls);
	}
}

int main(int argc, char **argv)
{
	const char *paths[HELP] = {};
	struct sigaction action = { .sa_handler = end };
	static struct vhost_device device;
	int ret;

	parse(argc, argv, paths);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);

	device = vhost_ops;
	device.window_id = VIRTIO_GPU_SHM_ID_HOST_VISIBLE;
	device.window_size = gpu_options.window;
	display_init();
	if (paths[LOG] && (ret = log_open(paths[LOG])))
		die("%s: %s", paths[LOG], strerror(-ret));
	if (paths[CONTROL] && (ret = control_listen(paths[CONTROL])))
		die("%s: %s", paths[CONTROL], strerror(-ret));
	if (paths[SCRIPT] && (ret = control_script(paths[SCRIPT])))
		die("%s: %s %d", paths[SCRIPT], ret < 0 ? strerror(-ret) : "line", ret);
	ret = vhost_listen(paths[SOCKET], &device);
	if (ret)
		die("%s: %s", paths[SOCKET], strerror(-ret));
	loop();
	vhost_disconnect();
	log_flush();
	return 0;
}
