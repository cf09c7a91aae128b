/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/emit/xml.h"

#include <stdarg.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/text.h"

static const struct {
	char c;
	const char *entity;
} entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&apos;"}};

/* U+FFFE and U+FFFF are well-formed UTF-8 but no characters of XML. */
static bool is_nonchar(const uint8_t *p, size_t left)
{
	return left >= 3 && p[0] == 0xef && p[1] == 0xbf && (p[2] == 0xbe || p[2] == 0xbf);
}

static void escape(struct p2v_buf *out, const char *text)
{
	p2v_autobuf struct p2v_buf safe = {0};

	p2v_text_add_printable(&safe, text);
	out->failed |= safe.failed;
	for (size_t i = 0; i < safe.len; i++) {
		size_t e = 0;

		while (e < P2V_N(entities) && entities[e].c != (char)safe.data[i])
			e++;
		if (e < P2V_N(entities)) {
			p2v_buf_add_str(out, entities[e].entity);
		} else if (is_nonchar(&safe.data[i], safe.len - i)) {
			p2v_buf_add_str(out, "?");
			i += 2;
		} else {
			p2v_buf_add_u8(out, safe.data[i]);
		}
	}
}

static void indent(struct emit_xml *xml)
{
	for (unsigned i = 0; i < xml->depth; i++)
		p2v_buf_add_str(xml->out, "  ");
}

static void open_tag(struct emit_xml *xml, const char *name, va_list ap)
{
	const char *key;

	indent(xml);
	p2v_buf_addf(xml->out, "<%s", name);
	while ((key = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);

		if (!value)
			continue;
		p2v_buf_addf(xml->out, " %s='", key);
		escape(xml->out, value);
		p2v_buf_add_str(xml->out, "'");
	}
}

void emit_xml_start(struct emit_xml *xml, const char *name, ...)
{
	va_list ap;

	if (xml->depth == EMIT_XML_DEPTH) {
		xml->out->failed = true;
		return;
	}
	va_start(ap, name);
	open_tag(xml, name, ap);
	va_end(ap);
	p2v_buf_add_str(xml->out, ">\n");
	xml->open[xml->depth++] = name;
}

void emit_xml_empty(struct emit_xml *xml, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	open_tag(xml, name, ap);
	va_end(ap);
	p2v_buf_add_str(xml->out, "/>\n");
}

void emit_xml_text(struct emit_xml *xml, const char *name, const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	open_tag(xml, name, ap);
	va_end(ap);
	p2v_buf_add_str(xml->out, ">");
	escape(xml->out, text);
	p2v_buf_addf(xml->out, "</%s>\n", name);
}

void emit_xml_end(struct emit_xml *xml)
{
	if (xml->depth == 0) {
		xml->out->failed = true;
		return;
	}
	xml->depth--;
	indent(xml);
	p2v_buf_addf(xml->out, "</%s>\n", xml->open[xml->depth]);
}
