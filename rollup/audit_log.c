#include <inttypes.h>
#include <string.h>

#include "rollup/audit.h"
#include "rollup/map.h"
#include "store/base/time.h"
#include "store/log/verify.h"
#include "store/tables/balance.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/log_day.h"

enum { PLACE_BYTES = 8 };

static const char *const stream_names[LOG_STREAMS] = {"events", "quarantine"};

/* One stream of the log, beside what the tables say of it. */
struct log_audit {
    struct audit *audit;
    struct cursor cursor;
    struct dict dict;
    struct map counts; /* (organization, hour) -> u64 events up to the cursor */
    enum log_stream stream;
    uint64_t end_seq;    /* how far the tables are in this stream */
    uint64_t last_seq;   /* of the last frame read */
    bool met;            /* a frame ended at end_seq with the cursor's chain */
    struct log_root day; /* of this stream: the day at hand, and its chain so far */
    /* Days before were pruned (gbill log prune): what they held only the balance knows. */
    uint64_t pruned[LOG_STREAMS];  /* events up to the cursor that the log has no more */
    uint64_t missing[LOG_STREAMS]; /* in all hours where the balance has more than the log */
};

static enum err_code
count(struct log_audit *l, uint32_t organization, uint32_t hour, uint64_t events, struct err *err)
{
    uint8_t key[PLACE_BYTES];
    put_be32(key, organization);
    put_be32(key + 4, hour);
    uint64_t *sum = map_at(&l->counts, key, map_hash(&l->counts, key));
    if (sum == NULL)
        return err_set(err, ERR_LIMIT, "no memory to count the log by organization and hour");
    *sum += events;
    return ERR_OK;
}

static void
see_begin(void *context, const struct log_begin *begin)
{
    struct log_audit *l = context;
    uint64_t before = begin->first_seq - 1;
    if (before == 0)
        return;
    l->pruned[l->stream] = before < l->end_seq ? before : l->end_seq;
    if (before == l->end_seq)
        l->met = l->stream == LOG_QUARANTINE ||
                 memcmp(begin->chain, l->cursor.chain, HASH_SHA256_BYTES) == 0;
}

static enum err_code
see_event(void *context, uint64_t seq, const struct event *event, struct err *err)
{
    struct log_audit *l = context;
    uint32_t organization = 0;
    if (seq > l->end_seq)
        return ERR_OK;
    enum err_code code =
        dict_intern(&l->dict, l->audit->txn, event->organization, &organization, err);
    if (code == ERR_OK)
        code = count(l, organization, (uint32_t)(event->time_utc_ms / TIME_HOUR_MS), 1, err);
    return code;
}

/* The day at hand is over: compare its chain with the root that was published. */
static void
end_day(struct log_audit *l)
{
    struct log_root root;
    char day[TIME_TEXT_BYTES], is[HASH_SHA256_TEXT_BYTES], was[HASH_SHA256_TEXT_BYTES];
    const uint8_t *chain = l->day.chain[l->stream];
    if (l->last_seq == 0 ||
        !log_day_get(l->audit->txn, l->cursor.log_identity, l->day.day, &root) ||
        memcmp(root.chain[l->stream], chain, HASH_SHA256_BYTES) == 0)
        return;
    time_format_day(l->day.day, day);
    hash_hex(root.chain[l->stream], HASH_SHA256_BYTES, was);
    hash_hex(chain, HASH_SHA256_BYTES, is);
    audit_say(l->audit,
              "table log_days: day %s has the root %s, the log's chain is %s; restore the day from "
              "a backup",
              day, was, is);
}

static enum err_code
see_frame(void *context, const struct log_frame *frame, struct err *err)
{
    struct log_audit *l = context;
    const struct audit_options *o = l->audit->options;
    uint64_t last = frame->first_seq + frame->event_count - 1;
    enum err_code code = ERR_OK;
    if (l->day.day != frame->day)
        end_day(l);
    if (l->stream == LOG_QUARANTINE && frame->first_seq <= l->end_seq) {
        uint64_t counted = (last < l->end_seq ? last : l->end_seq) - frame->first_seq + 1;
        code = count(l, 0, (uint32_t)(frame->receive_utc_ms / TIME_HOUR_MS), counted, err);
    }
    if (last == l->end_seq)
        l->met = l->stream == LOG_QUARANTINE ||
                 memcmp(frame->chain, l->cursor.chain, HASH_SHA256_BYTES) == 0;
    l->day.day = frame->day;
    memcpy(l->day.chain[l->stream], frame->chain, HASH_SHA256_BYTES);
    l->last_seq = last;
    if (o->progress != NULL)
        o->progress(o->context, last);
    return code;
}

static enum err_code
read_stream(struct log_audit *l, enum log_stream stream, struct err *err)
{
    struct log_watch watch = {
        .context = l, .begin = see_begin, .event = see_event, .frame = see_frame};
    l->stream = stream;
    l->end_seq = stream == LOG_EVENTS ? l->cursor.seq : l->cursor.quarantine_seq;
    l->last_seq = 0;
    l->met = l->end_seq == 0;
    l->day = (struct log_root){0};
    enum err_code code = log_verify(l->audit->options->log_directory, stream, &watch, err);
    if (code != ERR_OK)
        return code;
    end_day(l);
    if (!l->met)
        audit_say(l->audit,
                  "log, %s: the tables stand at %" PRIu64 ", where the log, which ends at %" PRIu64
                  ", has no frame's end with their chain; restore the log from a backup, or run "
                  "gbill rollup --rebuild if this is the right one",
                  stream_names[stream], l->end_seq, l->last_seq);
    return ERR_OK;
}

static void
compare(struct log_audit *l, uint32_t organization, uint32_t hour, uint64_t balance, uint64_t log)
{
    const enum log_stream stream = organization == 0 ? LOG_QUARANTINE : LOG_EVENTS;
    char place[AUDIT_PLACE_BYTES];
    if (balance > log && l->pruned[stream] > 0) {
        l->missing[stream] += balance - log;
        return;
    }
    if (balance == log)
        return;
    audit_place(l->audit, organization, hour, place);
    audit_say(
        l->audit,
        "%s: %s is %" PRIu64 " in the balance, the log has %" PRIu64 "; run gbill rollup --rebuild",
        place, balance_column_name(organization == 0 ? BALANCE_QUARANTINED : BALANCE_ACCEPTED),
        balance, log);
}

/* Every row of the balance, then what the log has beyond them. */
static void
compare_counts(struct log_audit *l)
{
    struct balance_scan scan;
    balance_scan_begin(&scan, l->audit->txn);
    while (balance_scan_next(&scan)) {
        uint64_t *log =
            map_find(&l->counts, scan.scan.key.data, map_hash(&l->counts, scan.scan.key.data));
        enum balance_column c = scan.organization == 0 ? BALANCE_QUARANTINED : BALANCE_ACCEPTED;
        compare(l, scan.organization, scan.hour, scan.row.events[c], log != NULL ? *log : 0);
        if (log != NULL)
            *log = 0;
    }
    balance_scan_end(&scan);
    for (uint32_t i = 0; i < l->counts.count; i++) {
        const uint8_t *key = map_key(&l->counts, i);
        const uint64_t *left = map_value(&l->counts, i);
        compare(l, get_be32(key), get_be32(key + 4), 0, *left);
    }
    for (int s = 0; s < LOG_STREAMS; s++) {
        if (l->missing[s] != l->pruned[s])
            audit_say(l->audit,
                      "log, %s: the balance has %" PRIu64 " more than the log, but the days that "
                      "were pruned held %" PRIu64 "; restore the log from a backup that has them, "
                      "then run gbill rollup --rebuild",
                      stream_names[s], l->missing[s], l->pruned[s]);
    }
}

enum err_code
audit_log(struct audit *audit, struct err *err)
{
    struct log_audit l = {.audit = audit, .cursor = cursor_get(audit->txn)};
    map_init(&l.counts, PLACE_BYTES, sizeof(uint64_t));
    enum err_code code = ERR_OK;
    for (int s = 0; code == ERR_OK && s < LOG_STREAMS; s++)
        code = read_stream(&l, (enum log_stream)s, err);
    if (code == ERR_OK)
        compare_counts(&l);
    map_clear(&l.counts);
    dict_clear(&l.dict);
    return code;
}
