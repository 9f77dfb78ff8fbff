/*
 * store/tokens/compile.h - make the encodings file from what OpenAI and the Unicode Consortium publish.
 *
 * Only `gbill tokens compile` calls this; a build does it once.
 */
#ifndef STORE_TOKENS_COMPILE_H
#define STORE_TOKENS_COMPILE_H

#include "store/tokens/encodings.h"

enum { COMPILE_RANKS_BYTES_MAX = 16 * 1024 * 1024 };

/*
 * Compile.
 *
 *   ranks   directory of the rank files, <name>.tiktoken: a line a token, its bytes in base64 and its
 *           id; each must have the SHA-256 that the book says
 *   book    schemas/encodings.json
 *   unicode schemas/unicode.txt
 *   path    the file that is made; it appears whole or not at all
 *
 * Errors: ERR_CONFIG for the books (the place is named); ERR_NOT_FOUND, ERR_DENIED, ERR_IO for files;
 * ERR_CONFLICT when a rank file's hash is another; ERR_INPUT when its lines are no ranks; ERR_LIMIT when
 * it does not fit; ERR_FULL.
 */
enum err_code compile_encodings(const char *ranks, const char *book, const char *unicode,
                                const char *path, struct err *err) ERR_MUST_CHECK;

#endif
