/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/prove/vm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "converters/emit/place.h"
#include "converters/emit/qemu.h"
#include "converters/emit/qimg.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/store/jobdir.h"

#define QEMU	       "qemu-system-x86_64"
#define SANDBOX	       "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
#define START_MS       30000
#define STOP_MS	       5000
#define MAX_VARS_BYTES (64 << 20)
#define MIN_MEMORY_MIB 512

static int no_memory(const struct prove_vm *vm, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", vm->output->name);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- disks and variable store ---- */

static char *overlay_path(const struct prove_vm *vm, size_t i)
{
	return p2v_strf("%s/%s.qcow2", vm->work, vm->output->disks[i].id);
}

static int make_overlays(struct prove_vm *vm, struct p2v_err *err)
{
	for (size_t i = 0; i < vm->output->n_disks; i++) {
		const struct output_disk *disk = &vm->output->disks[i];
		p2v_autofree char *path = overlay_path(vm, i);
		p2v_autofree char *backing = emit_place_file(vm->dir, disk->path);
		int r;

		if (!path || !backing)
			return no_memory(vm, err);
		/* Of what lies elsewhere, QEMU says it. */
		if (!emit_place_elsewhere(disk->path) && !p2v_file_exists(backing))
			return p2v_err_set(err, P2V_ENOTFOUND, "%s: is not there", backing);
		r = emit_qimg_overlay(path, backing, disk->format, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_nvram(struct prove_vm *vm, struct p2v_err *err)
{
	p2v_autofree char *path = NULL;
	p2v_autobuf struct p2v_buf vars = {0};
	int r;

	if (!vm->output->nvram || !*vm->output->nvram)
		return 0;
	path = p2v_path_join(vm->dir, vm->output->nvram);
	if (!path)
		return no_memory(vm, err);
	r = p2v_file_read(path, MAX_VARS_BYTES, &vars, err);
	return r < 0 ? r : p2v_publish_bytes(vm->work, "vars.fd", vars.data, vars.len, 0600, err);
}

static int make_dirs(struct prove_vm *vm, const char *dir, struct p2v_err *err)
{
	int r;

	vm->dir = realpath(dir, NULL);
	if (!vm->dir)
		return p2v_err_errno(err, errno, "%s", dir);
	vm->work = p2v_strf("%s/" STORE_WORK_DIR "/prove", vm->dir);
	vm->proof = p2v_path_join(vm->dir, STORE_PROOF_DIR);
	if (!vm->work || !vm->proof)
		return no_memory(vm, err);
	p2v_dir_remove(vm->work); /* of a run that was killed */
	r = p2v_dir_make(vm->work, 0700, err);
	return r < 0 ? r : p2v_dir_make(vm->proof, 0700, err);
}

/* ---- the isolated wire ---- */

/* Appends the forward of one card's IPv4 addresses; QEMU 7.2 forwards no IPv6. */
static int add_probes(struct prove_vm *vm, size_t nic, struct p2v_buf *out, struct p2v_err *err)
{
	const struct prove_wire *wire = &vm->nics[nic].wire;

	for (size_t i = 0; i < wire->n_addresses; i++) {
		struct prove_probe *probe;
		char text[INET_ADDRSTRLEN];
		int r;

		if (wire->addresses[i].v6 || wire->addresses[i].vlan)
			continue;
		probe = p2v_json_grow((void **)&vm->probes, &vm->n_probes, sizeof(*probe));
		if (!probe)
			return no_memory(vm, err);
		*probe = (struct prove_probe){.nic = nic, .address = i, .fd = -1};
		r = prove_port_find(&probe->port, err);
		if (r < 0)
			return r;
		inet_ntop(AF_INET, wire->addresses[i].bytes, text, sizeof(text));
		p2v_buf_addf(out, ",hostfwd=tcp:127.0.0.1:%u-%s:22", probe->port, text);
	}
	return p2v_buf_check(out, err);
}

/* The card whose network leads to the services, and the guest's address there; "": what the user
 * network gives it. */
static size_t service_nic(const struct prove_vm *vm, char address[INET_ADDRSTRLEN])
{
	*address = '\0';
	for (size_t i = 0; i < vm->n_nics; i++) {
		const struct prove_wire *wire = &vm->nics[i].wire;

		for (size_t k = 0; k < wire->n_addresses; k++)
			if (!wire->addresses[k].v6 && !wire->addresses[k].vlan) {
				inet_ntop(AF_INET, wire->addresses[k].bytes, address,
					INET_ADDRSTRLEN);
				return i;
			}
	}
	return 0;
}

/* Where they are looked for on the wire; and behind the card's options, their forwards. */
static int add_services(struct prove_vm *vm, char **options, struct p2v_err *err)
{
	char address[INET_ADDRSTRLEN];
	size_t nic = service_nic(vm, address);
	p2v_autobuf struct p2v_buf all = {0};

	if (!vm->n_services || !vm->n_nics)
		return 0;
	for (size_t i = 0; i < vm->n_services && i < PROVE_WIRE_PORTS; i++)
		vm->nics[nic].wire.ports[vm->nics[nic].wire.n_ports++].number =
			vm->services[i].port;
	p2v_buf_add_str(&all, options[nic]);
	prove_services_forward(vm->services, vm->n_services, address, &all);
	free(options[nic]);
	options[nic] = p2v_buf_take_str(&all);
	return options[nic] ? 0 : no_memory(vm, err);
}

static int make_wires(struct prove_vm *vm, char **options, struct p2v_err *err)
{
	vm->nics = calloc(vm->output->n_nics + 1, sizeof(*vm->nics));
	if (!vm->nics)
		return no_memory(vm, err);
	vm->n_nics = vm->output->n_nics;
	for (size_t i = 0; i < vm->n_nics; i++)
		vm->nics[i].fd = vm->nics[i].peer_fd = vm->nics[i].far_fd = -1;
	for (size_t i = 0; i < vm->n_nics; i++) {
		p2v_autobuf struct p2v_buf forwards = {0};
		int r;

		prove_wire_init(&vm->nics[i].wire, &vm->output->nics[i]);
		vm->nics[i].pcap = i ? p2v_strf("%s/wire%zu.pcap", vm->proof, i)
				     : p2v_strf("%s/wire.pcap", vm->proof);
		r = add_probes(vm, i, &forwards, err);
		if (r < 0)
			return r;
		options[i] = p2v_buf_take_str(&forwards);
		if (!options[i] || !vm->nics[i].pcap)
			return no_memory(vm, err);
	}
	return 0;
}

/* ---- the process ---- */

static uint64_t half_of_memory_mib(void)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	return p2v_max_u64(bytes / 2 / P2V_MIB, MIN_MEMORY_MIB);
}

static bool has_sandbox(void)
{
	static const char *const argv[] = {QEMU, "-sandbox", SANDBOX, "-version", NULL};

	return p2v_proc_run(argv, NULL, 0, START_MS, NULL, NULL) == 0;
}

/* What the machine's description leaves to us. qmp, serial, agent: QEMU's ends. */
static void add_ends(
	struct prove_vm *vm, const char *accel, const int ends[3], struct emit_argv *argv)
{
	if (has_sandbox())
		emit_argv_opt(argv, "-sandbox", SANDBOX);
	/* One thread for all processors: with several, one may run what another is about to
	 * rewrite, and a kernel that patches itself then dies of its own breakpoint ("Oops: int3").
	 */
	emit_argv_opt(
		argv, "-accel", "%s%s", accel, strcmp(accel, "tcg") == 0 ? ",thread=single" : "");
	emit_argv_opt(argv, "-display", "none");
	emit_argv_opt(argv, "-chardev", "socket,id=qmp,fd=%d", ends[0]);
	emit_argv_opt(argv, "-mon", "chardev=qmp,mode=control");
	emit_argv_opt(argv, "-chardev", "socket,id=serial0,fd=%d", ends[1]);
	emit_argv_opt(argv, "-chardev", "socket,id=agent0,fd=%d", ends[2]);
	for (size_t i = 0; i < vm->n_nics; i++) {
		p2v_autofree char *file = emit_qemu_value(vm->nics[i].pcap);

		argv->failed |= !file;
		emit_argv_opt(argv, "-object", "filter-dump,id=dump%zu,netdev=net%zu,file=%s", i, i,
			file ? file : "");
	}
}

static int describe(struct prove_vm *vm, const char *accel, const int ends[3], char **files,
	char **options, struct emit_argv *argv, struct p2v_err *err)
{
	p2v_autofree char *machine_file = p2v_path_join(vm->dir, STORE_MACHINE);
	p2v_autofree char *nvram = p2v_path_join(vm->work, "vars.fd");
	p2v_auto_machine struct machine machine = {0};
	struct emit_qemu qemu = {
		.output = vm->output,
		.disk_files = (const char *const *)files,
		.disk_format = "qcow2",
		.nvram_file = nvram,
		.max_memory_mib = half_of_memory_mib(),
		.max_cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
		.kvm = strcmp(accel, "kvm") == 0,
		.isolated = true,
		.net_options = (const char *const *)options,
	};
	p2v_autofree int *peers = calloc(vm->n_nics + 1, sizeof(*peers));
	int r = emit_firmware_find(vm->output, &qemu.firmware, err);

	if (r < 0)
		return r;
	if (!machine_file || !nvram || !peers)
		return no_memory(vm, err);
	for (size_t i = 0; i < vm->n_nics; i++)
		peers[i] = vm->nics[i].far_fd;
	qemu.net_peers = peers;
	/* A job that began with an image file has no inventory. */
	if (p2v_file_exists(machine_file)) {
		r = model_machine_load(machine_file, &machine, err);
		if (r < 0)
			return r;
		qemu.machine = &machine;
	}
	emit_argv_add(argv, QEMU);
	r = emit_qemu_args(&qemu, argv, err);
	if (r < 0)
		return r;
	add_ends(vm, accel, ends, argv);
	return emit_argv_check(argv, err);
}

static int spawn(
	struct prove_vm *vm, const struct emit_argv *argv, const int ends[3], struct p2v_err *err)
{
	p2v_autofree int *keep = calloc(3 + vm->n_nics + 1, sizeof(*keep));
	struct p2v_proc_spec spec = {
		.argv = (const char *const *)argv->args,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.keep_fds = keep,
	};
	size_t n = 3;
	p2v_autofree char *log = p2v_path_join(vm->proof, "serial.log");

	if (!keep)
		return no_memory(vm, err);
	memcpy(keep, ends, 3 * sizeof(*keep));
	for (size_t i = 0; i < vm->n_nics; i++)
		if (vm->nics[i].far_fd >= 0)
			keep[n++] = vm->nics[i].far_fd;
	keep[n] = -1;
	vm->errors_fd = memfd_create("qemu-errors", MFD_CLOEXEC);
	vm->log_fd = log ? open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	if (vm->errors_fd < 0 || vm->log_fd < 0)
		return p2v_err_errno(err, errno, "%s/serial.log", vm->proof);
	spec.stderr_fd = vm->errors_fd;
	return p2v_proc_start(&spec, &vm->pid, err);
}

int prove_vm_blame(struct prove_vm *vm, int r, struct p2v_err *err)
{
	char text[400], *end;
	ssize_t n = pread(vm->errors_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return r;
	text[n] = '\0';
	end = strchr(text, '\n');
	if (end)
		*end = '\0';
	return p2v_err_set(err, P2V_EIO, "%s: %s", vm->output->name, text);
}

static bool wants_peer(const struct prove_wire *wire)
{
	for (size_t i = 0; i < wire->n_addresses; i++)
		if (prove_wire_asks(&wire->addresses[i]))
			return true;
	return false;
}

/* A pair of sockets for each card that has addresses in VLANs or of IPv6. What the guest says is
 * read from the dump, so that nothing is received here. */
static int make_peers(struct prove_vm *vm, struct p2v_err *err)
{
	for (size_t i = 0; i < vm->n_nics; i++) {
		int pair[2];

		if (!wants_peer(&vm->nics[i].wire))
			continue;
		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
			return p2v_err_errno(err, errno, "a socket pair");
		shutdown(pair[0], SHUT_RD);
		vm->nics[i].peer_fd = pair[0];
		vm->nics[i].far_fd = pair[1];
	}
	return 0;
}

static int launch(
	struct prove_vm *vm, const char *accel, char **files, char **options, struct p2v_err *err)
{
	p2v_auto_emit_argv struct emit_argv argv = {0};
	int ours[3] = {-1, -1, -1}, ends[3] = {-1, -1, -1}, r = 0;

	for (size_t i = 0; r == 0 && i < 3; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
			r = p2v_err_errno(err, errno, "a socket pair");
			break;
		}
		ours[i] = pair[0];
		ends[i] = pair[1];
		fcntl(ours[i], F_SETFL, O_NONBLOCK);
	}
	vm->serial_fd = ours[1];
	vm->agent_fd = ours[2];
	if (r == 0)
		r = make_peers(vm, err);
	if (r == 0)
		r = describe(vm, accel, ends, files, options, &argv, err);
	if (r == 0)
		r = spawn(vm, &argv, ends, err);
	for (size_t i = 0; i < 3; i++)
		close_fd(&ends[i]);
	for (size_t i = 0; i < vm->n_nics; i++)
		close_fd(&vm->nics[i].far_fd);
	if (r == 0) {
		r = prove_qmp_start(&vm->qmp, ours[0], START_MS, err);
		return r == P2V_ELINK ? prove_vm_blame(vm, r, err) : r;
	}
	if (ours[0] >= 0)
		close(ours[0]);
	return r;
}

static void free_strings(char **strings, size_t n)
{
	for (size_t i = 0; strings && i < n; i++)
		free(strings[i]);
	free(strings);
}

int prove_vm_start(struct prove_vm *vm, const char *dir, const struct output *output,
	const char *accel, const struct orders_check *wanted, size_t n_wanted, struct p2v_err *err)
{
	char **files = calloc(output->n_disks + 1, sizeof(*files));
	char **options = calloc(output->n_nics + 1, sizeof(*options));
	int r;

	*vm = (struct prove_vm){
		.output = output,
		.qmp.fd = -1,
		.serial_fd = -1,
		.agent_fd = -1,
		.log_fd = -1,
		.errors_fd = -1,
		.serial.output = output,
		.screen.output = output,
	};
	r = files && options ? make_dirs(vm, dir, err) : no_memory(vm, err);
	for (size_t i = 0; r == 0 && i < output->n_disks; i++) {
		files[i] = overlay_path(vm, i);
		r = files[i] ? 0 : no_memory(vm, err);
	}
	if (r == 0)
		r = make_overlays(vm, err);
	if (r == 0)
		r = copy_nvram(vm, err);
	if (r == 0)
		r = make_wires(vm, options, err);
	if (r == 0)
		r = prove_services_new(wanted, n_wanted, &vm->services, err);
	if (r == 0) {
		vm->n_services = n_wanted;
		r = add_services(vm, options, err);
	}
	if (r == 0)
		r = launch(vm, accel, files, options, err);
	free_strings(files, output->n_disks);
	free_strings(options, output->n_nics);
	return r;
}

void prove_vm_finish(struct prove_vm *vm)
{
	if (!vm->output)
		return;
	p2v_proc_stop(vm->pid, STOP_MS);
	prove_qmp_finish(&vm->qmp);
	close_fd(&vm->serial_fd);
	close_fd(&vm->agent_fd);
	close_fd(&vm->log_fd);
	close_fd(&vm->errors_fd);
	for (size_t i = 0; i < vm->n_probes; i++)
		close_fd(&vm->probes[i].fd);
	for (size_t i = 0; i < vm->n_nics; i++) {
		close_fd(&vm->nics[i].fd);
		close_fd(&vm->nics[i].peer_fd);
		close_fd(&vm->nics[i].far_fd);
		p2v_buf_finish(&vm->nics[i].rest);
		free(vm->nics[i].pcap);
	}
	if (vm->work)
		p2v_dir_remove(vm->work);
	free(vm->nics);
	free(vm->probes);
	prove_services_free(vm->services, vm->n_services);
	free(vm->dir);
	free(vm->work);
	free(vm->proof);
	memset(vm, 0, sizeof(*vm));
}
