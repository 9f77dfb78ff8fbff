#include "reports/optimize/advice.h"

#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/time.h"

enum { PICO_DIGITS = 12, TEXTS_BYTES_MAX = 64 * 1024 * 1024, MONTH_DAYS = 30, STEPS = 3 };

/* What a lever says, in words. */
struct wording {
    enum recommendation_type type;
    bool candidate;
    /* How sure, in percent: of calls that say so themselves, and of those it is inferred of. */
    uint8_t strong_percent, weak_percent;
    const char *title; /* followed by the group's name */
    const char *why;
    const char *formula;
    const char *steps[STEPS];
};

static const struct wording wordings[] = {
    [LEVER_CACHE_PROMPT] =
        {RECOMMENDATION_CACHE_PROMPT,
         false,
         90,
         70,
         "Cache the prompts of",
         "The same tokens are sent again within five minutes and paid for in full each time; "
         "reading them from the provider's cache costs a fraction.  What writing the cache costs "
         "is already taken off.",
         "cost of the calls - cost with the repeated tokens as cache reads and the others of the "
         "prefix as cache writes",
         {"Put what stays the same (system prompt, documents, tools) first and what changes last.",
          "Anthropic: mark the end of the constant part with cache_control.  OpenAI: caching is "
          "automatic; give calls with the same prefix one prompt_cache_key.",
          "Look at the share of cache reads in gbill report usage a day later."}},
    [LEVER_CACHE_UNREAD] =
        {RECOMMENDATION_CACHE_UNREAD,
         false,
         95,
         95,
         "Do not write the cache for",
         "More is paid for writing the provider's cache than its reads save: without caching, "
         "the same calls would have cost less.",
         "cost of the calls - cost with all cache tokens as plain input",
         {"Take cache_control out of these calls, or of the part of the prompt that changes.",
          "If the prompts do repeat, look why they are not read: less than the model's minimum, a "
          "changing first token, more than the cache's life between two calls.",
          NULL}},
    [LEVER_LIFE_HOUR] =
        {RECOMMENDATION_CACHE_LIFE,
         false,
         85,
         85,
         "Keep the cache for an hour for",
         "The cache is written anew because calls come more than five minutes and less than an "
         "hour apart; an entry that lives an hour costs more once and is then read.",
         "cost of the calls - cost with one-hour writes, and reads where the last use is 5 to 60 "
         "minutes old",
         {"Ask for the one-hour life: cache_control {\"type\": \"ephemeral\", \"ttl\": \"1h\"}.",
          NULL, NULL}},
    [LEVER_LIFE_MINUTES] =
        {RECOMMENDATION_CACHE_LIFE,
         false,
         85,
         85,
         "Keep the cache for five minutes only for",
         "One-hour cache entries are paid for, and used again within five minutes or not at all.",
         "cost of the calls - cost with five-minute writes, also where the last use is 5 to 60 "
         "minutes old",
         {"Leave the ttl of cache_control out: five minutes is the default.", NULL, NULL}},
    [LEVER_BATCH] =
        {RECOMMENDATION_BATCH,
         false,
         95,
         60,
         "Send as a batch:",
         "Nobody waits for these calls: they say \"interactive\": false, or come as evenly as a "
         "machine sends them.  The provider's batch interface answers within a day, for less.",
         "cost of the calls - cost in the batch tier",
         {"Collect the requests and send them by the provider's batch interface.",
          "Read the answers when they are there; the same models give the same answers.",
          "Keep single calls for whoever waits at a screen."}},
    [LEVER_SERVICE_TIER] =
        {RECOMMENDATION_SERVICE_TIER,
         false,
         95,
         60,
         "Use a slower service tier for",
         "Nobody waits for these calls, but they are served at a tier that costs more than one "
         "that may take longer.",
         "cost of the calls - cost in the flex tier, or in the standard tier where there is no "
         "flex and priority was paid",
         {"Set service_tier to \"flex\" (or leave \"priority\" out) for calls without an audience.",
          "Try again later when the provider says that it has no room.", NULL}},
    [LEVER_LONG_CONTEXT] =
        {RECOMMENDATION_LONG_CONTEXT,
         false,
         80,
         80,
         "Stay below the long-context price of",
         "The whole request costs more once its input passes a threshold, and these calls pass it "
         "by a tenth or less.",
         "cost of the calls - cost with the input cut to the threshold",
         {"Count tokens before sending, and trim the oldest or least needed part to fit.",
          "Or split the request in two.", NULL}},
    [LEVER_RETRIES] =
        {RECOMMENDATION_RETRIES,
         false,
         90,
         60,
         "Pay less for retries of",
         "Calls failed and were charged all the same, or the same prompt was sent again within ten "
         "minutes although it had been answered.",
         "cost of the failed calls, and of those that repeat an answered prompt within ten minutes",
         {"Keep answers by promptHash, and look there before asking again.",
          "Wait longer after each failure, and stop after a few.",
          "Let one request of a user run at a time."}},
    [LEVER_TRUNCATION] =
        {RECOMMENDATION_TRUNCATION,
         false,
         85,
         85,
         "Do not cut answers short for",
         "Answers ended at the length limit and were asked for again: the first ones were for "
         "nothing.",
         "cost of truncated calls whose prompt came again within ten minutes",
         {"Give the output limit more room: only what is generated is charged.",
          "Or ask to go on from where the answer ended, instead of from the start.", NULL}},
    [LEVER_MODEL] =
        {RECOMMENDATION_MODEL,
         true,
         40,
         40,
         "Try a smaller model for",
         "The answers are short, hardly reasoned and use no tools, and a cheaper model of the same "
         "provider does other work for you already.  Whether its answers are as good has to be "
         "tried.",
         "cost of the simple calls - cost with the other model, its tokens times 1.3 where "
         "tokenizers differ (Anthropic)",
         {"Send a few percent of these calls to the other model and compare the answers.",
          "If they serve, change the rest; if not, dismiss this.", NULL}},
    [LEVER_CONTEXT_GROWTH] =
        {RECOMMENDATION_CONTEXT_GROWTH,
         true,
         50,
         50,
         "Shorten long conversations of",
         "Each turn sends the whole conversation again, so its cost grows with the square of its "
         "length.  Summaries instead of old turns would keep the input as it was at turn ten.",
         "cost of the calls from turn eleven on - cost with the input of turn ten",
         {"Replace old turns by a summary once a conversation has ten turns.",
          "Compare answers before and after: what was left out may have been needed.", NULL}},
    [LEVER_REASONING] =
        {RECOMMENDATION_REASONING,
         true,
         40,
         40,
         "Reason less in",
         "The part of the output that is reasoning is half as much again as is usual in your "
         "other calls, or more.",
         "cost of the calls - cost with reasoning as usual beside the same answers",
         {"Lower reasoning_effort (OpenAI) or the thinking budget (Anthropic) by one step.",
          "Compare answers before and after.", NULL}},
};
static_assert(sizeof wordings / sizeof *wordings == LEVER_COUNT, "one for each lever");

void
advice_init(struct advice *advice)
{
    list_init(&advice->rows, sizeof(struct recommendation));
    arena_init(&advice->texts, TEXTS_BYTES_MAX);
}

void
advice_clear(struct advice *advice)
{
    list_clear(&advice->rows);
    arena_clear(&advice->texts);
}

void
advice_reset(struct advice *advice)
{
    advice->rows.count = 0;
    arena_clear(&advice->texts);
}

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory for recommendations");
}

enum err_code
advice_text(struct advice *advice, struct str *ret, struct err *err, const char *fmt, ...)
{
    char text[RECOMMENDATION_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assert(size >= 0 && (size_t)size < sizeof text); /* names are short */
    const char *copy = arena_text(&advice->texts, (struct str){text, (size_t)size});
    if (copy == NULL)
        return no_memory(err);
    *ret = (struct str){copy, (size_t)size};
    return ERR_OK;
}

enum err_code
advice_json(struct advice *advice, json_t *object, struct str *ret, struct err *err)
{
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(object);
    enum err_code code = text == NULL ? no_memory(err) : advice_text(advice, ret, err, "%s", text);
    free(text);
    return code;
}

enum recommendation_priority
advice_priority(money_sum saving_pico, money_sum cost_pico)
{
    return saving_pico * 1000 >= cost_pico * ADVICE_HIGH_PERMILLE     ? RECOMMENDATION_HIGH
           : saving_pico * 1000 >= cost_pico * ADVICE_MEDIUM_PERMILLE ? RECOMMENDATION_MEDIUM
                                                                      : RECOMMENDATION_LOW;
}

/* ---- one row ---- */

struct say {
    struct advice *advice;
    struct survey *survey;
    const struct advice_basis *basis;
    money_sum organization_cost;
    struct str provider, model, type;
    const struct survey_group *group;
    const struct survey_lever *sums;
    const struct wording *wording;
    struct recommendation row;
};

static struct str
name(const struct say *s, const uint8_t number[4])
{
    return dict_text(s->survey->options->txn, get_be32(number));
}

static enum err_code
write_impact(struct say *s, struct err *err)
{
    char saving[MONEY_TEXT_BYTES], share[MONEY_TEXT_BYTES], month[MONEY_TEXT_BYTES],
        cost[MONEY_TEXT_BYTES];
    const struct recommendation *r = &s->row;
    uint32_t hours = r->to_hour - r->from_hour;
    money_format(r->saving_pico, PICO_DIGITS, saving);
    money_format(r->share_pico, PICO_DIGITS, share);
    money_format(r->cost_pico, PICO_DIGITS, cost);
    money_format(money_divide(r->saving_pico * MONTH_DAYS * 24, hours), PICO_DIGITS, month);
    return advice_json(s->advice,
                       json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:b}", "currency", r->currency,
                                 "saving", saving, "savingNotInOthers", share, "savingPer30Days",
                                 month, "costOfCalls", cost, "calls", (json_int_t)r->calls,
                                 "candidate", r->candidate),
                       &s->row.texts[RECOMMENDATION_IMPACT], err);
}

static enum err_code
write_implementation(struct say *s, struct err *err)
{
    json_t *steps = json_array();
    for (int i = 0; i < STEPS && s->wording->steps[i] != NULL; i++)
        json_array_append_new(steps, json_string(s->wording->steps[i]));
    json_t *object = json_pack("{s:o}", "steps", steps);
    if (object != NULL && s->wording->type == RECOMMENDATION_MODEL) {
        struct str model = dict_text(s->survey->options->txn, s->group->model);
        json_object_set_new(object, "model", json_stringn(model.data, model.size_bytes));
    }
    return advice_json(s->advice, object, &s->row.texts[RECOMMENDATION_IMPLEMENTATION], err);
}

static void
add_count(json_t *object, const char *key, uint64_t count)
{
    json_object_set_new(object, key, json_integer((json_int_t)count));
}

static enum err_code
write_evidence(struct say *s, struct err *err)
{
    char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
    const struct survey_group *g = s->group;
    time_format_ms((int64_t)s->row.from_hour * TIME_HOUR_MS, from);
    time_format_ms((int64_t)s->row.to_hour * TIME_HOUR_MS, to);
    json_t *o = json_pack("{s:s, s:s%, s:s%, s:s%, s:s, s:s}", "formula", s->wording->formula,
                          "provider", s->provider.data, s->provider.size_bytes, "model",
                          s->model.data, s->model.size_bytes, "type", s->type.data,
                          s->type.size_bytes, "from", from, "to", to);
    if (o == NULL)
        return no_memory(err);
    add_count(o, "confidencePercent", s->row.confidence_percent);
    add_count(o, "calls", s->sums->calls);
    add_count(o, "ofCalls", g->calls);
    add_count(o, "callsThatSaySo", s->sums->strong_calls);
    add_count(o, "tokens", s->sums->tokens);
    if (s->wording->type == RECOMMENDATION_MODEL) {
        add_count(o, "otherModelCalls", g->model_calls);
        add_count(o, "otherModelFailedCalls", g->model_failed_calls);
        add_count(o, "failedCalls", g->failed_calls);
        json_object_set_new(o, "otherModelSameType", json_boolean(g->model_same_type));
    }
    if (s->wording->type == RECOMMENDATION_REASONING) {
        add_count(o, "reasoningTokens", g->reasoning);
        add_count(o, "outputTokens", g->output);
        add_count(o, "usualPermille", g->reasoning_permille);
    }
    return advice_json(s->advice, o, &s->row.texts[RECOMMENDATION_EVIDENCE], err);
}

static enum err_code
write_words(struct say *s, struct err *err)
{
    const struct wording *w = s->wording;
    struct str *texts = s->row.texts;
    struct str other = w->type == RECOMMENDATION_MODEL
                           ? dict_text(s->survey->options->txn, s->group->model)
                           : (struct str){"", 0};
    enum err_code code = advice_text(
        s->advice, &texts[RECOMMENDATION_TITLE], err, "%s %.*s on %.*s%s%.*s", w->title,
        STR_ARG(s->type), STR_ARG(s->model), other.size_bytes > 0 ? ": " : "", STR_ARG(other));
    if (code == ERR_OK)
        code = advice_text(s->advice, &texts[RECOMMENDATION_DESCRIPTION], err, "%s", w->why);
    if (code == ERR_OK)
        code = advice_text(s->advice, &texts[RECOMMENDATION_SUBJECT], err, "%.*s/%.*s/%.*s",
                           STR_ARG(s->provider), STR_ARG(s->model), STR_ARG(s->type));
    if (code == ERR_OK)
        code = write_impact(s, err);
    if (code == ERR_OK)
        code = write_implementation(s, err);
    return code == ERR_OK ? write_evidence(s, err) : code;
}

static enum err_code
add_row(struct say *s, struct err *err)
{
    const struct advice_basis *b = s->basis;
    const struct wording *w = s->wording;
    const struct survey_lever *sums = s->sums;
    struct recommendation *r = &s->row;
    *r = (struct recommendation){
        .organization = b->organization,
        .type = w->type,
        .candidate = w->candidate,
        .confidence_percent = (uint8_t)((sums->strong_calls * w->strong_percent +
                                         (sums->calls - sums->strong_calls) * w->weak_percent) /
                                        sums->calls),
        .from_hour = b->from_hour,
        .to_hour = b->to_hour,
        .calls = sums->calls,
        .cost_pico = sums->cost_pico,
        .saving_pico = survey_saving(sums),
        .share_pico = w->candidate ? 0 : survey_share(sums),
        .created_ms = b->now_ms,
        .position = b->position,
    };
    if (w->type == RECOMMENDATION_MODEL && s->group->model_same_type)
        r->confidence_percent = 60;
    r->priority =
        advice_priority(w->candidate ? r->saving_pico : r->share_pico, s->organization_cost);
    if (w->candidate && r->priority == RECOMMENDATION_HIGH)
        r->priority = RECOMMENDATION_MEDIUM;
    snprintf(r->currency, sizeof r->currency, "%s", b->currency);
    enum err_code code = write_words(s, err);
    if (code != ERR_OK)
        return code;
    recommendation_id_of(dict_text(s->survey->options->txn, b->organization), r->type,
                         r->texts[RECOMMENDATION_SUBJECT], r->id);
    return list_add(&s->advice->rows, r) ? ERR_OK : no_memory(err);
}

/* ---- all of an organization ---- */

/* Is it worth a row? */
static bool
matters(const struct say *s)
{
    if (s->sums == NULL || s->sums->calls == 0)
        return false;
    money_sum pico = s->wording->candidate ? survey_saving(s->sums) : survey_share(s->sums);
    return pico >= ADVICE_PICO_MIN && pico * 1000 >= s->organization_cost * ADVICE_PERMILLE_MIN;
}

static enum err_code
say_group(struct say *s, struct efficiency *e, struct err *err)
{
    enum err_code code = ERR_OK;
    for (int l = 0; code == ERR_OK && l < LEVER_COUNT; l++) {
        s->wording = &wordings[l];
        s->sums = survey_lever_of(s->survey, s->group, (enum lever)l);
        if (!matters(s))
            continue;
        code = add_row(s, err);
        e->avoidable_pico += s->row.share_pico;
        if (s->row.candidate)
            e->candidate_pico += s->row.saving_pico;
    }
    return code;
}

enum err_code
advice_make(struct advice *advice, struct survey *survey, const uint32_t *order, size_t from,
            size_t to, const struct advice_basis *basis, struct efficiency *ret_efficiency,
            struct err *err)
{
    struct say s = {.advice = advice, .survey = survey, .basis = basis};
    struct efficiency e = {
        .organization = basis->organization,
        .from_hour = basis->from_hour,
        .to_hour = basis->to_hour,
        .score = 100,
        .computed_ms = basis->now_ms,
        .position = basis->position,
    };
    enum err_code code = ERR_OK;
    snprintf(e.currency, sizeof e.currency, "%s", basis->currency);
    for (size_t k = from; k < to; k++) {
        const struct survey_group *g = map_value(&survey->groups, order[k]);
        e.calls += g->calls;
        e.unpriced_calls += g->unpriced_calls;
        e.actual_pico += g->cost_pico;
    }
    s.organization_cost = e.actual_pico;
    for (size_t k = from; code == ERR_OK && k < to; k++) {
        const struct survey_key *key =
            (const struct survey_key *)map_key(&survey->groups, order[k]);
        s.group = map_value(&survey->groups, order[k]);
        s.provider = name(&s, key->provider);
        s.model = name(&s, key->model);
        s.type = get_be32(key->type) != 0 ? name(&s, key->type) : str_of("other types");
        code = say_group(&s, &e, err);
    }
    if (code != ERR_OK)
        return code;
    if (e.actual_pico > 0)
        e.score = (uint8_t)money_divide((e.actual_pico - e.avoidable_pico) * 100, e.actual_pico);
    *ret_efficiency = e;
    return ERR_OK;
}
