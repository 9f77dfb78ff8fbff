/*
 * store/tokens/bpe.h - a piece of text as tokens: byte pair encoding, in linear time.
 *
 * Byte pair encoding merges, again and again, the adjacent pair with the lowest id.  What it ends with
 * is the only sequence of tokens in which every two neighbours are what merging their two texts would
 * give.  So it need not merge: it takes the longest token that fits, asks whether it goes with its left
 * neighbour (some table look-ups), takes a shorter one if not, and goes one back if there is none.
 * A place from which nothing went on is remembered, so each is left once.
 */
#ifndef STORE_TOKENS_BPE_H
#define STORE_TOKENS_BPE_H

#include "store/tokens/encodings.h"

enum { BPE_NOTES_SHIFT = 54, BPE_NOTES = 1 << (64 - BPE_NOTES_SHIFT) };

/*
 * Is the piece one token, as it stands?  Its id; else, as a negative number, -1 - the longest token that
 * begins it, with which bpe_encode() goes on.  size_bytes >= 1.
 */
int32_t bpe_whole(const struct vocabulary *v, const uint8_t *piece, size_t size_bytes);

/*
 * Encode a piece that is no token itself.
 *
 *   first  the longest token that begins it
 *   ids    room for size_bytes; filled
 *   dead   size_bytes / 64 + 1 words, all zero
 *   notes  BPE_NOTES words, all ones; NULL for a short piece, which needs none
 *
 * Returns how many tokens it is.
 */
size_t bpe_encode(const struct vocabulary *v, const uint8_t *piece, size_t size_bytes,
                  uint32_t first, uint32_t *ids, uint64_t *dead, uint64_t *notes);

#endif
