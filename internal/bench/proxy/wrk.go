package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// turn is what one run of wrk has shown.
type turn struct {
	cpu        float64 // µs of the proxy per request
	throughput float64 // requests/s
	p50, p99   float64 // latency in ms
	requests   int64
}

// result ends every script: it prints the figures as numbers, one line for the machine.
const result = `
done = function(summary, latency, requests)
	local e = summary.errors
	io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
		latency:percentile(50), latency:percentile(99),
		e.connect + e.read + e.write + e.timeout + e.status))
end
`

// writeScripts writes the two kinds of load for wrk: the key in a header, and in a body.
func writeScripts(dir, key string) (header, body string, err error) {
	event, err := eventWithKey(key)
	if err != nil {
		return "", "", err
	}
	header, body = filepath.Join(dir, "header.lua"), filepath.Join(dir, "body.lua")
	get := fmt.Sprintf("wrk.path = \"/v1/events\"\nwrk.headers[\"X-API-Key\"] = %q\n", key)
	post := fmt.Sprintf("wrk.path = \"/v1/events\"\nwrk.method = \"POST\"\n"+
		"wrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.body = [[%s]]\n", event)
	return header, body, errors.Join(
		os.WriteFile(header, []byte(get+result), 0o600),
		os.WriteFile(body, []byte(post+result), 0o600))
}

// eventWithKey returns a JSON object of 1 KiB with the key as its member token.
func eventWithKey(key string) ([]byte, error) {
	const size = 1 << 10
	event := map[string]any{
		"event":      "page_view",
		"properties": map[string]any{"path": "/pricing", "referrer": "https://example.com/", "width": 1440, "padding": ""},
		"timestamp":  "2026-01-02T03:04:05.678Z",
		"token":      key,
		"userId":     "u-123456",
	}
	b, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	event["properties"].(map[string]any)["padding"] = strings.Repeat("x", size-len(b))
	return json.Marshal(event)
}

// measure has wrk load c for as long as duration says.
func (c *candidate) measure(ctx context.Context, duration time.Duration, connections int) (turn, error) {
	before, err := c.server.cpuTime()
	if err != nil {
		return turn{}, err
	}
	cmd := exec.CommandContext(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections),
		"-d"+strconv.Itoa(int(duration.Seconds()))+"s", "-s", c.script, "http://"+c.server.addr)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return turn{}, fmt.Errorf("running wrk (Debian's package wrk): %w\n%s", err, out)
	}
	after, err := c.server.cpuTime()
	if err != nil {
		return turn{}, err
	}
	t, err := parseResult(string(out), after-before)
	if err != nil {
		return turn{}, fmt.Errorf("measuring %s: %w", c.name, err)
	}
	return t, nil
}

// parseResult reads the line that result prints. Figures of a run in which requests failed
// mean nothing.
func parseResult(out string, cpu time.Duration) (turn, error) {
	_, line, ok := strings.Cut(out, "RESULT ")
	if !ok {
		return turn{}, fmt.Errorf("reading wrk's result: no such line in\n%s", out)
	}
	var requests, micros, p50, p99, failed int64
	if _, err := fmt.Sscan(line, &requests, &micros, &p50, &p99, &failed); err != nil {
		return turn{}, fmt.Errorf("reading wrk's result %q: %w", line, err)
	}
	if failed > 0 || requests == 0 {
		return turn{}, fmt.Errorf("%d of %d requests failed", failed, requests)
	}
	return turn{
		cpu:        float64(cpu.Microseconds()) / float64(requests),
		throughput: float64(requests) / (float64(micros) / 1e6),
		p50:        float64(p50) / 1e3,
		p99:        float64(p99) / 1e3,
		requests:   requests,
	}, nil
}
