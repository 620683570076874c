CREATE TABLE audit_log (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    action      TEXT NOT NULL,
    user_id     TEXT,
    description TEXT NOT NULL,
    entity_name TEXT NOT NULL,
    new_value   TEXT NOT NULL,
    -- RFC 3339 in UTC with six decimals, so that text sorts by time.
    occurred_at TEXT NOT NULL,
    event_id    TEXT,
    source      TEXT NOT NULL,
    dedupe_key  TEXT NOT NULL UNIQUE
);
