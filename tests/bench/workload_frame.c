#include "tests/bench/workload_frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/base/time.h"
#include "store/event/event.h"

static void
die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

struct log_writer *
workload_log_open(const char *directory)
{
    char log[512];
    struct err err;
    struct log_writer *writer;
    snprintf(log, sizeof log, "%s/log", directory);
    mkdir(directory, 0755); /* if this fails, so does the next, and says why */
    if (log_writer_open(log, &writer, &err) != ERR_OK)
        die(err.text);
    return writer;
}

void
workload_frame_init(struct workload_frame *frame)
{
    frame->count = 0;
    buf_init(&frame->record, EVENT_RECORD_BYTES_MAX);
    buf_init(&frame->events, 64 << 20);
}

void
workload_frame_clear(struct workload_frame *frame)
{
    buf_clear(&frame->record);
    buf_clear(&frame->events);
}

void
workload_frame_reset(struct workload_frame *frame)
{
    frame->events.size_bytes = 0;
    frame->count = 0;
}

void
workload_frame_add(struct workload_frame *frame, const struct workload_event *event)
{
    struct event parsed;
    struct event_defect defect;
    frame->record.size_bytes = 0;
    workload_record(event, &frame->record);
    struct bytes record = {frame->record.data, frame->record.size_bytes};
    if (!event_parse(EVENT_USAGE, record, event->time_ms, &parsed, &defect))
        die(defect.text);
    if (!event_store(&parsed, &frame->events))
        die("a frame is too large");
    frame->count++;
}

void
workload_frame_append(const struct workload_frame *frame, struct log_writer *writer,
                      int64_t receive_utc_ms)
{
    struct err err;
    struct bytes events = {frame->events.data, frame->events.size_bytes};
    struct log_part parts[LOG_STREAMS] = {[LOG_EVENTS] = {events, frame->count}};
    if (log_writer_append(writer, receive_utc_ms, parts, &err) != ERR_OK)
        die(err.text);
}

void
workload_log_make(const char *directory, int32_t number, unsigned frames, unsigned open_frames,
                  uint32_t frame_events)
{
    static struct workload w;
    struct workload_frame frame;
    struct log_writer *writer = workload_log_open(directory);
    const int64_t start_ms = number * TIME_DAY_MS;
    workload_frame_init(&frame);
    workload_init(&w, 5, start_ms);
    for (unsigned i = 0; i < frames + open_frames; i++) {
        w.now_ms = start_ms +
                   (i < frames ? (int64_t)i * (TIME_DAY_MS / frames) : TIME_DAY_MS + (int64_t)i);
        workload_frame_reset(&frame);
        while (frame.count < frame_events) {
            struct workload_event e;
            workload_next(&w, &e);
            workload_frame_add(&frame, &e);
        }
        workload_frame_append(&frame, writer, w.now_ms);
    }
    log_writer_close(writer);
    workload_frame_clear(&frame);
}
