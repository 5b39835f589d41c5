/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_errors.h"

#include "protocols/mqtt/mqtt_codec.h"

/* Short names, so that a row fits a line. */
enum {
    OKAY = MQTT_SUCCESS,
    UNSP = MQTT_UNSPECIFIED_ERROR,
    MALF = MQTT_MALFORMED_PACKET,
    PROT = MQTT_PROTOCOL_ERROR,
    IMPL = MQTT_IMPLEMENTATION_ERROR,
    VERS = MQTT_UNSUPPORTED_VERSION,
    IDNV = MQTT_CLIENT_ID_NOT_VALID,
    PASS = MQTT_BAD_USER_OR_PASSWORD,
    AUTH = MQTT_NOT_AUTHORIZED,
    UNAV = MQTT_SERVER_UNAVAILABLE,
    BUSY = MQTT_SERVER_BUSY,
    BANN = MQTT_BANNED,
    FILT = MQTT_TOPIC_FILTER_INVALID,
    NAME = MQTT_TOPIC_NAME_INVALID,
    NSUB = MQTT_NO_SUBSCRIPTION_EXISTED,
    LARG = MQTT_PACKET_TOO_LARGE,
    QUOT = MQTT_QUOTA_EXCEEDED,
    NONE = MQTT_NO_MATCHING_SUBSCRIBERS,
    SHUT = MQTT_SERVER_SHUTTING_DOWN,
    KEEP = MQTT_KEEP_ALIVE_TIMEOUT,
    CLOS = MQTT3_CLOSE,
    VER3 = MQTT3_UNACCEPTABLE_VERSION,
    IDR3 = MQTT3_IDENTIFIER_REJECTED,
    UNA3 = MQTT3_SERVER_UNAVAILABLE,
    PAS3 = MQTT3_BAD_USER_OR_PASSWORD,
    AUT3 = MQTT3_NOT_AUTHORIZED,
};

static const struct mqtt_error rows[RC_COUNT] = {
    /*                 connack discon publish subscr conn3 pub3 */
    [RC_OK] = { OKAY, OKAY, OKAY, OKAY, OKAY, OKAY, true },
    [RC_AGAIN] = { BUSY, BUSY, QUOT, QUOT, UNA3, CLOS, true },
    [RC_NOT_FOUND] = { UNSP, UNSP, UNSP, FILT, CLOS, CLOS, true },
    [RC_EXISTS] = { UNSP, UNSP, UNSP, UNSP, CLOS, CLOS, true },
    [RC_LIMIT] = { QUOT, QUOT, QUOT, QUOT, UNA3, CLOS, true },
    [RC_TOO_LARGE] = { LARG, LARG, QUOT, FILT, CLOS, CLOS, true },
    [RC_MALFORMED] = { MALF, MALF, NAME, FILT, CLOS, CLOS, true },
    [RC_PROTOCOL] = { PROT, PROT, UNSP, FILT, CLOS, CLOS, true },
    [RC_INVALID] = { IDNV, NAME, NAME, FILT, IDR3, CLOS, true },
    [RC_MISMATCH] = { UNSP, UNSP, UNSP, UNSP, CLOS, CLOS, true },
    [RC_IN_USE] = { BUSY, UNSP, UNSP, AUTH, UNA3, CLOS, true },
    [RC_LOCKED] = { AUTH, AUTH, AUTH, AUTH, AUT3, OKAY, true },
    [RC_REFUSED] = { AUTH, AUTH, AUTH, AUTH, AUT3, OKAY, true },
    [RC_AUTH] = { PASS, AUTH, AUTH, AUTH, PAS3, CLOS, true },
    [RC_BANNED] = { BANN, AUTH, AUTH, AUTH, AUT3, CLOS, true },
    [RC_UNSUPPORTED] = { IMPL, IMPL, IMPL, IMPL, UNA3, CLOS, true },
    [RC_NO_ROUTE] = { UNSP, UNSP, NONE, UNSP, CLOS, OKAY, true },
    [RC_RANGE] = { UNSP, UNSP, UNSP, UNSP, CLOS, CLOS, true },
    [RC_FENCED] = { UNSP, UNSP, UNSP, UNSP, CLOS, CLOS, true },
    [RC_SEQUENCE] = { UNSP, UNSP, UNSP, UNSP, CLOS, CLOS, true },
    [RC_DUPLICATE] = { OKAY, UNSP, OKAY, OKAY, OKAY, OKAY, true },
    [RC_CORRUPT] = { UNAV, UNSP, IMPL, IMPL, UNA3, CLOS, true },
    [RC_VERSION] = { VERS, PROT, UNSP, UNSP, VER3, CLOS, true },
    [RC_FULL] = { QUOT, QUOT, QUOT, QUOT, UNA3, CLOS, true },
    [RC_IO] = { UNAV, IMPL, IMPL, IMPL, UNA3, CLOS, true },
    [RC_MEMORY] = { BUSY, BUSY, QUOT, QUOT, UNA3, CLOS, true },
    [RC_CLOSED] = { UNAV, SHUT, UNSP, UNSP, UNA3, CLOS, true },
    [RC_TIMEOUT] = { BUSY, KEEP, UNSP, UNSP, UNA3, CLOS, true },
    [RC_SYSTEM] = { UNSP, UNSP, UNSP, UNSP, UNA3, CLOS, true },
};

const struct mqtt_error *mqtt_error(enum rc rc)
{
    return &rows[(unsigned)rc < RC_COUNT ? rc : RC_SYSTEM];
}

bool mqtt_reason_needs_words(uint8_t reason)
{
    switch (reason) {
    case MQTT_UNSPECIFIED_ERROR:
    case MQTT_IMPLEMENTATION_ERROR:
    case MQTT_SERVER_UNAVAILABLE:
    case MQTT_SERVER_BUSY:
    case MQTT_QUOTA_EXCEEDED:
        return true;
    default:
        return false;
    }
}
