-- The rows of opt_in_browsing_monthly: how many of the people who gave their history were on a host in a month. `counted` has
-- noise in it already, was paid for from each person's budget, and names only hosts that came out above the threshold.
SELECT
    sha256(month || ' ' || host) AS id,
    host || ' ' || month || ' ' || people AS text,
    host,
    month,
    people,
    'und' AS language,
    CAST(5 AS BIGINT) AS token_count
FROM counted
WHERE people >= getvariable('people_min')
ORDER BY month, people DESC, host
