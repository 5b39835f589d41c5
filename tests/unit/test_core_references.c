/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/references.h"

#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "tests/lib/suite.h"

#define MOST 6000
#define MANY 100000

static struct reference model[MOST];
static struct references refs;
static uint64_t first, end;
static uint32_t random_state;

static uint32_t next_random(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return random_state >> 8;
}

static void setup(void)
{
    random_state = 1;
    first = end = 300;
    references_init(&refs);
    references_start(&refs, first);
}

static void teardown(void)
{
    references_free(&refs);
}

/* Runs in one log, strides, jumps, and every kind now and then. */
static struct reference random_reference(void)
{
    struct reference r = {
        .offset = 1000 + end * 3, .log = 7, .qos = 1, .size = 9, .flags = REFERENCE_PINS
    };

    if (next_random() % 20 == 0)
        r.offset = (uint64_t)next_random() << 32;
    if (next_random() % 10 == 0)
        r.log = next_random();
    if (next_random() % 15 == 0)
        r.qos = next_random() % 3 & 3;
    if (next_random() % 12 == 0)
        r.size = next_random() & 63;
    if (next_random() % 30 == 0)
        r.flags ^= REFERENCE_RETAIN | REFERENCE_PINS | REFERENCE_OWN;
    if (next_random() % 25 == 0)
        r.state = next_random() % 3 & 3;
    if (next_random() % 25 == 0)
        r.share = (uint16_t)next_random();
    r.attempts = (next_random() % 40 == 0) & 1;
    return r;
}

static void push(void)
{
    struct reference r = random_reference();

    model[end % MOST] = r;
    ck_assert_uint_eq(references_push(&refs, &r), end);
    end++;
}

/* In front, or at the end and back again. */
static void push_otherwise(void)
{
    struct reference r = random_reference();

    if (first == 0 || next_random() % 4 == 0) {
        (void)references_push(&refs, &r);
        references_take_back(&refs);
        return;
    }
    model[--first % MOST] = r;
    ck_assert_uint_eq(references_push_front(&refs, &r), first);
}

static void check(const struct reference *r, const struct reference *like)
{
    ck_assert_uint_eq(r->state, like->state);
    if (like->state == REFERENCE_SETTLED)
        return; /* nothing else of it is kept */
    ck_assert_uint_eq(r->offset, like->offset);
    ck_assert_uint_eq(r->log, like->log);
    ck_assert_uint_eq(r->qos, like->qos);
    ck_assert_uint_eq(r->size, like->size);
    ck_assert_uint_eq(r->flags, like->flags);
    ck_assert_uint_eq(r->share, like->share);
    ck_assert_uint_eq(r->attempts, like->attempts);
}

static void visit_check(void *arg, uint64_t number, struct reference *r)
{
    ck_assert_uint_eq(number, (*(uint64_t *)arg)++);
    check(r, &model[number % MOST]);
}

static void check_all(void)
{
    uint64_t seen = first;

    ck_assert_uint_eq(refs.first, first);
    ck_assert_uint_eq(refs.end, end);
    references_each(&refs, NULL, visit_check, &seen);
    ck_assert_uint_eq(seen, end);
}

/* What is recorded comes back, less what is not recorded. */
static void check_recorded(uint64_t chunk)
{
    struct reference read[REFERENCE_CHUNK];
    struct text text = { 0 };
    unsigned places;

    references_encode(&refs, chunk, &text);
    ck_assert_int_eq(references_decode(text_slice(&text), read, &places), RC_OK);
    for (unsigned i = 0; i < REFERENCE_CHUNK; i++) {
        uint64_t number = (chunk << REFERENCE_CHUNK_SHIFT) + i;
        struct reference like = { .state = REFERENCE_SETTLED };

        if (number >= first && number < end)
            like = model[number % MOST];
        like.flags &= REFERENCE_RETAIN | REFERENCE_OWN;
        if (like.state == REFERENCE_SENT) {
            like.state = REFERENCE_OWED;
            like.attempts = 1;
        }
        check(&read[i], &like);
        ck_assert(like.state == REFERENCE_SETTLED || i < places);
    }
    text_done(&text);
}

static void change_some(void)
{
    for (unsigned i = 0; i < 20 && first < end; i++) {
        uint64_t number = first + next_random() % (end - first);
        uint8_t state = (uint8_t)(next_random() % 3);

        if (model[number % MOST].state == REFERENCE_SETTLED)
            continue; /* for good */
        references_at(&refs, number)->state = state & 3;
        model[number % MOST].state = state & 3;
    }
}

START_TEST(references_agree_with_a_model_whatever_is_packed)
{
    random_state = (uint32_t)_i + 1;
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned n = next_random() % 700; n > 0 && end - first < MOST; n--)
            push();
        for (unsigned n = next_random() % 40; n > 0 && end - first < MOST; n--)
            push_otherwise();
        change_some();
        references_pack(&refs);
        check_all();
        for (uint64_t chunk = first >> REFERENCE_CHUNK_SHIFT; chunk <= end >> REFERENCE_CHUNK_SHIFT;
             chunk++)
            check_recorded(chunk);
        for (unsigned n = next_random() % 800; n > 0 && first < end; n--) {
            references_pop(&refs);
            first++;
        }
        check_all();
    }
}
END_TEST

START_TEST(what_was_packed_before_a_suspicion_counts_as_sent)
{
    struct reference r = { .log = 1, .qos = 1 };

    for (unsigned i = 0; i < 4 * REFERENCE_CHUNK; i++)
        (void)references_push(&refs, &r);
    refs.sent_below = first + 2 * REFERENCE_CHUNK;
    ck_assert_uint_eq(references_at(&refs, refs.sent_below - 1)->attempts, 1);
    ck_assert_uint_eq(references_at(&refs, refs.sent_below)->attempts, 0);
}
END_TEST

static unsigned bytes_of_each(uint64_t step, uint32_t logs)
{
    int64_t before = (int64_t)mem_in_use_bytes();

    for (unsigned i = 0; i < MANY; i++) {
        struct reference r = { .offset = i * step + (step == 1 ? 0 : next_random() % step),
                               .log = 1 + i % logs,
                               .qos = 1,
                               .flags = REFERENCE_PINS };

        (void)references_push(&refs, &r);
    }
    return (unsigned)(((int64_t)mem_in_use_bytes() - before) / MANY);
}

START_TEST(neighbours_that_wait_take_less_than_a_byte_each)
{
    ck_assert_uint_lt(bytes_of_each(1, 1), 1);
}
END_TEST

START_TEST(strangers_that_wait_take_less_than_ten_bytes_each)
{
    ck_assert_uint_lt(bytes_of_each(1000, 5), 10);
}
END_TEST

START_TEST(a_size_is_at_least_the_bytes_and_less_than_half_as_much_again)
{
    for (uint64_t bytes = 1; bytes < UINT64_C(1) << 32; bytes += 1 + bytes / 7) {
        struct reference r = { .size = reference_size(bytes) & 63u };

        ck_assert_uint_ge(reference_bytes(&r), bytes);
        ck_assert_uint_lt(2 * reference_bytes(&r), 3 * bytes + 1);
    }
    ck_assert_uint_eq(reference_size(SIZE_MAX), 63);
    ck_assert_uint_eq(reference_size(0), 0);
}
END_TEST

START_TEST(few_references_take_little)
{
    struct reference r = { .log = 1, .qos = 1 };

    for (unsigned i = 0; i < 10000; i++) { /* one at a time is under way */
        (void)references_push(&refs, &r);
        if (i > 0)
            references_pop(&refs);
    }
    ck_assert_uint_le(refs.chunks.count, 2);
    references_pop(&refs);
    ck_assert_uint_eq(refs.chunks.count, 0);
}
END_TEST

START_TEST(every_truncation_and_flipped_bit_is_refused_or_read_within_bounds)
{
    struct reference read[REFERENCE_CHUNK];
    struct text text = { 0 };
    unsigned places = 0;

    while (end < 300 + 2 * REFERENCE_CHUNK)
        push();
    references_encode(&refs, 2, &text);
    for (size_t len = 0; len < text.len; len++) {
        uint8_t *copy = mem_get(len);

        if (len > 0)
            memcpy(copy, text.at, len);
        if (references_decode(slice_of(copy, len), read, &places) == RC_OK)
            ck_assert_uint_le(places, REFERENCE_CHUNK);
        mem_free(copy);
    }
    for (size_t bit = 0; bit < text.len * 8; bit++) {
        text.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (references_decode(text_slice(&text), read, &places) == RC_OK)
            ck_assert_uint_le(places, REFERENCE_CHUNK);
        text.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    text_done(&text);
}
END_TEST

START_TEST(records_that_nobody_wrote_are_refused)
{
    static const struct {
        uint8_t at[6];
        size_t len;
    } bad[] = {
        { { 3 }, 1 },                   /* no such QoS */
        { { 0x80, 0x20 }, 2 },          /* no such flag */
        { { 0x80, 0x08, 64 }, 3 },      /* no such size */
        { { 0x80, 0x02, 0xff, 1 }, 4 }, /* a gap that ends behind the chunk */
        { { 0x11, 0xff, 1 }, 3 },       /* a run that does */
        { { 0x09 }, 1 },                /* cut off */
    };
    struct reference read[REFERENCE_CHUNK];
    unsigned places;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(references_decode(slice_of(bad[i].at, bad[i].len), read, &places),
                         RC_CORRUPT);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("references");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, references_agree_with_a_model_whatever_is_packed, 0, 6);
    tcase_add_test(tests, what_was_packed_before_a_suspicion_counts_as_sent);
    tcase_add_test(tests, a_size_is_at_least_the_bytes_and_less_than_half_as_much_again);
    tcase_add_test(tests, neighbours_that_wait_take_less_than_a_byte_each);
    tcase_add_test(tests, strangers_that_wait_take_less_than_ten_bytes_each);
    tcase_add_test(tests, few_references_take_little);
    tcase_add_test(tests, every_truncation_and_flipped_bit_is_refused_or_read_within_bounds);
    tcase_add_test(tests, records_that_nobody_wrote_are_refused);
    return suite_run("core_references", tests);
}
