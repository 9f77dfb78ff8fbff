/*
 * ingest/ship_source.h - this host's log as what is shipped of it: both streams, frame
 * by frame, in the order of their days.
 *
 * A copy's day must be whole before the next one begins, in both streams, so frames of
 * a later day wait until the other stream has been seen to have none of an earlier.
 */
#ifndef INGEST_SHIP_SOURCE_H
#define INGEST_SHIP_SOURCE_H

#include "store/base/buf.h"
#include "store/log/frame.h"
#include "store/log/reader.h"
#include "store/log/writer.h"

/* The next frame of a stream. */
struct ship_head {
    struct log_reader *reader;
    struct buf room;
    struct frame frame;
    int32_t day;
    bool is_there;
    uint64_t until_seq; /* no frame from here on; 0: no such bound */
};

struct ship_source {
    struct ship_head heads[LOG_STREAMS];
    struct day_tip sent[LOG_STREAMS]; /* up to where frames were taken */
    int32_t day;                      /* of the frame taken last; INT32_MIN: none yet */
    struct frame_codec *codec;
};

/*
 * Stand where a copy stands.
 *
 *   directory  <data>/log
 *   stand      what the copy has; it is compared with this log
 *   once       end where the log ends now; else later calls may find more
 *
 * ship_source_close() it, also after an error.  Errors: ERR_CONFLICT when this log has
 * another history than the copy, or less of it; ERR_NOT_FOUND when what comes next has
 * been pruned here; those of reading the log.
 */
enum err_code ship_source_open(struct ship_source *source, const char *directory,
                               const struct log_origin *origin,
                               const struct day_tip stand[LOG_STREAMS], bool once,
                               struct err *err) ERR_MUST_CHECK;
void ship_source_close(struct ship_source *source);

/* What one message takes. */
struct ship_load {
    int32_t day;
    uint64_t frames, events, quarantined;
};

/*
 * Append frames of one day, as a message has them.
 *
 *   out    filled up to bytes_wanted, or what there is; at least one frame, if there is
 *   ret    what they are; frames 0: there is nothing at the moment
 *
 * source->sent is then where they end.  Errors: ERR_CORRUPT names file and frame;
 * ERR_LIMIT for a frame that no agent writes; as log_reader_next().
 */
enum err_code ship_source_next(struct ship_source *source, size_t bytes_wanted, struct buf *out,
                               struct ship_load *ret, struct err *err) ERR_MUST_CHECK;

#endif
