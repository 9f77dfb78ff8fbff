#include "ingest/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ingest/gate.h"

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
    if (!listener->is_tcp && lstat(listener->path, &st) == 0 && st.st_dev == listener->device &&
        st.st_ino == listener->inode)
        unlink(listener->path);
}

/* "127.0.0.1:24224", "[::1]:24224". */
static void
print_address(const struct sockaddr *a, socklen_t size, char *text, size_t text_bytes)
{
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    (void)getnameinfo(a, size, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, text_bytes, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

static enum err_code
bind_tcp(const struct addrinfo *info, struct listener *l, const char *listen_at, struct err *err)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    int on = 1;
    l->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return err_set_errno(err, errno, "cannot make a socket for %s", listen_at);
    (void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l->fd, info->ai_addr, info->ai_addrlen) != 0 || listen(l->fd, LISTEN_BACKLOG) != 0 ||
        getsockname(l->fd, (struct sockaddr *)&bound, &size) != 0) {
        int e = errno;
        close(l->fd);
        l->fd = -1;
        return e == EADDRINUSE ? err_set(err, ERR_BUSY,
                                         "--listen %s: another process listens there; choose "
                                         "another port",
                                         listen_at)
                               : err_set_errno(err, e, "cannot listen on %s", listen_at);
    }
    print_address((const struct sockaddr *)&bound, size, l->path, sizeof l->path);
    return ERR_OK;
}

enum err_code
listen_open_tcp(const char *listen_at, struct listener *ret, struct err *err)
{
    char host[GATE_HOST_BYTES], port[GATE_PORT_BYTES];
    struct listener l = {.fd = -1, .is_tcp = true};
    struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    if (!gate_address(listen_at, host, port))
        return err_set(err, ERR_CONFIG, "--listen %s is not HOST:PORT", listen_at);
    int rc = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &want, &found);
    if (rc != 0)
        return err_set(err, ERR_CONFIG, "--listen %s: %s", listen_at, gai_strerror(rc));
    enum err_code code = bind_tcp(found, &l, listen_at, err);
    freeaddrinfo(found);
    if (code == ERR_OK)
        *ret = l;
    return code;
}

bool
listen_is_loopback(const struct listener *listener)
{
    return !listener->is_tcp || strncmp(listener->path, "127.", 4) == 0 ||
           strncmp(listener->path, "[::1]:", 6) == 0;
}

static bool
identify(int fd, struct listen_peer *ret)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    *ret = (struct listen_peer){.uid = UINT32_MAX};
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    ret->uid = peer.uid;
    return true;
}

static int
accept_tcp(int listener_fd, struct listen_peer *ret)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    int on = 1,
        fd = accept4(listener_fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return -1;
    *ret = (struct listen_peer){.uid = UINT32_MAX};
    (void)getnameinfo((const struct sockaddr *)&from, size, ret->address, sizeof ret->address, NULL,
                      0, NI_NUMERICHOST);
    /* An ack is small and waited for; a host that is gone must not hold a descriptor for ever. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return fd;
}

int
listen_accept(const struct listener *listener, struct listen_peer *ret_peer)
{
    if (listener->is_tcp)
        return accept_tcp(listener->fd, ret_peer);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && !identify(fd, ret_peer)) {
        close(fd);
        errno = ECONNABORTED;
        return -1;
    }
    return fd;
}
