/* SPDX-License-Identifier: Apache-2.0 */
/* A session without sockets and without a loop: bytes in, a real core behind, bytes out. */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "protocols/mqtt/mqtt_codec.h"
#include "protocols/mqtt/mqtt_limits.h"
#include "protocols/mqtt/mqtt_session.h"
#include "storage/log.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/net_rig.h"

/* ---- a peer: what it sent and what it got ---- */

struct peer {
    struct conn conn;
    struct mqtt_session *session;
    struct text unread; /* input that the session did not use yet */
};

static struct rig rig;
static struct mqtt_server server = { .config = MQTT_CONFIG_DEFAULT };

static struct peer *peer_open(void)
{
    struct peer *p = calloc(1, sizeof(*p));

    ck_assert_ptr_nonnull(p);
    server.core = rig.core;
    net_rig_open(&p->conn, "mqtt");
    ck_assert_int_eq(mqtt_session_open(&server, &p->conn, &p->session), RC_OK);
    return p;
}

static void peer_close(struct peer *p)
{
    mqtt_session_close(&p->session, RC_CLOSED);
    net_rig_close(&p->conn);
    free(p->unread.at);
    free(p);
}

static void feed(struct peer *p, struct slice bytes)
{
    size_t used;

    net_rig_keep(&p->unread, bytes);
    used = mqtt_session_input(p->session, text_slice(&p->unread));
    ck_assert_uint_le(used, p->unread.len);
    memmove(p->unread.at, p->unread.at + used, p->unread.len - used);
    p->unread.len -= used;
}

/* The next packet that came out; false when there is none. */
static bool take(struct peer *p, struct mqtt_frame *ret, size_t *at)
{
    struct slice out = slice_after(text_slice(&p->conn.out), *at);
    struct mqtt_header h;

    if (out.len == 0)
        return false;
    ck_assert_int_eq(mqtt_decode_header(out, &h), RC_OK);
    ck_assert_uint_le((size_t)h.header_bytes + h.body_bytes, out.len);
    *ret = (struct mqtt_frame){ h.type, h.flags, slice_of(out.at + h.header_bytes, h.body_bytes) };
    *at += (size_t)h.header_bytes + h.body_bytes;
    return true;
}

/* How many packets of a type came out. */
static unsigned count_of(struct peer *p, enum mqtt_type type)
{
    struct mqtt_frame frame;
    unsigned count = 0;
    size_t at = 0;

    while (take(p, &frame, &at))
        count += frame.type == type;
    return count;
}

static struct mqtt_ack last_ack(struct peer *p, enum mqtt_type type, unsigned version)
{
    struct mqtt_ack ack = { 0 };
    struct mqtt_frame frame;
    size_t at = 0;

    while (take(p, &frame, &at)) {
        if (frame.type == type)
            ck_assert_int_eq(mqtt_decode_ack(&frame, version, &ack), RC_OK);
    }
    ck_assert_uint_ne(ack.packet_id, 0);
    return ack;
}

static void send_connect(struct peer *p, unsigned version, const char *id, bool is_kept,
                         const struct mqtt_properties *properties)
{
    uint8_t at[256];
    struct wr w = wr_of(at, sizeof(at));
    struct mqtt_connect c = { .version = (uint8_t)version,
                              .clean_start = !is_kept,
                              .keep_alive_s = 10,
                              .client_id = slice_str(id) };

    if (properties != NULL)
        c.properties = *properties;
    if (is_kept) {
        c.properties.session_expiry_s = 1000;
        mqtt_set(&c.properties, MQTT_SESSION_EXPIRY);
    }
    mqtt_encode_connect(&w, &c);
    feed(p, wr_slice(&w));
}

static void send_publish(struct peer *p, unsigned version, const char *topic, uint8_t qos,
                         uint16_t id)
{
    uint8_t at[256];
    struct wr w = wr_of(at, sizeof(at));
    struct mqtt_publish publish = {
        .qos = qos, .packet_id = id, .topic = slice_str(topic), .payload = SLICE("payload")
    };

    mqtt_encode_publish(&w, version, &publish);
    feed(p, wr_slice(&w));
}

static void send_subscribe(struct peer *p, unsigned version, const char *filter, uint8_t qos)
{
    uint8_t at[256];
    struct wr w = wr_of(at, sizeof(at));
    struct mqtt_subscribe s = { .packet_id = 1 };
    struct mqtt_filter f = { .filter = slice_str(filter), .qos = qos };

    mqtt_encode_subscribe(&w, version, &s, &f, 1);
    feed(p, wr_slice(&w));
}

static struct peer *connected(unsigned version, const char *id, bool is_kept)
{
    struct peer *p = peer_open();

    send_connect(p, version, id, is_kept, NULL);
    ck_assert_uint_eq(count_of(p, MQTT_CONNACK), 1);
    return p;
}

/* One turn of the loop, without what waits for the disk. */
static void turn(void)
{
    core_turn_end(rig.core);
}

static void open_memory(void)
{
    rig_open(&rig, false);
}

static void open_durable(void)
{
    rig_open(&rig, true);
}

static void close_rig(void)
{
    rig_close(&rig);
}

/* ---- input ---- */

static void run_dialogue(struct peer *p, size_t piece, struct text *dialogue)
{
    for (size_t at = 0; at < dialogue->len; at += piece) {
        size_t n = dialogue->len - at < piece ? dialogue->len - at : piece;

        feed(p, slice_of(dialogue->at + at, n));
    }
    rig_settle(&rig);
}

static void add_packet(struct text *to, const struct wr *w)
{
    ck_assert(!w->bad);
    text_add(to, wr_slice(w));
}

static void make_dialogue(struct text *to, unsigned version)
{
    uint8_t at[512];
    struct wr w = wr_of(at, sizeof(at));
    struct mqtt_connect c = { .version = (uint8_t)version,
                              .clean_start = true,
                              .client_id = SLICE("bytes") };
    struct mqtt_subscribe s = { .packet_id = 1 };
    struct mqtt_filter f = { .filter = SLICE("dialogue/#") };
    struct mqtt_publish p = {
        .qos = 1, .packet_id = 5, .topic = SLICE("dialogue/x"), .payload = SLICE("hello")
    };

    mqtt_encode_connect(&w, &c);
    add_packet(to, &w);
    w = wr_of(at, sizeof(at));
    mqtt_encode_subscribe(&w, version, &s, &f, 1);
    add_packet(to, &w);
    w = wr_of(at, sizeof(at));
    mqtt_encode_publish(&w, version, &p);
    add_packet(to, &w);
    w = wr_of(at, sizeof(at));
    mqtt_encode_ping(&w, MQTT_PINGREQ);
    add_packet(to, &w);
}

START_TEST(a_dialogue_is_the_same_in_pieces_of_any_size)
{
    for (unsigned version = MQTT_V31; version <= MQTT_V5; version++) {
        struct text dialogue = { 0 };

        make_dialogue(&dialogue, version);
        for (size_t piece = 1; piece <= dialogue.len; piece = piece < 16 ? piece + 1 : piece * 2) {
            struct peer *p = peer_open();

            run_dialogue(p, piece, &dialogue);
            ck_assert(!conn_is_closing(&p->conn));
            ck_assert_uint_eq(count_of(p, MQTT_CONNACK), 1);
            ck_assert_uint_eq(count_of(p, MQTT_SUBACK), 1);
            ck_assert_uint_eq(count_of(p, MQTT_PUBLISH), 1);
            ck_assert_uint_eq(count_of(p, MQTT_PUBACK), 1);
            ck_assert_uint_eq(count_of(p, MQTT_PINGRESP), 1);
            ck_assert_uint_eq(p->unread.len, 0);
            peer_close(p);
        }
        text_done(&dialogue);
    }
}
END_TEST

START_TEST(a_packet_that_is_not_whole_says_how_much_it_needs)
{
    struct peer *p = connected(MQTT_V5, "needs", false);

    feed(p, SLICE("\x30\x90\x4e\0\1t"));
    ck_assert_uint_eq(p->conn.expected, 3 + 10000);
    ck_assert_uint_eq(p->unread.len, 6);
    peer_close(p);
}
END_TEST

START_TEST(what_memory_is_missing_ends_one_connection_and_no_other)
{
    struct text dialogue = { 0 };
    struct peer *other = connected(MQTT_V5, "other", false);
    bool is_done = false;

    make_dialogue(&dialogue, MQTT_V5);
    for (unsigned k = 1; !is_done; k++) {
        struct peer *p = peer_open();

        fault_arm("mem", k, FAULT_ONCE);
        feed(p, text_slice(&dialogue));
        is_done = fault_passed() < k;
        fault_disarm();
        rig_settle(&rig);
        peer_close(p);
        ck_assert_uint_lt(k, 1000);
    }
    feed(other, SLICE("\xc0\0"));
    ck_assert_uint_eq(count_of(other, MQTT_PINGRESP), 1);
    peer_close(other);
    text_done(&dialogue);
}
END_TEST

/* ---- time ---- */

/* CONNACK of a CONNECT that memory is missing for; 0 where none came out, else its size. */
static size_t refused_for_memory(unsigned k, const struct mqtt_properties *properties,
                                 bool *ret_words)
{
    struct peer *p = peer_open();
    struct mqtt_connect connect = { .version = MQTT_V5, .clean_start = true, .will.is_set = true };
    struct mqtt_connack c = { 0 };
    struct mqtt_frame frame;
    uint8_t bytes[256];
    struct wr w = wr_of(bytes, sizeof(bytes));
    size_t at = 0;

    if (properties != NULL)
        connect.properties = *properties;
    connect.will.topic = SLICE("poor/will");
    mqtt_encode_connect(&w, &connect);
    fault_arm("mem", k, FAULT_ONCE);
    feed(p, wr_slice(&w));
    fault_disarm();
    rig_settle(&rig);
    if (take(p, &frame, &at))
        ck_assert_int_eq(mqtt_decode_connack(frame.body, MQTT_V5, &c), RC_OK);
    *ret_words = mqtt_has(&c.properties, MQTT_REASON_STRING);
    peer_close(p);
    return c.reason == 0 ? 0 : at;
}

START_TEST(a_refusal_leaves_its_words_out_where_they_are_too_much)
{
    struct mqtt_properties small = { 0 };
    unsigned told = 0;

    mqtt_set(&small, MQTT_MAXIMUM_PACKET_SIZE);
    for (unsigned k = 1; k < 100; k++) {
        bool has_words;
        size_t bytes = refused_for_memory(k, NULL, &has_words);

        if (bytes == 0 || !has_words)
            continue;
        told++;
        small.maximum_packet_size = (uint32_t)bytes;
        ck_assert_uint_eq(refused_for_memory(k, &small, &has_words), bytes);
        ck_assert(has_words);
        small.maximum_packet_size = (uint32_t)bytes - 1;
        ck_assert_uint_eq(refused_for_memory(k, &small, &has_words), 5);
        ck_assert(!has_words);
    }
    ck_assert_uint_gt(told, 0);
}
END_TEST

START_TEST(a_connection_that_says_nothing_is_ended)
{
    struct peer *p = peer_open();

    net_rig_pass(MQTT_CONNECT_TIMEOUT_MS - 1, NULL, NULL);
    ck_assert(!conn_is_closing(&p->conn));
    net_rig_pass(1, NULL, NULL);
    ck_assert(conn_is_closing(&p->conn));
    ck_assert_int_eq(p->conn.why, RC_TIMEOUT);
    ck_assert_uint_eq(p->conn.out.len, 0);
    peer_close(p);
}
END_TEST

START_TEST(keep_alive_ends_with_its_own_code_and_not_before)
{
    struct peer *p = connected(MQTT_V5, "keep", false);

    net_rig_pass(14999, NULL, NULL);
    ck_assert(!conn_is_closing(&p->conn));
    net_rig_pass(2, NULL, NULL);
    ck_assert(conn_is_closing(&p->conn));
    ck_assert_uint_eq(p->conn.out.at[p->conn.out.len - 1], MQTT_KEEP_ALIVE_TIMEOUT);
    peer_close(p);
}
END_TEST

START_TEST(who_takes_its_backlog_is_alive_though_it_is_not_read_from)
{
    struct peer *p = connected(MQTT_V5, "behind", false);

    p->conn.is_full = true;
    net_rig_pass(10000, NULL, NULL);
    p->conn.last_output_ns = loop_now_ns(NULL);
    net_rig_pass(14999, NULL, NULL);
    ck_assert(!conn_is_closing(&p->conn));
    net_rig_pass(2, NULL, NULL);
    ck_assert(conn_is_closing(&p->conn));
    peer_close(p);
}
END_TEST

/* ---- durability ---- */

START_TEST(nothing_is_acknowledged_before_it_is_on_disk)
{
    struct peer *p = connected(MQTT_V5, "patient", false);

    send_publish(p, MQTT_V5, "disk/x", 1, 7);
    send_publish(p, MQTT_V5, "disk/x", 2, 8);
    turn();
    ck_assert_uint_eq(count_of(p, MQTT_PUBACK) + count_of(p, MQTT_PUBREC), 0);
    rig_settle(&rig);
    ck_assert_uint_eq(count_of(p, MQTT_PUBACK), 1);
    ck_assert_uint_eq(count_of(p, MQTT_PUBREC), 1);
    peer_close(p);
}
END_TEST

START_TEST(a_kept_sessions_suback_waits_for_the_disk)
{
    struct peer *p = connected(MQTT_V5, "kept", true);

    send_subscribe(p, MQTT_V5, "disk/#", 1);
    turn();
    ck_assert_uint_eq(count_of(p, MQTT_SUBACK), 0);
    rig_settle(&rig);
    ck_assert_uint_eq(count_of(p, MQTT_SUBACK), 1);
    peer_close(p);
}
END_TEST

START_TEST(a_qos_2_delivery_waits_until_its_id_is_on_disk)
{
    struct peer *p = connected(MQTT_V5, "kept", true), *sender = connected(MQTT_V5, "s", false);

    send_subscribe(p, MQTT_V5, "two/#", 2);
    rig_settle(&rig);
    send_publish(sender, MQTT_V5, "two/x", 2, 1);
    turn();
    ck_assert_uint_eq(count_of(p, MQTT_PUBLISH), 0);
    rig_settle(&rig);
    ck_assert_uint_eq(count_of(p, MQTT_PUBLISH), 1);
    peer_close(p);
    peer_close(sender);
}
END_TEST

/* The store takes nothing: a write fails, and core notices. */
static void stall(struct peer *sender)
{
    fault_arm("store.write", 1, FAULT_FAIL);
    send_publish(sender, MQTT_V5, "stall/first", 1, 1);
    for (unsigned i = 0; i < 1000 && core_stall(rig.core) == RC_OK; i++) {
        turn();
        (void)!store_flush(rig.store);
        core_poll(rig.core);
    }
    ck_assert_int_ne(core_stall(rig.core), RC_OK);
}

/* The store tries again each second. */
static void unstall(void)
{
    eventfd_t wakes;

    fault_disarm();
    while (core_stall(rig.core) != RC_OK) {
        struct pollfd fd = { .fd = rig.wake_fd, .events = POLLIN };

        ck_assert_int_eq(poll(&fd, 1, 10000), 1);
        ck_assert_int_eq(eventfd_read(rig.wake_fd, &wakes), 0);
        core_poll(rig.core);
        turn();
    }
}

START_TEST(a_stalled_store_is_told_to_5_and_makes_older_clients_wait)
{
    struct peer *first = connected(MQTT_V5, "first", false);
    struct peer *five = connected(MQTT_V5, "five", false);
    struct peer *four = connected(MQTT_V311, "four", false);
    struct mqtt_properties quiet = { .request_problem_info = 0 }, small = { 0 };
    struct peer *silent = peer_open(), *tiny = peer_open();
    struct mqtt_ack ack;

    mqtt_set(&quiet, MQTT_REQUEST_PROBLEM_INFO);
    small.maximum_packet_size = 24;
    mqtt_set(&small, MQTT_MAXIMUM_PACKET_SIZE);
    send_connect(silent, MQTT_V5, "silent", false, &quiet);
    send_connect(tiny, MQTT_V5, "tiny", false, &small);
    stall(first);
    ck_assert_uint_eq(count_of(first, MQTT_PUBACK), 0); /* not confirmed: it may be lost */
    send_publish(five, MQTT_V5, "stall/x", 1, 9);
    send_publish(silent, MQTT_V5, "stall/x", 1, 9);
    send_publish(tiny, MQTT_V5, "stall/x", 1, 9);
    send_publish(four, MQTT_V311, "stall/x", 1, 9);
    ck_assert_uint_ne(four->conn.paused, 0); /* it has no code that says so: it waits */
    ck_assert(!conn_is_closing(&four->conn));
    /* the others are told while it lasts */
    ack = last_ack(five, MQTT_PUBACK, MQTT_V5);
    ck_assert_uint_ge(ack.reason, MQTT_UNSPECIFIED_ERROR);
    ck_assert(mqtt_has(&ack.properties, MQTT_REASON_STRING));
    ack = last_ack(silent, MQTT_PUBACK, MQTT_V5);
    ck_assert_uint_ge(ack.reason, MQTT_UNSPECIFIED_ERROR);
    ck_assert(!mqtt_has(&ack.properties, MQTT_REASON_STRING));
    ack = last_ack(tiny, MQTT_PUBACK, MQTT_V5);
    ck_assert_uint_ge(ack.reason, MQTT_UNSPECIFIED_ERROR);
    ck_assert(!mqtt_has(&ack.properties, MQTT_REASON_STRING));
    unstall();
    rig_settle(&rig);
    ck_assert_uint_eq(four->conn.paused, 0);
    feed(four, SLICE("")); /* what net does when reading goes on */
    rig_settle(&rig);
    ck_assert_uint_eq(last_ack(four, MQTT_PUBACK, MQTT_V311).packet_id, 9);
    ck_assert_uint_eq(last_ack(first, MQTT_PUBACK, MQTT_V5).packet_id, 1);
    peer_close(first);
    peer_close(five);
    peer_close(four);
    peer_close(silent);
    peer_close(tiny);
}
END_TEST

/* ---- credit ---- */

START_TEST(a_full_connection_gets_nothing_until_it_drained)
{
    struct peer *p = connected(MQTT_V5, "slow", true), *sender = connected(MQTT_V5, "s", false);

    send_subscribe(p, MQTT_V5, "slow/#", 1);
    rig_settle(&rig);
    p->conn.is_full = true;
    for (uint16_t i = 1; i <= 10; i++)
        send_publish(sender, MQTT_V5, "slow/x", 1, i);
    rig_settle(&rig);
    ck_assert_uint_eq(count_of(p, MQTT_PUBLISH), 0);
    ck_assert_uint_eq(count_of(sender, MQTT_PUBACK), 10); /* a slow reader holds nobody up */
    p->conn.is_full = false;
    mqtt_session_drained(p->session);
    rig_settle(&rig);
    ck_assert_uint_eq(count_of(p, MQTT_PUBLISH), 10);
    peer_close(p);
    peer_close(sender);
}
END_TEST

START_TEST(a_goodbye_leaves_no_session_and_no_client_behind)
{
    struct peer *p = connected(MQTT_V5, "bye", false);

    feed(p, SLICE("\xe0\0"));
    ck_assert(conn_is_closing(&p->conn));
    ck_assert_int_eq(p->conn.why, RC_OK);
    feed(p, SLICE("\xc0\0")); /* what comes behind it is not looked at */
    ck_assert_uint_eq(count_of(p, MQTT_PINGRESP), 0);
    peer_close(p); /* closing the rig asserts that no client is left */
}
END_TEST

START_TEST(a_shutdown_is_told_in_each_versions_words)
{
    struct peer *five = connected(MQTT_V5, "5", false), *four = connected(MQTT_V311, "4", false);
    struct peer *nobody = peer_open();
    size_t four_before = four->conn.out.len;

    mqtt_session_shutdown(five->session);
    mqtt_session_shutdown(four->session);
    mqtt_session_shutdown(nobody->session);
    ck_assert_uint_eq(five->conn.out.at[five->conn.out.len - 1], MQTT_SERVER_SHUTTING_DOWN);
    ck_assert_uint_eq(four->conn.out.len, four_before);
    ck_assert_uint_eq(nobody->conn.out.len, 0);
    ck_assert(conn_is_closing(&five->conn) && conn_is_closing(&four->conn) &&
              conn_is_closing(&nobody->conn));
    peer_close(five);
    peer_close(four);
    peer_close(nobody);
}
END_TEST

/* ---- a packet of very many filters ---- */

#define MANY 3000u

/* SUBSCRIBE to f/0 ... or UNSUBSCRIBE from them; the last filter is `last`, unless that is NULL. */
static struct slice make_many(enum mqtt_type type, const char *last)
{
    static uint8_t at[MANY * 16];
    struct mqtt_filter *filters = mem_new_array(struct mqtt_filter, MANY);
    struct mqtt_subscribe s = { .packet_id = 9 };
    struct text names = { 0 };
    struct wr w = wr_of(at, sizeof(at));

    for (size_t i = 0; i < MANY; i++) /* all of one length: the text may move while it grows */
        text_format(&names, "f/%04zu", i);
    for (size_t i = 0; i < MANY; i++)
        filters[i] = (struct mqtt_filter){ .filter = slice_of(names.at + i * 6, 6), .qos = 1 };
    if (last != NULL)
        filters[MANY - 1].filter = slice_str(last);
    if (type == MQTT_SUBSCRIBE)
        mqtt_encode_subscribe(&w, MQTT_V5, &s, filters, MANY);
    else
        mqtt_encode_unsubscribe(&w, MQTT_V5, &s, filters, MANY);
    ck_assert(!w.bad);
    mem_free(filters);
    text_done(&names);
    return wr_slice(&w);
}

static void send_many(struct peer *p, enum mqtt_type type, const char *last)
{
    feed(p, make_many(type, last));
}

/* Its codes, all of which must be `code`, are counted; false: there is no such packet. */
static bool took_many(struct peer *p, enum mqtt_type type, uint8_t code, size_t *ret_at)
{
    struct mqtt_frame frame;
    size_t at = 0;

    while (take(p, &frame, &at)) {
        if (frame.type != type)
            continue;
        ck_assert_uint_eq(frame.body.len, 3 + MANY); /* packet id, no properties */
        for (size_t i = 0; i < MANY; i++)
            ck_assert_uint_eq(frame.body.at[3 + i], code);
        *ret_at = at;
        return true;
    }
    return false;
}

static unsigned turns_until_read(struct peer *p)
{
    unsigned turns = 0;

    for (; p->conn.paused != 0 && turns < 1000; turns++)
        turn();
    ck_assert_uint_eq(p->conn.paused, 0);
    return turns;
}

static bool is_delivered(struct peer *p, struct peer *sender, const char *topic)
{
    unsigned before = count_of(p, MQTT_PUBLISH);

    send_publish(sender, MQTT_V5, topic, 1, 3);
    rig_settle(&rig);
    return count_of(p, MQTT_PUBLISH) == before + 1;
}

START_TEST(very_many_filters_are_taken_in_parts_and_answered_in_their_place)
{
    struct peer *p = connected(MQTT_V5, "many", false), *sender = connected(MQTT_V5, "s", false);
    size_t at = 0;

    send_many(p, MQTT_SUBSCRIBE, NULL);
    feed(p, SLICE("\xc0\0"));
    ck_assert_uint_eq(p->conn.paused, CONN_PAUSE_BUSY);
    ck_assert_uint_eq(count_of(p, MQTT_SUBACK) + count_of(p, MQTT_PINGRESP), 0);
    ck_assert_uint_gt(turns_until_read(p), 3);
    ck_assert(took_many(p, MQTT_SUBACK, 1, &at));
    ck_assert_uint_eq(at, p->conn.out.len); /* what was sent behind it is not read yet */
    feed(p, SLICE(""));
    ck_assert_uint_eq(count_of(p, MQTT_PINGRESP), 1);
    ck_assert(is_delivered(p, sender, "f/0000") && is_delivered(p, sender, "f/2999"));
    send_many(p, MQTT_UNSUBSCRIBE, NULL);
    ck_assert_uint_gt(turns_until_read(p), 3);
    ck_assert(took_many(p, MQTT_UNSUBACK, 0, &at));
    ck_assert(!is_delivered(p, sender, "f/0000") && !is_delivered(p, sender, "f/2999"));
    peer_close(p);
    peer_close(sender);
}
END_TEST

START_TEST(what_is_retained_for_very_many_filters_goes_behind_the_answer)
{
    struct peer *p = connected(MQTT_V5, "many", false), *sender = connected(MQTT_V5, "s", false);
    struct mqtt_frame frame;
    size_t at = 0;

    feed(sender, SLICE("\x31\x0c\0\x06"
                       "f/0000\0old"));
    send_many(p, MQTT_SUBSCRIBE, NULL);
    (void)turns_until_read(p);
    turn();
    ck_assert_uint_eq(count_of(p, MQTT_PUBLISH), 1);
    ck_assert(took_many(p, MQTT_SUBACK, 1, &at));
    ck_assert(take(p, &frame, &at));
    ck_assert_uint_eq(frame.type, MQTT_PUBLISH);
    peer_close(p);
    peer_close(sender);
}
END_TEST

START_TEST(very_many_filters_that_cannot_be_kept_are_taken_at_once)
{
    struct peer *p = connected(MQTT_V5, "many", false);
    struct slice packet = make_many(MQTT_UNSUBSCRIBE, NULL);
    size_t at = 0;

    fault_arm("mem", 2, FAULT_ONCE); /* the codes, the copy of the packet */
    feed(p, packet);
    fault_disarm();
    ck_assert_uint_eq(p->conn.paused, 0);
    ck_assert(took_many(p, MQTT_UNSUBACK, MQTT_NO_SUBSCRIPTION_EXISTED, &at));
    peer_close(p);
}
END_TEST

START_TEST(a_bad_filter_among_very_many_leaves_none_of_them)
{
    struct peer *p = connected(MQTT_V5, "many", true), *sender = connected(MQTT_V5, "s", false);

    send_many(p, MQTT_SUBSCRIBE, "a#");
    for (unsigned i = 0; i < 100 && !conn_is_closing(&p->conn); i++)
        turn();
    ck_assert(conn_is_closing(&p->conn));
    ck_assert_uint_eq(count_of(p, MQTT_DISCONNECT), 1);
    peer_close(p);
    p = connected(MQTT_V5, "many", true);
    ck_assert(!is_delivered(p, sender, "f/0000"));
    peer_close(p);
    peer_close(sender);
}
END_TEST

START_TEST(very_many_filters_of_a_kept_session_are_on_disk_before_the_answer)
{
    struct peer *p = connected(MQTT_V5, "many", true);
    size_t at;

    send_many(p, MQTT_SUBSCRIBE, NULL);
    (void)turns_until_read(p);
    ck_assert_uint_eq(count_of(p, MQTT_SUBACK), 0);
    rig_settle(&rig);
    ck_assert(took_many(p, MQTT_SUBACK, 1, &at));
    peer_close(p);
}
END_TEST

/* What a connection leaves that ends while its filters are taken: `end` ends it. */
static void check_end_amid(void (*end)(struct peer *p))
{
    struct peer *p = connected(MQTT_V5, "many", true), *sender = connected(MQTT_V5, "s", false);
    struct peer *next;
    size_t at;

    send_many(p, MQTT_SUBSCRIBE, NULL);
    turn();
    ck_assert_uint_eq(p->conn.paused, CONN_PAUSE_BUSY);
    end(p);
    for (unsigned i = 0; i < 100; i++)
        turn();
    ck_assert_uint_eq(count_of(p, MQTT_SUBACK), 0);
    next = connected(MQTT_V5, "many", true);
    ck_assert(!is_delivered(next, sender, "f/2999")); /* nobody goes on with it */
    send_many(next, MQTT_SUBSCRIBE, NULL);
    (void)turns_until_read(next);
    rig_settle(&rig);
    ck_assert(took_many(next, MQTT_SUBACK, 1, &at));
    ck_assert(is_delivered(next, sender, "f/0000") && is_delivered(next, sender, "f/2999"));
    peer_close(p);
    peer_close(next);
    peer_close(sender);
}

static void is_closed(struct peer *p)
{
    mqtt_session_close(&p->session, RC_CLOSED);
}

static void is_taken_over(struct peer *p)
{
    struct peer *other = connected(MQTT_V5, "many", true);

    ck_assert(conn_is_closing(&p->conn));
    turn(); /* before the one that went is closed */
    peer_close(other);
}

static void is_stopped(struct peer *p)
{
    mqtt_session_shutdown(p->session);
}

START_TEST(a_connection_may_end_while_its_filters_are_taken)
{
    check_end_amid(is_closed);
}
END_TEST

START_TEST(a_session_may_be_taken_over_while_filters_are_taken)
{
    check_end_amid(is_taken_over);
}
END_TEST

START_TEST(a_drain_may_come_while_filters_are_taken)
{
    check_end_amid(is_stopped);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mqtt_session");
    TCase *memory = tcase_create("memory"), *durable = tcase_create("durable");
    SRunner *runner;
    int failed;

    log_set_threshold(LOG_ERROR);
    tcase_set_timeout(memory, 60);
    tcase_set_timeout(durable, 60);
    tcase_add_checked_fixture(memory, open_memory, close_rig);
    tcase_add_checked_fixture(durable, open_durable, close_rig);
    tcase_add_test(memory, a_dialogue_is_the_same_in_pieces_of_any_size);
    tcase_add_test(memory, a_packet_that_is_not_whole_says_how_much_it_needs);
    tcase_add_test(memory, what_memory_is_missing_ends_one_connection_and_no_other);
    tcase_add_test(memory, a_refusal_leaves_its_words_out_where_they_are_too_much);
    tcase_add_test(memory, a_connection_that_says_nothing_is_ended);
    tcase_add_test(memory, keep_alive_ends_with_its_own_code_and_not_before);
    tcase_add_test(memory, who_takes_its_backlog_is_alive_though_it_is_not_read_from);
    tcase_add_test(memory, a_full_connection_gets_nothing_until_it_drained);
    tcase_add_test(memory, a_goodbye_leaves_no_session_and_no_client_behind);
    tcase_add_test(memory, a_shutdown_is_told_in_each_versions_words);
    tcase_add_test(durable, nothing_is_acknowledged_before_it_is_on_disk);
    tcase_add_test(durable, a_kept_sessions_suback_waits_for_the_disk);
    tcase_add_test(durable, a_qos_2_delivery_waits_until_its_id_is_on_disk);
    tcase_add_test(durable, a_stalled_store_is_told_to_5_and_makes_older_clients_wait);
    tcase_add_test(memory, very_many_filters_are_taken_in_parts_and_answered_in_their_place);
    tcase_add_test(memory, what_is_retained_for_very_many_filters_goes_behind_the_answer);
    tcase_add_test(memory, very_many_filters_that_cannot_be_kept_are_taken_at_once);
    tcase_add_test(memory, a_bad_filter_among_very_many_leaves_none_of_them);
    tcase_add_test(memory, a_connection_may_end_while_its_filters_are_taken);
    tcase_add_test(memory, a_session_may_be_taken_over_while_filters_are_taken);
    tcase_add_test(memory, a_drain_may_come_while_filters_are_taken);
    tcase_add_test(durable, very_many_filters_of_a_kept_session_are_on_disk_before_the_answer);
    suite_add_tcase(suite, memory);
    suite_add_tcase(suite, durable);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
