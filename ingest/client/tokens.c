#include <stdlib.h>
#include <string.h>

#include "ingest/client/client.h"
#include "ingest/client/gbill_tokens.h"
#include "store/tokens/tokens.h"

struct gbill_tokens {
    struct encodings encodings;
};

_Static_assert((int)GBILL_SPECIAL_ALLOW == (int)TOKENS_SPECIAL_ALLOW, "the same three");

enum gbill_code
gbill_tokens_open(struct gbill_tokens **ret_tokens, const char *path, struct gbill_err *out)
{
    struct err err = {.code = ERR_OK};
    const char *set = getenv("GBILL_ENCODINGS");
    struct gbill_tokens *tokens = malloc(sizeof *tokens);
    enum err_code code;
    if (path == NULL)
        path = set != NULL && *set != '\0' ? set : GBILL_ENCODINGS;
    if (tokens == NULL)
        code = err_set(&err, ERR_IO, "no memory to open %s", path);
    else
        code = encodings_open(&tokens->encodings, path, &err);
    if (code != ERR_OK)
        free(tokens);
    else
        *ret_tokens = tokens;
    return client_give(code, &err, out);
}

void
gbill_tokens_close(struct gbill_tokens *tokens)
{
    if (tokens != NULL)
        encodings_close(&tokens->encodings);
    free(tokens);
}

/* By a model's name, or an encoding's own. */
static enum err_code
find(struct gbill_tokens *tokens, const char *name, const struct encodings_model **ret_model,
     const struct encoding **ret_encoding, struct err *err)
{
    const struct encodings_model *model = encodings_model(&tokens->encodings, str_of(name));
    *ret_model = model;
    if (model != NULL)
        return encodings_of_model(&tokens->encodings, model, ret_encoding, err);
    if (encodings_find(&tokens->encodings, str_of(name), ret_encoding, err) == ERR_CORRUPT)
        return ERR_CORRUPT;
    return *ret_encoding != NULL
               ? ERR_OK
               : err_set(err, ERR_NOT_FOUND, "the tokenizer of %s is not public", name);
}

enum gbill_code
gbill_tokens_count(struct gbill_tokens *tokens, const char *model, const char *text,
                   size_t size_bytes, enum gbill_special special, uint64_t *ret_count,
                   struct gbill_err *out)
{
    const struct encodings_model *rule;
    const struct encoding *encoding = NULL;
    struct tokens_work work;
    struct err err = {.code = ERR_OK};
    tokens_work_init(&work);
    enum err_code code = find(tokens, model, &rule, &encoding, &err);
    if (code == ERR_OK)
        code = tokens_count(encoding, &work, (struct bytes){(const uint8_t *)text, size_bytes},
                            (enum tokens_special)special, ret_count, &err);
    tokens_work_clear(&work);
    return client_give(code, &err, out);
}

enum gbill_code
gbill_tokens_count_chat(struct gbill_tokens *tokens, const char *model,
                        const struct gbill_message *messages, size_t message_count,
                        uint64_t *ret_count, struct gbill_err *out)
{
    const struct encodings_model *rule;
    const struct encoding *encoding = NULL;
    struct tokens_work work;
    struct err err = {.code = ERR_OK};
    uint64_t sum = 0;
    tokens_work_init(&work);
    enum err_code code = find(tokens, model, &rule, &encoding, &err);
    if (code == ERR_OK && (rule == NULL || rule->per_reply == 0))
        code = err_set(&err, ERR_NOT_FOUND, "it is not known how %s puts a chat together", model);
    for (size_t i = 0; i < message_count && code == ERR_OK; i++) {
        const struct gbill_message *m = &messages[i];
        uint64_t n = 0;
        if (m->role == NULL) {
            code = err_set(&err, ERR_INPUT, "message %zu has no role", i);
            break;
        }
        struct tokens_message message = {str_of(m->role), str_of(m->name != NULL ? m->name : ""),
                                         str_of(m->content != NULL ? m->content : "")};
        code = tokens_count_message(rule, encoding, &work, &message, &n, &err);
        sum += n;
    }
    if (code == ERR_OK)
        *ret_count = sum + (uint64_t)rule->per_reply;
    tokens_work_clear(&work);
    return client_give(code, &err, out);
}

enum gbill_code
gbill_tokens_encode(struct gbill_tokens *tokens, const char *model, const char *text,
                    size_t size_bytes, enum gbill_special special, uint32_t *ids, size_t id_room,
                    uint64_t *ret_count, struct gbill_err *out)
{
    const struct encodings_model *rule;
    const struct encoding *encoding = NULL;
    struct tokens_work work;
    struct list list;
    struct err err = {.code = ERR_OK};
    tokens_work_init(&work);
    list_init(&list, sizeof *ids);
    enum err_code code = find(tokens, model, &rule, &encoding, &err);
    if (code == ERR_OK)
        code = tokens_encode(encoding, &work, (struct bytes){(const uint8_t *)text, size_bytes},
                             (enum tokens_special)special, &list, &err);
    if (code == ERR_OK) {
        size_t fit = list.count < id_room ? list.count : id_room;
        if (fit > 0)
            memcpy(ids, list.items, fit * sizeof *ids);
        *ret_count = list.count;
        if (list.count > id_room)
            code = err_set(&err, ERR_LIMIT, "%zu tokens, and room for %zu", list.count, id_room);
    }
    list_clear(&list);
    tokens_work_clear(&work);
    return client_give(code, &err, out);
}

enum gbill_code
gbill_tokens_decode(struct gbill_tokens *tokens, const char *model, const uint32_t *ids,
                    size_t id_count, char *text, size_t text_room, uint64_t *ret_size_bytes,
                    struct gbill_err *out)
{
    const struct encodings_model *rule;
    const struct encoding *encoding = NULL;
    struct buf bytes;
    struct err err = {.code = ERR_OK};
    buf_init(&bytes, TOKENS_TEXT_BYTES_MAX);
    enum err_code code = find(tokens, model, &rule, &encoding, &err);
    if (code == ERR_OK)
        code = tokens_decode(encoding, ids, id_count, &bytes, &err);
    if (code == ERR_OK) {
        size_t fit = bytes.size_bytes < text_room ? bytes.size_bytes : text_room;
        if (fit > 0)
            memcpy(text, bytes.data, fit);
        *ret_size_bytes = bytes.size_bytes;
        if (bytes.size_bytes > text_room)
            code = err_set(&err, ERR_LIMIT, "%zu bytes, and room for %zu", bytes.size_bytes,
                           text_room);
    }
    buf_clear(&bytes);
    return client_give(code, &err, out);
}
