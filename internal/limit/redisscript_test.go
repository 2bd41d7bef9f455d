package limit

import "testing"

func TestAppendEval(t *testing.T) {
	take := Take{Key: CounterKey{15: 0xff}, Rate: Rate{1 << 53, 24 * 3600e9}, Cost: 0}
	got := string(appendEval(nil, "EVALSHA", "name", OpPeek, []Take{take}))
	want := "*8\r\n$7\r\nEVALSHA\r\n$4\r\nname\r\n$1\r\n1\r\n" +
		"$62\r\ningest_auth:{limits}:000000000000000000000000000000ff:86400000\r\n" +
		"$4\r\npeek\r\n$8\r\n86400000\r\n$16\r\n9007199254740992\r\n$1\r\n0\r\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
