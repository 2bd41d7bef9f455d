package keysync

import (
	"io/fs"
	"syscall"
)

// fileVersion tells one content of a path from another.
type fileVersion struct {
	device, inode uint64
	size          int64
	modified      int64 // Unix nanoseconds
	changed       int64 // Unix nanoseconds, of the inode
}

func versionOf(info fs.FileInfo) fileVersion {
	v := fileVersion{size: info.Size(), modified: info.ModTime().UnixNano()}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		v.device = uint64(s.Dev) //nolint:unconvert // 32 bits wide on some platforms
		v.inode, v.changed = s.Ino, s.Ctim.Nano()
	}
	return v
}
