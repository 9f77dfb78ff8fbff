/*
 * rollup/cmd.h - the commands of this folder.
 */
#ifndef ROLLUP_CMD_H
#define ROLLUP_CMD_H

#include "store/base/cli.h"

extern const struct cli_cmd cmd_rollup;
extern const struct cli_cmd cmd_prices_check, cmd_prices_show;

#endif
