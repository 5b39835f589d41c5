/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/counters.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/base/wire.h"
#include "broker/core/filter.h"
#include "broker/core/ordered.h"
#include "broker/core/retain_int.h"
#include "broker/core/retention.h"
#include "broker/core/stream_int.h"
#include "broker/record/record.h"

/* Places that one step of a walk looks at. */
#define WALK_STEPS 8u

/* Addresses may be longer than a key of the catalogue: two hashes stand for them. */
struct retained_key {
    uint8_t bytes[16];
};

static struct retained_key retained_key(struct slice address)
{
    struct retained_key key;

    put_u64(key.bytes, hash_checksum(address, 1));
    put_u64(key.bytes + 8, hash_checksum(address, 2));
    return key;
}

/* ---- the value: timestamp u64, expires u64, qos u8, flags u8, address u16 length and bytes, body
 * ---- */

void message_encode(struct text *out, const struct message *message)
{
    text_add_u64(out, (uint64_t)message->timestamp_ms);
    text_add_u64(out, (uint64_t)message->expires_at_ms);
    text_add_byte(out, message->qos);
    text_add_byte(out, message->flags);
    text_add_u16(out, (uint16_t)message->address.len);
    text_add(out, message->address);
    text_add(out, message->body);
}

struct message *message_decode(struct slice bytes)
{
    struct rd rd = rd_of(bytes);
    struct message_spec spec = { .timestamp_ms = rd_i64(&rd) };
    struct record record;

    spec.expires_at_ms = rd_i64(&rd);
    spec.qos = rd_u8(&rd);
    spec.flags = rd_u8(&rd);
    spec.address = rd_bytes(&rd, rd_u16(&rd));
    if (rd.bad || record_read_body(rd_rest(&rd), &record) != RC_OK)
        return NULL;
    spec.key = record.key;
    spec.value = record.value;
    spec.headers = record.headers;
    spec.header_count = record.header_count;
    return message_new(&spec);
}

static uint64_t size_of(const struct message *message)
{
    return message->address.len + message->body.len;
}

/* One in the log costs its address alone. */
static uint64_t bytes_of(const struct retained *retained)
{
    return retained->message == NULL ? retained->by_address.key.len : size_of(retained->message);
}

void retained_account(const struct retained *retained, int64_t by)
{
    int64_t bytes = by * (int64_t)bytes_of(retained);

    if (retained->is_transient) {
        retained->core->retained_transient += (size_t)by;
        return;
    }
    retained->core->retained_bytes += (uint64_t)bytes;
    count_add(COUNT_CORE_RETAINED, by);
    count_add(COUNT_CORE_RETAINED_BYTES, bytes);
}

struct retained *retained_find(const struct core *core, struct slice address)
{
    struct map_node *node = map_get(&core->retained, address);

    return node == NULL ? NULL : CONTAINER_OF(node, struct retained, by_address);
}

void retained_add(struct core *core, struct retained *retained, struct slice address)
{
    retained->core = core;
    map_add(&core->retained, address, &retained->by_address);
    ordered_add(&core->retained_ordered, &retained->ordered, address);
}

void retained_take_out(struct retained *retained)
{
    struct core *core = retained->core;

    retention_cancel(core, &retained->expiry);
    map_remove(&core->retained, &retained->by_address);
    ordered_remove(&core->retained_ordered, &retained->ordered);
}

static void retained_free(struct retained *retained)
{
    if (retained->message == NULL) {
        tail_entry_free(retained);
        return;
    }
    retained_take_out(retained);
    retained_account(retained, -1);
    message_unref(&retained->message);
    mem_free(retained);
}

bool retained_is_live(const struct retained *retained)
{
    return retained->expires_at_ms == 0 || retained->expires_at_ms > core_wall_ms(retained->core);
}

static int64_t expiry_of(const struct core *core, const struct message *message)
{
    uint64_t limit = core->config.retained_expiry_ms;
    int64_t at = message->expires_at_ms, latest;

    if (limit == 0)
        return at;
    latest = message->timestamp_ms + (int64_t)limit;
    return at != 0 && at < latest ? at : latest;
}

void retained_drop(struct retained *retained)
{
    struct retained_key key = retained_key(retained->message->address);
    struct core *core = retained->core;

    retained_free(retained);
    core_delete(core, META_RETAINED, slice_of(key.bytes, sizeof(key.bytes)));
}

static void on_expiry(void *arg)
{
    struct retained *retained = arg;

    if (retained_is_live(retained)) /* the wall clock was put back */
        retention_at(retained->core, &retained->expiry, retained->expires_at_ms, on_expiry,
                     retained);
    else if (retained->message == NULL)
        tail_entry_drop(retained);
    else
        retained_drop(retained);
}

void retained_expires_as(struct retained *retained, const struct message *message)
{
    struct core *core = retained->core;

    retained->expires_at_ms = expiry_of(core, message);
    retention_cancel(core, &retained->expiry);
    if (retained->expires_at_ms != 0)
        retention_at(core, &retained->expiry, retained->expires_at_ms, on_expiry, retained);
}

struct retained *retained_keep(struct core *core, struct message *message)
{
    struct retained *retained = retained_find(core, message->address);

    if (retained != NULL && retained->message == NULL) {
        retained_free(retained);
        retained = NULL;
    }
    if (retained != NULL) {
        retained_account(retained, -1);
        retained->is_transient = false;
        message_unref(&retained->message);
        retained->by_address.key = message->address;
        retained->ordered.address = message->address;
    } else {
        retained = mem_new(struct retained);
        retained_add(core, retained, message->address);
    }
    retained->message = message_ref(message);
    retained->number = ++core->retained_number;
    retained_account(retained, 1);
    retained_expires_as(retained, message);
    return retained;
}

void retained_keep_transient(struct core *core, struct message *message)
{
    struct retained *retained = retained_find(core, message->address);
    uint64_t number = retained == NULL ? 0 : retained->number;

    if (retained != NULL && !retained->is_transient)
        return;
    retained = retained_keep(core, message);
    retained_account(retained, -1);
    retained->is_transient = true;
    retained_account(retained, 1);
    if (number != 0) /* a walk that has begun gives this one */
        retained->number = number;
}

void retained_refused(const struct core *core, struct slice address)
{
    count_add(COUNT_CORE_RETAINED_REFUSED, 1);
    log_peer(LOG_WARNING, "core.retained_refused", "address=%s retained=%zu bytes=%llu",
             log_quote(address.at, address.len), (size_t)retain_count(core),
             (unsigned long long)core->retained_bytes);
}

enum rc retain_check(struct core *core, struct stream *stream, const struct message *message)
{
    const struct core_config *config = &core->config;
    const struct retained *before = retained_find(core, message->address);
    bool is_in_log = stream != NULL && tail_holds(stream, message);
    uint64_t bytes = core->retained_bytes;

    if (message->value.len == 0)
        return RC_OK;
    bytes += is_in_log ? message->address.len : size_of(message);
    if (before != NULL)
        bytes -= bytes_of(before);
    if ((before != NULL || config->retained_max == 0 ||
         retain_count(core) < config->retained_max) &&
        (config->retained_max_bytes == 0 || bytes <= config->retained_max_bytes))
        return RC_OK;
    retained_refused(core, message->address);
    return RC_LIMIT;
}

void retained_put(struct core *core, const struct message *message, enum durability durability)
{
    struct retained_key key = retained_key(message->address);

    text_clear(&core->scratch);
    message_encode(&core->scratch, message);
    core_put(core, META_RETAINED, slice_of(key.bytes, sizeof(key.bytes)),
             text_slice(&core->scratch), durability);
}

void retain_set(struct core *core, struct message *message, enum durability durability)
{
    struct retained *before;

    if (message->value.len > 0) {
        (void)retained_keep(core, message);
        if (!PLANTED("retained-unrecorded"))
            retained_put(core, message, durability);
        return;
    }
    before = retained_find(core, message->address);
    if (before == NULL || before->message == NULL)
        tail_forgets(core, message);
    else
        retained_drop(before);
}

bool retain_walk_begin(struct core *core, const struct filter *filter, struct retained_walk *walk)
{
    if (core->retained.count == 0 && list_is_empty(&core->tails))
        return false;
    *walk = (struct retained_walk){ .begun_after = core->retained_number };
    tails_begin(core, filter);
    return true;
}

void retain_walk_end(struct retained_walk *walk)
{
    text_done(&walk->from);
}

/* RC_NOT_FOUND: it is none that this walk gives. RC_RANGE: the log has it no more. */
static enum rc give(struct retained *retained, struct retained_walk *walk, struct cursor *cursor,
                    struct message **ret)
{
    enum rc rc;

    if (retained->number > walk->begun_after || !retained_is_live(retained))
        return RC_NOT_FOUND; /* newer ones came live */
    if (retained->message != NULL) {
        *ret = message_ref(retained->message);
        return RC_OK;
    }
    if (tail_entry_is_gone(retained))
        return RC_NOT_FOUND;
    rc = tail_entry_read(retained, cursor, ret);
    if (rc == RC_AGAIN)
        walk->wait = WALK_READS;
    return rc;
}

static enum rc look_on(struct core *core, const struct filter *filter, struct retained_walk *walk,
                       struct cursor *cursor, unsigned *left, struct message **ret)
{
    while (*left > 0) {
        struct ordered_node *node =
            ordered_match(&core->retained_ordered, filter, &walk->from, left);
        struct retained *retained;
        enum rc rc;

        if (walk->from.bad) { /* what it had is lost: rather twice than never */
            text_clear(&walk->from);
            return RC_MEMORY;
        }
        if (node == NULL)
            return *left > 0 ? RC_NOT_FOUND : RC_AGAIN;
        retained = CONTAINER_OF(node, struct retained, ordered);
        rc = give(retained, walk, cursor, ret);
        if (rc != RC_NOT_FOUND && rc != RC_RANGE)
            return rc;
        ordered_go_behind(&walk->from, node->address);
        if (rc == RC_RANGE)
            tail_entry_drop(retained);
    }
    return RC_AGAIN;
}

enum rc retain_walk_next(struct core *core, const struct filter *filter, struct retained_walk *walk,
                         struct cursor *cursor, struct message **ret)
{
    unsigned left = WALK_STEPS;
    enum rc rc;

    walk->looked = 0;
    walk->wait = WALK_LOADS;
    if (!walk->is_loaded && !tails_are_loaded(core, filter))
        return RC_AGAIN;
    walk->is_loaded = true;
    walk->wait = WALK_STEPS_OUT;
    rc = look_on(core, filter, walk, cursor, &left, ret);
    walk->looked = WALK_STEPS - left;
    return rc;
}

void retain_walk_pass(struct retained_walk *walk, const struct message *message)
{
    ordered_go_behind(&walk->from, message->address);
}

struct message *retain_get(struct core *core, struct slice address)
{
    struct retained *retained = retained_find(core, address);

    return retained == NULL || !retained_is_live(retained) ? NULL : retained->message;
}

uint64_t retain_count(const struct core *core)
{
    return core->retained.count - core->retained_transient;
}

static enum rc visit_retained(void *arg, struct slice key, struct slice value)
{
    struct message *message = message_decode(value);

    (void)key;
    if (message == NULL) {
        log_event(LOG_ERROR, "core.bad_retained", "bytes=%zu", value.len);
        return RC_CORRUPT;
    }
    (void)retained_keep(arg, message);
    message_unref(&message);
    return RC_OK;
}

enum rc retained_load(struct core *core)
{
    return meta_each(core->store, META_RETAINED, visit_retained, core);
}

void retained_done(struct core *core)
{
    while (core->retained.count > 0)
        retained_free(CONTAINER_OF(map_any(&core->retained), struct retained, by_address));
    map_done(&core->retained);
}
