/* SPDX-License-Identifier: Apache-2.0 */
/* Batches to text and back, so that a test in another language can compare two implementations.
 *
 *  record_tool dump               batches on stdin; prints a line `batch FIELD...` for each and a
 *                                 line `record OFFSET TIME KEY VALUE NAME=VALUE...` for each record
 *  record_tool build CODEC BASE   lines `TIME KEY VALUE NAME=VALUE...` on stdin; one batch on
 * stdout record_tool partition COUNT    lines `KEY`; prints the hash and the partition of each
 *
 * Bytes are written in hexadecimal; `-` is null, `.` is empty. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/record/builder.h"
#include "broker/record/partition_hash.h"
#include "broker/record/record.h"

#define MAX_BATCH_BYTES ((size_t)64 << 20)
#define READ_BYTES      ((size_t)64 << 10)

static _Noreturn void fail(const char *what, enum rc rc)
{
    fprintf(stderr, "record_tool: %s: %s\n", what, rc_word(rc));
    exit(EXIT_FAILURE);
}

static void read_all(struct text *ret)
{
    size_t n;

    do {
        if (!text_reserve(ret, READ_BYTES))
            fail("stdin", RC_MEMORY);
        n = fread(ret->at + ret->len, 1, READ_BYTES, stdin);
        ret->len += n;
    } while (n > 0);
}

static void print_hex(struct slice s)
{
    if (slice_is_none(s) || s.len == 0)
        fputs(slice_is_none(s) ? "-" : ".", stdout);
    for (size_t i = 0; i < s.len; i++)
        printf("%02x", s.at[i]);
}

static void dump_record(const struct record *record)
{
    struct rd headers = rd_of(record->headers);
    struct record_header header;

    printf("record %llu %lld ", (unsigned long long)record->offset,
           (long long)record->timestamp_ms);
    print_hex(record->key);
    putchar(' ');
    print_hex(record->value);
    while (record_header_next(&headers, &header) == RC_OK) {
        putchar(' ');
        print_hex(header.name);
        putchar('=');
        print_hex(header.value);
    }
    putchar('\n');
}

static void dump_batch(struct slice batch, const struct batch_header *h)
{
    printf("batch base=%llu codec=%s bits=%u last=%u first_time=%lld max_time=%lld id=%lld "
           "epoch=%d sequence=%d count=%u crc=%s\n",
           (unsigned long long)h->base_offset, compression_name(h->compression),
           (unsigned)(h->attributes & ~7u), h->last_offset_delta, (long long)h->base_timestamp_ms,
           (long long)h->max_timestamp_ms, (long long)h->producer_id, h->producer_epoch,
           h->base_sequence, h->record_count, rc_word(batch_check_crc(batch)));
}

static void dump(void)
{
    struct text in = { 0 }, scratch = { 0 };
    struct slice left;

    read_all(&in);
    left = text_slice(&in);
    while (left.len > 0) {
        struct record_reader reader;
        struct batch_header h;
        struct record record;
        size_t whole;
        enum rc rc;

        rc = record_reader_open(left, MAX_BATCH_BYTES, &scratch, &reader, &h, &whole);
        if (rc != RC_OK)
            fail("batch", rc);
        dump_batch(slice_of(left.at, whole), &h);
        while ((rc = record_next(&reader, &record)) == RC_OK)
            dump_record(&record);
        if (rc != RC_NOT_FOUND)
            fail("record", rc);
        left = slice_after(left, whole);
    }
    text_done(&scratch);
    text_done(&in);
}

/* What stands before the next `end`, which is passed over. */
static struct slice cut(struct slice *s, char end)
{
    const uint8_t *at = s->len == 0 ? NULL : memchr(s->at, end, s->len);
    struct slice word = slice_of(s->at, at == NULL ? s->len : (size_t)(at - s->at));

    *s = slice_after(*s, word.len + 1);
    return word;
}

static uint8_t nibble(uint8_t digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/* The bytes that `word` spells, at the end of `room`, which keeps them. */
static struct slice unhex(struct slice word, struct text *room)
{
    size_t from = room->len;

    if (slice_equal_str(word, "-"))
        return SLICE_NONE;
    if (!text_reserve(room, word.len))
        fail("stdin", RC_MEMORY);
    for (size_t i = 0; i + 1 < word.len; i += 2)
        text_add_byte(room, (uint8_t)(nibble(word.at[i]) << 4 | nibble(word.at[i + 1])));
    return slice_of(room->at + from, room->len - from);
}

static void build_record(struct batch_builder *b, struct slice line)
{
    struct text room = { 0 }, headers = { 0 };
    struct slice key, value;
    uint32_t count = 0;
    int64_t time_ms;
    enum rc rc;

    /* One reserve for all: what was cut before must not move. */
    if (!text_reserve(&room, line.len + 1))
        fail("stdin", RC_MEMORY);
    rc = number_i64(cut(&line, ' '), INT64_MIN, INT64_MAX, &time_ms);
    if (rc != RC_OK)
        fail("time", rc);
    key = unhex(cut(&line, ' '), &room);
    value = unhex(cut(&line, ' '), &room);
    for (; line.len > 0; count++) {
        struct slice word = cut(&line, ' ');
        struct slice name = unhex(cut(&word, '='), &room);

        record_header_add(&headers, name, unhex(word, &room));
    }
    rc = batch_builder_add(b, time_ms, key, value, count, text_slice(&headers));
    if (rc != RC_OK)
        fail("record", rc);
    text_done(&headers);
    text_done(&room);
}

static void build(const char *codec, const char *base)
{
    struct text in = { 0 }, scratch = { 0 };
    enum compression compression = COMPRESSION_NONE;
    struct batch_builder b;
    struct block *plain, *packed;
    struct slice left;
    uint64_t offset;
    enum rc rc;

    while (compression < COMPRESSION_COUNT && strcmp(codec, compression_name(compression)) != 0)
        compression++;
    rc = number_u64(slice_str(base), 0, INT64_MAX, &offset);
    if (compression == COMPRESSION_COUNT || rc != RC_OK)
        fail("codec or base offset", RC_INVALID);
    read_all(&in);
    left = text_slice(&in);
    batch_builder_init(&b, MAX_BATCH_BYTES, 0);
    while (left.len > 0)
        build_record(&b, cut(&left, '\n'));
    batch_builder_seal(&b, offset, &plain);
    rc = batch_repack(block_slice(plain), compression, MAX_BATCH_BYTES, &scratch, &packed);
    if (rc != RC_OK)
        fail("repack", rc);
    if (fwrite(packed->at, 1, packed->len, stdout) != packed->len)
        fail("stdout", RC_IO);
    block_unref(&plain);
    block_unref(&packed);
    text_done(&scratch);
    text_done(&in);
}

static void partition(const char *count_word)
{
    struct text in = { 0 }, room = { 0 };
    struct slice left;
    uint64_t count;

    if (number_u64(slice_str(count_word), 1, INT32_MAX, &count) != RC_OK)
        fail("count", RC_INVALID);
    read_all(&in);
    for (left = text_slice(&in); left.len > 0;) {
        struct slice key;

        text_clear(&room);
        key = unhex(cut(&left, '\n'), &room);
        printf("%u %u\n", kafka_murmur2(key), kafka_partition_of(key, (uint32_t)count));
    }
    text_done(&room);
    text_done(&in);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "dump") == 0)
        dump();
    else if (argc == 4 && strcmp(argv[1], "build") == 0)
        build(argv[2], argv[3]);
    else if (argc == 3 && strcmp(argv[1], "partition") == 0)
        partition(argv[2]);
    else
        fail("arguments", RC_INVALID);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
