-- The clock: every way to ask for the current time says the transaction time, which
-- is the same when a statement is planned and when it runs. These macros stand in
-- the search path before DuckDB's own functions.
CREATE MACRO now() AS getvariable('transaction_time')::TIMESTAMPTZ;
CREATE MACRO transaction_timestamp() AS getvariable('transaction_time')::TIMESTAMPTZ;
CREATE MACRO statement_timestamp() AS getvariable('transaction_time')::TIMESTAMPTZ;
CREATE MACRO clock_timestamp() AS getvariable('transaction_time')::TIMESTAMPTZ;
CREATE MACRO get_current_timestamp() AS getvariable('transaction_time')::TIMESTAMPTZ;
CREATE MACRO "current_timestamp"() AS getvariable('transaction_time')::TIMESTAMPTZ;
CREATE MACRO current_localtimestamp() AS getvariable('transaction_time')::TIMESTAMPTZ::TIMESTAMP;
CREATE MACRO "localtimestamp"() AS getvariable('transaction_time')::TIMESTAMPTZ::TIMESTAMP;
CREATE MACRO current_localtime() AS getvariable('transaction_time')::TIMESTAMPTZ::TIMESTAMP::TIME;
CREATE MACRO "localtime"() AS getvariable('transaction_time')::TIMESTAMPTZ::TIMESTAMP::TIME;
CREATE MACRO get_current_time() AS getvariable('transaction_time')::TIMESTAMPTZ::TIMETZ;
CREATE MACRO "current_time"() AS getvariable('transaction_time')::TIMESTAMPTZ::TIMETZ;
CREATE MACRO "current_date"() AS getvariable('transaction_time')::TIMESTAMPTZ::DATE;
CREATE MACRO today() AS getvariable('transaction_time')::TIMESTAMPTZ::DATE;
CREATE MACRO age(since) AS system.main.age(getvariable('transaction_time')::TIMESTAMPTZ::DATE::TIMESTAMP, since::TIMESTAMP), (later, since) AS system.main.age(later, since);
CREATE MACRO ago(span) AS getvariable('transaction_time')::TIMESTAMPTZ - span::INTERVAL;
