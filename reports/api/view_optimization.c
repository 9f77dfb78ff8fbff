#include <inttypes.h>

#include "reports/api/views.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/tables/efficiency.h"
#include "store/tables/recommendation.h"

static void
put_hours(FILE *out, uint32_t from_hour, uint32_t to_hour)
{
    view_time(out, "from", (int64_t)from_hour * TIME_HOUR_MS);
    view_time(out, "to", (int64_t)to_hour * TIME_HOUR_MS);
}

static void
put_efficiency(FILE *out, struct tables_txn *txn, uint32_t organization)
{
    struct efficiency e;
    fputs(",\"analysis\":", out);
    if (!efficiency_last(txn, organization, &e)) {
        fputs("null", out);
        return;
    }
    fprintf(out, "{\"score\":%u,\"calls\":%" PRIu64 ",\"unpricedCalls\":%" PRIu64, e.score, e.calls,
            e.unpriced_calls);
    put_hours(out, e.from_hour, e.to_hour);
    view_text(out, "currency", str_of(e.currency));
    view_amount(out, "cost", e.actual_pico);
    view_amount(out, "avoidable", e.avoidable_pico);
    view_amount(out, "candidates", e.candidate_pico);
    fputc('}', out);
}

/* A stored JSON object, as it is. */
static void
put_object(FILE *out, const char *key, struct str object)
{
    fprintf(out, ",\"%s\":%.*s", key, STR_ARG(object.size_bytes > 0 ? object : str_of("null")));
}

static void
put_recommendation(FILE *out, const struct recommendation *r)
{
    char id[RECOMMENDATION_ID_TEXT_BYTES];
    recommendation_id_text(r->id, id);
    fprintf(out, "{\"id\":\"%s\",\"type\":\"%s\",\"priority\":\"%s\",\"status\":\"%s\"", id,
            recommendation_type_name(r->type), recommendation_priority_name(r->priority),
            recommendation_status_name(r->status));
    view_text(out, "title", r->texts[RECOMMENDATION_TITLE]);
    view_text(out, "description", r->texts[RECOMMENDATION_DESCRIPTION]);
    fprintf(out, ",\"candidate\":%s,\"confidence\":%u,\"calls\":%" PRIu64,
            r->candidate ? "true" : "false", r->confidence_percent, r->calls);
    put_hours(out, r->from_hour, r->to_hour);
    view_text(out, "currency", str_of(r->currency));
    view_amount(out, "cost", r->cost_pico);
    view_amount(out, "saving", r->saving_pico);
    put_object(out, "impact", r->texts[RECOMMENDATION_IMPACT]);
    put_object(out, "implementation", r->texts[RECOMMENDATION_IMPLEMENTATION]);
    put_object(out, "evidence", r->texts[RECOMMENDATION_EVIDENCE]);
    view_time(out, "createdAt", r->created_ms);
    view_time(out, "answeredAt", r->answered_ms);
    fputc('}', out);
}

static void
put_all(FILE *out, struct tables_txn *txn, uint32_t organization, bool all,
        enum recommendation_type type)
{
    struct recommendation_scan scan;
    bool any = false;
    fputs(",\"recommendations\":[", out);
    recommendation_scan_begin(&scan, txn, organization);
    while (recommendation_scan_next(&scan)) {
        if (!all && scan.row.type != type)
            continue;
        if (any)
            fputc(',', out);
        put_recommendation(out, &scan.row);
        any = true;
    }
    recommendation_scan_end(&scan);
    fputc(']', out);
}

enum err_code
view_optimization(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn = NULL;
    uint32_t organization;
    const char *name = request->parameter(request->context, "type");
    enum recommendation_type type = RECOMMENDATION_TYPE_COUNT;
    if (name != NULL && !recommendation_type_find(str_of(name), &type))
        return err_set(err, ERR_USAGE, "type \"%.40s\" is no type of recommendation", name);
    enum err_code code = view_begin(request, &txn, &organization, err);
    if (code == ERR_OK) {
        view_head(request, txn, answer->out);
        put_efficiency(answer->out, txn, organization);
        put_all(answer->out, txn, organization, name == NULL, type);
        fputs("}\n", answer->out);
    }
    shelf_end(request->shelf, txn);
    return code;
}
