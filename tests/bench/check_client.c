#include "tests/bench/check_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ingest/client/gbill_limit.h"
#include "ingest/status_ask.h"
#include "store/base/clock.h"
#include "tests/bench/workload.h"

enum { QUESTIONS = 512, TIMEOUT_MS = 5000 };

#define NS_PER_S ((int64_t)1000000000)

static struct gbill *client;
static struct gbill_limit_question questions[QUESTIONS];
static char status_path[256];

static void
die(const char *why)
{
    fprintf(stderr, "bench_check: %s\n", why);
    exit(1);
}

void
check_client_open(const char *socket_path)
{
    static struct workload w;
    struct workload_event e;
    const struct gbill_options options = {.socket_path = socket_path};
    const char *slash = strrchr(socket_path, '/');
    struct gbill_err err;
    workload_init(&w, 7, 0);
    for (size_t i = 0; i < QUESTIONS; i++) {
        workload_next(&w, &e);
        questions[i] = (struct gbill_limit_question){.organization_id = strdup(e.organization),
                                                     .tokens = e.input_tokens + e.output_tokens,
                                                     .life_ms = 1};
    }
    if (gbill_open(&client, &options, &err) != GBILL_OK)
        die(err.text);
    snprintf(status_path, sizeof status_path, "%.*s/status.sock",
             slash != NULL ? (int)(slash - socket_path) : 1, slash != NULL ? socket_path : ".");
}

void
check_client_close(void)
{
    gbill_close(client);
    for (size_t i = 0; i < QUESTIONS; i++)
        free((void *)(uintptr_t)questions[i].organization_id);
}

typedef enum gbill_code question_call(struct gbill *, const struct gbill_limit_question *, uint32_t,
                                      struct gbill_limit_answer *, struct gbill_err *);

static void
ask(question_call *call, unsigned a_second, size_t count, int64_t *ret_ns)
{
    struct gbill_limit_answer answer;
    struct gbill_err err;
    const int64_t step_ns = NS_PER_S / a_second, start_ns = clock_monotonic_ns();
    int64_t waits_ns = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t due_ns = start_ns + (int64_t)i * step_ns;
        const struct timespec at = {.tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
            ;
        int64_t from_ns = clock_monotonic_ns();
        if (call(client, &questions[i % QUESTIONS], TIMEOUT_MS, &answer, &err) != GBILL_OK)
            die(err.text);
        int64_t took_ns = clock_monotonic_ns() - from_ns;
        if (!answer.known)
            die(answer.reason);
        ret_ns[i] = waits_ns + took_ns;
        waits_ns = ret_ns[i] > step_ns ? ret_ns[i] - step_ns : 0;
    }
}

void
check_client_checks(unsigned a_second, size_t count, int64_t *ret_ns)
{
    ask(gbill_limit_check, a_second, count, ret_ns);
}

void
check_client_reserves(unsigned a_second, size_t count, int64_t *ret_ns)
{
    ask(gbill_limit_reserve, a_second, count, ret_ns);
}

uint64_t
check_client_asked(void)
{
    static const char name[] = "\ngbill_agent_live_questions_total{op=\"check\"} ";
    struct buf text;
    struct err err;
    buf_init(&text, STATUS_ASK_BYTES_MAX);
    if (status_ask(status_path, &text, &err) != ERR_OK || !buf_append(&text, "", 1))
        die("the agent does not tell its figures");
    const char *at = strstr((const char *)text.data, name);
    if (at == NULL)
        die("the agent does not tell how many checks it was asked");
    uint64_t asked = strtoull(at + sizeof name - 1, NULL, 10);
    buf_clear(&text);
    return asked;
}
