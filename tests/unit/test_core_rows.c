/* SPDX-License-Identifier: Apache-2.0 */
/* What is recorded is recorded whole, wherever memory fails: a row in part stops every start. */
#include <check.h>
#include <string.h>

#include "broker/base/fault.h"
#include "broker/base/mem.h"
#include "broker/core/position.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

#define PASSINGS 30u
#define NAME_LEN 200

static struct rig rig;
static struct rig_client *a;
static char name[NAME_LEN + 1];

static void open_client(void)
{
    a = mem_new(struct rig_client);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
}

static void setup(void)
{
    memset(name, 'n', NAME_LEN);
    rig_open(&rig, true);
    open_client();
}

static void teardown(void)
{
    fault_disarm();
    rig_client_close(a);
    rig_close(&rig);
    MEM_FREE(a);
}

static enum rc make_exchange(void)
{
    struct exchange_spec spec = { .name = slice_str(name),
                                  .alternate = slice_str(name),
                                  .arguments = slice_str(name),
                                  .type = EXCHANGE_DIRECT,
                                  .is_durable = true };
    struct exchange *exchange;

    return exchange_declare(a->client, &spec, &exchange);
}

static enum rc make_queue(void)
{
    struct queue_spec spec = { .name = slice_str(name),
                               .arguments = slice_str(name),
                               .is_durable = true };
    struct queue *queue;

    return queue_declare(a->client, &spec, &queue);
}

static struct binding_spec binding(void)
{
    return (struct binding_spec){ .source = exchange_find(rig.core, slice_str(name)),
                                  .queue = queue_find(rig.core, slice_str(name)),
                                  .key = slice_str(name),
                                  .arguments = slice_str(name) };
}

static bool has_ends(const struct binding_spec *spec)
{
    return spec->source != NULL && spec->queue != NULL;
}

static enum rc make_binding(void)
{
    struct binding_spec spec = binding();

    return has_ends(&spec) ? binding_add(a->client, &spec) : RC_NOT_FOUND;
}

static bool is_bound(void)
{
    struct binding_spec spec = binding();

    return has_ends(&spec) && binding_exists(&spec);
}

static enum rc commit_position(void)
{
    const struct position position = { .offset = 5, .metadata = slice_str(name) };

    return position_set(rig.core, slice_str(name), slice_str(name), 0, &position);
}

static bool has_position(void)
{
    struct position position;

    return position_get(rig.core, slice_str(name), slice_str(name), 0, &position) == RC_OK &&
           position.offset == 5 && slice_equal_str(position.metadata, name);
}

static void restart(void)
{
    rig_client_close(a);
    MEM_FREE(a);
    rig_reopen(&rig);
    open_client();
}

START_TEST(what_was_made_while_memory_failed_is_there_after_a_start)
{
    enum rc exchange, queue, bound, position;

    fault_arm("mem", (unsigned)_i + 1, FAULT_ONCE);
    exchange = make_exchange();
    queue = make_queue();
    bound = make_binding();
    position = commit_position();
    fault_disarm();
    restart();
    ck_assert(exchange != RC_OK || exchange_find(rig.core, slice_str(name)) != NULL);
    ck_assert(queue != RC_OK || queue_find(rig.core, slice_str(name)) != NULL);
    ck_assert(bound != RC_OK || is_bound());
    ck_assert(position != RC_OK || has_position());
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("rows");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, what_was_made_while_memory_failed_is_there_after_a_start, 0,
                        PASSINGS);
    return suite_run("core rows", tests);
}
