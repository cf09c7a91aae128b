/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Small facts that each come from one file. */

#include <string.h>

#include "converters/inspect/inspection.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

/* The first line of a file; 0 and nothing set where there is none. */
static int first_line(struct inspection *in, const char *path, char **to)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = inspect_text(in, path, INSPECT_OPTIONAL, &text);

	if (r <= 0)
		return r;
	return inspect_set_span(
		in, to, p2v_span_trim(p2v_span_until(inspect_span(&text), '\n', NULL)));
}

/* ELF: "\177ELF", class (1: 32, 2: 64), data (1: little endian); e_machine at 18. */
static const char *elf_arch(const uint8_t *p, size_t n)
{
	static const struct {
		uint16_t machine;
		const char *arch;
	} archs[] = {{3, "i686"}, {8, "mips"}, {20, "ppc"}, {21, "ppc64"}, {22, "s390x"},
		{40, "arm"}, {62, "x86_64"}, {183, "aarch64"}, {243, "riscv64"}};
	uint16_t machine;

	if (n < 20 || memcmp(p, "\177ELF", 4) != 0)
		return "";
	machine = p[5] == 1 ? (uint16_t)(p[18] | p[19] << 8) : p2v_get_be16(p + 18);
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		if (archs[i].machine == machine)
			return archs[i].arch;
	return "";
}

static int read_arch(struct inspection *in)
{
	static const char *const programs[] = {"/bin/sh", "/bin/ls", "/sbin/init"};
	const char *arch = "";

	for (size_t i = 0; !*arch && i < sizeof(programs) / sizeof(programs[0]); i++) {
		p2v_autobuf struct p2v_buf head = {0};

		if (guest_read_start(in->g, programs[i], 64, &head, NULL) == 0 && head.len)
			arch = elf_arch(head.data, head.len);
	}
	return inspect_set(in, &in->os->arch, arch);
}

/* Packages bring units to systems that another init starts, too: then /sbin/init is not systemd. */
static bool is_systemd(struct inspection *in)
{
	p2v_autofree char *program = NULL;

	if (!guest_is_dir(in->g, "/lib/systemd/system") &&
		!guest_is_dir(in->g, "/usr/lib/systemd/system"))
		return false;
	return !guest_exists(in->g, "/sbin/init") ||
	       guest_real_path(in->g, "/sbin/init", &program, NULL) < 0 ||
	       p2v_span_ends(p2v_span_str(program), "/systemd");
}

/* How the system is started, and how udev names network cards. */
static int read_init(struct inspection *in)
{
	const char *init = "unknown";

	if (is_systemd(in)) {
		/* .link files came with udev 209, and with systemd as the system's init. */
		init = "systemd";
		in->os->udev_links = guest_is_dir(in->g, "/lib/systemd/network") ||
				     guest_is_dir(in->g, "/usr/lib/systemd/network");
	} else if (inspect_may_exist(in, "/etc/init/x") && guest_is_file(in->g, "/sbin/initctl")) {
		init = "upstart";
	} else if (inspect_may_exist(in, "/etc/runlevels/x") &&
		   guest_is_dir(in->g, "/etc/runlevels")) {
		init = "openrc";
	} else if (inspect_may_exist(in, "/etc/runit/runsvdir") &&
		   guest_is_file(in->g, "/etc/runit/2")) {
		init = "runit";
	} else if (inspect_may_exist(in, "/etc/inittab")) {
		init = "sysvinit";
	}
	if (inspect_may_exist(in, "/etc/udev"))
		in->os->udev_rules =
			guest_is_file(in->g, "/etc/udev/rules.d/70-persistent-net.rules");
	return inspect_set(in, &in->os->init, init);
}

/* Without a policy nobody would label anything. */
static int read_selinux(struct inspection *in)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line, value, type = p2v_span_str("targeted");
	p2v_autofree char *policy = NULL;
	bool on = false;
	int r = inspect_text(in, "/etc/selinux/config", INSPECT_OPTIONAL, &text);

	if (r <= 0)
		return r;
	rest = inspect_span(&text);
	while (p2v_line_next(&rest, &line)) {
		struct p2v_span key = p2v_span_until(p2v_span_trim(line), '=', &value);

		if (p2v_span_eq(key, "SELINUX"))
			on = !p2v_span_eq(p2v_span_trim(value), "disabled");
		else if (p2v_span_eq(key, "SELINUXTYPE"))
			type = p2v_span_trim(value);
	}
	if (!on || p2v_span_has(type, '/') || type.n > 100)
		return 0;
	policy = p2v_strf("/etc/selinux/%.*s", (int)type.n, type.p);
	in->os->selinux = policy && guest_is_dir(in->g, policy);
	return 0;
}

/* adjtime(5): the third line says UTC or LOCAL. */
static int read_rtc(struct inspection *in)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line = {0};
	int r = inspect_text(in, "/etc/adjtime", INSPECT_OPTIONAL, &text);
	bool local = false;

	if (r < 0)
		return r;
	rest = inspect_span(&text);
	for (int i = 0; i < 3 && p2v_line_next(&rest, &line); i++)
		local = i == 2 && p2v_span_eq(p2v_span_trim(line), "LOCAL");
	return inspect_set(in, &in->os->rtc, local ? "localtime" : "utc");
}

static bool has_serial_line(struct p2v_span text)
{
	struct p2v_span line;

	while (p2v_line_next(&text, &line)) {
		line = p2v_span_trim(line);
		if (line.n && line.p[0] != '#' && memmem(line.p, line.n, "ttyS0", 5))
			return true;
	}
	return false;
}

/* securetty(5): on other lines root cannot log in. */
static int read_securetty(struct inspection *in)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = inspect_text(in, "/etc/securetty", INSPECT_OPTIONAL, &text);

	in->os->console_root = r == 0 || (r > 0 && has_serial_line(inspect_span(&text)));
	return r < 0 ? r : 0;
}

/* The program for a getty, where the guest's init must be told of one. */
static int read_getty_program(struct inspection *in)
{
	static const char *const programs[] = {"/sbin/agetty", "/sbin/getty"};

	for (size_t i = 0; !in->os->console_getty && i < P2V_N(programs); i++)
		if (guest_exists(in->g, programs[i]))
			return inspect_set(in, &in->os->getty, programs[i]);
	return 0;
}

/* systemd starts a getty on what the kernel has as console, and so does RHEL 6 (by serial.conf);
 * others must have one configured. */
static int read_getty(struct inspection *in)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r;

	if (strcmp(in->os->init, "systemd") == 0) {
		in->os->console_getty = true;
		return read_securetty(in);
	}
	in->os->console_getty = strcmp(in->os->init, "upstart") == 0 &&
				(guest_exists(in->g, "/etc/init/serial.conf") ||
					guest_exists(in->g, "/etc/init/ttyS0.conf"));
	r = inspect_text(in, "/etc/inittab", INSPECT_OPTIONAL, &text);
	if (r > 0 && has_serial_line(inspect_span(&text)))
		in->os->console_getty = true;
	r = r < 0 ? r : read_getty_program(in);
	return r == 0 ? read_securetty(in) : r;
}

/* Debian's and Red Hat's names; a unit, or what the package managers have fetched. */
static int read_guest_agent(struct inspection *in)
{
	static const char *const programs[] = {"/usr/bin/qemu-ga", "/usr/sbin/qemu-ga"};
	static const char *const packages[] = {"/var/cache/apt/archives/qemu-guest-agent_*.deb",
		"/var/cache/dnf/*/packages/qemu-guest-agent-*.rpm",
		"/var/cache/libdnf5/*/packages/qemu-guest-agent-*.rpm",
		"/var/cache/yum/*/*/*/packages/qemu-guest-agent-*.rpm",
		"/var/cache/zypp/packages/*/*/qemu-guest-agent-*.rpm",
		"/var/cache/pacman/pkg/qemu-guest-agent-*"};
	int r = 0;

	for (size_t i = 0; i < P2V_N(programs); i++)
		if (guest_is_file(in->g, programs[i]))
			return inspect_set(in, &in->os->guest_agent, "installed");
	if (guest_is_file(in->g, "/etc/systemd/system/p2v-guest-agent.service"))
		return inspect_set(in, &in->os->guest_agent, "waiting");
	for (size_t i = 0; r == 0 && !in->os->guest_agent && i < P2V_N(packages); i++) {
		struct inspect_paths paths = {0};

		r = inspect_glob(in, packages[i], &paths);
		if (r == 0 && paths.n_items)
			r = inspect_set(in, &in->os->guest_agent, paths.items[0]);
		inspect_paths_finish(&paths);
	}
	return r;
}

/* The system's own description makes a store of read-only files, and links to them in /etc. */
static void read_static_etc(struct inspection *in)
{
	p2v_autofree char *real = NULL;

	if (inspect_may_exist(in, "/etc/static/") &&
		guest_real_path(in->g, "/etc/static", &real, NULL) == 0)
		in->os->static_etc = p2v_span_starts(p2v_span_str(real), "/nix/store/") ||
				     p2v_span_starts(p2v_span_str(real), "/gnu/store/");
}

int inspect_basics(struct inspection *in)
{
	int r = first_line(in, "/etc/hostname", &in->os->hostname);

	if (r == 0)
		r = first_line(in, "/etc/machine-id", &in->os->machine_id);
	read_static_etc(in);
	if (r == 0)
		r = read_arch(in);
	if (r == 0)
		r = read_init(in);
	if (r == 0)
		r = read_selinux(in);
	if (r == 0)
		r = read_rtc(in);
	if (r == 0)
		r = read_getty(in);
	return r == 0 ? read_guest_agent(in) : r;
}
