/*
 * rollup/batch.h - a batch of events on its way into the tables.
 *
 * Reading the log and folding are two steps, since which events count is known
 * only when the whole batch has been looked up.  An event is therefore kept as a
 * fixed-size item of numbers; its strings are interned at once, in log order, so
 * that the dictionary does not depend on where batches end.
 */
#ifndef ROLLUP_BATCH_H
#define ROLLUP_BATCH_H

#include "rollup/cost.h"
#include "rollup/dedupe.h"
#include "store/base/arena.h"
#include "store/log/reader.h"
#include "store/tables/dict.h"
#include "store/tables/usage.h"

enum {
    BATCH_EVENTS = 65536, /* a batch ends with the frame that reaches this */
    BATCH_SETTINGS_BYTES_MAX = 256 * 1024 * 1024,
};

struct batch_usage {
    uint32_t project, user, type, provider, model, tier;
    uint64_t tokens[EVENT_CLASSES], reasoning_tokens, latency_us;
    bool failed;
    enum cost_state state;
    int64_t cost_pico;
};

/* What a settings event says; strings as dictionary numbers. */
struct batch_setting {
    uint32_t text[2];       /* resource; plan, currency; currency, reason */
    int64_t time_or_amount; /* subscription: effective; adjustment: minor units */
    uint8_t type, action; /* enum event_resource_type and created; enum event_subscription_action */
    struct bytes record;  /* budget: in the batch's arena */
};

struct batch_item {
    uint64_t seq;
    int64_t time_utc_ms;
    uint32_t organization;
    enum event_kind kind;
    union {
        struct batch_usage usage;
        struct batch_setting setting;
    };
};

struct batch {
    const struct price_book *book;
    uint8_t id_secret[HASH_SECRET_BYTES];
    struct dict dict;         /* lives over batches */
    struct batch_item *items; /* dedupe.count of them */
    struct dedupe dedupe;
    size_t room;
    struct arena arena;
    struct batch_price *prices; /* a small cache of price_book_find() */
};

/*
 * Prepare for one log and price book.
 *
 *   book      borrowed until batch_clear()
 *   identity  the log's
 */
enum err_code batch_init(struct batch *batch, const struct price_book *book,
                         const uint8_t identity[HASH_SHA256_BYTES], struct err *err) ERR_MUST_CHECK;
void batch_clear(struct batch *batch);

/* How many events it holds. */
static inline size_t
batch_count(const struct batch *batch)
{
    return batch->dedupe.count;
}

/* Empty it for the next events. */
void batch_reset(struct batch *batch);

/*
 * Add the events of a frame whose numbers are above after_seq, pricing usage.
 *
 * Errors: ERR_CORRUPT names the event that cannot be read; ERR_LIMIT out of
 * memory; those of the dictionary's table.
 */
enum err_code batch_add_frame(struct batch *batch, struct tables_txn *txn,
                              const struct log_frame *frame, uint64_t after_seq,
                              struct err *err) ERR_MUST_CHECK;

/*
 * Price one stored event as batch_add_frame() does, without adding it.
 *
 *   ret_item  usage with its strings interned
 */
enum err_code batch_read_usage(struct batch *batch, struct tables_txn *txn,
                               const struct event *event, int64_t receive_utc_ms,
                               struct batch_item *ret_item, struct err *err) ERR_MUST_CHECK;

#endif
