/*
 * tests/bench/child.h - run a program and say what it took: the shipped program
 * is measured, from its start to its end.
 */
#ifndef TESTS_BENCH_CHILD_H
#define TESTS_BENCH_CHILD_H

struct child_cost {
    double wall_s;
    double cpu_s;       /* user and system, all its threads */
    long anonymous_kib; /* the most it held itself; pages of mapped files are the kernel's */
};

/*
 * Run argv (NULL at its end, argv[0] a path) with its standard output discarded.
 * Ends this program when that one cannot be run or fails.
 */
struct child_cost child_run(const char *const argv[]);

/* "gbill rollup --data DIRECTORY --prices BOOK". */
struct child_cost child_rollup(const char *gbill, const char *directory, const char *book);

#endif
