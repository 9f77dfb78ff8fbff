/*
 * tests/support/tree_remove.h - a directory with all that is in it, removed.
 */
#ifndef TESTS_SUPPORT_TREE_REMOVE_H
#define TESTS_SUPPORT_TREE_REMOVE_H

#include <ftw.h>
#include <stdio.h>

static inline int
tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* 0; else errno says why something of it is left. */
static inline int
tree_remove(const char *path)
{
    return nftw(path, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
