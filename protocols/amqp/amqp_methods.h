/* SPDX-License-Identifier: Apache-2.0 */
/* Every method of AMQP 0-9-1 with RabbitMQ's extensions: one table that makes the structs, the
 * decoder and the encoder. Pure. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_METHODS_H
#define TERCET_PROTOCOLS_AMQP_AMQP_METHODS_H

#include <stdbool.h>

#include "broker/base/slice.h"

/* What a field is in C. Short and long strings and tables borrow from the bytes they were read
 * from; a table is the bytes inside it, without its length. */
#define AMQP_C_octet    uint8_t
#define AMQP_C_short    uint16_t
#define AMQP_C_long     uint32_t
#define AMQP_C_longlong uint64_t
#define AMQP_C_bit      bool
#define AMQP_C_shortstr struct slice
#define AMQP_C_longstr  struct slice
#define AMQP_C_table    struct slice

/* M(NAME, type, class, method, "class.method"), in the order of the ids. */
#define AMQP_METHODS(M)                                                                       \
    M(CONNECTION_START, connection_start, 10, 10, "connection.start")                         \
    M(CONNECTION_START_OK, connection_start_ok, 10, 11, "connection.start-ok")                \
    M(CONNECTION_SECURE, connection_secure, 10, 20, "connection.secure")                      \
    M(CONNECTION_SECURE_OK, connection_secure_ok, 10, 21, "connection.secure-ok")             \
    M(CONNECTION_TUNE, connection_tune, 10, 30, "connection.tune")                            \
    M(CONNECTION_TUNE_OK, connection_tune_ok, 10, 31, "connection.tune-ok")                   \
    M(CONNECTION_OPEN, connection_open, 10, 40, "connection.open")                            \
    M(CONNECTION_OPEN_OK, connection_open_ok, 10, 41, "connection.open-ok")                   \
    M(CONNECTION_CLOSE, connection_close, 10, 50, "connection.close")                         \
    M(CONNECTION_CLOSE_OK, connection_close_ok, 10, 51, "connection.close-ok")                \
    M(CONNECTION_BLOCKED, connection_blocked, 10, 60, "connection.blocked")                   \
    M(CONNECTION_UNBLOCKED, connection_unblocked, 10, 61, "connection.unblocked")             \
    M(CONNECTION_UPDATE_SECRET, connection_update_secret, 10, 70, "connection.update-secret") \
    M(CONNECTION_UPDATE_SECRET_OK, connection_update_secret_ok, 10, 71,                       \
      "connection.update-secret-ok")                                                          \
    M(CHANNEL_OPEN, channel_open, 20, 10, "channel.open")                                     \
    M(CHANNEL_OPEN_OK, channel_open_ok, 20, 11, "channel.open-ok")                            \
    M(CHANNEL_FLOW, channel_flow, 20, 20, "channel.flow")                                     \
    M(CHANNEL_FLOW_OK, channel_flow_ok, 20, 21, "channel.flow-ok")                            \
    M(CHANNEL_CLOSE, channel_close, 20, 40, "channel.close")                                  \
    M(CHANNEL_CLOSE_OK, channel_close_ok, 20, 41, "channel.close-ok")                         \
    M(ACCESS_REQUEST, access_request, 30, 10, "access.request")                               \
    M(ACCESS_REQUEST_OK, access_request_ok, 30, 11, "access.request-ok")                      \
    M(EXCHANGE_DECLARE, exchange_declare, 40, 10, "exchange.declare")                         \
    M(EXCHANGE_DECLARE_OK, exchange_declare_ok, 40, 11, "exchange.declare-ok")                \
    M(EXCHANGE_DELETE, exchange_delete, 40, 20, "exchange.delete")                            \
    M(EXCHANGE_DELETE_OK, exchange_delete_ok, 40, 21, "exchange.delete-ok")                   \
    M(EXCHANGE_BIND, exchange_bind, 40, 30, "exchange.bind")                                  \
    M(EXCHANGE_BIND_OK, exchange_bind_ok, 40, 31, "exchange.bind-ok")                         \
    M(EXCHANGE_UNBIND, exchange_unbind, 40, 40, "exchange.unbind")                            \
    M(EXCHANGE_UNBIND_OK, exchange_unbind_ok, 40, 51, "exchange.unbind-ok")                   \
    M(QUEUE_DECLARE, queue_declare, 50, 10, "queue.declare")                                  \
    M(QUEUE_DECLARE_OK, queue_declare_ok, 50, 11, "queue.declare-ok")                         \
    M(QUEUE_BIND, queue_bind, 50, 20, "queue.bind")                                           \
    M(QUEUE_BIND_OK, queue_bind_ok, 50, 21, "queue.bind-ok")                                  \
    M(QUEUE_PURGE, queue_purge, 50, 30, "queue.purge")                                        \
    M(QUEUE_PURGE_OK, queue_purge_ok, 50, 31, "queue.purge-ok")                               \
    M(QUEUE_DELETE, queue_delete, 50, 40, "queue.delete")                                     \
    M(QUEUE_DELETE_OK, queue_delete_ok, 50, 41, "queue.delete-ok")                            \
    M(QUEUE_UNBIND, queue_unbind, 50, 50, "queue.unbind")                                     \
    M(QUEUE_UNBIND_OK, queue_unbind_ok, 50, 51, "queue.unbind-ok")                            \
    M(BASIC_QOS, basic_qos, 60, 10, "basic.qos")                                              \
    M(BASIC_QOS_OK, basic_qos_ok, 60, 11, "basic.qos-ok")                                     \
    M(BASIC_CONSUME, basic_consume, 60, 20, "basic.consume")                                  \
    M(BASIC_CONSUME_OK, basic_consume_ok, 60, 21, "basic.consume-ok")                         \
    M(BASIC_CANCEL, basic_cancel, 60, 30, "basic.cancel")                                     \
    M(BASIC_CANCEL_OK, basic_cancel_ok, 60, 31, "basic.cancel-ok")                            \
    M(BASIC_PUBLISH, basic_publish, 60, 40, "basic.publish")                                  \
    M(BASIC_RETURN, basic_return, 60, 50, "basic.return")                                     \
    M(BASIC_DELIVER, basic_deliver, 60, 60, "basic.deliver")                                  \
    M(BASIC_GET, basic_get, 60, 70, "basic.get")                                              \
    M(BASIC_GET_OK, basic_get_ok, 60, 71, "basic.get-ok")                                     \
    M(BASIC_GET_EMPTY, basic_get_empty, 60, 72, "basic.get-empty")                            \
    M(BASIC_ACK, basic_ack, 60, 80, "basic.ack")                                              \
    M(BASIC_REJECT, basic_reject, 60, 90, "basic.reject")                                     \
    M(BASIC_RECOVER_ASYNC, basic_recover_async, 60, 100, "basic.recover-async")               \
    M(BASIC_RECOVER, basic_recover, 60, 110, "basic.recover")                                 \
    M(BASIC_RECOVER_OK, basic_recover_ok, 60, 111, "basic.recover-ok")                        \
    M(BASIC_NACK, basic_nack, 60, 120, "basic.nack")                                          \
    M(CONFIRM_SELECT, confirm_select, 85, 10, "confirm.select")                               \
    M(CONFIRM_SELECT_OK, confirm_select_ok, 85, 11, "confirm.select-ok")                      \
    M(TX_SELECT, tx_select, 90, 10, "tx.select")                                              \
    M(TX_SELECT_OK, tx_select_ok, 90, 11, "tx.select-ok")                                     \
    M(TX_COMMIT, tx_commit, 90, 20, "tx.commit")                                              \
    M(TX_COMMIT_OK, tx_commit_ok, 90, 21, "tx.commit-ok")                                     \
    M(TX_ROLLBACK, tx_rollback, 90, 30, "tx.rollback")                                        \
    M(TX_ROLLBACK_OK, tx_rollback_ok, 90, 31, "tx.rollback-ok")

/* F(type, kind, name): the arguments in wire order; bits that follow each other share octets. */
#define AMQP_F_connection_start(F)                \
    F(connection_start, octet, version_major)     \
    F(connection_start, octet, version_minor)     \
    F(connection_start, table, server_properties) \
    F(connection_start, longstr, mechanisms)      \
    F(connection_start, longstr, locales)
#define AMQP_F_connection_start_ok(F)                \
    F(connection_start_ok, table, client_properties) \
    F(connection_start_ok, shortstr, mechanism)      \
    F(connection_start_ok, longstr, response)        \
    F(connection_start_ok, shortstr, locale)
#define AMQP_F_connection_secure(F)    F(connection_secure, longstr, challenge)
#define AMQP_F_connection_secure_ok(F) F(connection_secure_ok, longstr, response)
#define AMQP_F_connection_tune(F)          \
    F(connection_tune, short, channel_max) \
    F(connection_tune, long, frame_max)    \
    F(connection_tune, short, heartbeat)
#define AMQP_F_connection_tune_ok(F)          \
    F(connection_tune_ok, short, channel_max) \
    F(connection_tune_ok, long, frame_max)    \
    F(connection_tune_ok, short, heartbeat)
#define AMQP_F_connection_open(F)              \
    F(connection_open, shortstr, virtual_host) \
    F(connection_open, shortstr, capabilities) \
    F(connection_open, bit, insist)
#define AMQP_F_connection_open_ok(F) F(connection_open_ok, shortstr, known_hosts)
#define AMQP_F_connection_close(F)            \
    F(connection_close, short, reply_code)    \
    F(connection_close, shortstr, reply_text) \
    F(connection_close, short, class_id)      \
    F(connection_close, short, method_id)
#define AMQP_F_connection_close_ok(F)
#define AMQP_F_connection_blocked(F) F(connection_blocked, shortstr, reason)
#define AMQP_F_connection_unblocked(F)
#define AMQP_F_connection_update_secret(F)           \
    F(connection_update_secret, longstr, new_secret) \
    F(connection_update_secret, shortstr, reason)
#define AMQP_F_connection_update_secret_ok(F)
#define AMQP_F_channel_open(F)    F(channel_open, shortstr, out_of_band)
#define AMQP_F_channel_open_ok(F) F(channel_open_ok, longstr, channel_id)
#define AMQP_F_channel_flow(F)    F(channel_flow, bit, active)
#define AMQP_F_channel_flow_ok(F) F(channel_flow_ok, bit, active)
#define AMQP_F_channel_close(F)            \
    F(channel_close, short, reply_code)    \
    F(channel_close, shortstr, reply_text) \
    F(channel_close, short, class_id)      \
    F(channel_close, short, method_id)
#define AMQP_F_channel_close_ok(F)
#define AMQP_F_access_request(F)       \
    F(access_request, shortstr, realm) \
    F(access_request, bit, exclusive)  \
    F(access_request, bit, passive)    \
    F(access_request, bit, active)     \
    F(access_request, bit, write)      \
    F(access_request, bit, read)
#define AMQP_F_access_request_ok(F) F(access_request_ok, short, ticket)
#define AMQP_F_exchange_declare(F)          \
    F(exchange_declare, short, ticket)      \
    F(exchange_declare, shortstr, exchange) \
    F(exchange_declare, shortstr, type)     \
    F(exchange_declare, bit, passive)       \
    F(exchange_declare, bit, durable)       \
    F(exchange_declare, bit, auto_delete)   \
    F(exchange_declare, bit, internal)      \
    F(exchange_declare, bit, nowait)        \
    F(exchange_declare, table, arguments)
#define AMQP_F_exchange_declare_ok(F)
#define AMQP_F_exchange_delete(F)          \
    F(exchange_delete, short, ticket)      \
    F(exchange_delete, shortstr, exchange) \
    F(exchange_delete, bit, if_unused)     \
    F(exchange_delete, bit, nowait)
#define AMQP_F_exchange_delete_ok(F)
#define AMQP_F_exchange_bind(F)             \
    F(exchange_bind, short, ticket)         \
    F(exchange_bind, shortstr, destination) \
    F(exchange_bind, shortstr, source)      \
    F(exchange_bind, shortstr, routing_key) \
    F(exchange_bind, bit, nowait)           \
    F(exchange_bind, table, arguments)
#define AMQP_F_exchange_bind_ok(F)
#define AMQP_F_exchange_unbind(F)             \
    F(exchange_unbind, short, ticket)         \
    F(exchange_unbind, shortstr, destination) \
    F(exchange_unbind, shortstr, source)      \
    F(exchange_unbind, shortstr, routing_key) \
    F(exchange_unbind, bit, nowait)           \
    F(exchange_unbind, table, arguments)
#define AMQP_F_exchange_unbind_ok(F)
#define AMQP_F_queue_declare(F)        \
    F(queue_declare, short, ticket)    \
    F(queue_declare, shortstr, queue)  \
    F(queue_declare, bit, passive)     \
    F(queue_declare, bit, durable)     \
    F(queue_declare, bit, exclusive)   \
    F(queue_declare, bit, auto_delete) \
    F(queue_declare, bit, nowait)      \
    F(queue_declare, table, arguments)
#define AMQP_F_queue_declare_ok(F)           \
    F(queue_declare_ok, shortstr, queue)     \
    F(queue_declare_ok, long, message_count) \
    F(queue_declare_ok, long, consumer_count)
#define AMQP_F_queue_bind(F)             \
    F(queue_bind, short, ticket)         \
    F(queue_bind, shortstr, queue)       \
    F(queue_bind, shortstr, exchange)    \
    F(queue_bind, shortstr, routing_key) \
    F(queue_bind, bit, nowait)           \
    F(queue_bind, table, arguments)
#define AMQP_F_queue_bind_ok(F)
#define AMQP_F_queue_purge(F)       \
    F(queue_purge, short, ticket)   \
    F(queue_purge, shortstr, queue) \
    F(queue_purge, bit, nowait)
#define AMQP_F_queue_purge_ok(F) F(queue_purge_ok, long, message_count)
#define AMQP_F_queue_delete(F)       \
    F(queue_delete, short, ticket)   \
    F(queue_delete, shortstr, queue) \
    F(queue_delete, bit, if_unused)  \
    F(queue_delete, bit, if_empty)   \
    F(queue_delete, bit, nowait)
#define AMQP_F_queue_delete_ok(F) F(queue_delete_ok, long, message_count)
#define AMQP_F_queue_unbind(F)             \
    F(queue_unbind, short, ticket)         \
    F(queue_unbind, shortstr, queue)       \
    F(queue_unbind, shortstr, exchange)    \
    F(queue_unbind, shortstr, routing_key) \
    F(queue_unbind, table, arguments)
#define AMQP_F_queue_unbind_ok(F)
#define AMQP_F_basic_qos(F)             \
    F(basic_qos, long, prefetch_size)   \
    F(basic_qos, short, prefetch_count) \
    F(basic_qos, bit, global)
#define AMQP_F_basic_qos_ok(F)
#define AMQP_F_basic_consume(F)              \
    F(basic_consume, short, ticket)          \
    F(basic_consume, shortstr, queue)        \
    F(basic_consume, shortstr, consumer_tag) \
    F(basic_consume, bit, no_local)          \
    F(basic_consume, bit, no_ack)            \
    F(basic_consume, bit, exclusive)         \
    F(basic_consume, bit, nowait)            \
    F(basic_consume, table, arguments)
#define AMQP_F_basic_consume_ok(F) F(basic_consume_ok, shortstr, consumer_tag)
#define AMQP_F_basic_cancel(F)              \
    F(basic_cancel, shortstr, consumer_tag) \
    F(basic_cancel, bit, nowait)
#define AMQP_F_basic_cancel_ok(F) F(basic_cancel_ok, shortstr, consumer_tag)
#define AMQP_F_basic_publish(F)             \
    F(basic_publish, short, ticket)         \
    F(basic_publish, shortstr, exchange)    \
    F(basic_publish, shortstr, routing_key) \
    F(basic_publish, bit, mandatory)        \
    F(basic_publish, bit, immediate)
#define AMQP_F_basic_return(F)            \
    F(basic_return, short, reply_code)    \
    F(basic_return, shortstr, reply_text) \
    F(basic_return, shortstr, exchange)   \
    F(basic_return, shortstr, routing_key)
#define AMQP_F_basic_deliver(F)              \
    F(basic_deliver, shortstr, consumer_tag) \
    F(basic_deliver, longlong, delivery_tag) \
    F(basic_deliver, bit, redelivered)       \
    F(basic_deliver, shortstr, exchange)     \
    F(basic_deliver, shortstr, routing_key)
#define AMQP_F_basic_get(F)       \
    F(basic_get, short, ticket)   \
    F(basic_get, shortstr, queue) \
    F(basic_get, bit, no_ack)
#define AMQP_F_basic_get_ok(F)              \
    F(basic_get_ok, longlong, delivery_tag) \
    F(basic_get_ok, bit, redelivered)       \
    F(basic_get_ok, shortstr, exchange)     \
    F(basic_get_ok, shortstr, routing_key)  \
    F(basic_get_ok, long, message_count)
#define AMQP_F_basic_get_empty(F) F(basic_get_empty, shortstr, cluster_id)
#define AMQP_F_basic_ack(F)              \
    F(basic_ack, longlong, delivery_tag) \
    F(basic_ack, bit, multiple)
#define AMQP_F_basic_reject(F)              \
    F(basic_reject, longlong, delivery_tag) \
    F(basic_reject, bit, requeue)
#define AMQP_F_basic_recover_async(F) F(basic_recover_async, bit, requeue)
#define AMQP_F_basic_recover(F)       F(basic_recover, bit, requeue)
#define AMQP_F_basic_recover_ok(F)
#define AMQP_F_basic_nack(F)              \
    F(basic_nack, longlong, delivery_tag) \
    F(basic_nack, bit, multiple)          \
    F(basic_nack, bit, requeue)
#define AMQP_F_confirm_select(F) F(confirm_select, bit, nowait)
#define AMQP_F_confirm_select_ok(F)
#define AMQP_F_tx_select(F)
#define AMQP_F_tx_select_ok(F)
#define AMQP_F_tx_commit(F)
#define AMQP_F_tx_commit_ok(F)
#define AMQP_F_tx_rollback(F)
#define AMQP_F_tx_rollback_ok(F)

enum amqp_method_name {
#define X(NAME, type, class, method, text) AMQP_##NAME,
    AMQP_METHODS(X)
#undef X
        AMQP_METHOD_COUNT
};

/* struct amqp_basic_publish and so on, a member per argument. */
#define AMQP_MEMBER(type, kind, name) AMQP_C_##kind name;
#define AMQP_STRUCT(NAME, type, class, id, text) \
    struct amqp_##type {                         \
        AMQP_F_##type(AMQP_MEMBER)               \
    };
AMQP_METHODS(AMQP_STRUCT)
#undef AMQP_STRUCT
#undef AMQP_MEMBER

/* One decoded method, or one to encode. */
struct amqp_method {
    enum amqp_method_name name;
    union {
#define X(NAME, type, class, method, text) struct amqp_##type type;
        AMQP_METHODS(X)
#undef X
    };
};

#endif
