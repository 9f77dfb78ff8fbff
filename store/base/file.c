#include "store/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum err_code
file_read(const char *path, size_t bytes_max, struct bytes *ret_text, struct err *err)
{
    uint8_t *data = NULL;
    struct stat st;
    enum err_code code = ERR_OK;
    /* Without O_NONBLOCK a FIFO of that name would hold us here for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    if (fstat(fd, &st) != 0) {
        code = err_set_errno(err, errno, "cannot stat %s", path);
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        code = err_set(err, ERR_INPUT, "%s is not a regular file", path);
        goto out;
    }
    if ((uint64_t)st.st_size > bytes_max) {
        code = err_set(err, ERR_LIMIT, "%s has %lld bytes, limit is %zu", path,
                       (long long)st.st_size, bytes_max);
        goto out;
    }
    size_t size = (size_t)st.st_size, done = 0;
    data = malloc(size + 1);
    if (data == NULL) {
        code = err_set(err, ERR_LIMIT, "%s: no memory for %zu bytes", path, size);
        goto out;
    }
    while (done < size) {
        ssize_t n = read(fd, data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            code = err_set_errno(err, n < 0 ? errno : EIO, "cannot read %s", path);
            goto out;
        }
        done += (size_t)n;
    }
    data[size] = '\0';
    *ret_text = (struct bytes){data, size};
    data = NULL;
out:
    free(data);
    close(fd);
    return code;
}

enum err_code
file_sync_directory(const char *directory, struct err *err)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", directory);
    enum err_code code = ERR_OK;
    if (fsync(fd) != 0)
        code = err_set_errno(err, errno, "cannot flush directory %s", directory);
    close(fd);
    return code;
}

/* All of text into a new file of that name, flushed. */
static enum err_code
write_new(const char *path, mode_t mode, struct bytes text, struct err *err)
{
    enum err_code code = ERR_OK;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot make %s", path);
    for (size_t done = 0; code == ERR_OK && done < text.size_bytes;) {
        ssize_t n = write(fd, text.data + done, text.size_bytes - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            code = err_set_errno(err, errno, "cannot write %s", path);
    }
    if (code == ERR_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
        code = err_set_errno(err, errno, "cannot flush %s", path);
    if (close(fd) != 0 && code == ERR_OK)
        code = err_set_errno(err, errno, "cannot close %s", path);
    return code;
}

/* The name that a file has until it is whole, and the directory that both are in. */
static enum err_code
name_new(const char *path, char made[FILE_PATH_BYTES_MAX], struct err *err)
{
    int n = snprintf(made, FILE_PATH_BYTES_MAX, "%s.new", path);
    if (n < 0 || n >= FILE_PATH_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "path %.60s… is longer than %d bytes", path,
                       FILE_PATH_BYTES_MAX - 5);
    return ERR_OK;
}

static enum err_code
rename_new(const char *made, const char *path, struct err *err)
{
    char directory[FILE_PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    int directory_bytes = slash == NULL || slash == path ? 1 : (int)(slash - path);
    snprintf(directory, sizeof directory, "%.*s", directory_bytes, slash == NULL ? "." : path);
    if (rename(made, path) != 0)
        return err_set_errno(err, errno, "cannot rename %s to %s", made, path);
    return file_sync_directory(directory, err);
}

enum err_code
file_replace(const char *path, unsigned mode, struct bytes text, struct err *err)
{
    struct stat st;
    char made[FILE_PATH_BYTES_MAX];
    enum err_code code = name_new(path, made, err);
    if (code != ERR_OK)
        return code;
    code = write_new(made, stat(path, &st) == 0 ? st.st_mode & 0777 : (mode_t)mode, text, err);
    if (code == ERR_OK)
        code = rename_new(made, path, err);
    if (code != ERR_OK)
        unlink(made);
    return code;
}

enum err_code
file_draft_begin(struct file_draft *draft, const char *path, unsigned mode, struct err *err)
{
    struct stat st;
    bool there = stat(path, &st) == 0;
    *draft = (struct file_draft){.path = path};
    if (there && S_ISDIR(st.st_mode))
        return err_set(err, ERR_CONFLICT, "%s is a directory; name a file", path);
    if (!there || S_ISREG(st.st_mode)) {
        enum err_code code = name_new(path, draft->made, err);
        if (code != ERR_OK)
            return code;
    }
    const char *name = draft->made[0] != '\0' ? draft->made : path;
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0) {
        enum err_code code = err_set_errno(err, errno, "cannot make %s", name);
        draft->made[0] = '\0'; /* what stands there is not ours */
        return code;
    }
    draft->out = fdopen(fd, "w");
    if (draft->out != NULL &&
        (draft->made[0] == '\0' || fchmod(fd, there ? st.st_mode & 0777 : (mode_t)mode) == 0))
        return ERR_OK;
    enum err_code code = err_set_errno(err, errno, "cannot open %s", name);
    if (draft->out == NULL)
        close(fd);
    file_draft_drop(draft);
    return code;
}

enum err_code
file_draft_keep(struct file_draft *draft, struct err *err)
{
    bool whole = draft->made[0] != '\0';
    enum err_code code = ERR_OK;
    if (fflush(draft->out) != 0 || (whole && fsync(fileno(draft->out)) != 0))
        code = err_set_errno(err, errno, "cannot write %s", draft->path);
    if (fclose(draft->out) != 0 && code == ERR_OK)
        code = err_set_errno(err, errno, "cannot close %s", draft->path);
    draft->out = NULL;
    if (code == ERR_OK && whole)
        code = rename_new(draft->made, draft->path, err);
    if (code == ERR_OK)
        draft->made[0] = '\0';
    file_draft_drop(draft);
    return code;
}

void
file_draft_drop(struct file_draft *draft)
{
    if (draft->out != NULL)
        fclose(draft->out);
    if (draft->made[0] != '\0')
        unlink(draft->made);
    draft->out = NULL;
    draft->made[0] = '\0';
}

enum err_code
file_path(char path[FILE_PATH_BYTES_MAX], const char *directory, const char *name, struct err *err)
{
    int n = snprintf(path, FILE_PATH_BYTES_MAX, "%s/%s", directory, name);
    if (n < 0 || n >= FILE_PATH_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "path %.60s…/%s is longer than %d bytes", directory, name,
                       FILE_PATH_BYTES_MAX - 1);
    return ERR_OK;
}

uint64_t
file_free_bytes(const char *path)
{
    struct statvfs fs;
    return statvfs(path, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
}

/* The directory that path, which may end in slashes, lies in. */
static void
parent_of(const char *path, char parent[FILE_PATH_BYTES_MAX])
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    snprintf(parent, FILE_PATH_BYTES_MAX, "%.*s", n > 0 ? (int)n : 1, n > 0 ? path : ".");
}

enum err_code
file_make_directory(const char *path, struct err *err)
{
    struct stat st;
    char parent[FILE_PATH_BYTES_MAX];
    parent_of(path, parent);
    if (mkdir(path, 0750) == 0)
        return file_sync_directory(parent, err);
    if (errno != EEXIST)
        return err_set_errno(err, errno, "cannot make directory %s", path);
    /* Whoever made it may have been killed before this; it matters little and costs nothing. */
    enum err_code ignored = file_sync_directory(parent, NULL);
    (void)ignored;
    if (stat(path, &st) != 0)
        return err_set_errno(err, errno, "cannot stat %s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_CONFLICT, "%s is there but is not a directory", path);
    return ERR_OK;
}

static long
lock_holder(int fd)
{
    char text[32] = {0};
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

enum err_code
file_lock(const char *path, const char *who, int *ret_fd, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open lock file %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        enum err_code code = errno == EWOULDBLOCK
                                 ? err_set(err, ERR_BUSY, "%s: another %s runs here (pid %ld)",
                                           path, who, lock_holder(fd))
                                 : err_set_errno(err, errno, "cannot lock %s", path);
        close(fd);
        return code;
    }
    /* The pid is a courtesy to whoever finds the lock taken; failing to write it is no error. */
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0) {
        ssize_t wrote = pwrite(fd, text, (size_t)n, 0);
        (void)wrote;
    }
    *ret_fd = fd;
    return ERR_OK;
}
