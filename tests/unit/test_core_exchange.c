/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "broker/base/fault.h"
#include "broker/base/mem.h"
#include "broker/core/headers_match.h"
#include "tests/lib/core_rig.h"

static struct rig rig;
static struct rig_client *a;

static void setup_on(bool is_durable)
{
    rig_open(&rig, is_durable);
    a = mem_new(struct rig_client);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
}

static void setup(void)
{
    setup_on(false);
}

static void setup_durable(void)
{
    setup_on(true);
}

static void teardown(void)
{
    fault_disarm();
    rig_client_close(a);
    rig_close(&rig);
    MEM_FREE(a);
}

static struct exchange *declare(const char *name, enum exchange_type type, const char *alternate)
{
    struct exchange_spec spec = {
        .name = slice_str(name), .type = type, .is_durable = true, .alternate = slice_str(alternate)
    };
    struct exchange *exchange = NULL;

    ck_assert_int_eq(exchange_declare(a->client, &spec, &exchange), RC_OK);
    return exchange;
}

static void bind_exchange(const char *source, const char *destination, const char *key)
{
    struct binding_spec spec = { .source = exchange_find(rig.core, slice_str(source)),
                                 .destination = exchange_find(rig.core, slice_str(destination)),
                                 .key = slice_str(key),
                                 .arguments = SLICE("") };

    ck_assert_int_eq(binding_add(a->client, &spec), RC_OK);
}

static uint64_t ready(const char *queue)
{
    rig_settle(&rig);
    return queue_ready_count(queue_find(rig.core, slice_str(queue)));
}

START_TEST(exchanges_bound_to_each_other_route_once_even_in_a_circle)
{
    rig_queue(&rig, a, "q", true);
    declare("x", EXCHANGE_FANOUT, NULL);
    declare("y", EXCHANGE_FANOUT, NULL);
    bind_exchange("x", "y", "");
    bind_exchange("y", "x", "");
    rig_bind(&rig, a, "x", "q", "");
    rig_bind(&rig, a, "y", "q", "");
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "x", "k", "v"), RC_OK);
    ck_assert_uint_eq(ready("q"), 1);
}
END_TEST

START_TEST(a_message_is_not_routed_nowhere_for_want_of_memory)
{
    const struct message_spec spec = { .address = SLICE("a/b"), .value = SLICE("v") };
    const struct slice key = SLICE("a.b");
    unsigned published = 0;

    rig_queue(&rig, a, "q", true);
    declare("x", EXCHANGE_TOPIC, NULL);
    rig_bind(&rig, a, "x", "q", "a.b");
    for (unsigned k = 1; k < 10; k++) {
        struct publish_exchange publish = { .exchange = exchange_find(rig.core, SLICE("x")),
                                            .routing_keys = &key,
                                            .routing_key_count = 1 };
        struct message *message = message_new(&spec);
        enum rc rc;

        fault_arm("mem", k, FAULT_ONCE);
        rc = publish_exchange(a->client, &publish, &message);
        fault_disarm();
        ck_assert_int_ne(rc, RC_NO_ROUTE);
        published += rc == RC_OK;
        rig_settle(&rig);
    }
    ck_assert_uint_eq(ready("q"), published);
}
END_TEST

START_TEST(alternate_exchange_takes_what_was_routed_nowhere)
{
    rig_queue(&rig, a, "q", true);
    rig_queue(&rig, a, "rest", true);
    declare("other", EXCHANGE_FANOUT, NULL);
    declare("x", EXCHANGE_DIRECT, "other");
    rig_bind(&rig, a, "x", "q", "k");
    rig_bind(&rig, a, "other", "rest", "");
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "x", "k", "v"), RC_OK);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "x", "nobody", "v"), RC_OK);
    ck_assert_uint_eq(ready("q"), 1);
    ck_assert_uint_eq(ready("rest"), 1);
}
END_TEST

START_TEST(exchange_bound_to_the_shared_one_gets_what_any_protocol_publishes)
{
    rig_queue(&rig, a, "q", true);
    declare("mine", EXCHANGE_DIRECT, NULL);
    bind_exchange("amq.topic", "mine", "dev.#");
    rig_bind(&rig, a, "mine", "q", "dev.1.temp");
    ck_assert_int_eq(rig_publish(&rig, a, "dev/1/temp", "v", 1, 0), RC_OK);
    ck_assert_int_eq(rig_publish(&rig, a, "dev/2/temp", "v", 1, 0), RC_NO_ROUTE);
    ck_assert_uint_eq(ready("q"), 1);
}
END_TEST

START_TEST(publishing_to_the_shared_one_reaches_sessions_and_the_stream)
{
    bool present;
    struct session *s = rig_session(&rig, a, "s", true, 0, &present);

    rig_subscribe(s, "dev/#", 1, 0);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "amq.topic", "dev.1", "v"), RC_OK);
    ck_assert_uint_eq(a->count, 1);
    ck_assert_str_eq(a->seen[0].address, "dev/1");
    ck_assert_ptr_nonnull(stream_find(rig.core, SLICE("dev")));
    session_detach(&s);
}
END_TEST

START_TEST(redeclaring_differently_is_told_and_the_predeclared_stay)
{
    struct exchange_spec spec = { .name = SLICE("x"), .type = EXCHANGE_FANOUT, .is_durable = true };
    struct exchange *exchange = declare("x", EXCHANGE_DIRECT, NULL);

    ck_assert_int_eq(exchange_declare(a->client, &spec, &exchange), RC_MISMATCH);
    spec.type = EXCHANGE_DIRECT;
    ck_assert_int_eq(exchange_declare(a->client, &spec, &exchange), RC_EXISTS);
    exchange = exchange_find(rig.core, SLICE("amq.direct"));
    ck_assert_int_eq(exchange_delete(a->client, exchange, false), RC_REFUSED);
}
END_TEST

START_TEST(auto_delete_exchange_goes_with_its_last_binding)
{
    struct exchange_spec spec = { .name = SLICE("x"), .is_auto_delete = true };
    struct exchange *exchange = NULL;
    uint64_t count;

    ck_assert_int_eq(exchange_declare(a->client, &spec, &exchange), RC_OK);
    rig_queue(&rig, a, "q", true);
    rig_bind(&rig, a, "x", "q", "k");
    ck_assert_int_eq(exchange_delete(a->client, exchange, true), RC_IN_USE);
    ck_assert_int_eq(
        queue_delete(a->client, queue_find(rig.core, SLICE("q")), false, false, &count), RC_OK);
    ck_assert_ptr_null(exchange_find(rig.core, SLICE("x")));
}
END_TEST

static void bind_headers(const char *queue)
{
    struct header_value values[] = {
        { .name = SLICE("x-match"), .kind = HEADER_TEXT, .as.bytes = SLICE("all") },
        { .name = SLICE("level"), .kind = HEADER_INTEGER, .as.integer = 5 },
        { .name = SLICE("ratio"), .kind = HEADER_REAL, .as.real = 0.5 },
        { .name = SLICE("on"), .kind = HEADER_BOOL, .as.yes = true },
    };
    struct binding_spec spec = { .source = exchange_find(rig.core, SLICE("amq.headers")),
                                 .queue = queue_find(rig.core, slice_str(queue)),
                                 .key = SLICE(""),
                                 .arguments = SLICE("blob"),
                                 .headers = values,
                                 .header_count = 4 };

    ck_assert_int_eq(binding_add(a->client, &spec), RC_OK);
}

static enum rc publish_headers(int64_t level)
{
    struct header_value values[] = {
        { .name = SLICE("level"), .kind = HEADER_INTEGER, .as.integer = level },
        { .name = SLICE("on"), .kind = HEADER_BOOL, .as.yes = true },
        { .name = SLICE("ratio"), .kind = HEADER_REAL, .as.real = 0.5 },
    };
    struct slice key = SLICE("");
    struct publish_exchange publish = { .exchange = exchange_find(rig.core, SLICE("amq.headers")),
                                        .routing_keys = &key,
                                        .routing_key_count = 1,
                                        .headers = values,
                                        .header_count = 3 };
    struct message_spec spec = { .address = SLICE("h"), .value = SLICE("v"), .qos = 1 };
    struct message *message = message_new(&spec);

    return publish_exchange(a->client, &publish, &message);
}

START_TEST(bindings_and_exchanges_survive_a_restart)
{
    rig_queue(&rig, a, "q", true);
    rig_queue(&rig, a, "h", true);
    declare("x", EXCHANGE_TOPIC, "amq.fanout");
    rig_bind(&rig, a, "x", "q", "a.*");
    bind_headers("h");
    ck_assert_int_eq(publish_headers(5), RC_OK);
    rig_settle(&rig);
    rig_client_close(a);
    rig_reopen(&rig);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "x", "a.b", "v"), RC_OK);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "x", "b.b", "v"), RC_NO_ROUTE);
    ck_assert_int_eq(publish_headers(5), RC_OK);
    ck_assert_int_eq(publish_headers(6), RC_NO_ROUTE);
    ck_assert_uint_eq(ready("q"), 1);
    ck_assert_uint_eq(ready("h"), 2);
    ck_assert(slice_equal_str(exchange_spec(exchange_find(rig.core, SLICE("x")))->alternate,
                              "amq.fanout"));
}
END_TEST

static char told[8];

static void on_binding(void *arg, const struct binding_spec *spec)
{
    size_t len = strlen(told);

    (void)arg;
    ck_assert_uint_lt(len, sizeof(told) - 1);
    ck_assert_uint_eq(spec->key.len, 1);
    told[len] = (char)spec->key.at[0];
    told[len + 1] = '\0';
}

START_TEST(bindings_are_told_in_parts_and_a_place_that_is_gone_is_told)
{
    struct exchange *x = declare("x", EXCHANGE_DIRECT, NULL);
    struct binding_spec spec = { .source = x, .key = SLICE("b"), .arguments = SLICE("") };
    struct text place = { 0 };
    unsigned count = 2;

    told[0] = '\0';
    spec.queue = rig_queue(&rig, a, "q", true);
    for (char key[2] = "a"; key[0] <= 'e'; key[0]++)
        rig_bind(&rig, a, "x", "q", key);
    ck_assert_int_eq(binding_some(x, &place, &count, on_binding, NULL), RC_AGAIN);
    ck_assert_uint_eq(count, 0);
    rig_bind(&rig, a, "amq.direct", "q", "z"); /* another's is passed over */
    spec.key = SLICE("c");                     /* before it was told: it is not */
    ck_assert_int_eq(binding_remove(a->client, &spec), RC_OK);
    count = 1;
    ck_assert_int_eq(binding_some(x, &place, &count, on_binding, NULL), RC_AGAIN);
    count = 9;
    ck_assert_int_eq(binding_some(x, &place, &count, on_binding, NULL), RC_OK);
    ck_assert_uint_eq(count, 8);
    ck_assert_str_eq(told, "abde");
    spec.key = SLICE("d"); /* the place itself */
    ck_assert_int_eq(binding_remove(a->client, &spec), RC_OK);
    ck_assert_int_eq(binding_some(x, &place, &count, on_binding, NULL), RC_NOT_FOUND);
    text_done(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core exchanges");
    TCase *plain = tcase_create("memory");
    TCase *durable = tcase_create("durable");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(plain, setup, teardown);
    tcase_add_test(plain, exchanges_bound_to_each_other_route_once_even_in_a_circle);
    tcase_add_test(plain, a_message_is_not_routed_nowhere_for_want_of_memory);
    tcase_add_test(plain, alternate_exchange_takes_what_was_routed_nowhere);
    tcase_add_test(plain, exchange_bound_to_the_shared_one_gets_what_any_protocol_publishes);
    tcase_add_test(plain, publishing_to_the_shared_one_reaches_sessions_and_the_stream);
    tcase_add_test(plain, redeclaring_differently_is_told_and_the_predeclared_stay);
    tcase_add_test(plain, auto_delete_exchange_goes_with_its_last_binding);
    tcase_add_test(plain, bindings_are_told_in_parts_and_a_place_that_is_gone_is_told);
    tcase_add_checked_fixture(durable, setup_durable, teardown);
    tcase_add_test(durable, bindings_and_exchanges_survive_a_restart);
    suite_add_tcase(suite, plain);
    suite_add_tcase(suite, durable);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
