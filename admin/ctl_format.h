/* SPDX-License-Identifier: Apache-2.0 */
/* How the tool `tercet` prints a message that arrived. */
#ifndef TERCET_ADMIN_CTL_FORMAT_H
#define TERCET_ADMIN_CTL_FORMAT_H

#include "admin/ctl.h"
#include "broker/base/text.h"

/* Adds the message to `out` as `format` says: see tercet(1). The word json: one object a line. */
void ctl_format(struct text *out, const char *format, const struct ctl_message *message);

#endif
