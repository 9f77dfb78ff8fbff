#include "ingest/status_ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ingest/listen.h"
#include "store/base/bytes.h"
#include "store/base/clock.h"

static enum err_code
dial(const char *path, int *ret_fd, struct err *err)
{
    static const char question[] = "GET /metrics HTTP/1.0\r\n\r\n";
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const struct timeval wait = {.tv_sec = STATUS_ASK_TIMEOUT_MS / 1000};
    enum err_code code = listen_check_path(path, err);
    if (code != ERR_OK)
        return code;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot make a socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    ssize_t n = -1;
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
        n = send(fd, question, sizeof question - 1, MSG_NOSIGNAL);
    if (n == sizeof question - 1) {
        *ret_fd = fd;
        return ERR_OK;
    }
    int e = errno;
    close(fd);
    if (e == EACCES || e == EPERM)
        return err_set(err, ERR_DENIED, "may not ask the agent at %s: run as its user or as root",
                       path);
    return err_set(err, ERR_PEER,
                   "no agent answers at %s: %s; start gbill-agent, or name another --data or "
                   "--status-socket",
                   path, strerror(e));
}

/* All of it, within the time. */
static enum err_code
hear(int fd, const char *path, struct buf *answer, struct err *err)
{
    int64_t until_ms = clock_monotonic_ms() + STATUS_ASK_TIMEOUT_MS;
    char room[16 * 1024];
    for (;;) {
        int64_t left = until_ms - clock_monotonic_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return err_set(err, ERR_PEER, "the agent at %s did not answer in %d s", path,
                           STATUS_ASK_TIMEOUT_MS / 1000);
        ssize_t n = recv(fd, room, sizeof room, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return err_set(err, ERR_PEER, "the agent at %s: %s", path, strerror(errno));
        if (n == 0)
            return ERR_OK;
        if (!buf_append(answer, room, (size_t)n))
            return err_set(err, ERR_LIMIT, "the answer from %s is over %d KiB", path,
                           STATUS_ASK_BYTES_MAX / 1024);
    }
}

enum err_code
status_ask(const char *path, struct buf *text, struct err *err)
{
    static const char ok[] = "HTTP/1.0 200 ", end_of_head[] = "\r\n\r\n";
    struct buf answer;
    int fd = -1;
    buf_init(&answer, STATUS_ASK_BYTES_MAX);
    enum err_code code = dial(path, &fd, err);
    if (code == ERR_OK)
        code = hear(fd, path, &answer, err);
    const uint8_t *body = NULL;
    if (answer.size_bytes > sizeof ok && memcmp(answer.data, ok, sizeof ok - 1) == 0)
        body = memmem(answer.data, answer.size_bytes, end_of_head, sizeof end_of_head - 1);
    if (code == ERR_OK && body == NULL)
        code = err_set(err, ERR_PEER, "what answers at %s is no gbill-agent's status socket", path);
    if (code == ERR_OK) {
        body += sizeof end_of_head - 1;
        if (!buf_append(text, body, answer.size_bytes - (size_t)(body - answer.data)))
            code = err_set(err, ERR_LIMIT, "no memory for the answer from %s", path);
    }
    if (fd >= 0)
        close(fd);
    buf_clear(&answer);
    return code;
}
