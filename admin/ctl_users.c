/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl_users.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "admin/ctl.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/core/accounts.h"
#include "broker/core/lines.h"
#include "broker/core/password.h"
#include "broker/core/rules.h"
#include "broker/core/scram.h"

#define EXIT_USAGE 2
#define FILE_MODE  0600
#define LINE_BYTES 1024

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

static bool read_password(char *at, size_t room)
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

/* ---- the file ---- */

struct change {
    const char *file;
    const char *user;
    const char *roles; /* NULL: as they were */
    bool has_scram;    /* verifiers too */
    bool is_scram_only;
    bool is_delete;
};

static bool load(const char *file, struct text *ret)
{
    struct text why = { 0 };
    enum rc rc = lines_load(file, ACCOUNTS_FILE_MAX_BYTES, ret, &why);

    if (rc != RC_OK && rc != RC_NOT_FOUND)
        (void)ctl_fail("%.*s", SLICE_FMT(text_slice(&why)));
    text_done(&why);
    return rc == RC_OK || rc == RC_NOT_FOUND;
}

static bool is_of_user(struct slice line, const char *user)
{
    const uint8_t *colon = line.len == 0 ? NULL : memchr(line.at, ':', line.len);

    line = lines_trim(line);
    if (colon == NULL || line.len == 0 || line.at[0] == '#')
        return false;
    return slice_equal_str(lines_trim(slice_of(line.at, (size_t)(colon - line.at))), user);
}

/* Every line but the user's, as it stands. True when there was one. */
static bool copy_others(struct slice all, const char *user, struct text *to)
{
    bool was_there = false;

    while (all.len > 0) {
        const uint8_t *end = memchr(all.at, '\n', all.len);
        struct slice line = slice_of(all.at, end == NULL ? all.len : (size_t)(end - all.at));

        all = slice_after(all, line.len + 1);
        if (is_of_user(line, user)) {
            was_there = true;
            continue;
        }
        text_add(to, line);
        text_add_byte(to, '\n');
    }
    return was_there;
}

static bool make_line(const struct change *change, struct slice roles, struct text *to)
{
    char at[LINE_BYTES];
    struct slice password;
    enum rc rc = RC_OK;

    if (!read_password(at, sizeof(at)))
        return false;
    password = slice_str(at);
    text_add(to, slice_str(change->user));
    if (!change->is_scram_only) {
        text_add_byte(to, ':');
        rc = password_hash(password, to);
    }
    for (unsigned i = 0; rc == RC_OK && change->has_scram && i < ACCOUNT_SCRAM_COUNT; i++) {
        text_add_byte(to, ':');
        rc = scram_verifier_make((enum scram_hash)i, password, SCRAM_ITERATIONS, to);
    }
    password_wipe(at, sizeof(at));
    if (roles.len > 0) {
        text_add(to, SLICE(":@"));
        text_add(to, roles);
    }
    text_add_byte(to, '\n');
    return rc == RC_OK || ctl_fail("the password cannot be hashed: %s", rc_word(rc));
}

/* Beside it, then in its place: a broker that reads it meanwhile reads one or the other. */
static bool replace(const char *file, struct slice text)
{
    struct text beside = { 0 };
    bool is_done = false;
    struct stat before;
    mode_t mode = stat(file, &before) == 0 ? before.st_mode & 0777 : FILE_MODE;
    int fd;

    text_format(&beside, "%s.new", file);
    text_add_byte(&beside, '\0');
    fd = open((const char *)beside.at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd >= 0) {
        is_done = fchmod(fd, mode) == 0 && write(fd, text.at, text.len) == (ssize_t)text.len &&
                  fsync(fd) == 0;
        is_done = close(fd) == 0 && is_done;
        is_done = is_done && rename((const char *)beside.at, file) == 0;
    }
    if (!is_done)
        (void)ctl_fail("%s cannot be written: %s", file, strerror(errno));
    text_done(&beside);
    return is_done;
}

/* What was made is read before it is put in place: a file that the broker would refuse is not. */
static struct accounts *check(const char *file, struct slice text)
{
    struct accounts *accounts = NULL;
    struct text errors = { 0 };

    if (accounts_read(file, text, &accounts, &errors) != RC_OK)
        (void)ctl_fail("%.*s", SLICE_FMT(text_slice(&errors)));
    text_done(&errors);
    return accounts;
}

static bool change_file(const struct change *change)
{
    struct text before = { 0 }, after = { 0 };
    struct accounts *old = NULL, *made = NULL;
    struct slice roles = slice_str(change->roles);
    const struct account *account;
    bool is_done = load(change->file, &before), was_there;

    if (is_done)
        old = check(change->file, text_slice(&before));
    is_done = old != NULL;
    account = is_done ? accounts_find(old, slice_str(change->user)) : NULL;
    if (account != NULL && change->roles == NULL)
        roles = account->roles;
    was_there = is_done && copy_others(text_slice(&before), change->user, &after);
    if (is_done && change->is_delete && !was_there)
        is_done = ctl_fail("%s has no user %s", change->file, change->user);
    else if (is_done && !change->is_delete)
        is_done = make_line(change, roles, &after);
    if (is_done)
        made = check(change->file, text_slice(&after));
    if (made != NULL && !change->is_delete && accounts_find(made, slice_str(change->user)) == NULL)
        is_done = ctl_fail("%s: no user can be called so", change->user);
    is_done = is_done && made != NULL && replace(change->file, text_slice(&after));
    accounts_free(&old);
    accounts_free(&made);
    text_done(&before);
    text_done(&after);
    return is_done;
}

static int run_passwd(int argc, char **argv)
{
    static const struct option options[] = { { "scram", no_argument, NULL, 's' },
                                             { "scram-only", no_argument, NULL, 'o' },
                                             { "roles", required_argument, NULL, 'r' },
                                             { "delete", no_argument, NULL, 'D' },
                                             { NULL, 0, NULL, 0 } };
    struct change change = { 0 };
    int option;

    while ((option = getopt_long(argc, argv, "D", options, NULL)) >= 0) {
        if (option == '?')
            return EXIT_USAGE; /* getopt has said why */
        change.has_scram = change.has_scram || option == 's' || option == 'o';
        change.is_scram_only = change.is_scram_only || option == 'o';
        change.is_delete = change.is_delete || option == 'D';
        if (option == 'r')
            change.roles = optarg;
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
} commands[] = { { "passwd", run_passwd }, { "may", run_may } };

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
    return commands[i].run(argc, argv);
}
