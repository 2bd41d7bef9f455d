package redistest

import (
	"bufio"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Fake starts a server that answers each command, given as its words, as a
// test wants; with "" it hangs up. It returns its address.
func Fake(t testing.TB, answer func(words []string) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { serveFake(conn, answer) })
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
	return l.Addr().String()
}

func serveFake(conn net.Conn, answer func([]string) string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		words, err := readCommand(in)
		if err != nil {
			return
		}
		text := answer(words)
		if _, err := conn.Write([]byte(text)); err != nil || text == "" {
			return
		}
	}
}

// readCommand reads "*2\r\n$3\r\nGET\r\n$1\r\na\r\n".
func readCommand(in *bufio.Reader) ([]string, error) {
	n, err := readLength(in, '*')
	words := make([]string, 0, n)
	for range n {
		var size int
		if size, err = readLength(in, '$'); err != nil {
			return nil, err
		}
		word := make([]byte, size+len("\r\n"))
		for i := range word {
			if word[i], err = in.ReadByte(); err != nil {
				return nil, err
			}
		}
		words = append(words, string(word[:size]))
	}
	return words, err
}

func readLength(in *bufio.Reader, kind byte) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, errors.New("no command")
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}
