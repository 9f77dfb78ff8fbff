/*
 * billing/stage.h - what the stages of this folder share: a lock of their own,
 * the plan book, and a walk over all organizations in write transactions.
 *
 * A stage is idempotent: it computes every row from the folded tables and stores
 * what differs.  Killed anywhere, the transactions that were committed stand, and
 * the next run does the rest.
 */
#ifndef BILLING_STAGE_H
#define BILLING_STAGE_H

#include "billing/plan/plan.h"
#include "store/tables/cursor.h"
#include "store/tables/tables.h"

enum { STAGE_TXN_ORGANIZATIONS = 256 };

enum stage_notice {
    STAGE_PROBLEM, /* something of one organization is wrong; the others go on */
    STAGE_LATE,    /* something came for an invoice that was final already */
};

/* Where a stage says what a person must look at, one line each; line may be NULL. */
struct stage_notices {
    void (*line)(void *context, enum stage_notice notice, const char *text);
    void *context;
};

void stage_notice(const struct stage_notices *notices, enum stage_notice notice, const char *fmt,
                  ...) __attribute__((format(printf, 3, 4)));

struct stage {
    const char *data_directory;
    struct plan_book *book;
    struct tables *tables;
    struct tables_txn *txn; /* the one of the organization at hand */
    struct cursor cursor;   /* as txn sees it */
    int lock_fd;
};

/*
 * Take the lock, read the plan book, open the tables.
 *
 *   data_directory  borrowed until stage_close()
 *   lock_name       in the data directory: "limits.lock"
 *   who             "gbill limits"
 *
 * stage_close() it also after an error.
 *
 * Errors: ERR_BUSY (the stage runs already), ERR_NOT_FOUND (nothing is folded
 * yet, or no such directory), ERR_CONFIG (the plan book), those of files.
 */
enum err_code stage_open(struct stage *stage, const char *data_directory, const char *plans_path,
                         const char *lock_name, const char *who, struct err *err) ERR_MUST_CHECK;
void stage_close(struct stage *stage);

/*
 * Call visit for every organization, some hundred of them in one transaction.
 *
 * Errors: visit's, which ends the walk; those of the tables.  The transaction at
 * hand is then not stored, those before it are.
 */
enum err_code stage_walk(struct stage *stage,
                         enum err_code (*visit)(void *context, uint32_t organization,
                                                struct err *err),
                         void *context, struct err *err) ERR_MUST_CHECK;

#endif
