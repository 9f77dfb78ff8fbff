#include "store/tokens/bpe.h"

#include <assert.h>
#include <string.h>

enum { BYTES_WORTH_COMPARING = 16 };

/* What a walk down the trie found. */
struct walk {
    const uint8_t *text;
    size_t seen_bytes; /* the walk ended with the last of these; 0: it ended with the text */
    uint32_t longest;  /* token that begins the text */
    uint32_t
        whole; /* id + 1 of the token that is all of it, even one that is only ever a whole piece */
};

static struct walk
walk(const struct vocabulary *v, const uint8_t *text, size_t size_bytes)
{
    struct walk w = {.text = text};
    uint32_t base = v->root_base, found = 0;
    size_t i;
    for (i = 0; i < size_bytes; i++) {
        struct encodings_unit unit = v->units[base ^ text[i]];
        if ((unit.base_label & 0xff) != text[i])
            break;
        if (unit.token != 0) {
            if ((unit.token & ENCODINGS_WHOLE) == 0)
                found = unit.token;
            if (i + 1 == size_bytes)
                w.whole = unit.token & ~ENCODINGS_WHOLE;
        }
        base = unit.base_label >> 8;
    }
    assert(found != 0); /* every byte is a token */
    w.longest = found - 1;
    w.seen_bytes = i < size_bytes ? i + 1 : 0;
    return w;
}

int32_t
bpe_whole(const struct vocabulary *v, const uint8_t *piece, size_t size_bytes)
{
    struct walk w = walk(v, piece, size_bytes);
    return w.whole != 0 ? (int32_t)w.whole - 1 : -1 - (int32_t)w.longest;
}

/* What the two merge into; ENCODINGS_NO_TOKEN: nothing. */
static uint32_t
merged(const struct vocabulary *v, uint32_t left, uint32_t right)
{
    const uint64_t key = (uint64_t)left << 18 | right;
    const size_t mask = (1ull << (64 - v->pair_shift)) - 1;
    for (size_t at = encodings_pair_slot(key, v->pair_shift);; at = (at + 1) & mask) {
        uint64_t pair = v->pairs[at];
        if (pair >> 18 == key)
            return (uint32_t)(pair & (ENCODINGS_TOKENS_MAX - 1));
        if (pair == ENCODINGS_NO_PAIR)
            return ENCODINGS_NO_TOKEN;
    }
}

/*
 * Would merging the two texts, side by side, give these two tokens?  The merges that made them are
 * undone, newest first.  If at some point the two parts that touch could have merged before the merge
 * that is undone next (of two with one id the left one comes first), that would have happened.
 */
static bool
stay_apart(const struct vocabulary *v, uint32_t left, uint32_t right)
{
    uint32_t before = ENCODINGS_NO_TOKEN; /* a merge with an id below this would have happened */
    for (;;) {
        if (merged(v, left, right) < before)
            return false;
        const struct encodings_token *l = &v->tokens[left], *r = &v->tokens[right];
        if (left > right ? l->right != left : r->left == right) {
            before = left;
            left = l->right;
            if (left == before)
                return true;
        } else {
            before = right + 1;
            right = r->left;
            if (right + 1 == before)
                return true;
        }
    }
}

/*
 * The longest of token and those that begin it which can stand right of left; ENCODINGS_NO_TOKEN: none.
 * In a long run of one sign the same is asked again and again: notes remember it.
 */
static uint32_t
fitting(const struct vocabulary *v, uint64_t *notes, uint32_t left, uint32_t token)
{
    enum { NONE = ENCODINGS_TOKENS_MAX - 1 }; /* no token has the last id */
    const uint64_t key = (uint64_t)left << 18 | token;
    uint64_t *note = notes != NULL ? &notes[encodings_pair_slot(key, BPE_NOTES_SHIFT)] : NULL;
    if (token == ENCODINGS_NO_TOKEN)
        return token;
    if (note != NULL && *note >> 18 == key) {
        token = (uint32_t)(*note & NONE);
        return token != NONE ? token : ENCODINGS_NO_TOKEN;
    }
    while (token != ENCODINGS_NO_TOKEN && !stay_apart(v, left, token))
        token = v->tokens[token].prefix_size >> 8;
    if (note != NULL)
        *note = key << 18 | (token != ENCODINGS_NO_TOKEN ? token : NONE);
    return token;
}

size_t
bpe_encode(const struct vocabulary *v, const uint8_t *piece, size_t size_bytes, uint32_t first,
           uint32_t *ids, uint64_t *dead, uint64_t *notes)
{
    size_t at = 0, count = 0;
    uint32_t token = first;
    struct walk w = {.text = piece};
    while (at < size_bytes) {
        if (count > 0)
            token = fitting(v, notes, ids[count - 1], token);
        if (token == ENCODINGS_NO_TOKEN) {
            assert(count > 0); /* single bytes, merged, are an encoding: there is a way */
            dead[at / 64] |= 1ull << at % 64;
            token = ids[--count];
            at -= v->tokens[token].prefix_size & 0xff;
            token = v->tokens[token].prefix_size >> 8;
            continue;
        }
        size_t end = at + (v->tokens[token].prefix_size & 0xff);
        if (dead[end / 64] >> end % 64 & 1) {
            token = v->tokens[token].prefix_size >> 8;
            continue;
        }
        ids[count++] = token;
        at = end;
        if (at == size_bytes)
            break;
        /* In a long run the same bytes come again: what they gave is still at hand. */
        if (w.seen_bytes < BYTES_WORTH_COMPARING || w.seen_bytes > size_bytes - at ||
            memcmp(piece + at, w.text, w.seen_bytes) != 0)
            w = walk(v, piece + at, size_bytes - at);
        token = w.longest;
    }
    return count;
}
