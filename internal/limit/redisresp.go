package limit

import (
	"bufio"
	"errors"
	"strconv"
	"strings"
)

// Bounds of an answer: no answer that is asked for comes near them, and a
// server that is none of Redis must not make the gate run out of memory.
const (
	maxElements = 1 << 16
	maxText     = 1 << 10 // bytes of a string; longer errors are cut
)

// errProtocol does not quote what came: that could be anything.
var errProtocol = errors.New("the server does not talk like Redis")

// reply is an answer in RESP2, the Redis serialization protocol. Arrays, also
// those in arrays, are flattened.
type reply struct {
	numbers []int64
	texts   []string
	err     error // a serverError, or why there is no answer
}

// serverError is what a server answers instead, such as "MOVED 3999 host:6381".
type serverError string

func (e serverError) Error() string { return "the server answered " + string(e) }

// code returns the first word, which says what kind of error it is.
func (e serverError) code() string {
	code, _, _ := strings.Cut(string(e), " ")
	return code
}

// readOnly reports whether a replica has refused to write. Before version 7 the
// code stands amid the text, as the script's error.
func (e serverError) readOnly() bool { return strings.Contains(string(e), "READONLY ") }

// command returns a command of the given words.
func command(words ...string) []byte {
	b := appendCount(nil, '*', len(words))
	for _, word := range words {
		b = appendWord(b, word)
	}
	return b
}

// appendCount appends how many words a command has ('*') or bytes a word ('$').
func appendCount(b []byte, kind byte, n int) []byte {
	return append(strconv.AppendInt(append(b, kind), int64(n), 10), '\r', '\n')
}

func appendWord[T string | []byte](b []byte, word T) []byte {
	b = appendCount(b, '$', len(word))
	return append(append(b, word...), '\r', '\n')
}

func appendNumber(b []byte, n int64) []byte {
	var digits [20]byte
	return appendWord(b, strconv.AppendInt(digits[:0], n, 10))
}

// readReply reads one answer. It fails if the connection does or if the server
// breaks the protocol; an error that the server answers is in the reply.
func readReply(in *bufio.Reader, r *reply) error {
	r.numbers, r.texts, r.err = r.numbers[:0], r.texts[:0], nil
	for i, elements := 0, 1; i < elements; i++ {
		more, err := r.readElement(in, maxElements-elements)
		if err != nil {
			return err
		}
		elements += more
	}
	return nil
}

// readElement reads one element. If that is an array, it returns how many
// elements follow, which must not be more than most.
func (r *reply) readElement(in *bufio.Reader, most int) (more int, err error) {
	kind, line, err := readLine(in)
	if err != nil {
		return 0, err
	}
	switch kind {
	case '*':
		return parseCount(line, most)
	case '$':
		return 0, r.readText(in, line)
	case ':':
		n, err := strconv.ParseInt(string(line), 10, 64)
		if err != nil {
			return 0, errProtocol
		}
		r.numbers = append(r.numbers, n)
	case '+':
		r.texts = append(r.texts, string(line))
	case '-':
		r.err = serverError(line[:min(len(line), maxText)])
	default:
		return 0, errProtocol
	}
	return 0, nil
}

// readText reads a string whose length stands in the line.
func (r *reply) readText(in *bufio.Reader, line []byte) error {
	n, err := parseCount(line, maxText)
	if err != nil || string(line) == nothing {
		return err
	}
	text, err := in.Peek(n + len("\r\n"))
	if err != nil {
		return err
	}
	if string(text[n:]) != "\r\n" {
		return errProtocol
	}
	r.texts = append(r.texts, string(text[:n]))
	_, err = in.Discard(len(text))
	return err
}

// readLine reads a line and takes it apart: what kind of element it begins, and
// the rest, which is valid until the next read.
func readLine(in *bufio.Reader) (kind byte, rest []byte, err error) {
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return 0, nil, errProtocol
	}
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("+\r\n") || line[len(line)-2] != '\r' {
		return 0, nil, errProtocol
	}
	return line[0], line[1 : len(line)-2], nil
}

// nothing is the length of an array or string that is not there.
const nothing = "-1"

// parseCount reads a length that is at most the given one. That of nothing is 0.
func parseCount(line []byte, most int) (int, error) {
	if string(line) == nothing {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(line), 10, 31)
	if err != nil || int(n) > most {
		return 0, errProtocol
	}
	return int(n), nil
}
