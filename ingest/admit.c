#include "ingest/admit.h"

#include "ingest/forward.h"
#include "store/event/event_plain.h"

static const char no_room[] =
    "message with its quarantined events is over 32 MiB; send less in one";

/* "gbill.usage" is the kind usage. */
static bool
kind_of_tag(struct str tag, enum event_kind *ret_kind)
{
    static const char prefix[] = "gbill.";
    size_t n = sizeof prefix - 1;
    if (tag.size_bytes < n || memcmp(tag.data, prefix, n) != 0)
        return false;
    return event_kind_find((struct str){tag.data + n, tag.size_bytes - n}, ret_kind);
}

static bool
may_write(const struct peer *peer, const struct event *event, struct event_defect *defect)
{
    return peers_may_write(peer->rule, event->organization) ||
           event_defect_set(defect, "%s may not write for organization %.*s", peer->name,
                            STR_ARG(event->organization));
}

static bool
quarantine(const struct admit_from *from, struct str tag, const struct forward_entry *entry,
           const char *reason, struct batch *batch)
{
    struct quarantined q = {
        .reason = str_of(reason),
        .tag = tag,
        .entry_utc_ms = entry->time_utc_ms,
        .peer_uid = from->peer->uid,
        .record = entry->record,
    };
    return batch_add_quarantined(batch, &q);
}

/* The next entry's event, if it is one: *ret_ok, else *defect.  Its record in any case. */
static enum forward_step
next_event(struct forward *f, bool known, enum event_kind kind, struct forward_entry *entry,
           struct event *event, bool *ret_ok, struct event_defect *defect, const char **ret_reason)
{
    enum forward_step step = forward_next_time(f, &entry->time_utc_ms, ret_reason);
    if (step != FORWARD_ENTRY)
        return step;
    *ret_ok = known && kind == EVENT_USAGE &&
              event_parse_plain(&f->entries, entry->time_utc_ms, false, event);
    if (*ret_ok) {
        entry->record = event->record;
        return step;
    }
    step = forward_record(f, &entry->record, ret_reason);
    *ret_ok = step == FORWARD_ENTRY && known &&
              event_parse_general(kind, entry->record, entry->time_utc_ms, event, defect);
    return step;
}

/* All entries, until the end (NULL) or a reason to refuse the message. */
static const char *
admit_entries(struct forward *f, const struct admit_from *from, struct batch *batch,
              struct admit_counts *counts)
{
    enum event_kind kind = EVENT_USAGE;
    bool known = kind_of_tag(f->tag, &kind);
    const char *reason = NULL;
    for (;;) {
        struct forward_entry entry;
        struct event event;
        struct event_defect defect = {"unknown tag"};
        bool parsed;
        enum forward_step step =
            next_event(f, known, kind, &entry, &event, &parsed, &defect, &reason);
        if (step != FORWARD_ENTRY)
            return step == FORWARD_END ? NULL : reason;
        bool ok = parsed && event_time_ok(&event, from->receive_utc_ms, &defect);
        counts->quarantined_tag += !known;
        counts->quarantined_time += parsed && !ok;
        ok = ok && may_write(from->peer, &event, &defect);
        if (ok) {
            event.peer_uid = from->peer->uid;
            counts->undeclared += event.undeclared;
            /* Before the event is copied: what reads it again would wait for those writes. */
            if (from->live != NULL)
                live_note(from->live, &event);
            ok = batch_add_event(batch, &event);
        } else {
            ok = quarantine(from, f->tag, &entry, defect.text, batch);
        }
        if (!ok)
            return no_room;
    }
}

static const char *
unpack(struct forward *f, struct inflater *inflater)
{
    struct bytes plain = {NULL, 0};
    const char *reason = inflater_take(inflater,
                                       f->packing == FORWARD_GZIP ? INFLATE_GZIP : INFLATE_ZSTD,
                                       forward_packed(f), &plain);
    if (reason == NULL)
        forward_set_plain(f, plain);
    return reason;
}

const char *
admit_message(struct bytes message, const struct admit_from *from, struct batch *batch,
              struct admit_counts *counts, uint32_t *ret_owed)
{
    struct forward f;
    const char *reason = NULL;
    struct admit_counts more = *counts;
    bool new_owner = false;
    *ret_owed = 0;
    if (forward_is_heartbeat(message)) {
        counts->heartbeats++;
        return NULL;
    }
    if (!forward_open(message, &f, &reason))
        return reason;
    bool was_empty = batch_is_empty(batch);
    struct batch_mark mark = batch_mark(batch);
    bool packed = f.packing != FORWARD_PLAIN;
    if (packed)
        reason = unpack(&f, from->inflater);
    if (reason == NULL)
        reason = admit_entries(&f, from, batch, &more);
    if (packed)
        inflater_rest(from->inflater);
    if (reason == NULL && f.chunk.id.size_bytes > 0) {
        uint8_t ack[FORWARD_ACK_BYTES_MAX];
        size_t n = forward_ack(&f.chunk, ack);
        if (!batch_add_ack(batch, from->conn, ack, n, &new_owner))
            reason = no_room;
    }
    if (reason != NULL) {
        batch_rollback(batch, mark);
        if (from->live != NULL)
            live_drop(from->live);
        return reason;
    }
    if (was_empty)
        batch->receive_utc_ms = from->receive_utc_ms;
    more.messages++;
    more.events += batch->event_count - mark.event_count;
    more.quarantined += batch->quarantined_count - mark.quarantined_count;
    if (from->live != NULL)
        live_take(from->live, batch->event_count - mark.event_count);
    *counts = more;
    *ret_owed = new_owner ? 1 : 0;
    return NULL;
}
