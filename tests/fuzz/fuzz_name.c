/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a name: every spelling gives the name back, and what lies between is legal. */
#include "broker/base/mem.h"
#include "broker/core/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice name = slice_of(data, size), there, back, kafka;
    struct text a = { 0 }, b = { 0 };

    ASSERT(name_from_amqp_key(name, NAME_DOTS_ESCAPE, &a, &there) == RC_OK);
    ASSERT(name_to_amqp_key(there, NAME_DOTS_ESCAPE, &b, &back) == RC_OK);
    ASSERT(slice_equal(back, name));
    ASSERT(name_from_queue(name, &a, &there) == RC_OK);
    ASSERT(name_to_queue(there, &b, &back) == RC_OK);
    ASSERT(slice_equal(back, name));
    if (name_to_kafka_topic(there, &b, &kafka) == RC_OK) {
        ASSERT(name_from_kafka_topic(kafka, &a, &back) == RC_OK);
        ASSERT(name_to_queue(back, &b, &there) == RC_OK);
        ASSERT(slice_equal(there, name));
    }
    if (name_from_kafka_topic(name, &a, &there) == RC_OK) {
        ASSERT(name_to_kafka_topic(there, &b, &back) == RC_OK);
        ASSERT(slice_equal(back, name));
    }
    if (name_check(name) == RC_OK) {
        ASSERT(name_to_amqp_key(name, NAME_DOTS_ESCAPE, &a, &there) == RC_OK);
        ASSERT(name_from_amqp_key(there, NAME_DOTS_ESCAPE, &b, &back) == RC_OK);
        ASSERT(slice_equal(back, name));
        ASSERT(name_join(name_stream(name), name_subject(name), &a, &back) == RC_OK);
        ASSERT(slice_equal(back, name));
    }
    ASSERT(name_from_amqp_key(name, NAME_DOTS_RABBITMQ, &a, &there) == RC_OK);
    ASSERT(name_to_amqp_key(name, NAME_DOTS_RABBITMQ, &a, &there) == RC_OK);
    if (name_check_mqtt_topic(name) == RC_OK)
        ASSERT(name_key_is_subject(SLICE(""), name) || name.len == NAME_MAX_BYTES ||
               name_level_count(name) == NAME_MAX_LEVELS);
    text_done(&a);
    text_done(&b);
    return 0;
}
