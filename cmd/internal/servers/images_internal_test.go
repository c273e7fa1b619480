package servers

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestComposeRunsTheSameImages(t *testing.T) {
	text, err := os.ReadFile("../../../docker/compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Image       string
			Command     []string
			Ports       []string
			Tmpfs       []string
			Volumes     []string
			Healthcheck struct{ Test []string }
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Services) != len(images()) || len(file.Volumes) != 0 {
		t.Errorf("%d services and %d volumes, want %d and none", len(file.Services), len(file.Volumes), len(images()))
	}
	for _, i := range images() {
		service, found := file.Services[i.server]
		if !found {
			t.Errorf("no service %s", i.server)
			continue
		}
		if service.Image != i.reference {
			t.Errorf("%s: image %s, want %s", i.server, service.Image, i.reference)
		}
		if !slices.Equal(service.Command, i.command) {
			t.Errorf("%s: command %q, want %q", i.server, service.Command, i.command)
		}
		if want := fmt.Sprintf("127.0.0.1:%d:%d", i.port, i.port); !slices.Equal(service.Ports, []string{want}) {
			t.Errorf("%s: ports %q, want %s alone", i.server, service.Ports, want)
		}
		if !slices.Equal(service.Tmpfs, i.memory) || len(service.Volumes) != 0 {
			t.Errorf("%s: in memory %q, volumes %q, want %q and none", i.server, service.Tmpfs, service.Volumes, i.memory)
		}
		if len(service.Healthcheck.Test) == 0 {
			t.Errorf("%s: no health check", i.server)
		}
	}
}

func TestImagesArePinned(t *testing.T) {
	exact := regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z]+)?(@sha256:[0-9a-f]{64})?$`)
	references := []string{kindNode}
	for _, i := range images() {
		references = append(references, i.reference)
		if i.server == "" || i.port == 0 || len(i.command) == 0 || i.variable == "" || (i.readyPath == "") == (i.readyLine == "") {
			t.Errorf("incomplete: %+v", i)
		}
	}
	for _, reference := range references {
		if !exact.MatchString(reference) {
			t.Errorf("%s has no exact version", reference)
		}
	}
}

func TestKindFileIsTheOneInUse(t *testing.T) {
	text, err := os.ReadFile("../../../docker/kind.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != kindConfig {
		t.Errorf("docker/kind.yaml is\n%s\nwant\n%s", text, kindConfig)
	}
	var file struct {
		Nodes []struct{ Image string }
	}
	if err := yaml.Unmarshal(text, &file); err != nil || len(file.Nodes) != 1 || !strings.Contains(file.Nodes[0].Image, "@sha256:") {
		t.Errorf("%v: want one node with a digest, got %+v", err, file)
	}
}
