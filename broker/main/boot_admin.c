/* SPDX-License-Identifier: Apache-2.0 */
/* The admin door: who may come through it and what it is told of the rest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "admin/api.h"
#include "broker/base/log.h"
#include "broker/base/text.h"
#include "broker/core/definitions.h"
#include "broker/core/policy.h"
#include "broker/main/boot_int.h"
#include "broker/net/listener.h"
#include "protocols/amqp/amqp_definitions.h"
#include "protocols/kafka/kafka_listener.h"
#include "protocols/mqtt/mqtt_listener.h"

#define SOCKET_NAME "admin.sock"
#define SOCKET_MODE 0600
/* People and their tools; each may hold a listing of the whole. */
#define ADMIN_CONNECTIONS_MAX 32
/* What fits into a socket's address, with the NUL. */
#define SOCKET_PATH_MAX_BYTES 108
/* Rows in the table of protocols. */
#define MQTT_ROW  0
#define KAFKA_ROW 2

static void reload(void *arg)
{
    struct broker *b = arg;

    if (b->on_reload != NULL && !b->is_ending)
        b->on_reload(b->reload_arg);
}

void boot_start_admin(struct broker *b)
{
    struct api_config config = { .rules = &b->definitions,
                                 .operations = &b->operations,
                                 .durability =
                                     b->settings->sync
                                         ? policy_durability_names[b->settings->durability]
                                         : "never synced" };

    config.password_file = b->settings->password_file;
    config.reload = reload;
    config.reload_arg = b;
    if (b->place != NULL)
        b->real_place = realpath(b->place, NULL); /* it is told to others, who may be elsewhere */
    config.place = b->real_place != NULL ? b->real_place : b->place;
    mqtt_server_operations(b->contexts[MQTT_ROW], &b->operations);
    amqp_definitions_rules(&b->definitions);
    kafka_definitions_rules(b->contexts[KAFKA_ROW], &b->definitions);
    b->api = api_new(b->core, b->loop, &config);
}

static enum rc open_socket(struct broker *b, struct text *why)
{
    struct listener_config config = { .name = "admin-socket",
                                      .max_connections = ADMIN_CONNECTIONS_MAX,
                                      .protocol = &api_protocol,
                                      .context = b->api };
    const char *told = b->settings->admin_socket;
    struct text path = { 0 };
    enum rc rc;

    if (told == NULL && b->place == NULL)
        return RC_OK;
    if (told != NULL)
        text_format(&path, "unix:%s", told);
    else
        text_format(&path, "unix:%s/" SOCKET_NAME, b->place);
    text_add_byte(&path, '\0');
    config.address = (const char *)path.at;
    rc = path.len > SOCKET_PATH_MAX_BYTES + strlen("unix:") ? RC_TOO_LARGE
                                                            : boot_open_listener(b, &config);
    if (rc == RC_TOO_LARGE && told == NULL) {
        log_event(LOG_WARNING, "broker.no-admin-socket",
                  "why=\"%s is too long for the name of a socket; admin_socket names another\"",
                  config.address);
        rc = RC_OK;
    } else if (rc != RC_OK) {
        text_format(why, "the admin socket %s cannot be made: %s", config.address, rc_word(rc));
    } else if (chmod(config.address + strlen("unix:"), SOCKET_MODE) != 0) {
        text_format(why, "the admin socket %s cannot be made private: %s", config.address,
                    strerror(errno));
        rc = RC_REFUSED;
    }
    text_done(&path);
    return rc;
}

enum rc boot_listen_admin(struct broker *b, struct text *why)
{
    struct listener_config config = { .name = "admin",
                                      .max_connections = ADMIN_CONNECTIONS_MAX,
                                      .protocol = &api_protocol,
                                      .context = b->api };
    enum rc rc = open_socket(b, why);

    if (rc != RC_OK || !settings_has_admin_port(b->settings))
        return rc;
    return boot_listen_on_loopback(b, &config, (uint16_t)b->settings->admin_port, why);
}
