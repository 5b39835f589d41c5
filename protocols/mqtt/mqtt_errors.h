/* SPDX-License-Identifier: Apache-2.0 */
/* What each return code is called on the wire, for each packet that can carry a refusal. Pure. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_ERRORS_H
#define TERCET_PROTOCOLS_MQTT_MQTT_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"

/* No code of the old versions says this: the connection is closed. */
#define MQTT3_CLOSE 0xff

struct mqtt_error {
    uint8_t connack;    /* MQTT 5 CONNACK */
    uint8_t disconnect; /* MQTT 5 DISCONNECT */
    uint8_t publish;    /* MQTT 5 PUBACK and PUBREC */
    uint8_t subscribe;  /* MQTT 5 SUBACK and UNSUBACK; SUBACK of 3.1.1 has 0x80 alone */
    uint8_t connack_3;  /* 3.1 and 3.1.1, or MQTT3_CLOSE */
    uint8_t publish_3;  /* 0: acknowledged all the same (3.3.5-2), or MQTT3_CLOSE */
    bool is_known;      /* for the test that no code is missing */
};

/* The row of a code; of RC_SYSTEM for a value that is none. */
const struct mqtt_error *mqtt_error(enum rc rc);
/* Does the code alone leave open what went wrong, so that a Reason String is worth its bytes? */
bool mqtt_reason_needs_words(uint8_t reason);

#endif
