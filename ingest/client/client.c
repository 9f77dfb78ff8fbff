#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "ingest/client/sender.h"
#include "ingest/client/usage.h"
#include "store/base/clock.h"
#include "store/base/hash.h"

#define NS_PER_MS ((int64_t)1000000)
#define NS_PER_S ((int64_t)1000000000)

enum {
    QUEUE_BYTES = 4 * 1024 * 1024,
    SPILL_BYTES = 256 * 1024 * 1024,
    CHUNK_EVENTS = 500,
    SILENT_MS = 5000, /* an agent that has chunks and says nothing for so long is in trouble */
    UUID_BYTES = 16,
};

enum gbill_code
client_give(enum err_code code, const struct err *from, struct gbill_err *to)
{
    enum gbill_code out = (enum gbill_code)err_exit_status(code);
    if (code != ERR_OK && to != NULL) {
        to->code = out;
        snprintf(to->text, sizeof to->text, "%s", from->text);
    }
    return out;
}

/* In the child of a fork nothing may be touched: another thread may have held the mutex. */
enum err_code
client_check_owner(const struct gbill *client, struct err *err)
{
    if (client->mark != NULL ? *client->mark != 0 : client->owner == getpid())
        return ERR_OK;
    return err_set(err, ERR_USAGE,
                   "this client belongs to process %ld; open one in this process, after fork()",
                   (long)client->owner);
}

static enum err_code
check_options(const struct gbill_options *options, struct err *err)
{
    if (options->socket_path == NULL || options->socket_path[0] == '\0')
        return err_set(err, ERR_USAGE, "gbill_open: socket_path is missing");
    if (options->chunk_events > GBILL_CHUNK_EVENTS_MAX)
        return err_set(err, ERR_USAGE, "gbill_open: chunk_events is %" PRIu32 ", limit is %d",
                       options->chunk_events, GBILL_CHUNK_EVENTS_MAX);
    if (options->queue_bytes != 0 && (options->queue_bytes < GBILL_QUEUE_BYTES_MIN ||
                                      options->queue_bytes > GBILL_QUEUE_BYTES_MAX))
        return err_set(err, ERR_USAGE, "gbill_open: queue_bytes is %" PRIu64 ", must be %d to %d",
                       options->queue_bytes, GBILL_QUEUE_BYTES_MIN, GBILL_QUEUE_BYTES_MAX);
    if (options->spill_bytes != 0 &&
        (options->spill_bytes < GBILL_SPILL_BYTES_MIN || options->spill_bytes > INT64_MAX / 2))
        return err_set(err, ERR_USAGE, "gbill_open: spill_bytes is %" PRIu64 ", must be %d or more",
                       options->spill_bytes, GBILL_SPILL_BYTES_MIN);
    return ERR_OK;
}

static uint64_t
or_default(uint64_t given, uint64_t def)
{
    return given != 0 ? given : def;
}

static enum err_code
init_locks(struct gbill *client, struct err *err)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int failed = pthread_mutex_init(&client->mutex, NULL);
    if (failed == 0)
        failed = pthread_cond_init(&client->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (failed == 0 && !local_init(&client->local))
        failed = ENOMEM;
    return failed == 0 ? ERR_OK : err_set_errno(err, failed, "cannot make a lock");
}

/* To ask for the process's id is a system call, which for each event would be much of its cost. */
static void
mark_owner(struct gbill *client)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    client->owner = getpid();
    if (page == MAP_FAILED)
        return;
    if (madvise(page, page_bytes, MADV_WIPEONFORK) == 0) {
        *(uint8_t *)page = 1;
        client->mark = page;
    } else {
        munmap(page, page_bytes);
    }
}

static enum err_code
init(struct gbill *client, const struct gbill_options *options, struct err *err)
{
    mark_owner(client);
    client->wake_fd = client->spill.fd = client->wire.fd = -1;
    enum err_code code = init_locks(client, err);
    if (code == ERR_OK)
        code = wire_init(&client->wire, options->socket_path, err);
    if (code != ERR_OK)
        return code;
    buf_init(&client->record, EVENT_RECORD_BYTES_MAX);
    if (!buf_reserve(&client->record, EVENT_RECORD_BYTES_MAX) ||
        !queue_init(&client->queue, or_default(options->queue_bytes, QUEUE_BYTES),
                    (uint32_t)or_default(options->chunk_events, CHUNK_EVENTS)))
        return err_set(err, ERR_IO, "out of memory for the queue");
    client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (client->wake_fd < 0)
        return err_set_errno(err, errno, "cannot make a descriptor to wake the client's thread");
    if (options->spill_path != NULL)
        code = spill_open(&client->spill, options->spill_path,
                          or_default(options->spill_bytes, SPILL_BYTES), err);
    return code;
}

static void
clear(struct gbill *client, bool is_ours)
{
    spill_close(&client->spill, is_ours);
    wire_clear(&client->wire);
    if (client->wake_fd >= 0)
        close(client->wake_fd);
    while (client->line_count > 0)
        close(client->lines[--client->line_count]);
    local_clear(&client->local, is_ours);
    buf_clear(&client->record);
    queue_clear(&client->queue);
    if (is_ours) {
        pthread_cond_destroy(&client->changed);
        pthread_mutex_destroy(&client->mutex);
    }
    if (client->mark != NULL)
        munmap((void *)(uintptr_t)client->mark, (size_t)sysconf(_SC_PAGESIZE));
    free(client);
}

enum gbill_code
gbill_open(struct gbill **ret_client, const struct gbill_options *options, struct gbill_err *out)
{
    struct err err;
    *ret_client = NULL;
    enum err_code code = check_options(options, &err);
    if (code != ERR_OK)
        return client_give(code, &err, out);
    struct gbill *client = calloc(1, sizeof *client);
    if (client == NULL)
        return client_give(err_set(&err, ERR_IO, "out of memory for a client"), &err, out);
    code = init(client, options, &err);
    if (code == ERR_OK)
        code = sender_start(client, &err);
    if (code != ERR_OK) {
        clear(client, true);
        return client_give(code, &err, out);
    }
    *ret_client = client;
    return GBILL_OK;
}

void
gbill_close(struct gbill *client)
{
    if (client == NULL)
        return;
    bool is_ours = client->owner == getpid();
    if (is_ours)
        sender_end(client);
    clear(client, is_ours);
}

/* Random bytes from a stock, since a system call for each event would be most of its cost. */
static enum err_code
draw(struct gbill *client, uint8_t *random, size_t size_bytes, struct err *err)
{
    if (client->random_left < size_bytes) {
        ssize_t n;
        do
            n = getrandom(client->random, sizeof client->random, 0);
        while (n < 0 && errno == EINTR);
        if (n < (ssize_t)size_bytes)
            return err_set_errno(err, errno, "cannot draw random bytes for an id");
        client->random_left = (size_t)n;
    }
    client->random_left -= size_bytes;
    memcpy(random, client->random + client->random_left, size_bytes);
    return ERR_OK;
}

/* RFC 9562, version 7: 48 bits of milliseconds, then 74 random ones. */
enum err_code
client_make_id(struct gbill *client, int64_t now_ms, char text[CLIENT_ID_TEXT_BYTES],
               struct err *err)
{
    static const uint8_t group_ends[] = {4, 6, 8, 10, UUID_BYTES};
    uint8_t id[UUID_BYTES], time[8];
    enum err_code code = draw(client, id, sizeof id, err);
    if (code != ERR_OK)
        return code;
    put_be64(time, (uint64_t)now_ms);
    memcpy(id, time + 2, 6);
    id[6] = (uint8_t)(0x70 | (id[6] & 0x0f));
    id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
    size_t from = 0;
    for (size_t i = 0; i < sizeof group_ends; i++) {
        hash_hex(id + from, group_ends[i] - from, text);
        text += 2 * (group_ends[i] - from);
        *text++ = i + 1 < sizeof group_ends ? '-' : '\0';
        from = group_ends[i];
    }
    return ERR_OK;
}

static enum err_code
set_full(struct gbill *client, struct err *err)
{
    const struct gbill_check *check = &client->check;
    const char *why = client->spill_trouble[0] != '\0' ? client->spill_trouble
                      : check->trouble[0] != '\0'      ? check->trouble
                                                       : "the agent is slower than the events come";
    return err_set(err, ERR_FULL, "the queue is full (%zu bytes): %s", client->queue.memory_bytes,
                   why);
}

/* Append to the queue; the mutex is held.  ret_wake: sender_wake() is due. */
static enum err_code
take(struct gbill *client, enum event_kind kind, int64_t at_ms, struct bytes record, bool *ret_wake,
     struct err *err)
{
    uint8_t chunk_id[CHUNK_ID_BYTES];
    bool sealed;
    enum err_code code = draw(client, chunk_id, sizeof chunk_id, err);
    if (code != ERR_OK)
        return code;
    bool taken = queue_add(&client->queue, kind, at_ms, record, chunk_id, &sealed);
    client->refused_last = !taken;
    if (taken)
        client->check.events_taken++;
    else
        client->check.events_refused++;
    *ret_wake = sender_must_wake(client, sealed ? WAKE_FOR_SEALED : WAKE_FOR_EVENT);
    return taken ? ERR_OK : set_full(client, err);
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

static enum err_code
check_record(const char *kind, int64_t entry_utc_ms, struct bytes record, enum event_kind *ret_kind,
             struct err *err)
{
    if (!event_kind_find(str_of(kind), ret_kind))
        return err_set(err, ERR_INPUT, "\"%s\" is no kind of event; see schemas/event.md", kind);
    if (record.size_bytes > EVENT_RECORD_BYTES_MAX)
        return err_set(err, ERR_INPUT, "the record has %zu bytes, limit is %d", record.size_bytes,
                       EVENT_RECORD_BYTES_MAX);
    if (!is_one_map(record))
        return err_set(err, ERR_INPUT, "the record is not one whole msgpack map");
    if (entry_utc_ms < 0 || entry_utc_ms > CHUNK_UTC_MS_MAX)
        return err_set(err, ERR_INPUT,
                       "the event's time is %" PRId64 " ms, must lie in 0 to %" PRId64,
                       entry_utc_ms, CHUNK_UTC_MS_MAX);
    return ERR_OK;
}

enum gbill_code
gbill_track_record(struct gbill *client, const char *kind, int64_t entry_utc_ms, const void *record,
                   size_t record_bytes, struct gbill_err *out)
{
    struct err err;
    bool must_wake = false;
    enum event_kind k;
    struct bytes b = {record, record_bytes};
    enum err_code code = client_check_owner(client, &err);
    if (code == ERR_OK)
        code = check_record(kind, entry_utc_ms, b, &k, &err);
    if (code == ERR_OK) {
        pthread_mutex_lock(&client->mutex);
        code = take(client, k, entry_utc_ms, b, &must_wake, &err);
        pthread_mutex_unlock(&client->mutex);
    }
    if (must_wake)
        sender_wake(client);
    return client_give(code, &err, out);
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

static enum err_code
track(struct gbill *client, const struct gbill_usage *usage, bool *ret_wake, struct err *err)
{
    const struct clock clock = clock_system();
    int64_t now_ms = clock_now_ms(&clock);
    int64_t at_ms = usage->created_at_utc_ms != 0 ? usage->created_at_utc_ms : now_ms;
    char made_id[CLIENT_ID_TEXT_BYTES];
    const char *id = usage->id != NULL ? usage->id : made_id;
    struct event event;
    struct event_defect defect;

    enum err_code code = ERR_OK;
    if (usage->id == NULL)
        code = client_make_id(client, now_ms, made_id, err);
    if (code != ERR_OK)
        return code;
    client->record.size_bytes = 0;
    if (!usage_pack(usage, id, &client->record))
        return err_set(err, ERR_INPUT, "the event takes more than %d bytes",
                       EVENT_RECORD_BYTES_MAX);
    struct bytes record = {client->record.data, client->record.size_bytes};
    if (!event_parse(EVENT_USAGE, record, at_ms, &event, &defect))
        return err_set(err, ERR_INPUT, "%s", defect.text);
    if (at_ms < 0 || at_ms > CHUNK_UTC_MS_MAX)
        return err_set(err, ERR_INPUT,
                       "created_at_utc_ms is %" PRId64 ", must lie in 0 to %" PRId64, at_ms,
                       CHUNK_UTC_MS_MAX);
    return take(client, EVENT_USAGE, at_ms, record, ret_wake, err);
}

enum gbill_code
gbill_track(struct gbill *client, const struct gbill_usage *usage, struct gbill_err *out)
{
    struct err err;
    bool must_wake = false;
    enum err_code code = client_check_owner(client, &err);
    if (code == ERR_OK)
        code = check_usage_maps(usage, &err);
    if (code == ERR_OK) {
        pthread_mutex_lock(&client->mutex);
        code = track(client, usage, &must_wake, &err);
        pthread_mutex_unlock(&client->mutex);
    }
    if (must_wake)
        sender_wake(client);
    return client_give(code, &err, out);
}

/* Wait for a change until the deadline, if there is one (> 0); false: it has passed. */
static bool
wait_for_change(struct gbill *client, int64_t deadline_ns)
{
    if (deadline_ns == 0)
        return pthread_cond_wait(&client->changed, &client->mutex) == 0;
    struct timespec at = {.tv_sec = deadline_ns / NS_PER_S, .tv_nsec = deadline_ns % NS_PER_S};
    return pthread_cond_timedwait(&client->changed, &client->mutex, &at) != ETIMEDOUT;
}

static int64_t
deadline_after(uint32_t timeout_ms)
{
    return clock_monotonic_ns() + timeout_ms * NS_PER_MS;
}

enum gbill_code
gbill_wait(struct gbill *client, uint32_t timeout_ms, struct gbill_err *out)
{
    struct err err;
    int64_t deadline_ns = deadline_after(timeout_ms);
    bool in_time = true;
    enum err_code code = client_check_owner(client, &err);
    if (code != ERR_OK)
        return client_give(code, &err, out);
    pthread_mutex_lock(&client->mutex);
    while (in_time && !queue_has_room(&client->queue, EVENT_RECORD_BYTES_MAX))
        in_time = wait_for_change(client, deadline_ns);
    if (!queue_has_room(&client->queue, EVENT_RECORD_BYTES_MAX))
        code = set_full(client, &err);
    pthread_mutex_unlock(&client->mutex);
    return client_give(code, &err, out);
}

/* Are the events before this one acknowledged, and all that is in the spill file? */
static bool
is_acked_before(struct gbill *client, uint64_t event)
{
    return client->is_recovered && client->check.events_spilled == 0 &&
           (client->queue.count == 0 || queue_chunk(&client->queue, 0)->first_event >= event);
}

static uint64_t
unacked(const struct gbill_check *check)
{
    return check->events_taken + check->events_found - check->events_acked;
}

static enum err_code
set_unacked(const struct gbill *client, uint32_t waited_ms, struct err *err)
{
    const struct gbill_check *check = &client->check;
    const char *why = check->trouble[0] != '\0' ? check->trouble
                      : check->connected
                          ? "the agent is connected but silent; see that its disk is not full"
                          : "there is no connection";
    bool is_kept = client->wish_code == ERR_OK;
    return err_set(err, ERR_PEER,
                   "%" PRIu64 " events are not acknowledged after %" PRIu32 " ms%s%s%s: %s",
                   unacked(check), waited_ms, is_kept ? ", but kept in the spill file" : "",
                   client->spill_trouble[0] != '\0' ? "; " : "", client->spill_trouble, why);
}

/* Have the queue put on disk; the mutex is held. */
static void
wish_for_spill(struct gbill *client, uint64_t target)
{
    uint64_t wish = ++client->spill_wishes;
    if (sender_must_wake(client, WAKE_FOR_CALL))
        sender_wake(client);
    while (client->wishes_granted < wish && !is_acked_before(client, target))
        wait_for_change(client, 0);
}

enum gbill_code
gbill_flush(struct gbill *client, uint32_t timeout_ms, struct gbill_err *out)
{
    struct err err;
    int64_t deadline_ns = deadline_after(timeout_ms);
    bool in_time = true, is_kept = false;
    enum err_code code = client_check_owner(client, &err);
    if (code != ERR_OK)
        return client_give(code, &err, out);
    pthread_mutex_lock(&client->mutex);
    uint64_t target = client->queue.next_event;
    while (in_time && !is_acked_before(client, target))
        in_time = wait_for_change(client, deadline_ns);
    if (!is_acked_before(client, target))
        wish_for_spill(client, target);
    if (!is_acked_before(client, target)) {
        is_kept = client->wish_code == ERR_OK;
        code = set_unacked(client, timeout_ms, &err);
    }
    pthread_mutex_unlock(&client->mutex);
    enum gbill_code told = client_give(code, &err, out);
    if (!is_kept)
        return told;
    if (out != NULL)
        out->code = GBILL_SPILLED;
    return GBILL_SPILLED;
}

static enum gbill_code
judge(const struct gbill *client, const struct gbill_check *check)
{
    if (client->refused_last && !queue_has_room(&client->queue, EVENT_RECORD_BYTES_MAX))
        return GBILL_FULL;
    if (client->is_denied)
        return GBILL_DENIED;
    if (!check->connected || check->waiting_ms >= SILENT_MS)
        return GBILL_PEER;
    return client->spill_trouble[0] != '\0' ? GBILL_IO : GBILL_OK;
}

enum gbill_code
gbill_check(struct gbill *client, struct gbill_check *ret)
{
    struct err err;
    if (client_check_owner(client, &err) != ERR_OK)
        return GBILL_USAGE;
    pthread_mutex_lock(&client->mutex);
    *ret = client->check;
    ret->queue_bytes = client->queue.used_bytes;
    if (client->under_way > 0)
        ret->waiting_ms = (clock_monotonic_ns() - client->progress_ns) / NS_PER_MS;
    enum gbill_code code = judge(client, ret);
    const char *wire = client->check.trouble, *spill = client->spill_trouble;
    /* What went wrong before the present connection is of the past, once it is idle or acks. */
    if (ret->connected && client->under_way == 0)
        wire = "";
    else if (wire[0] == '\0' && code == GBILL_PEER)
        wire = "the agent is connected but silent; see that its disk is not full";
    snprintf(ret->trouble, sizeof ret->trouble, "%s%s%s", wire,
             wire[0] != '\0' && spill[0] != '\0' ? "; " : "", spill);
    if (code == GBILL_FULL && ret->trouble[0] == '\0')
        snprintf(ret->trouble, sizeof ret->trouble, "events come faster than the agent takes them");
    pthread_mutex_unlock(&client->mutex);
    return code;
}
