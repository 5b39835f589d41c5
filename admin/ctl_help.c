/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl_help.h"

#include <string.h>

#include "broker/base/near.h"
#include "broker/base/text.h"

/* Each command's lines begin with this, or with "usage:" in place of the first blanks. */
#define COMMAND_AT 7
#define COMMAND    "tercet "

static const char *const commands[] = {
    "pub",     "sub",     "status", "stream", "compact", "drain",  "trace",
    "users",   "delayed", "bans",   "unban",  "export",  "import", "backup",
    "restore", "verify",  "user",   "passwd", "may",
};

static const char usage[] =
    "usage: tercet pub URL TOPIC [MESSAGE] [OPTION...]   publish MESSAGE, or standard input\n"
    "       tercet sub URL TOPIC [OPTION...]             print what arrives\n"
    "       tercet status [--json]                       how the broker of this machine is\n"
    "       tercet stream NAME [--json]                  what a stream keeps and promises\n"
    "       tercet compact NAME                          leave the last record of each key\n"
    "       tercet drain [--to HOST:PORT] [--kafka-to HOST:PORT] [--rate N] [--for-now] | --stop\n"
    "                                                    send clients elsewhere\n"
    "       tercet trace WHAT [--bytes N] [--rate N]     show an MQTT client's packets\n"
    "       tercet users [--json]                        what users have connected and stored\n"
    "       tercet delayed list [--json] | cancel ID     what waits for its time; take one back\n"
    "       tercet bans [--json] | unban NAME            who connected too often; let it in again\n"
    "       tercet export [FILE]                         write its definitions, as JSON\n"
    "       tercet import FILE|- [--skip NAMES]          make what a file of them says\n"
    "       tercet backup DIR|-                          copy the whole store, while it is in use\n"
    "       tercet restore DIR|- NEWDIR                  make a store of a backup, verified\n"
    "       tercet verify DIR [--json]                   read a store or backup, every checksum\n"
    "       tercet user list [--json] | add|passwd NAME [--scram | --scram-only] [--roles NAMES]\n"
    "              | delete NAME                         the users of the running broker's file\n"
    "       tercet passwd FILE USER [--scram | --scram-only] [--roles NAMES] | --delete\n"
    "                                                    set a user's password in a file of them\n"
    "       tercet may FILE USER|- publish|receive|subscribe TOPIC [--client-id ID] [--roles "
    "NAMES]\n"
    "                                                    what a file of rules says\n"
    "       tercet --version | --help\n"
    "\n"
    "URL is mqtt://HOST, amqp://HOST[/VHOST] or kafka://HOST, with [USER[:PASSWORD]@] before the\n"
    "host and [:PORT] behind it; mqtts, amqps and kafkas use TLS. TOPIC is a name as that "
    "protocol\n"
    "spells it: a topic, a filter (mqtt sub), or a queue.\n"
    "\n"
    "  -l, --lines          pub: each line of standard input is a message\n"
    "      --key KEY        pub: the record's key (kafka)\n"
    "      --header K=V     pub: a header or user property; may be given again\n"
    "      --retain         pub: keep as the topic's last value (mqtt)\n"
    "      --qos N          0, 1 or 2 (mqtt; 1)\n"
    "      --exchange NAME  TOPIC is a routing key or binding key of this exchange (amqp)\n"
    "      --group NAME     sub: share the topic with the other members of a group (kafka)\n"
    "      --from WHERE     sub: beginning or end of the topic (kafka; end)\n"
    "      --client-id ID   the name to connect by (mqtt)\n"
    "  -n, --count N        sub: stop after N messages\n"
    "      --timeout S      stop after S seconds\n"
    "      --format FORMAT  sub: %t topic, %k key, %v value, %h headers, %T time in ms,\n"
    "                       %p partition, %o offset, %q QoS, %r retained, %% percent, \\n, \\t\n"
    "                       (\"%v\\n\"), or the word json\n"
    "      --ca FILE        certificates to trust with TLS (those of the system)\n"
    "\n"
    "The other commands talk to the broker whose store is in a directory, by its admin socket:\n"
    "      --data DIR       the directory of the store (that of this user)\n"
    "      --socket FILE    the socket, where the configuration names one\n";

static bool is_publishing(const char *command)
{
    return strcmp(command, "pub") == 0 || strcmp(command, "sub") == 0;
}

const char *ctl_help(void)
{
    return usage;
}

bool ctl_help_is(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool begins_command(struct slice line)
{
    return line.len > COMMAND_AT && slice_starts(slice_after(line, COMMAND_AT), SLICE(COMMAND));
}

/* Whether one of the line's words, with blanks around it, is this. */
static bool has_word(struct slice line, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 1; i + len < line.len; i++)
        if (line.at[i - 1] == ' ' && line.at[i + len] == ' ' && memcmp(line.at + i, word, len) == 0)
            return true;
    return false;
}

static struct slice take_line(struct slice *left)
{
    const uint8_t *end = memchr(left->at, '\n', left->len);
    struct slice line = slice_of(left->at, end == NULL ? left->len : (size_t)(end + 1 - left->at));

    *left = slice_after(*left, line.len);
    return line;
}

/* The first block tells the commands, the last one how the broker is found that they are for. */
static void add_lines(const char *command, struct text *to)
{
    struct slice left = slice_str(usage), line;
    bool is_its = false;

    while ((line = take_line(&left)).len > 1) {
        if (begins_command(line))
            is_its = has_word(line, command);
        if (is_its)
            text_add(to, line);
    }
    memcpy(to->at, "usage:", sizeof("usage:") - 1);
    if (is_publishing(command))
        text_format(to, "\n%.*s", SLICE_FMT(left));
    else
        text_format(to, "\n%s", strstr(usage, "The other commands talk"));
}

bool ctl_help_with(const char *command, struct text *to)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(command, commands[i]) != 0)
            continue;
        add_lines(command, to);
        text_format(to, "\n`man tercet` tells the rest.\n");
        return true;
    }
    return false;
}

const char *ctl_help_near(const char *typed)
{
    struct near near = near_to(slice_str(typed));

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        near_look(&near, commands[i]);
    return near.word;
}
