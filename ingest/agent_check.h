/*
 * ingest/agent_check.h - where the agent's socket lies, by its options.
 */
#ifndef INGEST_AGENT_CHECK_H
#define INGEST_AGENT_CHECK_H

#include "ingest/agent.h"
#include "store/base/file.h"

/* Errors: ERR_LIMIT when it is too long for a socket. */
enum err_code agent_socket_path(const struct agent_options *options, char path[FILE_PATH_BYTES_MAX],
                                struct err *err) ERR_MUST_CHECK;

#endif
