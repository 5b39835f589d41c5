/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_listener.h"

#include "broker/base/mem.h"
#include "protocols/mqtt/mqtt_control.h"

#define MQTT_PORT     1883
#define MQTT_TLS_PORT 8883

struct mqtt_server *mqtt_server_new(struct core *core, struct loop *loop,
                                    const struct mqtt_config *config,
                                    const struct mqtt_control_config *control)
{
    struct mqtt_server *server = mem_new(struct mqtt_server);

    *server = (struct mqtt_server){ .core = core,
                                    .config = *config,
                                    .control = mqtt_control_new(loop, control) };
    return server;
}

struct mqtt_server *mqtt_server_new_place(const struct mqtt_server *all,
                                          const struct mqtt_config *config,
                                          const struct mqtt_place_config *place)
{
    struct mqtt_server *server = mem_new(struct mqtt_server);

    *server = (struct mqtt_server){ .core = all->core,
                                    .config = *config,
                                    .control = mqtt_control_ref(all->control),
                                    .place = mqtt_place_new(place) };
    return server;
}

void mqtt_server_operations(struct mqtt_server *server, struct operations *ret)
{
    mqtt_control_operations(server->control, ret);
}

void mqtt_server_free(struct mqtt_server **server)
{
    if (*server == NULL)
        return;
    mqtt_control_unref(&(*server)->control);
    mqtt_place_free(&(*server)->place);
    MEM_FREE(*server);
}

static enum rc on_open(void *context, struct conn *conn, void **ret_session)
{
    struct mqtt_session *session;
    enum rc rc = mqtt_session_open(context, conn, &session);

    if (rc == RC_OK)
        *ret_session = session;
    return rc;
}

static size_t on_input(void *session, struct slice in)
{
    return mqtt_session_input(session, in);
}

static void on_drained(void *session)
{
    mqtt_session_drained(session);
}

static void on_closed(void *arg, enum rc why)
{
    struct mqtt_session *session = arg;

    mqtt_session_close(&session, why);
}

static void on_shutdown(void *session)
{
    mqtt_session_shutdown(session);
}

/* MQTT 5 6: "mqtt"; what 3.1 was called before there was a standard. */
static const char *const websocket_names[] = { "mqtt", "mqttv3.1", NULL };

const struct protocol mqtt_protocol = {
    .name = "mqtt",
    .default_port = MQTT_PORT,
    .default_tls_port = MQTT_TLS_PORT,
    .websocket_names = websocket_names,
    .needs_websocket_name = true,
    .on_open = on_open,
    .on_input = on_input,
    .on_drained = on_drained,
    .on_closed = on_closed,
    .on_shutdown = on_shutdown,
    .on_revoked = mqtt_session_revoked,
};
