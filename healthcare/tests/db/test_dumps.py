"""The statements allowed in a PostgreSQL dump: a crafted file need not come from pg_dump."""

import pytest

from healthcare.db.postgresql.dumps import UnknownStatementError, created_tables

KNOWN = {"patients_patient", "accounts_user"}
TABLE = 'CREATE TABLE public.patients_patient (\n    id bigint NOT NULL,\n    "left" integer\n);\n'
ROWS = "COPY public.patients_patient (id, name) FROM stdin;\n1\tDROP TABLE x;\n\\.\n"


def test_tables_rows_and_indexes_are_accepted():
    script = f"""--
-- Name: patients_patient; Type: TABLE

\\restrict abc
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
ALTER TABLE IF EXISTS ONLY public.patients_patient DROP CONSTRAINT IF EXISTS patients_patient_pkey;
DROP TABLE IF EXISTS public.patients_patient;
{TABLE}{ROWS}
SELECT pg_catalog.setval('public.patients_patient_id_seq', 1, true);
ALTER TABLE ONLY public.patients_patient
    ADD CONSTRAINT p CHECK (((gender)::text = ANY (ARRAY['it''s; --'::text, 'evil('::text])));
CREATE UNIQUE INDEX u ON public.patients_patient USING btree (lower((name)::text), "left"(phone, 1));
\\unrestrict abc
"""

    assert created_tables(script.splitlines(keepends=True), KNOWN) == {"patients_patient"}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT evil();",
        "SELECT pg_catalog.setval('s', 1, true), evil();",
        "SELECT pg_catalog.setval('s', evil(), true);",
        "SELECT pg_catalog.set_config('session_authorization', '', false);",
        "SELECT pg_catalog.set_config('search_path', 'evil', false);",
        "SET client_encoding = 'SJIS';",
        "SET standard_conforming_strings = off;",
        "SET search_path = evil;",
        "SET row_security = off; DROP TABLE accounts_user;",
        "COPY public.patients_patient (id) FROM PROGRAM 'id';",
        "COPY public.patients_patient (id) FROM '/etc/passwd';",
        "COPY public.patients_patient (id) TO PROGRAM 'id';",
        "COPY public.pg_authid (rolname) FROM stdin;",
        "COPY public.patients_patient (id) FROM stdin WHERE evil();",
        "INSERT INTO public.patients_patient VALUES (1);",
        "CREATE TABLE public.patients_patient (id) AS SELECT rolpassword FROM pg_authid WHERE (true);",
        "CREATE TABLE public.patients_patient (id bigint) INHERITS (accounts_user);",
        "CREATE TABLE public.patients_patient (LIKE pg_authid INCLUDING ALL);",
        "ALTER TABLE public.patients_patient ADD CONSTRAINT c CHECK (true), OWNER TO evil;",
        "ALTER TABLE public.patients_patient ALTER COLUMN id SET DEFAULT 1, DISABLE TRIGGER ALL;",
        "ALTER TABLE public.patients_patient ADD CONSTRAINT c CHECK (true), ALTER name TYPE text USING (current_user);",
        "DROP FUNCTION IF EXISTS public.f();",
        "DROP TABLE IF EXISTS public.patients_patient; SELECT evil();",
        "DROP TABLE IF EXISTS public.payroll;",
        "CREATE EXTENSION IF NOT EXISTS plpython3u WITH SCHEMA public;",
        "CREATE TABLE public.patients_patient (id int DEFAULT evil());",
        "CREATE TABLE public.patients_patient (id int DEFAULT pg_catalog.evil ());",
        'CREATE TABLE public.patients_patient (id int DEFAULT "evil"());',
        'CREATE TABLE public.patients_patient (id int DEFAULT U&"evil"());',
        'CREATE TABLE public.patients_patient (id int DEFAULT "e vil"());',
        "CREATE TABLE public.patients_patient (id int DEFAULT evil/**/());",
        "CREATE TABLE public.patients_patient (id int DEFAULT evil--\n());",
        "CREATE TABLE public.patients_patient (t text DEFAULT E'\\'' || evil() || '');",
        "CREATE TABLE public.patients_patient (t text DEFAULT $$'$$ || evil() || $$'$$);",
        "CREATE TABLE public.patients_patient (id int) INHERITS (accounts_user);",
        "CREATE TABLE public.patients_patient AS SELECT evil();",
        "CREATE TABLE public.payroll (id int);",
        "ALTER TABLE public.patients_patient ALTER COLUMN id SET DEFAULT evil();",
        "ALTER TABLE ONLY public.patients_patient ADD CONSTRAINT c CHECK (evil());",
        "ALTER TABLE public.patients_patient ENABLE ROW LEVEL SECURITY;",
        "ALTER TABLE public.patients_patient OWNER TO evil;",
        "CREATE INDEX i ON public.patients_patient USING btree (evil(name));",
        "CREATE INDEX i ON public.patients_patient USING btree (name) WHERE evil();",
        "DO 'evil';",
        "\\! id",
        "\\restrict a b",
        "without an end",
    ],
)
@pytest.mark.parametrize("before", ["", TABLE + ROWS], ids=["alone", "after rows"])
def test_any_other_statement_is_refused(before, statement):
    with pytest.raises(UnknownStatementError):
        created_tables(f"{before}{statement}\n".splitlines(keepends=True), KNOWN)
