-- Beside what every dataset of pages must hold (aggregator/publish/must_hold.sql), each statement must return no rows,
-- else nothing is published. `export` is what would be sold, `lake` what it is from.

-- check: one text of each address
SELECT url, count(*) AS times FROM export GROUP BY url HAVING count(*) > 1;

-- check: nothing older than promised
SELECT id, fetched_at, published_on
FROM export, (SELECT max(fetched_at_ms) AS newest_ms FROM lake)
WHERE epoch_ms(fetched_at) < newest_ms - getvariable('age_days_max') * 86400000::BIGINT
   OR published_on::DATE < epoch_ms(newest_ms)::DATE - getvariable('age_days_max')::INTEGER
   OR published_on::DATE > epoch_ms(newest_ms)::DATE + 1;
