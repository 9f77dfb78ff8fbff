#include "store/base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * The limit alone does not keep a core from a program that core_pattern names: core(5).  It is
 * set beside the other, where the kernel lets us: a service may not be allowed to (systemd's
 * @resources), and has LimitCORE=0 instead.
 */
static enum err_code
forbid_cores(struct err *err)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_set_errno(err, errno,
                             "cannot turn off cores, which would have a secret in them");
    return ERR_OK;
}

/* Every one of that name: execve() takes what it is given. */
static void
wipe_environment(const char *variable)
{
    size_t n = strlen(variable);
    for (char **entry = environ; *entry != NULL; entry++) {
        if (strncmp(*entry, variable, n) == 0 && (*entry)[n] == '=')
            explicit_bzero(*entry + n + 1, strlen(*entry + n + 1));
    }
    (void)unsetenv(variable);
}

enum err_code
secret_take(const char *variable, struct secret *ret, struct err *err)
{
    const char *value = getenv(variable);
    size_t size = value != NULL ? strlen(value) : 0;
    struct secret taken = {NULL, size};
    if (size > SECRET_BYTES_MAX)
        return err_set(err, ERR_CONFIG, "%s has %zu bytes, limit is %d", variable, size,
                       SECRET_BYTES_MAX);
    if (size > 0) {
        enum err_code code = forbid_cores(err);
        if (code != ERR_OK)
            return code;
        taken.text = malloc(size + 1);
        if (taken.text == NULL)
            return err_set(err, ERR_LIMIT, "no memory");
        memcpy(taken.text, value, size + 1);
    }
    if (value != NULL)
        wipe_environment(variable);
    *ret = taken;
    return ERR_OK;
}

void
secret_clear(struct secret *secret)
{
    if (secret == NULL || secret->text == NULL)
        return;
    explicit_bzero(secret->text, secret->size_bytes);
    free(secret->text);
    *secret = (struct secret){NULL, 0};
}
