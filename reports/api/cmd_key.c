#include <inttypes.h>
#include <stdio.h>

#include "reports/api/keys.h"
#include "reports/cmd.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/event/act_tell.h"

static const struct conf_opt create_opts[] = {
    CONF_ROW_DATA,
    {"org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false, "whose data the key opens"},
    {"scopes", NULL, CONF_TEXT, "LIST", 0, 0, "read", false,
     "what for: read, write, admin, parted by commas"},
    {"days", NULL, CONF_INT, "N", 0, 3650, "365", false, "over after so many days; 0: never"},
    ACT_ROW_SOCKET,
    ACT_ROW_UNAUDITED,
    CONF_ROW_JSON,
};

static const struct conf_opt list_opts[] = {
    CONF_ROW_DATA,
    {"org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false, "only this organization's"},
    CONF_ROW_JSON,
};

static const struct conf_opt revoke_opts[] = {CONF_ROW_DATA, ACT_ROW_SOCKET, ACT_ROW_UNAUDITED};

/* A change of the keys, and what is told of it. */
struct change {
    struct keys_change keys;
    const struct outlet *outlet;
    const struct clock *clock;
    struct act_told told;
    char actor[ACT_ACTOR_BYTES], scopes[32], target[KEYS_ID_BYTES + 1];
    char organization[KEYS_ORGANIZATION_BYTES_MAX + 1];
    bool is_told;
};

static enum err_code
tell(void *context, const struct key *key, struct err *err)
{
    struct change *c = context;
    keys_scopes_format(key->scopes, c->scopes);
    memcpy(c->target, key->id, sizeof c->target);
    memcpy(c->organization, key->organization, sizeof c->organization);
    enum err_code code = act_tell(c->outlet, c->clock, &c->told, err);
    c->is_told = code == ERR_OK;
    return code;
}

static void
begin_change(struct change *c, const struct cli *cli, const char *action,
             const struct outlet *outlet)
{
    *c = (struct change){.outlet = outlet, .clock = &cli->clock};
    c->keys = (struct keys_change){conf_data_dir(&cli->conf), clock_now_ms(&cli->clock), tell, c};
    c->told = (struct act_told){.organization = c->organization,
                                .actor = c->actor,
                                .action = action,
                                .target = c->target,
                                .reason = c->scopes};
    act_user(c->actor);
}

static enum err_code
end_change(const struct change *c, enum err_code code, const struct err *err)
{
    if (code != ERR_OK && c->is_told)
        act_tell_failed(c->outlet, c->clock, &c->told, err);
    return code;
}

enum err_code
cmd_key_create_run(struct cli *cli, const struct outlet *outlet, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *organization = conf_text(conf, "org");
    static const struct print_column columns[] = {{"id", PRINT_TEXT},
                                                  {"organizationId", PRINT_TEXT},
                                                  {"scopes", PRINT_TEXT},
                                                  {"key", PRINT_TEXT}};
    char text[KEYS_TEXT_BYTES + 1], words[32];
    int64_t days = conf_int(conf, "days");
    struct change c;
    struct key key;
    struct print p;
    unsigned scopes;
    if (organization == NULL)
        return err_set(err, ERR_USAGE, "needs --org ORGANIZATION; see --help");
    if (!keys_scopes_parse(str_of(conf_text(conf, "scopes")), &scopes))
        return err_set(err, ERR_USAGE,
                       "--scopes %s: must be read, write, admin or several of them with commas",
                       conf_text(conf, "scopes"));
    begin_change(&c, cli, "key.create", outlet);
    enum err_code code = keys_create(&c.keys, organization, scopes,
                                     days > 0 ? c.keys.now_ms + days * TIME_DAY_MS : 0, &key, text,
                                     err);
    if (code != ERR_OK)
        return end_change(&c, code, err);
    if (!conf_flag(conf, "json")) {
        printf("%s\n", text);
        fprintf(stderr, "gbill key create: key %s of %s; this is the only time that it is shown\n",
                key.id, key.organization);
        return ERR_OK;
    }
    keys_scopes_format(key.scopes, words);
    print_begin(&p, stdout, PRINT_JSON, columns, CLI_COUNT(columns));
    print_text(&p, str_of(key.id));
    print_text(&p, str_of(key.organization));
    print_text(&p, str_of(words));
    print_text(&p, str_of(text));
    print_end(&p);
    return ERR_OK;
}

static void
print_if_set(struct print *p, int64_t utc_ms)
{
    char text[TIME_TEXT_BYTES];
    if (utc_ms == 0) {
        print_null(p);
        return;
    }
    time_format_ms(utc_ms, text);
    print_text(p, str_of(text));
}

static void
print_key(struct print *p, const struct key *k, int64_t now_ms)
{
    char words[32];
    keys_scopes_format(k->scopes, words);
    print_text(p, str_of(k->id));
    print_text(p, str_of(k->organization));
    print_text(p, str_of(words));
    print_text(p, str_of(k->revoked_ms > 0                              ? "revoked"
                         : k->expires_ms > 0 && now_ms >= k->expires_ms ? "expired"
                                                                        : "valid"));
    print_if_set(p, k->created_ms);
    print_if_set(p, k->expires_ms);
    print_if_set(p, k->revoked_ms);
}

static enum err_code
run_list(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"id", PRINT_TEXT},       {"organizationId", PRINT_TEXT}, {"scopes", PRINT_TEXT},
        {"state", PRINT_TEXT},    {"createdAt", PRINT_TEXT},      {"expiresAt", PRINT_TEXT},
        {"revokedAt", PRINT_TEXT}};
    const char *organization = conf_text(&cli->conf, "org");
    struct keys keys;
    struct print p;
    enum err_code code = keys_load(conf_data_dir(&cli->conf), &keys, err);
    if (code != ERR_OK)
        return code;
    print_begin(&p, stdout, conf_flag(&cli->conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    for (size_t i = 0; i < keys.list.count; i++) {
        const struct key *k = (const struct key *)keys.list.items + i;
        if (organization == NULL || strcmp(organization, k->organization) == 0)
            print_key(&p, k, clock_now_ms(&cli->clock));
    }
    print_end(&p);
    keys_clear(&keys);
    return ERR_OK;
}

enum err_code
cmd_key_revoke_run(struct cli *cli, const struct outlet *outlet, struct err *err)
{
    struct change c;
    begin_change(&c, cli, "key.revoke", outlet);
    return end_change(&c, keys_revoke(&c.keys, cli->conf.args[0], err), err);
}

const struct cli_cmd cmd_key_create = {
    .name = "key create",
    .args = "",
    .opts = create_opts,
    .opt_count = CLI_COUNT(create_opts),
    .run = NULL, /* gbill.c: it knows an outlet */
    .summary = "make a key of the HTTP API, and show it this once",
    .help =
        "gbill key create --org acme --scopes read,write\n\n"
        "The key is the only line on stdout.  gbill keeps its SHA-256 alone, in api-keys.json of\n"
        "the data directory: a key that is lost is made anew.  It opens the data of this one\n"
        "organization: read, what GET gives; write, sending usage; admin, changing settings.\n"
        "A running gbill api knows it within a second.\n"
        "\n"
        "Who made it is in the log before it is made (gbill audit --acts), so a running gbill-agent\n"
        "is needed; without one nothing is made and the exit status is 13, unless --unaudited.\n",
};

const struct cli_cmd cmd_key_list = {
    .name = "key list",
    .args = "",
    .opts = list_opts,
    .opt_count = CLI_COUNT(list_opts),
    .run = run_list,
    .summary = "list the keys of the HTTP API",
    .help = "By their ids, which are no secrets: valid, expired or revoked, since when and until\n"
            "when.  A key itself cannot be shown again.\n",
};

const struct cli_cmd cmd_key_revoke = {
    .name = "key revoke",
    .args = "ID",
    .args_min = 1,
    .args_max = 1,
    .opts = revoke_opts,
    .opt_count = CLI_COUNT(revoke_opts),
    .run = NULL,
    .summary = "take a key of the HTTP API back",
    .help =
        "A running gbill api refuses it within a second.  Doing it again changes nothing.\n"
        "\n"
        "Who took it back is in the log before it is taken back, so a running gbill-agent is\n"
        "needed, else the exit status is 13.  Where there is none and a key leaked, do it with\n"
        "--unaudited: it leaves no trace then but the time in gbill key list.\n",
};
