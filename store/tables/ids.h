/*
 * store/tables/ids.h - every event that was counted, by the hash of its
 * (organization, id): what makes a retried event change nothing.
 *
 * A run is a sorted set of entries with a filter beside it (id_filter.h) that
 * answers most lookups of unknown ids from one cache line.  Every fold adds a
 * run; when IDS_RUNS_PER_CLASS of one size class are there they are merged, so
 * that there are few runs.  A run of IDS_RUN_FULL entries or more is left alone:
 * no fold pays for more than one merge of IDS_RUNS_PER_CLASS * IDS_RUN_FULL.
 *
 *   id_runs:    run u32 -> entries u64
 *   id_filters: run u32 -> the filter's blocks
 *   ids:        run u32, last hash of the chunk (hi u64, lo u64) -> entries
 *
 * Lookups are by id alone, not by the event's hour: an app that tracks one call
 * twice with a fresh clock must not pay twice.
 */
#ifndef STORE_TABLES_IDS_H
#define STORE_TABLES_IDS_H

#include "store/base/hash.h"
#include "store/tables/tables.h"

/* What is kept of a counted event beside its id: its number, and some bits of its content. */
struct id_entry {
    struct hash_id hash;
    uint64_t mark; /* id_mark(); never 0 */
};

enum { IDS_RUNS_PER_CLASS = 8, IDS_RUN_FULL = 256 * 1024, ID_CHECK_BITS = 24 };

#define ID_SEQ_MAX (((uint64_t)1 << (63 - ID_CHECK_BITS)) - 1)

/*
 *   seq      of the event, 1 to ID_SEQ_MAX
 *   content  a hash of its record: a second event with the same id and another
 *            content is told from a retry, but for one in 2^24
 */
static inline uint64_t
id_mark(uint64_t seq, uint64_t content)
{
    return seq << ID_CHECK_BITS | content >> (64 - ID_CHECK_BITS);
}

static inline uint64_t
id_mark_seq(uint64_t mark)
{
    return mark >> ID_CHECK_BITS;
}

static inline bool
id_mark_same_content(uint64_t a, uint64_t b)
{
    return ((a ^ b) & (((uint64_t)1 << ID_CHECK_BITS) - 1)) == 0;
}

/* By hash. */
static inline int
id_compare(struct hash_id a, struct hash_id b)
{
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return (a.lo > b.lo) - (a.lo < b.lo);
}

/* All runs, as they stand in a transaction. */
struct ids;

/*
 * Make ready for lookups.
 *
 *   ret  taken: ids_close().  Valid until the next write in the transaction
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code ids_open(struct tables_txn *txn, struct ids **ret, struct err *err) ERR_MUST_CHECK;
void ids_close(struct ids *ids); /* NULL is fine */

/* How many entries there are in all runs, as their rows in id_runs say. */
uint64_t ids_count(struct tables_txn *txn);

/*
 * Look up entries by their hashes.
 *
 *   marks  count numbers; where one is 0 and the id is known, it becomes the mark
 *          that the id was added with
 */
void ids_find(struct ids *ids, const struct id_entry *entries, size_t count, uint64_t *marks);

/*
 * Add entries, sorted by hash and in no run yet, as a new run; merge runs.
 * Errors: ERR_FULL, ERR_IO, ERR_LIMIT.
 */
enum err_code ids_add(struct tables_txn *txn, const struct id_entry *entries, size_t count,
                      struct err *err) ERR_MUST_CHECK;

#endif
