/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl_admin.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/ctl.h"
#include "admin/ctl_ask.h"
#include "admin/ctl_backup.h"
#include "admin/ctl_daemon.h"
#include "admin/ctl_operate.h"

#define EXIT_USAGE 2
#define STEP_BYTES 65536
/* The admin door takes no more. */
#define FILE_MAX_BYTES ((size_t)64 << 20)

struct order {
    struct ctl_place place;
    struct ctl_drain drain;
    const char *rate;
    const char *bytes;
    const char *skip;
    bool is_json;
    const char *words[2];
    int word_count;
};

/* ---- files ---- */

static bool read_whole(const char *path, struct text *to)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    bool is_good = true;
    size_t n;

    if (file == NULL)
        return ctl_fail("%s: %s", path, strerror(errno));
    do {
        if (to->len > FILE_MAX_BYTES || !text_reserve(to, STEP_BYTES)) {
            is_good = ctl_fail("%s: more than %zu bytes", path, FILE_MAX_BYTES);
            break;
        }
        n = fread(to->at + to->len, 1, STEP_BYTES, file);
        to->len += n;
    } while (n > 0);
    if (ferror(file))
        is_good = ctl_fail("%s: %s", path, strerror(errno));
    if (!is_stdin)
        (void)fclose(file); /* it was only read */
    return is_good;
}

/* Text with lines for people, of what the broker sent without. */
static bool write_json(FILE *to, const char *name, const struct text *body)
{
    json_t *json = json_loadb((const char *)body->at, body->len, JSON_ALLOW_NUL, NULL);
    bool is_good;

    if (json == NULL)
        return ctl_fail("the broker's answer is no JSON");
    is_good = json_dumpf(json, to, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) == 0 &&
              fputc('\n', to) != EOF && fflush(to) == 0;
    json_decref(json);
    return is_good || ctl_fail("%s: %s", name, strerror(errno));
}

/* ---- commands ---- */

static long long number_of(const json_t *json, const char *name)
{
    return (long long)json_integer_value(json_object_get(json, name));
}

static const char *word_of(const json_t *json, const char *name, const char *fallback)
{
    const char *word = json_string_value(json_object_get(json, name));

    return word == NULL ? fallback : word;
}

static void print_status(const json_t *all)
{
    const json_t *store = json_object_get(all, "store");
    const json_t *latency = json_object_get(store, "commit_latency_us");
    const json_t *turns = json_object_get(all, "turns_us");
    const json_t *counters = json_object_get(all, "counters"), *listener;
    size_t i;

    (void)printf("tercet %s, process %lld, up %lld s\n", word_of(all, "version", "?"),
                 number_of(all, "pid"), number_of(all, "uptime_ms") / 1000);
    (void)printf("store       %s\n", word_of(store, "place", "in memory"));
    (void)printf("stalled     %s\n", word_of(store, "stalled", "no"));
    (void)printf("durability  %s\n", word_of(store, "durability", "?"));
    (void)printf("commits     %lld, p50 %lld us, p99 %lld us\n",
                 number_of(counters, "store_commits_total"), number_of(latency, "p50"),
                 number_of(latency, "p99"));
    (void)printf("turns       %lld, p50 %lld us, p99.9 %lld us, longest %lld us\n",
                 number_of(turns, "count"), number_of(turns, "p50"), number_of(turns, "p999"),
                 number_of(turns, "max"));
    if (json_is_true(json_object_get(all, "draining")))
        (void)printf(
            "draining    to %s; %lld clients sent away\n", word_of(all, "drain_to", "nowhere"),
            number_of(counters, "core_drained_total") + number_of(counters, "mqtt_drained_total"));
    (void)printf("streams     %lld\n", number_of(counters, "core_streams"));
    (void)printf("queues      %lld\n", number_of(counters, "core_queues"));
    (void)printf("sessions    %lld\n", number_of(counters, "core_sessions"));
    (void)printf("owed        %lld messages, %lld bytes; %lld dropped, %lld refused, %lld sessions "
                 "ended for it\n",
                 number_of(counters, "core_owed"), number_of(counters, "core_owed_bytes"),
                 number_of(counters, "core_dropped_total"),
                 number_of(counters, "core_session_rejected_total"),
                 number_of(counters, "core_sessions_overflowed_total"));
    (void)printf("retained    %lld messages, %lld bytes; %lld refused\n",
                 number_of(counters, "core_retained"), number_of(counters, "core_retained_bytes"),
                 number_of(counters, "core_retained_refused_total"));
    (void)printf("logins      %lld; %lld refused, %lld more of who is banned for that\n",
                 number_of(counters, "core_logins_total"),
                 number_of(counters, "core_logins_refused_total"),
                 number_of(counters, "core_logins_banned_total"));
    (void)printf("connections %lld; %lld of users and %lld sessions refused\n",
                 number_of(counters, "net_open"),
                 number_of(counters, "core_user_connections_refused_total"),
                 number_of(counters, "core_sessions_refused_total"));
    json_array_foreach(json_object_get(all, "listeners"), i, listener)
    {
        (void)printf("listening   %s%s on %s", word_of(listener, "protocol", "?"),
                     json_is_true(json_object_get(listener, "tls")) ? " with TLS" : "",
                     word_of(listener, "address", "?"));
        if (number_of(listener, "port") != 0)
            (void)printf(" port %lld", number_of(listener, "port"));
        (void)putchar('\n');
    }
}

static int do_status(const struct order *order)
{
    struct text body = { 0 };
    bool is_good = ctl_ask(&order->place, "GET", "/api/overview", SLICE_NONE, &body);
    json_t *json;

    if (is_good && order->is_json) {
        is_good = write_json(stdout, "standard output", &body);
    } else if (is_good) {
        json = json_loadb((const char *)body.at, body.len, 0, NULL);
        print_status(json);
        json_decref(json);
        is_good = fflush(stdout) == 0 || ctl_fail("standard output: %s", strerror(errno));
    }
    text_done(&body);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Whether the stream says it itself, or a rule or default does. */
static const char *said_by(const json_t *stream, const char *name)
{
    return json_object_get(json_object_get(stream, "own_policy"), name) != NULL
               ? "its own"
               : "as the configuration says";
}

static void print_kept(const json_t *stream, const char *label, const char *name, const char *unit)
{
    const json_t *policy = json_object_get(stream, "policy");
    long long n = number_of(policy, name);

    if (n < 0)
        (void)printf("%s  without limit, %s\n", label, said_by(stream, name));
    else
        (void)printf("%s  %lld %s, %s\n", label, n, unit, said_by(stream, name));
}

static void print_stream(const json_t *stream, const json_t *store)
{
    const json_t *latency = json_object_get(store, "commit_latency_us"), *partition;
    size_t i;

    (void)printf("durability       %s, %s\n",
                 word_of(json_object_get(stream, "policy"), "durability", "?"),
                 said_by(stream, "durability"));
    (void)printf("commits          p50 %lld us, p99 %lld us\n", number_of(latency, "p50"),
                 number_of(latency, "p99"));
    print_kept(stream, "retention      ", "retention_ms", "ms");
    print_kept(stream, "retention_bytes", "retention_bytes", "bytes a partition");
    json_array_foreach(json_object_get(stream, "partitions"), i, partition)(void)
        printf("partition %-4zu   offsets %lld to %lld, durable to %lld, %lld bytes\n", i,
               number_of(partition, "start"), number_of(partition, "end"),
               number_of(partition, "durable_end"), number_of(partition, "bytes"));
}

static int do_stream(const struct order *order)
{
    struct text path = { 0 }, body = { 0 }, overview = { 0 };
    json_t *all = NULL, *about = NULL;
    const json_t *stream;
    bool is_good;

    text_format(&path, "/api/streams");
    ctl_add_field(&path, "name", order->words[0]);
    text_add_byte(&path, '\0');
    is_good = ctl_ask(&order->place, "GET", (const char *)path.at, SLICE_NONE, &body) &&
              ctl_ask(&order->place, "GET", "/api/overview", SLICE_NONE, &overview);
    if (is_good && order->is_json) {
        is_good = write_json(stdout, "standard output", &body);
    } else if (is_good) {
        all = json_loadb((const char *)body.at, body.len, JSON_ALLOW_NUL, NULL);
        about = json_loadb((const char *)overview.at, overview.len, 0, NULL);
        stream = json_array_get(json_object_get(all, "streams"), 0);
        print_stream(stream, json_object_get(about, "store"));
        is_good = fflush(stdout) == 0 || ctl_fail("standard output: %s", strerror(errno));
    }
    json_decref(all);
    json_decref(about);
    text_done(&path);
    text_done(&body);
    text_done(&overview);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int do_compact(const struct order *order)
{
    struct text path = { 0 }, answer = { 0 };
    bool is_good;

    text_format(&path, "/api/compact");
    ctl_add_field(&path, "name", order->words[0]);
    text_add_byte(&path, '\0');
    is_good = ctl_ask(&order->place, "POST", (const char *)path.at, SLICE_NONE, &answer);
    text_done(&path);
    text_done(&answer);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A file that was there before stays as it was when the new one cannot be written whole. */
static bool write_file(const char *path, const struct text *body)
{
    struct text beside = { 0 };
    const char *name;
    FILE *file;
    bool is_good;

    text_format(&beside, "%s.new", path);
    text_add_byte(&beside, '\0');
    name = (const char *)beside.at;
    file = fopen(name, "we");
    is_good = file != NULL && write_json(file, name, body);
    if (file != NULL && fclose(file) != 0)
        is_good = false;
    if (is_good && rename(name, path) != 0)
        is_good = false;
    if (!is_good) {
        (void)ctl_fail("%s cannot be written: %s", path, strerror(errno));
        if (file != NULL)
            (void)remove(name); /* what there is of it is of no use */
    }
    text_done(&beside);
    return is_good;
}

static int do_export(const struct order *order)
{
    struct text body = { 0 };
    bool is_good = ctl_ask(&order->place, "GET", "/api/definitions", SLICE_NONE, &body);

    if (is_good)
        is_good = order->word_count == 0 || strcmp(order->words[0], "-") == 0
                      ? write_json(stdout, "standard output", &body)
                      : write_file(order->words[0], &body);
    text_done(&body);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void print_tally(const struct text *body)
{
    json_t *json = json_loadb((const char *)body->at, body->len, 0, NULL), *tally;
    const char *name;

    json_object_foreach(json, name, tally)(void)
        printf("%-9s %lld created, %lld present\n", name, number_of(tally, "created"),
               number_of(tally, "present"));
    json_decref(json);
}

static int do_import(const struct order *order)
{
    struct text file = { 0 }, answer = { 0 }, path = { 0 };
    bool is_good = read_whole(order->words[0], &file);

    text_format(&path, "/api/definitions");
    if (order->skip != NULL)
        text_format(&path, "?skip=%s", order->skip);
    text_add_byte(&path, '\0');
    is_good =
        is_good && ctl_ask(&order->place, "PUT", (const char *)path.at, text_slice(&file), &answer);
    if (is_good)
        print_tally(&answer);
    text_done(&file);
    text_done(&answer);
    text_done(&path);
    return is_good && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int do_verify(const struct order *order)
{
    return ctl_verify(order->words[0], order->is_json, false);
}

static int do_backup(const struct order *order)
{
    return ctl_backup(&order->place, order->words[0]) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int do_restore(const struct order *order)
{
    return ctl_restore(order->words[0], order->words[1]) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int do_drain(const struct order *order)
{
    struct ctl_drain drain = order->drain;

    drain.rate = order->rate;
    return ctl_drain(&order->place, &drain);
}

static int do_trace(const struct order *order)
{
    const struct ctl_trace trace = { order->words[0], order->bytes, order->rate };

    return ctl_trace(&order->place, &trace);
}

static int do_users(const struct order *order)
{
    return ctl_users(&order->place, order->is_json);
}

static int do_delayed(const struct order *order)
{
    return ctl_delayed(&order->place, order->words[0],
                       order->word_count > 1 ? order->words[1] : NULL, order->is_json);
}

static int do_bans(const struct order *order)
{
    return ctl_bans(&order->place, order->is_json);
}

static int do_unban(const struct order *order)
{
    return ctl_unban(&order->place, order->words[0]);
}

/* ---- the table ---- */

enum {
    TAKES_JSON = 1,
    TAKES_SKIP = 2,
    TAKES_PLACE = 4,
    TAKES_DRAIN = 8,
    TAKES_RATE = 16,
    TAKES_BYTES = 32
};

static const struct command {
    const char *name;
    int (*run)(const struct order *order);
    int words_min;
    int words_max;
    unsigned takes;
    const char *words;
} commands[] = {
    { "status", do_status, 0, 0, TAKES_PLACE | TAKES_JSON, "no words" },
    { "stream", do_stream, 1, 1, TAKES_PLACE | TAKES_JSON, "the name of a stream" },
    { "compact", do_compact, 1, 1, TAKES_PLACE, "the name of a stream" },
    { "drain", do_drain, 0, 0, TAKES_PLACE | TAKES_DRAIN | TAKES_RATE, "no words" },
    { "trace", do_trace, 1, 1, TAKES_PLACE | TAKES_RATE | TAKES_BYTES,
      "a client identifier, an address or a topic filter" },
    { "users", do_users, 0, 0, TAKES_PLACE | TAKES_JSON, "no words" },
    { "delayed", do_delayed, 1, 2, TAKES_PLACE | TAKES_JSON, "list, or cancel and an id" },
    { "bans", do_bans, 0, 0, TAKES_PLACE | TAKES_JSON, "no words" },
    { "unban", do_unban, 1, 1, TAKES_PLACE, "a client identifier, an address or a user" },
    { "export", do_export, 0, 1, TAKES_PLACE, "at most a file" },
    { "import", do_import, 1, 1, TAKES_PLACE | TAKES_SKIP, "a file, or - for standard input" },
    { "backup", do_backup, 1, 1, TAKES_PLACE, "a folder, or - for standard output" },
    { "restore", do_restore, 2, 2, 0, "a backup (- for standard input) and a folder" },
    { "verify", do_verify, 1, 1, TAKES_JSON, "the directory of a store or backup" },
};

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

bool ctl_admin_has(const char *command)
{
    return find(command) != NULL;
}

enum long_option {
    OPTION_DATA = 256,
    OPTION_SOCKET,
    OPTION_SKIP,
    OPTION_JSON,
    OPTION_TO,
    OPTION_KAFKA_TO,
    OPTION_RATE,
    OPTION_FOR_NOW,
    OPTION_STOP,
    OPTION_BYTES,
};

static const struct option long_options[] = {
    { "data", required_argument, NULL, OPTION_DATA },
    { "socket", required_argument, NULL, OPTION_SOCKET },
    { "skip", required_argument, NULL, OPTION_SKIP },
    { "json", no_argument, NULL, OPTION_JSON },
    { "to", required_argument, NULL, OPTION_TO },
    { "kafka-to", required_argument, NULL, OPTION_KAFKA_TO },
    { "rate", required_argument, NULL, OPTION_RATE },
    { "for-now", no_argument, NULL, OPTION_FOR_NOW },
    { "stop", no_argument, NULL, OPTION_STOP },
    { "bytes", required_argument, NULL, OPTION_BYTES },
    { NULL, 0, NULL, 0 },
};

/* Letters, digits, '_' and commas: what stands in a request's path as it is. */
static bool is_plain(const char *text)
{
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_,")] ==
           '\0';
}

static const unsigned needs[] = {
    [OPTION_DATA - OPTION_DATA] = TAKES_PLACE,     [OPTION_SOCKET - OPTION_DATA] = TAKES_PLACE,
    [OPTION_SKIP - OPTION_DATA] = TAKES_SKIP,      [OPTION_JSON - OPTION_DATA] = TAKES_JSON,
    [OPTION_KAFKA_TO - OPTION_DATA] = TAKES_DRAIN, [OPTION_TO - OPTION_DATA] = TAKES_DRAIN,
    [OPTION_RATE - OPTION_DATA] = TAKES_RATE,      [OPTION_FOR_NOW - OPTION_DATA] = TAKES_DRAIN,
    [OPTION_STOP - OPTION_DATA] = TAKES_DRAIN,     [OPTION_BYTES - OPTION_DATA] = TAKES_BYTES,
};

static bool set_option(struct order *order, const struct command *command, int option,
                       const char *text)
{
    if (option < OPTION_DATA)
        return false; /* getopt has said why */
    if ((command->takes & needs[option - OPTION_DATA]) == 0)
        return ctl_fail("--%s means nothing to %s", long_options[option - OPTION_DATA].name,
                        command->name);
    switch ((enum long_option)option) {
    case OPTION_DATA:
        order->place.data = text;
        break;
    case OPTION_SOCKET:
        order->place.socket = text;
        break;
    case OPTION_JSON:
        order->is_json = true;
        break;
    case OPTION_SKIP:
        order->skip = text;
        return is_plain(text) ||
               ctl_fail("--skip wants names with commas between them, not \"%s\"", text);
    case OPTION_TO:
        order->drain.to = text;
        break;
    case OPTION_KAFKA_TO:
        order->drain.kafka_to = text;
        break;
    case OPTION_RATE:
        order->rate = text;
        break;
    case OPTION_BYTES:
        order->bytes = text;
        break;
    case OPTION_FOR_NOW:
        order->drain.is_for_now = true;
        break;
    case OPTION_STOP:
        order->drain.is_stop = true;
        break;
    }
    return true;
}

int ctl_admin_run(int argc, char **argv)
{
    const struct command *command = find(argv[0]);
    struct order order = { 0 };
    bool is_good = true;
    int option;

    argv[0] = (char *)(uintptr_t) "tercet"; /* what getopt's messages begin with */
    while (is_good && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        is_good = set_option(&order, command, option, optarg);
    order.word_count = argc - optind;
    if (is_good && (order.word_count < command->words_min || order.word_count > command->words_max))
        is_good = ctl_fail("%s wants %s", command->name, command->words);
    if (!is_good) {
        (void)fputs("Try `tercet --help`.\n", stderr);
        return EXIT_USAGE;
    }
    for (int i = 0; i < order.word_count; i++)
        order.words[i] = argv[optind + i];
    return command->run(&order);
}
