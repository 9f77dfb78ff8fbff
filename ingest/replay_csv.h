/*
 * ingest/replay_csv.h - one CSV record taken apart into its cells, by RFC 4180.
 */
#ifndef INGEST_REPLAY_CSV_H
#define INGEST_REPLAY_CSV_H

#include <stdbool.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"

enum { REPLAY_CSV_CELLS_MAX = 256 };

struct replay_csv {
    struct buf text; /* the cells' bytes, unquoted */
    size_t count;
    struct str cells[REPLAY_CSV_CELLS_MAX]; /* point into text */
};

/* record_bytes_max: a record may have so many; false without memory. */
bool replay_csv_init(struct replay_csv *csv, size_t record_bytes_max)
    __attribute__((warn_unused_result));
void replay_csv_clear(struct replay_csv *csv);

/*
 * Split a record.
 *
 *   record  borrowed; without its line end; not changed
 *
 * Returns NULL, or why it is no CSV (a fixed text); the cells are then undefined.
 * They are valid until the next call.
 */
const char *replay_csv_split(struct replay_csv *csv, struct bytes record)
    __attribute__((warn_unused_result));

#endif
