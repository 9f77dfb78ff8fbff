#include "rollup/calls.h"

#include <inttypes.h>
#include <string.h>

#include "rollup/price/ratio.h"
#include "store/base/file.h"
#include "store/base/list.h"
#include "store/log/reader.h"
#include "store/tables/ids.h"
#include "store/tables/void.h"

/* How far receipt may lie from what the agent accepted by, should its clock have been set. */
#define CLOCK_MS TIME_DAY_MS

#define PROGRESS_EVENTS 65536

struct walk {
    const struct calls_options *options;
    enum err_code (*visit)(void *context, const struct event *event, int64_t receive_utc_ms,
                           struct err *err);
    void *context;
    int64_t received_from_ms, received_to_ms; /* the part of the log to read */
    struct cursor cursor;
    struct ratio_book *ratios;
    struct ids *ids;
    bool has_voids;
    struct log_reader *reader;
    uint8_t id_secret[HASH_SECRET_BYTES];
    struct buf stored;   /* a frame's bytes, while the first one is looked for */
    struct list events;  /* struct event: the calls of a frame that lie in the stretch */
    struct list entries; /* struct id_entry of each; its mark has the number only */
    struct list marks;   /* u64: what ids knows of each */
};

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory; ask for less time");
}

static enum err_code
open_log(struct walk *w, struct err *err)
{
    char directory[FILE_PATH_BYTES_MAX];
    enum err_code code = file_path(directory, w->options->data_directory, "log", err);
    if (code == ERR_OK)
        code = log_reader_open(directory, LOG_EVENTS, w->cursor.seq - 1, &w->reader, err);
    if (code != ERR_OK)
        return code;
    const uint8_t *identity = log_reader_identity(w->reader);
    hash_secret_init(w->id_secret, identity);
    if (memcmp(identity, w->cursor.log_identity, HASH_SHA256_BYTES) != 0)
        return err_set(err, ERR_CONFLICT,
                       "%s/tables.mdb was folded from another log; run gbill rollup --rebuild",
                       w->options->data_directory);
    return ERR_OK;
}

/* Did the event come before any that the hours may hold?  So did what the log no longer has. */
static enum err_code
came_before(struct walk *w, uint64_t seq, bool *ret_before, struct err *err)
{
    struct frame frame;
    bool more = false;
    w->stored.size_bytes = 0;
    enum err_code code = log_reader_seek(w->reader, seq - 1, err);
    if (code == ERR_OK)
        code = log_reader_next_stored(w->reader, &w->stored, &frame, &more, err);
    if (code == ERR_NOT_FOUND) {
        *ret_before = true;
        return ERR_OK;
    }
    *ret_before = more && frame.receive_utc_ms < w->received_from_ms;
    return code;
}

/* Stand where the first event of the hours can lie: numbers grow with the time of receipt. */
static enum err_code
go_to_start(struct walk *w, struct err *err)
{
    uint64_t first = 1, end = w->cursor.seq + 1;
    while (first < end) {
        uint64_t middle = first + (end - first) / 2;
        bool before;
        enum err_code code = came_before(w, middle, &before, err);
        if (code != ERR_OK)
            return code;
        if (before)
            first = middle + 1;
        else
            end = middle;
    }
    return log_reader_seek(w->reader, first - 1, err);
}

/* Gather the calls of a frame that lie in the hours and were folded. */
static enum err_code
read_frame(struct walk *w, const struct log_frame *frame, struct err *err)
{
    const struct calls_options *o = w->options;
    struct mp m = mp_of(frame->events);
    struct event event;
    struct event_defect defect;
    w->events.count = w->entries.count = w->marks.count = 0;
    for (uint32_t i = 0; i < frame->event_count; i++) {
        uint64_t seq = frame->first_seq + i;
        if (!event_read(&m, &event, &defect))
            return err_set(err, ERR_CORRUPT, "event %" PRIu64 " cannot be read: %s", seq,
                           defect.text);
        if (event.kind != EVENT_USAGE || seq > w->cursor.seq || event.time_utc_ms < o->from_ms ||
            event.time_utc_ms >= o->to_ms ||
            (o->organization.size_bytes > 0 && !str_equal(event.organization, o->organization)))
            continue;
        ratio_estimate(w->ratios, frame->receive_utc_ms, &event.usage);
        const struct id_entry entry = {hash_id_of(w->id_secret, event.organization, event.id),
                                       id_mark(seq, 0)};
        const uint64_t unknown = 0;
        if (!list_add(&w->events, &event) || !list_add(&w->entries, &entry) ||
            !list_add(&w->marks, &unknown))
            return no_memory(err);
    }
    return ERR_OK;
}

/* Was it the first of its id, and not voided? */
static bool
is_counted(const struct walk *w, const struct id_entry *entry, uint64_t mark)
{
    struct void_row row;
    uint64_t seq = id_mark_seq(entry->mark);
    if (id_mark_seq(mark) != seq)
        return false;
    return !w->has_voids || !void_get(w->options->txn, entry->hash, &row) ||
           row.outcome != VOID_DONE || row.target_seq != seq;
}

static enum err_code
visit_frame(struct walk *w, const struct log_frame *frame, struct err *err)
{
    enum err_code code = read_frame(w, frame, err);
    const struct event *events = w->events.items;
    const struct id_entry *entries = w->entries.items;
    uint64_t *marks = w->marks.items;
    if (code != ERR_OK || w->events.count == 0)
        return code;
    ids_find(w->ids, entries, w->entries.count, marks);
    for (size_t i = 0; code == ERR_OK && i < w->events.count; i++) {
        if (is_counted(w, &entries[i], marks[i]))
            code = w->visit(w->context, &events[i], frame->receive_utc_ms, err);
    }
    return code;
}

static enum err_code
visit_log(struct walk *w, struct err *err)
{
    const struct calls_options *o = w->options;
    uint64_t seq = 0, shown = 0;
    enum err_code code = go_to_start(w, err);
    while (code == ERR_OK && seq < w->cursor.seq) {
        struct log_frame frame;
        bool more;
        code = log_reader_next(w->reader, &frame, &more, err);
        if (code != ERR_OK || !more || frame.receive_utc_ms >= w->received_to_ms)
            break;
        code = visit_frame(w, &frame, err);
        seq = frame.first_seq + frame.event_count - 1;
        if (o->progress != NULL && seq - shown >= PROGRESS_EVENTS) {
            o->progress(o->progress_context, seq, w->cursor.seq);
            shown = seq;
        }
    }
    return code;
}

enum err_code
calls_walk(const struct calls_options *options,
           enum err_code (*visit)(void *context, const struct event *event, int64_t receive_utc_ms,
                                  struct err *err),
           void *context, struct err *err)
{
    struct walk w = {.options = options,
                     .visit = visit,
                     .context = context,
                     .cursor = cursor_get(options->txn),
                     .has_voids = tables_count(options->txn, TABLE_VOIDS) > 0};
    int64_t near_ms = options->near_ms;
    w.received_from_ms = options->from_ms - (near_ms > 0 ? near_ms : EVENT_AHEAD_MS_MAX + CLOCK_MS);
    w.received_to_ms = options->to_ms + (near_ms > 0 ? near_ms : EVENT_AGE_MS_MAX + CLOCK_MS);
    if (w.cursor.seq == 0)
        return ERR_OK;
    buf_init(&w.stored, FRAME_RAW_BYTES_MAX);
    list_init(&w.events, sizeof(struct event));
    list_init(&w.entries, sizeof(struct id_entry));
    list_init(&w.marks, sizeof(uint64_t));
    enum err_code code = ratio_book_load(options->data_directory, &w.ratios, err);
    if (code == ERR_OK)
        code = ids_open(options->txn, &w.ids, err);
    if (code == ERR_OK)
        code = open_log(&w, err);
    if (code == ERR_OK)
        code = visit_log(&w, err);
    list_clear(&w.marks);
    list_clear(&w.entries);
    list_clear(&w.events);
    buf_clear(&w.stored);
    log_reader_close(w.reader);
    ids_close(w.ids);
    ratio_book_free(w.ratios);
    return code;
}
