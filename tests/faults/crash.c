#include "tests/faults/crash.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SECTOR = TRACE_SECTOR_BYTES,
    PAGE = 4096,
    NAMES_MAX = 64,
    FILES_MAX = 256,
    NO_FILE = FILES_MAX, /* the name is a directory's */
};

/* A file's bytes; a page that is NULL has only zeros. */
struct pages {
    uint8_t **page;
    size_t room;
    uint64_t size_bytes;
};

/* A write that is not flushed: whole sectors as the page cache had them behind it. */
struct version {
    size_t op; /* its number in the trace */
    uint64_t first_sector, sectors;
    const uint8_t *data; /* NULL: zeros */
};

struct file {
    struct pages cache, disk;
    struct version *versions;
    size_t version_count, version_room;
    uint64_t *sizes; /* those it had since its flush */
    size_t size_count, size_room;
    struct {
        size_t op;
        uint64_t from, to;
    } flushed[16]; /* by O_DSYNC since its flush: sectors, and when */
    size_t flushed_count;
};

struct name {
    char path[TRACE_NAME_BYTES_MAX];
    uint32_t file;
};

/* Memory of one crash, free again all at once for the next. */
static struct block {
    struct block *next;
    size_t used;
    uint8_t bytes[1 << 20];
} * blocks, *spare;

static void
die(const char *what, const char *path)
{
    perror(path);
    fprintf(stderr, "crash: %s\n", what);
    exit(1);
}

static uint8_t *
take(size_t size)
{
    if (size > sizeof blocks->bytes)
        die("a write is too large", "");
    if (blocks == NULL || sizeof blocks->bytes - blocks->used < size) {
        struct block *b = spare != NULL ? spare : calloc(1, sizeof *b);
        if (b == NULL)
            die("no memory", "");
        spare = b->next;
        b->next = blocks;
        b->used = 0;
        blocks = b;
    }
    uint8_t *p = blocks->bytes + blocks->used;
    blocks->used += size;
    return p;
}

static uint64_t
roll(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545f4914f6cdd1du >> 20;
}

static void *
grow(void *array, size_t *room, size_t need, size_t one)
{
    if (need <= *room)
        return array;
    size_t more = need * 2 + 8;
    array = realloc(array, more * one);
    if (array == NULL)
        die("no memory", "");
    memset((uint8_t *)array + *room * one, 0, (more - *room) * one);
    *room = more;
    return array;
}

/* ---- a file's bytes ---- */

static uint8_t *
page_of(struct pages *p, uint64_t number)
{
    p->page = grow(p->page, &p->room, (size_t)number + 1, sizeof *p->page);
    if (p->page[number] == NULL) {
        p->page[number] = take(PAGE);
        memset(p->page[number], 0, PAGE);
    }
    return p->page[number];
}

/* data NULL: zeros. */
static void
put(struct pages *p, uint64_t at, const uint8_t *data, uint64_t size)
{
    while (size > 0) {
        uint64_t number = at / PAGE, in = at % PAGE, n = PAGE - in < size ? PAGE - in : size;
        bool is_there = number < p->room && p->page[number] != NULL;
        if (data != NULL)
            memcpy(page_of(p, number) + in, data, (size_t)n);
        else if (is_there)
            memset(p->page[number] + in, 0, (size_t)n);
        at += n;
        size -= n;
        data = data != NULL ? data + n : NULL;
    }
}

static void
get(const struct pages *p, uint64_t at, uint8_t *data, uint64_t size)
{
    while (size > 0) {
        uint64_t number = at / PAGE, in = at % PAGE, n = PAGE - in < size ? PAGE - in : size;
        if (number < p->room && p->page[number] != NULL)
            memcpy(data, p->page[number] + in, (size_t)n);
        else
            memset(data, 0, (size_t)n);
        at += n;
        size -= n;
        data += n;
    }
}

/* ---- the run up to the cut ---- */

static void
note_size(struct file *f, uint64_t size_bytes)
{
    f->cache.size_bytes = size_bytes;
    f->sizes = grow(f->sizes, &f->size_room, f->size_count + 1, sizeof *f->sizes);
    f->sizes[f->size_count++] = size_bytes;
}

static void
do_write(struct file *f, const struct trace *t, size_t number)
{
    const struct trace_op *op = &t->ops[number];
    const uint8_t *data = op->data_at == TRACE_ZEROS ? NULL : t->data + op->data_at;
    put(&f->cache, op->at, data, op->size_bytes);
    if (op->at + op->size_bytes > f->cache.size_bytes)
        note_size(f, op->at + op->size_bytes);
    f->versions = grow(f->versions, &f->version_room, f->version_count + 1, sizeof *f->versions);
    struct version *v = &f->versions[f->version_count++];
    *v = (struct version){.op = number, .first_sector = op->at / SECTOR};
    v->sectors = (op->at + op->size_bytes + SECTOR - 1) / SECTOR - v->first_sector;
    if (data != NULL) {
        uint8_t *copy = take((size_t)v->sectors * SECTOR);
        get(&f->cache, v->first_sector * SECTOR, copy, v->sectors * SECTOR);
        v->data = copy;
    }
}

static void
flush_all(struct file *f)
{
    for (size_t i = 0; i < f->version_count; i++) {
        const struct version *v = &f->versions[i];
        put(&f->disk, v->first_sector * SECTOR, v->data, v->sectors * SECTOR);
    }
    f->disk.size_bytes = f->cache.size_bytes;
    f->version_count = f->size_count = f->flushed_count = 0;
}

/* The pages that the range touches go to the disk as they are in the cache. */
static void
flush_range(struct file *f, const struct trace_op *op, size_t number)
{
    uint8_t page[PAGE];
    uint64_t from = op->at / PAGE, to = (op->at + op->size_bytes + PAGE - 1) / PAGE;
    for (uint64_t p = from; p < to; p++) {
        get(&f->cache, p * PAGE, page, PAGE);
        put(&f->disk, p * PAGE, page, PAGE);
    }
    if (f->disk.size_bytes < op->at + op->size_bytes)
        f->disk.size_bytes = op->at + op->size_bytes;
    if (f->flushed_count == sizeof f->flushed / sizeof f->flushed[0])
        flush_all(f); /* more of them in a row than a log makes */
    f->flushed[f->flushed_count].op = number;
    f->flushed[f->flushed_count].from = from * (PAGE / SECTOR);
    f->flushed[f->flushed_count++].to = to * (PAGE / SECTOR);
}

static bool
is_flushed(const struct file *f, size_t op, uint64_t sector)
{
    for (size_t i = 0; i < f->flushed_count; i++) {
        if (op < f->flushed[i].op && f->flushed[i].from <= sector && sector < f->flushed[i].to)
            return true;
    }
    return false;
}

static void
run_files(struct file *files, const struct trace *t, size_t cut)
{
    for (size_t i = 0; i < cut; i++) {
        const struct trace_op *op = &t->ops[i];
        struct file *f = &files[op->file];
        if (op->kind == TRACE_WRITE)
            do_write(f, t, i);
        else if (op->kind == TRACE_FLUSH)
            flush_all(f);
        else if (op->kind == TRACE_FLUSH_RANGE)
            flush_range(f, op, i);
        else if (op->kind == TRACE_SIZE)
            note_size(f, op->size_bytes);
    }
}

/* ---- what of it the disk kept ---- */

enum choice { LOSE_ALL, KEEP_ALL, KEEP_WRITES, KEEP_PAGES, KEEP_SECTORS, CHOICES };

static void
keep_version(struct file *f, const struct version *v, enum choice choice, uint64_t *seed)
{
    bool keep = choice == KEEP_ALL || (roll(seed) & 1) != 0;
    for (uint64_t s = 0; s < v->sectors; s++) {
        uint64_t sector = v->first_sector + s;
        bool new_page = sector % (PAGE / SECTOR) == 0;
        if (choice == KEEP_SECTORS || (choice == KEEP_PAGES && new_page))
            keep = (roll(seed) & 1) != 0;
        if (keep && !is_flushed(f, v->op, sector))
            put(&f->disk, sector * SECTOR, v->data != NULL ? v->data + s * SECTOR : NULL, SECTOR);
    }
}

static void
keep_some(struct file *f, uint64_t *seed)
{
    enum choice choice = (enum choice)(roll(seed) % CHOICES);
    bool shuffle = choice != KEEP_ALL && (roll(seed) & 1) != 0;
    for (size_t i = 0; choice != LOSE_ALL && i < f->version_count; i++) {
        size_t other = i + (size_t)roll(seed) % (f->version_count - i);
        struct version v = f->versions[i];
        if (shuffle) {
            f->versions[i] = f->versions[other];
            f->versions[other] = v;
        }
        keep_version(f, &f->versions[i], choice, seed);
    }
    size_t pick = (size_t)roll(seed) % (f->size_count + 1);
    if (choice == KEEP_ALL)
        f->disk.size_bytes = f->cache.size_bytes;
    else if (pick < f->size_count && choice != LOSE_ALL)
        f->disk.size_bytes = f->sizes[pick];
}

/* ---- names ---- */

/* The length of the path's directory: 0 for one right below the root. */
static size_t
parent_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash - path) : 0;
}

static bool
is_name_op(const struct trace_op *op)
{
    return op->kind == TRACE_MAKE || op->kind == TRACE_MAKE_DIRECTORY || op->kind == TRACE_RENAME ||
           op->kind == TRACE_LINK || op->kind == TRACE_REMOVE;
}

static bool
is_name_flushed(const struct trace *t, size_t number, size_t cut)
{
    const char *path = t->ops[number].name;
    size_t n = parent_bytes(path);
    for (size_t i = number + 1; i < cut; i++) {
        const struct trace_op *op = &t->ops[i];
        if (op->kind == TRACE_FLUSH_NAMES && strlen(op->name) == n &&
            strncmp(op->name, path, n) == 0)
            return true;
    }
    return false;
}

static struct name *
find_name(struct name *names, size_t count, const char *path, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i].path) == size && strncmp(names[i].path, path, size) == 0)
            return &names[i];
    }
    return NULL;
}

static void
set_name(struct name *names, size_t *count, const char *path, uint32_t file)
{
    struct name *n = find_name(names, *count, path, strlen(path));
    if (n == NULL && *count == NAMES_MAX)
        die("too many names", path);
    if (n == NULL)
        n = &names[(*count)++];
    snprintf(n->path, sizeof n->path, "%s", path);
    n->file = file;
}

static void
do_name(struct name *names, size_t *count, const struct trace_op *op)
{
    if (op->kind == TRACE_MAKE || op->kind == TRACE_MAKE_DIRECTORY) {
        set_name(names, count, op->name, op->kind == TRACE_MAKE ? op->file : NO_FILE);
        return;
    }
    struct name *from = find_name(names, *count, op->name, strlen(op->name));
    if (from == NULL)
        return; /* what made it was lost */
    uint32_t file = from->file;
    if (op->kind != TRACE_LINK)
        *from = names[--*count];
    if (op->kind != TRACE_REMOVE)
        set_name(names, count, op->other, file);
}

static size_t
keep_names(const struct trace *t, size_t cut, uint64_t *seed, struct name *names)
{
    size_t count = 0, loose = 0;
    for (size_t i = 0; i < cut; i++)
        loose += is_name_op(&t->ops[i]) && !is_name_flushed(t, i, cut);
    size_t kept = (size_t)roll(seed) % (loose + 1);
    for (size_t i = 0; i < cut; i++) {
        if (!is_name_op(&t->ops[i]))
            continue;
        if (is_name_flushed(t, i, cut))
            do_name(names, &count, &t->ops[i]);
        else if (kept > 0) {
            do_name(names, &count, &t->ops[i]);
            kept--;
        }
    }
    return count;
}

/* ---- the image ---- */

static void
write_file(const char *path, const struct pages *p)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0 || ftruncate(fd, (off_t)p->size_bytes) != 0)
        die("cannot write the image", path);
    for (uint64_t i = 0; i < p->room && i * PAGE < p->size_bytes; i++) {
        uint64_t left = p->size_bytes - i * PAGE;
        size_t n = left < PAGE ? (size_t)left : PAGE;
        if (p->page[i] != NULL && pwrite(fd, p->page[i], n, (off_t)(i * PAGE)) != (ssize_t)n)
            die("cannot write the image", path);
    }
    close(fd);
}

static void
write_image(struct name *names, size_t count, const struct file *files, const char *directory)
{
    char path[512];
    /* Parents first: a path is shorter than those below it. */
    for (size_t size = 1; size < TRACE_NAME_BYTES_MAX; size++) {
        for (size_t i = 0; i < count; i++) {
            size_t parent = parent_bytes(names[i].path);
            if (strlen(names[i].path) != size ||
                (parent > 0 && find_name(names, count, names[i].path, parent) == NULL))
                continue;
            snprintf(path, sizeof path, "%s/%s", directory, names[i].path);
            if (names[i].file != NO_FILE)
                write_file(path, &files[names[i].file].disk);
            else if (mkdir(path, 0750) != 0)
                die("cannot make a directory of the image", path);
        }
    }
}

static void
clear(struct file *files)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        free(files[i].cache.page);
        free(files[i].disk.page);
        free(files[i].versions);
        free(files[i].sizes);
    }
    while (blocks != NULL) {
        struct block *next = blocks->next;
        blocks->next = spare;
        spare = blocks;
        blocks = next;
    }
}

/* Anywhere; of three seeds one cuts where a name has just been made or changed, which is rare. */
static size_t
choose_cut(const struct trace *t, uint64_t *seed)
{
    size_t count = 0, at = (size_t)roll(seed) % (t->count + 1);
    if (roll(seed) % 3 != 0)
        return at;
    for (size_t i = 0; i < t->count; i++)
        count += is_name_op(&t->ops[i]);
    size_t pick = count > 0 ? (size_t)roll(seed) % count : 0;
    for (size_t i = 0; i < t->count; i++) {
        if (is_name_op(&t->ops[i]) && pick-- == 0)
            at = i + 1 + (size_t)roll(seed) % 6;
    }
    return at < t->count ? at : t->count;
}

uint64_t
crash_write(const struct trace *trace, uint64_t seed, const char *directory, size_t *ret_cut)
{
    static struct file files[FILES_MAX];
    struct name names[NAMES_MAX];
    uint64_t mark = 0;
    seed = (seed + 1) * 0x9e3779b97f4a7c15u | 1;
    for (int i = 0; i < 4; i++)
        (void)roll(&seed);
    size_t cut = choose_cut(trace, &seed);
    memset(files, 0, sizeof files);
    run_files(files, trace, cut);
    for (uint32_t i = 0; i < trace->files; i++)
        keep_some(&files[i], &seed);
    size_t count = keep_names(trace, cut, &seed, names);
    for (size_t i = 0; i < cut; i++) {
        if (trace->ops[i].kind == TRACE_MARK)
            mark = trace->ops[i].mark;
    }
    write_image(names, count, files, directory);
    clear(files);
    *ret_cut = cut;
    return mark;
}
