/*
 * tests/faults/trace.h - a record of everything that a program does to the files
 * below one directory: writes, flushes, new names.  crash.h makes of it what a
 * power cut would have left.
 *
 * trace.c stands before open(), pwrite(), writev(), write(), fdatasync(), fsync(),
 * ftruncate(), fallocate(), mkdir(), rename(), link(), unlink() of the program it is
 * linked into, shared libraries included: LMDB's writes too.  Each is done first and
 * recorded if it succeeded.  Writes through a shared map are not seen;
 * LMDB makes none to the data file without MDB_WRITEMAP, and its lock file is not data.
 */
#ifndef TESTS_FAULTS_TRACE_H
#define TESTS_FAULTS_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_kind {
    TRACE_WRITE,       /* bytes at a place of a file */
    TRACE_FLUSH_RANGE, /* O_DSYNC: the write before it is durable */
    TRACE_FLUSH,       /* fdatasync, fsync: the file is durable */
    TRACE_SIZE,        /* ftruncate, fallocate: a new size */
    TRACE_MAKE,        /* a new file under a name */
    TRACE_MAKE_DIRECTORY,
    TRACE_RENAME, /* name -> other */
    TRACE_LINK,   /* name -> other, both stay */
    TRACE_REMOVE,
    TRACE_FLUSH_NAMES, /* fsync of the directory `name` */
    TRACE_MARK,        /* trace_mark() */
};

enum { TRACE_NAME_BYTES_MAX = 96, TRACE_SECTOR_BYTES = 512 };

#define TRACE_ZEROS SIZE_MAX

struct trace_op {
    enum trace_kind kind;
    uint32_t file;           /* number of an inode */
    uint64_t at, size_bytes; /* of a write; TRACE_SIZE: the size */
    size_t data_at;          /* of a write, in trace.data; TRACE_ZEROS: whole sectors of zeros */
    uint64_t mark;
    char name[TRACE_NAME_BYTES_MAX], other[TRACE_NAME_BYTES_MAX]; /* below the root */
};

struct trace {
    struct trace_op *ops;
    size_t count, room;
    uint8_t *data;
    size_t data_bytes, data_room;
    uint32_t files;
};

/* Ways to forget what keeps data safe, to see that the judge notices. */
enum trace_blind {
    TRACE_SEES_ALL,
    TRACE_NO_FLUSHES,      /* as if no write were ever flushed: MDB_NOSYNC */
    TRACE_NO_META_FLUSHES, /* as if O_DSYNC were not asked for: MDB_NOMETASYNC */
    TRACE_NO_NAME_FLUSHES, /* as if no directory were ever flushed */
};

/*
 * Record from now on what happens below root, an absolute path without "/" at its
 * end; it is there and empty.  One record at a time.  trace_end() stops it.
 */
void trace_begin(struct trace *trace, const char *root, enum trace_blind blind);
void trace_end(void);
void trace_clear(struct trace *trace); /* free */

/* Note that something was promised: what is before this in the trace must keep it. */
void trace_mark(uint64_t value);

#endif
