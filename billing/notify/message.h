/*
 * billing/notify/message.h - an alert in words: as a mail, for Slack, as JSON for a
 * webhook.  The same alert always gives the same bytes.
 *
 * Foreign text (names of organizations and thresholds) can break out of nothing: not
 * of a header, nor of HTML, JSON or Slack's markup.
 *
 * Sources: RFC 5322, 2045 to 2047 (mail); api.slack.com, "Formatting text"; the JSON
 * is in schemas/notify.md.
 */
#ifndef BILLING_NOTIFY_MESSAGE_H
#define BILLING_NOTIFY_MESSAGE_H

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/tables/alert.h"

enum { MESSAGE_TITLE_BYTES = 320, MESSAGE_BYTES_MAX = 64 * 1024 };

/*
 * One line: "acme: 80 % of the budget of 2026-11 reached: 84.10 of 100.00 USD".
 *
 *   organization  its id
 */
void message_title(struct str organization, const struct alert *alert,
                   char title[MESSAGE_TITLE_BYTES]);

/*
 * The bodies, appended to out.  ERR_LIMIT: out is full or there is no memory.
 *
 *   key  under which copies are told apart; it also names the mail
 */
enum err_code message_webhook(struct str organization, const struct alert *alert, struct buf *out,
                              struct err *err) ERR_MUST_CHECK;
enum err_code message_slack(struct str organization, const struct alert *alert, struct buf *out,
                            struct err *err) ERR_MUST_CHECK;

struct message_mail {
    const char *from, *from_name, *to; /* checked addresses; from_name may be NULL */
    const char *key;
};

enum err_code message_mail(struct str organization, const struct alert *alert,
                           const struct message_mail *mail, struct buf *out,
                           struct err *err) ERR_MUST_CHECK;

#endif
