// Command probe is the self-test's container: it serves its name over HTTP and
// answers, when run by exec, what a pod sees.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "serve" {
		return serve()
	}
	if len(args) != 2 {
		return fmt.Errorf("usage: probe serve | size PATH | write FILE | read FILE | lookup NAME | get URL")
	}
	switch verb, arg := args[0], args[1]; verb {
	case "size":
		var fs syscall.Statfs_t
		if err := syscall.Statfs(arg, &fs); err != nil {
			return err
		}
		fmt.Println(int64(fs.Blocks) * fs.Bsize)
	case "write":
		return os.WriteFile(arg, []byte(hostname()+"\n"), 0o644)
	case "read":
		text, err := os.ReadFile(arg)
		if err != nil {
			return err
		}
		fmt.Print(string(text))
	case "lookup":
		addresses, err := net.LookupHost(arg)
		if err != nil {
			return err
		}
		for _, address := range addresses {
			fmt.Println(address)
		}
	case "get":
		client := http.Client{Timeout: 3 * time.Second}
		answer, err := client.Get(arg)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		_, err = io.Copy(os.Stdout, answer.Body)
		return err
	default:
		return fmt.Errorf("no verb %q", verb)
	}
	return nil
}

func serve() error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	fmt.Println("serving as", hostname(), "in", os.Getenv("ZONE"))
	failed := make(chan error, 1)
	go func() {
		failed <- http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, hostname())
		}))
	}()
	select {
	case <-stop:
		return nil
	case err := <-failed:
		return err
	}
}

func hostname() string {
	name, _ := os.Hostname()
	return name
}
