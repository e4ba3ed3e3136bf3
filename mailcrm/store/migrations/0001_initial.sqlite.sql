-- The search index: FTS5 over terms that core/search_terms.py has cut already, so the tokenizer
-- only splits at spaces. Subject weighs ten times a word of the body, people five times.

CREATE TABLE main.email_terms (
    email_id INTEGER PRIMARY KEY REFERENCES email (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    people TEXT NOT NULL,
    body TEXT NOT NULL
);

CREATE VIRTUAL TABLE main.email_index USING fts5 (
    subject, people, body,
    content = 'email_terms', content_rowid = 'email_id',
    tokenize = 'unicode61 remove_diacritics 0'
);
INSERT INTO email_index (email_index, rank) VALUES ('rank', 'bm25(10.0, 5.0, 1.0)');

CREATE TRIGGER main.email_terms_added AFTER INSERT ON email_terms BEGIN
    INSERT INTO email_index (rowid, subject, people, body)
    VALUES (new.email_id, new.subject, new.people, new.body);
END;

CREATE TRIGGER main.email_terms_removed AFTER DELETE ON email_terms BEGIN
    INSERT INTO email_index (email_index, rowid, subject, people, body)
    VALUES ('delete', old.email_id, old.subject, old.people, old.body);
END;
