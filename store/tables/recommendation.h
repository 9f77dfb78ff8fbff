/*
 * store/tables/recommendation.h - what gbill optimize recommends, one row each.
 *
 * Key: organization, id.  The id is a function of organization, type and subject, so
 * that the same advice is one row however often it is found.  A row that nobody has
 * answered goes when its reason goes; an answered one stays, as the record of it.
 */
#ifndef STORE_TABLES_RECOMMENDATION_H
#define STORE_TABLES_RECOMMENDATION_H

#include "store/base/money.h"
#include "store/tables/tables.h"

/* What each means, and its formula: schemas/recommendations.md.  Numbers are stored. */
#define RECOMMENDATION_TYPES(X)         \
    X(CACHE_PROMPT, "cache-prompt")     \
    X(CACHE_UNREAD, "cache-unread")     \
    X(CACHE_LIFE, "cache-life")         \
    X(BATCH, "batch")                   \
    X(MODEL, "model")                   \
    X(LONG_CONTEXT, "long-context")     \
    X(RETRIES, "retries")               \
    X(TRUNCATION, "truncation")         \
    X(CONTEXT_GROWTH, "context-growth") \
    X(REASONING, "reasoning")           \
    X(SERVICE_TIER, "service-tier")     \
    X(PLAN, "plan")

enum recommendation_type {
#define RECOMMENDATION_ENUM(name, text) RECOMMENDATION_##name,
    RECOMMENDATION_TYPES(RECOMMENDATION_ENUM)
#undef RECOMMENDATION_ENUM
        RECOMMENDATION_TYPE_COUNT
};

enum recommendation_priority {
    RECOMMENDATION_LOW,
    RECOMMENDATION_MEDIUM,
    RECOMMENDATION_HIGH,
    RECOMMENDATION_PRIORITIES
};

enum recommendation_status {
    RECOMMENDATION_PENDING,
    RECOMMENDATION_APPLIED,
    RECOMMENDATION_DISMISSED,
    RECOMMENDATION_STATUSES
};

enum {
    RECOMMENDATION_ID_BYTES = 16,
    RECOMMENDATION_ID_TEXT_BYTES = 33, /* hexadecimal and NUL */
    RECOMMENDATION_TEXT_BYTES_MAX = 8192,
};

/* Its texts, in the order they are stored in.  The last three are JSON objects. */
enum recommendation_text {
    RECOMMENDATION_SUBJECT, /* what it is about, as in its id */
    RECOMMENDATION_TITLE,
    RECOMMENDATION_DESCRIPTION,
    RECOMMENDATION_IMPACT,
    RECOMMENDATION_IMPLEMENTATION,
    RECOMMENDATION_EVIDENCE,
    RECOMMENDATION_TEXTS
};

struct recommendation {
    uint32_t organization; /* dictionary */
    uint8_t id[RECOMMENDATION_ID_BYTES];
    enum recommendation_type type;
    enum recommendation_priority priority;
    enum recommendation_status status;
    /* The same answers may not come at the lower price: no saving before it was tried. */
    bool candidate;
    uint8_t confidence_percent;
    uint32_t from_hour, to_hour; /* the calls looked at; to exclusive */
    uint64_t calls;              /* that it concerns */
    char currency[4];            /* ISO 4217 */
    money_sum cost_pico;         /* of those calls; of a plan: what the present one charges */
    money_sum saving_pico;       /* from from_hour to to_hour, had it been followed; exact */
    money_sum share_pico;        /* of that, what no other recommendation saves more of */
    int64_t created_ms;          /* when it was first found */
    int64_t answered_ms;         /* event time of the feedback taken into account; 0: none */
    money_sum answered_pico;     /* saving_pico when that was */
    uint64_t position;           /* of the log that the figures are from */
    /* Point into what it was read from; each at most RECOMMENDATION_TEXT_BYTES_MAX. */
    struct str texts[RECOMMENDATION_TEXTS];
};

const char *recommendation_type_name(enum recommendation_type type); /* "cache-prompt" */
bool recommendation_type_find(struct str name, enum recommendation_type *ret)
    __attribute__((warn_unused_result));
const char *recommendation_priority_name(enum recommendation_priority priority); /* "low" */
const char *recommendation_status_name(enum recommendation_status status);       /* "pending" */
bool recommendation_status_find(struct str name, enum recommendation_status *ret)
    __attribute__((warn_unused_result));

/* The id of the advice of a type about a subject, and how it is written. */
void recommendation_id_of(struct str organization, enum recommendation_type type,
                          struct str subject, uint8_t id[RECOMMENDATION_ID_BYTES]);
void recommendation_id_text(const uint8_t id[RECOMMENDATION_ID_BYTES],
                            char text[RECOMMENDATION_ID_TEXT_BYTES]);

/* Store a row and note it for publishing.  One that differs in its position only is left alone. */
enum err_code recommendation_put(struct tables_txn *txn, const struct recommendation *row,
                                 struct err *err) ERR_MUST_CHECK;
enum err_code recommendation_delete(struct tables_txn *txn, const struct recommendation *row,
                                    struct err *err) ERR_MUST_CHECK;
bool recommendation_get(struct tables_txn *txn, uint32_t organization,
                        const uint8_t id[RECOMMENDATION_ID_BYTES], struct recommendation *ret);

/* What a key and value of TABLE_RECOMMENDATIONS say, for publish; value may be empty. */
void recommendation_decode(struct bytes key, struct bytes value, struct recommendation *ret);

/* Walk one organization's (0: everybody's), by id. */
struct recommendation_scan {
    struct recommendation row;
    struct tables_scan scan;
};

void recommendation_scan_begin(struct recommendation_scan *scan, struct tables_txn *txn,
                               uint32_t organization);
bool recommendation_scan_next(struct recommendation_scan *scan);
void recommendation_scan_end(struct recommendation_scan *scan);

#endif
