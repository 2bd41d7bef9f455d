package keyscli

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// progress shows on a terminal how far an import has come.
type progress struct {
	w     io.Writer // nil if there is no terminal, or not much to do
	total int
}

func newProgress(w io.Writer, total int) *progress {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || total <= pieceSize {
		return new(progress)
	}
	return &progress{w: w, total: total}
}

func (p *progress) show(done int) {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r%d of %d keys (%d %%)", done, p.total, 100*done/p.total)
	}
}

func (p *progress) end() {
	if p.w != nil {
		fmt.Fprintln(p.w)
	}
}
