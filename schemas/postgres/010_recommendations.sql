-- Optimization: what each organization could spare, and how well it spends.

CREATE TABLE billing.optimization_recommendations (
    id              varchar(32) NOT NULL,
    organization_id text NOT NULL,
    type            text NOT NULL,
    priority        text NOT NULL,
    title           text NOT NULL,
    description     text NOT NULL,
    impact          jsonb NOT NULL,
    implementation  jsonb NOT NULL,
    evidence        jsonb NOT NULL,
    status          text NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);

COMMENT ON TABLE billing.optimization_recommendations IS
    'What each organization could spare. Answer one by a feedback event with its id.';
COMMENT ON COLUMN billing.optimization_recommendations.id IS
    'Of the organization, the type and what it is about: the same advice has one row however often it is found.';
COMMENT ON COLUMN billing.optimization_recommendations.organization_id IS
    'The organization.';
COMMENT ON COLUMN billing.optimization_recommendations.type IS
    'cache-prompt, cache-unread, cache-life, batch, model, long-context, retries, truncation, context-growth, reasoning, service-tier or plan; schemas/recommendations.md has the formula of each.';
COMMENT ON COLUMN billing.optimization_recommendations.priority IS
    'high, medium or low, by what it saves of the organization''s cost.';
COMMENT ON COLUMN billing.optimization_recommendations.title IS
    'What to do, in one line.';
COMMENT ON COLUMN billing.optimization_recommendations.description IS
    'Why.';
COMMENT ON COLUMN billing.optimization_recommendations.impact IS
    '{"currency", "saving", "savingNotInOthers", "savingPer30Days", "costOfCalls", "calls", "candidate"}; amounts are texts, exact. A plan''s has "savingPerMonth".';
COMMENT ON COLUMN billing.optimization_recommendations.implementation IS
    '{"steps": [texts]}, and what to change to where there is one: "model", "plan".';
COMMENT ON COLUMN billing.optimization_recommendations.evidence IS
    'The formula, the calls it was computed over, the confidence in percent and the counts behind it.';
COMMENT ON COLUMN billing.optimization_recommendations.status IS
    'pending, applied or dismissed.';
COMMENT ON COLUMN billing.optimization_recommendations.created_at IS
    'When it was first found.';

CREATE TABLE billing.efficiency (
    organization_id text NOT NULL,
    last_day        date NOT NULL,
    first_day       date NOT NULL,
    score           integer NOT NULL,
    currency        text NOT NULL,
    calls           bigint NOT NULL,
    unpriced_calls  bigint NOT NULL,
    actual          numeric NOT NULL,
    avoidable       numeric NOT NULL,
    candidates      numeric NOT NULL,
    actual_cents    bigint NOT NULL,
    avoidable_cents bigint NOT NULL,
    log_position    bigint NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, last_day)
);

COMMENT ON TABLE billing.efficiency IS
    'How well each organization spends: one row a day, over the four weeks that end with it.';
COMMENT ON COLUMN billing.efficiency.organization_id IS
    'The organization.';
COMMENT ON COLUMN billing.efficiency.last_day IS
    'The last day looked at, in UTC.';
COMMENT ON COLUMN billing.efficiency.first_day IS
    'The first one.';
COMMENT ON COLUMN billing.efficiency.score IS
    '0 to 100: 100 x (1 - avoidable / actual), rounded; 100 where nothing was spent.';
COMMENT ON COLUMN billing.efficiency.currency IS
    'ISO 4217 code of the amounts.';
COMMENT ON COLUMN billing.efficiency.calls IS
    'Calls looked at.';
COMMENT ON COLUMN billing.efficiency.unpriced_calls IS
    'Of them, those whose model has no price: they are in no amount.';
COMMENT ON COLUMN billing.efficiency.actual IS
    'What the calls cost, exact.';
COMMENT ON COLUMN billing.efficiency.avoidable IS
    'What could have been spared of it: the sum of savingNotInOthers over that day''s recommendations. Each call counts once.';
COMMENT ON COLUMN billing.efficiency.candidates IS
    'What would be saved by what has to be tried first, each for itself; in no score.';
COMMENT ON COLUMN billing.efficiency.actual_cents IS
    'actual in whole cents, rounded half away from zero.';
COMMENT ON COLUMN billing.efficiency.avoidable_cents IS
    'avoidable in whole cents.';
COMMENT ON COLUMN billing.efficiency.log_position IS
    'The number of the last event taken into account.';
COMMENT ON COLUMN billing.efficiency.created_at IS
    'When this was computed.';

ALTER TABLE billing.optimization_recommendations ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON billing.optimization_recommendations FOR SELECT USING
    (organization_id = current_setting('billing.organization_id', true));
ALTER TABLE billing.efficiency ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON billing.efficiency FOR SELECT USING
    (organization_id = current_setting('billing.organization_id', true));

-- Since each measure is judged by itself.
COMMENT ON COLUMN billing.usage_spikes.measures IS
    'Which of cost, tokens and calls rose; the first of them is what the spike is told by.';

-- As 006 has it: a table with row-level security may be read, row by row.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gbill_reader') THEN
        PERFORM billing.grant_reader();
    END IF;
END
$$;
