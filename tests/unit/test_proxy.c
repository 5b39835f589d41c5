/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY head and the networks of those who may send one. */
#include "broker/net/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "broker/base/text.h"
#include "broker/net/networks.h"
#include "tests/lib/suite.h"

static struct text head;

static void setup(void)
{
    head = (struct text){ 0 };
}

static void teardown(void)
{
    text_done(&head);
}

static enum rc decode(struct slice in, struct proxy_head *ret)
{
    struct slice exact = exact_copy(in);
    enum rc rc = proxy_decode(exact, ret);

    if (rc == RC_OK && !slice_is_none(ret->name))
        ret->name = slice_of(in.at + (ret->name.at - exact.at), ret->name.len);
    exact_free(exact);
    return rc;
}

static void begin_v2(unsigned command, unsigned family, size_t len)
{
    text_clear(&head);
    text_add(&head, SLICE("\r\n\r\n\0\r\nQUIT\n"));
    text_add_byte(&head, (uint8_t)command);
    text_add_byte(&head, (uint8_t)family);
    text_add_u16(&head, (uint16_t)len);
}

static void add_zeros(size_t n)
{
    for (size_t i = 0; i < n; i++)
        text_add_byte(&head, 0);
}

static void add_ipv4(void)
{
    text_add_u32(&head, 0xc0000207);
    text_add_u32(&head, 0x7f000001);
    text_add_u16(&head, 4711);
    text_add_u16(&head, 25);
}

static void check_ipv4(const struct proxy_head *h)
{
    const struct sockaddr_in *from = (const struct sockaddr_in *)&h->from;
    const struct sockaddr_in *to = (const struct sockaddr_in *)&h->to;

    ck_assert_int_eq(h->source, PROXY_ADDRESS);
    ck_assert_uint_eq(from->sin_family, AF_INET);
    ck_assert_uint_eq(ntohl(from->sin_addr.s_addr), 0xc0000207);
    ck_assert_uint_eq(ntohs(from->sin_port), 4711);
    ck_assert_uint_eq(ntohl(to->sin_addr.s_addr), 0x7f000001);
    ck_assert_uint_eq(ntohs(to->sin_port), 25);
}

START_TEST(version_1_tells_source_and_destination)
{
    struct slice line = SLICE("PROXY TCP4 192.0.2.7 127.0.0.1 4711 25\r\nrest");
    struct proxy_head h;

    ck_assert_int_eq(decode(line, &h), RC_OK);
    check_ipv4(&h);
    ck_assert_uint_eq(h.bytes, line.len - 4);
    ck_assert_int_eq(decode(SLICE("PROXY TCP6 2001:db8::7 ::1 0 65535\r\n"), &h), RC_OK);
    ck_assert_uint_eq(h.from.ss_family, AF_INET6);
    ck_assert_uint_eq(ntohs(((struct sockaddr_in6 *)&h.to)->sin6_port), 65535);
    ck_assert_int_eq(decode(SLICE("PROXY UNKNOWN what ever\r\n"), &h), RC_OK);
    ck_assert_int_eq(h.source, PROXY_UNKNOWN);
}
END_TEST

START_TEST(every_truncation_asks_for_more)
{
    static const struct slice line = SLICE("PROXY TCP4 192.0.2.7 127.0.0.1 4711 25\r\n");
    struct proxy_head h;

    for (size_t n = 0; n < line.len; n++)
        ck_assert_int_eq(decode(slice_of(line.at, n), &h), RC_AGAIN);
    begin_v2(0x21, 0x11, 12 + 5);
    add_ipv4();
    text_add(&head, SLICE("\4\0\2xx"));
    for (size_t n = 0; n < head.len; n++)
        ck_assert_int_eq(decode(slice_of(head.at, n), &h), RC_AGAIN);
    ck_assert_int_eq(decode(text_slice(&head), &h), RC_OK);
    ck_assert_uint_eq(h.bytes, head.len);
    check_ipv4(&h);
}
END_TEST

START_TEST(what_is_no_head_is_known_at_its_first_wrong_byte)
{
    struct proxy_head h;

    ck_assert_int_eq(decode(SLICE("\x10"), &h), RC_MALFORMED);
    ck_assert_int_eq(decode(SLICE("PROXX"), &h), RC_MALFORMED);
    ck_assert_int_eq(decode(SLICE("\r\n\r\n\1"), &h), RC_MALFORMED);
    begin_v2(0x11, 0x11, 12);
    ck_assert_int_eq(decode(slice_of(head.at, 13), &h), RC_MALFORMED);
    begin_v2(0x22, 0x11, 12);
    ck_assert_int_eq(decode(slice_of(head.at, 13), &h), RC_MALFORMED);
}
END_TEST

START_TEST(version_1_has_107_bytes_at_most)
{
    struct proxy_head h;

    text_add(&head, SLICE("PROXY UNKNOWN "));
    while (head.len < PROXY_V1_MAX_BYTES - 2)
        text_add_byte(&head, 'x');
    text_add(&head, SLICE("\r\n"));
    ck_assert_int_eq(decode(text_slice(&head), &h), RC_OK);
    head.len -= 2;
    text_add(&head, SLICE("x\r\n"));
    ck_assert_int_eq(decode(text_slice(&head), &h), RC_MALFORMED);
}
END_TEST

START_TEST(version_2_is_limited)
{
    struct proxy_head h;

    begin_v2(0x20, 0, PROXY_HEAD_MAX_BYTES - 16);
    ck_assert_int_eq(decode(text_slice(&head), &h), RC_AGAIN);
    add_zeros(PROXY_HEAD_MAX_BYTES - 16);
    ck_assert_int_eq(decode(text_slice(&head), &h), RC_OK);
    ck_assert_int_eq(h.source, PROXY_LOCAL);
    begin_v2(0x20, 0, PROXY_HEAD_MAX_BYTES - 15);
    ck_assert_int_eq(decode(text_slice(&head), &h), RC_TOO_LARGE);
}
END_TEST

START_TEST(addresses_that_do_not_fit_are_refused)
{
    static const struct {
        unsigned family;
        size_t least;
    } families[] = { { 0x11, 12 }, { 0x21, 36 }, { 0x31, 216 } };
    struct proxy_head h;

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        begin_v2(0x21, families[i].family, families[i].least - 1);
        add_zeros(families[i].least);
        ck_assert_int_eq(decode(text_slice(&head), &h), RC_MALFORMED);
        begin_v2(0x21, families[i].family, families[i].least);
        add_zeros(families[i].least);
        ck_assert_int_eq(decode(text_slice(&head), &h), RC_OK);
    }
    for (unsigned family = 0; family <= UINT8_MAX; family++) {
        bool is_known = family == 0 || family == 0x11 || family == 0x21 || family == 0x31;

        begin_v2(0x21, family, 216);
        add_zeros(216);
        ck_assert_int_eq(decode(text_slice(&head), &h), is_known ? RC_OK : RC_MALFORMED);
    }
}
END_TEST

static void add_name_field(unsigned client, uint32_t unverified, const char *name)
{
    size_t len = strlen(name);

    begin_v2(0x21, 0x11, 12 + 3 + 5 + 3 + len);
    add_ipv4();
    text_add_byte(&head, 0x20);
    text_add_u16(&head, (uint16_t)(5 + 3 + len));
    text_add_byte(&head, (uint8_t)client);
    text_add_u32(&head, unverified);
    text_add_byte(&head, 0x22);
    text_add_u16(&head, (uint16_t)len);
    text_add(&head, slice_str(name));
}

START_TEST(a_name_counts_when_the_proxy_has_checked_its_certificate)
{
    struct proxy_head h;

    add_name_field(0x07, 0, "sensor-7");
    ck_assert_int_eq(decode(text_slice(&head), &h), RC_OK);
    ck_assert(h.is_tls && h.is_certified);
    ck_assert_slice(h.name, SLICE("sensor-7"));
    add_name_field(0x07, 1, "sensor-7");
    ck_assert_int_eq(decode(text_slice(&head), &h), RC_OK);
    ck_assert(h.is_tls && !h.is_certified && slice_is_none(h.name));
    add_name_field(0x01, 0, "sensor-7");
    ck_assert_int_eq(decode(text_slice(&head), &h), RC_OK);
    ck_assert(h.is_tls && !h.is_certified && slice_is_none(h.name));
    head.at[12 + 4 + 12 + 3 + 5 + 2]++; /* the name is longer than its field */
    ck_assert_int_eq(decode(text_slice(&head), &h), RC_MALFORMED);
}
END_TEST

/* ---- networks ---- */

static bool have(const char *list, const char *address)
{
    struct networks *n = NULL;
    struct sockaddr_storage s = { 0 };
    bool is_in;

    ck_assert_int_eq(networks_new(list, &n), RC_OK);
    if (inet_pton(AF_INET, address, &((struct sockaddr_in *)&s)->sin_addr) == 1)
        s.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, address, &((struct sockaddr_in6 *)&s)->sin6_addr) == 1)
        s.ss_family = AF_INET6;
    else
        s.ss_family = AF_UNIX;
    is_in = networks_have(n, &s);
    networks_free(&n);
    return is_in;
}

START_TEST(an_address_is_in_the_networks_that_hold_it)
{
    ck_assert(have("10.0.0.0/8", "10.255.0.1") && !have("10.0.0.0/8", "11.0.0.0"));
    ck_assert(have("10.1.2.3", "10.1.2.3") && !have("10.1.2.3", "10.1.2.2"));
    ck_assert(have("10.1.2.128/25", "10.1.2.129") && !have("10.1.2.128/25", "10.1.2.127"));
    ck_assert(have("0.0.0.0/0", "192.0.2.1") && !have("0.0.0.0/0", "2001:db8::1"));
    ck_assert(have("::/0", "192.0.2.1") && have("::/0", "::1"));
    ck_assert(have("2001:db8::/33", "2001:db8::1") && !have("2001:db8::/33", "2001:db8:8000::"));
    ck_assert(have("127.0.0.0/8", "::ffff:127.0.0.1"));
    ck_assert(have(" ::1 , unix,10.0.0.0/8", "unix") && !have("::/0, 0.0.0.0/0", "unix"));
}
END_TEST

START_TEST(what_is_no_network_is_refused)
{
    static const char *const wrong[] = { "",           "10.0.0.0/33", "::1/129",
                                         "10.0.0/8",   "10.0.0.0/",   "/8",
                                         "localhost",  "::1,,::1",    "10.0.0.0/8,,",
                                         "10.0.0.0/-1" };
    struct networks *n = NULL;
    struct text many = { 0 };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_int_eq(networks_new(wrong[i], &n), RC_INVALID);
    for (unsigned i = 0; i < NETWORKS_MAX; i++)
        text_format(&many, "%s10.0.0.%u", i == 0 ? "" : ",", i);
    text_add_byte(&many, '\0');
    ck_assert_int_eq(networks_new((const char *)many.at, &n), RC_OK);
    networks_free(&n);
    many.len--;
    text_add(&many, SLICE(",::1\0"));
    ck_assert_int_eq(networks_new((const char *)many.at, &n), RC_INVALID);
    text_done(&many);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("proxy");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, version_1_tells_source_and_destination);
    tcase_add_test(tests, every_truncation_asks_for_more);
    tcase_add_test(tests, what_is_no_head_is_known_at_its_first_wrong_byte);
    tcase_add_test(tests, version_1_has_107_bytes_at_most);
    tcase_add_test(tests, version_2_is_limited);
    tcase_add_test(tests, addresses_that_do_not_fit_are_refused);
    tcase_add_test(tests, a_name_counts_when_the_proxy_has_checked_its_certificate);
    tcase_add_test(tests, an_address_is_in_the_networks_that_hold_it);
    tcase_add_test(tests, what_is_no_network_is_refused);
    return suite_run("proxy", tests);
}
