/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_codec.h"

/* One row per property id: how its value looks, in which packets it may stand, where it goes. */
enum shape { NO_PROPERTY, BYTE, FLAG, TWO, FOUR, VARINT, STRING, BINARY, PAIR };

struct property_rule {
    uint8_t shape;
    bool is_many;    /* may stand more than once */
    bool is_nonzero; /* zero is a protocol error */
    uint16_t places; /* bit per packet type; bit MQTT_WILL_PLACE for wills */
    uint16_t at;     /* offset in struct mqtt_properties */
};

#define IN(place) (1u << (place))
#define WILL      IN(MQTT_WILL_PLACE)
#define MESSAGE   (IN(MQTT_PUBLISH) | WILL)
#define ACKS                                                                                    \
    (IN(MQTT_PUBACK) | IN(MQTT_PUBREC) | IN(MQTT_PUBREL) | IN(MQTT_PUBCOMP) | IN(MQTT_SUBACK) | \
     IN(MQTT_UNSUBACK))
#define EVERYWHERE                                                               \
    (IN(MQTT_CONNECT) | IN(MQTT_CONNACK) | MESSAGE | ACKS | IN(MQTT_SUBSCRIBE) | \
     IN(MQTT_UNSUBSCRIBE) | IN(MQTT_DISCONNECT) | IN(MQTT_AUTH))
#define AUTHENTICATION (IN(MQTT_CONNECT) | IN(MQTT_CONNACK) | IN(MQTT_AUTH))
#define AT(field)      offsetof(struct mqtt_properties, field)

static const struct property_rule rules[MQTT_PROPERTY_COUNT] = {
    [MQTT_PAYLOAD_FORMAT] = { FLAG, false, false, MESSAGE, AT(payload_format) },
    [MQTT_MESSAGE_EXPIRY] = { FOUR, false, false, MESSAGE, AT(message_expiry_s) },
    [MQTT_CONTENT_TYPE] = { STRING, false, false, MESSAGE, AT(content_type) },
    [MQTT_RESPONSE_TOPIC] = { STRING, false, false, MESSAGE, AT(response_topic) },
    [MQTT_CORRELATION_DATA] = { BINARY, false, false, MESSAGE, AT(correlation_data) },
    [MQTT_SUBSCRIPTION_ID] = { VARINT, true, true, IN(MQTT_PUBLISH) | IN(MQTT_SUBSCRIBE),
                               AT(subscription_id) },
    [MQTT_SESSION_EXPIRY] = { FOUR, false, false,
                              IN(MQTT_CONNECT) | IN(MQTT_CONNACK) | IN(MQTT_DISCONNECT),
                              AT(session_expiry_s) },
    [MQTT_ASSIGNED_CLIENT_ID] = { STRING, false, false, IN(MQTT_CONNACK), AT(assigned_client_id) },
    [MQTT_SERVER_KEEP_ALIVE] = { TWO, false, false, IN(MQTT_CONNACK), AT(server_keep_alive_s) },
    [MQTT_AUTHENTICATION_METHOD] = { STRING, false, false, AUTHENTICATION,
                                     AT(authentication_method) },
    [MQTT_AUTHENTICATION_DATA] = { BINARY, false, false, AUTHENTICATION, AT(authentication_data) },
    [MQTT_REQUEST_PROBLEM_INFO] = { FLAG, false, false, IN(MQTT_CONNECT),
                                    AT(request_problem_info) },
    [MQTT_WILL_DELAY] = { FOUR, false, false, WILL, AT(will_delay_s) },
    [MQTT_REQUEST_RESPONSE_INFO] = { FLAG, false, false, IN(MQTT_CONNECT),
                                     AT(request_response_info) },
    [MQTT_RESPONSE_INFO] = { STRING, false, false, IN(MQTT_CONNACK), AT(response_info) },
    [MQTT_SERVER_REFERENCE] = { STRING, false, false, IN(MQTT_CONNACK) | IN(MQTT_DISCONNECT),
                                AT(server_reference) },
    [MQTT_REASON_STRING] = { STRING, false, false,
                             IN(MQTT_CONNACK) | ACKS | IN(MQTT_DISCONNECT) | IN(MQTT_AUTH),
                             AT(reason_string) },
    [MQTT_RECEIVE_MAXIMUM] = { TWO, false, true, IN(MQTT_CONNECT) | IN(MQTT_CONNACK),
                               AT(receive_maximum) },
    [MQTT_TOPIC_ALIAS_MAXIMUM] = { TWO, false, false, IN(MQTT_CONNECT) | IN(MQTT_CONNACK),
                                   AT(topic_alias_maximum) },
    /* zero has its own reason code, 0x94: the session's to check */
    [MQTT_TOPIC_ALIAS] = { TWO, false, false, IN(MQTT_PUBLISH), AT(topic_alias) },
    [MQTT_MAXIMUM_QOS] = { FLAG, false, false, IN(MQTT_CONNACK), AT(maximum_qos) },
    [MQTT_RETAIN_AVAILABLE] = { FLAG, false, false, IN(MQTT_CONNACK), AT(retain_available) },
    [MQTT_USER_PROPERTY] = { PAIR, true, false, EVERYWHERE, 0 },
    [MQTT_MAXIMUM_PACKET_SIZE] = { FOUR, false, true, IN(MQTT_CONNECT) | IN(MQTT_CONNACK),
                                   AT(maximum_packet_size) },
    [MQTT_WILDCARD_AVAILABLE] = { FLAG, false, false, IN(MQTT_CONNACK), AT(wildcard_available) },
    [MQTT_SUBSCRIPTION_IDS_AVAILABLE] = { FLAG, false, false, IN(MQTT_CONNACK),
                                          AT(subscription_ids_available) },
    [MQTT_SHARED_AVAILABLE] = { FLAG, false, false, IN(MQTT_CONNACK), AT(shared_available) },
};

static bool read_value(struct rd *r, unsigned shape, struct mqtt_property_item *item)
{
    switch ((enum shape)shape) {
    case BYTE:
    case FLAG:
        item->number = rd_u8(r);
        return true;
    case TWO:
        item->number = rd_u16(r);
        return true;
    case FOUR:
        item->number = rd_u32(r);
        return true;
    case VARINT:
        item->number = rd_varint4(r);
        return true;
    case PAIR:
        item->name = rd_bytes(r, rd_u16(r));
        if (!mqtt_string_is_valid(item->name))
            return false;
        item->value = rd_bytes(r, rd_u16(r));
        return mqtt_string_is_valid(item->value);
    case STRING:
        item->value = rd_bytes(r, rd_u16(r));
        return mqtt_string_is_valid(item->value);
    case BINARY:
        item->value = rd_bytes(r, rd_u16(r));
        return true;
    case NO_PROPERTY:
        break;
    }
    return false;
}

static void store(struct mqtt_properties *p, const struct property_rule *rule,
                  const struct mqtt_property_item *item)
{
    uint8_t *to = (uint8_t *)p + rule->at;
    uint16_t two = (uint16_t)item->number;

    switch ((enum shape)rule->shape) {
    case BYTE:
    case FLAG:
        *to = (uint8_t)item->number;
        break;
    case TWO:
        memcpy(to, &two, sizeof(two));
        break;
    case FOUR:
    case VARINT:
        memcpy(to, &item->number, sizeof(item->number));
        break;
    case STRING:
    case BINARY:
        memcpy(to, &item->value, sizeof(item->value));
        break;
    case PAIR:
    case NO_PROPERTY:
        break;
    }
}

static enum rc take_property(struct rd *r, unsigned place, struct mqtt_properties *p)
{
    struct mqtt_property_item item = { 0 };
    uint8_t id = rd_u8(r);
    const struct property_rule *rule = &rules[id < MQTT_PROPERTY_COUNT ? id : 0];
    bool is_again;

    if (rule->shape == NO_PROPERTY)
        return RC_MALFORMED;
    if (!read_value(r, rule->shape, &item) || r->bad)
        return RC_MALFORMED;
    if ((rule->places & IN(place)) == 0)
        return RC_MISMATCH;
    is_again = mqtt_has(p, (enum mqtt_property)id);
    /* a subscription identifier may stand once in SUBSCRIBE, several times in PUBLISH */
    if (is_again && (!rule->is_many || (rule->shape == VARINT && place == MQTT_SUBSCRIBE)))
        return RC_PROTOCOL;
    if ((rule->is_nonzero && item.number == 0) || (rule->shape == FLAG && item.number > 1))
        return RC_PROTOCOL;
    if (rule->shape == PAIR && ++p->user_count > MQTT_USER_PROPERTIES_MAX)
        return RC_LIMIT;
    if (rule->shape == VARINT)
        p->subscription_id_count++;
    mqtt_set(p, (enum mqtt_property)id);
    if (!is_again)
        store(p, rule, &item);
    return RC_OK;
}

enum rc mqtt_decode_properties(struct rd *r, unsigned place, struct mqtt_properties *ret)
{
    uint32_t len = rd_varint4(r);
    struct rd list = rd_fence(r, len);

    if (r->bad)
        return RC_MALFORMED;
    ret->raw = slice_of(list.at, list.left);
    while (list.left > 0) {
        enum rc rc = take_property(&list, place, ret);

        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

bool mqtt_next_property(struct rd *list, struct mqtt_property_item *ret)
{
    const uint8_t *start = list->at;
    uint8_t id;

    *ret = (struct mqtt_property_item){ 0 };
    if (list->bad || list->left == 0)
        return false;
    id = rd_u8(list);
    ret->id = id;
    if (id >= MQTT_PROPERTY_COUNT || !read_value(list, rules[id].shape, ret) || list->bad) {
        rd_fail(list);
        return false;
    }
    ret->whole = slice_of(start, (size_t)(list->at - start));
    return true;
}

static void write_string(struct wr *w, struct slice s)
{
    if (s.len > UINT16_MAX)
        w->bad = true;
    wr_u16(w, (uint16_t)s.len);
    wr_bytes(w, s);
}

static void write_value(struct wr *w, unsigned shape, const uint8_t *from)
{
    uint16_t two;
    uint32_t four;
    struct slice string;

    switch ((enum shape)shape) {
    case BYTE:
    case FLAG:
        wr_u8(w, *from);
        break;
    case TWO:
        memcpy(&two, from, sizeof(two));
        wr_u16(w, two);
        break;
    case FOUR:
        memcpy(&four, from, sizeof(four));
        wr_u32(w, four);
        break;
    case STRING:
    case BINARY:
        memcpy(&string, from, sizeof(string));
        write_string(w, string);
        break;
    case VARINT: /* subscription identifiers are a list of their own */
    case PAIR:   /* user properties come by `append` */
    case NO_PROPERTY:
        break;
    }
}

static void write_one(struct wr *w, const struct mqtt_properties *p, unsigned id)
{
    if (rules[id].shape == VARINT || rules[id].shape == PAIR)
        return;
    wr_u8(w, (uint8_t)id);
    write_value(w, rules[id].shape, (const uint8_t *)p + rules[id].at);
}

static void write_list(struct wr *w, const struct mqtt_properties *p)
{
    uint64_t left = p->present;

    for (const uint8_t *id = p->first; id != NULL && *id != 0; id++) {
        if (!mqtt_has(p, (enum mqtt_property) * id))
            continue;
        write_one(w, p, *id);
        left &= ~(UINT64_C(1) << *id);
    }
    for (; left != 0; left &= left - 1)
        write_one(w, p, (unsigned)__builtin_ctzll(left));
    for (size_t i = 0; p->subscription_ids != NULL && i < p->subscription_id_count; i++) {
        wr_u8(w, MQTT_SUBSCRIPTION_ID);
        wr_uvarint(w, p->subscription_ids[i]);
    }
    wr_bytes(w, p->append);
}

void mqtt_encode_properties(struct wr *w, const struct mqtt_properties *p)
{
    struct wr count = wr_counting();

    if (p->present == 0 && p->append.len == 0 && p->subscription_ids == NULL) {
        wr_u8(w, 0);
        return;
    }
    write_list(&count, p);
    wr_uvarint(w, count.len);
    write_list(w, p);
}

void mqtt_encode_user_property(struct wr *w, struct slice name, struct slice value)
{
    wr_u8(w, MQTT_USER_PROPERTY);
    write_string(w, name);
    write_string(w, value);
}
