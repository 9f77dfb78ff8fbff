/*
 * rollup/roots.h - the job that publishes the roots of the log's closed days: to a
 * file of JSON lines, and to the table that goes to Postgres.
 *
 * Both only ever grow.  A day that is there must have the root that the log gives
 * now; anything else means that the log, or what was published, was changed.
 * The file's form: schemas/log.md, "Roots".
 */
#ifndef ROLLUP_ROOTS_H
#define ROLLUP_ROOTS_H

#include "store/base/file.h"
#include "store/log/root.h"

struct roots_options {
    const char *data_directory;
    const char *path; /* of the file; NULL: <data>/roots.jsonl */
};

struct roots_result {
    struct log_roots roots;         /* roots_result_clear() */
    char path[FILE_PATH_BYTES_MAX]; /* of the file */
    uint64_t added;                 /* days that the file did not have */
};

/*
 * Add the roots of closed days to the file and, if there are tables, to them.
 * Safe to repeat and to kill at any moment: each is changed in one step.
 *
 *   ret  filled; roots_result_clear() it, also after an error
 *
 * Errors: ERR_CORRUPT when a day has another root in the file or in the tables, or
 * is in the file and not in the log, names it and changes nothing there;
 * ERR_BUSY; ERR_INPUT for a file with lines that are no roots; those of
 * log_roots_read(), file_replace() and the tables.
 */
enum err_code roots_run(const struct roots_options *options, struct roots_result *ret,
                        struct err *err) ERR_MUST_CHECK;
void roots_result_clear(struct roots_result *result);

#endif
