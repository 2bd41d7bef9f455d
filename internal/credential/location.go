package credential

import "github.com/ingestauth/caddy-ingest-auth/config"

// location says how a style adds locations to the finder: for credentials, and for places
// that are only emptied. Everything else about a style is in config.
type location struct {
	find   func(o *Options, l config.Location)
	remove func(to *Locations, l config.Location)
}

// locations has a row for each of config.LocationStyles.
var locations = map[string]location{
	config.InBearer: {
		func(o *Options, _ config.Location) { o.Bearer = true },
		func(to *Locations, _ config.Location) { to.Bearer = true },
	},
	config.InScheme: {
		func(o *Options, l config.Location) { o.Schemes = append(o.Schemes, l.Names...) },
		func(to *Locations, l config.Location) { to.Schemes = append(to.Schemes, l.Names...) },
	},
	config.InCookie: {
		func(o *Options, l config.Location) { o.Pairs = append(o.Pairs, cookies(l)...) },
		func(to *Locations, l config.Location) { to.Pairs = append(to.Pairs, cookies(l)...) },
	},
	config.InPath: {
		func(o *Options, l config.Location) { o.Paths = append(o.Paths, l.Names...) },
		func(to *Locations, l config.Location) { to.Paths = append(to.Paths, l.Names...) },
	},
	config.InBasic: {
		func(o *Options, l config.Location) { o.Basic = partOfBasic(l) },
		func(to *Locations, _ config.Location) { to.Basic = true },
	},
	config.InHeader: {
		func(o *Options, l config.Location) { addHeader(&o.Headers, &o.Pairs, l) },
		func(to *Locations, l config.Location) { addHeader(&to.Headers, &to.Pairs, l) },
	},
	config.InQuery: {
		func(o *Options, l config.Location) { o.Query = append(o.Query, l.Names...) },
		func(to *Locations, l config.Location) { to.Query = append(to.Query, l.Names...) },
	},
	config.InBody: {
		func(o *Options, l config.Location) { addMembers(&o.Body, &o.BodyRows, l) },
		func(to *Locations, l config.Location) { addMembers(&to.Body, &to.BodyRows, l) },
	},
	config.InForm: {
		func(o *Options, l config.Location) { o.Form = append(o.Form, l.Names...) },
		func(to *Locations, l config.Location) { to.Form = append(to.Form, l.Names...) },
	},
	config.InMultipart: {
		func(o *Options, l config.Location) { o.Multipart = append(o.Multipart, l.Names...) },
		func(to *Locations, l config.Location) { to.Multipart = append(to.Multipart, l.Names...) },
	},
}

// Find makes the finder look for credentials in a location, which must be valid.
func (o *Options) Find(l config.Location) { locations[l.In].find(o, l) }

// Add adds a location, which must be valid.
func (to *Locations) Add(l config.Location) { locations[l.In].remove(to, l) }

// partOfBasic is the part that is the key, as Options.Basic says it.
func partOfBasic(l config.Location) string {
	if len(l.Names) == 0 {
		return "any"
	}
	return l.Names[0]
}

func addHeader(whole *[]string, pairs *[]Pair, l config.Location) {
	if l.Param == "" {
		*whole = append(*whole, l.Names...)
		return
	}
	*pairs = append(*pairs, headerParams(l)...)
}

func addMembers(members *[]string, rows *[]BodyRow, l config.Location) {
	if l.Rows == "" {
		*members = append(*members, l.Names...)
		return
	}
	for _, name := range l.Names {
		*rows = append(*rows, BodyRow{Name: name, In: l.Rows})
	}
}
