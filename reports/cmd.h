/*
 * reports/cmd.h - the commands of this folder.
 */
#ifndef REPORTS_CMD_H
#define REPORTS_CMD_H

#include "store/base/cli.h"

extern const struct cli_cmd cmd_report_usage, cmd_report_costs, cmd_report_export,
    cmd_report_dashboard;
extern const struct cli_cmd cmd_invoice_pdf;

struct outlet; /* store/event/outlet.h */

/* What cmd_api runs, once there is an outlet for what is posted; borrowed. */
enum err_code cmd_api_serve(struct cli *cli, const struct outlet *outlet,
                            struct err *err) ERR_MUST_CHECK;

/* What cmd_key_create and cmd_key_revoke run; outlet: NULL: --unaudited (store/event/act_tell.h). */
enum err_code cmd_key_create_run(struct cli *cli, const struct outlet *outlet,
                                 struct err *err) ERR_MUST_CHECK;
enum err_code cmd_key_revoke_run(struct cli *cli, const struct outlet *outlet,
                                 struct err *err) ERR_MUST_CHECK;

extern const struct cli_cmd cmd_api, cmd_key_create, cmd_key_list, cmd_key_revoke;
extern const struct cli_cmd cmd_stripe_sign, cmd_stripe_verify;
extern const struct cli_cmd cmd_spikes_run, cmd_spikes_list, cmd_spikes_show;
extern const struct cli_cmd cmd_forecast_run, cmd_forecast_list, cmd_forecast_show;
extern const struct cli_cmd cmd_optimize_run, cmd_optimize_list, cmd_optimize_show;

#endif
