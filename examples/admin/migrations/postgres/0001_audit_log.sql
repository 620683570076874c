CREATE TABLE audit_log (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action      TEXT NOT NULL,
    user_id     TEXT,
    description TEXT NOT NULL,
    entity_name TEXT NOT NULL,
    -- Not JSONB, which refuses the escape of the character NUL.
    new_value   JSON NOT NULL,
    occurred_at TIMESTAMPTZ NOT NULL,
    event_id    TEXT,
    source      TEXT NOT NULL,
    dedupe_key  TEXT NOT NULL UNIQUE
);
