//go:build !linux

package keysync

import "io/fs"

// fileVersion tells one content of a path from another.
type fileVersion struct {
	size     int64
	modified int64 // Unix nanoseconds
}

func versionOf(info fs.FileInfo) fileVersion {
	return fileVersion{size: info.Size(), modified: info.ModTime().UnixNano()}
}
