/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/ctl_admin.h"
#include "admin/ctl_format.h"
#include "admin/ctl_help.h"
#include "admin/ctl_users.h"
#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/base/text.h"
#include "config.h"

#define EXIT_USAGE 2
/* One message from standard input may be as large as any protocol takes. */
#define STDIN_MAX_BYTES  ((size_t)256 << 20)
#define STDIN_STEP_BYTES 65536

static const struct ctl_transport *const transports[] = { &ctl_mqtt, &ctl_amqp, &ctl_kafka };

static volatile sig_atomic_t is_interrupted;

bool ctl_fail(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    (void)fputs("tercet: ", stderr);
    (void)vfprintf(stderr, format, list);
    (void)fputc('\n', stderr);
    va_end(list);
    return false;
}

static void on_signal(int number)
{
    is_interrupted = number;
}

static bool is_wanted(const struct ctl_job *job)
{
    if (is_interrupted != 0 || (job->count > 0 && job->done >= job->count))
        return false;
    return job->deadline_ns == 0 || clock_monotonic_ns() < job->deadline_ns;
}

/* Who read has gone, as `head` does: nothing more would be read, also when nothing comes that
 * would be written. */
static bool is_read(void)
{
    struct pollfd out = { .fd = STDOUT_FILENO };

    return poll(&out, 1, 0) <= 0 || (out.revents & POLLERR) == 0;
}

bool ctl_goes_on(const struct ctl_job *job)
{
    if (!is_read())
        is_interrupted = SIGPIPE;
    return is_wanted(job);
}

uint64_t ctl_answer_deadline_ns(const struct ctl_job *job)
{
    return job->deadline_ns != 0 ? job->deadline_ns
                                 : clock_monotonic_ns() + CTL_ANSWER_MS * UINT64_C(1000000);
}

static bool next_whole(struct ctl_job *job, struct slice *ret)
{
    static struct text all;
    size_t got;

    do {
        if (all.len >= STDIN_MAX_BYTES || !text_reserve(&all, STDIN_STEP_BYTES)) {
            job->has_failed = true;
            return ctl_fail("standard input is too long for one message");
        }
        got = fread(all.at + all.len, 1, STDIN_STEP_BYTES, stdin);
        all.len += got;
    } while (got > 0);
    *ret = text_slice(&all);
    return true;
}

static bool next_line(struct slice *ret)
{
    static char *line;
    static size_t room;
    ssize_t len = getline(&line, &room, stdin);

    if (len < 0) {
        free(line);
        line = NULL;
        return false;
    }
    if (len > 0 && line[len - 1] == '\n')
        len--;
    *ret = slice_of(line, (size_t)len);
    return true;
}

bool ctl_next(struct ctl_job *job, struct slice *ret)
{
    if (is_interrupted != 0 || job->is_over)
        return false;
    if (job->is_lines)
        return next_line(ret);
    job->is_over = true;
    if (job->text == NULL)
        return next_whole(job, ret);
    *ret = slice_str(job->text);
    return true;
}

bool ctl_show(struct ctl_job *job, const struct ctl_message *message)
{
    struct text out = { 0 };

    ctl_format(&out, job->format, message);
    (void)fwrite(text_slice(&out).at, 1, text_slice(&out).len, stdout);
    text_done(&out);
    if (fflush(stdout) != 0) {
        if (errno != EPIPE)
            job->has_failed = !ctl_fail("standard output: %s", strerror(errno));
        is_interrupted = SIGPIPE;
    }
    job->done++;
    return is_wanted(job);
}

enum long_option {
    OPTION_KEY = 256,
    OPTION_HEADER,
    OPTION_RETAIN,
    OPTION_QOS,
    OPTION_EXCHANGE,
    OPTION_GROUP,
    OPTION_FROM,
    OPTION_CLIENT_ID,
    OPTION_TIMEOUT,
    OPTION_FORMAT,
    OPTION_CA,
};

static const struct option long_options[] = {
    { "lines", no_argument, NULL, 'l' },
    { "key", required_argument, NULL, OPTION_KEY },
    { "header", required_argument, NULL, OPTION_HEADER },
    { "retain", no_argument, NULL, OPTION_RETAIN },
    { "qos", required_argument, NULL, OPTION_QOS },
    { "exchange", required_argument, NULL, OPTION_EXCHANGE },
    { "group", required_argument, NULL, OPTION_GROUP },
    { "from", required_argument, NULL, OPTION_FROM },
    { "client-id", required_argument, NULL, OPTION_CLIENT_ID },
    { "count", required_argument, NULL, 'n' },
    { "timeout", required_argument, NULL, OPTION_TIMEOUT },
    { "format", required_argument, NULL, OPTION_FORMAT },
    { "ca", required_argument, NULL, OPTION_CA },
    { NULL, 0, NULL, 0 },
};

/* Where an option belongs: with pub, with sub, and to which protocols (0: all). */
static const struct option_use {
    int option;
    bool with_pub;
    bool with_sub;
    unsigned bit;
} option_uses[] = {
    { 'l', true, false, 0 },
    { OPTION_KEY, true, false, CTL_KEY },
    { OPTION_HEADER, true, false, 0 },
    { OPTION_RETAIN, true, false, CTL_RETAIN },
    { OPTION_QOS, true, true, CTL_QOS },
    { OPTION_EXCHANGE, true, true, CTL_EXCHANGE },
    { OPTION_GROUP, false, true, CTL_GROUP },
    { OPTION_FROM, false, true, CTL_FROM },
    { OPTION_CLIENT_ID, true, true, CTL_CLIENT_ID },
    { 'n', false, true, 0 },
    { OPTION_TIMEOUT, true, true, 0 },
    { OPTION_FORMAT, false, true, 0 },
    { OPTION_CA, true, true, 0 },
};

static bool add_header(struct ctl_job *job, const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text)
        return ctl_fail("--header wants NAME=VALUE, not \"%s\"", text);
    if (job->header_count == CTL_HEADERS_MAX)
        return ctl_fail("more than %d headers", CTL_HEADERS_MAX);
    job->headers[job->header_count++] =
        (struct ctl_header){ slice_of(text, (size_t)(equals - text)), slice_str(equals + 1) };
    return true;
}

static bool set_number(const char *text, const char *name, uint64_t max, uint64_t *ret)
{
    if (number_u64(slice_str(text), 0, max, ret) == RC_OK)
        return true;
    return ctl_fail("--%s wants a number up to %llu, not \"%s\"", name, (unsigned long long)max,
                    text);
}

static bool set_from(struct ctl_job *job, const char *text)
{
    job->from_beginning = strcmp(text, "beginning") == 0;
    return job->from_beginning || strcmp(text, "end") == 0 ||
           ctl_fail("--from wants beginning or end, not \"%s\"", text);
}

static bool set_option(struct ctl_job *job, int option, const char *text)
{
    uint64_t number = 0;
    bool is_good = true;

    switch (option) {
    case 'l':
        job->is_lines = true;
        break;
    case OPTION_KEY:
        job->key = text;
        break;
    case OPTION_HEADER:
        return add_header(job, text);
    case OPTION_RETAIN:
        job->is_retained = true;
        break;
    case OPTION_QOS:
        is_good = set_number(text, "qos", 2, &number);
        job->qos = (int)number;
        break;
    case OPTION_EXCHANGE:
        job->exchange = text;
        break;
    case OPTION_GROUP:
        job->group = text;
        break;
    case OPTION_FROM:
        return set_from(job, text);
    case OPTION_CLIENT_ID:
        job->client_id = text;
        break;
    case 'n':
        return set_number(text, "count", UINT64_MAX, &job->count);
    case OPTION_TIMEOUT:
        is_good = set_number(text, "timeout", 1000000, &number);
        job->timeout_ms = number * 1000;
        break;
    case OPTION_FORMAT:
        job->format = text;
        break;
    case OPTION_CA:
        job->ca_file = text;
        break;
    default:
        return false; /* getopt has said why */
    }
    return is_good;
}

static const char *name_of(int option)
{
    const struct option *row = long_options;

    while (row->val != option)
        row++;
    return row->name;
}

/* Refuses options that the chosen command or protocol would have to ignore. */
static bool check_options(const bool given[], bool is_pub, const struct ctl_transport *transport)
{
    for (size_t i = 0; i < sizeof(option_uses) / sizeof(option_uses[0]); i++) {
        const struct option_use *use = &option_uses[i];

        if (!given[i])
            continue;
        if (is_pub ? !use->with_pub : !use->with_sub)
            return ctl_fail("--%s means nothing to %s", name_of(use->option),
                            is_pub ? "pub" : "sub");
        if (use->bit != 0 && (use->bit & transport->takes) == 0)
            return ctl_fail("--%s means nothing to %s", name_of(use->option), transport->scheme);
    }
    return true;
}

static const struct ctl_transport *find_transport(struct ctl_job *job, const char *text)
{
    const char *why;

    if (!ctl_url_parse(text, &job->url, &why)) {
        (void)ctl_fail("%s: %s", text, why);
        return NULL;
    }
    for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
        const struct ctl_transport *transport = transports[i];

        if (strcmp(transport->scheme, job->url.scheme) != 0)
            continue;
        if (job->url.port == 0)
            job->url.port = job->url.has_tls ? transport->tls_port : transport->port;
        return transport;
    }
    (void)ctl_fail("%s: the scheme is none of mqtt, amqp, kafka", text);
    return NULL;
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

static int run(struct ctl_job *job, const struct ctl_transport *transport, bool is_pub)
{
    catch_signals();
    if (job->timeout_ms > 0)
        job->deadline_ns = clock_monotonic_ns() + job->timeout_ms * 1000000;
    if (is_pub)
        return transport->publish(job) && !job->has_failed ? EXIT_SUCCESS : EXIT_FAILURE;
    if (!transport->subscribe(job) || job->has_failed)
        return EXIT_FAILURE;
    if (job->done < job->count && is_interrupted == 0) {
        (void)ctl_fail("%llu of %llu messages when the time was over",
                       (unsigned long long)job->done, (unsigned long long)job->count);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static int misuse(void)
{
    (void)fputs("Try `tercet --help`.\n", stderr);
    return EXIT_USAGE;
}

static int print(const char *text)
{
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    (void)ctl_fail("standard output: %s", strerror(errno));
    return EXIT_FAILURE;
}

static int no_command(const char *word)
{
    const char *near = ctl_help_near(word);

    (void)ctl_fail("no command \"%s\"%s%s%s", word, near == NULL ? "" : "; did you mean ",
                   near == NULL ? "" : near, near == NULL ? "" : "?");
    return misuse();
}

static int help_with(const char *word)
{
    struct text out = { 0 };
    int status;

    if (!ctl_help_with(word, &out))
        return no_command(word);
    text_add_byte(&out, '\0');
    status = print((const char *)out.at);
    text_done(&out);
    return status;
}

static int command(struct ctl_job *job, int argc, char **argv)
{
    bool given[sizeof(option_uses) / sizeof(option_uses[0])] = { false };
    bool is_pub = strcmp(argv[1], "pub") == 0;
    const struct ctl_transport *transport;
    int option, words;

    if (!is_pub && strcmp(argv[1], "sub") != 0) {
        return no_command(argv[1]);
    }
    while ((option = getopt_long(argc, argv, "ln:", long_options, NULL)) != -1) {
        if (!set_option(job, option, optarg))
            return misuse();
        for (size_t i = 0; i < sizeof(given); i++)
            given[i] |= option_uses[i].option == option;
    }
    words = argc - optind; /* the command itself is the first */
    if (words < 3 || words > (is_pub ? 4 : 3)) {
        (void)ctl_fail("%s wants a URL and a topic%s", argv[optind],
                       is_pub ? ", and a message" : "");
        return misuse();
    }
    transport = find_transport(job, argv[optind + 1]);
    if (transport == NULL || !check_options(given, is_pub, transport))
        return misuse();
    job->topic = argv[optind + 2];
    if (words == 4)
        job->text = argv[optind + 3];
    if (job->text != NULL && job->is_lines) {
        (void)ctl_fail("either a message or --lines");
        return misuse();
    }
    return run(job, transport, is_pub);
}

int main(int argc, char **argv)
{
    struct ctl_job job = { .qos = -1, .format = "%v\\n" };
    int status;

    if (argc < 2) {
        (void)fputs(ctl_help(), stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0)
        return print("tercet " PACKAGE_VERSION "\n");
    if (ctl_help_is(argv[1]) || strcmp(argv[1], "help") == 0)
        return argc > 2 ? help_with(argv[2]) : print(ctl_help());
    if (argc == 3 && ctl_help_is(argv[2]))
        return help_with(argv[1]);
    argv[0] = (char *)(uintptr_t) "tercet"; /* what getopt's messages begin with */
    if (ctl_admin_has(argv[1]))
        status = ctl_admin_run(argc - 1, argv + 1);
    else if (ctl_users_has(argv[1]))
        status = ctl_users_run(argc - 1, argv + 1);
    else
        status = command(&job, argc, argv);
    ctl_url_done(&job.url);
    return status == EXIT_SUCCESS && is_interrupted == 0 ? print("") : status;
}
