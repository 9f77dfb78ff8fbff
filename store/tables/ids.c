#include "store/tables/ids.h"

#include <assert.h>
#include <stdlib.h>

#include "store/tables/id_filter.h"
#include "store/tables/map_file.h"

enum {
    ENTRY_BYTES = 24,
    CHUNK_ENTRIES = 2700, /* just under 64 KiB */
    CHUNK_KEY_BYTES = 20,
    RUN_ROW_BYTES = 8,
    CLASSES = 5, /* the last is of full runs */
    LOOK_AHEAD = 24,
    GROUP_ENTRIES = 8192, /* looked up together */
    FEW_RUNS = 16,
    FEW_ENTRIES = 8 * GROUP_ENTRIES, /* too few to look into most pages twice */
    FILTER_COPY_BYTES_MAX = 4 * 1024 * 1024,
    WINDOW_ENTRIES = 256, /* within which a place is guessed right, but for one in a hundred */
    ORDER_BITS = 11,
    ORDER_BUCKETS = 1 << ORDER_BITS,
};

/* Class 0 is below 512 entries, each next one eight times that. */
static unsigned
class_of(uint64_t entries)
{
    unsigned class = 0;
    for (uint64_t limit = 512; class < CLASSES - 1 && entries >= limit; limit *= 8)
        class ++;
    return class;
}

_Static_assert(IDS_RUN_FULL == 512 * 8 * 8 * 8, "the last class begins there");

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

struct run {
    uint32_t number;
    uint64_t entries;
    struct bytes filter; /* in the map */
};

struct ids {
    struct tables_scan chunks;
    struct map_file file;
    uint8_t *copy; /* of a filter, while few entries are looked up; NULL: all through the map */
    size_t run_count;
    struct run runs[];
};

enum err_code
ids_open(struct tables_txn *txn, struct ids **ret, struct err *err)
{
    struct tables_scan scan;
    size_t count = (size_t)tables_count(txn, TABLE_ID_RUNS), i = 0;
    struct ids *ids = malloc(sizeof *ids + count * sizeof ids->runs[0]);
    if (ids == NULL)
        return err_set(err, ERR_LIMIT, "no memory for %zu runs of ids", count);
    enum err_code code = ERR_OK;
    tables_scan_begin(&scan, txn, TABLE_ID_RUNS, (struct bytes){0});
    while (i < count && tables_scan_next(&scan)) {
        struct run *run = &ids->runs[i++];
        *run = (struct run){get_be32(scan.key.data), get_le64(scan.value.data), {0}};
        if (!tables_get(txn, TABLE_ID_FILTERS, scan.key, &run->filter))
            code = err_set(err, ERR_CORRUPT, "table id_filters: run %u has none", run->number);
    }
    tables_scan_end(&scan);
    if (code != ERR_OK) {
        free(ids);
        return code;
    }
    ids->run_count = i;
    ids->copy = NULL;
    ids->file = (struct map_file){.size_bytes = 0};
    for (i = 0; i < ids->run_count && ids->file.size_bytes == 0; i++) {
        if (ids->runs[i].filter.size_bytes >= MAP_FILE_VALUE_BYTES)
            ids->file = map_file_of(txn, ids->runs[i].filter);
    }
    tables_scan_begin(&ids->chunks, txn, TABLE_IDS, (struct bytes){0});
    *ret = ids;
    return ERR_OK;
}

void
ids_close(struct ids *ids)
{
    if (ids == NULL)
        return;
    tables_scan_end(&ids->chunks);
    free(ids);
}

uint64_t
ids_count(struct tables_txn *txn)
{
    struct tables_scan scan;
    uint64_t count = 0;
    tables_scan_begin(&scan, txn, TABLE_ID_RUNS, (struct bytes){0});
    while (tables_scan_next(&scan))
        count += get_le64(scan.value.data);
    tables_scan_end(&scan);
    return count;
}

/*
 * Where among count entries a hash is to be looked for that lies part of whole behind
 * the first one's: hashes are spread evenly, so three or four looks find it, where
 * halving takes eleven, each into other memory.
 */
static size_t
share_of(size_t count, uint64_t part, uint64_t whole)
{
    return (size_t)((part >> 32) * count / ((whole >> 32) + 1));
}

/*
 * The entries about the place in a chunk where a hash is if hashes lie evenly, by their distance
 * from the chunk's last one.  False where it is not among them, or they can't be had.
 */
static bool
read_window(const struct ids *ids, const struct run *run, struct hash_id hash,
            uint8_t window[WINDOW_ENTRIES * ENTRY_BYTES])
{
    struct bytes chunk = ids->chunks.value;
    size_t count = chunk.size_bytes / ENTRY_BYTES;
    uint64_t last = get_be64(ids->chunks.key.data + 4);
    if (ids->copy == NULL || count <= WINDOW_ENTRIES || run->entries == 0)
        return false;
    uint64_t back = (last - hash.hi) / (UINT64_MAX / run->entries), half = WINDOW_ENTRIES / 2;
    uint64_t end = back < half ? count : back < count ? count - back + half : 0;
    size_t from = end < WINDOW_ENTRIES ? 0 : (size_t)end - WINDOW_ENTRIES;
    return map_file_read(&ids->file, chunk.data + from * ENTRY_BYTES, WINDOW_ENTRIES * ENTRY_BYTES,
                         window) &&
           id_compare(entry_at(window, 0).hash, hash) <= 0 &&
           id_compare(entry_at(window, WINDOW_ENTRIES - 1).hash, hash) >= 0;
}

/* The mark of a hash in a run, or 0.  A chunk's key is its last hash, so one seek finds it. */
static uint64_t
search(struct ids *ids, const struct run *run, struct hash_id hash)
{
    uint8_t key[CHUNK_KEY_BYTES], window[WINDOW_ENTRIES * ENTRY_BYTES];
    chunk_key(key, run->number, hash);
    if (!tables_scan_seek(&ids->chunks, (struct bytes){key, sizeof key}) ||
        get_be32(ids->chunks.key.data) != run->number)
        return 0;
    const uint8_t *entries = ids->chunks.value.data;
    size_t low = 0, high = ids->chunks.value.size_bytes / ENTRY_BYTES;
    uint64_t last = get_be64(ids->chunks.key.data + 4);
    if (read_window(ids, run, hash, window)) {
        entries = window;
        high = WINDOW_ENTRIES;
        last = entry_at(window, WINDOW_ENTRIES - 1).hash.hi;
    }
    uint64_t first = high > 0 ? entry_at(entries, 0).hash.hi : 0;
    while (low < high && first <= hash.hi) {
        size_t at = low + share_of(high - low, hash.hi - first, last - first);
        struct id_entry e = entry_at(entries, at);
        int order = id_compare(e.hash, hash);
        if (order == 0)
            return e.mark;
        if (order < 0) {
            low = at + 1;
            first = e.hash.hi;
        } else {
            high = at;
            last = e.hash.hi;
        }
    }
    return 0;
}

/*
 * The entries by the first bits of their hashes, so that probes walk through a
 * filter, and its pages, in order.  One counting pass.
 */
static void
order_by_hash(const struct id_entry *entries, uint32_t count, uint32_t *order)
{
    uint32_t at[ORDER_BUCKETS] = {0}, sum = 0;
    for (uint32_t i = 0; i < count; i++)
        at[entries[i].hash.hi >> (64 - ORDER_BITS)]++;
    for (size_t b = 0; b < ORDER_BUCKETS; b++) {
        uint32_t n = at[b];
        at[b] = sum;
        sum += n;
    }
    for (uint32_t i = 0; i < count; i++)
        order[at[entries[i].hash.hi >> (64 - ORDER_BITS)]++] = i;
}

/* A run's filter, out of the map if more entries are looked up than it has pages. */
static struct bytes
filter_of(const struct ids *ids, const struct run *run, uint32_t count)
{
    struct bytes f = run->filter;
    bool copies = ids->copy != NULL && f.size_bytes >= MAP_FILE_VALUE_BYTES &&
                  f.size_bytes <= FILTER_COPY_BYTES_MAX && f.size_bytes / 4096 <= count &&
                  map_file_read(&ids->file, f.data, f.size_bytes, ids->copy);
    return copies ? (struct bytes){ids->copy, f.size_bytes} : f;
}

static void
find_group(struct ids *ids, const struct id_entry *entries, uint32_t count, uint64_t *marks)
{
    uint32_t order[GROUP_ENTRIES];
    /* A few filters fit the processor's caches in any order. */
    if (ids->run_count > FEW_RUNS) {
        order_by_hash(entries, count, order);
    } else {
        for (uint32_t i = 0; i < count; i++)
            order[i] = i;
    }
    for (size_t r = 0; r < ids->run_count; r++) {
        const struct run *run = &ids->runs[r];
        struct bytes filter = filter_of(ids, run, count);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t e = order[i];
            if (i + LOOK_AHEAD < count)
                filter_prefetch(filter, entries[order[i + LOOK_AHEAD]].hash);
            if (marks[e] == 0 && filter_has(filter, entries[e].hash))
                marks[e] = search(ids, run, entries[e].hash);
        }
    }
}

void
ids_find(struct ids *ids, const struct id_entry *entries, size_t count, uint64_t *marks)
{
    /* Without memory for it all is read through the map. */
    if (count <= FEW_ENTRIES && ids->run_count > FEW_RUNS && ids->file.size_bytes > 0)
        ids->copy = malloc(FILTER_COPY_BYTES_MAX);
    for (size_t i = 0; i < count; i += GROUP_ENTRIES) {
        size_t left = count - i;
        find_group(ids, entries + i, (uint32_t)(left < GROUP_ENTRIES ? left : GROUP_ENTRIES),
                   marks + i);
    }
    free(ids->copy);
    ids->copy = NULL;
}

/* A run being read in order, by way of a copy: a value is valid only until the next write. */
struct run_reader {
    struct tables_scan scan;
    uint8_t *chunk;
    size_t count, at; /* entries in the chunk; the next one */
};

static void
reader_take_chunk(struct run_reader *r)
{
    bool found = tables_scan_next(&r->scan);
    r->count = found ? r->scan.value.size_bytes / ENTRY_BYTES : 0;
    r->at = 0;
    if (found)
        memcpy(r->chunk, r->scan.value.data, r->count * ENTRY_BYTES);
}

static void
reader_begin(struct run_reader *r, struct tables_txn *txn, uint32_t run, uint8_t *chunk)
{
    uint8_t prefix[4];
    put_be32(prefix, run);
    r->chunk = chunk;
    tables_scan_begin(&r->scan, txn, TABLE_IDS, (struct bytes){prefix, sizeof prefix});
    reader_take_chunk(r);
}

/* The entry the reader stands at; false at the run's end. */
static bool
reader_peek(const struct run_reader *r, struct id_entry *ret)
{
    if (r->at == r->count)
        return false;
    *ret = entry_at(r->chunk, r->at);
    return true;
}

static void
reader_step(struct run_reader *r)
{
    if (++r->at == r->count)
        reader_take_chunk(r);
}

/* A run being written in order. */
struct run_writer {
    struct tables_txn *txn;
    uint32_t run;
    uint8_t *chunk, *filter;
    size_t count, filter_bytes;
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
    put_le64(p + 16, entry->mark);
    filter_add(w->filter, w->filter_bytes, entry->hash);
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

static void
writer_clear(struct run_writer *w)
{
    free(w->chunk);
    free(w->filter);
}

static enum err_code
writer_begin(struct run_writer *w, struct tables_txn *txn, size_t entries, struct err *err)
{
    *w = (struct run_writer){
        .txn = txn, .run = next_run(txn), .filter_bytes = filter_bytes(entries)};
    w->chunk = malloc((size_t)CHUNK_ENTRIES * ENTRY_BYTES);
    w->filter = calloc(1, w->filter_bytes);
    if (w->chunk != NULL && w->filter != NULL)
        return ERR_OK;
    writer_clear(w);
    return err_set(err, ERR_LIMIT, "no memory for a run of %zu ids", entries);
}

static enum err_code
writer_end(struct run_writer *w, struct err *err)
{
    uint8_t key[4], row[RUN_ROW_BYTES];
    struct bytes k = {key, sizeof key};
    enum err_code code = writer_flush(w, err);
    put_be32(key, w->run);
    put_le64(row, w->total);
    if (code == ERR_OK)
        code = tables_put(w->txn, TABLE_ID_FILTERS, k, (struct bytes){w->filter, w->filter_bytes},
                          err);
    if (code == ERR_OK)
        code = tables_put(w->txn, TABLE_ID_RUNS, k, (struct bytes){row, sizeof row}, err);
    return code;
}

static enum err_code
delete_run(struct tables_txn *txn, uint32_t run, struct err *err)
{
    uint8_t run_key[4], key[CHUNK_KEY_BYTES];
    struct bytes k = {run_key, sizeof run_key}, chunk;
    put_be32(run_key, run);
    enum err_code code = tables_delete(txn, TABLE_ID_RUNS, k, err);
    if (code == ERR_OK)
        code = tables_delete(txn, TABLE_ID_FILTERS, k, err);
    while (code == ERR_OK && tables_first_from(txn, TABLE_IDS, k, &chunk) &&
           get_be32(chunk.data) == run) {
        memcpy(key, chunk.data, sizeof key);
        code = tables_delete(txn, TABLE_IDS, (struct bytes){key, sizeof key}, err);
    }
    return code;
}

/* The runs of one class, at most IDS_RUNS_PER_CLASS; *ret_entries are in them. */
static size_t
runs_of_class(struct tables_txn *txn, unsigned class, uint32_t runs[IDS_RUNS_PER_CLASS],
              size_t *ret_entries)
{
    struct tables_scan scan;
    size_t n = 0;
    *ret_entries = 0;
    tables_scan_begin(&scan, txn, TABLE_ID_RUNS, (struct bytes){0});
    while (n < IDS_RUNS_PER_CLASS && tables_scan_next(&scan)) {
        uint64_t entries = get_le64(scan.value.data);
        if (class_of(entries) != class)
            continue;
        runs[n++] = get_be32(scan.key.data);
        *ret_entries += (size_t)entries;
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
merge_runs(struct tables_txn *txn, const uint32_t *runs, size_t count, size_t entries,
           struct err *err)
{
    struct run_reader readers[IDS_RUNS_PER_CLASS];
    struct run_writer w;
    enum err_code code = writer_begin(&w, txn, entries, err);
    if (code != ERR_OK)
        return code;
    size_t chunk_bytes = (size_t)CHUNK_ENTRIES * ENTRY_BYTES;
    uint8_t *copies = malloc(count * chunk_bytes);
    if (copies == NULL) {
        writer_clear(&w);
        return err_set(err, ERR_LIMIT, "no memory to merge runs of ids");
    }
    for (size_t i = 0; i < count; i++)
        reader_begin(&readers[i], txn, runs[i], copies + i * chunk_bytes);
    code = merge_into(&w, readers, count, err);
    for (size_t i = 0; i < count; i++)
        tables_scan_end(&readers[i].scan);
    if (code == ERR_OK)
        code = writer_end(&w, err);
    free(copies);
    writer_clear(&w);
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
    enum err_code code = writer_begin(&w, txn, count, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        assert(i == 0 || id_compare(entries[i - 1].hash, entries[i].hash) < 0);
        code = writer_put(&w, &entries[i], err);
    }
    if (code == ERR_OK)
        code = writer_end(&w, err);
    writer_clear(&w);
    for (unsigned class = 0; code == ERR_OK && class < CLASSES - 1; class ++) {
        uint32_t runs[IDS_RUNS_PER_CLASS];
        size_t merged;
        size_t n = runs_of_class(txn, class, runs, &merged);
        if (n == IDS_RUNS_PER_CLASS)
            code = merge_runs(txn, runs, n, merged, err);
    }
    return code;
}
