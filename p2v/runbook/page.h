/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RUNBOOK_PAGE_H
#define P2V_RUNBOOK_PAGE_H

/*
 * A page for people that is written twice at once: as Markdown and as HTML that needs no other
 * file. Texts are foreign: in neither of the two can they become markup.
 */

#include <stddef.h>

#include "p2v/core/buf.h"

struct page {
	struct p2v_buf md, html;
};

void page_begin(struct page *page, const char *title);
void page_end(struct page *page);
void page_finish(struct page *page);

void page_heading(struct page *page, const char *text);
void page_text(struct page *page, const char *text);
void page_table_begin(struct page *page, const char *const *names, size_t n);
void page_row(struct page *page, const char *const *cells, size_t n);
void page_table_end(struct page *page);
void page_list_begin(struct page *page);
void page_item(struct page *page, const char *text);
void page_list_end(struct page *page);

#endif
