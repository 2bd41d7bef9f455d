# What those need who create, list, rotate and revoke keys with `ingest-keys`.
#
#   vault policy write ingest-keys-admin docs/vault-policy-admin.hcl

# Records, the change feed, and the index of key IDs.
path "secret/data/ingest/keys/*" {
  capabilities = ["create", "read", "update"]
}

# Only to list: nothing is deleted, a key is revoked instead.
path "secret/metadata/ingest/keys/*" {
  capabilities = ["list"]
}
