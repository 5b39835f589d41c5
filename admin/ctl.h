/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool `tercet` is asked to do, and the door to the three protocols that do it. */
#ifndef TERCET_ADMIN_CTL_H
#define TERCET_ADMIN_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/slice.h"

/* More headers than this on one command line is a mistake of the caller's script. */
#define CTL_HEADERS_MAX 64
/* Published, and not yet confirmed: enough to fill the way to the broker and back. */
#define CTL_UNCONFIRMED_MAX 500
/* The longest wait of one turn; a signal is seen at its end. */
#define CTL_TURN_MS 100
/* How long a broker may take to answer before we give up, where --timeout says nothing. */
#define CTL_ANSWER_MS 15000

struct ctl_url {
    char *scheme; /* owned, as are all below; NULL when absent */
    char *host;
    char *user;
    char *password;
    char *path; /* without the slash, percent-decoded */
    unsigned port;
    bool has_tls;
};

struct ctl_header {
    struct slice name;
    struct slice value;
};

/* A message that arrived. What the protocol does not tell is none, or -1. */
struct ctl_message {
    struct slice topic;
    struct slice key;
    struct slice value;
    struct ctl_header headers[CTL_HEADERS_MAX];
    unsigned header_count;
    int64_t time_ms;
    int64_t offset;
    int32_t partition;
    int qos;
    bool is_retained;
};

struct ctl_job {
    struct ctl_url url;
    const char *topic;
    const char *ca_file;
    const char *exchange;
    const char *group;
    const char *client_id;
    const char *key;
    const char *format;
    const char *text; /* the one message to publish; NULL: all of standard input is it */
    struct ctl_header headers[CTL_HEADERS_MAX];
    unsigned header_count;
    int qos;             /* -1: not given */
    uint64_t count;      /* stop after so many; 0: no end */
    uint64_t timeout_ms; /* 0: none */
    uint64_t deadline_ns;
    bool is_retained;
    bool is_lines;   /* each line of standard input is a message */
    bool is_over;    /* there is nothing more to publish */
    bool has_failed; /* standard input could not be published whole, or a message not printed */
    bool from_beginning;
    uint64_t done; /* published and confirmed, or shown */
};

/* Bits of ctl_transport.takes: which options mean something to a protocol. */
enum ctl_option {
    CTL_KEY = 1 << 0,
    CTL_QOS = 1 << 1,
    CTL_RETAIN = 1 << 2,
    CTL_EXCHANGE = 1 << 3,
    CTL_GROUP = 1 << 4,
    CTL_CLIENT_ID = 1 << 5,
    CTL_FROM = 1 << 6,
};

typedef bool ctl_run_fn(struct ctl_job *job);

struct ctl_transport {
    const char *scheme;
    unsigned port;
    unsigned tls_port;
    unsigned takes;
    /* Publishes all messages of the job. True when each was confirmed; else it has said why. */
    ctl_run_fn *publish;
    /* Shows messages until the job is over. True at a regular end; else it has said why. */
    ctl_run_fn *subscribe;
};

extern const struct ctl_transport ctl_mqtt, ctl_amqp, ctl_kafka;

/* Says "tercet: ..." on standard error; always false, so that it can be returned. */
bool ctl_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The next message to publish; false when there is none left. Borrowed until the next call. */
bool ctl_next(struct ctl_job *job, struct slice *ret);
/* Prints one message that arrived. False when that was the last one wanted. */
bool ctl_show(struct ctl_job *job, const struct ctl_message *message);
/* False when a signal came, the time is over or all that was wanted is done. */
bool ctl_goes_on(const struct ctl_job *job);
/* When a broker that has not answered until then is given up. */
uint64_t ctl_answer_deadline_ns(const struct ctl_job *job);

/* Parses scheme://[user[:password]@]host[:port][/path]. False, with a reason in *why, else. */
bool ctl_url_parse(const char *text, struct ctl_url *ret, const char **why);
void ctl_url_done(struct ctl_url *url);

#endif
