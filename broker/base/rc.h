/* SPDX-License-Identifier: Apache-2.0 */
/* Return codes: what can go wrong in the world or at the peer, one list for every room. */
#ifndef TERCET_BROKER_BASE_RC_H
#define TERCET_BROKER_BASE_RC_H

#define MUST_CHECK __attribute__((warn_unused_result))

/* X(name, word): the word is what log lines and answers show. */
#define RC_LIST(X)                                                                         \
    X(OK, "ok")                                                                            \
    X(AGAIN, "again") /* not now: more bytes, or more time, are needed */                  \
    X(NOT_FOUND, "not-found")                                                              \
    X(EXISTS, "exists")                                                                    \
    X(LIMIT, "limit")             /* a named limit would be crossed */                     \
    X(TOO_LARGE, "too-large")     /* one thing is larger than its limit */                 \
    X(MALFORMED, "malformed")     /* bytes that no rule of the format allows */            \
    X(PROTOCOL, "protocol")       /* well-formed, but not allowed now */                   \
    X(INVALID, "invalid")         /* an argument whose value is not allowed */             \
    X(MISMATCH, "mismatch")       /* exists with other properties */                       \
    X(IN_USE, "in-use")           /* asked to remove what is still used */                 \
    X(LOCKED, "locked")           /* another owner has it exclusively */                   \
    X(REFUSED, "refused")         /* the principal may not do this */                      \
    X(AUTH, "auth")               /* who the peer claims to be was not shown */            \
    X(BANNED, "banned")           /* refused for a while, for what came before */          \
    X(UNSUPPORTED, "unsupported") /* known, and not offered here */                        \
    X(NO_ROUTE, "no-route")       /* published, and no queue or stream takes it */         \
    X(RANGE, "range")             /* an offset outside what the log holds */               \
    X(FENCED, "fenced")           /* a newer owner, epoch or generation exists */          \
    X(SEQUENCE, "sequence")       /* a producer's sequence number has a gap */             \
    X(DUPLICATE, "duplicate")     /* already stored: success for an idempotent producer */ \
    X(CORRUPT, "corrupt")         /* a checksum or structure on disk is wrong */           \
    X(VERSION, "version")         /* a format version that is not ours */                  \
    X(FULL, "full")               /* no space on the device */                             \
    X(IO, "io")                   /* the device or the file system failed */               \
    X(MEMORY, "memory")                                                                    \
    X(CLOSED, "closed") /* the other side is gone, or we are stopping */                   \
    X(TIMEOUT, "timeout")                                                                  \
    X(SYSTEM, "system") /* an operating-system call failed otherwise */

enum rc {
#define X(name, word) RC_##name,
    RC_LIST(X)
#undef X
        RC_COUNT
};

/* The word of a code, "unknown" for a value that is none. Static text, any thread. */
const char *rc_word(enum rc rc);

/* The code that says what an errno of a file operation means. */
enum rc rc_of_errno(int error);

#endif
