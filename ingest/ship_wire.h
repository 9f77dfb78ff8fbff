/*
 * ingest/ship_wire.h - a connection to a collector: TCP, TLS if it is asked for, and
 * the shared-key handshake; then whole messages out and answers in.
 *
 * Calls wait, but never longer than they say, and end when *stop is set.
 */
#ifndef INGEST_SHIP_WIRE_H
#define INGEST_SHIP_WIRE_H

#include <signal.h>

#include "ingest/ship.h"
#include "store/base/err.h"

struct ship_wire_options {
    const char *to;   /* HOST:PORT, as gate_address() reads it */
    const char *host; /* our own name, in the handshake */
    struct bytes key; /* the shared key; borrowed while it is open */
    const char *
        tls_ca; /* PEM: TLS, with a certificate for the host in to that one of these signed; NULL: plain */
    const volatile sig_atomic_t *stop;
};

struct ship_wire;

/* HOST:PORT, our name and the CA file are sound?  ERR_CONFIG, ERR_NOT_FOUND, ERR_DENIED. */
enum err_code ship_wire_check(const struct ship_wire_options *options,
                              struct err *err) ERR_MUST_CHECK;

/*
 * Connect and shake hands.
 *
 *   options  borrowed until ship_wire_close()
 *
 * Errors: ERR_PEER, also when told to stop; ERR_DENIED when the collector does not take
 * the key or does not prove that it has it; ERR_CONFIG for its certificate.
 */
enum err_code ship_wire_open(const struct ship_wire_options *options, struct ship_wire **ret,
                             struct err *err) ERR_MUST_CHECK;
void ship_wire_close(struct ship_wire *wire); /* accepts NULL */

/* Send all of it.  Errors: ERR_PEER: the connection is of no use any more. */
enum err_code ship_wire_send(struct ship_wire *wire, struct bytes bytes,
                             struct err *err) ERR_MUST_CHECK;

/*
 * Receive an answer that is there; does not wait.
 *
 *   ret      valid until the next call
 *   ret_any  false: none is there yet
 *
 * Errors: ERR_PEER: it is closed, or not our protocol.
 */
enum err_code ship_wire_receive(struct ship_wire *wire, struct ship_message *ret, bool *ret_any,
                                struct err *err) ERR_MUST_CHECK;

/* To poll for reading. */
int ship_wire_fd(const struct ship_wire *wire);

#endif
