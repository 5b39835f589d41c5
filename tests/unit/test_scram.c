/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/scram.h"

#include "tests/lib/suite.h"

#define FIRST        "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define NONCE        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SERVER_FIRST "r=rOprNGfwEbeRWgbNEkqO" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define FINAL        "c=biws,r=rOprNGfwEbeRWgbNEkqO" NONCE
#define PROOF        ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SIGNED       "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

/* SCRAM-SHA-256's are those of RFC 7677; SHA-512's were computed by another implementation. */
static const struct {
    enum scram_hash hash;
    const char *verifier;
    const char *proof;
    const char *answer;
} vectors[] = {
    { SCRAM_SHA_256,
      "$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$"
      "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
      PROOF, SIGNED },
    { SCRAM_SHA_512,
      "$scram-sha-512$4096$W22ZaJ0SNY7soEsUEjb6gQ==$6AAub3065EYRmyFpM2RNwqK+eGnrkYuEWbXn19LsEmBqzu"
      "8QaCXNc1FwpnX9NhH2hK/60dzj9DoO5DvVkOHbvg==$jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/"
      "0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6rA==",
      ",p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
      "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/"
      "AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==" },
};

static const uint8_t salt[] = { 0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
                                0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81 };

/* The exchange of the vector up to the client's final message. */
static void begin(struct scram *scram, size_t vector)
{
    struct scram_verifier verifier;
    struct text out = { 0 };

    ck_assert(
        scram_verifier_read(slice_str(vectors[vector].verifier), vectors[vector].hash, &verifier));
    scram_init(scram, vectors[vector].hash);
    ck_assert_int_eq(scram_take_first(scram, SLICE(FIRST)), RC_OK);
    ck_assert_slice(text_slice(&scram->user), SLICE("user"));
    ck_assert_int_eq(scram_give_first(scram, &verifier, SLICE(NONCE), &out), RC_OK);
    ck_assert_slice(text_slice(&out), SLICE(SERVER_FIRST));
    text_done(&out);
}

START_TEST(the_vectors_come_out)
{
    struct text made = { 0 }, final = { 0 }, out = { 0 };
    struct scram scram;

    ck_assert_int_eq(scram_verifier_derive(vectors[_i].hash, SLICE("pencil"),
                                           slice_of(salt, sizeof(salt)), 4096, &made),
                     RC_OK);
    ck_assert_slice(text_slice(&made), slice_str(vectors[_i].verifier));
    begin(&scram, (size_t)_i);
    text_format(&final, "%s%s", FINAL, vectors[_i].proof);
    ck_assert_int_eq(scram_take_final(&scram, text_slice(&final), &out), RC_OK);
    ck_assert_slice(text_slice(&out), slice_str(vectors[_i].answer));
    scram_done(&scram);
    text_done(&made);
    text_done(&final);
    text_done(&out);
}
END_TEST

START_TEST(every_wrong_byte_of_the_final_message_is_refused)
{
    static const char final[] = FINAL PROOF;

    for (size_t i = 0; i < sizeof(final) - 1; i++) {
        char copy[sizeof(final)];
        struct scram scram;
        struct text out = { 0 };

        memcpy(copy, final, sizeof(final));
        copy[i] ^= 1;
        begin(&scram, 0);
        ck_assert_msg(scram_take_final(&scram, slice_of(copy, sizeof(final) - 1), &out) != RC_OK,
                      "byte %zu", i);
        ck_assert_uint_eq(out.len, 0);
        scram_done(&scram);
    }
}
END_TEST

START_TEST(no_part_of_the_final_message_is_enough)
{
    for (size_t len = 0; len < sizeof(FINAL PROOF) - 1; len++) {
        struct slice part = exact_copy(slice_of(FINAL PROOF, len));
        struct scram scram;
        struct text out = { 0 };

        begin(&scram, 0);
        ck_assert_int_ne(scram_take_final(&scram, part, &out), RC_OK);
        scram_done(&scram);
        exact_free(part);
    }
}
END_TEST

START_TEST(first_messages_are_taken_as_the_rfc_says)
{
    static const struct {
        const char *message;
        enum rc rc;
        const char *user;
    } rows[] = {
        { "n,,n=user,r=abc", RC_OK, "user" },
        { "y,,n=user,r=abc", RC_OK, "user" },
        { "n,a=user,n=user,r=abc", RC_OK, "user" },
        { "n,,n=a=2Cb=3D,r=abc", RC_OK, "a,b=" },
        { "n,,n=user,r=abc,x=more", RC_OK, "user" },
        { "p=tls-exporter,,n=user,r=abc", RC_UNSUPPORTED, NULL },
        { "n,,m=ext,n=user,r=abc", RC_UNSUPPORTED, NULL },
        { "n,a=other,n=user,r=abc", RC_REFUSED, NULL },
        { "n,b=user,n=user,r=abc", RC_MALFORMED, NULL },
        { "x,,n=user,r=abc", RC_MALFORMED, NULL },
        { "n,,n=,r=abc", RC_MALFORMED, NULL },
        { "n,,n=us=2Der,r=abc", RC_MALFORMED, NULL },
        { "n,,n=us=2,r=abc", RC_MALFORMED, NULL },
        { "n,,n=\377,r=abc", RC_MALFORMED, NULL },
        { "n,,r=abc,n=user", RC_MALFORMED, NULL },
        { "n,,n=user,r=", RC_MALFORMED, NULL },
        { "n,,n=user,r=a\001c", RC_MALFORMED, NULL },
        { "n,,n=user", RC_MALFORMED, NULL },
        { "n,,", RC_MALFORMED, NULL },
        { "", RC_MALFORMED, NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice message = exact_copy(slice_str(rows[i].message));
        struct scram scram;

        scram_init(&scram, SCRAM_SHA_256);
        ck_assert_msg(scram_take_first(&scram, message) == rows[i].rc, "%s", rows[i].message);
        if (rows[i].user != NULL)
            ck_assert_slice(text_slice(&scram.user), slice_str(rows[i].user));
        scram_done(&scram);
        exact_free(message);
    }
}
END_TEST

START_TEST(a_stranger_is_answered_like_anybody_and_always_alike)
{
    struct scram_verifier one, two, other;

    scram_verifier_pretend(SLICE("0123456789"), SLICE("eve"), &one);
    scram_verifier_pretend(SLICE("0123456789"), SLICE("eve"), &two);
    scram_verifier_pretend(SLICE("0123456789"), SLICE("eva"), &other);
    ck_assert_mem_eq(one.salt, two.salt, one.salt_bytes);
    ck_assert_mem_ne(one.salt, other.salt, one.salt_bytes);
    ck_assert_uint_eq(one.iterations, SCRAM_ITERATIONS);
    ck_assert_uint_eq(one.salt_bytes, 16);
}
END_TEST

START_TEST(what_is_made_can_be_read)
{
    struct scram_verifier verifier;
    struct text made = { 0 };

    ck_assert_int_eq(scram_verifier_make(SCRAM_SHA_512, SLICE("pencil"), 4096, &made), RC_OK);
    ck_assert(scram_verifier_read(text_slice(&made), SCRAM_SHA_512, &verifier));
    ck_assert(!scram_verifier_read(text_slice(&made), SCRAM_SHA_256, &verifier));
    for (size_t len = 0; len < made.len; len++) {
        struct slice part = exact_copy(slice_of(made.at, len));

        ck_assert(!scram_verifier_read(part, SCRAM_SHA_512, &verifier));
        exact_free(part);
    }
    ck_assert_int_eq(scram_verifier_make(SCRAM_SHA_256, SLICE("pencil"), 4095, &made), RC_RANGE);
    text_done(&made);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("scram");

    tcase_add_loop_test(tests, the_vectors_come_out, 0, (int)COUNT_OF(vectors));
    tcase_add_test(tests, every_wrong_byte_of_the_final_message_is_refused);
    tcase_add_test(tests, no_part_of_the_final_message_is_enough);
    tcase_add_test(tests, first_messages_are_taken_as_the_rfc_says);
    tcase_add_test(tests, a_stranger_is_answered_like_anybody_and_always_alike);
    tcase_add_test(tests, what_is_made_can_be_read);
    return suite_run("scram", tests);
}
