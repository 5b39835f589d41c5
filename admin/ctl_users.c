/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl_users.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "admin/ctl.h"
#include "admin/users_file.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/core/password.h"
#include "broker/core/rules.h"

#define EXIT_USAGE 2
#define LINE_BYTES (USERS_PASSWORD_MAX_BYTES + 2)

/* ---- the password ---- */

/* Without showing it, when somebody types it. */
static bool read_line(const char *prompt, char *at, size_t room)
{
    struct termios shown, hidden;
    bool is_typed = tcgetattr(STDIN_FILENO, &shown) == 0, is_read;

    if (is_typed) {
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        (void)fputs(prompt, stderr);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    is_read = fgets(at, (int)room, stdin) != NULL;
    if (is_typed) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        (void)fputc('\n', stderr);
    }
    if (!is_read)
        return ctl_fail("no password on standard input");
    if (strchr(at, '\n') == NULL && strlen(at) + 1 == room)
        return ctl_fail("a password of more than %d bytes", LINE_BYTES - 2);
    at[strcspn(at, "\n")] = '\0';
    return true;
}

bool ctl_read_password(char *at, size_t room)
{
    char again[LINE_BYTES];
    bool is_same;

    if (!read_line("Password: ", at, room))
        return false;
    if (!isatty(STDIN_FILENO))
        return true;
    is_same = read_line("Again: ", again, sizeof(again)) && strcmp(at, again) == 0;
    password_wipe(again, sizeof(again));
    return is_same || ctl_fail("they are not the same");
}

static bool change_file(struct users_change *change)
{
    char at[LINE_BYTES];
    struct text why = { 0 };
    enum rc rc = RC_OK;

    if (!change->is_delete && !ctl_read_password(at, sizeof(at)))
        return false;
    if (!change->is_delete)
        change->password = slice_str(at);
    rc = users_file_change(change, &why);
    password_wipe(at, sizeof(at));
    if (rc != RC_OK)
        (void)ctl_fail("%.*s", SLICE_FMT(text_slice(&why)));
    text_done(&why);
    return rc == RC_OK;
}

static int run_passwd(int argc, char **argv)
{
    static const struct option options[] = { { "scram", no_argument, NULL, 's' },
                                             { "scram-only", no_argument, NULL, 'o' },
                                             { "roles", required_argument, NULL, 'r' },
                                             { "delete", no_argument, NULL, 'D' },
                                             { NULL, 0, NULL, 0 } };
    struct users_change change = { 0 };
    int option;

    while ((option = getopt_long(argc, argv, "D", options, NULL)) >= 0) {
        if (option == '?')
            return EXIT_USAGE; /* getopt has said why */
        change.has_scram = change.has_scram || option == 's' || option == 'o';
        change.is_scram_only = change.is_scram_only || option == 'o';
        change.is_delete = change.is_delete || option == 'D';
        if (option == 'r')
            change.roles = slice_str(optarg);
    }
    if (argc - optind != 2) {
        (void)ctl_fail("passwd: expected a file and a user");
        return EXIT_USAGE;
    }
    change.file = argv[optind];
    change.user = argv[optind + 1];
    return change_file(&change) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- may ---- */

static const struct {
    const char *word;
    enum operation operation;
    bool is_filter;
} questions[] = {
    { "publish", OPERATION_PUBLISH, false },
    { "receive", OPERATION_CONSUME, false },
    { "subscribe", OPERATION_CONSUME, true },
};

static int answer(const struct rules *rules, const struct subject *subject, const char *word,
                  const char *topic)
{
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        enum operation operation = questions[i].operation;
        bool is_allowed;

        if (strcmp(word, questions[i].word) != 0)
            continue;
        is_allowed = questions[i].is_filter
                         ? rules_allow_filter(rules, subject, operation, slice_str(topic))
                         : rules_allow(rules, subject, operation, RESOURCE_TOPIC, slice_str(topic));
        (void)puts(is_allowed ? "yes" : "no");
        return is_allowed ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    (void)ctl_fail("may: expected publish, receive or subscribe, not \"%s\"", word);
    return EXIT_USAGE;
}

static int run_may(int argc, char **argv)
{
    static const struct option options[] = { { "client-id", required_argument, NULL, 'c' },
                                             { "roles", required_argument, NULL, 'r' },
                                             { NULL, 0, NULL, 0 } };
    struct subject subject = { 0 };
    struct rules *rules = NULL;
    struct text errors = { 0 };
    int option, status = EXIT_USAGE;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        if (option == 'c')
            subject.client_id = slice_str(optarg);
        else
            subject.roles = slice_str(optarg);
    }
    if (argc - optind != 4) {
        (void)ctl_fail("may: expected a file of rules, a user (- for nobody), publish, receive or "
                       "subscribe, and a topic");
        return EXIT_USAGE;
    }
    if (strcmp(argv[optind + 1], "-") != 0)
        subject.user = slice_str(argv[optind + 1]);
    if (rules_load(argv[optind], &rules, &errors) == RC_OK)
        status = answer(rules, &subject, argv[optind + 2], argv[optind + 3]);
    else
        (void)ctl_fail("%.*s", SLICE_FMT(text_slice(&errors)));
    rules_free(&rules);
    text_done(&errors);
    return status;
}

/* ---- both ---- */

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = { { "passwd", run_passwd }, { "may", run_may }, { "user", ctl_user_run } };

bool ctl_users_has(const char *command)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(command, commands[i].name) == 0)
            return true;
    }
    return false;
}

int ctl_users_run(int argc, char **argv)
{
    size_t i = 0;

    while (strcmp(argv[0], commands[i].name) != 0)
        i++;
    argv[0] = (char *)(uintptr_t) "tercet"; /* what getopt's messages begin with */
    return commands[i].run(argc, argv);
}
