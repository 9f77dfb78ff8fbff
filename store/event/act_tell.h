/*
 * store/event/act_tell.h - an administrator's act as an event (schemas/event.md, "Acts"),
 * for the commands that do one: it is on the agent's disk before it is done.
 *
 * Where there is no agent nothing is done, unless --unaudited says that it must be: a key
 * that leaked is taken back whatever else is down, and who does it has to say so.
 */
#ifndef STORE_EVENT_ACT_TELL_H
#define STORE_EVENT_ACT_TELL_H

#include <jansson.h>

#include "store/base/clock.h"
#include "store/base/conf.h"
#include "store/event/outlet.h"

/* What is nobody's, as an act's organization. */
#define ACT_NOBODY "-"

/* The options of a command that does an act. */
/* clang-format off */
#define ACT_ROW_SOCKET                                                                  \
    {"socket", "GBILL_SOCKET", CONF_TEXT, "PATH", 0, 0, NULL, false,                    \
     "the agent's socket (default: agent.sock in the data directory)"}
#define ACT_ROW_UNAUDITED                                                               \
    {"unaudited", NULL, CONF_FLAG, NULL, 0, 0, "false", false,                          \
     "do it without an agent, and so without a trace in gbill audit --acts"}
/* clang-format on */

/* All borrowed, and as long as the contract has it; never a secret. */
struct act_told {
    const char *organization; /* or ACT_NOBODY */
    const char *actor;
    const char *action;          /* "key.create" */
    const char *target, *reason; /* NULL: none */
    bool failed;
};

enum { ACT_ACTOR_BYTES = 65 };

/* "user root (sudo alice)": who runs this process. */
void act_user(char text[ACT_ACTOR_BYTES]);

/* The event's record, but for its id; NULL without memory. The caller's to json_decref(). */
json_t *act_json(const struct act_told *told);

/*
 * Send an act, and wait until it is on the agent's disk.
 *
 *   outlet  NULL: --unaudited; that is said on stderr, and ERR_OK
 *
 * Errors: those of outlet_send() and outlet_done, with what to do: it is not known to be
 * stored, so the act must not be done; ERR_IO (no random bytes), ERR_LIMIT (no memory),
 * ERR_INPUT (a text is longer than the contract has it).
 */
enum err_code act_tell(const struct outlet *outlet, const struct clock *clock,
                       const struct act_told *told, struct err *err) ERR_MUST_CHECK;

/* What was told was not done after all: say that too, if there is still an agent. */
void act_tell_failed(const struct outlet *outlet, const struct clock *clock,
                     const struct act_told *told, const struct err *why);

#endif
