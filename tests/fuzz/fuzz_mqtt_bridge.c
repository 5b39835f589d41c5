/* SPDX-License-Identifier: Apache-2.0 */
/* A bridge over a real core is given anything by the broker that it connected to: the first byte
 * chooses version and session, the second in what pieces the rest comes. */
#include <stdlib.h>
#include <string.h>

#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/core.h"
#include "broker/core/message.h"
#include "broker/core/publish.h"
#include "protocols/mqtt/bridge_int.h"
#include "protocols/mqtt/mqtt_map.h"
#include "tests/lib/mem_core.h"
#include "tests/lib/net_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

#define PIECES_A_TURN 16

static struct mem_core on;
static char name[] = "b", id[] = "remote", local_id[] = "local", topic[] = "state";
static char lines[] = "a/# both 2 l/ r/\nb/+ in 1\n\"\" out 1 c d";
static struct bridge_config config = { .name = name,
                                       .topics = lines,
                                       .keep_alive_ms = 10000,
                                       .try_private = true,
                                       .attempt_unsubscribe = true,
                                       .relay = true,
                                       .outgoing_retain = true,
                                       .max_topic_alias = 4,
                                       .max_inflight = 8 };
static struct bridge bridge = { .config = &config,
                                .server = { .config = MQTT_CONFIG_DEFAULT, .bridge = &bridge },
                                .remote_id = id,
                                .local_id = local_id,
                                .state_topic = topic };

static void settle(void)
{
    mem_core_settle(&on);
}

static void on_connected(struct bridge *b)
{
    b->is_up = true;
}

static void start(void)
{
    struct core_config core_config = CORE_CONFIG_DEFAULT;

    log_set_threshold(LOG_ERROR);
    core_config.retention_bytes = (uint64_t)1 << 20;
    mem_core_start(&on, &core_config);
    bridge.core = on.core;
    bridge.server.core = bridge.core;
    bridge.on_connected = on_connected;
    ASSERT(bridge_topics_init(&bridge.topics, lines) == RC_OK);
    bridge_name_here(&bridge);
}

/* Somebody here publishes what is to go out. */
static void publish(uint8_t which)
{
    static const struct client_ops nobody = { .protocol = "fuzz" };
    struct client *client = client_open(bridge.core, &nobody, &bridge, true);
    struct mqtt_publish p = { .qos = which % 3,
                              .retain = (which & 0x10) != 0,
                              .topic = (which & 0x20) != 0 ? SLICE("l/a/1") : SLICE("c"),
                              .payload = slice_of(&which, 1) };
    struct mqtt_origin origin = { .now_ms = core_wall_ms(bridge.core), .user = SLICE("") };
    struct message *message;

    ASSERT(mqtt_map_publish(&p, p.topic, &origin, &message) == RC_OK);
    (void)publish_address(client, &message); /* that the core is full of them is no fault */
    client_close(&client);
}

/* What came out must be packets that a client sends. */
static void check_output(const struct conn *conn)
{
    static const unsigned legal = 1u << MQTT_CONNECT | 1u << MQTT_PUBLISH | 1u << MQTT_PUBACK |
                                  1u << MQTT_PUBREC | 1u << MQTT_PUBREL | 1u << MQTT_PUBCOMP |
                                  1u << MQTT_SUBSCRIBE | 1u << MQTT_UNSUBSCRIBE |
                                  1u << MQTT_PINGREQ | 1u << MQTT_DISCONNECT;
    struct slice out = slice_of(conn->out.at, conn->out.len);

    while (out.len > 0) {
        struct mqtt_header h;

        ASSERT(mqtt_decode_header(out, &h) == RC_OK);
        ASSERT((size_t)h.header_bytes + h.body_bytes <= out.len);
        ASSERT((legal >> h.type & 1) != 0);
        ASSERT(mqtt_flags_are_legal(h.type, h.flags, MQTT_V5));
        out = slice_after(out, (size_t)h.header_bytes + h.body_bytes);
    }
}

/* Gives the session its unread input; false when the connection is over. */
static bool feed(struct mqtt_session *s, const struct conn *conn, struct text *unread)
{
    size_t used = mqtt_session_input(s, text_slice(unread));

    ASSERT(used <= unread->len);
    memmove(unread->at, unread->at + used, unread->len - used);
    unread->len -= used;
    return !conn_is_closing(conn);
}

static void send_connack(struct text *unread, unsigned version, bool is_present)
{
    uint8_t at[64];
    struct wr w = wr_of(at, sizeof(at));
    struct mqtt_connack c = { .session_present = is_present };

    c.properties.topic_alias_maximum = 3;
    mqtt_set(&c.properties, MQTT_TOPIC_ALIAS_MAXIMUM);
    mqtt_encode_connack(&w, version, &c);
    ASSERT(!w.bad);
    net_rig_keep(unread, wr_slice(&w));
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const uint8_t levels[] = { MQTT_V31, MQTT_V311, MQTT_V5, MQTT_V5 };
    static const uint8_t versions[] = { BRIDGE_V31, BRIDGE_V311, BRIDGE_V5, BRIDGE_V5 };
    static struct conn conn;
    struct mqtt_session *s;
    struct text unread = { 0 };
    size_t step, pieces = 0;

    if (bridge.core == NULL)
        start();
    if (len < 2)
        return 0;
    net_rig_open(&conn, "mqtt");
    config.version = versions[at[0] & 3];
    bridge.is_local_kept = (at[0] & 8) != 0;
    step = at[1] == 0 ? len : at[1];
    ASSERT(bridge_link_open(&bridge, &conn, &s) == RC_OK);
    if ((at[0] & 4) == 0)
        send_connack(&unread, levels[at[0] & 3], (at[0] & 0x10) != 0);
    for (size_t i = 2; i < len; i += step) {
        net_rig_keep(&unread, slice_of(at + i, len - i < step ? len - i : step));
        conn.is_full = (at[i] & 0x40) != 0;
        if (!feed(s, &conn, &unread))
            break;
        publish(at[i]);
        if (pieces++ % PIECES_A_TURN == 0)
            settle();
        if (!conn.is_full)
            mqtt_session_drained(s);
    }
    settle();
    bridge_link_goodbye(s);
    check_output(&conn);
    mqtt_session_close(&s, RC_CLOSED);
    settle();
    free(unread.at);
    net_rig_close(&conn);
    return 0;
}
