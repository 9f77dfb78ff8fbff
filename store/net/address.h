/*
 * store/net/address.h - is this an address of the public internet?
 *
 * Source: IANA, special-purpose address registries (IPv4 and IPv6) and multicast
 * ranges: what is not globally reachable is private here.  Addresses that carry an
 * IPv4 address in them (mapped, 6to4, NAT64) are judged by it; Teredo is private.
 */
#ifndef STORE_NET_ADDRESS_H
#define STORE_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

enum address_kind { ADDRESS_PUBLIC, ADDRESS_PRIVATE, ADDRESS_LOOPBACK };

/* Anything but IPv4 and IPv6 is private. */
enum address_kind address_kind(const struct sockaddr *address);

#endif
