-- The rows of opt_in_interests: of what people searched for, watched and listened to, what enough of them did alike in the
-- same month. `donated` holds what each gave in a month of which their history was judged genuine, under a pseudonym of
-- this dataset, that month and that kind only. Everything else is left out, not made coarser.
WITH alike AS (
    SELECT month, kind, title, words
    FROM donated
    GROUP BY ALL
    HAVING count(DISTINCT contributor_pseudonym) >= getvariable('people_min')
)
SELECT
    id,
    CASE WHEN kind = 'search' THEN words ELSE title END AS text,
    kind,
    CASE WHEN kind = 'search' THEN '' ELSE words END AS "by",
    month,
    'und' AS language,
    token_count,
    contributor_pseudonym
FROM donated JOIN alike USING (month, kind, title, words)
ORDER BY id
