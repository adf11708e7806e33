-- What every dataset of counts of people must hold, whatever its recipe says: each statement must return no rows, else nothing
-- is published. `export` is what would be sold, `counted` what it is from.

-- check: ids are unique
SELECT id, count(*) AS times FROM export GROUP BY id HAVING count(*) > 1;

-- check: every group has enough people
SELECT month, host, people FROM export WHERE (people >= getvariable('people_min')) IS NOT TRUE ORDER BY people, host;

-- check: only what was counted under the budget
SELECT export.id FROM export LEFT JOIN counted USING (month, host)
WHERE counted.host IS NULL OR counted.people IS DISTINCT FROM export.people;
