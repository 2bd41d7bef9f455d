#!/usr/bin/env bash
# Lets the gate's pods read records in Vault, which runs in the same cluster. Run it
# once, with VAULT_ADDR and VAULT_TOKEN of an administrator.
set -euo pipefail
cd "$(dirname "$0")"

vault auth list -format=json | grep -q '"kubernetes/"' || vault auth enable kubernetes
vault write auth/kubernetes/config kubernetes_host=https://kubernetes.default.svc
vault policy write ingest-gateway ../../../docs/vault-policy.hcl
vault write auth/kubernetes/role/ingest-gateway @role.json
