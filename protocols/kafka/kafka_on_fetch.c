/* SPDX-License-Identifier: Apache-2.0 */
/* Fetch: what is durable, in the blocks where it lies; waits for more when there is too little. */
#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/net/loop.h"
#include "broker/record/batch.h"
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_map.h"
#include "protocols/kafka/kafka_messages.h"

#define VERSION_WITH_TOPIC_IDS 13
/* What a client may ask us to wait; Kafka has no limit, its clients ask for 500 ms or seconds. */
#define FETCH_WAIT_MAX_MS 600000
/* Of one answer, whatever the client asks for: Kafka's fetch.max.bytes. */
#define FETCH_MAX_BYTES     ((size_t)55 << 20)
#define SESSION_EPOCH_FINAL (-1)
#define READ_COMMITTED      1

/* One partition of a fetch. */
struct part {
    struct partition_waiter waiter; /* linked while it waits */
    struct fetch *fetch;
    const struct kafka_fetch_partition *asked;
    struct kafka_fetch_result *result;
    struct partition *partition; /* borrowed from core until it is deleted; NULL: an error */
    struct kafka_pieces pieces;
    unsigned piece_room; /* of pieces.at, which serves again after a wait */
};

struct fetch {
    struct kafka_request *request;
    const struct kafka_fetch_request *asked;
    struct part *parts;
    uint32_t count;
    uint32_t at;  /* the part being read */
    size_t bytes; /* of records, of all parts read so far */
    size_t left;  /* of what the client takes at most */
    bool has_error;
    bool is_waited_out;
    bool is_waiting;  /* for more to come */
    bool is_reading;  /* on a reader thread */
    bool is_watching; /* over more than this turn: every partition tells when it goes away */
    uint64_t deadline_ns;
    struct timer timer;
    struct log_read read;
};

static void fetch_run(struct fetch *f);

static struct fetch *fetch_of(struct kafka_request *request)
{
    return request->state;
}

static size_t most_bytes(const struct kafka_fetch_request *asked)
{
    if (asked->max_bytes < 0)
        return 0;
    return (size_t)asked->max_bytes < FETCH_MAX_BYTES ? (size_t)asked->max_bytes : FETCH_MAX_BYTES;
}

static uint64_t wait_ms(const struct kafka_fetch_request *asked)
{
    if (asked->max_wait_ms <= 0)
        return 0;
    return asked->max_wait_ms > FETCH_WAIT_MAX_MS ? FETCH_WAIT_MAX_MS
                                                  : (uint64_t)asked->max_wait_ms;
}

/* ---- giving back ---- */

static void drop_pieces(struct fetch *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        struct kafka_pieces *pieces = &f->parts[i].pieces;

        for (unsigned k = 0; k < pieces->count; k++)
            block_unref(&pieces->at[k].block);
        pieces->count = 0;
    }
}

static void unwatch(struct fetch *f)
{
    if (!f->is_watching)
        return;
    f->is_watching = false;
    for (uint32_t i = 0; i < f->count; i++)
        partition_wait_cancel(&f->parts[i].waiter);
}

static void on_cancel(struct kafka_request *request)
{
    struct fetch *f = fetch_of(request);

    unwatch(f);
    if (f->is_reading)
        partition_read_cancel(f->parts[f->at].partition, &f->read);
    f->is_reading = false;
}

static void on_done(struct kafka_request *request)
{
    struct fetch *f = fetch_of(request);

    timer_done(&f->timer);
    drop_pieces(f);
}

/* ---- watching ---- */

static void fail(struct fetch *f, struct part *part, enum kafka_error error)
{
    part->result->error_code = (int16_t)error;
    part->partition = NULL;
    f->has_error = true;
    count_add(COUNT_KAFKA_ERRORS, 1);
}

/* Its topic is being deleted, and others of this fetch may go with it: the fetch goes on when that
 * is over. */
static void on_gone(struct fetch *f, struct part *part)
{
    bool by_id = f->request->header.version >= VERSION_WITH_TOPIC_IDS;

    if (f->is_reading && part == &f->parts[f->at]) {
        partition_read_cancel(part->partition, &f->read);
        f->is_reading = false;
        timer_start(&f->timer, 0);
    }
    if (f->is_waiting)
        timer_start(&f->timer, 0);
    fail(f, part, by_id ? KAFKA_ERROR_UNKNOWN_TOPIC_ID : KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
}

static void on_moved(struct partition_waiter *waiter, enum rc rc)
{
    struct part *part = CONTAINER_OF(waiter, struct part, waiter);
    struct fetch *f = part->fetch;

    if (rc != RC_OK) {
        on_gone(f, part);
        return;
    }
    partition_wait(part->partition, waiter);
    if (f->is_waiting) {
        f->is_waiting = false;
        timer_stop(&f->timer);
        fetch_run(f);
    }
}

static void watch(struct fetch *f)
{
    if (f->is_watching)
        return;
    f->is_watching = true;
    for (uint32_t i = 0; i < f->count; i++) {
        f->parts[i].waiter.on_moved = on_moved;
        if (f->parts[i].partition != NULL)
            partition_wait(f->parts[i].partition, &f->parts[i].waiter);
    }
}

static void on_time(void *arg)
{
    struct fetch *f = arg;

    f->is_waited_out = true;
    f->is_waiting = false;
    if (!f->is_reading)
        fetch_run(f);
}

/* ---- reading ---- */

/* Passes over the batches that end before the offset asked for; an entry may hold many. */
static void skip_before(struct log_piece *piece, uint64_t offset)
{
    struct batch_header header;
    size_t whole_bytes;

    while (piece->bytes.len > 0 && batch_peek(piece->bytes, &header, NULL, &whole_bytes) == RC_OK &&
           header.base_offset + header.last_offset_delta < offset) {
        piece->base_offset = header.base_offset + header.last_offset_delta + 1;
        piece->bytes = slice_after(piece->bytes, whole_bytes);
    }
}

/* How much this part may take: what is left of the request, and of its own share. */
static size_t room_of(const struct fetch *f, const struct part *part)
{
    size_t own =
        part->asked->partition_max_bytes < 0 ? 0 : (size_t)part->asked->partition_max_bytes;

    return own < f->left ? own : f->left;
}

/* Keeps what was read. The first records of an answer come whatever their size (KIP-74); further
 * ones only if they fit. */
static void keep(struct fetch *f, struct part *part, struct log_pieces *from)
{
    size_t room = room_of(f, part), bytes = 0;

    if (from->count > part->piece_room) {
        part->piece_room = from->count;
        part->pieces.at =
            kafka_arena_take(&f->request->arena, from->count * sizeof(*part->pieces.at));
    }
    for (unsigned i = 0; i < from->count && part->pieces.at != NULL; i++) {
        struct log_piece piece = from->at[i];

        skip_before(&piece, (uint64_t)part->asked->fetch_offset);
        if (piece.bytes.len == 0 && bytes == 0)
            continue;
        if (bytes + piece.bytes.len > room && (f->bytes > 0 || bytes > 0))
            break;
        part->pieces.at[part->pieces.count] = piece;
        block_ref(piece.block);
        part->pieces.count++;
        bytes += piece.bytes.len;
    }
    f->bytes += bytes;
    f->left -= bytes < f->left ? bytes : f->left;
    log_pieces_done(from);
}

static void on_read(struct log_read *read, enum rc rc)
{
    struct fetch *f = CONTAINER_OF(read, struct fetch, read);
    struct part *part = &f->parts[f->at];

    f->is_reading = false;
    if (rc == RC_OK) {
        partition_cut(part->partition, &read->pieces);
        keep(f, part, &read->pieces);
    } else {
        fail(f, part, kafka_error_of(rc, KAFKA_ABOUT_TOPIC));
    }
    f->at++;
    fetch_run(f);
}

/* False while a reader thread is at it. */
static bool read_part(struct fetch *f, struct part *part)
{
    uint64_t offset = (uint64_t)part->asked->fetch_offset;
    size_t room = room_of(f, part);
    struct log_pieces pieces;
    enum rc rc;

    if (part->partition == NULL || offset == partition_durable_end(part->partition))
        return true;
    if (room == 0 && f->bytes > 0)
        return true;
    rc = partition_read_cached(part->partition, offset, room, &pieces);
    if (rc == RC_OK) {
        keep(f, part, &pieces);
        return true;
    }
    if (rc != RC_AGAIN) {
        fail(f, part, kafka_error_of(rc, KAFKA_ABOUT_TOPIC));
        return true;
    }
    f->read = (struct log_read){ .offset = offset, .max_bytes = room, .on_done = on_read };
    f->is_reading = true;
    watch(f);
    partition_read(part->partition, &f->read);
    return false;
}

/* ---- answering ---- */

static void answer(struct fetch *f)
{
    bool is_committed = f->asked->isolation_level == READ_COMMITTED;

    unwatch(f);
    for (uint32_t i = 0; i < f->count; i++) {
        struct part *part = &f->parts[i];
        struct kafka_fetch_result *result = part->result;

        result->records.bytes = SLICE(""); /* none, but not null */
        if (is_committed)
            result->aborted_transactions = KAFKA_ARRAY(&f->request->arena, kafka_fetch_aborted, 0);
        if (part->partition == NULL) {
            result->high_watermark = -1;
            continue;
        }
        result->high_watermark = (int64_t)partition_durable_end(part->partition);
        result->last_stable_offset = result->high_watermark;
        result->log_start_offset = (int64_t)partition_start(part->partition);
        for (unsigned k = 0; k < part->pieces.count; k++)
            result->records.elsewhere_bytes += part->pieces.at[k].bytes.len;
        result->records.source = &part->pieces;
    }
    kafka_answer(f->request);
}

static void wait_for_more(struct fetch *f)
{
    uint64_t now_ns = loop_now_ns(f->request->kafka->loop);

    drop_pieces(f);
    f->at = 0;
    f->bytes = 0;
    f->left = most_bytes(f->asked);
    f->is_waiting = true;
    watch(f);
    /* The wait counts from the request on, however often it is woken in vain. */
    timer_start(&f->timer,
                f->deadline_ns <= now_ns ? 0 : (f->deadline_ns - now_ns) / NS_PER_MS + 1);
}

/* Reads what is not read yet, then answers or waits. */
static void fetch_run(struct fetch *f)
{
    int64_t min_bytes = f->asked->min_bytes;

    for (; f->at < f->count; f->at++) {
        if (!read_part(f, &f->parts[f->at]))
            return;
    }
    if (f->has_error || f->is_waited_out || f->asked->max_wait_ms <= 0 || f->count == 0 ||
        (int64_t)f->bytes >= min_bytes || f->request->arena.bad) {
        answer(f);
        return;
    }
    wait_for_more(f);
}

/* ---- the request ---- */

static enum kafka_error check_part(const struct kafka_fetch_partition *asked,
                                   struct partition *partition)
{
    /* Ours is the lowest there is, so none can be fenced. */
    if (asked->current_leader_epoch > BATCH_LEADER_EPOCH)
        return KAFKA_ERROR_UNKNOWN_LEADER_EPOCH;
    if (asked->fetch_offset < 0 || (uint64_t)asked->fetch_offset < partition_start(partition) ||
        (uint64_t)asked->fetch_offset > partition_durable_end(partition))
        return KAFKA_ERROR_OFFSET_OUT_OF_RANGE;
    return KAFKA_ERROR_NONE;
}

static void open_topic(struct fetch *f, const struct kafka_fetch_topic *topic,
                       struct kafka_fetch_topic_result *answer_topic)
{
    struct kafka_request *request = f->request;
    bool by_id = request->header.version >= VERSION_WITH_TOPIC_IDS;
    struct stream *stream = NULL;
    enum kafka_error error =
        kafka_use_topic(request, by_id, topic->topic, &topic->topic_id, OPERATION_CONSUME, &stream);

    /* Nobody replicates from us. */
    if (f->asked->replica_id >= 0 || f->asked->replica_state.replica_id >= 0)
        error = KAFKA_ERROR_CLUSTER_AUTHORIZATION_FAILED;
    answer_topic->topic = topic->topic;
    answer_topic->topic_id = topic->topic_id;
    answer_topic->partitions =
        KAFKA_ARRAY(&request->arena, kafka_fetch_result, topic->partitions_count);
    for (uint32_t i = 0; i < topic->partitions_count && answer_topic->partitions != NULL; i++) {
        struct part *part = &f->parts[f->count++];
        enum kafka_error code = error;

        part->fetch = f;
        part->asked = &topic->partitions[i];
        part->result = &answer_topic->partitions[i];
        part->result->partition_index = part->asked->partition;
        answer_topic->partitions_count++;
        if (code == KAFKA_ERROR_NONE &&
            (part->asked->partition < 0 ||
             (unsigned)part->asked->partition >= stream_partition_count(stream)))
            code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        if (code == KAFKA_ERROR_NONE) {
            part->partition = stream_partition(stream, (unsigned)part->asked->partition);
            code = check_part(part->asked, part->partition);
        }
        if (code != KAFKA_ERROR_NONE)
            fail(f, part, code);
    }
}

void kafka_on_fetch(struct kafka_request *request, const void *body)
{
    const struct kafka_fetch_request *asked = body;
    struct kafka_fetch_response *r = KAFKA_RESPONSE(request, fetch);
    struct fetch *f = kafka_arena_take(&request->arena, sizeof(*f));
    uint32_t count = 0;

    for (uint32_t i = 0; i < asked->topics_count; i++)
        count += asked->topics[i].partitions_count;
    if (r != NULL && f != NULL) {
        r->responses = KAFKA_ARRAY(&request->arena, kafka_fetch_topic_result, asked->topics_count);
        f->parts = kafka_arena_take(&request->arena, count * sizeof(*f->parts));
    }
    if (r == NULL || f == NULL || r->responses == NULL || f->parts == NULL) {
        kafka_answer(request);
        return;
    }
    /* We give no sessions out (session id 0 in every answer), so none can be named. */
    if (asked->session_id != 0 && asked->session_epoch != SESSION_EPOCH_FINAL) {
        r->error_code = KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND;
        kafka_answer(request);
        return;
    }
    f->request = request;
    f->asked = asked;
    f->left = most_bytes(asked);
    f->deadline_ns = loop_now_ns(request->kafka->loop) + wait_ms(asked) * NS_PER_MS;
    timer_init(&f->timer, request->kafka->loop, on_time, f);
    request->state = f;
    request->on_cancel = on_cancel;
    request->on_done = on_done;
    for (uint32_t i = 0; i < asked->topics_count; i++) {
        open_topic(f, &asked->topics[i], &r->responses[i]);
        r->responses_count++;
    }
    fetch_run(f);
}
