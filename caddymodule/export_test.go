package caddymodule

// BufferedBytes returns the memory that buffered bodies take in the running
// configuration.
func BufferedBytes() int64 {
	app, err := runningApp()
	if err != nil {
		return 0
	}
	return app.counters.memory.value.Held()
}

// Lingering returns how many configurations that were replaced keep something.
func Lingering() (n int) {
	lingering.Range(func(_, _ any) bool { n++; return true })
	return n
}

// BodiesBeingRead returns how many requests of the running configuration wait for
// their body.
func BodiesBeingRead() int64 {
	app, err := runningApp()
	if err != nil {
		return 0
	}
	return app.hold.users.Load() - 1 // the configuration itself
}

// DefaultBufferMemory is defaultBufferMemory.
var DefaultBufferMemory = defaultBufferMemory
