-- The search index: a tsvector of terms that core/search_terms.py has cut already, so no text
-- search parser is asked. The columns carry the terms in; the trigger keeps only the vector.

CREATE TABLE main.email_terms (
    email_id BIGINT PRIMARY KEY REFERENCES email (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    people TEXT NOT NULL,
    body TEXT NOT NULL,
    quoted TEXT NOT NULL,
    vector TSVECTOR NOT NULL
);
CREATE INDEX email_terms_vector ON email_terms USING gin (vector);
-- A search for a word that is everywhere begins with the newest emails.
CREATE INDEX email_newest ON email (received_at);

-- Positions leave a gap between the four parts, so that no phrase crosses from one to the next;
-- 16383 is the highest position that a tsvector holds.
CREATE FUNCTION main.email_terms_vector() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, main, pg_temp AS $$
DECLARE
    subject TEXT[] := string_to_array(NEW.subject, ' ');
    people TEXT[] := string_to_array(NEW.people, ' ');
    before_people INTEGER := cardinality(subject) + 1;
    body TEXT[] := string_to_array(NEW.body, ' ');
    before_body INTEGER := before_people + cardinality(people) + 1;
    before_quoted INTEGER := before_body + cardinality(body) + 1;
BEGIN
    NEW.vector := coalesce((
        SELECT string_agg(quote_literal(term) || ':' || least(place, 16383) || weight, ' ')::tsvector
        FROM (
            SELECT term, place, 'A' AS weight FROM unnest(subject) WITH ORDINALITY AS s (term, place)
            UNION ALL
            SELECT term, before_people + place, 'B' FROM unnest(people) WITH ORDINALITY AS p (term, place)
            UNION ALL
            SELECT term, before_body + place, 'C' FROM unnest(body) WITH ORDINALITY AS b (term, place)
            UNION ALL
            SELECT term, before_quoted + place, 'D'
            FROM unnest(string_to_array(NEW.quoted, ' ')) WITH ORDINALITY AS q (term, place)
        ) AS words
    ), ''::tsvector);
    NEW.subject := '';
    NEW.people := '';
    NEW.body := '';
    NEW.quoted := '';
    RETURN NEW;
END
$$;

CREATE TRIGGER email_terms_vector BEFORE INSERT ON main.email_terms
FOR EACH ROW EXECUTE FUNCTION main.email_terms_vector();
