/*
 * billing/notify/mime.h - one mail as bytes: a text and the same in HTML.
 *
 * Source: RFC 5322 (headers), RFC 2045 and 2046 (parts, base64), RFC 2047 (encoded
 * words in headers), RFC 3834 (Auto-Submitted).
 */
#ifndef BILLING_NOTIFY_MIME_H
#define BILLING_NOTIFY_MIME_H

#include "store/base/buf.h"
#include "store/base/bytes.h"

struct mime_mail {
    const char *from, *to;    /* bare addresses, ASCII, checked by the caller */
    const char *from_name;    /* UTF-8; NULL: none */
    const char *subject;      /* UTF-8, any bytes: what would break the line becomes a space */
    const char *id;           /* letters, digits, _: with the sender's domain the Message-ID */
    int64_t at_ms;            /* Date, UTC */
    struct bytes plain, html; /* UTF-8 */
};

/* Append the mail; its lines end in CR LF.  False when out is full or out of memory. */
bool mime_put(const struct mime_mail *mail, struct buf *out) __attribute__((warn_unused_result));

#endif
