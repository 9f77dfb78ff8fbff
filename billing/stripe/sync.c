#include "billing/stripe/sync.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "billing/stage.h"
#include "billing/stripe/found.h"
#include "store/base/list.h"
#include "store/base/log.h"
#include "store/net/net.h"
#include "store/tables/dict.h"
#include "store/tables/organization.h"

enum {
    PASSES_MAX = 5,           /* over those that may pass, in one run */
    PASS_WAIT_MS_MAX = 10000, /* what has longer to wait is the next run's */
    RETRY_MS_MAX = 3600 * 1000,
    SILENT_WAVES_MAX = 3,
    PAYMENT_DAYS = 30, /* where the parties' settings do not say */
};

/* An organization at work. */
struct worker {
    struct calls_slot slot;
    struct calls_next next;
    bool busy;  /* has an organization */
    bool ready; /* next is to be done in this wave */
    struct stripe_ask ask;
    char key[STRIPE_KEY_BYTES_MAX + 1];
};

struct run {
    const struct sync_options *options;
    struct sync_result result;
    struct stage stage;
    struct parties *parties;
    struct calls_settings settings;
    struct timeline timeline;
    struct found found;     /* what Stripe's lists show */
    bool adopting;          /* the tables may not know what is there already */
    struct tables_txn *dry; /* of a run that stores nothing: the one transaction */
    /* The walk. */
    bool catalog_done;
    uint32_t last;           /* organization */
    const struct list *only; /* uint32_t; NULL: all */
    size_t only_next;
    struct list later; /* uint32_t: those that something may pass for */
    int64_t due_ms;    /* the first of them */
    unsigned silent;   /* waves without one answer, in a row */
    struct worker workers[STRIPE_AT_ONCE_MAX];
};

static void
say(const struct run *r, const char *name, const char *what, const char *words)
{
    char text[STRIPE_CALL_NAME_BYTES_MAX + STRIPE_CALL_SAYS_BYTES_MAX + 64];
    snprintf(text, sizeof text, "%s: %s%s%s", name, what, words[0] != '\0' ? ": " : "", words);
    if (r->options->line != NULL)
        r->options->line(r->options->context, text);
}

/* --now says which plan holds; when a call may be tried again is the machine's clock's. */
static int64_t
now(void)
{
    struct clock clock = clock_system();
    return clock_now_ms(&clock);
}

/* ---- transactions: of a dry run there is one, which is never stored ---- */

static enum err_code
begin(struct run *r, enum tables_mode mode, struct tables_txn **ret, struct err *err)
{
    *ret = r->dry;
    return r->dry != NULL ? ERR_OK : tables_begin(r->stage.tables, mode, ret, err);
}

static enum err_code
end(struct run *r, struct tables_txn *txn, enum err_code code, struct err *err)
{
    if (txn == NULL || txn == r->dry)
        return code;
    if (code == ERR_OK)
        return tables_commit(txn, err);
    tables_abort(txn);
    return code;
}

/* ---- whose turn it is ---- */

static bool
take_organization(struct run *r, struct tables_txn *txn, uint32_t *ret)
{
    *ret = 0;
    if (!r->catalog_done) {
        r->catalog_done = true;
        return true;
    }
    if (r->only != NULL) {
        if (r->only_next >= r->only->count)
            return false;
        *ret = ((const uint32_t *)r->only->items)[r->only_next++];
        return true;
    }
    bool more = organization_next(txn, r->last, ret);
    r->last = more ? *ret : UINT32_MAX;
    r->result.organizations += more ? 1 : 0;
    return more;
}

static void
leave(struct worker *w)
{
    json_decref(w->slot.look);
    w->slot = (struct calls_slot){0};
    w->busy = false;
}

/* Two organizations may need the same price. */
static bool
is_taken(const struct run *r, const struct worker *w)
{
    for (const struct worker *o = r->workers; o < w; o++) {
        if (o->ready && strcmp(o->next.name, w->next.name) == 0)
            return true;
    }
    return false;
}

static enum err_code
plan_worker(struct run *r, struct worker *w, struct tables_txn *txn, struct err *err)
{
    enum err_code code = ERR_OK;
    w->ready = false;
    while (code == ERR_OK && !w->ready) {
        if (!w->busy && r->last == UINT32_MAX && r->only == NULL)
            return ERR_OK;
        if (!w->busy && !take_organization(r, txn, &w->slot.organization))
            return ERR_OK;
        w->busy = true;
        stripe_form_clear(&w->next.form);
        code = calls_find(&r->settings, &r->timeline, txn, &w->slot, &w->next, err);
        if (code != ERR_OK)
            return code;
        if (w->next.kind == CALLS_NONE) {
            r->result.waiting += w->next.waits ? 1 : 0;
            leave(w);
            continue;
        }
        w->ready = !is_taken(r, w);
        if (!w->ready)
            return ERR_OK;
    }
    return code;
}

static enum err_code
plan_wave(struct run *r, size_t *ret_ready, struct err *err)
{
    struct tables_txn *txn;
    *ret_ready = 0;
    enum err_code code = begin(r, TABLES_READ, &txn, err);
    for (size_t i = 0; code == ERR_OK && i < STRIPE_AT_ONCE_MAX; i++) {
        code = plan_worker(r, &r->workers[i], txn, err);
        *ret_ready += r->workers[i].ready ? 1 : 0;
    }
    if (txn != r->dry)
        tables_abort(txn);
    return code;
}

/* ---- before the calls ---- */

/* What makes an object is held against what is there, where that may be. */
static enum err_code
look_first(struct run *r, struct err *err)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < STRIPE_AT_ONCE_MAX; i++) {
        struct worker *w = &r->workers[i];
        bool there = false;
        if (!w->ready || w->next.kind != CALLS_SEND || w->next.stored || w->next.look[0] == '\0' ||
            !(r->adopting || w->next.stale) || r->options->stripe == NULL)
            continue;
        code = found_find(&r->found, r->options->stripe, w->next.look, w->next.name, w->next.object,
                          &there, err);
        if (there)
            w->next.kind = CALLS_KNOWN;
    }
    return code;
}

static enum err_code
put_intent(struct run *r, struct worker *w, struct tables_txn *txn, struct err *err)
{
    const struct calls_next *n = &w->next;
    struct stripe_call row = {.name = str_of(n->name)}, old;
    bool known = stripe_call_get(txn, row.name, &old);
    if (known)
        row = old;
    row.changed_ms = r->settings.clock_ms;
    memcpy(row.digest, n->digest, sizeof row.digest);
    if (n->kind == CALLS_SEND && !n->stored) {
        row.revision++;
        row.attempts = 0;
        row.unknown = false;
        row.first_ms = r->settings.clock_ms;
    }
    calls_key(row.name, row.revision, w->key);
    /* What was asked under this name before is not known: count on from where nobody was. */
    if (n->kind == CALLS_KNOWN && !known)
        row.revision = (uint32_t)(r->settings.clock_ms / 1000);
    if (n->kind == CALLS_SEND && n->stored)
        return ERR_OK;
    char object[STRIPE_CALL_OBJECT_BYTES_MAX + 1];
    snprintf(object, sizeof object, "%.*s", STR_ARG(row.object));
    row.object = str_of(n->kind == CALLS_KNOWN ? n->object : object);
    row.state = n->kind == CALLS_SEND    ? STRIPE_CALL_WAITING
                : n->kind == CALLS_KNOWN ? STRIPE_CALL_DONE
                                         : STRIPE_CALL_REFUSED;
    row.says = str_of(n->kind == CALLS_KNOWN ? "found at Stripe" : n->says);
    row.method = row.path = row.body = (struct str){0};
    if (n->kind == CALLS_SEND) {
        row.due_ms = r->settings.clock_ms;
        row.method = str_of(n->method);
        row.path = str_of(n->path);
        row.body = (struct str){(const char *)n->form.text.data, n->form.text.size_bytes};
    } else if (n->look[0] != '\0') {
        /* As it is there it may differ from what is wanted: that is found out next. */
        memset(row.digest, 0, sizeof row.digest);
    }
    return stripe_call_put(txn, &row, err);
}

static enum err_code
put_intents(struct run *r, struct err *err)
{
    struct tables_txn *txn;
    enum err_code code = begin(r, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; code == ERR_OK && i < STRIPE_AT_ONCE_MAX; i++) {
        struct worker *w = &r->workers[i];
        if (!w->ready || w->next.kind == CALLS_READ)
            continue;
        code = put_intent(r, w, txn, err);
        if (w->next.kind == CALLS_FAIL)
            say(r, w->next.name, "cannot be asked", w->next.says);
        r->result.refused += w->next.kind == CALLS_FAIL ? 1 : 0;
        r->result.found += w->next.kind == CALLS_KNOWN ? 1 : 0;
    }
    return end(r, txn, code, err);
}

/* ---- the calls ---- */

static void
pretend(struct worker *w)
{
    char id[STRIPE_CALL_NAME_BYTES_MAX + 3];
    snprintf(id, sizeof id, "{%s}", w->next.name);
    w->ask.outcome = STRIPE_OK;
    w->ask.status = 200;
    w->ask.answer = json_pack("{s:s, s:{s:[{s:s}]}}", "id", id, "items", "data", "id", "{item}");
}

static void
ask_all(struct run *r)
{
    struct stripe_ask asks[STRIPE_AT_ONCE_MAX];
    struct worker *askers[STRIPE_AT_ONCE_MAX];
    size_t count = 0;
    bool any_answer = false;
    for (size_t i = 0; i < STRIPE_AT_ONCE_MAX; i++) {
        struct worker *w = &r->workers[i];
        if (!w->ready || (w->next.kind != CALLS_SEND && w->next.kind != CALLS_READ))
            continue;
        if (w->next.kind == CALLS_SEND && r->options->call != NULL)
            r->options->call(r->options->context, &w->next, w->key);
        w->ask = (struct stripe_ask){.method = w->next.method,
                                     .path = w->next.path,
                                     .body = {w->next.form.text.data, w->next.form.text.size_bytes},
                                     .idempotency_key = w->key};
        asks[count] = w->ask;
        askers[count++] = w;
    }
    if (count == 0)
        return;
    if (r->options->stripe != NULL)
        stripe_ask(r->options->stripe, asks, count);
    for (size_t i = 0; i < count; i++) {
        if (r->options->stripe != NULL)
            askers[i]->ask = asks[i];
        else
            pretend(askers[i]);
        any_answer = any_answer || askers[i]->ask.status != 0;
    }
    r->silent = any_answer ? 0 : r->silent + 1;
}

/* ---- behind them ---- */

static bool
begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Was it done, though Stripe did not say 200? */
static bool
counts_as_done(const struct worker *w)
{
    /* A card that is declined: the invoice stands, and webhooks tell what becomes of it. */
    bool declined = w->ask.status == 402 && begins(w->next.name, "collect/");
    bool gone = w->ask.status == 404 && strcmp(w->next.method, "DELETE") == 0;
    return w->ask.outcome == STRIPE_OK || declined || gone;
}

static enum err_code
note_later(struct run *r, struct worker *w, int64_t due_ms, struct err *err)
{
    r->due_ms = clock_earlier(r->due_ms, due_ms);
    bool kept = list_add(&r->later, &w->slot.organization);
    leave(w);
    return kept ? ERR_OK : err_set(err, ERR_LIMIT, "out of memory");
}

static void
take_object(const struct worker *w, struct str old, char object[STRIPE_CALL_OBJECT_BYTES_MAX + 1])
{
    const char *id = stripe_text(w->ask.answer, "id");
    const json_t *items = json_object_get(json_object_get(w->ask.answer, "items"), "data");
    if (strcmp(w->next.method, "DELETE") == 0)
        object[0] = '\0';
    else if (begins(w->next.name, "subscription/"))
        snprintf(object, STRIPE_CALL_OBJECT_BYTES_MAX + 1, "%.127s %.127s", id,
                 stripe_text(json_array_get(items, 0), "id"));
    else if (id[0] != '\0')
        snprintf(object, STRIPE_CALL_OBJECT_BYTES_MAX + 1, "%.*s", STRIPE_CALL_OBJECT_BYTES_MAX,
                 id);
    else
        snprintf(object, STRIPE_CALL_OBJECT_BYTES_MAX + 1, "%.*s", STR_ARG(old));
}

static enum err_code
note_sent(struct run *r, struct worker *w, struct tables_txn *txn, struct err *err)
{
    struct stripe_call row;
    const struct stripe_ask *a = &w->ask;
    char object[STRIPE_CALL_OBJECT_BYTES_MAX + 1];
    bool there = stripe_call_get(txn, str_of(w->next.name), &row);
    assert(there);
    log_decision("stripe_call", "name=\"%s\" key=\"%s\" attempt=%" PRIu32 " outcome=%d status=%ld",
                 w->next.name, w->key, row.attempts + 1, (int)a->outcome, a->status);
    row.attempts++;
    row.changed_ms = r->settings.clock_ms;
    row.says = str_of(a->says);
    if (counts_as_done(w)) {
        take_object(w, row.object, object);
        row.object = str_of(object);
        row.state = STRIPE_CALL_DONE;
        r->result.sent++;
    } else if (a->outcome == STRIPE_REFUSED) {
        row.state = STRIPE_CALL_REFUSED;
        r->result.refused++;
        say(r, w->next.name, "refused by Stripe", a->says);
    } else {
        uint64_t chance = hash_mem(w->key, strlen(w->key));
        row.unknown = row.unknown || a->unknown;
        row.due_ms = r->settings.clock_ms + net_wait_ms(row.attempts, STRIPE_WAIT_FIRST_MS,
                                                        RETRY_MS_MAX, a->retry_after_s, chance);
        enum err_code code = stripe_call_put(txn, &row, err);
        return code == ERR_OK ? note_later(r, w, row.due_ms, err) : code;
    }
    row.method = row.path = row.body = (struct str){0};
    return stripe_call_put(txn, &row, err);
}

static enum err_code
note_read(struct run *r, struct worker *w, struct err *err)
{
    if (w->ask.outcome == STRIPE_OK) {
        json_decref(w->slot.look);
        w->slot.look = w->ask.answer;
        w->ask.answer = NULL;
        snprintf(w->slot.looked, sizeof w->slot.looked, "%s", w->next.name);
        return ERR_OK;
    }
    if (w->ask.outcome == STRIPE_AGAIN)
        return note_later(r, w,
                          r->settings.clock_ms + net_wait_ms(1, STRIPE_WAIT_FIRST_MS, RETRY_MS_MAX,
                                                             w->ask.retry_after_s, 0),
                          err);
    say(r, w->next.name, "cannot be read at Stripe", w->ask.says);
    r->result.refused++;
    leave(w);
    return ERR_OK;
}

static enum err_code
note_all(struct run *r, struct err *err)
{
    struct tables_txn *txn;
    struct err denied;
    enum err_code code = begin(r, TABLES_WRITE, &txn, err), key = ERR_OK;
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < STRIPE_AT_ONCE_MAX; i++) {
        struct worker *w = &r->workers[i];
        if (!w->ready || (w->next.kind != CALLS_SEND && w->next.kind != CALLS_READ))
            continue;
        if (w->ask.outcome == STRIPE_DENIED)
            key = err_set(&denied, ERR_DENIED,
                          "Stripe does not accept the key in " STRIPE_KEY_ENV
                          " for %s (%s); check it, and that it may do this",
                          w->next.name, w->ask.says);
        else if (code == ERR_OK)
            code = w->next.kind == CALLS_SEND ? note_sent(r, w, txn, err) : note_read(r, w, err);
        json_decref(w->ask.answer);
        w->ask.answer = NULL;
    }
    code = end(r, txn, code, err);
    if (code == ERR_OK && key != ERR_OK) {
        *err = denied;
        code = key;
    }
    return code;
}

/* ---- the run ---- */

static enum err_code
walk(struct run *r, struct err *err)
{
    enum err_code code = ERR_OK;
    size_t ready = 1;
    while (code == ERR_OK && ready > 0 && r->silent < SILENT_WAVES_MAX) {
        r->settings.clock_ms = now();
        code = plan_wave(r, &ready, err);
        if (code == ERR_OK && ready > 0)
            code = look_first(r, err);
        if (code == ERR_OK && ready > 0)
            code = put_intents(r, err);
        if (code != ERR_OK || ready == 0)
            break;
        ask_all(r);
        code = note_all(r, err);
    }
    if (code == ERR_OK && r->silent >= SILENT_WAVES_MAX)
        code = err_set(err, ERR_PEER, "Stripe cannot be reached (%s); run it again later",
                       r->workers[0].ask.says);
    return code;
}

static void
rest_until(int64_t due_ms)
{
    int64_t ms = due_ms - now();
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

/* All, and then those again for which something may have passed meanwhile. */
static enum err_code
walk_all(struct run *r, struct err *err)
{
    enum err_code code = walk(r, err);
    for (int pass = 1; code == ERR_OK && pass < PASSES_MAX && r->later.count > 0; pass++) {
        struct list again = r->later;
        if (r->due_ms - now() > PASS_WAIT_MS_MAX)
            break;
        rest_until(r->due_ms);
        list_init(&r->later, sizeof(uint32_t));
        r->due_ms = 0;
        r->only = &again;
        r->only_next = 0;
        code = walk(r, err);
        r->only = NULL;
        list_clear(&again);
    }
    r->result.waiting += r->later.count;
    return code;
}

/* Whose tables are these?  A key of another account would make everything there once more. */
static enum err_code
check_account(struct run *r, struct err *err)
{
    struct stripe_ask ask = {.method = "GET", .path = "/v1/account"};
    struct tables_txn *txn = NULL;
    struct stripe_call row;
    const char *mode = stripe_is_live(r->options->stripe) ? "live" : "test";
    char id[STRIPE_CALL_OBJECT_BYTES_MAX + 1];
    enum err_code code = stripe_ask_patiently(r->options->stripe, &ask, err);
    if (code != ERR_OK)
        return code;
    snprintf(id, sizeof id, "%.*s", STRIPE_CALL_OBJECT_BYTES_MAX, stripe_text(ask.answer, "id"));
    json_decref(ask.answer);
    code = begin(r, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    if (!stripe_call_get(txn, str_of(SYNC_ACCOUNT), &row)) {
        row = (struct stripe_call){.name = str_of(SYNC_ACCOUNT),
                                   .state = STRIPE_CALL_WAITING,
                                   .first_ms = r->settings.clock_ms,
                                   .object = str_of(id),
                                   .says = str_of(mode)};
        code = stripe_call_put(txn, &row, err);
    } else if (!str_is(row.object, id) || !str_is(row.says, mode)) {
        code = err_set(err, ERR_CONFLICT,
                       "what these tables know of Stripe is of account %.*s in %.*s mode, but the "
                       "key is of %s in %s mode; use its key, or another data directory",
                       STR_ARG(row.object), STR_ARG(row.says), id, mode);
    }
    r->adopting = row.state == STRIPE_CALL_WAITING;
    return end(r, txn, code, err);
}

static enum err_code
check_numbers(struct run *r, struct err *err)
{
    struct tables_txn *txn;
    enum err_code code = begin(r, TABLES_READ, &txn, err);
    if (code != ERR_OK)
        return code;
    code = found_check_numbers(r->options->stripe, txn, err);
    tables_abort(txn);
    return code;
}

static enum err_code
end_adoption(struct run *r, struct err *err)
{
    struct tables_txn *txn;
    struct stripe_call row;
    bool whole = r->options->organization == NULL && r->result.refused == 0 &&
                 r->result.waiting == 0;
    if (!r->adopting || !whole)
        return ERR_OK;
    enum err_code code = begin(r, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    if (stripe_call_get(txn, str_of(SYNC_ACCOUNT), &row)) {
        row.state = STRIPE_CALL_DONE;
        code = stripe_call_put(txn, &row, err);
    }
    return end(r, txn, code, err);
}

static enum err_code
pick_one(struct run *r, struct list *only, struct err *err)
{
    struct tables_txn *txn;
    uint32_t number = 0;
    enum err_code code = begin(r, TABLES_READ, &txn, err);
    if (code != ERR_OK)
        return code;
    if (!dict_find(txn, str_of(r->options->organization), &number) || number == 0)
        code =
            err_set(err, ERR_NOT_FOUND,
                    "no event folded so far names the organization \"%.64s\" (ids match exactly)",
                    r->options->organization);
    else if (!list_add(only, &number))
        code = err_set(err, ERR_LIMIT, "out of memory");
    if (txn != r->dry)
        tables_abort(txn);
    r->only = only;
    r->result.organizations = 1;
    return code;
}

static enum err_code
open_run(struct run *r, struct err *err)
{
    const struct sync_options *o = r->options;
    int64_t now_ms = now();
    list_init(&r->later, sizeof(uint32_t));
    enum err_code code = stage_open(&r->stage, o->data_directory, o->plans_path, "stripe.lock",
                                    "gbill stripe sync", err);
    if (code == ERR_OK)
        code = parties_load(o->parties_path, &r->parties, err);
    if (code != ERR_OK)
        return code;
    int64_t days = parties_payment_days(r->parties);
    timeline_init(&r->timeline, r->stage.book);
    r->settings = (struct calls_settings){.book = r->stage.book,
                                          .parties = r->parties,
                                          .collect = o->collect,
                                          .payment_days = days > 0 ? days : PAYMENT_DAYS,
                                          .now_ms = clock_now_ms(o->clock),
                                          .clock_ms = now_ms,
                                          .again_ms = o->again ? now_ms : 0,
                                          .dry = o->stripe == NULL};
    if (o->stripe == NULL)
        return tables_begin(r->stage.tables, TABLES_WRITE, &r->dry, err);
    code = check_account(r, err);
    if (code == ERR_OK && r->adopting)
        code = check_numbers(r, err);
    return code;
}

static void
close_run(struct run *r)
{
    for (size_t i = 0; i < STRIPE_AT_ONCE_MAX; i++) {
        leave(&r->workers[i]);
        stripe_form_clear(&r->workers[i].next.form);
    }
    tables_abort(r->dry);
    found_clear(&r->found);
    list_clear(&r->later);
    timeline_clear(&r->timeline);
    parties_free(r->parties);
    stage_close(&r->stage);
}

static enum err_code
read_customer(struct run *r, char *ret_customer, struct err *err)
{
    struct tables_txn *txn;
    struct stripe_call row;
    char name[STRIPE_CALL_NAME_BYTES_MAX + 1];
    snprintf(name, sizeof name, "customer/%s", r->options->organization);
    enum err_code code = begin(r, TABLES_READ, &txn, err);
    if (code != ERR_OK)
        return code;
    if (!stripe_call_get(txn, str_of(name), &row) || row.object.size_bytes == 0)
        code = err_set(err, ERR_PEER,
                       "Stripe did not make the customer of %s; see gbill stripe status",
                       r->options->organization);
    else
        snprintf(ret_customer, STRIPE_CALL_OBJECT_BYTES_MAX + 1, "%.*s", STR_ARG(row.object));
    if (txn != r->dry)
        tables_abort(txn);
    return code;
}

/* ret_customer: NULL, or the id of the one organization's customer is asked for. */
static enum err_code
run(const struct sync_options *options, bool customer_only, struct sync_result *ret,
    char *ret_customer, struct err *err)
{
    struct run *r = calloc(1, sizeof *r);
    struct list only;
    if (r == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    list_init(&only, sizeof(uint32_t));
    r->options = options;
    r->stage.lock_fd = -1;
    enum err_code code = open_run(r, err);
    r->settings.customer_only = customer_only;
    r->catalog_done = customer_only;
    if (code == ERR_OK && options->organization != NULL)
        code = pick_one(r, &only, err);
    if (code == ERR_OK)
        code = walk_all(r, err);
    if (code == ERR_OK && !customer_only)
        code = end_adoption(r, err);
    if (code == ERR_OK && ret_customer != NULL)
        code = read_customer(r, ret_customer, err);
    if (ret != NULL)
        *ret = r->result;
    close_run(r);
    list_clear(&only);
    free(r);
    return code;
}

enum err_code
sync_run(const struct sync_options *options, struct sync_result *ret, struct err *err)
{
    return run(options, false, ret, NULL, err);
}

enum err_code
sync_customer(const struct sync_options *options,
              char ret_customer[STRIPE_CALL_OBJECT_BYTES_MAX + 1], struct err *err)
{
    assert(options->organization != NULL);
    return run(options, true, NULL, ret_customer, err);
}
