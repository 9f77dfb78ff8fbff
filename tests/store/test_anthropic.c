#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/net/anthropic.h"
#include "tests/support/temp_dir.h"

/* The double of the provider, tests/support/anthropic_server.py. */
struct server {
    struct temp_dir t;
    pid_t pid;
    char base[64], log[128];
};

static struct server
server_start(void)
{
    struct server s = {.t = temp_dir_make()};
    char port_path[128], port[16] = "";
    snprintf(s.log, sizeof s.log, "%s/log", s.t.path);
    snprintf(port_path, sizeof port_path, "%s/port", s.t.path);
    s.pid = fork();
    cr_assert_geq(s.pid, 0);
    if (s.pid == 0) {
        execl("/usr/bin/python3", "python3", GBILL_TESTS_DIR "/support/anthropic_server.py", s.log,
              port_path, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 1000 && port[0] == '\0'; i++) {
        FILE *f = fopen(port_path, "r");
        if (f != NULL) {
            cr_assert_not_null(fgets(port, sizeof port, f));
            fclose(f);
        } else {
            nanosleep(&(struct timespec){0, 20000000}, NULL);
        }
    }
    cr_assert_neq(port[0], '\0', "the server does not come");
    snprintf(s.base, sizeof s.base, "http://127.0.0.1:%s", port);
    return s;
}

static void
server_stop(struct server *s)
{
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
    temp_dir_remove(&s->t);
}

/* How many requests came whose line has that word. */
static int
server_saw(const struct server *s, const char *word)
{
    static char line[8192];
    int count = 0;
    FILE *f = fopen(s->log, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        count += strstr(line, word) != NULL;
    if (f != NULL)
        fclose(f);
    return count;
}

static enum err_code
count_as(const char *base, const char *key, const char *model, struct str text, int64_t *tokens,
         struct err *err)
{
    struct anthropic *api = NULL;
    enum err_code code = anthropic_open(key, base, &api, err);
    if (code == ERR_OK)
        code = anthropic_count_tokens(api, model, text, tokens, err);
    anthropic_close(api);
    return code;
}

Test(store_anthropic, a_text_is_counted_and_every_refusal_says_what_to_do)
{
    static const struct {
        const char *model, *text;
        enum err_code code;
        const char *says;
        int64_t tokens;
        int requests;
    } cases[] = {
        {"claude-a", "three small words", ERR_OK, "", 10, 1},
        {"claude-b",
         "\"quoted\"\n\\ \x01 gr\xc3\xb6\xc3\x9f"
         "er \xf0\x9f\x98\x80",
         ERR_OK, "", 12, 1},
        {"unknown", "x", ERR_NOT_FOUND, "knows no model unknown (HTTP 404, not_found_error)", 0, 1},
        {"huge", "x", ERR_LIMIT, "HTTP 413", 0, 1},
        {"moved", "x", ERR_PEER, "HTTP 302", 0, 1},
        {"over-2", "x", ERR_OK, "", 8, 3},
        {"down-2", "x", ERR_OK, "", 8, 3},
        {"reset-1", "x", ERR_OK, "", 8, 2},
        {"down-9", "x", ERR_PEER,
         "tried 4 times: it refuses the count (HTTP 529, overloaded_error)", 0, 4},
        {"patient", "x", ERR_PEER, "asks to be tried again in 3600 seconds", 0, 1},
        {"big", "x", ERR_LIMIT, "longer than 65536 bytes", 0, 1},
        {"strange-none", "x", ERR_PEER, "no input_tokens", 0, 1},
        {"strange-text", "x", ERR_PEER, "no input_tokens", 0, 1},
        {"strange-minus", "x", ERR_PEER, "no input_tokens", 0, 1},
        {"strange-float", "x", ERR_PEER, "no input_tokens", 0, 1},
        {"strange-huge", "x", ERR_PEER, "no input_tokens", 0, 1},
        {"strange-array", "x", ERR_PEER, "no input_tokens", 0, 1},
        {"strange-html", "x", ERR_PEER, "no input_tokens", 0, 1},
        {"strange-empty", "x", ERR_PEER, "no input_tokens", 0, 1},
        {"claude-c", "", ERR_INPUT, "no text", 0, 0},
        {"claude-d", "\xff", ERR_INPUT, "no UTF-8", 0, 0},
    };
    struct server s = server_start();
    struct anthropic *api;
    struct err err;
    cr_assert_eq(anthropic_open("sk-test", s.base, &api, &err), ERR_OK, "%s", err.text);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char asked[64];
        int64_t tokens = 0;
        err.text[0] = '\0';
        enum err_code code =
            anthropic_count_tokens(api, cases[i].model, str_of(cases[i].text), &tokens, &err);
        snprintf(asked, sizeof asked, "\"model\": \"%s\"", cases[i].model);
        cr_expect_eq(code, cases[i].code, "%s: %s", cases[i].model, err.text);
        cr_expect_eq(tokens, cases[i].tokens, "%s: %lld", cases[i].model, (long long)tokens);
        cr_expect_eq(server_saw(&s, asked), cases[i].requests, "%s", cases[i].model);
        cr_expect_not_null(strstr(err.text, cases[i].says), "%s: %s", cases[i].model, err.text);
        cr_expect_null(strstr(err.text, "SECRET"), "%s", err.text);
        cr_expect_null(strstr(err.text, "sk-test"), "%s", err.text);
    }
    anthropic_close(api);
    server_stop(&s);
}

Test(store_anthropic, a_base_url_keeps_its_path_and_a_wrong_key_is_shown_to_nobody)
{
    struct server s = server_start();
    struct err err;
    char base[128];
    int64_t tokens = 0;
    snprintf(base, sizeof base, "%s/gateway//", s.base);
    cr_expect_eq(count_as(base, "sk-test", "m", str_of("x y"), &tokens, &err), ERR_OK, "%s",
                 err.text);
    cr_expect_eq(tokens, 9);
    cr_expect_eq(server_saw(&s, "\"/gateway/v1/messages/count_tokens\""), 1);
    snprintf(base, sizeof base, "%s/elsewhere", s.base);
    cr_expect_eq(count_as(base, "sk-test", "m", str_of("x"), &tokens, &err), ERR_INPUT);
    cr_expect_eq(count_as(s.base, "sk-OTHER", "m", str_of("x"), &tokens, &err), ERR_DENIED);
    cr_expect_not_null(strstr(err.text, "HTTP 401, authentication_error"), "%s", err.text);
    cr_expect_not_null(strstr(err.text, "ANTHROPIC_API_KEY"), "%s", err.text);
    cr_expect_null(strstr(err.text, "OTHER"), "%s", err.text);
    cr_expect_eq(server_saw(&s, "OTHER"), 0);
    server_stop(&s);
}

Test(store_anthropic, what_cannot_be_sent_is_not)
{
    static const char *const bad_keys[] = {"", "a b", "a\r\nX: y", "\xc3\xb6", "a\tb"};
    static const struct {
        const char *base;
        enum err_code code;
    } bases[] = {
        {"///", ERR_CONFIG},
        {"no url", ERR_INPUT},
        {"http://192.168.0.1", ERR_DENIED},
        {"ftp://127.0.0.1", ERR_DENIED},
    };
    struct err err;
    int64_t tokens = 0;
    for (size_t i = 0; i < sizeof bad_keys / sizeof bad_keys[0]; i++)
        cr_expect_eq(count_as("http://127.0.0.1:1", bad_keys[i], "m", str_of("x"), &tokens, &err),
                     ERR_CONFIG, "%zu", i);
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++)
        cr_expect_eq(count_as(bases[i].base, "k", "m", str_of("x"), &tokens, &err), bases[i].code,
                     "%s: %s", bases[i].base, err.text);
    /* What is within the bound as a text may be beyond it as a request. */
    size_t size = ANTHROPIC_BODY_BYTES_MAX / 2;
    char *quotes = malloc(size);
    cr_assert_not_null(quotes);
    memset(quotes, '"', size);
    cr_expect_eq(
        count_as("http://127.0.0.1:1", "k", "m", (struct str){quotes, size}, &tokens, &err),
        ERR_LIMIT, "%s", err.text);
    free(quotes);
}

Test(store_anthropic, a_rest_doubles_is_never_shorter_than_asked_for_and_never_endless)
{
    static const int64_t longest[] = {500, 1000, 2000, 4000, 8000, 8000};
    for (unsigned tries = 1; tries <= 6; tries++) {
        for (uint64_t chance = 0; chance < 251; chance++) {
            int64_t ms = anthropic_wait_ms(tries, 0, chance);
            cr_expect(ms <= longest[tries - 1] && ms >= longest[tries - 1] * 3 / 4, "%u: %lld",
                      tries, (long long)ms);
        }
        cr_expect_eq(anthropic_wait_ms(tries, 20, 0), 20000);
        cr_expect_eq(anthropic_wait_ms(tries, 60, 0), ANTHROPIC_WAIT_MS_MAX);
        cr_expect_gt(anthropic_wait_ms(tries, 61, 0), ANTHROPIC_WAIT_MS_MAX);
        cr_expect_gt(anthropic_wait_ms(tries, INT64_MAX, 0), ANTHROPIC_WAIT_MS_MAX);
    }
}
