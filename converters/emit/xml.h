/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_XML_H
#define P2V_EMIT_XML_H

/*
 * Writes XML: elements, attributes and text, indented, everything escaped. Attributes are pairs of
 * strings ended by NULL; a pair whose value is NULL is left out. Characters that XML 1.0 cannot
 * hold are replaced. Errors, unbalanced elements among them, stay in the buffer (p2v_buf_check).
 */

#include "p2v/core/buf.h"

#define EMIT_XML_DEPTH 16

struct emit_xml {
	struct p2v_buf *out;
	const char *open[EMIT_XML_DEPTH];
	unsigned depth;
};

void emit_xml_start(struct emit_xml *xml, const char *name, ...) __attribute__((sentinel));
void emit_xml_empty(struct emit_xml *xml, const char *name, ...) __attribute__((sentinel));
/* <name ...>text</name> */
void emit_xml_text(struct emit_xml *xml, const char *name, const char *text, ...)
	__attribute__((sentinel));
void emit_xml_end(struct emit_xml *xml);

#endif
