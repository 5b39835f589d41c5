/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions over a real core are given anything: the first byte chooses version, client and profile,
 * the second in what pieces the rest comes. */
#include <stdlib.h>
#include <string.h>

#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/core.h"
#include "protocols/mqtt/mqtt_codec.h"
#include "protocols/mqtt/mqtt_session.h"
#include "tests/lib/mem_core.h"
#include "tests/lib/net_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

#define PIECES_A_TURN 16

static struct mem_core on;
static struct mqtt_server server = { .config = MQTT_CONFIG_DEFAULT };

static void settle(void)
{
    mem_core_settle(&on);
}

static void start(void)
{
    struct core_config config = CORE_CONFIG_DEFAULT;

    log_set_threshold(LOG_ERROR);
    config.retention_bytes = (uint64_t)1 << 20;
    mem_core_start(&on, &config);
    server.core = on.core;
}

/* Gives the session its unread input; false when the connection is over. */
static bool feed(struct mqtt_session *s, struct conn *conn, struct text *unread)
{
    size_t used = mqtt_session_input(s, slice_of(unread->at, unread->len));

    ASSERT(used <= unread->len);
    memmove(unread->at, unread->at + used, unread->len - used);
    unread->len -= used;
    return !conn_is_closing(conn);
}

/* What came out must be packets that decode, and none that a server does not send. */
static void check_output(const struct conn *conn, unsigned version)
{
    struct slice out = slice_of(conn->out.at, conn->out.len);

    while (out.len > 0) {
        struct mqtt_header h;
        struct mqtt_frame frame;
        struct mqtt_publish publish;

        ASSERT(mqtt_decode_header(out, &h) == RC_OK);
        ASSERT((size_t)h.header_bytes + h.body_bytes <= out.len);
        ASSERT(h.type != MQTT_CONNECT && h.type != MQTT_SUBSCRIBE && h.type != MQTT_PINGREQ);
        ASSERT(mqtt_flags_are_legal(h.type, h.flags, MQTT_V5));
        frame =
            (struct mqtt_frame){ h.type, h.flags, slice_of(out.at + h.header_bytes, h.body_bytes) };
        if (h.type == MQTT_PUBLISH)
            ASSERT(mqtt_decode_publish(&frame, version, &publish) == RC_OK);
        out = slice_after(out, (size_t)h.header_bytes + h.body_bytes);
    }
}

static void send_connect(struct text *unread, unsigned version, uint8_t which)
{
    uint8_t at[128];
    struct wr w = wr_of(at, sizeof(at));
    const char id[] = { 'c', (char)('0' + (which >> 4 & 3)), 0 };
    struct mqtt_connect c = { .version = (uint8_t)version,
                              .clean_start = (which & 0x40) != 0,
                              .keep_alive_s = 10,
                              .client_id = slice_str(id) };

    if ((which & 0x80) != 0) {
        c.properties.session_expiry_s = 100;
        mqtt_set(&c.properties, MQTT_SESSION_EXPIRY);
    }
    mqtt_encode_connect(&w, &c);
    ASSERT(!w.bad);
    net_rig_keep(unread, wr_slice(&w));
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const unsigned versions[] = { MQTT_V31, MQTT_V311, MQTT_V5, MQTT_V5 };
    static struct conn conn;
    struct mqtt_session *s;
    struct text unread = { 0 };
    unsigned version;
    size_t step, pieces = 0;

    if (server.core == NULL)
        start();
    if (len < 2)
        return 0;
    net_rig_open(&conn, "mqtt");
    version = versions[at[0] & 3];
    step = at[1] == 0 ? len : at[1];
    server.config.profile =
        &mqtt_profiles[(at[0] & 8) != 0 ? MQTT_PROFILE_MOSQUITTO : MQTT_PROFILE_OWN];
    ASSERT(mqtt_session_open(&server, &conn, &s) == RC_OK);
    if ((at[0] & 4) == 0)
        send_connect(&unread, version, at[0]);
    for (size_t i = 2; i < len; i += step) {
        net_rig_keep(&unread, slice_of(at + i, len - i < step ? len - i : step));
        conn.is_full = (at[i] & 0x40) != 0;
        if (!feed(s, &conn, &unread))
            break;
        if (pieces++ % PIECES_A_TURN == 0)
            settle();
        if (!conn.is_full)
            mqtt_session_drained(s);
    }
    settle();
    if ((at[0] & 4) == 0)
        check_output(&conn, version);
    mqtt_session_close(&s, RC_CLOSED);
    settle();
    free(unread.at);
    net_rig_close(&conn);
    return 0;
}
