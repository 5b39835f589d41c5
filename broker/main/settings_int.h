/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of all options, for the files that read settings by them. */
#ifndef TERCET_BROKER_MAIN_SETTINGS_INT_H
#define TERCET_BROKER_MAIN_SETTINGS_INT_H

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

#define HEAD     (&settings_sections[SECTION_HEAD])
#define LISTENER (&settings_sections[SECTION_LISTENER])
#define STREAM   (&settings_sections[SECTION_STREAM])
#define USER     (&settings_sections[SECTION_USER])

#endif
