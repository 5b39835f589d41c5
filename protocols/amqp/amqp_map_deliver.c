/* SPDX-License-Identifier: Apache-2.0 */
/* Core to AMQP: the native block when it still holds, else properties made from the view headers.
 */
#include <inttypes.h>
#include <stdio.h>

#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/base/utf8.h"
#include "broker/core/core.h"
#include "broker/core/name.h"
#include "broker/core/queue.h"
#include "broker/record/record.h"
#include "protocols/amqp/amqp_map_int.h"
#include "protocols/amqp/amqp_table.h"

#define SHARED_EXCHANGE "amq.topic"
#define SHORTSTR_MAX    255
/* Above this many, headers of one name stay apart: joining them compares each with each. */
#define JOIN_MAX 64

void amqp_view_init(struct amqp_view *view)
{
    *view = (struct amqp_view){ 0 };
}

void amqp_view_done(struct amqp_view *view)
{
    text_done(&view->built);
    text_done(&view->counted);
    text_done(&view->key);
    text_done(&view->reply_to);
    amqp_view_init(view);
}

/* ---- the native block ---- */

/* What a first walk over the headers finds. */
struct found {
    struct slice block;       /* value of amqp.props */
    struct slice covered;     /* what its check covers: all behind it but core's own address */
    struct slice exchange;    /* none: not there */
    struct slice routing_key; /* none: not there */
};

static void find(const struct message *m, struct found *ret)
{
    struct rd rd = rd_of(m->headers);
    struct record_header h;
    const uint8_t *begin = rd.at;

    *ret = (struct found){ 0 };
    for (; record_header_next(&rd, &h) == RC_OK; begin = rd.at) {
        if (h.name.len < 10 || h.name.len > 16) /* amqp.props is the shortest of these names */
            continue;
        if (slice_is_none(ret->block) && slice_equal_str(h.name, HEADER_AMQP_PROPS)) {
            ret->block = h.value;
            ret->covered = slice_of(rd.at, rd.left);
        } else if (slice_equal_str(h.name, HEADER_AMQP_EXCHANGE)) {
            ret->exchange = h.value;
        } else if (slice_equal_str(h.name, HEADER_AMQP_ROUTING_KEY)) {
            ret->routing_key = h.value;
        } else if (rd.left == 0 && slice_equal_str(h.name, HEADER_ADDRESS) &&
                   !slice_is_none(ret->block)) {
            ret->covered.len = (size_t)(begin - ret->covered.at);
        }
    }
}

static bool native(struct core *core, const struct found *f, struct slice *ret)
{
    struct amqp_properties unused;
    struct rd rd = rd_of(f->block);
    uint64_t check = rd_u64(&rd);
    struct slice properties = rd_rest(&rd);

    if (rd.bad || slice_is_none(f->exchange) || slice_is_none(f->routing_key) ||
        f->exchange.len > SHORTSTR_MAX || f->routing_key.len > SHORTSTR_MAX ||
        check != amqp_native_check(core, f->covered) ||
        amqp_decode_properties(properties, &unused) != RC_OK)
        return false;
    *ret = properties;
    return true;
}

/* ---- from the view headers ---- */

struct foreign {
    struct core *core;
    const struct message *m;
    struct amqp_view *view;
    struct amqp_properties p;
    struct slice types;        /* of amqp.types; none: all are text */
    struct slice content_type; /* those that do not fit their property; none: they do */
    struct slice encoding;
    struct slice correlation_id;
    struct slice reply_topic;
    struct slice retain;
    struct slice user_id;
    struct slice format;
    uint32_t user_count;
    char expiration[24];
    bool is_address_cut;
    bool has_headers; /* false: they would not fit in a frame */
};

static bool is_short_text(struct slice s)
{
    return !slice_is_none(s) && s.len <= SHORTSTR_MAX && utf8_is_valid(s);
}

static void set_flag(struct foreign *f, enum amqp_property property)
{
    f->p.flags = (uint16_t)(f->p.flags | 0x8000u >> property);
}

/* A view header that is a short string property of AMQP, and where it goes when it does not fit. */
static const struct short_view {
    const char *name;
    enum amqp_property property;
    size_t offset;      /* in struct amqp_properties */
    size_t long_offset; /* in struct foreign; 0: a user header then */
} short_views[] = {
#define SHORT(name, FLAG, field, spare)                                            \
    {                                                                              \
        name, AMQP_PROPERTY_##FLAG, offsetof(struct amqp_properties, field), spare \
    }
    SHORT(HEADER_CONTENT_TYPE, CONTENT_TYPE, content_type, offsetof(struct foreign, content_type)),
    SHORT(HEADER_CONTENT_ENCODING, CONTENT_ENCODING, content_encoding,
          offsetof(struct foreign, encoding)),
    SHORT(HEADER_CORRELATION_ID, CORRELATION_ID, correlation_id,
          offsetof(struct foreign, correlation_id)),
    SHORT(AMQP_VIEW_MESSAGE_ID, MESSAGE_ID, message_id, 0),
    SHORT(AMQP_VIEW_TYPE, TYPE, type, 0),
    SHORT(AMQP_VIEW_APP_ID, APP_ID, app_id, 0),
    SHORT(AMQP_VIEW_CLUSTER_ID, CLUSTER_ID, cluster_id, 0),
#undef SHORT
};

/* True when the header is one of these and was taken. */
static bool take_short(struct foreign *f, const struct record_header *h)
{
    for (size_t i = 0; i < sizeof(short_views) / sizeof(short_views[0]); i++) {
        const struct short_view *row = &short_views[i];

        if (!slice_equal_str(h->name, row->name))
            continue;
        if ((f->p.flags & 0x8000u >> row->property) != 0)
            return false; /* a second one is the user's */
        if (is_short_text(h->value)) {
            *(struct slice *)(void *)((uint8_t *)&f->p + row->offset) = h->value;
            set_flag(f, row->property);
            return true;
        }
        if (row->long_offset == 0 || slice_is_none(h->value))
            return false;
        *(struct slice *)(void *)((uint8_t *)f + row->long_offset) = h->value;
        return true;
    }
    return false;
}

/* Numbers: 8-bit ones and AMQP's own timestamp. */
static bool take_number(struct foreign *f, const struct record_header *h)
{
    uint64_t n;

    if (slice_equal_str(h->name, HEADER_AMQP_MODE) && number_u64(h->value, 1, 2, &n) == RC_OK)
        f->p.delivery_mode = (uint8_t)n;
    else if (slice_equal_str(h->name, AMQP_VIEW_PRIORITY) &&
             number_u64(h->value, 0, UINT8_MAX, &n) == RC_OK) {
        f->p.priority = (uint8_t)n;
        set_flag(f, AMQP_PROPERTY_PRIORITY);
    } else if (slice_equal_str(h->name, AMQP_VIEW_TIMESTAMP) &&
               number_u64(h->value, 0, UINT64_MAX, &n) == RC_OK) {
        f->p.timestamp = n;
        set_flag(f, AMQP_PROPERTY_TIMESTAMP);
    } else {
        return false;
    }
    return true;
}

/* Told otherwise, or meant for one protocol alone: no user header. */
static bool take_known(struct foreign *f, const struct record_header *h)
{
    static const char *const silent[] = {
        HEADER_AMQP_PROPS,       HEADER_MQTT_PROPS, HEADER_AMQP_EXCHANGE,
        HEADER_AMQP_ROUTING_KEY, HEADER_ADDRESS,    HEADER_EXPIRES_AT,
        HEADER_MQTT_QOS,         HEADER_BRIDGE,     HEADER_SOURCE,
    };

    for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
        if (slice_equal_str(h->name, silent[i]))
            return true;
    }
    if (slice_equal_str(h->name, HEADER_AMQP_TYPES))
        f->types = h->value;
    else if (slice_equal_str(h->name, HEADER_MQTT_RETAIN))
        f->retain = h->value;
    else if (slice_equal_str(h->name, HEADER_MQTT_FORMAT))
        f->format = h->value;
    else if (slice_equal_str(h->name, HEADER_USER_ID) && slice_is_none(f->user_id))
        f->user_id = h->value; /* a header, not the property: nobody here has checked it */
    else if (slice_equal_str(h->name, HEADER_REPLY_TO) && slice_is_none(f->reply_topic))
        f->reply_topic = h->value;
    else
        return take_short(f, h) || take_number(f, h);
    return true;
}

/* A queue's address is shown as the queue; any other as a name that leads back to the address. */
static enum rc map_reply_to(struct foreign *f)
{
    struct text *scratch = &f->view->reply_to;
    struct slice name, key;
    struct text spelled = { 0 };
    enum rc rc = RC_OK;

    if (slice_is_none(f->reply_topic))
        return RC_OK;
    if (name_to_queue(f->reply_topic, scratch, &name) == RC_OK && name.len <= SHORTSTR_MAX &&
        utf8_is_valid(name) && queue_find(f->core, name) != NULL) {
        f->p.reply_to = name;
        f->reply_topic = SLICE_NONE;
        set_flag(f, AMQP_PROPERTY_REPLY_TO);
        goto out;
    }
    rc = name_to_amqp_key(f->reply_topic, amqp_dots(f->core), &spelled, &key);
    if (rc != RC_OK)
        goto out;
    text_clear(scratch);
    text_add(scratch, SLICE(AMQP_REPLY_ADDRESS_PREFIX));
    text_add(scratch, key);
    if (is_short_text(text_slice(scratch))) {
        f->p.reply_to = text_slice(scratch);
        set_flag(f, AMQP_PROPERTY_REPLY_TO);
    }
    rc = scratch->bad ? RC_MEMORY : RC_OK;
out:
    text_done(&spelled);
    return rc;
}

static void map_expiration(struct foreign *f)
{
    int64_t now = core_wall_ms(f->core), at = f->m->expires_at_ms;
    int n;

    if (at == 0)
        return;
    n = snprintf(f->expiration, sizeof(f->expiration), "%" PRId64, at > now ? at - now : 0);
    f->p.expiration = slice_of(f->expiration, (size_t)n);
    set_flag(f, AMQP_PROPERTY_EXPIRATION);
}

static enum rc gather(struct foreign *f)
{
    struct rd rd = rd_of(f->m->headers);
    struct record_header h;
    enum rc rc;

    while (record_header_next(&rd, &h) == RC_OK) {
        if (!take_known(f, &h))
            f->user_count++;
    }
    if (f->types.len != f->user_count)
        f->types = SLICE_NONE;
    rc = map_reply_to(f);
    if (rc != RC_OK)
        return rc;
    map_expiration(f);
    if (f->p.delivery_mode == 0)
        f->p.delivery_mode = f->m->qos > 0 ? 2 : 1;
    set_flag(f, AMQP_PROPERTY_DELIVERY_MODE);
    return RC_OK;
}

/* ---- the headers table ---- */

/* A name as a table key: its first 255 bytes, whole characters. */
static struct slice table_key(struct slice name)
{
    if (name.len > SHORTSTR_MAX) {
        name.len = SHORTSTR_MAX;
        while (name.len > 0 && (name.at[name.len] & 0xc0) == 0x80)
            name.len--;
    }
    return slice_is_none(name) ? SLICE("") : name;
}

/* The same of a user's header, without what was written before a name that means something. */
static struct slice user_key(struct slice name)
{
    if (slice_starts(name, SLICE(AMQP_USER_ESCAPE)) && amqp_is_view_name(name))
        name = slice_after(name, sizeof(AMQP_USER_ESCAPE) - 1);
    return table_key(name);
}

/* A value whose type AMQP had told; false when it does not read so (any more). */
static bool put_typed(struct wr *w, struct slice key, struct slice value, enum amqp_type type)
{
    int64_t n;

    if (type == AMQP_BOOL && (slice_equal_str(value, "true") || slice_equal_str(value, "false"))) {
        amqp_put_bool(w, key, value.len == 4);
        return true;
    }
    if ((type == AMQP_I64 || type == AMQP_I64_TOO || type == AMQP_TIME) &&
        number_i64(value, INT64_MIN, INT64_MAX, &n) == RC_OK) {
        uint8_t raw[8];

        put_u64(raw, (uint64_t)n);
        amqp_put_raw(w, key, type, slice_of(raw, 8));
        return true;
    }
    if (type == AMQP_I32 && number_i64(value, INT32_MIN, INT32_MAX, &n) == RC_OK) {
        uint8_t raw[4];

        put_u32(raw, (uint32_t)n);
        amqp_put_raw(w, key, type, slice_of(raw, 4));
        return true;
    }
    if (strchr("bBsui", (int)type) != NULL &&
        number_i64(value, INT64_MIN, INT64_MAX, &n) == RC_OK) {
        amqp_put_i64(w, key, n); /* the width is lost, the value is not */
        return true;
    }
    return false;
}

static void put_value(struct wr *w, struct slice key, struct slice value, enum amqp_type type)
{
    if (slice_is_none(value))
        amqp_put_void(w, key);
    else if (type != AMQP_TEXT && type != AMQP_BYTES && put_typed(w, key, value, type))
        return;
    else if (type == AMQP_BYTES || !utf8_is_valid(value))
        amqp_put_bytes(w, key, value);
    else
        amqp_put_text(w, key, value);
}

/* Steps to the next user header. Taking again what take_known() took before changes nothing that
 * matters: it is asked on a copy. */
static bool next_user(struct foreign *probe, struct rd *rd, struct record_header *h)
{
    while (record_header_next(rd, h) == RC_OK) {
        if (!take_known(probe, h))
            return true;
    }
    return false;
}

static struct foreign probe_of(const struct foreign *f)
{
    return (struct foreign){ .core = f->core, .m = f->m, .view = f->view };
}

/* Whether a header before the one numbered `at` has this name. */
static bool was_before(const struct foreign *f, struct slice name, uint32_t at)
{
    struct foreign probe = probe_of(f);
    struct rd rd = rd_of(f->m->headers);
    struct record_header h;

    for (uint32_t i = 0; i < at && next_user(&probe, &rd, &h); i++) {
        if (slice_equal(h.name, name))
            return true;
    }
    return false;
}

static uint32_t count_from(const struct foreign *f, struct slice name)
{
    struct foreign probe = probe_of(f);
    struct rd rd = rd_of(f->m->headers);
    struct record_header h;
    uint32_t count = 0;

    while (next_user(&probe, &rd, &h))
        count += slice_equal(h.name, name);
    return count;
}

static enum amqp_type type_of(const struct foreign *f, uint32_t index)
{
    return slice_is_none(f->types) ? AMQP_TEXT : (enum amqp_type)f->types.at[index];
}

/* All values of one name as one array. */
static void put_joined(struct wr *w, const struct foreign *f, struct slice name)
{
    struct foreign probe = probe_of(f);
    struct rd rd = rd_of(f->m->headers);
    struct record_header h;
    size_t begin = amqp_put_open(w, user_key(name), AMQP_ARRAY);

    for (uint32_t i = 0; next_user(&probe, &rd, &h); i++) {
        if (slice_equal(h.name, name))
            put_value(w, SLICE_NONE, h.value, type_of(f, i));
    }
    amqp_table_end(w, begin);
}

static void put_user_headers(struct wr *w, const struct foreign *f)
{
    struct foreign probe = probe_of(f);
    struct rd rd = rd_of(f->m->headers);
    struct record_header h;

    for (uint32_t i = 0; next_user(&probe, &rd, &h); i++) {
        if (f->user_count > JOIN_MAX || (i == 0 && f->user_count == 1))
            put_value(w, user_key(h.name), h.value, type_of(f, i));
        else if (was_before(f, h.name, i))
            continue;
        else if (count_from(f, h.name) > 1)
            put_joined(w, f, h.name);
        else
            put_value(w, user_key(h.name), h.value, type_of(f, i));
    }
}

/* What has no property of its own. */
static void put_extra_headers(struct wr *w, const struct foreign *f)
{
    struct slice key = f->m->key;

    if (!slice_is_none(key) && !slice_equal(key, name_subject(f->m->address)))
        amqp_put_bytes(w, SLICE(AMQP_HEADER_KAFKA_KEY), key);
    if (slice_is_none(f->m->value))
        amqp_put_bool(w, SLICE(AMQP_HEADER_KAFKA_NULL), true);
    if (!AMQP_HAS(&f->p, TIMESTAMP))
        amqp_put_i64(w, SLICE(AMQP_HEADER_TIMESTAMP_MS), f->m->timestamp_ms);
    if (!slice_is_none(f->content_type))
        put_value(w, SLICE(AMQP_HEADER_CONTENT_TYPE), f->content_type, AMQP_TEXT);
    if (!slice_is_none(f->encoding))
        put_value(w, SLICE(AMQP_HEADER_ENCODING), f->encoding, AMQP_TEXT);
    if (!slice_is_none(f->correlation_id))
        amqp_put_bytes(w, SLICE(AMQP_HEADER_CORRELATION_ID), f->correlation_id);
    if (!slice_is_none(f->reply_topic))
        put_value(w, SLICE(AMQP_HEADER_REPLY_TOPIC), f->reply_topic, AMQP_TEXT);
    if (!slice_is_none(f->retain))
        amqp_put_bool(w, SLICE(AMQP_HEADER_RETAIN), slice_equal_str(f->retain, "1"));
    if (!slice_is_none(f->format))
        put_value(w, SLICE(AMQP_HEADER_FORMAT), f->format, AMQP_TEXT);
    if (!slice_is_none(f->user_id))
        put_value(w, SLICE(HEADER_USER_ID), f->user_id, AMQP_TEXT);
    if (f->is_address_cut)
        put_value(w, SLICE(AMQP_HEADER_ADDRESS), f->m->address, AMQP_TEXT);
}

/* The flags and the properties around the headers table, which is written where it stands. */
static void put_properties(struct wr *w, struct foreign *f)
{
    struct amqp_properties p = f->p;

    if (f->has_headers) {
        /* Two lists of one format: what comes before the table, the table, what comes behind. */
        struct amqp_properties before = p, behind = p;
        uint16_t flags = (uint16_t)(p.flags | AMQP_FLAG(HEADERS));
        size_t start = w->len, begin;

        before.flags = p.flags & (uint16_t)(AMQP_FLAG(CONTENT_TYPE) | AMQP_FLAG(CONTENT_ENCODING));
        behind.flags = (uint16_t)(p.flags & ~before.flags);
        amqp_encode_properties(w, &before);
        begin = amqp_table_begin(w);
        put_user_headers(w, f);
        put_extra_headers(w, f);
        amqp_table_end(w, begin);
        amqp_encode_property_list(w, &behind);
        if (w->at != NULL && !w->bad) {
            w->at[start] = (uint8_t)(flags >> 8);
            w->at[start + 1] = (uint8_t)flags;
        }
        return;
    }
    amqp_encode_properties(w, &p);
}

static enum rc map_route(struct foreign *f, const struct found *found)
{
    struct amqp_view *view = f->view;
    enum rc rc;

    if (is_short_text(found->exchange) && is_short_text(found->routing_key)) {
        view->exchange = found->exchange;
        view->routing_key = found->routing_key;
        return RC_OK;
    }
    view->exchange = SLICE(SHARED_EXCHANGE);
    rc = name_to_amqp_key(f->m->address, amqp_dots(f->core), &view->key, &view->routing_key);
    f->is_address_cut = rc == RC_OK && view->routing_key.len > SHORTSTR_MAX;
    if (f->is_address_cut)
        view->routing_key = table_key(view->routing_key);
    return rc;
}

static enum rc make(struct foreign *f, const struct found *found, size_t max_bytes)
{
    struct text *built = &f->view->built;
    struct wr counting = wr_counting(), w;
    enum rc rc;

    rc = map_route(f, found);
    if (rc == RC_OK)
        rc = gather(f);
    if (rc != RC_OK)
        return rc;
    f->has_headers = true;
    put_properties(&counting, f);
    if (counting.len > max_bytes) {
        f->has_headers = false;
        counting = wr_counting();
        put_properties(&counting, f);
    }
    text_clear(built);
    if (!text_reserve(built, counting.len))
        return RC_MEMORY;
    w = wr_of(built->at, counting.len);
    put_properties(&w, f);
    ASSERT(!w.bad);
    f->view->properties = wr_slice(&w);
    return RC_OK;
}

enum rc amqp_view_of(struct amqp_view *view, struct core *core, const struct message *m,
                     size_t max_bytes)
{
    struct found found;
    struct foreign f;

    find(m, &found);
    if (!slice_is_none(found.block) && native(core, &found, &view->properties) &&
        view->properties.len <= max_bytes) {
        view->exchange = found.exchange;
        view->routing_key = found.routing_key;
        return RC_OK;
    }
    f = (struct foreign){ .core = core, .m = m, .view = view };
    return make(&f, &found, max_bytes);
}

enum rc amqp_view_add_count(struct amqp_view *view, uint32_t delivery_count)
{
    struct slice name = SLICE(AMQP_HEADER_DELIVERY_COUNT), key;
    struct amqp_properties p;
    struct amqp_value v;
    size_t room = view->properties.len * 2 + name.len + 32; /* the table, and all again */
    struct text counted = { 0 }; /* what is read may lie in the old one */
    struct wr w;

    if (amqp_decode_properties(view->properties, &p) != RC_OK)
        return RC_MALFORMED;
    if (!text_reserve(&counted, room * 2))
        return RC_MEMORY;
    w = wr_of(counted.at, counted.room);
    for (struct rd r = rd_of(p.headers); amqp_table_next(&r, &key, &v);) {
        if (!slice_equal(key, name))
            amqp_put_raw(&w, key, v.type, v.raw);
    }
    amqp_put_i64(&w, name, delivery_count);
    p.headers = wr_slice(&w);
    p.flags = (uint16_t)(p.flags | AMQP_FLAG(HEADERS));
    view->properties = slice_of(w.at + w.len, 0);
    amqp_encode_properties(&w, &p);
    ASSERT(!w.bad);
    view->properties.len = (size_t)(w.at + w.len - view->properties.at);
    text_done(&view->counted);
    view->counted = counted;
    return RC_OK;
}
