#include "store/tokens/ranks.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/base64.h"
#include "store/base/file.h"
#include "store/base/hash.h"
#include "store/base/money.h"
#include "store/tokens/compile.h"

enum { SLOTS = 2 * ENCODINGS_TOKENS_MAX };

void
ranks_clear(struct ranks *ranks)
{
    free((void *)(uintptr_t)ranks->file.data);
    free(ranks->tokens);
    free(ranks->text);
    free(ranks->slots);
    list_clear(&ranks->units);
    memset(ranks, 0, sizeof *ranks);
}

/* Where bytes stand in the table, or the free slot where they belong. */
static uint32_t *
slot_of(const struct ranks *ranks, const uint8_t *data, size_t size_bytes)
{
    size_t at = (size_t)hash_mem(data, size_bytes) & (SLOTS - 1);
    for (;; at = (at + 1) & (SLOTS - 1)) {
        uint32_t id = ranks->slots[at];
        if (id == ENCODINGS_NO_TOKEN ||
            (ranks_token_bytes(ranks, id) == size_bytes &&
             memcmp(ranks->text + ranks->tokens[id].offset_bytes, data, size_bytes) == 0))
            return &ranks->slots[at];
    }
}

/* One line: base64, a space, the id. */
static enum err_code
read_line(struct ranks *ranks, const char *path, size_t number, struct str line, struct err *err)
{
    uint8_t data[ENCODINGS_TOKEN_BYTES_MAX];
    size_t size_bytes;
    int64_t id;
    const char *space = memchr(line.data, ' ', line.size_bytes);
    struct str text = {line.data, space != NULL ? (size_t)(space - line.data) : 0};
    if (space == NULL || !base64_decode(text, data, sizeof data, &size_bytes) || size_bytes == 0 ||
        !money_parse((struct str){space + 1, line.size_bytes - text.size_bytes - 1}, 0, &id) ||
        id < 0 || id >= ENCODINGS_TOKENS_MAX - 1)
        return err_set(err, ERR_INPUT, "%s line %zu is no token and id: \"%.*s\"", path, number,
                       STR_ARG(line));
    if (ranks->tokens[id].prefix_size != 0)
        return err_set(err, ERR_INPUT, "%s line %zu: the id %u comes twice", path, number,
                       (unsigned)id);
    uint32_t *slot = slot_of(ranks, data, size_bytes);
    if (*slot != ENCODINGS_NO_TOKEN)
        return err_set(err, ERR_INPUT, "%s line %zu: the token of id %u comes twice", path, number,
                       *slot);
    ranks->tokens[id].prefix_size = (uint32_t)size_bytes;
    ranks->tokens[id].offset_bytes = (uint32_t)ranks->text_bytes;
    memcpy(ranks->text + ranks->text_bytes, data, size_bytes);
    ranks->text_bytes += size_bytes;
    if ((uint32_t)id >= ranks->token_count)
        ranks->token_count = (uint32_t)id + 1;
    *slot = (uint32_t)id;
    return ERR_OK;
}

static enum err_code
read_lines(struct ranks *ranks, const char *path, struct err *err)
{
    const char *p = (const char *)ranks->file.data, *end = p + ranks->file.size_bytes;
    enum err_code code = ERR_OK;
    for (size_t number = 1; p < end && code == ERR_OK; number++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop != NULL ? stop : end;
        code = read_line(ranks, path, number, (struct str){p, (size_t)(stop - p)}, err);
        p = stop + 1;
    }
    for (unsigned byte = 0; byte < 256 && code == ERR_OK; byte++)
        if (*slot_of(ranks, &(uint8_t){(uint8_t)byte}, 1) == ENCODINGS_NO_TOKEN)
            code = err_set(err, ERR_INPUT, "%s has no token for the byte %u", path, byte);
    return code;
}

enum err_code
ranks_read(struct ranks *ranks, const char *path, const char *sha256, struct err *err)
{
    uint8_t digest[HASH_SHA256_BYTES];
    char hex[HASH_SHA256_TEXT_BYTES];
    memset(ranks, 0, sizeof *ranks);
    list_init(&ranks->units, sizeof(struct encodings_unit));
    enum err_code code = file_read(path, COMPILE_RANKS_BYTES_MAX, &ranks->file, err);
    if (code != ERR_OK)
        return code;
    hash_sha256(&ranks->file, 1, digest);
    hash_hex(digest, sizeof digest, hex);
    if (strcmp(hex, sha256) != 0)
        return err_set(err, ERR_CONFLICT, "%s has the SHA-256 %s, and OpenAI's has %s", path, hex,
                       sha256);
    ranks->tokens = calloc(ENCODINGS_TOKENS_MAX, sizeof *ranks->tokens);
    ranks->text = malloc(ranks->file.size_bytes + 1);
    ranks->slots = malloc(SLOTS * sizeof *ranks->slots);
    if (ranks->tokens == NULL || ranks->text == NULL || ranks->slots == NULL)
        return err_set(err, ERR_LIMIT, "no memory to read %s", path);
    for (size_t i = 0; i < SLOTS; i++)
        ranks->slots[i] = ENCODINGS_NO_TOKEN;
    return read_lines(ranks, path, err);
}

/* Parts of a token while it is merged: where each begins; the last is the token's end. */
struct parts {
    size_t count;
    uint16_t begin[ENCODINGS_TOKEN_BYTES_MAX + 1];
};

/* The id of parts i to j, which touch; ENCODINGS_NO_TOKEN: they are none. */
static uint32_t
id_of(const struct ranks *ranks, const uint8_t *text, const struct parts *parts, size_t i, size_t j)
{
    return *slot_of(ranks, text + parts->begin[i], (size_t)(parts->begin[j + 1] - parts->begin[i]));
}

/* Merge pairs of an id below limit, the lowest first and of equal ones the left, while there is any. */
static void
merge(const struct ranks *ranks, const uint8_t *text, struct parts *parts, uint32_t limit)
{
    for (;;) {
        size_t best = 0;
        uint32_t best_id = limit;
        for (size_t i = 0; i + 1 < parts->count; i++) {
            uint32_t id = id_of(ranks, text, parts, i, i + 1);
            if (id < best_id) {
                best_id = id;
                best = i;
            }
        }
        if (best_id == limit)
            return;
        memmove(parts->begin + best + 1, parts->begin + best + 2,
                (parts->count - best - 1) * sizeof parts->begin[0]);
        parts->count--;
    }
}

enum err_code
ranks_find_merges(struct ranks *ranks, struct err *err)
{
    for (uint32_t id = 0; id < ranks->token_count; id++) {
        struct encodings_token *token = &ranks->tokens[id];
        const uint8_t *text = ranks->text + token->offset_bytes;
        struct parts parts = {.count = ranks_token_bytes(ranks, id)};
        token->left = token->right = parts.count == 1 ? id : ENCODINGS_NO_TOKEN;
        if (parts.count < 2)
            continue;
        for (size_t i = 0; i <= parts.count; i++)
            parts.begin[i] = (uint16_t)i;
        merge(ranks, text, &parts, id);
        if (parts.count == 2) {
            token->left = id_of(ranks, text, &parts, 0, 0);
            token->right = id_of(ranks, text, &parts, 1, 1);
            continue;
        }
        merge(ranks, text, &parts, ENCODINGS_NO_TOKEN);
        if (parts.count == 1)
            return err_set(err, ERR_INPUT, "token %u is merged from tokens with higher ids", id);
    }
    return ERR_OK;
}
