/* One wave: the calls into the outbox, all sent at once, and what came of them. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/stripe/sync_parts.h"
#include "store/base/log.h"
#include "store/net/net.h"

enum { RETRY_MS_MAX = 3600 * 1000 };

/* ---- before the calls ---- */

enum err_code
wave_look_first(struct sync *r, struct err *err)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < STRIPE_AT_ONCE_MAX; i++) {
        struct sync_worker *w = &r->workers[i];
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
put_intent(struct sync *r, struct sync_worker *w, struct tables_txn *txn, struct err *err)
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

enum err_code
wave_put_intents(struct sync *r, struct err *err)
{
    struct tables_txn *txn;
    enum err_code code = sync_begin(r, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; code == ERR_OK && i < STRIPE_AT_ONCE_MAX; i++) {
        struct sync_worker *w = &r->workers[i];
        if (!w->ready || w->next.kind == CALLS_READ)
            continue;
        code = put_intent(r, w, txn, err);
        if (w->next.kind == CALLS_FAIL)
            sync_say(r, w->next.name, "cannot be asked", w->next.says);
        r->result.refused += w->next.kind == CALLS_FAIL ? 1 : 0;
        r->result.found += w->next.kind == CALLS_KNOWN ? 1 : 0;
    }
    return sync_end(r, txn, code, err);
}

/* ---- the calls ---- */

static void
pretend(struct sync_worker *w)
{
    char id[STRIPE_CALL_NAME_BYTES_MAX + 3];
    snprintf(id, sizeof id, "{%s}", w->next.name);
    w->ask.outcome = STRIPE_OK;
    w->ask.status = 200;
    w->ask.answer = json_pack("{s:s, s:{s:[{s:s}]}}", "id", id, "items", "data", "id", "{item}");
}

void
wave_ask_all(struct sync *r)
{
    struct stripe_ask asks[STRIPE_AT_ONCE_MAX];
    struct sync_worker *askers[STRIPE_AT_ONCE_MAX];
    size_t count = 0;
    bool any_answer = false;
    for (size_t i = 0; i < STRIPE_AT_ONCE_MAX; i++) {
        struct sync_worker *w = &r->workers[i];
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
counts_as_done(const struct sync_worker *w)
{
    /* A card that is declined: the invoice stands, and webhooks tell what becomes of it. */
    bool declined = w->ask.status == 402 && begins(w->next.name, "collect/");
    bool gone = w->ask.status == 404 && strcmp(w->next.method, "DELETE") == 0;
    return w->ask.outcome == STRIPE_OK || declined || gone;
}

static enum err_code
note_later(struct sync *r, struct sync_worker *w, int64_t due_ms, struct err *err)
{
    r->due_ms = clock_earlier(r->due_ms, due_ms);
    bool kept = list_add(&r->later, &w->slot.organization);
    sync_leave(w);
    return kept ? ERR_OK : err_set(err, ERR_LIMIT, "out of memory");
}

static void
take_object(const struct sync_worker *w, struct str old,
            char object[STRIPE_CALL_OBJECT_BYTES_MAX + 1])
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
note_sent(struct sync *r, struct sync_worker *w, struct tables_txn *txn, struct err *err)
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
        sync_say(r, w->next.name, "refused by Stripe", a->says);
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
note_read(struct sync *r, struct sync_worker *w, struct err *err)
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
    sync_say(r, w->next.name, "cannot be read at Stripe", w->ask.says);
    r->result.refused++;
    sync_leave(w);
    return ERR_OK;
}

enum err_code
wave_note_all(struct sync *r, struct err *err)
{
    struct tables_txn *txn;
    struct err denied;
    enum err_code code = sync_begin(r, TABLES_WRITE, &txn, err), key = ERR_OK;
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < STRIPE_AT_ONCE_MAX; i++) {
        struct sync_worker *w = &r->workers[i];
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
    code = sync_end(r, txn, code, err);
    if (code == ERR_OK && key != ERR_OK) {
        *err = denied;
        code = key;
    }
    return code;
}
