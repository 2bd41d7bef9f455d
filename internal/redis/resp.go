package redis

import (
	"bufio"
	"errors"
	"net"
	"strconv"
	"strings"
)

// Bounds of an answer: no answer that is asked for comes near them, and a
// server that is not Redis must not make the gate run out of memory.
const (
	maxElements = 1 << 16
	maxText     = 1 << 10 // bytes of a string; longer errors are cut
)

// errProtocol does not quote what came: that could be anything.
var errProtocol = errors.New("the server does not answer as Redis does")

// Reply is an answer in RESP2, the Redis serialization protocol. Arrays, also
// those in arrays, are flattened.
type Reply struct {
	Numbers []int64
	Texts   []string
	err     error // a ServerError, or why there is no answer
}

// ServerError is what a server answers instead, such as "MOVED 3999 host:6381".
type ServerError string

func (e ServerError) Error() string { return "the server answered " + string(e) }

// Code returns the first word, which says what kind of error it is.
func (e ServerError) Code() string {
	code, _, _ := strings.Cut(string(e), " ")
	return code
}

// readOnly reports whether a replica has refused to write. Before version 7 the
// code stands amid the text, as the script's error.
func (e ServerError) readOnly() bool { return strings.Contains(string(e), "READONLY ") }

// sendsOn returns the node that the one that was asked says is the one to ask, for this
// command (ASK) or from now on (MOVED): by slot and address, as in
// "MOVED 3999 host:6381". Without a host it means its own. IPv6 addresses have no
// brackets there.
func (e ServerError) sendsOn(code, asked string) (address string, ok bool) {
	words := strings.Fields(string(e))
	if len(words) != 3 || words[0] != code {
		return "", false
	}
	colon := strings.LastIndexByte(words[2], ':')
	if colon < 0 {
		return "", false
	}
	host, port := strings.Trim(words[2][:colon], "[]"), words[2][colon+1:]
	if host == "" {
		host, _, _ = net.SplitHostPort(asked)
	}
	return net.JoinHostPort(host, port), true
}

// command returns a command of the given words.
func command(words ...string) []byte {
	b := AppendArray(nil, len(words))
	for _, word := range words {
		b = AppendWord(b, word)
	}
	return b
}

// AppendArray appends how many words a command has, which must follow.
func AppendArray(b []byte, n int) []byte { return appendCount(b, '*', n) }

// appendCount appends how many words a command has ('*') or bytes a word ('$').
func appendCount(b []byte, kind byte, n int) []byte {
	return append(strconv.AppendInt(append(b, kind), int64(n), 10), '\r', '\n')
}

// AppendWord appends a word of a command.
func AppendWord[T string | []byte](b []byte, word T) []byte {
	b = appendCount(b, '$', len(word))
	return append(append(b, word...), '\r', '\n')
}

// AppendNumber appends a number as a word of a command.
func AppendNumber(b []byte, n int64) []byte {
	var digits [20]byte
	return AppendWord(b, strconv.AppendInt(digits[:0], n, 10))
}

// readReply reads one answer. It fails if the connection does or if the server
// breaks the protocol; an error that the server answers is in the reply.
func readReply(in *bufio.Reader, r *Reply) error {
	r.Numbers, r.Texts, r.err = r.Numbers[:0], r.Texts[:0], nil
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
func (r *Reply) readElement(in *bufio.Reader, most int) (more int, err error) {
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
		r.Numbers = append(r.Numbers, n)
	case '+':
		r.Texts = append(r.Texts, string(line))
	case '-':
		r.err = ServerError(line[:min(len(line), maxText)])
	default:
		return 0, errProtocol
	}
	return 0, nil
}

// readText reads a string whose length stands in the line.
func (r *Reply) readText(in *bufio.Reader, line []byte) error {
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
	r.Texts = append(r.Texts, string(text[:n]))
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
