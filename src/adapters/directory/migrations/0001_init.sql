-- The directory (docs/schema.md). Columns and indexes are those of ports/tables.c, in its order; opening checks it.
-- Ids are the 16 bytes of a UUID, times are milliseconds since 1970 UTC, and nothing is ever NULL.

CREATE TABLE users (
    user_id       BLOB    NOT NULL PRIMARY KEY CHECK (length(user_id) = 16),
    name          TEXT    NOT NULL,
    display_name  TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    status        INTEGER NOT NULL,
    role          INTEGER NOT NULL,
    read_receipts INTEGER NOT NULL,
    list_seq      INTEGER NOT NULL,
    created_ms    INTEGER NOT NULL,
    invited_by    BLOB    NOT NULL CHECK (length(invited_by) = 16)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX users_by_name ON users (name);

CREATE TABLE devices (
    device_id  BLOB    NOT NULL PRIMARY KEY CHECK (length(device_id) = 16),
    user_id    BLOB    NOT NULL CHECK (length(user_id) = 16),
    name       TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_user ON devices (user_id, device_id);

CREATE TABLE sessions (
    device_id          BLOB    NOT NULL PRIMARY KEY CHECK (length(device_id) = 16),
    user_id            BLOB    NOT NULL CHECK (length(user_id) = 16),
    access_hash        BLOB    NOT NULL,
    refresh_hash       BLOB    NOT NULL,
    refresh_hash_prev  BLOB    NOT NULL,
    access_expires_ms  INTEGER NOT NULL,
    refresh_expires_ms INTEGER NOT NULL,
    generation         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX sessions_by_access ON sessions (access_hash);
CREATE UNIQUE INDEX sessions_by_refresh ON sessions (refresh_hash);
CREATE UNIQUE INDEX sessions_by_refresh_prev ON sessions (refresh_hash_prev) WHERE refresh_hash_prev <> x'';
CREATE INDEX sessions_by_user ON sessions (user_id, device_id);

CREATE TABLE spent_tokens (
    refresh_hash BLOB    NOT NULL PRIMARY KEY,
    device_id    BLOB    NOT NULL CHECK (length(device_id) = 16),
    expires_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_tokens_by_device ON spent_tokens (device_id, refresh_hash);

CREATE TABLE invites (
    invite_id  BLOB    NOT NULL PRIMARY KEY CHECK (length(invite_id) = 16),
    code_hash  BLOB    NOT NULL,
    created_by BLOB    NOT NULL CHECK (length(created_by) = 16),
    role       INTEGER NOT NULL,
    uses_max   INTEGER NOT NULL,
    uses       INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    revoked_ms INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX invites_by_code ON invites (code_hash);
CREATE INDEX invites_by_creator ON invites (created_by, invite_id);

CREATE TABLE blocks (
    user_id    BLOB    NOT NULL CHECK (length(user_id) = 16),
    blocked_id BLOB    NOT NULL CHECK (length(blocked_id) = 16),
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    outbox_id INTEGER NOT NULL PRIMARY KEY,
    kind      INTEGER NOT NULL,
    subject   BLOB    NOT NULL CHECK (length(subject) = 16),
    object    BLOB    NOT NULL CHECK (length(object) = 16),
    value     INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
