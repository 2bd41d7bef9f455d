package kubernetes

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func TestPodsAreAdmittedByTheRestrictedStandard(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	eachVariant(t, func(t *testing.T, v variant) {
		template := v.deployment.Spec.Template
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec))
		if !result.Allowed {
			t.Errorf("refused: %s", result.ForbiddenDetail())
		}
	})
}

func TestContainersAreLockedDown(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		if len(v.containers()) != 2 {
			t.Fatalf("%d containers, want gate and service", len(v.containers()))
		}
		for _, c := range v.containers() {
			if c.SecurityContext == nil || !isTrue(c.SecurityContext.ReadOnlyRootFilesystem) {
				t.Errorf("%s can write to its root file system", c.Name)
			}
			for _, mount := range c.VolumeMounts {
				if !mount.ReadOnly && v.volume(t, mount.Name).EmptyDir == nil {
					t.Errorf("%s can write to %s", c.Name, mount.MountPath)
				}
			}
		}
	})
}

func TestOnlyTheGateHasAToken(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		if !isFalse(v.pod().AutomountServiceAccountToken) || !isFalse(v.serviceAccount.AutomountServiceAccountToken) {
			t.Error("the token for the API server is mounted")
		}
		for _, mount := range v.container(t, "service").VolumeMounts {
			volume := v.volume(t, mount.Name)
			if volume.Projected != nil || volume.Secret != nil {
				t.Errorf("the service has the secrets of %s", volume.Name)
			}
		}
	})
}

// volume returns the pod's volume of a name.
func (v variant) volume(t *testing.T, name string) corev1.Volume {
	t.Helper()
	for _, volume := range v.pod().Volumes {
		if volume.Name == name {
			return volume
		}
	}
	t.Fatalf("no volume %s", name)
	panic("unreachable")
}

func isTrue(b *bool) bool  { return b != nil && *b }
func isFalse(b *bool) bool { return b != nil && !*b }
