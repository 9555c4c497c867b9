package volumes

import (
	"github.com/spf13/cobra"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// NewCommand is a placeholder.
func NewCommand() *cobra.Command {
	_ = controller.ProvisioningFinished
	return &cobra.Command{Use: "volumes"}
}
