/*
 * rollup/committer.h - writes one transaction while the next is being gathered.
 *
 * One fold at a time, in a thread of its own, begun when the first is handed over:
 * half of a large transaction's time is spent on waiting for the disk.
 */
#ifndef ROLLUP_COMMITTER_H
#define ROLLUP_COMMITTER_H

#include "rollup/fold.h"
#include "store/tables/cursor.h"

struct committer;

/* Errors: ERR_LIMIT out of memory. */
enum err_code committer_open(struct tables *tables, struct committer **ret,
                             struct err *err) ERR_MUST_CHECK;
void committer_close(struct committer *committer); /* NULL is fine; waits for the thread */

/*
 * Write a sealed fold and the cursor behind it, in one transaction.  Nothing else
 * may be under way: call committer_wait() before.
 *
 *   fold  borrowed until committer_wait(), then empty
 *
 * Errors: ERR_LIMIT when there is no thread to be had.
 */
enum err_code committer_start(struct committer *committer, struct fold *fold,
                              const struct cursor *cursor, struct err *err) ERR_MUST_CHECK;

/*
 * Wait until what was handed over is on the disk; returns at once if nothing was.
 *
 *   ret_sum  what became of its events is added to it
 *
 * Errors: those of writing; nothing of the transaction is stored then.
 */
enum err_code committer_wait(struct committer *committer, struct balance *ret_sum,
                             struct err *err) ERR_MUST_CHECK;

#endif
