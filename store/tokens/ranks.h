/*
 * store/tokens/ranks.h - a rank file in memory, and what follows from it: merges and a trie.
 *
 * For compile.c alone.
 */
#ifndef STORE_TOKENS_RANKS_H
#define STORE_TOKENS_RANKS_H

#include "store/base/list.h"
#include "store/tokens/encodings.h"

struct ranks {
    struct bytes file;              /* owned */
    struct encodings_token *tokens; /* owned; ENCODINGS_TOKENS_MAX of them */
    uint32_t token_count;           /* highest id + 1 */
    uint8_t *text;                  /* owned; all tokens' bytes, in order of ids */
    size_t text_bytes;
    uint32_t *slots; /* owned; a table from bytes to id */
    uint32_t root_base;
    struct list units; /* of struct encodings_unit */
};

/*
 * Read a rank file.
 *
 *   sha256  in lower-case hexadecimal; the file must have it
 *   ranks   filled; ranks_clear() it, also after an error
 *
 * Errors: those of file_read(); ERR_CONFLICT for another hash; ERR_INPUT for a line that is no token, an
 * id or token that came before, a single byte that is missing; ERR_LIMIT.
 */
enum err_code ranks_read(struct ranks *ranks, const char *path, const char *sha256,
                         struct err *err) ERR_MUST_CHECK;
void ranks_clear(struct ranks *ranks);

/*
 * Find out each token's last merge by merging its bytes as byte pair encoding does.  A token that no
 * merges lead to gets left = right = ENCODINGS_NO_TOKEN.
 *
 * Errors: ERR_INPUT when ids are not in the order of merges, on which bpe.h relies.
 */
enum err_code ranks_find_merges(struct ranks *ranks, struct err *err) ERR_MUST_CHECK;

/* Lay out the trie (ranks->units, root_base) and each token's prefix.  ERR_LIMIT out of memory. */
enum err_code ranks_lay_trie(struct ranks *ranks, struct err *err) ERR_MUST_CHECK;

static inline size_t
ranks_token_bytes(const struct ranks *ranks, uint32_t id)
{
    return ranks->tokens[id].prefix_size & 0xff;
}

#endif
