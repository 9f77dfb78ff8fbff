/*
 * ingest/agent.h - the agent: a socket in front, the log behind.
 *
 * One thread reads, checks and answers; another commits (ingest/commit.h).  An
 * ack goes out after its event's flush and never before.  What is promised, and
 * how it fails, is in ingest/DESIGN.md.
 */
#ifndef INGEST_AGENT_H
#define INGEST_AGENT_H

#include "ingest/gate.h"
#include "store/base/clock.h"
#include "store/base/err.h"

struct agent_options {
    const char *data;   /* the data directory */
    const char *socket; /* NULL: <data>/agent.sock */
    const char *status; /* its second socket, for figures; NULL: <data>/status.sock */
    const char *peers;  /* file of peer rules; NULL: none */
    struct gate_options gate;
    bool collect;        /* store what other hosts ship, in <data>/hosts */
    int64_t deadline_ms; /* for a message or handshake that is begun; 0: CLIENTS_DEADLINE_MS */
    struct clock clock;
};

/* Check the options and what they name, and change nothing. */
enum err_code agent_check(const struct agent_options *options, struct err *err) ERR_MUST_CHECK;

/*
 * Run until SIGTERM or SIGINT, which drain: what came whole is committed and
 * acked.  Blocks these signals in the calling thread, ignores SIGPIPE and SIGXFSZ, raises the
 * limit of open files; one run per process.  Logs to stderr, and tells a service
 * manager that it is ready, alive and stopping (store/base/notify.h).
 *
 * Errors: ERR_BUSY when another agent has the data directory or the socket; what
 * opening the log and the socket says; ERR_FULL when told to stop while the disk
 * is full (what was not acked is not stored); ERR_IO after a failed flush, also of the
 * last, which moves what is acked already out of the log's tail.
 */
enum err_code agent_run(const struct agent_options *options, struct err *err) ERR_MUST_CHECK;

#endif
