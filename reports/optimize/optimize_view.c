#include "reports/optimize/optimize_view.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/time.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/efficiency.h"

enum { PICO_DIGITS = 12 };

static int
by_share(const void *a, const void *b)
{
    const struct recommendation *x = a, *y = b;
    if (x->share_pico != y->share_pico)
        return x->share_pico < y->share_pico ? 1 : -1;
    if (x->saving_pico != y->saving_pico)
        return x->saving_pico < y->saving_pico ? 1 : -1;
    return memcmp(x->id, y->id, sizeof x->id);
}

enum err_code
optimize_rows(struct tables_txn *txn, uint32_t organization, const enum recommendation_type *type,
              struct list *ret, struct err *err)
{
    struct recommendation_scan scan;
    enum err_code code = ERR_OK;
    recommendation_scan_begin(&scan, txn, organization);
    while (code == ERR_OK && recommendation_scan_next(&scan)) {
        if ((type == NULL || scan.row.type == *type) && !list_add(ret, &scan.row))
            code = err_set(err, ERR_LIMIT, "no memory for the recommendations");
    }
    recommendation_scan_end(&scan);
    if (ret->count > 0)
        qsort(ret->items, ret->count, ret->item_bytes, by_share);
    return code;
}

/* ---- JSON ---- */

static json_t *
amount_json(money_sum pico)
{
    char text[MONEY_TEXT_BYTES];
    money_format(pico, PICO_DIGITS, text);
    return json_string(text);
}

static json_t *
time_json(int64_t utc_ms)
{
    char text[TIME_TEXT_BYTES];
    time_format_ms(utc_ms, text);
    return json_string(text);
}

static json_t *
text_json(struct str text)
{
    return json_stringn(text.data, text.size_bytes);
}

static json_t *
object_json(struct str text)
{
    return json_loadb(text.data, text.size_bytes, 0, NULL);
}

static json_t *
row_json(const struct recommendation *r)
{
    char id[RECOMMENDATION_ID_TEXT_BYTES];
    recommendation_id_text(r->id, id);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:i, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o}",
        "id", id, "type", recommendation_type_name(r->type), "priority",
        recommendation_priority_name(r->priority), "status", recommendation_status_name(r->status),
        "title", text_json(r->texts[RECOMMENDATION_TITLE]), "description",
        text_json(r->texts[RECOMMENDATION_DESCRIPTION]), "candidate", r->candidate, "confidence",
        r->confidence_percent, "calls", (json_int_t)r->calls, "from",
        time_json((int64_t)r->from_hour * TIME_HOUR_MS), "to",
        time_json((int64_t)r->to_hour * TIME_HOUR_MS), "currency", r->currency, "cost",
        amount_json(r->cost_pico), "saving", amount_json(r->saving_pico), "impact",
        object_json(r->texts[RECOMMENDATION_IMPACT]), "implementation",
        object_json(r->texts[RECOMMENDATION_IMPLEMENTATION]), "evidence",
        object_json(r->texts[RECOMMENDATION_EVIDENCE]), "createdAt", time_json(r->created_ms),
        "answeredAt", r->answered_ms != 0 ? time_json(r->answered_ms) : json_null());
}

static json_t *
efficiency_json(struct tables_txn *txn, uint32_t organization)
{
    struct efficiency e;
    if (!efficiency_last(txn, organization, &e))
        return json_null();
    return json_pack("{s:i, s:I, s:I, s:o, s:o, s:s, s:o, s:o, s:o}", "score", e.score, "calls",
                     (json_int_t)e.calls, "unpricedCalls", (json_int_t)e.unpriced_calls, "from",
                     time_json((int64_t)e.from_hour * TIME_HOUR_MS), "to",
                     time_json((int64_t)e.to_hour * TIME_HOUR_MS), "currency", e.currency, "cost",
                     amount_json(e.actual_pico), "avoidable", amount_json(e.avoidable_pico),
                     "candidates", amount_json(e.candidate_pico));
}

enum err_code
optimize_json(struct tables_txn *txn, uint32_t organization, const enum recommendation_type *type,
              FILE *out, struct err *err)
{
    struct list rows;
    list_init(&rows, sizeof(struct recommendation));
    enum err_code code = optimize_rows(txn, organization, type, &rows, err);
    const struct recommendation *r = rows.items;
    json_t *list = json_array();
    bool ok = true;
    for (size_t i = 0; code == ERR_OK && i < rows.count; i++)
        ok = json_array_append_new(list, row_json(&r[i])) == 0 && ok;
    json_t *root = json_pack("{s:o, s:I, s:o, s:o}", "organizationId",
                             text_json(dict_text(txn, organization)), "position",
                             (json_int_t)cursor_get(txn).seq, "analysis",
                             efficiency_json(txn, organization), "recommendations", list);
    if (code == ERR_OK &&
        (!ok || root == NULL || json_dumpf(root, out, JSON_COMPACT | JSON_PRESERVE_ORDER) != 0))
        code = err_set(err, ERR_LIMIT, "no memory for the recommendations");
    json_decref(root);
    list_clear(&rows);
    fputc('\n', out);
    return code;
}
