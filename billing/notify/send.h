/*
 * billing/notify/send.h - one attempt to deliver one message to one destination.
 */
#ifndef BILLING_NOTIFY_SEND_H
#define BILLING_NOTIFY_SEND_H

#include "billing/notify/message.h"
#include "billing/notify/notify_conf.h"
#include "store/net/net.h"

struct send {
    const struct notify_conf *conf;
    struct net *net;
    const struct message_about *about;
    const struct notify_destination *destination;
    const char *key;
    int64_t now_ms; /* of a webhook's signature */
};

enum { SEND_SAYS_BYTES = 200 };

struct send_outcome {
    bool delivered;
    bool gone;                  /* the receiver says: never again (HTTP 410) */
    int64_t retry_after_s;      /* 0: it does not say */
    char says[SEND_SAYS_BYTES]; /* in words, without secrets: "204", "hooks.example.com: …" */
};

/*
 * Try it.  A failure of the receiver or the network is an outcome.
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code send_message(const struct send *send, struct send_outcome *ret,
                           struct err *err) ERR_MUST_CHECK;

/*
 * The value of the header webhook-signature: "v1,BASE64" for each secret, by blanks.
 *
 *   text  appended
 *
 * Source: Standard Webhooks 1.0, "Signature scheme": HMAC-SHA256 of "id.timestamp.body".
 */
enum err_code send_sign(const struct notify_destination *destination, const char *id,
                        int64_t timestamp_s, struct bytes body, struct buf *text,
                        struct err *err) ERR_MUST_CHECK;

#endif
