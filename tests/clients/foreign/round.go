// SPDX-License-Identifier: Apache-2.0

// usage: round kafka|amqp|mqtt HOST PORT: 50 messages go out and come back, whole and in order.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

const count = 50

var limit, cancel = context.WithTimeout(context.Background(), 40*time.Second)

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func expect(got, wanted string) {
	if got != wanted {
		check(fmt.Errorf("%q, wanted %q", got, wanted))
	}
}

func value(i int) string {
	return fmt.Sprintf("value %d", i)
}

func take(arrived chan string, suffix string) {
	for i := 0; i < count; i++ {
		select {
		case got := <-arrived:
			expect(got, value(i)+suffix)
		case <-limit.Done():
			check(fmt.Errorf("only %d came", i))
		}
	}
}

func roundKafka(address string) {
	topic := fmt.Sprintf("go-%d", time.Now().UnixNano())
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.AllowAutoTopicCreation(),
		kgo.ConsumerGroup("group-"+topic), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	check(err)
	for i := 0; i < count; i++ {
		record := &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(value(i)),
			Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}}
		check(client.ProduceSync(limit, record).FirstErr())
	}
	for i := 0; i < count; {
		fetches := client.PollFetches(limit)
		check(fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			expect(fmt.Sprintf("%s %s %s", record.Key, record.Value, record.Headers[0].Value),
				"k "+value(i)+" v")
			i++
		})
	}
	check(client.CommitUncommittedOffsets(limit))
	client.Close()
}

func roundAmqp(address string) {
	connection, err := amqp.Dial("amqp://guest:guest@" + address + "/")
	check(err)
	channel, err := connection.Channel()
	check(err)
	check(channel.Confirm(false))
	queue, err := channel.QueueDeclare(fmt.Sprintf("go-%d", time.Now().UnixNano()), true, false, false, false, nil)
	check(err)
	for i := 0; i < count; i++ {
		confirm, err := channel.PublishWithDeferredConfirmWithContext(limit, "", queue.Name, true, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Headers: amqp.Table{"n": int64(i)}, Body: []byte(value(i))})
		check(err)
		if !confirm.Wait() {
			check(fmt.Errorf("not confirmed"))
		}
	}
	deliveries, err := channel.ConsumeWithContext(limit, queue.Name, "", false, false, false, false, nil)
	check(err)
	for i := 0; i < count; i++ {
		delivery := <-deliveries
		expect(fmt.Sprintf("%s %v", delivery.Body, delivery.Headers["n"]), fmt.Sprintf("%s %d", value(i), i))
		check(delivery.Ack(false))
	}
	_, err = channel.QueueDelete(queue.Name, false, true, false)
	check(err)
	check(connection.Close())
}

func roundMqtt(address string) {
	arrived := make(chan string, count)
	topic := fmt.Sprintf("go/%d", time.Now().UnixNano())
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + address))
	wait := func(token mqtt.Token) {
		token.Wait()
		check(token.Error())
	}
	wait(client.Connect())
	wait(client.Subscribe(topic+"/+", 2, func(_ mqtt.Client, message mqtt.Message) {
		arrived <- fmt.Sprintf("%s %d", message.Payload(), message.Qos())
	}))
	for i := 0; i < count; i++ {
		wait(client.Publish(topic+"/a", 2, false, value(i)))
	}
	take(arrived, " 2")
	client.Disconnect(100)
}

func main() {
	defer cancel()
	address := os.Args[2] + ":" + os.Args[3]
	switch os.Args[1] {
	case "kafka":
		roundKafka(address)
	case "amqp":
		roundAmqp(address)
	case "mqtt":
		roundMqtt(address)
	}
	fmt.Println("ok")
}
