#include "tests/bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/base/clock.h"

enum { SAMPLE_NS = 5000000 };

static void
die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Not VmHWM: that counts the pages of mapped files too. */
static long
anonymous_kib(pid_t pid)
{
    char line[256];
    long kib = 0;
    snprintf(line, sizeof line, "/proc/%d/status", (int)pid);
    FILE *f = fopen(line, "r");
    while (f != NULL && kib == 0 && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtol(line + 8, NULL, 10);
    }
    if (f != NULL)
        fclose(f);
    return kib;
}

static double
seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

struct child_cost
child_run(const char *const argv[])
{
    struct child_cost cost = {0};
    struct rusage usage;
    int status, ended;
    int64_t start_ns = clock_monotonic_ns();
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        if (null >= 0)
            dup2(null, STDOUT_FILENO);
        execv(argv[0], (char *const *)argv); /* which does not change it, POSIX says */
        die(argv[0]);
    }
    while ((ended = wait4(pid, &status, WNOHANG, &usage)) == 0) {
        long kib = anonymous_kib(pid);
        if (kib > cost.anonymous_kib)
            cost.anonymous_kib = kib;
        nanosleep(&(struct timespec){0, SAMPLE_NS}, NULL);
    }
    if (ended < 0)
        die("wait4");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "bench: %s failed, wait status %d\n", argv[0], status);
        exit(1);
    }
    cost.wall_s = (double)(clock_monotonic_ns() - start_ns) / 1e9;
    cost.cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    return cost;
}

struct child_cost
child_rollup(const char *gbill, const char *directory, const char *book)
{
    const char *argv[] = {gbill, "rollup", "--data", directory, "--prices", book, NULL};
    return child_run(argv);
}
