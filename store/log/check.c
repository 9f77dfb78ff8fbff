#include "store/log/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/log/check_value.h"
#include "store/log/day.h"
#include "store/log/pages.h"
#include "store/log/tail.h"

enum {
    VALUES_MAX = 1024,              /* checked together */
    BATCH_BYTES = 64 * 1024 * 1024, /* of stored values, which lie in the map: some 70 blocks */
    THREADS_MAX = 16,
    PIN_TRIES_MAX = 100,
};

/* Where a stream stands. */
struct stream {
    bool
        known; /* next_seq and chain are; else next_seq is where the unknown begins, 0: unknown too */
    uint64_t next_seq;
    uint8_t chain[HASH_SHA256_BYTES];
    struct log_checked sum; /* of the day at hand */
};

struct run {
    const struct log_check *check;
    struct checker *checker;
    struct stream streams[LOG_STREAMS];
    bool has_identity;
    uint8_t identity[HASH_SHA256_BYTES];
    uint64_t faults;
    bool no_memory;
    /* Of the day and stream at hand: */
    struct day *day;
    uint64_t meta_sum;
    bool meta_ok;
    enum log_stream stream;
    struct list values; /* struct check_value */
    size_t value_bytes;
    const uint8_t *prev_chain; /* of the next value */
    uint8_t last_chain[HASH_SHA256_BYTES];
    struct buf tail; /* as it was before the newest day was looked at */
};

static void
tell(struct run *r, const struct log_fault *fault)
{
    r->faults++;
    r->check->fault(r->check->context, fault);
}

static void
tell_file(struct run *r, const char *text)
{
    tell(r, &(struct log_fault){.path = r->day->path, .stream = LOG_STREAMS, .text = text});
}

/* Events from next_seq up to before first_seq are not where they should be. */
static void
tell_gap(struct run *r, struct stream *s, uint64_t first_seq, const char *text)
{
    struct log_fault f = {.path = r->day->path, .stream = r->stream, .text = text};
    if (first_seq > s->next_seq) {
        f.lost_from = s->next_seq;
        f.lost_to = first_seq - 1;
    }
    tell(r, &f);
}

/* After a part that could not be read: this is what was in it. */
static void
tell_unknown(struct run *r, struct stream *s, uint64_t first_seq)
{
    if (s->next_seq != 0 && first_seq > s->next_seq)
        tell_gap(r, s, first_seq, "this is what the damaged part before it held");
}

/* ---- values ---- */

static void
take_checked(struct run *r, const struct check_value *v)
{
    struct stream *s = &r->streams[r->stream];
    if (!v->sound) {
        struct log_fault f = {
            .path = r->day->path, .stream = r->stream, .frame = v->bad_frame, .text = v->text};
        if (v->can_tell) {
            f.lost_from = v->first_seq;
            f.lost_to = v->first_seq + v->event_count - 1;
            s->known = true;
            s->next_seq = f.lost_to + 1;
            memcpy(s->chain, v->chain, sizeof s->chain);
        } else {
            s->known = false; /* how much was in it shows with the next */
            s->next_seq = v->key;
        }
        tell(r, &f);
        return;
    }
    if (!s->known)
        tell_unknown(r, s, v->first_seq);
    else if (v->first_seq != s->next_seq)
        tell_gap(r, s, v->first_seq,
                 v->first_seq > s->next_seq ? "events are missing" : "events are there twice");
    s->known = true;
    s->next_seq = v->first_seq + v->event_count;
    memcpy(s->chain, v->chain, sizeof s->chain);
    if (s->sum.events == 0)
        s->sum.first_seq = v->first_seq;
    s->sum.events += v->event_count;
    s->sum.frames += v->frames;
    s->sum.raw_bytes += v->raw_bytes;
    s->sum.last_seq = s->next_seq - 1;
    memcpy(s->sum.chain, v->chain, sizeof s->sum.chain);
}

static void
check_values(struct run *r)
{
    checker_run(r->checker, r->values.items, r->values.count);
    for (size_t i = 0; i < r->values.count; i++)
        take_checked(r, (const struct check_value *)r->values.items + i);
    r->values.count = 0;
    r->value_bytes = 0;
}

static void
see_value(void *context, struct bytes key, struct bytes value)
{
    struct run *r = context;
    struct check_value v = {.stored = value,
                            .key = get_le64(key.data),
                            .stream = r->stream,
                            .prev_chain = r->prev_chain};
    r->prev_chain = check_value_chain(value);
    r->no_memory = r->no_memory || !list_add(&r->values, &v);
    r->value_bytes += value.size_bytes;
    if (r->values.count == VALUES_MAX || r->value_bytes > BATCH_BYTES)
        check_values(r);
}

static void
see_broken(void *context, uint64_t page, const char *why)
{
    struct run *r = context;
    char text[CHECK_FAULT_BYTES_MAX];
    snprintf(text, sizeof text, "page %" PRIu64 " %s", page, why);
    /* What is behind it does not follow what is before it. */
    r->prev_chain = NULL;
    tell_file(r, text);
}

/* ---- the tail ---- */

/* One frame of a record, behind where its stream stands. */
static void
check_tail_frame(struct run *r, enum log_stream stream, struct bytes frame)
{
    uint8_t before[HASH_SHA256_BYTES];
    struct stream *s = &r->streams[stream];
    memcpy(before, s->chain, sizeof before);
    struct check_value v = {
        .stored = frame, .key = frame_first_seq(frame), .stream = stream, .prev_chain = before};
    r->stream = stream;
    checker_run(r->checker, &v, 1);
    take_checked(r, &v);
}

/* A whole record behind the end that is of this round, not of an earlier one. */
static bool
lies_ahead(const struct run *r, const struct tail_record *record)
{
    for (int s = 0; s < LOG_STREAMS; s++) {
        if (record->frames[s].size_bytes > FRAME_HEAD_BYTES &&
            frame_first_seq(record->frames[s]) > r->streams[s].next_seq)
            return true;
    }
    return false;
}

/*
 * What no record follows is the end; but where later records of the same round lie
 * behind it, one that was acknowledged is damaged.  While a writer is there the
 * blocks change under us, and it has what they should hold.
 */
static void
check_tail_end(struct run *r, struct bytes rest)
{
    char lock[FILE_PATH_BYTES_MAX];
    struct err ignored;
    struct tail_record record;
    int fd;
    if (file_path(lock, r->check->directory, "writer.lock", &ignored) != ERR_OK ||
        file_lock(lock, "log writer", &fd, &ignored) != ERR_OK)
        return;
    while (rest.size_bytes >= TAIL_BLOCK_BYTES) {
        struct bytes at = rest;
        if (tail_next(&at, &record) && lies_ahead(r, &record)) {
            r->stream = LOG_EVENTS;
            tell_gap(r, &r->streams[LOG_EVENTS],
                     record.frames[LOG_EVENTS].size_bytes > 0
                         ? frame_first_seq(record.frames[LOG_EVENTS])
                         : 0,
                     "a record is damaged, with others behind it");
            break;
        }
        rest.data += TAIL_BLOCK_BYTES;
        rest.size_bytes -= TAIL_BLOCK_BYTES;
    }
    close(fd);
}

/* What is flushed but not yet in the newest day. */
static void
check_tail(struct run *r)
{
    struct frame_codec *codec = frame_codec_new();
    struct bytes all = {r->tail.data, r->tail.size_bytes}, rest;
    struct tail_record record;
    struct day_tip tips[LOG_STREAMS];
    size_t count, followed;
    if (codec == NULL) {
        r->no_memory = true;
        return;
    }
    for (int s = 0; s < LOG_STREAMS; s++) {
        tips[s].next_seq = r->streams[s].next_seq;
        memcpy(tips[s].chain, r->streams[s].chain, HASH_SHA256_BYTES);
    }
    followed = tail_follow(all, codec, tips, &count);
    frame_codec_free(codec);
    rest = (struct bytes){all.data, followed};
    snprintf(r->day->path, sizeof r->day->path, "%s/tail", r->check->directory);
    while (rest.size_bytes > 0 && tail_next(&rest, &record)) {
        for (int s = 0; s < LOG_STREAMS; s++) {
            if (record.frames[s].size_bytes > 0)
                check_tail_frame(r, (enum log_stream)s, record.frames[s]);
        }
    }
    check_tail_end(r, (struct bytes){all.data + followed, all.size_bytes - followed});
}

/* ---- a day ---- */

enum { TIP_BYTES = 8 + HASH_SHA256_BYTES, END_BYTES = TIP_BYTES + 16 };

static void
read_tip(const uint8_t *p, struct day_tip *ret)
{
    ret->next_seq = get_le64(p);
    memcpy(ret->chain, p + 8, HASH_SHA256_BYTES);
}

static void
see_meta(void *context, struct bytes key, struct bytes value)
{
    struct run *r = context;
    struct day *day = r->day;
    struct str name = {(const char *)key.data, key.size_bytes};
    if (str_is(name, "identity") && value.size_bytes == HASH_SHA256_BYTES) {
        memcpy(day->identity, value.data, HASH_SHA256_BYTES);
    } else if (str_is(name, "start") && value.size_bytes == LOG_STREAMS * TIP_BYTES) {
        for (int s = 0; s < LOG_STREAMS; s++)
            read_tip(value.data + s * TIP_BYTES, &day->start[s]);
    } else if (day->sealed && str_is(name, "end") && value.size_bytes == LOG_STREAMS * END_BYTES) {
        for (int s = 0; s < LOG_STREAMS; s++) {
            const uint8_t *p = value.data + s * END_BYTES;
            read_tip(p, &day->end[s].tip);
            day->end[s].frames = get_le64(p + TIP_BYTES);
            day->end[s].raw_bytes = get_le64(p + TIP_BYTES + 8);
        }
    } else if (str_is(name, "sum") && value.size_bytes == 8) {
        r->meta_sum = get_le64(value.data);
    } else {
        tell_file(r, "its meta has an entry that is none");
    }
}

/* How the day begins, beside how the one before ended. */
static void
begin_day(struct run *r)
{
    struct day *day = r->day;
    if (r->has_identity && memcmp(r->identity, day->identity, HASH_SHA256_BYTES) != 0)
        tell_file(r, "is of another log: its identity is not that of the days before");
    memcpy(r->identity, day->identity, HASH_SHA256_BYTES);
    for (int i = 0; i < LOG_STREAMS; i++) {
        struct stream *s = &r->streams[i];
        const struct day_tip *start = &day->start[i];
        r->stream = (enum log_stream)i;
        if (!s->known)
            tell_unknown(r, s, start->next_seq);
        else if (s->next_seq != start->next_seq)
            tell_gap(r, s, start->next_seq, "does not begin where the day before ended");
        else if (memcmp(s->chain, start->chain, HASH_SHA256_BYTES) != 0)
            tell_gap(r, s, 0,
                     "the chain it begins with is not the one that the day before ended with");
        s->known = true;
        s->next_seq = start->next_seq;
        memcpy(s->chain, start->chain, HASH_SHA256_BYTES);
    }
    r->has_identity = true;
}

static void
walk_stream(struct run *r, struct pages *pages, enum log_stream stream, const char *name)
{
    struct pages_visit visit = {r, see_value, see_broken};
    struct stream *s = &r->streams[stream];
    struct pages_db db;
    r->stream = stream;
    if (!pages_find(pages, &pages->meta, name, &db)) {
        tell_file(r, stream == LOG_EVENTS ? "its events cannot be found"
                                          : "its quarantine cannot be found");
        s->known = false;
        return;
    }
    if (db.flags != 8) /* MDB_INTEGERKEY */
        tell_file(r, "a stream's keys are not whole numbers");
    s->sum =
        (struct log_checked){.day = r->day->number, .sealed = r->day->sealed, .stream = stream};
    memcpy(s->sum.chain, s->chain, sizeof s->sum.chain);
    memcpy(r->last_chain, s->chain, sizeof r->last_chain);
    r->prev_chain = s->known ? r->last_chain : NULL;
    pages_walk(pages, &db, &visit);
    check_values(r);
    if (r->day->sealed && r->meta_ok) {
        const struct day_end *end = &r->day->end[stream];
        if (!s->known || s->next_seq != end->tip.next_seq)
            tell_gap(r, s, end->tip.next_seq, "ends before its end");
        else if (memcmp(s->chain, end->tip.chain, sizeof s->chain) != 0 ||
                 (s->sum.events == end->tip.next_seq - r->day->start[stream].next_seq &&
                  (s->sum.frames != end->frames || s->sum.raw_bytes != end->raw_bytes)))
            tell_gap(r, s, 0, "what its meta says of its end is not so");
        s->known = true;
        s->next_seq = end->tip.next_seq;
        memcpy(s->chain, end->tip.chain, sizeof s->chain);
    }
}

/* Entries of both streams in a state; false when they cannot be counted. */
static bool
count_entries(struct pages *pages, const struct pages_meta *state, uint64_t *ret)
{
    struct pages_db events, quarantine;
    if (!pages_find(pages, state, "events", &events) ||
        !pages_find(pages, state, "quarantine", &quarantine))
        return false;
    *ret = events.entries + quarantine.entries;
    return true;
}

/*
 * Every commit adds a frame: the newest state has more than the one before, or a
 * damaged number makes LMDB take the older one for it.
 */
static void
check_order(struct run *r, struct pages *pages)
{
    uint64_t now, before;
    if (pages->meta.txn <= 2 || r->day->sealed || !count_entries(pages, &pages->meta, &now))
        return;
    if (!count_entries(pages, &pages->other, &before) || before >= now)
        tell_file(r, "its first two pages contradict each other: the state that seems to be the "
                     "newest is not");
}

static void
walk_day(struct run *r, struct pages *pages)
{
    static const char *const names[LOG_STREAMS] = {"events", "quarantine"};
    struct pages_visit meta = {r, see_meta, see_broken};
    struct pages_visit other = {r, NULL, see_broken};
    struct pages_db db;
    uint64_t faults = r->faults;
    r->meta_sum = 0;
    if (pages_find(pages, &pages->meta, "meta", &db)) {
        pages_walk(pages, &db, &meta);
        if (r->faults == faults && (db.flags != 0 || r->meta_sum != day_meta_sum(r->day)))
            tell_file(r, "the checksum of its meta differs");
    } else {
        tell_file(r, "its meta cannot be found");
    }
    r->meta_ok = r->faults == faults;
    /* Without its meta a day's frames can still prove each other. */
    if (r->meta_ok)
        begin_day(r);
    else
        r->streams[LOG_EVENTS].known = r->streams[LOG_QUARANTINE].known = false;
    for (int s = 0; s < LOG_STREAMS; s++)
        walk_stream(r, pages, (enum log_stream)s, names[s]);
    if (r->faults == faults) {
        pages_account(pages, &other);
        check_order(r, pages);
    }
}

/* Map the newest state and hold it; the writer may be going on. */
static enum err_code
pin_day(struct run *r, struct day *day, struct pages *pages, MDB_txn **pin, struct err *err)
{
    for (int tries = 0; tries < PIN_TRIES_MAX; tries++) {
        enum err_code code = day_pin(day, r->check->directory, day->number, pin, err);
        if (code != ERR_OK)
            return code;
        /* The file may have grown since it was mapped. */
        pages_close(pages);
        code = pages_open(pages, day->path, err);
        if (code == ERR_OK && pages_choose(pages, mdb_txn_id(*pin)))
            return ERR_OK;
        mdb_txn_abort(*pin);
        *pin = NULL;
        day_close(day);
    }
    return err_set(err, ERR_CORRUPT, "%s: its first two pages are not what LMDB takes them for",
                   day->path);
}

/* A day made but never used has a file without databases. */
static bool
is_unused(const struct pages *pages)
{
    return pages->meta.main.entries == 0 && pages->meta.main.root == UINT64_MAX;
}

static enum err_code
check_day(struct run *r, int32_t number, bool newest, struct err *err)
{
    struct day day = {.number = number};
    struct pages pages = {0};
    MDB_txn *pin = NULL;
    char sealed[FILE_PATH_BYTES_MAX], live[FILE_PATH_BYTES_MAX];
    enum err_code code = day_path(sealed, r->check->directory, number, true, err);
    if (code == ERR_OK)
        code = day_path(live, r->check->directory, number, false, err);
    if (code != ERR_OK)
        return code;
    r->day = &day;
    code = pages_open(&pages, sealed, err);
    day.sealed = code != ERR_NOT_FOUND;
    if (code == ERR_NOT_FOUND)
        code = pages_open(&pages, live, err);
    snprintf(day.path, sizeof day.path, "%s", day.sealed ? sealed : live);
    if (code == ERR_OK && newest && !day.sealed && !is_unused(&pages))
        code = pin_day(r, &day, &pages, &pin, err);
    if (code != ERR_OK)
        tell_file(r, err->text);
    else if (!is_unused(&pages)) {
        walk_day(r, &pages);
        if (newest && r->streams[LOG_EVENTS].known && r->streams[LOG_QUARANTINE].known)
            check_tail(r);
        for (int s = 0; s < LOG_STREAMS; s++)
            r->check->checked(r->check->context, &r->streams[s].sum);
    }
    if (pin != NULL)
        mdb_txn_abort(pin);
    day_close(&day);
    pages_close(&pages);
    r->day = NULL;
    return r->no_memory ? err_set(err, ERR_LIMIT, "no memory to check the log") : ERR_OK;
}

static unsigned
threads_of(const struct log_check *check)
{
    long threads = check->threads != 0 ? (long)check->threads : sysconf(_SC_NPROCESSORS_ONLN);
    return threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : (unsigned)threads;
}

enum err_code
log_check(const struct log_check *check, uint64_t *ret_faults, struct err *err)
{
    struct run r = {.check = check, .checker = checker_new(threads_of(check))};
    int32_t *days = NULL;
    size_t count = 0;
    list_init(&r.values, sizeof(struct check_value));
    buf_init(&r.tail, TAIL_BLOCKS * TAIL_BLOCK_BYTES);
    enum err_code code = r.checker == NULL ? err_set(err, ERR_LIMIT, "no memory to check the log")
                                           : tail_read(check->directory, &r.tail, err);
    if (code == ERR_OK)
        code = day_list(check->directory, &days, &count, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        if (days[i] >= check->from_day)
            code = check_day(&r, days[i], i + 1 == count, err);
    free(days);
    list_clear(&r.values);
    buf_clear(&r.tail);
    checker_free(r.checker);
    *ret_faults = r.faults;
    return code;
}
