/* SPDX-License-Identifier: Apache-2.0 */
/* What very many things cost each, counted and not timed: bench_scale measures the rest. */
#include <stdio.h>

#include "broker/base/mem.h"
#include "broker/core/core_int.h"
#include "broker/core/stream_int.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

#define STREAMS 20000
/* Of memory, without the catalogue's pages: 500 in all is the aim for a million streams. */
#define STREAM_MOST_BYTES 460

static struct rig rig;
static struct rig_client client;

static void setup(void)
{
    rig_open(&rig, false);
    rig_client_open(&rig, &client, 0);
}

static void teardown(void)
{
    rig_client_close(&client);
    rig_close(&rig);
}

static struct stream *make_stream(unsigned number)
{
    char name[32];
    struct stream_spec spec = { .partition_count = 1 };
    struct stream *stream = NULL;

    (void)snprintf(name, sizeof(name), "stream-%07u", number);
    spec.name = slice_str(name);
    ck_assert_int_eq(stream_create(rig.core, client.client, &spec, &stream), RC_OK);
    return stream;
}

START_TEST(a_stream_at_rest_is_small)
{
    int64_t before = (int64_t)mem_in_use_bytes();

    for (unsigned i = 0; i < STREAMS; i++) {
        (void)make_stream(i);
        if (i % 1000 == 0)
            rig_settle(&rig);
    }
    rig_settle(&rig);
    /* the memory store keeps a copy of each value, which is not the core's */
    ck_assert_int_lt(((int64_t)mem_in_use_bytes() - before) / STREAMS, STREAM_MOST_BYTES);
}
END_TEST

START_TEST(a_partition_keeps_nothing_for_work_that_is_done)
{
    struct stream *stream = make_stream(1);

    ck_assert_ptr_null(stream->partitions[0]->work);
    ck_assert_int_eq(rig_publish(&rig, &client, "stream-0000001", "x", 1, 0), RC_NO_ROUTE);
    ck_assert_ptr_nonnull(stream->partitions[0]->work);
    rig_settle(&rig);
    ck_assert_ptr_null(stream->partitions[0]->work);
    ck_assert_uint_eq(partition_durable_end(stream->partitions[0]), 1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("scale");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_stream_at_rest_is_small);
    tcase_add_test(tests, a_partition_keeps_nothing_for_work_that_is_done);
    return suite_run("core_scale", tests);
}
