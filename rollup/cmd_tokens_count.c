#include <stdlib.h>
#include <string.h>

#include "rollup/cmd.h"
#include "rollup/price/ratio.h"
#include "store/base/file.h"
#include "store/base/json.h"
#include "store/base/print.h"
#include "store/base/secret.h"
#include "store/net/anthropic.h"
#include "store/tokens/compile.h"
#include "store/tokens/tokens.h"

/* clang-format off */
#define ROW_ENCODINGS                                                                       \
    {"encodings", "GBILL_ENCODINGS", CONF_TEXT, "FILE", 0, 0, GBILL_ENCODINGS, false,       \
     "the encodings file, made by gbill tokens compile"}
#define ROWS_WHICH                                                                          \
    {"model", NULL, CONF_TEXT, "NAME", 0, 0, NULL, false, "count as this model does"},      \
    {"encoding", NULL, CONF_TEXT, "NAME", 0, 0, NULL, false,                                \
     "count by this encoding (gbill tokens encodings lists them)"}
#define ROW_SPECIAL                                                                         \
    {"special", NULL, CONF_TEXT, "HOW", 0, 0, "text", false,                                \
     "what <|endoftext|> and its like are: text, refuse (an error) or allow (one token)"}
/* clang-format on */

static const struct conf_opt count_opts[] = {
    ROWS_WHICH,
    ROW_SPECIAL,
    {"chat", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "a file is a JSON array of messages: role, content, name"},
    {"provider", NULL, CONF_TEXT, "NAME", 0, 0, "anthropic", false,
     "whose model it is, for an estimate (gbill tokens ratios)"},
    ROW_ENCODINGS,
    CONF_ROW_DATA,
    CONF_ROW_JSON,
};

static const struct conf_opt encode_opts[] = {ROWS_WHICH, ROW_SPECIAL, ROW_ENCODINGS,
                                              CONF_ROW_JSON};
static const struct conf_opt decode_opts[] = {ROWS_WHICH, ROW_ENCODINGS};
static const struct conf_opt encodings_opts[] = {ROW_ENCODINGS, CONF_ROW_JSON};
static const struct conf_opt compile_opts[] = {
    {"ranks", NULL, CONF_TEXT, "DIR", 0, 0, "ranks", false,
     "directory of OpenAI's rank files, o200k_base.tiktoken and so on"},
    {"book", NULL, CONF_TEXT, "FILE", 0, 0, GBILL_SCHEMAS_DIR "/encodings.json", false,
     "encodings, models and the hashes of the rank files"},
    {"unicode", NULL, CONF_TEXT, "FILE", 0, 0, GBILL_SCHEMAS_DIR "/unicode.txt", false,
     "classes of characters"},
    {"output", NULL, CONF_TEXT, "FILE", 0, 0, "encodings.bin", false, "the file to make"},
};

/* The encodings file, and what was asked for in it. */
struct counter {
    struct encodings encodings;
    const struct encodings_model *model; /* NULL: an encoding was named, or the model has none */
    const struct encoding *encoding;     /* NULL: the model's tokenizer is not public */
    struct tokens_work work;
    enum tokens_special special;
    struct anthropic *anthropic; /* who counts then; NULL: no key, or not their model */
    struct ratio_book *ratios;   /* by which it is estimated else */
};

/* How many, who says so, and by how much that may be wrong. */
struct tally {
    uint64_t tokens;
    const char *by;          /* "exact", "anthropic", "estimate" */
    int64_t error_per_mille; /* of the estimate, in 95 of 100 texts; -1: not told */
};

static enum err_code
parse_special(const struct conf *conf, enum tokens_special *ret, struct err *err)
{
    static const char *const names[] = {"text", "refuse", "allow"};
    const char *text = conf_text(conf, "special");
    for (size_t i = 0; i < CLI_COUNT(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum tokens_special)i;
            return ERR_OK;
        }
    return err_set(err, ERR_USAGE, "--special \"%s\" is none of text, refuse, allow", text);
}

static void
counter_close(struct counter *c)
{
    anthropic_close(c->anthropic);
    ratio_book_free(c->ratios);
    tokens_work_clear(&c->work);
    encodings_close(&c->encodings);
}

/* Filled and to be closed also after an error. */
static enum err_code
counter_open(const struct conf *conf, struct counter *c, struct err *err)
{
    const char *model = conf_text(conf, "model"), *encoding = conf_text(conf, "encoding");
    memset(c, 0, sizeof *c);
    tokens_work_init(&c->work);
    if ((model == NULL) == (encoding == NULL))
        return err_set(err, ERR_USAGE, "give --model or --encoding, one of them");
    enum err_code code = encodings_open(&c->encodings, conf_text(conf, "encodings"), err);
    if (code == ERR_NOT_FOUND)
        return err_set(err, code,
                       "no encodings file %s; ./dev build makes it, or gbill tokens compile",
                       conf_text(conf, "encodings"));
    if (code != ERR_OK)
        return code;
    if (encoding != NULL)
        return encodings_find(&c->encodings, str_of(encoding), &c->encoding, err);
    c->model = encodings_model(&c->encodings, str_of(model));
    return c->model != NULL ? encodings_of_model(&c->encodings, c->model, &c->encoding, err)
                            : ERR_OK;
}

/* Where ids are wanted, there must be an encoding. */
static enum err_code
counter_open_exact(const struct conf *conf, struct counter *c, struct err *err)
{
    enum err_code code = counter_open(conf, c, err);
    if (code == ERR_OK && c->encoding == NULL)
        return err_set(
            err, ERR_NOT_FOUND,
            "the tokenizer of %s is not public; gbill tokens encodings lists those that are",
            conf_text(conf, "model"));
    return code;
}

/* A whole file, or stdin for "-"; a NUL stands behind it.  free() its data. */
static enum err_code
read_text(const char *path, struct bytes *ret_text, struct err *err)
{
    if (strcmp(path, "-") != 0)
        return file_read(path, TOKENS_TEXT_BYTES_MAX, ret_text, err);
    struct buf text;
    buf_init(&text, TOKENS_TEXT_BYTES_MAX);
    do {
        if (!buf_reserve(&text, 65537)) {
            buf_clear(&text);
            return err_set(err, ERR_LIMIT, "stdin has over %d bytes", TOKENS_TEXT_BYTES_MAX);
        }
        text.size_bytes += fread(text.data + text.size_bytes, 1, 65536, stdin);
    } while (!feof(stdin) && !ferror(stdin));
    if (ferror(stdin)) {
        buf_clear(&text);
        return err_set(err, ERR_IO, "stdin cannot be read");
    }
    text.data[text.size_bytes] = '\0'; /* there was room for one more */
    *ret_text = (struct bytes){text.data, text.size_bytes};
    return ERR_OK;
}

/* A message's content: a text, or an array of parts of which those of type text count. */
static enum err_code
read_content(json_t *content, const char *where, struct buf *joined, struct str *ret,
             struct err *err)
{
    size_t from = joined->size_bytes;
    if (json_is_string(content)) {
        *ret = (struct str){json_string_value(content), json_string_length(content)};
        return ERR_OK;
    }
    if (!json_is_array(content))
        return err_set(err, ERR_INPUT, "%s: content is no text and no array of parts", where);
    for (size_t i = 0; i < json_array_size(content); i++) {
        json_t *text = json_object_get(json_array_get(content, i), "text");
        if (!json_is_string(text))
            return err_set(err, ERR_INPUT,
                           "%s: content[%zu] is no text; images and files cannot be counted here",
                           where, i);
        if (!buf_append(joined, json_string_value(text), json_string_length(text)))
            return err_set(err, ERR_LIMIT, "no memory for the messages");
    }
    *ret = (struct str){(const char *)joined->data + from, joined->size_bytes - from};
    return ERR_OK;
}

static enum err_code
count_message(struct counter *c, json_t *message, size_t index, uint64_t *sum, struct err *err)
{
    struct tokens_message m = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    struct buf joined;
    char where[40];
    snprintf(where, sizeof where, "message %zu", index);
    json_t *role = json_object_get(message, "role"), *name = json_object_get(message, "name");
    if (!json_is_string(role) || (name != NULL && !json_is_string(name)))
        return err_set(err, ERR_INPUT, "%s has no role, or its name is no text", where);
    m.role = (struct str){json_string_value(role), json_string_length(role)};
    if (name != NULL)
        m.name = (struct str){json_string_value(name), json_string_length(name)};
    buf_init(&joined, TOKENS_TEXT_BYTES_MAX);
    uint64_t n = 0;
    enum err_code code =
        read_content(json_object_get(message, "content"), where, &joined, &m.content, err);
    if (code == ERR_OK)
        code = tokens_count_message(c->model, c->encoding, &c->work, &m, &n, err);
    *sum += n;
    buf_clear(&joined);
    return code;
}

static enum err_code
count_chat(struct counter *c, struct bytes text, uint64_t *ret_count, struct err *err)
{
    json_error_t at;
    if (c->model == NULL || c->model->per_reply == 0)
        return err_set(err, ERR_USAGE, "--chat needs --model, of a model that chats");
    json_t *messages = json_loadb((const char *)text.data, text.size_bytes, 0, &at);
    if (!json_is_array(messages)) {
        json_decref(messages);
        return err_set(err, ERR_INPUT, "no JSON array of messages (line %d: %s)", at.line, at.text);
    }
    uint64_t sum = (uint64_t)c->model->per_reply;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < json_array_size(messages) && code == ERR_OK; i++)
        code = count_message(c, json_array_get(messages, i), i, &sum, err);
    json_decref(messages);
    if (code == ERR_OK)
        *ret_count = sum;
    return code;
}

/* Who may be asked about a model of Anthropic's: nobody without a key. */
static enum err_code
open_anthropic(const struct conf *conf, struct counter *c, struct err *err)
{
    struct secret key = {0};
    if (c->encoding != NULL || strncmp(conf_text(conf, "model"), "claude", 6) != 0)
        return ERR_OK;
    enum err_code code = secret_take(ANTHROPIC_KEY_ENV, &key, err);
    if (code == ERR_OK && key.text != NULL)
        code = anthropic_open(key.text, getenv(ANTHROPIC_BASE_URL_ENV), &c->anthropic, err);
    secret_clear(&key);
    return code;
}

/* By Anthropic, who calls its own count an estimate. */
static enum err_code
ask_anthropic(struct counter *c, const char *model, struct bytes text, struct tally *tally,
              struct err *err)
{
    int64_t tokens = 0;
    enum err_code code = anthropic_count_tokens(
        c->anthropic, model, (struct str){(const char *)text.data, text.size_bytes}, &tokens, err);
    *tally = (struct tally){(uint64_t)tokens, "anthropic", -1};
    return code;
}

/* By what the log's own calls say a byte is in tokens. */
static enum err_code
estimate(const struct conf *conf, struct counter *c, const char *model, struct bytes text,
         struct tally *tally, struct err *err)
{
    const char *provider = conf_text(conf, "provider");
    enum err_code code = ERR_OK;
    if (c->ratios == NULL)
        code = ratio_book_load(conf_data_dir(conf), &c->ratios, err);
    if (code != ERR_OK)
        return code;
    const struct ratio *ratio =
        ratio_find(c->ratios, str_of(provider), str_of(model), EVENT_SENT, RATIO_NEWEST);
    if (ratio == NULL)
        return err_set(
            err, ERR_NOT_FOUND,
            "the tokenizer of %s is not public, and no ratio of %s is known (gbill tokens "
            "ratios); with " ANTHROPIC_KEY_ENV " set Anthropic counts for its models",
            model, provider);
    *tally = (struct tally){0, "estimate", ratio->error_per_mille};
    return ratio_tokens(ratio, text.size_bytes, &tally->tokens)
               ? ERR_OK
               : err_set(err, ERR_LIMIT, "%zu bytes are more tokens than a call can have",
                         text.size_bytes);
}

static enum err_code
count_one(const struct conf *conf, struct counter *c, struct bytes text, struct tally *tally,
          struct err *err)
{
    const char *model = conf_text(conf, "model");
    *tally = (struct tally){0, "exact", 0};
    if (c->encoding != NULL)
        return conf_flag(conf, "chat")
                   ? count_chat(c, text, &tally->tokens, err)
                   : tokens_count(c->encoding, &c->work, text, c->special, &tally->tokens, err);
    if (conf_flag(conf, "chat"))
        return err_set(err, ERR_USAGE, "--chat: the format of %s is not public", model);
    if (c->anthropic != NULL)
        return ask_anthropic(c, model, text, tally, err);
    return estimate(conf, c, model, text, tally, err);
}

static void
print_tally(struct print *p, const char *path, struct bytes text, const struct tally *tally)
{
    print_text(p, str_of(path));
    print_whole(p, text.size_bytes);
    print_whole(p, tally->tokens);
    print_text(p, str_of(tally->by));
    if (tally->error_per_mille < 0)
        print_null(p);
    else
        cmd_tokens_print_percent(p, tally->error_per_mille);
}

/* A number that is exact stands alone; any other says what it is. */
static void
print_number(const struct tally *tally)
{
    printf("%llu", (unsigned long long)tally->tokens);
    if (tally->error_per_mille < 0)
        printf(" (by %s)", tally->by);
    else if (tally->error_per_mille > 0 || strcmp(tally->by, "estimate") == 0)
        printf(" (estimated; 95 of 100 are within %lld.%lld %%)",
               (long long)tally->error_per_mille / 10, (long long)tally->error_per_mille % 10);
    putchar('\n');
}

static enum err_code
run_count(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {{"file", PRINT_TEXT},
                                                  {"bytes", PRINT_WHOLE},
                                                  {"tokens", PRINT_WHOLE},
                                                  {"by", PRINT_TEXT},
                                                  {"errorPercent", PRINT_WHOLE}};
    const struct conf *conf = &cli->conf;
    const size_t count = conf->arg_count > 0 ? conf->arg_count : 1;
    const bool rows = count > 1 || conf_flag(conf, "json");
    struct counter c;
    struct print p;
    enum err_code code = counter_open(conf, &c, err);
    if (code == ERR_OK)
        code = parse_special(conf, &c.special, err);
    if (code == ERR_OK)
        code = open_anthropic(conf, &c, err);
    if (code != ERR_OK) {
        counter_close(&c);
        return code;
    }
    if (rows)
        print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                    CLI_COUNT(columns));
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        const char *path = conf->arg_count > 0 ? conf->args[i] : "-";
        struct bytes text = {NULL, 0};
        struct tally tally;
        code = read_text(path, &text, err);
        if (code == ERR_OK)
            code = err_wrap(err, count_one(conf, &c, text, &tally, err), "%s", path);
        if (code == ERR_OK && rows)
            print_tally(&p, path, text, &tally);
        else if (code == ERR_OK)
            print_number(&tally);
        free((void *)(uintptr_t)text.data);
    }
    if (rows)
        print_end(&p);
    counter_close(&c);
    return code;
}

static enum err_code
run_encode(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const bool json = conf_flag(conf, "json");
    struct counter c;
    struct bytes text = {NULL, 0};
    struct list ids;
    list_init(&ids, sizeof(uint32_t));
    enum err_code code = counter_open_exact(conf, &c, err);
    if (code == ERR_OK)
        code = parse_special(conf, &c.special, err);
    if (code == ERR_OK)
        code = read_text(conf->arg_count > 0 ? conf->args[0] : "-", &text, err);
    if (code == ERR_OK)
        code = tokens_encode(c.encoding, &c.work, text, c.special, &ids, err);
    const uint32_t *id = ids.items;
    for (size_t i = 0; i < ids.count && code == ERR_OK; i++)
        printf("%s%u%s", json ? (i == 0 ? "[" : ",") : "", id[i], json ? "" : "\n");
    if (json && code == ERR_OK)
        puts(ids.count == 0 ? "[]" : "]");
    free((void *)(uintptr_t)text.data);
    list_clear(&ids);
    counter_close(&c);
    return code;
}

/* Ids in a text, with anything between them that a list of numbers may have. */
static enum err_code
read_ids(struct bytes text, struct list *ids, struct err *err)
{
    const char *p = (const char *)text.data, *end = p + text.size_bytes;
    while (p < end) {
        size_t n = strspn(p, "0123456789");
        if (n == 0 && strchr(" \t\r\n,[]", *p) == NULL)
            return err_set(err, ERR_INPUT, "byte %zu is no part of a list of ids",
                           (size_t)(p - (const char *)text.data));
        if (n > 9)
            return err_set(err, ERR_INPUT, "\"%.*s\" is no token", n < 40 ? (int)n : 40, p);
        if (n > 0 && !list_add(ids, &(uint32_t){(uint32_t)strtoul(p, NULL, 10)}))
            return err_set(err, ERR_LIMIT, "no memory for %zu ids", ids->count + 1);
        p += n > 0 ? n : 1;
    }
    return ERR_OK;
}

static enum err_code
run_decode(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    struct counter c;
    struct bytes text = {NULL, 0};
    struct list ids;
    struct buf out;
    list_init(&ids, sizeof(uint32_t));
    buf_init(&out, TOKENS_TEXT_BYTES_MAX);
    enum err_code code = counter_open_exact(conf, &c, err);
    if (code == ERR_OK)
        code = read_text(conf->arg_count > 0 ? conf->args[0] : "-", &text, err);
    if (code == ERR_OK)
        code = read_ids(text, &ids, err);
    if (code == ERR_OK)
        code = tokens_decode(c.encoding, ids.items, ids.count, &out, err);
    if (code == ERR_OK)
        fwrite(out.data, 1, out.size_bytes, stdout);
    free((void *)(uintptr_t)text.data);
    list_clear(&ids);
    buf_clear(&out);
    counter_close(&c);
    return code;
}

static enum err_code
run_encodings(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {{"model", PRINT_TEXT},
                                                  {"encoding", PRINT_TEXT},
                                                  {"perMessage", PRINT_WHOLE},
                                                  {"perName", PRINT_WHOLE},
                                                  {"perReply", PRINT_WHOLE}};
    struct encodings e;
    struct print p;
    enum err_code code = encodings_open(&e, conf_text(&cli->conf, "encodings"), err);
    if (code != ERR_OK)
        return code;
    const struct encodings_model *models =
        (const struct encodings_model *)(e.map + e.head->models.offset_bytes);
    print_begin(&p, stdout, conf_flag(&cli->conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    for (size_t i = 0; i < e.head->models.count; i++) {
        const struct encodings_model *m = &models[i];
        const int32_t numbers[] = {m->per_message, m->per_name, m->per_reply};
        char text[ENCODINGS_MODEL_BYTES + 1];
        snprintf(text, sizeof text, "%s%s", m->model, m->is_prefix ? "*" : "");
        print_text(&p, str_of(text));
        print_text(&p, str_of(e.list[m->encoding].name));
        for (size_t k = 0; k < CLI_COUNT(numbers); k++) {
            snprintf(text, sizeof text, "%d", numbers[k]);
            print_amount(&p, text);
        }
    }
    print_end(&p);
    encodings_close(&e);
    return ERR_OK;
}

static enum err_code
run_compile(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    return compile_encodings(conf_text(conf, "ranks"), conf_text(conf, "book"),
                             conf_text(conf, "unicode"), conf_text(conf, "output"), err);
}

const struct cli_cmd cmd_tokens_count = {
    .name = "tokens count",
    .args = "[FILE]...",
    .args_max = CONF_ARGS_MAX,
    .opts = count_opts,
    .opt_count = CLI_COUNT(count_opts),
    .run = run_count,
    .summary = "how many tokens a text is to a model",
    .help =
        "Of each FILE, or of what comes on stdin (FILE may be -).  One text gives a number, several\n"
        "a table.  For OpenAI's models the count is exact, the same as tiktoken's; what is no UTF-8\n"
        "counts as U+FFFD.  Anthropic publishes no tokenizer: for a model whose name begins with\n"
        "claude, Anthropic is asked if ANTHROPIC_API_KEY is set, and the text is sent there.  Else, and\n"
        "for any other model, the number is an estimate from the text's size, by what gbill tokens learn\n"
        "has learned from the log, and says so, with its error bound.  Column by tells who counted.\n"
        "\n"
        "With --chat a FILE is a JSON array of messages {role, content, name}, and what the model's\n"
        "format puts around them counts too; tools, images and files cannot be counted here.\n"
        "\n"
        "  gbill tokens count --model gpt-4o prompt.txt\n"
        "  gbill tokens count --model gpt-4o --chat messages.json\n",
};

const struct cli_cmd cmd_tokens_encode = {
    .name = "tokens encode",
    .args = "[FILE]",
    .args_max = 1,
    .opts = encode_opts,
    .opt_count = CLI_COUNT(encode_opts),
    .run = run_encode,
    .summary = "the tokens of a text, one id a line",
    .help = "Of FILE, or of what comes on stdin; with --json as one array.\n",
};

const struct cli_cmd cmd_tokens_decode = {
    .name = "tokens decode",
    .args = "[FILE]",
    .args_max = 1,
    .opts = decode_opts,
    .opt_count = CLI_COUNT(decode_opts),
    .run = run_decode,
    .summary = "the text of tokens",
    .help =
        "Reads ids from FILE, or stdin, with spaces, commas or lines between them, as gbill tokens\n"
        "encode writes them, and writes the bytes that they stand for.\n",
};

const struct cli_cmd cmd_tokens_encodings = {
    .name = "tokens encodings",
    .args = "",
    .opts = encodings_opts,
    .opt_count = CLI_COUNT(encodings_opts),
    .run = run_encodings,
    .summary = "which models are counted how",
    .help =
        "A name that ends in * stands for all that begin so; the longest that fits holds.  perMessage,\n"
        "perName and perReply are the tokens of a chat beside its texts (gbill tokens count --chat).\n",
};

const struct cli_cmd cmd_tokens_compile = {
    .name = "tokens compile",
    .args = "",
    .opts = compile_opts,
    .opt_count = CLI_COUNT(compile_opts),
    .run = run_compile,
    .summary = "make the encodings file from OpenAI's rank files",
    .help =
        "Rank files are refused that have not the SHA-256 in the book.  ./dev build fetches them and runs\n"
        "this.  What the file holds: schemas/encodings.md.\n",
};
