#include "store/log/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A page: u64 number, u16 unused, u16 flags, then u16 lower and u16 upper (the gap
 * between them is free) or, of an overflow page, u32 how many pages it runs over.
 * From byte 16 on u16 offsets of nodes; a node: u16 low, u16 high, u16 flags, u16
 * key bytes, key, data.  A branch's node has the child's number in low, high, flags.
 */

enum {
    HEAD_BYTES = 16,
    NODE_BYTES = 8,
    DB_BYTES = 48,
    META_BYTES = 136,
    FLAG_BRANCH = 1,
    FLAG_LEAF = 2,
    FLAG_OVERFLOW = 4,
    FLAG_META = 8,
    NODE_BIG = 1,
    NODE_DB = 2,
    DB_INTEGER_KEY = 8,
    DEPTH_MAX = 32,
    PAGE_BYTES_MIN = 512,
    PAGE_BYTES_MAX = 32768,
    META_PAGES = 2,
};

#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1u
#define NO_PAGE UINT64_MAX

static uint16_t
get_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static struct pages_db
read_db(const uint8_t *p)
{
    return (struct pages_db){.flags = get_le16(p + 4),
                             .depth = get_le16(p + 6),
                             .branch_pages = get_le64(p + 8),
                             .leaf_pages = get_le64(p + 16),
                             .overflow_pages = get_le64(p + 24),
                             .entries = get_le64(p + 32),
                             .root = get_le64(p + 40)};
}

/* One of the two meta pages; false when it is none. */
static bool
read_meta(const struct pages *p, uint64_t page_bytes, unsigned which, struct pages_meta *ret)
{
    uint8_t copy[HEAD_BYTES + META_BYTES];
    if (p->map == NULL || p->map_bytes < META_PAGES * page_bytes)
        return false;
    memcpy(copy, p->map + which * page_bytes, sizeof copy);
    const uint8_t *m = copy + HEAD_BYTES;
    if (get_le64(copy) != which || get_le16(copy + 10) != FLAG_META || get_le32(m) != META_MAGIC ||
        get_le32(m + 4) != META_VERSION || get_le32(m + 24) != page_bytes)
        return false;
    *ret = (struct pages_meta){.free = read_db(m + 24),
                               .main = read_db(m + 24 + DB_BYTES),
                               .map_bytes = get_le64(m + 16),
                               .last_page = get_le64(m + 24 + 2 * DB_BYTES),
                               .txn = get_le64(m + 32 + 2 * DB_BYTES)};
    return (ret->free.flags & DB_INTEGER_KEY) != 0 && ret->main.flags == 0 &&
           get_le64(m + 8) == 0 && ret->last_page >= META_PAGES - 1 &&
           ret->last_page < p->map_bytes / page_bytes && (ret->txn & 1) == which;
}

/* The two states, of which one follows the other. */
static bool
read_metas(struct pages *p, struct pages_meta metas[META_PAGES])
{
    for (unsigned i = 0; i < META_PAGES; i++) {
        if (!read_meta(p, p->page_bytes, i, &metas[i]))
            return false;
    }
    const struct pages_meta *newer = metas[1].txn > metas[0].txn ? &metas[1] : &metas[0];
    const struct pages_meta *older = newer == &metas[1] ? &metas[0] : &metas[1];
    /* A new file's metas are of transactions 0 and 1, and the first commit is 1. */
    return newer->txn - older->txn == 1 && newer->last_page >= older->last_page &&
           newer->free.flags == older->free.flags && newer->map_bytes == older->map_bytes;
}

bool
pages_choose(struct pages *pages, uint64_t txn)
{
    struct pages_meta metas[META_PAGES];
    if (!read_metas(pages, metas) || metas[txn & 1].txn != txn)
        return false;
    pages->meta = metas[txn & 1];
    pages->other = metas[~txn & 1];
    free(pages->seen);
    pages->seen = calloc(1, pages->meta.last_page / 8 + 1);
    return pages->seen != NULL;
}

enum err_code
pages_open(struct pages *ret, const char *path, struct err *err)
{
    struct stat st;
    struct pages p = {0};
    struct pages_meta metas[META_PAGES];
    enum err_code code = ERR_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    if (fstat(fd, &st) != 0)
        code = err_set_errno(err, errno, "cannot stat %s", path);
    else if (st.st_size < META_PAGES * PAGE_BYTES_MIN)
        code = err_set(err, ERR_CORRUPT, "%s: has %lld bytes, too few for a day file", path,
                       (long long)st.st_size);
    if (code == ERR_OK) {
        p.map_bytes = (uint64_t)st.st_size;
        void *map = mmap(NULL, p.map_bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
            code = err_set_errno(err, errno, "cannot map %s", path);
        else
            p.map = map;
    }
    close(fd);
    if (code != ERR_OK)
        return code;
    for (p.page_bytes = PAGE_BYTES_MIN; p.page_bytes <= PAGE_BYTES_MAX; p.page_bytes *= 2) {
        if (read_metas(&p, metas))
            break;
    }
    if (p.page_bytes > PAGE_BYTES_MAX)
        code = err_set(err, ERR_CORRUPT,
                       "%s: its first two pages are damaged or contradict each other", path);
    else if (!pages_choose(&p, metas[metas[1].txn > metas[0].txn].txn))
        code = err_set(err, ERR_LIMIT, "%s: no memory to look at its pages", path);
    if (code != ERR_OK) {
        pages_close(&p);
        return code;
    }
    *ret = p;
    return ERR_OK;
}

void
pages_close(struct pages *pages)
{
    if (pages->map != NULL)
        munmap((void *)(uintptr_t)pages->map, pages->map_bytes);
    free(pages->seen);
    *pages = (struct pages){0};
}

/* ---- one page ---- */

static const uint8_t *
page_at(const struct pages *p, uint64_t number)
{
    return p->map + number * p->page_bytes;
}

/* Mark count pages from one on as used; what is wrong with that, or NULL. */
static const char *
mark(struct pages *p, uint64_t number, uint64_t count)
{
    if (number < META_PAGES || number > p->meta.last_page || count > p->meta.last_page - number + 1)
        return "lies outside of the file's used pages";
    for (uint64_t i = number; i < number + count; i++) {
        uint8_t bit = (uint8_t)(1U << (i % 8));
        if ((p->seen[i / 8] & bit) != 0)
            return "is used twice";
        p->seen[i / 8] |= bit;
    }
    return NULL;
}

static size_t
node_count(const uint8_t *page)
{
    return (get_le16(page + 12) - (size_t)HEAD_BYTES) / 2;
}

/* A branch or leaf page whose nodes may be looked at. */
static const char *
check_page(const struct pages *p, uint64_t number, uint16_t flags)
{
    const uint8_t *page = page_at(p, number);
    size_t lower = get_le16(page + 12), upper = get_le16(page + 14);
    if (get_le64(page) != number)
        return "has another page's number";
    if (get_le16(page + 10) != flags)
        return "is not of the kind that is expected here";
    if (lower < HEAD_BYTES || lower % 2 != 0 || lower > upper || upper > p->page_bytes)
        return "has bounds that cannot be";
    if (node_count(page) == 0)
        return "is empty";
    return NULL;
}

struct node {
    struct bytes key;
    const uint8_t *data;
    uint32_t size_bytes; /* of a leaf's data */
    uint64_t child;      /* of a branch */
    uint16_t flags;
};

static const char *
read_node(const struct pages *p, const uint8_t *page, size_t i, bool leaf, struct node *ret)
{
    size_t at = get_le16(page + HEAD_BYTES + 2 * i), upper = get_le16(page + 14);
    if (at < upper || at + NODE_BYTES > p->page_bytes || at % 2 != 0)
        return "has a node outside of itself";
    const uint8_t *n = page + at;
    size_t key_bytes = get_le16(n + 6), left = p->page_bytes - at - NODE_BYTES;
    uint32_t low = get_le32(n);
    *ret = (struct node){.key = {n + NODE_BYTES, key_bytes},
                         .data = n + NODE_BYTES + key_bytes,
                         .flags = get_le16(n + 4),
                         .size_bytes = low,
                         .child = low | (uint64_t)get_le16(n + 4) << 32};
    size_t data = !leaf ? 0 : (ret->flags & NODE_BIG) != 0 ? 8 : low;
    if (key_bytes > left || data > left - key_bytes)
        return "has a node that is larger than itself";
    return NULL;
}

/* ---- a tree ---- */

struct walk {
    struct pages *p;
    const struct pages_db *db;
    const struct pages_visit *visit;
    uint64_t branch_pages, leaf_pages, overflow_pages, entries;
    struct bytes last_key; /* of the last entry visited */
    struct bytes floor;    /* no key to come is below */
    bool of_main;          /* its values are databases */
    bool broken;
};

static void
say(struct walk *w, uint64_t page, const char *why)
{
    w->broken = true;
    w->visit->broken(w->visit->context, page, why);
}

static int
compare_keys(const struct walk *w, struct bytes a, struct bytes b)
{
    if ((w->db->flags & DB_INTEGER_KEY) != 0) {
        uint64_t x = get_le64(a.data), y = get_le64(b.data);
        return (x > y) - (x < y);
    }
    return str_compare((struct str){(const char *)a.data, a.size_bytes},
                       (struct str){(const char *)b.data, b.size_bytes});
}

static bool
is_key(const struct walk *w, struct bytes key)
{
    return (w->db->flags & DB_INTEGER_KEY) != 0 ? key.size_bytes == 8 : key.size_bytes > 0;
}

/* A value that has pages of its own. */
static const char *
big_value(struct walk *w, const struct node *n, struct bytes *ret)
{
    uint64_t number = get_le64(n->data);
    uint64_t pages = (HEAD_BYTES - 1 + (uint64_t)n->size_bytes) / w->p->page_bytes + 1;
    const char *why = mark(w->p, number, pages);
    if (why != NULL)
        return why;
    const uint8_t *page = page_at(w->p, number);
    w->overflow_pages += pages;
    if (get_le64(page) != number || get_le16(page + 10) != FLAG_OVERFLOW ||
        get_le32(page + 12) != pages)
        return "leads to pages that are not its value's";
    *ret = (struct bytes){page + HEAD_BYTES, n->size_bytes};
    return NULL;
}

static void
walk_leaf(struct walk *w, uint64_t number)
{
    const uint8_t *page = page_at(w->p, number);
    for (size_t i = 0; i < node_count(page); i++) {
        struct node n;
        struct bytes value;
        const char *why = read_node(w->p, page, i, true, &n);
        if (why == NULL &&
            (!is_key(w, n.key) || (n.flags & ~NODE_BIG) != (w->of_main ? NODE_DB : 0)))
            why = "has a node that is none";
        if (why == NULL &&
            ((w->last_key.data != NULL && compare_keys(w, w->last_key, n.key) >= 0) ||
             (w->floor.data != NULL && compare_keys(w, w->floor, n.key) > 0)))
            why = "has keys that are not in order";
        if (why == NULL && (n.flags & NODE_BIG) != 0)
            why = big_value(w, &n, &value);
        else if (why == NULL)
            value = (struct bytes){n.data, n.size_bytes};
        if (why != NULL) {
            say(w, number, why);
            continue;
        }
        w->last_key = n.key;
        w->entries++;
        w->visit->entry(w->visit->context, n.key, value);
    }
}

static void walk_page(struct walk *w, uint64_t number, unsigned depth);

/* A branch's keys, but for the first, part what lies before them from what lies behind. */
static void
walk_branch(struct walk *w, uint64_t number, unsigned depth)
{
    const uint8_t *page = page_at(w->p, number);
    for (size_t i = 0; i < node_count(page); i++) {
        struct node n;
        const char *why = read_node(w->p, page, i, false, &n);
        if (why == NULL && i > 0 && !is_key(w, n.key))
            why = "has a node that is none";
        if (why == NULL && i > 0 && w->last_key.data != NULL &&
            compare_keys(w, w->last_key, n.key) >= 0)
            why = "has keys that are not in order";
        if (why != NULL) {
            say(w, number, why);
            continue;
        }
        if (i > 0)
            w->floor = n.key;
        walk_page(w, n.child, depth + 1);
    }
}

static void
walk_page(struct walk *w, uint64_t number, unsigned depth)
{
    bool leaf = depth + 1 == w->db->depth;
    const char *why = mark(w->p, number, 1);
    if (why == NULL)
        why = check_page(w->p, number, leaf ? FLAG_LEAF : FLAG_BRANCH);
    if (why != NULL) {
        say(w, number, why);
        return;
    }
    if (leaf) {
        w->leaf_pages++;
        walk_leaf(w, number);
    } else {
        w->branch_pages++;
        walk_branch(w, number, depth);
    }
}

static void
walk_tree(struct walk *w)
{
    const struct pages_db *db = w->db;
    if (db->root != NO_PAGE && (db->depth == 0 || db->depth > DEPTH_MAX))
        say(w, db->root, "is the root of a tree whose depth cannot be");
    else if (db->root != NO_PAGE)
        walk_page(w, db->root, 0);
    if (!w->broken && (w->branch_pages != db->branch_pages || w->leaf_pages != db->leaf_pages ||
                       w->overflow_pages != db->overflow_pages || w->entries != db->entries ||
                       (db->root == NO_PAGE && db->depth != 0)))
        say(w, db->root, "is the root of a tree that has other counts than its record");
}

void
pages_walk(struct pages *pages, const struct pages_db *db, const struct pages_visit *visit)
{
    struct walk w = {.p = pages, .db = db, .visit = visit};
    walk_tree(&w);
}

/* ---- the tree of databases ---- */

struct search {
    const char *name;
    struct pages_db *ret;
    bool found, broken;
};

static void
see_db(void *context, struct bytes key, struct bytes value)
{
    struct search *s = context;
    if (!str_is((struct str){(const char *)key.data, key.size_bytes}, s->name))
        return;
    s->found = value.size_bytes == DB_BYTES;
    if (s->found)
        *s->ret = read_db(value.data);
}

static void
see_broken(void *context, uint64_t page, const char *why)
{
    struct search *s = context;
    (void)page;
    (void)why;
    s->broken = true;
}

bool
pages_find(struct pages *pages, const struct pages_meta *state, const char *name,
           struct pages_db *ret)
{
    struct search search = {.name = name, .ret = ret};
    struct pages_visit visit = {&search, see_db, see_broken};
    struct pages own = *pages; /* looking is not walking: nothing is marked */
    own.meta = *state;
    own.seen = calloc(1, own.meta.last_page / 8 + 1);
    if (own.seen == NULL)
        return false;
    struct walk w = {.p = &own, .db = &own.meta.main, .visit = &visit, .of_main = true};
    walk_tree(&w);
    free(own.seen);
    return search.found && !search.broken;
}

/* ---- accounts ---- */

struct account {
    struct pages *p;
    const struct pages_visit *visit;
};

static void
ignore_db(void *context, struct bytes key, struct bytes value)
{
    (void)context;
    (void)key;
    (void)value;
}

/* What one transaction freed: how many pages, and which. */
static void
mark_free(void *context, struct bytes key, struct bytes value)
{
    struct account *a = context;
    (void)key;
    uint64_t count = value.size_bytes >= 8 ? get_le64(value.data) : 0;
    if (value.size_bytes < 8 || count > value.size_bytes / 8 - 1) {
        a->visit->broken(a->visit->context, a->p->meta.free.root, "lists free pages wrongly");
        return;
    }
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t number = get_le64(value.data + 8 * i);
        const char *why = mark(a->p, number, 1);
        if (why != NULL)
            a->visit->broken(a->visit->context, number, why);
    }
}

static void
tell_broken(void *context, uint64_t page, const char *why)
{
    const struct account *a = context;
    a->visit->broken(a->visit->context, page, why);
}

void
pages_account(struct pages *pages, const struct pages_visit *visit)
{
    struct account a = {pages, visit};
    struct pages_visit of_main = {&a, ignore_db, tell_broken};
    struct pages_visit of_free = {&a, mark_free, tell_broken};
    struct walk w = {.p = pages, .db = &pages->meta.main, .visit = &of_main, .of_main = true};
    walk_tree(&w);
    pages_walk(pages, &pages->meta.free, &of_free);
    for (uint64_t i = META_PAGES; i <= pages->meta.last_page; i++) {
        if ((pages->seen[i / 8] & 1U << (i % 8)) == 0) {
            visit->broken(visit->context, i, "is neither used nor free");
            return;
        }
    }
}

/* ---- all of a file ---- */

struct first_fault {
    bool found;
    uint64_t page;
    const char *why;
};

static void
keep_first(void *context, uint64_t page, const char *why)
{
    struct first_fault *f = context;
    if (!f->found)
        *f = (struct first_fault){true, page, why};
}

enum err_code
pages_check(const char *path, struct err *err)
{
    static const char *const names[] = {"meta", "events", "quarantine"};
    struct pages p;
    struct first_fault first = {0};
    struct pages_visit visit = {&first, ignore_db, keep_first};
    enum err_code code = pages_open(&p, path, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct pages_db db;
        if (pages_find(&p, &p.meta, names[i], &db))
            pages_walk(&p, &db, &visit);
        else
            keep_first(&first, p.meta.main.root, "does not lead to all of its databases");
    }
    if (!first.found)
        pages_account(&p, &visit);
    pages_close(&p);
    return !first.found ? ERR_OK
                        : err_set(err, ERR_CORRUPT, "%s: page %" PRIu64 " %s; run gbill log verify",
                                  path, first.page, first.why);
}
