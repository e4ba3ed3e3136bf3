-- The search index: a tsvector of terms that core/search_terms.py has cut already, so no text
-- search parser is asked. The columns carry the terms in; the trigger keeps only the vector.

CREATE TABLE main.email_terms (
    email_id BIGINT PRIMARY KEY REFERENCES email (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    people TEXT NOT NULL,
    body TEXT NOT NULL,
    vector TSVECTOR NOT NULL
);
CREATE INDEX email_terms_vector ON email_terms USING gin (vector);

-- Positions leave a gap between the three parts, so that no phrase crosses from one to the next;
-- 16383 is the highest position that a tsvector holds.
CREATE FUNCTION main.email_terms_vector() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, main, pg_temp AS $$
BEGIN
    NEW.vector := coalesce((
        SELECT string_agg(quote_literal(term) || ':' || least(place, 16383) || weight, ' ')::tsvector
        FROM (
            SELECT term, place, 'A' AS weight
            FROM unnest(string_to_array(nullif(NEW.subject, ''), ' ')) WITH ORDINALITY AS s (term, place)
            UNION ALL
            SELECT term, place + 1 + coalesce(array_length(string_to_array(nullif(NEW.subject, ''), ' '), 1), 0), 'B'
            FROM unnest(string_to_array(nullif(NEW.people, ''), ' ')) WITH ORDINALITY AS p (term, place)
            UNION ALL
            SELECT term, place + 2 + coalesce(array_length(string_to_array(nullif(NEW.subject, ''), ' '), 1), 0)
                              + coalesce(array_length(string_to_array(nullif(NEW.people, ''), ' '), 1), 0), 'D'
            FROM unnest(string_to_array(nullif(NEW.body, ''), ' ')) WITH ORDINALITY AS b (term, place)
        ) AS words
    ), ''::tsvector);
    NEW.subject := '';
    NEW.people := '';
    NEW.body := '';
    RETURN NEW;
END
$$;

CREATE TRIGGER email_terms_vector BEFORE INSERT ON main.email_terms
FOR EACH ROW EXECUTE FUNCTION main.email_terms_vector();
