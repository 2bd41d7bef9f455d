package kubernetes

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestEverySelectorSelectsThePods(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		labels := v.deployment.Spec.Template.Labels
		for name, selector := range map[string]map[string]string{
			"deployment":     v.deployment.Spec.Selector.MatchLabels,
			"service":        v.service.Spec.Selector,
			"network policy": v.networkPolicy.Spec.PodSelector.MatchLabels,
			"budget":         v.budget.Spec.Selector.MatchLabels,
		} {
			if diff := cmp.Diff(labels, selector); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
}

func TestTheServiceOutlivesTheGate(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		http := adapt(t, v.unpack(t)).Apps.HTTP
		gate := time.Duration(http.ShutdownDelay + http.GracePeriod)
		service := time.Duration(v.container(t, "service").Lifecycle.PreStop.Sleep.Seconds) * time.Second
		pod := time.Duration(*v.pod().TerminationGracePeriodSeconds) * time.Second
		if http.ShutdownDelay == 0 || service < gate {
			t.Errorf("the service ends after %s, the gate after %s", service, gate)
		}
		if pod < service+gate { // one after the other, with a native sidecar
			t.Errorf("the pod is killed after %s; it needs %s", pod, service+gate)
		}
	})
}

func TestMemoryFitsTheLimit(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		gate := v.container(t, "gate")
		limit := gate.Resources.Limits.Memory().Value()
		text := ""
		for _, env := range gate.Env {
			if env.Name == "GOMEMLIMIT" {
				text = strings.TrimSuffix(env.Value, "B") // Go's MiB is Kubernetes' Mi
			}
		}
		soft := resource.MustParse(text)
		if s := soft.Value(); s > limit*95/100 || s < limit*80/100 {
			t.Errorf("GOMEMLIMIT is %d bytes, the container's limit %d", s, limit)
		}
		if buffers := adapt(t, v.unpack(t)).Apps.IngestAuth.BufferMemory; buffers == 0 || buffers > limit/2 {
			t.Errorf("bodies may take %d bytes of %d", buffers, limit)
		}
	})
}

// TestKeysAreWhereTheCaddyfileLooks compares the paths and names that have to
// agree between the Caddyfile, the volumes and Vault's role.
func TestKeysAreWhereTheCaddyfileLooks(t *testing.T) {
	role := readRole(t)
	eachVariant(t, func(t *testing.T, v variant) {
		config := adapt(t, v.unpack(t))
		if !config.Admin.Disabled {
			t.Error("the service can change the gate's configuration")
		}
		mounts := map[string]string{} // path → volume
		for _, mount := range v.container(t, "gate").VolumeMounts {
			mounts[mount.MountPath] = mount.Name
		}
		keys := config.Apps.IngestAuth.Keys
		if keys.Source == "file" {
			if v.volume(t, mounts[path.Dir(keys.File)]).Secret == nil {
				t.Errorf("no secret is mounted for %s", keys.File)
			}
			return
		}
		sources := v.volume(t, mounts[path.Dir(keys.Vault.Credential)]).Projected.Sources
		token := sources[0].ServiceAccountToken
		if token.Path != path.Base(keys.Vault.Credential) || token.Audience != role.Audience {
			t.Errorf("token %s for %s; the Caddyfile has %s, the role %s", token.Path, token.Audience, keys.Vault.Credential, role.Audience)
		}
		if role.Accounts != v.pod().ServiceAccountName || role.Accounts != v.serviceAccount.Name || role.Namespaces != v.deployment.Namespace {
			t.Errorf("the role is for %s in %s, the pods are %s in %s", role.Accounts, role.Namespaces, v.pod().ServiceAccountName, v.deployment.Namespace)
		}
		if path.Dir(keys.Vault.CACert) != path.Dir(keys.Vault.Credential) {
			t.Errorf("%s is not mounted", keys.Vault.CACert)
		}
	})
}

// role is what the tests read of Vault's role.
type role struct {
	Accounts   string `json:"bound_service_account_names"`
	Namespaces string `json:"bound_service_account_namespaces"`
	Audience   string `json:"audience"`
}

func readRole(t *testing.T) role {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash("vault/role.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r role
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}
