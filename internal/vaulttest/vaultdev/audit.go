//go:build !vault121

package main

import "github.com/hashicorp/vault/builtin/audit/file"

var auditFile = file.Factory
