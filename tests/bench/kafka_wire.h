/* SPDX-License-Identifier: Apache-2.0 */
/* The few requests of the Kafka protocol that the measuring programs make, on partition 0. */
#ifndef TERCET_TESTS_BENCH_KAFKA_WIRE_H
#define TERCET_TESTS_BENCH_KAFKA_WIRE_H

#include "broker/base/wire.h"
#include "tests/bench/bench.h"

/* A batch's first record begins with its number and a time. */
#define KAFKA_STAMP_BYTES 16

struct kafka_wire {
    int fd;
    uint32_t next_correlation;  /* of the request that goes next */
    uint32_t await_correlation; /* of the answer that comes next */
    struct text in;             /* answers read and not yet taken */
};

void kafka_open(struct kafka_wire *w, const char *host, uint64_t port);
void kafka_close(struct kafka_wire *w);

/* Numbers the request in `t`, which then goes out whole. */
void kafka_number(struct kafka_wire *w, struct text *t);
/* Blocking: sends `t` and gives its answer, which lies in w->in. */
struct rd kafka_ask(struct kafka_wire *w, struct text *t);
/* Reads what has come; false when nothing had. */
bool kafka_read(struct kafka_wire *w);
/* The next whole answer that was read, behind its correlation; false when there is none. It is good
 * until the next call. */
bool kafka_next_answer(struct kafka_wire *w, size_t *taken, struct rd *ret);
/* Forgets the answers that were taken. */
void kafka_taken(struct kafka_wire *w, size_t taken);

/* Asks for the topic until it is there. */
void kafka_make_topic(struct kafka_wire *w, const char *topic);

/* A produce request with one batch, used again and again. */
struct kafka_produce {
    struct text request;
    size_t batch_at; /* in the request */
    size_t stamp_at; /* in the batch */
};

void kafka_make_produce(struct kafka_produce *p, const char *topic, uint64_t records, uint64_t size,
                        bool acks_all);
/* Numbers batch and request, stamps the time, and computes the batch's CRC. */
void kafka_stamp(struct kafka_wire *w, struct kafka_produce *p, uint64_t number, uint64_t time_ns);
/* The base offset that an answer tells. */
uint64_t kafka_take_produced(struct rd r);

void kafka_make_fetch(struct text *t, const char *topic, uint64_t offset, uint64_t max_bytes);
/* The batches of an answer; `ret_end` is the end of the partition. */
struct slice kafka_take_fetched(struct rd r, uint64_t *ret_end);

#endif
