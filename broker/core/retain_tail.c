/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages of a compacted stream: the last record of each key, as it lies in the log.
 *
 * Nothing is kept for them but where they lie, and that only from the first subscription on which
 * could get them: then the log is gone through once, up to where it ended, while what comes is
 * followed. When the stream is compacted no more, what MQTT retained is read and kept beside the
 * log, which is kept for that long. */
#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/cursor.h"
#include "broker/core/filter.h"
#include "broker/core/retain_int.h"
#include "broker/core/retention.h"
#include "broker/core/session_int.h"
#include "broker/core/stream_int.h"

/* Records gone through in one turn: some 0.3 ms. */
#define TAIL_STEPS 512u
/* Without memory it is tried again then. */
#define RETRY_NS UINT64_C(1000000000)

enum tail_state {
    TAIL_IDLE,    /* nobody has asked yet */
    TAIL_LOADING, /* the log is gone through */
    TAIL_LOADED,
};

struct tail {
    struct stream *stream;  /* borrowed: its owner */
    struct link link;       /* in core->tails */
    struct list entries;    /* struct tail_entry.link */
    struct tail_work *work; /* owned: while it reads; NULL */
    enum tail_state state;
    bool is_leaving; /* the stream is compacted no more */
};

struct tail_work {
    struct tail *tail; /* borrowed: the owner */
    struct cursor cursor;
    struct deadline step;
    uint64_t *ends;     /* owned: of the partitions, when it began */
    uint64_t *pins;     /* owned: what is owed of each while leaving; UINT64_MAX: nothing */
    unsigned count;     /* of partitions then */
    unsigned partition; /* that is gone through */
    uint64_t offset;    /* in it */
};

/* The address lies behind it, in its allocation. */
struct tail_entry {
    struct retained retained; /* its message is NULL */
    struct tail *tail;        /* borrowed */
    struct link link;         /* in tail->entries */
    uint64_t offset;
    int64_t timestamp_ms;
    unsigned partition;
    bool is_gone;      /* its last record has no value: kept while older ones may be come across */
    bool is_from_mqtt; /* it was published as a retained one */
};

static void step(void *arg);

static struct tail_entry *entry_of(struct retained *retained)
{
    ASSERT(retained->message == NULL);
    return CONTAINER_OF(retained, struct tail_entry, retained);
}

/* ---- entries ---- */

static void entry_free(struct tail_entry *entry)
{
    if (!entry->is_gone)
        retained_account(&entry->retained, -1);
    retained_take_out(&entry->retained);
    link_remove(&entry->link);
    mem_free(entry);
}

/* Older records of the key may still be come across. */
static void entry_gone(struct tail_entry *entry)
{
    if (entry->tail->state == TAIL_LOADED) {
        entry_free(entry);
        return;
    }
    if (!entry->is_gone)
        retained_account(&entry->retained, -1);
    entry->is_gone = true;
    retention_cancel(entry->retained.core, &entry->retained.expiry);
}

/* NULL: there is no room for it; counted. */
static struct tail_entry *entry_new(struct tail *tail, struct slice address)
{
    struct core *core = tail->stream->core;
    const struct core_config *config = &core->config;
    struct tail_entry *entry = NULL;

    if ((config->retained_max == 0 || retain_count(core) < config->retained_max) &&
        (config->retained_max_bytes == 0 ||
         core->retained_bytes + address.len <= config->retained_max_bytes))
        entry = mem_try(sizeof(*entry) + address.len);
    if (entry == NULL) {
        retained_refused(core, address);
        return NULL;
    }
    *entry = (struct tail_entry){ .tail = tail, .is_gone = true };
    memcpy(entry + 1, address.at, address.len);
    retained_add(core, &entry->retained, slice_of(entry + 1, address.len));
    list_append(&tail->entries, &entry->link);
    return entry;
}

bool tail_entry_is_gone(struct retained *retained)
{
    return entry_of(retained)->is_gone;
}

void tail_entry_drop(struct retained *retained)
{
    entry_gone(entry_of(retained));
}

void tail_entry_free(struct retained *retained)
{
    entry_free(entry_of(retained));
}

enum rc tail_entry_read(struct retained *retained, struct cursor *cursor, struct message **ret)
{
    const struct tail_entry *entry = entry_of(retained);
    struct partition *p = entry->tail->stream->partitions[entry->partition];
    struct message *message = NULL;
    uint64_t offset;
    enum rc rc;

    if (entry->offset < p->start)
        return RC_RANGE;
    rc = cursor_get(cursor, p, entry->offset, &message, &offset);
    if (rc == RC_OK && offset == entry->offset) {
        *ret = message;
        return RC_OK;
    }
    message_unref(&message);
    return rc == RC_AGAIN || rc == RC_MEMORY ? rc : RC_RANGE;
}

/* ---- records ---- */

/* An address's last value is the key's: that of another, or of none, is not. */
static bool is_of(const struct stream *stream, const struct message *message)
{
    struct slice subject = name_subject(message->address);

    return !slice_is_none(subject) && !slice_is_none(message->key) &&
           slice_equal(subject, message->key) &&
           slice_equal(name_stream(message->address), stream->by_name.key);
}

static bool is_newer(const struct tail_entry *entry, const struct partition *p, uint64_t offset,
                     const struct message *message)
{
    if (entry->partition == p->index)
        return offset > entry->offset;
    return message->timestamp_ms >= entry->timestamp_ms; /* the stream has grown meanwhile */
}

static void entry_set(struct tail_entry *entry, const struct partition *p, uint64_t offset,
                      const struct message *message)
{
    struct retained *retained = &entry->retained;

    entry->offset = offset;
    entry->partition = p->index;
    entry->timestamp_ms = message->timestamp_ms;
    entry->is_from_mqtt = slice_equal_str(message_header(message, HEADER_MQTT_RETAIN), "1");
    retained_expires_as(retained, message);
    if (message->value.len == 0 || !retained_is_live(retained)) {
        entry_gone(entry);
        return;
    }
    if (entry->is_gone)
        retained_account(retained, 1);
    entry->is_gone = false;
}

/* `number`: 0 for what was come across. */
static void take(struct tail *tail, const struct partition *p, uint64_t offset,
                 const struct message *message, uint64_t number)
{
    struct retained *retained;
    struct tail_entry *entry;

    if (!is_of(tail->stream, message))
        return;
    retained = retained_find(tail->stream->core, message->address);
    if (retained != NULL && retained->message != NULL)
        return; /* beside the log: retained after it was compacted no more */
    entry = retained == NULL ? NULL : entry_of(retained);
    if (entry != NULL && number == 0 && !is_newer(entry, p, offset, message))
        return;
    if (entry == NULL && message->value.len == 0 && tail->state == TAIL_LOADED)
        return;
    if (entry == NULL)
        entry = entry_new(tail, message->address);
    if (entry == NULL)
        return;
    entry->retained.number = number;
    entry_set(entry, p, offset, message);
}

bool tail_holds(const struct stream *stream, const struct message *message)
{
    return stream->tail != NULL && !stream->tail->is_leaving && is_of(stream, message);
}

bool tail_follows(const struct stream *stream)
{
    return stream->tail != NULL && !stream->tail->is_leaving && stream->tail->state != TAIL_IDLE;
}

void tail_appended(struct stream *stream, const struct partition *p, uint64_t offset,
                   const struct message *message)
{
    if (tail_follows(stream))
        take(stream->tail, p, offset, message, ++stream->core->retained_number);
}

/* ---- going through the log ---- */

static void step_at(struct tail_work *work, uint64_t at_ns)
{
    deadline_start(&work->tail->stream->core->deadlines, &work->step, at_ns, step, work);
}

static void on_ready(void *arg)
{
    step_at(arg, 0);
}

static struct tail_work *work_begin(struct tail *tail)
{
    struct stream *stream = tail->stream;
    struct tail_work *work = mem_new(struct tail_work);

    work->tail = tail;
    work->count = stream->partition_count;
    work->ends = mem_new_array(uint64_t, work->count);
    work->pins = mem_new_array(uint64_t, work->count);
    for (unsigned i = 0; i < work->count; i++) {
        work->ends[i] = stream->partitions[i]->end;
        work->pins[i] = UINT64_MAX;
    }
    cursor_init(&work->cursor, on_ready, work);
    tail->work = work;
    step_at(work, 0);
    return work;
}

static void unpin(struct tail_work *work)
{
    for (unsigned i = 0; i < work->count; i++) {
        if (work->pins[i] != UINT64_MAX)
            partition_paid(work->tail->stream->partitions[i], work->pins[i]);
        work->pins[i] = UINT64_MAX;
    }
}

static void work_end(struct tail *tail)
{
    struct tail_work *work = tail->work;

    tail->work = NULL;
    if (work == NULL)
        return;
    unpin(work);
    deadline_stop(&tail->stream->core->deadlines, &work->step);
    cursor_done(&work->cursor);
    mem_free(work->ends);
    mem_free(work->pins);
    mem_free(work);
}

static void begin(struct tail *tail)
{
    if (tail->state != TAIL_IDLE)
        return;
    tail->state = TAIL_LOADING;
    (void)work_begin(tail);
}

/* Takes the next record. RC_NOT_FOUND: all were. */
static enum rc load_next(struct tail_work *work)
{
    struct message *message = NULL;
    struct partition *p;
    uint64_t offset;
    enum rc rc;

    if (work->partition == work->count)
        return RC_NOT_FOUND;
    p = work->tail->stream->partitions[work->partition];
    if (work->offset < p->start)
        work->offset = p->start;
    if (work->offset >= work->ends[work->partition]) {
        work->partition++;
        work->offset = 0;
        return RC_OK;
    }
    rc = cursor_get(&work->cursor, p, work->offset, &message, &offset);
    if (rc == RC_AGAIN || rc == RC_MEMORY)
        return rc;
    if (rc != RC_OK) { /* logged; what is unreadable was nobody's last value */
        work->offset = work->cursor.resume;
        return RC_OK;
    }
    if (offset < work->ends[work->partition])
        take(work->tail, p, offset, message, 0);
    work->offset = offset + 1;
    message_unref(&message);
    return RC_OK;
}

static void wake_waiters(struct core *core)
{
    while (!list_is_empty(&core->tail_waiters)) {
        struct session_extra *extra =
            LIST_FIRST(&core->tail_waiters, struct session_extra, tail_wait);

        link_remove(&extra->tail_wait);
        extra->session->is_reading = false;
        session_wake(extra->session);
    }
}

static void loaded(struct tail *tail)
{
    tail->state = TAIL_LOADED;
    LIST_EACH_SAFE (k, &tail->entries) {
        struct tail_entry *entry = CONTAINER_OF(k, struct tail_entry, link);

        if (entry->is_gone)
            entry_free(entry);
    }
    cursor_rest(&tail->work->cursor);
    wake_waiters(tail->stream->core);
    log_event(LOG_DEBUG, "core.tail_loaded", "stream=%s",
              log_quote(tail->stream->by_name.key.at, tail->stream->by_name.key.len));
}

/* ---- compacted no more ---- */

/* It lies beside the log from now on, if that may be. */
static void move_out(struct tail_entry *entry, struct message *message)
{
    struct core *core = entry->tail->stream->core;
    uint64_t number = entry->retained.number;

    if (retain_check(core, NULL, message) != RC_OK) {
        entry_free(entry);
        return;
    }
    retained_keep(core, message)->number = number; /* frees the entry */
    retained_put(core, message, DURABILITY_ALWAYS);
}

/* RC_NOT_FOUND: all are. */
static enum rc leave_next(struct tail *tail)
{
    struct tail_entry *entry = LIST_FIRST(&tail->entries, struct tail_entry, link);
    struct message *message;
    enum rc rc;

    if (list_is_empty(&tail->entries))
        return RC_NOT_FOUND;
    if (!entry->is_from_mqtt) {
        entry_free(entry);
        return RC_OK;
    }
    rc = tail_entry_read(&entry->retained, &tail->work->cursor, &message);
    if (rc == RC_AGAIN || rc == RC_MEMORY)
        return rc;
    if (rc != RC_OK) {
        entry_free(entry);
        return RC_OK;
    }
    move_out(entry, message);
    message_unref(&message);
    return RC_OK;
}

static void step(void *arg)
{
    struct tail_work *work = arg;
    struct tail *tail = work->tail;
    struct stream *stream = tail->stream;
    enum rc rc = RC_OK;

    for (unsigned i = 0; i < TAIL_STEPS && rc == RC_OK; i++) {
        rc = tail->state == TAIL_LOADING ? load_next(work) : leave_next(tail);
        if (rc == RC_NOT_FOUND && tail->state == TAIL_LOADING) {
            loaded(tail);
            rc = tail->is_leaving ? RC_OK : RC_NOT_FOUND;
        }
    }
    if (rc == RC_OK)
        step_at(work, 0); /* another turn's */
    if (rc == RC_MEMORY)
        step_at(work, clock_monotonic_ns() + RETRY_NS);
    if (rc != RC_NOT_FOUND)
        return;
    work_end(tail);
    if (!tail->is_leaving)
        return;
    stream->has_retained = false;
    stream_record(stream);
    tail_free(stream);
    retention_changed(stream);
}

/* ---- with the stream ---- */

static struct tail *tail_new(struct stream *stream)
{
    struct tail *tail = mem_new(struct tail);

    tail->stream = stream;
    list_init(&tail->entries);
    list_append(&stream->core->tails, &tail->link);
    stream->tail = tail;
    return tail;
}

void tail_free(struct stream *stream)
{
    struct tail *tail = stream->tail;

    if (tail == NULL)
        return;
    work_end(tail);
    while (!list_is_empty(&tail->entries))
        entry_free(LIST_FIRST(&tail->entries, struct tail_entry, link));
    link_remove(&tail->link);
    stream->tail = NULL;
    mem_free(tail);
    wake_waiters(stream->core); /* nothing is to come from here */
}

/* What is there stays until it is read. */
static void leave(struct tail *tail)
{
    struct tail_work *work;

    tail->is_leaving = true;
    if (tail->state == TAIL_IDLE)
        begin(tail);
    work = tail->work != NULL ? tail->work : work_begin(tail);
    for (unsigned i = 0; i < work->count; i++) {
        struct partition *p = tail->stream->partitions[i];

        if (p->start == p->end || work->pins[i] != UINT64_MAX)
            continue;
        work->pins[i] = p->start;
        partition_owe(p, p->start);
    }
}

/* What is retained beside the log goes into it, so that there is no second copy. */
static void move_in(struct stream *stream)
{
    struct core *core = stream->core;
    struct text prefix = { 0 };
    struct ordered_node *node;

    text_add(&prefix, stream->by_name.key);
    text_add_byte(&prefix, '/');
    node = prefix.bad ? NULL : ordered_seek(&core->retained_ordered, text_slice(&prefix));
    while (node != NULL && slice_starts(node->address, text_slice(&prefix))) {
        struct retained *retained = CONTAINER_OF(node, struct retained, ordered);
        struct message *message = retained->message;
        uint64_t number = retained->number;
        struct placed placed;

        node = ordered_next(node);
        if (message == NULL || !is_of(stream, message))
            continue;
        (void)message_ref(message);
        if (stream_append(stream, message, DURABILITY_ALWAYS, &placed) == RC_OK) {
            retained_drop(retained);
            tail_retains(stream);
            take(stream->tail, placed.partition, placed.offset, message, number);
        }
        message_unref(&message);
    }
    text_done(&prefix);
}

void tail_changed(struct stream *stream)
{
    struct tail *tail = stream->tail;

    if (stream->compaction == NULL && tail != NULL && !tail->is_leaving) {
        if (stream->has_retained)
            leave(tail);
        else
            tail_free(stream);
    }
    if (stream->compaction == NULL)
        return;
    if (tail != NULL && tail->is_leaving) { /* what came meanwhile is not known */
        tail_free(stream);
        tail = NULL;
    }
    if (tail == NULL) {
        (void)tail_new(stream);
        move_in(stream);
    }
}

void tail_loaded(struct stream *stream)
{
    if (stream->compaction != NULL)
        (void)tail_new(stream);
    else if (stream->has_retained)
        leave(tail_new(stream));
}

void tail_forgets(struct core *core, const struct message *message)
{
    struct retained *retained = retained_find(core, message->address);
    struct stream *stream =
        list_is_empty(&core->tails) ? NULL : stream_find(core, name_stream(message->address));
    struct tail_entry *entry;

    if (retained != NULL) {
        entry = entry_of(retained);
    } else if (stream != NULL && stream->tail != NULL && stream->tail->state == TAIL_LOADING &&
               is_of(stream, message)) {
        entry = entry_new(stream->tail, message->address);
    } else {
        return;
    }
    if (entry == NULL)
        return;
    entry->offset = UINT64_MAX; /* newer than all that is come across */
    entry->timestamp_ms = INT64_MAX;
    entry_gone(entry);
}

void tail_retains(struct stream *stream)
{
    begin(stream->tail);
    if (stream->has_retained)
        return;
    stream->has_retained = true;
    stream_record(stream);
}

/* ---- for walks ---- */

static bool may_reach(const struct filter *filter, const struct stream *stream)
{
    struct filter_token first = filter_token(filter, 0);

    if (first.kind == FILTER_LITERAL)
        return slice_equal(first.level, stream->by_name.key);
    return !filter_hides_dollar(filter) || stream->by_name.key.len == 0 ||
           stream->by_name.key.at[0] != '$';
}

/* NULL: any of core->tails may be. */
static struct stream *only_stream(struct core *core, const struct filter *filter)
{
    struct filter_token first = filter_token(filter, 0);

    return first.kind == FILTER_LITERAL ? stream_find(core, first.level) : NULL;
}

void tails_begin(struct core *core, const struct filter *filter)
{
    struct stream *only = only_stream(core, filter);

    if (only != NULL && only->tail != NULL)
        begin(only->tail);
    if (filter_token(filter, 0).kind == FILTER_LITERAL)
        return;
    LIST_EACH (k, &core->tails) {
        struct tail *tail = CONTAINER_OF(k, struct tail, link);

        if (may_reach(filter, tail->stream))
            begin(tail);
    }
}

bool tails_are_loaded(struct core *core, const struct filter *filter)
{
    const struct stream *only = only_stream(core, filter);

    if (filter_token(filter, 0).kind == FILTER_LITERAL)
        return only == NULL || only->tail == NULL || only->tail->state != TAIL_LOADING;
    LIST_EACH (k, &core->tails) {
        const struct tail *tail = CONTAINER_OF(k, struct tail, link);

        if (tail->state == TAIL_LOADING && may_reach(filter, tail->stream))
            return false;
    }
    return true;
}
