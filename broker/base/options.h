/* SPDX-License-Identifier: Apache-2.0 */
/* Options from one table: the configuration file, the command line, --help, the manual page and the
 * sample configuration all come from its rows. */
#ifndef TERCET_BROKER_BASE_OPTIONS_H
#define TERCET_BROKER_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct text;

enum option_type {
    OPTION_SWITCH, /* bool: yes or no; on the command line it takes no value */
    OPTION_NUMBER, /* uint64_t in min..max */
    OPTION_BYTES,  /* uint64_t in min..max; k, m and g are 1024 and its powers */
    OPTION_TIME,   /* uint64_t of milliseconds in min..max; ms, s, m, h or d must follow */
    OPTION_TEXT,   /* char *, owned, of min..max bytes; NULL when not set and without default */
    OPTION_CHOICE, /* unsigned: index of one of `choices` */
};

/* Where an option may stand, and what a change needs. */
enum {
    OPTION_IN_FILE = 1,
    OPTION_ON_LINE = 2,  /* "log_level" is --log-level there */
    OPTION_RELOAD = 4,   /* takes effect at a reload of the configuration */
    OPTION_REPEATED = 8, /* a text that may be given again: all of them, a line each */
};

struct option {
    const char *name;
    enum option_type type;
    const char *fallback; /* the default, as one would write it; NULL: zero, no, none */
    uint64_t min;
    uint64_t max;
    const char *const *choices; /* NULL-terminated */
    unsigned where;
    size_t at;            /* where in the settings the value goes */
    const char *argument; /* what --help calls the value: "DIR" */
    const char *what;     /* a sentence */
};

#define OPTIONS_MAX 128

/* Which rows were given. */
struct option_marks {
    uint64_t bits[OPTIONS_MAX / 64];
};

/* Options that stand together: those at the head of the file, or a [kind NAME]. */
struct option_section {
    const char *kind; /* NULL: the head */
    const char *what; /* a sentence for manual page and sample */
    const struct option *options;
    unsigned count;  /* at most OPTIONS_MAX */
    size_t given_at; /* a struct option_marks of the settings */
    /* The settings of the section [kind name], defaults set. NULL: `why` says why not. */
    void *(*begin)(void *arg, struct slice name, struct text *why);
};

/* A configuration is written by people. */
#define OPTIONS_FILE_MAX_BYTES ((size_t)1 << 20)
/* After so many errors in a file the rest of it is not looked at. */
#define OPTIONS_ERRORS_MAX 20

void options_set_defaults(const struct option_section *section, void *settings);
/* Frees the texts. */
void options_done(const struct option_section *section, void *settings);
static inline bool option_is_given(const struct option_section *section, const void *settings,
                                   unsigned row)
{
    const struct option_marks *given = (const void *)((const char *)settings + section->given_at);

    return (given->bits[row / 64] >> row % 64 & 1) != 0;
}
/* Sets one option from its text. RC_INVALID: nothing was changed, and `why` says what is expected.
 */
MUST_CHECK enum rc option_set(const struct option_section *section, unsigned row, void *settings,
                              struct slice value, struct text *why);

/* Reads a configuration: `key = value` lines under [kind NAME] heads, `#` comments on lines of
 * their own. sections[0] is the head of the file and fills `head`; the others ask their begin(arg,
 * ...). RC_INVALID: each line of `errors` is "file:line: what is wrong and what is expected". */
MUST_CHECK enum rc options_read(const struct option_section *sections, unsigned count, void *head,
                                void *arg, const char *file, struct slice text,
                                struct text *errors);
/* Reads a command line: --name value, --name=value, --switch. RC_INVALID as above, without file. */
MUST_CHECK enum rc options_read_line(const struct option_section *section, void *settings, int argc,
                                     const char *const argv[], struct text *errors);

void options_write_help(const struct option_section *section, struct text *to);
/* A configuration file in which every option stands as a comment with its default. */
void options_write_sample(const struct option_section *sections, unsigned count, struct text *to);
/* The OPTIONS part of a manual page, in man(7) macros. */
void options_write_man(const struct option_section *sections, unsigned count, struct text *to);
/* Text for man(7): what troff would take for its own is escaped. */
void options_write_troff(struct text *to, const char *text);

#endif
