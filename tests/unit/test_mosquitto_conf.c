/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/text.h"
#include "broker/main/bridge_settings.h"
#include "broker/main/mosquitto_conf.h"
#include "broker/main/mosquitto_settings.h"
#include "broker/main/settings.h"
#include "tests/lib/suite.h"

/* What the broker would find: a main file, and files in directories "one" and "two". */
static const char *content;
static struct text order; /* of what was loaded */

static enum rc load(const char *path, struct text *to, struct text *errors)
{
    if (strcmp(path, "main") == 0)
        text_add(to, slice_str(content));
    else if (strcmp(path, "broken/broken.conf") == 0)
        text_format(to, "\nbroken\n");
    else if (strcmp(path, "again/again.conf") == 0)
        text_format(to, "include_dir two\n");
    else if (strstr(path, "missing") != NULL)
        return text_format(errors, "%s: gone\n", path), RC_INVALID;
    text_format(&order, "%s ", path);
    return RC_OK;
}

static enum rc list(const char *path, struct text *to, struct text *errors)
{
    static const char two[] = "b.conf\0"
                              "A.conf\0"
                              "01.conf\0"
                              "a.conf\0"
                              "B.conf\0"
                              "00.conf";

    if (strcmp(path, "two") == 0)
        text_add(to, slice_of(two, sizeof(two)));
    else if (strcmp(path, "broken") == 0 || strcmp(path, "again") == 0 ||
             strcmp(path, "missing") == 0)
        text_format(to, "%s.conf%c", path, 0);
    else
        return text_format(errors, "%s: no directory\n", path), RC_INVALID;
    return RC_OK;
}

static enum rc look_up(const char *name, enum mosquitto_family family, struct text *to)
{
    if (strcmp(name, "nowhere") == 0)
        return RC_NOT_FOUND;
    text_format(to, "%s", family == MOSQUITTO_IPV6 ? "::1" : "10.0.0.1, ::1");
    return RC_OK;
}

static const struct mosquitto_files door = { load, list, look_up, look_up };

static struct settings s;
static struct text errors;

static enum rc take(const char *text)
{
    content = text;
    settings_done(&s);
    settings_start(&s);
    text_clear(&errors);
    text_clear(&order);
    return mosquitto_settings_read(&s, "main", &door, &errors);
}

static void setup(void)
{
    settings_start(&s);
}

static void teardown(void)
{
    settings_done(&s);
    text_done(&errors);
    text_done(&order);
}

static const struct listener_settings *listener(unsigned i)
{
    LIST_EACH (k, &s.listeners)
        if (i-- == 0)
            return CONTAINER_OF(k, struct listener_settings, link);
    ck_abort_msg("no such listener");
    return NULL;
}

static unsigned listeners(void)
{
    unsigned count = 0;

    LIST_EACH (k, &s.listeners)
        count++;
    return count;
}

static void assert_says(const struct text *text, const char *what)
{
    struct text whole = { 0 };

    text_add(&whole, text_slice(text));
    text_add_byte(&whole, '\0');
    ck_assert_msg(strstr((const char *)whole.at, what) != NULL, "no \"%s\" in \"%s\"", what,
                  (const char *)whole.at);
    text_done(&whole);
}

static void assert_refused(const char *text, const char *why)
{
    ck_assert_msg(take(text) == RC_INVALID, "taken: %s", text);
    assert_says(&errors, why);
}

START_TEST(nothing_at_all_is_a_listener_on_loopback_with_mosquittos_defaults)
{
    ck_assert_int_eq(take(""), RC_OK);
    ck_assert_uint_eq(listeners(), 1);
    ck_assert_str_eq(listener(0)->address, "127.0.0.1, ::1");
    ck_assert_uint_eq(listener(0)->port, 1883);
    ck_assert_uint_eq(listener(0)->max_connections, 1000000);
    ck_assert(s.ephemeral && s.is_mosquitto && s.trusts_names);
    ck_assert(listener(0)->allow_anonymous && s.allow_anonymous && !s.allow_anonymous_remote);
    ck_assert_uint_eq(s.mqtt_receive_maximum, 20);
    ck_assert_uint_eq(s.mqtt_send_window, 20);
    ck_assert_uint_eq(s.session_max_messages, 1000);
    ck_assert_uint_eq(s.session_overflow, 1);
    ck_assert_uint_eq(s.sys_interval_ms, 10000);
    ck_assert_uint_eq(s.mqtt_profile, 1);
    ck_assert_uint_eq(s.warnings.len, 0);
}
END_TEST

START_TEST(comments_blank_lines_and_ends_of_lines_of_other_systems_are_passed_over)
{
    ck_assert_int_eq(take("# a\n\n   \r\n  sys_interval   7  # b\r\nmax_keepalive 0x10"), RC_OK);
    ck_assert_uint_eq(s.sys_interval_ms, 7000);
    ck_assert_uint_eq(s.mqtt_max_keep_alive_ms, 16000);
}
END_TEST

START_TEST(pages_of_the_origins_named_may_connect_and_no_others)
{
    ck_assert_int_eq(take("listener 1\nprotocol websockets\nwebsockets_origin a.example\n"
                          "listener 2\nprotocol websockets\nwebsockets_origin a.example\n"
                          "websockets_origin https://much.longer.example\n"),
                     RC_OK);
    ck_assert_str_eq(listener(0)->websocket_origins, "a.example");
    ck_assert_str_eq(listener(1)->websocket_origins, "a.example, https://much.longer.example");
}
END_TEST

START_TEST(listeners_take_what_stands_below_them)
{
    ck_assert_int_eq(take("allow_anonymous true\nlistener 1884\nmax_qos 1\nlistener 1885 host\n"
                          "socket_domain ipv6\nprotocol websockets\nmax_connections 9\n"
                          "listener 0 /run/sock # x\naccept_protocol_versions 4,5\n"),
                     RC_OK);
    ck_assert_uint_eq(listeners(), 3);
    ck_assert_str_eq(listener(0)->address, "0.0.0.0, ::");
    ck_assert_uint_eq(listener(0)->mqtt_maximum_qos, 1);
    ck_assert_str_eq(listener(1)->address, "::1");
    ck_assert(listener(1)->websocket && !listener(0)->websocket);
    ck_assert_str_eq(listener(1)->websocket_paths, "*");
    ck_assert_str_eq(listener(1)->websocket_origins, "*");
    ck_assert_uint_eq(listener(1)->max_connections, 9);
    ck_assert_str_eq(listener(2)->address, "unix:/run/sock");
    ck_assert_uint_eq(listener_settings_mqtt_versions(listener(2)), 6);
    ck_assert_uint_eq(listener_settings_mqtt_versions(listener(0)), 7);
}
END_TEST

START_TEST(the_default_listener_is_there_when_something_is_said_of_it)
{
    ck_assert_int_eq(take("port 1900\nallow_anonymous true\n"), RC_OK);
    ck_assert_str_eq(listener(0)->address, "0.0.0.0, ::");
    ck_assert_uint_eq(listener(0)->port, 1900);
    ck_assert_int_eq(take("allow_anonymous true\nmax_connections 5\nlistener 1901\n"), RC_OK);
    ck_assert_uint_eq(listeners(), 2);
    ck_assert_uint_eq(listener(0)->port, 1883);
    ck_assert_uint_eq(listener(0)->max_connections, 5);
    ck_assert_int_eq(take("bind_interface eth7\n"), RC_OK);
    ck_assert_str_eq(listener(0)->address, "10.0.0.1, ::1");
}
END_TEST

START_TEST(options_of_security_belong_to_listeners_when_that_is_said_before_them)
{
    ck_assert_int_eq(take("per_listener_settings true\nlistener 1\nallow_anonymous true\n"
                          "auto_id_prefix x\nlistener 2\nallow_anonymous true\n"
                          "allow_zero_length_clientid false\n"),
                     RC_OK);
    ck_assert_str_eq(listener(0)->mqtt_id_prefix, "x");
    ck_assert(listener(0)->mqtt_assign_id && !listener(1)->mqtt_assign_id);
    assert_refused("allow_anonymous true\nper_listener_settings true\n",
                   "main:2: per_listener_settings must stand before allow_anonymous");
    ck_assert_int_eq(take("allow_anonymous true\nauto_id_prefix y\nlistener 1\nlistener 2\n"),
                     RC_OK);
    ck_assert_str_eq(listener(0)->mqtt_id_prefix, "y");
    ck_assert_str_eq(listener(1)->mqtt_id_prefix, "y");
}
END_TEST

START_TEST(who_may_come_in_is_said_for_each_listener)
{
    ck_assert_int_eq(take("password_file /p\nacl_file /a\nlistener 1\nlistener 2\n"
                          "listener_allow_anonymous true\n"),
                     RC_OK);
    ck_assert_str_eq(s.password_file, "/p");
    ck_assert_str_eq(listener(0)->password_file, "/p");
    ck_assert_str_eq(listener(1)->acl_file, "/a");
    ck_assert(!s.allow_anonymous && !listener(0)->allow_anonymous && listener(1)->allow_anonymous);
    ck_assert_int_eq(take("per_listener_settings true\nlistener 1\npassword_file /p\nlistener 2\n"
                          "acl_file /a\nallow_anonymous true\n"),
                     RC_OK);
    ck_assert(s.password_file == NULL && s.acl_file == NULL);
    ck_assert(listener(0)->acl_file == NULL && listener(1)->password_file == NULL);
    ck_assert_str_eq(listener(0)->password_file, "/p");
    ck_assert_uint_eq(s.warnings.len, 0);
    ck_assert_int_eq(take("listener 1\n"), RC_OK);
    assert_says(&s.warnings, "main:1: warning: nobody can connect here");
    ck_assert(!listener(0)->allow_anonymous);
}
END_TEST

START_TEST(a_connection_is_a_bridge)
{
    const struct bridge_config *b;

    ck_assert_int_eq(take("connection up\naddress a.example b.example:1884\ntopic # out 1 l/ r/\n"
                          "topic x in\nremote_username u\npassword p q\ncleansession true\n"
                          "local_cleansession false\nrestart_timeout 2 60\nstart_type lazy\n"
                          "bridge_protocol_version mqttv50\nbridge_cafile /ca\n"
                          "keepalive_interval 7\nnotifications false\nconnection two\n"
                          "address c\ntopic y\nrestart_timeout 9\n"),
                     RC_OK);
    b = CONTAINER_OF(s.bridges.head.next, struct bridge_config, link);
    ck_assert_str_eq(b->name, "up");
    ck_assert_str_eq(b->addresses, "a.example b.example:1884");
    ck_assert_str_eq(b->topics, "# out 1 l/ r/\nx in");
    ck_assert_str_eq(b->remote_user, "u");
    ck_assert_str_eq(b->remote_password, "p q");
    ck_assert(b->clean_session && b->tls && !b->notifications);
    ck_assert_uint_eq(b->local_session, BRIDGE_LOCAL_KEPT);
    ck_assert_uint_eq(b->start, BRIDGE_LAZY);
    ck_assert_uint_eq(b->version, BRIDGE_V5);
    ck_assert_uint_eq(b->restart_min_ms, 2000);
    ck_assert_uint_eq(b->restart_max_ms, 60000);
    ck_assert_uint_eq(b->keep_alive_ms, 7000);
    ck_assert_uint_eq(b->max_inflight, 20);
    ck_assert_uint_eq(b->receive_maximum, 20);
    b = CONTAINER_OF(b->link.next, struct bridge_config, link);
    ck_assert_uint_eq(b->version, BRIDGE_V311);
    ck_assert_uint_eq(b->restart_max_ms, 0);
    assert_refused("connection x\nbridge_protocol_version 4\n", "main:2: bridge_protocol_version:");
    assert_refused("connection x\nrestart_timeout 0\n", "main:2: restart_timeout:");
    assert_refused("connection x\nconnection x\n", "main:2: a second bridge x");
    ck_assert_int_eq(take("connection x\naddress a\ntopic t\nbridge_identity i\nbridge_psk 00\n"),
                     RC_OK);
    b = LIST_FIRST(&s.bridges, struct bridge_config, link);
    ck_assert(b->tls);
    ck_assert_str_eq(b->psk_identity, "i");
    ck_assert_str_eq(b->psk, "00");
    assert_refused("connection x\nstart_type manual\n", "main:2: start: expected one of");
}
END_TEST

START_TEST(numbers_and_units_are_translated)
{
    ck_assert_int_eq(take("max_inflight_messages 0\nmax_queued_messages 0\nmax_packet_size 0\n"
                          "message_size_limit 77\npersistent_client_expiration 2m\n"
                          "retain_available false\nlog_type error\nlog_type notice\n"
                          "log_timestamp false\nlog_dest file /var/log/m q\n"),
                     RC_OK);
    ck_assert_uint_eq(s.mqtt_receive_maximum, 65535);
    ck_assert_uint_eq(s.session_max_messages, 67108864);
    ck_assert_uint_eq(s.mqtt_max_packet_bytes, 128u << 20);
    ck_assert_uint_eq(s.mqtt_max_payload_bytes, 77);
    ck_assert_uint_eq(s.mqtt_max_session_expiry_ms, UINT64_C(60) * 86400000);
    ck_assert(!s.mqtt_retain && !s.log_time);
    ck_assert_uint_eq(s.log_level, 2);
    ck_assert_str_eq(s.log_file, "/var/log/m q");
}
END_TEST

START_TEST(persistence_names_the_store)
{
    ck_assert_int_eq(take("persistence true\npersistence_location /srv/m/\n"), RC_OK);
    ck_assert(!s.ephemeral);
    ck_assert_str_eq(s.data, "/srv/m/tercet");
    ck_assert_int_eq(take("persistence true\n"), RC_OK);
    ck_assert_str_eq(s.data, "./tercet");
    ck_assert_int_eq(take("persistence true\npersistence_file two.db\n"), RC_OK);
    ck_assert_str_eq(s.data, "./two.db.tercet");
}
END_TEST

START_TEST(certificates_of_clients_are_asked_for_when_that_is_said)
{
    ck_assert_int_eq(take("allow_anonymous true\nlistener 1\ncertfile c\nkeyfile k\ncafile a\n"
                          "crlfile r\nlistener 2\ncertfile c\nkeyfile k\ncafile a\ncapath p\n"
                          "crlfile r\nrequire_certificate true\ntls_version tlsv1.3\n"),
                     RC_OK);
    ck_assert(listener(0)->tls && listener(0)->client_ca == NULL);
    ck_assert(listener(0)->client_crl == NULL);
    ck_assert_str_eq(listener(0)->chain_ca, "a");
    ck_assert_str_eq(listener(1)->client_ca, "a");
    ck_assert_str_eq(listener(1)->client_ca_path, "p");
    ck_assert_str_eq(listener(1)->client_crl, "r");
    ck_assert(listener(1)->require_client_certificate);
    ck_assert_uint_eq(listener(1)->tls_min_version, 1);
    assert_refused("allow_anonymous true\nlistener 1\ncafile a\n", "main:3: certfile and keyfile");
    assert_refused("allow_anonymous true\nlistener 1\ncertfile a\n", "main:3: certfile and");
    assert_refused("allow_anonymous true\nlistener 1\ncertfile a\nkeyfile b\n"
                   "require_certificate true\n",
                   "main:5: require_certificate needs");
}
END_TEST

START_TEST(files_are_included_in_mosquittos_order)
{
    ck_assert_int_eq(take("include_dir two\n"), RC_OK);
    assert_says(&order, "main two/00.conf two/01.conf two/A.conf two/a.conf two/B.conf "
                        "two/b.conf ");
}
END_TEST

START_TEST(what_is_included_is_told_apart)
{
    assert_refused("include_dir broken\n", "broken/broken.conf:2: mosquitto has no option broken");
    assert_refused("include_dir again\n", "again/again.conf:1: include_dir: only the first file");
    assert_refused("include_dir away\n", "away: no directory");
    assert_refused("include_dir missing\n", "gone");
    assert_refused("include_dir\n", "main:1: include_dir: a value must follow");
}
END_TEST

START_TEST(every_mistake_is_told_with_its_line)
{
    assert_refused("sys_interval x\nfoo 1\nmax_qos 3\nretain_available maybe\ncafile\n"
                   "auto_id_prefix a\nauto_id_prefix b\nlistener\naddress here\n",
                   "main:1: sys_interval: a number from 0 to 65535 must follow\n"
                   "main:2: mosquitto has no option foo\n"
                   "main:3: max_qos: a number from 0 to 2 must follow\n"
                   "main:4: retain_available: true or false must follow\n"
                   "main:5: cafile: a value must follow\n"
                   "main:7: auto_id_prefix: given twice\n"
                   "main:8: listener: a number from 0 to 65535 must follow\n"
                   "main:9: address belongs to a bridge, and there is no connection above\n");
    assert_refused("listener 0\n", "main:1: listener 0: the path of a socket must follow");
    assert_refused("listener 1 nowhere\n", "main:1: nowhere has no address here");
    assert_refused("log_type loud\n", "main:1: log_type: loud is none");
    assert_refused("log_dest moon\n", "main:1: log_dest: moon is none");
    assert_refused("log_dest file\n", "main:1: log_dest: a file must follow");
    assert_refused("protocol amqp\n", "main:1: protocol: mqtt or websockets must follow");
    assert_refused("accept_protocol_versions 4,6\n",
                   "main:1: accept_protocol_versions: 3, 4 and 5");
    assert_refused("persistent_client_expiration 3\n", "main:1: persistent_client_expiration:");
}
END_TEST

START_TEST(a_hint_makes_a_listener_of_shared_keys)
{
    const struct listener_settings *l;

    ck_assert_int_eq(take("psk_file /keys\nlistener 8883\npsk_hint h\nciphers PSK\n"
                          "dhparamfile /dh\nuse_identity_as_username true\nlistener 8884\n"),
                     RC_OK);
    l = LIST_FIRST(&s.listeners, struct listener_settings, link);
    ck_assert(l->tls && l->psk_is_user && !l->certificate_is_user);
    ck_assert_str_eq(l->psk_file, "/keys");
    ck_assert_str_eq(l->psk_hint, "h");
    ck_assert_str_eq(l->tls_ciphers, "PSK");
    ck_assert_str_eq(l->dh_params, "/dh");
    l = CONTAINER_OF(l->link.next, struct listener_settings, link);
    ck_assert(!l->tls && l->psk_file == NULL);
    ck_assert_int_eq(take("per_listener_settings true\nlistener 1\npsk_file /one\npsk_hint h\n"
                          "listener 2\npsk_file /two\npsk_hint h\n"),
                     RC_OK);
    l = LIST_FIRST(&s.listeners, struct listener_settings, link);
    ck_assert_str_eq(l->psk_file, "/one");
    l = CONTAINER_OF(l->link.next, struct listener_settings, link);
    ck_assert_str_eq(l->psk_file, "/two");
    assert_refused("listener 1\npsk_hint h\n", "main:2: psk_hint needs psk_file");
}
END_TEST

START_TEST(what_would_let_in_whom_it_keeps_out_is_refused)
{
    static const char *const lines[] = { "plugin x", "auth_plugin x", "tls_keyform engine",
                                         "tls_engine x", "plugin_opt_file x" };

    for (unsigned i = 0; i < COUNT_OF(lines); i++)
        assert_refused(lines[i], "main:1: ");
    ck_assert_int_eq(take("enable_proxy_protocol 2\nproxy_protocol_v2_require_tls true\n"), RC_OK);
}
END_TEST

START_TEST(options_of_clients_become_ours)
{
    ck_assert_int_eq(take("queue_qos0_messages true\nupgrade_outgoing_qos true\n"
                          "max_inflight_bytes 77\nglobal_max_connections 9\n"
                          "clientid_prefixes dev-\nconnection_messages false\n"
                          "log_timestamp_format %H\nlog_dest syslog\nlog_facility 3\n"
                          "use_username_as_clientid true\nmax_topic_alias_broker 50\n"),
                     RC_OK);
    ck_assert_uint_eq(s.warnings.len, 0);
    ck_assert(s.session_qos0 && s.mqtt_upgrade_qos && s.retained_check_source);
    ck_assert_uint_eq(s.mqtt_send_bytes, 77);
    ck_assert_uint_eq(s.connections_max, 9);
    ck_assert_str_eq(s.mqtt_id_must_begin, "dev-");
    ck_assert_str_eq(s.log_time_format, "%H");
    ck_assert(!s.log_connections && listener(0)->mqtt_user_is_id);
    ck_assert_uint_eq(s.log_syslog, 6); /* local3 */
    ck_assert_str_eq(s.log_file, "/dev/null");
    ck_assert_uint_eq(listener(0)->mqtt_topic_alias_given, 16);
    ck_assert_int_eq(take("check_retain_source false\nlog_dest stderr\nlog_dest topic\n"), RC_OK);
    ck_assert(!s.retained_check_source && s.log_topics && s.log_file == NULL);
}
END_TEST

START_TEST(what_is_passed_over_is_told_by_name)
{
    ck_assert_int_eq(take("memory_limit 5000000\nallow_duplicate_messages true\n"), RC_OK);
    ck_assert_uint_eq(s.memory_limit_bytes, 5000000);
    ck_assert_uint_eq(s.warnings.len, 0);
    ck_assert_int_eq(take("\nhttp_dir /x\nautosave_interval 5\n"), RC_OK);
    assert_says(&s.warnings, "main:2: warning: http_dir is passed over.");
    ck_assert_int_eq(take("autosave_interval 5\n"), RC_OK);
    ck_assert_uint_eq(s.warnings.len, 0);
}
END_TEST

START_TEST(a_file_of_nothing_but_mistakes_is_not_read_to_its_end)
{
    struct text many = { 0 };

    for (unsigned i = 0; i < 1000; i++)
        text_format(&many, "x%u\n", i);
    text_add_byte(&many, '\0');
    ck_assert_int_eq(take((const char *)many.at), RC_INVALID);
    ck_assert_uint_lt(errors.len, 2000);
    text_done(&many);
}
END_TEST

START_TEST(the_manual_names_every_option)
{
    struct text man = { 0 };

    mosquitto_settings_write_man(&man);
    for (unsigned i = 0; i < MOSQUITTO_OPTION_COUNT; i++) {
        struct text row = { 0 };

        text_format(&row, ".B ");
        options_write_troff(&row, mosquitto_options[i].name);
        text_add_byte(&row, '\n');
        text_add_byte(&row, '\0');
        assert_says(&man, (const char *)row.at);
        text_done(&row);
    }
    text_done(&man);
}
END_TEST

START_TEST(a_configuration_in_mosquittos_words_is_known_by_its_name)
{
    ck_assert(mosquitto_settings_is_named("/etc/mosquitto/mosquitto.conf"));
    ck_assert(mosquitto_settings_is_named("a.mosquitto"));
    ck_assert(!mosquitto_settings_is_named("tercet.conf"));
    ck_assert(!mosquitto_settings_is_named("mosquitto"));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("mosquitto_conf");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, nothing_at_all_is_a_listener_on_loopback_with_mosquittos_defaults);
    tcase_add_test(tests, comments_blank_lines_and_ends_of_lines_of_other_systems_are_passed_over);
    tcase_add_test(tests, pages_of_the_origins_named_may_connect_and_no_others);
    tcase_add_test(tests, listeners_take_what_stands_below_them);
    tcase_add_test(tests, the_default_listener_is_there_when_something_is_said_of_it);
    tcase_add_test(tests, options_of_security_belong_to_listeners_when_that_is_said_before_them);
    tcase_add_test(tests, who_may_come_in_is_said_for_each_listener);
    tcase_add_test(tests, a_connection_is_a_bridge);
    tcase_add_test(tests, numbers_and_units_are_translated);
    tcase_add_test(tests, persistence_names_the_store);
    tcase_add_test(tests, certificates_of_clients_are_asked_for_when_that_is_said);
    tcase_add_test(tests, files_are_included_in_mosquittos_order);
    tcase_add_test(tests, what_is_included_is_told_apart);
    tcase_add_test(tests, every_mistake_is_told_with_its_line);
    tcase_add_test(tests, a_hint_makes_a_listener_of_shared_keys);
    tcase_add_test(tests, what_would_let_in_whom_it_keeps_out_is_refused);
    tcase_add_test(tests, options_of_clients_become_ours);
    tcase_add_test(tests, what_is_passed_over_is_told_by_name);
    tcase_add_test(tests, a_file_of_nothing_but_mistakes_is_not_read_to_its_end);
    tcase_add_test(tests, the_manual_names_every_option);
    tcase_add_test(tests, a_configuration_in_mosquittos_words_is_known_by_its_name);
    return suite_run("mosquitto_conf", tests);
}
