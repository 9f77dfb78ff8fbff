/*
 * tests/ingest/disk_faults.h - stands between the client and the disk (ld --wrap):
 * pwrite(), fdatasync() and ftruncate() fail when they are told to.
 */
#ifndef TESTS_INGEST_DISK_FAULTS_H
#define TESTS_INGEST_DISK_FAULTS_H

#include <stdatomic.h>
#include <stdbool.h>

/* The call that fails, 1 being the next; 0: none.  Then all do until it is set anew. */
extern _Atomic int fault_at;
extern _Atomic int fault_errno;
extern _Atomic bool fault_spares_ftruncate;
extern _Atomic int fault_count; /* calls so far that failed */

/* fdatasync() sets the first and then waits as long as the second is set. */
extern _Atomic bool fault_in_sync, fault_holds_sync;

#endif
