/*
 * billing/notify/message.h - an alert or a spike in words: as a mail, for Slack, as JSON
 * for a webhook.  The same row always gives the same bytes.
 *
 * Foreign text (names of organizations, thresholds, users and models) can break out of nothing: not
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
#include "store/tables/spike.h"

enum { MESSAGE_TITLE_BYTES = 320, MESSAGE_BYTES_MAX = 64 * 1024 };

/* What a message tells of; all borrowed. */
struct message_about {
    struct str organization;   /* its id */
    const struct alert *alert; /* NULL: of a spike */
    const struct spike *spike;
    struct str id;              /* of the alert or the spike */
    struct str provider, value; /* of the spike's subject; empty as there */
};

/*
 * One line: "acme: 80 % of the budget of 2026-11 reached: 84.10 of 100.00 USD",
 * "acme: usage spike: user u7 spent 200.00 USD from …".
 */
void message_title(const struct message_about *about, char title[MESSAGE_TITLE_BYTES]);

/*
 * The bodies, appended to out.  ERR_LIMIT: out is full or there is no memory.
 *
 *   key  under which copies are told apart; it also names the mail
 */
enum err_code message_webhook(const struct message_about *about, struct buf *out,
                              struct err *err) ERR_MUST_CHECK;
enum err_code message_slack(const struct message_about *about, struct buf *out,
                            struct err *err) ERR_MUST_CHECK;

struct message_mail {
    const char *from, *from_name, *to; /* checked addresses; from_name may be NULL */
    const char *key;
};

enum err_code message_mail(const struct message_about *about, const struct message_mail *mail,
                           struct buf *out, struct err *err) ERR_MUST_CHECK;

#endif
