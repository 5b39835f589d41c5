/* SPDX-License-Identifier: Apache-2.0 */
/* The option table as --help, manual page and sample configuration. */
#include <string.h>

#include "broker/base/options_int.h"
#include "broker/base/text.h"

#define HELP_COLUMN 30
#define HELP_WIDTH  98

/* "--log-level LEVEL" */
static void write_flag(struct text *to, const struct option *o)
{
    text_format(to, "--");
    for (const char *c = o->name; *c != '\0'; c++)
        text_add_byte(to, (uint8_t)(*c == '_' ? '-' : *c));
    if (o->type != OPTION_SWITCH)
        text_format(to, " %s", o->argument == NULL ? "VALUE" : o->argument);
}

/* Words of `what`, broken into lines that begin at `column` with `before`. */
static void write_wrapped(struct text *to, const char *what, size_t column, const char *before)
{
    size_t at = column;

    while (*what != '\0') {
        size_t len = strcspn(what, " ");

        if (at > column && at + 1 + len > HELP_WIDTH) {
            text_format(to, "\n%s%*s", before, (int)(column - strlen(before)), "");
            at = column;
        } else if (at > column) {
            text_add_byte(to, ' ');
            at++;
        }
        text_add(to, slice_of(what, len));
        at += len;
        what += len + (what[len] == ' ' ? 1 : 0);
    }
    text_add_byte(to, '\n');
}

static bool has_default(const struct option *o)
{
    return o->fallback != NULL && o->fallback[0] != '\0';
}

void options_write_help(const struct option_section *section, struct text *to)
{
    for (unsigned i = 0; i < section->count; i++) {
        const struct option *o = &section->options[i];
        size_t before = to->len;
        struct text sentence = { 0 };

        if ((o->where & OPTION_ON_LINE) == 0)
            continue;
        text_format(to, "  ");
        write_flag(to, o);
        if (to->len - before >= HELP_COLUMN)
            text_format(to, "\n%*s", HELP_COLUMN, "");
        else
            text_format(to, "%*s", (int)(HELP_COLUMN - (to->len - before)), "");
        text_format(&sentence, "%s", o->what);
        if (has_default(o) && o->type != OPTION_SWITCH)
            text_format(&sentence, " [%s]", o->fallback);
        text_add_byte(&sentence, '\0');
        write_wrapped(to, (const char *)sentence.at, HELP_COLUMN, "");
        text_done(&sentence);
    }
}

static void write_sample_option(const struct option *o, struct text *to)
{
    struct text sentence = { 0 };

    text_format(&sentence, "%s Expected: ", o->what);
    option_format_expected(&sentence, o);
    text_format(&sentence, ".");
    text_add_byte(&sentence, '\0');
    text_format(to, "\n# ");
    write_wrapped(to, (const char *)sentence.at, 2, "#");
    text_done(&sentence);
    text_format(to, "#%s =%s%s\n", o->name, has_default(o) ? " " : "",
                has_default(o) ? o->fallback : "");
}

void options_write_sample(const struct option_section *sections, unsigned count, struct text *to)
{
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            text_format(to, "\n");
        text_format(to, "# ");
        write_wrapped(to, sections[i].what, 2, "#");
        if (sections[i].kind != NULL)
            text_format(to, "#[%s NAME]\n", sections[i].kind);
        for (unsigned j = 0; j < sections[i].count; j++)
            if ((sections[i].options[j].where & OPTION_IN_FILE) != 0)
                write_sample_option(&sections[i].options[j], to);
    }
}

void options_write_troff(struct text *to, const char *text)
{
    bool is_line_start = true;

    for (const char *c = text; *c != '\0'; c++) {
        if (is_line_start && (*c == '.' || *c == '\''))
            text_format(to, "\\&");
        if (*c == '-')
            text_format(to, "\\-");
        else if (*c == '\\')
            text_format(to, "\\e");
        else
            text_add_byte(to, (uint8_t)*c);
        is_line_start = *c == '\n';
    }
}

static void write_man_option(const struct option *o, struct text *to)
{
    struct text line = { 0 };
    const char *value = o->argument;

    if (value == NULL)
        value = o->type == OPTION_SWITCH ? "yes|no" : "VALUE";
    text_format(to, ".TP\n\\fB%s\\fR = \\fI%s\\fR\n", o->name, value);
    text_format(&line, "%s\nExpected: ", o->what);
    option_format_expected(&line, o);
    text_format(&line, ".");
    if (has_default(o))
        text_format(&line, " Default: %s.", o->fallback);
    if ((o->where & OPTION_REPEATED) != 0)
        text_format(&line, " It may be given again.");
    if ((o->where & OPTION_RELOAD) != 0)
        text_format(&line, " A reload takes it up.");
    text_add_byte(&line, '\0');
    options_write_troff(to, (const char *)line.at);
    text_add_byte(to, '\n');
    if ((o->where & OPTION_ON_LINE) != 0) {
        text_clear(&line);
        write_flag(&line, o);
        text_add_byte(&line, '\0');
        text_format(to, "On the command line: \\fB");
        options_write_troff(to, (const char *)line.at);
        text_format(to, "\\fR.\n");
    }
    text_done(&line);
}

void options_write_man(const struct option_section *sections, unsigned count, struct text *to)
{
    for (unsigned i = 0; i < count; i++) {
        if (sections[i].kind == NULL)
            text_format(to, ".SS At the head of the file\n");
        else
            text_format(to, ".SS Section [%s NAME]\n", sections[i].kind);
        options_write_troff(to, sections[i].what);
        text_add_byte(to, '\n');
        for (unsigned j = 0; j < sections[i].count; j++)
            if ((sections[i].options[j].where & OPTION_IN_FILE) != 0)
                write_man_option(&sections[i].options[j], to);
    }
}
