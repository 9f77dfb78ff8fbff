#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

#include "ingest/client/usage.h"
#include "ingest/client/wire.h"
#include "store/base/clock.h"
#include "store/base/hash.h"

#define NS_PER_MS ((int64_t)1000000)

enum { WAIT_STEP_MS = 200 };

_Static_assert(EVENT_RECORD_BYTES_MAX + 256 < GBILL_CHUNK_BYTES_MAX, "a record fits in a chunk");

static uint32_t
or_default(uint32_t given, uint32_t def)
{
    return given != 0 ? given : def;
}

static enum err_code
check_options(const struct gbill_options *options, struct err *err)
{
    if (options->socket_path == NULL || options->socket_path[0] == '\0')
        return err_set(err, ERR_USAGE, "gbill_open: socket_path is missing");
    if (options->chunk_events > GBILL_CHUNK_EVENTS_MAX)
        return err_set(err, ERR_USAGE, "gbill_open: chunk_events is %" PRIu32 ", limit is %d",
                       options->chunk_events, GBILL_CHUNK_EVENTS_MAX);
    if (options->window_chunks > GBILL_WINDOW_CHUNKS_MAX)
        return err_set(err, ERR_USAGE, "gbill_open: window_chunks is %" PRIu32 ", limit is %d",
                       options->window_chunks, GBILL_WINDOW_CHUNKS_MAX);
    size_t path_bytes = strlen(options->socket_path);
    size_t limit_bytes = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    if (path_bytes > limit_bytes)
        return err_set(err, ERR_LIMIT,
                       "%s: the socket's path has %zu bytes, the kernel's limit is %zu; use a "
                       "shorter or a relative one",
                       options->socket_path, path_bytes, limit_bytes);
    return ERR_OK;
}

static enum err_code
draw(uint8_t *random, size_t size_bytes, struct err *err)
{
    ssize_t n;
    do
        n = getrandom(random, size_bytes, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)size_bytes)
        return err_set_errno(err, errno, "cannot draw random bytes for an id");
    return ERR_OK;
}

/* Why the agent cannot be reached, with the remedy. */
static enum err_code
set_absent(const struct gbill *client, struct err *err)
{
    const char *path = client->address.sun_path;
    int e = client->connect_errno;
    if (e == EACCES || e == EPERM)
        return err_set(err, ERR_DENIED,
                       "%s: permission denied; the agent's socket is for its user and group, run "
                       "as a member of it",
                       path);
    if (e == EMFILE || e == ENFILE || e == ENOMEM || e == ENOBUFS)
        return err_set(err, ERR_IO, "%s: cannot make a socket: %s", path, strerror(e));
    return err_set(err, ERR_PEER, "%s: no agent listens there (%s); start gbill-agent", path,
                   strerror(e));
}

static uint64_t
unacked(const struct gbill *client)
{
    return client->stats.events_tracked - client->stats.events_acked;
}

static enum err_code
set_timeout(const struct gbill *client, int64_t waited_ms, struct err *err)
{
    const char *why = client->trouble[0] != '\0' ? client->trouble : "it is connected but silent";
    return err_set(err, ERR_PEER,
                   "%s: the agent acknowledged nothing for %" PRId64 " ms (%s), %" PRIu64
                   " events are not acknowledged; see that gbill-agent runs and its disk is not "
                   "full, then send them again",
                   client->address.sun_path, waited_ms, why, unacked(client));
}

typedef bool wait_done(const struct gbill *client);

/* Even if the agent has closed the connection since: it is there, and will be asked again. */
static bool
was_connected(const struct gbill *client)
{
    return client->stats.connects > 0;
}

static bool
has_room_in_window(const struct gbill *client)
{
    return client->sealed_count < client->options.window_chunks;
}

static bool
has_nothing_sealed(const struct gbill *client)
{
    return client->sealed_count == 0;
}

/*
 * Step until done, at most to deadline_ns (clock_monotonic_ns) or for timeout_ms
 * without an ack.  An ack from before this wait does not count against it: the
 * application may have been away for an hour.
 */
static enum err_code
wait_for(struct gbill *client, wait_done *done, int64_t deadline_ns, struct err *err)
{
    int64_t start_ns = clock_monotonic_ns();
    wire_step(client, 0);
    while (!done(client)) {
        int64_t since_ns = client->progress_ns > start_ns ? client->progress_ns : start_ns;
        int64_t end_ns = since_ns + client->options.timeout_ms * NS_PER_MS;
        int64_t now_ns = clock_monotonic_ns();
        if (end_ns > deadline_ns)
            end_ns = deadline_ns;
        if (now_ns >= end_ns)
            return set_timeout(client, (now_ns - since_ns) / NS_PER_MS, err);
        int64_t left_ms = (end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
        wire_step(client, left_ms < WAIT_STEP_MS ? (int)left_ms : WAIT_STEP_MS);
        if (client->options.on_wait != NULL)
            client->options.on_wait(client->options.on_wait_context, &client->stats);
    }
    return ERR_OK;
}

static enum err_code
connect_first(struct gbill *client, struct err *err)
{
    wire_step(client, 0);
    if (was_connected(client))
        return ERR_OK;
    /* EAGAIN: an agent is there, its queue of connections is full just now. */
    if (!client->options.wait_for_agent && client->connect_errno != EAGAIN)
        return set_absent(client, err);
    enum err_code code = wait_for(client, was_connected, INT64_MAX, err);
    return code != ERR_OK ? set_absent(client, err) : ERR_OK;
}

enum err_code
gbill_open(struct gbill **ret_client, const struct gbill_options *options, struct err *err)
{
    *ret_client = NULL;
    enum err_code code = check_options(options, err);
    if (code != ERR_OK)
        return code;
    struct gbill *client = calloc(1, sizeof *client);
    if (client == NULL)
        return err_set(err, ERR_IO, "out of memory for a client");
    client->options = *options;
    client->options.chunk_events = or_default(options->chunk_events, 500);
    client->options.window_chunks = or_default(options->window_chunks, 8);
    client->options.timeout_ms = or_default(options->timeout_ms, 30000);
    client->options.socket_path = NULL; /* was only borrowed; the address has it */
    client->address.sun_family = AF_UNIX;
    memcpy(client->address.sun_path, options->socket_path, strlen(options->socket_path));
    client->fd = -1;
    client->backoff_ms = GBILL_BACKOFF_MS_MIN;
    for (size_t i = 0; i <= client->options.window_chunks && code == ERR_OK; i++) {
        if (!chunk_init(&client->chunks[i], GBILL_CHUNK_BYTES_MAX))
            code = err_set(err, ERR_IO, "out of memory for a chunk of %d bytes",
                           GBILL_CHUNK_BYTES_MAX);
        client->spare[client->spare_count++] = &client->chunks[i];
    }
    buf_init(&client->record, EVENT_RECORD_BYTES_MAX);
    if (code == ERR_OK && !buf_reserve(&client->record, EVENT_RECORD_BYTES_MAX))
        code = err_set(err, ERR_IO, "out of memory for a record");
    if (code == ERR_OK)
        code = connect_first(client, err);
    if (code != ERR_OK) {
        gbill_close(client);
        return code;
    }
    *ret_client = client;
    return ERR_OK;
}

void
gbill_close(struct gbill *client)
{
    if (client == NULL)
        return;
    wire_close(client);
    for (size_t i = 0; i <= GBILL_WINDOW_CHUNKS_MAX; i++)
        chunk_clear(&client->chunks[i]);
    buf_clear(&client->record);
    free(client);
}

static void
seal_open(struct gbill *client)
{
    assert(has_room_in_window(client));
    chunk_seal(client->open);
    client->sealed[client->sealed_count++] = client->open;
    client->open = NULL;
}

/* See that the open chunk can take a record; wait for the window if it is full. */
static enum err_code
make_room(struct gbill *client, enum event_kind kind, size_t record_bytes, struct err *err)
{
    const struct chunk *open = client->open;
    if (open != NULL && (open->kind != kind || open->event_count >= client->options.chunk_events ||
                         !chunk_has_room(open, record_bytes))) {
        enum err_code code = wait_for(client, has_room_in_window, INT64_MAX, err);
        if (code != ERR_OK)
            return code;
        seal_open(client);
        wire_step(client, 0);
    }
    if (client->open != NULL)
        return ERR_OK;
    uint8_t id[CHUNK_ID_BYTES];
    enum err_code code = draw(id, sizeof id, err);
    if (code != ERR_OK)
        return code;
    assert(client->spare_count > 0); /* one more than the window */
    client->open = client->spare[--client->spare_count];
    chunk_begin(client->open, kind, id);
    return ERR_OK;
}

/* After an event was taken: send a full chunk, or any when the wire is idle. */
static void
send_without_waiting(struct gbill *client)
{
    bool full = client->open->event_count >= client->options.chunk_events;
    if (!full && client->options.fill_chunks)
        return;
    if (client->sealed_count > 0)
        wire_step(client, 0);
    if (full ? has_room_in_window(client) : client->sealed_count == 0) {
        seal_open(client);
        wire_step(client, 0);
    }
}

static bool
is_one_map(struct bytes b)
{
    struct mp m = mp_of(b);
    struct mp_value head;
    struct mp peek = m;
    return b.size_bytes > 0 && mp_read(&peek, &head) && head.type == MP_MAP && mp_skip(&m) &&
           m.p == m.end;
}

enum err_code
gbill_track_record(struct gbill *client, const char *kind, int64_t entry_utc_ms, const void *record,
                   size_t record_bytes, struct err *err)
{
    enum event_kind k;
    struct bytes b = {record, record_bytes};
    if (!event_kind_find(str_of(kind), &k))
        return err_set(err, ERR_INPUT, "\"%s\" is no kind of event; see schemas/event.md", kind);
    if (record_bytes > EVENT_RECORD_BYTES_MAX)
        return err_set(err, ERR_INPUT, "the record has %zu bytes, limit is %d", record_bytes,
                       EVENT_RECORD_BYTES_MAX);
    if (!is_one_map(b))
        return err_set(err, ERR_INPUT, "the record is not one whole msgpack map");
    if (entry_utc_ms < 0 || entry_utc_ms > CHUNK_UTC_MS_MAX)
        return err_set(err, ERR_INPUT,
                       "the event's time is %" PRId64 " ms, must lie in 0 to %" PRId64,
                       entry_utc_ms, CHUNK_UTC_MS_MAX);
    enum err_code code = make_room(client, k, record_bytes, err);
    if (code != ERR_OK)
        return code;
    chunk_add(client->open, entry_utc_ms, b);
    client->stats.events_tracked++;
    send_without_waiting(client);
    return ERR_OK;
}

/* The maps go into the record as they are, so each must be one whole value. */
static enum err_code
check_usage_maps(const struct gbill_usage *u, struct err *err)
{
    struct bytes usage = {u->provider_usage, u->provider_usage_bytes};
    struct bytes metadata = {u->metadata, u->metadata_bytes};
    if (usage.data != NULL && !is_one_map(usage))
        return err_set(err, ERR_INPUT, "provider_usage is not one whole msgpack map");
    if (metadata.data != NULL && !is_one_map(metadata))
        return err_set(err, ERR_INPUT, "metadata is not one whole msgpack map");
    return ERR_OK;
}

enum err_code
gbill_track_usage(struct gbill *client, const struct gbill_usage *usage, struct err *err)
{
    const struct clock clock = clock_system();
    char drawn_text[CHUNK_ID_TEXT_BYTES + 1];
    const char *id = usage->id;
    struct event event;
    struct event_defect defect;

    enum err_code code = check_usage_maps(usage, err);
    if (code != ERR_OK)
        return code;
    if (id == NULL) {
        uint8_t drawn[CHUNK_ID_BYTES];
        code = draw(drawn, sizeof drawn, err);
        if (code != ERR_OK)
            return code;
        hash_hex(drawn, sizeof drawn, drawn_text);
        id = drawn_text;
    }
    client->record.size_bytes = 0;
    if (!usage_pack(usage, id, &client->record))
        return err_set(err, ERR_INPUT, "the event takes more than %d bytes",
                       EVENT_RECORD_BYTES_MAX);
    int64_t at_ms = usage->created_at_utc_ms != 0 ? usage->created_at_utc_ms : clock_now_ms(&clock);
    struct bytes record = {client->record.data, client->record.size_bytes};
    if (!event_parse(EVENT_USAGE, record, at_ms, &event, &defect))
        return err_set(err, ERR_INPUT, "%s", defect.text);
    return gbill_track_record(client, "usage", at_ms, record.data, record.size_bytes, err);
}

enum err_code
gbill_flush(struct gbill *client, int64_t timeout_ms, struct err *err)
{
    int64_t deadline_ns = INT64_MAX;
    if (timeout_ms >= 0 && timeout_ms < INT64_MAX / NS_PER_MS / 2)
        deadline_ns = clock_monotonic_ns() + timeout_ms * NS_PER_MS;
    enum err_code code = ERR_OK;
    if (client->open != NULL) {
        code = wait_for(client, has_room_in_window, deadline_ns, err);
        if (code != ERR_OK)
            return code;
        seal_open(client);
    }
    return client->sealed_count > 0 ? wait_for(client, has_nothing_sealed, deadline_ns, err)
                                    : ERR_OK;
}

void
gbill_work(struct gbill *client, uint32_t timeout_ms)
{
    int64_t end_ns = clock_monotonic_ns() + timeout_ms * NS_PER_MS;
    for (;;) {
        wire_step(client, 0);
        if (client->sealed_count == 0 && client->open != NULL && !client->options.fill_chunks) {
            seal_open(client);
            wire_step(client, 0);
        }
        int64_t left_ms = (end_ns - clock_monotonic_ns() + NS_PER_MS - 1) / NS_PER_MS;
        if (left_ms <= 0 || client->sealed_count == 0)
            return;
        wire_step(client, left_ms < WAIT_STEP_MS ? (int)left_ms : WAIT_STEP_MS);
    }
}

struct gbill_stats
gbill_stats(const struct gbill *client)
{
    return client->stats;
}
