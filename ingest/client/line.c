#include "ingest/client/line.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "store/event/mp.h"

#define NS_PER_S ((int64_t)1000000000)

/* At least a little, since 0 would be for ever. */
static int64_t
left_ns(int64_t deadline_ns)
{
    int64_t left = deadline_ns - clock_monotonic_ns();
    return left > 1000 ? left : 1000;
}

enum err_code
line_dial(const struct sockaddr_un *address, int64_t deadline_ns, int *ret_fd, struct err *err)
{
    const char *path = address->sun_path;
    /* Blocking, so that connecting waits for its turn. */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot make a socket");
    int64_t wait_ns = left_ns(deadline_ns);
    const struct timeval wait = {.tv_sec = wait_ns / NS_PER_S,
                                 .tv_usec = wait_ns % NS_PER_S / 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    int r;
    do
        r = connect(fd, (const struct sockaddr *)address, sizeof *address);
    while (r != 0 && errno == EINTR && clock_monotonic_ns() < deadline_ns);
    if (r == 0) {
        *ret_fd = fd;
        return ERR_OK;
    }
    int e = errno;
    close(fd);
    if (e == EACCES || e == EPERM)
        return err_set(err, ERR_DENIED,
                       "may not ask the agent at %s: run as its user, as a member of its group, "
                       "or as root",
                       path);
    if (e == EAGAIN || e == EINTR)
        return err_set(err, ERR_PEER, "the agent at %s does not take the connection in time", path);
    return err_set(err, ERR_PEER, "no agent answers at %s: %s; start gbill-agent", path,
                   strerror(e));
}

/* False: the deadline has passed. */
static bool
wait_for(int fd, short events, int64_t deadline_ns)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int64_t left = deadline_ns - clock_monotonic_ns();
        if (left <= 0)
            return false;
        struct timespec t = {.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
        int n = ppoll(&p, 1, &t, NULL);
        if (n > 0 || (n < 0 && errno != EINTR))
            return true; /* or it will show in the call that was waited for */
    }
}

enum outcome { OUTCOME_OK, OUTCOME_LOST, OUTCOME_LATE, OUTCOME_STRANGER };

static enum outcome
send_all(int fd, struct bytes b, int64_t deadline_ns)
{
    while (b.size_bytes > 0) {
        ssize_t n = send(fd, b.data, b.size_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            b.data += n;
            b.size_bytes -= (size_t)n;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            if (!wait_for(fd, POLLOUT, deadline_ns))
                return OUTCOME_LATE;
        } else if (errno != EINTR) {
            return OUTCOME_LOST;
        }
    }
    return OUTCOME_OK;
}

/* ret_fd: what comes with it, if it is wanted; else the kernel lets go of it. */
static ssize_t
receive(int fd, uint8_t *to, size_t size_bytes, int *ret_fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof fd)];
    } control;
    struct iovec piece = {to, size_bytes};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
    if (ret_fd == NULL)
        return recv(fd, to, size_bytes, MSG_DONTWAIT);
    m.msg_control = control.room;
    m.msg_controllen = sizeof control.room;
    ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof fd)) {
        if (*ret_fd >= 0)
            close(*ret_fd);
        memcpy(ret_fd, CMSG_DATA(c), sizeof fd);
    }
    return n;
}

static enum outcome
receive_value(int fd, int64_t deadline_ns, uint8_t *room, struct bytes *ret, int *ret_fd)
{
    struct mp_scan scan = {.depth = 0};
    size_t have = 0, size;
    for (;;) {
        if (!wait_for(fd, POLLIN, deadline_ns))
            return OUTCOME_LATE;
        ssize_t n = receive(fd, room + have, LIMIT_ANSWER_BYTES_MAX - have, ret_fd);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return OUTCOME_LOST;
        have += (size_t)n;
        enum mp_scan_result is = mp_scan(&scan, room, have, LIMIT_ANSWER_BYTES_MAX, &size);
        if (is == MP_SCAN_MORE)
            continue;
        if (is == MP_SCAN_BAD || size != have) /* more than what was asked for */
            return OUTCOME_STRANGER;
        *ret = (struct bytes){room, size};
        return OUTCOME_OK;
    }
}

enum err_code
line_ask(int fd, struct bytes question, int64_t deadline_ns, uint8_t room[LIMIT_ANSWER_BYTES_MAX],
         struct bytes *ret_answer, int *ret_fd, bool *ret_was_lost, struct err *err)
{
    static const char *const troubles[] = {
        [OUTCOME_LOST] = "the agent closed the connection without an answer",
        [OUTCOME_LATE] = "the agent did not answer in time",
        [OUTCOME_STRANGER] = "what answers there is no gbill-agent",
    };
    enum outcome is = send_all(fd, question, deadline_ns);
    if (is == OUTCOME_OK)
        is = receive_value(fd, deadline_ns, room, ret_answer, ret_fd);
    if (is == OUTCOME_OK)
        return ERR_OK;
    *ret_was_lost = is == OUTCOME_LOST;
    close(fd);
    return err_set(err, ERR_PEER, "%s", troubles[is]);
}
