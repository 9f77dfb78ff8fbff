#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/plan/load.h"

enum { PERIOD_MONTHS_MAX = 120, PERIOD_DAYS_MAX = 3660, TRIAL_DAYS_MAX = 730 };

/* "month", "quarter", "year", {"months": 6} or {"days": 7}; absent: as it was. */
static enum err_code
take_period(const struct load_at *at, const char *key, struct cycle *ret, struct err *err)
{
    static const char *const words[] = {"month", "quarter", "year", NULL};
    static const char *const keys[] = {"months", "days", NULL};
    static const int32_t months_of[] = {1, 3, 12};
    const json_t *v = json_object_get(at->object, key);
    int64_t months = 0, days = 0;
    int word = 0;
    if (v == NULL || json_is_null(v))
        return ERR_OK;
    if (json_is_string(v)) {
        enum err_code code = load_word_opt(at, key, words, &word, err);
        ret->months = months_of[word];
        ret->days = 0;
        return code;
    }
    struct load_at inner = load_inner(at, v, key, -1);
    enum err_code code = json_only_keys(v, inner.where, keys, err);
    if (code == ERR_OK)
        code = json_get_int_opt(v, inner.where, "months", 1, PERIOD_MONTHS_MAX, &months, err);
    if (code == ERR_OK)
        code = json_get_int_opt(v, inner.where, "days", 1, PERIOD_DAYS_MAX, &days, err);
    if (code == ERR_OK && (months > 0) == (days > 0))
        return err_set(err, ERR_CONFIG, "%s: must have either \"months\" or \"days\"", inner.where);
    ret->months = (int32_t)months;
    ret->days = (int32_t)days;
    return code;
}

static enum err_code
take_cycles(const struct load_at *at, struct plan_terms *t, struct err *err)
{
    static const char *const cycles[] = {"calendar", "anchored", NULL};
    static const char *const counts[] = {"seconds", "days", "days_inclusive", NULL};
    int cycle = 0, count = 0;
    t->cycle = cycle_calendar_month();
    enum err_code code = take_period(at, "period", &t->cycle, err);
    t->usage_cycle = t->cycle;
    if (code == ERR_OK)
        code = take_period(at, "usage_period", &t->usage_cycle, err);
    if (code == ERR_OK)
        code = load_word_opt(at, "cycle", cycles, &cycle, err);
    if (code == ERR_OK)
        code = load_word_opt(at, "day_count", counts, &count, err);
    if (code == ERR_OK)
        code = json_get_int_opt(at->object, at->where, "trial_days", 0, TRIAL_DAYS_MAX,
                                &t->trial_days, err);
    if (code != ERR_OK)
        return code;
    if (t->cycle.days > 0 && cycle == 0)
        return err_set(err, ERR_CONFIG,
                       "%s: a period of days has no calendar; \"cycle\" must be \"anchored\"",
                       at->where);
    bool fits = t->cycle.days > 0
                    ? t->usage_cycle.days > 0 && t->cycle.days % t->usage_cycle.days == 0
                    : t->usage_cycle.months > 0 && t->cycle.months % t->usage_cycle.months == 0;
    if (!fits)
        return err_set(err, ERR_CONFIG, "%s: \"usage_period\" must divide \"period\"", at->where);
    t->cycle.anchored = t->usage_cycle.anchored = cycle == 1;
    t->day_count = (enum cycle_count)count;
    return ERR_OK;
}

/* A whole number is hard, {"soft": n} lets more pass, null is without limit. */
static enum err_code
take_limit(const struct load_at *at, const char *key, uint64_t *ret, bool *ret_soft,
           struct err *err)
{
    static const char *const keys[] = {"soft", NULL};
    const json_t *v = json_object_get(at->object, key);
    int64_t value = -1;
    if (v == NULL)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" is missing; null is unlimited", at->where, key);
    *ret_soft = json_is_object(v);
    enum err_code code = ERR_OK;
    if (json_is_object(v)) {
        struct load_at inner = load_inner(at, v, key, -1);
        code = json_only_keys(v, inner.where, keys, err);
        if (code == ERR_OK)
            code = json_get_int_opt(v, inner.where, "soft", 0, PLAN_LIMIT_MAX, &value, err);
        if (code == ERR_OK && value < 0)
            return err_set(err, ERR_CONFIG, "%s: \"soft\" is missing", inner.where);
    } else {
        code = json_get_int_opt(at->object, at->where, key, 0, PLAN_LIMIT_MAX, &value, err);
    }
    *ret = value < 0 ? LIMIT_UNLIMITED : (uint64_t)value;
    return code;
}

static enum err_code
take_limits(const struct load_at *at, struct plan_terms *t, struct err *err)
{
    static const char *const keys[] = {"projects", "documents", "ai_credits", "members", NULL};
    json_t *limits = NULL;
    enum err_code code = json_get_object_opt(at->object, at->where, "limits", &limits, err);
    if (code != ERR_OK)
        return code;
    if (limits == NULL)
        return err_set(err, ERR_CONFIG, "%s: \"limits\" is missing", at->where);
    struct load_at inner = load_inner(at, limits, "limits", -1);
    code = json_only_keys(limits, inner.where, keys, err);
    for (int d = 0; code == ERR_OK && d < LIMIT_DIMENSIONS; d++)
        code = take_limit(&inner, limit_dimension_name((enum limit_dimension)d), &t->limits[d],
                          &t->soft[d], err);
    return code;
}

static enum err_code
take_rate_limits(const struct load_at *at, struct plan_terms *t, struct err *err)
{
    static const char *const keys[] = {"requests_per_minute", "tokens_per_minute", NULL};
    json_t *limits = NULL;
    int64_t value[2] = {-1, -1};
    enum err_code code = json_get_object_opt(at->object, at->where, "rate_limits", &limits, err);
    if (code == ERR_OK && limits != NULL) {
        struct load_at inner = load_inner(at, limits, "rate_limits", -1);
        code = json_only_keys(limits, inner.where, keys, err);
        for (int i = 0; code == ERR_OK && i < 2; i++)
            code =
                json_get_int_opt(limits, inner.where, keys[i], 1, PLAN_LIMIT_MAX, &value[i], err);
    }
    t->requests_per_minute = value[0] < 0 ? LIMIT_UNLIMITED : (uint64_t)value[0];
    t->tokens_per_minute = value[1] < 0 ? LIMIT_UNLIMITED : (uint64_t)value[1];
    return code;
}

static enum err_code
take_weight(const struct load_at *at, struct plan_terms *t, struct plan_weight *weight,
            struct err *err)
{
    static const char *const keys[] = {"model", "weight", NULL};
    enum err_code code = json_only_keys(at->object, at->where, keys, err);
    if (code == ERR_OK)
        code = load_id(at, "model", &weight->model, err);
    if (code == ERR_OK)
        code = load_decimal(at, "weight", 6, &weight->weight, err);
    if (code == ERR_OK && weight->weight > 1000000 * PLAN_WEIGHT_ONE)
        return err_set(err, ERR_CONFIG, "%s: \"weight\" is more than 1000000", at->where);
    if (code == ERR_OK && str_is(weight->model, "*"))
        t->weight_other = weight->weight;
    return code;
}

static enum err_code
take_weights(const struct load_at *at, struct plan_terms *t, struct err *err)
{
    json_t *array = NULL;
    const json_t *v = json_object_get(at->object, "weights");
    t->weight_other = PLAN_WEIGHT_ONE;
    if (v == NULL || json_is_null(v))
        return ERR_OK;
    enum err_code code = json_get_array(at->object, at->where, "weights", &array, err);
    size_t count = code == ERR_OK ? json_array_size(array) : 0;
    struct plan_weight *weights = load_alloc(at, (count + 1) * sizeof *weights);
    if (code == ERR_OK && weights == NULL)
        return load_full(err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        struct load_at inner = load_inner(at, json_array_get(array, i), "weights", (int)i);
        code = take_weight(&inner, t, &weights[i], err);
        for (size_t k = 0; code == ERR_OK && k < i; k++) {
            if (str_equal(weights[k].model, weights[i].model))
                code = err_set(err, ERR_CONFIG, "%s: weights[%zu] is of this model already",
                               inner.where, k);
        }
    }
    t->weights = weights;
    t->weight_count = count;
    return code;
}

static enum err_code
keep_json(const struct load_at *at, struct str *ret, struct err *err)
{
    char *text = json_dumps(at->object, JSON_COMPACT | JSON_SORT_KEYS);
    struct str all = {text, text != NULL ? strlen(text) : 0};
    ret->data = text != NULL ? arena_text(at->load->arena, all) : NULL;
    ret->size_bytes = all.size_bytes;
    free(text);
    return ret->data != NULL ? ERR_OK : load_full(err);
}

static enum err_code
take_version(const struct load_at *at, struct plan_terms *t, struct err *err)
{
    static const char *const keys[] = {"from",      "period",  "usage_period", "cycle",
                                       "day_count", "limits",  "trial_days",   "rate_limits",
                                       "weights",   "charges", "commitment",   "support",
                                       "analytics", NULL};
    enum err_code code = json_only_keys(at->object, at->where, keys, err);
    t->from_ms = INT64_MIN;
    if (code == ERR_OK)
        code = load_time_opt(at, "from", &t->from_ms, err);
    if (code == ERR_OK)
        code = take_cycles(at, t, err);
    if (code == ERR_OK)
        code = take_limits(at, t, err);
    if (code == ERR_OK)
        code = take_rate_limits(at, t, err);
    if (code == ERR_OK)
        code = take_weights(at, t, err);
    if (code == ERR_OK)
        code = load_charges(at, t, err);
    if (code == ERR_OK)
        code = load_decimal_opt(at, "commitment", 12, &t->commitment_pico, &t->has_commitment, err);
    if (code == ERR_OK)
        code = load_text(at, "support", &t->support, err);
    if (code == ERR_OK)
        code = load_text(at, "analytics", &t->analytics, err);
    return code == ERR_OK ? keep_json(at, &t->json, err) : code;
}

/* A subscription's periods do not change by themselves. */
static bool
same_periods(const struct plan_terms *a, const struct plan_terms *b)
{
    return cycle_equal(&a->cycle, &b->cycle) && cycle_equal(&a->usage_cycle, &b->usage_cycle) &&
           a->day_count == b->day_count;
}

enum err_code
load_versions(const struct load_at *at, struct plan *plan, struct err *err)
{
    json_t *array = NULL;
    enum err_code code = json_get_array(at->object, at->where, "versions", &array, err);
    size_t count = code == ERR_OK ? json_array_size(array) : 0;
    if (code == ERR_OK && count == 0)
        return err_set(err, ERR_CONFIG, "%s: \"versions\" is empty", at->where);
    struct plan_terms *terms = code == ERR_OK ? load_alloc(at, count * sizeof *terms) : NULL;
    if (code == ERR_OK && terms == NULL)
        return load_full(err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        struct load_at inner = load_inner(at, json_array_get(array, i), "versions", (int)i);
        code = take_version(&inner, &terms[i], err);
        if (code != ERR_OK)
            break;
        if ((i == 0) != (terms[i].from_ms == INT64_MIN))
            return err_set(err, ERR_CONFIG, "%s: %s", inner.where,
                           i == 0 ? "the first version holds from ever on; it has no \"from\""
                                  : "\"from\" is missing");
        if (i > 0 && terms[i].from_ms <= terms[i - 1].from_ms)
            return err_set(err, ERR_CONFIG, "%s: \"from\" must be behind that of versions[%zu]",
                           inner.where, i - 1);
        if (!same_periods(&terms[0], &terms[i]))
            return err_set(err, ERR_CONFIG,
                           "%s: periods, cycle and day_count must be those of versions[0]; other "
                           "ones are another plan",
                           inner.where);
    }
    plan->terms = terms;
    plan->terms_count = count;
    return code;
}
