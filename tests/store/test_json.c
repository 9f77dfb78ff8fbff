#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/base/json.h"

static struct err err;

static enum err_code
load(const char *text, json_t **ret_root, uint8_t sha256[HASH_SHA256_BYTES])
{
    char path[] = "/tmp/gbill-json-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    enum err_code code = json_file_load(path, ret_root, sha256, &err);
    unlink(path);
    return code;
}

Test(store_json, a_file_loads_with_the_hash_of_its_bytes)
{
    json_t *root;
    uint8_t sha256[HASH_SHA256_BYTES];
    char text[HASH_SHA256_TEXT_BYTES];
    cr_assert_eq(load("{}\n", &root, sha256), ERR_OK);
    hash_hex(sha256, sizeof sha256, text);
    /* printf '{}\n' | sha256sum */
    cr_assert_str_eq(text, "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356");
    json_decref(root);
    cr_assert_eq(load("[1]", &root, NULL), ERR_OK);
    json_decref(root);
}

Test(store_json, what_is_no_json_is_named_by_line_and_column)
{
    json_t *root = NULL;
    cr_assert_eq(load("{\"a\": 1,\n \"b\": }", &root, NULL), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, ":2:"), "%s", err.text);
    cr_assert_eq(load("{\"a\": 1, \"a\": 2}", &root, NULL), ERR_CONFIG, "a price given twice");
    cr_assert_eq(load("", &root, NULL), ERR_CONFIG);
    cr_assert_eq(load("{} x", &root, NULL), ERR_CONFIG);
    cr_assert_null(root);
    cr_assert_eq(json_file_load("/tmp/gbill-no-such.json", &root, NULL, &err), ERR_NOT_FOUND);
}

Test(store_json, getters_say_where_what_and_what_it_must_be)
{
    json_t *o = json_loads(
        "{\"t\": \"x\", \"i\": 5, \"r\": 1.5, \"n\": null, \"a\": [], \"o\": {}}", 0, NULL);
    const char *text = "kept";
    int64_t i = 7;
    json_t *part = NULL;
    cr_assert(json_get_text(o, "w", "t", &text, &err) == ERR_OK && strcmp(text, "x") == 0);
    cr_assert_eq(json_get_text(o, "models[3]", "i", &text, &err), ERR_CONFIG);
    cr_assert_str_eq(err.text, "models[3]: \"i\" is a number, must be a text");
    cr_assert_eq(json_get_text(o, "w", "absent", &text, &err), ERR_CONFIG);
    cr_assert_str_eq(err.text, "w: \"absent\" is missing, must be a text");
    text = "kept";
    cr_assert(json_get_text_opt(o, "w", "n", &text, &err) == ERR_OK && strcmp(text, "kept") == 0);
    cr_assert_eq(json_get_text_opt(o, "w", "a", &text, &err), ERR_CONFIG);
    cr_assert(json_get_int_opt(o, "w", "absent", 0, 9, &i, &err) == ERR_OK && i == 7);
    cr_assert(json_get_int_opt(o, "w", "i", 0, 9, &i, &err) == ERR_OK && i == 5);
    cr_assert_eq(json_get_int_opt(o, "w", "i", 6, 9, &i, &err), ERR_CONFIG);
    cr_assert_str_eq(err.text, "w: \"i\" is 5, must lie in 6 to 9");
    cr_assert_eq(json_get_int_opt(o, "w", "r", 0, 9, &i, &err), ERR_CONFIG, "no silent cut");
    cr_assert(json_get_array(o, "w", "a", &part, &err) == ERR_OK && json_is_array(part));
    cr_assert_eq(json_get_array(o, "w", "n", &part, &err), ERR_CONFIG);
    cr_assert(json_get_object_opt(o, "w", "o", &part, &err) == ERR_OK && json_is_object(part));
    cr_assert_eq(json_get_object_opt(o, "w", "a", &part, &err), ERR_CONFIG);
    json_decref(o);
}

Test(store_json, a_misspelt_key_is_refused)
{
    static const char *const allowed[] = {"input", "output", NULL};
    json_t *o = json_loads("{\"input\": 1, \"ouput\": 2}", 0, NULL);
    cr_assert_eq(json_only_keys(o, "models[0]", allowed, &err), ERR_CONFIG);
    cr_assert_str_eq(err.text, "models[0]: unknown key \"ouput\"");
    json_object_del(o, "ouput");
    cr_assert_eq(json_only_keys(o, "w", allowed, &err), ERR_OK);
    json_decref(o);
    o = json_array();
    cr_assert_eq(json_only_keys(o, "w", allowed, &err), ERR_CONFIG);
    json_decref(o);
}
