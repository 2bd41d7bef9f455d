package keysync

import (
	"encoding/json"
	"errors"
	"io"
)

// ReadKeyFile reads records in the form of a key file,
// {"keys":[{"digest":"<hex>","key_id":"key_…"},…]}, one by one, and passes each to add,
// which reports whether the digest is new. The error is a *RecordError unless r itself
// failed.
func ReadKeyFile(r io.Reader, add func(Digest, *Record) bool) error {
	lines := &lineReader{r: r, line: 1}
	f := &fileDecoder{
		lines:   lines,
		json:    json.NewDecoder(lines),
		decoder: newPoolingDecoder(filePool),
		keyIDs:  make(map[string]struct{}),
		add:     add,
	}
	return f.file()
}

type fileDecoder struct {
	lines   *lineReader
	json    *json.Decoder
	decoder *decoder
	raw     json.RawMessage // the record being read; its memory is used again
	keyIDs  map[string]struct{}
	add     func(Digest, *Record) bool
}

func (f *fileDecoder) file() error {
	if err := f.delim('{', "", errors.New("a key file must be an object")); err != nil {
		return err
	}
	if err := f.member("keys"); err != nil {
		return err
	}
	if err := f.delim('[', "keys", errors.New("must be an array of records")); err != nil {
		return err
	}
	for f.json.More() {
		if err := f.record(); err != nil {
			return err
		}
	}
	if _, err := f.token(); err != nil {
		return err
	}
	if err := f.member(""); err != nil {
		return err
	}
	if _, err := f.json.Token(); !errors.Is(err, io.EOF) {
		return f.fail("", errors.New("the file has more text after the end of its object"))
	}
	return nil
}

// member reads the name of the file's next member, or the end of its object if
// name is empty.
func (f *fileDecoder) member(name string) error {
	t, err := f.token()
	got, isName := t.(string)
	switch {
	case err != nil:
		return err
	case !isName && name != "":
		return f.fail(name, errMissing)
	case got == name:
		return nil
	case got == "keys":
		return f.fail(got, errTwice)
	}
	return unknownField([]byte(got), f.line())
}

// record reads one element of keys.
func (f *fileDecoder) record() error {
	if err := f.json.Decode(&f.raw); err != nil {
		return f.syntax(err)
	}
	line := f.lines.at(f.json.InputOffset() - int64(len(f.raw)))
	var d Digest
	rec := new(Record)
	if err := f.decoder.record(f.raw, rec, &d); err != nil {
		if e, ok := errors.AsType[*RecordError](err); ok {
			e.Line += line - 1
		}
		return err
	}
	if !f.add(d, rec) {
		return &RecordError{Line: line, Field: fieldDigest, Problem: errFileTwice.Error()}
	}
	if _, ok := f.keyIDs[rec.KeyID]; ok {
		return &RecordError{Line: line, Field: fieldKeyID, Problem: errFileTwice.Error()}
	}
	f.keyIDs[rec.KeyID] = struct{}{}
	return nil
}

var errFileTwice = errors.New("is given twice in the file")

func (f *fileDecoder) delim(want json.Delim, field string, problem error) error {
	t, err := f.token()
	if err != nil {
		return err
	}
	if t != want {
		return f.fail(field, problem)
	}
	return nil
}

func (f *fileDecoder) token() (json.Token, error) {
	t, err := f.json.Token()
	if err != nil {
		return nil, f.syntax(err)
	}
	return t, nil
}

func (f *fileDecoder) line() int {
	return f.lines.at(f.json.InputOffset())
}

func (f *fileDecoder) fail(field string, problem error) error {
	return &RecordError{Line: f.line(), Field: field, Problem: problem.Error()}
}

// syntax finds the line of a syntax error. The decoder counts its offset from another
// start, so the rest of the input is read once more.
func (f *fileDecoder) syntax(err error) error {
	if f.lines.err != nil && !errors.Is(f.lines.err, io.EOF) {
		return f.lines.err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	e := syntaxError(nil, err)
	rest, _ := io.ReadAll(f.json.Buffered())
	e.Line = f.line()
	if again, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(rest, new(json.RawMessage))); ok {
		e.Line = f.lines.at(f.json.InputOffset() + again.Offset)
	}
	return e
}

// lineReader turns offsets into line numbers.
type lineReader struct {
	r    io.Reader
	err  error   // of the last Read
	read int64   // bytes read so far
	line int     // of the last offset asked for
	ends []int64 // offsets of the line ends read since
}

// Read reads from the underlying reader and notes where lines end.
func (l *lineReader) Read(p []byte) (n int, err error) {
	n, err = l.r.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			l.ends = append(l.ends, l.read+int64(i))
		}
	}
	l.read += int64(n)
	l.err = err
	return n, err
}

// at returns the line of an offset. Offsets must not go down.
func (l *lineReader) at(offset int64) int {
	n := 0
	for n < len(l.ends) && l.ends[n] < offset {
		n++
	}
	l.ends = append(l.ends[:0], l.ends[n:]...)
	l.line += n
	return l.line
}
