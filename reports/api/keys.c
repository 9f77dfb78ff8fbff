#include "reports/api/keys.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "store/base/file.h"
#include "store/base/json.h"
#include "store/base/utf8.h"

enum { FILE_MODE = 0600, RANDOM_BYTES = (KEYS_ID_BYTES + KEYS_SECRET_BYTES) / 2 };

#define PREFIX "gbk_"

static const struct {
    const char *name;
    unsigned bit;
} scopes_known[] = {{"read", KEY_READ}, {"write", KEY_WRITE}, {"admin", KEY_ADMIN}};

enum { SCOPES = sizeof scopes_known / sizeof scopes_known[0] };

bool
keys_scopes_parse(struct str text, unsigned *ret)
{
    unsigned scopes = 0;
    while (true) {
        const char *comma = text.size_bytes > 0 ? memchr(text.data, ',', text.size_bytes) : NULL;
        struct str word = {text.data,
                           comma != NULL ? (size_t)(comma - text.data) : text.size_bytes};
        size_t i = 0;
        while (i < SCOPES && !str_is(word, scopes_known[i].name))
            i++;
        if (i == SCOPES || (scopes & scopes_known[i].bit) != 0)
            return false;
        scopes |= scopes_known[i].bit;
        if (comma == NULL)
            break;
        text = (struct str){comma + 1, text.size_bytes - word.size_bytes - 1};
    }
    *ret = scopes;
    return true;
}

void
keys_scopes_format(unsigned scopes, char text[32])
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < SCOPES; i++) {
        if ((scopes & scopes_known[i].bit) != 0)
            used += (size_t)snprintf(text + used, 32 - used, "%s%s", used > 0 ? "," : "",
                                     scopes_known[i].name);
    }
}

static int
compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct key *)a)->id, ((const struct key *)b)->id);
}

static bool
is_hex(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f'))
            return false;
    }
    return true;
}

static bool
read_hash(const char *text, uint8_t hash[HASH_SHA256_BYTES])
{
    if (strlen(text) != 2 * HASH_SHA256_BYTES || !is_hex(text, 2 * HASH_SHA256_BYTES))
        return false;
    for (size_t i = 0; i < HASH_SHA256_BYTES; i++) {
        const char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
        hash[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return true;
}

static enum err_code
read_key(const json_t *object, size_t index, struct key *k, struct err *err)
{
    static const char *const allowed[] = {"id",        "organizationId", "scopes", "createdMs",
                                          "expiresMs", "revokedMs",      "sha256", NULL};
    char where[40];
    const char *id, *organization, *scopes, *hash;
    *k = (struct key){.created_ms = 0};
    snprintf(where, sizeof where, "keys[%zu]", index);
    enum err_code code = json_only_keys(object, where, allowed, err);
    if (code == ERR_OK)
        code = json_get_text(object, where, "id", &id, err);
    if (code == ERR_OK)
        code = json_get_text(object, where, "organizationId", &organization, err);
    if (code == ERR_OK)
        code = json_get_text(object, where, "scopes", &scopes, err);
    if (code == ERR_OK)
        code = json_get_text(object, where, "sha256", &hash, err);
    if (code == ERR_OK)
        code = json_get_int_opt(object, where, "createdMs", 0, INT64_MAX, &k->created_ms, err);
    if (code == ERR_OK)
        code = json_get_int_opt(object, where, "expiresMs", 0, INT64_MAX, &k->expires_ms, err);
    if (code == ERR_OK)
        code = json_get_int_opt(object, where, "revokedMs", 0, INT64_MAX, &k->revoked_ms, err);
    if (code != ERR_OK)
        return code;
    if (strlen(id) != KEYS_ID_BYTES || !is_hex(id, KEYS_ID_BYTES) || organization[0] == '\0' ||
        strlen(organization) > KEYS_ORGANIZATION_BYTES_MAX || !read_hash(hash, k->hash) ||
        !keys_scopes_parse(str_of(scopes), &k->scopes))
        return err_set(err, ERR_CONFIG, "%s: id, organizationId, scopes or sha256 is none", where);
    snprintf(k->id, sizeof k->id, "%s", id);
    snprintf(k->organization, sizeof k->organization, "%s", organization);
    return ERR_OK;
}

enum err_code
keys_load(const char *data_directory, struct keys *ret, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    json_t *root = NULL, *array = NULL;
    struct key key;
    list_init(&ret->list, sizeof(struct key));
    enum err_code code = file_path(path, data_directory, "api-keys.json", err);
    if (code != ERR_OK)
        return code;
    if (access(path, F_OK) != 0)
        return ERR_OK;
    code = json_file_load(path, &root, NULL, err);
    if (code == ERR_OK)
        code = json_get_array(root, path, "keys", &array, err);
    for (size_t i = 0; code == ERR_OK && i < json_array_size(array); i++) {
        code = read_key(json_array_get(array, i), i, &key, err);
        if (code == ERR_OK && !list_add(&ret->list, &key))
            code = err_set(err, ERR_LIMIT, "no memory for %zu keys", i);
        else
            code = err_wrap(err, code, "%s", path);
    }
    json_decref(root);
    if (code != ERR_OK)
        keys_clear(ret);
    else if (ret->list.count > 0)
        qsort(ret->list.items, ret->list.count, sizeof key, compare_ids);
    return code;
}

void
keys_clear(struct keys *keys)
{
    list_clear(&keys->list);
}

static json_t *
key_object(const struct key *k)
{
    char scopes[32], hash[HASH_SHA256_TEXT_BYTES];
    keys_scopes_format(k->scopes, scopes);
    hash_hex(k->hash, HASH_SHA256_BYTES, hash);
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:s}", "id", k->id, "organizationId",
                          k->organization, "scopes", scopes, "createdMs", (json_int_t)k->created_ms,
                          "sha256", hash);
    if (o != NULL && k->expires_ms > 0)
        json_object_set_new(o, "expiresMs", json_integer((json_int_t)k->expires_ms));
    if (o != NULL && k->revoked_ms > 0)
        json_object_set_new(o, "revokedMs", json_integer((json_int_t)k->revoked_ms));
    return o;
}

static enum err_code
store_keys(const char *data_directory, const struct keys *keys, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    json_t *array = json_array();
    const struct key *all = keys->list.items;
    for (size_t i = 0; i < keys->list.count; i++)
        json_array_append_new(array, key_object(&all[i]));
    json_t *root = json_pack("{s:o}", "keys", array);
    char *text = root != NULL ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    if (text == NULL)
        return err_set(err, ERR_LIMIT, "no memory for %zu keys", keys->list.count);
    enum err_code code = file_path(path, data_directory, "api-keys.json", err);
    if (code == ERR_OK)
        code =
            file_replace(path, FILE_MODE, (struct bytes){(const uint8_t *)text, strlen(text)}, err);
    free(text);
    return code;
}

/* Read all keys to change them; *ret_lock is to be closed, also after an error (-1: it is not). */
static enum err_code
begin_change(const char *data_directory, struct keys *keys, int *ret_lock, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    *ret_lock = -1;
    list_init(&keys->list, sizeof(struct key));
    enum err_code code = file_path(path, data_directory, "api-keys.lock", err);
    if (code == ERR_OK)
        code = file_lock(path, "gbill key", ret_lock, err);
    return code == ERR_OK ? keys_load(data_directory, keys, err) : code;
}

static void
end_change(struct keys *keys, int lock)
{
    keys_clear(keys);
    if (lock >= 0)
        close(lock);
}

static void
draw(struct key *k, char text[KEYS_TEXT_BYTES + 1], const uint8_t random[RANDOM_BYTES])
{
    char digits[2 * RANDOM_BYTES + 1];
    hash_hex(random, RANDOM_BYTES, digits);
    memcpy(k->id, digits, KEYS_ID_BYTES);
    k->id[KEYS_ID_BYTES] = '\0';
    const struct bytes secret = {(const uint8_t *)digits + KEYS_ID_BYTES, KEYS_SECRET_BYTES};
    hash_sha256(&secret, 1, k->hash);
    snprintf(text, KEYS_TEXT_BYTES + 1, PREFIX "%s_%s", k->id, digits + KEYS_ID_BYTES);
    OPENSSL_cleanse(digits, sizeof digits);
}

enum err_code
keys_create(const struct keys_change *change, const char *organization, unsigned scopes,
            int64_t expires_ms, struct key *ret, char ret_text[KEYS_TEXT_BYTES + 1],
            struct err *err)
{
    uint8_t random[RANDOM_BYTES];
    size_t size = strlen(organization);
    if (size == 0 || size > KEYS_ORGANIZATION_BYTES_MAX ||
        !utf8_text_ok((const uint8_t *)organization, size))
        return err_set(err, ERR_USAGE,
                       "the organization must be 1 to %d bytes of UTF-8 without controls",
                       KEYS_ORGANIZATION_BYTES_MAX);
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return err_set(err, ERR_IO, "the kernel gives no random bytes");
    struct key k = {.scopes = scopes, .created_ms = change->now_ms, .expires_ms = expires_ms};
    memcpy(k.organization, organization, size);
    draw(&k, ret_text, random);
    OPENSSL_cleanse(random, sizeof random);
    struct keys keys;
    int lock;
    enum err_code code = begin_change(change->data_directory, &keys, &lock, err);
    if (code == ERR_OK && keys.list.count >= KEYS_MAX)
        code = err_set(err, ERR_LIMIT, "there are %zu keys, the limit is %d", keys.list.count,
                       KEYS_MAX);
    else if (code == ERR_OK && !list_add(&keys.list, &k))
        code = err_set(err, ERR_LIMIT, "no memory for a key");
    if (code == ERR_OK && change->witness != NULL)
        code = change->witness(change->context, &k, err);
    if (code == ERR_OK)
        code = store_keys(change->data_directory, &keys, err);
    end_change(&keys, lock);
    if (code == ERR_OK)
        *ret = k;
    return code;
}

static struct key *
find_id(const struct keys *keys, const char *id)
{
    struct key *all = keys->list.items;
    size_t low = 0, high = keys->list.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(id, all[middle].id, KEYS_ID_BYTES);
        if (order == 0)
            return &all[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

enum err_code
keys_revoke(const struct keys_change *change, const char *id, struct err *err)
{
    struct keys keys;
    int lock;
    enum err_code code = begin_change(change->data_directory, &keys, &lock, err);
    struct key *key = code == ERR_OK && strlen(id) == KEYS_ID_BYTES ? find_id(&keys, id) : NULL;
    if (code == ERR_OK && key == NULL)
        code = err_set(err, ERR_NOT_FOUND,
                       "\"%.80s\" is the id of no key; gbill key list shows them", id);
    if (code == ERR_OK && key->revoked_ms == 0) {
        if (change->witness != NULL)
            code = change->witness(change->context, key, err);
        key->revoked_ms = change->now_ms;
        if (code == ERR_OK)
            code = store_keys(change->data_directory, &keys, err);
    }
    end_change(&keys, lock);
    return code;
}

const struct key *
keys_find(const struct keys *keys, struct str text, int64_t now_ms)
{
    static const struct key nobody; /* compared all the same, so that an unknown id takes as long */
    uint8_t hash[HASH_SHA256_BYTES];
    const size_t at = strlen(PREFIX);
    if (text.size_bytes != KEYS_TEXT_BYTES || memcmp(text.data, PREFIX, at) != 0 ||
        text.data[at + KEYS_ID_BYTES] != '_')
        return NULL;
    const struct bytes secret = {(const uint8_t *)text.data + at + KEYS_ID_BYTES + 1,
                                 KEYS_SECRET_BYTES};
    const struct key *key = find_id(keys, text.data + at);
    hash_sha256(&secret, 1, hash);
    bool same = CRYPTO_memcmp(hash, (key != NULL ? key : &nobody)->hash, HASH_SHA256_BYTES) == 0;
    if (key == NULL || !same || key->revoked_ms > 0 ||
        (key->expires_ms > 0 && now_ms >= key->expires_ms))
        return NULL;
    return key;
}
