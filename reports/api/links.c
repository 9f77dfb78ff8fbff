#include "reports/api/links.h"

#include <stdlib.h>
#include <sys/socket.h>

void
links_init(struct links *links)
{
    pthread_mutex_init(&links->mutex, NULL);
    links->first.next = links->first.previous = &links->first;
}

void
links_clear(struct links *links)
{
    pthread_mutex_destroy(&links->mutex);
}

struct link *
links_add(struct links *links, int fd, int64_t now_ms)
{
    struct link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return NULL;
    link->fd = fd;
    link->since_ms = now_ms;
    pthread_mutex_lock(&links->mutex);
    link->next = &links->first;
    link->previous = links->first.previous;
    link->previous->next = link;
    link->next->previous = link;
    pthread_mutex_unlock(&links->mutex);
    return link;
}

void
links_remove(struct links *links, struct link *link)
{
    if (link == NULL)
        return;
    pthread_mutex_lock(&links->mutex);
    link->previous->next = link->next;
    link->next->previous = link->previous;
    pthread_mutex_unlock(&links->mutex);
    free(link);
}

void
links_turn(struct links *links, struct link *link, bool answering, int64_t now_ms)
{
    if (link == NULL)
        return;
    pthread_mutex_lock(&links->mutex);
    link->answering = answering;
    link->since_ms = now_ms;
    pthread_mutex_unlock(&links->mutex);
}

unsigned
links_end_slow(struct links *links, int64_t now_ms, int64_t request_ms, int64_t answer_ms)
{
    unsigned ended = 0;
    pthread_mutex_lock(&links->mutex);
    for (struct link *link = links->first.next; link != &links->first; link = link->next) {
        if (now_ms - link->since_ms <= (link->answering ? answer_ms : request_ms))
            continue;
        (void)shutdown(link->fd, SHUT_RDWR); /* the server sees its end and closes it */
        ended++;
    }
    pthread_mutex_unlock(&links->mutex);
    return ended;
}
