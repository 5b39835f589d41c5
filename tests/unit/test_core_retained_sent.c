/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>

#include "broker/base/mem.h"
#include "broker/core/session.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

static struct rig rig;
static struct rig_client *a, *b;
static bool present;

static void open_clients(void)
{
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
}

static void close_clients(void)
{
    rig_client_close(a);
    rig_client_close(b);
}

static void setup(void)
{
    rig_open(&rig, true);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    open_clients();
}

static void teardown(void)
{
    close_clients();
    rig_close(&rig);
    MEM_FREE(a);
    MEM_FREE(b);
}

static void restart_by(void (*reopen)(struct rig *rig))
{
    close_clients();
    reopen(&rig);
    open_clients();
}

static void retain(unsigned which, const char *value)
{
    char address[32];

    (void)snprintf(address, sizeof(address), "r/%03u/x", which);
    (void)rig_publish(&rig, a, address, value, 1, MESSAGE_RETAIN);
}

/* Retained messages r/000 to r/004: all but the last were sent, r/001 was acknowledged, and r/002
 * is retained no more. */
static struct session *send_retained_ones(void)
{
    struct session *s = rig_session(&rig, b, "s", false, 3600000, &present);

    for (unsigned i = 0; i < 5; i++)
        retain(i, "old");
    b->credit = 4;
    rig_subscribe(s, "r/+/x", 2, 8);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 4);
    ck_assert_int_eq(session_settle(s, b->seen[1].handle, OUTCOME_ACCEPT), RC_OK);
    retain(2, "");
    return s;
}

static struct session *see_them_again(void)
{
    struct session *s;

    b->count = 0;
    b->credit = 3;
    s = rig_session(&rig, b, "s", false, 3600000, &present);
    ck_assert(present);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 3);
    ck_assert_str_eq(b->seen[0].address, "r/000/x");
    ck_assert_str_eq(b->seen[1].address, "r/002/x");
    ck_assert_str_eq(b->seen[1].value, "old");
    ck_assert_str_eq(b->seen[2].address, "r/003/x");
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(b->seen[i].first_id, 8);
        ck_assert(b->seen[i].is_retained && b->seen[i].is_redelivered);
    }
    return s;
}

static void settle_them(struct session *s)
{
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(session_settle(s, b->seen[i].handle, OUTCOME_ACCEPT), RC_OK);
    rig_settle(&rig);
    session_detach(&s);
    b->count = 0;
    b->credit = RIG_SEEN_MAX;
}

/* MQTT 5 4.4.0-1 */
START_TEST(retained_messages_that_were_not_acknowledged_come_again)
{
    struct session *s = send_retained_ones();
    uint64_t handle = b->seen[3].handle;

    for (unsigned round = 0; round < 3; round++) {
        session_detach(&s);
        s = see_them_again();
    }
    ck_assert_uint_eq(b->seen[2].handle, handle); /* it has its packet identifier by that */
    settle_them(s);
    s = rig_session(&rig, b, "s", false, 3600000, &present);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 2);
    ck_assert_str_eq(b->seen[0].address, "r/004/x");
    ck_assert(!b->seen[0].is_redelivered);
    ck_assert_str_eq(b->seen[1].value, "");
    session_detach(&s);
}
END_TEST

START_TEST(retained_messages_come_again_after_a_restart)
{
    struct session *s = send_retained_ones();
    uint64_t handle = b->seen[3].handle;

    for (unsigned round = 0; round < 3; round++) {
        session_detach(&s);
        restart_by(round == 1 ? rig_reopen_after_crash : rig_reopen);
        s = see_them_again();
    }
    ck_assert_uint_eq(b->seen[2].handle, handle);
    settle_them(s);
    restart_by(rig_reopen);
    s = rig_session(&rig, b, "s", false, 3600000, &present);
    rig_settle(&rig);
    for (unsigned i = 0; i < b->count; i++)
        ck_assert(!b->seen[i].is_retained || !b->seen[i].is_redelivered);
    session_detach(&s);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("retained messages that were sent");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, retained_messages_that_were_not_acknowledged_come_again);
    tcase_add_test(tests, retained_messages_come_again_after_a_restart);
    return suite_run("core_retained_sent", tests);
}
