/*
 * ingest/live/live.h - may this organization do it, now?  The snapshot of gbill
 * limits (tables.mdb), what this agent took since, and what is reserved.
 *
 * Who is allowed and who is not: ingest/live/DESIGN.md.  All from the io thread.
 */
#ifndef INGEST_LIVE_LIVE_H
#define INGEST_LIVE_LIVE_H

#include "ingest/live/delta.h"
#include "ingest/live/holds.h"
#include "ingest/live/poster.h"
#include "ingest/live/question.h"
#include "store/base/clock.h"
#include "store/base/list.h"
#include "store/tables/tables.h"

struct live_counts {
    uint64_t checks, reserves, refused, unknown, wrong; /* questions */
    uint64_t settled, released, expired;                /* holds, by how they ended */
};

/* All rows of the board are read anew, after a commit to the tables. */
struct live_sweep {
    bool is_on;
    size_t next;              /* place */
    uint64_t commit;          /* of the tables, after which it began */
    uint64_t floor_seq;       /* as it was then */
    int64_t begun_ms, due_ms; /* monotonic; due: not before */
};

struct live {
    const char *data; /* the data directory; borrowed */
    struct clock clock;
    struct tables *tables; /* NULL: not there, or not to be read */
    uint64_t tables_inode;
    int64_t look_ms; /* monotonic: when to look for the tables again */
    struct delta delta;
    struct holds holds;
    struct poster poster;
    struct live_sweep sweep;
    int64_t beat_ms; /* monotonic */
    bool is_over;
    uint64_t next_seq;   /* of the log: of the next event that is taken */
    struct list pending; /* struct live_effect: of the message at hand */
    bool pending_lost;   /* no memory for one */
    struct live_counts counts;
};

/* What an event of the message at hand will do, once the message is taken. */
struct live_effect {
    struct delta_use use;
    struct hold *hold; /* NULL: it ends none */
    uint64_t event_id; /* hash; with a hold */
};

/*
 * Begin, before the log is opened for writing: read what the tables do not have
 * yet of the log, for at most two seconds.  What is not read by then makes every
 * answer unknown until gbill limits has come to the place where this agent begins.
 *
 *   data  borrowed
 *
 * live_close() it, also after an error.  Errors: ERR_LIMIT (memory), those of holds_open().
 */
enum err_code live_open(struct live *live, const char *data, struct clock clock,
                        struct err *err) ERR_MUST_CHECK;

/* Go on, once it is open: take over what is reserved. */
void live_start(struct live *live, uint64_t next_seq);
void live_close(struct live *live);

/* Note an event of a message, then take the message with its events, or drop what was noted. */
void live_note(struct live *live, const struct event *event);
void live_take(struct live *live, uint64_t event_count);
void live_drop(struct live *live);

/*
 * Answer a question.
 *
 *   out  its first bytes are filled: as many as are returned
 */
size_t live_answer(struct live *live, const struct question *question,
                   uint8_t out[ANSWER_BYTES_MAX]);

/* The board's descriptor, which stays ours; -1: there can be none.  Made when first wanted. */
int live_board(struct live *live);

/* The agent ends: what stands on the board is over. */
void live_end(struct live *live);

/* Monotonic; when live_on_time() has something to do; 0: never. */
int64_t live_due_ms(const struct live *live);

/* End what is over; follow the tables. */
void live_on_time(struct live *live, int64_t now_ms);

#endif
