-- A token of a pipeline files a build for going live, and nothing else.
ALTER TABLE api_token DROP CONSTRAINT api_token_scope_check;
ALTER TABLE api_token ADD CONSTRAINT api_token_scope_check CHECK (scope IN ('stop-only', 'read', 'operate', 'build'));
