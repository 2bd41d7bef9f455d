package copies

import (
	"encoding/base64"
	"strings"
	"testing"
)

const workKey = "iak_live_0123456789abcdefghijklmnopqrstuvABCDEF"

// TestCopiesInOneRunTakeLinearTime has copies that each want to decode the same run of base64,
// all of it or a part. Without a limit each of these takes minutes.
func TestCopiesInOneRunTakeLinearTime(t *testing.T) {
	t.Parallel()
	coded := base64.StdEncoding.EncodeToString
	key := strings.TrimRight(coded([]byte(workKey)), "=")
	for name, text := range map[string]string{
		"no text":         coded([]byte(strings.Repeat("\x00\xff\x01"+workKey+"\x01", 5000))),
		"odd places":      strings.Repeat("A"+key, 5000),
		"in dashes":       strings.Repeat(coded([]byte("ab"+workKey+" x"))+"-", 5000),
		"in slashes":      strings.Repeat(coded([]byte("ab"+workKey+" xyz"))+"/", 5000),
		"percent-encoded": strings.Repeat("%2F"+key, 5000),
	} {
		k := Of([]byte(workKey))
		if out, _ := k.Text(text); k.In(out) {
			t.Errorf("%s: the key is still there", name)
		}
	}
}

// TestLayersOfBase64TakeLinearTime has base64 in base64 with copies in all phases in every
// layer.
func TestLayersOfBase64TakeLinearTime(t *testing.T) {
	t.Parallel()
	text := ""
	for range 24 {
		text = base64.StdEncoding.EncodeToString([]byte(workKey + "," + workKey + ",," + workKey + ",,, " + text))
	}
	k := Of([]byte(workKey))
	if !k.In(text) {
		t.Fatal("no copy")
	}
	if out, _ := k.Text(text); k.In(out) {
		t.Error("the key is still there")
	}
}
