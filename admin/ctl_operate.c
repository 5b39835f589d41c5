/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl_operate.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/ctl.h"

#define EXIT_USAGE 2

/* Asks for a path built with ctl_add_field(). */
static bool post(const struct ctl_place *place, struct text *path, struct text *answer)
{
    bool is_good;

    text_add_byte(path, '\0');
    is_good = ctl_ask(place, "POST", (const char *)path->at, SLICE_NONE, answer);
    text_done(path);
    return is_good;
}

int ctl_drain(const struct ctl_place *place, const struct ctl_drain *drain)
{
    struct text path = { 0 }, answer = { 0 };
    bool is_good;

    text_format(&path, "/api/drain");
    if (drain->to != NULL)
        ctl_add_field(&path, "to", drain->to);
    if (drain->kafka_to != NULL)
        ctl_add_field(&path, "kafka_to", drain->kafka_to);
    if (drain->rate != NULL)
        ctl_add_field(&path, "per_s", drain->rate);
    if (drain->is_for_now)
        ctl_add_field(&path, "for_now", "1");
    if (drain->is_stop)
        ctl_add_field(&path, "stop", "1");
    is_good = post(place, &path, &answer);
    text_done(&answer);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int ctl_unban(const struct ctl_place *place, const char *name)
{
    struct text path = { 0 }, answer = { 0 };
    bool is_good;

    text_format(&path, "/api/unban");
    ctl_add_field(&path, "name", name);
    is_good = post(place, &path, &answer);
    text_done(&answer);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- listings ---- */

/* Of a name, or in hexadecimal of one that is no text. */
static const char *name_of(const json_t *entry)
{
    const json_t *name = json_object_get(entry, "name");
    const char *text = json_string_value(name);

    return text != NULL ? text : json_string_value(json_object_get(name, "hex"));
}

static long long count_of(const json_t *entry, const char *name)
{
    return (long long)json_integer_value(json_object_get(entry, name));
}

/* One page of a listing behind `after`, NULL: the first. Appends to `all`; *ret_page tells the
 * next.
 */
static bool take_page(const struct ctl_place *place, const char *what, const char *after,
                      json_t *all, json_t **ret_page)
{
    struct text path = { 0 }, body = { 0 };
    bool is_good;

    text_format(&path, "/api/%s", what);
    if (after != NULL)
        ctl_add_field(&path, "after", after);
    text_add_byte(&path, '\0');
    is_good = ctl_ask(place, "GET", (const char *)path.at, SLICE_NONE, &body);
    if (is_good) {
        *ret_page = json_loadb((const char *)body.at, body.len, JSON_ALLOW_NUL, NULL);
        is_good = json_array_extend(all, json_object_get(*ret_page, what)) == 0 ||
                  ctl_fail("the broker's answer is no list of %s", what);
    }
    text_done(&path);
    text_done(&body);
    return is_good;
}

/* All of a listing, a line each, or as JSON. */
static int show_all(const struct ctl_place *place, const char *what, bool is_json,
                    void (*print)(const json_t *entry))
{
    json_t *all = json_array(), *page = NULL, *entry;
    const char *after = NULL;
    bool is_good = true;
    size_t i;

    do {
        json_t *next = NULL;

        is_good = take_page(place, what, after, all, &next);
        json_decref(page); /* `after` was of it */
        page = next;
        after = json_string_value(json_object_get(page, "next"));
    } while (is_good && after != NULL);
    if (is_good && is_json) {
        is_good = json_dumpf(all, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    } else if (is_good) {
        json_array_foreach(all, i, entry) print(entry);
    }
    if (is_good && fflush(stdout) != 0)
        is_good = ctl_fail("standard output: %s", strerror(errno));
    json_decref(page);
    json_decref(all);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* "3 of 10", or "3" without a limit. */
static void print_part(const char *what, long long count, long long max)
{
    if (max > 0)
        (void)printf("  %s %lld of %lld", what, count, max);
    else
        (void)printf("  %s %lld", what, count);
}

static void print_user(const json_t *user)
{
    (void)printf("%s ", name_of(user));
    print_part("connections", count_of(user, "connections"), count_of(user, "max_connections"));
    print_part("sessions", count_of(user, "sessions"), count_of(user, "max_sessions"));
    (void)printf("  owed %lld messages, %lld bytes  refused %lld", count_of(user, "owed_messages"),
                 count_of(user, "owed_bytes"), count_of(user, "refused"));
    (void)printf("  messages dropped %lld, rejected %lld  sessions ended %lld\n",
                 count_of(user, "messages_dropped"), count_of(user, "messages_rejected"),
                 count_of(user, "sessions_ended"));
}

int ctl_users(const struct ctl_place *place, bool is_json)
{
    return show_all(place, "users", is_json, print_user);
}

static void print_delayed(const json_t *entry)
{
    const json_t *topic = json_object_get(entry, "topic");
    const char *exchange = json_string_value(json_object_get(entry, "exchange"));
    const char *text = json_string_value(topic);
    time_t due = (time_t)(count_of(entry, "due_ms") / 1000);
    char when[32] = "";
    struct tm parts;

    if (text == NULL) /* bytes that are no text */
        text = json_string_value(json_object_get(topic, "hex"));
    if (gmtime_r(&due, &parts) != NULL)
        (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &parts);
    (void)printf("%s  %s  qos %lld%s  %lld bytes  %s%s%s\n",
                 json_string_value(json_object_get(entry, "id")), when, count_of(entry, "qos"),
                 json_is_true(json_object_get(entry, "retain")) ? " retain" : "",
                 count_of(entry, "bytes"), exchange == NULL ? "" : exchange,
                 exchange == NULL ? "" : "  ", text);
}

int ctl_delayed(const struct ctl_place *place, const char *word, const char *id, bool is_json)
{
    struct text path = { 0 }, answer = { 0 };
    bool is_list = strcmp(word, "list") == 0, is_good;

    if (is_list && id == NULL)
        return show_all(place, "delayed", is_json, print_delayed);
    if (is_list || strcmp(word, "cancel") != 0 || id == NULL || is_json) {
        (void)ctl_fail("delayed: expected list, or cancel and the id that it tells");
        return EXIT_USAGE;
    }
    text_format(&path, "/api/delayed/cancel");
    ctl_add_field(&path, "id", id);
    is_good = post(place, &path, &answer);
    text_done(&answer);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void print_ban(const json_t *ban)
{
    (void)printf("%-13s  %6lld s  %s\n", json_string_value(json_object_get(ban, "kind")),
                 count_of(ban, "left_ms") / 1000, name_of(ban));
}

int ctl_bans(const struct ctl_place *place, bool is_json)
{
    struct text body = { 0 };
    json_t *all = NULL, *ban;
    bool is_good = ctl_ask(place, "GET", "/api/bans", SLICE_NONE, &body);
    size_t i;

    if (is_good)
        all = json_loadb((const char *)body.at, body.len, JSON_ALLOW_NUL, NULL);
    if (is_good && is_json) {
        is_good = json_dumpf(all, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    } else if (is_good) {
        json_array_foreach(json_object_get(all, "bans"), i, ban) print_ban(ban);
    }
    if (is_good && fflush(stdout) != 0)
        is_good = ctl_fail("standard output: %s", strerror(errno));
    json_decref(all);
    text_done(&body);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- traces ---- */

/* How often the broker is asked for more. */
#define TRACE_POLL_MS 200

static bool print_trace(const struct text *answer)
{
    json_t *all = json_loadb((const char *)answer->at, answer->len, JSON_ALLOW_NUL, NULL);
    const json_t *lines = json_object_get(all, "lines");
    long long skipped = (long long)json_integer_value(json_object_get(all, "skipped"));
    size_t len = json_string_length(lines);
    bool is_good = true;

    if (len > 0)
        is_good = fwrite(json_string_value(lines), 1, len, stdout) == len;
    if (skipped > 0)
        (void)printf("# %lld packets more\n", skipped);
    json_decref(all);
    return (is_good && fflush(stdout) == 0) || ctl_fail("standard output: %s", strerror(errno));
}

static bool begin_trace(const struct ctl_place *place, const struct ctl_trace *trace,
                        long long *ret_number)
{
    struct text path = { 0 }, answer = { 0 };
    bool is_good;
    json_t *all;

    text_format(&path, "/api/trace");
    ctl_add_field(&path, "what", trace->what);
    if (trace->bytes != NULL)
        ctl_add_field(&path, "bytes", trace->bytes);
    if (trace->rate != NULL)
        ctl_add_field(&path, "per_s", trace->rate);
    is_good = post(place, &path, &answer);
    if (is_good) {
        all = json_loadb((const char *)answer.at, answer.len, 0, NULL);
        *ret_number = (long long)json_integer_value(json_object_get(all, "number"));
        json_decref(all);
        (void)fprintf(stderr, "tracing %s\n", trace->what); /* from here on nothing is missed */
    }
    text_done(&answer);
    return is_good;
}

int ctl_trace(const struct ctl_place *place, const struct ctl_trace *trace)
{
    long long number = 0;
    bool is_good = begin_trace(place, trace, &number);

    while (is_good) {
        struct text path = { 0 }, answer = { 0 };

        (void)poll(NULL, 0, TRACE_POLL_MS);
        text_format(&path, "/api/trace?number=%lld", number);
        is_good = post(place, &path, &answer) && print_trace(&answer);
        text_done(&answer);
    }
    return EXIT_FAILURE;
}
