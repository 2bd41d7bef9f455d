module example.test/backend-go

go 1.24.0

require github.com/ingestauth/caddy-ingest-auth/verify v0.0.0

require (
	github.com/go-jose/go-jose/v4 v4.1.9 // indirect
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
)

// For this checkout only: README.md says what to do in a service of your own.
replace github.com/ingestauth/caddy-ingest-auth/verify => ../../verify
