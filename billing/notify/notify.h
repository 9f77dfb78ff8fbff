/*
 * billing/notify/notify.h - put alerts and spikes into the outbox, and send what is in it.
 *
 * Rules: billing/notify/DESIGN.md.
 */
#ifndef BILLING_NOTIFY_NOTIFY_H
#define BILLING_NOTIFY_NOTIFY_H

#include "billing/notify/notify_conf.h"
#include "store/base/clock.h"
#include "store/tables/outbox.h"

/*
 * Add an entry for every destination of an organization, in the transaction of what is
 * told.
 *
 *   conf       NULL: nobody is told
 *   about      what is told of, and created_ms; the rest is made here
 *   email      are mails wanted (the organization's emailAlerts)?
 *   ret_count  entries added
 */
enum err_code notify_enqueue(const struct notify_conf *conf, struct tables_txn *txn,
                             struct str organization, const struct outbox_entry *about, bool email,
                             uint64_t *ret_count, struct err *err) ERR_MUST_CHECK;

struct notify_options {
    const char *data_directory;
    const char *conf_path;
    const struct clock *clock;
    /* What a person should see of each attempt, one line; may be NULL. */
    void (*line)(void *context, const char *text);
    void *context;
};

struct notify_result {
    uint64_t sent, failed; /* attempts of this run; failed ones are tried again */
    uint64_t dead;         /* given up in this run */
    uint64_t waiting;      /* entries that are left, not due or to be tried again */
    uint64_t forgotten;    /* old ones that were taken out */
};

/*
 * Send what is due, each entry once, and forget what has been done for long.
 *
 * Killed at any moment: an entry whose receiver has not answered, or whose answer was
 * not yet noted, is sent again by the next run, under the same key.
 *
 * Errors: ERR_BUSY (it runs already), ERR_NOT_FOUND (nothing is folded yet), those of
 * notify_conf_load() and the tables.  That a receiver fails is no error of the run.
 */
enum err_code notify_run(const struct notify_options *options, struct notify_result *ret,
                         struct err *err) ERR_MUST_CHECK;

/*
 * The wait before the next attempt: the first one doubled with each failure, up to
 * six hours, and up to a quarter more or less of it, by the entry's id, so that those
 * that failed together do not come back together; longer where the receiver asked for
 * it, a day at most.
 *
 *   attempts  that failed so far, 1 …
 */
int64_t notify_backoff_ms(int64_t first_ms, uint64_t id, uint32_t attempts, int64_t retry_after_s);

#endif
