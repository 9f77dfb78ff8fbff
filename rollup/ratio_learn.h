/*
 * rollup/ratio_learn.h - learn how many tokens a byte is, from the calls that told both.
 *
 * Per provider, model and side, of the calls of a stretch of event time, in the order of
 * the log: the first, the third, the fifth ... give the ratio, the sum of their tokens by
 * the sum of their bytes.  The others give the error bound: each is estimated by that
 * ratio, |reported - estimated| / estimated is taken in per mille, rounded up, and the
 * bound is the k-th smallest of these m, k = ceil(0.95 (m + 1)).  Since those calls had
 * no part in the ratio, one more call of the same kind lies within the bound with a
 * chance of at least 95 %, whatever the distribution is (split conformal prediction:
 * Papadopoulos et al. 2002, Lei et al. 2018).
 *
 * Left out are calls that are no evidence: failed, counted or estimated by the app,
 * with audio or images, of several passes, with uses of tools that the provider ran (the
 * pages it found are input that nobody measured), or with 0 bytes or 0 tokens on that
 * side.  Input tokens are all classes of input.  Output tokens include reasoning, which
 * is charged and has no text: so the estimate of a thinking model's output is right on the
 * sum, and its bound is wide.
 *
 * What is learned is appended to the ratio book when it is news: of a key without a row,
 * or when the ratio moved by 1 % or the bound by a tenth, at least by 20 per mille.
 *
 * Source: schemas/ratios.md.
 */
#ifndef ROLLUP_RATIO_LEARN_H
#define ROLLUP_RATIO_LEARN_H

#include "rollup/price/ratio.h"
#include "store/base/list.h"

enum {
    RATIO_CALLS_MIN = 40, /* the least number from which there is a bound */
    RATIO_DAYS_DEFAULT = 28,
};

struct ratio_learn_options {
    const char *data_directory;
    int64_t now_utc_ms;
    int64_t days;      /* whole UTC days before today, 1 or more */
    int64_t calls_min; /* RATIO_CALLS_MIN or more */
    bool again;        /* also if it was done today */
    /* Called now and then; may be NULL. */
    void (*progress)(void *context, uint64_t seq, uint64_t last_seq);
    void *context;
};

enum ratio_news {
    RATIO_ADDED,
    RATIO_UNCHANGED, /* the newest row says nearly the same */
    RATIO_TOO_FEW,   /* fewer than calls_min calls */
    RATIO_TOO_WIDE,  /* the bound is beyond RATIO_PER_MILLE_MAX: its size tells nothing */
};

/* What the log says of one key; tokens and bytes are 0 where the calls are too few. */
struct ratio_finding {
    struct ratio ratio;
    enum ratio_news news;
};

struct ratio_learned {
    bool was_done;        /* it was done today already: nothing else is filled */
    struct list findings; /* struct ratio_finding by provider, model, side */
    struct arena texts;   /* theirs */
};

/*
 * Read the log, and append what is news to the book of the data directory.
 *
 * The new rows are recorded now, or behind the last event that was folded if that is
 * later, while no fold runs: so no event that was folded without them can be estimated by
 * them in a rebuild, unless nothing else was known of its model.  Killed anywhere, the
 * book is the old one or the new one, and the next run does the same.
 *
 *   ret  ratio_learned_clear() it
 *
 * Errors: those of ratio_book_load(), calls_walk() and tables; ERR_BUSY when rollup holds
 * its lock for longer than a minute; ERR_FULL, ERR_DENIED, ERR_IO for the book's file.
 */
enum err_code ratio_learn(const struct ratio_learn_options *options, struct ratio_learned *ret,
                          struct err *err) ERR_MUST_CHECK;
void ratio_learned_clear(struct ratio_learned *learned);

/* "added", "unchanged", "too few calls", "too wide". */
const char *ratio_news_name(enum ratio_news news);

#endif
