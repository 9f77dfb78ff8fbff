/*
 * ingest/client/gbill.h - the C client: hand usage events to gbill-agent and
 * know that they are on its disk.
 *
 *     struct gbill *client = NULL;
 *     struct err err;
 *     const struct gbill_options options = {.socket_path = "/var/lib/gbill/agent.sock"};
 *     const struct gbill_usage usage = {
 *         .organization_id = "acme", .user_id = "u-17", .type = "chat", .provider = "openai",
 *         .model = "gpt-4o-mini", .input_tokens = 150, .output_tokens = 300};
 *     if (gbill_open(&client, &options, &err) != ERR_OK ||
 *         gbill_track_usage(client, &usage, &err) != ERR_OK ||
 *         gbill_flush(client, 1000, &err) != ERR_OK)
 *             fprintf(stderr, "%s\n", err.text);
 *     gbill_close(client);
 *
 * Promises:
 *   - An event is acknowledged (gbill_flush() says ERR_OK) only when the agent has
 *     flushed it to its log.
 *   - Every event has an id before it is first sent, and its bytes never change
 *     after that: whatever the client sends again is the same event, counted once.
 *   - Memory is bounded: (window_chunks + 1) chunks, see gbill_options.
 *   - An agent that is restarted, or killed, is connected to anew and gets again
 *     all that it had not acknowledged.
 *
 * It has no thread of its own.  Bytes move inside the calls below, which wait
 * (in poll) only where they say so.  One thread at a time per client; a client
 * does not survive a fork.  SIGPIPE is never raised.
 *
 * Wire: Fluentd forward protocol v1, PackedForward with acks; ingest/DESIGN.md.
 * Fields and their bounds: schemas/event.md.  How it works: DESIGN.md here.
 */
#ifndef INGEST_CLIENT_GBILL_H
#define INGEST_CLIENT_GBILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

enum {
    GBILL_CHUNK_EVENTS_MAX = 10000,
    GBILL_CHUNK_BYTES_MAX = 512 * 1024, /* a chunk with all that stands around its events */
    GBILL_WINDOW_CHUNKS_MAX = 64,
    GBILL_BACKOFF_MS_MIN = 10,   /* the first pause before connecting again ... */
    GBILL_BACKOFF_MS_MAX = 1000, /* ... which doubles up to this */
};

struct gbill; /* a client */

struct gbill_stats {
    uint64_t events_tracked;
    uint64_t events_acked;
    uint64_t chunks_acked;
    uint64_t chunks_resent; /* each time that one was sent again */
    uint64_t connects;      /* connections made */
};

/* Zero means the default, field by field. */
struct gbill_options {
    const char *socket_path; /* borrowed during gbill_open(); needed */
    uint32_t chunk_events;   /* events in a chunk at most; default 500 */
    uint32_t window_chunks;  /* chunks sent but not acknowledged at most; default 8 */
    uint32_t timeout_ms;     /* give up waiting after so long without an ack; default 30000 */

    /* Send only full chunks until gbill_flush(); else also what there is whenever nothing is
       under way, which is the quickest for single events. */
    bool fill_chunks;

    /* Let gbill_open() wait for an agent that is not there yet, up to timeout_ms. */
    bool wait_for_agent;

    /* Called about every 200 ms while a call waits; may be NULL; must not call the client. */
    void (*on_wait)(void *context, const struct gbill_stats *stats);
    void *on_wait_context;
};

/* One call of an LLM.  Texts are borrowed during the call, NUL-terminated, UTF-8. */
struct gbill_usage {
    const char *id;              /* 1 to 64 bytes; NULL: a new random one */
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

    /* Counted as this provider counts: schemas/event.md. */
    uint64_t input_tokens, output_tokens;
    uint64_t cached_input_tokens;
    uint64_t cache_write_tokens, cache_write_1h_tokens;
    uint64_t reasoning_tokens; /* part of output_tokens */

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

/*
 * Make a client and connect it.
 *
 *   ret_client  taken by the caller: gbill_close(); NULL on failure
 *   options     borrowed
 *
 * Errors:
 *   ERR_USAGE      no socket_path, or a number above its limit
 *   ERR_LIMIT      socket_path is longer than the kernel allows (107 bytes)
 *   ERR_PEER       no agent listens there (at once, or after timeout_ms with
 *                  wait_for_agent)
 *   ERR_DENIED     no permission for the socket
 *   ERR_IO         out of memory, sockets or random numbers
 */
enum err_code gbill_open(struct gbill **ret_client, const struct gbill_options *options,
                         struct err *err) ERR_MUST_CHECK;

/*
 * Take one usage event and send what can be sent without waiting; waits only
 * when window_chunks chunks are full and not acknowledged.
 *
 * The event is checked against the contract first, so that a mistake shows here
 * and not in the agent's quarantine.
 *
 * Errors: the event is not taken; to call again with the same id is safe.
 *   ERR_INPUT  the event breaks the contract; the field is named
 *   ERR_PEER   waited timeout_ms without an ack; what was taken before is kept
 *   ERR_IO     out of memory or random numbers
 */
enum err_code gbill_track_usage(struct gbill *client, const struct gbill_usage *usage,
                                struct err *err) ERR_MUST_CHECK;

/*
 * Take one event of any kind, its record ready.
 *
 *   kind          "usage", "resource" ...: the word behind "gbill." in the tag
 *   entry_utc_ms  the event's time if the record has no createdAt; 0 to TIME_MAX_MS - 1
 *   record        borrowed; one whole msgpack map of at most 32 KiB, which should
 *                 have an "id": without one the agent quarantines it.  Its fields
 *                 are not checked here.
 *
 * Events reach the log in the order of these calls.  Waits and fails as
 * gbill_track_usage(); ERR_INPUT: kind is unknown or record is no such map.
 */
enum err_code gbill_track_record(struct gbill *client, const char *kind, int64_t entry_utc_ms,
                                 const void *record, size_t record_bytes,
                                 struct err *err) ERR_MUST_CHECK;

/*
 * Send everything and wait until all of it is acknowledged.
 *
 *   timeout_ms  in all; negative: no end as long as acks come, each within the
 *               options' timeout_ms
 *
 * ERR_PEER: some is not acknowledged; it is kept, and gbill_flush() may be called
 * again.  ERR_OK at once when nothing is left.
 */
enum err_code gbill_flush(struct gbill *client, int64_t timeout_ms, struct err *err) ERR_MUST_CHECK;

/*
 * Move bytes for an application that has nothing to track: send, read acks,
 * connect again if needed; return after timeout_ms (0: never wait), or earlier
 * when nothing is left to do.  What goes wrong is mended by later calls.
 */
void gbill_work(struct gbill *client, uint32_t timeout_ms);

/* What has happened so far. */
struct gbill_stats gbill_stats(const struct gbill *client);

/*
 * Disconnect and free; NULL is allowed.  Does not wait: what gbill_flush() has
 * not seen acknowledged may or may not be in the log.
 */
void gbill_close(struct gbill *client);

#endif
