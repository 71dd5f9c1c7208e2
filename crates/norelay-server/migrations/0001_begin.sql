-- Times are milliseconds since 1970; addresses are 16 octets (IPv4 mapped into IPv6), so that ranges compare as octets.
-- Written for SQLite; `store/schema.rs` says which words PostgreSQL gets instead.

-- A row that is updated first in a transaction whose parts must not interleave with those of another.
CREATE TABLE turns (name TEXT NOT NULL PRIMARY KEY, turn INTEGER NOT NULL) STRICT;
INSERT INTO turns (name, turn) VALUES ('claim', 0), ('spend', 0);

CREATE TABLE jobs (
    id BLOB NOT NULL PRIMARY KEY,
    run INTEGER NOT NULL UNIQUE,
    target TEXT NOT NULL,
    request TEXT NOT NULL,
    pinned TEXT NOT NULL,
    origin TEXT NOT NULL,
    asker TEXT NOT NULL,
    state TEXT NOT NULL,
    verdict TEXT,
    created INTEGER NOT NULL,
    started INTEGER,
    finished INTEGER,
    expires INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    worker TEXT,
    lease INTEGER,
    last INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_by_target ON jobs (target, created);
CREATE INDEX jobs_by_state ON jobs (state, created);
CREATE INDEX jobs_by_asker ON jobs (asker, state);
CREATE INDEX jobs_by_expiry ON jobs (expires);
CREATE INDEX jobs_by_age ON jobs (created);

-- The addresses that a job was permitted to test, found once.
CREATE TABLE addresses (
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    address BLOB NOT NULL,
    PRIMARY KEY (job, address)
) STRICT;
CREATE INDEX addresses_by_address ON addresses (address);

-- The event log: appended to, never changed.
CREATE TABLE events (
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (job, seq)
) STRICT;

-- Which messages have been recorded: the same one again, after a lost answer, changes nothing.
CREATE TABLE receipts (
    digest BLOB NOT NULL PRIMARY KEY,
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL
) STRICT;
CREATE INDEX receipts_by_job ON receipts (job);

CREATE TABLE keys (
    id TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    networks TEXT NOT NULL,
    hourly INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER
) STRICT;

CREATE TABLE opt_outs (
    network TEXT NOT NULL PRIMARY KEY,
    low BLOB NOT NULL,
    high BLOB NOT NULL,
    proof TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX opt_outs_by_range ON opt_outs (low, high);

-- Who has shown control over what: a domain (low and high are null) or a network.
CREATE TABLE owners (
    subject TEXT NOT NULL,
    asker TEXT NOT NULL,
    low BLOB,
    high BLOB,
    proof TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (subject, asker)
) STRICT;
CREATE INDEX owners_by_asker ON owners (asker);

-- Proofs of control that were begun and not yet given.
CREATE TABLE challenges (
    id BLOB NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    asker TEXT NOT NULL,
    method TEXT NOT NULL,
    purpose TEXT NOT NULL,
    secret BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX challenges_by_expiry ON challenges (expires);

CREATE TABLE idempotency (
    digest BLOB NOT NULL PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_by_job ON idempotency (job);

-- What counts against limits. Apart from jobs, so that deleting a result gives nothing back.
CREATE TABLE spent (bucket TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE INDEX spent_by_bucket ON spent (bucket, at);
CREATE INDEX spent_by_age ON spent (at);
