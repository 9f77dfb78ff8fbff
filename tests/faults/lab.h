/*
 * tests/faults/lab.h - what the programs here share: a directory of their own, the
 * shipped programs as child processes with the shim before them, and a client that
 * knows exactly what was acknowledged to it.
 *
 * Every failure of the lab itself ends the program.
 */
#ifndef TESTS_FAULTS_LAB_H
#define TESTS_FAULTS_LAB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/base/bytes.h"
#include "tests/faults/shim.h"

/* Paths below a directory of this process, in memory where that can be. */
struct lab {
    char base[64], data[96], socket[128], log[128], errors[96], page[96];
    char bin[256]; /* of the shipped programs: GBILL_BIN */
    struct shim *shim;
};

void lab_open(struct lab *lab);
void lab_close(struct lab *lab);  /* removes all of it */
void lab_clean(struct lab *lab);  /* no data directory, nothing said, nothing counted */
void lab_forget(struct lab *lab); /* nothing said, nothing counted */
void lab_die(const char *what) __attribute__((noreturn));

/* Which call is to fail next; see shim.h.  lab_disarm(): none. */
void lab_arm(struct lab *lab, enum shim_call call, uint64_t number, int error, bool lasting);
void lab_disarm(struct lab *lab);
const char *lab_call_name(enum shim_call call);
const char *lab_error_name(int error, char text[32]);

/*
 * Run a shipped program with its standard error added to lab->errors, its standard
 * output to there too.  Arguments end with NULL; argv[0] is its name.
 */
pid_t lab_start(struct lab *lab, const char *const argv[]);
pid_t lab_start_agent(struct lab *lab);

/* The status as waitpid() gives it; killed, and -1 returned, when that takes longer. */
int lab_wait(pid_t pid, int timeout_ms);

/* Has standard error this text? */
bool lab_said(const struct lab *lab, const char *text);
void lab_show_errors(const struct lab *lab);

int64_t lab_now_ms(void); /* monotonic */

/* ---- the client ---- */

/* Connect; waits up to timeout_ms for somebody to listen; -1 if nobody does or pid has ended. */
int lab_dial(const struct lab *lab, int timeout_ms);

/* Send all; false when the other side is gone. */
bool lab_say(int fd, struct bytes b);

/* Await the ack of a chunk whose id has seven letters; false: gone, or timeout_ms over. */
bool lab_hear_ack(int fd, const char *chunk, int timeout_ms);

/* ---- the log ---- */

/*
 * Does the log verify, both streams?  Calls seen (may be NULL) for each event.  If not, text (of
 * ERR_TEXT_BYTES_MAX) says why.
 */
bool lab_verify(const struct lab *lab, void (*seen)(void *context, struct str id), void *context,
                char *text);

#endif
