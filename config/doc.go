// Package config holds the plain settings of the gate and of the app that gates
// share: their defaults, the small languages they are written in (durations,
// sizes, path patterns), and their validation. An error names the setting and
// says what to write instead. The package knows nothing of Caddy.
package config
