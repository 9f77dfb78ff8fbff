/*
 * ingest/replay_record.h - the msgpack map of a record, built pair by pair, from
 * JSON values or from the texts of CSV cells.
 *
 * What a cell becomes follows from the field's name: the forms of schemas/event.md.
 */
#ifndef INGEST_REPLAY_RECORD_H
#define INGEST_REPLAY_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/base/err.h"

struct replay_record {
    struct buf map;
    uint32_t pairs;
    bool full; /* a pair found no room */
};

enum { REPLAY_DEFECT_BYTES_MAX = 200 };

/* Why a value cannot be sent: one line that names the field and the value. */
struct replay_defect {
    char text[REPLAY_DEFECT_BYTES_MAX];
};

/* False without memory. */
bool replay_record_init(struct replay_record *record) __attribute__((warn_unused_result));
void replay_record_clear(struct replay_record *record);

/* Start an empty map. */
void replay_record_begin(struct replay_record *record);

/* Add a pair; name must not be added twice. */
void replay_record_text(struct replay_record *record, const char *name, struct str text);
void replay_record_whole(struct replay_record *record, const char *name, uint64_t value);

/*
 * Add a pair from JSON: integers stay integers, objects and arrays are kept.
 *
 * False, and defect filled, when the value is nested deeper than an event may be.
 */
bool replay_record_json(struct replay_record *record, const char *name, const json_t *value,
                        struct replay_defect *defect) __attribute__((warn_unused_result));

/*
 * Add a pair from a CSV cell: a whole number for counts and amounts, true or false,
 * a time or a text as it is, JSON for the fields that are maps.
 *
 *   column  the cell's column, named in the defect
 *   name    a field of which replay_record_knows() is true
 *   cell    an empty one adds nothing
 *
 * False, and defect filled, when the cell is not of the field's form.
 */
bool replay_record_cell(struct replay_record *record, struct str column, const char *name,
                        struct str cell, struct replay_defect *defect)
    __attribute__((warn_unused_result));

/* The field of this name as schemas/event.md has it, or NULL. */
const char *replay_record_knows(struct str name);

/*
 * End the map.
 *
 *   ret_map  valid until the next replay_record_begin()
 *
 * False when it would have more bytes than a record may have.
 */
bool replay_record_end(struct replay_record *record, struct bytes *ret_map)
    __attribute__((warn_unused_result));

/* Digits only, at most max; false for anything else. */
bool replay_whole_parse(struct str text, uint64_t max, uint64_t *ret)
    __attribute__((warn_unused_result));

/* Say that a column's cell must be something else, the cell cut to 40 bytes; returns false. */
bool replay_defect_cell(struct replay_defect *defect, struct str column, struct str cell,
                        const char *must);

/* Set a defect; always returns false. */
bool replay_defect_set(struct replay_defect *defect, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
