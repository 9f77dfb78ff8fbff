#include "reports/api/door.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/net/address.h"

enum { BACKLOG = 4096, HOST_BYTES_MAX = 256 };

/* A socket file that nobody listens on is what a killed server leaves. */
static enum err_code
remove_stale(const char *path, const struct sockaddr_un *address, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return ERR_OK;
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_CONFLICT, "%s is there but is no socket; name another path", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool stale = fd >= 0 &&
                 connect(fd, (const struct sockaddr *)(const void *)address, sizeof *address) !=
                     0 &&
                 errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (!stale)
        return err_set(err, ERR_BUSY, "%s: another process answers on this socket", path);
    return unlink(path) == 0 ? ERR_OK : err_set_errno(err, errno, "cannot replace %s", path);
}

static enum err_code
bind_and_listen(int family, const struct sockaddr *address, socklen_t size_bytes, int *ret_fd)
{
    int on = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && family != AF_UNIX)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd >= 0 && bind(fd, address, size_bytes) == 0 && listen(fd, BACKLOG) == 0) {
        *ret_fd = fd;
        return ERR_OK;
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return error == EADDRINUSE ? ERR_BUSY : ERR_IO;
}

static enum err_code
open_unix(const char *path, int *ret_fd, struct err *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path)
        return err_set(err, ERR_CONFIG, "%s: a socket's path has at most %zu bytes", path,
                       sizeof a.sun_path - 1);
    memcpy(a.sun_path, path, strlen(path));
    enum err_code code = remove_stale(path, &a, err);
    if (code != ERR_OK)
        return code;
    if (bind_and_listen(AF_UNIX, (const struct sockaddr *)(const void *)&a, sizeof a, ret_fd) !=
        ERR_OK)
        return err_set_errno(err, errno, "cannot listen on %s", path);
    return chmod(path, 0660) == 0 ? ERR_OK : err_set_errno(err, errno, "cannot set %s", path);
}

static enum err_code
resolve(const char *where, struct addrinfo **ret, struct err *err)
{
    char host[HOST_BYTES_MAX];
    const char *colon = strrchr(where, ':');
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    size_t size = colon != NULL ? (size_t)(colon - where) : 0;
    if (size > 1 && where[0] == '[' && where[size - 1] == ']') {
        where++;
        size -= 2;
    }
    if (size == 0 || size >= sizeof host)
        return err_set(err, ERR_CONFIG,
                       "--listen must be HOST:PORT such as 127.0.0.1:8080, or the path of a unix "
                       "socket with a \"/\"");
    memcpy(host, where, size);
    host[size] = '\0';
    int rc = getaddrinfo(host, colon + 1, &hints, ret);
    return rc == 0 ? ERR_OK
                   : err_set(err, ERR_CONFIG, "--listen: %s port %s: %s", host, colon + 1,
                             gai_strerror(rc));
}

static void
name_of(int fd, const char *where, char ret_name[128])
{
    struct sockaddr_storage a;
    socklen_t size = sizeof a;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    snprintf(ret_name, 128, "%s", where);
    if (getsockname(fd, (struct sockaddr *)(void *)&a, &size) == 0 &&
        getnameinfo((const struct sockaddr *)(const void *)&a, size, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(ret_name, 128, a.ss_family == AF_INET6 ? "[%.60s]:%.10s" : "%.60s:%.10s", host,
                 port);
}

enum err_code
door_open(const char *where, int *ret_fd, char ret_name[128], bool *ret_open, struct err *err)
{
    struct addrinfo *found;
    snprintf(ret_name, 128, "%s", where);
    *ret_open = false;
    if (strchr(where, '/') != NULL)
        return open_unix(where, ret_fd, err);
    enum err_code code = resolve(where, &found, err);
    if (code != ERR_OK)
        return code;
    *ret_open = address_kind(found->ai_addr) != ADDRESS_LOOPBACK;
    code = bind_and_listen(found->ai_family, found->ai_addr, found->ai_addrlen, ret_fd);
    if (code == ERR_BUSY)
        code =
            err_set(err, ERR_BUSY, "%s: another process listens there; name another port", where);
    else if (code != ERR_OK)
        code = err_set_errno(err, errno, "cannot listen on %s", where);
    else
        name_of(*ret_fd, where, ret_name);
    freeaddrinfo(found);
    return code;
}
