#include "store/log/writer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/log.h"
#include "store/base/time.h"
#include "store/log/append.h"
#include "store/log/day.h"
#include "store/log/frame.h"
#include "store/log/tail.h"

/*
 * Frames are stored in one of two ways.  Large ones: put them in one LMDB transaction,
 * commit (two flushes: pages, then meta), move the tips.  Small ones: write and flush
 * them as one record of the tail (store/log/tail.h), move the tips; they are pending
 * until a transaction takes them along, in front of what is new.
 *
 * When the commit fails for want of space, LMDB has written no meta page: what
 * is on disk is the state before, and the whole transaction may be tried again,
 * since a retry writes every page anew.  After any other failure it is unknown
 * whether the meta page reached the disk; going on could fork the chain, so the
 * writer refuses for good.
 */
struct log_writer {
    struct day day;
    struct day_tip tips[LOG_STREAMS]; /* of what is flushed */
    struct day_tip next[LOG_STREAMS]; /* of what is chained */
    struct frame_codec *codec;
    struct log_append append; /* of log_writer_append() */
    struct tail tail;         /* its records are pending */
    size_t storing_bytes;     /* of frames, by the commit that is tried */
    char directory[FILE_PATH_BYTES_MAX];
    struct log_origin origin; /* of a copy */
    int lock_fd;
    bool is_copy; /* then the codec is lent */
    bool failed;
    bool map_full; /* the last commit failed for it alone */
    unsigned commits_unchecked;
};

enum {
    /* Of more than this the tail would only write twice what one flush waits for anyway. */
    WRITER_SMALL_BYTES = 16 * 1024,
    WRITER_READER_CHECK_COMMITS = 64,
};

/*
 * A writer that is killed when its commit is on the disk, but not yet told to the lock
 * file, which a reader elsewhere keeps in use, leaves readers one commit back, us too.  LMDB
 * mends that with the next write transaction: it must come before the tips are read, or
 * numbers would be given twice.
 */
static enum err_code
catch_up(const struct day *day, struct err *err)
{
    MDB_txn *txn;
    if (day->sealed)
        return ERR_OK;
    int rc = mdb_txn_begin(day->env, NULL, 0, &txn);
    if (rc != 0)
        return day_err(err, rc, day->path, "begin to write");
    mdb_txn_abort(txn);
    return ERR_OK;
}

/* The newest day that was ever used; ERR_NOT_FOUND in an empty log. */
static enum err_code
open_newest(struct log_writer *w, struct err *err)
{
    int32_t *days = NULL;
    size_t count = 0;
    enum err_code code = day_list(w->directory, &days, &count, err);
    if (code != ERR_OK)
        return code;
    code = ERR_NOT_FOUND;
    while (code == ERR_NOT_FOUND && count > 0)
        code = day_open(&w->day, w->directory, days[--count], true, err);
    free(days);
    if (code == ERR_OK)
        code = catch_up(&w->day, err);
    return code == ERR_OK ? day_tips_read(&w->day, w->tips, err) : code;
}

/* Leave the open day, if there is one, and begin another at tips. */
static enum err_code
begin_day(struct log_writer *w, int32_t number, const struct day_tip tips[LOG_STREAMS],
          struct err *err)
{
    uint8_t identity[HASH_SHA256_BYTES];
    struct day next;
    if (w->day.env != NULL)
        memcpy(identity, w->day.identity, sizeof identity);
    else if (w->is_copy)
        memcpy(identity, w->origin.identity, sizeof identity);
    else if (getrandom(identity, sizeof identity, 0) != sizeof identity)
        return err_set_errno(err, errno, "cannot make the log's identity");
    enum err_code code = day_create(&next, w->directory, number, identity, tips, err);
    if (code != ERR_OK)
        return code;
    day_close(&w->day);
    w->day = next;
    return ERR_OK;
}

/*
 * What an earlier writer flushed and did not move: the records that go on where the
 * day files end.  A round is moved as a whole, so either all of it is there or nothing.
 */
static enum err_code
take_up_tail(struct log_writer *w, struct err *err)
{
    struct buf *records = &w->tail.records;
    struct day_tip end[LOG_STREAMS];
    if (w->tail.fd < 0)
        return ERR_OK;
    enum err_code code = tail_read(w->directory, records, err);
    size_t taken = 0;
    memcpy(end, w->tips, sizeof end);
    if (w->day.env != NULL)
        taken = tail_follow((struct bytes){records->data, records->size_bytes}, w->codec, w->tips,
                            &w->tail.record_count);
    records->size_bytes = taken;
    /* A sealed day is never written again: where it is the newest, they are of a new one. */
    if (code == ERR_OK && taken > 0 && w->day.sealed)
        code = begin_day(w, w->day.number + 1, end, err);
    if (taken > 0)
        log_line(LOG_LEVEL_INFO, "tail_taken_up", "records=%zu", w->tail.record_count);
    return code;
}

/* The directory, its lock, and where the newest day ends. */
static enum err_code
open_days(struct log_writer *w, const char *directory, struct err *err)
{
    char lock_path[FILE_PATH_BYTES_MAX];
    enum err_code code = file_make_directory(directory, err);
    if (code == ERR_OK)
        code = file_path(lock_path, directory, "writer.lock", err);
    if (code == ERR_OK)
        code = file_lock(lock_path, "log writer", &w->lock_fd, err);
    if (code != ERR_OK)
        return code;
    snprintf(w->directory, sizeof w->directory, "%s", directory);
    code = open_newest(w, err);
    if (code != ERR_NOT_FOUND)
        return code;
    /* An empty log: the first append makes the first day. */
    for (int s = 0; s < LOG_STREAMS; s++)
        w->tips[s].next_seq = 1;
    return ERR_OK;
}

static struct log_writer *
new_writer(void)
{
    struct log_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->lock_fd = -1;
    w->tail.fd = -1;
    log_append_init(&w->append);
    return w;
}

enum err_code
log_writer_open(const char *directory, struct log_writer **ret, struct err *err)
{
    struct log_writer *w = new_writer();
    if (w == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    w->codec = frame_codec_new();
    enum err_code code = w->codec == NULL ? err_set(err, ERR_LIMIT, "no memory for zstd")
                                          : open_days(w, directory, err);
    if (code == ERR_OK)
        code = tail_open(directory, &w->tail, err);
    if (code == ERR_OK)
        code = take_up_tail(w, err);
    if (code != ERR_OK) {
        log_writer_close(w);
        return code;
    }
    memcpy(w->next, w->tips, sizeof w->next);
    *ret = w;
    return ERR_OK;
}

enum err_code
log_writer_open_copy(const char *directory, const struct log_origin *origin,
                     struct frame_codec *codec, struct log_writer **ret, struct err *err)
{
    struct log_writer *w = new_writer();
    if (w == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    w->is_copy = true;
    w->codec = codec;
    w->origin = *origin;
    enum err_code code = open_days(w, directory, err);
    if (code == ERR_OK && w->day.env == NULL)
        memcpy(w->tips, origin->start, sizeof w->tips);
    else if (code == ERR_OK && memcmp(w->day.identity, origin->identity, HASH_SHA256_BYTES) != 0)
        code = err_set(err, ERR_CONFLICT, "%s is the copy of another log", directory);
    if (code != ERR_OK) {
        log_writer_close(w);
        return code;
    }
    *ret = w;
    return ERR_OK;
}

void
log_writer_close(struct log_writer *writer)
{
    if (writer == NULL)
        return;
    /* What cannot be moved now lies safe where it is, for the next writer. */
    if (!writer->failed && log_writer_settle(writer, NULL) != ERR_OK)
        log_line(LOG_LEVEL_WARN, "tail_kept", "records=%zu", writer->tail.record_count);
    tail_close(&writer->tail);
    day_close(&writer->day);
    if (!writer->is_copy)
        frame_codec_free(writer->codec);
    log_append_clear(&writer->append);
    if (writer->lock_fd >= 0)
        close(writer->lock_fd);
    free(writer);
}

static enum err_code
refuse(const struct log_writer *w, struct err *err)
{
    return err_set(err, ERR_IO, "%s: an earlier append failed; restart to read the log anew",
                   w->day.path);
}

/* LMDB reports a short write as EIO, which is what a filling disk, or quota, gives first. */
static bool
disk_is_full(const struct log_writer *w)
{
    uint64_t need = 1024 * 1024 + 2 * (uint64_t)(w->storing_bytes + w->tail.records.size_bytes);
    return file_free_bytes(w->directory) < need || !day_can_grow(&w->day, need);
}

static enum err_code
fail(struct log_writer *w, int rc, const char *doing, struct err *err)
{
    enum err_code code = day_err(err, rc, w->day.path, doing);
    if (rc == EIO && disk_is_full(w))
        code = err_set(err, ERR_FULL, "%s: cannot %s: the disk is full", w->day.path, doing);
    w->failed = code != ERR_FULL;
    w->map_full = rc == MDB_MAP_FULL;
    return code;
}

static int
put_frame(struct log_writer *w, MDB_txn *txn, int stream, struct bytes frame)
{
    uint64_t seq = frame_first_seq(frame);
    MDB_val key = {sizeof seq, &seq};
    MDB_val value = {frame.size_bytes, (void *)(uintptr_t)frame.data};
    return mdb_put(txn, w->day.streams[stream], &key, &value, MDB_APPEND);
}

static int
put_record(struct log_writer *w, MDB_txn *txn, const struct tail_record *record)
{
    int rc = 0;
    for (int s = 0; rc == 0 && s < LOG_STREAMS; s++) {
        if (record->frames[s].size_bytes > 0)
            rc = put_frame(w, txn, s, record->frames[s]);
    }
    return rc;
}

static enum err_code
try_commit(struct log_writer *w, const struct log_copy_frame *news, size_t count, struct err *err)
{
    MDB_txn *txn;
    w->map_full = false;
    int rc = mdb_txn_begin(w->day.env, NULL, 0, &txn);
    if (rc != 0)
        return fail(w, rc, "begin an append", err);
    struct bytes rest = {w->tail.records.data, w->tail.records.size_bytes};
    struct tail_record old;
    while (rc == 0 && tail_next(&rest, &old))
        rc = put_record(w, txn, &old);
    if (rc == 0 && rest.size_bytes > 0)
        rc = EIO; /* memory that changed under us */
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = put_frame(w, txn, (int)news[i].stream, news[i].frame);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return fail(w, rc, "put a frame", err);
    }
    rc = mdb_txn_commit(txn);
    if (rc != 0)
        return fail(w, rc, "flush a frame", err);
    tail_empty(&w->tail);
    return ERR_OK;
}

/*
 * A reader that was killed keeps its slot, and with it every page that was in use then:
 * 20 KiB of file per commit, until somebody looks.
 */
static void
look_for_dead_readers(struct log_writer *w)
{
    int dead;
    if (++w->commits_unchecked < WRITER_READER_CHECK_COMMITS)
        return;
    w->commits_unchecked = 0;
    (void)mdb_reader_check(w->day.env, &dead);
}

/* One transaction: what is pending, then the new frames.  Nothing is pending afterwards. */
static enum err_code
commit(struct log_writer *w, const struct log_copy_frame *news, size_t count, struct err *err)
{
    enum err_code code;
    look_for_dead_readers(w);
    do {
        code = try_commit(w, news, count, err);
    } while (code == ERR_FULL && w->map_full && day_grow_map(&w->day) == 0);
    return code;
}

enum err_code
log_writer_settle(struct log_writer *writer, struct err *err)
{
    if (writer->failed)
        return refuse(writer, err);
    return writer->tail.record_count == 0 ? ERR_OK : commit(writer, NULL, 0, err);
}

/* Go on in the day file of receive_utc_ms, or in the open one if that is newer. */
static enum err_code
turn_to_day(struct log_writer *w, int64_t receive_utc_ms, struct err *err)
{
    int32_t day = (int32_t)(receive_utc_ms / TIME_DAY_MS);
    if (w->day.env != NULL && day <= w->day.number) {
        if (!w->day.sealed)
            return ERR_OK;
        day = w->day.number + 1; /* what is sealed stays as it is */
    }
    enum err_code code = log_writer_settle(w, err);
    return code == ERR_OK ? begin_day(w, day, w->tips, err) : code;
}

void
log_writer_chain(struct log_writer *writer, int64_t receive_utc_ms,
                 const struct log_part parts[LOG_STREAMS], struct log_append *append)
{
    log_append_chain(append, receive_utc_ms, parts, writer->next);
}

/* Those at the front that hold nothing: there is nothing to do for them. */
static size_t
count_empty(const struct log_append *const appends[], size_t count)
{
    size_t n = 0;
    while (n < count && log_append_bytes(appends[n]) == 0)
        n++;
    return n;
}

/* Those that lie in the open day, and are not too many. */
static size_t
count_of_day(const struct log_writer *w, const struct log_append *const appends[], size_t count)
{
    size_t n = 1;
    while (n < count && n < LOG_STORE_MAX &&
           appends[n]->receive_utc_ms / TIME_DAY_MS <= w->day.number)
        n++;
    return n;
}

static enum err_code
commit_appends(struct log_writer *w, const struct log_append *const appends[], size_t count,
               struct err *err)
{
    struct log_copy_frame news[LOG_STORE_MAX * LOG_STREAMS];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        for (int s = 0; s < LOG_STREAMS; s++) {
            if (appends[i]->heads[s].event_count > 0)
                news[n++] = (struct log_copy_frame){(enum log_stream)s, appends[i]->frames[s]};
        }
    }
    return commit(w, news, n, err);
}

enum err_code
log_writer_store(struct log_writer *writer, const struct log_append *const appends[], size_t count,
                 size_t *ret_stored, struct err *err)
{
    struct log_writer *w = writer;
    assert(count > 0);
    *ret_stored = 0;
    if (w->failed)
        return refuse(w, err);
    *ret_stored = count_empty(appends, count);
    if (*ret_stored > 0)
        return ERR_OK;
    enum err_code code = turn_to_day(w, appends[0]->receive_utc_ms, err);
    if (code != ERR_OK) {
        w->failed = code != ERR_FULL;
        return code;
    }
    count = count_of_day(w, appends, count);
    w->storing_bytes = 0;
    for (size_t i = 0; i < count; i++)
        w->storing_bytes += log_append_bytes(appends[i]);
    if (count == 1 && w->storing_bytes <= WRITER_SMALL_BYTES &&
        tail_has_room(&w->tail, w->storing_bytes)) {
        struct tail_record record;
        memcpy(record.frames, appends[0]->frames, sizeof record.frames);
        code = tail_append(&w->tail, &record, err);
        w->failed = code == ERR_IO;
    } else {
        code = commit_appends(w, appends, count, err);
    }
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < count; i++)
        log_append_pass(appends[i], w->tips);
    *ret_stored = count;
    return ERR_OK;
}

enum err_code
log_writer_append(struct log_writer *writer, int64_t receive_utc_ms,
                  const struct log_part parts[LOG_STREAMS], struct err *err)
{
    const struct log_append *append = &writer->append;
    size_t stored;
    assert(parts[LOG_EVENTS].event_count > 0 || parts[LOG_QUARANTINE].event_count > 0);
    log_writer_chain(writer, receive_utc_ms, parts, &writer->append);
    enum err_code code = log_append_encode(&writer->append, writer->codec, err);
    if (code == ERR_OK)
        code = log_writer_store(writer, &append, 1, &stored, err);
    memcpy(writer->next, writer->tips, sizeof writer->next);
    return code;
}

/* Do they go on where the tips stand?  Moves them. */
static enum err_code
follow(struct log_writer *w, int32_t day, const struct log_copy_frame *frames, size_t count,
       struct day_tip tips[LOG_STREAMS], struct err *err)
{
    if (w->day.env != NULL && (day < w->day.number || (day == w->day.number && w->day.sealed)))
        return err_set(err, ERR_CONFLICT, "%s: frames of an earlier day came behind it",
                       w->day.path);
    for (size_t i = 0; i < count; i++) {
        struct day_tip *tip = &tips[frames[i].stream];
        if (!day_tip_go_on(tip, w->codec, frames[i].frame))
            return err_set(err, ERR_CONFLICT,
                           "%s: what came for %" PRIu64
                           " of %s does not go on where the copy stands, by its number and chain",
                           w->directory, tip->next_seq,
                           frames[i].stream == LOG_EVENTS ? "the events" : "the quarantine");
    }
    return ERR_OK;
}

enum err_code
log_writer_append_frames(struct log_writer *writer, int32_t day,
                         const struct log_copy_frame *frames, size_t count, struct err *err)
{
    struct log_writer *w = writer;
    struct day_tip tips[LOG_STREAMS];
    assert(w->is_copy && count > 0);
    if (w->failed)
        return refuse(w, err);
    memcpy(tips, w->tips, sizeof tips);
    enum err_code code = follow(w, day, frames, count, tips, err);
    if (code != ERR_OK)
        return code;
    if (w->day.env == NULL || day > w->day.number) {
        code = begin_day(w, day, w->tips, err);
        w->failed = code != ERR_OK && code != ERR_FULL;
    }
    if (code == ERR_OK)
        code = commit(w, frames, count, err);
    if (code == ERR_OK)
        memcpy(w->tips, tips, sizeof tips);
    return code;
}

const struct day_tip *
log_writer_tips(const struct log_writer *writer)
{
    return writer->tips;
}

uint64_t
log_writer_next_seq(const struct log_writer *writer, enum log_stream stream)
{
    return writer->tips[stream].next_seq;
}
