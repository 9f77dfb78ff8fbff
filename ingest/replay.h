/*
 * ingest/replay.h - a file of events, read one event at a time.
 *
 * Formats: JSON lines (one object a line, the record as it is; a key "kind" names
 * the kind of the event), CSV with a header row (columns named like fields, or
 * mapped to them), and the Azure LLM traces (replay_azure.h).
 *
 * Every event has an id that depends on nothing but the seed, the line's number and
 * the line's bytes (without its line end): the first 32 hexadecimal digits of
 * SHA-256("<seed>:<line number>:" + line).  A record that brings an "id" keeps it.
 * So a file sent twice is the same events, and a file of which one line was mended
 * in place differs in that one event.
 */
#ifndef INGEST_REPLAY_H
#define INGEST_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/err.h"
#include "store/event/event.h"

enum replay_format { REPLAY_JSONL, REPLAY_CSV, REPLAY_AZURE };

/* By how many days an Azure trace is moved; one for all files of a run. */
struct replay_shift {
    bool known;
    int64_t days;
    int64_t start_day; /* not known: what the day of the first row becomes */
};

struct replay_options {
    enum replay_format format;
    enum event_kind kind; /* unless a line says otherwise */
    const char *map;      /* CSV: "FIELD=COLUMN,..." or NULL; borrowed */
    uint64_t seed;
    int64_t now_utc_ms;         /* the time of events that have none */
    struct replay_shift *shift; /* Azure: borrowed; set when the first row is read */
};

struct replay_event {
    bool end; /* there are no more; nothing else is set */
    enum event_kind kind;
    uint64_t line;
    int64_t utc_ms;
    struct bytes record; /* valid until the next call */
};

struct replay; /* an open file */

/* "jsonl", "csv", "azure-llm"; false for another word. */
bool replay_format_find(struct str name, enum replay_format *ret)
    __attribute__((warn_unused_result));

/* By the end of the name: .jsonl, .ndjson, .csv; false for another. */
bool replay_format_of_path(const char *path, enum replay_format *ret)
    __attribute__((warn_unused_result));

/*
 * Open a file and read its header row, if its format has one.
 *
 *   ret_replay  taken by the caller: replay_close(); NULL on failure
 *   path        borrowed until then; "-" is standard input
 *   options     borrowed until then
 *
 * Errors: ERR_NOT_FOUND, ERR_DENIED, ERR_IO for the file; ERR_INPUT for its header;
 * ERR_USAGE for a map that names an unknown field or a column that is not there.
 */
enum err_code replay_open(struct replay **ret_replay, const char *path,
                          const struct replay_options *options, struct err *err) ERR_MUST_CHECK;
void replay_close(struct replay *replay); /* NULL is allowed */

/*
 * Read the next event.  Empty lines are stepped over.
 *
 * Errors:
 *   ERR_INPUT  this line is malformed; file, line and value are named.  The next
 *              call reads the line after it
 *   ERR_IO     the file cannot be read on
 */
enum err_code replay_next(struct replay *replay, struct replay_event *ret,
                          struct err *err) ERR_MUST_CHECK;

/* The file, as messages name it. */
const char *replay_name(const struct replay *replay);

/*
 * The columns of a CSV file that no field takes, "a, b"; "" if there are none.
 * Cut where it is long.
 */
const char *replay_unused_columns(const struct replay *replay);

#endif
