/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges and queues with very many bindings end in parts. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "storage/log.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

#define VERY_MANY 5000u /* more than two turns end */

static struct rig rig;
static struct rig_client *a;

static void setup(void)
{
    rig_open(&rig, true);
    a = mem_new(struct rig_client);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
}

static void teardown(void)
{
    fault_disarm();
    log_set_sink(NULL);
    rig_client_close(a);
    rig_close(&rig);
    MEM_FREE(a);
}

static struct exchange *declare(const char *name, enum exchange_type type, bool is_auto_delete)
{
    struct exchange_spec spec = {
        .name = slice_str(name), .type = type, .is_durable = true, .is_auto_delete = is_auto_delete
    };
    struct exchange *exchange = NULL;

    ck_assert_int_eq(exchange_declare(a->client, &spec, &exchange), RC_OK);
    return exchange;
}

static void bind_many(const char *exchange, const char *queue)
{
    char key[32];

    for (unsigned i = 0; i < VERY_MANY; i++) {
        (void)snprintf(key, sizeof(key), "many.%u", i);
        rig_bind(&rig, a, exchange, queue, key);
    }
    rig_settle(&rig);
}

static void bind_exchanges(const char *source, const char *destination)
{
    struct binding_spec spec = { .source = exchange_find(rig.core, slice_str(source)),
                                 .destination = exchange_find(rig.core, slice_str(destination)),
                                 .key = SLICE("k"),
                                 .arguments = SLICE("") };

    ck_assert_int_eq(binding_add(a->client, &spec), RC_OK);
}

static void delete_exchange(const char *name)
{
    struct exchange *exchange = exchange_find(rig.core, slice_str(name));

    ck_assert_int_eq(exchange_delete(a->client, exchange, false), RC_OK);
    ck_assert_ptr_null(exchange_find(rig.core, slice_str(name)));
}

static void delete_queue(const char *name)
{
    struct queue *queue = queue_find(rig.core, slice_str(name));
    uint64_t count;

    ck_assert_int_eq(queue_delete(a->client, queue, false, false, &count), RC_OK);
    ck_assert_ptr_null(queue_find(rig.core, slice_str(name)));
}

/* Only `key` leads anywhere. */
static void expect_route(const char *exchange, const char *key)
{
    char other[32];

    for (unsigned i = 0; i < VERY_MANY; i += 499) {
        (void)snprintf(other, sizeof(other), "many.%u", i);
        if (strcmp(other, key) != 0)
            ck_assert_int_eq(rig_publish_exchange(&rig, a, exchange, other, "v"), RC_NO_ROUTE);
    }
    ck_assert_int_eq(rig_publish_exchange(&rig, a, exchange, key, "v"), RC_OK);
}

static unsigned told;

static void on_binding(void *arg, const struct binding_spec *spec)
{
    (void)arg;
    (void)spec;
    told++;
}

static unsigned bindings_of(const char *exchange)
{
    struct text place = { 0 };
    unsigned count = 2 * VERY_MANY;

    told = 0;
    ck_assert_int_eq(binding_some(exchange_find(rig.core, slice_str(exchange)), &place, &count,
                                  on_binding, NULL),
                     RC_OK);
    text_done(&place);
    return told;
}

static unsigned strays;

static void on_line(enum log_level level, const char *line, size_t len)
{
    static const char event[] = "core.strays_deleted rows=";
    const char *at = memmem(line, len, event, strlen(event));

    (void)level;
    if (at == NULL)
        return;
    for (at += strlen(event); at < line + len && *at >= '0' && *at <= '9'; at++)
        strays = strays * 10 + (unsigned)(*at - '0');
}

/* How many rows of what had ended the start after that found. */
static unsigned strays_of(void (*reopen)(struct rig *rig))
{
    ck_assert_int_eq(store_flush(rig.store), RC_OK);
    rig_client_close(a);
    strays = 0;
    log_set_threshold(LOG_INFO);
    log_set_sink(on_line);
    reopen(&rig);
    log_set_sink(NULL);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    return strays;
}

/* Its name is free at once, and what is bound again is not taken for what goes. */
static void delete_and_bind_again(enum exchange_type type)
{
    declare("x", type, false);
    rig_queue(&rig, a, "q", true);
    bind_many("x", "q");
    delete_exchange("x");
    declare("x", type, false);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "x", "many.7", "v"), RC_NO_ROUTE);
    rig_bind(&rig, a, "x", "q", "many.4999"); /* the last that would have gone */
    expect_route("x", "many.4999");
    ck_assert_uint_eq(bindings_of("x"), 1);
}

static void expect_one_after_all_is_gone(void)
{
    rig_settle(&rig);
    ck_assert_uint_eq(bindings_of("x"), 1);
    expect_route("x", "many.4999");
    ck_assert_uint_eq(strays_of(rig_reopen), 0);
    ck_assert_uint_eq(bindings_of("x"), 1);
    expect_route("x", "many.4999");
}

START_TEST(a_direct_exchange_with_very_many_bindings_ends_in_parts)
{
    delete_and_bind_again(EXCHANGE_DIRECT);
    expect_one_after_all_is_gone();
}
END_TEST

START_TEST(a_topic_exchange_with_very_many_bindings_ends_in_parts)
{
    delete_and_bind_again(EXCHANGE_TOPIC);
    expect_one_after_all_is_gone();
}
END_TEST

START_TEST(what_is_left_of_an_exchange_at_a_stop_is_gone_after_the_next_start)
{
    unsigned rows;

    delete_and_bind_again(EXCHANGE_TOPIC);
    core_turn_end(rig.core);
    rows = strays_of(rig_reopen_amid);
    ck_assert_uint_gt(rows, 1000);
    ck_assert_uint_lt(rows, VERY_MANY);
    expect_one_after_all_is_gone();
}
END_TEST

static void delete_queue_and_bind_again(enum exchange_type type)
{
    declare("x", type, false);
    rig_queue(&rig, a, "q", true);
    bind_many("x", "q");
    delete_queue("q");
    ck_assert_uint_eq(bindings_of("x"), 0);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "x", "many.4999", "v"), RC_NO_ROUTE);
    ck_assert_int_eq(exchange_delete(a->client, exchange_find(rig.core, SLICE("x")), true), RC_OK);
    declare("x", type, false);
    rig_queue(&rig, a, "q", true);
    rig_bind(&rig, a, "x", "q", "many.4999");
    expect_route("x", "many.4999");
    core_turn_end(rig.core);
    ck_assert_uint_gt(strays_of(rig_reopen_amid), 1000);
    expect_one_after_all_is_gone();
}

START_TEST(a_queue_with_very_many_bindings_to_a_direct_exchange_ends_in_parts)
{
    delete_queue_and_bind_again(EXCHANGE_DIRECT);
}
END_TEST

START_TEST(a_queue_with_very_many_bindings_to_a_topic_exchange_ends_in_parts)
{
    delete_queue_and_bind_again(EXCHANGE_TOPIC);
}
END_TEST

/* What any protocol publishes looks there too. */
START_TEST(a_queue_with_very_many_bindings_to_the_shared_exchange_ends_in_parts)
{
    rig_queue(&rig, a, "q", true);
    bind_many("amq.topic", "q");
    delete_queue("q");
    ck_assert_int_eq(rig_publish(&rig, a, "many/4999", "v", 1, 0), RC_NO_ROUTE);
    rig_queue(&rig, a, "q", true);
    ck_assert_int_eq(rig_publish(&rig, a, "many/4999", "v", 1, 0), RC_NO_ROUTE);
    rig_bind(&rig, a, "amq.topic", "q", "many.3");
    ck_assert_int_eq(rig_publish(&rig, a, "many/3", "v", 1, 0), RC_OK);
    core_turn_end(rig.core);
    ck_assert_uint_gt(strays_of(rig_reopen_amid), 1000);
    ck_assert_uint_eq(bindings_of("amq.topic"), 1);
    ck_assert_int_eq(rig_publish(&rig, a, "many/4999", "v", 1, 0), RC_NO_ROUTE);
    ck_assert_int_eq(rig_publish(&rig, a, "many/3", "v", 1, 0), RC_OK);
    rig_settle(&rig);
    ck_assert_uint_eq(queue_ready_count(queue_find(rig.core, SLICE("q"))), 2);
}
END_TEST

START_TEST(a_fanout_exchange_gives_nothing_to_a_queue_that_goes)
{
    declare("x", EXCHANGE_FANOUT, false);
    rig_queue(&rig, a, "q", true);
    rig_queue(&rig, a, "other", true);
    bind_many("x", "q");
    delete_queue("q");
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "x", "k", "v"), RC_NO_ROUTE);
    rig_bind(&rig, a, "x", "other", "");
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "x", "k", "v"), RC_OK);
    rig_settle(&rig);
    ck_assert_uint_eq(queue_ready_count(queue_find(rig.core, SLICE("other"))), 1);
    ck_assert_uint_eq(bindings_of("x"), 1);
}
END_TEST

START_TEST(exchanges_that_go_with_their_last_binding_go_before_it_is_gone)
{
    declare("x", EXCHANGE_DIRECT, true);
    declare("y", EXCHANGE_DIRECT, true);
    declare("z", EXCHANGE_DIRECT, true);
    rig_queue(&rig, a, "q", true);
    rig_queue(&rig, a, "other", true);
    bind_many("x", "q");
    bind_exchanges("y", "x");
    bind_exchanges("y", "x"); /* is there */
    bind_exchanges("z", "x");
    rig_bind(&rig, a, "z", "other", "many.1");
    delete_queue("q");
    ck_assert_ptr_null(exchange_find(rig.core, SLICE("x")));
    ck_assert_ptr_null(exchange_find(rig.core, SLICE("y")));
    ck_assert_ptr_nonnull(exchange_find(rig.core, SLICE("z"))); /* it leads to another too */
    ck_assert_uint_eq(bindings_of("z"), 1);
    core_turn_end(rig.core);
    ck_assert_uint_gt(strays_of(rig_reopen_amid), 1000);
    ck_assert_ptr_null(exchange_find(rig.core, SLICE("x")));
    ck_assert_ptr_null(exchange_find(rig.core, SLICE("y")));
    expect_route("z", "many.1");
    delete_queue("other");
    ck_assert_ptr_null(exchange_find(rig.core, SLICE("z")));
    rig_settle(&rig);
    ck_assert_uint_eq(strays_of(rig_reopen), 0);
}
END_TEST

START_TEST(what_there_is_no_memory_to_unbind_stays_bound_and_is_told_so)
{
    struct binding_spec spec = { .source = declare("x", EXCHANGE_DIRECT, false),
                                 .queue = rig_queue(&rig, a, "q", true),
                                 .key = SLICE("k"),
                                 .arguments = SLICE("") };

    ck_assert_int_eq(binding_add(a->client, &spec), RC_OK);
    fault_arm("mem", 1, FAULT_ONCE);
    ck_assert_int_eq(binding_remove(a->client, &spec), RC_MEMORY);
    fault_disarm();
    ck_assert(binding_exists(&spec));
    ck_assert_int_eq(binding_remove(a->client, &spec), RC_OK);
    ck_assert(!binding_exists(&spec));
}
END_TEST

START_TEST(a_stop_amid_frees_what_goes)
{
    declare("x", EXCHANGE_TOPIC, false);
    rig_queue(&rig, a, "q", true);
    rig_queue(&rig, a, "p", true);
    bind_many("x", "q");
    bind_many("x", "p");
    delete_queue("q");
    delete_exchange("x");
    ck_assert_uint_gt(strays_of(rig_reopen_amid), 1000);
    ck_assert_ptr_null(exchange_find(rig.core, SLICE("x")));
    ck_assert_ptr_nonnull(queue_find(rig.core, SLICE("p")));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("bindings");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_direct_exchange_with_very_many_bindings_ends_in_parts);
    tcase_add_test(tests, a_topic_exchange_with_very_many_bindings_ends_in_parts);
    tcase_add_test(tests, what_is_left_of_an_exchange_at_a_stop_is_gone_after_the_next_start);
    tcase_add_test(tests, a_queue_with_very_many_bindings_to_a_direct_exchange_ends_in_parts);
    tcase_add_test(tests, a_queue_with_very_many_bindings_to_a_topic_exchange_ends_in_parts);
    tcase_add_test(tests, a_queue_with_very_many_bindings_to_the_shared_exchange_ends_in_parts);
    tcase_add_test(tests, a_fanout_exchange_gives_nothing_to_a_queue_that_goes);
    tcase_add_test(tests, exchanges_that_go_with_their_last_binding_go_before_it_is_gone);
    tcase_add_test(tests, what_there_is_no_memory_to_unbind_stays_bound_and_is_told_so);
    tcase_add_test(tests, a_stop_amid_frees_what_goes);
    return suite_run("core bindings", tests);
}
