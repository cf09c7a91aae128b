/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"
#include "p2v/store/jobdir.h"

#define LOG_MAX	       ((off_t)1 << 20)
#define LINE_MAX       4096
#define UNREADABLE     "unreadable: "
#define UNREADABLE_MAX 1024u

int recv_log_open(const char *dir)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_AGENT_LOG);

	return path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
}

void recv_log_add(int fd, const struct wire_log *log)
{
	p2v_autobuf struct p2v_buf line = {0};
	char text[LINE_MAX], now[32];
	struct stat st;

	/* An agent that talks without end fills no disk. */
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > LOG_MAX)
		return;
	p2v_now_text(now);
	p2v_buf_addf(&line, "%s ", now);
	p2v_text_add_printable(&line, wire_text_copy(log->text, text, sizeof(text)));
	p2v_buf_add_str(&line, "\n");
	if (!line.failed && write(fd, line.data, line.len) < 0)
		return;
}

void recv_unreadable_add(struct recv_unreadable *to, const struct wire_log *log)
{
	p2v_autobuf struct p2v_buf line = {0};
	char text[LINE_MAX];

	wire_text_copy(log->text, text, sizeof(text));
	if (strncmp(text, UNREADABLE, strlen(UNREADABLE)) != 0 || to->n >= UNREADABLE_MAX)
		return;
	p2v_text_add_printable(&line, text + strlen(UNREADABLE));
	p2v_buf_add(&line, "", 1);
	if (!line.failed)
		p2v_json_add_str(&to->lines, &to->n, (char *)line.data, NULL);
}

void recv_unreadable_finish(struct recv_unreadable *u)
{
	for (size_t i = 0; i < u->n; i++)
		free(u->lines[i]);
	free(u->lines);
	*u = (struct recv_unreadable){0};
}
