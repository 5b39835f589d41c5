/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a mosquitto.conf, some of them as a file that it includes: either it is refused with
 * a message, or what it gives is in order. */
#include <stddef.h>
#include <stdint.h>

#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/main/mosquitto_conf.h"
#include "broker/main/mosquitto_settings.h"
#include "broker/main/settings.h"

static struct slice first, included;

static enum rc load(const char *path, struct text *to, struct text *errors)
{
    (void)errors;
    text_add(to, path[0] == '@' ? first : included);
    return RC_OK;
}

static enum rc list(const char *path, struct text *to, struct text *errors)
{
    if (path[0] == '!') {
        text_format(errors, "no directory\n");
        return RC_INVALID;
    }
    text_add(to, slice_of("b.conf\0A.conf", 14));
    return RC_OK;
}

static enum rc look_up(const char *name, enum mosquitto_family family, struct text *to)
{
    if (name[0] == '!')
        return RC_NOT_FOUND;
    text_format(to, family == MOSQUITTO_IPV6 ? "::1" : "127.0.0.1");
    return RC_OK;
}

static const struct mosquitto_files door = { load, list, look_up, look_up };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings s;
    struct text errors = { 0 };
    size_t cut = size == 0 ? 0 : data[0] % size;
    enum rc rc;

    included = slice_of(data, cut);
    first = slice_after(slice_of(data, size), cut);
    settings_start(&s);
    rc = mosquitto_settings_read(&s, "@", &door, &errors);
    ASSERT((rc == RC_OK) == (errors.len == 0));
    ASSERT(errors.len == 0 || errors.at[errors.len - 1] == '\n');
    ASSERT(s.mqtt_receive_maximum >= 1 && s.mqtt_send_window >= 1 && s.session_max_messages >= 1);
    LIST_EACH (k, &s.listeners) {
        const struct listener_settings *l = CONTAINER_OF(k, struct listener_settings, link);

        ASSERT(l->port <= UINT16_MAX && l->max_connections >= 1);
        ASSERT(rc != RC_OK || l->tls == (l->certificate != NULL));
    }
    settings_done(&s);
    text_done(&errors);
    return 0;
}
