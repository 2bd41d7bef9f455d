// Package filestat tells whether a file has changed.
package filestat

import (
	"io/fs"
	"syscall"
)

// Version tells one content of a path from another.
type Version struct {
	device, inode uint64
	Size          int64
	modified      int64 // Unix nanoseconds
	changed       int64 // Unix nanoseconds, of the inode
}

// Of returns the version that a file has.
func Of(info fs.FileInfo) Version {
	v := Version{Size: info.Size(), modified: info.ModTime().UnixNano()}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		v.device = uint64(s.Dev) //nolint:unconvert // 32 bits wide on some platforms
		v.inode, v.changed = s.Ino, s.Ctim.Nano()
	}
	return v
}
