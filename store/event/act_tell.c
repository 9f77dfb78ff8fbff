#include "store/event/act_tell.h"

#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "store/base/hash.h"
#include "store/base/utf8.h"
#include "store/event/json_pack.h"

enum { ID_RANDOM_BYTES = 18, ID_BYTES = 4 + 2 * ID_RANDOM_BYTES + 1, NAME_BYTES_MAX = 24 };

void
act_user(char text[ACT_ACTOR_BYTES])
{
    const struct passwd *user = getpwuid(getuid());
    const char *sudo = getenv("SUDO_USER");
    char name[NAME_BYTES_MAX];
    snprintf(name, sizeof name, "%u", getuid());
    int n = snprintf(text, ACT_ACTOR_BYTES, "user %.*s", NAME_BYTES_MAX,
                     user != NULL ? user->pw_name : name);
    if (sudo != NULL && sudo[0] != '\0')
        snprintf(text + n, ACT_ACTOR_BYTES - (size_t)n, " (sudo %.*s)", NAME_BYTES_MAX, sudo);
    if (!utf8_text_ok((const uint8_t *)text, strlen(text)))
        snprintf(text, ACT_ACTOR_BYTES, "user %s", name);
}

json_t *
act_json(const struct act_told *told)
{
    return json_pack("{s:s, s:s, s:s*, s:s*, s:s}", "actor", told->actor, "action", told->action,
                     "target", told->target, "reason", told->reason, "status",
                     told->failed ? "failed" : "done");
}

/* Who waits for the outlet's thread. */
struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool over;
    enum err_code code;
    struct err err;
};

static void
sent(void *context, enum err_code code, const struct err *err)
{
    struct wait *w = context;
    pthread_mutex_lock(&w->mutex);
    w->over = true;
    w->code = code;
    if (code != ERR_OK)
        w->err = *err;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
}

static enum err_code
send_and_wait(const struct outlet *outlet, const struct outlet_event *event, struct err *err)
{
    struct wait w = {.over = false};
    pthread_mutex_init(&w.mutex, NULL);
    pthread_cond_init(&w.changed, NULL);
    enum err_code code = outlet->send(outlet->context, event, 1, sent, &w, err);
    if (code == ERR_OK) {
        pthread_mutex_lock(&w.mutex);
        while (!w.over)
            pthread_cond_wait(&w.changed, &w.mutex);
        pthread_mutex_unlock(&w.mutex);
        code = w.code;
        if (code != ERR_OK)
            *err = w.err;
    }
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.mutex);
    return code;
}

static enum err_code
pack(const struct act_told *told, int64_t now_ms, struct buf *out, struct err *err)
{
    uint8_t random[ID_RANDOM_BYTES];
    char id[ID_BYTES] = "act-";
    struct event event;
    struct event_defect defect;
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return err_set(err, ERR_IO, "the kernel gives no random bytes");
    hash_hex(random, sizeof random, id + 4);
    json_t *object = act_json(told);
    bool ok = object != NULL &&
              json_pack_record(object, str_of(id), str_of(told->organization), out) == JSON_PACKED;
    json_decref(object);
    if (!ok)
        return err_set(err, ERR_LIMIT, "no memory");
    return event_parse(EVENT_ACT, (struct bytes){out->data, out->size_bytes}, now_ms, &event,
                       &defect)
               ? ERR_OK
               : err_set(err, ERR_INPUT, "%s", defect.text);
}

enum err_code
act_tell(const struct outlet *outlet, const struct clock *clock, const struct act_told *told,
         struct err *err)
{
    struct outlet_event event = {.kind = EVENT_ACT, .utc_ms = clock_now_ms(clock)};
    struct buf record;
    if (outlet == NULL) {
        fprintf(stderr, "gbill: %s is not in the log of acts (--unaudited)\n", told->action);
        return ERR_OK;
    }
    buf_init(&record, EVENT_RECORD_BYTES_MAX);
    enum err_code code = pack(told, event.utc_ms, &record, err);
    if (code == ERR_OK) {
        event.record = (struct bytes){record.data, record.size_bytes};
        code = send_and_wait(outlet, &event, err);
        if (code != ERR_OK) {
            const struct err why = *err;
            code = err_set(err, code,
                           "%s must be in the log first, and the agent did not take it (%.200s); "
                           "nothing was changed: start gbill-agent, or do it with --unaudited",
                           told->action, why.text);
        }
    }
    buf_clear(&record);
    return code;
}

void
act_tell_failed(const struct outlet *outlet, const struct clock *clock, const struct act_told *told,
                const struct err *why)
{
    struct act_told failed = *told;
    struct err err;
    char reason[EVENT_REASON_BYTES_MAX];
    snprintf(reason, sizeof reason, "%.*s", (int)sizeof reason - 1, why->text);
    failed.failed = true;
    if (utf8_text_ok((const uint8_t *)reason, strlen(reason)))
        failed.reason = reason;
    if (outlet != NULL && act_tell(outlet, clock, &failed, &err) != ERR_OK)
        fprintf(stderr, "gbill: that %s failed is not in the log of acts: %s\n", told->action,
                err.text);
}
