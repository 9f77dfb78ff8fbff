/*
 * billing/stripe/sync_parts.h - what the files of sync_run() share.  Private to them.
 *
 * sync.c says whose turn it is and when the run is over; sync_wave.c does one wave: calls into
 * the outbox, all sent at once, their outcomes noted.
 */
#ifndef BILLING_STRIPE_SYNC_PARTS_H
#define BILLING_STRIPE_SYNC_PARTS_H

#include "billing/stage.h"
#include "billing/stripe/found.h"
#include "billing/stripe/sync.h"
#include "store/base/list.h"

/* An organization at work. */
struct sync_worker {
    struct calls_slot slot;
    struct calls_next next;
    bool busy;  /* has an organization */
    bool ready; /* next is to be done in this wave */
    struct stripe_ask ask;
    char key[STRIPE_KEY_BYTES_MAX + 1];
};

struct sync {
    const struct sync_options *options;
    struct sync_result result;
    struct stage stage;
    struct parties *parties;
    struct calls_settings settings;
    struct timeline timeline;
    struct found found;     /* what Stripe's lists show */
    bool adopting;          /* the tables may not know what is there already */
    struct tables_txn *dry; /* of a run that stores nothing: the one transaction */
    /* The walk. */
    bool catalog_done;
    uint32_t last;           /* organization */
    const struct list *only; /* uint32_t; NULL: all */
    size_t only_next;
    struct list later; /* uint32_t: those that something may pass for */
    int64_t due_ms;    /* the first of them */
    unsigned silent;   /* waves without one answer, in a row */
    struct sync_worker workers[STRIPE_AT_ONCE_MAX];
};

/* A line for a person: the call's name, what became of it, and Stripe's words. */
void sync_say(const struct sync *r, const char *name, const char *what, const char *words);

/* --now says which plan holds; when a call may be tried again is the machine's clock's. */
int64_t sync_now(void);

/* Transactions: of a dry run there is one, which is never stored. */
enum err_code sync_begin(struct sync *r, enum tables_mode mode, struct tables_txn **ret,
                         struct err *err) ERR_MUST_CHECK;
/* Store it if code is ERR_OK, else drop it; returns code, or what storing it came to. */
enum err_code sync_end(struct sync *r, struct tables_txn *txn, enum err_code code,
                       struct err *err) ERR_MUST_CHECK;

/* The organization's turn is over. */
void sync_leave(struct sync_worker *w);

/* ---- one wave, of the workers that are ready ---- */

/* What makes an object is held against what is there, where that may be. */
enum err_code wave_look_first(struct sync *r, struct err *err) ERR_MUST_CHECK;
/* Into the outbox, in one transaction. */
enum err_code wave_put_intents(struct sync *r, struct err *err) ERR_MUST_CHECK;
void wave_ask_all(struct sync *r);
/* What came of it, in one transaction.  Errors: ERR_DENIED, the key is not accepted. */
enum err_code wave_note_all(struct sync *r, struct err *err) ERR_MUST_CHECK;

#endif
