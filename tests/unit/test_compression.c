/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "broker/base/fault.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/record/compression.h"

#ifdef TERCET_FAULTS
#define HAS_FAULTS true
#else
#define HAS_FAULTS false
#endif

#define LIMIT ((size_t)4 << 20)

/* Half text, half noise, so that every codec both packs and stores. */
static struct text sample(size_t len)
{
    struct text t = { 0 };
    uint32_t noise = (uint32_t)len;

    for (size_t i = 0; i < len; i++) {
        noise = noise * 1664525 + 1013904223;
        text_add_byte(&t, i / 512 % 2 == 0 ? (uint8_t)("tercet "[i % 7]) : (uint8_t)(noise >> 24));
    }
    return t;
}

static enum rc inflate_copy(enum compression codec, struct slice packed, size_t max_bytes,
                            struct text *out)
{
    uint8_t *copy = malloc(packed.len == 0 ? 1 : packed.len);
    enum rc rc;

    memcpy(copy, packed.at, packed.len);
    rc = compression_inflate(codec, slice_of(copy, packed.len), max_bytes, out);
    free(copy);
    return rc;
}

START_TEST(what_was_packed_inflates_to_itself)
{
    static const size_t sizes[] = { 0, 1, 2, 511, 32768, 32769, 65536, 65537, 1000000 };
    struct text packed = { 0 }, out = { 0 };

    for (unsigned codec = 0; codec < COMPRESSION_COUNT; codec++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct text plain = sample(sizes[i]);

            ck_assert_int_eq(
                compression_deflate((enum compression)codec, text_slice(&plain), &packed), RC_OK);
            ck_assert_int_eq(
                inflate_copy((enum compression)codec, text_slice(&packed), LIMIT, &out), RC_OK);
            ck_assert(slice_equal(text_slice(&out), text_slice(&plain)));
            text_done(&plain);
        }
    text_done(&packed);
    text_done(&out);
}
END_TEST

START_TEST(the_limit_is_met_exactly)
{
    struct text plain = sample(100000), packed = { 0 }, out = { 0 };

    for (unsigned codec = 0; codec < COMPRESSION_COUNT; codec++) {
        ck_assert_int_eq(compression_deflate((enum compression)codec, text_slice(&plain), &packed),
                         RC_OK);
        ck_assert_int_eq(inflate_copy((enum compression)codec, text_slice(&packed), 100000, &out),
                         RC_OK);
        ck_assert_uint_eq(out.len, 100000);
        text_done(&out);
        ck_assert_int_eq(inflate_copy((enum compression)codec, text_slice(&packed), 99999, &out),
                         RC_TOO_LARGE);
        ck_assert_int_eq(inflate_copy((enum compression)codec, text_slice(&packed), 1, &out),
                         RC_TOO_LARGE);
        text_done(&out);
    }
    text_done(&plain);
    text_done(&packed);
}
END_TEST

START_TEST(every_truncation_is_malformed)
{
    struct text plain = sample(3000), packed = { 0 }, out = { 0 };

    for (unsigned codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        ck_assert_int_eq(compression_deflate((enum compression)codec, text_slice(&plain), &packed),
                         RC_OK);
        for (size_t len = 0; len < packed.len; len++) {
            enum rc rc =
                inflate_copy((enum compression)codec, slice_of(packed.at, len), LIMIT, &out);

            /* A framed snappy stream may end behind any block, also before the first. */
            if (codec == COMPRESSION_SNAPPY && len == 16)
                ck_assert(rc == RC_OK && out.len == 0);
            else
                ck_assert_msg(rc == RC_MALFORMED, "codec %u at %zu: %d", codec, len, (int)rc);
        }
    }
    text_done(&plain);
    text_done(&packed);
    text_done(&out);
}
END_TEST

START_TEST(what_follows_the_end_is_malformed)
{
    struct text plain = sample(3000), packed = { 0 }, out = { 0 };

    for (unsigned codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        ck_assert_int_eq(compression_deflate((enum compression)codec, text_slice(&plain), &packed),
                         RC_OK);
        text_add_byte(&packed, 'x');
        ck_assert_int_eq(inflate_copy((enum compression)codec, text_slice(&packed), LIMIT, &out),
                         RC_MALFORMED);
    }
    text_done(&plain);
    text_done(&packed);
    text_done(&out);
}
END_TEST

START_TEST(two_streams_in_a_row_inflate_to_both)
{
    struct text plain = sample(3000), packed = { 0 }, both = { 0 }, out = { 0 };

    for (unsigned codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        ck_assert_int_eq(compression_deflate((enum compression)codec, text_slice(&plain), &packed),
                         RC_OK);
        text_clear(&both);
        text_add(&both, text_slice(&packed));
        text_add(&both, text_slice(&packed));
        ck_assert_int_eq(inflate_copy((enum compression)codec, text_slice(&both), 6000, &out),
                         RC_OK);
        ck_assert_uint_eq(out.len, 6000);
        ck_assert(slice_equal(slice_after(text_slice(&out), 3000), text_slice(&plain)));
        ck_assert_int_eq(inflate_copy((enum compression)codec, text_slice(&both), 3000, &out),
                         RC_TOO_LARGE);
    }
    text_done(&plain);
    text_done(&packed);
    text_done(&both);
    text_done(&out);
}
END_TEST

START_TEST(garbage_is_malformed)
{
    struct text out = { 0 };

    for (unsigned codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++)
        ck_assert_int_eq(compression_inflate((enum compression)codec,
                                             SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff"), LIMIT,
                                             &out),
                         RC_MALFORMED);
    text_done(&out);
}
END_TEST

START_TEST(snappy_is_read_raw_as_well)
{
    struct text out = { 0 };

    /* 10 bytes: literal "ab", then a copy of 8 from 2 back. */
    ck_assert_int_eq(compression_inflate(COMPRESSION_SNAPPY,
                                         SLICE("\x0a\x04"
                                               "ab"
                                               "\x11\x02"),
                                         LIMIT, &out),
                     RC_OK);
    ck_assert(slice_equal(text_slice(&out), SLICE("ababababab")));
    text_done(&out);
}
END_TEST

START_TEST(a_declared_size_takes_no_memory)
{
    struct text out = { 0 };
    uint64_t before = mem_in_use_bytes();

    /* Snappy that says it holds 4 MB less one, in six bytes. */
    ck_assert_int_eq(
        compression_inflate(COMPRESSION_SNAPPY, SLICE("\xff\xff\xff\x01\0a"), LIMIT, &out),
        RC_MALFORMED);
    ck_assert_uint_lt(mem_in_use_bytes() - before, 1 << 17);
    /* zstd: single segment, content size 0x3fffff, then nothing. */
    ck_assert_int_eq(compression_inflate(COMPRESSION_ZSTD,
                                         SLICE("\x28\xb5\x2f\xfd\xa0\xff\xff\x3f\0\x01\0\0"), LIMIT,
                                         &out),
                     RC_MALFORMED);
    text_done(&out);
}
END_TEST

START_TEST(a_bomb_stops_at_the_limit)
{
    struct text plain = { 0 }, packed = { 0 }, out = { 0 };
    uint64_t before;

    ck_assert(text_reserve(&plain, LIMIT * 4));
    plain.len = LIMIT * 4;
    memset(plain.at, 0, plain.len);
    for (unsigned codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        ck_assert_int_eq(compression_deflate((enum compression)codec, text_slice(&plain), &packed),
                         RC_OK);
        before = mem_in_use_bytes();
        ck_assert_int_eq(inflate_copy((enum compression)codec, text_slice(&packed), LIMIT, &out),
                         RC_TOO_LARGE);
        ck_assert_uint_le(mem_in_use_bytes() - before, 3 * LIMIT);
        text_done(&out);
    }
    text_done(&plain);
    text_done(&packed);
}
END_TEST

START_TEST(a_gzip_member_with_a_wrong_sum_is_malformed)
{
    struct text plain = sample(3000), packed = { 0 }, out = { 0 };

    ck_assert_int_eq(compression_deflate(COMPRESSION_GZIP, text_slice(&plain), &packed), RC_OK);
    packed.at[packed.len - 5] ^= 1;
    ck_assert_int_eq(compression_inflate(COMPRESSION_GZIP, text_slice(&packed), LIMIT, &out),
                     RC_MALFORMED);
    ck_assert_int_eq(compression_inflate(COMPRESSION_GZIP, text_slice(&packed), 3000, &out),
                     RC_MALFORMED);
    text_done(&plain);
    text_done(&packed);
    text_done(&out);
}
END_TEST

START_TEST(zstd_of_the_widest_window_is_read)
{
    struct text plain = sample(200000), packed = { 0 }, out = { 0 };
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_outBuffer to;
    ZSTD_inBuffer from = { plain.at, plain.len, 0 };

    /* As a producer at level 22 streams it: no content size, a window of 128 MB. */
    ck_assert(text_reserve(&packed, ZSTD_compressBound(plain.len)));
    to = (ZSTD_outBuffer){ packed.at, packed.room, 0 };
    ck_assert(!ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, 27)));
    ck_assert(!ZSTD_isError(ZSTD_compressStream2(zstd, &to, &from, ZSTD_e_flush)));
    ck_assert_uint_eq(ZSTD_compressStream2(zstd, &to, &from, ZSTD_e_end), 0);
    ck_assert_int_eq(
        compression_inflate(COMPRESSION_ZSTD, slice_of(packed.at, to.pos), LIMIT, &out), RC_OK);
    ck_assert(slice_equal(text_slice(&out), text_slice(&plain)));
    ZSTD_freeCCtx(zstd);
    text_done(&plain);
    text_done(&packed);
    text_done(&out);
}
END_TEST

START_TEST(every_failing_allocation_is_reported)
{
    struct text plain = sample(100000), packed = { 0 };

    if (!HAS_FAULTS)
        return;
    for (unsigned codec = COMPRESSION_NONE; codec < COMPRESSION_COUNT; codec++) {
        ck_assert_int_eq(compression_deflate((enum compression)codec, text_slice(&plain), &packed),
                         RC_OK);
        for (unsigned k = 1;; k++) {
            struct text out = { 0 };
            enum rc rc;
            bool was_hit;

            fault_arm("mem", k, FAULT_FAIL);
            rc = compression_inflate((enum compression)codec, text_slice(&packed), LIMIT, &out);
            was_hit = fault_passed() >= k;
            fault_disarm();
            text_done(&out);
            ck_assert_int_eq(rc, was_hit ? RC_MEMORY : RC_OK);
            if (!was_hit)
                break;
        }
        text_done(&packed);
        fault_arm("mem", 1, FAULT_FAIL);
        ck_assert_int_eq(compression_deflate((enum compression)codec, text_slice(&plain), &packed),
                         RC_MEMORY);
        fault_disarm();
    }
    text_done(&plain);
    text_done(&packed);
}
END_TEST

START_TEST(names_are_kafkas)
{
    ck_assert_str_eq(compression_name(COMPRESSION_NONE), "none");
    ck_assert_str_eq(compression_name(COMPRESSION_GZIP), "gzip");
    ck_assert_str_eq(compression_name(COMPRESSION_SNAPPY), "snappy");
    ck_assert_str_eq(compression_name(COMPRESSION_LZ4), "lz4");
    ck_assert_str_eq(compression_name(COMPRESSION_ZSTD), "zstd");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compression");
    TCase *tcase = tcase_create("compression");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, what_was_packed_inflates_to_itself);
    tcase_add_test(tcase, the_limit_is_met_exactly);
    tcase_add_test(tcase, every_truncation_is_malformed);
    tcase_add_test(tcase, what_follows_the_end_is_malformed);
    tcase_add_test(tcase, two_streams_in_a_row_inflate_to_both);
    tcase_add_test(tcase, garbage_is_malformed);
    tcase_add_test(tcase, snappy_is_read_raw_as_well);
    tcase_add_test(tcase, a_declared_size_takes_no_memory);
    tcase_add_test(tcase, a_bomb_stops_at_the_limit);
    tcase_add_test(tcase, a_gzip_member_with_a_wrong_sum_is_malformed);
    tcase_add_test(tcase, zstd_of_the_widest_window_is_read);
    tcase_add_test(tcase, every_failing_allocation_is_reported);
    tcase_add_test(tcase, names_are_kafkas);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
