/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * One file poses as SYSTEM, SOFTWARE and BCD of a Windows: whatever it holds, the facts are well
 * formed or there is an error with a sentence; and edits that are not saved change nothing.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "converters/inspect/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/hive.h"
#include "tests/fuzz/fuzz.h"

#define CONFIG "/Windows/System32/config"

static char *root, *system_path;

static void clean(void)
{
	p2v_dir_remove(root);
	free(root);
	free(system_path);
}

static void need(bool ok)
{
	if (!ok)
		abort();
}

/* The three names are links to one file. */
static void make_root(void)
{
	p2v_autofree char *config = NULL, *boot = NULL, *software = NULL, *bcd = NULL;

	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	need(p2v_dir_temp("fuzz-hive", &root, NULL) == 0);
	atexit(clean);
	config = p2v_strf("%s" CONFIG, root);
	boot = p2v_strf("%s/Boot", root);
	system_path = p2v_strf("%s/SYSTEM", config);
	software = p2v_strf("%s/SOFTWARE", config);
	bcd = p2v_strf("%s/BCD", boot);
	need(p2v_dir_make(config, 0755, NULL) == 0 && p2v_dir_make(boot, 0755, NULL) == 0);
	need(p2v_publish_bytes(config, "SYSTEM", "", 0, 0644, NULL) == 0);
	need(link(system_path, software) == 0 && link(system_path, bcd) == 0);
}

static void put(const uint8_t *data, size_t n)
{
	FILE *file = fopen(system_path, "r+e");

	need(file && ftruncate(fileno(file), 0) == 0 && fwrite(data, 1, n, file) == n);
	need(fclose(file) == 0);
}

static void inspect(struct guest *g)
{
	struct facts facts = {.version = 1};
	struct facts_os *os = p2v_json_grow((void **)&facts.systems, &facts.n_systems, sizeof(*os));
	p2v_autobuf struct p2v_buf text = {0};
	struct facts again = {0};
	struct p2v_err err = {0};
	int r;

	need(os != NULL);
	os->root = strdup("/dev/sda1");
	os->root_subvolume = strdup("");
	r = inspect_windows(g, &facts, os, &err);
	if (r < 0)
		need(err.text[0] != '\0');
	else
		need(p2v_json_encode(&model_facts_type, &facts, false, &text, NULL) == 0 &&
			model_facts_decode(text.data, text.len, &again, &err) == 0);
	model_facts_finish(&again);
	model_facts_finish(&facts);
}

static void edit(struct guest *g)
{
	struct guest_hive *h = NULL;
	struct p2v_err err = {0};

	if (guest_hive_open(g, CONFIG "/SYSTEM", true, &h, &err) < 0) {
		need(err.text[0] != '\0');
		return;
	}
	guest_hive_set_u32(h, "ControlSet001\\Services\\viostor", "Start", 0, NULL);
	guest_hive_set_text(
		h, "ControlSet001\\Services\\disk", "Group", GUEST_REG_SZ, "a group", NULL);
	guest_hive_delete_key(h, "ControlSet001\\Services\\storahci\\StartOverride", NULL);
	guest_hive_delete_value(h, "Select", "Current", NULL);
	guest_hive_free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	p2v_autobuf struct p2v_buf after = {0};
	struct guest *g = NULL;

	if (!root)
		make_root();
	put(data, n);
	need(guest_open_dir(root, true, &g, NULL) == 0);
	inspect(g);
	edit(g);
	guest_free(g);
	need(p2v_file_read(system_path, 16 << 20, &after, NULL) == 0 && after.len == n &&
		(n == 0 || memcmp(after.data, data, n) == 0));
	return 0;
}
