/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/base/wire.h"
#include "broker/core/filter.h"
#include "broker/core/retain_int.h"
#include "broker/core/retention.h"
#include "broker/record/record.h"

struct retained {
    struct map_node by_address; /* borrows the address of the message */
    struct message *message;    /* owned reference */
    struct core *core;          /* borrowed */
    struct deadline expiry;     /* of retention_at(), when the message has one */
};

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

static void retained_free(struct core *core, struct retained *retained)
{
    retention_cancel(core, &retained->expiry);
    map_remove(&core->retained, &retained->by_address);
    message_unref(&retained->message);
    mem_free(retained);
}

static bool is_live(struct core *core, const struct message *message)
{
    return message->expires_at_ms == 0 || message->expires_at_ms > core_wall_ms(core);
}

static void on_expiry(void *arg)
{
    struct retained *retained = arg;
    struct core *core = retained->core;
    struct retained_key key = retained_key(retained->message->address);

    if (is_live(core, retained->message)) { /* the wall clock was put back */
        retention_at(core, &retained->expiry, retained->message->expires_at_ms, on_expiry,
                     retained);
        return;
    }
    retained_free(core, retained);
    core_delete(core, META_RETAINED, slice_of(key.bytes, sizeof(key.bytes)));
}

static struct retained *find(struct core *core, struct slice address)
{
    struct map_node *node = map_get(&core->retained, address);

    return node == NULL ? NULL : CONTAINER_OF(node, struct retained, by_address);
}

static void keep(struct core *core, struct message *message)
{
    struct retained *retained = find(core, message->address);

    if (retained != NULL) {
        map_remove(&core->retained, &retained->by_address);
        message_unref(&retained->message);
    } else {
        retained = mem_new(struct retained);
        retained->core = core;
    }
    retained->message = message_ref(message);
    map_add(&core->retained, message->address, &retained->by_address);
    retention_cancel(core, &retained->expiry);
    if (message->expires_at_ms != 0)
        retention_at(core, &retained->expiry, message->expires_at_ms, on_expiry, retained);
}

void retain_set(struct core *core, struct message *message, enum durability durability)
{
    struct retained_key key = retained_key(message->address);
    struct retained *before;

    if (message->value.len > 0) {
        keep(core, message);
        if (PLANTED("retained-unrecorded"))
            return;
        text_clear(&core->scratch);
        message_encode(&core->scratch, message);
        core_put(core, META_RETAINED, slice_of(key.bytes, sizeof(key.bytes)),
                 text_slice(&core->scratch), durability);
        return;
    }
    before = find(core, message->address);
    if (before == NULL)
        return;
    retained_free(core, before);
    core_delete(core, META_RETAINED, slice_of(key.bytes, sizeof(key.bytes)));
}

void retain_each(struct core *core, const struct filter *filter, retain_visit_fn *visit, void *arg)
{
    if (filter_is_literal(filter)) {
        struct message *message = retain_get(core, filter_address(filter));

        if (message != NULL)
            visit(arg, message);
        return;
    }
    MAP_EACH (node, &core->retained) {
        struct message *message = CONTAINER_OF(node, struct retained, by_address)->message;

        if (filter_matches(filter, message->address) && is_live(core, message))
            visit(arg, message);
    }
}

struct message *retain_get(struct core *core, struct slice address)
{
    struct retained *retained = find(core, address);

    return retained == NULL || !is_live(core, retained->message) ? NULL : retained->message;
}

uint64_t retain_count(const struct core *core)
{
    return core->retained.count;
}

static enum rc visit_retained(void *arg, struct slice key, struct slice value)
{
    struct message *message = message_decode(value);

    (void)key;
    if (message == NULL) {
        log_event(LOG_ERROR, "core.bad_retained", "bytes=%zu", value.len);
        return RC_CORRUPT;
    }
    keep(arg, message);
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
        retained_free(core, CONTAINER_OF(map_any(&core->retained), struct retained, by_address));
    map_done(&core->retained);
}
