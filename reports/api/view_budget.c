#include <inttypes.h>

#include "billing/budget/settings.h"
#include "reports/api/body.h"
#include "reports/api/idempotency.h"
#include "reports/api/parcel.h"
#include "reports/api/views.h"
#include "reports/spikes/spike_settings.h"
#include "store/base/json.h"
#include "store/base/print.h"
#include "store/event/act_tell.h"
#include "store/event/event_json.h"
#include "store/event/json_pack.h"

static void
put_setting(FILE *out, const char *key, struct bytes setting, const char *absent)
{
    fprintf(out, ",\"%s\":", key);
    if (setting.size_bytes > 0)
        event_json_write(out, setting);
    else
        fputs(absent, out);
}

enum err_code
view_budget(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn = NULL;
    struct budget b = {.email_alerts = true};
    uint32_t organization;
    FILE *out = answer->out;
    enum err_code code = view_begin(request, &txn, &organization, err);
    if (code == ERR_OK) {
        (void)budget_get(txn, organization, &b); /* else the defaults hold */
        view_head(request, txn, out);
        if (b.has_monthly)
            fprintf(out, ",\"monthlyBudget\":%" PRIu64, b.monthly_minor);
        else
            fputs(",\"monthlyBudget\":null", out);
        put_setting(out, "alertThresholds", b.thresholds, BUDGET_THRESHOLDS_JSON);
        put_setting(out, "spikeDetection", b.spikes, BUDGET_SPIKES_JSON);
        put_setting(out, "autoLimits", b.limits, BUDGET_LIMITS_JSON);
        fprintf(out, ",\"emailAlerts\":%s", b.email_alerts ? "true" : "false");
        view_time(out, "updatedAt", b.updated_ms);
        fputs("}\n", out);
    }
    shelf_end(request->shelf, txn);
    return code;
}

/* A member as the event has it; what the event cannot hold is refused with the event. */
static struct bytes
pack_member(const json_t *body, const char *key, struct buf *out)
{
    const json_t *value = json_object_get(body, key);
    size_t at = out->size_bytes;
    if (value == NULL || json_is_null(value) ||
        json_pack_value(value, MP_DEPTH_MAX - 1, out) != JSON_PACKED)
        return (struct bytes){NULL, 0};
    return (struct bytes){out->data + at, out->size_bytes - at};
}

/* What a job would leave out is refused here, where somebody reads the answer. */
static bool
check_settings(const json_t *body, struct answer *answer)
{
    char complaint[SETTINGS_COMPLAINT_BYTES];
    struct budget_month month = {.mark_count = 0};
    struct buf packed;
    buf_init(&packed, (size_t)4 * VIEW_BUDGET_BYTES_MAX);
    /* One piece of memory, which does not move: each member points into it. */
    bool ok = buf_reserve(&packed, (size_t)4 * VIEW_BUDGET_BYTES_MAX);
    if (ok) {
        const struct budget b = {.thresholds = pack_member(body, "alertThresholds", &packed),
                                 .spikes = pack_member(body, "spikeDetection", &packed),
                                 .limits = pack_member(body, "autoLimits", &packed)};
        settings_apply(&b, &month, complaint);
        const struct spike_settings spikes = spike_settings_of(&b);
        if (complaint[0] == '\0' && spikes.complaint != NULL)
            snprintf(complaint, sizeof complaint, "%s", spikes.complaint);
        ok = complaint[0] == '\0';
        if (!ok)
            answer_problem(answer, 422, "settings", complaint,
                           "see schemas/event.md, \"Budgets\"; nothing was changed");
    } else {
        answer_problem(answer, 503, "unavailable", "no memory", "ask again");
    }
    buf_clear(&packed);
    return ok;
}

/* Places of an Idempotency-Key's events that no event of POST usage has. */
enum { PLACE_BUDGET = PARCEL_EVENTS_MAX, PLACE_ACT };

/* Both or none: the settings, and which key set them. */
static enum err_code
add_events(const struct api_request *request, const struct idempotency *idempotency,
           const json_t *body, char id[PARCEL_ID_BYTES], struct event_defect *defect,
           struct err *err)
{
    char actor[ACT_ACTOR_BYTES], act_id[PARCEL_ID_BYTES];
    const struct act_told told = {request->organization, actor, "budget.put", id, NULL, false};
    snprintf(actor, sizeof actor, "key %s", request->key_id);
    if (!parcel_make_id(idempotency->key, PLACE_BUDGET, id) ||
        !parcel_make_id(idempotency->key, PLACE_ACT, act_id))
        return err_set(err, ERR_IO, "the kernel gives no random bytes");
    if (!parcel_add(request->parcel, EVENT_BUDGET, body, str_of(id), request->organization,
                    idempotency->first_ms, defect))
        return ERR_OK;
    json_t *act = act_json(&told);
    bool ok = act != NULL && parcel_add(request->parcel, EVENT_ACT, act, str_of(act_id),
                                        request->organization, idempotency->first_ms, defect);
    json_decref(act);
    if (ok)
        return ERR_OK;
    parcel_clear(request->parcel);
    return err_set(err, ERR_LIMIT, "no memory");
}

static enum err_code
put_budget(const struct api_request *request, const json_t *body, struct answer *answer,
           struct err *err)
{
    static const char *const allowed[] = {
        "organizationId", "monthlyBudget", "emailAlerts", "alertThresholds",
        "spikeDetection", "autoLimits",    NULL};
    char id[PARCEL_ID_BYTES];
    struct event_defect defect = {""};
    struct idempotency idempotency;
    if (json_only_keys(body, "the budget", allowed, err) != ERR_OK) {
        answer_problem(answer, 422, "settings", err->text,
                       "see schemas/event.md, \"Budgets\"; nothing was changed");
        return ERR_OK;
    }
    if (!check_settings(body, answer) || !idempotency_begin(request, &idempotency, answer))
        return ERR_OK;
    enum err_code code = add_events(request, &idempotency, body, id, &defect, err);
    if (code != ERR_OK)
        return code;
    if (request->parcel->items.count == 0) {
        answer_problem(answer, 422, "settings", defect.text,
                       "see schemas/event.md, \"Budgets\"; nothing was changed");
        return ERR_OK;
    }
    idempotency_take(request, &idempotency);
    fputs("{\"success\":true,\"organizationId\":", answer->out);
    print_json_text(answer->out, str_of(request->organization));
    fprintf(answer->out, ",\"id\":\"%s\"}\n", id);
    return ERR_OK;
}

enum err_code
view_budget_put(const struct api_request *request, struct answer *answer, struct err *err)
{
    json_t *body;
    enum err_code code = ERR_OK;
    if (!body_read(request->body, &body, answer))
        return ERR_OK;
    if (body_organization_ok(body, request->organization, answer))
        code = put_budget(request, body, answer, err);
    json_decref(body);
    return code;
}
