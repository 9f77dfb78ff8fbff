#include "reports/api/repeats.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/file.h"
#include "store/base/hash.h"

enum { REPEATS_FILE_MODE = 0600 };

/* The file at its size; room is taken now, since a full disk would else be a SIGBUS later. */
static enum err_code
open_file(const char *path, int *ret_fd, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, REPEATS_FILE_MODE);
    bool ok = fd >= 0 && fstat(fd, &st) == 0 &&
              (st.st_size == (off_t)sizeof(struct repeats) || ftruncate(fd, 0) == 0);
    int error = ok ? posix_fallocate(fd, 0, sizeof(struct repeats)) : errno;
    if (error == 0) {
        *ret_fd = fd;
        return ERR_OK;
    }
    if (fd >= 0)
        close(fd);
    return err_set_errno(err, error, "cannot open %s", path);
}

enum err_code
repeats_open(const char *data_directory, struct repeats **ret, int *ret_lock, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX], lock_path[FILE_PATH_BYTES_MAX];
    int fd = -1;
    *ret_lock = -1;
    enum err_code code = file_path(path, data_directory, "api-repeats", err);
    if (code == ERR_OK)
        code = file_path(lock_path, data_directory, "api-repeats.lock", err);
    if (code == ERR_OK)
        code = file_lock(lock_path, "gbill api", ret_lock, err);
    bool shared = code == ERR_OK;
    if (shared)
        code = open_file(path, &fd, err);
    else if (code == ERR_BUSY)
        code = ERR_OK;
    if (code != ERR_OK)
        return code;
    void *mapped = mmap(NULL, sizeof **ret, PROT_READ | PROT_WRITE,
                        shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (mapped == MAP_FAILED)
        return err_set_errno(err, error, "cannot map %s", path);
    *ret = mapped;
    return ERR_OK;
}

void
repeats_close(struct repeats *repeats, int lock)
{
    if (repeats != NULL)
        munmap(repeats, sizeof *repeats);
    if (lock >= 0)
        close(lock);
}

bool
repeats_key_ok(const char *key)
{
    size_t size = strlen(key);
    for (size_t i = 0; i < size; i++) {
        if (key[i] <= ' ' || key[i] > '~')
            return false;
    }
    return size >= 1 && size <= REPEATS_KEY_BYTES_MAX;
}

static size_t
first_slot(const struct repeat *r)
{
    return r->key[0] % (REPEATS_SLOTS / REPEATS_WAYS) * REPEATS_WAYS;
}

enum repeat_kind
repeats_find(const struct repeats *repeats, const char *organization, const char *key,
             struct bytes body, int64_t now_ms, struct repeat *ret)
{
    uint8_t hash[HASH_SHA256_BYTES];
    struct repeat r = {.first_ms = now_ms};
    const struct bytes name[] = {{(const uint8_t *)organization, strlen(organization) + 1},
                                 {(const uint8_t *)key, strlen(key)}};
    hash_sha256(name, 2, hash);
    memcpy(r.key, hash, sizeof r.key);
    hash_sha256(&body, 1, hash);
    memcpy(r.body, hash, sizeof r.body);
    *ret = r;
    const struct repeat *set = &repeats->slots[first_slot(&r)];
    for (int i = 0; i < REPEATS_WAYS; i++) {
        if (memcmp(set[i].key, r.key, sizeof r.key) != 0 ||
            now_ms - set[i].first_ms > REPEATS_LIFE_MS)
            continue;
        ret->first_ms = set[i].first_ms;
        return memcmp(set[i].body, r.body, sizeof r.body) == 0 ? REPEAT_SAME : REPEAT_OTHER;
    }
    return REPEAT_NEW;
}

void
repeats_add(struct repeats *repeats, const struct repeat *repeat)
{
    struct repeat *set = &repeats->slots[first_slot(repeat)];
    struct repeat *oldest = &set[0];
    for (int i = 1; i < REPEATS_WAYS; i++) {
        if (set[i].first_ms < oldest->first_ms)
            oldest = &set[i];
    }
    *oldest = *repeat;
}
