#include "tests/ingest/live_agent.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/event/event.h"
#include "store/log/quarantine.h"
#include "store/log/reader.h"

char live_data[96], live_sock[128], live_errors[96];
pid_t live_pid;
rlim_t live_file_limit;
struct agent_options live_options;
static char dir[64];
static volatile int64_t *clock_shift_ms; /* shared with the agents */

static int64_t
shifted_now(const struct clock *clock)
{
    (void)clock;
    struct clock system = clock_system();
    return clock_now_ms(&system) + *clock_shift_ms;
}

void
live_shift_clock(int64_t by_ms)
{
    *clock_shift_ms += by_ms;
}

void
live_start_agent(void)
{
    live_pid = fork();
    if (live_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is killed leaves no agent behind */
        if (live_file_limit > 0)
            setrlimit(RLIMIT_NOFILE, &(struct rlimit){live_file_limit, live_file_limit});
        int fd = open(live_errors, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 2);
        struct agent_options o = live_options;
        o.data = live_data;
        o.clock = (struct clock){.now_utc_ms = shifted_now};
        struct err err = {.code = ERR_OK};
        enum err_code code = agent_run(&o, &err);
        if (code != ERR_OK)
            fprintf(stderr, "agent: %s\n", err.text);
        exit(err_exit_status(code)); /* not _exit: the leak check runs here */
    }
}

int
live_end_agent(int signal_number)
{
    int status;
    kill(live_pid, signal_number);
    cr_assert_eq(waitpid(live_pid, &status, 0), live_pid);
    live_pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int
dial_now(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", live_sock);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

int
live_dial(void)
{
    for (int i = 0; i < 500; i++) {
        int fd = dial_now();
        if (fd >= 0)
            return fd;
        poll(NULL, 0, 10);
    }
    cr_assert_fail("nobody listens on %s", live_sock);
    return -1;
}

static void
read_errors(char *all, size_t all_bytes)
{
    FILE *f = fopen(live_errors, "r");
    size_t n = f != NULL ? fread(all, 1, all_bytes - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    all[n] = '\0';
}

int
live_dial_tcp(void)
{
    char host[64] = "", port[8] = "", all[16384];
    for (int i = 0; i < 500 && port[0] == '\0'; i++) {
        read_errors(all, sizeof all);
        const char *at = strstr(all, " tcp=");
        if (at == NULL || strchr(at, '\n') == NULL ||
            sscanf(at, " tcp=%63[0-9.]:%7[0-9]", host, port) != 2)
            poll(NULL, 0, 10);
    }
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)strtol(port, NULL, 10)),
                            .sin_addr.s_addr = inet_addr(host)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0, "%s:%s: %s", host, port,
                 strerror(errno));
    return fd;
}

void
live_say(int fd, struct bytes b)
{
    while (b.size_bytes > 0) {
        ssize_t n = send(fd, b.data, b.size_bytes, MSG_NOSIGNAL);
        cr_assert(n > 0, "send: %s", strerror(errno));
        b = (struct bytes){b.data + n, b.size_bytes - (size_t)n};
    }
}

void
live_hear(int fd, const struct wire *want)
{
    struct bytes w = wire_bytes(want);
    uint8_t *got = malloc(w.size_bytes);
    size_t have = 0;
    while (have < w.size_bytes) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        cr_assert_eq(poll(&p, 1, 10000), 1, "no ack after 10 s; have %zu of %zu bytes", have,
                     w.size_bytes);
        ssize_t n = read(fd, got + have, w.size_bytes - have);
        cr_assert(n > 0, "connection ended after %zu bytes of acks", have);
        have += (size_t)n;
    }
    cr_assert_eq(memcmp(got, w.data, have), 0, "other acks, or in another order");
    free(got);
}

void
live_hear_ack(int fd, const char *chunk)
{
    struct wire w;
    wire_init(&w);
    wire_ack(&w, chunk);
    live_hear(fd, &w);
    wire_clear(&w);
}

bool
live_is_closed(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;
    return poll(&p, 1, 10000) == 1 && read(fd, &c, 1) <= 0;
}

int64_t
live_now_s(void)
{
    return (int64_t)time(NULL) + *clock_shift_ms / 1000;
}

void
live_send_one(int fd, const char *id, const char *chunk)
{
    struct wire w;
    wire_init(&w);
    wire_message(&w, "gbill.usage", live_now_s(), id, chunk);
    live_say(fd, wire_bytes(&w));
    wire_clear(&w);
}

uint64_t
live_count_log(enum log_stream stream, char last[256])
{
    char path[128];
    struct log_reader *reader = NULL;
    struct log_frame frame;
    struct err err;
    uint64_t count = 0;
    bool more = true;
    snprintf(path, sizeof path, "%s/log", live_data);
    enum err_code code = log_reader_open(path, stream, 0, &reader, &err);
    cr_assert_eq(code, ERR_OK, "%s", err.text);
    log_reader_check_chain(reader);
    while (log_reader_next(reader, &frame, &more, &err) == ERR_OK && more) {
        struct mp m = mp_of(frame.events);
        for (uint32_t i = 0; i < frame.event_count; i++, count++) {
            struct event e;
            struct event_defect defect;
            struct quarantined q;
            if (stream == LOG_EVENTS) {
                cr_assert(event_read(&m, &e, &defect), "%s", defect.text);
                cr_assert(e.peer_uid == getuid() || e.peer_uid == UINT32_MAX);
                snprintf(last, 256, "%.*s", STR_ARG(e.id));
            } else {
                cr_assert(quarantine_read(&m, &q));
                snprintf(last, 256, "%.*s", STR_ARG(q.reason));
            }
        }
    }
    cr_assert_not(more, "%s", err.text);
    log_reader_close(reader);
    return count;
}

bool
live_errors_say(const char *text)
{
    char all[16384];
    read_errors(all, sizeof all);
    return strstr(all, text) != NULL;
}

void
live_wait_for(const char *text)
{
    for (int i = 0; i < 1000 && !live_errors_say(text); i++)
        poll(NULL, 0, 10);
    cr_assert(live_errors_say(text), "the agent never said %s", text);
}

int64_t
live_cpu_ms(void)
{
    char path[64], text[512];
    unsigned long user = 0, sys = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)live_pid);
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    if (f != NULL)
        fclose(f);
    const char *p = strrchr(text, ')');
    cr_assert_not_null(p);
    cr_assert_eq(sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys),
                 2);
    return (int64_t)(user + sys) * 1000 / sysconf(_SC_CLK_TCK);
}

void
live_setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/gbill-agent-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    void *page = mmap(NULL, sizeof *clock_shift_ms, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    clock_shift_ms = page;
    snprintf(live_data, sizeof live_data, "%s/data", dir);
    snprintf(live_sock, sizeof live_sock, "%s/agent.sock", live_data);
    snprintf(live_errors, sizeof live_errors, "%s/stderr", dir);
}

void
live_teardown(void)
{
    char command[128];
    if (live_pid > 0)
        (void)live_end_agent(SIGKILL);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}
