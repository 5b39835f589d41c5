/* SPDX-License-Identifier: Apache-2.0 */
/* tercet-mosquitto(7). */
#include "broker/base/options.h"
#include "broker/base/text.h"
#include "broker/main/mosquitto_conf.h"
#include "broker/main/mosquitto_settings.h"
#include "config.h"

static const struct {
    enum mosquitto_fate fate;
    const char *head;
    const char *what;
} parts[] = {
    { MOSQUITTO_DONE, "OPTIONS THAT ARE HONOURED",
      "Behind each stands the option of tercet.conf(5) that does it." },
    { MOSQUITTO_MOOT, "OPTIONS WITH NOTHING TO DO", "They are read without a word." },
    { MOSQUITTO_WARNED, "OPTIONS THAT ARE PASSED OVER",
      "Each is named in a warning, with its file and line." },
    { MOSQUITTO_REFUSED, "OPTIONS THAT ARE REFUSED",
      "The broker does not start with them, for without them it would let in, or show, what they "
      "are to keep apart. Switches among them may say false." },
};

static void write_part(struct text *to, enum mosquitto_fate fate)
{
    for (unsigned i = 0; i < MOSQUITTO_OPTION_COUNT; i++) {
        const struct mosquitto_option *o = &mosquitto_options[i];

        if (o->fate != fate && !(o->fate == MOSQUITTO_SAME && fate == MOSQUITTO_DONE))
            continue;
        text_format(to, ".TP\n.B ");
        options_write_troff(to, o->name);
        text_add_byte(to, '\n');
        options_write_troff(to, o->what);
        text_add_byte(to, '\n');
    }
}

void mosquitto_settings_write_man(struct text *to)
{
    text_format(to,
                ".\\\" Made by tercetd \\-\\-print\\-mosquitto\\-man from its table of options.\n"
                ".TH TERCET-MOSQUITTO 7 \"\" \"tercet %s\" \"tercet manual\"\n"
                ".SH NAME\ntercet\\-mosquitto \\- what tercetd(8) makes of a mosquitto.conf\n"
                ".SH SYNOPSIS\n.B tercetd \\-\\-mosquitto\\-conf\n.I FILE\n"
                ".SH DESCRIPTION\n",
                PACKAGE_VERSION);
    options_write_troff(
        to,
        "tercetd reads the configuration of mosquitto(8), with all that it includes, and behaves "
        "as "
        "it would to MQTT clients. What the file does not say is as in mosquitto: without a "
        "listener it listens on loopback alone, and everybody may come in; with one nobody may "
        "without a name, unless allow_anonymous says so. Nothing outlives the process unless "
        "persistence is true. mqtt_profile is mosquitto, so that CONNACK and reason codes are "
        "those of that broker. Listeners for AMQP and Kafka are opened when --port-amqp and "
        "--port-kafka ask for them.\n"
        "What the command line says comes before what the file says. tercetd --test-config tells "
        "every mistake with its file and line, and ends with status 3; with status 0 the "
        "configuration is in order. An option that mosquitto does not have is a mistake.\n");
    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        text_format(to, ".SH %s\n", parts[i].head);
        options_write_troff(to, parts[i].what);
        text_add_byte(to, '\n');
        write_part(to, parts[i].fate);
    }
    text_format(to, ".SH LOG\n");
    options_write_troff(
        to,
        "Who comes and goes is told in the words of mosquitto 2.1 (log_format): New connection "
        "from, New client connected from, and Client NAME [ADDRESS:PORT] disconnected, with the "
        "reason behind a colon unless the client said goodbye; who has no name yet is called by "
        "its address. In names, brackets are written as question marks: nobody is to make up an "
        "address there. At most 100 lines of a kind are written in a second, and the rest counted. "
        "Everything else has our own words: level, event, then what is known of it as name=value. "
        "Programs that look for words of 2.0, which told no address there, must look for these; "
        "one of fail2ban's rules for logins that failed:\n");
    text_format(to, ".nf\n    failregex = ");
    options_write_troff(to, "Client .* \\[<HOST>:\\d+\\] disconnected: not authorised\\.$");
    text_format(to, "\n.fi\n");
    options_write_troff(to, "Without any rule, logins that fail too often are banned for a while: "
                            "login_failures_user in tercet.conf(5).\n");
    text_format(to, ".SH TWO BRIDGES\n");
    options_write_troff(
        to,
        "Where two brokers have a bridge to each other with topics that go both ways, what is "
        "published goes round for ever before MQTT 5, as it does between two of mosquitto, "
        "whatever "
        "try_private says. One bridge that goes both ways does what the two do. Between two of "
        "this "
        "broker with bridge_protocol_version mqttv50 nothing goes round. mosquitto has no word for "
        "the option relay of tercet.conf(5), which stops it on one side.\n");
    text_format(to, ".SH $CONTROL\n");
    options_write_troff(
        to,
        "What mosquitto_ctrl says to a plugin under $CONTROL, as $CONTROL/dynamic-security/v1, is "
        "refused: MQTT 5 is told 0x87, and before that it is acknowledged and goes nowhere. Users "
        "and rules are changed by tercet user, and by their files and SIGHUP.\n");
    text_format(to,
                ".SH SEE ALSO\n.BR tercetd (8),\n.BR tercet.conf (5),\n.BR tercet\\-mqtt (7)\n");
}
