/*
 * tests/bench/bench_rollup.c - fold a whole log into new tables, and say what it
 * took and what came out, as JSON.
 *
 *   bench_rollup GBILL DATA PRICE_BOOK
 *
 * The tables of DATA are deleted first.  Sums are texts: they pass 2^53.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/money.h"
#include "store/tables/tables.h"
#include "store/tables/usage.h"
#include "tests/bench/child.h"

static void
check(enum err_code code, const struct err *err)
{
    if (code == ERR_OK)
        return;
    fprintf(stderr, "bench_rollup: %s\n", err->text);
    exit(1);
}

static void
delete_tables(const char *directory)
{
    static const char *const names[] = {"tables.mdb", "tables.mdb-lock"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        if (unlink(path) != 0 && errno != ENOENT) {
            fprintf(stderr, "bench_rollup: %s: %s\n", path, strerror(errno));
            exit(1);
        }
    }
}

static void
print_sums(struct tables_txn *txn, enum table table)
{
    struct usage_scan scan;
    struct usage_row sum = {0};
    char cost[MONEY_TEXT_BYTES];
    struct err err;
    for (usage_scan_begin(&scan, txn, table, 0, NULL); usage_scan_next(&scan);)
        usage_row_add(&sum, &scan.row);
    check(usage_scan_end(&scan, &err), &err);
    money_format(sum.cost_pico, 0, cost);
    printf(", \"%s\": {\"rows\": \"%" PRIu64 "\", \"calls\": \"%" PRIu64
           "\", \"failed\": \"%" PRIu64 "\", \"unpriced\": \"%" PRIu64 "\", \"input\": \"%" PRIu64
           "\", \"cache_read\": \"%" PRIu64 "\", \"output\": \"%" PRIu64
           "\", \"latency_us\": \"%" PRIu64 "\", \"cost_pico\": \"%s\"}",
           tables_name(table), tables_count(txn, table), sum.calls, sum.failed_calls,
           sum.unpriced_calls, sum.tokens[EVENT_INPUT], sum.tokens[EVENT_CACHE_READ],
           sum.tokens[EVENT_OUTPUT], sum.latency_us, cost);
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_rollup GBILL DATA PRICE_BOOK\n");
        return 2;
    }
    struct err err;
    struct tables *tables;
    struct tables_txn *txn;
    delete_tables(argv[2]);
    struct child_cost cost = child_rollup(argv[1], argv[2], argv[3]);
    check(tables_open(argv[2], TABLES_READ, &tables, &err), &err);
    check(tables_begin(tables, TABLES_READ, &txn, &err), &err);
    printf("{\"wall_s\": %.3f, \"cpu_s\": %.3f, \"anonymous_mib\": %ld", cost.wall_s, cost.cpu_s,
           cost.anonymous_kib / 1024);
    print_sums(txn, TABLE_HOURLY);
    print_sums(txn, TABLE_MONTHLY);
    printf("}\n");
    tables_abort(txn);
    tables_close(tables);
    return 0;
}
