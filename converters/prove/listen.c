/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "converters/prove/vm.h"
#include "converters/prove/words.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"

#define MAX_LOG_BYTES  (8 << 20)
#define MAX_WIRE_BYTES (64 << 20)
#define TEXT_SCREEN    0xb8000 /* VGA colour text memory */
#define COMMAND_MS     20000

static int log_bytes(struct prove_vm *vm, const char *bytes, size_t n, struct p2v_err *err)
{
	size_t room = (size_t)(MAX_LOG_BYTES - vm->logged_bytes);
	size_t part = n < room ? n : room;

	if (part && write(vm->log_fd, bytes, part) != (ssize_t)part)
		return p2v_err_errno(err, errno, "%s/serial.log", vm->proof);
	vm->logged_bytes += part;
	return 0;
}

int prove_vm_listen(struct prove_vm *vm, int wait_ms, struct p2v_err *err)
{
	struct pollfd wait[] = {
		{.fd = vm->serial_fd, .events = POLLIN}, {.fd = vm->qmp.fd, .events = POLLIN}};
	char bytes[65536];
	ssize_t n;
	int r;

	if (poll(wait, P2V_N(wait), wait_ms) <= 0)
		return 0;
	n = read(vm->serial_fd, bytes, sizeof(bytes));
	if (n > 0) {
		prove_console_feed(&vm->serial, bytes, (size_t)n);
		r = log_bytes(vm, bytes, (size_t)n, err);
		if (r < 0)
			return r;
	}
	return prove_qmp_drain(&vm->qmp, err);
}

/* A guest that floods its wire does not fill our disk. */
static int mute(struct prove_vm *vm, size_t i, struct p2v_err *err)
{
	p2v_autofree char *command =
		p2v_strf("{\"execute\":\"qom-set\",\"arguments\":{\"path\":\"/objects/dump%zu\","
			 "\"property\":\"status\",\"value\":\"off\"}}",
			i);

	if (!command)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", vm->output->name);
	vm->nics[i].muted = true;
	return prove_qmp_command(&vm->qmp, command, NULL, NULL, COMMAND_MS, err);
}

static int read_wire(struct prove_nic *nic, struct p2v_err *err)
{
	size_t taken = 0;

	if (nic->fd < 0)
		nic->fd = open(nic->pcap, O_RDONLY | O_CLOEXEC);
	while (nic->fd >= 0) {
		uint8_t *space = p2v_buf_reserve(&nic->rest, 65536);
		ssize_t n = space ? read(nic->fd, space, 65536) : -1;
		int r;

		if (n <= 0)
			break;
		nic->bytes += (uint64_t)n;
		nic->rest.len += (size_t)n;
		r = prove_wire_feed(&nic->wire, nic->rest.data, nic->rest.len, &taken, err);
		if (r < 0)
			return p2v_err_wrap(err, r, "%s", nic->pcap);
		memmove(nic->rest.data, nic->rest.data + taken, nic->rest.len - taken);
		nic->rest.len -= taken;
	}
	return p2v_buf_check(&nic->rest, err);
}

int prove_vm_read_wires(struct prove_vm *vm, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < vm->n_nics; i++) {
		r = read_wire(&vm->nics[i], err);
		if (r == 0 && vm->nics[i].bytes > MAX_WIRE_BYTES && !vm->nics[i].muted)
			r = mute(vm, i, err);
	}
	return r;
}

static void ask(const struct prove_nic *nic)
{
	for (size_t i = 0; i < nic->wire.n_addresses; i++) {
		p2v_autobuf struct p2v_buf frame = {0};

		if (prove_wire_asks(&nic->wire.addresses[i]) && !nic->wire.addresses[i].answered &&
			prove_wire_ask(&nic->wire, i, &frame))
			(void)!send(
				nic->peer_fd, frame.data, frame.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}

void prove_vm_knock(struct prove_vm *vm)
{
	for (size_t i = 0; i < vm->n_nics; i++)
		if (vm->nics[i].peer_fd >= 0)
			ask(&vm->nics[i]);
	for (size_t i = 0; i < vm->n_probes; i++) {
		struct prove_probe *probe = &vm->probes[i];
		struct sockaddr_in in = {.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
			.sin_port = htons(probe->port)};

		if (probe->fd >= 0)
			close(probe->fd);
		probe->fd = -1;
		if (vm->nics[probe->nic].wire.addresses[probe->address].answered)
			continue;
		probe->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		/* Whether it connects says nothing: QEMU accepts by itself. The frames say. */
		if (probe->fd >= 0)
			(void)!connect(probe->fd, (struct sockaddr *)&in, sizeof(in));
	}
}

static bool port_open(const struct prove_vm *vm, uint16_t port)
{
	for (size_t i = 0; i < vm->n_nics; i++)
		for (size_t k = 0; k < vm->nics[i].wire.n_ports; k++)
			if (vm->nics[i].wire.ports[k].number == port &&
				vm->nics[i].wire.ports[k].open)
				return true;
	return false;
}

void prove_vm_ask_services(struct prove_vm *vm)
{
	for (size_t i = 0; i < vm->n_services; i++)
		prove_service_ask(&vm->services[i], port_open(vm, vm->services[i].port));
}

int prove_vm_read_screen(struct prove_vm *vm, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(vm->work, "screen.bin");
	p2v_autobuf struct p2v_buf command = {0}, cells = {0};
	int r;

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", vm->output->name);
	p2v_buf_addf(&command,
		"{\"execute\":\"pmemsave\",\"arguments\":{\"val\":%d,\"size\":%d,\"filename\":",
		TEXT_SCREEN, PROVE_SCREEN_BYTES);
	p2v_json_quote(path, &command);
	p2v_buf_add_str(&command, "}}");
	r = p2v_buf_check(&command, err);
	if (r == 0)
		r = prove_qmp_command(
			&vm->qmp, (const char *)command.data, NULL, NULL, COMMAND_MS, err);
	if (r == 0)
		r = p2v_file_read(path, PROVE_SCREEN_BYTES, &cells, err);
	if (r == 0)
		prove_console_feed_screen(&vm->screen, cells.data, cells.len);
	return r;
}

/* format: png, ppm */
static int dump_screen(
	struct prove_vm *vm, const char *path, const char *format, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf command = {0};
	int r;

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", vm->output->name);
	p2v_buf_add_str(&command, "{\"execute\":\"screendump\",\"arguments\":{\"filename\":");
	p2v_json_quote(path, &command);
	p2v_buf_addf(&command, ",\"format\":\"%s\"}}", format);
	r = p2v_buf_check(&command, err);
	return r < 0 ? r
		     : prove_qmp_command(
			       &vm->qmp, (const char *)command.data, NULL, NULL, COMMAND_MS, err);
}

int prove_vm_screenshot(struct prove_vm *vm, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(vm->proof, "screen.png");

	return dump_screen(vm, path, "png", err);
}

/* What was seen once stays seen. */
static void keep(struct prove_console *seen, const struct prove_console *now)
{
	if (!*seen->login)
		memcpy(seen->login, now->login, sizeof(seen->login));
	if (!seen->failure_reason) {
		memcpy(seen->failure, now->failure, sizeof(seen->failure));
		seen->failure_reason = now->failure_reason;
	}
}

int prove_vm_read_picture(struct prove_vm *vm, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(vm->work, "screen.ppm");
	p2v_autobuf struct p2v_buf bytes = {0};
	struct prove_console now = {.output = vm->output};
	struct prove_picture picture;
	uint64_t digest;
	int r = dump_screen(vm, path, "ppm", err);

	if (r == 0)
		r = p2v_file_read(path, PROVE_PICTURE_MAX_BYTES, &bytes, err);
	if (r == 0)
		r = prove_picture_parse(bytes.data, bytes.len, &picture, err);
	if (r < 0)
		return r;
	digest = prove_picture_digest(&picture);
	if (digest == vm->picture_digest)
		return 0;
	vm->picture_digest = digest;
	vm->ground = prove_picture_ground(&picture);
	r = prove_words_of_picture(&picture, &now, err);
	if (r == 0)
		keep(&vm->picture, &now);
	return r;
}

void prove_vm_type(struct prove_vm *vm, const char *line)
{
	(void)!send(vm->serial_fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)!send(vm->serial_fd, "\r", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool prove_vm_agent(struct prove_vm *vm)
{
	static const char ask[] = "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":9001}}\n";
	char answer[512];
	ssize_t n = read(vm->agent_fd, answer, sizeof(answer) - 1);

	if (n > 0) {
		answer[n] = '\0';
		if (strstr(answer, "\"return\"") && strstr(answer, "9001"))
			return true;
	}
	(void)!send(vm->agent_fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return false;
}
