/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a change starts from and ends at. Large files come by way of a host file, not memory. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/text.h"
#include "p2v/guest/backend.h"

static bool is_utf8(const char *p, size_t n)
{
	while (n > 0) {
		size_t len = p2v_text_utf8_len(p, n);

		if (len == 0)
			return false;
		p += len;
		n -= len;
	}
	return true;
}

enum guest_kind guest_kind_of_bytes(const void *bytes, size_t n)
{
	if (n > GUEST_TEXT_MAX_BYTES || (n > 0 && memchr(bytes, 0, n)) || !is_utf8(bytes, n))
		return GUEST_KIND_BINARY;
	return GUEST_KIND_TEXT;
}

void guest_side_finish(struct guest_side *s)
{
	p2v_buf_finish(&s->own);
	if (s->map)
		munmap(s->map, s->n);
	*s = (struct guest_side){0};
}

static int load_large(struct guest *g, const char *real, struct guest_side *s, struct p2v_err *err)
{
	p2v_autoclose int fd = -1;
	int rc = guest_temp_fd(&fd, err);
	off_t end;

	if (rc == 0)
		rc = g->ops->download(g, real, fd, err);
	if (rc < 0)
		return rc;
	end = lseek(fd, 0, SEEK_END);
	if (end <= 0)
		return p2v_err_set(err, P2V_EIO, "downloaded nothing");
	s->map = mmap(NULL, (size_t)end, PROT_READ, MAP_PRIVATE, fd, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return p2v_err_errno(err, errno, "map a copy");
	}
	s->bytes = s->map;
	s->n = (size_t)end;
	return 0;
}

static int load_file(
	struct guest *g, const char *real, uint64_t size, struct guest_side *s, struct p2v_err *err)
{
	int rc;

	if (size > GUEST_TEXT_MAX_BYTES)
		return load_large(g, real, s, err);
	rc = g->ops->read(g, real, (size_t)size, &s->own, err);
	s->bytes = s->own.data;
	s->n = s->own.len;
	return rc;
}

static int load_link(struct guest *g, const char *real, struct guest_side *s, struct p2v_err *err)
{
	p2v_autofree char *target = NULL;
	int rc = g->ops->read_link(g, real, &target, err);

	if (rc < 0)
		return rc;
	p2v_buf_add_str(&s->own, target);
	s->bytes = s->own.data;
	s->n = s->own.len;
	return p2v_buf_check(&s->own, err);
}

int guest_side_load(struct guest *g, const char *real, struct guest_side *ret, struct p2v_err *err)
{
	struct guest_side s = {0};
	struct guest_stat st;
	int rc = g->ops->stat(g, real, false, &st, err);

	if (rc == P2V_ENOTFOUND) {
		p2v_err_clear(err);
		*ret = s;
		return 0;
	}
	if (rc < 0)
		return rc;
	s.exists = true;
	if (st.type == GUEST_FILE)
		rc = load_file(g, real, st.size_bytes, &s, err);
	else if (st.type == GUEST_LINK)
		rc = load_link(g, real, &s, err);
	else if (st.type != GUEST_DIR)
		rc = p2v_err_set(err, P2V_EFORMAT, "is %s, not a file", guest_type_text(st.type));
	if (rc < 0) {
		guest_side_finish(&s);
		return rc;
	}
	s.kind = st.type == GUEST_DIR	 ? GUEST_KIND_DIRECTORY
		 : st.type == GUEST_LINK ? GUEST_KIND_SYMLINK
					 : guest_kind_of_bytes(s.bytes, s.n);
	*ret = s;
	return 0;
}

/* coreutils' own program: every server has it, and it knows the processor's SHA instructions. */
int guest_side_digest(struct guest_side *s, struct p2v_err *err)
{
	static const char *const argv[] = {"sha256sum", "-b", NULL};
	p2v_autobuf struct p2v_buf out = {0};
	int rc;

	s->sha256[0] = '\0';
	if (!s->exists || s->kind == GUEST_KIND_DIRECTORY)
		return 0;
	rc = p2v_proc_run(argv, s->n ? s->bytes : (const uint8_t *)"", s->n, 120000, &out, err);
	if (rc < 0)
		return rc;
	if (out.len < 64 || strspn((char *)out.data, "0123456789abcdef") != 64)
		return p2v_err_set(err, P2V_EFORMAT, "sha256sum: printed no digest");
	memcpy(s->sha256, out.data, 64);
	s->sha256[64] = '\0';
	return 0;
}
