#include "reports/api/workers.h"

#include <signal.h>

static void *
work(void *context)
{
    struct workers *w = context;
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        while (w->count == 0 && !w->ending)
            pthread_cond_wait(&w->changed, &w->mutex);
        if (w->count == 0)
            break;
        struct worker_job job = w->jobs[w->first];
        w->first = (w->first + 1) % WORKERS_JOBS_MAX;
        w->count--;
        pthread_mutex_unlock(&w->mutex);
        job.run(job.context);
        pthread_mutex_lock(&w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

enum err_code
workers_start(struct workers *workers, struct err *err)
{
    sigset_t all, before;
    int failed = 0;
    *workers = (struct workers){.count = 0};
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (failed == 0 && workers->thread_count < WORKERS_THREADS) {
        failed = pthread_create(&workers->threads[workers->thread_count], NULL, work, workers);
        workers->thread_count += failed == 0 ? 1 : 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0 ? ERR_OK : err_set_errno(err, failed, "cannot start a thread");
}

bool
workers_add(struct workers *workers, void (*run)(void *context), void *context)
{
    pthread_mutex_lock(&workers->mutex);
    bool room = workers->count < WORKERS_JOBS_MAX;
    if (room) {
        workers->jobs[(workers->first + workers->count) % WORKERS_JOBS_MAX] =
            (struct worker_job){run, context};
        workers->count++;
    }
    pthread_cond_signal(&workers->changed);
    pthread_mutex_unlock(&workers->mutex);
    return room;
}

void
workers_stop(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    workers->ending = true;
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->mutex);
    for (int i = 0; i < workers->thread_count; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->changed);
    pthread_mutex_destroy(&workers->mutex);
}
