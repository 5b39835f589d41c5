/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: lines of `key = value` under `[kind NAME]` heads. */
#include <inttypes.h>
#include <string.h>

#include "broker/base/near.h"
#include "broker/base/options_int.h"
#include "broker/base/text.h"

struct reader {
    const struct option_section *sections;
    unsigned count;
    void *arg;
    const char *file;
    struct text *errors;
    unsigned error_count;
    unsigned line;
    const struct option_section *section; /* NULL: its head was wrong, its lines are passed over */
    void *settings;
    struct option_marks seen; /* rows of the section that this file has set */
};

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = slice_after(s, 1);
    while (s.len > 0 &&
           (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t' || s.at[s.len - 1] == '\r'))
        s.len--;
    return s;
}

/* Starts an error message; the caller adds what is wrong and ends it. */
static struct text *begin_error(struct reader *r)
{
    r->error_count++;
    text_format(r->errors, "%s:%u: ", r->file, r->line);
    return r->errors;
}

static void end_error(struct reader *r)
{
    text_add_byte(r->errors, '\n');
}

static void name_sections(const struct reader *r)
{
    for (unsigned i = 1; i < r->count; i++)
        text_format(r->errors, "%s[%s NAME]", i == 1 ? "" : " or ", r->sections[i].kind);
}

static const struct option_section *find_section(const struct reader *r, struct slice kind)
{
    for (unsigned i = 1; i < r->count; i++)
        if (slice_equal_str(kind, r->sections[i].kind))
            return &r->sections[i];
    return NULL;
}

/* [kind NAME] */
static void read_head(struct reader *r, struct slice line)
{
    struct slice inside = trimmed(slice_of(line.at + 1, line.len - 1));
    struct slice kind, name;
    size_t at = 0;

    r->section = NULL;
    r->seen = (struct option_marks){ 0 };
    if (inside.len == 0 || inside.at[inside.len - 1] != ']') {
        text_format(begin_error(r), "a section's head ends with ]");
        end_error(r);
        return;
    }
    inside.len--;
    inside = trimmed(inside);
    while (at < inside.len && inside.at[at] != ' ' && inside.at[at] != '\t')
        at++;
    kind = slice_of(inside.at, at);
    name = trimmed(slice_after(inside, at));
    r->section = find_section(r, kind);
    if (r->section == NULL || name.len == 0) {
        r->section = NULL;
        text_format(begin_error(r), "expected ");
        name_sections(r);
        end_error(r);
        return;
    }
    begin_error(r);
    r->error_count--; /* not yet one: the message is kept only when begin() refuses */
    r->settings = r->section->begin(r->arg, name, r->errors);
    if (r->settings == NULL) {
        r->error_count++;
        r->section = NULL;
        end_error(r);
    }
}

static int find_option(const struct option_section *section, struct slice key)
{
    for (unsigned i = 0; i < section->count; i++)
        if ((section->options[i].where & OPTION_IN_FILE) != 0 &&
            slice_equal_str(key, section->options[i].name))
            return (int)i;
    return -1;
}

/* Where else it may stand; else what may stand here that is spelled nearly so. */
static void add_hint(struct reader *r, struct slice key)
{
    struct near near = near_to(key);

    for (unsigned i = 0; i < r->count; i++) {
        const struct option_section *section = &r->sections[i];

        if (find_option(section, key) < 0)
            continue;
        if (section->kind == NULL)
            text_format(r->errors, "; it stands at the head of the file, before all sections");
        else
            text_format(r->errors, "; it stands in a section [%s NAME]", section->kind);
        return;
    }
    for (unsigned i = 0; i < r->section->count; i++)
        if ((r->section->options[i].where & OPTION_IN_FILE) != 0)
            near_look(&near, r->section->options[i].name);
    if (near.word != NULL)
        text_format(r->errors, "; did you mean %s?", near.word);
}

static void refuse_key(struct reader *r, struct slice key)
{
    size_t shown = key.len > OPTION_SHOWN_BYTES ? OPTION_SHOWN_BYTES : key.len;

    text_format(begin_error(r), "no option \"%.*s\" %s%s", (int)shown, (const char *)key.at,
                r->section->kind == NULL ? "at the head of the file" : "in a section ",
                r->section->kind == NULL ? "" : r->section->kind);
    add_hint(r, key);
    end_error(r);
}

/* Gives whether it was set before. */
static bool mark(struct option_marks *marks, unsigned row)
{
    uint64_t bit = UINT64_C(1) << row % 64, *bits = &marks->bits[row / 64];
    bool was_set = (*bits & bit) != 0;

    *bits |= bit;
    return was_set;
}

/* key = value, the value perhaps in quotation marks */
static void read_pair(struct reader *r, struct slice line)
{
    const uint8_t *equals = memchr(line.at, '=', line.len);
    struct slice key, value;
    bool is_repeated;
    int row;

    if (equals == NULL) {
        text_format(begin_error(r), "expected key = value");
        end_error(r);
        return;
    }
    key = trimmed(slice_of(line.at, (size_t)(equals - line.at)));
    value = trimmed(slice_after(line, (size_t)(equals - line.at) + 1));
    row = find_option(r->section, key);
    if (row < 0) {
        refuse_key(r, key);
        return;
    }
    is_repeated = (r->section->options[row].where & OPTION_REPEATED) != 0;
    /* a line of a list has words, each of which may stand in quotation marks */
    if (!is_repeated && value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
        value = slice_of(value.at + 1, value.len - 2);
    if (!is_repeated && mark(&r->seen, (unsigned)row)) {
        text_format(begin_error(r), "%s: set twice here", r->section->options[row].name);
        end_error(r);
        return;
    }
    begin_error(r);
    if (option_set(r->section, (unsigned)row, r->settings, value, r->errors) == RC_OK)
        r->error_count--;
    else
        end_error(r);
}

/* The messages are begun before it is known whether there is an error: one that is none is taken
 * back. */
static void read_line(struct reader *r, struct slice line)
{
    size_t before = r->errors->len;
    unsigned count = r->error_count;

    line = trimmed(line);
    if (line.len == 0 || line.at[0] == '#')
        return;
    if (line.at[0] == '[')
        read_head(r, line);
    else if (r->section != NULL)
        read_pair(r, line);
    if (r->error_count == count)
        r->errors->len = before;
}

enum rc options_read(const struct option_section *sections, unsigned count, void *head, void *arg,
                     const char *file, struct slice text, struct text *errors)
{
    struct reader r = { .sections = sections,
                        .count = count,
                        .arg = arg,
                        .file = file,
                        .errors = errors,
                        .section = &sections[0],
                        .settings = head };

    if (text.len > OPTIONS_FILE_MAX_BYTES) {
        text_format(errors, "%s: larger than %zu bytes\n", file, OPTIONS_FILE_MAX_BYTES);
        return RC_INVALID;
    }
    while (text.len > 0 && r.error_count < OPTIONS_ERRORS_MAX) {
        const uint8_t *end = memchr(text.at, '\n', text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.at);

        r.line++;
        read_line(&r, slice_of(text.at, len));
        text = slice_after(text, end == NULL ? len : len + 1);
    }
    return r.error_count == 0 ? RC_OK : RC_INVALID;
}
