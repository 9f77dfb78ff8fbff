/*
 * store/base/inflate.h - foreign gzip and zstd, inflated within bounds.
 *
 * Whatever a stranger sends, an inflater holds at most INFLATE_BYTES_MAX of
 * output and the libraries' fixed state: zstd writes straight into the output and
 * needs no window of its own, whatever window its frame asks for.  A stream is
 * inflated whole or refused.
 *
 * Formats: RFC 1952 (gzip, of one or more members), RFC 8878 (zstd, of one or
 * more frames, skippable ones among them).
 */
#ifndef STORE_BASE_INFLATE_H
#define STORE_BASE_INFLATE_H

#include "store/base/bytes.h"

enum {
    INFLATE_BYTES_MAX = 8 * 1024 * 1024,
    INFLATE_RATIO_MAX = 200,                   /* of output to input, over the whole stream */
    INFLATE_ZSTD_WINDOW_MAX = 8 * 1024 * 1024, /* log 23: what RFC 8878 asks of every decoder */
};

enum inflate_format { INFLATE_GZIP, INFLATE_ZSTD };

struct inflater;

/* NULL out of memory.  Holds next to nothing until it is used. */
struct inflater *inflater_new(void);
void inflater_free(struct inflater *inflater);

/*
 * Inflate a stream: all its members or frames, one behind the other.
 *
 *   packed     borrowed
 *   ret_plain  filled on success; the inflater's own until inflater_rest() or the
 *              next call
 *
 * Returns NULL, or why the stream is refused: a fixed text.  Safe on any bytes.
 */
const char *inflater_take(struct inflater *inflater, enum inflate_format format,
                          struct bytes packed, struct bytes *ret_plain)
    __attribute__((warn_unused_result));

/* The last output is done with: what was large is given back to the system. */
void inflater_rest(struct inflater *inflater);

#endif
