/*
 * store/tokens/tokens.h - how many tokens is this text, and which?
 *
 * The same numbers as OpenAI's tiktoken gives (tests/e2e/tiktoken.sh holds them against it).  Bytes that
 * are no UTF-8 count as U+FFFD, one for each maximal part of a character (WHATWG, "UTF-8 decode"), which
 * is what such a text becomes before it reaches a provider.
 *
 * Threads: any number share an encoding; a struct tokens_work belongs to one.
 */
#ifndef STORE_TOKENS_TOKENS_H
#define STORE_TOKENS_TOKENS_H

#include "store/base/buf.h"
#include "store/base/list.h"
#include "store/tokens/encodings.h"

enum { TOKENS_TEXT_BYTES_MAX = 1 << 30 };

/* What a special token's text ("<|endoftext|>") is, where it stands in a text. */
enum tokens_special {
    TOKENS_SPECIAL_TEXT,   /* text as any other: what a user wrote */
    TOKENS_SPECIAL_REFUSE, /* an error */
    TOKENS_SPECIAL_ALLOW,  /* the special token */
};

/* Memory that is used from call to call. */
struct tokens_work {
    struct buf repaired; /* a text that was no UTF-8 */
    struct buf stack;    /* of a long piece */
};

void tokens_work_init(struct tokens_work *work); /* allocates nothing */
void tokens_work_clear(struct tokens_work *work);

/*
 * Count the tokens of a text.
 *
 *   text       borrowed, any bytes, size_bytes <= TOKENS_TEXT_BYTES_MAX
 *   ret_count  written on success
 *
 * Errors: ERR_LIMIT for a text that is too long, or no memory; ERR_INPUT for a special token that is
 * refused (it and its place are named).
 */
enum err_code tokens_count(const struct encoding *encoding, struct tokens_work *work,
                           struct bytes text, enum tokens_special special, uint64_t *ret_count,
                           struct err *err) ERR_MUST_CHECK;

/*
 * Encode a text: its tokens' ids are appended to ids, a list of uint32_t.
 *
 * Errors as tokens_count(); some ids may have been appended then.
 */
enum err_code tokens_encode(const struct encoding *encoding, struct tokens_work *work,
                            struct bytes text, enum tokens_special special, struct list *ids,
                            struct err *err) ERR_MUST_CHECK;

/*
 * Decode: append the bytes of tokens to text.  They may begin or end within a character.
 *
 * Errors: ERR_INPUT for an id that is no token (named); ERR_LIMIT when text is full.
 */
enum err_code tokens_decode(const struct encoding *encoding, const uint32_t *ids, size_t count,
                            struct buf *text, struct err *err) ERR_MUST_CHECK;

/* One message of a chat; name is empty if it has none. */
struct tokens_message {
    struct str role, name, content;
};

/*
 * Count what one message of a chat is to a model: its texts, and what the model's format puts around
 * them (schemas/encodings.json).  A chat is the sum of its messages and model->per_reply.  Tools, images
 * and files do not count here: their form is not public.
 *
 *   encoding  the model's
 *
 * Errors as tokens_count().
 */
enum err_code tokens_count_message(const struct encodings_model *model,
                                   const struct encoding *encoding, struct tokens_work *work,
                                   const struct tokens_message *message, uint64_t *ret_count,
                                   struct err *err) ERR_MUST_CHECK;

#endif
