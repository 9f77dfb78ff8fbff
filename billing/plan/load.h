/*
 * billing/plan/load.h - reading a plan book, piece by piece.  Private to
 * billing/plan.
 *
 * Every getter names the place ("plans[2] pro versions[0]"), the key and the value
 * when it is wrong.  All errors are ERR_CONFIG, but ERR_LIMIT when the book takes
 * more memory than it may.
 */
#ifndef BILLING_PLAN_LOAD_H
#define BILLING_PLAN_LOAD_H

#include "billing/plan/plan.h"
#include "store/base/json.h"

enum { LOAD_WHERE_BYTES_MAX = 192, LOAD_BYTES_MAX = 64 * 1024 * 1024 };

struct load {
    struct arena *arena;
    struct plan_book *book;
};

/* An object of the book and its place in words. */
struct load_at {
    struct load *load;
    const json_t *object;
    char where[LOAD_WHERE_BYTES_MAX];
};

/* The i-th object of an array under a key, or the object under it (i < 0). */
struct load_at load_inner(const struct load_at *at, const json_t *object, const char *key, int i);

enum err_code load_full(struct err *err) ERR_MUST_CHECK;
void *load_alloc(const struct load_at *at, size_t size_bytes);

/* A text of 1 to PLAN_TEXT_BYTES_MAX bytes without control characters. */
enum err_code load_text(const struct load_at *at, const char *key, struct str *ret,
                        struct err *err) ERR_MUST_CHECK;

/* The same of plain ASCII without spaces: it stands in commands and error lines. */
enum err_code load_id(const struct load_at *at, const char *key, struct str *ret,
                      struct err *err) ERR_MUST_CHECK;

/* An array of ids; absent: none. */
enum err_code load_ids_opt(const struct load_at *at, const char *key, const struct str **ret,
                           size_t *ret_count, struct err *err) ERR_MUST_CHECK;

/*
 * A decimal text of 0 or more, with at most so many decimals.  The _opt form leaves
 * *ret as it was when the key is absent or null, and says whether it was there.
 */
enum err_code load_decimal(const struct load_at *at, const char *key, int decimals, int64_t *ret,
                           struct err *err) ERR_MUST_CHECK;
enum err_code load_decimal_opt(const struct load_at *at, const char *key, int decimals,
                               int64_t *ret, bool *ret_there, struct err *err) ERR_MUST_CHECK;

/* A percent, 0 to most (in PLAN_PERCENT_WHOLE); absent: as it was. */
enum err_code load_percent_opt(const struct load_at *at, const char *key, int64_t most,
                               int64_t *ret, struct err *err) ERR_MUST_CHECK;

/* A time text; absent: as it was. */
enum err_code load_time_opt(const struct load_at *at, const char *key, int64_t *ret,
                            struct err *err) ERR_MUST_CHECK;

/* true or false; absent: as it was. */
enum err_code load_flag_opt(const struct load_at *at, const char *key, bool *ret,
                            struct err *err) ERR_MUST_CHECK;

/* Which of the words (NULL-terminated) it is; absent: as it was. */
enum err_code load_word_opt(const struct load_at *at, const char *key, const char *const *words,
                            int *ret, struct err *err) ERR_MUST_CHECK;

/* An ISO 4217 code; absent: as it was. */
enum err_code load_currency_opt(const struct load_at *at, const char *key, char ret[4],
                                struct err *err) ERR_MUST_CHECK;

/* load_charge.c: the charges of a version. */
enum err_code load_charges(const struct load_at *at, struct plan_terms *terms,
                           struct err *err) ERR_MUST_CHECK;

/* load_terms.c: the versions of a plan. */
enum err_code load_versions(const struct load_at *at, struct plan *plan,
                            struct err *err) ERR_MUST_CHECK;

#endif
