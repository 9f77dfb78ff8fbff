/*
 * tests/postgres/faults.h - fail at the Nth point, N = 1, 2, 3 ...
 *
 * The linker puts these wrappers (-Wl,--wrap) between the code under test and
 * libpq, and between it and the commits of tables.mdb, so that the code itself
 * has no hook.  A point is the moment before such a call, which is also the one after
 * the call before it.
 */
#ifndef TESTS_POSTGRES_FAULTS_H
#define TESTS_POSTGRES_FAULTS_H

enum fault {
    FAULT_NONE,       /* only count the points and keep the statements */
    FAULT_KILL,       /* SIGKILL ourselves */
    FAULT_DISCONNECT, /* the network is gone */
    FAULT_FULL,       /* a commit of tables.mdb finds a full disk; only these are counted */
};

void faults_arm(enum fault fault, unsigned nth);

/* How many points were passed since faults_arm(). */
unsigned faults_passed(void);

/* The statements since faults_arm(), each ended by a newline; cut off at some length. */
const char *faults_statements(void);

#endif
