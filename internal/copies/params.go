package copies

import "strings"

// Params cuts the copies out of a query or a form. A parameter whose value or name is a
// copy is cut with one separator.
func (k *Key) Params(raw string) (out string, exact bool) {
	return k.untilNone(raw, func(raw string) (string, bool) {
		p := paramCut{k: k, raw: raw, exact: true}
		p.all()
		return apply(raw, p.edits), p.exact
	})
}

type paramCut struct {
	k     *Key
	raw   string
	edits []edit
	exact bool
	kept  bool // a parameter that stays precedes
}

func (p *paramCut) all() {
	for i := 0; i <= len(p.raw); {
		end := len(p.raw)
		if n := strings.IndexAny(p.raw[i:], "&;"); n >= 0 {
			end = i + n
		}
		p.param(i, end)
		i = end + 1
	}
}

// param cuts what is a copy of the parameter raw[i:end].
func (p *paramCut) param(i, end int) {
	if !p.k.In(p.raw[i:end]) {
		p.kept = true
		return
	}
	nameEnd := end
	if n := strings.IndexByte(p.raw[i:end], '='); n >= 0 {
		nameEnd = i + n
	}
	valueStart := min(nameEnd+1, end)
	name, nameExact := p.k.Text(p.raw[i:nameEnd])
	name = strings.ReplaceAll(name, "=", "%3D") // padding that base64 has not had before
	value, valueExact := p.k.Text(p.raw[valueStart:end])
	p.exact = p.exact && nameExact && valueExact
	goneName, goneValue := name == "" && nameEnd > i, value == "" && end > valueStart
	same := name == p.raw[i:nameEnd] && value == p.raw[valueStart:end]
	switch {
	case same && p.k.short && p.raw[i:end] != p.k.text:
		p.kept = true
	case (goneName || goneValue || same) && p.leaves(end): // if both are the same, it has a '=' of its own
		p.gone(i, end)
	default:
		p.exact = p.exact && !goneName && !same && (p.kept || !leads(name) || leads(p.raw[i:]))
		p.edits = append(p.edits, edit{i, nameEnd, name}, edit{valueStart, end, value})
		p.kept = true
	}
}

// leaves tells whether the parameter can be cut: the rest must not then begin with a
// character that some readers drop.
func (p *paramCut) leaves(end int) bool {
	return p.kept || end+1 >= len(p.raw) || !leads(p.raw[end+1:])
}

// leads tells whether a query begins with a character that some readers drop.
func leads(raw string) bool {
	return raw != "" && (raw[0] == '?' || raw[0] == '#' || strings.HasPrefix(raw, "\ufeff"))
}

// gone cuts a parameter.
func (p *paramCut) gone(i, end int) {
	if p.kept {
		p.edits = append(p.edits, edit{i - 1, end, ""})
		return
	}
	p.edits = append(p.edits, edit{i, min(end+1, len(p.raw)), ""})
}
