/*
 * tests/fuzz/replay_main.c - run a fuzz target over files and directories of
 * inputs: the corpus as a regression test, and one crash file under a debugger.
 *
 * Fails when there is nothing to replay, so that a lost corpus is seen.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/base/file.h"
#include "tests/fuzz/fuzz.h"

enum { REPLAY_INPUT_BYTES_MAX = 1024 * 1024 };

static size_t
replay_file(const char *path)
{
    struct bytes input = {0};
    struct err err;
    if (file_read(path, REPLAY_INPUT_BYTES_MAX, &input, &err) != ERR_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(err_exit_status(err.code));
    }
    /* A copy of exactly this size, so that one byte too far is an ASan report. */
    uint8_t *exact = malloc(input.size_bytes > 0 ? input.size_bytes : 1);
    if (exact == NULL)
        exit(1);
    if (input.size_bytes > 0)
        memcpy(exact, input.data, input.size_bytes);
    free((void *)(uintptr_t)input.data);
    LLVMFuzzerTestOneInput(exact, input.size_bytes);
    free(exact);
    return 1;
}

static size_t
replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
        return replay_file(path);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        fprintf(stderr, "cannot open %s: give a file or a directory of inputs\n", path);
        exit(err_exit_status(ERR_NOT_FOUND));
    }
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char file[FILE_PATH_BYTES_MAX];
        struct err err;
        if (entry->d_name[0] != '.' && file_path(file, path, entry->d_name, &err) == ERR_OK)
            count += replay_file(file);
    }
    closedir(dir);
    return count;
}

int
main(int argc, char **argv)
{
    size_t count = 0;
    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    printf("%zu inputs replayed\n", count);
    return count > 0 ? 0 : err_exit_status(ERR_NOT_FOUND);
}
