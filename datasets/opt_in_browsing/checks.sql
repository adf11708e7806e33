-- Beside what every dataset of visits must hold (aggregator/publish/must_hold_visits.sql), each statement must return no rows,
-- else nothing is published. `export` is what would be sold, `donated` what it is from.

-- check: addresses are host and path
SELECT id, url FROM export WHERE contains(url, '?') OR contains(url, '#') OR contains(url, '@');
