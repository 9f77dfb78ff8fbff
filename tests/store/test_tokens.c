/* Made-up vocabularies against merging step by step; OpenAI's own: tests/e2e/tiktoken.sh. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/base64.h"
#include "store/base/hash.h"
#include "store/tokens/compile.h"
#include "store/tokens/split.h"
#include "store/tokens/tokens.h"

enum { TOKENS_MOST = 700, TOKEN_BYTES_MOST = 24 };

struct made_up {
    char directory[64], path[96];
    struct {
        uint8_t text[TOKEN_BYTES_MOST];
        size_t size_bytes;
    } tokens[TOKENS_MOST];
    uint32_t count;
    struct encodings encodings;
    struct tokens_work work;
    struct list ids;
    struct err err;
};

static struct made_up m;
static uint32_t seed;

static uint32_t
below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % n;
}

static int64_t
find(const uint8_t *text, size_t size_bytes)
{
    for (uint32_t i = 0; i < m.count; i++)
        if (m.tokens[i].size_bytes == size_bytes && memcmp(m.tokens[i].text, text, size_bytes) == 0)
            return i;
    return -1;
}

static void
add_token(const uint8_t *text, size_t size_bytes)
{
    if (size_bytes > TOKEN_BYTES_MOST || m.count == TOKENS_MOST || find(text, size_bytes) >= 0)
        return;
    memcpy(m.tokens[m.count].text, text, size_bytes);
    m.tokens[m.count++].size_bytes = size_bytes;
}

/* Two tokens side by side, mostly; or anything, which no merges may lead to. */
static void
make_up_tokens(uint32_t count, uint32_t letters)
{
    m.count = 0;
    for (unsigned byte = 0; byte < 256; byte++)
        add_token(&(uint8_t){(uint8_t)byte}, 1);
    for (uint32_t tries = 0; m.count < count && tries < 20 * count; tries++) {
        uint8_t text[2 * TOKEN_BYTES_MOST];
        size_t size_bytes = 0;
        for (int part = 0; part < 2; part++) {
            uint32_t id = 'a' + below(letters);
            if (m.count > 256 && below(3) > 0)
                id = 256 + below(m.count - 256);
            memcpy(text + size_bytes, m.tokens[id].text, m.tokens[id].size_bytes);
            size_bytes += m.tokens[id].size_bytes;
        }
        if (below(20) == 0)
            text[below((uint32_t)size_bytes)] = (uint8_t)('a' + below(letters));
        add_token(text, size_bytes);
    }
}

static void
write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", m.directory, name);
    FILE *out = fopen(path, "w");
    cr_assert(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0);
}

static enum err_code
compile(void)
{
    static char ranks[TOKENS_MOST * 64], book[2048];
    char hex[HASH_SHA256_TEXT_BYTES], base64[64], paths[3][128];
    uint8_t digest[HASH_SHA256_BYTES];
    size_t size = 0;
    for (uint32_t i = 0; i < m.count; i++) {
        base64_encode((struct bytes){m.tokens[i].text, m.tokens[i].size_bytes}, base64);
        size += (size_t)snprintf(ranks + size, sizeof ranks - size, "%s %u\n", base64, i);
    }
    hash_sha256(&(struct bytes){(const uint8_t *)ranks, size}, 1, digest);
    hash_hex(digest, sizeof digest, hex);
    snprintf(book, sizeof book,
             "{\"ranks\": {\"r\": \"%s\"}, \"encodings\": ["
             "{\"name\": \"gpt2\", \"ranks\": \"r\", \"split\": \"gpt2\","
             " \"special\": {\"<|end|>\": 5000, \"<|a|>\": 5001}},"
             "{\"name\": \"cl100k\", \"ranks\": \"r\", \"split\": \"cl100k\"},"
             "{\"name\": \"o200k\", \"ranks\": \"r\", \"split\": \"o200k\"}],"
             "\"models\": [{\"encoding\": \"o200k\", \"models\": [\"m-*\", \"m-1\"]},"
             "{\"encoding\": \"gpt2\", \"models\": [\"m-1-*\"], \"perMessage\": 3, \"perName\": 1,"
             " \"perReply\": 3}]}",
             hex);
    write_file("r.tiktoken", ranks);
    write_file("book.json", book);
    snprintf(paths[0], sizeof paths[0], "%s/book.json", m.directory);
    return compile_encodings(m.directory, paths[0], GBILL_SCHEMAS_DIR "/unicode.txt", m.path,
                             &m.err);
}

static void
begin(void)
{
    snprintf(m.directory, sizeof m.directory, "/tmp/gbill-tokens-XXXXXX");
    cr_assert(mkdtemp(m.directory) != NULL);
    snprintf(m.path, sizeof m.path, "%s/encodings.bin", m.directory);
    tokens_work_init(&m.work);
    list_init(&m.ids, sizeof(uint32_t));
    seed = 0x9e3779b9;
}

static void
end(void)
{
    static const char *const names[] = {"r.tiktoken", "book.json", "encodings.bin"};
    char path[128];
    encodings_close(&m.encodings);
    tokens_work_clear(&m.work);
    list_clear(&m.ids);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", m.directory, names[i]);
        unlink(path);
    }
    rmdir(m.directory);
}

TestSuite(store_tokens, .init = begin, .fini = end);

static const struct encoding *
open_encoding(const char *name)
{
    const struct encoding *encoding = NULL;
    cr_assert_eq(compile(), ERR_OK, "%s", m.err.text);
    cr_assert_eq(encodings_open(&m.encodings, m.path, &m.err), ERR_OK, "%s", m.err.text);
    cr_assert_eq(encodings_find(&m.encodings, str_of(name), &encoding, &m.err), ERR_OK, "%s",
                 m.err.text);
    return encoding;
}

static size_t
encode(const struct encoding *encoding, const void *text, size_t size_bytes)
{
    uint64_t count = 0;
    struct bytes t = {text, size_bytes};
    m.ids.count = 0;
    cr_assert_eq(tokens_encode(encoding, &m.work, t, TOKENS_SPECIAL_TEXT, &m.ids, &m.err), ERR_OK);
    cr_assert_eq(tokens_count(encoding, &m.work, t, TOKENS_SPECIAL_TEXT, &count, &m.err), ERR_OK);
    cr_assert_eq(count, m.ids.count, "counted is not encoded");
    return m.ids.count;
}

/* The definition: the adjacent pair with the lowest id, the left one first, until there is none. */
static size_t
merge_step_by_step(const uint8_t *text, size_t size_bytes, uint32_t *ids)
{
    size_t begins[200], count = size_bytes;
    if (find(text, size_bytes) >= 0) {
        ids[0] = (uint32_t)find(text, size_bytes);
        return 1;
    }
    for (size_t i = 0; i <= size_bytes; i++)
        begins[i] = i;
    for (;;) {
        int64_t best = -1;
        size_t at = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            int64_t id = find(text + begins[i], begins[i + 2] - begins[i]);
            if (id >= 0 && (best < 0 || id < best)) {
                best = id;
                at = i;
            }
        }
        if (best < 0)
            break;
        memmove(begins + at + 1, begins + at + 2, (count - at - 1) * sizeof begins[0]);
        count--;
    }
    for (size_t i = 0; i < count; i++)
        ids[i] = (uint32_t)find(text + begins[i], begins[i + 1] - begins[i]);
    return count;
}

Test(store_tokens, is_what_merging_step_by_step_gives_with_any_vocabulary)
{
    for (int round = 0; round < 25; round++) {
        do
            make_up_tokens(260 + below(TOKENS_MOST - 260), 1 + below(4));
        while (compile() == ERR_INPUT); /* a token of parts with higher ids */
        const struct encoding *encoding = open_encoding("gpt2");
        for (int i = 0; i < 120; i++) {
            uint8_t text[160];
            uint32_t want[160];
            size_t n = 0, most = 1 + below(150);
            const uint32_t letters = 1 + below(4);
            while (n < most)
                text[n++] = (uint8_t)('a' + below(letters));
            size_t count = merge_step_by_step(text, n, want);
            cr_assert_eq(encode(encoding, text, n), count, "%.*s: %zu tokens, not %zu", (int)n,
                         text, m.ids.count, count);
            cr_assert_eq(memcmp(m.ids.items, want, count * sizeof want[0]), 0, "%.*s", (int)n,
                         text);
        }
        encodings_close(&m.encodings);
    }
}

/* Each rule's pieces, with | between them; a vocabulary of single bytes, so each byte is a token. */
static void
pieces(const struct encoding *encoding, const char *text, char *ret)
{
    const uint8_t *p = (const uint8_t *)text, *stop = p + strlen(text);
    while (p < stop) {
        const uint8_t *next = split_next(encoding, p, stop);
        cr_assert(next > p && next <= stop);
        memcpy(ret, p, (size_t)(next - p));
        ret += next - p;
        *ret++ = '|';
        p = next;
    }
    *ret = '\0';
}

Test(store_tokens, texts_are_cut_as_the_patterns_say)
{
    static const struct {
        const char *text, *gpt2, *cl100k, *o200k;
    } cases[] = {
        {"I'll, it'S  12345!", "I|'ll|,| it|'|S| | 12345|!|", "I|'ll|,| it|'S| | |123|45|!|",
         "I'll|,| it'S| | |123|45|!|"},
        {"a\n\n  b\t\r\n", "a|\n\n | b|\t\r\n|", "a|\n\n| | b|\t\r\n|", "a|\n\n| | b|\t\r\n|"},
        {"x  \n  ", "x|  \n  |", "x|  \n|  |", "x|  \n|  |"},
        {"HTTPRequest don'ts", "HTTPRequest| don|'t|s|", "HTTPRequest| don|'t|s|",
         "HTTPRequest| don't|s|"},
        {"a://b//\n/c", "a|://|b|//|\n|/|c|", "a|://|b|//\n|/c|", "a|://|b|//\n/|c|"},
        {"\u4e2d\u6587ABC", "\u4e2d\u6587ABC|", "\u4e2d\u6587ABC|", "\u4e2d\u6587|ABC|"},
        {"e\u0301t\u0301 \u0301A", "e|\u0301|t|\u0301| \u0301|A|", "e|\u0301t|\u0301| \u0301|A|",
         "e\u0301t\u0301| \u0301|A|"},
        {"(\u0301AB", "(\u0301|AB|", "(\u0301|AB|", "(\u0301|AB|"},
        {"it'\u017f", "it|'|\u017f|", "it|'\u017f|", "it'\u017f|"},
    };
    make_up_tokens(256, 1);
    open_encoding("gpt2");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *want[] = {cases[i].gpt2, cases[i].cl100k, cases[i].o200k};
        for (size_t k = 0; k < 3; k++) {
            char got[200];
            pieces(&m.encodings.list[k], cases[i].text, got);
            cr_assert_str_eq(got, want[k], "%s: \"%s\", not \"%s\"", m.encodings.list[k].name, got,
                             want[k]);
        }
    }
}

Test(store_tokens, what_is_no_utf8_counts_as_replacement_characters)
{
    static const struct {
        const char *text;
        size_t characters;
    } cases[] = {
        {"\xff", 1},         {"\xe4\xb8", 1},         {"\xe4\xb8\xff", 2}, {"\xed\xa0\x80", 3},
        {"\xf0\x9f\x98", 1}, {"\xf0\x80\x80\x80", 4}, {"\xc0\xaf", 2},     {"\xf4\x90\x80\x80", 4},
        {"\xc2", 1},         {"\xe0\x80\xaf", 3},
    };
    make_up_tokens(256, 1);
    const struct encoding *encoding = open_encoding("o200k");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t count = encode(encoding, cases[i].text, strlen(cases[i].text));
        struct buf back;
        buf_init(&back, 1000);
        cr_assert_eq(count, 3 * cases[i].characters, "case %zu: %zu", i, count);
        cr_assert_eq(tokens_decode(encoding, m.ids.items, m.ids.count, &back, &m.err), ERR_OK);
        for (size_t k = 0; k < cases[i].characters; k++)
            cr_assert_eq(memcmp(back.data + 3 * k, "\xef\xbf\xbd", 3), 0);
        buf_clear(&back);
    }
}

Test(store_tokens, a_special_token_is_text_an_error_or_itself)
{
    const char *text = "x<|end|>y<|none|><|a|>";
    const struct bytes t = {(const uint8_t *)text, strlen(text)};
    make_up_tokens(256, 1);
    const struct encoding *encoding = open_encoding("gpt2");
    cr_assert_eq(encode(encoding, text, t.size_bytes), t.size_bytes);
    cr_assert_eq(tokens_encode(encoding, &m.work, t, TOKENS_SPECIAL_REFUSE, &m.ids, &m.err),
                 ERR_INPUT);
    cr_assert(strstr(m.err.text, "byte 1 ") != NULL && strstr(m.err.text, "<|end|>") != NULL, "%s",
              m.err.text);
    m.ids.count = 0;
    cr_assert_eq(tokens_encode(encoding, &m.work, t, TOKENS_SPECIAL_ALLOW, &m.ids, &m.err), ERR_OK);
    const uint32_t *ids = m.ids.items;
    cr_assert_eq(m.ids.count, 1 + 1 + 1 + 8 + 1);
    cr_assert(ids[0] == 'x' && ids[1] == 5000 && ids[2] == 'y' && ids[11] == 5001);
    struct buf back;
    buf_init(&back, 1000);
    cr_assert_eq(tokens_decode(encoding, ids, m.ids.count, &back, &m.err), ERR_OK);
    cr_assert(back.size_bytes == t.size_bytes && memcmp(back.data, text, t.size_bytes) == 0);
    buf_clear(&back);
    cr_assert_eq(tokens_decode(encoding, &(uint32_t){256}, 1, &back, &m.err), ERR_INPUT);
    cr_assert(strstr(m.err.text, "256") != NULL);
}

Test(store_tokens, the_longest_rule_that_fits_a_model_holds)
{
    make_up_tokens(256, 1);
    open_encoding("gpt2");
    const struct encodings_model *model = encodings_model(&m.encodings, str_of("m-1"));
    cr_assert(model != NULL && !model->is_prefix && model->per_reply == 0);
    model = encodings_model(&m.encodings, str_of("m-1-x"));
    cr_assert(model != NULL && model->per_reply == 3);
    cr_assert_not_null(encodings_model(&m.encodings, str_of("m-2")));
    cr_assert_null(encodings_model(&m.encodings, str_of("m")));
    cr_assert_null(encodings_model(&m.encodings, str_of("")));
    struct tokens_message message = {str_of("user"), {NULL, 0}, str_of("hello")};
    const struct encoding *encoding;
    uint64_t count = 0;
    model = encodings_model(&m.encodings, str_of("m-1-x"));
    cr_assert_eq(encodings_of_model(&m.encodings, model, &encoding, &m.err), ERR_OK);
    cr_assert_eq(tokens_count_message(model, encoding, &m.work, &message, &count, &m.err), ERR_OK);
    cr_assert_eq(count, 4 + 5 + 3); /* role and content, and what is around a message */
    message.name = str_of("bob");
    cr_assert_eq(tokens_count_message(model, encoding, &m.work, &message, &count, &m.err), ERR_OK);
    cr_assert_eq(count, 4 + 5 + 3 + 3 + 1);
}

/* One byte of the file changed: it cannot be opened, or the encoding cannot be used. */
Test(store_tokens, a_changed_byte_is_noticed_wherever_it_is)
{
    do
        make_up_tokens(400, 3);
    while (compile() == ERR_INPUT);
    open_encoding("gpt2");
    const size_t size = m.encodings.size_bytes;
    uint8_t *bytes = malloc(size);
    memcpy(bytes, m.encodings.map, size);
    encodings_close(&m.encodings);
    const size_t front = ((const struct encodings_head *)(const void *)bytes)->front_bytes;
    const struct encodings_vocabulary vocabulary =
        ((const struct encodings_head *)(const void *)bytes)->vocabularies[0];
    for (size_t i = 0; i < 400; i++) {
        size_t at = i < 200 ? below((uint32_t)front)
                            : (size_t)vocabulary.units.offset_bytes +
                                  below((uint32_t)(size - vocabulary.units.offset_bytes));
        const struct encoding *encoding;
        const uint8_t bit = (uint8_t)(1u << below(8));
        bytes[at] ^= bit;
        FILE *out = fopen(m.path, "w");
        cr_assert(out != NULL && fwrite(bytes, 1, size, out) == size && fclose(out) == 0);
        enum err_code code = encodings_open(&m.encodings, m.path, &m.err);
        if (code == ERR_OK)
            code = encodings_find(&m.encodings, str_of("gpt2"), &encoding, &m.err);
        cr_assert_eq(code, ERR_CORRUPT, "byte %zu of %zu", at, size);
        encodings_close(&m.encodings);
        bytes[at] ^= bit;
    }
    for (size_t cut = 0; cut < size; cut += 1 + size / 50) {
        cr_assert_eq(compile(), ERR_OK);
        cr_assert_eq(truncate(m.path, (off_t)cut), 0);
        cr_assert_eq(encodings_open(&m.encodings, m.path, &m.err), ERR_CORRUPT, "cut to %zu", cut);
    }
    free(bytes);
}

static void
ranks_refused(const char *text, enum err_code want, const char *words)
{
    char path[128];
    snprintf(path, sizeof path, "%s/book.json", m.directory);
    cr_assert_eq(compile(), ERR_OK);
    write_file("r.tiktoken", text);
    enum err_code code =
        compile_encodings(m.directory, path, GBILL_SCHEMAS_DIR "/unicode.txt", m.path, &m.err);
    cr_assert_eq(code, want, "%d", code);
    cr_assert(strstr(m.err.text, words) != NULL, "%s", m.err.text);
}

Test(store_tokens, a_rank_file_whose_ids_are_in_no_order_of_merges_is_refused)
{
    make_up_tokens(256, 1);
    add_token((const uint8_t *)"abc", 3);
    add_token((const uint8_t *)"ab", 2);
    cr_assert_eq(compile(), ERR_INPUT);
    cr_assert(strstr(m.err.text, "token 256 ") != NULL, "%s", m.err.text);
}

Test(store_tokens, rank_files_that_are_not_openais_are_refused)
{
    make_up_tokens(300, 2);
    ranks_refused("", ERR_CONFLICT, "SHA-256");
    ranks_refused("IQ== 0\n", ERR_CONFLICT, "r.tiktoken");
}
