/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/core/delayed_int.h"
#include "broker/core/exchange_int.h"
#include "broker/core/publish.h"
#include "broker/core/queue.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

#define START_NS UINT64_C(1000000000000)
#define START_MS INT64_C(1700000000000)
#define HOUR_MS  INT64_C(3600000)
#define DAY_MS   (24 * HOUR_MS)

static struct rig rig;
static struct rig_client *a;
static struct session *session;
static int64_t wall_ms;

static void set_clock(void)
{
    clock_set_for_test(START_NS + (uint64_t)(wall_ms - START_MS) * 1000000, wall_ms);
}

static void open_client(void)
{
    bool present;

    rig_client_open(&rig, a, RIG_SEEN_MAX);
    session = rig_session(&rig, a, "s", true, 0, &present);
    rig_subscribe(session, "t/#", 1, 0);
    a->count = 0;
}

static void setup_as(bool is_durable, const struct core_config *config)
{
    wall_ms = START_MS;
    set_clock();
    rig_open_as(&rig, is_durable, config);
    a = mem_new(struct rig_client);
    open_client();
}

static void setup(void)
{
    const struct core_config config = CORE_CONFIG_DEFAULT;

    setup_as(false, &config);
}

static void setup_durable(void)
{
    const struct core_config config = CORE_CONFIG_DEFAULT;

    setup_as(true, &config);
}

static void close_client(void)
{
    session_detach(&session);
    rig_client_close(a);
}

static void teardown(void)
{
    close_client();
    rig_close(&rig);
    clock_unset_for_test();
    MEM_FREE(a);
    ck_assert_int_eq(count_get(COUNT_CORE_DELAYED), 0);
    ck_assert_int_eq(count_get(COUNT_CORE_DELAYED_BYTES), 0);
}

/* Until the scan is over and all that is due was delivered: reader threads take their time. */
static void settle(void)
{
    const struct delayed *d = rig.core->delayed;

    rig_settle(&rig);
    while (d->is_scanning || d->turn != NULL || delayed_wants_scan(d)) {
        struct pollfd fd = { .fd = rig.wake_fd, .events = POLLIN };
        eventfd_t wakes;

        if (poll(&fd, 1, 10) == 1)
            ck_assert_int_eq(eventfd_read(rig.wake_fd, &wakes), 0);
        rig_settle(&rig);
    }
}

static void restart(bool is_in_order)
{
    close_client();
    if (is_in_order)
        rig_reopen(&rig);
    else
        rig_reopen_after_crash(&rig);
    open_client();
    settle();
}

/* Time passes at once, and whatever falls due meanwhile is called as a loop would. */
static void pass(int64_t ms)
{
    wall_ms += ms;
    set_clock();
    core_turn_end(rig.core); /* the turn's wall clock is read anew */
    settle();
}

static enum rc publish_as(const char *address, const char *value, int64_t delay_ms,
                          int64_t expires_at_ms, uint8_t flags)
{
    struct message_spec spec = { .address = slice_str(address),
                                 .key = slice_str(strchr(address, '/') + 1),
                                 .value = slice_str(value),
                                 .timestamp_ms = wall_ms,
                                 .expires_at_ms = expires_at_ms,
                                 .qos = 1,
                                 .flags = (uint8_t)(MESSAGE_PERSISTENT | flags) };
    struct message *message = message_new(&spec);

    return delayed_publish(a->client, &message, (uint64_t)delay_ms);
}

static void publish(const char *value, int64_t delay_ms)
{
    ck_assert_int_eq(publish_as("t/x", value, delay_ms, 0, 0), RC_OK);
}

static uint64_t waiting(void)
{
    return rig.core->delayed->pending;
}

static unsigned streams(void)
{
    unsigned n = 0;

    for (struct stream *s = stream_next(rig.core, NULL); s != NULL; s = stream_next(rig.core, s))
        n += stream_name(s).len > 0 && stream_name(s).at[0] == '+';
    return n;
}

START_TEST(a_message_comes_at_its_millisecond_and_not_before)
{
    publish("x", 1500);
    pass(1499);
    ck_assert_uint_eq(a->count, 0);
    ck_assert_uint_eq(waiting(), 1);
    pass(1);
    ck_assert_uint_eq(a->count, 1);
    ck_assert_str_eq(a->seen[0].value, "x");
    ck_assert_str_eq(a->seen[0].address, "t/x");
    ck_assert_uint_eq(waiting(), 0);
    pass(HOUR_MS);
    ck_assert_uint_eq(a->count, 1);
}
END_TEST

START_TEST(what_waits_comes_in_the_order_of_time_then_of_publishing)
{
    char value[16];

    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(value, sizeof(value), "%02u", i % 10 * 10 + i / 10);
        publish(value, 1000 + i % 10 * 50000); /* across buckets of a minute */
    }
    rig_settle(&rig);
    pass(HOUR_MS);
    ck_assert_uint_eq(a->count, 100);
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(value, sizeof(value), "%02u", i);
        ck_assert_str_eq(a->seen[i].value, value);
    }
}
END_TEST

START_TEST(near_and_far_buckets_overlap_and_time_still_orders)
{
    publish("far", 40 * DAY_MS);
    pass(39 * DAY_MS + 23 * HOUR_MS);
    publish("before", HOUR_MS - 1);
    publish("after", HOUR_MS + 1);
    publish("same", HOUR_MS);
    pass(HOUR_MS + 10);
    ck_assert_uint_eq(a->count, 4);
    ck_assert_str_eq(a->seen[0].value, "before");
    ck_assert_str_eq(a->seen[1].value, "far");
    ck_assert_str_eq(a->seen[2].value, "same");
    ck_assert_str_eq(a->seen[3].value, "after");
}
END_TEST

START_TEST(what_waits_survives_each_kind_of_end_and_comes_once)
{
    for (int i = 0; i < 2; i++) {
        publish("first", 10000);
        publish("second", 20000);
        rig_settle(&rig);
        pass(10000);
        ck_assert_uint_eq(a->count, 1);
        restart(i == 0);
        pass(1);
        ck_assert_uint_eq(a->count, 0);
        ck_assert_uint_eq(waiting(), 1);
        pass(10000);
        ck_assert_uint_eq(a->count, 1);
        ck_assert_str_eq(a->seen[0].value, "second");
        restart(i == 0);
        ck_assert_uint_eq(a->count, 0);
        ck_assert_uint_eq(waiting(), 0);
    }
}
END_TEST

START_TEST(what_fell_due_while_nobody_ran_comes_at_the_start)
{
    publish("x", 10000);
    rig_settle(&rig);
    close_client();
    wall_ms += DAY_MS;
    set_clock();
    {
        struct rig_client *late = a;
        bool present;

        rig_client_open(&rig, late, RIG_SEEN_MAX);
        session = rig_session(&rig, late, "k", false, SESSION_NEVER_EXPIRES, &present);
        rig_subscribe(session, "t/#", 1, 0);
    }
    restart(true);
    ck_assert_uint_eq(waiting(), 0);
    close_client();
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    {
        bool present;

        session = rig_session(&rig, a, "k", false, SESSION_NEVER_EXPIRES, &present);
        ck_assert(present);
    }
    session_ready(session);
    rig_settle_until(&rig, &a->count, 1); /* its record is read from the disk */
    rig_settle(&rig);
    ck_assert_uint_eq(a->count, 1);
}
END_TEST

START_TEST(expiry_counts_from_the_publish)
{
    int64_t dropped = count_get(COUNT_CORE_DELAYED_DROPPED);

    ck_assert_int_eq(publish_as("t/x", "over", 2000, wall_ms + 2000, 0), RC_OK);
    ck_assert_int_eq(publish_as("t/x", "left", 2000, wall_ms + 2001, 0), RC_OK);
    pass(2000);
    ck_assert_uint_eq(a->count, 1);
    ck_assert_str_eq(a->seen[0].value, "left");
    ck_assert_int_eq(count_get(COUNT_CORE_DELAYED_DROPPED), dropped + 1);
}
END_TEST

START_TEST(a_retained_message_is_retained_when_it_comes)
{
    ck_assert_int_eq(publish_as("t/kept", "x", 1000, 0, MESSAGE_RETAIN), RC_OK);
    rig_settle(&rig);
    ck_assert_int_eq(count_get(COUNT_CORE_RETAINED), 0);
    pass(1000);
    ck_assert_int_eq(count_get(COUNT_CORE_RETAINED), 1);
}
END_TEST

START_TEST(count_bytes_and_delay_have_limits)
{
    struct core_config config = CORE_CONFIG_DEFAULT;

    teardown();
    config.delayed_max = 3;
    config.delayed_max_delay_ms = 60000;
    setup_as(false, &config);
    for (int i = 0; i < 3; i++)
        publish("x", 1000);
    ck_assert_int_eq(publish_as("t/x", "x", 1000, 0, 0), RC_LIMIT);
    ck_assert_int_eq(publish_as("t/x", "x", 0, 0, 0), RC_OK);
    pass(1000);
    ck_assert_uint_eq(a->count, 4);
    publish("x", 60000);
    ck_assert_int_eq(publish_as("t/x", "x", 60001, 0, 0), RC_INVALID);
    teardown();
    config.delayed_max = 0;
    config.delayed_max_bytes = 200;
    setup_as(false, &config);
    publish("123456789 123456789 123456789 123456789 123456789 123456789 123456789 ", 1000);
    publish("123456789 123456789 123456789 123456789 ", 1000);
    ck_assert_int_eq(publish_as("t/x", "123456789 123456789 123456789 123456789 ", 1000, 0, 0),
                     RC_LIMIT);
    pass(1000);
    publish("x", 1000);
}
END_TEST

START_TEST(a_bucket_goes_when_its_time_is_over)
{
    publish("x", 1000);
    publish("y", 10 * HOUR_MS);
    ck_assert_uint_eq(streams(), 2);
    pass(2 * 65536);
    ck_assert_uint_eq(a->count, 1);
    ck_assert_uint_eq(streams(), 1);
    pass(10 * HOUR_MS + (INT64_C(1) << 21));
    ck_assert_uint_eq(a->count, 2);
    ck_assert_uint_eq(streams(), 0);
}
END_TEST

START_TEST(a_clock_put_back_loses_nothing)
{
    publish("one", 5000);
    pass(5000);
    ck_assert_uint_eq(a->count, 1);
    wall_ms -= HOUR_MS;
    clock_set_for_test(START_NS + UINT64_C(6000000000), wall_ms);
    core_turn_end(rig.core);
    publish("two", 1000); /* it would be due before what was delivered */
    restart(true);
    pass(HOUR_MS + 20000); /* the wall clock is looked at each ten seconds */
    ck_assert_uint_eq(a->count, 1);
    ck_assert_str_eq(a->seen[0].value, "two");
}
END_TEST

/* Only some of what waits fits in memory: the rest is found by reading the buckets again. */
START_TEST(more_than_memory_holds_is_found_in_passes)
{
    enum { WAITING = 550000 };
    static const struct client_ops quiet = { .protocol = "quiet" };
    struct client *client;
    uint64_t random = 1;
    int64_t last = 0;
    struct partition *p;

    close_client();
    client = client_open(rig.core, &quiet, NULL, true);
    for (unsigned i = 0; i < WAITING; i++) {
        char value[16];
        struct message_spec spec = { .address = SLICE("many"), .value = { 0 } };
        struct message *message;

        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        (void)snprintf(value, sizeof(value), "%u", i);
        spec.value = slice_str(value);
        message = message_new(&spec);
        ck_assert_int_eq(delayed_publish(client, &message, 1000 + random % 200000), RC_OK);
        if (i % 8192 == 0)
            core_turn_end(rig.core);
    }
    rig_settle(&rig);
    ck_assert_uint_lt(rig.core->delayed->near_count, 530000);
    ck_assert(rig.core->delayed->horizon.due_ms != INT64_MAX);
    for (int i = 0; i < 21; i++) {
        pass(10000);
        ck_assert_int_ge((int64_t)(WAITING - waiting()), last);
        last = (int64_t)(WAITING - waiting());
    }
    ck_assert_uint_eq(waiting(), 0);
    p = stream_partition(stream_find(rig.core, SLICE("many")), 0);
    ck_assert_uint_eq(partition_end(p), WAITING);
    client_close(&client);
    open_client();
}
END_TEST

/* Records as they were before they had an author, a priority and a route. */
START_TEST(what_an_older_version_kept_is_read)
{
    struct message_spec inner = {
        .address = SLICE("t/old"), .key = SLICE("old"), .value = SLICE("x"), .qos = 1
    };
    struct message_spec outer = { .timestamp_ms = START_MS + 5000 };
    struct message *message = message_new(&inner), *wrapped;
    struct text value = { 0 };
    struct stream *bucket;
    struct placed placed;

    publish("new", 5000);
    bucket = rig.core->delayed->buckets[0]->stream;
    text_add_byte(&value, 1);
    text_add_byte(&value, 0);
    text_add_u64(&value, 1000);
    message_encode(&value, message);
    outer.address = stream_name(bucket);
    outer.value = text_slice(&value);
    wrapped = message_new(&outer);
    ck_assert_int_eq(stream_append(bucket, wrapped, DURABILITY_ALWAYS, &placed), RC_OK);
    message_unref(&wrapped);
    message_unref(&message);
    text_done(&value);
    restart(false);
    ck_assert_uint_eq(waiting(), 2);
    pass(4999);
    ck_assert_uint_eq(a->count, 0);
    pass(1);
    ck_assert_uint_eq(a->count, 2);
    ck_assert_str_eq(a->seen[0].value, "new");
    ck_assert_str_eq(a->seen[1].value, "x");
    ck_assert_str_eq(a->seen[1].address, "t/old");
    ck_assert_uint_eq(waiting(), 0);
}
END_TEST

START_TEST(a_record_cut_short_or_of_another_version_is_none)
{
    struct message_spec inner = { .address = SLICE("t/x"), .value = SLICE("x"), .priority = 7 };
    struct message_spec outer = { .address = SLICE("b"), .timestamp_ms = 1 };
    const struct delayed_order order = { .message = message_new(&inner) };
    struct delayed_bucket bucket = { 0 };
    const struct delayed_key key = { START_MS, 9 };
    struct message *whole;

    publish("x", 1000);
    bucket.stream = rig.core->delayed->buckets[0]->stream;
    whole = delayed_wrap(&bucket, &key, NULL, &order);
    for (size_t n = 0; n <= whole->value.len; n++) {
        uint8_t *cut = mem_get(n == 0 ? 1 : n);
        struct message *wrapped;
        struct delayed_content *content;
        struct delayed_key found;

        memcpy(cut, whole->value.at, n);
        outer.value = slice_of(cut, n);
        wrapped = message_new(&outer);
        content = delayed_unwrap(wrapped);
        ck_assert_int_eq(delayed_key_of(wrapped, &found), n < 10 ? RC_CORRUPT : RC_OK);
        ck_assert((content->message != NULL) == (n == whole->value.len));
        if (content->message != NULL)
            ck_assert_uint_eq(content->message->priority, 7);
        delayed_content_free(&content);
        message_unref(&wrapped);
        cut[0] = 3;
        wrapped = message_new(&outer);
        ck_assert_int_eq(delayed_key_of(wrapped, &found), RC_CORRUPT);
        message_unref(&wrapped);
        mem_free(cut);
    }
    message_unref(&whole);
    {
        struct message *message = (struct message *)(uintptr_t)order.message;

        message_unref(&message);
    }
}
END_TEST

/* ---- exchanges that delay ---- */

static struct exchange *declare(const char *name)
{
    struct exchange_spec spec = { .name = slice_str(name),
                                  .type = EXCHANGE_DIRECT,
                                  .is_durable = true,
                                  .is_delaying = true,
                                  .arguments = SLICE("args") };
    struct exchange *exchange = NULL;

    ck_assert_int_eq(exchange_declare(a->client, &spec, &exchange), RC_OK);
    return exchange;
}

static enum rc send(const char *exchange, const char *key, uint64_t delay_ms)
{
    struct slice keys[] = { slice_str(key) };
    struct publish_exchange publish = { .exchange = exchange_find(rig.core, slice_str(exchange)),
                                        .routing_keys = keys,
                                        .routing_key_count = 1,
                                        .delay_ms = delay_ms };
    struct message_spec spec = { .address = slice_str(key),
                                 .value = SLICE("v"),
                                 .timestamp_ms = wall_ms,
                                 .flags = MESSAGE_PERSISTENT };
    struct message *message = message_new(&spec);

    return publish_exchange(a->client, &publish, &message);
}

static uint64_t ready(const char *queue)
{
    rig_settle(&rig);
    return queue_ready_count(queue_find(rig.core, slice_str(queue)));
}

/* The first that was not. */
static void cancel_first(void)
{
    struct delayed *d = rig.core->delayed;
    const struct delayed_key *first = NULL;

    for (size_t i = 0; i < d->near_count; i++) {
        const struct delayed_key *key = &d->near[i].key;

        if (!delayed_is_cancelled(d, key) && (first == NULL || delayed_compare(key, first) < 0))
            first = key;
    }
    ck_assert_ptr_nonnull(first);
    ck_assert_int_eq(delayed_cancel(rig.core, first->due_ms, first->number), RC_OK);
}

START_TEST(an_exchange_and_what_it_keeps_survive_and_are_routed_once)
{
    (void)rig_queue(&rig, a, "q", true);
    (void)declare("x");
    rig_bind(&rig, a, "x", "q", "k");
    ck_assert_int_eq(send("x", "k", 10000), RC_OK);
    ck_assert_int_eq(send("x", "k", 0), RC_OK);
    ck_assert_int_eq(send("x", "nobody", 10000), RC_OK);
    ck_assert_uint_eq(ready("q"), 1);
    for (int i = 0; i < 2; i++) {
        struct exchange *exchange;

        restart(i == 0);
        exchange = exchange_find(rig.core, SLICE("x"));
        ck_assert(exchange->spec.is_delaying && slice_equal_str(exchange->spec.arguments, "args"));
        ck_assert_uint_eq(exchange->delayed_count, 2);
        ck_assert_uint_eq(waiting(), 2);
    }
    pass(10000);
    ck_assert_uint_eq(ready("q"), 2);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_uint_eq(exchange_find(rig.core, SLICE("x"))->delayed_count, 0);
}
END_TEST

START_TEST(an_exchange_made_anew_does_not_get_what_the_one_before_kept)
{
    (void)rig_queue(&rig, a, "q", true);
    for (int i = 0; i < 3; i++) {
        struct exchange *exchange = declare("x");

        rig_bind(&rig, a, "x", "q", "k");
        ck_assert_int_eq(send("x", "k", 10000), RC_OK);
        ck_assert_uint_eq(waiting(), 1);
        ck_assert_int_eq(exchange_delete(a->client, exchange, false), RC_OK);
        ck_assert_uint_eq(waiting(), 0);
        if (i > 0)
            restart(i == 1);
        ck_assert_uint_eq(waiting(), 0);
    }
    (void)declare("x");
    rig_bind(&rig, a, "x", "q", "k");
    ck_assert_int_eq(send("x", "k", 10001), RC_OK);
    ck_assert_uint_eq(waiting(), 1);
    pass(10000);
    ck_assert_uint_eq(waiting(), 1);
    pass(1);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_uint_eq(ready("q"), 1);
    ck_assert_int_eq(count_get(COUNT_CORE_DELAYED_BYTES), 0);
}
END_TEST

START_TEST(a_place_is_given_back_once_however_it_came_to_that)
{
    struct exchange *x = declare("x");

    (void)declare("y");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(send("x", "k", 10000), RC_OK);
        ck_assert_int_eq(send("y", "k", 20000), RC_OK);
    }
    cancel_first();
    ck_assert_uint_eq(waiting(), 5);
    ck_assert_int_eq(exchange_delete(a->client, x, false), RC_OK);
    ck_assert_uint_eq(waiting(), 3);
    restart(false);
    ck_assert_uint_eq(waiting(), 3);
    cancel_first(); /* the second of x, which counts no more */
    pass(10000);
    ck_assert_uint_eq(waiting(), 3);
    cancel_first();
    ck_assert_uint_eq(waiting(), 2);
    restart(true);
    ck_assert_uint_eq(waiting(), 2);
    pass(10000);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_uint_eq(exchange_find(rig.core, SLICE("y"))->delayed_count, 0);
    ck_assert_int_eq(count_get(COUNT_CORE_DELAYED_BYTES), 0);
}
END_TEST

/* As if there were very many: memory knows the first `kept` alone, until it has looked. */
static void forget_far(size_t kept)
{
    struct delayed *d = rig.core->delayed;

    ck_assert(!d->is_scanning);
    if (kept >= d->near_count)
        return;
    qsort(d->near, d->near_count, sizeof(*d->near), delayed_by_key);
    for (size_t i = kept; i < d->near_count; i++)
        d->near[i].bucket->near_count--;
    d->near_count = kept;
    d->horizon = kept == 0 ? d->taken : d->near[kept - 1].key;
    delayed_schedule(d);
}

START_TEST(what_was_taken_back_unseen_gives_its_place_back_once_though_its_exchange_went)
{
    struct exchange *x = declare("x");
    struct delayed_key key;

    ck_assert_int_eq(send("x", "k", 10000), RC_OK);
    key = rig.core->delayed->near[0].key;
    publish("other", 20000);
    forget_far(0);
    ck_assert_int_eq(delayed_cancel(rig.core, key.due_ms, key.number), RC_OK);
    ck_assert_int_eq(exchange_delete(a->client, x, false), RC_OK);
    ck_assert_uint_eq(waiting(), 1);
    settle();
    ck_assert_uint_eq(waiting(), 1);
    pass(10000);
    ck_assert_uint_eq(waiting(), 1);
    pass(10000);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_uint_eq(a->count, 1);
}
END_TEST

/* ---- against a model: whatever happens to them, each takes one place while it may come ---- */

enum { MODEL_EXCHANGES = 3, MODEL_MAX = 4000 };

struct modelled {
    struct delayed_key key;
    uint64_t bytes;
    int exchange; /* or -1 */
    bool waits;
};

static struct modelled model[MODEL_MAX];
static unsigned model_count;
static uint64_t random_state;

static unsigned any(unsigned below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(random_state >> 33) % below;
}

static const char *exchange_name(int exchange)
{
    static const char *const names[MODEL_EXCHANGES] = { "x0", "x1", "x2" };

    return names[exchange];
}

static void keep_one(void)
{
    int exchange = (int)any(MODEL_EXCHANGES + 1) - 1;
    struct delayed *d = rig.core->delayed;
    struct modelled *m = &model[model_count];
    uint64_t delay_ms = 1 + any(5) * UINT64_C(20000) + any(3) * UINT64_C(8000000);
    uint64_t bytes = d->bytes;
    char value[200] = "";

    if (model_count == MODEL_MAX ||
        (exchange >= 0 && exchange_find(rig.core, slice_str(exchange_name(exchange))) == NULL))
        return;
    memset(value, 'v', any(sizeof(value)));
    *m = (struct modelled){ { wall_ms + (int64_t)delay_ms, d->next_number }, 0, exchange, true };
    if (exchange < 0)
        publish(value, (int64_t)delay_ms);
    else
        ck_assert_int_eq(send(exchange_name(exchange), "k", delay_ms), RC_OK);
    m->bytes = d->bytes - bytes;
    model_count++;
}

static void cancel_one(void)
{
    struct modelled *m = model_count == 0 ? NULL : &model[any(model_count)];

    if (m == NULL || !m->waits || m->key.due_ms <= wall_ms)
        return;
    ck_assert_int_eq(delayed_cancel(rig.core, m->key.due_ms, m->key.number), RC_OK);
    m->waits = false;
}

static void end_or_make_an_exchange(void)
{
    int exchange = (int)any(MODEL_EXCHANGES);
    struct exchange *e = exchange_find(rig.core, slice_str(exchange_name(exchange)));

    if (e == NULL) {
        (void)declare(exchange_name(exchange));
        return;
    }
    ck_assert_int_eq(exchange_delete(a->client, e, false), RC_OK);
    for (unsigned i = 0; i < model_count; i++)
        model[i].waits &= model[i].exchange != exchange;
}

static void compare_to_model(bool is_exact)
{
    const struct delayed *d = rig.core->delayed;
    uint64_t count = 0, bytes = 0, kept[MODEL_EXCHANGES] = { 0 };

    settle();
    for (unsigned i = 0; i < model_count; i++) {
        struct modelled *m = &model[i];

        m->waits &= m->key.due_ms > wall_ms;
        count += m->waits;
        bytes += m->waits ? m->bytes : 0;
        if (m->exchange >= 0)
            kept[m->exchange] += m->waits;
    }
    ck_assert_uint_eq(d->pending, count);
    if (is_exact)
        ck_assert_uint_eq(d->bytes, bytes);
    for (int i = 0; i < MODEL_EXCHANGES; i++) {
        const struct exchange *e = exchange_find(rig.core, slice_str(exchange_name(i)));

        ck_assert_uint_eq(e == NULL ? 0 : e->delayed_count, kept[i]);
    }
}

static void run_model(uint64_t seed, unsigned restart_in)
{
    random_state = seed;
    model_count = 0;
    for (unsigned i = 0; i < 600; i++) {
        switch (any(8)) {
        case 0:
            end_or_make_an_exchange();
            break;
        case 1:
            pass(any(2) == 0 ? 20000 : 400000);
            break;
        case 2:
        case 3:
            settle();
            forget_far(any(8));
            cancel_one();
            break;
        case 4:
            cancel_one();
            break;
        default:
            keep_one();
        }
        if (restart_in > 0 && any(restart_in) == 0)
            restart(any(2) == 0);
        if (i % 8 == 0)
            compare_to_model(restart_in == 0);
    }
    pass(DAY_MS);
    compare_to_model(restart_in == 0);
    pass(DAY_MS);
    ck_assert_uint_eq(rig.core->delayed->pending, 0);
    ck_assert_uint_eq(rig.core->delayed->bytes, 0);
}

START_TEST(whatever_happens_to_them_each_takes_one_place_while_it_may_come)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        run_model(seed, 0);
}
END_TEST

START_TEST(whatever_happens_to_them_and_the_broker_each_takes_one_place)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        run_model(seed, 60);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core_delayed");
    TCase *memory = tcase_create("memory");
    TCase *durable = tcase_create("durable");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(memory, setup, teardown);
    tcase_set_timeout(memory, 120);
    tcase_add_test(memory, a_message_comes_at_its_millisecond_and_not_before);
    tcase_add_test(memory, what_waits_comes_in_the_order_of_time_then_of_publishing);
    tcase_add_test(memory, near_and_far_buckets_overlap_and_time_still_orders);
    tcase_add_test(memory, expiry_counts_from_the_publish);
    tcase_add_test(memory, a_retained_message_is_retained_when_it_comes);
    tcase_add_test(memory, count_bytes_and_delay_have_limits);
    tcase_add_test(memory, a_bucket_goes_when_its_time_is_over);
    tcase_add_test(memory, a_record_cut_short_or_of_another_version_is_none);
    tcase_add_test(memory, more_than_memory_holds_is_found_in_passes);
    tcase_add_test(memory,
                   what_was_taken_back_unseen_gives_its_place_back_once_though_its_exchange_went);
    tcase_add_test(memory, whatever_happens_to_them_each_takes_one_place_while_it_may_come);
    tcase_add_checked_fixture(durable, setup_durable, teardown);
    tcase_set_timeout(durable, 120);
    tcase_add_test(durable, a_message_comes_at_its_millisecond_and_not_before);
    tcase_add_test(durable, what_waits_survives_each_kind_of_end_and_comes_once);
    tcase_add_test(durable, what_fell_due_while_nobody_ran_comes_at_the_start);
    tcase_add_test(durable, a_clock_put_back_loses_nothing);
    tcase_add_test(durable, what_an_older_version_kept_is_read);
    tcase_add_test(durable, an_exchange_and_what_it_keeps_survive_and_are_routed_once);
    tcase_add_test(durable, an_exchange_made_anew_does_not_get_what_the_one_before_kept);
    tcase_add_test(durable, a_place_is_given_back_once_however_it_came_to_that);
    tcase_add_test(durable, whatever_happens_to_them_and_the_broker_each_takes_one_place);
    suite_add_tcase(suite, memory);
    suite_add_tcase(suite, durable);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
