-- Beside what every dataset of interests must hold (aggregator/publish/must_hold_interests.sql), each statement must return
-- no rows, else nothing is published. `export` is what would be sold, `donated` what it is from.

-- check: kinds are those that were agreed to
SELECT id, kind FROM export WHERE kind NOT IN ('search', 'watch', 'listen');

-- check: a pseudonym is of one month and one kind
SELECT contributor_pseudonym FROM export
GROUP BY contributor_pseudonym
HAVING count(DISTINCT month) > 1 OR count(DISTINCT kind) > 1;
