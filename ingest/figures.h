/*
 * ingest/figures.h - what the agent counts about itself, and the names under which
 * the world sees it: Prometheus' text format 0.0.4.
 *
 * One table of rows makes the struct, the text that the agent's status socket
 * gives, and the reading of that text by gbill status, so that the three cannot
 * differ.  A new figure is a new row, and who counts it.
 */
#ifndef INGEST_FIGURES_H
#define INGEST_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"

/* What a row is; the _S ones are kept in nanoseconds and shown in seconds. */
enum figures_type { FIGURES_COUNTER, FIGURES_COUNTER_S, FIGURES_GAUGE, FIGURES_GAUGE_S };

/* field, name behind "gbill_agent_", labels, type, help; rows of one name stand together */
#define FIGURES(X)                                                                             \
    X(start_time_ns, "start_time_seconds", "", GAUGE_S, "When the agent began, in Unix time.") \
    X(cpu_ns, "cpu_seconds_total", "", COUNTER_S, "Processor time used, in user and kernel.")  \
    X(resident_bytes, "resident_memory_bytes", "", GAUGE, "Memory that is resident.")          \
    X(connections, "connections", "", GAUGE, "Connections that are open.")                     \
    X(connections_max, "connections_max", "", GAUGE, "Connections there is room for.")         \
    X(accepted, "connections_accepted_total", "", COUNTER, "Connections accepted.")            \
    X(refused, "connections_refused_total", "", COUNTER,                                       \
      "Connections that were not taken: no room for them, or not allowed.")                    \
    X(cut, "connections_cut_total", "", COUNTER, "Connections that ended within a message.")   \
    X(rejected, "streams_rejected_total", "", COUNTER,                                         \
      "Connections closed because what they sent is not the protocol.")                        \
    X(received_bytes, "received_bytes_total", "", COUNTER, "Bytes received from clients.")     \
    X(messages, "messages_total", "", COUNTER, "Messages taken.")                              \
    X(heartbeats, "heartbeats_total", "", COUNTER, "Heartbeats taken.")                        \
    X(events, "events_total", "", COUNTER, "Events taken.")                                    \
    X(quarantined_tag, "quarantined_total", "{reason=\"tag\"}", COUNTER,                       \
      "Events put into the quarantine, by what is wrong with them.")                           \
    X(quarantined_record, "quarantined_total", "{reason=\"record\"}", COUNTER, "")             \
    X(quarantined_time, "quarantined_total", "{reason=\"time\"}", COUNTER, "")                 \
    X(undeclared, "undeclared_fields_total", "", COUNTER, "Fields left out of the log.")       \
    X(shipped_frames, "shipped_frames_total", "", COUNTER,                                     \
      "Frames of other hosts' logs that were stored.")                                         \
    X(shipped_events, "shipped_events_total", "{stream=\"events\"}", COUNTER,                  \
      "Events in them, by stream.")                                                            \
    X(shipped_quarantined, "shipped_events_total", "{stream=\"quarantine\"}", COUNTER, "")     \
    X(shipped_duplicates, "shipped_duplicates_total", "", COUNTER,                             \
      "Frames that were shipped again and not written again.")                                 \
    X(shipped_refused, "shipped_refused_total", "", COUNTER,                                   \
      "Messages of gbill ship that were refused.")                                             \
    X(live_checks, "live_questions_total", "{op=\"check\"}", COUNTER,                          \
      "Questions about limits that came over a socket.")                                       \
    X(live_reserves, "live_questions_total", "{op=\"reserve\"}", COUNTER, "")                  \
    X(live_refused, "live_refused_total", "", COUNTER, "Of them, those refused.")              \
    X(live_unknown, "live_unknown_total", "", COUNTER,                                         \
      "Of them, those about which nothing was known.")                                         \
    X(live_wrong, "live_wrong_total", "", COUNTER, "Questions that made no sense.")            \
    X(holds, "holds", "", GAUGE, "Reservations that are held.")                                \
    X(holds_settled, "holds_ended_total", "{how=\"settled\"}", COUNTER,                        \
      "Reservations that ended, by how.")                                                      \
    X(holds_released, "holds_ended_total", "{how=\"released\"}", COUNTER, "")                  \
    X(holds_expired, "holds_ended_total", "{how=\"expired\"}", COUNTER, "")                    \
    X(next_event, "next_sequence", "{stream=\"events\"}", GAUGE,                               \
      "The number that the next one in the log gets.")                                         \
    X(next_quarantined, "next_sequence", "{stream=\"quarantine\"}", GAUGE, "")                 \
    X(disk_full, "disk_full", "", GAUGE, "1 while nothing is read because the disk is full.")  \
    X(stalls_commit, "stalls_total", "{reason=\"commit\"}", COUNTER,                           \
      "Times that reading stopped, by what it waited for.")                                    \
    X(stalls_disk_full, "stalls_total", "{reason=\"disk_full\"}", COUNTER, "")                 \
    X(stalled_commit_ns, "stalled_seconds_total", "{reason=\"commit\"}", COUNTER_S,            \
      "Time that nothing was read, by what it waited for.")                                    \
    X(stalled_disk_full_ns, "stalled_seconds_total", "{reason=\"disk_full\"}", COUNTER_S, "")

/*
 * Buckets whose upper bounds double, and one for what is beyond the last: 50 us to
 * 3.3 s of a time, 1 to 65,536 of a number.
 */
enum { FIGURES_BUCKETS = 17, FIGURES_FIRST_NS = 50000, FIGURES_FIRST_COUNT = 1 };

struct figures_histogram {
    uint64_t buckets[FIGURES_BUCKETS + 1]; /* not cumulative */
    uint64_t sum;
};

/* Count a value into the buckets that begin with the bound first. */
static inline void
figures_observe(struct figures_histogram *h, uint64_t first, uint64_t value)
{
    uint64_t over = value > 0 ? (value - 1) / first : 0;
    int i = over == 0 ? 0 : 64 - __builtin_clzll(over);
    h->buckets[i < FIGURES_BUCKETS ? i : FIGURES_BUCKETS]++;
    h->sum += value;
}

/* Of commits, which the committer keeps. */
struct figures_commits {
    struct figures_histogram flush_ns, events;
};

struct figures {
#define FIGURES_FIELD(field, name, labels, type, help) uint64_t field;
    FIGURES(FIGURES_FIELD)
#undef FIGURES_FIELD
    struct figures_commits commits;
    struct figures_histogram ack_ns;
    char version[16];
};

/* Append the text of all figures; false when out has no room. */
bool figures_write(const struct figures *figures, struct buf *out)
    __attribute__((warn_unused_result));

/*
 * Read such a text.  What it does not have is 0 in ret, so that a newer gbill can
 * ask an older agent.  False when it is not the text of an agent.
 */
bool figures_read(struct str text, struct figures *ret) __attribute__((warn_unused_result));

/* Give every row's field and value, in order. */
void figures_each(const struct figures *figures,
                  void (*see)(void *context, const char *field, uint64_t value), void *context);

/* How many values there are, and the bound that a share of them (in thousandths) lies below;
 * UINT64_MAX beyond the last bucket, 0 of none. */
uint64_t figures_count(const struct figures_histogram *h);
uint64_t figures_quantile(const struct figures_histogram *h, uint64_t first, unsigned permille);

#endif
