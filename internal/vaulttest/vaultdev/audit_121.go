//go:build vault121

package main

import "github.com/hashicorp/vault/audit"

var auditFile = audit.NewFileBackend
