-- Beside what every dataset of pages must hold (aggregator/publish/must_hold.sql), each statement must return no rows,
-- else nothing is published. `export` is what would be sold, `lake` what it is from.

-- check: no language less sure than promised
SELECT id, language, language_score FROM export
WHERE language_score IS NULL OR language_score < getvariable('language_score_min');
