#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>

#include "net/proxy_address.h"

static const char *const trusted_texts[] = {"10.0.0.0/8", "2001:db8:1::/48", "192.0.2.5", NULL};

static struct http1_header header(const char *name, const char *value)
{
    return (struct http1_header){kith_slice_str(name), kith_slice_str(value)};
}

/* What is found, as text: "ADDRESS plain|tls". */
static const char *find(const char *socket_peer, bool is_tls, const struct http1_header *headers, size_t count)
{
    static char text[NET_ADDRESS_TEXT_BYTES + 8];
    char address[NET_ADDRESS_TEXT_BYTES];
    struct proxy_list trusted;
    struct net_address near;
    struct proxy_peer peer;

    assert_int_equal(proxy_list_init(&trusted, trusted_texts), KITH_OK);
    assert_int_equal(net_address_parse(kith_slice_str(socket_peer), &near), KITH_OK);
    peer = proxy_peer_find(&trusted, near, is_tls, (struct http1_headers){headers, count});
    net_address_format(peer.address, address);
    (void)snprintf(text, sizeof text, "%s %s", address, peer.is_secure ? "tls" : "plain");
    proxy_list_deinit(&trusted);
    return text;
}

#define FIND(peer, tls, ...)                                    \
    find(peer, tls, (const struct http1_header[]){__VA_ARGS__}, \
         sizeof((const struct http1_header[]){__VA_ARGS__}) / sizeof(struct http1_header))

static void test_proxy_address__a_stranger_says_nothing_about_himself(void **state)
{
    (void)state;
    assert_string_equal(
        FIND("203.0.113.9", false, header("X-Forwarded-For", "1.2.3.4"), header("X-Forwarded-Proto", "https")),
        "203.0.113.9 plain");
    assert_string_equal(FIND("203.0.113.9", true, header("Forwarded", "for=1.2.3.4;proto=http")), "203.0.113.9 tls");
    assert_string_equal(FIND("11.0.0.1", false, header("X-Forwarded-For", "1.2.3.4")), "11.0.0.1 plain");
}

static void test_proxy_address__the_rightmost_untrusted_one_counts(void **state)
{
    (void)state;
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "1.2.3.4")), "1.2.3.4 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "6.6.6.6, 1.2.3.4, 10.9.9.9 ,192.0.2.5")),
                        "1.2.3.4 plain");
    assert_string_equal(
        FIND("10.1.1.1", false, header("X-Forwarded-For", "6.6.6.6"), header("x-forwarded-for", "1.2.3.4")),
        "1.2.3.4 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "10.2.2.2, 10.3.3.3")), "10.2.2.2 plain");
    assert_string_equal(FIND("2001:db8:1::7", false, header("Forwarded", "for=\"[2001:db8:2::8]:4711\"")),
                        "2001:db8:2::8 plain");
    assert_string_equal(FIND("2001:db8:1:ffff::7", false,
                             header("Forwarded", "for=6.6.6.6, For=1.2.3.4:80;Proto=https;by=10.1.1.1, for=10.3.3.3")),
                        "1.2.3.4 tls");
}

static void test_proxy_address__takes_the_forms_that_proxies_write(void **state)
{
    (void)state;
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "1.2.3.4:5678")), "1.2.3.4 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "2001:db8:2::8")), "2001:db8:2::8 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "[2001:db8:2::8]")), "2001:db8:2::8 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("Forwarded", "proto=https; for=\"1.2.3.4\"")), "1.2.3.4 tls");
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "::ffff:1.2.3.4")), "1.2.3.4 plain");
}

static void test_proxy_address__what_is_hidden_or_broken_leaves_the_proxy(void **state)
{
    static const char *const values[] = {
        "for=_secret", "for=unknown", "for=1.2.3.4.5", "for=", "by=1.2.3.4", "for=\"[::1\"", ";;;", "for"};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_string_equal(FIND("10.1.1.1", false, header("Forwarded", values[i])), "10.1.1.1 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "6.6.6.6, unknown, 10.3.3.3")),
                        "10.3.3.3 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "")), "10.1.1.1 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "6.6.6.6,,")), "10.1.1.1 plain");
}

static void test_proxy_address__an_open_quote_cannot_swallow_what_the_proxy_wrote(void **state)
{
    (void)state;
    assert_string_equal(FIND("10.1.1.1", false, header("Forwarded", "for=6.6.6.6;x=\", for=1.2.3.4")),
                        "10.1.1.1 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("Forwarded", "for=6.6.6.6;x=\", for=\"[2001:db8:2::8]\"")),
                        "10.1.1.1 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("Forwarded", "for=6.6.6.6;x=\"\\, for=\"[2001:db8:2::8]\"")),
                        "10.1.1.1 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "6.6.6.6, \", 1.2.3.4")), "1.2.3.4 plain");
}

static void test_proxy_address__two_headers_that_disagree_are_not_believed(void **state)
{
    (void)state;
    assert_string_equal(
        FIND("10.1.1.1", false, header("Forwarded", "for=6.6.6.6"), header("X-Forwarded-For", "1.2.3.4")),
        "10.1.1.1 plain");
    assert_string_equal(
        FIND("10.1.1.1", false, header("Forwarded", "for=1.2.3.4;proto=https"), header("X-Forwarded-For", "1.2.3.4")),
        "1.2.3.4 tls");
}

static void test_proxy_address__the_scheme_is_that_of_the_hop(void **state)
{
    (void)state;
    assert_string_equal(
        FIND("10.1.1.1", false, header("X-Forwarded-For", "1.2.3.4"), header("X-Forwarded-Proto", "https")),
        "1.2.3.4 tls");
    assert_string_equal(
        FIND("10.1.1.1", true, header("X-Forwarded-For", "1.2.3.4"), header("X-Forwarded-Proto", "http")),
        "1.2.3.4 plain");
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-For", "1.2.3.4, 10.2.2.2"),
                             header("X-Forwarded-Proto", "https, http")),
                        "1.2.3.4 tls");
    assert_string_equal(FIND("10.1.1.1", false, header("X-Forwarded-Proto", "https")), "10.1.1.1 tls");
}

static void test_proxy_address__a_chain_longer_than_its_maximum_keeps_our_end(void **state)
{
    struct http1_header chain[PROXY_HOPS_MAX + 1];
    (void)state;

    chain[0] = header("X-Forwarded-For", "6.6.6.6");
    for (int i = 1; i <= PROXY_HOPS_MAX; i++) chain[i] = header("X-Forwarded-For", "10.2.2.2");
    assert_string_equal(find("10.1.1.1", false, chain, PROXY_HOPS_MAX), "6.6.6.6 plain");
    assert_string_equal(find("10.1.1.1", false, chain, PROXY_HOPS_MAX + 1), "10.2.2.2 plain");
}

static void test_proxy_address__prefixes_are_read_strictly(void **state)
{
    static const char *const bad[] = {"",           "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/+8",
                                      "fe80::/129", "::1/64",      "x",          "10.0.0/8",  "10.0.0.0/8 "};
    struct net_cidr cidr;
    struct net_address address;
    struct proxy_list list;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *texts[] = {"10.0.0.0/8", bad[i], NULL};
        assert_int_equal(net_cidr_parse(kith_slice_str(bad[i]), &cidr), KITH_E_MALFORMED);
        assert_int_equal(proxy_list_init(&list, texts), KITH_E_MALFORMED);
    }
    assert_int_equal(net_cidr_parse(kith_slice_str("0.0.0.0/0"), &cidr), KITH_OK);
    assert_int_equal(net_address_parse(kith_slice_str("255.1.1.1"), &address), KITH_OK);
    assert_true(net_cidr_has(cidr, address));
    assert_int_equal(net_address_parse(kith_slice_str("::1"), &address), KITH_OK);
    assert_false(net_cidr_has(cidr, address)); /* all of IPv4 is not all */
    assert_int_equal(net_cidr_parse(kith_slice_str("172.16.0.0/12"), &cidr), KITH_OK);
    assert_int_equal(net_address_parse(kith_slice_str("172.31.255.255"), &address), KITH_OK);
    assert_true(net_cidr_has(cidr, address));
    assert_int_equal(net_address_parse(kith_slice_str("172.32.0.0"), &address), KITH_OK);
    assert_false(net_cidr_has(cidr, address));
}

static void test_proxy_address__endpoints_are_read_strictly(void **state)
{
    static const char *const bad[] = {"",       ":80",     "127.0.0.1", "127.0.0.1:",   "127.0.0.1:65536",
                                      "::1:80", "[::1]80", "[::1:80",   "localhost:80", "127.0.0.1:-1"};
    struct sockaddr_storage address;
    socklen_t len;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(net_endpoint_parse(bad[i], &address, &len), KITH_E_MALFORMED);
    assert_int_equal(net_endpoint_parse("127.0.0.1:65535", &address, &len), KITH_OK);
    assert_true(address.ss_family == AF_INET && net_endpoint_port(&address) == 65535);
    assert_int_equal(net_endpoint_parse("[::1]:0", &address, &len), KITH_OK);
    assert_true(address.ss_family == AF_INET6 && net_endpoint_port(&address) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proxy_address__a_stranger_says_nothing_about_himself),
        cmocka_unit_test(test_proxy_address__the_rightmost_untrusted_one_counts),
        cmocka_unit_test(test_proxy_address__takes_the_forms_that_proxies_write),
        cmocka_unit_test(test_proxy_address__what_is_hidden_or_broken_leaves_the_proxy),
        cmocka_unit_test(test_proxy_address__an_open_quote_cannot_swallow_what_the_proxy_wrote),
        cmocka_unit_test(test_proxy_address__two_headers_that_disagree_are_not_believed),
        cmocka_unit_test(test_proxy_address__the_scheme_is_that_of_the_hop),
        cmocka_unit_test(test_proxy_address__a_chain_longer_than_its_maximum_keeps_our_end),
        cmocka_unit_test(test_proxy_address__prefixes_are_read_strictly),
        cmocka_unit_test(test_proxy_address__endpoints_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
