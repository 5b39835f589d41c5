/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "protocols/kafka/kafka_listener.h"
#include "protocols/kafka/kafka_topic_config.h"

static const struct kafka_config defaults = KAFKA_CONFIG_DEFAULT;

START_TEST(the_default_of_every_row_may_be_set_and_is_not_kept)
{
    for (unsigned i = 0; i < kafka_config_row_count; i++) {
        const struct kafka_config_row *row = &kafka_config_rows[i];
        struct text kept = { 0 };
        const char *why =
            kafka_topic_config_check(&defaults, slice_str(row->name), slice_str(row->value));

        ck_assert_msg(why == NULL, "%s: %s", row->name, why);
        kafka_topic_config_add(&defaults, &kept, slice_str(row->name), slice_str(row->value));
        ck_assert_uint_eq(kept.len, 0);
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

    config.retention_ms = 3600000;
    config.max_message_bytes = 5;
    ck_assert_ptr_null(kafka_topic_config_check(&config, SLICE("retention.ms"), SLICE("3600000")));
    ck_assert_ptr_nonnull(
        kafka_topic_config_check(&config, SLICE("retention.ms"), SLICE("604800000")));
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
        { "cleanup.policy", "compact" },
        { "compression.type", "none" },
        { "retention.ms", "1000" },
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
    tcase_add_test(tests, values_that_make_no_sense_are_refused);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
