/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/name.h"

#include <check.h>
#include <stdlib.h>

/* One spelling's two directions, for tests that go through all of them. */
typedef enum rc name_fn(struct slice s, struct text *scratch, struct slice *ret);

struct pair {
    struct slice native, address;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum rc from_amqp(struct slice s, struct text *scratch, struct slice *ret)
{
    return name_from_amqp_key(s, NAME_DOTS_ESCAPE, scratch, ret);
}

static enum rc to_amqp(struct slice s, struct text *scratch, struct slice *ret)
{
    return name_to_amqp_key(s, NAME_DOTS_ESCAPE, scratch, ret);
}

/* Check reports each of its own assertions through a pipe, which is dear in a million of them. */
static void must(bool holds, struct slice name)
{
    if (!holds)
        ck_abort_msg("wrong for \"%.*s\"", SLICE_FMT(name));
}

static struct slice call(name_fn *fn, struct slice s, struct text *scratch)
{
    struct slice ret = SLICE_NONE;

    must(fn(s, scratch, &ret) == RC_OK, s);
    return ret;
}

static void expect_slice(struct slice got, struct slice wanted)
{
    if (!slice_equal(got, wanted))
        ck_abort_msg("got \"%.*s\", wanted \"%.*s\"", SLICE_FMT(got), SLICE_FMT(wanted));
}

static void expect_pairs(name_fn *from, name_fn *to, const struct pair *pairs, size_t count)
{
    struct text scratch = { 0 };

    for (size_t i = 0; i < count; i++) {
        expect_slice(call(from, pairs[i].native, &scratch), pairs[i].address);
        expect_slice(call(to, pairs[i].address, &scratch), pairs[i].native);
    }
    text_done(&scratch);
}

START_TEST(routing_keys_and_addresses_are_as_the_design_says)
{
    static const struct pair pairs[] = {
        { SLICE("orders"), SLICE("orders") },
        { SLICE("orders.eu.new"), SLICE("orders/eu/new") },
        { SLICE("sensors.dev%2E1.temp"), SLICE("sensors/dev.1/temp") },
        { SLICE(".a..b."), SLICE("/a//b/") },
        { SLICE("spBv1%2E0.G.DDATA.n"), SLICE("spBv1.0/G/DDATA/n") },
        { SLICE("100%.x"), SLICE("100%/x") },
        { SLICE("a%252Eb"), SLICE("a%2Eb") },
        { SLICE("a/b.c"), SLICE("a%2Fb/c") },
        { SLICE("a.#.b"), SLICE("a/%23/b") },
        { SLICE("a.*.b"), SLICE("a/*/b") },
        { SLICE("a%2Fb"), SLICE("a%252Fb") },
        { SLICE("a%252Fb"), SLICE("a%25252Fb") },
        { SLICE("a%2eb"), SLICE("a%2eb") },
        { SLICE("%2%2E"), SLICE("%2.") },
        { SLICE("a+b\0c"), SLICE("a%2Bb%00c") },
        { SLICE(""), SLICE("") },
        { SLICE("."), SLICE("/") },
        { SLICE("\xff\xfe.x"), SLICE("\xff\xfe/x") },
    };

    expect_pairs(from_amqp, to_amqp, pairs, COUNT(pairs));
}
END_TEST

START_TEST(kafka_topics_and_streams_are_as_the_design_says)
{
    static const struct pair pairs[] = {
        { SLICE("spBv1.0"), SLICE("spBv1.0") },
        { SLICE("my_x20topic"), SLICE("my topic") },
        { SLICE("my_topic"), SLICE("my_topic") },
        { SLICE("__consumer_offsets"), SLICE("__consumer_offsets") },
        { SLICE("a_x41"), SLICE("a_x41") }, /* 'A' needs no escape, so this is none */
        { SLICE("a_x5Fx20b"), SLICE("a_x20b") },
        { SLICE("a_x2Fb"), SLICE("a%2Fb") },
        { SLICE("a_x25b"), SLICE("a%b") },
        { SLICE("a_x252Fb"), SLICE("a%252Fb") },
        { SLICE("_xC3_xA9"), SLICE("\xc3\xa9") },
        { SLICE("..."), SLICE("...") },
    };

    expect_pairs(name_from_kafka_topic, name_to_kafka_topic, pairs, COUNT(pairs));
}
END_TEST

START_TEST(queue_names_are_one_level_and_never_split)
{
    static const struct pair pairs[] = {
        { SLICE("orders.eu"), SLICE("orders.eu") },
        { SLICE("a/b"), SLICE("a%2Fb") },
        { SLICE("a%2Eb"), SLICE("a%2Eb") },
        { SLICE("a%2Fb"), SLICE("a%252Fb") },
        { SLICE("#"), SLICE("%23") },
    };

    expect_pairs(name_from_queue, name_to_queue, pairs, COUNT(pairs));
}
END_TEST

START_TEST(a_stream_of_two_levels_has_no_queue_and_no_kafka_topic)
{
    struct text scratch = { 0 };
    struct slice ret = SLICE("untouched");

    ck_assert_int_eq(name_to_queue(SLICE("a/b"), &scratch, &ret), RC_INVALID);
    ck_assert_int_eq(name_to_kafka_topic(SLICE("a/b"), &scratch, &ret), RC_INVALID);
    expect_slice(ret, SLICE("untouched"));
    text_done(&scratch);
}
END_TEST

START_TEST(kafka_refuses_what_kafka_refuses)
{
    static const struct slice bad[] = {
        SLICE(""),    SLICE("."),    SLICE(".."),   SLICE("a b"),
        SLICE("a/b"), SLICE("a\0b"), SLICE("\xe9"),
    };
    struct text scratch = { 0 };
    struct slice ret = SLICE_NONE;
    uint8_t name[NAME_MAX_KAFKA_BYTES + 1];

    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_int_eq(name_from_kafka_topic(bad[i], &scratch, &ret), RC_INVALID);
    memset(name, 'k', sizeof(name));
    ck_assert_int_eq(name_from_kafka_topic(slice_of(name, sizeof(name)), &scratch, &ret),
                     RC_INVALID);
    ck_assert_int_eq(name_from_kafka_topic(slice_of(name, sizeof(name) - 1), &scratch, &ret),
                     RC_OK);
    text_done(&scratch);
}
END_TEST

START_TEST(streams_that_kafka_cannot_name_are_invalid)
{
    struct text scratch = { 0 };
    struct slice ret = SLICE_NONE;
    uint8_t name[NAME_MAX_KAFKA_BYTES + 1];

    ck_assert_int_eq(name_to_kafka_topic(SLICE(""), &scratch, &ret), RC_INVALID);
    ck_assert_int_eq(name_to_kafka_topic(SLICE("."), &scratch, &ret), RC_INVALID);
    ck_assert_int_eq(name_to_kafka_topic(SLICE(".."), &scratch, &ret), RC_INVALID);
    memset(name, 'k', sizeof(name));
    ck_assert_int_eq(name_to_kafka_topic(slice_of(name, sizeof(name)), &scratch, &ret), RC_INVALID);
    ck_assert_int_eq(name_to_kafka_topic(slice_of(name, sizeof(name) - 1), &scratch, &ret), RC_OK);
    /* A space takes four bytes: 62 of them fit, 63 are 252. */
    memset(name, ' ', sizeof(name));
    ck_assert_int_eq(name_to_kafka_topic(slice_of(name, 63), &scratch, &ret), RC_INVALID);
    ck_assert_int_eq(name_to_kafka_topic(slice_of(name, 62), &scratch, &ret), RC_OK);
    ck_assert_uint_eq(ret.len, 62 * 4);
    text_done(&scratch);
}
END_TEST

START_TEST(a_name_that_needs_no_change_is_given_back_itself)
{
    static const struct slice same[] = { SLICE("orders"), SLICE("my_topic"), SLICE("100%") };
    struct text scratch = { 0 };

    for (size_t i = 0; i < COUNT(same); i++) {
        ck_assert_ptr_eq(call(from_amqp, same[i], &scratch).at, same[i].at);
        ck_assert_ptr_eq(call(to_amqp, same[i], &scratch).at, same[i].at);
        ck_assert_ptr_eq(call(name_from_queue, same[i], &scratch).at, same[i].at);
        ck_assert_ptr_eq(call(name_to_queue, same[i], &scratch).at, same[i].at);
    }
    ck_assert_ptr_eq(call(name_from_kafka_topic, same[1], &scratch).at, same[1].at);
    ck_assert_ptr_eq(call(name_to_kafka_topic, same[1], &scratch).at, same[1].at);
    ck_assert_ptr_null(scratch.at);
}
END_TEST

START_TEST(stream_and_subject_are_cut_at_the_first_slash)
{
    expect_slice(name_stream(SLICE("orders/eu/new")), SLICE("orders"));
    expect_slice(name_subject(SLICE("orders/eu/new")), SLICE("eu/new"));
    expect_slice(name_stream(SLICE("/a")), SLICE(""));
    expect_slice(name_subject(SLICE("/a")), SLICE("a"));
    ck_assert(slice_is_none(name_subject(SLICE("orders"))));
    ck_assert(!slice_is_none(name_subject(SLICE("orders/"))));
    ck_assert_uint_eq(name_subject(SLICE("orders/")).len, 0);
    expect_slice(name_stream(SLICE("")), SLICE(""));
    ck_assert(slice_is_none(name_subject(SLICE(""))));
}
END_TEST

START_TEST(joining_stream_and_subject_gives_the_address_back)
{
    static const struct slice addresses[] = { SLICE("a"), SLICE("a/"),    SLICE("a/b"),
                                              SLICE("/"), SLICE("a//b/"), SLICE("") };
    struct text scratch = { 0 };

    for (size_t i = 0; i < COUNT(addresses); i++) {
        struct slice stream = name_stream(addresses[i]);
        struct slice joined = SLICE_NONE;

        ck_assert_int_eq(name_join(stream, name_subject(addresses[i]), &scratch, &joined), RC_OK);
        expect_slice(joined, addresses[i]);
    }
    text_done(&scratch);
}
END_TEST

START_TEST(levels_are_counted)
{
    ck_assert_uint_eq(name_level_count(SLICE("")), 0);
    ck_assert_uint_eq(name_level_count(SLICE("a")), 1);
    ck_assert_uint_eq(name_level_count(SLICE("/")), 2);
    ck_assert_uint_eq(name_level_count(SLICE("a/b/c/")), 4);
}
END_TEST

START_TEST(mqtt_topics_are_checked)
{
    static uint8_t flat[NAME_MAX_BYTES + 1];
    uint8_t deep[NAME_MAX_LEVELS];

    ck_assert_int_eq(name_check_mqtt_topic(SLICE("a/b c/\xc3\xa9/$x")), RC_OK);
    ck_assert_int_eq(name_check_mqtt_topic(SLICE("/")), RC_OK);
    ck_assert_int_eq(name_check_mqtt_topic(SLICE("")), RC_MALFORMED);
    ck_assert_int_eq(name_check_mqtt_topic(SLICE("a\0b")), RC_MALFORMED);
    ck_assert_int_eq(name_check_mqtt_topic(SLICE("a\xff")), RC_MALFORMED);
    ck_assert_int_eq(name_check_mqtt_topic(SLICE("\xed\xa0\x80")), RC_MALFORMED);
    ck_assert_int_eq(name_check_mqtt_topic(SLICE("a/+")), RC_INVALID);
    ck_assert_int_eq(name_check_mqtt_topic(SLICE("a#")), RC_INVALID);
    memset(flat, 'a', sizeof(flat));
    ck_assert_int_eq(name_check_mqtt_topic(slice_of(flat, NAME_MAX_BYTES)), RC_OK);
    ck_assert_int_eq(name_check_mqtt_topic(slice_of(flat, NAME_MAX_BYTES + 1)), RC_TOO_LARGE);
    memset(deep, '/', sizeof(deep));
    ck_assert_int_eq(name_check_mqtt_topic(slice_of(deep, NAME_MAX_LEVELS - 1)), RC_OK);
    ck_assert_int_eq(name_check_mqtt_topic(slice_of(deep, NAME_MAX_LEVELS)), RC_LIMIT);
}
END_TEST

START_TEST(the_longest_routing_key_is_a_legal_address)
{
    struct text scratch = { 0 };
    struct slice address;
    uint8_t key[255];

    memset(key, '.', sizeof(key));
    address = call(from_amqp, slice_of(key, sizeof(key)), &scratch);
    ck_assert_int_eq(name_check(address), RC_OK);
    ck_assert_uint_eq(name_level_count(address), NAME_MAX_LEVELS);
    memset(key, '#', sizeof(key));
    address = call(from_amqp, slice_of(key, sizeof(key)), &scratch);
    ck_assert_int_eq(name_check(address), RC_OK);
    text_done(&scratch);
}
END_TEST

START_TEST(keys_become_subjects_only_when_mqtt_can_hold_them)
{
    static uint8_t key[NAME_MAX_BYTES];

    ck_assert(name_key_is_subject(SLICE("s"), SLICE_NONE));
    ck_assert(name_key_is_subject(SLICE("s"), SLICE("")));
    ck_assert(name_key_is_subject(SLICE("s"), SLICE("eu/new")));
    ck_assert(name_key_is_subject(SLICE("s"), SLICE("\xc3\xa9")));
    ck_assert(!name_key_is_subject(SLICE("s"), SLICE("a+b")));
    ck_assert(!name_key_is_subject(SLICE("s"), SLICE("#")));
    ck_assert(!name_key_is_subject(SLICE("s"), SLICE("a\0")));
    ck_assert(!name_key_is_subject(SLICE("s"), SLICE("\xff")));
    memset(key, 'k', sizeof(key));
    ck_assert(name_key_is_subject(SLICE("s"), slice_of(key, NAME_MAX_BYTES - 2)));
    ck_assert(!name_key_is_subject(SLICE("s"), slice_of(key, NAME_MAX_BYTES - 1)));
    memset(key, '/', sizeof(key));
    ck_assert(name_key_is_subject(SLICE("s"), slice_of(key, NAME_MAX_LEVELS - 2)));
    ck_assert(!name_key_is_subject(SLICE("s"), slice_of(key, NAME_MAX_LEVELS - 1)));
}
END_TEST

START_TEST(rabbitmq_dots_are_a_plain_swap)
{
    struct text scratch = { 0 };
    struct slice ret = SLICE_NONE;

    ck_assert_int_eq(name_to_amqp_key(SLICE("a.b/c%2E"), NAME_DOTS_RABBITMQ, &scratch, &ret),
                     RC_OK);
    expect_slice(ret, SLICE("a.b.c%2E"));
    ck_assert_int_eq(name_from_amqp_key(SLICE("a.b/c%2E"), NAME_DOTS_RABBITMQ, &scratch, &ret),
                     RC_OK);
    expect_slice(ret, SLICE("a/b/c%2E"));
    /* A routing key may hold what no topic may: it is escaped even so. */
    ck_assert_int_eq(name_from_amqp_key(SLICE("a.#.+\0"), NAME_DOTS_RABBITMQ, &scratch, &ret),
                     RC_OK);
    expect_slice(ret, SLICE("a/%23/%2B%00"));
    ck_assert_int_eq(name_check(ret), RC_OK);
    text_done(&scratch);
}
END_TEST

/* A small generator of its own, so that a failure can be had again. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Pieces that meet in nasty ways: markers, links, digits, terminals, chains of any length. */
static const struct slice pieces[] = {
    SLICE("%"),    SLICE("25"),  SLICE("%25"),   SLICE("2E"),  SLICE("2F"),   SLICE("2B"),
    SLICE("23"),   SLICE("00"),  SLICE("2e"),    SLICE("_"),   SLICE("x5F"),  SLICE("_x5F"),
    SLICE("x"),    SLICE("20"),  SLICE("x20"),   SLICE("x2F"), SLICE("."),    SLICE("/"),
    SLICE("+"),    SLICE("#"),   SLICE("\0"),    SLICE(" "),   SLICE("\xff"), SLICE("\xc3\xa9"),
    SLICE("*"),    SLICE("A"),   SLICE("a"),     SLICE("5"),   SLICE("2"),    SLICE("F"),
    SLICE("_x25"), SLICE("%2F"), SLICE("%252E"), SLICE("x25"), SLICE("$"),    SLICE("\x7f"),
};

static struct slice hostile_name(uint64_t *state, struct text *out)
{
    size_t count = next_random(state) % 12;

    text_clear(out);
    for (size_t i = 0; i < count; i++)
        text_add(out, pieces[next_random(state) % COUNT(pieces)]);
    return text_slice(out);
}

/* Leaves out of a name what its spelling does not have. */
static struct slice without(struct slice name, struct slice bytes, struct text *out)
{
    text_clear(out);
    for (size_t i = 0; i < name.len; i++) {
        if (memchr(bytes.at, name.at[i], bytes.len) == NULL)
            text_add_byte(out, name.at[i]);
    }
    return text_slice(out);
}

/* There and back is the same. As this holds from either side, no two names share a spelling. */
static void expect_round_trip(name_fn *there, name_fn *back, struct slice name, struct text *two)
{
    struct slice other = call(there, name, &two[0]);

    expect_slice(call(back, other, &two[1]), name);
}

/* Scratch memory that lives as long as a test, for speed. */
struct rooms {
    struct text address, topic, two[2];
};

static void rooms_done(struct rooms *rooms)
{
    text_done(&rooms->address);
    text_done(&rooms->topic);
    text_done(&rooms->two[0]);
    text_done(&rooms->two[1]);
}

static void check_all_ways(struct slice name, struct rooms *rooms)
{
    struct slice address = without(name, SLICE("+#\0"), &rooms->address);
    struct slice topic = without(name, SLICE("%/+#\0 *$\xc3\xa9\xff\x7f"), &rooms->topic);
    struct slice stream = name_stream(address), kafka = SLICE_NONE;
    struct text *two = rooms->two;

    must(name_check(call(from_amqp, name, two)) == RC_OK, name);
    must(name_level_count(call(name_from_queue, name, two)) == (name.len > 0), name);
    expect_round_trip(from_amqp, to_amqp, name, two);
    expect_round_trip(to_amqp, from_amqp, address, two);
    expect_round_trip(name_from_queue, name_to_queue, name, two);
    expect_round_trip(name_to_queue, name_from_queue, stream, two);
    if (name_to_kafka_topic(stream, two, &kafka) == RC_OK)
        expect_round_trip(name_to_kafka_topic, name_from_kafka_topic, stream, two);
    else
        must(stream.len == 0 || stream.at[0] == '.', stream);
    if (name_from_kafka_topic(topic, two, &kafka) == RC_OK)
        expect_round_trip(name_from_kafka_topic, name_to_kafka_topic, topic, two);
    else
        must(topic.len == 0 || topic.at[0] == '.', topic);
}

START_TEST(four_hundred_thousand_hostile_names_go_every_way_and_come_back)
{
    uint64_t state = UINT64_C(0x7265637465740001);
    struct rooms rooms = { 0 };
    struct text name = { 0 };

    for (size_t i = 0; i < 400000; i++)
        check_all_ways(hostile_name(&state, &name), &rooms);
    text_done(&name);
    rooms_done(&rooms);
}
END_TEST

/* Every string up to six letters of an alphabet in which each escape can be spelled. */
static void check_every_string(const char *alphabet, size_t letters)
{
    struct rooms rooms = { 0 };
    uint8_t name[6];
    size_t count = 1;

    for (size_t len = 0; len <= sizeof(name); len++, count *= letters) {
        for (size_t number = 0; number < count; number++) {
            size_t rest = number;

            for (size_t i = 0; i < len; i++, rest /= letters)
                name[i] = (uint8_t)alphabet[rest % letters];
            check_all_ways(slice_of(name, len), &rooms);
        }
    }
    rooms_done(&rooms);
}

START_TEST(every_short_string_of_percent_escapes_comes_back)
{
    check_every_string("%25EF./", 7);
}
END_TEST

START_TEST(every_short_string_of_kafka_escapes_comes_back)
{
    check_every_string("_x5F2 ", 6);
}
END_TEST

START_TEST(names_that_differ_stay_different_along_the_whole_chain)
{
    static const struct slice levels[] = {
        SLICE("a.b"),     SLICE("a%2Eb"),  SLICE("a%252Eb"), SLICE("a%2Fb"),
        SLICE("a%252Fb"), SLICE("a_x2Eb"), SLICE("a_x2Fb"),  SLICE("a_x5Fx2Fb"),
        SLICE("a_x25b"),  SLICE("a%25b"),  SLICE("a%b"),     SLICE("a_x5Fx25b"),
        SLICE("a b"),     SLICE("a_x20b"), SLICE("a%20b"),   SLICE("a_x5Fx20b"),
    };
    struct text topics[COUNT(levels)] = { 0 };
    struct text texts[3] = { 0 };

    for (size_t i = 0; i < COUNT(levels); i++) {
        struct slice key = call(to_amqp, levels[i], &texts[0]);
        struct slice back = call(from_amqp, key, &texts[1]);

        text_add(&topics[i], call(name_to_kafka_topic, back, &texts[2]));
        for (size_t k = 0; k < i; k++)
            ck_assert(!slice_equal(text_slice(&topics[i]), text_slice(&topics[k])));
    }
    for (size_t i = 0; i < COUNT(levels); i++)
        text_done(&topics[i]);
    for (size_t i = 0; i < COUNT(texts); i++)
        text_done(&texts[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("name");
    TCase *tests = tcase_create("name");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, routing_keys_and_addresses_are_as_the_design_says);
    tcase_add_test(tests, kafka_topics_and_streams_are_as_the_design_says);
    tcase_add_test(tests, queue_names_are_one_level_and_never_split);
    tcase_add_test(tests, a_stream_of_two_levels_has_no_queue_and_no_kafka_topic);
    tcase_add_test(tests, kafka_refuses_what_kafka_refuses);
    tcase_add_test(tests, streams_that_kafka_cannot_name_are_invalid);
    tcase_add_test(tests, a_name_that_needs_no_change_is_given_back_itself);
    tcase_add_test(tests, stream_and_subject_are_cut_at_the_first_slash);
    tcase_add_test(tests, joining_stream_and_subject_gives_the_address_back);
    tcase_add_test(tests, levels_are_counted);
    tcase_add_test(tests, mqtt_topics_are_checked);
    tcase_add_test(tests, the_longest_routing_key_is_a_legal_address);
    tcase_add_test(tests, keys_become_subjects_only_when_mqtt_can_hold_them);
    tcase_add_test(tests, rabbitmq_dots_are_a_plain_swap);
    tcase_add_test(tests, four_hundred_thousand_hostile_names_go_every_way_and_come_back);
    tcase_add_test(tests, every_short_string_of_percent_escapes_comes_back);
    tcase_add_test(tests, every_short_string_of_kafka_escapes_comes_back);
    tcase_add_test(tests, names_that_differ_stay_different_along_the_whole_chain);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
