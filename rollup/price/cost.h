/*
 * rollup/price/cost.h - what one usage event cost.
 *
 * Exact: tokens times a whole number of picos, summed in checked integers.  A
 * price that is missing makes the event unpriced, a state of its own and never
 * zero.  Nothing is guessed: each reason below names what the book lacks, and
 * a row added to the book prices the event in a later fold.
 */
#ifndef ROLLUP_PRICE_COST_H
#define ROLLUP_PRICE_COST_H

#include <stdint.h>

#include "rollup/price/price.h"
#include "store/event/event.h"

enum cost_state {
    COST_PRICED,
    COST_ESTIMATED, /* has a cost; the app counted the tokens, or its bytes told them (ratio.h) */
    COST_UNPRICED,
};

#define COST_REASONS(X)                                                                          \
    X(NONE, "priced")                                                                            \
    X(NO_MODEL, "the price book has no such provider and model")                                 \
    X(NO_ALIAS, "the alias names no model at that time")                                         \
    X(UNKNOWN_TIER, "the service tier is a word the price book does not know")                   \
    X(NO_TIER, "the model has no price for this service tier at that time")                      \
    X(NO_ROW, "the model has no price at that time")                                             \
    X(NO_RATE, "a token class that was used has no rate")                                        \
    X(NO_FEE, "a use that is charged by the piece has no fee")                                   \
    X(NO_REGION, "the model has no factor for this region")                                      \
    X(NO_SPEED, "the model has no factor for this speed")                                        \
    X(NO_RATIO, "the call has no counts, and no ratio of tokens to bytes is known of its model") \
    X(OVERFLOW, "the cost does not fit 63 bits of pico-dollars")

enum cost_reason {
#define COST_REASON_ENUM(name, text) COST_##name,
    COST_REASONS(COST_REASON_ENUM)
#undef COST_REASON_ENUM
        COST_REASON_COUNT
};

struct cost {
    enum cost_state state;
    enum cost_reason reason;   /* COST_NONE unless unpriced */
    int64_t cost_pico;         /* 0 when unpriced */
    enum price_tier tier;      /* standard where the word is unknown */
    uint32_t standard_classes; /* bit 1 << class: the tier or band had no rate of its own
                                   and the standard one was charged */
    enum event_class class;    /* COST_NO_RATE: the class at fault */
    enum event_fee fee;        /* COST_NO_FEE: the use at fault */
};

/*
 * Price one event; where it names iterations, each on its own model and band.
 *
 *   book   borrowed
 *   usage  borrowed, as event_parse() and then ratio_estimate() left it
 *   query  whose event it is; its time, which decides which price holds; when it
 *          arrived, which decides which prices were known
 *
 * Cannot fail: what cannot be priced is answered COST_UNPRICED.
 *
 * Source: schemas/prices.md, "The cost of an event".
 */
struct cost cost_of(const struct price_book *book, const struct event_usage *usage,
                    const struct price_query *query);

/* The same for a caller that keeps price_book_find()'s answer; id may be NULL. */
struct cost cost_of_id(const struct price_book *book, const struct price_id *id,
                       const struct event_usage *usage, const struct price_query *query);

/* "the price book has no such provider and model" for COST_NO_MODEL. */
const char *cost_reason_text(enum cost_reason reason);

#endif
