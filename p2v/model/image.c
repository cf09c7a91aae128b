/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/image.h"

#include "p2v/model/check.h"
#include "p2v/model/noun.h"

static const struct p2v_json_field image_disk_fields[] = {
	P2V_JSON_STR(struct image_disk, id, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct image_disk, path, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct image_disk, format, P2V_JSON_REQUIRED),
	P2V_JSON_U64(struct image_disk, size_bytes, P2V_JSON_REQUIRED),
	P2V_JSON_U32(struct image_disk, logical_sector_bytes, 0),
	P2V_JSON_BOOL(struct image_disk, owned, 0),
	P2V_JSON_STR(struct image_disk, digest, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type image_disk_type = {
	"image_disk", sizeof(struct image_disk), image_disk_fields};

static const struct p2v_json_field image_fields[] = {
	P2V_JSON_U32(struct image, version, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct image, name, P2V_JSON_REQUIRED),
	P2V_JSON_OBJS(struct image, disks, 0, &image_disk_type),
	P2V_JSON_END,
};
const struct p2v_json_type model_image_type = {"image", sizeof(struct image), image_fields};

int model_image_validate(const struct image *image, struct p2v_err *err)
{
	int r;

	if (image->version != 1)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"image: version %u is not one that this program knows (1)", image->version);
	r = model_check_name(image->name, "image", err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < image->n_disks; i++) {
		r = model_check_disk_id(image->disks[i].id, i, "image", err);
		if (r < 0)
			return r;
	}
	return 0;
}

MODEL_NOUN(image);
