/*
 * ingest/live/poster.h - the board (ingest/board/board.h) from the agent's side: made
 * when the first client asks for it, in memory that clients cannot write, resize or
 * damage.  All from the io thread.
 */
#ifndef INGEST_LIVE_POSTER_H
#define INGEST_LIVE_POSTER_H

#include "ingest/board/board.h"
#include "store/base/err.h"

/* All zero: there is none, since nobody has asked for it or it cannot be made. */
struct poster {
    struct board *board;
    int fd;
    size_t count; /* rows on it */
};

/*
 * Make the board, empty.
 *
 *   secret  of the keys, HASH_SECRET_BYTES: whoever has the board knows it
 *
 * Errors: ERR_IO: no memory, or a kernel before Linux 5.1, which cannot keep others
 * from writing.
 */
enum err_code poster_open(struct poster *poster, const uint8_t *secret,
                          struct err *err) ERR_MUST_CHECK;

/* Whoever has it still is told that it is over. */
void poster_close(struct poster *poster);

/* Say that the agent lives; 0: that it ends. */
void poster_beat(struct poster *poster, int64_t now_monotonic_ms);

/* Put a row at a place, in place of what is there. */
void poster_put(struct poster *poster, size_t place, const struct board_row *row);
void poster_remove(struct poster *poster, size_t place);
void poster_clear(struct poster *poster);

/* Is there one? */
bool poster_has(const struct poster *poster, size_t place);

/* Read one that is there. */
void poster_get(const struct poster *poster, size_t place, struct board_row *ret);

/* Of one dimension of a row. */
struct poster_count {
    enum limit_dimension dimension;
    uint64_t since, held;
};

/* Change what counts of some dimensions, in one turn. */
void poster_count(struct poster *poster, size_t place, const struct poster_count *counts,
                  size_t count);

/* What a row counts from: its snapshot's position, its period's begin. */
void poster_basis(const struct poster *poster, size_t place, uint64_t *ret_position,
                  int64_t *ret_from_ms);

#endif
