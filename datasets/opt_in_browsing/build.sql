-- The rows of opt_in_browsing: of the visits that people gave from their history, those of pages that enough of them gave
-- in the same month under the same title. `donated` holds every visit of a month that was judged genuine, with a pseudonym
-- of this dataset only; it has no times but the month. Everything else about a visit is left out, not made coarser.
WITH shared AS (
    SELECT month, url, title
    FROM donated
    WHERE title <> ''
    GROUP BY ALL
    HAVING count(DISTINCT contributor_pseudonym) >= getvariable('people_min')
)
SELECT
    id,
    title AS text,
    url,
    host,
    month,
    'und' AS language,
    token_count,
    contributor_pseudonym
FROM donated JOIN shared USING (month, url, title)
ORDER BY id
