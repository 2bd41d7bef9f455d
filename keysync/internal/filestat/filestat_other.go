//go:build !linux

// Package filestat tells whether a file has changed.
package filestat

import "io/fs"

// Version tells one content of a path from another.
type Version struct {
	Size     int64
	modified int64 // Unix nanoseconds
}

// Of returns the version that a file has.
func Of(info fs.FileInfo) Version {
	return Version{Size: info.Size(), modified: info.ModTime().UnixNano()}
}
