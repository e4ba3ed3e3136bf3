-- The search index: FTS5 over terms that core/search_terms.py has cut already, so the tokenizer
-- only splits at spaces. Subject weighs ten times a word of the body, people five times; a word that
-- is only quoted weighs so little that hundreds of them come after one that is new.

CREATE TABLE main.email_terms (
    email_id INTEGER PRIMARY KEY REFERENCES email (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    people TEXT NOT NULL,
    body BLOB NOT NULL,
    quoted BLOB NOT NULL
);

CREATE VIRTUAL TABLE main.email_index USING fts5 (
    subject, people, body, quoted,
    content = '',
    tokenize = 'ascii'
);
INSERT INTO email_index (email_index, rank) VALUES ('rank', 'bm25(10.0, 5.0, 1.0, 0.0001)');
-- Each batch of emails makes a part; twice as many as usual may wait to be merged.
INSERT INTO email_index (email_index, rank) VALUES ('automerge', 8);

-- Bytes of memory for what a statement adds: enough for a batch, or it would make several parts.
INSERT INTO email_index (email_index, rank) VALUES ('hashsize', 8000000);

-- A row of the index is numbered by the day on which the email was received, in days since 1970, and then,
-- in the lower 32 bits, by the email's id: so the newest come last.
CREATE TRIGGER main.email_index_removed BEFORE DELETE ON email BEGIN
    INSERT INTO email_index (email_index, rowid, subject, people, body, quoted)
    SELECT 'delete', ((CAST(strftime('%s', old.received_at) AS INTEGER) / 86400) << 32) | old.id,
           subject, people, CAST(unpacked(body) AS TEXT),
           CASE quoted WHEN '' THEN '' ELSE CAST(unpacked(quoted) AS TEXT) END
    FROM email_terms WHERE email_id = old.id;
END;

-- The terms of an email that stays. When they go with their email, it is gone already, and its trigger was here.
CREATE TRIGGER main.email_terms_removed BEFORE DELETE ON email_terms BEGIN
    INSERT INTO email_index (email_index, rowid, subject, people, body, quoted)
    SELECT 'delete', ((CAST(strftime('%s', received_at) AS INTEGER) / 86400) << 32) | id,
           old.subject, old.people, CAST(unpacked(old.body) AS TEXT),
           CASE old.quoted WHEN '' THEN '' ELSE CAST(unpacked(old.quoted) AS TEXT) END
    FROM email WHERE id = old.email_id;
END;
