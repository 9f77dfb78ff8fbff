#include "store/net/address.h"

#include <netinet/in.h>
#include <string.h>

#include "store/base/bytes.h"

struct range4 {
    uint32_t first;
    unsigned bits;
};

static enum address_kind
kind_of_4(uint32_t a)
{
    static const struct range4 private[] = {
        {0x00000000, 8},  /* this network */
        {0x0a000000, 8},  /* private */
        {0x64400000, 10}, /* shared by carriers */
        {0xa9fe0000, 16}, /* link local: metadata services of clouds */
        {0xac100000, 12}, /* private */
        {0xc0000000, 24}, /* protocol assignments */
        {0xc0000200, 24}, /* documentation */
        {0xc0586300, 24}, /* 6to4 relays */
        {0xc0a80000, 16}, /* private */
        {0xc6120000, 15}, /* benchmarks */
        {0xc6336400, 24}, /* documentation */
        {0xcb007100, 24}, /* documentation */
        {0xe0000000, 3},  /* multicast, reserved, broadcast */
    };
    if (a >> 24 == 127)
        return ADDRESS_LOOPBACK;
    for (size_t i = 0; i < sizeof private / sizeof private[0]; i++) {
        unsigned shift = 32 - private[i].bits;
        if (a >> shift == private[i].first >> shift)
            return ADDRESS_PRIVATE;
    }
    return ADDRESS_PUBLIC;
}

static bool
begins(const uint8_t *a, const char *prefix, size_t prefix_bytes)
{
    return memcmp(a, prefix, prefix_bytes) == 0;
}

static enum address_kind
kind_of_6(const uint8_t a[16])
{
    static const uint8_t loopback[16] = {[15] = 1};
    if (memcmp(a, loopback, sizeof loopback) == 0)
        return ADDRESS_LOOPBACK;
    if (begins(a, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) ||
        begins(a, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12))
        return kind_of_4(get_be32(a + 12));
    if (begins(a, "\x20\x02", 2))
        return kind_of_4(get_be32(a + 2));
    /* Global unicast is 2000::/3, less 2001::/23 (protocols, Teredo), 2001:db8::/32 and 3fff::/20. */
    bool global = a[0] >> 5 == 1;
    bool protocols = begins(a, "\x20\x01", 2) && a[2] < 2;
    bool documentation = begins(a, "\x20\x01\x0d\xb8", 4) ||
                         (begins(a, "\x3f\xff", 2) && a[2] >> 4 == 0);
    return global && !protocols && !documentation ? ADDRESS_PUBLIC : ADDRESS_PRIVATE;
}

enum address_kind
address_kind(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return kind_of_4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return kind_of_6(in6.sin6_addr.s6_addr);
    }
    return ADDRESS_PRIVATE;
}
