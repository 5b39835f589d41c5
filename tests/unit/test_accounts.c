/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/accounts.h"

#include "broker/base/text.h"
#include "broker/core/password.h"
#include "tests/lib/suite.h"

/* of "secret" */
#define PBKDF2                                                                                 \
    "$7$101$AAECAwQFBgcICQoL$Xr99N9ym9ys8TWxis5ajETJq6EVYzmc6nb8t3pUYnPBbCAbICS4xejTltonXWCtJ" \
    "NBvA+By+TXUqU6qCblO00w=="
#define SHA512                                                                                \
    "$6$AAECAwQFBgcICQoL$JqsxEv/ucyxjA5DKsQ+Y8CDWaQDNQI9FpAkmfwAqWfwZLk/JEGgM0EpylrJHAZKKyFQ" \
    "jJeZ3nFaHjPzOzPPmPw=="
#define SCRAM                                                                              \
    "$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbs" \
    "T4qY=$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static struct accounts *read_accounts(const char *text)
{
    struct accounts *accounts = NULL;
    struct text errors = { 0 };
    enum rc rc = accounts_read("users", slice_str(text), &accounts, &errors);

    ck_assert_msg(rc == RC_OK, "%.*s", SLICE_FMT(text_slice(&errors)));
    text_done(&errors);
    return accounts;
}

START_TEST(hashes_of_every_kind_know_their_password)
{
    struct text made = { 0 };
    struct slice hashes[3] = { SLICE(PBKDF2), SLICE(SHA512) };

    ck_assert_int_eq(password_hash(SLICE("secret"), &made), RC_OK);
    hashes[2] = text_slice(&made);
    for (size_t i = 0; i < COUNT_OF(hashes); i++) {
        ck_assert(password_hash_is_valid(hashes[i]));
        ck_assert_int_eq(password_check(hashes[i], SLICE("secret")), RC_OK);
        ck_assert_int_eq(password_check(hashes[i], SLICE("secreT")), RC_AUTH);
        ck_assert_int_eq(password_check(hashes[i], SLICE("secretx")), RC_AUTH);
        ck_assert_int_eq(password_check(hashes[i], SLICE("")), RC_AUTH);
        ck_assert_int_eq(password_check(hashes[i], SLICE_NONE), RC_AUTH);
    }
    text_done(&made);
}
END_TEST

START_TEST(no_part_of_a_hash_is_a_hash)
{
    static const char *const hashes[] = { PBKDF2, SHA512 };
    static const char argon2[] = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzYWx0$"
                                 "c29tZWhhc2hzb21laGFzaA";

    for (size_t h = 0; h < 2; h++) {
        for (size_t len = 0; len < strlen(hashes[h]); len++) {
            struct slice part = exact_copy(slice_of(hashes[h], len));

            ck_assert_msg(!password_hash_is_valid(part), "%zu of %s", len, hashes[h]);
            exact_free(part);
        }
    }
    ck_assert(password_hash_is_valid(slice_str(argon2)));
    for (size_t len = 0; len < 56; len++) {
        struct slice part = exact_copy(slice_of(argon2, len));

        ck_assert(!password_hash_is_valid(part));
        exact_free(part);
    }
}
END_TEST

START_TEST(what_a_hash_may_cost_is_bounded)
{
    static const char *const wrong[] = {
        "$argon2id$v=19$m=1048577,t=2,p=1$c29tZXNhbHRzYWx0$c29tZWhhc2hzb21laGFzaA",
        "$argon2id$v=19$m=19456,t=101,p=1$c29tZXNhbHRzYWx0$c29tZWhhc2hzb21laGFzaA",
        "$argon2id$v=19$m=19456,t=2,p=17$c29tZXNhbHRzYWx0$c29tZWhhc2hzb21laGFzaA",
        "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHRzYWx0$c29tZWhhc2hzb21laGFzaA",
        "$7$10000001$AAECAwQFBgcICQoL$JqsxEv/ucyxjA5DKsQ+Y8CDWaQDNQI9FpAkmfwAqWfwZLk/"
        "JEGgM0EpylrJHAZ"
        "KKyFQjJeZ3nFaHjPzOzPPmPw==",
        "$7$0$AAECAwQFBgcICQoL$JqsxEv/ucyxjA5DKsQ+Y8CDWaQDNQI9FpAkmfwAqWfwZLk/"
        "JEGgM0EpylrJHAZKKyFQjJe"
        "Z3nFaHjPzOzPPmPw==",
        "plain",
        "",
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(!password_hash_is_valid(slice_str(wrong[i])), "%s", wrong[i]);
}
END_TEST

START_TEST(a_user_has_what_its_line_says)
{
    struct accounts *accounts = read_accounts("# users\n\nann:" PBKDF2 "\r\n"
                                              "bob:" SCRAM ":@readers,writers\n"
                                              "both: " SHA512 " :" SCRAM "\n");
    const struct account *account = accounts_find(accounts, SLICE("ann"));

    ck_assert_uint_eq(accounts_count(accounts), 3);
    ck_assert_slice(account->password, SLICE(PBKDF2));
    ck_assert(slice_is_none(account->scram[ACCOUNT_SCRAM_SHA_256]));
    ck_assert_ptr_eq(accounts_decoy(accounts), account);
    account = accounts_find(accounts, SLICE("bob"));
    ck_assert(slice_is_none(account->password));
    ck_assert_slice(account->scram[ACCOUNT_SCRAM_SHA_256], SLICE(SCRAM));
    ck_assert(slice_is_none(account->scram[ACCOUNT_SCRAM_SHA_512]));
    ck_assert_slice(account->roles, SLICE("readers,writers"));
    ck_assert_slice(accounts_find(accounts, SLICE("both"))->password, SLICE(SHA512));
    ck_assert_ptr_null(accounts_find(accounts, SLICE("an")));
    ck_assert_ptr_null(accounts_find(accounts, SLICE("")));
    accounts_free(&accounts);
}
END_TEST

START_TEST(one_wrong_line_and_nobody_is_taken)
{
    static const char *const wrong[] = {
        "eve",
        "eve:",
        ":" PBKDF2,
        "eve:secret",
        "eve:" PBKDF2 ":" SHA512,
        "eve:" SCRAM ":" SCRAM,
        "eve:" PBKDF2 ":@",
        "eve:" PBKDF2 ":@a b",
        "eve:" PBKDF2 ":@a:@b",
        "ann:" PBKDF2,
        "e\001ve:" PBKDF2,
        "e\377ve:" PBKDF2,
        "eve:$scram-sha-256$4095$W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY"
        "=$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct text text = { 0 }, errors = { 0 };
        struct accounts *accounts = NULL;

        text_format(&text, "ann:" PBKDF2 "\n%s\n", wrong[i]);
        ck_assert_msg(accounts_read("file", text_slice(&text), &accounts, &errors) == RC_INVALID,
                      "%s", wrong[i]);
        ck_assert(slice_starts(text_slice(&errors), SLICE("file:2: ")));
        text_done(&text);
        text_done(&errors);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("accounts");

    tcase_add_test(tests, hashes_of_every_kind_know_their_password);
    tcase_add_test(tests, no_part_of_a_hash_is_a_hash);
    tcase_add_test(tests, what_a_hash_may_cost_is_bounded);
    tcase_add_test(tests, a_user_has_what_its_line_says);
    tcase_add_test(tests, one_wrong_line_and_nobody_is_taken);
    return suite_run("accounts", tests);
}
