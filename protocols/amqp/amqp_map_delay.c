/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP to core: the header x-delay. */
#include "broker/base/number.h"
#include "broker/core/core.h"
#include "protocols/amqp/amqp_map_int.h"
#include "protocols/amqp/amqp_table.h"

#define DELAY_REAL_MAX 9e18 /* that an int64_t holds */

/* RC_INVALID: it is no number. */
static enum rc delay_of(const struct amqp_value *v, int64_t *ret)
{
    if (amqp_value_is_integer(v))
        *ret = v->integer;
    else if (v->type == AMQP_TEXT) /* clients without integers in headers send it so */
        return number_i64(v->bytes, INT64_MIN, INT64_MAX, ret);
    else if ((v->type == AMQP_DOUBLE || v->type == AMQP_FLOAT) && v->real > -DELAY_REAL_MAX &&
             v->real < DELAY_REAL_MAX)
        *ret = (int64_t)v->real;
    else
        return RC_INVALID;
    return RC_OK;
}

static void put_negated(struct wr *w, struct slice name, uint64_t delay_ms)
{
    uint8_t raw[4];

    put_u32(raw, (uint32_t) - (int64_t)delay_ms);
    if (delay_ms > INT32_MAX)
        amqp_put_i64(w, name, -(int64_t)delay_ms);
    else
        amqp_put_raw(w, name, AMQP_I32, slice_of(raw, sizeof(raw)));
}

/* The headers with the delay negated, which says that it is over. */
static enum rc negate(struct amqp_outline *o)
{
    bool is_first = true;
    struct amqp_value v;
    struct slice name;
    struct wr w;

    text_clear(&o->negated);
    if (!text_reserve(&o->negated, o->properties.headers.len + 8)) /* a wider integer */
        return RC_MEMORY;
    w = wr_of(o->negated.at, o->negated.room);
    for (struct rd r = rd_of(o->properties.headers); amqp_table_next(&r, &name, &v);) {
        if (is_first && slice_equal_str(name, AMQP_HEADER_DELAY)) {
            put_negated(&w, name, o->delay_ms);
            is_first = false;
        } else {
            amqp_put_raw(&w, name, v.type, v.raw);
        }
    }
    ASSERT(!w.bad);
    o->properties.headers = wr_slice(&w);
    return RC_OK;
}

enum rc amqp_map_delay(struct amqp_outline *o, struct core *core, struct text *why)
{
    uint64_t max_ms = core_config(core)->delayed_max_delay_ms;
    struct amqp_value v;
    int64_t delay_ms;

    o->delay_ms = 0;
    if (o->delays == AMQP_DELAYS_NOT ||
        !amqp_table_find(o->properties.headers, SLICE(AMQP_HEADER_DELAY), &v))
        return RC_OK;
    if (delay_of(&v, &delay_ms) != RC_OK) {
        if (o->delays == AMQP_DELAYS_PERHAPS)
            return RC_OK;
        text_add(why, SLICE("invalid message: header '" AMQP_HEADER_DELAY "' is not a number"));
        return RC_INVALID;
    }
    if (delay_ms <= 0)
        return RC_OK;
    o->delay_ms = (uint64_t)delay_ms;
    if (o->delays == AMQP_DELAYS_PERHAPS)
        return RC_OK;
    if (o->delay_ms > max_ms) {
        text_format(why, "invalid message: header '" AMQP_HEADER_DELAY "' is above %llu",
                    (unsigned long long)max_ms);
        return RC_INVALID;
    }
    return negate(o);
}
