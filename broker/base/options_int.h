/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the option table share. */
#ifndef TERCET_BROKER_BASE_OPTIONS_INT_H
#define TERCET_BROKER_BASE_OPTIONS_INT_H

#include "broker/base/options.h"

/* The most of a refused value that an error message repeats. */
#define OPTION_SHOWN_BYTES 100

/* "a number, 1 to 9": what an error message and the manual page say of a value. */
void option_format_expected(struct text *to, const struct option *o);

#endif
