package copies

// Place is the part of a request in which a copy was.
type Place uint8

// The places.
const (
	InHeader Place = iota
	InCookie
	InPath
	InQuery
	InForm
	InBody // of any other type
	InTrailer

	// NumPlaces is how many there are.
	NumPlaces = int(iota)
)

var placeNames = [NumPlaces]string{"header", "cookie", "path", "query", "form", "body", "trailer"}

// String returns the name, as it is in metrics.
func (p Place) String() string { return placeNames[p] }

// Places is a set of places.
type Places uint8

// Add adds a place.
func (s *Places) Add(p Place) { *s |= 1 << p }

// Has tells whether a place is in the set.
func (s Places) Has(p Place) bool { return s>>p&1 == 1 }

// Names returns the names of the places.
func (s Places) Names() []string {
	var names []string
	for p, name := range placeNames {
		if s.Has(Place(p)) {
			names = append(names, name)
		}
	}
	return names
}
