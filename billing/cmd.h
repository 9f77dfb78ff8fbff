/*
 * billing/cmd.h - the commands of this folder.
 */
#ifndef BILLING_CMD_H
#define BILLING_CMD_H

#include "store/base/cli.h"

extern const struct cli_cmd cmd_plans_check, cmd_plans_show, cmd_plans_rate;
extern const struct cli_cmd cmd_limits;
extern const struct cli_cmd cmd_budgets, cmd_budgets_list, cmd_budgets_show;
extern const struct cli_cmd cmd_notify, cmd_outbox_list, cmd_outbox_show, cmd_outbox_retry;
extern const struct cli_cmd cmd_chargeback, cmd_chargeback_run;
extern const struct cli_cmd cmd_invoice_run, cmd_invoice_list, cmd_invoice_show, cmd_invoice_verify;
extern const struct cli_cmd cmd_stripe_sync, cmd_stripe_portal, cmd_stripe_checkout;
extern const struct cli_cmd cmd_stripe_status, cmd_stripe_events, cmd_stripe_reconcile;

#endif
