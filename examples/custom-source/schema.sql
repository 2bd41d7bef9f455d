CREATE TABLE IF NOT EXISTS keys (
	digest TEXT PRIMARY KEY,      -- SHA-256 of the key, in lower-case hex: never the key
	key_id TEXT NOT NULL UNIQUE,  -- as in the record
	record TEXT NOT NULL          -- JSON, as in docs/schemas/record.json
) STRICT;

-- The digests that have changed, for the gates. Whatever tool changes a key, a trigger sees it.
CREATE TABLE IF NOT EXISTS changes (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	digest TEXT NOT NULL
) STRICT;

CREATE TRIGGER IF NOT EXISTS key_added AFTER INSERT ON keys BEGIN
	INSERT INTO changes (digest) VALUES (new.digest);
END;

CREATE TRIGGER IF NOT EXISTS key_changed AFTER UPDATE ON keys BEGIN
	INSERT INTO changes (digest) VALUES (new.digest);
	INSERT INTO changes (digest) SELECT old.digest WHERE old.digest <> new.digest;
END;

CREATE TRIGGER IF NOT EXISTS key_deleted AFTER DELETE ON keys BEGIN
	INSERT INTO changes (digest) VALUES (old.digest);
END;

CREATE TRIGGER IF NOT EXISTS changes_end AFTER INSERT ON changes BEGIN
	DELETE FROM changes WHERE number <= new.number - 1000;
END;
