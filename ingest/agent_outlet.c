#include "ingest/agent_outlet.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "ingest/client_err.h"
#include "store/base/list.h"

struct waiter {
    outlet_done *done;
    void *context;
};

struct agent_outlet {
    struct gbill *client;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct list waiters; /* struct waiter: their events are in the client's queue */
    bool ending;
};

/* A flush waits for all that was taken before it, so it answers for all who wait by then. */
static enum err_code
flush(struct agent_outlet *o, struct err *err)
{
    struct gbill_err why;
    return client_err(gbill_flush(o->client, AGENT_OUTLET_WAIT_MS, &why), &why, err);
}

static void *
run(void *context)
{
    struct agent_outlet *o = context;
    struct list taken;
    struct err err;
    list_init(&taken, sizeof(struct waiter));
    pthread_mutex_lock(&o->mutex);
    for (;;) {
        while (o->waiters.count == 0 && !o->ending)
            pthread_cond_wait(&o->changed, &o->mutex);
        if (o->waiters.count == 0)
            break;
        struct list empty = taken;
        taken = o->waiters;
        o->waiters = empty;
        pthread_mutex_unlock(&o->mutex);
        enum err_code code = flush(o, &err);
        const struct waiter *all = taken.items;
        for (size_t i = 0; i < taken.count; i++)
            all[i].done(all[i].context, code, &err);
        taken.count = 0;
        pthread_mutex_lock(&o->mutex);
    }
    pthread_mutex_unlock(&o->mutex);
    list_clear(&taken);
    return NULL;
}

/* Said at once, and not after AGENT_OUTLET_WAIT_MS. */
static enum err_code
check_agent(struct agent_outlet *o, struct err *err)
{
    struct gbill_check check;
    enum gbill_code code = gbill_check(o->client, &check);
    if (code != GBILL_PEER && code != GBILL_DENIED)
        return ERR_OK; /* is the queue still full?  The next event finds out */
    return err_set(err, ERR_PEER, "%s", check.trouble);
}

static enum err_code
send_events(void *context, const struct outlet_event *events, size_t count, outlet_done *done,
            void *done_context, struct err *err)
{
    struct agent_outlet *o = context;
    struct gbill_err why;
    const struct waiter waiter = {done, done_context};
    enum err_code code = check_agent(o, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = client_err(gbill_track_record(o->client, event_kind_name(events[i].kind),
                                             events[i].utc_ms, events[i].record.data,
                                             events[i].record.size_bytes, &why),
                          &why, err);
    if (code != ERR_OK)
        return code;
    pthread_mutex_lock(&o->mutex);
    if (!list_add(&o->waiters, &waiter))
        code = err_set(err, ERR_FULL, "no memory");
    pthread_cond_signal(&o->changed);
    pthread_mutex_unlock(&o->mutex);
    return code;
}

static enum err_code
start(struct agent_outlet *o, struct err *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&o->thread, NULL, run, o);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0 ? ERR_OK : err_set_errno(err, failed, "cannot start a thread");
}

enum err_code
agent_outlet_open(const char *socket, struct agent_outlet **ret, struct err *err)
{
    struct gbill_err why;
    const struct gbill_options options = {.socket_path = socket};
    struct agent_outlet *o = calloc(1, sizeof *o);
    if (o == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    list_init(&o->waiters, sizeof(struct waiter));
    pthread_mutex_init(&o->mutex, NULL);
    pthread_cond_init(&o->changed, NULL);
    enum err_code code = client_err(gbill_open(&o->client, &options, &why), &why, err);
    if (code == ERR_OK)
        code = start(o, err);
    if (code != ERR_OK) {
        gbill_close(o->client);
        free(o);
        return code;
    }
    *ret = o;
    return ERR_OK;
}

void
agent_outlet_close(struct agent_outlet *outlet)
{
    if (outlet == NULL)
        return;
    pthread_mutex_lock(&outlet->mutex);
    outlet->ending = true;
    pthread_cond_signal(&outlet->changed);
    pthread_mutex_unlock(&outlet->mutex);
    pthread_join(outlet->thread, NULL);
    assert(outlet->waiters.count == 0);
    gbill_close(outlet->client);
    list_clear(&outlet->waiters);
    pthread_cond_destroy(&outlet->changed);
    pthread_mutex_destroy(&outlet->mutex);
    free(outlet);
}

struct outlet
agent_outlet_of(struct agent_outlet *outlet)
{
    return (struct outlet){.context = outlet, .send = send_events};
}
