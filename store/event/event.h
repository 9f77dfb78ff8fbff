/*
 * store/event/event.h - the event: what may enter the log, and how it is read
 * back.
 *
 * The contract (fields, bounds, meaning of every count) is schemas/event.md.
 * The agent checks a client's record here before it is stored; every job reads
 * stored events here.  Both use one parser, so that what was accepted can always
 * be folded.  Nothing is copied: a struct event points into the bytes it was
 * read from.
 */
#ifndef STORE_EVENT_EVENT_H
#define STORE_EVENT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/base/time.h"
#include "store/event/mp.h"

enum event_kind {
    EVENT_USAGE = 1,
    EVENT_RESOURCE,
    EVENT_SUBSCRIPTION,
    EVENT_BUDGET,
    EVENT_ADJUSTMENT,
    EVENT_PAYMENT,
    EVENT_VOID,
    EVENT_FEEDBACK,
    EVENT_ACT,
    EVENT_STRIPE,
    EVENT_KINDS /* one more than the last */
};

enum {
    EVENT_TEXT_BYTES_MAX = 64,
    EVENT_MODEL_BYTES_MAX = 128,
    EVENT_REASON_BYTES_MAX = 256,   /* adjustment.reason */
    EVENT_MAP_BYTES_MAX = 4096,     /* metadata and the other maps, each */
    EVENT_OBJECT_BYTES_MAX = 16384, /* usage */
    EVENT_ITERATIONS_MAX = 64,      /* of usage.iterations */
    EVENT_METADATA_PAIRS_MAX = 32,
    EVENT_RECORD_BYTES_MAX = 32 * 1024,
    EVENT_DEFECT_BYTES_MAX = 160,
};

#define EVENT_COUNT_MAX ((uint64_t)1000000000000) /* tokens of one class in one call */
#define EVENT_MINOR_MAX ((int64_t)1000000000000)  /* minor units in one adjustment or payment */

#define EVENT_AGE_MS_MAX (35 * TIME_DAY_MS)         /* an event may be this old when it arrives, */
#define EVENT_AHEAD_MS_MAX ((int64_t)5 * 60 * 1000) /* or this far ahead */

/* Token classes never overlap: their sum is what the provider processed. */
enum event_class {
    EVENT_INPUT, /* uncached input that is neither audio nor image */
    EVENT_CACHE_READ,
    EVENT_CACHE_WRITE, /* OpenAI's, and Anthropic's 5-minute writes */
    EVENT_CACHE_WRITE_1H,
    EVENT_OUTPUT,       /* reasoning included */
    EVENT_TEXT_CLASSES, /* the classes above; those from here on are rare */
    EVENT_INPUT_AUDIO = EVENT_TEXT_CLASSES,
    EVENT_CACHE_READ_AUDIO,
    EVENT_OUTPUT_AUDIO,
    EVENT_INPUT_IMAGE,
    EVENT_CACHE_READ_IMAGE,
    EVENT_OUTPUT_IMAGE,
    EVENT_CLASSES
};

/* What a provider charges by the use, beside tokens. */
enum event_fee {
    EVENT_WEB_SEARCH,
    EVENT_WEB_FETCH,
    EVENT_FILE_SEARCH,
    EVENT_CODE_SESSION, /* a container or session of a code tool */
    EVENT_FEES
};

enum event_side { EVENT_SENT, EVENT_RECEIVED, EVENT_SIDES }; /* of a call */
struct event_usage {
    struct str user, project, type, provider, model, tier; /* project, tier: may be empty */
    uint64_t tokens[EVENT_CLASSES];
    uint64_t reasoning_tokens;   /* part of EVENT_OUTPUT, an annotation */
    uint64_t bytes[EVENT_SIDES]; /* of the texts; 0: none, or the event does not say */
    uint8_t uncounted; /* bits 1 << side: bytes and no count, its tokens are 0 until estimated */
    uint64_t latency_us;
    bool failed;       /* status says so */
    bool estimated;    /* the app counted, not the provider */
    bool media;        /* a class from EVENT_TEXT_CLASSES on may be above 0 */
    bool charged_uses; /* a fee may be above 0 */
    bool fallback;     /* an iteration was served by another model than was asked */
    uint64_t fees[EVENT_FEES];
    struct str region, speed; /* where and how fast it ran; may be empty */
    struct bytes iterations;  /* the msgpack array; empty: the call is one pass */
};

enum event_resource_type { EVENT_PROJECT, EVENT_DOCUMENT, EVENT_MEMBER, EVENT_RESOURCE_TYPES };
struct event_resource {
    enum event_resource_type type;
    bool created; /* else deleted */
    struct str resource;
};

enum event_subscription_action {
    EVENT_PLAN_SET, /* started or changed */
    EVENT_PLAN_CANCELLED,
    EVENT_PLAN_PAUSED,
    EVENT_PLAN_RESUMED,
    EVENT_PLAN_SETTINGS, /* the plan stays; what else the event says holds */
};
#define EVENT_TIME_NONE ((int64_t)-1) /* a time that the event does not say */
struct event_subscription {
    enum event_subscription_action action;
    bool at_period_end; /* takes effect when the period ends that holds at effective_ms */
    struct str plan;    /* empty unless EVENT_PLAN_SET */
    struct str currency, tax_percent;              /* may be empty; the latter a decimal */
    int64_t effective_ms, anchor_ms, trial_end_ms; /* the last two or EVENT_TIME_NONE */
};

struct event_budget {
    bool has_monthly;
    uint64_t monthly_cents;
};

struct event_adjustment {
    int64_t amount_minor; /* > 0 is charged, < 0 is credited */
    struct str currency, reason;
};

struct event_payment {
    struct str invoice, status, currency; /* currency may be empty */
    int64_t amount_minor;
};

struct event_void {
    struct str voids;
    int64_t at_ms;
};

struct event_feedback {
    struct str recommendation, status;
};

/* What an administrator did; target and reason may be empty. */
struct event_act {
    struct str actor, action, target, reason;
    bool failed; /* what an act before this one said was not done after all */
};

/* What Stripe told: its fields are read by store/event/stripe_object.h. */
struct event_stripe {
    struct str type;     /* "invoice.paid" */
    struct bytes object; /* the msgpack map of scalars */
};

struct event {
    enum event_kind kind;
    uint32_t peer_uid;   /* SO_PEERCRED of the connection it came over */
    int64_t time_utc_ms; /* createdAt, else the entry's time */
    struct str id, organization;
    struct str hold;     /* usage, resource: the reservation that this ends; may be empty */
    struct bytes record; /* the msgpack map */
    uint32_t undeclared; /* fields that the contract does not know */
    union {
        struct event_usage usage;
        struct event_resource resource;
        struct event_subscription subscription;
        struct event_budget budget;
        struct event_adjustment adjustment;
        struct event_payment payment;
        struct event_void voided;
        struct event_feedback feedback;
        struct event_act act;
        struct event_stripe stripe;
    };
};

/* Why an event may not enter: one line that names the field and the value. */
struct event_defect {
    char text[EVENT_DEFECT_BYTES_MAX];
};

/* "usage" for EVENT_USAGE; false for a word that is no kind. */
const char *event_kind_name(enum event_kind kind);
bool event_kind_find(struct str name, enum event_kind *ret_kind)
    __attribute__((warn_unused_result));

/* "project" for EVENT_PROJECT; "input" for EVENT_INPUT. */
const char *event_resource_type_name(enum event_resource_type type);
const char *event_class_name(enum event_class which);
const char *event_fee_name(enum event_fee which); /* "web_search" */

/*
 * Parse a client's record against the contract.
 *
 *   kind          what the tag said
 *   record        borrowed; the msgpack map; *ret points into it
 *   entry_utc_ms  the entry's time, used when the record has no createdAt
 *   ret           written only on success; peer_uid is left 0
 *   defect        written only on failure
 *
 * Safe on any bytes.  Source of the token rules: schemas/event.md.
 */
bool event_parse(enum event_kind kind, struct bytes record, int64_t entry_utc_ms, struct event *ret,
                 struct event_defect *defect) __attribute__((warn_unused_result));

/* Is the event's time within what is accepted at receive_utc_ms? */
bool event_time_ok(const struct event *event, int64_t receive_utc_ms, struct event_defect *defect)
    __attribute__((warn_unused_result));

/*
 * Append the stored form: msgpack [kind, time ms, peer uid, record].  The
 * client's bytes are kept as they are; only undeclared fields are left out.
 * Returns false when out is full; out is then unchanged.
 */
bool event_store(const struct event *event, struct buf *out) __attribute__((warn_unused_result));

/*
 * Read one stored event.
 *
 *   m    steps over it on success
 *   ret  points into m's bytes
 *
 * Returns false when the bytes are not a stored event that event_parse() would
 * accept: the log is corrupt, or was written by a newer gbill; defect says which
 * field.  Safe on any bytes.  Not looked at again are the time limits, the
 * encoding of texts and what stands inside maps.
 */
bool event_read(struct mp *m, struct event *ret, struct event_defect *defect)
    __attribute__((warn_unused_result));

/*
 * Turn a provider's own usage object into token classes.
 *
 *   provider  "anthropic" has its own shape; every other name is read as OpenAI's
 *   object    a msgpack map
 *   usage     what the object speaks of is set: tokens, reasoning_tokens, fees, tier,
 *             region and speed (empty: it names none), iterations; undefined on failure
 *
 * Nothing is clamped: counts that contradict each other are a defect.
 * Source: schemas/event.md, "Provider usage objects".
 */
bool event_usage_from_provider(struct str provider, struct bytes object, struct event_usage *usage,
                               struct event_defect *defect) __attribute__((warn_unused_result));

/* Set a defect; always returns false. */
bool event_defect_set(struct event_defect *defect, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
#endif
