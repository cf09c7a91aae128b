/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/proc.h"
