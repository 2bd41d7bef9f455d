package ingestauth_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"go.uber.org/zap"

	_ "github.com/ingestauth/caddy-ingest-auth"
	"github.com/ingestauth/caddy-ingest-auth/caddymodule"
	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
	"github.com/ingestauth/caddy-ingest-auth/keysync/vault"
)

// A fence with the info string caddyfile is a configuration that can be used as it
// stands, or a part of one; caddyfile-syntax is a grammar with placeholders.
var (
	fence   = regexp.MustCompile("(?ms)^```([a-z-]*)\n(.*?)^```$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	code    = regexp.MustCompile("`([^`]+)`")
)

// otherCaddy is the example whose Caddyfiles are for a Caddy with more modules. It tests them
// itself.
const otherCaddy = "examples/custom-source/"

// recipes is the page for readers in a hurry.
const recipes = "docs/recipes.md"

// readAll returns the content of files by path.
func readAll(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files[path] = string(content)
		}
	}
	return files
}

func adapt(input string) error {
	_, err := adaptFile("Caddyfile", input)
	return err
}

// adaptFile returns the JSON configuration of a Caddyfile.
func adaptFile(path, input string) ([]byte, error) {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), map[string]any{"filename": path})
	return adapted, err
}

// TestDocumentedCaddyfiles adapts every Caddyfile in the documentation, and every
// part of one in the place where it belongs.
func TestDocumentedCaddyfiles(t *testing.T) {
	for path, content := range readAll(t, "README.md", "docs/*.md", "examples/*/README.md") {
		if strings.HasPrefix(path, otherCaddy) {
			continue
		}
		for i, f := range fence.FindAllStringSubmatch(content, -1) {
			if f[1] != "caddyfile" {
				continue
			}
			err := adapt(f[2])
			if !strings.HasPrefix(f[2], "{") && !strings.HasPrefix(f[2], ":") {
				err = adapt(":80 {\n" + f[2] + "}")
				if err != nil && adapt("{\ningest_auth {\n"+f[2]+"}\n}") == nil {
					err = nil
				}
			}
			if err != nil {
				t.Errorf("%s, fence %d: %v\n%s", path, i+1, err, f[2])
			}
		}
	}
}

// TestRecipes: every recipe is a configuration, and leads to the reference.
func TestRecipes(t *testing.T) {
	sections := strings.Split(readAll(t, recipes)[recipes], "\n## ")[1:]
	for _, section := range sections {
		title, _, _ := strings.Cut(section, "\n")
		prose := fence.ReplaceAllString(section, "")
		if n := strings.Count(section, "```caddyfile\n"); n != 1 || !strings.Contains(prose, ".md") {
			t.Errorf("%s: %d configurations, links: %v", title, n, link.FindAllString(prose, -1))
		}
	}
	if len(sections) < 12 {
		t.Errorf("%d recipes, which is fewer than there are", len(sections))
	}
}

// TestProxiesAreTrustedStrictly looks at every configuration that somebody may copy: one
// that trusts proxies must not believe what they pass on from the client, and one that has
// a proxy in front must trust it.
func TestProxiesAreTrustedStrictly(t *testing.T) {
	configs := readAll(t, "Caddyfile", "examples/*/Caddyfile", "examples/*/*/Caddyfile")
	for path, content := range readAll(t, "README.md", "docs/*.md", "examples/*/README.md") {
		for i, f := range fence.FindAllStringSubmatch(content, -1) {
			if f[1] == "caddyfile" && strings.HasPrefix(f[2], "{") {
				configs[fmt.Sprintf("%s, fence %d", path, i+1)] = f[2] + "\n:65000 {\n}\n" // options want a server
			}
		}
	}
	trusting := 0
	for path, content := range configs {
		if strings.HasPrefix(path, otherCaddy) {
			continue
		}
		adapted, err := adaptFile(path, content)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		var cfg struct {
			Apps struct {
				HTTP struct {
					Servers map[string]struct {
						Proxies json.RawMessage `json:"trusted_proxies"`
						Unix    bool            `json:"trusted_proxies_unix"`
						Strict  int             `json:"trusted_proxies_strict"`
					}
				}
			}
		}
		if err := json.Unmarshal(adapted, &cfg); err != nil {
			t.Fatal(err)
		}
		for name, srv := range cfg.Apps.HTTP.Servers {
			trusts := srv.Proxies != nil || srv.Unix
			if trusts {
				trusting++
			}
			if trusts && srv.Strict == 0 {
				t.Errorf("%s, %s: trusted_proxies without trusted_proxies_strict", path, name)
			}
			if !trusts && strings.Contains(content, "in front ends TLS") {
				t.Errorf("%s, %s: something is in front, and not trusted", path, name)
			}
		}
	}
	if trusting < 5 {
		t.Errorf("%d servers trust proxies, which is fewer than there are", trusting)
	}
}

// blocks has a Caddyfile for every block of our grammar, with a subdirective in it
// that does not exist: the error names those that do.
var blocks = map[string]string{
	"global ingest_auth": "{\ningest_auth {\nNONE\n}\n}",
	"keys vault":         "{\ningest_auth {\nkeys vault {\nNONE\n}\n}\n}",
	"cache":              "{\ningest_auth {\ncache {\nNONE\n}\n}\n}",
	"counters":           "{\ningest_auth {\ncounters redis://redis {\nNONE\n}\n}\n}",
	"sign":               "{\ningest_auth {\nsign {\nNONE\n}\n}\n}",
	"ingest_auth":        ":80 {\ningest_auth {\nNONE\n}\n}",
	"scope":              ":80 {\ningest_auth {\nscope a {\nNONE\n}\n}\n}",
	"resource":           ":80 {\ningest_auth {\nresource a path /{a} {\nNONE\n}\n}\n}",
	"format redact_keys": "{\nlog {\nformat redact_keys {\nNONE\n}\n}\n}",
}

// TestDocumentedSubdirectives compares the subdirectives that the parser knows with
// those that the documentation has, in both directions.
func TestDocumentedSubdirectives(t *testing.T) {
	known := regexp.MustCompile(`unknown subdirective "NONE"; use one of (.+), at Caddyfile`)
	documented := documentedSubdirectives(t)
	for block, input := range blocks {
		err := adapt(input)
		m := known.FindStringSubmatch(fmt.Sprint(err))
		if m == nil {
			t.Errorf("%s: the error names no subdirectives: %v", block, err)
			continue
		}
		want := strings.Split(m[1], ", ")
		slices.Sort(want)
		got := slices.Compact(slices.Sorted(slices.Values(documented[block])))
		if !slices.Equal(got, want) {
			t.Errorf("%s: documented are\n%v, known are\n%v", block, got, want)
		}
	}
}

// TestDocumentedLocations: each place where keys may be is in the table that explains them, in
// the grammar, among the words and among the labels of metrics.
func TestDocumentedLocations(t *testing.T) {
	docs := readAll(t, "docs/*.md")
	for _, style := range config.LocationStyles() {
		for path, want := range map[string]string{
			"docs/locations.md":     "\n| `" + style + "` |",
			"docs/configuration.md": "\n\tcredential " + style,
			"docs/concepts.md":      "`" + style + "`",
			"docs/metrics.md":       "`" + style + "`",
		} {
			if !strings.Contains(docs[path], want) {
				t.Errorf("%s: %q is not there", path, want)
			}
		}
	}
}

// TestDocumentedDirectives compares the directives of our handlers with those in the
// documentation.
func TestDocumentedDirectives(t *testing.T) {
	var got, want []string
	for _, id := range caddy.Modules() {
		if name, ok := strings.CutPrefix(id, "http.handlers."); ok && strings.HasPrefix(name, "ingest_auth") {
			want = append(want, name)
		}
	}
	for _, name := range documentedSubdirectives(t)[""] {
		if strings.HasPrefix(name, "ingest_auth") {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("documented are %v, known are %v", got, want)
	}
}

// documentedSubdirectives returns the names in each block in any fence,
// and in the first column of tables of settings. Names outside of all blocks are
// under "". A recipe is no reference: what only recipes have is not documented.
func documentedSubdirectives(t *testing.T) map[string][]string {
	t.Helper()
	names := make(map[string][]string)
	for path, content := range readAll(t, "README.md", "docs/*.md") {
		if path == recipes {
			continue
		}
		for _, f := range fence.FindAllStringSubmatch(content, -1) {
			if strings.HasPrefix(f[1], "caddyfile") {
				collect(f[2], names)
			}
		}
		for _, row := range defaultRows(content) {
			block := strings.TrimSpace(row.block)
			names[block] = append(names[block], strings.Fields(row.name)[0])
		}
	}
	return names
}

// collect walks through a Caddyfile or a grammar.
func collect(text string, names map[string][]string) {
	within := []string{""}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		block := within[len(within)-1]
		switch words[0] {
		case "}":
			within = within[:len(within)-1]
			continue
		case "{":
		default:
			names[block] = append(names[block], words[0])
		}
		if words[len(words)-1] == "{" {
			within = append(within, blockName(block, words))
		}
	}
}

func blockName(parent string, words []string) string {
	switch words[0] {
	case "{":
		return "global"
	case "keys", "format", "transport":
		return words[0] + " " + words[1]
	}
	if parent == "global" {
		return "global " + words[0]
	}
	if _, ok := blocks[words[0]]; ok {
		return words[0]
	}
	if parent == "" {
		return "" // a site: its directives are as good as outside
	}
	return "other"
}

// defaultRow is a row of a table with a column "default".
type defaultRow struct {
	block string // the block of the setting with a space behind, "" for the usual
	name  string // the setting
	value string // the text under "default"
}

// defaultRows reads tables whose first column is headed "setting", or "setting of
// `BLOCK`", and which have a column "default". A row may name several settings.
func defaultRows(content string) (rows []defaultRow) {
	column, block := -1, ""
	for line := range strings.Lines(content) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		first, isTable := strings.CutPrefix(cells[0], "| ")
		switch {
		case !isTable && !strings.HasPrefix(line, "|---"):
			column = -1
		case strings.HasPrefix(first, "setting"):
			column, block = slices.Index(cells, "default"), ""
			if m := code.FindStringSubmatch(first); m != nil {
				block = m[1] + " "
			}
		case column > 0 && isTable:
			for _, m := range code.FindAllStringSubmatch(first, -1) {
				rows = append(rows, defaultRow{block, m[1], cells[column]})
			}
		}
	}
	return rows
}

// TestDocumentedDefaults compares the defaults in the tables with those that the
// code sets. A cell that is one piece of code is a value; anything else says that
// there is none. Every default of the code must be in a table.
func TestDocumentedDefaults(t *testing.T) {
	defaults := codeDefaults(t)
	seen := make(map[string]bool)
	for path, content := range readAll(t, "docs/*.md") {
		for _, row := range defaultRows(content) {
			value, isSet := defaults[row.block+row.name]
			m := code.FindStringSubmatch(row.value)
			switch isValue := m != nil && m[0] == row.value; {
			case isValue != isSet:
				t.Errorf("%s: %s%s: the default is documented as %q; the code sets %v", path, row.block, row.name, row.value, value)
			case isValue && !isWritten(m[1], value):
				t.Errorf("%s: %s%s: the default is documented as %s; the code sets %v", path, row.block, row.name, m[1], value)
			}
			seen[row.block+row.name] = true
		}
	}
	for name, value := range defaults {
		if !seen[name] {
			t.Errorf("the default of %s, %v, is in no table", name, value)
		}
	}
}

// isWritten reports whether a value is what the text says.
func isWritten(text string, value any) bool {
	switch v := value.(type) {
	case config.Duration:
		d, err := config.ParseDuration(text)
		return err == nil && d == v
	case config.Size:
		s, err := config.ParseSize(text)
		return err == nil && s == v
	case int:
		return text == strconv.Itoa(v)
	}
	return text == value
}

// codeDefaults returns what the code sets if nothing is configured, by the words of
// the Caddyfile.
func codeDefaults(t *testing.T) map[string]any {
	t.Helper()
	var gate config.Gate
	app, redis := config.App{Cache: cacheDefaults(t)}, config.App{Counters: config.Counters{Store: "redis"}}
	gate.SetDefaults()
	app.SetDefaults()
	redis.SetDefaults()
	defaults := make(map[string]any)
	flatten("", reflect.ValueOf(gate), defaults)
	flatten("counters ", reflect.ValueOf(redis.Counters), defaults)
	flatten("", reflect.ValueOf(app), defaults)
	flatten("keys ", reflect.ValueOf(fileDefaults(t)), defaults)
	flatten("keys vault ", reflect.ValueOf(vaultDefaults(t)), defaults)
	defaults["counters"] = defaults["counters store"]
	delete(defaults, "counters store")
	return defaults
}

// flatten adds the values of a struct that are not zero by the names they have in
// JSON, which are those of the Caddyfile.
func flatten(prefix string, v reflect.Value, to map[string]any) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		switch f := v.Field(i); {
		case name == "": // no setting
		case f.Kind() == reflect.Struct:
			flatten(prefix+name+" ", f, to)
		case f.Kind() != reflect.Slice && !f.IsZero():
			to[prefix+name] = f.Interface()
		}
	}
}

// fileDefaults returns the settings of a key file that was set up without any.
func fileDefaults(t *testing.T) caddymodule.FileSource {
	t.Helper()
	f := new(caddymodule.FileSource)
	if err := f.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	return *f
}

// cacheDefaults returns the settings of a cache that was made without any.
func cacheDefaults(t *testing.T) config.Cache {
	t.Helper()
	c, err := cache.New(nil, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	opts := reflect.ValueOf(c).Elem().FieldByName("opts")
	return config.Cache{
		Size:    int(opts.FieldByName("Size").Int()),
		Fresh:   config.Duration(opts.FieldByName("Fresh").Int()),
		Unknown: config.Duration(opts.FieldByName("Unknown").Int()),
		Outage:  config.Duration(opts.FieldByName("Outage").Int()),
		Reads:   int(opts.FieldByName("Reads").Int()),
	}
}

// vaultDefaults returns the settings of a Vault that was made without any.
func vaultDefaults(t *testing.T) config.Vault {
	t.Helper()
	v, err := vault.New(vault.Options{Auth: vault.Auth{Token: "none"}}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	opts := reflect.ValueOf(v).Elem().FieldByName("opts")
	return config.Vault{
		Mount:   opts.FieldByName("Mount").String(),
		Prefix:  opts.FieldByName("Prefix").String(),
		Timeout: config.Duration(opts.FieldByName("Timeout").Int()),
	}
}

// TestLinks follows every link to a file or a heading of this repository.
func TestLinks(t *testing.T) {
	for path, content := range readAll(t, "*.md", "docs/*.md", "examples/*/README.md", "verify/README.md") {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(content, ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, ":") {
				continue // another site
			}
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(file); err != nil || !filepath.IsLocal(file) {
				t.Errorf("%s: %s leads nowhere", path, m[1])
			} else if anchor != "" && !slices.Contains(anchors(t, file), anchor) {
				t.Errorf("%s: %s: there is no such heading", path, m[1])
			}
		}
	}
}

// anchors returns those of the headings of a Markdown file, as GitHub makes them.
func anchors(t *testing.T, path string) (all []string) {
	t.Helper()
	content := fence.ReplaceAllString(readAll(t, path)[path], "")
	strip := regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
	for _, m := range heading.FindAllStringSubmatch(content, -1) {
		all = append(all, strings.ReplaceAll(strip.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

// TestIndex wants every page of docs to be in the index.
func TestIndex(t *testing.T) {
	pages := readAll(t, "docs/*.md")
	for path := range pages {
		name := filepath.Base(path)
		if name != "README.md" && !strings.Contains(pages["docs/README.md"], "]("+name+")") {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
}

// TestMakeTargets: every target that docs name exists. In prose only code counts.
func TestMakeTargets(t *testing.T) {
	makefile := readAll(t, "Makefile")["Makefile"]
	command := regexp.MustCompile("(?m)(?:^|`|\\$ )make ([a-z][a-z-]*)")
	n := 0
	for path, content := range readAll(t, "README.md", "docs/*.md") {
		for _, m := range command.FindAllStringSubmatch(content, -1) {
			n++
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s: there is no target %s", path, m[1])
			}
		}
	}
	if n < 10 {
		t.Errorf("%d commands, which is fewer than there are", n)
	}
}
