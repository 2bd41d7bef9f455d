package keyscli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxKey is the longest credential a gate takes for a key, in bytes.
const maxKey = 4096

// readKey reads one key from standard input. On a terminal it asks for it, and
// what is typed does not show.
func readKey(cmd *cobra.Command) ([]byte, error) {
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(cmd.ErrOrStderr(), "Key (does not show): ")
		defer fmt.Fprintln(cmd.ErrOrStderr())
		key, err := term.ReadPassword(int(f.Fd()))
		if err != nil {
			return nil, fmt.Errorf("reading the key: %w", err)
		}
		return oneKey(string(key))
	}
	lines := bufio.NewScanner(cmd.InOrStdin())
	lines.Buffer(nil, maxKey+len("\r\n"))
	lines.Scan()
	key := lines.Text()
	if lines.Scan() {
		return nil, errors.New("reading the key: there is more than one line")
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	return oneKey(key)
}

func oneKey(key string) ([]byte, error) {
	if strings.TrimSpace(key) == "" {
		return nil, errors.New("there is no key on standard input")
	}
	return []byte(key), nil
}
