/*
 * Random histories of questions, events, expiries, limits that change, runs of the
 * jobs and kills, beside a model that knows what must be told: after every step, of
 * every organization, used + held + remaining = limit, what is allowed is what fits, and
 * what goes beyond the limit is what one call was larger than its estimate.  Time stands
 * still but for the steps that move it.
 *
 * GBILL_HISTORY_SEED=N begins with that seed; GBILL_HISTORY_S=N goes on for so long.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allowances.h"
#include "ingest/client/limit_message.h"
#include "ingest/client/local.h"
#include "ingest/live/live.h"
#include "store/log/writer.h"
#include "tests/ingest/answers.h"
#include "tests/ingest/standing.h"
#include "tests/ingest/wire.h"
#include "tests/support/record.h"

enum { ORGS = 3, IDS = 12, STEPS = 400, LIMIT = 1000, DIMENSIONS = 2, RECENT = 8 };

#define NOON_MS ((int64_t)20781 * 86400000 + 43200000)
#define NS_PER_MS ((int64_t)1000000)

/* ---- the model ---- */

static const enum limit_dimension dimensions[DIMENSIONS] = {LIMIT_AI_CREDITS, LIMIT_PROJECTS};

struct model_hold {
    enum hold_state state;
    int d;
    uint64_t estimate, bound;
    uint64_t settled_by; /* the event's number; 0: none */
    int64_t expires_ms;
    bool was_repeated; /* the event that settled it came again */
};

struct model_org {
    uint64_t folded[DIMENSIONS]; /* in the snapshot */
    uint64_t since[DIMENSIONS];  /* told behind it: a repetition without a hold counts again */
    uint64_t once[DIMENSIONS];   /* of that, what the fold will count */
    uint64_t limit[DIMENSIONS];
    int last[DIMENSIONS]; /* who was let in last: his hold's place + 1; 0: nobody */

    /* What may be used at most: the limit when he was let in, and since then by how much his event was
       larger than estimated, all events than their bounds, and what nothing was reserved for. */
    uint64_t ceiling[DIMENSIONS];
    struct model_hold holds[IDS];
};

struct sent {
    uint64_t number, units;
    int org, d, hold; /* hold -1: none */
};

struct model {
    struct model_org orgs[ORGS];
    struct sent recent[RECENT];
    uint64_t event_count, position;
    bool is_exact;     /* else too much may be told: a repetition is counted, ... */
    bool is_forgetful; /* ... as it will be at the next start */
};

static char dir[64];
static uint64_t seed;
static struct live live;
static struct local local;     /* a client with the agent's board */
static bool is_known_to[ORGS]; /* the agent was asked about it */
static struct log_writer *writer;
static struct model model;
static int step;
static const char *doing;

static uint64_t
roll(uint64_t below)
{
    return random_next(&seed) % below;
}

static uint64_t
held_of(const struct model_org *o, int d)
{
    uint64_t sum = 0;
    for (int i = 0; i < IDS; i++)
        sum += o->holds[i].state == HOLD_HELD && o->holds[i].d == d ? o->holds[i].bound : 0;
    return sum;
}

/* Of all that is held, what is told: the limit has no more. */
static uint64_t
told_of(uint64_t limit, uint64_t used, uint64_t held)
{
    if (used >= limit)
        return 0;
    return used + held > limit ? limit - used : held;
}

/* ---- the agent's side ---- */

static void
open_all(void)
{
    struct err err = {.code = ERR_OK};
    char path[96];
    snprintf(path, sizeof path, "%s/log", dir);
    cr_assert_eq(live_open(&live, dir, clock_fixed(NOON_MS), &err), ERR_OK, "%s", err.text);
    cr_assert_eq(log_writer_open(path, &writer, &err), ERR_OK, "%s", err.text);
    live_start(&live, log_writer_next_seq(writer, LOG_EVENTS));
    memset(is_known_to, 0, sizeof is_known_to);
    local = (struct local){.board = NULL};
    cr_assert(local_init(&local));
    local_take(&local, dup(live_board(&live)));
    cr_assert_not_null(local.board);
}

/* As kill -9 leaves it: what is in the map and in the log stays, and nothing else. */
static void
close_all(void)
{
    live_close(&live);
    local_clear(&local, true);
    log_writer_close(writer);
}

static void
name_org(int org, char text[16])
{
    snprintf(text, 16, "org-%d", org);
}

static struct gbill_limit_answer
ask(enum question_op op, int org, int d, int hold, uint64_t units, uint64_t bound, int64_t life_ms)
{
    char name[16], id[16];
    uint8_t out[ANSWER_BYTES_MAX];
    struct gbill_limit_answer a;
    struct err err;
    name_org(org, name);
    snprintf(id, sizeof id, "h%d", hold);
    const struct question q = {.op = op,
                               .dimension = dimensions[d],
                               .organization = str_of(name),
                               .hold = op == QUESTION_CHECK ? (struct str){0} : str_of(id),
                               .amount = units,
                               .bound = bound,
                               .life_ms = life_ms,
                               .chunk = {.id = {(const uint8_t *)"c", 1}}};
    size_t n = live_answer(&live, &q, out);
    cr_assert_eq(limit_message_read((struct bytes){out, n}, &a, &err), ERR_OK, "%s", err.text);
    return a;
}

/* The agent's answer to a check, which is in every field what a client says from the board. */
static struct gbill_limit_answer
ask_both(int org, int d, uint64_t units)
{
    static const char *const actions[DIMENSIONS] = {"ai", "project"};
    struct gbill_limit_answer a, b;
    char name[16];
    name_org(org, name);
    const struct gbill_limit_question q = {
        .organization_id = name, .action = actions[d], .tokens = units};
    bool found = local_answer(&local, &q, NOON_MS, standing_ns / NS_PER_MS, &b);
    cr_assert_eq(found, is_known_to[org], "%d after %s: the board %s", step, doing,
                 found ? "tells of what nobody asked" : "has lost it");
    a = ask(QUESTION_CHECK, org, d, 0, units, units, 1);
    if (found)
        answers_match(&b, &a, doing, step);
    cr_assert(local_answer(&local, &q, NOON_MS, standing_ns / NS_PER_MS, &b));
    answers_match(&b, &a, doing, step);
    is_known_to[org] = true;
    return a;
}

static void
take_event(const struct sent *s, bool reaches_the_log)
{
    char name[16], id[24], hold[16];
    struct wire w;
    struct buf stored;
    struct event e;
    struct event_defect defect;
    struct err err;
    name_org(s->org, name);
    snprintf(id, sizeof id, "e-%" PRIu64, s->number);
    snprintf(hold, sizeof hold, "h%d", s->hold);
    bool is_use = dimensions[s->d] == LIMIT_AI_CREDITS;
    wire_init(&w);
    msgpack_pack_map(&w.pk, (is_use ? 8u : 5u) + (s->hold >= 0 ? 1u : 0u));
    wire_text_pair(&w, "id", id);
    wire_text_pair(&w, "organizationId", name);
    if (s->hold >= 0)
        wire_text_pair(&w, "hold", hold);
    if (is_use) {
        wire_text_pair(&w, "userId", "u");
        wire_text_pair(&w, "type", "chat");
        wire_text_pair(&w, "provider", "openai");
        wire_text_pair(&w, "model", "gpt-4o-mini");
        wire_text(&w, "inputTokens");
        msgpack_pack_uint64(&w.pk, s->units);
        wire_text(&w, "outputTokens");
        msgpack_pack_uint64(&w.pk, 0);
    } else {
        wire_text_pair(&w, "resource", "project");
        wire_text_pair(&w, "resourceId", id);
        wire_text_pair(&w, "action", "created");
    }
    cr_assert(
        event_parse(is_use ? EVENT_USAGE : EVENT_RESOURCE, wire_bytes(&w), NOON_MS, &e, &defect),
        "%s", defect.text);
    live_note(&live, &e);
    live_take(&live, 1);
    buf_init(&stored, 1 << 16);
    cr_assert(event_store(&e, &stored));
    const struct log_part parts[LOG_STREAMS] = {
        [LOG_EVENTS] = {{stored.data, stored.size_bytes}, 1}};
    if (reaches_the_log)
        cr_assert_eq(log_writer_append(writer, NOON_MS, parts, &err), ERR_OK, "%s", err.text);
    buf_clear(&stored);
    wire_clear(&w);
}

/* ---- steps: each on both sides ---- */

static void
do_reserve(void)
{
    int org = (int)roll(ORGS), hold = (int)roll(IDS), d = roll(4) == 0;
    struct model_org *o = &model.orgs[org];
    struct model_hold *h = &o->holds[hold];
    uint64_t units = d == 1 ? 1 : 1 + roll(roll(4) == 0 ? LIMIT : LIMIT / 8);
    uint64_t bound = units + (d == 0 && roll(3) != 0 ? roll(LIMIT / 2) : 0);
    int64_t life_ms = 1 + (int64_t)roll(roll(2) == 0 ? 5000 : 3600000);
    uint64_t before = held_of(o, d);
    struct gbill_limit_answer a = ask(QUESTION_RESERVE, org, d, hold, units, bound, life_ms);
    is_known_to[org] = true;
    if (h->state == HOLD_FREE) {
        uint64_t taken = a.used + before;
        bool fits = taken <= o->limit[d] && units <= o->limit[d] - taken;
        cr_expect_eq(a.allowed, fits, "%d: %s", step, a.reason);
        cr_expect_str_eq(a.state, fits ? "held" : "refused", "%d", step);
        if (fits) {
            *h = (struct model_hold){.state = HOLD_HELD,
                                     .d = d,
                                     .estimate = units,
                                     .bound = bound,
                                     .expires_ms = standing_ns / NS_PER_MS + life_ms};
            o->last[d] = hold + 1;
            o->ceiling[d] = o->limit[d];
        }
        cr_expect_eq(a.held, told_of(a.limit, a.used, held_of(o, d)), "%d: %s", step, a.reason);
        if (a.used <= a.limit)
            cr_expect_eq(a.used + a.held + a.remaining, a.limit, "%d: %s", step, a.reason);
    } else {
        cr_expect_eq(a.allowed, h->state == HOLD_HELD, "%d: the same again", step);
        cr_expect_str_eq(a.state, h->state == HOLD_HELD ? "held" : "ended", "%d", step);
    }
}

static void
do_release(void)
{
    int org = (int)roll(ORGS), hold = (int)roll(IDS);
    struct model_hold *h = &model.orgs[org].holds[hold];
    struct gbill_limit_answer a = ask(QUESTION_RELEASE, org, 0, hold, 1, 1, 1);
    cr_expect_str_eq(a.state,
                     h->state == HOLD_HELD    ? "released"
                     : h->state == HOLD_ENDED ? "ended"
                                              : "none",
                     "%d", step);
    if (h->state == HOLD_HELD)
        h->state = HOLD_ENDED;
}

/* By how much more than its reservation was let in with it may be used. */
static uint64_t
surplus_of(const struct model_org *o, const struct sent *s, const struct model_hold *h)
{
    if (h == NULL || h->state != HOLD_HELD)
        return s->units;
    bool is_last = o->last[s->d] == s->hold + 1;
    uint64_t promised = is_last ? h->estimate : h->bound;
    return s->units > promised ? s->units - promised : 0;
}

/* What an event does, seen for the first time or again. */
static void
count_event(const struct sent *s, bool is_new)
{
    struct model_org *o = &model.orgs[s->org];
    struct model_hold *h = s->hold >= 0 ? &o->holds[s->hold] : NULL;
    bool repeats = h != NULL && h->state == HOLD_ENDED && h->settled_by == s->number;
    o->ceiling[s->d] += is_new ? surplus_of(o, s, h) : 0;
    if (h != NULL && h->state == HOLD_HELD) {
        h->state = HOLD_ENDED;
        h->settled_by = s->number;
    }
    if (repeats)
        h->was_repeated = true;
    o->since[s->d] += repeats ? 0 : s->units;
    o->once[s->d] += is_new ? s->units : 0;
}

static struct sent
make_event(void)
{
    struct sent s = {.number = ++model.event_count, .org = (int)roll(ORGS), .hold = -1};
    struct model_org *o = &model.orgs[s.org];
    s.d = roll(4) == 0;
    s.units = s.d == 1 ? 1 : 1 + roll(LIMIT / 16);
    int at = (int)roll(IDS);
    for (int i = 0; i < IDS && s.hold < 0 && roll(8) != 0; i++, at = (at + 1) % IDS) {
        if (o->holds[at].state == HOLD_HELD && o->holds[at].d == s.d)
            s.hold = at;
    }
    if (s.hold >= 0 && s.d == 0) /* mostly less than it was bound to be, at times more */
        s.units = 1 + roll(o->holds[s.hold].bound + o->holds[s.hold].bound / 8);
    return s;
}

static void
do_event(void)
{
    struct sent s = make_event();
    take_event(&s, true);
    count_event(&s, true);
    model.recent[roll(RECENT)] = s;
}

/* Sent again, as a client does that lost its ack. */
static void
do_repeat(void)
{
    const struct sent *s = &model.recent[roll(RECENT)];
    if (s->number == 0)
        return;
    take_event(s, true);
    count_event(s, false);
}

static void
pass_time(int64_t ms)
{
    standing_ns += (ms > 1000 ? ms : 1000) * NS_PER_MS;
    live_on_time(&live, standing_ns / NS_PER_MS);
    for (int i = 0; i < ORGS * IDS; i++) {
        struct model_hold *h = &model.orgs[i / IDS].holds[i % IDS];
        if (h->state == HOLD_FREE || h->expires_ms > standing_ns / NS_PER_MS)
            continue;
        /* With the reservation it is forgotten that it was settled already. */
        model.is_forgetful = model.is_forgetful || h->was_repeated;
        *h = (struct model_hold){.state = HOLD_FREE};
    }
}

static void
do_time(void)
{
    pass_time((int64_t)roll(roll(8) == 0 ? 3600000 : 4000));
}

/* The jobs ran, to the log's end; some limits are others now. */
static void
do_snapshot(void)
{
    struct allowances_row rows[ORGS + 1] = {{.organization = NULL}};
    char names[ORGS][16];
    model.position = log_writer_next_seq(writer, LOG_EVENTS) - 1;
    for (int d = 0; d < LIMIT_DIMENSIONS; d++)
        rows[ORGS].limit[d] = LIMIT;
    rows[ORGS].position = model.position;
    for (int i = 0; i < ORGS; i++) {
        struct model_org *o = &model.orgs[i];
        name_org(i, names[i]);
        rows[i] = (struct allowances_row){.organization = names[i], .position = model.position};
        for (int d = 0; d < DIMENSIONS; d++) {
            o->folded[d] += o->once[d];
            o->since[d] = o->once[d] = 0;
            if (roll(4) == 0) {
                o->limit[d] = o->folded[d] + held_of(o, d) + roll(LIMIT);
                o->limit[d] -= roll(3) == 0 ? o->limit[d] / 4 : 0; /* a smaller plan */
            }
            rows[i].used[dimensions[d]] = o->folded[d];
            rows[i].limit[dimensions[d]] = o->limit[d];
        }
    }
    allowances_put(dir, rows, ORGS + 1);
    model.is_exact = true;
    model.is_forgetful = false;
    pass_time(1000); /* what comes now is of another second */
}

static void
restart(void)
{
    close_all();
    open_all();
}

static void check_all(void);

/* Killed before the last events reached the log: they were counted, and are no more. */
static void
do_kill(void)
{
    struct model before = model;
    int lost = (int)roll(3);
    for (int i = 0; i < lost; i++) {
        struct sent s = make_event();
        take_event(&s, false);
        count_event(&s, true);
    }
    check_all();
    model = before;
    restart();
    model.is_exact = model.is_exact && !model.is_forgetful;
}

/* ---- what must hold ---- */

/* Beyond the limit is what one call was larger than its own estimate, however many there are: all others
   may still come to their bounds. */
static void
check_overshoot(const struct model_org *o, int d, uint64_t taken)
{
    const struct model_hold *last = o->last[d] > 0 ? &o->holds[o->last[d] - 1] : NULL;
    if (last != NULL && last->state == HOLD_HELD && last->d == d)
        taken -= last->bound - last->estimate;
    cr_assert_leq(taken, o->ceiling[d],
                  "%d after %s: %" PRIu64 " used or promised, at most %" PRIu64, step, doing, taken,
                  o->ceiling[d]);
}

static void
check_one(int org, int d)
{
    const struct model_org *o = &model.orgs[org];
    char text[16];
    name_org(org, text);
    const struct str name = str_of(text);
    struct gbill_limit_answer a = ask_both(org, d, 1);
    uint64_t used = o->folded[d] + o->since[d], held = held_of(o, d);
    uint64_t once = o->folded[d] + o->once[d];
    cr_assert(a.known, "%d after %s: %s", step, doing, a.reason);
    cr_assert_eq(a.limit, o->limit[d], "%d after %s", step, doing);
    const struct delta_org *own = delta_find(&live.delta, holds_key(&live.holds, name));
    uint64_t true_held = own != NULL ? own->held[dimensions[d]] : 0;
    cr_assert_eq(true_held, held, "%d after %s: %" PRIu64 " held, not %" PRIu64, step, doing,
                 true_held, held);
    cr_assert_geq(a.used, once, "%d after %s: %" PRIu64 " used, %" PRIu64 " in the log", step,
                  doing, a.used, once);
    if (model.is_exact)
        cr_assert_eq(a.used, used, "%d after %s: %" PRIu64 " used, not %" PRIu64, step, doing,
                     a.used, used);
    uint64_t taken = a.used + held;
    cr_assert_eq(a.held, told_of(a.limit, a.used, held), "%d after %s: %s", step, doing, a.reason);
    cr_assert_eq(a.remaining, taken < a.limit ? a.limit - taken : 0, "%d after %s", step, doing);
    cr_assert_eq(a.allowed, taken < a.limit, "%d after %s: %s", step, doing, a.reason);
    if (a.used <= a.limit)
        cr_assert_eq(a.used + a.held + a.remaining, a.limit, "%d after %s", step, doing);
    (void)ask_both(org, d, d == 0 ? 1 + (uint64_t)step * 7919 % (2 * LIMIT) : 1);
    check_overshoot(o, d, once + held);
}

static void
check_all(void)
{
    uint64_t held = 0;
    for (int i = 0; i < ORGS * DIMENSIONS; i++)
        check_one(i / DIMENSIONS, i % DIMENSIONS);
    for (int i = 0; i < ORGS * IDS; i++)
        held += model.orgs[i / IDS].holds[i % IDS].state == HOLD_HELD;
    cr_assert_eq(live.holds.count, held, "%d after %s: %" PRIu64 " reservations, not %" PRIu64,
                 step, doing, live.holds.count, held);
}

static void
begin_history(uint64_t number)
{
    snprintf(dir, sizeof dir, "%s/gbill-history-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert_not_null(mkdtemp(dir));
    seed = number * 0x9e3779b97f4a7c15 | 1;
    standing_ns = 3600 * (int64_t)1000 * NS_PER_MS;
    model = (struct model){.is_exact = true};
    for (int i = 0; i < ORGS * DIMENSIONS; i++)
        model.orgs[i / DIMENSIONS].limit[i % DIMENSIONS] = LIMIT;
    open_all();
    doing = "the beginning";
    do_snapshot();
}

static void
end_history(void)
{
    char command[96];
    /* In the end all is over: nothing is held by anybody. */
    pass_time((int64_t)QUESTION_LIFE_MS_MAX);
    check_all();
    cr_assert_eq(live.holds.count, 0);
    close_all();
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

static const struct {
    const char *name;
    void (*run)(void);
    uint64_t weight;
} steps[] = {
    {"reserve", do_reserve, 40},    {"release", do_release, 8}, {"an event", do_event, 30},
    {"a repetition", do_repeat, 6}, {"time", do_time, 10},      {"gbill limits", do_snapshot, 4},
    {"kill -9", do_kill, 3},
};

static void
run_history(uint64_t number)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        sum += steps[i].weight;
    begin_history(number);
    for (step = 0; step < STEPS; step++) {
        size_t i = 0;
        for (uint64_t at = roll(sum); at >= steps[i].weight; i++)
            at -= steps[i].weight;
        doing = steps[i].name;
        steps[i].run();
        check_all();
    }
    end_history();
}

Test(ingest_live_history, what_is_settled_held_and_free_is_the_limit_whatever_happens)
{
    const char *from = getenv("GBILL_HISTORY_SEED"), *seconds = getenv("GBILL_HISTORY_S");
    uint64_t number = from != NULL ? strtoull(from, NULL, 10) : 1;
    int64_t until_ns = standing_true_ns() +
                       (seconds != NULL ? strtoll(seconds, NULL, 10) : 3) * 1000 * NS_PER_MS;
    uint64_t count = 0;
    do {
        cr_log_info("seed %" PRIu64, number);
        run_history(number++);
        count++;
    } while (standing_true_ns() < until_ns);
    cr_log_info("live histories: %" PRIu64 " of %d steps, the last of seed %" PRIu64, count, STEPS,
                number - 1);
}
