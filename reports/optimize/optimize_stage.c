#include "reports/optimize/optimize_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reports/optimize/plan_choice.h"
#include "store/base/time.h"
#include "store/tables/cursor.h"
#include "store/tables/feedback.h"
#include "store/tables/organization.h"
#include "store/tables/usage.h"

enum { WRITE_ORGANIZATIONS = 64, DISMISSED_TIMES = 2 };

struct run {
    const struct optimize_options *options;
    struct optimize_result result;
    struct tables *tables;
    struct tables_txn *txn; /* reading: the moment that all is of */
    int lock_fd;
    int64_t now_ms;
    uint32_t from_hour, to_hour;
    struct list due; /* uint32_t: organizations to be looked at, rising */
    struct price_book *prices;
    struct plan_book *plans;
    struct survey survey;
    struct plan_choice choice;
    struct advice advice;
};

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory for gbill optimize");
}

/* ---- answers ---- */

/* Does the row say what its newest answer says?  One that was opened again is pending. */
static bool
is_answered_so(const struct recommendation *row, const struct feedback *newest)
{
    return newest->time_utc_ms == row->answered_ms &&
           (newest->status == row->status || row->status == RECOMMENDATION_PENDING);
}

/* Take over the newest answer to a row; false: it changes nothing. */
static bool
take_answer(struct tables_txn *txn, struct recommendation *row)
{
    char text[RECOMMENDATION_ID_TEXT_BYTES];
    struct feedback newest;
    uint32_t number;
    recommendation_id_text(row->id, text);
    if (!dict_find(txn, str_of(text), &number) ||
        !feedback_newest(txn, row->organization, number, &newest)) {
        if (row->answered_ms == 0)
            return false;
        row->status = RECOMMENDATION_PENDING; /* the answer was voided */
        row->answered_ms = 0;
        row->answered_pico = 0;
        return true;
    }
    if (is_answered_so(row, &newest))
        return false;
    row->status = newest.status;
    row->answered_ms = newest.time_utc_ms;
    row->answered_pico = row->saving_pico;
    return true;
}

/* Rows whose answer is not theirs yet, by organization and id. */
static enum err_code
find_answered(struct run *r, struct list *ret, struct err *err)
{
    struct recommendation_scan scan;
    enum err_code code = ERR_OK;
    recommendation_scan_begin(&scan, r->txn, 0);
    while (code == ERR_OK && recommendation_scan_next(&scan)) {
        struct recommendation row = scan.row;
        if (take_answer(r->txn, &row) && !list_add(ret, &row))
            code = no_memory(err);
    }
    recommendation_scan_end(&scan);
    return code;
}

/* The rows' texts point into what r->txn reads. */
static enum err_code
take_answers(struct run *r, struct err *err)
{
    struct tables_txn *txn;
    struct list rows;
    list_init(&rows, sizeof(struct recommendation));
    enum err_code code = find_answered(r, &rows, err);
    if (code == ERR_OK && rows.count > 0) {
        code = tables_begin(r->tables, TABLES_WRITE, &txn, err);
        for (size_t i = 0; code == ERR_OK && i < rows.count; i++)
            code = recommendation_put(txn, (struct recommendation *)rows.items + i, err);
        if (code == ERR_OK)
            code = tables_commit(txn, err);
        else
            tables_abort(txn);
    }
    r->result.answered = rows.count;
    list_clear(&rows);
    return code;
}

/* ---- who is due ---- */

static bool
has_usage(struct run *r, uint32_t organization)
{
    struct tables_scan scan;
    uint8_t from[USAGE_RANGE_BYTES];
    put_be32(from, organization);
    put_be32(from + 4, r->from_hour);
    tables_scan_begin(&scan, r->txn, TABLE_HOURLY, (struct bytes){from, 4});
    bool found = tables_scan_seek(&scan, (struct bytes){from, sizeof from}) &&
                 usage_key_decode(scan.key.data).period < r->to_hour;
    tables_scan_end(&scan);
    return found;
}

static enum err_code
find_due(struct run *r, struct err *err)
{
    uint32_t organization = 0;
    while (organization_next(r->txn, organization, &organization)) {
        bool done = efficiency_reaches(r->txn, organization, r->to_hour);
        if ((done && !r->options->again) || !has_usage(r, organization))
            continue;
        if (!list_add(&r->due, &organization))
            return no_memory(err);
    }
    return ERR_OK;
}

/* ---- what was found, beside what is stored ---- */

/*
 * May an answered one be asked again?  Only when all calls looked at came behind the
 * answer, and as much could be saved as then; after a dismissal, much more.
 */
static bool
opens_again(const struct recommendation *stored, const struct recommendation *found)
{
    if (stored->status == RECOMMENDATION_PENDING ||
        (int64_t)found->from_hour * TIME_HOUR_MS < stored->answered_ms)
        return false;
    return found->saving_pico >=
           stored->answered_pico *
               (stored->status == RECOMMENDATION_DISMISSED ? DISMISSED_TIMES : 1);
}

static enum err_code
put_found(struct run *r, struct tables_txn *txn, struct recommendation *found, struct err *err)
{
    struct recommendation stored;
    if (recommendation_get(txn, found->organization, found->id, &stored)) {
        bool again = opens_again(&stored, found);
        found->created_ms = stored.created_ms;
        found->answered_ms = stored.answered_ms;
        found->answered_pico = stored.answered_pico;
        found->status = again ? RECOMMENDATION_PENDING : stored.status;
        r->result.made += again;
    } else {
        r->result.made++;
    }
    return recommendation_put(txn, found, err);
}

static bool
is_found(const struct run *r, const struct recommendation *stored)
{
    const struct recommendation *found = r->advice.rows.items;
    for (size_t i = 0; i < r->advice.rows.count; i++)
        if (memcmp(found[i].id, stored->id, RECOMMENDATION_ID_BYTES) == 0)
            return true;
    return false;
}

/* A pending row whose reason is gone goes too; of an answered one the record stays. */
static enum err_code
drop_gone(struct run *r, struct tables_txn *txn, uint32_t organization, struct err *err)
{
    struct recommendation_scan scan;
    struct list gone;
    enum err_code code = ERR_OK;
    list_init(&gone, sizeof(struct recommendation));
    recommendation_scan_begin(&scan, txn, organization);
    while (code == ERR_OK && recommendation_scan_next(&scan)) {
        if (scan.row.status == RECOMMENDATION_PENDING && !is_found(r, &scan.row) &&
            !list_add(&gone, &scan.row))
            code = no_memory(err);
    }
    recommendation_scan_end(&scan);
    for (size_t i = 0; code == ERR_OK && i < gone.count; i++)
        code = recommendation_delete(txn, (struct recommendation *)gone.items + i, err);
    list_clear(&gone);
    return code;
}

static enum err_code
put_organization(struct run *r, struct tables_txn *txn, const struct efficiency *efficiency,
                 struct err *err)
{
    struct recommendation *rows = r->advice.rows.items;
    enum err_code code = drop_gone(r, txn, efficiency->organization, err);
    for (size_t i = 0; code == ERR_OK && i < r->advice.rows.count; i++)
        code = put_found(r, txn, &rows[i], err);
    return code == ERR_OK ? efficiency_put(txn, efficiency, err) : code;
}

/* ---- the survey ---- */

/* Where an organization's groups are in the order of keys; both at the first greater one. */
static void
find_groups(const struct run *r, const uint32_t *order, uint32_t organization, size_t *from,
            size_t *to)
{
    const struct map *groups = &r->survey.groups;
    for (*from = *to; *from < groups->count; ++*from) {
        const struct survey_key *key = (const struct survey_key *)map_key(groups, order[*from]);
        if (get_be32(key->organization) >= organization)
            break;
    }
    for (*to = *from; *to < groups->count; ++*to) {
        const struct survey_key *key = (const struct survey_key *)map_key(groups, order[*to]);
        if (get_be32(key->organization) != organization)
            break;
    }
}

static enum err_code
make_organization(struct run *r, struct tables_txn *txn, const uint32_t *order, size_t from,
                  size_t to, uint32_t organization, struct err *err)
{
    struct efficiency efficiency;
    struct advice_basis basis = {
        .organization = organization,
        .from_hour = r->from_hour,
        .to_hour = r->to_hour,
        .now_ms = r->now_ms,
        .position = r->result.position,
    };
    snprintf(basis.currency, sizeof basis.currency, "%.*s", STR_ARG(r->prices->currency));
    advice_reset(&r->advice);
    enum err_code code =
        advice_make(&r->advice, &r->survey, order, from, to, &basis, &efficiency, err);
    if (code == ERR_OK)
        code = plan_choice_make(&r->choice, r->txn, &basis, &r->advice, err);
    return code == ERR_OK ? put_organization(r, txn, &efficiency, err) : code;
}

/* So many organizations in one transaction that writers of usage do not wait long. */
static enum err_code
write_some(struct run *r, const uint32_t *order, size_t first, size_t end, size_t *to,
           struct err *err)
{
    const uint32_t *due = r->due.items;
    struct tables_txn *txn;
    enum err_code code = tables_begin(r->tables, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = first, from; code == ERR_OK && i < end; i++) {
        find_groups(r, order, due[i], &from, to);
        code = make_organization(r, txn, order, from, *to, due[i], err);
    }
    if (code == ERR_OK)
        return tables_commit(txn, err);
    tables_abort(txn);
    return code;
}

static enum err_code
look(struct run *r, struct err *err)
{
    const struct survey_options options = {
        .data_directory = r->options->data_directory,
        .txn = r->txn,
        .prices = r->prices,
        .from_ms = (int64_t)r->from_hour * TIME_HOUR_MS,
        .to_ms = (int64_t)r->to_hour * TIME_HOUR_MS,
        .progress = r->options->progress,
        .context = r->options->context,
    };
    enum err_code code = survey_run(&r->survey, &options, err);
    if (code != ERR_OK)
        return code;
    r->result.calls = r->survey.calls;
    r->result.forgotten = r->survey.walk.recent.evictions + r->survey.walk.again_missed;
    uint32_t *order = map_sorted(&r->survey.groups);
    if (order == NULL)
        return no_memory(err);
    for (size_t i = 0, to = 0; code == ERR_OK && i < r->due.count; i += WRITE_ORGANIZATIONS) {
        size_t end = r->due.count - i < WRITE_ORGANIZATIONS ? r->due.count
                                                            : i + WRITE_ORGANIZATIONS;
        code = write_some(r, order, i, end, &to, err);
        if (code == ERR_OK)
            r->result.organizations = end;
    }
    free(order);
    return code;
}

static enum err_code
run_opened(struct run *r, struct err *err)
{
    enum err_code code = tables_begin(r->tables, TABLES_READ, &r->txn, err);
    if (code != ERR_OK)
        return code;
    r->result.position = cursor_get(r->txn).seq;
    code = take_answers(r, err);
    if (code != ERR_OK)
        return code;
    /* What was written meanwhile is looked at in put_found(), in its own transaction. */
    code = find_due(r, err);
    return code == ERR_OK && r->due.count > 0 ? look(r, err) : code;
}

enum err_code
optimize_stage_run(const struct optimize_options *options, struct optimize_result *ret,
                   struct err *err)
{
    struct run r = {.options = options, .lock_fd = -1, .now_ms = clock_now_ms(options->clock)};
    r.to_hour = (uint32_t)(r.now_ms / TIME_DAY_MS * 24);
    r.from_hour = r.to_hour - OPTIMIZE_DAYS * 24;
    list_init(&r.due, sizeof(uint32_t));
    survey_init(&r.survey);
    advice_init(&r.advice);
    plan_choice_init(&r.choice, NULL);
    enum err_code code = price_book_load(options->prices_path, &r.prices, err);
    if (code == ERR_OK)
        code = plan_book_load(options->plans_path, &r.plans, err);
    if (code == ERR_OK) {
        plan_choice_init(&r.choice, r.plans);
        code = tables_open_locked(options->data_directory, "optimize.lock", "gbill optimize",
                                  &r.tables, &r.lock_fd, err);
    }
    if (code == ERR_OK)
        code = run_opened(&r, err);
    plan_choice_clear(&r.choice);
    advice_clear(&r.advice);
    survey_clear(&r.survey);
    list_clear(&r.due);
    tables_abort(r.txn);
    tables_close(r.tables);
    if (r.lock_fd >= 0)
        close(r.lock_fd);
    plan_book_free(r.plans);
    price_book_free(r.prices);
    if (code == ERR_OK)
        *ret = r.result;
    return code;
}
