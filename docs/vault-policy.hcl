# What a gateway may do in Vault: read the records and the change feed, nothing
# else. It cannot list keys and cannot write. Change "secret" and "ingest/keys"
# if your mount and prefix differ.
#
#   vault policy write ingest-gateway docs/vault-policy.hcl

# The record of a digest, at <first two hex digits>/<digest>.
path "secret/data/ingest/keys/+/+" {
  capabilities = ["read"]
}

# The change feed, read once a second.
path "secret/data/ingest/keys/changes" {
  capabilities = ["read"]
}
