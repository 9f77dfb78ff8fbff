#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/file.h"

static char dir[32];
static struct err err;

static void
make_dir(void)
{
    memcpy(dir, "/tmp/gbill-file-XXXXXX", 23);
    cr_assert_not_null(mkdtemp(dir));
}

static void
remove_dir(void)
{
    static const char *const names[] = {"f", "lock", "fifo", "f.new"};
    char path[FILE_PATH_BYTES_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (file_path(path, dir, names[i], &err) == ERR_OK)
            unlink(path);
    }
    if (file_path(path, dir, "sub", &err) == ERR_OK)
        rmdir(path);
    cr_assert_eq(rmdir(dir), 0);
}

static void
path_of(char path[FILE_PATH_BYTES_MAX], const char *name)
{
    cr_assert_eq(file_path(path, dir, name, &err), ERR_OK);
}

TestSuite(store_file, .init = make_dir, .fini = remove_dir);

Test(store_file, a_file_is_read_whole_with_a_nul_behind_it)
{
    char path[FILE_PATH_BYTES_MAX];
    struct bytes text;
    path_of(path, "f");
    FILE *f = fopen(path, "w");
    fwrite("a\0b", 1, 3, f);
    fclose(f);
    cr_assert_eq(file_read(path, 3, &text, &err), ERR_OK);
    cr_assert_eq(text.size_bytes, 3u);
    cr_assert_arr_eq(text.data, "a\0b", 4);
    free((void *)(uintptr_t)text.data);
    cr_assert_eq(file_read(path, 2, &text, &err), ERR_LIMIT);
}

Test(store_file, what_is_not_a_readable_file_is_named)
{
    char path[FILE_PATH_BYTES_MAX];
    struct bytes text;
    path_of(path, "absent");
    cr_assert_eq(file_read(path, 10, &text, &err), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "absent"));
    cr_assert_eq(file_read(dir, 10, &text, &err), ERR_INPUT);
    path_of(path, "fifo");
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(file_read(path, 10, &text, &err), ERR_INPUT, "a FIFO must not block");
}

Test(store_file, a_path_that_is_too_long_is_refused)
{
    char path[FILE_PATH_BYTES_MAX], name[FILE_PATH_BYTES_MAX];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    cr_assert_eq(file_path(path, "d", name, &err), ERR_LIMIT);
    name[FILE_PATH_BYTES_MAX - 3] = '\0';
    cr_assert_eq(file_path(path, "d", name, &err), ERR_OK);
    cr_assert_eq(strlen(path), (size_t)FILE_PATH_BYTES_MAX - 1);
}

Test(store_file, a_directory_is_made_once_and_never_over_a_file)
{
    char path[FILE_PATH_BYTES_MAX];
    struct stat st;
    path_of(path, "sub");
    cr_assert_eq(file_make_directory(path, &err), ERR_OK);
    cr_assert_eq(file_make_directory(path, &err), ERR_OK);
    cr_assert(stat(path, &st) == 0 && (st.st_mode & 0027) == 0, "not for others, not for writing");
    path_of(path, "f");
    fclose(fopen(path, "w"));
    cr_assert_eq(file_make_directory(path, &err), ERR_CONFLICT);
    path_of(path, "no/such");
    cr_assert_eq(file_make_directory(path, &err), ERR_NOT_FOUND);
}

Test(store_file, a_lock_is_exclusive_names_its_holder_and_goes_with_the_process)
{
    char path[FILE_PATH_BYTES_MAX], pid_text[32];
    int fd, ready[2], release[2];
    path_of(path, "lock");
    cr_assert(pipe(ready) == 0 && pipe(release) == 0);
    pid_t child = fork();
    if (child == 0) {
        char c;
        int held;
        struct err child_err;
        bool ok = file_lock(path, "gbill-agent", &held, &child_err) == ERR_OK;
        close(release[1]);
        if (!ok || write(ready[1], "x", 1) != 1 || read(release[0], &c, 1) < 0)
            _exit(1);
        _exit(0); /* without unlocking */
    }
    char c;
    cr_assert_eq(read(ready[0], &c, 1), 1);
    cr_assert_eq(file_lock(path, "gbill-agent", &fd, &err), ERR_BUSY);
    snprintf(pid_text, sizeof pid_text, "pid %ld", (long)child);
    cr_assert_not_null(strstr(err.text, pid_text), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "gbill-agent"));
    close(release[1]);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cr_assert_eq(file_lock(path, "gbill-agent", &fd, &err), ERR_OK, "%s", err.text);
    close(fd);
    cr_assert_eq(file_lock(path, "gbill-agent", &fd, &err), ERR_OK);
    close(fd);
}

static void
holds(const char *path, const char *want)
{
    struct bytes text;
    cr_assert_eq(file_read(path, 100, &text, &err), ERR_OK, "%s", err.text);
    cr_assert_str_eq((const char *)text.data, want);
    free((void *)(uintptr_t)text.data);
}

Test(store_file, replacing_makes_the_file_or_changes_it_whole)
{
    char path[FILE_PATH_BYTES_MAX], made[FILE_PATH_BYTES_MAX];
    path_of(path, "f");
    path_of(made, "f.new");
    cr_assert_eq(file_replace(path, 0640, (struct bytes){(const uint8_t *)"one\n", 4}, &err),
                 ERR_OK);
    holds(path, "one\n");
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0640);
    cr_assert_eq(chmod(path, 0604), 0);
    cr_assert_eq(file_replace(path, 0640, (struct bytes){(const uint8_t *)"2", 1}, &err), ERR_OK);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0604, "the file that was there gives its mode");
    holds(path, "2");
    cr_assert_neq(access(made, F_OK), 0, "nothing is left behind");
}

Test(store_file, a_replacement_that_fails_leaves_the_old_file)
{
    char path[FILE_PATH_BYTES_MAX], made[FILE_PATH_BYTES_MAX];
    path_of(path, "f");
    path_of(made, "f.new");
    cr_assert_eq(file_replace(path, 0640, (struct bytes){(const uint8_t *)"old", 3}, &err), ERR_OK);
    cr_assert_eq(mkdir(made, 0700), 0); /* stands in the way of the new one */
    cr_assert_eq(file_replace(path, 0640, (struct bytes){(const uint8_t *)"new", 3}, &err), ERR_IO);
    cr_assert_not_null(strstr(err.text, "f.new"), "%s", err.text);
    holds(path, "old");
    cr_assert_eq(rmdir(made), 0);
    path_of(path, "no/such");
    cr_assert_eq(file_replace(path, 0640, (struct bytes){(const uint8_t *)"x", 1}, &err),
                 ERR_NOT_FOUND);
}

Test(store_file, a_draft_appears_when_it_is_kept_and_not_before)
{
    char path[FILE_PATH_BYTES_MAX], made[FILE_PATH_BYTES_MAX];
    struct file_draft draft;
    struct stat st;
    path_of(path, "f");
    path_of(made, "f.new");
    cr_assert_eq(file_draft_begin(&draft, path, 0640, &err), ERR_OK, "%s", err.text);
    cr_assert(fputs("one", draft.out) >= 0);
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_eq(file_draft_keep(&draft, &err), ERR_OK, "%s", err.text);
    holds(path, "one");
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0640);
    cr_assert_eq(file_draft_begin(&draft, path, 0640, &err), ERR_OK, "%s", err.text);
    cr_assert(fputs("two", draft.out) >= 0);
    file_draft_drop(&draft);
    holds(path, "one");
    cr_assert_neq(access(made, F_OK), 0, "nothing is left behind");
    file_draft_drop(&draft); /* once more is nothing */
    holds(path, "one");
}

Test(store_file, a_draft_writes_to_a_device_as_it_is_and_to_no_directory)
{
    char path[FILE_PATH_BYTES_MAX];
    struct file_draft draft;
    struct stat st;
    cr_assert_eq(file_draft_begin(&draft, "/dev/null", 0640, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(file_draft_keep(&draft, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(stat("/dev/null", &st), 0);
    cr_assert(S_ISCHR(st.st_mode));
    cr_assert_eq(file_draft_begin(&draft, "/dev/full", 0640, &err), ERR_OK, "%s", err.text);
    cr_assert(fputs("x", draft.out) >= 0);
    cr_assert_eq(file_draft_keep(&draft, &err), ERR_FULL);
    path_of(path, "");
    cr_assert_eq(file_draft_begin(&draft, path, 0640, &err), ERR_CONFLICT);
    path_of(path, "no/such");
    cr_assert_eq(file_draft_begin(&draft, path, 0640, &err), ERR_NOT_FOUND);
}

Test(store_file, a_draft_that_cannot_be_flushed_leaves_the_old_file)
{
    char path[FILE_PATH_BYTES_MAX], made[FILE_PATH_BYTES_MAX];
    struct file_draft draft;
    path_of(path, "f");
    path_of(made, "f.new");
    cr_assert_eq(file_replace(path, 0640, (struct bytes){(const uint8_t *)"old", 3}, &err), ERR_OK);
    cr_assert_eq(file_draft_begin(&draft, path, 0640, &err), ERR_OK, "%s", err.text);
    cr_assert(fputs("new and longer", draft.out) >= 0);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){4, 4}), 0);
    cr_assert_eq(file_draft_keep(&draft, &err), ERR_FULL, "%s", err.text);
    holds(path, "old");
    cr_assert_neq(access(made, F_OK), 0, "nothing is left behind");
}
