// Command kube holds every Kubernetes program of the local test cluster: one
// static binary, so that a cluster needs no image and no download.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/coredns/coredns/coremain"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectlcmd "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	// CoreDNS runs the plugins that are linked in, and only those.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"

	_ "k8s.io/client-go/plugin/pkg/client/auth"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"

	"odradek.dev/e2e/cluster/kube/volumes"
)

// programs maps the first argument to what runs; each returns an exit code.
var programs = map[string]func(args []string) int{
	"etcd":               func(args []string) int { etcdmain.Main(args); return 0 },
	"dns":                func([]string) int { coremain.Run(); return 0 },
	"apiserver":          component(apiserver.NewAPIServerCommand),
	"controller-manager": component(controllermanager.NewControllerManagerCommand),
	"scheduler":          component(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubelet":            component(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	"proxy":              component(proxy.NewProxyCommand),
	"volumes":            component(volumes.NewCommand),
	"kubectl":            kubectl,
}

func component(build func() *cobra.Command) func([]string) int {
	return func([]string) int { return cli.Run(build()) }
}

func kubectl([]string) int {
	if err := cli.RunNoErrOutput(kubectlcmd.NewDefaultKubectlCommand()); err != nil {
		return 1
	}
	return 0
}

func main() {
	// A link named kubectl is kubectl; otherwise the first argument chooses.
	name, rest := filepath.Base(os.Args[0]), os.Args[1:]
	self := name
	if _, ok := programs[name]; !ok {
		if len(rest) == 0 {
			usage()
		}
		name, rest = rest[0], rest[1:]
		self += " " + name
	}
	run, ok := programs[name]
	if !ok {
		usage()
	}
	os.Args = append([]string{self}, rest...)
	os.Exit(run(os.Args))
}

func usage() {
	names := make([]string, 0, len(programs))
	for name := range programs {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(os.Stderr, "usage: kube %s [flags]\n", strings.Join(names, "|"))
	os.Exit(2)
}
