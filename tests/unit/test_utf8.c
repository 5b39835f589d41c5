/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/utf8.h"

#include "tests/lib/suite.h"

/* Another way to the same answer: decode by arithmetic, then ask whether the code point may be
 * written in so many bytes. */
static bool says_the_arithmetic(const uint8_t *at, size_t len)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t point = n == 1 ? at[0] : at[0] & (0x7fU >> n);

    if (n == 0 || n != len || at[0] >= 0xf8)
        return false;
    for (size_t i = 1; i < n; i++) {
        if (at[i] >> 6 != 2)
            return false;
        point = point << 6 | (at[i] & 0x3fU);
    }
    return point >= least[n] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

static void compare(const uint8_t *at, size_t len)
{
    bool valid = utf8_is_valid(slice_of(at, len));

    if (valid != says_the_arithmetic(at, len))
        ck_abort_msg("%02x %02x %02x %02x (%zu bytes): %d", at[0], at[1], at[2], at[3], len, valid);
}

START_TEST(every_one_two_and_three_byte_sequence)
{
    uint8_t at[4] = { 0 };

    for (unsigned a = 0; a < 256; a++) {
        at[0] = (uint8_t)a;
        compare(at, 1);
        if (a < 0x80)
            continue;
        for (unsigned b = 0; b < 256; b++) {
            at[1] = (uint8_t)b;
            compare(at, 2);
            for (unsigned c = 0; a >= 0xe0 && c < 256; c++) {
                at[2] = (uint8_t)c;
                compare(at, 3);
            }
        }
    }
}
END_TEST

START_TEST(four_byte_sequences_at_every_edge)
{
    static const uint8_t edges[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0xbf, 0xc0, 0xff };

    for (unsigned a = 0xf0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            for (size_t i = 0; i < COUNT_OF(edges) * COUNT_OF(edges); i++) {
                uint8_t at[4] = { (uint8_t)a, (uint8_t)b, edges[i / COUNT_OF(edges)],
                                  edges[i % COUNT_OF(edges)] };

                compare(at, 4);
            }
        }
    }
}
END_TEST

START_TEST(known_cases)
{
    static const struct {
        struct slice text;
        bool valid;
    } rows[] = {
        { SLICE(""), true },
        { SLICE("plain"), true },
        { SLICE("with \0 in it"), true },
        { SLICE("A\xe2\x89\xa2\xce\x91."), true }, /* RFC 3629 section 7 */
        { SLICE("\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4"), true },
        { SLICE("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"), true },
        { SLICE("\xef\xbb\xbf\xf0\xa3\x8e\xb4"), true },
        { SLICE("\xf4\x8f\xbf\xbf"), true },          /* U+10FFFF */
        { SLICE("\xf4\x90\x80\x80"), false },         /* above it */
        { SLICE("\xc0\x80"), false },                 /* NUL, overlong: RFC 3629 section 10 */
        { SLICE("/\xc0\xae./"), false },              /* "../" hidden by an overlong form */
        { SLICE("\xe0\x80\xaf"), false },             /* overlong slash */
        { SLICE("\xed\xa0\x80"), false },             /* a surrogate */
        { SLICE("\xed\xa1\x8c\xed\xbe\xb4"), false }, /* a pair of them */
        { SLICE("\xf8\x88\x80\x80\x80"), false },
        { SLICE("\x80"), false },
        { SLICE("\xfe"), false },
        { SLICE("\xc3"), false },
        { SLICE("\xf0\x9f\x98"), false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_msg(utf8_is_valid(rows[i].text) == rows[i].valid, "row %zu", i);
}
END_TEST

START_TEST(a_bad_byte_is_found_wherever_it_stands)
{
    for (size_t len = 1; len < 40; len++) {
        for (size_t at = 0; at < len; at++) {
            uint8_t bytes[40];
            struct slice copy;

            memset(bytes, 'a', sizeof(bytes));
            ck_assert(utf8_is_valid(slice_of(bytes, len)));
            bytes[at] = 0xc3; /* wants one more */
            copy = exact_copy(slice_of(bytes, len));
            ck_assert(!utf8_is_valid(copy));
            exact_free(copy);
        }
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("utf8");

    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, every_one_two_and_three_byte_sequence);
    tcase_add_test(tests, four_byte_sequences_at_every_edge);
    tcase_add_test(tests, known_cases);
    tcase_add_test(tests, a_bad_byte_is_found_wherever_it_stands);
    return suite_run("utf8", tests);
}
