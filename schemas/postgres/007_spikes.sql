-- Spikes: spending out of the ordinary.

CREATE TABLE billing.usage_spikes (
    organization_id       text NOT NULL,
    found_hour            timestamptz NOT NULL,
    scope                 text NOT NULL,
    provider              text NOT NULL,
    value                 text NOT NULL,
    id                    text NOT NULL UNIQUE,
    from_hour             timestamptz NOT NULL,
    to_hour               timestamptz NOT NULL,
    peak_hour             timestamptz NOT NULL,
    measures              text[] NOT NULL,
    burst                 boolean NOT NULL,
    withdrawn             boolean NOT NULL,
    threshold_percent     integer NOT NULL,
    currency              text NOT NULL,
    calls                 bigint NOT NULL,
    tokens                bigint NOT NULL,
    cost                  numeric NOT NULL,
    cost_cents            bigint NOT NULL,
    usual_calls           bigint NOT NULL,
    usual_tokens          bigint NOT NULL,
    usual_cost            numeric NOT NULL,
    driver_project        text NOT NULL,
    driver_user           text NOT NULL,
    driver_provider       text NOT NULL,
    driver_model          text NOT NULL,
    driver_project_excess numeric NOT NULL,
    driver_user_excess    numeric NOT NULL,
    driver_model_excess   numeric NOT NULL,
    description           text NOT NULL,
    log_position          bigint NOT NULL,
    created_at            timestamptz NOT NULL,
    PRIMARY KEY (organization_id, found_hour, scope, provider, value)
);

COMMENT ON TABLE billing.usage_spikes IS
    'Spending out of the ordinary, by organization and by project, user and model. A row is brought up to date while late events may come.';
COMMENT ON COLUMN billing.usage_spikes.organization_id IS
    'The organization.';
COMMENT ON COLUMN billing.usage_spikes.found_hour IS
    'The first hour of the spike as it was first found: part of its identity, never changed.';
COMMENT ON COLUMN billing.usage_spikes.scope IS
    'What it is about: organization, project, user or model.';
COMMENT ON COLUMN billing.usage_spikes.provider IS
    'The model''s provider; empty for other scopes.';
COMMENT ON COLUMN billing.usage_spikes.value IS
    'The project, user or model; empty: the organization as a whole, or what names none.';
COMMENT ON COLUMN billing.usage_spikes.id IS
    'The spike''s id, as in gbill spikes show.';
COMMENT ON COLUMN billing.usage_spikes.from_hour IS
    'First instant of its hours.';
COMMENT ON COLUMN billing.usage_spikes.to_hour IS
    'First instant behind them.';
COMMENT ON COLUMN billing.usage_spikes.peak_hour IS
    'The hour with the largest cost above the usual.';
COMMENT ON COLUMN billing.usage_spikes.measures IS
    'What was out of the ordinary: cost, and with it calls and tokens or not.';
COMMENT ON COLUMN billing.usage_spikes.burst IS
    'Calls came as in a runaway loop, seen by the minute.';
COMMENT ON COLUMN billing.usage_spikes.withdrawn IS
    'What was counted has been taken back since, by a void or a new price.';
COMMENT ON COLUMN billing.usage_spikes.threshold_percent IS
    'The organization''s threshold, in percent of the usual.';
COMMENT ON COLUMN billing.usage_spikes.currency IS
    'ISO 4217 code of the amounts.';
COMMENT ON COLUMN billing.usage_spikes.calls IS
    'Calls in its hours.';
COMMENT ON COLUMN billing.usage_spikes.tokens IS
    'Tokens (AI credits) in its hours.';
COMMENT ON COLUMN billing.usage_spikes.cost IS
    'What they cost, exact.';
COMMENT ON COLUMN billing.usage_spikes.cost_cents IS
    'The same in whole cents, rounded half away from zero.';
COMMENT ON COLUMN billing.usage_spikes.usual_calls IS
    'Calls that are usual in such hours.';
COMMENT ON COLUMN billing.usage_spikes.usual_tokens IS
    'Tokens that are usual.';
COMMENT ON COLUMN billing.usage_spikes.usual_cost IS
    'Cost that is usual; a statistic, as the two before.';
COMMENT ON COLUMN billing.usage_spikes.driver_project IS
    'The project with the largest part of the excess; empty: none, or the one without a name.';
COMMENT ON COLUMN billing.usage_spikes.driver_user IS
    'The user with it.';
COMMENT ON COLUMN billing.usage_spikes.driver_provider IS
    'The provider of the model with it.';
COMMENT ON COLUMN billing.usage_spikes.driver_model IS
    'The model with it.';
COMMENT ON COLUMN billing.usage_spikes.driver_project_excess IS
    'What that project cost above the same hours before; 0: none stands out.';
COMMENT ON COLUMN billing.usage_spikes.driver_user_excess IS
    'The same of the user.';
COMMENT ON COLUMN billing.usage_spikes.driver_model_excess IS
    'The same of the model.';
COMMENT ON COLUMN billing.usage_spikes.description IS
    'All of it in words.';
COMMENT ON COLUMN billing.usage_spikes.log_position IS
    'The number of the last event that the figures take into account.';
COMMENT ON COLUMN billing.usage_spikes.created_at IS
    'When it was noticed.';

ALTER TABLE billing.usage_spikes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON billing.usage_spikes FOR SELECT USING
    (organization_id = current_setting('billing.organization_id', true));

-- As 006 has it: a table with row-level security may be read, row by row.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gbill_reader') THEN
        PERFORM billing.grant_reader();
    END IF;
END
$$;
