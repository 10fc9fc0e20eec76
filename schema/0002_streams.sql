-- A container is what settles as one unit; each of its feeds is a stream with a cursor of its own. A drive has one
-- stream; a mailbox has one for its list of folders and one for each folder.

CREATE TABLE stream (
  id           INTEGER PRIMARY KEY,
  container_id INTEGER NOT NULL REFERENCES container (id) ON DELETE CASCADE,
  remote_id    TEXT NOT NULL,                     -- of the folder that it tells about; '': the container's main stream
  cursor       TEXT,                              -- nextLink or deltaLink, to be used untouched
  cursor_state INTEGER NOT NULL DEFAULT 0,        -- 0 none, 1 in the middle of a round, 2 round complete
  shape        TEXT NOT NULL DEFAULT '',          -- the request's shape the cursor was made with
  spare_cursor TEXT,                              -- the deltaLink that the present or last round began with
  older_cursor TEXT,                              -- the one before that, for a deltaLink that turns out to be broken
  round        INTEGER NOT NULL DEFAULT 0,        -- the container's round when this one's began
  round_full   INTEGER NOT NULL DEFAULT 0,        -- 1: the round began without a cursor and ends with a sweep
  listing      INTEGER NOT NULL DEFAULT 0,        -- 1: the service refuses a delta here, every round lists everything
  UNIQUE (container_id, remote_id)
) STRICT;

INSERT INTO stream (container_id, remote_id, cursor, cursor_state, shape, spare_cursor, older_cursor, round, round_full)
  SELECT id, '', cursor, cursor_state, shape, spare_cursor, older_cursor, round, round_full FROM container;

ALTER TABLE container DROP COLUMN cursor;
ALTER TABLE container DROP COLUMN shape;
ALTER TABLE container DROP COLUMN spare_cursor;
ALTER TABLE container DROP COLUMN older_cursor;
ALTER TABLE container DROP COLUMN round_full;

-- `container.cursor_state` speaks of all streams together: 1: at least one of them has not completed its round.
-- `round` moves with each stream's round; deletions of rounds up to `complete_round` are known to be true.
ALTER TABLE container ADD COLUMN complete_round INTEGER NOT NULL DEFAULT 0;
UPDATE container SET complete_round = round - (cursor_state = 1);

-- 1: a folder of our own making (a month of a mail folder); it comes and goes with what is in it.
ALTER TABLE item ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
CREATE INDEX item_made ON item (container_id) WHERE made = 1;
