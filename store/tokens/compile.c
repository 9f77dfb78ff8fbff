#include "store/tokens/compile.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/base/file.h"
#include "store/base/hash.h"
#include "store/base/json.h"
#include "store/tokens/glyph.h"
#include "store/tokens/ranks.h"

enum { CODE_POINTS = 0x110000, CLASS_BLOCK = 128, UNICODE_BYTES_MAX = 1 << 20 };

/* The file as it grows; offsets are known before the head is written. */
struct image {
    struct buf bytes;
    struct encodings_head head;
};

/* Append an array, aligned; false out of memory. */
static bool
add_array(struct image *image, const void *items, size_t count, size_t item_bytes,
          struct encodings_array *ret_array)
{
    static const uint8_t zero[8];
    size_t gap = (8 - image->bytes.size_bytes % 8) % 8;
    if (!buf_append(&image->bytes, zero, gap))
        return false;
    *ret_array = (struct encodings_array){image->bytes.size_bytes, count};
    return buf_append(&image->bytes, items, count * item_bytes);
}

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory for the encodings file");
}

static uint8_t
class_of_letter(char letter)
{
    static const char letters[] = "ULOMNS";
    const char *at = letter != '\0' ? strchr(letters, letter) : NULL;
    if (at == NULL)
        return 0;
    return (uint8_t)(1u << (at - letters));
}

/* "0041-005A:U", "0100-0137:UL": one class, or two that take turns. */
static bool
read_range(const char *word, uint8_t *classes)
{
    char *p;
    unsigned long from = strtoul(word, &p, 16);
    if (*p != '-')
        return false;
    unsigned long to = strtoul(p + 1, &p, 16);
    if (*p != ':' || from > to || to >= CODE_POINTS)
        return false;
    size_t turns = strlen(++p);
    if (turns < 1 || turns > 2)
        return false;
    for (unsigned long c = from; c <= to; c++)
        classes[c] = class_of_letter(p[(c - from) % turns]);
    return true;
}

static enum err_code
read_unicode(const char *path, uint8_t *classes, struct err *err)
{
    struct bytes file;
    enum err_code code = file_read(path, UNICODE_BYTES_MAX, &file, err);
    if (code != ERR_OK)
        return code;
    char *text = (char *)(uintptr_t)file.data, *line_state, *word_state;
    for (char *line = strtok_r(text, "\n", &line_state); line != NULL && code == ERR_OK;
         line = strtok_r(NULL, "\n", &line_state)) {
        if (*line == '#')
            continue;
        for (char *word = strtok_r(line, " ", &word_state); word != NULL && code == ERR_OK;
             word = strtok_r(NULL, " ", &word_state))
            if (!read_range(word, classes))
                code = err_set(err, ERR_CONFIG, "%s: \"%s\" is no range of characters", path, word);
    }
    classes['\r'] |= GLYPH_LINE;
    classes['\n'] |= GLYPH_LINE;
    free(text);
    return code;
}

/* Blocks of characters that are alike are kept once. */
static enum err_code
add_classes(struct image *image, const char *path, struct err *err)
{
    enum { BLOCKS = CODE_POINTS / CLASS_BLOCK };
    uint8_t *all = calloc(CODE_POINTS, 1), *kept = calloc(CODE_POINTS, 1);
    uint16_t blocks[BLOCKS];
    size_t count = 0;
    if (all == NULL || kept == NULL) {
        free(all);
        free(kept);
        return no_memory(err);
    }
    enum err_code code = read_unicode(path, all, err);
    for (size_t i = 0; i < BLOCKS && code == ERR_OK; i++) {
        size_t k = 0;
        while (k < count && memcmp(kept + k * CLASS_BLOCK, all + i * CLASS_BLOCK, CLASS_BLOCK) != 0)
            k++;
        if (k == count)
            memcpy(kept + count++ * CLASS_BLOCK, all + i * CLASS_BLOCK, CLASS_BLOCK);
        blocks[i] = (uint16_t)k;
    }
    if (code == ERR_OK &&
        (!add_array(image, blocks, BLOCKS, sizeof blocks[0], &image->head.blocks) ||
         !add_array(image, kept, count * CLASS_BLOCK, 1, &image->head.classes)))
        code = no_memory(err);
    free(all);
    free(kept);
    return code;
}

/* The merges as a table of twice as many places, at least. */
static enum err_code
add_pairs(struct image *image, const struct ranks *ranks, struct encodings_vocabulary *v,
          struct err *err)
{
    uint32_t bits = 10;
    while (1u << bits < 2 * ranks->token_count)
        bits++;
    const size_t room = (size_t)1 << bits;
    uint64_t *pairs = malloc(room * sizeof *pairs);
    if (pairs == NULL)
        return no_memory(err);
    v->pair_shift = 64 - bits;
    memset(pairs, 0xff, room * sizeof *pairs);
    for (uint32_t id = 0; id < ranks->token_count; id++) {
        const struct encodings_token *token = &ranks->tokens[id];
        if (ranks_token_bytes(ranks, id) < 2 || token->left == ENCODINGS_NO_TOKEN)
            continue;
        uint64_t key = (uint64_t)token->left << 18 | token->right;
        size_t at = encodings_pair_slot(key, v->pair_shift);
        while (pairs[at] != ENCODINGS_NO_PAIR)
            at = (at + 1) & (room - 1);
        pairs[at] = key << 18 | id;
    }
    bool added = add_array(image, pairs, room, sizeof *pairs, &v->pairs);
    free(pairs);
    return added ? ERR_OK : no_memory(err);
}

static enum err_code
add_vocabulary(struct image *image, const char *directory, const char *name, const char *sha256,
               struct err *err)
{
    struct encodings_vocabulary *v = &image->head.vocabularies[image->head.vocabulary_count];
    struct ranks ranks = {0};
    char file[ENCODINGS_NAME_BYTES + 16], path[FILE_PATH_BYTES_MAX];
    snprintf(file, sizeof file, "%s.tiktoken", name);
    enum err_code code = file_path(path, directory, file, err);
    if (code == ERR_OK)
        code = ranks_read(&ranks, path, sha256, err);
    if (code == ERR_OK)
        code = err_wrap(err, ranks_find_merges(&ranks, err), "%s", path);
    if (code == ERR_OK)
        code = ranks_lay_trie(&ranks, err);
    if (code == ERR_OK) {
        snprintf(v->name, sizeof v->name, "%s", name);
        v->root_base = ranks.root_base;
        if (!add_array(image, ranks.units.items, ranks.units.count, sizeof(struct encodings_unit),
                       &v->units) ||
            !add_array(image, ranks.tokens, ranks.token_count, sizeof *ranks.tokens, &v->tokens))
            code = no_memory(err);
        else
            code = add_pairs(image, &ranks, v, err);
        if (code == ERR_OK && !add_array(image, ranks.text, ranks.text_bytes, 1, &v->text))
            code = no_memory(err);
    }
    if (code == ERR_OK) {
        size_t at = (size_t)v->units.offset_bytes, end = image->bytes.size_bytes, n;
        for (; at < end; at += n) {
            n = end - at < ENCODINGS_BLOCK_BYTES ? end - at : ENCODINGS_BLOCK_BYTES;
            v->checksum = encodings_sum(v->checksum, (struct bytes){image->bytes.data + at, n});
        }
        image->head.vocabulary_count++;
    }
    ranks_clear(&ranks);
    return code;
}

static int
compare_specials(const void *a, const void *b)
{
    return strcmp(((const struct encodings_special *)a)->text,
                  ((const struct encodings_special *)b)->text);
}

/* "special": {"<|endoftext|>": 199999, ...} */
static enum err_code
read_specials(json_t *object, const char *where, struct list *specials, struct err *err)
{
    const char *text;
    json_t *value;
    size_t first = specials->count;
    json_object_foreach (object, text, value) {
        struct encodings_special special = {.id = (uint32_t)json_integer_value(value)};
        size_t n = strlen(text);
        if (n < 5 || n >= ENCODINGS_NAME_BYTES || strncmp(text, "<|", 2) != 0 ||
            strstr(text + 2, "|>") != text + n - 2)
            return err_set(err, ERR_CONFIG, "%s: special token \"%s\" is not <|...|> of 31 bytes",
                           where, text);
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) >= ENCODINGS_TOKENS_MAX)
            return err_set(err, ERR_CONFIG, "%s: the id of %s is not from 0 to %d", where, text,
                           ENCODINGS_TOKENS_MAX - 1);
        memcpy(special.text, text, n);
        if (!list_add(specials, &special))
            return no_memory(err);
    }
    if (specials->count > first)
        qsort((struct encodings_special *)specials->items + first, specials->count - first,
              sizeof(struct encodings_special), compare_specials);
    return ERR_OK;
}

static int
index_of_text(const char *const *texts, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(texts[i], text) == 0)
            return (int)i;
    return -1;
}

/* The rows of the book, before it is known where they will lie. */
struct rows {
    struct list encodings, specials, models;
    const char *ranks[ENCODINGS_ENCODINGS_MAX]; /* by encoding, borrowed from the book */
};

static enum err_code
read_encoding(json_t *object, size_t index, struct rows *rows, struct err *err)
{
    static const char *const keys[] = {"name", "ranks", "split", "special", NULL};
    static const char *const splits[SPLIT_RULE_COUNT] = {"gpt2", "cl100k", "o200k"};
    struct encodings_encoding row = {.specials.offset_bytes = rows->specials.count};
    const char *name, *split;
    json_t *special = NULL;
    char where[64];
    snprintf(where, sizeof where, "encodings[%zu]", index);
    enum err_code code = json_only_keys(object, where, keys, err);
    if (code == ERR_OK)
        code = json_get_text(object, where, "name", &name, err);
    if (code == ERR_OK)
        code = json_get_text(object, where, "ranks", &rows->ranks[index], err);
    if (code == ERR_OK)
        code = json_get_text(object, where, "split", &split, err);
    if (code == ERR_OK)
        code = json_get_object_opt(object, where, "special", &special, err);
    if (code != ERR_OK)
        return code;
    int rule = index_of_text(splits, SPLIT_RULE_COUNT, split);
    if (rule < 0 || strlen(name) >= sizeof row.name)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" is no %s", where, rule < 0 ? split : name,
                       rule < 0 ? "split (gpt2, cl100k, o200k)" : "name of at most 31 bytes");
    memcpy(row.name, name, strlen(name));
    row.split = (uint32_t)rule;
    if (special != NULL)
        code = read_specials(special, where, &rows->specials, err);
    row.specials.count = rows->specials.count - row.specials.offset_bytes;
    if (code == ERR_OK && !list_add(&rows->encodings, &row))
        code = no_memory(err);
    return code;
}

/* {"models": ["gpt-4o", "gpt-4o-*"], "encoding": …, "perMessage": 3, "perName": 1, "perReply": 3} */
static enum err_code
read_models(json_t *object, size_t index, struct rows *rows, struct err *err)
{
    static const char *const keys[] = {"models",  "encoding", "perMessage",
                                       "perName", "perReply", NULL};
    int64_t per_message = 0, per_name = 0, per_reply = 0;
    const char *encoding;
    json_t *models;
    char where[64];
    snprintf(where, sizeof where, "models[%zu]", index);
    enum err_code code = json_only_keys(object, where, keys, err);
    if (code == ERR_OK)
        code = json_get_text(object, where, "encoding", &encoding, err);
    if (code == ERR_OK)
        code = json_get_array(object, where, "models", &models, err);
    if (code == ERR_OK)
        code = json_get_int_opt(object, where, "perMessage", -100, 100, &per_message, err);
    if (code == ERR_OK)
        code = json_get_int_opt(object, where, "perName", -100, 100, &per_name, err);
    if (code == ERR_OK)
        code = json_get_int_opt(object, where, "perReply", -100, 100, &per_reply, err);
    if (code != ERR_OK)
        return code;
    const struct encodings_encoding *encodings = rows->encodings.items;
    size_t at = 0;
    while (at < rows->encodings.count && strcmp(encodings[at].name, encoding) != 0)
        at++;
    if (at == rows->encodings.count)
        return err_set(err, ERR_CONFIG, "%s: there is no encoding \"%s\"", where, encoding);
    for (size_t i = 0; i < json_array_size(models); i++) {
        const char *text = json_string_value(json_array_get(models, i));
        size_t n = text != NULL ? strlen(text) : 0;
        bool prefix = n > 0 && text[n - 1] == '*';
        struct encodings_model row = {.is_prefix = prefix,
                                      .encoding = (uint32_t)at,
                                      .per_message = (int32_t)per_message,
                                      .per_name = (int32_t)per_name,
                                      .per_reply = (int32_t)per_reply};
        n -= prefix ? 1 : 0;
        if (n == 0 || n >= sizeof row.model)
            return err_set(err, ERR_CONFIG, "%s: models[%zu] is no name of 1 to %zu bytes", where,
                           i, sizeof row.model - 1);
        memcpy(row.model, text, n);
        if (!list_add(&rows->models, &row))
            return no_memory(err);
    }
    return ERR_OK;
}

static enum err_code
read_book(json_t *book, struct rows *rows, struct err *err)
{
    static const char *const keys[] = {"ranks", "encodings", "models", "source", NULL};
    json_t *array = NULL;
    enum err_code code = json_only_keys(book, "the book", keys, err);
    if (code == ERR_OK)
        code = json_get_array(book, "the book", "encodings", &array, err);
    if (code == ERR_OK && json_array_size(array) > ENCODINGS_ENCODINGS_MAX)
        code = err_set(err, ERR_LIMIT, "over %d encodings", ENCODINGS_ENCODINGS_MAX);
    for (size_t i = 0; code == ERR_OK && i < json_array_size(array); i++)
        code = read_encoding(json_array_get(array, i), i, rows, err);
    if (code == ERR_OK)
        code = json_get_array(book, "the book", "models", &array, err);
    for (size_t i = 0; code == ERR_OK && i < json_array_size(array); i++)
        code = read_models(json_array_get(array, i), i, rows, err);
    return code;
}

/* "ranks": {"o200k_base": "446a…"}: in this order they will lie in the file. */
static enum err_code
number_vocabularies(json_t *ranks, struct rows *rows, struct err *err)
{
    struct encodings_encoding *encodings = rows->encodings.items;
    if (json_object_size(ranks) > ENCODINGS_VOCABULARIES_MAX)
        return err_set(err, ERR_LIMIT, "over %d rank files", ENCODINGS_VOCABULARIES_MAX);
    for (size_t i = 0; i < rows->encodings.count; i++) {
        const char *name;
        json_t *sha256;
        uint32_t number = 0;
        bool found = false;
        json_object_foreach (ranks, name, sha256) {
            if (strlen(name) >= ENCODINGS_NAME_BYTES || !json_is_string(sha256))
                return err_set(err, ERR_CONFIG, "ranks: %s has no SHA-256", name);
            if (!found && strcmp(name, rows->ranks[i]) == 0) {
                encodings[i].vocabulary = number;
                found = true;
            }
            number++;
        }
        if (!found)
            return err_set(err, ERR_CONFIG, "encodings[%zu]: \"%s\" is not among the ranks", i,
                           rows->ranks[i]);
    }
    return ERR_OK;
}

/* Everything but the vocabularies; their places in the rows are set already. */
static enum err_code
add_front(struct image *image, const char *unicode, struct rows *rows, struct err *err)
{
    struct encodings_head *head = &image->head;
    struct encodings_encoding *encodings = rows->encodings.items;
    enum err_code code = add_classes(image, unicode, err);
    if (code != ERR_OK)
        return code;
    if (!add_array(image, rows->specials.items, rows->specials.count,
                   sizeof(struct encodings_special), &head->specials) ||
        !add_array(image, rows->models.items, rows->models.count, sizeof(struct encodings_model),
                   &head->models))
        return no_memory(err);
    for (size_t i = 0; i < rows->encodings.count; i++)
        encodings[i].specials.offset_bytes = head->specials.offset_bytes +
                                             encodings[i].specials.offset_bytes *
                                                 sizeof(struct encodings_special);
    if (!add_array(image, encodings, rows->encodings.count, sizeof *encodings, &head->encodings))
        return no_memory(err);
    head->front_bytes = image->bytes.size_bytes;
    return ERR_OK;
}

static enum err_code
write_image(struct image *image, const char *path, struct err *err)
{
    struct encodings_head *head = &image->head;
    struct file_draft draft = {0};
    const size_t from = offsetof(struct encodings_head, front_bytes);
    memcpy(head->magic, ENCODINGS_MAGIC, sizeof head->magic);
    head->size_bytes = image->bytes.size_bytes;
    memcpy(image->bytes.data, head, sizeof *head);
    struct bytes front = {image->bytes.data + from, (size_t)head->front_bytes - from};
    head->checksum = hash_checksum((struct bytes){NULL, 0}, front);
    memcpy(image->bytes.data, head, sizeof *head);
    enum err_code code = file_draft_begin(&draft, path, 0644, err);
    if (code == ERR_OK) {
        /* A failure stays with the stream until file_draft_keep() asks. */
        fwrite(image->bytes.data, 1, image->bytes.size_bytes, draft.out);
        code = file_draft_keep(&draft, err);
    }
    file_draft_drop(&draft);
    return code;
}

enum err_code
compile_encodings(const char *ranks, const char *book, const char *unicode, const char *path,
                  struct err *err)
{
    struct image image = {0};
    struct rows rows = {0};
    json_t *root = NULL, *hashes = NULL, *sha256;
    const char *name;
    buf_init(&image.bytes, ENCODINGS_FILE_BYTES_MAX);
    list_init(&rows.encodings, sizeof(struct encodings_encoding));
    list_init(&rows.specials, sizeof(struct encodings_special));
    list_init(&rows.models, sizeof(struct encodings_model));
    enum err_code code = json_file_load(book, &root, NULL, err);
    if (code == ERR_OK)
        code = err_wrap(err, read_book(root, &rows, err), "%s", book);
    if (code == ERR_OK)
        code = json_get_object_opt(root, "the book", "ranks", &hashes, err);
    if (code == ERR_OK)
        code = err_wrap(err, number_vocabularies(hashes, &rows, err), "%s", book);
    if (code == ERR_OK && !buf_append(&image.bytes, &image.head, sizeof image.head))
        code = no_memory(err);
    if (code == ERR_OK)
        code = add_front(&image, unicode, &rows, err);
    json_object_foreach (hashes, name, sha256) {
        if (code == ERR_OK)
            code = add_vocabulary(&image, ranks, name, json_string_value(sha256), err);
    }
    if (code == ERR_OK)
        code = write_image(&image, path, err);
    json_decref(root);
    list_clear(&rows.encodings);
    list_clear(&rows.specials);
    list_clear(&rows.models);
    buf_clear(&image.bytes);
    return code;
}
