/*
 * rollup/again.h - read single events of the log again, by number.
 *
 * For the few that must be looked at a second time: unpriced ones that found a
 * price, and voided ones.  Going up through the numbers costs one pass.
 */
#ifndef ROLLUP_AGAIN_H
#define ROLLUP_AGAIN_H

#include "rollup/batch.h"
#include "store/log/reader.h"

struct again {
    const char *log_directory;     /* borrowed */
    struct batch_shared *shared;   /* borrowed */
    struct batch_decoder *decoder; /* borrowed */
    struct batch batch;            /* room for one event */
    struct log_reader *reader;
    struct log_frame frame; /* the one that holds next_seq - 1 */
    struct mp at;
    uint64_t next_seq; /* the event that stands at `at`; 0: no frame */
};

void again_init(struct again *again, const char *log_directory, struct batch_shared *shared,
                struct batch_decoder *decoder);
void again_clear(struct again *again);

/*
 * Read one event and price it as the fold does.
 *
 *   ret_item  valid until the next call
 *
 * Errors: ERR_NOT_FOUND when the log no longer has it; ERR_CORRUPT, ERR_IO.
 */
enum err_code again_event(struct again *again, struct tables_txn *txn, uint64_t seq,
                          const struct batch_item **ret_item, struct err *err) ERR_MUST_CHECK;

#endif
