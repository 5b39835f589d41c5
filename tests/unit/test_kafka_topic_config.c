/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "broker/core/stream.h"
#include "protocols/kafka/kafka_listener.h"
#include "protocols/kafka/kafka_topic_config.h"

static const struct kafka_config defaults = KAFKA_CONFIG_DEFAULT;

START_TEST(the_default_of_every_row_may_be_set_and_is_not_kept)
{
    for (unsigned i = 0; i < kafka_config_row_count; i++) {
        const struct kafka_config_row *row = &kafka_config_rows[i];
        struct text kept = { 0 };
        struct stream_policy policy = STREAM_POLICY_OPEN;
        const char *why =
            kafka_topic_config_check(&defaults, slice_str(row->name), slice_str(row->value));

        ck_assert_msg(why == NULL, "%s: %s", row->name, why);
        kafka_topic_config_add(&defaults, &kept, slice_str(row->name), slice_str(row->value));
        kafka_topic_policy_set(slice_str(row->name), slice_str(row->value), &policy);
        if (row->effect != KAFKA_CONFIG_POLICY)
            ck_assert_uint_eq(kept.len, 0);
        ck_assert(row->effect == KAFKA_CONFIG_POLICY || policy_is_open(&policy));
        text_done(&kept);
    }
}
END_TEST

START_TEST(what_is_kept_is_read_again)
{
    struct text kept = { 0 };
    struct kafka_topic_config config;

    kafka_topic_config_add(&defaults, &kept, SLICE("max.message.bytes"), SLICE("77"));
    kafka_topic_config_add(&defaults, &kept, SLICE("message.timestamp.type"),
                           SLICE("LogAppendTime"));
    kafka_topic_config_of(&defaults, text_slice(&kept), &config);
    ck_assert_uint_eq(config.max_message_bytes, 77);
    ck_assert(config.is_append_time);
    ck_assert(!config.is_repacked);
    ck_assert(
        slice_equal_str(kafka_topic_config_get(text_slice(&kept), "max.message.bytes"), "77"));
    ck_assert(slice_is_none(kafka_topic_config_get(text_slice(&kept), "message.timestamp")));
    text_done(&kept);
}
END_TEST

START_TEST(the_brokers_own_settings_are_the_defaults)
{
    struct kafka_config config = defaults;
    struct text kept = { 0 };

    config.max_message_bytes = 5;
    kafka_topic_config_add(&config, &kept, SLICE("max.message.bytes"), SLICE("5"));
    ck_assert_uint_eq(kept.len, 0);
    kafka_topic_config_add(&config, &kept, SLICE("max.message.bytes"), SLICE("1048588"));
    ck_assert_uint_gt(kept.len, 0);
    text_done(&kept);
}
END_TEST

START_TEST(without_settings_a_topic_has_the_brokers)
{
    struct kafka_topic_config config;

    kafka_topic_config_of(&defaults, SLICE_NONE, &config);
    ck_assert_uint_eq(config.max_message_bytes, defaults.max_message_bytes);
    ck_assert(!config.is_append_time);
}
END_TEST

START_TEST(every_codec_has_its_word)
{
    static const char *const words[] = { "uncompressed", "gzip", "snappy", "lz4", "zstd" };

    for (unsigned i = 0; i < COMPRESSION_COUNT; i++) {
        struct text kept = { 0 };
        struct kafka_topic_config config;

        ck_assert_ptr_null(
            kafka_topic_config_check(&defaults, SLICE("compression.type"), slice_str(words[i])));
        kafka_topic_config_add(&defaults, &kept, SLICE("compression.type"), slice_str(words[i]));
        kafka_topic_config_of(&defaults, text_slice(&kept), &config);
        ck_assert(config.is_repacked);
        ck_assert_uint_eq(config.compression, i);
        text_done(&kept);
    }
}
END_TEST

START_TEST(what_compaction_goes_by_is_read_from_what_is_kept)
{
    struct stream_compaction how;

    ck_assert(!kafka_topic_compaction(SLICE(""), &how));
    ck_assert(!kafka_topic_compaction(SLICE("cleanup.policy=delete\nsegment.ms=1\n"), &how));
    ck_assert(kafka_topic_compaction(SLICE("cleanup.policy=compact\n"), &how));
    ck_assert(!how.is_deleted_too);
    ck_assert_uint_eq(how.dirty_permille, 500);
    ck_assert_int_eq(how.delete_retention_ms, 86400000);
    ck_assert_int_eq(how.max_lag_ms, INT64_MAX);
    ck_assert(kafka_topic_compaction(SLICE("cleanup.policy=delete, compact\nsegment.ms=7\n"
                                           "min.cleanable.dirty.ratio=0.25\nsegment.bytes=99\n"
                                           "delete.retention.ms=0\nmax.compaction.lag.ms=8\n"
                                           "min.compaction.lag.ms=6\n"),
                                     &how));
    ck_assert(how.is_deleted_too);
    ck_assert_uint_eq(how.dirty_permille, 250);
    ck_assert_int_eq(how.delete_retention_ms, 0);
    ck_assert_int_eq(how.min_lag_ms, 6);
    ck_assert_int_eq(how.max_lag_ms, 8);
    ck_assert_uint_eq(how.active_bytes, 99);
    ck_assert_int_eq(how.active_ms, 7);
}
END_TEST

START_TEST(values_that_make_no_sense_are_refused)
{
    static const char *const bad[][2] = {
        { "no.such.name", "1" },
        { "max.message.bytes", "-1" },
        { "max.message.bytes", "2147483648" },
        { "max.message.bytes", "" },
        { "max.message.bytes", "12x" },
        { "preallocate", "maybe" },
        { "message.timestamp.type", "Sometime" },
        { "leader.replication.throttled.replicas", "1:2\n3:4" },
        { "cleanup.policy", "compact,shrink" },
        { "cleanup.policy", "" },
        { "min.cleanable.dirty.ratio", "1.01" },
        { "min.cleanable.dirty.ratio", "half" },
        { "compression.type", "none" },
        { "retention.ms", "-2" },
        { "retention.ms", "soon" },
        { "retention.bytes", "" },
        { "retention.bytes", "9223372036854775808" },
        { "flush.messages", "0" },
        { "flush.ms", "-1" },
        { "tercet.durability", "never" },
        { "tercet.durability", "" },
        { "min.insync.replicas", "2" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(
            kafka_topic_config_check(&defaults, slice_str(bad[i][0]), slice_str(bad[i][1])) != NULL,
            "%s=%s", bad[i][0], bad[i][1]);
    ck_assert_ptr_nonnull(kafka_topic_config_check(&defaults, SLICE("segment.ms"), SLICE_NONE));
    ck_assert_ptr_null(kafka_topic_config_check(&defaults, SLICE("max.message.bytes"), SLICE("0")));
    ck_assert_ptr_null(
        kafka_topic_config_check(&defaults, SLICE("max.message.bytes"), SLICE("2147483647")));
}
END_TEST

START_TEST(retention_lies_in_the_policy_and_nowhere_else)
{
    struct stream_policy policy = STREAM_POLICY_OPEN;
    struct text kept = { 0 };

    kafka_topic_config_add(&defaults, &kept, SLICE("retention.ms"), SLICE("1000"));
    ck_assert_uint_eq(kept.len, 0);
    kafka_topic_policy_set(SLICE("retention.ms"), SLICE("1000"), &policy);
    kafka_topic_policy_set(SLICE("retention.bytes"), SLICE("-7"), &policy);
    ck_assert_int_eq(policy.retention_ms, 1000);
    ck_assert_int_eq(policy.retention_bytes, POLICY_UNLIMITED);
    ck_assert_int_eq(policy.durability, POLICY_OPEN);
    kafka_topic_policy_set(SLICE("retention.ms"), SLICE_NONE, &policy);
    ck_assert_int_eq(policy.retention_ms, POLICY_OPEN);
}
END_TEST

START_TEST(kafkas_own_words_for_durability_mean_what_they_say)
{
    static const struct {
        const char *kept;
        int64_t durability;
    } rows[] = {
        { "", POLICY_OPEN },
        { "segment.ms=1\n", POLICY_OPEN },
        { "flush.messages=1\n", DURABILITY_ALWAYS },
        { "flush.messages=100\n", DURABILITY_ALWAYS },
        { "flush.ms=200\n", DURABILITY_INTERVAL },
        { "flush.ms=199\n", DURABILITY_ALWAYS }, /* the broker syncs every 200 ms only */
        { "flush.messages=1\nflush.ms=1000\n", DURABILITY_ALWAYS },
        { "flush.messages=1\ntercet.durability=memory\n", DURABILITY_MEMORY },
        { "tercet.durability=interval\n", DURABILITY_INTERVAL },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_int_eq(kafka_topic_durability(&defaults, slice_str(rows[i].kept)),
                         rows[i].durability);
}
END_TEST

START_TEST(a_value_tells_whether_the_topic_sets_it)
{
    struct kafka_topic_view view = { .kept = SLICE("flush.messages=1\n"),
                                     .own = STREAM_POLICY_OPEN,
                                     .effective = { 5000, POLICY_UNLIMITED, DURABILITY_ALWAYS } };
    const struct kafka_config_row *time = kafka_config_row_of(SLICE("retention.ms"));
    const struct kafka_config_row *durability = kafka_config_row_of(SLICE("tercet.durability"));
    char room[KAFKA_CONFIG_NUMBER_BYTES];
    struct slice value;
    bool is_set;

    value = kafka_topic_config_value(&defaults, &view, time, room, &is_set);
    ck_assert(slice_equal_str(value, "5000"));
    ck_assert(!is_set);
    view.own.retention_ms = 5000;
    (void)kafka_topic_config_value(&defaults, &view, time, room, &is_set);
    ck_assert(is_set);
    view.own.durability = DURABILITY_ALWAYS; /* flush.messages says so, and is shown itself */
    value = kafka_topic_config_value(&defaults, &view, durability, room, &is_set);
    ck_assert(slice_equal_str(value, "always"));
    ck_assert(!is_set);
    view.kept = SLICE_NONE; /* another protocol has said it */
    (void)kafka_topic_config_value(&defaults, &view, durability, room, &is_set);
    ck_assert(is_set);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_topic_config");
    TCase *tests = tcase_create("configs");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, the_default_of_every_row_may_be_set_and_is_not_kept);
    tcase_add_test(tests, what_is_kept_is_read_again);
    tcase_add_test(tests, the_brokers_own_settings_are_the_defaults);
    tcase_add_test(tests, without_settings_a_topic_has_the_brokers);
    tcase_add_test(tests, every_codec_has_its_word);
    tcase_add_test(tests, what_compaction_goes_by_is_read_from_what_is_kept);
    tcase_add_test(tests, values_that_make_no_sense_are_refused);
    tcase_add_test(tests, retention_lies_in_the_policy_and_nowhere_else);
    tcase_add_test(tests, kafkas_own_words_for_durability_mean_what_they_say);
    tcase_add_test(tests, a_value_tells_whether_the_topic_sets_it);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
