/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/receipt.h"

#include "p2v/model/check.h"
#include "p2v/model/noun.h"

static const struct p2v_json_field receipt_disk_fields[] = {
	P2V_JSON_STR(struct receipt_disk, id, P2V_JSON_REQUIRED),
	P2V_JSON_U64(struct receipt_disk, size_bytes, P2V_JSON_REQUIRED),
	P2V_JSON_U32(struct receipt_disk, grain_bytes, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct receipt_disk, digest, P2V_JSON_REQUIRED),
	P2V_JSON_BOOL(struct receipt_disk, verified, 0),
	P2V_JSON_U64(struct receipt_disk, read_bytes, 0),
	P2V_JSON_U64(struct receipt_disk, sent_bytes, 0),
	P2V_JSON_U64(struct receipt_disk, written_bytes, 0),
	P2V_JSON_U64(struct receipt_disk, zero_bytes, 0),
	P2V_JSON_U64(struct receipt_disk, skipped_bytes, 0),
	P2V_JSON_U32(struct receipt_disk, resumed, 0),
	P2V_JSON_STRS(struct receipt_disk, bad_ranges, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct receipt_disk, bad_files, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type receipt_disk_type = {
	"receipt_disk", sizeof(struct receipt_disk), receipt_disk_fields};

static const struct p2v_json_field receipt_fields[] = {
	P2V_JSON_U32(struct receipt, version, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct receipt, machine, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct receipt, started, 0),
	P2V_JSON_STR(struct receipt, finished, 0),
	P2V_JSON_U64(struct receipt, duration_ms, 0),
	P2V_JSON_U32(struct receipt, protocol, 0),
	P2V_JSON_STR(struct receipt, link, 0),
	P2V_JSON_U32(struct receipt, streams, 0),
	P2V_JSON_OBJS(struct receipt, disks, 0, &receipt_disk_type),
	P2V_JSON_END,
};
const struct p2v_json_type model_receipt_type = {"receipt", sizeof(struct receipt), receipt_fields};

int model_receipt_validate(const struct receipt *receipt, struct p2v_err *err)
{
	int r;

	if (receipt->version != 1)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"receipt: version %u is not one that this program knows (1)",
			receipt->version);
	for (size_t i = 0; i < receipt->n_disks; i++) {
		r = model_check_disk_id(receipt->disks[i].id, i, "receipt", err);
		if (r < 0)
			return r;
	}
	return 0;
}

MODEL_NOUN(receipt);
