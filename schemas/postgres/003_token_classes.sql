-- Audio and image tokens apart from text, and uses that are charged by the piece.
--
-- The rows that are there get 0, which is what they had: before this version gbill
-- counted such tokens as text and no uses at all.  The next gbill publish writes
-- them anew from the tables.

ALTER TABLE billing.usage_hourly
    ADD COLUMN input_audio_tokens      bigint NOT NULL DEFAULT 0,
    ADD COLUMN cache_read_audio_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN output_audio_tokens     bigint NOT NULL DEFAULT 0,
    ADD COLUMN input_image_tokens      bigint NOT NULL DEFAULT 0,
    ADD COLUMN cache_read_image_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN output_image_tokens     bigint NOT NULL DEFAULT 0,
    ADD COLUMN web_searches            bigint NOT NULL DEFAULT 0,
    ADD COLUMN web_fetches             bigint NOT NULL DEFAULT 0,
    ADD COLUMN file_searches           bigint NOT NULL DEFAULT 0,
    ADD COLUMN code_sessions           bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN billing.usage_hourly.input_audio_tokens IS
    'Audio input tokens that came from no cache. Audio and image tokens are in no other column.';
COMMENT ON COLUMN billing.usage_hourly.cache_read_audio_tokens IS
    'Audio input tokens read from a prompt cache.';
COMMENT ON COLUMN billing.usage_hourly.output_audio_tokens IS
    'Audio output tokens.';
COMMENT ON COLUMN billing.usage_hourly.input_image_tokens IS
    'Image input tokens that came from no cache, where the provider counts them apart.';
COMMENT ON COLUMN billing.usage_hourly.cache_read_image_tokens IS
    'Image input tokens read from a prompt cache.';
COMMENT ON COLUMN billing.usage_hourly.output_image_tokens IS
    'Image output tokens.';
COMMENT ON COLUMN billing.usage_hourly.web_searches IS
    'Web searches that the provider charges by the use.';
COMMENT ON COLUMN billing.usage_hourly.web_fetches IS
    'Pages fetched by the provider''s tool.';
COMMENT ON COLUMN billing.usage_hourly.file_searches IS
    'Searches in the provider''s file store, charged by the use.';
COMMENT ON COLUMN billing.usage_hourly.code_sessions IS
    'Containers or sessions of the provider''s code tool, charged by the use.';
COMMENT ON COLUMN billing.usage_hourly.input_tokens IS
    'Input tokens that came from no cache and are neither audio nor image. The token columns never overlap; reasoning_tokens is the one exception.';
COMMENT ON COLUMN billing.usage_hourly.output_tokens IS
    'Output tokens that are neither audio nor image, reasoning included.';

ALTER TABLE billing.usage_monthly
    ADD COLUMN input_audio_tokens      bigint NOT NULL DEFAULT 0,
    ADD COLUMN cache_read_audio_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN output_audio_tokens     bigint NOT NULL DEFAULT 0,
    ADD COLUMN input_image_tokens      bigint NOT NULL DEFAULT 0,
    ADD COLUMN cache_read_image_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN output_image_tokens     bigint NOT NULL DEFAULT 0,
    ADD COLUMN web_searches            bigint NOT NULL DEFAULT 0,
    ADD COLUMN web_fetches             bigint NOT NULL DEFAULT 0,
    ADD COLUMN file_searches           bigint NOT NULL DEFAULT 0,
    ADD COLUMN code_sessions           bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN billing.usage_monthly.input_audio_tokens IS
    'Audio input tokens that came from no cache. Audio and image tokens are in no other column.';
COMMENT ON COLUMN billing.usage_monthly.cache_read_audio_tokens IS
    'Audio input tokens read from a prompt cache.';
COMMENT ON COLUMN billing.usage_monthly.output_audio_tokens IS
    'Audio output tokens.';
COMMENT ON COLUMN billing.usage_monthly.input_image_tokens IS
    'Image input tokens that came from no cache, where the provider counts them apart.';
COMMENT ON COLUMN billing.usage_monthly.cache_read_image_tokens IS
    'Image input tokens read from a prompt cache.';
COMMENT ON COLUMN billing.usage_monthly.output_image_tokens IS
    'Image output tokens.';
COMMENT ON COLUMN billing.usage_monthly.web_searches IS
    'Web searches that the provider charges by the use.';
COMMENT ON COLUMN billing.usage_monthly.web_fetches IS
    'Pages fetched by the provider''s tool.';
COMMENT ON COLUMN billing.usage_monthly.file_searches IS
    'Searches in the provider''s file store, charged by the use.';
COMMENT ON COLUMN billing.usage_monthly.code_sessions IS
    'Containers or sessions of the provider''s code tool, charged by the use.';
COMMENT ON COLUMN billing.usage_monthly.input_tokens IS
    'Input tokens that came from no cache and are neither audio nor image. The token columns never overlap; reasoning_tokens is the one exception.';
COMMENT ON COLUMN billing.usage_monthly.output_tokens IS
    'Output tokens that are neither audio nor image, reasoning included.';
