package metrics

import "testing"

func TestLocationNumber(t *testing.T) {
	for location, want := range map[string]string{
		"": "none", "bearer": "bearer", "header X-API-Key": "header", "query apiKey": "query",
		"body token": "body", "basic": "basic", "form key": "form",
	} {
		if got := locations[locationNumber(location)]; got != want {
			t.Errorf("%q: %s, want %s", location, got, want)
		}
	}
}

func TestLasting(t *testing.T) {
	var l Lasting
	a, b := uint64(3), uint64(0)
	end := l.Follow(func() uint64 { return a })
	l.Follow(func() uint64 { return b })
	a, b = 5, 2
	if got := l.sum(); got != 7 {
		t.Errorf("while both count: %d", got)
	}
	end()
	a, b = 0, 4
	if got := l.sum(); got != 9 {
		t.Errorf("after one has ended: %d", got)
	}
}
