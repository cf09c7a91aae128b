/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_TESTS_WIRE_SAMPLES_H
#define P2V_TESTS_WIRE_SAMPLES_H

/* One message of each type with telling values in each field. */

#include "p2v/wire/msg.h"

/* The sample of this type, WIRE_HELLO..WIRE_LOG; what it points to is static. */
struct wire_msg sample_of(enum wire_type type);

#endif
