#include "billing/stripe/sync.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "billing/stripe/sync_parts.h"
#include "store/tables/dict.h"
#include "store/tables/organization.h"

enum {
    PASSES_MAX = 5,           /* over those that may pass, in one run */
    PASS_WAIT_MS_MAX = 10000, /* what has longer to wait is the next run's */
    SILENT_WAVES_MAX = 3,
    PAYMENT_DAYS = 30, /* where the parties' settings do not say */
};

void
sync_say(const struct sync *r, const char *name, const char *what, const char *words)
{
    char text[STRIPE_CALL_NAME_BYTES_MAX + STRIPE_CALL_SAYS_BYTES_MAX + 64];
    snprintf(text, sizeof text, "%s: %s%s%s", name, what, words[0] != '\0' ? ": " : "", words);
    if (r->options->line != NULL)
        r->options->line(r->options->context, text);
}

int64_t
sync_now(void)
{
    struct clock clock = clock_system();
    return clock_now_ms(&clock);
}

enum err_code
sync_begin(struct sync *r, enum tables_mode mode, struct tables_txn **ret, struct err *err)
{
    *ret = r->dry;
    return r->dry != NULL ? ERR_OK : tables_begin(r->stage.tables, mode, ret, err);
}

enum err_code
sync_end(struct sync *r, struct tables_txn *txn, enum err_code code, struct err *err)
{
    if (txn == NULL || txn == r->dry)
        return code;
    if (code == ERR_OK)
        return tables_commit(txn, err);
    tables_abort(txn);
    return code;
}

void
sync_leave(struct sync_worker *w)
{
    json_decref(w->slot.look);
    w->slot = (struct calls_slot){0};
    w->busy = false;
}

/* ---- whose turn it is ---- */

static bool
take_organization(struct sync *r, struct tables_txn *txn, uint32_t *ret)
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

/* Two organizations may need the same price. */
static bool
is_taken(const struct sync *r, const struct sync_worker *w)
{
    for (const struct sync_worker *o = r->workers; o < w; o++) {
        if (o->ready && strcmp(o->next.name, w->next.name) == 0)
            return true;
    }
    return false;
}

static enum err_code
plan_worker(struct sync *r, struct sync_worker *w, struct tables_txn *txn, struct err *err)
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
            sync_leave(w);
            continue;
        }
        w->ready = !is_taken(r, w);
        if (!w->ready)
            return ERR_OK;
    }
    return code;
}

static enum err_code
plan_wave(struct sync *r, size_t *ret_ready, struct err *err)
{
    struct tables_txn *txn;
    *ret_ready = 0;
    enum err_code code = sync_begin(r, TABLES_READ, &txn, err);
    for (size_t i = 0; code == ERR_OK && i < STRIPE_AT_ONCE_MAX; i++) {
        code = plan_worker(r, &r->workers[i], txn, err);
        *ret_ready += r->workers[i].ready ? 1 : 0;
    }
    if (txn != r->dry)
        tables_abort(txn);
    return code;
}

/* ---- the run ---- */

static enum err_code
walk(struct sync *r, struct err *err)
{
    enum err_code code = ERR_OK;
    size_t ready = 1;
    while (code == ERR_OK && ready > 0 && r->silent < SILENT_WAVES_MAX) {
        r->settings.clock_ms = sync_now();
        code = plan_wave(r, &ready, err);
        if (code == ERR_OK && ready > 0)
            code = wave_look_first(r, err);
        if (code == ERR_OK && ready > 0)
            code = wave_put_intents(r, err);
        if (code != ERR_OK || ready == 0)
            break;
        wave_ask_all(r);
        code = wave_note_all(r, err);
    }
    if (code == ERR_OK && r->silent >= SILENT_WAVES_MAX)
        code = err_set(err, ERR_PEER, "Stripe cannot be reached (%s); run it again later",
                       r->workers[0].ask.says);
    return code;
}

static void
rest_until(int64_t due_ms)
{
    int64_t ms = due_ms - sync_now();
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

/* All, and then those again for which something may have passed meanwhile. */
static enum err_code
walk_all(struct sync *r, struct err *err)
{
    enum err_code code = walk(r, err);
    for (int pass = 1; code == ERR_OK && pass < PASSES_MAX && r->later.count > 0; pass++) {
        struct list again = r->later;
        if (r->due_ms - sync_now() > PASS_WAIT_MS_MAX)
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
check_account(struct sync *r, struct err *err)
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
    code = sync_begin(r, TABLES_WRITE, &txn, err);
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
    return sync_end(r, txn, code, err);
}

static enum err_code
check_numbers(struct sync *r, struct err *err)
{
    struct tables_txn *txn;
    enum err_code code = sync_begin(r, TABLES_READ, &txn, err);
    if (code != ERR_OK)
        return code;
    code = found_check_numbers(r->options->stripe, txn, err);
    tables_abort(txn);
    return code;
}

static enum err_code
end_adoption(struct sync *r, struct err *err)
{
    struct tables_txn *txn;
    struct stripe_call row;
    bool whole = r->options->organization == NULL && r->result.refused == 0 &&
                 r->result.waiting == 0;
    if (!r->adopting || !whole)
        return ERR_OK;
    enum err_code code = sync_begin(r, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    if (stripe_call_get(txn, str_of(SYNC_ACCOUNT), &row)) {
        row.state = STRIPE_CALL_DONE;
        code = stripe_call_put(txn, &row, err);
    }
    return sync_end(r, txn, code, err);
}

static enum err_code
pick_one(struct sync *r, struct list *only, struct err *err)
{
    struct tables_txn *txn;
    uint32_t number = 0;
    enum err_code code = sync_begin(r, TABLES_READ, &txn, err);
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
open_run(struct sync *r, struct err *err)
{
    const struct sync_options *o = r->options;
    int64_t now_ms = sync_now();
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
close_run(struct sync *r)
{
    for (size_t i = 0; i < STRIPE_AT_ONCE_MAX; i++) {
        sync_leave(&r->workers[i]);
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
read_customer(struct sync *r, char *ret_customer, struct err *err)
{
    struct tables_txn *txn;
    struct stripe_call row;
    char name[STRIPE_CALL_NAME_BYTES_MAX + 1];
    snprintf(name, sizeof name, "customer/%s", r->options->organization);
    enum err_code code = sync_begin(r, TABLES_READ, &txn, err);
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
    struct sync *r = calloc(1, sizeof *r);
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
