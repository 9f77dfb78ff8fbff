/*
 * store/tables/ids.h - every event that was counted, by the hash of its
 * (organization, id): what makes a retried event change nothing.
 *
 * A run is a sorted set of entries; every fold adds one, and when RUNS_PER_LEVEL
 * of one level are there they are merged into one of the next, so that there are
 * few runs and each entry is rewritten a few times in its life.  Runs are cut
 * into chunks.
 *
 *   id_runs: run u32 -> level u8, entries u64
 *   ids:     run u32, last hash of the chunk (hi u64, lo u64) -> entries
 *
 * Lookups are by id alone, not by the event's hour: an app that tracks one call
 * twice with a fresh clock must not pay twice.
 */
#ifndef STORE_TABLES_IDS_H
#define STORE_TABLES_IDS_H

#include "store/base/hash.h"
#include "store/tables/tables.h"

struct id_entry {
    struct hash_id hash;
    uint64_t seq; /* of the event that was counted */
};

enum { IDS_RUNS_PER_LEVEL = 8 };

/* By hash. */
static inline int
id_compare(struct hash_id a, struct hash_id b)
{
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return (a.lo > b.lo) - (a.lo < b.lo);
}

/*
 * Look up count entries, sorted by hash without repetition, in all runs.
 *
 *   ret_seq  count numbers: of the event that was counted, or 0
 */
void ids_find(struct tables_txn *txn, const struct id_entry *entries, size_t count,
              uint64_t *ret_seq);

/*
 * Add entries, sorted by hash and in no run yet, as a new run; merge runs.
 */
enum err_code ids_add(struct tables_txn *txn, const struct id_entry *entries, size_t count,
                      struct err *err) ERR_MUST_CHECK;

#endif
