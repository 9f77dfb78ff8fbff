/*
 * ingest/cmd_agent.h - the command line of gbill-agent.
 */
#ifndef INGEST_CMD_AGENT_H
#define INGEST_CMD_AGENT_H

#include "store/base/cli.h"

extern const struct cli_cmd cmd_agent;

#endif
