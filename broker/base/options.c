/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/options.h"

#include <inttypes.h>
#include <string.h>

#include "broker/base/mem.h"
#include "broker/base/near.h"
#include "broker/base/number.h"
#include "broker/base/options_int.h"
#include "broker/base/text.h"
#include "broker/base/utf8.h"

static const struct {
    const char *name;
    uint64_t ms;
} time_units[] = {
    { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }
};

#define TIME_UNITS (sizeof(time_units) / sizeof(time_units[0]))

/* ---- values as text ---- */

static void option_format_bytes(struct text *to, uint64_t bytes)
{
    static const char units[] = "gmk";

    for (unsigned i = 0; i < 3; i++) {
        unsigned shift = 30 - 10 * i;

        if (bytes != 0 && (bytes & ((UINT64_C(1) << shift) - 1)) == 0) {
            text_format(to, "%" PRIu64 "%c", bytes >> shift, units[i]);
            return;
        }
    }
    text_format(to, "%" PRIu64, bytes);
}

static void option_format_time(struct text *to, uint64_t ms)
{
    for (size_t i = TIME_UNITS; i-- > 0;) {
        if (ms % time_units[i].ms == 0 && (ms != 0 || i == 1)) {
            text_format(to, "%" PRIu64 "%s", ms / time_units[i].ms, time_units[i].name);
            return;
        }
    }
    text_format(to, "0s");
}

static void format_range(struct text *to, const struct option *o,
                         void (*format)(struct text *to, uint64_t value))
{
    format(to, o->min);
    text_format(to, " to ");
    format(to, o->max);
}

static void format_number(struct text *to, uint64_t n)
{
    text_format(to, "%" PRIu64, n);
}

void option_format_expected(struct text *to, const struct option *o)
{
    switch (o->type) {
    case OPTION_SWITCH:
        text_format(to, "yes or no");
        return;
    case OPTION_NUMBER:
        text_format(to, "a number, ");
        format_range(to, o, format_number);
        return;
    case OPTION_BYTES:
        text_format(to, "bytes, with k, m or g for 1024 and its powers, ");
        format_range(to, o, option_format_bytes);
        return;
    case OPTION_TIME:
        text_format(to, "a time with its unit (ms, s, m, h or d), ");
        format_range(to, o, option_format_time);
        return;
    case OPTION_TEXT:
        if (o->min == 0)
            text_format(to, "at most %" PRIu64 " bytes of text", o->max);
        else
            text_format(to, "%" PRIu64 " to %" PRIu64 " bytes of text", o->min, o->max);
        return;
    case OPTION_CHOICE:
        text_format(to, "one of");
        for (unsigned i = 0; o->choices[i] != NULL; i++)
            text_format(to, "%s %s", i == 0 ? "" : ",", o->choices[i]);
        return;
    }
}

/* ---- text as values ---- */

static enum rc parse_switch(struct slice value, bool *ret)
{
    static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_equal_str(value, words[i])) {
            *ret = i % 2 == 1;
            return RC_OK;
        }
    }
    return RC_INVALID;
}

static enum rc parse_time(struct slice value, const struct option *o, uint64_t *ret)
{
    size_t digits = 0;
    uint64_t n;

    while (digits < value.len && value.at[digits] >= '0' && value.at[digits] <= '9')
        digits++;
    if (slice_equal_str(value, "0")) { /* nothing has no unit */
        *ret = 0;
        return o->min == 0 ? RC_OK : RC_RANGE;
    }
    for (size_t i = 0; i < TIME_UNITS; i++) {
        if (!slice_equal_str(slice_after(value, digits), time_units[i].name))
            continue;
        if (number_u64(slice_of(value.at, digits), 0, UINT64_MAX / time_units[i].ms, &n) != RC_OK)
            return RC_RANGE;
        *ret = n * time_units[i].ms;
        return *ret >= o->min && *ret <= o->max ? RC_OK : RC_RANGE;
    }
    return RC_INVALID;
}

static enum rc parse_choice(struct slice value, const struct option *o, unsigned *ret)
{
    for (unsigned i = 0; o->choices[i] != NULL; i++) {
        if (slice_equal_str(value, o->choices[i])) {
            *ret = i;
            return RC_OK;
        }
    }
    return RC_INVALID;
}

static enum rc add_line(struct slice value, char **ret)
{
    size_t before = strlen(*ret);

    *ret = mem_resize(*ret, before + 1 + value.len + 1);
    (*ret)[before] = '\n';
    memcpy(*ret + before + 1, value.at, value.len);
    (*ret)[before + 1 + value.len] = '\0';
    return RC_OK;
}

static enum rc parse_text(struct slice value, const struct option *o, char **ret)
{
    if (value.len < o->min || value.len > o->max || !utf8_is_valid(value))
        return RC_INVALID;
    if (value.len > 0 && memchr(value.at, '\0', value.len) != NULL)
        return RC_INVALID;
    if (*ret != NULL && (o->where & OPTION_REPEATED) != 0)
        return add_line(value, ret);
    mem_free(*ret);
    *ret = mem_copy_text(value);
    return RC_OK;
}

static enum rc parse(const struct option *o, void *at, struct slice value)
{
    uint64_t number = 0;
    enum rc rc = RC_INVALID;

    switch (o->type) {
    case OPTION_SWITCH:
        return parse_switch(value, at);
    case OPTION_TEXT:
        return parse_text(value, o, at);
    case OPTION_CHOICE:
        return parse_choice(value, o, at);
    case OPTION_NUMBER:
        rc = number_u64(value, o->min, o->max, &number);
        break;
    case OPTION_BYTES:
        rc = number_bytes(value, o->min, o->max, &number);
        break;
    case OPTION_TIME:
        rc = parse_time(value, o, &number);
        break;
    }
    if (rc == RC_OK)
        *(uint64_t *)at = number;
    return rc;
}

static void *place(const struct option *o, void *settings)
{
    return (char *)settings + o->at;
}

static struct option_marks *given(const struct option_section *section, void *settings)
{
    return (void *)((char *)settings + section->given_at);
}

void options_set_defaults(const struct option_section *section, void *settings)
{
    ASSERT(section->count <= OPTIONS_MAX);
    for (unsigned i = 0; i < section->count; i++) {
        const struct option *o = &section->options[i];

        if (o->fallback != NULL)
            ASSERT(parse(o, place(o, settings), slice_str(o->fallback)) == RC_OK);
    }
    *given(section, settings) = (struct option_marks){ 0 };
}

void options_done(const struct option_section *section, void *settings)
{
    for (unsigned i = 0; i < section->count; i++) {
        const struct option *o = &section->options[i];

        if (o->type == OPTION_TEXT)
            MEM_FREE(*(char **)place(o, settings));
    }
}

enum rc option_set(const struct option_section *section, unsigned row, void *settings,
                   struct slice value, struct text *why)
{
    const struct option *o = &section->options[row];
    size_t shown = value.len > OPTION_SHOWN_BYTES ? OPTION_SHOWN_BYTES : value.len;

    if (parse(o, place(o, settings), value) != RC_OK) {
        text_format(why, "%s: expected ", o->name);
        option_format_expected(why, o);
        text_format(why, "; found \"%.*s\"", (int)shown, (const char *)value.at);
        return RC_INVALID;
    }
    given(section, settings)->bits[row / 64] |= UINT64_C(1) << row % 64;
    return RC_OK;
}

/* ---- the command line ---- */

/* "log-level" names the option log_level. */
static bool is_spelled(const struct option *o, struct slice name)
{
    size_t len = strlen(o->name);

    if (name.len != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char want = o->name[i] == '_' ? '-' : o->name[i];

        if ((char)name.at[i] != want)
            return false;
    }
    return true;
}

static int find_on_line(const struct option_section *section, struct slice name)
{
    for (unsigned i = 0; i < section->count; i++)
        if ((section->options[i].where & OPTION_ON_LINE) != 0 &&
            is_spelled(&section->options[i], name))
            return (int)i;
    return -1;
}

static void refuse_on_line(const struct option_section *section, struct slice name,
                           struct text *why)
{
    struct near near = near_to(name);

    for (unsigned i = 0; i < section->count; i++) {
        const struct option *o = &section->options[i];

        if ((o->where & OPTION_ON_LINE) != 0)
            near_look(&near, o->name);
    }
    text_format(why, "--%.*s: no such option; ", SLICE_FMT(name));
    for (unsigned i = 0; i < section->count; i++) {
        if (!is_spelled(&section->options[i], name))
            continue;
        text_format(why, "a configuration file has %s; ", section->options[i].name);
        near.word = NULL;
    }
    if (near.word != NULL) {
        text_format(why, "did you mean --");
        for (const char *at = near.word; *at != '\0'; at++)
            text_add_byte(why, *at == '_' ? '-' : (uint8_t)*at);
        text_format(why, "? ");
    }
    text_format(why, "see --help");
}

/* Reads the option at argv[*at] and moves *at to its last word. */
static enum rc read_argument(const struct option_section *section, void *settings, int argc,
                             const char *const argv[], int *at, struct text *why)
{
    struct slice word = slice_str(argv[*at]);
    struct slice name = slice_after(word, 2);
    struct slice value = SLICE_NONE;
    const uint8_t *equals = memchr(word.at, '=', word.len);
    int row;

    if (!slice_starts(word, SLICE("--")) || word.len == 2) {
        text_format(why, "%s: not an option; see --help", argv[*at]);
        return RC_INVALID;
    }
    if (equals != NULL) {
        name.len = (size_t)(equals - name.at);
        value = slice_after(word, (size_t)(equals - word.at) + 1);
    }
    row = find_on_line(section, name);
    if (row < 0) {
        refuse_on_line(section, name, why);
        return RC_INVALID;
    }
    if (slice_is_none(value) && section->options[row].type == OPTION_SWITCH)
        value = SLICE("yes");
    if (slice_is_none(value) && *at + 1 < argc)
        value = slice_str(argv[++*at]);
    if (slice_is_none(value)) {
        text_format(why, "--%.*s: a value must follow", SLICE_FMT(name));
        return RC_INVALID;
    }
    return option_set(section, (unsigned)row, settings, value, why);
}

enum rc options_read_line(const struct option_section *section, void *settings, int argc,
                          const char *const argv[], struct text *errors)
{
    for (int at = 1; at < argc; at++) {
        enum rc rc = read_argument(section, settings, argc, argv, &at, errors);

        if (rc != RC_OK) {
            text_add_byte(errors, '\n');
            return rc;
        }
    }
    return RC_OK;
}
