package keysync

import (
	"testing"
	"time"
)

func TestState(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	past, future := now.Add(-time.Microsecond), now.Add(time.Microsecond)
	tests := []struct {
		name string
		rec  Record
		want State
	}{
		{"no times", Record{}, StateActive},
		{"created in the future", Record{CreatedAt: MomentOf(future)}, StateActive},
		{"valid from now", Record{NotBefore: MomentOf(now)}, StateActive},
		{"not yet", Record{NotBefore: MomentOf(future)}, StateNotYetValid},
		{"expires now", Record{ExpiresAt: MomentOf(now)}, StateExpired},
		{"expires next", Record{ExpiresAt: MomentOf(future)}, StateActive},
		{"expired", Record{ExpiresAt: MomentOf(past)}, StateExpired},
		{"revoked now", Record{RevokedAt: MomentOf(now)}, StateRevoked},
		{"revoked next", Record{RevokedAt: MomentOf(future)}, StateActive},
		{"revoked and expired", Record{RevokedAt: MomentOf(past), ExpiresAt: MomentOf(past)}, StateRevoked},
		{"revoked and not yet valid", Record{RevokedAt: MomentOf(past), NotBefore: MomentOf(future)}, StateRevoked},
		{"other time zone", Record{ExpiresAt: MomentOf(now.In(time.FixedZone("x", 3600)))}, StateExpired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.rec.State(now); got != tt.want {
				t.Errorf("State = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStateNames(t *testing.T) {
	for s, want := range map[State]string{
		StateActive: "active", StateNotYetValid: "not_yet_valid", StateExpired: "expired", StateRevoked: "revoked", 9: "invalid",
	} {
		if s.String() != want {
			t.Errorf("State(%d) = %s, want %s", uint8(s), s, want)
		}
	}
}

func TestHasScope(t *testing.T) {
	r := Record{Scopes: []string{"events:write", "a"}}
	for s, want := range map[string]bool{"events:write": true, "a": true, "events": false, "": false, "*": false} {
		if r.HasScope(s) != want {
			t.Errorf("HasScope(%q) = %v", s, !want)
		}
	}
}

func TestAllows(t *testing.T) {
	r := Record{Resources: map[string][]string{"project": {"p1", "p2"}, "any": {"*"}, "none": {}}}
	tests := []struct {
		resource, value string
		want            bool
	}{
		{"project", "p1", true},
		{"project", "p2", true},
		{"project", "p", false},
		{"project", "P1", false},
		{"project", "*", false},
		{"any", "whatever", true},
		{"none", "p1", false},
		{"unsaid", "p1", false},
	}
	for _, tt := range tests {
		if got := r.Allows(tt.resource, tt.value); got != tt.want {
			t.Errorf("Allows(%q, %q) = %v", tt.resource, tt.value, got)
		}
	}
	if new(Record).Allows("project", "p1") {
		t.Error("a record without resources allows one")
	}
}
