package kubernetes

import (
	"slices"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestProbesReachRoutesOfTheCaddyfile(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		config := adapt(t, v.unpack(t))
		gate := v.container(t, "gate")
		if gate.ReadinessProbe == nil || gate.LivenessProbe == nil {
			t.Error("the gate lacks a probe")
		}
		for _, c := range v.containers() {
			for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
				if probe == nil {
					continue
				}
				port := portNumber(t, gate, probe.HTTPGet.Port)
				if !slices.Contains(config.paths(port), probe.HTTPGet.Path) {
					t.Errorf("%s: the Caddyfile has no %s on port %d", c.Name, probe.HTTPGet.Path, port)
				}
			}
		}
	})
}

func TestPrometheusScrapesARouteOfTheCaddyfile(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		notes := v.deployment.Spec.Template.Annotations
		port, err := strconv.Atoi(notes["prometheus.io/port"])
		if err != nil {
			t.Fatal(err)
		}
		if paths := adapt(t, v.unpack(t)).paths(int32(port)); !slices.Contains(paths, notes["prometheus.io/path"]) {
			t.Errorf("scraping %s on port %d, which has %v", notes["prometheus.io/path"], port, paths)
		}
	})
}

func TestEveryPortIsListenedOnAndLetThrough(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		var listening []string
		for _, server := range adapt(t, v.unpack(t)).Apps.HTTP.Servers {
			listening = append(listening, server.Listen...)
		}
		var open []int32
		for _, rule := range v.networkPolicy.Spec.Ingress {
			for _, port := range rule.Ports {
				open = append(open, port.Port.IntVal)
			}
		}
		gate := v.container(t, "gate")
		for _, port := range gate.Ports {
			if !slices.Contains(listening, ":"+strconv.Itoa(int(port.ContainerPort))) {
				t.Errorf("nothing listens on %s; the Caddyfile has %v", port.Name, listening)
			}
			if !slices.Contains(open, port.ContainerPort) {
				t.Errorf("the network policy closes %s", port.Name)
			}
		}
		if len(listening) != len(gate.Ports) || len(open) != len(gate.Ports) {
			t.Errorf("ports: listening on %v, open %v, of the container %v", listening, open, gate.Ports)
		}
		portNumber(t, gate, v.service.Spec.Ports[0].TargetPort)
	})
}

// portNumber resolves a port that may be the name of one of the gate's.
func portNumber(t *testing.T, gate corev1.Container, port intstr.IntOrString) int32 {
	t.Helper()
	for _, p := range gate.Ports {
		if p.Name == port.StrVal || p.ContainerPort == port.IntVal {
			return p.ContainerPort
		}
	}
	t.Fatalf("the gate has no port %s", port.String())
	panic("unreachable")
}
