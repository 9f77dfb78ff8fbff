#include "store/log/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/base/time.h"
#include "store/log/block.h"
#include "store/log/day.h"
#include "store/log/tail.h"

struct log_reader {
    char directory[FILE_PATH_BYTES_MAX];
    enum log_stream stream;
    struct day day;
    MDB_txn *txn; /* reset between calls */
    uint64_t next_seq;
    bool at_frame; /* next_seq is a frame's first number */
    bool check_chain;
    uint8_t chain[HASH_SHA256_BYTES]; /* of the frame before next_seq, when checking */
    struct frame_codec *codec;
    struct buf stored, room; /* of log_reader_next(): the frame as stored, its events */
    struct block block;      /* of a sealed day: the one that is being read */
    size_t block_bytes;      /* its size, until a frame of it has been given */
    struct buf tail;         /* records of its round, as far as they have been read */
    struct day_tip tail_from[LOG_STREAMS], tail_to[LOG_STREAMS]; /* where these begin and end */
    size_t tail_at;    /* before here none of them holds next_seq */
    int32_t frame_day; /* of the frame given last */
};

/* Leave the open day and open another. */
static enum err_code
enter_day(struct log_reader *r, int32_t number, struct err *err)
{
    struct day next;
    MDB_txn *txn;
    enum err_code code = day_open(&next, r->directory, number, false, err);
    if (code != ERR_OK)
        return code;
    int rc = mdb_txn_begin(next.env, NULL, MDB_RDONLY, &txn);
    if (rc != 0) {
        code = day_err(err, rc, next.path, "read");
        day_close(&next);
        return code;
    }
    mdb_txn_reset(txn);
    if (r->txn != NULL)
        mdb_txn_abort(r->txn);
    block_clear(&r->block);
    day_close(&r->day);
    r->day = next;
    r->txn = txn;
    return ERR_OK;
}

/*
 * Enter the day that holds next_seq: the newest one that begins at or before it.
 * *ret_entered is false when the log is empty.
 */
static enum err_code
find_day(struct log_reader *r, bool *ret_entered, struct err *err)
{
    int32_t *days = NULL;
    size_t count = 0;
    *ret_entered = false;
    enum err_code code = day_list(r->directory, &days, &count, err);
    while (code == ERR_OK && count > 0 && !*ret_entered) {
        code = enter_day(r, days[--count], err);
        if (code == ERR_NOT_FOUND) {
            code = ERR_OK; /* made but never used */
            continue;
        }
        if (code == ERR_OK && r->day.start[r->stream].next_seq <= r->next_seq)
            *ret_entered = true;
    }
    if (code == ERR_OK && !*ret_entered && r->day.env != NULL)
        code = err_set(err, ERR_NOT_FOUND,
                       "%s: position %" PRIu64
                       " lies before the oldest day kept, which begins at %" PRIu64,
                       r->directory, r->next_seq - 1, r->day.start[r->stream].next_seq);
    free(days);
    return code;
}

/* Stand before the oldest event that is kept; in an empty log before the first. */
static enum err_code
find_oldest(struct log_reader *r, struct err *err)
{
    int32_t *days = NULL;
    size_t count = 0;
    bool entered = false;
    enum err_code code = day_list(r->directory, &days, &count, err);
    r->next_seq = 1;
    for (size_t i = 0; code == ERR_OK && !entered && i < count; i++) {
        code = enter_day(r, days[i], err);
        entered = code == ERR_OK;
        if (code == ERR_NOT_FOUND)
            code = ERR_OK; /* made but never used */
    }
    if (entered)
        r->next_seq = r->day.start[r->stream].next_seq;
    free(days);
    return code;
}

enum err_code
log_reader_open(const char *directory, enum log_stream stream, uint64_t after_seq,
                struct log_reader **ret, struct err *err)
{
    struct log_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    bool entered;
    buf_init(&r->stored, FRAME_RAW_BYTES_MAX);
    buf_init(&r->room, FRAME_RAW_BYTES_MAX);
    block_init(&r->block);
    buf_init(&r->tail, TAIL_BLOCKS * TAIL_BLOCK_BYTES);
    r->stream = stream;
    r->next_seq = after_seq + 1;
    r->codec = frame_codec_new();
    snprintf(r->directory, sizeof r->directory, "%s", directory);
    enum err_code code = r->codec == NULL          ? err_set(err, ERR_LIMIT, "no memory for zstd")
                         : after_seq == LOG_OLDEST ? find_oldest(r, err)
                                                   : find_day(r, &entered, err);
    if (code != ERR_OK) {
        log_reader_close(r);
        return code;
    }
    *ret = r;
    return ERR_OK;
}

void
log_reader_close(struct log_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->txn != NULL)
        mdb_txn_abort(reader->txn);
    day_close(&reader->day);
    frame_codec_free(reader->codec);
    buf_clear(&reader->stored);
    buf_clear(&reader->room);
    block_clear(&reader->block);
    buf_clear(&reader->tail);
    free(reader);
}

void
log_reader_check_chain(struct log_reader *reader)
{
    reader->check_chain = true;
    if (reader->day.env != NULL)
        memcpy(reader->chain, reader->day.start[reader->stream].chain, HASH_SHA256_BYTES);
}

bool
log_reader_begin(const struct log_reader *reader, struct log_begin *ret)
{
    const struct day_tip *start = &reader->day.start[reader->stream];
    if (reader->day.env == NULL)
        return false;
    *ret = (struct log_begin){.day = reader->day.number, .first_seq = start->next_seq};
    memcpy(ret->chain, start->chain, sizeof ret->chain);
    return true;
}

int32_t
log_reader_day(const struct log_reader *reader)
{
    return reader->frame_day;
}

const uint8_t *
log_reader_identity(const struct log_reader *reader)
{
    return reader->day.identity;
}

/*
 * The stored frame or block that holds next_seq, or the first one behind it;
 * MDB_NOTFOUND at the day's end.
 */
static int
seek_stored(struct log_reader *r, MDB_val *key, MDB_val *value)
{
    MDB_cursor *cursor;
    struct block_span span;
    int rc = mdb_cursor_open(r->txn, r->day.streams[r->stream], &cursor);
    if (rc != 0)
        return rc;
    *key = (MDB_val){sizeof r->next_seq, &r->next_seq};
    rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    bool exact = rc == 0 && memcmp(key->mv_data, &r->next_seq, sizeof r->next_seq) == 0;
    if (!exact && (!r->at_frame || r->day.sealed)) {
        /* The position lies inside what is before, or at the very end. */
        MDB_val behind_key = *key, behind = *value;
        int prev = mdb_cursor_get(cursor, key, value, rc == 0 ? MDB_PREV : MDB_LAST);
        bool holds = prev == 0 && (block_span_read((struct bytes){value->mv_data, value->mv_size},
                                                   &span, NULL) != ERR_OK ||
                                   span.first_seq + span.event_count > r->next_seq);
        if (holds) {
            rc = 0;
        } else {
            *key = behind_key;
            *value = behind;
        }
    }
    mdb_cursor_close(cursor);
    return rc;
}

/* A frame that was found, or uncovered in a block: is it the one that was expected? */
static enum err_code
expect_frame(struct log_reader *r, const struct frame *f, struct err *err)
{
    bool holds = f->first_seq <= r->next_seq && r->next_seq < f->first_seq + f->event_count;
    if (!holds || (r->at_frame && f->first_seq != r->next_seq))
        return err_set(err, ERR_CORRUPT, "holds %" PRIu64 " to %" PRIu64 ", expected %" PRIu64,
                       f->first_seq, f->first_seq + f->event_count - 1, r->next_seq);
    return ERR_OK;
}

/* The next frame of the open block, from the one on that holds next_seq. */
static enum err_code
take_from_block(struct log_reader *r, struct buf *room, struct frame *ret, struct err *err)
{
    size_t start = room->size_bytes;
    for (;;) {
        if (r->block.given == r->block.frames.count)
            return err_set(err, ERR_CORRUPT, "its frames do not hold %" PRIu64, r->next_seq);
        enum err_code code = block_next(&r->block, room, ret, err);
        if (code != ERR_OK)
            return code;
        if (r->next_seq < ret->first_seq + ret->event_count)
            return ERR_OK;
        room->size_bytes = start;
    }
}

static bool
block_holds_next(const struct log_reader *r)
{
    const struct block *b = &r->block;
    const struct frame *frames = b->frames.items;
    return b->given < b->frames.count && frames[b->given].first_seq <= r->next_seq &&
           r->next_seq < b->first_seq + b->event_count;
}

/* Check what is stored and copy it out of the map, so that the transaction can end. */
static enum err_code
take_stored(struct log_reader *r, struct bytes stored, struct buf *room, struct frame *ret,
            struct err *err)
{
    enum err_code code;
    if (block_is(stored)) {
        code = block_open(&r->block, stored, err);
        r->block_bytes = stored.size_bytes;
        return code == ERR_OK ? take_from_block(r, room, ret, err) : code;
    }
    block_forget(&r->block);
    code = frame_decode(stored, ret, err);
    if (code != ERR_OK)
        return code;
    if (!buf_append(room, ret->stored.data, ret->stored.size_bytes))
        return err_set(err, ERR_LIMIT, "no memory for %zu bytes", ret->stored.size_bytes);
    ret->stored.data = room->data + room->size_bytes - ret->stored.size_bytes;
    return ERR_OK;
}

/* What was taken is what comes next, or it goes back. */
static enum err_code
accept(struct log_reader *r, enum err_code code, const struct frame *f, struct buf *room,
       size_t start, struct frame *ret, struct err *err)
{
    if (code == ERR_OK)
        code = expect_frame(r, f, err);
    if (code != ERR_OK) {
        room->size_bytes = start;
        return code;
    }
    r->next_seq = f->first_seq + f->event_count;
    r->at_frame = true;
    r->frame_day = r->day.number;
    *ret = *f;
    return ERR_OK;
}

/* The next frame of the open day; MDB_NOTFOUND in *ret_rc at its end. */
static enum err_code
take_frame(struct log_reader *r, struct buf *room, struct frame *ret, int *ret_rc, struct err *err)
{
    MDB_val key, value;
    struct frame f;
    uint64_t seq = r->next_seq;
    size_t start = room->size_bytes;
    enum err_code code = ERR_OK;
    *ret_rc = 0;
    if (block_holds_next(r)) {
        code = take_from_block(r, room, &f, err);
    } else {
        *ret_rc = mdb_txn_renew(r->txn);
        if (*ret_rc == MDB_MAP_RESIZED && (*ret_rc = day_follow_map(&r->day)) == 0)
            *ret_rc = mdb_txn_renew(r->txn);
        if (*ret_rc != 0)
            return ERR_OK;
        *ret_rc = seek_stored(r, &key, &value);
        if (*ret_rc == 0) {
            memcpy(&seq, key.mv_data, sizeof seq);
            code = take_stored(r, (struct bytes){value.mv_data, value.mv_size}, room, &f, err);
        }
        mdb_txn_reset(r->txn);
        if (*ret_rc != 0)
            return ERR_OK;
    }
    code = accept(r, code, &f, room, start, ret, err);
    return err_wrap(err, code, "%s: frame %" PRIu64, r->day.path, seq);
}

/* Enter the day after the open one, if there is one by now. */
static enum err_code
next_day(struct log_reader *r, bool *ret_entered, struct err *err)
{
    int32_t *days = NULL;
    size_t count = 0, i = 0;
    *ret_entered = false;
    enum err_code code = day_list(r->directory, &days, &count, err);
    if (code != ERR_OK)
        return code;
    while (i < count && days[i] <= r->day.number)
        i++;
    for (; code == ERR_OK && i < count && !*ret_entered; i++) {
        code = enter_day(r, days[i], err);
        if (code == ERR_OK)
            *ret_entered = true;
        else if (code == ERR_NOT_FOUND)
            code = ERR_OK;
    }
    free(days);
    const struct day_tip *start = &r->day.start[r->stream];
    if (code != ERR_OK || !*ret_entered)
        return code;
    if (start->next_seq != r->next_seq)
        return err_set(err, ERR_CORRUPT,
                       "%s: begins at %" PRIu64 ", the day before ended at %" PRIu64, r->day.path,
                       start->next_seq, r->next_seq - 1);
    if (r->check_chain && memcmp(start->chain, r->chain, HASH_SHA256_BYTES) != 0)
        return err_set(err, ERR_CORRUPT, "%s: its chain does not follow the day before",
                       r->day.path);
    return ERR_OK;
}

/* The frame of the tail, as far as it has been read, that holds next_seq. */
static bool
find_in_tail(struct log_reader *r, struct bytes *ret_frame)
{
    struct tail_record record;
    if (r->tail_at == r->tail.size_bytes)
        return false;
    struct bytes rest = {r->tail.data + r->tail_at, r->tail.size_bytes - r->tail_at}, at = rest;
    for (; tail_next(&rest, &record); at = rest) {
        *ret_frame = record.frames[r->stream];
        struct frame f;
        r->tail_at = r->tail.size_bytes - at.size_bytes;
        if (ret_frame->size_bytes > 0 && frame_decode(*ret_frame, &f, NULL) == ERR_OK &&
            f.first_seq <= r->next_seq && r->next_seq < f.first_seq + f.event_count)
            return true;
    }
    r->tail_at = r->tail.size_bytes;
    return false;
}

/* Read on in the tail behind what is there of it, or from its start if the newest day has gone on. */
static enum err_code
load_tail(struct log_reader *r, struct err *err)
{
    struct day_tip tips[LOG_STREAMS];
    enum err_code code = day_tips_read(&r->day, tips, err);
    if (code != ERR_OK)
        return code;
    if (r->tail.size_bytes == 0 || memcmp(tips, r->tail_from, sizeof tips) != 0) {
        r->tail.size_bytes = r->tail_at = 0;
        memcpy(r->tail_from, tips, sizeof tips);
        memcpy(r->tail_to, tips, sizeof tips);
    }
    return tail_read_on(r->directory, r->codec, r->tail_to, &r->tail, err);
}

/* Where the writer will put it: a day behind the newest may be about to begin. */
static int32_t
day_of_tail(const struct log_reader *r, int64_t receive_utc_ms)
{
    int32_t received = (int32_t)(receive_utc_ms / TIME_DAY_MS);
    int32_t newest = r->day.number + (r->day.sealed ? 1 : 0);
    return received > newest ? received : newest;
}

/*
 * The day files end before next_seq: take it from the log's tail, if it is there.
 *
 *   ret_moved  set when it is not, but in the day file by now: the writer moved it
 *              there meanwhile
 */
static enum err_code
next_of_tail(struct log_reader *r, struct buf *room, struct frame *ret, bool *ret_more,
             bool *ret_moved, struct err *err)
{
    struct bytes stored;
    struct day_tip tips[LOG_STREAMS];
    enum err_code code = ERR_OK;
    *ret_moved = false;
    *ret_more = find_in_tail(r, &stored);
    if (!*ret_more) {
        code = load_tail(r, err);
        *ret_more = code == ERR_OK && find_in_tail(r, &stored);
        if (*ret_more)
            code = tail_flush(r->directory, err);
        else if (code == ERR_OK)
            code = day_tips_read(&r->day, tips, err);
        *ret_moved = code == ERR_OK && !*ret_more && tips[r->stream].next_seq > r->next_seq;
    }
    if (code == ERR_OK && *ret_more) {
        struct frame f;
        size_t start = room->size_bytes;
        code = take_stored(r, stored, room, &f, err);
        code = err_wrap(err, accept(r, code, &f, room, start, ret, err), "%s: the log's tail",
                        r->directory);
        if (code == ERR_OK)
            r->frame_day = day_of_tail(r, f.receive_utc_ms);
    }
    *ret_more = *ret_more && code == ERR_OK;
    return code;
}

enum err_code
log_reader_next_stored(struct log_reader *reader, struct buf *room, struct frame *ret,
                       bool *ret_more, struct err *err)
{
    struct log_reader *r = reader;
    bool looked_again = false;
    *ret_more = false;
    for (;;) {
        bool entered = true;
        enum err_code code = ERR_OK;
        if (r->day.env == NULL) {
            code = find_day(r, &entered, err);
            if (code == ERR_OK && entered && r->check_chain)
                log_reader_check_chain(r);
        }
        if (code != ERR_OK || !entered)
            return code;
        int rc;
        code = take_frame(r, room, ret, &rc, err);
        if (code != ERR_OK || rc == 0) {
            *ret_more = code == ERR_OK;
            return code;
        }
        if (rc != MDB_NOTFOUND)
            return day_err(err, rc, r->day.path, "read a frame");
        code = next_day(r, &entered, err);
        if (code == ERR_OK && entered)
            continue;
        bool moved = false;
        if (code == ERR_OK)
            code = next_of_tail(r, room, ret, ret_more, &moved, err);
        /* Once more at most: a tail that does not fit these day files is not of this log. */
        if (code != ERR_OK || *ret_more || !moved || looked_again)
            return code;
        looked_again = true;
    }
}

/* The frame's chain must follow from the one before and from its events. */
static enum err_code
check_chain(struct log_reader *r, const struct frame *f, struct bytes events, struct err *err)
{
    uint8_t chain[HASH_SHA256_BYTES];
    frame_chain(r->chain, f, events, chain);
    if (memcmp(chain, f->chain, HASH_SHA256_BYTES) != 0)
        return err_set(err, ERR_CORRUPT,
                       "the chain is broken: it does not follow the frame before");
    memcpy(r->chain, chain, HASH_SHA256_BYTES);
    return ERR_OK;
}

/* A block's size counts for the first frame that is given of it. */
static size_t
stored_bytes(struct log_reader *r, const struct frame *f)
{
    if (r->block.frames.count == 0)
        return FRAME_HEAD_BYTES + f->stored.size_bytes;
    size_t n = r->block_bytes;
    r->block_bytes = 0;
    return n;
}

enum err_code
log_reader_next(struct log_reader *reader, struct log_frame *ret, bool *ret_more, struct err *err)
{
    struct log_reader *r = reader;
    struct frame f;
    struct bytes events;
    r->stored.size_bytes = 0;
    enum err_code code = log_reader_next_stored(r, &r->stored, &f, ret_more, err);
    if (code != ERR_OK || !*ret_more)
        return code;
    code = frame_events(r->codec, &f, &r->room, &events, err);
    if (code == ERR_OK && r->check_chain)
        code = check_chain(r, &f, events, err);
    if (code != ERR_OK) {
        *ret_more = false;
        return err_wrap(err, code, "%s: frame %" PRIu64, r->day.path, f.first_seq);
    }
    *ret = (struct log_frame){.first_seq = f.first_seq,
                              .event_count = f.event_count,
                              .receive_utc_ms = f.receive_utc_ms,
                              .events = events,
                              .stored_bytes = stored_bytes(r, &f),
                              .day = r->frame_day,
                              .sealed = r->day.sealed,
                              .day_path = r->day.path};
    memcpy(ret->chain, f.chain, HASH_SHA256_BYTES);
    return ERR_OK;
}

enum err_code
log_reader_seek(struct log_reader *reader, uint64_t after_seq, struct err *err)
{
    struct log_reader *r = reader;
    struct day_tip tips[LOG_STREAMS];
    bool entered;
    r->next_seq = after_seq + 1;
    r->at_frame = false;
    r->tail_at = 0;
    if (r->day.env != NULL && r->day.start[r->stream].next_seq <= r->next_seq) {
        enum err_code code = day_tips_read(&r->day, tips, err);
        if (code != ERR_OK || r->next_seq < tips[r->stream].next_seq)
            return code;
    }
    return find_day(r, &entered, err);
}
