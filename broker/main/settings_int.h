/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of all options, for the files that read settings by them. */
#ifndef TERCET_BROKER_MAIN_SETTINGS_INT_H
#define TERCET_BROKER_MAIN_SETTINGS_INT_H

#include <stddef.h>

#include "broker/base/options.h"
#include "broker/main/settings.h"

enum {
    SECTION_HEAD, /* of the file; the command line's too */
    SECTION_LISTENER,
    SECTION_STREAM,
    SECTION_USER,
    SECTION_BRIDGE,
    SETTINGS_SECTIONS
};

extern const struct option_section settings_sections[SETTINGS_SECTIONS];

/* Of names that an operator gives: a listener, a user of the system. */
#define NAME_MAX_BYTES 64

#define HEAD     (&settings_sections[SECTION_HEAD])
#define LISTENER (&settings_sections[SECTION_LISTENER])
#define STREAM   (&settings_sections[SECTION_STREAM])
#define USER     (&settings_sections[SECTION_USER])

/* The row of an option that is in the table. */
unsigned settings_row_of(const struct option_section *section, const char *name);

/* ---- settings_begin.c: struct option_section's begin; `arg` is the struct settings ---- */
void *settings_begin_listener(void *arg, struct slice name, struct text *why);
void *settings_begin_stream(void *arg, struct slice name, struct text *why);
void *settings_begin_user(void *arg, struct slice name, struct text *why);

/* How far from a section's link its name is. */
#define LINK_TO_NAME(type, name) ((ptrdiff_t)offsetof(type, name) - (ptrdiff_t)offsetof(type, link))
/* May one more section of that name, a char *, join the list? RC_EXISTS: one has the name.
 * RC_LIMIT: there are `max`. */
MUST_CHECK enum rc settings_check_name(const struct list *sections, ptrdiff_t link_to_name,
                                       struct slice name, unsigned max);

#endif
