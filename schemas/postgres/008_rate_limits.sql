-- What an organization may send in a minute, beside its plan: a custom plan is not in
-- billing.plans, and while a subscription is paused another plan's limits hold.

ALTER TABLE billing.subscriptions
    ADD COLUMN requests_per_minute bigint,
    ADD COLUMN tokens_per_minute bigint;

COMMENT ON COLUMN billing.subscriptions.requests_per_minute IS
    'Requests that the application lets through in a minute, by the plan in force; NULL: all.';
COMMENT ON COLUMN billing.subscriptions.tokens_per_minute IS
    'Tokens that it lets through in a minute; NULL: all.';
