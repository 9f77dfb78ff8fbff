/*
 * reserve.c - make a call of an LLM only if the organization's plan allows it.
 *
 *     cc -o reserve reserve.c $(pkg-config --cflags --libs gbill)
 *     ./reserve SOCKET ORGANIZATION TOKENS
 *
 * Compiles as C and as C++.
 */
#include <gbill_limit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The call itself; here it always uses half of what was reserved. */
static void
call_model(unsigned long tokens, struct gbill_usage *usage)
{
    usage->user_id = "ada";
    usage->type = "chat";
    usage->provider = "openai";
    usage->model = "gpt-4o-mini";
    usage->input_tokens = tokens / 4;
    usage->output_tokens = tokens / 4;
}

static enum gbill_code
call_if_allowed(struct gbill *client, const char *organization, unsigned long tokens,
                struct gbill_err *err)
{
    struct gbill_limit_question question;
    struct gbill_limit_answer answer;
    struct gbill_usage usage;
    memset(&question, 0, sizeof question);
    memset(&usage, 0, sizeof usage);
    question.organization_id = usage.organization_id = organization;
    question.tokens = tokens;

    /* Without an answer this program does without the call; another may rather make it. */
    enum gbill_code code = gbill_limit_reserve(client, &question, 100, &answer, err);
    if (code != GBILL_OK)
        return code;
    if (!answer.allowed) {
        printf("refused: %s\n", answer.reason);
        return GBILL_OK;
    }
    call_model(tokens, &usage);
    usage.hold = answer.hold; /* the event ends the reservation */
    code = gbill_track(client, &usage, err);
    return code == GBILL_OK ? gbill_flush(client, 10000, err) : code;
}

int
main(int argc, char **argv)
{
    struct gbill_options options;
    struct gbill_err err;
    struct gbill *client;
    if (argc != 4) {
        fputs("Usage: reserve SOCKET ORGANIZATION TOKENS\n", stderr);
        return GBILL_USAGE;
    }
    memset(&options, 0, sizeof options);
    options.socket_path = argv[1];
    enum gbill_code code = gbill_open(&client, &options, &err);
    if (code == GBILL_OK)
        code = call_if_allowed(client, argv[2], strtoul(argv[3], NULL, 10), &err);
    if (code != GBILL_OK)
        fprintf(stderr, "reserve: %s\n", err.text);
    gbill_close(client);
    return (int)code;
}
