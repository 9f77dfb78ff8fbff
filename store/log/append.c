#include "store/log/append.h"

#include <string.h>

enum {
    APPEND_BYTES_MAX = 2 * (FRAME_RAW_BYTES_MAX + FRAME_RAW_BYTES_MAX / 64),
    APPEND_KEEP_BYTES_MAX = 8 * 1024 * 1024,
};

void
log_append_init(struct log_append *append)
{
    *append = (struct log_append){.receive_utc_ms = 0};
    buf_init(&append->room, APPEND_BYTES_MAX);
}

void
log_append_clear(struct log_append *append)
{
    buf_clear(&append->room);
}

void
log_append_chain(struct log_append *append, int64_t receive_utc_ms,
                 const struct log_part parts[LOG_STREAMS], struct day_tip tips[LOG_STREAMS])
{
    append->receive_utc_ms = receive_utc_ms;
    for (int s = 0; s < LOG_STREAMS; s++) {
        struct frame *f = &append->heads[s];
        *f = (struct frame){.first_seq = tips[s].next_seq,
                            .event_count = parts[s].event_count,
                            .raw_bytes = (uint32_t)parts[s].bytes.size_bytes,
                            .receive_utc_ms = receive_utc_ms};
        append->events[s] = parts[s].bytes;
        if (f->event_count > 0)
            frame_chain(tips[s].chain, f, parts[s].bytes, f->chain);
    }
    log_append_pass(append, tips);
}

void
log_append_pass(const struct log_append *append, struct day_tip tips[LOG_STREAMS])
{
    for (int s = 0; s < LOG_STREAMS; s++) {
        const struct frame *f = &append->heads[s];
        if (f->event_count == 0)
            continue;
        tips[s].next_seq = f->first_seq + f->event_count;
        memcpy(tips[s].chain, f->chain, sizeof f->chain);
    }
}

enum err_code
log_append_encode(struct log_append *append, struct frame_codec *codec, struct err *err)
{
    struct buf *room = &append->room;
    size_t starts[LOG_STREAMS + 1] = {0};
    room->size_bytes = 0;
    buf_trim(room, APPEND_KEEP_BYTES_MAX);
    for (int s = 0; s < LOG_STREAMS; s++) {
        enum err_code code = ERR_OK;
        if (append->heads[s].event_count > 0)
            code = frame_encode(codec, &append->heads[s], append->events[s], room, err);
        if (code != ERR_OK)
            return code;
        starts[s + 1] = room->size_bytes;
    }
    /* Only now: the room moves while it grows. */
    for (int s = 0; s < LOG_STREAMS; s++)
        append->frames[s] = (struct bytes){room->data + starts[s], starts[s + 1] - starts[s]};
    return ERR_OK;
}
