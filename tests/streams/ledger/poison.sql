-- A value that only the database refuses.
CREATE FUNCTION ledger.refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF new.tenant_id = 'poison' THEN
    RAISE EXCEPTION 'poison' USING ERRCODE = 'data_exception';
  END IF;
  RETURN new;
END
$$;
CREATE TRIGGER refuse_poison BEFORE INSERT ON ledger.calls FOR EACH ROW EXECUTE FUNCTION ledger.refuse_poison();
