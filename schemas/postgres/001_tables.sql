-- What the apps read of gbill: a published copy of its tables.
--
-- gbill publish alone writes here, always whole rows of absolute values, and
-- moves publish_state in the same transaction.  Nothing here is the truth: drop
-- it all, run gbill migrate and gbill publish, and it is there again.
--
-- Amounts are exact NUMERIC; integer cents stand beside them.  All times are UTC.

CREATE SCHEMA IF NOT EXISTS billing;
COMMENT ON SCHEMA billing IS
    'Usage, limits and invoices, published by gbill. Read only: what is changed here is overwritten.';

CREATE TABLE billing.schema_migrations (
    version    integer NOT NULL,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (version)
);

COMMENT ON TABLE billing.schema_migrations IS
    'Which files of schemas/postgres have been applied, one row each; written by gbill migrate.';
COMMENT ON COLUMN billing.schema_migrations.version IS
    'Number of the file, from 1.';
COMMENT ON COLUMN billing.schema_migrations.name IS
    'The file''s name behind its number.';
COMMENT ON COLUMN billing.schema_migrations.sha256 IS
    'SHA-256 of the file''s bytes, hexadecimal. gbill migrate refuses to go on when an applied file has changed.';
COMMENT ON COLUMN billing.schema_migrations.applied_at IS
    'When it was applied.';

CREATE TABLE billing.usage_hourly (
    organization_id       text NOT NULL,
    hour                  timestamptz NOT NULL,
    project_id            text NOT NULL,
    user_id               text NOT NULL,
    type                  text NOT NULL,
    provider              text NOT NULL,
    model                 text NOT NULL,
    service_tier          text NOT NULL,
    calls                 bigint NOT NULL,
    failed_calls          bigint NOT NULL,
    estimated_calls       bigint NOT NULL,
    unpriced_calls        bigint NOT NULL,
    input_tokens          bigint NOT NULL,
    cache_read_tokens     bigint NOT NULL,
    cache_write_tokens    bigint NOT NULL,
    cache_write_1h_tokens bigint NOT NULL,
    output_tokens         bigint NOT NULL,
    reasoning_tokens      bigint NOT NULL,
    latency_us            bigint NOT NULL,
    cost                  numeric NOT NULL,
    cost_cents            bigint NOT NULL,
    PRIMARY KEY (organization_id, hour, project_id, user_id, type,
                 provider, model, service_tier)
);
CREATE INDEX usage_hourly_hour ON billing.usage_hourly (hour);

COMMENT ON TABLE billing.usage_hourly IS
    'Usage of LLMs by hour: sums over the calls of one organization, hour, project, user, type, provider, model and service tier.';
COMMENT ON COLUMN billing.usage_hourly.organization_id IS
    'The organization that the calls belong to.';
COMMENT ON COLUMN billing.usage_hourly.hour IS
    'The hour, by its first instant (UTC); by the time of the call, not of its arrival.';
COMMENT ON COLUMN billing.usage_hourly.project_id IS
    'The project; empty where the event named none.';
COMMENT ON COLUMN billing.usage_hourly.user_id IS
    'The user who made the calls.';
COMMENT ON COLUMN billing.usage_hourly.type IS
    'What the calls were for: generation, summarization, chat, embedding ...';
COMMENT ON COLUMN billing.usage_hourly.provider IS
    'Who was called: openai, anthropic ...';
COMMENT ON COLUMN billing.usage_hourly.model IS
    'The model as the provider names it.';
COMMENT ON COLUMN billing.usage_hourly.service_tier IS
    'The provider''s service tier, as its response named it; empty where there was none.';
COMMENT ON COLUMN billing.usage_hourly.calls IS
    'Calls, whatever their outcome.';
COMMENT ON COLUMN billing.usage_hourly.failed_calls IS
    'Calls whose status said that they failed; part of calls.';
COMMENT ON COLUMN billing.usage_hourly.estimated_calls IS
    'Calls whose tokens the app estimated; part of calls.';
COMMENT ON COLUMN billing.usage_hourly.unpriced_calls IS
    'Calls for which no price is known: their tokens are counted, their cost is not. Not zero cost, unknown cost.';
COMMENT ON COLUMN billing.usage_hourly.input_tokens IS
    'Input tokens that came from no cache. The five classes never overlap; reasoning_tokens is the one exception.';
COMMENT ON COLUMN billing.usage_hourly.cache_read_tokens IS
    'Input tokens read from a prompt cache.';
COMMENT ON COLUMN billing.usage_hourly.cache_write_tokens IS
    'Input tokens written to a prompt cache of the ordinary life (5 minutes at Anthropic).';
COMMENT ON COLUMN billing.usage_hourly.cache_write_1h_tokens IS
    'Input tokens written to a prompt cache that lives an hour.';
COMMENT ON COLUMN billing.usage_hourly.output_tokens IS
    'Output tokens, reasoning included.';
COMMENT ON COLUMN billing.usage_hourly.reasoning_tokens IS
    'Output tokens spent on reasoning; part of output_tokens.';
COMMENT ON COLUMN billing.usage_hourly.latency_us IS
    'Sum of the latencies that apps reported, in microseconds.';
COMMENT ON COLUMN billing.usage_hourly.cost IS
    'What the providers charge, exact, in units of the price book''s currency (dollars). Never rounded.';
COMMENT ON COLUMN billing.usage_hourly.cost_cents IS
    'cost in whole cents, rounded half away from zero, for apps that count in cents. Do not add these up: add up cost.';

CREATE TABLE billing.usage_monthly (
    organization_id       text NOT NULL,
    month                 date NOT NULL,
    project_id            text NOT NULL,
    user_id               text NOT NULL,
    type                  text NOT NULL,
    provider              text NOT NULL,
    model                 text NOT NULL,
    service_tier          text NOT NULL,
    calls                 bigint NOT NULL,
    failed_calls          bigint NOT NULL,
    estimated_calls       bigint NOT NULL,
    unpriced_calls        bigint NOT NULL,
    input_tokens          bigint NOT NULL,
    cache_read_tokens     bigint NOT NULL,
    cache_write_tokens    bigint NOT NULL,
    cache_write_1h_tokens bigint NOT NULL,
    output_tokens         bigint NOT NULL,
    reasoning_tokens      bigint NOT NULL,
    latency_us            bigint NOT NULL,
    cost                  numeric NOT NULL,
    cost_cents            bigint NOT NULL,
    PRIMARY KEY (organization_id, month, project_id, user_id, type,
                 provider, model, service_tier)
);
CREATE INDEX usage_monthly_month ON billing.usage_monthly (month);

COMMENT ON TABLE billing.usage_monthly IS
    'Usage of LLMs by calendar month. For every key, the sum of its rows in usage_hourly.';
COMMENT ON COLUMN billing.usage_monthly.organization_id IS
    'The organization that the calls belong to.';
COMMENT ON COLUMN billing.usage_monthly.month IS
    'The calendar month (UTC), by its first day.';
COMMENT ON COLUMN billing.usage_monthly.project_id IS
    'The project; empty where the event named none.';
COMMENT ON COLUMN billing.usage_monthly.user_id IS
    'The user who made the calls.';
COMMENT ON COLUMN billing.usage_monthly.type IS
    'What the calls were for: generation, summarization, chat, embedding ...';
COMMENT ON COLUMN billing.usage_monthly.provider IS
    'Who was called: openai, anthropic ...';
COMMENT ON COLUMN billing.usage_monthly.model IS
    'The model as the provider names it.';
COMMENT ON COLUMN billing.usage_monthly.service_tier IS
    'The provider''s service tier, as its response named it; empty where there was none.';
COMMENT ON COLUMN billing.usage_monthly.calls IS
    'Calls, whatever their outcome.';
COMMENT ON COLUMN billing.usage_monthly.failed_calls IS
    'Calls whose status said that they failed; part of calls.';
COMMENT ON COLUMN billing.usage_monthly.estimated_calls IS
    'Calls whose tokens the app estimated; part of calls.';
COMMENT ON COLUMN billing.usage_monthly.unpriced_calls IS
    'Calls for which no price is known: their tokens are counted, their cost is not. Not zero cost, unknown cost.';
COMMENT ON COLUMN billing.usage_monthly.input_tokens IS
    'Input tokens that came from no cache. The five classes never overlap; reasoning_tokens is the one exception.';
COMMENT ON COLUMN billing.usage_monthly.cache_read_tokens IS
    'Input tokens read from a prompt cache.';
COMMENT ON COLUMN billing.usage_monthly.cache_write_tokens IS
    'Input tokens written to a prompt cache of the ordinary life (5 minutes at Anthropic).';
COMMENT ON COLUMN billing.usage_monthly.cache_write_1h_tokens IS
    'Input tokens written to a prompt cache that lives an hour.';
COMMENT ON COLUMN billing.usage_monthly.output_tokens IS
    'Output tokens, reasoning included.';
COMMENT ON COLUMN billing.usage_monthly.reasoning_tokens IS
    'Output tokens spent on reasoning; part of output_tokens.';
COMMENT ON COLUMN billing.usage_monthly.latency_us IS
    'Sum of the latencies that apps reported, in microseconds.';
COMMENT ON COLUMN billing.usage_monthly.cost IS
    'What the providers charge, exact, in units of the price book''s currency (dollars). Never rounded.';
COMMENT ON COLUMN billing.usage_monthly.cost_cents IS
    'cost in whole cents, rounded half away from zero, for apps that count in cents. Do not add these up: add up cost.';

CREATE TABLE billing.limits_snapshots (
    organization_id text NOT NULL,
    dimension       text NOT NULL CHECK (dimension IN ('projects', 'documents', 'ai_credits', 'members')),
    used            bigint NOT NULL,
    limit_value     bigint,
    percent         bigint,
    state           text NOT NULL CHECK (state IN ('ok', 'warning', 'critical', 'reached', 'exceeded')),
    allowed         boolean NOT NULL,
    plan            text NOT NULL,
    upgrade_plan    text NOT NULL,
    reason          text NOT NULL,
    log_position    bigint NOT NULL,
    period_start    timestamptz,
    period_end      timestamptz,
    PRIMARY KEY (organization_id, dimension)
);

COMMENT ON TABLE billing.limits_snapshots IS
    'Where each organization stands against the limits of its plan: one row per organization and dimension.';
COMMENT ON COLUMN billing.limits_snapshots.organization_id IS
    'The organization.';
COMMENT ON COLUMN billing.limits_snapshots.dimension IS
    'What is limited: projects, documents, ai_credits (of the current calendar month), members.';
COMMENT ON COLUMN billing.limits_snapshots.used IS
    'How many are in use.';
COMMENT ON COLUMN billing.limits_snapshots.limit_value IS
    'How many the plan allows; NULL: unlimited.';
COMMENT ON COLUMN billing.limits_snapshots.percent IS
    'used in percent of limit_value, rounded down; NULL: unlimited.';
COMMENT ON COLUMN billing.limits_snapshots.state IS
    'ok; warning from 80 %; critical from 95 %; reached: used = limit; exceeded: used > limit.';
COMMENT ON COLUMN billing.limits_snapshots.allowed IS
    'May one more be taken now? True also where the plan charges overage.';
COMMENT ON COLUMN billing.limits_snapshots.plan IS
    'The plan in force.';
COMMENT ON COLUMN billing.limits_snapshots.upgrade_plan IS
    'The smallest plan that would allow it; empty where none is needed or there is none.';
COMMENT ON COLUMN billing.limits_snapshots.reason IS
    'The answer in words.';
COMMENT ON COLUMN billing.limits_snapshots.log_position IS
    'The number of the last event that this row takes into account.';
COMMENT ON COLUMN billing.limits_snapshots.period_start IS
    'First instant of the period that used counts; NULL: it counts what exists.';
COMMENT ON COLUMN billing.limits_snapshots.period_end IS
    'First instant behind the period; NULL: it counts what exists.';

CREATE TABLE billing.invoices (
    organization_id text NOT NULL,
    month           date NOT NULL,
    status          text NOT NULL CHECK (status IN ('draft', 'final')),
    number          bigint,
    currency        text NOT NULL,
    total_minor     bigint NOT NULL,
    credits_used    bigint NOT NULL,
    llm_cost        numeric NOT NULL,
    llm_cost_cents  bigint NOT NULL,
    unpriced_calls  bigint NOT NULL,
    log_position    bigint NOT NULL,
    log_chain       text NOT NULL,
    price_book      text NOT NULL,
    plan_book       text NOT NULL,
    finalized_at    timestamptz,
    PRIMARY KEY (organization_id, month)
);

COMMENT ON TABLE billing.invoices IS
    'Invoices: one per organization and calendar month.';
COMMENT ON COLUMN billing.invoices.organization_id IS
    'The organization that is billed.';
COMMENT ON COLUMN billing.invoices.month IS
    'The calendar month (UTC), by its first day.';
COMMENT ON COLUMN billing.invoices.status IS
    'draft: still moving; final: never changes again.';
COMMENT ON COLUMN billing.invoices.number IS
    'The invoice''s number, 1, 2, 3 ... without gaps; NULL while a draft.';
COMMENT ON COLUMN billing.invoices.currency IS
    'ISO 4217 code of total_minor and of the lines.';
COMMENT ON COLUMN billing.invoices.total_minor IS
    'The total in minor units (cents), the sum of the lines'' amount_minor.';
COMMENT ON COLUMN billing.invoices.credits_used IS
    'AI credits that the organization used in the month.';
COMMENT ON COLUMN billing.invoices.llm_cost IS
    'What the providers charged for the month''s calls, exact; for information, no part of the total.';
COMMENT ON COLUMN billing.invoices.llm_cost_cents IS
    'llm_cost in whole cents, rounded half away from zero.';
COMMENT ON COLUMN billing.invoices.unpriced_calls IS
    'Calls that llm_cost misses since no price is known.';
COMMENT ON COLUMN billing.invoices.log_position IS
    'The number of the last event that it was computed from. With the four columns that follow it can be computed again, to the same bytes.';
COMMENT ON COLUMN billing.invoices.log_chain IS
    'The log''s SHA-256 chain at that position, hexadecimal.';
COMMENT ON COLUMN billing.invoices.price_book IS
    'SHA-256 of the price book, hexadecimal.';
COMMENT ON COLUMN billing.invoices.plan_book IS
    'SHA-256 of the plan book, hexadecimal.';
COMMENT ON COLUMN billing.invoices.finalized_at IS
    'When it became final; NULL while a draft.';

CREATE TABLE billing.invoice_lines (
    organization_id text NOT NULL,
    month           date NOT NULL,
    line            integer NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('plan_fee', 'overage', 'adjustment')),
    description     text NOT NULL,
    quantity        bigint NOT NULL,
    unit_price      numeric NOT NULL,
    amount          numeric NOT NULL,
    amount_minor    bigint NOT NULL,
    period_start    timestamptz NOT NULL,
    period_end      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, month, line),
    FOREIGN KEY (organization_id, month) REFERENCES billing.invoices ON DELETE CASCADE
);

COMMENT ON TABLE billing.invoice_lines IS
    'The lines of the invoices.';
COMMENT ON COLUMN billing.invoice_lines.organization_id IS
    'The invoice''s organization.';
COMMENT ON COLUMN billing.invoice_lines.month IS
    'The invoice''s month.';
COMMENT ON COLUMN billing.invoice_lines.line IS
    'Number of the line, from 1.';
COMMENT ON COLUMN billing.invoice_lines.kind IS
    'plan_fee, overage (AI credits beyond the plan''s) or adjustment (a credit or debit).';
COMMENT ON COLUMN billing.invoice_lines.description IS
    'What the reader of the invoice sees.';
COMMENT ON COLUMN billing.invoice_lines.quantity IS
    'Credits of an overage; seconds of the period for a fee.';
COMMENT ON COLUMN billing.invoice_lines.unit_price IS
    'Price of one, exact; 0 where the line is no product.';
COMMENT ON COLUMN billing.invoice_lines.amount IS
    'The amount before rounding, exact.';
COMMENT ON COLUMN billing.invoice_lines.amount_minor IS
    'The amount in minor units (cents), rounded half away from zero: what is charged.';
COMMENT ON COLUMN billing.invoice_lines.period_start IS
    'First instant of the time that the line is for.';
COMMENT ON COLUMN billing.invoice_lines.period_end IS
    'First instant behind it.';

CREATE TABLE billing.publish_state (
    log_identity text NOT NULL,
    version      bigint NOT NULL,
    log_position bigint NOT NULL,
    log_chain    text NOT NULL,
    price_book   text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (log_identity)
);

COMMENT ON TABLE billing.publish_state IS
    'How far the tables here follow the log: one row, moved in the transaction that moves them.';
COMMENT ON COLUMN billing.publish_state.log_identity IS
    'Which log this is a copy of: its identity, hexadecimal.';
COMMENT ON COLUMN billing.publish_state.version IS
    'Number of the publish that wrote last; it only grows.';
COMMENT ON COLUMN billing.publish_state.log_position IS
    'The number of the last event that the tables here take into account.';
COMMENT ON COLUMN billing.publish_state.log_chain IS
    'The log''s SHA-256 chain at that position, hexadecimal.';
COMMENT ON COLUMN billing.publish_state.price_book IS
    'SHA-256 of the price book of the last fold, hexadecimal.';
COMMENT ON COLUMN billing.publish_state.published_at IS
    'When gbill publish last changed something here.';
