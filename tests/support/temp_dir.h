/*
 * tests/support/temp_dir.h - a directory of its own for a test, and its end.
 */
#ifndef TESTS_SUPPORT_TEMP_DIR_H
#define TESTS_SUPPORT_TEMP_DIR_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/tree_remove.h"

struct temp_dir {
    char path[64];
};

static inline struct temp_dir
temp_dir_make(void)
{
    struct temp_dir t = {"/tmp/gbill-test-XXXXXX"};
    cr_assert_not_null(mkdtemp(t.path));
    return t;
}

/* For tests that commit thousands of times and do not ask what the disk does: in memory if it can be. */
static inline struct temp_dir
temp_dir_make_in_memory(void)
{
    struct temp_dir t = {"/dev/shm/gbill-test-XXXXXX"};
    return mkdtemp(t.path) != NULL ? t : temp_dir_make();
}

static inline void
temp_dir_remove(struct temp_dir *t)
{
    tree_remove(t->path);
}

#endif
