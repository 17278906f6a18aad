-- The key directory (docs/wire/keys.md): bytes that devices signed, which the server orders and hands out.

CREATE TABLE signed_lists (
    user_id BLOB    NOT NULL PRIMARY KEY CHECK (length(user_id) = 16),
    seq     INTEGER NOT NULL,
    hash    BLOB    NOT NULL,
    list    BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE past_lists (
    user_id BLOB    NOT NULL CHECK (length(user_id) = 16),
    seq     INTEGER NOT NULL,
    list    BLOB    NOT NULL,
    PRIMARY KEY (user_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_keys (
    device_id   BLOB    NOT NULL PRIMARY KEY CHECK (length(device_id) = 16),
    user_id     BLOB    NOT NULL CHECK (length(user_id) = 16),
    spk_hash    BLOB    NOT NULL,
    kem_lr_hash BLOB    NOT NULL,
    spk         BLOB    NOT NULL,
    kem_lr      BLOB    NOT NULL,
    spent       BLOB    NOT NULL,
    updated_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX device_keys_by_spk ON device_keys (spk_hash) WHERE spk_hash <> x'';
CREATE UNIQUE INDEX device_keys_by_kem_lr ON device_keys (kem_lr_hash) WHERE kem_lr_hash <> x'';

CREATE TABLE prekeys (
    device_id   BLOB    NOT NULL CHECK (length(device_id) = 16),
    kind        INTEGER NOT NULL,
    key_id      INTEGER NOT NULL,
    public_hash BLOB    NOT NULL,
    prekey      BLOB    NOT NULL,
    PRIMARY KEY (device_id, kind, key_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX prekeys_by_public ON prekeys (public_hash);
