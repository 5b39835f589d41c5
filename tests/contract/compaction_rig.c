/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/contract/compaction_rig.h"

#include <check.h>
#include <sched.h>
#include <stdio.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/record/record.h"

struct put was_put[RECORDS_MAX];
uint64_t end;
static uint64_t random_state;

void compaction_setup(void)
{
    store_fixture_setup();
    store_config.segment_first_bytes = store_config.segment_max_bytes = 256 << 10;
    log_set_threshold(LOG_ERROR);
    end = 0;
    random_state = 42;
}

void compaction_teardown(void)
{
    fault_disarm();
    store_fixture_teardown();
}

unsigned random_below(unsigned below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % below;
}

void await(uint64_t ticket)
{
    store_submit(store);
    while (durable < ticket)
        store_wait();
}

static size_t value_of(uint64_t offset, char room[400])
{
    size_t len = 100 + (size_t)(offset * 37 % 300);

    for (size_t i = 0; i < len; i++)
        room[i] = (char)('a' + (offset + i) % 26);
    return len;
}

void add_record(struct batch_builder *b, int key, bool has_value)
{
    char name[16], value[400];
    size_t len = value_of(end, value);

    (void)snprintf(name, sizeof(name), "key-%d", key);
    ck_assert_int_eq(
        batch_builder_add(b, 1000 + (int64_t)end, key < 0 ? SLICE_NONE : slice_str(name),
                          has_value ? slice_of(value, len) : SLICE_NONE, 0, slice_of("", 0)),
        RC_OK);
    was_put[end++] = (struct put){ key, has_value, false };
}

uint64_t append(struct batch_builder *b, enum compression compression)
{
    struct append append = { .log = LOG,
                             .record_count = b->record_count,
                             .max_timestamp_ms = 1000 };
    struct text scratch = { 0 };
    struct block *plain;

    append.base_offset = end - b->record_count;
    append.durability = DURABILITY_ALWAYS;
    batch_builder_seal(b, append.base_offset, &plain);
    if (compression == COMPRESSION_NONE) {
        append.bytes = plain;
    } else {
        ck_assert_int_eq(
            batch_repack(block_slice(plain), compression, 1 << 24, &scratch, &append.bytes), RC_OK);
        block_unref(&plain);
    }
    text_done(&scratch);
    return log_append(store, &append);
}

/* Batches of some records, packed and not, beside those of another log. */
void put_some(unsigned batches)
{
    struct batch_builder b;
    uint64_t ticket = 0;

    batch_builder_init(&b, 0, 0);
    for (unsigned n = 0; n < batches; n++) {
        for (unsigned i = 1 + random_below(8); i > 0; i--) {
            bool has_value = random_below(6) != 0;
            int key = random_below(12) == 0 ? -1 : (int)random_below(KEYS);

            add_record(&b, key, has_value);
        }
        if (n + 1 == batches) /* one that stays */
            add_record(&b, 0, false);
        ticket = append(&b, (enum compression)random_below(COMPRESSION_COUNT));
        if (n % 3 == 2)
            await(ticket);
    }
    batch_builder_done(&b);
    await(ticket);
}

static void see_records(struct slice bytes, uint64_t from, uint64_t to)
{
    struct text scratch = { 0 };
    struct record_reader reader;
    struct batch_header header;
    struct record record;
    size_t whole;

    ck_assert_int_eq(record_reader_open(bytes, 1 << 24, &scratch, &reader, &header, &whole), RC_OK);
    ck_assert_int_eq(batch_check_crc(slice_of(bytes.at, whole)), RC_OK);
    ck_assert_uint_ge(header.base_offset, from);
    ck_assert_uint_lt(header.base_offset + header.last_offset_delta, to);
    while (record_next(&reader, &record) == RC_OK) {
        const struct put *put = &was_put[record.offset];
        char name[16], value[400];
        size_t len = value_of(record.offset, value);

        (void)snprintf(name, sizeof(name), "key-%d", put->key);
        ck_assert_uint_lt(record.offset, end);
        ck_assert(put->key < 0 ? slice_is_none(record.key) : slice_equal_str(record.key, name));
        ck_assert(put->has_value ? slice_equal(record.value, slice_of(value, len))
                                 : slice_is_none(record.value));
        ck_assert_int_eq(record.timestamp_ms, 1000 + (int64_t)record.offset);
        ck_assert(!put->is_there);
        was_put[record.offset].is_there = true;
    }
    text_done(&scratch);
}

static uint64_t see_piece(const struct log_piece *piece, uint64_t offset)
{
    struct slice bytes = piece->bytes;
    struct batch_header header;
    uint64_t last = 0;
    size_t whole;

    ck_assert_uint_le(piece->base_offset, offset);
    while (bytes.len > 0) {
        ck_assert_int_eq(batch_peek(bytes, &header, NULL, &whole), RC_OK);
        see_records(bytes, piece->base_offset, piece->next_offset);
        last = header.base_offset + header.last_offset_delta;
        bytes = slice_after(bytes, whole);
    }
    ck_assert_uint_eq(last + 1, piece->next_offset); /* so that readers of batches get on */
    return piece->next_offset;
}

/* Reads all of the log. */
unsigned see_all(void)
{
    unsigned count = 0;
    uint64_t start, stop;

    ck_assert_int_eq(log_range(store, LOG, &start, &stop), RC_OK);
    ck_assert_uint_eq(stop, end);
    for (uint64_t i = 0; i < end; i++)
        was_put[i].is_there = false;
    for (uint64_t offset = start; offset < end;) {
        struct reading r;

        read_start(&r, LOG, offset, 50000);
        read_wait(&r);
        ck_assert_int_eq(r.rc, RC_OK);
        for (unsigned i = 0; i < r.read.pieces.count; i++)
            offset = see_piece(&r.read.pieces.at[i], offset);
        log_pieces_done(&r.read.pieces);
    }
    for (uint64_t i = 0; i < end; i++)
        count += was_put[i].is_there;
    return count;
}

/* Below `limit` and from `start` on, what must be there is, and nothing else if `is_exact`. */
void ck_compacted(uint64_t start, uint64_t limit, bool has_tombstones, bool is_exact)
{
    uint64_t last[KEYS];

    (void)see_all();
    for (int key = 0; key < KEYS; key++)
        last[key] = UINT64_MAX;
    for (uint64_t i = 0; i < limit; i++)
        if (was_put[i].key >= 0)
            last[was_put[i].key] = i;
    for (uint64_t i = start; i < end; i++) {
        const struct put *put = &was_put[i];
        bool is_last = put->key < 0 || i >= limit || last[put->key] == i;
        bool is_wanted = is_last && (put->has_value || put->key < 0 || i >= limit);

        if (is_wanted || (is_last && has_tombstones))
            ck_assert_msg(put->is_there, "offset %u is gone", (unsigned)i);
        else if (is_exact)
            ck_assert_msg(!put->is_there, "offset %u is there", (unsigned)i);
    }
}

static void on_compacted(struct log_compact *compact, enum rc rc)
{
    struct asked *asked = (struct asked *)compact;

    asked->rc = rc;
    asked->is_done = true;
}

void ask(struct asked *asked, uint64_t limit, int64_t delete_retention_ms)
{
    *asked = (struct asked){ .compact = { .log = LOG, .end = limit, .newest_ms = INT64_MAX } };
    asked->compact.delete_retention_ms = delete_retention_ms;
    asked->compact.on_done = on_compacted;
    log_compact(store, &asked->compact);
}

enum rc compact(uint64_t limit, int64_t delete_retention_ms)
{
    struct asked asked;

    ask(&asked, limit, delete_retention_ms);
    while (!asked.is_done) {
        store_submit(store);
        store_poll(store);
        (void)sched_yield();
    }
    ck_assert(!asked.compact.is_partial);
    return asked.rc;
}

/* A row for each record. */
void put_rows(unsigned count)
{
    struct batch_builder b;

    batch_builder_init(&b, 0, 0);
    for (unsigned i = 0; i < count; i++) {
        add_record(&b, (int)random_below(KEYS), true);
        await(append(&b, COMPRESSION_NONE));
    }
    batch_builder_done(&b);
}

/* One turn of the core thread, in which nothing of another thread is waited for. */
void turn(void)
{
    store_submit(store);
    store_poll(store);
    (void)sched_yield();
}
