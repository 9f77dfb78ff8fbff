/*
 * gbill_tokens.h - libgbill: how many tokens is this text to a model?
 *
 *     gbill_tokens_open(&tokens, NULL, &err);                        once
 *     gbill_tokens_count(tokens, "gpt-4o", text, bytes, GBILL_SPECIAL_TEXT, &n, &err);
 *
 * The numbers are OpenAI's own (tiktoken's), for all models whose tokenizer is public; for others, such
 * as Claude, the calls fail with GBILL_NOT_FOUND.  A text of n bytes is never more than n tokens there
 * either.  Bytes that are no UTF-8 count as U+FFFD, as they do once they are in a request.
 *
 * Threads and forks: any number of callers share one struct gbill_tokens, which is a file mapped
 * read-only, and any number of processes its memory.  Counting takes time and memory in proportion to the
 * text, whatever the text.
 */
#ifndef GBILL_TOKENS_H
#define GBILL_TOKENS_H

#include "gbill.h"

#ifdef __cplusplus
extern "C" {
#endif

struct gbill_tokens;

enum { GBILL_TOKENS_TEXT_BYTES_MAX = 1 << 30 };

/* What a special token's text ("<|endoftext|>") is, where it stands in a text. */
enum gbill_special {
    GBILL_SPECIAL_TEXT,   /* text as any other: what users wrote */
    GBILL_SPECIAL_REFUSE, /* GBILL_INPUT */
    GBILL_SPECIAL_ALLOW   /* the special token */
};

/* One message of a chat.  Texts are borrowed during the call. */
struct gbill_message {
    const char *role;    /* needed */
    const char *content; /* NULL: none */
    const char *name;    /* NULL: none */
};

/*
 * Open the encodings file, which gbill tokens compile makes and an installation brings.
 *
 *   path  NULL: the installation's own, or GBILL_ENCODINGS in the environment
 *
 * Errors: GBILL_NOT_FOUND, GBILL_DENIED, GBILL_IO for the file; GBILL_CORRUPT when it is none, is damaged
 * or of another version.
 */
GBILL_API enum gbill_code gbill_tokens_open(struct gbill_tokens **ret_tokens, const char *path,
                                            struct gbill_err *err) GBILL_MUST_CHECK;

/* NULL does nothing.  No call may be under way. */
GBILL_API void gbill_tokens_close(struct gbill_tokens *tokens);

/*
 * Count the tokens of a text.
 *
 *   model      as the provider names it ("gpt-4o-2024-08-06"), or an encoding ("o200k_base")
 *   text       any bytes; NULL if size_bytes is 0
 *   ret_count  filled with GBILL_OK only
 *
 * Errors: GBILL_NOT_FOUND when the model's tokenizer is not public; GBILL_LIMIT over
 * GBILL_TOKENS_TEXT_BYTES_MAX, or no memory; GBILL_INPUT for a special token that is refused (it and its
 * place are named); GBILL_CORRUPT the encodings file is damaged there.
 */
GBILL_API enum gbill_code gbill_tokens_count(struct gbill_tokens *tokens, const char *model,
                                             const char *text, size_t size_bytes,
                                             enum gbill_special special, uint64_t *ret_count,
                                             struct gbill_err *err) GBILL_MUST_CHECK;

/*
 * Count a chat: its messages, and what the model's format puts around them and before its answer.
 * Tools, images and files do not count here.
 *
 * Errors as gbill_tokens_count(); GBILL_NOT_FOUND also for a model that does not chat; GBILL_INPUT for a
 * message without role.
 */
GBILL_API enum gbill_code gbill_tokens_count_chat(struct gbill_tokens *tokens, const char *model,
                                                  const struct gbill_message *messages,
                                                  size_t message_count, uint64_t *ret_count,
                                                  struct gbill_err *err) GBILL_MUST_CHECK;

/*
 * Encode a text.
 *
 *   ids        room for id_room ids; filled with the first of them.  A text of n bytes that is UTF-8
 *              has at most n
 *   ret_count  how many the text has, also when they did not fit
 *
 * Errors as gbill_tokens_count(); GBILL_LIMIT also when they did not fit.
 */
GBILL_API enum gbill_code gbill_tokens_encode(struct gbill_tokens *tokens, const char *model,
                                              const char *text, size_t size_bytes,
                                              enum gbill_special special, uint32_t *ids,
                                              size_t id_room, uint64_t *ret_count,
                                              struct gbill_err *err) GBILL_MUST_CHECK;

/*
 * Decode ids into bytes, which may begin or end within a character.
 *
 *   text            room for text_room bytes; filled with the first of them; no NUL is added
 *   ret_size_bytes  how many there are, also when they did not fit
 *
 * Errors: GBILL_INPUT for an id that is no token; GBILL_LIMIT when they did not fit; and those of
 * gbill_tokens_count().
 */
GBILL_API enum gbill_code gbill_tokens_decode(struct gbill_tokens *tokens, const char *model,
                                              const uint32_t *ids, size_t id_count, char *text,
                                              size_t text_room, uint64_t *ret_size_bytes,
                                              struct gbill_err *err) GBILL_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
