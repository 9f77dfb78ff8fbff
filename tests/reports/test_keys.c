#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "reports/api/keys.h"
#include "tests/support/temp_dir.h"

static struct temp_dir dir;
static struct err err;

static void
make_dir(void)
{
    dir = temp_dir_make();
}

static void
remove_dir(void)
{
    temp_dir_remove(&dir);
}

TestSuite(reports_keys, .init = make_dir, .fini = remove_dir);

static struct key
create(const char *organization, unsigned scopes, int64_t expires_ms,
       char text[KEYS_TEXT_BYTES + 1])
{
    struct key key;
    cr_assert_eq(keys_create(&(struct keys_change){dir.path, 1000, NULL, NULL}, organization,
                             scopes, expires_ms, &key, text, &err),
                 ERR_OK, "%s", err.text);
    return key;
}

/* Whose key, as the file says now; NULL: nobody's. */
static bool
opens(const char *text, const char *organization, int64_t now_ms)
{
    struct keys keys;
    cr_assert_eq(keys_load(dir.path, &keys, &err), ERR_OK, "%s", err.text);
    const struct key *key = keys_find(&keys, str_of(text), now_ms);
    bool is_it = key != NULL && strcmp(key->organization, organization) == 0;
    cr_assert(key == NULL || is_it);
    keys_clear(&keys);
    return is_it;
}

static void
store(const char *content)
{
    char path[128];
    snprintf(path, sizeof path, "%s/api-keys.json", dir.path);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(content, f);
    fclose(f);
}

Test(reports_keys, each_opens_its_own_organization_and_no_changed_one_opens_any)
{
    char texts[20][KEYS_TEXT_BYTES + 1], name[8];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "org-%d", i);
        create(name, KEY_READ, 0, texts[i]);
    }
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "org-%d", i);
        cr_assert(opens(texts[i], name, 2000));
        for (size_t at = 0; at < KEYS_TEXT_BYTES; at++) {
            char changed[KEYS_TEXT_BYTES + 1];
            memcpy(changed, texts[i], sizeof changed);
            changed[at] = changed[at] == 'f' ? 'e' : 'f';
            cr_assert_not(opens(changed, name, 2000), "byte %zu", at);
            if (i > 0)
                break; /* one key is enough for every place */
        }
    }
    memcpy(texts[0] + 4 + KEYS_ID_BYTES, texts[1] + 4 + KEYS_ID_BYTES, KEYS_SECRET_BYTES + 1);
    cr_assert_not(opens(texts[0], "org-0", 2000), "the id of one with the secret of another");
    cr_assert_not(opens("", "org-0", 2000));
    cr_assert_not(opens("gbk_", "org-0", 2000));
}

Test(reports_keys, one_that_is_over_or_taken_back_opens_nothing)
{
    char text[KEYS_TEXT_BYTES + 1], other[KEYS_TEXT_BYTES + 1];
    struct key key = create("acme", KEY_READ | KEY_ADMIN, 5000, text);
    create("acme", KEY_READ, 0, other);
    cr_assert(opens(text, "acme", 4999));
    cr_assert_not(opens(text, "acme", 5000));
    cr_assert_eq(keys_revoke(&(struct keys_change){dir.path, 3000, NULL, NULL}, key.id, &err),
                 ERR_OK);
    cr_assert_not(opens(text, "acme", 3000));
    cr_assert(opens(other, "acme", INT64_MAX), "another is not touched, and never over");
    cr_assert_eq(keys_revoke(&(struct keys_change){dir.path, 9000, NULL, NULL}, key.id, &err),
                 ERR_OK, "safe to repeat");
    struct keys keys;
    cr_assert_eq(keys_load(dir.path, &keys, &err), ERR_OK);
    for (size_t i = 0; i < keys.list.count; i++) {
        const struct key *k = (const struct key *)keys.list.items + i;
        cr_assert_eq(k->revoked_ms, strcmp(k->id, key.id) == 0 ? 3000 : 0, "the first time stands");
    }
    keys_clear(&keys);
    cr_assert_eq(
        keys_revoke(&(struct keys_change){dir.path, 1, NULL, NULL}, "0123456789abcdef", &err),
        ERR_NOT_FOUND);
    cr_assert_eq(keys_revoke(&(struct keys_change){dir.path, 1, NULL, NULL}, "x", &err),
                 ERR_NOT_FOUND);
}

Test(reports_keys, a_file_that_is_no_such_file_opens_nothing)
{
    static const char *const wrong[] = {
        "",
        "{",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[7]}",
        "{\"keys\":[{\"id\":\"0123456789abcdef\"}]}",
        "{\"keys\":[{\"id\":\"0123456789abcdeX\",\"organizationId\":\"a\",\"scopes\":\"read\","
        "\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}]}",
        "{\"keys\":[{\"id\":\"0123456789abcdef\",\"organizationId\":\"a\",\"scopes\":\"fly\","
        "\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}]}",
        "{\"keys\":[{\"id\":\"0123456789abcdef\",\"organizationId\":\"a\",\"scopes\":\"read\","
        "\"sha256\":\"00\"}]}",
    };
    struct keys keys;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        store(wrong[i]);
        cr_assert_eq(keys_load(dir.path, &keys, &err), ERR_CONFIG, "%s", wrong[i]);
        cr_assert_eq(keys.list.count, 0);
    }
}

Test(reports_keys, an_organization_is_a_text_of_1_to_64_bytes)
{
    char text[KEYS_TEXT_BYTES + 1], name[KEYS_ORGANIZATION_BYTES_MAX + 2];
    struct key key;
    memset(name, 'x', sizeof name);
    name[KEYS_ORGANIZATION_BYTES_MAX + 1] = '\0';
    cr_assert_eq(keys_create(&(struct keys_change){dir.path, 1, NULL, NULL}, name, KEY_READ, 0,
                             &key, text, &err),
                 ERR_USAGE);
    cr_assert_eq(keys_create(&(struct keys_change){dir.path, 1, NULL, NULL}, "", KEY_READ, 0, &key,
                             text, &err),
                 ERR_USAGE);
    cr_assert_eq(keys_create(&(struct keys_change){dir.path, 1, NULL, NULL}, "a\nb", KEY_READ, 0,
                             &key, text, &err),
                 ERR_USAGE);
    cr_assert_eq(keys_create(&(struct keys_change){dir.path, 1, NULL, NULL}, "\xff", KEY_READ, 0,
                             &key, text, &err),
                 ERR_USAGE);
    create(name + 1, KEY_READ, 0, text);
    cr_assert(opens(text, name + 1, 1));
}

Test(reports_keys, scopes_are_words_in_any_order_none_twice)
{
    unsigned scopes;
    char text[32];
    cr_assert(keys_scopes_parse(str_of("admin,read"), &scopes));
    cr_assert_eq(scopes, KEY_READ | KEY_ADMIN);
    keys_scopes_format(scopes, text);
    cr_assert_str_eq(text, "read,admin");
    static const char *const wrong[] = {"",          ",",    "read,",     ",read",
                                        "read,read", "READ", "read write"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_assert_not(keys_scopes_parse(str_of(wrong[i]), &scopes), "%s", wrong[i]);
}
