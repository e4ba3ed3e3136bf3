-- The search index: FTS5 over terms that core/search_terms.py has cut already, so the tokenizer
-- only splits at spaces. Subject weighs ten times a word of the body, people five times.

CREATE TABLE main.email_terms (
    email_id INTEGER PRIMARY KEY REFERENCES email (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    people TEXT NOT NULL,
    body BLOB NOT NULL
);

CREATE VIRTUAL TABLE main.email_index USING fts5 (
    subject, people, body,
    content = '',
    tokenize = 'ascii'
);
INSERT INTO email_index (email_index, rank) VALUES ('rank', 'bm25(10.0, 5.0, 1.0)');
-- Each batch of emails makes a part; twice as many as usual may wait to be merged.
INSERT INTO email_index (email_index, rank) VALUES ('automerge', 8);

-- Bytes of memory for what a statement adds: enough for a batch, or it would make several parts.
INSERT INTO email_index (email_index, rank) VALUES ('hashsize', 8000000);

-- A row of the index is numbered by the day on which the email was received, in days since 1970, and then,
-- in the lower 32 bits, by the email's id: so the newest come last.
CREATE TRIGGER main.email_index_removed BEFORE DELETE ON email BEGIN
    INSERT INTO email_index (email_index, rowid, subject, people, body)
    SELECT 'delete', ((CAST(strftime('%s', old.received_at) AS INTEGER) / 86400) << 32) | old.id,
           subject, people, CAST(unpacked(body) AS TEXT)
    FROM email_terms WHERE email_id = old.id;
END;
