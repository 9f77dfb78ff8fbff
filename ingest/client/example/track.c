/*
 * track.c - report LLM calls with libgbill.
 *
 *     cc -o track track.c $(pkg-config --cflags --libs gbill)
 *     ./track SOCKET [COUNT [SPILL_FILE]]
 *
 * Compiles as C and as C++.
 */
#include <gbill.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the provider's answer said of one call; here it is always the same. */
static enum gbill_code
track_call(struct gbill *client, struct gbill_err *err)
{
    struct gbill_usage usage;
    memset(&usage, 0, sizeof usage); /* no id: the library makes one */
    usage.organization_id = "acme";
    usage.user_id = "ada";
    usage.type = "chat";
    usage.provider = "openai";
    usage.model = "gpt-4o-mini";
    usage.input_tokens = 150;
    usage.output_tokens = 300;

    enum gbill_code code = gbill_track(client, &usage, err);
    /* A server would rather drop or log the event than make its user wait. */
    while (code == GBILL_FULL && gbill_wait(client, 1000, err) == GBILL_OK)
        code = gbill_track(client, &usage, err);
    return code;
}

static enum gbill_code
track_calls(struct gbill *client, long count, struct gbill_err *err)
{
    struct gbill_check check;
    if (gbill_check(client, &check) != GBILL_OK)
        fprintf(stderr, "track: %s\n", check.trouble); /* events are kept all the same */
    for (long i = 0; i < count; i++) {
        enum gbill_code code = track_call(client, err);
        if (code != GBILL_OK)
            return code;
    }
    return gbill_flush(client, 10000, err); /* GBILL_OK: all of them are on the agent's disk */
}

int
main(int argc, char **argv)
{
    struct gbill_options options;
    struct gbill_err err;
    struct gbill *client;
    if (argc < 2) {
        fputs("Usage: track SOCKET [COUNT [SPILL_FILE]]\n", stderr);
        return GBILL_USAGE;
    }
    memset(&options, 0, sizeof options);
    options.socket_path = argv[1];
    options.spill_path = argc > 3 ? argv[3] : NULL;

    enum gbill_code code = gbill_open(&client, &options, &err);
    if (code == GBILL_OK)
        code = track_calls(client, argc > 2 ? strtol(argv[2], NULL, 10) : 1, &err);
    if (code != GBILL_OK)
        fprintf(stderr, "track: %s\n", err.text);
    gbill_close(client);
    return (int)code;
}
