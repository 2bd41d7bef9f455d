package kubernetes

import (
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// decoder refuses kinds that Kubernetes does not have, and fields that its kinds
// do not have.
var decoder = newDecoder()

func newDecoder() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
}

// variant is one kustomization as the API server would get it.
type variant struct {
	deployment     *appsv1.Deployment
	configMap      *corev1.ConfigMap
	service        *corev1.Service
	serviceAccount *corev1.ServiceAccount
	networkPolicy  *networkingv1.NetworkPolicy
	budget         *policyv1.PodDisruptionBudget
}

// eachVariant runs a test for the base and for every overlay.
func eachVariant(t *testing.T, test func(*testing.T, variant)) {
	t.Helper()
	overlays, err := filepath.Glob("overlays/*")
	if err != nil || len(overlays) == 0 {
		t.Fatalf("no overlays: %v", err)
	}
	for _, dir := range append(overlays, "base") {
		t.Run(dir, func(t *testing.T) { test(t, build(t, dir)) })
	}
}

// build runs kustomize in a directory and decodes what it makes.
func build(t *testing.T, dir string) variant {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var v variant
	for _, resource := range resources.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", resource.CurId(), err)
		}
		v.add(t, object)
	}
	return v
}

func (v *variant) add(t *testing.T, object runtime.Object) {
	t.Helper()
	switch o := object.(type) {
	case *appsv1.Deployment:
		v.deployment = o
	case *corev1.ConfigMap:
		v.configMap = o
	case *corev1.Service:
		v.service = o
	case *corev1.ServiceAccount:
		v.serviceAccount = o
	case *networkingv1.NetworkPolicy:
		v.networkPolicy = o
	case *policyv1.PodDisruptionBudget:
		v.budget = o
	default:
		t.Fatalf("a %T that no test looks at", o)
	}
}

func (v variant) pod() corev1.PodSpec { return v.deployment.Spec.Template.Spec }

// containers returns all of a pod's containers, sidecars included.
func (v variant) containers() []corev1.Container {
	return append(append([]corev1.Container(nil), v.pod().InitContainers...), v.pod().Containers...)
}

func (v variant) container(t *testing.T, name string) corev1.Container {
	t.Helper()
	for _, c := range v.containers() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no container %s", name)
	panic("unreachable")
}

// unpack writes the config map's files to a directory, as the kubelet mounts them.
func (v variant) unpack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range v.configMap.Data {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
