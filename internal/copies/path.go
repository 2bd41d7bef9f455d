package copies

import "strings"

// Path replaces every copy in an escaped path by a name, so that the path keeps its
// segments and routing still works.
func (k *Key) Path(path, name string) (out string, exact bool) {
	if k.short {
		return k.segments(path, name), true
	}
	return k.untilNone(path, func(path string) (string, bool) {
		edits, exact := k.edits(path, false)
		for i := range edits {
			if edits[i].text == "" {
				edits[i].text = name
			}
		}
		return apply(path, edits), exact
	})
}

// segments is Path for a short key.
func (k *Key) segments(path, name string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if out, _ := k.Text(s); out == "" && s != "" {
			segments[i] = name
		}
	}
	return strings.Join(segments, "/")
}
