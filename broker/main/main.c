/* SPDX-License-Identifier: Apache-2.0 */
/* tercetd: reads what it is told, starts the broker, runs it, stops it. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/base/plant.h"
#include "broker/base/text.h"
#include "broker/main/balance.h"
#include "broker/main/boot.h"
#include "broker/main/mosquitto_line.h"
#include "broker/main/mosquitto_settings.h"
#include "broker/main/notify.h"
#include "broker/main/process.h"
#include "broker/main/ready.h"
#include "broker/main/settings.h"
#include "broker/main/verify.h"
#include "config.h"

/* Told in tercetd(8). */
enum {
    STATUS_OK = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,  /* command line or configuration */
    STATUS_LOCKED = 3, /* another process uses the store */
    STATUS_WRONG = 3,  /* a configuration that was to be tested, or is mosquitto's, has mistakes */
};

#define PRIVATE_UMASK 0077

/* The writer and the record packer allocate and free runs of up to a megabyte in each turn; with
 * the default thresholds each would be a mapping of its own, made and unmade by the kernel. The
 * largest threshold that malloc takes is 32 MB. */
#define MALLOC_MAP_BYTES  (32 << 20)
#define MALLOC_TRIM_BYTES (64 << 20)
/* Asked of the kernel at a time when the heap grows; what is not touched costs nothing. */
#define MALLOC_PAD_BYTES (2 << 20)
/* What is freed joins its neighbours at once. Else small pieces, of which the writer frees very
 * many, are put by until somebody asks for a large one, who then joins all of them: tens of ms. */
#define MALLOC_PUT_BY_BYTES 0

/* False: not all of it was taken. */
static bool say(FILE *to, struct text *text)
{
    struct slice s = text_slice(text);
    bool is_said = fwrite(s.at, 1, s.len, to) == s.len && fflush(to) == 0;

    text_clear(text);
    return is_said;
}

static void complain(struct text *why)
{
    (void)fprintf(stderr, "tercetd: %.*s\n", SLICE_FMT(text_slice(why)));
}

static void set_up_process(void)
{
    struct rlimit files;

    (void)mallopt(M_MMAP_THRESHOLD, MALLOC_MAP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, MALLOC_TRIM_BYTES);
    (void)mallopt(M_TOP_PAD, MALLOC_PAD_BYTES);
    (void)mallopt(M_MXFAST, MALLOC_PUT_BY_BYTES);
    (void)umask(PRIVATE_UMASK);
    /* A connection is a descriptor: all that the system allows. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int status_of(enum rc rc)
{
    if (rc == RC_OK)
        return STATUS_OK;
    return rc == RC_LOCKED ? STATUS_LOCKED : STATUS_FAILED;
}

/* Words that print something and end; false: there was none. */
static bool print_and_end(const struct settings *s, struct text *out, int *ret_status)
{
    if (s->help)
        settings_write_help(out);
    else if (s->version)
        text_format(out, "tercetd %s\n", PACKAGE_VERSION);
    else if (s->print_config)
        settings_write_sample(out);
    else if (s->print_mosquitto_man)
        mosquitto_settings_write_man(out);
    else if (s->print_man)
        settings_write_man(out);
    else
        return false;
    *ret_status = STATUS_OK;
    if (!say(stdout, out)) {
        (void)fprintf(stderr, "tercetd: standard output: %s\n", strerror(errno));
        *ret_status = STATUS_FAILED;
    }
    return true;
}

/* The ready file comes last: who waits for it finds all else done. */
static enum rc announce(const struct settings *s, const struct broker *broker, struct text *out)
{
    if (!s->quiet) {
        ready_greet(broker, out);
        (void)say(stdout, out); /* it may be closed; then nobody reads it */
    }
    return s->ready_file == NULL ? RC_OK : ready_write(broker, s->ready_file, out);
}

/* What only a start would show is looked at too: who could reach it, and the files of TLS. */
static int test_config(const struct settings *s)
{
    struct text out = { 0 };
    enum rc rc = boot_test(s, &out);

    (void)say(rc == RC_OK ? stdout : stderr, &out);
    if (rc == RC_OK)
        text_format(&out, "the configuration is in order\n");
    (void)say(stdout, &out);
    text_done(&out);
    return rc == RC_OK ? STATUS_OK : STATUS_WRONG;
}

/* ---- a new reading of the configuration ---- */

/* NULL: there is none; then a reload is about the files that the command line names. */
static const char *config_of(const struct settings *s)
{
    return s->mosquitto_conf != NULL ? s->mosquitto_conf : s->config;
}

static void tell_warnings(const struct settings *s)
{
    struct slice left = text_slice(&s->warnings);

    while (left.len > 0) {
        const uint8_t *end = memchr(left.at, '\n', left.len);
        size_t len = end == NULL ? left.len : (size_t)(end - left.at);

        log_event(LOG_WARNING, "broker.configuration", "%.*s", (int)len, (const char *)left.at);
        left = slice_after(left, len + 1);
    }
}

struct running {
    struct broker *broker; /* borrowed */
    int argc;
    const char *const *argv;
};

static void on_reload(void *arg)
{
    const struct running *r = arg;
    struct settings fresh;
    struct text why = { 0 };
    enum rc rc = settings_read(&fresh, r->argc, r->argv, &why);

    if (rc == RC_OK)
        rc = process_open_log(&fresh, &why);
    if (rc == RC_OK)
        rc = broker_reload(r->broker, &fresh, &why);
    tell_warnings(&fresh);
    if (rc == RC_OK)
        log_event(LOG_NOTICE, "broker.reloaded", "config=%s",
                  config_of(&fresh) == NULL
                      ? "none"
                      : log_quote(config_of(&fresh), strlen(config_of(&fresh))));
    else
        log_event(LOG_ERROR, "broker.reload-failed", "why=%s", log_quote(why.at, why.len));
    settings_done(&fresh);
    text_done(&why);
}

/* ---- running ---- */

static enum rc set_up(const struct settings *s, struct text *why)
{
    enum rc rc = process_check_files(why);

    if (rc == RC_OK)
        rc = process_open_log(s, why);
    if (rc == RC_OK)
        tell_warnings(s);
    if (rc == RC_OK)
        rc = process_write_pid(s, why);
    return rc == RC_OK ? process_become_user(s, why) : rc;
}

static int serve(const struct settings *s, int argc, const char *const argv[])
{
    struct running running = { .argc = argc, .argv = argv };
    struct broker *broker = NULL;
    struct text out = { 0 };
    enum rc rc = set_up(s, &out), stop_rc;

    if (rc == RC_OK)
        rc = broker_start(s, &broker, &out);

    if (rc == RC_OK)
        rc = announce(s, broker, &out);
    if (rc == RC_OK) {
        running.broker = broker;
        if (config_of(s) != NULL || s->password_file != NULL || s->acl_file != NULL)
            broker_on_reload(broker, on_reload, &running);
        notify_ready();
        broker_run(broker);
        notify_stopping();
    } else {
        complain(&out);
    }
    stop_rc = broker_stop(&broker);
    balance_check();
    if (stop_rc != RC_OK) {
        log_event(LOG_ERROR, "broker.stopped", "why=\"not everything could be written\" rc=%s",
                  rc_word(stop_rc));
        rc = rc == RC_OK ? stop_rc : rc;
    } else if (rc == RC_OK) {
        log_event(LOG_NOTICE, "broker.stopped", "durable=yes");
    }
    if (s->ready_file != NULL && rc == RC_OK)
        (void)unlink(s->ready_file); /* it says what is no longer true */
    process_remove_pid(s);
    text_done(&out);
    return status_of(rc);
}

int main(int argc, char *argv[])
{
    const char *const *line = (const char *const *)argv;
    const char *words[MOSQUITTO_LINE_MAX];
    struct settings settings;
    struct text out = { 0 };
    int status = STATUS_OK;

    set_up_process();
    if (!plant_choose_from_environment()) {
        (void)fprintf(stderr,
                      "tercetd: TERCET_PLANTED is not NAME[:EVERY], or no bugs are compiled in\n");
        return STATUS_USAGE;
    }
    if (!fault_arm_from_environment()) {
        (void)fprintf(stderr, "tercetd: TERCET_FAULT is not of the form name:n[:once|:kill]\n");
        return STATUS_USAGE;
    }
    if (mosquitto_line_is(argc, argv)) {
        if (mosquitto_line_read(argc, argv, words, &argc, &out) != RC_OK) {
            (void)say(stderr, &out);
            text_done(&out);
            return STATUS_WRONG;
        }
        line = words;
    }
    if (settings_read(&settings, argc, line, &out) != RC_OK) {
        (void)say(stderr, &settings.warnings);
        (void)say(stderr, &out);
        status = settings.test_config || settings.is_mosquitto ? STATUS_WRONG : STATUS_USAGE;
    } else if (settings.verify != NULL) {
        status = verify_and_tell(settings.verify, settings.json, &out);
        (void)say(stdout, &out);
    } else if (settings.test_config && !settings.help && !settings.version) {
        (void)say(stderr, &settings.warnings);
        status = test_config(&settings);
    } else if (!print_and_end(&settings, &out, &status)) {
        status = serve(&settings, argc, line);
    }
    settings_done(&settings);
    text_done(&out);
    return status;
}
