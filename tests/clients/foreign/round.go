// SPDX-License-Identifier: Apache-2.0

// usage: round kafka|amqp HOST PORT: 50 messages go out and come back, whole and in order.
//
//	round mqtt3|mqtt5 URL [CA]: a round by paho's client of that version, see mqtt.go.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

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

func main() {
	defer cancel()
	switch os.Args[1] {
	case "kafka":
		roundKafka(os.Args[2] + ":" + os.Args[3])
	case "amqp":
		roundAmqp(os.Args[2] + ":" + os.Args[3])
	default:
		roundMqtt(os.Args[1], os.Args[2], os.Args[3:])
	}
	fmt.Println("ok")
}
