#include "ingest/live/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/file.h"
#include "store/base/log.h"
#include "store/base/money.h"
#include "store/base/time.h"
#include "store/log/reader.h"
#include "store/tables/allowance.h"
#include "store/tables/budget_pause.h"
#include "store/tables/dict.h"

#define LIVE_LOOK_MS ((int64_t)1000) /* between two looks at the tables' file and the holds */
#define LIVE_REPLAY_NS ((int64_t)2000 * 1000 * 1000)

/* ---- the tables ---- */

static uint64_t
inode_of(const char *data)
{
    char path[FILE_PATH_BYTES_MAX];
    struct stat st;
    struct err err;
    return file_path(path, data, "tables.mdb", &err) == ERR_OK && stat(path, &st) == 0 ? st.st_ino
                                                                                       : 0;
}

/* A file that was put in its place is another one; what cannot be read is tried again. */
static void
follow_tables(struct live *l)
{
    struct err err = {.code = ERR_OK};
    uint64_t inode = inode_of(l->data);
    if (l->tables != NULL && inode == l->tables_inode)
        return;
    tables_close(l->tables);
    l->tables = NULL;
    l->tables_inode = inode;
    if (inode != 0 && tables_open(l->data, TABLES_READ, &l->tables, &err) != ERR_OK)
        l->tables = NULL;
}

static bool
begin_reading(struct live *l, struct tables_txn **ret)
{
    struct err err;
    return l->tables != NULL && tables_begin(l->tables, TABLES_READ, ret, &err) == ERR_OK;
}

static void
see_floor(struct live *l)
{
    struct tables_txn *txn;
    struct allowance row;
    if (!begin_reading(l, &txn))
        return;
    if (allowance_get(txn, 0, &row))
        l->delta.floor_seq = row.position;
    tables_abort(txn);
}

/* ---- what events do ---- */

static bool
effect_of(const struct live *l, const struct event *e, struct delta_use *ret)
{
    static const enum limit_dimension dimensions[EVENT_RESOURCE_TYPES] = {
        [EVENT_PROJECT] = LIMIT_PROJECTS,
        [EVENT_DOCUMENT] = LIMIT_DOCUMENTS,
        [EVENT_MEMBER] = LIMIT_MEMBERS,
    };
    *ret = (struct delta_use){.dimension = LIMIT_AI_CREDITS, .time_utc_ms = e->time_utc_ms};
    if (e->kind == EVENT_RESOURCE) {
        /* A deletion may be of what is not there: the fold will know. */
        ret->dimension = dimensions[e->resource.type];
        ret->units = e->resource.created ? 1 : 0;
    } else if (e->kind == EVENT_USAGE) {
        for (int i = 0; i < EVENT_CLASSES; i++)
            ret->units += e->usage.tokens[i];
    } else {
        return false;
    }
    ret->key = holds_key(&l->holds, e->organization);
    return true;
}

static uint64_t
event_hash(const struct event *e)
{
    return hash_mem(e->id.data, e->id.size_bytes) | 1; /* 0: no event */
}

void
live_note(struct live *l, const struct event *e)
{
    struct live_effect effect = {.hold = NULL};
    if (!effect_of(l, e, &effect.use))
        return;
    if (e->hold.size_bytes > 0) {
        effect.hold = holds_find(&l->holds, e->organization, e->hold);
        effect.event_id = event_hash(e);
    }
    /* Messages are mostly of one organization. */
    if (effect.hold == NULL && l->pending.count > 0) {
        struct live_effect *last = (struct live_effect *)l->pending.items + l->pending.count - 1;
        if (last->hold == NULL && last->use.key == effect.use.key &&
            last->use.dimension == effect.use.dimension) {
            last->use.units += effect.use.units;
            if (last->use.time_utc_ms < effect.use.time_utc_ms)
                last->use.time_utc_ms = effect.use.time_utc_ms;
            return;
        }
    }
    l->pending_lost = !list_add(&l->pending, &effect) || l->pending_lost;
}

void
live_drop(struct live *l)
{
    l->pending.count = 0;
    l->pending_lost = false;
}

static void
release(struct live *l, struct hold *h, uint64_t settled_seq, uint64_t settled_by)
{
    struct delta_org *org = delta_find(&l->delta, h->key);
    if (org != NULL)
        org->held[h->dimension] -= h->units;
    holds_end(&l->holds, h, settled_seq, settled_by);
}

/* The hold ends in the same step as its actual use is counted.  False: it is a repetition. */
static bool
settle(struct live *l, const struct live_effect *e)
{
    if (hold_state(e->hold) == HOLD_ENDED)
        return e->hold->settled_by != e->event_id;
    if (hold_state(e->hold) == HOLD_HELD) {
        release(l, e->hold, e->use.seq, e->event_id);
        l->counts.settled++;
    }
    return true;
}

void
live_take(struct live *l, uint64_t event_count)
{
    struct live_effect *effects = l->pending.items;
    int64_t now_s = clock_monotonic_ms() / 1000;
    l->next_seq += event_count;
    for (size_t i = 0; i < l->pending.count; i++) {
        effects[i].use.seq = l->next_seq - 1; /* of the message's last event: a frame holds all */
        if ((effects[i].hold == NULL || settle(l, &effects[i])) && effects[i].use.units > 0)
            delta_add(&l->delta, &effects[i].use, now_s);
    }
    if (l->pending_lost)
        l->delta.lost_seq = l->next_seq - 1;
    live_drop(l);
}

/* ---- the beginning ---- */

/* Was it sent again, after it had settled its reservation? */
static bool
is_repeated(const struct live *l, const struct event *e, uint64_t seq)
{
    if (e->hold.size_bytes == 0)
        return false;
    const struct hold *h = holds_find(&l->holds, e->organization, e->hold);
    return h != NULL && hold_state(h) == HOLD_ENDED && seq > h->settled_seq &&
           h->settled_by == event_hash(e);
}

static void
replay_frame(struct live *l, const struct log_frame *frame)
{
    struct mp m = mp_of(frame->events);
    struct event e;
    struct event_defect defect;
    for (uint32_t i = 0; i < frame->event_count && event_read(&m, &e, &defect); i++) {
        struct delta_use use;
        if (!effect_of(l, &e, &use) || use.units == 0 || is_repeated(l, &e, frame->first_seq + i))
            continue;
        use.seq = frame->first_seq + frame->event_count - 1;
        delta_add(&l->delta, &use, frame->receive_utc_ms / 1000);
    }
}

/* From the floor to the log's end; next_seq is then where it ended. */
static void
replay(struct live *l)
{
    char path[FILE_PATH_BYTES_MAX];
    struct log_reader *reader = NULL;
    struct log_frame frame;
    struct err err = {.code = ERR_OK};
    bool more = true;
    int64_t until_ns = clock_monotonic_ns() + LIVE_REPLAY_NS;
    l->next_seq = l->delta.floor_seq + 1;
    enum err_code code = file_path(path, l->data, "log", &err);
    if (code == ERR_OK)
        code = log_reader_open(path, LOG_EVENTS, l->delta.floor_seq, &reader, &err);
    while (code == ERR_OK && more && clock_monotonic_ns() < until_ns) {
        code = log_reader_next(reader, &frame, &more, &err);
        if (code != ERR_OK || !more)
            break;
        replay_frame(l, &frame);
        l->next_seq = frame.first_seq + frame.event_count;
    }
    log_reader_close(reader);
}

static void
take_over_holds(struct live *l)
{
    for (int i = 0; i < HOLDS_MAX; i++) {
        struct hold *h = &l->holds.all[i];
        if (hold_state(h) != HOLD_HELD)
            continue;
        struct delta_org *org = delta_take(&l->delta, h->key);
        if (org != NULL)
            org->held[h->dimension] += h->units;
        else
            holds_drop(&l->holds, h);
    }
}

enum err_code
live_open(struct live *l, const char *data, struct clock clock, struct err *err)
{
    *l = (struct live){.data = data, .clock = clock};
    list_init(&l->pending, sizeof(struct live_effect));
    if (!delta_init(&l->delta))
        return err_set(err, ERR_LIMIT, "no memory for the live limits");
    enum err_code code = holds_open(&l->holds, data, err);
    if (code != ERR_OK)
        return code;
    follow_tables(l);
    see_floor(l);
    if (l->tables != NULL)
        replay(l);
    return ERR_OK;
}

void
live_start(struct live *l, uint64_t next_seq)
{
    if (l->next_seq != next_seq)
        l->delta.lost_seq = next_seq - 1; /* some of the log was not read */
    l->next_seq = next_seq;
    holds_take_over(&l->holds, next_seq);
    take_over_holds(l);
    if (!l->holds.is_file)
        log_line(LOG_LEVEL_WARN, "holds_not_kept",
                 "reason=\"the disk has no room for the file of reservations: they end with this "
                 "agent\"");
    if (l->holds.discarded > 0)
        log_line(LOG_LEVEL_WARN, "holds_damaged",
                 "discarded=%" PRIu64 " reason=\"the file of reservations was damaged\"",
                 l->holds.discarded);
}

void
live_close(struct live *l)
{
    tables_close(l->tables);
    holds_close(&l->holds);
    delta_clear(&l->delta);
    list_clear(&l->pending);
}

/* ---- answers ---- */

/* What an answer needs of the snapshot, copied out of the map. */
struct standing_now {
    struct allowance row;
    uint64_t since; /* used behind the snapshot, in credits or things */
    bool paused;    /* by the organization's budget */
    char plan[EVENT_TEXT_BYTES_MAX + 1], upgrade[EVENT_TEXT_BYTES_MAX + 1];
    char pause[BUDGET_PAUSE_REASON_BYTES_MAX + 1];
};

static void
copy_text(struct str from, char *to, size_t bytes_max)
{
    size_t n = from.size_bytes < bytes_max ? from.size_bytes : bytes_max;
    if (n > 0)
        memcpy(to, from.data, n);
    to[n] = '\0';
}

static uint64_t
credits_of(uint64_t tokens, uint64_t weight)
{
    money_sum micro = (money_sum)tokens * (int64_t)weight + (int64_t)(ALLOWANCE_WEIGHT_ONE - 1);
    money_sum credits = micro / (int64_t)ALLOWANCE_WEIGHT_ONE;
    return credits < INT64_MAX ? (uint64_t)credits : INT64_MAX;
}

/* NULL, or why nothing can be said. */
static const char *
look_up(struct live *l, const struct question *q, int64_t now_ms, struct standing_now *ret)
{
    static const char nothing[] = "gbill limits has not run yet: nothing is known of any limit";
    struct tables_txn *txn;
    struct budget_pause pause;
    uint32_t number = 0;
    if (!begin_reading(l, &txn))
        return nothing;
    struct allowance *row = &ret->row;
    bool numbered = dict_find(txn, q->organization, &number) && number != 0;
    bool found = (numbered && allowance_get(txn, number, row)) || allowance_get(txn, 0, row);
    if (found) {
        copy_text(row->plan, ret->plan, sizeof ret->plan - 1);
        copy_text(row->upgrade[q->dimension], ret->upgrade, sizeof ret->upgrade - 1);
        ret->paused = numbered && q->dimension == LIMIT_AI_CREDITS &&
                      budget_pause_get(txn, number, time_month(now_ms), &pause);
        if (ret->paused)
            copy_text(pause.reason, ret->pause, sizeof ret->pause - 1);
    }
    tables_abort(txn);
    if (!found)
        return nothing;
    if (l->delta.lost_seq > row->position)
        return "not all that came since the last run of gbill limits could be counted: run it";
    return NULL;
}

/* Of the period that now lies in: the snapshot's may be over. */
static void
add_since(const struct delta_org *org, const struct question *q, int64_t now_ms,
          struct standing_now *s)
{
    struct allowance *row = &s->row;
    int64_t from_ms = INT64_MIN;
    if (q->dimension == LIMIT_AI_CREDITS && row->period_end_ms > row->period_start_ms) {
        if (now_ms >= row->period_end_ms) {
            row->used[q->dimension] = 0;
            row->period_start_ms = row->period_end_ms;
            row->period_end_ms = 0; /* the next run tells */
        }
        from_ms = row->period_start_ms;
    }
    s->since = delta_since(org, row->position, from_ms, q->dimension);
    if (q->dimension == LIMIT_AI_CREDITS)
        s->since = credits_of(s->since, row->weight);
}

static const char *
noun_of(enum limit_dimension dimension)
{
    static const char *const nouns[LIMIT_DIMENSIONS] = {"projects", "documents", "AI credits",
                                                        "members"};
    return nouns[dimension];
}

static void
say_why(const struct question *q, const struct standing_now *s, uint64_t units, struct answer *a)
{
    char *p = a->reason, *end = p + sizeof a->reason;
    if (s->paused) {
        snprintf(p, sizeof a->reason, "%s", s->pause);
        return;
    }
    if (a->limit == LIMIT_UNLIMITED)
        p += snprintf(p, (size_t)(end - p), "%" PRIu64 " %s used, unlimited", a->used,
                      noun_of(q->dimension));
    else
        p += snprintf(p, (size_t)(end - p), "%" PRIu64 " of %" PRIu64 " %s used", a->used, a->limit,
                      noun_of(q->dimension));
    if (a->held > 0)
        p += snprintf(p, (size_t)(end - p), ", %" PRIu64 " reserved", a->held);
    if (!a->allowed)
        p += snprintf(p, (size_t)(end - p), "; %" PRIu64 " more is beyond the plan %s", units,
                      s->plan);
    if (s->row.status == STANDING_PAUSED)
        p += snprintf(p, (size_t)(end - p), ", the subscription is paused");
    if (a->upgrade != NULL)
        snprintf(p, (size_t)(end - p), "; the plan %s has more", a->upgrade);
}

/* As gbill limits would, of now. */
static void
judge(struct live *l, const struct question *q, struct standing_now *s, uint64_t *ret_units,
      struct answer *a)
{
    int64_t now_ms = clock_now_ms(&l->clock);
    const char *unknown = look_up(l, q, now_ms, s);
    *a = (struct answer){.state = "unknown",
                         .limit = LIMIT_UNLIMITED,
                         .requests_per_minute = LIMIT_UNLIMITED,
                         .tokens_per_minute = LIMIT_UNLIMITED};
    *ret_units = 0;
    if (unknown != NULL) {
        snprintf(a->reason, sizeof a->reason, "%s", unknown);
        l->counts.unknown++;
        return;
    }
    enum limit_dimension d = q->dimension;
    const struct delta_org *org = delta_find(&l->delta, holds_key(&l->holds, q->organization));
    add_since(org, q, now_ms, s);
    const struct allowance *row = &s->row;
    uint64_t units = d == LIMIT_AI_CREDITS ? credits_of(q->amount, row->weight) : q->amount;
    a->known = true;
    a->used = row->used[d] + s->since;
    a->held = org != NULL ? org->held[d] : 0;
    a->limit = row->limit[d];
    a->plan = s->plan;
    a->reset_ms = d == LIMIT_AI_CREDITS ? row->period_end_ms : 0;
    a->position = row->position;
    a->requests_per_minute = row->requests_per_minute;
    a->tokens_per_minute = row->tokens_per_minute;
    uint64_t taken = a->used + a->held;
    bool fits = a->limit == LIMIT_UNLIMITED || row->soft[d] ||
                (taken <= a->limit && units <= a->limit - taken);
    a->allowed = fits && !s->paused;
    a->state = s->paused ? "paused" : fits ? "ok" : "refused";
    if (!fits && !s->paused && s->upgrade[0] != '\0')
        a->upgrade = s->upgrade;
    say_why(q, s, units, a);
    l->counts.refused += !a->allowed;
    *ret_units = units;
}

/* The same id again is the same reservation. */
static void
reserve(struct live *l, const struct question *q, uint64_t units, struct answer *a)
{
    int64_t now_ms = clock_monotonic_ms();
    struct hold *h = holds_find(&l->holds, q->organization, q->hold);
    if (h != NULL) {
        a->allowed = hold_state(h) == HOLD_HELD;
        a->state = a->allowed ? "held" : "ended";
        a->expires_in_ms = a->allowed && h->expires_ms > now_ms ? h->expires_ms - now_ms : 0;
        return;
    }
    if (!a->allowed)
        return;
    struct delta_org *org = delta_take(&l->delta, holds_key(&l->holds, q->organization));
    h = org == NULL ? NULL
                    : holds_place(&l->holds, q->organization, q->hold, q->dimension, units,
                                  now_ms + q->life_ms);
    if (h == NULL) {
        a->allowed = false;
        a->state = "full";
        snprintf(a->reason, sizeof a->reason,
                 "the agent has no room for another reservation (%" PRIu64
                 " of at most %d are held); try again when some have ended",
                 l->holds.count, HOLDS_MAX);
        l->counts.refused++;
        return;
    }
    org->held[q->dimension] += units;
    a->held += units;
    a->state = "held";
    a->expires_in_ms = q->life_ms;
}

static void
answer_release(struct live *l, const struct question *q, struct answer *a)
{
    struct hold *h = holds_find(&l->holds, q->organization, q->hold);
    bool held = h != NULL && hold_state(h) == HOLD_HELD;
    *a = (struct answer){.allowed = true, .known = true, .limit = LIMIT_UNLIMITED};
    a->requests_per_minute = a->tokens_per_minute = LIMIT_UNLIMITED;
    a->state = held ? "released" : h != NULL ? "ended" : "none";
    if (held) {
        release(l, h, 0, 0);
        l->counts.released++;
    }
}

size_t
live_answer(struct live *l, const struct question *q, uint8_t out[ANSWER_BYTES_MAX])
{
    struct standing_now s;
    struct answer a;
    uint64_t units;
    if (q->op == QUESTION_RELEASE) {
        answer_release(l, q, &a);
    } else {
        judge(l, q, &s, &units, &a);
        l->counts.checks += q->op == QUESTION_CHECK;
        l->counts.reserves += q->op == QUESTION_RESERVE;
        if (q->op == QUESTION_RESERVE)
            reserve(l, q, units, &a);
    }
    return q->chunk.id.size_bytes > 0 ? answer_write(q, &a, out) : 0;
}

/* ---- time ---- */

int64_t
live_due_ms(const struct live *l)
{
    return l->holds.count > 0 ? l->look_ms : 0;
}

static void
expire(struct live *l, int64_t now_ms)
{
    for (int i = 0; i < HOLDS_MAX; i++) {
        struct hold *h = &l->holds.all[i];
        if (hold_state(h) == HOLD_FREE || h->expires_ms > now_ms)
            continue;
        if (hold_state(h) == HOLD_HELD) {
            release(l, h, 0, 0);
            l->counts.expired++;
        }
        holds_drop(&l->holds, h);
    }
}

void
live_on_time(struct live *l, int64_t now_ms)
{
    if (now_ms < l->look_ms)
        return;
    l->look_ms = now_ms + LIVE_LOOK_MS;
    follow_tables(l);
    see_floor(l);
    expire(l, now_ms);
}
