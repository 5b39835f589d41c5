/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "protocols/kafka/kafka_messages.h"

/* One line of kafka_vectors.txt, which an encoder that shares nothing with ours has made. */
struct vector {
    const struct kafka_message *message;
    const struct kafka_type *type;
    int16_t version;
    struct text bytes;
    uint64_t values; /* FNV-1a of the canonical text of all values */
};

typedef void vector_fn(const struct vector *v);

static unsigned nibble(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void each_vector(vector_fn *visit)
{
    static char hex[65536];
    const char *top = getenv("srcdir");
    struct text path = { 0 };
    unsigned seen = 0, values_high, values_low;
    int key, version;
    char direction[16];
    FILE *file;

    text_format(&path, "%s/tests/unit/kafka_vectors.txt", top == NULL ? "." : top);
    text_add_byte(&path, 0);
    file = fopen((const char *)path.at, "r");
    ck_assert_ptr_nonnull(file);
    while (fscanf(file, "%d %15s %d %65535s %8x%8x", &key, direction, &version, hex, &values_high,
                  &values_low) == 6) {
        struct vector v = { .message = kafka_message_of((int16_t)key),
                            .version = (int16_t)version,
                            .values = (uint64_t)values_high << 32 | values_low };

        ck_assert_ptr_nonnull(v.message);
        v.type = direction[2] == 'q' ? v.message->request : v.message->response;
        ck_assert_int_ge(version, v.message->min);
        ck_assert_int_le(version, v.message->max);
        for (const char *at = hex; at[0] != 0 && at[0] != '-'; at += 2)
            text_add_byte(&v.bytes, (uint8_t)(nibble(at[0]) << 4 | nibble(at[1])));
        visit(&v);
        text_done(&v.bytes);
        seen++;
    }
    (void)fclose(file);
    text_done(&path);
    ck_assert_uint_eq(seen, 700);
}

static void add_hex(struct text *t, struct slice s)
{
    if (s.at == NULL) {
        text_format(t, "null");
        return;
    }
    text_add_byte(t, '"');
    for (size_t i = 0; i < s.len; i++)
        text_format(t, "%02x", s.at[i]);
    text_add_byte(t, '"');
}

static void add_struct(struct text *t, const struct kafka_type *type, int16_t version,
                       const uint8_t *at);

static void add_value(struct text *t, const struct kafka_field *f, int16_t version,
                      const uint8_t *at)
{
    const void *value = at;

    switch (f->kind) {
    case KAFKA_BOOL:
        text_format(t, "%d", *(const bool *)value ? 1 : 0);
        break;
    case KAFKA_INT8:
        text_format(t, "%d", *(const int8_t *)value);
        break;
    case KAFKA_INT16:
        text_format(t, "%d", *(const int16_t *)value);
        break;
    case KAFKA_UINT16:
        text_format(t, "%u", *(const uint16_t *)value);
        break;
    case KAFKA_INT32:
        text_format(t, "%d", *(const int32_t *)value);
        break;
    case KAFKA_UINT32:
        text_format(t, "%u", *(const uint32_t *)value);
        break;
    case KAFKA_INT64:
        text_format(t, "%lld", (long long)*(const int64_t *)value);
        break;
    case KAFKA_STRING:
    case KAFKA_BYTES:
        add_hex(t, *(const struct slice *)value);
        break;
    case KAFKA_RECORDS:
        add_hex(t, ((const struct kafka_records *)value)->bytes);
        break;
    case KAFKA_UUID:
        add_hex(t, slice_of(value, sizeof(struct kafka_uuid)));
        break;
    case KAFKA_STRUCT:
        add_struct(t, f->type, version, at);
        break;
    }
}

static size_t value_size(const struct kafka_field *f)
{
    if (f->kind == KAFKA_STRUCT)
        return f->type->size;
    return f->kind == KAFKA_UUID    ? sizeof(struct kafka_uuid)
           : f->kind == KAFKA_INT32 ? sizeof(int32_t)
                                    : sizeof(struct slice);
}

static void add_struct(struct text *t, const struct kafka_type *type, int16_t version,
                       const uint8_t *at)
{
    text_add_byte(t, '{');
    for (unsigned i = 0; i < type->field_count; i++) {
        const struct kafka_field *f = &type->fields[i];
        bool is_null = version >= f->null_min && version <= f->null_max;
        const uint8_t *items;
        uint32_t count;

        if (!kafka_field_is_in(f, version))
            continue;
        text_format(t, "%s=", f->name);
        if (!f->is_array) {
            add_value(t, f, version, at + f->offset);
            text_add_byte(t, ';');
            continue;
        }
        memcpy(&items, at + f->offset, sizeof(items));
        memcpy(&count, at + f->count_offset, sizeof(count));
        is_null = is_null && items == NULL; /* where null is not allowed NULL is empty */
        text_format(t, is_null ? "null" : "[");
        for (uint32_t k = 0; k < count; k++) {
            if (k > 0)
                text_add_byte(t, ',');
            add_value(t, f, version, items + k * value_size(f));
        }
        text_format(t, is_null ? ";" : "];");
    }
    text_add_byte(t, '}');
}

static uint64_t fnv(struct slice s)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.at[i]) * UINT64_C(0x100000001B3);
    return h;
}

static enum rc decode_leaving(const struct vector *v, struct slice bytes, size_t left,
                              struct kafka_arena *arena, void *to)
{
    struct rd r = rd_of(bytes);
    enum rc rc =
        kafka_decode(v->type, v->version, kafka_is_flexible(v->message, v->version), &r, arena, to);

    ck_assert(rc != RC_OK || r.left == left);
    return rc;
}

static enum rc decode(const struct vector *v, struct slice bytes, struct kafka_arena *arena,
                      void *to)
{
    return decode_leaving(v, bytes, 0, arena, to);
}

static void check_values(const struct vector *v)
{
    void *to = mem_zeroed(v->type->size);
    struct kafka_arena arena;
    struct text text = { 0 };

    kafka_arena_init(&arena);
    ck_assert_msg(decode(v, text_slice(&v->bytes), &arena, to) == RC_OK, "%s v%d", v->message->name,
                  v->version);
    add_struct(&text, v->type, v->version, to);
    ck_assert_msg(fnv(text_slice(&text)) == v->values, "%s v%d gave %.*s", v->message->name,
                  v->version, SLICE_FMT(text_slice(&text)));
    text_done(&text);
    kafka_arena_done(&arena);
    mem_free(to);
}

START_TEST(every_message_of_every_version_decodes_to_the_values_another_encoder_wrote)
{
    each_vector(check_values);
}
END_TEST

static void check_encode(const struct vector *v)
{
    bool is_flexible = kafka_is_flexible(v->message, v->version);
    void *to = mem_zeroed(v->type->size);
    struct kafka_encoder count = { .w = wr_counting() }, e;
    struct kafka_arena arena;
    uint8_t *at;

    kafka_arena_init(&arena);
    ck_assert_int_eq(decode(v, text_slice(&v->bytes), &arena, to), RC_OK);
    kafka_encode(&count, v->type, v->version, is_flexible, to);
    ck_assert_msg(count.w.len == v->bytes.len, "%s v%d: %zu, not %zu", v->message->name, v->version,
                  count.w.len, v->bytes.len);
    at = mem_get(count.w.len + 1);
    e = (struct kafka_encoder){ .w = wr_of(at, count.w.len) };
    kafka_encode(&e, v->type, v->version, is_flexible, to);
    ck_assert(!e.w.bad);
    ck_assert(slice_equal(wr_slice(&e.w), text_slice(&v->bytes)));
    mem_free(at);
    kafka_arena_done(&arena);
    mem_free(to);
}

START_TEST(every_message_of_every_version_encodes_to_the_bytes_another_encoder_wrote)
{
    each_vector(check_encode);
}
END_TEST

static void check_truncations(const struct vector *v)
{
    void *to = mem_zeroed(v->type->size);
    struct kafka_arena arena;

    kafka_arena_init(&arena);
    for (size_t n = 0; n < v->bytes.len; n++) {
        uint8_t *exact = mem_get(n + (n == 0));

        if (n > 0)
            memcpy(exact, v->bytes.at, n);
        ck_assert_msg(decode(v, slice_of(exact, n), &arena, to) == RC_MALFORMED,
                      "%s v%d cut at %zu", v->message->name, v->version, n);
        mem_free(exact);
        kafka_arena_clear(&arena);
    }
    kafka_arena_done(&arena);
    mem_free(to);
}

START_TEST(every_truncation_of_every_message_is_malformed)
{
    each_vector(check_truncations);
}
END_TEST

static void check_leftover(const struct vector *v)
{
    void *to = mem_zeroed(v->type->size);
    struct text longer = { 0 };
    struct kafka_arena arena;

    kafka_arena_init(&arena);
    text_add(&longer, text_slice(&v->bytes));
    text_add_byte(&longer, 0);
    ck_assert_int_eq(decode_leaving(v, text_slice(&longer), 1, &arena, to), RC_OK);
    text_done(&longer);
    kafka_arena_done(&arena);
    mem_free(to);
}

START_TEST(a_byte_behind_the_message_is_left)
{
    each_vector(check_leftover);
}
END_TEST

static enum rc decode_metadata(const char *bytes, size_t len, int16_t version,
                               struct kafka_arena *arena, struct kafka_metadata_request *ret)
{
    struct rd r = rd_of(slice_of(bytes, len));

    return kafka_decode(&kafka_metadata_request_type, version, version >= 9, &r, arena, ret);
}

START_TEST(a_count_that_cannot_fit_takes_no_memory)
{
    struct kafka_metadata_request request;
    struct kafka_arena arena;

    kafka_arena_init(&arena);
    ck_assert_int_eq(decode_metadata("\x7f\xff\xff\xff", 4, 0, &arena, &request), RC_MALFORMED);
    ck_assert_int_eq(decode_metadata("\xff\xff\xff\xff\x07", 5, 9, &arena, &request), RC_MALFORMED);
    ck_assert_uint_eq(arena.taken_bytes, 0);
    kafka_arena_done(&arena);
}
END_TEST

START_TEST(a_null_is_refused_where_the_version_has_none)
{
    struct kafka_metadata_request request;
    struct kafka_arena arena;

    kafka_arena_init(&arena);
    ck_assert_int_eq(decode_metadata("\xff\xff\xff\xff", 4, 0, &arena, &request), RC_MALFORMED);
    ck_assert_int_eq(decode_metadata("\xff\xff\xff\xff", 4, 1, &arena, &request), RC_OK);
    ck_assert_ptr_null(request.topics);
    ck_assert_int_eq(decode_metadata("\xff\xff\xff\xfe", 4, 1, &arena, &request), RC_MALFORMED);
    kafka_arena_done(&arena);
}
END_TEST

START_TEST(fields_that_a_version_lacks_have_their_defaults)
{
    struct kafka_metadata_request request;
    struct kafka_arena arena;

    kafka_arena_init(&arena);
    ck_assert_int_eq(decode_metadata("\0\0\0\0", 4, 0, &arena, &request), RC_OK);
    ck_assert(request.allow_auto_topic_creation);
    ck_assert_int_eq(decode_metadata("\0\0\0\0\0", 5, 4, &arena, &request), RC_OK);
    ck_assert(!request.allow_auto_topic_creation);
    kafka_arena_done(&arena);
}
END_TEST

START_TEST(unknown_tagged_fields_are_passed_over_and_must_rise)
{
    /* v9: topics empty, three booleans, then tagged fields. */
    static const char rising[] = "\x01\0\0\0\x02\x05\x01X\x07\0";
    static const char twice[] = "\x01\0\0\0\x02\x05\x01X\x05\0";
    static const char falling[] = "\x01\0\0\0\x02\x05\x01X\x04\0";
    struct kafka_metadata_request request;
    struct kafka_arena arena;

    kafka_arena_init(&arena);
    ck_assert_int_eq(decode_metadata(rising, sizeof(rising) - 1, 9, &arena, &request), RC_OK);
    ck_assert_int_eq(decode_metadata(twice, sizeof(twice) - 1, 9, &arena, &request), RC_MALFORMED);
    ck_assert_int_eq(decode_metadata(falling, sizeof(falling) - 1, 9, &arena, &request),
                     RC_MALFORMED);
    kafka_arena_done(&arena);
}
END_TEST

START_TEST(records_from_elsewhere_are_counted_and_their_places_told)
{
    struct kafka_fetch_result result;
    struct kafka_fetch_topic_result topic;
    struct kafka_fetch_response response;
    struct kafka_cut cuts[1];
    uint8_t bytes[256];
    struct kafka_encoder e = { .w = wr_of(bytes, sizeof(bytes)), .cuts = cuts, .cut_room = 1 };

    kafka_defaults(&kafka_fetch_result_type, &result);
    kafka_defaults(&kafka_fetch_topic_result_type, &topic);
    kafka_defaults(&kafka_fetch_response_type, &response);
    result.records.elsewhere_bytes = 1000;
    topic.partitions = &result;
    topic.partitions_count = 1;
    topic.topic = SLICE("t");
    response.responses = &topic;
    response.responses_count = 1;
    kafka_encode(&e, &kafka_fetch_response_type, 11, false, &response);
    ck_assert(!e.w.bad);
    ck_assert_uint_eq(e.cut_count, 1);
    ck_assert_uint_eq(e.elsewhere_bytes, 1000);
    ck_assert_uint_eq(cuts[0].at, e.w.len);
    ck_assert_int_eq(memcmp(bytes + e.w.len - 4, "\0\0\x03\xe8", 4), 0);
}
END_TEST

START_TEST(the_client_id_of_a_header_keeps_its_old_form)
{
    static const char bytes[] = "\0\x12\0\x03\0\0\0\x2a\0\x02me\0";
    struct rd r = rd_of(slice_of(bytes, sizeof(bytes) - 1));
    struct kafka_header header;

    ck_assert_int_eq(kafka_decode_header_start(&r, &header), RC_OK);
    ck_assert_int_eq(kafka_decode_header_rest(&r, true, &header), RC_OK);
    ck_assert_int_eq(header.key, KAFKA_API_VERSIONS);
    ck_assert_int_eq(header.version, 3);
    ck_assert_int_eq(header.correlation_id, 42);
    ck_assert(slice_equal_str(header.client_id, "me"));
    ck_assert_uint_eq(r.left, 0);
}
END_TEST

START_TEST(an_arena_stops_at_its_limit_and_starts_again_when_cleared)
{
    struct kafka_arena arena;
    size_t taken = 0;

    kafka_arena_init(&arena);
    while (kafka_arena_take(&arena, (size_t)1 << 20) != NULL)
        taken += (size_t)1 << 20;
    ck_assert(arena.bad);
    ck_assert_uint_le(taken, KAFKA_ARENA_MAX_BYTES);
    ck_assert_uint_ge(taken, KAFKA_ARENA_MAX_BYTES / 2);
    kafka_arena_clear(&arena);
    ck_assert_ptr_nonnull(kafka_arena_take(&arena, 0));
    ck_assert(!arena.bad);
    kafka_arena_done(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_codec");
    TCase *tests = tcase_create("codec");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests,
                   every_message_of_every_version_decodes_to_the_values_another_encoder_wrote);
    tcase_add_test(tests,
                   every_message_of_every_version_encodes_to_the_bytes_another_encoder_wrote);
    tcase_add_test(tests, every_truncation_of_every_message_is_malformed);
    tcase_add_test(tests, a_byte_behind_the_message_is_left);
    tcase_add_test(tests, a_count_that_cannot_fit_takes_no_memory);
    tcase_add_test(tests, a_null_is_refused_where_the_version_has_none);
    tcase_add_test(tests, fields_that_a_version_lacks_have_their_defaults);
    tcase_add_test(tests, unknown_tagged_fields_are_passed_over_and_must_rise);
    tcase_add_test(tests, records_from_elsewhere_are_counted_and_their_places_told);
    tcase_add_test(tests, the_client_id_of_a_header_keeps_its_old_form);
    tcase_add_test(tests, an_arena_stops_at_its_limit_and_starts_again_when_cleared);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
