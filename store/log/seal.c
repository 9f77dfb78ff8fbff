#include "store/log/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/log/block.h"
#include "store/log/day.h"
#include "store/log/keep.h"
#include "store/log/pages.h"

/*
 * The happy path: read a stream's frames in order, checking checksum and chain;
 * gather them up to the size of a block; put the block, or the frames where a block
 * does not pay; flush the file; read both again side by side; rename; flush the
 * directory; remove the old file.
 *
 * The new file is no LMDB file that anybody can have open, so it is written
 * without flushes until all is in it.
 */

enum {
    TXN_BYTES = 32 * 1024 * 1024, /* LMDB keeps a transaction's pages in memory */
    STORED_BYTES_MAX = 2 * FRAME_RAW_BYTES_MAX,
};

struct seal {
    struct day from, to;
    MDB_txn *read, *write;
    size_t written_bytes; /* in the open transaction */
    struct frame_codec *codec;
    struct block_encoder *encoder;
    struct block block;
    struct buf room, events, out;      /* a frame's events; the gathered ones; what is put */
    struct list frames;                /* struct frame, gathered */
    struct list stored;                /* struct bytes: the same as they lie in the day */
    size_t block_bytes;                /* of events, that a block is to have */
    uint8_t chain[HASH_SHA256_BYTES];  /* of the last frame read */
    uint8_t before[HASH_SHA256_BYTES]; /* of the one before the first gathered */
    struct day_end end[LOG_STREAMS];
};

/* ---- gathering ---- */

/* The events of a stored frame, checked against the chain so far. */
static enum err_code
open_frame(struct seal *s, struct bytes stored, struct frame *ret, struct bytes *ret_events,
           struct err *err)
{
    uint8_t chain[HASH_SHA256_BYTES];
    enum err_code code = frame_decode(stored, ret, err);
    if (code == ERR_OK)
        code = frame_events(s->codec, ret, &s->room, ret_events, err);
    if (code != ERR_OK)
        return code;
    frame_chain(s->chain, ret, *ret_events, chain);
    if (memcmp(chain, ret->chain, sizeof chain) != 0)
        return err_set(err, ERR_CORRUPT,
                       "the chain is broken: it does not follow the frame before");
    memcpy(s->chain, chain, sizeof chain);
    return ERR_OK;
}

static enum err_code
put_stored(struct seal *s, enum log_stream stream, uint64_t seq, struct bytes stored,
           struct err *err)
{
    MDB_val key = {sizeof seq, &seq};
    MDB_val value = {stored.size_bytes, (void *)(uintptr_t)stored.data};
    int rc = mdb_put(s->write, s->to.streams[stream], &key, &value, MDB_APPEND);
    s->written_bytes += stored.size_bytes;
    if (rc == 0 && s->written_bytes >= TXN_BYTES) {
        rc = mdb_txn_commit(s->write);
        s->write = NULL;
        s->written_bytes = 0;
        if (rc == 0)
            rc = mdb_txn_begin(s->to.env, NULL, 0, &s->write);
    }
    return rc == 0 ? ERR_OK : day_err(err, rc, s->to.path, "put a block");
}

/* Put what was gathered: as a block, or frame by frame. */
static enum err_code
put_gathered(struct seal *s, enum log_stream stream, struct err *err)
{
    const struct frame *frames = s->frames.items;
    const struct bytes *stored = s->stored.items;
    bool encoded;
    size_t frame_bytes = 0;
    if (s->frames.count == 0)
        return ERR_OK;
    s->out.size_bytes = 0;
    enum err_code code = block_encode(s->encoder, s->before, frames, s->frames.count,
                                      (struct bytes){s->events.data, s->events.size_bytes}, &s->out,
                                      &encoded, err);
    for (size_t i = 0; i < s->stored.count; i++)
        frame_bytes += stored[i].size_bytes;
    if (code == ERR_OK && encoded && s->out.size_bytes < frame_bytes)
        code = put_stored(s, stream, frames[0].first_seq,
                          (struct bytes){s->out.data, s->out.size_bytes}, err);
    else
        for (size_t i = 0; code == ERR_OK && i < s->frames.count; i++)
            code = put_stored(s, stream, frames[i].first_seq, stored[i], err);
    s->frames.count = s->stored.count = 0;
    s->events.size_bytes = 0;
    memcpy(s->before, s->chain, sizeof s->before);
    return code;
}

static enum err_code
gather(struct seal *s, enum log_stream stream, struct bytes stored, struct err *err)
{
    struct frame f;
    struct bytes events;
    enum err_code code = open_frame(s, stored, &f, &events, err);
    if (code == ERR_OK && f.first_seq != s->end[stream].tip.next_seq)
        code = err_set(err, ERR_CORRUPT, "expected %" PRIu64, s->end[stream].tip.next_seq);
    if (code != ERR_OK)
        return err_wrap(err, code, "%s: frame %" PRIu64, s->from.path, f.first_seq);
    if (s->frames.count > 0 && (s->events.size_bytes >= s->block_bytes ||
                                s->events.size_bytes + events.size_bytes > BLOCK_RAW_BYTES_MAX)) {
        /* open_frame() went one frame further. */
        uint8_t chain[HASH_SHA256_BYTES];
        memcpy(chain, s->chain, sizeof chain);
        memcpy(s->chain, s->end[stream].tip.chain, sizeof chain);
        code = put_gathered(s, stream, err);
        memcpy(s->chain, chain, sizeof chain);
    }
    if (code == ERR_OK && (!list_add(&s->frames, &f) || !list_add(&s->stored, &stored) ||
                           !buf_append(&s->events, events.data, events.size_bytes)))
        code = err_set(err, ERR_LIMIT, "no memory for a block of %zu bytes",
                       s->events.size_bytes + events.size_bytes);
    s->end[stream].tip.next_seq = f.first_seq + f.event_count;
    memcpy(s->end[stream].tip.chain, s->chain, sizeof s->chain);
    s->end[stream].frames++;
    s->end[stream].raw_bytes += f.raw_bytes;
    return code;
}

/* Blocks of one size rather than a small one at the end. */
static enum err_code
plan_blocks(struct seal *s, MDB_cursor *cursor, struct err *err)
{
    MDB_val key, value;
    uint64_t total = 0;
    struct frame f;
    int rc;
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        enum err_code code = frame_decode((struct bytes){value.mv_data, value.mv_size}, &f, err);
        if (code != ERR_OK)
            return err_wrap(err, code, "%s: a frame", s->from.path);
        total += f.raw_bytes;
    }
    uint64_t blocks = total / BLOCK_RAW_BYTES_MAX + 1;
    s->block_bytes = (size_t)(total / blocks);
    return rc == MDB_NOTFOUND ? ERR_OK : day_err(err, rc, s->from.path, "read a frame");
}

static enum err_code
seal_stream(struct seal *s, enum log_stream stream, struct err *err)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    s->end[stream] = (struct day_end){.tip = s->from.start[stream]};
    memcpy(s->chain, s->from.start[stream].chain, sizeof s->chain);
    memcpy(s->before, s->chain, sizeof s->before);
    int rc = mdb_cursor_open(s->read, s->from.streams[stream], &cursor);
    if (rc != 0)
        return day_err(err, rc, s->from.path, "read");
    enum err_code code = plan_blocks(s, cursor, err);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (code == ERR_OK && rc == 0) {
        code = gather(s, stream, (struct bytes){value.mv_data, value.mv_size}, err);
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (code == ERR_OK && rc != MDB_NOTFOUND)
        code = day_err(err, rc, s->from.path, "read a frame");
    return code == ERR_OK ? put_gathered(s, stream, err) : code;
}

/* ---- comparing ---- */

/* What is read from the sealed file, frame by frame. */
struct sealed_frames {
    MDB_cursor *cursor;
    bool in_block;
};

static enum err_code
next_sealed(struct seal *s, struct sealed_frames *n, struct frame *ret, struct bytes *ret_events,
            struct err *err)
{
    MDB_val key, value;
    enum err_code code = ERR_OK;
    s->out.size_bytes = 0;
    if (!n->in_block) {
        int rc = mdb_cursor_get(n->cursor, &key, &value, MDB_NEXT);
        if (rc != 0)
            return day_err(err, rc, s->to.path, "read it back");
        struct bytes stored = {value.mv_data, value.mv_size};
        if (!block_is(stored)) {
            code = frame_decode(stored, ret, err);
            return code == ERR_OK ? frame_events(s->codec, ret, &s->out, ret_events, err) : code;
        }
        code = block_open(&s->block, stored, err);
        if (code != ERR_OK)
            return code;
    }
    code = block_next(&s->block, &s->out, ret, err);
    *ret_events = ret->stored;
    n->in_block = code == ERR_OK && s->block.given < s->block.frames.count;
    return code;
}

static bool
same_frame(const struct frame *a, struct bytes a_events, const struct frame *b,
           struct bytes b_events)
{
    return a->first_seq == b->first_seq && a->event_count == b->event_count &&
           a->raw_bytes == b->raw_bytes && a->receive_utc_ms == b->receive_utc_ms &&
           memcmp(a->chain, b->chain, sizeof a->chain) == 0 &&
           a_events.size_bytes == b_events.size_bytes &&
           memcmp(a_events.data, b_events.data, a_events.size_bytes) == 0;
}

static enum err_code
compare_stream(struct seal *s, MDB_txn *sealed, enum log_stream stream, struct err *err)
{
    struct sealed_frames next = {0};
    MDB_cursor *cursor;
    MDB_val key, value;
    enum err_code code = ERR_OK;
    memcpy(s->chain, s->from.start[stream].chain, sizeof s->chain);
    int rc = mdb_cursor_open(sealed, s->to.streams[stream], &next.cursor);
    if (rc != 0)
        return day_err(err, rc, s->to.path, "read it back");
    rc = mdb_cursor_open(s->read, s->from.streams[stream], &cursor);
    if (rc != 0) {
        mdb_cursor_close(next.cursor);
        return day_err(err, rc, s->from.path, "read");
    }
    while (code == ERR_OK && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        struct frame was, is;
        struct bytes was_events, is_events = {0};
        code = open_frame(s, (struct bytes){value.mv_data, value.mv_size}, &was, &was_events, err);
        if (code == ERR_OK)
            code = next_sealed(s, &next, &is, &is_events, err);
        if (code == ERR_OK && !same_frame(&was, was_events, &is, is_events))
            code = err_set(err, ERR_CORRUPT,
                           "%s: frame %" PRIu64 " does not come back as it was; the day is left as "
                           "it is",
                           s->to.path, was.first_seq);
    }
    if (code == ERR_OK &&
        (next.in_block || mdb_cursor_get(next.cursor, &key, &value, MDB_NEXT) != MDB_NOTFOUND))
        code = err_set(err, ERR_CORRUPT, "%s: has frames that the day has not", s->to.path);
    mdb_cursor_close(cursor);
    mdb_cursor_close(next.cursor);
    return code;
}

static enum err_code
compare(struct seal *s, struct err *err)
{
    MDB_txn *sealed;
    int rc = mdb_txn_begin(s->to.env, NULL, MDB_RDONLY, &sealed);
    if (rc != 0)
        return day_err(err, rc, s->to.path, "read it back");
    enum err_code code = ERR_OK;
    for (int i = 0; code == ERR_OK && i < LOG_STREAMS; i++)
        code = compare_stream(s, sealed, (enum log_stream)i, err);
    mdb_txn_abort(sealed);
    return code;
}

/* ---- the file ---- */

static enum err_code
check_closed(const char *directory, int32_t number, struct err *err)
{
    struct list days;
    enum err_code code = log_days(directory, &days, err);
    const struct log_day_span *newest =
        days.count > 0 ? (const struct log_day_span *)days.items + days.count - 1 : NULL;
    bool closed = newest != NULL && number < newest->number;
    list_clear(&days);
    return code != ERR_OK || closed
               ? code
               : err_set(err, ERR_CONFLICT,
                         "the day is not closed: it is the newest, and the agent may go on in it; "
                         "it can be sealed once a later day has begun");
}

/* Whoever could read the day shall be able to read it sealed. */
static enum err_code
give_owner(const char *from, const char *to, struct err *err)
{
    struct stat was, is;
    if (stat(from, &was) != 0 || stat(to, &is) != 0)
        return err_set_errno(err, errno, "cannot stat %s", to);
    if (((was.st_uid != is.st_uid || was.st_gid != is.st_gid) &&
         chown(to, was.st_uid, was.st_gid) != 0) ||
        chmod(to, was.st_mode & 0777) != 0)
        return err_set_errno(err, errno, "cannot give %s the owner of %s", to, from);
    return ERR_OK;
}

static enum err_code
seal_start(struct seal *s, struct err *err)
{
    *s = (struct seal){.codec = frame_codec_new(), .encoder = block_encoder_new()};
    buf_init(&s->room, FRAME_RAW_BYTES_MAX);
    buf_init(&s->events, FRAME_RAW_BYTES_MAX);
    buf_init(&s->out, STORED_BYTES_MAX);
    list_init(&s->frames, sizeof(struct frame));
    list_init(&s->stored, sizeof(struct bytes));
    block_init(&s->block);
    return s->codec != NULL && s->encoder != NULL ? ERR_OK
                                                  : err_set(err, ERR_LIMIT, "no memory to seal");
}

static void
seal_stop(struct seal *s)
{
    if (s->read != NULL)
        mdb_txn_abort(s->read);
    day_close(&s->from);
    day_close(&s->to);
    frame_codec_free(s->codec);
    block_encoder_free(s->encoder);
    block_clear(&s->block);
    buf_clear(&s->room);
    buf_clear(&s->events);
    buf_clear(&s->out);
    list_clear(&s->frames);
    list_clear(&s->stored);
}

static uint64_t
file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* The sealed file under its passing name, whole, compared and flushed. */
static enum err_code
make_sealed(struct seal *s, const char *path, struct err *err)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return err_set_errno(err, errno, "cannot remove %s", path);
    int rc = mdb_txn_begin(s->from.env, NULL, MDB_RDONLY, &s->read);
    if (rc != 0)
        return day_err(err, rc, s->from.path, "read");
    enum err_code code = day_begin_sealed(&s->to, path, &s->from, &s->write, err);
    for (int i = 0; code == ERR_OK && i < LOG_STREAMS; i++)
        code = seal_stream(s, (enum log_stream)i, err);
    if (code == ERR_OK)
        code = day_end_sealed(&s->to, s->write, s->end, err);
    else if (s->write != NULL)
        mdb_txn_abort(s->write);
    s->write = NULL;
    return code == ERR_OK ? compare(s, err) : code;
}

static void
fill_result(const struct seal *s, const char *path, struct log_sealed *ret)
{
    const struct day_tip *start = s->from.start;
    *ret = (struct log_sealed){
        .events = s->end[LOG_EVENTS].tip.next_seq - start[LOG_EVENTS].next_seq,
        .quarantined = s->end[LOG_QUARANTINE].tip.next_seq - start[LOG_QUARANTINE].next_seq,
        .raw_bytes = s->end[LOG_EVENTS].raw_bytes + s->end[LOG_QUARANTINE].raw_bytes,
        .bytes_before = file_bytes(s->from.path),
        .bytes_after = file_bytes(path),
    };
}

enum err_code
log_seal_day(const char *directory, int32_t number, struct log_sealed *ret, struct err *err)
{
    struct seal s;
    char path[FILE_PATH_BYTES_MAX], made[FILE_PATH_BYTES_MAX + 8];
    enum err_code code = day_path(path, directory, number, true, err);
    if (code != ERR_OK)
        return code;
    snprintf(made, sizeof made, "%s.new", path);
    code = seal_start(&s, err);
    if (code == ERR_OK)
        code = day_open(&s.from, directory, number, false, err);
    if (code == ERR_OK && s.from.sealed) {
        *ret = (struct log_sealed){.was_sealed = true};
        seal_stop(&s);
        return log_day_remove_unsealed(directory, number, err);
    }
    if (code == ERR_OK)
        code = check_closed(directory, number, err);
    if (code == ERR_OK)
        code = pages_check(s.from.path, err);
    if (code == ERR_OK) {
        code = make_sealed(&s, made, err);
        fill_result(&s, made, ret);
        day_close(&s.to);
        if (code == ERR_OK)
            code = give_owner(s.from.path, made, err);
        if (code == ERR_OK && rename(made, path) != 0)
            code = err_set_errno(err, errno, "cannot rename %s", made);
        if (code != ERR_OK)
            unlink(made);
        if (code == ERR_OK)
            code = file_sync_directory(directory, err);
        if (code == ERR_OK)
            code = log_day_remove_unsealed(directory, number, err);
    }
    seal_stop(&s);
    return code;
}
