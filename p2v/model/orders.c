/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/orders.h"

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/model/check.h"
#include "p2v/model/noun.h"

static const struct p2v_json_field network_fields[] = {
	P2V_JSON_STR(struct orders_network, mac, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct orders_network, bridge, 0),
	P2V_JSON_STR(struct orders_network, network, 0),
	P2V_JSON_END,
};
const struct p2v_json_type model_orders_network_type = {
	"network", sizeof(struct orders_network), network_fields};

static const struct p2v_json_field destination_fields[] = {
	P2V_JSON_STR(struct orders_destination, disk, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct orders_destination, to, P2V_JSON_REQUIRED),
	P2V_JSON_END,
};
static const struct p2v_json_type destination_type = {
	"destination", sizeof(struct orders_destination), destination_fields};

static const struct p2v_json_field check_fields[] = {
	P2V_JSON_U32(struct orders_check, tcp, P2V_JSON_OMIT),
	P2V_JSON_STR(struct orders_check, http, 0),
	P2V_JSON_U32(struct orders_check, status, P2V_JSON_OMIT),
	P2V_JSON_END,
};
const struct p2v_json_type model_orders_check_type = {
	"check", sizeof(struct orders_check), check_fields};

static const struct p2v_json_field orders_fields[] = {
	P2V_JSON_U32(struct orders, version, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct orders, target, 0),
	P2V_JSON_STR(struct orders, format, 0),
	P2V_JSON_STR(struct orders, root, 0),
	P2V_JSON_STR(struct orders, virtio_win, 0),
	P2V_JSON_STR(struct orders, virtio_win_digest, 0),
	P2V_JSON_U64(struct orders, memory_bytes, P2V_JSON_OMIT),
	P2V_JSON_U64(struct orders, bandwidth_bytes, P2V_JSON_OMIT),
	P2V_JSON_U32(struct orders, cpus, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct orders, leave_out, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct orders, keys, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct orders, networks, P2V_JSON_OMIT, &model_orders_network_type),
	P2V_JSON_OBJS(struct orders, destinations, P2V_JSON_OMIT, &destination_type),
	P2V_JSON_OBJS(struct orders, checks, P2V_JSON_OMIT, &model_orders_check_type),
	P2V_JSON_STRS(struct orders, hold, P2V_JSON_OMIT),
	P2V_JSON_END,
};
const struct p2v_json_type model_orders_type = {"orders", sizeof(struct orders), orders_fields};

static int network_validate(const struct orders_network *n, struct p2v_err *err)
{
	const char *to = n->bridge ? n->bridge : n->network;
	int r = model_check_mac(n->mac, "orders", err);

	if (r < 0)
		return r;
	if (!n->bridge == !n->network || !model_name_ok(to))
		return p2v_err_set(err, P2V_EFORMAT,
			"orders: card %s leads to one bridge or one network, by its name", n->mac);
	return 0;
}

static int check_validate(const struct orders_check *c, struct p2v_err *err)
{
	if (c->tcp > 65535 || (!c->tcp && !c->http) || c->status > 599)
		return p2v_err_set(err, P2V_EFORMAT,
			"orders: a check has a TCP port, a path for HTTP, or both, and no status "
			"above 599");
	if (!c->http)
		return 0;
	/* It becomes a line of a request. */
	for (const char *at = c->http; *at; at++)
		if (*at <= ' ' || *at > '~' || c->http[0] != '/')
			return p2v_err_set(
				err, P2V_EFORMAT, "orders: '%.80s' is no path for HTTP", c->http);
	return 0;
}

/* Orders come over the API: they name one of the programs that the administrator has put there. */
static int key_validate(const char *key, struct p2v_err *err)
{
	const char *command = strstr(key, ":command:");

	if (command && (strchr(command, '/') || command[strlen(":command:")] == '.'))
		return p2v_err_set(err, P2V_EFORMAT,
			"orders: a key's command is the name of a program in /etc/p2v/keys.d");
	return 0;
}

/* Orders come over the API, to a program that has no directory of its own to start from. */
static int media_validate(const struct orders *o, struct p2v_err *err)
{
	bool url = o->virtio_win && (strncmp(o->virtio_win, "http://", 7) == 0 ||
					    strncmp(o->virtio_win, "https://", 8) == 0);

	if (o->virtio_win && !url && *o->virtio_win != '/')
		return p2v_err_set(err, P2V_EFORMAT,
			"orders: virtio_win: '%.80s' is no absolute path on the conversion server "
			"and no address (http, https)",
			o->virtio_win);
	if (url && !o->virtio_win_digest)
		return p2v_err_set(err, P2V_EFORMAT,
			"orders: virtio_win: what is fetched from an address has to be known: say "
			"virtio_win_digest (sha256:HEX)");
	return 0;
}

int model_orders_validate(const struct orders *orders, struct p2v_err *err)
{
	int r = 0;

	if (orders->version != 1)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"orders: version %u is not one that this program knows (1)",
			orders->version);
	if (orders->memory_bytes && orders->memory_bytes < 16 * P2V_MIB)
		return p2v_err_set(err, P2V_EFORMAT, "orders: less than 16 MiB of memory");
	if (orders->cpus > 1024)
		return p2v_err_set(err, P2V_EFORMAT, "orders: more than 1024 processors");
	r = media_validate(orders, err);
	for (size_t i = 0; r == 0 && i < orders->n_keys; i++)
		r = key_validate(orders->keys[i], err);
	for (size_t i = 0; r == 0 && i < orders->n_networks; i++)
		r = network_validate(&orders->networks[i], err);
	for (size_t i = 0; r == 0 && i < orders->n_checks; i++)
		r = check_validate(&orders->checks[i], err);
	for (size_t i = 0; r == 0 && i < orders->n_hold; i++)
		if (strcmp(orders->hold[i], "conversion") != 0 &&
			strcmp(orders->hold[i], "emission") != 0)
			r = p2v_err_set(err, P2V_EFORMAT,
				"orders: hold: '%.40s' is neither conversion nor emission",
				orders->hold[i]);
	return r;
}

bool model_orders_leave_out(const struct orders *orders, const char *disk_id)
{
	for (size_t i = 0; i < orders->n_leave_out; i++)
		if (strcmp(orders->leave_out[i], disk_id) == 0)
			return true;
	return false;
}

MODEL_NOUN(orders);
