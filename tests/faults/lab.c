#include "tests/faults/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "store/log/verify.h"

enum { ACK_BYTES = 13 /* {"ack": seven letters} */ };

void
lab_die(const char *what)
{
    fprintf(stderr, "lab: %s: %s\n", what, strerror(errno));
    exit(1);
}

int64_t
lab_now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void
remove_tree(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        lab_die(path);
}

void
lab_open(struct lab *lab)
{
    const char *bin = getenv("GBILL_BIN");
    *lab = (struct lab){.base = "/dev/shm/gbill-lab-XXXXXX"};
    if (bin == NULL) {
        fprintf(stderr, "set GBILL_BIN to the build directory\n");
        exit(2);
    }
    if (mkdtemp(lab->base) == NULL) {
        snprintf(lab->base, sizeof lab->base, "/tmp/gbill-lab-XXXXXX");
        if (mkdtemp(lab->base) == NULL)
            lab_die(lab->base);
    }
    snprintf(lab->bin, sizeof lab->bin, "%s", bin);
    snprintf(lab->data, sizeof lab->data, "%s/data", lab->base);
    snprintf(lab->log, sizeof lab->log, "%s/log", lab->data);
    snprintf(lab->socket, sizeof lab->socket, "%s/agent.sock", lab->data);
    snprintf(lab->errors, sizeof lab->errors, "%s/errors", lab->base);
    snprintf(lab->page, sizeof lab->page, "%s/page", lab->base);
    int fd = open(lab->page, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *lab->shim) != 0)
        lab_die(lab->page);
    lab->shim = mmap(NULL, sizeof *lab->shim, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (lab->shim == MAP_FAILED)
        lab_die("mmap");
    close(fd);
    lab_disarm(lab);
}

void
lab_close(struct lab *lab)
{
    munmap(lab->shim, sizeof *lab->shim);
    remove_tree(lab->base);
}

void
lab_clean(struct lab *lab)
{
    remove_tree(lab->data);
    lab_forget(lab);
}

void
lab_forget(struct lab *lab)
{
    if (unlink(lab->errors) != 0 && errno != ENOENT)
        lab_die(lab->errors);
    lab_disarm(lab);
    lab->shim->fired = 0;
    for (int i = 0; i < SHIM_CALL_COUNT; i++)
        lab->shim->counts[i] = 0;
}

void
lab_arm(struct lab *lab, enum shim_call call, uint64_t number, int error, bool lasting)
{
    lab->shim->number = number;
    lab->shim->error = error;
    lab->shim->lasting = lasting;
    lab->shim->call = (int32_t)call;
}

void
lab_disarm(struct lab *lab)
{
    lab->shim->call = -1;
}

const char *
lab_call_name(enum shim_call call)
{
    static const char *const names[] = {
#define LAB_NAME(name) #name,
        SHIM_CALLS(LAB_NAME)
#undef LAB_NAME
    };
    return names[call];
}

const char *
lab_error_name(int error, char text[32])
{
    const char *name = error == SHIM_SHORT         ? "short"
                       : error == SHIM_KILL_BEFORE ? "killed before"
                       : error == SHIM_KILL_AFTER  ? "killed after"
                                                   : strerrorname_np(error);
    snprintf(text, 32, "%s", name != NULL ? name : "?");
    return text;
}

/* ---- programs ---- */

/* Under a sanitizer its library must be the first one. */
static void
load_shim(const struct lab *lab)
{
    char preload[600];
    const char *before = getenv("GBILL_PRELOAD");
    snprintf(preload, sizeof preload, "%s%s%s/tests/shim.so", before != NULL ? before : "",
             before != NULL ? ":" : "", lab->bin);
    setenv("LD_PRELOAD", preload, 1);
    setenv("GBILL_SHIM", lab->page, 1);
}

pid_t
lab_start(struct lab *lab, const char *const argv[])
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", lab->bin, argv[0]);
    pid_t pid = fork();
    if (pid < 0)
        lab_die("fork");
    if (pid > 0)
        return pid;
    int fd = open(lab->errors, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(127);
    load_shim(lab);
    execv(path, (char *const *)argv);
    _exit(127);
}

pid_t
lab_start_agent(struct lab *lab)
{
    const char *argv[] = {"gbill-agent", "--data", lab->data, NULL};
    return lab_start(lab, argv);
}

int
lab_wait(pid_t pid, int timeout_ms)
{
    int status;
    int64_t until = lab_now_ms() + timeout_ms;
    for (;;) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid)
            return status;
        if (ended < 0)
            lab_die("waitpid");
        if (lab_now_ms() >= until)
            break;
        poll(NULL, 0, 1);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
}

static size_t
read_errors(const struct lab *lab, char *text, size_t room)
{
    FILE *f = fopen(lab->errors, "re");
    size_t n = f != NULL ? fread(text, 1, room - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    text[n] = '\0';
    return n;
}

bool
lab_said(const struct lab *lab, const char *text)
{
    static char all[1 << 16];
    read_errors(lab, all, sizeof all);
    return strstr(all, text) != NULL;
}

void
lab_show_errors(const struct lab *lab)
{
    static char all[1 << 16];
    if (read_errors(lab, all, sizeof all) > 0)
        fprintf(stderr, "%s", all);
}

/* ---- the client ---- */

int
lab_dial(const struct lab *lab, int timeout_ms)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int64_t until = lab_now_ms() + timeout_ms;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", lab->socket);
    for (;;) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            lab_die("socket");
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
            return fd;
        close(fd);
        if (lab_now_ms() >= until)
            return -1;
        poll(NULL, 0, 1);
    }
}

bool
lab_say(int fd, struct bytes b)
{
    while (b.size_bytes > 0) {
        ssize_t n = send(fd, b.data, b.size_bytes, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        b = (struct bytes){b.data + n, b.size_bytes - (size_t)n};
    }
    return true;
}

bool
lab_hear_ack(int fd, const char *chunk, int timeout_ms)
{
    char got[ACK_BYTES], want[ACK_BYTES + 1];
    int64_t until = lab_now_ms() + timeout_ms;
    snprintf(want, sizeof want,
             "\x81\xa3"
             "ack\xa7%s",
             chunk);
    for (size_t have = 0; have < sizeof got;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until - lab_now_ms();
        if (left <= 0 || poll(&p, 1, (int)left) != 1)
            return false;
        ssize_t n = recv(fd, got + have, sizeof got - have, 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    if (memcmp(got, want, sizeof got) != 0) {
        fprintf(stderr, "lab: an ack of another chunk came for %s\n", chunk);
        exit(1);
    }
    return true;
}

/* ---- the log ---- */

struct seen {
    void (*seen)(void *context, struct str id);
    void *context;
};

static enum err_code
see_event(void *context, uint64_t seq, const struct event *event, struct err *err)
{
    const struct seen *s = context;
    (void)seq;
    (void)err;
    if (s->seen != NULL)
        s->seen(s->context, event->id);
    return ERR_OK;
}

bool
lab_verify(const struct lab *lab, void (*seen)(void *context, struct str id), void *context,
           char *text)
{
    struct seen s = {seen, context};
    struct err err = {.code = ERR_OK};
    struct log_watch watch = {.context = &s, .event = see_event};
    if (log_verify(lab->log, LOG_EVENTS, &watch, &err) == ERR_OK &&
        log_verify(lab->log, LOG_QUARANTINE, &watch, &err) == ERR_OK)
        return true;
    snprintf(text, ERR_TEXT_BYTES_MAX, "%s", err.text);
    return false;
}
