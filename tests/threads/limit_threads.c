/*
 * Eight threads ask about limits over one client, while what answers them drops every
 * fiftieth connection.  Built and run with ThreadSanitizer, which ends it when two
 * threads meet without a lock; each answer is the one to its own question.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ingest/client/gbill_limit.h"

enum { THREADS = 8, QUESTIONS = 2000, CONNECTIONS_MAX = 64 };

static struct gbill *client;

static void
fail(const char *what, const char *why)
{
    fprintf(stderr, "limit_threads: %s: %s\n", what, why);
    exit(1);
}

/* {"ack": "q", "allowed": true, "used": the question's tokens}: they are its only uint64. */
static void
answer(int fd, const uint8_t *question, size_t size_bytes)
{
    static const uint8_t head[] = "\x83\xa3"
                                  "ack\xa1q\xa7"
                                  "allowed\xc3\xa4used";
    uint8_t out[64];
    const uint8_t *tokens = memmem(question, size_bytes, "\xa6tokens", 7);
    size_t n = sizeof head - 1;
    memcpy(out, head, n);
    if (tokens == NULL || tokens + 10 > question + size_bytes || tokens[7] != 0xcd)
        fail("question", "its tokens are not two bytes");
    memcpy(out + n, tokens + 7, 3);
    (void)!send(fd, out, n + 3, MSG_NOSIGNAL);
}

static void *
serve(void *context)
{
    struct pollfd fds[CONNECTIONS_MAX] = {{.fd = *(int *)context, .events = POLLIN}};
    size_t count = 1, served = 0;
    uint8_t in[4096];
    for (;;) {
        if (poll(fds, count, -1) < 0)
            continue;
        for (size_t i = count - 1; i > 0; i--) {
            if (fds[i].revents == 0)
                continue;
            ssize_t n = recv(fds[i].fd, in, sizeof in, 0);
            if (n > 0 && ++served % 50 != 0) {
                answer(fds[i].fd, in, (size_t)n);
            } else {
                close(fds[i].fd);
                fds[i] = fds[--count];
            }
        }
        if ((fds[0].revents & POLLIN) != 0 && count < CONNECTIONS_MAX)
            fds[count++] = (struct pollfd){.fd = accept(fds[0].fd, NULL, NULL), .events = POLLIN};
    }
    return NULL;
}

static void *
ask(void *context)
{
    unsigned *answered = context;
    struct gbill_limit_question q = {.organization_id = "acme"};
    struct gbill_limit_answer a;
    struct gbill_err err;
    for (unsigned i = 0; i < QUESTIONS; i++) {
        q.tokens = 1000 + (i * 7919 + *answered) % 60000; /* always two bytes */
        enum gbill_code code = gbill_limit_reserve(client, &q, 10000, &a, &err);
        if (code == GBILL_OK && (!a.allowed || a.used != q.tokens))
            fail("answer", "it is another question's");
        if (code != GBILL_OK && strstr(err.text, "closed the connection") == NULL)
            fail("ask", err.text);
        *answered += code == GBILL_OK;
    }
    return NULL;
}

int
main(void)
{
    char folder[] = "/tmp/gbill-limit-XXXXXX";
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    pthread_t server, threads[THREADS];
    unsigned answered[THREADS] = {0}, sum = 0;
    struct gbill_err err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (mkdtemp(folder) == NULL)
        fail("folder", folder);
    snprintf(a.sun_path, sizeof a.sun_path, "%s/sock", folder);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, CONNECTIONS_MAX) != 0)
        fail("listen", a.sun_path);
    pthread_create(&server, NULL, serve, &fd);
    const struct gbill_options options = {.socket_path = a.sun_path};
    if (gbill_open(&client, &options, &err) != GBILL_OK)
        fail("open", err.text);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, ask, &answered[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += answered[i];
    }
    gbill_close(client);
    unlink(a.sun_path);
    rmdir(folder);
    /* A kept connection that is dropped is replaced within the call: few questions fail. */
    if (sum < THREADS * QUESTIONS * 9 / 10)
        fail("answers", "most of what was dropped was not asked again");
    printf("limit_threads: %u of %d questions answered\n", sum, THREADS * QUESTIONS);
    return 0;
}
