#include "rollup/again.h"

#include <inttypes.h>

void
again_init(struct again *again, const char *log_directory, struct batch_shared *shared,
           struct batch_decoder *decoder)
{
    *again = (struct again){.log_directory = log_directory, .shared = shared, .decoder = decoder};
    batch_init(&again->batch);
}

void
again_clear(struct again *again)
{
    log_reader_close(again->reader);
    batch_clear(&again->batch);
    again->reader = NULL;
    again->next_seq = 0;
}

/* Stand at seq's frame, at its first event. */
static enum err_code
enter_frame(struct again *a, uint64_t seq, struct err *err)
{
    bool more = false;
    enum err_code code =
        a->reader == NULL ? log_reader_open(a->log_directory, LOG_EVENTS, seq - 1, &a->reader, err)
                          : log_reader_seek(a->reader, seq - 1, err);
    a->next_seq = 0;
    if (code == ERR_OK)
        code = log_reader_next(a->reader, &a->frame, &more, err);
    if (code == ERR_OK && !more)
        code = err_set(err, ERR_NOT_FOUND, "event %" PRIu64 " is not in the log", seq);
    if (code == ERR_OK) {
        a->next_seq = a->frame.first_seq;
        a->at = mp_of(a->frame.events);
    }
    return code;
}

enum err_code
again_event(struct again *again, struct tables_txn *txn, uint64_t seq,
            const struct batch_item **ret_item, struct err *err)
{
    struct again *a = again;
    struct event event;
    struct event_defect defect;
    struct batch_item *item;
    bool ahead = a->next_seq != 0 && seq >= a->next_seq &&
                 seq < a->frame.first_seq + a->frame.event_count;
    enum err_code code = ahead ? ERR_OK : enter_frame(a, seq, err);
    while (code == ERR_OK && a->next_seq <= seq) {
        if (!event_read(&a->at, &event, &defect))
            code = err_set(err, ERR_CORRUPT, "event %" PRIu64 " cannot be read again: %s",
                           a->next_seq, defect.text);
        a->next_seq++;
    }
    if (code == ERR_OK)
        code = batch_read_event(&a->batch, a->shared, a->decoder, txn, &event, seq,
                                a->frame.receive_utc_ms, &item, err);
    if (code == ERR_OK)
        *ret_item = item;
    else
        a->next_seq = 0;
    return code;
}
