-- Values of a library's own columns. They are read whenever a sidecar is written anew, as permissions are.
ALTER TABLE pending ADD COLUMN columns INTEGER NOT NULL DEFAULT 0; -- 1: must be read
ALTER TABLE pending ADD COLUMN column_values TEXT;                 -- as read, canonical JSON

-- The feed of a library's list: where the last round ended.
CREATE TABLE column_feed (
  container_id INTEGER PRIMARY KEY REFERENCES container (id) ON DELETE CASCADE,
  cursor       TEXT NOT NULL
) STRICT;

-- What it told of items that wait for it; good for the version of the item with this eTag.
CREATE TABLE column_value (
  container_id  INTEGER NOT NULL REFERENCES container (id) ON DELETE CASCADE,
  remote_id     TEXT NOT NULL,
  etag          INTEGER NOT NULL,                  -- fingerprint, as in `item`
  column_values TEXT NOT NULL,                     -- canonical JSON
  PRIMARY KEY (container_id, remote_id)
) STRICT, WITHOUT ROWID;
