/*
 * tests/faults/plan.h - which calls fail how, and a run of the subject for each.
 */
#ifndef TESTS_FAULTS_PLAN_H
#define TESTS_FAULTS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/faults/lab.h"

/*
 * One life of what is tried, with the given call to fail (number 0: none).
 *
 *   counts  gets how often each call was made, without those of the judge; may be NULL
 *
 * Returns true when all is well; else it has said on stderr what is not.
 */
typedef bool fault_try(uint64_t counts[], struct lab *lab, enum shim_call call, uint64_t number,
                       int error);

/*
 * The main() of a program "all | some [SEED] | list": all calls of all
 * kinds, a few of each, or only how many there are.  A run without a fault comes first.
 */
int fault_main(int argc, char **argv, const char *what, fault_try *attempt);

#endif
