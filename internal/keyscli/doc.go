// Package keyscli is the command `ingest-keys`, which creates, imports, lists,
// checks, rotates and revokes keys in a key file or in Vault.
//
// A key enters only through standard input, and leaves only once, when it is made: on
// standard output or in a file. It is in no argument, no message and no other output.
package keyscli
