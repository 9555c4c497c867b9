package volumes

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
)

// grower gives a claim that asks for more what it asks for.
type grower struct {
	client kubernetes.Interface
	claims listers.PersistentVolumeClaimLister
	disks  *disks
	events record.EventRecorder
}

func newGrower(ctx context.Context, client kubernetes.Interface, claims listers.PersistentVolumeClaimLister, disks *disks) *grower {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: client.CoreV1().Events(metav1.NamespaceAll)})
	return &grower{
		client: client, claims: claims, disks: disks,
		events: broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: Provisioner}),
	}
}

// run looks at all claims each second: they are few, and what failed is tried again without a queue.
func (g *grower) run(ctx context.Context) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		claims, err := g.claims.List(labels.Everything())
		if err != nil {
			klog.FromContext(ctx).Error(err, "claims cannot be listed")
			return
		}
		for _, claim := range claims {
			if !wantsMore(claim) {
				continue
			}
			if err := g.grow(ctx, claim); err != nil {
				g.events.Eventf(claim, v1.EventTypeWarning, "VolumeResizeFailed", "%v", err)
			}
		}
	}, time.Second)
}

func wantsMore(claim *v1.PersistentVolumeClaim) bool {
	wanted, has := claim.Spec.Resources.Requests[v1.ResourceStorage], claim.Status.Capacity[v1.ResourceStorage]
	return claim.Status.Phase == v1.ClaimBound && claim.DeletionTimestamp == nil && wanted.Cmp(has) > 0
}

func (g *grower) grow(ctx context.Context, claim *v1.PersistentVolumeClaim) error {
	volume, err := g.client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if volume.Annotations["pv.kubernetes.io/provisioned-by"] != Provisioner {
		return nil
	}
	node, err := nodeOf(volume)
	if err != nil {
		return err
	}
	wanted := claim.Spec.Resources.Requests[v1.ResourceStorage]
	if err := g.disks.grow(ctx, node, volume.Name, wanted.Value()); err != nil {
		return err
	}
	if err := g.record(ctx, volume, claim, wanted); err != nil {
		return err
	}
	g.events.Eventf(claim, v1.EventTypeNormal, "VolumeResizeSuccessful", "the volume has %s", wanted.String())
	return nil
}

// record writes the new size down, on the volume first: the claim's is what users wait for.
func (g *grower) record(ctx context.Context, volume *v1.PersistentVolume, claim *v1.PersistentVolumeClaim, size resource.Quantity) error {
	has := volume.Spec.Capacity[v1.ResourceStorage]
	if size.Cmp(has) > 0 {
		volume.Spec.Capacity[v1.ResourceStorage] = size
		if _, err := g.client.CoreV1().PersistentVolumes().Update(ctx, volume, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	claim = claim.DeepCopy()
	claim.Status.Capacity[v1.ResourceStorage] = size
	_, err := g.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, claim, metav1.UpdateOptions{})
	return err
}
