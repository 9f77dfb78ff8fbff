/*
 * A run: read what is due, one entry at a time; render, send, and note the outcome in
 * a transaction of its own.
 *
 * Killed while sending: nothing is noted, the entry is still due.  Killed after the
 * receiver took it and before that is noted: the same; it is sent again under the
 * same key.  The entry is read again before the outcome is noted: one that gbill
 * outbox has changed meanwhile is left to it.
 */
#include "billing/notify/notify.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "billing/notify/send.h"
#include "store/base/hash.h"
#include "store/base/list.h"
#include "store/base/log.h"
#include "store/base/time.h"
#include "store/tables/dict.h"
#include "store/tables/tables.h"

enum {
    SENT_KEPT_DAYS = 30,
    DEAD_KEPT_DAYS = 90,
    FORGET_MAX = 256, /* in one run, so that none takes long */
    FAILED_MAX = 64,  /* destinations that are left alone for the rest of a run */
    ORGANIZATION_BYTES = 65,
    NAME_BYTES = DICT_TEXT_BYTES_MAX + 1,
};

#define BACKOFF_MS_MAX (6 * TIME_HOUR_MS)
#define RETRY_AFTER_S_MAX ((int64_t)TIME_DAY_S)

struct run {
    const struct notify_options *options;
    struct notify_result result;
    struct notify_conf *conf;
    struct tables *tables;
    struct net *net;
    int lock_fd;
    int64_t started_ms; /* what falls due later is the next run's */
    /* Who failed in this run: one that is down must not hold up all others. */
    struct {
        uint32_t organization;
        char name[OUTBOX_DESTINATION_BYTES_MAX + 1];
    } failed[FAILED_MAX];
    size_t failed_count;
};

/* One entry with what it is about, copied out of the tables. */
struct job {
    struct outbox_entry entry;
    struct alert alert;
    struct spike spike;
    bool is_there;
    char organization[ORGANIZATION_BYTES], id[OUTBOX_ABOUT_BYTES], provider[NAME_BYTES],
        value[NAME_BYTES];
};

enum err_code
notify_enqueue(const struct notify_conf *conf, struct tables_txn *txn, struct str organization,
               const struct outbox_entry *about, bool email, uint64_t *ret_count, struct err *err)
{
    struct notify_destination d;
    enum err_code code = ERR_OK;
    *ret_count = 0;
    for (size_t i = 0; code == ERR_OK && conf != NULL && notify_conf_at(conf, organization, i, &d);
         i++) {
        if (d.kind == NOTIFY_EMAIL && !email)
            continue;
        struct outbox_entry entry = *about;
        entry.since_ms = entry.due_ms = about->created_ms;
        snprintf(entry.destination, sizeof entry.destination, "%s", d.name);
        code = outbox_add(txn, &entry, err);
        (*ret_count)++;
    }
    return code;
}

int64_t
notify_backoff_ms(int64_t first_ms, uint64_t id, uint32_t attempts, int64_t retry_after_s)
{
    uint8_t seed[12];
    int64_t wait_ms = first_ms;
    for (uint32_t i = 1; i < attempts && wait_ms < BACKOFF_MS_MAX; i++)
        wait_ms *= 2;
    wait_ms = wait_ms < BACKOFF_MS_MAX ? wait_ms : BACKOFF_MS_MAX;
    put_le64(seed, id);
    put_le32(seed + 8, attempts);
    int64_t jitter = (int64_t)(hash_mem(seed, sizeof seed) % 501) - 250; /* per mille */
    wait_ms += wait_ms * jitter / 1000;
    if (retry_after_s > RETRY_AFTER_S_MAX)
        retry_after_s = RETRY_AFTER_S_MAX;
    return wait_ms > retry_after_s * 1000 ? wait_ms : retry_after_s * 1000;
}

static bool
has_failed(const struct run *r, const struct outbox_entry *e)
{
    for (size_t i = 0; i < r->failed_count; i++) {
        if (r->failed[i].organization == e->organization &&
            strcmp(r->failed[i].name, e->destination) == 0)
            return true;
    }
    return false;
}

static void
note_failed(struct run *r, const struct outbox_entry *e)
{
    if (r->failed_count == FAILED_MAX || has_failed(r, e))
        return;
    r->failed[r->failed_count].organization = e->organization;
    snprintf(r->failed[r->failed_count++].name, sizeof r->failed[0].name, "%s", e->destination);
}

/* What an entry tells of, copied out of the tables with its names. */
static void
read_about(struct tables_txn *txn, struct job *job)
{
    const struct outbox_entry *e = &job->entry;
    struct str organization = dict_text(txn, e->organization),
               provider = dict_text(txn, e->subject.provider),
               value = dict_text(txn, e->subject.value);
    snprintf(job->organization, sizeof job->organization, "%.*s", STR_ARG(organization));
    snprintf(job->provider, sizeof job->provider, "%.*s", STR_ARG(provider));
    snprintf(job->value, sizeof job->value, "%.*s", STR_ARG(value));
    outbox_about(txn, e, job->id);
    job->is_there = e->kind == OUTBOX_ALERT
                        ? alert_get(txn, e->organization, e->month, e->alert, &job->alert)
                        : spike_get(txn, e->organization, e->found_hour, &e->subject, &job->spike);
}

/* The first entry that is due and whose destination has not failed in this run. */
static enum err_code
next_job(struct run *r, bool *ret_found, struct job *job, struct err *err)
{
    struct tables_txn *txn;
    struct outbox_due_scan scan;
    enum err_code code = tables_begin(r->tables, TABLES_READ, &txn, err);
    *ret_found = false;
    if (code != ERR_OK)
        return code;
    outbox_due_begin(&scan, txn);
    while (!*ret_found && outbox_due_next(&scan, r->started_ms))
        *ret_found = outbox_get(txn, scan.id, &job->entry) && !has_failed(r, &job->entry);
    outbox_due_end(&scan);
    if (*ret_found)
        read_about(txn, job);
    tables_abort(txn);
    return ERR_OK;
}

static enum err_code
try_job(struct run *r, const struct job *job, struct send_outcome *ret, struct err *err)
{
    struct notify_destination d;
    char key[OUTBOX_KEY_BYTES];
    *ret = (struct send_outcome){0};
    if (!job->is_there || job->organization[0] == '\0') {
        snprintf(ret->says, sizeof ret->says, "the tables are being folded anew");
        return ERR_OK;
    }
    if (!notify_conf_find(r->conf, str_of(job->organization), job->entry.destination, &d)) {
        snprintf(ret->says, sizeof ret->says, "the settings name no such destination any more");
        return ERR_OK;
    }
    outbox_key(job->id, job->entry.destination, key);
    const struct message_about about = {
        .organization = str_of(job->organization),
        .alert = job->entry.kind == OUTBOX_ALERT ? &job->alert : NULL,
        .spike = &job->spike,
        .id = str_of(job->id),
        .provider = str_of(job->provider),
        .value = str_of(job->value),
    };
    const struct send send = {.conf = r->conf,
                              .net = r->net,
                              .about = &about,
                              .destination = &d,
                              .key = key,
                              .now_ms = clock_now_ms(r->options->clock)};
    return send_message(&send, ret, err);
}

/* What the outcome makes of an entry. */
static void
change(struct run *r, struct outbox_entry *e, const struct send_outcome *outcome)
{
    int64_t now_ms = clock_now_ms(r->options->clock);
    e->attempts++;
    snprintf(e->result, sizeof e->result, "%s", outcome->says);
    log_decision(
        "notify", "entry=%" PRIu64 " kind=%d destination=\"%s\" attempt=%u delivered=%d gone=%d",
        e->id, (int)e->kind, e->destination, e->attempts, outcome->delivered, outcome->gone);
    if (outcome->delivered) {
        e->state = OUTBOX_SENT;
        e->done_ms = now_ms;
        r->result.sent++;
        return;
    }
    note_failed(r, e);
    r->result.failed++;
    e->due_ms = now_ms + notify_backoff_ms(notify_conf_backoff_ms(r->conf), e->id, e->attempts,
                                           outcome->retry_after_s);
    if (outcome->gone || e->due_ms - e->since_ms > notify_conf_dead_after_ms(r->conf)) {
        e->state = OUTBOX_DEAD;
        e->done_ms = now_ms;
        r->result.dead++;
    }
}

static void
say(const struct run *r, const struct job *job, const struct outbox_entry *e)
{
    char text[768], due[TIME_TEXT_BYTES];
    if (r->options->line == NULL || e->state == OUTBOX_SENT)
        return;
    time_format_ms(e->due_ms, due);
    snprintf(text, sizeof text, "entry %" PRIu64 " for %s to \"%s\", attempt %u: %s; %s%s", e->id,
             job->organization, e->destination, e->attempts, e->result,
             e->state == OUTBOX_DEAD ? "given up, see gbill outbox retry" : "next try ",
             e->state == OUTBOX_DEAD ? "" : due);
    r->options->line(r->options->context, text);
}

static enum err_code
note(struct run *r, const struct job *job, const struct send_outcome *outcome, struct err *err)
{
    struct tables_txn *txn;
    struct outbox_entry now;
    enum err_code code = tables_begin(r->tables, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    if (!outbox_get(txn, job->entry.id, &now) || now.state != OUTBOX_WAITING ||
        now.since_ms != job->entry.since_ms) {
        tables_abort(txn);
        return ERR_OK;
    }
    change(r, &now, outcome);
    code = outbox_change(txn, &now, err);
    if (code != ERR_OK) {
        tables_abort(txn);
        return code;
    }
    say(r, job, &now);
    return tables_commit(txn, err);
}

/* Entries that were done long ago, and how many wait. */
static enum err_code
tidy(struct run *r, struct err *err)
{
    struct tables_txn *txn;
    struct outbox_scan scan;
    uint64_t old[FORGET_MAX];
    size_t count = 0;
    enum err_code code = tables_begin(r->tables, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    outbox_scan_begin(&scan, txn);
    while (count < FORGET_MAX && outbox_scan_next(&scan)) {
        const struct outbox_entry *e = &scan.row;
        int64_t kept_days = e->state == OUTBOX_SENT ? SENT_KEPT_DAYS : DEAD_KEPT_DAYS;
        if (e->state != OUTBOX_WAITING && r->started_ms - e->done_ms < SENT_KEPT_DAYS * TIME_DAY_MS)
            break; /* what follows is about as young */
        if (e->state != OUTBOX_WAITING && r->started_ms - e->done_ms > kept_days * TIME_DAY_MS)
            old[count++] = e->id;
    }
    outbox_scan_end(&scan);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = outbox_forget(txn, old[i], err);
    if (code != ERR_OK) {
        tables_abort(txn);
        return code;
    }
    r->result.forgotten = count;
    r->result.waiting = tables_count(txn, TABLE_OUTBOX_DUE);
    return tables_commit(txn, err);
}

static enum err_code
open_run(struct run *r, struct err *err)
{
    const struct notify_options *o = r->options;
    enum err_code code = notify_conf_load(o->conf_path, &r->conf, err);
    if (code == ERR_OK)
        code = tables_open_locked(o->data_directory, "notify.lock", "gbill notify", &r->tables,
                                  &r->lock_fd, err);
    if (code != ERR_OK)
        return code;
    const struct net_options net = notify_conf_net(r->conf);
    return net_open(&net, &r->net, err);
}

enum err_code
notify_run(const struct notify_options *options, struct notify_result *ret, struct err *err)
{
    struct run r = {.options = options, .lock_fd = -1};
    struct job job;
    struct send_outcome outcome;
    bool found = true;
    enum err_code code = open_run(&r, err);
    r.started_ms = clock_now_ms(options->clock);
    while (code == ERR_OK) {
        code = next_job(&r, &found, &job, err);
        if (code != ERR_OK || !found)
            break;
        code = try_job(&r, &job, &outcome, err);
        if (code == ERR_OK)
            code = note(&r, &job, &outcome, err);
    }
    if (code == ERR_OK)
        code = tidy(&r, err);
    net_close(r.net);
    tables_close(r.tables);
    notify_conf_free(r.conf);
    if (r.lock_fd >= 0)
        close(r.lock_fd);
    if (code == ERR_OK)
        *ret = r.result;
    return code;
}
