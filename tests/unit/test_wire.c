/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/wire.h"

#include "tests/lib/suite.h"

/* One of everything, so that each truncation cuts each kind of value somewhere. */
static void write_all(struct wr *w)
{
    wr_u8(w, 0xfe);
    wr_u16(w, 0xfedc);
    wr_u32(w, 0xfedcba98);
    wr_u64(w, UINT64_C(0xfedcba9876543210));
    wr_i8(w, INT8_MIN);
    wr_i16(w, INT16_MIN);
    wr_i32(w, INT32_MIN);
    wr_i64(w, INT64_MIN);
    wr_uvarint(w, UINT32_MAX);
    wr_uvarint(w, UINT64_MAX);
    wr_varint(w, INT64_MIN);
    wr_varint(w, -1);
    wr_bytes(w, SLICE("bytes"));
}

static void read_all(struct rd *r)
{
    bool was_bad = false;

#define READ(expression, want)      \
    do {                            \
        if ((expression) != (want)) \
            ck_assert(r->bad);      \
        if (was_bad)                \
            ck_assert(r->bad);      \
        was_bad = r->bad;           \
    } while (0)
    READ(rd_u8(r), 0xfe);
    READ(rd_u16(r), 0xfedc);
    READ(rd_u32(r), 0xfedcba98);
    READ(rd_u64(r), UINT64_C(0xfedcba9876543210));
    READ(rd_i8(r), INT8_MIN);
    READ(rd_i16(r), INT16_MIN);
    READ(rd_i32(r), INT32_MIN);
    READ(rd_i64(r), INT64_MIN);
    READ(rd_uvarint(r, 5), UINT32_MAX);
    READ(rd_uvarint(r, 10), UINT64_MAX);
    READ(rd_varint(r), INT64_MIN);
    READ(rd_varint(r), -1);
    READ(rd_bytes(r, 5).len, 5);
#undef READ
}

START_TEST(what_is_written_is_read_back)
{
    uint8_t bytes[128];
    struct wr w = wr_of(bytes, sizeof(bytes));
    struct rd r;

    write_all(&w);
    ck_assert(!w.bad);
    r = rd_of(wr_slice(&w));
    read_all(&r);
    ck_assert(!r.bad);
    ck_assert_uint_eq(r.left, 0);
}
END_TEST

START_TEST(every_truncation_is_bad_and_never_read_past)
{
    uint8_t bytes[128];
    struct wr w = wr_of(bytes, sizeof(bytes));

    write_all(&w);
    for (size_t len = 0; len < w.len; len++) {
        struct slice cut = exact_copy(slice_of(bytes, len));
        struct rd r = rd_of(cut);

        read_all(&r);
        ck_assert_msg(r.bad, "%zu bytes of %zu were enough", len, w.len);
        exact_free(cut);
    }
}
END_TEST

START_TEST(a_bad_reader_gives_zero_for_ever)
{
    struct rd r = rd_of(SLICE("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"));

    ck_assert_ptr_null(rd_take(&r, 13));
    ck_assert(r.bad);
    ck_assert_uint_eq(rd_u8(&r), 0);
    ck_assert_uint_eq(rd_u16(&r), 0);
    ck_assert_uint_eq(rd_u32(&r), 0);
    ck_assert_uint_eq(rd_u64(&r), 0);
    ck_assert_uint_eq(rd_uvarint(&r, 10), 0);
    ck_assert_int_eq(rd_varint(&r), 0);
    ck_assert_uint_eq(rd_varint4(&r), 0);
    ck_assert(slice_is_none(rd_bytes(&r, 0)));
    ck_assert(slice_is_none(rd_rest(&r)));
    ck_assert_uint_eq(rd_count(&r, 0, 1), 0);
    ck_assert(rd_fence(&r, 1).bad);
    ck_assert(r.bad);
}
END_TEST

START_TEST(a_half_read_number_is_zero)
{
    struct rd r = rd_of(SLICE("\xff\xff\xff\xff\xff\xff\xff"));

    ck_assert_uint_eq(rd_u64(&r), 0);
    ck_assert(r.bad);
}
END_TEST

START_TEST(a_length_near_the_end_of_memory_does_not_wrap)
{
    struct rd r = rd_of(SLICE("ab"));

    ck_assert_uint_eq(rd_bytes(&r, SIZE_MAX).len, 0);
    ck_assert(r.bad);
}
END_TEST

START_TEST(nothing_can_be_read_from_nothing)
{
    struct rd r = rd_of(SLICE_NONE);
    struct slice empty = rd_rest(&r);

    ck_assert(!r.bad);
    ck_assert_uint_eq(empty.len, 0);
    ck_assert(!slice_is_none(empty));
    ck_assert_uint_eq(rd_u8(&r), 0);
    ck_assert(r.bad);
}
END_TEST

START_TEST(a_fence_ends_where_it_should)
{
    struct rd r = rd_of(SLICE("abcdef"));
    struct rd inside = rd_fence(&r, 4);

    ck_assert_slice(rd_bytes(&inside, 4), SLICE("abcd"));
    ck_assert(!inside.bad);
    ck_assert_uint_eq(rd_u8(&inside), 0);
    ck_assert(inside.bad);
    ck_assert_slice(rd_rest(&r), SLICE("ef"));
    ck_assert(!r.bad);
}
END_TEST

START_TEST(a_fence_longer_than_its_reader_is_bad)
{
    struct rd r = rd_of(SLICE("abc"));
    struct rd inside = rd_fence(&r, 4);

    ck_assert(inside.bad);
    ck_assert(r.bad);
}
END_TEST

START_TEST(a_count_must_fit_in_what_is_left)
{
    struct rd r = rd_of(SLICE("abcdef"));

    ck_assert_uint_eq(rd_count(&r, 3, 2), 3);
    ck_assert(!r.bad);
    ck_assert_uint_eq(rd_count(&r, 4, 2), 0);
    ck_assert(r.bad);
    r = rd_of(SLICE("abcdef"));
    ck_assert_uint_eq(rd_count(&r, SIZE_MAX, 1), 0);
    ck_assert(r.bad);
}
END_TEST

START_TEST(every_varint_length_reads_its_edges)
{
    for (unsigned bits = 0; bits < 64; bits++) {
        uint64_t edge = UINT64_C(1) << bits;
        uint64_t values[] = { edge - 1, edge, edge + 1 };

        for (size_t i = 0; i < COUNT_OF(values); i++) {
            uint8_t bytes[10];
            struct wr w = wr_of(bytes, sizeof(bytes));
            struct rd r;

            wr_uvarint(&w, values[i]);
            ck_assert(!w.bad);
            r = rd_of(wr_slice(&w));
            ck_assert_uint_eq(rd_uvarint(&r, 10), values[i]);
            ck_assert(!r.bad && r.left == 0);
            r = rd_of(wr_slice(&w));
            ck_assert_uint_eq(rd_uvarint(&r, 5), values[i] <= UINT32_MAX ? values[i] : 0);
            ck_assert(r.bad == (values[i] > UINT32_MAX));
        }
    }
}
END_TEST

START_TEST(a_varint_of_too_many_bytes_or_bits_is_bad)
{
    struct rd r = rd_of(SLICE("\x80\x80\x80\x80\x80\x00"));

    (void)rd_uvarint(&r, 5);
    ck_assert(r.bad);
    r = rd_of(SLICE("\xff\xff\xff\xff\x1f")); /* 33 bits */
    ck_assert_uint_eq(rd_uvarint(&r, 5), 0);
    ck_assert(r.bad);
    r = rd_of(SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")); /* 65 bits */
    ck_assert_uint_eq(rd_uvarint(&r, 10), 0);
    ck_assert(r.bad);
    r = rd_of(SLICE("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"));
    ck_assert_int_eq(rd_varint(&r), 0);
    ck_assert(r.bad);
}
END_TEST

START_TEST(zigzag_keeps_the_sign)
{
    static const int64_t values[] = { 0,  -1,        1,         -2,        63,       -64,
                                      64, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX };

    for (size_t i = 0; i < COUNT_OF(values); i++) {
        uint8_t bytes[10];
        struct wr w = wr_of(bytes, sizeof(bytes));
        struct rd r;

        wr_varint(&w, values[i]);
        r = rd_of(wr_slice(&w));
        ck_assert_int_eq(rd_varint(&r), values[i]);
        ck_assert(!r.bad && r.left == 0);
    }
}
END_TEST

START_TEST(mqtt_lengths_follow_the_specification)
{
    static const struct {
        struct slice bytes;
        uint32_t value;
        bool bad;
    } rows[] = {
        { SLICE("\x00"), 0, false },
        { SLICE("\x7f"), 127, false },
        { SLICE("\x80\x01"), 128, false },
        { SLICE("\xff\x7f"), 16383, false },
        { SLICE("\x80\x80\x01"), 16384, false },
        { SLICE("\xff\xff\x7f"), 2097151, false },
        { SLICE("\x80\x80\x80\x01"), 2097152, false },
        { SLICE("\xff\xff\xff\x7f"), 268435455, false },
        { SLICE("\x80\x00"), 0, true },         /* longer than needed */
        { SLICE("\xff\x00"), 0, true },         /* longer than needed */
        { SLICE("\xff\xff\xff\x00"), 0, true }, /* longer than needed */
        { SLICE("\x80\x80\x80\x80\x01"), 0, true },
        { SLICE("\xff\xff\xff\xff\x7f"), 0, true },
        { SLICE(""), 0, true },
        { SLICE("\x80"), 0, true },
        { SLICE("\x80\x80\x80"), 0, true },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rd r = rd_of(rows[i].bytes);
        uint32_t value = rd_varint4(&r);

        ck_assert_msg(value == rows[i].value && r.bad == rows[i].bad, "row %zu: %u", i, value);
    }
}
END_TEST

START_TEST(counting_agrees_with_writing)
{
    uint8_t bytes[128];
    struct wr counted = wr_counting();
    struct wr written = wr_of(bytes, sizeof(bytes));

    write_all(&counted);
    write_all(&written);
    ck_assert(!counted.bad && !written.bad);
    ck_assert_uint_eq(counted.len, written.len);
}
END_TEST

START_TEST(a_writer_never_leaves_its_room)
{
    struct wr counted = wr_counting();

    write_all(&counted);
    for (size_t room = 0; room <= counted.len; room++) {
        uint8_t *bytes = malloc(room + 1);
        struct wr w = wr_of(bytes, room);

        bytes[room] = 0xa5;
        write_all(&w);
        ck_assert(w.bad == (room < counted.len));
        ck_assert_uint_le(w.len, room);
        ck_assert_uint_eq(bytes[room], 0xa5);
        free(bytes);
    }
}
END_TEST

START_TEST(a_full_writer_stays_bad_even_for_what_would_fit)
{
    uint8_t bytes[3];
    struct wr w = wr_of(bytes, sizeof(bytes));

    wr_u32(&w, 1);
    ck_assert(w.bad);
    wr_u8(&w, 1);
    ck_assert(w.bad);
    ck_assert_uint_eq(w.len, 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("wire");

    tcase_add_test(tests, what_is_written_is_read_back);
    tcase_add_test(tests, every_truncation_is_bad_and_never_read_past);
    tcase_add_test(tests, a_bad_reader_gives_zero_for_ever);
    tcase_add_test(tests, a_half_read_number_is_zero);
    tcase_add_test(tests, a_length_near_the_end_of_memory_does_not_wrap);
    tcase_add_test(tests, nothing_can_be_read_from_nothing);
    tcase_add_test(tests, a_fence_ends_where_it_should);
    tcase_add_test(tests, a_fence_longer_than_its_reader_is_bad);
    tcase_add_test(tests, a_count_must_fit_in_what_is_left);
    tcase_add_test(tests, every_varint_length_reads_its_edges);
    tcase_add_test(tests, a_varint_of_too_many_bytes_or_bits_is_bad);
    tcase_add_test(tests, zigzag_keeps_the_sign);
    tcase_add_test(tests, mqtt_lengths_follow_the_specification);
    tcase_add_test(tests, counting_agrees_with_writing);
    tcase_add_test(tests, a_writer_never_leaves_its_room);
    tcase_add_test(tests, a_full_writer_stays_bad_even_for_what_would_fit);
    return suite_run("wire", tests);
}
