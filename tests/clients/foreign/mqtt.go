// SPDX-License-Identifier: Apache-2.0

// Paho's clients of MQTT 3.1.1 and of MQTT 5: every QoS in order, retained messages, wills, shared
// subscriptions, and what waits for a kept session.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// What the round asks of a client; `arrived` has "payload qos retained".
type client interface {
	subscribe(filter string, qos byte)
	publish(topic, value string, qos byte, isRetained bool)
	end()
	crash()
}

type peer struct {
	kind, server string
	secure       *tls.Config
	base         string
	made         int
}

func (p *peer) connect(id, will string, isKept bool) (client, chan string) {
	arrived := make(chan string, 4*count)
	p.made++
	if id == "" {
		id = fmt.Sprintf("%s-%d", p.base, p.made)
	}
	if p.kind == "mqtt3" {
		return p.connect3(id, will, isKept, arrived), arrived
	}
	return p.connect5(id, will, isKept, arrived), arrived
}

type client3 struct{ mqtt.Client }

func wait(token mqtt.Token) {
	if !token.WaitTimeout(20 * time.Second) {
		check(fmt.Errorf("no answer"))
	}
	check(token.Error())
}

func (p *peer) connect3(id, will string, isKept bool, arrived chan string) client {
	options := mqtt.NewClientOptions().AddBroker(p.server).SetClientID(id).SetCleanSession(!isKept).
		SetProtocolVersion(4).SetTLSConfig(p.secure).SetAutoReconnect(false)
	options.SetDefaultPublishHandler(func(_ mqtt.Client, message mqtt.Message) {
		arrived <- fmt.Sprintf("%s %d %t", message.Payload(), message.Qos(), message.Retained())
	})
	if will != "" {
		options.SetWill(will, "gone", 1, true)
	}
	made := client3{mqtt.NewClient(options)}
	wait(made.Connect())
	return made
}

func (c client3) subscribe(filter string, qos byte) {
	token := c.Subscribe(filter, qos, nil).(*mqtt.SubscribeToken)
	wait(token)
	for _, granted := range token.Result() { // of a shared one it knows the topic's filter alone
		expect(fmt.Sprint(granted), fmt.Sprint(qos))
	}
}

func (c client3) publish(topic, value string, qos byte, isRetained bool) {
	wait(c.Publish(topic, qos, isRetained, value))
}

func (c client3) end() {
	c.Disconnect(100)
}

// Its connection is gone when another client takes its name.
func (c client3) crash() {
	options := c.OptionsReader()
	other := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(options.Servers()[0].String()).
		SetClientID(options.ClientID()).SetTLSConfig(options.TLSConfig()))
	wait(other.Connect())
	other.Disconnect(100)
}

type client5 struct{ manager *autopaho.ConnectionManager }

func (p *peer) connect5(id, will string, isKept bool, arrived chan string) client {
	server, err := url.Parse(p.server)
	check(err)
	config := autopaho.ClientConfig{
		ServerUrls: []*url.URL{server}, TlsCfg: p.secure, KeepAlive: 20,
		CleanStartOnInitialConnection: !isKept,
		ReconnectBackoff:              func(tries int) time.Duration { return time.Duration(tries) * time.Hour },
		ClientConfig: paho.ClientConfig{ClientID: id,
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){
				func(got paho.PublishReceived) (bool, error) {
					arrived <- fmt.Sprintf("%s %d %t", got.Packet.Payload, got.Packet.QoS, got.Packet.Retain)
					return true, nil
				}}},
	}
	if isKept {
		config.SessionExpiryInterval = 600
	}
	if will != "" {
		config.WillMessage = &paho.WillMessage{Topic: will, Payload: []byte("gone"), QoS: 1, Retain: true}
	}
	manager, err := autopaho.NewConnection(limit, config)
	check(err)
	check(manager.AwaitConnection(limit))
	return client5{manager}
}

func (c client5) subscribe(filter string, qos byte) {
	answer, err := c.manager.Subscribe(limit,
		&paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: qos}}})
	check(err)
	expect(fmt.Sprint(answer.Reasons), fmt.Sprint([]byte{qos}))
}

func (c client5) publish(topic, value string, qos byte, isRetained bool) {
	_, err := c.manager.Publish(limit,
		&paho.Publish{Topic: topic, QoS: qos, Retain: isRetained, Payload: []byte(value)})
	check(err)
}

func (c client5) end() {
	check(c.manager.Disconnect(limit))
}

func (c client5) crash() {
	c.manager.TerminateConnectionForTest()
}

func take(arrived chan string, suffix string) {
	for i := 0; i < count; i++ {
		next(arrived, value(i)+suffix)
	}
}

func next(arrived chan string, wanted string) {
	select {
	case got := <-arrived:
		expect(got, wanted)
	case <-limit.Done():
		check(fmt.Errorf("nothing came, not %q", wanted))
	}
}

func (p *peer) everyQos() {
	all, arrived := p.connect("", "", false)
	for qos := byte(0); qos < 3; qos++ {
		topic := fmt.Sprintf("%s/%d", p.base, qos)
		all.subscribe(topic+"/+", qos)
		for i := 0; i < count; i++ {
			all.publish(topic+"/a", value(i), qos, false)
		}
		take(arrived, fmt.Sprintf(" %d false", qos))
	}
	all.end()
}

func (p *peer) retained() {
	all, arrived := p.connect("", "", false)
	all.publish(p.base+"/kept", "old", 1, true)
	all.publish(p.base+"/kept", "new", 1, true)
	all.subscribe(p.base+"/kept/#", 1)
	next(arrived, "new 1 true")
	all.publish(p.base+"/kept", "", 1, true)
	next(arrived, " 1 false")
	all.end()
}

func (p *peer) wills() {
	watcher, arrived := p.connect("", "", false)
	watcher.subscribe(p.base+"/will/#", 1)
	orderly, _ := p.connect("", p.base+"/will/never", false)
	orderly.end()
	lost, _ := p.connect("", p.base+"/will/lost", false)
	lost.crash()
	next(arrived, "gone 1 false")
	watcher.publish(p.base+"/will/end", "end", 1, false)
	next(arrived, "end 1 false")
	watcher.end()
}

func (p *peer) shared() {
	first, firsts := p.connect("", "", false)
	second, seconds := p.connect("", "", false)
	first.subscribe("$share/g/"+p.base+"/shared", 1)
	second.subscribe("$share/g/"+p.base+"/shared", 1)
	for i := 0; i < count; i++ {
		first.publish(p.base+"/shared", value(i), 1, false)
	}
	all := map[string]bool{}
	for len(all) < count {
		var got string
		select {
		case got = <-firsts:
		case got = <-seconds:
		case <-limit.Done():
			check(fmt.Errorf("only %d came", len(all)))
		}
		if all[got] {
			check(fmt.Errorf("%s came twice", got))
		}
		all[got] = true
	}
	first.end()
	second.end()
}

func (p *peer) kept() {
	first, _ := p.connect(p.base+"-kept", "", true)
	first.subscribe(p.base+"/later", 2)
	first.end()
	publisher, _ := p.connect("", "", false)
	for qos := byte(1); qos < 3; qos++ {
		for i := 0; i < count; i++ {
			publisher.publish(p.base+"/later", value(i), qos, false)
		}
	}
	publisher.end()
	again, arrived := p.connect(p.base+"-kept", "", true)
	take(arrived, " 1 false")
	take(arrived, " 2 false")
	again.end()
}

func roundMqtt(kind, server string, more []string) {
	p := &peer{kind: kind, server: server, base: fmt.Sprintf("go-%d", time.Now().UnixNano())}
	if len(more) > 0 {
		pem, err := os.ReadFile(more[0])
		check(err)
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			check(fmt.Errorf("no certificate in %s", more[0]))
		}
		p.secure = &tls.Config{RootCAs: roots}
	}
	p.everyQos()
	p.retained()
	p.wills()
	p.shared()
	p.kept()
}
