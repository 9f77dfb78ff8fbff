#include <stdlib.h>

#include "rollup/fold.h"

/*
 * Void events.  One may stand before or behind the event it names, in the same
 * transaction or years away, and the tables must come out the same: so an event
 * that comes late is met by fold->waiting, and one that came already is read from
 * the log again and taken out of the sums here.
 */

/* In log order within a target: the first void of an event is the one that counts. */
static int
by_target(const void *a, const void *b)
{
    const struct void_row *x = a, *y = b;
    int order = id_compare(x->target, y->target);
    return order != 0 ? order : (x->void_seq > y->void_seq) - (x->void_seq < y->void_seq);
}

/* The log is read upwards. */
static int
by_target_seq(const void *a, const void *b)
{
    const struct void_row *x = a, *y = b;
    return (x->target_seq > y->target_seq) - (x->target_seq < y->target_seq);
}

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory for the voids of a transaction");
}

/* Leave of the named ones those that no earlier void named; find their events. */
static enum err_code
find_targets(struct fold *fold, struct tables_txn *txn, struct err *err)
{
    struct void_row *rows = fold->named.items;
    size_t kept = 0;
    qsort(rows, fold->named.count, sizeof *rows, by_target);
    for (size_t i = 0; i < fold->named.count; i++) {
        struct void_row row = rows[i], before;
        if ((kept > 0 && id_compare(rows[kept - 1].target, row.target) == 0) ||
            void_get(txn, row.target, &before))
            continue;
        uint64_t mark = seen_find(&fold->seen, row.target);
        if (mark == 0) {
            const struct id_entry wanted = {.hash = row.target};
            ids_find(fold->ids, &wanted, 1, &mark);
        }
        row.target_seq = id_mark_seq(mark);
        rows[kept++] = row;
        if (row.target_seq == 0 && !list_add(&fold->outcomes, &row))
            return no_memory(err);
    }
    fold->named.count = kept;
    return ERR_OK;
}

static enum err_code
take_out(struct fold *fold, const struct batch_item *item, struct err *err)
{
    enum err_code code = fold_balance(fold, item, BALANCE_VOIDED, 1, err);
    if (code != ERR_OK)
        return code;
    if (item->kind == EVENT_USAGE) {
        if (item->usage.state == COST_UNPRICED && !list_add(&fold->priced_out, &item->seq))
            return no_memory(err);
        return fold_usage(fold, item, -1, err);
    }
    if (!list_add(&fold->taken_back, item))
        return no_memory(err);
    return fold_balance(fold, item, BALANCE_SETTINGS, -1, err);
}

static enum err_code
void_one(struct fold *fold, struct tables_txn *txn, struct again *again, struct void_row *row,
         struct err *err)
{
    const struct batch_item *item;
    enum err_code code = again_event(again, txn, row->target_seq, &item, err);
    if (code == ERR_NOT_FOUND) {
        row->outcome = VOID_LOST;
    } else if (code != ERR_OK) {
        return code;
    } else if (fold_can_void(item->kind)) {
        row->outcome = VOID_DONE;
        code = take_out(fold, item, err);
        if (code != ERR_OK)
            return code;
    } else {
        row->outcome = VOID_REFUSED;
    }
    return list_add(&fold->outcomes, row) ? ERR_OK : no_memory(err);
}

enum err_code
fold_voids(struct fold *fold, struct tables_txn *txn, struct again *again, struct err *err)
{
    if (fold->named.count == 0)
        return ERR_OK;
    enum err_code code = find_targets(fold, txn, err);
    struct void_row *rows = fold->named.items;
    qsort(rows, fold->named.count, sizeof *rows, by_target_seq);
    for (size_t i = 0; code == ERR_OK && i < fold->named.count; i++) {
        if (rows[i].target_seq != 0)
            code = void_one(fold, txn, again, &rows[i], err);
    }
    return code;
}
