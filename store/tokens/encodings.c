#include "store/tokens/encodings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/hash.h"

/* Does an array of such items lie in the file, behind the head? */
static bool
lies_within(const struct encodings *e, struct encodings_array array, size_t item_bytes)
{
    return array.offset_bytes >= sizeof *e->head && array.offset_bytes % 8 == 0 &&
           array.offset_bytes <= e->size_bytes &&
           array.count <= (e->size_bytes - array.offset_bytes) / item_bytes;
}

static bool
vocabulary_fits(const struct encodings *e, const struct encodings_vocabulary *v)
{
    return lies_within(e, v->units, sizeof(struct encodings_unit)) &&
           lies_within(e, v->tokens, sizeof(struct encodings_token)) &&
           lies_within(e, v->pairs, sizeof(uint64_t)) && lies_within(e, v->text, 1) &&
           v->tokens.count <= ENCODINGS_TOKENS_MAX && v->pair_shift > 32 && v->pair_shift < 64 &&
           v->pairs.count == 1ull << (64 - v->pair_shift) &&
           v->text.offset_bytes >= v->units.offset_bytes;
}

/* The front is small and all that finding needs: it is checked whole at once. */
static bool
front_is_whole(const struct encodings *e)
{
    const struct encodings_head *head = e->head;
    const size_t from = offsetof(struct encodings_head, front_bytes);
    if (memcmp(head->magic, ENCODINGS_MAGIC, sizeof head->magic) != 0 ||
        head->size_bytes != e->size_bytes || head->front_bytes < sizeof *head ||
        head->front_bytes > e->size_bytes)
        return false;
    struct bytes front = {e->map + from, (size_t)head->front_bytes - from};
    if (hash_checksum((struct bytes){NULL, 0}, front) != head->checksum)
        return false;
    if (head->vocabulary_count > ENCODINGS_VOCABULARIES_MAX ||
        head->encodings.count > ENCODINGS_ENCODINGS_MAX ||
        !lies_within(e, head->blocks, sizeof(uint16_t)) || !lies_within(e, head->classes, 1) ||
        !lies_within(e, head->encodings, sizeof(struct encodings_encoding)) ||
        !lies_within(e, head->models, sizeof(struct encodings_model)) ||
        !lies_within(e, head->specials, sizeof(struct encodings_special)))
        return false;
    for (size_t i = 0; i < head->vocabulary_count; i++)
        if (!vocabulary_fits(e, &head->vocabularies[i]))
            return false;
    return true;
}

static void
list_encodings(struct encodings *e)
{
    const struct encodings_head *head = e->head;
    const struct encodings_encoding *rows =
        (const struct encodings_encoding *)(e->map + head->encodings.offset_bytes);
    for (size_t i = 0; i < head->encodings.count; i++) {
        const struct encodings_vocabulary *v = &head->vocabularies[rows[i].vocabulary];
        e->list[i] = (struct encoding){
            .name = rows[i].name,
            .rule = (enum split_rule)rows[i].split,
            .blocks = (const uint16_t *)(e->map + head->blocks.offset_bytes),
            .classes = e->map + head->classes.offset_bytes,
            .vocabulary = {.units = (const struct encodings_unit *)(e->map + v->units.offset_bytes),
                           .tokens =
                               (const struct encodings_token *)(e->map + v->tokens.offset_bytes),
                           .pairs = (const uint64_t *)(e->map + v->pairs.offset_bytes),
                           .text = e->map + v->text.offset_bytes,
                           .root_base = v->root_base,
                           .pair_shift = v->pair_shift,
                           .token_count = (uint32_t)v->tokens.count},
            .specials = (const struct encodings_special *)(e->map + rows[i].specials.offset_bytes),
            .special_count = (size_t)rows[i].specials.count,
        };
    }
    e->count = (size_t)head->encodings.count;
}

uint64_t
encodings_sum(uint64_t sum, struct bytes block)
{
    return hash_checksum((struct bytes){(const uint8_t *)&sum, sizeof sum}, block);
}

enum err_code
encodings_open(struct encodings *e, const char *path, struct err *err)
{
    enum err_code code = ERR_OK;
    struct stat st;
    memset(e, 0, sizeof *e);
    e->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (e->fd < 0 || fstat(e->fd, &st) != 0)
        code = err_set_errno(err, errno, "encodings file %s", path);
    else if (!S_ISREG(st.st_mode) || (size_t)st.st_size < sizeof *e->head ||
             st.st_size > ENCODINGS_FILE_BYTES_MAX)
        code = err_set(err, ERR_CORRUPT,
                       "%s is no encodings file; make one with gbill tokens compile", path);
    if (code == ERR_OK) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, e->fd, 0);
        if (map == MAP_FAILED) {
            code = err_set_errno(err, errno, "mapping %s", path);
        } else {
            e->map = map;
            e->size_bytes = (size_t)st.st_size;
            e->head = map;
            if (front_is_whole(e))
                list_encodings(e);
            else
                code = err_set(err, ERR_CORRUPT,
                               "%s is damaged or of another version; make it anew with "
                               "gbill tokens compile",
                               path);
        }
    }
    if (code != ERR_OK)
        encodings_close(e);
    return code;
}

void
encodings_close(struct encodings *e)
{
    if (e->map == NULL && e->size_bytes == 0 && e->fd <= 0)
        return; /* never opened, or closed */
    if (e->map != NULL)
        munmap((void *)(uintptr_t)e->map, e->size_bytes);
    if (e->fd >= 0)
        close(e->fd);
    memset(e, 0, sizeof *e);
}

/*
 * The file is read for it, not the map: to touch three thousand pages, most of which no text will need,
 * takes longer than to copy them.
 */
static bool
is_whole(const struct encodings *e, const struct encodings_vocabulary *v)
{
    uint8_t block[ENCODINGS_BLOCK_BYTES];
    uint64_t at = v->units.offset_bytes, end = v->text.offset_bytes + v->text.count, sum = 0;
    while (at < end) {
        size_t want = end - at < sizeof block ? (size_t)(end - at) : sizeof block;
        if (pread(e->fd, block, want, (off_t)at) != (ssize_t)want)
            return false;
        sum = encodings_sum(sum, (struct bytes){block, want});
        at += want;
    }
    return sum == v->checksum;
}

static enum err_code
ready(struct encodings *e, size_t index, const struct encoding **ret_encoding, struct err *err)
{
    const struct encodings_encoding *row =
        (const struct encodings_encoding *)(e->map + e->head->encodings.offset_bytes) + index;
    atomic_bool *checked = &e->checked[row->vocabulary];
    if (!atomic_load_explicit(checked, memory_order_acquire)) {
        if (!is_whole(e, &e->head->vocabularies[row->vocabulary]))
            return err_set(err, ERR_CORRUPT,
                           "encoding %s is damaged in its file; make it anew with gbill tokens "
                           "compile",
                           row->name);
        atomic_store_explicit(checked, true, memory_order_release);
    }
    *ret_encoding = &e->list[index];
    return ERR_OK;
}

enum err_code
encodings_find(struct encodings *e, struct str name, const struct encoding **ret_encoding,
               struct err *err)
{
    for (size_t i = 0; i < e->count; i++)
        if (str_is(name, e->list[i].name))
            return ready(e, i, ret_encoding, err);
    return err_set(err, ERR_NOT_FOUND,
                   "no encoding \"%.*s\"; gbill tokens encodings lists what there is",
                   STR_ARG(name));
}

const struct encodings_model *
encodings_model(const struct encodings *e, struct str model)
{
    const struct encodings_model *rows =
                                     (const struct encodings_model *)(e->map +
                                                                      e->head->models.offset_bytes),
                                 *best = NULL;
    size_t best_bytes = 0;
    for (size_t i = 0; i < e->head->models.count; i++) {
        size_t n = strlen(rows[i].model);
        if (n > model.size_bytes || memcmp(rows[i].model, model.data, n) != 0)
            continue;
        if (n == model.size_bytes && !rows[i].is_prefix)
            return &rows[i];
        if (rows[i].is_prefix && (best == NULL || n > best_bytes)) {
            best = &rows[i];
            best_bytes = n;
        }
    }
    return best;
}

enum err_code
encodings_of_model(struct encodings *e, const struct encodings_model *model,
                   const struct encoding **ret_encoding, struct err *err)
{
    return ready(e, model->encoding, ret_encoding, err);
}

const struct encodings_special *
encoding_special(const struct encoding *encoding, const uint8_t *text, size_t size_bytes)
{
    size_t n = size_bytes < ENCODINGS_NAME_BYTES ? size_bytes : ENCODINGS_NAME_BYTES - 1;
    const uint8_t *close =
        n > 2 && text[0] == '<' && text[1] == '|' ? memmem(text + 2, n - 2, "|>", 2) : NULL;
    if (close == NULL)
        return NULL;
    struct str name = {(const char *)text, (size_t)(close + 2 - text)};
    size_t low = 0, high = encoding->special_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_compare(name, str_of(encoding->specials[middle].text));
        if (order == 0)
            return &encoding->specials[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
