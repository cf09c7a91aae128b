/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/prove/verdict.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "converters/emit/hw.h"
#include "converters/prove/words.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

static bool add_check(struct proof *proof, const char *name, bool ok, bool required, char *evidence)
{
	struct proof_check *check =
		p2v_json_grow((void **)&proof->checks, &proof->n_checks, sizeof(*proof->checks));

	if (!check) {
		free(evidence);
		return false;
	}
	*check = (struct proof_check){
		.name = strdup(name), .ok = ok, .required = required, .evidence = evidence};
	return check->name && evidence;
}

/* The first of the two that was seen. */
static const char *either(const char *serial, const char *screen)
{
	return *serial ? serial : screen;
}

/* What a login, a failure was first seen on. */
static const struct prove_console *seen_on(const struct prove_sights *s, bool failure)
{
	const struct prove_console *all[] = {s->serial, s->screen, s->picture};

	for (size_t i = 0; i < P2V_N(all); i++)
		if (all[i] && (failure ? all[i]->failure_reason != NULL : *all[i]->login != '\0'))
			return all[i];
	return NULL;
}

static char *describe_ground(const struct prove_sights *s)
{
	return p2v_strf("no login screen was recognised; the last picture of the screen is %u %% "
			"#%02x%02x%02x%s",
		s->ground.percent, s->ground.red, s->ground.green, s->ground.blue,
		s->unread ? "; its words were not read: install tesseract-ocr" : "");
}

/* A Windows says nothing on a serial port: its screen and its disk speak for it. */
static bool add_windows_checks(
	const struct prove_sights *s, const struct output *output, struct proof *proof)
{
	const struct prove_console *login = seen_on(s, false);
	const struct emit_bus *bus = output->n_disks ? emit_bus_find(output->disks[0].bus) : NULL;

	return add_check(proof, "login", login != NULL, true,
		       login ? strdup(login->login) : describe_ground(s)) &&
	       add_check(proof, "disk-driver", s->writes > 0, true,
		       p2v_strf("%" PRIu64 " writes and %" PRIu64 " flushes by the guest (%s)",
			       s->writes, s->flushes, bus ? bus->name : "no disk"));
}

static bool add_boot_checks(
	const struct prove_sights *s, const struct output *output, struct proof *proof)
{
	const char *kernel = either(s->serial->kernel, s->screen->kernel);
	const char *root = either(s->serial->root, s->screen->root);
	const char *login = either(s->serial->login, s->screen->login);
	const struct emit_bus *bus = output->n_disks ? emit_bus_find(output->disks[0].bus) : NULL;
	const char *driver = bus ? bus->driver_name : "none";
	bool implied = *login && s->writes;

	return add_check(proof, "kernel", *kernel || *root || *login, true,
		       strdup(*kernel	? kernel
			       : *root	? root
			       : *login ? login
					: "no kernel message on the serial port")) &&
	       add_check(proof, "root", *root || implied, true,
		       *root	 ? strdup(root)
		       : implied ? p2v_strf("login prompt, and %" PRIu64
					    " writes to the only disks it has (%s)",
					   s->writes, output->disks[0].bus)
				 : strdup("no root file system was seen mounted")) &&
	       add_check(proof, "login", *login != '\0', true,
		       strdup(*login ? login : "no login prompt")) &&
	       add_check(proof, "disk-driver", s->writes > 0, true,
		       p2v_strf("%" PRIu64 " writes and %" PRIu64 " flushes by the guest (%s, %s)",
			       s->writes, s->flushes, bus ? bus->name : "no disk", driver));
}

/* Not required: what fails here may have failed on the physical machine, too. */
static bool add_unit_check(const struct prove_console *serial, struct proof *proof)
{
	return add_check(proof, "units", serial->n_units == 0, false,
		serial->n_units
			? p2v_strf("%u did not start, the first: %s", serial->n_units, serial->unit)
			: strdup("the console names none that did not start"));
}

/* firewalled: it may drop what is not for it without a word. */
static bool add_address_checks(const struct prove_nic *nic, size_t i, const char *mac,
	bool firewalled, struct proof *proof)
{
	const struct prove_address *a = &nic->wire.addresses[i];
	char text[INET6_ADDRSTRLEN];
	char from[18];

	inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->bytes, text, sizeof(text));
	snprintf(from, sizeof(from), "%02x:%02x:%02x:%02x:%02x:%02x", a->mac[0], a->mac[1],
		a->mac[2], a->mac[3], a->mac[4], a->mac[5]);
	if (!add_check(proof, "network", a->announced, true,
		    a->announced
			    ? p2v_strf("%s of %s from %s", a->how, text, from)
			    : p2v_strf("%s was not announced by %s%s (%" PRIu64 " frames seen)",
				      text, mac, a->vlan ? " in its VLAN" : "", nic->wire.frames)))
		return false;
	return add_check(proof, "answer", a->answered, !firewalled,
		a->answered ? p2v_strf("%s from %s", a->answer, text)
			    : p2v_strf("no answer from %s to %s%s", text,
				      a->v6	? "a neighbour solicitation"
				      : a->vlan ? "an ARP request"
						: "a connection to port 22",
				      a->vlan ? " in its VLAN" : ""));
}

static bool add_network_checks(const struct output *output, const struct prove_nic *nics,
	size_t n_nics, bool firewalled, struct proof *proof)
{
	size_t n_expected = 0;
	bool ok = true;

	for (size_t i = 0; i < n_nics; i++)
		n_expected += nics[i].wire.n_addresses + output->nics[i].dhcp;
	for (size_t i = 0; ok && i < n_nics; i++) {
		const char *mac = output->nics[i].mac;
		bool dhcp = nics[i].wire.dhcp;
		/* Of a guest whose network nobody understood, some sign of it. */
		bool required = output->nics[i].dhcp || (n_expected == 0 && i == 0);

		for (size_t k = 0; ok && k < nics[i].wire.n_addresses; k++)
			ok = add_address_checks(&nics[i], k, mac, firewalled, proof);
		if (ok && (required || dhcp))
			ok = add_check(proof, "dhcp", dhcp, required,
				p2v_strf("%s %s for an address", mac,
					dhcp ? "asked" : "did not ask"));
	}
	return ok;
}

static bool add_service_checks(const struct prove_sights *s, struct proof *proof)
{
	bool ok = true;

	for (size_t i = 0; ok && i < s->n_services; i++) {
		const struct prove_service *service = &s->services[i];

		ok = add_check(proof, "service", service->ok, true,
			p2v_strf("port %u%s%s: %s", service->port,
				service->wanted->http ? ", " : "",
				service->wanted->http ? service->wanted->http : "", service->seen));
	}
	return ok;
}

bool prove_has_failed(const struct prove_sights *s)
{
	return seen_on(s, true) || s->panicked || s->reset_loop || s->locked;
}

static bool all_ok(const struct proof *proof, const char *name)
{
	for (size_t i = 0; i < proof->n_checks; i++)
		if (!proof->checks[i].ok && strcmp(proof->checks[i].name, name) == 0)
			return false;
	return true;
}

bool prove_has_login(const struct prove_sights *s)
{
	return seen_on(s, false) != NULL;
}

static bool was_seen(const struct proof *proof, const char *name)
{
	for (size_t i = 0; i < proof->n_checks; i++)
		if (strcmp(proof->checks[i].name, name) == 0)
			return proof->checks[i].ok;
	return false;
}

bool prove_is_up(const struct proof *proof)
{
	return all_ok(proof, "disk-driver") && all_ok(proof, "network");
}

static const struct proof_check *first_missing(const struct proof *proof, const char *name)
{
	for (size_t i = 0; i < proof->n_checks; i++)
		if (!proof->checks[i].ok && proof->checks[i].required &&
			(!name || strcmp(proof->checks[i].name, name) == 0))
			return &proof->checks[i];
	return NULL;
}

static int say(struct proof *proof, enum verdict verdict, char *reason)
{
	proof->verdict = verdict;
	proof->reason = reason;
	return reason ? 0 : P2V_ENOMEM;
}

static char *crash_reason(const struct prove_sights *s)
{
	if (!s->stop)
		return strdup("the guest reported a crash");
	return p2v_strf("%s (stop 0x%" PRIX64 ", reported by the guest)",
		prove_stop_reason(s->stop), s->stop);
}

static int conclude(const struct prove_sights *s, struct proof *proof)
{
	const struct prove_console *bad = seen_on(s, true);
	const struct proof_check *missing = first_missing(proof, NULL);
	const struct proof_check *network = first_missing(proof, "network");
	bool runs = was_seen(proof, "root") || was_seen(proof, "login") || s->writes;

	if (bad)
		return say(proof, VERDICT_FAILED,
			p2v_strf("%s (\"%s\")", bad->failure_reason, bad->failure));
	if (s->locked)
		return say(proof, VERDICT_FAILED,
			p2v_strf("it asks for a passphrase that was not given, or not the right "
				 "one (\"%s\")",
				s->serial->prompt));
	if (s->panicked)
		return say(proof, VERDICT_FAILED, crash_reason(s));
	if (s->reset_loop)
		return say(
			proof, VERDICT_FAILED, strdup("the guest resets itself again and again"));
	if (s->ended)
		return say(proof, VERDICT_FAILED, strdup("the machine switched itself off"));
	if (!missing)
		return say(proof, VERDICT_PROVEN,
			strdup("it boots from its disk, and everything expected was seen"));
	if (!runs)
		return say(proof, VERDICT_FAILED,
			p2v_strf("nothing shows that the operating system runs: %s",
				missing->evidence));
	if (network)
		return say(proof, VERDICT_FAILED,
			p2v_strf("it boots, but its network is not up: %s", network->evidence));
	return say(proof, VERDICT_PARTIAL,
		p2v_strf("it runs, but not everything was seen: %s", missing->evidence));
}

int prove_verdict(const struct prove_sights *sights, const struct output *output,
	const struct prove_nic *nics, size_t n_nics, struct proof *proof, struct p2v_err *err)
{
	bool windows = emit_is_windows(output);
	bool ok = (windows ? add_windows_checks(sights, output, proof)
			   : add_boot_checks(sights, output, proof) &&
					  add_unit_check(sights->serial, proof)) &&
		  add_network_checks(output, nics, n_nics, windows, proof) &&
		  add_service_checks(sights, proof) &&
		  add_check(proof, "agent", sights->agent, false,
			  strdup(sights->agent ? "answered guest-sync" : "no answer"));

	if (!ok || conclude(sights, proof) < 0)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", output->name);
	return 0;
}
