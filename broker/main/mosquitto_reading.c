/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/mosquitto_reading.h"

#include "broker/base/text.h"

void reading_put_text(struct reading *r, const struct mosquitto_value *from, const char *name,
                      const char *text)
{
    struct text why = { 0 };

    if (settings_put(r->to, name, slice_str(text), &why) != RC_OK)
        mosquitto_conf_error(CONF(r), from, "%.*s", SLICE_FMT(text_slice(&why)));
    text_done(&why);
}

void reading_put_number(struct reading *r, const struct mosquitto_value *from, const char *name,
                        int64_t number, const char *unit)
{
    struct text value = { 0 };

    text_format(&value, "%lld%s", (long long)number, unit);
    text_add_byte(&value, '\0');
    reading_put_text(r, from, name, (const char *)value.at);
    text_done(&value);
}

void reading_put_switch(struct reading *r, const struct mosquitto_value *from, const char *name,
                        bool is_on)
{
    reading_put_text(r, from, name, is_on ? "yes" : "no");
}

void reading_put_here(struct reading *r, const struct mosquitto_value *from,
                      struct listener_settings *l, const char *name, const char *text)
{
    struct text why = { 0 };

    if (settings_put_listener(l, name, slice_str(text), &why) != RC_OK)
        mosquitto_conf_error(CONF(r), from, "%.*s", SLICE_FMT(text_slice(&why)));
    text_done(&why);
}

void reading_put_number_here(struct reading *r, const struct mosquitto_value *from,
                             struct listener_settings *l, const char *name, int64_t number)
{
    struct text value = { 0 };

    text_format(&value, "%lld", (long long)number);
    text_add_byte(&value, '\0');
    reading_put_here(r, from, l, name, (const char *)value.at);
    text_done(&value);
}
