/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/mosquitto_conf.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/mem.h"
#include "broker/base/options.h"
#include "broker/base/text.h"
#include "broker/base/utf8.h"

#define TEXT_MAX          65535 /* what mosquitto takes as one value */
#define SHOWN_MAX_BYTES   80
#define NUMBER_MAX_DIGITS 15 /* 16 to this power fits in 63 bits */

/* The rows, each word with its prefix. */
#define SHAPE_SWITCH   MOSQUITTO_SWITCH
#define SHAPE_NUMBER   MOSQUITTO_NUMBER
#define SHAPE_TEXT     MOSQUITTO_TEXT
#define SHAPE_WORDS    MOSQUITTO_WORDS
#define SHAPE_LISTENER MOSQUITTO_LISTENER_LINE
#define FATE_DONE      MOSQUITTO_DONE, MOSQUITTO_OPTION_COUNT
#define FATE_MOOT      MOSQUITTO_MOOT, MOSQUITTO_OPTION_COUNT
#define FATE_WARNED    MOSQUITTO_WARNED, MOSQUITTO_OPTION_COUNT
#define FATE_REFUSED   MOSQUITTO_REFUSED, MOSQUITTO_OPTION_COUNT
#define FATE_SAME(id)  MOSQUITTO_SAME, MOSQUITTO_##id

const struct mosquitto_option mosquitto_options[MOSQUITTO_OPTION_COUNT] = {
#define X(id, name, shape, scope, fate, least, most, what) \
    [MOSQUITTO_##                                          \
        id] = { name, SHAPE_##shape, MOSQUITTO_IN_##scope, FATE_##fate, least, most, what },
#include "broker/main/mosquitto_options.def"
#undef X
};

/* The name of a file that was read. */
struct file_name {
    struct link link;
    char name[];
};

/* One file on its way. */
struct place {
    struct mosquitto_conf *conf;
    const char *file;
    unsigned line;
    struct mosquitto_scope *listener; /* the one above; the default one at first */
    struct mosquitto_scope *bridge;   /* NULL: none above */
    bool is_included;
};

/* ---- telling ---- */

__attribute__((format(printf, 5, 0))) static void tell(const struct mosquitto_conf *conf,
                                                       const struct mosquitto_value *at,
                                                       struct text *to, const char *kind,
                                                       const char *format, va_list list)
{
    if (at->file == NULL) /* what was not given */
        text_format(to, "%s: %s", conf->path, kind);
    else
        text_format(to, "%s:%u: %s", at->file, at->line, kind);
    text_format_list(to, format, list);
    text_add_byte(to, '\n');
}

void mosquitto_conf_error(struct mosquitto_conf *conf, const struct mosquitto_value *value,
                          const char *format, ...)
{
    va_list list;

    if (conf->error_count++ >= OPTIONS_ERRORS_MAX)
        return;
    va_start(list, format);
    tell(conf, value, conf->errors, "", format, list);
    va_end(list);
}

void mosquitto_conf_warn(struct mosquitto_conf *conf, const struct mosquitto_value *value,
                         const char *format, ...)
{
    va_list list;

    va_start(list, format);
    tell(conf, value, conf->warnings, "warning: ", format, list);
    va_end(list);
}

static struct mosquitto_value here(const struct place *p)
{
    return (struct mosquitto_value){ .file = p->file, .line = p->line };
}

/* ---- words ---- */

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = slice_after(s, 1);
    while (s.len > 0 && strchr(" \t\r\n\v\f", s.at[s.len - 1]) != NULL)
        s.len--;
    return s;
}

/* The first word; the rest without the blanks before it in *rest. */
static struct slice first_word(struct slice s, struct slice *rest)
{
    struct slice word = s = trim(s);

    word.len = 0;
    while (word.len < s.len && s.at[word.len] != ' ' && s.at[word.len] != '\t')
        word.len++;
    *rest = trim(slice_after(s, word.len));
    return word;
}

static int64_t digit_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : INT64_MAX;
}

/* C's notations of integers: decimal, 0 octal, 0x hexadecimal. */
static bool read_number(struct slice word, int64_t *ret)
{
    bool is_negative = word.len > 0 && word.at[0] == '-';
    int64_t base = 10, value = 0;

    if (word.len > 0 && (word.at[0] == '-' || word.at[0] == '+'))
        word = slice_after(word, 1);
    if (word.len > 2 && word.at[0] == '0' && (word.at[1] | 0x20) == 'x') {
        base = 16;
        word = slice_after(word, 2);
    } else if (word.len > 1 && word.at[0] == '0') {
        base = 8;
    }
    if (word.len == 0 || word.len > NUMBER_MAX_DIGITS)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        int64_t digit = digit_of(word.at[i]);

        if (digit >= base)
            return false;
        value = value * base + digit;
    }
    *ret = is_negative ? -value : value;
    return true;
}

static bool read_switch(struct slice word, int64_t *ret)
{
    *ret = slice_equal_str(word, "true") || slice_equal_str(word, "1");
    return *ret != 0 || slice_equal_str(word, "false") || slice_equal_str(word, "0");
}

struct slice mosquitto_next_line(struct slice *list)
{
    const uint8_t *end = list->len == 0 ? NULL : memchr(list->at, '\n', list->len);
    struct slice line = *list;

    if (end != NULL)
        line.len = (size_t)(end - list->at);
    *list = slice_after(*list, line.len + 1);
    return line;
}

struct slice mosquitto_next_word(struct slice *line)
{
    struct slice word;

    while (line->len > 0 && line->at[0] == ' ')
        *line = slice_after(*line, 1);
    word = *line;
    word.len = 0;
    while (word.len < line->len && word.at[word.len] != ' ')
        word.len++;
    *line = slice_after(*line, word.len);
    while (line->len > 0 && line->at[0] == ' ')
        *line = slice_after(*line, 1);
    return word;
}

/* ---- values ---- */

static void keep(struct mosquitto_value *value, const struct place *p, struct slice text)
{
    mem_free(value->text);
    value->text = mem_copy_text(text);
    value->file = p->file;
    value->line = p->line;
}

static void keep_more(struct mosquitto_value *value, const struct place *p, struct slice text)
{
    struct text both = { 0 };

    if (value->text != NULL)
        text_format(&both, "%s\n", value->text);
    text_add(&both, text);
    if (both.len <= TEXT_MAX && !both.bad) {
        keep(value, p, text_slice(&both));
    } else {
        struct mosquitto_value at = here(p);

        mosquitto_conf_error(p->conf, &at, "too many lines of this option");
    }
    text_done(&both);
}

static const char *check_text(struct slice text)
{
    if (text.len == 0)
        return "a value must follow";
    if (text.len > TEXT_MAX || !utf8_is_valid(text) || memchr(text.at, '\0', text.len) != NULL)
        return "the value is no text";
    return NULL;
}

/* Takes the rest of a line as the value of option `id`. */
static void take_value(const struct place *p, enum mosquitto_option_id id,
                       struct mosquitto_scope *scope, struct slice rest)
{
    const struct mosquitto_option *o = &mosquitto_options[id];
    struct mosquitto_value *value = &scope->values[id], at = here(p);
    struct slice after, word = first_word(rest, &after);
    int64_t number = 0;
    const char *wrong = NULL;

    switch (o->shape) {
    case MOSQUITTO_SWITCH:
        if (!read_switch(word, &number))
            wrong = "true or false must follow";
        break;
    case MOSQUITTO_LISTENER_LINE:
    case MOSQUITTO_NUMBER:
        if (!read_number(word, &number) || number < o->least || number > o->most) {
            mosquitto_conf_error(p->conf, &at, "%s: a number from %lld to %lld must follow",
                                 o->name, (long long)o->least, (long long)o->most);
            return;
        }
        break;
    case MOSQUITTO_TEXT:
        wrong = check_text(rest);
        if (wrong == NULL && value->text != NULL)
            wrong = "given twice";
        break;
    case MOSQUITTO_WORDS:
        wrong = check_text(rest);
        break;
    }
    if (wrong != NULL) {
        mosquitto_conf_error(p->conf, &at, "%s: %s", o->name, wrong);
        return;
    }
    if (o->shape == MOSQUITTO_WORDS)
        keep_more(value, p, rest);
    else
        keep(value, p,
             o->shape == MOSQUITTO_TEXT            ? rest
             : o->shape == MOSQUITTO_LISTENER_LINE ? after
                                                   : word);
    value->number = number;
}

/* ---- scopes ---- */

static struct mosquitto_scope *scope_new(const struct place *p, struct list *list)
{
    struct mosquitto_scope *scope;

    if (p->conf->scope_count == MOSQUITTO_SCOPES_MAX)
        return NULL;
    p->conf->scope_count++;
    scope = mem_new(struct mosquitto_scope);
    list_append(list, &scope->link);
    return scope;
}

static void scope_done(struct mosquitto_scope *scope)
{
    for (unsigned i = 0; i < MOSQUITTO_OPTION_COUNT; i++)
        mem_free(scope->values[i].text);
}

/* A block begins; its first line is its first value. */
static struct mosquitto_scope *begin(const struct place *p, enum mosquitto_option_id id)
{
    struct mosquitto_scope *scope =
        scope_new(p, id == MOSQUITTO_CONNECTION ? &p->conf->bridges : &p->conf->listeners);
    struct mosquitto_value at = here(p);

    if (scope == NULL)
        mosquitto_conf_error(p->conf, &at, "more than %u listeners and bridges",
                             MOSQUITTO_SCOPES_MAX);
    return scope;
}

static bool is_per_listener(const struct mosquitto_conf *conf)
{
    return mosquitto_number(&conf->head, MOSQUITTO_PER_LISTENER_SETTINGS, 0) != 0;
}

/* NULL: it may not stand here, and that was said. */
static struct mosquitto_scope *scope_of(const struct place *p, const struct mosquitto_option *o)
{
    struct mosquitto_value at = here(p);

    switch (o->scope) {
    case MOSQUITTO_IN_HEAD:
        return &p->conf->head;
    case MOSQUITTO_IN_DEFAULT:
        return &p->conf->main;
    case MOSQUITTO_IN_LISTENER:
        return p->listener;
    case MOSQUITTO_IN_SECURITY:
        return is_per_listener(p->conf) ? p->listener : &p->conf->head;
    case MOSQUITTO_IN_BRIDGE:
        break;
    }
    if (p->bridge == NULL)
        mosquitto_conf_error(p->conf, &at,
                             "%s belongs to a bridge, and there is no connection above", o->name);
    return p->bridge;
}

/* mosquitto asks for it before all that it changes. */
static void check_order(const struct place *p)
{
    struct mosquitto_value at = here(p);

    for (unsigned i = 0; i < MOSQUITTO_OPTION_COUNT; i++) {
        if (mosquitto_options[i].scope != MOSQUITTO_IN_SECURITY ||
            !mosquitto_is_given(&p->conf->head, (enum mosquitto_option_id)i))
            continue;
        mosquitto_conf_error(p->conf, &at, "per_listener_settings must stand before %s",
                             mosquitto_options[i].name);
        return;
    }
}

/* ---- lines ---- */

static bool find(struct slice word, enum mosquitto_option_id *ret)
{
    for (unsigned i = 0; i < MOSQUITTO_OPTION_COUNT; i++) {
        struct slice name = slice_str(mosquitto_options[i].name);

        *ret = (enum mosquitto_option_id)i;
        if (slice_equal(word, name))
            return true;
        if (name.at[name.len - 1] == '*' && slice_starts(word, slice_of(name.at, name.len - 1)) &&
            word.len >= name.len)
            return true;
    }
    return false;
}

/* What is not honoured says so at its line. */
static void judge(const struct place *p, enum mosquitto_option_id id, struct slice word,
                  const struct mosquitto_value *value)
{
    const struct mosquitto_option *o = &mosquitto_options[id];
    struct mosquitto_value at = here(p);

    if (value->text == NULL || value->line != p->line)
        return;
    if (o->fate == MOSQUITTO_WARNED)
        mosquitto_conf_warn(p->conf, &at, "%.*s is passed over. %s", SLICE_FMT(word), o->what);
    if (o->fate == MOSQUITTO_REFUSED && (o->shape != MOSQUITTO_SWITCH || value->number != 0))
        mosquitto_conf_error(p->conf, &at, "%.*s is refused. %s", SLICE_FMT(word), o->what);
}

static enum rc read_file(struct place *p, struct slice text);

static void include(const struct place *p, struct slice rest);

static void take_line(struct place *p, struct slice line)
{
    struct slice rest, word = first_word(line, &rest);
    struct mosquitto_value at = here(p);
    struct mosquitto_scope *scope;
    enum mosquitto_option_id id;

    if (!find(word, &id)) {
        mosquitto_conf_error(p->conf, &at, "mosquitto has no option %.*s%s",
                             word.len > SHOWN_MAX_BYTES ? SHOWN_MAX_BYTES : (int)word.len,
                             (const char *)word.at, word.len > SHOWN_MAX_BYTES ? ".." : "");
        return;
    }
    if (mosquitto_options[id].fate == MOSQUITTO_SAME)
        id = mosquitto_options[id].same;
    if (id == MOSQUITTO_INCLUDE_DIR) {
        include(p, rest);
        return;
    }
    if (id == MOSQUITTO_PER_LISTENER_SETTINGS)
        check_order(p);
    if (id == MOSQUITTO_LISTENER) {
        scope = begin(p, id);
        p->listener = scope == NULL ? &p->conf->main : scope;
    } else if (id == MOSQUITTO_CONNECTION) {
        scope = p->bridge = begin(p, id);
    } else {
        scope = scope_of(p, &mosquitto_options[id]);
    }
    if (scope == NULL)
        return;
    if (id == MOSQUITTO_PORT || id == MOSQUITTO_BIND_ADDRESS)
        p->listener = &p->conf->main;
    take_value(p, id, scope, rest);
    judge(p, id, word, &scope->values[id]);
}

static enum rc read_file(struct place *p, struct slice text)
{
    while (text.len > 0 && p->conf->error_count < OPTIONS_ERRORS_MAX) {
        const uint8_t *end = memchr(text.at, '\n', text.len);
        struct slice line = text;

        if (end != NULL)
            line.len = (size_t)(end - text.at);
        text = slice_after(text, line.len + 1);
        p->line++;
        if (line.len > 0 && line.at[0] == '#')
            continue;
        line = trim(line);
        if (line.len > 0)
            take_line(p, line);
    }
    return p->conf->error_count == 0 ? RC_OK : RC_INVALID;
}

/* ---- files ---- */

static const char *keep_name(struct mosquitto_conf *conf, const char *path)
{
    size_t len = strlen(path);
    struct file_name *name = mem_zeroed(sizeof(*name) + len + 1);

    memcpy(name->name, path, len);
    list_append(&conf->files, &name->link);
    conf->file_count++;
    return name->name;
}

static enum rc load_and_read(struct mosquitto_conf *conf, const char *path, bool is_included)
{
    struct place p = { .conf = conf,
                       .file = keep_name(conf, path),
                       .listener = &conf->main,
                       .is_included = is_included };
    struct text content = { 0 };
    enum rc rc = conf->door->load(path, &content, conf->errors);

    if (rc != RC_OK)
        conf->error_count++;
    else if (content.len > OPTIONS_FILE_MAX_BYTES)
        mosquitto_conf_error(conf, &(struct mosquitto_value){ .file = p.file },
                             "the file has more than %zu bytes", OPTIONS_FILE_MAX_BYTES);
    else
        rc = read_file(&p, text_slice(&content));
    text_done(&content);
    return conf->error_count == 0 ? rc : RC_INVALID;
}

/* In mosquitto's order: whatever the case of letters, and of the same letters capitals first. */
static int compare_names(const void *a, const void *b)
{
    const unsigned char *x = *(const unsigned char *const *)a;
    const unsigned char *y = *(const unsigned char *const *)b;

    for (; *x != '\0' && *y != '\0'; x++, y++) {
        int upper_x = *x >= 'a' && *x <= 'z' ? *x - 'a' + 'A' : *x;
        int upper_y = *y >= 'a' && *y <= 'z' ? *y - 'a' + 'A' : *y;

        if (upper_x != upper_y)
            return upper_x - upper_y;
        if (*x != *y)
            return *x - *y;
    }
    return *x - *y;
}

static void include_all(const struct place *p, const char *directory, const struct text *names)
{
    const char *found[MOSQUITTO_FILES_MAX];
    struct mosquitto_value at = here(p);
    unsigned count = 0;

    for (size_t i = 0; i < names->len && count < MOSQUITTO_FILES_MAX;) {
        found[count++] = (const char *)names->at + i;
        i += strlen((const char *)names->at + i) + 1;
    }
    if (count + p->conf->file_count > MOSQUITTO_FILES_MAX) {
        mosquitto_conf_error(p->conf, &at, "more than %u files", MOSQUITTO_FILES_MAX);
        return;
    }
    qsort(found, count, sizeof(found[0]), compare_names);
    for (unsigned i = 0; i < count; i++) {
        struct text path = { 0 };

        text_format(&path, "%s/%s", directory, found[i]);
        text_add_byte(&path, '\0');
        /* its errors are counted already */
        (void)load_and_read(p->conf, (const char *)path.at, true);
        text_done(&path);
    }
}

static void include(const struct place *p, struct slice rest)
{
    struct mosquitto_value at = here(p);
    const char *wrong = check_text(rest);
    struct text names = { 0 };
    char *directory;

    if (wrong == NULL && p->is_included)
        wrong = "only the first file may include others";
    if (wrong != NULL) {
        mosquitto_conf_error(p->conf, &at, "include_dir: %s", wrong);
        return;
    }
    directory = mem_copy_text(rest);
    if (p->conf->door->list(directory, &names, p->conf->errors) == RC_OK)
        include_all(p, directory, &names);
    else
        p->conf->error_count++;
    text_done(&names);
    mem_free(directory);
}

enum rc mosquitto_conf_read(struct mosquitto_conf *conf, const char *path,
                            const struct mosquitto_files *door, struct text *errors,
                            struct text *warnings)
{
    *conf = (struct mosquitto_conf){
        .errors = errors, .warnings = warnings, .door = door, .path = path
    };
    list_init(&conf->listeners);
    list_init(&conf->bridges);
    list_init(&conf->files);
    return load_and_read(conf, path, false);
}

static void free_scopes(struct list *list)
{
    while (!list_is_empty(list)) {
        struct mosquitto_scope *scope = LIST_FIRST(list, struct mosquitto_scope, link);

        link_remove(&scope->link);
        scope_done(scope);
        mem_free(scope);
    }
}

void mosquitto_conf_done(struct mosquitto_conf *conf)
{
    scope_done(&conf->head);
    scope_done(&conf->main);
    free_scopes(&conf->listeners);
    free_scopes(&conf->bridges);
    while (!list_is_empty(&conf->files)) {
        struct file_name *name = LIST_FIRST(&conf->files, struct file_name, link);

        link_remove(&name->link);
        mem_free(name);
    }
}
