/*
 * rollup/dedupe.h - which events of a batch are counted: the first of each
 * (organization, id), in the batch and before it.
 */
#ifndef ROLLUP_DEDUPE_H
#define ROLLUP_DEDUPE_H

#include "store/tables/ids.h"

/* One event of the batch, in log order. */
struct dedupe_entry {
    struct id_entry id;
    uint32_t index; /* of the event in the batch */
};

/* The ids of a batch; all zero is empty.  Its memory is kept from batch to batch. */
struct dedupe {
    struct dedupe_entry *entries, *spare;
    struct id_entry *distinct;
    uint64_t *counted;
    uint8_t *duplicate; /* by index: 1 for an event that was counted before */
    size_t count, room;
};

/* Make room for `room` entries in all.  ERR_LIMIT out of memory. */
enum err_code dedupe_reserve(struct dedupe *dedupe, size_t room, struct err *err) ERR_MUST_CHECK;
void dedupe_clear(struct dedupe *dedupe);

/* Add the next event's id; there must be room. */
static inline void
dedupe_add(struct dedupe *dedupe, struct hash_id hash, uint64_t seq)
{
    size_t i = dedupe->count++;
    dedupe->entries[i] = (struct dedupe_entry){{hash, seq}, (uint32_t)i};
    dedupe->duplicate[i] = 0;
}

/*
 * Find the repeated ids, set their `duplicate`, and note the others as counted.
 * The entries are reordered.
 *
 * Errors: those of ids_add(); the transaction must then be aborted.
 */
enum err_code dedupe_batch(struct dedupe *dedupe, struct tables_txn *txn,
                           struct err *err) ERR_MUST_CHECK;

#endif
