/*
 * store/cmd.h - the commands that look at the log.
 */
#ifndef STORE_CMD_H
#define STORE_CMD_H

#include "store/base/cli.h"

struct outlet; /* store/event/outlet.h */

/* What cmd_log_prune runs; outlet: NULL: --unaudited (store/event/act_tell.h). */
enum err_code cmd_log_prune_run(struct cli *cli, const struct outlet *outlet,
                                struct err *err) ERR_MUST_CHECK;

extern const struct cli_cmd cmd_log_stat, cmd_log_cat, cmd_log_verify, cmd_log_probe;
extern const struct cli_cmd cmd_log_seal, cmd_log_backup, cmd_log_restore, cmd_log_prune;
extern const struct cli_cmd cmd_quarantine_list, cmd_quarantine_show;

#endif
