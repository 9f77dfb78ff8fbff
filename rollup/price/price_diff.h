/*
 * rollup/price/price_diff.h - what changed between two price books, and whether the
 * new one only says more.
 *
 * A book is append-only (schemas/prices.md, "Which row"): rows are added and
 * retracted, never edited or deleted, and what is added lies later than all that
 * stood there.  A book that breaks this changes bills that were sent.
 *
 * Books are compared as JSON, so that no member of a row can change unseen; two
 * texts are equal when they are the same decimal or the same time.  Notes are for
 * people and are not compared.
 */
#ifndef ROLLUP_PRICE_PRICE_DIFF_H
#define ROLLUP_PRICE_PRICE_DIFF_H

#include "rollup/price/price.h"
#include "store/base/json.h"

/* name, does it break the rule?, in words */
#define PRICE_CHANGES(X)                              \
    X(MODEL_ADDED, false, "model added")              \
    X(ROW_ADDED, false, "row added")                  \
    X(ROW_RETRACTED, false, "row retracted")          \
    X(BOOK_EDITED, true, "BOOK EDITED")               \
    X(MODEL_EDITED, true, "MODEL EDITED")             \
    X(MODEL_DELETED, true, "MODEL DELETED")           \
    X(ROW_EDITED, true, "ROW EDITED")                 \
    X(ROW_DELETED, true, "ROW DELETED")               \
    X(ROW_IN_THE_PAST, true, "ROW ADDED IN THE PAST") \
    X(RETRACTED_IN_THE_PAST, true, "RETRACTED IN THE PAST")

enum price_change_kind {
#define PRICE_CHANGE_ENUM(name, breaks, text) PRICE_##name,
    PRICE_CHANGES(PRICE_CHANGE_ENUM)
#undef PRICE_CHANGE_ENUM
        PRICE_CHANGE_KINDS
};

enum { PRICE_CHANGE_TEXT_BYTES = 1024 };

struct price_change {
    enum price_change_kind kind;
    struct str provider, model; /* empty for the book itself */
    const char *row;            /* "prices standard", "aliases gpt-4o-2024-08-06"; or "" */
    const char *from;           /* as the file has it; "" for since ever or none */
    const char *recorded;
    char text[PRICE_CHANGE_TEXT_BYTES]; /* in words and numbers */
};

struct price_diff {
    size_t count[PRICE_CHANGE_KINDS];
    size_t broken; /* changes that break the rule */
};

/* A book and the JSON it was loaded from. */
struct price_version {
    struct price_book *book;
    json_t *root;
};

/*
 * Load a book together with its JSON.
 *
 *   ret  filled; price_version_clear() it, also after an error
 *
 * Errors: those of price_book_load(); ERR_CONFLICT when the file changed between
 * the two readings.
 */
enum err_code price_version_load(const char *path, struct price_version *ret,
                                 struct err *err) ERR_MUST_CHECK;
void price_version_clear(struct price_version *version);

/*
 * Compare two books; each change is told once, in the order of the new book,
 * what was deleted at the end.
 *
 *   told  called for every change; change is borrowed for the call
 *   ret   filled
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code price_diff_run(const struct price_version *before, const struct price_version *after,
                             void (*told)(void *context, const struct price_change *change),
                             void *context, struct price_diff *ret, struct err *err) ERR_MUST_CHECK;

const char *price_change_name(enum price_change_kind kind);
bool price_change_breaks(enum price_change_kind kind);

/* The latest time at which the book recorded or retracted something. */
int64_t price_book_newest(const struct price_book *book);

#endif
