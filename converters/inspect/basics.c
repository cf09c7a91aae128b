/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Small facts that each come from one file. */

#include <string.h>

#include "converters/inspect/inspection.h"

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

/* What /sbin/init leads to, and how udev names network cards. */
static int read_init(struct inspection *in)
{
	const char *init = "unknown";

	if (guest_is_dir(in->g, "/lib/systemd/system") ||
		guest_is_dir(in->g, "/usr/lib/systemd/system")) {
		/* .link files came with udev 209, and with systemd as the system's init. */
		init = "systemd";
		in->os->udev_links = guest_is_dir(in->g, "/lib/systemd/network") ||
				     guest_is_dir(in->g, "/usr/lib/systemd/network");
	} else if (inspect_may_exist(in, "/etc/init/x") && guest_is_file(in->g, "/sbin/initctl")) {
		init = "upstart";
	} else if (inspect_may_exist(in, "/etc/inittab")) {
		init = "sysvinit";
	}
	if (inspect_may_exist(in, "/etc/udev"))
		in->os->udev_rules =
			guest_is_file(in->g, "/etc/udev/rules.d/70-persistent-net.rules");
	return inspect_set(in, &in->os->init, init);
}

static int read_selinux(struct inspection *in)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line, value;
	int r = inspect_text(in, "/etc/selinux/config", INSPECT_OPTIONAL, &text);

	if (r <= 0)
		return r;
	rest = inspect_span(&text);
	while (p2v_line_next(&rest, &line))
		if (p2v_span_eq(p2v_span_until(p2v_span_trim(line), '=', &value), "SELINUX"))
			in->os->selinux = !p2v_span_eq(p2v_span_trim(value), "disabled");
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

/* systemd starts a getty on what the kernel has as console; others must have one configured. */
static int read_getty(struct inspection *in)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line;
	int r;

	if (strcmp(in->os->init, "systemd") == 0) {
		in->os->console_getty = true;
		return 0;
	}
	r = inspect_text(in, "/etc/inittab", INSPECT_OPTIONAL, &text);
	if (r <= 0)
		return r;
	rest = inspect_span(&text);
	while (p2v_line_next(&rest, &line)) {
		line = p2v_span_trim(line);
		if (line.n && line.p[0] != '#' && memmem(line.p, line.n, "ttyS0", 5))
			in->os->console_getty = true;
	}
	return 0;
}

int inspect_basics(struct inspection *in)
{
	int r = first_line(in, "/etc/hostname", &in->os->hostname);

	if (r == 0)
		r = first_line(in, "/etc/machine-id", &in->os->machine_id);
	if (r == 0)
		r = read_arch(in);
	if (r == 0)
		r = read_init(in);
	if (r == 0)
		r = read_selinux(in);
	if (r == 0)
		r = read_rtc(in);
	return r == 0 ? read_getty(in) : r;
}
