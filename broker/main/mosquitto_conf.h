/* SPDX-License-Identifier: Apache-2.0 */
/* The syntax of mosquitto.conf(5): lines into values, by a table of all its options. What the
 * values mean here is mosquitto_settings.c's. */
#ifndef TERCET_BROKER_MAIN_MOSQUITTO_CONF_H
#define TERCET_BROKER_MAIN_MOSQUITTO_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/list.h"
#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct text;

enum mosquitto_option_id {
#define SAME(other)                                        0
#define X(id, name, shape, scope, fate, least, most, what) MOSQUITTO_##id,
#include "broker/main/mosquitto_options.def"
#undef X
#undef SAME
    MOSQUITTO_OPTION_COUNT
};

enum mosquitto_shape {
    MOSQUITTO_SWITCH,       /* true, false, 1 or 0 */
    MOSQUITTO_NUMBER,       /* of C's notations, in a range */
    MOSQUITTO_TEXT,         /* the rest of the line; given twice is an error */
    MOSQUITTO_WORDS,        /* the same, and given again it is added in a line of its own */
    MOSQUITTO_LISTENER_LINE /* a port and perhaps an address: begins a listener */
};

enum mosquitto_scope_kind {
    MOSQUITTO_IN_HEAD,
    MOSQUITTO_IN_DEFAULT,  /* the default listener, wherever it stands */
    MOSQUITTO_IN_LISTENER, /* the listener above, or else the default one */
    MOSQUITTO_IN_SECURITY, /* as per_listener_settings says: the listener, or the head */
    MOSQUITTO_IN_BRIDGE,
};

enum mosquitto_fate {
    MOSQUITTO_DONE,    /* it does what it says */
    MOSQUITTO_SAME,    /* another name of an option */
    MOSQUITTO_MOOT,    /* there is nothing to do for it here */
    MOSQUITTO_WARNED,  /* it is passed over, with a warning */
    MOSQUITTO_REFUSED, /* an error: passing it over would not be safe. A switch may say false */
};

struct mosquitto_option {
    const char *name; /* with * at its end: all that begin so */
    enum mosquitto_shape shape;
    enum mosquitto_scope_kind scope;
    enum mosquitto_fate fate;
    enum mosquitto_option_id same; /* MOSQUITTO_SAME */
    int64_t least;
    int64_t most;
    const char *what; /* sentences for the manual page */
};

extern const struct mosquitto_option mosquitto_options[MOSQUITTO_OPTION_COUNT];

struct mosquitto_value {
    char *text; /* owned; NULL: not given */
    int64_t number;
    const char *file; /* borrowed from the configuration */
    unsigned line;
};

/* The head, a listener or a bridge. */
struct mosquitto_scope {
    struct link link;
    struct mosquitto_value values[MOSQUITTO_OPTION_COUNT];
};

enum mosquitto_family { MOSQUITTO_ANY_FAMILY, MOSQUITTO_IPV4, MOSQUITTO_IPV6 };

/* What the system knows: files, and names. */
struct mosquitto_files {
    /* Appends the whole of a file. RC_INVALID: `errors` has a line that says why not. */
    enum rc (*load)(const char *path, struct text *to, struct text *errors);
    /* Appends the names of the files in a directory that end in .conf, each with a NUL behind. */
    enum rc (*list)(const char *path, struct text *to, struct text *errors);
    /* Appends the addresses of a host, or of an interface of this machine, with commas between.
     * RC_NOT_FOUND: it has none of this kind. */
    enum rc (*resolve)(const char *host, enum mosquitto_family family, struct text *to);
    enum rc (*find_interface)(const char *name, enum mosquitto_family family, struct text *to);
};

struct mosquitto_conf {
    struct mosquitto_scope head;
    struct mosquitto_scope main; /* the default listener */
    struct list listeners;       /* of struct mosquitto_scope */
    struct list bridges;         /* of struct mosquitto_scope */
    struct list files;           /* names, for values to borrow */
    unsigned scope_count;
    unsigned file_count;
    unsigned error_count;
    struct text *errors;   /* borrowed while it is read */
    struct text *warnings; /* the same */
    const char *path;      /* borrowed while it is read */
    const struct mosquitto_files *door;
};

/* A configuration is written by people: its files, listeners and bridges together. */
#define MOSQUITTO_FILES_MAX  100
#define MOSQUITTO_SCOPES_MAX 200

/* Reads a configuration and what it includes. RC_INVALID: `errors` has a line for each mistake,
 * "file:line: what". `warnings` gets one for each option that is passed over. Either way
 * mosquitto_conf_done() is due. */
MUST_CHECK enum rc mosquitto_conf_read(struct mosquitto_conf *conf, const char *path,
                                       const struct mosquitto_files *door, struct text *errors,
                                       struct text *warnings);
void mosquitto_conf_done(struct mosquitto_conf *conf);
/* A mistake that shows later, at the line of `value`. */
void mosquitto_conf_error(struct mosquitto_conf *conf, const struct mosquitto_value *value,
                          const char *format, ...) __attribute__((format(printf, 3, 4)));
void mosquitto_conf_warn(struct mosquitto_conf *conf, const struct mosquitto_value *value,
                         const char *format, ...) __attribute__((format(printf, 3, 4)));

static inline const struct mosquitto_value *mosquitto_value(const struct mosquitto_scope *scope,
                                                            enum mosquitto_option_id id)
{
    return &scope->values[id];
}

static inline bool mosquitto_is_given(const struct mosquitto_scope *scope,
                                      enum mosquitto_option_id id)
{
    return scope->values[id].text != NULL;
}

#define MOSQUITTO_DEFAULT_INFLIGHT 20
#define MOSQUITTO_PACKET_MOST      134217728

static inline int64_t mosquitto_most(int64_t number, int64_t limit)
{
    return number < limit ? number : limit;
}

/* Takes the next line of a value of MOSQUITTO_WORDS. */
struct slice mosquitto_next_line(struct slice *list);
/* Takes the next word of a line; empty at its end. */
struct slice mosquitto_next_word(struct slice *line);

/* The value of a switch or number, or `fallback`. */
static inline int64_t mosquitto_number(const struct mosquitto_scope *scope,
                                       enum mosquitto_option_id id, int64_t fallback)
{
    return scope->values[id].text == NULL ? fallback : scope->values[id].number;
}

#endif
