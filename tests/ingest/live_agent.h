/*
 * tests/ingest/live_agent.h - an agent as a process of its own, with a data
 * directory that lives as long as one test.
 */
#ifndef TESTS_INGEST_LIVE_AGENT_H
#define TESTS_INGEST_LIVE_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "ingest/agent.h"
#include "store/base/bytes.h"
#include "store/log/writer.h"
#include "tests/ingest/wire.h"

extern char live_data[96], live_sock[128], live_errors[96]; /* paths; the last is its stderr */
extern pid_t live_pid;
extern rlim_t live_file_limit;            /* of the next agent; 0: as it is */
extern struct agent_options live_options; /* of the next agent; data and clock are set */

/* Add to the clock of every agent, also of one that runs. */
void live_shift_clock(int64_t by_ms);

/* .init and .fini of a suite. */
void live_setup(void);
void live_teardown(void);

void live_start_agent(void);

/* Signal it and wait: its exit status, or 1000 + the signal that killed it. */
int live_end_agent(int signal_number);

/* Connect; waits until it listens. */
int live_dial(void);
int live_dial_tcp(void); /* to where it says that it listens */
void live_say(int fd, struct bytes b);

/* Read exactly what is wanted, within ten seconds. */
void live_hear(int fd, const struct wire *want);
void live_hear_ack(int fd, const char *chunk);

/* Does the agent close it, having said nothing, within ten seconds? */
bool live_is_closed(int fd);

/* Wait until its stderr has this text, ten seconds at most. */
void live_wait_for(const char *text);

/* CPU it has used so far. */
int64_t live_cpu_ms(void);

/* One usage event of now; id NULL: an invalid one. */
void live_send_one(int fd, const char *id, const char *chunk);
int64_t live_now_s(void);

/* Events in a stream of the log; the last one's id, or reason, goes to last. */
uint64_t live_count_log(enum log_stream stream, char last[256]);

/* Has its stderr this text? */
bool live_errors_say(const char *text);

#endif
