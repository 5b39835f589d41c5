/* SPDX-License-Identifier: Apache-2.0 */
/* Bindings in the catalogue. */
#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/core/exchange_int.h"
#include "broker/core/headers_match.h"
#include "broker/core/queue_int.h"

/* ---- the identity ---- */

bool binding_is_durable(const struct binding *binding)
{
    bool is_destination_durable =
        binding->queue != NULL ? binding->queue->spec.is_durable && binding->queue->owner == NULL
                               : binding->destination->spec.is_durable;

    return binding->source->spec.is_durable && is_destination_durable;
}

/* source, destination, key: u16 length and bytes each; kind u8 (1: queue); arguments u32 length and
 * bytes */
void binding_identity(const struct binding_spec *spec, struct text *out)
{
    struct slice destination =
        spec->queue != NULL ? spec->queue->spec.name : spec->destination->spec.name;

    text_add_u16(out, (uint16_t)spec->source->spec.name.len);
    text_add(out, spec->source->spec.name);
    text_add_u16(out, (uint16_t)destination.len);
    text_add(out, destination);
    text_add_u16(out, (uint16_t)spec->key.len);
    text_add(out, spec->key);
    text_add_byte(out, spec->queue != NULL);
    text_add_u32(out, (uint32_t)spec->arguments.len);
    text_add(out, spec->arguments);
}

/* Takes the identity apart again: see binding_identity(). */
void binding_spec_of(const struct binding *binding, struct binding_spec *ret)
{
    struct rd rd = rd_of(slice_of(binding->identity, binding->identity_len));

    *ret = (struct binding_spec){ .source = binding->source,
                                  .queue = binding->queue,
                                  .destination = binding->destination };
    (void)rd_bytes(&rd, rd_u16(&rd));
    (void)rd_bytes(&rd, rd_u16(&rd));
    ret->key = rd_bytes(&rd, rd_u16(&rd));
    (void)rd_u8(&rd);
    ret->arguments = rd_bytes(&rd, rd_u32(&rd));
    ASSERT(!rd.bad && rd.left == 0);
}

/* ---- header values ---- */

void header_values_write(struct text *out, const struct header_value *values, unsigned count)
{
    text_add_u32(out, count);
    for (unsigned i = 0; i < count; i++) {
        const struct header_value *value = &values[i];
        uint64_t bits = 0;

        text_add_u16(out, (uint16_t)value->name.len);
        text_add(out, value->name);
        text_add_byte(out, (uint8_t)value->kind);
        if (value->kind == HEADER_TEXT || value->kind == HEADER_BYTES ||
            value->kind == HEADER_OTHER) {
            text_add_u32(out, (uint32_t)value->as.bytes.len);
            text_add(out, value->as.bytes);
            continue;
        }
        if (value->kind == HEADER_BOOL)
            bits = value->as.yes;
        else if (value->kind == HEADER_REAL)
            memcpy(&bits, &value->as.real, sizeof(bits));
        else if (value->kind != HEADER_VOID)
            bits = (uint64_t)value->as.integer;
        text_add_u64(out, bits);
    }
}

void header_value_read(struct rd *rd, struct header_value *value)
{
    value->name = rd_bytes(rd, rd_u16(rd));
    value->kind = (enum header_kind)rd_u8(rd);
    if (value->kind == HEADER_TEXT || value->kind == HEADER_BYTES || value->kind == HEADER_OTHER) {
        value->as.bytes = rd_bytes(rd, rd_u32(rd));
        return;
    }
    value->as.integer = rd_i64(rd);
    if (value->kind == HEADER_BOOL)
        value->as.yes = value->as.integer != 0;
    else if (value->kind == HEADER_REAL) {
        uint64_t bits = (uint64_t)value->as.integer;

        memcpy(&value->as.real, &bits, sizeof(bits));
    }
}

/* ---- the row: identity; the arguments once more as neutral values, which is what a restart can
 * ---- read; the numbers of source and destination, u64 each ---- */

/* A row outlives what it binds by some turns (binding_end.c), and another of that name may be there
 * by then: its number differs. Rows and ends of older versions have none, which is 0. */

struct binding_key_bytes {
    uint8_t bytes[16];
};

static struct binding_key_bytes binding_meta_key(const struct binding *binding)
{
    struct slice identity = slice_of(binding->identity, binding->identity_len);
    struct binding_key_bytes key;

    put_u64(key.bytes, hash_checksum(identity, 1));
    put_u64(key.bytes + 8, hash_checksum(identity, 2));
    return key;
}

void binding_record(const struct binding *binding, const struct binding_spec *spec)
{
    struct text *out = &binding->source->core->scratch;
    struct binding_key_bytes key = binding_meta_key(binding);

    text_clear(out);
    text_add(out, slice_of(binding->identity, binding->identity_len));
    header_values_write(out, spec->headers, spec->header_count);
    text_add_u64(out, binding->source->inbound.number);
    text_add_u64(out, binding_inbound(binding)->number);
    core_put(binding->source->core, META_BINDINGS, slice_of(key.bytes, sizeof(key.bytes)),
             text_slice(out), DURABILITY_ALWAYS);
}

void binding_record_delete(const struct binding *binding)
{
    struct binding_key_bytes key = binding_meta_key(binding);

    core_delete(binding->source->core, META_BINDINGS, slice_of(key.bytes, sizeof(key.bytes)));
}

void binding_record_sweep(const struct binding *binding)
{
    struct core *core = binding->source->core;
    struct binding_key_bytes key = binding_meta_key(binding);

    if (binding_is_durable(binding) && !core->is_ending)
        core_took_unawaited(core,
                            meta_delete(core->store, META_BINDINGS,
                                        slice_of(key.bytes, sizeof(key.bytes)), DURABILITY_MEMORY));
}

/* ---- loading ---- */

/* Are those that it is of still there? */
static bool has_ends(const struct binding_spec *spec, uint64_t source, uint64_t destination)
{
    if (spec->source == NULL || spec->source->inbound.number != source)
        return false;
    if (spec->queue != NULL)
        return spec->queue->inbound.number == destination;
    return spec->destination != NULL && spec->destination->inbound.number == destination;
}

static enum rc visit_binding(void *arg, struct slice key, struct slice value)
{
    struct core *core = arg;
    struct rd rd = rd_of(value);
    struct slice source = rd_bytes(&rd, rd_u16(&rd));
    struct slice destination = rd_bytes(&rd, rd_u16(&rd));
    struct binding_spec spec = { .source = exchange_find(core, source) };
    uint64_t source_number = 0, destination_number = 0;
    struct header_value *values;
    enum rc rc = RC_OK;

    spec.key = rd_bytes(&rd, rd_u16(&rd));
    if (rd_u8(&rd) != 0)
        spec.queue = queue_find(core, destination);
    else
        spec.destination = exchange_find(core, destination);
    spec.arguments = rd_bytes(&rd, rd_u32(&rd));
    spec.header_count = (unsigned)rd_count(&rd, rd_u32(&rd), 4);
    if (rd.bad)
        return RC_CORRUPT;
    values = mem_new_array(struct header_value, spec.header_count);
    for (unsigned i = 0; i < spec.header_count; i++)
        header_value_read(&rd, &values[i]);
    spec.headers = values;
    if (rd.left > 0) {
        source_number = rd_u64(&rd);
        destination_number = rd_u64(&rd);
    }
    if (rd.bad)
        rc = RC_CORRUPT;
    else if (has_ends(&spec, source_number, destination_number))
        rc = binding_load(&spec);
    else
        core_stray(core, META_BINDINGS, key);
    mem_free(values);
    return rc;
}

enum rc bindings_load(struct core *core)
{
    return meta_each(core->store, META_BINDINGS, visit_binding, core);
}
