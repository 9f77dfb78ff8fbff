/*
 * tests/faults/rollup_faults.c - every call that `gbill rollup` makes fails once, one
 * run of the shipped program for each call and error.
 *
 *   rollup_faults all | some [SEED] | list
 *
 * The log is the same each time and the tables are new.  Judged are: no crash, no hang,
 * a line that says why when it fails; then a run without a fault must come to the same
 * tables, byte for byte, as one that was never disturbed.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/workload_frame.h"
#include "tests/faults/plan.h"

enum { FRAMES = 4, FRAME_EVENTS = 100, WAIT_MS = 20000 };

static char digest[128]; /* of the tables of an undisturbed run; "" before it */

static void
make_log(const struct lab *lab)
{
    static struct workload w;
    struct workload_frame frame;
    int64_t now_ms = (int64_t)1795521600000; /* 2026-11-24T12:00Z */
    workload_init(&w, 3, now_ms);
    w.duplicate_percent = 10;
    workload_frame_init(&frame);
    struct log_writer *writer = workload_log_open(lab->data);
    for (int f = 0; f < FRAMES; f++) {
        workload_frame_reset(&frame);
        for (int i = 0; i < FRAME_EVENTS; i++) {
            struct workload_event e;
            workload_next(&w, &e);
            workload_frame_add(&frame, &e);
        }
        workload_frame_append(&frame, writer, now_ms + f);
    }
    log_writer_close(writer);
    workload_frame_clear(&frame);
}

/* The log is made once: its identity is random and decides the keys of the ids. */
static void
remove_tables(struct lab *lab)
{
    DIR *d = opendir(lab->data);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", lab->data, e->d_name);
        if (e->d_type == DT_REG && unlink(path) != 0)
            lab_die(path);
    }
    if (d != NULL)
        closedir(d);
    else
        make_log(lab);
    lab_forget(lab);
}

static int
rollup(struct lab *lab)
{
    const char *argv[] = {"gbill",          "rollup", "--data",   lab->data,
                          "--batch-events", "150",    "--digest", NULL};
    return lab_wait(lab_start(lab, argv), WAIT_MS);
}

/* The line "... digest 0123..." of the last run. */
static const char *
said_digest(const struct lab *lab, char text[128])
{
    char line[512];
    FILE *f = fopen(lab->errors, "re");
    text[0] = '\0';
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const char *at = strstr(line, "digest ");
        if (at != NULL)
            snprintf(text, 128, "%.*s", (int)strcspn(at + 7, "\n"), at + 7);
    }
    if (f != NULL)
        fclose(f);
    return text;
}

/* NULL: all is well. */
static const char *
judge_end(const struct lab *lab, int status, int error)
{
    bool killed = error == SHIM_KILL_BEFORE || error == SHIM_KILL_AFTER;
    if (status == -1)
        return "it hangs";
    if (WIFSIGNALED(status))
        return killed && WTERMSIG(status) == SIGKILL ? NULL : "ended by a signal";
    if (WEXITSTATUS(status) > 13 || WEXITSTATUS(status) == 1)
        return "an exit status that no error of the world has";
    if (status != 0 && !lab_said(lab, "gbill rollup: ") && !lab_said(lab, "no memory"))
        return "failed and did not say why";
    return NULL;
}

static bool
attempt(uint64_t counts[], struct lab *lab, enum shim_call call, uint64_t number, int error)
{
    char text[128], name[32];
    remove_tables(lab);
    if (number > 0)
        lab_arm(lab, call, number, error, false);
    int status = rollup(lab);
    for (int c = 0; counts != NULL && c < SHIM_CALL_COUNT; c++)
        counts[c] = lab->shim->counts[c];
    lab_disarm(lab);
    const char *wrong = judge_end(lab, status, error);
    if (wrong == NULL && rollup(lab) != 0)
        wrong = "the next run fails";
    if (wrong == NULL && digest[0] == '\0')
        snprintf(digest, sizeof digest, "%s", said_digest(lab, text));
    if (wrong == NULL && (digest[0] == '\0' || strcmp(said_digest(lab, text), digest) != 0))
        wrong = "the next run comes to other tables";
    if (wrong == NULL)
        return true;
    fprintf(stderr, "FAIL: %s number %llu, %s: %s\n", lab_call_name(call),
            (unsigned long long)number, lab_error_name(error, name), wrong);
    lab_show_errors(lab);
    return false;
}

int
main(int argc, char **argv)
{
    return fault_main(argc, argv, "runs of gbill rollup", attempt);
}
