/*
 * tests/bench/check_client.h - questions about limits as an application asks them, through
 * libgbill: checks, which it answers from the agent's board, and reservations.
 */
#ifndef TESTS_BENCH_CHECK_CLIENT_H
#define TESTS_BENCH_CHECK_CLIENT_H

#include <stddef.h>
#include <stdint.h>

void check_client_open(const char *socket_path);
void check_client_close(void);

/*
 * Ask so many a second, one thread: what a call took, and what it would have waited for
 * the calls before it, had each come when it was due (not when the machine woke us up).
 */
void check_client_checks(unsigned a_second, size_t count, int64_t *ret_ns);
void check_client_reserves(unsigned a_second, size_t count, int64_t *ret_ns);

/* Checks that the agent has been asked so far, over its socket. */
uint64_t check_client_asked(void);

#endif
