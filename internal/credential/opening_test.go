package credential

import (
	"bytes"
	"encoding/hex"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// textEncodings write a text as some reader may read it.
var textEncodings = map[string]func(text string) string{
	"as it is": func(text string) string { return text },
	"UTF-16LE": func(text string) string { return utf16Of(text, 0, 1) },
	"UTF-16BE": func(text string) string { return utf16Of(text, 1, 0) },
	"UTF-32LE": func(text string) string { return utf32Of(text, 0, 1, 2, 3) },
	"UTF-32BE": func(text string) string { return utf32Of(text, 3, 2, 1, 0) },
}

func utf16Of(text string, order ...int) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		for _, i := range order {
			b = append(b, byte(u>>(8*i)))
		}
	}
	return string(b)
}

func utf32Of(text string, order ...int) string {
	var b []byte
	for _, r := range text {
		for _, i := range order {
			b = append(b, byte(r>>(8*i)))
		}
	}
	return string(b)
}

// leadIns are what some reader skips before JSON.
var leadIns = []string{
	"", " ", "\n\t\r ", "\x00", "\x00\x00", "\x01", "\x0b", "\x0c", "\x1c\x1f", "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u3000", "\ufeff", "\ufeff\ufeff",
	"\ufeff \ufeff", "/**/", "/* { [ */", "/***/", "/* * / **/", "// x\n", "//\r", "//\n//\n", " /**/ // {\n /**/", "/**/\u00a0/**/", "# x\n",
}

// openings are the beginnings that readers know, and a text that has a key.
var openings = []string{
	`{"token":"K2"}`, `[{"token":"K2"}]`, ` [[1,{"token":"K2"}]]`, `[1,{"token":"K2"}]`, `[null ,{"token":"K2"}]`, `["a",{"token":"K2"}]`, `{ token : "K2"}`, `{'token':'K2'}`,
	`{/**/"token":"K2"}`, "{// x\n\"token\":\"K2\"}", "{\u00a0token/**/:\"K2\"}", `[/**/{"token":"K2"}]`, `{$a_1é:"",token:"K2"}`, `{1:1,"token":"K2"}`, `[-1.5e3,{"token":"K2"}]`,
}

// eachOpening calls do for every way to begin that is tried.
func eachOpening(do func(body string)) {
	for _, encode := range textEncodings {
		for _, leadIn := range leadIns {
			for _, text := range openings {
				do(encode(leadIn + text))
			}
		}
		for c := range 256 {
			do(string([]byte{byte(c)}) + encode(openings[0]))
			do(string([]byte{0xff, byte(c), 0xfe, 0x80}) + encode(openings[0]))
		}
	}
	do(guard + "\n" + openings[0])
}

// jsonReaders read a body in hex per line and answer 1 if they see a key in it.
var jsonReaders = map[string][]string{
	"Node": {"node", "-e", `
const vm = require('vm'), context = vm.createContext({})
const seen = read => { try { return JSON.stringify(read()).includes('K2') } catch { return false } }
require('readline').createInterface({input: process.stdin}).on('line', hex => {
  const texts = ['utf-8', 'utf-16le', 'utf-16be', 'latin1'].map(e => new TextDecoder(e).decode(Buffer.from(hex, 'hex')))
  console.log(texts.some(t => seen(() => JSON.parse(t)) || seen(() => JSON.parse(t.trim())) || seen(() => vm.runInContext('(' + t + '\n)', context))) ? 1 : 0)
})`},
	"Python": {"python3", "-c", `
import json, sys
def seen(read):
    try: value = read()
    except Exception: return False
    return isinstance(value, (dict, list)) and 'K2' in json.dumps(value)
for line in sys.stdin:
    b = bytes.fromhex(line)
    reads = [lambda: json.loads(b), lambda: json.loads(b.decode(errors='ignore'))]
    for e in 'utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-16-be', 'utf-32', 'utf-32-le', 'utf-32-be', 'latin-1':
        reads += [lambda e=e: json.loads(b.decode(e)), lambda e=e: json.loads(b.decode(e).strip()), lambda e=e: json.loads(b.decode(e).strip('\ufeff\0 '))]
    print(int(any(seen(r) for r in reads)))`},
	"PHP": {"php", "-r", `
while (($line = fgets(STDIN)) !== false) {
	$b = hex2bin(trim($line));
	$texts = [$b, trim($b), ltrim($b, "\0..\x20")];
	foreach (['UTF-16', 'UTF-16LE', 'UTF-16BE', 'UTF-32', 'UTF-32LE', 'UTF-32BE'] as $e) {
		$t = @iconv($e, 'UTF-8', $b);
		if ($t !== false) { $texts[] = $t; $texts[] = trim($t); }
	}
	$seen = false;
	foreach ($texts as $t) $seen = $seen || str_contains((string)json_encode(json_decode($t)), 'K2');
	echo (int)$seen, "\n";
}`},
	"Ruby": {"ruby", "-rjson", "-e", `
STDIN.each_line do |line|
	b = [line.strip].pack('H*')
	seen = %w[UTF-8 UTF-16LE UTF-16BE UTF-16 UTF-32LE UTF-32BE UTF-32 ISO-8859-1].any? do |e|
		t = b.dup.force_encoding(e).encode('UTF-8')
		[t, t.strip].any? { |s| JSON.parse(s).to_s.include?('K2') rescue false }
	rescue EncodingError, ArgumentError
		false
	end
	puts(seen ? 1 : 0)
end`},
}

// read asks a reader about bodies, and skips the test if it is not there.
func readAll(t *testing.T, command, bodies []string) []bool {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		t.Skipf("needs %s", command[0])
	}
	var in strings.Builder
	for _, body := range bodies {
		in.WriteString(hex.EncodeToString([]byte(body)) + "\n")
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(in.String())
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err, said.String())
	}
	lines := bytes.Fields(out)
	if len(lines) != len(bodies) {
		t.Fatalf("%d answers to %d bodies", len(lines), len(bodies))
	}
	read := make([]bool, len(bodies))
	for i, line := range lines {
		read[i] = string(line) == "1"
	}
	return read
}

// TestOpensJSONForWhoeverReadsIt: what a real reader takes for JSON opens JSON,
// and no beginning of it says that it does not.
func TestOpensJSONForWhoeverReadsIt(t *testing.T) {
	var bodies []string
	eachOpening(func(body string) { bodies = append(bodies, body) })
	for name, command := range jsonReaders {
		t.Run(name, func(t *testing.T) {
			n := 0
			for i, read := range readAll(t, command, bodies) {
				if !read {
					continue
				}
				n++
				if opens, _ := OpensJSON([]byte(bodies[i]), true); !opens {
					t.Errorf("%q does not open JSON", bodies[i])
				}
				checkBeginnings(t, bodies[i])
			}
			if n < 100 {
				t.Errorf("only %d of %d bodies were read: the reader is not what it was", n, len(bodies))
			}
		})
	}
}

func checkBeginnings(t *testing.T, body string) {
	t.Helper()
	for n := range len(body) {
		if opens, decided := OpensJSON([]byte(body[:n]), false); decided && !opens {
			t.Errorf("%q is ruled out by its first %d bytes", body, n)
		}
	}
}

// TestOpensJSON has what no reader of this machine reads, but others do: Gson skips
// lines with '#' and the guard and takes '=' for a colon, org.json skips control
// characters and has names of several words.
func TestOpensJSON(t *testing.T) {
	for _, leadIn := range append(slices.Clone(leadIns), guard, guard+"\n", "\x1e", "\x01\x08\x1f", "# {\n#[\n") {
		for _, text := range append(slices.Clone(openings), `{"a":1`, `{}`, `[]`, `{token="K2"}`, `{token=>"K2"}`, `[a;{"token":"K2"}]`, `[,{"token":"K2"}]`, `{a b c :1,"token":"K2"}`, `[a b,{"token":"K2"}]`) {
			for name, encode := range textEncodings {
				body := encode(leadIn + text)
				if opens, _ := OpensJSON([]byte(body), true); !opens {
					t.Errorf("%s: %q does not open JSON", name, body)
				}
				checkBeginnings(t, body)
			}
		}
	}
}

// others are bodies that nobody takes for JSON, although some begin with what
// readers skip, and have a bracket there.
var others = []string{
	"", " ", "\r\n\t ", "\ufeff", "\x00", strings.Repeat("\x00", 1000), "//", "/* {", "# title", "/", "/x",
	"hello", "true", "\"a\"", "1", "null", "a=1&b={}", "a,b\n1,2\n", "<a>{}</a>", "--x\r\nContent-Type: a\r\n\r\n{}",
	"# title\n\ntext [1]", "// x", "{", "[", "[word", "{word", "[2026-01-01 10:00] started", "[not one word] x", "{{name}}, hello", "{ echo; }", "{]", "[}", "(){}",
	"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", "GIF89a{", "\xff\xd8\xff\xe0\x00\x10JFIF", "\x1f\x8b\x08\x00[{", "PK\x03\x04", "%PDF-1.7\n{", "\x7fELF\x02\x01\x01", "\x00\x01\x02\x03\x04",
	"\x0a\x7b\x0a\x05hello\x12\x02ab", "\x0a\x5b\x0a\x05hello\x12\x02ab", "\x08\x01\x12\x5bsome text", "\x08\x01\x12\x7bsome text\x1a\x01x", // protobuf
	"\x00\x00\x00\x00\x7b\x0a\x05hello\x10\x01", "\x00\x00\x00\x5b\x0a\x05hello\x10\x01", // its frames
	"\x81\xa5token\xa2K2", "\xa1\x65token\x62K2", "\x16\x03\x01\x00\x5b\x01", // MessagePack, CBOR, TLS
}

func TestOpensJSONLeavesOthersAlone(t *testing.T) {
	for _, body := range others {
		if opens, decided := OpensJSON([]byte(body), true); opens || !decided {
			t.Errorf("%q: opens JSON: %t, decided: %t", body, opens, decided)
		}
	}
	for name, command := range jsonReaders {
		t.Run(name, func(t *testing.T) {
			for i, read := range readAll(t, command, others) {
				if read {
					t.Errorf("%q is read", others[i])
				}
			}
		})
	}
}

// TestOpensJSONIsDecidedEarly: of what is streamed, a few bytes are enough.
func TestOpensJSONIsDecidedEarly(t *testing.T) {
	for body, enough := range map[string]int{"hello": 4, "\x89PNG": 4, `{"`: 2, "[1,": 3, "\ufeff{\"": 5, "a=1&": 4, "  hello": 6, "[2026 x:": 8} {
		if _, decided := OpensJSON([]byte(body[:min(enough, len(body))]), false); !decided {
			t.Errorf("%q is not decided by %d bytes", body, enough)
		}
	}
	for _, body := range []string{"", " ", "\x00\x00\x00\x00", "/", "/* hello", "{", "[hello", "# hello"} {
		if _, decided := OpensJSON([]byte(body), false); decided {
			t.Errorf("%q is decided", body)
		}
	}
}

func FuzzOpensJSON(f *testing.F) {
	n := 0
	eachOpening(func(body string) {
		if n++; n%16 == 0 {
			f.Add([]byte(body))
		}
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		opens, decided := OpensJSON(body, true)
		if !decided {
			t.Fatal("a whole body is not decided")
		}
		for n := range len(body) {
			if early, decided := OpensJSON(body[:n], false); decided && early != opens {
				t.Fatalf("%q: %t, but %t from %d bytes", body, opens, early, n)
			}
		}
		// What the gate reads as rows is seen to be JSON, too.
		s := new(Set)
		if _, err := newFinder(t, Options{Keep: true}).JSON(body, false, s); err == nil && (s.Shape() == ShapeObject || s.Shape() == ShapeArray) && !opens {
			t.Fatalf("%q is JSON and does not open it", body)
		}
	})
}
