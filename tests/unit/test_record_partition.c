/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "broker/record/partition_hash.h"

START_TEST(hashes_are_those_of_the_java_client)
{
    static const struct vector {
        const char *key;
        int32_t hash;
    } vectors[] = {
        { "21", -973932308 },
        { "foobar", -790332482 },
        { "a-little-bit-long-string", -985981536 },
        { "a-little-bit-longer-string", -1486304829 },
        { "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971 },
        { "abc", 479470107 },
    };

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        ck_assert_int_eq((int32_t)kafka_murmur2(slice_str(vectors[i].key)), vectors[i].hash);
}
END_TEST

START_TEST(high_bytes_count_as_unsigned)
{
    /* From kafka-python's murmur2, an implementation of its own. */
    ck_assert_uint_eq(kafka_murmur2(SLICE("\xff")), 0xed6f615b);
    ck_assert_uint_eq(kafka_murmur2(SLICE("\xff\x80\xc3")), 0x549bff34);
    ck_assert_uint_eq(kafka_murmur2(SLICE("\xff\x80\xc3\xa9\xfe")), 0x7843e429);
    ck_assert_uint_eq(kafka_murmur2(SLICE("")), 0x106e08d9);
}
END_TEST

START_TEST(partitions_come_from_the_hash_without_its_sign)
{
    ck_assert_uint_eq(kafka_to_positive((uint32_t)-973932308), 1173551340);
    ck_assert_uint_eq(kafka_partition_of(SLICE("21"), 7), 1173551340 % 7);
    ck_assert_uint_eq(kafka_partition_of(SLICE("21"), 1), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("partition_hash");
    TCase *tcase = tcase_create("partition_hash");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, hashes_are_those_of_the_java_client);
    tcase_add_test(tcase, high_bytes_count_as_unsigned);
    tcase_add_test(tcase, partitions_come_from_the_hash_without_its_sign);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
