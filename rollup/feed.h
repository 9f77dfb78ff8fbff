/*
 * rollup/feed.h - the log's events in order, decoded ahead by several threads.
 *
 * The calling thread reads frames as they are stored and hands them out in
 * batches; threads of the feed decompress, check, parse, price and hash them; the
 * caller gets the batches back in log order and decodes with the others while it
 * would wait.  With one thread it is the same work in the same order.
 */
#ifndef ROLLUP_FEED_H
#define ROLLUP_FEED_H

#include "rollup/batch.h"
#include "store/log/reader.h"

enum { FEED_THREADS_MAX = 16 };

struct feed;

/*
 * Make a feed.  It starts its threads when there is work for them.
 *
 *   reader        borrowed: nobody else may use it
 *   shared        borrowed
 *   after_seq     the reader's position: events up to this are left out
 *   until_seq     the feed ends with the frame that holds it; 0: at the log's end
 *   batch_events  a batch ends with the frame that reaches this; > 0
 *   threads       that decode, the caller's included; 1 to FEED_THREADS_MAX
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code feed_open(struct log_reader *reader, const struct batch_shared *shared,
                        uint64_t after_seq, uint64_t until_seq, size_t batch_events,
                        unsigned threads, struct feed **ret, struct err *err) ERR_MUST_CHECK;
void feed_close(struct feed *feed); /* NULL is fine; waits for the threads */

/*
 * Give the next batch, decoded.
 *
 *   ret_batch  NULL at the log's end; else valid until feed_release()
 *
 * Errors: those of the reader and of batch_decode(), when the batch before it has
 * been given.
 */
enum err_code feed_next(struct feed *feed, struct batch **ret_batch,
                        struct err *err) ERR_MUST_CHECK;

/* Give back the batch that feed_next() gave. */
void feed_release(struct feed *feed);

/* Decode all that was read, so that no other thread looks into what they share. */
void feed_settle(struct feed *feed);

/* The caller's own decoder. */
struct batch_decoder *feed_decoder(struct feed *feed);

#endif
