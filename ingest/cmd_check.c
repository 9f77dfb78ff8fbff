#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/client/gbill_limit.h"
#include "ingest/client_err.h"
#include "ingest/cmd.h"
#include "store/base/file.h"
#include "store/base/print.h"

enum { ASK_TIMEOUT_MS = 5000 };

/* As schemas/live.md has it: what there is none of is null. */
static void
print_text_pair(const char *key, const char *text)
{
    printf(",\"%s\":", key);
    if (text[0] != '\0')
        print_json_text(stdout, str_of(text));
    else
        fputs("null", stdout);
}

static void
print_whole_pair(const char *key, uint64_t value, uint64_t none)
{
    printf(",\"%s\":", key);
    if (value != none)
        printf("%" PRIu64, value);
    else
        fputs("null", stdout);
}

static void
print_json(const struct gbill_limit_answer *a)
{
    printf("{\"allowed\":%s,\"known\":%s", a->allowed ? "true" : "false",
           a->known ? "true" : "false");
    print_text_pair("state", a->state);
    print_text_pair("reason", a->reason);
    printf(",\"used\":%" PRIu64 ",\"held\":%" PRIu64, a->used, a->held);
    print_whole_pair("limit", a->limit, GBILL_UNLIMITED);
    print_whole_pair("remaining", a->remaining, GBILL_UNLIMITED);
    print_whole_pair("resetAt", (uint64_t)a->reset_at_utc_ms, 0);
    print_text_pair("plan", a->plan);
    print_text_pair("upgradeTo", a->upgrade_to);
    print_whole_pair("requestsPerMinute", a->requests_per_minute, GBILL_UNLIMITED);
    print_whole_pair("tokensPerMinute", a->tokens_per_minute, GBILL_UNLIMITED);
    printf(",\"position\":%" PRIu64, a->position);
    print_whole_pair("expiresInMs", a->expires_in_ms, 0);
    print_text_pair("hold", a->hold);
    puts("}");
}

static enum err_code
check_options(const struct conf *conf, struct err *err)
{
    bool reserve = conf_flag(conf, "reserve"), ends = conf_flag(conf, "release");
    if (conf_text(conf, "org") == NULL)
        return err_set(err, ERR_USAGE, "--org ORGANIZATION is needed; see --help");
    if (reserve && ends)
        return err_set(err, ERR_USAGE, "--reserve and --release exclude each other");
    if ((reserve || ends) != (conf_text(conf, "hold") != NULL))
        return err_set(err, ERR_USAGE,
                       "--hold ID goes with --reserve or --release, and they with it");
    int64_t most = conf_int(conf, "max-tokens"), tokens = conf_int(conf, "tokens");
    if (most > 0 && !reserve)
        return err_set(err, ERR_USAGE,
                       "--max-tokens N goes with --reserve: a check asks for --tokens");
    if (most > 0 && most < tokens)
        return err_set(err, ERR_USAGE,
                       "--max-tokens %" PRId64 " is less than --tokens %" PRId64
                       ": it is the most that the call can use, --tokens its estimate",
                       most, tokens);
    if ((conf_text(conf, "text") != NULL) != (conf_text(conf, "model") != NULL))
        return err_set(err, ERR_USAGE, "--text FILE and --model NAME go together");
    return ERR_OK;
}

/* A text that is to be sent, and what counts it; nothing without --text. */
struct prompt {
    struct bytes text;
    struct gbill_tokens *counter;
};

static enum err_code
prompt_open(const struct conf *conf, struct prompt *prompt, struct err *err)
{
    struct gbill_err why;
    const char *path = conf_text(conf, "text");
    if (path == NULL)
        return ERR_OK;
    enum err_code code = file_read(path, GBILL_TOKENS_TEXT_BYTES_MAX, &prompt->text, err);
    if (code == ERR_OK)
        code = client_err(gbill_tokens_open(&prompt->counter, conf_text(conf, "encodings"), &why),
                          &why, err);
    return code;
}

static void
prompt_close(struct prompt *prompt)
{
    gbill_tokens_close(prompt->counter);
    free((void *)(uintptr_t)prompt->text.data);
}

static enum gbill_code
ask(struct gbill *client, const struct conf *conf, const struct prompt *prompt,
    struct gbill_limit_answer *ret, struct gbill_err *why)
{
    const struct gbill_limit_question q = {
        .text = (const char *)prompt->text.data,
        .text_bytes = prompt->text.size_bytes,
        .model = conf_text(conf, "model"),
        .counter = prompt->counter,
        .organization_id = conf_text(conf, "org"),
        .action = conf_text(conf, "action"),
        .tokens = (uint64_t)conf_int(conf, "tokens"),
        .max_tokens = (uint64_t)conf_int(conf, "max-tokens"),
        .hold = conf_text(conf, "hold"),
        .life_ms = (uint32_t)conf_int(conf, "life") * 1000,
    };
    if (conf_flag(conf, "release"))
        return gbill_limit_release(client, &q, ASK_TIMEOUT_MS, ret, why);
    if (conf_flag(conf, "reserve"))
        return gbill_limit_reserve(client, &q, ASK_TIMEOUT_MS, ret, why);
    return gbill_limit_check(client, &q, ASK_TIMEOUT_MS, ret, why);
}

static enum err_code
tell(const struct conf *conf, const struct gbill_limit_answer *a, struct err *err)
{
    bool json = conf_flag(conf, "json");
    if (json)
        print_json(a);
    if (!a->allowed)
        return err_set(err, a->known ? ERR_LIMIT : ERR_NOT_FOUND, "%s", a->reason);
    if (!json)
        printf("%s%s%s\n", conf_flag(conf, "release") ? "released" : "allowed",
               a->reason[0] != '\0' ? ": " : "", a->reason);
    return ERR_OK;
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    char path[FILE_PATH_BYTES_MAX];
    struct gbill_options options = {.socket_path = conf_text(conf, "socket")};
    struct gbill *client = NULL;
    struct prompt prompt = {{NULL, 0}, NULL};
    struct gbill_limit_answer answer;
    struct gbill_err why;
    enum err_code code = check_options(conf, err);
    if (code == ERR_OK && options.socket_path == NULL) {
        code = file_path(path, conf_data_dir(conf), "agent.sock", err);
        options.socket_path = path;
    }
    if (code == ERR_OK)
        code = prompt_open(conf, &prompt, err);
    if (code == ERR_OK) {
        enum gbill_code asked = gbill_open(&client, &options, &why);
        if (asked == GBILL_OK)
            asked = ask(client, conf, &prompt, &answer, &why);
        code = asked == GBILL_OK ? tell(conf, &answer, err) : client_err(asked, &why, err);
        gbill_close(client);
    }
    prompt_close(&prompt);
    return code;
}

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"socket", "GBILL_SOCKET", CONF_TEXT, "PATH", 0, 0, NULL, false,
     "the agent's socket (default: agent.sock in the data directory)"},
    {"org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false, "who asks; needed"},
    {"action", NULL, CONF_TEXT, "ACTION", 0, 0, "ai", false,
     "what it wants: ai (a request), project, document or member (one more)"},
    {"tokens", NULL, CONF_INT, "N", 0, 1000000000000, "1", false,
     "ai: tokens of the request, input and output; with --text of the answer alone"},
    {"max-tokens", NULL, CONF_INT, "N", 1, 1000000000000, NULL, false,
     "--reserve: the most that the request can use, where --tokens is an estimate"},
    {"text", NULL, CONF_TEXT, "FILE", 0, 0, NULL, false,
     "ai: what will be sent; its tokens are counted here and added"},
    {"model", NULL, CONF_TEXT, "NAME", 0, 0, NULL, false,
     "whose tokens --text is counted in; every byte is one where its tokenizer is not public"},
    {"encodings", "GBILL_ENCODINGS", CONF_TEXT, "FILE", 0, 0, GBILL_ENCODINGS, false,
     "the encodings file, made by gbill tokens compile"},
    {"reserve", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "if it is allowed, keep it for this caller until it is settled, released or over"},
    {"release", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "give a reservation back unused"},
    {"hold", NULL, CONF_TEXT, "ID", 0, 0, NULL, false,
     "the reservation's id, of the caller's choice; the same again is the same reservation"},
    {"life", NULL, CONF_INT, "SECONDS", 1, 3600, "60", false, "--reserve: it is over after this"},
    CONF_ROW_JSON,
};

const struct cli_cmd cmd_check = {
    .name = "check",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "ask the agent: may this organization do it now?",
    .help = "The agent answers from the last run of gbill limits, what it has taken since, and\n"
            "what is reserved.  A refusal has the reason, what is used, reserved and left, when\n"
            "it begins anew, and the plan to upgrade to; --json prints all of it.\n"
            "\n"
            "A reservation ends when the event of its actual use names it (field hold), when it\n"
            "is released, or when its life is over.  It is let in if --tokens fit, and counts for\n"
            "all others with --max-tokens: however many run at one time, a limit is never passed\n"
            "by more than one of them was larger than its own --tokens.\n"
            "\n"
            "Exit status: 0 allowed, 5 refused, 6 nothing is known yet (run gbill limits), 13 no\n"
            "agent answers.\n",
};
