#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/plan/load.h"
#include "billing/plan/rate.h"

#define SIZE_MAX_UNITS ((int64_t)1000000000000)

/* Which keys a model knows beside those of all. */
static const struct {
    const char *name;
    const char *keys[6];
    bool counts;
} models[CHARGE_MODELS] = {
    [CHARGE_FLAT] = {"flat", {"amount", "bill", "prorate"}, false},
    [CHARGE_UNIT] = {"per_unit", {"price"}, true},
    [CHARGE_GRADUATED] = {"graduated", {"tiers"}, true},
    [CHARGE_VOLUME] = {"volume", {"tiers"}, true},
    [CHARGE_PACKAGE] = {"package", {"size", "price", "partial"}, true},
    [CHARGE_BLOCK] = {"block", {"tiers", "policy"}, true},
    [CHARGE_PERCENTAGE] = {"percentage", {"percent", "price_per_call", "free_calls"}, true},
    [CHARGE_COST_PLUS] = {"cost_plus", {"markup_percent"}, true},
};

static const char *const meters[] = {
    "", "ai_credits", "calls", "tokens", "input_tokens", "output_tokens", "llm_cost", NULL};

static enum err_code
check_keys(const struct load_at *at, enum charge_model model, struct err *err)
{
    static const char *const of_all[] = {"id", "name", "model", "discount_percent"};
    static const char *const of_counts[] = {"meter",   "models",     "per",    "round",
                                            "minimum", "free_units", "maximum"};
    const char *keys[24];
    size_t n = 0;
    for (size_t i = 0; i < sizeof of_all / sizeof of_all[0]; i++)
        keys[n++] = of_all[i];
    for (size_t i = 0; models[model].keys[i] != NULL; i++)
        keys[n++] = models[model].keys[i];
    for (size_t i = 0; models[model].counts && i < sizeof of_counts / sizeof of_counts[0]; i++)
        keys[n++] = of_counts[i];
    keys[n] = NULL;
    return json_only_keys(at->object, at->where, keys, err);
}

static enum err_code
take_size(const struct load_at *at, const char *key, int64_t *ret, struct err *err)
{
    int64_t size = 0;
    enum err_code code =
        json_get_int_opt(at->object, at->where, key, 1, SIZE_MAX_UNITS, &size, err);
    if (code == ERR_OK && size == 0)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" is missing", at->where, key);
    *ret = size;
    return code;
}

/* "up_to": a decimal text or null, and rising. */
static enum err_code
take_end(const struct load_at *at, money_sum before, bool last, struct charge_tier *t,
         struct err *err)
{
    const json_t *v = json_object_get(at->object, "up_to");
    int64_t end = 0;
    if (v == NULL)
        return err_set(err, ERR_CONFIG, "%s: \"up_to\" is missing; null is without end", at->where);
    t->end_pico = CHARGE_NO_END;
    if (json_is_null(v) != last)
        return err_set(err, ERR_CONFIG, "%s: \"up_to\" must be %s", at->where,
                       last ? "null in the last tier" : "a decimal but in the last tier");
    if (last)
        return ERR_OK;
    enum err_code code = load_decimal(at, "up_to", 6, &end, err);
    if (code != ERR_OK)
        return code;
    t->end_pico = end * (RATE_QUANTITY_ONE / 1000000);
    if (t->end_pico <= before)
        return err_set(err, ERR_CONFIG, "%s: \"up_to\" must be more than the tier's before",
                       at->where);
    return ERR_OK;
}

static enum err_code
take_tier(const struct load_at *at, money_sum before, bool last, struct charge_tier *t,
          struct err *err)
{
    static const char *const keys[] = {"up_to", "price", "flat", NULL};
    enum err_code code = json_only_keys(at->object, at->where, keys, err);
    if (code == ERR_OK)
        code = take_end(at, before, last, t, err);
    if (code == ERR_OK)
        code = load_decimal_opt(at, "price", 12, &t->unit_pico, NULL, err);
    return code == ERR_OK ? load_decimal_opt(at, "flat", 12, &t->flat_pico, NULL, err) : code;
}

/* A block tier ends behind so many blocks; null: it does not. */
static enum err_code
take_block_tier(const struct load_at *at, money_sum before, bool last, struct charge_tier *t,
                struct err *err)
{
    static const char *const keys[] = {"size", "blocks", "price", NULL};
    int64_t blocks = 0;
    enum err_code code = json_only_keys(at->object, at->where, keys, err);
    if (code == ERR_OK)
        code = take_size(at, "size", &t->size, err);
    if (code == ERR_OK)
        code = json_get_int_opt(at->object, at->where, "blocks", 1, 1000000000, &blocks, err);
    if (code == ERR_OK)
        code = load_decimal(at, "price", 12, &t->unit_block_pico, err);
    if (code == ERR_OK && blocks == 0 && !last)
        return err_set(err, ERR_CONFIG, "%s: \"blocks\" may be missing in the last tier only",
                       at->where);
    t->end_pico = blocks == 0 ? CHARGE_NO_END
                              : before + (money_sum)t->size * blocks * RATE_QUANTITY_ONE;
    return code;
}

static enum err_code
take_tiers(const struct load_at *at, struct plan_charge *c, struct err *err)
{
    json_t *array = NULL;
    money_sum before = 0;
    enum err_code code = json_get_array(at->object, at->where, "tiers", &array, err);
    size_t count = code == ERR_OK ? json_array_size(array) : 0;
    if (code == ERR_OK && (count == 0 || count > PLAN_TIERS_MAX))
        return err_set(err, ERR_CONFIG, "%s: \"tiers\" has %zu, must have 1 to %d", at->where,
                       count, PLAN_TIERS_MAX);
    struct charge_tier *tiers = code == ERR_OK ? load_alloc(at, count * sizeof *tiers) : NULL;
    if (code == ERR_OK && tiers == NULL)
        return load_full(err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        struct load_at inner = load_inner(at, json_array_get(array, i), "tiers", (int)i);
        bool last = i + 1 == count;
        code = c->model == CHARGE_BLOCK ? take_block_tier(&inner, before, last, &tiers[i], err)
                                        : take_tier(&inner, before, last, &tiers[i], err);
        before = tiers[i].end_pico;
    }
    c->tiers = tiers;
    c->tier_count = count;
    return code;
}

static enum err_code
take_flat(const struct load_at *at, struct plan_charge *c, struct err *err)
{
    static const char *const bills[] = {"arrears", "advance", NULL};
    int bill = 0;
    c->prorated = true;
    enum err_code code = load_decimal(at, "amount", 12, &c->price_pico, err);
    if (code == ERR_OK)
        code = load_word_opt(at, "bill", bills, &bill, err);
    if (code == ERR_OK)
        code = load_flag_opt(at, "prorate", &c->prorated, err);
    c->in_advance = bill == 1;
    return code;
}

static enum err_code
take_package(const struct load_at *at, struct plan_charge *c, struct err *err)
{
    static const char *const partials[] = {"up", "down", NULL};
    int partial = 0;
    enum err_code code = take_size(at, "size", &c->size, err);
    if (code == ERR_OK)
        code = load_decimal(at, "price", 12, &c->price_pico, err);
    if (code == ERR_OK)
        code = load_word_opt(at, "partial", partials, &partial, err);
    if (code == ERR_OK && c->per != 1)
        return err_set(err, ERR_CONFIG, "%s: a package has a size; \"per\" is not for it",
                       at->where);
    c->round = partial == 0 ? ROUND_UP : ROUND_DOWN;
    return code;
}

static enum err_code
take_percentage(const struct load_at *at, struct plan_charge *c, struct err *err)
{
    int64_t free_calls = 0;
    const char *key = c->model == CHARGE_PERCENTAGE ? "percent" : "markup_percent";
    if (json_object_get(at->object, key) == NULL)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" is missing", at->where, key);
    enum err_code code = load_percent_opt(at, key, 10000 * PLAN_PERCENT_WHOLE, &c->percent, err);
    if (code == ERR_OK)
        code = load_decimal_opt(at, "price_per_call", 12, &c->price_pico, NULL, err);
    if (code == ERR_OK)
        code = json_get_int_opt(at->object, at->where, "free_calls", 0, SIZE_MAX_UNITS, &free_calls,
                                err);
    if (code == ERR_OK && c->meter != METER_COST)
        return err_set(err, ERR_CONFIG, "%s: \"meter\" must be llm_cost: a percent is of money",
                       at->where);
    c->free_calls = (uint64_t)free_calls;
    return code;
}

static enum err_code
take_price(const struct load_at *at, struct plan_charge *c, struct err *err)
{
    static const char *const policies[] = {"all_tiers", "top_tier", NULL};
    int policy = 0;
    enum err_code code = ERR_OK;
    switch (c->model) {
    case CHARGE_FLAT:
        return take_flat(at, c, err);
    case CHARGE_UNIT:
        return load_decimal(at, "price", 12, &c->price_pico, err);
    case CHARGE_PACKAGE:
        return take_package(at, c, err);
    case CHARGE_PERCENTAGE:
    case CHARGE_COST_PLUS:
        return take_percentage(at, c, err);
    case CHARGE_GRADUATED:
    case CHARGE_VOLUME:
    case CHARGE_BLOCK:
    case CHARGE_MODELS:
        break;
    }
    if (c->model == CHARGE_BLOCK)
        code = load_word_opt(at, "policy", policies, &policy, err);
    c->top_tier = policy == 1;
    return code == ERR_OK ? take_tiers(at, c, err) : code;
}

/* What all charges share that count something. */
static enum err_code
take_count(const struct load_at *at, struct plan_charge *c, struct err *err)
{
    static const char *const rounds[] = {"", "up", "down", "nearest", NULL};
    int meter = 0, round = 0;
    int64_t free_units = 0;
    enum err_code code = load_word_opt(at, "meter", meters, &meter, err);
    if (code == ERR_OK && meter == 0)
        return err_set(err, ERR_CONFIG, "%s: \"meter\" is missing", at->where);
    if (code == ERR_OK)
        code = load_ids_opt(at, "models", &c->models, &c->model_count, err);
    if (code == ERR_OK)
        code = json_get_int_opt(at->object, at->where, "per", 1, SIZE_MAX_UNITS, &c->per, err);
    if (code == ERR_OK)
        code = load_word_opt(at, "round", rounds, &round, err);
    if (code == ERR_OK && (c->per > 1) != (round != 0))
        return err_set(err, ERR_CONFIG,
                       "%s: \"per\" and \"round\" (up, down, nearest) belong together", at->where);
    if (code == ERR_OK)
        code = load_decimal_opt(at, "free_units", 6, &free_units, NULL, err);
    if (code == ERR_OK)
        code = load_decimal_opt(at, "minimum", 12, &c->minimum_pico, &c->has_minimum, err);
    if (code == ERR_OK)
        code = load_decimal_opt(at, "maximum", 12, &c->maximum_pico, &c->has_maximum, err);
    if (code == ERR_OK && c->has_minimum && c->has_maximum && c->minimum_pico > c->maximum_pico)
        return err_set(err, ERR_CONFIG, "%s: \"minimum\" is more than \"maximum\"", at->where);
    c->meter = (enum charge_meter)meter;
    c->round = (enum charge_round)round;
    c->free_pico = (money_sum)free_units * (RATE_QUANTITY_ONE / 1000000);
    return code;
}

static enum err_code
take_charge(const struct load_at *at, struct plan_charge *c, struct err *err)
{
    const char *names[CHARGE_MODELS + 1] = {NULL};
    int model = -1;
    for (int m = 0; m < CHARGE_MODELS; m++)
        names[m] = models[m].name;
    c->per = 1;
    enum err_code code = load_word_opt(at, "model", names, &model, err);
    if (code == ERR_OK && model < 0)
        return err_set(err, ERR_CONFIG, "%s: \"model\" is missing", at->where);
    if (code != ERR_OK)
        return code;
    c->model = (enum charge_model)model;
    code = check_keys(at, c->model, err);
    if (code == ERR_OK)
        code = load_id(at, "id", &c->id, err);
    c->name = c->id;
    if (code == ERR_OK && json_object_get(at->object, "name") != NULL)
        code = load_text(at, "name", &c->name, err);
    if (code == ERR_OK && models[model].counts)
        code = take_count(at, c, err);
    if (code == ERR_OK)
        code = load_percent_opt(at, "discount_percent", PLAN_PERCENT_WHOLE, &c->discount, err);
    return code == ERR_OK ? take_price(at, c, err) : code;
}

enum err_code
load_charges(const struct load_at *at, struct plan_terms *terms, struct err *err)
{
    json_t *array = NULL;
    enum err_code code = json_get_array(at->object, at->where, "charges", &array, err);
    size_t count = code == ERR_OK ? json_array_size(array) : 0;
    if (code == ERR_OK && count > PLAN_CHARGES_MAX)
        return err_set(err, ERR_CONFIG, "%s: \"charges\" has %zu, limit is %d", at->where, count,
                       PLAN_CHARGES_MAX);
    struct plan_charge *charges = code == ERR_OK ? load_alloc(at, (count + 1) * sizeof *charges)
                                                 : NULL;
    if (code == ERR_OK && charges == NULL)
        return load_full(err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        struct load_at inner = load_inner(at, json_array_get(array, i), "charges", (int)i);
        code = take_charge(&inner, &charges[i], err);
        for (size_t k = 0; code == ERR_OK && k < i; k++) {
            if (str_equal(charges[k].id, charges[i].id))
                code = err_set(err, ERR_CONFIG, "%s: charges[%zu] has the id \"%.*s\" already",
                               inner.where, k, STR_ARG(charges[i].id));
        }
    }
    terms->charges = charges;
    terms->charge_count = count;
    return code;
}
