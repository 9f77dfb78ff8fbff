/*
 * store/tokens/encodings.h - the encodings file: what a model's tokenizer knows, ready to be mapped.
 *
 * Drawn in schemas/encodings.md.  compile.c writes it, once, from OpenAI's rank files; everybody else
 * maps it read-only and shares its pages.  An encoding's part is held against its checksum before it is
 * used for the first time, and is trusted from then on.
 *
 * Threads: any number may use one struct encodings.
 */
#ifndef STORE_TOKENS_ENCODINGS_H
#define STORE_TOKENS_ENCODINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/err.h"

enum {
    ENCODINGS_NAME_BYTES = 32, /* with NUL: of an encoding, of a special token */
    ENCODINGS_MODEL_BYTES = 64,
    ENCODINGS_TOKENS_MAX = 1 << 18, /* ids are below it, and not its last: three fit in 64 bits */
    ENCODINGS_TOKEN_BYTES_MAX = 255,
    ENCODINGS_FILE_BYTES_MAX = 256 * 1024 * 1024,
    ENCODINGS_VOCABULARIES_MAX = 16,
    ENCODINGS_ENCODINGS_MAX = 32,
};
#define ENCODINGS_MAGIC "gbtok001"
#define ENCODINGS_NO_TOKEN 0xffffffu

/* How a text is cut into pieces (split.h). */
enum split_rule { SPLIT_GPT2, SPLIT_CL100K, SPLIT_O200K, SPLIT_RULE_COUNT };

/* An array of the file: where it begins, in bytes, and how many items it has. */
struct encodings_array {
    uint64_t offset_bytes, count;
};

/*
 * A node of the trie of all tokens.  The child for byte c is units[base ^ c], if its label is c; a base
 * belongs to one node alone.
 */
struct encodings_unit {
    uint32_t base_label; /* base << 8 | the byte that led here */
    uint32_t token;      /* id + 1, and ENCODINGS_WHOLE; 0: no token ends here */
};
/* No merges lead to this token: it stands for a piece that it equals, and never for a part of one. */
#define ENCODINGS_WHOLE 0x80000000u

/* The table of merges: left << 36 | right << 18 | what they become; where a search for a pair begins. */
#define ENCODINGS_NO_PAIR UINT64_MAX
static inline size_t
encodings_pair_slot(uint64_t left_right, uint32_t shift)
{
    return (size_t)(left_right * 0x9e3779b97f4a7c15u >> shift);
}

struct encodings_token {
    uint32_t
        prefix_size; /* longest shorter token that begins it (or ENCODINGS_NO_TOKEN) << 8 | bytes */
    uint32_t left, right;  /* its last merge; itself for a single byte */
    uint32_t offset_bytes; /* in text; an id without a token has size 0 */
};

/* What a rank file became. */
struct encodings_vocabulary {
    char name[ENCODINGS_NAME_BYTES];
    uint64_t
        checksum; /* encodings_sum() of its arrays, which lie behind each other from units on */
    struct encodings_array units, tokens, pairs, text;
    uint32_t root_base, pair_shift;
};

struct encodings_special {
    char text[ENCODINGS_NAME_BYTES]; /* begins with <| and ends with |> */
    uint32_t id;
};

struct encodings_encoding {
    char name[ENCODINGS_NAME_BYTES];
    uint32_t vocabulary, split;      /* index; enum split_rule */
    struct encodings_array specials; /* sorted by text */
};

struct encodings_model {
    char model[ENCODINGS_MODEL_BYTES];
    uint32_t is_prefix, encoding;             /* a rule for all models that begin so; index */
    int32_t per_message, per_name, per_reply; /* tokens of a chat beside its texts */
};

struct encodings_head {
    char magic[8];
    uint64_t size_bytes;
    uint64_t
        checksum; /* XXH3-64 of what follows in the head, and of what lies before the vocabularies */
    uint64_t front_bytes;
    struct encodings_array blocks,
        classes; /* a character's class: classes[blocks[c >> 7] << 7 | c & 127] */
    struct encodings_array encodings, models, specials;
    uint32_t vocabulary_count, unused;
    struct encodings_vocabulary vocabularies[ENCODINGS_VOCABULARIES_MAX];
};

/* A vocabulary in memory; all borrowed from the map. */
struct vocabulary {
    const struct encodings_unit *units;
    const struct encodings_token *tokens;
    const uint64_t *pairs;
    const uint8_t *text;
    uint32_t root_base, pair_shift, token_count;
};

/* An encoding, ready for use. */
struct encoding {
    const char *name;
    enum split_rule rule;
    const uint16_t *blocks;
    const uint8_t *classes;
    struct vocabulary vocabulary;
    const struct encodings_special *specials;
    size_t special_count;
};

struct encodings {
    int fd;
    const uint8_t *map;
    size_t size_bytes;
    const struct encodings_head *head; /* in the map */
    struct encoding list[ENCODINGS_ENCODINGS_MAX];
    size_t count;
    atomic_bool checked[ENCODINGS_VOCABULARIES_MAX];
};

/* The checksum of a vocabulary, block by block (the last may be shorter): from 0, of each block in turn. */
enum { ENCODINGS_BLOCK_BYTES = 64 * 1024 };
uint64_t encodings_sum(uint64_t sum, struct bytes block);

/*
 * Map an encodings file.
 *
 *   path  borrowed
 *   e     filled; encodings_close() it
 *
 * Errors: ERR_NOT_FOUND, ERR_DENIED, ERR_IO for the file; ERR_CORRUPT when it is no encodings file of
 * this version, or its front was changed.  e is closed then.
 */
enum err_code encodings_open(struct encodings *e, const char *path, struct err *err) ERR_MUST_CHECK;
void encodings_close(struct encodings *e);

/*
 * Find an encoding by its name ("o200k_base").
 *
 *   ret_encoding  borrowed from e
 *
 * Errors: ERR_NOT_FOUND; ERR_CORRUPT when its part of the file was changed (looked at the first time).
 */
enum err_code encodings_find(struct encodings *e, struct str name,
                             const struct encoding **ret_encoding, struct err *err) ERR_MUST_CHECK;

/*
 * Find the rule for a model: its own, else of the longest prefix that it begins with.  Source of the
 * rules: schemas/encodings.json.  NULL when there is none: its tokenizer is not public.
 */
const struct encodings_model *encodings_model(const struct encodings *e, struct str model);

/* The encoding of a rule; errors as encodings_find(). */
enum err_code encodings_of_model(struct encodings *e, const struct encodings_model *model,
                                 const struct encoding **ret_encoding,
                                 struct err *err) ERR_MUST_CHECK;

/* The special token that a text begins with, at most size_bytes long; NULL: none. */
const struct encodings_special *encoding_special(const struct encoding *encoding,
                                                 const uint8_t *text, size_t size_bytes);

#endif
