/*
 * ingest/copies.h - a collector's copies of other hosts' logs: <data>/hosts/NAME/log
 * each, a data directory of its own for every job of gbill.
 *
 * A copy is opened when something comes for it; the one that has been used least
 * lately is closed for it when too many are open.  One thread.
 */
#ifndef INGEST_COPIES_H
#define INGEST_COPIES_H

#include "ingest/handshake.h"
#include "store/base/file.h"
#include "store/base/list.h"
#include "store/log/writer.h"

enum {
    COPIES_MAX = 1024,     /* hosts that are kept */
    COPIES_OPEN_MAX = 32,  /* at one time */
    COPIES_FILES_EACH = 4, /* descriptors of an open one */
};

struct copy {
    char host[HANDSHAKE_HOST_BYTES_MAX + 1]; /* "": no copy is open here */
    struct log_origin origin;
    struct log_writer *writer;
    uint64_t used; /* the larger, the later */
};

struct copies {
    char directory[FILE_PATH_BYTES_MAX]; /* <data>/hosts */
    struct frame_codec *codec;
    struct list frames; /* struct log_copy_frame of a message */
    struct copy open[COPIES_OPEN_MAX];
    uint64_t uses;
};

/* What became of a message's frames. */
struct copies_counts {
    uint64_t frames, events, quarantined; /* stored */
    uint64_t duplicates;                  /* frames that were there */
};

/* copies_close() it, also after an error.  Errors: ERR_LIMIT. */
enum err_code copies_open(struct copies *copies, const char *data, struct err *err) ERR_MUST_CHECK;
void copies_close(struct copies *copies);

/*
 * Have a host's copy open, and make it if there is none.
 *
 *   host    as ship_host_ok() wants it
 *   origin  of the log that is shipped
 *   ret     borrowed until the next call
 *
 * Errors: ERR_CONFLICT when the copy is of another log; ERR_LIMIT for one host more
 * than COPIES_MAX; ERR_FULL; those of log_writer_open_copy().
 */
enum err_code copies_take(struct copies *copies, const char *host, const struct log_origin *origin,
                          struct copy **ret, struct err *err) ERR_MUST_CHECK;

/*
 * Store what is new of a message's frames, flushed.
 *
 *   day, frames  as they came: safe on any bytes
 *   counts       moved
 *
 * Frames that the copy has are not written again.  Where the first one behind them is
 * not the one that comes next, nothing is stored and all is well: the copy's stand
 * says what is wanted.
 *
 * Errors: ERR_INPUT when they are no frames; ERR_CONFLICT when the copy has another
 * frame in the place of one, or one does not follow by its chain; ERR_FULL: nothing is
 * stored, try again; ERR_IO: as log_writer_append().
 */
enum err_code copies_append(struct copies *copies, struct copy *copy, int32_t day,
                            struct bytes frames, struct copies_counts *counts,
                            struct err *err) ERR_MUST_CHECK;

#endif
