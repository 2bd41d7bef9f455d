package limit

import (
	"crypto/sha1" //nolint:gosec // Redis names scripts by their SHA-1
	_ "embed"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/redis"
)

// keyPrefix has the hash tag that puts all counters into one slot of a cluster: only then
// can one script use several of them.
const keyPrefix = "ingest_auth:{limits}:"

//go:embed take.lua
var takeScript string

// takeScriptName is what EVALSHA calls takeScript.
var takeScriptName = func() string {
	sum := sha1.Sum([]byte(takeScript)) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}()

var opNames = [...]string{OpTake: "take", OpPeek: "peek", OpAdd: "add"}

// probeTake is the counter for probes.
var probeTake = []Take{{Key: KeyOf("probe"), Rate: Rate{1, time.Second}, Cost: 1}}

// appendEval appends the command that runs the script: EVALSHA with its name,
// or EVAL with its text.
func appendEval(b []byte, command, script string, op Op, takes []Take) []byte {
	b = redis.AppendArray(b, 4+4*len(takes))
	b = redis.AppendWord(b, command)
	b = redis.AppendWord(b, script)
	b = redis.AppendNumber(b, int64(len(takes)))
	for i := range takes {
		var name [96]byte
		b = redis.AppendWord(b, appendCounterName(name[:0], &takes[i]))
	}
	b = redis.AppendWord(b, opNames[op])
	for i := range takes {
		t := &takes[i]
		b = redis.AppendNumber(b, t.Rate.Window.Milliseconds())
		b = redis.AppendNumber(b, t.Rate.N)
		b = redis.AppendNumber(b, t.Cost)
	}
	return b
}

// appendCounterName appends the name of a counter in Redis.
func appendCounterName(b []byte, t *Take) []byte {
	b = append(b, keyPrefix...)
	b = hex.AppendEncode(b, t.Key[:])
	b = append(b, ':')
	return strconv.AppendInt(b, t.Rate.Window.Milliseconds(), 10)
}

// statesOf reads what the script returned.
func statesOf(numbers []int64, op Op, takes []Take, states []State) (fits bool, err error) {
	if len(numbers) != 2+2*len(takes) {
		return false, fmt.Errorf("answer of %d numbers for %d counters", len(numbers), len(takes))
	}
	fits, now := numbers[0] == 1, numbers[1]
	for i := range takes {
		states[i] = stateAfter(op, fits, &takes[i], numbers[2+2*i], numbers[3+2*i], now)
	}
	return fits, nil
}

// stateAfter describes a counter that the script left with used units.
func stateAfter(op Op, fits bool, t *Take, end, used, now int64) State {
	var taken int64
	if op == OpAdd || op == OpTake && fits {
		taken = t.Cost
	}
	s := stateOf(t, used-taken, end, now)
	s.Remaining = max(0, t.Rate.N-used)
	return s
}
