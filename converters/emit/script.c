/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "converters/emit/description.h"
#include "converters/emit/place.h"
#include "converters/emit/qemu.h"
#include "p2v/core/cleanup.h"

#define HEAD                                                                                       \
	"#!/bin/sh\n"                                                                              \
	"# Starts %s under QEMU, made by p2v. Its serial console is this terminal (ctrl-a h for\n" \
	"# help). Arguments are added to QEMU's: -display gtk, -vnc :0, -snapshot, ...\n"          \
	"#   P2V_ACCEL=tcg  emulates the processor, where KVM is missing or does not work\n"       \
	"set -eu\n"                                                                                \
	"unset CDPATH\n"                                                                           \
	"cd -- \"$(dirname -- \"$0\")\"\n"                                                         \
	"case \"${P2V_ACCEL:-auto}\" in\n"                                                         \
	"auto) set -- -accel kvm -accel tcg \"$@\" ;;\n"                                           \
	"*) set -- -accel \"$P2V_ACCEL\" \"$@\" ;;\n"                                              \
	"esac\n"

/* %s: -cpu's value, behind which one of the caller's counts. */
#define HYPERV                                                                                     \
	"# What KVM shows to a Windows of Hyper-V; an emulated processor has nothing of it.\n"     \
	"case \"${P2V_ACCEL:-auto}\" in\n"                                                         \
	"kvm) set -- -cpu %s \"$@\" ;;\n"                                                          \
	"auto) if [ -w /dev/kvm ]; then set -- -cpu %s \"$@\"; fi ;;\n"                            \
	"esac\n"

/* %s: the machine, in whose folder the TPM keeps what it is told. */
#define TPM                                                                                        \
	"if command -v swtpm >/dev/null; then\n"                                                   \
	"  mkdir -p -m 700 %s.tpm\n"                                                               \
	"  swtpm socket --tpm2 --daemon --terminate --tpmstate \"dir=$PWD/%s.tpm\" --ctrl "        \
	"type=unixio,path=%s.tpm/socket\n"                                                         \
	"  set -- -chardev socket,id=tpm0-control,path=%s.tpm/socket -tpmdev "                     \
	"emulator,id=tpm0,chardev=tpm0-control -device tpm-crb,tpmdev=tpm0 \"$@\"\n"               \
	"else\n"                                                                                   \
	"  echo \"$0: swtpm is not installed: this machine starts without the TPM that its \"\\\n" \
	"\"Windows wants\" >&2\n"                                                                  \
	"fi\n"

static const char tail[] = " \\\n  -chardev stdio,id=serial0,mux=on,signal=off"
			   " \\\n  -mon chardev=serial0"
			   " \\\n  -chardev null,id=agent0"
			   " \\\n  -display none"
			   " \\\n  \"$@\"\n";

/* One word of a shell command: plain where that is safe, else in single quotes. */
static void add_word(struct p2v_buf *out, const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-_=.,:/+@%";

	if (*word && strspn(word, plain) == strlen(word)) {
		p2v_buf_add_str(out, word);
		return;
	}
	p2v_buf_add_str(out, "'");
	for (; *word; word++)
		if (*word == '\'')
			p2v_buf_add_str(out, "'\\''");
		else
			p2v_buf_add(out, word, 1);
	p2v_buf_add_str(out, "'");
}

/* The script stands beside the files that it names. */
static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

int emit_script_write(
	const struct emit_description_input *in, struct p2v_buf *out, struct p2v_err *err)
{
	p2v_autofree const char **files = calloc(in->output->n_disks + 1, sizeof(*files));
	p2v_auto_emit_argv struct emit_argv argv = {0};
	p2v_autobuf struct p2v_buf hyperv = {0};
	struct emit_qemu qemu = {
		.output = in->output,
		.machine = in->machine,
		.disk_files = files,
		.firmware = in->firmware,
		.nvram_file = base_name(in->output->nvram),
	};
	int r;

	if (!files)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", in->output->name);
	for (size_t i = 0; i < in->output->n_disks; i++)
		files[i] = emit_place_elsewhere(in->output->disks[i].path)
				   ? in->output->disks[i].path
				   : base_name(in->output->disks[i].path);
	r = emit_qemu_args(&qemu, &argv, err);
	if (r < 0)
		return r;
	p2v_buf_addf(out, HEAD, in->output->name);
	if (in->output->n_hyperv) {
		r = emit_qemu_hyperv(in->output, &hyperv, err);
		if (r < 0)
			return r;
		p2v_buf_addf(out, HYPERV, (const char *)hyperv.data, (const char *)hyperv.data);
	}
	if (in->output->tpm)
		p2v_buf_addf(out, TPM, in->output->name, in->output->name, in->output->name,
			in->output->name);
	p2v_buf_add_str(out, "exec qemu-system-x86_64");
	for (size_t i = 0; i < argv.n; i++) {
		p2v_buf_add_str(out, argv.args[i][0] == '-' ? " \\\n  " : " ");
		add_word(out, argv.args[i]);
	}
	p2v_buf_add_str(out, tail);
	return p2v_buf_check(out, err);
}
