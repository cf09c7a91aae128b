/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/runbook/page.h"

#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/text.h"

static const char style[] =
	"body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
	"table{border-collapse:collapse;width:100%;margin:1em 0}"
	"th,td{text-align:left;vertical-align:top;padding:.3em .6em;border-bottom:1px solid #8886}"
	"th{border-bottom-width:2px}h2{margin-top:2em}";

/* All that Markdown might read as its own gets a backslash, all that HTML might an entity. */
static void md_add(struct p2v_buf *out, const char *text)
{
	p2v_autobuf struct p2v_buf clean = {0};

	p2v_text_add_printable(&clean, text ? text : "");
	for (size_t i = 0; i < clean.len; i++) {
		if (strchr("\\`*_{}[]<>#|~&!", clean.data[i]))
			p2v_buf_add_str(out, "\\");
		p2v_buf_add(out, clean.data + i, 1);
	}
}

static void html_add(struct p2v_buf *out, const char *text)
{
	static const struct {
		char c;
		const char *entity;
	} rows[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
	p2v_autobuf struct p2v_buf clean = {0};

	p2v_text_add_printable(&clean, text ? text : "");
	for (size_t i = 0; i < clean.len; i++) {
		const char *entity = NULL;

		for (size_t k = 0; k < P2V_N(rows); k++)
			if (rows[k].c == (char)clean.data[i])
				entity = rows[k].entity;
		if (entity)
			p2v_buf_add_str(out, entity);
		else
			p2v_buf_add(out, clean.data + i, 1);
	}
}

static void both(struct page *page, const char *md_before, const char *html_before,
	const char *text, const char *md_after, const char *html_after)
{
	p2v_buf_add_str(&page->md, md_before);
	md_add(&page->md, text);
	p2v_buf_add_str(&page->md, md_after);
	p2v_buf_add_str(&page->html, html_before);
	html_add(&page->html, text);
	p2v_buf_add_str(&page->html, html_after);
}

void page_begin(struct page *page, const char *title)
{
	p2v_buf_add_str(&page->html,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" "
		"content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>");
	html_add(&page->html, title);
	p2v_buf_addf(&page->html, "</title>\n<style>%s</style></head><body>\n", style);
	both(page, "# ", "<h1>", title, "\n", "</h1>\n");
}

void page_end(struct page *page)
{
	p2v_buf_add_str(&page->html, "</body></html>\n");
}

void page_finish(struct page *page)
{
	p2v_buf_finish(&page->md);
	p2v_buf_finish(&page->html);
}

void page_heading(struct page *page, const char *text)
{
	both(page, "\n## ", "<h2>", text, "\n", "</h2>\n");
}

void page_text(struct page *page, const char *text)
{
	both(page, "\n", "<p>", text, "\n", "</p>\n");
}

void page_table_begin(struct page *page, const char *const *names, size_t n)
{
	p2v_buf_add_str(&page->md, "\n|");
	p2v_buf_add_str(&page->html, "<table><thead><tr>");
	for (size_t i = 0; i < n; i++)
		both(page, " ", "<th>", names[i], " |", "</th>");
	p2v_buf_add_str(&page->md, "\n|");
	for (size_t i = 0; i < n; i++)
		p2v_buf_add_str(&page->md, "---|");
	p2v_buf_add_str(&page->md, "\n");
	p2v_buf_add_str(&page->html, "</tr></thead><tbody>\n");
}

void page_row(struct page *page, const char *const *cells, size_t n)
{
	p2v_buf_add_str(&page->md, "|");
	p2v_buf_add_str(&page->html, "<tr>");
	for (size_t i = 0; i < n; i++)
		both(page, " ", "<td>", cells[i], " |", "</td>");
	p2v_buf_add_str(&page->md, "\n");
	p2v_buf_add_str(&page->html, "</tr>\n");
}

void page_table_end(struct page *page)
{
	p2v_buf_add_str(&page->html, "</tbody></table>\n");
}

void page_list_begin(struct page *page)
{
	p2v_buf_add_str(&page->md, "\n");
	p2v_buf_add_str(&page->html, "<ul>\n");
}

void page_item(struct page *page, const char *text)
{
	both(page, "- ", "<li>", text, "\n", "</li>\n");
}

void page_list_end(struct page *page)
{
	p2v_buf_add_str(&page->html, "</ul>\n");
}
