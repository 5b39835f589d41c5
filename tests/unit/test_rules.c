/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/rules.h"

#include "broker/base/text.h"
#include "tests/lib/suite.h"

static struct rules *read_rules(const char *text)
{
    struct rules *rules = NULL;
    struct text errors = { 0 };
    enum rc rc = rules_read("rules", slice_str(text), &rules, &errors);

    ck_assert_msg(rc == RC_OK, "%.*s", SLICE_FMT(text_slice(&errors)));
    text_done(&errors);
    return rules;
}

/* user and client NULL: none */
struct row {
    const char *user, *client;
    enum operation operation;
    const char *name;
    bool is_allowed;
};

static struct subject subject_of(const char *user, const char *client)
{
    return (struct subject){ .user = slice_str(user), .client_id = slice_str(client) };
}

static void check_rows(const char *text, const struct row *rows, size_t count)
{
    struct rules *rules = read_rules(text);

    for (size_t i = 0; i < count; i++) {
        struct subject subject = subject_of(rows[i].user, rows[i].client);
        struct slice name = exact_copy(slice_str(rows[i].name));

        ck_assert_msg(rules_allow(rules, &subject, rows[i].operation, RESOURCE_TOPIC, name) ==
                          rows[i].is_allowed,
                      "row %zu: %s", i, rows[i].name);
        exact_free(name);
    }
    rules_free(&rules);
}

#define READ  OPERATION_CONSUME
#define WRITE OPERATION_PUBLISH

START_TEST(a_file_of_mosquitto_means_what_mosquitto_does_of_it)
{
    static const struct row rows[] = {
        { NULL, "c", READ, "news/today", true },
        { NULL, "c", WRITE, "news/today", false },
        { "alice", "c", READ, "news/today", false }, /* the section is the anonymous' alone */
        { "alice", "c", READ, "a/x", true },
        { "alice", "c", WRITE, "a", true }, /* a/# is a too */
        { "alice", "c", WRITE, "a/secret", false },
        { "alice", "c", READ, "a/secret", false },
        { "alice", "c", WRITE, "w", true },
        { "alice", "c", READ, "w", false },
        { "alice", "c", READ, "one/b/three", true },
        { "alice", "c", READ, "one/b/c/three", false },
        { "alice", "c", READ, "one//three", true },
        { "alice", "c", READ, "with blank", true },
        { "alice", "c", READ, "u/alice/x", true },
        { "alice", "c", READ, "u/bob/x", false },
        { "alice", "c", WRITE, "dev-c/state", true },
        { "alice", "d", WRITE, "dev-c/state", false },
        { NULL, "c", WRITE, "dev-c/state", true },
        { NULL, "c", READ, "u//x", false }, /* %u needs somebody */
        { "bob", "c", READ, "u/bob/private", false },
        { "alice", "c", READ, "u/alice/private", true }, /* topics come before patterns */
        { "bob", "c", READ, "a/x", false },
        { "bob", "c", READ, "$SYS/uptime", false },
    };

    check_rows("# comment\n\n"
               "topic read news/#\n"
               "user alice\n"
               "topic readwrite a/#\n"
               "topic deny a/secret\n"
               "topic write w\n"
               "topic one/+/three\n"
               "topic read with blank\n"
               "topic read u/alice/private\n"
               "user bob\r\n"
               "topic #\n"
               "topic deny a/#\n"
               "topic deny u/bob/private\n"
               "pattern read u/%u/#\n"
               "pattern deny u/%u/private\n"
               "pattern write dev-%c/state\n",
               rows, COUNT_OF(rows));
}
END_TEST

START_TEST(a_name_made_to_be_more_than_a_name_gets_nothing)
{
    static const struct row rows[] = {
        { "+", "c", READ, "u/bob/x", false },      { "#", "c", READ, "u/bob/x", false },
        { "a+b", "c", READ, "u/a+b/x", false },    { "bob/x", "c", READ, "u/bob/x/y", false },
        { "bob", "#", READ, "u/bob/x", false },    { "bob", "+", WRITE, "d/c/x", false },
        { "bob", "c/d", WRITE, "d/c/d/x", false }, { "bob", "c/d", READ, "u/bob/x", true },
        { "", "c", READ, "u//x", false },          { "%c", "bob", READ, "u/bob/x", false },
    };

    check_rows("pattern read u/%u/#\npattern write d/%c/#\n", rows, COUNT_OF(rows));
}
END_TEST

START_TEST(a_denial_that_cannot_be_told_denies)
{
    static const struct row rows[] = {
        { "bob", "c", READ, "open/x", true },
        { "bob", "c", READ, "shut/bob", false },
        { "b+b", "c", READ, "open/x", false },
        { NULL, "c", READ, "open/x", false },
    };

    check_rows("allow anyone consume topic filter:#\ndeny anyone consume topic filter:shut/%u\n",
               rows, COUNT_OF(rows));
}
END_TEST

START_TEST(what_one_rule_denies_no_other_allows)
{
    static const struct row rows[] = {
        { "bob", "c", READ, "a/b", true },   { "bob", "c", READ, "a/secret/b", false },
        { "bob", "c", WRITE, "a/b", false }, { "eve", "c", READ, "a/b", false },
        { "bob", "c", READ, "exact", true }, { "bob", "c", READ, "exact/not", false },
        { "bob", "c", WRITE, "pre", true },  { "bob", "c", WRITE, "prefixed/x", true },
        { NULL, "c", READ, "exact", false }, { "bob", "c", READ, "$SYS/x", false },
    };

    check_rows("allow user:bob consume topic filter:a/#\n"
               "allow user:bob consume,describe topic,queue literal:exact\n"
               "allow user:bob publish topic prefix:pre\n"
               "deny anyone all all prefix:a/secret\n"
               "deny anonymous all all *\n"
               "allow anyone consume topic literal:exact\n"
               "deny user:eve all all *\n",
               rows, COUNT_OF(rows));
}
END_TEST

START_TEST(roles_bring_what_they_may)
{
    struct rules *rules = read_rules("allow role:readers consume topic filter:#\n"
                                     "deny role:guests consume topic prefix:inner\n");
    struct subject subject = { .user = SLICE("bob"), .roles = SLICE("guests, readers") };

    ck_assert(rules_allow(rules, &subject, READ, RESOURCE_TOPIC, SLICE("outer")));
    ck_assert(!rules_allow(rules, &subject, READ, RESOURCE_TOPIC, SLICE("inner")));
    subject.roles = SLICE("guests");
    ck_assert(!rules_allow(rules, &subject, READ, RESOURCE_TOPIC, SLICE("outer")));
    rules_free(&rules);
}
END_TEST

START_TEST(an_empty_file_lets_in_and_to_nothing)
{
    struct rules *rules = read_rules("");
    struct subject subject = subject_of("bob", "c");

    ck_assert(!rules_allow(rules, &subject, READ, RESOURCE_TOPIC, SLICE("a")));
    ck_assert(rules_allow(rules, &subject, READ, RESOURCE_SESSION, SLICE("c")));
    rules_free(&rules);
    rules = read_rules("allow user:bob consume session literal:mine\n");
    ck_assert(!rules_allow(rules, &subject, READ, RESOURCE_SESSION, SLICE("c")));
    ck_assert(rules_allow(rules, &subject, READ, RESOURCE_SESSION, SLICE("mine")));
    rules_free(&rules);
}
END_TEST

START_TEST(a_filter_is_granted_where_something_may_come)
{
    static const struct {
        const char *filter;
        bool is_allowed;
    } rows[] = {
        { "#", true },           { "+/x", true },       { "a/#", true },   { "a/b/c", true },
        { "a/shut", false },     { "a/shut/#", false }, { "b", false },    { "b/#", false },
        { "+", true },           { "$SYS/#", false },   { "u/bob", true }, { "u/+", true },
        { "u/eve/#", false },    { "lit", true },       { "l/#", false },  { "pre/+/x", true },
        { "prefix/#", true },    { "pr/#", false },     { "a/+/y", true }, { "u/bob/z", false },
        { "a/shut/+/z", false }, { "+/+/+/+", true },
    };
    struct rules *rules = read_rules("allow user:bob consume topic filter:a/#\n"
                                     "allow anyone consume topic filter:u/%u\n"
                                     "allow anyone consume topic literal:lit\n"
                                     "allow anyone consume topic prefix:pre\n"
                                     "deny anyone consume topic filter:a/shut/#\n");
    struct subject subject = subject_of("bob", "c");

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_msg(rules_allow_filter(rules, &subject, READ, slice_str(rows[i].filter)) ==
                          rows[i].is_allowed,
                      "%s", rows[i].filter);
    rules_free(&rules);
}
END_TEST

START_TEST(who_deals_with_a_whole_stream_may_deal_with_all_in_it)
{
    static const struct {
        const char *rules, *stream;
        bool is_allowed;
    } rows[] = {
        { "user bob\ntopic read a/#\n", "a", true },
        { "user bob\ntopic read a/#\n", "b", false },
        { "user bob\ntopic read #\n", "b", true },
        { "user bob\ntopic read a\n", "a", false }, /* and not what is under it */
        { "user bob\ntopic read a/+\n", "a", false },
        { "user bob\ntopic read a/#\ntopic deny a/secret\n", "a", false },
        { "user bob\ntopic read #\ntopic deny +/secret\n", "a", false },
        { "user bob\ntopic read #\ntopic deny b/secret\n", "a", true },
        { "user bob\ntopic read a/#\npattern deny a/%u\n", "a", true }, /* topics come first */
        { "allow user:bob consume topic literal:a\n", "a", true },
        { "allow user:bob consume topic literal:a/b\n", "a", false },
        { "allow user:bob consume topic prefix:a\n", "ab", true },
        { "allow user:bob consume topic prefix:a/b\n", "a", false },
        { "allow user:bob all all *\ndeny anyone consume topic prefix:a/b\n", "a", false },
        { "allow user:bob all all *\ndeny anyone consume topic filter:%c/x\n", "a", false },
        { "allow user:bob all all *\n", "a", true },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rules *rules = read_rules(rows[i].rules);
        struct subject subject = subject_of("bob", "+");

        ck_assert_msg(rules_allow_whole(rules, &subject, READ, RESOURCE_TOPIC,
                                        slice_str(rows[i].stream)) == rows[i].is_allowed,
                      "row %zu: %s", i, rows[i].rules);
        rules_free(&rules);
    }
}
END_TEST

START_TEST(a_wrong_line_is_named_and_nothing_is_taken)
{
    static const char *const wrong[] = {
        "topic",
        "topic write",
        "topic reed a/b",
        "topic read a+",
        "topic read a/#/b",
        "pattern read %u+",
        "user",
        "User bob",
        "topics a",
        "allow bob consume topic *",
        "allow user: consume topic *",
        "allow user:bob eat topic *",
        "allow user:bob consume tropic *",
        "allow user:bob consume topic",
        "allow user:bob consume topic a/#",
        "allow user:bob consume topic filter:a%u/b",
        "allow user:bob consume topic filter:#/a",
        "deny anyone , topic *",
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct text text = { 0 }, errors = { 0 };
        struct rules *rules = NULL;

        text_format(&text, "topic read fine\n\n%s\n", wrong[i]);
        if (strcmp(wrong[i], "topic write") == 0) { /* a topic of that name */
            text_done(&text);
            continue;
        }
        ck_assert_msg(rules_read("file", text_slice(&text), &rules, &errors) == RC_INVALID, "%s",
                      wrong[i]);
        ck_assert(slice_starts(text_slice(&errors), SLICE("file:3: ")));
        ck_assert_ptr_null(rules);
        text_done(&text);
        text_done(&errors);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("rules");

    tcase_add_test(tests, a_file_of_mosquitto_means_what_mosquitto_does_of_it);
    tcase_add_test(tests, a_name_made_to_be_more_than_a_name_gets_nothing);
    tcase_add_test(tests, a_denial_that_cannot_be_told_denies);
    tcase_add_test(tests, what_one_rule_denies_no_other_allows);
    tcase_add_test(tests, roles_bring_what_they_may);
    tcase_add_test(tests, an_empty_file_lets_in_and_to_nothing);
    tcase_add_test(tests, a_filter_is_granted_where_something_may_come);
    tcase_add_test(tests, who_deals_with_a_whole_stream_may_deal_with_all_in_it);
    tcase_add_test(tests, a_wrong_line_is_named_and_nothing_is_taken);
    return suite_run("rules", tests);
}
