/*
 * ingest/live/holds.h - reservations, in a file that outlives the agent: they are
 * written through a shared map, so a kill -9 loses none, and nothing waits for a
 * disk.  They end with the machine: the file names the boot that it is of, since
 * whoever reserved has ended with the machine too.  Layout: schemas/live.md.
 *
 * A place is written whole before its state says that it is taken.  An ended one
 * stays until its time is over, so that a repetition is known, unless a new one
 * finds no other room.  One thread.
 */
#ifndef INGEST_LIVE_HOLDS_H
#define INGEST_LIVE_HOLDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/base/hash.h"
#include "store/event/event.h"
#include "store/tables/limit.h"

enum { HOLDS_WAYS = 16, HOLDS_SETS = 1024, HOLDS_MAX = HOLDS_WAYS * HOLDS_SETS };

enum hold_state { HOLD_FREE, HOLD_HELD, HOLD_ENDED };

struct hold {
    _Atomic uint32_t state; /* enum hold_state */
    uint8_t dimension, organization_bytes, id_bytes, unused;
    uint64_t check;       /* of what follows but settled_* */
    uint64_t key;         /* of the organization */
    uint64_t units;       /* the most it may come to: credits, or things */
    int64_t expires_ms;   /* monotonic, of this boot */
    uint64_t settled_seq; /* HOLD_ENDED: the event's number in the log; 0: no event ended it */
    uint64_t settled_by;  /* hash of that event's id */
    char organization[EVENT_TEXT_BYTES_MAX], id[EVENT_TEXT_BYTES_MAX];
};

struct holds {
    void *map;
    struct hold *all;
    uint8_t secret[HASH_SECRET_BYTES];
    bool is_file;       /* else there was no room on the disk, and they end with the agent */
    uint64_t count;     /* that are held */
    uint64_t discarded; /* places found damaged when it was opened */
    bool is_new;        /* the file was not there, of another boot, or damaged as a whole */
};

/*
 * Open or make <data>/holds.
 *
 * Errors: ERR_IO, ERR_DENIED of the file.  holds_close() it also then.  A full disk is none.
 */
enum err_code holds_open(struct holds *holds, const char *data_directory,
                         struct err *err) ERR_MUST_CHECK;

/*
 * Take over what an agent before this one left, once, before any other call but
 * holds_key() and holds_find(): damaged places are freed.
 *
 *   next_seq  of the log: a hold that was ended by an event which never reached the
 *             log (it has this number or a later one) is held again
 */
void holds_take_over(struct holds *holds, uint64_t next_seq);
void holds_close(struct holds *holds);

/* The key of an organization under this file's secret; never 0. */
uint64_t holds_key(const struct holds *holds, struct str organization);

/* A hold that is held or ended and not over; NULL: none. */
struct hold *holds_find(const struct holds *holds, struct str organization, struct str id);

/* Take a place; NULL when all that it might lie in are held. */
struct hold *holds_place(struct holds *holds, struct str organization, struct str id,
                         enum limit_dimension dimension, uint64_t units, int64_t expires_ms);

/* End one that is held. */
void holds_end(struct holds *holds, struct hold *hold, uint64_t settled_seq, uint64_t settled_by);

/* Free it: its time is over. */
void holds_drop(struct holds *holds, struct hold *hold);

static inline enum hold_state
hold_state(const struct hold *hold)
{
    return (enum hold_state)atomic_load_explicit(&hold->state, memory_order_relaxed);
}

#endif
