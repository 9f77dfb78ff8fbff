#include "store/tables/ids.h"

#include <assert.h>
#include <stdlib.h>

enum {
    ENTRY_BYTES = 24,
    CHUNK_ENTRIES = 2700, /* just under 64 KiB */
    CHUNK_KEY_BYTES = 20,
    RUN_ROW_BYTES = 9,
    LEVELS_MAX = 20,
};

static struct id_entry
entry_at(const uint8_t *chunk, size_t i)
{
    const uint8_t *p = chunk + i * ENTRY_BYTES;
    return (struct id_entry){{get_le64(p), get_le64(p + 8)}, get_le64(p + 16)};
}

static void
chunk_key(uint8_t key[CHUNK_KEY_BYTES], uint32_t run, struct hash_id hash)
{
    put_be32(key, run);
    put_be64(key + 4, hash.hi);
    put_be64(key + 12, hash.lo);
}

/* A run being read in order. */
struct run_reader {
    struct tables_scan scan;
    uint32_t run;
    const uint8_t *chunk;
    uint8_t *copy;    /* where each chunk is copied, when writes happen meanwhile; or NULL */
    size_t count, at; /* entries in the chunk; the next one */
    bool ended;
};

static void
reader_take_chunk(struct run_reader *r, bool found)
{
    r->ended = !found;
    r->chunk = found ? r->scan.value.data : NULL;
    r->count = found ? r->scan.value.size_bytes / ENTRY_BYTES : 0;
    r->at = 0;
    if (found && r->copy != NULL) {
        memcpy(r->copy, r->chunk, r->count * ENTRY_BYTES);
        r->chunk = r->copy;
    }
}

static void
reader_begin(struct run_reader *r, struct tables_txn *txn, uint32_t run, uint8_t *copy)
{
    uint8_t prefix[4];
    put_be32(prefix, run);
    r->run = run;
    r->copy = copy;
    tables_scan_begin(&r->scan, txn, TABLE_IDS, (struct bytes){prefix, sizeof prefix});
    reader_take_chunk(r, tables_scan_next(&r->scan));
}

/*
 * Step to the first entry not below hash: in the chunk by doubling steps from
 * where the last search ended, over chunks by one seek, since a chunk's key is
 * its last hash.
 */
static void
reader_seek(struct run_reader *r, struct hash_id hash)
{
    if (r->ended)
        return;
    if (id_compare(entry_at(r->chunk, r->count - 1).hash, hash) < 0) {
        uint8_t key[CHUNK_KEY_BYTES];
        chunk_key(key, r->run, hash);
        reader_take_chunk(r, tables_scan_seek(&r->scan, (struct bytes){key, sizeof key}));
        if (r->ended)
            return;
    }
    size_t low = r->at, step = 1;
    if (id_compare(entry_at(r->chunk, low).hash, hash) >= 0)
        return;
    /* Invariant: entry low is below hash. */
    while (low + step < r->count && id_compare(entry_at(r->chunk, low + step).hash, hash) < 0) {
        low += step;
        step *= 2;
    }
    size_t high = low + step < r->count ? low + step : r->count - 1;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (id_compare(entry_at(r->chunk, middle).hash, hash) < 0)
            low = middle;
        else
            high = middle;
    }
    r->at = high;
}

/* The entry the reader stands at; false at the run's end. */
static bool
reader_peek(const struct run_reader *r, struct id_entry *ret)
{
    if (r->ended)
        return false;
    *ret = entry_at(r->chunk, r->at);
    return true;
}

static void
reader_step(struct run_reader *r)
{
    if (++r->at == r->count)
        reader_take_chunk(r, tables_scan_next(&r->scan));
}

static void
find_in_run(struct tables_txn *txn, uint32_t run, const struct id_entry *entries, size_t count,
            uint64_t *ret_seq)
{
    struct run_reader r;
    struct id_entry found;
    reader_begin(&r, txn, run, NULL);
    for (size_t i = 0; i < count && !r.ended; i++) {
        reader_seek(&r, entries[i].hash);
        if (reader_peek(&r, &found) && id_compare(found.hash, entries[i].hash) == 0)
            ret_seq[i] = found.seq;
    }
    tables_scan_end(&r.scan);
}

void
ids_find(struct tables_txn *txn, const struct id_entry *entries, size_t count, uint64_t *ret_seq)
{
    struct tables_scan runs;
    for (size_t i = 0; i < count; i++)
        ret_seq[i] = 0;
    tables_scan_begin(&runs, txn, TABLE_ID_RUNS, (struct bytes){0});
    while (count > 0 && tables_scan_next(&runs))
        find_in_run(txn, get_be32(runs.key.data), entries, count, ret_seq);
    tables_scan_end(&runs);
}

/* A run being written in order. */
struct run_writer {
    struct tables_txn *txn;
    uint32_t run;
    uint8_t *chunk;
    size_t count;
    uint64_t total;
    struct hash_id last;
};

static enum err_code
writer_flush(struct run_writer *w, struct err *err)
{
    uint8_t key[CHUNK_KEY_BYTES];
    if (w->count == 0)
        return ERR_OK;
    chunk_key(key, w->run, w->last);
    enum err_code code = tables_put(w->txn, TABLE_IDS, (struct bytes){key, sizeof key},
                                    (struct bytes){w->chunk, w->count * ENTRY_BYTES}, err);
    w->count = 0;
    return code;
}

static enum err_code
writer_put(struct run_writer *w, const struct id_entry *entry, struct err *err)
{
    uint8_t *p = w->chunk + w->count * ENTRY_BYTES;
    put_le64(p, entry->hash.hi);
    put_le64(p + 8, entry->hash.lo);
    put_le64(p + 16, entry->seq);
    w->last = entry->hash;
    w->total++;
    return ++w->count == CHUNK_ENTRIES ? writer_flush(w, err) : ERR_OK;
}

/* Number for a new run: one above the greatest. */
static uint32_t
next_run(struct tables_txn *txn)
{
    struct tables_scan scan;
    uint32_t run = 0;
    tables_scan_begin(&scan, txn, TABLE_ID_RUNS, (struct bytes){0});
    while (tables_scan_next(&scan))
        run = get_be32(scan.key.data);
    tables_scan_end(&scan);
    return run + 1;
}

static enum err_code
writer_begin(struct run_writer *w, struct tables_txn *txn, struct err *err)
{
    *w = (struct run_writer){.txn = txn, .run = next_run(txn)};
    w->chunk = malloc((size_t)CHUNK_ENTRIES * ENTRY_BYTES);
    return w->chunk != NULL ? ERR_OK : err_set(err, ERR_LIMIT, "no memory for a run of ids");
}

static enum err_code
writer_end(struct run_writer *w, uint8_t level, struct err *err)
{
    uint8_t key[4], row[RUN_ROW_BYTES];
    enum err_code code = writer_flush(w, err);
    put_be32(key, w->run);
    row[0] = level;
    put_le64(row + 1, w->total);
    if (code == ERR_OK)
        code = tables_put(w->txn, TABLE_ID_RUNS, (struct bytes){key, sizeof key},
                          (struct bytes){row, sizeof row}, err);
    return code;
}

static enum err_code
delete_run(struct tables_txn *txn, uint32_t run, struct err *err)
{
    uint8_t run_key[4], key[CHUNK_KEY_BYTES];
    put_be32(run_key, run);
    for (;;) {
        struct tables_scan scan;
        tables_scan_begin(&scan, txn, TABLE_IDS, (struct bytes){run_key, sizeof run_key});
        bool more = tables_scan_next(&scan);
        if (more)
            memcpy(key, scan.key.data, sizeof key);
        tables_scan_end(&scan);
        if (!more)
            break;
        enum err_code code = tables_delete(txn, TABLE_IDS, (struct bytes){key, sizeof key}, err);
        if (code != ERR_OK)
            return code;
    }
    return tables_delete(txn, TABLE_ID_RUNS, (struct bytes){run_key, sizeof run_key}, err);
}

/* The runs of one level; at most IDS_RUNS_PER_LEVEL are there at any time. */
static size_t
runs_of_level(struct tables_txn *txn, uint8_t level, uint32_t runs[IDS_RUNS_PER_LEVEL])
{
    struct tables_scan scan;
    size_t n = 0;
    tables_scan_begin(&scan, txn, TABLE_ID_RUNS, (struct bytes){0});
    while (n < IDS_RUNS_PER_LEVEL && tables_scan_next(&scan)) {
        if (scan.value.data[0] == level)
            runs[n++] = get_be32(scan.key.data);
    }
    tables_scan_end(&scan);
    return n;
}

static enum err_code
merge_into(struct run_writer *w, struct run_reader *readers, size_t count, struct err *err)
{
    for (;;) {
        struct id_entry least = {0}, entry;
        size_t from = count;
        for (size_t i = 0; i < count; i++) {
            if (reader_peek(&readers[i], &entry) &&
                (from == count || id_compare(entry.hash, least.hash) < 0)) {
                least = entry;
                from = i;
            }
        }
        if (from == count)
            return ERR_OK;
        enum err_code code = writer_put(w, &least, err);
        if (code != ERR_OK)
            return code;
        reader_step(&readers[from]);
    }
}

static enum err_code
merge_level(struct tables_txn *txn, uint8_t level, const uint32_t *runs, size_t count,
            struct err *err)
{
    struct run_reader readers[IDS_RUNS_PER_LEVEL];
    struct run_writer w;
    enum err_code code = writer_begin(&w, txn, err);
    if (code != ERR_OK)
        return code;
    /* A value read is valid only until the next write: every reader works on a copy. */
    size_t chunk_bytes = (size_t)CHUNK_ENTRIES * ENTRY_BYTES;
    uint8_t *copies = malloc(count * chunk_bytes);
    if (copies == NULL) {
        free(w.chunk);
        return err_set(err, ERR_LIMIT, "no memory to merge runs of ids");
    }
    for (size_t i = 0; i < count; i++)
        reader_begin(&readers[i], txn, runs[i], copies + i * chunk_bytes);
    code = merge_into(&w, readers, count, err);
    for (size_t i = 0; i < count; i++)
        tables_scan_end(&readers[i].scan);
    if (code == ERR_OK)
        code = writer_end(&w, (uint8_t)(level + 1), err);
    free(copies);
    free(w.chunk);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = delete_run(txn, runs[i], err);
    return code;
}

enum err_code
ids_add(struct tables_txn *txn, const struct id_entry *entries, size_t count, struct err *err)
{
    struct run_writer w;
    if (count == 0)
        return ERR_OK;
    enum err_code code = writer_begin(&w, txn, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        assert(i == 0 || id_compare(entries[i - 1].hash, entries[i].hash) < 0);
        code = writer_put(&w, &entries[i], err);
    }
    if (code == ERR_OK)
        code = writer_end(&w, 0, err);
    free(w.chunk);
    for (uint8_t level = 0; code == ERR_OK && level < LEVELS_MAX; level++) {
        uint32_t runs[IDS_RUNS_PER_LEVEL];
        size_t n = runs_of_level(txn, level, runs);
        if (n < IDS_RUNS_PER_LEVEL)
            break;
        code = merge_level(txn, level, runs, n, err);
    }
    return code;
}
