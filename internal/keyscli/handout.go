package keyscli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

// handout hands out a new key, once.
type handout struct {
	out         string
	json, quiet bool
}

func (h *handout) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&h.out, "out", "", "write the key to a new file at `PATH`, which only you can read, not to standard output")
	f.BoolVar(&h.json, "json", false, "write one JSON object to standard output: the record and, without --out, the key")
	f.BoolVar(&h.quiet, "quiet", false, "write nothing but the key")
	cmd.MarkFlagsMutuallyExclusive("json", "quiet")
}

// reserve writes the file, if there is one, before the key is stored: a key that cannot
// be written must not be stored. undo removes it again.
func (h *handout) reserve(key string) (undo func(), err error) {
	if h.out == "" {
		return func() {}, nil
	}
	file, err := os.OpenFile(h.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("writing the key: %s exists and is not overwritten; choose another --out", h.out)
	}
	if err != nil {
		return nil, fmt.Errorf("writing the key: %w", err)
	}
	_, err = file.WriteString(key + "\n")
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		_ = os.Remove(h.out)
		return nil, fmt.Errorf("writing the key: %w", err)
	}
	return func() { _ = os.Remove(h.out) }, nil
}

// give writes the key to standard output, unless it is in a file, and the record
// to standard error: so a script reads only the key.
func (h *handout) give(cmd *cobra.Command, v view) error {
	if err := h.write(cmd, v); err != nil {
		return fmt.Errorf("writing the key: %w; it is lost: revoke %s and make another", err, v.KeyID)
	}
	return nil
}

func (h *handout) write(cmd *cobra.Command, v view) error {
	if h.out != "" {
		v.Key = ""
	}
	if h.json {
		return printJSON(cmd.OutOrStdout(), v)
	}
	if v.Key != "" {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), v.Key); err != nil {
			return err
		}
	}
	if h.quiet {
		return nil
	}
	// The key has been written: a closed standard error must not say it is lost.
	_ = printRecord(cmd.ErrOrStderr(), v)
	return nil
}
