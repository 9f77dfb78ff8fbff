/*
 * rollup/cmd.h - the commands of this folder.
 */
#ifndef ROLLUP_CMD_H
#define ROLLUP_CMD_H

#include "store/base/cli.h"
#include "store/base/print.h"

extern const struct cli_cmd cmd_rollup, cmd_audit;
extern const struct cli_cmd cmd_tokens_learn, cmd_tokens_ratios, cmd_tokens_estimate;
extern const struct cli_cmd cmd_prices_check, cmd_prices_show, cmd_prices_diff, cmd_prices_import;
extern const struct cli_cmd cmd_tokens_count, cmd_tokens_encode, cmd_tokens_decode,
    cmd_tokens_encodings, cmd_tokens_compile;

/* cmd_tokens.c: a cell that shows 137 per mille as 13.7. */
void cmd_tokens_print_percent(struct print *p, int64_t per_mille);

/* cmd_reprice.c: what cmd_rollup does with --reprice; refuse its options without it. */
enum err_code cmd_reprice_run(struct cli *cli, struct err *err) ERR_MUST_CHECK;
enum err_code cmd_reprice_none(const struct conf *conf, struct err *err) ERR_MUST_CHECK;

#endif
