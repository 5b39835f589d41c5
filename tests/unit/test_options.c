/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/mem.h"
#include "broker/base/options.h"
#include "broker/base/text.h"

struct part {
    char name[16];
    uint64_t number;
    struct option_marks given;
};

struct settings {
    bool flag;
    uint64_t number;
    uint64_t bytes;
    uint64_t time_ms;
    char *text;
    unsigned choice;
    char *lines;
    bool line_only;
    struct option_marks given;
    struct part parts[2];
    unsigned part_count;
};

static const char *const colours[] = { "red", "green", NULL };

#define AT(field) offsetof(struct settings, field)

static const struct option rows[] = {
    { "flag", OPTION_SWITCH, "no", 0, 0, NULL, OPTION_IN_FILE | OPTION_ON_LINE, AT(flag), NULL,
      "A flag." },
    { "some_number", OPTION_NUMBER, "7", 1, 100, NULL, OPTION_IN_FILE | OPTION_ON_LINE, AT(number),
      "N", "A number." },
    { "bytes", OPTION_BYTES, "64k", 1024, 1 << 30, NULL, OPTION_IN_FILE, AT(bytes), NULL,
      "Some bytes." },
    { "time", OPTION_TIME, "10s", 1, 86400000, NULL, OPTION_IN_FILE | OPTION_RELOAD, AT(time_ms),
      NULL, "A time." },
    { "text", OPTION_TEXT, NULL, 1, 20, NULL, OPTION_IN_FILE | OPTION_ON_LINE, AT(text), "TEXT",
      "A text. It may be -long- and have a .dot." },
    { "choice", OPTION_CHOICE, "green", 0, 0, colours, OPTION_IN_FILE, AT(choice), NULL,
      "A colour." },
    { "lines", OPTION_TEXT, NULL, 0, 20, NULL, OPTION_IN_FILE | OPTION_REPEATED, AT(lines), NULL,
      "Some lines." },
    { "line_only", OPTION_SWITCH, "no", 0, 0, NULL, OPTION_ON_LINE, AT(line_only), NULL,
      "On the line." },
};

static const struct option part_rows[] = {
    { "number", OPTION_NUMBER, "3", 0, 9, NULL, OPTION_IN_FILE, offsetof(struct part, number), NULL,
      "A number of a part." },
};

static void *begin_part(void *arg, struct slice name, struct text *why);

static const struct option_section sections[] = {
    { NULL, "The head.", rows, sizeof(rows) / sizeof(rows[0]), AT(given), NULL },
    { "part", "A part.", part_rows, 1, offsetof(struct part, given), begin_part },
};

static struct settings s;
static struct text errors;

static void *begin_part(void *arg, struct slice name, struct text *why)
{
    struct part *part = &s.parts[s.part_count];

    ck_assert_ptr_eq(arg, &s);
    if (s.part_count == 2 || name.len >= sizeof(part->name)) {
        text_format(why, "no more parts");
        return NULL;
    }
    s.part_count++;
    memcpy(part->name, name.at, name.len);
    options_set_defaults(&sections[1], part);
    return part;
}

static void setup(void)
{
    memset(&s, 0, sizeof(s));
    text_clear(&errors);
    options_set_defaults(&sections[0], &s);
}

static void teardown(void)
{
    options_done(&sections[0], &s);
    text_done(&errors);
}

static enum rc read_file(const char *content)
{
    return options_read(sections, 2, &s, &s, "f.conf", slice_str(content), &errors);
}

static const char *error_text(void)
{
    ck_assert(text_reserve(&errors, 1));
    errors.at[errors.len] = '\0';
    return (const char *)errors.at;
}

START_TEST(defaults_are_what_the_rows_say)
{
    ck_assert(!s.flag);
    ck_assert_uint_eq(s.number, 7);
    ck_assert_uint_eq(s.bytes, 65536);
    ck_assert_uint_eq(s.time_ms, 10000);
    ck_assert_ptr_null(s.text);
    ck_assert_uint_eq(s.choice, 1);
    ck_assert_uint_eq(s.given.bits[0], 0);
}
END_TEST

START_TEST(what_may_be_given_again_is_kept_line_by_line_with_its_quotation_marks)
{
    ck_assert_int_eq(read_file("lines = \"\" in \"a b\"\nflag = yes\nlines = c\n"), RC_OK);
    ck_assert_str_eq(s.lines, "\"\" in \"a b\"\nc");
    ck_assert_int_eq(read_file("lines = over twenty bytes of it\n"), RC_INVALID);
}
END_TEST

START_TEST(a_file_sets_options_of_every_type)
{
    ck_assert_int_eq(read_file("# a comment\n"
                               "\n"
                               "flag = on\r\n"
                               "some_number=42\n"
                               "  bytes\t=  2m  \n"
                               "time = 5m\n"
                               "text = \" a # b \"\n"
                               "choice = red\n"
                               "[part one]\n"
                               "number = 5\n"
                               "[ part  two ]\n"),
                     RC_OK);
    ck_assert(s.flag);
    ck_assert_uint_eq(s.number, 42);
    ck_assert_uint_eq(s.bytes, 2 << 20);
    ck_assert_uint_eq(s.time_ms, 300000);
    ck_assert_str_eq(s.text, " a # b ");
    ck_assert_uint_eq(s.choice, 0);
    ck_assert_uint_eq(s.part_count, 2);
    ck_assert_str_eq(s.parts[0].name, "one");
    ck_assert_uint_eq(s.parts[0].number, 5);
    ck_assert_str_eq(s.parts[1].name, "two");
    ck_assert_uint_eq(s.parts[1].number, 3);
    ck_assert_uint_eq(errors.len, 0);
    ck_assert(option_is_given(&sections[0], &s, 1));
    ck_assert(option_is_given(&sections[1], &s.parts[0], 0));
    ck_assert(!option_is_given(&sections[1], &s.parts[1], 0));
}
END_TEST

START_TEST(every_mistake_is_named_with_its_line)
{
    static const struct {
        const char *content;
        const char *error;
    } cases[] = {
        { "flag = maybe\n", "f.conf:1: flag: expected yes or no; found \"maybe\"\n" },
        { "\nsome_number = 101\n",
          "f.conf:2: some_number: expected a number, 1 to 100; found \"101\"\n" },
        { "some_number = 4x",
          "f.conf:1: some_number: expected a number, 1 to 100; found \"4x\"\n" },
        { "bytes = 1023\n", "f.conf:1: bytes: expected bytes, with k, m or g for 1024 and its "
                            "powers, 1k to 1g; found \"1023\"\n" },
        { "time = 10\n", "f.conf:1: time: expected a time with its unit (ms, s, m, h or d), 1ms to "
                         "1d; found \"10\"\n" },
        { "time = 18446744073709551615d\n",
          "f.conf:1: time: expected a time with its unit (ms, s, m, h or d), 1ms to 1d; found "
          "\"18446744073709551615d\"\n" },
        { "text =\n", "f.conf:1: text: expected 1 to 20 bytes of text; found \"\"\n" },
        { "choice = blue\n", "f.conf:1: choice: expected one of red, green; found \"blue\"\n" },
        { "colour = red\n", "f.conf:1: no option \"colour\" at the head of the file\n" },
        { "line_only = yes\n", "f.conf:1: no option \"line_only\" at the head of the file\n" },
        { "some_numbre = 3\n", "f.conf:1: no option \"some_numbre\" at the head of the file; did "
                               "you mean some_number?\n" },
        { "number = 3\n", "f.conf:1: no option \"number\" at the head of the file; it stands in a "
                          "section [part NAME]\n" },
        { "flag\n", "f.conf:1: expected key = value\n" },
        { "flag = yes\nflag = no\n", "f.conf:2: flag: set twice here\n" },
        { "[part]\n", "f.conf:1: expected [part NAME]\n" },
        { "[whole x]\n", "f.conf:1: expected [part NAME]\n" },
        { "[part x\n", "f.conf:1: a section's head ends with ]\n" },
        { "[part x]\nflag = yes\n", "f.conf:2: no option \"flag\" in a section part; it stands "
                                    "at the head of the file, before all sections\n" },
        { "[part a]\n[part b]\n[part c]\nnumber = 77\n", "f.conf:3: no more parts\n" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        s.part_count = 0;
        text_clear(&errors);
        ck_assert_int_eq(read_file(cases[i].content), RC_INVALID);
        ck_assert_str_eq(error_text(), cases[i].error);
    }
}
END_TEST

START_TEST(all_mistakes_of_a_file_are_told_and_good_lines_between_leave_no_trace)
{
    ck_assert_int_eq(read_file("flag = x\nsome_number = 3\nnothing = 1\n[part a]\nnumber = z\n"),
                     RC_INVALID);
    ck_assert_str_eq(error_text(), "f.conf:1: flag: expected yes or no; found \"x\"\n"
                                   "f.conf:3: no option \"nothing\" at the head of the file\n"
                                   "f.conf:5: number: expected a number, 0 to 9; found \"z\"\n");
}
END_TEST

START_TEST(a_file_of_nothing_but_mistakes_is_not_read_to_its_end)
{
    struct text content = { 0 };
    unsigned lines = 0;

    for (unsigned i = 0; i < 1000; i++)
        text_add(&content, SLICE("x\n"));
    ck_assert_int_eq(options_read(sections, 2, &s, &s, "f", text_slice(&content), &errors),
                     RC_INVALID);
    for (size_t i = 0; i < errors.len; i++)
        lines += errors.at[i] == '\n';
    ck_assert_uint_eq(lines, OPTIONS_ERRORS_MAX);
    text_done(&content);
}
END_TEST

START_TEST(a_row_past_the_64th_has_a_mark_of_its_own)
{
    static struct option many[OPTIONS_MAX];
    char names[OPTIONS_MAX][8];
    struct option_section section = { NULL, "", many, OPTIONS_MAX, AT(given), NULL };
    struct settings other = { 0 };
    struct text why = { 0 };

    for (unsigned i = 0; i < OPTIONS_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%u", i);
        many[i] = rows[1];
        many[i].name = names[i];
    }
    options_set_defaults(&section, &other);
    ck_assert_int_eq(option_set(&section, 70, &other, SLICE("5"), &why), RC_OK);
    for (unsigned i = 0; i < OPTIONS_MAX; i++)
        ck_assert_int_eq(option_is_given(&section, &other, i), i == 70);
    text_done(&why);
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused)
{
    struct slice nul = slice_of("text = a\0b\n", 11);

    ck_assert_int_eq(options_read(sections, 2, &s, &s, "f", nul, &errors), RC_INVALID);
    text_clear(&errors);
    ck_assert_int_eq(read_file("text = \xff\xfe\n"), RC_INVALID);
    ck_assert_ptr_null(s.text);
}
END_TEST

START_TEST(the_command_line_takes_both_spellings_and_switches)
{
    const char *argv[] = { "x", "--some-number", "9", "--text=a=b", "--flag", "--line-only", NULL };

    ck_assert_int_eq(options_read_line(&sections[0], &s, 6, argv, &errors), RC_OK);
    ck_assert_uint_eq(s.number, 9);
    ck_assert_str_eq(s.text, "a=b");
    ck_assert(s.flag);
    ck_assert(s.line_only);
}
END_TEST

static void check_line(const char *first, const char *second, const char *error)
{
    const char *argv[] = { "x", first, second, NULL };

    text_clear(&errors);
    ck_assert_int_eq(options_read_line(&sections[0], &s, second == NULL ? 2 : 3, argv, &errors),
                     RC_INVALID);
    ck_assert_str_eq(error_text(), error);
}

START_TEST(mistakes_on_the_command_line_are_named)
{
    check_line("--colour", "red", "--colour: no such option; see --help\n");
    check_line("--bytes", "1m",
               "--bytes: no such option; a configuration file has bytes; "
               "see --help\n");
    check_line("--some_number", "1",
               "--some_number: no such option; did you mean --some-number? see --help\n");
    check_line("--some-nubmer=1", NULL,
               "--some-nubmer: no such option; did you mean --some-number? see --help\n");
    check_line("--text", NULL, "--text: a value must follow\n");
    check_line("flag", NULL, "flag: not an option; see --help\n");
    check_line("--", NULL, "--: not an option; see --help\n");
    check_line("--flag=perhaps", NULL, "flag: expected yes or no; found \"perhaps\"\n");
}
END_TEST

/* The sample says every option; with its comment signs before `key =` taken away it must read. */
START_TEST(the_sample_is_a_configuration_and_names_every_option)
{
    struct text sample = { 0 };
    struct text plain = { 0 };

    options_write_sample(sections, 2, &sample);
    for (size_t i = 0; i < sample.len; i++) {
        bool is_start = i == 0 || sample.at[i - 1] == '\n';

        if (is_start && sample.at[i] == '#' && i + 1 < sample.len && sample.at[i + 1] != ' ' &&
            memcmp(&sample.at[i], "#text", 5) != 0)
            continue;
        text_add_byte(&plain, sample.at[i]);
    }
    ck_assert_msg(options_read(sections, 2, &s, &s, "sample", text_slice(&plain), &errors) == RC_OK,
                  "%s", error_text());
    ck_assert_uint_eq(s.part_count, 1);
    ck_assert_uint_eq(s.given.bits[0],
                      0x6f); /* all but text, which has no default, and line_only */
    ck_assert_uint_eq(s.parts[0].given.bits[0], 1);
    text_done(&sample);
    text_done(&plain);
}
END_TEST

START_TEST(help_and_manual_say_each_option_where_it_belongs)
{
    struct text t = { 0 };

    options_write_help(&sections[0], &t);
    text_add_byte(&t, '\0');
    ck_assert_ptr_nonnull(strstr((char *)t.at, "--some-number N"));
    ck_assert_ptr_nonnull(strstr((char *)t.at, "A number. [7]"));
    ck_assert_ptr_nonnull(strstr((char *)t.at, "--line-only"));
    ck_assert_ptr_null(strstr((char *)t.at, "--bytes"));
    text_clear(&t);
    options_write_man(sections, 2, &t);
    text_add_byte(&t, '\0');
    ck_assert_ptr_nonnull(strstr((char *)t.at, "\\fBbytes\\fR = \\fIVALUE\\fR\nSome bytes."));
    ck_assert_ptr_nonnull(strstr((char *)t.at, "It may be \\-long\\- and have a .dot."));
    ck_assert_ptr_nonnull(strstr((char *)t.at, ".SS Section [part NAME]"));
    ck_assert_ptr_nonnull(strstr((char *)t.at, "Default: 64k."));
    ck_assert_ptr_null(strstr((char *)t.at, "line_only"));
    text_done(&t);
}
END_TEST

START_TEST(troff_sees_no_request_in_our_text)
{
    struct text t = { 0 };

    options_write_troff(&t, ".TH a\\b\n'x -y");
    text_add_byte(&t, '\0');
    ck_assert_str_eq((char *)t.at, "\\&.TH a\\eb\n\\&'x \\-y");
    text_done(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *test = tcase_create("options");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, defaults_are_what_the_rows_say);
    tcase_add_test(test, a_file_sets_options_of_every_type);
    tcase_add_test(test, what_may_be_given_again_is_kept_line_by_line_with_its_quotation_marks);
    tcase_add_test(test, every_mistake_is_named_with_its_line);
    tcase_add_test(test, all_mistakes_of_a_file_are_told_and_good_lines_between_leave_no_trace);
    tcase_add_test(test, a_file_of_nothing_but_mistakes_is_not_read_to_its_end);
    tcase_add_test(test, a_row_past_the_64th_has_a_mark_of_its_own);
    tcase_add_test(test, bytes_that_are_no_text_are_refused);
    tcase_add_test(test, the_command_line_takes_both_spellings_and_switches);
    tcase_add_test(test, mistakes_on_the_command_line_are_named);
    tcase_add_test(test, the_sample_is_a_configuration_and_names_every_option);
    tcase_add_test(test, help_and_manual_say_each_option_where_it_belongs);
    tcase_add_test(test, troff_sees_no_request_in_our_text);
    suite_add_tcase(suite, test);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
