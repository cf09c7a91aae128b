/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v media: the boot medium, and the key that is on it.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/cli/media.h"
#include "p2v/cli/verb.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/progress.h"
#include "p2v/core/publish.h"
#include "p2v/media/media.h"

/* Debian 12 came out on that day: a build that is told no time has this one. */
#define EPOCH UINT64_C(1686355200)

#if defined(__x86_64__)
#define NATIVE "amd64"
#elif defined(__i386__)
#define NATIVE "i386"
#else
#define NATIVE ""
#endif

struct media_opts {
	const char *output, *arch, *suite, *sources, *server, *host_key, *identity, *config;
	const char *programs, *progress;
	const char **packages;
	size_t n_packages;
};

#define BOOT	  "p2v-boot"
#define O(member) offsetof(struct media_opts, member)

static const struct p2v_opt build_opts[] = {
	{"output", 'o', "FILE|DIR", P2V_OPT_STR, O(output), 0,
		"The image to make; with 'p2v media pxe' the directory for the files."},
	{"arch", 'a', "ARCH", P2V_OPT_STR, O(arch), 0,
		"amd64 (default), or i386 for machines with a 32-bit processor."},
	{"server", 's', "[USER@]HOST[:PORT]", P2V_OPT_STR, O(server), 0,
		"The conversion server, as p2v-agent's --server."},
	{"host-key", 0, "FILE|SHA256:...", P2V_OPT_STR, O(host_key), 0,
		"Its host key: a public key file, a known_hosts file, or the fingerprint."},
	{"identity", 'i', "KEY", P2V_OPT_STR, O(identity), 0,
		"Private key to put on the medium. Who has the medium has the key: let it do "
		"nothing but p2v-recv (see 'p2v media key'). Without it the machine makes a key in "
		"its memory, and is let in by the code on its screen (p2v-enroll(1))."},
	{"config", 'c', "FILE", P2V_OPT_STR, O(config), 0,
		"More settings for the medium, for all machines or by MAC address, serial number "
		"or UUID: p2v-boot(1) has the list."},
	{"package", 0, "NAME", P2V_OPT_STRS, O(packages), O(n_packages),
		"A further Debian package, for its firmware: many cards of Broadcom need "
		"firmware-bnx2 or firmware-bnx2x, which are in non-free-firmware (see --sources). "
		"May be given several times."},
	{"suite", 0, "NAME", P2V_OPT_STR, O(suite), 0,
		"Release of Debian. Default: bookworm, the last one with a kernel for i386."},
	{"sources", 0, "FILE", P2V_OPT_STR, O(sources), 0,
		"Where packages come from, as lines of sources.list. Default: Debian's archive."},
	{"programs", 0, "DIR", P2V_OPT_STR, O(programs), 0,
		"Where p2v-agent and p2v-boot for this architecture and release are. Default: "
		"those that came with this program."},
	{"progress", 0, "MODE", P2V_OPT_STR, O(progress), 0, "auto, json or none."},
	P2V_OPT_END,
};

#define SECRET                                                                                     \
	"The medium holds no password, and no secret but the key that is put on it. The system "   \
	"runs from memory: the drive can be pulled out once it has started. The disks of the "     \
	"machine are read-only in the kernel before anything opens them; md, LVM and multipath "   \
	"are not assembled, nothing is mounted, swap is not used.\n\n"                             \
	"The same packages and settings give the same bytes; SOURCE_DATE_EPOCH sets the time of "  \
	"all files.\n\n"                                                                           \
	"Not on the medium: drivers for wireless networks, tape drives, iSCSI and FCoE cards "     \
	"whose disks are elsewhere, graphics; firmware that is not free, unless --package brings " \
	"it. modules.list beside the medium's other files names each one with its reason."

const struct p2v_cmd cli_media_build_cmd = {
	.name = "p2v media build",
	.operands = "",
	.summary = "make the image that a physical machine is booted from",
	.text = "Makes one image for CD and USB, BIOS and UEFI, with Secure Boot on amd64: "
		"Debian's kernel, p2v-agent, and a screen for every console. With --server, "
		"--host-key and --identity a machine that is booted from it is copied without "
		"anybody being there.\n\n"
		"  p2v media build -o p2v.iso --server p2v@10.0.0.5 --host-key "
		"/etc/ssh/ssh_host_ed25519_key.pub --identity campaign\n\n" SECRET,
	.opts = build_opts,
	.see_also = "p2v(1), p2v-boot(1), p2v-agent(1), p2v-enroll(1), p2v-media-pxe(1), "
		    "p2v-media-key(1)",
};

const struct p2v_cmd cli_media_pxe_cmd = {
	.name = "p2v media pxe",
	.operands = "",
	.summary = "make the files that a physical machine is booted from over the network",
	.text = "Leaves vmlinuz, initrd.img and config.img in a directory, with examples for "
		"PXELINUX, GRUB and iPXE. config.img holds the settings and the key.\n\n" SECRET,
	.opts = build_opts,
	.see_also = "p2v(1), p2v-boot(1), p2v-agent(1), p2v-media-build(1), p2v-media-key(1)",
};

/* ---- where the parts of the medium lie: beside this program, built or installed ---- */

static char *first_there(const char *dir, const char *const *below, size_t n, const char *file)
{
	for (size_t i = 0; i < n; i++) {
		p2v_autofree char *path = p2v_path_join(dir, below[i]);
		p2v_autofree char *probe = path ? p2v_path_join(path, file) : NULL;

		if (probe && p2v_file_exists(probe))
			return p2v_steal(path);
	}
	return NULL;
}

static char *own_directory(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n < 0)
		return NULL;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	return strdup(path);
}

/* p2v-boot for this host, which knows the settings. */
static char *checker_find(void)
{
	static const char *const below[] = {"../libexec/p2v", "../../agent/ui"};
	p2v_autofree char *here = own_directory();
	p2v_autofree char *dir = here ? first_there(here, below, P2V_N(below), BOOT) : NULL;

	return dir ? p2v_path_join(dir, BOOT) : NULL;
}

static int places_find(const char *arch, char **ret_files, char **ret_programs, struct p2v_err *err)
{
	static const char *const files[] = {"../share/p2v/media", "../../agent/media"};
	p2v_autofree char *here = own_directory();
	p2v_autofree char *installed = p2v_strf("../lib/p2v/media-%s", arch);
	p2v_autofree char *built = p2v_strf("../../agent/media-%s", arch);
	/* The build's own programs are for the architecture that this one is for. */
	const char *const programs[] = {installed, built, "../../agent/media"};
	size_t n_programs = P2V_N(programs) - (strcmp(arch, NATIVE) != 0);

	if (!here || !installed || !built)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	*ret_files = first_there(here, files, P2V_N(files), "modules.list");
	if (!*ret_files)
		return p2v_err_set(err, P2V_ENOTFOUND,
			"the files of the medium (share/p2v/media) did not come with this program");
	if (!*ret_programs)
		*ret_programs = first_there(here, programs, n_programs, BOOT);
	if (!*ret_programs)
		return p2v_err_set(err, P2V_ENOTFOUND,
			"the programs of the medium for %s did not come with this program; name "
			"their directory with --programs ('make media-programs' makes them)",
			arch);
	return 0;
}

static uint64_t epoch(void)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	uint64_t seconds = EPOCH;

	if (text)
		p2v_num_parse(text, "SOURCE_DATE_EPOCH", 0, UINT32_MAX, &seconds, NULL);
	return seconds;
}

static char *absolute(const char *path)
{
	return path ? realpath(path, NULL) : NULL;
}

static int build(const struct p2v_cmd *cmd, const struct media_opts *o,
	struct p2v_progress *progress, struct p2v_err *err)
{
	p2v_autofree char *checker = checker_find(), *files = NULL,
			  *programs = o->programs ? strdup(o->programs) : NULL;
	p2v_autofree char *sources = absolute(o->sources);
	struct media_spec spec = {.arch = o->arch ? o->arch : "amd64",
		.suite = o->suite ? o->suite : "bookworm",
		.sources = sources ? sources : o->sources,
		.packages = o->packages,
		.n_packages = o->n_packages,
		.server = o->server,
		.host_key = o->host_key,
		.identity = o->identity,
		.config = o->config,
		.checker = checker ? checker : BOOT,
		.epoch = epoch()};
	int r = o->output ? media_arch_check(spec.arch, err)
			  : p2v_err_set(err, P2V_EINVAL, "--output is missing; see '%s --help'",
				    cmd->name);

	if (r == 0)
		r = places_find(spec.arch, &files, &programs, err);
	if (r < 0)
		return r;
	spec.files = files;
	spec.programs = programs;
	return cmd == &cli_media_pxe_cmd ? media_pxe_build(&spec, o->output, progress, err)
					 : media_iso_build(&spec, o->output, progress, err);
}

int cli_media_build(const struct p2v_cmd *cmd, int argc, char **argv, struct p2v_err *err)
{
	struct media_opts o = {0};
	struct p2v_progress *progress = NULL;
	enum p2v_progress_mode mode;
	int r = p2v_opt_parse(cmd, argc, argv, &o, err);

	if (r == 0)
		r = p2v_progress_mode_parse(o.progress, &mode, err);
	if (r == 0) {
		progress = p2v_progress_new(mode);
		r = build(cmd, &o, progress, err);
		p2v_progress_end(progress);
	}
	p2v_progress_free(progress);
	p2v_opt_free(cmd, &o);
	return r;
}

/* ---- the words behind `p2v media` ---- */

static int run_build(int argc, char **argv, struct p2v_err *err)
{
	return cli_media_build(&cli_media_build_cmd, argc, argv, err);
}

static int run_pxe(int argc, char **argv, struct p2v_err *err)
{
	return cli_media_build(&cli_media_pxe_cmd, argc, argv, err);
}

static const struct {
	const char *word;
	const struct p2v_cmd *cmd;
	int (*run)(int argc, char **argv, struct p2v_err *err);
} words[] = {
	{"build", &cli_media_build_cmd, run_build},
	{"pxe", &cli_media_pxe_cmd, run_pxe},
	{"key", &cli_media_key_cmd, cli_media_key},
	{"revoke", &cli_media_revoke_cmd, cli_media_revoke},
};

struct word_opts {
	const char **operands;
	size_t n_operands;
};

static const struct p2v_opt no_opts[] = {P2V_OPT_END};

static const struct p2v_cmd media_cmd = {
	.name = "p2v media",
	.operands = "build|pxe|key|revoke [OPTION]...",
	.min_operands = 1,
	.max_operands = -1,
	.summary = "make the medium that physical machines are booted from",
	.text = "build makes an image for CD and USB, pxe the files for booting over the network. "
		"key prints the line of authorized_keys that lets a medium's key do one thing, "
		"from one network, until one day; revoke takes it away again. Each has a --help "
		"of its own.",
	.opts = no_opts,
	.operands_offset = offsetof(struct word_opts, operands),
	.n_operands_offset = offsetof(struct word_opts, n_operands),
	.see_also = "p2v-media-build(1), p2v-media-pxe(1), p2v-media-key(1), p2v-media-revoke(1)",
};

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct word_opts o = {0};
	int r;

	for (size_t i = 0; argc > 1 && i < P2V_N(words); i++)
		if (strcmp(argv[1], words[i].word) == 0)
			return words[i].run(argc - 1, argv + 1, err);
	r = p2v_opt_parse(&media_cmd, argc, argv, &o, err);
	if (r == 0)
		r = p2v_err_set(err, P2V_EINVAL,
			"'%s' is none of build, pxe, key, revoke; see 'p2v media --help'",
			o.operands[0]);
	p2v_opt_free(&media_cmd, &o);
	return r;
}

const struct verb cli_media = {"media", &media_cmd, run};
