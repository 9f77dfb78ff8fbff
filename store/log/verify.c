#include "store/log/verify.h"

#include <inttypes.h>

#include "store/log/quarantine.h"

/* Do the frame's bytes hold exactly its events? */
static enum err_code
check_events(const struct log_frame *frame, enum log_stream stream, const struct log_watch *watch,
             struct err *err)
{
    struct mp m = mp_of(frame->events);
    for (uint32_t i = 0; i < frame->event_count; i++) {
        struct event e;
        struct quarantined q;
        struct event_defect defect = {"not a quarantined event"};
        uint64_t seq = frame->first_seq + i;
        bool ok = stream == LOG_EVENTS ? event_read(&m, &e, &defect) : quarantine_read(&m, &q);
        if (!ok)
            return err_set(err, ERR_CORRUPT, "event %" PRIu64 ": %s", seq, defect.text);
        enum err_code code = ERR_OK;
        if (stream == LOG_EVENTS && watch->event != NULL)
            code = watch->event(watch->context, seq, &e, err);
        if (code != ERR_OK)
            return code;
    }
    if (m.p != m.end)
        return err_set(err, ERR_CORRUPT, "frame %" PRIu64 ": bytes follow its %u events",
                       frame->first_seq, frame->event_count);
    return ERR_OK;
}

enum err_code
log_verify(const char *directory, enum log_stream stream, const struct log_watch *watch,
           struct err *err)
{
    struct log_reader *reader;
    struct log_begin begin;
    struct log_frame frame;
    bool more = true;
    enum err_code code = log_reader_open(directory, stream, LOG_OLDEST, &reader, err);
    if (code != ERR_OK)
        return code;
    log_reader_check_chain(reader);
    if (watch->begin != NULL && log_reader_begin(reader, &begin))
        watch->begin(watch->context, &begin);
    while ((code = log_reader_next(reader, &frame, &more, err)) == ERR_OK && more) {
        code = check_events(&frame, stream, watch, err);
        if (code == ERR_OK && watch->frame != NULL)
            code = watch->frame(watch->context, &frame, err);
        if (code != ERR_OK)
            break;
    }
    log_reader_close(reader);
    return code;
}
