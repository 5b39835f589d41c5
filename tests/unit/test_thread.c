/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/thread.h"

#include <signal.h>

#include "broker/base/clock.h"
#include "tests/lib/suite.h"

#define SENDERS    4
#define PER_SENDER 5000

struct letter {
    struct link link;
    unsigned sender;
    unsigned number;
};

static struct mailbox box;
static struct letter letters[SENDERS][PER_SENDER];

static void setup(void)
{
    mailbox_init(&box);
    memset(letters, 0, sizeof(letters));
}

static void send_all(void *arg)
{
    unsigned sender = *(unsigned *)arg;

    for (unsigned i = 0; i < PER_SENDER; i++) {
        letters[sender][i].sender = sender;
        letters[sender][i].number = i;
        (void)mailbox_put(&box, &letters[sender][i].link);
    }
}

/* Takes what is in the list; each sender's letters must come in the order they were put. */
static unsigned receive(struct list *arrived, unsigned next[SENDERS])
{
    unsigned n = 0;

    LIST_EACH_SAFE (k, arrived) {
        struct letter *letter = CONTAINER_OF(k, struct letter, link);

        ck_assert_uint_eq(letter->number, next[letter->sender]);
        next[letter->sender]++;
        link_remove(k);
        n++;
    }
    return n;
}

START_TEST(all_that_many_put_one_takes_in_order)
{
    struct thread threads[SENDERS];
    unsigned numbers[SENDERS], next[SENDERS] = { 0 };
    unsigned received = 0;
    struct list arrived;

    list_init(&arrived);
    for (unsigned i = 0; i < SENDERS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(thread_start(&threads[i], "sender", send_all, &numbers[i]), RC_OK);
    }
    while (received < SENDERS * PER_SENDER) {
        ck_assert(mailbox_wait(&box, &arrived, 0));
        received += receive(&arrived, next);
    }
    for (unsigned i = 0; i < SENDERS; i++)
        thread_join(&threads[i]);
    mailbox_take(&box, &arrived);
    ck_assert(list_is_empty(&arrived));
    mailbox_done(&box);
}
END_TEST

START_TEST(only_the_first_letter_wakes)
{
    struct list arrived;

    list_init(&arrived);
    ck_assert(mailbox_put(&box, &letters[0][0].link));
    ck_assert(!mailbox_put(&box, &letters[0][1].link));
    mailbox_take(&box, &arrived);
    ck_assert(!list_is_empty(&arrived));
    ck_assert(mailbox_put(&box, &letters[0][2].link));
}
END_TEST

START_TEST(waiting_ends_at_its_time)
{
    uint64_t start = clock_monotonic_ns();
    struct list arrived;

    list_init(&arrived);
    ck_assert(mailbox_wait(&box, &arrived, 20));
    ck_assert(list_is_empty(&arrived));
    ck_assert_uint_ge(clock_monotonic_ns() - start, 20000000);
    mailbox_done(&box);
}
END_TEST

static void close_it(void *arg)
{
    mailbox_close(arg);
}

START_TEST(closing_wakes_who_waits)
{
    struct thread thread;
    struct list arrived;

    list_init(&arrived);
    ck_assert_int_eq(thread_start(&thread, "closer", close_it, &box), RC_OK);
    ck_assert(!mailbox_wait(&box, &arrived, 0));
    thread_join(&thread);
}
END_TEST

START_TEST(what_was_put_before_closing_still_arrives)
{
    struct list arrived;

    list_init(&arrived);
    (void)mailbox_put(&box, &letters[0][0].link);
    mailbox_close(&box);
    ck_assert(mailbox_wait(&box, &arrived, 0));
    ck_assert(!list_is_empty(&arrived));
    list_init(&arrived);
    ck_assert(!mailbox_wait(&box, &arrived, 0));
}
END_TEST

static void read_mask(void *arg)
{
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, arg), 0);
}

START_TEST(a_thread_gets_no_signals)
{
    struct thread thread;
    sigset_t mask, mine;

    (void)sigemptyset(&mask);
    ck_assert_int_eq(thread_start(&thread, "masked", read_mask, &mask), RC_OK);
    thread_join(&thread);
    ck_assert_int_eq(sigismember(&mask, SIGTERM), 1);
    ck_assert_int_eq(sigismember(&mask, SIGCHLD), 1);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
    ck_assert_int_eq(sigismember(&mine, SIGTERM), 0);
}
END_TEST

START_TEST(ending_a_mailbox_with_letters_aborts)
{
    (void)mailbox_put(&box, &letters[0][0].link);
    mailbox_done(&box);
}
END_TEST

static void ring_it(void *arg)
{
    bell_ring(arg);
}

START_TEST(a_bell_ends_a_long_nap)
{
    uint64_t start = clock_monotonic_ns();
    struct thread thread;
    struct bell bell;

    bell_init(&bell);
    ck_assert_int_eq(thread_start(&thread, "ringer", ring_it, &bell), RC_OK);
    bell_wait(&bell, 25000);
    ck_assert_uint_lt(clock_monotonic_ns() - start, UINT64_C(20000000000));
    thread_join(&thread);
    bell_done(&bell);
}
END_TEST

START_TEST(a_bell_that_was_rung_is_remembered_until_it_is_cleared)
{
    uint64_t start;
    struct bell bell;

    bell_init(&bell);
    bell_ring(&bell);
    bell_ring(&bell);
    bell_wait(&bell, 25000);
    bell_wait(&bell, 25000);
    bell_clear(&bell);
    start = clock_monotonic_ns();
    bell_wait(&bell, 20);
    ck_assert_uint_ge(clock_monotonic_ns() - start, 20000000);
    bell_done(&bell);
}
END_TEST

START_TEST(the_clock_stands_where_a_test_sets_it)
{
    clock_set_for_test(12, 34);
    ck_assert_uint_eq(clock_monotonic_ns(), 12);
    ck_assert_int_eq(clock_wall_ms(), 34);
    clock_unset_for_test();
    ck_assert_uint_gt(clock_monotonic_ns(), 12);
    ck_assert_int_gt(clock_wall_ms(), INT64_C(1700000000000));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("thread");

    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, all_that_many_put_one_takes_in_order);
    tcase_add_test(tests, only_the_first_letter_wakes);
    tcase_add_test(tests, waiting_ends_at_its_time);
    tcase_add_test(tests, closing_wakes_who_waits);
    tcase_add_test(tests, what_was_put_before_closing_still_arrives);
    tcase_add_test(tests, a_thread_gets_no_signals);
    tcase_add_test_raise_signal(tests, ending_a_mailbox_with_letters_aborts, SIGABRT);
    tcase_add_test(tests, a_bell_ends_a_long_nap);
    tcase_add_test(tests, a_bell_that_was_rung_is_remembered_until_it_is_cleared);
    tcase_add_test(tests, the_clock_stands_where_a_test_sets_it);
    return suite_run("thread", tests);
}
