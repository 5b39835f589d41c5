/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/core/compaction.h"
#include "broker/core/retain.h"
#include "broker/core/session_int.h"
#include "broker/core/stream_int.h"
#include "broker/record/record.h"
#include "tests/lib/core_rig.h"

static struct rig rig;
static struct rig_client *a, *b;
static unsigned sessions;

static void open_clients(void)
{
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
}

static void setup_as(bool is_durable, const struct core_config *config)
{
    if (config == NULL)
        rig_open(&rig, is_durable);
    else
        rig_open_as(&rig, is_durable, config);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    open_clients();
    sessions = 0;
}

static void setup(void)
{
    setup_as(false, NULL);
}

static void setup_durable(void)
{
    setup_as(true, NULL);
}

static void teardown(void)
{
    clock_unset_for_test();
    rig_client_close(a);
    rig_client_close(b);
    rig_close(&rig);
    MEM_FREE(a);
    MEM_FREE(b);
}

static void restart(void (*reopen)(struct rig *rig))
{
    rig_client_close(a);
    rig_client_close(b);
    reopen(&rig);
    open_clients();
}

/* Until reader threads have brought what it waits for. */
static void settle_while(bool (*is_busy)(const void *of), const void *of)
{
    eventfd_t wakes;

    for (rig_settle(&rig); is_busy(of); rig_settle(&rig)) {
        struct pollfd fd = { .fd = rig.wake_fd, .events = POLLIN };

        ck_assert_int_eq(poll(&fd, 1, 10000), 1);
        ck_assert_int_eq(eventfd_read(rig.wake_fd, &wakes), 0);
    }
}

static bool is_walking(const void *of)
{
    return session_has_retained(of);
}

static bool is_leaving(const void *of)
{
    return stream_find(rig.core, slice_str(of))->tail != NULL;
}

static struct stream *compacted(const char *name, unsigned partitions)
{
    static const struct stream_compaction how = STREAM_COMPACTION_DEFAULT;
    struct stream_spec spec = { .name = slice_str(name),
                                .partition_count = partitions,
                                .compaction = &how };
    struct stream *stream = NULL;

    ck_assert_int_eq(stream_create(rig.core, a->client, &spec, &stream), RC_OK);
    return stream;
}

static void set_compacted(const char *name, bool is_compacted)
{
    static const struct stream_compaction how = STREAM_COMPACTION_DEFAULT;

    ck_assert_int_eq(
        stream_set_compaction(stream_find(rig.core, slice_str(name)), is_compacted ? &how : NULL),
        RC_OK);
}

/* As a client of batches does. No value: NULL. */
static void produce(const char *stream, const char *key, const char *value)
{
    struct stream *to = stream_find(rig.core, slice_str(stream));
    struct batch_builder builder;
    struct append_result result;
    struct block *block = NULL;

    batch_builder_init(&builder, 0, 0);
    ck_assert_int_eq(batch_builder_add(&builder, clock_wall_ms(), slice_str(key),
                                       value == NULL ? SLICE_NONE : slice_str(value), 0, SLICE("")),
                     RC_OK);
    batch_builder_seal(&builder, 0, &block);
    batch_builder_done(&builder);
    ck_assert_int_eq(partition_append(stream_choose(to, slice_str(key)), a->client,
                                      block_slice(block), DURABILITY_ALWAYS, &result),
                     RC_OK);
    block_unref(&block);
}

/* A record of MQTT's: its headers say whether it was to be retained. */
static enum rc retain(const char *address, const char *value, bool is_retained)
{
    struct text headers = { 0 };
    struct message_spec spec = { .address = slice_str(address),
                                 .key = name_subject(slice_str(address)),
                                 .value = slice_str(value),
                                 .timestamp_ms = clock_wall_ms(),
                                 .qos = 1,
                                 .flags = MESSAGE_PERSISTENT };
    struct message *message;

    message_add_header(&headers, &spec.header_count, SLICE(HEADER_MQTT_QOS), SLICE("1"));
    if (is_retained) {
        spec.flags |= MESSAGE_RETAIN;
        message_add_header(&headers, &spec.header_count, SLICE(HEADER_MQTT_RETAIN), SLICE("1"));
    }
    spec.headers = text_slice(&headers);
    message = message_new(&spec);
    text_done(&headers);
    return publish_address(a->client, &message);
}

/* What a new subscription gets, as "address=value ..." in the order in which it comes. */
static const char *retained(const char *filter)
{
    static char got[4096];
    char id[16];
    bool present;
    struct session *s;
    size_t len = 0;

    (void)snprintf(id, sizeof(id), "n%u", ++sessions);
    s = rig_session(&rig, b, id, true, 0, &present);
    b->count = 0;
    rig_subscribe(s, filter, 1, 0);
    settle_while(is_walking, s);
    got[0] = '\0';
    for (unsigned i = 0; i < b->count; i++) {
        ck_assert(b->seen[i].is_retained);
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s=%s ", b->seen[i].address,
                                b->seen[i].value);
    }
    session_detach(&s);
    return got;
}

START_TEST(the_last_record_of_a_key_is_retained_whoever_wrote_it)
{
    (void)compacted("s", 1);
    produce("s", "a", "1");
    produce("s", "b/c", "2");
    produce("s", "a", "3");
    (void)retain("s/d", "4", true);
    (void)retain("s/e", "5", false); /* the last value of a key as well */
    rig_settle(&rig);
    ck_assert_str_eq(retained("s/#"), "s/a=3 s/b/c=2 s/d=4 s/e=5 ");
    ck_assert_str_eq(retained("+/a"), "s/a=3 ");
    produce("s", "a", "6"); /* known by now: followed */
    (void)retain("s/b/c", "7", true);
    ck_assert_str_eq(retained("s/#"), "s/a=6 s/b/c=7 s/d=4 s/e=5 ");
    ck_assert_uint_eq(retain_count(rig.core), 4);
    ck_assert_int_eq(count_get(COUNT_CORE_RETAINED), 4);
}
END_TEST

START_TEST(a_key_without_a_value_is_retained_no_more)
{
    struct stream *s = compacted("s", 1);
    struct log_pieces pieces;
    struct record_reader reader;
    struct record record;
    struct text inflated = { 0 };

    produce("s", "a", "1");
    (void)retain("s/b", "2", true);
    (void)retain("s/c", "3", true);
    ck_assert_str_eq(retained("#"), "s/a=1 s/b=2 s/c=3 ");
    produce("s", "b", NULL);
    (void)retain("s/a", "", true);
    ck_assert_str_eq(retained("#"), "s/c=3 ");
    produce("s", "c", ""); /* MQTT knows no retained message without a payload */
    ck_assert_str_eq(retained("#"), "");
    ck_assert_int_eq(count_get(COUNT_CORE_RETAINED), 0);
    ck_assert_int_eq(count_get(COUNT_CORE_RETAINED_BYTES), 0);
    /* the empty one lies in the log as a record without a value, which compaction goes by */
    ck_assert_int_eq(partition_read_cached(stream_partition(s, 0), 4, 1 << 20, &pieces), RC_OK);
    for (unsigned i = 0; i < pieces.count; i++) {
        size_t at = 0, whole;

        while (at < pieces.at[i].bytes.len) {
            ck_assert_int_eq(record_reader_open(slice_after(pieces.at[i].bytes, at), 1 << 20,
                                                &inflated, &reader, NULL, &whole),
                             RC_OK);
            while (record_next(&reader, &record) == RC_OK) {
                if (record.offset == 4)
                    ck_assert(slice_is_none(record.value));
            }
            at += whole;
        }
    }
    log_pieces_done(&pieces);
    text_done(&inflated);
}
END_TEST

START_TEST(what_comes_while_the_log_is_gone_through_counts_more)
{
    bool present;
    struct session *s;
    char key[16];

    (void)compacted("s", 1);
    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(key, sizeof(key), "k%u", i % 5);
        produce("s", key, "old");
    }
    rig_settle(&rig);
    s = rig_session(&rig, b, "s", true, 0, &present);
    rig_subscribe(s, "s/+", 1, 0);
    produce("s", "k1", NULL); /* nothing is known yet: not even that there is a k1 */
    produce("s", "k2", "new");
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 5); /* three that are retained, and two behind them, live */
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(b->seen[i].is_retained, i < 3);
    ck_assert_str_eq(b->seen[4].value, "new");
    ck_assert_str_eq(retained("s/+"), "s/k0=old s/k2=new s/k3=old s/k4=old ");
    session_detach(&s);
}
END_TEST

START_TEST(no_second_copy_is_kept_and_all_survives_restarts)
{
    (void)compacted("s", 3);
    for (unsigned i = 0; i < 10; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "k%u", i);
        produce("s", key, "x");
    }
    (void)retain("s/k3", "mqtt", true);
    (void)retain("s/k4", "", true);
    (void)retain("other/x", "beside", true);
    rig_settle(&rig);
    for (unsigned life = 0; life < 2; life++) {
        restart(life == 0 ? rig_reopen : rig_reopen_after_crash);
        ck_assert_uint_eq(retain_count(rig.core), 1); /* that of the other stream */
        ck_assert_str_eq(retained("s/+"), "s/k0=x s/k1=x s/k2=x s/k3=mqtt s/k5=x s/k6=x s/k7=x "
                                          "s/k8=x s/k9=x ");
        ck_assert_str_eq(retained("other/x"), "other/x=beside ");
    }
}
END_TEST

static void compact_and_look(void)
{
    struct stream *s = compacted("s", 1);
    int64_t passes = count_get(COUNT_CORE_COMPACTIONS);

    for (unsigned i = 0; i < 300; i++)
        produce("s", i % 2 == 0 ? "a" : "b", i < 298 ? "old" : "last");
    (void)retain("s/c", "1", true);
    (void)retain("s/c", "", true);
    ck_assert_str_eq(retained("s/#"), "s/a=last s/b=last ");
    ck_assert_int_eq(stream_compact(a->client, s), RC_OK);
    while (count_get(COUNT_CORE_COMPACTIONS) == passes)
        rig_settle(&rig);
    ck_assert_str_eq(retained("s/#"), "s/a=last s/b=last ");
}

START_TEST(it_is_the_same_before_and_after_compaction)
{
    compact_and_look();
    restart(rig_reopen);
    ck_assert_str_eq(retained("s/#"), "s/a=last s/b=last ");
}
END_TEST

START_TEST(in_memory_it_is_the_same_before_and_after_compaction)
{
    uint64_t bytes;

    compact_and_look();
    bytes = partition_bytes(stream_partition(stream_find(rig.core, SLICE("s")), 0));
    ck_assert_uint_lt(bytes, 1000); /* of 302 records */
}
END_TEST

START_TEST(switching_compaction_on_takes_what_was_retained_into_the_log)
{
    uint64_t end;

    (void)retain("s/a", "1", true);
    (void)retain("s/b", "2", true);
    (void)retain("s/a", "later, but not retained", false);
    (void)retain("sa", "beside", true);
    (void)retain("s", "has no key", true);
    rig_settle(&rig);
    set_compacted("s", true);
    end = partition_end(stream_partition(stream_find(rig.core, SLICE("s")), 0));
    ck_assert_uint_eq(end, 6); /* those two once more */
    rig_settle(&rig);
    ck_assert_str_eq(retained("#"), "s=has no key s/a=1 s/b=2 sa=beside ");
    restart(rig_reopen_after_crash);
    ck_assert_uint_eq(retain_count(rig.core), 2);
    ck_assert_str_eq(retained("#"), "s=has no key s/a=1 s/b=2 sa=beside ");
}
END_TEST

START_TEST(switching_compaction_off_keeps_what_was_published_as_retained)
{
    (void)compacted("s", 2);
    produce("s", "kafka", "1");
    (void)retain("s/a", "2", true);
    (void)retain("s/b", "3", true);
    (void)retain("s/c", "4", true);
    (void)retain("s/c", "", true);
    rig_settle(&rig);
    restart(rig_reopen); /* nothing of it is known */
    set_compacted("s", false);
    (void)retain("s/b", "", true); /* not yet come across */
    settle_while(is_leaving, "s");
    ck_assert_str_eq(retained("s/#"), "s/a=2 ");
    ck_assert_uint_eq(retain_count(rig.core), 1);
    (void)retain("s/a", "not retained any more", false);
    restart(rig_reopen_after_crash);
    ck_assert_str_eq(retained("s/#"), "s/a=2 ");
    set_compacted("s", true);
    ck_assert_str_eq(retained("s/#"), "s/a=2 s/kafka=1 ");
    set_compacted("s", false);
    set_compacted("s", true); /* before anything was moved */
    ck_assert_str_eq(retained("s/#"), "s/a=2 s/kafka=1 ");
}
END_TEST

START_TEST(a_crash_while_it_is_switched_off_loses_nothing)
{
    char address[16];

    (void)compacted("s", 1);
    for (unsigned i = 0; i < 700; i++) {
        (void)snprintf(address, sizeof(address), "s/%03u", i);
        (void)retain(address, "x", true);
    }
    rig_settle(&rig);
    set_compacted("s", false);
    core_turn_end(rig.core); /* recorded, and nothing moved */
    restart(rig_reopen_after_crash);
    settle_while(is_leaving, "s");
    ck_assert_uint_eq(retain_count(rig.core), 700);
    ck_assert_ptr_nonnull(retain_get(rig.core, SLICE("s/699")));
}
END_TEST

START_TEST(a_deleted_stream_takes_its_tail_along)
{
    struct stream *s = compacted("s", 1);

    produce("s", "a", "1");
    (void)retain("s/b", "2", true);
    ck_assert_str_eq(retained("#"), "s/a=1 s/b=2 ");
    ck_assert_int_eq(stream_delete(rig.core, a->client, s), RC_OK);
    ck_assert_str_eq(retained("#"), "");
    ck_assert_int_eq(count_get(COUNT_CORE_RETAINED), 0);
}
END_TEST

START_TEST(what_is_trimmed_or_expired_is_retained_no_more)
{
    struct core_config config = CORE_CONFIG_DEFAULT;
    struct stream *s;

    teardown();
    config.retained_expiry_ms = 5000;
    setup_as(false, &config);
    clock_set_for_test(1000000, 1000);
    s = compacted("s", 1);
    produce("s", "a", "1");
    produce("s", "b", "2");
    rig_settle(&rig);
    ck_assert_str_eq(retained("#"), "s/a=1 s/b=2 ");
    ck_assert_int_eq(partition_trim(stream_partition(s, 0), a->client, 1), RC_OK);
    ck_assert_str_eq(retained("#"), "s/b=2 ");
    clock_set_for_test(7000000000, 7000);
    rig_settle(&rig);
    ck_assert_uint_eq(retain_count(rig.core), 0);
    ck_assert_str_eq(retained("#"), "");
    ck_assert_int_eq(count_get(COUNT_CORE_RETAINED_BYTES), 0);
}
END_TEST

START_TEST(limits_hold_for_what_lies_in_the_log_too)
{
    struct core_config config = CORE_CONFIG_DEFAULT;
    int64_t refused = count_get(COUNT_CORE_RETAINED_REFUSED);

    teardown();
    config.retained_max = 3;
    config.retained_max_bytes = 15;
    setup_as(false, &config);
    (void)compacted("s", 1);
    (void)retain("s/a", "a value is not counted, for it is the log's", true);
    (void)retain("s/b", "x", true);
    rig_settle(&rig);
    ck_assert_int_eq(retain("s/a/long/address", "x", true), RC_LIMIT);
    (void)retain("s/c", "x", true);
    ck_assert_int_eq(retain("s/d", "x", true), RC_LIMIT);
    ck_assert_int_eq(retain("t/d", "x", true), RC_LIMIT);
    ck_assert_int_eq(retain("s/a", "y", true), RC_NO_ROUTE);
    produce("s", "d", "x"); /* nobody can refuse that, but it is no retained message */
    ck_assert_str_eq(retained("#"), "s/a=y s/b=x s/c=x ");
    ck_assert_int_eq(count_get(COUNT_CORE_RETAINED_REFUSED) - refused, 4);
}
END_TEST

START_TEST(a_key_that_is_no_topic_is_not_retained)
{
    (void)compacted("s", 1);
    produce("s", "a/+", "1");
    produce("s", "\xff", "2");
    produce("s", "ok", "3");
    ck_assert_str_eq(retained("#"), "s/ok=3 ");
}
END_TEST

START_TEST(credit_paces_what_is_read_from_the_log)
{
    bool present;
    struct session *s;
    char key[16];

    (void)compacted("s", 1);
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(key, sizeof(key), "%03u", i);
        produce("s", key, "x");
    }
    rig_settle(&rig);
    restart(rig_reopen);
    s = rig_session(&rig, b, "paced", false, 3600000, &present);
    b->credit = 100;
    rig_subscribe(s, "s/+", 1, 0);
    rig_settle_until(&rig, &b->count, 100);
    ck_assert_uint_eq(b->count, 100);
    b->credit = RIG_SEEN_MAX;
    session_ready(s);
    rig_settle_until(&rig, &b->count, 300);
    ck_assert_str_eq(b->seen[299].address, "s/299");
    session_detach(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core_tail");
    TCase *memory = tcase_create("memory"), *durable = tcase_create("durable");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(memory, setup, teardown);
    tcase_set_timeout(memory, 60);
    tcase_add_test(memory, the_last_record_of_a_key_is_retained_whoever_wrote_it);
    tcase_add_test(memory, a_key_without_a_value_is_retained_no_more);
    tcase_add_test(memory, what_comes_while_the_log_is_gone_through_counts_more);
    tcase_add_test(memory, a_deleted_stream_takes_its_tail_along);
    tcase_add_test(memory, what_is_trimmed_or_expired_is_retained_no_more);
    tcase_add_test(memory, limits_hold_for_what_lies_in_the_log_too);
    tcase_add_test(memory, in_memory_it_is_the_same_before_and_after_compaction);
    tcase_add_test(memory, a_key_that_is_no_topic_is_not_retained);
    tcase_add_checked_fixture(durable, setup_durable, teardown);
    tcase_set_timeout(durable, 60);
    tcase_add_test(durable, no_second_copy_is_kept_and_all_survives_restarts);
    tcase_add_test(durable, it_is_the_same_before_and_after_compaction);
    tcase_add_test(durable, switching_compaction_on_takes_what_was_retained_into_the_log);
    tcase_add_test(durable, switching_compaction_off_keeps_what_was_published_as_retained);
    tcase_add_test(durable, a_crash_while_it_is_switched_off_loses_nothing);
    tcase_add_test(durable, credit_paces_what_is_read_from_the_log);
    suite_add_tcase(suite, memory);
    suite_add_tcase(suite, durable);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
