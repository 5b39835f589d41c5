/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/doing.h"
#include "broker/base/durations.h"
#include "broker/base/log.h"
#include "broker/base/thread.h"
#include "broker/net/loop.h"

static struct loop *loop;
static char trace[64];
static unsigned trace_len;

static void note(char c)
{
    ck_assert_uint_lt(trace_len, sizeof(trace) - 1);
    trace[trace_len++] = c;
    trace[trace_len] = '\0';
}

static void on_note(void *arg)
{
    note(*(char *)arg);
}

/* What on_note() is to note, as an argument. */
static void *letter(char c)
{
    static char letters[128];

    letters[(unsigned char)c] = c;
    return &letters[(unsigned char)c];
}

static void setup(void)
{
    trace_len = 0;
    trace[0] = '\0';
    ck_assert_int_eq(loop_new(&loop), RC_OK);
}

static void teardown(void)
{
    clock_unset_for_test();
    loop_free(&loop);
}

START_TEST(hooks_run_at_the_end_of_a_turn_in_order_of_adding)
{
    struct loop_call call = { .call = on_note, .arg = letter('c') };

    loop_add_turn_end(loop, on_note, letter('1'));
    loop_add_turn_end(loop, on_note, letter('2'));
    loop_post(loop, &call);
    loop_turn(loop, 0);
    ck_assert_str_eq(trace, "c12");
}
END_TEST

START_TEST(posted_calls_run_in_order_of_posting_and_once)
{
    struct loop_call calls[3] = { { .call = on_note, .arg = letter('a') },
                                  { .call = on_note, .arg = letter('b') },
                                  { .call = on_note, .arg = letter('c') } };

    for (unsigned i = 0; i < 3; i++)
        loop_post(loop, &calls[i]);
    loop_turn(loop, 0);
    loop_turn(loop, 0);
    ck_assert_str_eq(trace, "abc");
}
END_TEST

static void post_again(void *arg)
{
    struct loop_call *call = arg;

    note('p');
    if (trace_len < 3)
        loop_post(loop, call);
}

START_TEST(a_posted_call_may_post_itself_again)
{
    struct loop_call call = { .call = post_again, .arg = &call };

    loop_post(loop, &call);
    for (unsigned i = 0; i < 4; i++)
        loop_turn(loop, 0);
    ck_assert_str_eq(trace, "ppp");
}
END_TEST

static struct loop_call inside;

static void post_inside(void *arg)
{
    note(*(char *)arg);
    if (!link_is_linked(&inside.link) && trace_len < 3)
        loop_post(loop, &inside);
}

START_TEST(what_a_hook_posts_runs_in_the_next_turn_which_does_not_wait)
{
    uint64_t before_ns = clock_monotonic_ns();

    inside = (struct loop_call){ .call = on_note, .arg = letter('p') };
    loop_add_turn_end(loop, post_inside, letter('h'));
    loop_turn(loop, 0);
    ck_assert_str_eq(trace, "h");
    loop_turn(loop, 10000);
    ck_assert_str_eq(trace, "hph");
    ck_assert_uint_lt(clock_monotonic_ns() - before_ns, 5 * UINT64_C(1000000000));
}
END_TEST

#define POSTS 20000

static unsigned posts_seen;

static void on_count(void *arg)
{
    (void)arg;
    if (++posts_seen == POSTS)
        loop_stop(loop);
}

static void post_many(void *arg)
{
    struct loop_call *calls = arg;

    for (unsigned i = 0; i < POSTS; i++)
        loop_post(loop, &calls[i]);
}

START_TEST(no_call_posted_by_another_thread_is_lost)
{
    struct loop_call *calls = mem_new_array(struct loop_call, POSTS);
    struct thread thread;

    posts_seen = 0;
    for (unsigned i = 0; i < POSTS; i++)
        calls[i].call = on_count;
    ck_assert_int_eq(thread_start(&thread, "poster", post_many, calls), RC_OK);
    loop_run(loop);
    thread_join(&thread);
    ck_assert_uint_eq(posts_seen, POSTS);
    mem_free(calls);
}
END_TEST

START_TEST(timers_fire_in_order_of_time_and_not_early)
{
    struct timer late, soon;

    clock_set_for_test(1000000000, 0);
    timer_init(&late, loop, on_note, letter('L'));
    timer_init(&soon, loop, on_note, letter('S'));
    timer_start(&late, 200);
    timer_start(&soon, 100);
    clock_set_for_test(1000000000 + 99 * 1000000, 0);
    loop_turn(loop, 0);
    ck_assert_str_eq(trace, "");
    clock_set_for_test(1000000000 + 201 * 1000000, 0);
    loop_turn(loop, 0);
    ck_assert_str_eq(trace, "SL");
    loop_turn(loop, 0);
    ck_assert_str_eq(trace, "SL");
    timer_done(&late);
    timer_done(&soon);
}
END_TEST

START_TEST(a_timer_started_anew_fires_at_the_new_time_alone)
{
    struct timer timer;

    clock_set_for_test(1000000000, 0);
    timer_init(&timer, loop, on_note, letter('t'));
    timer_start(&timer, 100);
    timer_start(&timer, 300); /* later: the heap learns of it when 100 ms are over */
    clock_set_for_test(1000000000 + 150 * 1000000, 0);
    loop_turn(loop, 0);
    ck_assert_str_eq(trace, "");
    ck_assert(timer_is_running(&timer));
    timer_start(&timer, 10); /* earlier */
    clock_set_for_test(1000000000 + 161 * 1000000, 0);
    loop_turn(loop, 0);
    ck_assert_str_eq(trace, "t");
    ck_assert(!timer_is_running(&timer));
    timer_done(&timer);
}
END_TEST

START_TEST(a_stopped_timer_does_not_fire)
{
    struct timer timer;
    struct timer zeroed = { 0 };

    clock_set_for_test(1000000000, 0);
    timer_init(&timer, loop, on_note, letter('t'));
    timer_start(&timer, 1);
    timer_stop(&timer);
    clock_set_for_test(2000000000, 0);
    loop_turn(loop, 0);
    ck_assert_str_eq(trace, "");
    timer_done(&timer);
    timer_done(&zeroed);
}
END_TEST

static void restart(void *arg)
{
    note('r');
    timer_start(arg, 0);
}

START_TEST(a_timer_that_restarts_itself_with_zero_runs_once_a_turn)
{
    struct timer timer;

    clock_set_for_test(1000000000, 0);
    timer_init(&timer, loop, restart, &timer);
    timer_start(&timer, 0);
    clock_set_for_test(1000000001, 0);
    loop_turn(loop, 0);
    ck_assert_str_eq(trace, "r");
    timer_done(&timer);
}
END_TEST

static void on_stop(void *arg)
{
    note(*(char *)arg);
    loop_stop(loop);
}

START_TEST(the_loop_wakes_for_a_timer_by_itself)
{
    struct timer timer;
    uint64_t before_ns = clock_monotonic_ns();

    timer_init(&timer, loop, on_stop, letter('t'));
    timer_start(&timer, 20);
    loop_run(loop);
    ck_assert_str_eq(trace, "t");
    ck_assert_uint_ge(clock_monotonic_ns() - before_ns, 20 * 1000000);
    timer_done(&timer);
}
END_TEST

START_TEST(a_signal_is_a_call_on_the_loop)
{
    ck_assert_int_eq(loop_on_signal(loop, SIGUSR1, on_stop, letter('s')), RC_OK);
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
    loop_run(loop);
    ck_assert_str_eq(trace, "s");
}
END_TEST

#define SPENT_US 3000

static void on_spend(void *arg)
{
    uint64_t began_ns = clock_thread_ns();

    (void)arg;
    while (clock_thread_ns() - began_ns < SPENT_US * 1000) {
    }
}

START_TEST(a_turn_is_measured_and_what_was_waited_for_is_not)
{
    struct loop_call call = { .call = on_spend };
    const struct durations *wall = loop_turns(loop), *processor = loop_turns_processor(loop);

    for (unsigned i = 0; i < 5; i++)
        loop_turn(loop, 50); /* nothing comes */
    ck_assert_uint_eq(wall->count, 5);
    ck_assert_uint_lt(durations_permille_us(wall, 200), 50000);
    ck_assert_uint_lt(processor->max_us, SPENT_US);
    loop_post(loop, &call);
    loop_turn(loop, 0);
    ck_assert_uint_eq(wall->count, 6);
    ck_assert_uint_eq(processor->count, 6);
    ck_assert_uint_ge(wall->max_us, SPENT_US);
    ck_assert_uint_ge(durations_permille_us(processor, 999), SPENT_US);
}
END_TEST

#define TOLD_BYTES 300

static char told[TOLD_BYTES];
static unsigned told_count;

static void on_line(enum log_level level, const char *line, size_t len)
{
    if (level != LOG_NOTICE)
        return;
    (void)snprintf(told, sizeof(told), "%.*s", (int)len, line);
    told_count++;
}

/* A turn in which the clock goes on for so many microseconds. */
static void take_us(void *arg)
{
    for (unsigned i = 0; i < 6; i++)
        doing(i < 5 ? "test.before" : "test.last");
    clock_set_for_test(NS_PER_MS + *(uint64_t *)arg * 1000, 0);
}

static void turn_of_us(uint64_t us)
{
    struct loop_call call = { .call = take_us, .arg = &us };

    clock_set_for_test(NS_PER_MS, 0);
    loop_post(loop, &call);
    loop_turn(loop, 0);
}

START_TEST(a_slow_turn_is_counted_and_told_with_what_it_did)
{
    int64_t before = count_get(COUNT_NET_TURNS_LONG);

    told_count = 0;
    log_set_sink(on_line);
    turn_of_us(20000); /* nobody asked */
    loop_set_slow_us(loop, 10000);
    turn_of_us(9999);
    ck_assert_uint_eq(told_count, 0);
    ck_assert_int_eq(count_get(COUNT_NET_TURNS_LONG), before);
    turn_of_us(10000);
    ck_assert_uint_eq(told_count, 1);
    ck_assert_int_eq(count_get(COUNT_NET_TURNS_LONG), before + 1);
    ck_assert_ptr_nonnull(strstr(told, "net.slow_turn us=10000 processor_us="));
    ck_assert_ptr_nonnull(strstr(told, " inputs=0 bytes=0 "));
    ck_assert_ptr_nonnull(strstr(told, " did=test.before,test.before,test.before,test.last"));
    for (unsigned i = 0; i < 100; i++)
        turn_of_us(10000);
    ck_assert_uint_le(told_count, LOG_PEER_LINES_PER_SECOND); /* but all are counted */
    ck_assert_int_eq(count_get(COUNT_NET_TURNS_LONG), before + 101);
    loop_set_slow_us(loop, 0);
    turn_of_us(10000);
    ck_assert_int_eq(count_get(COUNT_NET_TURNS_LONG), before + 101);
    log_set_sink(NULL);
}
END_TEST

START_TEST(what_a_thread_did_is_told_as_far_as_there_is_room)
{
    char words[8];

    doing_clear();
    doing_write(words, sizeof(words));
    ck_assert_str_eq(words, "-");
    doing("abcde");
    doing("fghij");
    doing_write(words, sizeof(words));
    ck_assert_str_eq(words, "abcde,f");
    doing_clear();
}
END_TEST

#define HEAP_NODES 1000

START_TEST(a_heap_gives_the_smallest_key_first_whatever_leaves_meanwhile)
{
    struct heap heap;
    struct heap_node *nodes = mem_new_array(struct heap_node, HEAP_NODES);
    uint64_t before = 0;
    size_t left = 0;
    uint64_t key = 12345;

    heap_init(&heap);
    for (unsigned i = 0; i < HEAP_NODES; i++) {
        key = key * 6364136223846793005 + 1442695040888963407;
        heap_add(&heap, &nodes[i], key >> 50);
    }
    for (unsigned i = 0; i < HEAP_NODES; i += 3)
        heap_remove(&heap, &nodes[i]);
    while (heap_first(&heap) != NULL) {
        struct heap_node *first = heap_first(&heap);

        ck_assert_uint_ge(first->key, before);
        before = first->key;
        heap_remove(&heap, first);
        left++;
    }
    ck_assert_uint_eq(left, HEAP_NODES - (HEAP_NODES + 2) / 3);
    heap_done(&heap);
    mem_free(nodes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop");
    TCase *test = tcase_create("loop");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, hooks_run_at_the_end_of_a_turn_in_order_of_adding);
    tcase_add_test(test, posted_calls_run_in_order_of_posting_and_once);
    tcase_add_test(test, a_posted_call_may_post_itself_again);
    tcase_add_test(test, what_a_hook_posts_runs_in_the_next_turn_which_does_not_wait);
    tcase_add_test(test, no_call_posted_by_another_thread_is_lost);
    tcase_add_test(test, timers_fire_in_order_of_time_and_not_early);
    tcase_add_test(test, a_timer_started_anew_fires_at_the_new_time_alone);
    tcase_add_test(test, a_stopped_timer_does_not_fire);
    tcase_add_test(test, a_timer_that_restarts_itself_with_zero_runs_once_a_turn);
    tcase_add_test(test, the_loop_wakes_for_a_timer_by_itself);
    tcase_add_test(test, a_signal_is_a_call_on_the_loop);
    tcase_add_test(test, a_turn_is_measured_and_what_was_waited_for_is_not);
    tcase_add_test(test, a_slow_turn_is_counted_and_told_with_what_it_did);
    tcase_add_test(test, what_a_thread_did_is_told_as_far_as_there_is_room);
    tcase_add_test(test, a_heap_gives_the_smallest_key_first_whatever_leaves_meanwhile);
    suite_add_tcase(suite, test);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
