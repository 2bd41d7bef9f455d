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

// readKey reads one key from standard input, as it is or in a JSON object. On a terminal it asks for the
// key, and does not show what is typed.
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
	lines.Buffer(nil, maxLine)
	lines.Scan()
	key := lines.Text()
	if lines.Scan() {
		return nil, errors.New(`reading the key: more than one line was given; write a key that has line ends as {"key":"…"}, with \n in it`)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	return oneKey(key)
}

// oneKey reads a key as import does, so that what was imported can be verified.
func oneKey(line string) ([]byte, error) {
	if strings.TrimSpace(line) == "" {
		return nil, errors.New("standard input has no key")
	}
	key, _, err := readKeyLine([]byte(line))
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	return []byte(key), nil
}
