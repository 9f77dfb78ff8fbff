#include "store/log/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/time.h"
#include "store/log/day.h"
#include "store/log/frame.h"

/*
 * The happy path of an append: encode each part's frame behind the tip's chain,
 * put them in one LMDB transaction, commit (two flushes: pages, then meta), move
 * the tips.
 *
 * When the commit fails for want of space, LMDB has written no meta page: what
 * is on disk is the state before, and the whole transaction may be tried again,
 * since a retry writes every page anew.  After any other failure it is unknown
 * whether the meta page reached the disk; going on could fork the chain, so the
 * writer refuses for good.
 */
struct log_writer {
    struct day day;
    struct day_tip tips[LOG_STREAMS];
    struct frame_codec *codec;
    struct buf frame;
    char directory[FILE_PATH_BYTES_MAX];
    int lock_fd;
    bool failed;
};

enum { WRITER_FRAME_BYTES_MAX = FRAME_RAW_BYTES_MAX + FRAME_RAW_BYTES_MAX / 64 };

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
    for (int s = 0; code == ERR_OK && s < LOG_STREAMS; s++)
        code = day_tip_read(&w->day, (enum log_stream)s, &w->tips[s], err);
    return code;
}

enum err_code
log_writer_open(const char *directory, struct log_writer **ret, struct err *err)
{
    char lock_path[FILE_PATH_BYTES_MAX];
    struct log_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    w->lock_fd = -1;
    buf_init(&w->frame, WRITER_FRAME_BYTES_MAX);
    w->codec = frame_codec_new();
    enum err_code code = w->codec == NULL ? err_set(err, ERR_LIMIT, "no memory for zstd") : ERR_OK;
    if (code == ERR_OK)
        code = file_make_directory(directory, err);
    if (code == ERR_OK)
        code = file_path(lock_path, directory, "writer.lock", err);
    if (code == ERR_OK)
        code = file_lock(lock_path, "log writer", &w->lock_fd, err);
    if (code == ERR_OK) {
        snprintf(w->directory, sizeof w->directory, "%s", directory);
        code = open_newest(w, err);
        /* An empty log: the first append makes the first day. */
        if (code == ERR_NOT_FOUND) {
            code = ERR_OK;
            for (int s = 0; s < LOG_STREAMS; s++)
                w->tips[s].next_seq = 1;
        }
    }
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
    day_close(&writer->day);
    frame_codec_free(writer->codec);
    buf_clear(&writer->frame);
    if (writer->lock_fd >= 0)
        close(writer->lock_fd);
    free(writer);
}

/* Go on in the day file of receive_utc_ms, or in the open one if that is newer. */
static enum err_code
turn_to_day(struct log_writer *w, int64_t receive_utc_ms, struct err *err)
{
    int32_t day = (int32_t)(receive_utc_ms / TIME_DAY_MS);
    uint8_t identity[HASH_SHA256_BYTES];
    if (w->day.env != NULL && day <= w->day.number) {
        if (!w->day.sealed)
            return ERR_OK;
        day = w->day.number + 1; /* what is sealed stays as it is */
    }
    if (w->day.env != NULL)
        memcpy(identity, w->day.identity, sizeof identity);
    else if (getrandom(identity, sizeof identity, 0) != sizeof identity)
        return err_set_errno(err, errno, "cannot make the log's identity");
    struct day next;
    enum err_code code = day_create(&next, w->directory, day, identity, w->tips, err);
    if (code != ERR_OK)
        return code;
    day_close(&w->day);
    w->day = next;
    return ERR_OK;
}

/* LMDB reports a short write as EIO, which is what a filling disk gives first. */
static bool
disk_is_full(const struct log_writer *w)
{
    uint64_t need = 1024 * 1024 + 2 * (uint64_t)w->frame.size_bytes;
    return file_free_bytes(w->directory) < need;
}

static enum err_code
fail(struct log_writer *w, int rc, const char *doing, struct err *err)
{
    enum err_code code = day_err(err, rc, w->day.path, doing);
    if (rc == EIO && disk_is_full(w))
        code = err_set(err, ERR_FULL, "%s: cannot %s: the disk is full", w->day.path, doing);
    w->failed = code != ERR_FULL;
    return code;
}

static enum err_code
put_frame(struct log_writer *w, MDB_txn *txn, enum log_stream stream, const struct log_part *part,
          int64_t receive_utc_ms, struct day_tip *tip, struct err *err)
{
    w->frame.size_bytes = 0;
    enum err_code code = frame_encode(w->codec, part->bytes, part->event_count, tip->next_seq,
                                      receive_utc_ms, tip->chain, &w->frame, err);
    if (code != ERR_OK)
        return code;
    MDB_val key = {sizeof tip->next_seq, &tip->next_seq};
    MDB_val value = {w->frame.size_bytes, w->frame.data};
    int rc = mdb_put(txn, w->day.streams[stream], &key, &value, MDB_APPEND);
    if (rc != 0)
        return fail(w, rc, "put a frame", err);
    tip->next_seq += part->event_count;
    return ERR_OK;
}

enum err_code
log_writer_append(struct log_writer *writer, int64_t receive_utc_ms,
                  const struct log_part parts[LOG_STREAMS], struct err *err)
{
    struct log_writer *w = writer;
    struct day_tip tips[LOG_STREAMS];
    MDB_txn *txn = NULL;
    assert(parts[LOG_EVENTS].event_count > 0 || parts[LOG_QUARANTINE].event_count > 0);
    if (w->failed)
        return err_set(err, ERR_IO, "%s: an earlier append failed; restart to read the log anew",
                       w->day.path);
    enum err_code code = turn_to_day(w, receive_utc_ms, err);
    if (code != ERR_OK) {
        w->failed = code != ERR_FULL;
        return code;
    }
    memcpy(tips, w->tips, sizeof tips);
    int rc = mdb_txn_begin(w->day.env, NULL, 0, &txn);
    if (rc != 0)
        return fail(w, rc, "begin an append", err);
    for (int s = 0; code == ERR_OK && s < LOG_STREAMS; s++) {
        if (parts[s].event_count > 0)
            code = put_frame(w, txn, (enum log_stream)s, &parts[s], receive_utc_ms, &tips[s], err);
    }
    if (code != ERR_OK) {
        mdb_txn_abort(txn);
        return code;
    }
    rc = mdb_txn_commit(txn);
    if (rc != 0)
        return fail(w, rc, "flush a frame", err);
    memcpy(w->tips, tips, sizeof tips);
    return ERR_OK;
}

uint64_t
log_writer_next_seq(const struct log_writer *writer, enum log_stream stream)
{
    return writer->tips[stream].next_seq;
}
