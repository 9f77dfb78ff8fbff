#include "ingest/live/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/file.h"
#include "store/base/log.h"
#include "store/base/time.h"
#include "store/log/reader.h"
#include "store/tables/allowance.h"
#include "store/tables/budget_pause.h"
#include "store/tables/dict.h"

#define LIVE_LOOK_MS ((int64_t)1000) /* between two looks at the tables' file and the holds */
#define LIVE_REPLAY_NS ((int64_t)2000 * 1000 * 1000)

enum {
    SWEEP_ROWS = 256, /* in one turn of the agent's loop: half a millisecond */
    SWEEP_SHARE = 20, /* of the time one is under way at most, if the tables change all the time */
};

static const char nothing_known[] = "gbill limits has not run yet: nothing is known of any limit";

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
    poster_clear(&l->poster);
    l->sweep = (struct live_sweep){.is_on = false};
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

static uint64_t
read_floor(struct live *l)
{
    struct tables_txn *txn;
    struct allowance row;
    uint64_t floor_seq = l->delta.floor_seq;
    if (!begin_reading(l, &txn))
        return floor_seq;
    if (allowance_get(txn, 0, &row))
        floor_seq = row.position;
    tables_abort(txn);
    return floor_seq;
}

/* ---- what is known of an organization ---- */

static void
copy_text(struct str from, char *to, size_t bytes_max)
{
    size_t n = from.size_bytes < bytes_max ? from.size_bytes : bytes_max;
    if (n > 0)
        memcpy(to, from.data, n);
    to[n] = '\0';
}

/* Credits count in the period that now lies in: the snapshot's may be over. */
static void
set_period(const struct allowance *row, int64_t now_ms, struct board_row *ret)
{
    int32_t month = time_month(now_ms); /* a budget's pause is over with it */
    bool has_period = row->period_end_ms > row->period_start_ms;
    bool is_over = has_period && now_ms >= row->period_end_ms;
    ret->valid_from_ms = time_month_start_ms(month);
    ret->valid_until_ms = time_month_start_ms(month + 1);
    ret->count_from_ms = has_period ? row->period_start_ms : INT64_MIN;
    ret->reset_ms = row->period_end_ms;
    if (is_over) {
        ret->base[LIMIT_AI_CREDITS] = 0;
        ret->count_from_ms = row->period_end_ms;
        ret->reset_ms = 0; /* the next run tells */
        if (ret->valid_from_ms < row->period_end_ms)
            ret->valid_from_ms = row->period_end_ms;
    } else if (has_period && ret->valid_until_ms > row->period_end_ms) {
        ret->valid_until_ms = row->period_end_ms;
    }
}

static void
set_row(const struct allowance *row, int64_t now_ms, struct board_row *ret)
{
    ret->position = row->position;
    ret->requests_per_minute = row->requests_per_minute;
    ret->tokens_per_minute = row->tokens_per_minute;
    ret->weight = row->weight;
    ret->is_suspended = row->status == STANDING_PAUSED;
    copy_text(row->plan, ret->plan, EVENT_TEXT_BYTES_MAX);
    for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
        ret->base[d] = row->used[d];
        ret->limit[d] = row->limit[d];
        ret->soft[d] = row->soft[d];
        copy_text(row->upgrade[d], ret->upgrade[d], EVENT_TEXT_BYTES_MAX);
    }
    set_period(row, now_ms, ret);
}

/* What counts of a dimension beside the snapshot.  Once, not wherever it is called: it is large. */
static __attribute__((noinline)) struct poster_count
count(const struct delta_org *org, uint64_t position, int64_t from_ms, enum limit_dimension d)
{
    return (struct poster_count){
        .dimension = d,
        .since = delta_since(org, position, d == LIMIT_AI_CREDITS ? from_ms : INT64_MIN, d),
        .held = org != NULL ? org->held[d] : 0,
    };
}

/* NULL, or why nothing can be said.  Small rather than fast: beside it stands a wait for a socket. */
static __attribute__((cold)) const char *
know(const struct live *l, struct tables_txn *txn, struct str organization, int64_t now_ms,
     struct board_row *ret)
{
    struct allowance row;
    struct budget_pause pause;
    uint32_t number = 0;
    bool numbered = dict_find(txn, organization, &number) && number != 0;
    *ret = (struct board_row){.key = holds_key(&l->holds, organization),
                              .organization_bytes = (uint8_t)organization.size_bytes};
    memcpy(ret->organization, organization.data, organization.size_bytes);
    if (!(numbered && allowance_get(txn, number, &row)) && !allowance_get(txn, 0, &row))
        return nothing_known;
    if (l->delta.lost_seq > row.position)
        return "not all that came since the last run of gbill limits could be counted: run it";
    set_row(&row, now_ms, ret);
    ret->is_paused = numbered && budget_pause_get(txn, number, time_month(now_ms), &pause);
    if (ret->is_paused)
        copy_text(pause.reason, ret->pause, BUDGET_PAUSE_REASON_BYTES_MAX);
    const struct delta_org *org = delta_find(&l->delta, ret->key);
    for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
        struct poster_count c =
            count(org, ret->position, ret->count_from_ms, (enum limit_dimension)d);
        ret->since[d] = c.since;
        ret->held[d] = c.held;
    }
    return NULL;
}

/* ---- the board ---- */

static size_t
place_of(const struct live *l, const struct delta_org *org)
{
    return (size_t)(org - l->delta.orgs);
}

static void
post(struct live *l, const struct board_row *row)
{
    if (l->poster.board == NULL)
        return;
    const struct delta_org *org = delta_take(&l->delta, row->key);
    if (org != NULL)
        poster_put(&l->poster, place_of(l, org), row);
}

static void
take_down(struct live *l, struct str organization)
{
    const struct delta_org *org = delta_find(&l->delta, holds_key(&l->holds, organization));
    if (org != NULL)
        poster_remove(&l->poster, place_of(l, org));
}

/* Something of it is another now, of one dimension or two: in the step in which the next answer
   would be. */
static void
repost(struct live *l, const struct delta_org *org, enum limit_dimension d,
       enum limit_dimension also)
{
    struct poster_count counts[2];
    uint64_t position;
    int64_t from_ms;
    if (org == NULL || !poster_has(&l->poster, place_of(l, org)))
        return;
    poster_basis(&l->poster, place_of(l, org), &position, &from_ms);
    counts[0] = count(org, position, from_ms, d);
    if (also != d)
        counts[1] = count(org, position, from_ms, also);
    poster_count(&l->poster, place_of(l, org), counts, also != d ? 2 : 1);
}

int
live_board(struct live *l)
{
    struct err err;
    if (l->poster.board == NULL && poster_open(&l->poster, l->holds.secret, &err) == ERR_OK) {
        l->delta.poster = &l->poster;
        l->beat_ms = 0;
        live_on_time(l, clock_monotonic_ms());
    }
    return l->poster.board != NULL ? l->poster.fd : -1;
}

void
live_end(struct live *l)
{
    poster_beat(&l->poster, 0);
    l->is_over = true;
}

/* The jobs changed the tables: read every row anew, some at a time.  What an older snapshot has not
   is forgotten only when no row is of it any more. */
static void
sweep(struct live *l, int64_t now_ms)
{
    struct live_sweep *s = &l->sweep;
    struct tables_txn *txn;
    struct board_row was, is;
    int64_t now_utc_ms = clock_now_ms(&l->clock);
    int left = SWEEP_ROWS;
    if (!begin_reading(l, &txn)) {
        poster_clear(&l->poster);
        *s = (struct live_sweep){.due_ms = now_ms + LIVE_LOOK_MS};
        return;
    }
    for (; s->next < BOARD_ROWS && left > 0; s->next++) {
        if (!poster_has(&l->poster, s->next))
            continue;
        left--;
        poster_get(&l->poster, s->next, &was);
        struct str organization = {was.organization, was.organization_bytes};
        if (know(l, txn, organization, now_utc_ms, &is) == NULL)
            poster_put(&l->poster, s->next, &is);
        else
            poster_remove(&l->poster, s->next);
    }
    tables_abort(txn);
    s->is_on = s->next < BOARD_ROWS;
    if (s->is_on)
        return;
    l->delta.floor_seq = s->floor_seq;
    s->due_ms = now_ms + BOARD_BEAT_MS + (now_ms - s->begun_ms) * SWEEP_SHARE;
}

static void
tend_board(struct live *l, int64_t now_ms)
{
    struct live_sweep *s = &l->sweep;
    if (now_ms >= l->beat_ms + BOARD_BEAT_MS) {
        poster_beat(&l->poster, now_ms);
        l->beat_ms = now_ms;
    }
    if (l->tables == NULL)
        return;
    uint64_t commit = tables_last_commit(l->tables);
    if (!s->is_on && commit != s->commit && now_ms >= s->due_ms)
        *s = (struct live_sweep){
            .is_on = true, .commit = commit, .floor_seq = read_floor(l), .begun_ms = now_ms};
    if (s->is_on)
        sweep(l, now_ms);
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

/* Returns whose it was. */
static struct delta_org *
end_hold(struct live *l, struct hold *h, uint64_t settled_seq, uint64_t settled_by)
{
    struct delta_org *org = delta_find(&l->delta, h->key);
    if (org != NULL)
        org->held[h->dimension] -= h->units;
    holds_end(&l->holds, h, settled_seq, settled_by);
    return org;
}

static void
release(struct live *l, struct hold *h)
{
    enum limit_dimension d = (enum limit_dimension)h->dimension;
    repost(l, end_hold(l, h, 0, 0), d, d);
}

/* The hold ends in the same step as its actual use is counted.  False: it is a repetition. */
static bool
settle(struct live *l, const struct live_effect *e, struct delta_org **ret_org)
{
    if (hold_state(e->hold) == HOLD_ENDED)
        return e->hold->settled_by != e->event_id;
    if (hold_state(e->hold) == HOLD_HELD) {
        *ret_org = end_hold(l, e->hold, e->use.seq, e->event_id);
        l->counts.settled++;
    }
    return true;
}

static void
take_effect(struct live *l, const struct live_effect *e, int64_t now_s)
{
    struct delta_org *org = NULL;
    enum limit_dimension held = e->use.dimension;
    if (e->hold != NULL) {
        held = (enum limit_dimension)e->hold->dimension;
        if (!settle(l, e, &org))
            return;
    }
    if (e->use.units > 0)
        org = delta_add(&l->delta, &e->use, now_s);
    repost(l, org, e->use.dimension, held);
}

void
live_take(struct live *l, uint64_t event_count)
{
    struct live_effect *effects = l->pending.items;
    int64_t now_s = clock_monotonic_ms() / 1000;
    uint64_t lost_seq = l->delta.lost_seq;
    l->next_seq += event_count;
    for (size_t i = 0; i < l->pending.count; i++) {
        effects[i].use.seq = l->next_seq - 1; /* of the message's last event: a frame holds all */
        take_effect(l, &effects[i], now_s);
    }
    if (l->pending_lost)
        l->delta.lost_seq = l->next_seq - 1;
    if (l->delta.lost_seq != lost_seq)
        poster_clear(&l->poster); /* nothing is known any more */
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
        (void)delta_add(&l->delta, &use, frame->receive_utc_ms / 1000);
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
    int ended = 0;
    for (int i = 0; i < HOLDS_MAX; i++) {
        struct hold *h = &l->holds.all[i];
        if (hold_state(h) != HOLD_HELD)
            continue;
        struct delta_org *org = delta_take(&l->delta, h->key);
        if (org != NULL) {
            org->held[h->dimension] += h->units;
            continue;
        }
        holds_drop(&l->holds, h);
        ended++;
    }
    if (ended > 0)
        log_line(LOG_LEVEL_WARN, "holds_ended",
                 "count=%d reason=\"more organizations are in use than are kept in mind: these "
                 "reservations count no longer\"",
                 ended);
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
    l->delta.floor_seq = read_floor(l);
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
    poster_close(&l->poster);
    tables_close(l->tables);
    holds_close(&l->holds);
    delta_clear(&l->delta);
    list_clear(&l->pending);
}

/* ---- answers ---- */

/* As the client does that finds it on the board, where it is from now on. */
static void
answer_check(struct live *l, const struct question *q, struct board_row *row, struct answer *a)
{
    struct tables_txn *txn;
    const char *unknown = nothing_known;
    if (begin_reading(l, &txn)) {
        unknown = know(l, txn, q->organization, clock_now_ms(&l->clock), row);
        tables_abort(txn);
    }
    if (unknown == NULL) {
        post(l, row);
        judge_row(row, q->dimension, q->amount, a);
        l->counts.refused += !a->allowed;
        return;
    }
    take_down(l, q->organization);
    *a = (struct answer){.state = "unknown",
                         .limit = LIMIT_UNLIMITED,
                         .requests_per_minute = LIMIT_UNLIMITED,
                         .tokens_per_minute = LIMIT_UNLIMITED};
    snprintf(a->reason, sizeof a->reason, "%s", unknown);
    l->counts.unknown++;
}

/* The same id again is the same reservation.  It was let in by its amount; from now on it counts with
   its bound. */
static void
reserve(struct live *l, const struct question *q, struct board_row *row, struct answer *a)
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
    uint64_t units = judge_units(row, q->dimension, q->bound);
    struct delta_org *org = delta_take(&l->delta, row->key);
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
    repost(l, org, q->dimension, q->dimension);
    row->held[q->dimension] += units;
    a->held = judge_held(row, q->dimension, a->used);
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
        release(l, h);
        l->counts.released++;
    }
}

/* The agent's code is kept small: this is for size, not for speed. */
static __attribute__((cold)) void
say_answer(const struct question *q, const struct answer *a)
{
    log_line(LOG_LEVEL_DEBUG, "live",
             "op=%d org=\"%.*s\" dimension=%d amount=%" PRIu64 " used=%" PRIu64 " held=%" PRIu64
             " limit=%" PRIu64 " position=%" PRIu64 " state=%s",
             (int)q->op, STR_ARG(q->organization), (int)q->dimension, q->amount, a->used, a->held,
             a->limit, a->position, a->state);
}

size_t
live_answer(struct live *l, const struct question *q, uint8_t out[ANSWER_BYTES_MAX])
{
    struct board_row row;
    struct answer a;
    if (q->op == QUESTION_RELEASE) {
        answer_release(l, q, &a);
    } else {
        answer_check(l, q, &row, &a);
        l->counts.checks += q->op == QUESTION_CHECK;
        l->counts.reserves += q->op == QUESTION_RESERVE;
        if (q->op == QUESTION_RESERVE)
            reserve(l, q, &row, &a);
    }
    if (log_debugs())
        say_answer(q, &a);
    return q->chunk.id.size_bytes > 0 ? answer_write(q, &a, out) : 0;
}

/* ---- time ---- */

int64_t
live_due_ms(const struct live *l)
{
    int64_t due_ms = l->holds.count > 0 ? l->look_ms : 0;
    if (l->poster.board == NULL || l->is_over)
        return due_ms;
    return l->sweep.is_on ? 1 : clock_earlier(due_ms, l->beat_ms + BOARD_BEAT_MS);
}

static void
expire(struct live *l, int64_t now_ms)
{
    for (int i = 0; i < HOLDS_MAX; i++) {
        struct hold *h = &l->holds.all[i];
        if (hold_state(h) == HOLD_FREE || h->expires_ms > now_ms)
            continue;
        if (hold_state(h) == HOLD_HELD) {
            release(l, h);
            l->counts.expired++;
        }
        holds_drop(&l->holds, h);
    }
}

void
live_on_time(struct live *l, int64_t now_ms)
{
    bool is_looking = now_ms >= l->look_ms;
    if (is_looking) {
        l->look_ms = now_ms + LIVE_LOOK_MS;
        follow_tables(l);
        expire(l, now_ms);
    }
    if (l->poster.board != NULL && !l->is_over)
        tend_board(l, now_ms);
    else if (is_looking)
        l->delta.floor_seq = read_floor(l);
}
