#include "ingest/client/sender.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "store/base/clock.h"

#define NS_PER_MS ((int64_t)1000000)

enum { SPILL_RETRY_MS = 1000, STACK_BYTES = 256 * 1024 };

bool
sender_must_wake(struct gbill *client, enum wake_for for_what)
{
    if (!client->is_asleep || for_what > client->wake_for)
        return false;
    client->is_asleep = false;
    return true;
}

void
sender_wake(struct gbill *client)
{
    uint64_t one = 1;
    ssize_t n;
    do
        n = write(client->wake_fd, &one, sizeof one);
    while (n < 0 && errno == EINTR);
}

/* What the spill file holds, for all threads; the mutex is held. */
static void
note_spill(struct gbill *client)
{
    const struct spill *spill = &client->spill;
    if (!spill_is_open(spill))
        return;
    client->check.events_spilled = spill->live_events;
    client->check.events_found = spill->found_events;
    client->check.spill_bytes = spill->tail - spill->head;
    client->check.damaged_bytes = spill->damaged_bytes;
}

/* Of these, the loss of the connection makes all that was under way unsent again. */
static void
forget_flights(struct gbill *client)
{
    if (client->flight_count == 0)
        return;
    client->flight_count = 0;
    if (spill_is_open(&client->spill))
        spill_rewind(&client->spill);
    pthread_mutex_lock(&client->mutex);
    queue_untake(&client->queue);
    client->under_way = 0;
    pthread_mutex_unlock(&client->mutex);
}

static void
take_ack(struct gbill *client, const uint8_t id[CHUNK_ID_BYTES])
{
    size_t i = 0;
    while (i < client->flight_count && memcmp(client->flights[i].id, id, CHUNK_ID_BYTES) != 0)
        i++;
    /* Only what was sent whole over this connection can be acknowledged on it. */
    if (i == client->flight_count ||
        (i == client->flight_count - 1 && wire_is_sending(&client->wire))) {
        wire_refuse(&client->wire);
        return;
    }
    wire_accept(&client->wire);
    struct flight flight = client->flights[i];
    client->flight_count--;
    memmove(client->flights + i, client->flights + i + 1,
            (client->flight_count - i) * sizeof flight);
    if (flight.chunk == NULL)
        spill_done(&client->spill, &flight.record);
    pthread_mutex_lock(&client->mutex);
    if (flight.chunk != NULL)
        queue_drop(&client->queue, flight.chunk);
    note_spill(client);
    client->check.events_acked += flight.event_count;
    client->check.chunks_acked++;
    client->under_way = client->flight_count;
    client->progress_ns = clock_monotonic_ns();
    pthread_mutex_unlock(&client->mutex);
}

/* Is a record of the spill file under way already?  It was, before it came there. */
static bool
is_under_way(const struct gbill *client, uint64_t at)
{
    for (size_t i = 0; i < client->flight_count; i++) {
        if (client->flights[i].chunk == NULL && client->flights[i].record.at == at)
            return true;
    }
    return false;
}

static bool
load_from_spill(struct gbill *client, struct flight *flight)
{
    struct spill *spill = &client->spill;
    while (spill_has_unread(spill)) {
        if (!spill_read(spill, &flight->record, client->wire.message))
            return false;
        if (is_under_way(client, flight->record.at))
            continue;
        flight->chunk = NULL;
        flight->event_count = flight->record.event_count;
        memcpy(flight->id, flight->record.id, CHUNK_ID_BYTES);
        client->wire.message_bytes = flight->record.message_bytes;
        return true;
    }
    return false;
}

/*
 * The next chunk of the queue; the last one as it is when nothing is under way.
 * That is the agent's group commit seen from the other side: a lone event leaves at
 * once, and what comes while it is under way travels together.
 */
static bool
load_from_queue(struct gbill *client, struct flight *flight)
{
    pthread_mutex_lock(&client->mutex);
    struct chunk *chunk = queue_take(&client->queue);
    if (chunk == NULL && client->flight_count == 0) {
        queue_seal(&client->queue);
        chunk = queue_take(&client->queue);
    }
    if (chunk != NULL && chunk->was_sent)
        client->check.chunks_resent++;
    if (chunk != NULL)
        chunk->was_sent = true;
    pthread_mutex_unlock(&client->mutex);
    if (chunk == NULL)
        return false;
    memcpy(client->wire.message, chunk->message, chunk->size_bytes);
    client->wire.message_bytes = chunk->size_bytes;
    flight->chunk = chunk;
    flight->event_count = chunk->event_count;
    memcpy(flight->id, chunk->id, CHUNK_ID_BYTES);
    return true;
}

/* Make the next message ready; false: there is none. */
static bool
load(struct gbill *client)
{
    if (client->flight_count == FLIGHTS_MAX)
        return false;
    struct flight *flight = &client->flights[client->flight_count];
    if (!load_from_spill(client, flight) && !load_from_queue(client, flight))
        return false;
    client->wire.sent_bytes = 0;
    client->flight_count++;
    pthread_mutex_lock(&client->mutex);
    client->under_way = client->flight_count;
    if (client->flight_count == 1)
        client->progress_ns = clock_monotonic_ns();
    pthread_mutex_unlock(&client->mutex);
    return true;
}

static void
send_and_receive(struct gbill *client)
{
    uint8_t id[CHUNK_ID_BYTES];
    wire_connect(&client->wire);
    while (wire_receive(&client->wire, id))
        take_ack(client, id);
    while (wire_is_connected(&client->wire)) {
        if (!wire_is_sending(&client->wire) && !load(client))
            break;
        wire_send(&client->wire);
        if (wire_is_sending(&client->wire))
            break; /* the kernel takes no more just now */
    }
    if (!wire_is_connected(&client->wire))
        forget_flights(client);
}

/* A chunk has been put into the spill file: if it is under way, it is so from there. */
static void
move_flight(struct gbill *client, const struct chunk *chunk, uint64_t at)
{
    for (size_t i = 0; i < client->flight_count; i++) {
        struct flight *flight = &client->flights[i];
        if (flight->chunk != chunk)
            continue;
        flight->chunk = NULL;
        flight->record = (struct spill_record){.at = at,
                                               .message_bytes = (uint32_t)chunk->size_bytes,
                                               .event_count = chunk->event_count};
        memcpy(flight->record.id, chunk->id, CHUNK_ID_BYTES);
    }
}

/* The oldest chunk, sealed if it has to be; NULL: the queue is empty. */
static struct chunk *
oldest_chunk(struct gbill *client)
{
    pthread_mutex_lock(&client->mutex);
    queue_seal(&client->queue);
    struct chunk *chunk = client->queue.count > 0 ? queue_chunk(&client->queue, 0) : NULL;
    pthread_mutex_unlock(&client->mutex);
    return chunk;
}

static void
set_spill_trouble(struct gbill *client, const char *text)
{
    pthread_mutex_lock(&client->mutex);
    snprintf(client->spill_trouble, sizeof client->spill_trouble, "%s", text);
    pthread_mutex_unlock(&client->mutex);
}

/* Put all of the queue into the spill file. */
static enum err_code
spill_queue(struct gbill *client, bool sync, struct err *err)
{
    struct chunk *chunk;
    enum err_code code = ERR_OK;
    while (code == ERR_OK && (chunk = oldest_chunk(client)) != NULL) {
        uint64_t at;
        code = spill_append(&client->spill, chunk, &at, err);
        if (code != ERR_OK)
            break;
        move_flight(client, chunk, at);
        pthread_mutex_lock(&client->mutex);
        queue_drop(&client->queue, chunk);
        note_spill(client); /* in one step: a flush must find the events here or there */
        pthread_mutex_unlock(&client->mutex);
    }
    if (code == ERR_OK && sync)
        code = spill_sync(&client->spill, err);
    client->spill_retry_ns = code == ERR_OK ? 0 : clock_monotonic_ns() + SPILL_RETRY_MS * NS_PER_MS;
    if (code != ERR_OK)
        set_spill_trouble(client, err->text);
    return code;
}

static bool
is_filling(const struct queue *queue)
{
    return queue->used_bytes > queue->memory_bytes / 4 * 3 ||
           queue->count > queue->chunk_slots / 4 * 3;
}

/* Is the queue to be put into the spill file without anyone asking? */
static bool
wants_spill(struct gbill *client)
{
    pthread_mutex_lock(&client->mutex);
    bool any = client->queue.count > 0;
    bool filling = is_filling(&client->queue);
    pthread_mutex_unlock(&client->mutex);
    if (!any)
        client->spill_retry_ns = 0; /* what could not be written is with the agent by now */
    return any && spill_is_open(&client->spill) && (filling || !wire_is_connected(&client->wire)) &&
           (client->spill_retry_ns == 0 || clock_monotonic_ns() >= client->spill_retry_ns);
}

/* Answer the calls that want the queue on disk; wishes: as many as there were before. */
static void
grant_wishes(struct gbill *client, uint64_t wishes)
{
    struct err err;
    enum err_code code = ERR_PEER; /* there is nowhere to put it */
    if (wishes == client->wishes_seen)
        return;
    client->wishes_seen = wishes;
    if (spill_is_open(&client->spill))
        code = spill_queue(client, true, &err);
    pthread_mutex_lock(&client->mutex);
    client->wishes_granted = wishes;
    client->wish_code = code;
    pthread_mutex_unlock(&client->mutex);
}

/* Tell the other threads how things stand. */
static void
publish(struct gbill *client)
{
    pthread_mutex_lock(&client->mutex);
    struct gbill_check *check = &client->check;
    note_spill(client);
    check->connected = wire_is_connected(&client->wire);
    check->connects = client->wire.connects;
    client->is_denied = client->wire.is_denied;
    if (client->spill_retry_ns == 0 && check->damaged_bytes == 0)
        client->spill_trouble[0] = '\0';
    snprintf(check->trouble, sizeof check->trouble, "%s", client->wire.trouble);
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->mutex);
}

/* Milliseconds to the next thing that only the clock brings; -1: none. */
static int
next_timeout_ms(const struct gbill *client, bool has_chunks)
{
    int64_t at_ns = INT64_MAX, now_ns = clock_monotonic_ns();
    if (!wire_is_connected(&client->wire))
        at_ns = client->wire.retry_at_ns;
    if (client->spill_retry_ns != 0 && has_chunks && client->spill_retry_ns < at_ns)
        at_ns = client->spill_retry_ns;
    if (at_ns == INT64_MAX)
        return -1;
    return at_ns <= now_ns ? 0 : (int)((at_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

/* Lie down, unless there is something to do already; the mutex is held. */
static bool
fall_asleep(struct gbill *client)
{
    bool is_connected = wire_is_connected(&client->wire);
    bool is_idle = is_connected && client->flight_count == 0;
    bool can_spill = spill_is_open(&client->spill) && client->spill_retry_ns == 0;
    if (client->is_ending || client->spill_wishes != client->wishes_seen)
        return false;
    if ((is_idle || (!is_connected && can_spill)) && client->queue.count > 0)
        return false;
    /* It may have filled up since wants_spill() looked; a full one seals nothing that would wake. */
    if (can_spill && is_filling(&client->queue))
        return false;
    client->wake_for = is_idle || (!is_connected && can_spill) ? WAKE_FOR_EVENT
                       : is_connected || can_spill             ? WAKE_FOR_SEALED
                                                               : WAKE_FOR_CALL;
    client->is_asleep = true;
    return true;
}

static void
sleep_until_needed(struct gbill *client)
{
    pthread_mutex_lock(&client->mutex);
    bool asleep = fall_asleep(client);
    bool has_chunks = client->queue.count > 0;
    pthread_mutex_unlock(&client->mutex);
    if (!asleep)
        return;
    /* poll() leaves out a descriptor of -1. */
    struct pollfd p[2] = {{.fd = client->wake_fd, .events = POLLIN},
                          {.fd = client->wire.fd, .events = POLLIN}};
    if (wire_is_sending(&client->wire))
        p[1].events |= POLLOUT;
    uint64_t count;
    if (poll(p, 2, next_timeout_ms(client, has_chunks)) > 0 && p[0].revents != 0 &&
        read(client->wake_fd, &count, sizeof count) < 0)
        assert(errno == EAGAIN || errno == EBADF);
    pthread_mutex_lock(&client->mutex);
    client->is_asleep = false;
    pthread_mutex_unlock(&client->mutex);
}

static void
recover_spill(struct gbill *client)
{
    struct err err;
    if (spill_is_open(&client->spill) &&
        spill_recover(&client->spill, client->wire.message, &err) != ERR_OK)
        set_spill_trouble(client, err.text);
    pthread_mutex_lock(&client->mutex);
    client->is_recovered = true;
    note_spill(client);
    pthread_mutex_unlock(&client->mutex);
}

static void *
run(void *context)
{
    struct gbill *client = context;
    struct err err;
    recover_spill(client);
    for (;;) {
        pthread_mutex_lock(&client->mutex);
        bool is_ending = client->is_ending;
        uint64_t wishes = client->spill_wishes;
        pthread_mutex_unlock(&client->mutex);
        if (is_ending)
            break;
        send_and_receive(client);
        if (wants_spill(client))
            (void)!spill_queue(client, false, &err); /* noted; tried again later */
        grant_wishes(client, wishes);
        publish(client);
        sleep_until_needed(client);
    }
    if (spill_is_open(&client->spill))
        (void)!spill_queue(client, true, &err); /* nobody is left to tell */
    return NULL;
}

enum err_code
sender_start(struct gbill *client, struct err *err)
{
    sigset_t all, before;
    pthread_attr_t attr;
    /* One try in the caller's thread, so that gbill_check() tells from the start. */
    wire_connect(&client->wire);
    publish(client);
    sigfillset(&all);
    pthread_attr_init(&attr);
    /* Too small for this system: its default will do. */
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&client->thread, &attr, run, client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (failed == 0)
        (void)pthread_setname_np(client->thread, "gbill");
    if (failed != 0)
        return err_set_errno(err, failed, "cannot start the client's thread");
    return ERR_OK;
}

void
sender_end(struct gbill *client)
{
    pthread_mutex_lock(&client->mutex);
    client->is_ending = true;
    bool must_wake = sender_must_wake(client, WAKE_FOR_CALL);
    pthread_mutex_unlock(&client->mutex);
    if (must_wake)
        sender_wake(client);
    pthread_join(client->thread, NULL);
}
