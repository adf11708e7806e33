-- What every dataset of pages must hold, whatever its recipe says: each statement must return no rows, else nothing is published.
-- `export` is what would be sold, `lake` what it is from, `sellable` what audits have let through.

-- check: ids are unique
SELECT id, count(*) AS times FROM export GROUP BY id HAVING count(*) > 1;

-- check: one text of each cluster of duplicates
SELECT dup_cluster_id, count(*) AS times FROM export GROUP BY dup_cluster_id HAVING count(*) > 1;

-- check: no text twice
SELECT content_sha256, count(*) AS times FROM export GROUP BY content_sha256 HAVING count(*) > 1;

-- check: only what an audit accepted or nobody drew
SELECT id, verdict FROM export WHERE verdict NOT IN ('accepted', 'unaudited');

-- check: nothing of an audit epoch under way, nothing withdrawn
SELECT id FROM export WHERE id NOT IN (SELECT contribution_id FROM sellable);

-- check: what nobody audited has vested
SELECT export.id
FROM export JOIN sellable ON sellable.contribution_id = export.id
WHERE export.verdict = 'unaudited' AND sellable.vested < getvariable('unaudited_vested');

-- check: nothing that robots.txt denies
SELECT id, url, robots_state FROM export WHERE robots_state NOT IN ('allowed', 'no_robots');

-- check: nothing with an opt-out signal
SELECT id, url, optout_signals FROM export WHERE len(optout_signals) > 0;

-- check: nothing that may not be used for training
SELECT export.id, lake.rights_reason
FROM export JOIN lake ON lake.contribution_id = export.id
WHERE NOT lake.training_allowed;

-- check: no personal data given under consent
SELECT id FROM export WHERE consent_receipt_id IS NOT NULL;

-- check: every row has text, a language, a date and an owner
SELECT id FROM export
WHERE text IS NULL OR length(text) = 0 OR language IS NULL OR language = 'und'
   OR fetched_at IS NULL OR token_count IS NULL OR token_count <= 0
   OR contributor_pseudonym IS NULL OR length(content_sha256) <> 64;

-- check: unredacted text is the signed text
SELECT id FROM export WHERE pii_redactions = 0 AND sha256(text) <> content_sha256;
