#include "store/event/event_fields.h"

#include <assert.h>

#define REQ FIELD_REQUIRED
#define COMMON                                                              \
    [FIELD_ID] = FIELD_TEXT | REQ, [FIELD_ORGANIZATION] = FIELD_TEXT | REQ, \
    [FIELD_CREATED_AT] = FIELD_TIME

/* clang-format off: one field a line */
static const uint8_t fields[EVENT_KINDS][FIELD_COUNT] = {
    [EVENT_USAGE] = {COMMON,
                     [FIELD_USER] = FIELD_TEXT | REQ,
                     [FIELD_PROJECT] = FIELD_TEXT,
                     [FIELD_TYPE] = FIELD_TEXT | REQ,
                     [FIELD_PROVIDER] = FIELD_TEXT | REQ,
                     [FIELD_MODEL] = FIELD_MODEL_TEXT | REQ,
                     [FIELD_INPUT] = FIELD_WHOLE,
                     [FIELD_OUTPUT] = FIELD_WHOLE,
                     [FIELD_CACHED] = FIELD_WHOLE,
                     [FIELD_CACHE_WRITE] = FIELD_WHOLE,
                     [FIELD_CACHE_WRITE_1H] = FIELD_WHOLE,
                     [FIELD_REASONING] = FIELD_WHOLE,
                     [FIELD_AUDIO_INPUT] = FIELD_WHOLE,
                     [FIELD_AUDIO_CACHED] = FIELD_WHOLE,
                     [FIELD_AUDIO_OUTPUT] = FIELD_WHOLE,
                     [FIELD_IMAGE_INPUT] = FIELD_WHOLE,
                     [FIELD_IMAGE_CACHED] = FIELD_WHOLE,
                     [FIELD_IMAGE_OUTPUT] = FIELD_WHOLE,
                     [FIELD_WEB_SEARCHES] = FIELD_WHOLE,
                     [FIELD_WEB_FETCHES] = FIELD_WHOLE,
                     [FIELD_FILE_SEARCHES] = FIELD_WHOLE,
                     [FIELD_CODE_SESSIONS] = FIELD_WHOLE,
                     [FIELD_REGION] = FIELD_TEXT,
                     [FIELD_SPEED] = FIELD_TEXT,
                     [FIELD_USAGE] = FIELD_OBJECT,
                     [FIELD_TIER] = FIELD_TEXT,
                     [FIELD_LATENCY] = FIELD_DURATION,
                     [FIELD_STATUS] = FIELD_OUTCOME,
                     [FIELD_METADATA] = FIELD_SCALAR_MAP,
                     [FIELD_ESTIMATED] = FIELD_BOOL,
                     [FIELD_HOLD] = FIELD_TEXT,
                     [FIELD_INPUT_BYTES] = FIELD_WHOLE,
                     [FIELD_OUTPUT_BYTES] = FIELD_WHOLE},
    [EVENT_RESOURCE] =
        {COMMON, [FIELD_RESOURCE] = FIELD_TEXT | REQ, [FIELD_ACTION] = FIELD_TEXT | REQ,
         [FIELD_RESOURCE_ID] = FIELD_TEXT | REQ, [FIELD_HOLD] = FIELD_TEXT},
    [EVENT_SUBSCRIPTION] =
        {COMMON, [FIELD_ACTION] = FIELD_TEXT, [FIELD_PLAN] = FIELD_TEXT,
         [FIELD_EFFECTIVE_AT] = FIELD_TIME, [FIELD_CURRENCY] = FIELD_CURRENCY_TEXT,
         [FIELD_ANCHOR] = FIELD_TIME, [FIELD_WHEN] = FIELD_TEXT, [FIELD_TRIAL_END] = FIELD_TIME,
         [FIELD_TAX_PERCENT] = FIELD_PERCENT_TEXT},
    [EVENT_BUDGET] =
        {COMMON, [FIELD_MONTHLY_BUDGET] = FIELD_WHOLE, [FIELD_ALERT_THRESHOLDS] = FIELD_SETTING,
         [FIELD_SPIKE_DETECTION] = FIELD_SETTING, [FIELD_EMAIL_ALERTS] = FIELD_BOOL,
         [FIELD_AUTO_LIMITS] = FIELD_SETTING},
    [EVENT_ADJUSTMENT] =
        {COMMON, [FIELD_AMOUNT] = FIELD_SIGNED | REQ, [FIELD_CURRENCY] = FIELD_CURRENCY_TEXT | REQ,
         [FIELD_REASON] = FIELD_REASON_TEXT | REQ},
    [EVENT_PAYMENT] =
        {COMMON, [FIELD_INVOICE] = FIELD_TEXT | REQ, [FIELD_STATUS] = FIELD_TEXT | REQ,
         [FIELD_AMOUNT] = FIELD_SIGNED | REQ, [FIELD_CURRENCY] = FIELD_CURRENCY_TEXT},
    [EVENT_VOID] = {COMMON, [FIELD_VOIDS] = FIELD_TEXT | REQ, [FIELD_AT] = FIELD_TIME | REQ,
                    [FIELD_REASON] = FIELD_REASON_TEXT},
    [EVENT_FEEDBACK] =
        {COMMON, [FIELD_RECOMMENDATION] = FIELD_TEXT | REQ, [FIELD_STATUS] = FIELD_TEXT | REQ},
    [EVENT_ACT] = {COMMON, [FIELD_ACTOR] = FIELD_TEXT | REQ, [FIELD_ACTION] = FIELD_TEXT | REQ,
                   [FIELD_TARGET] = FIELD_TEXT, [FIELD_STATUS] = FIELD_TEXT | REQ,
                   [FIELD_REASON] = FIELD_REASON_TEXT},
    [EVENT_STRIPE] =
        {COMMON, [FIELD_TYPE] = FIELD_TEXT | REQ, [FIELD_TOLD] = FIELD_SCALAR_MAP | REQ},
};
/* clang-format on */

#define BIT(slot) ((uint64_t)1 << FIELD_##slot)
#define COMMON_BITS (BIT(ID) | BIT(ORGANIZATION))

/* Every event is checked for these, so they are kept ready; a test compares them with the table. */
static const uint64_t required[EVENT_KINDS] = {
    [EVENT_USAGE] = COMMON_BITS | BIT(USER) | BIT(TYPE) | BIT(PROVIDER) | BIT(MODEL),
    [EVENT_RESOURCE] = COMMON_BITS | BIT(RESOURCE) | BIT(ACTION) | BIT(RESOURCE_ID),
    [EVENT_SUBSCRIPTION] = COMMON_BITS,
    [EVENT_BUDGET] = COMMON_BITS,
    [EVENT_ADJUSTMENT] = COMMON_BITS | BIT(AMOUNT) | BIT(CURRENCY) | BIT(REASON),
    [EVENT_PAYMENT] = COMMON_BITS | BIT(INVOICE) | BIT(STATUS) | BIT(AMOUNT),
    [EVENT_VOID] = COMMON_BITS | BIT(VOIDS) | BIT(AT),
    [EVENT_FEEDBACK] = COMMON_BITS | BIT(RECOMMENDATION) | BIT(STATUS),
    [EVENT_ACT] = COMMON_BITS | BIT(ACTOR) | BIT(ACTION) | BIT(STATUS),
    [EVENT_STRIPE] = COMMON_BITS | BIT(TYPE) | BIT(TOLD),
};

const char *const event_field_names[FIELD_COUNT] = {
#define EVENT_FIELD_NAME(slot, name, first, other) [FIELD_##slot] = name,
    EVENT_FIELDS(EVENT_FIELD_NAME)
#undef EVENT_FIELD_NAME
};

const struct event_field_name event_field_places[256] = {
#define EVENT_FIELD_PLACE(slot, name, first, other) \
    [EVENT_NAME_PLACE(sizeof(name) - 1, first, other)] = {FIELD_##slot, sizeof(name) - 1, name},
    EVENT_FIELDS(EVENT_FIELD_PLACE)
#undef EVENT_FIELD_PLACE
};

const uint8_t *
event_fields_of(enum event_kind kind)
{
    assert(kind >= EVENT_USAGE && kind < EVENT_KINDS);
    return fields[kind];
}

uint64_t
event_fields_required(enum event_kind kind)
{
    assert(kind >= EVENT_USAGE && kind < EVENT_KINDS);
    return required[kind];
}
