/*
 * store/tables/plan_version.h - the plan book in use, for those who read Postgres:
 * one row per plan and version, written by the limits stage.
 */
#ifndef STORE_TABLES_PLAN_VERSION_H
#define STORE_TABLES_PLAN_VERSION_H

#include "store/tables/tables.h"

struct plan_version {
    struct str plan, name; /* at most 64 bytes each */
    uint32_t version;      /* 1, 2, 3 … by date */
    uint32_t order;
    bool is_default;
    char currency[4];
    int64_t from_ms;  /* INT64_MIN: from ever on */
    struct str terms; /* the version as the book has it, JSON */
};

/*
 * Store the versions of a book in place of those that are stored, and note what
 * changed for publishing.
 *
 *   versions  count of them
 */
enum err_code plan_version_put_all(struct tables_txn *txn, const struct plan_version *versions,
                                   size_t count, struct err *err) ERR_MUST_CHECK;

/* What a row says; its texts point into key and value. */
struct plan_version plan_version_key_decode(struct bytes key);
struct plan_version plan_version_decode(struct bytes key, struct bytes value);

#endif
