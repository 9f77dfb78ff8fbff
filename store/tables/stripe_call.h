/*
 * store/tables/stripe_call.h - what was asked of Stripe and what came of it: the outbox of
 * calls, which keeps each object's id there once it is done.
 *
 * One row for each of our names ("invoice/17", schemas/stripe.md).  A call is put here, whole,
 * before it is sent, and changed after its answer; so whoever finds a waiting row sends the
 * same bytes under the same Idempotency-Key again, and Stripe answers as it did.  Ids of Stripe's
 * are in its answers alone, so the rows are no fold of the log; gbill stripe sync finds them
 * again by their names when tables.mdb was lost.
 */
#ifndef STORE_TABLES_STRIPE_CALL_H
#define STORE_TABLES_STRIPE_CALL_H

#include "store/base/hash.h"
#include "store/tables/tables.h"

#define STRIPE_CALL_STATES(X) \
    X(WAITING, "waiting")     \
    X(DONE, "done")           \
    X(REFUSED, "refused") /* Stripe will not do it: gbill stripe retry */

enum stripe_call_state {
#define STRIPE_CALL_ENUM(name, text) STRIPE_CALL_##name,
    STRIPE_CALL_STATES(STRIPE_CALL_ENUM)
#undef STRIPE_CALL_ENUM
        STRIPE_CALL_STATE_COUNT
};

enum {
    STRIPE_CALL_NAME_BYTES_MAX = 160, /* "price/PLAN/USD/month-1/2900" */
    STRIPE_CALL_OBJECT_BYTES_MAX = 255,
    STRIPE_CALL_SAYS_BYTES_MAX = 255,
    STRIPE_CALL_PATH_BYTES_MAX = 300,
    STRIPE_CALL_BODY_BYTES_MAX = 64 * 1024,
};

/* Texts are borrowed: of a row that was read, valid until the next write in the transaction. */
struct stripe_call {
    struct str name;
    enum stripe_call_state state;
    uint32_t revision;  /* how often something was asked under this name: part of the key */
    uint32_t attempts;  /* of this revision */
    bool unknown;       /* an attempt of it may have been carried out */
    int64_t first_ms;   /* when it was put here, which is before its first attempt */
    int64_t due_ms;     /* WAITING: not before */
    int64_t changed_ms; /* when the last attempt ended; 0: none has */
    uint8_t digest[HASH_SHA256_BYTES]; /* of what was asked, to see whether it still is */
    struct str object;             /* Stripe's id (of a subscription and its item); may be empty */
    struct str method, path, body; /* of WAITING; else empty */
    struct str says;               /* what the last attempt came to, in words */
};

const char *stripe_call_state_name(enum stripe_call_state state);

/* Errors: ERR_FULL, ERR_IO. */
enum err_code stripe_call_put(struct tables_txn *txn, const struct stripe_call *call,
                              struct err *err) ERR_MUST_CHECK;
bool stripe_call_get(struct tables_txn *txn, struct str name, struct stripe_call *ret);

/* Walk all whose names begin with a text of at most 64 bytes, by name. */
struct stripe_call_scan {
    struct stripe_call row;
    struct tables_scan scan;
};

void stripe_call_scan_begin(struct stripe_call_scan *scan, struct tables_txn *txn, struct str with);
bool stripe_call_scan_next(struct stripe_call_scan *scan);
void stripe_call_scan_end(struct stripe_call_scan *scan);

#endif
