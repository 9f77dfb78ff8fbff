/*
 * ingest/cmd.h - the commands of gbill that this folder offers.
 */
#ifndef INGEST_CMD_H
#define INGEST_CMD_H

#include "store/base/cli.h"

/* gbill send: replay files of events into the agent's socket. */
struct outlet; /* store/event/outlet.h */

/* What cmd_quarantine_redrive runs. */
enum err_code cmd_redrive_run(struct cli *cli, const struct outlet *outlet,
                              struct err *err) ERR_MUST_CHECK;

extern const struct cli_cmd cmd_send;

/* gbill ship: this host's log to a collector. */
extern const struct cli_cmd cmd_ship;

/* gbill check: ask the agent whether an organization may do something. */
extern const struct cli_cmd cmd_check;

/* gbill status: how agent, log, disk and jobs are. */
extern const struct cli_cmd cmd_status;

/* gbill quarantine redrive: send what passes now as what it was. */
extern const struct cli_cmd cmd_quarantine_redrive;

#endif
