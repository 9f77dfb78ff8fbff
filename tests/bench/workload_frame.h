/*
 * tests/bench/workload_frame.h - the workload's events in gbill's log, without an
 * agent between.  Every failure here ends the program.
 */
#ifndef TESTS_BENCH_WORKLOAD_FRAME_H
#define TESTS_BENCH_WORKLOAD_FRAME_H

#include "store/log/writer.h"
#include "tests/bench/workload.h"

/* Events of one append; begin with workload_frame_init(). */
struct workload_frame {
    struct buf record, events;
    uint32_t count;
};

/* Open <directory>/log, making both; close it with log_writer_close(). */
struct log_writer *workload_log_open(const char *directory);

void workload_frame_init(struct workload_frame *frame);
void workload_frame_clear(struct workload_frame *frame); /* free */
void workload_frame_reset(struct workload_frame *frame); /* empty, for the next append */

/* Add an event as the agent would store it. */
void workload_frame_add(struct workload_frame *frame, const struct workload_event *event);

/* Append it to a log, or to several one after the other. */
void workload_frame_append(const struct workload_frame *frame, struct log_writer *writer,
                           int64_t receive_utc_ms);

/*
 * Make <directory>/log of two days, number and the next: the first is closed.
 *
 *   frames, open_frames  of each day, of frame_events events each
 */
void workload_log_make(const char *directory, int32_t number, unsigned frames, unsigned open_frames,
                       uint32_t frame_events);

#endif
