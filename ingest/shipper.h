/*
 * ingest/shipper.h - the job that ships this host's log to a collector.
 *
 * The collector says where its copy stands, and from there it goes on, after every
 * break anew.  Killed at any moment, it loses and doubles nothing.  What it notes of the
 * collector (store/log/shipped.h) is for gbill log prune alone.
 */
#ifndef INGEST_SHIPPER_H
#define INGEST_SHIPPER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest/ship_wire.h"
#include "store/base/err.h"

struct shipper_options {
    const char *data; /* the data directory */
    struct ship_wire_options wire;
    bool follow;      /* go on for ever; else up to where the log ends now, and one connection */
    bool from_oldest; /* a copy that is not there yet begins with the oldest day kept */
    /* Called now and then with how far the collector is; may be NULL. */
    void (*progress)(void *context, uint64_t event_seq);
    void *context;
};

/* What the collector said that it has, of what this run sent. */
struct shipper_result {
    uint64_t events, quarantined, frames, bytes, messages, connections;
    struct day_tip stand[LOG_STREAMS];
};

/*
 * Ship.
 *
 *   ret  filled, also on failure
 *
 * Errors:
 *   ERR_BUSY      another gbill ship runs on this data directory
 *   ERR_NOT_FOUND no log here; or what the collector wants next was pruned
 *   ERR_CONFLICT  the collector's copy has another history; nothing was stored
 *   ERR_DENIED    the shared key, or the hostname, is not accepted
 *   ERR_PEER      the collector cannot be reached, or broke off (not with follow)
 *   what else the collector refuses with, and those of reading the log
 * With follow only those are errors that no wait mends.
 */
enum err_code shipper_run(const struct shipper_options *options, struct shipper_result *ret,
                          struct err *err) ERR_MUST_CHECK;

#endif
