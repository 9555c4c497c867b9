// Package volumes makes, grows and removes the volumes of the local cluster.
//
// A volume is a sparse file with an XFS filesystem, mounted by a loop device
// inside the mount namespace of its node: bounded in size as a disk is, and
// grown while it is in use. XFS because its kernel code asks CAP_SYS_ADMIN to
// grow; ext4 asks CAP_SYS_RESOURCE, which root may lack in a container.
package volumes

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Provisioner is the name that the StorageClass asks for.
const Provisioner = "odradek.dev/volumes"

// NewCommand is `kube volumes`: one process for all nodes of the machine.
func NewCommand() *cobra.Command {
	var kubeconfig, nodes string
	cmd := &cobra.Command{
		Use:          "volumes",
		Short:        "makes, grows and removes the volumes of the local cluster",
		SilenceUsage: true,
		Args:         cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return run(kubeconfig, nodes)
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the cluster")
	cmd.Flags().StringVar(&nodes, "nodes", "", "folder that holds one folder for each node")
	for _, flag := range []string{"kubeconfig", "nodes"} {
		_ = cmd.MarkFlagRequired(flag)
	}
	return cmd
}

func run(kubeconfig, nodes string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	claims := factory.Core().V1().PersistentVolumeClaims()
	disks := &disks{nodes: nodes}
	provisioning := controller.NewProvisionController(ctx, client, Provisioner,
		&provisioner{disks: disks},
		controller.LeaderElection(false),
		controller.ClaimsInformer(claims.Informer()),
		// A stopped node comes back: never give a claim up, try again soon.
		controller.FailedProvisionThreshold(0),
		controller.FailedDeleteThreshold(0),
		controller.RateLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](500*time.Millisecond, 5*time.Second)),
	)
	growing := newGrower(ctx, client, claims.Lister(), disks)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	go growing.run(ctx)
	provisioning.Run(ctx)
	return nil
}
