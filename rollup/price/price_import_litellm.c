#include "rollup/price/price_import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rollup/price/price_foreign.h"

/*
 * LiteLLM's model_prices_and_context_window.json: one object; a member is a model, its prices are
 * members whose names are a stem and suffixes (input_cost_per_token_above_272k_tokens_flex), in US
 * dollars per token.  The mapping is schemas/prices.md, "Import".
 */

enum { ONE_DECIMALS = 12, FACTOR_DECIMALS = 6 };

/* Longest first: a stem may begin another. */
static const struct {
    const char *stem;
    enum event_class class;
} stems[] = {
    {"cache_creation_input_token_cost_above_1hr", EVENT_CACHE_WRITE_1H},
    {"cache_creation_input_token_cost", EVENT_CACHE_WRITE},
    {"cache_read_input_token_cost", EVENT_CACHE_READ},
    {"output_cost_per_token", EVENT_OUTPUT},
    {"input_cost_per_token", EVENT_INPUT},
    {"input_cost_per_audio_token", EVENT_INPUT_AUDIO},
    {"cache_read_input_audio_token_cost", EVENT_CACHE_READ_AUDIO},
    {"output_cost_per_audio_token", EVENT_OUTPUT_AUDIO},
    {"input_cost_per_image_token", EVENT_INPUT_IMAGE},
    {"cache_read_input_image_token_cost", EVENT_CACHE_READ_IMAGE},
    {"output_cost_per_image_token", EVENT_OUTPUT_IMAGE},
};

static const struct {
    const char *suffix;
    enum price_tier tier;
} tier_suffixes[] = {
    {"_batches", PRICE_BATCH},
    {"_flex", PRICE_FLEX},
    {"_priority", PRICE_PRIORITY},
};

/*
 * By the use.  file_search_cost_per_1k_calls is not among them: by its name it is for a thousand,
 * LiteLLM's own code charges it for one.
 */
static const struct {
    const char *key;
    enum event_fee fee;
} fees[] = {
    {"search_context_cost_per_query", EVENT_WEB_SEARCH},
    {"code_interpreter_cost_per_session", EVENT_CODE_SESSION},
};

static const struct {
    const char *key, *word; /* word: what the event calls it */
    enum price_dimension dimension;
} factors[] = {
    {"regional_processing_uplift_multiplier_eu", "eu", PRICE_REGION},
    {"regional_processing_uplift_multiplier_us", "us", PRICE_REGION},
    {"provider_specific_entry us", "us", PRICE_REGION},
    {"provider_specific_entry fast", "fast", PRICE_SPEED},
};

/* Charged beside the tokens, or as a multiple of them: without these the tokens are still right. */
static const char *const beside_tokens[] = {
    "search_context_cost_per_query",        "file_search_cost_per_",
    "code_interpreter_cost_per_",           "vector_store_cost_per_",
    "google_maps_grounding_cost_per_query", "regional_processing_uplift_multiplier_",
    "regional_endpoint_uplift_multiplier",  "provider_specific_entry",
};

/* Words without which no member's name is about money. */
static const char *const money_words[] = {"cost",       "pric",     "uplift",
                                          "multiplier", "off_peak", "provider_specific_entry"};

struct field {
    enum event_class class;
    enum price_tier tier;
    uint64_t threshold_tokens; /* 0: no band */
};

static bool
begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool
is_money(const char *key)
{
    for (size_t i = 0; i < sizeof money_words / sizeof money_words[0]; i++) {
        if (strstr(key, money_words[i]) != NULL)
            return true;
    }
    return false;
}

static bool
is_beside_tokens(const char *key)
{
    for (size_t i = 0; i < sizeof beside_tokens / sizeof beside_tokens[0]; i++) {
        if (begins(key, beside_tokens[i]))
            return true;
    }
    return false;
}

/* "_above_272k_tokens", "_above_100_tokens": moves *p behind it. */
static bool
take_threshold(const char **p, uint64_t *ret)
{
    static const char start[] = "_above_", end[] = "_tokens";
    char *rest;
    if (!begins(*p, start) || (*p)[sizeof start - 1] < '0' || (*p)[sizeof start - 1] > '9')
        return false;
    unsigned long long n = strtoull(*p + sizeof start - 1, &rest, 10);
    if (n == 0 || n > EVENT_COUNT_MAX / 1000)
        return false;
    if (*rest == 'k') {
        n *= 1000;
        rest++;
    }
    if (!begins(rest, end))
        return false;
    *p = rest + sizeof end - 1;
    *ret = n;
    return true;
}

static bool
take_tier(const char **p, enum price_tier *ret)
{
    for (size_t i = 0; i < sizeof tier_suffixes / sizeof tier_suffixes[0]; i++) {
        if (begins(*p, tier_suffixes[i].suffix)) {
            *p += strlen(tier_suffixes[i].suffix);
            *ret = tier_suffixes[i].tier;
            return true;
        }
    }
    return false;
}

/* The suffixes come in any order, each at most once; what is left over is a dimension of its own. */
static bool
field_of(const char *key, struct field *f)
{
    size_t i = 0, count = sizeof stems / sizeof stems[0];
    while (i < count && !begins(key, stems[i].stem))
        i++;
    if (i == count)
        return false;
    *f = (struct field){stems[i].class, PRICE_STANDARD, 0};
    for (const char *p = key + strlen(stems[i].stem); *p != '\0';) {
        if (f->threshold_tokens == 0 && take_threshold(&p, &f->threshold_tokens))
            continue;
        if (f->tier == PRICE_STANDARD && take_tier(&p, &f->tier))
            continue;
        if (f->class == EVENT_CACHE_WRITE && begins(p, "_above_1hr")) {
            f->class = EVENT_CACHE_WRITE_1H;
            p += strlen("_above_1hr");
            continue;
        }
        return false;
    }
    return true;
}

/* Which provider's and model's name an event would carry. */
static bool
name_of(const char *key, const json_t *entry, struct str *provider, struct str *model)
{
    const char *name = price_foreign_text(json_object_get(entry, "litellm_provider"));
    if (name == NULL)
        return false;
    size_t n = strlen(name);
    /* "azure/gpt-4o" is how LiteLLM's own router is told the provider. */
    *model = str_of(n > 0 && begins(key, name) && key[n] == '/' ? key + n + 1 : key);
    *provider = str_of(strcmp(name, "text-completion-openai") == 0 ? "openai" : name);
    return true;
}

/* "eu/gpt-4o", "us-east-1/anthropic.claude-v1": another price of the same model, by region. */
static bool
has_region(struct str model)
{
    static const char *const words[] = {"eu", "us", "global", "global-standard"};
    const char *slash = memchr(model.data, '/', model.size_bytes);
    if (slash == NULL)
        return false;
    struct str first = {model.data, (size_t)(slash - model.data)};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_is(first, words[i]))
            return true;
    }
    /* us-east-1, us-gov-west-1 */
    const char *dash = memchr(first.data, '-', first.size_bytes);
    return dash == first.data + 2 && slash[-2] == '-' && slash[-1] >= '0' && slash[-1] <= '9';
}

/* LiteLLM's own rule: xAI's thresholds belong to the band above them. */
static bool
is_inclusive(struct str provider)
{
    return str_is(provider, "xai");
}

/* One price into its place; in words why not, or NULL. */
static const char *
take_price(struct price_offer *offer, const struct field *f, int64_t pico)
{
    struct price_sheet *sheet = price_offer_sheet(offer, f->tier, PRICE_SINCE_EVER);
    struct price_rates *rates = sheet != NULL ? &sheet->rates : NULL;
    if (sheet != NULL && f->threshold_tokens > 0)
        rates = price_sheet_band(sheet, f->threshold_tokens, is_inclusive(offer->provider));
    if (rates == NULL)
        return "has more bands than a row may";
    if (rates->pico[f->class] != PRICE_NONE && rates->pico[f->class] != pico)
        return "says otherwise than another member of the same meaning";
    rates->pico[f->class] = pico;
    return NULL;
}

/* Fees and factors stand on the standard row, which the other tiers fall back to. */
static struct price_sheet *
standard_sheet(struct price_offer *offer)
{
    return price_offer_sheet(offer, PRICE_STANDARD, PRICE_SINCE_EVER);
}

/* One price, or one for each size of the search: only if they are the same. */
static const char *
take_fee(struct price_offer *offer, size_t i, json_t *value)
{
    struct price_sheet *sheet = standard_sheet(offer);
    int64_t pico = 0, other = 0;
    void *it = json_object_iter(value);
    const char *why =
        price_import_rate(it != NULL ? json_object_iter_value(it) : value, ONE_DECIMALS, &pico);
    for (; why == NULL && it != NULL; it = json_object_iter_next(value, it)) {
        why = price_import_rate(json_object_iter_value(it), ONE_DECIMALS, &other);
        if (why == NULL && other != pico)
            why = "depends on the size of the search, which an event does not tell";
    }
    if (why == NULL && pico == 0)
        why = "is 0, which this format also writes for unknown";
    if (why == NULL)
        sheet->fee_pico[fees[i].fee] = pico;
    return why;
}

static const char *
take_factor(struct price_offer *offer, const char *key, const json_t *value)
{
    int64_t millionths = 0;
    size_t i = 0, count = sizeof factors / sizeof factors[0];
    while (i < count && strcmp(key, factors[i].key) != 0)
        i++;
    if (i == count)
        return "is a fee or a factor that the book has no word for";
    if (price_foreign_exact(value, FACTOR_DECIMALS, &millionths) != PRICE_EXACT_OK ||
        millionths == 0 || millionths > PRICE_FACTOR_MAX)
        return "must be a factor above 0, at most 1000, with at most 6 decimals";
    return price_sheet_factor(standard_sheet(offer), factors[i].dimension, str_of(factors[i].word),
                              millionths)
               ? NULL
               : "is one factor too many";
}

static void
take_beside(struct price_import *im, struct price_offer *offer, const char *key, json_t *value)
{
    const char *why = NULL;
    for (size_t i = 0; i < sizeof fees / sizeof fees[0]; i++) {
        if (strcmp(key, fees[i].key) == 0) {
            why = take_fee(offer, i, value);
            if (why != NULL)
                price_import_note(im, offer->provider, offer->model, "%s %s", key, why);
            return;
        }
    }
    if (!json_is_object(value)) {
        why = take_factor(offer, key, value);
        if (why != NULL)
            price_import_note(im, offer->provider, offer->model, "%s %s", key, why);
        return;
    }
    for (void *it = json_object_iter(value); it != NULL; it = json_object_iter_next(value, it)) {
        char name[128];
        snprintf(name, sizeof name, "%s %s", key, json_object_iter_key(it));
        why = take_factor(offer, name, json_object_iter_value(it));
        if (why != NULL)
            price_import_note(im, offer->provider, offer->model, "%s %s", name, why);
    }
}

/* One member that is about money.  Returns false when the model must be left out. */
static bool
take_member(struct price_import *im, struct price_offer *offer, const char *key, json_t *value)
{
    struct field f;
    int64_t pico = 0;
    const char *text = price_foreign_number(value);
    if (is_beside_tokens(key)) {
        take_beside(im, offer, key, value);
        return true;
    }
    if (json_is_null(value) || begins(key, "output_cost_per_reasoning_token"))
        return true; /* reasoning: check_reasoning(), once all is known */
    if (!field_of(key, &f)) {
        price_import_skip_model(im, offer->provider, offer->model,
                                "%s (%.40s) has no class in the book; its tokens would be charged "
                                "wrongly without it",
                                key, text != NULL ? text : "no number");
        return false;
    }
    const char *why = price_import_rate(value, ONE_DECIMALS, &pico);
    if (why == NULL && pico == 0) {
        price_import_note(im, offer->provider, offer->model,
                          "%s is 0, which this format also writes for unknown", key);
        return true;
    }
    if (why == NULL)
        why = take_price(offer, &f, pico);
    if (why != NULL)
        price_import_skip_model(im, offer->provider, offer->model, "%s is %.64s, which %s", key,
                                text != NULL ? text : "no number", why);
    return why == NULL;
}

/* Reasoning tokens are output tokens here; a price of their own cannot be carried. */
static bool
check_reasoning(struct price_import *im, const struct price_offer *offer, const char *key,
                const json_t *value)
{
    static const char stem[] = "output_cost_per_reasoning_token";
    enum price_tier tier = PRICE_STANDARD;
    int64_t pico = 0;
    if (!begins(key, stem) || json_is_null(value))
        return true;
    const char *p = key + sizeof stem - 1;
    bool known = *p == '\0' || (take_tier(&p, &tier) && *p == '\0');
    const char *why = price_import_rate(value, ONE_DECIMALS, &pico);
    for (size_t i = 0; known && why == NULL && i < offer->sheet_count; i++) {
        if (offer->sheets[i].tier == tier && offer->sheets[i].rates.pico[EVENT_OUTPUT] == pico)
            return true;
    }
    price_import_skip_model(im, offer->provider, offer->model,
                            "%s differs from the price of output, and the book counts reasoning "
                            "as output",
                            key);
    return false;
}

static enum err_code
take_model(struct price_import *im, const char *key, json_t *entry, struct err *err)
{
    struct str provider, model;
    if (!json_is_object(entry) || !name_of(key, entry, &provider, &model)) {
        price_import_skip_model(im, str_of(""), str_of(key),
                                "must be an object with a text \"litellm_provider\"");
        return ERR_OK;
    }
    if (!price_import_wants(im, provider))
        return ERR_OK;
    if (has_region(model)) {
        price_import_skip_model(im, provider, model,
                                "the name holds a region, which is no part of a model's id");
        return ERR_OK;
    }
    struct price_offer *offer = price_import_offer_new(im, provider, model);
    void *it = json_object_iter(entry);
    for (; it != NULL; it = json_object_iter_next(entry, it)) {
        const char *name = json_object_iter_key(it);
        if (is_money(name) && !take_member(im, offer, name, json_object_iter_value(it)))
            return ERR_OK;
    }
    for (it = json_object_iter(entry); it != NULL; it = json_object_iter_next(entry, it)) {
        if (!check_reasoning(im, offer, json_object_iter_key(it), json_object_iter_value(it)))
            return ERR_OK;
    }
    return price_import_offer(im, offer, err);
}

enum err_code
price_import_litellm(struct price_import *im, const json_t *foreign, struct err *err)
{
    json_t *root = (json_t *)(uintptr_t)foreign; /* Jansson's iterators change nothing */
    enum err_code code = ERR_OK;
    if (!json_is_object(foreign))
        return err_set(err, ERR_INPUT, "LiteLLM's price map must be an object");
    for (void *it = json_object_iter(root); code == ERR_OK && it != NULL;
         it = json_object_iter_next(root, it)) {
        const char *key = json_object_iter_key(it);
        if (strcmp(key, "sample_spec") != 0) /* the format's own legend */
            code = take_model(im, key, json_object_iter_value(it), err);
    }
    return code;
}
