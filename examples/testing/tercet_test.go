// SPDX-License-Identifier: Apache-2.0

// Package testing_example has a broker for tests of Go: it keeps nothing and takes any free ports,
// so that many may run at once. The variable TERCETD names the program when it is not on the path.
package testing_example

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const readyIn = 20 * time.Second

// startBroker gives the addresses of "mqtt", "amqp" and "kafka" on 127.0.0.1. The broker ends with
// the test, and with the process.
func startBroker(t testing.TB) map[string]string {
	t.Helper()
	program := os.Getenv("TERCETD")
	if program == "" {
		program = "tercetd"
	}
	ready := filepath.Join(t.TempDir(), "ready")
	broker := exec.Command(program, "--ephemeral", "--quiet", "--log-level=warning",
		"--ready-file", ready, "--port-mqtt=0", "--port-amqp=0", "--port-kafka=0")
	broker.Stderr = os.Stderr
	broker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = broker.Process.Kill() // it keeps nothing: there is nothing to wait for
		_ = broker.Wait()
	})
	var told struct {
		Listeners []struct {
			Protocol, Address string
			Port              int
		}
	}
	for deadline := time.Now().Add(readyIn); ; time.Sleep(2 * time.Millisecond) {
		content, err := os.ReadFile(ready)
		if err == nil {
			if err := json.Unmarshal(content, &told); err != nil {
				t.Fatal(err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("tercetd was not ready in time")
		}
	}
	addresses := map[string]string{}
	for _, one := range told.Listeners {
		if one.Address == "127.0.0.1" {
			addresses[one.Protocol] = fmt.Sprintf("127.0.0.1:%d", one.Port)
		}
	}
	return addresses
}

func TestEveryProtocolAnswers(t *testing.T) {
	t.Parallel()
	for protocol, address := range startBroker(t) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(protocol, err)
		}
		_ = conn.Close()
	}
}

func TestBrokersAreApart(t *testing.T) {
	t.Parallel()
	one, other := startBroker(t), startBroker(t)
	for protocol := range one {
		if one[protocol] == other[protocol] {
			t.Error("one port for two brokers: ", protocol)
		}
	}
}
