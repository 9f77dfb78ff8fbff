#include "fake_agent.h"

#include <assert.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ingest/forward.h"
#include "store/base/bytes.h"
#include "store/base/hash.h"
#include "store/event/mp.h"

enum { IN_BYTES = 2 * 1024 * 1024, MIDWAY_BYTES = 1000 };

struct talk {
    struct fake *fake;
    int fd;
    uint8_t *in;
    size_t in_bytes;
    struct mp_scan scan;
    size_t held; /* FAKE_ACK_BACKWARDS: chunks not acknowledged yet */
};

struct fake *
fake_new(void)
{
    struct fake *fake = calloc(1, sizeof *fake);
    assert(fake != NULL);
    snprintf(fake->folder, sizeof fake->folder, "/tmp/gbill-fake-XXXXXX");
    assert(mkdtemp(fake->folder) != NULL);
    snprintf(fake->path, sizeof fake->path, "%s/agent.sock", fake->folder);
    return fake;
}

void
fake_free(struct fake *fake)
{
    if (fake->is_running)
        fake_stop(fake);
    unlink(fake->path);
    rmdir(fake->folder);
    free(fake);
}

static void
copy_text(char out[FAKE_ID_BYTES], struct str s)
{
    size_t n = s.size_bytes < FAKE_ID_BYTES - 1 ? s.size_bytes : FAKE_ID_BYTES - 1;
    memcpy(out, s.data, n);
    out[n] = '\0';
}

static struct str
id_of(struct bytes record)
{
    struct mp m = mp_of(record);
    struct mp_value head, key, v;
    bool ok = mp_read(&m, &head);
    assert(ok && head.type == MP_MAP);
    for (uint32_t i = 0; i < head.count; i++) {
        ok = mp_read(&m, &key);
        assert(ok);
        struct mp peek = m;
        ok = mp_read(&peek, &v) && mp_skip(&m);
        assert(ok);
        if (str_is(mp_str(&key), "id"))
            return mp_str(&v);
    }
    return str_of("");
}

static bool
was_acked(const struct fake *fake, const char *id)
{
    for (size_t i = 0; i < fake->chunk_count; i++) {
        if (fake->chunks[i].acked && strcmp(fake->chunks[i].id, id) == 0)
            return true;
    }
    return false;
}

/* Note a chunk, and its events when it is going to be acknowledged for the first time. */
static void
note_chunk(struct talk *t, struct bytes message, bool will_ack, struct forward *f)
{
    struct fake *fake = t->fake;
    struct forward_entry entry;
    const char *reason = "";
    bool ok = forward_open(message, f, &reason);
    assert(ok && fake->chunk_count < FAKE_CHUNKS_MAX);
    struct fake_chunk *c = &fake->chunks[fake->chunk_count];
    copy_text(c->id, (struct str){(const char *)f->chunk.id.data, f->chunk.id.size_bytes});
    copy_text(c->tag, f->tag);
    c->bytes_hash = hash_mem(message.data, message.size_bytes);
    c->connection = fake->connections;
    bool count = will_ack && !was_acked(fake, c->id);
    struct forward rest = *f;
    enum forward_step step;
    while ((step = forward_next(&rest, &entry, &reason)) == FORWARD_ENTRY) {
        c->event_count++;
        if (count) {
            assert(fake->event_count < FAKE_EVENTS_MAX);
            fake->times[fake->event_count] = entry.time_utc_ms;
            copy_text(fake->ids[fake->event_count++], id_of(entry.record));
            fake->record_bytes = entry.record.size_bytes;
            if (fake->record_bytes <= sizeof fake->record)
                memcpy(fake->record, entry.record.data, fake->record_bytes);
        }
    }
    assert(step == FORWARD_END);
    c->acked = will_ack;
    fake->chunk_count++;
}

static bool
say(struct talk *t, const void *data, size_t size_bytes)
{
    return send(t->fd, data, size_bytes, MSG_NOSIGNAL) == (ssize_t)size_bytes;
}

static bool
say_ack(struct talk *t, const char *id, bool bytewise)
{
    uint8_t ack[FORWARD_ACK_BYTES_MAX];
    struct forward_chunk chunk = {.id = {(const uint8_t *)id, strlen(id)}};
    size_t n = forward_ack(&chunk, ack);
    if (!bytewise)
        return say(t, ack, n);
    for (size_t i = 0; i < n; i++) {
        if (!say(t, ack + i, 1))
            return false;
    }
    return true;
}

static bool
say_held_backwards(struct talk *t)
{
    struct fake *fake = t->fake;
    for (; t->held > 0; t->held--) {
        if (!say_ack(t, fake->chunks[fake->chunk_count - 1 - (4 - t->held)].id, false))
            return false;
    }
    return true;
}

/* Answer one message; false: close the connection. */
static bool
answer(struct talk *t, struct bytes message)
{
    struct fake *fake = t->fake;
    struct forward f;
    int mode = fake->mode;
    bool first = fake->connections == 1;
    bool closes = mode == FAKE_CLOSE_FIRST_UNACKED && first;
    bool acks = !closes && mode != FAKE_SILENT && mode != FAKE_RUBBISH &&
                mode != FAKE_FOREIGN_ACK && mode != FAKE_HUGE_HEAD;
    note_chunk(t, message, acks, &f);
    const char *id = fake->chunks[fake->chunk_count - 1].id;
    if (mode == FAKE_RUBBISH)
        return say(t, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    if (mode == FAKE_FOREIGN_ACK)
        return say_ack(t, "00000000000000000000000000000000", false);
    if (mode == FAKE_HUGE_HEAD)
        return say(t, "\xdf\xff\xff\xff\xff", 5);
    if (mode == FAKE_ACK_BACKWARDS)
        return ++t->held < 4 || say_held_backwards(t);
    if (mode == FAKE_ACK_LATE)
        poll(NULL, 0, 20);
    return acks ? say_ack(t, id, mode == FAKE_ACK_BYTEWISE) : !closes;
}

static bool
take(struct talk *t)
{
    size_t at = 0, n;
    for (;;) {
        enum mp_scan_result found = mp_scan(&t->scan, t->in + at, t->in_bytes - at, IN_BYTES, &n);
        assert(found != MP_SCAN_BAD);
        if (found == MP_SCAN_MORE)
            break;
        t->scan = (struct mp_scan){0};
        if (!answer(t, (struct bytes){t->in + at, n}))
            return false;
        at += n;
    }
    t->in_bytes -= at;
    memmove(t->in, t->in + at, t->in_bytes);
    return true;
}

static bool
read_some(struct talk *t)
{
    bool midway = t->fake->mode == FAKE_CLOSE_FIRST_MIDWAY && t->fake->connections == 1;
    struct pollfd p = {.fd = t->fd, .events = POLLIN};
    if (t->fake->mode == FAKE_DEAF) {
        poll(NULL, 0, 5);
        return true;
    }
    if (poll(&p, 1, 5) <= 0)
        return true;
    ssize_t n = recv(t->fd, t->in + t->in_bytes, midway ? MIDWAY_BYTES : IN_BYTES - t->in_bytes, 0);
    if (n <= 0 || midway)
        return false;
    t->in_bytes += (size_t)n;
    return take(t);
}

static void
serve(struct fake *fake, int fd)
{
    struct talk t = {.fake = fake, .fd = fd, .in = malloc(IN_BYTES)};
    assert(t.in != NULL);
    fake->connections++;
    while (!fake->stop && !fake->drop && fake->mode != FAKE_CLOSE_AT_ONCE && read_some(&t))
        ;
    fake->drop = false;
    free(t.in);
    close(fd);
}

static void *
run(void *context)
{
    struct fake *fake = context;
    struct pollfd p = {.fd = fake->listen_fd, .events = POLLIN};
    while (!fake->stop) {
        if (poll(&p, 1, 5) <= 0)
            continue;
        int fd = accept(fake->listen_fd, NULL, NULL);
        if (fd >= 0)
            serve(fake, fd);
    }
    return NULL;
}

void
fake_start(struct fake *fake, enum fake_mode mode)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", fake->path);
    unlink(fake->path);
    fake->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fake->listen_fd >= 0);
    int failed = bind(fake->listen_fd, (struct sockaddr *)&address, sizeof address);
    assert(failed == 0);
    failed = listen(fake->listen_fd, 8);
    assert(failed == 0);
    fake->mode = mode;
    fake->stop = false;
    fake->is_running = true;
    failed = pthread_create(&fake->thread, NULL, run, fake);
    assert(failed == 0);
}

void
fake_stop(struct fake *fake)
{
    fake->stop = true;
    pthread_join(fake->thread, NULL);
    fake->is_running = false;
    close(fake->listen_fd);
}
