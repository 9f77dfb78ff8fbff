/*
 * reports/api/workers.h - threads for what takes long, so that the server's own answers
 * others meanwhile.
 */
#ifndef REPORTS_API_WORKERS_H
#define REPORTS_API_WORKERS_H

#include <pthread.h>
#include <stdbool.h>

#include "store/base/err.h"

enum { WORKERS_THREADS = 2, WORKERS_JOBS_MAX = 256 };

struct worker_job {
    void (*run)(void *context);
    void *context;
};

struct workers {
    pthread_t threads[WORKERS_THREADS];
    int thread_count;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct worker_job jobs[WORKERS_JOBS_MAX]; /* a ring */
    unsigned first, count;
    bool ending;
};

/* Errors: ERR_IO (no threads); workers_stop() also then. */
enum err_code workers_start(struct workers *workers, struct err *err) ERR_MUST_CHECK;

/* Run it on one of the threads; false: too many wait already. */
bool workers_add(struct workers *workers, void (*run)(void *context), void *context)
    __attribute__((warn_unused_result));

/* What was added is run first. */
void workers_stop(struct workers *workers);

#endif
