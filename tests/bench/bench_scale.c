/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs to have very many: streams, partitions that grow, cursors that move, messages that
 * wait. Each part runs in a process of its own, on a store of its own, beside its base. */
#include <errno.h>
#include <ftw.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/block.h"
#include "broker/base/mem.h"
#include "broker/core/filter.h"
#include "broker/core/matcher.h"
#include "broker/core/position.h"
#include "broker/core/session.h"
#include "broker/core/stream.h"
#include "storage/lmdb/lmdb_store.h"
#include "storage/log.h"
#include "storage/meta.h"
#include "tests/bench/scale_rig.h"

#define TURN_CREATES  1000
#define TURN_RECORDS  1000
#define BACKLOG_BYTES ((uint64_t)8 << 20)
#define VALUE_BYTES   100
#define NAME_BYTES    32
#define HOUR_MS       UINT64_C(3600000)

static uint64_t streams = 1000000, partitions = 100000, cursors = 10000, messages = 2000000,
                lonely = 300000, sessions = 100000, filters = 100000, rounds = 10, turns = 5,
                size = 0;
static const char *only = "", *base_directory = "/tmp";
static char directory[256];
static uint8_t value_bytes[VALUE_BYTES];

static struct slice value_of(void)
{
    return slice_of(value_bytes, sizeof(value_bytes));
}

static const char *name_of(char *at, const char *prefix, uint64_t i)
{
    (void)snprintf(at, NAME_BYTES, "%s%07llu", prefix, (unsigned long long)i);
    return at;
}

static double per(uint64_t value, uint64_t count)
{
    return (double)value / (double)count;
}

/* ---- streams ---- */

static void stream_make(struct scale *s, const char *name)
{
    const struct stream_spec spec = { .name = slice_str(name) };
    struct stream *stream;

    if (stream_create(s->core, s->client, &spec, &stream) != RC_OK)
        bench_fail("stream_create", 0);
}

static void streams_create(void)
{
    struct scale s;
    struct usage before;
    char name[NAME_BYTES];

    scale_open(&s, directory, true);
    scale_tell("empty start, store and core", (double)(s.open_store_ns + s.open_core_ns) / 1e6,
               "ms", 0);
    before = usage_now();
    for (uint64_t i = 0; i < streams; i++) {
        stream_make(&s, name_of(name, "stream-", i));
        if ((i + 1) % TURN_CREATES == 0)
            scale_drain_to(&s, BACKLOG_BYTES);
    }
    scale_flush(&s);
    before = usage_since(&before);
    scale_tell("create a stream, 1000 a turn: CPU", per(before.cpu_ns, streams) / 1e3, "us", 0);
    scale_tell("create a stream: time", per(before.wall_ns, streams) / 1e3, "us", 0);
    scale_tell("create a stream: written", per(before.written_bytes, streams), "bytes", 0);
    scale_tell("a stream made: anonymous memory", per(before.anonymous_bytes, streams), "bytes", 0);
    before = usage_now();
    scale_close(&s);
    before = usage_since(&before);
    scale_tell("close, with its checkpoint", (double)before.wall_ns / 1e6, "ms", 0);
}

static enum rc count_one(void *arg, struct slice key, struct slice value)
{
    (void)key;
    (void)value;
    ++*(uint64_t *)arg;
    return RC_OK;
}

/* The base: all values of the table visited, and nothing made of them. */
static double scan_ms(void)
{
    struct store_config config = STORE_CONFIG_DEFAULT;
    struct store *store = NULL;
    uint64_t count = 0, start;
    double ms;

    config.directory = directory;
    if (lmdb_store_open(&config, &store) != RC_OK)
        bench_fail("the store does not open", 0);
    start = bench_now_ns();
    if (meta_each(store, META_STREAMS, count_one, &count) != RC_OK || count != streams)
        bench_fail("not all streams are there", 0);
    ms = (double)(bench_now_ns() - start) / 1e6;
    store_close(&store);
    return ms;
}

static void streams_open(void)
{
    double base = scan_ms();
    struct usage before;
    uint64_t count = 0, start;
    char name[NAME_BYTES];
    struct scale s;

    (void)malloc_trim(0);
    before = usage_now();
    scale_open(&s, directory, true);
    before = usage_since(&before);
    scale_tell("open: CPU in all, to T9", (double)before.cpu_ns / 1e6, "ms", 700);
    scale_tell("open: store", (double)s.open_store_ns / 1e6, "ms", 0);
    scale_tell("open: core, to a scan", (double)s.open_core_ns / 1e6, "ms", base);
    scale_tell("a stream opened: resident, to T9", per(before.resident_bytes, streams), "bytes",
               500);
    scale_tell("a stream opened: anonymous", per(before.anonymous_bytes, streams), "bytes", 0);
    start = bench_now_ns();
    for (struct stream *at = stream_next(s.core, NULL); at != NULL; at = stream_next(s.core, at))
        count += stream_name(at).len;
    scale_tell("list a stream", per(bench_now_ns() - start, streams), "ns", 0);
    if (count == 0)
        bench_fail("no streams", 0);
    start = bench_now_ns();
    for (uint64_t i = 0; i < streams; i++) {
        if (stream_find(s.core, slice_str(name_of(name, "stream-", i * 7919 % streams))) == NULL)
            bench_fail("a stream is missing", 0);
    }
    scale_tell("find a stream", per(bench_now_ns() - start, streams), "ns", 0);
    scale_close(&s);
}

/* ---- partitions ---- */

/* `rounds` records for each of `count` streams, a thousand a turn. */
static struct usage publish_rounds(const char *prefix, uint64_t count, bool is_persistent)
{
    struct usage before;
    char name[NAME_BYTES];
    struct scale s;

    scale_open(&s, directory, true);
    for (uint64_t i = 0; i < count; i++) {
        stream_make(&s, name_of(name, prefix, i));
        scale_publish(&s, name, value_of(), is_persistent);
        if ((i + 1) % TURN_CREATES == 0)
            scale_drain_to(&s, BACKLOG_BYTES);
    }
    scale_flush(&s);
    before = usage_now();
    for (uint64_t i = 0; i < partitions * rounds; i++) {
        scale_publish(&s, name_of(name, prefix, i * 7919 % count), value_of(), is_persistent);
        if ((i + 1) % TURN_RECORDS == 0)
            scale_drain_to(&s, BACKLOG_BYTES);
    }
    scale_flush(&s);
    before = usage_since(&before);
    scale_close(&s);
    return before;
}

static void partitions_grow(void)
{
    uint64_t count = partitions * rounds;
    struct usage one = publish_rounds("one-", 1, true);
    struct usage many = publish_rounds("many-", partitions, true);

    scale_tell("a record in turn for each partition: CPU, to one", per(many.cpu_ns, count) / 1e3,
               "us", per(one.cpu_ns, count) / 1e3);
    scale_tell("...: records per second", 1e9 / per(many.wall_ns, count), "/s",
               1e9 / per(one.wall_ns, count));
    scale_tell("...: part of a processor at one a second each",
               per(many.cpu_ns, count) * (double)partitions / 1e9, "", 0);
    scale_tell("...: written", per(many.written_bytes, count), "bytes",
               per(one.written_bytes, count));
    scale_tell("...: written to given", per(many.written_bytes, (uint64_t)many.store_bytes), "",
               per(one.written_bytes, (uint64_t)one.store_bytes));
    scale_tell("...: anonymous memory", per(many.anonymous_bytes, count), "bytes", 0);
}

/* ---- logs of the store ---- */

#define LOGS_FIRST   ((uint32_t)1 << 24) /* the core gives no such numbers here */
#define LOGS_BYTES   ((uint64_t)256 << 20)
#define EXPECT_AHEAD 8 /* as the core does */
#define TURNS_MOST   32

static void append_one(struct scale *s, uint32_t first, uint64_t *ends, uint64_t i, size_t bytes)
{
    struct append append = { .log = first + (uint32_t)i,
                             .base_offset = ends[i]++,
                             .record_count = 1,
                             .durability = DURABILITY_ALWAYS,
                             .bytes = block_try(bytes) };

    if (append.bytes == NULL)
        bench_fail("block_try", 0);
    memset(append.bytes->at, (int)i, bytes);
    (void)log_append(s->store, &append);
}

/* As many appends as make LOGS_BYTES, `together` a commit, to each of `count` logs in turn. */
static struct usage append_in_turn(uint64_t count, size_t bytes, uint64_t together)
{
    static uint32_t first = LOGS_FIRST;
    uint64_t *ends = mem_new_array(uint64_t, count), appends = LOGS_BYTES / bytes;
    struct usage before;
    struct scale s;

    scale_open(&s, directory, true);
    for (uint64_t i = 0; i < count; i++) {
        append_one(&s, first, ends, i, VALUE_BYTES);
        if ((i + 1) % TURN_CREATES == 0) {
            store_submit(s.store);
            scale_drain_to(&s, BACKLOG_BYTES);
        }
    }
    store_submit(s.store);
    scale_close(&s); /* what making the logs costs is over */
    scale_open(&s, directory, true);
    before = usage_now();
    for (uint64_t i = 0; i < appends; i++) {
        log_expect(s.store, first + (uint32_t)((i + EXPECT_AHEAD) * 7919 % count));
        append_one(&s, first, ends, i * 7919 % count, bytes);
        if ((i + 1) % together == 0) {
            store_submit(s.store);
            scale_drain_to(&s, 4 * together * bytes);
        }
    }
    store_submit(s.store);
    scale_flush(&s);
    before = usage_since(&before);
    scale_close(&s);
    first += (uint32_t)count; /* the next run is on the same store */
    mem_free(ends);
    return before;
}

static int by_value(const void *left, const void *right)
{
    const double *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

static double median(double *values, uint64_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

struct comparison {
    const char *name;
    double many[TURNS_MOST];
    double one[TURNS_MOST];
    double ratio[TURNS_MOST];
};

static void compare(struct comparison *to, uint64_t turn, double many, double one)
{
    to->many[turn] = many;
    to->one[turn] = one;
    to->ratio[turn] = many / one;
}

static void tell_median(struct comparison *of, const char *what, const char *unit)
{
    char line[80];
    double many = median(of->many, turns), one = median(of->one, turns);
    double ratio = median(of->ratio, turns); /* which sorts them */

    (void)snprintf(line, sizeof(line), "%s: %s", what, of->name);
    (void)printf("%-52s %12.4g %-10s base %10.4g   ratio %.3g (%.3g to %.3g)\n", line, many, unit,
                 one, ratio, of->ratio[0], of->ratio[turns - 1]);
    (void)fflush(stdout);
}

/* `turns` of each, in alternation. */
static void logs_compare(const char *name, size_t bytes, uint64_t together)
{
    struct comparison rate = { .name = "rate" }, cpu = { .name = "CPU" };
    struct comparison core = { .name = "CPU of the core thread" },
                      written = { .name = "written to given" };
    uint64_t appends = LOGS_BYTES / bytes;

    for (uint64_t turn = 0; turn < turns; turn++) {
        struct usage one = append_in_turn(1, bytes, together);
        struct usage many = append_in_turn(partitions, bytes, together);

        compare(&rate, turn, per(appends * bytes * 1000, many.wall_ns),
                per(appends * bytes * 1000, one.wall_ns));
        compare(&cpu, turn, per(many.cpu_ns, appends) / 1e3, per(one.cpu_ns, appends) / 1e3);
        compare(&core, turn, per(many.thread_ns, appends) / 1e3, per(one.thread_ns, appends) / 1e3);
        compare(&written, turn, per(many.written_bytes, LOGS_BYTES),
                per(one.written_bytes, LOGS_BYTES));
    }
    tell_median(&rate, name, "MB/s");
    tell_median(&cpu, name, "us");
    tell_median(&core, name, "us");
    tell_median(&written, name, "");
}

static void logs_interleave(void)
{
    static const struct {
        size_t bytes;
        uint64_t together;
        const char *name;
    } rows[] = {
        { 16 << 10, 64, "16 KB x 64" },
        { 1 << 10, 1024, "1 KB x 1024" },
        { 100, 4096, "100 B x 4096" },
    };

    if (turns == 0 || turns > TURNS_MOST)
        bench_fail("turns", 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (size == 0 || size == rows[i].bytes)
            logs_compare(rows[i].name, rows[i].bytes, rows[i].together);
    }
}

/* ---- cursors ---- */

static void take_all(struct scale *s)
{
    s->taken_room = cursors;
    s->taken = mem_new_array(struct scale_taken, s->taken_room);
}

static void tell_cursors(const char *what, struct usage used)
{
    uint64_t count = cursors * rounds;
    char line[80];

    (void)snprintf(line, sizeof(line), "%s: CPU", what);
    scale_tell(line, per(used.cpu_ns, count) / 1e3, "us", 0);
    (void)snprintf(line, sizeof(line), "%s: written", what);
    scale_tell(line, per(used.written_bytes, count), "bytes", 0);
}

static void usage_add(struct usage *sum, const struct usage *more)
{
    sum->cpu_ns += more->cpu_ns;
    sum->written_bytes += more->written_bytes;
    sum->wall_ns += more->wall_ns;
}

static void cursors_of_queues(void)
{
    const struct consumer_spec spec = { 0 };
    struct usage sum = { 0 };
    struct consumer *consumer;
    char name[NAME_BYTES];
    struct scale s;

    scale_open(&s, directory, true);
    take_all(&s);
    for (uint64_t i = 0; i < cursors; i++) {
        if (queue_consume(s.client, scale_queue(&s, name_of(name, "queue-", i)), &spec,
                          &consumer) != RC_OK)
            bench_fail("queue_consume", 0);
    }
    for (uint64_t round = 0; round < rounds; round++) {
        struct usage before;

        for (uint64_t i = 0; i < cursors; i++)
            scale_publish(&s, name_of(name, "queue-", i), value_of(), true);
        scale_until_delivered(&s, (round + 1) * cursors);
        scale_flush(&s);
        before = usage_now();
        for (size_t i = 0; i < s.taken_count; i++) {
            if (queue_settle(s.client, s.taken[i].queue, s.taken[i].handle, OUTCOME_ACCEPT) !=
                RC_OK)
                bench_fail("queue_settle", 0);
        }
        s.taken_count = 0;
        scale_flush(&s);
        before = usage_since(&before);
        usage_add(&sum, &before);
    }
    tell_cursors("a queue's cursor moves", sum);
    scale_close(&s);
}

static void cursors_of_groups(void)
{
    struct usage before;
    struct scale s;

    scale_open(&s, directory, true);
    for (uint64_t round = 0; round <= rounds; round++) {
        if (round == 1) {
            scale_flush(&s);
            before = usage_now();
        }
        for (uint64_t i = 0; i < cursors; i++) {
            const struct position position = { .offset = round, .metadata = SLICE("") };

            if (position_set(s.core, SLICE("group"), SLICE("stream"), (uint32_t)i, &position) !=
                RC_OK)
                bench_fail("position_set", 0);
        }
        scale_flush(&s);
    }
    tell_cursors("a group's position moves", usage_since(&before));
    scale_close(&s);
}

/* ---- sessions ---- */

static struct session *subscribed(struct scale *s, const char *id, const char *text)
{
    const struct session_spec spec = { .id = slice_str(id), .expiry_ms = HOUR_MS };
    struct subscription_spec wanted = { .text = slice_str(text), .qos = 1 };
    struct session *session = NULL;
    struct filter *filter = NULL;
    bool is_there;

    if (session_open(s->client, &spec, &session, &is_there) != RC_OK ||
        filter_from_mqtt(wanted.text, &filter) != RC_OK)
        bench_fail("session_open", 0);
    wanted.filter = filter;
    if (!is_there && session_subscribe(session, &wanted, RETAINED_NEVER, &is_there) != RC_OK)
        bench_fail("session_subscribe", 0);
    filter_free(&filter);
    return session;
}

static void cursors_of_sessions(void)
{
    struct session **all = mem_new_array(struct session *, cursors);
    struct usage sum = { 0 };
    char name[NAME_BYTES];
    struct scale s;

    scale_open(&s, directory, true);
    take_all(&s);
    for (uint64_t i = 0; i < cursors; i++) {
        all[i] = subscribed(&s, name_of(name, "session-", i), "news/#");
        session_ready(all[i]);
    }
    for (uint64_t round = 0; round < rounds; round++) {
        struct usage before;

        scale_publish(&s, "news/all", value_of(), true);
        scale_until_delivered(&s, (round + 1) * cursors);
        scale_flush(&s);
        before = usage_now();
        for (size_t i = 0; i < s.taken_count; i++) {
            if (session_settle(all[i], s.taken[i].handle, OUTCOME_ACCEPT) != RC_OK)
                bench_fail("session_settle", 0);
        }
        s.taken_count = 0;
        scale_flush(&s);
        before = usage_since(&before);
        usage_add(&sum, &before);
    }
    tell_cursors("a session's cursor moves", sum);
    for (uint64_t i = 0; i < cursors; i++)
        session_detach(&all[i]);
    mem_free(all);
    scale_close(&s);
}

static void sessions_make(void)
{
    char name[NAME_BYTES], text[NAME_BYTES];
    struct scale s;

    scale_open(&s, directory, true);
    for (uint64_t i = 0; i < sessions; i++) {
        struct session *session =
            subscribed(&s, name_of(name, "session-", i), name_of(text, "news/", i));

        session_detach(&session);
        if ((i + 1) % TURN_CREATES == 0)
            scale_drain_to(&s, BACKLOG_BYTES);
    }
    scale_close(&s);
}

static void sessions_open(void)
{
    struct usage before = usage_now();
    struct scale s;

    scale_open(&s, directory, true);
    before = usage_since(&before);
    scale_tell("open a session with a subscription", per(s.open_core_ns, sessions) / 1e3, "us", 0);
    scale_tell("a session opened: anonymous memory", per(before.anonymous_bytes, sessions), "bytes",
               0);
    scale_close(&s);
}

/* ---- what waits ---- */

static void tell_memory(const char *what, const struct usage *before, uint64_t count)
{
    struct usage used = usage_since(before);
    char line[80];

    (void)snprintf(line, sizeof(line), "%s: anonymous memory at %llu", what,
                   (unsigned long long)count);
    scale_tell(line, (double)used.anonymous_bytes / 1e6, "MB", 0);
}

/* `count` messages, `turn_records` a turn, each turn a commit of its own when `is_alone`. */
static void fill(struct scale *s, const char *what, const char *address, uint64_t count,
                 bool is_alone)
{
    struct usage start = usage_now(), used;

    for (uint64_t i = 1; i <= count; i++) {
        scale_publish(s, address, value_of(), true);
        if (is_alone)
            scale_drain_to(s, 0);
        else if (i % TURN_RECORDS == 0)
            scale_drain_to(s, BACKLOG_BYTES);
        if (i % (count / 4) == 0)
            tell_memory(what, &start, i);
    }
    scale_flush(s);
    used = usage_since(&start);
    (void)printf("  filled: %.3g /s, CPU %.3g us, %.4g bytes written each\n",
                 1e9 / per(used.wall_ns, count), per(used.cpu_ns, count) / 1e3,
                 per(used.written_bytes, count));
}

static void tell_drained(const char *what, const struct usage *before, uint64_t count)
{
    struct usage used = usage_since(before);
    char line[80];

    (void)snprintf(line, sizeof(line), "%s: drained", what);
    scale_tell(line, 1e9 / per(used.wall_ns, count), "/s", 0);
    (void)snprintf(line, sizeof(line), "%s: CPU each while drained", what);
    scale_tell(line, per(used.cpu_ns, count) / 1e3, "us", 0);
    (void)snprintf(line, sizeof(line), "%s: memory, more than when full", what);
    scale_tell(line, (double)(int64_t)used.anonymous_bytes / 1e6, "MB", 0);
}

static void waiting_in_queue(const char *what, uint64_t count, bool is_alone)
{
    const struct consumer_spec spec = { .is_no_ack = true };
    struct consumer *consumer;
    struct usage before;
    struct queue *queue;
    struct scale s;

    scale_open(&s, directory, !is_alone);
    queue = scale_queue(&s, "waiting");
    fill(&s, what, "waiting", count, is_alone);
    if (queue_ready_count(queue) != count)
        bench_fail("messages are missing", 0);
    before = usage_now();
    if (queue_consume(s.client, queue, &spec, &consumer) != RC_OK)
        bench_fail("queue_consume", 0);
    scale_until_delivered(&s, count);
    tell_drained(what, &before, count);
    scale_close(&s);
}

static void waiting_together(void)
{
    waiting_in_queue("a queue waits", messages, false);
}

static void waiting_alone(void)
{
    waiting_in_queue("a queue waits, a commit each", lonely, true);
}

static void waiting_for_session(void)
{
    struct session *session;
    struct usage before;
    struct scale s;

    scale_open(&s, directory, true);
    session = subscribed(&s, "away", "waiting/#");
    session_detach(&session);
    fill(&s, "a session is away", "waiting/all", messages / 2, false);
    before = usage_now();
    session = subscribed(&s, "away", "waiting/#");
    take_all(&s);
    session_ready(session);
    for (uint64_t done = 0; done < messages / 2;) {
        scale_until_delivered(&s, done + 1);
        for (size_t i = 0; i < s.taken_count; i++) {
            if (session_settle(session, s.taken[i].handle, OUTCOME_ACCEPT) != RC_OK)
                bench_fail("session_settle", 0);
        }
        done += s.taken_count;
        s.taken_count = 0;
    }
    scale_flush(&s);
    tell_drained("a session is back", &before, messages / 2);
    session_detach(&session);
    scale_close(&s);
}

/* The same, a turn for each message: what one more reference costs to keep. */
static void waiting_for_session_slowly(void)
{
    uint64_t count = lonely / 4;
    struct session *session;
    struct usage before;
    struct scale s;

    scale_open(&s, directory, true);
    session = subscribed(&s, "away", "waiting/#");
    session_detach(&session);
    before = usage_now();
    for (uint64_t i = 0; i < count; i++) {
        scale_publish(&s, "waiting/all", value_of(), false);
        scale_drain_to(&s, BACKLOG_BYTES);
    }
    scale_flush(&s);
    before = usage_since(&before);
    scale_tell("a session is away, a turn each: written", per(before.written_bytes, count), "bytes",
               0);
    scale_tell("a session is away, a turn each: CPU", per(before.cpu_ns, count) / 1e3, "us", 0);
    scale_close(&s);
}

/* ---- matching ---- */

static void on_match(void *arg, struct match_entry *entry)
{
    (void)entry;
    ++*(uint64_t *)arg;
}

static void filters_match(void)
{
    struct match_entry *entries = mem_new_array(struct match_entry, filters);
    struct matcher *matcher = matcher_new();
    struct usage before = usage_now();
    uint64_t found = 0, start;
    char text[64];

    for (uint64_t i = 0; i < filters; i++) {
        struct filter *filter = NULL;

        (void)snprintf(text, sizeof(text), "site/%llu/device/%llu/%s",
                       (unsigned long long)(i % 1000), (unsigned long long)i,
                       i % 3 == 0 ? "#" : "temperature");
        if (filter_from_mqtt(slice_str(text), &filter) != RC_OK ||
            matcher_add(matcher, filter, &entries[i]) != RC_OK)
            bench_fail("matcher_add", 0);
        filter_free(&filter);
    }
    before = usage_since(&before);
    scale_tell("a filter: CPU to add", per(before.cpu_ns, filters) / 1e3, "us", 0);
    scale_tell("a filter: anonymous memory", per(before.anonymous_bytes, filters), "bytes", 0);
    start = bench_now_ns();
    for (uint64_t i = 0; i < 1000000; i++) {
        uint64_t at = i * 7919 % filters;

        (void)snprintf(text, sizeof(text), "site/%llu/device/%llu/temperature",
                       (unsigned long long)(at % 1000), (unsigned long long)at);
        found += matcher_find(matcher, slice_str(text), on_match, &found);
    }
    scale_tell("match an address of five levels", per(bench_now_ns() - start, 1000000), "ns", 0);
    if (found == 0)
        bench_fail("nothing matched", 0);
    for (uint64_t i = 0; i < filters; i++)
        matcher_remove(matcher, &entries[i]);
    matcher_free(&matcher);
    mem_free(entries);
}

/* ---- parts ---- */

static const struct part {
    const char *name;
    void (*run[2])(void); /* the second in a process of its own, on the same store */
} parts[] = {
    { "streams", { streams_create, streams_open } },
    { "partitions", { partitions_grow } },
    { "logs", { logs_interleave } },
    { "cursors-of-queues", { cursors_of_queues } },
    { "cursors-of-groups", { cursors_of_groups } },
    { "cursors-of-sessions", { cursors_of_sessions } },
    { "sessions", { sessions_make, sessions_open } },
    { "waiting-together", { waiting_together } },
    { "waiting-alone", { waiting_alone } },
    { "waiting-session", { waiting_for_session } },
    { "waiting-session-slowly", { waiting_for_session_slowly } },
    { "filters", { filters_match } },
};

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    (void)stat;
    (void)type;
    (void)at;
    return remove(path);
}

static void run_apart(void (*run)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid < 0)
        bench_fail("fork", errno);
    if (pid == 0) {
        run();
        exit(EXIT_SUCCESS);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0)
        bench_fail("a part ended badly", 0);
}

static void run_part(const struct part *part)
{
    (void)snprintf(directory, sizeof(directory), "%s/bench-scale-XXXXXX", base_directory);
    if (mkdtemp(directory) == NULL)
        bench_fail(directory, errno);
    (void)printf("-- %s\n", part->name);
    (void)fflush(stdout);
    for (unsigned i = 0; i < 2 && part->run[i] != NULL; i++)
        run_apart(part->run[i]);
    if (nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        bench_fail(directory, errno);
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        { "only", NULL, &only, "the part whose name begins so" },
        { "dir", NULL, &base_directory, "where the stores lie: a disk, not memory" },
        { "streams", &streams, NULL, "streams that are made" },
        { "partitions", &partitions, NULL, "that get one record after the other" },
        { "cursors", &cursors, NULL, "that move in one commit" },
        { "messages", &messages, NULL, "that wait in a queue" },
        { "lonely", &lonely, NULL, "that wait and had a commit each" },
        { "sessions", &sessions, NULL, "that are there at a start" },
        { "filters", &filters, NULL, "that are matched against" },
        { "rounds", &rounds, NULL, "of records or moves" },
        { "turns", &turns, NULL, "of logs beside one log" },
        { "size", &size, NULL, "of appends to logs; 0: each of the sizes" },
        { 0 },
    };

    (void)bench_options(argc, argv, options);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strncmp(parts[i].name, only, strlen(only)) == 0)
            run_part(&parts[i]);
    }
    return EXIT_SUCCESS;
}
