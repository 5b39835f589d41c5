/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/ctl.h"
#include "admin/ctl_ask.h"
#include "admin/ctl_users.h"
#include "admin/users_file.h"
#include "broker/core/password.h"

#define EXIT_USAGE 2

struct user_order {
    struct ctl_place place;
    const char *word;
    const char *name;
    const char *roles;
    bool has_scram;
    bool is_scram_only;
    bool is_json;
};

/* ---- list ---- */

static const char *yes_or_no(const json_t *account, const char *name)
{
    return json_is_true(json_object_get(account, name)) ? "yes" : "no";
}

static void print_account(const json_t *account)
{
    const char *roles = json_string_value(json_object_get(account, "roles"));

    (void)printf("%s  password %s  scram %s  roles %s\n",
                 json_string_value(json_object_get(account, "name")),
                 yes_or_no(account, "password"), yes_or_no(account, "scram"),
                 roles == NULL ? "none" : roles);
}

static bool take_page(const struct ctl_place *place, const char *after, json_t *all,
                      json_t **ret_page)
{
    struct text path = { 0 }, body = { 0 };
    bool is_good;

    text_format(&path, "/api/accounts");
    if (after != NULL)
        ctl_add_field(&path, "after", after);
    text_add_byte(&path, '\0');
    is_good = ctl_ask(place, "GET", (const char *)path.at, SLICE_NONE, &body);
    if (is_good) {
        *ret_page = json_loadb((const char *)body.at, body.len, 0, NULL);
        is_good = json_array_extend(all, json_object_get(*ret_page, "accounts")) == 0 ||
                  ctl_fail("the broker's answer is no list of users");
    }
    text_done(&path);
    text_done(&body);
    return is_good;
}

static bool list(const struct user_order *order)
{
    json_t *all = json_array(), *page = NULL, *account;
    const char *after = NULL;
    bool is_good = true;
    size_t i;

    do {
        json_t *next = NULL;

        is_good = take_page(&order->place, after, all, &next);
        json_decref(page); /* `after` was of it */
        page = next;
        after = json_string_value(json_object_get(page, "next"));
    } while (is_good && after != NULL);
    if (is_good && order->is_json) {
        is_good = json_dumpf(all, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    } else if (is_good) {
        json_array_foreach(all, i, account) print_account(account);
    }
    if (is_good && fflush(stdout) != 0)
        is_good = ctl_fail("standard output: %s", strerror(errno));
    json_decref(page);
    json_decref(all);
    return is_good;
}

/* ---- changes ---- */

static bool change(const struct user_order *order, const char *method, const char *only,
                   struct slice password)
{
    struct text path = { 0 }, answer = { 0 };
    bool is_good;

    text_format(&path, "/api/accounts");
    ctl_add_field(&path, "name", order->name);
    if (only != NULL)
        ctl_add_field(&path, "only", only);
    if (order->roles != NULL)
        ctl_add_field(&path, "roles", order->roles);
    if (order->has_scram || order->is_scram_only)
        ctl_add_field(&path, "scram", order->is_scram_only ? "only" : "too");
    text_add_byte(&path, '\0');
    is_good = ctl_ask(&order->place, method, (const char *)path.at, password, &answer);
    text_done(&path);
    text_done(&answer);
    return is_good;
}

static bool set_password(const struct user_order *order)
{
    char at[USERS_PASSWORD_MAX_BYTES + 2];
    bool is_new = strcmp(order->word, "add") == 0, is_good;

    if (!ctl_read_password(at, sizeof(at)))
        return false;
    is_good = change(order, "PUT", is_new ? "new" : "old", slice_str(at));
    password_wipe(at, sizeof(at));
    return is_good;
}

static bool delete_user(const struct user_order *order)
{
    return change(order, "DELETE", NULL, SLICE_NONE);
}

static const struct {
    const char *word;
    bool (*run)(const struct user_order *order);
    bool has_name;
    bool has_password;
} words[] = {
    { "list", list, false, false },
    { "add", set_password, true, true },
    { "passwd", set_password, true, true },
    { "delete", delete_user, true, false },
};

static bool set_option(struct user_order *order, int option, const char *text)
{
    switch (option) {
    case 'd':
        order->place.data = text;
        return true;
    case 'S':
        order->place.socket = text;
        return true;
    case 'r':
        order->roles = text;
        return true;
    case 's':
        order->has_scram = true;
        return true;
    case 'o':
        order->is_scram_only = true;
        return true;
    case 'j':
        order->is_json = true;
        return true;
    default:
        return false; /* getopt has said why */
    }
}

static int misuse(void)
{
    (void)ctl_fail("user: expected list, add NAME, passwd NAME or delete NAME");
    return EXIT_USAGE;
}

int ctl_user_run(int argc, char **argv)
{
    static const struct option options[] = {
        { "data", required_argument, NULL, 'd' },
        { "socket", required_argument, NULL, 'S' },
        { "roles", required_argument, NULL, 'r' },
        { "scram", no_argument, NULL, 's' },
        { "scram-only", no_argument, NULL, 'o' },
        { "json", no_argument, NULL, 'j' },
        { NULL, 0, NULL, 0 },
    };
    struct user_order order = { 0 };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (!set_option(&order, option, optarg))
            return EXIT_USAGE;
    }
    if (optind == argc)
        return misuse();
    order.word = argv[optind];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(order.word, words[i].word) != 0)
            continue;
        if (argc - optind != (words[i].has_name ? 2 : 1) ||
            (!words[i].has_password &&
             (order.roles != NULL || order.has_scram || order.is_scram_only)) ||
            (order.is_json && words[i].has_name))
            return misuse();
        order.name = words[i].has_name ? argv[optind + 1] : NULL;
        return words[i].run(&order) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return misuse();
}
