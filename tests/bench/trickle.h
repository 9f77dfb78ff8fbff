/*
 * tests/bench/trickle.h - bytes that are sent one a write, and what it costs to take them.
 *
 * To the kernel each is a message of its own, which it frees one by one however many a
 * call reads.  That floor is what the agent's cost is held against.
 */
#ifndef TESTS_BENCH_TRICKLE_H
#define TESTS_BENCH_TRICKLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/base/bytes.h"

/* CPU that a process has used so far, all its threads; -1: there is no such process. */
int64_t trickle_cpu_ns(pid_t pid);

/* Who listens at the other end of a unix socket. */
pid_t trickle_peer(int fd);

/* Send all, one byte a write; false when the other side is gone. */
bool trickle_send(int fd, struct bytes b);

/*
 * The CPU of a process that only reads them, through a socket of the same kind, and
 * between two reads rests as long as the agent does.  -1: it could not be measured.
 */
int64_t trickle_bare_ns(struct bytes b);

#endif
