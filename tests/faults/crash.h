/*
 * tests/faults/crash.h - what a power cut leaves of a traced run.
 *
 * A disk keeps what was flushed.  Of what was written since, it may have kept any
 * sector of 512 bytes in any of its versions, in any order; a file's size is one of
 * those it had since its flush; names made since their directory's flush are there up
 * to some point.  A write that was under way at the cut is one of these, also one with
 * O_DSYNC: its flush comes behind it.  Zeros stand where a file grew and no sector came.
 */
#ifndef TESTS_FAULTS_CRASH_H
#define TESTS_FAULTS_CRASH_H

#include "tests/faults/trace.h"

/*
 * Cut the power at a place, and leave a choice of what was not flushed, that both
 * follow from the seed, and write the files and directories that are left below
 * directory, an absolute path of an empty directory.
 *
 *   ret_cut  the number of trace operations before the cut
 *
 * Returns the last mark before the cut; 0: none.
 */
uint64_t crash_write(const struct trace *trace, uint64_t seed, const char *directory,
                     size_t *ret_cut);

#endif
