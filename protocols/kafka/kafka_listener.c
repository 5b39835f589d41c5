/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/kafka/kafka_listener.h"

#include "broker/base/mem.h"
#include "broker/core/definitions.h"
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_session.h"
#include "protocols/kafka/kafka_topic_config.h"

/* URL-safe base64 without padding, as Kafka writes its ids. */
static void spell_cluster_id(const uint8_t identity[16], char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned have = 0, n = 0;

    for (unsigned i = 0; i < 16; i++) {
        bits = bits << 8 | identity[i];
        for (have += 8; have >= 6; have -= 6)
            to[n++] = digits[bits >> (have - 6) & 63];
    }
    to[n++] = digits[bits << (6 - have) & 63];
    to[n] = 0;
    ASSERT(n == KAFKA_CLUSTER_ID_BYTES);
}

struct kafka *kafka_new(struct core *core, struct loop *loop, const struct kafka_config *config)
{
    struct kafka *kafka = mem_new(struct kafka);

    kafka->core = core;
    kafka->loop = loop;
    kafka->config = *config;
    kafka->config.sync_interval_ms = core_config(core)->sync_interval_ms;
    spell_cluster_id(core_identity(core), kafka->cluster_id);
    list_init(&kafka->spare);
    kafka_groups_init(&kafka->groups, loop, &kafka->config);
    return kafka;
}

void kafka_free(struct kafka **kafka)
{
    if (*kafka == NULL)
        return;
    kafka_groups_done(&(*kafka)->groups);
    kafka_session_free_spare(*kafka);
    text_done(&(*kafka)->scratch);
    MEM_FREE(*kafka);
}

static const char *check_config(void *config_arg, struct slice name, struct slice value)
{
    const struct kafka *kafka = config_arg;

    return kafka_topic_config_check(&kafka->config, name, value);
}

static void add_config(void *config_arg, struct text *kept, struct stream_policy *policy,
                       struct slice name, struct slice value)
{
    const struct kafka *kafka = config_arg;

    kafka_topic_config_add(&kafka->config, kept, name, value);
    kafka_topic_policy_set(name, value, policy);
    policy->durability = kafka_topic_durability(&kafka->config, text_slice(kept));
}

void kafka_definitions_rules(struct kafka *kafka, struct definitions_rules *rules)
{
    rules->check_config = check_config;
    rules->add_config = add_config;
    rules->compaction_of = kafka_topic_compaction;
    rules->config_arg = kafka;
}

static const char *const websocket_names[] = { "kafka", NULL };

const struct protocol kafka_protocol = {
    .name = "kafka",
    .default_port = 9092,
    .default_tls_port = 9093,
    .websocket_names = websocket_names,
    .on_open = kafka_session_open,
    .on_input = kafka_session_input,
    .on_drained = kafka_session_drained,
    .on_closed = kafka_session_closed,
    .on_shutdown = kafka_session_shutdown,
};
