/* SPDX-License-Identifier: Apache-2.0 */
/* How what is delayed lies in its bucket.
 *
 * The record's timestamp is when it is due. Its value:
 *
 *   version   u8    1: number and message alone, to be published to its address by nobody
 *   kind      u8    RECORD_ADDRESS, RECORD_EXCHANGE
 *   number    u64
 *   author    u8    whether there is one; then what author_write() writes
 *   priority  u8
 *   route     u32   its length; RECORD_EXCHANGE: exchange u16 length and bytes, the exchange it was
 *                   published to u16 and bytes, keys u32 and each u16 and bytes, header values
 *   message         message_encode() */
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/core/delayed_int.h"
#include "broker/core/exchange_int.h"
#include "broker/core/headers_match.h"
#include "broker/core/publish.h"

#define RECORD_FIRST    1
#define RECORD_VERSION  2
#define RECORD_ADDRESS  0
#define RECORD_EXCHANGE 1
#define RECORD_HEAD     64 /* all that has a fixed length, and some */

static enum rc read_head(struct rd *rd, const struct message *wrapped, struct delayed_key *ret,
                         unsigned *ret_version, unsigned *ret_kind)
{
    *rd = rd_of(wrapped->value);
    *ret_version = rd_u8(rd);
    *ret_kind = rd_u8(rd);
    ret->due_ms = wrapped->timestamp_ms;
    ret->number = rd_u64(rd);
    if (rd->bad || *ret_version < RECORD_FIRST || *ret_version > RECORD_VERSION ||
        *ret_kind > (*ret_version == RECORD_FIRST ? RECORD_ADDRESS : RECORD_EXCHANGE))
        return RC_CORRUPT;
    return RC_OK;
}

enum rc delayed_key_of(const struct message *wrapped, struct delayed_key *ret)
{
    unsigned version, kind;
    struct rd rd;

    return read_head(&rd, wrapped, ret, &version, &kind);
}

static bool is_routed(const struct message *wrapped)
{
    struct delayed_key key;
    unsigned version, kind;
    struct rd rd;

    return read_head(&rd, wrapped, &key, &version, &kind) == RC_OK && kind == RECORD_EXCHANGE;
}

static void write_route(struct text *to, const struct publish_exchange *route, struct slice asked)
{
    const struct slice *name = &route->exchange->spec.name;

    text_add_u16(to, (uint16_t)name->len);
    text_add(to, *name);
    text_add_u16(to, (uint16_t)asked.len);
    text_add(to, asked);
    text_add_u32(to, route->routing_key_count);
    for (unsigned i = 0; i < route->routing_key_count; i++) {
        text_add_u16(to, (uint16_t)route->routing_keys[i].len);
        text_add(to, route->routing_keys[i]);
    }
    header_values_write(to, route->headers, route->header_count);
}

struct message *delayed_wrap(const struct delayed_bucket *bucket, const struct delayed_key *key,
                             const struct author *author, const struct delayed_order *order)
{
    struct message_spec spec = { .address = stream_name(bucket->stream),
                                 .timestamp_ms = key->due_ms };
    const struct message *message = order->message;
    struct text value = { 0 };
    struct message *wrapped = NULL;
    size_t begin;

    text_reserve(&value, RECORD_HEAD + message->address.len + message->body.len);
    text_add_byte(&value, RECORD_VERSION);
    text_add_byte(&value, order->route == NULL ? RECORD_ADDRESS : RECORD_EXCHANGE);
    text_add_u64(&value, key->number);
    text_add_byte(&value, author != NULL);
    if (author != NULL)
        author_write(&value, author);
    text_add_byte(&value, message->priority);
    text_add_u32(&value, 0);
    begin = value.len;
    if (order->route != NULL)
        write_route(&value, order->route, order->asked);
    if (!value.bad)
        put_u32(value.at + begin - 4, (uint32_t)(value.len - begin));
    message_encode(&value, message);
    spec.value = text_slice(&value);
    if (!value.bad)
        wrapped = message_new(&spec);
    text_done(&value);
    return wrapped;
}

/* All but the message, which is what *ret_rest has left. */
static struct delayed_content *unwrap_head(const struct message *wrapped, struct rd *ret_rest)
{
    struct delayed_content *content = mem_new(struct delayed_content);
    struct slice route = SLICE_NONE;
    struct delayed_key key;
    unsigned version, kind;

    if (read_head(ret_rest, wrapped, &key, &version, &kind) != RC_OK) {
        ret_rest->bad = true;
        return content;
    }
    content->number = key.number;
    if (version >= RECORD_VERSION) {
        if (rd_u8(ret_rest) != 0)
            content->author = author_read(ret_rest);
        content->priority = rd_u8(ret_rest);
        route = rd_bytes(ret_rest, rd_u32(ret_rest));
    }
    if (kind == RECORD_EXCHANGE)
        content->route = mem_copy_text(route);
    content->route_len = route.len;
    return content;
}

struct delayed_content *delayed_unwrap(const struct message *wrapped)
{
    struct rd rest;
    struct delayed_content *content = unwrap_head(wrapped, &rest);

    if (!rest.bad)
        content->message = message_decode(rd_rest(&rest));
    if (content->message != NULL)
        content->message->priority = content->priority;
    return content;
}

void delayed_content_free(struct delayed_content **ref)
{
    struct delayed_content *content = *ref;

    *ref = NULL;
    if (content == NULL)
        return;
    message_unref(&content->message);
    author_free(&content->author);
    mem_free(content->route);
    mem_free(content);
}

struct slice delayed_route_names(const struct delayed_content *content, struct slice *ret_asked,
                                 struct rd *ret_rest)
{
    struct slice name;

    *ret_rest = rd_of(slice_of(content->route, content->route_len));
    name = rd_bytes(ret_rest, rd_u16(ret_rest));
    *ret_asked = rd_bytes(ret_rest, rd_u16(ret_rest));
    return ret_rest->bad ? SLICE_NONE : name;
}

struct exchange *delayed_exchange_of(struct core *core, const struct delayed_content *content)
{
    struct exchange *exchange;
    struct slice asked;
    struct rd rest;

    if (content->route == NULL)
        return NULL;
    exchange = exchange_find(core, delayed_route_names(content, &asked, &rest));
    return exchange != NULL && exchange->spec.is_delaying && exchange->born <= content->number
               ? exchange
               : NULL;
}

uint64_t delayed_born_of(struct core *core, const struct message *wrapped,
                         struct exchange **ret_exchange)
{
    struct delayed_content *content;
    struct rd rest;

    *ret_exchange = NULL;
    if (!is_routed(wrapped))
        return 0;
    content = unwrap_head(wrapped, &rest);
    if (!rest.bad)
        *ret_exchange = delayed_exchange_of(core, content);
    delayed_content_free(&content);
    return *ret_exchange == NULL ? DELAYED_BORN_GONE : (*ret_exchange)->born;
}

/* RC_CORRUPT, RC_MEMORY. *ret owns its keys and headers in any case. */
static enum rc read_route(const struct delayed_content *content, struct publish_exchange *ret,
                          struct slice *ret_asked)
{
    struct slice *keys;
    struct header_value *values;
    struct rd rd;

    (void)delayed_route_names(content, ret_asked, &rd);
    ret->routing_key_count = (unsigned)rd_count(&rd, rd_u32(&rd), 2);
    ret->routing_keys = keys = mem_try(ret->routing_key_count * sizeof(*keys) + 1);
    if (keys == NULL)
        return RC_MEMORY;
    for (unsigned i = 0; i < ret->routing_key_count; i++)
        keys[i] = rd_bytes(&rd, rd_u16(&rd));
    ret->header_count = (unsigned)rd_count(&rd, rd_u32(&rd), 4);
    ret->headers = values = mem_try(ret->header_count * sizeof(*values) + 1);
    if (values == NULL)
        return RC_MEMORY;
    for (unsigned i = 0; i < ret->header_count; i++)
        header_value_read(&rd, &values[i]);
    return rd.bad || ret->routing_key_count == 0 ? RC_CORRUPT : RC_OK;
}

enum rc delayed_publish_content(struct client *client, const struct delayed_content *content)
{
    struct message *message = message_ref(content->message);
    struct publish_exchange publish = { .exchange = NULL };
    struct slice asked;
    enum rc rc;

    if (content->route == NULL)
        return publish_address(client, &message);
    publish.exchange = delayed_exchange_of(client_core(client), content);
    rc = publish.exchange == NULL ? RC_NOT_FOUND : read_route(content, &publish, &asked);
    if (rc == RC_OK)
        rc = publish_due(client, &publish, asked, &message);
    message_unref(&message);
    mem_free((void *)(uintptr_t)publish.routing_keys);
    mem_free((void *)(uintptr_t)publish.headers);
    return rc;
}
