#include "ingest/shipper.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "ingest/ship_source.h"
#include "store/base/clock.h"
#include "store/base/file.h"
#include "store/base/log.h"
#include "store/base/notify.h"
#include "store/log/shipped.h"
#include "store/log/tip.h"

enum {
    LOAD_BYTES = 1024 * 1024, /* of a message, if there is so much */
    WINDOW_MESSAGES = 16,     /* that wait for their answers: a round trip holds up nothing */
};

#define LOOK_MS ((int64_t)20)      /* between two looks at the log's end */
#define LOOK_ANYWAY_MS 1000        /* though nothing was heard of it */
#define ANSWER_MS ((int64_t)60000) /* for the oldest message's answer */
#define NOTE_MS ((int64_t)10000)   /* between two notes of how far the collector is */
#define PAUSE_MS_MIN ((int64_t)100)
#define PAUSE_MS_MAX ((int64_t)10000)

/* A message under way: where the copy stands when it is stored. */
struct under_way {
    struct day_tip stand[LOG_STREAMS];
    struct ship_load load;
    size_t bytes;
    int64_t sent_ms;
};

struct shipper {
    const struct shipper_options *o;
    struct shipper_result *result;
    char log[FILE_PATH_BYTES_MAX];
    int lock_fd, watch_fd;
    bool is_watching; /* the log directory */
    struct ship_wire *wire;
    struct ship_source source;
    struct buf load, message;
    struct under_way window[WINDOW_MESSAGES]; /* a ring */
    size_t first, count;
    bool at_end;     /* the log had no more at the last look */
    int64_t look_ms; /* not before this time */
    bool by_peer;    /* the error is the collector's or the network's */
    bool was_let_in; /* the collector took our key at least once */
    bool advanced;   /* since the connection was made */
    int64_t note_ms; /* the next note's time */
    struct notify_watchdog watchdog;
};

static bool
is_stopped(const struct shipper *s)
{
    return *s->o->wire.stop != 0;
}

static enum err_code
of_peer(struct shipper *s, enum err_code code)
{
    s->by_peer = s->by_peer || code != ERR_OK;
    return code;
}

/* ---- the log's end ---- */

/* A log directory that is not there yet is looked for again and again. */
static void
watch_log(struct shipper *s)
{
    if (!s->is_watching && s->watch_fd >= 0)
        s->is_watching =
            inotify_add_watch(s->watch_fd, s->log, IN_MODIFY | IN_CREATE | IN_MOVED_TO) >= 0;
}

static void
forget_news(const struct shipper *s)
{
    char events[4096];
    while (s->watch_fd >= 0 && read(s->watch_fd, events, sizeof events) > 0)
        continue;
}

/* Wait for an answer, for news of the log, or for a time; a stop is seen too. */
static void
wait_for_news(struct shipper *s, int64_t max_ms)
{
    struct pollfd p[2];
    nfds_t n = 0;
    int64_t now = clock_monotonic_ms();
    if (s->wire != NULL)
        p[n++] = (struct pollfd){.fd = ship_wire_fd(s->wire), .events = POLLIN};
    if (s->is_watching && s->o->follow && s->at_end && s->look_ms <= now)
        p[n++] = (struct pollfd){.fd = s->watch_fd, .events = POLLIN};
    if (s->look_ms > now && s->look_ms - now < max_ms)
        max_ms = s->look_ms - now;
    (void)poll(p, n, (int)max_ms);
    notify_watchdog_feed(&s->watchdog, clock_monotonic_ms());
}

/* ---- sending ---- */

/* One more message, if the log has it. */
static enum err_code
send_next(struct shipper *s, bool *ret_sent, struct err *err)
{
    struct ship_load load;
    *ret_sent = false;
    s->load.size_bytes = s->message.size_bytes = 0;
    forget_news(s);
    enum err_code code = ship_source_next(&s->source, LOAD_BYTES, &s->load, &load, err);
    s->at_end = code == ERR_OK && load.frames == 0;
    /* A little at a time is a message each: let more of them come together. */
    s->look_ms = s->o->follow && s->load.size_bytes < LOAD_BYTES ? clock_monotonic_ms() + LOOK_MS
                                                                 : 0;
    if (code != ERR_OK || load.frames == 0)
        return code;
    if (!ship_put_frames(load.day, (struct bytes){s->load.data, s->load.size_bytes}, &s->message))
        return err_set(err, ERR_LIMIT, "no memory for a message of %zu bytes", s->load.size_bytes);
    struct under_way *u = &s->window[(s->first + s->count++) % WINDOW_MESSAGES];
    *u = (struct under_way){.load = load, .bytes = s->message.size_bytes};
    memcpy(u->stand, s->source.sent, sizeof u->stand);
    *ret_sent = true;
    code = ship_wire_send(s->wire, (struct bytes){s->message.data, s->message.size_bytes}, err);
    u->sent_ms = clock_monotonic_ms();
    return of_peer(s, code);
}

/* ---- answers ---- */

static enum err_code
be_refused(struct shipper *s, const struct ship_message *m, struct err *err)
{
    s->by_peer = true;
    return err_set(err, m->code, "the collector %s refuses: %.*s", s->o->wire.to,
                   STR_ARG(m->reason));
}

/* The oldest message is answered: is it stored? */
static enum err_code
take_stand(struct shipper *s, const struct ship_message *m, struct err *err)
{
    struct shipper_result *r = s->result;
    if (s->count == 0)
        return of_peer(s, err_set(err, ERR_PEER, "%s: an answer to nothing", s->o->wire.to));
    struct under_way *u = &s->window[s->first];
    for (int i = 0; i < LOG_STREAMS; i++) {
        const struct day_tip *want = &u->stand[i], *have = &m->stand[i];
        if (have->next_seq < want->next_seq)
            return of_peer(s, err_set(err, ERR_PEER,
                                      "%s: its copy stands at %" PRIu64 ", not at %" PRIu64
                                      ": it was changed by another hand, so begin again there",
                                      s->o->wire.to, have->next_seq - 1, want->next_seq - 1));
        if (have->next_seq == want->next_seq &&
            memcmp(have->chain, want->chain, sizeof have->chain) != 0)
            return of_peer(s, err_set(err, ERR_CONFLICT,
                                      "the copy at %s has another history than %s: the chains "
                                      "differ at %" PRIu64,
                                      s->o->wire.to, s->log, have->next_seq - 1));
    }
    r->events += u->load.events;
    r->quarantined += u->load.quarantined;
    r->frames += u->load.frames;
    r->bytes += u->bytes;
    r->messages++;
    memcpy(r->stand, m->stand, sizeof r->stand);
    s->first = (s->first + 1) % WINDOW_MESSAGES;
    s->count--;
    s->advanced = true;
    if (s->o->progress != NULL)
        s->o->progress(s->o->context, r->stand[LOG_EVENTS].next_seq - 1);
    return ERR_OK;
}

/* All answers that are there. */
static enum err_code
take_answers(struct shipper *s, struct err *err)
{
    for (;;) {
        struct ship_message m;
        bool any;
        enum err_code code = of_peer(s, ship_wire_receive(s->wire, &m, &any, err));
        if (code != ERR_OK || !any)
            return code;
        if (m.kind == SHIP_REFUSED)
            return be_refused(s, &m, err);
        if (m.kind != SHIP_STAND)
            return of_peer(s,
                           err_set(err, ERR_PEER, "%s: no answer but a question", s->o->wire.to));
        code = take_stand(s, &m, err);
        if (code != ERR_OK)
            return code;
    }
}

/* ---- one connection ---- */

/* Say what log it is; hear where the copy stands. */
static enum err_code
greet(struct shipper *s, const struct log_origin *origin, struct ship_message *ret, struct err *err)
{
    struct log_origin said = *origin;
    bool any = false;
    int64_t until = clock_monotonic_ms() + ANSWER_MS;
    for (int i = 0; !s->o->from_oldest && i < LOG_STREAMS; i++)
        said.start[i] = (struct day_tip){.next_seq = 1};
    s->message.size_bytes = 0;
    if (!ship_put_hello(&said, &s->message))
        return err_set(err, ERR_LIMIT, "no memory for a message");
    enum err_code code =
        ship_wire_send(s->wire, (struct bytes){s->message.data, s->message.size_bytes}, err);
    while (code == ERR_OK && !any) {
        code = ship_wire_receive(s->wire, ret, &any, err);
        if (code == ERR_OK && !any && (is_stopped(s) || clock_monotonic_ms() >= until))
            code = err_set(err, ERR_PEER, "%s: no answer to hello", s->o->wire.to);
        if (code == ERR_OK && !any)
            wait_for_news(s, LOOK_ANYWAY_MS);
    }
    if (code == ERR_OK && ret->kind == SHIP_REFUSED)
        return be_refused(s, ret, err);
    if (code == ERR_OK && ret->kind != SHIP_STAND)
        code = err_set(err, ERR_PEER, "%s: no answer to hello", s->o->wire.to);
    return of_peer(s, code);
}

static enum err_code
begin(struct shipper *s, const struct log_origin *origin, struct err *err)
{
    struct ship_message m;
    enum err_code code = of_peer(s, ship_wire_open(&s->o->wire, &s->wire, err));
    if (code != ERR_OK)
        return code;
    s->result->connections++;
    s->was_let_in = true;
    code = greet(s, origin, &m, err);
    if (code != ERR_OK)
        return code;
    memcpy(s->result->stand, m.stand, sizeof m.stand);
    code = ship_source_open(&s->source, s->log, origin, m.stand, !s->o->follow, err);
    if (code == ERR_OK && s->o->follow) {
        log_line(LOG_LEVEL_INFO, "shipping", "to=%s host=%s next_seq=%" PRIu64, s->o->wire.to,
                 s->o->wire.host, m.stand[LOG_EVENTS].next_seq);
        (void)notify_send("STATUS=shipping to %s", s->o->wire.to);
    }
    return code;
}

/*
 * How far the collector is, for gbill log prune: now and then, since it is a file that is flushed.
 * Shipping goes on without it: on a full disk it is what makes room.
 */
static void
note_stand(struct shipper *s, const struct log_origin *origin)
{
    struct err err;
    int64_t now = clock_monotonic_ms();
    if (now < s->note_ms)
        return;
    s->note_ms = now + NOTE_MS;
    if (shipped_note(s->o->data, origin->identity, s->o->wire.to, s->result->stand, &err) != ERR_OK)
        log_line(LOG_LEVEL_WARN, "not_noted", "reason=\"%s\"", err.text);
}

/* Until the log's end, for who does not follow; until told to stop. */
static enum err_code
go_on(struct shipper *s, const struct log_origin *origin, struct err *err)
{
    while (!is_stopped(s)) {
        bool sent = true;
        enum err_code code = take_answers(s, err);
        note_stand(s, origin);
        while (code == ERR_OK && sent && s->count < WINDOW_MESSAGES &&
               s->look_ms <= clock_monotonic_ms())
            code = send_next(s, &sent, err);
        if (code != ERR_OK)
            return code;
        int64_t waited = s->count > 0 ? clock_monotonic_ms() - s->window[s->first].sent_ms : 0;
        if (waited > ANSWER_MS)
            return of_peer(s, err_set(err, ERR_PEER, "%s: no answer for %" PRId64 " s",
                                      s->o->wire.to, ANSWER_MS / 1000));
        if (s->at_end && s->count == 0 && !s->o->follow)
            return ERR_OK;
        wait_for_news(s, LOOK_ANYWAY_MS);
    }
    return ERR_OK;
}

static void
end(struct shipper *s)
{
    ship_wire_close(s->wire);
    s->wire = NULL;
    ship_source_close(&s->source);
    s->first = s->count = 0;
    s->at_end = false;
    s->look_ms = 0;
}

static enum err_code
connection(struct shipper *s, struct err *err)
{
    struct log_origin origin;
    bool begun = false;
    s->by_peer = s->advanced = false;
    watch_log(s);
    bool there = access(s->log, F_OK) == 0;
    enum err_code code = there ? log_origin_read(s->log, &origin, &begun, err) : ERR_OK;
    if (code == ERR_OK && !begun) {
        /* Nothing was ever received here. */
        if (!s->o->follow)
            return there ? ERR_OK
                         : err_set(err, ERR_NOT_FOUND,
                                   "%s: no log here yet; start gbill-agent --data %s, or name "
                                   "another --data",
                                   s->log, s->o->data);
        s->at_end = true;
        wait_for_news(s, LOOK_ANYWAY_MS);
        s->at_end = false;
        return ERR_OK;
    }
    if (code == ERR_OK)
        code = begin(s, &origin, err);
    if (code == ERR_OK)
        code = go_on(s, &origin, err);
    if (code == ERR_OK) {
        s->note_ms = 0;
        note_stand(s, &origin);
    }
    end(s);
    return code;
}

/* ---- the job ---- */

/* Does waiting mend it?  Who was let in once is not wrong in its settings. */
static bool
may_mend(const struct shipper *s, enum err_code code)
{
    if (!s->by_peer || code == ERR_CONFLICT || code == ERR_CORRUPT || code == ERR_INPUT)
        return false;
    return s->was_let_in || (code != ERR_DENIED && code != ERR_CONFIG);
}

static enum err_code
open_all(struct shipper *s, struct err *err)
{
    char lock[FILE_PATH_BYTES_MAX];
    enum err_code code = file_path(s->log, s->o->data, "log", err);
    if (code == ERR_OK)
        code = file_path(lock, s->o->data, "ship.lock", err);
    if (code == ERR_OK)
        code = file_lock(lock, "gbill ship", &s->lock_fd, err);
    if (code == ERR_OK && s->o->follow) {
        s->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (s->watch_fd < 0)
            code = err_set_errno(err, errno, "cannot watch %s", s->log);
    }
    return code;
}

static enum err_code
run(struct shipper *s, struct err *err)
{
    int64_t pause_ms = PAUSE_MS_MIN;
    (void)notify_send("READY=1\nSTATUS=connecting");
    s->watchdog = notify_watchdog_start(clock_monotonic_ms());
    for (;;) {
        enum err_code code = connection(s, err);
        if (is_stopped(s))
            return s->o->follow
                       ? ERR_OK
                       : err_set(err, ERR_PEER, "stopped before the log's end: run it again");
        if (!s->o->follow || (code != ERR_OK && !may_mend(s, code)))
            return code;
        if (code == ERR_OK)
            continue;
        if (s->advanced)
            pause_ms = PAUSE_MS_MIN;
        log_line(LOG_LEVEL_WARN, "not_shipping", "reason=\"%s\" retry_ms=%" PRId64, err->text,
                 pause_ms);
        (void)notify_send("STATUS=not shipping: %s", err->text);
        for (int64_t until = clock_monotonic_ms() + pause_ms, left = pause_ms;
             left > 0 && !is_stopped(s); left = until - clock_monotonic_ms())
            wait_for_news(s, left < LOOK_ANYWAY_MS ? left : LOOK_ANYWAY_MS);
        pause_ms = 2 * pause_ms < PAUSE_MS_MAX ? 2 * pause_ms : PAUSE_MS_MAX;
    }
}

enum err_code
shipper_run(const struct shipper_options *options, struct shipper_result *ret, struct err *err)
{
    struct shipper s = {.o = options, .result = ret, .lock_fd = -1, .watch_fd = -1};
    *ret = (struct shipper_result){.events = 0};
    buf_init(&s.load, SHIP_MESSAGE_BYTES_MAX);
    buf_init(&s.message, SHIP_MESSAGE_BYTES_MAX);
    enum err_code code = ship_wire_check(&options->wire, err);
    if (code == ERR_OK)
        code = open_all(&s, err);
    if (code == ERR_OK)
        code = run(&s, err);
    (void)notify_send("STOPPING=1");
    buf_clear(&s.load);
    buf_clear(&s.message);
    if (s.watch_fd >= 0)
        close(s.watch_fd);
    if (s.lock_fd >= 0)
        close(s.lock_fd);
    return code;
}
