#include "tests/bench/trickle.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REST_NS = 1000000, READ_BYTES = 256 * 1024 };

int64_t
trickle_cpu_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return -1;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

pid_t
trickle_peer(int fd)
{
    struct ucred peer = {.pid = -1};
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : -1;
}

bool
trickle_send(int fd, struct bytes b)
{
    for (size_t i = 0; i < b.size_bytes; i++) {
        if (send(fd, b.data + i, 1, MSG_NOSIGNAL) != 1)
            return false;
    }
    return true;
}

static void
read_only(int fd)
{
    static uint8_t room[READ_BYTES];
    while (recv(fd, room, sizeof room, 0) > 0)
        nanosleep(&(struct timespec){0, REST_NS}, NULL);
    _exit(0);
}

static int64_t
nanoseconds(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000;
}

int64_t
trickle_bare_ns(struct bytes b)
{
    int fds[2], status;
    struct rusage usage;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return -1;
    pid_t reader = fork();
    if (reader == 0) {
        close(fds[0]);
        read_only(fds[1]);
    }
    close(fds[1]);
    bool sent = reader > 0 && trickle_send(fds[0], b);
    close(fds[0]);
    if (reader < 0 || wait4(reader, &status, 0, &usage) != reader || !sent)
        return -1;
    return nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
}
