/*
 * store/net/anthropic.h - ask Anthropic how many tokens a text is to one of its models.
 *
 * No tokenizer of Claude 3 or later is public: the provider's own count is the only one
 * there is, free of charge, with limits of its own on how often, and called an estimate by
 * the provider (a call may be charged a few tokens more or less).  The text leaves this
 * machine.  No message holds the key, the text, or anything of an answer but its error's type.
 *
 * Source: Anthropic API reference, "Count tokens in a Message" (POST
 * /v1/messages/count_tokens), "Errors", "Versioning"; what is tried again is what its own
 * client libraries try again.
 */
#ifndef STORE_NET_ANTHROPIC_H
#define STORE_NET_ANTHROPIC_H

#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/err.h"

/* Where a command finds the options: a key on a command line is everybody's. */
#define ANTHROPIC_KEY_ENV "ANTHROPIC_API_KEY"
#define ANTHROPIC_BASE_URL_ENV "ANTHROPIC_BASE_URL"
#define ANTHROPIC_BASE_URL_DEFAULT "https://api.anthropic.com"

enum {
    ANTHROPIC_BODY_BYTES_MAX = 32000000, /* the provider's bound of a request, text escaped */
    ANTHROPIC_TRIES = 4,                 /* of one count */
    ANTHROPIC_WAIT_MS_MAX = 60000, /* for one more try: who is asked to wait longer gives up */
};

struct anthropic; /* a connection that may be used again; of one thread, as struct net */

/*
 * Make ready to ask; sends nothing.
 *
 *   key       the API key, copied; printable ASCII without spaces
 *   base_url  https://host, at any address, or http://127.0.0.1:port; a path is kept, "/v1/…"
 *             is appended; NULL or empty: Anthropic's own
 *   ret       anthropic_close() it
 *
 * Errors: ERR_CONFIG the key or the URL is not as above; ERR_LIMIT out of memory.
 */
enum err_code anthropic_open(const char *key, const char *base_url, struct anthropic **ret,
                             struct err *err) ERR_MUST_CHECK;
void anthropic_close(struct anthropic *api); /* NULL is fine */

/*
 * Count the input tokens of one message of the role user that holds text and nothing else.
 * The few tokens by which the provider frames a message are in the count.
 *
 *   model  borrowed, the id that a call would name
 *   text   borrowed, UTF-8, not empty
 *   ret    filled on success
 *
 * Takes a minute or two at most: a request is given 20 seconds, and one that failed for a
 * reason that may pass (no answer, 408, 409, 429, 5xx) is sent again after a rest, up to
 * ANTHROPIC_TRIES times in all.  Safe to repeat: a count changes nothing.
 *
 * Errors:
 *   ERR_DENIED     the key is not accepted (401, 403), or the URL may not be sent to
 *   ERR_NOT_FOUND  the model is unknown to the provider (404)
 *   ERR_INPUT      the text is empty or no UTF-8; the provider refuses the request (other 4xx)
 *   ERR_LIMIT      the request is longer than ANTHROPIC_BODY_BYTES_MAX; out of memory
 *   ERR_PEER       the tries are used up, or a longer rest is asked for; the answer is no count
 */
enum err_code anthropic_count_tokens(struct anthropic *api, const char *model, struct str text,
                                     int64_t *ret_tokens, struct err *err) ERR_MUST_CHECK;

/*
 * How long to rest before another try: half a second, doubled for each try made, at most
 * eight; up to a quarter less by chance; never less than the answer's Retry-After.
 *
 *   tries          made so far, 1 or more
 *   retry_after_s  0: the answer did not say
 *   chance         any number
 *
 * Returns milliseconds; above ANTHROPIC_WAIT_MS_MAX: give up.
 */
int64_t anthropic_wait_ms(unsigned tries, int64_t retry_after_s, uint64_t chance);

#endif
