/*
 * store/base/base64.h - base64 (RFC 4648, section 4): mail bodies, secrets and
 * signatures of webhooks.
 */
#ifndef STORE_BASE_BASE64_H
#define STORE_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/bytes.h"

/* How many characters size_bytes bytes become, without the NUL. */
static inline size_t
base64_text_bytes(size_t size_bytes)
{
    return (size_bytes + 2) / 3 * 4;
}

/* Encode; text has room for base64_text_bytes() and a NUL. */
void base64_encode(struct bytes data, char *text);

/*
 * Decode text that is base64 from its first character to its last, padding included.
 *
 *   data      room for room_bytes
 *   ret_bytes written only on success
 *
 * Returns false when it is not, or does not fit.
 */
bool base64_decode(struct str text, unsigned char *data, size_t room_bytes, size_t *ret_bytes)
    __attribute__((warn_unused_result));

#endif
