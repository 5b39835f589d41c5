/* SPDX-License-Identifier: Apache-2.0 */
/* Who connects again and again: counted by a name, and banned for a while when it is too often.
 * Core thread only. */
#ifndef TERCET_BROKER_CORE_FLAP_H
#define TERCET_BROKER_CORE_FLAP_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/slice.h"

struct flap;

struct flap_config {
    uint64_t connects;  /* one more within the window is too many; 0: nobody is ever banned */
    uint64_t window_ms; /* > 0 */
    uint64_t ban_ms;
    uint64_t ban_max_ms; /* each ban that follows soon on another is twice as long, up to this;
                            below ban_ms: all are alike */
};

/* Names that are remembered; then the one that was not seen for the longest time is forgotten, if
 * it is not banned. */
#define FLAP_NAMES_MAX 65536

enum flap_verdict {
    FLAP_FINE,
    FLAP_BANNED_NOW, /* by this connect */
    FLAP_BANNED,     /* since an earlier one, which this one does not prolong */
};

struct flap *flap_new(const struct flap_config *config);
/* Another configuration from now on; bans that are there stay. */
void flap_configure(struct flap *flap, const struct flap_config *config);
void flap_free(struct flap **flap);
/* Somebody of that name connects. */
enum flap_verdict flap_connect(struct flap *flap, struct slice name, uint64_t now_ns);
/* The same without counting it: somebody of that name wants to connect. */
bool flap_is_banned(const struct flap *flap, struct slice name, uint64_t now_ns);
/* The name is free again, and what was counted is forgotten. False: it was not banned. */
bool flap_lift(struct flap *flap, struct slice name, uint64_t now_ns);

/* What was counted is forgotten, unless it is banned. */
void flap_forgive(struct flap *flap, struct slice name, uint64_t now_ns);
/* Lifts all bans for which it says yes; gives how many. */
typedef bool flap_match_fn(const void *arg, struct slice name);
unsigned flap_lift_each(struct flap *flap, flap_match_fn *matches, const void *arg,
                        uint64_t now_ns);

typedef void flap_visit_fn(void *arg, struct slice name, uint64_t left_ms);
/* All that are banned. */
void flap_each(const struct flap *flap, uint64_t now_ns, flap_visit_fn *visit, void *arg);

#endif
