/*
 * store/tokens/split.h - cut a text into the pieces that are encoded each by itself.
 *
 * What OpenAI writes as regular expressions (schemas/encodings.md), by hand: a piece's end is found in
 * one walk over it, whatever it holds.
 */
#ifndef STORE_TOKENS_SPLIT_H
#define STORE_TOKENS_SPLIT_H

#include "store/tokens/encodings.h"

/*
 * Find where the piece that begins at p ends.
 *
 *   p    borrowed: well-formed UTF-8, p < end
 *
 * Returns its end, p < it <= end.
 */
const uint8_t *split_next(const struct encoding *encoding, const uint8_t *p, const uint8_t *end);

#endif
