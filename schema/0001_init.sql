-- The change index of one staged tenant. Meaning of the tables: schema/README.md.
-- Numbers stored for enums are part of the format: do not renumber (lib/index/rows.hpp names them).

CREATE TABLE setting (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One delta stream and the folder of the tree it is staged into.
CREATE TABLE container (
  id             INTEGER PRIMARY KEY,
  key            TEXT NOT NULL UNIQUE,             -- its path below tree/, and its name for people
  at_key         TEXT,                             -- where it is in the tree now; NULL: not there yet
  kind           TEXT NOT NULL,
  owner_kind     TEXT NOT NULL,                    -- user | group | site
  owner_id       TEXT NOT NULL,
  owner_name     TEXT NOT NULL,
  remote_id      TEXT NOT NULL,                    -- the drive's id, ...
  name           TEXT NOT NULL,                    -- as the service calls it
  root_item      INTEGER,                          -- the item row of its root folder
  state          TEXT NOT NULL DEFAULT 'active',   -- active | departed | unavailable
  departed_at    INTEGER,
  cursor         TEXT,                             -- nextLink or deltaLink, to be used untouched
  cursor_state   INTEGER NOT NULL DEFAULT 0,       -- 0 none, 1 in the middle of a round, 2 round complete
  shape          TEXT NOT NULL DEFAULT '',         -- the request's shape the cursor was made with
  spare_cursor   TEXT,                             -- the deltaLink that the present or last round began with
  older_cursor   TEXT,                             -- the one before that, for a deltaLink that turns out to be broken
  round          INTEGER NOT NULL DEFAULT 0,
  round_full     INTEGER NOT NULL DEFAULT 0,       -- 1: the round began without a cursor and ends with a sweep
  settle         INTEGER NOT NULL DEFAULT 0,       -- not 0: a complete round waits for its renames and removals; counts who asked
  completed_at   INTEGER,                          -- when the last round was completed
  live_items     INTEGER NOT NULL DEFAULT 0,       -- items the service has, without the root
  live_bytes     INTEGER NOT NULL DEFAULT 0,
  guard_held     INTEGER NOT NULL DEFAULT 0,       -- deletions that the guard holds
  guard_round    INTEGER,                          -- round they were first held in
  guard_approved INTEGER,                          -- deletions of rounds up to this one are approved
  error_kind     TEXT,
  error_text     TEXT,
  error_at       INTEGER,
  UNIQUE (kind, remote_id)
) STRICT;

-- One remote object. The first group says what the service has, the second what is in the tree.
CREATE TABLE item (
  id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: a stale parent must not point to another item
  container_id  INTEGER NOT NULL REFERENCES container (id) ON DELETE CASCADE,
  remote_id     TEXT NOT NULL,
  type          INTEGER NOT NULL,                  -- 0 unknown (seen as a parent only), 1 file, 2 folder, 3 package, 4 shortcut
  parent        INTEGER,                           -- NULL: the container's root
  name          TEXT NOT NULL,
  etag          INTEGER NOT NULL DEFAULT 0,        -- fingerprint
  meta          INTEGER NOT NULL DEFAULT 0,        -- fingerprint of the metadata as last taken from the service
  seen_round    INTEGER NOT NULL DEFAULT 0,
  gone_round    INTEGER NOT NULL DEFAULT 0,        -- not 0: removed by the service in that round
  dirty         INTEGER NOT NULL DEFAULT 0,        -- 1: its place in the tree has to be looked at when the round settles

  at_parent     INTEGER,                           -- folder it lies in; NULL: not in the tree (or the root)
  at_name       TEXT,                              -- its name there
  parked        INTEGER NOT NULL DEFAULT 0,        -- 1: lies in spool/parked between two renames
  inode         INTEGER NOT NULL DEFAULT 0,        -- of the file or folder in the tree, to finish what a crash cut off
  size          INTEGER,                           -- of the bytes in the tree
  sha256        BLOB,                              -- of the bytes in the tree
  hash          TEXT,                              -- as the service gave it for the version in the tree
  ctag          INTEGER NOT NULL DEFAULT 0,        -- fingerprint, of the version in the tree
  mtime         INTEGER,                           -- of the file in the tree
  verdict       TEXT,                              -- altered_by_service, ...
  UNIQUE (container_id, remote_id)
) STRICT;
CREATE INDEX item_by_parent ON item (parent, name);
CREATE UNIQUE INDEX item_by_place ON item (at_parent, at_name) WHERE at_parent IS NOT NULL;
CREATE INDEX item_dirty ON item (container_id) WHERE dirty <> 0;
CREATE INDEX item_unknown ON item (container_id) WHERE type = 0;

-- Work: one row for each item whose content or sidecar in the tree is not what the service has.
CREATE TABLE pending (
  item_id      INTEGER PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
  container_id INTEGER NOT NULL,
  state        INTEGER NOT NULL,                   -- 0 to fetch, 1 spooled or nothing to fetch: to apply
  version      INTEGER NOT NULL,                   -- moves when a page replaces the row while it is being fetched
  content      INTEGER NOT NULL,                   -- 1: content must be fetched
  permissions  INTEGER NOT NULL,                   -- 1: permissions must be read
  cause        INTEGER NOT NULL,                   -- 0 its place alone, 1 metadata, 2 content, 3 new
  meta         TEXT NOT NULL,                      -- canonical JSON of what the service says
  size         INTEGER,
  hash         TEXT,
  ctag         INTEGER NOT NULL DEFAULT 0,
  mtime        INTEGER,
  url          TEXT,                               -- pre-authenticated: a secret; the file is private
  url_until    INTEGER,
  spool        TEXT,                               -- file name in spool/
  spool_inode  INTEGER,
  spool_size   INTEGER,
  spool_sha256 BLOB,
  verdict      TEXT,
  access       TEXT,                               -- permissions as read, canonical JSON
  first_bytes  BLOB,                               -- sha256 of a download that did not match what was announced
  owed_since   INTEGER NOT NULL,
  attempts     INTEGER NOT NULL DEFAULT 0,
  next_try     INTEGER NOT NULL DEFAULT 0,
  reason       TEXT,                               -- kind of the last failure; NULL: not failed
  error        TEXT
) STRICT;
CREATE INDEX pending_due ON pending (container_id, state, next_try, item_id);
CREATE INDEX pending_failed ON pending (reason) WHERE reason IS NOT NULL;

CREATE VIEW owed AS
  SELECT p.item_id, p.container_id, coalesce(p.reason, 'waiting') AS reason, p.error, p.owed_since, p.attempts, p.next_try
  FROM pending AS p WHERE p.content = 1;

CREATE TABLE generation (
  id          INTEGER PRIMARY KEY,
  started_at  INTEGER NOT NULL,
  finished_at INTEGER,
  created INTEGER NOT NULL DEFAULT 0, content INTEGER NOT NULL DEFAULT 0, metadata INTEGER NOT NULL DEFAULT 0,
  renamed INTEGER NOT NULL DEFAULT 0, moved INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE change (
  id         INTEGER PRIMARY KEY,
  generation INTEGER NOT NULL REFERENCES generation (id),
  item_id    INTEGER NOT NULL,
  what       INTEGER NOT NULL,                     -- 1 created, 2 content, 3 metadata, 4 renamed, 5 moved, 6 deleted
  type       INTEGER NOT NULL,
  old_path   TEXT,
  new_path   TEXT
) STRICT;
CREATE INDEX change_by_generation ON change (generation);

CREATE TABLE pass (
  id          INTEGER PRIMARY KEY,
  started_at  INTEGER NOT NULL,
  finished_at INTEGER,
  outcome     TEXT,                                -- complete | degraded | failed; NULL: running or interrupted
  generation  INTEGER,
  numbers     TEXT NOT NULL DEFAULT '{}'           -- JSON: requests, bytes, waiting times, counts
) STRICT;

CREATE TABLE job (
  id          INTEGER PRIMARY KEY,
  job_id      TEXT NOT NULL UNIQUE,
  name        TEXT NOT NULL,
  level       TEXT NOT NULL,
  generation  INTEGER NOT NULL,
  started_at  INTEGER NOT NULL,
  read_at     INTEGER,
  read_status TEXT,
  ended_at    INTEGER,
  status      TEXT
) STRICT;

CREATE TABLE lease (
  id          INTEGER PRIMARY KEY,
  job_id      TEXT NOT NULL UNIQUE,
  holder      TEXT NOT NULL,
  since       INTEGER NOT NULL,
  until       INTEGER NOT NULL
) STRICT;

-- Renames that are being done on disk, in order: written before the first of them, removed after the barrier.
CREATE TABLE journal (
  seq      INTEGER PRIMARY KEY,
  op       INTEGER NOT NULL,                       -- tree::op_kind
  source   TEXT NOT NULL,                          -- paths below stage.root
  target   TEXT NOT NULL,
  inode    INTEGER NOT NULL DEFAULT 0,             -- of what is renamed
  item_id  INTEGER NOT NULL DEFAULT 0              -- whose folder is made
) STRICT;

-- Files that are being renamed from the spool into the tree, with what the index will say of them: written before the
-- first rename, removed with the rows that mark them as staged. After a crash the inode tells which ones arrived.
CREATE TABLE placing (
  item_id   INTEGER PRIMARY KEY,
  container_id INTEGER NOT NULL,
  at_parent INTEGER,                               -- NULL: it replaces what lies in the tree
  at_name   TEXT,
  path      TEXT NOT NULL,                         -- below tree/
  inode     INTEGER NOT NULL,
  size      INTEGER NOT NULL,
  sha256    TEXT NOT NULL,                         -- hexadecimal
  hash      TEXT,
  ctag      INTEGER NOT NULL,
  mtime     INTEGER NOT NULL,
  verdict   TEXT
) STRICT;

-- What Microsoft 365 does not serve to us: per user, group or site.
CREATE TABLE not_covered (
  owner  TEXT NOT NULL,
  reason TEXT NOT NULL,
  since  INTEGER NOT NULL,
  PRIMARY KEY (owner, reason)
) STRICT, WITHOUT ROWID;

-- Users, groups and sites whose drives are known, so that not every pass asks for all of them.
CREATE TABLE owner (
  kind      TEXT NOT NULL,
  remote_id TEXT NOT NULL,
  name      TEXT NOT NULL,                         -- UPN, mail nickname, host and path of the site
  path      TEXT NOT NULL,                         -- below tree/: users/ann@contoso.com, sites/host/sites/ops
  listed_in INTEGER NOT NULL DEFAULT 0,                    -- pass
  seen_in   INTEGER NOT NULL DEFAULT 0,                    -- pass
  PRIMARY KEY (kind, remote_id)
) STRICT, WITHOUT ROWID;
