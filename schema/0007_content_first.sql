-- The content is to be placed although permissions or columns could not be read; these are asked for again then,
-- and the item is owed until they are there. NULL: nothing is missing.
ALTER TABLE pending ADD COLUMN read_later INTEGER;

DROP VIEW owed;
CREATE VIEW owed AS
  SELECT p.item_id, p.container_id, coalesce(p.reason, 'waiting') AS reason, p.error, p.owed_since, p.attempts, p.next_try
  FROM pending AS p WHERE p.content = 1 OR p.reason IS NOT NULL;
