// Package e2e tests the binary as it is run: with a command line, signals, and
// its exit code.
package e2e
