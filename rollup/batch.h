/*
 * rollup/batch.h - a batch of events on its way into the tables.
 *
 * A batch is filled with frames as they are stored, decoded by any thread, and
 * resolved by the one that folds.  Which events count is known only then, so an
 * event is kept as a fixed-size item of numbers.  Texts that the dictionary does
 * not know yet wait beside the items, in log order, since the order in which texts
 * are numbered must not depend on threads or on where batches end.
 */
#ifndef ROLLUP_BATCH_H
#define ROLLUP_BATCH_H

#include "rollup/price/cost.h"
#include "rollup/price/ratio.h"
#include "store/base/arena.h"
#include "store/base/buf.h"
#include "store/log/frame.h"
#include "store/tables/dict.h"
#include "store/tables/ids.h"

enum {
    BATCH_EVENTS = 8192, /* a batch ends with the frame that reaches this */
    BATCH_ARENA_BYTES_MAX = 256 * 1024 * 1024,
};

struct batch_usage {
    uint32_t project, user, type, provider, model, tier;
    uint64_t tokens[EVENT_CLASSES], reasoning_tokens, latency_us;
    bool failed, media, charged_uses; /* see struct event_usage */
    bool uncounted;                   /* no tokens are known yet: all are 0 */
    enum cost_state state;
    int64_t cost_pico;
    uint64_t fees[EVENT_FEES];
};

/* What a settings event says; strings as dictionary numbers. */
struct batch_setting {
    /* resource; plan, currency, tax; currency, reason; invoice, status, currency; of what
     * Stripe told what it hangs on, plan, currency */
    uint32_t text[3];
    int64_t time_or_amount;          /* subscription: effective; others: minor units */
    int64_t anchor_ms, trial_end_ms; /* subscription */
    bool at_period_end;              /* subscription */
    /* enum event_resource_type and created; enum event_subscription_action; is it nobody's? */
    uint8_t type, action;
    uint32_t uid;          /* act */
    struct bytes record;   /* budget, act, stripe: in the batch's arena */
    struct hash_id target; /* void */
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

/* What every thread that decodes shares; only the dictionary ever changes. */
struct batch_shared {
    const struct price_book *book;   /* borrowed */
    const struct ratio_book *ratios; /* borrowed */
    uint8_t id_secret[HASH_SECRET_BYTES];
    struct dict dict;
};

/* What a thread needs for itself to decode. */
struct batch_decoder {
    struct frame_codec *codec;
    struct buf room;            /* a frame's events */
    struct batch_price *prices; /* a small cache of price_book_find() */
};

struct batch {
    struct buf stored;    /* bodies of the frames */
    struct frame *frames; /* batch_decode() says where their bodies lie */
    size_t frame_count, frame_room;
    size_t event_count;          /* in the frames */
    uint64_t after_seq;          /* events up to this are left out */
    struct batch_item *items;    /* count */
    struct id_entry *ids;        /* count: of each item, with its mark */
    size_t count, room;          /* decoded */
    struct batch_new *new_texts; /* that the dictionary did not know */
    size_t new_count, new_room;
    struct arena arena; /* budgets, new texts */
};

void batch_init(struct batch *batch);
void batch_clear(struct batch *batch);

/* Empty it; it keeps its memory. */
void batch_reset(struct batch *batch, uint64_t after_seq);

enum err_code batch_decoder_init(struct batch_decoder *decoder, struct err *err) ERR_MUST_CHECK;
void batch_decoder_clear(struct batch_decoder *decoder);

/*
 * Add a frame whose body was appended to batch->stored.
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code batch_add_frame(struct batch *batch, const struct frame *frame,
                              struct err *err) ERR_MUST_CHECK;

/*
 * Turn the frames into items, pricing usage.  Any thread; the dictionary may be
 * growing meanwhile.
 *
 * Errors: ERR_CORRUPT names the frame or event that cannot be read; ERR_LIMIT out
 * of memory.
 */
enum err_code batch_decode(struct batch *batch, const struct batch_shared *shared,
                           struct batch_decoder *decoder, struct err *err) ERR_MUST_CHECK;

/*
 * Number the texts that were new.  Batches are resolved in log order, by the thread
 * that folds.
 */
enum err_code batch_resolve(struct batch *batch, struct dict *dict, struct tables_txn *txn,
                            struct err *err) ERR_MUST_CHECK;

/*
 * Read one stored event again, as batch_decode() and batch_resolve() would.
 *
 *   batch     used as room: what it holds is replaced by the one item
 *   ret_item  points into batch
 */
enum err_code batch_read_event(struct batch *batch, struct batch_shared *shared,
                               struct batch_decoder *decoder, struct tables_txn *txn,
                               const struct event *event, uint64_t seq, int64_t receive_utc_ms,
                               struct batch_item **ret_item, struct err *err) ERR_MUST_CHECK;

#endif
