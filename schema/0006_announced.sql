-- Bytes that the service announced for the version in the tree; it may serve more or less (contract 5.8). An
-- announced size is compared with an announced one, never with the bytes. NULL: staged before this was kept.
ALTER TABLE item ADD COLUMN announced INTEGER;
ALTER TABLE placing ADD COLUMN announced INTEGER;

-- 1: what lies in the tree is damaged or missing, so bytes that come out the same are placed all the same.
ALTER TABLE pending ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0;
UPDATE pending SET damaged=1 WHERE content=1 AND coalesce(hash, '')='';
