#include "ingest/live/holds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "ingest/board/board.h"
#include "store/base/file.h"

enum {
    HOLDS_HEAD_BYTES = 4096,
    HOLDS_BOOT_BYTES = 36,
    HOLDS_FILE_BYTES = HOLDS_HEAD_BYTES + HOLDS_MAX * (int)sizeof(struct hold),
    HOLDS_MODE = 0600,
};

static const char magic[8] = "gbhold01";

struct head {
    char magic[8], boot[HOLDS_BOOT_BYTES];
    uint8_t seed[HASH_SHA256_BYTES];
};

static bool
read_boot(char boot[HOLDS_BOOT_BYTES])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    for (int i = 0; fd >= 0 && n < 0 && i < 3; i++) /* a signal, or a kernel that is busy */
        n = read(fd, boot, HOLDS_BOOT_BYTES);
    if (fd >= 0)
        close(fd);
    return n == HOLDS_BOOT_BYTES;
}

static uint64_t
check_of(const struct hold *h)
{
    const uint8_t head[] = {h->dimension, h->organization_bytes, h->id_bytes};
    uint8_t body[24 + 2 * EVENT_TEXT_BYTES_MAX];
    put_le64(body, h->key);
    put_le64(body + 8, h->units);
    put_le64(body + 16, (uint64_t)h->expires_ms);
    memcpy(body + 24, h->organization, EVENT_TEXT_BYTES_MAX);
    memcpy(body + 24 + EVENT_TEXT_BYTES_MAX, h->id, EVENT_TEXT_BYTES_MAX);
    return hash_checksum((struct bytes){head, sizeof head}, (struct bytes){body, sizeof body});
}

static void
set_state(struct hold *h, enum hold_state state)
{
    atomic_store_explicit(&h->state, (uint32_t)state, memory_order_release);
}

static bool
is_sound(const struct hold *h)
{
    return hold_state(h) <= HOLD_ENDED && h->dimension < LIMIT_DIMENSIONS &&
           h->organization_bytes <= EVENT_TEXT_BYTES_MAX && h->id_bytes <= EVENT_TEXT_BYTES_MAX &&
           h->check == check_of(h);
}

void
holds_take_over(struct holds *holds, uint64_t next_seq)
{
    for (int i = 0; i < HOLDS_MAX; i++) {
        struct hold *h = &holds->all[i];
        if (hold_state(h) == HOLD_FREE)
            continue;
        if (!is_sound(h)) {
            set_state(h, HOLD_FREE);
            holds->discarded++;
        } else if (hold_state(h) == HOLD_ENDED && h->settled_seq >= next_seq) {
            set_state(h, HOLD_HELD);
        }
        holds->count += hold_state(h) == HOLD_HELD;
    }
}

static enum err_code
map_file(struct holds *holds, int fd, const char *path, struct err *err)
{
    /* All of it is laid out, or a full disk would answer a store with SIGBUS. */
    holds->is_file = posix_fallocate(fd, 0, HOLDS_FILE_BYTES) == 0;
    void *map = mmap(NULL, HOLDS_FILE_BYTES, PROT_READ | PROT_WRITE,
                     holds->is_file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS,
                     holds->is_file ? fd : -1, 0);
    if (map == MAP_FAILED)
        return err_set_errno(err, errno, "%s: cannot map it", path);
    holds->map = map;
    holds->all = (struct hold *)(void *)((char *)map + HOLDS_HEAD_BYTES);
    return ERR_OK;
}

enum err_code
holds_open(struct holds *holds, const char *data_directory, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    struct head head = {.magic = {0}};
    *holds = (struct holds){.map = NULL};
    enum err_code code = file_path(path, data_directory, "holds", err);
    if (code != ERR_OK)
        return code;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, HOLDS_MODE);
    if (fd < 0)
        return err_set_errno(err, errno, "%s: cannot open it", path);
    code = map_file(holds, fd, path, err);
    close(fd);
    if (code != ERR_OK)
        return code;
    struct head *stored = holds->map;
    memcpy(head.magic, magic, sizeof magic);
    if (!read_boot(head.boot) || getrandom(head.seed, sizeof head.seed, 0) != sizeof head.seed)
        return err_set(err, ERR_IO, "cannot read the boot's id and random bytes");
    holds->is_new = memcmp(stored->magic, head.magic, sizeof head.magic) != 0 ||
                    memcmp(stored->boot, head.boot, sizeof head.boot) != 0;
    if (holds->is_new) {
        memset(holds->map, 0, HOLDS_FILE_BYTES);
        *stored = head;
    }
    hash_secret_init(holds->secret, stored->seed);
    return ERR_OK;
}

void
holds_close(struct holds *holds)
{
    if (holds->map != NULL)
        munmap(holds->map, HOLDS_FILE_BYTES);
    holds->map = NULL;
}

uint64_t
holds_key(const struct holds *holds, struct str organization)
{
    return board_key(holds->secret, organization);
}

static struct hold *
set_of(const struct holds *holds, struct str organization, struct str id)
{
    return holds->all + hash_id_of(holds->secret, organization, id).lo % HOLDS_SETS * HOLDS_WAYS;
}

static bool
is_named(const struct hold *h, struct str organization, struct str id)
{
    return h->organization_bytes <= EVENT_TEXT_BYTES_MAX && h->id_bytes <= EVENT_TEXT_BYTES_MAX &&
           str_equal((struct str){h->organization, h->organization_bytes}, organization) &&
           str_equal((struct str){h->id, h->id_bytes}, id);
}

struct hold *
holds_find(const struct holds *holds, struct str organization, struct str id)
{
    struct hold *set = set_of(holds, organization, id);
    for (int i = 0; i < HOLDS_WAYS; i++) {
        if (hold_state(&set[i]) != HOLD_FREE && is_named(&set[i], organization, id))
            return &set[i];
    }
    return NULL;
}

/* A free one, or the ended one that would have been free first. */
static struct hold *
find_room(struct hold *set)
{
    struct hold *room = NULL;
    for (int i = 0; i < HOLDS_WAYS; i++) {
        if (hold_state(&set[i]) == HOLD_FREE)
            return &set[i];
        if (hold_state(&set[i]) == HOLD_ENDED &&
            (room == NULL || set[i].expires_ms < room->expires_ms))
            room = &set[i];
    }
    if (room != NULL)
        set_state(room, HOLD_FREE);
    return room;
}

struct hold *
holds_place(struct holds *holds, struct str organization, struct str id,
            enum limit_dimension dimension, uint64_t units, int64_t expires_ms)
{
    struct hold *h = find_room(set_of(holds, organization, id));
    if (h == NULL)
        return NULL;
    h->dimension = (uint8_t)dimension;
    h->organization_bytes = (uint8_t)organization.size_bytes;
    h->id_bytes = (uint8_t)id.size_bytes;
    h->key = holds_key(holds, organization);
    h->units = units;
    h->expires_ms = expires_ms;
    h->settled_seq = h->settled_by = 0;
    memset(h->organization, 0, sizeof h->organization);
    memset(h->id, 0, sizeof h->id);
    memcpy(h->organization, organization.data, organization.size_bytes);
    memcpy(h->id, id.data, id.size_bytes);
    h->check = check_of(h);
    set_state(h, HOLD_HELD);
    holds->count++;
    return h;
}

void
holds_end(struct holds *holds, struct hold *hold, uint64_t settled_seq, uint64_t settled_by)
{
    hold->settled_by = settled_by;
    hold->settled_seq = settled_seq;
    holds->count--;
    set_state(hold, HOLD_ENDED);
}

void
holds_drop(struct holds *holds, struct hold *hold)
{
    holds->count -= hold_state(hold) == HOLD_HELD;
    set_state(hold, HOLD_FREE);
}
