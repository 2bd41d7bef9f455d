package keyscli

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// listWriter writes records as the rows of a table, or as lines of JSON.
type listWriter struct {
	json  io.Writer
	table *tabwriter.Writer
}

func newListWriter(w io.Writer, asJSON bool) *listWriter {
	if asJSON {
		return &listWriter{json: w}
	}
	l := &listWriter{table: newTable(w)}
	fmt.Fprintln(l.table, "KEY ID\tACCOUNT\tMODE\tENV\tSTATE\tCREATED\tEXPIRES")
	return l
}

func (l *listWriter) row(v view) error {
	if l.json != nil {
		return printJSON(l.json, v)
	}
	_, err := fmt.Fprintf(l.table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.KeyID, cell(v.Account), v.Mode,
		cell(v.Env), v.State, cell(moment(v.CreatedAt.Time())), cell(moment(v.ExpiresAt.Time())))
	return err
}

func (l *listWriter) flush() error {
	if l.json != nil {
		return nil
	}
	return l.table.Flush()
}
