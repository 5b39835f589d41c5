/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/space.h"
#include "tests/lib/suite.h"

static int bell;

static void on_wake(void *arg)
{
    ck_assert_ptr_eq(arg, &bell);
    ck_assert_int_eq(eventfd_write(bell, 1), 0);
}

static struct space *open_space(const char *directory)
{
    struct space *space = NULL;

    bell = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_ge(bell, 0);
    ck_assert_int_eq(space_open(directory, on_wake, &bell, &space), RC_OK);
    return space;
}

static void close_space(struct space **space)
{
    space_close(space);
    ck_assert_ptr_null(*space);
    (void)close(bell);
}

static void wait_for_answer(void)
{
    struct pollfd fd = { .fd = bell, .events = POLLIN };
    eventfd_t count;

    ck_assert_int_eq(poll(&fd, 1, 10000), 1);
    ck_assert_int_eq(eventfd_read(bell, &count), 0);
}

START_TEST(a_question_has_one_answer)
{
    struct space *space = open_space("/");
    struct space_room room;
    struct statvfs fs;

    ck_assert(!space_answer(space, &room)); /* nothing was asked */
    for (unsigned i = 0; i < 3; i++) {
        space_ask(space);
        wait_for_answer();
        ck_assert(space_answer(space, &room));
        ck_assert(!space_answer(space, &room));
    }
    ck_assert_int_eq(statvfs("/", &fs), 0);
    ck_assert_uint_gt(room.total_bytes, 0);
    ck_assert_uint_le(room.total_bytes, (uint64_t)fs.f_blocks * fs.f_frsize);
    ck_assert_uint_le(room.free_bytes, room.total_bytes);
    close_space(&space);
}
END_TEST

START_TEST(what_cannot_be_asked_is_not_known)
{
    struct space *space = open_space("/no/such/directory");
    struct space_room room = { 1, 1 };

    space_ask(space);
    wait_for_answer();
    ck_assert(space_answer(space, &room));
    ck_assert_uint_eq(room.total_bytes, 0);
    close_space(&space);
}
END_TEST

START_TEST(it_closes_with_a_question_open)
{
    struct space *space = open_space("/");

    space_ask(space);
    space_ask(space); /* one is under way */
    close_space(&space);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("space");

    tcase_add_test(tests, a_question_has_one_answer);
    tcase_add_test(tests, what_cannot_be_asked_is_not_known);
    tcase_add_test(tests, it_closes_with_a_question_open);
    return suite_run("space", tests);
}
