/*
 * store/base/schedule.h - run this program's own commands again and again, each
 * at its cadence, as child processes.
 *
 * A job is idempotent and holds a lock of its own, so running it here is the same
 * as running it by cron.  A child that fails is said once and tried again, after
 * twice as long each time up to five seconds; a child that crashes takes nothing with
 * it.  Settings reach the children through the environment.
 */
#ifndef STORE_BASE_SCHEDULE_H
#define STORE_BASE_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

enum { SCHEDULE_ARGS_MAX = 6, SCHEDULE_JOBS_MAX = 16 };

struct schedule_job {
    const char *args[SCHEDULE_ARGS_MAX]; /* words of the command, NULL behind the last */
    int64_t every_ms;                    /* from one start to the next; > 0 */
};

/*
 * Run until SIGTERM or SIGINT, then wait for the children that still run.
 *
 *   jobs  job_count <= SCHEDULE_JOBS_MAX; all are due at once in the beginning
 *
 * Blocks SIGCHLD, SIGTERM and SIGINT in the calling thread.  Children's results
 * (stdout) are dropped; their messages (stderr) are passed on when they end, the
 * same ones once a minute.  Tells the service manager that it is ready, alive
 * (its watchdog) and stopping, see notify.h.
 *
 * Errors: ERR_IO when a child cannot be started at all.
 */
enum err_code schedule_run(const struct schedule_job *jobs, size_t job_count,
                           struct err *err) ERR_MUST_CHECK;

#endif
