/*
 * rollup/seen.h - the ids of the transaction at hand, and whether an event is new.
 *
 * A hash table over entries in log order, in front of the runs in `ids`
 * (store/tables/ids.h).  When the transaction ends, its new ids become one run.
 */
#ifndef ROLLUP_SEEN_H
#define ROLLUP_SEEN_H

#include "store/tables/ids.h"

struct seen {
    struct id_entry *entries; /* the mark is that of the event that counts; see seen.c */
    uint32_t *slots;          /* index + 1 and some bits of the hash; 0: free */
    size_t count, room, slot_count;
    uint64_t *marks; /* of a batch, from the runs */
    size_t marks_room;
    struct id_entry *sorted; /* from seen_sort() to seen_write() */
    size_t sorted_count, sorted_room;
};

void seen_clear(struct seen *seen); /* free; empty and usable again */
void seen_reset(struct seen *seen); /* empty, keeps its memory */

/*
 * Look up a batch of events and remember the new ones.
 *
 *   older      of the transaction before, whose ids may not be in the runs yet; or NULL
 *   ids        the runs
 *   events     count <= SEEN_EVENTS_MAX less those remembered, in log order
 *   ret_marks  for each: 0 if it is new, else the mark of the event that counts
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code seen_batch(struct seen *seen, const struct seen *older, struct ids *ids,
                         const struct id_entry *events, size_t count, uint64_t *ret_marks,
                         struct err *err) ERR_MUST_CHECK;

enum { SEEN_EVENTS_MAX = (1 << 24) - 2 };

/* The mark of an id that was seen in this transaction, or 0. */
uint64_t seen_find(const struct seen *seen, struct hash_id hash);

/*
 * Sort the new ids, then add them to the runs.  Other threads may look into it
 * meanwhile.  Errors: ERR_LIMIT out of memory; those of ids_add().
 */
enum err_code seen_sort(struct seen *seen, struct err *err) ERR_MUST_CHECK;
enum err_code seen_write(struct seen *seen, struct tables_txn *txn, struct err *err) ERR_MUST_CHECK;

#endif
