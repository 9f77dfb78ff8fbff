/*
 * tests/bench/bench_increment.c - what a fold of five seconds costs more because
 * a day's ids stand behind it.
 *
 *   bench_increment GBILL DIRECTORY PRICE_BOOK IDS
 *
 * Two data directories get the same events, one of them has IDS ids in its
 * tables already.  Both are folded after every increment; the difference is what
 * the ids cost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/time.h"
#include "store/tables/ids.h"
#include "tests/bench/child.h"
#include "tests/bench/workload_frame.h"

/* Runs are no larger than a day of small folds leaves them: the more there are, the more each costs. */
enum { ROUNDS = 20, INCREMENT_S = 5, RUN_ENTRIES = IDS_RUN_FULL };

static const int64_t noon_ms = 20781 * TIME_DAY_MS + TIME_DAY_MS / 2;

static void
check(enum err_code code, const struct err *err)
{
    if (code == ERR_OK)
        return;
    fprintf(stderr, "bench_increment: %s\n", err->text);
    exit(1);
}

/* Sorted hashes without sorting: one at random in each of count equal parts of all there are. */
static void
make_run(struct id_entry *entries, uint64_t count, uint64_t *seed, uint64_t first_seq)
{
    uint64_t width = UINT64_MAX / count;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t hi = i * width + workload_roll(seed) % width, lo = workload_roll(seed);
        entries[i] = (struct id_entry){{hi, lo}, id_mark(first_seq + i, lo)};
    }
}

static void
fill_ids(const char *directory, uint64_t ids)
{
    struct err err;
    struct tables *tables;
    uint64_t seed = 5;
    struct id_entry *entries = calloc(RUN_ENTRIES, sizeof *entries);
    if (entries == NULL) {
        fprintf(stderr, "bench_increment: no memory for a run of ids\n");
        exit(1);
    }
    check(tables_open(directory, TABLES_WRITE, &tables, &err), &err);
    for (uint64_t done = 0; done < ids;) {
        struct tables_txn *txn;
        uint64_t count = ids - done < RUN_ENTRIES ? ids - done : RUN_ENTRIES;
        make_run(entries, count, &seed, done + 1);
        check(tables_begin(tables, TABLES_WRITE, &txn, &err), &err);
        check(ids_add(txn, entries, count, &err), &err);
        check(tables_commit(txn, &err), &err);
        done += count;
    }
    tables_close(tables);
    free(entries);
}

/* One data directory that grows by increments. */
struct side {
    char directory[512];
    struct log_writer *writer;
    double sum_s;
};

static void
open_side(struct side *side, const char *parent, const char *name)
{
    snprintf(side->directory, sizeof side->directory, "%s/%s", parent, name);
    side->writer = workload_log_open(side->directory);
}

static double
fold(struct side *side, const struct workload_frame *frame, int64_t now_ms, const char *gbill,
     const char *book)
{
    workload_frame_append(frame, side->writer, now_ms);
    double cpu_s = child_rollup(gbill, side->directory, book).cpu_s;
    side->sum_s += cpu_s;
    return cpu_s;
}

int
main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_increment GBILL DIRECTORY PRICE_BOOK IDS\n");
        return 2;
    }
    static struct workload w;
    struct workload_frame frame;
    struct side empty = {0}, full = {0};
    uint64_t ids = strtoull(argv[4], NULL, 10), events = ids * INCREMENT_S / TIME_DAY_S;
    double worst_s = 0;
    open_side(&empty, argv[2], "empty");
    open_side(&full, argv[2], "full");
    fill_ids(full.directory, ids);
    workload_frame_init(&frame);
    workload_init(&w, 9, noon_ms);
    w.spread_ms = INCREMENT_S * 1000;
    for (int round = 0; round < ROUNDS; round++) {
        workload_frame_reset(&frame);
        for (uint64_t i = 0; i < events; i++) {
            struct workload_event e;
            workload_next(&w, &e);
            workload_frame_add(&frame, &e);
        }
        double base_s = fold(&empty, &frame, w.now_ms, argv[1], argv[3]);
        double more_s = fold(&full, &frame, w.now_ms, argv[1], argv[3]) - base_s;
        worst_s = more_s > worst_s ? more_s : worst_s;
        w.now_ms += INCREMENT_S * 1000;
    }
    log_writer_close(empty.writer);
    log_writer_close(full.writer);
    workload_frame_clear(&frame);
    double empty_ms = empty.sum_s / ROUNDS * 1000, full_ms = full.sum_s / ROUNDS * 1000;
    printf("rollup %d s of events (%" PRIu64
           "), CPU: %.0f ms on empty tables, %.0f ms with %" PRIu64
           " ids behind: %.0f ms more (goal < 100), at worst %.0f, over %d increments\n",
           INCREMENT_S, events, empty_ms, full_ms, ids, full_ms - empty_ms, worst_s * 1000, ROUNDS);
    return 0;
}
