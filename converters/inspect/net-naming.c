/* SPDX-License-Identifier: GPL-3.0-or-later */

/* How udev names the guest's cards, and files that bind something else to their names. */

#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

int inspect_net_ref(struct inspection *in, const char *what, const char *path, uint32_t line,
	struct p2v_span text)
{
	struct facts_ref *ref =
		inspect_grow(in, (void **)&in->os->refs, &in->os->n_refs, sizeof(*ref));
	int r = ref ? 0 : P2V_ENOMEM;

	if (r == 0)
		r = inspect_set(in, &ref->what, what);
	if (r == 0)
		r = inspect_set(in, &ref->path, path);
	if (r == 0)
		r = inspect_set_span(in, &ref->text, text);
	if (r == 0)
		ref->line = line;
	return r;
}

static int read_rules(struct inspection *in, const char *path, struct p2v_span text)
{
	if (memmem(text.p, text.n, "SYSFS{", 6))
		in->os->udev_sysfs = true;
	return net_rules_parse(text, path, in->os, in->err);
}

/* modprobe.d(5), as /etc/modprobe.conf before it: "alias eth0 e1000". */
static int read_aliases(struct inspection *in, const char *path, struct p2v_span text)
{
	struct p2v_span line, rest, word, name;
	uint32_t number = 0;
	int r = 0;

	while (r == 0 && p2v_line_next(&text, &line)) {
		number++;
		rest = line = p2v_span_trim(line);
		if (p2v_word_next(&rest, &word) && p2v_span_eq(word, "alias") &&
			p2v_word_next(&rest, &name) && p2v_span_starts(name, "eth") &&
			p2v_word_next(&rest, &word) && !p2v_span_eq(word, "off"))
			r = inspect_net_ref(in, "card-alias", path, number, line);
	}
	return r;
}

/* Of "libsystemd-shared-252.so", or Red Hat's "-252-32.el9_4.so"; 0 where there is none. */
static int systemd_version(struct inspection *in, uint64_t *ret)
{
	static const char *const dirs[] = {"/usr/lib/systemd", "/lib/systemd",
		"/usr/lib/x86_64-linux-gnu/systemd", "/usr/lib/i386-linux-gnu/systemd"};
	static const char prefix[] = "libsystemd-shared-";
	int r = 0;

	*ret = 0;
	for (size_t i = 0; r == 0 && *ret == 0 && i < P2V_N(dirs); i++) {
		struct guest_dir d = {0};

		r = inspect_list(in, dirs[i], "libsystemd-shared-*.so", &d);
		for (size_t k = 0; r == 0 && k < d.n_entries; k++) {
			struct p2v_span s =
				p2v_span_skip(p2v_span_str(d.entries[k].name), strlen(prefix));
			size_t n = 0;

			while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
				n++;
			p2v_span_u64(p2v_span_of(s.p, n), 100000, ret);
		}
		guest_dir_finish(&d);
	}
	return r;
}

/*
 * systemd.link(5), NEWS of 241: until then a card that udev in the initramfs had renamed kept that
 * name, and .link files were of no use any more. Without the library (until 230) the daemon itself
 * tells that there is a systemd.
 */
static int read_version(struct inspection *in)
{
	uint64_t version;
	int r = systemd_version(in, &version);

	if (r < 0)
		return r;
	in->os->udev_once = version ? version < 241
				    : guest_is_file(in->g, "/usr/lib/systemd/systemd-udevd") ||
					      guest_is_file(in->g, "/lib/systemd/systemd-udevd");
	return 0;
}

/* A link to /dev/null, or a file that says nothing, in the place of the system's own. */
static bool is_masked(struct inspection *in, const char *path, const char *word)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_err why = {0};
	struct guest_stat st;

	if (!inspect_may_exist(in, path) || guest_lstat(in->g, path, &st, &why) < 0)
		return false;
	if (guest_read_file(in->g, path, INSPECT_TEXT_MAX, &text, &why) < 0)
		return st.type == GUEST_LINK;
	return !text.len || !memmem(text.data, text.len, word, strlen(word));
}

static void read_masks(struct inspection *in)
{
	struct facts_os *os = in->os;

	/* Without this rule no .link file is looked at. */
	if (is_masked(in, "/etc/udev/rules.d/80-net-setup-link.rules", "net_setup_link")) {
		os->udev_links = false;
		os->kernel_names = true;
	}
	os->kernel_names |= is_masked(in, "/etc/udev/rules.d/80-net-name-slot.rules", "NAME") ||
			    is_masked(in, "/etc/systemd/network/99-default.link", "path");
}

/*
 * cloud-init that is not told the network by a file asks its source for it, which a virtual machine
 * may lack; and then writes DHCP over what it wrote before.
 */
static int read_cloud_file(struct inspection *in, const char *path, struct p2v_span text)
{
	/* The mark that inspect_cloud looks for, and takes away. */
	return net_netplan_tells(text)
		       ? inspect_net_ref(in, "cloud-told", path, 0, p2v_span_str("network"))
		       : 0;
}

static bool drop_marks(struct facts_os *os)
{
	bool any = false;

	while (os->n_refs && strcmp(os->refs[os->n_refs - 1].what, "cloud-told") == 0) {
		struct facts_ref *ref = &os->refs[--os->n_refs];

		free(ref->what);
		free(ref->path);
		free(ref->text);
		memset(ref, 0, sizeof(*ref));
		any = true;
	}
	return any;
}

static int inspect_cloud(struct inspection *in)
{
	int r;

	if (!inspect_may_exist(in, "/etc/cloud/cloud.cfg") ||
		guest_is_file(in->g, "/etc/cloud/cloud-init.disabled") ||
		!guest_is_file(in->g, "/etc/cloud/cloud.cfg"))
		return 0;
	r = inspect_each_file(in, "/etc/cloud", "cloud.cfg", read_cloud_file);
	if (r == 0)
		r = inspect_each_file(in, "/etc/cloud/cloud.cfg.d", "*.cfg", read_cloud_file);
	if (drop_marks(in->os) || r < 0)
		return r;
	return inspect_net_ref(in, "cloud-network", "/etc/cloud/cloud.cfg.d/99-p2v-network.cfg", 0,
		p2v_span_str("network: {config: disabled}"));
}

/* Templates link the generated list to /dev/null, so that no name is ever kept: ours goes
 * elsewhere. */
static int read_null_rules(struct inspection *in)
{
	static const char path[] = "/etc/udev/rules.d/70-persistent-net.rules";
	struct p2v_err why = {0};
	struct guest_stat st;

	if (!inspect_may_exist(in, path) || guest_lstat(in->g, path, &st, &why) < 0 ||
		guest_is_file(in->g, path))
		return 0;
	return inspect_net_ref(in, "nic-rules-null", path, 0, p2v_span_str(path));
}

int inspect_net_naming(struct inspection *in)
{
	int r = inspect_each_file(in, "/etc/udev/rules.d", "*.rules", read_rules);

	/* udev 098 and later knows both. */
	if (in->os->udev_sysfs)
		in->os->udev_sysfs = !guest_is_dir(in->g, "/lib/udev/rules.d");
	if (r == 0)
		r = inspect_each_file(in, "/etc/modprobe.d", "*", read_aliases);
	if (r == 0)
		r = net_cmdline_parse(in->os->bootloader.cmdline, in->os, in->err);
	if (r == 0 && in->os->udev_links)
		r = read_version(in);
	else if (r == 0)
		in->os->no_udev =
			!inspect_may_exist(in, "/etc/udev") && !guest_is_dir(in->g, "/lib/udev");
	if (r == 0)
		read_masks(in);
	if (r == 0)
		r = read_null_rules(in);
	return r == 0 ? inspect_cloud(in) : r;
}
