#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "store/net/address.h"
#include "store/net/net.h"

static enum address_kind
kind_of(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return address_kind((const struct sockaddr *)&in);
    cr_assert_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1, "%s", text);
    return address_kind((const struct sockaddr *)&in6);
}

Test(store_net, addresses_that_are_not_of_the_internet_are_known)
{
    static const char *const private[] = {
        "0.0.0.0",         "10.0.0.1",       "10.255.255.255",  "100.64.0.1",   "100.127.255.255",
        "169.254.169.254", "172.16.0.1",     "172.31.255.255",  "192.0.0.1",    "192.0.2.1",
        "192.168.1.1",     "198.18.0.1",     "198.19.255.255",  "198.51.100.1", "203.0.113.9",
        "224.0.0.1",       "240.0.0.1",      "255.255.255.255", "::",           "fe80::1",
        "fc00::1",         "fd12::1",        "ff02::1",         "2001:db8::1",  "2001::1",
        "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1",   "3fff::1",      "::7f00:1",
    };
    static const char *const loopback[] = {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"};
    static const char *const public[] = {
        "1.1.1.1",      "9.255.255.255",  "11.0.0.0",       "100.63.255.255",
        "100.128.0.0",  "126.0.0.1",      "172.15.255.255", "172.32.0.0",
        "192.167.0.1",  "198.17.255.255", "198.20.0.0",     "223.255.255.255",
        "2606:4700::1", "2a00:1450::1",   "::ffff:1.1.1.1", "2002:101:101::1"};
    for (size_t i = 0; i < sizeof private / sizeof private[0]; i++)
        cr_expect_eq(kind_of(private[i]), ADDRESS_PRIVATE, "%s", private[i]);
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++)
        cr_expect_eq(kind_of(loopback[i]), ADDRESS_LOOPBACK, "%s", loopback[i]);
    for (size_t i = 0; i < sizeof public / sizeof public[0]; i++)
        cr_expect_eq(kind_of(public[i]), ADDRESS_PUBLIC, "%s", public[i]);
}

Test(store_net, a_request_that_may_not_leave_is_refused_before_it_does)
{
    static const struct {
        const char *url, *header;
        unsigned allow;
        enum err_code code;
    } cases[] = {
        {"http://127.0.0.1:1/SECRET", NULL, 0, ERR_DENIED},
        {"ftp://127.0.0.1/SECRET", NULL, NET_PRIVATE | NET_LOOPBACK_HTTP, ERR_DENIED},
        {"file:///etc/passwd", NULL, NET_PRIVATE | NET_LOOPBACK_HTTP, ERR_INPUT},
        {"https://127.0.0.1:1/SECRET", NULL, NET_LOOPBACK_HTTP, ERR_DENIED},
        {"https://[::1]:1/SECRET", NULL, 0, ERR_DENIED},
        {"https://2130706433:1/SECRET", NULL, 0, ERR_DENIED}, /* 127.0.0.1 as one number */
        {"https://0x7f.1:1/SECRET", NULL, 0, ERR_DENIED},
        {"http://192.168.0.1/SECRET", NULL, NET_LOOPBACK_HTTP | NET_PRIVATE, ERR_DENIED},
        {"https://127.0.0.1:1/SECRET", "A: b\r\nC: SECRET", NET_PRIVATE, ERR_INPUT},
        {"http://127.0.0.1:1/SECRET", NULL, NET_LOOPBACK_HTTP, ERR_PEER}, /* nobody listens */
    };
    struct net *net;
    struct err err;
    const struct net_options o = {.connect_timeout_ms = 2000, .timeout_ms = 2000};
    cr_assert_eq(net_open(&o, &net, &err), ERR_OK, "%s", err.text);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net_answer answer;
        const struct net_request r = {.method = "POST",
                                      .url = cases[i].url,
                                      .allow = cases[i].allow,
                                      .headers = {cases[i].header},
                                      .body = {(const uint8_t *)"{}", 2},
                                      .answer_bytes_max = 1024};
        enum err_code code = net_http(net, &r, &answer, &err);
        cr_expect_eq(code, cases[i].code, "%s: %s %s", cases[i].url, err_name(code), err.text);
        cr_expect_null(strstr(err.text, "SECRET"), "%s", err.text);
    }
    net_close(net);
    const struct net_options missing = {.connect_timeout_ms = 1, .timeout_ms = 1, .ca_file = "/no"};
    cr_expect_eq(net_open(&missing, &net, &err), ERR_CONFIG);
}
