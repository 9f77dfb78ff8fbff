#include "ingest/ship_source.h"

#include <inttypes.h>

#include "ingest/ship.h"
#include "store/log/tip.h"

static const char *const stream_names[LOG_STREAMS] = {"events", "quarantine"};

/* ---- where to begin ---- */

/* The copy's last frame must be this log's, too. */
static enum err_code
compare(const char *directory, enum log_stream stream, const struct day_tip *stand, struct err *err)
{
    struct log_reader *reader = NULL;
    struct buf room;
    struct frame f;
    bool more = false;
    buf_init(&room, FRAME_RAW_BYTES_MAX);
    enum err_code code = log_reader_open(directory, stream, stand->next_seq - 2, &reader, err);
    if (code == ERR_OK)
        code = log_reader_next_stored(reader, &room, &f, &more, err);
    log_reader_close(reader);
    buf_clear(&room);
    if (code != ERR_OK)
        return code;
    if (!more)
        return err_set(err, ERR_CONFLICT,
                       "the collector has %s up to %" PRIu64
                       ", and %s has less: was it restored from an older backup?  Nothing was "
                       "shipped; ship it under another --host, or remove the copy",
                       stream_names[stream], stand->next_seq - 1, directory);
    if (f.first_seq + f.event_count != stand->next_seq ||
        memcmp(f.chain, stand->chain, sizeof f.chain) != 0)
        return err_set(err, ERR_CONFLICT,
                       "the collector's copy has another history than %s: the chains differ at "
                       "%" PRIu64 " of the %s.  Nothing was shipped; ship it under another "
                       "--host, or remove the copy",
                       directory, stand->next_seq - 1, stream_names[stream]);
    return ERR_OK;
}

static enum err_code
check_stand(const char *directory, const struct log_origin *origin, enum log_stream stream,
            const struct day_tip *stand, struct err *err)
{
    const struct day_tip *start = &origin->start[stream];
    if (stand->next_seq < start->next_seq)
        return err_set(err, ERR_NOT_FOUND,
                       "the collector wants %s from %" PRIu64 " on, and what is before %" PRIu64
                       " was pruned here; restore those days, or with --from-oldest begin a new "
                       "copy with the oldest day that is kept",
                       stream_names[stream], stand->next_seq, start->next_seq);
    if (stand->next_seq > start->next_seq)
        return compare(directory, stream, stand, err);
    return memcmp(stand->chain, start->chain, sizeof stand->chain) == 0
               ? ERR_OK
               : err_set(err, ERR_CONFLICT,
                         "the collector's copy has another history than %s: the chains differ at "
                         "%" PRIu64 " of the %s",
                         directory, stand->next_seq - 1, stream_names[stream]);
}

enum err_code
ship_source_open(struct ship_source *src, const char *directory, const struct log_origin *origin,
                 const struct day_tip stand[LOG_STREAMS], bool once, struct err *err)
{
    struct log_tip tip;
    *src = (struct ship_source){.day = INT32_MIN};
    for (int s = 0; s < LOG_STREAMS; s++)
        buf_init(&src->heads[s].room, FRAME_RAW_BYTES_MAX);
    src->codec = frame_codec_new();
    enum err_code code = src->codec == NULL ? err_set(err, ERR_LIMIT, "no memory for zstd")
                                            : ERR_OK;
    if (code == ERR_OK && once)
        code = log_tip_read(directory, &tip, err);
    for (int s = 0; code == ERR_OK && s < LOG_STREAMS; s++) {
        src->sent[s] = stand[s];
        if (once)
            src->heads[s].until_seq = tip.next_seq[s];
        code = check_stand(directory, origin, (enum log_stream)s, &stand[s], err);
        if (code == ERR_OK)
            code = log_reader_open(directory, (enum log_stream)s, stand[s].next_seq - 1,
                                   &src->heads[s].reader, err);
    }
    return code;
}

void
ship_source_close(struct ship_source *src)
{
    for (int s = 0; s < LOG_STREAMS; s++) {
        log_reader_close(src->heads[s].reader);
        buf_clear(&src->heads[s].room);
    }
    frame_codec_free(src->codec);
    *src = (struct ship_source){.codec = NULL};
}

/* ---- the next frame ---- */

static enum err_code
look(struct ship_source *src, int stream, struct err *err)
{
    struct ship_head *h = &src->heads[stream];
    if (h->is_there || (h->until_seq != 0 && src->sent[stream].next_seq >= h->until_seq))
        return ERR_OK;
    h->room.size_bytes = 0;
    enum err_code code = log_reader_next_stored(h->reader, &h->room, &h->frame, &h->is_there, err);
    h->day = log_reader_day(h->reader);
    return code;
}

/*
 * Which stream's frame comes next; -1: none.  A day that is later than the one before
 * begins only when the other stream was looked at after that day was seen: what it did
 * not have then it will never have of an earlier day.
 */
static enum err_code
choose(struct ship_source *src, int *ret, struct err *err)
{
    enum err_code code = ERR_OK;
    for (int s = 0; code == ERR_OK && s < LOG_STREAMS; s++)
        code = look(src, s, err);
    const struct ship_head *e = &src->heads[LOG_EVENTS], *q = &src->heads[LOG_QUARANTINE];
    if (code == ERR_OK && !e->is_there && q->is_there && q->day > src->day)
        code = look(src, LOG_EVENTS, err);
    if (code != ERR_OK)
        return code;
    *ret = -1;
    if (e->is_there && (!q->is_there || e->day <= q->day))
        *ret = LOG_EVENTS;
    else if (q->is_there)
        *ret = LOG_QUARANTINE;
    return ERR_OK;
}

/*
 * Append it as it was, or, where a sealed day gives it uncompressed, as its writer would
 * have made it.
 */
static enum err_code
put(struct ship_source *src, int stream, struct buf *out, struct err *err)
{
    const struct frame *f = &src->heads[stream].frame;
    struct day_tip *tip = &src->sent[stream];
    enum err_code code = ERR_OK;
    if (f->raw_bytes > SHIP_FRAME_RAW_BYTES_MAX)
        return err_set(err, ERR_LIMIT,
                       "frame %" PRIu64 " of the %s has %u bytes, limit is %d: no gbill-agent "
                       "wrote it",
                       f->first_seq, stream_names[stream], f->raw_bytes, SHIP_FRAME_RAW_BYTES_MAX);
    uint8_t chain[HASH_SHA256_BYTES];
    memcpy(chain, f->chain, sizeof chain);
    if (!f->compressed)
        frame_chain(tip->chain, f, f->stored, chain);
    bool ok = ship_put_stream((enum log_stream)stream, out);
    if (ok && f->compressed)
        ok = frame_put(f, out);
    else if (ok)
        code = frame_encode(src->codec, f, f->stored, out, err);
    if (!ok)
        code = err_set(err, ERR_LIMIT, "no memory for a message of %zu bytes", out->size_bytes);
    if (code == ERR_OK && memcmp(chain, f->chain, sizeof chain) != 0)
        code = err_set(err, ERR_CORRUPT,
                       "frame %" PRIu64 " of the %s does not follow the one before by its chain; "
                       "run gbill log verify",
                       f->first_seq, stream_names[stream]);
    if (code != ERR_OK)
        return code;
    tip->next_seq = f->first_seq + f->event_count;
    memcpy(tip->chain, f->chain, sizeof tip->chain);
    return ERR_OK;
}

enum err_code
ship_source_next(struct ship_source *src, size_t bytes_wanted, struct buf *out,
                 struct ship_load *ret, struct err *err)
{
    *ret = (struct ship_load){.frames = 0};
    while (out->size_bytes < bytes_wanted) {
        int s;
        enum err_code code = choose(src, &s, err);
        if (code != ERR_OK || s < 0)
            return code;
        struct ship_head *h = &src->heads[s];
        if (ret->frames > 0 &&
            (h->day != ret->day || out->size_bytes + h->frame.raw_bytes > SHIP_FRAME_RAW_BYTES_MAX))
            return ERR_OK;
        code = put(src, s, out, err);
        if (code != ERR_OK)
            return code;
        src->day = ret->day = h->day;
        h->is_there = false;
        *(s == LOG_EVENTS ? &ret->events : &ret->quarantined) += h->frame.event_count;
        ret->frames++;
    }
    return ERR_OK;
}
