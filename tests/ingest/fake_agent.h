/*
 * tests/ingest/fake_agent.h - a small agent for the client's tests: a thread on a
 * unix socket in a temporary folder, which answers as its mode says.
 *
 * It takes messages apart with the agent's own parser, so what it understands the
 * agent understands.  Read the results only after fake_stop().
 */
#ifndef TESTS_INGEST_FAKE_AGENT_H
#define TESTS_INGEST_FAKE_AGENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fake_mode {
    FAKE_ACK,                 /* acknowledge each chunk at once */
    FAKE_ACK_BYTEWISE,        /* the same, one byte a write */
    FAKE_ACK_LATE,            /* 20 ms later */
    FAKE_ACK_BACKWARDS,       /* wait for 4 chunks, acknowledge the last first */
    FAKE_SILENT,              /* read, never answer */
    FAKE_DEAF,                /* never read */
    FAKE_CLOSE_AT_ONCE,       /* close each connection when it is made */
    FAKE_RUBBISH,             /* answer each chunk with bytes of another protocol */
    FAKE_FOREIGN_ACK,         /* acknowledge a chunk that nobody sent */
    FAKE_HUGE_HEAD,           /* begin an ack of 4 GiB */
    FAKE_CLOSE_FIRST_MIDWAY,  /* first connection: close in the middle of a chunk; then ack */
    FAKE_CLOSE_FIRST_UNACKED, /* first connection: take a chunk, close; then ack */
};

enum {
    FAKE_CHUNKS_MAX = 20000,
    FAKE_EVENTS_MAX = 20000,
    FAKE_ID_BYTES = 65,
    FAKE_RECORD_BYTES_MAX = 4096
};

struct fake_chunk {
    char id[FAKE_ID_BYTES], tag[FAKE_ID_BYTES];
    uint64_t bytes_hash;
    size_t event_count;
    int connection; /* 1, 2 ... */
    bool acked;
};

struct fake {
    char folder[64], path[96];
    pthread_t thread;
    int listen_fd;
    _Atomic int mode;
    bool is_running;
    _Atomic bool stop;
    _Atomic bool drop; /* close the present connection */
    _Atomic size_t chunk_count;
    struct fake_chunk chunks[FAKE_CHUNKS_MAX]; /* as they came, resent ones too */
    size_t event_count;                        /* of chunks when first acknowledged */
    char ids[FAKE_EVENTS_MAX][FAKE_ID_BYTES];
    int64_t times[FAKE_EVENTS_MAX];
    uint8_t record[FAKE_RECORD_BYTES_MAX]; /* the last one acknowledged, if it fits */
    size_t record_bytes;
    int connections;
};

/* Make the folder and the path; nothing listens yet. */
struct fake *fake_new(void);
void fake_start(struct fake *fake, enum fake_mode mode);

/* Stop listening and answering; fake_start() may follow. */
void fake_stop(struct fake *fake);
void fake_free(struct fake *fake); /* stops it, if it runs */

#endif
