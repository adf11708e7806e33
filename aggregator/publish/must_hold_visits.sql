-- What every dataset of people's visits must hold, whatever its recipe says: each statement must return no rows, else nothing
-- is published. `export` is what would be sold, `donated` what it is from.

-- check: ids are unique
SELECT id, count(*) AS times FROM export GROUP BY id HAVING count(*) > 1;

-- check: every group has enough people
SELECT month, url, text, count(DISTINCT contributor_pseudonym) AS people
FROM export
GROUP BY month, url, text
HAVING count(DISTINCT contributor_pseudonym) < getvariable('people_min')
ORDER BY people, url;

-- check: only visits that were given and may be sold, as they were given
SELECT export.id
FROM export LEFT JOIN donated USING (id)
WHERE donated.id IS NULL OR donated.url IS DISTINCT FROM export.url OR donated.month IS DISTINCT FROM export.month
   OR donated.contributor_pseudonym IS DISTINCT FROM export.contributor_pseudonym;

-- check: no time but the month
SELECT id, month FROM export WHERE regexp_full_match(month, '\d{4}-\d{2}') IS NOT TRUE;

-- check: every row has text and a pseudonym
SELECT id FROM export
WHERE (length(text) > 0 AND contributor_pseudonym IS NOT NULL AND token_count > 0
   AND length(content_sha256) = 64) IS NOT TRUE;
