/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/password_worker.h"

#include "broker/base/mem.h"
#include "broker/base/thread.h"
#include "tests/lib/suite.h"

/* of "secret": cheap, and one whose check outlasts a test's questions */
#define CHEAP                                                                                  \
    "$7$101$AAECAwQFBgcICQoL$Xr99N9ym9ys8TWxis5ajETJq6EVYzmc6nb8t3pUYnPBbCAbICS4xejTltonXWCtJ" \
    "NBvA+By+TXUqU6qCblO00w=="
#define COSTLY                                                                               \
    "$7$200000$AAECAwQFBgcICQoL$Xr99N9ym9ys8TWxis5ajETJq6EVYzmc6nb8t3pUYnPBbCAbICS4xejTlton" \
    "XWCtJNBvA+By+TXUqU6qCblO00w=="

#define WAIT_MS 20000

static struct bell bell;
static struct password_worker *worker;

struct answer {
    enum rc rc;
    unsigned times;
};

static void wake(void *arg)
{
    (void)arg;
    bell_ring(&bell);
}

static void setup(void)
{
    bell_init(&bell);
    worker = password_worker_new(wake, NULL);
}

static void teardown(void)
{
    password_worker_free(&worker);
    bell_done(&bell);
}

static void on_done(void *arg, enum rc rc)
{
    struct answer *answer = arg;

    answer->rc = rc;
    answer->times++;
}

static enum rc ask(const char *hash, struct slice password, bool is_decoy, struct answer *answer,
                   struct password_request **ret)
{
    return password_worker_ask(worker, slice_str(hash), password, is_decoy, on_done, answer, ret);
}

static void wait_for(const struct answer *answer)
{
    while (answer->times == 0) {
        bell_wait(&bell, WAIT_MS);
        bell_clear(&bell);
        password_worker_poll(worker);
    }
}

START_TEST(what_was_right_is_known_the_next_time)
{
    struct answer answer = { RC_SYSTEM, 0 };
    struct password_request *request;

    ck_assert_int_eq(ask(CHEAP, SLICE("secret"), false, &answer, &request), RC_AGAIN);
    wait_for(&answer);
    ck_assert_int_eq(answer.rc, RC_OK);
    ck_assert_int_eq(ask(CHEAP, SLICE("secret"), false, &answer, &request), RC_OK);
    ck_assert_uint_eq(answer.times, 1);
    /* of another hash nothing is known, nor of another password */
    ck_assert_int_eq(ask(COSTLY, SLICE("secret"), false, &answer, &request), RC_AGAIN);
    password_worker_cancel(&request);
    ck_assert_int_eq(ask(CHEAP, SLICE("secreT"), false, &answer, &request), RC_AGAIN);
    password_worker_cancel(&request);
}
END_TEST

START_TEST(what_was_wrong_is_asked_again)
{
    struct password_request *request;

    for (unsigned i = 0; i < 2; i++) {
        struct answer answer = { RC_SYSTEM, 0 };

        ck_assert_int_eq(ask(CHEAP, SLICE("wrong"), false, &answer, &request), RC_AGAIN);
        wait_for(&answer);
        ck_assert_int_eq(answer.rc, RC_AUTH);
    }
}
END_TEST

START_TEST(a_decoy_is_never_right_and_never_known)
{
    struct password_request *request;

    for (unsigned i = 0; i < 2; i++) {
        struct answer answer = { RC_SYSTEM, 0 };

        ck_assert_int_eq(ask(CHEAP, SLICE("secret"), true, &answer, &request), RC_AGAIN);
        wait_for(&answer);
        ck_assert_int_eq(answer.rc, RC_AUTH);
    }
}
END_TEST

START_TEST(what_was_cancelled_is_not_told)
{
    struct answer cancelled = { RC_SYSTEM, 0 }, answer = { RC_SYSTEM, 0 };
    struct password_request *request, *last;

    ck_assert_int_eq(ask(CHEAP, SLICE("secret"), false, &cancelled, &request), RC_AGAIN);
    password_worker_cancel(&request);
    ck_assert_ptr_null(request);
    ck_assert_int_eq(ask(CHEAP, SLICE("other"), false, &answer, &last), RC_AGAIN);
    wait_for(&answer);
    ck_assert_uint_eq(cancelled.times, 0);
    ck_assert_int_eq(answer.rc, RC_AUTH);
}
END_TEST

START_TEST(only_so_many_wait)
{
    struct answer answer = { RC_SYSTEM, 0 };
    struct password_request *requests[PASSWORD_QUEUE_MAX], *more = NULL;

    for (unsigned i = 0; i < PASSWORD_QUEUE_MAX; i++)
        ck_assert_int_eq(ask(COSTLY, SLICE("x"), false, &answer, &requests[i]), RC_AGAIN);
    ck_assert_int_eq(ask(COSTLY, SLICE("x"), false, &answer, &more), RC_LIMIT);
    ck_assert_ptr_null(more);
    for (unsigned i = 0; i < PASSWORD_QUEUE_MAX; i++)
        password_worker_cancel(&requests[i]);
}
END_TEST

START_TEST(a_password_that_is_too_long_is_none)
{
    struct answer answer = { RC_SYSTEM, 0 };
    struct password_request *request = NULL;
    uint8_t *at = mem_zeroed(70000);

    ck_assert_int_eq(ask(CHEAP, slice_of(at, 65536), false, &answer, &request), RC_TOO_LARGE);
    mem_free(at);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("password_worker");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_was_right_is_known_the_next_time);
    tcase_add_test(tests, what_was_wrong_is_asked_again);
    tcase_add_test(tests, a_decoy_is_never_right_and_never_known);
    tcase_add_test(tests, what_was_cancelled_is_not_told);
    tcase_add_test(tests, only_so_many_wait);
    tcase_add_test(tests, a_password_that_is_too_long_is_none);
    return suite_run("password_worker", tests);
}
