#include "ingest/listen.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096 };

_Static_assert(LISTEN_PATH_BYTES_MAX == sizeof(((struct sockaddr_un *)0)->sun_path),
               "a path fits the address");

enum err_code
listen_check_path(const char *path, struct err *err)
{
    if (path[0] == '\0')
        return err_set(err, ERR_CONFIG, "the socket's path is empty");
    if (strlen(path) >= LISTEN_PATH_BYTES_MAX)
        return err_set(err, ERR_LIMIT,
                       "socket path %.40s… has %zu bytes, limit is %d; give a shorter one with "
                       "--socket or --status-socket",
                       path, strlen(path), LISTEN_PATH_BYTES_MAX - 1);
    return ERR_OK;
}

static struct sockaddr_un
address_of(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    return a;
}

/* EAGAIN: its queue is full, so somebody listens. */
static enum err_code
check_nobody_answers(const char *path, bool *ret_stale, struct err *err)
{
    struct sockaddr_un a = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot make a socket");
    int rc = connect(fd, (const struct sockaddr *)&a, sizeof a), e = rc == 0 ? 0 : errno;
    close(fd);
    *ret_stale = e == ECONNREFUSED;
    if (e == ECONNREFUSED || e == ENOENT)
        return ERR_OK;
    if (e == 0 || e == EAGAIN)
        return err_set(err, ERR_BUSY, "%s: another process answers on this socket", path);
    return err_set_errno(err, e, "cannot tell whether somebody answers on %s", path);
}

static enum err_code
remove_stale(const char *path, struct err *err)
{
    struct stat st;
    bool stale = false;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? ERR_OK : err_set_errno(err, errno, "cannot look at %s", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_CONFLICT,
                       "%s is there but is not a socket; move it away or name another path", path);
    enum err_code code = check_nobody_answers(path, &stale, err);
    if (code == ERR_OK && stale && unlink(path) != 0 && errno != ENOENT)
        code = err_set_errno(err, errno, "cannot remove the stale socket %s", path);
    return code;
}

enum err_code
listen_open(const char *path, struct listener *ret, struct err *err)
{
    struct listener l = {.fd = -1};
    struct stat st;
    enum err_code code = listen_check_path(path, err);
    if (code == ERR_OK)
        code = remove_stale(path, err);
    if (code != ERR_OK)
        return code;
    snprintf(l.path, sizeof l.path, "%s", path);
    struct sockaddr_un a = address_of(path);
    l.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l.fd < 0)
        return err_set_errno(err, errno, "cannot make a socket");
    mode_t before = umask(0117);
    int rc = bind(l.fd, (const struct sockaddr *)&a, sizeof a), e = errno;
    umask(before);
    if (rc != 0) {
        code = e == EADDRINUSE
                   ? err_set(err, ERR_BUSY, "%s: another process took this socket", path)
                   : err_set_errno(err, e, "cannot bind the socket %s", path);
        goto out;
    }
    if (listen(l.fd, LISTEN_BACKLOG) != 0 || lstat(path, &st) != 0) {
        code = err_set_errno(err, errno, "cannot listen on %s", path);
        goto out;
    }
    l.device = st.st_dev;
    l.inode = st.st_ino;
    *ret = l;
    return ERR_OK;
out:
    close(l.fd);
    return code;
}

void
listen_close(struct listener *listener)
{
    struct stat st;
    if (listener->fd < 0)
        return;
    close(listener->fd);
    listener->fd = -1;
    if (lstat(listener->path, &st) == 0 && st.st_dev == listener->device &&
        st.st_ino == listener->inode)
        unlink(listener->path);
}

int
listen_accept(const struct listener *listener, uint32_t *ret_uid)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        close(fd);
        errno = ECONNABORTED;
        return -1;
    }
    *ret_uid = peer.uid;
    return fd;
}
