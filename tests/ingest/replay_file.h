/*
 * tests/ingest/replay_file.h - a temporary file of events, and what the replay
 * makes of it.  One file at a time; every function fails the test by itself.
 */
#ifndef TESTS_INGEST_REPLAY_FILE_H
#define TESTS_INGEST_REPLAY_FILE_H

#include "ingest/replay.h"

extern char replay_file_path[64];
extern struct err err; /* of the last call */

void replay_file_write_bytes(const char *text, size_t size_bytes);
void replay_file_write(const char *text);
void replay_file_remove(void); /* nothing is there: does nothing */

/* Write text and open it. */
struct replay *replay_file_open(const char *text, const struct replay_options *options);

/* The next event, which must be there and good. */
struct replay_event replay_file_next(struct replay *replay);

/* The next line is malformed: the error has both texts in it. */
void replay_file_expect_bad(struct replay *replay, const char *line, const char *says);

/* There is no further line; closes it. */
void replay_file_expect_end(struct replay *replay);

/* The record's value under a key, as text for comparing; "" if absent.  Until the next call. */
const char *replay_file_field(struct bytes record, const char *name);

#endif
