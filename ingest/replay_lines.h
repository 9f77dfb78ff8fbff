/*
 * ingest/replay_lines.h - a file cut into lines, or into CSV records, which may
 * span lines; numbered, and bounded in length.
 *
 * A line ends with LF or CR LF, the last one perhaps with nothing.  A byte order
 * mark at the beginning is stepped over.  Source of the CSV rule: RFC 4180.
 */
#ifndef INGEST_REPLAY_LINES_H
#define INGEST_REPLAY_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/base/err.h"

enum { REPLAY_LINE_BYTES_MAX = 1024 * 1024 };

struct replay_lines {
    const char *name; /* for messages */
    int fd;
    bool owns_fd;
    bool is_csv; /* a quoted field may hold line ends */
    bool ended;  /* the file is read to its end */
    struct buf text;
    size_t at;        /* where the next line begins in text */
    size_t resume_at; /* behind the first line end of the record given last */
    uint64_t line;    /* the number of the line at "at", from 1 */
    uint64_t resume_line;
};

struct replay_line {
    bool end;           /* there is no further line; nothing else is set */
    uint64_t line;      /* where it begins */
    struct bytes text;  /* without its line end; until the next call */
    const char *defect; /* NULL, or why it cannot be used: a fixed text */
};

/*
 * Open a file.
 *
 *   path  borrowed until replay_lines_close(); "-" is standard input
 *
 * Errors: ERR_NOT_FOUND, ERR_DENIED, ERR_IO (also without memory); ERR_INPUT for a
 * directory.  replay_lines_close() also after an error.
 */
enum err_code replay_lines_open(struct replay_lines *lines, const char *path, bool is_csv,
                                struct err *err) ERR_MUST_CHECK;
void replay_lines_close(struct replay_lines *lines);

/*
 * Read the next line or record.
 *
 * A line that is too long, or a quote that is never closed, is a defect; the next
 * call goes on at the line behind the one where the record began, so that one
 * stray quote does not swallow the file.
 *
 * Errors: ERR_IO.
 */
enum err_code replay_lines_next(struct replay_lines *lines, struct replay_line *ret,
                                struct err *err) ERR_MUST_CHECK;

/* The record given last is no CSV: go on at the line behind its first line. */
void replay_lines_resume(struct replay_lines *lines);

#endif
