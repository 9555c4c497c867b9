// Command judge tells how GitOps tools see resources: kstatus, which Flux waits by, and Argo CD's health check in the
// interpreter that Argo CD runs it in.
//
// judge ARGOCD-CM.yaml < RESOURCE.json > VERDICT.json
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

type verdict struct {
	Kstatus        string `json:"kstatus"`
	KstatusMessage string `json:"kstatusMessage"`
	Argo           string `json:"argo"`
	ArgoMessage    string `json:"argoMessage"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: judge ARGOCD-CM.yaml < RESOURCE.json")
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var resource unstructured.Unstructured
	if err := resource.UnmarshalJSON(text); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	script, err := healthCheck(os.Args[1], &resource)
	if err != nil {
		return err
	}
	health, message, err := argo(script, resource.Object)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	computed, err := status.Compute(&resource)
	if err != nil {
		return fmt.Errorf("kstatus: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(verdict{computed.Status.String(), computed.Message, health, message})
}

// healthCheck is the script for the resource's kind, by the key that Argo CD looks for.
func healthCheck(path string, resource *unstructured.Unstructured) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var configMap struct {
		Data map[string]string `json:"data"`
	}
	if err := yaml.Unmarshal(text, &configMap); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	kind := resource.GroupVersionKind()
	key := fmt.Sprintf("resource.customizations.health.%s_%s", kind.Group, kind.Kind)
	script, ok := configMap.Data[key]
	if !ok {
		return "", fmt.Errorf("%s has no %s", path, key)
	}
	return script, nil
}

// argo runs the check as Argo CD does: obj is the resource, the answer a table with status and message, and only the
// base, table and string libraries are there.
func argo(script string, object map[string]any) (string, string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}, {lua.StringLibName, lua.OpenString}} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(library.open), NRet: 0, Protect: true}, lua.LString(library.name)); err != nil {
			return "", "", err
		}
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("it gave %s and no table", state.Get(-1).Type())
	}
	return lua.LVAsString(table.RawGetString("status")), lua.LVAsString(table.RawGetString("message")), nil
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, item := range from {
			table.RawSetString(key, value(state, item))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case string:
		return lua.LString(from)
	case int64:
		return lua.LNumber(from)
	case float64:
		return lua.LNumber(from)
	case bool:
		return lua.LBool(from)
	default:
		return lua.LNil
	}
}
