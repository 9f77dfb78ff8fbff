#include <criterion/criterion.h>
#include <stdlib.h>

#include "store/tables/ids.h"
#include "tests/support/temp_dir.h"

struct fixture {
    struct temp_dir dir;
    struct tables *tables;
};

static struct fixture
set_up(void)
{
    struct fixture x = {.dir = temp_dir_make()};
    struct err err;
    cr_assert_eq(tables_open(x.dir.path, TABLES_WRITE, &x.tables, &err), ERR_OK, "%s", err.text);
    return x;
}

static void
tear_down(struct fixture *x)
{
    tables_close(x->tables);
    temp_dir_remove(&x->dir);
}

static struct tables_txn *
begin(struct fixture *x)
{
    struct tables_txn *txn;
    struct err err;
    cr_assert_eq(tables_begin(x->tables, TABLES_WRITE, &txn, &err), ERR_OK, "%s", err.text);
    return txn;
}

static uint64_t
mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

/* The id of event number n: any n gives another hash. */
static struct id_entry
entry_of(uint64_t n)
{
    return (struct id_entry){{mix(n + 1), mix(n + 77)}, id_mark(n, 0)};
}

static int
compare(const void *a, const void *b)
{
    return id_compare(((const struct id_entry *)a)->hash, ((const struct id_entry *)b)->hash);
}

static void
add(struct fixture *x, uint64_t from, size_t count)
{
    struct id_entry *e = calloc(count, sizeof *e);
    struct err err;
    for (size_t i = 0; i < count; i++)
        e[i] = entry_of(from + i);
    qsort(e, count, sizeof *e, compare);
    struct tables_txn *txn = begin(x);
    cr_assert_eq(ids_add(txn, e, count, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_commit(txn, &err), ERR_OK);
    free(e);
}

static void
find(struct tables_txn *txn, const struct id_entry *e, size_t count, uint64_t *ret_marks)
{
    struct ids *ids;
    struct err err;
    cr_assert_eq(ids_open(txn, &ids, &err), ERR_OK, "%s", err.text);
    memset(ret_marks, 0, count * sizeof *ret_marks);
    ids_find(ids, e, count, ret_marks);
    ids_close(ids);
}

/* Of the numbers from..from+count, exactly those in 1..last must be found, with their number. */
static void
check(struct fixture *x, uint64_t from, size_t count, uint64_t last)
{
    struct id_entry *e = calloc(count, sizeof *e);
    uint64_t *found = calloc(count, sizeof *found);
    for (size_t i = 0; i < count; i++)
        e[i] = entry_of(from + i);
    qsort(e, count, sizeof *e, compare);
    struct tables_txn *txn = begin(x);
    find(txn, e, count, found);
    for (size_t i = 0; i < count; i++) {
        uint64_t seq = id_mark_seq(e[i].mark);
        cr_assert_eq(found[i], seq <= last ? e[i].mark : 0, "number %lu", (unsigned long)seq);
    }
    tables_abort(txn);
    free(e);
    free(found);
}

Test(store_ids, every_added_id_is_found_and_no_other)
{
    struct fixture x = set_up();
    uint64_t last = 0;
    /* Sizes around a chunk's, and enough runs to merge two levels. */
    static const size_t sizes[] = {1, 2, 2699, 2700, 2701, 7, 5400, 3};
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            add(&x, last + 1, sizes[i]);
            last += sizes[i];
        }
        check(&x, last > 3000 ? last - 3000 : 1, 6000, last);
    }
    check(&x, 1, (size_t)last, last);
    check(&x, last + 1, 1000, last);
    tear_down(&x);
}

/* So many runs, and so large, that few ids are looked for in copies of what the file has; the last run
   is not in the file yet. */
Test(store_ids, few_are_found_among_many_runs_as_many_are)
{
    static const struct {
        int runs;
        size_t size;
    } classes[] = {{3, IDS_RUN_FULL}, {7, 40000}, {6, 25000}};
    enum { NEW = 30000, UNKNOWN = 30000, FEW = 4001 };
    struct fixture x = set_up();
    struct err err;
    uint64_t last = 0;
    for (size_t c = 0; c < sizeof classes / sizeof classes[0]; c++) {
        for (int r = 0; r < classes[c].runs; r++) {
            add(&x, last + 1, classes[c].size);
            last += classes[c].size;
        }
    }
    size_t count = (size_t)last + NEW + UNKNOWN;
    struct id_entry *e = calloc(count, sizeof *e);
    uint64_t *many = calloc(count, sizeof *many), *few = calloc(count, sizeof *few);
    for (size_t i = 0; i < count; i++)
        e[i] = entry_of(i + 1);
    struct tables_txn *txn = begin(&x);
    qsort(e + last, NEW, sizeof *e, compare);
    cr_assert_eq(ids_add(txn, e + last, NEW, &err), ERR_OK, "%s", err.text);
    last += NEW;
    find(txn, e, count, many);
    for (size_t i = 0; i < count; i += FEW)
        find(txn, e + i, count - i < FEW ? count - i : FEW, few + i);
    for (size_t i = 0; i < count; i++) {
        uint64_t seq = id_mark_seq(e[i].mark), expected = seq <= last ? e[i].mark : 0;
        cr_assert(many[i] == expected && few[i] == expected, "number %lu", (unsigned long)seq);
    }
    tables_abort(txn);
    free(e);
    free(many);
    free(few);
    tear_down(&x);
}

/* A place is guessed as if hashes lay evenly; here they stand in heaps, and the filter lets all in. */
Test(store_ids, hashes_in_heaps_are_told_from_their_neighbours)
{
    enum { COUNT = 3000 };
    static const uint64_t heaps[] = {0, 1, 7, (uint64_t)1 << 33, UINT64_MAX - 1, UINT64_MAX};
    static struct id_entry e[COUNT], beside[COUNT];
    uint64_t found[COUNT];
    struct err err;
    struct fixture x = set_up();
    for (uint64_t i = 0; i < COUNT; i++) {
        struct hash_id hash = {heaps[i % 6], i};
        e[i] = (struct id_entry){hash, id_mark(i + 1, 0)};
        beside[i] = e[i];
        if (i % 2 == 0)
            beside[i].hash.hi ^= 3;
        else
            beside[i].hash.lo ^= (uint64_t)1 << 60;
    }
    qsort(e, COUNT, sizeof *e, compare);
    struct tables_txn *txn = begin(&x);
    cr_assert_eq(ids_add(txn, e, COUNT, &err), ERR_OK, "%s", err.text);
    find(txn, e, COUNT, found);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(found[i], e[i].mark, "entry %zu", i);
    find(txn, beside, COUNT, found);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(found[i], 0, "beside entry %zu", i);
    tables_abort(txn);
    tear_down(&x);
}

Test(store_ids, runs_stay_few)
{
    struct fixture x = set_up();
    for (uint64_t n = 0; n < 600; n++)
        add(&x, n + 1, 1);
    struct tables_txn *txn = begin(&x);
    /* At most 7 runs below 512 entries and 7 below 4096. */
    cr_assert_leq(tables_count(txn, TABLE_ID_RUNS), 14);
    cr_assert_eq(tables_count(txn, TABLE_ID_FILTERS), tables_count(txn, TABLE_ID_RUNS));
    tables_abort(txn);
    check(&x, 1, 700, 600);
    tear_down(&x);
}

Test(store_ids, an_aborted_add_leaves_no_id)
{
    struct fixture x = set_up();
    struct err err;
    struct id_entry e = entry_of(5);
    uint64_t found;
    struct tables_txn *txn = begin(&x);
    cr_assert_eq(ids_add(txn, &e, 1, &err), ERR_OK);
    tables_abort(txn);
    txn = begin(&x);
    find(txn, &e, 1, &found);
    cr_assert_eq(found, 0);
    tables_abort(txn);
    tear_down(&x);
}
