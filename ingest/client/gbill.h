/*
 * gbill.h - libgbill: hand usage events to gbill-agent and know that they are on
 * its disk.  Manual: gbill(3); a whole program: example/track.c.
 *
 *     gbill_open(&client, &options, &err);     once
 *     gbill_track(client, &usage, &err);       for each call of a model
 *     gbill_flush(client, 1000, &err);         when it matters that all is on disk
 *     gbill_close(client);
 *
 * Promises:
 *   - gbill_track() never waits: for no agent, no disk, no full queue.
 *   - gbill_flush() says GBILL_OK only when the agent has all events on its disk.
 *   - Every event has an id before it is first sent, and its bytes never change
 *     after that: whatever is sent again, by this process or the next one that
 *     opens its spill file, is the same event and counts once.
 *   - Memory is bounded: queue_bytes and a megabyte, taken by gbill_open().
 *   - Events of one thread reach the log in the order of its calls.
 *
 * Threads: every call may be made from any thread at any time, only gbill_close()
 * must be the last one.  A client has one thread of its own, which blocks all
 * signals; SIGPIPE is never raised, no exit handler installed, no global state
 * kept, and every descriptor is close-on-exec.  An error never ends the process.
 *
 * Fork: a client works in the process that opened it.  In a child made by fork()
 * gbill_close() frees the child's copy and closes its descriptors, and leaves
 * everything else to the parent; all other calls fail with GBILL_USAGE.  The child
 * may open clients of its own, each with a spill file of its own.  A child that
 * lives on should close what it inherited: until then the spill file stays locked
 * even if the parent is killed.
 *
 * ABI: a struct grows only with a new SONAME.
 */
#ifndef GBILL_H
#define GBILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GBILL_API __attribute__((visibility("default")))
#define GBILL_MUST_CHECK __attribute__((warn_unused_result))

/* The exit statuses of gbill's programs, and GBILL_SPILLED. */
enum gbill_code {
    GBILL_OK = 0,
    GBILL_USAGE = 2,     /* an option is wrong, or the client belongs to another process */
    GBILL_INPUT = 4,     /* the event breaks the contract */
    GBILL_LIMIT = 5,     /* a path is too long */
    GBILL_NOT_FOUND = 6, /* the folder of the spill file is not there */
    GBILL_BUSY = 8,      /* another client has this spill file */
    GBILL_DENIED = 9,    /* no permission */
    GBILL_IO = 10,       /* the kernel, the disk or memory failed */
    GBILL_FULL = 11,     /* no room: for the event, or on the disk */
    GBILL_CORRUPT = 12,  /* the spill file is none */
    GBILL_PEER = 13,     /* the agent cannot be reached or does not answer */
    GBILL_SPILLED = 14   /* not at the agent, but on disk in the spill file */
};

enum {
    GBILL_ERR_TEXT_BYTES = 768,
    GBILL_CHUNK_EVENTS_MAX = 10000,
    GBILL_QUEUE_BYTES_MIN = 512 * 1024,
    GBILL_QUEUE_BYTES_MAX = 1024 * 1024 * 1024,
    GBILL_SPILL_BYTES_MIN = 1024 * 1024
};

/* Written only by a call that fails; every call takes NULL instead. */
struct gbill_err {
    enum gbill_code code;
    char text[GBILL_ERR_TEXT_BYTES]; /* one line: the thing, the value, the remedy */
};

struct gbill; /* a client */

/* Zero means the default, field by field. */
struct gbill_options {
    const char *socket_path; /* the agent's; borrowed during gbill_open(); needed */
    const char *spill_path;  /* where events go while the agent is away; NULL: nowhere */
    uint64_t queue_bytes;    /* events in memory at most; default 4 MiB */
    uint64_t spill_bytes;    /* events in the spill file at most; default 256 MiB */
    uint32_t chunk_events;   /* events acknowledged together at most; default 500 */
};

/* One call of an LLM.  Texts are borrowed during the call, NUL-terminated, UTF-8. */
struct gbill_usage {
    const char *id;              /* 1 to 64 bytes; NULL: a new UUID (version 7) */
    const char *organization_id; /* needed, as are all without "NULL:" */
    const char *user_id;
    const char *project_id;   /* NULL: none */
    const char *type;         /* "generation", "summarization", "chat", "embedding" ... */
    const char *provider;     /* "openai", "anthropic" ... */
    const char *model;        /* as the provider's answer names it */
    const char *service_tier; /* as the provider's answer names it; NULL: standard */
    const char *status;       /* "ok", "error", "429" ...; NULL: not told */
    const char *region; /* where it ran, if that has a price: "us", "eu" ...; NULL: anywhere */
    const char *speed;  /* "fast"; NULL: standard */
    const char *hold;   /* the reservation that it ends (gbill_limit.h); NULL: none */

    /* Counted as this provider counts: schemas/event.md. */
    uint64_t input_tokens, output_tokens;
    uint64_t cached_input_tokens;
    uint64_t cache_write_tokens, cache_write_1h_tokens;
    uint64_t reasoning_tokens; /* part of output_tokens */
    bool estimated;            /* the application counted (gbill_tokens.h), not the provider */
    bool uncounted; /* nobody did: counts of 0 are not told, and bytes (UTF-8) of 0 are */
    uint64_t input_bytes, output_bytes; /* of the texts; welcome with counts too */

    /* Parts of the input, cached input and output tokens above. */
    uint64_t audio_input_tokens, audio_cached_input_tokens, audio_output_tokens;
    uint64_t image_input_tokens, image_cached_input_tokens, image_output_tokens;

    /* Uses that the provider charges by the piece; allowed beside provider_usage. */
    uint64_t web_searches, web_fetches, file_searches, code_sessions;

    uint64_t latency_ms;       /* 0: not told */
    int64_t created_at_utc_ms; /* since 1970; 0: now */

    /* The provider's own usage object as a msgpack map, instead of the counts above, which
       must then be 0; NULL: none. */
    const void *provider_usage;
    size_t provider_usage_bytes;

    /* A msgpack map of at most 32 scalars; NULL: none. */
    const void *metadata;
    size_t metadata_bytes;
};

/* What gbill_check() tells.  events_taken + events_found = events_acked + what still waits. */
struct gbill_check {
    bool connected;          /* to an agent, as far as is known */
    uint64_t events_taken;   /* by gbill_track() and gbill_track_record() */
    uint64_t events_found;   /* in the spill file when it was opened */
    uint64_t events_acked;   /* on the agent's disk */
    uint64_t events_refused; /* with GBILL_FULL */
    uint64_t events_spilled; /* in the spill file now */
    uint64_t queue_bytes;    /* in memory now */
    uint64_t spill_bytes;    /* in the spill file now */
    uint64_t chunks_acked;   /* messages, each of up to chunk_events events */
    uint64_t chunks_resent;  /* each time that one was sent again over a new connection */
    uint64_t connects;       /* connections made */
    uint64_t damaged_bytes;  /* found in the spill file; kept in <spill_path>.damaged */
    int64_t waiting_ms;      /* since the last ack, while chunks are under way; else 0 */
    char trouble[512];       /* what is wrong at present, with the remedy; "" while all is well */
};

/*
 * Make a client and its thread.  The agent need not be there yet; one try to
 * connect has been made when the call returns, so gbill_check() tells.
 *
 *   ret_client  taken by the caller: gbill_close(); NULL on failure
 *   options     borrowed
 *
 * A spill file is made if it is not there (mode 0600).  Events that an earlier
 * process left in it are sent first.
 *
 * Errors:
 *   GBILL_USAGE    no socket_path, or a number beyond its limits
 *   GBILL_LIMIT    socket_path over 107 bytes, or spill_path over 500
 *   GBILL_BUSY     another client, of whatever process, has the spill file open
 *   GBILL_CORRUPT  the file at spill_path is no spill file: it is left as it is
 *   GBILL_DENIED, GBILL_FULL, GBILL_IO  for the spill file, memory or the thread
 */
GBILL_API enum gbill_code gbill_open(struct gbill **ret_client, const struct gbill_options *options,
                                     struct gbill_err *err) GBILL_MUST_CHECK;

/*
 * Take one usage event; return at once.
 *
 * The event is checked against the contract, so that a mistake shows here and
 * not in the agent's quarantine.
 *
 * Errors: the event is not taken; to call again with the same id is safe.
 *   GBILL_INPUT  the event breaks the contract; the field is named
 *   GBILL_FULL   the queue is full, and so is the spill file or there is none;
 *                counted in events_refused
 *   GBILL_IO     no random numbers for an id
 *   GBILL_USAGE  the client belongs to another process
 */
GBILL_API enum gbill_code gbill_track(struct gbill *client, const struct gbill_usage *usage,
                                      struct gbill_err *err) GBILL_MUST_CHECK;

/*
 * Take one event of any kind, its record ready; return at once.
 *
 *   kind          "usage", "resource" ...: the word behind "gbill." in the tag
 *   entry_utc_ms  the event's time if the record has no createdAt; 0 to year 2106
 *   record        borrowed; one whole msgpack map of at most 32 KiB, which should
 *                 have an "id": without one the agent quarantines it.  Its fields
 *                 are not checked here.
 *
 * Errors as gbill_track(); GBILL_INPUT: kind is unknown or record is no such map.
 */
GBILL_API enum gbill_code gbill_track_record(struct gbill *client, const char *kind,
                                             int64_t entry_utc_ms, const void *record,
                                             size_t record_bytes,
                                             struct gbill_err *err) GBILL_MUST_CHECK;

/*
 * Wait until the queue has room for an event of any size, at most timeout_ms.
 * For a caller that prefers waiting to GBILL_FULL.
 *
 * Errors: GBILL_FULL after timeout_ms, with what stands in the way; GBILL_USAGE.
 */
GBILL_API enum gbill_code gbill_wait(struct gbill *client, uint32_t timeout_ms,
                                     struct gbill_err *err) GBILL_MUST_CHECK;

/*
 * Wait until all that was taken, and all that is in the spill file, is on the
 * agent's disk; at most timeout_ms.  Then put what is left into the spill file
 * and flush that, which takes as long as the disk takes.
 *
 * Errors: nothing is forgotten, gbill_flush() may be called again.
 *   GBILL_SPILLED  what is not acknowledged is in the spill file and survives the
 *                  end of this process and of the machine
 *   GBILL_PEER     some is only in this process's memory
 *   GBILL_USAGE    the client belongs to another process
 */
GBILL_API enum gbill_code gbill_flush(struct gbill *client, uint32_t timeout_ms,
                                      struct gbill_err *err) GBILL_MUST_CHECK;

/*
 * Tell whether events flow.  Asks nobody, so it costs under a microsecond.
 *
 *   ret  filled unless GBILL_USAGE
 *
 * GBILL_OK: the agent takes events.  GBILL_PEER: it is away or has not answered for
 * 5 s; GBILL_DENIED: its socket is not for this user; GBILL_FULL: events are being refused; GBILL_IO: the spill file has failed or
 * was damaged; ret->trouble says more.  What is tracked is kept all the same, except
 * with GBILL_FULL.
 *
 * Whether a plan's limits allow something is another question: gbill_limit.h.
 */
GBILL_API enum gbill_code gbill_check(struct gbill *client,
                                      struct gbill_check *ret) GBILL_MUST_CHECK;

/*
 * End the client; NULL is allowed.  With a spill file, what is not acknowledged
 * is put there and flushed; without, it may or may not be in the log: call
 * gbill_flush() first.  Waits for the disk, not for the agent.
 */
GBILL_API void gbill_close(struct gbill *client);

#ifdef __cplusplus
}
#endif
#endif
