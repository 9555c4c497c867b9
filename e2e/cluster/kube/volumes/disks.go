package volumes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// XFS cannot be smaller than this; a claim for less gets this much.
const smallest = 16 << 20

// Below this mkfs.xfs wants to be told that the size is meant.
const small = 300 << 20

// errStopped says that a node's volumes cannot be reached just now.
var errStopped = errors.New("the node is stopped")

// disks are the volumes of every node: NODES/<node>/volumes/<name>.img, mounted
// on the folder of the same name without its ending.
type disks struct {
	nodes string
	// Loop devices are claimed one at a time.
	lock sync.Mutex
}

func (d *disks) folder(node, name string) string {
	return filepath.Join(d.nodes, node, "volumes", name)
}

// create makes and mounts a volume; a half-made one is made again.
func (d *disks) create(ctx context.Context, node, name string, size int64) (string, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	folder := d.folder(node, name)
	if d.mounted(ctx, node, folder) {
		return folder, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	size = max(size, smallest)
	// Ready under its last name only when complete, for it is mounted at every start of the node.
	part, image := folder+".part", folder+".img"
	if err := sparse(part, size); err != nil {
		return "", err
	}
	format := []string{"-q", "-f"}
	if size < small && acceptsUnsupported() {
		format = append(format, "--unsupported")
	}
	if err := command(ctx, "mkfs.xfs", append(format, part)...); err != nil {
		return "", err
	}
	if err := os.Rename(part, image); err != nil {
		return "", err
	}
	return folder, d.inNode(ctx, node, "mount", "-o", "loop,discard", image, folder)
}

// grow makes a mounted volume larger while it is in use; it never shrinks one.
func (d *disks) grow(ctx context.Context, node, name string, size int64) error {
	d.lock.Lock()
	defer d.lock.Unlock()
	folder := d.folder(node, name)
	if !d.mounted(ctx, node, folder) {
		return fmt.Errorf("%s is not mounted on %s: %w", name, node, errStopped)
	}
	info, err := os.Stat(folder + ".img")
	if err != nil {
		return err
	}
	if size > info.Size() {
		if err := os.Truncate(folder+".img", size); err != nil {
			return err
		}
	}
	// The last two are repeated even when the file has its size: they may have failed before.
	return d.inNode(ctx, node, "sh", "-ec",
		`losetup --set-capacity "$(findmnt --noheadings --output SOURCE --mountpoint "$1")"; xfs_growfs "$1" >/dev/null`, "grow", folder)
}

// remove forgets a volume, also one of a stopped node.
func (d *disks) remove(ctx context.Context, node, name string) error {
	d.lock.Lock()
	defer d.lock.Unlock()
	folder := d.folder(node, name)
	if d.mounted(ctx, node, folder) {
		if err := d.inNode(ctx, node, "umount", folder); err != nil {
			return err
		}
	}
	for _, path := range []string{folder + ".part", folder + ".img", folder} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (d *disks) mounted(ctx context.Context, node, folder string) bool {
	return d.inNode(ctx, node, "findmnt", "--mountpoint", folder) == nil
}

// inNode runs a command among the node's mounts and processes.
func (d *disks) inNode(ctx context.Context, node string, args ...string) error {
	pid, err := os.ReadFile(filepath.Join(d.nodes, node, "entered"))
	if err != nil {
		return fmt.Errorf("%s: %w", node, errStopped)
	}
	// "PID START": the start tells a pid that was given out again.
	fields := strings.Fields(string(pid))
	if len(fields) != 2 || startOf(fields[0]) != fields[1] {
		return fmt.Errorf("%s: %w", node, errStopped)
	}
	// Its process namespace too, or /proc/self/mountinfo would not be there to read.
	spaces := filepath.Join("/proc", fields[0], "ns")
	return command(ctx, "nsenter", append([]string{"--mount=" + spaces + "/mnt", "--pid=" + spaces + "/pid_for_children", "--"}, args...)...)
}

// startOf is field 22 of /proc/PID/stat, counted after the name, which may hold spaces.
func startOf(pid string) string {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

func sparse(path string, size int64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Truncate(size)
}

// acceptsUnsupported: xfsprogs before 5.19 made small filesystems without being asked twice.
var acceptsUnsupported = sync.OnceValue(func() bool {
	usage, _ := exec.Command("mkfs.xfs", "--unsupported", "-N", "/dev/null").CombinedOutput()
	return !strings.Contains(string(usage), "unrecognized option")
})

func command(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	output, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(output)))
	}
	return nil
}
